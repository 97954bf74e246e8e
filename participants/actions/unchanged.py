"""Answers about a participant that follow from rows alone, kept by this process until one of the rows changes.

A first page asks of everybody in screening and of everybody before the infusion how they stand; each answer takes some
twenty queries, and on most days none of the rows has changed since the last look. So the rows are asked, in one query
for all participants, for their state, and only whoever has another one is judged anew. Nothing is kept that anybody
could read elsewhere: it lives in the memory of one process, and whoever asks decides what else it depends on.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import cache
from threading import Lock
from typing import Any, Generic, TypeVar

from django.db.models import QuerySet, TextField
from django.db.models.expressions import RawSQL

from participants.models import (
    Consent,
    ConsentWithdrawal,
    EligibilityConfirmation,
    EligibilityRuling,
    Examination,
    Measurement,
    ParticipantStatus,
    Reconsent,
)

# What eligibility is judged by.
OF_ELIGIBILITY: tuple[Any, ...] = (
    Consent,
    ConsentWithdrawal,
    EligibilityConfirmation,
    EligibilityRuling,
    Examination,
    Measurement,
    ParticipantStatus,
    Reconsent,
)
STATE = "state_of_facts"
# How many rows of a table there are, and when they were changed: the moments as exact numbers, so that their sum is
# another one whichever two of them have changed.
OF_TABLE = """
    (SELECT CONCAT_WS('/', COUNT(*), SUM(EXTRACT(epoch FROM s.modified_at))) FROM {table} s
     WHERE s.participant_id = "participants_participant"."id")
"""
T = TypeVar("T")


def with_facts(participants: QuerySet[Any], models: tuple[Any, ...] = OF_ELIGIBILITY) -> QuerySet[Any]:
    """These participants, each with the state of their rows of these models: another one after every change. Nothing
    is ever deleted, and the database itself notes every change."""
    return participants.annotate(**{STATE: RawSQL(_statement(models), (), output_field=TextField())})


@cache
def _statement(models: tuple[Any, ...]) -> str:
    tables = ", ".join(OF_TABLE.format(table=f'"{model._meta.db_table}"') for model in models)
    return f"""CONCAT_WS('|', EXTRACT(epoch FROM "participants_participant"."modified_at"), {tables})"""


class Kept(Generic[T]):
    """The newest answers, by participant; `beside` is what else they depend on, such as the day."""

    def __init__(self, size: int = 5_000) -> None:
        self.size = size
        self.answers: OrderedDict[int, tuple[Hashable, T]] = OrderedDict()
        self.lock = Lock()

    def of(self, participant: Any, beside: Hashable, find: Callable[[], T]) -> T:
        state = (getattr(participant, STATE), beside)
        known = self.answers.get(participant.pk)
        answer = known[1] if known is not None and known[0] == state else find()
        with self.lock:
            self.answers[participant.pk] = (state, answer)
            self.answers.move_to_end(participant.pk)
            while len(self.answers) > self.size:
                self.answers.popitem(last=False)
        return answer
