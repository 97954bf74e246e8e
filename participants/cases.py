"""How a table of worked eligibility cases maps to the rules, with the limits of the study in force.

A case names its criterion (I1 … I9, E1 … E15, with parts such as I7.4a or E6.3; our codes INCL07d work too) and
gives its facts as JSON in the column `inputs_json`; `OVERALL` takes the results of all. What a case leaves out is
not asked about; what it gives as null was asked and is missing.
"""

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from participants.criteria import items
from participants.rules.age import completed_years
from participants.rules.eligibility import (
    Anchors,
    Check,
    Decision,
    Fact,
    Facts,
    Item,
    Overall,
    Result,
    Ruling,
    decide,
    name_of,
    overall,
    worst,
)
from participants.rules.measures import MEASURES, Kind
from trialsite.casetables import NUMBER, CaseTable, UnusableValue, key_of
from trialsite.partialdate import PartialDate
from trialsite.study import get_study

COLUMN = "inputs_json"
TODAY = dt.date(2025, 8, 1)

# The parts as tables of cases number them, and the measures that belong to each; none: all of the criterion.
PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "I7.1": ("INCL07a", ()),
    "I7.2": ("INCL07b", ()),
    "I7.3": ("INCL07c", ()),
    "I7.4": ("INCL07d", ()),
    "I7.4a": ("INCL07d", ("BILI",)),
    "I7.4b": ("INCL07d", ("ALT",)),
    "I7.4c": ("INCL07d", ("AST",)),
    "E4.1": ("EXCL04a", ()),
    "E4.2": ("EXCL04b", ()),
    "E4.3": ("EXCL04c", ()),
    "E4.4": ("EXCL04d", ()),
    "E6.1": ("EXCL06a", ()),
    "E6.2": ("EXCL06b", ("ARRHYTHMIA",)),
    "E6.3": ("EXCL06b", ("QT",)),
    "E6.4": ("EXCL06c", ("SYSBP", "DIABP")),
    "E6.5": ("EXCL06c", ("PULM_HTN",)),
    "E6.6": ("EXCL06d", ()),
    "E6.7": ("EXCL06e", ()),
    "E6.8": ("EXCL06f", ()),
    "E6.9": ("EXCL06g", ()),
    "E13.1": ("EXCL13a", ()),
    "E13.2": ("EXCL13b", ()),
}
# Keys of the JSON that are one measure's value; others below.
KEYS = {
    "willing_able": "WILLING_ABLE",
    "diagnosis": "DIAGNOSIS",
    "bm_blast_pct": "BM_BLASTS",
    "pb_blasts_present": "PB_BLASTS",
    "extramedullary": "EXTRAMEDULLARY",
    "hsct_ineligible": "HSCT_INELIGIBLE",
    "no_donor": "NO_DONOR",
    "declines_hsct": "DECLINES_HSCT",
    "ecog": "ECOG",
    "cd19": "CD19",
    "expected_survival_months": "SURVIVAL_MONTHS",
    "lvef_pct": "LVEF",
    "spo2_pct": "OXYSAT",
    "on_oxygen": "ON_OXYGEN",
    "venous_access": "VENOUS_ACCESS",
    "hb_g_l": "HGB",
    "anc_10e9_l": "NEUT",
    "plt_10e9_l": "PLAT",
    "serum_hcg": "HCG_SERUM",
    "urine_hcg": "HCG_URINE",
    "surgically_sterilised": "STERILISED",
    "postmenopausal_years": "POSTMENOPAUSAL_YEARS",
    "reproductive_potential": "REPRODUCTIVE",
    "contraception_agreed": "CONTRACEPTION",
    "mpal": "MPAL",
    "prior_cart": "PRIOR_CART",
    "bmf_syndrome": "MARROW_FAILURE",
    "hbv_dna_iu_ml": "HBVDNA",
    "hbsag": "HBSAG",
    "hcv_ab": "HCVAB",
    "hiv_ab": "HIVAB",
    "ebv_dna": "EBVDNA",
    "cmv_dna": "CMVDNA",
    "other_malignancy": "OTHER_MALIGNANCY",
    "active": "MALIGNANCY_ACTIVE",
    "last_treatment_date": "MALIGNANCY_TREATED_UNTIL",
    "low_recurrence_risk_by_investigator": "MALIGNANCY_LOW_RISK",
    "nyha": "NYHA",
    "qt_ms": "QT",
    "rr_ms": "RR",
    "heart_rate_bpm": "EGHR",
    "sbp": "SYSBP",
    "dbp": "DIABP",
    "on_standard_treatment": "HTN_TREATED",
    "pulmonary_hypertension": "PULM_HTN",
    "unstable_angina": "UNSTABLE_ANGINA",
    "effusion": "EFFUSION",
    "hypersensitivity": "HYPERSENSITIVITY",
    "other_interventional_trial": "OTHER_TRIAL",
    "received_agent": "TRIAL_AGENT",
}
TIMES_ULN = {"creatinine_x_uln": "CREAT", "tbil_x_uln": "BILI", "alt_x_uln": "ALT", "ast_x_uln": "AST"}
ANCHORS = {
    "icf_signed_date": "consented_on",
    "consent_date": "consented_on",
    "first_screening_procedure_date": "first_procedure_on",
    "screening_date": "screened_on",
    "planned_infusion_date": "infusion_on",
    "infusion_date": "infusion_on",
    "birth_date": "birth_date",
    "sex": "sex",
}
# What people write for the choices that rules know.
CHOICES = {
    "DIAGNOSIS": {
        "b_all": "b_all",
        "burkitt": "burkitt",
        "burkitt_leukemia": "burkitt",
        "burkitt_leukaemia": "burkitt",
        "burkitt_lymphoma_leukemia": "burkitt",
        "cml_bp": "cml_blast",
        "cml_bc": "cml_blast",
        "cml_blast_phase": "cml_blast",
        "blast_phase_cml": "cml_blast",
        "t_all": "t_all",
    },
    "EFFUSION": {
        "no": "none",
        "false": "none",
        "physiological": "trace",
        "minimal": "trace",
        "small": "trace",
        "true": "significant",
        "yes": "significant",
        "clinically_significant": "significant",
        "not_clinically_significant": "not_significant",
    },
    "CD19": {"dim": "partial", "partially_positive": "partial", "weak": "partial"},
    "CD19_METHOD": {"flow_cytometry": "flow", "fcm": "flow", "immunohistochemistry": "ihc"},
    "CD19_SAMPLE": {},
    "PB_BLASTS": {"true": "present", "false": "absent"},
    "NYHA": {"i": "1", "ii": "2", "iii": "3", "iv": "4", "0": "none", "no": "none", "false": "none"},
}
# A criterion that asks yes or no is answered whatever the flag is called.
FLAGS = {
    "EXCL01": "MPAL",
    "EXCL03": "MARROW_FAILURE",
    "EXCL06b": "ARRHYTHMIA",
    "EXCL06c": "PULM_HTN",
    "EXCL06d": "UNSTABLE_ANGINA",
    "EXCL06f": "VALVE_DISEASE",
    "EXCL06g": "OTHER_CARDIAC",
    "EXCL10": "HYPERSENSITIVITY",
    "EXCL12": "INFECTION",
    "EXCL14": "UNSUITABLE",
    "EXCL15": "IMPAIRED",
}
CNS = (
    ("epilep", "EPILEPSY"),
    ("stroke", "STROKE"),
    ("isch", "STROKE"),
    ("haemorr", "STROKE"),
    ("hemorr", "STROKE"),
    ("cerebrovasc", "STROKE"),
    ("cerebell", "CEREBELLAR"),
    ("leuk", "CNS_LEUKAEMIA"),
    ("", "OTHER_CNS"),
)
# Treatments that are no CAR-T cells, so that EXCL02 does not speak of them.
OTHER_TREATMENTS = frozenset(
    f"prior_{name}" for name in ("blinatumomab", "inotuzumab", "bispecific", "immunotherapy", "chemotherapy", "hsct")
)
YES, NO = frozenset({"true", "yes", "y", "1"}), frozenset({"false", "no", "n", "none", "0"})
SEXES = {"f": "F", "female": "F", "m": "M", "male": "M"}
# Told beside an answer, and asked by no criterion.
IGNORED = frozenset({"lloq", "hcv_rna", "hcv_rna_iu_ml"})
# Events with a date: the flag, and the measure of the date.
EVENTS = {"EXCL06e": ("CARDIAC_EVENT", "event_date"), "EXCL09": ("DVT_PE", "event_date")}


class _Case:
    """The facts and anchors of one case, while its JSON is read."""

    def __init__(self, item: str, given: Mapping[str, Any]) -> None:
        self.item = item
        self.facts: dict[str, Fact] = {}
        self.anchors: dict[str, Any] = {"today": TODAY}
        self.override: Mapping[str, Any] | None = None
        self.lloq = _decimal("lloq", given["lloq"]) if given.get("lloq") is not None else None
        # Days first: answers may count from them.
        for key in sorted(given, key=lambda key: key not in ANCHORS):
            self.read(key, given[key])

    def put(self, code: str, value: Any, **more: Any) -> None:
        lloq = self.lloq if MEASURES[code].has_lloq else None
        self.facts[code] = Fact(code, _value(code, value), examination=1, lloq=lloq, **more)

    def read(self, key: str, value: Any) -> None:
        if key in IGNORED:
            return
        if key in ANCHORS:
            self.anchors[ANCHORS[key]] = _sex(value) if key == "sex" else _day(key, value)
        elif key in TIMES_ULN:
            self.put(TIMES_ULN[key], value, upper_limit=Decimal(1))
        elif key == "investigator_override":
            self.override = _override(value)
        elif key in READERS:
            READERS[key](self, value)
        elif key in KEYS:
            self.put(KEYS[key], value)
        else:
            self.free(key, value)

    def free(self, key: str, value: Any) -> None:
        """A flag of a criterion that asks yes or no; a key that is none of ours is an error, never a pass."""
        if self.item == "EXCL07":
            self.put(next(code for part, code in CNS if part in key), value)
        elif self.item == "EXCL02" and key in OTHER_TREATMENTS:
            self.facts.setdefault("PRIOR_CART", Fact("PRIOR_CART", "no", examination=1))
        elif self.item in FLAGS and (isinstance(value, bool) or value is None):
            self.put(FLAGS[self.item], value)
        elif self.item in EVENTS and isinstance(value, bool):
            self.put(EVENTS[self.item][0], value)
        elif "guardian" in key:
            self.anchors["has_guardian"] = None if value is None else _yes_or_no(key, value) == "yes"
        elif key == "age":
            limit = get_study().latest.policy.guardian_below_age
            self.anchors["is_guardian_needed"] = _decimal(key, value) < limit
        else:
            raise UnusableValue(COLUMN, f"unknown input {key!r} for this criterion")

    def event_date(self, value: Any) -> None:
        event, _key = EVENTS[self.item]
        self.facts.setdefault(event, Fact(event, "yes", examination=1))
        self.put(f"{event}_DATE", value)

    def vaccine(self, value: Any) -> None:
        self.put("LIVE_VACCINE", value)

    def last_dose(self, value: Any) -> None:
        marketed = self.item == "EXCL13b"
        for code, answer in (("OTHER_TRIAL", True), ("TRIAL_AGENT", True), ("AGENT_MARKETED", marketed)):
            if code not in self.facts:
                self.put(code, answer)
        self.put("AGENT_LAST_DOSE", value)

    def half_lives(self, value: Any) -> None:
        """So many half-lives have passed at the infusion: a dose 1,000 days before, and the half-life that follows."""
        elapsed = None if value is None else _decimal("half_lives_elapsed", value)
        days = 0 if elapsed == 0 else 1000
        infusion_on = self.anchors.get("infusion_on") or TODAY
        self.anchors["infusion_on"] = infusion_on
        self.last_dose((infusion_on - dt.timedelta(days=days)).isoformat())
        if elapsed is not None:
            self.put("AGENT_HALF_LIFE", f"{Decimal(24_000) / elapsed:f}" if elapsed else "24")

    def half_life(self, value: Any) -> None:
        if value is not None and _decimal("half_life_h", value) <= 0:
            raise UnusableValue(COLUMN, "a half-life is more than 0 hours")
        self.put("AGENT_HALF_LIFE", value)

    def cd19_flow(self, value: Any) -> None:
        self.put("CD19", value)
        self.facts.setdefault("CD19_METHOD", Fact("CD19_METHOD", "flow", examination=1))


SAMPLES = MEASURES["CD19_SAMPLE"].choices
READERS: dict[str, Callable[[_Case, Any], None]] = {
    "event_date": _Case.event_date,
    "live": _Case.vaccine,
    "vaccine_date": lambda case, value: case.put("LIVE_VACCINE_DATE", value),
    "last_dose_date": _Case.last_dose,
    "half_lives_elapsed": _Case.half_lives,
    "half_life_h": _Case.half_life,
    "half_life_hours": _Case.half_life,
    "cd19_flow": _Case.cd19_flow,
    "prior_car_t": lambda case, value: case.put("PRIOR_CART", value),
    "rr_s": lambda case, value: case.put("RR", f"{_decimal('rr_s', value) * 1000:f}" if value is not None else None),
    "method": lambda case, value: case.put("CD19_METHOD", value),
    "sample": lambda case, value: case.put("CD19_SAMPLE", value if value in SAMPLES else "other"),
    "marketed": lambda case, value: case.put("AGENT_MARKETED", value),
    "cns_leukaemia_history_in_remission": lambda case, value: case.put("CNS_LEUKAEMIA", value),
}


def _decimal(key: str, value: Any) -> Decimal:
    if isinstance(value, bool) or not NUMBER.fullmatch(str(value)) or str(value).startswith("-"):
        raise UnusableValue(COLUMN, f"{key}: {value!r} is no number")
    return Decimal(str(value))


def _sex(value: Any) -> str:
    if str(value).lower() not in SEXES:
        raise UnusableValue(COLUMN, f"sex: {value!r} is neither F nor M")
    return SEXES[str(value).lower()]


def _override(value: Any) -> Mapping[str, Any] | None:
    if value is not None and not isinstance(value, Mapping):
        raise UnusableValue(COLUMN, "investigator_override is an object with by, date and reason")
    return value


def _yes_or_no(key: str, value: Any) -> str:
    word = key_of(str(value))
    if word in YES | NO:
        return "yes" if word in YES else "no"
    raise UnusableValue(COLUMN, f"{key}: {value!r} is neither yes nor no")


def _day(key: str, value: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(value) if value is not None else None
    except (TypeError, ValueError):
        raise UnusableValue(COLUMN, f"{key}: {value!r} is no date (YYYY-MM-DD)") from None


def _value(code: str, value: Any) -> Decimal | str | PartialDate | None:
    measure = MEASURES[code]
    if value is None:
        return None
    if measure.kind == Kind.NUMBER:
        return _decimal(code, value)
    if measure.kind == Kind.DATE:
        try:
            return PartialDate.parse(str(value))
        except ValueError as error:
            raise UnusableValue(COLUMN, str(error)) from None
    return _choice(code, value)


def _choice(code: str, value: Any) -> str:
    choices = MEASURES[code].choices
    word = key_of(str(value))
    word = CHOICES.get(code, {}).get(word, word)
    if code == "MARROW_FAILURE" and word not in YES:
        # A named syndrome is a yes.
        return "no" if word in NO or not word else "yes"
    if choices == ("yes", "no"):
        return _yes_or_no(code, value)
    if word in choices:
        return word
    if code in {"DIAGNOSIS", "CD19_METHOD"}:
        return "other"
    raise UnusableValue(COLUMN, f"{value!r} is not one of: {', '.join(choices)}")


def _asked(label: str) -> tuple[str, tuple[str, ...]]:
    """The item that a case names, and the measures of the part that it means."""
    label = label.strip()
    if label in PARTS:
        return PARTS[label]
    if found := re.fullmatch(r"([IE])(\d{1,2})", label):
        return f"{'INCL' if found[1] == 'I' else 'EXCL'}{int(found[2]):02d}", ()
    if label not in {code for one in get_study().latest.criteria for code, _text, _checks in one.items}:
        raise UnusableValue("criterion", f"{label!r} is no criterion; write I1 … I9, E1 … E15, or a code of the study")
    return label, ()


def _checks(case_item: str, measures: tuple[str, ...], case: _Case) -> list[tuple[Item, Check]]:
    """The checks that a case asks about: those of its part, and of a list of conditions the ones it names."""
    named = [
        (item, check)
        for item in items(get_study().latest)
        for check in item.checks
        if item.code.startswith(case_item) and (not measures or check.measure in measures or check.rule == "qtcb")
    ]
    if case_item == "EXCL06b":
        named = [(item, c) for item, c in named if (c.rule == "qtcb") == (measures == ("QT",))]
    if case_item in {"EXCL04c", "EXCL06c", "EXCL07"}:
        named = [(item, c) for item, c in named if c.measure in case.facts]
    return named


def _evaluate(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    label, given = inputs["criterion"], inputs[COLUMN]
    if label.strip() == "OVERALL":
        return {"result": overall(_results(given)).value}, "overall"
    code, measures = _asked(label)
    case = _Case(code, given)
    named = _checks(code, measures, case)
    if not named:
        raise UnusableValue("criterion", f"{label!r} with these inputs asks about no check of the study")
    decisions = [_decide(item, check, case) for item, check in named]
    return {"result": worst(d.result for d in decisions).value}, _words(decisions)


def _decide(item: Item, check: Check, case: _Case) -> Decision:
    anchors = Anchors(**_with_guardian(case.anchors))
    facts = Facts(case.facts, {(1, code): fact for code, fact in case.facts.items()})
    decision = decide(item, check, facts, anchors)
    if case.override is None:
        return decision
    reason = str(case.override.get("reason") or "")
    ruling = Ruling(name_of(item.code, check), True, reason, decision.basis, is_override=True)
    return decide(item, check, facts, anchors, [ruling])


def _with_guardian(anchors: dict[str, Any]) -> dict[str, Any]:
    born, consented = anchors.get("birth_date"), anchors.get("consented_on")
    if born and consented and "has_guardian" in anchors:
        limit = get_study().latest.policy.guardian_below_age
        return {**anchors, "is_guardian_needed": completed_years(born, consented) < limit}
    if "has_guardian" in anchors:
        return {"is_guardian_needed": True, **anchors}
    return anchors


def _results(given: Mapping[str, Any]) -> list[Result]:
    try:
        return [Result(word) for word in given["results"]]
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableValue(COLUMN, f"`results` is a list of {', '.join(Result)} ({error})") from None


def _words(decisions: list[Decision]) -> str:
    return "; ".join(f"{d.check} {d.result.value} ({d.verdict.why.value})" for d in decisions)


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("write a JSON object")
    return value


def _result(text: str) -> str:
    known = [*Result, *Overall]
    if text not in known:
        raise ValueError(f"one of: {', '.join(known)}")
    return text


CASES = {
    "eligibility": CaseTable(
        inputs={"criterion": str, COLUMN: _json},
        expected={"result": _result},
        evaluate=_evaluate,
        descriptive=("criterion_text_short", "override_allowed", "judgement_needed", "derived_value", "note"),
    )
}
