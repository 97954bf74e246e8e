"""What was found, in a line: for messages and lists."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from safety.models import IecHsAssessment, Scale
from safety.rules import crs, icans, iec_hs
from safety.rules.grading import Reason

TEXTS = {Scale.CRS: crs.REASON_TEXT, Scale.ICANS: icans.REASON_TEXT}


def sentences(reasons: Iterable[Reason], texts: Mapping[str, str]) -> list[str]:
    """Reasons in the reader's language."""
    return [_(texts[one.code]).format(**one.values) for one in reasons]


def findings_in_words(row: Any) -> str:
    """The reasons of a grade, in the language of whoever reads them.

    What somebody wrote in their own words stays on the page: a message never carries it.
    """
    texts = iec_hs.REASON_TEXT if isinstance(row, IecHsAssessment) else TEXTS[Scale(row.toxicity)]
    said = sentences((Reason(one["code"], one["values"]) for one in row.reasons), texts)
    if row.investigator_grade is not None:
        said.append(_("An investigator set this grade; computed was %(grade)s.") % {"grade": _grade(row.grade)})
    # A Chinese sentence ends with its own space.
    return ("" if (get_language() or "").startswith("zh") else " ").join(said)


def _grade(grade: int | None) -> str:
    return "—" if grade is None else str(grade)


def ago(time: dt.timedelta) -> str:
    """Hours and minutes; minutes alone within the first hour.

    >>> ago(dt.timedelta(hours=13, minutes=5))
    '13 h 5 min'
    >>> ago(dt.timedelta(minutes=31))
    '31 min'
    """
    hours, minutes = divmod(time // dt.timedelta(minutes=1), 60)
    if not hours:
        return _("%(minutes)s min") % {"minutes": minutes}
    return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes}
