"""Laboratory values of one sample that cannot be beside each other: a part that is more than its whole.

Neutrophils and lymphocytes are among the white blood cells, direct bilirubin is part of the total. What a laboratory
printed may still be odd (another method, a rounded number), so that it is asked about, and never refused [P].
"""

from collections.abc import Iterator, Mapping

from trialsite.bounds import Allowed

# Part → whole.
WHOLES = {"NEUT": "WBC", "LYM": "WBC", "BILDIR": "BILI"}


def parts_above_wholes(values: Mapping[str, Allowed]) -> Iterator[tuple[str, str]]:
    """Part and whole, wherever the part is certainly more; both in one unit, bounds as what they allow.

    >>> from decimal import Decimal
    >>> from trialsite.bounds import allowed
    >>> list(parts_above_wholes({"NEUT": allowed(Decimal(5)), "WBC": allowed(Decimal(4), "<")}))
    [('NEUT', 'WBC')]
    """
    for part, whole in WHOLES.items():
        if part in values and whole in values and _is_more(values[part], values[whole]):
            yield part, whole


def _is_more(part: Allowed, whole: Allowed) -> bool:
    if whole.high is None:
        return False
    return part.low > whole.high or (part.low == whole.high and not (part.has_low and whole.has_high))
