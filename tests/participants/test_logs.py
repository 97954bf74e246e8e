"""The logs and the flow through the client: who sees what, what the files hold, and that numbers agree."""

import csv
import datetime as dt
import io
import json
import re
import zipfile
from functools import partial
from typing import Any
from xml.etree import ElementTree

import pytest
from django.contrib import admin
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from participants import actions, flowchart
from participants.models import DeviationKind, EnrolmentLogEntry, Participant, ScreeningLogEntry
from participants.rules.flow import Flow, History, Leaving, Step, flow
from participants.rules.status import Status
from tests import factories
from tests.conftest import person
from trialsite.models import Site, User
from trialsite.recordadmin import void
from trialsite.roles import ROLE_PERMISSIONS, Role

DAY = dt.timedelta(days=1)
SECRETS = ("王小明", "13800000000", "1990-05-17", "17 May 1990", "H-778899")
SCREENING = "/admin/participants/screeninglogentry/"
ENROLMENT = "/admin/participants/enrolmentlogentry/"
FLOW = f"{SCREENING}flow/"
FILES = ("csv", "xlsx")
SVG = {"s": "http://www.w3.org/2000/svg"}
SITE_ROLES = [role for role in Role if "participants.view_participant" in ROLE_PERMISSIONS[role]]


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now()


@pytest.fixture
def failed(site: Site, alice: User, ivan: User, now: dt.datetime) -> Participant:
    """Failed two criteria."""
    participant = factories.eligible(
        site=site, by=alice, now=now - 60 * DAY, hospital_number="H-778899", results={"PLAT": "40", "ECOG": "3"}
    )
    actions.fail_screening(
        participant=participant,
        reason="platelets too low",
        on=actions.site_day(now - 50 * DAY),
        by=ivan,
        now=now - 50 * DAY,
    )
    return participant


@pytest.fixture
def infused(site: Site, alice: User, now: dt.datetime) -> Participant:
    return factories.infused(site=site, by=alice, now=now, infused_at=now - 10 * DAY, hospital_number="H-778899")


def export_of(client: Client, page: str, kind: str = "csv", query: str = "") -> Any:
    """The list as a file, read to its end."""
    response: Any = client.post(f"{page}export/{query}", {"format": kind})
    if not response.streaming:
        return response
    return HttpResponse(b"".join(response.streaming_content), headers=dict(response.headers))


def rows_of(client: Client, page: str, query: str = "") -> list[dict[str, str]]:
    """The CSV file, its rows by the English headers."""
    response = export_of(client, page, query=query)
    assert response.status_code == 200
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


def text_of(response: Any) -> str:
    """Everything readable in an answer, the inside of a workbook included."""
    if response["Content-Type"].startswith("application/vnd"):
        with zipfile.ZipFile(io.BytesIO(response.content)) as file:
            return " ".join(file.read(name).decode() for name in file.namelist())
    return str(response.content.decode())


# --- the screening log -------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_screening_log_says_how_each_screening_ended(
    failed: Participant, alice: User, now: dt.datetime, login: Any
) -> None:
    actions.rescreen(participant=failed, by=alice, now=now)
    newest, first = rows_of(login(alice), SCREENING)
    assert first == {
        "screening number": "ZJ-S001",
        "screened before as": "",
        "screened on": f"{actions.site_day(now - 60 * DAY)}",
        "first consent on": f"{actions.site_day(now - 60 * DAY)}",
        "consent version": "1.0",
        "sex": "male",
        "age at consent (years)": f"{failed.age_on(actions.site_day(now - 60 * DAY))}",
        "status now": "Screen failure",
        "outcome of the screening": "Screen failure",
        "outcome on": f"{actions.site_day(now - 50 * DAY)}",
        "criteria not met": "INCL04, INCL08",
        "reason": "not eligible: platelets too low",
        "void": "",
    }
    assert (newest["screening number"], newest["screened before as"]) == ("ZJ-S002", "ZJ-S001")
    assert (newest["outcome of the screening"], newest["age at consent (years)"]) == ("", "")


@pytest.mark.django_db
def test_a_line_leads_to_the_participants_page(failed: Participant, alice: User, login: Any) -> None:
    client = login(alice)
    target = reverse("admin:participants_participant_page", args=[failed.pk])
    assert target in client.get(SCREENING).content.decode()
    assert client.get(f"{SCREENING}{failed.pk}/change/").headers["Location"] == target
    assert client.get(f"{SCREENING}{failed.pk}/history/").status_code == 302


@pytest.mark.django_db
@pytest.mark.parametrize("page", [SCREENING, ENROLMENT])
def test_the_logs_are_read_only(page: str, infused: Participant, ivan: User, login: Any) -> None:
    client = login(ivan)
    assert client.get(f"{page}add/").status_code == 403
    for name in ("change", "delete"):
        client.post(f"{page}{infused.pk}/{name}/", {"name": "x", "post": "yes"})
    infused.refresh_from_db()
    assert infused.name == "王小明"


@pytest.mark.django_db
def test_void_entries_are_shown_on_request_only(
    failed: Participant, site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    void(factories.screened(site=site, by=alice, now=now), reason="entered twice", by=alice, now=now)
    client = login(alice)
    assert [row["screening number"] for row in rows_of(client, SCREENING)] == ["ZJ-S001"]
    both = rows_of(client, SCREENING, "?void=all")
    assert [(row["screening number"], row["void"]) for row in both] == [("ZJ-S002", "void"), ("ZJ-S001", "")]


# --- the enrolment log -------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_enrolment_log_says_who_enrolled_and_what_became_of_it(
    infused: Participant, failed: Participant, alice: User, ivan: User, now: dt.datetime, login: Any
) -> None:
    actions.report_deviation(
        participant=infused,
        kind=DeviationKind.OVERRIDE,
        about=f"enrolment:{infused.pk}",
        description="All places are taken.",
        reason="Agreed with the sponsor",
        by=ivan,
        now=now,
    )
    actions.change_status(
        participant=infused,
        new=Status.WITHDRAWN,
        on=actions.site_day(now),
        reason="moved away",
        reason_code="withdrawal_by_subject",
        by=ivan,
        now=now,
    )
    enrolled_on = str(actions.site_day(now - 30 * DAY))
    assert rows_of(login(alice), ENROLMENT) == [
        {
            "participant number": "ZJ-001",
            "screening number": infused.screening_number,
            "first consent on": enrolled_on,
            "eligibility confirmed on": enrolled_on,
            "confirmed by": "Alice",
            "enrolled on": enrolled_on,
            "enrolled by": "Alice",
            "exception: reason": "Agreed with the sponsor",
            "infusion planned on": "",
            "infused on": str(actions.site_day(now - 10 * DAY)),
            "status now": "Withdrawn",
            "ended on": str(actions.site_day(now)),
            "end": "Withdrawn",
            "reason of the end": "withdrawal by the participant: moved away",
            "void": "",
        }
    ]


@pytest.mark.django_db
def test_a_planned_infusion_stands_in_the_log_until_it_is_given(
    site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    participant = factories.enrolled(site=site, by=alice, now=now)
    day = actions.site_day(now) + 9 * DAY
    actions.plan_infusion(participant=participant, on=day, by=alice, now=now)
    client = login(alice)
    (row,) = rows_of(client, ENROLMENT)
    assert (row["infusion planned on"], row["infused on"], row["end"]) == (str(day), "", "")
    assert f"{day}" in client.get(ENROLMENT).content.decode()


# --- what both share ---------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("page", [SCREENING, ENROLMENT])
def test_the_file_holds_what_is_filtered_and_searched_now(
    page: str, failed: Participant, infused: Participant, site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    second = factories.enrolled(site=site, by=alice, now=now)
    client = login(alice)
    for query in (f"?q={second.screening_number}", f"?status__exact=enrolled&q={second.participant_number}&p=7"):
        assert [row["screening number"] for row in rows_of(client, page, query)] == [second.screening_number]
    list_page = client.get(f"{page}?q={second.screening_number}").content.decode()
    assert f"{page}export/?q={second.screening_number}" in list_page


@pytest.mark.django_db
def test_a_filter_by_site_goes_into_the_file(
    infused: Participant, other_site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    factories.screened(site=other_site, by=alice, now=now)
    alice.sites.add(other_site)
    client = login(alice)
    assert len(rows_of(client, SCREENING)) == 2
    (row,) = rows_of(client, SCREENING, f"?site__id__exact={other_site.pk}")
    assert row["screening number"] == "OT-S001"
    unreadable = export_of(client, SCREENING, query="?site__id__exact=x")
    assert unreadable.headers["Location"] == f"{SCREENING}?e=1"


@pytest.mark.django_db
def test_the_file_holds_all_pages(site: Site, alice: User, now: dt.datetime, login: Any, monkeypatch: Any) -> None:
    for _n in range(3):
        factories.screened(site=site, by=alice, now=now)
    monkeypatch.setattr(admin.site._registry[ScreeningLogEntry], "list_per_page", 2)
    assert len(rows_of(login(alice), SCREENING)) == 3


@pytest.mark.django_db
@pytest.mark.parametrize("page", [SCREENING, ENROLMENT])
def test_another_site_reads_and_downloads_nothing_of_ours(
    page: str, infused: Participant, charlie: User, login: Any
) -> None:
    client = login(charlie)
    assert infused.screening_number not in client.get(page).content.decode()
    assert rows_of(client, page, "?void=all") == []
    assert client.get(f"{page}?site__id__exact={infused.site_id}").content.decode().count(infused.number) == 0


@pytest.mark.django_db
@pytest.mark.parametrize("role", SITE_ROLES)
def test_identity_stands_nowhere_for_no_role(
    role: Role, failed: Participant, infused: Participant, site: Site, login: Any
) -> None:
    client = login(person("reader", role, site))
    pages = [SCREENING, f"{SCREENING}?void=all", ENROLMENT, FLOW]
    files = [export_of(client, page, kind) for page in (SCREENING, ENROLMENT) for kind in FILES]
    files += [client.get(f"{FLOW}{kind}/") for kind in ("svg", "csv", "json")]
    for response in [*files, *(client.get(address) for address in pages)]:
        assert response.status_code == 200
        text = text_of(response) + response.headers.get("Content-Disposition", "")
        assert not [secret for secret in SECRETS if secret in text]
    for response in files:
        name = response.headers["Content-Disposition"]
        day = r"\d{4}-\d\d-\d\d(_\d{4})?"
        assert re.fullmatch(rf'attachment; filename="NCT07072494_[a-z-]+_{day}\.(csv|xlsx|json|svg)"', name)


@pytest.mark.django_db
@pytest.mark.parametrize("lookup", ["name=王小明", "birth_date=1990-05-17", "site__participants__phone=13800000000"])
def test_an_address_does_not_tell_whether_a_guess_is_right(
    lookup: str, infused: Participant, mona: User, login: Any
) -> None:
    client = login(mona)
    for address in (SCREENING, f"{SCREENING}export/"):
        assert client.get(f"{address}?{lookup}").status_code == 400


@pytest.mark.django_db
def test_who_may_not_view_participants_sees_no_log(site: Site, login: Any) -> None:
    client = login(User.objects.create_user("nobody", is_staff=True))
    for address in (SCREENING, ENROLMENT, f"{SCREENING}export/", FLOW, f"{FLOW}json/"):
        assert client.get(address).status_code == 403
    text = client.get("/admin/").content.decode()
    assert not [address for address in (SCREENING, ENROLMENT, FLOW) if address in text]


@pytest.mark.django_db
def test_all_records_lead_to_the_logs_and_the_flow_as_to_all_the_rest(mona: User, login: Any) -> None:
    text = login(mona).get(reverse("admin:all_records")).content.decode()
    assert all(address in text for address in (SCREENING, ENROLMENT, FLOW))
    assert all(f"/admin/safety/{name}assessment/" in text for name in ("crs", "icans"))


@pytest.mark.django_db
def test_five_and_twenty_five_lines_need_the_same_number_of_queries(
    site: Site, alice: User, now: dt.datetime, login: Any, django_assert_max_num_queries: Any
) -> None:
    client = login(alice)
    pages, files = [SCREENING, ENROLMENT, FLOW], [SCREENING, ENROLMENT]
    made = 0
    needed: list[list[int]] = []
    for wanted in (5, 25):
        for _n in range(wanted - made):
            participant = factories.enrolled(site=site, by=alice, now=now)
            actions.change_status(
                participant=participant, new=Status.WITHDRAWN, on=actions.site_day(now), reason="x", by=alice, now=now
            )
        made = wanted
        counts = []
        for ask, address in [
            *((client.get, page) for page in pages),
            *((partial(export_of, client), f) for f in files),
        ]:
            with django_assert_max_num_queries(27) as queries:
                ask(address)
            counts.append(len(queries))
        needed.append(counts)
    assert needed[0] == needed[1]


# --- the participant flow ----------------------------------------------------------------------


def table_of(text: str) -> dict[str, int]:
    """The boxes of the table on the page."""
    found = re.findall(r'<th scope="row"[^>]*>([^<]+)</th><td[^>]*><strong>(\d+)</strong>', text)
    return {title: int(number) for title, number in found}


def picture_of(text: str) -> ElementTree.Element:
    found = re.search(r"<svg xmlns.*?</svg>", text, re.DOTALL)
    assert found
    return ElementTree.fromstring(found[0])


def numbers_in(picture: ElementTree.Element) -> dict[str, int]:
    """The heading of each drawn box, however many lines it takes."""
    found = {}
    for group in picture.iterfind(".//s:g[@id]", SVG):
        bold = [str(text.text) for text in group.iterfind("s:text", SVG) if text.get("font-weight") == "bold"]
        title, number = re.fullmatch(r"(.+) \(n = (\d+)\)", " ".join(bold)).groups()  # type: ignore[union-attr]
        found[title] = int(number)
    return found


@pytest.mark.django_db
def test_picture_table_and_data_agree(
    failed: Participant, infused: Participant, site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    actions.rescreen(participant=failed, by=alice, now=now)
    factories.enrolled(site=site, by=alice, now=now)
    void(factories.screened(site=site, by=alice, now=now), reason="entered twice", by=alice, now=now)
    client = login(alice)
    text = client.get(FLOW).content.decode()
    assert "NCT07072494" in text
    table, picture = table_of(text), picture_of(text)
    assert table["Screened"] == 4
    assert (table["Screen failure"], table["Still in screening"], table["Enrolled"], table["Infused"]) == (1, 1, 2, 1)
    assert numbers_in(picture) == table
    assert picture.find("s:title", SVG) is not None
    assert "Enrolled: 2" in (picture.findtext("s:desc", namespaces=SVG) or "")
    data = json.loads(client.get(f"{FLOW}json/").content)
    assert data["flow"]["persons"] == 3
    assert (data["study"], data["sites"]) == ("NCT07072494", ["ZJ"])
    assert sorted(box["count"] for name, box in data["flow"].items() if name != "persons") == sorted(table.values())
    rows = list(csv.reader(io.StringIO(client.get(f"{FLOW}csv/").content.decode("utf-8-sig"), newline="")))
    assert {row[2]: int(row[3]) for row in rows[1:] if not row[1]} == table
    assert [row[1] for row in rows if row[0] == "screen_failed"] == ["", "not_eligible", "INCL04", "INCL08"]
    assert "several criteria" in text
    assert numbers_in(ElementTree.fromstring(client.get(f"{FLOW}svg/").content)) == table


@pytest.mark.django_db
def test_the_flow_counts_the_persons_own_sites_only(
    infused: Participant, other_site: Site, charlie: User, alice: User, now: dt.datetime, login: Any
) -> None:
    factories.screened(site=other_site, by=charlie, now=now)
    assert table_of(login(charlie).get(FLOW).content.decode())["Screened"] == 1
    assert login(charlie).get(f"{FLOW}?site=ZJ").status_code == 403
    assert '<select name="site"' not in login(alice).get(FLOW).content.decode()
    alice.sites.add(other_site)
    client = login(alice)
    both = client.get(FLOW).content.decode()
    assert '<select name="site"' in both
    assert (table_of(both)["Screened"], table_of(both)["Infused"]) == (2, 1)
    one = client.get(f"{FLOW}?site=OT").content.decode()
    assert (table_of(one)["Screened"], table_of(one)["Infused"]) == (1, 0)
    assert "participant-flow-OT_" in client.get(f"{FLOW}csv/?site=OT").headers["Content-Disposition"]


@pytest.mark.django_db
def test_the_flow_of_an_earlier_day(infused: Participant, alice: User, now: dt.datetime, login: Any) -> None:
    client = login(alice)
    day = actions.site_day(now - 11 * DAY)
    text = client.get(f"{FLOW}?as_of={day}").content.decode()
    assert (table_of(text)["Enrolled"], table_of(text)["Infused"]) == (1, 0)
    assert f"as_of={day}" in text
    for odd in ("yesterday", "2026-02-31", "2999-01-01", ""):
        assert table_of(client.get(f"{FLOW}?as_of={odd}").content.decode())["Infused"] == 1


@pytest.mark.django_db
def test_an_unknown_kind_of_file_is_not_found(alice: User, login: Any) -> None:
    assert login(alice).get(f"{FLOW}exe/").status_code == 404


def many(as_of: dt.date) -> Flow:
    """Every reason at once, with numbers of three digits."""
    leaving = tuple(Leaving(status, code, 112) for status in (Status.WITHDRAWN, Status.DIED) for code in ("", "other"))
    steps = (Step(Status.SCREENING, as_of), Step(Status.SCREEN_FAILED, as_of, "not_eligible", ("INCL02", "EXCL09")))
    numbers = flow([History(steps)] * 120, as_of=as_of)
    values = {name: getattr(numbers, name) for name in Flow.__dataclass_fields__}
    return Flow(**{**values, "discontinued": leaving, "left_before_infusion": leaving})


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_no_text_leaves_its_box_and_no_box_covers_another(language: str) -> None:
    from django.utils.translation import override

    with override(language):
        picture = flowchart.picture(flowchart.boxes(many(dt.date(2026, 3, 5))), ("Study",))
    for frame in picture.frames:
        for text in frame.texts:
            assert text.x + flowchart.text_width(text.words, is_bold=text.is_bold) <= frame.x + frame.width
            assert frame.y < text.y < frame.bottom
        for other in picture.frames:
            apart = other.y >= frame.bottom or frame.y >= other.bottom or other.x >= frame.x + frame.width
            assert apart or frame.x >= other.x + other.width or other is frame
        assert frame.x + frame.width <= picture.width
        assert frame.bottom <= picture.height


def test_the_proxies_bring_no_permissions_of_their_own() -> None:
    assert ScreeningLogEntry._meta.default_permissions == EnrolmentLogEntry._meta.default_permissions == ()
