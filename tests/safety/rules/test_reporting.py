"""Who must be told, what, by when: limits of CDE 2018, GCP 2020 and ICH E2A, and laws that hold for every event."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.cases import CASES
from safety.rules.reporting import (
    OTHER,
    SHANGHAI,
    THREATENING,
    Clock,
    Duty,
    Facts,
    Kind,
    News,
    Sent,
    View,
    Why,
    WhyNot,
    day_of,
    duties,
    end_of,
    suspected,
    why_not,
)
from trialsite.casetables import run

TABLES = Path(__file__).parent.parent / "cases"
CLOCKS = (
    Clock("site", "sae", ("sponsor",), 24, "hours", "site_awareness"),
    Clock("fatal", THREATENING, ("cde",), 7, "days", "sponsor_awareness"),
    Clock("complete", THREATENING, ("cde",), 8, "days", "initial_report"),
    Clock("limit", THREATENING, ("cde",), 15, "days", "sponsor_awareness", alarms=False),
    Clock("other", OTHER, ("cde",), 15, "days", "sponsor_awareness"),
    Clock("news", "new_information", ("cde",), 15, "days", "new_information"),
    Clock("dsur", "yearly", ("cde",), 2, "months", "full_year"),
)
AWARE = dt.datetime(2026, 3, 10, 9, 0, tzinfo=SHANGHAI)
SUSAR = Facts(AWARE, serious_at=AWARE, views=(View("car_t", "possible", "possible"),), is_expected=False)
FATAL = replace(SUSAR, threatening_at=AWARE, fatal_at=AWARE)


def due(facts: Facts) -> dict[str, dt.date]:
    return {f"{one.clock}:{one.trigger}": day_of(one.due_at) for one in duties(facts, CLOCKS)}


def day(month: int, number: int) -> dt.date:
    return dt.date(2026, month, number)


@pytest.mark.parametrize(("table", "number"), [("sae_clock", 14), ("sae_followup", 4)])
def test_the_worked_cases_pass(table: str, number: int) -> None:
    outcome = run(CASES[table], TABLES / f"{table}.csv")
    assert (outcome.differences, outcome.passed) == ([], number)


# --- First reports -----------------------------------------------------------------------------------


def test_a_fatal_unexpected_reaction_is_told_within_seven_days_and_completed() -> None:
    assert due(FATAL) == {"site:first": day(3, 11), "fatal:first": day(3, 17), "limit:first": day(3, 25)}


def test_the_complete_report_is_due_eight_days_after_the_first_was_really_sent() -> None:
    sent = replace(FATAL, sent=(Sent("cde", AWARE + dt.timedelta(days=2)),))
    complete = [one for one in duties(sent, CLOCKS) if one.kind is Kind.COMPLETION]
    assert [(one.clock, day_of(one.due_at), one.alarms) for one in complete] == [
        ("complete", day(3, 20), True),
        ("limit", day(3, 25), False),
    ]


def test_another_serious_reaction_is_told_within_fifteen() -> None:
    assert due(SUSAR) == {"site:first": day(3, 11), "other:first": day(3, 25)}


def test_an_event_that_is_not_serious_is_told_to_nobody() -> None:
    assert due(replace(SUSAR, serious_at=None)) == {}


@pytest.mark.parametrize(
    ("view", "is_expected", "why"),
    [
        (View("car_t", "possible", "unrelated"), False, (Why.SERIOUS, Why.RELATED, Why.UNEXPECTED)),
        (View("car_t", "unlikely", "possible"), False, (Why.SERIOUS, Why.RELATED, Why.UNEXPECTED)),
        (View("car_t", "unlikely", "unrelated"), False, ()),
        (View("car_t", "unlikely", ""), False, (Why.SERIOUS, Why.RELATEDNESS_OPEN, Why.UNEXPECTED)),
        (View("car_t", "", ""), None, (Why.SERIOUS, Why.RELATEDNESS_OPEN, Why.EXPECTEDNESS_OPEN)),
        (View("car_t", "definite", ""), None, (Why.SERIOUS, Why.RELATED, Why.EXPECTEDNESS_OPEN)),
        (View("car_t", "definite", "definite"), True, ()),
        (View("disease", "definite", "definite"), False, ()),
    ],
)
def test_what_is_open_counts_as_related_and_as_unexpected(
    view: View, is_expected: bool | None, why: tuple[Why]
) -> None:
    assert suspected(replace(SUSAR, views=(view,), is_expected=is_expected)) == why


def test_without_a_view_of_any_agent_the_relation_is_open() -> None:
    assert Why.RELATEDNESS_OPEN in suspected(replace(SUSAR, views=()))


def test_whoever_knew_first_starts_the_clock() -> None:
    earlier = replace(SUSAR, sponsor_aware_at=AWARE - dt.timedelta(days=1), serious_at=AWARE - dt.timedelta(days=1))
    assert due(earlier)["other:first"] == day(3, 24)
    later = replace(SUSAR, sponsor_aware_at=AWARE + dt.timedelta(days=3))
    assert due(later)["other:first"] == day(3, 25)


def test_the_clock_of_the_sponsor_waits_for_the_four_criteria() -> None:
    waited = replace(SUSAR, minimum_at=AWARE + dt.timedelta(days=1))
    assert due(waited) == {"site:first": day(3, 11), "other:first": day(3, 26)}


def test_a_day_ends_at_midnight_in_shanghai() -> None:
    late = dt.datetime(2026, 1, 31, 15, 59, tzinfo=dt.UTC)
    assert day_of(late) == day(1, 31)
    assert day_of(late + dt.timedelta(minutes=1)) == day(2, 1)
    assert end_of(day(2, 1)) + dt.timedelta(microseconds=1) == dt.datetime(2026, 2, 2, tzinfo=SHANGHAI)


# --- What follows ------------------------------------------------------------------------------------

LATER = dt.datetime(2026, 3, 16, 10, 0, tzinfo=SHANGHAI)


def test_a_later_death_starts_seven_days_beside_the_clock_that_runs() -> None:
    assert due(replace(SUSAR, threatening_at=LATER, fatal_at=LATER)) == {
        "site:first": day(3, 11),
        "other:first": day(3, 25),
        "fatal:worse": day(3, 23),
        "limit:worse": day(3, 31),
    }


def test_a_death_after_danger_starts_seven_days_anew() -> None:
    found = due(replace(SUSAR, threatening_at=AWARE, fatal_at=LATER))
    assert (found["fatal:first"], found["fatal:death"]) == (day(3, 17), day(3, 23))


def test_news_is_told_to_whom_the_event_is_told() -> None:
    news = News("7", LATER, Kind.FOLLOW_UP)
    assert due(replace(SUSAR, news=(news,)))["news:news-7"] == day(3, 31)
    assert "news:news-7" not in due(replace(SUSAR, is_expected=True, news=(news,)))
    told = replace(SUSAR, is_expected=True, news=(news,), sent=(Sent("cde", AWARE),))
    assert due(told)["news:news-7"] == day(3, 31)


def test_what_was_no_event_is_told_to_those_who_were_told() -> None:
    gone = replace(SUSAR, nullified_at=LATER, news=(News("7", LATER, Kind.NULLIFICATION),))
    assert due(gone) == {}
    assert due(replace(gone, sent=(Sent("cde", AWARE),))) == {"news:news-7": day(3, 31)}


def test_why_nothing_is_owed_any_more() -> None:
    assert why_not(replace(SUSAR, nullified_at=LATER)) is WhyNot.NULLIFIED
    assert why_not(replace(SUSAR, serious_at=None)) is WhyNot.NOT_SERIOUS
    assert why_not(replace(SUSAR, views=(View("car_t", "unrelated", "unlikely"),))) is WhyNot.NOT_RELATED
    assert why_not(replace(SUSAR, is_expected=True)) is WhyNot.EXPECTED
    assert why_not(SUSAR) is WhyNot.REPLACED


# --- Laws --------------------------------------------------------------------------------------------

OPENS = dt.datetime(2025, 7, 19, tzinfo=SHANGHAI)
moments = st.timedeltas(dt.timedelta(), dt.timedelta(days=760)).map(lambda after: OPENS + after)
words = st.sampled_from(["", "definite", "probable", "possible", "unlikely", "unrelated"])
views = st.builds(View, st.sampled_from(["car_t", "fludarabine", "disease"]), words, words)


@st.composite
def events(draw: st.DrawFn) -> Facts:
    site, sponsor = draw(moments), draw(st.none() | moments)
    first = min(filter(None, (site, sponsor)))
    later = st.none() | st.timedeltas(dt.timedelta(), dt.timedelta(days=40)).map(lambda after: first + after)
    serious = draw(later)
    sent = draw(st.lists(st.builds(Sent, st.just("cde"), moments.filter(lambda at: at >= first)), max_size=2))
    return Facts(
        site,
        sponsor,
        draw(later),
        serious_at=serious,
        threatening_at=draw(later) if serious else None,
        views=tuple(draw(st.lists(views, max_size=3))),
        is_expected=draw(st.none() | st.booleans()),
        sent=tuple(sent),
    )


def covers(after: tuple[Duty, ...], before: Duty) -> bool:
    """The same duty, or a stricter one to the same recipient."""
    same = [one for one in after if one.recipient == before.recipient and (one.kind is before.kind or one.alarms)]
    return any(one.due_at <= before.due_at for one in same)


@given(events())
def test_nothing_is_due_before_somebody_knew(facts: Facts) -> None:
    first = min(filter(None, (facts.site_aware_at, facts.sponsor_aware_at)))
    assert all(first <= one.counted_from < one.due_at for one in duties(facts, CLOCKS))


@given(events(), st.timedeltas(dt.timedelta(), dt.timedelta(days=60)), st.booleans())
def test_an_upgrade_never_removes_a_duty(facts: Facts, after: dt.timedelta, is_fatal: bool) -> None:
    at = (
        max(filter(None, (facts.site_aware_at, facts.sponsor_aware_at, facts.serious_at, facts.threatening_at))) + after
    )
    worse = replace(
        facts,
        serious_at=facts.serious_at or at,
        threatening_at=facts.threatening_at or at,
        fatal_at=at if is_fatal else None,
        news=(News("1", at, Kind.UPGRADE),),
    )
    found = duties(worse, CLOCKS)
    assert all(covers(found, one) for one in duties(facts, CLOCKS))


@given(events(), st.integers(1, 400))
def test_no_holiday_stops_the_clock(facts: Facts, days: int) -> None:
    """Moved by any number of days, over weekends, National Day or Spring Festival, each limit is as long as before."""
    by = dt.timedelta(days=days)
    names = ("site_aware_at", "sponsor_aware_at", "minimum_at", "serious_at", "threatening_at")
    moved = {name: value + by for name in names if (value := getattr(facts, name)) is not None}
    later = replace(facts, **moved, sent=tuple(replace(one, at=one.at + by) for one in facts.sent))
    assert [(one.name, one.due_at + by) for one in duties(facts, CLOCKS)] == [
        (one.name, one.due_at) for one in duties(later, CLOCKS)
    ]


@given(events())
def test_each_duty_has_a_name_of_its_own(facts: Facts) -> None:
    names = [one.name for one in duties(facts, CLOCKS)]
    assert len(names) == len(set(names))
