"""Values, reasons and runs of the blood as people say them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext

from participants.names import UNIT_NAMES, answer_text
from participants.rules.measures import MEASURES
from safety.actions.blood import Result
from safety.rules.grading import Reason
from safety.rules.icaht import Anc, Run, count_text
from safety.wording import sentences


def stored_sentences(row: Any, texts: Mapping[str, str]) -> list[str]:
    """The reasons of a row, and the investigator's where there is one."""
    said = sentences((Reason(one["code"], one["values"]) for one in row.reasons), texts)
    if row.investigator_grade is None:
        return said
    computed = gettext("Computed: {grade}. The investigator set another grade: {reason}")
    grade = "—" if row.grade is None else row.grade
    range_of_it = open_range(getattr(row, "summary", {}))
    return [*said, computed.format(grade=range_of_it or grade, reason=row.investigator_reason)]


def open_range(summary: Mapping[str, Any]) -> str:
    """The two grades between which a stored ICAHT grade lies: "2–3"; empty where it is one, or cannot be graded."""
    return range_text(summary.get("at_least"), summary.get("at_most"))


def range_text(at_least: int | None, at_most: int | None) -> str:
    return "" if at_least is None or at_least == at_most else f"{at_least}–{at_most}"


def plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def value_in_words(result: Result) -> str:
    """The number with its bound and its unit: "< 0.1 ×10⁹/L"."""
    unit = MEASURES[result.code].unit
    parts = (result.comparator, plain(result.value), answer_text("unit", unit) if unit else "")
    return " ".join(str(part) for part in parts if part)


def in_signs(text: str) -> str:
    """Units as people write them: the rules' sentences have the codes, such as 10^9/L."""
    for code in ("10^9/L", "umol/L", "ug/L", "degC"):
        text = text.replace(f" {code}", f" {UNIT_NAMES[code]}")
    return text


def moment(at: dt.datetime) -> str:
    return timezone.localtime(at).strftime("%m-%d %H:%M")


def day_in_words(day: Anc) -> str:
    return f"D{day.day}: {count_text(day)}/µL" + (f" ({gettext('interpolated')})" if day.is_interpolated else "")


def run_in_words(run: Run) -> str:
    return gettext("D%(first)s to D%(last)s, %(days)s days") % {
        "first": run.first_day,
        "last": run.last_day,
        "days": run.days,
    }


def days_in_words(days: Sequence[int]) -> str:
    return gettext(", ").join(f"D{day}" for day in days) or "—"
