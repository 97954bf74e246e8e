"""Consistency checks: each finds its contradiction, none finds any in a straightforward record; findings follow."""

import datetime as dt
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from participants.models import Participant, ParticipantStatus
from safety.actions import contradictions
from safety.actions.contradictions import close_finding, find_contradictions, look_again, reopen_finding
from safety.checks import CHECKS, Scope, looking_at
from safety.checks.registry import Found
from safety.checks.words import NAMES, sentence
from safety.models import AdverseEvent, ClosedHow, DataFinding
from safety.tasks import sweep_findings
from tests import factories
from tests.conftest import person
from tests.safety.checkcases import CASES, SILENT, Told, open_codes, straightforward
from trialsite.models import Site, SweepRun, User
from trialsite.refusal import Refused
from trialsite.roles import Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
# Most of what follows is the same for each check.
ONE = ["recovered_without_end"]
TWO = [*ONE, "life_threatening_but_mild"]
NOTHING = {"opened": 0, "closed": 0, "failed": 0}


@pytest.fixture(scope="module")
def record(django_db_setup: None, django_db_blocker: Any) -> Iterator[Told]:
    """Made once; each test takes back what it changes."""
    with django_db_blocker.unblock(), transaction.atomic():
        site = Site.objects.get(code="ZJ")
        now = dt.datetime(2026, 3, 5, 1, 30, tzinfo=dt.UTC)
        yield straightforward(site=site, by=person("author", Role.COORDINATOR, site), now=now)
        transaction.set_rollback(True)


@pytest.fixture
def told(record: Told, db: None) -> Told:
    return record


@contextmanager
def taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def found_by(code: str, told: Told) -> list[Found]:
    return list(CHECKS[code].find(Scope(Participant.objects.standing(), told.now)))


def clock() -> dt.datetime:
    """The database's own, by which rows are marked as changed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: dt.datetime = cursor.fetchone()[0]
    return moment


# --- each check --------------------------------------------------------------------------------------


def test_every_check_has_its_case() -> None:
    assert set(CASES) == set(CHECKS)


def test_each_check_finds_its_contradiction_and_nothing_in_a_straightforward_record(told: Told) -> None:
    """One record, changed and taken back for each of them."""
    wrong, disagreeing = {}, {}
    for code, make in CASES.items():
        if found_by(code, told):
            wrong[code] = "found where nothing is wrong"
        with taken_back():
            since = clock()
            make(told)
            found = found_by(code, told)
            if CHECKS[code] not in looking_at(contradictions._changed(since)):
                wrong[code] = "not looked at after the save that made it"
            rows = {(one.row_model, one.row_id) for one in found}
            if not found or len(rows) != len(found) or {one.participant for one in found} != {told.participant.pk}:
                wrong[code] = f"found {found}"
            disagreeing[code] = {name for one in found for name in one.facts}
            for one in found:
                sentence(one.facts)
    assert wrong == {}
    assert all(disagreeing.values()), "each says what disagrees"
    assert set().union(*disagreeing.values()) == set(NAMES), "no word too many"


def test_nothing_is_found_where_nothing_is_certain(told: Told) -> None:
    wrong = {}
    for name, make in SILENT.items():
        with taken_back():
            make(told)
            if found := [code for code in CHECKS if found_by(code, told)]:
                wrong[name] = found
    assert wrong == {}


def test_an_episode_without_an_event_tells_no_other_grade(told: Told) -> None:
    CASES["episode_without_event"](told)
    assert found_by("episode_grade_differs", told) == []


def test_a_death_that_is_told_everywhere_contradicts_nothing(told: Told) -> None:
    told.dies()
    assert find_contradictions(now=told.now) == NOTHING


def test_a_death_that_the_event_alone_tells_is_listed(told: Told) -> None:
    told.fatal(told.event)
    told.graded(told.now - HOUR, 5)
    find_contradictions(now=told.now)
    assert {"fatal_event_without_death", "grade_5_without_death"} <= open_codes(told).keys()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_check_is_told_in_both_languages(language: str) -> None:
    with translation.override("en"):
        english = {code: (str(one.title), str(one.why), str(one.way_out)) for code, one in CHECKS.items()}
    with translation.override(language):
        said = {code: (str(one.title), str(one.why), str(one.way_out)) for code, one in CHECKS.items()}
        names = {name: str(text) for name, text in NAMES.items()}
    assert all(all(texts) for texts in said.values())
    assert all(len(text) <= 80 for text, _why, _way_out in said.values()), "a title fits into a list"
    if language != "en":
        assert [code for code in said if any(a == b for a, b in zip(said[code], english[code], strict=True))] == []
        assert [name for name, text in names.items() if text.isascii() and name != "ctcae_code"] == []


def test_one_contradiction_costs_as_many_queries_as_fifty(site: Site, told: Told) -> None:
    def cost() -> dict[str, int]:
        found = {}
        for code in CHECKS:
            with CaptureQueriesContext(connection) as captured:
                found_by(code, told)
            found[code] = len(captured)
        return found

    few = cost()
    for number in range(10):
        told.another_event(term=f"Headache {number}", outcome="recovered", is_life_threatening=True)
        told.looked(told.now - DAY, hypotension=False, vasopressors=["dopamine"])
    assert cost() == few
    assert max(few.values()) <= 5


# --- findings follow the data ------------------------------------------------------------------------


def test_a_finding_opens_once_closes_with_the_data_and_opens_anew(told: Told) -> None:
    told.change(outcome="recovered")
    assert find_contradictions(codes=ONE, now=told.now) == {**NOTHING, "opened": 1}
    finding = DataFinding.objects.get()
    assert (finding.code, finding.row_model, finding.row_id) == (
        "recovered_without_end",
        "safety.adverseevent",
        told.event.pk,
    )
    assert finding.facts == {"onset": told.event.onset, "outcome": "recovered"}
    assert (finding.found_at, finding.created_by) == (told.now, told.participant.created_by)
    assert find_contradictions(codes=ONE, now=told.now + DAY) == NOTHING, "a second time"
    told.change(outcome="not_recovered")
    assert find_contradictions(codes=ONE, now=told.now + 2 * DAY) == {**NOTHING, "closed": 1}
    finding.refresh_from_db()
    assert (finding.closed_at, finding.closed_how, finding.gone_at) == (told.now + 2 * DAY, "data", told.now + 2 * DAY)
    assert finding.days_open(told.now + 9 * DAY) == 2
    told.change(outcome="sequelae")
    assert find_contradictions(codes=ONE, now=told.now + 3 * DAY) == {**NOTHING, "opened": 1}
    assert DataFinding.objects.count() == 2, "the first keeps its history"


def test_an_open_finding_tells_what_disagrees_now(told: Told) -> None:
    told.change(outcome="recovered")
    find_contradictions(codes=ONE, now=told.now)
    told.change(outcome="sequelae")
    assert find_contradictions(codes=ONE, now=told.now + DAY) == NOTHING
    finding = DataFinding.objects.get()
    assert (finding.facts["outcome"], finding.found_at) == ("sequelae", told.now)


def test_what_a_person_closed_stays_closed_until_other_facts_disagree(told: Told, dana: User) -> None:
    told.change(outcome="recovered")
    find_contradictions(codes=ONE, now=told.now)
    close_finding(finding=DataFinding.objects.get(), reason="the end is not known", by=dana, now=told.now + HOUR)
    assert find_contradictions(codes=ONE, now=told.now + DAY) == NOTHING
    told.change(outcome="sequelae")
    assert find_contradictions(codes=ONE, now=told.now + 2 * DAY) == {**NOTHING, "opened": 1}
    first, second = DataFinding.objects.order_by("pk")
    assert (first.closed_how, first.closed_by, first.gone_at) == (ClosedHow.PERSON, dana, told.now + 2 * DAY)
    assert second.is_open


def test_what_a_person_closed_comes_back_anew_once_it_was_gone(told: Told, dana: User) -> None:
    told.change(outcome="recovered")
    find_contradictions(codes=ONE, now=told.now)
    close_finding(finding=DataFinding.objects.get(), reason="so it is", by=dana, now=told.now)
    told.change(outcome="not_recovered")
    assert find_contradictions(codes=ONE, now=told.now + DAY) == NOTHING, "it was closed already"
    told.change(outcome="recovered")
    assert find_contradictions(codes=ONE, now=told.now + 2 * DAY) == {**NOTHING, "opened": 1}


def test_closing_needs_a_reason_and_is_done_once(told: Told, dana: User) -> None:
    told.change(outcome="recovered")
    find_contradictions(codes=ONE, now=told.now)
    finding = DataFinding.objects.get()
    with pytest.raises(Refused, match="Say why it is right"):
        close_finding(finding=finding, reason=" ", by=dana, now=told.now)
    with pytest.raises(Refused, match="opened again"):
        reopen_finding(finding=finding, by=dana, now=told.now)
    close_finding(finding=finding, reason="so it is", by=dana, now=told.now)
    with pytest.raises(Refused, match="closed on"):
        close_finding(finding=finding, reason="again", by=dana, now=told.now)
    assert reopen_finding(finding=finding, by=dana, now=told.now).is_open


def test_a_reason_that_names_the_participant_is_refused(told: Told, dana: User) -> None:
    told.change(outcome="recovered")
    find_contradictions(codes=ONE, now=told.now)
    with pytest.raises(Refused, match="name"):
        close_finding(finding=DataFinding.objects.get(), reason="王小明 is well", by=dana, now=told.now)


def test_a_void_row_and_a_void_participant_contradict_nothing(told: Told, dana: User) -> None:
    told.change(outcome="recovered")
    find_contradictions(codes=ONE, now=told.now)
    void = {"voided_at": told.now, "voided_by": dana, "void_reason": "x"}
    with taken_back():
        told.change(**void)
        find_contradictions(codes=ONE, now=told.now)
        assert not DataFinding.objects.open().exists()
    Participant.objects.filter(pk=told.participant.pk).update(**void)
    assert not DataFinding.objects.open().exists()
    assert find_contradictions(codes=ONE, now=told.now) == NOTHING


def test_one_entry_has_one_finding_of_a_check_at_a_time(told: Told) -> None:
    told.change(outcome="recovered")
    find_contradictions(codes=ONE, now=told.now)
    row = DataFinding.objects.get()
    row.pk, row._state.adding = None, True
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


# --- one that fails ----------------------------------------------------------------------------------


def test_a_check_that_fails_is_counted_and_the_others_go_on(told: Told, monkeypatch: Any, caplog: Any) -> None:
    def fails(scope: Scope) -> list[Found]:
        raise ValueError("王小明")

    told.change(outcome="recovered", is_life_threatening=True)
    monkeypatch.setitem(CHECKS, "recovered_without_end", replace(CHECKS["recovered_without_end"], find=fails))
    with caplog.at_level(logging.DEBUG):
        assert find_contradictions(codes=TWO, now=told.now) == {**NOTHING, "opened": 1, "failed": 1}
    assert open_codes(told) == {"life_threatening_but_mild": 1}
    assert f"recovered_without_end of participant:{told.participant.pk}: ValueError" in caplog.text
    assert "王小明" not in caplog.text


def test_a_participant_at_whom_it_fails_does_not_hide_the_others(
    told: Told, site: Site, alice: User, monkeypatch: Any, caplog: Any
) -> None:
    other = factories.screened(site=site, by=alice, now=told.now)
    told.change(outcome="recovered")
    find_contradictions(codes=TWO, now=told.now)
    sound = CHECKS["recovered_without_end"].find

    def fails(scope: Scope) -> Any:
        if scope.people.filter(pk=other.pk).exists():
            raise ValueError
        return sound(scope)

    monkeypatch.setitem(CHECKS, "recovered_without_end", replace(CHECKS["recovered_without_end"], find=fails))
    assert find_contradictions(codes=TWO, now=told.now) == {**NOTHING, "failed": 1}
    assert open_codes(told) == {"recovered_without_end": 1}, "what is open of the others is looked at all the same"
    told.change(outcome="not_recovered")
    assert find_contradictions(codes=TWO, now=told.now) == {**NOTHING, "closed": 1, "failed": 1}


# --- when --------------------------------------------------------------------------------------------


def test_a_save_is_followed_by_the_checks_that_look_at_it_and_at_that_participant_alone(
    told: Told, site: Site, alice: User, monkeypatch: Any
) -> None:
    before = AdverseEvent.objects.get().modified_at
    asked: dict[str, list[int]] = {}
    for code, one in CHECKS.items():

        def find(scope: Scope, code: str = code) -> list[Found]:
            asked[code] = list(scope.people.values_list("pk", flat=True))
            return []

        monkeypatch.setitem(CHECKS, code, replace(one, find=find))
    factories.screened(site=site, by=alice, now=told.now)
    told.change(note="slept well")
    changed = AdverseEvent.objects.get().modified_at
    assert changed > before
    assert look_again(since=changed, now=told.now) == NOTHING
    assert set(asked) == {one.code for one in looking_at({"safety.adverseevent"})}
    assert set(map(tuple, asked.values())) == {(told.participant.pk,)}


def test_the_sweep_looks_at_everything_at_night_and_else_at_what_has_changed(told: Told) -> None:
    told.change(outcome="recovered")
    assert sweep_findings()["opened"] == 1, "never looked before"
    assert SweepRun.objects.get(name=contradictions.NIGHTLY).counts["opened"] == 1
    DataFinding.objects.update(closed_at=told.now, closed_how="data", gone_at=told.now)
    SweepRun.objects.filter(name=contradictions.SWEEP).update(
        counts={contradictions.SEEN_UNTIL: int((timezone.now() + HOUR).timestamp())}
    )
    assert sweep_findings()["opened"] == 0, "nothing was written since"
    told.change(note="seen")
    assert sweep_findings()["opened"] == 1
    SweepRun.objects.filter(name=contradictions.NIGHTLY).update(finished_at=timezone.now() - 2 * DAY)
    told.change(outcome="not_recovered")
    assert sweep_findings()["closed"] == 1
    assert SweepRun.objects.get(name=contradictions.NIGHTLY).counts["closed"] == 1


@pytest.mark.parametrize(
    ("hour", "is_due"), [(1, False), (2, True), (3, True)], ids=["before two", "at two", "after two"]
)
def test_the_night_begins_at_two(hour: int, is_due: bool, now: dt.datetime) -> None:
    two = timezone.localtime(now).replace(hour=2, minute=0, second=0, microsecond=0)
    for name in (contradictions.SWEEP, contradictions.NIGHTLY):
        SweepRun.objects.create(name=name, finished_at=two - HOUR)
    assert contradictions._is_night_due(two.replace(hour=hour)) is is_due


def test_every_form_that_saves_wakes_the_checks(
    told: Told, alice: User, login: Any, django_capture_on_commit_callbacks: Any, monkeypatch: Any
) -> None:
    sent: list[str] = []
    monkeypatch.setattr("trialsite.wake.app.send_task", sent.append)
    page = reverse("admin:participants_participant_status", args=[told.participant.pk])
    typed = {"new": "died", "on": f"{timezone.localdate()}", "reason": "x"}
    # It is shown first which visits that ends.
    seen = login(alice).post(page, typed).context["form"]["changes_seen"].value()
    with django_capture_on_commit_callbacks(execute=True):
        answer = login(alice).post(page, {**typed, "changes_seen": seen})
    assert answer.status_code == 302, answer.content.decode()
    assert ParticipantStatus.objects.filter(status="died").exists()
    assert sent.count(contradictions.TASK) == 1


# --- the page ----------------------------------------------------------------------------------------


@pytest.fixture
def finding(told: Told) -> DataFinding:
    told.change(outcome="recovered")
    find_contradictions(codes=ONE, now=timezone.now() - 8 * DAY)
    return DataFinding.objects.get()


def test_the_list_leads_to_the_entry_and_is_filtered(finding: DataFinding, told: Told, dana: User, login: Any) -> None:
    client, page = login(dana), reverse("admin:safety_datafinding_changelist")
    text = client.get(page).content.decode()
    assert reverse("admin:safety_adverseevent_change", args=[told.event.pk]) in text
    assert "Recovered, but without an end" in text
    for asked, count in (
        ("state=open", 1),
        ("state=person", 0),
        ("state=data", 0),
        ("check=recovered_without_end", 1),
        ("check=event_twice", 0),
        ("age=week", 0),
        ("age=month", 1),
        ("age=older", 0),
        (f"participant__id__exact={told.participant.pk}", 1),
    ):
        assert client.get(f"{page}?{asked}").context["cl"].result_count == count, asked
    of_another = DataFinding.objects.create(
        participant=factories.screened(site=told.participant.site, by=dana, now=told.now),
        code="status_without_infusion",
        row_model="participants.participant",
        row_id=1,
        found_at=told.now,
        created_by=dana,
    )
    answer = client.get(f"{page}?participant__id__exact={of_another.participant_id}")
    assert list(answer.context["cl"].result_list) == [of_another]


def test_a_finding_says_what_disagrees_why_and_what_to_do(finding: DataFinding, dana: User, login: Any) -> None:
    text = login(dana).get(reverse("admin:safety_datafinding_change", args=[finding.pk])).content.decode()
    assert "The outcome says that the event is over; its end is missing." in text
    assert "outcome: recovered" in text
    assert "Give the end, as far as it is known, or correct the outcome." in text


def test_a_data_manager_closes_with_a_reason_and_opens_again(finding: DataFinding, dana: User, login: Any) -> None:
    client = login(dana)
    close, reopen = (reverse(f"admin:safety_datafinding_{page}", args=[finding.pk]) for page in ("close", "reopen"))
    assert client.post(close, {"reason": " "}).status_code == 200
    assert client.post(close, {"reason": "the end is not known"}).status_code == 302
    finding.refresh_from_db()
    assert (finding.closed_how, finding.closed_by, finding.close_reason) == ("person", dana, "the end is not known")
    assert client.post(reopen, {"reason": "by mistake"}).status_code == 302
    finding.refresh_from_db()
    assert finding.is_open


@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.MONITOR, Role.AUDITOR])
def test_others_read_and_close_nothing(role: Role, finding: DataFinding, site: Site, login: Any) -> None:
    client = login(person("reader", role, site))
    assert client.get(reverse("admin:safety_datafinding_change", args=[finding.pk])).status_code == 200
    assert client.post(reverse("admin:safety_datafinding_close", args=[finding.pk]), {"reason": "x"}).status_code == 403


def test_another_site_finds_nothing(finding: DataFinding, charlie: User, login: Any) -> None:
    client = login(charlie)
    assert client.get(reverse("admin:safety_datafinding_change", args=[finding.pk])).status_code == 404
    assert client.get(reverse("admin:safety_datafinding_changelist")).context["cl"].result_count == 0


def test_the_first_page_of_the_data_manager_has_their_number_and_the_oldest(
    finding: DataFinding, told: Told, dana: User, alice: User, login: Any
) -> None:
    told.change(is_life_threatening=True)
    find_contradictions(codes=TWO, now=timezone.now())
    sections = [one for one in login(dana).get("/admin/").context["later"] if one.code == "contradictions"]
    assert [(one.count, one.rows[0].facts, one.rows[0].waited) for one in sections] == [
        (2, ("Recovered, but without an end",), "waiting 8 days")
    ]
    context = login(alice).get("/admin/").context
    shown = [one.code for name in ("urgent", "todays", "later", "stands") for one in context[name]]
    assert "contradictions" not in shown


# --- the command -------------------------------------------------------------------------------------


def test_the_command_prints_counts(told: Told) -> None:
    told.change(outcome="recovered")
    out = io.StringIO()
    call_command("find_inconsistencies", stdout=out)
    assert "     1 recovered_without_end: Recovered, but without an end" in out.getvalue()
    assert "are open." in out.getvalue()
    with pytest.raises(CommandError, match="No check has this name: nonsense"):
        call_command("find_inconsistencies", "nonsense")
