"""What an investigator assesses of an event for each agent, the days of its criteria, and the course of its grades.

The only checks that read the rows beside an event: agents, grades, and the drugs that were given against it.
"""

import datetime as dt
from collections.abc import Iterable
from functools import reduce
from operator import or_

from django.db.models import Exists, F, Max, OuterRef, Q, Subquery
from django.utils.translation import gettext_lazy as _

from dosing.models import Infusion, InfusionInterruption, Medication
from safety.checks import sql
from safety.checks.registry import Found, Scope, check, found
from safety.models import SERIOUSNESS, ActionTaken, AdverseEvent, Agent, EventAgent, EventGrade, EventMedication

# [P] An investigator assesses a serious event within days; a week later it was forgotten.
ASSESSED_WITHIN = dt.timedelta(days=7)
STOPPED = (ActionTaken.INTERRUPTED, ActionTaken.STOPPED)


@check(
    title=_("Serious event without its relatedness"),
    why=_("A week after the site became aware of a serious event, nobody has said whether it is related."),
    way_out=_("An investigator assesses the relatedness. Reports wait for it."),
    looks_at=(AdverseEvent, EventAgent),
)
def relatedness_missing(scope: Scope) -> Iterable[Found]:
    agents = EventAgent.objects.standing().filter(event=OuterRef("pk"))
    rows = scope.of(AdverseEvent).filter(is_serious=True, site_aware_at__lt=scope.now - ASSESSED_WITHIN)
    is_open = Exists(agents.filter(investigator="")) | ~Exists(agents)
    return found(rows.filter(is_open), "onset", "grade", "site_aware_at")


@check(
    title=_("Infusion interrupted for an event, but not on the infusion"),
    why=_("The action taken is “interrupted” or “stopped”; no infusion of the participant has an interruption."),
    way_out=_("Record the interruption on the infusion, or correct the action taken."),
    looks_at=(AdverseEvent, EventAgent, Infusion, InfusionInterruption),
)
def interruption_missing(scope: Scope) -> Iterable[Found]:
    paused = InfusionInterruption.objects.standing().filter(infusion__participant=OuterRef("participant"))
    cells = EventAgent.objects.standing().filter(event=OuterRef("pk"), agent=Agent.CAR_T, action_taken__in=STOPPED)
    rows = scope.of(AdverseEvent).exclude(Exists(paused)).annotate(action_taken=cells.values("action_taken")[:1])
    return found(rows.filter(action_taken__isnull=False), "onset", "action_taken")


@check(
    title=_("Serious, but without the day of a criterion"),
    why=_("A criterion of seriousness is ticked, such as hospitalisation, and its day is missing."),
    way_out=_("Give the day, as far as it is known."),
    looks_at=(AdverseEvent,),
)
def criterion_without_day(scope: Scope) -> Iterable[Found]:
    undated = reduce(or_, (Q(**{name: True, f"{name}_on": ""}) for name in SERIOUSNESS))
    return found(scope.of(AdverseEvent).filter(undated), "onset", "grade")


@check(
    title=_("Grade is not the highest of its course"),
    why=_("The grade of an event is another one than the highest in the course of its grades."),
    way_out=_("Correct the course of grades, or the grade of the event."),
    looks_at=(AdverseEvent, EventGrade),
)
def grade_differs_from_course(scope: Scope) -> Iterable[Found]:
    course = EventGrade.objects.standing().filter(event=OuterRef("pk")).order_by().values("event")
    rows = scope.of(AdverseEvent).annotate(highest=Subquery(course.annotate(highest=Max("grade")).values("highest")))
    return found(
        rows.filter(highest__isnull=False).exclude(highest=F("grade")), "onset", "grade", course_grade="highest"
    )


@check(
    title=_("Drug against an event that had not begun"),
    why=_("A medication is told as given against an event, and was begun certainly before the onset of the event."),
    way_out=_("Correct the start of the medication or the onset; or void that it was given against this event."),
    looks_at=(AdverseEvent, EventMedication, Medication),
)
def drug_against_later_event(scope: Scope) -> Iterable[Found]:
    rows = scope.of(EventMedication, along="event__participant").filter(Medication.stands("medication"))
    rows = rows.annotate(given_text=sql.text_of(sql.day_of("medication__started_at")))
    early = rows.filter(sql.certainly_after(F("event__onset"), F("given_text")))
    return found(early, along="event__participant", started_at="medication__started_at", onset="event__onset")
