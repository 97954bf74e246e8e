"""What a disease assessment shows: remission with or without recovery of the blood, relapse, and MRD.

Sources: NCCN Acute Lymphoblastic Leukemia and CIBMTR forms manual (CR: marrow blasts below 5 %, none in the blood, none
outside the marrow, ANC at least 1.0 and platelets at least 100 × 10⁹/L); ELN 2024 (Gökbuget, Blood 143:1891) for CRi
and for MRD below 0.01 % (10⁻⁴) by multiparameter flow, which the assay must be able to see; NCCN for CRh (ANC above 0.5
and platelets above 50, recalled and not read [M]). Where sources disagree, the study file chooses [P]: the blasts that
make a relapse, whether counts at their limit have recovered, and whether MRD has to be found twice.

A finding that nobody recorded is neither there nor absent. What it leaves open is said, unless every answer that it
could have had leads to the same result.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import product

from trialsite.bounds import BELOW, agreed, examples


class Response(StrEnum):
    CR = "CR"
    CRH = "CRh"
    CRI = "CRi"
    # Blasts that are too many for a remission, and too few for what the study calls a relapse.
    NO_REMISSION = "no_remission"
    RELAPSE = "relapse"
    NOT_EVALUABLE = "not_evaluable"


class Mrd(StrEnum):
    NEGATIVE = "negative"
    # Nothing was found, but the assay could not have seen 0.01 %.
    INSUFFICIENT = "insufficient"
    POSITIVE = "positive"
    NOT_EVALUABLE = "not_evaluable"


class Part(StrEnum):
    """What an assessment looks at; also where a relapse shows."""

    MARROW = "marrow"
    BLOOD = "blood"
    EXTRAMEDULLARY = "extramedullary"
    ANC = "anc"
    PLATELETS = "platelets"
    TRANSFUSION = "transfusion"


REMISSIONS = (Response.CR, Response.CRH, Response.CRI)
# From the best to the worst.
ORDER = (*REMISSIONS, Response.NO_REMISSION, Response.RELAPSE)
REMISSION_BELOW = Decimal(5)
MRD_LIMIT = Decimal("0.01")
CR_ANC, CR_PLATELETS = Decimal(1), Decimal(100)
CRH_ANC, CRH_PLATELETS = Decimal("0.5"), Decimal(50)


@dataclass(frozen=True)
class Amount:
    """A number as reported, with the bound before it: "<0.01"."""

    value: Decimal
    sign: str = ""


# A number that nobody recorded can be any.
UNKNOWN = Amount(Decimal(0), "≥")


@dataclass(frozen=True)
class MrdFinding:
    """An MRD test that was done: found or not, how much, and the least that the assay can see; both in percent."""

    is_detected: bool
    level: Amount | None = None
    sensitivity: Decimal | None = None


@dataclass(frozen=True)
class Findings:
    """Blasts in percent of marrow cells, counts in 10⁹/L; None: not recorded, or not done."""

    marrow_blasts: Amount | None = None
    has_blood_blasts: bool | None = None
    is_extramedullary: bool | None = None
    anc: Amount | None = None
    platelets: Amount | None = None
    is_transfused: bool | None = None
    mrd: MrdFinding | None = None


@dataclass(frozen=True)
class Limits:
    """What the study file chooses."""

    relapse_blasts: Decimal = Decimal(5)
    relapse_includes: bool = True
    counts_include: bool = True


@dataclass(frozen=True)
class Assessed:
    """`sites`: where the relapse shows. `missing`: what would have to be known for a response.

    `is_in_remission` needs no blood counts: blasts below 5 %, none in the blood, none elsewhere; None: not known.
    """

    response: Response
    mrd: Mrd
    sites: tuple[Part, ...] = ()
    missing: tuple[Part, ...] = ()
    is_in_remission: bool | None = None


def assess(found: Findings, limits: Limits = Limits()) -> Assessed:  # frozen
    """The response that one assessment shows, of somebody who was in remission before.

    One clear sign of leukaemia is a relapse whatever else was not looked at; a remission needs all three absent.

    >>> assess(Findings(Amount(Decimal(1)), False, False, Amount(Decimal("0.6")), Amount(Decimal(60)), False)).response
    <Response.CRH: 'CRh'>
    """
    mrd = mrd_of(found.mrd)
    marrow = _marrow(found.marrow_blasts, limits)
    signs = {
        Part.MARROW: None if marrow is None else marrow is Response.RELAPSE,
        Part.BLOOD: found.has_blood_blasts,
        Part.EXTRAMEDULLARY: found.is_extramedullary,
    }
    if sites := tuple(part for part, sign in signs.items() if sign):
        return Assessed(Response.RELAPSE, mrd, sites, is_in_remission=False)
    if marrow is Response.NO_REMISSION:
        return Assessed(Response.NO_REMISSION, mrd, is_in_remission=False)
    if missing := tuple(part for part, sign in signs.items() if sign is None):
        return Assessed(Response.NOT_EVALUABLE, mrd, missing=missing)
    recovery = _recovery(found, limits)
    missing = _unknown_counts(found) if recovery is None else ()
    return Assessed(recovery or Response.NOT_EVALUABLE, mrd, missing=missing, is_in_remission=True)


def _marrow(blasts: Amount | None, limits: Limits) -> Response | None:
    """What the marrow says by itself: CR stands for "below 5 %"; None where it is not known on which side it lies."""
    if blasts is None:
        return None
    numbers = examples(blasts.value, blasts.sign, (REMISSION_BELOW, limits.relapse_blasts))
    return agreed(_marrow_at(number, limits) for number in numbers)


def _marrow_at(number: Decimal, limits: Limits) -> Response:
    if number > limits.relapse_blasts or (limits.relapse_includes and number == limits.relapse_blasts):
        return Response.RELAPSE
    return Response.CR if number < REMISSION_BELOW else Response.NO_REMISSION


def _recovery(found: Findings, limits: Limits) -> Response | None:
    """CR, CRh or CRi by the blood; None where what is not known could make a difference."""
    anc, platelets = found.anc or UNKNOWN, found.platelets or UNKNOWN
    cases = product(
        examples(anc.value, anc.sign, (CR_ANC, CRH_ANC)),
        examples(platelets.value, platelets.sign, (CR_PLATELETS, CRH_PLATELETS)),
        (True, False) if found.is_transfused is None else (found.is_transfused,),
    )
    return agreed(_recovery_at(*case, limits) for case in cases)


def _recovery_at(anc: Decimal, platelets: Decimal, is_transfused: bool, limits: Limits) -> Response:
    if is_transfused:
        return Response.CRI
    if _reaches(anc, CR_ANC, limits) and _reaches(platelets, CR_PLATELETS, limits):
        return Response.CR
    return Response.CRH if anc > CRH_ANC and platelets > CRH_PLATELETS else Response.CRI


def _reaches(value: Decimal, limit: Decimal, limits: Limits) -> bool:
    return value > limit or (limits.counts_include and value == limit)


def _unknown_counts(found: Findings) -> tuple[Part, ...]:
    given = {Part.ANC: found.anc, Part.PLATELETS: found.platelets, Part.TRANSFUSION: found.is_transfused}
    unknown = tuple(part for part, value in given.items() if value is None)
    # All were given, and one is a bound that lies across a limit.
    return unknown or tuple(p for p, value in given.items() if isinstance(value, Amount) and value.sign)


def mrd_of(found: MrdFinding | None) -> Mrd:
    """Below 0.01 % is negative, where the assay can see as little as that; 0.01 % itself is positive (ELN 2024).

    >>> mrd_of(MrdFinding(False, sensitivity=Decimal("0.1"))), mrd_of(MrdFinding(True, Amount(Decimal("0.01"))))
    (<Mrd.INSUFFICIENT: 'insufficient'>, <Mrd.POSITIVE: 'positive'>)
    """
    if found is None:
        return Mrd.NOT_EVALUABLE
    if found.level is None:
        return Mrd.NOT_EVALUABLE if found.is_detected else _negative(found, reaches=found.sensitivity is not None)
    level = found.level
    numbers = examples(level.value, level.sign, (MRD_LIMIT,))
    is_positive = agreed(number >= MRD_LIMIT for number in numbers)
    if is_positive is None:
        return Mrd.INSUFFICIENT if level.sign in BELOW else Mrd.NOT_EVALUABLE
    return Mrd.POSITIVE if is_positive else _negative(found, reaches=True)


def _negative(found: MrdFinding, *, reaches: bool) -> Mrd:
    if not reaches or (found.sensitivity is not None and found.sensitivity > MRD_LIMIT):
        return Mrd.INSUFFICIENT
    return Mrd.NEGATIVE


# --- The course: several assessments of one participant ------------------------------------------------


@dataclass(frozen=True)
class Dated:
    on: dt.date
    assessed: Assessed


@dataclass(frozen=True)
class MrdRelapse:
    """MRD that was negative and is positive since that day; the second sample that confirms it, if there is one."""

    on: dt.date
    confirmed_on: dt.date | None = None


def relapse(course: Iterable[Dated]) -> Dated | None:
    """The first assessment that shows a relapse."""
    found = [one for one in course if one.assessed.response is Response.RELAPSE]
    return min(found, key=lambda one: one.on, default=None)


def mrd_relapse(course: Iterable[Dated], *, needs_confirmation: bool = True) -> MrdRelapse | None:
    """MRD that turned positive after it was negative, before any haematological relapse, which is another thing.

    A next sample that is negative again refutes it [P]; without `needs_confirmation` the first positive counts.
    """
    known = _mrd_before_relapse(course)
    for number, (on, status) in enumerate(known):
        if status is not Mrd.POSITIVE or Mrd.NEGATIVE not in {earlier for _on, earlier in known[:number]}:
            continue
        following = known[number + 1 : number + 2]
        if following and following[0][1] is Mrd.POSITIVE:
            return MrdRelapse(on, following[0][0])
        if not (needs_confirmation and following):
            return MrdRelapse(on)
    return None


def _mrd_before_relapse(course: Iterable[Dated]) -> Sequence[tuple[dt.date, Mrd]]:
    rows = sorted(course, key=lambda one: one.on)
    seen = relapse(rows)
    before = [one for one in rows if seen is None or one.on < seen.on]
    return [(one.on, one.assessed.mrd) for one in before if one.assessed.mrd in (Mrd.NEGATIVE, Mrd.POSITIVE)]


def best(course: Iterable[Dated]) -> Response | None:
    """The best response before the first relapse; None where nothing could be evaluated."""
    rows = list(course)
    seen = relapse(rows)
    known = {one.assessed.response for one in rows if seen is None or one.on <= seen.on}
    return next((one for one in ORDER if one in known), None)
