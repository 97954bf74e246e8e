"""May we infuse? What eligibility asks is asked again, the bag is judged in time, and a stopped check is a record."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dosing import actions
from dosing.models import CellProduct, DosingHold, IdentityCheck, IdentityStop
from dosing.rules.product import State
from dosing.rules.readiness import Code, Outcome
from dosing.wording import sentence
from participants import actions as people
from participants.models import Examination, Measurement, Participant, ProtocolDeviation
from participants.rules.eligibility import NOT_MET
from participants.rules.status import Status
from tests import factories
from tests.conftest import PASSWORD, person
from tests.forms import forms_of
from trialsite.models import Notification, Site, User
from trialsite.refusal import Refused
from trialsite.roles import CLINICAL_ROLES, Role

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


@pytest.fixture
def moment() -> dt.datetime:
    """Pages ask the clock: these journeys happen now."""
    return timezone.now()


@pytest.fixture
def participant(site: Site, ivan: User, moment: dt.datetime) -> Participant:
    """Enrolled twenty days ago, and ready for the infusion of today in every other way."""
    planned = planned_for_today(site, ivan, moment)
    factories.ready(planned, at=moment - HOUR)
    return planned


@pytest.fixture
def unsigned(site: Site, ivan: User, moment: dt.datetime) -> Participant:
    """The bag is at the bedside, and nobody has compared it yet."""
    planned = planned_for_today(site, ivan, moment)
    factories.thawed(planned, at=moment - HOUR)
    return planned


def planned_for_today(site: Site, by: User, moment: dt.datetime) -> Participant:
    enrolled = factories.enrolled(site=site, by=by, now=moment - 20 * DAY)
    on = timezone.localtime(moment).date()
    return people.plan_infusion(participant=enrolled, on=on, by=by, now=moment - 15 * DAY)


@pytest.fixture
def paula(site: Site) -> User:
    return person("paula", Role.PRINCIPAL_INVESTIGATOR, site)


def answer(participant: Participant) -> actions.Judged:
    now = timezone.now()
    found = actions.readiness_of(participant, at=now, now=now)
    line = next(judged for judged in found.lines if judged.line.code is Code.ELIGIBILITY)
    assert {one.outcome for one in found.lines if one is not line} == {Outcome.FINE}
    return line


def corrected(participant: Participant, code: str, **value: Any) -> None:
    Measurement.objects.filter(participant=participant, code=code).update(**value)


def found(participant: Participant, code: str, at: dt.datetime, *, panel: str, **value: Any) -> None:
    """A new result, taken at this moment."""
    examination = Examination(participant=participant, panel=panel, taken_at=at)
    answers = [Measurement(participant=participant, code=code, **value)]
    people.record_examination(
        examination=examination, answers=answers, accepted=[code], by=participant.created_by, now=timezone.now()
    )


def platelets(participant: Participant, value: int, at: dt.datetime) -> None:
    found(participant, "PLAT", at, panel="CBC", value=Decimal(value), unit="10^9/L")


# --- eligibility is asked again ----------------------------------------------------------------------


def test_with_nothing_changed_all_is_met_and_signed(participant: Participant) -> None:
    assert (answer(participant).outcome, answer(participant).line.why) == (Outcome.FINE, "criteria-met")
    assert people.tell_of_broken_eligibility(now=timezone.now()) == {"broken": 0, "queued": 0}


@pytest.mark.parametrize(
    ("code", "value", "item"),
    [
        pytest.param("HIVAB", {"choice": "positive"}, "EXCL04d", id="hiv-antibody-positive"),
        pytest.param("PLAT", {"value": 40, "standard_value": 40}, "INCL08c", id="platelets-of-40"),
    ],
)
def test_a_corrected_fact_of_the_screening_blocks_and_is_told(
    participant: Participant, ivan: User, paula: User, login: Any, code: str, value: dict[str, Any], item: str
) -> None:
    corrected(participant, code, **value)
    assert (answer(participant).outcome, answer(participant).line.why) == (Outcome.BLOCKS, "criteria-broken")
    client = login(ivan)
    assert item in client.get(reverse("admin:dosing_readiness", args=[participant.pk])).content.decode()
    first_page = client.get("/admin/").content.decode()
    assert "Confirmed eligibility that no longer holds" in first_page
    assert item in first_page

    now = timezone.now()
    assert people.tell_of_broken_eligibility(now=now) == {"broken": 1, "queued": 2}
    assert people.tell_of_broken_eligibility(now=now + HOUR) == {"broken": 1, "queued": 0}
    mails = Notification.objects.filter(about=f"eligibility:{participant.pk}")
    assert {mail.recipient for mail in mails} == {ivan, paula}
    for mail in mails:
        assert participant.number in mail.subject
        assert item in mail.body_text
        assert not [secret for secret in ("王小明", "13800000000", "1990") if secret in mail.body_text + mail.body_html]


def test_what_was_given_all_the_same_is_a_deviation(participant: Participant, ivan: User, moment: dt.datetime) -> None:
    corrected(participant, "HIVAB", choice="positive")
    bag = participant.products.get()
    infusion = factories.infusion_of(participant, at=moment - HOUR, product=bag)
    with pytest.raises(Refused, match="EXCL04d"):
        actions.infuse(infusion=infusion, by=ivan, now=moment)
    actions.infuse(infusion=infusion, deviation_reason="no other choice", by=ivan, now=moment)
    assert "EXCL04d" in ProtocolDeviation.objects.get(kind="eligibility").description


def test_facts_that_differ_from_those_signed_wait_for_a_judgement(participant: Participant, ivan: User) -> None:
    """Still met, and not what the investigator signed: confirmed again, it is fine without a judgement."""
    corrected(participant, "HGB", value=101, standard_value=101)
    assert (answer(participant).outcome, answer(participant).line.why) == (Outcome.JUDGE, "signature-outdated")
    people.confirm_eligibility(participant=participant, by=ivan, now=timezone.now())
    assert answer(participant).outcome is Outcome.FINE


def test_a_confirmation_that_was_voided_blocks(participant: Participant, ivan: User, moment: dt.datetime) -> None:
    signed = participant.confirmations.get()
    signed.voided_at, signed.voided_by, signed.void_reason = moment, ivan, "another participant's"
    signed.save()
    assert (answer(participant).outcome, answer(participant).line.why) == (Outcome.BLOCKS, "signature-missing")


def test_a_missing_result_of_the_screening_is_open_again(participant: Participant, ivan: User) -> None:
    row = Measurement.objects.get(participant=participant, code="HIVAB")
    row.voided_at, row.voided_by, row.void_reason = timezone.now(), ivan, "another tube"
    row.save()
    line = answer(participant)
    assert (line.outcome, line.line.why) == (Outcome.JUDGE, "criteria-open")
    assert people.tell_of_broken_eligibility(now=timezone.now())["broken"] == 1


def test_a_result_since_the_enrolment_is_judged_and_the_judgement_holds_for_it(
    participant: Participant, ivan: User, login: Any, moment: dt.datetime
) -> None:
    platelets(participant, 74, moment - 10 * DAY)
    line = answer(participant)
    assert (line.outcome, line.line.why, line.line.values["later"]) == (Outcome.JUDGE, "criteria-later", "INCL08c")
    page = (
        login(ivan).get(reverse("admin:participants_participant_eligibility", args=[participant.pk])).content.decode()
    )
    assert "Found since the enrolment" in page
    assert not [d for d in people.evaluate(participant, now=timezone.now()).decisions if d.result in NOT_MET]
    assert people.tell_of_broken_eligibility(now=timezone.now())["broken"] == 1

    actions.judge_readiness(
        participant=participant, code=Code.ELIGIBILITY, reason="cells are there", by=ivan, now=timezone.now()
    )
    assert answer(participant).outcome is Outcome.FINE
    assert "no longer holds" not in login(ivan).get("/admin/").content.decode()
    platelets(participant, 20, moment - 9 * DAY)
    assert answer(participant).outcome is Outcome.JUDGE, "other facts are judged anew"
    platelets(participant, 75, moment - 8 * DAY)
    assert answer(participant).outcome is Outcome.FINE, "the newest result counts"


def test_blood_counts_that_lymphodepletion_lowers_are_told_and_do_not_count(
    participant: Participant, ivan: User, moment: dt.datetime
) -> None:
    people.change_status(
        participant=participant,
        new=Status.LYMPHODEPLETED,
        on=timezone.localtime(moment - 7 * DAY).date(),
        reason="first dose",
        by=ivan,
        now=moment,
    )
    assert answer(participant).line.more == ()
    platelets(participant, 40, moment - 5 * DAY)
    assert answer(participant).outcome is Outcome.FINE
    assert "do not meet INCL08" in sentence(answer(participant).line)
    found(participant, "HIVAB", moment - 5 * DAY, panel="VIRUS", choice="positive")
    assert answer(participant).line.values["later"] == "EXCL04d", "what it does not lower is"


def test_what_is_found_after_the_cells_was_not_known_before_them(
    participant: Participant, ivan: User, moment: dt.datetime
) -> None:
    bag = participant.products.get()
    given = factories.infusion_of(participant, at=moment - HOUR, product=bag)
    actions.infuse(infusion=given, by=ivan, now=moment)
    participant.refresh_from_db()
    platelets(participant, 5, moment - HOUR / 2)
    factories.checked(participant, before="infusion", at=moment - HOUR)
    actions.correct_infusion(infusion=participant.infusions.get(), by=ivan, now=timezone.now())
    assert not ProtocolDeviation.objects.exists()
    assert people.tell_of_broken_eligibility(now=timezone.now())["broken"] == 0
    corrected(participant, "HIVAB", choice="positive")
    assert people.tell_of_broken_eligibility(now=timezone.now())["broken"] == 1, "it was true at the screening"


# --- the bag -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        pytest.param("0.9", "5.6 mL of it give the planned 0.5", id="too-much"),
        pytest.param("0.15", "no volume of it reaches", id="too-little"),
    ],
)
def test_a_bag_out_of_range_is_seen_before_it_is_thawed(
    site: Site, ivan: User, alice: User, moment: dt.datetime, login: Any, cells: str, words: str
) -> None:
    enrolled = factories.enrolled(site=site, by=ivan, now=moment - 20 * DAY)
    day = timezone.localtime(moment).date()
    people.plan_infusion(participant=enrolled, on=day + 8 * DAY, by=ivan, now=moment)
    bag = factories.thawed(enrolled, at=moment - HOUR, cells=cells)
    CellProduct.objects.filter(pk=bag.pk).update(state=State.IN_MANUFACTURE)
    client = login(alice)
    plan = {"number": enrolled.number, "first_on": f"{day + DAY:%Y-%m-%d}", "_show": "1"}
    pages = {
        "product": client.get(reverse("admin:dosing_cellproduct_change", args=[bag.pk])),
        "release": client.get(reverse("admin:dosing_cellproduct_step", args=[bag.pk])),
        "readiness": client.get(reverse("admin:dosing_readiness", args=[enrolled.pk])),
        "plan": client.post(reverse("admin:dosing_lymphodepletiondose_plan"), plan),
    }
    assert [name for name, page in pages.items() if words not in page.content.decode()] == []


def test_a_part_of_a_bag_that_holds_too_much_is_no_deviation(site: Site, ivan: User, moment: dt.datetime) -> None:
    enrolled = factories.enrolled(site=site, by=ivan, now=moment - 20 * DAY)
    bag = factories.ready(enrolled, at=moment, cells="0.9")
    infusion = factories.infusion_of(enrolled, at=moment, product=bag)
    infusion.volume_given_ml, infusion.remainder = Decimal("5.6"), "discarded"
    actions.infuse(infusion=infusion, by=ivan, now=moment)
    assert not ProtocolDeviation.objects.exists()


@pytest.mark.parametrize("cells", ["0", "10.1"])
def test_a_certificate_that_cannot_be_is_not_released(site: Site, ivan: User, moment: dt.datetime, cells: str) -> None:
    enrolled = factories.enrolled(site=site, by=ivan, now=moment - 20 * DAY)
    bag = factories.thawed(enrolled, at=moment - HOUR, cells=cells)
    CellProduct.objects.filter(pk=bag.pk).update(state=State.IN_MANUFACTURE)
    with pytest.raises(Refused, match="which cannot be"):
        actions.move_product(product=bag, new=State.RELEASED, at=moment, by=ivan, now=moment)


# --- a stopped check is a record ---------------------------------------------------------------------


def sign(client: Client, participant: Participant, who: User, wristband: str, bag: str) -> str:
    codes = {"participant_code": wristband, "product_code": bag, "username": who.username, "password": PASSWORD}
    page = reverse("admin:dosing_identity", args=[participant.pk])
    return client.post(page, codes, follow=True).content.decode()


def test_a_stopped_check_stays_when_everything_else_is_undone(
    unsigned: Participant, site: Site, ivan: User, alice: User, paula: User, login: Any, moment: dt.datetime
) -> None:
    other = factories.enrolled(site=site, by=ivan, now=moment - 20 * DAY, hospital_number="H4711", name="李雷")
    client, lot = login(alice), unsigned.products.get().lot
    text = sign(client, unsigned, ivan, "h 4711", lot)
    assert "STOP: the wristband is not that of" in text
    assert not IdentityCheck.objects.filter(created_by__in=[ivan, alice]).exists()
    kept = IdentityStop.objects.get()
    assert (kept.created_by, kept.entered_by, kept.wristband_of, kept.wrong) == (ivan, alice, other, "wristband")
    assert "Near misses" not in client.get("/admin/").content.decode(), "it is the principal investigator's"
    mail = Notification.objects.get(about=f"identity-stop:{kept.pk}")
    assert (mail.recipient, unsigned.number in mail.subject) == (paula, True)
    assert not [secret for secret in ("H4711", "李雷", "王小明") if secret in mail.body_text + mail.body_html]

    pi = login(paula)
    first_page = pi.get("/admin/").content.decode()
    assert "Near misses: stopped identity checks" in first_page
    assert other.number in first_page
    assert other.number in pi.get(reverse("admin:dosing_identitystop_changelist")).content.decode()
    review = reverse("admin:dosing_identitystop_review", args=[kept.pk])
    assert client.get(review).status_code == 403
    assert pi.post(review, {"review": "two beds in one room; bands read aloud from now on"}).status_code == 302
    assert "Near misses" not in pi.get("/admin/").content.decode()
    with pytest.raises(Refused, match="reviewed or void already"):
        actions.review_stop(stop=kept, review="again", by=paula, now=moment)
    with pytest.raises(DatabaseError), transaction.atomic():
        IdentityStop.objects.filter(pk=kept.pk).update(wrong="bag")


def test_a_check_that_is_stopped_on_the_page_of_the_visit_is_kept_too(
    unsigned: Participant, ivan: User, alice: User, login: Any
) -> None:
    """What a section refuses is taken back; a near miss is not."""
    page = reverse("admin:participants_participant_enter", args=[unsigned.pk, "D0"])
    client, lot = login(alice), unsigned.products.get().lot
    seen = forms_of(client.get(f"{page}?open=bedside_identity"))[0]
    typed = {"participant_code": "ZJ-999", "product_code": lot, "username": ivan.username, "password": PASSWORD}
    address = seen.attrs["action"].partition("#")[0]
    answer = client.post(address, {**seen.data, **typed})
    assert (answer.status_code, "STOP: the wristband is not that of" in answer.content.decode()) == (200, True)
    kept = IdentityStop.objects.get()
    assert (kept.created_by, kept.entered_by, kept.wristband_code, kept.wrong) == (ivan, alice, "ZJ-999", "wristband")
    assert not IdentityCheck.objects.filter(created_by__in=[ivan, alice]).exists()
    again = client.post(address, {**seen.data, **typed, "participant_code": unsigned.number})
    assert again.status_code == 302
    assert IdentityCheck.objects.get(created_by=ivan).entered_by == alice


@pytest.mark.parametrize(
    ("wristband", "kept"),
    [
        pytest.param("ZJ-999", "ZJ-999", id="a-number-of-the-study"),
        pytest.param("ｚｊ－Ｓ９９９", "ZJ-S999", id="full-width"),
        pytest.param("李雷", "", id="a-name"),
        pytest.param("13900000000", "", id="a-phone"),
        pytest.param("H-0815", "", id="a-hospital-number-of-nobody"),
        pytest.param("ZJ-99 李雷", "", id="a-number-and-a-name"),
    ],
)
def test_no_code_is_kept_that_may_name_somebody(
    unsigned: Participant, ivan: User, login: Any, wristband: str, kept: str
) -> None:
    assert "STOP" in sign(login(ivan), unsigned, ivan, wristband, wristband)
    row = IdentityStop.objects.get()
    assert (row.wristband_code, row.wristband_of, row.bag, row.wrong) == (kept, None, None, "both")
    everything = json.dumps([list(IdentityStop.objects.values_list()), list(row.events.values_list())], default=str)
    assert kept or wristband not in everything


# --- whose eyes count --------------------------------------------------------------------------------


def test_the_administrator_of_the_computer_is_no_pair_of_eyes(
    unsigned: Participant, site: Site, ivan: User, login: Any, moment: dt.datetime
) -> None:
    chosen = {"password_chosen_at": moment, "language": "en"}
    admin = User.objects.create_superuser("root", "root@example.org", PASSWORD, **chosen)
    admin.sites.add(site)
    client, lot = login(admin), unsigned.products.get().lot
    text = sign(client, unsigned, admin, unsigned.number, lot)
    assert "may not sign here" in text
    assert "Investigator" in text, "it says who may"
    assert not IdentityCheck.objects.filter(created_by=admin).exists()
    assert "has signed" in sign(client, unsigned, ivan, unsigned.number, lot), "others may, on this login"

    screened = factories.eligible(site=site, by=ivan, now=moment)
    hold = actions.place_hold(hold=DosingHold(participant=unsigned, reason="fever"), by=ivan, now=moment)
    refused = {
        "confirm": lambda: people.confirm_eligibility(participant=screened, by=admin, now=moment),
        "rule": lambda: people.rule_on(
            participant=screened, check="INCL08c:PLAT", is_met=True, reason="x", by=admin, now=moment
        ),
        "judge": lambda: actions.judge_readiness(
            participant=unsigned, code=Code.FITNESS, reason="x", by=admin, now=moment
        ),
        "lift": lambda: actions.lift_hold(hold=hold, reason="x", by=admin, now=moment),
    }
    for act in refused.values():
        with pytest.raises(Refused, match="may not sign here"):
            act()
    page = reverse("admin:participants_participant_confirm", args=[screened.pk])
    assert "may not sign here" in client.post(page, {"password": PASSWORD}).content.decode()
    shown = client.get(reverse("admin:participants_participant_eligibility", args=[screened.pk])).content.decode()
    assert "Confirm eligibility" not in shown, "no button that leads to a refusal"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SPONSOR_PROGRAM])
def test_only_clinical_roles_of_the_site_check_identity(
    unsigned: Participant, site: Site, ivan: User, login: Any, role: Role
) -> None:
    who, lot = person("who", role, site), unsigned.products.get().lot
    text = sign(login(ivan), unsigned, who, unsigned.number, lot)
    assert ("has signed" in text) == (role in CLINICAL_ROLES)
    assert ("may not sign here" in text) == (role not in CLINICAL_ROLES)


def test_a_colleague_of_another_site_is_no_pair_of_eyes(
    unsigned: Participant, ivan: User, charlie: User, login: Any
) -> None:
    lot = unsigned.products.get().lot
    assert "may not sign here" in sign(login(ivan), unsigned, charlie, unsigned.number, lot)
