"""How the inputs of a case of eligibility are read: numbers with their bound, loads, days as far as they are known."""

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal

from participants.rules.measures import MEASURES, Measure, outside
from trialsite.casetables import Parser, Wrong, decimal, key_of, mark
from trialsite.partialdate import PartialDate
from trialsite.reading import plain, split_bound

DETECTED = re.compile(r"(?:detected|positive|检出|阳性)\s*,?\s*(?:below|低于|<)\s*(\S+)", re.IGNORECASE)
NOT_DETECTED = frozenset({"not_detected", "undetected", "undetectable", "target_not_detected", "未检出"})
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True)
class Quantity:
    """A number, with the bound that a laboratory printed before it.

    `is_limit`: there was something, but too little to count, and the number is the limit of quantification.
    """

    number: Decimal
    comparator: str = ""
    is_limit: bool = False


def amount(text: str) -> Decimal:
    """A number that is not below zero."""
    value = decimal(text)
    if value < 0:
        raise Wrong(mark("a number of 0 or more"))
    return value


def above_zero(text: str) -> Decimal:
    value = decimal(text)
    if value <= 0:
        raise Wrong(mark("a number above 0"))
    return value


def of_measure(measure: Measure) -> Parser:
    """A number in the measure's unit that can be, with its bound where reports print one."""

    def parse(text: str) -> Quantity:
        found = load(text) if measure.has_lloq else bounded(text) if measure.takes_bound else Quantity(amount(text))
        if outside(measure, found.number, measure.possible):
            low, high = measure.possible or (None, None)
            raise Wrong(
                mark("it cannot be; possible: %(low)s to %(high)s %(unit)s"), low=low, high=high, unit=measure.unit
            )
        return found

    return parse


def bounded(text: str) -> Quantity:
    """A number, or one side of it: <30, ≥1000."""
    sign, number = split_bound(text)
    return Quantity(amount(number), sign)


def load(text: str) -> Quantity:
    """A number, a bound, or what was found below the limit of quantification: "detected, below 20"."""
    if key_of(text) in NOT_DETECTED:
        return Quantity(Decimal(0))
    if found := DETECTED.fullmatch(plain(text)):
        return Quantity(amount(found[1]), "<", is_limit=True)
    return bounded(text)


def seconds(text: str) -> Quantity:
    """An interval in seconds, as a quantity in ms."""
    found = of_measure(MEASURES["RR"])(f"{amount(text) * 1000:f}")
    assert isinstance(found, Quantity)
    return found


def day(text: str) -> dt.date:
    if not DAY.fullmatch(text):
        raise Wrong(mark("write a date: YYYY-MM-DD"))
    return _existing(text).earliest


def partial_day(text: str) -> PartialDate:
    if not re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", text, re.ASCII):
        raise Wrong(mark("write a date as far as it is known: YYYY-MM-DD, YYYY-MM or YYYY"))
    return _existing(text)


def _existing(text: str) -> PartialDate:
    try:
        return PartialDate.parse(text)
    except ValueError:
        raise Wrong(mark("there is no such day")) from None
