"""What is recorded about somebody, as far as eligibility rests on it: each kind of row is read once, however often it
is asked about. It holds for one look or one verb, and is never kept longer."""

import datetime as dt
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, NamedTuple

from django.db.models import OuterRef, Subquery

from participants.actions.measurements import facts_at
from participants.actions.owed import Agreed
from participants.actions.standing import NOBODY, Question, ask, standing_of
from participants.actions.status import history_of
from participants.models import (
    Consent,
    ConsentWithdrawal,
    EligibilityConfirmation,
    EligibilityRuling,
    Examination,
    Participant,
    ParticipantStatus,
    Reconsent,
    ReconsentState,
    RulingKind,
)
from participants.rules.eligibility import Facts, Ruling
from trialsite import signing
from trialsite.models import RecordQuerySet


class Firsts(NamedTuple):
    """When each of these was first; None where it never was."""

    consented_at: dt.datetime | None
    # The first examination that was made for the study only.
    procedure_at: dt.datetime | None
    withdrawn_at: dt.datetime | None
    # Since when a consent that had to be asked for again is owed.
    reconsent_due_on: dt.date | None


@dataclass(frozen=True)
class Known:
    participant: Participant
    _facts: dict[dt.datetime, Facts] = field(default_factory=dict)

    @cached_property
    def history(self) -> list[ParticipantStatus]:
        return history_of(self.participant)

    @cached_property
    def consents(self) -> list[Consent]:
        return standing_of(Consent, self.participant)

    @cached_property
    def withdrawals(self) -> list[ConsentWithdrawal]:
        return standing_of(ConsentWithdrawal, self.participant)

    @property
    def agreed(self) -> Agreed:
        return Agreed(self.consents, self.withdrawals)

    @cached_property
    def firsts(self) -> Firsts:
        return firsts_of(self.participant)

    @cached_property
    def first_consent(self) -> Consent | None:
        """The row itself, for who has signed it."""
        return min(self.consents, key=lambda row: row.consented_at, default=None)

    def has_consent(self, at: dt.datetime) -> bool:
        """Whether consent was given by that moment, and not taken back by then."""
        given, taken_back = self.firsts.consented_at, self.firsts.withdrawn_at
        return given is not None and given <= at and not (taken_back is not None and taken_back <= at)

    def is_consent_overdue(self, on: dt.date) -> bool:
        """Whether consent had to be asked for again before that day, and was not."""
        return self.firsts.reconsent_due_on is not None and self.firsts.reconsent_due_on < on

    @cached_property
    def rulings(self) -> list[Ruling]:
        return rulings_of(self.participant)

    @cached_property
    def confirmation(self) -> EligibilityConfirmation | None:
        """Without the copy of all facts that was signed with it: that is large, and only the database compares it."""
        rows = standing_of(EligibilityConfirmation, self.participant, without="snapshot")
        return rows[-1] if rows else None

    @cached_property
    def is_confirmation_valid(self) -> bool:
        return self.confirmation is not None and signing.counts(self.confirmation)

    def read(self, *moments: dt.datetime) -> None:
        """The facts of all these moments at once."""
        if new := set(moments) - set(self._facts):
            self._facts.update(facts_at(self.participant, new))

    def facts(self, until: dt.datetime) -> Facts:
        self.read(until)
        return self._facts[until]


def firsts_of(participant: Participant) -> Firsts:
    """One query."""
    ((*found,),) = ask(_question_of_firsts(), {NOBODY: participant.pk})
    return Firsts(*found)


@cache
def _question_of_firsts() -> Question:
    studied = Examination.objects.standing().filter(is_study_procedure=True)
    owed = Reconsent.objects.standing().filter(state=ReconsentState.OPEN)
    firsts = Participant.objects.filter(pk=NOBODY).values_list(
        _first(Consent.objects.standing(), "consented_at"),
        _first(studied, "taken_at"),
        _first(ConsentWithdrawal.objects.standing(), "withdrawn_at"),
        _first(owed, "due_on"),
    )
    return firsts.query.sql_with_params()


def _first(rows: RecordQuerySet[Any], name: str) -> Subquery:
    return Subquery(rows.filter(participant=OuterRef("pk")).order_by(name).values(name)[:1])


def rulings_of(participant: Participant) -> list[Ruling]:
    """Newest first: where somebody ruled twice on the same values, the later one holds. None that was changed
    underneath counts."""
    rows = signing.counting(reversed(standing_of(EligibilityRuling, participant)))
    return [
        Ruling(row.check_name, row.is_met, row.reason, row.basis, row.kind == RulingKind.OVERRIDE, row.pk)
        for row in rows
    ]


def newest_confirmation(participant: Participant) -> EligibilityConfirmation | None:
    found: EligibilityConfirmation | None = (
        participant.confirmations.standing().select_related("created_by").order_by("-id").first()
    )
    return found
