"""The reporting regimes: what must be told to whom, and by when."""

from typing import Annotated, Literal

from pydantic import Field

from trialsite.study.parts import Code, Part, Text


class Recipient(Part):
    code: Code
    name: Text


ReportedThing = Literal["sae", "susar_fatal_or_life_threatening", "susar_other", "new_information", "yearly"]
CountedFrom = Literal["site_awareness", "sponsor_awareness", "initial_report", "new_information", "full_year"]


class Clock(Part):
    """By when a thing must be with its recipients; days and months of the calendar, holidays included."""

    code: Code
    name: Text
    applies_to: ReportedThing
    recipients: Annotated[tuple[str, ...], Field(min_length=1)]
    limit: Annotated[int, Field(ge=1)]
    unit: Literal["hours", "days", "months"]
    counted_from: CountedFrom
    alarms: bool
    source: Text


class Regime(Part):
    code: Code
    name: Text
    source: Text
    clocks: Annotated[tuple[Clock, ...], Field(min_length=1)]


class Reporting(Part):
    regime: str
    note: Text
