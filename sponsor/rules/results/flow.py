"""The participant flow: two periods, each of whose participants completed it or did not, for one reason.

Source: the results section of ClinicalTrials.gov, participant flow; its words for why somebody did not complete. Until
the study is over some have done neither: they are counted as not completed, and say so.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from participants.rules.flow import History, Place, infusion_missed, participation_end, place
from participants.rules.status import Status
from sponsor.rules.results.model import Arm, Json, group

GROUP = "FG000"
AWAITING, FOLLOWED, OTHER = "Awaiting Infusion", "Still in Follow-up", "Other"
# By the kind of reason that stands in the status history.
REASONS = {
    "adverse_event": "Adverse Event",
    "death": "Death",
    "lack_of_efficacy": "Lack of Efficacy",
    "lost_to_follow_up": "Lost to Follow-up",
    "physician_decision": "Physician Decision",
    "pregnancy": "Pregnancy",
    "protocol_violation": "Protocol Violation",
    "withdrawal_by_subject": "Withdrawal by Subject",
    "not_eligible": "No Longer Eligible",
    "manufacturing": "Product Could Not Be Made",
    "other": OTHER,
}
# Where the history tells no reason, the status may.
BY_STATUS = {
    Status.DIED: "Death",
    Status.LOST_TO_FOLLOW_UP: "Lost to Follow-up",
    Status.RELAPSED: "Lack of Efficacy",
}


@dataclass(frozen=True)
class Screened:
    """Everybody who was screened, and when the first and last of them were enrolled, in words."""

    histories: tuple[History, ...]
    recruitment: str = ""


@dataclass(frozen=True)
class Period:
    """`reasons` are those of who did not complete it, with how many, by name."""

    title: str
    started: int
    completed: int
    reasons: tuple[tuple[str, int], ...]

    @property
    def not_completed(self) -> int:
        return sum(count for _reason, count in self.reasons)


def enrolled(histories: Iterable[History]) -> list[History]:
    return [one for one in histories if place(one.statuses) is Place.ENROLLED]


def periods(histories: Iterable[History]) -> tuple[Period, Period]:
    """From enrolment to the infusion, and from there to the end of the study."""
    everybody = enrolled(histories)
    infused = [one for one in everybody if Status.INFUSED in one.statuses]
    waiting = [
        _reason(one, infusion_missed(one.statuses), AWAITING) for one in everybody if Status.INFUSED not in one.statuses
    ]
    ends = [(one, participation_end(one.statuses)) for one in infused]
    left = [_reason(one, end, FOLLOWED) for one, end in ends if not _completes(one, end)]
    return (
        _period("Enrolment to Infusion", len(everybody), waiting),
        _period("Infusion to End of Study", len(infused), left),
    )


def _completes(history: History, end: int | None) -> bool:
    return end is not None and history.statuses[end] is Status.COMPLETED


def _reason(history: History, end: int | None, otherwise: str) -> str:
    """Why this step was the last; `otherwise` while there is none."""
    if end is None:
        return otherwise
    step = history.steps[end]
    return REASONS.get(step.reason_code) or BY_STATUS.get(step.status, OTHER)


def _period(title: str, started: int, reasons: Sequence[str]) -> Period:
    return Period(title, started, started - len(reasons), tuple(sorted(Counter(reasons).items())))


def module(arm: Arm, screened: Screened) -> Json:
    found = screened.histories
    failed = sum(place(one.statuses) is Place.FAILED for one in found)
    before = f"{len(found)} screenings; {failed} of them were screen failures."
    told = {"recruitmentDetails": screened.recruitment} if screened.recruitment else {}
    return {
        **told,
        "preAssignmentDetails": before,
        "groups": [group(GROUP, arm)],
        "periods": [_as_json(one) for one in periods(found)],
    }


def _as_json(period: Period) -> Json:
    milestones = (("STARTED", period.started), ("COMPLETED", period.completed), ("NOT COMPLETED", period.not_completed))
    return {
        "title": period.title,
        "milestones": [{"type": name, "achievements": _count(count)} for name, count in milestones],
        "dropWithdraws": [{"type": name, "reasons": _count(count)} for name, count in period.reasons],
    }


def _count(count: int) -> list[Json]:
    return [{"groupId": GROUP, "numSubjects": str(count)}]
