"""Rules are tested without servers; everything else with them."""

import os
import re
import subprocess
import sys

import pytest

from tests.local.helpers import BASE_DIR
from trialsite.local.services import clean_environment
from trialsite.local.suite import NOTHING_THERE, asks_for_rules_only

RULES = sorted(str(folder.relative_to(BASE_DIR)) for folder in (BASE_DIR / "tests").glob("*/rules"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], False),
        (["-k", "rules"], False),
        (["tests"], False),
        (["tests/safety"], False),
        (["tests/safety/rules"], True),
        (["tests/safety/rules/test_crs.py"], True),
        (["tests/safety/rules/test_crs.py::test_x", "-k", "grade", "-x"], True),
        (["./tests/safety/../safety/rules/test_crs.py"], True),
        (["tests/safety/rules", "tests/safety/test_alerts.py"], False),
        (["safety/rules"], False),
        ([""], False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_which_tests_need_no_servers(words: list[str], expected: bool) -> None:
    assert asks_for_rules_only(words) is expected


def test_no_test_of_a_rule_asks_for_a_database() -> None:
    """All of them, as planned by pytest itself where nothing answers."""
    assert len(RULES) >= 3
    argv = [sys.executable, "-m", "pytest", "-n", "0", "-q", "--setup-plan", *RULES]
    env = {**clean_environment(), **NOTHING_THERE, "PATH": os.environ["PATH"]}
    plan = subprocess.run(argv, cwd=BASE_DIR, env=env, capture_output=True, text=True, check=False)
    assert plan.returncode in {0, pytest.ExitCode.NO_TESTS_COLLECTED}, plan.stdout[-2000:]
    assert "SETUP    F _fast_passwords" in plan.stdout  # the plan is there to be read
    assert re.findall(r"SETUP +\w +(?:_django_db_helper|django_db_setup).*", plan.stdout) == []
