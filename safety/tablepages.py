"""The tables of safety as they are read, printed and taken along: one content for the page, the paper and the file."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from participants.actions import site_day
from safety import tables
from safety.actions import next_due, stopping
from safety.dutywords import countdown, moment
from safety.models import AdverseEvent
from safety.rules import stopping as rules
from safety.rules.tabulation import GRADES, Count, Line, by_class_and_term, count, percent
from safety.tables import POPULATION_NAMES, EventRow, Interest, Population
from trialsite import printing
from trialsite.models import Site
from trialsite.study import Stopping, get_study


@dataclass(frozen=True)
class Link:
    """A cell that leads somewhere on the page, and is its words on paper."""

    words: str
    url: str

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Part:
    """A table with its title; `bands` are the numbers of rows that stand above those that belong to them."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    widths: tuple[int, ...]
    bands: frozenset[int] = frozenset()
    empty: str = ""

    @property
    def lines(self) -> list["Row"]:
        return [
            Row(cells, n in self.bands, bool(self.bands) and n not in self.bands) for n, cells in enumerate(self.rows)
        ]


@dataclass(frozen=True)
class Row:
    cells: tuple[Any, ...]
    is_band: bool
    is_below: bool


@dataclass(frozen=True)
class Report:
    """What a page says. `header` and `data` are the file; `alarm` is what nobody may miss."""

    code: str
    title: Any
    parts: tuple[Part, ...]
    header: tuple[str, ...]
    data: tuple[tuple[Any, ...], ...]
    notes: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    picture: str = ""
    alarm: str = ""
    is_wide: bool = True


SERIOUS, CLASSES, INTEREST, STOPPING = "serious", "classes", "interest", "stopping"
TITLES = {
    SERIOUS: gettext_lazy("Serious events: line listing"),
    CLASSES: gettext_lazy("Events by class, term and grade"),
    INTEREST: gettext_lazy("Events of special interest"),
    STOPPING: gettext_lazy("Watch on the stopping rule"),
}
# Of these the reader chooses the population.
BY_POPULATION = (CLASSES, INTEREST)


def report_of(code: str, sites: Sequence[Site], population: Population, *, now: dt.datetime) -> Report:
    if code == SERIOUS:
        return serious(sites, now=now)
    if code == STOPPING:
        return watch(now=now)
    return (classes if code == CLASSES else interest)(sites, population)


def on_paper(report: Report, sites: Iterable[Site]) -> printing.Print:
    """Facts and picture first, then the tables, each under its title."""
    first: list[printing.Block] = [printing.Words(words) for words in (report.alarm, *report.notes) if words]
    if report.facts:
        first.append(printing.Facts(report.facts))
    if report.picture:
        first.append(printing.Picture(report.picture))
    sections = [printing.Section("about", "", tuple(first))] if first else []
    sections += [printing.Section(f"part-{n}", part.title, (_table(part),)) for n, part in enumerate(report.parts)]
    names = _(", ").join(str(site) for site in sites)
    return printing.Print(capfirst(str(report.title)), tuple(sections), site=names, is_wide=report.is_wide)


def _table(part: Part) -> printing.Table:
    rows = tuple(_on_line(row) for row in part.lines)
    return printing.Table(head=part.head, rows=rows, widths=part.widths, size=7.5, empty=part.empty)


def _on_line(row: Row) -> tuple[str, ...]:
    """Paper knows no other way to indent than spaces that do not break."""
    first, *others = (str(cell) for cell in row.cells)
    return (f"\u00a0\u00a0\u00a0{first}" if row.is_below else first, *others)


# --- the line listing --------------------------------------------------------------------------------


def serious(sites: Sequence[Site], *, now: dt.datetime) -> Report:
    rows = [row for row in tables.rows_of(sites) if row.is_serious]
    rows.sort(key=lambda row: (row.number, row.onset, row.pk))
    names, socs = tables.term_names(rows), tables.soc_names()
    sent = tables.first_reports(row.pk for row in rows)
    due = dict(AdverseEvent.objects.filter(pk__in=[row.pk for row in rows]).values_list("pk", next_due()))
    lines = tuple(_serious_row(row, names, sent.get(row.pk), _next_report(due[row.pk], now)) for row in rows)
    head = (
        _("Participant"),
        _("Reported term"),
        _("CTCAE term"),
        _("Onset"),
        _("End"),
        _("Serious because"),
        _("Grade"),
        _("Next report due"),
        _("Related to the CAR-T cells"),
        _("Outcome"),
        _("Site aware on"),
        _("First report sent"),
        _("Days to report"),
    )
    part = Part(
        title=_("%(count)s serious events") % {"count": len(rows)},
        head=head,
        rows=lines,
        widths=(19, 31, 29, 18, 18, 33, 11, 24, 20, 22, 18, 18, 14),
        empty=_("None is recorded."),
    )
    data = tuple((*_plain(line), socs.get(row.soc, row.soc), row.code) for row, line in zip(rows, lines, strict=True))
    notes = (
        _(
            "By participant, then onset; void entries are left out. Days to report: from the day on which the site "
            "knew of the event to the day on which the first report about it was sent, to whomever."
        ),
    )
    return Report(SERIOUS, TITLES[SERIOUS], (part,), (*head, _("Class"), _("MedDRA code")), data, notes)


def _plain(row: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(str(cell) if isinstance(cell, Link) else cell for cell in row)


def _next_report(due_at: dt.datetime | None, now: dt.datetime) -> str:
    return f"{moment(due_at)} ({countdown(due_at, now=now)})" if due_at is not None else "—"


def _serious_row(row: EventRow, names: dict[str, str], sent: dt.datetime | None, report: str) -> tuple[Any, ...]:
    aware_on, sent_on = site_day(row.aware_at), site_day(sent) if sent else None
    return (
        row.number,
        Link(row.reported, reverse("admin:safety_adverseevent_story", args=[row.pk])),
        names[row.term] if row.code else "—",
        row.onset,
        row.resolved or _("ongoing"),
        _("; ").join(_criterion(name) for name in row.criteria),
        row.grade,
        report,
        row.relatedness or _("open"),
        row.outcome or _("open"),
        f"{aware_on:%Y-%m-%d}",
        f"{sent_on:%Y-%m-%d}" if sent_on else _("not yet"),
        (sent_on - aware_on).days if sent_on else "—",
    )


def _criterion(name: str) -> str:
    return str(AdverseEvent._meta.get_field(name).verbose_name)  # type: ignore[union-attr]  # a field of ours


# --- class × term × highest grade --------------------------------------------------------------------


def _head(*first: str) -> tuple[str, ...]:
    grades = tuple(_("Grade %(grade)s") % {"grade": grade} for grade in GRADES)
    return (
        *first,
        _("Any grade, n (%)"),
        _("Grade ≥ 3, n (%)"),
        *grades,
        _("Events"),
        _("Events of grade ≥ 3"),
        _("Serious, n (%)"),
    )


def _counts(found: Count) -> tuple[Any, ...]:
    return (
        _share(found.participants, found.population),
        _share(found.severe, found.population),
        *found.by_grade,
        found.events,
        found.severe_events,
        _share(found.serious, found.population),
    )


def _share(part: int, whole: int) -> str:
    return f"{part} ({percent(part, whole)})" if whole else f"{part}"


def _file_head(*first: str) -> tuple[str, ...]:
    """Numbers alone, so that a program can read them."""
    grades = tuple(_("Grade %(grade)s") % {"grade": grade} for grade in GRADES)
    return (
        *first,
        "N",
        _("Any grade, n"),
        _("Any grade, %"),
        _("Grade ≥ 3, n"),
        _("Grade ≥ 3, %"),
        *grades,
        _("Events"),
        _("Events of grade ≥ 3"),
        _("Serious, n"),
    )


def _file_counts(found: Count) -> tuple[Any, ...]:
    whole = found.population
    return (
        whole,
        found.participants,
        _number(percent(found.participants, whole)),
        found.severe,
        _number(percent(found.severe, whole)),
        *found.by_grade,
        found.events,
        found.severe_events,
        found.serious,
    )


def _number(text: str) -> Decimal | None:
    return Decimal(text) if text else None


COUNT_WIDTHS = (20, 20, 13, 13, 13, 13, 13, 14, 18, 20)


def classes(sites: Sequence[Site], population: Population) -> Report:
    people = tables.people_of(population, sites)
    rows = tables.counted(tables.rows_of(sites), people)
    names, socs = tables.term_names(rows), tables.soc_names()
    everybody = set(people)
    events = [tables.as_event(row) for row in rows]
    whole = count(events, everybody)
    lines = by_class_and_term(events, everybody)
    total = (_("Any event"), *_counts(whole))
    part = Part(
        title=_population(population, len(people)),
        head=_head(_("Class and term")),
        rows=(total, *((_name(line, names, socs), *_counts(line.count)) for line in lines)) if lines else (),
        widths=(70, *COUNT_WIDTHS),
        bands=frozenset({0, *(n for n, line in enumerate(lines, start=1) if not line.term)}),
        empty=_("None is recorded."),
    )
    data = tuple((*_names(line, names, socs), *_file_counts(line.count)) for line in lines)
    return Report(
        CLASSES,
        TITLES[CLASSES],
        (part,),
        _file_head(_("Class"), _("Term")),
        ((_("Any event"), "", *_file_counts(whole)), *data),
        (
            _counted_once(),
            _("Classes by name, terms by how many participants had them. CTCAE as stored with each event."),
        ),
    )


def _counted_once() -> str:
    return _(
        "A participant counts once in each line, at the highest grade; percentages are of all participants of the "
        "population, those without an event included. The columns of grades count participants."
    )


def _population(population: Population, count: int) -> str:
    return _("%(population)s (N = %(count)s)") % {"population": POPULATION_NAMES[population], "count": count}


def _names(line: Line, names: dict[str, str], socs: dict[str, str]) -> tuple[str, str]:
    return socs.get(line.soc, line.soc) or _("without a class"), names.get(line.term, line.term)


def _name(line: Line, names: dict[str, str], socs: dict[str, str]) -> str:
    soc, term = _names(line, names, socs)
    return term if line.term else soc


# --- special interest --------------------------------------------------------------------------------


def interest(sites: Sequence[Site], population: Population) -> Report:
    people = tables.people_of(population, sites)
    rows = tables.counted(tables.rows_of(sites), people)
    found = tables.interests(rows, people)
    everybody = set(people)
    counts = [(one, count(one.events, everybody)) for one in found]
    part = Part(
        title=_population(population, len(people)),
        head=(
            _("Event"),
            _("Any grade, n (%)"),
            _("Grade ≥ 3, n (%)"),
            *(_("Grade %(grade)s") % {"grade": grade} for grade in GRADES),
            _("Serious, n (%)"),
            _("Adverse events"),
            _("Episodes and gradings"),
            _("Known by"),
        ),
        rows=tuple(_interest_row(one, numbers) for one, numbers in counts),
        widths=(56, 20, 20, 12, 12, 12, 12, 12, 20, 16, 18, 46),
    )
    header = (*_file_head(_("Code"), _("Event")), _("Adverse events"), _("Episodes and gradings"))
    data = tuple(
        (one.event.code, str(one.event.name), *_file_counts(numbers), len(one.logged), len(one.graded))
        for one, numbers in counts
    )
    notes = (
        _counted_once(),
        _(
            "What the scales have graded counts as well as what was logged as an adverse event; somebody with both "
            "counts once. CRS and ICANS by ASTCT 2019, adverse events by CTCAE: their grades are not the same."
        ),
    )
    return Report(INTEREST, TITLES[INTEREST], (part,), header, data, notes)


def _interest_row(one: Interest, numbers: Count) -> tuple[Any, ...]:
    return (
        str(one.event.name),
        _share(numbers.participants, numbers.population),
        _share(numbers.severe, numbers.population),
        *numbers.by_grade,
        _share(numbers.serious, numbers.population),
        len(one.logged),
        len(one.graded),
        _known_by(one),
    )


def _known_by(one: Interest) -> str:
    how = one.event.recognised
    if how is None:
        return _("the code set on the event")
    names, socs = tables.names_by_code(), tables.soc_names()
    known = (
        _("grading by %(scale)s") % {"scale": how.graded} if how.graded else "",
        *(names.get(code, code) for code in how.ctcae),
        _("class %(name)s") % {"name": socs.get(how.soc, how.soc)} if how.soc else "",
        _("reaction to an infusion") if how.infusion else "",
    )
    words = _("; ").join(part for part in known if part)
    return (
        words
        if how.grade_from == 1
        else _("%(what)s, from grade %(grade)s on") % {"what": words, "grade": how.grade_from}
    )


# --- the watch ---------------------------------------------------------------------------------------


def watch(*, now: dt.datetime) -> Report:
    """Numbers of the whole study, without anybody's number."""
    found = stopping.state(now=now)
    if found is None:
        notes = (_("The study file of this study has no stopping rule."),)
        return Report(STOPPING, TITLES[STOPPING], (), (), (), notes, is_wide=False)
    upto = get_study().latest.enrolment_target
    head = (_("Participants who count"), _("Date"), _("Events"), _("Probability"), _("The rule says"))
    course = tuple(_point(point) for point in found.points)
    return Report(
        STOPPING,
        TITLES[STOPPING],
        (
            Part(_("Its course"), head, course, (30, 30, 20, 30, 50), empty=_("Nobody counts yet.")),
            _bounds(found, upto),
            _characteristics(found, upto),
        ),
        head,
        tuple((point.treated, point.on, point.events, *_said(point)) for point in found.points),
        _assumptions(found.said),
        _standing(found),
        render_to_string("admin/safety/stopping.svg", {"picture": picture(found, upto)}),
        _alarm(found),
        is_wide=False,
    )


def _alarm(found: stopping.State) -> str:
    if not found.is_crossed:
        return ""
    return _("The rule says stop. Infuse nobody before the principal investigator has judged this.")


def _standing(found: stopping.State) -> tuple[tuple[str, str], ...]:
    said, last = found.said, found.last
    events, treated = (last.events, last.treated) if last else (0, 0)
    now = rules.probability_above(found.rule, events=events, treated=treated)
    next_stop = rules.stop_from(found.rule, treated + 1)
    return (
        (_("Infused"), str(found.infused)),
        (_("Count now"), _("%(events)s events in %(treated)s participants") % {"events": events, "treated": treated}),
        (_("Window still open, without an event"), str(found.waiting)),
        (
            _("Probability that the rate is above %(limit)s") % {"limit": _percent(said.limit)},
            f"{now:.1%}" + ("" if treated else f" ({_('prior')})"),
        ),
        (_("Stops above"), _percent(said.probability)),
        (
            _("With the next participant it stops from"),
            _("no number of events") if next_stop is None else _("%(count)s events") % {"count": next_stop},
        ),
    )


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f} %"


def _assumptions(said: Stopping) -> tuple[str, ...]:
    values = {
        "events": _(", ").join(said.events),
        "grade": said.grade_from,
        "days": said.window_days,
        "least": said.from_treated,
        "a": said.prior_events,
        "b": said.prior_without,
        "limit": _percent(said.limit),
        "probability": _percent(said.probability),
    }
    sentences = (
        _(
            "Rule: stop when the probability that the rate of %(events)s of grade ≥ %(grade)s exceeds %(limit)s is "
            "larger than %(probability)s, from %(least)s participants on."
        ),
        _(
            "Prior: Beta(%(a)s, %(b)s), as if so many participants with and without an event had been seen before. "
            "With each participant who counts it becomes Beta(%(a)s + events, %(b)s + participants without one)."
        ),
        _(
            "A participant counts with the first event within %(days)s days of the first infusion, and without one "
            "once those days are over. All sites count together; each participant counts once."
        ),
    )
    sources = {
        "assessments": _("graded assessments at the bedside (ASTCT 2019)"),
        "adverse_events": _("adverse events of these names (CTCAE grade)"),
    }
    counted = _("Events come from: %(sources)s.") % {"sources": _("; ").join(sources[one] for one in said.sources)}
    return (*(text % values for text in sentences), counted, str(said.reason))


def _said(point: rules.Point) -> tuple[str, str]:
    return f"{point.probability:.1%}", _("stop") if point.is_crossed else _("go on")


def _point(point: rules.Point) -> tuple[Any, ...]:
    return point.treated, f"{point.on:%Y-%m-%d}", point.events, *_said(point)


def _bounds(found: stopping.State, upto: int) -> Part:
    """Numbers of participants with the same bound stand in one line."""
    groups = groupby(rules.bounds(found.rule, upto=upto), key=lambda bound: bound[1])
    lines = [(k, [n for n, _bound in same]) for k, same in groups]
    rows = tuple((_span(numbers), _("no number of events") if k is None else k) for k, numbers in lines)
    head = (_("Participants who count"), _("Stop from"))
    return Part(_("With so many participants, stop from so many events"), head, rows, (60, 60))


def _span(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}"


def _characteristics(found: stopping.State, upto: int) -> Part:
    rows = tuple(
        (_percent(one.rate), f"{one.stops:.1%}", f"{one.mean_treated:.1f}", f"{one.mean_events:.1f}")
        for one in rules.table(found.rule, found.said.true_rates, upto=upto)
    )
    head = (_("True rate"), _("Stops before the end"), _("Participants, mean"), _("Events, mean"))
    title = _("What the rule would do (at most %(count)s participants)") % {"count": upto}
    return Part(title, head, rows, (40, 40, 40, 40))


# --- its picture -------------------------------------------------------------------------------------

LEFT, TOP, WIDTH, HEIGHT, BELOW = 56, 16, 640, 240, 44


@dataclass(frozen=True)
class Dot:
    x: int
    y: int
    events: int
    is_crossed: bool


@dataclass(frozen=True)
class Picture:
    """The probability after each participant, against the threshold."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    threshold_y: int
    threshold: str
    shares: tuple[tuple[int, str], ...]
    numbers: tuple[tuple[int, int], ...]
    dots: tuple[Dot, ...]
    line: str
    description: str


def picture(found: stopping.State, upto: int) -> Picture:
    upto = max(upto, len(found.points), 1)
    dots = tuple(Dot(_x(one.treated, upto), _y(one.probability), one.events, one.is_crossed) for one in found.points)
    step = 5 if upto > 10 else 1
    said = (f"{one.treated}: {one.events}, {one.probability:.1%}" for one in found.points)
    return Picture(
        width=LEFT + WIDTH + 24,
        height=TOP + HEIGHT + BELOW,
        left=LEFT,
        right=LEFT + WIDTH,
        top=TOP,
        bottom=TOP + HEIGHT,
        threshold_y=_y(float(found.rule.probability)),
        threshold=_percent(found.rule.probability),
        shares=tuple((_y(share / 100), f"{share} %") for share in (0, 25, 50, 75, 100)),
        numbers=tuple((_x(n, upto), n) for n in range(0, upto + 1, step)),
        dots=dots,
        line=" ".join(f"{dot.x},{dot.y}" for dot in dots),
        description="; ".join(said),
    )


def _x(treated: int, upto: int) -> int:
    return LEFT + round(WIDTH * treated / upto)


def _y(probability: float) -> int:
    return TOP + HEIGHT - round(HEIGHT * probability)
