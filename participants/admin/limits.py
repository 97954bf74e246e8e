"""The limits of normal that are offered on the form of a new examination, and how they stand out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from participants import actions
from participants.models import Examination, Measurement, Participant, numbered
from trialsite.reading import read_code, read_key, word_key

# What the button sends that asks for the limits of a laboratory, and what the form keeps of where they came from.
ASK, ASK_OF, KEPT = "_limits", "_limits_of", "limits_from"
LIMITS = ("low", "high", "lloq")


@dataclass(frozen=True)
class Offer:
    """What is suggested for this participant and laboratory; `before` is what an earlier press has filled in."""

    laboratory: str = ""
    suggestions: Mapping[str, actions.Suggestion] = field(default_factory=dict)
    before: Mapping[str, actions.Suggestion] = field(default_factory=dict)
    is_asked: bool = False
    is_of_another: bool = False
    kept: str = ""
    laboratories: tuple[str, ...] = ()

    @property
    def is_in_vain(self) -> bool:
        """Somebody asked, and no such report is known."""
        return self.is_asked and not self.source

    @property
    def source(self) -> str:
        """Whose report, of which day; empty where no limits are known."""
        has_limits = any(one.limits for one in self.suggestions.values())
        return actions.source_text(dict(self.suggestions)) if has_limits else ""

    def values(self, code: str) -> dict[str, str]:
        return of_suggestion(self.suggestions.get(code))

    def filled(self, posted: Any) -> Any:
        """What was sent; where the limits were asked for, with them in the boxes that nobody wrote into."""
        if posted is None or not self.is_asked:
            return posted
        data = posted.copy()
        data["laboratory"] = self.laboratory
        for code in {*self.suggestions, *self.before}:
            self._fill(data, code)
        return data

    def _fill(self, data: Any, code: str) -> None:
        old, new = of_suggestion(self.before.get(code)), self.values(code)
        if not data.get(f"{code}-value", "").strip() and new:
            data[f"{code}-unit"] = new["unit"]
        if new and data.get(f"{code}-unit", new["unit"]) != new["unit"]:
            # A number stands there in another unit, for which this laboratory's limits do not hold.
            return
        for name in LIMITS:
            if data.get(f"{code}-{name}", "").strip() in ("", old.get(name, "")):
                data[f"{code}-{name}"] = new.get(name, "")


NOTHING = Offer()


def offer(request: HttpRequest, obj: Examination, participant: Participant | None, laboratory: str = "") -> Offer:
    """What the address or the form asks for: limits are offered once both the person and the laboratory are known."""
    given = request.POST if request.method == "POST" else request.GET
    is_asked = request.method == "POST" and (ASK in request.POST or ASK_OF in request.POST)
    laboratory = request.POST.get(ASK_OF) or given.get("laboratory", "") or laboratory
    if participant is None:
        return Offer(laboratory=laboratory, is_asked=is_asked)
    key, kept = _key(participant, laboratory), request.POST.get(KEPT, "")
    is_shown = is_asked or request.method == "GET" or kept == key
    return Offer(
        laboratory=laboratory,
        suggestions=_suggested(participant, laboratory, obj) if is_shown else {},
        before=_suggested(participant, kept.partition(":")[2], obj) if is_asked and kept else {},
        is_asked=is_asked,
        is_of_another=bool(kept) and not is_shown,
        kept=key if is_shown else kept,
        laboratories=tuple(actions.laboratories(participant, obj.panel)),
    )


def participant_of(request: HttpRequest, participants: QuerySet[Participant]) -> Participant | None:
    """Whom the form or the address names."""
    if request.method == "POST":
        return participants.filter(numbered(read_code(request.POST.get("number", "")))).first()
    return participants.filter(pk=read_key(request.GET.get("participant"))).first()


def _suggested(participant: Participant, laboratory: str, obj: Examination) -> dict[str, actions.Suggestion]:
    today = actions.site_day(timezone.now())
    return actions.suggested_limits(participant=participant, laboratory=laboratory, panel=obj.panel, on=today)


def _key(participant: Participant, laboratory: str) -> str:
    return f"{participant.pk}:{word_key(laboratory)}"


def plain(value: Decimal | None) -> str:
    return "" if value is None else f"{value.normalize():f}"


def of_row(row: Measurement) -> dict[str, str]:
    return {"low": plain(row.reference_low), "high": plain(row.reference_high), "lloq": plain(row.lloq)}


def of_suggestion(one: actions.Suggestion | None) -> dict[str, str]:
    if one is None:
        return {}
    return {"unit": one.unit, **(of_row(one.limits) if one.limits else {})}


def other_text(given: Offer) -> str:
    return _(
        "The marked limits are those of another person or laboratory. Press “Take its newest limits” once more, or "
        "write those of this report."
    )


def compare_text(given: Offer) -> str:
    return _(
        "The marked limits are from an older report (%(source)s). Compare them with this report, correct what "
        "differs, and tick that you have."
    ) % {"source": given.source}
