"""What response and survival ask of the site: a loss to be recorded, and visits whose finding nobody has entered."""

import datetime as dt
from typing import Any

from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast, Left
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from participants.models import DiseaseAssessment, Examination, Participant, SurvivalContact, Visit, VisitState, Vital
from participants.models.visits import TOOK_PLACE
from participants.rules.status import Status, can_become
from trialsite.firstpage import Row, Section, site_keys
from trialsite.lines import Kind, Line
from trialsite.models import User
from trialsite.study import get_study

# The procedures of a visit that end in a record of their own.
ASSESSED, ASKED = "MARROW", "SURVIVAL"
MAY_BE_LOST = [one.value for one in Status if can_become(one, Status.LOST_TO_FOLLOW_UP)]


def kinds(user: User) -> list[Kind]:
    found = []
    if user.has_perm("participants.view_survivalcontact"):
        found.append(Kind("lost", _silent(user), _lost, what="tried", on="silent_since", participant=""))
    if user.has_perm("participants.view_diseaseassessment"):
        found.append(
            Kind("unassessed", _unassessed(user), _visits, what="code", more="protocol_version", on="occurred_on")
        )
    return found


# --- Nobody answers ----------------------------------------------------------------------------------


def _silent(user: User) -> QuerySet[Participant]:
    """Whom enough attempts have failed to reach since anybody last knew of them; the rule itself stands at the verb."""
    policies = [protocol.policy for protocol in get_study().versions.values()]
    failed = SurvivalContact.objects.own_standing().filter(vital=Vital.NO_ANSWER).exclude(_known_since())
    enough = (
        failed.filter(participant=OuterRef("pk"))
        .order_by()
        .values("participant")
        .annotate(days=Count("contacted_on", distinct=True), first=Min("contacted_on"), last=Max("contacted_on"))
        .filter(
            days__gte=min(one.lost_after_attempts for one in policies),
            last__gte=F("first") + dt.timedelta(days=min(one.lost_over_days for one in policies)),
        )
    )
    rows = Participant.objects.standing().filter(site__in=site_keys(user), status__in=MAY_BE_LOST)
    told = rows.annotate(tried=Subquery(enough.values("days")), silent_since=Subquery(enough.values("first")))
    return told.filter(tried__isnull=False).order_by("silent_since", "pk")


def _known_since() -> Q:
    """Attempts after which somebody answered, or the participant was seen."""
    day = OuterRef("contacted_on")
    contacts = _of(SurvivalContact).exclude(vital=Vital.NO_ANSWER).filter(contacted_on__gte=day)
    visits = _of(Visit).filter(state=VisitState.DONE, occurred_on__gte=day)
    examined = _of(Examination).filter(taken_at__date__gte=day)
    assessed = _of(DiseaseAssessment).filter(assessed_on__gte=Cast(day, TextField()))
    return Q(Exists(contacts)) | Q(Exists(visits)) | Q(Exists(examined)) | Q(Exists(assessed))


def _of(model: Any) -> Any:
    return model.objects.own_standing().filter(participant=OuterRef("participant"))


def _lost(found: list[Line]) -> Section:
    return Section(
        code="lost",
        title=_("Lost to follow-up by the study's definition"),
        hint=_("Nobody answers any more: record the loss, or go on trying."),
        rows=tuple(_lost_row(line) for line in found),
        count=found[0].of_all,
        columns=(_("Participant"), _("Attempts"), ""),
        link=reverse("admin:participants_survivalcontact_changelist") + "?vital__exact=no_answer",
        work="participants.change_status",
    )


def _lost_row(line: Line) -> Row:
    days = int(line.what)
    return Row(
        label=line.number,
        link=reverse("admin:participants_participant_lost", args=[line.pk]),
        facts=(ngettext("nobody answered on %(n)s day", "nobody answered on %(n)s days", days) % {"n": days},),
        since=line.on,
        page=reverse("admin:participants_participant_page", args=[line.pk]),
    )


# --- Done, and nobody has entered what was found ------------------------------------------------------


def _unassessed(user: User) -> QuerySet[Visit]:
    """Visits that took place, with no assessment of the disease, or no contact, of their days."""
    day, opens, closes = OuterRef("occurred_on"), OuterRef("window_opens_on"), OuterRef("window_closes_on")
    contacts = _of(SurvivalContact).filter(Q(contacted_on=day) | Q(contacted_on__gte=opens, contacted_on__lte=closes))
    visits = Visit.objects.standing().filter(participant__site__in=site_keys(user), state__in=TOOK_PLACE)
    asks = (_asking(ASSESSED) & ~_asked_no_more() & ~Exists(_assessed(day, opens, closes))) | (
        _asking(ASKED) & ~Exists(contacts)
    )
    return visits.filter(asks).order_by("occurred_on", "pk")


def _assessed(day: Any, opens: Any, closes: Any) -> QuerySet[DiseaseAssessment]:
    """Its day may be known in part: a month tells of every visit in it."""
    first, last, same = (Cast(one, TextField()) for one in (opens, closes, day))
    rows: QuerySet[DiseaseAssessment] = _of(DiseaseAssessment).filter(
        Q(assessed_on__gte=first, assessed_on__lte=last) | Q(assessed_on=same) | Q(assessed_on=Left(same, 7))
    )
    return rows


def _asking(procedure: str) -> Q:
    """Visits of which the study file asks this, in the version that the visit was planned by."""
    found = Q(pk__in=[])
    for version, protocol in get_study().versions.items():
        codes = [visit.code for visit in protocol.follow_up_visits if procedure in visit.procedures]
        found |= Q(protocol_version=version, code__in=codes)
    return found


def _asked_no_more() -> Q:
    """After a relapse or a later therapy no marrow is asked, where the study file drops it."""
    drops = {event.event for event in get_study().latest.after_events if ASSESSED in event.drops}
    fields = {"relapse": "participant__relapsed_on", "new_therapy": "participant__new_therapy_on"}
    found = Q(pk__in=[])
    for event in drops & set(fields):
        found |= Q(**{f"{fields[event]}__lt": F("occurred_on")})
    return found


def _visits(found: list[Line]) -> Section:
    return Section(
        code="unassessed",
        title=_("Visits done whose finding is not entered"),
        hint=_("They ask for an assessment of the disease, or for whether somebody is alive: enter what was found."),
        rows=tuple(_visit_row(line) for line in found),
        count=found[0].of_all,
        columns=(_("Participant and visit"), _("Visit"), _("Missing"), ""),
        link=reverse("admin:participants_visit_changelist"),
        work="participants.add_diseaseassessment",
    )


def _visit_row(line: Line) -> Row:
    visit = get_study().protocol(line.more).visit(line.what)
    is_asked = ASKED in visit.procedures
    form = "survivalcontact" if is_asked else "diseaseassessment"
    return Row(
        label=f"{line.number} · {line.what}",
        link=reverse(f"admin:participants_{form}_add") + f"?participant={line.participant}",
        facts=(str(visit.name), _("survival contact") if is_asked else _("disease assessment")),
        since=line.on,
        page=reverse("admin:participants_visit_change", args=[line.pk]),
    )
