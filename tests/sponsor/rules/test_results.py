"""The registry's tables, worked by hand: who completed, who was how old, what came out, and who had which event."""

import datetime as dt
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.rules.endpoints import Time
from participants.rules.flow import History, Step
from participants.rules.status import TRANSITIONS, Status
from sponsor.rules import results
from sponsor.rules.results import baseline, events, flow, outcomes
from sponsor.rules.results.baseline import Person
from sponsor.rules.results.events import Event, Safety
from sponsor.rules.results.model import Arm, Json

S = Status
DAY0 = dt.date(2026, 1, 1)
ARM = Arm("CD19 CAR-T", "One infusion after lymphodepletion.")
SAMPLE = Path(__file__).parents[4] / "shared" / "data" / "ctgov_results_sample_NCT05594173.json"


def history(*steps: Status | tuple[Status, str]) -> History:
    pairs = [one if isinstance(one, tuple) else (one, "") for one in steps]
    return History(tuple(Step(status, DAY0, code) for status, code in pairs))


TO_INFUSION = (S.SCREENING, S.ENROLLED, S.LYMPHODEPLETED, S.INFUSED)
ENROLLED = (
    history(*TO_INFUSION, S.IN_FOLLOW_UP, S.COMPLETED, S.DIED),
    history(*TO_INFUSION, S.IN_FOLLOW_UP),
    history(*TO_INFUSION, S.IN_FOLLOW_UP, S.RELAPSED),
    history(*TO_INFUSION, S.DIED),
    history(*TO_INFUSION, (S.WITHDRAWN, "withdrawal_by_subject")),
    history(*TO_INFUSION, S.LOST_TO_FOLLOW_UP),
    history(*TO_INFUSION, S.LOST_TO_FOLLOW_UP, S.IN_FOLLOW_UP),
    history(S.SCREENING, S.ENROLLED),
    history(S.SCREENING, S.ENROLLED),
    history(S.SCREENING, S.ENROLLED, (S.WITHDRAWN, "manufacturing")),
    history(S.SCREENING, S.ENROLLED, S.RELAPSED),
    history(S.SCREENING, S.ENROLLED, S.WITHDRAWN),
)
OTHERS = (history(S.SCREENING, S.SCREEN_FAILED), history(S.SCREENING), history(S.SCREENING, S.WITHDRAWN))


# --- participant flow -----------------------------------------------------------------------------------


def test_both_periods_tell_why_somebody_did_not_complete() -> None:
    first, second = flow.periods((*ENROLLED, *OTHERS))
    assert (first.started, first.completed, first.not_completed) == (12, 7, 5)
    assert dict(first.reasons) == {
        "Awaiting Infusion": 2,
        "Product Could Not Be Made": 1,
        "Lack of Efficacy": 1,
        "Other": 1,
    }
    assert (second.started, second.completed, second.not_completed) == (7, 1, 6)
    assert dict(second.reasons) == {
        "Still in Follow-up": 3,
        "Death": 1,
        "Withdrawal by Subject": 1,
        "Lost to Follow-up": 1,
    }


def test_the_flow_says_how_many_were_screened() -> None:
    found = flow.module(ARM, flow.Screened((*ENROLLED, *OTHERS), "Enrolled at one hospital."))
    assert found["preAssignmentDetails"] == "15 screenings; 1 of them were screen failures."
    assert found["recruitmentDetails"] == "Enrolled at one hospital."
    first = found["periods"][0]
    assert [(one["type"], one["achievements"][0]["numSubjects"]) for one in first["milestones"]] == [
        ("STARTED", "12"),
        ("COMPLETED", "7"),
        ("NOT COMPLETED", "5"),
    ]
    assert "recruitmentDetails" not in flow.module(ARM, flow.Screened(()))


@st.composite
def histories(draw: Any) -> History:
    """A way through the study that the rules of status allow."""
    found: list[Status | tuple[Status, str]] = [S.SCREENING]
    status = S.SCREENING
    for _step in range(draw(st.integers(0, 7))):
        if not TRANSITIONS[status]:
            break
        status = draw(st.sampled_from(sorted(TRANSITIONS[status])))
        found.append((status, draw(st.sampled_from(["", "unheard_of", *flow.REASONS]))))
    return history(*found)


@given(st.lists(histories(), max_size=12))
def test_started_is_completed_and_not_completed(found: list[History]) -> None:
    first, second = flow.periods(found)
    assert first.started == len(flow.enrolled(found))
    for period in (first, second):
        assert period.started == period.completed + period.not_completed
        assert period.completed >= 0
    assert second.started == first.completed


# --- baseline -------------------------------------------------------------------------------------------


def person(number: str, age: int | None, **facts: Any) -> Person:
    return Person(
        number, age, **{"sex": "F", "country": "China", "ecog": 1, "disease": "b_all", "mrd": "negative"} | facts
    )


def values(module: Json, title: str) -> dict[str, str]:
    (found,) = (one for one in module["measures"] if one["title"] == title)
    return {
        category.get("title", ""): category["measurements"][0]["value"]
        for category in found["classes"][0]["categories"]
    }


PEOPLE = (
    person("1", 14),
    person("2", 18, sex="M", ecog=None),
    person("3", 19, mrd="positive"),
    person("4", 64, disease=""),
    person("5", 65, mrd=""),
    person("6", None),
)


def test_baseline_counts_everybody_and_says_of_whom_nothing_is_known() -> None:
    found = baseline.module(ARM, PEOPLE)
    assert found["denoms"][0]["counts"] == [{"groupId": "BG000", "value": "6"}]
    age = found["measures"][0]
    assert age["classes"][0]["categories"][0]["measurements"] == [
        {"groupId": "BG000", "value": "19", "lowerLimit": "14", "upperLimit": "65"}
    ]
    assert age["denoms"][0]["counts"][0]["value"] == "5"
    assert values(found, "Age, Categorical") == {
        "<=18 years": "2",
        "Between 18 and 65 years": "2",
        ">=65 years": "1",
        "Not Recorded": "1",
    }
    assert values(found, "Sex: Female, Male") == {"Female": "5", "Male": "1"}
    assert values(found, "Region of Enrollment") == {"China": "6"}
    assert values(found, "ECOG Performance Status") == {"Grade 1": "5", "Not Recorded": "1"}
    assert values(found, "Disease") == {"B-cell acute lymphoblastic leukemia": "5", "Not Recorded": "1"}
    assert values(found, "Race and Ethnicity Not Collected") == {"": "0"}
    assert [one.missing for one in PEOPLE[1:]] == [("ecog",), (), ("disease",), ("mrd",), ("age",)]


def test_ages_over_89_are_one_age_and_a_median_between_two_is_no_whole_number() -> None:
    (age, *_others) = baseline.module(ARM, [person("1", 89), person("2", 95), person("3", 20), person("4", 22)])[
        "measures"
    ]
    measured = age["classes"][0]["categories"][0]["measurements"][0]
    assert (measured["value"], measured["upperLimit"]) == ("55.5", "90")
    assert "denoms" not in age
    assert baseline.median([14, 21]) == Fraction(35, 2)


def test_nobody_has_no_baseline() -> None:
    assert baseline.module(ARM, [])["measures"] == []
    titles = [one["title"] for one in baseline.module(ARM, [person("1", None)])["measures"]]
    assert titles[0] == "Age, Categorical"


# --- outcomes -------------------------------------------------------------------------------------------

ASKED = outcomes.Asked(True, "MRD negative", "By flow.", "Day 28", "All infused participants who were assessed.")


def test_a_count_tells_of_whom_it_was_counted() -> None:
    one = outcomes.Counted(ASKED, yes=5, of=7, not_evaluable=1)
    found = outcomes.measure(ARM, one)
    assert (found["type"], found["reportingStatus"], found["paramType"]) == (
        "PRIMARY",
        "POSTED",
        "COUNT_OF_PARTICIPANTS",
    )
    assert found["denoms"][0]["counts"][0]["value"] == "7"
    assert found["classes"][0]["categories"] == [{"measurements": [{"groupId": "OG000", "value": "5"}]}]
    assert (one.is_estimable, one.is_complete) == (True, False)
    assert outcomes.Counted(ASKED, yes=0, of=7).is_complete


# Kaplan and Meier by hand: 3/4 after day 6, then half of it after day 7.
TIMES = (Time(6, True, "relapse"), Time(6, False), Time(7, True, "death"), Time(9, False))


@pytest.mark.parametrize(
    ("day", "cause", "value", "not_evaluable", "is_estimable"),
    [
        pytest.param(5, "", "100.0", 0, True, id="before the first event"),
        pytest.param(6, "", "75.0", 0, True, id="on the day of the first"),
        pytest.param(9, "", "37.5", 1, True, id="as long as anybody was followed"),
        pytest.param(9, "relapse", "25.0", 1, True, id="one cause of two"),
        pytest.param(10, "", None, 2, False, id="a day longer"),
    ],
)
def test_an_estimate_is_told_as_far_as_somebody_was_followed(
    day: float, cause: str, value: str | None, not_evaluable: int, is_estimable: bool
) -> None:
    one = outcomes.TimeTo(ASKED, TIMES, day, cause)
    assert (one.not_evaluable, one.is_estimable) == (not_evaluable, is_estimable)
    assert one.is_complete == (is_estimable and not not_evaluable)
    found = outcomes.measure(ARM, one)
    assert found["reportingStatus"] == ("POSTED" if is_estimable else "NOT_POSTED")
    if value is None:
        assert "classes" not in found
    else:
        (measured,) = found["classes"][0]["categories"][0]["measurements"]
        assert measured["value"] == value
        assert float(measured["lowerLimit"]) <= float(value) <= float(measured["upperLimit"])


def test_who_all_had_the_event_need_no_longer_be_followed() -> None:
    one = outcomes.TimeTo(ASKED, (Time(6, True), Time(7, True)), 365)
    assert outcomes.measure(ARM, one)["classes"][0]["categories"][0]["measurements"][0]["value"] == "0.0"
    assert not outcomes.TimeTo(ASKED, (), 365).is_estimable


# --- adverse events -------------------------------------------------------------------------------------


def safety(found: list[Event], at_risk: int, died: tuple[int, ...] = (), threshold: str = "5") -> Safety:
    return Safety(
        frozenset(range(at_risk)), frozenset(died), tuple(found), Decimal(threshold), "CTCAE 5.0", "Day 90", ""
    )


def had(term: str, *people: int, soc: str = "General", serious: bool = False) -> list[Event]:
    return [Event(one, soc, term, serious) for one in people]


def stats(module: Json, table: str) -> dict[str, tuple[int, int, int]]:
    found = {one["term"]: one["stats"][0] for one in module[table]}
    return {term: (one["numEvents"], one["numAffected"], one["numAtRisk"]) for term, one in found.items()}


def test_a_participant_counts_once_for_a_term_and_may_stand_in_both_tables() -> None:
    found = [
        *had("Fever", 0, 0, 1),
        *had("Fever", 0, 2, serious=True),
        *had("Rash", 3, soc="Skin"),
        *had("Fever", 99, serious=True),
    ]
    module = events.module(ARM, safety(found, at_risk=20, died=(2, 99)))
    assert stats(module, "otherEvents") == {"Fever": (3, 2, 20)}
    assert stats(module, "seriousEvents") == {"Fever": (2, 2, 20)}
    counts = module["eventGroups"][0]
    assert (counts["deathsNumAffected"], counts["deathsNumAtRisk"]) == (1, 20)
    assert (counts["seriousNumAffected"], counts["otherNumAffected"]) == (2, 2)
    assert module["frequencyThreshold"] == "5"


@pytest.mark.parametrize(
    ("affected", "at_risk", "is_listed"),
    [
        pytest.param(1, 20, False, id="exactly 5 %"),
        pytest.param(1, 19, True, id="just above"),
        pytest.param(1, 21, False, id="just below"),
        pytest.param(2, 40, False, id="exactly 5 % of twice as many"),
        pytest.param(3, 59, True, id="5.08 %"),
        pytest.param(1, 30, False, id="one of thirty"),
        pytest.param(2, 30, True, id="two of thirty"),
    ],
)
def test_the_threshold_is_exact(affected: int, at_risk: int, is_listed: bool) -> None:
    people = tuple(range(affected))
    module = events.module(ARM, safety([*had("Fever", *people), *had("Rash", 0, serious=True)], at_risk))
    assert list(stats(module, "otherEvents")) == (["Fever"] if is_listed else [])
    assert module["eventGroups"][0]["otherNumAffected"] == (affected if is_listed else 0)
    assert list(stats(module, "seriousEvents")) == ["Rash"], "every serious event is listed"


some_events = st.lists(
    st.builds(Event, st.integers(0, 25), st.sampled_from(["A", "B"]), st.sampled_from("xyz"), st.booleans()),
    max_size=60,
)


@given(some_events, st.integers(1, 25), st.sampled_from(["0", "2.5", "5"]))
def test_affected_are_never_more_than_those_at_risk(found: list[Event], at_risk: int, threshold: str) -> None:
    told = safety(found, at_risk, tuple(range(30)), threshold)
    module = events.module(ARM, told)
    for table in ("seriousEvents", "otherEvents"):
        for one in module[table]:
            (count,) = one["stats"]
            assert 1 <= count["numAffected"] <= count["numAtRisk"] == at_risk
            assert count["numAffected"] <= count["numEvents"]
            if table == "otherEvents":
                assert Fraction(count["numAffected"], at_risk) > Fraction(threshold) / 100
    counts = module["eventGroups"][0]
    for name in ("deaths", "serious", "other"):
        assert counts[f"{name}NumAffected"] <= counts[f"{name}NumAtRisk"] == at_risk
    ours = [one for one in found if one.participant < at_risk and one.is_serious]
    assert sum(one["stats"][0]["numEvents"] for one in module["seriousEvents"]) == len(ours)
    assert counts["seriousNumAffected"] == len({one.participant for one in ours})


# --- the whole -----------------------------------------------------------------------------------------


def whole() -> results.Facts:
    found = [*had("Fever", 0, 1, 2), *had("Rash", 0, serious=True)]
    return results.Facts(
        ARM,
        flow.Screened(ENROLLED, "One hospital."),
        PEOPLE,
        (outcomes.Counted(ASKED, 5, 7), outcomes.TimeTo(ASKED, TIMES, 9), outcomes.TimeTo(ASKED, (), 9)),
        safety(found, 7, (3,)),
        "A small study of one arm.",
    )


def test_small_counts_are_found_in_every_table() -> None:
    found = results.section(whole())
    # Four reasons in each period, and one who completed the second.
    assert results.small_counts(found["participantFlowModule"]) == 9
    # In years 2, 2, 1 and 1, one man, ECOG and disease of one not recorded, MRD 4, 1 and 1.
    assert results.small_counts(found["baselineCharacteristicsModule"]) == 10
    assert results.small_counts(found["outcomeMeasuresModule"]) == 0
    # Three with fever, one with a rash, and so in the sums; one who died.
    assert results.small_counts(found["adverseEventsModule"]) == 5
    assert [results.is_small(count) for count in (0, 1, 4, 5)] == [False, True, True, False]


def keys(part: Any) -> set[str]:
    if isinstance(part, dict):
        return set(part).union(*map(keys, part.values()))
    return set().union(*map(keys, part)) if isinstance(part, list) else set()


# Keys of the registry that a study without such facts does not have: see the docstring of `results`.
BESIDE_THE_SAMPLE = {
    "recruitmentDetails",
    "preAssignmentDetails",
    "seriousEvents",
    "sourceVocabulary",
    "limitationsAndCaveats",
}


def test_the_keys_are_the_registrys() -> None:
    if not SAMPLE.exists():
        pytest.skip("the registry's sample is not there")
    sample = json.loads(SAMPLE.read_text())["resultsSection"]
    ours = results.section(whole())
    assert set(ours) <= set(sample)
    assert keys(ours) <= keys(sample) | BESIDE_THE_SAMPLE
    texts, numbers = keys_of(str, sample), keys_of(int, sample)
    assert keys_of(str, ours) & numbers <= texts
    assert keys_of(int, ours) & texts <= numbers


def keys_of(type_: type, part: Any) -> set[str]:
    """The names of values of this type."""
    if isinstance(part, list):
        return set().union(*(keys_of(type_, one) for one in part))
    if not isinstance(part, dict):
        return set()
    own = {name for name, value in part.items() if type(value) is type_}
    return own.union(*(keys_of(type_, value) for value in part.values()))
