"""How a table of worked doses maps to the rules, with the limits of the study in force.

A case tells its kind and its inputs as `name=value; name=value`; the result is a number, a class, or both.
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from dosing.rules import product, regimen, tocilizumab
from dosing.rules.dose import DoseBand, DoseLimits, Fill, band, viable_car_t_cells_e8
from dosing.rules.regimen import BsaFormula, Timing
from trialsite.casetables import (
    CaseTable,
    Column,
    Inputs,
    Kind,
    UnusableValue,
    Word,
    Wrong,
    choice,
    column,
    decimal,
    integer,
    mark,
    yes_no,
)
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


def _inputs(text: str) -> dict[str, str]:
    """name=value pairs, separated by semicolons."""
    found: dict[str, str] = {}
    for part in (part.strip() for part in text.split(";")):
        name, equals, value = part.partition("=")
        if not equals or not name.strip() or name.strip() in found:
            raise Wrong(mark("write name=value; name=value, each name once"))
        found[name.strip()] = value.strip()
    return found


def number(text: str) -> Decimal:
    """A number, also as 5.0e6."""
    base, _mark, exponent = text.lower().partition("e")
    value = decimal(base)
    return value.scaleb(integer(exponent)) if exponent else value


def day(text: str) -> dt.date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        raise Wrong(mark("write a date: YYYY-MM-DD"))
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise Wrong(mark("there is no such day")) from None


class _Reader:
    """The inputs of one case, read by their declarations; an input that was not declared is an error."""

    def __init__(self, columns: Mapping[str, Column], given: Given) -> None:
        names = {name: main for main, one in columns.items() for name in (main, *one.also)}
        if unknown := [name for name in given if name not in names]:
            text = mark("unknown input %(inputs)s; known: %(known)s")
            raise UnusableValue(INPUTS, text, inputs=", ".join(unknown), known=", ".join(columns))
        self.values: dict[str, Any] = {}
        for name, text in given.items():
            if names[name] in self.values:
                raise UnusableValue(INPUTS, mark("%(input)s: another input gives this already"), input=name)
            self.values[names[name]] = _value(name, columns[names[name]], text)

    def get(self, name: str) -> Any:
        """None where it is left out, or empty."""
        return self.values.get(name)

    def need(self, name: str) -> Any:
        if self.values.get(name) is None:
            raise UnusableValue(INPUTS, mark("%(input)s is missing"), input=name)
        return self.values[name]


def _value(name: str, column: Column, text: str) -> Any:
    try:
        return column(text)
    except ValueError as error:
        raise UnusableValue(
            INPUTS,
            mark("%(input)s: %(text)s cannot be read (%(reason)s)"),
            input=name,
            text=repr(text),
            reason=error,
        ) from None


def _protocol() -> Protocol:
    return get_study().latest


def _banded(cells_e8: Decimal) -> Computed:
    dose = _protocol().dose
    if cells_e8 < 0 or cells_e8 > dose.implausible_above_e8:
        return None, INVALID
    limits = DoseLimits(dose.tolerance_low_e8, dose.nominal_low_e8, dose.nominal_high_e8, dose.tolerance_high_e8)
    return cells_e8, BANDS[band(cells_e8, limits)]


def _car_t_dose(reader: _Reader) -> Computed:
    if (cells := reader.get("dose_cells")) is not None:
        if reader.get("dose_x1e8") is not None:
            raise UnusableValue(INPUTS, mark("%(input)s: another input gives this already"), input="dose_cells")
        return _banded(cells / Decimal(100_000_000))
    return _banded(reader.need("dose_x1e8"))


def _car_t_dose_computed(reader: _Reader) -> Computed:
    fill = Fill(
        reader.need("volume_ml"),
        reader.need("conc_per_ml"),
        reader.need("viability"),
        reader.need("car_fraction"),
    )
    counts_all = _protocol().policy.car_t_cells_reading == "viable_total"
    try:
        return _banded(viable_car_t_cells_e8(fill, counts_all_viable=counts_all))
    except ValueError:
        return None, INVALID


def _car_t_other(reader: _Reader) -> Computed:
    found = product.Administration(
        source=reader.get("source"),
        route=reader.get("route"),
        product_of=reader.get("product_subject"),
        given_to=reader.get("subject"),
        is_second=reader.get("second_infusion"),
    )
    if reader.get("identity_match") is False:
        return None, product.Check.REJECT.value
    return None, product.check_administration(found).value


def _bsa_of(reader: _Reader, formula: BsaFormula) -> Decimal:
    return regimen.bsa_m2(reader.need("height_cm"), reader.need("weight_kg"), formula)


def _bsa(reader: _Reader) -> Computed:
    formula = reader.get("formula") or BsaFormula.MOSTELLER
    bsa = _bsa_of(reader, formula)
    return _rounded(bsa, "0.0001"), str(_rounded(bsa, "0.01"))


def _rounded(value: Decimal, places: str) -> Decimal:
    return value.quantize(Decimal(places), ROUND_HALF_UP)


def _drug(code: str) -> Callable[[_Reader], Computed]:
    def computed(reader: _Reader) -> Computed:
        drug = next(one for one in _protocol().lymphodepletion.drugs if one.code == code)
        mg = regimen.planned_mg(reader.need("mg_m2"), _bsa_of(reader, BsaFormula.MOSTELLER))
        low, high = drug.accepted_low_mg_m2, drug.accepted_high_mg_m2
        return _rounded(mg, "0.1"), f"{low}<=mg_m2<={high} typical"

    return computed


def _ld_dose_check(reader: _Reader) -> Computed:
    name = reader.need("drug")
    drug = next((one for one in _protocol().lymphodepletion.drugs if one.code == name), None)
    if drug is None:
        raise UnusableValue(INPUTS, mark("drug: %(drug)s is not in the study's regimen"), drug=repr(name))
    accepted = regimen.AcceptedRange(drug.accepted_low_mg_m2, drug.accepted_high_mg_m2)
    return None, regimen.check_dose(reader.need("mg_m2"), accepted).value


def _ld_timing(reader: _Reader) -> Computed:
    plan = _protocol().lymphodepletion
    doses = max(drug.planned_doses for drug in plan.drugs)
    limits = regimen.TimingLimits(plan.earliest_day, plan.last_day, plan.question_after_days)
    given = regimen.planned_days(reader.need("ld_start"), doses)
    found = regimen.timing(given, reader.need("infusion"), limits)
    return None, {Timing.OK: "OK", Timing.NOT_BEFORE: product.Check.REJECT.value}.get(found, "REVIEW")


def _tocilizumab(reader: _Reader) -> Computed:
    return tocilizumab.dose_mg(reader.need("weight_kg")), ""


def _tocilizumab_limits(reader: _Reader) -> Computed:
    policy = _protocol().policy
    limits = tocilizumab.Limits(
        Decimal(policy.tocilizumab_min_interval_hours), policy.tocilizumab_max_per_24h, policy.tocilizumab_max_total
    )
    found = tocilizumab.advice(
        total=reader.need("total"),
        last_24h=reader.need("doses_last_24h"),
        hours_since_last=reader.get("hours_since_last"),
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


# --- The declaration -------------------------------------------------------------------------------


def _number(label: Any, example: str, unit: Any = "", *, optional: bool = False) -> Column:
    return column(label, number, example, kind=Kind.NUMBER, unit=unit, optional=optional)


def _named(label: Any, example: str, *also: str) -> Column:
    return replace(column(label, str, example, optional=True), also=also)


def _row(kind: str, inputs: str, expected: str, name: str) -> dict[str, str]:
    return {"kind": kind, INPUTS: inputs, "expected": expected, "expected_class": name}


SOURCES = (
    Word("autologous", product.AUTOLOGOUS, _("the participant's own cells"), ("auto",)),
    Word("allogeneic", "allogeneic", _("another person's cells"), ("allo", "donor", "sibling", "cord_blood")),
)
ROUTES = (
    Word("intravenous", product.INTRAVENOUS, _("into a vein"), ("iv", "i_v")),
    *(
        Word(route, route, meaning)
        for route, meaning in (
            ("intrathecal", _("into the spinal canal")),
            ("intraventricular", _("into a ventricle of the brain")),
            ("intraarterial", _("into an artery")),
            ("intraperitoneal", _("into the abdomen")),
            ("intrapleural", _("into the chest")),
            ("intratumoral", _("into the tumour")),
            ("intramuscular", _("into a muscle")),
            ("subcutaneous", _("under the skin")),
            ("oral", _("by mouth")),
        )
    ),
)
FORMULAS = (
    Word("mosteller", BsaFormula.MOSTELLER, "Mosteller"),
    Word("du_bois", BsaFormula.DU_BOIS, "Du Bois", ("dubois",)),
)
DRUGS = (
    Word("flu", "flu", _("fludarabine"), ("fludarabine",)),
    Word("cy", "cy", _("cyclophosphamide"), ("cyclophosphamide",)),
)
HEIGHT, WEIGHT = _number(_("height"), "160", "cm"), _number(_("weight"), "50", "kg")
PER_M2 = _number(_("dose a day"), "30", "mg/m²")
BODY = {"height_cm": HEIGHT, "weight_kg": WEIGHT}
IDENTITY = replace(
    column(_("product and participant are the same person"), yes_no, "Y", optional=True),
    also=("id_match", "identity_matches", "match"),
)
TAKES: dict[str, Inputs] = {
    "car_t_dose": Inputs(
        _("the class of a dose; one of the two inputs"),
        {
            "dose_x1e8": _number(_("viable CAR-T cells"), "0.3", "×10⁸", optional=True),
            "dose_cells": _number(_("viable CAR-T cells"), "30000000", optional=True),
        },
        _row("car_t_dose", "dose_x1e8=0.3", "0.3", "NOMINAL"),
    ),
    "car_t_dose_computed": Inputs(
        _("a dose from volume and concentration, and its class"),
        {
            "volume_ml": _number(_("volume"), "20", "mL"),
            "conc_per_ml": _number(_("cells per mL"), "5.0e6", "/mL"),
            "viability": _number(_("viable cells, a fraction from 0 to 1"), "0.90"),
            "car_fraction": _number(_("CAR-positive cells, a fraction from 0 to 1"), "0.50"),
        },
        _row(
            "car_t_dose_computed",
            "volume_ml=20;conc_per_ml=5.0e6;viability=0.90;car_fraction=0.50",
            "0.45",
            "NOMINAL",
        ),
    ),
    "car_t_other": Inputs(
        _("whether this product may be given to this person in this way: OK, REVIEW or REJECT"),
        {
            "source": replace(
                choice(_("source of the cells"), SOURCES, "autologous", optional=True), also=("cell_source",)
            ),
            "route": choice(_("route"), ROUTES, "intravenous", optional=True),
            "product_subject": _named(
                _("whose cells the product is made of"),
                "S-001",
                "product_participant",
                "product_of",
                "product_id",
                "product",
            ),
            "subject": _named(
                _("who receives it"), "S-001", "participant", "patient", "given_to", "infused_subject", "recipient"
            ),
            "second_infusion": column(_("it is a second infusion"), yes_no, "N", optional=True),
            "identity_match": IDENTITY,
        },
        _row("car_t_other", "source=autologous;route=intravenous", "", "OK"),
    ),
    "bsa": Inputs(
        _("body surface area in m²: to four digits, and as a class to two"),
        {**BODY, "formula": choice(_("formula"), FORMULAS, "mosteller", optional=True)},
        _row("bsa", "height_cm=160;weight_kg=50;formula=mosteller", "1.4907", "1.49"),
    ),
    "fludarabine": Inputs(
        _("planned dose of fludarabine in mg"),
        {**BODY, "mg_m2": PER_M2},
        _row("fludarabine", "height_cm=160;weight_kg=50;mg_m2=30", "44.7", "25<=mg_m2<=30 typical"),
    ),
    "cyclophosphamide": Inputs(
        _("planned dose of cyclophosphamide in mg"),
        {**BODY, "mg_m2": PER_M2},
        _row("cyclophosphamide", "height_cm=160;weight_kg=50;mg_m2=300", "447.2", "250<=mg_m2<=500 typical"),
    ),
    "ld_dose_check": Inputs(
        _("whether a dose of lymphodepletion is usual: TYPICAL or ATYPICAL"),
        {"drug": choice(_("drug"), DRUGS), "mg_m2": PER_M2},
        _row("ld_dose_check", "drug=cy;mg_m2=500", "", "TYPICAL"),
    ),
    "ld_timing": Inputs(
        _("whether lymphodepletion lies right before the infusion: OK, REVIEW or REJECT"),
        {
            "ld_start": column(_("first day of lymphodepletion"), day, "2026-01-10", kind=Kind.DAY),
            "infusion": column(_("day of the infusion"), day, "2026-01-15", kind=Kind.DAY),
        },
        _row("ld_timing", "ld_start=2026-01-10;infusion=2026-01-15", "", "OK"),
    ),
    "tocilizumab": Inputs(
        _("dose of tocilizumab in mg"), {"weight_kg": WEIGHT}, _row("tocilizumab", "weight_kg=70", "560", "")
    ),
    "tocilizumab_limits": Inputs(
        _("whether tocilizumab may be given again: ALLOW, WARN_INTERVAL, WARN_24H or WARN_TOTAL"),
        {
            "doses_last_24h": column(_("doses in the last 24 hours"), integer, "2"),
            "total": column(_("doses so far"), integer, "2"),
            "hours_since_last": _number(_("hours since the last dose"), "8", optional=True),
        },
        _row("tocilizumab_limits", "doses_last_24h=2;total=2;hours_since_last=8", "", "ALLOW"),
    ),
}


def _evaluate(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    kind = inputs["kind"]
    value, name = KINDS[kind](_Reader(TAKES[kind].columns, inputs[INPUTS]))
    return {"": value, "class": name}, f"{value if value is not None else ''} {name}".strip()


CASES = {
    "dose": CaseTable(
        inputs={
            "kind": choice(_("what is computed"), (Word(kind, kind, one.label) for kind, one in TAKES.items())),
            INPUTS: Column(
                _("the inputs: name=value; name=value"), _inputs, Kind.INPUTS, "dose_x1e8=0.3", inputs=TAKES
            ),
        },
        expected={
            "": column(_("the number; empty: there is none"), decimal, "0.3", optional=True),
            "class": column(_("the class, or nothing"), str, "NOMINAL"),
        },
        evaluate=_evaluate,
        descriptive=("description", "note"),
    )
}
