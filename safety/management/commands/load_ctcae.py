"""Load NCI's definitions and grade texts of CTCAE 5.0 and 6.0 from the site's copy of NCI's workbook."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _

from safety import actions
from safety.imports import ctcae_workbook
from safety.imports.ctcae_workbook import Fingerprints, WorkbookProblem

SHOWN = 20


class Command(BaseCommand):
    help = (
        "Loads the definitions and grade texts of CTCAE 5.0 and 6.0 from NCI's workbook of version 6.0 (.xlsx), all "
        "or nothing. It may be run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="NCI's workbook of CTCAE 6.0, as downloaded")
        parser.add_argument(
            "--fingerprints",
            type=Path,
            help="a table of fingerprints other than the one that is built in: for a later correction by NCI, once "
            "somebody has compared it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            workbook = ctcae_workbook.read(options["file"], fingerprints=_fingerprints(options["fingerprints"]))
        except WorkbookProblem as problem:
            raise CommandError(_refusal(problem)) from None
        counts = actions.load_texts(workbook=workbook, now=timezone.now())
        for version, count in counts.items():
            self.stdout.write(
                _("CTCAE %(version)s: %(count)s terms with their texts.") % {"version": version, "count": count}
            )
        self.stdout.write(_("SHA-256 of the workbook: %(sha256)s") % {"sha256": workbook.sha256})


def _fingerprints(path: Path | None) -> Fingerprints | None:
    if path is None:
        return None
    try:
        return ctcae_workbook.read_fingerprints(path)
    except (OSError, KeyError, UnicodeDecodeError):
        raise CommandError(_("%(file)s is no table of fingerprints.") % {"file": path}) from None


def _refusal(problem: WorkbookProblem) -> str:
    """Every place that was found, as far as they fit on a screen."""
    lines = [str(one) for one in problem.problems[:SHOWN]]
    if (more := len(problem.problems) - SHOWN) > 0:
        lines.append(_("… and %(count)s more") % {"count": more})
    return "\n".join([*lines, _("Nothing was loaded; what was loaded before is still there.")])
