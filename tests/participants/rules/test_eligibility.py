"""Every check of the 24 criteria: both sides of each limit, what is missing, what an investigator may decide.

The items come from the study file, so that a limit changed there fails here.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from participants.criteria import items
from participants.rules.eligibility import (
    MET,
    NOT_MET,
    ORDER,
    Anchors,
    Decision,
    Fact,
    Facts,
    Item,
    Overall,
    Result,
    Ruling,
    Why,
    basis_of,
    decide,
    decide_all,
    name_of,
    overall,
    qtcb_ms,
    qtcf_ms,
    rr_of_rate,
    worst,
)
from participants.rules.measures import MEASURES, Kind
from trialsite.bounds import BELOW, SIGNS
from trialsite.partialdate import PartialDate
from trialsite.study import Check, get_study

PROTOCOL = get_study().latest
ITEMS = items(PROTOCOL)
CHECKS: dict[str, tuple[Item, Check]] = {
    name_of(item.code, check): (item, check) for item in ITEMS for check in item.checks
}
day = dt.date.fromisoformat
TODAY = day("2025-08-01")
ANCHORS = Anchors(
    today=TODAY,
    screened_on=TODAY,
    consented_on=TODAY,
    first_procedure_on=TODAY,
    birth_date=day("1985-01-01"),
    sex="F",
    infusion_on=day("2026-01-15"),
    expires_after_days=PROTOCOL.policy.screening_window_days,
)
# What was answered, by measure: see `fact`.
Answers = Mapping[str, str | None]

PASS, FAIL, ASKS, MISSING = Result.PASS, Result.FAIL, Result.NEEDS_INVESTIGATOR, Result.MISSING
SAID = {
    Result.PASS: "passes",
    Result.FAIL: "fails",
    Result.FAIL_OVERRIDABLE: "fails-overridable",
    Result.NEEDS_INVESTIGATOR: "asks",
    Result.MISSING: "is-missing",
}
# An answer that every criterion is met with; each is needed, none is one too many.
ELIGIBLE: dict[str, str] = {
    **dict.fromkeys(("WILLING_ABLE", "HSCT_INELIGIBLE", "VENOUS_ACCESS", "CONTRACEPTION"), "yes"),
    **dict.fromkeys(("EXTRAMEDULLARY", "ON_OXYGEN", "MPAL", "PRIOR_CART", "MARROW_FAILURE"), "no"),
    **dict.fromkeys(("ARRHYTHMIA", "PULM_HTN", "UNSTABLE_ANGINA", "CARDIAC_EVENT", "VALVE_DISEASE"), "no"),
    **dict.fromkeys(("OTHER_CARDIAC", "EPILEPSY", "STROKE", "CEREBELLAR", "OTHER_CNS", "CNS_LEUKAEMIA"), "no"),
    **dict.fromkeys(("OTHER_MALIGNANCY", "DVT_PE", "HYPERSENSITIVITY", "LIVE_VACCINE", "INFECTION"), "no"),
    **dict.fromkeys(("OTHER_TRIAL", "UNSUITABLE", "IMPAIRED"), "no"),
    **dict.fromkeys(("HCG_SERUM", "HCVAB", "HIVAB"), "negative"),
    "DIAGNOSIS": "b_all",
    "BM_BLASTS": "0",
    "PB_BLASTS": "absent",
    "ECOG": "0",
    "CD19": "positive",
    "CD19_METHOD": "flow",
    "SURVIVAL_MONTHS": "12",
    "CREAT": "60/100",
    "LVEF": "60",
    "OXYSAT": "98",
    "BILI": "10/20",
    "ALT": "20/40",
    "AST": "20/40",
    "HGB": "100",
    "NEUT": "2.0",
    "PLAT": "150",
    "HBVDNA": "0/20",
    "EBVDNA": "0/400",
    "CMVDNA": "0/400",
    "NYHA": "none",
    "QT": "400",
    "RR": "1000",
    "SYSBP": "120",
    "DIABP": "80",
    "EFFUSION": "none",
}


def fact(code: str, said: str | None, on: dt.date = TODAY) -> Fact:
    """ "<0.5" is a bound, "60/100" has its upper limit of normal (or LLOQ), None was not done, " @" tells the day."""
    if said is None:
        return Fact(code, None, on, not_done="refused", examination=1)
    said, _at, when = said.partition(" @")
    on = day(when) if when else on
    measure = MEASURES[code]
    if measure.kind == Kind.DATE:
        return Fact(code, PartialDate.parse(said), on, examination=1)
    if measure.kind == Kind.CHOICE:
        assert said in measure.choices
        return Fact(code, said, on, examination=1)
    found = re.fullmatch(r"([<≤>≥]?)([\d.]+)(?:/([\d.]+))?", said)
    assert found
    limit = {"lloq" if measure.has_lloq else "upper_limit": Decimal(found[3])} if found[3] else {}
    return Fact(code, Decimal(found[2]), on, found[1], examination=1, **limit)


def together(facts: Iterable[Fact]) -> Facts:
    """Facts of one examination each, as their number says."""
    newest = {one.code: one for one in facts}
    return Facts(newest, {(one.examination, code): one for code, one in newest.items()})


def facts_of(answers: Answers) -> Facts:
    return together(fact(code, said) for code, said in answers.items())


def decided(name: str, answers: Answers | Facts, anchors: Anchors = ANCHORS, *rulings: Ruling) -> Decision:
    facts = answers if isinstance(answers, Facts) else facts_of(answers)
    return decide(*CHECKS[name], facts, anchors, rulings)


def decided_all(facts: Facts, anchors: Anchors = ANCHORS) -> dict[str, Decision]:
    return {decision.check: decision for decision in decide_all(ITEMS, facts, anchors)}


@dataclass(frozen=True)
class Row:
    """One row of a truth table: a check, the answers and the days it decides from, and what must come out."""

    name: str
    label: str
    answers: Answers
    result: Result
    why: Why
    anchors: Anchors

    @property
    def id(self) -> str:
        """INCL07c-92-fails; where an item has several checks, the measure is named too."""
        item, _check = CHECKS[self.name]
        part = item.code if len(item.checks) == 1 else self.name.replace(":", "-")
        return f"{part}-{self.label}-{SAID[self.result]}"


def row(
    name: str, label: str, answers: Answers, result: Result, why: Why = Why.COMPARED, **days: str | bool | None
) -> Row:
    changed = {key: day(value) if key.endswith("_on") and value else value for key, value in days.items()}
    if changed.get("birth_date"):
        born = PartialDate.parse(str(changed["birth_date"]))
        changed["birth_date"] = born.earliest if born.day else born
    return Row(name, label, answers, result, why, replace(ANCHORS, **changed))


def one(
    name: str,
    measure: str = "",
    *,
    passes: str = "",
    fails: str = "",
    asks: str = "",
    why: Why = Why.BOUND_ONLY,
    beside: Answers | None = None,
) -> Iterator[Row]:
    """Rows of a check that looks at one measure: the answers that it passes with, fails with, and asks about."""
    measure = measure or CHECKS[name][1].measure
    failed = Result.FAIL_OVERRIDABLE if name.startswith("INCL08") else FAIL
    for words, result, reason in ((passes, PASS, Why.COMPARED), (fails, failed, Why.COMPARED), (asks, ASKS, why)):
        for said in words.split():
            yield row(name, said, {**(beside or {}), measure: said}, result, reason)


def no_and_yes(*names: str) -> Iterator[Row]:
    for name in names:
        yield from one(name, passes="no", fails="yes")


JUDGE = Why.NEEDS_JUDGEMENT
LIMITS = [
    *one("INCL02:DIAGNOSIS", passes="b_all burkitt", fails="t_all other", asks="cml_blast", why=JUDGE),
    *one("INCL02:BM_BLASTS", passes="0 4.99 <5 ≤4.99", fails="5 5.01 >5 ≥5", asks="<5.01 >4.99 ≤5"),
    *one("INCL02:PB_BLASTS", passes="absent", fails="present"),
    *no_and_yes("INCL02:EXTRAMEDULLARY"),
    *one("INCL04:ECOG", passes="0 1 2 <2", fails="3 5 >2", asks="<3 >1"),
    *one("INCL06:SURVIVAL_MONTHS", passes="3.01 4 >3", fails="0 2.99 3 <3", asks="<3.01 >2.99"),
    *one(
        "INCL07a:CREAT",
        passes="0/90 180/90 179.99/90 0.3/0.15 <180/90",
        fails="180.01/90 2.001/1 >180/90 >181/90",
        asks="<180.01/90 >179.99/90",
    ),
    *one("INCL07b:LVEF", passes="50 50.1 95 >50 ≥50", fails="49.99 49 0 <50 ≤49.99", asks="<50.01 >49.99 ≤50"),
    *one(
        "INCL07c:oxygen",
        "OXYSAT",
        passes="92.1 92.01 93 100 >92",
        fails="92 91.99 91 <92",
        asks="<92.1 >91.9",
        beside={"ON_OXYGEN": "no"},
    ),
    *one("INCL07d:BILI", passes="0/20 40/20 <40/20", fails="40.01/20 >40/20", asks="<40.01/20 >39.99/20"),
    *one(
        "INCL07d:ALT",
        passes="0/40 120/40 0.3/0.1 <120/40 ≤120/40",
        fails="120.01/40 >120/40 ≥120.01/40",
        asks="<121/40 >119/40 ≥120/40",
    ),
    *one("INCL07d:AST", passes="0/40 120/40 0.3/0.1 <120/40", fails="120.01/40 >120/40", asks="<121/40 >119/40"),
    *one("INCL08:VENOUS_ACCESS", passes="yes", fails="no"),
    *one("INCL08a:HGB", passes="80 80.01 >80", fails="79.99 79 <80", asks="<80.01 >79.99"),
    *one("INCL08b:NEUT", passes="1.0 1 1.01 >1.0", fails="0.99 0 <1.0", asks="<1.01 >0.99"),
    *one("INCL08c:PLAT", passes="75 75.1 >75", fails="74.9 0 <75", asks="<75.1 >74.9"),
    *no_and_yes("EXCL01:MPAL", "EXCL02:PRIOR_CART", "EXCL03:MARROW_FAILURE"),
    *one("EXCL04a:HBVDNA", passes="0 0/20 19.9/20 20/20 <20/20", fails="20.1/20 >20/20 >21/20", asks="<21/20 >19/20"),
    *one("EXCL04b:HCVAB", passes="negative", fails="positive", asks="indeterminate", why=JUDGE),
    *one(
        "EXCL04c:EBVDNA",
        passes="0 399/400 400/400 <400/400 ≤400/400",
        fails="401/400 >400/400 ≥401/400",
        asks="<401/400 >399/400 ≥400/400",
    ),
    *one("EXCL04c:CMVDNA", passes="0 399/400 400/400 <400/400", fails="401/400 >400/400", asks="<401/400 >399/400"),
    *one("EXCL04d:HIVAB", passes="negative", fails="positive", asks="indeterminate", why=JUDGE),
    *one("EXCL06a:NYHA", passes="none 1 2", fails="3 4"),
    *no_and_yes("EXCL06b:ARRHYTHMIA", "EXCL06c:PULM_HTN", "EXCL06d:UNSTABLE_ANGINA", "EXCL06f:VALVE_DISEASE"),
    *no_and_yes("EXCL06g:OTHER_CARDIAC", "EXCL07:EPILEPSY", "EXCL07:STROKE", "EXCL07:CEREBELLAR", "EXCL07:OTHER_CNS"),
    *one("EXCL07:CNS_LEUKAEMIA", passes="no", asks="yes", why=JUDGE),
    *one("EXCL08:EFFUSION", passes="none trace not_significant", fails="significant"),
    *no_and_yes("EXCL10:HYPERSENSITIVITY", "EXCL12:INFECTION", "EXCL14:UNSUITABLE", "EXCL15:IMPAIRED"),
    # Another test of the same virus decides nothing.
    row("EXCL04a:HBVDNA", "HBsAg-positive", {"HBVDNA": "0/20", "HBSAG": "positive"}, PASS),
    row("EXCL04b:HCVAB", "positive-without-RNA", {"HCVAB": "positive", "HCVRNA": "0/15"}, FAIL),
]

WITHOUT_LIMIT = [
    row("INCL07a:CREAT", "no-upper-limit", {"CREAT": "60"}, MISSING, Why.NO_UPPER_LIMIT),
    row("INCL07a:CREAT", "upper-limit-of-0", {"CREAT": "60/0"}, MISSING, Why.NO_UPPER_LIMIT),
    row("INCL07d:AST", "no-upper-limit", {"AST": "<5"}, MISSING, Why.NO_UPPER_LIMIT),
    row("EXCL04a:HBVDNA", "no-LLOQ", {"HBVDNA": "10"}, MISSING, Why.NO_LLOQ),
    row("EXCL04a:HBVDNA", "below-a-bound-without-LLOQ", {"HBVDNA": "<20"}, MISSING, Why.NO_LLOQ),
    row("EXCL04a:HBVDNA", "above-0-without-LLOQ", {"HBVDNA": ">0"}, MISSING, Why.NO_LLOQ),
]

CONSENT = "INCL01:consent"
WILLING = {"WILLING_ABLE": "yes"}
LATE, GUARDIAN = Why.CONSENT_AFTER_PROCEDURE, Why.GUARDIAN_MISSING
PERSON = [
    row(CONSENT, "same-day", WILLING, PASS),
    row(CONSENT, "day-before", WILLING, PASS, consented_on="2025-07-31"),
    row(CONSENT, "day-after", WILLING, FAIL, LATE, consented_on="2025-08-02"),
    row(CONSENT, "no-procedure-yet", WILLING, PASS, first_procedure_on=None),
    row(CONSENT, "same-day-hour-before", WILLING, PASS, is_consent_first=True),
    row(CONSENT, "same-day-hour-after", WILLING, FAIL, LATE, is_consent_first=False),
    row(CONSENT, "none", WILLING, MISSING, Why.NO_CONSENT, consented_on=None),
    row(CONSENT, "not-willing", {"WILLING_ABLE": "no"}, FAIL, Why.NOT_WILLING),
    row(CONSENT, "guardian-signed", WILLING, PASS, is_guardian_needed=True, has_guardian=True),
    row(CONSENT, "guardian-did-not-sign", WILLING, FAIL, GUARDIAN, is_guardian_needed=True, has_guardian=False),
    row(CONSENT, "guardian-unknown", WILLING, MISSING, GUARDIAN, is_guardian_needed=True),
    row(CONSENT, "guardian-not-needed", WILLING, PASS, has_guardian=False),
    row(CONSENT, "minor-or-not-signed", WILLING, PASS, is_guardian_needed=None, has_guardian=True),
    *(
        row(CONSENT, label, WILLING, MISSING, Why.BIRTH_TOO_COARSE, is_guardian_needed=None, has_guardian=signed)
        for label, signed in (("minor-or-not-did-not-sign", False), ("minor-or-not-unknown", None))
    ),
    row(CONSENT, "late-and-without-guardian", WILLING, FAIL, LATE, consented_on="2025-08-02", is_guardian_needed=True),
    *(
        row("INCL03:age", label, {}, result, Why.AGE, birth_date=born, consented_on=on)
        for label, born, on, result in (
            ("13-eve-of-birthday", "2011-08-02", "2025-08-01", FAIL),
            ("14-birthday", "2011-08-01", "2025-08-01", PASS),
            ("80-last-day", "1944-08-02", "2025-08-01", PASS),
            ("81-birthday", "1944-08-01", "2025-08-01", FAIL),
            ("leap-day-28-february", "2012-02-29", "2026-02-28", FAIL),
            ("leap-day-1-march", "2012-02-29", "2026-03-01", PASS),
        )
    ),
    row("INCL03:age", "at-consent-not-today", {}, FAIL, Why.AGE, birth_date="2011-08-01", consented_on="2025-07-31"),
    row("INCL03:age", "no-consent", {}, MISSING, Why.NO_CONSENT, consented_on=None),
    *(
        row("INCL03:age", label, {}, result, Why.AGE, birth_date=born, consented_on="2025-08-15")
        for label, born, result in (
            ("12-or-13-by-the-year", "2012", FAIL),
            ("14-or-15-by-the-year", "2010", PASS),
            ("13-by-the-month", "2011-09", FAIL),
            ("14-by-the-month", "2011-07", PASS),
            ("80-by-the-month", "1944-09", PASS),
            ("81-by-the-month", "1944-07", FAIL),
        )
    ),
    *(
        row("INCL03:age", label, {}, MISSING, Why.BIRTH_TOO_COARSE, birth_date=born, consented_on="2025-08-15")
        for label, born in (
            ("13-or-14-by-the-year", "2011"),
            ("13-or-14-by-the-month", "2011-08"),
            ("80-or-81-by-the-year", "1944"),
            ("80-or-81-by-the-month", "1944-08"),
        )
    ),
    row("INCL03:age", "leap-february-on-the-28th", {}, FAIL, Why.AGE, birth_date="2012-03", consented_on="2026-02-28"),
    row(
        "INCL03:age",
        "born-in-a-leap-february",
        {},
        MISSING,
        Why.BIRTH_TOO_COARSE,
        birth_date="2012-02",
        consented_on="2026-02-28",
    ),
    row("INCL03:age", "no-birth-date", {}, MISSING, Why.BIRTH_TOO_COARSE, birth_date=None),
]

REASONS = ("HSCT_INELIGIBLE", "NO_DONOR", "DECLINES_HSCT")
FLOW, IHC = {"CD19_METHOD": "flow"}, {"CD19_METHOD": "ihc"}
FINDINGS = [
    *(
        row("INCL02:any_yes", f"only-{reason}", {**dict.fromkeys(REASONS, "no"), reason: "yes"}, PASS)
        for reason in REASONS
    ),
    row("INCL02:any_yes", "one-known", {"DECLINES_HSCT": "yes"}, PASS),
    row("INCL02:any_yes", "none-of-three", dict.fromkeys(REASONS, "no"), FAIL, Why.NO_REASON_OF_THREE),
    row(
        "INCL02:any_yes", "third-not-asked", {"HSCT_INELIGIBLE": "no", "NO_DONOR": "no"}, MISSING, Why.NOTHING_RECORDED
    ),
    row(
        "INCL02:any_yes",
        "third-not-done",
        {"HSCT_INELIGIBLE": "no", "NO_DONOR": "no", "DECLINES_HSCT": None},
        MISSING,
        Why.NOT_DONE,
    ),
    row("INCL05:cd19", "positive-by-flow", {"CD19": "positive", **FLOW}, PASS),
    row("INCL05:cd19", "positive-by-ihc", {"CD19": "positive", **IHC}, ASKS, Why.NOT_BY_FLOW),
    row("INCL05:cd19", "positive-by-other", {"CD19": "positive", "CD19_METHOD": "other"}, ASKS, Why.NOT_BY_FLOW),
    row("INCL05:cd19", "positive-method-unknown", {"CD19": "positive"}, MISSING, Why.NOTHING_RECORDED),
    row("INCL05:cd19", "partial-by-flow", {"CD19": "partial", **FLOW}, ASKS, JUDGE),
    row("INCL05:cd19", "partial-method-unknown", {"CD19": "partial"}, ASKS, JUDGE),
    row("INCL05:cd19", "negative-by-flow", {"CD19": "negative", **FLOW}, FAIL),
    row("INCL05:cd19", "negative-by-ihc", {"CD19": "negative", **IHC}, FAIL),
    row("INCL07c:oxygen", "98-on-oxygen", {"OXYSAT": "98", "ON_OXYGEN": "yes"}, ASKS, Why.ON_OXYGEN),
    row("INCL07c:oxygen", "92-on-oxygen", {"OXYSAT": "92", "ON_OXYGEN": "yes"}, FAIL),
    row("INCL07c:oxygen", "98-oxygen-not-asked", {"OXYSAT": "98"}, MISSING, Why.OXYGEN_UNKNOWN),
    row("INCL07c:oxygen", "98-oxygen-not-noted", {"OXYSAT": "98", "ON_OXYGEN": None}, MISSING, Why.OXYGEN_UNKNOWN),
    row("INCL07c:oxygen", "92-oxygen-not-asked", {"OXYSAT": "92"}, FAIL),
]

HCG, AGREED = "INCL09:pregnancy", "INCL09:contraception"
NEVER = Why.NOT_FERTILE
CHILD = [
    row(HCG, "serum-negative", {"HCG_SERUM": "negative"}, PASS),
    row(HCG, "serum-positive", {"HCG_SERUM": "positive"}, FAIL),
    row(HCG, "urine-only", {"HCG_URINE": "negative"}, MISSING, Why.SERUM_NEEDED),
    row(HCG, "urine-negative-serum-positive", {"HCG_URINE": "negative", "HCG_SERUM": "positive"}, FAIL),
    row(HCG, "urine-instead-of-serum", {"HCG_URINE": "negative", "HCG_SERUM": None}, MISSING, Why.NOT_DONE),
    row(HCG, "sterilised", {"STERILISED": "yes"}, PASS, NEVER),
    row(HCG, "sterilised-serum-positive", {"STERILISED": "yes", "HCG_SERUM": "positive"}, PASS, NEVER),
    row(HCG, "not-sterilised", {"STERILISED": "no"}, MISSING, Why.NOTHING_RECORDED),
    row(HCG, "sterilised-not-known", {"STERILISED": None}, MISSING, Why.NOTHING_RECORDED),
    row(HCG, "menopause-2-years", {"POSTMENOPAUSAL_YEARS": "2"}, PASS, NEVER),
    row(HCG, "menopause-2-years-not-sterilised", {"POSTMENOPAUSAL_YEARS": "2", "STERILISED": "no"}, PASS, NEVER),
    row(HCG, "menopause-1.9-years", {"POSTMENOPAUSAL_YEARS": "1.9"}, MISSING, Why.NOTHING_RECORDED),
    row(HCG, "menopause-1.9-years-serum-negative", {"POSTMENOPAUSAL_YEARS": "1.9", "HCG_SERUM": "negative"}, PASS),
    row(HCG, "menopause-1.9-years-sterilised", {"POSTMENOPAUSAL_YEARS": "1.9", "STERILISED": "yes"}, PASS, NEVER),
    row(HCG, "menopause-not-known", {"POSTMENOPAUSAL_YEARS": None}, MISSING, Why.NOTHING_RECORDED),
    row(HCG, "man", {}, PASS, Why.MAN, sex="M"),
    row(HCG, "sex-not-known", {}, MISSING, Why.NOTHING_RECORDED, sex=""),
    row(AGREED, "woman-agrees", {"CONTRACEPTION": "yes"}, PASS),
    row(AGREED, "woman-declines", {"CONTRACEPTION": "no"}, FAIL),
    row(AGREED, "woman-sterilised-declines", {"STERILISED": "yes", "CONTRACEPTION": "no"}, PASS, NEVER),
    row(AGREED, "woman-menopause-2-years", {"POSTMENOPAUSAL_YEARS": "2"}, PASS, NEVER),
    row(AGREED, "woman-menopause-1.9-declines", {"POSTMENOPAUSAL_YEARS": "1.9", "CONTRACEPTION": "no"}, FAIL),
    row(AGREED, "man-agrees", {"REPRODUCTIVE": "yes", "CONTRACEPTION": "yes"}, PASS, sex="M"),
    row(AGREED, "man-declines", {"REPRODUCTIVE": "yes", "CONTRACEPTION": "no"}, FAIL, sex="M"),
    row(AGREED, "man-not-able", {"REPRODUCTIVE": "no", "CONTRACEPTION": "no"}, PASS, NEVER, sex="M"),
    row(AGREED, "man-not-asked-whether-able", {"CONTRACEPTION": "no"}, FAIL, sex="M"),
    row(AGREED, "man-able-not-asked", {"REPRODUCTIVE": "yes"}, MISSING, Why.NOTHING_RECORDED, sex="M"),
    # A woman's answers say nothing about a man.
    row(AGREED, "man-with-a-menopause", {"POSTMENOPAUSAL_YEARS": "2", "CONTRACEPTION": "no"}, FAIL, sex="M"),
]

QTCB = "EXCL06b:qtcb"
HEART = [
    row(QTCB, "479.99-at-60", {"QT": "479.99", "RR": "1000"}, PASS),
    row(QTCB, "480-at-60", {"QT": "480", "RR": "1000"}, FAIL),
    row(QTCB, "479.64-of-rate-75", {"QT": "429", "EGHR": "75"}, PASS),
    row(QTCB, "480.25-of-rate-100", {"QT": "372", "EGHR": "100"}, FAIL),
    row(QTCB, "480-exactly-of-rate-135", {"QT": "320", "EGHR": "135"}, FAIL),
    row(QTCB, "481.54-of-RR-690", {"QT": "400", "RR": "690"}, FAIL),
    row(QTCB, "RR-goes-before-rate", {"QT": "400", "RR": "1000", "EGHR": "100"}, PASS),
    row(QTCB, "RR-not-measured-rate-is", {"QT": "400", "RR": None, "EGHR": "60"}, PASS),
    row(QTCB, "RR-0-rate-60", {"QT": "400", "RR": "0", "EGHR": "60"}, PASS),
    row(QTCB, "RR-0-rate-0", {"QT": "400", "RR": "0", "EGHR": "0"}, MISSING, Why.NO_INTERVAL),
    row(QTCB, "neither-measured", {"QT": "400", "RR": None, "EGHR": None}, MISSING, Why.NO_INTERVAL),
    row(QTCB, "QT-alone", {"QT": "400"}, MISSING, Why.NO_INTERVAL),
    row(QTCB, "QTcF-alone", {"QTCF": "430"}, MISSING, Why.QTCB_NEEDED),
    row(QTCB, "QTcF-alone-above-the-limit", {"QTCF": "520"}, MISSING, Why.QTCB_NEEDED),
    row(QTCB, "QTcF-with-a-rate", {"QTCF": "430", "EGHR": "60"}, MISSING, Why.QTCB_NEEDED),
    row(QTCB, "QTcF-does-not-change-QTcB", {"QT": "400", "RR": "1000", "QTCF": "520"}, PASS),
    row(QTCB, "QT-not-measured-QTcF-is", {"QT": None, "QTCF": "430"}, MISSING, Why.NOT_DONE),
    row(QTCB, "QTcF-not-measured", {"QTCF": None}, MISSING, Why.NOTHING_RECORDED),
    *(
        pressure
        for name, code, below, limit in (
            ("EXCL06c:SYSBP", "SYSBP", "149.9", "150"),
            ("EXCL06c:DIABP", "DIABP", "99.9", "100"),
        )
        for pressure in (
            row(name, below, {code: below}, PASS),
            row(name, f"{below}-treated", {code: below, "HTN_TREATED": "yes"}, PASS),
            row(name, f"{limit}-treated", {code: limit, "HTN_TREATED": "yes"}, FAIL),
            row(name, f"{limit}-untreated", {code: limit, "HTN_TREATED": "no"}, ASKS, Why.UNTREATED),
            row(name, f"{limit}-treatment-not-asked", {code: limit}, MISSING, Why.NOTHING_RECORDED),
            row(name, f"{limit}-treatment-not-known", {code: limit, "HTN_TREATED": None}, MISSING, Why.NOT_DONE),
            row(
                name,
                f"{limit}-treatment-asked-long-ago",
                {code: limit, "HTN_TREATED": "yes @2025-06-26"},
                MISSING,
                Why.EXPIRED,
            ),
        )
    ),
]

NO_DAY, COARSE, LEFT, NO_PLAN = Why.DATE_NEEDED, Why.DATE_TOO_COARSE, Why.INTERVAL, Why.NO_INFUSION_DATE


def history(
    name: str,
    event: Answers,
    measure: str,
    *,
    passes: str = "",
    fails: str = "",
    asks: str = "",
    missing: str = "",
    fits: Why = LEFT,
    unfit: Why = LEFT,
    **days: str | None,
) -> Iterator[Row]:
    """Rows of a check that counts from a day: the dates that it passes with, fails with, and cannot decide."""
    note = "".join(f"-{key[:-3]}-{value}" for key, value in days.items())
    for words, result, why in (
        (passes, PASS, fits),
        (fails, FAIL, unfit),
        (asks, ASKS, COARSE),
        (missing, MISSING, NO_PLAN),
    ):
        for said in words.split():
            yield row(name, f"{said}{note}", {**event, measure: said}, result, why, **days)


ATTACK, CLOT, VACCINE = "EXCL06e:CARDIAC_EVENT_DATE", "EXCL09:DVT_PE_DATE", "EXCL11:LIVE_VACCINE_DATE"
HAD_ATTACK, HAD_CLOT, HAD_VACCINE = {"CARDIAC_EVENT": "yes"}, {"DVT_PE": "yes"}, {"LIVE_VACCINE": "yes"}
INTERVALS = [
    row(ATTACK, "none", {"CARDIAC_EVENT": "no"}, PASS, Why.NO_EVENT),
    row(
        ATTACK,
        "none-though-a-date-stands",
        {"CARDIAC_EVENT": "no", "CARDIAC_EVENT_DATE": "2026-01-01"},
        PASS,
        Why.NO_EVENT,
    ),
    row(ATTACK, "no-date", HAD_ATTACK, MISSING, NO_DAY),
    row(ATTACK, "date-not-known", {**HAD_ATTACK, "CARDIAC_EVENT_DATE": None}, MISSING, NO_DAY),
    *history(
        ATTACK,
        HAD_ATTACK,
        "CARDIAC_EVENT_DATE",
        passes="2025-07-14 2025-06 2024",
        fails="2025-07-15 2025-08 2026 2026-01-15",
        asks="2025-07 2025",
    ),
    *history(
        ATTACK,
        HAD_ATTACK,
        "CARDIAC_EVENT_DATE",
        passes="2025-08-27",
        fails="2025-08-28 2025-08-31",
        infusion_on="2026-02-28",
    ),
    *history(
        ATTACK, HAD_ATTACK, "CARDIAC_EVENT_DATE", passes="2026-02-27", fails="2026-02-28", infusion_on="2026-08-31"
    ),
    *history(
        ATTACK, HAD_ATTACK, "CARDIAC_EVENT_DATE", passes="2028-02-28", fails="2028-02-29", infusion_on="2028-08-31"
    ),
    # Without a planned day, today's interval decides what every later one would; the rest waits.
    *history(
        ATTACK,
        HAD_ATTACK,
        "CARDIAC_EVENT_DATE",
        passes="2025-01-31 2025-01",
        missing="2025-02-01 2025-02 2025",
        infusion_on=None,
    ),
    row(CLOT, "none", {"DVT_PE": "no"}, PASS, Why.NO_EVENT),
    row(CLOT, "no-date", HAD_CLOT, MISSING, NO_DAY),
    *history(
        CLOT,
        HAD_CLOT,
        "DVT_PE_DATE",
        passes="2025-01-31 2025-01 2024",
        fails="2025-02-01 2025-02 2025-08-01",
        asks="2025",
    ),
    *history(CLOT, HAD_CLOT, "DVT_PE_DATE", passes="2025-01-31", fails="2025-02-01", infusion_on=None),
    row(CLOT, "not-screened", {**HAD_CLOT, "DVT_PE_DATE": "2020"}, MISSING, Why.NO_CONSENT, screened_on=None),
    row(VACCINE, "none", {"LIVE_VACCINE": "no"}, PASS, Why.NO_EVENT),
    row(VACCINE, "no-date", HAD_VACCINE, MISSING, NO_DAY),
    row(VACCINE, "asked-long-ago", {"LIVE_VACCINE": "no @2025-06-26"}, MISSING, Why.EXPIRED),
    *history(
        VACCINE,
        HAD_VACCINE,
        "LIVE_VACCINE_DATE",
        passes="2025-06-19 2025-05",
        fails="2025-06-20 2025-07",
        asks="2025-06 2025",
    ),
]

TUMOUR = "EXCL05:other_malignancy"
HAD_TUMOUR = {"OTHER_MALIGNANCY": "yes"}
CURED = {**HAD_TUMOUR, "MALIGNANCY_ACTIVE": "no"}
LONG_AGO = {**CURED, "MALIGNANCY_TREATED_UNTIL": "2020-07-31"}
LOW = {"MALIGNANCY_LOW_RISK": "yes"}
MALIGNANCY = [
    row(TUMOUR, "none", {"OTHER_MALIGNANCY": "no"}, PASS, Why.NO_EVENT),
    row(TUMOUR, "active", {**HAD_TUMOUR, "MALIGNANCY_ACTIVE": "yes"}, FAIL, Why.ACTIVE),
    row(TUMOUR, "active-treated-long-ago", {**LONG_AGO, **LOW, "MALIGNANCY_ACTIVE": "yes"}, FAIL, Why.ACTIVE),
    row(TUMOUR, "active-not-asked", HAD_TUMOUR, MISSING, Why.NOTHING_RECORDED),
    row(TUMOUR, "active-not-known", {**HAD_TUMOUR, "MALIGNANCY_ACTIVE": None}, MISSING, Why.NOT_DONE),
    row(TUMOUR, "active-asked-long-ago", {**HAD_TUMOUR, "MALIGNANCY_ACTIVE": "no @2025-06-26"}, MISSING, Why.EXPIRED),
    row(TUMOUR, "end-of-treatment-not-asked", {**CURED, **LOW}, MISSING, NO_DAY),
    *history(
        TUMOUR,
        {**CURED, **LOW},
        "MALIGNANCY_TREATED_UNTIL",
        passes="2020-07-31 2020-07 2019",
        fails="2020-08-01 2020-08 2021",
        asks="2020",
    ),
    row(TUMOUR, "low-risk-not-asked", LONG_AGO, ASKS, JUDGE),
    row(TUMOUR, "low-risk-not-known", {**LONG_AGO, "MALIGNANCY_LOW_RISK": None}, ASKS, JUDGE),
    row(TUMOUR, "low-risk-denied", {**LONG_AGO, "MALIGNANCY_LOW_RISK": "no"}, FAIL, Why.NOT_LOW_RISK),
]

UNAPPROVED, MARKETED = "EXCL13a:unapproved_agent", "EXCL13b:marketed_agent"
TOOK = {"OTHER_TRIAL": "yes", "TRIAL_AGENT": "yes"}
TOOK_NEW, TOOK_OLD = {**TOOK, "AGENT_MARKETED": "no"}, {**TOOK, "AGENT_MARKETED": "yes"}
ONE_DAY = {**TOOK_OLD, "AGENT_HALF_LIFE": "24"}
AGENTS = [
    *(
        same
        for name in (UNAPPROVED, MARKETED)
        for same in (
            row(name, "no-other-trial", {"OTHER_TRIAL": "no"}, PASS, Why.NO_AGENT),
            row(name, "no-agent-received", {"OTHER_TRIAL": "yes", "TRIAL_AGENT": "no"}, PASS, Why.NO_AGENT),
            row(name, "agent-not-asked", {"OTHER_TRIAL": "yes"}, MISSING, Why.NOTHING_RECORDED),
            row(name, "agent-not-known", {"OTHER_TRIAL": "yes", "TRIAL_AGENT": None}, MISSING, Why.NOT_DONE),
            row(name, "marketed-not-asked", TOOK, MISSING, Why.NOTHING_RECORDED),
            row(name, "marketed-not-known", {**TOOK, "AGENT_MARKETED": None}, MISSING, Why.NOT_DONE),
        )
    ),
    row(UNAPPROVED, "marketed", TOOK_OLD, PASS, Why.NO_AGENT),
    row(UNAPPROVED, "last-dose-not-asked", TOOK_NEW, MISSING, NO_DAY),
    *history(
        UNAPPROVED,
        TOOK_NEW,
        "AGENT_LAST_DOSE",
        passes="2025-10-14 2025-09",
        fails="2025-10-15 2025-11 2026-01-15",
        asks="2025-10 2025",
    ),
    *history(
        UNAPPROVED, TOOK_NEW, "AGENT_LAST_DOSE", passes="2026-02-27", fails="2026-02-28", infusion_on="2026-05-31"
    ),
    *history(
        UNAPPROVED,
        TOOK_NEW,
        "AGENT_LAST_DOSE",
        passes="2025-04-30 2025-04",
        missing="2025-05-01 2025-05",
        infusion_on=None,
    ),
    row(MARKETED, "not-marketed", TOOK_NEW, PASS, Why.NO_AGENT),
    row(MARKETED, "last-dose-not-asked", ONE_DAY, MISSING, NO_DAY),
    row(MARKETED, "half-life-not-asked", {**TOOK_OLD, "AGENT_LAST_DOSE": "2025-01-01"}, MISSING, NO_DAY),
    *history(
        MARKETED,
        ONE_DAY,
        "AGENT_LAST_DOSE",
        # Five half-lives exactly on 10 January.
        passes="2026-01-09 2026-01-10 2025-12",
        fails="2026-01-11 2026-01-15 2026-02",
        asks="2026-01 2026",
        fits=Why.HALF_LIVES,
        unfit=Why.HALF_LIVES,
    ),
    *history(
        MARKETED,
        ONE_DAY,
        "AGENT_LAST_DOSE",
        passes="2025-07-27 2025-06",
        missing="2025-07-28 2025-07",
        fits=Why.HALF_LIVES,
        infusion_on=None,
    ),
    *(
        row(
            MARKETED,
            f"5-days-of-{half_life}-h",
            {**TOOK_OLD, "AGENT_LAST_DOSE": "2026-01-10", "AGENT_HALF_LIFE": half_life},
            result,
            Why.HALF_LIVES,
        )
        for half_life, result in (("23.99", PASS), ("24", PASS), ("24.01", FAIL))
    ),
]

TABLE = [
    *LIMITS,
    *WITHOUT_LIMIT,
    *PERSON,
    *FINDINGS,
    *CHILD,
    *HEART,
    *INTERVALS,
    *MALIGNANCY,
    *AGENTS,
]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in TABLE])
def test_truth_table(row: Row) -> None:
    decision = decided(row.name, row.answers, row.anchors)
    assert (decision.result, decision.verdict.why) == (row.result, row.why)
    assert (decision.check, decision.item) == (row.name, row.name.partition(":")[0])


def test_every_check_of_the_study_stands_in_the_table_with_both_answers() -> None:
    assert len(PROTOCOL.criteria) == 24
    met = {row.name for row in TABLE if row.result == PASS}
    unmet = {row.name for row in TABLE if row.result in NOT_MET or row.name == "EXCL07:CNS_LEUKAEMIA"}
    assert met == unmet == set(CHECKS)
    assert len(CHECKS) == sum(len(item.checks) for item in ITEMS)


# --- Numbers -------------------------------------------------------------------------------------


def test_what_was_derived_is_kept_unrounded() -> None:
    assert decided(QTCB, {"QT": "372", "EGHR": "100"}).verdict.derived == pytest.approx(
        Decimal("480.25"), abs=Decimal("0.005")
    )
    assert decided("INCL07a:CREAT", {"CREAT": "180/90"}).verdict.derived == 2
    assert decided("INCL03:age", {}).verdict.derived == 40
    half_lives = decided(MARKETED, {**ONE_DAY, "AGENT_LAST_DOSE": "2026-01-10"})
    assert half_lives.verdict.derived == 5


@pytest.mark.parametrize(("printed", "expected"), [("2.40", PASS), ("2.41", FAIL)])
def test_a_ratio_is_taken_in_the_unit_of_the_report(printed: str, expected: Result) -> None:
    """2.4 mg/dL at an upper limit of 1.2: what that is in µmol/L does not matter."""
    creatinine = Fact("CREAT", Decimal(999), TODAY, printed=Decimal(printed), upper_limit=Decimal("1.2"))
    decision = decided("INCL07a:CREAT", together([creatinine]))
    assert (decision.result, decision.verdict.derived) == (expected, Decimal(printed) / Decimal("1.2"))


@pytest.mark.parametrize(("printed", "expected"), [("400", PASS), ("401", FAIL)])
def test_a_load_is_compared_in_the_unit_of_the_report(printed: str, expected: Result) -> None:
    load = Fact("EBVDNA", Decimal(9999), TODAY, printed=Decimal(printed), lloq=Decimal(400))
    assert decided("EXCL04c:EBVDNA", together([load])).result == expected


def test_a_word_is_no_number() -> None:
    with pytest.raises(AssertionError, match="ECOG is no number"):
        decided("INCL04:ECOG", together([Fact("ECOG", "good", TODAY)]))


@pytest.mark.parametrize(
    ("qt", "rr", "bazett", "fridericia"),
    [
        pytest.param("400", "1000", "400", "400", id="rate-60"),
        pytest.param("400", "640", "500", "464.16", id="rate-94"),
        pytest.param("300", "512", "419.26", "375", id="rate-117"),
        pytest.param("440", "1440", "366.67", "389.64", id="rate-42"),
    ],
)
def test_corrections_of_qt(qt: str, rr: str, bazett: str, fridericia: str) -> None:
    assert qtcb_ms(Decimal(qt), Decimal(rr)) == pytest.approx(Decimal(bazett), abs=Decimal("0.005"))
    assert qtcf_ms(Decimal(qt), Decimal(rr)) == pytest.approx(Decimal(fridericia), abs=Decimal("0.005"))


def test_rr_of_a_rate_of_75_is_800_ms() -> None:
    assert rr_of_rate(Decimal(75)) == 800


@pytest.mark.parametrize(
    ("name", "first", "second", "wanted"),
    [
        pytest.param(QTCB, ("QT", "400"), ("RR", "1000"), "RR", id="RR-of-another-ECG"),
        pytest.param(QTCB, ("QT", "400"), ("EGHR", "60"), "RR", id="rate-of-another-ECG"),
        pytest.param("INCL07c:oxygen", ("OXYSAT", "98"), ("ON_OXYGEN", "no"), "ON_OXYGEN", id="oxygen-at-another-hour"),
        pytest.param("INCL05:cd19", ("CD19", "positive"), ("CD19_METHOD", "flow"), "CD19_METHOD", id="another-sample"),
    ],
)
def test_what_another_examination_found_does_not_complete_this_one(
    name: str, first: tuple[str, str], second: tuple[str, str], wanted: str
) -> None:
    of_one = together([fact(*first), fact(*second)])
    of_two = together([fact(*first), replace(fact(*second), examination=2)])
    assert decided(name, of_one).result == PASS
    assert (decided(name, of_two).result, decided(name, of_two).verdict.wanted) == (MISSING, wanted)


def test_oxygen_is_not_asked_about_where_the_study_does_not() -> None:
    item, check = CHECKS["INCL07c:oxygen"]
    anyhow = check.model_copy(update={"on_room_air": False})
    facts = facts_of({"OXYSAT": "92.1", "ON_OXYGEN": "yes"})
    assert (decide(item, check, facts, ANCHORS).result, decide(item, anyhow, facts, ANCHORS).result) == (ASKS, PASS)


@pytest.mark.parametrize(
    ("counts_from", "expected"),
    [
        pytest.param("consent", FAIL, id="consent-of-31-july"),
        pytest.param("screening", PASS, id="screening-of-1-august"),
        pytest.param("infusion", MISSING, id="infusion-not-planned"),
    ],
)
def test_an_item_says_which_day_it_counts_from(counts_from: str, expected: Result) -> None:
    item, check = CHECKS[CLOT]
    anchors = replace(ANCHORS, consented_on=day("2025-07-31"), infusion_on=None, today=day("2025-07-31"))
    facts = facts_of({**HAD_CLOT, "DVT_PE_DATE": "2025-01-31"})
    assert decide(replace(item, counts_from=counts_from), check, facts, anchors).result == expected


# --- Nothing recorded, not done, expired ---------------------------------------------------------

# Told beside the main answer, in the same examination: they have no age of their own.
COMPANIONS = {"ON_OXYGEN", "CD19_METHOD", "RR"}


def total(facts: Facts, anchors: Anchors = ANCHORS) -> Overall:
    return overall(decision.result for decision in decided_all(facts, anchors).values())


def with_one(code: str, changed: Fact | None) -> Facts:
    known = [one for one in facts_of(ELIGIBLE).newest.values() if one.code != code]
    return together([*known, changed] if changed else known)


def test_whoever_meets_every_criterion_is_eligible() -> None:
    assert {name: d.result for name, d in decided_all(facts_of(ELIGIBLE)).items() if d.result != PASS} == {}
    assert total(facts_of(ELIGIBLE)) == Overall.ELIGIBLE


def test_nobody_is_eligible_without_an_answer() -> None:
    found = decided_all(Facts({}))
    assert {name for name, decision in found.items() if decision.result != MISSING} == {"INCL03:age"}
    assert {d.verdict.why for name, d in found.items() if name != "INCL03:age"} == {Why.NOTHING_RECORDED}


@pytest.mark.parametrize("code", ELIGIBLE)
def test_an_answer_that_is_not_there_is_missing(code: str) -> None:
    found = decided_all(with_one(code, None))
    missing = {name: decision for name, decision in found.items() if decision.result != PASS}
    assert missing
    assert {decision.result for decision in missing.values()} == {MISSING}
    assert code in {decision.verdict.wanted for decision in missing.values()}


@pytest.mark.parametrize("code", [code for code in ELIGIBLE if code not in COMPANIONS])
def test_an_answer_that_was_not_done_is_missing_and_says_so(code: str) -> None:
    found = decided_all(with_one(code, fact(code, None)))
    unmet = {(d.result, d.verdict.why, d.verdict.wanted) for d in found.values() if d.result != PASS}
    assert unmet >= {(MISSING, Why.NOT_DONE, code)}
    assert {result for result, _why, _wanted in unmet} == {MISSING}


@pytest.mark.parametrize("code", [code for code in ELIGIBLE if code not in COMPANIONS])
def test_an_answer_is_good_for_35_days_unless_it_lasts(code: str) -> None:
    last_good, too_old = day("2025-06-27"), day("2025-06-26")
    assert total(with_one(code, fact(code, ELIGIBLE[code], last_good))) == Overall.ELIGIBLE
    old = with_one(code, fact(code, ELIGIBLE[code], too_old))
    if MEASURES[code].lasts:
        assert total(old) == Overall.ELIGIBLE
        return
    unmet = {(d.result, d.verdict.why, d.verdict.wanted) for d in decided_all(old).values() if d.result != PASS}
    assert unmet >= {(MISSING, Why.EXPIRED, code)}
    assert {result for result, _why, _wanted in unmet} == {MISSING}


def test_what_lasts_is_history() -> None:
    lasting = {code for code in ELIGIBLE if MEASURES[code].lasts}
    assert lasting >= {"DIAGNOSIS", "MPAL", "PRIOR_CART", "CARDIAC_EVENT", "DVT_PE", "OTHER_MALIGNANCY", "OTHER_TRIAL"}
    assert not lasting & {"ECOG", "CREAT", "LVEF", "HCG_SERUM", "INFECTION", "WILLING_ABLE", "LIVE_VACCINE"}


@pytest.mark.parametrize(
    ("on", "anchors"),
    [
        pytest.param(None, ANCHORS, id="day-not-known"),
        pytest.param(day("2020-01-01"), replace(ANCHORS, expires_after_days=None), id="no-window"),
        pytest.param(day("2025-08-02"), ANCHORS, id="after-today"),
    ],
)
def test_what_does_not_expire(on: dt.date | None, anchors: Anchors) -> None:
    assert decided("INCL04:ECOG", together([Fact("ECOG", Decimal(0), on)]), anchors).result == PASS


# --- Rulings -------------------------------------------------------------------------------------


def ruling(decision: Decision, *, is_met: bool = True, reason: str = "stable", is_override: bool = False) -> Ruling:
    return Ruling(decision.check, is_met, reason, decision.basis, is_override)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in TABLE])
def test_what_a_ruling_can_change(row: Row) -> None:
    """A judgement closes what is open, an override sets an overridable limit aside; nothing else moves."""
    open_ = decided(row.name, row.answers, row.anchors)

    def ruled(**how: bool) -> Result:
        return decided(row.name, row.answers, row.anchors, ruling(open_, **how)).result

    assert ruled(is_met=True) == (PASS if row.result == ASKS else row.result)
    failed = Result.FAIL_OVERRIDABLE if row.name.startswith("INCL08") else FAIL
    assert ruled(is_met=False) == (failed if row.result == ASKS else row.result)
    assert ruled(is_override=True, is_met=False) == row.result
    is_failed_limit = row.result == Result.FAIL_OVERRIDABLE
    assert ruled(is_override=True) == (Result.PASS_BY_OVERRIDE if is_failed_limit else row.result)


def test_only_the_blood_counts_and_the_access_can_be_overridden() -> None:
    overridable = {item.code for item in ITEMS if item.is_overridable}
    assert overridable == {"INCL08", "INCL08a", "INCL08b", "INCL08c"}


PARTIAL, LOW_COUNT = ("INCL05:cd19", {"CD19": "partial", **FLOW}), ("INCL08b:NEUT", {"NEUT": "0.5"})


@pytest.mark.parametrize(
    ("case", "is_override", "changed"),
    [
        pytest.param(case, is_override, changed, id=f"{name}-{label}")
        for name, case, is_override in (("judgement", PARTIAL, False), ("override", LOW_COUNT, True))
        for label, changed in (
            ("without-reason", {"reason": ""}),
            ("blank-reason", {"reason": " \n"}),
            ("of-other-values", {"basis": basis_of([])}),
            ("of-another-check", {"check": "INCL08:VENOUS_ACCESS"}),
        )
    ],
)
def test_a_ruling_that_does_not_hold(case: tuple[str, Answers], is_override: bool, changed: dict[str, str]) -> None:
    open_ = decided(*case)
    good = ruling(open_, is_override=is_override)
    assert decided(*case, ANCHORS, good).result in MET
    assert decided(*case, ANCHORS, replace(good, **changed)) == open_


def test_the_first_ruling_that_holds_counts_and_is_kept() -> None:
    open_ = decided(*PARTIAL)
    blank, no, yes = ruling(open_, reason=""), ruling(open_, is_met=False), ruling(open_)
    found = decided(*PARTIAL, ANCHORS, blank, no, yes)
    assert (found.result, found.ruling) == (FAIL, no)
    assert found.verdict == open_.verdict
    assert decided(*PARTIAL, ANCHORS, yes, no).result == PASS


NEUTROPHILS = Fact("NEUT", Decimal("0.5"), TODAY)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"value": Decimal("0.4")}, id="value"),
        pytest.param({"value": None, "not_done": "clotted"}, id="not-done"),
        pytest.param({"on": day("2025-08-02")}, id="day"),
        pytest.param({"comparator": "<"}, id="bound"),
        pytest.param({"upper_limit": Decimal(7)}, id="upper-limit"),
        pytest.param({"lloq": Decimal("0.1")}, id="lloq"),
        pytest.param({"code": "PLAT"}, id="measure"),
    ],
)
def test_a_ruling_holds_only_on_the_values_it_was_made_on(changed: dict[str, object]) -> None:
    other = replace(NEUTROPHILS, **changed)
    assert basis_of([other]) != basis_of([NEUTROPHILS])
    made = ruling(decided("INCL08b:NEUT", together([NEUTROPHILS])), is_override=True)
    if other.code == "NEUT":
        assert decided("INCL08b:NEUT", together([other]), ANCHORS, made).result != Result.PASS_BY_OVERRIDE


def test_a_basis_knows_no_order() -> None:
    other = fact("PLAT", "60")
    assert basis_of([NEUTROPHILS, other]) == basis_of([other, NEUTROPHILS])


# --- Worst and overall ---------------------------------------------------------------------------

FROM_BEST = ["PASS", "PASS_BY_OVERRIDE", "NEEDS_INVESTIGATOR", "MISSING", "FAIL_OVERRIDABLE", "FAIL"]
MEANS = ["ELIGIBLE", "ELIGIBLE", "INCOMPLETE", "INCOMPLETE", "NOT_ELIGIBLE", "NOT_ELIGIBLE"]
PAIRS = list(product(Result, repeat=2))


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=[f"{first}-{second}" for first, second in PAIRS])
def test_two_results_together(first: Result, second: Result) -> None:
    place = max(FROM_BEST.index(first), FROM_BEST.index(second))
    assert worst([first, second]) == FROM_BEST[place]
    assert overall([first, second]) == MEANS[place]


def test_no_result_is_no_pass() -> None:
    assert (worst([]), overall([])) == (MISSING, Overall.INCOMPLETE)


@given(st.lists(st.sampled_from(Result), max_size=30))
def test_eligible_is_who_meets_all(results: list[Result]) -> None:
    is_eligible = bool(results) and all(result in ("PASS", "PASS_BY_OVERRIDE") for result in results)
    assert (overall(results) == Overall.ELIGIBLE) == is_eligible
    assert (overall(results) == Overall.NOT_ELIGIBLE) == any("FAIL" in result for result in results)


# --- What must always hold -----------------------------------------------------------------------


def rank(result: Result) -> int:
    return ORDER.index(result)


def answers_to(code: str) -> st.SearchStrategy[Fact]:
    measure = MEASURES[code]
    values: st.SearchStrategy[object] = st.sampled_from(measure.choices or [None])
    if measure.kind == Kind.NUMBER:
        assert measure.probable
        values = st.decimals(*measure.probable, places=1)
    if measure.kind == Kind.DATE:
        values = st.dates(day("2019-01-01"), day("2026-01-15")).map(lambda on: PartialDate(on.year, on.month, on.day))
    limits = st.none() | st.sampled_from([Decimal(1), Decimal(40), Decimal(100)])
    return st.builds(
        Fact,
        st.just(code),
        st.none() | values,
        st.sampled_from([TODAY, day("2025-06-26")]),
        st.sampled_from(["", "", *SIGNS] if measure.has_range or measure.has_lloq else [""]),
        upper_limit=limits if measure.has_range else st.none(),
        lloq=limits if measure.has_lloq else st.none(),
        examination=st.just(1),
    )


# Every measure that a rule asks about, by the checks and by the tables above.
ASKED = sorted({code for row in TABLE for code in row.answers} | set(ELIGIBLE))
ANY_FACTS = st.fixed_dictionaries({}, optional={code: answers_to(code) for code in ASKED})


@given(ANY_FACTS, st.sets(st.sampled_from([code for code in ASKED if code != "RR"])), st.sampled_from(["F", "M", ""]))
def test_an_answer_taken_away_never_makes_a_check_pass(facts: dict[str, Fact], gone: set[str], sex: str) -> None:
    """But for RR: without it, the heart rate of the same ECG decides."""
    anchors = replace(ANCHORS, sex=sex)
    before = decided_all(together(facts.values()), anchors)
    after = decided_all(together(one for code, one in facts.items() if code not in gone), anchors)
    assert [name for name in CHECKS if after[name].result == PASS != before[name].result] == []


@given(st.sets(st.sampled_from(sorted(ELIGIBLE)), min_size=1))
def test_answers_taken_from_an_eligible_person_leave_it_open(gone: set[str]) -> None:
    """Never "not eligible": a gap is no failure, and every answer of ELIGIBLE is needed."""
    facts = together(one for code, one in facts_of(ELIGIBLE).newest.items() if code not in gone)
    assert {decision.result for decision in decided_all(facts).values()} == {PASS, MISSING}
    assert total(facts) == Overall.INCOMPLETE


@given(st.sampled_from(sorted(ELIGIBLE)).flatmap(answers_to))
def test_one_other_answer_decides_about_an_eligible_person(other: Fact) -> None:
    found = [decision.result for decision in decided_all(with_one(other.code, other)).values()]
    unmet = [result for result in found if result not in ("PASS", "PASS_BY_OVERRIDE")]
    assert (overall(found) == Overall.ELIGIBLE) == (unmet == [])
    assert (overall(found) == Overall.NOT_ELIGIBLE) == any("FAIL" in result for result in unmet)


@dataclass(frozen=True)
class Slope:
    """A number of a check, and which way it gets worse; `limit` is where the answer turns."""

    name: str
    measure: str
    limit: int
    higher_is_worse: bool
    beside: Answers
    of: str = ""  # what the limit of the report is

    @property
    def is_printed(self) -> bool:
        """Whether laboratories print a bound for it."""
        return MEASURES[self.measure].has_range or MEASURES[self.measure].has_lloq


SLOPES = [
    Slope("INCL02:BM_BLASTS", "BM_BLASTS", 5, True, {}),
    Slope("INCL04:ECOG", "ECOG", 2, True, {}),
    Slope("INCL06:SURVIVAL_MONTHS", "SURVIVAL_MONTHS", 3, False, {}),
    Slope("INCL07a:CREAT", "CREAT", 180, True, {}, "/90"),
    Slope("INCL07b:LVEF", "LVEF", 50, False, {}),
    Slope("INCL07c:oxygen", "OXYSAT", 92, False, {"ON_OXYGEN": "no"}),
    Slope("INCL07c:oxygen", "OXYSAT", 92, False, {"ON_OXYGEN": "yes"}),
    Slope("INCL07d:BILI", "BILI", 40, True, {}, "/20"),
    Slope("INCL07d:ALT", "ALT", 120, True, {}, "/40"),
    Slope("INCL07d:AST", "AST", 120, True, {}, "/40"),
    Slope("INCL08a:HGB", "HGB", 80, False, {}),
    Slope("INCL08b:NEUT", "NEUT", 1, False, {}),
    Slope("INCL08c:PLAT", "PLAT", 75, False, {}),
    Slope("EXCL04a:HBVDNA", "HBVDNA", 20, True, {}, "/20"),
    Slope("EXCL04c:EBVDNA", "EBVDNA", 400, True, {}, "/400"),
    Slope("EXCL04c:CMVDNA", "CMVDNA", 400, True, {}, "/400"),
    Slope(QTCB, "QT", 480, True, {"RR": "1000"}),
    Slope(QTCB, "RR", 690, False, {"QT": "400"}),
    Slope(QTCB, "EGHR", 87, True, {"QT": "400"}),
    Slope("EXCL06c:SYSBP", "SYSBP", 150, True, {"HTN_TREATED": "yes"}),
    Slope("EXCL06c:SYSBP", "SYSBP", 150, True, {"HTN_TREATED": "no"}),
    Slope("EXCL06c:DIABP", "DIABP", 100, True, {"HTN_TREATED": "yes"}),
    Slope(MARKETED, "AGENT_HALF_LIFE", 24, True, {**TOOK_OLD, "AGENT_LAST_DOSE": "2026-01-10"}),
]
IDS = [f"{slope.name}-{slope.measure}-{'-'.join(filter(None, slope.beside.values()))}" for slope in SLOPES]
# Enough for each of the many cases below.
few = settings(max_examples=25)
# Places from nothing to twice the limit.
PLACES = st.integers(1, 400)


def at(slope: Slope, place: int, comparator: str = "") -> Decision:
    value = Decimal(slope.limit) * place / 200
    return decided(slope.name, {**slope.beside, slope.measure: f"{comparator}{value:f}{slope.of}"})


@pytest.mark.parametrize("slope", SLOPES, ids=IDS)
@few
@given(PLACES, PLACES, st.sampled_from(["", *SIGNS]))
def test_a_worse_value_is_never_better(slope: Slope, first: int, second: int, comparator: str) -> None:
    comparator = comparator if slope.is_printed else ""
    better, worse = sorted((first, second), reverse=not slope.higher_is_worse)
    assert rank(at(slope, worse, comparator).result) >= rank(at(slope, better, comparator).result)


@pytest.mark.parametrize("slope", SLOPES, ids=IDS)
def test_a_slope_is_met_at_its_better_end_only(slope: Slope) -> None:
    better, worse = (1, 400) if slope.higher_is_worse else (400, 1)
    assert at(slope, worse).result not in MET
    assert at(slope, better).result == (ASKS if slope.beside.get("ON_OXYGEN") == "yes" else PASS)


@pytest.mark.parametrize(
    "slope",
    [pytest.param(slope, id=label) for slope, label in zip(SLOPES, IDS, strict=True) if slope.is_printed],
)
@few
@given(PLACES, PLACES, st.sampled_from(SIGNS))
def test_a_bound_decides_as_every_value_it_allows(slope: Slope, bound: int, place: int, comparator: str) -> None:
    found = at(slope, bound, comparator).result
    is_between = place < bound if comparator in BELOW else place > bound
    is_allowed = is_between or (place == bound and comparator in ("≤", "≥"))
    if is_allowed and found != ASKS:
        assert at(slope, place).result == found


DATED = [
    (ATTACK, {**HAD_ATTACK}, "CARDIAC_EVENT_DATE"),
    (CLOT, {**HAD_CLOT}, "DVT_PE_DATE"),
    (VACCINE, {**HAD_VACCINE}, "LIVE_VACCINE_DATE"),
    (TUMOUR, {**CURED, **LOW}, "MALIGNANCY_TREATED_UNTIL"),
    (UNAPPROVED, TOOK_NEW, "AGENT_LAST_DOSE"),
    (MARKETED, {**ONE_DAY}, "AGENT_LAST_DOSE"),
]
DATED_IDS = [name for name, _event, _measure in DATED]
PAST = st.dates(day("2020-01-01"), TODAY)
PLANS = st.none() | st.dates(day("2025-08-02"), day("2026-12-31"))


@pytest.mark.parametrize(("name", "event", "measure"), DATED, ids=DATED_IDS)
@few
@given(PAST, PAST, PLANS)
def test_a_later_event_is_never_better(
    name: str, event: Answers, measure: str, first: dt.date, second: dt.date, plan: dt.date | None
) -> None:
    anchors = replace(ANCHORS, infusion_on=plan)
    early, late = (decided(name, {**event, measure: on.isoformat()}, anchors).result for on in sorted((first, second)))
    assert rank(late) >= rank(early)


@pytest.mark.parametrize(("name", "event", "measure"), DATED, ids=DATED_IDS)
@few
@given(PAST, st.dates(TODAY, day("2026-12-31")), st.dates(TODAY, day("2026-12-31")))
def test_a_later_infusion_is_never_worse(
    name: str, event: Answers, measure: str, on: dt.date, first: dt.date, second: dt.date
) -> None:
    answers = {**event, measure: on.isoformat()}
    early, late = (
        decided(name, answers, replace(ANCHORS, infusion_on=plan)).result for plan in sorted((first, second))
    )
    assert rank(late) <= rank(early)
    if decided(name, answers, replace(ANCHORS, infusion_on=None)).result == PASS:
        assert (early, late) == (PASS, PASS)


@pytest.mark.parametrize(("name", "event", "measure"), DATED, ids=DATED_IDS)
@few
@given(PAST, PLANS)
def test_a_month_decides_as_all_its_days(
    name: str, event: Answers, measure: str, on: dt.date, plan: dt.date | None
) -> None:
    anchors = replace(ANCHORS, infusion_on=plan)
    first = on.replace(day=1)
    days = [first + dt.timedelta(days=n) for n in range(31) if (first + dt.timedelta(days=n)).month == on.month]
    each = {decided(name, {**event, measure: day_.isoformat()}, anchors).result for day_ in days}
    whole = decided(name, {**event, measure: f"{on:%Y-%m}"}, anchors).result
    assert whole == (each.pop() if len(each) == 1 else MISSING if plan is None and MISSING in each else ASKS)


# --- What a bound cannot decide, and what else was once read too kindly ---------------------------------


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        pytest.param("EXCL06c:SYSBP", {"SYSBP": ">140", "HTN_TREATED": "yes"}, id="pressure"),
        pytest.param("EXCL06b:qtcb", {"QT": ">470", "RR": "1000"}, id="QT"),
        pytest.param("EXCL06b:qtcb", {"QT": "470", "EGHR": ">60"}, id="heart-rate"),
        pytest.param(
            "EXCL13b:marketed_agent",
            {
                "OTHER_TRIAL": "yes",
                "TRIAL_AGENT": "yes",
                "AGENT_MARKETED": "yes",
                "AGENT_LAST_DOSE": "2026-01-10",
                "AGENT_HALF_LIFE": ">20",
            },
            id="half-life",
        ),
        pytest.param("INCL09:pregnancy", {"POSTMENOPAUSAL_YEARS": ">1", "HCG_SERUM": None}, id="menopause"),
    ],
)
def test_a_bound_decides_nothing_that_is_compared_otherwise(name: str, answers: Answers) -> None:
    result = decided(name, {code: given for code, given in answers.items() if given is not None}).result
    assert result in {ASKS, MISSING}


def test_qtcb_of_exactly_the_limit_is_not_rounded_away() -> None:
    """800 ms at 21.6 beats: 800 / √(60 / 21.6) is 480 exactly."""
    assert decided("EXCL06b:qtcb", {"QT": "800", "EGHR": "21.6"}).result == FAIL
    assert decided("EXCL06b:qtcb", {"QT": "799.999", "EGHR": "21.6"}).result == PASS


def test_qtcb_may_be_limited_inclusively() -> None:
    check = Check(rule="qtcb", at_most="480")
    item = Item("EXCL06b", (check,))
    for qt, expected in (("480", PASS), ("480.01", FAIL)):
        facts = together([Fact("QT", Decimal(qt)), Fact("RR", Decimal(1000))])
        assert decide(item, check, facts, ANCHORS).result == expected


def test_a_ruling_on_a_date_does_not_outlive_a_moved_infusion() -> None:
    case = ("EXCL06e:CARDIAC_EVENT_DATE", {"CARDIAC_EVENT": "yes", "CARDIAC_EVENT_DATE": "2025-07"})
    open_ = decided(*case)
    assert open_.result == ASKS
    good = ruling(open_)
    assert decided(*case, ANCHORS, good).result == PASS
    assert decided(*case, replace(ANCHORS, infusion_on=day("2026-01-02")), good).result == ASKS


def test_not_low_risk_fails_whatever_the_date() -> None:
    answers = {"OTHER_MALIGNANCY": "yes", "MALIGNANCY_ACTIVE": "no", "MALIGNANCY_LOW_RISK": "no"}
    assert decided("EXCL05:other_malignancy", {**answers, "MALIGNANCY_TREATED_UNTIL": "2020"}).result == FAIL
    assert decided("EXCL05:other_malignancy", answers).result == FAIL


def test_expired_answers_make_nobody_infertile() -> None:
    man = replace(ANCHORS, sex="M")
    old = Fact("REPRODUCTIVE", "no", day("2024-01-01"))
    assert decided("INCL09:contraception", together([old]), man).result == MISSING
    years = Fact("POSTMENOPAUSAL_YEARS", Decimal(2), day("2024-01-01"))
    assert decided("INCL09:pregnancy", together([years]), replace(ANCHORS, sex="F")).result == MISSING


def test_a_method_that_was_not_done_is_missing() -> None:
    facts = together([Fact("CD19", "positive"), Fact("CD19_METHOD", None, not_done="no sample")])
    assert decided("INCL05:cd19", facts).result == MISSING
