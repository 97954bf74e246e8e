"""What people and programs do here: one file a subject."""

from dosing.actions.infusion import (
    Infused,
    check_infusion,
    correct_infusion,
    dose_band,
    dose_limits,
    infuse,
)
from dosing.actions.medication import (
    TocilizumabHelp,
    check_medication,
    record_medication,
    tocilizumab_help,
    tocilizumab_limits,
)

__all__ = [
    "Infused",
    "TocilizumabHelp",
    "check_infusion",
    "check_medication",
    "correct_infusion",
    "dose_band",
    "dose_limits",
    "infuse",
    "record_medication",
    "tocilizumab_help",
    "tocilizumab_limits",
]
