"""Wherever days are counted in words, none of them is “in 0 days”: today has its own word."""

import datetime as dt
import re
from types import SimpleNamespace

import pytest
from django.template.loader import render_to_string
from django.utils import translation

from participants.actions.reminders import ESCALATION, reminder_context
from participants.worklist import _closes
from trialsite.study import get_study

TODAY = dt.date(2026, 3, 5)
NO_DAYS = re.compile(r"(?<![0-9])-?0 days?|(?<![0-9])0 天|-[0-9]+ (days?|天)")
STAGES = [*(stage.code for stage in get_study().latest.reminder_stages), "missed", ESCALATION]


def counts_to_the_end(stage: str) -> bool:
    return stage == ESCALATION or stage.startswith("closing")


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("days", [0, 1, 7])
@pytest.mark.parametrize("stage", STAGES)
def test_a_reminder_says_today(stage: str, days: int, language: str) -> None:
    """Sent late, a stage meets any distance that is not over yet."""
    visit = SimpleNamespace(
        participant=SimpleNamespace(number="ZJ-001"),
        code="D28",
        target_date=TODAY + dt.timedelta(days=-1 if counts_to_the_end(stage) else days),
        window_closes_on=TODAY + dt.timedelta(days=days),
    )
    with translation.override(language):
        context = reminder_context(visit, stage, today=TODAY)  # type: ignore[arg-type]
        subject = render_to_string("participants/email/visit_reminder-subject.txt", context)
    assert not NO_DAYS.search(subject), subject
    if days == 0 and counts_to_the_end(stage):
        assert ("closes today" in subject) or ("今天关闭" in subject)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("days", [-1, 0, 1])
def test_a_new_consent_says_today(days: int, language: str) -> None:
    duty = SimpleNamespace(participant=SimpleNamespace(number="ZJ-001"))
    with translation.override(language):
        context = {"duty": duty, "participant": duty.participant, "days_left": days}
        subject = render_to_string("participants/email/reconsent-subject.txt", context)
    assert not NO_DAYS.search(subject), subject


@pytest.mark.parametrize(("days", "words"), [(0, "closes today"), (1, "closes in 1 day"), (2, "closes in 2 days")])
def test_the_first_page_says_today(days: int, words: str) -> None:
    with translation.override("en"):
        assert _closes(dt.timedelta(days=days)) == words
