"""The sentences of readiness and fitness, in the reader's language."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from dosing.models import STATE_NAMES
from dosing.rules.dose import BagDose, BagFit
from dosing.rules.fitness import Finding
from dosing.rules.product import State
from dosing.rules.readiness import Line, Outcome, dose_values
from participants.wording import criterion_in_words
from trialsite.study import get_study

OUTCOME_NAMES = {
    Outcome.FINE: pgettext_lazy("readiness", "fine"),
    Outcome.JUDGE: pgettext_lazy("readiness", "for an investigator to judge"),
    Outcome.BLOCKS: pgettext_lazy("readiness", "blocks"),
}
FINDING_NAMES = {
    Finding.INFECTION: gettext_lazy("uncontrolled infection"),
    Finding.VASOPRESSORS: gettext_lazy("needs vasopressors"),
    Finding.TEMPERATURE: gettext_lazy("temperature above the limit"),
    Finding.SPO2: gettext_lazy("oxygen saturation below the limit"),
    Finding.OXYGEN: gettext_lazy("needs oxygen"),
    Finding.LVEF: gettext_lazy("ejection fraction below the limit"),
    Finding.ECOG: gettext_lazy("ECOG above the limit"),
    Finding.NOT_RECORDED: gettext_lazy("not everything was measured"),
}
SENTENCES: dict[str, Any] = {
    "criteria-failed": gettext_lazy("Not met on that day: %(failed)s. Another day may help, or nothing is given."),
    "criteria-broken": gettext_lazy(
        "Not met as recorded now: %(broken)s. If the record is wrong, correct it; else nothing is given."
    ),
    "criteria-open": gettext_lazy(
        "Not decided with what is recorded now: %(open)s. Enter what is missing, or decide it on the eligibility page."
    ),
    "criteria-day-open": gettext_lazy("Not decided for that day: %(day_open)s."),
    "criteria-later": gettext_lazy(
        "Not met by a result since the enrolment: %(later)s. Look at it on the eligibility page."
    ),
    "signature-missing": gettext_lazy(
        "No investigator's confirmation of eligibility stands: confirm it on the eligibility page."
    ),
    "signature-broken": gettext_lazy(
        "The confirmation of eligibility was changed after it was signed, and does not count: tell the data manager, "
        "who voids it; then it is confirmed again on the eligibility page."
    ),
    "signature-outdated": gettext_lazy(
        "Facts changed since eligibility was confirmed: confirm it again on the eligibility page."
    ),
    "criteria-met": gettext_lazy("All criteria are met with what is recorded now, and their confirmation is current."),
    "criteria-lowered": gettext_lazy(
        "Blood counts since lymphodepletion began do not meet %(lowered)s; it lowers them, so they do not count."
    ),
    "consent-missing": gettext_lazy("There is no consent in force."),
    "consent-overdue": gettext_lazy("Consent again is overdue: see the consents to be renewed."),
    "consent-in-force": gettext_lazy("Consent is in force."),
    "lymphodepletion-missing": gettext_lazy("No lymphodepletion is planned or recorded."),
    "lymphodepletion-open": gettext_lazy("%(open)s planned doses are open: record what became of them."),
    "lymphodepletion-left-out": gettext_lazy("%(left_out)s doses were left out, %(given)s given."),
    "lymphodepletion-day0": gettext_lazy("Given on the day of the infusion or after it: %(day0)s."),
    "lymphodepletion-skipped": gettext_lazy("Not given on a day in between: %(skipped)s."),
    "lymphodepletion-short": gettext_lazy("Another number of doses than the study file accepts: %(short)s."),
    "lymphodepletion-atypical": gettext_lazy("Outside the accepted dose: %(atypical)s."),
    "lymphodepletion-fits": gettext_lazy("Given from Day %(first)s to Day %(last)s."),
    "lymphodepletion-early": gettext_lazy("It began on Day %(first)s, before Day %(earliest)s."),
    "lymphodepletion-after": gettext_lazy("It began on Day %(first)s: nothing was given before the cells."),
    "lymphodepletion-late": gettext_lazy("It ended on Day %(last)s, after Day %(latest)s."),
    "lymphodepletion-old": gettext_lazy(
        "It ended on Day %(last)s, more than %(days)s days before the cells: must it be repeated?"
    ),
    "product-missing": gettext_lazy("No product of this participant is recorded."),
    "product-not-here": gettext_lazy("Lot %(lot)s is “%(state)s”: it is not in the house."),
    "product-expired": gettext_lazy("Lot %(lot)s expires before, on %(day)s."),
    "product-out-of-specification": gettext_lazy("Lot %(lot)s was released out of specification."),
    "product-dose-high": gettext_lazy(
        "The whole bag (%(volume)s mL) gives %(whole)s × 10⁸ viable CAR-T cells, above %(high)s × 10⁸: %(ml)s mL of it "
        "give the planned %(planned)s × 10⁸."
    ),
    "product-dose-low": gettext_lazy(
        "The whole bag (%(volume)s mL) gives %(whole)s × 10⁸ viable CAR-T cells, below %(low)s × 10⁸: no volume of it "
        "reaches the protocol's dose."
    ),
    "product-ready": gettext_lazy("Lot %(lot)s is “%(state)s” and good until %(day)s."),
    "fitness-missing": gettext_lazy("No fitness check before the infusion is recorded (good for %(hours)s hours)."),
    "fitness-old": gettext_lazy("The last fitness check is older than %(hours)s hours: look again."),
    "fitness-findings": gettext_lazy("Found: %(findings)s."),
    "fitness-good": gettext_lazy("Nothing speaks against it."),
    "tocilizumab-unknown": gettext_lazy("Count the doses on the ward with the fitness check; %(needed)s are needed."),
    "tocilizumab-too-few": gettext_lazy("%(on_hand)s on the ward, %(needed)s are needed."),
    "tocilizumab-enough": gettext_lazy("%(on_hand)s on the ward (%(needed)s are needed)."),
    "held": gettext_lazy("Held: %(reasons)s"),
    "not-held": gettext_lazy("No hold."),
    "identity-open": gettext_lazy("%(done)s of %(needed)s people have compared wristband and bag."),
    "identity-broken": gettext_lazy(
        "%(done)s of %(needed)s people have compared wristband and bag; of %(broken)s more the record was changed "
        "after they signed: tell the data manager, who voids it, and check again."
    ),
    "identity-late": gettext_lazy(
        "By the start %(done)s of %(needed)s people had compared wristband and bag; the first signature after it is of "
        "%(first)s. Is the time of the start right?"
    ),
    "identity-checked": gettext_lazy("%(done)s people have compared wristband and bag."),
}


def sentence(line: Line) -> str:
    values = dict(line.values)
    if "state" in values:
        values["state"] = str(STATE_NAMES[State(values["state"])])
    if "findings" in values:
        values["findings"] = findings_text(values["findings"].split(",")) if values["findings"] else ""
    values |= {name: _criteria(codes) for name, codes in values.items() if name in CRITERIA}
    values |= {name: _listed(name, rows) for name, rows in values.items() if name in LISTED}
    return " ".join(str(SENTENCES[why]) % values for why in (line.why, *line.more))


# Lists of criteria in the line of eligibility: a code alone says nothing at the bed.
CRITERIA = frozenset({"failed", "broken", "open", "day_open", "later", "lowered"})


def _criteria(codes: str) -> str:
    return _(", ").join(criterion_in_words(code) for code in codes.split(", "))


# How a row of a list is told, by the name of the list; its parts are codes and numbers, so that a judgement of them
# holds in every language.
LISTED: dict[str, tuple[Any, tuple[str, ...]]] = {
    "day0": (gettext_lazy("%(drug)s on Day %(day)s"), ("drug", "day")),
    "skipped": (gettext_lazy("%(drug)s on Day %(day)s"), ("drug", "day")),
    "short": (gettext_lazy("%(drug)s × %(count)s"), ("drug", "count")),
    "atypical": (
        gettext_lazy("%(drug)s on Day %(day)s: %(given)s mg/m² (accepted: %(low)s–%(high)s)"),
        ("drug", "day", "given", "low", "high"),
    ),
}


def _listed(name: str, rows: str) -> str:
    text, parts = LISTED[name]
    found = (dict(zip(parts, row.split("|"), strict=True)) for row in rows.split(","))
    return _(", ").join(str(text) % {**one, "drug": drug_name(one["drug"])} for one in found)


def drug_name(code: str) -> str:
    names = {drug.code: drug.name for study in get_study().versions.values() for drug in study.lymphodepletion.drugs}
    return str(names.get(code, code))


def bag_dose_text(dose: BagDose | None) -> str:
    """What stands against the whole bag, with the way out; empty where its dose is in range, or not known yet."""
    if dose is None or dose.fit is BagFit.IN_RANGE:
        return ""
    why = "product-dose-low" if dose.fit is BagFit.TOO_LOW else "product-dose-high"
    return str(SENTENCES[why]) % dose_values(dose)


def findings_text(codes: Any) -> str:
    return _(", ").join(str(FINDING_NAMES[Finding(code)]) for code in codes)
