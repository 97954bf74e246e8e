"""The codelists of a package as they are told: whole ones as the standard has them, of extensible ones what occurs."""

from dataclasses import dataclass, field

from sponsor.datasets.model import Codelist, Package, Term, Variable
from sponsor.datasets.writers import common


@dataclass(frozen=True)
class Told:
    """A term of a codelist; `is_extended` is a value of the sponsor's in a list of the standard's."""

    term: Term
    is_extended: bool = False


@dataclass
class Used:
    """A codelist with the variables that point to it, and the values that they have."""

    codelist: Codelist
    is_number: bool
    terms: dict[str, Term] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def told(self) -> list[Told]:
        """In the order of the list, what it did not foresee at the end; all of it where nothing has occurred."""
        known = [self._told(one) for one in self.terms.values() if self._is_told(one)]
        return known + [self._told(Term(value)) for value in sorted(self.seen - self.terms.keys())]

    def _is_told(self, term: Term) -> bool:
        return not self.codelist.is_extensible or not self.seen or term.value in self.seen

    def _told(self, term: Term) -> Told:
        return Told(term, is_extended=bool(self.codelist.code) and not term.code)


def used(package: Package) -> dict[str, Used]:
    """By name, the codelists of all variables that are written; one list may serve several."""
    found: dict[str, Used] = {}
    for staged in common.written(package):
        for variable in common.shown(staged):
            if (codelist := variable.codelist) is not None:
                one = found.setdefault(codelist.name, Used(codelist, variable.kind.is_number))
                one.terms |= {term.value: term for term in codelist.terms if term.value not in one.terms}
                one.seen |= staged.seen.get(variable.name, set())
    return {name: one for name, one in sorted(found.items()) if one.told()}


def in_words(variable: Variable, lists: dict[str, Used]) -> str:
    """Such as `N = No; Y = Yes`, for a codebook that people read."""
    one = lists.get(variable.codelist.name) if variable.codelist else None
    return "; ".join(_words(told.term) for told in one.told()) if one else ""


def _words(term: Term) -> str:
    return f"{term.value} = {term.decode}" if term.decode and term.decode != term.value else term.value
