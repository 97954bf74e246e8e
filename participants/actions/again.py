"""Eligibility asked again, with all that is known before the infusion; and who is told when it no longer holds."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from participants.actions.days import end_of_day, site_day
from participants.actions.eligibility import (
    Evaluation,
    counts_from_infusion,
    evaluate,
    for_infusion_on,
    is_on,
    screened_and_enrolled,
)
from participants.actions.known import Known
from participants.criteria import items
from participants.models import EligibilityConfirmation, Participant
from participants.rules import again, eligibility
from participants.rules.again import Signature
from participants.rules.eligibility import MET, NOT_MET, Decision, Facts
from participants.rules.status import NO_MORE_VISITS, Status
from trialsite import notifications, sweeps
from trialsite.models import Site, User, people_in
from trialsite.roles import Role

DAY = dt.timedelta(days=1)
BEFORE_INFUSION = frozenset({Status.ENROLLED, Status.LYMPHODEPLETED})


@dataclass(frozen=True)
class AskedAgain:
    """Everything that eligibility asks: decided for the screening from what is recorded now, for the day of the
    infusion where it counts back from that, and with the results that were taken since the enrolment."""

    evaluation: Evaluation
    on_day: tuple[Decision, ...]
    for_screening: tuple[Decision, ...]
    later: tuple[Decision, ...]
    signature: Signature
    # What blood counts that lymphodepletion lowered would not meet: told, and not counted.
    lowered: tuple[Decision, ...] = ()

    @property
    def broken(self) -> tuple[Decision, ...]:
        return tuple(d for d in self.for_screening if d.result in NOT_MET)

    @property
    def open(self) -> tuple[Decision, ...]:
        return tuple(d for d in self.for_screening if d.result not in MET | NOT_MET)

    @property
    def facts(self) -> str:
        """A digest of all that stands against it: a judgement holds for exactly that."""
        against = (*self.on_day, *self.broken, *self.open, *self.later)
        return _digest([self.signature, self.evaluation.digest, *(f"{d.check}|{d.result}|{d.basis}" for d in against)])


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def asked_again(
    participant: Participant, *, on: dt.date, at: dt.datetime, now: dt.datetime, known: Known | None = None
) -> AskedAgain:
    """For an infusion on this day, as things stood at that moment: nothing that was found after it counts as later."""
    known = known or Known(participant)
    known.read(*_moments(known, at=min(at, now), now=now))
    evaluation = evaluate(participant, now=now, infusion_on=on, known=known)
    dated = [d for d in evaluation.decisions if counts_from_infusion(d, evaluation.protocol)]
    rest = tuple(d for d in evaluation.decisions if d not in dated)
    later, lowered = _later(evaluation, rest, known, at=min(at, now))
    return AskedAgain(
        evaluation,
        on_day=tuple(d for d in dated if d.result not in MET),
        for_screening=tuple(d for d in rest if d.result not in MET),
        later=later,
        signature=_signature(known, evaluation, now=now),
        lowered=lowered,
    )


def later_results(evaluation: Evaluation, *, now: dt.datetime, known: Known | None = None) -> tuple[Decision, ...]:
    """What was found since the enrolment and before the infusion that would not meet a criterion."""
    if evaluation.participant.status not in BEFORE_INFUSION:
        return ()
    rest = tuple(d for d in evaluation.decisions if not counts_from_infusion(d, evaluation.protocol))
    return _later(evaluation, rest, known or Known(evaluation.participant), at=now)[0]


def _moments(known: Known, *, at: dt.datetime, now: dt.datetime) -> Iterator[dt.datetime]:
    """By which results are asked for: all of them are read at once."""
    yield now
    _screened_on, enrolled_at = screened_and_enrolled(known)
    if enrolled_at:
        yield from (min(enrolled_at, now), at)
    if before := _began(known, at=at):
        yield before


def _later(
    evaluation: Evaluation, rest: tuple[Decision, ...], known: Known, *, at: dt.datetime
) -> tuple[tuple[Decision, ...], tuple[Decision, ...]]:
    """What a newer result would not meet; and what only those do that lymphodepletion lowered on purpose."""
    participant, protocol = evaluation.participant, evaluation.protocol
    if participant.participant_number is None:
        return (), ()
    anchors = replace(evaluation.anchors, today=site_day(at), expires_after_days=None)
    by_code = {item.code: item for item in items(protocol)}

    def against(facts: Facts) -> tuple[Decision, ...]:
        decided = [eligibility.decide(by_code[d.item], d.rule, facts, anchors, known.rulings) for d in rest]
        return again.later(rest, decided)

    began, facts = _began(known, at=at), known.facts(at)
    counting = again.until_lowered(facts, known.facts(began) if began else None, protocol.lymphodepletion.lowers)
    later = against(counting)
    # Deciding is most of the work: not again about the same facts.
    if counting == facts:
        return later, ()
    counted = {d.check for d in later}
    return later, tuple(d for d in against(facts) if d.check not in counted)


def _began(known: Known, *, at: dt.datetime) -> dt.datetime | None:
    """The last moment before lymphodepletion; None while it has not begun."""
    begun = [row.effective_on for row in known.history if row.status == Status.LYMPHODEPLETED]
    return min(end_of_day(min(begun) - DAY), at) if begun else None


def _signature(known: Known, evaluation: Evaluation, *, now: dt.datetime) -> Signature:
    participant = known.participant
    if known.confirmation is None:
        return Signature.MISSING
    if not known.is_confirmation_valid:
        return Signature.BROKEN
    if evaluation.anchors.infusion_on != participant.planned_infusion_on:
        evaluation = for_infusion_on(evaluation, participant.planned_infusion_on, known=known, now=now)
    return Signature.CURRENT if is_on(known.confirmation, evaluation) else Signature.OUTDATED


# --- Telling ---------------------------------------------------------------------------------------


def tell_of_broken_eligibility(*, now: dt.datetime) -> dict[str, int]:
    """Find whose confirmed eligibility a later fact breaks, and tell the investigators, once for each such fact.

    Safe to run twice, beside itself, or late.
    """
    confirmed = EligibilityConfirmation.objects.standing().values("participant")
    people = (
        Participant.objects.standing()
        .filter(pk__in=confirmed)
        .exclude(status__in=[status.value for status in NO_MORE_VISITS])
        .select_related("site")
    )
    counts = {"broken": 0, "queued": 0}
    for participant in people:
        with sweeps.guarded(f"eligibility of participant:{participant.pk}"):
            screened, later = breaks(participant, now=now)
            if screened or later:
                counts["broken"] += 1
                counts["queued"] += _tell(participant, screened, later, now=now)
    return counts


def breaks(participant: Participant, *, now: dt.datetime) -> tuple[tuple[Decision, ...], tuple[Decision, ...]]:
    """What no longer holds of a confirmed eligibility: of the screening, and, until the infusion, by later results."""
    on = participant.planned_infusion_on or site_day(now)
    known = Known(participant)
    found = asked_again(participant, on=on, at=now, now=now, known=known)
    if participant.status == Status.SCREENING:
        # What has expired since is measured again; nobody is told of that.
        return found.broken, ()
    return found.for_screening, later_results(found.evaluation, now=now, known=known)


def _tell(
    participant: Participant, screened: tuple[Decision, ...], later: tuple[Decision, ...], *, now: dt.datetime
) -> int:
    """Each fact of the screening once; of later results, which come every day, each criterion once."""
    key = _digest(sorted([*(f"{d.check}|{d.basis}" for d in screened), *(d.check for d in later)]))[:16]
    codes = sorted({d.item for d in (*screened, *later)})
    return sum(
        notifications.queue(
            key=f"eligibility:{participant.pk}:{key}",
            about=f"eligibility:{participant.pk}",
            site=participant.site,
            recipient=person,
            template="participants/email/eligibility_broken",
            context={"participant": participant, "codes": codes},
            now=now,
        )
        for person in investigators_of(participant.site)
    )


def investigators_of(site: Site) -> list[User]:
    """Everybody who may have signed: the investigators and the principal investigator."""
    found = {one.pk: one for role in (Role.PRINCIPAL_INVESTIGATOR, Role.INVESTIGATOR) for one in people_in(role, site)}
    return list(found.values())
