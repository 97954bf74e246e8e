"""What a disease assessment shows, at both sides of every limit; what nobody recorded stays open."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.rules.response import (
    ORDER,
    REMISSIONS,
    Amount,
    Assessed,
    Dated,
    Findings,
    Limits,
    Mrd,
    MrdFinding,
    MrdRelapse,
    Part,
    Response,
    assess,
    best,
    mrd_of,
    mrd_relapse,
    relapse,
)

DAY = dt.date(2026, 1, 1)


def amount(text: str) -> Amount:
    return Amount(Decimal(text.lstrip("<≤>≥")), text[:1] if text[0] in "<≤>≥" else "")


CLEAR = Findings(
    marrow_blasts=amount("1"),
    has_blood_blasts=False,
    is_extramedullary=False,
    anc=amount("1.5"),
    platelets=amount("120"),
    is_transfused=False,
)


@pytest.mark.parametrize(
    ("anc", "platelets", "expected"),
    [
        ("1.0", "100", Response.CR),
        ("0.99", "100", Response.CRH),
        ("1.0", "99", Response.CRH),
        ("0.51", "51", Response.CRH),
        ("0.5", "120", Response.CRI),
        ("1.5", "50", Response.CRI),
        (">1", "≥100", Response.CR),
        ("<0.5", ">100", Response.CRI),
        # The bound lies across the limit of CRh.
        ("<0.6", "120", Response.NOT_EVALUABLE),
    ],
)
def test_the_counts_decide_between_the_remissions(anc: str, platelets: str, expected: Response) -> None:
    found = assess(replace(CLEAR, anc=amount(anc), platelets=amount(platelets)))
    assert found.response is expected
    assert found.is_in_remission


def test_counts_at_their_limit_by_the_other_reading() -> None:
    found = replace(CLEAR, anc=amount("1.0"), platelets=amount("100"))
    assert assess(found, Limits(counts_include=False)).response is Response.CRH


def test_counts_after_a_transfusion_show_no_recovery() -> None:
    assert assess(replace(CLEAR, is_transfused=True)).response is Response.CRI


@pytest.mark.parametrize(
    ("blasts", "limits", "expected"),
    [
        ("4.9", Limits(), Response.CR),
        ("5", Limits(), Response.RELAPSE),
        ("<5", Limits(), Response.CR),
        ("≤5", Limits(), Response.NOT_EVALUABLE),
        ("5", Limits(relapse_includes=False), Response.NO_REMISSION),
        ("5.1", Limits(relapse_includes=False), Response.RELAPSE),
        ("24.9", Limits(relapse_blasts=Decimal(25)), Response.NO_REMISSION),
        ("25", Limits(relapse_blasts=Decimal(25)), Response.RELAPSE),
    ],
)
def test_the_blasts_of_the_marrow(blasts: str, limits: Limits, expected: Response) -> None:
    assert assess(replace(CLEAR, marrow_blasts=amount(blasts)), limits).response is expected


def test_one_sign_is_a_relapse_whatever_was_not_looked_at() -> None:
    assert assess(Findings(has_blood_blasts=True)) == Assessed(
        Response.RELAPSE, Mrd.NOT_EVALUABLE, (Part.BLOOD,), is_in_remission=False
    )
    both = assess(replace(CLEAR, marrow_blasts=amount("30"), is_extramedullary=True))
    assert both.sites == (Part.MARROW, Part.EXTRAMEDULLARY)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("marrow_blasts", Part.MARROW),
        ("has_blood_blasts", Part.BLOOD),
        ("is_extramedullary", Part.EXTRAMEDULLARY),
        ("anc", Part.ANC),
        ("platelets", Part.PLATELETS),
        ("is_transfused", Part.TRANSFUSION),
    ],
)
def test_what_is_not_recorded_is_neither_there_nor_absent(name: str, part: Part) -> None:
    found = assess(replace(CLEAR, **{name: None}))
    assert (found.response, found.missing) == (Response.NOT_EVALUABLE, (part,))


def test_what_is_missing_is_not_asked_for_where_it_changes_nothing() -> None:
    assert assess(replace(CLEAR, anc=amount("0.2"), platelets=None, is_transfused=None)).response is Response.CRI


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, Mrd.NOT_EVALUABLE),
        (MrdFinding(False, sensitivity=Decimal("0.01")), Mrd.NEGATIVE),
        (MrdFinding(False, sensitivity=Decimal("0.011")), Mrd.INSUFFICIENT),
        (MrdFinding(False), Mrd.INSUFFICIENT),
        (MrdFinding(True, amount("0.009")), Mrd.NEGATIVE),
        (MrdFinding(True, amount("0.01")), Mrd.POSITIVE),
        (MrdFinding(True, amount("<0.01")), Mrd.NEGATIVE),
        (MrdFinding(True, amount("≤0.01")), Mrd.INSUFFICIENT),
        (MrdFinding(True, amount("<0.1")), Mrd.INSUFFICIENT),
        (MrdFinding(True, amount(">0.001")), Mrd.NOT_EVALUABLE),
        (MrdFinding(True, amount("0.005"), Decimal("0.1")), Mrd.INSUFFICIENT),
        (MrdFinding(True), Mrd.NOT_EVALUABLE),
    ],
)
def test_mrd(found: MrdFinding | None, expected: Mrd) -> None:
    assert mrd_of(found) is expected


# --- Laws --------------------------------------------------------------------------------------------

numbers = st.decimals(0, 200, places=2)
findings = st.builds(
    Findings,
    marrow_blasts=st.none() | st.builds(Amount, st.decimals(0, 100, places=2), st.sampled_from(["", "<", ">"])),
    has_blood_blasts=st.sampled_from([None, True, False]),
    is_extramedullary=st.sampled_from([None, True, False]),
    anc=st.none() | st.builds(Amount, numbers),
    platelets=st.none() | st.builds(Amount, numbers),
    is_transfused=st.sampled_from([None, True, False]),
)


@given(findings, numbers, numbers)
def test_more_cells_are_never_a_worse_response(found: Findings, anc: Decimal, platelets: Decimal) -> None:
    first = assess(replace(found, anc=Amount(anc), platelets=Amount(platelets))).response
    second = assess(replace(found, anc=Amount(anc + 1), platelets=Amount(platelets + 10))).response
    if Response.NOT_EVALUABLE not in (first, second):
        assert ORDER.index(second) <= ORDER.index(first)


@given(findings)
def test_what_is_learnt_later_does_not_contradict_what_was_known(found: Findings) -> None:
    known = assess(found).response
    names = [name for name, value in vars(CLEAR).items() if getattr(found, name) is None and name != "mrd"]
    later = assess(replace(found, **{name: getattr(CLEAR, name) for name in names})).response
    assert known in (later, Response.NOT_EVALUABLE)
    assert later is not Response.NOT_EVALUABLE or found.marrow_blasts


@given(findings)
def test_a_response_says_where_or_what_is_missing(found: Findings) -> None:
    one = assess(found)
    assert bool(one.sites) == (one.response is Response.RELAPSE)
    assert bool(one.missing) == (one.response is Response.NOT_EVALUABLE)
    assert one.is_in_remission or one.response not in REMISSIONS


# --- The course --------------------------------------------------------------------------------------


def course(*told: str) -> list[Dated]:
    """A week apart: "CR-" is a remission with negative MRD, "CR+" with positive, "R" a relapse, "CR" without MRD."""
    mrds = {"-": Mrd.NEGATIVE, "+": Mrd.POSITIVE}
    return [
        Dated(
            DAY + dt.timedelta(weeks=number),
            Assessed(
                Response.RELAPSE if one[0] == "R" else Response(one.rstrip("+-")),
                mrds.get(one[-1], Mrd.NOT_EVALUABLE),
            ),
        )
        for number, one in enumerate(told)
    ]


def week(number: int) -> dt.date:
    return DAY + dt.timedelta(weeks=number)


def test_mrd_that_was_never_negative_does_not_relapse() -> None:
    assert mrd_relapse(course("CR+", "CR+")) is None


def test_mrd_that_turns_positive_relapses_once_confirmed() -> None:
    assert mrd_relapse(course("CR-", "CR", "CR+", "CR+")) == MrdRelapse(week(2), week(3))
    assert mrd_relapse(course("CR-", "CR+")) == MrdRelapse(week(1))


def test_a_negative_sample_refutes_it_where_confirmation_is_needed() -> None:
    told = course("CR-", "CR+", "CR-")
    assert mrd_relapse(told) is None
    assert mrd_relapse(told, needs_confirmation=False) == MrdRelapse(week(1))


def test_a_relapse_of_the_leukaemia_is_another_thing() -> None:
    told = course("CR-", "R+", "CR+")
    assert mrd_relapse(told) is None
    first = relapse(told)
    assert first is not None
    assert first.on == week(1)


def test_the_best_response_comes_before_the_relapse() -> None:
    assert best(course("CRi", "CRh", "R", "CR")) is Response.CRH
    assert best(course("R", "CR")) is Response.RELAPSE
    assert best(course("not_evaluable")) is None
    assert best([]) is None
