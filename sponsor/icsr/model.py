"""The data elements of ICH E2B(R3) that this study sends, under the numbers of the implementation guide.

Pure: no Django, no clock. What is known is a value; what is not known, and why, is a `NullFlavor`; None is an element
that is not there at all, which `rules` may object to.

Source: ICH E2B(R3) core data elements and business rules, as in FDA's list of them.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from trialsite.partialdate import PartialDate


class NullFlavor(StrEnum):
    """Why there is no value."""

    NO_INFORMATION = "NI"
    MASKED = "MSK"
    UNKNOWN = "UNK"
    NOT_APPLICABLE = "NA"
    ASKED_UNKNOWN = "ASKU"
    NOT_ASKED = "NASK"


# A day known in part, or a moment to the minute.
When = PartialDate | dt.datetime


class Change(StrEnum):
    """C.1.11.1: what this transmission does to those before it."""

    NULLIFICATION = "1"
    AMENDMENT = "2"


class Role(StrEnum):
    """G.k.1."""

    SUSPECT = "1"
    CONCOMITANT = "2"
    INTERACTING = "3"
    NOT_ADMINISTERED = "4"


@dataclass(frozen=True)
class Coded:
    """A MedDRA term and the version of MedDRA that it is of."""

    version: str
    code: str


@dataclass(frozen=True)
class Source:
    """C.2.r: who told it. Names are never sent."""

    organisation: str
    country: str
    qualification: str = "1"
    is_primary: bool = True


@dataclass(frozen=True)
class Sender:
    """C.3."""

    kind: str
    organisation: str
    country: str


@dataclass(frozen=True)
class Study:
    """C.5."""

    registration: str
    name: str
    number: str
    kind: str = "1"


@dataclass(frozen=True)
class Death:
    """D.9."""

    on: When | NullFlavor | None
    cause: str = ""
    autopsy: bool | NullFlavor | None = None


@dataclass(frozen=True)
class Patient:
    """D: the number in the study (D.1.1.4) and no other; initials and birth date are masked, the age is told."""

    number: str
    age_years: int | None
    sex: str | None
    name: NullFlavor = NullFlavor.MASKED
    birth: NullFlavor = NullFlavor.MASKED
    weight_kg: Decimal | None = None
    height_cm: int | None = None
    history: str = ""
    death: Death | None = None


@dataclass(frozen=True)
class Seriousness:
    """E.i.3.2a to f: true, or no information; false does not exist there."""

    death: bool = False
    life_threatening: bool = False
    hospitalisation: bool = False
    disability: bool = False
    congenital_anomaly: bool = False
    other: bool = False

    @property
    def is_any(self) -> bool:
        return any(vars(self).values())


@dataclass(frozen=True)
class Reaction:
    """E.i."""

    key: str
    term: str
    language: str
    translation: str
    meddra: Coded | None
    seriousness: Seriousness
    start: When | None
    end: When | None
    outcome: str | None
    country: str


@dataclass(frozen=True)
class LabTest:
    """F.r: a result as its laboratory printed it; `unit` is UCUM's, `sign` is that of a bound such as <0.5."""

    name: str
    at: dt.datetime
    value: Decimal
    unit: str
    sign: str = ""
    low: Decimal | None = None
    high: Decimal | None = None


@dataclass(frozen=True)
class Native:
    """H.5.r: the case once more in the language of the site."""

    text: str
    language: str


@dataclass(frozen=True)
class Dosage:
    """G.k.4.r; an amount only in units that the standard knows, else in the text."""

    text: str
    start: When | None = None
    end: When | None = None
    amount: Decimal | None = None
    unit: str = ""
    lot: str = ""
    route: str = ""


@dataclass(frozen=True)
class Assessment:
    """G.k.9.i.2.r: who judged, by which method, with which result."""

    source: str
    method: str
    result: str


@dataclass(frozen=True)
class Drug:
    """G.k."""

    key: str
    name: str
    role: Role | None
    dosages: tuple[Dosage, ...] = ()
    indication: str = ""
    action: str | None = None
    assessments: tuple[Assessment, ...] = ()
    # G.k.9.i.4; "4" is: was not given again.
    recurred: str | None = None
    more: str = ""


@dataclass(frozen=True)
class Icsr:
    """One report: C.1, and what it is about."""

    report_id: str
    worldwide_id: str
    created_at: dt.datetime
    first_received: dt.datetime
    most_recent: dt.datetime
    is_expedited: bool | NullFlavor
    sources: tuple[Source, ...]
    sender: Sender | None
    study: Study
    patient: Patient
    reactions: tuple[Reaction, ...]
    drugs: tuple[Drug, ...]
    narrative: str
    sender_comments: str = ""
    reporter_comments: str = ""
    tests: tuple[LabTest, ...] = ()
    native: tuple[Native, ...] = ()
    report_type: str = "2"
    has_documents: bool = False
    first_sender: str = "2"
    change: Change | None = None
    change_reason: str = ""


@dataclass(frozen=True)
class Batch:
    """N.1 with its one message, N.2.r."""

    number: str
    message_id: str
    sender: str
    receiver: str
    transmitted_at: dt.datetime
    icsr: Icsr
