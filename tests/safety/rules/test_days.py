"""An inpatient day is complete with all that can be counted of it, and never with less."""

import pytest

from participants.rules.measures import MEASURES, PANELS
from safety.rules.days import NEEDED, NOT_COUNTED, is_complete, lacking
from trialsite.study import get_study

DAY_OF_STUDY = (
    "VITALS_8H", "ICE_2", "CRS_ICANS_2", "CBC", "CHEM", "CRP", "FERRITIN", "FIBRINOGEN", "COAG", "AE", "CONMED",
)  # fmt: skip
ALL = {"CRS": 2, "ICANS": 2, "ICE": 2, "CBC": 6, "CHEM": 9, "COAG": 5, "CRP": 1, "FERRITIN": 1, "FIBRINO": 1}


@pytest.mark.parametrize(
    ("procedures", "recorded", "expected"),
    [
        pytest.param(DAY_OF_STUDY, ALL, (), id="all"),
        pytest.param(DAY_OF_STUDY, {**ALL, "CRS": 3}, (), id="more-than-asked"),
        pytest.param(DAY_OF_STUDY, {**ALL, "CRS": 1}, ("CRS_ICANS_2",), id="one-look-too-few"),
        pytest.param(DAY_OF_STUDY, {**ALL, "ICANS": 1}, ("CRS_ICANS_2",), id="one-scale-too-few"),
        pytest.param(DAY_OF_STUDY, {**ALL, "ICE": 1}, ("ICE_2",), id="one-score-too-few"),
        pytest.param(DAY_OF_STUDY, {**ALL, "FERRITIN": 0}, ("FERRITIN",), id="a-result-of-the-panel-is-missing"),
        pytest.param(("CRS_ICANS_2", "AE"), {"CRS": 2, "ICANS": 2}, (), id="what-is-not-counted-is-not-asked"),
        pytest.param(("CRS_ICANS_2", "XRAY"), {"CRS": 2, "ICANS": 2, "XRAY": 1}, ("XRAY",), id="unknown-is-never-done"),
        pytest.param(DAY_OF_STUDY, {}, tuple(one for one in DAY_OF_STUDY if one in NEEDED), id="nothing"),
    ],
)
def test_what_lacks(procedures: tuple[str, ...], recorded: dict[str, int], expected: tuple[str, ...]) -> None:
    assert lacking(procedures, recorded) == expected
    assert is_complete(procedures, recorded) == (not expected)


def test_a_day_of_which_nothing_can_be_counted_is_never_complete() -> None:
    assert not is_complete(tuple(NOT_COUNTED), ALL)
    assert not is_complete((), {})


def test_every_procedure_of_an_inpatient_day_is_counted_or_left_to_the_ward() -> None:
    asked = {
        procedure
        for protocol in get_study().versions.values()
        for visit in protocol.visits
        if visit.phase == "inpatient"
        for procedure in visit.procedures
    }
    assert asked <= NEEDED.keys() | NOT_COUNTED
    assert not NEEDED.keys() & NOT_COUNTED


def test_what_is_needed_can_be_recorded() -> None:
    known = {"CRS", "ICANS", "ICE", *PANELS, *MEASURES}
    assert {what for needed in NEEDED.values() for what, _times in needed} <= known
