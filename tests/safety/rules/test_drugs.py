"""A drug that was answered at the bed stays answered as long as it works, and not longer."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.rules.bedside import Anticytokine
from safety.rules.drugs import Answer, Works, still_given

START = dt.datetime(2026, 3, 12, 8, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
TOCI, STEROID = Anticytokine.TOCILIZUMAB, Anticytokine.CORTICOSTEROID
WORKS = Works({TOCI: 336 * HOUR, STEROID: 72 * HOUR})


def answer(hours: float, is_given: bool | None, *named: Anticytokine) -> Answer:
    return Answer(START + hours * HOUR, is_given, named)


def found(hours: float, *answers: Answer) -> dict[Anticytokine | None, float]:
    given = still_given(answers, at=START + hours * HOUR, works=WORKS)
    return {drug: (since - START) / HOUR for drug, since in given.items()}


@pytest.mark.parametrize(
    ("hours", "answers", "expected"),
    [
        pytest.param(1, [], {}, id="nothing-answered"),
        pytest.param(72, [answer(0, True, STEROID)], {STEROID: 0}, id="as-long-as-it-works"),
        pytest.param(72.01, [answer(0, True, STEROID)], {}, id="no-longer"),
        pytest.param(336, [answer(0, True, TOCI)], {TOCI: 0}, id="tocilizumab"),
        pytest.param(336.01, [answer(0, True, TOCI)], {}, id="tocilizumab-no-longer"),
        pytest.param(72, [answer(0, True)], {None: 0}, id="not-named-counts-as-the-shortest"),
        pytest.param(72.01, [answer(0, True)], {}, id="not-named-no-longer"),
        pytest.param(0, [answer(0, True, TOCI)], {TOCI: 0}, id="of-this-moment-itself"),
        pytest.param(3, [answer(5, True, TOCI)], {}, id="not-of-a-later-one"),
        pytest.param(3, [answer(0, True, TOCI), answer(2, False)], {}, id="a-no-takes-it-back"),
        pytest.param(3, [answer(0, True, TOCI), answer(2, None)], {TOCI: 0}, id="not-answered-takes-nothing-back"),
        pytest.param(70, [answer(0, True, STEROID), answer(60, True)], {STEROID: 0}, id="said-again-is-no-new-dose"),
        pytest.param(73, [answer(0, True, STEROID), answer(60, True)], {}, id="so-it-ends-with-the-first"),
        pytest.param(80, [answer(0, True, STEROID), answer(73, True)], {None: 73}, id="said-after-its-end-is-new"),
        pytest.param(3, [answer(0, True), answer(2, True, TOCI)], {TOCI: 0}, id="named-later"),
        pytest.param(3, [answer(0, True, TOCI), answer(2, True, STEROID)], {STEROID: 2}, id="another-one-named"),
        pytest.param(80, [answer(0, True, TOCI, STEROID)], {TOCI: 0}, id="each-by-its-own-time"),
        pytest.param(3, [answer(2, False), answer(0, True, TOCI)], {}, id="whatever-their-order"),
    ],
)
def test_what_was_answered_stays(
    hours: float, answers: list[Answer], expected: dict[Anticytokine | None, float]
) -> None:
    assert found(hours, *answers) == expected


ANSWERS = st.lists(
    st.builds(
        answer,
        st.integers(0, 400),
        st.sampled_from([None, True, False]),
    ),
    max_size=8,
)


@given(ANSWERS, st.integers(0, 800))
def test_only_what_was_answered_with_yes_works_and_only_for_its_time(answers: list[Answer], hours: int) -> None:
    for drug, since in still_given(answers, at=START + hours * HOUR, works=WORKS).items():
        assert any(one.at == since and one.is_given for one in answers)
        assert START + hours * HOUR - since <= WORKS.of(drug)
