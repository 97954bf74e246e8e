"""Questions that several checks ask of the database, as expressions: death, consent, Day 0, dates known in part."""

from typing import Any

from django.db.models import CharField, DateField, Exists, F, Func, Min, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Concat, Greatest, Least, Left, Length, NullIf, TruncDate

from dosing.models import Infusion
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
from participants.rules.status import Status
from safety.checks.registry import Scope

__all__ = ["Coalesce", "Greatest", "Least", "NullIf", "day_of"]


def day_of(name: str) -> Any:
    """The site's calendar day of a moment."""
    return TruncDate(name)


def text_of(day: Any) -> Func:
    """A day as ISO 8601 writes it, to be compared with a date that is known in part."""
    return Func(day, Value("YYYY-MM-DD"), function="to_char", output_field=CharField())


# --- Dates known in part -----------------------------------------------------------------------------
#
# ISO dates of one length stand in the order of their letters. Cut to the length of the shorter one, the one is before
# the other only where each day that it can mean is.


def certainly_before(first: Any, second: Any) -> Q:
    """That the one date, known in part, lies before the other whatever their days."""
    return _compared(first, "lt", second)


def certainly_after(first: Any, second: Any) -> Q:
    return _compared(first, "gt", second)


def _compared(first: Any, how: str, second: Any) -> Q:
    from django.db.models.lookups import GreaterThan, LessThan

    shorter = Least(Length(first), Length(second))
    lookup = {"lt": LessThan, "gt": GreaterThan}[how]
    return Q(lookup(Left(first, shorter), Left(second, shorter)))


# --- What is known of a participant ------------------------------------------------------------------


def dead(scope: Scope) -> QuerySet[Participant]:
    return scope.people.filter(status=Status.DIED)


def _first(rows: QuerySet[Any], name: str) -> Any:
    return Subquery(rows.order_by().values("participant").annotate(first=Min(name)).values("first"))


def died_on(along: str = "participant") -> Subquery:
    """The day of death: that of the status which is the newest of those who died."""
    rows = ParticipantStatus.objects.standing().filter(participant=OuterRef(along), status=Status.DIED)
    return Subquery(rows.order_by(*HISTORY).reverse().values("effective_on")[:1], output_field=DateField())


def left_on(along: str = "participant") -> Subquery:
    """Since when the participant stands where they stand."""
    rows = ParticipantStatus.objects.standing().filter(participant=OuterRef(along))
    return Subquery(rows.order_by(*HISTORY).reverse().values("effective_on")[:1], output_field=DateField())


def reached_on(status: Status, along: str = "participant") -> Any:
    return _first(
        ParticipantStatus.objects.standing().filter(participant=OuterRef(along), status=status), "effective_on"
    )


def consented_at(along: str = "participant") -> Any:
    return _first(Consent.objects.standing().filter(participant=OuterRef(along)), "consented_at")


def no_more_data_from(along: str = "participant") -> Any:
    rows = ConsentWithdrawal.objects.standing().filter(participant=OuterRef(along))
    return _first(rows.filter(scope=WithdrawalScope.EVERYTHING), "withdrawn_at")


def infused_at(along: str = "participant") -> Any:
    """The first infusion."""
    return _first(Infusion.objects.standing().filter(participant=OuterRef(along)), "infused_at")


def deviation(kind: DeviationKind, about: str = "", along: str = "participant") -> Exists:
    """That it is a protocol deviation already, with its reason: of this participant, or about this row of theirs."""
    rows = ProtocolDeviation.objects.standing().filter(kind=kind, participant=OuterRef(along))
    if about:
        rows = rows.filter(about=Concat(Value(f"{about}:"), OuterRef("pk"), output_field=CharField()))
    return Exists(rows)


def is_dated(name: str) -> Q:
    return Q(**{f"{name}__isnull": False})


def of(name: str) -> F:
    return F(name)
