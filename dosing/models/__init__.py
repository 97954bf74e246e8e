"""Rows of the app: one file a subject."""

from dosing.models.infusion import BAND_NAMES, Infusion
from dosing.models.medication import Medication, MedicationKind, Route

__all__ = ["BAND_NAMES", "Infusion", "Medication", "MedicationKind", "Route"]
