"""The mistakes that people make at a site, over the pages that they use; and how each is put right there."""

import datetime as dt
import html
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dosing.models import Infusion, LymphodepletionDose, Medication
from dosing.rules.product import State
from participants import actions, tasks
from participants.models import (
    Consent,
    ConsentWithdrawal,
    Measurement,
    MeasurementImport,
    Participant,
    ProtocolDeviation,
)
from participants.rules.status import Status
from safety.actions.calls import unanswered
from safety.models import BedsideAssessment, ToxicityEpisode
from tests import factories
from tests.addforms import FILL, HOUR, add, when
from tests.conftest import PASSWORD, person
from tests.forms import form_of
from tests.journeys.test_infusion import typed as infusion_typed
from tests.participants.test_laboratory_files import back_of, csv_of, table
from tests.safety.test_bedside import typed as bedside_typed
from tests.test_typing import address_of
from tests.trialsite.test_listexport import of, rows_of
from trialsite import formfields, questions, wayback
from trialsite.models import ListExport, Notification, Site, User
from trialsite.roles import Role

DAY, MINUTE = dt.timedelta(days=1), dt.timedelta(minutes=1)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


@pytest.fixture
def now() -> dt.datetime:
    """Pages ask the clock: these journeys happen now."""
    return timezone.now()


@pytest.fixture
def paula(site: Site) -> User:
    return person("paula", Role.PRINCIPAL_INVESTIGATOR, site)


# --- what a person does in front of a page ----------------------------------------------------------


def send(client: Client, address: str, **typed: Any) -> Any:
    """Opens the page, fills it in over what stands there, signs where it asks for that, and presses the button.

    Where it is shown first which visits that changes, it is read, and sent again.
    """
    answer = client.post(address, {**form_of(client.get(address)), "password": PASSWORD, **typed})
    if b"This changes which visits are owed" not in answer.content:
        return answer
    return client.post(address, {**form_of(answer), "password": PASSWORD})


def words_of(response: Any) -> str:
    """What stands on a page that is shown, which is what a page does that has not saved."""
    assert response.status_code == 200, response.headers
    return html.unescape(response.content.decode())


def saved(response: Any) -> None:
    assert response.status_code == 302, _errors(response)


def _errors(response: Any) -> Any:
    form = (response.context or {}).get("adminform") or (response.context or {}).get("form")
    return getattr(form, "errors", None) or response.content.decode()


def answered(client: Client, address: str, question: Any, reason: str, **more: str) -> Any:
    """The page that asks, sent again with a reason."""
    assert questions.ANSWER in form_of(question), _errors(question)
    return client.post(address, {**form_of(question), questions.ANSWER: reason, **more})


def void(client: Client, row: Any, reason: str) -> str:
    """Reads what goes with it, agrees, and gives back the words that were read."""
    address = address_of(row, "void")
    shown = words_of(client.get(address))
    saved(send(client, address, reason=reason, is_confirmed="on"))
    row.refresh_from_db()
    assert (row.is_void, row.void_reason) == (True, reason)
    return shown


def status_of(participant: Participant) -> str:
    participant.refresh_from_db()
    return participant.status


def day(at: dt.datetime, form: str = "%Y-%m-%d") -> str:
    return f"{timezone.localtime(at):{form}}"


# --- typing -------------------------------------------------------------------------------------------


def test_screening_typed_badly_twice_and_by_two_people(
    site: Site, alice: User, ivan: User, dana: User, login: Any, now: dt.datetime
) -> None:
    coordinator, investigator, page = login(alice), login(ivan), add("participants.Participant")
    person = {
        "name": "李雷",
        "sex": "M",
        "hospital_number": "AB-0012",
        "screened_on": day(now - 3 * DAY, "%Y年%m月%d日"),
    }
    unread = send(coordinator, page, **person, birth_date="spring of 88")
    assert formfields.EXAMPLE_DATE in words_of(unread), "it says how a date is written"
    mended = {**form_of(unread), "birth_date": "1988年2月3日"}
    assert (mended["name"], mended["hospital_number"]) == ("李雷", "AB-0012"), "nothing else is typed again"
    saved(coordinator.post(page, mended))
    assert "Nothing was recorded twice" in words_of(coordinator.post(page, mended)), "pressed once more"
    participant = Participant.objects.get()
    assert participant.birth_date == dt.date(1988, 2, 3)

    again = send(coordinator, page, **person | {"hospital_number": "ａｂ－ ００１２", "birth_date": "1988/2/4"})
    assert all(words in words_of(again) for words in ("s this the same", address_of(participant)))
    assert Participant.objects.count() == 1, "asked, and not saved"
    saved(answered(coordinator, page, again, "a namesake"))
    twin = Participant.objects.exclude(pk=participant.pk).get()
    void(login(dana), twin, "the same person after all")
    listed = investigator.get(reverse("admin:participants_participant_changelist"))
    assert (participant.number in words_of(listed), twin.number in words_of(listed)) == (True, False)

    page = add("participants.Consent")
    consent = {"participant": participant.pk, "version": "1.0", "consented_at_1": "9时30分"}
    assert "before the birth" in words_of(send(coordinator, page, **consent, consented_at_0="1987/11/24"))
    right = {**form_of(coordinator.get(page)), **consent, "consented_at_0": day(now - 2 * DAY, "%Y/%m/%d")}
    saved(coordinator.post(page, right))
    assert "Nothing was recorded twice" in words_of(coordinator.post(page, right)), "the same page"
    assert "already" in words_of(send(coordinator, page, **consent, consented_at_0=right["consented_at_0"])), (
        "a new one"
    )
    assert Consent.objects.count() == 1

    page = address_of(participant)
    first, second = form_of(coordinator.get(page)), form_of(investigator.get(page))
    saved(coordinator.post(page, {**first, "phone": "13911112222"}))
    late = investigator.post(page, {**second, "phone": "13833334444", "name": "李蕾", "reason_for_change": "misheard"})
    assert all(word in words_of(late) for word in ("nothing was saved", "alice", "13911112222", "13833334444", "李蕾"))
    participant.refresh_from_db()
    assert (participant.name, participant.phone) == ("李雷", "13911112222")
    saved(investigator.post(page, {**form_of(late), "_merge-phone": "theirs"}))
    participant.refresh_from_db()
    assert (participant.name, participant.phone) == ("李蕾", "13911112222"), "what both wanted"

    ended = {"on": day(now), "reason_code": "not_eligible", "reason": "of the next person on the list"}
    saved(send(investigator, address_of(participant, "fail"), **ended))
    assert status_of(participant) == Status.SCREEN_FAILED
    failure = participant.statuses.get(status=Status.SCREEN_FAILED)
    assert "In screening" in void(investigator, failure, "another person")
    assert status_of(participant) == Status.SCREENING


# --- bringing in --------------------------------------------------------------------------------------


def test_a_file_of_the_wrong_week_is_taken_back_and_bad_rows_are_mended(
    site: Site, alice: User, dana: User, login: Any, now: dt.datetime
) -> None:
    participant = factories.consented(site=site, by=alice, now=now - 9 * DAY)
    coordinator, manager = login(alice), login(dana)
    heading, at = "筛选号,项目,结果,单位,采样时间", day(now - DAY, "%Y/%m/%d %H:%M")

    def bring(content: str) -> MeasurementImport:
        """Uploaded, checked, taken as far as it is good."""
        file = SimpleUploadedFile("lab.csv", content.encode())
        coordinator.post(page("add"), {"site": site.pk, "laboratory": "检验科", "file": file})
        tasks.run_imports()
        row = MeasurementImport.objects.latest("pk")
        coordinator.post(page("import", row.pk), {"is_partial": "on"})
        tasks.run_imports()
        row.refresh_from_db()
        return row

    def page(name: str, *of_row: Any) -> str:
        return reverse(f"admin:participants_measurementimport_{name}", args=of_row)

    lines = (f"{participant.number},谷丙转氨酶,35↑,U/L,{at}", f"{participant.number},Hb,溶血,g/L,{at}")
    wrong = bring(table(heading, *lines))
    assert [row.text for row in Measurement.objects.all()] == ["35 U/L"]
    (bad,) = back_of(coordinator, wrong)
    assert bad["What is wrong, and how to mend it"]

    assert "1 results" in words_of(manager.get(page("void", wrong.pk)))
    saved(send(manager, page("void", wrong.pk), reason="the week before", is_confirmed="on"))
    assert not Measurement.objects.standing().exists(), "all of it, in one act"
    bring(table(heading, lines[0].replace("35", "41")))
    mended = {name: value.replace("溶血", "118") for name, value in bad.items()}
    bring(csv_of([list(mended), list(mended.values())]))
    assert {row.text for row in Measurement.objects.standing()} == {"41 U/L", "118 g/L"}

    listed = rows_of(coordinator, of(Measurement), f"?participant__id__exact={participant.pk}")
    assert len(listed) == 2, "what is void leaves only for those who ask for it"
    export = ListExport.objects.get()
    assert (export.by, export.rows) == (alice, 2)


# --- before the cells ---------------------------------------------------------------------------------


def test_lymphodepletion_lowered_moved_overdosed_and_given_again(
    site: Site, ivan: User, paula: User, login: Any, now: dt.datetime
) -> None:
    participant = factories.enrolled(site=site, by=ivan, now=now - 20 * DAY, results={"CREAT": ("190", "104")})
    client, plan = login(ivan), reverse("admin:dosing_lymphodepletiondose_plan")
    infusion_plan = address_of(participant, "plan")
    saved(send(client, infusion_plan, on=day(now + 5 * DAY)))
    typed = {"number": participant.number, "first_on": day(now - 2 * DAY)}
    shown = form_of(client.post(plan, {**typed, "_show": "1"}))
    lowered = client.post(plan, {**shown, "level_flu": "18"})
    assert "Give the reason for the lower level" in words_of(lowered)
    saved(client.post(plan, {**form_of(lowered), "level_flu": "18", "level_reason": "clearance"}))

    back = wayback.page(participant)
    moved = send(client, f"{infusion_plan}?back={back}", on=day(now + 7 * DAY, "%Y.%m.%d"))
    shift = client.get(moved["Location"])
    assert day(now) in words_of(shift), "its first day is shown before it moves"
    assert client.post(moved["Location"], form_of(shift))["Location"] == wayback.address_of(back)
    assert client.get(moved["Location"])["Location"] == wayback.address_of(back), "nothing is left to move"
    doses = LymphodepletionDose.objects.standing()
    dose = doses.filter(drug="flu").earliest("number")
    assert (dose.mg_m2, f"{dose.planned_on}") == (18, day(now))

    factories.checked(participant, before="lymphodepletion", at=now - 2 * HOUR)
    overdose = f"{300 * dose.bsa_m2:.1f}"
    given = {"state": "given", "given_mg": overdose, "change_reason": "the pump", **when("given_at", now - HOUR)}
    asked = send(client, address_of(dose), **given)
    assert "300 mg/m² is outside the accepted 18 to 30 mg/m²" in words_of(asked)
    assert not ProtocolDeviation.objects.exists()
    guessed = answered(client, address_of(dose), asked, "the pump ran too fast", **{questions.AGAIN: "52"})
    assert "differs from the first" in words_of(guessed)
    saved(answered(client, address_of(dose), guessed, "the pump ran too fast", **{questions.AGAIN: overdose}))
    deviation = ProtocolDeviation.objects.get()
    assert (deviation.kind, deviation.reason) == ("dose", "the pump ran too fast")
    assert Notification.objects.get(about=f"lymphodepletion:{dose.pk}").recipient == paula

    other = doses.filter(drug="cy").earliest("number")
    cy = {"given_mg": f"{other.planned_mg}", **when("given_at", now - HOUR)}
    saved(send(client, address_of(other), **cy))
    assert "planned again" in void(client, other, "not given: another person's")
    assert doses.filter(drug="cy", state="planned").count() == 3

    again = {"number": participant.number, "first_on": day(now + 30 * DAY)}
    saved(send(client, infusion_plan, on=day(now + 37 * DAY)))
    assert "plan another course" in words_of(client.post(plan, again))
    saved(client.post(plan, {**again, "new_course_reason": "the bag was lost"}))
    assert {one.course_reason for one in doses.filter(course=2)} == {"the bag was lost"}


# --- the cells ----------------------------------------------------------------------------------------


def test_cells_logged_for_the_wrong_person(site: Site, alice: User, ivan: User, login: Any, now: dt.datetime) -> None:
    wrong, right = (factories.enrolled(site=site, by=ivan, now=now - 20 * DAY) for _which in range(2))
    bags = {one: factories.thawed(one, at=now - 2 * HOUR) for one in (wrong, right)}
    for one in (wrong, right):
        factories.lymphodepleted(one, until=now)
        factories.checked(one, before="infusion", at=now - HOUR)
    for nurse in factories.people(site, 2):
        factories.signed_by(nurse, wrong, bags[wrong], at=now - HOUR)
    client = login(ivan)

    product = FILL["dosing.CellProduct"](right, now, ivan)
    for lot, told in ((bags[right].lot, "recorded already"), (bags[right].lot.lower(), "Is this the same?")):
        assert told in words_of(send(client, product.address, **product.data | {"lot": lot}))
    assert right.products.get() == bags[right]

    identity = reverse("admin:dosing_identity", args=[right.pk])
    wide = right.number.translate({ord(one): ord(one) + 0xFEE0 for one in "ZJ-0123456789"})
    codes = {"product_code": bags[right].lot, "password": PASSWORD}
    other = send(client, identity, **codes, participant_code=wrong.number, username="ivan")
    assert "STOP" in words_of(other), "the wristband of the other one"
    for one in (ivan, alice):
        saved(send(client, identity, **codes, participant_code=f" {wide}", username=one.username))

    log = add("dosing.Infusion")
    assert "STOP" in words_of(send(client, log, **infusion_typed(wrong, bags[right], now)))
    saved(send(client, log, **infusion_typed(wrong, bags[wrong], now)))
    mistake = Infusion.objects.get()
    assert (status_of(wrong), wrong.visits.standing().count() > 20) == (Status.INFUSED, True)
    shown = void(client, mistake, "another person's record stood open")
    assert all(words in shown for words in ("from “Infused” to “Enrolled”", "planned visits", mistake.product_lot))
    bags[wrong].refresh_from_db()
    assert (status_of(wrong), bags[wrong].state) == (Status.ENROLLED, State.THAWED)
    assert not wrong.visits.standing().exists()

    saved(send(client, log, **infusion_typed(right, bags[right], timezone.now())))
    assert (status_of(right), right.visits.standing().count() > 20) == (Status.INFUSED, True)
    assert not ProtocolDeviation.objects.standing().exists()


def test_a_look_at_the_bed_of_another_time_goes_in_one_act(
    site: Site, alice: User, ivan: User, login: Any, now: dt.datetime
) -> None:
    participant = factories.infused(site=site, by=alice, now=now, infused_at=now - 3 * DAY)
    client, page = login(alice), add("safety.BedsideAssessment", f"?participant={participant.pk}")
    ill = {"temperature_c": "３９。５", "fever_attributable": "yes", "hypotension": "yes", "fluids_given": "yes"}
    ill |= {"hypotension_attributable": "yes", "vasopressors": "norepinephrine", "vasopressin": "no", "systolic": "80"}
    saved(send(client, page, **bedside_typed(participant, now - DAY, **ill)))
    mistake = BedsideAssessment.objects.get()
    assert (ToxicityEpisode.objects.get().highest_grade, unanswered().count()) == (3, 2)

    assert "can be voided by: Investigator" in words_of(client.get(address_of(mistake)))
    void(login(ivan), mistake, "seen an hour ago, not yesterday")
    assert all(grade.is_void for grade in mistake.grades.all())
    assert mistake.grades.count() == 2
    assert not ToxicityEpisode.objects.standing().exists()
    assert not unanswered().exists()
    saved(send(client, page, **bedside_typed(participant, now - HOUR, **ill)))
    assert [one.onset_at for one in ToxicityEpisode.objects.standing()] == [
        BedsideAssessment.objects.latest("pk").assessed_at
    ]


# --- dates and facts that contradict each other, and the end ------------------------------------------


def test_a_death_and_a_withdrawal_that_were_another_persons(
    site: Site, alice: User, ivan: User, login: Any, now: dt.datetime
) -> None:
    participant = factories.infused(site=site, by=alice, now=now, infused_at=now - 30 * DAY)
    coordinator, investigator = login(alice), login(ivan)

    page, right = address_of(participant.infusions.get()), now - 29 * DAY
    moved = {**when("infused_at", right), **when("ended_at", right), "reason_for_change": "a day later"}
    shown = send(coordinator, page, **moved, deviation_reason="signed on paper")
    assert "Day 0 would move from" in words_of(shown)
    saved(coordinator.post(page, {**form_of(shown), "is_day0_confirmed": "on"}))
    assert f"{participant.statuses.standing().get(status='infused').effective_on}" == day(right), "it follows its fact"

    dose = FILL["dosing.Medication"](participant, now, alice)
    refused = send(coordinator, dose.address, **{**dose.data, "dose_unit": "g"})
    assert "below 100 g" in words_of(refused)
    saved(coordinator.post(dose.address, {**form_of(refused), "dose_unit": "mg"}))
    assert Medication.objects.get().dose == 500

    died = {"new": "died", "on": day(now - 2 * DAY), "reason": "sepsis"}
    saved(send(coordinator, address_of(participant, "status"), **died))
    visit = participant.visits.get(code="D28")
    seen = {"state": "done", "occurred_on": day(now - DAY)}
    asked = send(coordinator, address_of(visit), **seen, reason_for_change="came yesterday")
    assert "after the death" in words_of(asked), "so that somebody sees the mistake"
    assert "to “Infused”" in void(investigator, participant.statuses.get(status=Status.DIED), "another person")
    assert status_of(participant) == Status.INFUSED
    saved(send(coordinator, address_of(visit), **seen))
    assert status_of(participant) == Status.IN_FOLLOW_UP

    page = add("participants.ConsentWithdrawal", f"?participant={participant.pk}")

    def withdraws(scope: str, at: dt.datetime) -> ConsentWithdrawal:
        kept = {"may_keep_samples": "true", "may_contact": "true"}
        saved(send(coordinator, page, participant=participant.pk, scope=scope, **kept, **when("withdrawn_at", at)))
        return ConsentWithdrawal.objects.latest("pk")

    mistake = withdraws("everything", now - 2 * HOUR)
    assert status_of(participant) == Status.WITHDRAWN
    assert "to “In follow-up”" in void(investigator, mistake, "another person")
    assert status_of(participant) == Status.IN_FOLLOW_UP
    assert actions.has_consent(participant, at=now)
    withdraws("treatment", now - HOUR)
    assert "recorded already" in words_of(
        send(coordinator, page, participant=participant.pk, scope="treatment", **when("withdrawn_at", now - MINUTE))
    )
    withdraws("everything", now - MINUTE)
    assert status_of(participant) == Status.WITHDRAWN
    late = FILL["dosing.FitnessCheck"](participant, timezone.now(), alice).on(timezone.now())
    assert "Ask the data manager" in words_of(send(coordinator, late.address, **late.data))


def test_a_deviation_is_added_weighed_reported_and_closed(
    site: Site, alice: User, dana: User, login: Any, now: dt.datetime
) -> None:
    participant = factories.infused(site=site, by=alice, now=now, infused_at=now - 9 * DAY)
    coordinator, manager = login(alice), login(dana)
    early = FILL["safety.BedsideAssessment"](participant, now, alice).on(now - 40 * DAY)
    asked = send(coordinator, early.address, **early.data)
    assert "before the consent" in words_of(asked)
    saved(answered(coordinator, early.address, asked, "routine of the ward"))
    assert ProtocolDeviation.objects.get().reason == "routine of the ward"
    assert "1 protocol deviation about it" in void(manager, BedsideAssessment.objects.get(), "the month before")
    assert not ProtocolDeviation.objects.standing().exists(), "it goes with what it is about"

    found = FILL["participants.ProtocolDeviation"](participant, now, alice)
    saved(send(coordinator, found.address, **found.data))
    row = ProtocolDeviation.objects.standing().get()
    assert coordinator.get(address_of(row, "classify")).status_code == 403
    assert "once it is classified" in words_of(send(manager, address_of(row, "close"), note="a new tube"))
    saved(send(manager, address_of(row, "classify"), severity="important", reason="the endpoint"))
    for to in ("sponsor", "ethics"):
        saved(send(manager, address_of(row, "reported"), to=to, reason="by e-mail", **when("at", now)))
    saved(send(manager, address_of(row, "close"), note="a new tube"))
    assert not ProtocolDeviation.objects.open().exists()
    assert not ProtocolDeviation.objects.unreported().exists()

    consent = participant.consents.get()
    unsure = send(manager, address_of(consent, "void"), reason="another person's form")
    assert "only consent" in words_of(unsure), "infused on it: asked"
    void(manager, consent, "another person's form")
    assert ProtocolDeviation.objects.open().get().kind == "voided"
