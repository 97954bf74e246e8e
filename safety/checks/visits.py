"""Visits and what is recorded of their days."""

from collections.abc import Iterable

from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from participants.models import DeviationKind, Examination, ProtocolDeviation, Visit, VisitState
from safety.checks import sql
from safety.checks.registry import Found, Scope, check, found
from safety.models import BedsideAssessment


@check(
    title=_("Visit outside its window, without a deviation"),
    why=_("A visit took place on a day outside its window; no protocol deviation tells of it."),
    way_out=_("Open the visit, save it with the reason of the deviation, or correct its day."),
    looks_at=(Visit, ProtocolDeviation),
)
def visit_outside_window(scope: Scope) -> Iterable[Found]:
    rows = scope.of(Visit).filter(occurred_on__isnull=False)
    outside = Q(occurred_on__lt=F("window_opens_on")) | Q(occurred_on__gt=F("window_closes_on"))
    rows = rows.filter(outside).exclude(sql.deviation(DeviationKind.VISIT_WINDOW, "visit"))
    return found(rows, "occurred_on", "window_opens_on", "window_closes_on", visit="code")


@check(
    title=_("Visit not done, without a deviation"),
    why=_("A visit was not done; no protocol deviation tells of it."),
    way_out=_("Open the visit and save it with the reason."),
    looks_at=(Visit, ProtocolDeviation),
)
def visit_missed_without_deviation(scope: Scope) -> Iterable[Found]:
    rows = scope.of(Visit).filter(state=VisitState.NOT_DONE)
    rows = rows.exclude(sql.deviation(DeviationKind.VISIT_NOT_DONE, "visit"))
    return found(rows, "target_date", visit="code")


@check(
    title=_("Visit not done, but something was recorded of its day"),
    why=_("A visit was not done; on its target day there are study examinations or bedside assessments."),
    way_out=_("Say that the visit was done on that day, or correct the day of what was recorded."),
    looks_at=(Visit, Examination, BedsideAssessment),
)
def missed_visit_with_facts(scope: Scope) -> Iterable[Found]:
    mine = {"participant": OuterRef("participant")}
    examined = Examination.objects.standing().filter(
        **mine, is_study_procedure=True, taken_at__date=OuterRef("target_date")
    )
    seen = BedsideAssessment.objects.standing().filter(**mine, assessed_at__date=OuterRef("target_date"))
    rows = scope.of(Visit).filter(state=VisitState.NOT_DONE).filter(Exists(examined) | Exists(seen))
    return found(rows, "target_date", visit="code")


@check(
    title=_("Visits in the wrong order"),
    why=_("A visit took place on an earlier day than a visit that comes before it in the schedule."),
    way_out=_("Correct the day of one of the two."),
    looks_at=(Visit,),
)
def visits_out_of_order(scope: Scope) -> Iterable[Found]:
    later = Visit.objects.standing().filter(
        participant=OuterRef("participant"),
        target_day__lt=OuterRef("target_day"),
        occurred_on__gt=OuterRef("occurred_on"),
    )
    first = later.order_by("target_day", "pk")
    rows = scope.of(Visit).filter(occurred_on__isnull=False)
    rows = rows.annotate(other_visit=first.values("code")[:1], other_on=first.values("occurred_on")[:1])
    return found(rows.filter(other_visit__isnull=False), "occurred_on", "other_visit", "other_on", visit="code")


@check(
    title=_("The same examination twice"),
    why=_("Two examinations of one participant are of the same kind, laboratory and moment."),
    way_out=_("Void the one that is too much, or correct its time."),
    looks_at=(Examination,),
)
def examination_twice(scope: Scope) -> Iterable[Found]:
    earlier = Examination.objects.standing().filter(
        participant=OuterRef("participant"),
        panel=OuterRef("panel"),
        laboratory__iexact=OuterRef("laboratory"),
        taken_at=OuterRef("taken_at"),
        pk__lt=OuterRef("pk"),
    )
    rows = scope.of(Examination).annotate(other_row=earlier.order_by("pk").values("pk")[:1])
    return found(rows.filter(other_row__isnull=False), "taken_at", "other_row", examination="panel")
