"""How tables of worked cases map to the rules of safety."""

from collections.abc import Mapping
from typing import Any

from safety.rules import crs, icans
from safety.rules.crs import CrsDeath, CrsFindings, OxygenDevice, OxygenReason
from safety.rules.grading import Graded
from safety.rules.icans import (
    Consciousness,
    IcansDeath,
    IcansFindings,
    IcePerformed,
    Oedema,
    PressureSign,
    Seizure,
)
from trialsite.casetables import CaseTable, Parser, decimal, integer, optional, word, words, yes_no


def _known(kind: Any, **also: Any) -> Parser:
    """The rule's own words, and others that people use for the same."""
    return word({**{member.value: member for member in kind}, **also})


D, R, C, S, P = OxygenDevice, OxygenReason, Consciousness, Seizure, PressureSign
DEVICE = _known(
    D,
    room_air=D.NONE,
    nc=D.NASAL_CANNULA,
    low_flow_nasal_cannula=D.NASAL_CANNULA,
    blowby=D.BLOW_BY,
    high_flow_nasal_cannula=D.HFNC,
    high_flow=D.HFNC,
    facemask=D.SIMPLE_FACEMASK,
    face_mask=D.SIMPLE_FACEMASK,
    simple_mask=D.SIMPLE_FACEMASK,
    simple_face_mask=D.SIMPLE_FACEMASK,
    nonrebreather_mask=D.NONREBREATHER,
    non_rebreather=D.NONREBREATHER,
    non_rebreather_mask=D.NONREBREATHER,
    nrb=D.NONREBREATHER,
    venturi_mask=D.VENTURI,
    niv=D.BIPAP,
    intubation=D.INVASIVE_VENTILATION,
    intubated=D.INVASIVE_VENTILATION,
    ventilator=D.INVASIVE_VENTILATION,
    mechanical_ventilation=D.INVASIVE_VENTILATION,
)
OXYGEN_REASON = _known(
    R,
    none=R.CRS_HYPOXIA,
    hypoxia=R.CRS_HYPOXIA,
    baseline=R.BASELINE_CHRONIC,
    chronic=R.BASELINE_CHRONIC,
    airway=R.AIRWAY_PROTECTION,
    airway_protection_no_hypoxia=R.AIRWAY_PROTECTION,
    procedural=R.PROCEDURE,
    other_cause=R.OTHER,
    comfort=R.OTHER,
)
CONSCIOUSNESS = _known(
    C,
    awake=C.ALERT,
    normal=C.ALERT,
    drowsy=C.DROWSY,
    awakens_spontaneously=C.DROWSY,
    to_voice=C.AWAKENS_TO_VOICE,
    voice=C.AWAKENS_TO_VOICE,
    awakens_only_to_voice=C.AWAKENS_TO_VOICE,
    tactile=C.AWAKENS_ONLY_TO_TACTILE,
    to_tactile=C.AWAKENS_ONLY_TO_TACTILE,
    awakens_to_tactile=C.AWAKENS_ONLY_TO_TACTILE,
    unarousable=C.UNAROUSABLE,
    stupor=C.UNAROUSABLE,
    coma=C.UNAROUSABLE,
    stupor_coma=C.UNAROUSABLE,
    stupor_or_coma=C.UNAROUSABLE,
)
SEIZURE = _known(
    S,
    clinical=S.CLINICAL_RESOLVES,
    focal_resolves_rapidly=S.CLINICAL_RESOLVES,
    generalised_resolves_rapidly=S.CLINICAL_RESOLVES,
    nonconvulsive=S.NONCONVULSIVE_RESOLVES,
    prolonged=S.PROLONGED,
    status_epilepticus=S.PROLONGED,
    repetitive=S.REPETITIVE,
    repetitive_no_return=S.REPETITIVE,
    repetitive_no_baseline=S.REPETITIVE,
    repetitive_no_recovery=S.REPETITIVE,
    repetitive_without_return=S.REPETITIVE,
    repetitive_without_return_to_baseline=S.REPETITIVE,
    repetitive_no_return_baseline=S.REPETITIVE,
)
PRESSURE = _known(
    P,
    posturing=P.POSTURING,
    decorticate=P.POSTURING,
    decerebrate=P.POSTURING,
    decerebrate_decorticate=P.POSTURING,
    cn_vi_palsy=P.CN6_PALSY,
    cnvi_palsy=P.CN6_PALSY,
    cn6=P.CN6_PALSY,
    papilledema=P.PAPILLOEDEMA,
    cushings_triad=P.CUSHING_TRIAD,
    cushing=P.CUSHING_TRIAD,
)
OEDEMA = _known(Oedema, focal_oedema=Oedema.FOCAL, diffuse_oedema=Oedema.DIFFUSE, focal_edema=Oedema.FOCAL)


def ice_performed(text: str) -> IcePerformed | None:
    """Y, or N with its reason: unarousable, unable though arousable, CAPD used instead (None), or not done."""
    key = text.strip().lower().replace("-", "_").replace(" ", "_")
    if key in {"y", "yes"}:
        return IcePerformed.YES
    if not key.startswith("n"):
        raise ValueError("write Y, or N with a reason such as N_unable_arousable")
    if "capd" in key:
        return None
    if "unarousable" in key or "coma" in key:
        return IcePerformed.UNABLE_UNAROUSABLE
    if "unable" in key or "aphasi" in key or "arousable" in key:
        return IcePerformed.UNABLE_AROUSABLE
    return IcePerformed.NOT_DONE


def _sentence(graded: Graded, texts: Mapping[str, str], flags: Mapping[str, str]) -> str:
    said = [texts[reason.code].format(**reason.values) for reason in graded.reasons]
    return " ".join([*said, *(f"[{flag}] {flags[flag]}" for flag in graded.flags)])


def _computed(graded: Graded) -> dict[str, Any]:
    return {
        "grade": graded.grade,
        "determinant": frozenset(graded.determinants),
        "review_flag": frozenset(graded.flags),
    }


CRS_INPUTS: dict[str, tuple[str, Parser]] = {
    "days_since_infusion": ("days_since_infusion", integer),
    "temp_c": ("temperature_c", optional(decimal)),
    "fever_attributable_to_crs": ("fever_attributable", yes_no),
    "crs_established_this_episode": ("crs_established", yes_no),
    "antipyretic_or_anticytokine_or_steroid_given": ("antipyretic_or_anticytokine_given", yes_no),
    "hypotension": ("hypotension", yes_no),
    "hypotension_attributable_to_crs": ("hypotension_attributable", yes_no),
    "n_vasopressors_excl_vasopressin": ("vasopressors", integer),
    "vasopressin": ("vasopressin", yes_no),
    "o2_device": ("oxygen_device", DEVICE),
    "o2_flow_l_min": ("oxygen_flow_l_min", optional(decimal)),
    "o2_need_reason": ("oxygen_reason", OXYGEN_REASON),
    "death": ("death", _known(CrsDeath)),
}
ICANS_INPUTS: dict[str, tuple[str, Parser]] = {
    "days_since_infusion": ("", integer),
    "age_years": ("age_years", integer),
    "use_capd": ("use_capd", yes_no),
    "orientation_0_4": ("orientation", optional(integer)),
    "naming_0_3": ("naming", optional(integer)),
    "commands_0_1": ("commands", optional(integer)),
    "writing_0_1": ("writing", optional(integer)),
    "attention_0_1": ("attention", optional(integer)),
    "ice_performed": ("ice_performed", ice_performed),
    "capd_score": ("capd_score", optional(integer)),
    "consciousness": ("consciousness", CONSCIOUSNESS),
    "loc_attributable_to_ie": ("consciousness_attributable", yes_no),
    "seizure": ("seizure", SEIZURE),
    "seizure_minutes": ("seizure_minutes", optional(decimal)),
    "motor_deep_focal_weakness": ("deep_focal_weakness", yes_no),
    "cerebral_oedema": ("cerebral_oedema", OEDEMA),
    "icp_sign": ("pressure_sign", PRESSURE),
    "intracranial_haemorrhage": ("intracranial_haemorrhage", yes_no),
    "attributable_to_other_cause": ("attributable_to_other_cause", yes_no),
    "death": ("death", _known(IcansDeath)),
}
EXPECTED: dict[str, Parser] = {"grade": optional(integer), "determinant": words, "review_flag": words}


def _findings(kind: Any, columns: Mapping[str, tuple[str, Parser]], inputs: Mapping[str, Any]) -> Any:
    return kind(**{name: inputs[column] for column, (name, _parser) in columns.items() if name})


def grade_crs(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    graded = crs.grade(_findings(CrsFindings, CRS_INPUTS, inputs))
    return _computed(graded), _sentence(graded, crs.REASON_TEXT, crs.FLAG_TEXT)


def grade_icans(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    performed = inputs["ice_performed"]
    used_capd = {"ice_performed": performed or IcePerformed.NOT_DONE}
    graded = icans.grade(_findings(IcansFindings, ICANS_INPUTS, {**inputs, **used_capd}))
    computed = {**_computed(graded), "ice_total": graded.ice_total}
    return computed, _sentence(graded, icans.REASON_TEXT, icans.FLAG_TEXT)


def _parsers(columns: Mapping[str, tuple[str, Parser]]) -> dict[str, Parser]:
    return {column: parser for column, (_name, parser) in columns.items()}


CASES = {
    "crs": CaseTable(_parsers(CRS_INPUTS), EXPECTED, grade_crs),
    "icans": CaseTable(_parsers(ICANS_INPUTS), {"ice_total": optional(integer), **EXPECTED}, grade_icans),
}
