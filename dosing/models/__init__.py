"""Rows of the app: one file a subject."""

from dosing.models.infusion import BAND_NAMES, Infusion
from dosing.models.lymphodepletion import DoseState, LymphodepletionDose
from dosing.models.medication import Medication, MedicationKind, Route
from dosing.models.product import STATE_NAMES, CellProduct, ProductStep

__all__ = [
    "BAND_NAMES",
    "STATE_NAMES",
    "CellProduct",
    "DoseState",
    "Infusion",
    "LymphodepletionDose",
    "Medication",
    "MedicationKind",
    "ProductStep",
    "Route",
]
