"""Each kind of entry is taken back on its page, once and signed, of one participant who has lived through all."""

import datetime as dt
from typing import Any

import pytest
import time_machine as clock

from participants.models import Participant, WithdrawalScope
from tests.conftest import Once
from tests.journeys.test_taking_back import PAGES, infused_at, lived, newest_status, noon_of_today
from trialsite import signing
from trialsite.models import Meaning, User
from trialsite.signing import Verdict

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


@pytest.fixture(scope="module")
def moment() -> dt.datetime:
    return noon_of_today()


@pytest.fixture(scope="module")
def made(once: Once, moment: dt.datetime) -> Participant:
    with clock.travel(moment):
        participant = infused_at(once.site, once.ivan, moment)
        lived(participant, once.ivan, moment)
    return participant


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.label)
def test_every_page_previews_a_void_and_does_it_once(
    page: Any, participant: Participant, dana: User, time_machine: Any, moment: dt.datetime, login: Any, rf: Any
) -> None:
    time_machine.move_to(moment)
    if page.opts.label == "participants.ParticipantStatus":
        participant.withdrawals.update(scope=WithdrawalScope.TREATMENT)
    request = rf.get("/")
    request.user = dana
    listed = page.get_queryset(request).standing().order_by("-pk")
    rows = [one for one in listed if not page.void_instead(one)]
    client, row = login(dana), rows[0]
    shown = client.get(page.url("void", row.pk))
    assert shown.status_code == 200
    assert "Void this entry" in shown.content.decode()
    rests = shown.context_data["consequences"].rests
    if rests:
        assert client.post(page.url("void", row.pk), {"reason": "mistake"}).status_code == 200, "it asks"
        row.refresh_from_db()
        assert not row.is_void
    said = {"reason": "mistake", "is_confirmed": "on"}
    unsigned = client.post(page.url("void", row.pk), {**said, "password": "not mine"})
    assert "not your password" in unsigned.content.decode()
    row.refresh_from_db()
    assert not row.is_void, "every void is signed"
    posted = client.post(page.url("void", row.pk), said)
    assert posted.status_code == 302, posted.context_data["form"].errors
    row.refresh_from_db()
    assert (row.is_void, row.voided_by, row.void_reason) == (True, dana, "mistake")
    assert [one.verdict for one in signing.of(row) if one.meaning is Meaning.VOID] == [Verdict.VALID]
    participant.refresh_from_db()
    if page.model is not Participant:
        assert participant.status == newest_status(participant)
    again = client.post(page.url("void", row.pk), {"reason": "again", "is_confirmed": "on"})
    assert "void already" in again.content.decode()
    assert client.get(page.url("change", row.pk)).status_code == 200
