"""Cell products: step by step from the order to the vein, for one person only, and given once."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import Error, IntegrityError, connections, transaction
from django.urls import reverse
from django.utils import timezone

from dosing import actions
from dosing.models import CellProduct, Infusion, ProductStep
from dosing.rules.product import State
from participants.actions import plan_infusion
from participants.models import Participant, ProtocolDeviation
from tests import factories
from trialsite.models import Site, User
from trialsite.refusal import Refused

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
WAY = (State.COLLECTED, State.IN_MANUFACTURE, State.RELEASED, State.RECEIVED, State.THAWED)


def product_of(participant: Participant, lot: str = "LOT-A", **more: Any) -> CellProduct:
    values = {
        "volume_ml": Decimal(20),
        "cells_per_ml": Decimal(5_000_000),
        "viability": Decimal("0.9"),
        "car_positive": Decimal("0.5"),
        "certificate": "COA-1",
        "released_on": dt.date(2026, 3, 1),
        "expires_on": dt.date(2027, 3, 1),
        **more,
    }
    return CellProduct(participant=participant, lot=lot, chain_of_identity=f"COI-{lot}", **values)


def ordered(participant: Participant, by: User, at: dt.datetime, lot: str = "LOT-A", **more: Any) -> CellProduct:
    return actions.order_product(product=product_of(participant, lot, **more), by=by, now=at)


def brought_to(product: CellProduct, state: State, by: User, now: dt.datetime) -> CellProduct:
    for step in WAY[: WAY.index(state) + 1]:
        actions.move_product(product=product, new=step, at=now, by=by, now=now)
    product.refresh_from_db()
    return product


@pytest.fixture
def participant(site: Site, ivan: User, now: dt.datetime) -> Participant:
    return factories.enrolled(site=site, by=ivan, now=now - 20 * DAY)


def test_a_product_goes_its_way_and_is_infused(participant: Participant, ivan: User, now: dt.datetime) -> None:
    product = brought_to(ordered(participant, ivan, now - DAY), State.THAWED, ivan, now - HOUR)
    assert actions.dose_of_product(product) == Decimal("0.45")
    factories.make_ready(participant, product, at=now)
    infusion = factories.infusion_of(participant, at=now, product=product)
    actions.infuse(infusion=infusion, by=ivan, now=now)
    assert infusion.viable_car_t_cells_e8 == Decimal("0.45")
    product.refresh_from_db()
    assert product.state == State.INFUSED
    assert [step.state for step in product.steps.all()] == [State.ORDERED, *WAY, State.INFUSED]


def test_steps_are_taken_in_order_and_never_changed(participant: Participant, ivan: User, now: dt.datetime) -> None:
    product = ordered(participant, ivan, now - DAY)
    for wrong in (State.RELEASED, State.INFUSED, State.ORDERED):
        with pytest.raises(Refused, match="cannot become"):
            actions.move_product(product=product, new=wrong, at=now, by=ivan, now=now)
    for at in (now + HOUR, now - 2 * DAY):
        with pytest.raises(Refused):
            actions.move_product(product=product, new=State.COLLECTED, at=at, by=ivan, now=now)
    with pytest.raises(Error), transaction.atomic():
        ProductStep.objects.update(state=State.RELEASED)


def test_a_release_needs_its_certificate(participant: Participant, ivan: User, now: dt.datetime) -> None:
    product = ordered(participant, ivan, now - DAY, certificate="", viability=None)
    brought_to(product, State.IN_MANUFACTURE, ivan, now)
    with pytest.raises(Refused, match=r"viability.*certificate"):
        actions.move_product(product=product, new=State.RELEASED, at=now, by=ivan, now=now)


def test_another_persons_product_is_refused(participant: Participant, site: Site, ivan: User, now: dt.datetime) -> None:
    other = factories.enrolled(site=site, by=ivan, now=now - 20 * DAY)
    product = brought_to(ordered(other, ivan, now - DAY), State.THAWED, ivan, now - HOUR)
    factories.make_ready(participant, product, at=now)
    infusion = factories.infusion_of(participant, at=now, product=product)
    with pytest.raises(Refused, match="STOP"):
        actions.infuse(infusion=infusion, deviation_reason="please", by=ivan, now=now)
    assert not Infusion.objects.exists()


def test_a_product_that_is_not_thawed_is_refused(participant: Participant, ivan: User, now: dt.datetime) -> None:
    product = brought_to(ordered(participant, ivan, now - DAY), State.RECEIVED, ivan, now - HOUR)
    infusion = factories.infusion_of(participant, at=now, product=product)
    with pytest.raises(Refused, match="only a thawed product"):
        actions.infuse(infusion=infusion, by=ivan, now=now)


@pytest.mark.parametrize("clash", [{"lot": "LOT-A"}, {"chain_of_identity": "COI-LOT-A"}])
def test_lot_and_chain_belong_to_one_product(
    participant: Participant, site: Site, ivan: User, now: dt.datetime, clash: dict[str, str]
) -> None:
    ordered(participant, ivan, now - DAY)
    other = product_of(factories.enrolled(site=site, by=ivan, now=now - DAY), "LOT-B")
    for name, value in clash.items():
        setattr(other, name, value)
    with pytest.raises(IntegrityError), transaction.atomic():
        actions.order_product(product=other, by=ivan, now=now)


def test_a_failed_manufacture_says_why_and_takes_the_plan_back(
    participant: Participant, ivan: User, now: dt.datetime
) -> None:
    plan_infusion(participant=participant, on=dt.date(2026, 3, 12), by=ivan, now=now)
    product = brought_to(ordered(participant, ivan, now - DAY), State.IN_MANUFACTURE, ivan, now)
    with pytest.raises(Refused, match="reason"):
        actions.move_product(product=product, new=State.FAILED, at=now, by=ivan, now=now)
    actions.move_product(product=product, new=State.FAILED, at=now, reason="no expansion", by=ivan, now=now)
    participant.refresh_from_db()
    assert participant.planned_infusion_on is None
    again = ordered(participant, ivan, now, "LOT-B")
    assert again.state == State.ORDERED, "another one can be ordered"


def test_out_of_specification_is_a_deviation_with_its_reason(
    participant: Participant, ivan: User, now: dt.datetime
) -> None:
    product = ordered(participant, ivan, now - DAY, is_out_of_specification=True)
    brought_to(product, State.IN_MANUFACTURE, ivan, now)
    with pytest.raises(Refused, match="out of specification"):
        actions.move_product(product=product, new=State.RELEASED, at=now, by=ivan, now=now)
    actions.move_product(
        product=product, new=State.RELEASED, at=now, reason="approved by the sponsor", by=ivan, now=now
    )
    assert ProtocolDeviation.objects.get().kind == "product"


def test_a_bag_thawed_after_its_last_day_is_told(participant: Participant, ivan: User, now: dt.datetime) -> None:
    product = ordered(participant, ivan, now - DAY, expires_on=dt.date(2026, 3, 4))
    brought_to(product, State.RECEIVED, ivan, now)
    with pytest.raises(Refused, match="after its last day"):
        actions.move_product(product=product, new=State.THAWED, at=now, by=ivan, now=now)
    actions.move_product(product=product, new=State.THAWED, at=now, reason="no other", by=ivan, now=now)
    assert ProtocolDeviation.objects.get().reason == "no other"


def test_nobody_without_consent_gets_a_product(site: Site, ivan: User, now: dt.datetime) -> None:
    with pytest.raises(Refused, match="consent"):
        ordered(factories.screened(site=site, by=ivan, now=now), ivan, now)


@pytest.mark.django_db(transaction=True)
def test_two_pharmacists_cannot_give_one_bag_twice(participant: Participant, ivan: User, now: dt.datetime) -> None:
    product = brought_to(ordered(participant, ivan, now - DAY), State.THAWED, ivan, now - HOUR)
    factories.make_ready(participant, product, at=now)

    def give(_number: int) -> str:
        infusion = factories.infusion_of(participant, at=now, product=product)
        try:
            actions.infuse(infusion=infusion, by=ivan, now=now)
        except (Refused, IntegrityError):
            return "refused"
        finally:
            connections.close_all()
        return "given"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(give, range(2))) == ["given", "refused"]
    assert Infusion.objects.count() == 1


def test_over_the_pages(participant: Participant, ivan: User, mona: User, login: Any) -> None:
    client = login(ivan)
    data = {"participant": participant.pk, "chain_of_identity": "COI-7", "lot": ""}
    assert client.post(reverse("admin:dosing_cellproduct_add"), data).status_code == 302
    product = CellProduct.objects.get()
    step = reverse("admin:dosing_cellproduct_step", args=[product.pk])
    moment = timezone.localtime()
    typed = {"new": "collected", "at_0": f"{moment:%Y-%m-%d}", "at_1": f"{moment:%H:%M}"}
    assert client.post(step, typed).status_code == 302
    assert (
        "cells collected" in client.get(reverse("admin:dosing_cellproduct_change", args=[product.pk])).content.decode()
    )
    assert login(mona).post(step, typed).status_code == 403
