"""What does not run or does not leave is red within minutes: on the first page, in /readyz, as metrics, by mail."""

import datetime as dt
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from trialsite import firstpage, mailhealth, notifications, servers, sweeps, watching
from trialsite.models import ChannelName, Notification, NotificationState, Site, Urgency, User

MINUTE = dt.timedelta(minutes=1)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now()


@pytest.fixture
def swept(now: dt.datetime, db: None) -> None:
    for name in django_settings.CELERY_BEAT_SCHEDULE:
        sweeps.record_run(name, counts={}, now=now)


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", "root@example.org", language="en")


def put(site: Site, to: User, *, waits: dt.timedelta, now: dt.datetime, **values: Any) -> Notification:
    at = now - waits
    return Notification.objects.create(
        **{
            "dedupe_key": f"k{Notification.objects.count()}",
            "message_id": "<x@y>",
            "about": "x:1",
            "site": site,
            "recipient": to,
            "subject": "secret subject",
            "body_text": "x",
            "body_html": "x",
            "queued_at": at,
            "due_at": at,
            "not_before": at,
            **values,
        }
    )


LATE = [
    pytest.param(Urgency.ALERT, 1, False, id="alert-1-min"),
    pytest.param(Urgency.ALERT, 3, True, id="alert-3-min"),
    pytest.param(Urgency.REMINDER, 9, False, id="reminder-9-min"),
    pytest.param(Urgency.REMINDER, 11, True, id="reminder-11-min"),
]


@pytest.mark.parametrize(("urgency", "minutes", "is_late"), LATE)
def test_what_waits_for_too_long_is_red_everywhere(
    site: Site, alice: User, root: User, login: Any, swept: None, now: dt.datetime,
    urgency: Urgency, minutes: int, is_late: bool,
) -> None:  # fmt: skip
    put(site, alice, waits=minutes * MINUTE, now=now, urgency=urgency)
    answer = Client().get("/readyz")
    assert (answer.status_code == 503) == is_late
    assert answer.json()["mail"]["late"] == ([urgency.value] if is_late else [])
    page = login(alice).get("/admin/")
    assert ("mail-late" in {one.code for one in page.context["urgent"]}) == is_late
    assert "secret subject" not in page.content.decode()
    assert ("does not leave" in login(root).get("/admin/watching/").content.decode()) == is_late


def test_what_is_to_leave_later_does_not_wait(site: Site, alice: User, now: dt.datetime) -> None:
    put(site, alice, waits=MINUTE * 60, now=now, due_at=now + MINUTE, not_before=now + MINUTE)
    assert mailhealth.health(now=now).waiting[Urgency.REMINDER].count == 0
    assert mailhealth.late(now=now + 12 * MINUTE).count() == 1


def test_tries_that_are_put_off_do_not_hide_the_wait(site: Site, alice: User, now: dt.datetime) -> None:
    put(site, alice, waits=MINUTE * 20, now=now, not_before=now + 60 * MINUTE, attempts=5)
    assert mailhealth.health(now=now).late == [Urgency.REMINDER]


@pytest.mark.parametrize(("minutes", "status"), [(59, 503), (61, 200)])
def test_a_failure_is_news_for_an_hour(
    site: Site, alice: User, swept: None, now: dt.datetime, minutes: int, status: int
) -> None:
    put(site, alice, waits=90 * MINUTE, now=now, state=NotificationState.FAILED, finished_at=now - minutes * MINUTE)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["mail"]["failed"]) == (status, 1)


def test_a_sweep_that_leaves_rows_out_is_red(alice: User, login: Any, swept: None, now: dt.datetime) -> None:
    sweeps.record_run("doors", counts={sweeps.STUMBLED: 2}, now=now)
    (one,) = [one for one in firstpage.read_page(alice, now=now).sections if one.code == "stumbled"]
    assert (one.count, one.rows[0].label, one.rows[0].facts) == (2, "doors", ("2 rows",))
    assert Client().get("/readyz").json()["sweeps"]["stumbled"] == {"doors": 2}


# --- Metrics -----------------------------------------------------------------------------------------------


def metrics(**headers: str) -> dict[str, float]:
    answer = Client().get("/metrics", headers=headers)
    assert answer.status_code == 200
    lines = [line for line in answer.content.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_prometheus_reads_what_the_page_shows(site: Site, alice: User, swept: None, now: dt.datetime) -> None:
    put(site, alice, waits=5 * MINUTE, now=now, urgency=Urgency.ALERT)
    servers.has_taken(ChannelName.MAIL, now=now)
    servers.state_of(ChannelName.MAIL)
    servers.has_taken(ChannelName.MAIL, now=now)
    found = metrics()
    assert found['trialsite_messages_waiting{urgency="alert"}'] == 1
    assert 300 <= found['trialsite_oldest_message_seconds{urgency="alert"}'] < 400
    assert found['trialsite_sweep_silent{sweep="doors"}'] == 0
    assert found['trialsite_last_delivery_timestamp_seconds{way="mail"}'] == pytest.approx(now.timestamp())
    assert found["trialsite_broker_up"] == found["trialsite_database_up"] == 1
    assert found["trialsite_tasks_queued"] >= 0
    assert found["trialsite_database_size_bytes"] > 1_000_000
    assert 1 <= found["trialsite_database_connections"] < found["trialsite_database_connections_limit"]


def test_a_broker_that_is_gone_has_no_queue_of_0(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    found = metrics()
    assert found["trialsite_broker_up"] == 0
    assert "trialsite_tasks_queued" not in found


@pytest.mark.parametrize(
    ("token", "given", "status"),
    [("", "", 404), ("", "Bearer ", 404), ("abc", "", 404), ("abc", "Bearer abd", 404), ("abc", "Bearer abc", 200)],
)
def test_metrics_are_for_who_has_the_token(settings: Any, token: str, given: str, status: int) -> None:
    settings.LOCAL, settings.METRICS_TOKEN = False, token
    assert Client().get("/metrics", headers={"Authorization": given} if given else {}).status_code == status


# --- The page ----------------------------------------------------------------------------------------------


def test_the_page_is_the_administrators(alice: User, root: User, login: Any) -> None:
    assert login(alice).get("/admin/watching/").status_code == 403
    assert login(root).get("/admin/watching/").status_code == 200


def test_every_sweep_has_its_words() -> None:
    assert set(watching.DOES) == set(django_settings.CELERY_BEAT_SCHEDULE)


def test_the_page_works_without_a_broker_and_says_so(root: User, login: Any, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert "The broker does not answer" in login(root).get("/admin/watching/").content.decode()


def test_the_page_tells_of_a_server_that_is_down(root: User, login: Any, now: dt.datetime) -> None:
    servers.is_down(ChannelName.MAIL, "refused", now=now)
    page = login(root).get("/admin/watching/").content.decode()
    assert "takes nothing since" in page
    assert "refused" in page


# --- The watchman ------------------------------------------------------------------------------------------


def test_silence_is_told_to_the_administrators_once_a_day_and_sent_at_once(
    site: Site, alice: User, root: User, now: dt.datetime, time_machine: Any
) -> None:
    for name in django_settings.CELERY_BEAT_SCHEDULE:
        sweeps.record_run(name, counts={}, now=now - 16 * MINUTE)
    for _turn in range(3):
        call_command("watch")
    (sent,) = mail.outbox
    assert sent.to == ["root@example.org"]
    assert "visit-reminders" in str(sent.body)
    assert Notification.objects.get().urgency == Urgency.ALERT
    time_machine.move_to(now + dt.timedelta(days=1))
    call_command("watch")
    assert len(mail.outbox) == 2


def test_all_well_it_tells_nobody(site: Site, root: User, swept: None) -> None:
    with pytest.raises(SystemExit):
        call_command("watch", alive=True)
    call_command("watch")
    assert mail.outbox == []
    call_command("watch", alive=True)


def test_it_tells_of_mail_that_does_not_leave_by_the_second_way(
    site: Site, alice: User, root: User, swept: None, now: dt.datetime, settings: Any
) -> None:
    settings.SECOND_CHANNEL = "/bin/true"
    servers.is_down(ChannelName.MAIL, "refused", now=now)
    put(site, alice, waits=20 * MINUTE, now=now)
    call_command("watch")
    states = dict(Notification.objects.filter(recipient=root).values_list("channel", "state"))
    assert states == {ChannelName.MAIL: NotificationState.QUEUED, ChannelName.SECOND: NotificationState.SENT}
    assert notifications.deliver_due()["down"] == 1
