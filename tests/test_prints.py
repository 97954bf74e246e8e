"""Every print: for whoever may read its page, in both languages, by number alone or noted as read, and recorded."""

import datetime as dt
import hashlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from dosing.models import Medication
from participants import worksheet
from participants.admin import logs
from participants.models import IdentityRead, Participant, Visit
from safety.models import AdverseEvent
from tests import factories
from tests.pdftext import pages_of, words_of
from trialsite.models import Language, ListExport, SecurityEvent, Site, User
from trialsite.printing import Band, Table
from trialsite.study import get_study

DAY = dt.timedelta(days=1)
NAME, SHOWN = "𠮷小明😀", "[U+20BB7]小明[U+1F600]"
FILE_NAME = re.compile(r'inline; filename="NCT\d{8}_[A-Za-z0-9-]+_\d{4}-\d\d-\d\d_\d{4}\.pdf"')
# Of each print: the page that leads to it, and words of it in English and in Chinese.
OF_A_PERSON = {
    "participants_participant_print": ("participants_participant_page", "Trial day", "目前的待办事项"),
    "participants_participant_eligibility_pdf": ("participants_participant_eligibility", "INCL03", "INCL03"),
    "dosing_readiness_print": ("dosing_readiness", "What was found", "可以回输吗"),
    "dosing_timeline_print": ("dosing_timeline", "(50,000,000 cells)", "治疗时间轴"),
}
LOGS = {
    "participants_screeninglogentry_print": ("participants_screeninglogentry_changelist", "ZJ-S001", "筛选号"),
    "participants_enrolmentlogentry_print": ("participants_enrolmentlogentry_changelist", "ZJ-001", "受试者编号"),
    "participants_diseaseassessment_efficacy_print": (
        "participants_diseaseassessment_efficacy",
        "Overall survival (OS)",
        "总生存",
    ),
}
SHEET = ("participants_visit_change", "What this visit asks", "本次访视要求")
# Of a participant's print, the dearest; every section has one or two of its own.
MOST_QUERIES = 75


@pytest.fixture
def infused(site: Site, alice: User) -> Participant:
    now = timezone.now()
    return factories.infused(site=site, by=alice, now=now, infused_at=now - 10 * DAY, name=NAME, bed="12 床")


@pytest.fixture
def visit(infused: Participant) -> Visit:
    return Visit.objects.get(participant=infused, code="D28")


def all_of(visit: Visit) -> Iterator[tuple[str, str, str, str]]:
    """Address, the page that leads there, and words of it in both languages."""
    for name, (page, english, chinese) in OF_A_PERSON.items():
        pk = [visit.participant_id]
        yield reverse(f"admin:{name}", args=pk), reverse(f"admin:{page}", args=pk), english, chinese
    for name, (page, english, chinese) in LOGS.items():
        yield reverse(f"admin:{name}"), reverse(f"admin:{page}"), english, chinese
    own = reverse("admin:participants_visit_worksheet", args=[visit.pk])
    yield own, reverse(f"admin:{SHEET[0]}", args=[visit.pk]), *SHEET[1:]


@pytest.mark.django_db
def test_every_print_says_what_its_page_says_and_names_the_person_where_that_is_noted(
    visit: Visit, alice: User, login: Any
) -> None:
    found = _printed(login(alice), visit, alice, "Printed by Alice", "page {} of {}")
    for address, english, _chinese, text in found:
        assert "".join(english.split()) in text, address
        naming = address in _naming(visit)
        assert (SHOWN in text, "12床" in text, "Thispapernamesaperson" in text) == (naming,) * 3, address
    noted = IdentityRead.objects.order_by("pk").values_list("by", "participant", "how", "fields")
    about = (alice.pk, visit.participant_id, "export")
    assert [*noted] == [(*about, ["name", "birth_date", "bed"]), (*about, ["name", "bed"])]
    assert ListExport.objects.filter(has_identity=True).count() == 2
    kept = SecurityEvent.objects.filter(kind="export", detail__format="pdf")
    assert kept.count() == ListExport.objects.count() == len(found)
    assert "小明" not in "".join(ListExport.objects.values_list("filters", flat=True))


@pytest.mark.django_db
def test_in_chinese_too_and_by_number_alone_for_those_who_may_not_see_the_name(
    visit: Visit, mona: User, login: Any
) -> None:
    mona.language = Language.ZH
    mona.save()
    for address, _english, chinese, text in _printed(login(mona), visit, mona, "打印人：Mona", "第 {} 页，共 {} 页"):
        assert chinese in text, address
        assert not any(words in text for words in ("小明", "12床", "1990-05", "1990年", "13800000000", "身份信息")), (
            address
        )
        # What tells of all of them together names nobody.
        assert visit.participant.number in text or visit.participant.screening_number in text or "efficacy" in address
    assert not IdentityRead.objects.exists()
    assert not ListExport.objects.filter(has_identity=True).exists()


def _printed(client: Client, visit: Visit, by: User, who: str, number: str) -> list[tuple[str, str, str, str]]:
    """Each print, looked at in what they have in common: address, words to be found, and its text."""
    found = []
    for address, _page, english, chinese in all_of(visit):
        response = client.get(address)
        assert (response.status_code, response["Content-Type"]) == (200, "application/pdf"), address
        assert FILE_NAME.fullmatch(response["Content-Disposition"]), response["Content-Disposition"]
        pages = pages_of(response.content)
        for page, text in enumerate(pages, start=1):
            assert who in text, (address, page)
            assert number.format(page, len(pages)) in text.replace("\n", ""), (address, page)
        kept = ListExport.objects.latest("pk")
        assert (kept.kind, kept.by, kept.rows > 0) == ("pdf", by, True)
        assert kept.sha256 == hashlib.sha256(response.content).hexdigest()
        found.append((address, english, chinese, words_of(response.content)))
    return found


def _naming(visit: Visit) -> tuple[str, str]:
    return (
        reverse("admin:participants_participant_print", args=[visit.participant_id]),
        reverse("admin:participants_visit_worksheet", args=[visit.pk]),
    )


@pytest.mark.django_db
def test_every_page_leads_to_its_print(visit: Visit, alice: User, login: Any) -> None:
    client = login(alice)
    for address, page, _english, _chinese in all_of(visit):
        shown = client.get(page).content.decode()
        if address == _naming(visit)[1]:
            address = reverse("admin:participants_visit_print_worksheet", args=[visit.pk])
            assert client.get(address)["Location"] == _naming(visit)[1]
        assert f'href="{address}' in shown, address


# --- who may, and what it costs ------------------------------------------------------------------------


@pytest.mark.django_db
def test_another_site_finds_no_print_and_nothing_is_recorded(visit: Visit, charlie: User, login: Any) -> None:
    client: Client = login(charlie)
    for address, _page, _english, _chinese in all_of(visit):
        response = client.get(address)
        if "logentry" in address or "efficacy" in address:
            assert "ZJ-" not in words_of(response.content).replace("ZJ-UFE", "")
        else:
            assert response.status_code == 404, address
    assert set(ListExport.objects.values_list("rows", flat=True)) <= {0}


@pytest.mark.django_db
def test_a_section_is_printed_for_those_who_may_read_it(visit: Visit, site: Site, login: Any) -> None:
    reader = User.objects.create_user("reader", is_staff=True, language="en")
    reader.sites.add(site)
    reader.user_permissions.add(Permission.objects.get(codename="view_participant"))
    text = words_of(
        login(reader).get(reverse("admin:participants_participant_print", args=[visit.participant_id])).content
    )
    assert "Eligibility" in text
    for words in ("Adverseevents", "Medication", "Consentedat", "Limitsofnormal", "Protocoldeviations"):
        assert words not in text
    no_way = login(reader).get(reverse("admin:participants_visit_worksheet", args=[visit.pk]))
    assert no_way.status_code == 403


@pytest.mark.django_db
def test_a_print_asks_the_same_questions_however_much_there_is(visit: Visit, alice: User, login: Any) -> None:
    client, whose = login(alice), visit.participant
    address = reverse("admin:participants_participant_print", args=[whose.pk])
    _drugs_and_events(whose, alice, range(1))
    client.get(address)
    counted = [_queries(client, address)]
    _drugs_and_events(whose, alice, range(1, 13))
    counted.append(_queries(client, address))
    assert counted[0] == counted[1] <= MOST_QUERIES


def _drugs_and_events(whose: Participant, alice: User, numbers: range) -> None:
    now = timezone.now()
    for number in numbers:
        Medication.objects.create(
            participant=whose,
            kind="other",
            name=f"drug {number}",
            route="iv",
            started_at=now - DAY,
            indication="fever",
            created_by=alice,
            created_at=now,
        )
        AdverseEvent.objects.create(
            participant=whose,
            term=f"event {number}",
            onset=f"{now - DAY:%Y-%m-%d}",
            grade=1,
            ctcae_version="5.0",
            outcome="recovering",
            site_aware_at=now,
            created_by=alice,
            created_at=now,
        )


def _queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


# --- the logs ------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_log_is_printed_as_it_is_filtered(infused: Participant, alice: User, login: Any) -> None:
    other = factories.screened(site=infused.site, by=alice, now=timezone.now())
    client, address = login(alice), reverse("admin:participants_screeninglogentry_print")
    assert {infused.screening_number, other.screening_number} <= set(
        re.findall(r"ZJ-S\d{3}", words_of(client.get(address).content))
    )
    assert ListExport.objects.latest("pk").rows == 2
    text = words_of(client.get(f"{address}?status__exact=screening").content)
    assert set(re.findall(r"ZJ-S\d{3}", text)) == {other.screening_number}
    kept = ListExport.objects.latest("pk")
    assert (kept.rows, kept.filters) == (1, "status__exact=screening")
    assert client.get(f"{address}?nonsense__exact=1").status_code in {302, 400}


@pytest.mark.django_db
def test_what_nobody_reads_on_paper_is_not_printed(
    infused: Participant, alice: User, login: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST_PRINTED", 0)
    response = login(alice).get(reverse("admin:participants_screeninglogentry_print"), follow=True)
    assert "1 lines are too many for paper (at most 0)" in response.content.decode()
    assert not ListExport.objects.exists()


# --- the worksheet -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_every_visit_has_a_sheet_with_all_that_the_study_file_asks(infused: Participant, alice: User) -> None:
    study = get_study().protocol(infused.protocol_version)
    visits = Visit.objects.filter(participant=infused).select_related("participant__site")
    assert len(visits) > 25
    with translation.override("en"):
        for visit in visits:
            sheet = worksheet.worksheet(visit, user=alice)
            asked = study.visit(visit.code).procedures
            lines = [row for one in sheet.sections for table in _tables(one) for row in table.rows]
            said = [row[1] for row in lines if not isinstance(row, Band) and row[0] == worksheet.BOX]
            assert said == [str(study.procedure(code).name) for code in asked]
            written = [row[0] for row in lines if not isinstance(row, Band)]
            assert ("Platelets" in written) == ("CBC" in asked), visit.code


def _tables(section: Any) -> list[Table]:
    return [one for one in section.blocks if isinstance(one, Table)]
