"""Rows of the app: one file a subject."""

from safety.models.alerts import AlertKind, AlertState, Discharge, OnCallShift, SafetyAlert, SettledBy, Toxicity
from safety.models.assessments import CrsAssessment, IcansAssessment, Scale, ToxicityAssessment, badge, graded
from safety.models.bedside import BedsideAssessment, ToxicityEpisode
from safety.models.blood import IcahtAssessment, IcahtPhase, IecHsAssessment, IecHsScreen, IecHsSeverity
from safety.models.corrections import current, is_replaced
from safety.models.ctcae import CtcaeText, SiteTermName
from safety.models.duties import ClosedBecause, DutyKind, DutyState, ReportingDuty, Submission, SubmissionFile
from safety.models.eventreview import EventQuery, EventReview, ReviewKind
from safety.models.events import (
    SERIOUSNESS,
    TREATMENTS,
    ActionTaken,
    AdverseEvent,
    Agent,
    Autopsy,
    EventAgent,
    EventGrade,
    EventMedication,
    FollowUp,
    FollowUpKind,
    Outcome,
    Pattern,
    Relatedness,
    SeriousnessSaid,
)
from safety.models.findings import ClosedHow, DataFinding
from safety.models.guidance import GuidanceText
from safety.models.reference import MeddraTerm, ReferenceSafety

__all__ = [
    "SERIOUSNESS",
    "TREATMENTS",
    "ActionTaken",
    "AdverseEvent",
    "Agent",
    "AlertKind",
    "AlertState",
    "Autopsy",
    "BedsideAssessment",
    "ClosedBecause",
    "ClosedHow",
    "CrsAssessment",
    "CtcaeText",
    "DataFinding",
    "Discharge",
    "DutyKind",
    "DutyState",
    "EventAgent",
    "EventGrade",
    "EventMedication",
    "EventQuery",
    "EventReview",
    "FollowUp",
    "FollowUpKind",
    "GuidanceText",
    "IcahtAssessment",
    "IcahtPhase",
    "IcansAssessment",
    "IecHsAssessment",
    "IecHsScreen",
    "IecHsSeverity",
    "MeddraTerm",
    "OnCallShift",
    "Outcome",
    "Pattern",
    "ReferenceSafety",
    "Relatedness",
    "ReportingDuty",
    "ReviewKind",
    "SafetyAlert",
    "Scale",
    "SeriousnessSaid",
    "SettledBy",
    "SiteTermName",
    "Submission",
    "SubmissionFile",
    "Toxicity",
    "ToxicityAssessment",
    "ToxicityEpisode",
    "badge",
    "current",
    "graded",
    "is_replaced",
]
