"""How a table of worked cases of response and MRD maps to its rule, with the limits of the study in force."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from participants.cases.parsers import NOT_DETECTED, Quantity, bounded
from participants.responses import MRD_NAMES, RESPONSE_NAMES, limits_of
from participants.rules.response import Amount, Findings, Mrd, MrdFinding, Response, assess
from trialsite.casetables import DESCRIPTIVE, CaseTable, Column, Kind, Word, Wrong, choice, key_of, mark, yes_no
from trialsite.study import get_study

NOT_RECORDED = frozenset({"", "na", "n_a", "nd", "none", "null", "unknown", "missing", "not_done", "not_recorded"})
SENSITIVITY = re.compile(r"(?P<found>[a-z_]+?)_?(?:sens|sensitivity)_?(?P<least>\d+(?:\.\d+)?)", re.ASCII)
RESPONSES = (
    Word("CR", Response.CR, RESPONSE_NAMES[Response.CR]),
    Word("CRh", Response.CRH, RESPONSE_NAMES[Response.CRH]),
    Word("CRi", Response.CRI, RESPONSE_NAMES[Response.CRI], ("MLFS",)),
    Word("RELAPSE", Response.RELAPSE, RESPONSE_NAMES[Response.RELAPSE], ("REL", "relapsed")),
    Word(
        "NO_REMISSION",
        Response.NO_REMISSION,
        RESPONSE_NAMES[Response.NO_REMISSION],
        ("NR", "no_response", "no_CR", "not_in_remission"),
    ),
    Word(
        "NE",
        Response.NOT_EVALUABLE,
        RESPONSE_NAMES[Response.NOT_EVALUABLE],
        ("not_evaluable", "inevaluable", "not_assessable", "indeterminate", "missing", "incomplete"),
    ),
)
MRDS = (
    Word("MRD_NEG", Mrd.NEGATIVE, MRD_NAMES[Mrd.NEGATIVE], ("neg", "negative", "MRD_negative")),
    Word("MRD_POS", Mrd.POSITIVE, MRD_NAMES[Mrd.POSITIVE], ("pos", "positive", "MRD_positive")),
    Word(
        "MRD_NEG_INSUFFICIENT",
        Mrd.INSUFFICIENT,
        MRD_NAMES[Mrd.INSUFFICIENT],
        (
            "MRD_NEG_INSUFFICIENT_SENSITIVITY",
            "negative_insufficient_sensitivity",
            "MRD_NEG_INSUFF_SENS",
            "MRD_NEG_INSUFFICIENT_SENS",
            "MRD_INSUFFICIENT",
            "MRD_INSUFFICIENT_SENSITIVITY",
            "insufficient_sensitivity",
            "insufficient",
        ),
    ),
    Word(
        "MRD_NE",
        Mrd.NOT_EVALUABLE,
        MRD_NAMES[Mrd.NOT_EVALUABLE],
        ("NE", "not_evaluable", "not_done", "MRD_not_done", "MRD_missing", "MRD_unknown", "NA"),
    ),
)


def recorded(text: str) -> bool | None:
    return None if key_of(text) in NOT_RECORDED else yes_no(text)


def number(text: str) -> Amount | None:
    return None if key_of(text) in NOT_RECORDED else _amount(bounded(text))


def _amount(found: Quantity) -> Amount:
    return Amount(found.number, found.comparator)


def percent(text: str) -> Amount | None:
    found = number(text)
    if found is not None and found.value > 100:
        raise Wrong(mark("a number from 0 to 100"))
    return found


def mrd(text: str) -> MrdFinding | None:
    """A level, or that nothing was found with the least that the assay can see; 0 is nothing found."""
    key = text.strip().lower().replace(" ", "_")
    if key_of(text) in NOT_RECORDED:
        return None
    if found := SENSITIVITY.fullmatch(key):
        least = Decimal(found["least"])
        if found["found"].strip("_") in NOT_DETECTED | {"neg", "negative"}:
            return MrdFinding(False, sensitivity=least)
        raise Wrong(mark("write a number, <0.01, or not_detected_sens_0.01"))
    if key_of(text) in NOT_DETECTED:
        return MrdFinding(False)
    level = percent(text)
    return MrdFinding(True, level) if level is None or level.value or level.sign else MrdFinding(False)


def evaluate(case: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    found = Findings(
        marrow_blasts=case["bm_blast_pct"],
        has_blood_blasts=case["pb_blasts"],
        is_extramedullary=case["extramedullary"],
        anc=case["anc_10e9_l"],
        platelets=case["plt_10e9_l"],
        is_transfused=case["transfused_7d"],
        mrd=case["mrd_flow_pct"],
    )
    one = assess(found, limits_of(get_study().latest))
    return {"response": one.response, "mrd": one.mrd}, _why((*one.sites, *one.missing))


def _why(parts: Iterable[Any]) -> str:
    return ", ".join(parts)


def _number(label: Any, example: str, parse: Any = number, unit: Any = "") -> Column:
    return Column(label, parse, Kind.BOUND, example, unit, may_be_empty=True)


def _recorded(label: Any) -> Column:
    return Column(label, recorded, Kind.YES_NO, "N", may_be_empty=True)


CASES = {
    "response": CaseTable(
        inputs={
            "bm_blast_pct": _number(_("Blasts in the marrow"), "1.0", percent, "%"),
            "pb_blasts": _recorded(_("Blasts in the blood")),
            "extramedullary": _recorded(_("Leukaemia outside the marrow")),
            "anc_10e9_l": _number(_("Neutrophils (ANC)"), "1.5", unit="10⁹/L"),
            "plt_10e9_l": _number(_("Platelets"), "120", unit="10⁹/L"),
            "transfused_7d": _recorded(_("Transfused in the days before that the study file names")),
            "mrd_flow_pct": Column(_("MRD"), mrd, Kind.MRD, "<0.01", "%", may_be_empty=True),
        },
        expected={"response": choice(_("Response"), RESPONSES), "mrd": choice(_("MRD"), MRDS)},
        evaluate=evaluate,
        descriptive=(*DESCRIPTIVE, "note"),
    )
}
