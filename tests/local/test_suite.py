"""Rules are tested without servers; everything else with them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.local.helpers import BASE_DIR
from trialsite.local.suite import asks_for_rules_only

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


def test_no_test_of_a_rule_asks_for_a_database(request: pytest.FixtureRequest) -> None:
    """All of them, as this run has planned them; a rule's own run, beside no server, would fail there anyway."""
    assert len(RULES) >= 3
    of_rules = [one for one in request.session.items if "rules" in one.path.relative_to(BASE_DIR).parts]
    if not of_rules:
        pytest.skip("no test of a rule is in this run")
    asking = {"db", "transactional_db", "django_db_setup", "_django_db_helper"}
    assert {one.nodeid for one in of_rules if asking & set(getattr(one, "fixturenames", ()))} == set()


def test_tests_of_one_group_run_in_one_process(tmp_path: Path) -> None:
    """What is started once for a group must not be started in every process: a pair of versions of the runner and of
    the plugin that spreads its tests once ignored the groups without a word."""
    lines = ["import os, pathlib, pytest", '@pytest.mark.xdist_group("one")', '@pytest.mark.parametrize("n", range(8))']
    lines += ["def test_it(n):", "    there = pathlib.Path(__file__).with_name(os.environ['PYTEST_XDIST_WORKER'])"]
    (tmp_path / "test_group.py").write_text("\n".join([*lines, "    there.touch()"]), encoding="utf-8")
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "xdist", "-n", "2", "--dist", "loadgroup", str(tmp_path)]
    # Its own folder: for the common one, it would take back rights that tests beside it have given to others.
    argv += ["--basetemp", str(tmp_path / "inner")]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    run = subprocess.run([*argv, "-c", os.devnull], env=alone, capture_output=True, text=True, check=False)
    assert "8 passed" in run.stdout, run.stdout[-2000:]
    assert len(list(tmp_path.glob("gw*"))) == 1
