"""Signatures under an event, questions about it and their answers.

What was signed is kept with its checksum. Every verb that changes an event calls `unsign`: a signature that no longer
fits what the event tells is void, and says which part was changed.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from safety.models import (
    AdverseEvent,
    EventAgent,
    EventGrade,
    EventMedication,
    EventQuery,
    EventReview,
    FollowUp,
    ReviewKind,
)
from trialsite import signing
from trialsite.models import Meaning, User
from trialsite.refusal import Refused
from trialsite.voiding import void

# Of the event: what nobody judged, or what the database makes of the rest, is not signed.
UNSIGNED = {"id", "created_at", "created_by", "modified_at", "voided_at", "voided_by", "void_reason", "is_serious"}
# The sponsor's side of it: the investigator signs for the investigator's.
OF_SPONSOR = {"is_expected", "reference_safety", "sponsor", "sponsor_aware_at"}


def content_of(event: AdverseEvent, kind: str) -> dict[str, Any]:
    """What the event tells with its agents, its course and its follow-ups, as a signature of this kind holds it."""
    without = UNSIGNED | (OF_SPONSOR if kind == ReviewKind.ASSESSMENT else set())
    return {
        "event": _values(event, without),
        "agents": {row.agent: _values(row, {*without, "event", "agent"}) for row in _parts(event.agents)},
        "grades": [[row.since, row.grade] for row in _parts(event.grades)],
        "medications": [row.medication_id for row in _parts(event.medications)],
        "followups": [_values(row, {*without, "event"}) for row in _parts(event.followups)],
    }


def _parts(rows: Any) -> list[Any]:
    return sorted(rows.standing(), key=lambda row: row.pk)


def _values(row: Any, without: set[str]) -> dict[str, Any]:
    fields = [field for field in row._meta.concrete_fields if field.name not in without]
    return {field.name: _plain(getattr(row, field.attname)) for field in fields}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.time | dt.date) and value is not None else value


def checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


# --- What is open ------------------------------------------------------------------------------------


def open_of(event: AdverseEvent) -> list[str]:
    """What an investigator has not judged yet, in words."""
    agents = _parts(event.agents)
    found = [
        _("relatedness to %(agent)s") % {"agent": one.get_agent_display()} for one in agents if not one.investigator
    ]
    if not agents:
        found.append(_("relatedness"))
    if not event.outcome:
        found.append(_("outcome"))
    if not event.seriousness_said:
        found.append(_("seriousness"))
    return found


def unsigned(rows: QuerySet[AdverseEvent], kind: str) -> QuerySet[AdverseEvent]:
    """Events for which this signature is owed: every one by an investigator, serious ones then by the principal."""
    signed = EventReview.objects.standing().filter(event=OuterRef("pk"))
    owed = rows.exclude(Exists(signed.filter(kind=kind)))
    if kind == ReviewKind.REVIEW:
        owed = owed.filter(Q(is_serious=True) & Exists(signed.filter(kind=ReviewKind.ASSESSMENT)))
    return owed


# --- Signing -----------------------------------------------------------------------------------------


@transaction.atomic
def sign_event(*, event: AdverseEvent, kind: str, by: User, now: dt.datetime) -> EventReview:
    """Freeze what the event tells now under this person's signature. Raises Refused while something is open."""
    event = AdverseEvent.objects.select_for_update(of=("self",)).get(pk=event.pk)
    if missing := open_of(event):
        raise Refused(_("Still open: %(what)s. Assess it first.") % {"what": _(", ").join(missing)})
    if kind == ReviewKind.REVIEW and not _standing(event).filter(kind=ReviewKind.ASSESSMENT).exists():
        raise Refused(_("No investigator has signed the assessment of this event. That comes first."))
    content = content_of(event, kind)
    row = EventReview.objects.create(
        event=event, kind=kind, content=content, sha256=checksum(content), created_by=by, created_at=now
    )
    signing.sign(row, meaning=Meaning.EVENT, by=by)
    return row


def _standing(event: AdverseEvent) -> QuerySet[EventReview]:
    return EventReview.objects.standing().filter(event=event)


def unsign(event: AdverseEvent, *, by: User, now: dt.datetime) -> None:
    """Void the signatures that the event no longer fits, with what was changed."""
    for row in _standing(event):
        # As the database holds it: what was typed may be of another type.
        stored = AdverseEvent.objects.get(pk=event.pk)
        content = content_of(stored, row.kind)
        if checksum(content) != row.sha256:
            changed = _(", ").join(dict.fromkeys(differing(row.content, content)))
            void(
                row, reason=_("changed since it was signed: %(what)s") % {"what": changed}, by=by, now=now, by_rule=True
            )


def differing(then: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """The names of what differs between two contents, in the reader's language."""
    yield from _names(AdverseEvent, then["event"], now["event"])
    for agent in sorted({*then["agents"], *now["agents"]}):
        yield from _names(EventAgent, then["agents"].get(agent, {}), now["agents"].get(agent, {}))
    if then["grades"] != now["grades"]:
        yield str(EventGrade._meta.verbose_name)
    if then["medications"] != now["medications"]:
        yield str(EventMedication._meta.verbose_name)
    if then["followups"] != now["followups"]:
        yield str(FollowUp._meta.verbose_name)


def _names(model: Any, then: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    for field in model._meta.concrete_fields:
        if then.get(field.name) != now.get(field.name):
            yield str(field.verbose_name)


# --- Questions ---------------------------------------------------------------------------------------


@transaction.atomic
def ask_about(*, event: AdverseEvent, question: str, by: User, now: dt.datetime) -> EventQuery:
    return EventQuery.objects.create(event=event, question=question, created_by=by, created_at=now)


@transaction.atomic
def answer(*, query: EventQuery, text: str, by: User, now: dt.datetime) -> EventQuery:
    """The first answer stands. Raises Refused where there is one, or the question is void."""
    query = EventQuery.objects.select_for_update(of=("self",)).get(pk=query.pk)
    if not query.is_standing:
        raise Refused(_("This question is void: nobody waits for an answer."))
    if query.answered_at is not None:
        raise Refused(_("This question is answered already. Ask another one."))
    query.answer, query.answered_at, query.answered_by = text, now, by
    query.save(update_fields=["answer", "answered_at", "answered_by"])
    return query
