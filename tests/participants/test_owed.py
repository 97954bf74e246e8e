"""What an event changes in what is owed: told before, done by the study's rules, and taken back with its event."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from django.urls import reverse

from participants import actions
from participants.models import Consent, ConsentWithdrawal, Participant, ProtocolDeviation, Visit, VisitState
from participants.rules.owed import Because
from participants.rules.status import Status
from tests import factories
from tests.conftest import Once
from trialsite.models import User
from trialsite.refusal import Refused
from trialsite.study import get_study

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    """Forty days after the infusion: M2 is the next visit, its window opens on Day 53."""
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - 40 * DAY)


def codes(participant: Participant, state: VisitState = VisitState.PLANNED) -> list[str]:
    return list(participant.visits.standing().filter(state=state).values_list("code", flat=True))


def long_term(codes: list[str]) -> list[str]:
    return [code for code in codes if code.startswith("Y")]


def change(participant: Participant, new: Status, on: dt.date, by: User, now: dt.datetime) -> None:
    actions.change_status(participant=participant, new=new, on=on, reason="told by the ward", by=by, now=now)


# --- by the status history --------------------------------------------------------------------------------


def test_a_death_ends_what_is_still_to_come_and_leaves_what_was_missed(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    before = codes(participant)
    change(participant, Status.DIED, now.date(), alice, now)
    assert "D28" in codes(participant), "its window had closed: it was missed before"
    gone = participant.visits.get(code="M2")
    assert (gone.state, gone.released_because, gone.released_on) == ("cancelled", "death", now.date())
    assert gone.why == f"death ({now.date()})"
    actions.void_status(row=participant.statuses.get(status=Status.DIED), reason="another person", by=alice, now=now)
    assert codes(participant) == before
    assert Visit.objects.get(pk=gone.pk).released_on is None


def test_who_is_found_again_owes_what_can_still_be_done(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    change(participant, Status.LOST_TO_FOLLOW_UP, now.date(), alice, now)
    assert not {"M2", "M3"} & set(codes(participant))
    m2 = participant.visits.get(code="M2")
    later = now + (m2.window_closes_on - now.date() + DAY)
    change(participant, Status.IN_FOLLOW_UP, later.date(), alice, later)
    assert "M2" not in codes(participant), "it could have been done only while nobody knew where they were"
    assert "M3" in codes(participant)


def test_who_completes_the_study_goes_on_with_the_long_term(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    change(participant, Status.IN_FOLLOW_UP, now.date() - DAY, alice, now)
    change(participant, Status.COMPLETED, now.date(), alice, now)
    assert long_term(codes(participant))
    assert "M2" not in codes(participant)
    assert Visit.objects.owed().filter(participant=participant, code="Y15").exists()


# --- by what others tell ----------------------------------------------------------------------------------


def test_another_therapy_ends_the_main_study_and_is_told_before(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    before = codes(participant)
    told = actions.preview_release(participant, because=Because.NEW_THERAPY, on=now.date())
    assert codes(participant) == before, "a preview changes nothing"
    changes = actions.release(participant, because="new_therapy", on=now.date(), by=alice, now=now)
    changed = [one.visit.code for one in changes]
    assert told[0] == f"No longer due, new anti-cancer therapy: {', '.join(changed)}."
    assert "M2" in changed
    assert "M24" not in changed, "its target lies after the study's end: it is long-term follow-up"
    assert long_term(codes(participant)) == long_term(before)
    participant.refresh_from_db()
    back = actions.preview_release(participant, because=Because.NEW_THERAPY, on=None)
    assert back == [f"{len(changed)} visits are due again, with their reminders: {', '.join(changed)}."]
    actions.release(participant, because="new_therapy", on=None, by=alice, now=now)
    assert codes(participant) == before


def test_the_day_of_an_event_can_be_corrected(participant: Participant, alice: User, now: dt.datetime) -> None:
    d28 = participant.visits.get(code="D28")
    actions.release(participant, because="new_therapy", on=now.date(), by=alice, now=now)
    assert "D28" in codes(participant)
    actions.release(participant, because="new_therapy", on=d28.window_opens_on - DAY, by=alice, now=now)
    assert "D28" not in codes(participant)
    actions.release(participant, because="new_therapy", on=d28.window_opens_on, by=alice, now=now)
    assert "D28" in codes(participant), "its window was open on the day"


def test_a_relapse_takes_no_visit_and_asks_less_of_those_to_come(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    before = codes(participant)
    told = actions.preview_release(participant, because="relapse", on=now.date())
    (line,) = told
    assert line.startswith("Asked no more at later visits: ")
    assert "MRD" in line
    actions.release(participant, because="relapse", on=now.date(), by=alice, now=now)
    participant.refresh_from_db()
    assert codes(participant) == before
    m3 = participant.visits.get(code="M3")
    happened = actions.happened_to(participant)
    assert "MRD" in actions.asked_of(m3, on=now.date(), happened=happened), "at the visit that finds it"
    assert "MRD" not in actions.asked_of(m3, on=now.date() + DAY, happened=happened)
    assert "RCL" in actions.asked_of(m3, on=now.date() + DAY, happened=happened)


def test_two_events_each_take_back_their_own(participant: Participant, alice: User, now: dt.datetime) -> None:
    before = codes(participant)
    actions.release(participant, because="new_therapy", on=now.date() - DAY, by=alice, now=now)
    participant.refresh_from_db()
    change(participant, Status.DIED, now.date(), alice, now)
    assert participant.visits.get(code="M2").released_because == "new_therapy"
    assert participant.visits.get(code="Y3").released_because == "death"
    died = participant.statuses.get(status=Status.DIED)
    actions.void_status(row=died, reason="another person", by=alice, now=now)
    assert participant.visits.get(code="M2").state == "cancelled"
    assert participant.visits.get(code="Y3").state == "planned"
    actions.release(participant, because="new_therapy", on=None, by=alice, now=now)
    assert codes(participant) == before


@pytest.mark.parametrize("because", ["no_long_term", "new_therapy"])
def test_what_cannot_be_told_is_refused(participant: Participant, alice: User, now: dt.datetime, because: str) -> None:
    with pytest.raises(Refused):
        actions.release(participant, because=because, on=now.date() + DAY, by=alice, now=now)


# --- by the consents -------------------------------------------------------------------------------------


def consent_again(participant: Participant, answer: bool | None, by: User, now: dt.datetime) -> Consent:
    consent = Consent(participant=participant, version="1.0", consented_at=now, long_term_agreed=answer)
    return actions.record_consent(consent=consent, by=by, now=now)


def test_long_term_follow_up_needs_that_nobody_said_no(participant: Participant, alice: User, now: dt.datetime) -> None:
    before = codes(participant)
    assert len(long_term(before)) == 13, "the form of this study includes it"
    refused = consent_again(participant, False, alice, now)
    assert not long_term(codes(participant))
    assert "M2" in codes(participant)
    assert participant.visits.get(code="Y3").get_released_because_display() == "no consent to long-term follow-up"
    consent_again(participant, True, alice, now + DAY)
    assert codes(participant) == before
    actions.void_consent(consent=participant.consents.latest("id"), reason="typed twice", by=alice, now=now + DAY)
    assert not long_term(codes(participant))
    actions.void_consent(consent=refused, reason="typed twice", by=alice, now=now + DAY)
    assert codes(participant) == before


def withdraw(participant: Participant, by: User, now: dt.datetime, scope: str, *, may_contact: bool) -> None:
    row = ConsentWithdrawal(
        participant=participant, withdrawn_at=now, scope=scope, may_keep_samples=True, may_contact=may_contact
    )
    actions.withdraw_consent(withdrawal=row, by=by, now=now)


@pytest.mark.parametrize(
    ("scope", "may_contact", "calls"),
    [("visits", True, 10), ("visits", False, 0), ("everything", True, 0)],
    ids=["and-may-be-called", "and-may-not", "takes-back-everything"],
)
def test_whoever_withdrew_is_called_at_the_yearly_times_where_they_allow_it(
    participant: Participant, alice: User, now: dt.datetime, scope: str, may_contact: bool, calls: int
) -> None:
    withdraw(participant, alice, now, scope, may_contact=may_contact)
    owed = list(Visit.objects.owed().filter(participant=participant).values_list("code", flat=True))
    assert owed == [f"Y{year}" for year in range(6, 16)][:calls]
    actions.void_withdrawal(withdrawal=participant.withdrawals.get(), reason="another person", by=alice, now=now)
    assert {"M2", "Y3", "Y15"} <= set(codes(participant))


def test_a_status_alone_lets_nobody_call(participant: Participant, alice: User, now: dt.datetime) -> None:
    change(participant, Status.WITHDRAWN, now.date(), alice, now)
    assert not Visit.objects.owed().filter(participant=participant).exists()


def test_a_study_that_ends_with_its_last_day_owes_nothing_of_the_main_study_beyond(
    participant: Participant, alice: User, now: dt.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "M24" in codes(participant), "its target lies after the end: it goes on as long-term follow-up"
    study = get_study()
    policy = study.latest.policy.model_copy(update={"visits_after_study_end": "drop"})
    changed = study.latest.model_copy(update={"policy": policy})
    dropping = replace(study, versions={changed.version: changed})
    monkeypatch.setattr("participants.actions.owed.get_study", lambda: dropping)
    actions.keep_owed(participant, now=now)
    m24 = participant.visits.get(code="M24")
    assert (m24.state, m24.why) == ("cancelled", "after the end of the study (2027-08-19)")
    assert {"M12", "Y3", "Y15"} <= set(codes(participant))


def test_who_may_not_be_asked_any_more_is_not_followed_in_the_long_term(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    withdrawal = ConsentWithdrawal(
        participant=participant, withdrawn_at=now, scope="treatment", may_keep_samples=True, may_contact=False
    )
    actions.withdraw_consent(withdrawal=withdrawal, by=alice, now=now)
    assert "M2" in codes(participant)
    assert not long_term(codes(participant))


# --- what a person says of a visit --------------------------------------------------------------------------


def test_a_visit_that_a_person_set_aside_stays_so(participant: Participant, alice: User, now: dt.datetime) -> None:
    visit = participant.visits.get(code="M2")
    visit.state = VisitState.CANCELLED
    with pytest.raises(Refused, match="Say why M2 does not apply"):
        actions.record_visit(visit=visit, by=alice, now=now)
    visit.not_done_reason = "transplanted elsewhere"
    actions.record_visit(visit=visit, by=alice, now=now)
    change(participant, Status.LOST_TO_FOLLOW_UP, now.date(), alice, now)
    actions.void_status(row=participant.statuses.latest("id"), reason="was there", by=alice, now=now)
    visit.refresh_from_db()
    assert (visit.state, visit.why) == ("cancelled", "transplanted elsewhere")


def test_partly_done_has_its_day_its_reason_and_its_window(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    visit = participant.visits.get(code="D28")
    visit.state, visit.occurred_on = VisitState.PARTLY, visit.window_closes_on + DAY
    visit.not_done_reason = "no marrow: platelets too low"
    with pytest.raises(Refused, match="1 day late"):
        actions.record_visit(visit=visit, by=alice, now=now)
    actions.record_visit(visit=visit, deviation_reason="was at home", by=alice, now=now)
    deviation = ProtocolDeviation.objects.standing().get(about=f"visit:{visit.pk}")
    assert (deviation.kind, deviation.reason) == ("visit_window", "was at home")
    participant.refresh_from_db()
    assert participant.status == Status.IN_FOLLOW_UP, "it took place"


@pytest.mark.parametrize(("code", "is_refused"), [("D28", True), ("Y6", False)])
def test_a_call_is_a_visit_where_the_file_says_so(
    participant: Participant, alice: User, now: dt.datetime, code: str, is_refused: bool
) -> None:
    visit = participant.visits.get(code=code)
    later = now + (max(visit.target_date - now.date(), dt.timedelta()))
    visit.state, visit.contact, visit.occurred_on = VisitState.DONE, "telephone", visit.target_date
    if is_refused:
        with pytest.raises(Refused, match="asks for a visit at the site"):
            actions.record_visit(visit=visit, by=alice, now=later)
        visit.state, visit.not_done_reason = VisitState.PARTLY, "only by telephone"
    actions.record_visit(visit=visit, by=alice, now=later)


# --- beside the schedule ------------------------------------------------------------------------------------


def test_a_visit_beside_the_schedule_has_a_number_of_its_own(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    first = actions.record_unscheduled(participant=participant, on=now.date(), reason="fever", by=alice, now=now)
    assert (first.code, first.target_day, first.title) == ("U01", 40, "Unscheduled visit")
    before = codes(participant)
    assert actions.void_visit(visit=first, reason="another participant", by=alice, now=now) is None
    assert codes(participant) == before, "nobody waits for it"
    again = actions.record_unscheduled(participant=participant, on=now.date(), reason="fever", by=alice, now=now)
    assert again.code == "U02"
    participant.refresh_from_db()
    assert participant.status == Status.INFUSED, "it opens no follow-up"


def test_a_visit_beside_the_schedule_cannot_be_before_the_infusion_or_to_come(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    for day, why in ((now.date() - 41 * DAY, "not after an infusion"), (now.date() + DAY, "in the future")):
        with pytest.raises(Refused, match=why):
            actions.record_unscheduled(participant=participant, on=day, reason="fever", by=alice, now=now)


# --- on the pages -------------------------------------------------------------------------------------------


def test_an_unscheduled_visit_is_recorded_on_the_participants_page(
    participant: Participant, alice: User, now: dt.datetime, login: Any
) -> None:
    client = login(alice)
    address = reverse("admin:participants_participant_unscheduled", args=[participant.pk])
    typed = {"on": f"{now:%Y-%m-%d}", "contact": "site", "reason": "fever at home"}
    assert client.post(address, typed).status_code == 302
    visit = participant.visits.get(code="U01")
    page = client.get(reverse("admin:participants_visit_enter", args=[visit.pk])).content.decode()
    assert "Everything that this visit asks is recorded." in page, "it asks for nothing, and offers what it may need"
    assert "Blood count" in page
