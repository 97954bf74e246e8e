"""The study file's criteria as the rules take them."""

from participants.rules.eligibility import Item
from trialsite.study import Protocol


def items(protocol: Protocol) -> tuple[Item, ...]:
    """The checks of a protocol version, with what their criterion allows."""
    return tuple(
        Item(code, checks, criterion.overridable, criterion.relative_to)
        for criterion in protocol.criteria
        for code, _text, checks in criterion.items
        if checks
    )
