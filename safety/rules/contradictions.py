"""What does not go together at the bed: asked about before it is saved, never refused.

Every two answers of the form that can contradict each other have one question here, and each question quotes what was
typed: the names in braces are those of the observations. The scales know no limit of pressure, saturation or flow, and
both of two odd things may be true: the limits below only decide whether to ask.

Sources: an ICE score needs somebody who is awake, and a CAPD stands for it below 12 years or where development is
delayed (Lee 2019, Table 6); a plain cannula gives up to 6 L/min of low flow (Lee 2019, Table 2); a seizure is prolonged
after 5 minutes (Lee 2019, Table 6). Policy [P]: an adult is usually called hypotensive below 90 mmHg systolic or a mean
of 65 mmHg, and hardly from 110 mmHg on without fluids; below 40 mmHg a pressure was rather read in kPa; two pressures
less than 10 mmHg apart were rather misread; a saturation below 90 % on room air is low; a plain cannula gives 15 L/min
at most; a mask needs 5 L/min.
"""

import re
from collections.abc import Callable
from decimal import Decimal

from safety.rules.bedside import Context, Death, Observations, ice_points, usual
from safety.rules.crs import FEVER_C, LOW_FLOW_L_MIN, OxygenDevice, OxygenReason
from safety.rules.grading import Reason, mark
from safety.rules.icans import (
    CAPD_SEVERE,
    PROLONGED_MINUTES,
    Consciousness,
    IcePerformed,
    Oedema,
    PressureSign,
    Seizure,
)

SYSTOLIC_MMHG = 90
MEAN_MMHG = 65
GOOD_SYSTOLIC_MMHG = 110
HARDLY_MMHG = 40
NARROW_MMHG = 10
SPO2_PERCENT = Decimal(90)
CANNULA_MOST_L_MIN = Decimal(15)
MASK_LEAST_L_MIN = Decimal(5)
# From so many points on an ICE score is odd beside a consciousness that is no better than this.
ICE_AT_MOST = {
    Consciousness.AWAKENS_TO_VOICE: 9,
    Consciousness.AWAKENS_ONLY_TO_TACTILE: 6,
    Consciousness.UNAROUSABLE: 0,
}
PRESSURE_DEVICES = frozenset({OxygenDevice.CPAP, OxygenDevice.BIPAP, OxygenDevice.INVASIVE_VENTILATION})
MASKS = frozenset({OxygenDevice.SIMPLE_FACEMASK, OxygenDevice.NONREBREATHER})
BRIEF = frozenset({Seizure.CLINICAL_RESOLVES, Seizure.NONCONVULSIVE_RESOLVES})

QUESTION_TEXT = {
    "unusual-temperature_c": mark("{temperature_c} °C is unusual ({low}–{high}): was the temperature read right?"),
    "antipyretic-recorded": mark(
        "“{antipyretic_on_record}” is on record, but no antipyretic was given by this answer: which is right?"
    ),
    "anticytokine-recorded": mark(
        "“{anticytokine_on_record}” is on record and still works, but nothing was given by this answer: which is right?"
    ),
    "pressure-unit": mark(
        "{systolic}/{diastolic} mmHg is hardly a blood pressure: was it read in kPa, or is a digit missing?"
    ),
    "narrow-pressure": mark("{systolic}/{diastolic} mmHg: the two are nearly the same. Were they read right?"),
    "unusual-systolic": mark("{systolic} mmHg is unusual ({low}–{high}): was the systolic pressure read right?"),
    "unusual-diastolic": mark("{diastolic} mmHg is unusual ({low}–{high}): was the diastolic pressure read right?"),
    "unusual-heart_rate": mark("A heart rate of {heart_rate}/min is unusual ({low}–{high}): was it read right?"),
    "unusual-urine_ml_h": mark(
        "{urine_ml_h} mL of urine in an hour is unusual ({low}–{high}): was it the amount of one hour?"
    ),
    "low-pressure": mark("{systolic}/{diastolic} mmHg, but “no hypotension”: is that so?"),
    "good-pressure": mark(
        "{systolic}/{diastolic} mmHg, and neither fluids nor a vasopressor, but “hypotension”: is that so?"
    ),
    "vasopressor-without-hypotension": mark(
        "{running} is running, but “no hypotension”: a vasopressor counts as hypotension. Is it running?"
    ),
    "vasopressor-recorded": mark(
        "“{vasopressor_on_record}” is on record as running, but no vasopressor was named: which is right?"
    ),
    "hypotension-without-crs": mark(
        "The hypotension is put down to CRS, but at {temperature_c} °C there is no fever, and no CRS before: CRS is "
        "grade 0. Is there no other cause, and was the temperature right?"
    ),
    "unusual-respiratory_rate": mark(
        "A respiratory rate of {respiratory_rate}/min is unusual ({low}–{high}): was it counted right?"
    ),
    "unusual-spo2_percent": mark("SpO₂ {spo2_percent} % is unusual ({low}–{high}): was it read right?"),
    "low-saturation": mark("SpO₂ {spo2_percent} % on room air: is that so, and is no oxygen given?"),
    "high-flow-without-flow": mark("“{oxygen_device}” without its flow: how many L/min?"),
    "no-flow": mark("“{oxygen_device}” at {oxygen_flow_l_min} L/min: is oxygen given?"),
    "high-flow-low": mark("“{oxygen_device}” at {oxygen_flow_l_min} L/min is low flow: are device and flow right?"),
    "cannula-high": mark(
        "“{oxygen_device}” at {oxygen_flow_l_min} L/min is more than a plain cannula gives: was it a high-flow cannula?"
    ),
    "mask-low": mark("“{oxygen_device}” at {oxygen_flow_l_min} L/min is less than a mask needs: is the flow right?"),
    "hypoxia-without-crs": mark(
        "“{oxygen_device}” is put down to CRS, but at {temperature_c} °C there is no fever, and no CRS before: CRS is "
        "grade 0. Is there no other reason, and was the temperature right?"
    ),
    "ventilated-outside-icu": mark("“{oxygen_device}”, but not in intensive care: is that so?"),
    "ice-beside-consciousness": mark("ICE {ice} of 10 beside “{consciousness}”: which is right?"),
    "ice-ventilated": mark("ICE {ice} of 10 beside “{oxygen_device}”: which is right?"),
    "arousal-differs": mark("ICE “{ice_performed}” beside the consciousness “{consciousness}”: which is right?"),
    "alert-pressure-sign": mark("“{consciousness}” beside “{pressure_sign}”: which is right?"),
    "alert-oedema": mark("“{consciousness}” beside cerebral oedema that is “{cerebral_oedema}”: which is right?"),
    "alert-seizing": mark("“{consciousness}” beside a seizure that is “{seizure}”: which is right?"),
    "seizure-length": mark("Seizure “{seizure}”, but {seizure_minutes} minutes long: which is right?"),
    "ice-beside-capd": mark(
        "ICE {ice} of 10 and CAPD {capd_score}: only CAPD is graded then. Was CAPD used instead of ICE?"
    ),
    "capd-without-delay": mark(
        "CAPD at {age_years} years: from {ice_from_age_years} years on ICE is used, unless development is delayed. Is "
        "it delayed?"
    ),
    "capd-not-used": mark("CAPD {capd_score} was written, but not that it is used instead of ICE: it does not count."),
    "capd-beside-consciousness": mark("CAPD {capd_score} beside “{consciousness}”: which is right?"),
    "death-awake": mark("Death “{death}” beside the consciousness “{consciousness}”: which is right?"),
    "death-without-crs": mark("Death “{death}” at {temperature_c} °C: no fever, and no CRS before. Is that so?"),
    "death-of-another-cause": mark(
        "Death “{death}”, but also that another cause explains the whole picture: which is right?"
    ),
}


def questions(seen: Observations, context: Context) -> tuple[Reason, ...]:
    """What to ask about, in the order of the form; nothing where nothing contradicts.

    >>> found = questions(Observations(systolic=70, diastolic=40, hypotension=False), Context(3, 30, False))
    >>> [one.code for one in found]
    ['low-pressure']
    """
    return tuple(Reason(code, _quoted(code, seen, context)) for code in QUESTION_TEXT if ODD[code](seen, context))


def _quoted(code: str, seen: Observations, context: Context) -> dict[str, str]:
    """What was typed, by the names in the sentence."""
    names = re.findall(r"{(\w+)}", QUESTION_TEXT[code])
    return {name: _text(_value(name, code, seen, context)) for name in names}


def _value(name: str, code: str, seen: Observations, context: Context) -> object:
    if name in ("low", "high"):
        return usual(code.removeprefix("unusual-"))[name == "high"]
    if name == "ice":
        return ice_points(seen)
    if name == "running":
        return ",".join((*(seen.vasopressors or ()), *(("vasopressin",) if seen.vasopressin else ())))
    return getattr(seen if hasattr(seen, name) else context, name)


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "?" if value is None else str(value)


def _is_unusual(name: str) -> Callable[[Observations, Context], bool]:
    low, high = usual(name)

    def is_odd(seen: Observations, _context: Context) -> bool:
        value = getattr(seen, name)
        return value is not None and not low <= value <= high

    return is_odd


def _is_unusual_pressure(name: str) -> Callable[[Observations, Context], bool]:
    """A low one is asked about only where it is told beside “no hypotension”, or is hardly a pressure."""
    high = usual(name)[1]
    return lambda seen, _context: (getattr(seen, name) or 0) > high


def _is_low(seen: Observations) -> bool:
    if seen.systolic is None:
        return False
    if seen.systolic < SYSTOLIC_MMHG:
        return True
    return seen.diastolic is not None and (seen.systolic + 2 * seen.diastolic) / 3 < MEAN_MMHG


def _is_hardly_a_pressure(seen: Observations, _context: Context) -> bool:
    return seen.systolic is not None and 0 < seen.systolic < HARDLY_MMHG


def _is_narrow(seen: Observations, context: Context) -> bool:
    if seen.systolic is None or seen.diastolic is None or _is_hardly_a_pressure(seen, context):
        return False
    return 0 < seen.systolic < seen.diastolic + NARROW_MMHG


def _is_running(seen: Observations) -> bool:
    return bool(seen.vasopressors or seen.vasopressin)


def _is_good_pressure(seen: Observations, _context: Context) -> bool:
    is_supported = _is_running(seen) or seen.fluids_given
    is_good = seen.systolic is not None and seen.systolic >= GOOD_SYSTOLIC_MMHG and not _is_low(seen)
    return bool(seen.hypotension) and is_good and not is_supported


def _is_vasopressor_left_out(seen: Observations, context: Context) -> bool:
    is_answered = seen.hypotension is False or seen.vasopressors is not None
    return bool(context.vasopressor_on_record) and is_answered and not _is_running(seen)


def _is_without_crs(seen: Observations, context: Context) -> bool:
    is_afebrile = seen.temperature_c is not None and seen.temperature_c < FEVER_C
    return is_afebrile and not context.crs_established and context.days_since_infusion >= 0


def _is_hypotension_without_crs(seen: Observations, context: Context) -> bool:
    return bool(seen.hypotension) and seen.hypotension_attributable is True and _is_without_crs(seen, context)


def _is_hypoxia_without_crs(seen: Observations, context: Context) -> bool:
    is_on_oxygen = seen.oxygen_device not in (None, OxygenDevice.NONE)
    return is_on_oxygen and seen.oxygen_reason is OxygenReason.CRS_HYPOXIA and _is_without_crs(seen, context)


def _is_low_saturation(seen: Observations, _context: Context) -> bool:
    is_on_room_air = seen.oxygen_device is OxygenDevice.NONE
    return is_on_room_air and seen.spo2_percent is not None and seen.spo2_percent < SPO2_PERCENT


def _is_unusual_saturation(seen: Observations, context: Context) -> bool:
    return _is_unusual("spo2_percent")(seen, context) and not _is_low_saturation(seen, context)


def _flows(seen: Observations, *devices: OxygenDevice, above: Decimal, below: Decimal) -> bool:
    """A flow between the two, by one of these devices."""
    flow = seen.oxygen_flow_l_min
    return seen.oxygen_device in devices and flow is not None and above < flow < below


def _is_without_flow(seen: Observations, _context: Context) -> bool:
    is_by_flow = seen.oxygen_device not in (None, OxygenDevice.NONE, *PRESSURE_DEVICES)
    return is_by_flow and seen.oxygen_flow_l_min == 0


def _is_high_flow_low(seen: Observations, _context: Context) -> bool:
    flow = seen.oxygen_flow_l_min
    return seen.oxygen_device is OxygenDevice.HFNC and flow is not None and 0 < flow <= LOW_FLOW_L_MIN


def _is_ice_beside_consciousness(seen: Observations, _context: Context) -> bool:
    points = ice_points(seen)
    most = None if seen.consciousness is None else ICE_AT_MOST.get(seen.consciousness)
    return points is not None and most is not None and points > most


def _is_arousal_different(seen: Observations, _context: Context) -> bool:
    if seen.consciousness is None:
        return False
    is_unarousable = seen.consciousness is Consciousness.UNAROUSABLE
    if seen.ice_performed is IcePerformed.UNABLE_UNAROUSABLE:
        return not is_unarousable
    return seen.ice_performed is IcePerformed.UNABLE_AROUSABLE and is_unarousable


def _is_alert(seen: Observations) -> bool:
    return seen.consciousness is Consciousness.ALERT


def _is_seizure_of_another_length(seen: Observations, _context: Context) -> bool:
    if not seen.seizure_minutes or seen.seizure is None:
        return False
    is_long = seen.seizure_minutes > PROLONGED_MINUTES
    if seen.seizure is Seizure.NONE:
        return True
    return is_long if seen.seizure in BRIEF else seen.seizure is Seizure.PROLONGED and not is_long


def _is_capd_without_delay(seen: Observations, context: Context) -> bool:
    age = context.age_years
    return bool(seen.use_capd) and age is not None and age >= context.ice_from_age_years


def _is_capd_beside_consciousness(seen: Observations, _context: Context) -> bool:
    """Whoever cannot be aroused has no score, and whoever wakes to touch only has not a low one."""
    if not seen.use_capd or seen.capd_score is None:
        return False
    if seen.consciousness is Consciousness.UNAROUSABLE:
        return True
    return seen.consciousness is Consciousness.AWAKENS_ONLY_TO_TACTILE and seen.capd_score < CAPD_SEVERE


def _is_dead(seen: Observations) -> bool:
    return seen.death not in (None, Death.NONE)


def _is_dead_and_awake(seen: Observations, _context: Context) -> bool:
    return _is_dead(seen) and seen.consciousness not in (None, Consciousness.UNAROUSABLE)


def _is_death_without_crs(seen: Observations, context: Context) -> bool:
    is_febrile = seen.temperature_c is not None and seen.temperature_c >= FEVER_C
    return seen.death is Death.CRS and not is_febrile and not context.crs_established


ODD: dict[str, Callable[[Observations, Context], bool]] = {
    "unusual-temperature_c": _is_unusual("temperature_c"),
    "antipyretic-recorded": lambda seen, context: (
        seen.antipyretic_given is False and bool(context.antipyretic_on_record)
    ),
    "anticytokine-recorded": lambda seen, context: (
        seen.anticytokine_given is False and bool(context.anticytokine_on_record)
    ),
    "pressure-unit": _is_hardly_a_pressure,
    "narrow-pressure": _is_narrow,
    "unusual-systolic": _is_unusual_pressure("systolic"),
    "unusual-diastolic": _is_unusual_pressure("diastolic"),
    "unusual-heart_rate": _is_unusual("heart_rate"),
    "unusual-urine_ml_h": _is_unusual("urine_ml_h"),
    "low-pressure": lambda seen, _context: seen.hypotension is False and not _is_running(seen) and _is_low(seen),
    "good-pressure": _is_good_pressure,
    "vasopressor-without-hypotension": lambda seen, _context: seen.hypotension is False and _is_running(seen),
    "vasopressor-recorded": _is_vasopressor_left_out,
    "hypotension-without-crs": _is_hypotension_without_crs,
    "unusual-respiratory_rate": _is_unusual("respiratory_rate"),
    "unusual-spo2_percent": _is_unusual_saturation,
    "low-saturation": _is_low_saturation,
    "high-flow-without-flow": lambda seen, _context: (
        seen.oxygen_device is OxygenDevice.HFNC and seen.oxygen_flow_l_min is None
    ),
    "no-flow": _is_without_flow,
    "high-flow-low": _is_high_flow_low,
    "cannula-high": lambda seen, _context: _flows(
        seen, OxygenDevice.NASAL_CANNULA, above=CANNULA_MOST_L_MIN, below=Decimal("Infinity")
    ),
    "mask-low": lambda seen, _context: _flows(seen, *MASKS, above=Decimal(0), below=MASK_LEAST_L_MIN),
    "hypoxia-without-crs": _is_hypoxia_without_crs,
    "ventilated-outside-icu": lambda seen, _context: (
        seen.oxygen_device is OxygenDevice.INVASIVE_VENTILATION and seen.in_icu is False
    ),
    "ice-beside-consciousness": _is_ice_beside_consciousness,
    "ice-ventilated": lambda seen, _context: (
        seen.oxygen_device is OxygenDevice.INVASIVE_VENTILATION and bool(ice_points(seen))
    ),
    "arousal-differs": _is_arousal_different,
    "alert-pressure-sign": lambda seen, _context: (
        _is_alert(seen) and seen.pressure_sign in (PressureSign.POSTURING, PressureSign.CUSHING_TRIAD)
    ),
    "alert-oedema": lambda seen, _context: _is_alert(seen) and seen.cerebral_oedema is Oedema.DIFFUSE,
    "alert-seizing": lambda seen, _context: _is_alert(seen) and seen.seizure is Seizure.REPETITIVE,
    "seizure-length": _is_seizure_of_another_length,
    "ice-beside-capd": lambda seen, _context: bool(seen.use_capd) and seen.ice_performed is IcePerformed.YES,
    "capd-without-delay": _is_capd_without_delay,
    "capd-not-used": lambda seen, _context: seen.capd_score is not None and not seen.use_capd,
    "capd-beside-consciousness": _is_capd_beside_consciousness,
    "death-awake": _is_dead_and_awake,
    "death-without-crs": _is_death_without_crs,
    "death-of-another-cause": lambda seen, _context: (
        seen.death is Death.ICANS and seen.attributable_to_other_cause is True
    ),
}
