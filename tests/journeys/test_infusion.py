"""From the enrolment to the cells, as people go it: straight, moved, out of range, the wrong bag, no bag, no Day 0."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from dosing import actions
from dosing.models import (
    CellProduct,
    DosingHold,
    IdentityCheck,
    IdentityStop,
    Infusion,
    LymphodepletionDose,
    ReadinessRuling,
)
from dosing.rules.product import State
from dosing.rules.readiness import Code, Outcome
from participants.actions import change_status, plan_infusion, record_visit
from participants.models import Participant, ProtocolDeviation, VisitState
from participants.rules.status import Status
from safety.models import AdverseEvent
from tests import factories
from tests.conftest import PASSWORD
from trialsite.models import Notification, Site, User
from trialsite.refusal import Refused

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


@pytest.fixture
def moment() -> dt.datetime:
    """Pages ask the clock: these journeys happen now."""
    return timezone.now()


@pytest.fixture
def participant(site: Site, ivan: User, moment: dt.datetime) -> Participant:
    enrolled = factories.enrolled(site=site, by=ivan, now=moment - 20 * DAY)
    on = timezone.localtime(moment).date()
    return plan_infusion(participant=enrolled, on=on, by=ivan, now=moment - 15 * DAY)


def typed(participant: Participant, product: CellProduct, at: dt.datetime, **more: str) -> dict[str, str]:
    local = timezone.localtime(at)
    moments = {f"{name}_{n}": f"{local:{f}}" for name in ("infused_at", "ended_at") for n, f in enumerate(FORMATS)}
    return {
        "participant": str(participant.pk),
        "product_lot": product.lot,
        **moments,
        "volume_given_ml": "10",
        "occasion": "first",
        "has_reaction": "False",
        "interruptions-TOTAL_FORMS": "0",
        "interruptions-INITIAL_FORMS": "0",
        **more,
    }


FORMATS = ("%Y-%m-%d", "%H:%M")


def test_a_straightforward_infusion(
    participant: Participant, site: Site, alice: User, ivan: User, moment: dt.datetime, login: Any
) -> None:
    """Lymphodepletion, fitness, a thawed bag, two signatures; then the cells, and the visits are there."""
    at = moment - HOUR
    client = login(ivan)
    page = reverse("admin:dosing_readiness", args=[participant.pk])
    answer = client.get(page).content.decode()
    assert "Not yet: 5 conditions are not met" in answer
    for words in ("No lymphodepletion is planned", "No product", "No fitness check", "0 of 2 people"):
        assert words in answer
    factories.lymphodepleted(participant, until=moment)
    factories.checked(participant, before="infusion", at=at)
    product = factories.thawed(participant, at=at)

    identity = reverse("admin:dosing_identity", args=[participant.pk])
    for person in (ivan, alice):
        codes = {"participant_code": participant.participant_number, "product_code": f"COI-{product.lot}"}
        signed = client.post(identity, {**codes, "username": person.username, "password": PASSWORD}, follow=True)
        assert "has signed" in signed.content.decode()
    assert {check.created_by for check in product.identity_checks.all()} == {ivan, alice}
    assert {check.entered_by for check in product.identity_checks.all()} == {ivan}
    assert "Yes: nothing stands against the infusion" in client.get(page).content.decode()

    form = typed(participant, product, moment, has_reaction="True")
    response = client.post(reverse("admin:dosing_infusion_add"), form)
    assert "safety/adverseevent/add" in response["Location"]
    assert "infusion-related reaction" in client.get(response["Location"]).content.decode()
    infusion = Infusion.objects.get()
    assert (infusion.viable_car_t_cells_e8, infusion.dose_band) == (Decimal("0.5"), "NOMINAL")
    assert participant.visits.count() > 20
    assert not ProtocolDeviation.objects.exists()
    product.refresh_from_db()
    assert product.state == State.INFUSED
    assert "Infusion reactions that are no adverse event yet" in client.get("/admin/").content.decode()
    shown = client.get(reverse("admin:dosing_infusion_change", args=[infusion.pk])).content.decode()
    assert "10 mL × 5000000/mL × 1 × 1 = 0.5 × 10⁸" in shown
    assert "15 minutes before" in shown


def test_a_reaction_leaves_the_list_with_its_event(
    site: Site, ivan: User, moment: dt.datetime, login: Any, alice: User
) -> None:
    participant = factories.infused(site=site, by=alice, now=moment - HOUR)
    infusion = participant.infusions.get()
    infusion.has_reaction = True
    actions.correct_infusion(infusion=infusion, by=alice, now=moment)
    client = login(ivan)
    assert "no adverse event yet" in client.get("/admin/").content.decode()
    event = AdverseEvent(
        participant=participant,
        infusion=infusion,
        term="infusion-related reaction",
        onset=infusion.day.isoformat(),
        grade=1,
        outcome="recovered",
        site_aware_at=moment,
    )
    from safety.actions import log_adverse_event

    log_adverse_event(event=event, by=ivan, now=moment)
    assert "no adverse event yet" not in client.get("/admin/").content.decode()
    other = factories.enrolled(site=site, by=ivan, now=moment - DAY)
    with pytest.raises(Refused, match="Choose another one"):
        wrong = AdverseEvent(participant=other, infusion=infusion, onset="2026", site_aware_at=moment)
        log_adverse_event(event=wrong, by=ivan, now=moment)


def test_a_moved_infusion_shows_what_it_does_before_it_is_confirmed(
    site: Site, alice: User, moment: dt.datetime, login: Any
) -> None:
    at = moment - 3 * DAY
    participant = factories.infused(site=site, by=alice, now=moment, infused_at=at)
    done = participant.visits.get(code="D1")
    done.state, done.occurred_on = VisitState.DONE, done.target_date
    record_visit(visit=done, by=alice, now=moment)
    infusion = participant.infusions.get()
    before = participant.visits.get(code="D28").target_date
    page = reverse("admin:dosing_infusion_change", args=[infusion.pk])
    form = typed(participant, infusion.product, at - DAY, deviation_reason="paper record", reason_for_change="typo")
    client = login(alice)
    shown = client.post(page, form).content.decode()
    assert "Day 0 would move from" in shown
    assert f"<del>{before:%Y-%m-%d}</del>" in shown
    assert "stays as it is" in shown
    assert participant.visits.get(code="D28").target_date == before, "nothing moved yet"
    assert (
        "needs its reason"
        in client.post(page, {**form, "is_day0_confirmed": "on", "reason_for_change": ""}).content.decode()
    )
    assert client.post(page, {**form, "is_day0_confirmed": "on"}).status_code == 302
    assert participant.visits.get(code="D28").target_date == before - DAY
    done.refresh_from_db()
    assert done.occurred_on == infusion.day + DAY


@pytest.mark.parametrize(
    ("cells", "band", "is_deviation"),
    [
        pytest.param("0.199", "OUT_LOW", True, id="0.199-is-out"),
        pytest.param("0.2", "TOLERANCE_LOW", False, id="0.2-is-in"),
        pytest.param("0.6", "TOLERANCE_HIGH", False, id="0.6-is-in"),
        pytest.param("0.601", "OUT_HIGH", True, id="0.601-is-out"),
    ],
)
def test_a_dose_out_of_range_is_recorded_flagged_and_told(
    participant: Participant, site: Site, ivan: User, moment: dt.datetime, cells: str, band: str, is_deviation: bool
) -> None:
    lead = factories_pi(site)
    infusion = factories.infusion_of(participant, at=moment, cells=cells)
    if is_deviation:
        with pytest.raises(Refused, match=f"{cells} × 10⁸ is outside"):
            actions.infuse(infusion=infusion, by=ivan, now=moment)
        infusion.pk = None
    actions.infuse(infusion=infusion, deviation_reason="the only bag", by=ivan, now=moment)
    assert infusion.dose_band == band
    assert ProtocolDeviation.objects.filter(kind="dose", reason="the only bag").exists() is is_deviation
    mails = Notification.objects.filter(recipient=lead)
    assert [participant.number in mail.subject for mail in mails] == [True] * is_deviation
    assert not [mail for mail in mails if participant.name in mail.body_text + mail.body_html + mail.subject]


def factories_pi(site: Site) -> User:
    from tests.conftest import person
    from trialsite.roles import Role

    return person("lead", Role.PRINCIPAL_INVESTIGATOR, site)


def test_the_dose_is_computed_and_never_rounded(participant: Participant, ivan: User, moment: dt.datetime) -> None:
    """Just above the range, by less than any screen shows."""
    product = factories.thawed(participant, at=moment)
    product.volume_ml, product.cells_per_ml = Decimal("10.001"), Decimal("5999400.1")
    product.viability = product.car_positive = Decimal(1)
    product.save()
    factories.make_ready(participant, product, at=moment)
    infusion = factories.infusion_of(participant, at=moment, product=product)
    actions.infuse(infusion=infusion, deviation_reason="x", by=ivan, now=moment)
    infusion.refresh_from_db()
    assert infusion.viable_car_t_cells_e8 == Decimal("10.001") * Decimal("5999400.1") / 100_000_000
    assert infusion.dose_band == "OUT_HIGH"


def test_the_wrong_bag_is_refused_at_every_door(
    participant: Participant, site: Site, ivan: User, moment: dt.datetime, login: Any
) -> None:
    other = factories.enrolled(site=site, by=ivan, now=moment - 20 * DAY)
    wrong = factories.ready(other, at=moment)
    factories.make_ready(participant, wrong, at=moment)
    client = login(ivan)
    identity = reverse("admin:dosing_identity", args=[participant.pk])
    person = {"username": ivan.username, "password": PASSWORD}
    for codes in (
        {"participant_code": participant.number, "product_code": wrong.lot},
        {"participant_code": other.number, "product_code": wrong.lot},
        {"participant_code": participant.number, "product_code": "COI-UNKNOWN"},
    ):
        assert "STOP" in client.post(identity, {**codes, **person}).content.decode()
    kept = list(IdentityStop.objects.order_by("id").values_list("wrong", "wristband_of", "bag", "place"))
    assert kept == [
        ("bag", participant.pk, wrong.pk, "identity"),
        ("both", other.pk, wrong.pk, "identity"),
        ("bag", participant.pk, None, "identity"),
    ]
    text = client.post(
        reverse("admin:dosing_infusion_add"), typed(participant, wrong, moment, deviation_reason="please")
    ).content.decode()
    assert "STOP: lot" in text
    assert not Infusion.objects.exists()
    assert (
        IdentityStop.objects.filter(place="infusion", bag=wrong, participant=participant, created_by=ivan).count() == 1
    )
    with pytest.raises(actions.Stopped):
        actions.infuse(
            infusion=factories.infusion_of(participant, at=moment, product=wrong), by=ivan, now=timezone.now()
        )
    assert IdentityStop.objects.filter(place="infusion").count() == 2
    assert not IdentityCheck.objects.filter(participant=participant, product__participant=participant).exists()


def test_identity_needs_two_people_with_their_own_passwords(
    participant: Participant, ivan: User, alice: User, mona: User, moment: dt.datetime, login: Any
) -> None:
    product = factories.thawed(participant, at=moment - HOUR)
    client, page = login(ivan), reverse("admin:dosing_identity", args=[participant.pk])
    codes = {"participant_code": participant.number, "product_code": product.lot}
    wrong = client.post(page, {**codes, "username": ivan.username, "password": "not-it"}).content.decode()
    assert "nothing was signed" in wrong
    may_not = client.post(page, {**codes, "username": mona.username, "password": PASSWORD}).content.decode()
    assert "may not sign here; nothing was signed" in may_not
    sign = {**codes, "username": ivan.username, "password": PASSWORD}
    assert client.post(page, sign).status_code == 302
    assert "another person" in client.post(page, sign).content.decode()
    assert product.identity_checks.count() == 1
    factories.lymphodepleted(participant, until=moment)
    factories.checked(participant, before="infusion", at=moment)
    with pytest.raises(Refused, match="1 of 2 people"):
        actions.infuse(infusion=factories.infusion_of(participant, at=moment, product=product), by=ivan, now=moment)
    sign["username"] = alice.username
    assert client.post(page, sign).status_code == 302
    early = factories.infusion_of(participant, at=moment - HOUR, product=product)
    with pytest.raises(Refused, match=r"first signature after it .* Is the time of the start right"):
        actions.infuse(infusion=early, by=ivan, now=moment)
    late = actions.checkers(participant, product, at=moment + 5 * HOUR)
    assert late == set(), "a check of the morning is not one of the evening"


def test_a_failed_manufacture_ends_the_plan_and_blocks(
    participant: Participant, ivan: User, moment: dt.datetime
) -> None:
    product = CellProduct(participant=participant, chain_of_identity="COI-9")
    actions.order_product(product=product, at=moment - 10 * DAY, by=ivan, now=moment)
    for state in (State.COLLECTED, State.IN_MANUFACTURE):
        actions.move_product(product=product, new=state, at=moment - 9 * DAY, by=ivan, now=moment)
    actions.move_product(product=product, new=State.FAILED, at=moment, reason="no expansion", by=ivan, now=moment)
    participant.refresh_from_db()
    assert participant.planned_infusion_on is None
    found = actions.readiness_of(participant, at=moment, now=moment)
    assert {j.line.code: j.line.why for j in found.lines}[Code.PRODUCT] == "product-missing"
    assert found.overall is Outcome.BLOCKS
    # A new bag is a new order; the participant may also leave the study before any cells.
    actions.order_product(product=CellProduct(participant=participant, chain_of_identity="COI-10"), by=ivan, now=moment)
    assert actions.product_to_give(participant).chain_of_identity == "COI-10"  # type: ignore[union-attr]


def test_somebody_who_dies_before_day_0_is_not_infused(
    participant: Participant, ivan: User, moment: dt.datetime, login: Any
) -> None:
    doses, _warnings = actions.plan_lymphodepletion(
        participant=participant, first_on=timezone.localtime(moment).date() - 7 * DAY, by=ivan, now=moment
    )
    product = factories.thawed(participant, at=moment - HOUR)
    change_status(
        participant=participant,
        new=Status.DIED,
        on=timezone.localtime(moment).date(),
        reason="sepsis",
        by=ivan,
        now=moment,
    )
    participant.refresh_from_db()
    assert participant.planned_infusion_on is None, "nothing is planned for the dead"
    assert "Lymphodepletion doses due" not in login(ivan).get("/admin/").content.decode()
    with pytest.raises(Refused, match="cannot become"):
        actions.infuse(infusion=factories.infusion_of(participant, at=moment, product=product), by=ivan, now=moment)
    actions.move_product(product=product, new=State.DISCARDED, at=moment, reason="died", by=ivan, now=moment)
    assert not participant.visits.exists()
    assert LymphodepletionDose.objects.filter(pk__in=[d.pk for d in doses], state="planned").count() == 6


def test_what_stands_against_is_recorded_with_its_reason(
    participant: Participant, ivan: User, moment: dt.datetime
) -> None:
    product = factories.thawed(participant, at=moment - HOUR)
    infusion = factories.infusion_of(participant, at=moment, product=product)
    with pytest.raises(Refused, match=r"Lymphodepletion: .* Identity check by two people: 0 of 2"):
        actions.infuse(infusion=infusion, by=ivan, now=moment)
    actions.infuse(infusion=infusion, deviation_reason="power cut, on paper", by=ivan, now=moment)
    deviation = ProtocolDeviation.objects.get(kind="readiness")
    assert deviation.reason == "power cut, on paper"
    assert "0 of 2 people" in deviation.description


def test_a_hold_stops_and_is_lifted_with_a_reason(
    participant: Participant, ivan: User, alice: User, moment: dt.datetime, login: Any
) -> None:
    hold = actions.place_hold(hold=DosingHold(participant=participant, reason="DLT review"), by=alice, now=moment)
    product = factories.ready(participant, at=moment)
    infusion = factories.infusion_of(participant, at=moment, product=product)
    with pytest.raises(Refused, match="Held: DLT review"):
        actions.infuse(infusion=infusion, by=ivan, now=moment)
    page = reverse("admin:dosing_dosinghold_lift", args=[hold.pk])
    assert login(alice).post(page, {"reason": "fine"}).status_code == 403, "an investigator lifts it"
    client = login(ivan)
    assert "Treatment on hold" in client.get("/admin/").content.decode()
    assert client.post(page, {"reason": ""}).status_code == 200
    assert client.post(page, {"reason": "reviewed"}).status_code == 302
    with pytest.raises(Refused, match="already"):
        actions.lift_hold(hold=hold, reason="again", by=ivan, now=moment)
    assert actions.readiness_of(participant, at=timezone.now(), now=timezone.now()).overall is Outcome.FINE


def test_a_judgement_holds_for_exactly_what_was_judged(
    participant: Participant, ivan: User, alice: User, moment: dt.datetime, login: Any
) -> None:
    product = factories.thawed(participant, at=moment)
    factories.make_ready(participant, product, at=moment)
    factories.checked(participant, before="infusion", at=moment, spo2_percent=90)
    page = reverse("admin:dosing_judge", args=[participant.pk, "fitness"])
    assert login(alice).get(page).status_code == 403
    client = login(ivan)
    assert "oxygen saturation below the limit" in client.get(page).content.decode()
    assert client.post(page, {"reason": "chronic, known"}).status_code == 302
    now = timezone.now()
    assert actions.readiness_of(participant, at=now, now=now).overall is Outcome.FINE
    assert "chronic, known" in client.get(reverse("admin:dosing_readiness", args=[participant.pk])).content.decode()
    factories.checked(participant, before="infusion", at=now, spo2_percent=90, ecog=3)
    assert actions.readiness_of(participant, at=now, now=now).overall is Outcome.JUDGE
    factories.checked(participant, before="infusion", at=now + dt.timedelta(seconds=1))
    with pytest.raises(Refused, match="not open to judgement"):
        actions.judge_readiness(
            participant=participant, code=Code.FITNESS, reason="x", by=ivan, now=now + dt.timedelta(seconds=2)
        )
    assert ReadinessRuling.objects.count() == 1


def test_a_split_dose_counts_as_one_and_keeps_day_0(participant: Participant, ivan: User, moment: dt.datetime) -> None:
    product = factories.ready(participant, at=moment - DAY)
    first = factories.infusion_of(participant, at=moment - DAY, product=product)
    first.volume_given_ml, first.remainder = Decimal(3), "stored"
    actions.infuse(infusion=first, deviation_reason="split on purpose", by=ivan, now=moment)
    assert first.dose_band == "OUT_LOW"
    factories.checked(participant, before="infusion", at=moment)
    for person in factories.people(participant.site, 2):
        factories.signed_by(person, participant, product, at=moment)
    part = factories.infusion_of(participant, at=moment, product=product)
    part.occasion, part.volume_given_ml = "split", Decimal(7)
    with pytest.raises(IntegrityError), transaction.atomic():
        actions.infuse(infusion=part, deviation_reason="x", by=ivan, now=moment)
    part.pk, part.occasion_reason = None, "fever after the first part"
    result = actions.infuse(infusion=part, deviation_reason="", by=ivan, now=moment)
    first.refresh_from_db()
    assert (part.dose_band, first.dose_band) == ("NOMINAL", "NOMINAL")
    assert result.day0 == first.day
    assert actions.day0_of(participant) == first.day
    assert result.new_visits == []


def test_a_second_infusion_follows_the_study_file(
    site: Site, alice: User, ivan: User, moment: dt.datetime, login: Any
) -> None:
    participant = factories.infused(site=site, by=alice, now=moment, infused_at=moment - 40 * DAY)
    day0 = participant.infusions.get().day
    product = factories.thawed(participant, at=moment)
    form = typed(participant, product, moment, deviation_reason="relapse", occasion="second")
    client = login(ivan)
    assert "Say why the dose was split" in client.post(reverse("admin:dosing_infusion_add"), form).content.decode()
    again = {**form, "occasion_reason": "relapse at M1"}
    assert client.post(reverse("admin:dosing_infusion_add"), again).status_code == 302
    assert actions.day0_of(participant) == day0, "the study file says: the first infusion"
    assert participant.infusions.count() == 2
    nobody = factories.enrolled(site=site, by=alice, now=moment - DAY)
    lone = factories.infusion_of(nobody, at=moment)
    lone.occasion, lone.occasion_reason = "second", "?"
    with pytest.raises(Refused, match="without a first infusion"):
        actions.infuse(infusion=lone, by=ivan, now=moment)
