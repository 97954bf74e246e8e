"""Reminders to participants, passed on by the site: whom to tell today, in which words, and what came of it.

The program itself writes to no participant: no address of theirs is kept, and their telephone number leaves the record
for no other program. Only those who want to be reminded are on the list.
"""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from participants.actions.days import site_day
from participants.actions.reminders import owed_stage, visits_near, words_for_participant
from participants.models import Outcome, ParticipantReminder, Visit
from trialsite.models import Site, User
from trialsite.refusal import Refused


@dataclass(frozen=True)
class ToTell:
    """A participant who wants to be reminded of this visit, with the words; `tried` says when nobody was reached."""

    visit: Visit
    stage: str
    due_on: dt.date
    words: str
    tried: tuple[dt.datetime, ...] = ()


def to_tell(sites: Collection[Site], *, now: dt.datetime) -> list[ToTell]:
    """Whom the site tells today, the next visit first; two queries, however many visits there are."""
    today = site_day(now)
    due = [one for visit in visits_near(today, today, sites={one.pk for one in sites}) for one in _due(visit, today)]
    rows = list(ParticipantReminder.objects.filter(visit__in=[one.visit for one in due]).order_by("at"))
    open_now = [_with_tries(one, rows) for one in due if not any(_is_told(row, one) for row in rows)]
    return sorted(open_now, key=lambda one: (one.visit.target_date, one.visit.participant.number))


def _due(visit: Visit, today: dt.date) -> Iterable[ToTell]:
    stage = owed_stage(visit, today=today)
    if stage is not None and (words := words_for_participant(visit, stage.stage)):
        yield ToTell(visit, stage.stage, stage.due_on, words)


def _is_of(row: ParticipantReminder, one: ToTell) -> bool:
    return (row.visit_id, row.target_date, row.stage) == (one.visit.pk, one.visit.target_date, one.stage)


def _is_told(row: ParticipantReminder, one: ToTell) -> bool:
    return row.outcome == Outcome.TOLD and _is_of(row, one)


def _with_tries(one: ToTell, rows: Iterable[ParticipantReminder]) -> ToTell:
    tried = tuple(row.at for row in rows if _is_of(row, one))
    return ToTell(one.visit, one.stage, one.due_on, one.words, tried)


@transaction.atomic
def pass_on(*, visit: Visit, outcome: Outcome, by: User, now: dt.datetime) -> ParticipantReminder:
    """Note that the participant was told, or not reached. Raises Refused where nothing is to be passed on."""
    visit = Visit.objects.select_for_update(of=("self",)).select_related("participant__site").get(pk=visit.pk)
    found = next((one for one in to_tell([visit.participant.site], now=now) if one.visit.pk == visit.pk), None)
    if found is None:
        raise Refused(_("%(code)s: the participant is told already, or need not be today.") % {"code": visit.code})
    return ParticipantReminder.objects.create(
        visit=visit, target_date=visit.target_date, stage=found.stage, outcome=outcome, at=now, by=by
    )
