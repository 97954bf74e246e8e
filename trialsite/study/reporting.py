"""The reporting regimes: what must be told to whom, and by when."""

from typing import Annotated, Literal

from pydantic import Field

from trialsite.study.parts import Code, Part, Text


class Recipient(Part):
    """Who is told; `files` are the report files that it usually gets."""

    code: Code
    name: Text
    files: tuple[Literal["sae", "cioms", "icsr"], ...] = ()


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


class ReportSender(Part):
    """Who sends case reports (ICH E2B(R3)), and to whom; the names are those under which the receiver knows them."""

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2")]
    # The middle of the worldwide number of a case: country-organisation-number.
    organisation: Annotated[str, Field(pattern=r"^[A-Z0-9]{2,20}$")]
    name: Text
    # C.3.1 of E2B(R3).
    kind: Literal["1", "2", "3", "4", "5", "6", "7"]
    receiver: Annotated[str, Field(pattern=r"^[A-Z0-9_]{2,60}$")]
