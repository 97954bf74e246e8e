"""Load the Chinese names of CTCAE's terms from the site's own MedDRA release."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _

from safety import actions
from safety.imports import meddra_zh
from safety.imports.meddra_zh import NamesProblem


class Command(BaseCommand):
    help = (
        "Loads the Chinese names of CTCAE's terms from llt.asc of a Chinese MedDRA release for which the site holds "
        "a licence. Other terms of the file are not kept. It may be run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="llt.asc of the Chinese release")
        parser.add_argument(
            "--release", help="the release, such as 28.0; else what meddra_release.asc beside the file says"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            names = meddra_zh.read(path)
        except NamesProblem as problem:
            reason = _("%(file)s: %(problem)s.") % {"file": path.name, "problem": problem}
            raise CommandError(f"{reason}\n{_('Nothing was loaded; what was loaded before is still there.')}") from None
        release = (options["release"] or meddra_zh.release_beside(path))[:10]
        count = actions.load_names(names=names, release=release, now=timezone.now())
        self.stdout.write(
            _("%(count)s of the %(all)s codes that CTCAE uses have a name among the %(lines)s terms of the file.")
            % {"count": count, "all": len(meddra_zh.ctcae_codes()), "lines": names.lines}
        )
        self.stdout.write(
            _("Release: %(release)s") % {"release": release}
            if release
            else _("The release is not stated: say it with --release, so that the pages can name it.")
        )
