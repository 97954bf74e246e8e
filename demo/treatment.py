"""From the order of the cells and the lymphodepletion to the infusion."""

import datetime as dt
from decimal import Decimal

from django.utils import timezone

from demo.plans import Plan
from demo.scene import DAY, Scene
from dosing.actions import (
    infuse,
    move_product,
    order_product,
    plan_lymphodepletion,
    record_dose,
    record_fitness,
    record_leukapheresis,
    sign_identity,
)
from dosing.models import Before, CellProduct, DoseState, FitnessCheck, Infusion, Leukapheresis
from dosing.rules.product import State
from participants import actions
from participants.models import Participant


def make_ready(scene: Scene, participant: Participant, plan: Plan, since: int) -> str:
    """Everything before the infusion but the signatures of two people; the lot."""
    at, lot = scene.at(since, 10, 30), f"CD19-{participant.screening_number[-3:]}"
    _lymphodeplete(scene, participant, at)
    _product(scene, participant, lot, since, plan.dose)
    _fit(scene, participant, Before.INFUSION, at - dt.timedelta(hours=2))
    return lot


def give(scene: Scene, participant: Participant, plan: Plan, since: int) -> None:
    """The cells, once two people have compared wristband and bag."""
    at = scene.at(since, 10, 30)
    lot = make_ready(scene, participant, plan, since)
    for person in (scene.coordinator, scene.investigator):
        sign_identity(
            participant=participant,
            participant_code=participant.hospital_number,
            product_code=lot,
            by=person,
            entered_by=scene.coordinator,
            now=at - dt.timedelta(minutes=10),
        )
    infusion = Infusion(
        participant=participant,
        infused_at=at,
        ended_at=at + dt.timedelta(minutes=18),
        product_lot=lot,
        volume_given_ml=20,
        has_reaction=False,
    )
    reason = "唯一一袋产品，经主要研究者同意" if Decimal(plan.dose) > Decimal("0.6") else ""
    infuse(infusion=infusion, deviation_reason=reason, by=scene.investigator, now=at + dt.timedelta(hours=1))
    participant.refresh_from_db()


def _lymphodeplete(scene: Scene, participant: Participant, infused_at: dt.datetime) -> None:
    """Planned two days ahead of its first day, a week before the infusion, and given as planned."""
    planned_at = infused_at - 9 * DAY
    day0 = timezone.localtime(infused_at).date()
    by = scene.investigator
    participant = actions.plan_infusion(participant=participant, on=day0, by=by, now=planned_at)
    first = day0 - 7 * DAY
    doses, _warnings = plan_lymphodepletion(participant=participant, first_on=first, by=by, now=planned_at)
    morning = dt.datetime.combine(first, dt.time(8), tzinfo=timezone.get_current_timezone())
    _fit(scene, participant, Before.LYMPHODEPLETION, morning)
    for dose in doses:
        given_at = dt.datetime.combine(dose.planned_on, dt.time(10), tzinfo=timezone.get_current_timezone())
        dose.state, dose.given_at, dose.given_mg = DoseState.GIVEN, given_at, dose.planned_mg
        record_dose(dose=dose, by=scene.coordinator, now=given_at)


def _product(scene: Scene, participant: Participant, lot: str, since: int, dose: str) -> None:
    """From the order to the thawed bag; the certificate's numbers give the dose that was infused."""
    ordered = scene.at(since + 9, 16)
    product = CellProduct(
        participant=participant,
        lot=lot,
        chain_of_identity=f"COI-{participant.screening_number[-3:]}",
        volume_ml=Decimal(20),
        cells_per_ml=Decimal(dose) * 10_000_000,
        viability=Decimal("0.8"),
        car_positive=Decimal("0.625"),
        vector_copies=Decimal("2.1"),
        certificate=f"COA-{lot}",
        released_on=timezone.localtime(scene.at(since + 3, 12)).date(),
        expires_on=timezone.localtime(ordered).date() + dt.timedelta(days=365),
        storage="液氮罐 2，位置 A4",
    )
    order_product(product=product, by=scene.coordinator, now=ordered)
    collected = scene.at(since + 8, 8)
    row = Leukapheresis(
        participant=participant,
        started_at=collected,
        ended_at=collected + dt.timedelta(hours=3),
        venous_access="右颈内静脉",
        processed_ml=8500,
        collected_ml=120,
        nucleated_cells_e8=62,
        t_cells_e8=24,
    )
    record_leukapheresis(row=row, by=scene.coordinator, now=collected + dt.timedelta(hours=3))
    product.refresh_from_db()
    way = (
        (State.IN_MANUFACTURE, 7, 9),
        (State.RELEASED, 3, 12),
        (State.RECEIVED, 1, 15),
        (State.THAWED, 0, 10),
    )
    for state, days, hour in way:
        at = scene.at(since + days, hour)
        move_product(product=product, new=state, at=at, by=scene.coordinator, now=at)


def _fit(scene: Scene, participant: Participant, before: Before, at: dt.datetime) -> None:
    dice = scene.dice
    check = FitnessCheck(
        participant=participant,
        before=before,
        checked_at=at,
        max_temperature_48h_c=Decimal(dice.randint(365, 374)) / 10,
        spo2_percent=dice.randint(95, 100),
        is_on_oxygen=False,
        lvef_percent=dice.randint(55, 69),
        ecog=dice.randint(0, 1),
        has_uncontrolled_infection=False,
        needs_vasopressors=False,
        tocilizumab_doses=2 if before == Before.INFUSION else None,
    )
    record_fitness(check=check, by=scene.investigator, now=at)
