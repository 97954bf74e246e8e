"""What contradicts the dates of a row that is about to be saved: the facts from the record, the rule, the deviation."""

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Min, OuterRef, QuerySet, Subquery
from django.utils import timezone

from participants.actions.days import minute
from participants.actions.deviations import report_deviation
from participants.models import (
    HISTORY,
    Consent,
    ConsentWithdrawal,
    DeviationKind,
    Participant,
    ParticipantStatus,
    ProtocolDeviation,
)
from participants.models.people import WithdrawalScope
from participants.rules.contradictions import RULES, Dated, Facts, Finding, findings, worst
from participants.rules.status import NO_MORE_VISITS, Status
from trialsite.fieldkeys import Unreadable
from trialsite.models import Record, User
from trialsite.partialdate import PartialDate

DAY = dt.timedelta(days=1)
MOMENT = dt.timedelta(microseconds=1)


@dataclass(frozen=True)
class Contradiction:
    """`field` is the name of the row's field that holds the date."""

    field: str
    finding: Finding


# --- The dates of a row ------------------------------------------------------------------------------


def owner_of(row: Any) -> Participant | None:
    """Whose record this is, directly or through what it belongs to."""
    for name in ("participant", "product", "infusion", "examination"):
        if getattr(row, f"{name}_id", None) or name in row._state.fields_cache:
            found = getattr(row, name)
            return found if isinstance(found, Participant) else owner_of(found)
    return None


def dates_of(row: Any, changed: Collection[str] | None = None) -> Iterator[tuple[str, Dated]]:
    """What the model declares as `dated`: the name of each field with the kind of its date, or how to tell it."""
    for name, kind in getattr(type(row), "dated", {}).items():
        value = getattr(row, name)
        if value and (changed is None or name in changed):
            earliest, latest = span(value)
            yield name, Dated(kind(row) if callable(kind) else kind, earliest, latest)


def span(value: dt.datetime | dt.date | str) -> tuple[dt.datetime, dt.datetime]:
    """The first and the last moment that a moment, a day of the site or a date known in part can mean."""
    if isinstance(value, dt.datetime):
        return value, value
    if isinstance(value, dt.date):
        return first_moment(value), last_moment(value)
    known = PartialDate.parse(value)
    return first_moment(known.earliest), last_moment(known.latest)


def first_moment(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time.min, timezone.get_current_timezone())


def last_moment(day: dt.date) -> dt.datetime:
    return first_moment(day) + DAY - MOMENT


# --- The facts ---------------------------------------------------------------------------------------


def facts_about(participant: Participant) -> Facts:
    """Consent, withdrawal, death and leaving, as far as they are on record and not void; one query."""
    mine = OuterRef("pk")
    consents = Consent.objects.standing().filter(participant=mine).order_by().values("participant")
    withdrawals = ConsentWithdrawal.objects.standing().filter(participant=mine).order_by().values("participant")
    newest = ParticipantStatus.objects.standing().filter(participant=mine).order_by(*HISTORY).reverse()
    row = (
        Participant.objects.filter(pk=participant.pk)
        .annotate(
            consented_at=Subquery(consents.annotate(first=Min("consented_at")).values("first")),
            withdrew_at=Subquery(withdrawals.annotate(first=Min("withdrawn_at")).values("first")),
            no_more_data_from=Subquery(
                withdrawals.filter(scope=WithdrawalScope.EVERYTHING).annotate(first=Min("withdrawn_at")).values("first")
            ),
            stands_since=Subquery(newest.values("effective_on")[:1]),
        )
        .values("birth_date", "status", "consented_at", "withdrew_at", "no_more_data_from", "stands_since")
        .get()
    )
    return _facts(dict(row))


def _facts(row: dict[str, Any]) -> Facts:
    ended = row["stands_since"] if Status(row["status"]) in NO_MORE_VISITS else None
    ended_at = last_moment(ended) if ended else None
    has_died = row["status"] == Status.DIED
    return Facts(
        born_at=None if isinstance(row["birth_date"], Unreadable) else first_moment(row["birth_date"]),
        consented_at=minute(row["consented_at"]) if row["consented_at"] else None,
        withdrew_at=_end_of_minute(row["withdrew_at"]),
        died_at=ended_at if has_died else None,
        no_more_data_from=_end_of_minute(row["no_more_data_from"]),
        left_at=None if has_died else ended_at,
    )


def _end_of_minute(at: dt.datetime | None) -> dt.datetime | None:
    return None if at is None else minute(at) + dt.timedelta(minutes=1) - MOMENT


# --- Verbs -------------------------------------------------------------------------------------------


def contradictions(row: Record, *, changed: Collection[str] | None = None, now: dt.datetime) -> list[Contradiction]:
    """What contradicts the dates of a row, or those of them that are changed; a row without dates asks no query."""
    dates = list(dates_of(row, changed))
    participant = owner_of(row) if dates else None
    if participant is None:
        return []
    facts = facts_about(participant)
    found = ((name, finding) for name, dated in dates for finding in findings(dated, facts, now=now))
    return [Contradiction(name, finding) for name, finding in worst(found)]


def report_without_agreement(row: Any, *, description: str, reason: str, by: User, now: dt.datetime) -> None:
    """Something was done for the study before the consent, or after it was taken back: a protocol deviation."""
    # A step is asked about with its product.
    subject = row if row.pk else row.product
    participant = owner_of(subject)
    assert participant is not None
    report_deviation(
        participant=participant,
        kind=DeviationKind.CONSENT,
        about=_about(subject),
        description=description,
        reason=reason,
        by=by,
        now=now,
    )


def close_where_agreed(row: Any, *, by: User, now: dt.datetime) -> None:
    """A correction of the date has brought it under the consent: the deviation closes, with a note."""
    participant = owner_of(row) if _may_deviate(row) else None
    if participant is None or any(one.finding.deviates for one in contradictions(row, now=now)):
        return
    gone: Any = {"kind": DeviationKind.CONSENT, "about": _about(row), "description": "", "reason": ""}
    report_deviation(participant=participant, **gone, by=by, now=now)


def close_what_is_agreed(participant: Participant, *, by: User, now: dt.datetime) -> None:
    """A consent was recorded or corrected, or its withdrawal taken back: what lies under it now deviates no longer."""
    rows = ProtocolDeviation.objects.standing().filter(participant=participant, kind=DeviationKind.CONSENT)
    for about in list(rows.filter(is_untrue=False).values_list("about", flat=True)):
        if (row := _row_of(about)) is not None:
            close_where_agreed(row, by=by, now=now)


def _row_of(about: str) -> Any:
    """What a deviation is about, of whatever app; None where that is no row with a date."""
    name, _colon, number = about.partition(":")
    models = [one for one in apps.get_models() if one._meta.model_name == name and getattr(one, "dated", None)]
    is_row = len(models) == 1 and number.isdecimal() and not issubclass(models[0], Consent)
    return models[0]._default_manager.filter(pk=number).first() if is_row else None


def without_agreement(row: Any) -> QuerySet[ProtocolDeviation]:
    """The deviation that a date of this row became, or of a product's order, which has no page of its own."""
    mine = ProtocolDeviation.objects.standing().filter(kind=DeviationKind.CONSENT, about=_about(row))
    # What came before a consent is kept about its participant, with the number that stands behind "consent:".
    return mine.none() if isinstance(row, Consent) else mine


def _about(row: Any) -> str:
    return f"{row._meta.concrete_model._meta.model_name}:{row.pk}"


def _may_deviate(row: Any) -> bool:
    return any(RULES[dated.kind].deviates for _name, dated in dates_of(row))
