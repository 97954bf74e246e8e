"""Response and survival: contacts and assessments tell the same as the status."""

from collections.abc import Iterable

from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from participants.models import DiseaseAssessment, Looked, Participant, ParticipantStatus, SurvivalContact, Vital
from participants.rules.response import Response
from participants.rules.status import Status
from safety.checks import sql
from safety.checks.registry import Found, Scope, check, found

STATUS = (Participant, ParticipantStatus)
# Before the infusion the leukaemia is history.
SINCE = (Status.INFUSED, Status.IN_FOLLOW_UP, Status.COMPLETED, Status.LOST_TO_FOLLOW_UP)


@check(
    title=_("A contact learnt of a death that the status does not tell"),
    why=_("A survival contact says that the participant died; the status is another one."),
    way_out=_("Record the status “died” with its day, or correct the contact."),
    looks_at=(*STATUS, SurvivalContact),
)
def contact_without_death(scope: Scope) -> Iterable[Found]:
    rows = scope.of(SurvivalContact).filter(vital=Vital.DEAD).exclude(participant__status=Status.DIED)
    return found(rows, "contacted_on", status="participant__status")


@check(
    title=_("Alive after death"),
    why=_("By a survival contact the participant was alive on a day that lies certainly after the day of death."),
    way_out=_("Find the day in the source, and correct the contact or the status."),
    looks_at=(*STATUS, SurvivalContact),
)
def alive_after_death(scope: Scope) -> Iterable[Found]:
    rows = scope.of(SurvivalContact).filter(participant__status=Status.DIED).exclude(last_alive_on="")
    # The contact has a day of death of its own: this is that of the status.
    rows = rows.annotate(status_died_on=sql.died_on(), died_text=sql.text_of(sql.died_on()))
    later = rows.filter(sql.certainly_after(F("last_alive_on"), F("died_text")))
    return found(later, "last_alive_on", died_on="status_died_on")


@check(
    title=_("Relapse found, but the status never was “relapsed”"),
    why=_("An assessment shows blasts in the blood, leukaemia outside the marrow, or was judged a relapse."),
    way_out=_("Record the status “relapsed” with its day, or correct the assessment."),
    looks_at=(*STATUS, DiseaseAssessment),
)
def relapse_without_status(scope: Scope) -> Iterable[Found]:
    told = ParticipantStatus.objects.standing().filter(participant=OuterRef("participant"), status=Status.RELAPSED)
    seen = Q(blood_blasts=Looked.PRESENT) | Q(extramedullary=Looked.PRESENT)
    shows = Q(stated_response=Response.RELAPSE) | (Q(stated_response="") & seen)
    rows = scope.of(DiseaseAssessment).filter(shows, participant__status__in=SINCE).exclude(Exists(told))
    return found(rows, "assessed_on", status="participant__status")
