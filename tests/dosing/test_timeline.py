"""The treatment timeline: what is read, where it stands in the picture, and that the table says the same."""

import datetime as dt
import itertools
import re
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from django.contrib import admin
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from dosing import actions, timeline
from dosing.models import DoseState, Infusion, Medication
from dosing.timeline import Entry, Lane, Mark, Picture, Shape, context_of, entries_of, picture
from participants.actions import plan_infusion, site_day
from participants.flowchart import text_width
from participants.models import Participant
from tests import factories
from tests.conftest import Once
from trialsite.models import Site, User
from trialsite.recordadmin import void

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
CHINA = dt.timezone(8 * HOUR)
DAY0 = dt.date(2026, 3, 12)
UNTIL = DAY0 + 28 * DAY
SVG = {"s": "http://www.w3.org/2000/svg"}
pytestmark = pytest.mark.usefixtures("english")


def at(day: int, hour: int = 10, minute: int = 0) -> dt.datetime:
    """On a trial day, by the site's clock."""
    return dt.datetime.combine(DAY0 + day * DAY, dt.time(hour, minute), CHINA)


def once(day: int, hour: int = 10, kind: str = "tocilizumab", label: str = "Tocilizumab", **more: Any) -> Entry:
    return Entry(kind, label, at(day, hour), **more)


def course(day: int, last: int | None, label: str = "Dexamethasone", **more: Any) -> Entry:
    """From day to day; without a last one it goes on."""
    end = None if last is None else at(last)
    return Entry("corticosteroid", label, at(day), end, is_ongoing=last is None, **more)


def drawn(*entries: Entry, day0: dt.date | None = DAY0, until: dt.date = UNTIL, today: int | None = None) -> Picture:
    return picture(entries, day0=day0, until=until, today=None if today is None else DAY0 + today * DAY)


def middle(drawing: Picture, words: str) -> int:
    """Of the day with this label on the axis."""
    return next(tick.x for tick in drawing.ticks if tick.words == words)


def box(mark: Mark) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of everything that is drawn for it."""
    if mark.is_far:
        return mark.x - 6, mark.y - 8, mark.x + 10 + round(text_width(mark.label) * timeline.SMALL), mark.y + 8
    below = timeline.ROW_HEIGHT if mark.count > 1 else 0
    reach = 8
    left, right = (mark.x, mark.end) if mark.shape is Shape.BAR else (mark.x - reach, mark.x + reach)
    return left, mark.y - reach, right, mark.y + reach + below


def assert_apart(lane: Lane) -> None:
    """No mark, nor its number, covers another or leaves the lane."""
    for mark in lane.marks:
        left, top, right, bottom = box(mark)
        assert lane.y <= top < bottom <= lane.bottom
        for other in lane.marks:
            apart = box(other)[0] >= right or box(other)[2] <= left or box(other)[1] >= bottom
            assert apart or box(other)[3] <= top or other is mark


# --- where marks stand -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        pytest.param(at(-7), "D-7", id="first-day"),
        pytest.param(at(-6), "-6", id="day-before-0-without-a-letter"),
        pytest.param(at(0), "D0", id="day-0"),
        pytest.param(at(3, 0, 0), "3", id="site-midnight-belongs-to-the-new-day"),
        pytest.param(at(3, 23, 59), "3", id="last-minute-of-the-site-day"),
        pytest.param(dt.datetime(2026, 3, 14, 16, 0, tzinfo=dt.UTC), "3", id="UTC-day-is-still-the-one-before"),
        pytest.param(at(28), "D28", id="last-day"),
    ],
)
def test_a_mark_stands_over_its_trial_day(moment: dt.datetime, words: str) -> None:
    drawing = drawn(Entry("tocilizumab", "Tocilizumab", moment))
    assert drawing.lanes[0].marks[0].x == middle(drawing, words)


def test_the_axis_goes_from_the_first_lymphodepletion_to_day_28() -> None:
    drawing = drawn(once(-9, kind="lymphodepletion", label="Fludarabine"), once(0, kind="infusion", label="Infusion"))
    assert (drawing.first, drawing.until) == (DAY0 - 9 * DAY, UNTIL)
    assert [tick.words for tick in drawing.ticks if tick.is_week] == ["D-7", "D0", "D7", "D14", "D21", "D28"]
    assert drawing.ticks[0].words == "-9"
    assert drawing.infusion_x == middle(drawing, "D0") == drawing.lanes[1].marks[0].x
    assert drawing.width == drawing.ticks[-1].x + timeline.DAY_WIDTH // 2 + timeline.RIGHT


def test_it_begins_a_week_before_day_0_at_the_latest_and_not_in_another_year() -> None:
    assert drawn(once(-3, kind="lymphodepletion", label="Fludarabine")).first == DAY0 - 7 * DAY
    assert drawn(once(-400, kind="lymphodepletion", label="Fludarabine")).first == DAY0 - 7 * DAY


def test_without_an_infusion_the_axis_has_dates_and_the_line_is_the_plan() -> None:
    plan = once(0, 0, kind="infusion", label="Infusion", is_planned=True)
    drawing = drawn(plan, day0=None)
    assert [tick.words for tick in drawing.ticks[:3]] == ["5", "6", "7"]
    assert [tick.date for tick in drawing.ticks if tick.is_week][:2] == ["5 Mar", "12 Mar"]
    assert not drawing.is_infused
    assert drawing.infusion_x == drawing.lanes[0].marks[0].x
    assert drawn(once(0), day0=None).infusion_x is None


def test_lanes_follow_the_treatment_and_a_drug_has_one_in_whatever_letters() -> None:
    drawing = drawn(
        once(9, kind="transfusion", label="Red cells"),
        once(5, kind="corticosteroid", label="dexamethasone"),
        once(2, kind="corticosteroid", label="Prednisone"),
        once(1, kind="corticosteroid", label="Dexamethasone"),
        once(1),
        once(0, kind="infusion", label="Infusion"),
        once(-7, kind="lymphodepletion", label="Fludarabine"),
    )
    labels = ["Fludarabine", "Infusion", "Tocilizumab", "Dexamethasone", "Prednisone", "Red cells"]
    assert [lane.label for lane in drawing.lanes] == labels
    assert [text.words for text in drawing.lanes[3].notes] == ["corticosteroid"]
    assert drawing.lanes[2].notes == ()


@pytest.mark.parametrize(
    ("entry", "shape", "is_hollow", "is_crossed"),
    [
        pytest.param(once(-7, kind="lymphodepletion"), Shape.SQUARE, False, False, id="dose-given"),
        pytest.param(once(-7, kind="lymphodepletion", is_planned=True), Shape.SQUARE, True, False, id="dose-planned"),
        pytest.param(once(-7, kind="lymphodepletion", is_not_given=True), Shape.SQUARE, True, True, id="dose-left-out"),
        pytest.param(once(0, kind="infusion"), Shape.DIAMOND, False, False, id="infusion"),
        pytest.param(once(0, 23, kind="infusion", end=at(1, 0)), Shape.DIAMOND, False, False, id="infusion-at-night"),
        pytest.param(once(2), Shape.CIRCLE, False, False, id="drug-given-once"),
        pytest.param(once(2, 10, end=at(2, 11)), Shape.CIRCLE, False, False, id="drug-for-an-hour"),
        pytest.param(once(2, 23, end=at(3, 0)), Shape.BAR, False, False, id="drug-until-the-next-day"),
        pytest.param(once(2, is_ongoing=True), Shape.BAR, False, False, id="drug-ongoing"),
    ],
)
def test_each_thing_has_a_shape_of_its_own(entry: Entry, shape: Shape, is_hollow: bool, is_crossed: bool) -> None:
    (mark,) = drawn(entry).lanes[0].marks
    assert (mark.shape, mark.is_hollow, bool(mark.strokes)) == (shape, is_hollow, is_crossed)


def test_no_two_meanings_look_the_same() -> None:
    signs = [mark for mark, _words in timeline._signs()]
    assert len({(mark.path, mark.strokes, mark.is_hollow, mark.count > 1) for mark in signs}) == len(signs)


# --- courses -----------------------------------------------------------------------------------------


def test_a_bar_covers_its_first_and_its_last_day() -> None:
    drawing = drawn(course(3, 6))
    (mark,) = drawing.lanes[0].marks
    assert mark.x < middle(drawing, "3") < middle(drawing, "6") < mark.end
    assert middle(drawing, "2") < mark.x
    assert mark.end < middle(drawing, "D7")


@pytest.mark.parametrize(
    ("entry", "is_cut_left", "is_cut_right"),
    [
        pytest.param(course(-8, 3), True, False, id="begun-before-the-first-day"),
        pytest.param(course(-7, 3), False, False, id="begun-on-the-first-day"),
        pytest.param(course(3, 28), False, False, id="ended-on-the-last-day"),
        pytest.param(course(3, 29), False, True, id="ended-after-the-last-day"),
        pytest.param(course(-300, 300), True, True, id="longer-than-the-picture"),
    ],
)
def test_a_long_course_is_cut_at_the_edge_with_an_arrow(entry: Entry, is_cut_left: bool, is_cut_right: bool) -> None:
    drawing = drawn(entry)
    (mark,) = drawing.lanes[0].marks
    assert (mark.is_cut_left, mark.is_cut_right) == (is_cut_left, is_cut_right)
    assert mark.strokes.count("M") == is_cut_left + is_cut_right
    assert drawing.left <= mark.x < mark.end <= drawing.right


@pytest.mark.parametrize(
    ("today", "last"),
    [
        pytest.param(9, 9, id="up-to-today"),
        pytest.param(28, 28, id="today-is-the-last-day"),
        pytest.param(60, 28, id="cut-at-the-edge"),
        pytest.param(None, 28, id="today-is-not-known"),
    ],
)
def test_what_goes_on_ends_in_an_arrow_head_today(today: int | None, last: int) -> None:
    drawing = drawn(course(3, None), today=today)
    (mark,) = drawing.lanes[0].marks
    assert mark.is_ongoing
    assert mark.end == timeline.LEFT + (last + 8) * timeline.DAY_WIDTH - 2
    assert f"L{mark.end} {mark.y}L" in mark.path
    assert mark.strokes == ""
    ended = drawn(course(3, last)).lanes[0].marks[0]
    assert ended.path != mark.path


def test_today_has_a_line_only_inside_the_picture() -> None:
    drawing = drawn(once(1), today=9)
    assert drawing.today_x == middle(drawing, "9")
    assert drawn(once(1), today=29).today_x is None


# --- what is far away --------------------------------------------------------------------------------


def far_marks(drawing: Picture) -> list[tuple[str, str]]:
    return [(str(mark.shape), mark.label) for lane in drawing.lanes for mark in lane.marks if mark.is_far]


def test_what_lies_before_or_after_stands_at_the_edge_with_its_day() -> None:
    inside = (once(-7), once(28), course(-20, -7))
    assert far_marks(drawn(*inside)) == []
    assert far_marks(drawn(*inside, once(-8))) == [("earlier", "D-8")]
    assert far_marks(drawn(*inside, once(29))) == [("later", "D29")]
    assert far_marks(drawn(course(-20, -8), course(29, None))) == [("earlier", "D-20"), ("later", "D29")]


def test_several_far_away_are_one_mark_with_their_days() -> None:
    assert far_marks(drawn(once(300, 8), once(300, 20))) == [("later", "D300 ×2")]
    drawing = drawn(once(300), once(35), once(90), once(1))
    assert far_marks(drawing) == [("later", "D35 – D300 ×3")]
    (lane,) = drawing.lanes
    assert lane.marks[-1].words.count("Tocilizumab") == 3
    assert signs(drawing) == ["on this day only", "before or after the days of the picture"]


def places(drawing: Picture) -> list[int]:
    """Where the days begin, and the marks between the breaks, from there on."""
    start = drawing.ticks[0].x
    return [mark.x - start for lane in drawing.lanes for mark in lane.marks if not mark.is_far]


@pytest.mark.parametrize(
    ("far", "breaks"),
    [
        pytest.param([once(-372)], 1, id="typed-a-year-early"),
        pytest.param([once(-372, kind="lymphodepletion", label="Fludarabine")], 1, id="lymphodepletion-a-year-early"),
        pytest.param([once(300)], 1, id="follow-up-of-day-300"),
        pytest.param([once(-372), once(300)], 2, id="both"),
    ],
)
def test_one_moment_far_away_leaves_the_scale(far: list[Entry], breaks: int) -> None:
    near = [once(-7, kind="lymphodepletion", label="Fludarabine"), once(0, kind="infusion"), once(3), course(5, 9)]
    usual, wide = drawn(*near), drawn(*near, *far)
    assert (wide.first, wide.until) == (usual.first, usual.until)
    assert places(wide) == places(usual)
    assert [(tick.x - wide.ticks[0].x, tick.words) for tick in wide.ticks] == [
        (tick.x - usual.ticks[0].x, tick.words) for tick in usual.ticks
    ]
    assert len(wide.edges) == breaks
    assert usual.edges == ()
    assert wide.width - usual.width <= 100 * breaks


def test_without_day_0_the_axis_keeps_to_most_of_the_lymphodepletion() -> None:
    """One dose was typed a year early: the picture shows the others, and that one at its edge with its date."""
    doses = [once(day, kind="lymphodepletion", label="Fludarabine") for day in (-372, -7, -6, -5)]
    until = timeline._last_day(doses, None, DAY0)
    drawing = drawn(*doses, day0=None, until=until)
    assert (drawing.first, drawing.until) == (DAY0 - 7 * DAY, DAY0 + 28 * DAY)
    assert far_marks(drawing) == [("earlier", "5 Mar 2025")]


@pytest.mark.parametrize(
    ("day", "first"),
    [
        pytest.param(-42, -42, id="a-pause-of-35-days-is-drawn"),
        pytest.param(-43, -7, id="a-longer-one-is-a-break"),
    ],
)
def test_lymphodepletion_long_before_is_drawn_up_to_a_pause(day: int, first: int) -> None:
    assert drawn(once(day, kind="lymphodepletion")).first == DAY0 + first * DAY


def test_lymphodepletion_goes_back_90_days_of_the_picture_at_most() -> None:
    often = [once(day, kind="lymphodepletion") for day in range(-100, 0, 20)]
    assert drawn(*often).first == UNTIL - timeline.LONGEST


@pytest.mark.parametrize(
    ("today", "day"),
    [
        pytest.param(-9, -7, id="before-the-picture"),
        pytest.param(9, 9, id="in-the-picture"),
        pytest.param(28, 28, id="its-last-day"),
        pytest.param(29, 3, id="after-it-the-last-mark"),
        pytest.param(None, 3, id="not-known"),
    ],
)
def test_the_newest_day_is_looked_at_first(today: int | None, day: int) -> None:
    drawing = drawn(once(3), once(60), today=today)
    assert drawing.newest_x == timeline.LEFT + (day + 8) * timeline.DAY_WIDTH
    assert drawn(once(60), today=90).newest_x == drawn(once(60)).width


# --- many doses on one day ---------------------------------------------------------------------------


def test_three_doses_of_a_day_are_stacked() -> None:
    marks = drawn(*(once(3, hour) for hour in (2, 10, 18))).lanes[0].marks
    assert len({mark.x for mark in marks}) == 1
    assert [after.y - before.y for before, after in itertools.pairwise(marks)] == [timeline.ROW_HEIGHT] * 2


def test_more_doses_of_a_day_are_one_mark_with_their_number() -> None:
    (mark,) = drawn(*(once(3, hour) for hour in (0, 6, 12, 18))).lanes[0].marks
    assert mark.count == 4
    assert mark.words.count("Tocilizumab") == 4


def test_given_and_left_out_doses_are_not_counted_together() -> None:
    doses = [once(-7, hour, kind="lymphodepletion", is_not_given=hour > 3) for hour in range(8)]
    (lane,) = drawn(*doses).lanes
    assert sorted((mark.count, mark.is_not_given) for mark in lane.marks) == [(4, False), (4, True)]
    assert_apart(lane)


def test_the_number_below_a_mark_has_its_room() -> None:
    many = [once(3, hour) for hour in range(5)]
    assert_apart(drawn(*many).lanes[0])
    assert_apart(drawn(*many, once(3, 7, is_planned=True), once(2, 7, end=at(4))).lanes[0])


def entries() -> st.SearchStrategy[list[Entry]]:
    def entry(
        kind: str, label: str, start: int, minutes: int, length: int | None, is_ongoing: bool, is_planned: bool
    ) -> Entry:
        begin = at(0, 0) + start * DAY + minutes * dt.timedelta(minutes=1)
        end = None if length is None or is_ongoing else begin + length * HOUR
        return Entry(kind, label, begin, end, is_ongoing, "", is_planned)

    one = st.builds(
        entry,
        st.sampled_from(timeline.KINDS[:6]),
        st.sampled_from(["Dexamethasone", "注射用甲泼尼龙琥珀酸钠", "a\tword " * 20, "x" * 90]),
        st.integers(-12, 32) | st.sampled_from([-400, -50, 60, 700]),
        st.integers(0, 1439),
        st.none() | st.integers(0, 400),
        st.booleans(),
        st.booleans(),
    )
    return st.lists(one, max_size=40)


@given(entries(), st.none() | st.just(DAY0), st.none() | st.integers(-5, 40))
def test_nothing_is_lost_covered_or_outside(found: list[Entry], day0: dt.date | None, today: int | None) -> None:
    drawing = drawn(*found, day0=day0, today=today)
    marks = [mark for lane in drawing.lanes for mark in lane.marks]
    assert sum(mark.count for mark in marks) == len(drawing.entries) == len(found)
    days = [mark for mark in marks if not mark.is_far]
    assert all(drawing.ticks[0].x - 11 <= box(mark)[0] and box(mark)[2] <= drawing.ticks[-1].x + 11 for mark in days)
    for edge in drawing.edges:
        assert not [mark for mark in marks if box(mark)[0] <= edge.break_x <= box(mark)[2]]
    for lane in drawing.lanes:
        assert_apart(lane)
        for mark in lane.marks:
            assert drawing.left <= box(mark)[0] < box(mark)[2] <= drawing.right
        for text in lane.names:
            assert text.x + text_width(text.words) <= drawing.left
            assert lane.y < text.y < lane.bottom
        for text in lane.narrow:
            assert text.x + text_width(text.words) * timeline.SMALL <= timeline.NARROW
            assert lane.y < text.y < lane.bottom
        for text in lane.notes:
            assert text.x + text_width(text.words) * timeline.SMALL <= drawing.left
    for above, below in itertools.pairwise(drawing.lanes):
        assert above.bottom == below.y
    for sign in drawing.legend:
        assert drawing.today_y < sign.mark.y < drawing.height


@pytest.mark.parametrize(
    ("label", "lines"),
    [
        pytest.param("Dexamethasone", 1, id="short"),
        pytest.param("注射用甲泼尼龙琥珀酸钠", 1, id="Chinese"),
        pytest.param("注射用重组人白细胞介素受体拮抗剂", 2, id="Chinese-over-two-lines"),
        pytest.param("Sulfamethoxazole and trimethoprim tablets", 2, id="words-over-two-lines"),
    ],
)
def test_a_lane_is_named_in_words_beside_it(label: str, lines: int) -> None:
    names = drawn(once(1, kind="other", label=label)).lanes[0].names
    assert len(names) == lines
    assert "".join(text.words for text in names).replace(" ", "") == label.replace(" ", "")


def test_a_name_that_is_too_long_is_cut_and_says_so() -> None:
    names = drawn(once(1, kind="other", label="Piperacillin and tazobactam for injection, " * 3)).lanes[0].names
    assert len(names) == timeline.LABEL_LINES
    assert names[-1].words.endswith("…")


def test_below_many_lanes_the_days_stand_once_more() -> None:
    few, many = (drawn(*(once(1, kind="other", label=f"Drug {n}") for n in range(count))) for count in (3, 20))
    assert (few.is_tall, few.today_y) == (False, few.foot_y)
    assert many.is_tall
    assert many.bottom < many.foot_y < many.today_y < many.legend[0].mark.y < many.height


# --- legend and words --------------------------------------------------------------------------------


def signs(drawing: Picture) -> list[str]:
    return [sign.text.words for sign in drawing.legend]


def test_the_legend_explains_what_occurs_and_nothing_else() -> None:
    assert signs(drawn(once(1))) == ["on this day only"]
    assert signs(drawn(course(-20, 2))) == ["from day to day", "begins or ends outside the picture"]
    assert signs(drawn(course(1, None), today=60)) == ["ongoing"]
    several = [once(1) for _n in range(4)]
    assert signs(drawn(*several, once(-7, kind="lymphodepletion", is_planned=True))) == [
        "on this day only",
        "planned",
        "so many on one day",
    ]


def test_the_description_says_each_lane_with_its_days() -> None:
    drawing = drawn(
        once(-7, kind="lymphodepletion", label="Fludarabine", is_not_given=True),
        once(3, 2),
        once(3, 10),
        once(5),
        course(3, 6),
        course(8, None),
    )
    assert drawing.description == (
        "Fludarabine: D-7 not given; Tocilizumab: D3 (×2), D5; Dexamethasone: D3 – D6, D8 – ongoing"
    )


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param(once(3, 2), ("D3", "02:00", ""), id="given-once"),
        pytest.param(once(3, 2, end=at(3, 3)), ("D3", "02:00", "03:00"), id="ended-on-the-same-day"),
        pytest.param(course(-3, 6), ("D-3", "10:00", "D6 10:00"), id="ended-on-another-day"),
        pytest.param(course(3, None), ("D3", "10:00", "ongoing"), id="ongoing"),
        pytest.param(once(-7, 0, kind="lymphodepletion", is_planned=True), ("D-7", "", ""), id="planned-has-no-time"),
    ],
)
def test_an_entry_as_a_line_of_the_table(entry: Entry, expected: tuple[str, str, str]) -> None:
    row = timeline.row_of(entry, day0=DAY0)
    assert (row.day, row.time, row.until) == expected
    assert timeline.row_of(entry, day0=None).day == f"{entry.day.day} {entry.day:%b} 2026"


# --- what is read ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    """Lymphodepleted, and infused four days ago."""
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - 4 * DAY)


def medicated(participant: Participant, kind: str, start: dt.datetime, **more: Any) -> Medication:
    values = {"name": kind, "route": "iv", "indication": "CRS", **more}
    row = Medication(participant=participant, kind=kind, started_at=start, **values)
    row.created_by, row.created_at = participant.created_by, start
    row.save()
    return row


@pytest.mark.django_db
def test_entries_stand_in_the_order_of_time(participant: Participant, now: dt.datetime) -> None:
    start = now - 3 * DAY
    medicated(participant, "oxygen", now - DAY, is_ongoing=True, route="inhaled", dose=2, dose_unit="L/min")
    medicated(participant, "corticosteroid", start, name="地塞米松", dose=10, dose_unit="mg", ended_at=now - DAY)
    medicated(participant, "tocilizumab", start, name="Actemra", dose=Decimal("496.0"), dose_unit="mg")
    found = entries_of(participant)
    assert [one.start for one in found] == sorted(one.start for one in found)
    assert [one.label for one in found if one.kind == "lymphodepletion"] == ["Cyclophosphamide", "Fludarabine"] * 3
    infusion, tocilizumab, steroid, oxygen = found[6:]
    lot = Infusion.objects.get().product_lot
    assert (infusion.kind, infusion.label, infusion.start) == ("infusion", "Infusion", now - 4 * DAY)
    assert infusion.text == f"0.5 × 10⁸ viable CAR-T cells, lot {lot}"
    assert (tocilizumab.label, tocilizumab.text) == ("Tocilizumab", "Actemra, 496 mg, intravenous, CRS")
    assert (steroid.label, steroid.end, steroid.text) == ("地塞米松", now - DAY, "10 mg, intravenous, CRS")
    assert (oxygen.label, oxygen.is_ongoing, oxygen.end) == ("Oxygen", True, None)


@pytest.mark.django_db
def test_void_rows_are_left_out(participant: Participant, alice: User, now: dt.datetime) -> None:
    row = medicated(participant, "tocilizumab", now - DAY)
    dose = participant.lymphodepletion_doses.order_by("given_at", "drug")[0]
    before = entries_of(participant)
    for wrong in (row, dose):
        void(wrong, reason="another participant", by=alice, now=now)
    assert entries_of(participant) == before[1:-1]
    void(participant.infusions.get(), reason="another participant", by=alice, now=now)
    assert not any(one.kind == "infusion" and not one.is_planned for one in entries_of(participant))


@pytest.mark.django_db
def test_what_another_participant_received_is_theirs(
    participant: Participant, site: Site, alice: User, now: dt.datetime
) -> None:
    other = factories.enrolled(site=site, by=alice, now=now - 20 * DAY)
    medicated(other, "anakinra", now)
    assert [one.kind for one in entries_of(other)] == ["anakinra"]
    assert "anakinra" not in {one.kind for one in entries_of(participant)}


@pytest.mark.django_db
@pytest.mark.parametrize("count", [3, 60])
def test_four_queries_however_much_was_given(
    participant: Participant, now: dt.datetime, count: int, django_assert_num_queries: Any
) -> None:
    for number in range(count):
        medicated(participant, "transfusion", now - number * HOUR, name=f"Platelets {number}")
    fresh = Participant.objects.get(pk=participant.pk)
    with django_assert_num_queries(4):
        assert len(entries_of(fresh)) == 7 + count
    with django_assert_num_queries(5):
        context_of(fresh, now=now)


@pytest.fixture
def planned(site: Site, ivan: User, now: dt.datetime) -> Participant:
    """Lymphodepletion is planned from today, 5 March, for an infusion on 12 March."""
    enrolled = factories.enrolled(site=site, by=ivan, now=now - 5 * DAY)
    participant = plan_infusion(participant=enrolled, on=DAY0, by=ivan, now=now)
    actions.plan_lymphodepletion(participant=participant, first_on=DAY0 - 7 * DAY, by=ivan, now=now)
    return participant


@pytest.mark.django_db
def test_planned_and_left_out_doses_stand_on_their_planned_day(
    planned: Participant, ivan: User, now: dt.datetime
) -> None:
    dose = planned.lymphodepletion_doses.get(drug="flu", number=2)
    dose.state, dose.change_reason = DoseState.NOT_GIVEN, "fever"
    dose.save()
    found = entries_of(planned)
    assert [(site_day(one.start) - DAY0).days for one in found] == [-7, -7, -6, -6, -5, -5, 0]
    assert [one.is_planned for one in found] == [True, True, True, False, True, True, True]
    assert (found[3].label, found[3].is_not_given, found[3].text) == ("Fludarabine", True, "51 mg, fever")
    assert (found[-1].kind, found[-1].is_planned) == ("infusion", True)


@pytest.mark.django_db
def test_the_picture_before_the_infusion_reaches_to_the_planned_day_28(planned: Participant, now: dt.datetime) -> None:
    context = context_of(planned, now=now)
    assert context["day0"] is None
    assert (context["picture"].first, context["picture"].until) == (DAY0 - 7 * DAY, UNTIL)
    assert context["entries"][0].day == "5 Mar 2026"


@pytest.mark.django_db
def test_what_lies_elsewhere_stands_at_the_edge(participant: Participant, now: dt.datetime) -> None:
    day0 = site_day(now - 4 * DAY)
    medicated(participant, "antiinfective", now - 300 * DAY, name="Aciclovir", is_ongoing=True)
    medicated(participant, "live_vaccine", now - 300 * DAY)
    context = context_of(participant, now=now)
    assert context["day0"] == day0
    assert (context["picture"].first, context["picture"].until) == (day0 - 7 * DAY, day0 + 28 * DAY)
    assert far_marks(context["picture"]) == [("earlier", "D-296")]
    (mark,) = (mark for lane in context["picture"].lanes for mark in lane.marks if mark.is_ongoing)
    assert (mark.is_cut_left, mark.is_ongoing, mark.end) == (
        True,
        True,
        context["picture"].ticks[11].x + timeline.DAY_WIDTH // 2 - 2,
    )


# --- the page ----------------------------------------------------------------------------------------


def page_of(participant: Participant, user: User, now: dt.datetime) -> str:
    request = RequestFactory().get("/")
    request.user = user
    context = {**admin.site.each_context(request), **context_of(participant, now=now)}
    return render_to_string("admin/dosing/timeline.html", context, request=request)


def picture_in(page: str) -> ElementTree.Element:
    found = re.search(r"<svg xmlns.*?</svg>", page, re.DOTALL)
    assert found
    return ElementTree.fromstring(found[0])


def lines_in(page: str) -> list[list[str]]:
    """The lines of the table, cell by cell, without the small letters."""
    body = page.split("<tbody>")[1].split("</tbody>")[0]
    lines = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.DOTALL) for line in body.split("</tr>")]
    return [[re.sub(r"<br>.*|<[^>]+>", "", cell, flags=re.DOTALL) for cell in cells] for cells in lines if cells]


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_picture_and_table_say_the_same(participant: Participant, alice: User, now: dt.datetime, language: str) -> None:
    for hour in range(5):
        medicated(participant, "tocilizumab", now - hour * HOUR, dose=480, dose_unit="mg")
    medicated(participant, "antiinfective", now - 2 * DAY, name='<b>"A&B"</b>', ended_at=now)
    medicated(participant, "other", now - 400 * DAY, name="Long ago")
    with translation.override(language):
        page = page_of(participant, alice, now)
        drawing = picture_in(page)
        marks = drawing.findall(".//s:g[@class='mark']", SVG)
        said = [line for mark in marks for line in str(mark.findtext("s:title", namespaces=SVG)).splitlines()]
        lines = lines_in(page)
        assert len(lines) == len(said) == 6 + 1 + 5 + 1 + 1
        assert sorted(line.split(" ")[0] for line in said) == sorted(cells[0] for cells in lines)
        assert drawing.get("role") == "img"
        named = str(drawing.get("aria-labelledby")).split()
        assert [drawing.find(f"s:*[@id='{one}']", SVG).tag.split("}")[1] for one in named] == ["title", "desc"]
        assert drawing.findtext("s:desc", namespaces=SVG)
        assert '<b>"A&B"</b>' in {text.text for text in drawing.iterfind(".//s:text", SVG)}
        assert '<b>"A' not in page
        assert "王小明" not in page
        assert participant.number in str(drawing.findtext("s:title", namespaces=SVG))


@pytest.mark.django_db
def test_a_planned_treatment_is_a_picture_too(planned: Participant, ivan: User, now: dt.datetime) -> None:
    page = page_of(planned, ivan, now)
    drawing = picture_in(page)
    line = drawing.find(".//s:path[@id='timeline-day0']", SVG)
    assert line is not None
    assert line.get("stroke-dasharray")
    hollow = drawing.findall(".//s:g[@class='mark']/s:path[@fill='none']", SVG)
    assert len(hollow) == len(lines_in(page)) == 7
    assert "planned for 12 Mar 2026" in page


@pytest.mark.django_db
def test_an_empty_page_says_what_to_do(site: Site, ivan: User, mona: User, now: dt.datetime) -> None:
    participant = factories.enrolled(site=site, by=ivan, now=now)
    page = page_of(participant, ivan, now)
    assert "Nothing is recorded yet." in page
    assert "Plan the lymphodepletion" in page
    assert f"medication/add/?participant={participant.pk}" in page
    assert "<svg xmlns" not in page
    assert "<tbody>" not in page
    assert "medication/add/" not in page_of(participant, mona, now)
