"""Run one rule over a table of worked cases, as a hospital does when it validates the system."""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from trialsite import casetables
from trialsite.casetables import CaseTable, Difference, TableError

APPS = ("participants", "dosing", "safety", "sponsor")


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
        parser.add_argument("file", type=Path, help="a CSV file in UTF-8")

    def handle(self, *args: Any, **options: Any) -> None:
        rules = known_rules()
        if options["rule"] not in rules:
            raise CommandError(
                _("There is no rule “%(rule)s”. Known rules: %(known)s.")
                % {"rule": options["rule"], "known": ", ".join(sorted(rules))}
            )
        try:
            outcome = casetables.run(rules[options["rule"]], options["file"])
        except TableError as error:
            raise CommandError(_("%(error)s. No case counts as checked.") % {"error": error}) from None
        for difference in outcome.differences:
            self.stdout.write(describe(difference))
        self.stdout.write(outcome.last_line)
        if outcome.differences:
            sys.exit(1)


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
