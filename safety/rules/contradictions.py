"""What does not go together at the bed: asked about before it is saved, never refused.

The scales know no limit of blood pressure, and both of two odd things may be true. Below 90 mmHg systolic, or a mean of
65 mmHg, an adult is usually called hypotensive [P]: the limits only decide whether to ask.
"""

from safety.rules.bedside import Context, Observations
from safety.rules.crs import FEVER_C
from safety.rules.grading import Reason, mark
from safety.rules.icans import IcePerformed

SYSTOLIC_MMHG = 90
MEAN_MMHG = 65

QUESTION_TEXT = {
    "low-pressure": mark("{systolic}/{diastolic} mmHg, but “no hypotension”: is that so?"),
    "ice-beside-capd": mark("Both ICE and CAPD are answered; only CAPD is graded then. Was CAPD used instead of ICE?"),
    "hypotension-without-crs": mark(
        "The hypotension is put down to CRS, but there is no fever and no CRS before: CRS is grade 0. Is there no "
        "other cause, and was the temperature right?"
    ),
}


def questions(seen: Observations, context: Context) -> tuple[Reason, ...]:
    """What to ask about, in the order of the form; nothing where nothing contradicts.

    >>> found = questions(Observations(systolic=70, diastolic=40, hypotension=False), Context(3, 30, False))
    >>> [one.code for one in found]
    ['low-pressure']
    """
    found = (
        (_is_low(seen) and seen.hypotension is False, "low-pressure"),
        (_is_without_crs(seen, context), "hypotension-without-crs"),
        (bool(seen.use_capd) and seen.ice_performed is IcePerformed.YES, "ice-beside-capd"),
    )
    values = {"systolic": _number(seen.systolic), "diastolic": _number(seen.diastolic)}
    return tuple(Reason(code, values) for is_odd, code in found if is_odd)


def _number(value: int | None) -> str:
    return "?" if value is None else str(value)


def _is_low(seen: Observations) -> bool:
    if seen.systolic is None:
        return False
    if seen.systolic < SYSTOLIC_MMHG:
        return True
    return seen.diastolic is not None and (seen.systolic + 2 * seen.diastolic) / 3 < MEAN_MMHG


def _is_without_crs(seen: Observations, context: Context) -> bool:
    is_afebrile = seen.temperature_c is not None and seen.temperature_c < FEVER_C
    is_put_down_to_crs = bool(seen.hypotension) and seen.hypotension_attributable is True
    return is_put_down_to_crs and is_afebrile and not context.crs_established and context.days_since_infusion >= 0
