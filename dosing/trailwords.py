"""The audit trail of this app in words."""

from typing import Any

from django.utils.translation import gettext_lazy

from dosing.models import CellProduct, Infusion, LymphodepletionDose, Medication, ReadinessRuling
from trialsite import audit
from trialsite.study import get_study

# A digest by which the program finds out that facts have changed.
audit.unseen(ReadinessRuling, "basis")
audit.kind("product", gettext_lazy("cell product"), CellProduct)
audit.kind("infusion", gettext_lazy("infusion"), Infusion)
audit.kind("lymphodepletion", gettext_lazy("lymphodepletion dose"), LymphodepletionDose)
audit.kind("medication", gettext_lazy("medication"), Medication)


@audit.in_words(LymphodepletionDose, "drug")
def _drug(code: Any, row: Any) -> str:
    """By its name in any version of the protocol."""
    drugs = (drug for version in get_study().versions.values() for drug in version.lymphodepletion.drugs)
    return next((str(drug.name) for drug in drugs if drug.code == code), str(code))
