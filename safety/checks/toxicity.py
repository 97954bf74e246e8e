"""CRS, ICANS and what was seen at the bed: assessments, episodes, events, drugs and alerts tell one story."""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from dosing.models import Infusion, Medication, MedicationKind
from safety.actions.calls import unanswered
from safety.actions.episodes import CODES
from safety.checks import sql
from safety.checks.registry import Found, Scope, check, found
from safety.models import (
    AdverseEvent,
    BedsideAssessment,
    CrsAssessment,
    IcansAssessment,
    IecHsAssessment,
    IecHsScreen,
    SafetyAlert,
    Scale,
    ToxicityAssessment,
    ToxicityEpisode,
    current,
)

# [P] An episode becomes an event within days, an alert is answered within one.
EVENT_WITHIN = dt.timedelta(days=3)
ANSWERED_WITHIN = dt.timedelta(days=1)
PAGES = ((Scale.CRS, CrsAssessment), (Scale.ICANS, IcansAssessment))
OF_SCALE = {scale: sorted({code for (one, _version), code in CODES.items() if one == scale}) for scale in Scale}
AGAINST_TOXICITY = (MedicationKind.TOCILIZUMAB, MedicationKind.SILTUXIMAB)
PRESSORS = (MedicationKind.VASOPRESSOR, MedicationKind.VASOPRESSIN)
# Codes of events that such a drug may be given for though no scale has a grade: CRS, ICANS.
FOR_TOXICITY = sorted({*CODES.values()})
FINAL = Coalesce("investigator_grade", "grade")


@check(
    title=_("Graded, but in no episode"),
    why=_("An assessment has a grade of CRS or ICANS; no episode of that toxicity covers its moment."),
    way_out=_(
        "Open the assessment and save a correction, or void it: the episodes are made anew from the assessments."
    ),
    looks_at=(ToxicityAssessment, ToxicityEpisode),
)
def grade_without_episode(scope: Scope) -> Iterator[Found]:
    covering = ToxicityEpisode.objects.standing().filter(
        Q(resolved_at=None) | Q(resolved_at__gte=OuterRef("assessed_at")),
        participant=OuterRef("participant"),
        toxicity=OuterRef("toxicity"),
        onset_at__lte=OuterRef("assessed_at"),
    )
    for scale, model in PAGES:
        rows = current(scope.of(model)).filter(toxicity=scale).annotate(final=FINAL)
        yield from found(rows.filter(final__gte=1).exclude(Exists(covering)), "assessed_at", "toxicity", grade="final")


@check(
    title=_("Episode without its adverse event"),
    why=_("CRS or ICANS began more than three days ago, and no adverse event was made of the episode."),
    way_out=_("Open the episode and make its adverse event."),
    looks_at=(ToxicityEpisode, AdverseEvent),
)
def episode_without_event(scope: Scope) -> Iterable[Found]:
    rows = scope.of(ToxicityEpisode).filter(onset_at__lt=scope.now - EVENT_WITHIN)
    without = rows.exclude(adverse_event__in=AdverseEvent.objects.standing())
    return found(without, "toxicity", "onset_at", grade="highest_grade")


@check(
    title=_("Episode and event tell two grades"),
    why=_("The highest grade of an episode of CRS or ICANS is another one than that of its adverse event."),
    way_out=_("Correct the assessments or the event. Grade 5 is written into the event by a person."),
    looks_at=(ToxicityEpisode, AdverseEvent),
)
def episode_grade_differs(scope: Scope) -> Iterable[Found]:
    rows = scope.of(ToxicityEpisode).filter(AdverseEvent.stands("adverse_event"), adverse_event__isnull=False)
    differ = rows.exclude(adverse_event__grade=F("highest_grade"))
    return found(differ, "toxicity", "onset_at", grade="highest_grade", event_grade="adverse_event__grade")


@check(
    title=_("Event of CRS or ICANS without an assessment"),
    why=_("An adverse event is CRS or ICANS; no assessment of the participant has a grade of it."),
    way_out=_("Enter the bedside assessments from the chart, or correct the term of the event."),
    looks_at=(AdverseEvent, ToxicityAssessment),
)
def event_without_assessment(scope: Scope) -> Iterator[Found]:
    for scale, codes in OF_SCALE.items():
        mine = current(ToxicityAssessment.objects.filter(participant=OuterRef("participant"), toxicity=scale))
        graded = mine.annotate(final=FINAL).filter(final__gte=1)
        rows = scope.of(AdverseEvent).filter(ctcae_code__in=codes).exclude(Exists(graded))
        yield from found(rows, "onset", "grade", "ctcae_code")


@check(
    title=_("CRS or ICANS before the infusion"),
    why=_("An episode began before the first infusion of cells, or without any."),
    way_out=_("Correct the time of the assessments or of the infusion; or void the assessment of another cause."),
    looks_at=(ToxicityEpisode, Infusion),
)
def toxicity_before_infusion(scope: Scope) -> Iterable[Found]:
    rows = scope.of(ToxicityEpisode).annotate(infused_at=sql.infused_at())
    early = rows.filter(Q(infused_at=None) | Q(onset_at__lt=F("infused_at")))
    return found(early, "toxicity", "onset_at", "infused_at")


@check(
    title=_("Vasopressor without hypotension"),
    why=_(
        "The bedside says “no hypotension” while a vasopressor is running, there or by the medication record. A "
        "vasopressor counts as hypotension: the grade of CRS depends on it."
    ),
    way_out=_("Correct the assessment, or the times of the medication."),
    looks_at=(BedsideAssessment, Medication),
)
def vasopressor_without_hypotension(scope: Scope) -> Iterable[Found]:
    running = Medication.objects.standing().filter(
        Q(is_ongoing=True) | Q(ended_at__gte=OuterRef("assessed_at")),
        participant=OuterRef("participant"),
        kind__in=PRESSORS,
        started_at__lte=OuterRef("assessed_at"),
    )
    rows = current(scope.of(BedsideAssessment)).filter(observations__hypotension=False)
    named = Q(observations__vasopressin=True) | Q(observations__vasopressors__0__isnull=False)
    rows = rows.annotate(is_recorded=Exists(running)).filter(named | Q(is_recorded=True))
    return found(rows, "assessed_at", vasopressor_on_record="is_recorded", hypotension="observations__hypotension")


@check(
    title=_("Given for a toxicity that nobody recorded"),
    why=_(
        "Tocilizumab or siltuximab was given; until a day later there is neither a grade of CRS or ICANS, nor an "
        "event of it, nor a positive screen for IEC-HS."
    ),
    way_out=_("Enter the assessment or the event that it was given for, or correct the medication and its time."),
    looks_at=(Medication, ToxicityAssessment, AdverseEvent, IecHsAssessment),
)
def drug_without_toxicity(scope: Scope) -> Iterable[Found]:
    mine = {"participant": OuterRef("participant")}
    until = OuterRef("started_at") + dt.timedelta(days=1)
    graded = current(ToxicityAssessment.objects.filter(**mine, assessed_at__lte=until)).annotate(final=FINAL)
    screened = current(IecHsAssessment.objects.filter(**mine, assessed_at__lte=until, screen=IecHsScreen.POSITIVE))
    told = AdverseEvent.objects.standing().filter(**mine, ctcae_code__in=FOR_TOXICITY)
    begun = told.exclude(sql.certainly_after(F("onset"), OuterRef("given_text")))
    rows = _given(scope).filter(kind__in=AGAINST_TOXICITY)
    rows = rows.exclude(Exists(graded.filter(final__gte=1))).exclude(Exists(screened))
    return found(rows.exclude(Exists(begun)), "started_at", medication="kind")


def _given(scope: Scope) -> Any:
    """What was given for something, with its day as dates known in part are written."""
    rows = scope.of(Medication).filter(is_premedication=False)
    return rows.annotate(given_text=sql.text_of(sql.day_of("started_at")))


@check(
    title=_("Given before what it was given for"),
    why=_(
        "A medication names an adverse event of the participant as what it was given for, and was begun certainly "
        "before that event."
    ),
    way_out=_("Correct the start of the medication, what it was given for, or the onset of the event."),
    looks_at=(Medication, AdverseEvent),
)
def drug_before_event(scope: Scope) -> Iterable[Found]:
    named = AdverseEvent.objects.standing().filter(
        participant=OuterRef("participant"), term__iexact=OuterRef("indication")
    )
    in_time = named.exclude(sql.certainly_after(F("onset"), OuterRef("given_text")))
    rows = _given(scope).filter(Exists(named)).exclude(Exists(in_time))
    first = named.order_by("onset", "pk")
    rows = rows.annotate(onset=first.values("onset")[:1], other_row=first.values("pk")[:1])
    return found(rows, "started_at", "onset", "other_row", medication="kind")


@check(
    title=_("Alert that nobody has acknowledged"),
    why=_("A safety alert has waited for more than a day; nobody has said that they know."),
    way_out=_("Go to the participant, then acknowledge the alert and write what was done."),
    looks_at=(SafetyAlert,),
)
def alert_unanswered(scope: Scope) -> Iterable[Found]:
    waiting = unanswered().filter(participant__in=scope.people, raised_at__lt=scope.now - ANSWERED_WITHIN)
    return found(waiting.order_by(), "raised_at", "grade", "toxicity", alert="kind")
