"""What a person has said stands; what nobody spoke of follows the records of the day."""

from itertools import product

import pytest

from participants.models import VisitState
from participants.rules.settling import State, ToldBy, becomes

CHANGES = {
    (State.PLANNED, ToldBy.NOBODY, True): State.DONE,
    (State.PLANNED, ToldBy.RECORDS, True): State.DONE,
    (State.DONE, ToldBy.RECORDS, False): State.PLANNED,
}


@pytest.mark.parametrize(("state", "told_by", "is_complete"), list(product(State, ToldBy, (True, False))))
def test_every_state_by_whoever_told_it(state: State, told_by: ToldBy, is_complete: bool) -> None:
    assert becomes(state, told_by, is_complete=is_complete) is CHANGES.get((state, told_by, is_complete))


def test_the_states_are_those_of_the_rows() -> None:
    assert {one.value for one in State} == set(VisitState.values)
