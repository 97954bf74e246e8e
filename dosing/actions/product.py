"""Verbs of cell products: order, move step by step, and what a lot must be to be given."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from dosing.actions.stops import stopped_infusion
from dosing.models import STATE_NAMES, CellProduct, Leukapheresis, ProductStep
from dosing.rules import product as rules
from dosing.rules.dose import BagDose, DoseLimits, bag_dose, viable_car_t_cells_e8
from dosing.rules.product import State
from participants import actions as participants
from participants.models import DeviationKind, Participant
from trialsite.models import User
from trialsite.reading import is_same_code
from trialsite.refusal import Refused
from trialsite.study import Dose, get_study

# What the release certificate must have told before a product counts as released.
NEEDED_FOR_RELEASE = (
    "lot",
    "volume_ml",
    "cells_per_ml",
    "viability",
    "car_positive",
    "certificate",
    "released_on",
    "expires_on",
)


def check_order(product: CellProduct, *, at: dt.datetime, now: dt.datetime) -> None:
    """Raises Refused for a moment in the future, for somebody without any consent, and for another's cells."""
    if at > now:
        raise Refused(
            _("%(at)s is in the future (now: %(now)s). Record it when it has happened.")
            % {"at": participants.long_moment(at), "now": participants.long_moment(now)}
        )
    if participants.first_consent_at(product.participant) is None:
        raise Refused(
            _("%(number)s has no recorded consent. Record the signed consent form first.")
            % {"number": product.participant.number}
        )
    check_source(product)


def check_source(product: CellProduct) -> None:
    """Raises Refused for cells that were collected from somebody else: the product is autologous only."""
    source = product.leukapheresis
    if source is not None and (source.is_void or source.participant_id != product.participant_id):
        raise Refused(
            _("STOP: these cells were collected from %(owner)s, not from %(number)s.")
            % {
                "owner": source.participant.number_beside(product.participant),
                "number": product.participant.number,
            }
        )


@transaction.atomic
def order_product(*, product: CellProduct, at: dt.datetime | None = None, by: User, now: dt.datetime) -> CellProduct:
    """Order a product from this participant's own cells, at this moment or, entered later, at that one."""
    product.participant = Participant.objects.select_for_update().get(pk=product.participant_id)
    check_order(product, at=at or now, now=now)
    product.state = State.ORDERED
    product.created_by, product.created_at = by, now
    product.save()
    _step(product, State.ORDERED, at=at or now, by=by, now=now)
    return product


def check_leukapheresis(row: Leukapheresis, *, now: dt.datetime) -> None:
    """Raises Refused for an end in the future."""
    if row.ended_at > now:
        raise Refused(
            _("%(at)s is in the future (now: %(now)s). Record it when it has happened.")
            % {"at": participants.long_moment(row.ended_at), "now": participants.long_moment(now)}
        )


@transaction.atomic
def record_leukapheresis(*, row: Leukapheresis, by: User, now: dt.datetime) -> Leukapheresis:
    """Save a collection. A product of this participant that waits for its cells gets them, and is "collected"."""
    row.participant = Participant.objects.select_for_update().get(pk=row.participant_id)
    check_leukapheresis(row, now=now)
    is_new = row.pk is None
    if is_new:
        row.created_by, row.created_at = by, now
    row.save()
    waiting = row.participant.products.standing().filter(state=State.ORDERED, leukapheresis=None).first()
    if is_new and waiting is not None:
        waiting.leukapheresis = row
        waiting.save(update_fields=["leukapheresis"])
        ordered_at = waiting.steps.standing().latest("id").at
        # Ordered on paper after the collection, or entered later: the step cannot lie before the order.
        move_product(product=waiting, new=State.COLLECTED, at=max(row.ended_at, ordered_at), by=by, now=now)
    return row


def _step(
    product: CellProduct,
    state: State,
    *,
    at: dt.datetime,
    reason: str = "",
    lowest_c: Decimal | None = None,
    highest_c: Decimal | None = None,
    by: User,
    now: dt.datetime,
) -> ProductStep:
    return ProductStep.objects.create(
        product=product,
        state=state,
        at=at,
        reason=reason,
        lowest_c=lowest_c,
        highest_c=highest_c,
        created_by=by,
        created_at=now,
    )


@transaction.atomic
def move_product(
    *,
    product: CellProduct,
    new: State,
    at: dt.datetime,
    reason: str = "",
    lowest_c: Decimal | None = None,
    highest_c: Decimal | None = None,
    by: User,
    now: dt.datetime,
) -> ProductStep:
    """One step of the transition table; the infusion itself is a step that `infuse` takes.

    A manufacture that failed takes the planned infusion back: there is nothing to give on that day. A product
    out of specification, or thawed after its last day, is a protocol deviation with its reason.
    """
    product = CellProduct.objects.select_for_update().get(pk=product.pk)
    check_move(product, new, at=at, reason=reason, now=now)
    product.state = new
    product.save(update_fields=["state"])
    step = _step(product, new, at=at, reason=reason, lowest_c=lowest_c, highest_c=highest_c, by=by, now=now)
    if new == State.FAILED:
        _take_plan_back(product.participant)
    participants.report_deviation(
        participant=product.participant,
        kind=DeviationKind.PRODUCT,
        about=f"product:{product.pk}:{new}",
        description=_deviates(product, new, at=at),
        reason=reason,
        by=by,
        now=now,
    )
    return step


def _take_plan_back(participant: Participant) -> None:
    if participant.planned_infusion_on is not None and participant.participant_number is not None:
        participant.planned_infusion_on = None
        participant.save(update_fields=["planned_infusion_on"])


def check_move(product: CellProduct, new: State, *, at: dt.datetime, reason: str, now: dt.datetime) -> None:
    """Raises Refused for a step that the table lacks, a wrong moment, or facts or a reason that are missing."""
    current = State(product.state)
    if product.is_void or new == State.INFUSED or not rules.can_become(current, new):
        possible = [str(STATE_NAMES[s]) for s in possible_steps(product)]
        raise Refused(
            _("%(product)s is “%(current)s” and cannot become “%(new)s”. Possible from here: %(possible)s.")
            % {
                "product": product,
                "current": STATE_NAMES[current],
                "new": STATE_NAMES[new],
                "possible": _(", ").join(possible) or _("nothing"),
            }
        )
    _check_moment(product, at=at, now=now)
    if new == State.RELEASED:
        _check_release(product)
    if (new in rules.WITH_REASON or _deviates(product, new, at=at)) and not reason.strip():
        text = _deviates(product, new, at=at)
        raise Refused(f"{text} {_('This step needs its reason.')}".strip())


def possible_steps(product: CellProduct) -> tuple[State, ...]:
    """The steps that a person may record from here."""
    return tuple(s for s in State if s != State.INFUSED and rules.can_become(State(product.state), s))


def _check_moment(product: CellProduct, *, at: dt.datetime, now: dt.datetime) -> None:
    last = product.steps.standing().order_by("-id").first()
    if at > now:
        raise Refused(
            _("%(at)s is in the future (now: %(now)s). Record it when it has happened.")
            % {"at": participants.long_moment(at), "now": participants.long_moment(now)}
        )
    if last is not None and at < participants.minute(last.at):
        raise Refused(
            _("“%(state)s” was at %(last)s; the next step cannot be earlier, at %(at)s.")
            % {
                "state": last.get_state_display(),
                "last": participants.long_moment(last.at),
                "at": participants.long_moment(at),
            }
        )


def _check_release(product: CellProduct) -> None:
    missing = [
        str(CellProduct._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
        for name in NEEDED_FOR_RELEASE
        if getattr(product, name) in (None, "")
    ]
    if missing:
        raise Refused(
            _("The release needs what its certificate tells; missing are: %(names)s. Enter them on the product first.")
            % {"names": _(", ").join(missing)}
        )
    _check_bag_dose(product)


def _deviates(product: CellProduct, new: State, *, at: dt.datetime) -> str:
    """In words, what about this step is not as the protocol wants it; empty where all is."""
    if new == State.RELEASED and product.is_out_of_specification:
        return _("%(product)s is released out of specification.") % {"product": product}
    day = participants.site_day(at)
    if new == State.THAWED and product.expires_on is not None and day > product.expires_on:
        return _("%(product)s was thawed on %(day)s, after its last day, %(last)s.") % {
            "product": product,
            "day": participants.long_date(day),
            "last": participants.long_date(product.expires_on),
        }
    return ""


def dose_of_product(product: CellProduct) -> Decimal | None:
    """The whole bag in 10⁸ viable CAR-T cells, unrounded; None until the certificate's numbers are there."""
    return None if product.fill is None else dose_of_volume(product, product.fill.volume_ml)


def dose_of_volume(product: CellProduct, volume_ml: Decimal) -> Decimal:
    """So much of the bag in 10⁸ viable CAR-T cells, unrounded. Raises Refused without the certificate's numbers."""
    if product.fill is None:
        raise Refused(
            _("The certificate of lot %(lot)s is not complete: no dose can be computed. Enter it on the product first.")
            % {"lot": product.lot}
        )
    policy = get_study().protocol(product.participant.protocol_version).policy
    given = replace(product.fill, volume_ml=volume_ml)
    return viable_car_t_cells_e8(given, counts_all_viable=policy.car_t_cells_reading == "viable_total")


def bag_dose_of(product: CellProduct) -> BagDose | None:
    """The whole bag against the protocol's range, with the mL of the planned dose; None until its numbers are there."""
    whole = dose_of_product(product)
    if whole is None or product.volume_ml is None or whole <= 0:
        return None
    dose = _dose(product)
    limits = DoseLimits(dose.tolerance_low_e8, dose.nominal_low_e8, dose.nominal_high_e8, dose.tolerance_high_e8)
    return bag_dose(whole, product.volume_ml, planned_e8=dose.recommended_e8, limits=limits)


def _dose(product: CellProduct) -> Dose:
    return get_study().protocol(product.participant.protocol_version).dose


def _check_bag_dose(product: CellProduct) -> None:
    """Raises Refused for a certificate whose numbers cannot be: a slip of the unit, found before the bag is thawed."""
    whole, limit = dose_of_product(product), _dose(product).implausible_above_e8
    if whole is not None and not 0 < whole <= limit:
        raise Refused(
            _(
                "The certificate gives %(given)s × 10⁸ viable CAR-T cells in the whole bag, which cannot be (possible: "
                "above 0, up to %(limit)s × 10⁸). Check volume, cells per mL and both shares on the product."
            )
            % {"given": f"{whole.normalize():f}", "limit": f"{limit.normalize():f}"}
        )


# --- The product of an infusion ----------------------------------------------------------------------


def product_of_lot(code: str) -> CellProduct | None:
    """By what stands on the bag: its lot, or the code that follows the cells from vein to vein.

    Width, case and spaces aside; where that leaves two bags, only the exact spelling tells them apart.
    """
    known = reversed(participants.all_standing(CellProduct))
    alike = [bag for bag in known if is_same_code(code, bag.lot) or is_same_code(code, bag.chain_of_identity)]
    exact = [bag for bag in alike if code in (bag.lot, bag.chain_of_identity)]
    found = exact or alike
    return found[0] if len(found) == 1 else None


def check_product(product: CellProduct, participant: Participant, *, is_split: bool = False) -> None:
    """Raises Stopped for another person's cells; Refused for a product that is not thawed (or, for a part, begun)."""
    asked = rules.Administration(product_of=str(product.participant_id), given_to=str(participant.pk))
    if rules.check_administration(asked) is rules.Check.REJECT:
        raise stopped_infusion(
            participant,
            product,
            _("STOP: lot %(lot)s was made for %(owner)s, not for %(number)s. Check the bag and the wristband.")
            % {
                "lot": product.lot,
                "owner": product.participant.number_beside(participant),
                "number": participant.number,
            },
        )
    if product.state != State.THAWED and not (is_split and product.state == State.INFUSED):
        raise Refused(
            _("Lot %(lot)s is “%(state)s”; only a thawed product is infused. Record its steps first.")
            % {"lot": product.lot, "state": product.get_state_display()}
        )


def mark_product_infused(
    *, product: CellProduct, participant: Participant, at: dt.datetime, by: User, now: dt.datetime
) -> None:
    """The step "infused", taken once: of two who give one bag the second finds it given, unless it goes on in parts."""
    check_product(product, participant, is_split=True)
    # No more is asked than the row itself: whoever waited for it is asked again.
    thawed = CellProduct.objects.filter(pk=product.pk, state=State.THAWED)
    if not thawed.update(state=State.INFUSED):
        product.refresh_from_db()
        if product.state == State.INFUSED and product.infusions.standing().filter(occasion="split").exists():
            return
        check_product(product, participant)
    product.state = State.INFUSED
    _step(product, State.INFUSED, at=at, by=by, now=now)
