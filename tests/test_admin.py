"""The admin through the client: each role sees its own, nobody deletes, changes need reasons."""

import datetime as dt
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dosing.models import Infusion
from participants.actions import remind_of_visits
from participants.models import Participant, ProtocolDeviation, Visit, VisitState
from tests import factories
from tests.conftest import PASSWORD, person
from trialsite.models import Notification, NotificationState, Record, Site, User
from trialsite.recordadmin import RecordAdmin
from trialsite.roles import ROLE_PERMISSIONS, Role

DAY = dt.timedelta(days=1)
ADMINS = [page for page in admin.site._registry.values() if page.model._meta.app_label not in {"knox", "pghistory"}]
OURS = [
    page
    for page in ADMINS
    if page.model.__module__.split(".")[0] in {"trialsite", "participants", "dosing", "safety", "sponsor"}
]
SECRETS = ("王小明", "13800000000", "1990")


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now()


@pytest.fixture
def participant(site: Site, alice: User, now: dt.datetime) -> Participant:
    return factories.infused(site=site, by=alice, now=now, infused_at=now - 40 * DAY)


def page_of(row: Any, page: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=[row.pk])


def fields_of(response: Any) -> dict[str, str]:
    """What the form of a page would send back unchanged."""
    form = response.context["adminform"].form
    data: dict[str, str] = {}
    for bound in form:
        value = bound.value()
        if isinstance(value, dt.datetime):
            local = timezone.localtime(value)
            data[f"{bound.html_name}_0"], data[f"{bound.html_name}_1"] = (
                f"{local:%Y-%m-%d}",
                f"{local:%H:%M:%S}",
            )
        elif value is not None and value is not False:
            data[bound.html_name] = str(value)
    for inline in response.context["inline_admin_formsets"]:
        for bound in inline.formset.management_form:
            data[bound.html_name] = str(bound.value())
    return data


# --- reach -------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("page", OURS, ids=lambda p: p.model._meta.label)
def test_nobody_can_delete(page: Any, rf: Any) -> None:
    request = rf.get("/")
    request.user = User(is_superuser=True, is_active=True)
    assert not page.has_delete_permission(request)


@pytest.mark.parametrize("page", admin.site._registry.values(), ids=lambda p: p.opts.label)
def test_what_is_read_on_a_page_is_words(page: Any) -> None:
    """A coloured label is a pair of colour and words, which a list draws, and a page would print as it stands."""
    shown = {*page.readonly_fields, *flatten_fieldsets(page.fieldsets or ())}
    assert [name for name in shown if getattr(getattr(page, name, None), "label", None)] == []


def test_no_role_holds_a_delete_permission() -> None:
    assert not [name for names in ROLE_PERMISSIONS.values() for name in names if ".delete_" in name]


def is_log(model: Any) -> bool:
    """A log lists the rows of another model: no record page, and no permission of its own."""
    return not model._meta.default_permissions


@pytest.mark.parametrize("page", OURS, ids=lambda p: p.model._meta.label)
def test_every_record_has_the_record_page(page: Any) -> None:
    assert isinstance(page, RecordAdmin) == (issubclass(page.model, Record) and not is_log(page.model))


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["participants_participant", "participants_visit", "dosing_infusion"])
def test_another_site_sees_nothing(name: str, participant: Participant, charlie: User, login: Any) -> None:
    client = login(charlie)
    assert participant.number not in client.get(reverse(f"admin:{name}_changelist")).content.decode()
    assert participant.number not in client.get("/admin/").content.decode()


@pytest.mark.django_db
def test_another_site_cannot_open_or_change_a_row_by_its_address(
    participant: Participant, charlie: User, login: Any
) -> None:
    client = login(charlie)
    for path in (page_of(participant), page_of(participant, "history"), page_of(participant, "status")):
        assert client.get(path).status_code in {302, 403, 404}
        assert participant.number not in client.get(path, follow=True).content.decode()


@pytest.mark.django_db
def test_another_site_finds_nobody_to_infuse(participant: Participant, charlie: User, login: Any) -> None:
    query = {"app_label": "dosing", "model_name": "infusion", "field_name": "participant", "term": "ZJ"}
    assert login(charlie).post(reverse("admin:autocomplete"), query).json()["results"] == []


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.MONITOR, Role.AUDITOR])
@pytest.mark.parametrize("page", ["change", "history"])
def test_identity_stays_with_the_site(
    role: Role, page: str, participant: Participant, site: Site, login: Any, alice: User
) -> None:
    reader = person("reader", role, site)
    text = login(reader).get(page_of(participant, page)).content.decode()
    assert not [secret for secret in SECRETS if secret in text]
    assert "王小明" in login(alice).get(page_of(participant)).content.decode()


def test_what_is_coloured_in_a_list_is_not_read_on_a_page() -> None:
    """A column with colours gives the colour's name and the words: a page would show both as they stand in the code."""
    shown = [
        (page.model._meta.label, name)
        for page in admin.site._registry.values()
        for name in page.readonly_fields
        if getattr(getattr(page, name, None), "label", None)
    ]
    assert shown == []


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.MONITOR, Role.AUDITOR])
def test_readers_change_nothing(role: Role, participant: Participant, site: Site, login: Any) -> None:
    client = login(person("reader", role, site))
    visit = participant.visits.first()
    assert client.post(page_of(visit), {"state": "not_done"}).status_code == 403
    assert client.post(page_of(participant, "void"), {"reason": "x"}).status_code == 403
    assert client.get(reverse("admin:dosing_infusion_add")).status_code == 403


# --- the first page ----------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_first_page_says_what_must_be_done(participant: Participant, alice: User, login: Any) -> None:
    text = login(alice).get("/admin/").content.decode()
    assert "What must be done today?" in text
    assert "Overdue visits" in text
    assert f'{participant.number} <bdi class="ts-called">{participant.name}</bdi> · D1' in text


@pytest.mark.django_db
def test_the_first_page_needs_a_bounded_number_of_queries(
    site: Site, alice: User, now: dt.datetime, login: Any, django_assert_max_num_queries: Any
) -> None:
    for _n in range(4):
        factories.infused(site=site, by=alice, now=now, infused_at=now - 40 * DAY)
    client = login(alice)
    with django_assert_max_num_queries(45):
        client.get("/admin/")


@pytest.mark.django_db
def test_the_history_button_is_shown_to_those_who_may_press_it(
    participant: Participant, mona: User, arthur: User, login: Any
) -> None:
    history = page_of(participant, "history")
    read = page_of(participant, "page")
    assert history not in login(mona).get(read).content.decode()
    assert history in login(arthur).get(read).content.decode()


# --- work --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_new_participant_gets_the_next_number(site: Site, alice: User, login: Any) -> None:
    data = {
        "name": "李雷",
        "sex": "M",
        "birth_date": "1988-02-03",
        "phone": "",
        "hospital_number": "",
        "site": site.pk,
        "screened_on": "2026-01-15",
    }
    response = login(alice).post(reverse("admin:participants_participant_add"), data)
    assert response.status_code == 302
    participant = Participant.objects.get()
    assert (participant.number, participant.status, participant.created_by) == ("ZJ-S001", "screening", alice)
    assert "李雷" not in response.headers["Location"]


@pytest.mark.django_db
def test_a_whole_name_finds_its_person_by_post_and_for_site_roles_only(
    participant: Participant, alice: User, charlie: User, mona: User, login: Any
) -> None:
    find = reverse("admin:participants_participant_find")
    for value in ("王小明", " 13800000000 "):
        found = login(alice).post(find, {"value": value})
        assert found.headers["Location"] == page_of(participant, "page")
    assert "exactly this" in login(alice).post(find, {"value": "王"}).content.decode()
    assert "exactly this" in login(charlie).post(find, {"value": "王小明"}).content.decode()
    assert login(mona).post(find, {"value": "王小明"}).status_code == 403


@pytest.mark.django_db
def test_a_name_in_an_address_finds_nobody(participant: Participant, alice: User, login: Any) -> None:
    path = reverse("admin:participants_participant_changelist") + "?q=王小明"
    assert participant.number not in login(alice).get(path).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["name=王小明", "phone__startswith=138", "participant__name=王小明"])
def test_an_address_does_not_tell_whether_a_guess_at_identity_is_right(
    participant: Participant, mona: User, login: Any, query: str
) -> None:
    model = "visit" if "participant__" in query else "participant"
    response = login(mona).get(reverse(f"admin:participants_{model}_changelist") + f"?{query}")
    assert response.status_code in {302, 400}


@pytest.mark.django_db
def test_an_investigator_enrols_and_a_coordinator_does_not(
    site: Site, alice: User, ivan: User, now: dt.datetime, login: Any
) -> None:
    participant = factories.eligible(site=site, by=alice, now=timezone.now())
    path, today = page_of(participant, "enrol"), {"on": f"{timezone.localdate():%Y-%m-%d}"}
    assert login(alice).post(path, today).status_code == 403
    client = login(ivan)
    assert "not confirmed yet" in client.post(path, today).content.decode()
    assert client.post(page_of(participant, "confirm"), {"password": PASSWORD}).status_code == 302
    assert client.post(path, today).status_code == 302
    participant.refresh_from_db()
    assert participant.participant_number == "ZJ-001"
    refused = client.post(path, today)
    assert refused.status_code == 200
    assert "cannot become" in refused.content.decode()


def infusion_form(participant: Participant, at: dt.datetime, *, cells: str = "0.5", **more: str) -> dict[str, str]:
    """As typed at the bedside, with everything ready for it."""
    local = timezone.localtime(at)
    return {
        "participant": str(participant.pk),
        "product_lot": factories.ready(participant, at=at, cells=cells).lot,
        "infused_at_0": f"{local:%Y-%m-%d}",
        "infused_at_1": f"{local:%H:%M:%S}",
        "ended_at_0": f"{local:%Y-%m-%d}",
        "ended_at_1": f"{local:%H:%M:%S}",
        "volume_given_ml": "10",
        "occasion": "first",
        "has_reaction": "False",
        "interruptions-TOTAL_FORMS": "0",
        "interruptions-INITIAL_FORMS": "0",
        **more,
    }


@pytest.mark.django_db
def test_an_infusion_is_logged_and_the_visits_appear(site: Site, alice: User, now: dt.datetime, login: Any) -> None:
    participant = factories.enrolled(site=site, by=alice, now=now - DAY)
    response = login(alice).post(
        reverse("admin:dosing_infusion_add"),
        infusion_form(participant, now - dt.timedelta(hours=1)),
        follow=True,
    )
    assert "follow-up visits were planned" in response.content.decode()
    assert participant.visits.count() > 20


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"cells": "0.61"}, "0.61", id="dose-out-of-range-without-reason"),
        pytest.param({"volume_given_ml": "0"}, "0.001", id="no-volume"),
        pytest.param({"volume_given_ml": "11"}, "more than was left", id="more-than-the-bag-held"),
        pytest.param({"volume_given_ml": "6"}, "what became of the remainder", id="remainder-without-its-fate"),
        pytest.param({"product_lot": "LOT-X"}, "is recorded. Check the bag", id="unknown-lot"),
        pytest.param({"ended_at_0": "2099-01-01"}, "is in the future", id="in-the-future"),
        pytest.param({"infused_at_0": "2024-01-01"}, "cannot begin earlier", id="before-consent-and-enrolment"),
    ],
)
def test_a_refused_infusion_says_why_and_keeps_what_was_typed(
    site: Site, alice: User, now: dt.datetime, login: Any, change: dict[str, str], words: str
) -> None:
    participant = factories.enrolled(site=site, by=alice, now=now - DAY)
    form = infusion_form(participant, now - dt.timedelta(hours=1), note="bag no. 3", **change)
    text = login(alice).post(reverse("admin:dosing_infusion_add"), form).content.decode()
    assert words in text
    assert "bag no. 3" in text
    assert not Infusion.objects.exists()


@pytest.mark.django_db
def test_a_volume_that_makes_too_much_is_typed_twice(site: Site, alice: User, now: dt.datetime, login: Any) -> None:
    participant = factories.enrolled(site=site, by=alice, now=now - DAY)
    client, add = login(alice), reverse("admin:dosing_infusion_add")
    form = infusion_form(participant, now - dt.timedelta(hours=1), cells="0.61", deviation_reason="the only bag")
    assert "type it again" in client.post(add, form).content.decode()
    assert "differs from the first, 10" in client.post(add, {**form, "volume_again": "1"}).content.decode()
    assert not Infusion.objects.exists()
    assert client.post(add, {**form, "volume_again": "10.0"}).status_code == 302
    change = page_of(Infusion.objects.get())
    data = {**fields_of(client.get(change)), "note": "calm", "reason_for_change": "seen later"}
    assert client.post(change, data).status_code == 302, "the same volume is asked for no more"


@pytest.mark.django_db
def test_a_race_lost_after_the_form_was_checked_still_shows_on_the_form(
    site: Site, alice: User, now: dt.datetime, login: Any, monkeypatch: Any
) -> None:
    """The form's own check passes, the action then refuses: as when somebody else was faster."""
    from dosing.admin.infusion import InfusionForm

    participant = factories.consented(site=site, by=alice, now=now - DAY)
    monkeypatch.setattr(InfusionForm, "check", lambda self, row: None)
    form = infusion_form(participant, now - dt.timedelta(hours=1), note="bag no. 3")
    text = login(alice).post(reverse("admin:dosing_infusion_add"), form).content.decode()
    assert "cannot become" in text
    assert "bag no. 3" in text
    assert Infusion.objects.count() == 0


@pytest.mark.django_db
def test_a_late_visit_asks_for_its_reason(participant: Participant, alice: User, login: Any) -> None:
    visit: Visit = participant.visits.get(code="D28")
    client = login(alice)
    data = fields_of(client.get(page_of(visit)))
    late = visit.window_closes_on + 2 * DAY
    data |= {"state": "done", "occurred_on": f"{late:%Y-%m-%d}", "reason_for_change": "done"}
    text = client.post(page_of(visit), data).content.decode()
    assert "2 days late" in text
    assert client.post(page_of(visit), {**data, "deviation_reason": "typhoon"}).status_code == 302
    visit.refresh_from_db()
    assert (visit.state, visit.occurred_on) == (VisitState.DONE, late)
    assert ProtocolDeviation.objects.get().reason == "typhoon"


@pytest.mark.django_db
def test_a_change_needs_a_reason_that_the_trail_shows(participant: Participant, alice: User, login: Any) -> None:
    client = login(alice)
    path = page_of(participant)
    data = {**fields_of(client.get(path)), "sex": "F"}
    assert "needs its reason" in client.post(path, data).content.decode()
    assert client.post(path, {**data, "reason_for_change": "misread the form"}).status_code == 302
    text = client.get(page_of(participant, "history")).content.decode()
    assert "misread the form" in text
    assert "alice" in text
    assert "127.0.0.1" in text


@pytest.mark.django_db
def test_voiding_needs_a_reason_and_closes_the_row(
    participant: Participant, dana: User, alice: User, login: Any
) -> None:
    consent = participant.consents.get()
    assert login(alice).post(page_of(consent, "void"), {"reason": "x"}).status_code == 403
    client = login(dana)
    assert client.post(page_of(consent, "void"), {}).status_code == 200
    assert client.post(page_of(consent, "void"), {"reason": "wrong person"}).status_code == 200, "others rest on it"
    answers = {"reason": "wrong person", "is_confirmed": "on"}
    assert client.post(page_of(consent, "void"), answers).status_code == 302
    consent.refresh_from_db()
    assert (consent.is_void, consent.voided_by, consent.void_reason) == (True, dana, "wrong person")
    assert client.post(page_of(consent), {"version": "1.0"}).status_code == 403
    assert "void already" in client.post(page_of(consent, "void"), {"reason": "again"}).content.decode()


# --- messages ----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_data_manager_queues_a_failed_message_again(
    site: Site, alice: User, dana: User, mona: User, login: Any, now: dt.datetime
) -> None:
    # Ten in the morning at the site, whenever the test runs: in the quiet hours nothing leaves.
    now = now.replace(hour=2)
    factories.infused(site=site, by=alice, now=now, infused_at=now - 33 * DAY)
    remind_of_visits(now=now)
    row = Notification.objects.first()
    assert row is not None
    row.state, row.finished_at, row.error = NotificationState.FAILED, now, "550 no such box"
    row.save()
    assert "E-mails that could not be sent" in login(dana).get("/admin/").content.decode()
    action = {"action": "requeue", "_selected_action": [row.pk]}
    login(mona).post(reverse("admin:trialsite_notification_changelist"), action)
    row.refresh_from_db()
    assert row.state == NotificationState.FAILED
    login(dana).post(reverse("admin:trialsite_notification_changelist"), action)
    row.refresh_from_db()
    assert row.state == NotificationState.QUEUED


# --- languages ---------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_choice_of_language_is_remembered_with_the_person(alice: User, login: Any) -> None:
    client = login(alice)
    client.post(reverse("set_language"), {"language": "zh-hans"})
    alice.refresh_from_db()
    assert alice.language == "zh-hans"
    assert "今天要做什么" in client.get("/admin/").content.decode()


@pytest.mark.django_db
def test_the_login_page_speaks_chinese_first() -> None:
    assert "登录" in Client().get("/admin/login/").content.decode()


@pytest.mark.django_db
def test_five_wrong_passwords_lock_the_login(alice: User) -> None:
    client = Client()
    for _attempt in range(5):
        client.post("/admin/login/", {"username": "alice", "password": "wrong"})
    response = client.post("/admin/login/", {"username": "alice", "password": "correct horse battery"})
    assert response.status_code == 429
