"""The laboratory on the page of a participant: a small line for each test with results, and the newest values."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from participants.models import Measurement
from participants.names import MEASURE_NAMES, PANEL_NAMES, answer_text
from participants.rules.measures import MEASURES, PANELS
from participants.rules.normal import NO_LIMITS, Limits, Place
from participants.trends import HEIGHT, WIDTH, Point, Time, Trend, Value, trend
from participants.units import convert
from trialsite import wayback
from trialsite.subjectpage import Asked

# What a laboratory measures, in the order of the page.
LABORATORY = ("CBC", "CHEM", "COAG", "MARROW", "CD19", "IMMUNE", "VIRUS", "HCG")
CODES = tuple(measure.code for panel in LABORATORY for measure in PANELS[panel])
# So many points of each test are drawn, the newest; and so many tests are named in the summary.
DRAWN, NAMED = 30, 4
MARKS = {
    Place.ABOVE: gettext_lazy("↑ above"),
    Place.BELOW: gettext_lazy("↓ below"),
    Place.OPEN: gettext_lazy("? bound: within or outside"),
}
ARROWS = {Place.ABOVE: "↑", Place.BELOW: "↓"}
FIELDS = (
    "code",
    "taken_at",
    "value",
    "comparator",
    "unit",
    "standard_value",
    "reference_low",
    "reference_high",
    "choice",
    "day",
    "not_done_reason",
    "examination_id",
)


@dataclass(frozen=True)
class Shown:
    """A point of the line as it is drawn, its words, and its report."""

    point: Point
    words: str
    link: str


@dataclass(frozen=True)
class Test:
    """One test: its line, and the newest of it in words."""

    code: str
    name: str
    newest: str
    at: dt.datetime
    link: str
    mark: str = ""
    place: Place = Place.UNKNOWN
    limits: str = ""
    trend: Trend | None = None
    points: tuple[Shown, ...] = ()
    description: str = ""
    # Of earlier reports than those that are drawn.
    earlier: int = 0

    @property
    def is_outside(self) -> bool:
        return self.place in ARROWS


# --- reading -----------------------------------------------------------------------------------------


def _rows(asked: Asked) -> Any:
    rows = Measurement.objects.standing().filter(participant=asked.participant, code__in=CODES)
    return rows.only(*FIELDS)


def summary(asked: Asked) -> str:
    """What is outside its limits now; one query, however much was measured."""
    found = _newest(asked)
    if not found:
        return _("none recorded")
    outside = [words for code in CODES if code in found and (words := _outside(*found[code]))]
    if not outside:
        text = ngettext("%(n)s test", "%(n)s tests", len(found))
        return f"{text % {'n': len(found)}}, {_('none outside its limits')}"
    more = f" +{len(outside) - NAMED}" if len(outside) > NAMED else ""
    return _("outside: %(tests)s") % {"tests": _(", ").join(outside[:NAMED])} + more


def _newest(asked: Asked) -> dict[str, tuple[Measurement, Limits]]:
    """Of each test the newest result, with the limits that it is seen beside."""
    found: dict[str, tuple[Measurement, Limits]] = asked.once("newest results", lambda: _find_newest(asked))
    return found


def newest_count(asked: Asked) -> dt.datetime | None:
    """When the neutrophils were counted last; None where that was not done, and nobody can tell from here."""
    row, _limits_of_it = _newest(asked).get("NEUT", (None, NO_LIMITS))
    return row.taken_at if row is not None and row.value is not None and row.taken_at <= asked.now else None


def _find_newest(asked: Asked) -> dict[str, tuple[Measurement, Limits]]:
    by_code = _rows(asked).order_by("code", "-taken_at", "-id").distinct("code")
    printed = by_code.filter(Q(reference_low__isnull=False) | Q(reference_high__isnull=False))
    wanted = Q(pk__in=by_code.values("pk")) | Q(pk__in=printed.values("pk"))
    rows: dict[str, list[Measurement]] = {}
    # The keys say whose they are and of which tests: said again, the question is too long to be known the next time.
    for row in Measurement.objects.only(*FIELDS).filter(wanted).order_by("taken_at", "id"):
        rows.setdefault(row.code, []).append(row)
    return {code: (listed[-1], _beside(listed)) for code, listed in rows.items()}


def _beside(rows: list[Measurement]) -> Limits:
    """Those of the newest report, or else those that were printed last; `rows` from the oldest to the newest."""
    return next((limits for row in reversed(rows) if (limits := _limits(row)).both), NO_LIMITS)


def _outside(row: Measurement, limits: Limits) -> str:
    arrow = ARROWS.get(_place(row, limits))
    return f"{arrow} {MEASURE_NAMES[row.code]} {_number(row)}" if arrow else ""


def body(asked: Asked, *, day0: dt.date | None, back: str) -> dict[str, Any]:
    """All tests with results; one query."""
    rows: dict[str, list[Measurement]] = {}
    for row in _rows(asked).order_by("taken_at", "id"):
        rows.setdefault(row.code, []).append(row)
    if not rows:
        return {"groups": [], "tests": []}
    drawn = [row.taken_at for found in rows.values() for row in found[-DRAWN:]]
    time = Time(min(drawn), max(drawn))
    begun = None if day0 is None else timezone.make_aware(dt.datetime.combine(day0, dt.time(12)))
    tests = {code: _test(code, rows[code], time, begun, back) for code in CODES if code in rows}
    groups = [(PANEL_NAMES[panel], list(_lines(panel, tests))) for panel in LABORATORY]
    return {
        "groups": [(name, lines) for name, lines in groups if lines],
        "tests": list(tests.values()),
        "first": time.first,
        "last": time.last,
        "has_day0": any(test.trend and test.trend.day0_x is not None for test in tests.values()),
        "width": WIDTH,
        "height": HEIGHT,
    }


def _lines(panel: str, tests: dict[str, Test]) -> Iterator[Test]:
    for measure in PANELS[panel]:
        if measure.code in tests and tests[measure.code].trend is not None:
            yield tests[measure.code]


# --- one test ----------------------------------------------------------------------------------------


def _test(code: str, rows: list[Measurement], time: Time, day0: dt.datetime | None, back: str) -> Test:
    newest, drawn = rows[-1], rows[-DRAWN:]
    printed = next((row for row in reversed(rows) if _limits(row).both), None)
    usual = _beside(rows)
    place = _place(newest, usual)
    values = [row for row in drawn if row.standard_value is not None]
    line = _line(values, drawn, usual, time, day0) if values else None
    name = str(MEASURE_NAMES[code])
    return Test(
        code=code,
        name=name,
        newest=newest.text,
        at=newest.taken_at,
        link=_report(newest, back),
        mark=str(MARKS.get(place, "")),
        place=place,
        limits=_limits_text(newest, printed),
        trend=line,
        points=tuple(_shown(values, line, back)) if line else (),
        description=_description(name, values),
        earlier=len(rows) - len(drawn),
    )


def _line(
    values: list[Measurement], drawn: list[Measurement], usual: Limits, time: Time, day0: dt.datetime | None
) -> Trend:
    return trend(
        [Value(row.taken_at, row.standard_value or Decimal(0), row.comparator, _own(row, usual)) for row in values],
        time=time,
        limits=usual,
        day0=day0,
        missed=[row.taken_at for row in drawn if row.not_done_reason],
    )


def _shown(values: list[Measurement], line: Trend, back: str) -> Iterator[Shown]:
    for row, point in zip(values, line.points, strict=True):
        mark = MARKS.get(point.place, "")
        yield Shown(point, f"{_moment(row.taken_at)}: {row.text} {mark}".strip(), _report(row, back))


def _own(row: Measurement, usual: Limits) -> Limits:
    limits = _limits(row)
    return limits if limits.both else usual


def _limits(row: Measurement) -> Limits:
    """As this report has them, in the test's own unit."""
    measure = MEASURES[row.code]
    low, high = (
        None if limit is None else convert(measure, limit, row.unit)
        for limit in (row.reference_low, row.reference_high)
    )
    return Limits(low, high)


def _place(row: Measurement, limits: Limits) -> Place:
    return Place.UNKNOWN if row.standard_value is None else limits.place(row.standard_value, row.comparator)


def _report(row: Measurement, back: str) -> str:
    return wayback.link("participants_examination_change", row.examination_id, back=back)


# --- words -------------------------------------------------------------------------------------------


def _moment(at: dt.datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _number(row: Measurement) -> str:
    return f"{row.comparator}{_plain(row.value or Decimal(0))}"


def _limits_text(newest: Measurement, printed: Measurement | None) -> str:
    """As printed; of another report with its day, and its unit where that is another one."""
    if printed is None or newest.value is None:
        return ""
    low, high = printed.reference_low, printed.reference_high
    if low is not None and high is not None:
        words = f"{_plain(low)}–{_plain(high)}"
    else:
        words = f"≥ {_plain(low)}" if low is not None else f"≤ {_plain(high or Decimal(0))}"
    if printed.unit != newest.unit:
        words = f"{words} {answer_text('unit', printed.unit)}"
    if printed.pk == newest.pk:
        return words
    day = f"{timezone.localtime(printed.taken_at):%Y-%m-%d}"
    return _("%(limits)s (report of %(day)s)") % {"limits": words, "day": day}


def _description(name: str, values: Iterable[Measurement]) -> str:
    """The line in one sentence, for those who hear it."""
    listed = list(values)
    if not listed:
        return ""
    values_of = {
        "name": name,
        "first": f"{_moment(listed[0].taken_at)} {_number(listed[0])}",
        "last": f"{_moment(listed[-1].taken_at)} {_number(listed[-1])}",
        "n": len(listed),
    }
    if len(listed) == 1:
        return _("%(name)s: %(last)s") % values_of
    return _("%(name)s: %(n)s results, from %(first)s to %(last)s") % values_of
