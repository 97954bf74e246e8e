"""The first 28 days of a participant as a heat map: day by day the worst grades, temperature and laboratory values.

The steps of the shading are for the eye only [P]; each cell has its number, and its border grows with the step, so that
the picture reads in black and white. A bound keeps its sign, and is shaded as far as it goes for certain. A day has
the same width whatever else was recorded: what lies before the first day or after the last one stands at the edge,
with its days.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dosing.actions import day0_of
from dosing.models import Medication, MedicationKind
from participants.actions import site_day
from participants.flowchart import text_width
from participants.models import Measurement, Participant
from safety.models import Scale, ToxicityAssessment, current
from safety.rules.crs import OxygenDevice
from trialsite.bounds import ABOVE, BELOW, examples

FIRST, LAST = -1, 28
DAYS = tuple(range(FIRST, LAST + 1))
DAY = dt.timedelta(days=1)


class Seen(NamedTuple):
    """What one row of the record says: a number or the bound of one; no number where nothing was gradable."""

    value: Decimal | None
    sign: str = ""


@dataclass(frozen=True)
class Row:
    """A line of the map: which values, whether the lowest is the worst, and from where each step of shading begins."""

    code: str
    name: Any
    steps: tuple[Decimal, ...]
    lowest: bool = False

    def level(self, value: Decimal, sign: str = "") -> int:
        """Of a bound, the lowest shading that a value has which it allows."""
        return min(self._level(one) for one in examples(value, sign, self.steps))

    def _level(self, value: Decimal) -> int:
        if self.lowest:
            return sum(value < step for step in self.steps)
        return sum(value >= step for step in self.steps)

    def badness(self, seen: tuple[Decimal, str]) -> tuple[Decimal, int]:
        """By which the worst of a day is found; of a number and its bound the one that may be worse."""
        value, sign = seen
        outward, inward = (BELOW, ABOVE) if self.lowest else (ABOVE, BELOW)
        rank = 1 if sign in outward else -1 if sign in inward else 0
        return -value if self.lowest else value, rank


def _steps(*values: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(value) for value in values)


GRADES = _steps("1", "2", "3", "4")
ROWS = (
    Row("CRS", "CRS", GRADES),
    Row("ICANS", "ICANS", GRADES),
    Row("TEMP", gettext_lazy("Temperature (°C)"), _steps("38", "39", "40", "41")),
    Row("FERRITIN", gettext_lazy("Ferritin (µg/L)"), _steps("500", "1500", "3000", "10000")),
    Row("CRP", gettext_lazy("CRP (mg/L)"), _steps("10", "50", "100", "200")),
    Row("NEUT", gettext_lazy("ANC (10⁹/L)"), _steps("1.5", "1", "0.5", "0.1"), lowest=True),
    Row("PLAT", gettext_lazy("Platelets (10⁹/L)"), _steps("100", "50", "20", "10"), lowest=True),
)
TREATMENTS = (
    ({MedicationKind.TOCILIZUMAB}, gettext_lazy("Tocilizumab"), "●"),
    ({MedicationKind.CORTICOSTEROID}, gettext_lazy("Corticosteroid"), "■"),
    ({MedicationKind.VASOPRESSOR, MedicationKind.VASOPRESSIN}, gettext_lazy("Vasopressor"), "▲"),
    ({MedicationKind.OXYGEN}, gettext_lazy("Oxygen"), "○"),
)
NOT_GRADABLE = "?"


@dataclass(frozen=True)
class Cell:
    """One value of one day; `text` is what stands in it, empty where nothing was recorded."""

    day: int
    text: str = ""
    level: int = 0
    is_bound: bool = False


@dataclass(frozen=True)
class Line:
    name: str
    cells: tuple[Cell, ...]
    # The days on which something was recorded outside the picture, in words.
    earlier: str = ""
    later: str = ""


# --- reading: a fixed number of queries, however much there is ----------------------------------------------------


def lines_of(participant: Participant, day0: dt.date, *, today: dt.date) -> tuple[Line, ...]:
    """What was recorded, from the day before the infusion on; what is ongoing is drawn until today."""
    seen: dict[tuple[str, int], list[Seen]] = {}
    for code, at, value in (*_assessed(participant), *_measured(participant)):
        seen.setdefault((code, (site_day(at) - day0).days), []).append(value)
    found = tuple(
        _line(row.name, [_cell(row, day, seen.get((row.code, day), [])) for day in DAYS], _days_with(seen, row.code))
        for row in ROWS
    )
    return (*found, *_treatments(participant, day0, (today - day0).days))


def _days_with(seen: Iterable[tuple[str, int]], *codes: str) -> set[int]:
    return {day for code, day in seen if code in codes}


def _line(name: Any, cells: Iterable[Cell], days: Iterable[int]) -> Line:
    listed = sorted(days)
    return Line(
        str(name),
        tuple(cells),
        _in_words([day for day in listed if day < FIRST]),
        _in_words([day for day in listed if day > LAST]),
    )


def _in_words(days: list[int]) -> str:
    """From the first to the last of them: D35 – D90."""
    return " – ".join(f"D{day}" for day in dict.fromkeys((*days[:1], *days[-1:])))


def _span(day0: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """A day more on either side: the site's days are cut exactly afterwards."""
    first = dt.datetime.combine(day0 + (FIRST - 1) * DAY, dt.time(), tzinfo=dt.UTC)
    return first, first + (LAST - FIRST + 3) * DAY


def _assessed(participant: Participant) -> list[tuple[str, dt.datetime, Seen]]:
    """Grades, and the temperatures that they were computed from."""
    rows = current(ToxicityAssessment.objects.filter(participant=participant))
    rows = rows.values_list("toxicity", "assessed_at", "grade", "investigator_grade", F("findings__temperature_c"))
    found: list[tuple[str, dt.datetime, Seen]] = []
    for toxicity, at, grade, own, temperature in rows:
        final = grade if own is None else own
        found.append((toxicity, at, Seen(None if final is None else Decimal(final))))
        if toxicity == Scale.CRS and temperature is not None:
            found.append(("TEMP", at, Seen(Decimal(temperature))))
    return found


def _measured(participant: Participant) -> list[tuple[str, dt.datetime, Seen]]:
    rows = Measurement.objects.standing().filter(
        participant=participant,
        code__in=[row.code for row in ROWS],
        standard_value__isnull=False,
    )
    found = rows.values_list("code", "taken_at", "standard_value", "comparator")
    return [(code, at, Seen(value, sign)) for code, at, value, sign in found]


def _cell(row: Row, day: int, values: list[Seen]) -> Cell:
    """The worst of the day; assessed, but never gradable, is not grade 0."""
    known = [(one.value, one.sign) for one in values if one.value is not None]
    if not known:
        return Cell(day, NOT_GRADABLE if values else "")
    worst, sign = max(known, key=row.badness)
    return Cell(day, f"{sign}{short(worst)}", row.level(worst, sign), is_bound=bool(sign))


def short(value: Decimal) -> str:
    """As it fits a cell: 12345 is 12k, 38.60 is 38.6."""
    if value >= 10_000:
        return f"{value / 1000:.0f}k"
    if value >= 1000:
        return f"{value / 1000:.1f}k"
    rounded = value.quantize(Decimal("0.1") if value < 100 and value >= 10 else Decimal("0.01"))
    if value >= 100:
        rounded = value.quantize(Decimal(1))
    if 0 < value < Decimal("0.01"):
        # Rounded it would be none at all, and "<0.004" nothing that can be.
        rounded = value
    return f"{rounded.normalize():f}"


def _treatments(participant: Participant, day0: dt.date, today: int) -> tuple[Line, ...]:
    given = (
        Medication.objects.standing()
        .filter(
            participant=participant,
            kind__in=set().union(*(kinds for kinds, _name, _sign in TREATMENTS)),
        )
        .values_list("kind", "started_at", "ended_at", "is_ongoing")
    )
    days = {(row[0], day) for row in given for day in _days_of(row, day0, today)} | _seen_at_the_bed(participant, day0)
    return tuple(
        _line(
            name,
            [Cell(day, sign if any((kind, day) in days for kind in kinds) else "") for day in DAYS],
            _days_with(days, *kinds),
        )
        for kinds, name, sign in TREATMENTS
    )


def _days_of(row: Any, day0: dt.date, today: int) -> Iterable[int]:
    """Every day in the picture; of the others the first and the last."""
    _kind, started_at, ended_at, is_ongoing = row
    begins = (site_day(started_at) - day0).days
    ends = (site_day(ended_at) - day0).days if ended_at else max(today, begins) if is_ongoing else begins
    return {begins, *range(max(begins, FIRST), min(ends, LAST) + 1), max(begins, ends)}


def _seen_at_the_bed(participant: Participant, day0: dt.date) -> set[tuple[str, int]]:
    """The days on which an assessment found a vasopressor or oxygen: not everything is written up as medication."""
    of_crs = ToxicityAssessment.objects.filter(participant=participant, toxicity=Scale.CRS)
    rows = current(of_crs).filter(assessed_at__range=_span(day0)).values_list("assessed_at", "findings")
    found: set[tuple[str, int]] = set()
    for at, findings in rows:
        day = (site_day(at) - day0).days
        if findings.get("vasopressors") or findings.get("vasopressin"):
            found.add((MedicationKind.VASOPRESSOR, day))
        if findings.get("oxygen_device") not in (None, OxygenDevice.NONE):
            found.add((MedicationKind.OXYGEN, day))
    return found


# --- drawing -----------------------------------------------------------------------------------------

LABEL, WIDTH, HEIGHT, TOP = 150, 32, 26, 30
# Of the names that stay in view on a telephone; around the words at an edge; of their letters to usual ones.
NARROW, MARGIN, SMALL = 116, 14, 11 / 14
OPACITY = (0, 0.1, 0.2, 0.32, 0.45)
STROKE = (0.4, 0.8, 1.4, 2.0, 2.8)


@dataclass(frozen=True)
class Drawn:
    x: int
    y: int
    text: str
    opacity: float
    stroke: float
    is_bound: bool = False

    @property
    def font_size(self) -> int:
        """So that the words stay inside the cell."""
        return 11 if len(self.text) < 5 else 9


@dataclass(frozen=True)
class Picture:
    width: int
    height: int
    days: tuple[tuple[int, str], ...]
    names: tuple[tuple[int, str], ...]
    cells: tuple[Drawn, ...]
    # What stands beyond the breaks of the axis: (x, y, words), the headings first.
    far: tuple[tuple[int, int, str], ...]
    breaks: tuple[int, ...]
    has_earlier: bool
    has_later: bool
    description: str
    # What ends here is shown first in a narrow frame.
    newest_x: int
    cell_width: int = WIDTH
    cell_height: int = HEIGHT
    names_width: int = NARROW
    left: int = LABEL


def picture(lines: tuple[Line, ...], *, today: int = LAST) -> Picture:
    """`today` is a trial day."""
    earlier, later = _edge([line.earlier for line in lines]), _edge([line.later for line in lines])
    left = LABEL + earlier
    right = left + len(DAYS) * WIDTH
    cells = tuple(
        _drawn(cell, left + column * WIDTH, TOP + number * HEIGHT)
        for number, line in enumerate(lines)
        for column, cell in enumerate(line.cells)
        if cell.text
    )
    far = (
        *_far(LABEL, _("earlier"), [line.earlier for line in lines]),
        *_far(right + MARGIN, _("later"), [line.later for line in lines]),
    )
    return Picture(
        width=right + later + 4,
        height=TOP + len(lines) * HEIGHT + 6,
        days=tuple((left + column * WIDTH + WIDTH // 2, f"D{day}") for column, day in enumerate(DAYS)),
        names=tuple((TOP + number * HEIGHT + HEIGHT - 8, line.name) for number, line in enumerate(lines)),
        cells=cells,
        far=far,
        breaks=(*([left - MARGIN // 2] if earlier else []), *([right + MARGIN // 2] if later else [])),
        has_earlier=bool(earlier),
        has_later=bool(later),
        description=description(lines),
        newest_x=left + (_newest(lines, today) - FIRST + 1) * WIDTH,
    )


def _drawn(cell: Cell, x: int, y: int) -> Drawn:
    return Drawn(x, y, cell.text, OPACITY[cell.level], STROKE[cell.level], cell.is_bound)


def _newest(lines: tuple[Line, ...], today: int) -> int:
    """Today; where it is not in the picture, the last day on which something was recorded."""
    if today <= LAST:
        return max(today, FIRST)
    return max((cell.day for line in lines for cell in line.cells if cell.text), default=LAST)


def _edge(words: Iterable[str]) -> int:
    """As wide as the longest of them; nothing where there are none."""
    widths = [round(text_width(one) * SMALL) for one in words if one]
    return max(*widths, round(text_width(_("earlier")) * SMALL)) + 2 * MARGIN if widths else 0


def _far(x: int, heading: str, words: list[str]) -> list[tuple[int, int, str]]:
    if not any(words):
        return []
    rows = [(x, TOP + number * HEIGHT + HEIGHT - 8, one) for number, one in enumerate(words) if one]
    return [(x, 18, heading), *rows]


def description(lines: tuple[Line, ...]) -> str:
    """The picture in words, for those who hear it: each line with the days on which something is recorded."""
    parts = []
    for line in lines:
        said = [f"D{cell.day} {cell.text}" for cell in line.cells if cell.text]
        said = [*([line.earlier] if line.earlier else []), *said, *([line.later] if line.later else [])]
        if said:
            parts.append(f"{line.name}: {', '.join(said)}")
    return "; ".join(parts) or _("Nothing is recorded yet.")


def context_of(participant: Participant, *, today: dt.date) -> dict[str, Any]:
    """What the page needs; no picture before the infusion."""
    day0 = day0_of(participant)
    if day0 is None:
        return {"heatmap": None}
    lines = lines_of(participant, day0, today=today)
    return {"heatmap": picture(lines, today=(today - day0).days), "heatmap_lines": lines, "heatmap_days": DAYS}
