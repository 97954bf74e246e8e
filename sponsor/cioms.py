"""The CIOMS I form of an event, with all its boxes, for whoever takes reports on paper.

The form is an international one: its words are English for every reader, and are not translated. One printed form was
read, a national one: hold the labels against the form that the site's authority hands out. Of the person stand the
number in the study, the age and the sex alone.
"""

import datetime as dt
from collections.abc import Iterator, Sequence

from django.utils import timezone, translation

from safety.models import AdverseEvent
from sponsor.icsr.facts import Told, batch_of, narrative, told_of, version_of
from sponsor.icsr.model import Change, Dosage, Drug, Icsr, LabTest, NullFlavor, Reaction, Role, When
from trialsite.printing import Block, Print, Section, Table

TICKED, EMPTY = "[X]", "[  ]"
WIDTH = 182
CRITERIA = (
    ("death", "8. PATIENT DIED"),
    ("hospitalisation", "9. INVOLVED OR PROLONGED INPATIENT HOSPITALISATION"),
    ("disability", "10. INVOLVED PERSISTENCE OR SIGNIFICANT DISABILITY OR INCAPACITY"),
    ("life_threatening", "11. LIFE THREATENING"),
    ("congenital_anomaly", "12. CONGENITAL ANOMALY"),
    ("other", "12a. OTHER MEDICALLY IMPORTANT CONDITION"),
)
SEXES = {"1": "male", "2": "female", None: "unknown"}
# A cell infusion is given once, and cannot be stopped or begun again; of other drugs it is not recorded.
ONCE = f"{EMPTY} YES   {EMPTY} NO   {TICKED} NA"
OPEN = f"{EMPTY} YES   {EMPTY} NO   {EMPTY} NA"


def cioms(event: AdverseEvent, *, now: dt.datetime) -> Print:
    """The paper as it stands now."""
    with translation.override("en"):
        told = told_of(event)
        case = batch_of(event, now=now).icsr
        section = Section("cioms", "", tuple(_blocks(told, case)))
    return Print(
        "CIOMS FORM I: SUSPECT ADVERSE REACTION REPORT",
        (section,),
        site=told.participant.site.name_en,
        number=told.participant.number,
    )


def _boxes(*cells: tuple[str, str, int], height: float = 10) -> Table:
    """One row of boxes, each with its label above what stands in it."""
    row = tuple(f"{label}\n{value or '—'}" for label, value, _width in cells)
    return Table(head=(), rows=(row,), widths=tuple(width for *_both, width in cells), row_height=height, size=8)


def _blocks(told: Told, case: Icsr) -> Iterator[Block]:
    reaction = case.reactions[0]
    yield from _patient(told, case, reaction)
    yield _boxes(("7 + 13. DESCRIBE REACTION(S) (including relevant tests/lab data)", _described(told, case), WIDTH))
    yield _criteria(reaction)
    suspects = [drug for drug in case.drugs if drug.role is Role.SUSPECT]
    for drug in suspects:
        yield from _suspect(drug)
    yield _boxes(("22. CONCOMITANT DRUG(S) AND DATES OF ADMINISTRATION", _concomitant(case), WIDTH))
    yield _boxes(("23. OTHER RELEVANT HISTORY", case.patient.history, WIDTH))
    yield from _sender(told, case)


def _patient(told: Told, case: Icsr, reaction: Reaction) -> Iterator[Block]:
    age = case.patient.age_years
    yield _boxes(
        ("1. PATIENT INITIALS", f"masked; study number {case.patient.number}", 52),
        ("1a. COUNTRY", told.country, 26),
        ("2. DATE OF BIRTH", "masked", 40),
        ("2a. AGE", "" if age is None else f"{age} years", 30),
        ("3. SEX", SEXES[case.patient.sex], 34),
    )
    day, month, year = _split(reaction.start)
    yield _boxes(("4. REACTION ONSET: DAY", day, 60), ("5. MONTH", month, 60), ("6. YEAR", year, 62))


def _split(when: When | None) -> tuple[str, str, str]:
    if when is None:
        return "", "", ""
    if isinstance(when, dt.datetime):
        at = timezone.localtime(when)
        return f"{at:%d} ({at:%H:%M})", f"{at:%m}", f"{at:%Y}"
    return (f"{when.day:02}" if when.day else "", f"{when.month:02}" if when.month else "", str(when.year))


def _described(told: Told, case: Icsr) -> str:
    code = case.reactions[0].meddra
    coded = [f"MedDRA {code.version}: {code.code} {case.reactions[0].translation}"] if code else []
    comments = [case.sender_comments] if case.sender_comments else []
    return "\n".join([*coded, narrative(told), *comments, *_tests(case)])


def _tests(case: Icsr) -> list[str]:
    found = [f"{one.name} {one.sign}{one.value:f} {one.unit}{_limits(one)}, {_day(one.at)}" for one in case.tests]
    return [f"Tests: {'; '.join(found)}."] if found else []


def _limits(test: LabTest) -> str:
    """As the laboratory printed them."""
    if test.low is not None and test.high is not None:
        return f" (normal {test.low:f}-{test.high:f})"
    if test.low is not None:
        return f" (normal from {test.low:f})"
    return f" (normal up to {test.high:f})" if test.high is not None else ""


def _criteria(reaction: Reaction) -> Table:
    ticks = [f"{_tick(getattr(reaction.seriousness, name))} {label}" for name, label in CRITERIA]
    rows = tuple(tuple(ticks[start : start + 2]) for start in range(0, len(ticks), 2))
    head = ("8-12. CHECK ALL APPROPRIATE TO ADVERSE REACTION", "")
    return Table(head=head, rows=rows, widths=(91, 91), row_height=6, size=8)


def _tick(is_so: bool) -> str:
    return TICKED if is_so else EMPTY


def _suspect(drug: Drug) -> Iterator[Block]:
    lots = ", ".join(dict.fromkeys(one.lot for one in drug.dosages if one.lot))
    name = f"{drug.name}; batch/lot {lots}" if lots else drug.name
    yield _boxes(("14. SUSPECT DRUG(S) (include batch/lot no.)", f"{name}\n{_judged(drug)}".strip(), 112), _stops(drug))
    yield _boxes(
        ("15. DAILY DOSE(S)", "; ".join(dict.fromkeys(one.text for one in drug.dosages)), 70),
        ("16. ROUTE(S) OF ADMINISTRATION", ", ".join(dict.fromkeys(one.route for one in drug.dosages)), 42),
        _again(drug),
    )
    yield _boxes(
        ("17. INDICATION(S) FOR USE", drug.indication, 62),
        ("18. THERAPY DATES (from/to)", _dates(drug.dosages), 70),
        ("19. THERAPY DURATION", _duration(drug.dosages), 50),
    )


def _judged(drug: Drug) -> str:
    return "; ".join(f"{one.source}: {one.result}" for one in drug.assessments)


def _stops(drug: Drug) -> tuple[str, str, int]:
    return "20. DID REACTION ABATE AFTER STOPPING DRUG?", ONCE if drug.recurred else OPEN, 70


def _again(drug: Drug) -> tuple[str, str, int]:
    return "21. DID REACTION REAPPEAR AFTER REINTRODUCTION?", ONCE if drug.recurred else OPEN, 70


def _day(when: When | None) -> str:
    if isinstance(when, dt.datetime):
        return f"{timezone.localtime(when):%Y-%m-%d %H:%M}"
    return "" if when is None else str(when)


def _dates(dosages: Sequence[Dosage]) -> str:
    return "\n".join(f"{_day(one.start)} / {_day(one.end or one.start)}" for one in dosages)


def _duration(dosages: Sequence[Dosage]) -> str:
    days = {timezone.localtime(one.start).date() for one in dosages if isinstance(one.start, dt.datetime)}
    if not days:
        return ""
    count = (max(days) - min(days)).days + 1
    return f"{count} day" if count == 1 else f"{count} days"


def _concomitant(case: Icsr) -> str:
    rows = [drug for drug in case.drugs if drug.role is Role.CONCOMITANT]
    lines = (f"{drug.name}: {'; '.join(f'{one.text} {_day(one.start)}' for one in drug.dosages)}" for drug in rows)
    return "\n".join(lines) or "none recorded"


def _sender(told: Told, case: Icsr) -> Iterator[Block]:
    version = version_of(told)
    kind = "NULLIFICATION" if case.change is Change.NULLIFICATION else "FOLLOW-UP" if version else "INITIAL"
    sender = case.sender.organisation if case.sender else ""
    yield _boxes(
        ("24a. NAME AND ADDRESS OF MANUFACTURER / SPONSOR", f"{sender}\nStudy {case.study.registration}", 112),
        ("24b. MFR CONTROL NO.", case.report_id, 70),
    )
    yield _boxes(
        ("24c. DATE RECEIVED BY MANUFACTURER", _day(case.first_received), 62),
        ("24d. REPORT SOURCE", f"{TICKED} STUDY   {EMPTY} LITERATURE\n{TICKED} HEALTH PROFESSIONAL", 120),
    )
    yield _boxes(
        ("DATE OF THIS REPORT", _day(case.created_at), 62),
        ("25a. REPORT TYPE", f"{_ticks(kind)}{f' No. {version}' if version else ''}", 120),
    )
    expedited = "not yet known" if isinstance(case.is_expedited, NullFlavor) else "yes" if case.is_expedited else "no"
    yield _boxes(
        ("26. REPORTER", f"Investigator, {case.sources[0].organisation} (name withheld)", 112),
        ("EXPEDITED REPORT", expedited, 70),
    )


def _ticks(kind: str) -> str:
    return "   ".join(f"{_tick(one == kind)} {one}" for one in ("INITIAL", "FOLLOW-UP", "NULLIFICATION"))
