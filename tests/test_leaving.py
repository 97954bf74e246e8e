"""Nothing leaves that names a participant: planted identity is in no column in clear, void rows leave without words,
and a file keeps the name that we gave it."""

import datetime as dt
import logging
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from participants.actions.voids import void_participant
from participants.models import MeasurementImport, Participant
from participants.tasks import run_imports
from safety.models import AdverseEvent
from sponsor import api
from tests import factories
from tests.addforms import FILL, send
from tests.test_freetext import PLANTED, SPELT, fill_all, holding
from trialsite import freetext
from trialsite.fields import EncryptedDateField, EncryptedTextField
from trialsite.models import Site, User
from trialsite.voiding import void

DAY = dt.timedelta(days=1)
FILE_OF_A_PERSON = "欧阳梓萱血常规13955512345.csv"


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now()


@pytest.fixture
def planted(site: Site, alice: User, now: dt.datetime) -> Participant:
    return factories.infused(site=site, by=alice, now=now, infused_at=now - 40 * DAY, **PLANTED)


@pytest.fixture
def root(site: Site) -> User:
    return User.objects.create_superuser("root", "root@example.org", "x", language="en")


# --- in the database ----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_planted_identity_stands_in_no_column_in_clear(
    as_app_role: None, planted: Participant, root: User, login: Any, now: dt.datetime, caplog: Any
) -> None:
    """All tables, all columns, the audit trail's too, read by the application's own login after a day of work."""
    client: Client = login(root)
    with caplog.at_level(logging.DEBUG):
        fill_all(client, planted, now, root)
        for label in sorted(set(FILL) - {"participants.Participant"}):
            filled = FILL[label](planted, now, root)
            send(client, filled, note=SPELT["name"], reason=SPELT["phone"])
        client.get(reverse("admin:participants_participant_change", args=[planted.pk]))
        _upload(client, planted, b"participant,measure,value,unit,taken_at\n", FILE_OF_A_PERSON)
    texts = ("欧阳梓萱", "13955512345", "ZY7700123", "1983-07-19", "139-5551-2345", *SPELT.values())
    assert holding("H 40 000 000") == {}
    assert holding(planted.screening_number), "the search finds what is there"
    assert holding(*texts) == {}
    said = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("django.db"))
    assert not [text for text in texts if text in said]


def test_identity_is_kept_in_encrypted_fields_only() -> None:
    """The one list of fields that are meant to hold identity, and no field of such a name beside it."""
    encrypted = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if not model._meta.proxy and not model._meta.label.endswith("Event")
        for field in model._meta.concrete_fields
        if isinstance(field, EncryptedTextField | EncryptedDateField)
    }
    people = {f"participants.Participant.{name}" for name in (*PLANTED, "bed", "initials")}
    others = {"participants.MeasurementImport.raw", "sponsor.ShiftSecret.secret", "trialsite.SecondFactor.key"}
    assert encrypted - others == people


# --- files --------------------------------------------------------------------------------------------


def _upload(client: Client, participant: Participant, content: bytes, name: str) -> Any:
    data = {"site": participant.site_id, "laboratory": "检验科", "file": SimpleUploadedFile(name, content, "text/csv")}
    return client.post(reverse("admin:participants_measurementimport_add"), data)


@pytest.mark.django_db
def test_the_name_of_an_uploaded_file_stays_with_the_person(
    planted: Participant, alice: User, login: Any, now: dt.datetime, caplog: Any
) -> None:
    client = login(alice)
    local = timezone.localtime(now - 30 * DAY)
    content = f"participant,measure,value,unit,taken_at\n{planted.number},HGB,118,g/L,{local:%Y-%m-%d %H:%M}\n"
    with caplog.at_level(logging.DEBUG):
        answer = _upload(client, planted, content.encode(), FILE_OF_A_PERSON)
        run_imports()
        row = MeasurementImport.objects.get()
        pages = [client.get(reverse("admin:participants_measurementimport_change", args=[row.pk]))]
        pages.append(client.get(reverse("admin:participants_measurementimport_changelist")))
    assert answer.status_code == 302
    assert "欧阳" not in answer.headers["Location"]
    assert row.file_name.startswith("NCT07072494_results_")
    assert all(row.file_name in page.content.decode() for page in pages)
    assert all("欧阳梓萱" not in page.content.decode() for page in pages)
    assert holding("血常规13955512345", "欧阳梓萱") == {}
    assert "血常规" not in caplog.text


@pytest.mark.django_db
def test_a_refused_file_is_named_nowhere_either(planted: Participant, alice: User, login: Any, caplog: Any) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = _upload(login(alice), planted, b"\x00\x01", FILE_OF_A_PERSON)
    assert answer.status_code == 200
    assert not MeasurementImport.objects.exists()
    assert holding("血常规") == {}
    assert "血常规" not in caplog.text


# --- void rows ----------------------------------------------------------------------------------------

SAID = "a sentence about it"


def _void_rows(participant: Participant, by: User, now: dt.datetime) -> list[Any]:
    """A void row of each kind that the sponsor reads, with words in every field that can hold some."""
    rows = []
    for view in api.ROUTES.values():
        model = view.serializer_class.Meta.model
        if (row := model._default_manager.first()) is not None and freetext.prose_of(model):
            for field in freetext.prose_of(model):
                setattr(row, field.name, {"said": SAID} if field.get_internal_type() == "JSONField" else SAID)
            row.voided_at, row.voided_by, row.void_reason = now, by, "twice"
            rows.append(row)
    return rows


@pytest.mark.django_db
def test_void_rows_leave_the_api_without_free_text(
    planted: Participant, root: User, login: Any, now: dt.datetime
) -> None:
    """Over all serializers: a column that can hold words is empty, and keeps its kind."""
    fill_all(login(root), planted, now, root)
    seen = set()
    for row in _void_rows(planted, root, now):
        serializer = next(v.serializer_class for v in api.ROUTES.values() if v.serializer_class.Meta.model is type(row))
        shown = serializer(row).data
        assert SAID not in str(shown), shown
        columns = {field.name for field in freetext.prose_of(type(row))} & set(shown)
        assert all(not shown[name] for name in columns)
        seen |= {(row._meta.model_name, name) for name in columns}
        row.voided_at = None
        standing = serializer(row).data
        assert all(SAID in str(standing[name]) for name in columns)
        assert {name: type(value) for name, value in shown.items() if name in columns} == {
            name: type(value) for name, value in standing.items() if name in columns
        }
    assert {("adverseevent", "term"), ("toxicityassessment", "findings")} <= seen


@pytest.mark.django_db
def test_a_void_participant_takes_the_words_along(
    planted: Participant, root: User, ivan: User, login: Any, now: dt.datetime
) -> None:
    fill_all(login(root), planted, now, root)
    event = AdverseEvent.objects.get()
    assert api.ROUTES["adverse-events"].serializer_class(event).data["term"] == "fever"
    void_participant(participant=planted, reason="another person", by=ivan, now=now)
    assert api.ROUTES["adverse-events"].serializer_class(AdverseEvent.objects.get()).data["term"] == ""


@pytest.mark.django_db
def test_void_rows_leave_in_lists_without_free_text(
    planted: Participant, root: User, ivan: User, login: Any, now: dt.datetime
) -> None:
    client = login(root)
    fill_all(client, planted, now, root)
    AdverseEvent.objects.update(term="shivering at night", note=SAID)
    address = reverse("admin:safety_adverseevent_export")
    kept = b"".join(client.post(f"{address}?void=all", {"format": "csv"}).streaming_content).decode()  # type: ignore[attr-defined]
    assert "shivering" in kept
    assert SAID in kept
    void(AdverseEvent.objects.get(), reason="entered twice", by=ivan, now=now)
    left = b"".join(client.post(f"{address}?void=all", {"format": "csv"}).streaming_content).decode()  # type: ignore[attr-defined]
    assert planted.number in left
    assert "entered twice" in left
    assert "shivering" not in left
    assert SAID not in left
