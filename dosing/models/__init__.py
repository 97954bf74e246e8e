"""Rows of the app: one file a subject."""

from dosing.models.infusion import BAND_NAMES, Infusion, InfusionInterruption, Occasion, Remainder
from dosing.models.lymphodepletion import DoseState, LymphodepletionDose
from dosing.models.medication import Medication, MedicationKind, Route
from dosing.models.product import STATE_NAMES, CellProduct, Leukapheresis, ProductStep
from dosing.models.readiness import (
    LINE_NAMES,
    Before,
    DosingHold,
    FitnessCheck,
    IdentityCheck,
    IdentityStop,
    ReadinessRuling,
    StopPlace,
    StopWrong,
)

__all__ = [
    "BAND_NAMES",
    "LINE_NAMES",
    "STATE_NAMES",
    "Before",
    "CellProduct",
    "DoseState",
    "DosingHold",
    "FitnessCheck",
    "IdentityCheck",
    "IdentityStop",
    "Infusion",
    "InfusionInterruption",
    "Leukapheresis",
    "LymphodepletionDose",
    "Medication",
    "MedicationKind",
    "Occasion",
    "ProductStep",
    "ReadinessRuling",
    "Remainder",
    "Route",
    "StopPlace",
    "StopWrong",
]
