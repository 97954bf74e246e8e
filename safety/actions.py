"""Verbs of safety: log an adverse event, grade what was found at the bedside."""

import datetime as dt
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from dosing.actions import day0_of
from participants.actions import first_consent_at, site_day
from participants.models import Participant
from safety.models import AdverseEvent, Scale, ToxicityAssessment
from safety.rules import crs, icans
from safety.rules.grading import Graded
from trialsite.models import User
from trialsite.partialdate import PartialDate
from trialsite.refusal import Refused
from trialsite.study import Policy, get_study

# --- Adverse events ----------------------------------------------------------------------------


def check_adverse_event(event: AdverseEvent, *, now: dt.datetime) -> None:
    """Raises Refused for dates that cannot be true: an end before the start, or anything in the future."""
    onset = PartialDate.parse(event.onset)
    today = site_day(now)
    if onset.certainly_after_day(today):
        raise Refused(_("Onset %(onset)s is in the future. Correct the date.") % {"onset": event.onset})
    if event.resolved:
        resolved = PartialDate.parse(event.resolved)
        if resolved.certainly_before(onset):
            raise Refused(
                _("It cannot end (%(end)s) before it began (%(start)s). Correct one of the two dates.")
                % {"end": event.resolved, "start": event.onset}
            )
        if resolved.certainly_after_day(today):
            raise Refused(
                _("It cannot have ended on %(end)s, in the future. Leave the field empty while it goes on.")
                % {"end": event.resolved}
            )
    _check_awareness(event, onset, now=now)
    if event.infusion is not None and event.infusion.participant_id != event.participant_id:
        raise Refused(
            _("The infusion of %(owner)s cannot have caused a reaction of %(number)s. Choose another one.")
            % {"owner": event.infusion.participant.number, "number": event.participant.number}
        )


def _check_awareness(event: AdverseEvent, onset: PartialDate, *, now: dt.datetime) -> None:
    if event.site_aware_at > now:
        raise Refused(
            _("The site cannot become aware in the future (%(at)s). Correct the date and time.")
            % {"at": _moment(event.site_aware_at)}
        )
    if onset.certainly_after_day(site_day(event.site_aware_at)):
        raise Refused(
            _("The site cannot know (%(at)s) of what had not begun (%(onset)s). Correct one of the two.")
            % {"at": _moment(event.site_aware_at), "onset": event.onset}
        )


def _moment(moment: dt.datetime) -> str:
    return formats.date_format(timezone.localtime(moment), "DATETIME_FORMAT")


@transaction.atomic
def log_adverse_event(*, event: AdverseEvent, by: User, now: dt.datetime) -> AdverseEvent:
    """Save a new event with the study's CTCAE version, which stays with it."""
    check_adverse_event(event, now=now)
    event.ctcae_version = get_study().protocol(event.participant.protocol_version).policy.ctcae_version
    event.created_by, event.created_at = by, now
    event.save()
    return event


# --- Toxicity assessments ----------------------------------------------------------------------


def grade(scale: Scale, findings: Any, policy: Policy) -> Graded:
    """The grade by the scale's rule, with what the study chose where the scale is silent."""
    if scale is Scale.CRS:
        return crs.grade(findings, crs_policy(policy))
    return icans.grade(findings, icans_policy(policy))


def crs_policy(policy: Policy) -> crs.CrsPolicy:
    return crs.CrsPolicy(
        vasopressin_alone_grade=policy.vasopressin_alone_grade,
        keeps_afebrile_without_therapy=policy.crs_afebrile_without_therapy == "keep_graded",
        grades_masked_fever=policy.crs_fever_masked == "grade_axes",
        usual_onset_days=policy.crs_usual_onset_days,
    )


def icans_policy(policy: Policy) -> icans.IcansPolicy:
    return icans.IcansPolicy(
        ice_from_age_years=policy.ice_from_age_years,
        capd_zero_grade=0 if policy.capd_zero == "grade_0" else 1,
    )


def days_since_infusion(participant: Participant, at: dt.datetime) -> int:
    """Whole days from Day 0 to that moment; before any infusion the day counts as −1."""
    day0 = day0_of(participant)
    return -1 if day0 is None else (site_day(at) - day0).days


def is_established(participant: Participant, scale: Scale, *, before: dt.datetime) -> bool:
    """Whether the newest gradable assessment before this moment found the toxicity present."""
    earlier = ToxicityAssessment.objects.filter(
        participant=participant,
        toxicity=scale,
        assessed_at__lt=before,
        voided_at__isnull=True,
        corrected_by=None,
    )
    newest = earlier.exclude(grade=None, investigator_grade=None).order_by("-assessed_at", "-id").first()
    return newest is not None and bool(newest.final_grade)


def check_assessment(assessment: ToxicityAssessment, *, now: dt.datetime) -> None:
    """Raises Refused for a moment in the future or before consent."""
    if assessment.assessed_at > now:
        raise Refused(
            _("%(at)s is after now, %(now)s. Correct the date and time of the assessment.")
            % {"at": _moment(assessment.assessed_at), "now": _moment(now)}
        )
    consented_at = first_consent_at(assessment.participant)
    if consented_at is None or assessment.assessed_at < consented_at:
        raise Refused(
            _("Consent comes before every procedure: consent was given %(consent)s, the assessment is %(at)s.")
            % {
                "consent": _moment(consented_at) if consented_at else _("never"),
                "at": _moment(assessment.assessed_at),
            }
        )


@transaction.atomic
def assess(
    *, assessment: ToxicityAssessment, scale: Scale, findings: Any, by: User, now: dt.datetime
) -> ToxicityAssessment:
    """Grade the findings and keep both; the row is never changed afterwards."""
    check_assessment(assessment, now=now)
    policy = get_study().protocol(assessment.participant.protocol_version).policy
    graded = grade(scale, findings, policy)
    assessment.toxicity, assessment.scale = scale, graded.scale
    assessment.findings = as_json(findings)
    assessment.grade = graded.grade
    assessment.determinants = "+".join(graded.determinants)
    assessment.flags = list(graded.flags)
    assessment.reasons = [{"code": reason.code, "values": dict(reason.values)} for reason in graded.reasons]
    assessment.created_by, assessment.created_at = by, now
    assessment.save()
    return assessment


def as_json(findings: Any) -> dict[str, Any]:
    """Findings as JSON, decimals as text; None stays None: not recorded."""
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in asdict(findings).items()}
