"""A message is a record before it is an e-mail: once, in the reader's language, without identity, never lost."""

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from django.db import connection, connections, transaction
from django.utils import timezone

from participants.actions import remind_of_visits
from participants.models import Visit, VisitReminder
from tests import factories
from tests.trialsite.test_delivery import begun
from trialsite import notifications, outbox
from trialsite.local.processes import free_port
from trialsite.models import Notification, NotificationState, Site, User

DAY = dt.timedelta(days=1)


class Sink(Message):
    """A real SMTP server in this process; `answers` are given before it accepts."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Any] = []
        self.answers: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answers:
            return self.answers.pop(0)
        return await super().handle_DATA(server, session, envelope)

    def handle_message(self, message: Any) -> None:
        self.mails.append(message)


@pytest.fixture
def sink(settings: Any) -> Iterator[Sink]:
    handler = Sink()
    controller = Controller(handler, hostname="127.0.0.1", port=free_port())
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", controller.port
    yield handler
    controller.stop()


@pytest.fixture
def visit(site: Site, alice: User, now: dt.datetime) -> Visit:
    """D28 is seven days ahead of `now`."""
    participant = factories.infused(site=site, by=alice, now=now, infused_at=now - 21 * DAY)
    visit: Visit = participant.visits.get(code="D28")
    return visit


def queue_one(site: Site, recipient: User, visit: Visit, key: str = "test", **more: Any) -> Notification:
    now = timezone.now()
    context = {"visit": visit, "stage": "T-7", "days_to_target": 7, "days_to_close": 10, "today": now.date()}
    notifications.queue(
        key=key,
        about=f"visit:{visit.pk}",
        site=site,
        recipient=recipient,
        template="participants/email/visit_reminder",
        context=context,
        now=now,
        **more,
    )
    return Notification.objects.get(dedupe_key=f"{key}:{recipient.pk}")


def body(mail: Any) -> str:
    parts = [part.get_payload(decode=True).decode() for part in mail.walk() if not part.is_multipart()]
    return "\n".join(parts)


@pytest.mark.django_db(transaction=True)
def test_a_reminder_is_sent_once_with_its_message_id(site: Site, alice: User, visit: Visit, sink: Sink) -> None:
    row = queue_one(site, alice, visit)
    assert notifications.deliver_due()["sent"] == 1
    assert notifications.deliver_due()["sent"] == 0
    (mail,) = sink.mails
    row.refresh_from_db()
    assert (mail["Message-ID"], mail["To"]) == (row.message_id, alice.email)
    assert (row.state, row.sent_to) == (NotificationState.SENT, alice.email)
    assert [part.get_content_type() for part in mail.walk() if not part.is_multipart()] == [
        "text/plain",
        "text/html",
    ]


@pytest.mark.django_db(transaction=True)
def test_it_speaks_the_readers_language_and_holds_no_identity(
    site: Site, alice: User, visit: Visit, sink: Sink
) -> None:
    alice.language = "zh-hans"
    alice.save()
    row = queue_one(site, alice, visit)
    notifications.deliver_due()
    text = row.subject + body(sink.mails[0])
    assert "访视" in text
    assert visit.participant.number in text
    for secret in ("王小明", "13800000000", "1990"):
        assert secret not in text


@pytest.mark.django_db(transaction=True)
def test_the_same_key_is_queued_once(site: Site, alice: User, visit: Visit) -> None:
    first = queue_one(site, alice, visit)
    assert queue_one(site, alice, visit) == first


@pytest.mark.django_db(transaction=True)
def test_a_temporary_failure_is_tried_again_later(
    site: Site, alice: User, visit: Visit, sink: Sink, time_machine: Any
) -> None:
    row = queue_one(site, alice, visit)
    sink.answers = ["451 try again later"]
    assert notifications.deliver_due() == {"sent": 0, "retry": 1, "failed": 0, "stale": 0, "down": 0}
    assert notifications.deliver_due()["sent"] == 0, "it waits before the next attempt"
    time_machine.move_to(timezone.now() + dt.timedelta(minutes=2))
    assert notifications.deliver_due()["sent"] == 1
    row.refresh_from_db()
    assert row.attempts == 2
    assert len(sink.mails) == 1


@pytest.mark.django_db(transaction=True)
def test_it_gives_up_visibly_and_can_be_queued_again(
    site: Site, alice: User, visit: Visit, sink: Sink, time_machine: Any
) -> None:
    row = queue_one(site, alice, visit)
    sink.answers = ["451 not now"] * outbox.MAX_ATTEMPTS
    for _attempt in range(outbox.MAX_ATTEMPTS):
        notifications.deliver_due()
        time_machine.move_to(timezone.now() + dt.timedelta(hours=5))
    row.refresh_from_db()
    assert row.state == NotificationState.FAILED
    assert "451" in row.error
    assert notifications.requeue(row, now=timezone.now())
    assert notifications.deliver_due()["sent"] == 1
    assert not notifications.requeue(row, now=timezone.now()), "a sent one is left alone"


@pytest.mark.django_db(transaction=True)
def test_what_came_too_late_is_cancelled_not_sent(site: Site, alice: User, visit: Visit, sink: Sink) -> None:
    row = queue_one(site, alice, visit, relevant_until=timezone.now() - dt.timedelta(minutes=1))
    assert notifications.deliver_due()["stale"] == 1
    row.refresh_from_db()
    assert (row.state, sink.mails) == (NotificationState.CANCELLED, [])


@pytest.mark.django_db(transaction=True)
def test_a_message_of_a_dead_worker_is_sent_when_its_lease_is_over(
    site: Site, alice: User, visit: Visit, sink: Sink, time_machine: Any
) -> None:
    row = queue_one(site, alice, visit)
    assert begun() == row
    assert notifications.deliver_due()["sent"] == 0, "somebody may still be sending it"
    time_machine.move_to(timezone.now() + dt.timedelta(minutes=2))
    assert notifications.deliver_due()["sent"] == 1


@pytest.mark.django_db(transaction=True)
def test_four_deliverers_send_each_message_once(site: Site, alice: User, visit: Visit, sink: Sink) -> None:
    for number in range(40):
        queue_one(site, alice, visit, key=f"test-{number}")

    def deliver(_n: int) -> int:
        try:
            return notifications.deliver_due()["sent"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        sent = sum(pool.map(deliver, range(4)))
    assert sent == len(sink.mails) == len({mail["Message-ID"] for mail in sink.mails}) == 40


@pytest.mark.django_db(transaction=True)
def test_a_rollback_takes_the_message_with_it(site: Site, alice: User, visit: Visit) -> None:
    with pytest.raises(RuntimeError, match="broken"), transaction.atomic():
        queue_one(site, alice, visit)
        raise RuntimeError("broken")
    assert not Notification.objects.filter(dedupe_key__startswith="test").exists()


@pytest.mark.django_db(transaction=True)
def test_a_dead_broker_does_not_stop_the_work() -> None:
    """In a process of its own, for the broker's address is read once."""
    login = connection.settings_dict
    database = f"postgres://{login['USER']}:{login['PASSWORD']}@{login['HOST']}:{login['PORT']}/{login['NAME']}"
    work = "from django.db import transaction; from trialsite.wake import wake; transaction.atomic(wake)('a.task')"
    ran = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", f"{work}; print('committed')"],
        env={**os.environ, "DATABASE_URL": database, "REDIS_URL": "redis://127.0.0.1:1/0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout.strip() == "committed"
    assert "broker unreachable" in ran.stderr


def swept(now: dt.datetime) -> int:
    return sum(remind_of_visits(now=now).values())


@pytest.mark.django_db(transaction=True)
class TestSweep:
    def test_it_reminds_the_coordinators_of_the_site_only(
        self, site: Site, alice: User, charlie: User, ivan: User, visit: Visit, now: dt.datetime
    ) -> None:
        swept(now)
        assert [row.recipient for row in told_of(visit)] == [alice]

    def test_run_twice_it_queues_nothing_twice(self, alice: User, visit: Visit, now: dt.datetime) -> None:
        assert swept(now) > 0
        assert swept(now) == 0

    def test_two_at_once_queue_nothing_twice(self, alice: User, visit: Visit, now: dt.datetime) -> None:
        def sweep(_n: int) -> int:
            try:
                return swept(now)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(4) as pool:
            queued = sum(pool.map(sweep, range(4)))
        assert queued == VisitReminder.objects.count()
        assert len(told_of(visit)) == Notification.objects.count() == 1

    def test_after_three_silent_days_it_queues_nothing_stale(self, alice: User, visit: Visit, now: dt.datetime) -> None:
        """T-1 was never sent; on the day of the visit only the day's reminder is."""
        swept(visit_morning(visit, days=0))
        (row,) = told_of(visit)
        assert row.stage == "day"

    def test_a_recorded_visit_owes_nothing_and_withdraws_what_waits(
        self, alice: User, visit: Visit, now: dt.datetime
    ) -> None:
        from participants.actions import record_visit

        swept(now)
        later = visit_morning(visit, days=0)
        visit.state, visit.occurred_on = Visit.State.DONE, visit.target_date
        record_visit(visit=visit, by=alice, now=later)
        (row,) = told_of(visit)
        assert notifications.still_wanted(row.message) == "the visit is no longer owed"
        swept(later)
        assert len(told_of(visit)) == 1

    def test_without_a_coordinator_the_investigators_are_told(
        self, alice: User, ivan: User, visit: Visit, now: dt.datetime
    ) -> None:
        alice.is_active = False
        alice.save()
        swept(now)
        assert {row.recipient for row in Notification.objects.all()} == {ivan}

    def test_it_asks_a_bounded_number_of_questions(
        self, alice: User, visit: Visit, now: dt.datetime, django_assert_max_num_queries: Any
    ) -> None:
        swept(now)
        near = Visit.objects.owed().count()
        with django_assert_max_num_queries(2 + 3 * near):
            swept(now)


def told_of(visit: Visit) -> list[VisitReminder]:
    return list(visit.reminders.select_related("message", "recipient"))


def visit_morning(visit: Visit, *, days: int) -> dt.datetime:
    day = visit.target_date + dt.timedelta(days=days)
    return dt.datetime(day.year, day.month, day.day, 9, tzinfo=timezone.get_current_timezone())
