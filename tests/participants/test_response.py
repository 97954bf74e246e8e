"""Response and survival as rows: what is refused and asked, what the status learns, and what the study shows."""

import csv
import datetime as dt
import io
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from participants import actions, bcells, courses, efficacy, survivalpicture
from participants.actions.measurements import prepared
from participants.models import (
    DiseaseAssessment,
    Examination,
    Measurement,
    Participant,
    SubsequentTherapy,
    SurvivalContact,
    VisitState,
)
from participants.questions import questions_of
from participants.rules.endpoints import Endpoint, Subsequent, Time, kaplan_meier, outcome
from participants.rules.response import Mrd, Response
from participants.rules.status import Status
from tests import factories
from tests.conftest import Once
from tests.forms import forms_of
from trialsite.firstpage import read_page
from trialsite.models import ListExport, User
from trialsite.refusal import Refused
from trialsite.sentences import joined

DAY = dt.timedelta(days=1)
AGO = 200


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> dict[str, Any]:
    """Infused two hundred days ago."""
    with translation.override("en"):
        one = factories.infused(site=once.site, by=once.ivan, now=now, infused_at=now - AGO * DAY)
    return {"participant": one}


@pytest.fixture
def participant(made: dict[str, Any]) -> Participant:
    return Participant.objects.get(pk=made["participant"].pk)


def day(now: dt.datetime, number: int) -> dt.date:
    """The date of a trial day."""
    return actions.site_day(now) - (AGO - number) * DAY


def assessment(participant: Participant, on: dt.date | str, **facts: Any) -> DiseaseAssessment:
    """A remission with recovered blood and negative MRD, not yet saved."""
    found = {
        "marrow": "done",
        "marrow_blasts": Decimal(1),
        "blood_blasts": "absent",
        "extramedullary": "absent",
        "anc": Decimal("1.8"),
        "platelets": Decimal(150),
        "transfusion": "no",
        "mrd": "not_detected",
        "mrd_method": "flow",
        "mrd_sensitivity": Decimal("0.01"),
    }
    return DiseaseAssessment(participant=participant, assessed_on=str(on), **{**found, **facts})


def contact(participant: Participant, on: dt.date, vital: str = "no_answer", **facts: Any) -> SurvivalContact:
    answered = {} if vital == "no_answer" else {"answered_by": "family"}
    return SurvivalContact(
        participant=participant, contacted_on=on, means="phone", vital=vital, **{**answered, **facts}
    )


def asked(row: Any, by: User, now: dt.datetime) -> dict[str, Any]:
    return {one.code: one for one in questions_of(row, changed=None, by=by, now=now)}


# --- Assessments -----------------------------------------------------------------------------------------


def test_the_response_is_computed_from_findings_whenever_it_is_read(
    participant: Participant, ivan: User, now: dt.datetime
) -> None:
    row = actions.record_assessment(row=assessment(participant, day(now, 28)), by=ivan, now=now)
    judged = courses.judge(row)
    assert (judged.response, judged.assessed.mrd) == (Response.CR, Mrd.NEGATIVE)
    row.platelets = Decimal(60)
    actions.record_assessment(row=row, by=ivan, now=now)
    assert courses.judge(row).response is Response.CRH


def test_counts_that_are_not_typed_come_from_the_nearest_blood_report(
    participant: Participant, ivan: User, now: dt.datetime
) -> None:
    """Within the days of the study file: seven; the typed count goes before any report."""
    row = assessment(participant, day(now, 60), anc=None, platelets=None)
    at = now - (AGO - 60) * DAY
    assert courses.judge(row).response is Response.NOT_EVALUABLE
    reported(participant, ivan, at - 8 * DAY, now, NEUT="1.5", PLAT="200")
    assert courses.judge(row).response is Response.NOT_EVALUABLE
    reported(participant, ivan, at + 7 * DAY, now, NEUT="1.5", PLAT="60")
    assert courses.judge(row).response is Response.CRH
    reported(participant, ivan, at - 3 * DAY, now, NEUT="0.2", PLAT="60")
    judged = courses.judge(row)
    assert judged.response is Response.CRI
    assert set(judged.counted_on.values()) == {day(now, 57)}
    row.anc = Decimal("2.0")
    assert courses.judge(row).response is Response.CRH


def reported(participant: Participant, by: User, at: dt.datetime, now: dt.datetime, **values: str) -> None:
    """A report of the laboratory with these values."""
    panel = "IMMUNE" if "BCELL_PCT" in values else "CBC"
    examination = Examination(participant=participant, panel=panel, taken_at=at, created_by=by, created_at=now)
    examination.save()
    units = {"BCELL_PCT": "%"}
    answers = [
        Measurement(code=code, value=Decimal(value), unit=units.get(code, "10^9/L")) for code, value in values.items()
    ]
    Measurement.objects.bulk_create(prepared(examination, answers, by=by, now=now))


@pytest.mark.usefixtures("english")
def test_a_view_that_differs_from_the_rule_is_asked_about(
    participant: Participant, ivan: User, now: dt.datetime
) -> None:
    row = assessment(participant, day(now, 28), stated_response="CRi")
    found = asked(row, ivan, now)
    assert "CR, complete remission" in found["response_differs"].sentence
    assert courses.judge(row).response is Response.CRI
    row.stated_response = "CR"
    assert not asked(row, ivan, now)


@pytest.mark.usefixtures("english")
def test_a_relapse_changes_the_status_once_somebody_says_who_judged_it(
    participant: Participant, ivan: User, now: dt.datetime
) -> None:
    row = assessment(participant, day(now, 150), marrow_blasts=Decimal(30), mrd="not_done", mrd_method="")
    row.mrd_sensitivity = None
    found = asked(row, ivan, now)
    assert "becomes “relapsed” since" in found["relapse"].sentence
    actions.record_assessment(row=row, by=ivan, now=now)
    found["relapse"].keep(reason="Dr Li read the marrow", by=ivan, now=now)
    assert actions.history_of(participant)[-1].status == Status.RELAPSED
    assert actions.history_of(participant)[-1].effective_on == day(now, 150)
    participant.refresh_from_db()
    assert not asked(assessment(participant, day(now, 160), blood_blasts="present"), ivan, now), "it is known"
    lines = actions.response_consequences(row).follows
    assert any("stays" in line for line in lines)


def test_a_relapse_before_the_cells_is_history(participant: Participant, ivan: User, now: dt.datetime) -> None:
    row = assessment(participant, day(now, -400), blood_blasts="present")
    assert "relapse" not in asked(row, ivan, now)
    actions.record_assessment(row=row, by=ivan, now=now)
    assert courses.history_of(participant).relapsed_on is None
    actions.record_assessment(row=assessment(participant, day(now, 0), blood_blasts="present"), by=ivan, now=now)
    assert courses.history_of(participant).relapsed_on == day(now, 0)


def test_a_relapse_of_a_month_leaves_the_day_of_the_status_to_people(
    participant: Participant, ivan: User, now: dt.datetime
) -> None:
    row = assessment(participant, f"{day(now, 150):%Y-%m}", marrow_blasts=Decimal(30))
    assert "relapse" not in asked(row, ivan, now)
    actions.record_assessment(row=row, by=ivan, now=now)
    assert courses.history_of(participant).relapsed_on == day(now, 150).replace(day=1)


# --- Later therapies and the endpoints -------------------------------------------------------------------


def therapy(participant: Participant, on: dt.date | str, **facts: Any) -> SubsequentTherapy:
    values = {"kind": "allo_hsct", "reason": "consolidation", **facts}
    return SubsequentTherapy(participant=participant, started_on=str(on), **values)


@pytest.mark.usefixtures("english")
def test_a_therapy_ends_after_it_began_and_begins_after_the_infusion(
    participant: Participant, ivan: User, now: dt.datetime
) -> None:
    with pytest.raises(Refused, match="before it began"):
        actions.record_therapy(row=therapy(participant, day(now, 90), ended_on=str(day(now, 89))), by=ivan, now=now)
    with pytest.raises(Refused, match="Record it as medication"):
        actions.record_therapy(row=therapy(participant, day(now, -1)), by=ivan, now=now)
    actions.record_therapy(row=therapy(participant, day(now, 0)), by=ivan, now=now)
    # A month that holds the infusion may lie after it.
    actions.record_therapy(row=therapy(participant, f"{day(now, 0):%Y-%m}", kind="dli"), by=ivan, now=now)


def test_relapse_free_survival_is_read_both_ways(participant: Participant, ivan: User, now: dt.datetime) -> None:
    for number in (28, 90):
        actions.record_assessment(row=assessment(participant, day(now, number)), by=ivan, now=now)
    actions.record_therapy(row=therapy(participant, day(now, 105)), by=ivan, now=now)
    late = assessment(participant, day(now, 170), blood_blasts="present")
    actions.record_assessment(row=late, by=ivan, now=now)
    course = courses.history_of(participant).course
    assert course is not None
    found = {how: outcome(course, Endpoint.RFS, how) for how in Subsequent}
    assert (found[Subsequent.CENSOR].is_event, found[Subsequent.CENSOR].days) == (False, 90)
    assert (found[Subsequent.IGNORE].is_event, found[Subsequent.IGNORE].days) == (True, 170)
    assert (found[Subsequent.EVENT].is_event, found[Subsequent.EVENT].days) == (True, 105)
    actions.void_response(row=late, reason="another participant's", by=ivan, now=now)
    course = courses.history_of(participant).course
    assert course is not None
    assert outcome(course, Endpoint.RFS, Subsequent.IGNORE).days == 90


def test_the_visits_are_told_of_the_first_relapse_and_therapy(
    participant: Participant, ivan: User, now: dt.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One place tells them, again after each change; None once it did not happen."""
    told: dict[str, dt.date | None] = {}

    def keep(participant: Participant, *, because: str, on: dt.date | None, by: User, now: dt.datetime) -> None:
        told[because] = on

    monkeypatch.setattr("participants.actions.response.tell_visits", keep)
    row = actions.record_therapy(row=therapy(participant, day(now, 105)), by=ivan, now=now)
    assert told == {"relapse": None, "new_therapy": day(now, 105)}
    actions.void_response(row=row, reason="slip", by=ivan, now=now)
    assert told == {"relapse": None, "new_therapy": None}


# --- Contacts, death and loss ----------------------------------------------------------------------------


@pytest.mark.usefixtures("english")
def test_nobody_can_tell_of_what_comes_later(participant: Participant, ivan: User, now: dt.datetime) -> None:
    on = day(now, 120)
    with pytest.raises(Refused, match="nobody could tell"):
        actions.record_contact(row=contact(participant, on, "alive", last_alive_on=str(on + DAY)), by=ivan, now=now)
    actions.record_contact(row=contact(participant, on, "alive", last_alive_on=str(on)), by=ivan, now=now)
    assert courses.history_of(participant).last_alive_on == on
    with pytest.raises(Refused, match="cannot both be"):
        actions.check_contact(contact(participant, on, "dead", last_alive_on=str(on), died_on=str(on - DAY)))


@pytest.mark.usefixtures("english")
def test_a_death_that_a_contact_learnt_becomes_the_status(
    participant: Participant, ivan: User, now: dt.datetime
) -> None:
    row = contact(participant, day(now, 180), "dead", died_on=str(day(now, 175)))
    question = asked(row, ivan, now)["death_not_in_status"]
    assert "It becomes “died” since that day" in question.sentence
    actions.record_contact(row=row, by=ivan, now=now)
    course = courses.history_of(participant).course
    assert course is not None
    assert course.died_on == day(now, 175), "also before the status follows"
    question.keep(reason="death certificate", by=ivan, now=now)
    participant.refresh_from_db()
    assert participant.status == Status.DIED
    assert not asked(row, ivan, now)
    other = contact(participant, day(now, 190), "dead", died_on=str(day(now, 176)))
    assert "by the status on" in asked(other, ivan, now)["death_on_another_day"].sentence
    alive = contact(participant, day(now, 190), "alive", last_alive_on=str(day(now, 185)))
    assert "after_death" in asked(alive, ivan, now)


@pytest.mark.usefixtures("english")
def test_a_death_without_its_day_waits_for_it(participant: Participant, ivan: User, now: dt.datetime) -> None:
    row = contact(participant, day(now, 180), "dead", died_on=f"{day(now, 150):%Y-%m}")
    question = asked(row, ivan, now)["death_not_in_status"]
    assert "once the day is known" in question.sentence
    assert question.keep is None


def test_so_many_failed_attempts_over_so_many_days_are_a_loss(
    participant: Participant, ivan: User, now: dt.datetime
) -> None:
    """The study file: three on different days, over ninety."""
    for number in (110, 150, 199):
        actions.record_contact(row=contact(participant, day(now, number)), by=ivan, now=now)
    assert courses.history_of(participant).loss_on is None, "89 days"
    actions.record_contact(row=contact(participant, day(now, 200)), by=ivan, now=now)
    assert courses.history_of(participant).loss_on == day(now, 200)
    answered = contact(participant, day(now, 130), "alive", last_alive_on=str(day(now, 130)))
    actions.record_contact(row=answered, by=ivan, now=now)
    assert courses.history_of(participant).silence.days == 3
    assert courses.history_of(participant).loss_on is None


@pytest.mark.usefixtures("english")
def test_a_loss_goes_from_its_attempts_to_the_status_and_back_in_one_step(
    participant: Participant, alice: User, ivan: User, login: Any, now: dt.datetime
) -> None:
    client, address = login(alice), reverse("admin:participants_participant_lost", args=[participant.pk])
    assert client.get(address).status_code == 302, "nobody has tried yet"
    for number in (100, 150, 190, 195):
        actions.record_contact(row=contact(participant, day(now, number)), by=ivan, now=now)
    page = client.get(reverse("admin:participants_participant_page", args=[participant.pk])).content.decode()
    assert "Nobody answered on 4 days within 95 days" in page
    assert address in page
    assert address in [row.link.split("?")[0] for row in lines_of_today(alice, now, "lost")]
    shown = client.get(address)
    told = shown.content.decode()
    assert f"{actions.long_date(day(now, 150))}, telephone: nobody answered." in told
    assert "No longer due, lost to follow-up: " in told
    assert client.post(address, forms_of(shown)[0].data).status_code == 302
    row = participant.statuses.latest("pk")
    assert (row.status, row.effective_on) == (Status.LOST_TO_FOLLOW_UP, day(now, 190)), "the attempt that made it one"
    assert row.reason.count("nobody answered") == 4
    gone = participant.visits.filter(released_because="lost")
    assert gone.exists()
    assert not lines_of_today(alice, now, "lost")
    actions.void_status(row=row, reason="answered today", by=alice, now=now)
    assert not gone.exists()


@pytest.mark.usefixtures("english")
def test_whoever_was_seen_since_is_not_lost(
    participant: Participant, alice: User, ivan: User, login: Any, now: dt.datetime
) -> None:
    for number in (95, 150, 190):
        actions.record_contact(row=contact(participant, day(now, number)), by=ivan, now=now)
    assert lines_of_today(alice, now, "lost")
    actions.record_assessment(row=assessment(participant, day(now, 160)), by=ivan, now=now)
    assert not lines_of_today(alice, now, "lost")
    page = login(alice).get(reverse("admin:participants_participant_page", args=[participant.pk])).content.decode()
    assert "Nobody answered" not in page
    with pytest.raises(Refused, match="not lost"):
        actions.note_loss(participant, reason="nobody answers", by=alice, now=now)


def lines_of_today(user: User, now: dt.datetime, code: str) -> list[Any]:
    found = [one for one in read_page(user, now=now).sections if one.code == code]
    return list(found[0].rows) if found else []


@pytest.mark.usefixtures("english")
@pytest.mark.parametrize(
    ("on", "is_owed"),
    [("", True), ("opens", False), ("closes", False), ("before", True), ("after", True), ("month", False)],
)
def test_a_visit_that_was_done_without_its_assessment_is_owed_one(
    participant: Participant, alice: User, now: dt.datetime, on: str, is_owed: bool
) -> None:
    m6 = participant.visits.get(code="M6")
    m6.state, m6.occurred_on = VisitState.DONE, m6.window_opens_on
    actions.record_visit(visit=m6, by=alice, now=now)
    days = {
        "opens": m6.window_opens_on,
        "closes": m6.window_closes_on,
        "before": m6.window_opens_on - DAY,
        "after": m6.window_closes_on + DAY,
        "month": f"{m6.occurred_on:%Y-%m}",
    }
    if on:
        actions.record_assessment(row=assessment(participant, days[on]), by=alice, now=now)
    rows = lines_of_today(alice, now, "unassessed")
    assert [row.label for row in rows] == ([f"{participant.number} · M6"] if is_owed else [])


# --- B cells -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("english")
def test_b_cell_aplasia_by_the_laboratory(participant: Participant, ivan: User, now: dt.datetime) -> None:
    for number, share in ((28, "0.1"), (90, "2.9")):
        reported(participant, ivan, now - (AGO - number) * DAY, now, BCELL_PCT=share)
    (line,) = bcells.lines(participant)
    assert line.words == f"B-cell aplasia since {day(now, 28)}"
    reported(participant, ivan, now - 20 * DAY, now, BCELL_PCT="3")
    (line,) = bcells.lines(participant)
    assert line.words == f"B cells came back, seen on {day(now, 180)}"


# --- What the study shows --------------------------------------------------------------------------------


def test_the_page_and_its_files_tell_the_same(
    participant: Participant, alice: User, ivan: User, client: Client, now: dt.datetime
) -> None:
    for number in (28, 90):
        actions.record_assessment(row=assessment(participant, day(now, number)), by=ivan, now=now)
    client.force_login(alice)
    address = reverse("admin:participants_diseaseassessment_efficacy")
    shown = client.get(address).content.decode()
    assert "1 participant was infused" in shown
    for words in ("Overall survival (OS)", "Cumulative incidence of relapse", "At risk", "dashed"):
        assert words in shown
    assert participant.name not in shown
    file = client.get(f"{address}times/")
    rows = list(csv.DictReader(io.StringIO(b"".join(file).decode("utf-8-sig"))))  # type: ignore[arg-type]
    assert {(row["participant"], row["endpoint"], row["event"], row["days"]) for row in rows} >= {
        (participant.number, "RFS", "no", "90"),
    }
    assert ListExport.objects.latest("pk").model == "participants.DiseaseAssessment"
    assert b"<svg" in client.get(f"{address}rfs/").content
    assert client.get(f"{address}nonsense/").status_code == 404


def test_the_response_stands_at_its_visit(participant: Participant, ivan: User, now: dt.datetime) -> None:
    actions.record_assessment(row=assessment(participant, day(now, 28)), by=ivan, now=now)
    actions.record_assessment(row=assessment(participant, day(now, 45)), by=ivan, now=now)
    rows = {row.code: row for row in efficacy.of_sites([participant.site]).visits}
    assert rows["D28"].responses == {Response.CR: 1}
    assert rows[efficacy.BETWEEN].assessed == 1


def test_more_participants_ask_no_more_queries(
    participant: Participant, ivan: User, now: dt.datetime, django_assert_num_queries: Any
) -> None:
    row = actions.record_assessment(row=assessment(participant, day(now, 28)), by=ivan, now=now)
    with translation.override("en"):
        other = factories.infused(site=participant.site, by=ivan, now=now, infused_at=now - 90 * DAY, name="李雷")
    for copy in (assessment(other, day(now, 150)), assessment(other, day(now, 180))):
        actions.record_assessment(row=copy, by=ivan, now=now)
    sites = [row.participant.site]
    with django_assert_num_queries(9):
        found = efficacy.of_sites(sites)
    assert found.infused == 2
    with django_assert_num_queries(0):
        assert all(survivalpicture.picture(plot).curves for plot in found.plots)


def test_nobody_sees_the_efficacy_of_another_site(participant: Participant, charlie: User, client: Client) -> None:
    client.force_login(charlie)
    address = reverse("admin:participants_diseaseassessment_efficacy")
    assert participant.number not in b"".join(client.get(f"{address}times/")).decode()  # type: ignore[arg-type]
    assert client.get(f"{address}?site={participant.site.code}").status_code == 404


def test_no_curve_is_told_from_another_by_its_colour() -> None:
    """The second is dashed, each has its number, its marks of censoring and its line of those at risk."""
    times = [Time(30, True, "relapse"), Time(200, False), Time(400, False)]
    lines = tuple(efficacy.Line(name, name, kaplan_meier(times)) for name in ("one", "other"))
    with translation.override("en"):
        drawn = survivalpicture.picture(efficacy.Plot("rfs", "RFS", lines))
    first, second = drawn.curves
    assert (first.is_dashed, second.is_dashed) == (False, True)
    assert [one.words for one in (first.end, second.end)] == ["(1)", "(2)"]
    assert first.end.y != second.end.y
    assert first.marks.count("M") == 2
    assert [one.words for one in first.at_risk][:3] == ["3", "2", "2"]
    assert "one: 1 events of 3" in drawn.description
    nobody = survivalpicture.picture(efficacy.Plot("os", "OS", (efficacy.Line("os", "OS", kaplan_meier([])),)))
    assert nobody.curves[0].path.startswith("M56.0")


@pytest.mark.parametrize(("language", "text"), [("en", "A. B."), ("zh-hans", "A.B.")])
def test_sentences_follow_each_other_as_the_language_sets_them(language: str, text: str) -> None:
    with translation.override(language):
        assert joined(["A.", "", "B."]) == text
