"""What becomes of a planned visit by what is recorded of its day, without anybody saying so.

Policy [P]: what a person has said of a visit stands, whatever is recorded beside it. A visit that nobody spoke of is
done once everything that the program can count of its day is recorded, and is planned again when some of that turns
out to be a mistake.
"""

from enum import StrEnum


class State(StrEnum):
    """The states of a visit; the words are those of its rows."""

    PLANNED = "planned"
    DONE = "done"
    PARTLY = "partly"
    NOT_DONE = "not_done"
    CANCELLED = "cancelled"


class ToldBy(StrEnum):
    """Who said what became of it; nobody yet, the records of the day, or a person."""

    NOBODY = ""
    RECORDS = "records"
    PERSON = "person"


def becomes(state: State, told_by: ToldBy, *, is_complete: bool) -> State | None:
    """The new state; None where everything stays as it is.

    >>> becomes(State.PLANNED, ToldBy.NOBODY, is_complete=True)
    <State.DONE: 'done'>
    >>> becomes(State.DONE, ToldBy.RECORDS, is_complete=False)
    <State.PLANNED: 'planned'>
    """
    if state is State.PLANNED and told_by is not ToldBy.PERSON and is_complete:
        return State.DONE
    if state is State.DONE and told_by is ToldBy.RECORDS and not is_complete:
        return State.PLANNED
    return None
