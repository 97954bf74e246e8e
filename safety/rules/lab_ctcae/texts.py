"""The sentences of the laboratory rules: reasons with their values, and what a flag asks people to do."""

from safety.rules.grading import mark
from safety.rules.lab_ctcae.model import Finding

REASON_TEXT = {
    "number": mark("{value} {sign} {edge}: grade {grade}."),
    "ULN": mark("{value} {sign} {times} × upper limit of normal ({limit}): grade {grade}."),
    "LLN": mark("{value} {sign} {times} × lower limit of normal ({limit}): grade {grade}."),
    "baseline": mark("{value} {sign} {times} × baseline ({limit}): grade {grade}."),
    "ULN-change": mark("{value} {sign} upper limit of normal ({limit}) {change}: grade {grade}."),
    "LLN-change": mark("{value} {sign} lower limit of normal ({limit}) {change}: grade {grade}."),
    "baseline-change": mark("{value} {sign} baseline ({limit}) {change}: grade {grade}."),
    # Of a bound: the condition under which the grade holds.
    "if-number": mark("Grade {grade} where it is {sign} {edge}."),
    "if-ULN": mark("Grade {grade} where it is {sign} {times} × upper limit of normal ({limit})."),
    "if-LLN": mark("Grade {grade} where it is {sign} {times} × lower limit of normal ({limit})."),
    "if-baseline": mark("Grade {grade} where it is {sign} {times} × baseline ({limit})."),
    "if-ULN-change": mark("Grade {grade} where it is {sign} upper limit of normal ({limit}) {change}."),
    "if-LLN-change": mark("Grade {grade} where it is {sign} lower limit of normal ({limit}) {change}."),
    "if-baseline-change": mark("Grade {grade} where it is {sign} baseline ({limit}) {change}."),
    "bound-same": mark("{value}: every value that the report allows is grade {grade}."),
    "bound-differ": mark("{value}: the report gives only a bound, and the grade lies between {low} and {high}."),
    "bound-open": mark("{value}: the report gives only a bound, and for some of the values no grade can be suggested."),
    "baseline-same": mark("{value}: grade {grade}, whatever the baseline is of those that {baseline} allows."),
    "baseline-differ": mark(
        "{value}: the baseline is only a bound ({baseline}), and the grade lies between {low} and {high}."
    ),
    "baseline-open": mark("{value}: the baseline is only a bound ({baseline}), which may leave it without a grade."),
    "bound-baseline": mark("The baseline is only a bound: {value}."),
    "any": mark("Whatever the value: grade {grade}."),
    "none": mark("{value} reaches no grade of this term: grade 0."),
    "MISSING_ULN": mark("{value}: without the upper limit of normal no grade can be suggested."),
    "MISSING_LLN": mark("{value}: without the lower limit of normal no grade can be suggested."),
    "MISSING_BASELINE": mark("{value}: without the baseline no grade can be suggested."),
    "UNKNOWN_UNIT": mark("{value}: CTCAE prints no limit in this unit."),
    "unknown-unit": mark("{value}: CTCAE prints limits in {known} only."),
    "no-band": mark("{value}: this version has no grade for what is recorded besides; please decide."),
    "undecided": mark("{value} is outside the limit, but the grade depends on what is done for it, not on the value."),
    "undecided-fasting": mark("{value} is above the limit, but this grade is of a fasting value only."),
    "no-term": mark("CTCAE {version} grades nothing by this value."),
    "uncorrected": mark("Total calcium is graded only after correction for albumin."),
    "lv-dysfunction": mark(
        "Version 6.0 grades the ejection fraction together with strain and cardiac biomarkers; below 40 % and new "
        "is grade 3."
    ),
    "febrile-single": mark("Neutrophils {anc} below 1.0 × 10⁹/L and a temperature of {temperature} °C: grade 3."),
    "febrile-sustained": mark(
        "Neutrophils {anc} below 1.0 × 10⁹/L and {temperature} °C or more for {minutes} minutes: grade 3."
    ),
    "febrile-none": mark("Neutrophils {anc} × 10⁹/L and {temperature} °C are no febrile neutropenia: grade 0."),
    "febrile-bound": mark(
        "Neutrophils {anc} × 10⁹/L: the report gives only a bound, which may lie above or below 1.0 × 10⁹/L."
    ),
    "febrile-duration": mark(
        "Neutrophils {anc} below 1.0 × 10⁹/L and {temperature} °C: it depends on whether that lasted over one hour."
    ),
    # What a person said, beside the value.
    f"finding-{Finding.SYMPTOMATIC}": mark("Symptoms or physiologic consequences are recorded."),
    f"finding-{Finding.NO_INTERVENTION}": mark("No intervention was needed."),
    f"finding-{Finding.INTERVENTION}": mark("An intervention is recorded."),
    f"finding-{Finding.TRANSFUSION}": mark("A transfusion is indicated."),
    f"finding-{Finding.HOSPITALIZATION}": mark("Hospitalization is recorded."),
    f"finding-{Finding.LIFE_THREATENING}": mark("Life-threatening consequences are recorded."),
    f"finding-{Finding.BLEEDING}": mark("Bleeding is recorded."),
    f"finding-{Finding.SEIZURE}": mark("A seizure is recorded."),
    f"finding-{Finding.ARRHYTHMIA}": mark("A serious arrhythmia is recorded."),
    f"finding-{Finding.STEROIDS}": mark("Steroids were started for it."),
    f"finding-{Finding.LEUKOSTASIS}": mark("Leukostasis is recorded."),
    f"finding-{Finding.INFARCTION_LEVEL}": mark("The level is that of an infarction, as the manufacturer defines it."),
    f"finding-{Finding.DIALYSIS}": mark("Dialysis or a transplant is indicated."),
    f"finding-{Finding.DOSE_ADJUSTMENT}": mark("A dose adjustment is recorded."),
    f"finding-{Finding.ANTICOAGULATED}": mark("The participant is on anticoagulation."),
    f"finding-{Finding.FASTING}": mark("The value is a fasting one."),
    f"finding-{Finding.WORKUP}": mark("A workup for diabetes is recorded."),
    f"finding-{Finding.MANAGEMENT_CHANGE}": mark("A change in the daily management of diabetes is recorded."),
    f"finding-{Finding.ORAL_AGENT}": mark("An oral antidiabetic was started."),
    f"finding-{Finding.INSULIN}": mark("Insulin was started."),
    f"finding-{Finding.ORAL_REPLACEMENT}": mark("Oral replacement is indicated."),
    f"finding-{Finding.OXYGEN_INTERMITTENT}": mark("Intermittent oxygen is recorded."),
    f"finding-{Finding.OXYGEN_CONTINUOUS}": mark("Continuous oxygen is recorded."),
    f"finding-{Finding.AIRWAY}": mark("The airway had to be secured."),
    f"finding-{Finding.UP_TO_24H}": mark("It lasted 24 hours at most."),
    f"finding-{Finding.OVER_24H}": mark("It lasted more than 24 hours."),
}
FLAG_TEXT = {
    "MISSING_ULN": mark("Enter the upper limit of normal: without it the grade may be higher than shown."),
    "MISSING_LLN": mark("Enter the lower limit of normal: without it the grade may be higher than shown."),
    "MISSING_BASELINE": mark("Enter the baseline: without it the grade may be another than shown."),
    "UNKNOWN_UNIT": mark("Enter the value in a unit for which CTCAE prints limits."),
    "BOUND_ONLY": mark("The report gives only a bound: ask the laboratory for the value, or decide."),
    "BASELINE_UNKNOWN": mark("Whether the baseline was normal is not known: graded as if it was."),
    "BASELINE_GAP": mark("Above an abnormal baseline, but below the first multiple that CTCAE 5.0 grades."),
    "BASELINE_ABOVE_LIMIT": mark("The baseline was above the range for which this grade is defined: please decide."),
    "NOT_WORSE_THAN_BASELINE": mark("The value equals an abnormal baseline, which version 6.0 prints as grade 1."),
    "WITHIN_LIMITS": mark("The value is within the laboratory's limits: decide whether it is an event."),
    "SYMPTOMS_UNKNOWN": mark("With symptoms the grade is higher: record whether there are any."),
    "NEEDS_CLINICAL_JUDGEMENT": mark("Higher grades of this term are decided by the clinical picture, not the value."),
    "NEEDS_FASTING": mark("Say whether the value is a fasting one."),
    "NEEDS_ALBUMIN": mark("Enter albumin of the same sample, to correct calcium."),
    "NO_TERM": mark("There is no such term: record an adverse event if the finding is one."),
    "ADULT_BANDS": mark("The limits are those of adults."),
    "ONE_READING": mark("One reading: grades of blood pressure depend on whether it recurs or lasts."),
    "NOT_FOR_LEUKAEMIA": mark("Not to be used for a rise due to leukaemia, steroids or growth factors."),
    "NEEDS_DURATION": mark("Record how long the temperature lasted."),
}
