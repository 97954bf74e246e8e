"""What a report lacks, or says against the rules of ICH E2B(R3), before it is written.

Pure: no Django, no clock: `now` is passed in. Each finding names the element by its number; `wording` says it.

Source: ICH E2B(R3) core data elements and business rules, as in FDA's list of them: mandatory N.1.1-5, N.2.r.1-4, C.1.1
to C.1.5, C.1.6.1, C.1.7, C.1.8.1, C.1.8.2, C.1.9.1, C.2.r.4, C.3.1, E.i.2.1a/b, E.i.3.2a-f, E.i.7, G.k.1, G.k.2.2;
required D.1 and H.1. Those with one value only (N.1.1, C.1.9.1) or two that are always there (C.1.6.1, E.i.3.2) cannot
be missing: the writer or their type gives them.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sponsor.icsr.model import Batch, Change, Drug, Icsr, NullFlavor, Reaction, Role, When
from trialsite.partialdate import PartialDate

OUTCOME_FATAL = "5"


class Fault(StrEnum):
    """The kinds of findings."""

    MISSING = "missing"
    TOO_LONG = "too_long"
    IN_FUTURE = "in_future"
    NO_SUSPECT = "no_suspect"
    NOT_ONE_PRIMARY = "not_one_primary"
    OLDER_THAN_FIRST = "older_than_first"
    ENDS_BEFORE_START = "ends_before_start"
    DEATH_WITHOUT_FATAL = "death_without_fatal"
    FATAL_WITHOUT_DEATH = "fatal_without_death"
    DEATH_WITHOUT_DATE = "death_without_date"
    CHANGE_WITHOUT_REASON = "change_without_reason"
    WITHOUT_ZONE = "without_zone"


@dataclass(frozen=True)
class Finding:
    """The element, what is wrong with it, and which of several it is about."""

    element: str
    fault: Fault
    about: str = ""


def findings(batch: Batch, *, now: dt.datetime) -> tuple[Finding, ...]:
    """All that stands against sending it; empty: it can be written.

    A nullification withdraws a report, and is not held up by what that report never knew.
    """
    found = (*_missing(batch), *_moments(batch, now), *_rules(batch.icsr), *_too_long(batch))
    if batch.icsr.change is Change.NULLIFICATION:
        return tuple(one for one in found if one.element[0] not in "EFG")
    return found


# --- what is mandatory ---------------------------------------------------------------------------------


def _missing(batch: Batch) -> Iterator[Finding]:
    for element, value, about in _mandatory(batch):
        if value in (None, ""):
            yield Finding(element, Fault.MISSING, about)


def _mandatory(batch: Batch) -> Iterator[tuple[str, object, str]]:
    case = batch.icsr
    yield "N.1.2", batch.number, ""
    yield "N.1.3", batch.sender, ""
    yield "N.1.4", batch.receiver, ""
    yield "N.2.r.1", batch.message_id, ""
    yield "C.1.1", case.report_id, ""
    yield "C.1.3", case.report_type, ""
    yield "C.1.8.1", case.worldwide_id, ""
    yield "C.1.8.2", case.first_sender, ""
    for source in case.sources:
        yield "C.2.r.4", source.qualification, source.organisation
    yield "C.3.1", case.sender and case.sender.kind, ""
    yield "C.3.2", case.sender and case.sender.organisation, ""
    if case.report_type == "2":
        yield "C.5.4", case.study.kind, ""
    yield "D.1", case.patient.name, ""
    yield "H.1", case.narrative.strip(), ""
    yield "E.i", case.reactions[0].key if case.reactions else None, ""
    for reaction in case.reactions:
        yield from _mandatory_of_reaction(reaction)
    for native in case.native:
        yield "H.5.r.1b", native.language, ""
    for test in case.tests:
        yield "F.r.2.1", test.name.strip(), ""
    for drug in case.drugs:
        yield "G.k.1", drug.role, drug.name
        yield "G.k.2.2", drug.name.strip(), drug.key


def _mandatory_of_reaction(reaction: Reaction) -> Iterator[tuple[str, object, str]]:
    yield "E.i.2.1a", reaction.meddra and reaction.meddra.version, reaction.term
    yield "E.i.2.1b", reaction.meddra and reaction.meddra.code, reaction.term
    yield "E.i.7", reaction.outcome, reaction.term


# --- moments -------------------------------------------------------------------------------------------


def _moments(batch: Batch, now: dt.datetime) -> Iterator[Finding]:
    case = batch.icsr
    said = (
        ("N.1.5", batch.transmitted_at),
        ("C.1.2", case.created_at),
        ("C.1.4", case.first_received),
        ("C.1.5", case.most_recent),
    )
    for element, at in said:
        if at.tzinfo is None:
            yield Finding(element, Fault.WITHOUT_ZONE)
        elif at > now:
            yield Finding(element, Fault.IN_FUTURE)
    for test in case.tests:
        if test.at > now:
            yield Finding("F.r.1", Fault.IN_FUTURE, test.name)
    if case.most_recent < case.first_received:
        yield Finding("C.1.5", Fault.OLDER_THAN_FIRST)


def _day(when: When) -> PartialDate:
    return when if isinstance(when, PartialDate) else PartialDate(when.year, when.month, when.day)


def _is_after(one: When, other: When) -> bool:
    """For certain: 2026-03 is not after 2026-03-05."""
    if isinstance(one, dt.datetime) and isinstance(other, dt.datetime):
        return one > other
    return _day(other).certainly_before(_day(one))


# --- rules between elements ----------------------------------------------------------------------------


def _rules(case: Icsr) -> Iterator[Finding]:
    if sum(source.is_primary for source in case.sources) != 1:
        yield Finding("C.2.r.5", Fault.NOT_ONE_PRIMARY)
    if not any(drug.role in (Role.SUSPECT, Role.INTERACTING) for drug in case.drugs):
        yield Finding("G.k.1", Fault.NO_SUSPECT)
    if case.change is not None and not case.change_reason.strip():
        yield Finding("C.1.11.2", Fault.CHANGE_WITHOUT_REASON)
    for reaction in case.reactions:
        yield from _of_reaction(case, reaction)


def _of_reaction(case: Icsr, reaction: Reaction) -> Iterator[Finding]:
    is_fatal = reaction.outcome == OUTCOME_FATAL
    if reaction.seriousness.death and reaction.outcome and not is_fatal:
        yield Finding("E.i.7", Fault.DEATH_WITHOUT_FATAL, reaction.term)
    if is_fatal and not reaction.seriousness.death:
        yield Finding("E.i.3.2a", Fault.FATAL_WITHOUT_DEATH, reaction.term)
    death = case.patient.death
    if reaction.seriousness.death and (death is None or death.on is None or isinstance(death.on, NullFlavor)):
        yield Finding("D.9.1", Fault.DEATH_WITHOUT_DATE, reaction.term)
    if reaction.start and reaction.end and _is_after(reaction.start, reaction.end):
        yield Finding("E.i.5", Fault.ENDS_BEFORE_START, reaction.term)


# --- lengths -------------------------------------------------------------------------------------------


def _too_long(batch: Batch) -> Iterator[Finding]:
    for element, limit, text, about in _lengths(batch):
        if len(text) > limit:
            yield Finding(element, Fault.TOO_LONG, about)


def _lengths(batch: Batch) -> Iterator[tuple[str, int, str, str]]:
    case = batch.icsr
    yield "C.1.11.2", 2000, case.change_reason, ""
    yield "C.5.2", 2000, case.study.name, ""
    yield "D.7.2", 10_000, case.patient.history, ""
    yield "D.9.2.r.2", 250, case.patient.death.cause if case.patient.death else "", ""
    yield "H.1", 100_000, case.narrative, ""
    yield "H.4", 20_000, case.sender_comments, ""
    for native in case.native:
        yield "H.5.r.1a", 100_000, native.text, ""
    for test in case.tests:
        yield "F.r.2.1", 250, test.name, test.name
    for source in case.sources:
        yield "C.2.r.2.1", 60, source.organisation, ""
    for reaction in case.reactions:
        yield "E.i.1.1a", 250, reaction.term, reaction.term
    for drug in case.drugs:
        yield from _lengths_of_drug(drug)


def _lengths_of_drug(drug: Drug) -> Iterator[tuple[str, int, str, str]]:
    yield "G.k.2.2", 250, drug.name, drug.name
    for dosage in drug.dosages:
        yield "G.k.4.r.7", 35, dosage.lot, drug.name
        yield "G.k.4.r.8", 2000, dosage.text, drug.name
    for one in drug.assessments:
        yield "G.k.9.i.2.r.3", 60, one.result, drug.name
