"""What people and programs do here: one file a subject."""

from dosing.actions.infusion import (
    Infused,
    check_infusion,
    correct_infusion,
    dose_band,
    dose_limits,
    infuse,
)
from dosing.actions.lymphodepletion import (
    body_of,
    check_dose,
    plan_lymphodepletion,
    record_dose,
)
from dosing.actions.medication import (
    TocilizumabHelp,
    check_medication,
    record_medication,
    tocilizumab_help,
    tocilizumab_limits,
)
from dosing.actions.product import (
    check_order,
    check_product,
    dose_of_product,
    mark_product_infused,
    move_product,
    order_product,
    possible_steps,
    product_of_lot,
)

__all__ = [
    "Infused",
    "TocilizumabHelp",
    "body_of",
    "check_dose",
    "check_infusion",
    "check_medication",
    "check_order",
    "check_product",
    "correct_infusion",
    "dose_band",
    "dose_limits",
    "dose_of_product",
    "infuse",
    "mark_product_infused",
    "move_product",
    "order_product",
    "plan_lymphodepletion",
    "possible_steps",
    "product_of_lot",
    "record_dose",
    "record_medication",
    "tocilizumab_help",
    "tocilizumab_limits",
]
