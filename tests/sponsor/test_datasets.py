"""The datasets of whole studies, read back from the rows that every format is made from."""

import datetime as dt
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from participants.models import Consent, Examination, Participant
from sponsor import classification
from sponsor.datasets import facts
from sponsor.datasets.model import Package
from sponsor.datasets.scope import Cancelled, Scope
from tests import factories
from tests.sponsor.studies import STUDIES, code, rows_of, staged, texts_of, write
from trialsite.models import Record, Site, User
from trialsite.voiding import void

DAY = dt.timedelta(days=1)
JUDGE = Path(__file__).resolve().parents[3] / "shared" / "standards" / "core" / "check"


@pytest.mark.judge
@pytest.mark.django_db
@pytest.mark.parametrize("name", STUDIES)
def test_an_independent_judge_finds_nothing(name: str, site: Site, alice: User, tmp_path: Path, settings: Any) -> None:
    """The rules of CDISC CORE over the folder: minutes for each, so only where they are asked for."""
    judge = Path(os.environ.get("SDTM_JUDGE", "") or JUDGE)
    if not os.environ.get("SDTM_JUDGE") or not judge.is_file():
        pytest.skip("set SDTM_JUDGE to the program that judges a folder of datasets; it takes minutes for each")
    settings.LOCAL = True
    STUDIES[name](site, alice, timezone.now())
    package, folder = staged(tmp_path / "rows"), tmp_path / "json"
    folder.mkdir()
    for one in package.staged:
        write(one, package.study_id, folder)
    found = subprocess.run([judge, folder, "json"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    assert "'execution error'" not in found.stdout, found.stdout
