"""Verbs of the infusion: log it, correct it, show what a correction would move."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from django.db import transaction
from django.utils.translation import gettext as _

from dosing.actions.amounts import people_to_tell
from dosing.actions.product import check_product, dose_of_volume, mark_product_infused, product_of_lot
from dosing.actions.readiness import Readiness, readiness_of
from dosing.actions.stops import keeping_stops
from dosing.models import LINE_NAMES, CellProduct, Infusion, InfusionInterruption, Occasion
from dosing.rules.day0 import Given, day0
from dosing.rules.dose import OUT_OF_RANGE, DoseBand, DoseLimits, band
from dosing.rules.readiness import Code
from dosing.wording import sentence
from participants import actions as participants
from participants.models import DeviationKind, Participant, ProtocolDeviation, Visit
from participants.rules.schedule import PlannedVisit
from participants.rules.status import Status
from trialsite import notifications
from trialsite.models import Urgency, User
from trialsite.reading import read_code
from trialsite.refusal import Refused
from trialsite.study import Protocol, get_study

# Somebody who was infused before, and may be once more.
INFUSED_BEFORE = frozenset({Status.INFUSED, Status.IN_FOLLOW_UP, Status.RELAPSED})


@dataclass(frozen=True)
class Infused:
    infusion: Infusion
    day0: dt.date
    new_visits: list[Visit]
    moved_visits: list[Visit]


def dose_limits(protocol: Protocol) -> DoseLimits:
    dose = protocol.dose
    return DoseLimits(dose.tolerance_low_e8, dose.nominal_low_e8, dose.nominal_high_e8, dose.tolerance_high_e8)


def dose_band(participant: Participant, cells_e8: Decimal) -> DoseBand:
    return band(cells_e8, dose_limits(_protocol(participant)))


def _protocol(participant: Participant) -> Protocol:
    return get_study().protocol(participant.protocol_version)


# --- Day 0 -------------------------------------------------------------------------------------------


def infusions_of(participant: Participant) -> list[Infusion]:
    """Those that count, by the moments at which they began."""
    return sorted(participants.standing_of(Infusion, participant), key=lambda row: row.infused_at)


def day0_of(
    participant: Participant,
    *,
    instead: Infusion | None = None,
    without: Infusion | None = None,
    infusions: Sequence[Infusion] | None = None,
) -> dt.date | None:
    """The day from which visits count; `instead` stands for its stored row, or is one more; `without` is left out.

    `infusions` that were read already are not read again.
    """
    rows = [row for row in (infusions_of(participant) if infusions is None else infusions) if row != without]
    if instead is not None:
        rows = [*(row for row in rows if row.pk != instead.pk), instead]
    given = [Given(row.day, row.occasion == Occasion.SECOND) for row in rows]
    return day0(given, follows_last=_protocol(participant).policy.second_infusion_day0 == "last_infusion")


@dataclass(frozen=True)
class Day0Change:
    """What a corrected infusion would do to the visits."""

    before: dt.date
    after: dt.date
    moves: list[tuple[Visit, PlannedVisit]]
    stay: list[Visit]


def day0_change(infusion: Infusion) -> Day0Change | None:
    """None while Day 0 stays where it is."""
    participant, stored = infusion.participant, infusions_of(infusion.participant)
    before = day0_of(participant, infusions=stored)
    after = day0_of(participant, instead=infusion, infusions=stored)
    if before is None or after is None or before == after:
        return None
    moves, stay = participants.preview_follow_up(infusion.participant, day0=after)
    return Day0Change(before, after, moves, stay)


# --- Checks ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Beside:
    """What is recorded beside an infusion that is logged or corrected: each kind of row is read once, for one verb."""

    infusion: Infusion
    known: participants.Known

    @cached_property
    def others(self) -> list[Infusion]:
        """The participant's other infusions that count, by the moments at which they began."""
        return [row for row in infusions_of(self.infusion.participant) if row.pk != self.infusion.pk]


def beside(infusion: Infusion) -> Beside:
    return Beside(infusion, participants.Known(infusion.participant))


def check_infusion(
    infusion: Infusion,
    *,
    deviation_reason: str,
    is_day0_confirmed: bool = False,
    interruptions: Sequence[InfusionInterruption] = (),
    around: Beside | None = None,
    now: dt.datetime,
) -> list[tuple[DeviationKind, str]]:
    """Fills in product, dose and band, and tells what the protocol does not want. Raises Refused for that until its
    reason is given, and for what cannot be true."""
    around = around or beside(infusion)
    _check_times(infusion, interruptions, now=now)
    if infusion.pk is None:
        _check_occasion(infusion, around, now=now)
    _compute(infusion, around)
    if infusion.pk is not None and not is_day0_confirmed and (change := day0_change(infusion)):
        raise Refused(
            _(
                "Day 0 would move from %(before)s to %(after)s: %(count)s planned visits move, %(stay)s that happened "
                "stay. Look at the list above, tick “Day 0 really moves”, and save again."
            )
            % {
                "before": participants.long_date(change.before),
                "after": participants.long_date(change.after),
                "count": len(change.moves),
                "stay": len(change.stay),
            }
        )
    found = deviations(infusion, around=around, now=now)
    if found and not _reason(infusion, deviation_reason):
        texts = [text for _kind, text in found]
        raise Refused(" ".join([*texts, _("If it was given all the same, record it and give a reason.")]))
    return found


def _reason(infusion: Infusion, typed: str) -> str:
    """What was typed, or, for a correction, what stands beside the first entry."""
    if typed.strip() or infusion.pk is None:
        return typed.strip()
    known = ProtocolDeviation.objects.standing().filter(about=_about(infusion)).exclude(reason="")
    return known.values_list("reason", flat=True).first() or ""


def _about(infusion: Infusion) -> str:
    return f"infusion:{infusion.pk}"


def _check_times(infusion: Infusion, interruptions: Sequence[InfusionInterruption], *, now: dt.datetime) -> None:
    if infusion.infused_at > now or (infusion.ended_at is not None and infusion.ended_at > now):
        late = infusion.infused_at if infusion.infused_at > now else infusion.ended_at
        raise Refused(
            _("An infusion is logged once it was given: %(at)s is after now, %(now)s. Correct the date and time.")
            % {"at": participants.long_moment(late or now), "now": participants.long_moment(now)}
        )
    if infusion.pk is None and infusion.ended_at is None:
        raise Refused(_("Give the time at which the infusion ended."))
    check_interruptions(infusion, interruptions)


def check_interruptions(infusion: Infusion, interruptions: Sequence[InfusionInterruption]) -> None:
    """Raises Refused for one that lies outside the infusion."""
    for one in interruptions:
        last = one.resumed_at or one.stopped_at
        if one.stopped_at < infusion.infused_at or (infusion.ended_at is not None and last > infusion.ended_at):
            raise Refused(
                _("An interruption lies between start and end of the infusion; %(at)s does not. Correct one of them.")
                % {"at": participants.long_moment(one.stopped_at)}
            )


def _check_occasion(infusion: Infusion, around: Beside, *, now: dt.datetime) -> None:
    participant, history = infusion.participant, around.known.history
    if infusion.occasion == Occasion.FIRST:
        participants.check_can_become(participant, Status.INFUSED, on=infusion.day, history=history, now=now)
        return
    first = next((row for row in around.others if row.occasion == Occasion.FIRST), None)
    if first is None or participants.status_on(participant, infusion.day, history=history) not in INFUSED_BEFORE:
        raise Refused(
            _("%(number)s is “%(status)s”, without a first infusion to go on from. Log the first infusion.")
            % {"number": participant.number, "status": participant.get_status_display()}
        )
    if infusion.infused_at < first.infused_at:
        raise Refused(
            _("The first infusion was at %(first)s; a further one cannot be before it, at %(at)s.")
            % {
                "first": participants.long_moment(first.infused_at),
                "at": participants.long_moment(infusion.infused_at),
            }
        )


def _compute(infusion: Infusion, around: Beside) -> None:
    """Product, dose and band from the lot and the volume. Rows without a product keep their dose as it was."""
    if infusion.pk is None:
        product = product_of_lot(read_code(infusion.product_lot))
        if product is None:
            raise Refused(
                _("No cell product with lot or code “%(lot)s” is recorded. Check the bag, or record the product first.")
                % {"lot": infusion.product_lot}
            )
        infusion.product, infusion.product_lot = product, product.lot
        check_product(product, infusion.participant, is_split=infusion.occasion == Occasion.SPLIT)
        product.participant = infusion.participant
    if infusion.product is not None:
        _check_volume(infusion, infusion.product, around)
        assert infusion.volume_given_ml is not None
        infusion.viable_car_t_cells_e8 = dose_of_volume(infusion.product, infusion.volume_given_ml)
    if not infusion.viable_car_t_cells_e8 > 0:
        raise Refused(_("The certificate of the product gives a dose of 0 cells. Correct the product first."))
    _check_plausible(infusion)
    infusion.dose_band = dose_band(infusion.participant, total_dose(infusion, around.others))


def _check_plausible(infusion: Infusion) -> None:
    limit = _protocol(infusion.participant).dose.implausible_above_e8
    if infusion.viable_car_t_cells_e8 > limit:
        raise Refused(
            _(
                "Volume and certificate give %(given)s × 10⁸ viable CAR-T cells, which cannot be (possible: above 0, "
                "up to %(limit)s × 10⁸). Check the volume, and cells per mL on the product."
            )
            % {"given": f"{infusion.viable_car_t_cells_e8.normalize():f}", "limit": f"{limit.normalize():f}"}
        )


def _check_volume(infusion: Infusion, product: CellProduct, around: Beside) -> None:
    if infusion.volume_given_ml is None:
        raise Refused(_("Give the volume that went in: the dose is computed from it."))
    # A bag is its own person's alone: whatever went in of it before stands among that person's infusions.
    of_bag = (row.volume_given_ml for row in around.others if row.product_id == product.pk)
    before = sum((volume for volume in of_bag if volume is not None), Decimal(0))
    held = product.volume_ml or Decimal(0)
    left = held - before - infusion.volume_given_ml
    if left < 0:
        raise Refused(
            _("Lot %(lot)s held %(held)s mL, %(before)s mL were given before: %(given)s mL is more than was left.")
            % {"lot": product.lot, "held": held, "before": before, "given": infusion.volume_given_ml}
        )
    if left > 0 and not infusion.remainder:
        raise Refused(
            _("%(left)s mL of lot %(lot)s are left. Say what became of the remainder.")
            % {"left": f"{left.normalize():f}", "lot": product.lot}
        )


def total_dose(infusion: Infusion, others: Sequence[Infusion] | None = None) -> Decimal:
    """In 10⁸ cells: the parts of a split dose together are one dose; a second infusion stands for itself."""
    if infusion.occasion == Occasion.SECOND:
        return infusion.viable_car_t_cells_e8
    rows = infusions_of(infusion.participant) if others is None else others
    parts = (row for row in rows if row.pk != infusion.pk and row.occasion != Occasion.SECOND)
    return sum((row.viable_car_t_cells_e8 for row in parts), infusion.viable_car_t_cells_e8)


def deviations(
    infusion: Infusion, *, around: Beside | None = None, now: dt.datetime
) -> list[tuple[DeviationKind, str]]:
    """In words, everything about this infusion that the protocol does not want."""
    found, around = [], around or beside(infusion)
    ready = _readiness(infusion, around, now=now)
    lines = {judged.line.code: f"{LINE_NAMES[judged.line.code]}: {sentence(judged.line)}" for judged in ready.against}
    if text := lines.pop(Code.ELIGIBILITY, ""):
        found.append((DeviationKind.ELIGIBILITY, text))
    if infusion.dose_band in OUT_OF_RANGE:
        found.append((DeviationKind.DOSE, dose_text(infusion, around.others)))
    if infusion.product is not None and lines:
        found.append((DeviationKind.READINESS, " ".join(lines.values())))
    return found


def _readiness(infusion: Infusion, around: Beside, *, now: dt.datetime) -> Readiness:
    # Lymphodepletion prepared the first part; a further one goes on from it.
    first = day0_of(infusion.participant) if infusion.occasion == Occasion.SPLIT else None
    return readiness_of(
        infusion.participant,
        at=infusion.infused_at,
        now=now,
        product=infusion.product,
        infusion_on=first or infusion.day,
        is_given=True,
        was_signed=_was_signed(infusion),
        known=around.known,
    )


def _was_signed(infusion: Infusion) -> bool:
    """Whether the confirmation was current when the infusion was logged: a fact that is corrected later does not undo
    that, and a deviation that stands says that it was not."""
    if infusion.pk is None:
        return False
    known = ProtocolDeviation.objects.standing().filter(about=_about(infusion), kind=DeviationKind.ELIGIBILITY)
    return not known.exists()


def dose_text(infusion: Infusion, others: Sequence[Infusion] | None = None) -> str:
    dose = _protocol(infusion.participant).dose
    return _("The protocol's dose is %(low)s–%(high)s × 10⁸ viable CAR-T cells; %(given)s × 10⁸ is outside.") % {
        "low": dose.tolerance_low_e8,
        "high": dose.tolerance_high_e8,
        "given": f"{total_dose(infusion, others).normalize():f}",
    }


# --- Verbs -------------------------------------------------------------------------------------------


@keeping_stops
@transaction.atomic
def infuse(
    *,
    infusion: Infusion,
    interruptions: Sequence[InfusionInterruption] = (),
    deviation_reason: str = "",
    by: User,
    now: dt.datetime,
) -> Infused:
    """Log an infusion. The first becomes Day 0, and the follow-up visits appear in the same transaction."""
    participant = Participant.objects.select_for_update().get(pk=infusion.participant_id)
    infusion.participant = participant
    around = beside(infusion)
    found = check_infusion(
        infusion, deviation_reason=deviation_reason, interruptions=interruptions, around=around, now=now
    )
    infusion.created_by, infusion.created_at = by, now
    infusion.save()
    keep_interruptions(infusion, interruptions, by=by, now=now)
    assert infusion.product is not None
    mark_product_infused(product=infusion.product, participant=participant, at=infusion.infused_at, by=by, now=now)
    if infusion.occasion == Occasion.FIRST:
        participants.mark_infused(participant=participant, on=infusion.day, known=around.known, by=by, now=now)
    return _follow(infusion, dict(found), deviation_reason, around, by=by, now=now)


@transaction.atomic
def correct_infusion(
    *,
    infusion: Infusion,
    interruptions: Sequence[InfusionInterruption] = (),
    deviation_reason: str = "",
    is_day0_confirmed: bool = False,
    by: User,
    now: dt.datetime,
) -> Infused:
    """Save a corrected infusion. Another Day 0 moves the visits that are still planned, and only those."""
    Participant.objects.select_for_update().get(pk=infusion.participant_id)
    found = check_infusion(
        infusion,
        deviation_reason=deviation_reason,
        is_day0_confirmed=is_day0_confirmed,
        interruptions=interruptions,
        now=now,
    )
    infusion.save()
    keep_interruptions(infusion, interruptions, by=by, now=now)
    if infusion.occasion == Occasion.FIRST:
        participants.follow_fact(
            participant=infusion.participant,
            reached=Status.INFUSED,
            on=infusion.day,
            why=_("The day of the infusion was corrected to %(day)s.") % {"day": participants.long_date(infusion.day)},
            by=by,
            now=now,
        )
    # The correction may have changed the history: it is read anew.
    reason = _reason(infusion, deviation_reason)
    return _follow(infusion, _of_every_kind(found), reason, beside(infusion), by=by, now=now)


def keep_interruptions(
    infusion: Infusion, interruptions: Sequence[InfusionInterruption], *, by: User, now: dt.datetime
) -> None:
    for one in interruptions:
        if one.pk is None:
            one.infusion, one.created_by, one.created_at = infusion, by, now
        one.save()


def _follow(
    infusion: Infusion,
    found: Mapping[DeviationKind, str],
    reason: str,
    around: Beside,
    *,
    by: User,
    now: dt.datetime,
) -> Infused:
    participant = infusion.participant
    day = day0_of(participant, instead=infusion, infusions=around.others)
    assert day is not None
    _keep_band_of_parts(infusion)
    participants.note_day0(participant=participant, on=day)
    new, moved = participants.schedule_follow_up(participant=participant, day0=day, known=around.known, by=by, now=now)
    _keep_deviations(infusion, found, reason, by=by, now=now)
    if infusion.is_out_of_range:
        _tell_of_dose(infusion, now=now)
    return Infused(infusion, day, new, moved)


def _keep_deviations(
    infusion: Infusion, found: Mapping[DeviationKind, str], reason: str, *, by: User, now: dt.datetime
) -> None:
    participants.report_deviations(
        participant=infusion.participant,
        about=_about(infusion),
        descriptions=found,
        reason=reason,
        by=by,
        now=now,
    )


def _of_every_kind(found: Sequence[tuple[DeviationKind, str]]) -> dict[DeviationKind, str]:
    """With those that may stand from before, and are true no longer."""
    kinds = (DeviationKind.ELIGIBILITY, DeviationKind.DOSE, DeviationKind.READINESS)
    return {**dict.fromkeys(kinds, ""), **dict(found)}


def look_again(participant: Participant, *, by: User, now: dt.datetime) -> None:
    """Something that the infusions rested on was recorded late: what stands against them is judged anew."""
    for infusion in participant.infusions.standing():
        found = _of_every_kind(deviations(infusion, now=now))
        _keep_deviations(infusion, found, _reason(infusion, ""), by=by, now=now)


def _keep_band_of_parts(infusion: Infusion) -> None:
    """The other parts of a split dose lie in the band of the whole."""
    if infusion.occasion == Occasion.SPLIT:
        parts = infusion.participant.infusions.standing().exclude(occasion=Occasion.SECOND)
        for part in parts.exclude(pk=infusion.pk).exclude(dose_band=infusion.dose_band):
            part.dose_band = infusion.dose_band
            part.save(update_fields=["dose_band"])


def _tell_of_dose(infusion: Infusion, *, now: dt.datetime) -> None:
    """The principal investigator must know at once; where there is none to be reached, the investigators."""
    site = infusion.participant.site
    dose = total_dose(infusion).normalize()
    for person in people_to_tell(site):
        notifications.queue(
            key=f"infusion:{infusion.pk}:dose:{dose:f}",
            about=_about(infusion),
            site=site,
            recipient=person,
            template="dosing/email/dose_out_of_range",
            context={
                "infusion": infusion,
                "dose": f"{dose:f}",
                "limits": _protocol(infusion.participant).dose,
                "hours": _protocol(infusion.participant).policy.overdose_notice_hours,
            },
            urgency=Urgency.ALERT,
            now=now,
        )
