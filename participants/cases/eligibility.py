"""How a table of worked eligibility cases maps to the rules, with the limits of the study in force.

A case names its criterion (I1 … I9, E1 … E15, with parts such as I7.4a or E6.3; our codes INCL07d work too) and
gives its facts as JSON in the column `inputs_json`; `OVERALL` takes the results of all. What a case leaves out is
not asked about; what it gives as null was asked and is missing.
"""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from participants.cases.inputs import COLUMN, COMMON, EXAMPLES, INPUTS, Input
from participants.cases.parsers import Quantity
from participants.criteria import items
from participants.rules.age import LeapDay, years_span
from participants.rules.eligibility import (
    Anchors,
    Check,
    Decision,
    Fact,
    Facts,
    Item,
    Result,
    Ruling,
    decide,
    name_of,
    overall,
    worst,
)
from participants.rules.measures import MEASURES
from participants.units import convert
from participants.wording import OVERALL_NAMES, RESULT_NAMES
from trialsite.casetables import CaseTable, Column, Inputs, Kind, UnusableValue, Word, Wrong, choice, mark
from trialsite.partialdate import PartialDate
from trialsite.study import get_study

TODAY = dt.date(2025, 8, 1)
OVERALL = "OVERALL"
RESULTS = "results"
OVERRIDE = "investigator_override"

# The parts as tables of cases number them, and the measures that belong to each; none: all of the criterion.
PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "I7.1": ("INCL07a", ()),
    "I7.2": ("INCL07b", ()),
    "I7.3": ("INCL07c", ()),
    "I7.4": ("INCL07d", ()),
    "I7.4a": ("INCL07d", ("BILI",)),
    "I7.4b": ("INCL07d", ("ALT",)),
    "I7.4c": ("INCL07d", ("AST",)),
    "E4.1": ("EXCL04a", ()),
    "E4.2": ("EXCL04b", ()),
    "E4.3": ("EXCL04c", ()),
    "E4.4": ("EXCL04d", ()),
    "E6.1": ("EXCL06a", ()),
    "E6.2": ("EXCL06b", ("ARRHYTHMIA",)),
    "E6.3": ("EXCL06b", ("QT",)),
    "E6.4": ("EXCL06c", ("SYSBP", "DIABP")),
    "E6.5": ("EXCL06c", ("PULM_HTN",)),
    "E6.6": ("EXCL06d", ()),
    "E6.7": ("EXCL06e", ()),
    "E6.8": ("EXCL06f", ()),
    "E6.9": ("EXCL06g", ()),
    "E13.1": ("EXCL13a", ()),
    "E13.2": ("EXCL13b", ()),
}
# Criteria and parts that are a list of conditions: a case asks about those that it names.
NAMED_ONLY = frozenset({"EXCL04c", "EXCL06c", "EXCL07"})


# --- The facts of one case -------------------------------------------------------------------------


class _Case:
    """The facts and anchors of one case, while its inputs are read."""

    def __init__(self, item: str, given: Mapping[str, str | None]) -> None:
        self.item = item
        self.facts: dict[str, Fact] = {}
        self.supposed: dict[str, Any] = {}
        self.anchors: dict[str, Any] = {}
        self.limits: dict[tuple[str, str], tuple[Decimal, str]] = {}
        self.units: dict[str, str] = {}
        self.half_lives: Decimal | None = None
        for name, (one, value) in _read(item, given).items():
            self.name = name
            one.put(self, value)
        self._conclude()

    def put(self, code: str, value: Any) -> None:
        """A fact; a second input for the same one is a contradiction or a slip."""
        if code in self.facts:
            raise UnusableValue(COLUMN, mark("%(input)s: another input gives this already"), input=self.name)
        self.facts[code] = _fact(code, value)

    def suppose(self, code: str, value: Any) -> None:
        """What an input says besides, unless the case says it itself."""
        self.supposed[code] = value

    def limit(self, kind: str, code: str, value: Decimal | None, unit: str = "") -> None:
        if (kind, code) in self.limits:
            raise UnusableValue(COLUMN, mark("%(input)s: another input gives this already"), input=self.name)
        if value is not None:
            self.limits[kind, code] = (value, unit)

    def raw(self, code: str, value: Any, unit: str) -> None:
        self.put(code, value)
        self.units[code] = unit

    def times_upper_limit(self, code: str, value: Any) -> None:
        self.put(code, value)
        self.limit("upper", code, Decimal(1))

    def count_half_lives(self, value: Decimal | None) -> None:
        """So many half-lives have passed at the infusion: a dose 1,000 days before, and the half-life that follows."""
        self.half_lives = value
        for code in ("AGENT_LAST_DOSE", "AGENT_HALF_LIFE"):
            self.put(code, None)

    def _conclude(self) -> None:
        """What follows from several inputs together."""
        if self.half_lives is not None:
            self._passed_half_lives(self.half_lives)
        if "AGENT_LAST_DOSE" in self.facts:
            is_marketed = "yes" if self.item == "EXCL13b" else "no"
            self.supposed |= {"OTHER_TRIAL": "yes", "TRIAL_AGENT": "yes", "AGENT_MARKETED": is_marketed}
        for code, value in self.supposed.items():
            self.facts.setdefault(code, _fact(code, value))
        if ("upper", "") in self.limits and not self.units:
            raise UnusableValue(COLUMN, mark("%(input)s: there is no value that it belongs to"), input="uln")
        for code, fact in self.facts.items():
            self.facts[code] = self._with_limits(code, fact)
        self.anchors = _with_guardian({"today": TODAY, **self.anchors})

    def _passed_half_lives(self, passed: Decimal) -> None:
        until = self.anchors.get("infusion_on") or TODAY
        self.anchors["infusion_on"] = until
        last_dose = until - dt.timedelta(days=1000 if passed else 0)
        day = PartialDate(last_dose.year, last_dose.month, last_dose.day)
        self.facts["AGENT_LAST_DOSE"] = _fact("AGENT_LAST_DOSE", day)
        half_life = Decimal(24_000) / passed if passed else Decimal(24)
        self.facts["AGENT_HALF_LIFE"] = _fact("AGENT_HALF_LIFE", half_life)

    def _with_limits(self, code: str, fact: Fact) -> Fact:
        if MEASURES[code].has_lloq and (found := self.limits.get(("lloq", code)) or self.limits.get(("lloq", ""))):
            return replace(fact, lloq=found[0])
        if not MEASURES[code].has_range:
            return fact
        found = self.limits.get(("upper", code)) or self._general_upper(code)
        return fact if found is None else self._in_one_unit(fact, *found)

    def _general_upper(self, code: str) -> tuple[Decimal, str] | None:
        """An upper limit that names no measure belongs to the only value that is given as printed."""
        found = self.limits.get(("upper", ""))
        if found is None or code not in self.units:
            return None
        if len(self.units) > 1:
            raise UnusableValue(
                COLUMN, mark("%(input)s: several values could have it; say which, such as alt_uln"), input="uln"
            )
        return found

    def _in_one_unit(self, fact: Fact, upper: Decimal, unit: str) -> Fact:
        """Compared as printed; with units that are said and differ, both in the measure's own."""
        own = self.units.get(fact.code, "")
        if not unit or not own or unit == own or fact.value is None:
            return replace(fact, upper_limit=upper)
        measure = MEASURES[fact.code]
        value = convert(measure, fact.number, own)
        return replace(fact, value=value, upper_limit=convert(measure, upper, unit))


def _fact(code: str, value: Any) -> Fact:
    if not isinstance(value, Quantity):
        return Fact(code, value, examination=1)
    lloq = value.number if value.is_limit else None
    return Fact(code, value.number, comparator=value.comparator, lloq=lloq, examination=1)


def _with_guardian(anchors: dict[str, Any]) -> dict[str, Any]:
    """Whether a guardian is needed, where the case says whether one signed."""
    policy = get_study().latest.policy
    age, born, consented = anchors.pop("age", None), anchors.get("birth_date"), anchors.get("consented_on")
    if "has_guardian" not in anchors and age is None:
        return anchors
    if age is None and born and consented:
        fewest, most = years_span(born, consented, LeapDay(policy.leap_day_birthday))
    else:
        fewest = most = 0 if age is None else age
    needed = {years < policy.guardian_below_age for years in (fewest, most)}
    return {**anchors, "is_guardian_needed": None if len(needed) > 1 else needed == {True}}


# --- Reading the inputs ----------------------------------------------------------------------------


def known_inputs(item: str) -> dict[str, Input]:
    """Every input that a criterion takes, with those of its lettered parts, by each of its names."""
    own = [inputs for code, inputs in INPUTS.items() if code.startswith(item) or item.startswith(code)]
    return {name: one for inputs in (COMMON, *own) for main, one in inputs.items() for name in (main, *one.column.also)}


def _read(item: str, given: Mapping[str, str | None]) -> dict[str, tuple[Input, Any]]:
    """Each input once, in the order of the declarations; null is None."""
    known = known_inputs(item)
    if unknown := [name for name in given if name not in known]:
        raise UnusableValue(
            COLUMN,
            mark("unknown input %(inputs)s for this criterion; known: %(known)s"),
            inputs=", ".join(map(repr, unknown)),
            known=", ".join(dict.fromkeys(_main_names(item))),
        )
    found: dict[int, tuple[str, Input, Any]] = {}
    for name, text in given.items():
        one, value = known[name], _value(name, known[name].column, text)
        if id(one) in found:
            value = _both(name, one, found[id(one)][2], value)
        found[id(one)] = (name, one, value)
    order = list(dict.fromkeys(id(one) for one in known.values()))
    return {found[key][0]: found[key][1:] for key in order if key in found}


def _main_names(item: str) -> list[str]:
    own = [name for code, inputs in INPUTS.items() if code.startswith(item) or item.startswith(code) for name in inputs]
    return [*own, *COMMON]


def _both(name: str, one: Input, first: Any, second: Any) -> Any:
    """Two names of one input: of several conditions one that holds is enough; anything else must not differ."""
    if first == second:
        return first
    if one.column.kind != Kind.YES_NO:
        raise UnusableValue(COLUMN, mark("%(input)s: another input gives this already"), input=name)
    return next((value for value in ("yes", None) if value in (first, second)), "no")


def _value(name: str, column: Column, text: str | None) -> Any:
    if text is None:
        return None
    try:
        return column(text)
    except ValueError as error:
        reason = error if isinstance(error, Wrong) else str(error)
        raise UnusableValue(
            COLUMN, mark("%(input)s: %(text)s cannot be read (%(reason)s)"), input=name, text=repr(text), reason=reason
        ) from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _value_of in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Wrong(mark("named twice: %(names)s"), names=", ".join(twice))
    return dict(pairs)


def inputs_of(text: str) -> dict[str, Any]:
    """The JSON object of a case, each name once; numbers keep the digits that were written."""
    try:
        value = json.loads(text, parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_pairs)
    except json.JSONDecodeError as error:
        raise Wrong(mark("not JSON: %(error)s"), error=error) from None
    if not isinstance(value, dict):
        raise Wrong(mark("write a JSON object"))
    return value


def _texts(given: Mapping[str, Any]) -> dict[str, str | None]:
    """Each value as it would stand in a cell."""
    return {name: _text(name, value) for name, value in given.items()}


def _text(name: str, value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str):
        return value
    raise UnusableValue(COLUMN, mark("%(input)s: write one value, no list and no object"), input=name)


def _override(value: Any) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if isinstance(value, Mapping) and value.keys() <= {"by", "date", "reason"}:
        return value
    raise UnusableValue(COLUMN, mark("%(input)s is an object with by, date and reason"), input=OVERRIDE)


def _results(given: Mapping[str, Any]) -> list[Result]:
    try:
        if given.keys() == {RESULTS} and isinstance(given[RESULTS], list):
            return [Result(word) for word in given[RESULTS]]
    except ValueError:
        pass
    raise UnusableValue(COLUMN, mark("`results` is a list of %(known)s, and nothing else"), known=", ".join(Result))


# --- Which checks a case asks about ----------------------------------------------------------------


def _labels() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Every name of a criterion or a part: the item that it means, and the measures of the part."""
    numbered = {
        f"{'I' if one.code.startswith('INCL') else 'E'}{int(one.code[4:])}": (one.code, ())
        for one in get_study().latest.criteria
    }
    own = {code: (code, ()) for one in get_study().latest.criteria for code, _text_of, _checks in one.items}
    return {**numbered, **PARTS, **{one.code: (one.code, ()) for one in get_study().latest.criteria}, **own}


def _criterion(text: str) -> str:
    known = [*_labels(), OVERALL]
    if text.strip() not in known:
        raise Wrong(
            mark("no such criterion; write I1 … I9, E1 … E15, a part such as I7.1, a code of the study, or OVERALL")
        )
    return text.strip()


def _checks(case_item: str, measures: tuple[str, ...], case: _Case) -> list[tuple[Item, Check]]:
    """The checks that a case asks about: those of its part, and of a list of conditions the ones it names."""
    named = [
        (item, check)
        for item in items(get_study().latest)
        for check in item.checks
        if item.code.startswith(case_item) and (not measures or check.measure in measures or check.rule == "qtcb")
    ]
    if case_item == "EXCL06b":
        named = [(item, c) for item, c in named if (c.rule == "qtcb") == (measures == ("QT",))]
    if case_item in NAMED_ONLY:
        named = [(item, c) for item, c in named if c.measure in case.facts]
    return named


def _evaluate(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    label, given = inputs["criterion"], inputs[COLUMN]
    if label == OVERALL:
        return {"result": overall(_results(given)).value}, "overall"
    code, measures = _labels()[label]
    override = _override(given.get(OVERRIDE))
    case = _Case(code, _texts({name: value for name, value in given.items() if name != OVERRIDE}))
    named = _checks(code, measures, case)
    if not named:
        raise UnusableValue(
            "criterion", mark("%(label)s with these inputs asks about no check of the study"), label=repr(label)
        )
    decisions = [_decide(item, check, case, override) for item, check in named]
    return {"result": worst(d.result for d in decisions).value}, _in_words(decisions)


def _decide(item: Item, check: Check, case: _Case, override: Mapping[str, Any] | None) -> Decision:
    anchors = Anchors(**case.anchors)
    facts = Facts(case.facts, {(1, code): fact for code, fact in case.facts.items()})
    decision = decide(item, check, facts, anchors)
    if override is None:
        return decision
    reason = str(override.get("reason") or "")
    ruling = Ruling(name_of(item.code, check), True, reason, decision.basis, is_override=True)
    return decide(item, check, facts, anchors, [ruling])


def _in_words(decisions: list[Decision]) -> str:
    return "; ".join(f"{d.check} {d.result.value} ({d.verdict.why.value})" for d in decisions)


# --- The declaration -------------------------------------------------------------------------------


def _inputs_of_criteria() -> dict[str, Inputs]:
    """What each criterion takes, with one case of it; the names of all first."""
    labels = _labels()
    texts = {code: text for one in get_study().latest.criteria for code, text, _checks_of in one.items}
    columns = {name: one.column for name, one in COMMON.items()}
    of_all = Inputs(_("every criterion"), {**columns, OVERRIDE: _OVERRIDE}, {}, may_leave_out=True)
    found = {"*": of_all}
    for label, example in EXAMPLES.items():
        item, _measures = labels[label]
        own = {n: i.column for code, inputs in INPUTS.items() if code.startswith(item) for n, i in inputs.items()}
        row = {"criterion": label, COLUMN: example, "expected_result": Result.PASS.value}
        text = texts.get(item) or get_study().latest.criterion(item[:6]).text
        found[label] = Inputs(text, own, row, may_leave_out=True)
    row = {"criterion": OVERALL, COLUMN: '{"results": ["PASS", "MISSING"]}', "expected_result": "INCOMPLETE"}
    found[OVERALL] = Inputs(_("all criteria together"), {RESULTS: _RESULTS}, row)
    return found


FACTS = _("the facts as a JSON object; left out: not asked about; null: asked, and missing")
_OVERRIDE = Column(
    _("a failed limit set aside: an object with by, date and reason"), str, Kind.TEXT, '{"reason": "stable"}'
)
_RESULTS = Column(_("the results of all criteria, a list"), str, Kind.TEXT, '["PASS"]')
_MEANINGS: dict[Any, Any] = {**RESULT_NAMES, **OVERALL_NAMES}
RESULT_WORDS = tuple(Word(str(result), str(result), meaning) for result, meaning in _MEANINGS.items())


def _table() -> CaseTable:
    return CaseTable(
        inputs={
            "criterion": Column(
                _("criterion, or a part of it; the study's own codes are known, too"), _criterion, Kind.CASE, "I4"
            ),
            COLUMN: Column(FACTS, inputs_of, Kind.INPUTS, '{"ecog": 1}', inputs=_inputs_of_criteria()),
        },
        expected={"result": choice(_("result"), RESULT_WORDS)},
        evaluate=_evaluate,
        descriptive=("criterion_text_short", "override_allowed", "judgement_needed", "derived_value", "note"),
    )


CASES = {"eligibility": _table()}
