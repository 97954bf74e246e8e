"""A site's own MedDRA release: loaded, searched, and kept with an event. The terms here are made up."""

import datetime as dt
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from participants.models import Participant
from safety import actions
from safety.admin.eventform import MeddraField
from safety.models import MeddraTerm
from tests import factories
from trialsite.models import Site, User
from trialsite.refusal import Refused

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
LLT = (
    ("90000001", "Blue fever", "90000010", "Y"),
    ("90000002", "Fever, blue", "90000010", "Y"),
    ("90000003", "Azure fever", "90000010", "N"),
)
FILES = {
    "llt.asc": "".join(f"{code}${name}${pt}$$$$$$${current}$$\n" for code, name, pt, current in LLT),
    "pt.asc": "90000010$Blue pyrexia$$90000100$$$$$$$$\n",
    "mdhier.asc": (
        "90000010$90000020$90000030$90000100$Blue pyrexia$Colours$Things seen$Fevers and colours$FEV$$90000100$Y$\n"
        "90000010$1$2$90000101$Blue pyrexia$x$y$Other$OTH$$90000100$N$\n"
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_release_is_loaded_and_replaces_itself(folder: Path) -> None:
    for _twice in range(2):
        call_command("load_meddra", "1.0", str(folder), verbosity=0)
    assert MeddraTerm.objects.count() == 3
    one = MeddraTerm.objects.get(llt_code="90000002")
    assert (one.pt, one.hlt, one.hlgt, one.soc) == ("Blue pyrexia", "Colours", "Things seen", "Fevers and colours")
    assert (one.hlt_code, one.hlgt_code, one.soc_code) == ("90000020", "90000030", "90000100")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("pt.asc", "", "does not have"),
        ("llt.asc", "9$x\n", "llt.asc, line 1"),
        ("llt.asc", "\n", "no term"),
    ],
)
def test_a_file_that_does_not_fit_changes_nothing(folder: Path, name: str, text: str, words: str) -> None:
    call_command("load_meddra", "1.0", str(folder), verbosity=0)
    (folder / name).write_text(text)
    with pytest.raises(CommandError, match=words):
        call_command("load_meddra", "1.0", str(folder), verbosity=0)
    (folder / name).unlink()
    with pytest.raises(CommandError, match=f"{name}: not in the folder"):
        call_command("load_meddra", "1.0", str(folder), verbosity=0)
    assert MeddraTerm.objects.count() == 3


def test_a_term_is_found_by_its_words_and_its_synonyms(folder: Path) -> None:
    call_command("load_meddra", "1.0", str(folder), verbosity=0)
    assert [one.llt for one in actions.find_meddra("fever blue")] == ["Blue fever", "Fever, blue"]
    assert next(iter(actions.find_meddra("fever, blue"))).llt == "Fever, blue"
    assert len(actions.find_meddra("pyrexia")) == 2
    assert actions.find_meddra("azure") == [], "no longer current"
    assert actions.find_meddra(" ") == []


def test_the_field_takes_a_code_or_a_name_and_offers_the_rest(folder: Path) -> None:
    call_command("load_meddra", "1.0", str(folder), verbosity=0)
    field = MeddraField(required=False)
    assert [field.clean(typed) for typed in ("", "90000001", "blue fever")] == ["", "90000001", "90000001"]
    with pytest.raises(ValidationError, match="Fever, blue"):
        field.clean("pyrexia")
    with pytest.raises(ValidationError, match="No term"):
        field.clean("green")


def test_an_event_keeps_the_names_it_was_coded_with(folder: Path, site: Site, alice: User, now: dt.datetime) -> None:
    call_command("load_meddra", "1.0", str(folder), verbosity=0)
    person: Participant = factories.consented(site=site, by=alice, now=now)
    event = factories.adverse_event(person, by=alice, now=now, meddra_llt_code="90000001")
    assert (event.meddra_version, event.meddra_llt, event.meddra_pt) == ("1.0", "Blue fever", "Blue pyrexia")
    MeddraTerm.objects.all().delete()
    actions.correct_adverse_event(event=event, by=alice, now=now)
    assert event.meddra_pt == "Blue pyrexia"
    with pytest.raises(Refused, match="no lowest level term"):
        factories.adverse_event(person, by=alice, now=now, term="x", meddra_llt_code="90000009")
