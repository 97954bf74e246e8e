"""A visit is entered as a visit: its sections, who may save them, and what a refusal leaves as it was."""

import datetime as dt
from typing import Any, get_args

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dosing import actions
from dosing.models import LymphodepletionDose
from participants.actions import plan_infusion
from participants.entering import unknown_tests
from participants.models import Examination, Participant, ProtocolDeviation, Visit, VisitProcedure
from participants.rules.measures import PANELS
from tests import factories
from tests.conftest import PASSWORD, person
from tests.forms import forms_of
from trialsite import entering, wayback
from trialsite.models import Site, User
from trialsite.roles import Role
from trialsite.study import EnteredBy, PanelTests, get_study

DAY = dt.timedelta(days=1)
MOST_QUERIES = 20
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now()


@pytest.fixture
def infused(site: Site, alice: User, now: dt.datetime) -> Participant:
    """Today is Day 28."""
    return factories.infused(site=site, by=alice, now=now, infused_at=now - 28 * DAY)


@pytest.fixture
def d28(infused: Participant) -> Visit:
    visit: Visit = infused.visits.get(code="D28")
    return visit


def address(visit: Visit, code: str = "", **query: str) -> str:
    asked = "&".join(f"{name}={value}" for name, value in ({"open": code} if code else {}).items() | query.items())
    return reverse("admin:participants_visit_enter", args=[visit.pk]) + (f"?{asked}" if asked else "")


def sections(response: Any) -> dict[str, entering.Section]:
    return {one["section"].code: one["section"] for one in response.context["sections"]}


def save(client: Any, path: str, typed: dict[str, str], *, form: int = 0) -> Any:
    """Fill in a form of the open section and send it."""
    seen = forms_of(client.get(path))[form]
    return client.post(seen.attrs["action"].partition("#")[0], {**seen.data, **typed})


def counts_of(visit: Visit) -> Any:
    """The blood counts that were entered here: of today, not those of the screening."""
    return Examination.objects.filter(participant=visit.participant, panel="CBC", taken_at__date=timezone.localdate())


# --- What stands there ----------------------------------------------------------------------------------


def test_every_way_of_entering_is_known_to_an_app_and_every_test_can_be_recorded() -> None:
    assert set(entering.forms()) == set(get_args(EnteredBy))
    for protocol in get_study().versions.values():
        assert unknown_tests(protocol) == []
    protocol = get_study().latest
    strange = protocol.procedures[5].model_copy(
        update={"panels": (PanelTests(panel="CBC", tests=("HGB", "UNOBTAINIUM")), PanelTests(panel="X", tests=("Y",)))}
    )
    wrong = unknown_tests(protocol.model_copy(update={"procedures": (strange,)}))
    assert any("CBC has no test UNOBTAINIUM" in one for one in wrong)
    assert any("X is no panel" in one for one in wrong)


@pytest.mark.parametrize("version", get_study().versions)
def test_every_visit_of_the_schedule_has_its_page(version: str, infused: Participant, alice: User, login: Any) -> None:
    """Each procedure that is asked of this person is in a section, and each section opens."""
    client = login(alice)
    opened: set[str] = set()
    for visit in get_study().protocol(version).visits:
        row = infused.visits.filter(code=visit.code).first()
        path = address(row) if row else reverse("admin:participants_participant_enter", args=[infused.pk, visit.code])
        found = {code.partition("-")[0] for code in sections(client.get(path))}
        for code in found - opened:
            assert client.get(f"{path}?open={code}&fragment=1").status_code == 200, (visit.code, code)
        opened |= found
    assert {"consent", "CBC", "fitness", "infusion", "bedside", "PHONE", "visit"} <= opened


def test_panels_that_are_asked_twice_are_one_section(infused: Participant, alice: User, login: Any) -> None:
    found = sections(login(alice).get(address(infused.visits.get(code="D1"))))
    assert list(found) == [
        "VITALS",
        "bedside",
        "CBC",
        "CHEM",
        "COAG",
        "adverse_events",
        "medication",
        "visit",
    ]
    first = login(alice).get(address(infused.visits.get(code="D1"), "CHEM")).context["sections"]
    panel = next(one["panel"] for one in first if one["is_open"])
    assert {line.measure.code for line in panel.shown} == {"CREAT", "BILI", "ALT", "AST", "CRP", "FERRITIN"}
    assert len(panel.shown) + len(panel.more) == len(PANELS["CHEM"])
    assert not panel.is_more_open


def test_a_visit_that_is_a_row_is_entered_as_one(infused: Participant, d28: Visit, alice: User, login: Any) -> None:
    client = login(alice)
    path = reverse("admin:participants_participant_enter", args=[infused.pk, "D28"])
    assert client.get(path)["Location"] == address(d28)
    assert client.get(reverse("admin:participants_participant_enter", args=[infused.pk, "D29"])).status_code == 404


def test_the_way_back_leads_here_and_nowhere_else(d28: Visit) -> None:
    whose = d28.participant
    assert wayback.address_of(wayback.visit(d28)) == address(d28)
    path = reverse("admin:participants_participant_enter", args=[whose.pk, "D-1"])
    assert wayback.address_of(wayback.enter(whose, "D-1")) == path
    for wrong in ("enter-1", "enter-1-../..", "enter-x-SCR", "enter-1-//evil.example"):
        assert wayback.address_of(wrong) == ""


# --- Saving ---------------------------------------------------------------------------------------------


def test_a_section_is_saved_by_itself_and_carries_what_was_typed_once(d28: Visit, alice: User, login: Any) -> None:
    client = login(alice)
    typed = {"WBC-value": "4.8", "HGB-value": "112", "laboratory": "检验科"}
    response = save(client, address(d28, "CBC"), typed)
    assert response.status_code == 302, response.content.decode()
    assert "laboratory=" in response["Location"]
    assert "at=" in response["Location"]
    row = counts_of(d28).get()
    assert {one.code for one in row.measurements.all()} == {"WBC", "HGB"}
    after = client.get(response["Location"])
    assert not sections(after)["CBC"].is_done
    assert "Platelets" in str(sections(after)["CBC"].hint)
    opened = client.get(f"{response['Location'].partition('#')[0].partition('&open')[0]}&open=CHEM")
    form = next(one["form"] for one in opened.context["sections"] if one["is_open"])
    assert form["laboratory"].value() == "检验科"
    assert form["taken_at"].value() == row.taken_at


def test_what_is_refused_stays_typed_and_nothing_else_is_touched(d28: Visit, alice: User, login: Any) -> None:
    client = login(alice)
    response = save(client, address(d28, "CBC"), {"WBC-value": "4.8", "HGB-value": "9999"})
    assert response.status_code == 200
    text = response.content.decode()
    assert "cannot be" in text
    assert 'value="9999"' in text
    assert 'value="4.8"' in text
    assert not counts_of(d28).exists()


def test_a_section_that_is_sent_twice_is_recorded_once(d28: Visit, alice: User, login: Any) -> None:
    client = login(alice)
    path = address(d28, "CBC")
    data = {**forms_of(client.get(path))[0].data, "HGB-value": "112"}
    for _time in range(2):
        client.post(path, data)
    assert counts_of(d28).count() == 1


def test_limits_are_compared_once_for_the_page(
    d28: Visit, site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    from tests.journeys.test_counts import reported_before

    reported_before(site, alice, now)
    Participant.objects.update(sex=d28.participant.sex)
    client = login(alice)
    path = address(d28, "CHEM", laboratory="检验科")
    refused = save(client, path, {"CREAT-value": "68"})
    assert "tick that you have" in refused.content.decode()
    saved = save(client, path, {"CREAT-value": "68", "limits_compared": "on"})
    assert saved.status_code == 302
    assert "compared=1" in saved["Location"]
    other = save(client, address(d28, "CHEM", laboratory="急诊检验", compared="1"), {"CREAT-value": "68"})
    assert other.status_code in (200, 302)
    virus = address(d28, "CHEM", laboratory="检验科", compared="1")
    opened = next(one for one in client.get(virus).context["sections"] if one["is_open"])
    assert opened["form"]["limits_compared"].value() is True
    assert any(line.marked for line in opened["panel"].lines), "compared once, and still marked"


def test_one_tick_answers_the_rest_of_the_questions_in_sight(
    site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    participant = factories.consented(site=site, by=alice, now=now - DAY)
    path = reverse("admin:participants_participant_enter", args=[participant.pk, "SCR"]) + "?open=HEART"
    client = login(alice)
    assert save(client, path, {"NYHA-choice": "1", "ARRHYTHMIA-choice": "yes"}).status_code == 302
    first = participant.examinations.get(panel="HEART")
    assert {one.code for one in first.measurements.all()} == {"NYHA", "ARRHYTHMIA"}, "nothing is no unless it is said"
    again = {"ARRHYTHMIA-choice": "yes", "rest_is_no": "on", "taken_at_1": "00:00"}
    assert save(client, path, again).status_code == 302
    second = participant.examinations.filter(panel="HEART").latest("pk")
    answers = {one.code: one.choice for one in second.measurements.all()}
    assert answers["ARRHYTHMIA"] == "yes"
    assert answers["VALVE_DISEASE"] == "no"
    assert "NYHA" not in answers
    assert "HTN_TREATED" not in answers, "what is folded was not asked"


def test_the_moment_of_the_visit_says_when_it_cannot_be_read(d28: Visit, alice: User, login: Any) -> None:
    client = login(alice)
    wrong = client.get(address(d28, at_0="soon", at_1="10:00"))
    assert "cannot be read" in wrong.content.decode()
    right = client.get(address(d28, at_0="2026-03-05", at_1="10:00", laboratory="检验科"))
    assert "at=2026-03-05T10%3A00" in right["Location"]


# --- Ticks, and what was not done -----------------------------------------------------------------------


def test_what_no_other_record_holds_is_ticked_with_its_day(d28: Visit, alice: User, login: Any) -> None:
    client = login(alice)
    code = next(code for code in sections(client.get(address(d28))) if code == "IG")
    tomorrow = timezone.localdate() + DAY
    assert "in the future" in save(client, address(d28, code), {"done_on": f"{tomorrow}"}).content.decode()
    assert (
        save(client, address(d28, code), {"done_on": f"{timezone.localdate()}", "result": "IgG 5.1 g/L"}).status_code
        == 302
    )
    row = VisitProcedure.objects.get(participant=d28.participant, visit_code="D28", code=code)
    assert (row.state, row.result, row.created_by) == ("done", "IgG 5.1 g/L", alice)
    assert sections(client.get(address(d28)))[code].is_done


def test_what_was_not_done_says_why_and_is_a_deviation(d28: Visit, alice: User, dana: User, login: Any) -> None:
    client = login(alice)
    path = address(d28, "MARROW")
    without = save(client, path, {"not_done_reason": " "}, form=1)
    assert without.status_code == 200
    assert not VisitProcedure.objects.exists()
    assert save(client, path, {"not_done_reason": "refused the puncture"}, form=1).status_code == 302
    assert sections(client.get(address(d28)))["MARROW"].not_done == "refused the puncture"
    deviation = ProtocolDeviation.objects.get(participant=d28.participant, kind="procedure")
    assert deviation.reason == "refused the puncture"
    row = VisitProcedure.objects.get()
    void = reverse("admin:participants_visitprocedure_void", args=[row.pk])
    assert login(dana).post(void, {"reason": "it was done later", "password": PASSWORD}).status_code == 302
    deviation.refresh_from_db()
    assert deviation.is_void
    assert sections(client.get(address(d28)))["MARROW"].not_done == ""


# --- The visit itself -----------------------------------------------------------------------------------


def test_a_visit_is_completed_with_one_press(d28: Visit, alice: User, login: Any) -> None:
    client = login(alice)
    save(client, address(d28, "CBC"), {"HGB-value": "112"})
    assert "Still missing" in str(sections(client.get(address(d28)))["visit"].hint)
    assert save(client, address(d28, "visit"), {}).status_code == 302, "the day is that of what was entered"
    d28.refresh_from_db()
    assert (d28.state, d28.occurred_on) == ("done", timezone.localdate())


def test_nobody_offers_a_day_on_which_nothing_was_entered(d28: Visit, alice: User, login: Any) -> None:
    response = save(login(alice), address(d28, "visit"), {})
    d28.refresh_from_db()
    assert d28.state == "planned", response.status_code


def test_outside_its_window_the_visit_asks_for_the_reason(infused: Participant, alice: User, login: Any) -> None:
    visit = infused.visits.get(code="D14")
    client = login(alice)
    late = f"{visit.window_closes_on + DAY}"
    refused = save(client, address(visit, "visit"), {"occurred_on": late})
    assert "give a reason" in refused.content.decode()
    assert save(client, address(visit, "visit"), {"occurred_on": late, "deviation_reason": "snow"}).status_code == 302
    assert infused.deviations.filter(kind="visit_window", reason="snow").exists()


def test_a_dose_that_somebody_else_has_recorded_meanwhile_is_not_overwritten(
    site: Site, alice: User, ivan: User, now: dt.datetime, login: Any
) -> None:
    participant = factories.enrolled(site=site, by=alice, now=now - 20 * DAY)
    plan_infusion(participant=participant, on=timezone.localdate() + 7 * DAY, by=ivan, now=now)
    actions.plan_lymphodepletion(participant=participant, first_on=timezone.localdate(), by=ivan, now=now)
    dose = participant.lymphodepletion_doses.order_by("planned_on", "drug").first()
    path = reverse("admin:participants_participant_enter", args=[participant.pk, "LD1"]) + f"?open=dose-{dose.pk}"
    client = login(alice)
    seen = forms_of(client.get(path))[0]
    LymphodepletionDose.objects.filter(pk=dose.pk).update(change_reason="told by phone")
    answer = client.post(path, {**seen.data, "given_mg": str(dose.planned_mg)})
    assert answer.status_code == 200
    assert "has changed since you opened" in answer.content.decode()
    dose.refresh_from_db()
    assert dose.state == "planned"


# --- Who may --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.MONITOR, Role.PHARMACIST, Role.AUDITOR])
def test_who_only_reads_sees_the_page_and_saves_nothing(d28: Visit, site: Site, login: Any, role: Role) -> None:
    client = login(person("reader", role, site))
    assert client.get(address(d28)).status_code == 200
    assert not forms_of(client.get(address(d28, "CBC")))
    for code, data in (("CBC", {"HGB-value": "112"}), ("CBC", {"_not_done": "1", "not_done_reason": "x"})):
        assert client.post(address(d28, code), data).status_code == 403
    assert client.post(address(d28, "visit"), {"occurred_on": f"{timezone.localdate()}"}).status_code == 403
    assert not counts_of(d28).exists()
    assert not VisitProcedure.objects.exists()


def test_another_site_finds_nothing(d28: Visit, charlie: User, login: Any) -> None:
    client = login(charlie)
    path = reverse("admin:participants_participant_enter", args=[d28.participant_id, "SCR"])
    for one in (address(d28), address(d28, "CBC"), path, f"{path}?open=CBC"):
        assert client.get(one).status_code == 404
        assert client.post(one, {"HGB-value": "112"}).status_code == 404


def test_a_void_participant_is_read_only(d28: Visit, alice: User, dana: User, login: Any, now: dt.datetime) -> None:
    from trialsite.voiding import void

    path = reverse("admin:participants_participant_enter", args=[d28.participant_id, "SCR"])
    void(d28.participant, reason="twice", by=dana, now=now)
    assert login(alice).post(f"{path}?open=CBC", {"HGB-value": "112"}).status_code in (403, 404)


# --- How much it costs ----------------------------------------------------------------------------------


def test_the_page_costs_the_same_with_many_rows(d28: Visit, alice: User, now: dt.datetime, login: Any) -> None:
    client = login(alice)

    def report(hour: int) -> None:
        at = {"taken_at_0": f"{timezone.localdate() - DAY}", "taken_at_1": f"{hour:02}:00"}
        assert save(client, f"{address(d28, 'CBC')}&fragment=1", {"HGB-value": "112", **at}).status_code == 302

    def counted() -> tuple[int, int]:
        found = []
        for path in (address(d28), f"{address(d28, 'CBC')}&fragment=1"):
            with CaptureQueriesContext(connection) as queries:
                client.get(path)
            found.append(len(queries))
        return found[0], found[1]

    report(0)
    # The first look of a day keeps that the name was read.
    counted()
    before = counted()
    for hour in range(1, 6):
        report(hour)
    assert counted() == before
    assert max(before) <= MOST_QUERIES


def test_the_box_of_the_number_asks_only_for_what_begins_as_a_number(alice: User, login: Any) -> None:
    """A name or a phone number that was typed there would stand in an address: `whose.js` compares with this."""
    page = login(alice).get(reverse("admin:participants_examination_add"), {"panel": "CBC"}).content.decode()
    assert 'data-begins="ZJ"' in page
