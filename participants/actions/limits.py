"""What the newest report of the same laboratory said about normal: offered for the next one, never taken unseen."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Prefetch
from django.utils.translation import gettext as _

from participants.actions.days import long_date, site_day
from participants.models import Examination, Measurement, Participant
from participants.rules.age import age_group
from participants.rules.measures import PANELS
from trialsite.reading import word_key

# Newer ones than these say what a laboratory prints today.
LOOKED_AT = 200


@dataclass(frozen=True)
class Suggestion:
    """The unit that a laboratory chose last, and the limits of normal that it prints for such a person, if known."""

    unit: str
    limits: Measurement | None

    @property
    def source(self) -> Examination | None:
        return self.limits.examination if self.limits else None


def suggested_limits(*, participant: Participant, laboratory: str, panel: str, on: dt.date) -> dict[str, Suggestion]:
    """By measure. The same site and laboratory for the unit; the same sex and age group, too, for the limits."""
    codes = [measure.code for measure in PANELS[panel]]
    rows = [row for one in _reports(participant, laboratory, panel) for row in one.measurements.all()]
    age = participant.age_on(on)
    group = None if age is None else age_group(age)
    found = {}
    for code in codes:
        of_code = [row for row in rows if row.code == code]
        if of_code:
            unit = of_code[0].unit
            alike = (row for row in of_code if row.unit == unit and _is_alike(row, participant, group))
            found[code] = Suggestion(unit, next(alike, None))
    return found


def laboratories(participant: Participant, panel: str) -> list[str]:
    """Whose reports of this kind the site has, the newest first, each in its newest spelling."""
    of_site = Examination.objects.standing().filter(participant__site=participant.site_id, panel=panel)
    names = of_site.exclude(laboratory="")
    newest: dict[str, str] = {}
    for name in names.order_by("-taken_at", "-id").values_list("laboratory", flat=True)[:LOOKED_AT]:
        newest.setdefault(word_key(name), name)
    return list(newest.values())


def _reports(participant: Participant, laboratory: str, panel: str) -> list[Examination]:
    """Of this laboratory and site, the newest first; nothing void."""
    if not word_key(laboratory):
        return []
    numbers = Measurement.objects.standing().filter(value__isnull=False)
    newest = (
        Examination.objects.standing()
        .filter(participant__site=participant.site_id, panel=panel)
        .select_related("participant")
        .prefetch_related(Prefetch("measurements", numbers))
        .order_by("-taken_at", "-id")[:LOOKED_AT]
    )
    return [one for one in newest if word_key(one.laboratory) == word_key(laboratory)]


def _is_alike(row: Measurement, participant: Participant, group: int | None) -> bool:
    """Whether this report was about a person for whom the laboratory prints the same limits."""
    other = row.examination.participant
    has_limits = row.reference_low is not None or row.reference_high is not None or row.lloq is not None
    age = other.age_on(site_day(row.examination.taken_at))
    same_age = age is not None and age_group(age) == group
    return has_limits and other.sex == participant.sex and same_age


def source_text(suggestions: dict[str, Suggestion]) -> str:
    """From which reports the limits come, in words."""
    sources = {one.source.pk: one.source for one in suggestions.values() if one.source}
    days = sorted({site_day(source.taken_at) for source in sources.values()}, reverse=True)
    laboratory = next(iter(sources.values())).laboratory if sources else ""
    return _("%(laboratory)s, %(days)s") % {
        "laboratory": laboratory,
        "days": _(", ").join(long_date(day) for day in days),
    }
