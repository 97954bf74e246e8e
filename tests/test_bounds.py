"""A bound is not a number: which numbers it allows, and that every page and picture shows its sign."""

import datetime as dt
import html
import re
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from participants.actions import record_examination
from participants.models import Examination, Measurement, Participant
from participants.rules.measures import PANELS, Measure
from tests import factories
from tests.conftest import PASSWORD
from tests.test_error_pages import names, patterns
from trialsite.bounds import ABOVE, BELOW, SIGNS, Allowed, agreed, allowed, combined, examples, least
from trialsite.models import Site, User

D = Decimal
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)

# --- the numbers that a bound allows -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "limits", "expected"),
    [
        pytest.param("5", "1 9", "5", id="a-number"),
        pytest.param("<4", "2 9", "0 1 2 3", id="below"),
        pytest.param("≤4", "2 4", "0 1 2 3 4", id="at-most"),
        pytest.param(">4", "6 2", "5 6 7", id="above"),
        pytest.param("≥4", "6 4", "4 5 6 7", id="at-least"),
        pytest.param(">4", "", "5", id="without-limits"),
        pytest.param("<4", "", "0 2", id="below-without-limits"),
        pytest.param("≤0", "1", "0", id="at-most-nothing"),
        pytest.param("<0", "1", "0", id="below-nothing"),
        pytest.param(">0", "2", "1 2 3", id="above-nothing"),
    ],
)
def test_examples(text: str, limits: str, expected: str) -> None:
    sign = text[0] if text[0] in SIGNS else ""
    found = examples(D(text.removeprefix(sign)), sign, [None, *map(D, limits.split())])
    assert " ".join(f"{one.normalize():f}" for one in found) == expected


NUMBERS = st.decimals("0.1", "20", places=1)
SIGN = st.sampled_from(("", *SIGNS))


def is_allowed(number: Decimal, sign: str, bound: Decimal) -> bool:
    ordered = {"<": number < bound, "≤": number <= bound, ">": number > bound, "≥": number >= bound}
    return ordered.get(sign, number == bound)


@given(NUMBERS, SIGN, st.lists(NUMBERS), NUMBERS)
def test_each_allowed_number_has_an_example_on_its_side_of_every_limit(
    bound: Decimal, sign: str, limits: list[Decimal], number: Decimal
) -> None:
    found = examples(bound, sign, limits)
    assert all(is_allowed(one, sign, bound) for one in found)
    sides = [tuple((one > limit) - (one < limit) for limit in limits) for one in (*found, number)]
    if is_allowed(number, sign, bound):
        assert sides[-1] in sides[:-1]


@given(st.lists(st.tuples(NUMBERS, SIGN, NUMBERS), min_size=1))
def test_the_lowest_of_several_is_among_what_they_allow(several: list[tuple[Decimal, str, Decimal]]) -> None:
    span = least(allowed(bound, sign) for bound, sign, _number in several)
    if all(is_allowed(number, sign, bound) for bound, sign, number in several):
        lowest = min(number for _bound, _sign, number in several)
        assert span.low <= lowest
        assert span.has_low or lowest != span.low
        assert span.high is None or lowest <= span.high
        assert span.has_high or lowest != span.high


def test_the_lowest_of_two_that_end_together() -> None:
    assert least([allowed(D(3), "<"), allowed(D(3), "≤")]) == Allowed(D(0), D(3), has_high=False)
    assert least([allowed(D(3), ">"), allowed(D(3), "≥")]) == Allowed(D(3), None)


@pytest.mark.parametrize(("answers", "expected"), [([1, 1], 1), ([1, 2], None), ([None, 1], None), ([False], False)])
def test_agreed(answers: list[Any], expected: Any) -> None:
    assert agreed(answers) is expected


def test_the_sign_of_a_sum() -> None:
    assert [combined("≤", other) for other in ("", *SIGNS)] == ["≤", "<", "≤", None, None]
    assert [combined(other, "≥") for other in ("", *SIGNS)] == ["≥", None, None, ">", "≥"]
    assert {*BELOW, *ABOVE} == {*SIGNS}


# --- what people see ---------------------------------------------------------------------------------

# Digits that nothing else on a page has.
TAIL = D("0.0173")
OF_A_PARTICIPANT = {f"participants_participant_{page}" for page in ("change", "eligibility", "history")}
# A number with these digits, and what stands before it.
SHOWN = re.compile(r"(?P<before>.{0,12}?)(?P<number>\d+\.0?\d*173)\b")


def given_as_bounds() -> list[Measure]:
    return [one for panel in PANELS.values() for one in panel if one.takes_bound]


@pytest.fixture
def people(site: Site, alice: User) -> list[Participant]:
    """One who is screened and one who was infused; yesterday every value that may be a bound was one."""
    at = timezone.now()
    screened = factories.eligible(site=site, by=alice, now=at - 9 * DAY)
    infused = factories.infused(site=site, by=alice, now=at, infused_at=at - 10 * DAY)
    for participant in (screened, infused):
        for panel, measures in PANELS.items():
            examine(participant, panel, [bound_of(one) for one in measures if one.takes_bound], at=at)
    return [screened, infused]


def examine(participant: Participant, panel: str, answers: list[Measurement], *, at: dt.datetime) -> None:
    if answers:
        record_examination(
            examination=Examination(participant=participant, panel=panel, taken_at=at - DAY),
            answers=answers,
            accepted=[one.code for one in answers],
            by=participant.created_by,
            now=at,
        )


def bound_of(measure: Measure) -> Measurement:
    assert measure.probable is not None
    low, high = measure.probable
    value = (3 * low + high) // 4 + TAIL
    limits = {"reference_low": D(1), "reference_high": D(40)} if measure.has_range else {}
    lloq = {"lloq": D(20)} if measure.has_lloq else {}
    return Measurement(code=measure.code, value=value, comparator="<", unit=measure.unit, **limits, **lloq)


def pages(participant: Participant) -> list[str]:
    """All pages of the participant, and one of each kind of examination."""
    key = str(participant.pk)
    found = [
        reverse(f"admin:{one.name}", kwargs=names(one, key))
        for one in patterns()
        if "participant_id" in names(one, key) or one.name in OF_A_PARTICIPANT
    ]
    new = Examination.objects.filter(participant=participant, taken_at__gte=timezone.now() - 2 * DAY)
    return [*found, *(reverse("admin:participants_examination_change", args=[one.pk]) for one in new)]


def without_sign(text: str) -> list[str]:
    seen = SHOWN.finditer(html.unescape(text))
    return [one[0] for one in seen if not one["before"].rstrip().endswith("<")]


@pytest.mark.django_db
def test_every_page_that_shows_a_bound_shows_its_sign(people: list[Participant], login: Any) -> None:
    client: Client = login(User.objects.create_superuser("root", "root@example.org", PASSWORD))
    shown, wrong = set(), {}
    lists = [reverse("admin:participants_examination_changelist"), reverse("admin:participants_measurement_changelist")]
    for address in (*lists, *(at for one in people for at in pages(one))):
        response = client.get(address)
        text = "" if response.streaming else response.content.decode("utf-8", errors="replace")
        if SHOWN.search(text):
            shown.add(address)
        if bare := without_sign(text):
            wrong[address] = bare[:3]
    assert not wrong
    screened, infused = people
    assert {
        lists[0],
        reverse("admin:participants_participant_eligibility", args=[screened.pk]),
        reverse("admin:safety_blood", args=[infused.pk]),
    } < shown
    assert len(shown) > len(PANELS)
