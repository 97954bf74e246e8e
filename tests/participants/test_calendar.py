"""The calendar of visits on its pages, on paper, and as the feed that Outlook and phones read."""

import datetime as dt
import io
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from icalendar import Calendar

from participants import actions, feed
from participants.calendars import View, entries, span, visits_between, weeks
from participants.models import CalendarFeed, Participant, VisitState
from participants.rules.status import Status
from tests import factories
from tests.conftest import Once
from tests.pdftext import words_of
from trialsite.models import ListExport, Site, User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
DAY = dt.timedelta(days=1)
CALENDAR = "admin:participants_visit_calendar"


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    """Infused on 25 January 2026: M2 is best on Thursday 26 March, M3 falls on a Saturday."""
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - 39 * DAY)


def page(client: Client, **query: str) -> str:
    answer = client.get(reverse(CALENDAR), query)
    assert answer.status_code == 200
    return answer.content.decode()


# --- pages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", list(View))
def test_each_view_shows_the_visits_of_its_days(participant: Participant, alice: User, login: Any, view: View) -> None:
    m2 = participant.visits.get(code="M2")
    text = page(login(alice), view=view, on=f"{m2.target_date:%Y-%m-%d}")
    assert f"{participant.number}" in text
    assert f"{reverse('admin:participants_visit_enter', args=[m2.pk])}" in text
    assert "D28" not in text, "its window closed before"


def test_a_visit_stands_on_a_working_day_of_its_window_with_its_bar(participant: Participant, now: dt.datetime) -> None:
    m3 = participant.visits.get(code="M3")
    shown = span(View.WEEK, m3.target_date)
    found = entries(visits_between([participant.site], shown.first, shown.last), today=now.date(), link=str)
    (one,) = [entry for entry in found if entry.visit.code == "M3"]
    assert (one.on, one.is_moved) == (m3.target_date - DAY, True)
    (week,) = weeks(shown, found, today=now.date())
    (strip,) = week.strips
    assert (strip.x, strip.width) == (0.0, 100.0)
    assert strip.target == 78.6


def test_holidays_are_marked_and_what_is_not_known_is_said(participant: Participant, alice: User, login: Any) -> None:
    client = login(alice)
    october = page(client, on="2026-10-01")
    assert "National Day" in october
    assert "worked weekend" in october
    assert "are not announced" not in october
    assert "The public holidays of 2028 are not announced" in page(client, on="2028-10-01")


def test_what_is_not_due_is_not_shown_and_nobody_sees_another_site(
    participant: Participant, alice: User, charlie: User, now: dt.datetime, login: Any
) -> None:
    m2 = participant.visits.get(code="M2")
    query = {"on": f"{m2.target_date:%Y-%m-%d}"}
    assert participant.number not in page(login(charlie), **query)
    assert login(charlie).get(reverse(CALENDAR), {"site": "ZJ"}).status_code == 403
    actions.change_status(participant=participant, new=Status.DIED, on=now.date(), reason="x", by=alice, now=now)
    assert participant.number not in page(login(alice), **query)


@pytest.mark.parametrize("query", [{"on": "nonsense"}, {"view": "year"}, {"on": "0001-01-01"}, {"on": "9999-12-31"}])
def test_what_cannot_be_read_is_the_month_of_today(alice: User, login: Any, query: dict[str, str]) -> None:
    page(login(alice), **query)


@pytest.mark.parametrize("view", list(View))
def test_a_page_costs_the_same_with_many_visits(
    participant: Participant, alice: User, now: dt.datetime, login: Any, view: View
) -> None:
    client, query = login(alice), {"view": view.value, "on": "2026-03-26"}
    page(client, **query)

    def asked() -> int:
        with CaptureQueriesContext(connection) as found:
            page(client, **query)
        return len(found)

    few = asked()
    factories.infused(site=participant.site, by=alice, now=now, infused_at=now - 4 * DAY, name="李丽")
    page(client, **query)
    # One more for the looks at the bed, which the first days alone ask for.
    assert asked() == few + 1
    assert few <= 12


# --- on paper --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_now")
def test_the_plan_has_its_dates_in_both_languages(participant: Participant, alice: User, login: Any) -> None:
    answer = login(alice).get(reverse("admin:participants_participant_plan_print", args=[participant.pk]))
    assert answer["Content-Type"] == "application/pdf"
    m3 = participant.visits.get(code="M3")
    text = words_of(answer.content)
    day = m3.target_date - DAY
    dates = (f"{day.year}年{day.month}月{day.day}日", f"{day.day}Apr{day.year}")
    for said in (*dates, "Month3", "第3个月", participant.number):
        assert said in text
    assert "D28" not in text, "its window has closed"
    assert participant.name not in text
    assert not ListExport.objects.latest("id").has_identity


def test_the_plan_of_another_site_is_not_there(participant: Participant, charlie: User, login: Any) -> None:
    address = reverse("admin:participants_participant_plan_print", args=[participant.pk])
    assert login(charlie).get(address).status_code == 404


# --- the feed --------------------------------------------------------------------------------------------


@pytest.fixture
def at_now(time_machine: Any, now: dt.datetime) -> None:
    time_machine.move_to(now, tick=False)


def read(secret: str, **headers: str) -> Any:
    return Client().get(reverse("calendar_feed"), {"key": secret}, headers=headers)


def events(body: bytes) -> dict[str, Any]:
    return {str(one["SUMMARY"]): one for one in Calendar.from_ical(body).walk("VEVENT")}


@pytest.mark.usefixtures("at_now")
def test_a_device_reads_whole_days_by_number_only(participant: Participant, alice: User, now: dt.datetime) -> None:
    answer = read(feed.make(by=alice, now=now))
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    body = answer.content
    assert participant.name not in body.decode()
    assert b"\r\n" in body
    assert all(len(line) <= 75 for line in io.BytesIO(body).read().split(b"\r\n"))
    m2 = participant.visits.get(code="M2")
    event = events(body)[f"{participant.number} · M2"]
    assert str(event["UID"]) == f"visit-{m2.pk}@nct07072494.trialsite"
    assert (event.decoded("DTSTART"), event.decoded("DTEND")) == (m2.target_date, m2.target_date + DAY)
    assert (str(event["STATUS"]), str(event["TRANSP"])) == ("CONFIRMED", "TRANSPARENT")


@pytest.mark.usefixtures("at_now")
def test_the_feed_is_as_the_standard_and_outlook_want_it(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    """RFC 5545 by the letter: 3.1 lines and folds, 3.3.4 days, 3.6.1 what an event has; RFC 7986, 5.7 how often."""
    User.objects.filter(pk=alice.pk).update(language="zh-hans")
    secret = feed.make(by=alice, now=now)
    body = read(secret).content
    assert body.endswith(b"END:VCALENDAR\r\n")
    lines = body.removesuffix(b"\r\n").split(b"\r\n")
    assert not [line for line in lines if b"\n" in line or len(line) > 75 or not is_text(line)]
    text = b"".join(b"\n" + line if line[:1] != b" " else line[1:] for line in lines).decode()
    head, *rest = text.split("\nBEGIN:VEVENT")
    name = next(line for line in head.split("\n") if line.startswith("X-WR-CALNAME:"))
    for line in ("VERSION:2.0", "METHOD:PUBLISH", "REFRESH-INTERVAL;VALUE=DURATION:PT4H", "X-PUBLISHED-TTL:PT4H"):
        assert head.split("\n").count(line) == 1
    assert not name.isascii()
    assert "TZID" not in text, "whole days: no time zone has to be told"
    for event in rest:
        said = [line.partition(":")[0] for line in event.split("\n")]
        assert all(said.count(one) == 1 for one in ("UID", "DTSTAMP", "SUMMARY", "SEQUENCE", "STATUS"))
        assert re.search(r"\nDTSTART;VALUE=DATE:\d{8}\n", event)
        assert re.search(r"\nDTEND;VALUE=DATE:\d{8}\n", event)
        assert re.search(r"\nDTSTAMP:\d{8}T\d{6}Z\n", event)
    keys = re.findall(r"\nUID:(.+)", text)
    assert len(keys) == len(set(keys)) == len(Calendar.from_ical(body).walk("VEVENT")) > 20
    assert re.findall(r"UID:(\S+)", read(secret).content.decode()) == re.findall(r"UID:(\S+)", body.decode())
    assert Calendar.from_ical(body).errors == []


def is_text(line: bytes) -> bool:
    """No letter is cut in two by a fold."""
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.usefixtures("at_now")
def test_a_device_that_has_it_is_told_that_nothing_changed(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    secret = feed.make(by=alice, now=now)
    etag = read(secret)["ETag"]
    unchanged = read(secret, if_none_match=etag)
    assert (unchanged.status_code, unchanged.content, unchanged["ETag"]) == (304, b"", etag)
    visit = participant.visits.get(code="M2")
    visit.state, visit.not_done_reason = VisitState.CANCELLED, "transplanted elsewhere"
    actions.record_visit(visit=visit, by=alice, now=now)
    changed = read(secret, if_none_match=etag)
    assert changed.status_code == 200
    event = events(changed.content)[f"{participant.number} · M2"]
    assert str(event["STATUS"]) == "CANCELLED", "a device takes it away"
    assert Client().head(reverse("calendar_feed"), {"key": secret}).status_code == 200
    assert Client().post(reverse("calendar_feed"), {"key": secret}).status_code == 405


def test_a_link_is_kept_as_a_digest_and_dies_with_its_right(alice: User, now: dt.datetime) -> None:
    secret = feed.make(by=alice, now=now)
    row = CalendarFeed.objects.get()
    assert secret not in row.digest
    assert read(secret).status_code == 200
    row.refresh_from_db()
    assert row.last_read_on is not None
    assert read("").status_code == read(row.digest).status_code == 404
    again = feed.make(by=alice, now=now)
    assert (read(secret).status_code, read(again).status_code) == (404, 200)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert read(again).status_code == 404
    User.objects.filter(pk=alice.pk).update(is_active=True)
    assert feed.revoke(by=alice, now=now)
    assert not feed.revoke(by=alice, now=now)
    assert read(again).status_code == 404


def test_the_link_is_shown_once_and_revoked_on_its_page(alice: User, login: Any) -> None:
    client, address = login(alice), reverse("admin:participants_visit_calendar_link")
    shown = client.post(address, {"make": "1"}).content.decode()
    assert "webcal://" in shown
    assert re.search(r'<input id="feed-address"[^>]+value="http[^"]+key=[^"]{43}"', shown)
    assert 'data-copies="feed-address"' in shown
    assert "webcal://" not in client.get(address).content.decode()
    client.post(address, {"revoke": "1"})
    assert not CalendarFeed.objects.filter(revoked_at=None).exists()


@pytest.mark.usefixtures("at_now")
def test_a_feed_costs_the_same_with_many_visits(
    participant: Participant, alice: User, site: Site, now: dt.datetime
) -> None:
    secret = feed.make(by=alice, now=now)
    read(secret)

    def asked() -> int:
        with CaptureQueriesContext(connection) as found:
            assert read(secret).status_code == 200
        return len(found)

    few = asked()
    factories.infused(site=site, by=alice, now=now, infused_at=now - 4 * DAY, name="李丽")
    assert asked() == few
    assert few <= 6


@pytest.mark.usefixtures("at_now")
def test_the_page_says_which_working_day_is_best(participant: Participant, alice: User, login: Any) -> None:
    """M2 is on a Thursday; once it is set aside, M3 on a Saturday is next."""
    client = login(alice)
    address = reverse("admin:participants_participant_page", args=[participant.pk])
    assert "Best booked" not in client.get(address).content.decode()
    participant.visits.filter(code="M2").update(state=VisitState.CANCELLED, told_by="person", not_done_reason="x")
    assert "Best booked for 2026-04-24, a working day." in client.get(address).content.decode()
