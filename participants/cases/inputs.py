"""The inputs of each criterion in a table of worked cases: names, what may be written, and which fact each gives.

Every input is declared once, under the criterion or the lettered part that asks for it; reading, errors and the list of
columns come from here. A name that stands nowhere here is an error: it is never taken for another that is like it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from participants.cases import parsers
from participants.cases.parsers import Quantity
from participants.names import MEASURE_NAMES, answer_name
from participants.rules.measures import MEASURES
from participants.rules.measures import Kind as MeasureKind
from trialsite import casetables
from trialsite.casetables import Column, Kind, Word, one_of

COLUMN = "inputs_json"


class Case(Protocol):
    """What inputs write into: the facts and days of one case."""

    anchors: dict[str, Any]

    def put(self, code: str, value: Any) -> None: ...
    def suppose(self, code: str, value: Any) -> None: ...
    def limit(self, kind: str, code: str, value: Any, unit: str = "") -> None: ...
    def raw(self, code: str, value: Any, unit: str) -> None: ...
    def times_upper_limit(self, code: str, value: Any) -> None: ...
    def count_half_lives(self, value: Any) -> None: ...


@dataclass(frozen=True)
class Input:
    """One named input of a criterion, and where its value goes."""

    column: Column
    put: Callable[[Case, Any], None]


AMERICAN = (("haem", "hem"), ("aemi", "emi"), ("oedema", "edema"), ("sterilis", "steriliz"), ("tumour", "tumor"))


def _spelt(names: Iterable[str]) -> tuple[str, ...]:
    """The names, and the same in American spelling."""
    found = dict.fromkeys(names)
    for name in list(found):
        for british, american in AMERICAN:
            name = name.replace(british, american)
        found[name] = None
    return tuple(found)


YES_NO = (
    Word("true", "yes", _("yes"), ("yes", "y", "1", "present")),
    Word("false", "no", _("no"), ("no", "n", "0", "none", "absent")),
)
# Other words for the answers of the measures, as people write them.
ALSO: dict[tuple[str, str], tuple[str, ...]] = {
    ("DIAGNOSIS", "b_all"): (
        "b_cell_all",
        "pre_b_all",
        "bcp_all",
        "ph_positive_b_all",
        "ph_negative_b_all",
        "b_cell_acute_lymphoblastic_leukaemia",
    ),
    ("DIAGNOSIS", "burkitt"): ("burkitt_leukaemia", "burkitt_lymphoma", "burkitt_lymphoma_leukaemia"),
    ("DIAGNOSIS", "cml_blast"): (
        "cml_bp",
        "cml_bc",
        "cml_blast_phase",
        "cml_blast_crisis",
        "blast_phase_cml",
        "cml_lymphoid_blast_phase",
        "cml_bp_lymphoid",
    ),
    ("DIAGNOSIS", "t_all"): ("t_cell_all", "t_cell_acute_lymphoblastic_leukaemia"),
    ("DIAGNOSIS", "other"): (
        "aml",
        "acute_myeloid_leukaemia",
        "mds",
        "cml_chronic_phase",
        "cml_cp",
        "cll",
        "dlbcl",
        "lymphoma",
        "multiple_myeloma",
    ),
    ("EFFUSION", "none"): ("no", "false", "absent"),
    ("EFFUSION", "trace"): ("physiological", "minimal", "small"),
    ("EFFUSION", "significant"): ("yes", "true", "clinically_significant"),
    ("EFFUSION", "not_significant"): ("not_clinically_significant",),
    ("CD19", "positive"): ("pos",),
    ("CD19", "negative"): ("neg",),
    ("CD19", "partial"): ("dim", "partially_positive", "weak"),
    ("CD19_METHOD", "flow"): ("flow_cytometry", "fcm"),
    ("CD19_METHOD", "ihc"): ("immunohistochemistry",),
    ("CD19_METHOD", "other"): ("pcr", "ngs", "immunofluorescence"),
    ("CD19_SAMPLE", "initial_diagnosis"): ("diagnosis", "first_diagnosis"),
    ("CD19_SAMPLE", "relapse"): ("relapse_diagnosis",),
    ("CD19_SAMPLE", "other"): ("biopsy", "screening"),
    ("PB_BLASTS", "present"): ("true", "yes"),
    ("PB_BLASTS", "absent"): ("false", "no", "none"),
    ("NYHA", "none"): ("0", "no", "false"),
    ("NYHA", "1"): ("i",),
    ("NYHA", "2"): ("ii",),
    ("NYHA", "3"): ("iii",),
    ("NYHA", "4"): ("iv",),
    **{
        (code, answer): also
        for code in ("HBSAG", "HCVAB", "HIVAB", "HCG_SERUM", "HCG_URINE")
        for answer, also in (("negative", ("neg", "non_reactive")), ("positive", ("pos", "reactive")))
    },
}
# A named syndrome is a yes.
SYNDROMES = (
    "fanconi",
    "fanconi_anaemia",
    "kostmann",
    "kostmann_syndrome",
    "shwachman",
    "shwachman_syndrome",
    "shwachman_diamond",
    "shwachman_diamond_syndrome",
    "diamond_blackfan",
    "diamond_blackfan_anaemia",
    "dyskeratosis_congenita",
    "other",
)
SYNDROME = (replace(YES_NO[0], also=(*YES_NO[0].also, *_spelt(SYNDROMES))), YES_NO[1])
GUARDIAN = tuple(replace(word, value=word.value == "yes") for word in YES_NO)
SEX = (Word("F", "F", _("woman"), ("female",)), Word("M", "M", _("man"), ("male",)))


# --- How a declaration is made -------------------------------------------------------------------


def _named(text: Any, code: str) -> Any:
    """A label with the name of its measure, put together in the reader's language when it is shown."""
    return lazy(lambda: str(text) % {"name": MEASURE_NAMES[code]}, str)()


def _words_of(code: str) -> tuple[Word, ...]:
    choices = MEASURES[code].choices
    if choices == ("yes", "no"):
        return YES_NO
    return tuple(
        Word(answer, answer, answer_name(code, answer), _spelt(ALSO.get((code, answer), ()))) for answer in choices
    )


def _column_of(code: str, example: str) -> Column:
    measure, label = MEASURES[code], MEASURE_NAMES[code]
    if measure.kind == MeasureKind.NUMBER:
        kind = Kind.LOAD if measure.has_lloq else Kind.BOUND if measure.takes_bound else Kind.NUMBER
        unit = answer_name("unit", measure.unit)
        return Column(label, parsers.of_measure(measure), kind, example, unit)
    if measure.kind == MeasureKind.DATE:
        return Column(label, parsers.partial_day, Kind.PARTIAL_DAY, example)
    words = _words_of(code)
    return Column(label, one_of(words), Kind.YES_NO if words is YES_NO else Kind.WORD, example, words=words)


def _measured(code: str, example: str, *also: str) -> Input:
    return Input(replace(_column_of(code, example), also=_spelt(also)), lambda case, value: case.put(code, value))


def _flag(code: str, *also: str) -> Input:
    return _measured(code, "false", *also)


def _told(label: Any, column: Column | None = None, *also: str) -> Input:
    """Told beside an answer; no rule asks for it."""
    shown = column or Column(label, one_of(YES_NO), Kind.YES_NO, "false", words=YES_NO)
    return Input(replace(shown, label=label, also=_spelt(also)), lambda _case, _value: None)


def _ratio(code: str, label: Any, *also: str) -> Input:
    column = Column(label, parsers.bounded, Kind.BOUND, "1.0", "× ULN", also=also)
    return Input(column, lambda case, value: case.times_upper_limit(code, value))


def _raw(code: str, unit: str, example: str, *also: str) -> Input:
    label = _named(_("%(name)s as printed, with its upper limit"), code)
    column = Column(label, parsers.bounded, Kind.BOUND, example, answer_name("unit", unit), also=also)
    return Input(column, lambda case, value: case.raw(code, value, unit))


def _upper(code: str, unit: str, example: str, *also: str) -> Input:
    label = _named(_("upper limit of normal: %(name)s"), code) if code else _("upper limit of normal")
    column = Column(label, parsers.above_zero, Kind.NUMBER, example, answer_name("unit", unit), also=also)
    return Input(column, lambda case, value: case.limit("upper", code, value, unit))


def _lloq(code: str, *also: str) -> Input:
    label = _named(_("limit of quantification: %(name)s"), code) if code else _("limit of quantification")
    column = Column(label, parsers.above_zero, Kind.NUMBER, "20", also=also)
    return Input(column, lambda case, value: case.limit("lloq", code, value))


def _chemistry(code: str, name: str, long_name: str, units: Mapping[str, tuple[str, str, str]]) -> dict[str, Input]:
    """A value of the laboratory: as a ratio, or as printed with its upper limit; suffix → unit and two examples."""
    ratio = _named(_("%(name)s, as a multiple of the upper limit"), code)
    found = {f"{name}_x_uln": _ratio(code, ratio, f"{long_name}_x_uln")}
    for suffix, (unit, value, limit) in units.items():
        also = (f"{long_name}{suffix}",) if long_name != name else ()
        found[f"{name}{suffix}"] = _raw(code, unit, value, *also)
        uppers = (f"{name}{suffix}_uln", f"uln_{name}{suffix}", f"{long_name}_uln{suffix}", f"{long_name}{suffix}_uln")
        names = tuple(dict.fromkeys(one for one in uppers if one != f"{name}_uln{suffix}"))
        found[f"{name}_uln{suffix}"] = _upper(code, unit, limit, *names)
    return found


def _anchor(name: str, column: Column) -> Input:
    def put(case: Case, value: Any) -> None:
        case.anchors[name] = value

    return Input(column, put)


def _day(name: str, label: Any, *also: str) -> Input:
    return _anchor(name, Column(label, parsers.day, Kind.DAY, "2025-08-01", also=also))


def _words(answers: tuple[Word, ...], label: Any, example: str) -> Column:
    return Column(label, one_of(answers), Kind.WORD, example, words=answers)


# --- Inputs whose value is more than one fact ------------------------------------------------------


def _event_date(code: str) -> Input:
    """A date of an event says that there was one."""

    def put(case: Case, value: Any) -> None:
        case.suppose(code, "yes")
        case.put(f"{code}_DATE", value)

    return Input(_column_of(f"{code}_DATE", "2024-07"), put)


def _cd19_flow() -> Input:
    def put(case: Case, value: Any) -> None:
        case.put("CD19", value)
        case.suppose("CD19_METHOD", "flow")

    label = _("CD19 of the leukaemia cells, by flow cytometry")
    return Input(replace(_column_of("CD19", "positive"), label=label), put)


def _qtcb() -> Input:
    """QTcB as printed: the QT interval at one beat a second."""

    def put(case: Case, value: Any) -> None:
        case.put("QT", value)
        case.put("RR", None if value is None else Quantity(parsers.decimal("1000")))

    return Input(replace(_column_of("QT", "440"), label=_("QTcB as printed (Bazett)")), put)


# --- The inputs ------------------------------------------------------------------------------------

COMMON: dict[str, Input] = {
    "icf_signed_date": _day("consented_on", _("day of the consent"), "consent_date"),
    "first_screening_procedure_date": _day("first_procedure_on", _("day of the first study procedure")),
    "screening_date": _day("screened_on", _("day of the screening")),
    "planned_infusion_date": _day("infusion_on", _("day of the infusion, planned or real"), "infusion_date"),
    "birth_date": _anchor(
        "birth_date",
        Column(_("date of birth, as far as it is known"), parsers.partial_day, Kind.PARTIAL_DAY, "1990-05"),
    ),
    "sex": _anchor("sex", _words(SEX, _("sex"), "F")),
}
_MOLES = {"": ("", "90", "104"), "_umol_l": ("umol/L", "90", "104"), "_mg_dl": ("mg/dL", "1.0", "1.2")}
_ENZYME = {"": ("", "30", "40"), "_u_l": ("U/L", "30", "40")}
_YEARS = Column(_("age at consent, completed years"), casetables.integer, Kind.WHOLE, "17", _("years"))
_HALF_LIVES = Column(_("half-lives between the last dose and the infusion"), parsers.amount, Kind.NUMBER, "5.0")
_HALF_LIFE = Column(MEASURE_NAMES["AGENT_HALF_LIFE"], parsers.above_zero, Kind.NUMBER, "12", "h")
_AGENT: dict[str, Input] = {
    "other_interventional_trial": _flag("OTHER_TRIAL", "other_trial"),
    "received_agent": _flag("TRIAL_AGENT", "received_investigational_agent"),
    "marketed": _flag("AGENT_MARKETED", "agent_marketed", "is_marketed"),
    "last_dose_date": _measured("AGENT_LAST_DOSE", "2024-07-01"),
}

INPUTS: dict[str, dict[str, Input]] = {
    "INCL01": {
        "willing_able": _measured("WILLING_ABLE", "true"),
        "guardian_signed": _anchor(
            "has_guardian",
            replace(
                _words(GUARDIAN, _("the guardian's consent and the participant's assent"), "true"),
                also=(
                    "guardian_consented",
                    "guardian_consent",
                    "guardian_consent_signed",
                    "guardian_icf_signed",
                    "guardian_icf",
                    "guardian_signature",
                    "has_guardian",
                    "legal_guardian_signed",
                ),
            ),
        ),
        "age": _anchor("age", replace(_YEARS, also=("age_years",))),
    },
    "INCL02": {
        "diagnosis": _measured("DIAGNOSIS", "B-ALL"),
        "bm_blast_pct": _measured("BM_BLASTS", "2.0"),
        "pb_blasts_present": _measured("PB_BLASTS", "false", "pb_blasts"),
        "extramedullary": _flag("EXTRAMEDULLARY", "extramedullary_leukaemia", "extramedullary_disease"),
        "hsct_ineligible": _measured("HSCT_INELIGIBLE", "true"),
        "no_donor": _flag("NO_DONOR"),
        "declines_hsct": _flag("DECLINES_HSCT"),
    },
    "INCL03": {},
    "INCL04": {"ecog": _measured("ECOG", "1")},
    "INCL05": {
        "cd19": _measured("CD19", "positive"),
        "cd19_flow": _cd19_flow(),
        "method": _measured("CD19_METHOD", "flow", "cd19_method"),
        "sample": _measured("CD19_SAMPLE", "initial_diagnosis", "cd19_sample"),
    },
    "INCL06": {"expected_survival_months": _measured("SURVIVAL_MONTHS", "6")},
    "INCL07a": {**_chemistry("CREAT", "creatinine", "serum_creatinine", _MOLES), "uln": _upper("", "", "104")},
    "INCL07b": {"lvef_pct": _measured("LVEF", "60", "lvef")},
    "INCL07c": {
        "spo2_pct": _measured("OXYSAT", "97", "spo2"),
        "on_oxygen": _flag("ON_OXYGEN", "supplemental_oxygen"),
    },
    "INCL07d": {
        **_chemistry("BILI", "tbil", "total_bilirubin", _MOLES),
        **_chemistry("ALT", "alt", "alt", _ENZYME),
        **_chemistry("AST", "ast", "ast", _ENZYME),
        "uln": _upper("", "", "40"),
    },
    "INCL08": {"venous_access": _measured("VENOUS_ACCESS", "true")},
    "INCL08a": {"hb_g_l": _measured("HGB", "100", "hgb_g_l")},
    "INCL08b": {"anc_10e9_l": _measured("NEUT", "2.0")},
    "INCL08c": {"plt_10e9_l": _measured("PLAT", "150")},
    "INCL09": {
        "serum_hcg": _measured("HCG_SERUM", "negative"),
        "urine_hcg": _measured("HCG_URINE", "negative"),
        "surgically_sterilised": _flag("STERILISED", "sterilised", "surgical_sterilisation"),
        "postmenopausal_years": _measured("POSTMENOPAUSAL_YEARS", "3"),
        "reproductive_potential": _measured("REPRODUCTIVE", "true"),
        "contraception_agreed": _measured("CONTRACEPTION", "true"),
    },
    "EXCL01": {
        "mpal": _flag(
            "MPAL",
            "mixed_lineage",
            "mixed_lineage_leukaemia",
            "mixed_phenotype",
            "biphenotypic",
            "biphenotypic_leukaemia",
            "mixed_lineage_or_biphenotypic",
        )
    },
    "EXCL02": {
        "prior_cart": _flag("PRIOR_CART", "prior_car_t", "prior_car_t_therapy", "prior_cart_therapy"),
        **{
            f"prior_{name}": _told(_("another treatment before, which is no CAR-T cells"))
            for name in ("blinatumomab", "inotuzumab", "bispecific", "immunotherapy", "chemotherapy", "hsct")
        },
    },
    "EXCL03": {
        "bmf_syndrome": Input(
            replace(
                _words(SYNDROME, MEASURE_NAMES["MARROW_FAILURE"], "false"),
                also=_spelt(
                    (
                        "marrow_failure",
                        "bone_marrow_failure",
                        "bone_marrow_failure_syndrome",
                        "marrow_failure_syndrome",
                        "inherited_marrow_failure",
                        "inherited_bone_marrow_failure",
                        "fanconi_anaemia",
                        "kostmann_syndrome",
                        "shwachman_syndrome",
                    )
                ),
            ),
            lambda case, value: case.put("MARROW_FAILURE", value),
        )
    },
    "EXCL04a": {
        "hbv_dna_iu_ml": _measured("HBVDNA", "0", "hbv_dna"),
        "hbv_dna_lloq": _lloq("HBVDNA", "hbv_lloq"),
        "lloq": _lloq(""),
        "hbsag": _told(_("told beside it, and not asked by the criterion"), _column_of("HBSAG", "negative")),
    },
    "EXCL04b": {
        "hcv_ab": _measured("HCVAB", "negative", "hcv_antibody", "anti_hcv"),
        "hcv_rna": _told(
            _("told beside it, and not asked by the criterion"),
            Column("", str, Kind.TEXT, "negative"),
            "hcv_rna_iu_ml",
        ),
    },
    "EXCL04c": {
        "ebv_dna": _measured("EBVDNA", "0", "ebv_dna_copies_ml", "ebv_dna_iu_ml"),
        "cmv_dna": _measured("CMVDNA", "0", "cmv_dna_copies_ml", "cmv_dna_iu_ml"),
        "ebv_dna_lloq": _lloq("EBVDNA", "ebv_lloq"),
        "cmv_dna_lloq": _lloq("CMVDNA", "cmv_lloq"),
        "lloq": _lloq(""),
    },
    "EXCL04d": {"hiv_ab": _measured("HIVAB", "negative", "hiv_antibody", "anti_hiv")},
    "EXCL05": {
        "other_malignancy": _flag("OTHER_MALIGNANCY"),
        "active": _flag("MALIGNANCY_ACTIVE", "malignancy_active"),
        "last_treatment_date": _measured("MALIGNANCY_TREATED_UNTIL", "2015"),
        "low_recurrence_risk_by_investigator": _measured("MALIGNANCY_LOW_RISK", "true", "low_recurrence_risk"),
    },
    "EXCL06a": {"nyha": _measured("NYHA", "1", "nyha_class")},
    "EXCL06b": {
        "arrhythmia": _flag(
            "ARRHYTHMIA",
            "severe_arrhythmia",
            "arrhythmia_requiring_treatment",
            "severe_arrhythmia_requiring_treatment",
            "conduction_abnormality",
            "conduction_abnormalities",
            "significant_conduction_abnormality",
            "clinically_significant_conduction_abnormality",
        ),
        "qt_ms": _measured("QT", "400"),
        "rr_ms": _measured("RR", "1000"),
        "rr_s": Input(
            Column(MEASURE_NAMES["RR"], parsers.seconds, Kind.NUMBER, "1.0", "s"),
            lambda case, value: case.put("RR", value),
        ),
        "heart_rate_bpm": _measured("EGHR", "60", "heart_rate", "hr_bpm"),
        "qtcb_ms": _qtcb(),
        "qtcf_ms": _measured("QTCF", "430"),
    },
    "EXCL06c": {
        "sbp": _measured("SYSBP", "120", "sbp_mmhg"),
        "dbp": _measured("DIABP", "80", "dbp_mmhg"),
        "on_standard_treatment": _measured("HTN_TREATED", "true"),
        "pulmonary_hypertension": _flag("PULM_HTN"),
    },
    "EXCL06d": {"unstable_angina": _flag("UNSTABLE_ANGINA")},
    "EXCL06e": {
        "event": _flag(
            "CARDIAC_EVENT",
            "mi",
            "myocardial_infarction",
            "cabg",
            "coronary_artery_bypass",
            "coronary_artery_bypass_grafting",
            "stent",
            "stent_placement",
            "mi_cabg_stent",
        ),
        "event_date": _event_date("CARDIAC_EVENT"),
    },
    "EXCL06f": {
        "valve_disease": _flag(
            "VALVE_DISEASE",
            "valvular_disease",
            "valvular_heart_disease",
            "significant_valve_disease",
            "significant_valvular_disease",
            "clinically_significant_valve_disease",
            "clinically_significant_valvular_disease",
            "clinically_significant_valvular_heart_disease",
        )
    },
    "EXCL06g": {
        "other_cardiac": _flag(
            "OTHER_CARDIAC",
            "other_cardiac_disease",
            "other_heart_disease",
            "other_cardiac_by_investigator",
            "other_cardiac_disease_by_investigator",
        )
    },
    "EXCL07": {
        "uncontrolled_epilepsy": _flag("EPILEPSY", "epilepsy_uncontrolled"),
        "stroke": _flag(
            "STROKE",
            "stroke_history",
            "history_of_stroke",
            "ischaemic_stroke",
            "ischaemic_stroke_history",
            "haemorrhagic_stroke",
            "haemorrhagic_stroke_history",
            "cerebrovascular_ischaemia",
            "cerebrovascular_ischaemia_history",
            "cerebrovascular_haemorrhage",
            "cerebrovascular_haemorrhage_history",
            "cerebrovascular_ischaemia_haemorrhage",
            "cerebrovascular_ischaemia_or_haemorrhage",
            "cerebrovascular_event",
            "cerebrovascular_event_history",
            "cerebrovascular_accident",
            "cerebral_ischaemia",
            "cerebral_haemorrhage",
            "cerebral_infarction",
            "intracranial_haemorrhage",
        ),
        "cerebellar_disease": _flag("CEREBELLAR"),
        "other_active_cns_disorder": _flag(
            "OTHER_CNS",
            "other_cns_disorder",
            "other_active_cns",
            "active_cns_disorder",
            "active_cns_disease",
            "other_cns_disease",
            "other_cns",
        ),
        "cns_leukaemia_history_in_remission": _flag("CNS_LEUKAEMIA", "cns_leukaemia_in_remission"),
    },
    "EXCL08": {
        "effusion": _measured(
            "EFFUSION", "none", "pericardial_effusion", "pleural_effusion", "pericardial_or_pleural_effusion"
        )
    },
    "EXCL09": {
        "event": _flag("DVT_PE", "dvt", "pe", "dvt_pe", "deep_vein_thrombosis", "pulmonary_embolism"),
        "event_date": _event_date("DVT_PE"),
    },
    "EXCL10": {
        "hypersensitivity": _flag(
            "HYPERSENSITIVITY", "known_hypersensitivity", "allergy", "hypersensitivity_to_component"
        )
    },
    "EXCL11": {
        "live": _flag("LIVE_VACCINE", "live_vaccine", "is_live"),
        "vaccine_date": _measured("LIVE_VACCINE_DATE", "2024-07-01"),
    },
    "EXCL12": {
        "infection": _flag(
            "INFECTION",
            "active_infection",
            "severe_infection",
            "uncontrolled_infection",
            "severe_active_infection",
            "severe_uncontrolled_infection",
            "severe_uncontrolled_active_infection",
            "uncontrolled_active_infection",
        )
    },
    "EXCL13a": _AGENT,
    "EXCL13b": {
        **_AGENT,
        "half_lives_elapsed": Input(_HALF_LIVES, lambda case, value: case.count_half_lives(value)),
        "half_life_h": Input(
            replace(_HALF_LIFE, also=("half_life_hours",)), lambda case, value: case.put("AGENT_HALF_LIFE", value)
        ),
    },
    "EXCL14": {"unsuitable": _flag("UNSUITABLE", "other_unsuitable", "unsuitable_by_investigator", "other_condition")},
    "EXCL15": {
        "impaired": _flag(
            "IMPAIRED",
            "unsuitable",
            "cognitive_impairment",
            "physical_or_cognitive_impairment",
            "unable_to_consent",
            "unable_to_comply",
            "unwilling_or_unable",
            "impaired_consent",
        )
    },
}

# One case of each criterion that is met: what `--columns` shows, and a table to begin with.
EXAMPLES: dict[str, str] = {
    "I1": '{"icf_signed_date": "2025-08-01", "first_screening_procedure_date": "2025-08-01", "willing_able": true}',
    "I2": (
        '{"diagnosis": "B-ALL", "bm_blast_pct": "2.0", "pb_blasts_present": false, "extramedullary": false, '
        '"hsct_ineligible": true, "no_donor": false, "declines_hsct": false}'
    ),
    "I3": '{"birth_date": "2000", "consent_date": "2025-08-01"}',
    "I4": '{"ecog": 1}',
    "I5": '{"cd19": "positive", "method": "flow", "sample": "initial_diagnosis"}',
    "I6": '{"expected_survival_months": "6"}',
    "I7.1": '{"creatinine": "90", "creatinine_uln": "104"}',
    "I7.2": '{"lvef_pct": "60"}',
    "I7.3": '{"spo2_pct": "97", "on_oxygen": false}',
    "I7.4": '{"tbil_x_uln": "1.0", "alt_x_uln": "1.0", "ast_x_uln": "1.0"}',
    "I8": '{"venous_access": true, "hb_g_l": "100", "anc_10e9_l": "2.0", "plt_10e9_l": "150"}',
    "I9": '{"sex": "F", "serum_hcg": "negative", "surgically_sterilised": false, "contraception_agreed": true}',
    "E1": '{"mpal": false}',
    "E2": '{"prior_cart": false}',
    "E3": '{"bmf_syndrome": "none"}',
    "E4.1": '{"hbv_dna_iu_ml": "detected, below 20"}',
    "E4.2": '{"hcv_ab": "negative"}',
    "E4.3": '{"ebv_dna": "399", "lloq": "400"}',
    "E4.4": '{"hiv_ab": "negative"}',
    "E5": '{"other_malignancy": false}',
    "E6.1": '{"nyha": "I"}',
    "E6.2": '{"arrhythmia": false}',
    "E6.3": '{"qt_ms": 400, "heart_rate_bpm": 60}',
    "E6.4": '{"sbp": 120, "dbp": 80}',
    "E6.5": '{"pulmonary_hypertension": false}',
    "E6.6": '{"unstable_angina": false}',
    "E6.7": '{"event_date": "2025-06", "planned_infusion_date": "2026-01-15"}',
    "E6.8": '{"valve_disease": false}',
    "E6.9": '{"other_cardiac": false}',
    "E7": '{"uncontrolled_epilepsy": false, "stroke": false}',
    "E8": '{"effusion": "trace"}',
    "E9": '{"event": false}',
    "E10": '{"hypersensitivity": false}',
    "E11": '{"live": false}',
    "E12": '{"infection": false}',
    "E13.1": '{"last_dose_date": "2025-09", "planned_infusion_date": "2026-01-15"}',
    "E13.2": '{"half_lives_elapsed": "5.1"}',
    "E14": '{"unsuitable": false}',
    "E15": '{"impaired": false}',
}
