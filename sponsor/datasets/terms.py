"""Controlled terminology: the terms that this program uses, by the codelists of one release."""

import csv
from functools import cache
from pathlib import Path

from sponsor.datasets.model import Codelist, Term

RELEASE = "2025-03-28"
FILE = Path(__file__).with_name("terms.csv")


@cache
def codelists() -> dict[str, Codelist]:
    """By the NCI code of the codelist."""
    found: dict[str, Codelist] = {}
    terms: dict[str, list[Term]] = {}
    with FILE.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(line for line in lines if not line.startswith("#")):
            code = row["codelist"]
            found.setdefault(
                code, Codelist(row["name"], row["label"], (), code=code, is_extensible=row["extensible"] == "yes")
            )
            if row["value"]:
                terms.setdefault(code, []).append(Term(row["value"], row["decode"], row["code"]))
    return {
        code: Codelist(one.name, one.label, tuple(terms.get(code, ())), code, one.is_extensible)
        for code, one in found.items()
    }


def joined(name: str, codes: tuple[str, ...]) -> Codelist | None:
    """One codelist for a variable: the standard's, or where it takes several, one of the sponsor's with all terms."""
    known = [codelists()[code] for code in codes if code in codelists()]
    if len(known) <= 1:
        return known[0] if known else None
    terms = {term.value: term for one in known for term in one.terms}
    label = " or ".join(one.label for one in known)
    return Codelist(name, label, tuple(terms.values()), is_extensible=any(one.is_extensible for one in known))
