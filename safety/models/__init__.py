"""Rows of the app: one file a subject."""

from safety.models.assessments import CrsAssessment, IcansAssessment, Scale, ToxicityAssessment
from safety.models.bedside import BedsideAssessment, ToxicityEpisode
from safety.models.ctcae import CtcaeText, SiteTermName
from safety.models.events import SERIOUSNESS, ActionTaken, AdverseEvent, Outcome, Relatedness

__all__ = [
    "SERIOUSNESS",
    "ActionTaken",
    "AdverseEvent",
    "BedsideAssessment",
    "CrsAssessment",
    "CtcaeText",
    "IcansAssessment",
    "Outcome",
    "Relatedness",
    "Scale",
    "SiteTermName",
    "ToxicityAssessment",
    "ToxicityEpisode",
]
