"""What comes next on the way from the enrolment to the infusion.

The order is that of the work in a hospital [P]: the cells are collected, the product is made and released, the day of
the infusion is planned, lymphodepletion counts back from it, the bag comes to the ward, the participant is looked at;
then readiness says what still stands against it. A dose whose day has come goes before everything else.
"""

from dataclasses import dataclass
from enum import StrEnum

from dosing.rules.product import State

# From then on the day of the infusion can be planned; from then on the bag is in the house.
RELEASED = (State.RELEASED, State.RECEIVED, State.THAWED, State.INFUSED)
HERE = (State.RECEIVED, State.THAWED, State.INFUSED)


class Step(StrEnum):
    GIVE_DOSE = "give_dose"
    COLLECT_CELLS = "collect_cells"
    ORDER_PRODUCT = "order_product"
    MOVE_PRODUCT = "move_product"
    PLAN_INFUSION = "plan_infusion"
    PLAN_LYMPHODEPLETION = "plan_lymphodepletion"
    WAIT_FOR_DOSE = "wait_for_dose"
    RECEIVE_PRODUCT = "receive_product"
    CHECK_FITNESS = "check_fitness"
    ASK_READINESS = "ask_readiness"


@dataclass(frozen=True)
class Prepared:
    """How far it is: `product` is the furthest one that has not failed; `is_fit_checked`: lately enough to count."""

    is_collected: bool = False
    product: State | None = None
    is_infusion_planned: bool = False
    has_doses: bool = False
    is_dose_due: bool = False
    is_dose_open: bool = False
    is_fit_checked: bool = False


def next_step(now: Prepared) -> Step:
    """
    >>> next_step(Prepared(is_collected=True, product=State.RELEASED))
    <Step.PLAN_INFUSION: 'plan_infusion'>
    """
    if now.is_dose_due:
        return Step.GIVE_DOSE
    if now.product not in RELEASED:
        return _product_step(now)
    if not now.is_infusion_planned:
        return Step.PLAN_INFUSION
    if not now.has_doses:
        return Step.PLAN_LYMPHODEPLETION
    if now.is_dose_open:
        return Step.WAIT_FOR_DOSE
    if now.product not in HERE:
        return Step.RECEIVE_PRODUCT
    return Step.ASK_READINESS if now.is_fit_checked else Step.CHECK_FITNESS


def _product_step(now: Prepared) -> Step:
    """A product without its leukapheresis on record is a product all the same."""
    if now.product is not None:
        return Step.MOVE_PRODUCT
    return Step.ORDER_PRODUCT if now.is_collected else Step.COLLECT_CELLS
