"""Eligibility asked again: which later results count, and which counts lymphodepletion explains."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.criteria import items
from participants.rules.again import later, until_lowered
from participants.rules.eligibility import Anchors, Decision, Fact, Facts, Result, decide
from trialsite.study import get_study

ITEMS = {item.code: item for item in items(get_study().latest)}
SCREENED, SINCE = dt.date(2026, 1, 5), dt.date(2026, 2, 1)
ANCHORS = Anchors(today=SINCE, screened_on=SCREENED, consented_on=SCREENED)


def platelets(value: str, on: dt.date, comparator: str = "") -> Decision:
    fact = Fact("PLAT", Decimal(value), on, comparator)
    (check,) = ITEMS["INCL08c"].checks
    return decide(ITEMS["INCL08c"], check, Facts({"PLAT": fact}), ANCHORS)


def hiv(choice: str | None, on: dt.date) -> Decision:
    (check,) = ITEMS["EXCL04d"].checks
    return decide(ITEMS["EXCL04d"], check, Facts({"HIVAB": Fact("HIVAB", choice, on)}), ANCHORS)


@pytest.mark.parametrize(
    ("decided", "again", "result"),
    [
        pytest.param(platelets("80", SCREENED), platelets("75", SINCE), None, id="at-the-limit"),
        pytest.param(platelets("80", SCREENED), platelets("74.9", SINCE), Result.FAIL_OVERRIDABLE, id="below-it"),
        pytest.param(platelets("80", SCREENED), platelets("0", SINCE), Result.FAIL_OVERRIDABLE, id="0-is-a-result"),
        pytest.param(
            platelets("80", SCREENED), platelets("100", SINCE, "<"), Result.NEEDS_INVESTIGATOR, id="bound-is-left-open"
        ),
        pytest.param(platelets("60", SCREENED), platelets("60", SCREENED), None, id="the-same-result-is-no-later-one"),
        pytest.param(hiv("negative", SCREENED), hiv("positive", SINCE), Result.FAIL, id="hiv-positive"),
        pytest.param(hiv("negative", SCREENED), hiv(None, SINCE), None, id="not-done-says-nothing"),
    ],
)
def test_a_later_result_counts_where_it_is_new_and_not_met(
    decided: Decision, again: Decision, result: Result | None
) -> None:
    assert [one.result for one in later([decided], [again])] == ([] if result is None else [result])


def test_the_same_checks_are_compared() -> None:
    with pytest.raises(ValueError, match="shorter"):
        later([hiv("negative", SCREENED)], [])


CODES = ("HGB", "PLAT", "HIVAB")
FACTS = st.dictionaries(st.sampled_from(CODES), st.decimals(0, 200, places=1)).map(
    lambda values: Facts({code: Fact(code, value, SINCE) for code, value in values.items()})
)


@given(FACTS, FACTS, st.sets(st.sampled_from(CODES)))
def test_what_is_lowered_stays_as_it_was_before_and_nothing_else_does(
    now: Facts, before: Facts, lowered: set[str]
) -> None:
    found = until_lowered(now, before, lowered)
    assert {code: found.get(code) for code in CODES} == {
        code: (before if code in lowered else now).get(code) for code in CODES
    }
    assert until_lowered(now, None, lowered) is now
