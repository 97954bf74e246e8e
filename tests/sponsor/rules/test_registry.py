"""What a registry's table of other events lists: the worked cases, both sides of the threshold, nonsense refused."""

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sponsor.cases import CASES
from sponsor.rules.registry import MOST_THRESHOLD, is_listed, percent
from trialsite.casetables import TableError, run

GIVEN = Path(__file__).parent.parent / "cases" / "ctgov_threshold.csv"
TABLE = CASES["ctgov_threshold"]
WORKED = list(csv.DictReader(io.StringIO(GIVEN.read_text(encoding="utf-8"))))
COUNTS = st.integers(1, 3_000).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole)))


@pytest.mark.parametrize("row", [pytest.param(row, id=row["id"]) for row in WORKED])
def test_worked_case(row: dict[str, str]) -> None:
    computed, _why = TABLE.evaluate({name: parse(row[name]) for name, parse in TABLE.inputs.items()})
    assert computed == {name: parse(row[name]) for name, parse in TABLE.expected.items()}


def test_all_worked_cases_as_one_table() -> None:
    assert run(TABLE, GIVEN).last_line == f"{len(WORKED)} passed, 0 failed"


@pytest.mark.parametrize(
    ("affected", "at_risk", "threshold", "listed"),
    [
        pytest.param(1, 20, "5", False, id="exactly-5"),
        pytest.param(1, 19, "5", True, id="more-than-5"),
        pytest.param(50, 1_000, "5", False, id="exactly-5-of-many"),
        pytest.param(51, 1_000, "5", True, id="more-than-5-of-many"),
        pytest.param(50_001, 1_000_000, "5", True, id="rounds-to-5.00-and-exceeds"),
        pytest.param(0, 30, "0", False, id="nobody"),
        pytest.param(1, 30, "0", True, id="threshold-0"),
        pytest.param(1, 40, "2.5", False, id="exactly-2.5"),
    ],
)
def test_exceeds_means_more(affected: int, at_risk: int, threshold: str, listed: bool) -> None:
    assert is_listed(affected, at_risk, Decimal(threshold)) is listed


@pytest.mark.parametrize(
    ("affected", "at_risk"), [(-1, 30), (31, 30), (0, 0)], ids=["negative", "more-than-all", "nobody-at-risk"]
)
def test_numbers_that_cannot_be(affected: int, at_risk: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be affected"):
        percent(affected, at_risk)
    with pytest.raises(ValueError, match="cannot be affected"):
        is_listed(affected, at_risk)
    with pytest.raises(TableError, match=r"num_affected.*cannot be affected"):
        run(TABLE, table(tmp_path, affected, at_risk, "5"))


@pytest.mark.parametrize("threshold", ["-0.1", "5.1"])
def test_a_threshold_that_cannot_be(threshold: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="between 0 and 5"):
        is_listed(1, 30, Decimal(threshold))
    with pytest.raises(TableError, match=r"frequency_threshold.*between 0 and 5"):
        run(TABLE, table(tmp_path, 1, 30, threshold))


def table(folder: Path, affected: int, at_risk: int, threshold: str) -> Path:
    path = folder / "cases.csv"
    names = "id,num_affected,num_at_risk,frequency_threshold,percent,listed_in_otherEvents"
    path.write_text(f"{names}\nONE,{affected},{at_risk},{threshold},0,N\n", encoding="utf-8")
    return path


@given(COUNTS)
def test_one_more_affected_never_takes_an_event_off(counts: tuple[int, int]) -> None:
    affected, at_risk = counts
    assert not is_listed(affected, at_risk) or affected == at_risk or is_listed(affected + 1, at_risk)


@given(COUNTS, st.decimals(0, MOST_THRESHOLD, places=1))
def test_a_lower_threshold_never_lists_less(counts: tuple[int, int], threshold: Decimal) -> None:
    assert not is_listed(*counts) or is_listed(*counts, threshold)
