"""DS: milestones, and how the treatment and the participation ended. Reasons that people typed are no terms of it."""

from collections.abc import Iterator

from sponsor.datasets.sdtm.course import Course
from sponsor.datasets.sdtm.rows import Row, Values
from sponsor.datasets.sdtm.subject import Standing, Subject

MILESTONE, EVENT, OTHER = "PROTOCOL MILESTONE", "DISPOSITION EVENT", "OTHER EVENT"
# Of whoever has neither finished nor left: so that events after the last milestone lie before the last record here.
ONGOING = "ONGOING AT DATA CUT-OFF"
PARTICIPATION, TREATMENT = "STUDY PARTICIPATION", "STUDY TREATMENT"
# By the reason that a status names; without one by the status.
REASONS = {
    "not_eligible": "SCREEN FAILURE",
    "adverse_event": "ADVERSE EVENT",
    "death": "DEATH",
    "lack_of_efficacy": "LACK OF EFFICACY",
    "lost_to_follow_up": "LOST TO FOLLOW-UP",
    "physician_decision": "PHYSICIAN DECISION",
    "pregnancy": "PREGNANCY",
    "protocol_violation": "PROTOCOL VIOLATION",
    "withdrawal_by_subject": "WITHDRAWAL BY SUBJECT",
    "manufacturing": "TECHNICAL PROBLEMS",
    "other": "OTHER",
}
STATUSES = {
    "screen_failed": "SCREEN FAILURE",
    "withdrawn": "WITHDRAWAL BY SUBJECT",
    "lost_to_follow_up": "LOST TO FOLLOW-UP",
    "died": "DEATH",
}


def rows(subject: Subject, course: Course) -> Iterator[Row]:
    yield from _milestones(subject, course)
    seen: set[tuple[str, str]] = set()
    for one in (*_treatment(subject, course), *_participation(subject, course)):
        # One of a kind in an epoch: of two the later one, as they come.
        place = (str(one.values["DSSCAT"]), course.epoch(str(one.values["DSSTDTC"])))
        if place not in seen:
            seen.add(place)
            yield one
    if subject.statuses and not course.end:
        yield _row(subject, ONGOING, "", subject.cut_off, OTHER, key="cut-off")


def _milestones(subject: Subject, course: Course) -> Iterator[Row]:
    for count, moment in enumerate(subject.consents, start=1):
        yield _row(subject, "INFORMED CONSENT OBTAINED", "", moment, MILESTONE, key=f"consent:{count}")
    if course.enrolled:
        yield _row(subject, "ENTERED INTO TRIAL", "", course.enrolled, MILESTONE)


def _treatment(subject: Subject, course: Course) -> Iterator[Row]:
    """One infusion is all of the treatment; whoever began lymphodepletion and left has not completed it."""
    if course.infusion:
        yield _row(subject, "COMPLETED", TREATMENT, course.infusion, EVENT)
    elif course.first_treatment and course.end:
        yield _row(subject, _why(_last(subject), course), TREATMENT, course.end, EVENT)


def _participation(subject: Subject, course: Course) -> Iterator[Row]:
    if course.end:
        yield _row(subject, _why(_last(subject), course), PARTICIPATION, course.end, EVENT)
    completed = next((one.on for one in subject.statuses if one.status == "completed"), "")
    if completed and completed < (course.end[:10] or "9999"):
        # The day before the long-term follow-up, which begins with it.
        yield _row(subject, "COMPLETED", PARTICIPATION, completed, EVENT, epoch="FOLLOW-UP")


def _last(subject: Subject) -> Standing:
    return subject.statuses[-1]


def _why(standing: Standing, course: Course) -> str:
    if course.ended_by == "died":
        return "DEATH"
    if standing.status == "withdrawn":
        return REASONS.get(standing.reason_code, STATUSES["withdrawn"])
    return STATUSES[course.ended_by]


def _row(
    subject: Subject, term: str, sub: str, on: str, category: str, *, key: str = "", epoch: str | None = None
) -> Row:
    values: Values = {
        "USUBJID": subject.usubjid,
        "DSTERM": term,
        "DSDECOD": term,
        "DSCAT": category,
        "DSSCAT": sub,
        "DSSTDTC": on,
    }
    if epoch is not None:
        values["EPOCH"] = epoch
    return Row(values, key=key)
