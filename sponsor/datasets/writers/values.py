"""What a value is where another one decides it: the unit and the result of each test, the value of each qualifier.

Define-XML calls it value-level metadata. It tells what occurs in the rows, as `Staging` noted it while they were laid
down: a test that has numbers alone is a number, and one that has few words is a list of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sponsor.datasets.model import Codelist, Kind, Origin, Staged, Term, Variable, Within
from sponsor.datasets.writers import common


@dataclass(frozen=True)
class Decided:
    """A variable as it is for one value of another: `test` is that value, `decider` the variable that has it."""

    dataset: str
    decider: str
    test: str
    variable: Variable
    within: Within

    @property
    def oid(self) -> str:
        return f"{common.item_oid(self.dataset, self.variable.name)}.{self.test}"

    @property
    def where(self) -> str:
        return f"WC.{self.dataset}.{self.test}"

    @property
    def label(self) -> str:
        return f"{self.variable.label}, {self.within.label or self.test}"

    @property
    def kind(self) -> Kind:
        if not self.within.is_number:
            return Kind.TEXT
        return Kind.FLOAT if self.within.places else Kind.INTEGER

    @property
    def origin(self) -> Origin:
        return Origin(self.within.origin) if self.within.origin else self.variable.origin

    @property
    def codelist(self) -> Codelist | None:
        """The words that occurred, with the codes that the variable's own list has for them."""
        if self.kind.is_number or not self.within.words or self.variable.name in ("QVAL", "TSVAL"):
            return None
        if any(word[0].isdigit() or word[0] in "<>-." for word in self.within.words):
            # A bound among numbers is no word of a list.
            return None
        general = self.variable.codelist or Codelist("", self.variable.label, ())
        known = {one.value: one for one in general.terms}
        terms = tuple(known.get(word, Term(word)) for word in sorted(self.within.words))
        name = f"{self.dataset}.{self.variable.name}.{self.test}"
        return replace(general, name=name, label=f"{general.label}, {self.dataset} {self.test}", terms=terms)


def decided(staged: Staged) -> Iterator[tuple[Variable, list[Decided]]]:
    """The variables whose value another decides, each with what it is for each of its values."""
    for variable in common.shown(staged):
        if found := staged.within.get(variable.name):
            decider = staged.dataset.decider
            yield (
                variable,
                [Decided(staged.dataset.name, decider, test, variable, found[test]) for test in sorted(found)],
            )
