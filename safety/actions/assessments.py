"""Verbs of graded assessments."""

import datetime as dt
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from dosing.actions import day0_of
from participants.actions import first_consent_at, long_moment, site_day
from participants.models import Participant
from safety.models import Scale, ToxicityAssessment
from safety.rules import crs, icans
from safety.rules.grading import Graded
from trialsite.models import User
from trialsite.refusal import Refused
from trialsite.study import Policy, get_study


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
            % {"at": long_moment(assessment.assessed_at), "now": long_moment(now)}
        )
    consented_at = first_consent_at(assessment.participant)
    if consented_at is None or assessment.assessed_at < consented_at:
        raise Refused(
            _("Consent comes before every procedure: consent was given %(consent)s, the assessment is %(at)s.")
            % {
                "consent": long_moment(consented_at) if consented_at else _("never"),
                "at": long_moment(assessment.assessed_at),
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
