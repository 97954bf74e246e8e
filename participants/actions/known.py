"""What is recorded about somebody, as far as eligibility rests on it: each kind of row is read once, however often it
is asked about. It holds for one look or one verb, and is never kept longer."""

import datetime as dt
from dataclasses import dataclass, field
from functools import cached_property

from participants.actions.consents import consents_of, first_procedure_at
from participants.actions.measurements import facts_at
from participants.actions.status import history_of
from participants.models import Consent, EligibilityConfirmation, Participant, ParticipantStatus, RulingKind
from participants.rules.eligibility import Facts, Ruling
from trialsite import signing


@dataclass(frozen=True)
class Known:
    participant: Participant
    _facts: dict[dt.datetime, Facts] = field(default_factory=dict)

    @cached_property
    def history(self) -> list[ParticipantStatus]:
        return history_of(self.participant)

    @cached_property
    def consents(self) -> list[Consent]:
        """By the moments at which they were given."""
        return consents_of(self.participant)

    @property
    def first_consent_at(self) -> dt.datetime | None:
        return self.consents[0].consented_at if self.consents else None

    @cached_property
    def first_procedure_at(self) -> dt.datetime | None:
        return first_procedure_at(self.participant)

    @cached_property
    def rulings(self) -> list[Ruling]:
        return rulings_of(self.participant)

    @cached_property
    def confirmation(self) -> EligibilityConfirmation | None:
        return newest_confirmation(self.participant)

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


def rulings_of(participant: Participant) -> list[Ruling]:
    """Newest first: where somebody ruled twice on the same values, the later one holds. None that was changed
    underneath counts."""
    rows = signing.counting(participant.rulings.standing().order_by("-id"))
    return [
        Ruling(row.check_name, row.is_met, row.reason, row.basis, row.kind == RulingKind.OVERRIDE, row.pk)
        for row in rows
    ]


def newest_confirmation(participant: Participant) -> EligibilityConfirmation | None:
    found: EligibilityConfirmation | None = (
        participant.confirmations.standing().select_related("created_by").order_by("-id").first()
    )
    return found
