"""The sentences of readiness and fitness, in the reader's language."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from dosing.models import STATE_NAMES
from dosing.rules.fitness import Finding
from dosing.rules.product import State
from dosing.rules.readiness import Line, Outcome

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
    "criteria-failed": gettext_lazy("Not met on that day: %(codes)s. Another day may help, or nothing is given."),
    "criteria-open": gettext_lazy("Not decided for that day: %(codes)s."),
    "criteria-met": gettext_lazy("The criteria that count back from the infusion are met."),
    "consent-missing": gettext_lazy("There is no consent in force."),
    "consent-overdue": gettext_lazy("Consent again is overdue: see the consents to be renewed."),
    "consent-in-force": gettext_lazy("Consent is in force."),
    "lymphodepletion-missing": gettext_lazy("No lymphodepletion is planned or recorded."),
    "lymphodepletion-open": gettext_lazy("%(open)s planned doses are open: record what became of them."),
    "lymphodepletion-left-out": gettext_lazy("%(left_out)s doses were left out, %(given)s given."),
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
    return str(SENTENCES[line.why]) % values


def findings_text(codes: Any) -> str:
    return _(", ").join(str(FINDING_NAMES[Finding(code)]) for code in codes)
