"""The words in which findings are asked for: names of fields and of choices."""

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from safety.rules.bedside import Anticytokine, Death, Vasopressor
from safety.rules.crs import CrsDeath, OxygenDevice, OxygenReason
from safety.rules.icans import Consciousness, IcansDeath, IcePerformed, Oedema, PressureSign, Seizure

FINDING_NAMES: dict[str, Any] = {
    "days_since_infusion": _("days since the infusion"),
    "temperature_c": _("temperature (°C)"),
    "fever_attributable": _("fever: no other cause explains it"),
    "crs_established": _("CRS established before"),
    "antipyretic_or_anticytokine_given": _("antipyretic, steroid or anticytokine (tocilizumab …) given"),
    "hypotension": _("hypotension"),
    "hypotension_attributable": _("hypotension: no other cause explains it"),
    "vasopressors": _("vasopressors, how many (without vasopressin)"),
    "vasopressin": _("vasopressin"),
    "oxygen_device": _("oxygen device"),
    "oxygen_flow_l_min": _("oxygen flow (L/min)"),
    "oxygen_reason": _("reason for the oxygen"),
    "death": _("death"),
    "age_years": _("age (years)"),
    "use_capd": _("CAPD instead of ICE (developmental delay)"),
    "ice_performed": _("ICE performed"),
    "orientation": _("orientation: year, month, city, hospital"),
    "naming": _("naming three objects"),
    "commands": _("following a simple command"),
    "writing": _("writing a standard sentence"),
    "attention": _("counting back from 100 by ten"),
    "capd_score": _("CAPD score"),
    "consciousness": _("consciousness"),
    "consciousness_attributable": _("consciousness: no other cause (such as sedation) explains it"),
    "seizure": _("seizure"),
    "seizure_minutes": _("longest seizure (minutes)"),
    "deep_focal_weakness": _("deep focal weakness (hemiparesis, paraparesis)"),
    "cerebral_oedema": _("cerebral oedema on imaging"),
    "pressure_sign": _("sign of raised intracranial pressure"),
    "intracranial_haemorrhage": _("intracranial haemorrhage"),
    "attributable_to_other_cause": _("another cause explains the whole picture"),
    "temperature_not_done": _("temperature not measured, because"),
    "antipyretic_given": _("antipyretic given (last 8 hours)"),
    "anticytokine_given": _("tocilizumab, steroid or other anticytokine given"),
    "crs_established_since": _("CRS established since"),
    "anticytokines": _("which of them"),
    "heart_rate": _("heart rate (/min)"),
    "respiratory_rate": _("respiratory rate (/min)"),
    "urine_ml_h": _("urine output (mL/h)"),
    "systolic": _("systolic pressure (mmHg)"),
    "diastolic": _("diastolic pressure (mmHg)"),
    "hypotension_or_vasopressor": _("hypotension, or a vasopressor is running"),
    "fluids_given": _("fluids given for the pressure"),
    "vasopressors_named": _("vasopressors running now"),
    "spo2_percent": _("oxygen saturation (%)"),
    "in_icu": _("in intensive care"),
    "ice_not_done": _("ICE not done, because"),
    "year": _("knows the year"),
    "month": _("knows the month"),
    "city": _("knows the city"),
    "hospital": _("knows the hospital"),
    "object_1": _("names the first object"),
    "object_2": _("names the second object"),
    "object_3": _("names the third object"),
    "command": _("follows a simple command, such as showing two fingers"),
    "writes": _("writes a standard sentence"),
    "counts": _("counts back from 100 by ten"),
    "sentence": _("the sentence as written"),
}

IEC_HS_NAMES: dict[str, Any] = {
    "ferritin_high": _("ferritin above 2 × the upper limit, or above 2 × the baseline"),
    "ferritin_rising": _("ferritin rapidly rising"),
    "onset_with_resolving_crs": _("onset with resolving CRS, or worsening after initial improvement"),
    "transaminases_high": _("ALT or AST above 5 × the upper limit (5 × the baseline if that was abnormal)"),
    "fibrinogen_low": _("fibrinogen below 1.5 g/L or below the lower limit"),
    "cytopenia": _("new, worsening or refractory cytopenia"),
    "haemophagocytosis": _("haemophagocytosis in the bone marrow or another tissue"),
}

# By class: two of them may share a value such as "none", which means something else in each.
_NAMES: dict[Any, dict[str, Any]] = {
    OxygenDevice: {
        "none": _("none (room air)"),
        "nasal_cannula": _("nasal cannula"),
        "blow_by": _("blow-by"),
        "hfnc": _("high-flow nasal cannula"),
        "simple_facemask": _("simple face mask"),
        "nonrebreather": _("non-rebreather mask"),
        "venturi": _("Venturi mask"),
        "cpap": _("CPAP"),
        "bipap": _("BiPAP"),
        "invasive_ventilation": _("intubation and ventilation"),
    },
    OxygenReason: {
        "crs_hypoxia": _("hypoxia due to CRS"),
        "baseline_chronic": _("as before (chronic, unchanged)"),
        "airway_protection": _("airway protection without hypoxia"),
        "procedure": _("a procedure"),
        "other": pgettext_lazy("reason for oxygen", "other"),
    },
    CrsDeath: {"none": _("no"), "crs": _("yes, due to CRS"), "other": _("yes, of another cause")},
    IcePerformed: {
        "yes": _("yes"),
        "unable_arousable": _("unable (such as aphasia), can be aroused: scored 0"),
        "unable_unarousable": _("unable, cannot be aroused"),
        "not_done": _("not done"),
    },
    Consciousness: {
        "alert": _("alert"),
        "drowsy_awakens_spontaneously": _("drowsy, awakens spontaneously"),
        "awakens_to_voice": _("awakens to voice"),
        "awakens_only_to_tactile": _("awakens to touch only"),
        "unarousable_or_vigorous": _("unarousable, or by vigorous touch only; stupor, coma"),
    },
    Seizure: {
        "none": pgettext_lazy("seizure", "none"),
        "clinical_resolves_rapidly": _("clinical, resolves rapidly"),
        "nonconvulsive_eeg_resolves": _("non-convulsive on EEG, resolves with intervention"),
        "prolonged_life_threatening": _("prolonged (more than 5 minutes)"),
        "repetitive_no_return_to_baseline": _("repetitive without return to baseline"),
    },
    Oedema: {"none": pgettext_lazy("oedema", "none"), "focal": _("focal"), "diffuse": _("diffuse")},
    PressureSign: {
        "none": pgettext_lazy("pressure sign", "none"),
        "decorticate_decerebrate": _("decorticate or decerebrate posturing"),
        "cn6_palsy": _("palsy of the sixth cranial nerve"),
        "papilloedema": _("papilloedema"),
        "cushing_triad": _("Cushing's triad"),
    },
    Vasopressor: {
        "norepinephrine": _("norepinephrine"),
        "epinephrine": _("epinephrine"),
        "dopamine": _("dopamine"),
        "dobutamine": _("dobutamine"),
        "phenylephrine": _("phenylephrine"),
        "metaraminol": _("metaraminol"),
        "other": pgettext_lazy("vasopressor", "another one"),
    },
    Anticytokine: {
        "tocilizumab": _("tocilizumab"),
        "corticosteroid": _("corticosteroid"),
        "anakinra": _("anakinra"),
        "siltuximab": _("siltuximab"),
    },
    Death: {
        "none": _("no"),
        "crs": _("yes, due to CRS"),
        "icans": _("yes, due to ICANS"),
        "other": _("yes, of another cause"),
    },
    IcansDeath: {"none": _("no"), "icans": _("yes, due to ICANS"), "other": _("yes, of another cause")},
}


def choices(kind: Any) -> list[tuple[str, Any]]:
    """Value and name of each member, in the rule's order."""
    return [(member.value, _NAMES[kind][member.value]) for member in kind]


def name_of(kind: Any, value: str) -> Any:
    return _NAMES[kind].get(value, value)


# Which words a stored finding is made of.
KINDS: dict[tuple[str, str], Any] = {
    ("CRS", "oxygen_device"): OxygenDevice,
    ("CRS", "oxygen_reason"): OxygenReason,
    ("CRS", "death"): CrsDeath,
    ("ICANS", "ice_performed"): IcePerformed,
    ("ICANS", "consciousness"): Consciousness,
    ("ICANS", "seizure"): Seizure,
    ("ICANS", "cerebral_oedema"): Oedema,
    ("ICANS", "pressure_sign"): PressureSign,
    ("ICANS", "death"): IcansDeath,
}


# The same for what is seen at the bed, and the answers of which there may be several.
SEEN_KINDS: dict[str, Any] = {
    "oxygen_device": OxygenDevice,
    "oxygen_reason": OxygenReason,
    "ice_performed": IcePerformed,
    "consciousness": Consciousness,
    "seizure": Seizure,
    "cerebral_oedema": Oedema,
    "pressure_sign": PressureSign,
    "death": Death,
}
SEVERAL: dict[str, Any] = {"vasopressors": Vasopressor, "anticytokines": Anticytokine}


def names_of(kind: Any, values: Iterable[str]) -> str:
    return ", ".join(str(name_of(kind, one)) for one in values)


# What decides a grade, as its rules name it.
DETERMINANTS: dict[str, Any] = {
    "fever": _("fever"),
    "hypotension": _("hypotension"),
    "hypoxia": _("hypoxia"),
    "death": _("death"),
    "ice": _("ICE score"),
    "capd": _("CAPD score"),
    "consciousness": _("consciousness"),
    "seizure": _("seizure"),
    "motor": _("motor weakness"),
    "icp": _("intracranial pressure, cerebral oedema"),
    "anc_500": _("days with neutrophils at most 500/µL"),
    "anc_100": _("days with neutrophils at most 100/µL"),
    "never_recovered": _("neutrophils that never recovered"),
}


def determinants_in_words(names: str) -> str:
    """What decided a grade, as a row keeps it: `hypotension+hypoxia`."""
    return gettext(", ").join(str(DETERMINANTS.get(name, name)) for name in names.split("+") if name)
