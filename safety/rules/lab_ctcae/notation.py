"""The short notation in which the table of thresholds is written, so that it reads like the published one.

`2 <100 g/L | 6.2 mmol/L` — below 100 g/L (6.2 mmol/L) is grade 2; where two units are printed, both stand there.
`3 >5.0 ULN` — more than 5.0 × the upper limit of normal is grade 3. `1 >=1.5 baseline`, `3 >baseline + 60 ms`.
`… beyond baseline` — only a value that is worse than the baseline. `… if FINDING` — only where somebody says so.
`2 any if FINDING` — whatever the value. Bands are separated by semicolons.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

from safety.rules.lab_ctcae.model import Band, Finding, Limit

BAND = re.compile(
    r"(?P<grade>[1-4]) (?:any|(?P<sign>[<>]=?)(?P<edge>.+?))(?P<beyond> beyond baseline)?(?: if (?P<needs>\w+))?"
)
OF_LIMIT = re.compile(r"(?:(?P<times>[\d.]+) )?(?P<limit>ULN|LLN|baseline)(?: (?P<sign>[+-]) (?P<plus>.+))?")


def bands(text: str) -> tuple[Band, ...]:
    """Raises ValueError for what is not in the notation, with the part that is not."""
    return tuple(_band(part.strip()) for part in text.split(";")) if text else ()


def _band(text: str) -> Band:
    found = BAND.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no band, such as '3 >5.0 ULN'.")
    grade, needs = int(found["grade"]), Finding(found["needs"]) if found["needs"] else None
    if found["sign"] is None:
        return Band(grade, needs=needs)
    limit, times, plus = _edge(found["edge"])
    return Band(grade, found["sign"], limit, times, plus, needs, bool(found["beyond"]))


def _edge(text: str) -> tuple[Limit | None, Decimal, Mapping[str, Decimal]]:
    found = OF_LIMIT.fullmatch(text)
    if found is None:
        return None, Decimal(1), _amounts("", text)
    plus = _amounts(found["sign"], found["plus"]) if found["plus"] else {}
    return Limit(found["limit"]), Decimal(found["times"] or 1), plus


def _amounts(sign: str, text: str) -> dict[str, Decimal]:
    """Unit → number."""
    pairs = (part.strip().partition(" ") for part in text.split("|"))
    return {unit: Decimal(sign + number) for number, _space, unit in pairs}
