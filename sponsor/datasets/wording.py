"""Why a format cannot hold something, in plain words, with the way out. The value itself is not told."""

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sponsor.datasets.files import Problem, Unwritable

FORMS = {
    "dataset-json": gettext_lazy("Dataset-JSON"),
    "ndjson": gettext_lazy("Dataset-JSON, one row a line"),
    "xpt": gettext_lazy("SAS transport file (XPT)"),
    "csv": gettext_lazy("CSV (text, for statistics programs)"),
    "xlsx": gettext_lazy("Excel (XLSX)"),
}
SENTENCES = {
    Problem.NAME: gettext_lazy(
        "The name must be at most %(limit)s capital letters and digits: give the variable another name in the program."
    ),
    Problem.LABEL: gettext_lazy(
        "The label must be at most %(limit)s Latin letters: give the variable another label in the program."
    ),
    Problem.LONG_TEXT: gettext_lazy(
        "The text is longer than a value of this format may be (%(limit)s), and no text is cut: shorten it where it "
        "was recorded. Until then take the Dataset-JSON, which holds it."
    ),
    Problem.BLANK_ROW: gettext_lazy(
        "The row is empty, and readers of this format take it for padding: void the entry that it came from. Until "
        "then take the Dataset-JSON, which holds it."
    ),
    Problem.NUMBER: gettext_lazy(
        "The value is no number that this format holds without rounding: correct it where it was recorded."
    ),
}


def sentences(told: Iterable[dict[str, Any]]) -> list[str]:
    """Of each format that was left out."""
    return [sentence(Unwritable(**{**one, "problem": Problem(one["problem"])})) for one in told]


def sentence(error: Unwritable) -> str:
    """Which format, where, which rule, and what to do."""
    where = f"{error.dataset}.{error.variable}" if error.variable else error.dataset
    if error.row:
        where = _("%(where)s, row %(row)s") % {"where": where, "row": error.row}
    said = SENTENCES[error.problem] % {"limit": error.limit}
    return f"{FORMS.get(error.form, error.form)}, {where}: {said}"
