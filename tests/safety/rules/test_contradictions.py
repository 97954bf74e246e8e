"""Odd pairs of answers are asked about, each with what was typed; everything ordinary is not."""

import datetime as dt
import re
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.rules.bedside import VITAL_SIGNS, Context, Death, Observations, Vasopressor, applicable, possible, usual
from safety.rules.contradictions import ODD, QUESTION_TEXT, questions
from safety.rules.crs import OxygenDevice, OxygenReason
from safety.rules.icans import Consciousness, IcePerformed, Oedema, PressureSign, Seizure

DAY_3 = Context(3, 30, crs_established=False)
TEN = dict.fromkeys(
    ("year", "month", "city", "hospital", "object_1", "object_2", "object_3", "command", "writes", "counts"), True
)
ICE_10: dict[str, Any] = {"ice_performed": IcePerformed.YES, **TEN}
NONE, HFNC, CANNULA = OxygenDevice.NONE, OxygenDevice.HFNC, OxygenDevice.NASAL_CANNULA
MASK, VENTILATED = OxygenDevice.SIMPLE_FACEMASK, OxygenDevice.INVASIVE_VENTILATION
ALERT, COMA = Consciousness.ALERT, Consciousness.UNAROUSABLE
VOICE, TOUCH = Consciousness.AWAKENS_TO_VOICE, Consciousness.AWAKENS_ONLY_TO_TACTILE
PRESSOR = (Vasopressor.NOREPINEPHRINE,)


def ice(points: int) -> dict[str, Any]:
    return {**ICE_10, **{name: number < points for number, name in enumerate(TEN)}}


def asked(context: Context = DAY_3, **seen: Any) -> list[str]:
    return [one.code for one in questions(Observations(**seen), context)]


# By code: the seen that is asked about, and the next best that is not: each limit has both sides.
CASES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "low-pressure": (
        [
            {"systolic": 70, "diastolic": 40, "hypotension": False},
            {"systolic": 89, "diastolic": 70, "hypotension": False},
            {"systolic": 95, "diastolic": 49, "hypotension": False},
            {"systolic": 70, "hypotension": False},
            {"systolic": 0, "hypotension": False},
        ],
        [
            {"systolic": 90, "diastolic": 70, "hypotension": False},
            {"systolic": 95, "diastolic": 50, "hypotension": False},
            {"systolic": 70, "diastolic": 40, "hypotension": True},
            {"systolic": 70, "diastolic": 40},
        ],
    ),
    "good-pressure": (
        [{"systolic": 110, "diastolic": 70, "hypotension": True}],
        [
            {"systolic": 109, "diastolic": 70, "hypotension": True},
            {"systolic": 110, "diastolic": 70, "hypotension": True, "fluids_given": True},
            {"systolic": 110, "diastolic": 70, "hypotension": True, "vasopressors": PRESSOR},
            {"systolic": 110, "diastolic": 70, "hypotension": True, "vasopressin": True},
            {"systolic": 110, "diastolic": 40, "hypotension": True},
            {"systolic": 110, "diastolic": 70, "hypotension": False},
        ],
    ),
    "pressure-unit": (
        [{"systolic": 12, "diastolic": 7}, {"systolic": 39, "diastolic": 20}, {"systolic": 1}],
        [{"systolic": 40, "diastolic": 20}, {"systolic": 0}],
    ),
    "narrow-pressure": (
        [{"systolic": 120, "diastolic": 111}, {"systolic": 80, "diastolic": 80}],
        [{"systolic": 120, "diastolic": 110}, {"systolic": 12, "diastolic": 7}, {"systolic": 0, "diastolic": 0}],
    ),
    "vasopressor-without-hypotension": (
        [{"hypotension": False, "vasopressors": PRESSOR}, {"hypotension": False, "vasopressin": True}],
        [
            {"hypotension": True, "vasopressors": PRESSOR},
            {"hypotension": False, "vasopressors": (), "vasopressin": False},
            {"vasopressors": PRESSOR},
        ],
    ),
    "low-saturation": (
        [
            {"spo2_percent": Decimal(80), "oxygen_device": NONE},
            {"spo2_percent": Decimal("89.9"), "oxygen_device": NONE},
        ],
        [
            {"spo2_percent": Decimal(90), "oxygen_device": NONE},
            {"spo2_percent": Decimal(80), "oxygen_device": MASK},
            {"spo2_percent": Decimal(80)},
        ],
    ),
    "high-flow-without-flow": (
        [{"oxygen_device": HFNC}],
        [{"oxygen_device": HFNC, "oxygen_flow_l_min": Decimal(0)}, {"oxygen_device": MASK}],
    ),
    "no-flow": (
        [{"oxygen_device": one, "oxygen_flow_l_min": Decimal(0)} for one in (HFNC, CANNULA, MASK)],
        [
            {"oxygen_device": VENTILATED, "oxygen_flow_l_min": Decimal(0)},
            {"oxygen_device": CANNULA, "oxygen_flow_l_min": Decimal("0.5")},
        ],
    ),
    "high-flow-low": (
        [{"oxygen_device": HFNC, "oxygen_flow_l_min": Decimal(6)}],
        [
            {"oxygen_device": HFNC, "oxygen_flow_l_min": Decimal("6.1")},
            {"oxygen_device": CANNULA, "oxygen_flow_l_min": Decimal(6)},
        ],
    ),
    "cannula-high": (
        [{"oxygen_device": CANNULA, "oxygen_flow_l_min": Decimal("15.1")}],
        [
            {"oxygen_device": CANNULA, "oxygen_flow_l_min": Decimal(15)},
            {"oxygen_device": HFNC, "oxygen_flow_l_min": Decimal(40)},
        ],
    ),
    "mask-low": (
        [{"oxygen_device": one, "oxygen_flow_l_min": Decimal("4.9")} for one in (MASK, OxygenDevice.NONREBREATHER)],
        [
            {"oxygen_device": MASK, "oxygen_flow_l_min": Decimal(5)},
            {"oxygen_device": OxygenDevice.VENTURI, "oxygen_flow_l_min": Decimal(4)},
        ],
    ),
    "ventilated-outside-icu": (
        [{"oxygen_device": VENTILATED, "in_icu": False}],
        [{"oxygen_device": VENTILATED, "in_icu": True}, {"oxygen_device": VENTILATED}],
    ),
    "ice-beside-consciousness": (
        [
            {**ICE_10, "consciousness": COMA},
            {**ice(1), "consciousness": COMA},
            {**ice(7), "consciousness": TOUCH},
            {**ICE_10, "consciousness": VOICE},
        ],
        [
            {**ice(0), "consciousness": COMA},
            {**ice(6), "consciousness": TOUCH},
            {**ice(9), "consciousness": VOICE},
            {**ICE_10, "consciousness": Consciousness.DROWSY},
            {**ICE_10, "consciousness": ALERT},
            {**ICE_10},
            {**ICE_10, "ice_performed": IcePerformed.NOT_DONE, "consciousness": COMA},
        ],
    ),
    "ice-ventilated": (
        [{**ice(1), "oxygen_device": VENTILATED}],
        [{**ice(0), "oxygen_device": VENTILATED}, {**ICE_10, "oxygen_device": OxygenDevice.BIPAP}],
    ),
    "arousal-differs": (
        [
            *(
                {"ice_performed": IcePerformed.UNABLE_UNAROUSABLE, "consciousness": one}
                for one in Consciousness
                if one is not COMA
            ),
            {"ice_performed": IcePerformed.UNABLE_AROUSABLE, "consciousness": COMA},
        ],
        [
            {"ice_performed": IcePerformed.UNABLE_UNAROUSABLE, "consciousness": COMA},
            {"ice_performed": IcePerformed.UNABLE_AROUSABLE, "consciousness": ALERT},
            {"ice_performed": IcePerformed.UNABLE_UNAROUSABLE},
            {"ice_performed": IcePerformed.NOT_DONE, "consciousness": ALERT},
        ],
    ),
    "alert-pressure-sign": (
        [
            {"consciousness": ALERT, "pressure_sign": one}
            for one in (PressureSign.POSTURING, PressureSign.CUSHING_TRIAD)
        ],
        [
            {"consciousness": ALERT, "pressure_sign": PressureSign.PAPILLOEDEMA},
            {"consciousness": TOUCH, "pressure_sign": PressureSign.POSTURING},
        ],
    ),
    "alert-oedema": (
        [{"consciousness": ALERT, "cerebral_oedema": Oedema.DIFFUSE}],
        [
            {"consciousness": ALERT, "cerebral_oedema": Oedema.FOCAL},
            {"consciousness": VOICE, "cerebral_oedema": Oedema.DIFFUSE},
        ],
    ),
    "alert-seizing": (
        [{"consciousness": ALERT, "seizure": Seizure.REPETITIVE}],
        [
            {"consciousness": ALERT, "seizure": Seizure.PROLONGED},
            {"consciousness": COMA, "seizure": Seizure.REPETITIVE},
        ],
    ),
    "seizure-length": (
        [
            {"seizure": Seizure.NONE, "seizure_minutes": Decimal(1)},
            {"seizure": Seizure.PROLONGED, "seizure_minutes": Decimal(5)},
            {"seizure": Seizure.CLINICAL_RESOLVES, "seizure_minutes": Decimal("5.1")},
            {"seizure": Seizure.NONCONVULSIVE_RESOLVES, "seizure_minutes": Decimal(6)},
        ],
        [
            {"seizure": Seizure.NONE, "seizure_minutes": Decimal(0)},
            {"seizure": Seizure.PROLONGED, "seizure_minutes": Decimal("5.1")},
            {"seizure": Seizure.CLINICAL_RESOLVES, "seizure_minutes": Decimal(5)},
            {"seizure": Seizure.REPETITIVE, "seizure_minutes": Decimal(2)},
            {"seizure_minutes": Decimal(3)},
        ],
    ),
    "ice-beside-capd": (
        [{**ICE_10, "use_capd": True, "capd_score": 0}],
        [{"use_capd": True, "ice_performed": IcePerformed.NOT_DONE}, {"use_capd": False, **ICE_10}],
    ),
    "capd-without-delay": ([{"use_capd": True}], [{"use_capd": False}, {}]),
    "capd-not-used": ([{"capd_score": 0}, {"capd_score": 5}], [{"capd_score": 5, "use_capd": True}, {}]),
    "capd-beside-consciousness": (
        [
            {"use_capd": True, "capd_score": 30, "consciousness": COMA},
            {"use_capd": True, "capd_score": 8, "consciousness": TOUCH},
        ],
        [
            {"use_capd": True, "capd_score": 9, "consciousness": TOUCH},
            {"use_capd": True, "capd_score": 0, "consciousness": VOICE},
            {"use_capd": True, "consciousness": COMA},
        ],
    ),
    "death-awake": (
        [{"death": one, "consciousness": ALERT} for one in (Death.CRS, Death.ICANS, Death.OTHER)],
        [{"death": Death.OTHER, "consciousness": COMA}, {"death": Death.NONE, "consciousness": ALERT}],
    ),
    "death-without-crs": (
        [{"death": Death.CRS, "temperature_c": Decimal("37.9")}, {"death": Death.CRS}],
        [{"death": Death.CRS, "temperature_c": Decimal(38)}, {"death": Death.ICANS}],
    ),
    "death-of-another-cause": (
        [{"death": Death.ICANS, "attributable_to_other_cause": True}],
        [{"death": Death.OTHER, "attributable_to_other_cause": True}, {"death": Death.ICANS}],
    ),
    "hypotension-without-crs": (
        [{"hypotension": True, "hypotension_attributable": True, "temperature_c": Decimal("37.9")}],
        [
            {"hypotension": True, "hypotension_attributable": True, "temperature_c": Decimal("38.0")},
            {"hypotension": True, "hypotension_attributable": False, "temperature_c": Decimal("37.9")},
            {"hypotension": True, "hypotension_attributable": True},
        ],
    ),
    "hypoxia-without-crs": (
        [{"oxygen_device": MASK, "oxygen_reason": OxygenReason.CRS_HYPOXIA, "temperature_c": Decimal("37.9")}],
        [
            {"oxygen_device": MASK, "oxygen_reason": OxygenReason.CRS_HYPOXIA, "temperature_c": Decimal(38)},
            {"oxygen_device": MASK, "oxygen_reason": OxygenReason.PROCEDURE, "temperature_c": Decimal("37.9")},
            {"oxygen_device": MASK, "oxygen_reason": OxygenReason.CRS_HYPOXIA},
        ],
    ),
}
# With what is on record.
ON_RECORD: dict[str, tuple[str, list[dict[str, Any]], list[dict[str, Any]]]] = {
    "antipyretic-recorded": (
        "antipyretic_on_record",
        [{"antipyretic_given": False}],
        [{"antipyretic_given": True}, {}],
    ),
    "anticytokine-recorded": (
        "anticytokine_on_record",
        [{"anticytokine_given": False}],
        [{"anticytokine_given": True}, {}],
    ),
    "vasopressor-recorded": (
        "vasopressor_on_record",
        [{"hypotension": False}, {"hypotension": True, "vasopressors": ()}],
        [
            {"hypotension": True, "vasopressors": PRESSOR},
            {"hypotension": True},
            {"hypotension": False, "vasopressin": True},
        ],
    ),
}


def _each(side: int) -> list[Any]:
    return [
        pytest.param(code, seen, id=f"{code}-{number}")
        for code, pair in CASES.items()
        for number, seen in enumerate(pair[side])
    ]


@pytest.mark.parametrize(("code", "seen"), _each(0))
def test_what_does_not_go_together_is_asked_about(code: str, seen: dict[str, Any]) -> None:
    assert code in asked(**seen)


@pytest.mark.parametrize(("code", "seen"), _each(1))
def test_what_goes_together_is_not(code: str, seen: dict[str, Any]) -> None:
    assert code not in asked(**seen)


@pytest.mark.parametrize("code", ON_RECORD)
def test_what_is_on_record_is_told_where_the_answer_says_otherwise(code: str) -> None:
    name, odd, even = ON_RECORD[code]
    context = replace(DAY_3, **{name: "dexamethasone, 12 March"})
    for seen in odd:
        assert code in asked(context, **seen)
        assert code not in asked(**seen), "nothing is on record"
    for seen in even:
        assert code not in asked(context, **seen)


@pytest.mark.parametrize("name", [name for name in VITAL_SIGNS if name not in ("systolic", "diastolic")])
def test_a_vital_sign_is_asked_about_outside_of_what_is_usual(name: str) -> None:
    (low, high), (least, most) = usual(name), possible(name)
    assert least <= low < high <= most
    for value in (low, high):
        assert f"unusual-{name}" not in asked(**{name: value})
    assert f"unusual-{name}" in asked(**{name: low - Decimal("0.1")})
    if high < most:
        assert f"unusual-{name}" in asked(**{name: high + Decimal("0.1")})


@pytest.mark.parametrize("name", ["systolic", "diastolic"])
def test_a_pressure_is_asked_about_where_it_is_high(name: str) -> None:
    """A low one is asked about beside what was answered."""
    low, high = usual(name)
    assert f"unusual-{name}" in asked(**{name: int(high) + 1})
    assert f"unusual-{name}" not in asked(**{name: int(high)})
    assert f"unusual-{name}" not in asked(**{name: int(low) - 1})


@pytest.mark.parametrize("code", ["hypotension-without-crs", "hypoxia-without-crs"])
def test_crs_that_was_there_before_explains_it_without_fever(code: str) -> None:
    (seen,), _even = CASES[code]
    assert code not in asked(Context(3, 30, crs_established=True), **seen)
    assert code not in asked(Context(-1, 30, crs_established=False), **seen)
    assert "death-without-crs" not in asked(Context(3, 30, crs_established=True), death=Death.CRS)


@pytest.mark.parametrize(
    ("age", "limit", "expected"), [(11, 12, False), (12, 12, True), (12, 13, False), (40, 12, True)]
)
def test_capd_is_for_children_or_for_delayed_development(age: int, limit: int, expected: bool) -> None:
    context = Context(3, age, crs_established=False, ice_from_age_years=limit)
    assert ("capd-without-delay" in asked(context, use_capd=True)) is expected


def test_every_question_has_a_case_with_both_sides() -> None:
    covered = {*CASES, *ON_RECORD, *(f"unusual-{name}" for name in VITAL_SIGNS)}
    assert covered == set(QUESTION_TEXT) == set(ODD)


@pytest.mark.parametrize(("code", "seen"), _each(0))
def test_every_question_quotes_what_was_typed(code: str, seen: dict[str, Any]) -> None:
    """Each value that makes the pair odd stands in the sentence, as far as it is more than a yes or a no."""
    (one,) = [one for one in questions(Observations(**seen), DAY_3) if one.code == code]
    said = QUESTION_TEXT[code].format(**one.values)
    assert "{" not in said
    assert "None" not in said
    assert re.findall(r"{(\w+)}", QUESTION_TEXT[code]), "a question that quotes nothing"
    numbers = {
        str(value) for value in seen.values() if isinstance(value, int | Decimal) and not isinstance(value, bool)
    }
    assert all(number in said for number in numbers)


WELL = Observations(
    temperature_c=Decimal("36.8"),
    antipyretic_given=False,
    anticytokine_given=False,
    systolic=120,
    diastolic=75,
    heart_rate=80,
    respiratory_rate=16,
    urine_ml_h=Decimal(80),
    hypotension=False,
    spo2_percent=Decimal(97),
    oxygen_device=NONE,
    in_icu=False,
    consciousness=ALERT,
    seizure=Seizure.NONE,
    deep_focal_weakness=False,
    pressure_sign=PressureSign.NONE,
    cerebral_oedema=Oedema.NONE,
    death=Death.NONE,
    **ICE_10,
)


def test_nothing_is_asked_of_somebody_who_is_well_nor_of_an_ordinary_grade_3() -> None:
    assert questions(WELL, DAY_3) == ()
    ill = replace(
        WELL,
        temperature_c=Decimal("39.4"),
        fever_attributable=True,
        systolic=84,
        diastolic=44,
        hypotension=True,
        hypotension_attributable=True,
        vasopressors=PRESSOR,
        vasopressin=False,
        spo2_percent=Decimal(93),
        oxygen_device=HFNC,
        oxygen_flow_l_min=Decimal(40),
        oxygen_reason=OxygenReason.CRS_HYPOXIA,
        in_icu=True,
        consciousness=VOICE,
        writes=False,
        counts=False,
    )
    assert questions(ill, DAY_3) == ()


NUMBERS = {"temperature_c", "spo2_percent", "urine_ml_h", "oxygen_flow_l_min", "seizure_minutes"}
KINDS: dict[str, Any] = {
    "oxygen_device": OxygenDevice,
    "oxygen_reason": OxygenReason,
    "ice_performed": IcePerformed,
    "consciousness": Consciousness,
    "seizure": Seizure,
    "cerebral_oedema": Oedema,
    "pressure_sign": PressureSign,
    "death": Death,
}


def _values(name: str) -> Any:
    if name in VITAL_SIGNS:
        low, high = possible(name)
        whole = st.integers(int(low), int(high))
        return st.none() | (whole.map(Decimal) if name in NUMBERS else whole)
    if name in NUMBERS:
        return st.none() | st.integers(0, 100).map(Decimal)
    if name in KINDS:
        return st.none() | st.sampled_from(list(KINDS[name]))
    if name == "vasopressors":
        return st.none() | st.lists(st.sampled_from(list(Vasopressor)), max_size=2, unique=True).map(tuple)
    if name == "capd_score":
        return st.none() | st.integers(0, 32)
    return st.none() | st.booleans()


TEXTS = {"temperature_not_done", "ice_not_done", "sentence", "confirmed", "anticytokines"}
SEEN = st.fixed_dictionaries({one.name: _values(one.name) for one in fields(Observations) if one.name not in TEXTS})


@given(SEEN, st.booleans())
def test_whatever_is_seen_can_be_asked_about_in_words(seen: dict[str, Any], established: bool) -> None:
    """And only what was answered is: one answer less never makes a new question but about a missing number."""
    since = dt.datetime(2026, 3, 12, tzinfo=dt.UTC) if established else None
    context = Context(3, 30, crs_established=established, crs_established_since=since)
    for one in questions(applicable(Observations(**seen)), context):
        assert QUESTION_TEXT[one.code].format(**one.values)


def test_nothing_is_asked_about_an_empty_form() -> None:
    assert questions(Observations(), DAY_3) == ()
