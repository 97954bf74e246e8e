"""What comes next before the infusion: the truth table of the way, line by line."""

import pytest

from dosing.rules.nextstep import Prepared, Step, next_step
from dosing.rules.product import State

S = State
READY = Prepared(is_collected=True, product=S.RECEIVED, is_infusion_planned=True, has_doses=True, is_fit_checked=True)


@pytest.mark.parametrize(
    ("collected", "product", "planned", "doses", "due", "open_", "fit", "step"),
    [
        (False, None, False, False, False, False, False, Step.COLLECT_CELLS),
        (False, None, True, False, False, False, False, Step.COLLECT_CELLS),
        (True, None, False, False, False, False, False, Step.ORDER_PRODUCT),
        (True, None, True, True, False, True, True, Step.ORDER_PRODUCT),
        (True, S.ORDERED, False, False, False, False, False, Step.MOVE_PRODUCT),
        (False, S.COLLECTED, False, False, False, False, False, Step.MOVE_PRODUCT),
        (True, S.IN_MANUFACTURE, True, False, False, False, False, Step.MOVE_PRODUCT),
        (True, S.RELEASED, False, False, False, False, False, Step.PLAN_INFUSION),
        (False, S.RECEIVED, False, True, False, True, True, Step.PLAN_INFUSION),
        (True, S.RELEASED, True, False, False, False, False, Step.PLAN_LYMPHODEPLETION),
        (True, S.RELEASED, True, True, False, True, False, Step.WAIT_FOR_DOSE),
        (True, S.THAWED, True, True, False, True, True, Step.WAIT_FOR_DOSE),
        (True, S.RELEASED, True, True, False, False, True, Step.RECEIVE_PRODUCT),
        (True, S.RECEIVED, True, True, False, False, False, Step.CHECK_FITNESS),
        (True, S.RECEIVED, True, True, False, False, True, Step.ASK_READINESS),
        (True, S.THAWED, True, True, False, False, True, Step.ASK_READINESS),
        # A dose whose day has come goes before everything else.
        (False, None, False, True, True, True, False, Step.GIVE_DOSE),
        (True, S.THAWED, True, True, True, True, True, Step.GIVE_DOSE),
    ],
)
def test_the_way_to_the_infusion(
    collected: bool, product: State | None, planned: bool, doses: bool, due: bool, open_: bool, fit: bool, step: Step
) -> None:
    now = Prepared(
        is_collected=collected,
        product=product,
        is_infusion_planned=planned,
        has_doses=doses,
        is_dose_due=due,
        is_dose_open=open_,
        is_fit_checked=fit,
    )
    assert next_step(now) is step


def test_every_step_is_reached_by_a_line_of_the_table() -> None:
    (table,) = (mark.args[1] for mark in test_the_way_to_the_infusion.pytestmark)  # type: ignore[attr-defined]
    assert {line[-1] for line in table} == set(Step)
    assert next_step(READY) is Step.ASK_READINESS
