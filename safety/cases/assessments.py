"""How tables of worked cases map to the rules of safety."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from safety.choices import FINDING_NAMES, name_of
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
    Column,
    UnusableValue,
    Word,
    choice,
    column,
    decimal,
    integer,
    mark,
    one_of,
    several,
    yes_no,
)

Words = tuple[Word, ...]


def _known(kind: Any, **also: Any) -> Words:
    """The rule's own words, and others that people use for the same."""
    return tuple(
        Word(
            member.value,
            member,
            name_of(kind, member.value),
            tuple(text for text, meant in also.items() if meant is member),
        )
        for member in kind
    )


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


def _deaths(kind: Any, due: str) -> Words:
    """Whether death was due to the toxicity; any other death changes no grade."""
    other = ("relapse", "progression", "disease_progression", "infection", "other_cause", f"not_{due}")
    own = (f"due_to_{due}", f"{due}_death")
    return _known(
        kind, no=kind.NONE, alive=kind.NONE, **dict.fromkeys(own, kind(due)), **dict.fromkeys(other, kind.OTHER)
    )


# Y, or N with its reason. None: CAPD was used instead.
ICE_PERFORMED = (
    Word("Y", IcePerformed.YES, name_of(IcePerformed, "yes"), ("yes",)),
    Word(
        "N",
        IcePerformed.NOT_DONE,
        name_of(IcePerformed, "not_done"),
        (
            "no",
            "not_done",
            "N_not_done",
            "N_refused",
            "N_declined",
            "N_sedated",
            "N_sedation",
            "N_unable_sedated",
            "N_asleep",
        ),
    ),
    Word(
        "N_unable_arousable",
        IcePerformed.UNABLE_AROUSABLE,
        name_of(IcePerformed, "unable_arousable"),
        (
            "N_unable",
            "N_arousable",
            "N_aphasia",
            "N_aphasic",
            "N_global_aphasia",
            "N_unable_aphasia",
            "N_unable_aphasic",
            "N_unable_awake",
            "N_cannot",
        ),
    ),
    Word(
        "N_unable_unarousable",
        IcePerformed.UNABLE_UNAROUSABLE,
        name_of(IcePerformed, "unable_unarousable"),
        (
            "N_unarousable",
            "N_coma",
            "N_comatose",
            "N_unable_coma",
            "N_unable_comatose",
            "N_stupor",
            "N_unable_stupor",
        ),
    ),
    Word("N_capd_used", None, _("CAPD was used instead"), ("N_capd", "N_use_capd", "N_capd_instead")),
)
ice_performed = one_of(ICE_PERFORMED)


def _sentence(graded: Graded, texts: Mapping[str, str], flags: Mapping[str, str]) -> str:
    said = [gettext(texts[reason.code]).format(**reason.values) for reason in graded.reasons]
    return " ".join([*said, *(f"[{flag}] {gettext(flags[flag])}" for flag in graded.flags)])


def _computed(graded: Graded) -> dict[str, Any]:
    return {
        "grade": graded.grade,
        "determinant": frozenset(graded.determinants),
        "review_flag": frozenset(graded.flags),
    }


CRS_INPUTS: dict[str, tuple[str, Column]] = {
    "days_since_infusion": ("days_since_infusion", column(FINDING_NAMES["days_since_infusion"], integer, "3")),
    "temp_c": ("temperature_c", column(FINDING_NAMES["temperature_c"], decimal, "38.0", optional=True)),
    "fever_attributable_to_crs": (
        "fever_attributable",
        column(FINDING_NAMES["fever_attributable"], yes_no, "Y", optional=True),
    ),
    "crs_established_this_episode": ("crs_established", column(FINDING_NAMES["crs_established"], yes_no)),
    "antipyretic_or_anticytokine_or_steroid_given": (
        "antipyretic_or_anticytokine_given",
        column(FINDING_NAMES["antipyretic_or_anticytokine_given"], yes_no),
    ),
    "hypotension": ("hypotension", column(FINDING_NAMES["hypotension"], yes_no)),
    "hypotension_attributable_to_crs": (
        "hypotension_attributable",
        column(FINDING_NAMES["hypotension_attributable"], yes_no, "Y", optional=True),
    ),
    "n_vasopressors_excl_vasopressin": ("vasopressors", column(FINDING_NAMES["vasopressors"], integer, "0")),
    "vasopressin": ("vasopressin", column(FINDING_NAMES["vasopressin"], yes_no)),
    "o2_device": ("oxygen_device", choice(FINDING_NAMES["oxygen_device"], DEVICE)),
    "o2_flow_l_min": ("oxygen_flow_l_min", column(FINDING_NAMES["oxygen_flow_l_min"], decimal, optional=True)),
    "o2_need_reason": ("oxygen_reason", choice(FINDING_NAMES["oxygen_reason"], OXYGEN_REASON, optional=True)),
    "death": ("death", choice(FINDING_NAMES["death"], _deaths(CrsDeath, "crs"))),
}
ICANS_INPUTS: dict[str, tuple[str, Column]] = {
    "days_since_infusion": ("days_since_infusion", column(FINDING_NAMES["days_since_infusion"], integer, "3")),
    "age_years": ("age_years", column(FINDING_NAMES["age_years"], integer, "34")),
    "use_capd": ("use_capd", column(FINDING_NAMES["use_capd"], yes_no)),
    "orientation_0_4": ("orientation", column(FINDING_NAMES["orientation"], integer, "4", optional=True)),
    "naming_0_3": ("naming", column(FINDING_NAMES["naming"], integer, "3", optional=True)),
    "commands_0_1": ("commands", column(FINDING_NAMES["commands"], integer, "1", optional=True)),
    "writing_0_1": ("writing", column(FINDING_NAMES["writing"], integer, "1", optional=True)),
    "attention_0_1": ("attention", column(FINDING_NAMES["attention"], integer, "1", optional=True)),
    "ice_performed": ("ice_performed", choice(FINDING_NAMES["ice_performed"], ICE_PERFORMED)),
    "capd_score": ("capd_score", column(FINDING_NAMES["capd_score"], integer, optional=True)),
    "consciousness": ("consciousness", choice(FINDING_NAMES["consciousness"], CONSCIOUSNESS)),
    "loc_attributable_to_ie": (
        "consciousness_attributable",
        column(FINDING_NAMES["consciousness_attributable"], yes_no, "Y", optional=True),
    ),
    "seizure": ("seizure", choice(FINDING_NAMES["seizure"], SEIZURE)),
    "seizure_minutes": ("seizure_minutes", column(FINDING_NAMES["seizure_minutes"], decimal, optional=True)),
    "motor_deep_focal_weakness": ("deep_focal_weakness", column(FINDING_NAMES["deep_focal_weakness"], yes_no)),
    "cerebral_oedema": ("cerebral_oedema", choice(FINDING_NAMES["cerebral_oedema"], OEDEMA)),
    "icp_sign": ("pressure_sign", choice(FINDING_NAMES["pressure_sign"], PRESSURE)),
    "intracranial_haemorrhage": ("intracranial_haemorrhage", column(FINDING_NAMES["intracranial_haemorrhage"], yes_no)),
    "attributable_to_other_cause": (
        "attributable_to_other_cause",
        column(FINDING_NAMES["attributable_to_other_cause"], yes_no),
    ),
    "death": ("death", choice(FINDING_NAMES["death"], _deaths(IcansDeath, "icans"))),
}


def _flags(texts: Mapping[str, str]) -> Words:
    return tuple(Word(flag, flag, text) for flag, text in texts.items())


CRS_DETERMINANTS = (
    Word("fever", "fever", _("fever")),
    Word("hypotension", "hypotension", FINDING_NAMES["hypotension"]),
    Word("hypoxia", "hypoxia", _("hypoxia")),
    Word("death", "death", FINDING_NAMES["death"]),
)
ICANS_DETERMINANTS = (
    Word("ice", "ice", _("ICE score")),
    Word("capd", "capd", FINDING_NAMES["capd_score"]),
    Word("consciousness", "consciousness", FINDING_NAMES["consciousness"]),
    Word("seizure", "seizure", FINDING_NAMES["seizure"]),
    Word("motor", "motor", FINDING_NAMES["deep_focal_weakness"]),
    Word("icp", "icp", _("oedema, or a sign of raised intracranial pressure")),
    Word("death", "death", FINDING_NAMES["death"]),
)
GRADE = _("grade; empty: not gradable")


def _expected(determinants: Words, example: str, flags: Mapping[str, str]) -> dict[str, Column]:
    return {
        "grade": column(GRADE, integer, "1" if example else "0", optional=True),
        "determinant": several(_("what decides the grade"), determinants, example or "none"),
        "review_flag": several(_("flags for review"), _flags(flags)),
    }


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
    for name, is_needed in attributions.items():
        if inputs[name] is None and is_needed(inputs):
            raise UnusableValue(name, mark("it is empty, but there is a finding whose cause it has to tell"))
    return {column: value for column, value in inputs.items() if column not in attributions or value is not None}


def _findings(kind: Any, columns: Mapping[str, tuple[str, Column]], given: Mapping[str, Any]) -> Any:
    try:
        return kind(**{columns[column][0]: value for column, value in given.items()})
    except ImpossibleFinding as error:
        column = next(column for column, (name, _column) in columns.items() if name == error.name)
        raise UnusableValue(column, str(error)) from None


def _ordinary(kind: Any, columns: Mapping[str, tuple[str, Column]]) -> dict[str, Any]:
    """What a finding is when there is nothing to say about it."""
    defaults = {field.name: field.default for field in fields(kind) if field.default is not MISSING}
    return {column: defaults[name] for column, (name, _column) in columns.items() if name in defaults}


def grade_crs(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    graded = crs.grade(_findings(CrsFindings, CRS_INPUTS, _given(inputs, CRS_ATTRIBUTIONS)))
    return _computed(graded), _sentence(graded, crs.REASON_TEXT, crs.FLAG_TEXT)


def grade_icans(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    given = _given(inputs, ICANS_ATTRIBUTIONS)
    given["ice_performed"] = given["ice_performed"] or IcePerformed.NOT_DONE
    graded = icans.grade(_findings(IcansFindings, ICANS_INPUTS, given))
    computed = {**_computed(graded), "ice_total": graded.ice_total}
    return computed, _sentence(graded, icans.REASON_TEXT, icans.FLAG_TEXT)


def _columns(columns: Mapping[str, tuple[str, Column]]) -> dict[str, Column]:
    return {name: one for name, (_finding, one) in columns.items()}


CASES = {
    "crs": CaseTable(
        _columns(CRS_INPUTS),
        _expected(CRS_DETERMINANTS, "fever", crs.FLAG_TEXT),
        grade_crs,
        ordinary=_ordinary(CrsFindings, CRS_INPUTS),
    ),
    "icans": CaseTable(
        _columns(ICANS_INPUTS),
        {
            "ice_total": column(_("ICE score of 10; empty: not scored"), integer, "10", optional=True),
            **_expected(ICANS_DETERMINANTS, "", icans.FLAG_TEXT),
        },
        grade_icans,
        ordinary=_ordinary(IcansFindings, ICANS_INPUTS),
    ),
}
