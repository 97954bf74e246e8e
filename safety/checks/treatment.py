"""Treatment: what was given, in which order, and what the status says of it."""

import datetime as dt
from collections.abc import Iterable

from django.db.models import Exists, F, OuterRef
from django.utils.translation import gettext_lazy as _

from dosing.models import CellProduct, DoseState, Infusion, LymphodepletionDose, Medication, Occasion
from participants.models import DeviationKind, Participant, ParticipantStatus, ProtocolDeviation
from participants.rules.status import Status
from safety.checks import sql
from safety.checks.registry import Found, Scope, check, found
from safety.models import AdverseEvent

# [P] A reaction that was ticked becomes an event within days.
EVENT_WITHIN = dt.timedelta(days=3)
BEFORE_INFUSION = (Status.SCREENING, Status.SCREEN_FAILED, Status.ENROLLED, Status.LYMPHODEPLETED)
SINCE_INFUSION = (Status.INFUSED, Status.IN_FOLLOW_UP, Status.COMPLETED)


@check(
    title=_("Infusion without lymphodepletion"),
    why=_("No dose of lymphodepletion was given before the infusion, and no deviation tells of it."),
    way_out=_("Record the doses that were given, or the protocol deviation."),
    looks_at=(Infusion, LymphodepletionDose, ProtocolDeviation),
)
def infusion_without_lymphodepletion(scope: Scope) -> Iterable[Found]:
    before = LymphodepletionDose.objects.standing().filter(
        participant=OuterRef("participant"), state=DoseState.GIVEN, given_at__lte=OuterRef("infused_at")
    )
    rows = scope.of(Infusion).exclude(occasion=Occasion.SPLIT).exclude(Exists(before))
    known = sql.deviation(DeviationKind.READINESS, "infusion") | sql.deviation(DeviationKind.LYMPHODEPLETION)
    return found(rows.exclude(known), "infused_at")


@check(
    title=_("Lymphodepletion after the infusion"),
    why=_("A dose of the first course was given after the first infusion: it prepares for the cells."),
    way_out=_("Correct the time of the dose, or that of the infusion."),
    looks_at=(Infusion, LymphodepletionDose),
)
def dose_after_infusion(scope: Scope) -> Iterable[Found]:
    rows = scope.of(LymphodepletionDose).filter(course=1).annotate(infused_at=sql.infused_at())
    return found(rows.filter(given_at__gt=F("infused_at")), "given_at", "infused_at", "drug")


@check(
    title=_("Infusion before the enrolment"),
    why=_("Cells were infused on a day before the participant was enrolled."),
    way_out=_("Correct the day of the enrolment, or that of the infusion."),
    looks_at=(Infusion, ParticipantStatus),
)
def infusion_before_enrolment(scope: Scope) -> Iterable[Found]:
    rows = scope.of(Infusion).annotate(enrolled_on=sql.reached_on(Status.ENROLLED))
    return found(rows.filter(infused_at__date__lt=F("enrolled_on")), "infused_at", "enrolled_on")


@check(
    title=_("Infused, but the status is another one"),
    why=_("An infusion is on record; the status is one of those before it."),
    way_out=_("Open the infusion and save it with the reason, so that the status follows; or void it."),
    looks_at=(Participant, Infusion),
)
def infusion_without_status(scope: Scope) -> Iterable[Found]:
    rows = scope.of(Infusion).filter(occasion=Occasion.FIRST, participant__status__in=BEFORE_INFUSION)
    return found(rows, "infused_at", status="participant__status")


@check(
    title=_("The status says “infused”, but there is no infusion"),
    why=_("The participant is in the time after the infusion by the status; no infusion is on record."),
    way_out=_("Record the infusion, or correct the status."),
    looks_at=(Participant, Infusion),
)
def status_without_infusion(scope: Scope) -> Iterable[Found]:
    infused = Infusion.objects.standing().filter(participant=OuterRef("pk"))
    rows = scope.people.filter(status__in=SINCE_INFUSION).exclude(Exists(infused))
    return found(rows, "status", along="")


@check(
    title=_("Infused before the release"),
    why=_("The product was infused before the day on which it was released, and no deviation tells of it."),
    way_out=_("Correct the day of the release or that of the infusion, or record the protocol deviation."),
    looks_at=(Infusion, CellProduct, ProtocolDeviation),
)
def infusion_before_release(scope: Scope) -> Iterable[Found]:
    rows = scope.of(Infusion).filter(infused_at__date__lt=F("product__released_on"))
    known = sql.deviation(DeviationKind.READINESS, "infusion")
    return found(rows.exclude(known), "infused_at", released_on="product__released_on")


@check(
    title=_("Reaction without its adverse event"),
    why=_("An infusion of more than three days ago says that there was a reaction; no adverse event tells of it."),
    way_out=_("Record the reaction as an adverse event, or correct the answer on the infusion."),
    looks_at=(Infusion, AdverseEvent),
)
def reaction_without_event(scope: Scope) -> Iterable[Found]:
    told = AdverseEvent.objects.standing().filter(infusion=OuterRef("pk"))
    rows = scope.of(Infusion).filter(has_reaction=True, infused_at__lt=scope.now - EVENT_WITHIN)
    return found(rows.exclude(Exists(told)), "infused_at", "has_reaction")


@check(
    title=_("The same medication twice"),
    why=_("Two entries of one participant have the same medication, route and start."),
    way_out=_("Void the one that is too much, or correct its time."),
    looks_at=(Medication,),
)
def medication_twice(scope: Scope) -> Iterable[Found]:
    earlier = Medication.objects.standing().filter(
        participant=OuterRef("participant"),
        kind=OuterRef("kind"),
        name__iexact=OuterRef("name"),
        route=OuterRef("route"),
        started_at=OuterRef("started_at"),
        pk__lt=OuterRef("pk"),
    )
    rows = scope.of(Medication).annotate(other_row=earlier.order_by("pk").values("pk")[:1])
    return found(rows.filter(other_row__isnull=False), "started_at", "other_row", medication="kind")
