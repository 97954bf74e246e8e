"""A date against everything else that is known: both sides of each limit, and each kind of date."""

import datetime as dt

import pytest

from participants.rules.contradictions import (
    RULES,
    Code,
    Dated,
    Facts,
    Finding,
    Kind,
    findings,
    outside,
    worst,
)

NOW = dt.datetime(2026, 3, 5, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TICK = dt.timedelta(microseconds=1)
LIVED = Facts(born_at=NOW - 9000 * DAY, consented_at=NOW - 90 * DAY)
ENDED = {
    Code.AFTER_WITHDRAWAL: "withdrew_at",
    Code.AFTER_DEATH: "died_at",
    Code.AFTER_NO_MORE_DATA: "no_more_data_from",
    Code.AFTER_LEAVING: "left_at",
}


def at(moment: dt.datetime, kind: Kind = Kind.PROCEDURE) -> Dated:
    return Dated(kind, moment, moment)


def codes(dated: Dated, facts: Facts) -> list[Code]:
    return [one.code for one in findings(dated, facts, now=NOW)]


@pytest.mark.parametrize("kind", Kind)
def test_nothing_is_before_birth_or_untrue_in_between(kind: Kind) -> None:
    assert LIVED.born_at is not None
    assert codes(at(LIVED.born_at - TICK, kind), LIVED) == [Code.BEFORE_BIRTH]
    assert Code.BEFORE_BIRTH not in codes(at(LIVED.born_at, kind), LIVED)
    assert codes(at(NOW - DAY, kind), LIVED) == []


@pytest.mark.parametrize("kind", Kind)
def test_only_what_is_planned_lies_in_the_future(kind: Kind) -> None:
    assert codes(at(NOW, kind), LIVED) == []
    assert codes(at(NOW + TICK, kind), LIVED) == ([] if kind is Kind.PLANNED else [Code.FUTURE])


@pytest.mark.parametrize("kind", Kind)
def test_before_consent_is_asked_where_the_table_says_so(kind: Kind) -> None:
    assert LIVED.consented_at is not None
    asked = [Code.BEFORE_CONSENT] if Code.BEFORE_CONSENT in RULES[kind].asks else []
    assert codes(at(LIVED.consented_at - TICK, kind), LIVED) == asked
    assert codes(at(LIVED.consented_at, kind), LIVED) == []


@pytest.mark.parametrize("kind", Kind)
def test_without_consent_only_what_was_done_for_the_study_is_asked(kind: Kind) -> None:
    done = kind in (Kind.PROCEDURE, Kind.TREATMENT)
    assert codes(at(NOW, kind), Facts()) == ([Code.WITHOUT_CONSENT] if done else [])
    assert all(one.deviates for one in findings(at(NOW, kind), Facts(), now=NOW))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("code", "name"), ENDED.items())
def test_after_an_end_is_asked_where_the_table_says_so(kind: Kind, code: Code, name: str) -> None:
    facts = Facts(consented_at=NOW - 90 * DAY, **{name: NOW - DAY})
    assert codes(at(NOW - DAY, kind), facts) == []
    assert codes(at(NOW - DAY + TICK, kind), facts) == ([code] if code in RULES[kind].asks else [])


def test_a_deviation_is_what_was_done_without_agreement_and_nothing_else() -> None:
    facts = Facts(consented_at=NOW - 9 * DAY, withdrew_at=NOW - 5 * DAY, died_at=NOW - 3 * DAY)
    assert findings(at(NOW - DAY, Kind.TREATMENT), facts, now=NOW) == (
        Finding(Code.AFTER_WITHDRAWAL, facts.withdrew_at, deviates=True),
        Finding(Code.AFTER_DEATH, facts.died_at),
    )
    assert [one.deviates for one in findings(at(NOW - 10 * DAY, Kind.EVENT), facts, now=NOW)] == [False]


@pytest.mark.parametrize("name", ["died_at", "no_more_data_from"])
def test_who_died_or_wants_no_more_data_is_not_asked_about_leaving(name: str) -> None:
    facts = Facts(consented_at=NOW - 9 * DAY, left_at=NOW - 5 * DAY, **{name: NOW - 5 * DAY})
    assert Code.AFTER_LEAVING not in codes(at(NOW), facts)
    assert len(codes(at(NOW), facts)) == 1


def test_a_date_known_in_part_contradicts_only_where_each_of_its_days_does() -> None:
    assert LIVED.consented_at is not None
    around = Dated(Kind.EVENT, LIVED.consented_at - 30 * DAY, LIVED.consented_at)
    assert codes(around, LIVED) == []
    assert codes(Dated(Kind.EVENT, NOW - DAY, NOW + DAY), LIVED) == []


@pytest.mark.parametrize(
    ("moment", "limit"),
    [(NOW - TICK, NOW), (NOW, None), (NOW + DAY, None), (NOW + DAY + TICK, NOW + DAY)],
)
def test_outside_what_it_belongs_to(moment: dt.datetime, limit: dt.datetime | None) -> None:
    found = outside(at(moment), begins=NOW, ends=NOW + DAY)
    assert found == (None if limit is None else Finding(Code.OUTSIDE, limit))
    assert outside(at(moment), begins=None, ends=None) is None


def test_two_dates_of_a_row_ask_once() -> None:
    death = Finding(Code.AFTER_DEATH, NOW)
    assert worst([("start", death), ("end", death), ("end", Finding(Code.FUTURE, NOW))]) == [
        ("start", death),
        ("end", Finding(Code.FUTURE, NOW)),
    ]
    assert Finding(Code.FUTURE).is_refused
    assert not death.is_refused
