"""Where the scales are silent the study decides, and the rules follow the study file."""

from decimal import Decimal
from typing import Any

import pytest

from safety.actions import crs_policy, icans_policy
from safety.actions.rounds import round_policy
from safety.rules import crs, icans, rounds
from safety.rules.crs import CrsFindings, CrsPolicy
from safety.rules.icans import IcansFindings, IcansPolicy
from trialsite.study import get_study


def crs_found(**facts: Any) -> CrsFindings:
    return CrsFindings(**{"days_since_infusion": 3, "temperature_c": Decimal("38.5"), **facts})


AFEBRILE = {"temperature_c": Decimal("36.9"), "hypotension": True}
MASKED = {**AFEBRILE, "antipyretic_or_anticytokine_given": True}


@pytest.mark.parametrize(
    ("policy", "facts", "expected", "flag"),
    [
        pytest.param({}, {"vasopressin": True}, 3, "VASOPRESSIN_ALONE", id="vasopressin-alone-3"),
        pytest.param({"vasopressin_alone_grade": 2}, {"vasopressin": True}, 2, "VASOPRESSIN_ALONE", id="or-2"),
        pytest.param({}, {**AFEBRILE, "crs_established": True}, 2, "AFEBRILE_NO_THERAPY", id="afebrile-kept"),
        pytest.param(
            {"keeps_afebrile_without_therapy": False},
            {**AFEBRILE, "crs_established": True},
            0,
            "AFEBRILE_NO_THERAPY",
            id="or-ended",
        ),
        pytest.param({}, MASKED, 0, "FEVER_MASKED_BY_PRIOR_THERAPY", id="masked-0"),
        pytest.param({"grades_masked_fever": True}, MASKED, 2, "FEVER_MASKED_BY_PRIOR_THERAPY", id="or-by-the-axes"),
        pytest.param({"usual_onset_days": 10}, {"days_since_infusion": 11}, 1, "LATE_ONSET_GT14D", id="onset-limit"),
    ],
)
def test_crs_follows_the_policy(policy: dict[str, Any], facts: dict[str, Any], expected: int, flag: str) -> None:
    graded = crs.grade(crs_found(**facts), CrsPolicy(**policy))
    assert (graded.grade, graded.flags) == (expected, (flag,))
    assert all(crs.REASON_TEXT[reason.code].format(**reason.values) for reason in graded.reasons)


ICE_10 = {"orientation": 4, "naming": 3, "commands": 1, "writing": 1, "attention": 1}


@pytest.mark.parametrize(
    ("policy", "facts", "expected", "flags"),
    [
        pytest.param({}, {"age_years": 12, **ICE_10}, 0, (), id="ice-from-12"),
        pytest.param({"ice_from_age_years": 13}, {"age_years": 12, **ICE_10}, 0, ("AGE_LT12_USE_CAPD",), id="or-13"),
        pytest.param({}, {"age_years": 8, "use_capd": True, "capd_score": 0}, 0, (), id="capd-0-none"),
        pytest.param(
            {"capd_zero_grade": 1}, {"age_years": 8, "use_capd": True, "capd_score": 0}, 1, (), id="or-grade-1"
        ),
    ],
)
def test_icans_follows_the_policy(
    policy: dict[str, Any], facts: dict[str, Any], expected: int, flags: tuple[str, ...]
) -> None:
    graded = icans.grade(IcansFindings(**facts), IcansPolicy(**policy))
    assert (graded.grade, graded.flags) == (expected, flags)


def test_the_first_study_chose_the_defaults() -> None:
    policy = get_study().latest.policy
    assert crs_policy(policy) == crs.FIRST_STUDY
    assert icans_policy(policy) == icans.FIRST_STUDY
    assert round_policy(get_study().latest.version) == rounds.FIRST_STUDY
