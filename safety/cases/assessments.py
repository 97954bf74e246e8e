"""How tables of worked cases map to the rules of safety."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from django.utils.translation import gettext

from safety.rules import crs, icans
from safety.rules.crs import CrsDeath, CrsFindings, OxygenDevice, OxygenReason
from safety.rules.grading import Graded, ImpossibleFinding
from safety.rules.icans import (
    Consciousness,
    IcansDeath,
    IcansFindings,
    IcePerformed,
    Oedema,
    PressureSign,
    Seizure,
)
from trialsite.casetables import (
    CaseTable,
    Parser,
    UnusableValue,
    decimal,
    integer,
    key_of,
    optional,
    word,
    words,
    yes_no,
)


def _known(kind: Any, **also: Any) -> Parser:
    """The rule's own words, and others that people use for the same."""
    return word({**{member.value: member for member in kind}, **also})


D, R, C, S, P = OxygenDevice, OxygenReason, Consciousness, Seizure, PressureSign
DEVICE = _known(
    D,
    no=D.NONE,
    air=D.NONE,
    room_air=D.NONE,
    nc=D.NASAL_CANNULA,
    nasal_cannulae=D.NASAL_CANNULA,
    nasal_prongs=D.NASAL_CANNULA,
    low_flow_nasal_cannula=D.NASAL_CANNULA,
    blowby=D.BLOW_BY,
    blow_by_oxygen=D.BLOW_BY,
    hfno=D.HFNC,
    hfnc_oxygen=D.HFNC,
    high_flow=D.HFNC,
    high_flow_nc=D.HFNC,
    high_flow_nasal_cannula=D.HFNC,
    high_flow_nasal_oxygen=D.HFNC,
    mask=D.SIMPLE_FACEMASK,
    facemask=D.SIMPLE_FACEMASK,
    face_mask=D.SIMPLE_FACEMASK,
    oxygen_mask=D.SIMPLE_FACEMASK,
    simple_mask=D.SIMPLE_FACEMASK,
    simple_face_mask=D.SIMPLE_FACEMASK,
    nrb=D.NONREBREATHER,
    nrbm=D.NONREBREATHER,
    nrm=D.NONREBREATHER,
    nonrebreather_mask=D.NONREBREATHER,
    nonrebreathing_mask=D.NONREBREATHER,
    non_rebreather=D.NONREBREATHER,
    non_rebreather_mask=D.NONREBREATHER,
    non_rebreathing_mask=D.NONREBREATHER,
    venturi_mask=D.VENTURI,
    nasal_cpap=D.CPAP,
    cpap_mask=D.CPAP,
    bpap=D.BIPAP,
    niv=D.BIPAP,
    nippv=D.BIPAP,
    non_invasive_ventilation=D.BIPAP,
    noninvasive_ventilation=D.BIPAP,
    intubation=D.INVASIVE_VENTILATION,
    intubated=D.INVASIVE_VENTILATION,
    intubation_ventilation=D.INVASIVE_VENTILATION,
    intubation_and_ventilation=D.INVASIVE_VENTILATION,
    intubated_ventilated=D.INVASIVE_VENTILATION,
    ventilator=D.INVASIVE_VENTILATION,
    ventilation=D.INVASIVE_VENTILATION,
    imv=D.INVASIVE_VENTILATION,
    mechanical_ventilation=D.INVASIVE_VENTILATION,
    invasive_mechanical_ventilation=D.INVASIVE_VENTILATION,
)
OXYGEN_REASON = _known(
    R,
    none=R.CRS_HYPOXIA,
    crs=R.CRS_HYPOXIA,
    hypoxia=R.CRS_HYPOXIA,
    hypoxia_crs=R.CRS_HYPOXIA,
    baseline=R.BASELINE_CHRONIC,
    baseline_support=R.BASELINE_CHRONIC,
    chronic=R.BASELINE_CHRONIC,
    chronic_baseline=R.BASELINE_CHRONIC,
    home=R.BASELINE_CHRONIC,
    home_oxygen=R.BASELINE_CHRONIC,
    airway=R.AIRWAY_PROTECTION,
    airway_protection_only=R.AIRWAY_PROTECTION,
    airway_protection_no_hypoxia=R.AIRWAY_PROTECTION,
    airway_protection_without_hypoxia=R.AIRWAY_PROTECTION,
    procedural=R.PROCEDURE,
    procedure_only=R.PROCEDURE,
    procedure_no_hypoxia=R.PROCEDURE,
    procedure_without_hypoxia=R.PROCEDURE,
    procedural_sedation=R.PROCEDURE,
    surgery=R.PROCEDURE,
    anaesthesia=R.PROCEDURE,
    other_cause=R.OTHER,
    other_reason=R.OTHER,
    other_hypoxia=R.OTHER,
    not_crs=R.OTHER,
    non_crs=R.OTHER,
    non_crs_hypoxia=R.OTHER,
    pneumonia=R.OTHER,
    pulmonary_embolism=R.OTHER,
    fluid_overload=R.OTHER,
    prophylactic=R.OTHER,
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
    awakens_only_to_touch=C.AWAKENS_ONLY_TO_TACTILE,
    unarousable=C.UNAROUSABLE,
    unarousable_or_vigorous_tactile=C.UNAROUSABLE,
    unarousable_or_vigorous_or_repetitive_tactile=C.UNAROUSABLE,
    vigorous_tactile=C.UNAROUSABLE,
    vigorous_or_repetitive_tactile=C.UNAROUSABLE,
    repetitive_tactile=C.UNAROUSABLE,
    stupor=C.UNAROUSABLE,
    stuporous=C.UNAROUSABLE,
    coma=C.UNAROUSABLE,
    comatose=C.UNAROUSABLE,
    stupor_coma=C.UNAROUSABLE,
    stupor_or_coma=C.UNAROUSABLE,
)
SEIZURE = _known(
    S,
    no=S.NONE,
    clinical=S.CLINICAL_RESOLVES,
    clinical_resolves=S.CLINICAL_RESOLVES,
    focal_resolves_rapidly=S.CLINICAL_RESOLVES,
    generalised_resolves_rapidly=S.CLINICAL_RESOLVES,
    generalized_resolves_rapidly=S.CLINICAL_RESOLVES,
    nonconvulsive=S.NONCONVULSIVE_RESOLVES,
    nonconvulsive_resolves=S.NONCONVULSIVE_RESOLVES,
    non_convulsive_eeg_resolves=S.NONCONVULSIVE_RESOLVES,
    prolonged=S.PROLONGED,
    life_threatening=S.PROLONGED,
    prolonged_gt5min=S.PROLONGED,
    prolonged_gt_5_min=S.PROLONGED,
    status_epilepticus=S.PROLONGED,
    repetitive=S.REPETITIVE,
    repetitive_no_return=S.REPETITIVE,
    repetitive_no_baseline=S.REPETITIVE,
    repetitive_no_recovery=S.REPETITIVE,
    repetitive_no_return_baseline=S.REPETITIVE,
    repetitive_not_returning_to_baseline=S.REPETITIVE,
    repetitive_without_baseline=S.REPETITIVE,
    repetitive_without_return=S.REPETITIVE,
    repetitive_without_return_to_baseline=S.REPETITIVE,
    repetitive_no_return_to_baseline_between=S.REPETITIVE,
)
PRESSURE = _known(
    P,
    no=P.NONE,
    posturing=P.POSTURING,
    decorticate=P.POSTURING,
    decerebrate=P.POSTURING,
    decorticate_posturing=P.POSTURING,
    decerebrate_posturing=P.POSTURING,
    decerebrate_decorticate=P.POSTURING,
    decorticate_or_decerebrate=P.POSTURING,
    decerebrate_or_decorticate=P.POSTURING,
    cn6=P.CN6_PALSY,
    cnvi=P.CN6_PALSY,
    cn_6_palsy=P.CN6_PALSY,
    cn_vi_palsy=P.CN6_PALSY,
    cnvi_palsy=P.CN6_PALSY,
    cranial_nerve_vi_palsy=P.CN6_PALSY,
    sixth_nerve_palsy=P.CN6_PALSY,
    abducens_palsy=P.CN6_PALSY,
    papilledema=P.PAPILLOEDEMA,
    cushing=P.CUSHING_TRIAD,
    cushings=P.CUSHING_TRIAD,
    cushings_triad=P.CUSHING_TRIAD,
)
OEDEMA = _known(
    Oedema,
    no=Oedema.NONE,
    local=Oedema.FOCAL,
    focal_oedema=Oedema.FOCAL,
    focal_edema=Oedema.FOCAL,
    diffuse_oedema=Oedema.DIFFUSE,
    diffuse_edema=Oedema.DIFFUSE,
)


def _deaths(kind: Any, due: str) -> Parser:
    """Whether death was due to the toxicity; any other death changes no grade."""
    other = ("relapse", "progression", "disease_progression", "infection", "other_cause", f"not_{due}")
    own = (f"due_to_{due}", f"{due}_death")
    return _known(
        kind, no=kind.NONE, alive=kind.NONE, **dict.fromkeys(own, kind(due)), **dict.fromkeys(other, kind.OTHER)
    )


# ICE was impossible, though the participant was awake enough.
CANNOT = ("unable", "aphasi", "arousable", "cannot")


def ice_performed(text: str) -> IcePerformed | None:
    """Y, or N with its reason: unarousable, unable though arousable, CAPD used instead (None), or not done."""
    answer, *reasons = key_of(text).split("_")
    reason = "_".join(reasons)
    if answer in {"y", "yes"} and not reasons:
        return IcePerformed.YES
    if answer not in {"n", "no", "not"}:
        raise ValueError("write Y, or N with a reason such as N_unable_arousable")
    if "capd" in reason:
        return None
    if any(word in reason for word in ("sedat", "refus", "not_done")):
        return IcePerformed.NOT_DONE
    if any(word in reason for word in ("unarousable", "coma", "stupor")):
        return IcePerformed.UNABLE_UNAROUSABLE
    return IcePerformed.UNABLE_AROUSABLE if any(word in reason for word in CANNOT) else IcePerformed.NOT_DONE


def _sentence(graded: Graded, texts: Mapping[str, str], flags: Mapping[str, str]) -> str:
    said = [gettext(texts[reason.code]).format(**reason.values) for reason in graded.reasons]
    return " ".join([*said, *(f"[{flag}] {gettext(flags[flag])}" for flag in graded.flags)])


def _computed(graded: Graded) -> dict[str, Any]:
    return {
        "grade": graded.grade,
        "determinant": frozenset(graded.determinants),
        "review_flag": frozenset(graded.flags),
    }


CRS_INPUTS: dict[str, tuple[str, Parser]] = {
    "days_since_infusion": ("days_since_infusion", integer),
    "temp_c": ("temperature_c", optional(decimal)),
    "fever_attributable_to_crs": ("fever_attributable", optional(yes_no)),
    "crs_established_this_episode": ("crs_established", yes_no),
    "antipyretic_or_anticytokine_or_steroid_given": ("antipyretic_or_anticytokine_given", yes_no),
    "hypotension": ("hypotension", yes_no),
    "hypotension_attributable_to_crs": ("hypotension_attributable", optional(yes_no)),
    "n_vasopressors_excl_vasopressin": ("vasopressors", integer),
    "vasopressin": ("vasopressin", yes_no),
    "o2_device": ("oxygen_device", DEVICE),
    "o2_flow_l_min": ("oxygen_flow_l_min", optional(decimal)),
    "o2_need_reason": ("oxygen_reason", optional(OXYGEN_REASON)),
    "death": ("death", _deaths(CrsDeath, "crs")),
}
ICANS_INPUTS: dict[str, tuple[str, Parser]] = {
    "days_since_infusion": ("days_since_infusion", integer),
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
    "loc_attributable_to_ie": ("consciousness_attributable", optional(yes_no)),
    "seizure": ("seizure", SEIZURE),
    "seizure_minutes": ("seizure_minutes", optional(decimal)),
    "motor_deep_focal_weakness": ("deep_focal_weakness", yes_no),
    "cerebral_oedema": ("cerebral_oedema", OEDEMA),
    "icp_sign": ("pressure_sign", PRESSURE),
    "intracranial_haemorrhage": ("intracranial_haemorrhage", yes_no),
    "attributable_to_other_cause": ("attributable_to_other_cause", yes_no),
    "death": ("death", _deaths(IcansDeath, "icans")),
}
EXPECTED: dict[str, Parser] = {"grade": optional(integer), "determinant": words, "review_flag": words}


# An attribution may stay empty where there is nothing to attribute: column → whether there is something.
Needed = Callable[[Mapping[str, Any]], bool]
CRS_ATTRIBUTIONS: dict[str, Needed] = {
    "fever_attributable_to_crs": lambda row: row["temp_c"] is None or row["temp_c"] >= crs.FEVER_C,
    "hypotension_attributable_to_crs": lambda row: bool(
        row["hypotension"] or row["n_vasopressors_excl_vasopressin"] or row["vasopressin"]
    ),
    "o2_need_reason": lambda row: row["o2_device"] is not OxygenDevice.NONE,
}
ICANS_ATTRIBUTIONS: dict[str, Needed] = {
    "loc_attributable_to_ie": lambda row: (
        row["consciousness"] is not Consciousness.ALERT or row["ice_performed"] is IcePerformed.UNABLE_UNAROUSABLE
    ),
}


def _given(inputs: Mapping[str, Any], attributions: Mapping[str, Needed]) -> dict[str, Any]:
    """The inputs without attributions of nothing. Raises UnusableValue for one that is missing."""
    for column, is_needed in attributions.items():
        if inputs[column] is None and is_needed(inputs):
            raise UnusableValue(column, "it is empty, but there is a finding whose cause it has to tell")
    return {column: value for column, value in inputs.items() if column not in attributions or value is not None}


def _findings(kind: Any, columns: Mapping[str, tuple[str, Parser]], given: Mapping[str, Any]) -> Any:
    try:
        return kind(**{columns[column][0]: value for column, value in given.items()})
    except ImpossibleFinding as error:
        column = next(column for column, (name, _parser) in columns.items() if name == error.name)
        raise UnusableValue(column, str(error)) from None


def _ordinary(kind: Any, columns: Mapping[str, tuple[str, Parser]]) -> dict[str, Any]:
    """What a finding is when there is nothing to say about it."""
    defaults = {field.name: field.default for field in fields(kind) if field.default is not MISSING}
    return {column: defaults[name] for column, (name, _parser) in columns.items() if name in defaults}


def grade_crs(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    graded = crs.grade(_findings(CrsFindings, CRS_INPUTS, _given(inputs, CRS_ATTRIBUTIONS)))
    return _computed(graded), _sentence(graded, crs.REASON_TEXT, crs.FLAG_TEXT)


def grade_icans(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    given = _given(inputs, ICANS_ATTRIBUTIONS)
    given["ice_performed"] = given["ice_performed"] or IcePerformed.NOT_DONE
    graded = icans.grade(_findings(IcansFindings, ICANS_INPUTS, given))
    computed = {**_computed(graded), "ice_total": graded.ice_total}
    return computed, _sentence(graded, icans.REASON_TEXT, icans.FLAG_TEXT)


def _parsers(columns: Mapping[str, tuple[str, Parser]]) -> dict[str, Parser]:
    return {column: parser for column, (_name, parser) in columns.items()}


CASES = {
    "crs": CaseTable(_parsers(CRS_INPUTS), EXPECTED, grade_crs, ordinary=_ordinary(CrsFindings, CRS_INPUTS)),
    "icans": CaseTable(
        _parsers(ICANS_INPUTS),
        {"ice_total": optional(integer), **EXPECTED},
        grade_icans,
        ordinary=_ordinary(IcansFindings, ICANS_INPUTS),
    ),
}
