"""Rows of the app: one file a subject."""

from participants.models.eligibility import EligibilityConfirmation, EligibilityRuling, RulingKind
from participants.models.feeds import CalendarFeed
from participants.models.imports import LaboratoryLayout, MeasurementImport
from participants.models.logs import EnrolmentLogEntry, ScreeningLogEntry
from participants.models.measurements import Examination, Measurement
from participants.models.people import (
    HISTORY,
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
from participants.models.reads import IdentityRead, ReadHow
from participants.models.visits import (
    DeviationKind,
    ProcedureState,
    ProtocolDeviation,
    Severity,
    Visit,
    VisitContact,
    VisitProcedure,
    VisitState,
    procedure_title,
)

__all__ = [
    "HISTORY",
    "STATUS_NAMES",
    "CalendarFeed",
    "Consent",
    "ConsentWithdrawal",
    "DeviationKind",
    "EligibilityConfirmation",
    "EligibilityRuling",
    "EnrolmentLogEntry",
    "Examination",
    "IdentityRead",
    "LaboratoryLayout",
    "Measurement",
    "MeasurementImport",
    "Participant",
    "ParticipantStatus",
    "ProcedureState",
    "ProtocolDeviation",
    "ReadHow",
    "ReasonCode",
    "Reconsent",
    "ReconsentCause",
    "ReconsentState",
    "RulingKind",
    "ScreeningLogEntry",
    "Severity",
    "Sex",
    "Visit",
    "VisitContact",
    "VisitProcedure",
    "VisitState",
    "WithdrawalScope",
    "numbered",
    "procedure_title",
]
