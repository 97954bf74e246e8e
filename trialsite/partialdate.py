"""Dates known only in part, as ISO 8601 writes them: 2026, 2026-03 or 2026-03-05.

Pure: no Django, no clock. A missing part stays missing; comparisons use the earliest and the latest
day that the date could mean, so that "not before" is claimed only where it is certain.
"""

import calendar
import datetime as dt
import re
from dataclasses import dataclass

_SHAPE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


@dataclass(frozen=True)
class PartialDate:
    year: int
    month: int | None = None
    day: int | None = None

    @classmethod
    def parse(cls, text: str) -> "PartialDate":
        """Raises ValueError for anything but YYYY, YYYY-MM or YYYY-MM-DD of a day that exists.

        >>> PartialDate.parse("2026-02").latest.isoformat()
        '2026-02-28'
        """
        found = _SHAPE.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is not YYYY, YYYY-MM or YYYY-MM-DD")
        year, month, day = (int(part) if part else None for part in found.groups())
        assert year is not None
        dt.date(year, month or 1, day or 1)  # raises for a month or a day that does not exist
        return cls(year, month, day)

    def __str__(self) -> str:
        parts = (f"{self.year:04d}", f"{self.month:02d}" if self.month else "", f"{self.day:02d}" if self.day else "")
        return "-".join(part for part in parts if part)

    @property
    def earliest(self) -> dt.date:
        return dt.date(self.year, self.month or 1, self.day or 1)

    @property
    def latest(self) -> dt.date:
        month = self.month or 12
        return dt.date(self.year, month, self.day or calendar.monthrange(self.year, month)[1])

    def certainly_before(self, other: "PartialDate") -> bool:
        return self.latest < other.earliest

    def certainly_after_day(self, day: dt.date) -> bool:
        return self.earliest > day
