"""What can be measured, observed or asked: units, limits of the possible, and how the answers are grouped.

Codes are CDISC controlled terminology (LBTESTCD, VSTESTCD, EGTESTCD) where it has one. Molar masses in g/mol
are those of the substances' formulas. Limits of the possible and the probable are ours [P]: what lies outside the
first is a slip of the unit or the keyboard and refused, what lies outside the second is asked about.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Kind(StrEnum):
    NUMBER = "number"
    CHOICE = "choice"
    DATE = "date"


@dataclass(frozen=True)
class Measure:
    """One thing that is measured or asked.

    `unit` is the one that rules work in; `units` are the others that laboratories print. `possible` and
    `probable` are in `unit`. `lasts`: a fact of history, which no screening window lets expire.
    """

    code: str
    kind: Kind
    unit: str = ""
    units: tuple[str, ...] = ()
    molar_mass: Decimal | None = None
    possible: tuple[Decimal, Decimal] | None = None
    probable: tuple[Decimal, Decimal] | None = None
    choices: tuple[str, ...] = ()
    lasts: bool = False
    has_range: bool = False
    has_lloq: bool = False
    # Whether a report may give "< 5" or "> 60" instead of a number.
    takes_bound: bool = False

    @property
    def all_units(self) -> tuple[str, ...]:
        return (self.unit, *self.units)


def _span(text: str) -> tuple[Decimal, Decimal]:
    low, high = text.split("..")
    return Decimal(low), Decimal(high)


def _number(
    code: str,
    unit: str,
    possible: str,
    probable: str,
    *units: str,
    molar_mass: str | None = None,
    has_range: bool = False,
    has_lloq: bool = False,
    lasts: bool = False,
    takes_bound: bool = False,
) -> Measure:
    return Measure(
        code,
        Kind.NUMBER,
        unit,
        units,
        Decimal(molar_mass) if molar_mass else None,
        _span(possible),
        _span(probable),
        has_range=has_range,
        has_lloq=has_lloq,
        lasts=lasts,
        takes_bound=takes_bound or has_range or has_lloq,
    )


def _lab(code: str, unit: str, possible: str, probable: str, *units: str, molar_mass: str | None = None) -> Measure:
    return _number(code, unit, possible, probable, *units, molar_mass=molar_mass, has_range=True)


def _choice(code: str, *choices: str, lasts: bool = False) -> Measure:
    return Measure(code, Kind.CHOICE, choices=choices, lasts=lasts)


def _yes_no(code: str, *, lasts: bool = False) -> Measure:
    return _choice(code, "yes", "no", lasts=lasts)


def _date(code: str) -> Measure:
    return Measure(code, Kind.DATE, lasts=True)


def _serology(code: str) -> Measure:
    return _choice(code, "negative", "positive", "indeterminate")


def _load(code: str, unit: str, *units: str) -> Measure:
    return _number(code, unit, "0..100000000000", "0..1000000000", *units, has_lloq=True)


CELLS = ("10^3/uL", "/uL")
_MG_DL = "mg/dL"

BLOOD_COUNT = (
    _lab("WBC", "10^9/L", "0..1000", "0.1..100", *CELLS),
    _lab("NEUT", "10^9/L", "0..500", "0..50", *CELLS),
    _lab("LYM", "10^9/L", "0..900", "0..50", *CELLS),
    _lab("HGB", "g/L", "10..300", "40..200", "g/dL"),
    _lab("PLAT", "10^9/L", "0..5000", "5..1000", *CELLS),
    _choice("PB_BLASTS", "absent", "present"),
)
CHEMISTRY = (
    _lab("CREAT", "umol/L", "5..3000", "20..500", _MG_DL, molar_mass="113.12"),
    _lab("BILI", "umol/L", "0..1500", "1..200", _MG_DL, molar_mass="584.66"),
    _lab("BILDIR", "umol/L", "0..1000", "0..150", _MG_DL, molar_mass="584.66"),
    _lab("ALT", "U/L", "0..30000", "2..1000"),
    _lab("AST", "U/L", "0..30000", "2..1000"),
    _lab("ALP", "U/L", "0..10000", "10..1000"),
    _lab("LDH", "U/L", "0..50000", "50..3000"),
    _lab("UREA", "mmol/L", "0..150", "0.5..50", _MG_DL, molar_mass="60.06"),
    _lab("URATE", "umol/L", "0..3000", "50..1000", _MG_DL, molar_mass="168.11"),
    _lab("ALB", "g/L", "5..80", "15..60", "g/dL"),
    _lab("GLUC", "mmol/L", "0.1..100", "2..30", _MG_DL, molar_mass="180.16"),
    _lab("K", "mmol/L", "0.5..15", "2..7.5"),
    _lab("SODIUM", "mmol/L", "80..220", "110..165"),
    _lab("CA", "mmol/L", "0.2..8", "1..4", _MG_DL, molar_mass="40.08"),
    _lab("PHOS", "mmol/L", "0..10", "0.2..4", _MG_DL, molar_mass="30.974"),
    _lab("CRP", "mg/L", "0..1000", "0..500", _MG_DL),
    _lab("FERRITIN", "ug/L", "0..500000", "1..50000", "ng/mL"),
    _lab("TRIG", "mmol/L", "0..100", "0.2..20", _MG_DL, molar_mass="885.4"),
)
COAGULATION = (
    _lab("PT", "s", "5..300", "8..60"),
    _lab("INR", "", "0.3..30", "0.7..6"),
    _lab("APTT", "s", "10..400", "15..120"),
    _lab("FIBRINO", "g/L", "0..20", "0.5..10", _MG_DL),
    _lab("DDIMER", "mg/L", "0..500", "0..50", "ug/mL"),
)
VITAL_SIGNS = (
    _number("TEMP", "degC", "25..45", "34..41.5", "degF"),
    _number("HR", "/min", "0..350", "40..180"),
    _number("RESP", "/min", "0..100", "8..45"),
    _number("SYSBP", "mmHg", "0..350", "70..220", "kPa"),
    _number("DIABP", "mmHg", "0..250", "35..130", "kPa"),
    _number("OXYSAT", "%", "20..100", "80..100"),
    _yes_no("ON_OXYGEN"),
)
ECG = (
    _number("QT", "ms", "100..900", "280..600", "s"),
    _number("RR", "ms", "150..4000", "350..1700", "s"),
    _number("EGHR", "/min", "15..350", "40..180"),
    _number("QTCF", "ms", "100..900", "280..600", "s"),
)
ECHO = (
    _number("LVEF", "%", "5..95", "25..80", takes_bound=True),
    _choice("EFFUSION", "none", "trace", "not_significant", "significant"),
)
BODY = (
    _number("WEIGHT", "kg", "15..400", "30..150", "lb"),
    _number("HEIGHT", "cm", "80..250", "130..210", "m"),
)
PERFORMANCE = (_number("ECOG", "", "0..5", "0..4"),)
ICE = (_number("ICE", "", "0..10", "0..10"),)
MARROW = (
    _number("BM_BLASTS", "%", "0..100", "0..100", takes_bound=True),
    _number("MRD", "%", "0..100", "0..100", has_lloq=True),
)
IMMUNE = (
    _number("BCELL_PCT", "%", "0..100", "0..40", has_lloq=True),
    _number("BCELL", "/uL", "0..100000", "0..2000", has_lloq=True),
    _number("CAR_COPIES", "copies/ug", "0..10000000", "0..500000", has_lloq=True),
    _number("CAR_PCT", "%", "0..100", "0..95", has_lloq=True),
    _choice("CAR_METHOD", "qpcr", "ddpcr", "flow", "other"),
)
CD19 = (
    _choice("CD19", "positive", "partial", "negative", lasts=True),
    _choice("CD19_METHOD", "flow", "ihc", "other", lasts=True),
    _choice("CD19_SAMPLE", "initial_diagnosis", "relapse", "other", lasts=True),
)
VIROLOGY = (
    _serology("HBSAG"),
    _serology("HBCAB"),
    _load("HBVDNA", "IU/mL"),
    _serology("HCVAB"),
    _load("HCVRNA", "IU/mL"),
    _serology("HIVAB"),
    _load("EBVDNA", "copies/mL", "IU/mL"),
    _load("CMVDNA", "copies/mL", "IU/mL"),
)
PREGNANCY = (_choice("HCG_SERUM", "negative", "positive"), _choice("HCG_URINE", "negative", "positive"))

LEUKAEMIA = (
    _choice("DIAGNOSIS", "b_all", "burkitt", "cml_blast", "t_all", "other", lasts=True),
    _yes_no("EXTRAMEDULLARY"),
    _yes_no("MPAL", lasts=True),
    _yes_no("HSCT_INELIGIBLE"),
    _yes_no("NO_DONOR"),
    _yes_no("DECLINES_HSCT"),
    _yes_no("PRIOR_CART", lasts=True),
    _yes_no("MARROW_FAILURE", lasts=True),
    _number("SURVIVAL_MONTHS", "months", "0..600", "0..240", takes_bound=True),
)
PERSON = (
    _yes_no("WILLING_ABLE"),
    _yes_no("VENOUS_ACCESS"),
    _yes_no("STERILISED", lasts=True),
    _number("POSTMENOPAUSAL_YEARS", "years", "0..70", "0..50"),
    _yes_no("REPRODUCTIVE"),
    _yes_no("CONTRACEPTION"),
    _yes_no("HYPERSENSITIVITY"),
    _yes_no("LIVE_VACCINE"),
    _date("LIVE_VACCINE_DATE"),
    _yes_no("INFECTION"),
    _yes_no("UNSUITABLE"),
    _yes_no("IMPAIRED"),
)
HEART = (
    _choice("NYHA", "none", "1", "2", "3", "4"),
    _yes_no("ARRHYTHMIA"),
    _yes_no("HTN_TREATED"),
    _yes_no("PULM_HTN"),
    _yes_no("UNSTABLE_ANGINA"),
    _yes_no("CARDIAC_EVENT", lasts=True),
    _date("CARDIAC_EVENT_DATE"),
    _yes_no("VALVE_DISEASE"),
    _yes_no("OTHER_CARDIAC"),
)
HISTORY = (
    _yes_no("EPILEPSY"),
    _yes_no("STROKE", lasts=True),
    _yes_no("CEREBELLAR", lasts=True),
    _yes_no("OTHER_CNS"),
    _yes_no("CNS_LEUKAEMIA", lasts=True),
    _yes_no("DVT_PE", lasts=True),
    _date("DVT_PE_DATE"),
    _yes_no("OTHER_MALIGNANCY", lasts=True),
    _yes_no("MALIGNANCY_ACTIVE"),
    _date("MALIGNANCY_TREATED_UNTIL"),
    _yes_no("MALIGNANCY_LOW_RISK"),
    _yes_no("OTHER_TRIAL", lasts=True),
    _yes_no("TRIAL_AGENT", lasts=True),
    _yes_no("AGENT_MARKETED", lasts=True),
    _date("AGENT_LAST_DOSE"),
    _number("AGENT_HALF_LIFE", "h", "0.01..20000", "0.1..2000", "d", lasts=True),
)

# In the order in which a screening goes; the code of a panel is the study's code of the procedure where it has one.
PANELS: dict[str, tuple[Measure, ...]] = {
    "LEUKAEMIA": LEUKAEMIA,
    "PERSON": PERSON,
    "HEART": HEART,
    "HISTORY": HISTORY,
    "ECOG": PERFORMANCE,
    "VITALS": VITAL_SIGNS,
    "BODY": BODY,
    "CBC": BLOOD_COUNT,
    "CHEM": CHEMISTRY,
    "COAG": COAGULATION,
    "ECG": ECG,
    "ECHO": ECHO,
    "ICE": ICE,
    "MARROW": MARROW,
    "CD19": CD19,
    "IMMUNE": IMMUNE,
    "VIRUS": VIROLOGY,
    "HCG": PREGNANCY,
}
# What is told by the participant or the file; the rest is examined, and a study procedure.
QUESTIONS = frozenset({"LEUKAEMIA", "PERSON", "HEART", "HISTORY"})

MEASURES: dict[str, Measure] = {measure.code: measure for panel in PANELS.values() for measure in panel}
PANEL_OF: dict[str, str] = {measure.code: code for code, panel in PANELS.items() for measure in panel}


def outside(measure: Measure, value: Decimal, span: tuple[Decimal, Decimal] | None) -> bool:
    """Whether a value in the measure's own unit lies outside a span, whose ends belong to it."""
    return span is not None and not span[0] <= value <= span[1]
