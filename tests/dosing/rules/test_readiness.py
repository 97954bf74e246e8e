"""Fitness, readiness, vital signs and Day 0: each limit on both sides, each line in each of its states."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from dosing.rules import day0, fitness, readiness, vitals
from dosing.rules.dose import OUT_OF_RANGE, BagDose, DoseLimits, bag_dose, band
from dosing.rules.fitness import Examined, Finding, Fit, FitnessLimits
from dosing.rules.product import State
from dosing.rules.readiness import Bag, Code, Doses, Eligibility, Fitness, Limits, Outcome, Situation
from dosing.rules.regimen import AcceptedRange, DrugPlan, Given, TimingLimits
from dosing.wording import SENTENCES, sentence
from participants.rules.again import Signature

D = Decimal
LIMITS = FitnessLimits(D(38), D(91), D(45), 1)
WELL = Examined(D("36.8"), D(97), False, D(62), 1, False, False)


@pytest.mark.parametrize(
    ("change", "found", "result"),
    [
        pytest.param({}, (), Fit.FIT, id="well"),
        pytest.param({"max_temperature_48h_c": D("38.0")}, (), Fit.FIT, id="temperature-38.0-is-fit"),
        pytest.param({"max_temperature_48h_c": D("38.1")}, (Finding.TEMPERATURE,), Fit.JUDGE, id="temperature-38.1"),
        pytest.param({"spo2_percent": D(91)}, (), Fit.FIT, id="spo2-91-is-fit"),
        pytest.param({"spo2_percent": D("90.9")}, (Finding.SPO2,), Fit.JUDGE, id="spo2-90.9"),
        pytest.param({"lvef_percent": D(45)}, (), Fit.FIT, id="lvef-45-is-fit"),
        pytest.param({"lvef_percent": D("44.9")}, (Finding.LVEF,), Fit.JUDGE, id="lvef-44.9"),
        pytest.param({"ecog": 0}, (), Fit.FIT, id="ecog-0-is-an-answer"),
        pytest.param({"ecog": 2}, (Finding.ECOG,), Fit.JUDGE, id="ecog-2"),
        pytest.param({"is_on_oxygen": True}, (Finding.OXYGEN,), Fit.JUDGE, id="on-oxygen"),
        pytest.param({"has_uncontrolled_infection": True}, (Finding.INFECTION,), Fit.UNFIT, id="infection"),
        pytest.param({"needs_vasopressors": True}, (Finding.VASOPRESSORS,), Fit.UNFIT, id="vasopressors"),
        *(
            pytest.param({name: None}, (Finding.NOT_RECORDED,), Fit.JUDGE, id=f"{name}-not-recorded")
            for name in ("max_temperature_48h_c", "spo2_percent", "lvef_percent", "ecog")
        ),
        pytest.param(
            {"needs_vasopressors": True, "ecog": 3},
            (Finding.VASOPRESSORS, Finding.ECOG),
            Fit.UNFIT,
            id="the-worst-decides",
        ),
    ],
)
def test_fitness(change: dict[str, Any], found: tuple[Finding, ...], result: Fit) -> None:
    assert fitness.findings(replace(WELL, **change), LIMITS) == found
    assert fitness.verdict(found) is result


DAY0 = dt.date(2026, 3, 12)
DRUGS = {
    "flu": DrugPlan(AcceptedRange(D(25), D(30)), (3,)),
    "cy": DrugPlan(AcceptedRange(D(250), D(500)), (2, 3)),
}
READY_LIMITS = Limits(TimingLimits(-7, -3, 14), DRUGS, dt.timedelta(hours=24), 2, 2)


def given_on(*days: int, cy: tuple[int, ...] | None = None, flu: str = "30", planned: str = "30") -> Doses:
    """Fludarabine on these days, cyclophosphamide on the same or on its own."""
    doses = [Given("flu", DAY0 + dt.timedelta(days=day), D(flu), D(planned)) for day in days]
    doses += [Given("cy", DAY0 + dt.timedelta(days=day), D(300), D(300)) for day in (days if cy is None else cy)]
    return Doses(tuple(doses), 0, 0)


def asked(**change: Any) -> dict[str, Eligibility]:
    return {"eligibility": replace(READY.eligibility, **change)}


READY = Situation(
    infusion_on=DAY0,
    eligibility=Eligibility(facts="digest"),
    has_consent=True,
    consent_overdue=False,
    doses=given_on(-7, -6, -5),
    bag=Bag("LOT-1", State.THAWED, DAY0, False),
    fitness=Fitness(dt.timedelta(hours=24), (), 2),
    holds=(),
    identity_checkers=2,
)


def bag(**change: Any) -> dict[str, Bag]:
    assert READY.bag is not None
    return {"bag": replace(READY.bag, **change)}


def ld(*days: int, **more: Any) -> dict[str, Doses]:
    return {"doses": given_on(*days, **more)}


PROTOCOL = DoseLimits(D("0.2"), D("0.25"), D("0.5"), D("0.6"))


def holding(cells_e8: str) -> BagDose:
    return bag_dose(D(cells_e8), D(20), planned_e8=D("0.5"), limits=PROTOCOL)


B, J, F = Outcome.BLOCKS, Outcome.JUDGE, Outcome.FINE


@pytest.mark.parametrize(
    ("change", "code", "outcome", "why"),
    [
        pytest.param(asked(on_day=("EXCL06e",)), Code.ELIGIBILITY, B, "criteria-failed", id="not-met-on-that-day"),
        pytest.param(asked(on_day_open=("EXCL13b",)), Code.ELIGIBILITY, J, "criteria-day-open", id="open-on-that-day"),
        pytest.param(asked(broken=("EXCL04d",)), Code.ELIGIBILITY, B, "criteria-broken", id="corrected-to-positive"),
        pytest.param(asked(open=("EXCL04d",)), Code.ELIGIBILITY, J, "criteria-open", id="result-was-voided"),
        pytest.param(asked(later=("INCL08c",)), Code.ELIGIBILITY, J, "criteria-later", id="result-since-enrolment"),
        pytest.param(
            asked(signature=Signature.OUTDATED), Code.ELIGIBILITY, J, "signature-outdated", id="signed-on-other-facts"
        ),
        pytest.param(asked(signature=Signature.MISSING), Code.ELIGIBILITY, B, "signature-missing", id="not-signed"),
        pytest.param(asked(signature=Signature.BROKEN), Code.ELIGIBILITY, B, "signature-broken", id="changed-since"),
        pytest.param(
            asked(later=("INCL08c",), broken=("EXCL04d",), signature=Signature.OUTDATED),
            Code.ELIGIBILITY,
            B,
            "criteria-broken",
            id="what-blocks-comes-first",
        ),
        pytest.param({"has_consent": False}, Code.CONSENT, B, "consent-missing", id="no-consent"),
        pytest.param({"consent_overdue": True}, Code.CONSENT, J, "consent-overdue", id="consent-again-overdue"),
        pytest.param({"doses": Doses((), 0, 0)}, Code.LYMPHODEPLETION, B, "lymphodepletion-missing", id="ld-none"),
        pytest.param(
            {"doses": Doses((), 2, 4)}, Code.LYMPHODEPLETION, B, "lymphodepletion-open", id="ld-open-before-left-out"
        ),
        pytest.param(
            {"doses": Doses((), 0, 6)}, Code.LYMPHODEPLETION, J, "lymphodepletion-left-out", id="ld-none-given"
        ),
        pytest.param(ld(-7, -6, -5), Code.LYMPHODEPLETION, F, "lymphodepletion-fits", id="ld-from-d-7"),
        pytest.param(ld(-5, -4, -3), Code.LYMPHODEPLETION, F, "lymphodepletion-fits", id="ld-to-d-3"),
        pytest.param(ld(-5, -4, -3, cy=(-5, -4)), Code.LYMPHODEPLETION, F, "lymphodepletion-fits", id="ld-cy-twice"),
        pytest.param(ld(-8, -7, -6), Code.LYMPHODEPLETION, J, "lymphodepletion-early", id="ld-from-d-8"),
        pytest.param(ld(0, 1, 2), Code.LYMPHODEPLETION, B, "lymphodepletion-after", id="ld-from-d0"),
        pytest.param(ld(-1, 0, 1), Code.LYMPHODEPLETION, J, "lymphodepletion-late", id="ld-from-d-1"),
        pytest.param(ld(-4, -3, -2), Code.LYMPHODEPLETION, J, "lymphodepletion-late", id="ld-to-d-2"),
        pytest.param(ld(-17, -16, -15), Code.LYMPHODEPLETION, J, "lymphodepletion-old", id="ld-15-days-ago"),
        pytest.param(ld(-16, -15, -14), Code.LYMPHODEPLETION, J, "lymphodepletion-early", id="ld-14-days-ago"),
        pytest.param(ld(-7, -5, -4), Code.LYMPHODEPLETION, J, "lymphodepletion-skipped", id="ld-a-day-between"),
        pytest.param(ld(-6, -5), Code.LYMPHODEPLETION, J, "lymphodepletion-short", id="ld-a-day-too-few"),
        pytest.param(ld(-7, -6, -5, -4), Code.LYMPHODEPLETION, J, "lymphodepletion-short", id="ld-a-day-too-many"),
        pytest.param(ld(-7, -6, -5, cy=()), Code.LYMPHODEPLETION, J, "lymphodepletion-short", id="ld-one-drug-only"),
        pytest.param(ld(-7, -6, -5, flu="31.6"), Code.LYMPHODEPLETION, J, "lymphodepletion-atypical", id="ld-overdose"),
        pytest.param(
            ld(-7, -6, -5, flu="24.9"), Code.LYMPHODEPLETION, J, "lymphodepletion-atypical", id="ld-too-little"
        ),
        pytest.param(ld(-7, -6, -5, flu="31.5"), Code.LYMPHODEPLETION, F, "lymphodepletion-fits", id="ld-up-to-vials"),
        pytest.param(ld(-7, -6, -5, flu="25"), Code.LYMPHODEPLETION, F, "lymphodepletion-fits", id="ld-lowest-dose"),
        pytest.param(
            ld(-7, -6, -5, flu="18", planned="18"),
            Code.LYMPHODEPLETION,
            F,
            "lymphodepletion-fits",
            id="ld-level-for-the-kidney",
        ),
        pytest.param(
            ld(-7, -6, -5, flu="17.0", planned="18"),
            Code.LYMPHODEPLETION,
            J,
            "lymphodepletion-atypical",
            id="ld-less-than-the-level-for-the-kidney",
        ),
        pytest.param({"bag": None}, Code.PRODUCT, B, "product-missing", id="no-product"),
        pytest.param(bag(state=State.RECEIVED), Code.PRODUCT, F, "product-ready", id="received"),
        pytest.param(bag(state=State.INFUSED), Code.PRODUCT, F, "product-ready", id="begun-for-a-further-part"),
        pytest.param(bag(state=State.RELEASED), Code.PRODUCT, B, "product-not-here", id="released-only"),
        pytest.param(bag(state=State.FAILED), Code.PRODUCT, B, "product-not-here", id="failed"),
        pytest.param(bag(expires_on=None), Code.PRODUCT, F, "product-ready", id="no-last-day"),
        pytest.param(
            bag(expires_on=DAY0 - dt.timedelta(days=1)), Code.PRODUCT, B, "product-expired", id="expired-yesterday"
        ),
        pytest.param(
            bag(is_out_of_specification=True), Code.PRODUCT, J, "product-out-of-specification", id="out-of-spec"
        ),
        *(
            pytest.param(bag(dose=holding(cells)), Code.PRODUCT, outcome, why, id=f"bag-of-{cells}")
            for cells, outcome, why in (
                ("0.199", J, "product-dose-low"),
                ("0.2", F, "product-ready"),
                ("0.6", F, "product-ready"),
                ("0.601", J, "product-dose-high"),
            )
        ),
        pytest.param({"fitness": None}, Code.FITNESS, B, "fitness-missing", id="fitness-not-checked"),
        pytest.param({"fitness": None}, Code.TOCILIZUMAB, B, "tocilizumab-unknown", id="tocilizumab-not-counted"),
        pytest.param(
            {"fitness": Fitness(dt.timedelta(hours=24, seconds=1), (), 2)}, Code.FITNESS, B, "fitness-old", id="24h-1s"
        ),
        pytest.param(
            {"fitness": Fitness(dt.timedelta(), (Finding.SPO2,), 2)}, Code.FITNESS, J, "fitness-findings", id="spo2-low"
        ),
        pytest.param(
            {"fitness": Fitness(dt.timedelta(), (Finding.INFECTION,), 2)},
            Code.FITNESS,
            B,
            "fitness-findings",
            id="uncontrolled-infection",
        ),
        pytest.param(
            {"fitness": Fitness(dt.timedelta(), (), 1)}, Code.TOCILIZUMAB, B, "tocilizumab-too-few", id="one-dose"
        ),
        pytest.param(
            {"fitness": Fitness(dt.timedelta(), (), 0)}, Code.TOCILIZUMAB, B, "tocilizumab-too-few", id="zero-doses"
        ),
        pytest.param({"holds": ("DLT review",)}, Code.HOLDS, B, "held", id="held"),
        pytest.param({"identity_checkers": 1}, Code.IDENTITY, B, "identity-open", id="one-person-checked"),
        pytest.param(
            {"identity_checkers": 1, "identity_broken": 1}, Code.IDENTITY, B, "identity-broken", id="one-was-changed"
        ),
        pytest.param(
            {"identity_checkers": 2, "identity_broken": 1}, Code.IDENTITY, F, "identity-checked", id="two-others-stand"
        ),
        pytest.param(
            {"identity_checkers": 0, "identity_signed_after": "2026-03-05 09:31"},
            Code.IDENTITY,
            B,
            "identity-late",
            id="signed-after-the-start",
        ),
        pytest.param(
            {"identity_checkers": 2, "identity_signed_after": "2026-03-05 09:31"},
            Code.IDENTITY,
            Outcome.FINE,
            "identity-checked",
            id="a-third-person-signed-later",
        ),
    ],
)
def test_one_line_of_readiness(change: dict[str, Any], code: Code, outcome: Outcome, why: str) -> None:
    lines = readiness.lines(replace(READY, **change), READY_LIMITS)
    line = next(one for one in lines if one.code is code)
    assert (line.outcome, line.why) == (outcome, why)
    assert sentence(line), "every line has its sentence, with all its values"


def test_all_lines_are_fine_when_everything_is_ready() -> None:
    lines = readiness.lines(READY, READY_LIMITS)
    assert [line.code for line in lines] == list(Code)
    assert {line.outcome for line in lines} == {F}
    assert readiness.overall(lines) is F
    assert all(sentence(line) for line in lines)


def test_a_line_lists_every_finding_and_what_blocks_first() -> None:
    """An overdose, a skipped day, a dose after the infusion and one too few: all of it stands there, as it was."""
    doses = given_on(-6, -4, 1, flu="45", cy=(-6,))
    line = readiness.lymphodepletion(replace(READY, doses=doses), READY_LIMITS)
    with translation.override("en"):
        text = sentence(line)
    for words in (
        "It ended on Day 1, after Day -3.",
        "Given on the day of the infusion or after it: Fludarabine on Day 1.",
        "Not given on a day in between: Fludarabine on Day -5, Fludarabine on Day -3",
        "Another number of doses than the study file accepts: Cyclophosphamide × 1.",
        "Fludarabine on Day -6: 45 mg/m² (accepted: 25–30)",
    ):
        assert words in text
    blocked = readiness.lymphodepletion(replace(READY, doses=replace(doses, open=1)), READY_LIMITS)
    assert (blocked.outcome, blocked.why) == (B, "lymphodepletion-open")
    assert "45 mg/m²" in sentence(blocked)


@pytest.mark.parametrize("setting", ["later_results_block", "outdated_signature_blocks"])
def test_the_study_file_may_block_what_is_else_judged(setting: str) -> None:
    found = replace(READY.eligibility, later=("INCL08c",), signature=Signature.OUTDATED)
    assert readiness.eligibility(found, READY_LIMITS).outcome is J
    line = readiness.eligibility(found, replace(READY_LIMITS, **{setting: True}))
    assert (line.outcome, len(line.more)) == (B, 1)


@pytest.mark.parametrize(
    ("cells", "ml"),
    [
        pytest.param("0.4999", None, id="holds-less-than-the-planned-dose"),
        pytest.param("0.5", "20.0", id="the-whole-bag"),
        pytest.param("0.9", "11.1", id="a-part-read-to-a-tenth"),
        pytest.param("400", "0.025", id="a-tenth-would-leave-the-range"),
    ],
)
def test_how_much_of_a_bag_gives_the_planned_dose(cells: str, ml: str | None) -> None:
    assert holding(cells).planned_ml == (None if ml is None else D(ml))


@given(st.decimals("0.5", "100", places=3), st.decimals("1", "500", places=3))
def test_the_volume_that_is_named_gives_a_dose_in_range(cells: Decimal, volume: Decimal) -> None:
    found = bag_dose(cells, volume, planned_e8=D("0.5"), limits=PROTOCOL)
    assert found.planned_ml is not None
    assert found.planned_ml <= volume
    assert band(cells * found.planned_ml / volume, PROTOCOL) not in OUT_OF_RANGE


def test_the_worst_line_decides() -> None:
    judged = replace(READY, consent_overdue=True)
    assert readiness.overall(readiness.lines(judged, READY_LIMITS)) is J
    assert readiness.overall(readiness.lines(replace(judged, holds=("x",)), READY_LIMITS)) is B


def test_no_sentence_is_left_over() -> None:
    source = (readiness.__file__ or "").replace(".pyc", ".py")
    with open(source, encoding="utf-8") as file:
        text = file.read()
    assert [why for why in SENTENCES if f'"{why}"' not in text] == []


AT = dt.datetime(2026, 3, 12, 10, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def taken(*minutes: int) -> list[dt.datetime]:
    return [AT + n * MINUTE for n in minutes]


@pytest.mark.parametrize(
    ("minutes", "filled"),
    [
        pytest.param((), [], id="none"),
        pytest.param((-61,), [], id="more-than-an-hour-before"),
        pytest.param((-60,), [0], id="an-hour-before"),
        pytest.param((0,), [0, 1], id="at-the-start-is-before-and-during"),
        pytest.param((20,), [1], id="at-the-end-is-during"),
        pytest.param((27,), [], id="7-minutes-after-belongs-to-none"),
        pytest.param((28, 42, 43), [2, 3], id="either-end-of-the-first-quarter"),
        pytest.param((80, 140, 200, 260, 320), [5, 6, 7, 8, 9], id="hourly"),
    ],
)
def test_vital_signs_around_an_infusion_of_twenty_minutes(minutes: tuple[int, ...], filled: list[int]) -> None:
    rows = vitals.due(AT, AT + 20 * MINUTE, taken(*minutes))
    assert len(rows) == 10
    assert [number for number, row in enumerate(rows) if row.taken_at] == filled


def test_vital_signs_are_open_then_missed() -> None:
    first, during = vitals.due(AT, None, [])
    assert first.is_open(AT)
    assert not first.is_missed(AT)
    assert first.is_missed(AT + MINUTE)
    assert during.is_open(AT + 15 * MINUTE)
    assert during.is_missed(AT + 16 * MINUTE)


FIRST, LATER = dt.date(2026, 3, 12), dt.date(2026, 6, 1)


@pytest.mark.parametrize(
    ("rows", "follows_last", "expected"),
    [
        pytest.param([], False, None, id="none"),
        pytest.param([day0.Given(FIRST)], True, FIRST, id="one"),
        pytest.param([day0.Given(FIRST), day0.Given(LATER, True)], False, FIRST, id="second-counts-from-first"),
        pytest.param([day0.Given(FIRST), day0.Given(LATER, True)], True, LATER, id="second-counts-from-last"),
        pytest.param([day0.Given(LATER), day0.Given(FIRST)], True, FIRST, id="split-counts-from-its-first-part"),
    ],
)
def test_day_0(rows: list[day0.Given], follows_last: bool, expected: dt.date | None) -> None:
    assert day0.day0(rows, follows_last=follows_last) == expected


@given(st.lists(st.tuples(st.dates(), st.booleans()), min_size=1, max_size=4), st.booleans())
def test_day_0_is_the_day_of_an_infusion(rows: list[tuple[dt.date, bool]], follows_last: bool) -> None:
    found = day0.day0([day0.Given(*row) for row in rows], follows_last=follows_last)
    assert found in {day for day, _second in rows}


@pytest.mark.parametrize("also", [{}, {"later": ("INCL07",)}], ids=["alone", "beside-another"])
def test_counts_that_lymphodepletion_lowered_are_told_and_change_nothing(also: dict[str, Any]) -> None:
    plain = readiness.eligibility(Eligibility(facts="digest", **also), READY_LIMITS)
    told = readiness.eligibility(Eligibility(facts="digest", lowered=("INCL08",), **also), READY_LIMITS)
    assert told.outcome is plain.outcome
    assert told.more == (("criteria-lowered",) if not also else plain.more)
