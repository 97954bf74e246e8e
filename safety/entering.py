"""Entering a visit: what this app knows of it."""

from collections.abc import Sequence

from django.utils import timezone
from django.utils.translation import gettext as _

from safety.models import AdverseEvent, BedsideAssessment, current
from trialsite.entering import Line, Page, Section, moments_of


def _bedside(page: Page) -> list[Section]:
    first, last = page.span
    rows = current(BedsideAssessment.objects.filter(participant=page.participant, assessed_at__date__lte=last))
    if first is not None:
        rows = rows.filter(assessed_at__date__gte=first)
    found = list(rows.order_by("assessed_at"))
    needed = times_asked(page, "bedside")
    count = _("%(count)s of %(needed)s assessments") % {"count": len(found), "needed": needed}
    return [
        Section(
            "bedside",
            _("CRS and ICANS at the bedside"),
            is_done=len(found) >= needed,
            hint="" if len(found) >= needed else count,
            may_be_missed=True,
            lines=tuple(
                Line(
                    f"{timezone.localtime(row.assessed_at):%Y-%m-%d %H:%M}",
                    page.link("safety_bedsideassessment_change", row.pk),
                )
                for row in found
            ),
            links=page.allowed(
                (_("Bedside assessment"), page.add("safety_bedsideassessment"), "safety.add_bedsideassessment")
            ),
        )
    ]


def _times_assessed(pages: Sequence[Page]) -> dict[int, int]:
    """One query for all; of visits that do not ask for it none are counted."""
    asking = {page.row.pk: moments_of(page) for page in pages if _asks(page, "bedside")}
    found = {page.row.pk: 0 for page in pages}
    if not asking:
        return found
    people = {page.row.participant_id for page in pages if page.row.pk in asking}
    since, until = min(since for since, _until in asking.values()), max(until for _since, until in asking.values())
    within = BedsideAssessment.objects.filter(participant__in=people, assessed_at__gte=since, assessed_at__lt=until)
    rows = list(current(within).order_by().values_list("participant", "assessed_at"))
    for page in (page for page in pages if page.row.pk in asking):
        opens, closes = asking[page.row.pk]
        found[page.row.pk] = sum(who == page.row.participant_id and opens <= at < closes for who, at in rows)
    return found


def _asks(page: Page, form: str) -> bool:
    return any(page.protocol.procedure(code).form == form for code in page.visit.procedures)


def times_asked(page: Page, form: str) -> int:
    """How often the visit asks for what this form records."""
    asked = [page.protocol.procedure(code) for code in page.visit.procedures]
    return max((one.times for one in asked if one.form == form), default=1)


def _blood(page: Page) -> list[Section]:
    return [
        Section(
            "blood",
            _("ICAHT and IEC-HS"),
            is_optional=True,
            links=page.allowed(
                (_("ICAHT and IEC-HS"), page.link("safety_blood", page.participant.pk), "safety.view_icahtassessment")
            ),
        )
    ]


def _adverse_events(page: Page) -> list[Section]:
    """Those that began in the days of the visit; that there were none is an answer, and no event."""
    first, last = page.span
    rows = AdverseEvent.objects.standing().filter(participant=page.participant, onset__lte=f"{last:%Y-%m-%d}")
    if first is not None:
        rows = rows.filter(onset__gte=f"{first:%Y-%m-%d}")
    return [
        Section(
            "adverse_events",
            _("Adverse events"),
            is_optional=True,
            lines=tuple(
                Line(f"{row.term} · {row.onset}", page.link("safety_adverseevent_change", row.pk)) for row in rows
            ),
            links=page.allowed((_("Log an adverse event"), page.add("safety_adverseevent"), "safety.add_adverseevent")),
        )
    ]


FORMS = {"bedside": _bedside, "blood": _blood, "adverse_events": _adverse_events}
RECORDED = {"bedside": _times_assessed}
