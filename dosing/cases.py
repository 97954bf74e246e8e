"""How a table of worked doses maps to the rules, with the limits of the study in force.

A case tells its kind and its inputs as `name=value; name=value`; the result is a number, a class, or both.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from dosing.rules import product, regimen, tocilizumab
from dosing.rules.dose import DoseBand, DoseLimits, Fill, band, viable_car_t_cells_e8
from dosing.rules.regimen import BsaFormula, Timing
from trialsite.casetables import CaseTable, UnusableValue, decimal, key_of, optional, yes_no
from trialsite.study import Protocol, get_study

INPUTS = "inputs"
Given = Mapping[str, str]
Computed = tuple[Decimal | None, str]

BANDS = {
    DoseBand.OUT_LOW: "OUT_OF_RANGE_LOW",
    DoseBand.OUT_HIGH: "OUT_OF_RANGE_HIGH",
    DoseBand.TOLERANCE_LOW: "TOLERANCE_LOW",
    DoseBand.TOLERANCE_HIGH: "TOLERANCE_HIGH",
    DoseBand.NOMINAL: "NOMINAL",
}
INVALID = "INVALID"
ROUTES = {"iv": product.INTRAVENOUS, "intravenous": product.INTRAVENOUS, "i_v": product.INTRAVENOUS}
DRUGS = {"fludarabine": "flu", "cyclophosphamide": "cy"}


def _inputs(text: str) -> dict[str, str]:
    """name=value pairs, separated by semicolons."""
    found: dict[str, str] = {}
    for part in (part.strip() for part in text.split(";")):
        name, equals, value = part.partition("=")
        if not equals or not name.strip() or name.strip() in found:
            raise ValueError("write name=value; name=value, each name once")
        found[name.strip()] = value.strip()
    return found


class _Reader:
    """Reads every input once, and says which were not understood."""

    def __init__(self, given: Given) -> None:
        self.given = dict(given)

    def take(self, *names: str) -> str | None:
        """The first of these names that is there; empty is missing."""
        for name in names:
            if name in self.given:
                return self.given.pop(name) or None
        return None

    def number(self, *names: str) -> Decimal:
        text = self.take(*names)
        if text is None:
            raise UnusableValue(INPUTS, f"{names[0]} is missing")
        return _number(names[0], text)

    def day(self, name: str) -> dt.date:
        text = self.take(name)
        try:
            return dt.date.fromisoformat(text or "")
        except ValueError:
            raise UnusableValue(INPUTS, f"{name}: {text!r} is no date (YYYY-MM-DD)") from None

    def flag(self, *names: str) -> bool | None:
        text = self.take(*names)
        return None if text is None else yes_no(text)

    def done(self) -> None:
        if self.given:
            raise UnusableValue(INPUTS, f"unknown: {', '.join(self.given)}")


def _number(name: str, text: str) -> Decimal:
    base, _e, exponent = text.lower().partition("e")
    try:
        value = decimal(base)
        return value.scaleb(int(exponent)) if exponent else value
    except ValueError:
        raise UnusableValue(INPUTS, f"{name}: {text!r} is no number") from None


def _protocol() -> Protocol:
    return get_study().latest


def _banded(cells_e8: Decimal) -> Computed:
    dose = _protocol().dose
    if cells_e8 < 0 or cells_e8 > dose.implausible_above_e8:
        return None, INVALID
    limits = DoseLimits(dose.tolerance_low_e8, dose.nominal_low_e8, dose.nominal_high_e8, dose.tolerance_high_e8)
    return cells_e8, BANDS[band(cells_e8, limits)]


def _car_t_dose(reader: _Reader) -> Computed:
    if "dose_cells" in reader.given:
        return _banded(reader.number("dose_cells") / Decimal(100_000_000))
    return _banded(reader.number("dose_x1e8"))


def _car_t_dose_computed(reader: _Reader) -> Computed:
    fill = Fill(
        reader.number("volume_ml"),
        reader.number("conc_per_ml"),
        reader.number("viability"),
        reader.number("car_fraction"),
    )
    counts_all = _protocol().policy.car_t_cells_reading == "viable_total"
    try:
        return _banded(viable_car_t_cells_e8(fill, counts_all_viable=counts_all))
    except ValueError:
        return None, INVALID


def _car_t_other(reader: _Reader) -> Computed:
    route = reader.take("route")
    found = product.Administration(
        source=reader.take("source", "cell_source"),
        route=ROUTES.get(key_of(route), route) if route else None,
        product_of=reader.take("product_subject", "product_participant", "product_of", "product_id", "product"),
        given_to=reader.take("subject", "participant", "patient", "given_to", "infused_subject", "recipient"),
        is_second=reader.flag("second_infusion"),
    )
    matches = reader.flag("identity_match", "id_match", "identity_matches", "match")
    if matches is False:
        return None, product.Check.REJECT.value
    return None, product.check_administration(found).value


def _bsa_of(reader: _Reader, formula: BsaFormula) -> Decimal:
    return regimen.bsa_m2(reader.number("height_cm"), reader.number("weight_kg"), formula)


def _bsa(reader: _Reader) -> Computed:
    name = key_of(reader.take("formula") or BsaFormula.MOSTELLER.value).replace("dubois", "du_bois")
    try:
        formula = BsaFormula(name)
    except ValueError:
        raise UnusableValue(INPUTS, f"formula: one of {', '.join(BsaFormula)}") from None
    bsa = _bsa_of(reader, formula)
    return _rounded(bsa, "0.0001"), str(_rounded(bsa, "0.01"))


def _rounded(value: Decimal, places: str) -> Decimal:
    return value.quantize(Decimal(places), ROUND_HALF_UP)


def _drug(code: str) -> Callable[[_Reader], Computed]:
    def computed(reader: _Reader) -> Computed:
        drug = next(one for one in _protocol().lymphodepletion.drugs if one.code == code)
        mg = regimen.planned_mg(reader.number("mg_m2"), _bsa_of(reader, BsaFormula.MOSTELLER))
        low, high = drug.accepted_low_mg_m2, drug.accepted_high_mg_m2
        return _rounded(mg, "0.1"), f"{low}<=mg_m2<={high} typical"

    return computed


def _ld_dose_check(reader: _Reader) -> Computed:
    name = reader.take("drug") or ""
    code = DRUGS.get(key_of(name), key_of(name))
    drug = next((one for one in _protocol().lymphodepletion.drugs if one.code == code), None)
    if drug is None:
        raise UnusableValue(INPUTS, f"drug: {name!r} is not in the study's regimen")
    accepted = regimen.AcceptedRange(drug.accepted_low_mg_m2, drug.accepted_high_mg_m2)
    return None, regimen.check_dose(reader.number("mg_m2"), accepted).value


def _ld_timing(reader: _Reader) -> Computed:
    plan = _protocol().lymphodepletion
    doses = max(drug.planned_doses for drug in plan.drugs)
    limits = regimen.TimingLimits(plan.earliest_day, plan.last_day, plan.question_after_days)
    given = regimen.planned_days(reader.day("ld_start"), doses)
    found = regimen.timing(given, reader.day("infusion"), limits)
    return None, {Timing.OK: "OK", Timing.NOT_BEFORE: product.Check.REJECT.value}.get(found, "REVIEW")


def _tocilizumab(reader: _Reader) -> Computed:
    return tocilizumab.dose_mg(reader.number("weight_kg")), ""


def _tocilizumab_limits(reader: _Reader) -> Computed:
    policy = _protocol().policy
    limits = tocilizumab.Limits(
        Decimal(policy.tocilizumab_min_interval_hours), policy.tocilizumab_max_per_24h, policy.tocilizumab_max_total
    )
    hours = reader.take("hours_since_last")
    found = tocilizumab.advice(
        total=int(reader.number("total")),
        last_24h=int(reader.number("doses_last_24h")),
        hours_since_last=None if hours is None else _number("hours_since_last", hours),
        limits=limits,
    )
    return None, found.value


KINDS: dict[str, Callable[[_Reader], Computed]] = {
    "car_t_dose": _car_t_dose,
    "car_t_dose_computed": _car_t_dose_computed,
    "car_t_other": _car_t_other,
    "bsa": _bsa,
    "fludarabine": _drug("flu"),
    "cyclophosphamide": _drug("cy"),
    "ld_dose_check": _ld_dose_check,
    "ld_timing": _ld_timing,
    "tocilizumab": _tocilizumab,
    "tocilizumab_limits": _tocilizumab_limits,
}


def _kind(text: str) -> Callable[[_Reader], Computed]:
    if text not in KINDS:
        raise ValueError(f"one of: {', '.join(KINDS)}")
    return KINDS[text]


def _evaluate(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    reader = _Reader(inputs[INPUTS])
    value, name = inputs["kind"](reader)
    reader.done()
    return {"": value, "class": name}, f"{value if value is not None else ''} {name}".strip()


CASES = {
    "dose": CaseTable(
        inputs={"kind": _kind, INPUTS: _inputs},
        expected={"": optional(decimal), "class": str},
        evaluate=_evaluate,
        descriptive=("description", "note"),
    )
}
