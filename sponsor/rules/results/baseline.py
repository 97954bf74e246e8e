"""Baseline: age, sex, region, performance status and disease of everybody who was enrolled.

Source: the results section of ClinicalTrials.gov, baseline characteristics: age and sex always, race and ethnicity or
that they were not collected. Ages over 89 are one age (45 CFR 164.514(b)(2)(i)(C)). Baseline is the last that was found
up to the infusion; of whom nothing was found, the table says so.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from sponsor.rules.results.model import Arm, Json, counted, denominators, group, measurement

GROUP = "BG000"
OLDEST = 90
UNKNOWN = "Not Recorded"
COUNT = {"paramType": "COUNT_OF_PARTICIPANTS", "unitOfMeasure": "Participants"}
SEXES = {"F": "Female", "M": "Male"}
DISEASES = {
    "b_all": "B-cell acute lymphoblastic leukemia",
    "burkitt": "Burkitt leukemia",
    "cml_blast": "Chronic myeloid leukemia in lymphoid blast phase",
    "t_all": "T-cell acute lymphoblastic leukemia",
    "other": "Other",
}
MRDS = {
    "negative": "Negative (below 0.01%)",
    "insufficient": "Not detected, insufficient sensitivity",
    "positive": "Positive",
}
ECOGS = {str(grade): f"Grade {grade}" for grade in range(5)}


@dataclass(frozen=True)
class Person:
    """What is known of one participant at baseline; None or "" where nothing is. `sex` is F or M."""

    number: str
    age: int | None
    sex: str
    country: str
    ecog: int | None = None
    disease: str = ""
    mrd: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of what is not known."""
        facts = {"age": self.age is None, "ecog": self.ecog is None, "disease": not self.disease, "mrd": not self.mrd}
        return tuple(name for name, is_missing in facts.items() if is_missing)


def module(arm: Arm, people: Sequence[Person]) -> Json:
    return {
        "groups": [group(GROUP, arm)],
        "denoms": denominators(GROUP, len(people)),
        "measures": _measures(people) if people else [],
    }


def _measures(people: Sequence[Person]) -> list[Json]:
    none = "Race and ethnicity were not collected from any participant."
    return [
        *_age(sorted(min(one.age, OLDEST) for one in people if one.age is not None), len(people)),
        _counted("Age, Categorical", people, _band, dict.fromkeys(BANDS), BANDS),
        _counted("Sex: Female, Male", people, lambda one: one.sex, SEXES),
        {"title": "Race and Ethnicity Not Collected", "populationDescription": none, **COUNT}
        | {"classes": counted(GROUP, [("", 0)])},
        _counted("Region of Enrollment", people, lambda one: one.country, {}),
        _counted("ECOG Performance Status", people, lambda one: "" if one.ecog is None else str(one.ecog), ECOGS),
        _counted("Disease", people, lambda one: one.disease, DISEASES),
        _counted("Minimal Residual Disease", people, lambda one: one.mrd, MRDS),
    ]


def _age(ages: Sequence[int], whole: int) -> list[Json]:
    """Median and range of those whose age is known."""
    if not ages:
        return []
    value = measurement(GROUP, _number(median(ages)), lowerLimit=str(ages[0]), upperLimit=str(ages[-1]))
    told = {"denoms": denominators(GROUP, len(ages))} if len(ages) < whole else {}
    return [
        {"title": "Age, Continuous", "paramType": "MEDIAN", "dispersionType": "FULL_RANGE", "unitOfMeasure": "years"}
        | told
        | {"classes": [{"categories": [{"measurements": [value]}]}]}
    ]


def median(ordered: Sequence[int]) -> Fraction:
    """
    >>> median([14, 20, 61]), median([14, 21])
    (Fraction(20, 1), Fraction(35, 2))
    """
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return Fraction(ordered[middle])
    return Fraction(ordered[middle - 1] + ordered[middle], 2)


def _number(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.1f}"


BANDS = ("<=18 years", "Between 18 and 65 years", ">=65 years")


def _band(one: Person) -> str:
    """As the registry words them: 18 is in the first, 65 in the last."""
    if one.age is None:
        return ""
    return BANDS[0] if one.age <= 18 else BANDS[1] if one.age < 65 else BANDS[2]


def _counted(
    title: str,
    people: Iterable[Person],
    value: Callable[[Person], str],
    names: dict[str, str] | dict[str, None],
    always: Iterable[str] = (),
) -> Json:
    """A row for each value in the order of `names`, with those that nobody has if they are `always` shown."""
    found = Counter(value(one) for one in people)
    known = list(dict.fromkeys((*always, *names, *sorted(found))))
    rows = [(names.get(one) or one, found[one]) for one in known if one and (found[one] or one in always)]
    if found[""]:
        rows.append((UNKNOWN, found[""]))
    return {"title": title, **COUNT, "classes": counted(GROUP, rows)}
