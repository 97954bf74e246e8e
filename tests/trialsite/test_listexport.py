"""Every list leaves as a file: what its filters show, for whoever may view it, recorded, and without surprises."""

import csv
import datetime as dt
import hashlib
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import ProgrammingError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation
from openpyxl import load_workbook

from demo.build import build
from dosing.models import Medication
from participants.models import Participant, Visit
from tests import factories
from tests.conftest import person
from trialsite import identity
from trialsite.fields import EncryptedDateField, EncryptedTextField
from trialsite.listexport import ExportAdmin
from trialsite.models import ListExport, Site, User
from trialsite.roles import ROLE_PERMISSIONS, Role

DAY = dt.timedelta(days=1)
# Pages of libraries, for the administrator alone.
LIBRARIES = {"knox", "pghistory", "django_celery_beat"}
PAGES = [page for page in admin.site._registry.values() if page.opts.app_label not in LIBRARIES]
READERS = [role for role in Role if role is not Role.SPONSOR_PROGRAM]
FILE_NAME = re.compile(r'attachment; filename="NCT\d{8}_[a-z-]+_\d{4}-\d\d-\d\d_\d{4}\.(csv|xlsx)"')
MOST_QUERIES = 40
# What the small demo study has no row of is tried with none; there must not be more of it.
NOT_IN_THE_DEMO = {
    "sponsor.FreeTextRelease",
    "sponsor.Snapshot",
    "participants.VisitProcedure",
    "dosing.DosingHold",
    "dosing.IdentityStop",
    "dosing.InfusionInterruption",
    "dosing.ReadinessRuling",
    "participants.ConsentWithdrawal",
    "participants.EligibilityRuling",
    "participants.IdentityRead",
    "participants.MeasurementImport",
    "participants.ProtocolDeviation",
    "participants.Reconsent",
    # In the small one nobody has come so far.
    "participants.DiseaseAssessment",
    "participants.SubsequentTherapy",
    "participants.SurvivalContact",
    "safety.DataFinding",
    "safety.Discharge",
    "safety.GuidanceText",
    "safety.IcahtAssessment",
    "safety.IecHsAssessment",
    "safety.OnCallShift",
    # For administrators alone.
    "trialsite.Lock",
    "trialsite.Session",
    "sponsor.ApiRead",
    "sponsor.ApiToken",
    "trialsite.AccessReview",
    "trialsite.ListExport",
}


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now()


def url_of(page: Any, name: str = "export") -> str:
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_{name}")


def of(model: Any) -> Any:
    return admin.site._registry[model]


def exported(client: Client, page: Any, query: str = "", **asked: str) -> tuple[Any, bytes]:
    response = client.post(f"{url_of(page)}{query}", {"format": "csv", **asked})
    assert response.status_code == 200, (page, response.status_code)
    assert response.streaming, page
    return response, b"".join(response.streaming_content)


def rows_of(client: Client, page: Any, query: str = "", **asked: str) -> list[dict[str, str]]:
    content = exported(client, page, query, **asked)[1]
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def cells_of(content: bytes, kind: str) -> list[list[Any]]:
    if kind == "csv":
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    book = load_workbook(io.BytesIO(content))
    return [list(row) for row in book.worksheets[0].iter_rows(values_only=True)]


@pytest.fixture
def study(db: None, now: dt.datetime) -> Iterator[None]:
    """The small demo study, of which nearly every list has rows."""
    with translation.override("en"):
        for _participant in build(now=now, is_small=True):
            pass
        yield


def secrets() -> set[str]:
    """All that names a participant, as a file could have it."""
    found: set[str] = set()
    for one in Participant.objects.all():
        found |= {one.name, one.phone, one.hospital_number, f"{one.birth_date:%Y-%m-%d}"}
    return found - {""}


# --- all lists --------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.opts.label)
def test_every_list_has_an_export(page: Any) -> None:
    assert isinstance(page, ExportAdmin)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.opts.label)
def test_identity_is_known_by_how_it_is_kept(page: Any) -> None:
    """Whoever adds an encrypted field need not think of the exports."""
    from trialsite.listcolumns import is_identity

    kept = [one for one in page.opts.concrete_fields if isinstance(one, EncryptedTextField | EncryptedDateField)]
    assert all(is_identity(field, page) for field in kept)


@pytest.mark.django_db
def test_every_role_exports_every_list_it_may_view_and_each_is_recorded(study: None, site: Site, login: Any) -> None:
    """Number of rows, identity, formats, queries, the record: over all lists, as everybody.

    A file depends on its reader by what of an identity they see: each list is made once for those who see any, once
    for those who see none.
    """
    names, empty = secrets(), {page.opts.label for page in PAGES}
    counts: dict[Any, int] = {}
    made: set[tuple[Any, bool]] = set()
    assert len(names) > 10
    for role in READERS:
        reader = person(f"reader-{role.value.replace(' ', '-')}", role, site)
        client = login(reader)
        for page in PAGES:
            model = page.opts.concrete_model._meta if not page.opts.default_permissions else page.opts
            if f"{model.app_label}.view_{model.model_name}" not in ROLE_PERMISSIONS[role]:
                assert client.get(url_of(page)).status_code == 403
                assert client.post(url_of(page), {"format": "csv"}).status_code == 403
                continue
            if page not in counts or page.model is ListExport:
                shown = client.get(url_of(page, "changelist"))
                assert url_of(page) in shown.content.decode(), page
                assert client.get(url_of(page)).status_code == 200
                # All see the same rows: those of their site.
                counts[page] = shown.context["cl"].result_count
            count, seen = counts[page], bool(identity.seen_by(reader))
            if (page, seen) in made and role is not Role.DATA_MANAGER:
                assert client.get(url_of(page)).status_code == 200
                continue
            made.add((page, seen))
            for kind in ("csv", "xlsx") if role is Role.DATA_MANAGER else ("csv",):
                with CaptureQueriesContext(connection) as queries:
                    response, content = exported(client, page, format=kind, with_identity="")
                assert len(queries) < MOST_QUERIES, (page, len(queries))
                header, *table = cells_of(content, kind)
                # The list of exports has, in its second file, the row of its first.
                assert len(table) == (count if page.model is not ListExport else ListExport.objects.count() - 1), page
                assert len(header) == len(set(header)), page
                assert not {"password", None, ""} & set(header), page
                text = json.dumps(table, ensure_ascii=False, default=str)
                assert not [name for name in names if name in text], page
                # In a workbook a text stays a text, whatever it begins with.
                live = [cell for row in table for cell in row if str(cell).startswith(("=", "@"))]
                assert kind == "xlsx" or not live, page
                assert FILE_NAME.fullmatch(response["Content-Disposition"])
                kept = ListExport.objects.get(
                    sha256=hashlib.sha256(content).hexdigest(), by=reader, model=page.opts.label
                )
                assert (kept.rows, kept.kind, kept.has_identity) == (len(table), kind, False)
            if count:
                empty.discard(page.opts.label)
    assert empty <= NOT_IN_THE_DEMO


# --- identity ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_identity_leaves_for_those_who_see_it_and_ask(
    site: Site, alice: User, mona: User, now: dt.datetime, login: Any
) -> None:
    factories.screened(site=site, by=alice, now=now, hospital_number="H-778899")
    page = of(Participant)
    assert "Adds name, birth date" in login(alice).get(url_of(page)).content.decode()
    assert "with_identity" not in login(mona).get(url_of(page)).content.decode()
    (plain,) = rows_of(login(alice), page)
    assert not {"name", "hospital number"} & set(plain)
    (named,) = rows_of(login(alice), page, with_identity="on")
    assert (named["name"], named["birth date"], named["hospital number"]) == ("王小明", "1990-05-17", "H-778899")
    (asked_in_vain,) = rows_of(login(mona), page, with_identity="on")
    assert "王小明" not in str(asked_in_vain)
    assert [one.has_identity for one in ListExport.objects.order_by("pk")] == [False, True, False]


# --- filters ----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_filters_search_order_and_all_pages_go_into_the_file(
    site: Site, alice: User, now: dt.datetime, login: Any, monkeypatch: Any
) -> None:
    first = factories.consented(site=site, by=alice, now=now)
    second = factories.screened(site=site, by=alice, now=now, sex="F")
    page = of(Participant)
    monkeypatch.setattr(page, "list_per_page", 1)
    client = login(alice)
    numbers = [row["screening number"] for row in rows_of(client, page)]
    assert sorted(numbers) == [first.screening_number, second.screening_number]
    (row,) = rows_of(client, page, "?sex__exact=F&p=7")
    assert (row["screening number"], row["sex"]) == (second.screening_number, "female")
    (row,) = rows_of(client, page, f"?q={first.screening_number}")
    assert row["screening number"] == first.screening_number
    listed = client.get(f"{url_of(page, 'changelist')}?sex__exact=F&o=1").content.decode()
    assert f"{url_of(page)}?sex__exact=F&amp;o=1" in listed
    assert "female" in client.get(f"{url_of(page)}?sex__exact=F").content.decode()
    assert [one.filters for one in ListExport.objects.order_by("pk")] == [
        "",
        "sex__exact=F",
        f"q={first.screening_number}",
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("searched", ["王小明", "13800000000", "H-778899", "ZJ-1234567"])
def test_what_was_searched_for_may_be_a_name_and_is_not_kept(searched: str, alice: User, login: Any) -> None:
    rows_of(login(alice), of(Participant), f"?q={searched}&sex__exact=M")
    assert ListExport.objects.get().filters == "q=•••&sex__exact=M"


@pytest.mark.django_db
def test_an_address_that_no_list_understands_exports_nothing(alice: User, other_site: Site, login: Any) -> None:
    client = login(alice)
    page = of(Participant)
    assert client.post(f"{url_of(page)}?site__id__exact=x", {"format": "csv"}).status_code == 302
    assert client.post(f"{url_of(page)}?name=王小明", {"format": "csv"}).status_code in {302, 400}
    assert client.post(url_of(page), {"format": "pdf"}).status_code == 200
    assert not ListExport.objects.exists()


@pytest.mark.django_db
def test_another_site_exports_nothing_of_ours(
    site: Site, alice: User, charlie: User, now: dt.datetime, login: Any
) -> None:
    factories.infused(site=site, by=alice, now=now)
    for model in (Participant, Visit):
        assert rows_of(login(charlie), of(model), "?void=all") == []


# --- what stands in it ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_file_speaks_the_persons_language_and_its_days_are_iso(
    site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    participant = factories.infused(site=site, by=alice, now=now)
    visit = participant.visits.get(code="D28")
    row = next(one for one in rows_of(login(alice), of(Visit)) if one["visit"] == "D28" or "D28" in one.values())
    assert f"{visit.target_date}" in row.values()
    assert participant.number in row.values()
    alice.language = "zh-hans"
    alice.save()
    assert "访视" in "".join(rows_of(login(alice), of(Visit))[0])


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_somebody_typed_runs_in_no_spreadsheet(
    kind: str, site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    participant = factories.infused(site=site, by=alice, now=now)
    Visit.objects.filter(participant=participant).update(note='=HYPERLINK("http://x";"y")')
    content = exported(login(alice), of(Visit), format=kind)[1]
    if kind == "csv":
        assert "'=HYPERLINK" in content.decode()
        return
    cells = [cell for row in load_workbook(io.BytesIO(content)).worksheets[0].iter_rows() for cell in row]
    assert {cell.data_type for cell in cells if "HYPERLINK" in str(cell.value)} == {"s"}


@pytest.mark.django_db
def test_thousands_of_rows_need_no_more_queries_than_ten(site: Site, alice: User, now: dt.datetime, login: Any) -> None:
    participant = factories.consented(site=site, by=alice, now=now)
    client, counts = login(alice), []
    for size in (10, 4_000):
        Medication.objects.bulk_create(
            Medication(participant=participant, kind="antibiotic", name="x", started_at=now, created_by=alice)
            for _number in range(size)
        )
        with CaptureQueriesContext(connection) as queries:
            table = rows_of(client, of(Medication))
        counts.append(len(queries))
        assert len(table) == Medication.objects.count()
    assert counts[0] == counts[1]


# --- the record -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_those_who_answer_for_access_read_who_took_what(
    site: Site, alice: User, arthur: User, dana: User, charlie: User, mona: User, login: Any
) -> None:
    rows_of(login(alice), of(Participant))
    for reader in (arthur, dana):
        text = login(reader).get(url_of(of(ListExport), "changelist")).content.decode()
        assert "Alice" in text
        assert "participants" in text
    assert login(mona).get(url_of(of(ListExport), "changelist")).status_code == 403
    other = person("otto", Role.AUDITOR, *charlie.sites.all())
    assert "Alice" not in login(other).get(url_of(of(ListExport), "changelist")).content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_applications_login_writes_the_record_and_cannot_change_it(
    as_app_role: None, alice: User, login: Any
) -> None:
    rows_of(login(alice), of(Participant))
    with pytest.raises(ProgrammingError, match="permission denied"):
        ListExport.objects.update(rows=7)
    with pytest.raises(ProgrammingError, match="permission denied"):
        ListExport.objects.all().delete()
