"""Findings that were kept come back as the rules take them."""

from decimal import Decimal

import pytest

from safety.actions import as_json
from safety.actions.findings import from_json
from safety.rules.crs import CrsDeath, CrsFindings, OxygenDevice, OxygenReason
from safety.rules.icans import Consciousness, IcansFindings, Seizure

CRS = CrsFindings(
    days_since_infusion=3,
    temperature_c=Decimal("38.5"),
    oxygen_device=OxygenDevice.NASAL_CANNULA,
    oxygen_flow_l_min=Decimal(3),
    oxygen_reason=OxygenReason.CRS_HYPOXIA,
    death=CrsDeath.NONE,
)
ICANS = IcansFindings(
    age_years=30,
    consciousness=Consciousness.AWAKENS_TO_VOICE,
    seizure=Seizure.NONE,
    seizure_minutes=Decimal("0.5"),
    orientation=0,
)


@pytest.mark.parametrize(
    "findings",
    [CRS, ICANS, CrsFindings(days_since_infusion=0, temperature_c=None, oxygen_device=None, vasopressors=None)],
    ids=["crs", "icans", "not-recorded"],
)
def test_back_and_forth_is_the_same(findings: CrsFindings | IcansFindings) -> None:
    read = from_json(type(findings), as_json(findings))
    assert read == findings
    assert [type(value) for value in vars(read).values()] == [type(value) for value in vars(findings).values()]


def test_what_is_no_field_any_more_is_left_out() -> None:
    stored = {**as_json(CRS), "asked_once": True}
    assert from_json(CrsFindings, stored) == CRS
    assert isinstance(from_json(CrsFindings, stored).temperature_c, Decimal)
