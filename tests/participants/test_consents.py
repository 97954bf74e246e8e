"""Consent: before every procedure whatever is typed first, again in time, and taken back."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from django.urls import reverse

from demo import results as demo_results
from participants import actions
from participants.actions import consents as consent_actions
from participants.actions import preferences
from participants.models import (
    Consent,
    ConsentWithdrawal,
    DutyReminder,
    Examination,
    Participant,
    ParticipantStatus,
    ProtocolDeviation,
    Reconsent,
)
from participants.rules import consent as rules
from participants.rules.age import LeapDay
from participants.rules.consent import Duty, FormVersion, Given, ReconsentPolicy
from participants.rules.eligibility import Result
from participants.rules.status import Status
from tests import factories
from tests.conftest import person
from trialsite import notifications
from trialsite.models import Notification, NotificationState, Site, User
from trialsite.refusal import Refused
from trialsite.roles import Role
from trialsite.study import ConsentVersion, get_study

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)

# --- the rule --------------------------------------------------------------------------------------

V1, V2, V3 = (
    FormVersion("1.0", dt.date(2025, 7, 19)),
    FormVersion("1.1", dt.date(2026, 2, 1)),
    FormVersion("2.0", dt.date(2026, 3, 1)),
)
ADULT, POLICY = dt.date(1990, 5, 17), ReconsentPolicy(18, 28)
FIRST = Given("1.0", dt.date(2025, 9, 1))


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("given", "today", "expected"),
    [
        pytest.param([], "2026-03-05", [], id="nothing-before-the-first-consent"),
        pytest.param([FIRST], "2026-01-31", [], id="day-before-the-new-version"),
        pytest.param([FIRST], "2026-02-01", [("1.1", "2026-03-01")], id="day-of-the-new-version"),
        pytest.param([FIRST], "2026-03-01", [("2.0", "2026-03-29")], id="only-the-newest-version-is-asked-for"),
        pytest.param([Given("1.1", V2.effective_on)], "2026-02-01", [], id="consented-first-on-that-day"),
    ],
)
def test_a_new_version_is_owed_by_who_consented_before(
    given: list[Given], today: str, expected: list[tuple[str, str]]
) -> None:
    found = rules.duties(given, [V1, V2, V3], ADULT, POLICY, today=day(today))
    assert [(one.version, one.due_on.isoformat()) for one in found] == expected


@pytest.mark.parametrize(
    ("born", "today", "leap_day", "due"),
    [
        pytest.param("2008-03-20", "2026-03-05", LeapDay.MAR_1, None, id="15-days-ahead"),
        pytest.param("2008-03-20", "2026-03-06", LeapDay.MAR_1, "2026-03-20", id="14-days-ahead"),
        pytest.param("2008-03-20", "2026-04-06", LeapDay.MAR_1, "2026-03-20", id="after-the-birthday"),
        pytest.param("2008-02-29", "2026-02-20", LeapDay.MAR_1, "2026-03-01", id="leap-day-1-march"),
        pytest.param("2008-02-29", "2026-02-20", LeapDay.FEB_28, "2026-02-28", id="leap-day-28-february"),
        pytest.param("2007-08-31", "2026-03-05", LeapDay.MAR_1, None, id="consented-first-as-an-adult"),
    ],
)
def test_who_comes_of_age_consents_again(born: str, today: str, leap_day: LeapDay, due: str | None) -> None:
    policy = replace(POLICY, leap_day=leap_day)
    found = rules.duties([FIRST], [V1], day(born), policy, today=day(today))
    assert [one.due_on.isoformat() for one in found] == ([due] if due else [])


@pytest.mark.parametrize(
    ("version", "on", "is_settled"),
    [
        ("1.1", "2026-02-01", True),
        ("1.1", "2026-01-31", False),
        ("1.0", "2026-02-02", False),
    ],
)
def test_what_settles_a_new_version(version: str, on: str, is_settled: bool) -> None:
    duty = Duty(rules.Cause.NEW_VERSION, "1.1", V2.effective_on, day("2026-03-01"))
    assert rules.settles(Given(version, day(on)), duty) == is_settled


@pytest.mark.parametrize(
    ("today", "stage"),
    [
        ("2026-02-28", "open"),
        ("2026-03-01", "due"),
        ("2026-03-07", "due"),
        ("2026-03-08", "overdue-1"),
        ("2026-03-15", "overdue-2"),
    ],
)
def test_a_duty_reminds_on_opening_when_due_and_weekly_after(today: str, stage: str) -> None:
    assert rules.stage(day("2026-03-01"), today=day(today)) == stage


# --- before every procedure ------------------------------------------------------------------------

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


def blood_count(participant: Participant, at: dt.datetime, *, is_study: bool = True) -> Examination:
    return Examination(participant=participant, panel="CBC", taken_at=at, is_study_procedure=is_study)


def record(participant: Participant, at: dt.datetime, by: User, now: dt.datetime, **more: Any) -> Examination:
    examination = blood_count(participant, at, is_study=more.pop("is_study", True))
    rows = [demo_results.answer("PLAT", "150")]
    return actions.record_examination(examination=examination, answers=rows, by=by, now=now, **more)


def consent_of(participant: Participant, at: dt.datetime, version: str = "1.0") -> Consent:
    return Consent(participant=participant, version=version, consented_at=at)


def consent_state(participant: Participant, now: dt.datetime) -> Result:
    return actions.evaluate(participant, now=now).criteria[0].result


def test_a_procedure_typed_after_the_consent_but_done_before_asks_for_a_reason(
    site: Site, alice: User, now: dt.datetime
) -> None:
    participant = factories.consented(site=site, by=alice, now=now - DAY)
    with pytest.raises(Refused, match="Consent comes before"):
        record(participant, now - DAY - HOUR, alice, now)
    record(participant, now - DAY - HOUR, alice, now, deviation_reason="drawn with the ward's blood")
    assert ProtocolDeviation.objects.get(participant=participant).kind == "consent"
    assert consent_state(participant, now) == Result.FAIL


def test_a_consent_typed_after_the_procedure_asks_for_the_same(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.screened(site=site, by=alice, now=now - DAY)
    record(participant, now - 2 * HOUR, alice, now, deviation_reason="the form is on its way")
    consent = consent_of(participant, now - HOUR)
    with pytest.raises(Refused, match="Consent comes before"):
        actions.record_consent(consent=consent, by=alice, now=now)
    actions.record_consent(consent=consent, deviation_reason="form was mislaid", by=alice, now=now)
    assert ProtocolDeviation.objects.get(participant=participant).reason == "form was mislaid"
    assert consent_state(participant, now) == Result.FAIL


def test_a_procedure_without_any_consent_asks_and_is_closed_by_the_consent(
    site: Site, alice: User, now: dt.datetime
) -> None:
    participant = factories.screened(site=site, by=alice, now=now - DAY)
    with pytest.raises(Refused, match=r"no consent of ZJ-S001 is on record\. Record the consent first"):
        record(participant, now - 2 * HOUR, alice, now)
    record(participant, now - 2 * HOUR, alice, now, is_study=False)
    assert not ProtocolDeviation.objects.exists()
    record(participant, now - 2 * HOUR, alice, now, deviation_reason="the form is on its way")
    deviation = ProtocolDeviation.objects.get(participant=participant)
    assert (deviation.reason, deviation.is_open) == ("the form is on its way", True)
    actions.record_consent(consent=consent_of(participant, now - 3 * HOUR), by=alice, now=now)
    deviation.refresh_from_db()
    assert (deviation.is_open, deviation.is_untrue) == (False, True)


def test_a_consent_corrected_to_after_the_procedure_asks_for_the_reason_too(
    site: Site, alice: User, now: dt.datetime
) -> None:
    participant = factories.consented(site=site, by=alice, now=now - DAY)
    record(participant, now - 2 * HOUR, alice, now)
    consent = participant.consents.get()
    consent.consented_at = now - HOUR
    with pytest.raises(Refused, match="Consent comes before"):
        actions.record_consent(consent=consent, by=alice, now=now)


def test_the_same_minute_is_in_time_and_routine_care_needs_no_consent(
    site: Site, alice: User, now: dt.datetime
) -> None:
    participant = factories.consented(site=site, by=alice, now=(now - DAY).replace(second=40))
    record(participant, (now - DAY).replace(second=0), alice, now)
    record(participant, now - 30 * DAY, alice, now, is_study=False)
    assert not ProtocolDeviation.objects.exists()
    assert consent_state(participant, now) == Result.MISSING, "whether the person is willing was not asked yet"


@pytest.mark.parametrize(
    ("guardian", "assent", "message"),
    [
        (None, True, "guardian"),
        (False, True, "guardian"),
        (True, None, "assent"),
        (True, False, "assent"),
        (True, True, ""),
    ],
)
def test_a_minor_needs_the_guardians_consent_and_the_own_assent(
    site: Site, alice: User, now: dt.datetime, guardian: bool | None, assent: bool | None, message: str
) -> None:
    participant = factories.screened(site=site, by=alice, now=now, birth_date=dt.date(2010, 1, 1))
    consent = consent_of(participant, now)
    consent.guardian_consented, consent.participant_assented = guardian, assent
    if message:
        with pytest.raises(Refused, match=message):
            actions.record_consent(consent=consent, by=alice, now=now)
    else:
        actions.record_consent(consent=consent, by=alice, now=now)
        assert consent_state(participant, now) == Result.MISSING


# --- again -------------------------------------------------------------------------------------------


@pytest.fixture
def two_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second version of the form, in force four days before `now`."""
    latest = get_study().latest
    forms = (*latest.consent_versions, ConsentVersion(version="1.1", effective_on=dt.date(2026, 3, 1)))
    changed = latest.model_copy(update={"consent_versions": forms})
    study = replace(get_study(), versions={changed.version: changed})
    for module in ("participants.actions.consents", "participants.models.people", "participants.actions.status"):
        monkeypatch.setattr(f"{module}.get_study", lambda: study)


def test_consents_to_be_renewed_come_as_a_person_wants_them(
    site: Site, alice: User, now: dt.datetime, two_versions: None
) -> None:
    """Once a day together or each by itself, not in quiet hours, to the deputy of whoever is away; and each once."""
    bob, beth = person("bob", Role.COORDINATOR, site), person("beth", Role.COORDINATOR, site)
    preferences.choose_reminders(person=beth, is_single=True, quiet_from=None, quiet_until=None)
    preferences.choose_reminders(person=alice, is_single=False, quiet_from=dt.time(9), quiet_until=dt.time(11))
    people = [factories.consented(site=site, by=alice, now=now - 60 * DAY, name=name) for name in ("李雷", "韩梅")]
    told, today = DutyReminder.objects.filter, actions.site_day(now)
    preferences.plan_absence(person=bob, first_on=today, last_on=today, deputy=beth, now=now)
    for _twice in range(2):
        actions.remind_of_reconsents(now=now)
    assert not told(recipient=alice).exists(), "half past nine is quiet"
    assert not told(recipient=bob).exists(), "beth reads them"
    mails = list(Notification.objects.filter(recipient=beth))
    assert len(mails) == 2, "each by itself"
    assert all("in place of Bob" in mail.body_text for mail in mails)
    later = now + dt.timedelta(hours=2)
    for _twice in range(2):
        actions.remind_of_reconsents(now=later)
    (digest,) = Notification.objects.filter(recipient=alice)
    assert digest.subject == f"To be done, {actions.long_date(today)}: 2 reminders"
    assert all(one.number in digest.body_text and one.number in digest.body_html for one in people)
    assert not [one for one in people if one.name in digest.body_text + digest.body_html]
    assert notifications.still_wanted(digest) is None
    actions.record_consent(consent=consent_of(people[0], now, "1.1"), by=alice, now=later)
    assert notifications.still_wanted(digest) == "no longer due", "one of them is settled: the other is told anew"
    Notification.objects.filter(pk=digest.pk).update(state=NotificationState.CANCELLED, finished_at=later)
    actions.remind_of_reconsents(now=later)
    again = Notification.objects.get(recipient=alice, state=NotificationState.QUEUED)
    assert people[1].number in again.subject


def test_a_new_version_becomes_a_task_is_reminded_of_and_settled(
    site: Site, alice: User, now: dt.datetime, two_versions: None
) -> None:
    participant = factories.consented(site=site, by=alice, now=now - 60 * DAY)
    for _twice in range(2):
        actions.remind_of_reconsents(now=now)
    duty = Reconsent.objects.get(participant=participant)
    assert (duty.cause, duty.version, duty.due_on) == ("new_version", "1.1", dt.date(2026, 3, 29))
    mail = Notification.objects.get(about=f"reconsent:{duty.pk}")
    assert participant.number in mail.subject
    assert participant.name not in mail.body_text + mail.body_html
    actions.record_consent(consent=consent_of(participant, now, "1.1"), by=alice, now=now)
    duty.refresh_from_db()
    mail.refresh_from_db()
    assert (duty.state, mail.state) == ("done", "cancelled")
    assert actions.remind_of_reconsents(now=now) == {"owed": 0, "queued": 0}


def test_a_form_not_yet_in_force_is_refused(site: Site, alice: User, now: dt.datetime, two_versions: None) -> None:
    participant = factories.screened(site=site, by=alice, now=now - 60 * DAY)
    with pytest.raises(Refused, match=r"1\.1"):
        actions.record_consent(consent=consent_of(participant, now - 10 * DAY, "1.1"), by=alice, now=now)


def test_coming_of_age_is_a_task_that_the_same_version_settles(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.consented(site=site, by=alice, now=now - 30 * DAY, birth_date=dt.date(2008, 3, 5))
    actions.remind_of_reconsents(now=now - 3 * DAY)
    duty = Reconsent.objects.get(participant=participant)
    assert (duty.cause, duty.due_on) == ("majority", dt.date(2026, 3, 5))
    actions.record_consent(consent=consent_of(participant, now), by=alice, now=now)
    duty.refresh_from_db()
    assert duty.state == "done"


def test_who_leaves_owes_no_consent(site: Site, alice: User, ivan: User, now: dt.datetime) -> None:
    participant = factories.consented(site=site, by=alice, now=now - 30 * DAY, birth_date=dt.date(2008, 3, 5))
    actions.remind_of_reconsents(now=now)
    actions.change_status(
        participant=participant, new=Status.DIED, on=actions.site_day(now), reason="x", by=ivan, now=now
    )
    assert Reconsent.objects.get(participant=participant).state == "cancelled"
    assert actions.remind_of_reconsents(now=now + DAY) == {"owed": 0, "queued": 0}


# --- taken back --------------------------------------------------------------------------------------


def withdrawal_of(participant: Participant, at: dt.datetime, scope: str) -> ConsentWithdrawal:
    return ConsentWithdrawal(
        participant=participant, withdrawn_at=at, scope=scope, may_keep_samples=False, may_contact=True
    )


@pytest.mark.parametrize(
    ("scope", "status"),
    [("treatment", Status.IN_FOLLOW_UP), ("visits", Status.WITHDRAWN), ("everything", Status.WITHDRAWN)],
)
def test_a_withdrawal_keeps_what_was_recorded(
    site: Site, alice: User, now: dt.datetime, scope: str, status: Status
) -> None:
    participant = factories.infused(site=site, by=alice, now=now, infused_at=now - 40 * DAY)
    actions.change_status(
        participant=participant, new=Status.IN_FOLLOW_UP, on=actions.site_day(now), reason="", by=alice, now=now
    )
    actions.withdraw_consent(withdrawal=withdrawal_of(participant, now, scope), by=alice, now=now)
    participant.refresh_from_db()
    assert participant.status == status
    assert participant.examinations.exists()
    if status == Status.WITHDRAWN:
        assert ParticipantStatus.objects.latest("id").reason_code == "withdrawal_by_subject"


def test_who_withdrew_in_screening_is_not_enrolled(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.confirmed(site=site, by=ivan, now=now)
    actions.withdraw_consent(withdrawal=withdrawal_of(participant, now, "treatment"), by=ivan, now=now)
    with pytest.raises(Refused, match="withdrawn"):
        actions.enrol(participant=participant, by=ivan, now=now)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_withdrawal_lies_between_the_consent_and_now(site: Site, alice: User, now: dt.datetime, hours: int) -> None:
    participant = factories.consented(site=site, by=alice, now=now - HOUR / 2)
    with pytest.raises(Refused):
        actions.withdraw_consent(withdrawal=withdrawal_of(participant, now + hours * HOUR, "visits"), by=alice, now=now)


def test_a_withdrawal_over_the_page(site: Site, alice: User, login: Any, now: dt.datetime) -> None:
    participant = factories.consented(site=site, by=alice, now=now)
    data = {
        "participant": participant.pk,
        "withdrawn_at_0": "2026-03-06",
        "withdrawn_at_1": "10:00",
        "scope": "everything",
        "may_keep_samples": "on",
    }
    response = login(alice).post(reverse("admin:participants_consentwithdrawal_add"), data)
    assert response.status_code == 302
    participant.refresh_from_db()
    assert participant.status == Status.WITHDRAWN


def test_first_procedure_counts_study_procedures_only(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.consented(site=site, by=alice, now=now - DAY)
    record(participant, now - 9 * DAY, alice, now, is_study=False)
    assert consent_actions.first_procedure_at(participant) is None
    record(participant, now - HOUR, alice, now)
    assert consent_actions.first_procedure_at(participant) == now - HOUR
