"""Two years of one participant, day by day: every reminder arrives once, on its day, at its hour, in its words.

Trial days count from the infusion. Every day is lived through, those on which nothing is to happen, too.
"""

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from email.header import decode_header, make_header
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from participants import actions
from participants.actions import preferences
from participants.models import ParticipantStatus, Visit, VisitState
from participants.rules.status import Status
from participants.tasks import sweep_visit_reminders
from tests import factories
from tests.conftest import person
from tests.trialsite.test_notifications import Sink, body, sink  # noqa: F401  (a fixture)
from trialsite import notifications
from trialsite.models import Notification, NotificationState, Site, User
from trialsite.roles import Role

DAY = dt.timedelta(days=1)
INFUSED = dt.date(2025, 9, 1)
HOUR, LATER, NINE, NOON, AFTER = "07:30", "07:31", "09:00", "12:00", "12:05"
BEFORE = {HOUR: "07:29", NINE: "08:59"}
# Who reads what on which trial day, at which minute.
Told = tuple[int, str, str, str]


def coming(code: str, target: int, *, to: str = "alice", at: str = HOUR) -> list[Told]:
    """What a visit owes whose day comes and goes as planned."""
    return [
        (target - 7, at, to, f"Visit {code} of ZJ-001 in 7 days"),
        (target - 1, at, to, f"Tomorrow: visit {code} of ZJ-001"),
        (target, at, to, f"Today: visit {code} of ZJ-001"),
    ]


EXPECTED: list[Told] = [
    # Fourteen days in hospital: the day before and the day itself. D1 is of tomorrow when the cells are given, at noon.
    (0, AFTER, "alice", "Tomorrow: visit D1 of ZJ-001"),
    *((day - 1, HOUR, "alice", f"Tomorrow: visit D{day} of ZJ-001") for day in range(2, 15)),
    *((day, HOUR, "alice", f"Today: visit D{day} of ZJ-001") for day in range(1, 15)),
    # Somebody forgot to write D5 down.
    (6, HOUR, "alice", "Overdue: visit D5 of ZJ-001 is not recorded"),
    *coming("D21", 21),
    # Nobody came on Day 28, nobody answered: Ivan is told, and the window closes.
    *coming("D28", 28),
    (29, HOUR, "alice", "Window of visit D28 of ZJ-001 closes in 2 days"),
    (30, HOUR, "ivan", "Nobody has answered: the window of visit D28 of ZJ-001 closes in 1 day"),
    (32, HOUR, "alice", "Overdue: visit D28 of ZJ-001 is not recorded"),
    # Day 0 is corrected to two days later, in the minute in which M2 is to be today: nobody is told of the old date.
    (53, HOUR, "alice", "Visit M2 of ZJ-001 in 7 days"),
    (59, HOUR, "alice", "Tomorrow: visit M2 of ZJ-001"),
    (60, LATER, "alice", "Visit M2 of ZJ-001 in 2 days"),
    (61, HOUR, "alice", "Tomorrow: visit M2 of ZJ-001"),
    (62, HOUR, "alice", "Today: visit M2 of ZJ-001"),
    # Alice is on holiday: Dana reads it, in Chinese.
    (85, HOUR, "dana", "ZJ-001 的访视 M3 将在 7 天后进行"),
    (91, HOUR, "dana", "明天：ZJ-001 的访视 M3"),
    (92, HOUR, "dana", "今天：ZJ-001 的访视 M3"),
    # M6 waits for the participant, and Alice says so in time: nobody else is told.
    *coming("M6", 182),
    (189, HOUR, "alice", "Window of visit M6 of ZJ-001 closes in 7 days"),
    (194, HOUR, "alice", "Window of visit M6 of ZJ-001 closes in 2 days"),
    # From here on Alice wants to be left alone until nine.
    *coming("M9", 272, at=NINE),
    # The day before M12 it is taken for done, and planned again.
    *(told for told in coming("M12", 367, at=NINE) if told[0] != 366),
    (366, AFTER, "alice", "Tomorrow: visit M12 of ZJ-001"),
    *coming("M18", 550, at=NINE),
    # Lost, and found again five days before M24.
    (727, AFTER, "alice", "Visit M24 of ZJ-001 in 5 days"),
    (731, NINE, "alice", "Tomorrow: visit M24 of ZJ-001"),
    (732, NINE, "alice", "Today: visit M24 of ZJ-001"),
]

LAST = max(day for day, *_rest in EXPECTED)


@dataclass
class Life:
    """One participant at the site, the clock, and what arrived in whose box."""

    clock: Any
    post: Sink
    people: dict[str, User]
    participant: Any = None
    arrived: list[Told] = field(default_factory=list)
    mails: dict[tuple[int, str, str], int] = field(default_factory=lambda: defaultdict(int))
    texts: list[str] = field(default_factory=list)

    def moment(self, day: int, at: str) -> dt.datetime:
        time = dt.time.fromisoformat(at)
        return dt.datetime.combine(INFUSED + day * DAY, time, tzinfo=timezone.get_current_timezone())

    def look(self, day: int, at: str, between: Callable[[], Any] | None = None) -> None:
        """The sweep at this minute, and then the delivery; what comes `between` finds the messages waiting."""
        self.clock.move_to(self.moment(day, at), tick=False)
        sweep_visit_reminders()
        if between:
            between()
        notifications.deliver_due()
        for mail in self.post.mails:
            self._read(mail, day, at)
        self.post.mails.clear()

    def _read(self, mail: Any, day: int, at: str) -> None:
        subject = " ".join(str(make_header(decode_header(mail["Subject"]))).split())
        text = body(mail)
        kept = Notification.objects.get(message_id=mail["Message-ID"])
        assert (kept.state, kept.subject) == (NotificationState.SENT, subject)
        assert kept.body_text in text.replace("\r\n", "\n"), "what it said is kept as it was sent"
        lines = re.findall(r"^\d+\. (.+?)\s*$", text, re.MULTILINE) or [subject]
        to = mail["To"].partition("@")[0]
        self.arrived += [(day, at, to, line) for line in lines]
        self.mails[day, at, to] += 1
        self.texts.append(subject + text)

    def visit(self, code: str) -> Visit:
        visit: Visit = self.participant.visits.standing().get(code=code)
        return visit

    def held(self, code: str, *, why_late: str = "") -> None:
        visit = self.visit(code)
        visit.state, visit.occurred_on = VisitState.DONE, timezone.localdate()
        actions.record_visit(visit=visit, deviation_reason=why_late, by=self.people["alice"], now=timezone.now())

    def written_down(self, code: str) -> None:
        """Later, that it was held on its day."""
        visit = self.visit(code)
        visit.state, visit.occurred_on = VisitState.DONE, visit.target_date
        actions.record_visit(visit=visit, by=self.people["alice"], now=timezone.now())

    def planned_again(self, code: str) -> None:
        visit = self.visit(code)
        visit.state, visit.occurred_on = VisitState.PLANNED, None
        actions.record_visit(visit=visit, by=self.people["alice"], now=timezone.now())

    def infused(self) -> None:
        alice, now = self.people["alice"], timezone.now()
        self.participant = factories.infused(site=alice.sites.get(), by=alice, now=now)

    def infused_later(self, days: int) -> None:
        day0 = INFUSED + days * DAY
        actions.schedule_follow_up(participant=self.participant, day0=day0, by=self.people["alice"], now=timezone.now())

    def away(self, first: int, last: int) -> None:
        days = {"first_on": INFUSED + first * DAY, "last_on": INFUSED + last * DAY}
        preferences.plan_absence(person=self.people["alice"], deputy=self.people["dana"], **days, now=timezone.now())

    def acknowledged(self, code: str) -> None:
        visit = self.visit(code)
        actions.acknowledge_visit(visit=visit, note="comes on Friday", by=self.people["alice"], now=timezone.now())

    def sleeps_until_nine(self) -> None:
        hours = {"quiet_from": dt.time(22), "quiet_until": dt.time(9)}
        preferences.choose_reminders(person=self.people["alice"], is_single=False, **hours)

    def lost(self) -> None:
        self.participant.refresh_from_db()
        actions.change_status(
            participant=self.participant,
            new=Status.LOST_TO_FOLLOW_UP,
            on=timezone.localdate(),
            reason="no answer",
            by=self.people["ivan"],
            now=timezone.now(),
        )

    def found_again(self) -> None:
        row = ParticipantStatus.objects.standing().get(status=Status.LOST_TO_FOLLOW_UP)
        actions.void_status(row=row, reason="answered", by=self.people["dana"], now=timezone.now())


def story(life: Life) -> dict[tuple[int, str], Callable[[], Any]]:
    """What people do, on which trial day: while messages wait at half past seven, or at noon."""
    on_time = {f"D{day}": day for day in range(1, 15) if day != 5} | {"D21": 21, "M2": 62, "M3": 92}
    on_time |= {"M9": 272, "M12": 367, "M18": 550, "M24": 732}
    return {
        (0, NOON): life.infused,
        **{(day, NOON): partial(life.held, code) for code, day in on_time.items()},
        (7, HOUR): partial(life.written_down, "D5"),
        (32, NOON): partial(life.held, "D28", why_late="was ill"),
        (60, HOUR): partial(life.infused_later, 2),
        (80, NOON): partial(life.away, 85, 95),
        (194, NOON): partial(life.acknowledged, "M6"),
        (196, NOON): partial(life.held, "M6"),
        (200, NOON): life.sleeps_until_nine,
        (366, NINE): partial(life.held, "M12"),
        (366, NOON): partial(life.planned_again, "M12"),
        (640, NOON): life.lost,
        (727, NOON): life.found_again,
    }


def minutes_of(day: int, events: dict[tuple[int, str], Any]) -> list[str]:
    """When to look on this day: at the hour, a minute before anything is expected, then, and after what people do."""
    expected = {at for when, at, _to, _words in EXPECTED if when == day}
    done = {at for when, at in events if when == day}
    before = {BEFORE[at] for at in expected if at in BEFORE}
    after = {AFTER} if NOON in done else set()
    return sorted({HOUR} | expected | done | before | after)


def live(life: Life) -> None:
    events = story(life)
    for today in range(-1, LAST + 2):
        for at in minutes_of(today, events):
            act = events.get((today, at))
            if act is None or at != NOON:
                life.look(today, at, between=act)
            else:
                life.clock.move_to(life.moment(today, at), tick=False)
                act()


@pytest.fixture
def life(site: Site, alice: User, ivan: User, sink: Sink, time_machine: Any) -> Life:  # noqa: F811
    dana = person("dana", Role.DATA_MANAGER, site, language="zh-hans")
    return Life(time_machine, sink, {"alice": alice, "ivan": ivan, "dana": dana})


@pytest.mark.django_db
def test_two_years_of_one_participant(life: Life) -> None:
    live(life)
    assert sorted(life.arrived) == sorted(EXPECTED), (
        "each once, on its day, at its hour, to whom it is for, in its words"
    )
    assert set(life.mails.values()) == {1}, "whatever is due at once comes in one mail"
    names = "".join(life.texts)
    assert "王小明" not in names
    assert "13800000000" not in names
    in_place = [text for text in life.texts if "M3" in text]
    assert in_place
    assert all("Alice" in text for text in in_place), "Dana reads in whose place"
    left = Notification.objects.exclude(state__in=[NotificationState.SENT, NotificationState.CANCELLED])
    assert not left.exists()
