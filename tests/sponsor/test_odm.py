"""The record with its trail as ODM: what may leave of each row, each change of it, and nobody's name."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pghistory
import pytest
from lxml import etree
from odmlib.odm_parser import ODMSchemaValidator

from participants.models import Participant
from safety.actions import assessments, reviews
from safety.models import AdverseEvent, CrsAssessment, Scale, ToxicityAssessment
from safety.rules.crs import CrsFindings
from sponsor.classification import MODELS
from sponsor.datasets.odm import write_odm
from sponsor.datasets.scope import Scope, no_tick
from sponsor.rules.deidentify import offset_days
from tests import factories
from tests.conftest import Once
from trialsite.models import User
from trialsite.voiding import void

DAY = dt.timedelta(days=1)
ODM = {"o": "http://www.cdisc.org/ns/odm/v1.3"}
EVENTS = "//o:ItemGroupData[@ItemGroupOID='IG.safety.AdverseEvent']"
CUT_OFF = dt.datetime(2026, 4, 1, 1, 30, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    """Infused three weeks ago, with a headache that grew worse; somebody screened by mistake beside."""
    wrong = factories.screened(site=once.site, by=once.alice, now=now, name="赵六六", phone="13900000001")
    with pghistory.context(user=once.alice.pk, username="alice"):
        void(wrong, reason="typed twice", by=once.alice, now=now)
    person = factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - 21 * DAY, hospital_number="H-1")
    event = factories.adverse_event(person, by=once.alice, now=now, onset="2026-03")
    with pghistory.context(user=once.ivan.pk, username="ivan", reason="王小明 was seen again"):
        AdverseEvent.objects.filter(pk=event.pk).update(grade=3, onset="2026-03-04")
    return person


def written(tmp_path: Path, **scope: Any) -> Any:
    (path,) = write_odm(Scope(CUT_OFF, **scope), tmp_path, no_tick)
    ODMSchemaValidator(standard="odm", version="1.3.2").validate_file(str(path))
    root = etree.parse(path)
    return lambda query: [str(one) for one in root.xpath(query, namespaces=ODM)]


@pytest.mark.django_db
def test_each_change_has_who_where_when(tmp_path: Path, participant: Participant, ivan: User) -> None:
    ask = written(tmp_path)
    assert ask(f"{EVENTS}/@TransactionType") == ["Insert", "Update"]
    grade, onset = "I.safety.AdverseEvent.grade", "I.safety.AdverseEvent.onset"
    assert ask(f"{EVENTS}/o:ItemData[@ItemOID='{grade}']/@Value") == ["2", "3"]
    assert ask(f"{EVENTS}[2]/o:ItemData/@ItemOID") == [onset, grade]
    assert ask(f"{EVENTS}[2]//o:UserRef/@UserOID") == [f"USR.{ivan.pk}"]
    assert ask(f"{EVENTS}[2]//o:LocationRef/@LocationOID") == ["LOC.ZJ"]
    assert ask(f"{EVENTS}[2]//o:ReasonForChange/text()") == ["withheld"]
    assert ask("//o:SubjectData/@SubjectKey").count(participant.screening_number) == 1


@pytest.mark.django_db
def test_nobody_is_named(tmp_path: Path, participant: Participant, alice: User) -> None:
    for scope in ({}, {"has_free_text": True}, {"shifts_dates": True, "shift_key": b"key"}):
        written(tmp_path, **scope)
        text = (tmp_path / "odm.xml").read_text("utf-8")
        assert ("[name] was seen again" in text) == ("has_free_text" in scope)
        for secret in ("王小明", "赵六六", "13800000000", "13900000001", "1990-05-17", "H-1<", "alice", "Alice"):
            assert secret not in text


@pytest.mark.django_db
def test_only_what_the_list_allows_is_there(tmp_path: Path, participant: Participant) -> None:
    for oid in written(tmp_path)("//o:ItemDef/@OID"):
        _mark, app, model, name = oid.split(".")
        assert name in MODELS[f"{app}.{model}"].exported


@pytest.mark.django_db
def test_what_is_void_is_removed_and_says_no_word(tmp_path: Path, participant: Participant, ivan: User) -> None:
    event = AdverseEvent.objects.get()
    with pghistory.context(user=ivan.pk, username="ivan"):
        void(event, reason="seen in another one", by=ivan, now=CUT_OFF)
    ask = written(tmp_path, has_free_text=True)
    assert ask(f"{EVENTS}/@TransactionType") == ["Insert", "Update", "Remove"]
    assert ask(f"{EVENTS}[3]/o:AuditRecord/o:ReasonForChange/text()") == ["withheld"]
    assert ask(f"{EVENTS}[3]/o:Signature/o:SignatureRef/@SignatureOID") == ["SIG.VOID"]
    assert not ask(f"{EVENTS}/o:ItemData[@ItemOID='I.safety.AdverseEvent.term']/@Value")
    # What is part of it goes with it; of a participant, all of them.
    agents = "//o:ItemGroupData[@ItemGroupOID='IG.safety.EventAgent']"
    assert ask(f"{agents}/@TransactionType").count("Remove") == event.agents.count()
    assert {key.split(".")[0] for key in ask(f"{agents}/@ItemGroupRepeatKey")} <= {str(event.pk)}
    assert ask("//o:SubjectData[@TransactionType='Remove']//o:SignatureRef/@SignatureOID") == ["SIG.VOID"]


@pytest.mark.django_db
def test_all_dates_of_a_participant_are_shifted_alike(tmp_path: Path, participant: Participant) -> None:
    infused = "//o:ItemData[@ItemOID='I.dosing.Infusion.infused_at']/@Value"
    onset = "//o:ItemData[@ItemOID='I.safety.AdverseEvent.onset']/@Value"
    stamp = f"{EVENTS}[2]//o:DateTimeStamp/text()"
    plain, moved = written(tmp_path), written(tmp_path, shifts_dates=True, shift_key=b"key")
    by = dt.timedelta(days=offset_days(b"key", f"NCT07072494-{participant.screening_number}"))
    for query in (infused, stamp):
        assert dt.datetime.fromisoformat(moved(query)[0]) - dt.datetime.fromisoformat(plain(query)[0]) == by
    assert plain(onset) == ["2026-03", "2026-03-04"]
    assert moved(onset)[-1] == (dt.date(2026, 3, 4) + by).isoformat()


@pytest.mark.django_db
def test_no_number_over_all_participants_and_no_lot_leaves_with_shifted_dates(
    tmp_path: Path, participant: Participant, alice: User, now: dt.datetime
) -> None:
    """They tell in which order rows were written, and when a product was made."""
    other = factories.infused(site=participant.site, by=alice, now=now, infused_at=now - 9 * DAY, name="李四")
    factories.judged_event(other, by=alice, now=now - DAY)
    plain, moved = written(tmp_path), written(tmp_path, shifts_dates=True, shift_key=b"key")
    for kind in ("participants.Measurement", "safety.AdverseEvent", "dosing.Infusion"):
        for number in (participant.screening_number, other.screening_number):
            groups = f"//o:SubjectData[@SubjectKey='{number}']//o:ItemGroupData[@ItemGroupOID='IG.{kind}']"
            before, after = (list(dict.fromkeys(ask(f"{groups}/@ItemGroupRepeatKey"))) for ask in (plain, moved))
            assert after == [str(place) for place in range(1, len(before) + 1)], kind
    # What points at a row points at the same one as before.
    whose = f"//o:SubjectData[@SubjectKey='{participant.screening_number}']"
    pointing = f"{whose}//o:ItemData[@ItemOID='I.participants.Measurement.examination']/@Value"
    keys = f"{whose}//o:ItemGroupData[@ItemGroupOID='IG.participants.Examination']/@ItemGroupRepeatKey"
    place = {pk: str(number) for number, pk in enumerate(dict.fromkeys(plain(keys)), start=1)}
    assert moved(pointing) == [place[pk] for pk in plain(pointing)] != []
    lots = "//o:ItemData[@ItemOID='I.dosing.Infusion.product_lot' or @ItemOID='I.dosing.CellProduct.lot']/@Value"
    assert plain(lots)
    assert not moved(lots)
    assert not moved("//o:SourceID")


@pytest.mark.django_db
def test_other_sites_and_later_rows_stay_here_and_equal_rows_give_equal_bytes(
    tmp_path: Path, participant: Participant, now: dt.datetime
) -> None:
    first = (write_odm(Scope(CUT_OFF), tmp_path, no_tick))[0].read_bytes()
    assert first == (write_odm(Scope(CUT_OFF, sites=("ZJ",)), tmp_path, no_tick))[0].read_bytes()
    assert not written(tmp_path, sites=("OT",))("//o:SubjectData")
    (path,) = write_odm(Scope(now - 100 * DAY), tmp_path, no_tick)
    assert b"SubjectData" not in path.read_bytes()


@pytest.mark.django_db
def test_more_participants_cost_no_more_queries(
    tmp_path: Path, participant: Participant, alice: User, now: dt.datetime, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(60) as few:
        write_odm(Scope(CUT_OFF), tmp_path, no_tick)
    for _number in range(3):
        factories.consented(site=participant.site, by=alice, now=now)
    with django_assert_max_num_queries(len(few)):
        write_odm(Scope(CUT_OFF), tmp_path, no_tick)


@pytest.mark.django_db
def test_another_grade_bears_its_signature(tmp_path: Path, participant: Participant, ivan: User) -> None:
    row = CrsAssessment(participant=participant, assessed_at=CUT_OFF - 41 * DAY)
    found = CrsFindings(days_since_infusion=7, temperature_c=Decimal("38.6"))
    first = assessments.assess(assessment=row, scale=Scale.CRS, findings=found, by=ivan, now=CUT_OFF)
    assessments.regrade(assessment=first, investigator_grade=2, reason="as it looked", by=ivan, now=CUT_OFF)
    rows = "//o:ItemGroupData[@ItemGroupOID='IG.safety.ToxicityAssessment']"
    ask = written(tmp_path)
    assert ask(f"{rows}/@TransactionType") == ["Insert", "Insert", "Context"]
    assert ask(f"{rows}/o:Signature/o:UserRef/@UserOID") == [f"USR.{ivan.pk}"]
    ToxicityAssessment.objects.filter(corrects=first).update(voided_at=CUT_OFF, voided_by=ivan, void_reason="wrong")
    # A void past the pages is not signed, and a signature that is none is not told.
    assert not written(tmp_path)(f"{rows}[@TransactionType='Remove']/o:Signature")
    assert "as it looked" not in (tmp_path / "odm.xml").read_text("utf-8")


@pytest.mark.django_db
def test_an_event_bears_the_signature_under_it_where_it_was_given(
    tmp_path: Path, participant: Participant, ivan: User, now: dt.datetime
) -> None:
    event = factories.judged_event(participant, by=ivan, now=now)
    reviews.sign_event(event=event, kind="assessment", by=ivan, now=CUT_OFF)
    rows = f"{EVENTS}[@ItemGroupRepeatKey='{event.pk}']"
    ask = written(tmp_path)
    assert ask(f"{rows}[last()]/o:Signature/o:SignatureRef/@SignatureOID") == ["SIG.EVENT"]
    # Changed past the page: the signature was given before.
    AdverseEvent.objects.filter(pk=event.pk).update(grade=4)
    assert written(tmp_path)(f"{rows}/@TransactionType")[-2:] == ["Context", "Update"]
