"""Which visits a participant still owes: kept in step with what has happened, by the study file's rules.

`release` is the verb for whoever learns of an event: a relapse, a new anti-cancer therapy, and what the status history
says by itself (death, withdrawal, loss to follow-up). `preview_release` says before what it would change.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import pghistory
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from participants.actions.days import long_date, site_day
from participants.actions.standing import standing_of
from participants.models import (
    HISTORY,
    Consent,
    ConsentWithdrawal,
    Participant,
    ParticipantStatus,
    Visit,
    VisitState,
    WithdrawalScope,
)
from participants.models.visits import BECAUSE_NAMES, procedure_title
from participants.rules import owed
from participants.rules.owed import Because, Happened
from participants.rules.settling import ToldBy
from participants.rules.status import Status, Step
from trialsite import notifications
from trialsite.models import User
from trialsite.refusal import Refused
from trialsite.study import Protocol, get_study
from trialsite.wake import wake

# What the outbox says of a message that was withdrawn: only these come back when the reason falls away.
NO_LONGER_DUE = "no longer due"
# Events that nothing in the status history need say, and the field beside the participant that holds their day.
BESIDE = {Because.RELAPSE: "relapsed_on", Because.NEW_THERAPY: "new_therapy_on"}
# What a participant says of how far they go on.
Said = Consent | ConsentWithdrawal
R = TypeVar("R", Consent, ConsentWithdrawal)
LONG_TERM_REFUSED = gettext_lazy("Long-term follow-up follows from the consents. Record it there.")


@dataclass(frozen=True)
class Change:
    """A visit that is no longer due because of this, or due again (`because` is None)."""

    visit: Visit
    because: Because | None
    on: dt.date | None = None


class Agreed(NamedTuple):
    """What somebody has agreed to, and taken back, in the order in which it was recorded."""

    consents: Sequence[Consent]
    withdrawals: Sequence[ConsentWithdrawal]


# --- What has happened --------------------------------------------------------------------------------


def rules_of(protocol: Protocol) -> dict[Because, owed.AfterEvent]:
    return {
        Because(one.event): owed.AfterEvent(
            frozenset(one.keeps), frozenset(one.drops), one.spares_open, one.only_by_telephone
        )
        for one in protocol.after_events
    }


def happened_to(
    participant: Participant,
    history: Sequence[ParticipantStatus] | None = None,
    *,
    agreed: Agreed | None = None,
    also: Iterable[Step] = (),
    new: Said | None = None,
    without: Said | None = None,
) -> tuple[Happened, ...]:
    """Everything that bears on what is owed; `also` and `new` are not recorded yet, `without` will not count. What was
    `agreed` is not read again."""
    agreed = agreed or Agreed(standing_of(Consent, participant), standing_of(ConsentWithdrawal, participant))
    events = events_of(participant, history, also=also)
    days = [*_refused(agreed.consents, new, without), *_without_contact(agreed.withdrawals, events, new, without)]
    return (*events, *([Happened(Because.NO_LONG_TERM, min(days))] if days else []))


def events_of(
    participant: Participant, history: Sequence[ParticipantStatus] | None = None, *, also: Iterable[Step] = ()
) -> tuple[Happened, ...]:
    """The same without what the consents say: one query, or none."""
    rows = participant.statuses.standing().order_by(*HISTORY) if history is None else history
    steps = [*(Step(Status(row.status), row.effective_on) for row in rows), *also]
    beside = ((because, getattr(participant, name)) for because, name in BESIDE.items())
    return (
        *owed.from_steps(sorted(steps, key=lambda step: step.on)),
        *(Happened(because, on) for because, on in beside if on is not None),
    )


def _counting(known: Sequence[R], kind: type[R], new: Said | None, without: Said | None) -> list[R]:
    """What is on record of a kind, with what is not recorded yet and without what will not count."""
    counting: list[R] = [one for one in known if one not in (new, without)]
    if isinstance(new, kind):
        counting.append(new)
    return counting


def _refused(known: Sequence[Consent], new: Said | None, without: Said | None) -> list[dt.date]:
    """Since when the newest consent says no to the long term; nothing is known of somebody without consent."""
    consents = sorted(_counting(known, Consent, new, without), key=lambda one: one.consented_at)
    if not consents or owed.agrees_to_long_term(_answer(consents), is_included=_is_included(consents[-1])):
        return []
    return [site_day(consents[-1].consented_at)]


def _without_contact(
    known: Sequence[ConsentWithdrawal], events: Sequence[Happened], new: Said | None, without: Said | None
) -> list[dt.date]:
    """Since when nobody may ask any more: a withdrawal says so, or nobody has said who withdrew may be asked."""
    withdrawals = _counting(known, ConsentWithdrawal, new, without)
    silent = [site_day(one.withdrawn_at) for one in withdrawals if not one.allows_contact]
    if any(one.allows_contact for one in withdrawals):
        return silent
    return [*silent, *(one.on for one in events if one.because is Because.WITHDRAWAL)]


def _answer(consents: Sequence[Consent]) -> bool | None:
    """The newest that says anything."""
    answers = [one.long_term_agreed for one in consents if one.long_term_agreed is not None]
    return answers[-1] if answers else None


def _is_included(consent: Consent) -> bool:
    forms = {one.version: one.long_term for one in get_study().latest.consent_versions}
    return forms.get(consent.version) != "asked"


# --- What it changes ----------------------------------------------------------------------------------


def settle_owed(visit: Visit, happened: Sequence[Happened]) -> bool:
    """Whether these events take a visit from what is owed, or give it back: the row is changed, and not saved."""
    found = _released(visit, happened)
    if found is None:
        is_changed = is_released(visit)
        visit.state = VisitState.PLANNED if is_changed else visit.state
        visit.released_because, visit.released_on = "", None
        return is_changed
    is_changed = (visit.released_because, visit.released_on) != (found.because, found.on)
    visit.state, visit.released_because, visit.released_on = VisitState.CANCELLED, found.because.value, found.on
    return is_changed


def is_released(visit: Visit) -> bool:
    """Not applicable by rule; what a person has said of it is another thing."""
    return visit.state == VisitState.CANCELLED and (bool(visit.released_because) or visit.told_by != ToldBy.PERSON)


def _released(visit: Visit, happened: Sequence[Happened]) -> Happened | None:
    protocol = get_study().protocol(visit.protocol_version)
    planned = protocol.visit(visit.code)
    phase = owed.LONG_TERM if visit.is_long_term_follow_up else planned.phase
    window = owed.Window(
        phase,
        visit.window_opens_on,
        visit.window_closes_on,
        may_be_a_call=planned.by_telephone,
        is_beyond=visit.is_long_term_follow_up and planned.phase != owed.LONG_TERM,
    )
    is_dropped = protocol.policy.visits_after_study_end == "drop"
    end = owed.beyond(window, ends_on=protocol.window.ends_on) if is_dropped else ()
    return owed.released(window, (*happened, *end), rules_of(protocol))


def _changes(participant: Participant, happened: Sequence[Happened]) -> list[Change]:
    """Of the visits that are planned, or that a rule has taken away."""
    found = []
    states = (VisitState.PLANNED, VisitState.CANCELLED)
    for visit in participant.visits.standing().filter(state__in=states):
        if (visit.state == VisitState.PLANNED or is_released(visit)) and settle_owed(visit, happened):
            because = Because(visit.released_because) if visit.released_because else None
            found.append(Change(visit, because, visit.released_on))
    return found


@transaction.atomic
def keep_owed(
    participant: Participant, history: Sequence[ParticipantStatus] | None = None, *, now: dt.datetime
) -> list[Change]:
    """Bring the visits in step with what has happened; called whenever any of that changes."""
    changes = _changes(participant, happened_to(participant, history))
    for one in changes:
        _apply(one, now=now)
    if any(one.because is None for one in changes):
        wake("participants.tasks.sweep_visit_reminders")
    return changes


def _apply(change: Change, *, now: dt.datetime) -> None:
    change.visit.save(update_fields=["state", "released_because", "released_on"])
    about = f"visit:{change.visit.pk}"
    if change.because is None:
        notifications.reinstate(about=about, reason=NO_LONGER_DUE, now=now)
    else:
        notifications.cancel(about=about, reason=NO_LONGER_DUE, now=now)


def asked_of(visit: Visit, *, on: dt.date, happened: Sequence[Happened]) -> tuple[str, ...]:
    """The procedures that the study file still asks of this visit, were it on this day."""
    protocol = get_study().protocol(visit.protocol_version)
    asked = protocol.visit(visit.code).procedures
    return owed.asked(asked, on=on, happened=happened, rules=rules_of(protocol))


# --- Telling of an event ------------------------------------------------------------------------------


@transaction.atomic
def release(
    participant: Participant, *, because: Because | str, on: dt.date | None, by: User, now: dt.datetime
) -> list[Change]:
    """What is owed after this event of this day; without a day it did not happen, and what it took is owed again.

    Death, withdrawal and loss to follow-up stand in the status history: record them there, before or after. Raises
    Refused for a day in the future, or for long-term follow-up, which follows from the consents.
    """
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    _check_event(Because(because), on, now=now)
    if (name := BESIDE.get(Because(because))) is not None and getattr(participant, name) != on:
        setattr(participant, name, on)
        with pghistory.context(reason=str(BECAUSE_NAMES[Because(because)])):
            participant.save(update_fields=[name])
    return keep_owed(participant, now=now)


def _check_event(because: Because, on: dt.date | None, *, now: dt.datetime) -> None:
    if because in (Because.NO_LONG_TERM, Because.STUDY_END):
        raise Refused(str(LONG_TERM_REFUSED))
    if on is not None and on > site_day(now):
        raise Refused(_("%(day)s is in the future. Record it when it has happened.") % {"day": long_date(on)})


def preview_release(participant: Participant, *, because: Because | str, on: dt.date | None) -> list[str]:
    """In words, what `release` would change."""
    return preview_events(participant, {Because(because): on})


def preview_events(
    participant: Participant, events: Mapping[Because, dt.date | None], *, also: Iterable[Step] = ()
) -> list[str]:
    """In words, what these days of events would change, and steps of the status history that go with them."""
    after = copy(participant)
    for because, on in events.items():
        if (name := BESIDE.get(because)) is not None:
            setattr(after, name, on)
    more = [Happened(because, on) for because, on in events.items() if on is not None and because not in BESIDE]
    return lines_of(participant, [*happened_to(after, also=also), *more])


def preview_status(participant: Participant, *, new: Status, on: dt.date) -> list[str]:
    """In words, what this step of the status history would change of the visits."""
    return lines_of(participant, happened_to(participant, also=[Step(new, on)]))


def preview_day(row: ParticipantStatus, *, on: dt.date) -> list[str]:
    """In words, what another day of this step would change of the visits."""
    others = row.participant.statuses.standing().exclude(pk=row.pk).order_by(*HISTORY)
    step = Step(Status(row.status), on)
    return lines_of(row.participant, happened_to(row.participant, list(others), also=[step]))


def preview_consent(consent: Consent) -> list[str]:
    """In words, what this consent, or its correction, would change of the visits."""
    return lines_of(consent.participant, happened_to(consent.participant, new=consent))


def preview_withdrawal(withdrawal: ConsentWithdrawal) -> list[str]:
    """In words, what this withdrawal would change of the visits."""
    is_leaving = withdrawal.scope != WithdrawalScope.TREATMENT
    also = [Step(Status.WITHDRAWN, site_day(withdrawal.withdrawn_at))] if is_leaving else []
    return lines_of(withdrawal.participant, happened_to(withdrawal.participant, also=also, new=withdrawal))


def preview_without(row: Said) -> list[str]:
    """In words, what the visits would be if this had not been given, or not been taken back; its status apart."""
    return lines_of(row.participant, happened_to(row.participant, without=row))


def lines_of(participant: Participant, happened: Sequence[Happened]) -> list[str]:
    """A line for each reason, with its visits; then the procedures that are asked no more."""
    groups: dict[Because | None, list[str]] = {}
    for one in _changes(participant, happened):
        groups.setdefault(one.because, []).append(one.visit.code)
    return [*(_line(because, codes) for because, codes in groups.items()), *_dropped(participant, happened)]


def _line(because: Because | None, codes: list[str]) -> str:
    values = {"visits": _(", ").join(codes), "count": len(codes)}
    if because is not None:
        return _("No longer due, %(why)s: %(visits)s.") % {**values, "why": BECAUSE_NAMES[because]}
    text = ngettext(
        "%(count)s visit is due again, with its reminders: %(visits)s.",
        "%(count)s visits are due again, with their reminders: %(visits)s.",
        len(codes),
    )
    return text % values


def _dropped(participant: Participant, happened: Sequence[Happened]) -> list[str]:
    """Of events that are new: what was asked before, and is not any more."""
    known = {(one.because, one.on) for one in happened_to(participant)}
    protocol = get_study().protocol(participant.protocol_version)
    rules = rules_of(protocol)
    codes = {code for one in happened if (one.because, one.on) not in known for code in _drops(rules, one)}
    names = [procedure_title(one.code, protocol.version) for one in protocol.procedures if one.code in codes]
    return [_("Asked no more at later visits: %(tests)s.") % {"tests": _(", ").join(names)}] if names else []


def _drops(rules: Mapping[Because, owed.AfterEvent], one: Happened) -> frozenset[str]:
    return rules.get(one.because, owed.AfterEvent()).drops
