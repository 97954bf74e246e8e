"""Where a participant stood on which day: the elements of the arm (SE), their epochs, and the visits (SV).

Elements begin at midnight of a day, so that every finding of a day lies in the newer of two that meet on it. An epoch
is that of the element. Sponsor-defined: after the cells the treatment goes on to the end of Day 27.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from sponsor.datasets.sdtm.rows import Row, Values
from sponsor.datasets.sdtm.subject import Subject
from sponsor.datasets.sdtm.trial import PlannedVisit, Trial
from sponsor.rules.deidentify import study_day

TOOK_PLACE = ("done", "partly")
# Visits beside the schedule are numbered above it: by themselves, by who was asked after, and the death.
UNSCHEDULED, DEATH, SURVIVAL_CONTACT = 1000, 2000, 3000
MODES = {
    "site": "IN PERSON",
    "visit": "IN PERSON",
    "telephone": "TELEPHONE CALL",
    "phone": "TELEPHONE CALL",
    "message": "TEXT MESSAGE",
    "letter": "LETTER",
}
TREATMENT_DAYS = 28
# Statuses that end the participation; the first study's completion is of its main part, long-term follow-up goes on.
ENDS = ("screen_failed", "withdrawn", "lost_to_follow_up", "died")


@dataclass(frozen=True)
class Element:
    code: str
    name: str
    epoch: str
    begins: str
    ends: str
    duration: str = ""


ELEMENTS = (
    Element("SCRN", "Screening", "SCREENING", "Informed consent", "Start of lymphodepletion"),
    Element("LD", "Lymphodepletion", "TREATMENT", "First dose of lymphodepletion", "Infusion of the CAR-T cells"),
    Element("CART", "CAR-T Cells", "TREATMENT", "Infusion of the CAR-T cells", "28 days after the infusion", "P28D"),
    Element(
        "FU", "Follow-up", "FOLLOW-UP", "28 days after the infusion", "Completion of the main study (Month 24)", "P702D"
    ),
    Element(
        "LTFU",
        "Long-term Follow-up",
        "LONG-TERM FOLLOW-UP",
        "Completion of the main study (Month 24)",
        "15 years after the infusion, or end of participation",
    ),
)
BY_CODE = {one.code: one for one in ELEMENTS}


@dataclass(frozen=True)
class VisitOn:
    """A visit of one participant on its days; `planned` is None beside the schedule."""

    number: float
    name: str
    planned: PlannedVisit | None
    first: str
    last: str
    occurred: bool = True
    contact: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Course:
    """The days that matter of one participant; "" where it has not come to that."""

    consent: str
    first_treatment: str
    last_treatment: str
    infusion: str
    enrolled: str
    death: str
    # The day of the status that ended the participation, and what that was.
    end: str
    ended_by: str
    elements: tuple[tuple[Element, str, str], ...]
    visits: tuple[VisitOn, ...]

    def epoch(self, day: str) -> str:
        """Of a day known in full; "" before the consent."""
        if len(day) < 10:
            return ""
        starts = [start for _element, start, _end in self.elements]
        place = bisect_right(starts, day[:10])
        return self.elements[place - 1][0].epoch if place else ""

    def visit(self, day: str) -> VisitOn | None:
        """The visit of a day: one that has only this day before one that took longer."""
        if len(day) < 10:
            return None
        found = [one for one in self.visits if one.occurred and one.first <= day[:10] <= one.last]
        return min(found, key=lambda one: (one.first != one.last, one.number), default=None)


def later(day: str, days: int) -> str:
    return (dt.date.fromisoformat(day[:10]) + dt.timedelta(days=days)).isoformat()


def course_of(subject: Subject, trial: Trial) -> Course:
    consent = min(subject.consents, default="")
    infusion = next((one.start for one in subject.infusions), "")
    treated = [moment for one in subject.infusions for moment in (one.start, one.end or one.start)]
    treated += [one.at for one in subject.doses if one.is_given]
    end = next((one for one in reversed(subject.statuses) if one.status in ENDS), None)
    # Whoever was lost and found again goes on.
    is_over = end is not None and subject.statuses[-1].status in ENDS
    death = _death(subject)
    elements = tuple(_elements(subject, consent, infusion, death))
    visits = [*_visits(subject, trial, consent, infusion)]
    visits += _contacts(subject, death, {one.first for one in visits})
    return Course(
        consent=consent,
        first_treatment=min(treated, default=""),
        last_treatment=max(treated, default=""),
        infusion=infusion,
        enrolled=_since(subject, "enrolled"),
        death=death,
        end=death or (end.on if end is not None and is_over else ""),
        ended_by="died" if death else (end.status if end is not None and is_over else ""),
        elements=elements,
        visits=tuple(sorted(visits, key=lambda one: (one.first, one.number))),
    )


def _since(subject: Subject, status: str) -> str:
    return next((one.on for one in subject.statuses if one.status == status), "")


def _death(subject: Subject) -> str:
    """By the status; until that is recorded, by what a contact learnt, or the event that it was: the fullest one."""
    told = [one.died_on for one in subject.contacts if one.vital == "dead" and one.died_on]
    told += [one.died_on for one in subject.events if one.is_fatal and one.died_on]
    told += [one.on for one in subject.contacts if one.vital == "dead" and not one.died_on]
    return _since(subject, "died") or max(told, key=lambda day: (len(day), day), default="")


def _elements(subject: Subject, consent: str, infusion: str, death: str) -> Iterator[tuple[Element, str, str]]:
    given = min((one.at for one in subject.doses if one.is_given), default="")
    completed = _since(subject, "completed")
    starts = {"SCRN": consent[:10], "LD": given[:10], "CART": infusion[:10]}
    over = min((day for day in (death[:10], subject.cut_off) if len(day) == 10), default="9999")
    if infusion and later(infusion, TREATMENT_DAYS) <= over:
        starts["FU"] = later(infusion, TREATMENT_DAYS)
    if completed and starts.get("FU", "9999") < completed:
        starts["LTFU"] = completed
    known = [(BY_CODE[code], day) for code, day in starts.items() if day]
    for place, (element, day) in enumerate(known):
        yield element, day, known[place + 1][1] if place + 1 < len(known) else ""


# --- Visits --------------------------------------------------------------------------------------------


def _visits(subject: Subject, trial: Trial, consent: str, infusion: str) -> Iterator[VisitOn]:
    yield from _before(subject, trial, consent, infusion)
    planned = trial.by_code
    for seen in subject.visits:
        if seen.state in TOOK_PLACE:
            line = planned.get(seen.code)
            number, name = (line.number, line.name) if line else _beside(seen.code)
            yield VisitOn(number, name, line, seen.on, seen.on, True, seen.contact, seen.reason)
        elif seen.state == "not_done" and (line := planned.get(seen.code)) is not None:
            yield VisitOn(line.number, line.name, line, "", "", False, "", seen.reason)


def _contacts(subject: Subject, death: str, taken: set[str]) -> Iterator[VisitOn]:
    """Who was asked after is a contact, which the standard takes as a visit; the death has one of its own."""
    for count, one in enumerate(subject.contacts, start=1):
        if one.vital != "dead" and one.on not in taken and one.on < (death[:10] or "9999"):
            taken.add(one.on)
            yield VisitOn(
                SURVIVAL_CONTACT + count, f"Survival contact {count}", None, one.on, one.on, contact=one.means
            )
    if death and death not in taken:
        yield VisitOn(DEATH, "Death", None, death, death)


def _beside(code: str) -> tuple[float, str]:
    count = int("".join(filter(str.isdigit, code)) or "0")
    return UNSCHEDULED + count, f"Unscheduled {count}"


def _before(subject: Subject, trial: Trial, consent: str, infusion: str) -> Iterator[VisitOn]:
    """Visits before the follow-up are no rows of the database: what happened on their days tells of them."""
    given = sorted({one.at[:10] for one in subject.doses if one.is_given})
    days = {f"LD{count}": day for count, day in enumerate(given, start=1)}
    if subject.collections:
        days["APH"] = subject.collections[0].start[:10]
    if infusion:
        days["D0"] = infusion[:10]
        day_before = later(infusion, -1)
        seen = (
            [one.at for one in subject.results] + [one.at for one in subject.ice] + [one.at for one in subject.vitals]
        )
        if any(at[:10] == day_before for at in seen):
            days["D-1"] = day_before
    planned = trial.by_code
    if consent and "SCR" in planned:
        line = planned["SCR"]
        yield VisitOn(line.number, line.name, line, consent[:10], _end_of_screening(subject, consent, days))
    for code, day in days.items():
        if (known := planned.get(code)) is not None:
            yield VisitOn(known.number, known.name, known, day, day)


def _end_of_screening(subject: Subject, consent: str, days: dict[str, str]) -> str:
    """The last examination from the consent on, before lymphodepletion or whatever ended the screening."""
    ended = [one.on for one in subject.statuses if one.status in (*ENDS, "enrolled")]
    last = min([*ended, *(day for day in days.values()), subject.cut_off])
    seen = [one.at[:10] for one in subject.results if consent[:10] <= one.at[:10] <= last]
    return max([consent[:10], *seen])


# --- Rows ----------------------------------------------------------------------------------------------


def elements(subject: Subject, course: Course) -> Iterator[Row]:
    order = {one.code: place for place, one in enumerate(ELEMENTS, start=1)}
    for element, start, end in course.elements:
        yield Row(
            {
                "USUBJID": subject.usubjid,
                "ETCD": element.code,
                "ELEMENT": element.name,
                "TAETORD": order[element.code],
                "EPOCH": element.epoch,
                "SESTDTC": start,
                "SEENDTC": end or course.end,
            }
        )


def visits(subject: Subject, course: Course) -> Iterator[Row]:
    for one in course.visits:
        values: Values = {
            "USUBJID": subject.usubjid,
            "VISITNUM": one.number,
            "VISIT": one.name,
            "SVCNTMOD": MODES.get(one.contact, ""),
            "SVSTDTC": one.first,
            "SVENDTC": one.last,
            "SVREASOC": "" if one.occurred else one.reason,
        }
        if one.planned is not None:
            day = one.planned.day
            values |= {"SVPRESP": "Y", "SVOCCUR": "Y" if one.occurred else "N", "VISITDY": day + 1 if day >= 0 else day}
        else:
            values["SVUPDES"] = "Visit beside the schedule"
        yield Row(values, key=f"visit:{one.number}")


def placed(rows: list[Row], dataset: str, course: Course, subject: Subject) -> None:
    """Study days, epoch and visit of rows that have a day."""
    for row in rows:
        values = row.values
        for date, day in (("DTC", "DY"), ("STDTC", "STDY"), ("ENDTC", "ENDY")):
            if at := values.get(f"{dataset}{date}"):
                values[f"{dataset}{day}"] = study_day(str(at), course.infusion[:10])
        start = str(values.get(f"{dataset}DTC") or values.get(f"{dataset}STDTC") or "")
        values.setdefault("EPOCH", course.epoch(start))
        if (visit := course.visit(start)) is not None:
            values |= {"VISITNUM": visit.number, "VISIT": visit.name}
            if visit.planned is not None:
                values["VISITDY"] = visit.planned.day + (visit.planned.day >= 0)
