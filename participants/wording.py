"""Decisions on criteria in words: value, limit, source and reason, for the page and the print."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from participants.criteria import items
from participants.names import MEASURE_NAMES, answer_text
from participants.rules.eligibility import EXACT_RULES, Check, Decision, Fact, Overall, Result, Why
from participants.rules.measures import MEASURES
from trialsite.study import get_study

RESULT_NAMES: dict[Result, Any] = {
    Result.PASS: pgettext_lazy("criterion", "met"),
    Result.PASS_BY_OVERRIDE: pgettext_lazy("criterion", "set aside by an investigator"),
    Result.NEEDS_INVESTIGATOR: pgettext_lazy("criterion", "for the investigator to decide"),
    Result.MISSING: pgettext_lazy("criterion", "missing"),
    Result.FAIL_OVERRIDABLE: pgettext_lazy("criterion", "not met (may be set aside)"),
    Result.FAIL: pgettext_lazy("criterion", "not met"),
}
# Readable without colour, and in the fonts of the print.
RESULT_SYMBOLS = {
    Result.PASS: "✓",
    Result.PASS_BY_OVERRIDE: "✓*",
    Result.NEEDS_INVESTIGATOR: "?",
    Result.MISSING: "…",
    Result.FAIL_OVERRIDABLE: "×",
    Result.FAIL: "×",
}
OVERALL_NAMES: dict[Overall, Any] = {
    Overall.ELIGIBLE: gettext_lazy("Eligible: every criterion is met"),
    Overall.INCOMPLETE: gettext_lazy("Not decided yet: something is missing or open"),
    Overall.NOT_ELIGIBLE: gettext_lazy("Not eligible: at least one criterion is not met"),
}
RULE_NAMES: dict[str, Any] = {
    "any_yes": gettext_lazy("Reason against a transplant"),
    "consent": gettext_lazy("Consent"),
    "age": gettext_lazy("Age at consent"),
    "cd19": gettext_lazy("CD19"),
    "oxygen": MEASURE_NAMES["OXYSAT"],
    "pregnancy": gettext_lazy("Pregnancy test"),
    "contraception": MEASURE_NAMES["CONTRACEPTION"],
    "qtcb": "QTcB",
    "other_malignancy": MEASURE_NAMES["OTHER_MALIGNANCY"],
    "unapproved_agent": gettext_lazy("Unapproved agent of another trial"),
    "marketed_agent": gettext_lazy("Marketed agent of another trial"),
}
_REASONS: dict[Why, Any] = {
    Why.NOTHING_RECORDED: gettext_lazy("Not recorded yet."),
    Why.NOT_DONE: gettext_lazy("Recorded as not done; it is needed."),
    Why.EXPIRED: gettext_lazy("Too old for the screening window: measure it again."),
    Why.NO_UPPER_LIMIT: gettext_lazy("The upper limit of normal is missing beside the result."),
    Why.NO_LLOQ: gettext_lazy("The limit of quantification is missing beside the result."),
    Why.BOUND_ONLY: gettext_lazy(
        "The laboratory gave a bound only, which does not decide it: ask for the number, or decide."
    ),
    Why.OXYGEN_UNKNOWN: gettext_lazy("It is not recorded whether oxygen was given."),
    Why.ON_OXYGEN: gettext_lazy("Measured with added oxygen; the criterion is read for room air."),
    Why.NOT_BY_FLOW: gettext_lazy("Not found by flow cytometry, which the criterion asks for."),
    Why.NEEDS_JUDGEMENT: gettext_lazy("The criterion leaves this to the investigator."),
    Why.NO_REASON_OF_THREE: gettext_lazy("None of the three reasons holds."),
    Why.NO_CONSENT: gettext_lazy("No consent is recorded."),
    Why.CONSENT_AFTER_PROCEDURE: gettext_lazy("A study procedure came before the consent."),
    Why.GUARDIAN_MISSING: gettext_lazy("The guardian's consent and the participant's assent are needed."),
    Why.NOT_WILLING: gettext_lazy("Not willing or not able."),
    Why.MAN: gettext_lazy("Not asked of men."),
    Why.NOT_FERTILE: gettext_lazy("Not asked: cannot bear or father a child."),
    Why.SERUM_NEEDED: gettext_lazy("A urine test does not replace the serum test."),
    Why.NO_INTERVAL: gettext_lazy("RR interval or heart rate of the same ECG is missing."),
    Why.UNTREATED: gettext_lazy("High without treatment; the criterion speaks of treated pressure."),
    Why.NO_EVENT: gettext_lazy("No such event."),
    Why.DATE_NEEDED: gettext_lazy("The date or the half-life is missing."),
    Why.DATE_TOO_COARSE: gettext_lazy("The date is not known well enough to decide it."),
    Why.BIRTH_TOO_COARSE: gettext_lazy("The date of birth is not known well enough to tell the age: complete it."),
    Why.QTCB_NEEDED: gettext_lazy(
        "QTcF does not replace QTcB, which the criterion counts by: enter QT and RR interval or heart rate of the ECG."
    ),
    Why.NO_INFUSION_DATE: gettext_lazy("It counts back from the infusion: plan its day."),
    Why.ACTIVE: gettext_lazy("The malignancy is active."),
    Why.NOT_LOW_RISK: gettext_lazy("The risk of recurrence is not low."),
    Why.NO_AGENT: gettext_lazy("No such agent was received."),
}


def number_text(value: Decimal) -> str:
    """As entered, without an exponent and without needless zeros."""
    return f"{value.normalize():f}" if value else "0"


def rounded(value: Decimal, places: str = "0.01") -> str:
    """For reading only; what is compared is never rounded."""
    return number_text(value.quantize(Decimal(places), ROUND_HALF_EVEN))


def unit_of(code: str) -> str:
    return answer_text("unit", MEASURES[code].unit)


def name_of_check(check: Check) -> str:
    return str(MEASURE_NAMES[check.measure] if check.rule in {"number", "one_of", "virus_dna"} else _named(check))


def criterion_in_words(code: str) -> str:
    """A criterion by its code and what it looks at, in the newest version of the protocol: “EXCL04d (HIV-Ab)”."""
    found = next((item for item in items(get_study().latest) if item.code == code), None)
    if found is None:
        return code
    looked_at = dict.fromkeys(name_of_check(check) for check in found.checks)
    return _("%(code)s (%(names)s)") % {"code": code, "names": _(", ").join(looked_at)}


def _named(check: Check) -> Any:
    if check.rule in RULE_NAMES:
        return RULE_NAMES[check.rule]
    return MEASURE_NAMES[check.event or check.measure]


def limit_text(check: Check) -> str:
    """The limit of a check: "≤ 2 × ULN", "> 92 %", "none within 6 months"."""
    if check.rule == "virus_dna":
        return _("at most the limit of quantification")
    if check.rule == "marketed_agent" and check.at_least is not None:
        return _("at least %(number)s half-lives ago") % {"number": number_text(check.at_least)}
    if check.rule in {"clear_since", "unapproved_agent", "other_malignancy"}:
        return _span_text(check)
    unit = f" {_('years')}" if check.rule == "age" else " ms" if check.rule == "qtcb" else _unit(check)
    signs = (("≥", check.at_least), (">", check.above), ("≤", check.at_most), ("<", check.below))
    return _(", ").join(f"{sign} {number_text(limit)}{unit}" for sign, limit in signs if limit is not None)


def _unit(check: Check) -> str:
    if check.is_times_uln:
        return " × ULN"
    code = "OXYSAT" if check.rule == "oxygen" else check.measure
    return f" {unit_of(code)}" if code and unit_of(code) else ""


def _span_text(check: Check) -> str:
    if check.days is not None:
        return _("none within %(days)s days") % {"days": check.days}
    assert check.months is not None
    if check.months % 12 == 0:
        return _("none within %(years)s years") % {"years": check.months // 12}
    return _("none within %(months)s months") % {"months": check.months}


def fact_text(fact: Fact) -> str:
    """One fact: "Creatinine 68 µmol/L (≤ 104)"."""
    return f"{MEASURE_NAMES[fact.code]}: {value_text(fact)}"


def value_text(fact: Fact) -> str:
    if fact.value is None:
        return _("not done: %(reason)s") % {"reason": fact.not_done}
    if not isinstance(fact.value, Decimal):
        return answer_text(fact.code, fact.value) if isinstance(fact.value, str) else str(fact.value)
    text = (
        f"{fact.comparator}{' ' if fact.comparator else ''}{rounded(fact.value, '0.0001')} {unit_of(fact.code)}".strip()
    )
    if fact.upper_limit:
        return _("%(value)s = %(ratio)s × ULN") % {
            "value": text,
            "ratio": f"{fact.comparator} {rounded(fact.as_printed / fact.upper_limit, '0.001')}".strip(),
        }
    if fact.lloq is not None:
        return _("%(value)s (limit of quantification %(lloq)s)") % {"value": text, "lloq": number_text(fact.lloq)}
    return text


def _bound_text(decision: Decision) -> str:
    """Both values, so that everybody sees why the bound does not do."""
    given = (fact for fact in decision.verdict.facts if fact.comparator)
    return _(
        "The laboratory gave a bound only (%(value)s): of the values that it allows, some meet the limit (%(limit)s), "
        "some do not. Ask for the number, or decide."
    ) % {"value": _("; ").join(value_text(fact) for fact in given), "limit": limit_text(decision.rule)}


def reason_text(decision: Decision) -> str:
    """Why it is so, where value and limit do not say it themselves."""
    verdict = decision.verdict
    if decision.ruling is not None:
        return _("Investigator: %(reason)s") % {"reason": decision.ruling.reason}
    if verdict.why == Why.AGE and verdict.derived is not None:
        return _("%(years)s years") % {"years": number_text(verdict.derived)}
    if verdict.why == Why.HALF_LIVES and verdict.derived is not None:
        return _("%(number)s half-lives have passed.") % {"number": rounded(verdict.derived)}
    if verdict.derived is not None and decision.rule.rule == "qtcb":
        return f"QTcB {rounded(verdict.derived)} ms"
    if verdict.why == Why.BOUND_ONLY and decision.rule.rule not in EXACT_RULES:
        return _bound_text(decision)
    return str(_REASONS.get(verdict.why, ""))
