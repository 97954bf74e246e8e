"""The names of what the rules of laboratory grades know, for people who write a table."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from participants.names import MEASURE_NAMES
from safety.rules.lab_ctcae import MEASURED, Analyte

A = Analyte
# Febrile neutropenia is one term for two values.
FEBRILE = "febrile_neutropenia"
ANALYTE_NAMES: dict[str, Any] = {
    **{measured.analyte: MEASURE_NAMES[code] for code, measured in MEASURED.items()},
    A.CD4: _("CD4 lymphocytes"),
    A.EOSINOPHILS: _("Eosinophils"),
    A.METHEMOGLOBIN: _("Methaemoglobin"),
    A.HAPTOGLOBIN: _("Haptoglobin"),
    A.GGT: "GGT",
    A.CREATININE_CLEARANCE: _("Creatinine clearance"),
    A.EGFR: "eGFR",
    A.URINE_PROTEIN_24H: _("Protein in the urine of 24 hours"),
    A.URINE_PROTEIN_DIPSTICK: _("Protein in the urine, dipstick"),
    A.URINE_PROTEIN_CREATININE: _("Protein to creatinine ratio of the urine"),
    A.URINE_OUTPUT_8H: _("Urine output in 8 hours"),
    A.URINE_OUTPUT_24H: _("Urine output in 24 hours"),
    A.CALCIUM: _("Total calcium, not corrected"),
    A.CALCIUM_CORRECTED: _("Calcium corrected for albumin"),
    A.CALCIUM_IONIZED: _("Ionised calcium"),
    A.MAGNESIUM: _("Magnesium"),
    A.BICARBONATE: _("Bicarbonate"),
    A.PH: "pH",
    A.CK: _("Creatine kinase"),
    A.LIPASE: _("Lipase"),
    A.AMYLASE: _("Amylase"),
    A.PANCREATIC_ENZYMES: _("Pancreatic enzymes"),
    A.CHOLESTEROL: _("Cholesterol"),
    A.HDL: _("HDL cholesterol"),
    A.LDL: _("LDL cholesterol"),
    A.VITAMIN_D: _("Vitamin D"),
    A.TSH: "TSH",
    A.TROPONIN_I: _("Troponin I"),
    A.TROPONIN_T: _("Troponin T"),
    A.QTC: _("QTc interval"),
    A.DLCO: "DLCO",
    A.FEV1: _("FEV1, percent of predicted"),
    A.VITAL_CAPACITY: _("Vital capacity, percent of predicted"),
    A.SPO2_EXERCISE: _("Oxygen saturation on exertion"),
    A.PAO2: "PaO₂",
    A.IMMUNOGLOBULIN: _("Immunoglobulin"),
    A.BNP: "BNP",
    A.LACTATE: _("Lactate"),
    FEBRILE: _("neutrophils and temperature: febrile neutropenia"),
}
