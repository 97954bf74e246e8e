"""Mail leaves whatever servers and other messages do: the urgent first, nothing lost, nothing twice without need."""

import datetime as dt
import email
import email.policy
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from tests.conftest import person
from tests.mailservers import CLOSE, DRIP, HANG, MailServer, mail_server
from trialsite import channels, delivery, notifications, outbox, servers, smtp
from trialsite.models import ChannelName, ChannelState, Notification, NotificationState, Site, Urgency, User
from trialsite.roles import Role

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = dt.timedelta(minutes=1)
SENT, FAILED, QUEUED = NotificationState.SENT, NotificationState.FAILED, NotificationState.QUEUED


@pytest.fixture
def server(settings: Any, monkeypatch: Any) -> Iterator[MailServer]:
    """One that does what it should until a test says otherwise; whoever hangs is waited for a moment only."""
    monkeypatch.setattr(smtp, "LOOK_UP", 0.01)
    monkeypatch.setattr(smtp, "AFTER_DATA_SECONDS", 0.3)
    settings.EMAIL_CONVERSATION_SECONDS = 0.7
    with mail_server() as server:
        settings.EMAIL_BACKEND = channels.SMTP_BACKEND
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        yield server


@pytest.fixture
def queue(site: Site, alice: User) -> Any:
    def put(key: str, *, to: User = alice, **values: Any) -> Notification:
        now = timezone.now()
        return Notification.objects.create(
            **{
                "dedupe_key": key,
                "message_id": f"<{key}@localhost>",
                "about": f"thing:{key}",
                "site": site,
                "recipient": to,
                "subject": key,
                "body_text": ".\n..dots\n",
                "body_html": "<p>x</p>",
                "queued_at": now,
                "due_at": now,
                "not_before": now,
                **values,
            }
        )

    return put


@pytest.fixture
def bob(site: Site) -> User:
    return person("bob", Role.COORDINATOR, site)


def begun() -> Notification:
    """The next one, as a deliverer holds it who dies or stands still with it in its hands."""
    now = timezone.now()
    row, *_others = outbox.set_aside(ChannelName.MAIL, most=1, now=now)
    assert outbox.begin(row, after=None, now=now)[0]
    return row


def states() -> dict[str, str]:
    return dict(Notification.objects.values_list("dedupe_key", "state"))


def attempts() -> dict[str, int]:
    return dict(Notification.objects.values_list("dedupe_key", "attempts"))


def later(time_machine: Any, minutes: float = 5) -> None:
    time_machine.move_to(timezone.now() + minutes * MINUTE)


def only(address: str, said: str) -> Any:
    return lambda recipient: said if recipient == address else None


# --- Order ---------------------------------------------------------------------------------------------


def test_alerts_go_before_all_reminders_over_one_connection(queue: Any, server: MailServer) -> None:
    for number in range(3):
        queue(f"reminder-{number}")
    queue("alert", urgency=Urgency.ALERT)
    assert notifications.deliver_due()["sent"] == 4
    assert [mail["Subject"] for mail in server.mails] == ["alert", "reminder-0", "reminder-1", "reminder-2"]
    assert server.conversations == 1


def test_what_is_sent_arrives_as_it_was_written(queue: Any, server: MailServer) -> None:
    queue("dots")
    notifications.deliver_due()
    part = next(one for one in server.mails[0].walk() if one.get_content_type() == "text/plain")
    assert part.get_payload(decode=True).decode().splitlines() == [".", "..dots"]


def test_it_is_the_mail_that_the_library_would_write(queue: Any, server: MailServer, alice: User) -> None:
    """All kinds of words: what a reader's program makes of them is the same."""
    subjects = ["Plain", "访视提醒：ZJ-001 的 D28 在 3 天之内", "long " * 40, "ä" * 120]
    bodies = ["plain\n", "一行\n\n.\n二行\u2028仍是\n", "x" * 2_000 + "\n", "no end"]
    rows = [queue(f"m{n}", subject=subjects[n], body_text=bodies[n], body_html=f"<p>{bodies[n]}</p>") for n in range(4)]
    assert notifications.deliver_due()["sent"] == 4
    for row, got in zip(rows, server.mails, strict=True):
        ours, theirs = (read(one.as_bytes()) for one in (got, channels.message(row, alice.email).message()))
        assert ours == theirs


def read(content: bytes) -> Any:
    mail = email.message_from_bytes(content, policy=email.policy.default)
    parts = [(one.get_content_type(), one.get_content().split()) for one in mail.walk() if not one.is_multipart()]
    return {name: mail[name].strip() for name in ("From", "To", "Subject", "Message-ID", "Auto-Submitted")}, parts


def test_a_large_one_arrives_whole(queue: Any, server: MailServer) -> None:
    queue("large", body_text="一二三四五六七八九十\n.\n" * 4_000)
    notifications.deliver_due()
    part = next(one for one in server.mails[0].walk() if one.get_content_type() == "text/plain")
    assert part.get_payload(decode=True).decode().split() == ["一二三四五六七八九十", "."] * 4_000


def test_nothing_leaves_before_its_hour(queue: Any, server: MailServer, time_machine: Any) -> None:
    queue("tomorrow", not_before=timezone.now() + 60 * MINUTE, due_at=timezone.now() + 60 * MINUTE)
    assert notifications.deliver_due()["sent"] == 0
    assert server.conversations == 0, "a server is not asked for nothing"
    later(time_machine, 61)
    assert notifications.deliver_due()["sent"] == 1


# --- A server that is down ------------------------------------------------------------------------------


def hang_up(server: MailServer) -> None:
    server.stop()


OUTAGES = {
    "refused": hang_up,
    "no-greeting": lambda server: setattr(server, "greeting", HANG),
    "closed-at-once": lambda server: setattr(server, "greeting", CLOSE),
    "one-byte-at-a-time": lambda server: setattr(server, "greeting", DRIP),
    "says-that-it-is-down": lambda server: setattr(server, "greeting", "421 come later"),
    "takes-nothing-from-us": lambda server: setattr(server, "mail", only("", "530 log in first")),
    "disk-full": lambda server: setattr(server, "rcpt", lambda _to: "452 4.3.1 no space"),
    "closes-on-everybody": lambda server: setattr(server, "rcpt", lambda _to: CLOSE),
    "hangs-on-everybody": lambda server: setattr(server, "rcpt", lambda _to: HANG),
}


@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_costs_no_message_a_try_and_all_go_when_it_is_over(
    queue: Any, server: MailServer, settings: Any, time_machine: Any, outage: str
) -> None:
    for number in range(5):
        queue(f"m{number}")
    OUTAGES[outage](server)
    for _turn in range(2):
        assert notifications.deliver_due()["down"] == 1
        later(time_machine, 3)
    assert set(states().values()) == {QUEUED}
    assert set(attempts().values()) == {0}
    state = ChannelState.objects.get(name=ChannelName.MAIL)
    assert (state.failures, state.last_sent_at) == (2, None)
    with mail_server() as well:
        settings.EMAIL_PORT = well.port
        assert notifications.deliver_due()["sent"] == 5
        assert well.ids == {f"<m{number}@localhost>": 1 for number in range(5)}
    state.refresh_from_db()
    assert (state.failures, state.down_since, state.error) == (0, None, "")


def test_a_server_that_falls_silent_costs_no_try_though_another_went_a_moment_before(
    queue: Any, server: MailServer
) -> None:
    for number in range(3):
        queue(f"m{number}")

    def falls_silent(_to: str) -> str | None:
        if not server.mails:
            return None
        # As if another deliverer had got rid of one just now.
        delivery._took_at[ChannelName.MAIL] = time.monotonic()
        server.greeting = HANG
        return HANG

    server.mail = falls_silent
    counts = notifications.deliver_due()
    assert (counts["sent"], counts["down"], counts["retry"]) == (1, 1, 0)
    assert states() == {"m0": SENT, "m1": QUEUED, "m2": QUEUED}
    assert attempts() == {"m0": 1, "m1": 0, "m2": 0}


@pytest.mark.parametrize("kind", ["EMAIL_USE_TLS", "EMAIL_USE_SSL"])
def test_a_server_without_the_wanted_tls_is_down(queue: Any, server: MailServer, settings: Any, kind: str) -> None:
    setattr(settings, kind, True)
    queue("secret")
    assert notifications.deliver_due()["down"] == 1
    assert (states(), attempts(), server.mails) == ({"secret": QUEUED}, {"secret": 0}, [])


def test_while_it_is_down_it_is_asked_once_for_all_and_seldom(
    queue: Any, server: MailServer, time_machine: Any
) -> None:
    queue("m")
    server.greeting = "421 come later"
    time_machine.move_to(timezone.now(), tick=False)
    for _turn in range(10):
        notifications.deliver_due()
    assert server.conversations == 1
    time_machine.move_to(timezone.now() + servers.FIRST_PAUSE, tick=False)
    notifications.deliver_due()
    assert server.conversations == 2
    assert servers.pause(50) == servers.LONGEST_PAUSE


# --- One recipient that is trouble ------------------------------------------------------------------------


TROUBLE = {
    "hangs": HANG,
    "closes": CLOSE,
    "one-byte-at-a-time": DRIP,
    "closes-politely": "421 not you",
    "not-now": "450 greylisted",
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_one_recipient_keeps_nobody_else_and_fails_after_its_tries(
    queue: Any, server: MailServer, bob: User, time_machine: Any, monkeypatch: Any, trouble: str
) -> None:
    monkeypatch.setattr(outbox, "MAX_ATTEMPTS", 2)
    server.rcpt = only(bob.email, TROUBLE[trouble])
    queue("bob", to=bob)
    for turn in range(outbox.MAX_ATTEMPTS):
        queue(f"m{turn}")
        assert notifications.deliver_due()["sent"] == 1
        later(time_machine, 300)
    assert states() == {"bob": FAILED, **{f"m{turn}": SENT for turn in range(outbox.MAX_ATTEMPTS)}}
    assert attempts()["bob"] == outbox.MAX_ATTEMPTS


def test_side_by_side_nobody_waits_for_who_hangs(
    queue: Any, server: MailServer, bob: User, settings: Any, monkeypatch: Any
) -> None:
    """The hanging conversation would last an hour: the round ends without it, and the row is still held."""
    # Longer than a busy machine needs to answer: who is slow is not waited for either.
    monkeypatch.setattr(smtp, "LOOK_UP", 0.3)
    settings.EMAIL_CONVERSATION_SECONDS = 3600
    server.rcpt = only(bob.email, HANG)
    queue("bob", to=bob, urgency=Urgency.ALERT)
    for number in range(5):
        queue(f"m{number}")
    assert delivery.deliver_side_by_side()["sent"] == 5
    assert states()["bob"] == NotificationState.SENDING
    server.stop()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.name.startswith("Thread") and "_run" in thread.name:
            thread.join()
    assert states()["bob"] == QUEUED


KINDS: dict[str, dict[str, Any]] = {
    "step-by-step": {"offers": []},
    "all-at-once": {"offers": ["SIZE 1000000", "PIPELINING"]},
    "all-at-once-and-hears-all": {"offers": ["PIPELINING"], "hears_all": True},
}


@pytest.mark.parametrize("step", ["rcpt", "data", "dot"])
@pytest.mark.parametrize("kind", KINDS)
def test_refused_for_good_it_fails_at_once(queue: Any, server: MailServer, bob: User, kind: str, step: str) -> None:
    vars(server).update(KINDS[kind])
    setattr(server, step, only(bob.email, "550 5.1.1 nobody of this name"))
    queue("bob", to=bob)
    queue("alice")
    counts = notifications.deliver_due()
    assert (counts["failed"], counts["sent"]) == (1, 1)
    row = Notification.objects.get(dedupe_key="bob")
    assert (row.state, row.attempts) == (FAILED, 1)
    assert "550" in row.error
    assert bob.email not in row.error
    assert (server.conversations, len(server.mails)) == (1, 1), "the others go over the same connection"


@pytest.mark.parametrize(
    "address", ["a@b.c\nBcc: x@y.z", "@", "two@x.org, three@x.org", "müller@example.org", "x" * 250 + "@y.z"]
)
def test_an_address_that_cannot_be_a_message_fails_and_stops_nothing(
    queue: Any, server: MailServer, bob: User, address: str
) -> None:
    User.objects.filter(pk=bob.pk).update(email=address[:254])
    queue("bob", to=bob)
    queue("alice")
    assert notifications.deliver_due()["sent"] >= 1
    assert states()["alice"] == SENT
    assert states()["bob"] in {FAILED, SENT}
    assert len(server.mails) == list(states().values()).count(SENT)


# --- Nobody knows whether it arrived ----------------------------------------------------------------------


@pytest.mark.parametrize("said", [HANG, CLOSE, DRIP, "nonsense"])
def test_what_may_have_arrived_is_sent_once_more_and_never_a_third_time(
    queue: Any, server: MailServer, time_machine: Any, said: str
) -> None:
    server.dot = lambda _to: said
    queue("m")
    for _turn in range(5):
        notifications.deliver_due()
        later(time_machine)
    assert server.conversations >= 2
    row = Notification.objects.get()
    assert (row.state, row.attempts, row.unknown_fates) == (FAILED, 2, 2)
    assert sum(server.ids.values()) <= 2


def test_a_server_that_thinks_for_long_after_the_last_dot_is_waited_for(
    queue: Any, server: MailServer, monkeypatch: Any, settings: Any
) -> None:
    """Longer than a whole conversation may last; the lease is renewed meanwhile."""
    settings.EMAIL_CONVERSATION_SECONDS, settings.NOTIFICATION_LEASE_SECONDS = 1, 0.05
    monkeypatch.setattr(smtp, "AFTER_DATA_SECONDS", 60)
    renewed: list[dt.datetime] = []
    let_go = threading.Event()

    def thinks(_to: str) -> None:
        let_go.wait(30)

    plain = outbox.renew

    def renew(row: Notification, *, now: dt.datetime) -> None:
        plain(row, now=now)
        renewed.append(now)
        if len(renewed) == 3:
            let_go.set()

    monkeypatch.setattr(outbox, "renew", renew)
    server.dot = thinks
    queue("m")
    assert notifications.deliver_due()["sent"] == 1
    assert sum(server.ids.values()) == 1
    assert len(renewed) >= 3


def test_rfc_5321_gives_ten_minutes_after_the_last_dot() -> None:
    assert smtp.AFTER_DATA_SECONDS >= 600


def test_who_died_twice_with_a_message_leaves_it_failed(queue: Any, server: MailServer, time_machine: Any) -> None:
    queue("m")
    for _death in range(2):
        begun()
        later(time_machine)
    assert notifications.deliver_due()["failed"] == 1
    assert server.mails == []


def test_who_stood_still_past_the_lease_keeps_off(queue: Any, server: MailServer, time_machine: Any) -> None:
    """A stopped process that wakes up again does not say what became of a row that another has taken over."""
    queue("m")
    frozen = begun()
    later(time_machine)
    assert notifications.deliver_due()["sent"] == 1
    assert outbox.put_back(frozen, servers_word()) == "retry"
    assert outbox.finish(frozen, FAILED, "failed", error="x") == ""
    assert states() == {"m": SENT}


def servers_word() -> Any:
    from trialsite.outcomes import NotNow

    return NotNow("450 later")


def test_what_was_set_aside_and_not_begun_is_not_of_unknown_fate(
    queue: Any, server: MailServer, time_machine: Any
) -> None:
    """Whoever set it aside died: it waits for a moment, and that counts as no try."""
    for number in range(3):
        queue(f"m{number}")
    assert len(outbox.set_aside(ChannelName.MAIL, most=20, now=timezone.now())) == 3
    assert notifications.deliver_due()["sent"] == 0
    time_machine.move_to(timezone.now() + dt.timedelta(seconds=outbox.ASIDE_SECONDS + 1))
    assert notifications.deliver_due()["sent"] == 3
    assert set(Notification.objects.values_list("attempts", "unknown_fates")) == {(1, 0)}


def test_what_is_given_back_is_due_at_once_and_in_its_order(queue: Any) -> None:
    for number in range(3):
        queue(f"m{number}", not_before=timezone.now() - number * MINUTE)
    now = timezone.now()
    first = outbox.set_aside(ChannelName.MAIL, most=2, now=now)
    assert [row.dedupe_key for row in first] == ["m2", "m1"]
    outbox.give_back(first)
    assert [row.dedupe_key for row in outbox.set_aside(ChannelName.MAIL, most=3, now=now)] == ["m2", "m1", "m0"]


def test_what_is_cancelled_while_it_is_set_aside_does_not_leave(
    queue: Any, server: MailServer, monkeypatch: Any
) -> None:
    """Two are set aside; while the first leaves, the second is withdrawn."""
    queue("first")
    queue("second")

    def withdraw(_to: str) -> None:
        notifications.cancel(about="thing:second", reason="done", now=timezone.now())
        connections.close_all()

    server.dot = withdraw
    assert notifications.deliver_due()["sent"] == 1
    assert states() == {"first": SENT, "second": NotificationState.CANCELLED}
    assert server.ids == {"<first@localhost>": 1}


# --- What it is about is compared again ---------------------------------------------------------------------


def test_what_is_no_longer_so_does_not_leave(queue: Any, server: MailServer, monkeypatch: Any) -> None:
    monkeypatch.setattr(delivery, "_asked", {})
    notifications.ask_before_sending("visit", lambda row: "moved" if row.about == "visit:1" else None)
    queue("old", about="visit:1")
    queue("new", about="visit:2")
    queue("other")
    counts = notifications.deliver_due()
    assert (counts["stale"], counts["sent"]) == (1, 2)
    row = Notification.objects.get(dedupe_key="old")
    assert (row.state, row.error) == (NotificationState.CANCELLED, "moved")


def test_a_question_that_breaks_is_that_rows_alone(
    queue: Any, server: MailServer, monkeypatch: Any, caplog: Any
) -> None:
    def breaks(row: Notification) -> str | None:
        raise RuntimeError("王小明")

    monkeypatch.setattr(delivery, "_asked", {})
    notifications.ask_before_sending("visit", breaks)
    queue("bad", about="visit:1")
    queue("good")
    counts = notifications.deliver_due()
    assert (counts["retry"], counts["sent"]) == (1, 1)
    assert "王小明" not in caplog.text + Notification.objects.get(dedupe_key="bad").error
    assert str(Notification.objects.get(dedupe_key="bad").pk) in caplog.text


# --- The second way -----------------------------------------------------------------------------------------

PLUG = """
import json, pathlib, sys
told = json.load(sys.stdin)
pathlib.Path(sys.argv[1]).open("a").write(json.dumps(told) + "\\n")
sys.exit(int(sys.argv[2]))
"""


@pytest.fixture
def plug(tmp_path: Path, settings: Any) -> Any:
    program = tmp_path / "plug.py"
    program.write_text(PLUG)

    def ends_with(code: int) -> Path:
        settings.SECOND_CHANNEL = f"{sys.executable} {program} {tmp_path / 'told'} {code}"
        return tmp_path / "told"

    return ends_with


def test_the_second_way_works_while_mail_is_down(queue: Any, server: MailServer, plug: Any, alice: User) -> None:
    told = plug(0)
    server.stop()
    queue("mail", urgency=Urgency.ALERT)
    queue("sms", urgency=Urgency.ALERT, channel=ChannelName.SECOND)
    counts = notifications.deliver_due()
    assert (counts["sent"], counts["down"]) == (1, 1)
    assert states() == {"mail": QUEUED, "sms": SENT}
    (said,) = [json.loads(line) for line in told.read_text().splitlines()]
    assert (said["id"], said["to"]["username"], said["subject"]) == ("<sms@localhost>", alice.username, "sms")
    assert ChannelState.objects.get(name=ChannelName.SECOND).last_sent_at is not None


@pytest.mark.parametrize(
    ("code", "state", "count"),
    [(64, FAILED, "failed"), (74, FAILED, "failed"), (75, QUEUED, "retry"), (1, QUEUED, "retry")],
)
def test_how_the_command_ends_says_what_became_of_it(queue: Any, plug: Any, code: int, state: str, count: str) -> None:
    plug(code)
    queue("sms", channel=ChannelName.SECOND)
    assert notifications.deliver_due()[count] == 1
    assert states() == {"sms": state}


def test_a_command_that_is_not_there_is_a_server_that_is_down(queue: Any, settings: Any) -> None:
    settings.SECOND_CHANNEL = "/no/such/program"
    queue("sms", channel=ChannelName.SECOND)
    assert notifications.deliver_due()["down"] == 1
    assert attempts() == {"sms": 0}


@pytest.mark.parametrize(
    ("status", "state", "tries"),
    [("200 OK", SENT, 1), ("202 Accepted", SENT, 1), ("400 Bad", FAILED, 1), ("429 Slowly", QUEUED, 1),
     ("500 Ouch", QUEUED, 1), ("503 Down", QUEUED, 0), ("401 Who", QUEUED, 0)],
)  # fmt: skip
def test_what_a_webhook_answers_says_what_became_of_it(
    queue: Any, settings: Any, status: str, state: str, tries: int
) -> None:
    import http.server

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            code, _space, words = status.partition(" ")
            self.send_response(int(code), words)
            self.end_headers()

        def log_message(self, *_words: Any) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as hook:
        threading.Thread(target=hook.handle_request, daemon=True).start()
        settings.SECOND_CHANNEL = f"http://127.0.0.1:{hook.server_port}/"
        queue("sms", channel=ChannelName.SECOND)
        notifications.deliver_due()
    assert (states(), attempts()) == ({"sms": state}, {"sms": tries})


def test_without_a_second_way_nothing_is_written_for_it(site: Site, alice: User, settings: Any) -> None:
    for second, rows in (("", 1), ("/bin/true", 2)):
        settings.SECOND_CHANNEL = second
        notifications.queue(
            key=f"k{rows}",
            about="x:1",
            site=site,
            recipient=alice,
            template="trialsite/email/access_review",
            context={"site": site, "due_on": None, "link": ""},
            urgency=Urgency.ALERT,
            on_both_ways=True,
            now=timezone.now(),
        )
        assert Notification.objects.filter(dedupe_key__startswith=f"k{rows}:").count() == rows
    connections.close_all()
