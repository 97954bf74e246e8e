"""Rows of the app: one file a subject."""

from participants.models.eligibility import EligibilityConfirmation, EligibilityRuling, RulingKind
from participants.models.imports import MeasurementImport
from participants.models.logs import EnrolmentLogEntry, ScreeningLogEntry
from participants.models.measurements import Examination, Measurement
from participants.models.people import (
    STATUS_NAMES,
    Consent,
    ConsentWithdrawal,
    Participant,
    ParticipantStatus,
    ReasonCode,
    Reconsent,
    ReconsentCause,
    ReconsentState,
    Sex,
    WithdrawalScope,
    numbered,
)
from participants.models.visits import DeviationKind, ProtocolDeviation, Visit, VisitState

__all__ = [
    "STATUS_NAMES",
    "Consent",
    "ConsentWithdrawal",
    "DeviationKind",
    "EligibilityConfirmation",
    "EligibilityRuling",
    "EnrolmentLogEntry",
    "Examination",
    "Measurement",
    "MeasurementImport",
    "Participant",
    "ParticipantStatus",
    "ProtocolDeviation",
    "ReasonCode",
    "Reconsent",
    "ReconsentCause",
    "ReconsentState",
    "RulingKind",
    "ScreeningLogEntry",
    "Sex",
    "Visit",
    "VisitState",
    "WithdrawalScope",
    "numbered",
]
