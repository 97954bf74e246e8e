"""How snapshots are read: over our own API, over the standard's door, and on the pages of the data manager."""

import datetime as dt
import functools
import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sponsor.auth import issue_token, revoke_tokens
from sponsor.datasets.files import WRITERS
from sponsor.datasets.model import Dataset, Kind, Package, Staging, Variable
from sponsor.datasets.scope import no_tick
from sponsor.models import ApiRead, Scope, Snapshot, SnapshotFile
from sponsor.snapshots import actions, leaving, packing, serving, store
from tests.conftest import PASSWORD, person
from tests.forms import forms_of
from trialsite.models import ListExport, Site, User
from trialsite.roles import Role
from trialsite.study import get_study
from trialsite.study.protocol import SponsorAgreement

STANDARD = Path(django_settings.BASE_DIR).parent / "shared" / "standards" / "dataset-json" / "dataset-json-api-1-0.json"
DOOR = "/api/dataset-json/v1"
AE = Dataset(
    "AE",
    "Adverse Events",
    "One record per adverse event per subject",
    "EVENTS",
    ("STUDYID", "USUBJID", "AESEQ"),
    (
        Variable("STUDYID", "Study Identifier"),
        Variable("USUBJID", "Unique Subject Identifier"),
        Variable("AESEQ", "Sequence Number", Kind.INTEGER),
        Variable("AETERM", "Reported Term"),
    ),
)
Rows = dict[tuple[str, int], str | None]
BEFORE: Rows = {("001", 1): "Fever", ("001", 2): '发热 "rows": [1]', ("001", 10): "Cough", ("002", 1): None}
AFTER: Rows = {**BEFORE, ("001", 2): "Chills", ("003", 1): "Rash"}
del AFTER["001", 10]


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.SNAPSHOT_DIR = tmp_path / "snapshots"
    return tmp_path / "snapshots"


@pytest.fixture
def dora(site: Site) -> User:
    return person("dora", Role.DATA_MANAGER, site)


@pytest.fixture
def program(site: Site) -> User:
    user = User.objects.create(username="sponsor-edc")
    user.groups.add(Group.objects.get(name=Role.SPONSOR_PROGRAM))
    return user


@pytest.fixture
def token(program: User) -> str:
    return issue_token(program, days=1, scopes=(Scope.EXPORT,))[0]


@pytest.fixture
def sponsor(token: str) -> Client:
    return Client(headers={"authorization": f"Token {token}"})


def made(dora: User, rows: Rows) -> Snapshot:
    """A complete snapshot of these events, as the worker leaves one."""
    now = timezone.now()
    row = actions.ask(by=dora, now=now, wakes=False)
    work = store.new_work(row.pk, 1)
    with Staging(AE, work / store.ROWS) as staging:
        for (who, number), term in rows.items():
            staging.add(("NCT07072494", who, number, term))
    package = Package("NCT07072494", "A study", "1.2", now, "Trialsite", "2025-03-28", (staging.staged,))
    row.cut_off = now
    written = [(kind, path) for kind in ("dataset-json", "define") for path in WRITERS[kind](package, work, no_tick)]
    packed = packing.pack(row, package, work, written, no_tick)
    row.state, row.finished_at, row.expires_at = "complete", now, actions.expires_at(now)
    row.sha256, row.study_oid, row.rows = packed.sha256, packed.study_oid, len(rows)
    row.save()
    SnapshotFile.objects.bulk_create(SnapshotFile(snapshot=row, **vars(one)) for one in packed.files)
    store.keep(work, row.label)
    return row


@pytest.fixture
def before(dora: User) -> Snapshot:
    return made(dora, BEFORE)


@pytest.fixture
def after(before: Snapshot, dora: User) -> Snapshot:
    return made(dora, AFTER)


def body(response: Any) -> bytes:
    return response.getvalue()


# --- our own API -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_program_finds_the_snapshots_and_fetches_each_file(before: Snapshot, sponsor: Client, folder: Path) -> None:
    (one,) = sponsor.get("/api/v1/snapshots/").json()["results"]
    whole = sponsor.get(one["url"]).json()
    assert (whole["label"], whole["sha256"]) == (before.label, before.sha256)
    for file in whole["files"]:
        response = sponsor.get(file["url"])
        held = body(response)
        assert hashlib.sha256(held).hexdigest() == file["sha256"]
        assert (response["ETag"], response["Content-Length"]) == (f'"{file["sha256"]}"', str(len(held)))
        read = ApiRead.objects.latest("pk")
        assert (read.rows, read.sha256, read.status) == (file["rows"], file["sha256"], 200)


@pytest.mark.django_db
def test_a_download_that_broke_off_goes_on_where_it_stopped(before: Snapshot, sponsor: Client) -> None:
    address = f"/api/v1/snapshots/{before.label}/files/ae.json"
    whole = sponsor.get(address)
    text, etag = body(whole), whole["ETag"]
    first = sponsor.get(address, headers={"range": "bytes=0-99"})
    rest = sponsor.get(address, headers={"range": "bytes=100-", "if-range": etag})
    assert (first.status_code, rest.status_code) == (206, 206)
    assert body(first) + body(rest) == text
    assert rest["Content-Range"] == f"bytes 100-{len(text) - 1}/{len(text)}"
    assert sponsor.get(address, headers={"if-none-match": f'"x", {etag}'}).status_code == 304
    assert sponsor.get(address, headers={"range": f"bytes={len(text)}-"}).status_code == 416
    # Its rows count once.
    assert list(ApiRead.objects.order_by("pk").values_list("status", "rows")) == [
        (200, 4),
        (206, 4),
        (206, 0),
        (304, 0),
        (416, 0),
    ]


@pytest.mark.parametrize(
    ("sent", "part"),
    [
        ({"range": "bytes=999-"}, (999, 1000)),
        ({"range": "bytes=1000-"}, None),
        ({"range": "bytes=-1"}, (999, 1000)),
        ({"range": "bytes=-0"}, None),
        ({"range": "bytes=-5000"}, (0, 1000)),
        ({"range": "bytes=0-0"}, (0, 1)),
        ({"range": "bytes=0-5000"}, (0, 1000)),
        ({"range": "bytes=5-4"}, (0, 1000)),
        ({"range": "bytes=0-1,5-6"}, (0, 1000)),
        ({"range": "bytes=-"}, (0, 1000)),
        ({"range": "lines=1-2"}, (0, 1000)),
        ({"range": "bytes=٣-"}, (0, 1000)),
        ({"range": "bytes=0-9", "if-range": '"sum"'}, (0, 10)),
        ({"range": "bytes=0-9", "if-range": "Thu, 05 Mar 2026 01:30:00 GMT"}, (0, 10)),
        ({"range": "bytes=0-9", "if-range": '"another"'}, (0, 1000)),
    ],
    ids=str,
)
def test_a_part_is_what_was_asked_for(
    sent: dict[str, str], part: tuple[int, int] | None, rf: Any, now: dt.datetime
) -> None:
    request = rf.get("/", headers=sent)
    try:
        found = leaving.asked(request, size=1000, etag='"sum"', modified=now)
    except leaving.Unsatisfiable:
        assert part is None
    else:
        assert (found.start, found.end) == part


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("snapshots/2026-01-01-1/", 404),
        ("snapshots/..%2F..%2Fetc/", 404),
        ("snapshots/%00/", 404),
        ("snapshots/{}/files/..%2fmanifest.json", 404),
        ("snapshots/{}/files/%00", 404),
        ("snapshots/{}/files/ae.json?page=1", 400),
        ("snapshots/?as_of=2999-01-01T00:00:00Z", 400),
        ("snapshots/?as_of=yesterday", 400),
        ("snapshots/?state=all", 400),
        ("snapshots/{}/diff/{}/?dataset=XX", 400),
        ("snapshots/{}/diff/{}/?format=xlsx", 406),
    ],
)
def test_a_wrong_question_gets_a_clear_error(address: str, status: int, before: Snapshot, sponsor: Client) -> None:
    response = sponsor.get(f"/api/v1/{address.replace('{}', before.label)}")
    assert (response.status_code, response.json()["detail"] != "") == (status, True)


@pytest.mark.django_db
def test_the_newest_of_a_moment_is_asked_for(after: Snapshot, before: Snapshot, sponsor: Client) -> None:
    def of(moment: Any) -> list[str]:
        results = sponsor.get("/api/v1/snapshots/", {"as_of": moment.isoformat()}).json()["results"]
        return [one["label"] for one in results]

    assert of(timezone.now()) == [after.label]
    assert of(before.cut_off) == [before.label]
    assert of(before.cut_off - dt.timedelta(microseconds=1)) == []  # type: ignore[operator]


@pytest.mark.django_db
def test_what_holds_more_than_is_agreed_on_by_now_is_no_longer_handed_out(
    before: Snapshot, sponsor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed = get_study().latest.model_copy(update={"sponsor_agreement": SponsorAgreement(dates="shifted")})
    monkeypatch.setattr(actions, "get_study", lambda: SimpleNamespace(latest=agreed))
    assert not before.shifts_dates
    assert sponsor.get("/api/v1/snapshots/").json()["results"] == []
    told = sponsor.get(f"/api/v1/snapshots/{before.label}/files/manifest.json")
    assert (told.status_code, "more than is agreed" in told.json()["detail"]) == (404, True)
    assert sponsor.get(f"{DOOR}/studies/{before.study}/snapshots").json() == []


@pytest.mark.django_db
def test_what_has_expired_says_so(before: Snapshot, sponsor: Client, english: None) -> None:
    Snapshot.objects.filter(pk=before.pk).update(expires_at=timezone.now())
    actions.sweep(now=timezone.now())
    response = sponsor.get(f"/api/v1/snapshots/{before.label}/files/ae.json")
    assert "expired" in response.json()["detail"]
    assert sponsor.get("/api/v1/snapshots/").json() == {"results": []}
    assert sponsor.get(f"{DOOR}/studies/NCT07072494/datasets").json() == []


# --- the difference ----------------------------------------------------------------------------------

DIFFERENCE = [
    ("changed", {"USUBJID": "001", "AESEQ": 2}, {"AETERM": {"before": BEFORE["001", 2], "after": "Chills"}}),
    ("removed", {"USUBJID": "001", "AESEQ": 10}, {"AETERM": {"before": "Cough", "after": None}}),
    ("added", {"USUBJID": "003", "AESEQ": 1}, {"AETERM": {"before": None, "after": "Rash"}}),
]


@pytest.mark.django_db
@pytest.mark.parametrize("portion", [1, 10_000], ids=["portions on the disk", "all in one"])
def test_the_difference_names_rows_by_their_keys(
    portion: int, before: Snapshot, after: Snapshot, sponsor: Client, monkeypatch: Any
) -> None:
    monkeypatch.setattr("sponsor.snapshots.difference.PORTION", portion)
    address = f"/api/v1/snapshots/{before.label}/diff/{after.label}/"
    response = sponsor.get(address)
    said = json.loads(body(response))
    study = {"STUDYID": "NCT07072494"}
    assert [(one["change"], one["key"], one["variables"]) for one in said["results"]] == [
        (change, study | key, variables) for change, key, variables in DIFFERENCE
    ]
    assert said["counts"] == {"AE": {"added": 1, "removed": 1, "changed": 1}}
    read = ApiRead.objects.latest("pk")
    assert (read.rows, read.sha256) == (3, hashlib.sha256(body(sponsor.get(address))).hexdigest())
    lines = body(sponsor.get(f"{address}?format=csv&dataset=AE")).decode("utf-8-sig").splitlines()
    assert len(lines) == 4
    assert json.loads(body(sponsor.get(f"/api/v1/snapshots/{after.label}/diff/{after.label}/")))["results"] == []


# --- where rows lie ----------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@pytest.mark.parametrize("indent", [None, 1], ids=["in a line", "over lines"])
def test_each_row_is_found_where_it_lies(chunk: int, indent: int | None, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(serving, "CHUNK", chunk)
    rows = [["发热", 1, None], ['a "rows": [x]', -2.5e3, "]}"], ["", 10, "\\"], []]
    about = {"records": len(rows), "label": 'such as "rows": [', "itemGroupOID": "IG.X", "columns": []}
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**about, "rows": rows}, ensure_ascii=False, indent=indent), encoding="utf-8")
    assert serving.index(path, tmp_path) == about
    stored = serving.Stored(path, tmp_path)
    assert (stored.about, stored.records, list(stored.rows())) == (about, 4, rows)
    for offset in range(6):
        for limit in range(6):
            start, end = stored.stretch(offset, limit)
            read = json.loads(b"[" + path.read_bytes()[start:end] + b"]")
            assert read == (rows[offset : offset + limit] if limit else rows[offset:])


@pytest.mark.parametrize(
    "text",
    [
        '{"records": 1, "rows": []}',
        '{"records": 1, "rows": [[1]], "more": 1}',
        '{"records": 1, "rows": [[1]',
        '{"records": 1, "rows": [[1, ]]}',
        '{"records": 0}',
    ],
    ids=["another number", "something behind", "cut off", "a broken row", "no rows"],
)
def test_a_dataset_that_cannot_be_served_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match="dataset"):
        serving.index(tmp_path / "x.json", tmp_path)


# --- the standard's own door -------------------------------------------------------------------------


@functools.cache
def standard() -> dict[str, Any]:
    if not STANDARD.exists():
        pytest.skip("the standard's OpenAPI description is not on this machine")
    found: dict[str, Any] = json.loads(STANDARD.read_text(encoding="utf-8"))
    return found


def validator(schema: dict[str, Any]) -> Any:
    whole = {**schema, "components": standard()["components"]}
    return jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker())


def walked(path: str, row: Snapshot) -> str:
    return DOOR + path.format(studyOID=row.study_oid, label=row.label, datasetOID="IG.AE")


@pytest.mark.django_db
def test_every_get_of_the_standard_answers_as_it_says(after: Snapshot, token: str) -> None:
    client = Client(headers={"api-key": token})
    gets = {path: verbs["get"] for path, verbs in standard()["paths"].items() if "get" in verbs}
    assert len(gets) >= 10
    for path, get in gets.items():
        response = client.get(walked(path, after))
        assert response.status_code == 200, path
        schema = get["responses"]["200"]["content"]["application/json"]["schema"]
        validator(schema).validate(json.loads(body(response)))
        known = {one["name"] for one in get.get("parameters", []) if one["in"] == "query"}
        for name in known:
            asked = client.get(walked(path, after), {name: "other" if name == "standard" else "1"})
            assert (asked.status_code, body(asked) != b"") == (200, True), f"{path} {name}"
        # About asks for no key, everything else does.
        assert Client().get(walked(path, after)).status_code == (200 if path == "/about" else 401)


@pytest.mark.django_db
def test_links_lead_where_they_say(after: Snapshot, before: Snapshot, sponsor: Client) -> None:
    (study,) = sponsor.get(f"{DOOR}/studies").json()
    links = [study["href"], *(one["href"] for key in ("metaDataRef", "snapshots", "datasets") for one in study[key])]
    assert len(links) == 5
    for link in links:
        response = sponsor.get(link)
        assert (response.status_code, body(response) != b"") == (200, True)
    assert [one["label"] for one in study["snapshots"]] == [after.label, before.label]


KEYS = [list(key) for key in AFTER]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("", KEYS),
        ("?offset=1&limit=2", KEYS[1:3]),
        ("?offset=3", KEYS[3:]),
        ("?limit=1", KEYS[:1]),
        ("?offset=4&limit=9", []),
        ("?offset=999999999999", []),
        ("?dataonly=True&limit=2", KEYS[:2]),
    ],
)
def test_rows_come_in_pages(query: str, rows: list[Any], after: Snapshot, sponsor: Client) -> None:
    text = body(sponsor.get(f"{DOOR}/studies/NCT07072494/datasets/IG.AE{query}"))
    said = json.loads(text)
    assert [row[1:3] for row in said["rows"]] == rows
    assert ("columns" in said, "records" in said) == (("dataonly" not in query,) * 2)
    read = ApiRead.objects.latest("pk")
    assert (read.rows, read.sha256) == (len(rows), hashlib.sha256(text).hexdigest())


@pytest.mark.django_db
def test_metadata_alone_has_no_rows(after: Snapshot, sponsor: Client) -> None:
    said = json.loads(body(sponsor.get(f"{DOOR}/studies/NCT07072494/datasets/IG.AE?metadataonly=true")))
    assert (said["records"], "rows" in said) == (len(AFTER), False)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("offset=-1", "offset"),
        ("offset=1.5", "offset"),
        ("offset=1e3", "offset"),
        ("offset=１", "offset"),
        ("offset=9999999999999", "offset"),
        ("limit=all", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("metadataonly=maybe", "metadataonly"),
        ("metadataonly=1&dataonly=1", "dataonly"),
        ("page=2", "page"),
    ],
)
def test_a_page_that_is_none_is_refused_in_the_standards_shape(
    query: str, where: str, after: Snapshot, sponsor: Client
) -> None:
    response = sponsor.get(f"{DOOR}/studies/NCT07072494/datasets/IG.AE?{query}")
    assert response.status_code == 400
    assert response.json()["detail"][0]["loc"] == ["query", where]
    validator({"$ref": "#/components/schemas/HTTPValidationError"}).validate(response.json())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/studies/OTHER", 404),
        ("/studies/%00/datasets", 404),
        ("/studies/NCT07072494/datasets/IG.XX", 404),
        ("/studies/NCT07072494/snapshots/2020-01-01-1", 404),
        ("/studies/NCT07072494/snapshots/2020-01-01-1/datasets/IG.AE", 404),
        ("/studies/NCT07072494/defines/nope", 404),
        ("/studies/NCT07072494/datasets?standard=sdtm", 400),
    ],
)
def test_what_is_not_there_is_told_in_the_standards_shape(
    path: str, status: int, after: Snapshot, sponsor: Client
) -> None:
    response = sponsor.get(DOOR + path)
    assert response.status_code == status
    assert {"loc", "msg", "type"} == set(response.json()["detail"][0])


@pytest.mark.django_db
def test_other_standards_have_no_datasets_here(after: Snapshot, sponsor: Client) -> None:
    address = f"{DOOR}/studies/NCT07072494/datasets"
    assert [one["name"] for one in sponsor.get(address, {"standard": "SDTMIG"}).json()] == ["AE"]
    assert sponsor.get(address, {"standard": "adamig"}).json() == []


@pytest.mark.django_db
def test_gzip_holds_the_same(after: Snapshot, sponsor: Client) -> None:
    address = f"{DOOR}/studies/NCT07072494/datasets/IG.AE?limit=2"
    plain = sponsor.get(address, headers={"accept-encoding": "gzip;q=0"})
    packed = sponsor.get(address, headers={"accept-encoding": "deflate, gzip"})
    assert ("Content-Encoding" in plain, packed["Content-Encoding"]) == (False, "gzip")
    assert gzip.decompress(body(packed)) == body(plain)


def moments(row: Snapshot) -> Iterator[tuple[str, int]]:
    assert row.finished_at is not None
    made = row.finished_at.replace(microsecond=0)
    early = made - dt.timedelta(seconds=1)
    for one, status in ((made, 304), (early, 200)):
        yield one.strftime("%a, %d %b %Y %H:%M:%S GMT"), status
        yield one.astimezone(dt.UTC).replace(tzinfo=None).isoformat(), status
    yield "some time ago", 200


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["datasets", "datasets/IG.AE"])
def test_what_has_not_changed_is_not_sent_again(path: str, after: Snapshot, sponsor: Client) -> None:
    for since, status in moments(after):
        response = sponsor.get(f"{DOOR}/studies/NCT07072494/{path}", headers={"if-modified-since": since})
        assert (response.status_code, body(response) != b"") == (status, status == 200), since


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "wrong", "ключ", "revoked", "a person's"])
def test_a_key_that_is_none_opens_nothing(key: str, after: Snapshot, token: str, program: User, dora: User) -> None:
    if key == "revoked":
        revoke_tokens(program)
        key = token
    elif key == "a person's":
        key = issue_token(dora, days=1)[0]
    response = Client(headers={"api-key": key}).get(f"{DOOR}/studies")
    assert response.status_code in (401, 403)
    assert response.json()["detail"][0]["loc"] == ["header", "api-key"]


# --- the pages ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_data_manager_asks_for_one_and_cancels_it(dora: User, login: Any) -> None:
    client, add = login(dora), reverse("admin:sponsor_snapshot_add")
    (form,) = [one for one in forms_of(client.get(add)) if "dates" in one.data]
    page = client.post(add, {**form.data, "dates": "shifted"}, follow=True)
    row = Snapshot.objects.get()
    assert (row.shifts_dates, row.has_free_text, row.state) == (True, False, "waiting")
    assert row.label in page.content.decode()
    assert client.get(reverse("admin:sponsor_snapshot_progress", args=[row.pk])).json()["state"] == "waiting"
    client.post(reverse("admin:sponsor_snapshot_cancel", args=[row.pk]))
    row.refresh_from_db()
    assert (row.state, row.cancel_asked_by) == ("cancelled", dora)


@pytest.mark.django_db
@pytest.mark.parametrize(("password", "is_made"), [("", False), ("wrong", False), (PASSWORD, True)])
def test_free_text_is_released_with_the_password(password: str, is_made: bool, dora: User, login: Any) -> None:
    said = {"dates": "as recorded", "free_text": "released", "password": password}
    client = login(dora)
    client.post(reverse("admin:sponsor_snapshot_add"), said)
    assert Snapshot.objects.filter(release__released_by=dora).exists() == is_made == Snapshot.objects.exists()


@pytest.mark.django_db
def test_a_file_taken_along_is_recorded(before: Snapshot, dora: User, login: Any, arthur: User) -> None:
    address = reverse("admin:sponsor_snapshot_file", args=[before.pk, "ae.json"])
    response = login(dora).get(address, headers={"range": "bytes=10-"})
    assert (response.status_code, body(response)[:1] != b"") == (206, True)
    taken = ListExport.objects.get()
    assert (taken.kind, taken.rows, taken.by) == ("json", 0, dora)
    assert taken.sha256 == before.files.get(name="ae.json").sha256
    # Who reads that it was made takes none of it along.
    auditor = login(arthur)
    assert auditor.get(reverse("admin:sponsor_snapshot_change", args=[before.pk])).status_code == 200
    assert auditor.get(address).status_code == 403
    assert auditor.post(reverse("admin:sponsor_snapshot_add"), {"dates": "shifted"}).status_code == 403


@pytest.mark.django_db
def test_who_works_at_one_of_two_sites_sees_no_snapshot(
    before: Snapshot, dora: User, other_site: Site, login: Any
) -> None:
    client = login(dora)
    assert client.get(reverse("admin:sponsor_snapshot_change", args=[before.pk])).status_code == 404
    assert before.label not in client.get(reverse("admin:sponsor_snapshot_changelist")).content.decode()


@pytest.mark.django_db
def test_the_difference_has_its_page_and_its_files(before: Snapshot, after: Snapshot, dora: User, login: Any) -> None:
    client = login(dora)
    address = reverse("admin:sponsor_snapshot_difference", args=[after.pk])
    page = client.get(address, {"other": before.pk}).content.decode()
    assert "Chills" in page
    assert "AETERM" in page
    said = json.loads(body(client.get(address, {"other": before.pk, "format": "json"})))
    assert (said["before"], said["after"]) == (before.label, after.label)
    assert ListExport.objects.get().rows == 3
    assert client.get(address, {"other": "999"}).status_code == 404


def test_a_label_that_is_none_is_no_folder() -> None:
    for wrong in ("..", "2026-01-01", "2026-01-01-1/..", "work-1-1", ""):
        with pytest.raises((ValueError, ValidationError)):
            store.folder_of(wrong)
