"""How long the cells work, and when somebody counts as lost: both sides of each limit."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.rules.contact import Attempt, Silence, silence
from participants.rules.contradictions import Code, Told, about_death
from participants.rules.persistence import Aplasia, Persistence, Reading, aplasia, persistence
from participants.rules.response import Amount

DAY0 = dt.date(2026, 1, 1)
THREE = Decimal(3)


def on(day: int) -> dt.date:
    return DAY0 + dt.timedelta(days=day)


def readings(*told: str) -> list[Reading]:
    """A week apart; "<" before the number is a bound, "/" behind it the limit of quantification."""
    found = []
    for number, text in enumerate(told):
        amount, _slash, lloq = text.partition("/")
        sign = amount[0] if amount[0] in "<>" else ""
        found.append(
            Reading(on(7 * number), Amount(Decimal(amount.lstrip("<>")), sign), Decimal(lloq) if lloq else None)
        )
    return found


# --- B cells -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (("2.99",), Aplasia(True, on(0))),
        (("3",), Aplasia(False)),
        (("8", "0"), Aplasia(True, on(7))),
        (("0.1", "<0.5", "2"), Aplasia(True, on(0))),
        (("0.1", "3", "9"), Aplasia(False, on(0), on(7))),
        (("0.1", "4", "0.2"), Aplasia(True, on(14))),
        # The bound lies across the limit: nothing new is known.
        (("<5",), Aplasia()),
        (("0.1", "<5"), Aplasia(None, on(0))),
        ((), Aplasia()),
    ],
)
def test_aplasia_begins_and_ends(told: tuple[str, ...], expected: Aplasia) -> None:
    assert aplasia(readings(*told), below=THREE) == expected


@given(st.lists(st.decimals(0, 20, places=1), max_size=6))
def test_the_newest_reading_decides(found: list[Decimal]) -> None:
    told = aplasia([Reading(on(n), Amount(value)) for n, value in enumerate(found)], below=THREE)
    assert told.is_aplastic == (found[-1] < THREE if found else None)


# --- CAR -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (("500", "20/25"), Persistence(on(0), on(7))),
        (("500", "25/25"), Persistence(on(7))),
        (("500", "<25/25"), Persistence(on(0), on(7))),
        (("500", "0", "0"), Persistence(on(0), on(7))),
        (("0", "80"), Persistence(on(7))),
        (("<10",), Persistence(None, on(0))),
        ((), Persistence()),
    ],
)
def test_cells_are_there_until_they_are_not_found(told: tuple[str, ...], expected: Persistence) -> None:
    assert persistence(readings(*told)) == expected


# --- Loss ----------------------------------------------------------------------------------------------


def tries(*failed: int, answered: int | None = None) -> list[Attempt]:
    return [
        *(Attempt(on(day), False) for day in failed),
        *([Attempt(on(answered), True)] if answered is not None else []),
    ]


def test_a_loss_takes_so_many_days_and_so_long() -> None:
    limits = {"attempts": 3, "over_days": 90}
    assert silence(tries(0, 40, 90)).is_loss(**limits)
    assert not silence(tries(0, 40, 89)).is_loss(**limits)
    assert not silence(tries(0, 90)).is_loss(**limits)
    assert not silence(tries(0, 90, 90)).is_loss(**limits), "twice on one day is once"


def test_an_answer_begins_anew() -> None:
    assert silence(tries(0, 40, 90, answered=50)) == Silence((on(90),))
    assert silence(tries(0, 40, 90), on(40)) == Silence((on(90),))
    assert silence([]) == Silence()


# --- Two deaths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "died_on", "expected"),
    [
        (Told(False), None, None),
        (Told(True), None, Code.DEATH_NOT_IN_STATUS),
        (Told(True), on(3), None),
        (Told(True, (on(3), on(3))), on(3), None),
        (Told(True, (on(3), on(3))), on(4), Code.DEATH_ON_ANOTHER_DAY),
        (Told(True, (on(0), on(30))), on(30), None),
        (Told(True, (on(0), on(30))), on(31), Code.DEATH_ON_ANOTHER_DAY),
    ],
)
def test_a_contact_and_the_status_tell_one_death(told: Told, died_on: dt.date | None, expected: Code | None) -> None:
    assert about_death(told, died_on) is expected
