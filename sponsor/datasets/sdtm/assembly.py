"""All rows of one participant, and of the trial: made, put in order, numbered, and then what points at them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from sponsor.datasets.model import Dataset, Value
from sponsor.datasets.sdtm import course as courses
from sponsor.datasets.sdtm import (
    demographics,
    design,
    disposition,
    events,
    findings,
    history,
    medication,
    outcome,
    treatment,
)
from sponsor.datasets.sdtm.course import Course
from sponsor.datasets.sdtm.describe import BY_NAME, supplemental
from sponsor.datasets.sdtm.rows import (
    Made,
    Row,
    comments,
    last_before,
    numbered,
    ordered,
    qualifiers,
    relations,
)
from sponsor.datasets.sdtm.subject import Subject
from sponsor.datasets.sdtm.trial import Trial

# Timing that is put on every row with a day; a dataset that has no variable for it leaves it out.
TIMING = frozenset({"EPOCH", "VISITNUM", "VISIT", "VISITDY"})
# What makes two findings the same test.
SAME = ("TESTCD", "SPEC", "METHOD", "CAT")
NOT_NUMBERED = frozenset({"DM", "SV"})


@dataclass(frozen=True)
class Line:
    """A row as it is laid down: the dataset, and the values in the order of its variables."""

    dataset: Dataset
    values: list[Value]


def about_trial(trial: Trial) -> Iterator[Line]:
    made = {
        "TA": design.arms(trial),
        "TE": design.elements(),
        "TI": design.criteria(trial),
        "TS": design.summary(trial),
        "TV": design.visits(trial),
    }
    for name, rows in made.items():
        for row in rows:
            yield _line(BY_NAME[name], row, trial.study_id)


def about_subject(subject: Subject, trial: Trial) -> tuple[list[Line], list[tuple[str, str, str]]]:
    """The lines of all datasets, and what is pending: number of the participant, row, reason."""
    course = courses.course_of(subject, trial)
    made = _made(subject, trial, course)
    for name, rows in made.rows.items():
        if name not in ("SE", "SV"):
            courses.placed(rows, name, course, subject)
        else:
            _days(rows, name, course, subject)
        made.rows[name] = ordered(rows, BY_NAME[name].keys)
        if name not in NOT_NUMBERED:
            numbered(made.rows[name], name)
        if f"{name}LOBXFL" in BY_NAME[name].names:
            last_before(made.rows[name], name, course.first_treatment, _test_of(name))
    made.rows["DM"] = [demographics.row(subject, trial, course, _last_day(made))]
    return list(_lines(made, trial)), made.pending


def _made(subject: Subject, trial: Trial, course: Course) -> Made:
    made = Made()
    made.add("SE", courses.elements(subject, course))
    made.add("SV", courses.visits(subject, course))
    made.add("DS", disposition.rows(subject, course))
    made.add("IE", history.criteria(subject, trial))
    made.add("MH", history.rows(subject, course))
    made.add("CM", medication.medications(subject))
    made.add("PR", medication.procedures(subject))
    made.add("EX", treatment.exposure(subject, trial))
    made.add("EC", treatment.collected(subject, trial))
    made.add("AE", events.rows(subject, course))
    made.add("FA", events.grades(subject))
    made.add("FA", events.steps(subject))
    for name, row in findings.rows(subject):
        made.add(name, [row])
    made.add("LB", outcome.marrow(subject))
    made.add("RS", outcome.responses(subject))
    made.add("SS", outcome.survival(subject, course))
    made.add("DD", outcome.death(subject, course))
    made.links.extend((*events.links(subject), *treatment.links(subject)))
    made.pending.extend(events.pending(subject))
    remarks = dict(subject.remarks)
    for rows in made.rows.values():
        for row in rows:
            row.remark = remarks.pop(row.key, "") if row.key in remarks else ""
    return made


def _days(rows: list[Row], name: str, course: Course, subject: Subject) -> None:
    """Elements and visits have days, and an epoch and a number of their own."""
    kept = [dict(row.values) for row in rows]
    courses.placed(rows, name, course, subject)
    for row, values in zip(rows, kept, strict=True):
        for timing in TIMING - values.keys():
            row.values.pop(timing, None)
        row.values |= {timing: values[timing] for timing in TIMING & values.keys()}


def _test_of(name: str) -> Callable[[Row], object]:
    return lambda row: tuple(row.values.get(f"{name}{part}") for part in SAME)


def _last_day(made: Made) -> str:
    """The last day on which something is recorded of a participant."""
    dates = (
        str(value)
        for name, rows in made.rows.items()
        for row in rows
        for part in ("DTC", "STDTC", "ENDTC")
        if (value := row.values.get(f"{name}{part}"))
    )
    return max(dates, default="")[:10]


def _lines(made: Made, trial: Trial) -> Iterator[Line]:
    known = made.rows
    remarks = list(comments(known))
    numbered(remarks, "CO")
    for name, rows in known.items():
        for row in rows:
            yield _line(BY_NAME[name], row, trial.study_id)
        for row in qualifiers(name, rows):
            yield _line(supplemental(name), row, trial.study_id)
    for row in remarks:
        yield _line(BY_NAME["CO"], row, trial.study_id)
    for row in relations(known, made.links):
        yield _line(BY_NAME["RELREC"], row, trial.study_id)


def _line(dataset: Dataset, row: Row, study_id: str) -> Line:
    """Raises ValueError for a value that the dataset has no variable for."""
    values = {"STUDYID": study_id, "DOMAIN": dataset.name, **row.values}
    names = _names(dataset.name)
    if unknown := values.keys() - names.keys() - TIMING - {"DOMAIN"}:
        raise ValueError(f"{dataset.name} has no variable {', '.join(sorted(unknown))}")
    return Line(dataset, [_or_none(values.get(name)) for name in names])


@cache
def _names(dataset: str) -> dict[str, None]:
    """In their order, and quickly looked up: every row asks."""
    known = BY_NAME.get(dataset) or supplemental(dataset.removeprefix("SUPP"))
    return dict.fromkeys(known.names)


def _or_none(value: Value) -> Value:
    return None if value == "" else value
