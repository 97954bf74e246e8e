"""What a participant received, from lymphodepletion to Day 28: one list of entries, drawn and tabled alike."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.utils import formats, timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from dosing import actions
from dosing.models import DoseState, Infusion, LymphodepletionDose, Medication, MedicationKind
from dosing.rules.scale import PAUSE, main_days, reach_back
from participants.actions import long_date, site_day
from participants.flowchart import Text, text_width, wrap
from participants.models import Participant

DAY = dt.timedelta(days=1)

# --- the entries -------------------------------------------------------------------------------------

LYMPHODEPLETION, INFUSION = "lymphodepletion", "infusion"
KIND_NAMES: dict[str, Any] = {
    LYMPHODEPLETION: gettext_lazy("lymphodepletion"),
    INFUSION: gettext_lazy("infusion"),
    **dict(MedicationKind.choices),
}
# From top to bottom in the picture.
KINDS = tuple(KIND_NAMES)
# One drug, or one thing, whatever the order sheet calls it: one lane. Of the other kinds each drug has its own.
ONE_LANE = frozenset(
    {
        MedicationKind.TOCILIZUMAB,
        MedicationKind.ANAKINRA,
        MedicationKind.SILTUXIMAB,
        MedicationKind.VASOPRESSIN,
        MedicationKind.OXYGEN,
        MedicationKind.IMMUNOGLOBULIN,
    }
)


@dataclass(frozen=True)
class Entry:
    """Something that was given at `start`, or from then until `end` or still; or was planned, or left out.

    What has no time, because it was not given, starts with its day. `label` names the lane, `text` the dose.
    """

    kind: str
    label: str
    start: dt.datetime
    end: dt.datetime | None = None
    is_ongoing: bool = False
    text: str = ""
    is_planned: bool = False
    is_not_given: bool = False

    @property
    def day(self) -> dt.date:
        return site_day(self.start)

    @property
    def has_time(self) -> bool:
        return not (self.is_planned or self.is_not_given)

    @property
    def state(self) -> str:
        if self.is_planned:
            return pgettext("dose", "planned")
        return pgettext("dose", "not given") if self.is_not_given else ""


def entries_of(participant: Participant) -> tuple[Entry, ...]:
    """In the order of time, without void rows; as many queries, however much was given."""
    found = [*_doses(participant), *_infusions(participant), *_medications(participant)]
    found += _from_above(participant, found)
    return tuple(sorted(found, key=lambda one: (one.start, KINDS.index(one.kind), one.label, one.text)))


# Apps of the floors above that see what was given, each in a module of this name:
# `entries_of(participant, *, recorded)`, with what this app has already, so that it is not told twice.
ABOVE = ("safety",)


def _from_above(participant: Participant, recorded: Sequence[Entry]) -> Iterator[Entry]:
    for name in ABOVE:
        if apps.is_installed(name) and find_spec(f"{name}.timeline"):
            yield from import_module(f"{name}.timeline").entries_of(participant, recorded=tuple(recorded))


def _doses(participant: Participant) -> Iterator[Entry]:
    for dose in participant.lymphodepletion_doses.standing():
        yield Entry(
            kind=LYMPHODEPLETION,
            label=dose.drug_name,
            start=dose.given_at or _start_of(dose.planned_on),
            text=_dose_text(dose),
            is_planned=dose.state == DoseState.PLANNED,
            is_not_given=dose.state == DoseState.NOT_GIVEN,
        )


def _dose_text(dose: LymphodepletionDose) -> str:
    mg = dose.planned_mg if dose.given_mg is None else dose.given_mg
    return _list([f"{mg.normalize():f} mg", dose.change_reason])


def _infusions(participant: Participant) -> Iterator[Entry]:
    """The planned one too, while there is none."""
    rows = list(participant.infusions.standing())
    for row in rows:
        yield Entry(INFUSION, capfirst(_("infusion")), row.infused_at, row.ended_at, text=_infusion_text(row))
    if not rows and participant.planned_infusion_on is not None:
        yield Entry(INFUSION, capfirst(_("infusion")), _start_of(participant.planned_infusion_on), is_planned=True)


def _infusion_text(infusion: Infusion) -> str:
    cells = f"{infusion.viable_car_t_cells_e8.normalize():f}"
    words = _("%(cells)s × 10⁸ viable CAR-T cells, lot %(lot)s") % {"cells": cells, "lot": infusion.product_lot}
    return _list([words, infusion.get_occasion_display() if infusion.occasion != "first" else ""])


def _medications(participant: Participant) -> Iterator[Entry]:
    for row in participant.medications.standing():
        label = capfirst(str(row.get_kind_display())) if row.kind in ONE_LANE else row.name.strip()
        yield Entry(row.kind, label, row.started_at, row.ended_at, row.is_ongoing, _medication_text(row, label))


def _medication_text(row: Medication, label: str) -> str:
    name = "" if row.name.strip().casefold() == label.casefold() else row.name
    return _list([name, row.dose_text, str(row.get_route_display()), row.indication])


def _list(parts: Iterable[str]) -> str:
    return _(", ").join(part for part in parts if part)


def _start_of(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time.min))


# --- the same in words -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """An entry as a line of the table."""

    day: str
    date: str
    time: str
    what: str
    kind: str
    state: str
    dose: str
    until: str


def row_of(entry: Entry, *, day0: dt.date | None) -> Row:
    return Row(
        day=day_label(entry.day, day0),
        date=long_date(entry.day) if day0 else "",
        time=_clock(entry.start) if entry.has_time else "",
        what=entry.label,
        kind=_kind_beside(entry),
        state=entry.state,
        dose=entry.text,
        until=_until(entry, day0),
    )


def day_label(day: dt.date, day0: dt.date | None) -> str:
    """The trial day, such as D-7; the date itself while there is no Day 0."""
    return f"D{(day - day0).days}" if day0 else long_date(day)


def _until(entry: Entry, day0: dt.date | None) -> str:
    if entry.is_ongoing:
        return _("ongoing")
    if entry.end is None:
        return ""
    if site_day(entry.end) == entry.day:
        return _clock(entry.end)
    return f"{day_label(site_day(entry.end), day0)} {_clock(entry.end)}"


def _clock(moment: dt.datetime) -> str:
    return formats.time_format(timezone.localtime(moment), "H:i")


def _kind_beside(entry: Entry) -> str:
    """What kind of drug it is, unless its name says so already."""
    kind = str(KIND_NAMES[entry.kind])
    return "" if kind.casefold() == entry.label.casefold() else kind


def _sentence(entry: Entry, day0: dt.date | None) -> str:
    """For a mark in the picture, when somebody points at it."""
    row = row_of(entry, day0=day0)
    when = " – ".join(part for part in (f"{row.day} {row.time}".strip(), row.until) if part)
    return f"{when} · {_list([row.what, row.state, row.dose])}"


# --- the picture -------------------------------------------------------------------------------------

LEFT, RIGHT, EDGE = 204, 14, 8
DAY_WIDTH, ROW_HEIGHT, LANE_PADDING = 22, 18, 5
LINE_HEIGHT, SMALL = 18, 12 / 14
TOP, BELOW, LEGEND_HEIGHT = 48, 24, 24
LABEL_LINES = 2
# Of the names that stay in view on a telephone, in smaller letters and without the kind of drug.
NARROW, NARROW_LINES, NARROW_LINE_HEIGHT = 116, 3, 15
# Higher than a small screen: the days stand below the lanes once more.
TALL = 480
# So many doses of a lane on one day stand above each other; of more, one mark with their number.
STACKED = 3
# The lymphodepletion may have been long before: the picture goes back so far at most, and so far without any [P].
LONGEST, USUAL, BEFORE = 90 * DAY, PAUSE, 7 * DAY
AFTER = 28 * DAY
# Around the words at an edge: the arrow before them, and the break of the axis.
ARROW, BREAK = 18, 16


class Shape(StrEnum):
    SQUARE = "square"
    DIAMOND = "diamond"
    CIRCLE = "circle"
    BAR = "bar"
    EARLIER = "earlier"
    LATER = "later"


@dataclass(frozen=True)
class Mark:
    """One entry, or `count` entries of one day: a shape around (x, y), a bar from x on to the right.

    At an edge it is an arrow with the days of all that lies further away, its `label`.
    """

    shape: Shape
    x: int
    y: int
    width: int = 0
    words: str = ""
    label: str = ""
    count: int = 1
    is_planned: bool = False
    is_not_given: bool = False
    is_ongoing: bool = False
    # Begun before the first day of the picture, or ended after its last one.
    is_cut_left: bool = False
    is_cut_right: bool = False

    @property
    def is_hollow(self) -> bool:
        return self.is_planned or self.is_not_given

    @property
    def is_far(self) -> bool:
        return self.shape in (Shape.EARLIER, Shape.LATER)

    @property
    def end(self) -> int:
        return self.x + self.width

    @property
    def path(self) -> str:
        """The outline, filled or hollow."""
        x, y = self.x, self.y
        if self.shape is Shape.SQUARE:
            return f"M{x - 6} {y - 6}h12v12h-12Z"
        if self.shape is Shape.DIAMOND:
            return f"M{x} {y - 8}l8 8l-8 8l-8 -8Z"
        if self.shape is Shape.CIRCLE:
            return f"M{x - 5} {y}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z"
        if self.is_far:
            return f"M{x - 6} {y}l11 -7v14Z" if self.shape is Shape.EARLIER else f"M{x + 6} {y}l-11 -7v14Z"
        left = x + (7 if self.is_cut_left else 0)
        if self.is_ongoing:
            neck = self.end - 11
            return f"M{left} {y - 4}H{neck}V{y - 8}L{self.end} {y}L{neck} {y + 8}V{y + 4}H{left}Z"
        right = self.end - (7 if self.is_cut_right else 0)
        return f"M{left} {y - 4}H{right}V{y + 4}H{left}Z"

    @property
    def strokes(self) -> str:
        """Lines over it: the cross of a dose that was not given, the arrows of a bar that goes on outside."""
        x, y, end = self.x, self.y, self.end
        found = [f"M{x - 6} {y - 6}l12 12m0 -12l-12 12"] if self.is_not_given else []
        found += [f"M{x + 5} {y - 6}l-6 6l6 6"] if self.is_cut_left else []
        found += [f"M{end - 5} {y - 6}l6 6l-6 6"] if self.is_cut_right and not self.is_ongoing else []
        return "".join(found)

    @property
    def count_y(self) -> int:
        return self.y + ROW_HEIGHT - 2


@dataclass(frozen=True)
class Lane:
    """All of one drug, or of one kind, from the left to the right."""

    kind: str
    label: str
    y: int
    height: int
    names: tuple[Text, ...]
    # The kind of drug, in small letters below its name.
    notes: tuple[Text, ...]
    # The name once more, for a telephone.
    narrow: tuple[Text, ...]
    marks: tuple[Mark, ...]

    @property
    def bottom(self) -> int:
        return self.y + self.height


@dataclass(frozen=True)
class Tick:
    """A day of the axis; a whole week from Day 0 is a stronger one, with its date below."""

    x: int
    words: str
    date: str = ""

    @property
    def is_week(self) -> bool:
        return bool(self.date)


@dataclass(frozen=True)
class Edge:
    """Where the axis breaks, and the heading of what lies beyond."""

    break_x: int
    heading: Text


@dataclass(frozen=True)
class Sign:
    """A mark of the legend and what it means."""

    mark: Mark
    text: Text


@dataclass(frozen=True)
class Picture:
    first: dt.date
    until: dt.date
    width: int
    height: int
    # Between them stand the lanes.
    left: int
    top: int
    bottom: int
    is_tall: bool
    ticks: tuple[Tick, ...]
    lanes: tuple[Lane, ...]
    legend: tuple[Sign, ...]
    # Where the lines of Day 0 (or of the planned infusion) and of today stand, if they do.
    infusion_x: int | None
    is_infused: bool
    today_x: int | None
    # What ends here is shown first in a narrow frame.
    newest_x: int
    edges: tuple[Edge, ...]
    description: str
    entries: tuple[Entry, ...]

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Of the lanes, then of the legend."""
        return (*(mark for lane in self.lanes for mark in lane.marks), *(sign.mark for sign in self.legend))

    @property
    def right(self) -> int:
        return self.width - RIGHT

    @property
    def names_width(self) -> int:
        """Of the names that stay in view on a telephone."""
        return NARROW

    @property
    def date_y(self) -> int:
        return self.top - 10

    @property
    def foot_y(self) -> int:
        return self.bottom + 16

    @property
    def today_y(self) -> int:
        return self.foot_y + (BELOW - 4 if self.is_tall else 0)


@dataclass(frozen=True)
class _Axis:
    first: dt.date
    until: dt.date
    day0: dt.date | None
    today: dt.date | None
    # The room at the edges for what lies further away.
    earlier: int = 0
    later: int = 0

    @property
    def days(self) -> int:
        return (self.until - self.first).days + 1

    @property
    def left(self) -> int:
        """Where the first day begins."""
        return LEFT + self.earlier

    @property
    def right(self) -> int:
        """Where the last day ends."""
        return self.left + self.days * DAY_WIDTH

    @property
    def width(self) -> int:
        return self.right + self.later + RIGHT

    def column(self, day: dt.date) -> int:
        """Of this day, or of the outermost one on its side."""
        return min(max((day - self.first).days, 0), self.days - 1)

    def x(self, day: dt.date) -> int:
        """The middle of the day."""
        return self.left + self.column(day) * DAY_WIDTH + DAY_WIDTH // 2

    def line(self, day: dt.date | None) -> int | None:
        return self.x(day) if day is not None and self.first <= day <= self.until else None

    def last(self, entry: Entry) -> dt.date:
        """The day on which it ended; what goes on has reached today."""
        if entry.is_ongoing:
            return max(entry.day, self.today or self.until)
        return site_day(entry.end) if entry.end else entry.day

    def newest(self, lanes: Iterable["Lane"]) -> int:
        """The end of today; where today is not in the picture, of the last mark on its days."""
        if self.today is not None and self.today <= self.until:
            return self.x(self.today) + DAY_WIDTH // 2
        ends = [mark.end for lane in lanes for mark in lane.marks if not mark.is_far]
        return max(ends) + DAY_WIDTH // 2 if ends else self.width

    def shows(self, entry: Entry) -> bool:
        return not (self.is_earlier(entry) or self.is_later(entry))

    def is_earlier(self, entry: Entry) -> bool:
        return self.last(entry) < self.first

    def is_later(self, entry: Entry) -> bool:
        return entry.day > self.until

    def with_edges(self, groups: Iterable[list[Entry]]) -> "_Axis":
        """The same, with as much room at each edge as its longest label takes; none where nothing lies beyond."""
        listed = list(groups)
        earlier = [_far_label(far, self) for group in listed if (far := [one for one in group if self.is_earlier(one)])]
        later = [_far_label(far, self) for group in listed if (far := [one for one in group if self.is_later(one)])]
        return replace(self, earlier=_edge_width(_("earlier"), earlier), later=_edge_width(_("later"), later))


def picture(entries: Iterable[Entry], *, day0: dt.date | None, until: dt.date, today: dt.date | None = None) -> Picture:
    """A lane for each drug, a column for each day up to `until`; what goes on is drawn up to `today`.

    A day has the same width however far another one is: what lies before the first day or after the last one stands
    at the edge, with its day. Without Day 0 the axis has dates, and the line stands at the planned infusion.
    """
    listed = tuple(entries)
    days = _Axis(min(_first_day(listed, day0, until), until), until, day0, today)
    axis = days.with_edges(_groups(listed))
    lanes = tuple(_lanes(listed, axis))
    bottom = lanes[-1].bottom if lanes else TOP
    is_tall = bottom - TOP > TALL
    legend, height = _legend(lanes, axis, bottom + (2 if is_tall else 1) * BELOW)
    return Picture(
        first=axis.first,
        until=until,
        width=axis.width,
        height=height,
        left=LEFT,
        top=TOP,
        bottom=bottom,
        is_tall=is_tall,
        ticks=tuple(_ticks(axis, _origin(listed, day0))),
        lanes=lanes,
        legend=legend,
        infusion_x=axis.line(_origin(listed, day0)),
        is_infused=day0 is not None,
        today_x=axis.line(today),
        newest_x=axis.newest(lanes),
        edges=tuple(_edges(axis)),
        description=_description(listed, day0),
        entries=listed,
    )


def _origin(entries: Iterable[Entry], day0: dt.date | None) -> dt.date | None:
    """Day 0, or the day planned for it."""
    return day0 or next((one.day for one in entries if one.kind == INFUSION and one.is_planned), None)


def _first_day(entries: Iterable[Entry], day0: dt.date | None, until: dt.date) -> dt.date:
    """The first day of the lymphodepletion that belongs to it, and Day -7 at the latest."""
    days = [one.day for one in entries if one.kind == LYMPHODEPLETION]
    origin = _origin(entries, day0)
    return max(reach_back(days, begin=origin - BEFORE if origin else until - USUAL), until - LONGEST)


def _edges(axis: _Axis) -> Iterator[Edge]:
    if axis.earlier:
        yield Edge(axis.left - BREAK // 2, Text(LEFT, 18, _("earlier")))
    if axis.later:
        yield Edge(axis.right + BREAK // 2, Text(axis.right + BREAK, 18, _("later")))


def _edge_width(heading: str, labels: list[str]) -> int:
    if not labels:
        return 0
    return max(round(text_width(words) * SMALL) for words in (heading, *labels)) + ARROW + BREAK


def _ticks(axis: _Axis, origin: dt.date | None) -> Iterator[Tick]:
    for number in range(axis.days):
        day = axis.first + number * DAY
        since = (day - (origin or axis.first)).days
        date = formats.date_format(day, pgettext("format of a date", "j M")) if since % 7 == 0 else ""
        words = str(day.day) if axis.day0 is None else day_label(day, axis.day0) if date else str(since)
        yield Tick(axis.x(day), words, date)


# --- lanes and marks ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cell:
    """What becomes one mark: an entry, or too many of one day; the columns that it takes, and how many rows."""

    entries: tuple[Entry, ...]
    first: int
    last: int

    @property
    def rows(self) -> int:
        return 2 if len(self.entries) > 1 else 1

    def squares(self, row: int) -> set[tuple[int, int]]:
        return {(row + down, column) for down in range(self.rows) for column in range(self.first, self.last + 1)}


def _lanes(entries: Iterable[Entry], axis: _Axis) -> Iterator[Lane]:
    y = TOP
    for group in _groups(entries):
        lane = _lane(group, axis, y)
        yield lane
        y = lane.bottom


def _groups(entries: Iterable[Entry]) -> list[list[Entry]]:
    """By kind, then by drug as it was given first; the same drug in other letters is the same."""
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in sorted(entries, key=lambda one: (KINDS.index(one.kind), one.start)):
        found.setdefault((entry.kind, entry.label.casefold()), []).append(entry)
    return list(found.values())


def _lane(group: list[Entry], axis: _Axis, y: int) -> Lane:
    one = group[0]
    names, kinds = _lines(one.label, LEFT - 2 * EDGE), _lines(_kind_beside(one), (LEFT - 2 * EDGE) / SMALL)
    narrow = _lines(one.label, (NARROW - 2 * EDGE) / SMALL, NARROW_LINES)
    placed = list(_placed(_cells([entry for entry in group if axis.shows(entry)], axis)))
    rows = max((row + cell.rows for cell, row in placed), default=1)
    height = 2 * LANE_PADDING + max(
        rows * ROW_HEIGHT, (len(names) + len(kinds)) * LINE_HEIGHT, len(narrow) * NARROW_LINE_HEIGHT
    )
    texts = _below(y + LANE_PADDING + 13, [*names, *kinds], LINE_HEIGHT)
    above = (height - rows * ROW_HEIGHT) // 2
    marks = [_mark(cell, axis, y + above + row * ROW_HEIGHT + ROW_HEIGHT // 2) for cell, row in placed]
    return Lane(
        one.kind,
        one.label,
        y,
        height,
        texts[: len(names)],
        texts[len(names) :],
        _below(y + LANE_PADDING + 12, narrow, NARROW_LINE_HEIGHT),
        (*marks, *_far_marks(group, axis, y + height // 2)),
    )


def _below(y: int, lines: Iterable[str], height: int) -> tuple[Text, ...]:
    return tuple(Text(EDGE, y + number * height, words) for number, words in enumerate(lines))


def _lines(words: str, width: float, most: int = LABEL_LINES) -> list[str]:
    """As many lines as there is room for; the table has the whole."""
    lines = [line for line in wrap(words, width) if line]
    if len(lines) <= most and all(text_width(line) <= width for line in lines):
        return lines
    return [_cut(line, width, is_cut=number == most) for number, line in enumerate(lines[:most], start=1)]


def _cut(line: str, width: float, *, is_cut: bool) -> str:
    if not is_cut and text_width(line) <= width:
        return line
    while text_width(f"{line}…") > width:
        line = line[:-1]
    return f"{line.rstrip()}…"


def _cells(group: list[Entry], axis: _Axis) -> list[_Cell]:
    """From the left to the right."""
    found: list[_Cell] = []
    days: dict[tuple[int, str], list[Entry]] = {}
    for entry in group:
        if _is_bar(entry, axis):
            found.append(_Cell((entry,), axis.column(entry.day), axis.column(axis.last(entry))))
        else:
            days.setdefault((axis.column(entry.day), entry.state), []).append(entry)
    for (column, _state), entries in days.items():
        parts = [tuple(entries)] if len(entries) > STACKED else [(entry,) for entry in entries]
        found += [_Cell(part, column, column) for part in parts]
    return sorted(found, key=lambda cell: (cell.first, cell.entries[0].start))


def _is_bar(entry: Entry, axis: _Axis) -> bool:
    """A course over several days, or one that goes on; an infusion is a moment even when it passes midnight."""
    return entry.kind != INFUSION and (entry.is_ongoing or axis.last(entry) > entry.day)


def _placed(cells: Iterable[_Cell]) -> Iterator[tuple[_Cell, int]]:
    """Each in the topmost row that is free on all of its days."""
    taken: set[tuple[int, int]] = set()
    for cell in cells:
        row = 0
        while cell.squares(row) & taken:
            row += 1
        taken |= cell.squares(row)
        yield cell, row


SHAPES = {LYMPHODEPLETION: Shape.SQUARE, INFUSION: Shape.DIAMOND}


def _mark(cell: _Cell, axis: _Axis, y: int) -> Mark:
    entry = cell.entries[0]
    mark = Mark(
        shape=SHAPES.get(entry.kind, Shape.CIRCLE),
        x=axis.x(entry.day),
        y=y,
        words="\n".join(_sentence(one, axis.day0) for one in cell.entries),
        count=len(cell.entries),
        is_planned=entry.is_planned,
        is_not_given=entry.is_not_given,
    )
    if not _is_bar(entry, axis):
        return mark
    return replace(
        mark,
        shape=Shape.BAR,
        x=axis.left + cell.first * DAY_WIDTH + 2,
        width=(cell.last - cell.first + 1) * DAY_WIDTH - 4,
        is_ongoing=entry.is_ongoing,
        is_cut_left=entry.day < axis.first,
        is_cut_right=axis.last(entry) > axis.until,
    )


def _far_marks(group: list[Entry], axis: _Axis, y: int) -> Iterator[Mark]:
    """One at each edge at most, whatever lies there."""
    if far := [one for one in group if axis.is_earlier(one)]:
        yield _far_mark(far, axis, Shape.EARLIER, LEFT + 8, y)
    if far := [one for one in group if axis.is_later(one)]:
        yield _far_mark(far, axis, Shape.LATER, axis.right + BREAK + 8, y)


def _far_mark(far: list[Entry], axis: _Axis, shape: Shape, x: int, y: int) -> Mark:
    words = "\n".join(_sentence(one, axis.day0) for one in far)
    return Mark(shape, x, y, words=words, label=_far_label(far, axis), count=len(far))


def _far_label(far: list[Entry], axis: _Axis) -> str:
    """From which day to which, and how many there are."""
    days = [day_label(day, axis.day0) for day in sorted({one.day for one in far})]
    words = " – ".join(days if len(days) < 3 else (days[0], days[-1]))
    return f"{words} ×{len(far)}" if len(far) > 1 else words


# --- legend and description --------------------------------------------------------------------------


def _signs() -> tuple[tuple[Mark, str], ...]:
    square, circle = Mark(Shape.SQUARE, 0, 0), Mark(Shape.CIRCLE, 0, 0)
    bar = Mark(Shape.BAR, 0, 0, width=30)
    return (
        (square, _("dose of lymphodepletion")),
        (Mark(Shape.DIAMOND, 0, 0), _("infusion")),
        (circle, _("on this day only")),
        (bar, _("from day to day")),
        (replace(bar, is_ongoing=True), _("ongoing")),
        (replace(bar, is_cut_right=True), _("begins or ends outside the picture")),
        (replace(square, is_planned=True), pgettext("dose", "planned")),
        (replace(square, is_not_given=True), pgettext("dose", "not given")),
        (replace(circle, count=STACKED + 1), _("so many on one day")),
        (Mark(Shape.EARLIER, 0, 0), _("before or after the days of the picture")),
    )


def _is_like(mark: Mark, sign: Mark) -> bool:
    """Whether this sign of the legend explains the mark."""
    if sign.is_far or mark.is_far:
        return sign.is_far and mark.is_far
    if sign.count > 1:
        return mark.count > 1
    if sign.is_cut_right:
        return mark.is_cut_left or (mark.is_cut_right and not mark.is_ongoing)
    if sign.is_hollow or sign.is_ongoing:
        names = ("is_planned", "is_not_given", "is_ongoing")
        return all(getattr(mark, name) == getattr(sign, name) for name in names)
    return mark.shape is sign.shape and not (mark.is_hollow or mark.is_ongoing)


def _legend(lanes: Iterable[Lane], axis: _Axis, y: int) -> tuple[tuple[Sign, ...], int]:
    """The signs that occur, in lines as wide as the days; and where they end."""
    marks = [mark for lane in lanes for mark in lane.marks]
    found: list[Sign] = []
    x, line = LEFT, y + LEGEND_HEIGHT // 2
    for sign, words in _signs():
        if not any(_is_like(mark, sign) for mark in marks):
            continue
        room = 38 if sign.width else 26
        width = room + round(text_width(words)) + 24
        if x > LEFT and x + width > axis.width:
            x, line = LEFT, line + LEGEND_HEIGHT
        place = replace(sign, x=x if sign.width else x + 10, y=line)
        found.append(Sign(place, Text(x + room, line + 5, words)))
        x += width
    return tuple(found), line + LEGEND_HEIGHT


def _description(entries: Iterable[Entry], day0: dt.date | None) -> str:
    """The lanes in one sentence, for those who hear it."""
    return _("; ").join(f"{group[0].label}: {_list(_days_said(group, day0))}" for group in _groups(entries))


def _days_said(group: Iterable[Entry], day0: dt.date | None) -> list[str]:
    """Each day once, with how many doses there were."""
    said = [" ".join(part for part in (_span(entry, day0), entry.state) if part) for entry in group]
    return [f"{words} (×{said.count(words)})" if said.count(words) > 1 else words for words in dict.fromkeys(said)]


def _span(entry: Entry, day0: dt.date | None) -> str:
    first = day_label(entry.day, day0)
    if entry.is_ongoing:
        return f"{first} – {_('ongoing')}"
    last = day_label(site_day(entry.end), day0) if entry.end else first
    return first if last == first else f"{first} – {last}"


# --- the page ----------------------------------------------------------------------------------------


def context_of(participant: Participant, *, now: dt.datetime) -> dict[str, Any]:
    """What the page needs: participant, picture (None when there is nothing to draw), its entries as rows, day0."""
    listed, day0, today = entries_of(participant), actions.day0_of(participant), site_day(now)
    drawn = picture(listed, day0=day0, until=_last_day(listed, day0, today), today=today)
    return {
        "participant": participant,
        "day0": day0,
        "picture": drawn if drawn.entries else None,
        "entries": [row_of(entry, day0=day0) for entry in drawn.entries],
    }


def _last_day(entries: Iterable[Entry], day0: dt.date | None, today: dt.date) -> dt.date:
    """Day 28, or the planned one; without a plan five weeks of lymphodepletion, or the weeks up to today [P]."""
    if origin := _origin(entries, day0):
        return origin + AFTER
    days = main_days(one.day for one in entries if one.kind == LYMPHODEPLETION)
    return days[0] + USUAL if days else today
