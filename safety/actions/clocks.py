"""The clocks of the study's reporting regime, as the rules take them."""

from safety.rules.reporting import Clock
from trialsite.study import Protocol


def clocks_of(protocol: Protocol) -> tuple[Clock, ...]:
    """The regime in force under this version of the protocol."""
    return tuple(
        Clock(one.code, one.applies_to, one.recipients, one.limit, one.unit, one.counted_from, one.alarms)
        for one in protocol.regime.clocks
    )
