"""Rows of the app: one file a subject."""

from safety.models.alerts import AlertKind, AlertState, Discharge, OnCallShift, SafetyAlert, SettledBy, Toxicity
from safety.models.assessments import CrsAssessment, IcansAssessment, Scale, ToxicityAssessment, badge, graded
from safety.models.bedside import BedsideAssessment, ToxicityEpisode
from safety.models.blood import IcahtAssessment, IcahtPhase, IecHsAssessment, IecHsScreen, IecHsSeverity
from safety.models.corrections import current, is_replaced
from safety.models.ctcae import CtcaeText, SiteTermName
from safety.models.events import SERIOUSNESS, ActionTaken, AdverseEvent, Outcome, Relatedness
from safety.models.findings import ClosedHow, DataFinding
from safety.models.guidance import GuidanceText

__all__ = [
    "SERIOUSNESS",
    "ActionTaken",
    "AdverseEvent",
    "AlertKind",
    "AlertState",
    "BedsideAssessment",
    "ClosedHow",
    "CrsAssessment",
    "CtcaeText",
    "DataFinding",
    "Discharge",
    "GuidanceText",
    "IcahtAssessment",
    "IcahtPhase",
    "IcansAssessment",
    "IecHsAssessment",
    "IecHsScreen",
    "IecHsSeverity",
    "OnCallShift",
    "Outcome",
    "Relatedness",
    "SafetyAlert",
    "Scale",
    "SettledBy",
    "SiteTermName",
    "Toxicity",
    "ToxicityAssessment",
    "ToxicityEpisode",
    "badge",
    "current",
    "graded",
    "is_replaced",
]
