"""Write the reference pages that are made from code, so that they cannot lie."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import translation

from participants.models import STATUS_NAMES
from participants.rules.status import TRANSITIONS, Status
from trialsite.roles import ROLE_NAMES, ROLE_PERMISSIONS

FOLDER = Path(settings.BASE_DIR) / "docs" / "reference"


class Command(BaseCommand):
    help = "Writes docs/reference from the code; --check only says what is out of date."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if a page is out of date")

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override("en"):
            pages = {"roles.md": roles(), "participant-status.md": statuses()}
        stale = [name for name, text in pages.items() if _read(name) != text]
        if options["check"] and stale:
            raise CommandError(f"docs/reference is out of date: {', '.join(stale)}. Run `make fix`.")
        for name in stale:
            (FOLDER / name).write_text(pages[name], encoding="utf-8")
            self.stdout.write(f"wrote docs/reference/{name}")


def _read(name: str) -> str:
    path = FOLDER / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def roles() -> str:
    """Each role with its permissions."""
    lines = ["# Roles", "", "Made from `trialsite/roles.py` by `make fix`. Nobody can delete anything.", ""]
    for role, permissions in ROLE_PERMISSIONS.items():
        lines += [f"## {ROLE_NAMES[role]}", "", *(f"- `{name}`" for name in sorted(set(permissions))), ""]
    return "\n".join(lines)


def statuses() -> str:
    """The transition table as a diagram that Markdown viewers draw."""
    lines = [
        "# Where a participant stands",
        "",
        "Made from `participants/rules/status.py` by `make fix`.",
        "",
        "```mermaid",
        "stateDiagram-v2",
    ]
    for status in Status:
        lines.append(f"    {status}: {STATUS_NAMES[status]}")
    for start, ends in TRANSITIONS.items():
        lines += [f"    {start or '[*]'} --> {end}" for end in Status if end in ends]
    return "\n".join([*lines, "```", ""])
