"""What is asked of one person, so often that Django took longer to write the question than the database to answer.

A question is written once in a process, about nobody; whoever asks fills in the person, and what else stands blank.
"""

from collections.abc import Hashable, Mapping
from functools import cache
from typing import Any, TypeVar

from django.db import connection

from participants.models import Participant
from trialsite.models import Record

R = TypeVar("R", bound=Record)
NOBODY = -1
# What Django writes, and the values for it, in their order: those of the question, and the blanks.
Question = tuple[str, tuple[Any, ...]]


def ask(question: Question, given: Mapping[Hashable, Any]) -> list[tuple[Any, ...]]:
    """The answer, with what is `given` for each blank."""
    text, blanks = question
    with connection.cursor() as cursor:
        cursor.execute(text, [given.get(one, one) for one in blanks])
        return list(cursor.fetchall())


def standing_of(model: type[R], participant: Participant, *, without: str = "") -> list[R]:
    """All that counts of this person, in the order in which it was recorded: one query.

    For rows of which a person has few. Whoever wants only some of many, or others beside them, asks the database.
    `without` names a field that is large and that nobody looks at.
    """
    return _of(participant, model, _question(model, without))


def recorded_of(model: type[R], participant: Participant) -> list[R]:
    """The same with what does not count any more."""
    return _of(participant, model, _question(model, "", only_standing=False))


def _of(participant: Participant, model: type[R], question: str) -> list[R]:
    asked: Any = model._default_manager.raw(question, [participant.pk])
    rows: list[R] = list(asked)
    for row in rows:
        row.participant = participant  # type: ignore[attr-defined]
    return rows


@cache
def _question(model: type[Record], without: str, *, only_standing: bool = True) -> str:
    rows: Any = model.objects.standing() if only_standing else model.objects.all()
    rows = rows.filter(participant=NOBODY).order_by("pk")
    question, blanks = (rows.defer(without) if without else rows).query.sql_with_params()
    assert blanks == (NOBODY,), f"{model.__name__} asks for more than the person"
    return question


def all_standing(model: type[R]) -> list[R]:
    """All that counts of everybody, in the order in which it was recorded: for what a study has few of."""
    asked: Any = model._default_manager.raw(_question_about_all(model))
    return list(asked)


@cache
def _question_about_all(model: type[Record]) -> str:
    question, blanks = model.objects.standing().order_by("pk").query.sql_with_params()
    assert blanks == ()
    return question
