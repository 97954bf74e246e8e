"""The public holidays of the sites' country, read once from the project's own list."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from participants.rules.calendar import Workdays, days_between
from trialsite.study import Text

FILE = Path(__file__).resolve().parent.parent / "trialsite" / "calendars" / "china.toml"


@cache
def known() -> Workdays:
    """What the list has; `off` holds the holiday's name in both languages."""
    years = tomllib.loads(FILE.read_text(encoding="utf-8"))["years"]
    return Workdays(
        off={day: Text(**one["name"]) for year in years for one in year["off"] for day in _days(one)},
        worked=frozenset(day for year in years for day in year["work"]),
        published=frozenset(year["year"] for year in years if year["published"]),
    )


def _days(off: dict[str, Any]) -> Any:
    return days_between(off["first"], off["last"])
