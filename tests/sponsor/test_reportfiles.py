"""The report files of an event: made from what is recorded, refused in plain words, and without anybody's identity."""

import datetime as dt
import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import e2br3
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from participants.models import Examination, Measurement, Participant
from safety import actions
from safety.models import AdverseEvent, FollowUp, ReportingDuty, Submission, SubmissionFile
from sponsor import reportfiles
from sponsor.cioms import cioms
from sponsor.icsr.facts import batch_of
from sponsor.icsr.rules import Fault, Finding, findings
from sponsor.icsr.wording import NAMES, sentence
from sponsor.icsr.writer import write
from sponsor.saeform import saeform
from tests import factories
from tests.conftest import person
from tests.pdftext import words_of
from trialsite import pdf
from trialsite.models import ListExport, Site, User
from trialsite.roles import ROLE_PERMISSIONS, Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
DAY = dt.timedelta(days=1)
# It has all grades.
CRS = {"ctcae_code": "10052015"}
URGENT: dict[str, Any] = {"is_life_threatening": True}


@pytest.fixture
def participant(site: Site, alice: User, now: dt.datetime) -> Participant:
    return factories.infused(site=site, by=alice, now=now, infused_at=now - 5 * DAY)


def day(at: dt.datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d}"


def ten(now: dt.datetime) -> list[dict[str, Any]]:
    """Ten events as different as they come; the term tells them apart."""
    died = {"results_in_death": True, "results_in_death_on": day(now), "grade": 5, "outcome": "fatal"}
    return [
        {"is_life_threatening": True, "grade": 4},
        {"requires_hospitalisation": True, "requires_hospitalisation_on": day(now)},
        {"results_in_disability": True, "outcome": "sequelae"},
        {"is_congenital_anomaly": True},
        {"is_other_important": True, "outcome": "unknown"},
        {"onset": day(now - DAY), "resolved": day(now), "outcome": "recovered"},
        {"onset": day(now)[:7], "term": "Headache", "is_other_important": True},
        {"onset": day(now), "onset_time": dt.time(0, 5), "is_life_threatening": True},
        {"note": "发热 <38.5> & 寒战", "treatment_given": "托珠单抗", "requires_hospitalisation": True},
        {**died, "cause_of_death": "CRS"},
    ]


def test_ten_events_are_read_back_without_findings(participant: Participant, alice: User, now: dt.datetime) -> None:
    for number, facts in enumerate(ten(now)):
        event = factories.judged_event(participant, by=alice, now=now, **{"term": f"CRS {number}", **CRS, **facts})
        batch = batch_of(event, now=now)
        assert findings(batch, now=now) == (), facts
        case = e2br3.parse(write(batch)).messages[0].icsr
        assert case.safety_report_id == f"CN-ZJH-{participant.number}-{event.pk}"
        assert case.reactions[0].native_term == event.term
        assert case.drugs[0].role.code == "1"


def test_a_followup_moves_the_date_and_a_nullification_withdraws(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    event = factories.judged_event(
        participant, by=alice, now=now, site_aware_at=now - DAY, onset=day(now - DAY), **URGENT
    )
    before = e2br3.parse(write(batch_of(event, now=now))).messages[0].icsr
    FollowUp.objects.create(
        event=event, learned_at=now, kind="nullification", what="no event", created_by=alice, created_at=now
    )
    after = e2br3.parse(write(batch_of(event, now=now))).messages[0].icsr
    assert before.safety_report_id == after.safety_report_id
    assert before.most_recent_date.value < after.most_recent_date.value
    assert before.nullification_amendment is None
    assert (after.nullification_amendment.code, after.nullification_reason) == ("1", "no event")


def test_what_is_open_is_listed_and_no_file_is_made(
    participant: Participant, alice: User, now: dt.datetime, client: Client
) -> None:
    event = factories.adverse_event(participant, by=alice, now=now)
    said = reportfiles.missing(event, now=now)
    assert said == ["E.i.7: outcome of the event (the investigator assesses it) is missing (头痛)"]
    client.force_login(alice)
    answer = client.get(reverse("admin:safety_adverseevent_file_icsr", args=[event.pk]))
    assert answer.status_code == 409
    assert said[0] in answer.content.decode()
    assert not ListExport.objects.exists()


@pytest.mark.parametrize("kind", reportfiles.FILES)
def test_a_file_leaves_with_its_checksum_and_names_nobody(
    kind: str, participant: Participant, alice: User, now: dt.datetime, client: Client
) -> None:
    event = factories.judged_event(participant, by=alice, now=now, is_life_threatening=True)
    client.force_login(alice)
    answer = client.get(reverse(f"admin:safety_adverseevent_file_{kind}", args=[event.pk]))
    assert answer.status_code == 200
    text = answer.content.decode() if kind == "icsr" else words_of(answer.content)
    assert participant.number in text
    secrets = (participant.name, f"{participant.birth_date}", participant.phone, participant.hospital_number)
    for secret in filter(None, secrets):
        assert "".join(secret.split()) not in text
    assert participant.number in answer["Content-Disposition"]
    (export,) = ListExport.objects.all()
    assert (export.kind, len(export.sha256), export.has_identity) == ("xml" if kind == "icsr" else "pdf", 64, False)


# Whatever stands in it, and nothing but a number.
ANYTHING = (
    '<xs:complexType><xs:sequence><xs:any minOccurs="0" maxOccurs="unbounded" processContents="skip"/></xs:sequence>'
    '<xs:anyAttribute processContents="skip"/></xs:complexType>'
)
NUMBER = '<xs:simpleType><xs:restriction base="xs:int"/></xs:simpleType>'


def schema_of(folder: Path, content: str) -> Path:
    """A package as ICH's, whose root takes this content."""
    (folder / "multicacheschemas").mkdir(parents=True)
    (folder / "multicacheschemas" / "MCCI_IN200100UV01.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:hl7-org:v3">'
        f'<xs:element name="MCCI_IN200100UV01">{content}</xs:element></xs:schema>'
    )
    return folder


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(ANYTHING, None, id="it accepts"),
        pytest.param(NUMBER, "does not accept the file, at line", id="it refuses"),
        pytest.param("<xs:nonsense/>", "cannot be read (E2BR3_SCHEMA_DIR)", id="it is none"),
        pytest.param("", "cannot be read (E2BR3_SCHEMA_DIR)", id="it is not there"),
    ],
)
def test_a_site_with_the_schema_holds_each_case_report_against_it(
    content: str,
    said: str | None,
    participant: Participant,
    alice: User,
    now: dt.datetime,
    tmp_path: Path,
    settings: Any,
    login: Any,
) -> None:
    event = factories.judged_event(participant, by=alice, now=now, is_life_threatening=True)
    settings.E2BR3_SCHEMA_DIR = schema_of(tmp_path, content) if content else tmp_path
    found = reportfiles.missing(event, now=now)
    assert found == [] if said is None else (found and all(said in one for one in found))
    answer = login(alice).get(reverse("admin:safety_adverseevent_file_icsr", args=[event.pk]))
    assert answer.status_code == (200 if said is None else 409)


def test_cioms_has_all_its_boxes(participant: Participant, alice: User, now: dt.datetime) -> None:
    event = factories.judged_event(participant, by=alice, now=now, is_life_threatening=True)
    text = words_of(pdf.render(cioms(event, now=now), by=alice, at=now))
    boxes = ("1.", "1a.", "2.", "2a.", "3.", "4.", "5.", "6.", "7+13.", "8.", "9.", "10.", "11.", "12.", "12a.")
    more = ("14.", "15.", "16.", "17.", "18.", "19.", "20.", "21.", "22.", "23.", "24a.", "24b.", "24c.", "24d.")
    for box in (*boxes, *more, "25a.", "26.", "[X]11.LIFETHREATENING", "[]8.PATIENTDIED", "[X]INITIAL"):
        assert box in text, box


def test_the_sae_form_is_in_both_languages(participant: Participant, alice: User, now: dt.datetime) -> None:
    event = factories.judged_event(participant, by=alice, now=now, is_life_threatening=True)
    text = words_of(pdf.render(saeform(event), by=alice, at=now))
    for words in ("严重不良事件报告", "Seriousadverseeventreport", "Life-threatening".lower(), "头痛", "CAR-Tcells"):
        assert words in text, words


@pytest.mark.parametrize("fault", Fault)
def test_each_finding_has_words(fault: Fault) -> None:
    for element in NAMES:
        assert element in sentence(Finding(element, fault))


def test_the_page_of_the_event_has_the_files(
    participant: Participant, alice: User, now: dt.datetime, client: Client
) -> None:
    event: AdverseEvent = factories.adverse_event(participant, by=alice, now=now)
    client.force_login(alice)
    page = client.get(reverse("admin:safety_adverseevent_story", args=[event.pk])).content.decode()
    assert "E.i.7" in page
    for _name, link in reportfiles.links(event):
        assert link in page


# --- made and kept with the report that is recorded as sent --------------------------------------------


def owed_to(event: AdverseEvent, recipient: str) -> ReportingDuty:
    return actions.open_duties().filter(event=event, recipient=recipient)[0]


def record(client: Client, row: ReportingDuty, by: User, *made: str, **said: Any) -> Any:
    """What the page of a duty sends; late by the clock of the machine, and so with a reason."""
    form = {
        "duties": [str(row.pk)],
        "made": list(made),
        "submitted_by": str(by.pk),
        "reference": "by e-mail",
        "late_reason": "written up later",
        **said,
    }
    return client.post(reverse("admin:safety_reportingduty_submit", args=[row.pk]), form)


@pytest.mark.parametrize(
    ("recipient", "usual"),
    [("sponsor", ["sae"]), ("cde", ["icsr"]), ("investigators", ["cioms"]), ("ethics_committee", ["sae"])],
)
def test_the_usual_files_of_a_recipient_are_ticked(
    recipient: str, usual: list[str], participant: Participant, alice: User, now: dt.datetime, client: Client
) -> None:
    event = factories.judged_event(participant, by=alice, now=now, **CRS, **URGENT)
    client.force_login(alice)
    page = client.get(reverse("admin:safety_reportingduty_submit", args=[owed_to(event, recipient).pk]))
    assert page.context["form"]["made"].value() == usual


def test_what_is_submitted_is_made_and_kept_by_one_press(
    participant: Participant, alice: User, now: dt.datetime, client: Client
) -> None:
    event = factories.judged_event(participant, by=alice, now=now, **CRS, **URGENT)
    row = owed_to(event, "cde")
    client.force_login(alice)
    assert record(client, row, alice, *reportfiles.FILES).status_code == 302
    row.refresh_from_db()
    sent = row.met_by
    assert sent is not None
    files = list(sent.files.order_by("pk"))
    stem = f"{participant.number}-AE{event.pk}-cde-{sent.pk}"
    assert [one.name for one in files] == [f"{stem}-sae.pdf", f"{stem}-cioms.pdf", f"{stem}-icsr.xml"]
    for one in files:
        answer = client.get(reverse("admin:safety_submission_file", args=[sent.pk, one.pk]))
        assert hashlib.sha256(answer.content).hexdigest() == one.sha256
        assert ListExport.objects.filter(sha256=one.sha256).count() == 1
    case = e2br3.parse(bytes(files[-1].content)).messages[0].icsr
    assert case.safety_report_id == f"CN-ZJH-{participant.number}-{event.pk}"
    for name in ("reportingduty", "submission"):
        of = row.pk if name == "reportingduty" else sent.pk
        page = client.get(reverse(f"admin:safety_{name}_change", args=[of])).content.decode()
        assert all(one.sha256 in page and one.name in page for one in files)


def test_what_is_missing_stops_only_the_file_concerned(
    participant: Participant, alice: User, now: dt.datetime, client: Client
) -> None:
    event = factories.adverse_event(participant, by=alice, now=now, **URGENT)
    row = owed_to(event, "cde")
    client.force_login(alice)
    page = client.get(reverse("admin:safety_reportingduty_submit", args=[row.pk]))
    assert page.context["form"]["made"].value() == []
    assert "E.i.7" in page.content.decode()
    assert 'value="icsr"' not in page.content.decode()
    refused = record(client, row, alice, "sae", "icsr")
    assert refused.status_code == 200
    assert "E.i.7" in str(refused.context["form"].errors["made"])
    assert not Submission.objects.exists()
    assert record(client, row, alice, "sae").status_code == 302
    assert [one.name[-8:] for one in Submission.objects.get().files.all()] == ["-sae.pdf"]


def test_what_is_made_now_was_not_sent_before(
    participant: Participant, alice: User, now: dt.datetime, client: Client
) -> None:
    event = factories.judged_event(participant, by=alice, now=now, **CRS, **URGENT)
    row = owed_to(event, "sponsor")
    client.force_login(alice)
    before = {"submitted_at_0": day(now), "submitted_at_1": f"{timezone.localtime(now):%H:%M:%S}"}
    refused = record(client, row, alice, "sae", **before)
    assert "cannot have been sent at" in refused.content.decode()
    assert "Say when it was sent" in record(client, row, alice).content.decode()
    assert not Submission.objects.exists()
    assert record(client, row, alice, **before).status_code == 302
    assert not Submission.objects.get().files.exists()


# --- amending -----------------------------------------------------------------------------------------


def amend(client: Client, event: AdverseEvent, **said: str) -> Any:
    form = {"recipient": "cde", "reason": "批号录入错误", "reference": "gateway", **said}
    return client.post(reverse("admin:safety_adverseevent_file_amend", args=[event.pk]), form)


def test_what_was_sent_is_amended_with_its_reason_and_kept(
    participant: Participant, alice: User, now: dt.datetime, client: Client
) -> None:
    event = factories.judged_event(participant, by=alice, now=now, **CRS, **URGENT)
    client.force_login(alice)
    record(client, owed_to(event, "cde"), alice, "icsr")
    owed = actions.open_duties().filter(event=event).count()
    story = reverse("admin:safety_adverseevent_story", args=[event.pk])
    assert reverse("admin:safety_adverseevent_file_amend", args=[event.pk]) in client.get(story).content.decode()
    assert amend(client, event).status_code == 302
    sent = Submission.objects.get(amendment_reason="批号录入错误")
    (file,) = sent.files.all()
    first, after = (e2br3.parse(bytes(one.content)).messages[0].icsr for one in SubmissionFile.objects.order_by("pk"))
    assert first.safety_report_id == after.safety_report_id
    assert first.most_recent_date.value == after.most_recent_date.value
    assert first.nullification_amendment is None
    assert (after.nullification_amendment.code, after.nullification_reason) == ("2", "批号录入错误")
    assert actions.open_duties().filter(event=event).count() == owed
    shown = client.get(story).content.decode()
    assert file.name in shown
    assert file.sha256 in shown


def test_only_what_was_sent_to_them_and_still_stands_is_amended(
    participant: Participant, alice: User, mona: User, now: dt.datetime, client: Client
) -> None:
    event = factories.judged_event(participant, by=alice, now=now, **CRS, **URGENT)
    client.force_login(alice)
    assert amend(client, event).status_code == 403
    record(client, owed_to(event, "cde"), alice, "icsr")
    assert "recipient" in amend(client, event, recipient="sponsor").context["form"].errors
    assert "reason" in amend(client, event, reason=" ").context["form"].errors
    client.force_login(mona)
    assert amend(client, event).status_code == 403
    client.force_login(alice)
    followup = FollowUp(event=event, learned_at=timezone.now(), kind="nullification", what="no event")
    actions.add_followup(followup=followup, by=alice, now=timezone.now())
    assert "its report is withdrawn" in amend(client, event).content.decode()
    assert Submission.objects.count() == 1


# --- laboratory, body, and the language of the site ----------------------------------------------------


def measured(participant: Participant, panel: str, at: dt.datetime, code: str, value: str, **facts: Any) -> None:
    common = {"participant": participant, "taken_at": at, "created_by": participant.created_by, "created_at": at}
    row = Measurement(code=code, value=Decimal(value), examination=Examination.objects.create(panel=panel, **common))
    for name, fact in {**common, **facts}.items():
        setattr(row, name, fact)
    row.save()


def test_tests_near_the_event_and_the_body_are_told(participant: Participant, alice: User, now: dt.datetime) -> None:
    event = factories.judged_event(participant, by=alice, now=now, **CRS, **URGENT)
    high = {"unit": "U/L", "reference_high": Decimal(40)}
    for hours, value in ((-48, "900"), (2, "90"), (3, "120"), (24 * 8, "800")):
        measured(participant, "CHEM", now + hours * DAY / 24, "ALT", value, **high)
    measured(participant, "CHEM", now, "AST", "30", **high)
    measured(participant, "CHEM", now, "FERRITIN", "40000", unit="ug/L", comparator=">")
    measured(participant, "CBC", now + DAY, "NEUT", "0.1", unit="10^3/uL", reference_low=Decimal("1.8"))
    for days, weight in ((-20, "66.04"), (-2, "61.55"), (3, "58")):
        measured(participant, "BODY", now + days * DAY, "WEIGHT", weight, unit="kg")
    measured(participant, "BODY", now + DAY, "HEIGHT", "1.675", unit="m")
    batch = batch_of(event, now=now + 9 * DAY)
    told = [(one.name, one.sign, f"{one.value:f}", one.unit) for one in batch.icsr.tests]
    assert told == [
        ("Ferritin", ">", "40000", "ug/L"),
        ("ALT", "", "120", "U/L"),
        ("Neutrophils (ANC)", "", "0.1", "10*3/uL"),
    ]
    assert (str(batch.icsr.patient.weight_kg), batch.icsr.patient.height_cm) == ("61.6", 168)
    assert findings(batch, now=now + 9 * DAY) == ()
    assert e2br3.parse(write(batch)).messages[0].icsr.narrative == batch.icsr.narrative
    paper = words_of(pdf.render(cioms(event, now=now + 9 * DAY), by=alice, at=now))
    assert "ALT120U/L(normalupto40)" in paper


def test_the_narrative_is_told_in_chinese_too(participant: Participant, alice: User, now: dt.datetime) -> None:
    event = factories.judged_event(participant, by=alice, now=now, treatment_given="托珠单抗", **CRS, **URGENT)
    case = batch_of(event, now=now).icsr
    (native,) = case.native
    assert native.language == "zho"
    assert case.narrative.startswith(f"Participant {participant.number} of study")
    assert "Treatment: 托珠单抗" in case.narrative
    assert f"受试者 {participant.number}" in native.text
    assert "Treatment" not in native.text
    assert "托珠单抗" in native.text
    assert participant.name not in native.text


# --- who may take them along ---------------------------------------------------------------------------


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SPONSOR_PROGRAM])
def test_whoever_reads_the_event_may_take_its_files(
    role: Role, participant: Participant, alice: User, now: dt.datetime, client: Client
) -> None:
    """As with its prints: they hold no identity, and each that leaves is recorded with who took it."""
    event = factories.judged_event(participant, by=alice, now=now, **CRS, **URGENT)
    client.force_login(person("reader", role, participant.site))
    may = "safety.view_adverseevent" in ROLE_PERMISSIONS[role]
    for kind in reportfiles.FILES:
        answer = client.get(reverse(f"admin:safety_adverseevent_file_{kind}", args=[event.pk]))
        assert answer.status_code == (200 if may else 403), kind
        assert participant.name not in str(answer.headers)
    assert ListExport.objects.filter(by__username="reader").count() == (3 if may else 0)


@pytest.mark.parametrize("kind", [*reportfiles.FILES, "amend"])
def test_files_of_another_site_are_not_found(
    kind: str, participant: Participant, alice: User, charlie: User, now: dt.datetime, client: Client
) -> None:
    event = factories.judged_event(participant, by=alice, now=now, **CRS, **URGENT)
    address = reverse(f"admin:safety_adverseevent_file_{kind}", args=[event.pk])
    client.force_login(charlie)
    assert client.get(address).status_code == 404
    client.logout()
    assert client.get(address).status_code == 302
    client.force_login(User.objects.create(username="nobody", is_staff=True))
    assert client.get(address).status_code == 404
