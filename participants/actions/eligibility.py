"""Verbs of eligibility: decide all criteria, rule on what is left open, confirm with a signature."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from participants.actions.days import end_of_day, long_date, minute, site_day
from participants.actions.known import Known
from participants.actions.status import change_status
from participants.criteria import items
from participants.models import (
    EligibilityConfirmation,
    EligibilityRuling,
    Participant,
    ParticipantStatus,
    ReasonCode,
    RulingKind,
)
from participants.rules import eligibility as rules
from participants.rules.age import LeapDay
from participants.rules.eligibility import MET, NOT_MET, Anchors, Decision, Fact, Overall, Result
from participants.rules.status import Status
from trialsite import signing
from trialsite.clinical import check_clinical
from trialsite.models import Meaning, User
from trialsite.refusal import Refused
from trialsite.study import Criterion, Protocol, get_study

# Checks that count back from the infusion: asked again whenever its day is planned, moved or logged.
INFUSION_RULES = frozenset({"clear_since", "unapproved_agent", "marketed_agent"})


@dataclass(frozen=True)
class CriterionState:
    """A criterion with all its decisions, as the page shows it."""

    criterion: Criterion
    decisions: tuple[Decision, ...]

    @property
    def result(self) -> Result:
        return rules.worst(decision.result for decision in self.decisions)


@dataclass(frozen=True)
class Evaluation:
    """Every criterion of a participant, decided from what is recorded at one moment."""

    participant: Participant
    protocol: Protocol
    anchors: Anchors
    decisions: tuple[Decision, ...]

    @cached_property
    def criteria(self) -> tuple[CriterionState, ...]:
        return tuple(
            CriterionState(one, tuple(d for d in self.decisions if d.item.startswith(one.code)))
            for one in self.protocol.criteria
        )

    @property
    def overall(self) -> Overall:
        return rules.overall(state.result for state in self.criteria)

    @property
    def open_codes(self) -> tuple[str, ...]:
        """Criteria that are not met, or not yet."""
        return tuple(state.criterion.code for state in self.criteria if state.result not in MET)

    @property
    def failed_codes(self) -> tuple[str, ...]:
        return tuple(state.criterion.code for state in self.criteria if state.result in NOT_MET)

    @cached_property
    def digest(self) -> str:
        """Of the facts and what follows from them: another one as soon as a fact, or a result, is another."""
        anchors = self.anchors
        lines = [f"{d.check}|{d.result}|{rules.basis_of(d.verdict.facts)}" for d in self.decisions]
        lines += [
            f"consent|{anchors.consented_on}|{anchors.is_consent_first}|{anchors.has_guardian}",
            f"person|{anchors.sex}|{anchors.birth_date}",
            self.protocol.version,
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def evaluate(
    participant: Participant,
    *,
    now: dt.datetime,
    as_of: dt.date | None = None,
    infusion_on: dt.date | None = None,
    known: Known | None = None,
) -> Evaluation:
    """Decide every criterion; a fixed number of queries, whatever the number of results.

    Once enrolled, the facts and the day of the enrolment count, but for those that count back from the
    infusion: they are decided anew with what is known now. Before, `as_of` judges for an earlier day, from what
    was found by its end. `infusion_on` asks about another planned day. What is `known` is not read again.
    """
    known = known or Known(participant)
    protocol = get_study().protocol(participant.protocol_version)
    screened_on, enrolled_at = screened_and_enrolled(known)
    asked = end_of_day(as_of) if as_of else now
    at = min(enrolled_at or asked, now)
    anchors = _anchors(known, protocol, screened_on=screened_on, at=at)
    anchors = replace(anchors, infusion_on=infusion_on or participant.planned_infusion_on)
    known.read(*({at, now} if enrolled_at else {at}))
    decisions = rules.decide_all(items(protocol), known.facts(at), anchors, known.rulings)
    if enrolled_at:
        later = replace(anchors, today=site_day(now), expires_after_days=None)
        decisions = _decided_now(decisions, known, protocol, later, now=now)
    return Evaluation(participant, protocol, anchors, decisions)


def for_infusion_on(evaluation: Evaluation, day: dt.date | None, *, known: Known, now: dt.datetime) -> Evaluation:
    """The same asked about another day of the infusion: once enrolled, only what counts back from it changes."""
    if screened_and_enrolled(known)[1] is None:
        return evaluate(evaluation.participant, now=now, infusion_on=day, known=known)
    anchors = replace(evaluation.anchors, infusion_on=day)
    later = replace(anchors, today=site_day(now), expires_after_days=None)
    decisions = _decided_now(evaluation.decisions, known, evaluation.protocol, later, now=now)
    return replace(evaluation, anchors=anchors, decisions=decisions)


def _decided_now(
    decisions: Sequence[Decision], known: Known, protocol: Protocol, anchors: Anchors, *, now: dt.datetime
) -> tuple[Decision, ...]:
    facts = known.facts(now)
    by_code = {item.code: item for item in items(protocol)}
    return tuple(
        rules.decide(by_code[d.item], d.rule, facts, anchors, known.rulings) if counts_from_infusion(d, protocol) else d
        for d in decisions
    )


def counts_from_infusion(decision: Decision, protocol: Protocol) -> bool:
    criterion = protocol.criterion(decision.item[:6])
    return criterion.relative_to == "infusion" and decision.rule.rule in INFUSION_RULES


def screened_and_enrolled(known: Known) -> tuple[dt.date, dt.datetime | None]:
    """The day of the screening, and until when facts counted: the enrolment, or the end of its day if typed later."""
    participant = known.participant
    rows = {row.status: row for row in reversed(known.history)}
    screened, enrolled = rows.get(Status.SCREENING), rows.get(Status.ENROLLED)
    screened_on = screened.effective_on if screened else site_day(participant.created_at)
    if enrolled is None or participant.participant_number is None:
        return screened_on, None
    return screened_on, min(enrolled.created_at, end_of_day(enrolled.effective_on))


def _anchors(known: Known, protocol: Protocol, *, screened_on: dt.date, at: dt.datetime) -> Anchors:
    participant, consented, procedure = known.participant, known.firsts.consented_at, known.firsts.procedure_at
    policy = protocol.policy
    age = participant.age_on(site_day(consented)) if consented else None
    # Not known for whom the birth date cannot be read.
    is_minor = age < policy.guardian_below_age if age is not None else None if consented else False
    return Anchors(
        today=site_day(at),
        screened_on=screened_on,
        consented_on=site_day(consented) if consented else None,
        first_procedure_on=site_day(procedure) if procedure else None,
        is_consent_first=minute(consented) <= procedure if consented and procedure else None,
        birth_date=participant.born_on,
        sex=participant.sex,
        is_guardian_needed=is_minor,
        has_guardian=_has_guardian(known) if is_minor else None,
        leap_day=LeapDay(policy.leap_day_birthday),
        expires_after_days=policy.screening_window_days,
    )


def _has_guardian(known: Known) -> bool:
    first = known.first_consent
    return bool(first and first.guardian_consented and first.participant_assented)


def broken_rulings(participant: Participant) -> list[tuple[EligibilityRuling, str]]:
    """Rulings that do not count, for they were changed after they were signed, each with what is wrong."""
    rows = list(participant.rulings.standing().select_related("created_by"))
    found = signing.verify(rows)
    return [(row, one.warning) for row in rows for one in found[row.pk] if one.warning]


# --- What an investigator decides ------------------------------------------------------------------


@transaction.atomic
def rule_on(
    *,
    participant: Participant,
    check: str,
    is_met: bool,
    reason: str,
    as_of: dt.date | None = None,
    by: User,
    now: dt.datetime,
) -> EligibilityRuling:
    """Decide what a rule left open, or set a failed limit aside where the protocol allows it; on these values.

    Raises Refused where there is nothing to decide, or without a reason.
    """
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    check_clinical(by, participant.site, permission="participants.rule_on_criteria")
    decisions = evaluate(participant, now=now, as_of=as_of).decisions
    decision = next((d for d in decisions if d.check == check), None)
    is_override = decision is not None and decision.result == Result.FAIL_OVERRIDABLE
    if decision is None or not (is_override or decision.result == Result.NEEDS_INVESTIGATOR):
        raise Refused(
            _("%(check)s is not open for a decision: it follows from the recorded facts. Correct those instead.")
            % {"check": check}
        )
    if not reason.strip():
        raise Refused(_("A decision of the investigator needs its reason."))
    if is_override and not is_met:
        raise Refused(_("The limit is not met already. To set it aside, choose “met”; else leave it as it is."))
    ruling = EligibilityRuling.objects.create(
        participant=participant,
        check_name=check,
        kind=RulingKind.OVERRIDE if is_override else RulingKind.JUDGEMENT,
        is_met=is_met,
        reason=reason.strip(),
        basis=decision.basis,
        created_by=by,
        created_at=now,
    )
    signing.sign(ruling, meaning=Meaning.CRITERION, by=by)
    return ruling


# --- Confirmation ----------------------------------------------------------------------------------


def meaning_of_signature() -> str:
    return _(
        "I confirm that I have reviewed the facts above and their sources, and that this participant meets all "
        "inclusion criteria and no exclusion criterion of the protocol."
    )


def check_can_confirm(evaluation: Evaluation) -> None:
    """Raises Refused, naming the criteria that stand against it, unless every one is met."""
    participant = evaluation.participant
    if participant.is_void or participant.status == Status.SCREEN_FAILED:
        raise Refused(_("%(number)s is not in screening; nothing can be confirmed.") % {"number": participant.number})
    if evaluation.overall != Overall.ELIGIBLE:
        raise Refused(
            _("Not all criteria are met: %(codes)s. Enter what is missing or decide what is open, then confirm.")
            % {"codes": _(", ").join(evaluation.open_codes)}
        )


@transaction.atomic
def confirm_eligibility(
    *, participant: Participant, as_of: dt.date | None = None, by: User, now: dt.datetime
) -> EligibilityConfirmation:
    """Sign that all criteria are met, on a frozen copy of all facts. The password was checked by the caller.

    `as_of` is the day of an enrolment that is taken over from paper; the signature keeps its own moment.
    """
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    check_clinical(by, participant.site, permission="participants.confirm_eligibility")
    check_as_of(as_of, now=now)
    evaluation = evaluate(participant, now=now, as_of=as_of)
    check_can_confirm(evaluation)
    snapshot = json.dumps(snapshot_of(evaluation, now=now), ensure_ascii=False, indent=1)
    confirmation = EligibilityConfirmation.objects.create(
        participant=participant,
        overall=evaluation.overall,
        judged_for=as_of or site_day(now),
        meaning=meaning_of_signature(),
        snapshot=snapshot,
        content_hash=hashlib.sha256(snapshot.encode()).hexdigest(),
        facts_digest=evaluation.digest,
        created_by=by,
        created_at=now,
    )
    signing.sign(confirmation, meaning=Meaning.ELIGIBILITY, by=by)
    return confirmation


def check_as_of(as_of: dt.date | None, *, now: dt.datetime) -> None:
    if as_of is not None and as_of > site_day(now):
        raise Refused(
            _("Eligibility is judged for today or an earlier day; %(day)s is in the future.")
            % {"day": long_date(as_of)}
        )


def is_current(confirmation: EligibilityConfirmation | None, evaluation: Evaluation) -> bool:
    """Whether the signature was given on exactly these facts and results, and what was signed is as it was."""
    return confirmation is not None and is_on(confirmation, evaluation) and signing.counts(confirmation)


def signature_of(confirmation: EligibilityConfirmation | None) -> signing.Checked | None:
    """What was signed with a confirmation, verified now."""
    found = signing.of(confirmation) if confirmation is not None else ()
    return next((one for one in found if not one.counts), found[0] if found else None)


def is_on(confirmation: EligibilityConfirmation, evaluation: Evaluation) -> bool:
    return confirmation.facts_digest == evaluation.digest


def snapshot_of(evaluation: Evaluation, *, now: dt.datetime) -> dict[str, Any]:
    """What was signed, without identity: texts, limits, values with unit and day, rulings with their reasons."""
    anchors = evaluation.anchors
    with override("en"):
        return {
            "study": evaluation.protocol.registry_id,
            "protocol_version": evaluation.protocol.version,
            "participant": evaluation.participant.screening_number,
            "decided_at": now.isoformat(),
            "decided_for": _iso(anchors.today),
            "consented_on": _iso(anchors.consented_on),
            "planned_infusion_on": _iso(anchors.infusion_on),
            "overall": evaluation.overall.value,
            "criteria": [
                {
                    "code": state.criterion.code,
                    "text": state.criterion.text.en,
                    "result": state.result.value,
                    "checks": [_snapshot_of_check(decision) for decision in state.decisions],
                }
                for state in evaluation.criteria
            ],
        }


def _iso(day: dt.date | None) -> str | None:
    return day.isoformat() if day else None


def _snapshot_of_check(decision: Decision) -> dict[str, Any]:
    found: dict[str, Any] = {
        "check": decision.check,
        "result": decision.result.value,
        "why": decision.verdict.why.value,
        "limits": _limits(decision.rule),
        "facts": [_snapshot_of_fact(fact) for fact in decision.verdict.facts],
    }
    if decision.verdict.derived is not None:
        found["derived"] = str(decision.verdict.derived)
    if decision.ruling is not None:
        found["ruling"] = {"reason": decision.ruling.reason, "id": decision.ruling.source}
    return found


def _limits(check: Any) -> Mapping[str, Any]:
    values = check.model_dump(mode="json", exclude={"rule"}, exclude_defaults=True)
    return {"rule": check.rule, **values}


def _snapshot_of_fact(fact: Fact) -> dict[str, Any]:
    values = {
        "code": fact.code,
        "value": str(fact.value) if isinstance(fact.value, Decimal) else _text(fact.value),
        "on": _iso(fact.on),
        "comparator": fact.comparator or None,
        "printed": _text(fact.printed),
        "upper_limit": _text(fact.upper_limit),
        "lloq": _text(fact.lloq),
        "not_done": fact.not_done or None,
        "measurement": fact.source,
    }
    return {name: value for name, value in values.items() if value is not None}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


# --- Screen failure --------------------------------------------------------------------------------


@transaction.atomic
def fail_screening(
    *,
    participant: Participant,
    reason: str,
    on: dt.date,
    reason_code: str = ReasonCode.NOT_ELIGIBLE,
    by: User,
    now: dt.datetime,
) -> ParticipantStatus:
    """End the screening without enrolment; the criteria that were not met are kept beside the reason."""
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    return change_status(
        participant=participant,
        new=Status.SCREEN_FAILED,
        on=on,
        reason=reason,
        reason_code=reason_code,
        criteria=evaluate(participant, now=now, as_of=on).failed_codes,
        by=by,
        now=now,
    )


# --- Infusion --------------------------------------------------------------------------------------


def against_infusion(participant: Participant, *, on: dt.date, now: dt.datetime) -> tuple[Decision, ...]:
    """The criteria that count back from the infusion and would not be met if it were on this day."""
    evaluation = evaluate(participant, now=now, infusion_on=on)
    return tuple(
        d for d in evaluation.decisions if d.result not in MET and counts_from_infusion(d, evaluation.protocol)
    )


def codes_of(decisions: Iterable[Decision]) -> str:
    return _(", ").join(sorted({decision.item for decision in decisions}))
