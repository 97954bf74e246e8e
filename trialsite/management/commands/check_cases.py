"""Run one rule over a table of worked cases, as a hospital does when it validates the system."""

import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite import casetables
from trialsite.casetables import ID, CaseTable, Column, Difference, Kind, TableError, Word

APPS = ("participants", "dosing", "safety", "sponsor")
KIND_TEXT: dict[Kind, Any] = {
    Kind.TEXT: gettext_lazy("any text"),
    Kind.CASE: gettext_lazy("one of the names that are listed below"),
    Kind.NUMBER: gettext_lazy("a number with a point"),
    Kind.WHOLE: gettext_lazy("a whole number"),
    Kind.YES_NO: gettext_lazy("Y or N (yes, no, true, false, 1, 0)"),
    Kind.WORD: gettext_lazy("one of these words"),
    Kind.WORDS: gettext_lazy("these words, several joined by +; none or nothing: no word"),
    Kind.DAY: gettext_lazy("a date, YYYY-MM-DD"),
    Kind.MOMENT: gettext_lazy("a moment with its time zone: YYYY-MM-DDTHH:MM:SS+08:00"),
    Kind.PARTIAL_DAY: gettext_lazy("a date as far as it is known: YYYY-MM-DD, YYYY-MM or YYYY"),
    Kind.BOUND: gettext_lazy("a number, or a bound such as <30 or >1000"),
    Kind.LOAD: gettext_lazy(
        "a number, a bound such as <20; “not detected”; “detected, below 20” where 20 is the limit of quantification"
    ),
    Kind.SERIES: gettext_lazy("numbers or bounds with a comma between them, one a day; NA or nothing: not measured"),
    Kind.DAY_SERIES: gettext_lazy(
        "day:number with a space between two, such as 3:430; a bound such as <500 may be given"
    ),
    Kind.GRADE_RANGE: gettext_lazy(
        "a whole number, or the two between which it lies, such as 3-4; NA or nothing: none"
    ),
    Kind.GRADE: gettext_lazy("a whole number; NA or nothing: no grade"),
    Kind.FEBRILE: gettext_lazy(
        "a number, or a bound such as <2.5; for febrile neutropenia neutrophils and temperature, such as: ANC 0.5; "
        "T 38.0 for 61 min"
    ),
    Kind.MRD: gettext_lazy(
        "a number in percent, a bound such as <0.01, or that nothing was found with what the assay can see: "
        "not_detected_sens_0.01"
    ),
    Kind.ENDPOINT: gettext_lazy(
        "OS, RFS or EFS; behind it “not censored” where later therapy does not end it, “CNCT19” where it is an event"
    ),
    Kind.STORY: gettext_lazy(
        "short phrases with a comma between them, each with its day: relapse 2026-03-01; death, last marrow, last "
        "contact, lost to follow-up, allo-HSCT, new treatment, no CR"
    ),
    Kind.DAY_IN_TEXT: gettext_lazy("a date, YYYY-MM-DD, with words before or after it"),
    Kind.INPUTS: gettext_lazy("named inputs, as listed below for each kind of case"),
}


def known_rules() -> dict[str, CaseTable]:
    """Every rule that has a table, from each app's `cases` module."""
    found: dict[str, CaseTable] = {}
    for name in APPS:
        if apps.is_installed(name) and find_spec(f"{name}.cases"):
            found |= import_module(f"{name}.cases").CASES
    return found


class Command(BaseCommand):
    help = "Checks a rule against the cases of a CSV file: inputs, then expected_* columns."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("rule", help=f"one of: {', '.join(sorted(known_rules()))}")
        parser.add_argument("file", type=Path, nargs="?", help="a CSV file in UTF-8")
        parser.add_argument("--columns", action="store_true", help="list the columns, what may be written, an example")
        parser.add_argument(
            "--language", choices=[code for code, _name in settings.LANGUAGES], help="the language of what is said"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override(options["language"] or translation.get_language() or settings.LANGUAGE_CODE):
            table = _table(options["rule"])
            if options["columns"]:
                self.stdout.write("\n".join(columns_in_words(options["rule"], table)))
            elif options["file"] is None:
                raise CommandError(_("Name a CSV file, or ask for --columns."))
            else:
                self._check_table(table, options["file"])

    def _check_table(self, table: CaseTable, path: Path) -> None:
        try:
            outcome = casetables.run(table, path)
        except TableError as error:
            raise CommandError(_("%(error)s. No case counts as checked.") % {"error": error.said(_)}) from None
        for difference in outcome.differences:
            self.stdout.write(describe(difference))
        self.stdout.write(outcome.last_line)
        if outcome.differences:
            sys.exit(1)


def _table(rule: str) -> CaseTable:
    rules = known_rules()
    if rule not in rules:
        raise CommandError(
            _("There is no rule “%(rule)s”. Known rules: %(known)s.")
            % {"rule": rule, "known": ", ".join(sorted(rules))}
        )
    return rules[rule]


def describe(difference: Difference) -> str:
    """One case that differs: where it stands, what was given, both values and the rule's reason."""
    given = ", ".join(f"{name}={value}" for name, value in difference.inputs.items())
    lines = [
        _("row %(row)s, %(case)s") % {"row": difference.row, "case": difference.case},
        _("  input: %(given)s") % {"given": given or "—"},
    ]
    for column, (expected, computed) in difference.values.items():
        values = {"column": column, "expected": _shown(expected), "computed": _shown(computed)}
        lines.append(_("  %(column)s: expected %(expected)s, computed %(computed)s") % values)
    return "\n".join([*lines, _("  reason: %(reason)s") % {"reason": difference.reason}, ""])


def _shown(value: Any) -> str:
    if isinstance(value, frozenset):
        return "+".join(sorted(value)) or "none"
    return _("nothing") if value is None else str(value)


# --- The columns of a rule ---------------------------------------------------------------------------


def columns_in_words(rule: str, table: CaseTable) -> Iterator[str]:
    """Every column with what may be written in it, and at the end a table that can be checked as it stands."""
    yield _("Columns of %(rule)s") % {"rule": rule}
    yield ""
    yield f"{ID}: " + _("the name of the case, by which you find it again") + f" [{_('needed')}]"
    for name, column in table.columns().items():
        yield from _column(name, column, is_needed=name not in table.optional)
        yield from _inputs(column)
    yield ""
    yield _("These may be there and take no part: %(columns)s") % {"columns": ", ".join(table.descriptive)}
    yield ""
    yield _("An example, as a table that can be checked:")
    yield casetables.as_csv(table.example_rows())


def _column(name: str, column: Column, *, is_needed: bool, indent: str = "") -> Iterator[str]:
    yield f"{indent}{name}: {_in_language(column.label)} [{_needs(column, is_needed=is_needed)}]"
    if column.also:
        yield f"{indent}  " + _("also called: %(names)s") % {"names": ", ".join(column.also)}
    yield f"{indent}  " + _kind(column)
    for word in column.words:
        yield f"{indent}    " + _word(word)
    if column.example:
        yield f"{indent}  " + _("example: %(example)s") % {"example": column.example}


def _needs(column: Column, *, is_needed: bool) -> str:
    if not is_needed:
        return _("may be left out")
    return _("needed, may be empty: not recorded") if column.may_be_empty else _("needed")


def _kind(column: Column) -> str:
    kind, unit = str(KIND_TEXT[column.kind]), _in_language(column.unit)
    return _("%(kind)s (unit: %(unit)s)") % {"kind": kind, "unit": unit} if unit else kind


def _word(word: Word) -> str:
    said = f"{word.written} = {_in_language(word.meaning)}" if word.meaning else word.written
    if word.also:
        said += " " + _("(also: %(words)s)") % {"words": ", ".join(word.also)}
    if word.ends:
        said += " " + _("(with %(ends)s behind it, too)") % {"ends": ", ".join(word.ends)}
    return said


def _inputs(column: Column) -> Iterator[str]:
    for kind, inputs in column.inputs.items():
        yield f"  {kind}: {_in_language(inputs.label)}"
        for name, one in inputs.columns.items():
            is_needed = not (inputs.may_leave_out or one.may_be_empty)
            yield from _column(name, one, is_needed=is_needed, indent="    ")


def _in_language(text: Any) -> str:
    """A label, or a rule's sentence that is only marked for translation."""
    return _(str(text)) if str(text) else ""
