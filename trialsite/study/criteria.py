"""The criteria of eligibility, and the checks of recorded facts that decide each."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from trialsite.study.parts import Part, Text, exact

CheckRule = Literal[
    "number",
    "one_of",
    "any_yes",
    "consent",
    "age",
    "cd19",
    "oxygen",
    "pregnancy",
    "contraception",
    "virus_dna",
    "qtcb",
    "hypertension",
    "clear_since",
    "other_malignancy",
    "unapproved_agent",
    "marketed_agent",
]
# What each rule needs besides its name; what is not named here must be left out.
NEEDED: dict[str, tuple[frozenset[str], ...]] = {
    "number": tuple(frozenset({"measure", limit}) for limit in ("at_least", "at_most", "above", "below")),
    "one_of": (frozenset({"measure", "passes", "fails"}), frozenset({"measure", "passes"})),
    "any_yes": (frozenset({"measures"}),),
    "consent": (frozenset(),),
    "age": (frozenset({"at_least", "at_most"}),),
    "cd19": (frozenset(),),
    "oxygen": (frozenset({"above"}), frozenset({"at_least"})),
    "pregnancy": (frozenset(),),
    "contraception": (frozenset(),),
    "virus_dna": (frozenset({"measure"}),),
    "qtcb": (frozenset({"below"}), frozenset({"at_most"})),
    "hypertension": (frozenset({"measure", "below"}), frozenset({"measure", "at_most"})),
    "clear_since": tuple(frozenset({"event", "measure", unit}) for unit in ("days", "months")),
    "other_malignancy": (frozenset({"months"}),),
    "unapproved_agent": (frozenset({"months"}),),
    "marketed_agent": (frozenset({"at_least"}),),
}
WITH_DEFAULT = frozenset({"is_times_uln", "on_room_air"})


def _is_empty(value: object) -> bool:
    """Nothing given; a limit of 0 is given."""
    return value is None or value is False or value in ("", ())


class Check(Part):
    """How recorded facts decide a criterion or a part of it: the name of the rule, and its limits."""

    rule: CheckRule
    measure: str = ""
    event: str = ""
    measures: tuple[str, ...] = ()
    at_least: Annotated[Decimal | None, BeforeValidator(exact)] = None
    at_most: Annotated[Decimal | None, BeforeValidator(exact)] = None
    above: Annotated[Decimal | None, BeforeValidator(exact)] = None
    below: Annotated[Decimal | None, BeforeValidator(exact)] = None
    is_times_uln: bool = False
    passes: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    days: Annotated[int | None, Field(ge=1)] = None
    months: Annotated[int | None, Field(ge=1)] = None
    on_room_air: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Self:
        given = {name for name in type(self).model_fields if not _is_empty(getattr(self, name))}
        given -= {"rule", *WITH_DEFAULT}
        if given not in NEEDED[self.rule]:
            wanted = " or ".join("+".join(sorted(names)) or "nothing" for names in NEEDED[self.rule])
            raise ValueError(f"rule {self.rule!r} needs {wanted}; here stands {'+'.join(sorted(given)) or 'nothing'}")
        if self.is_times_uln and (self.rule != "number" or self.at_most is None):
            raise ValueError("is_times_uln belongs to rule 'number' with at_most")
        return self


class CriterionPart(Part):
    code: Annotated[str, Field(pattern=r"^(INCL|EXCL)\d\d[a-z]$")]
    text: Text
    checks: tuple[Check, ...] = ()


class Criterion(Part):
    """What the protocol asks of, or rules out for, a participant."""

    code: Annotated[str, Field(pattern=r"^(INCL|EXCL)\d\d$")]
    text: Text
    parts: tuple[CriterionPart, ...] = ()
    relative_to: Literal["consent", "screening", "infusion"]
    judgement: bool
    overridable: bool
    checks: tuple[Check, ...] = ()

    @property
    def items(self) -> tuple[tuple[str, Text, tuple[Check, ...]], ...]:
        """The criterion and its lettered parts: code, text and checks, in the order of the protocol."""
        parts = tuple((part.code, part.text, part.checks) for part in self.parts)
        return ((self.code, self.text, self.checks), *parts)

    @property
    def is_inclusion(self) -> bool:
        return self.code.startswith("INCL")

    @model_validator(mode="after")
    def _parts_belong(self) -> Self:
        expected = [f"{self.code}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"[: len(self.parts)]]
        if [part.code for part in self.parts] != expected:
            raise ValueError(f"{self.code}: its parts must be called {', '.join(expected)}, in this order")
        if not any(checks for _code, _text, checks in self.items):
            raise ValueError(f"{self.code}: nothing decides it; give it, or its parts, checks")
        return self
