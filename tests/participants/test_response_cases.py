"""The worked cases of response and of times to an event, and what their tables refuse."""

from pathlib import Path

import pytest

from participants.cases import CASES
from trialsite.casetables import TableError, as_csv, run
from trialsite.management.commands.check_cases import known_rules

GIVEN = Path(__file__).parent / "cases"


@pytest.mark.parametrize(("rule", "number"), [("response", 9), ("time_to_event", 5)])
def test_the_worked_cases_pass(rule: str, number: int) -> None:
    outcome = run(known_rules()[rule], GIVEN / f"{rule}.csv")
    assert (outcome.differences, outcome.passed) == ([], number)


def computed(rule: str, **inputs: str) -> dict[str, object]:
    """What the rule makes of the example of its table with other inputs."""
    table = CASES[rule]
    row = {**table.example_rows()[0], **inputs}
    values, _why = table.evaluate({name: column(row[name]) for name, column in table.inputs.items()})
    return dict(values)


@pytest.mark.parametrize(
    ("mrd", "expected"),
    [
        ("", "not_evaluable"),
        ("not done", "not_evaluable"),
        ("0", "insufficient"),
        ("not_detected", "insufficient"),
        ("not_detected_sens_0.1", "insufficient"),
        ("undetected_sensitivity_0.001", "negative"),
        ("<0.1", "insufficient"),
        ("0.009", "negative"),
    ],
)
def test_mrd_as_tables_write_it(mrd: str, expected: str) -> None:
    assert computed("response", mrd_flow_pct=mrd)["mrd"] == expected


@pytest.mark.parametrize("blasts", ["5", "5.0", "30", ">5"])
def test_blasts_from_five_per_cent_are_a_relapse(blasts: str) -> None:
    assert computed("response", bm_blast_pct=blasts)["response"] == "relapse"


@pytest.mark.parametrize(
    ("endpoint", "event", "status", "expected"),
    [
        ("RFS", "death 2026-01-05", "", (True, "2026-01-05")),
        ("RFS (not censored for HSCT)", "", "allo-HSCT in CR 2025-12-15, relapse 2026-05-01", (True, "2026-05-01")),
        ("RFS", "", "last marrow 2025-12-01; allo-HSCT 2025-12-15, relapse 2026-05-01", (False, "2025-12-01")),
        ("EFS", "new anti-tumour treatment 2026-02-01", "", (True, "2026-02-01")),
        ("EFS (CNCT19)", "", "allo-HSCT 2025-12-15", (True, "2025-12-15")),
        ("OS", "", "alive, last contact 2026-06-01", (False, "2026-06-01")),
        ("OS", "died 2026-03-02", "last contact 2026-02-01", (True, "2026-03-02")),
    ],
)
def test_a_story_in_short_phrases(endpoint: str, event: str, status: str, expected: tuple[bool, str]) -> None:
    found = computed("time_to_event", endpoint=endpoint, origin="2025-09-01", event=event, status=status)
    assert (found["status"], str(found["date"])) == expected


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"endpoint": "PFS"}, "begin with OS, RFS or EFS"),
        ({"status": "moved house 2026-01-01"}, "is not understood"),
        ({"event": "relapse 2026-02-30"}, "no such day"),
        ({"event": "relapse 2026-01-01", "status": "relapse 2026-01-02"}, "the event says this already"),
        ({"origin": "in autumn"}, "write a date"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, changed: dict[str, str], said: str) -> None:
    path = tmp_path / "cases.csv"
    path.write_text(as_csv([{**CASES["time_to_event"].example_rows()[0], **changed}]), encoding="utf-8")
    with pytest.raises(TableError, match=said):
        run(CASES["time_to_event"], path)
