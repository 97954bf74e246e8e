"""Safety alerts: who is told of what, once; what settles them; who answers; what is overdue at the bedside."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from dosing.actions import infuse
from dosing.models import Infusion
from participants import actions as participants
from participants.models import Participant
from participants.rules.status import Status
from safety import actions, alertlist, tasks
from safety.models import (
    AlertKind,
    AlertState,
    Discharge,
    OnCallShift,
    SafetyAlert,
    Scale,
    SettledBy,
    ToxicityAssessment,
)
from safety.rules.rounds import State
from tests import factories
from tests.conftest import Once, person
from trialsite import firstpage, notifications, waiting
from trialsite.models import Language, Notification, NotificationState, Site, SweepRun, User
from trialsite.recordadmin import void
from trialsite.refusal import Refused
from trialsite.roles import Role

pytestmark = pytest.mark.django_db
SECOND = dt.timedelta(seconds=1)
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
SECRETS = ("王小明", "13800000000", "1990")
Grades = Callable[..., ToxicityAssessment]


def warn(row: ToxicityAssessment, *, now: dt.datetime) -> list[SafetyAlert]:
    """As after every assessment: settle what it answers, then warn of what it shows."""
    actions.settle_alerts(participant=row.participant, now=now)
    return actions.warn_after(row, now=now)


@pytest.fixture(scope="module")
def start(now: dt.datetime) -> dt.datetime:
    """The infusion: 5 March, 09:30 in Guangzhou."""
    return now


@pytest.fixture(scope="module")
def made(once: Once, start: dt.datetime) -> Participant:
    return factories.infused(site=once.site, by=once.alice, now=start)


@pytest.fixture
def graded(participant: Participant, alice: User) -> Grades:
    """A saved assessment with this grade, before anybody is warned of it."""

    def save(grade: int | None, at: dt.datetime, *, scale: Scale = Scale.CRS, **more: Any) -> ToxicityAssessment:
        return ToxicityAssessment.objects.create(
            participant=participant,
            toxicity=scale,
            scale="ASTCT 2019",
            assessed_at=at,
            findings={},
            grade=grade,
            created_by=alice,
            created_at=at,
            **more,
        )

    return save


@pytest.fixture
def both(graded: Grades) -> Callable[[dt.datetime], None]:
    """Both toxicities assessed at this moment, grade 0."""

    def save(at: dt.datetime) -> None:
        for scale in Scale:
            warn(graded(0, at, scale=scale), now=at)

    return save


def on_call(who: User, site: Site, starts_at: dt.datetime, ends_at: dt.datetime) -> OnCallShift:
    shift = OnCallShift(site=site, person=who, starts_at=starts_at, ends_at=ends_at)
    return actions.plan_shift(shift=shift, by=who, now=starts_at)


def told() -> list[tuple[str, str]]:
    """Who gets which message, in the order of the keys."""
    rows = Notification.objects.order_by("recipient__username", "id")
    return [(row.recipient.username, row.dedupe_key.rpartition(":")[0]) for row in rows]


def kinds() -> list[str]:
    return [alert.kind for alert in SafetyAlert.objects.order_by("id")]


# --- who is told ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "is_on_call"),
    [
        pytest.param(-SECOND, False, id="a-second-before"),
        pytest.param(0 * SECOND, True, id="at-the-start"),
        pytest.param(8 * HOUR - SECOND, True, id="last-second"),
        pytest.param(8 * HOUR, False, id="at-the-end"),
    ],
)
def test_a_shift_covers_its_start_and_not_its_end(
    offset: dt.timedelta, is_on_call: bool, site: Site, alice: User, now: dt.datetime
) -> None:
    on_call(alice, site, now, now + 8 * HOUR)
    assert actions.people_on_call(site, now + offset) == ([alice] if is_on_call else [])


def test_without_anybody_on_call_all_investigators_are_told_once(
    site: Site, alice: User, ivan: User, now: dt.datetime
) -> None:
    paula = person("paula", Role.PRINCIPAL_INVESTIGATOR, site)
    ivan.groups.add(*paula.groups.all())
    assert actions.people_on_call(site, now) == [ivan, paula]


@pytest.mark.parametrize("change", ["void", "inactive", "no-mail", "left-the-site", "another-site"])
def test_a_shift_that_reaches_nobody_does_not_count(
    change: str, site: Site, other_site: Site, alice: User, ivan: User, now: dt.datetime
) -> None:
    shift = on_call(alice, site, now, now + HOUR)
    if change == "void":
        void(shift, reason="typed twice", by=alice, now=now)
    elif change == "another-site":
        shift.site = other_site
        shift.save()
    elif change == "left-the-site":
        alice.sites.clear()
    else:
        alice.is_active, alice.email = change != "inactive", "" if change == "no-mail" else alice.email
        alice.save()
    assert actions.people_on_call(site, now) == [ivan]


@pytest.mark.parametrize("lack", ["mail", "site"])
def test_a_shift_is_planned_for_people_who_can_be_reached(
    lack: str, site: Site, alice: User, charlie: User, now: dt.datetime, english: None
) -> None:
    if lack == "mail":
        User.objects.filter(pk=alice.pk).update(email="")
        alice.refresh_from_db()
    who = alice if lack == "mail" else charlie
    with pytest.raises(Refused, match=r"Alice has no e-mail|Charlie does not belong to"):
        on_call(who, site, now, now + HOUR)


def test_a_shift_ends_after_it_begins(site: Site, alice: User, now: dt.datetime) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        on_call(alice, site, now, now)


# --- early warnings ------------------------------------------------------------------------------


def test_a_new_crs_is_told_to_whoever_is_on_call(
    graded: Grades, participant: Participant, site: Site, alice: User, ivan: User, start: dt.datetime
) -> None:
    on_call(alice, site, start, start + DAY)
    row = graded(1, start + HOUR)
    (alert,) = warn(row, now=start + 2 * HOUR)
    assert (alert.kind, alert.toxicity, alert.grade) == (AlertKind.NEW_CRS, "CRS", 1)
    assert (alert.happened_at, alert.raised_at) == (row.assessed_at, start + 2 * HOUR)
    assert (alert.participant, alert.created_by, alert.state) == (participant, alice, AlertState.OPEN)
    assert told() == [("alice", f"alert:assessment:{row.pk}:first")]


def test_warning_twice_is_warning_once(graded: Grades, ivan: User, start: dt.datetime) -> None:
    row = graded(3, start + HOUR)
    assert len(warn(row, now=start + HOUR)) == 2
    assert warn(row, now=start + HOUR) == []
    assert (kinds(), len(told())) == (["new_crs", "severe"], 1)


def test_three_warnings_of_one_assessment_are_one_message(graded: Grades, ivan: User, start: dt.datetime) -> None:
    warn(graded(0, start + HOUR, scale=Scale.ICANS), now=start + HOUR)
    warn(graded(3, start + 9 * HOUR, scale=Scale.ICANS), now=start + 9 * HOUR)
    assert kinds() == ["new_icans", "rise", "severe"]
    (message,) = Notification.objects.all()
    for words in ("new ICANS", "rise by two grades", "grade 3 or higher"):
        assert words in message.body_text


def test_toxicities_are_compared_each_with_itself(graded: Grades, ivan: User, start: dt.datetime) -> None:
    warn(graded(2, start + HOUR, scale=Scale.CRS), now=start + HOUR)
    warn(graded(2, start + HOUR, scale=Scale.ICANS), now=start + HOUR)
    assert kinds() == ["new_crs", "new_icans"]


def test_the_investigators_grade_is_the_one_that_counts(graded: Grades, ivan: User, start: dt.datetime) -> None:
    row = graded(3, start + HOUR, investigator_grade=1, investigator_reason="sedation")
    assert [alert.grade for alert in warn(row, now=start + HOUR)] == [1]


def test_a_message_holds_identifiers_only(
    graded: Grades, participant: Participant, site: Site, start: dt.datetime
) -> None:
    for name, language in (("erin", Language.EN), ("zhang", Language.ZH)):
        person(name, Role.INVESTIGATOR, site, language=language)
    warn(graded(3, start + HOUR), now=start + HOUR)
    actions.raise_overdue(now=start + 14 * HOUR)
    messages = list(Notification.objects.all())
    assert len(messages) == 5
    for message in messages:
        text = f"{message.subject} {message.body_text} {message.body_html} {message.dedupe_key}"
        assert participant.number in message.subject
        assert "/admin/safety/safetyalert/" in message.body_text
        assert "/admin/safety/safetyalert/" in message.body_html
        assert not [secret for secret in SECRETS if secret in text]
    first = next(
        one
        for one in messages
        if one.recipient.username == "erin" and "first" in one.dedupe_key and "CRS" in one.subject
    )
    assert first.subject == f"Safety alert: CRS grade 3, {participant.number}"
    assert timezone.localtime(start + HOUR).strftime("%H:%M") == "10:30"
    assert "10:30" in first.body_text


def test_nothing_to_warn_of_costs_little(
    graded: Grades, start: dt.datetime, django_assert_max_num_queries: Any
) -> None:
    for hour in range(1, 20):
        graded(1, start + hour * HOUR)
    for grade in (1, 0):
        pk = graded(grade, start + 21 * HOUR - grade * MINUTE).pk
        row = ToxicityAssessment.objects.select_related("participant").get(pk=pk)
        with django_assert_max_num_queries(4):
            assert warn(row, now=start + 21 * HOUR) == []


def test_alert_and_message_share_the_fate_of_the_assessment(graded: Grades, ivan: User, start: dt.datetime) -> None:
    with pytest.raises(ValueError, match="power cut"), transaction.atomic():
        warn(graded(3, start + HOUR), now=start + HOUR)
        raise ValueError("power cut")
    assert not SafetyAlert.objects.exists()
    assert not Notification.objects.exists()


# --- corrections and voiding ---------------------------------------------------------------------


def test_a_lower_correction_warns_of_nothing_and_takes_the_warning_back(
    graded: Grades, ivan: User, start: dt.datetime
) -> None:
    row = graded(3, start + HOUR)
    warn(row, now=start + HOUR)
    warn(graded(0, start + HOUR, corrects=row), now=start + 2 * HOUR)
    assert {alert.settled_because for alert in SafetyAlert.objects.all()} == {SettledBy.CORRECTED}
    assert Notification.objects.get().state == NotificationState.CANCELLED


def test_what_is_new_stays_new_at_a_lower_grade(graded: Grades, ivan: User, start: dt.datetime) -> None:
    row = graded(3, start + HOUR)
    warn(row, now=start + HOUR)
    assert warn(graded(2, start + HOUR, corrects=row), now=start + 2 * HOUR) == []
    states = {alert.kind: alert.state for alert in SafetyAlert.objects.all()}
    assert states == {"new_crs": AlertState.OPEN, "severe": AlertState.SETTLED}
    assert Notification.objects.get().state == NotificationState.QUEUED


def test_a_higher_correction_warns_of_what_was_not_told(graded: Grades, ivan: User, start: dt.datetime) -> None:
    row = graded(2, start + HOUR)
    warn(row, now=start + HOUR)
    new = warn(graded(3, start + HOUR, corrects=row), now=start + 2 * HOUR)
    assert [alert.kind for alert in new] == ["severe"]


def test_a_void_assessment_settles_its_alert_at_the_next_sweep(
    graded: Grades, alice: User, ivan: User, start: dt.datetime
) -> None:
    row = graded(2, start + HOUR)
    warn(row, now=start + HOUR)
    void(row, reason="another participant", by=alice, now=start + 2 * HOUR)
    assert actions.raise_overdue(now=start + 2 * HOUR) == {"settled": 1, "raised": 0, "escalated": 0}
    assert SafetyAlert.objects.get().settled_because == SettledBy.VOIDED


# --- rounds --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "raised"),
    [
        pytest.param(12 * HOUR, 0, id="exactly-12-h"),
        pytest.param(12 * HOUR + SECOND, 1, id="12-h-and-a-second"),
    ],
)
def test_an_assessment_is_overdue_after_12_hours(
    after: dt.timedelta, raised: int, participant: Participant, ivan: User, start: dt.datetime
) -> None:
    assert actions.raise_overdue(now=start + after)["raised"] == raised
    assert len(told()) == raised


def test_sweeping_twice_raises_once(participant: Participant, ivan: User, start: dt.datetime) -> None:
    at = start + 12 * HOUR + MINUTE
    assert [actions.raise_overdue(now=at)["raised"] for _turn in range(2)] == [1, 0]
    (alert,) = SafetyAlert.objects.all()
    assert alert.about == f"rounds:{participant.pk}:2026-03-05T13:30:00Z"
    assert (alert.kind, alert.toxicity, alert.grade) == ("overdue", "", None)
    assert told() == [("ivan", f"alert:{alert.about}:first")]


def test_after_days_of_silence_only_the_newest_is_raised(
    participant: Participant, ivan: User, start: dt.datetime
) -> None:
    assert actions.raise_overdue(now=start + 3 * DAY + HOUR)["raised"] == 1
    alert = SafetyAlert.objects.get()
    assert alert.about.endswith("2026-03-08T01:30:00Z"), "missed last after three days"
    assert alert.happened_at == start + 12 * HOUR, "the one time at which it was due"


def test_nobody_comes_for_a_second_round(participant: Participant, ivan: User, start: dt.datetime) -> None:
    counts = [actions.raise_overdue(now=start + hours * HOUR)["raised"] for hours in (13, 24, 25)]
    assert counts == [1, 0, 1]


def test_both_toxicities_answer_the_alert(
    participant: Participant, graded: Grades, ivan: User, start: dt.datetime
) -> None:
    actions.raise_overdue(now=start + 13 * HOUR)
    warn(graded(0, start + 14 * HOUR, scale=Scale.CRS), now=start + 14 * HOUR)
    assert SafetyAlert.objects.get().state is AlertState.OPEN
    (due,) = actions.rounds_of(participant, start + 14 * HOUR)
    assert (due.state, due.toxicities) == (State.OVERDUE, (Scale.ICANS,))
    warn(graded(0, start + 14 * HOUR, scale=Scale.ICANS), now=start + 14 * HOUR)
    alert = SafetyAlert.objects.get()
    assert (alert.settled_because, alert.settled_at) == (SettledBy.ASSESSED, start + 14 * HOUR)
    assert Notification.objects.get().state == NotificationState.CANCELLED


def test_a_message_that_went_out_stays_sent(
    participant: Participant, both: Any, ivan: User, start: dt.datetime
) -> None:
    actions.raise_overdue(now=start + 13 * HOUR)
    notifications.deliver_due()
    both(start + 14 * HOUR)
    assert Notification.objects.get().state == NotificationState.SENT


def test_one_toxicity_alone_is_named(participant: Participant, graded: Grades, ivan: User, start: dt.datetime) -> None:
    warn(graded(0, start + 10 * HOUR, scale=Scale.CRS), now=start + 10 * HOUR)
    actions.raise_overdue(now=start + 13 * HOUR)
    assert SafetyAlert.objects.get().toxicity == Scale.ICANS


@pytest.mark.parametrize(
    ("clock", "raised"),
    [
        pytest.param(dt.time(23, 59), 1, id="day-14-23:59"),
        pytest.param(dt.time(0, 0), 0, id="day-15-00:00"),
    ],
)
def test_rounds_end_with_day_14(
    clock: dt.time, raised: int, participant: Participant, both: Any, ivan: User, start: dt.datetime
) -> None:
    both(start + 14 * DAY - 2 * HOUR)
    day = dt.date(2026, 3, 19 if raised else 20)
    at = dt.datetime.combine(day, clock, tzinfo=timezone.get_current_timezone())
    assert actions.raise_overdue(now=at)["raised"] == raised
    assert bool(actions.rounds_of(participant, at)) == bool(raised)


def test_an_overdue_alert_ends_with_day_14(participant: Participant, ivan: User, start: dt.datetime) -> None:
    actions.raise_overdue(now=start + 14 * DAY)
    assert actions.raise_overdue(now=start + 15 * DAY) == {"settled": 1, "raised": 0, "escalated": 0}
    assert SafetyAlert.objects.get().settled_because == SettledBy.OVER


@pytest.mark.parametrize("status", [Status.DIED, Status.WITHDRAWN, Status.LOST_TO_FOLLOW_UP])
def test_nobody_is_asked_to_assess_who_is_gone(
    status: Status, participant: Participant, alice: User, ivan: User, start: dt.datetime
) -> None:
    actions.raise_overdue(now=start + 13 * HOUR)
    day = timezone.localtime(start).date()
    participants.change_status(
        participant=participant,
        new=status,
        on=day,
        reason="as the family told",
        by=alice,
        now=start + 14 * HOUR,
        **({"reason_code": "other"} if status is Status.WITHDRAWN else {}),
    )
    assert actions.raise_overdue(now=start + 25 * HOUR) == {"settled": 1, "raised": 0, "escalated": 0}


def test_discharge_ends_the_rounds_and_readmission_begins_them_again(
    participant: Participant, both: Any, alice: User, ivan: User, start: dt.datetime
) -> None:
    actions.raise_overdue(now=start + 13 * HOUR)
    left = Discharge(participant=participant, discharged_at=start + 11 * HOUR)
    actions.record_discharge(discharge=left, by=alice, now=start + 14 * HOUR)
    assert SafetyAlert.objects.get().settled_because == SettledBy.OVER
    assert actions.rounds_of(participant, start + 2 * DAY) == []
    left.readmitted_at = start + 3 * DAY
    actions.record_discharge(discharge=left, by=alice, now=start + 3 * DAY)
    (due,) = actions.rounds_of(participant, start + 3 * DAY + HOUR)
    assert (due.state, due.due_at) == (State.WAITING, start + 3 * DAY + 12 * HOUR)


@pytest.mark.parametrize(
    ("discharged", "now_", "text"),
    [
        pytest.param(2 * HOUR, HOUR, "is after now", id="in-the-future"),
        pytest.param(-HOUR, HOUR, "Only a discharge after the infusion", id="before-the-infusion"),
    ],
)
def test_a_discharge_that_cannot_be_is_refused(
    discharged: dt.timedelta,
    now_: dt.timedelta,
    text: str,
    participant: Participant,
    alice: User,
    start: dt.datetime,
    english: None,
) -> None:
    left = Discharge(participant=participant, discharged_at=start + discharged)
    with pytest.raises(Refused, match=text):
        actions.record_discharge(discharge=left, by=alice, now=start + now_)
    assert not Discharge.objects.exists()


def test_there_is_one_discharge_without_a_readmission(
    participant: Participant, alice: User, start: dt.datetime
) -> None:
    for hours in (1, 2):
        left = Discharge(participant=participant, discharged_at=start + hours * HOUR)
        if hours == 1:
            actions.record_discharge(discharge=left, by=alice, now=start + DAY)
    with pytest.raises(IntegrityError), transaction.atomic():
        actions.record_discharge(discharge=left, by=alice, now=start + DAY)


def test_an_assessment_that_was_a_mistake_opens_the_alert_again(
    participant: Participant, both: Any, alice: User, ivan: User, start: dt.datetime
) -> None:
    actions.raise_overdue(now=start + 13 * HOUR)
    both(start + 13 * HOUR + MINUTE)
    for row in ToxicityAssessment.objects.all():
        void(row, reason="another participant", by=alice, now=start + 14 * HOUR)
    assert actions.raise_overdue(now=start + 14 * HOUR)["raised"] == 0
    assert SafetyAlert.objects.get().state is AlertState.OPEN
    message = Notification.objects.get(recipient=ivan)
    assert message.state == NotificationState.QUEUED, "it waits again, and nobody is told twice"


def test_a_second_infusion_is_watched_like_the_first(participant: Participant, alice: User, start: dt.datetime) -> None:
    again = start + 60 * DAY
    second = factories.infusion_of(participant, at=again, product=factories.thawed(participant, at=again))
    second.occasion, second.occasion_reason = "second", "relapse"
    infuse(infusion=second, deviation_reason="by the board's decision", by=alice, now=again)
    (due,) = actions.rounds_of(participant, again + 9 * HOUR)
    assert (due.state, due.due_at) == (State.OPEN, again + 12 * HOUR)


def test_a_voided_infusion_asks_for_nothing(participant: Participant, alice: User, start: dt.datetime) -> None:
    void(Infusion.objects.get(), reason="another participant", by=alice, now=start)
    assert actions.rounds_of(participant, start + 13 * HOUR) == []


def test_the_worklist_asks_the_same_few_questions_for_one_and_for_many(
    participant: Participant, site: Site, alice: User, start: dt.datetime, django_assert_num_queries: Any
) -> None:
    sites = list(Site.objects.all())
    with django_assert_num_queries(4):
        assert len(actions.due_rounds(sites, start + 13 * HOUR)) == 1
    for _one in range(2):
        factories.infused(site=site, by=alice, now=start + HOUR)
    with django_assert_num_queries(4):
        due = actions.due_rounds(sites, start + 12 * HOUR + MINUTE)
    assert [one.state for one in due] == [State.OVERDUE, State.OPEN, State.OPEN]


# --- the baseline --------------------------------------------------------------------------------


def ice(participant: Participant, at: dt.datetime, by: User, **findings: Any) -> ToxicityAssessment:
    asked = {"ice_performed": "yes", "orientation": 4, "naming": 3, "commands": 1, "writing": 1, "attention": 1}
    return ToxicityAssessment.objects.create(
        participant=participant,
        toxicity=Scale.ICANS,
        scale="ASTCT 2019",
        assessed_at=at,
        findings={**asked, **findings},
        grade=0,
        created_by=by,
        created_at=at,
    )


@pytest.mark.parametrize(
    ("findings", "is_done"),
    [
        pytest.param({}, True, id="scored"),
        pytest.param({"orientation": 0}, True, id="zero-is-a-score"),
        pytest.param({"writing": None}, False, id="in-part"),
        pytest.param({"ice_performed": "not_done"}, False, id="not-done"),
        pytest.param({"ice_performed": "unable_arousable"}, True, id="aphasia-is-the-baseline"),
        pytest.param({"use_capd": True, "capd_score": 0}, True, id="capd"),
        pytest.param({"use_capd": True, "capd_score": None}, False, id="capd-not-done"),
    ],
)
def test_the_ice_score_is_due_once_from_lymphodepletion_on(
    findings: dict[str, Any], is_done: bool, site: Site, alice: User, now: dt.datetime
) -> None:
    participant = factories.enrolled(site=site, by=alice, now=now - 20 * DAY)
    assert actions.rounds_of(participant, now) == []
    factories.lymphodepleted(participant, until=now)
    (due,) = actions.rounds_of(participant, now)
    assert (due.is_baseline, due.state, due.toxicities, due.due_at) == (True, State.OPEN, (Scale.ICANS,), None)
    ice(participant, now - DAY, alice, **findings)
    assert (actions.rounds_of(participant, now) == []) == is_done


def test_the_baseline_is_late_on_the_planned_day(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.enrolled(site=site, by=alice, now=now - 20 * DAY)
    factories.lymphodepleted(participant, until=now)
    Participant.objects.filter(pk=participant.pk).update(planned_infusion_on=timezone.localtime(now).date())
    (due,) = actions.due_rounds([site], now)
    assert (due.is_baseline, due.state) == (True, State.OVERDUE)
    assert actions.raise_overdue(now=now)["raised"] == 0


def test_a_status_without_recorded_doses_counts_too(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.enrolled(site=site, by=alice, now=now - 20 * DAY)
    day = timezone.localtime(now).date() - DAY
    participants.change_status(
        participant=participant, new=Status.LYMPHODEPLETED, on=day, reason="elsewhere", by=alice, now=now
    )
    assert [due.is_baseline for due in actions.rounds_of(participant, now)] == [True]


# --- escalation ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "escalated"),
    [
        pytest.param(30 * MINUTE - SECOND, 0, id="before-30-minutes"),
        pytest.param(30 * MINUTE, 1, id="after-30-minutes"),
    ],
)
def test_unanswered_alerts_go_to_the_investigators_who_were_not_told(
    after: dt.timedelta, escalated: int, graded: Grades, site: Site, alice: User, ivan: User, start: dt.datetime
) -> None:
    person("paula", Role.PRINCIPAL_INVESTIGATOR, site)
    on_call(alice, site, start, start + DAY)
    row = graded(3, start + HOUR)
    warn(row, now=start + HOUR)
    assert actions.escalate(now=start + HOUR + after) == escalated
    more = [(name, f"alert:assessment:{row.pk}:step-1") for name in ("ivan", "paula")]
    assert told() == [("alice", f"alert:assessment:{row.pk}:first"), *(more if escalated else [])]


def test_escalation_happens_once(graded: Grades, ivan: User, start: dt.datetime) -> None:
    paula = person("paula", Role.PRINCIPAL_INVESTIGATOR, Site.objects.get(code="ZJ"), language=Language.EN)
    on_call(ivan, paula.sites.get(), start, start + DAY)
    warn(graded(3, start + HOUR), now=start + HOUR)
    at = [start + HOUR + minutes * MINUTE for minutes in (31, 32)]
    assert [actions.escalate(now=moment) for moment in at] == [1, 0]
    assert [name for name, _key in told()] == ["ivan", "paula"]
    escalated = Notification.objects.get(dedupe_key__contains="step-1")
    assert "Nobody has acknowledged this alert for 31 min." in escalated.body_text
    assert {alert.escalated_at for alert in SafetyAlert.objects.all()} == {at[0]}


def test_what_is_answered_or_settled_is_not_escalated(
    graded: Grades, both: Any, alice: User, ivan: User, start: dt.datetime
) -> None:
    (alert,) = warn(graded(1, start + HOUR, scale=Scale.ICANS), now=start + HOUR)
    actions.acknowledge(alert=alert, by=alice, now=start + HOUR + MINUTE)
    actions.raise_overdue(now=start + 13 * HOUR)
    both(start + 13 * HOUR + MINUTE)
    assert actions.escalate(now=start + 20 * HOUR) == 0


def test_nobody_to_tell_is_logged_without_names(
    graded: Grades, participant: Participant, start: dt.datetime, caplog: pytest.LogCaptureFixture
) -> None:
    (alert,) = warn(graded(1, start + HOUR), now=start + HOUR)
    assert f"nobody can be told of {alert.about}" in caplog.text
    assert not Notification.objects.exists()


def test_the_sweep_records_its_run(participant: Participant, ivan: User, start: dt.datetime) -> None:
    counts = tasks.sweep_rounds()
    assert SweepRun.objects.get(name="bedside-rounds").counts == counts


# --- answering -----------------------------------------------------------------------------------


def test_one_answer_serves_all_alerts_of_the_assessment(
    graded: Grades, alice: User, ivan: User, start: dt.datetime, english: None
) -> None:
    new, severe = warn(graded(3, start + HOUR), now=start + HOUR)
    actions.acknowledge(alert=severe, by=ivan, now=start + 2 * HOUR, note=" tocilizumab ")
    new.refresh_from_db()
    assert (new.acknowledged_by, new.acknowledged_at, new.acknowledge_note) == (ivan, start + 2 * HOUR, "tocilizumab")
    with pytest.raises(Refused, match="Ivan acknowledged this at"):
        actions.acknowledge(alert=new, by=alice, now=start + 3 * HOUR)


def test_the_database_keeps_what_was_told(graded: Grades, ivan: User, start: dt.datetime) -> None:
    (alert,) = warn(graded(1, start + HOUR), now=start + HOUR)
    for change in ({"grade": 2}, {"raised_at": start}, {"about": "assessment:0"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            SafetyAlert.objects.filter(pk=alert.pk).update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        SafetyAlert.objects.filter(pk=alert.pk).update(acknowledged_at=start)


# --- the first page ------------------------------------------------------------------------------


def test_the_first_page_shows_alerts_first_and_what_is_due(
    graded: Grades, participant: Participant, alice: User, ivan: User, start: dt.datetime, english: None
) -> None:
    warn(graded(3, start + HOUR), now=start + HOUR)
    alarm, due = alertlist.sections(user=alice, now=start + 13 * HOUR)
    assert "Nobody is on call" in alarm.hint
    assert (alarm.tone, alarm.count, due.count) == ("alarm", 1, 1)
    assert alarm.rows[0].label == due.rows[0].label == participant.number
    assert alarm.rows[0].facts[:2] == ("CRS grade 3", "new CRS, grade 3 or higher")
    assert waiting.since(alarm.rows[0].since, now=start + 13 * HOUR) == "waiting 12 h 0 min"
    assert (due.code, due.place) == ("rounds-overdue", firstpage.Place.URGENT)
    assert due.rows[0].since == start + 4 * HOUR, "four hours after grade 3"
    assert due.rows[0].link.endswith(f"?participant={participant.pk}")
    actions.acknowledge(alert=SafetyAlert.objects.all()[0], by=alice, now=start + 13 * HOUR)
    assert [section.tone for section in alertlist.sections(user=alice, now=start + 13 * HOUR)] == ["attention"]


def test_the_first_page_shows_the_own_site_only(graded: Grades, charlie: User, ivan: User, start: dt.datetime) -> None:
    warn(graded(3, start + HOUR), now=start + HOUR)
    assert alertlist.sections(user=charlie, now=start + 13 * HOUR) == []


def test_who_may_only_read_gets_no_button(participant: Participant, mona: User, start: dt.datetime) -> None:
    (due,) = alertlist.sections(user=mona, now=start + 13 * HOUR)
    assert due.rows[0].link == ""


# --- the pages -----------------------------------------------------------------------------------


def page(alert: SafetyAlert, name: str = "change") -> str:
    return reverse(f"admin:safety_safetyalert_{name}", args=[alert.pk])


@pytest.fixture
def alert(graded: Grades, ivan: User, start: dt.datetime) -> SafetyAlert:
    return warn(graded(2, start + HOUR), now=start + HOUR)[0]


def test_the_alerts_page_says_what_to_do_and_who_was_told(alert: SafetyAlert, alice: User, login: Any) -> None:
    notifications.deliver_due()
    text = login(alice).get(page(alert)).content.decode()
    for words in ("CRS grade 2", "Tocilizumab 8 mg/kg", "(unverified)", "never an order", "Ivan", "Acknowledge…"):
        assert words in text
    listed = login(alice).get(reverse("admin:safety_safetyalert_changelist") + "?state=open").content.decode()
    assert alert.participant.number in listed
    assert "1 sent" in listed


def test_a_coordinator_acknowledges(alert: SafetyAlert, alice: User, login: Any) -> None:
    client = login(alice)
    text = client.post(page(alert, "acknowledge"), {"note": "called Ivan"}, follow=True).content.decode()
    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.acknowledge_note) == (alice, "called Ivan")
    assert "The alert is acknowledged." in text
    assert "Acknowledge…" not in text
    assert "acknowledged this at" in client.post(page(alert, "acknowledge"), {"note": ""}).content.decode()


@pytest.mark.parametrize(("who", "status"), [("mona", 403), ("charlie", 404)])
def test_others_do_not_acknowledge(
    who: str, status: int, alert: SafetyAlert, login: Any, request: pytest.FixtureRequest
) -> None:
    response = login(request.getfixturevalue(who)).post(page(alert, "acknowledge"), {"note": ""})
    alert.refresh_from_db()
    assert (response.status_code, alert.acknowledged_at) == (status, None)


def test_nobody_told_is_said_aloud(graded: Grades, alice: User, login: Any, start: dt.datetime) -> None:
    (alert,) = warn(graded(1, start + HOUR), now=start + HOUR)
    assert "Nobody was told" in login(alice).get(page(alert)).content.decode()
    assert "nobody was told" in login(alice).get(reverse("admin:safety_safetyalert_changelist")).content.decode()


def test_an_overdue_alert_has_a_page_too(participant: Participant, alice: User, login: Any, start: dt.datetime) -> None:
    actions.raise_overdue(now=start + 13 * HOUR)
    text = login(alice).get(page(SafetyAlert.objects.get())).content.decode()
    assert "bedside assessment overdue" in text
    assert "What guidelines say" not in text


def moment(name: str, at: dt.datetime) -> dict[str, str]:
    local = timezone.localtime(at)
    return {f"{name}_0": f"{local:%Y-%m-%d}", f"{name}_1": f"{local:%H:%M:%S}"}


def test_a_shift_is_planned_on_its_page(site: Site, alice: User, charlie: User, login: Any, now: dt.datetime) -> None:
    add, client = reverse("admin:safety_oncallshift_add"), login(alice)
    when = {**moment("starts_at", now), **moment("ends_at", now + 12 * HOUR)}
    assert "Charlie" not in client.get(add).content.decode()
    response = client.post(add, {"site": site.pk, "person": alice.pk, **when, **moment("ends_at", now)})
    assert "ends before it begins" in response.content.decode()
    client.post(add, {"site": site.pk, "person": alice.pk, **when})
    assert actions.people_on_call(site, now + HOUR) == [alice]


def test_a_discharge_is_recorded_on_its_page(
    participant: Participant, alice: User, login: Any, start: dt.datetime, english: None
) -> None:
    add, client = reverse("admin:safety_discharge_add"), login(alice)
    early = {"participant": participant.pk, **moment("discharged_at", start - DAY), "readmitted_at_0": ""}
    assert "Only a discharge after the infusion" in client.post(add, early).content.decode()
    client.post(add, {**early, **moment("discharged_at", start + DAY)})
    assert Discharge.objects.get().discharged_at == start + DAY
