"""Nothing typed is lost or typed twice: over every form of the site, and with two real connections at once."""

import datetime as dt
import html
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import CharField, DateTimeField, Model, TextField
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from demo.build import build
from dosing.actions import plan_lymphodepletion
from dosing.admin.bedside import IdentityForm
from dosing.models import Medication
from participants.actions import plan_infusion
from participants.models import Consent, Examination, Participant, Visit
from safety.models import BedsideAssessment
from tests import factories
from tests.conftest import PASSWORD
from tests.forms import SeenForm, form_of, forms_of
from trialsite import once, versions
from trialsite.fields import EncryptedDateField, EncryptedTextField
from trialsite.identity import never_kept
from trialsite.models import FormToken, Record, Site, User
from trialsite.recordadmin import GuardedAdmin
from trialsite.tasks import deliver_notifications

DAY = dt.timedelta(days=1)
APPS = {"trialsite", "participants", "dosing", "safety", "sponsor"}
PAGES = [page for page in admin.site._registry.values() if page.model._meta.app_label in APPS]
# Forms that record nothing.
# They record no fact of the study; a list may be exported as often as somebody likes, each time with its record.
ASKING_ONLY = {
    "participants/templates/admin/participants/find.html",
    "trialsite/templates/admin/trialsite/find.html",
    # Ends a login, or forgets wrong passwords: whoever presses twice finds it done.
    "trialsite/templates/admin/trialsite/my_logins.html",
    # Passwords and codes: no draft is kept, and the second press finds the step done.
    "trialsite/templates/admin/trialsite/door.html",
    "participants/templates/admin/participants/trail_export.html",
    "trialsite/templates/admin/trialsite/export.html",
    "trialsite/templates/admin/trialsite/rights.html",
}


@pytest.fixture
def chief(site: Site) -> User:
    """May do everything, in English."""
    return User.objects.create_superuser("chief", "chief@example.org", PASSWORD, language="en")


def address_of(row: Model, page: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=[row.pk])


# --- every form of the site --------------------------------------------------------------------------


def templates_with_a_form() -> list[str]:
    files = sorted(Path(settings.BASE_DIR).glob("*/templates/**/*.html"))
    return [
        str(file.relative_to(settings.BASE_DIR))
        for file in files
        if 'method="post"' in file.read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize("name", [name for name in templates_with_a_form() if name not in ASKING_ONLY])
def test_every_form_of_a_template_is_guarded(name: str) -> None:
    text = (settings.BASE_DIR / name).read_text(encoding="utf-8")
    forms = re.findall(r'<form[^>]*method="post".*?</form>', text, re.DOTALL)
    assert forms
    assert all("{% form_guard %}" in form for form in forms)


def addresses(page: Any, row: Model | None, participant: Participant) -> Iterator[str]:
    """Every address of an admin that names one row, or one participant, and the one for adding."""
    label = f"{page.opts.app_label}_{page.opts.model_name}"
    yield reverse(f"admin:{label}_add")
    for pattern in page.get_urls():
        given = pattern.pattern.converters
        key = participant.pk if "participant_id" in given else row.pk if row else None
        if pattern.name and len(given) == 1 and key is not None:
            try:
                yield reverse(f"admin:{pattern.name}", args=[key])
            except NoReverseMatch:
                continue


def recording_forms(client: Client, request: Any) -> Iterator[tuple[str, SeenForm]]:
    """Each form on each page of the demo study."""
    participant = Participant.objects.filter(participant_number__isnull=False).latest("pk")
    for page in PAGES:
        row = page.get_queryset(request).order_by("pk").last()
        for address in addresses(page, row, participant):
            if "/delete/" in address or "find" in address:
                continue
            query = f"?participant={participant.pk}&panel=CBC" if address.endswith("/add/") else ""
            answer = client.get(address + query)
            if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
                yield from ((address, form) for form in forms_of(answer))


@pytest.mark.django_db
def test_every_form_has_its_token_and_every_change_its_version(chief: User, login: Any, rf: Any) -> None:
    for _participant in build(now=timezone.now(), is_small=True):
        pass
    request = rf.get("/")
    request.user = chief
    seen = list(recording_forms(login(chief), request))
    assert len({address for address, _form in seen}) > 30
    bare = [address for address, form in seen if once.FIELD not in form.data and "password" not in address]
    assert not bare
    tokens = [form.data[once.FIELD] for _address, form in seen if once.FIELD in form.data]
    assert len(set(tokens)) == len(tokens)
    changing = [(address, form) for address, form in seen if address.endswith("/change/") and once.FIELD in form.data]
    assert len(changing) > 8
    models = {page.opts.model_name for page in PAGES if page.has_change_permission(request)}
    bare = [address for address, form in changing if not form.data.get(versions.FIELD)]
    assert not [address for address in bare if address.split("/")[3] in models]


# --- once --------------------------------------------------------------------------------------------


def adding(client: Client, row: Model, query: str = "", **typed: str) -> tuple[str, dict[str, Any]]:
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_add") + query
    return address, {**form_of(client.get(address)), **typed}


def new_participant(client: Client) -> tuple[str, dict[str, Any]]:
    return adding(client, Participant(), name="李雷", sex="M", birth_date="1988-02-03")


@pytest.mark.django_db
def test_the_same_form_sent_twice_gives_one_row_and_the_way_to_it(site: Site, alice: User, login: Any) -> None:
    client = login(alice)
    address, data = new_participant(client)
    assert client.post(address, data).status_code == 302
    again = client.post(address, {**data, "name": "李蕾"})
    participant = Participant.objects.get()
    assert again.status_code == 200
    assert "Nothing was recorded twice" in again.content.decode()
    assert address_of(participant) in again.content.decode()


@pytest.mark.django_db
def test_a_form_that_was_refused_is_sent_again_mended(site: Site, alice: User, login: Any) -> None:
    client = login(alice)
    address, data = new_participant(client)
    refused = client.post(address, {**data, "name": ""})
    assert refused.status_code == 200
    # Gone back to the first page, or mended on the second: it is one form.
    assert form_of(refused)[once.FIELD] == data[once.FIELD]
    assert client.post(address, data).status_code == 302
    assert "Nothing was recorded twice" in client.post(address, form_of(refused)).content.decode()
    assert Participant.objects.count() == 1


@pytest.mark.django_db
def test_a_token_is_bound_to_its_person(site: Site, alice: User, ivan: User, login: Any) -> None:
    address, data = new_participant(login(alice))
    assert login(alice).post(address, data).status_code == 302
    other = login(ivan).post(address, {**data, "name": "李蕾"}, follow=True)
    assert "Somebody else had opened this page" in other.content.decode()
    assert Participant.objects.count() == 1


@pytest.mark.django_db
def test_a_bedside_assessment_and_an_examination_are_taken_once(site: Site, alice: User, login: Any) -> None:
    now = timezone.now()
    participant = factories.infused(site=site, by=alice, now=now, infused_at=now - 2 * DAY)
    client = login(alice)
    seen = {
        "temperature_c": "36.9",
        "ice_performed": "not_done",
        "ice_not_done": "intubated",
        "consciousness": "alert",
        "seizure": "none",
        "oxygen_device": "none",
    }
    yes_no = ("antipyretic_given", "anticytokine_given", "hypotension", "deep_focal_weakness")
    pages = {
        BedsideAssessment: (f"?participant={participant.pk}", {**seen, **dict.fromkeys(yes_no, "no")}),
        Examination: (f"?participant={participant.pk}&panel=CBC", {"WBC-value": "5.1"}),
    }
    for model, (query, typed) in pages.items():
        count = model.objects.count()
        address, data = adding(client, model(), query, **typed)
        answers = [client.post(address, data) for _press in range(2)]
        assert [answer.status_code for answer in answers] == [302, 200], _errors(answers[0])
        row = model.objects.latest("pk")
        assert address_of(row) in answers[1].content.decode()
        assert model.objects.count() == count + 1


def _errors(answer: Any) -> Any:
    return answer.context and answer.context["form"].errors


@pytest.mark.django_db
def test_old_tokens_are_forgotten_and_newer_ones_kept(alice: User) -> None:
    now = timezone.now()
    for name, age in {"old": once.KEPT + DAY, "young": once.KEPT - DAY}.items():
        FormToken.objects.create(digest=name, user=alice, created_at=now - age)
    deliver_notifications()
    assert list(FormToken.objects.values_list("digest", flat=True)) == ["young"]


# --- two people, one record --------------------------------------------------------------------------

Row = Callable[[Site, User], Model]


def changed_by_another(row: Model, names: set[str]) -> tuple[str, str]:
    """Somebody else writes something else into a field of the form: its name on the page, and the words."""
    columns = [one for one in row._meta.concrete_fields if one.editable and one.generated is False]
    for column in columns:
        if column.name in names and isinstance(column, TextField | CharField) and not column.choices:
            value = "Q" if column.max_length and column.max_length < 10 else "9998887"
            type(row)._default_manager.filter(pk=row.pk).update(**{column.name: value})
            return column.name, value
    moment = next(one for one in columns if isinstance(one, DateTimeField) and f"{one.name}_1" in names)
    at = getattr(row, moment.attname) - dt.timedelta(minutes=1)
    type(row)._default_manager.filter(pk=row.pk).update(**{moment.attname: at})
    return f"{moment.name}_1", f"{timezone.localtime(at):%H:%M:%S}".removesuffix(":00")


def changeable(request: Any) -> list[Any]:
    return [page for page in PAGES if isinstance(page, GuardedAdmin) and page.has_change_permission(request)]


@pytest.mark.django_db
def test_every_page_that_changes_a_row_notices_somebody_else(chief: User, login: Any, rf: Any) -> None:
    for _participant in build(now=timezone.now(), is_small=True):
        pass
    client, request, tried = login(chief), rf.get("/"), set()
    request.user = chief
    for page in changeable(request):
        rows = page.model._default_manager.order_by("pk")
        row = (rows.filter(voided_at__isnull=True) if hasattr(page.model, "voided_at") else rows).last()
        opened = client.get(address_of(row)) if row else None
        if opened is None or versions.FIELD not in form_of(opened):
            continue
        data, selects = form_of(opened), forms_of(opened)[0].selects
        name, words = changed_by_another(row, set(data) - selects)
        late = client.post(address_of(row), {**data, "reason_for_change": "mine"})
        text = html.unescape(late.content.decode())
        assert (late.status_code, "nothing was saved" in text) == (200, True), page
        shown = form_of(late)
        # Untouched by this person: the newer value stands there, and the page carries the newer version.
        assert shown[name] == words, page
        assert shown["reason_for_change" if "reason_for_change" in shown else name]
        assert shown[versions.FIELD] != data[versions.FIELD], page
        tried.add(page.model._meta.label)
    assert len(tried) > 8, tried


@pytest.fixture
def visit(site: Site, alice: User) -> Visit:
    now = timezone.now()
    found: Visit = factories.infused(site=site, by=alice, now=now, infused_at=now - 40 * DAY).visits.get(code="D28")
    return found


@pytest.mark.django_db
def test_the_second_of_two_sees_what_the_first_did_and_merges(
    visit: Visit, alice: User, ivan: User, login: Any
) -> None:
    first, second = login(alice), login(ivan)
    path, day = address_of(visit), f"{visit.target_date:%Y-%m-%d}"
    opened = form_of(first.get(path)), form_of(second.get(path)), form_of(first.get(path))
    changes = {"state": "done", "occurred_on": day, "note": "by Alice", "reason_for_change": "came"}
    assert first.post(path, {**opened[0], **changes}).status_code == 302
    late = second.post(path, {**opened[1], "note": "by Ivan", "reason_for_change": "a note"})
    text = html.unescape(late.content.decode())
    assert "alice" in text
    assert "by Alice" in text
    data = form_of(late)
    assert (data["state"], data["occurred_on"], data["note"]) == ("done", day, "by Ivan")
    visit.refresh_from_db()
    assert (visit.state, visit.note) == ("done", "by Alice")
    assert second.post(path, {**data, "_merge-note": "theirs", "reason_for_change": ""}).status_code == 302
    visit.refresh_from_db()
    assert (visit.state, visit.note) == ("done", "by Alice")
    late = first.post(path, {**opened[2], "note": "by Alice again", "reason_for_change": "more"})
    assert first.post(path, form_of(late)).status_code == 302
    visit.refresh_from_db()
    assert (visit.state, visit.note) == ("done", "by Alice again")


@pytest.mark.django_db
def test_the_roles_of_a_person_are_not_taken_back_by_a_page_that_stood_open(
    chief: User, alice: User, other_site: Site, login: Any
) -> None:
    client, path = login(chief), address_of(alice)
    data = form_of(client.get(path))
    alice.sites.add(other_site)
    late = client.post(path, {**data, "email": "alice@example.com"})
    assert "nothing was saved" in html.unescape(late.content.decode())
    assert alice.sites.count() == 2


@pytest.mark.django_db
def test_what_was_typed_into_an_entry_that_was_voided_meanwhile_is_shown(
    visit: Visit, alice: User, dana: User, login: Any
) -> None:
    consent = visit.participant.consents.get()
    client = login(alice)
    data = form_of(client.get(address_of(consent)))
    assert login(dana).post(address_of(consent, "void"), {"reason": "wrong person", "is_confirmed": "on"}).status_code
    consent.refresh_from_db()
    assert consent.is_void
    late = client.post(address_of(consent), {**data, "deviation_reason": "typed in vain"})
    text = html.unescape(late.content.decode())
    assert all(words in text for words in ("nothing was saved", "wrong person", "typed in vain"))


@pytest.mark.django_db
def test_identity_is_not_told_in_a_conflict_to_those_who_may_not_see_it(visit: Visit, mona: User, login: Any) -> None:
    """A question about a participant, asked of somebody who knows the number alone."""
    participant = visit.participant
    may = Permission.objects.get(codename="change_status", content_type__app_label="participants")
    mona.user_permissions.add(may)
    client, path = login(mona), address_of(participant, "status")
    data = form_of(client.get(path))
    Participant.objects.filter(pk=participant.pk).update(phone="13911112222")
    text = html.unescape(client.post(path, data).content.decode())
    assert "nothing was saved" in text
    assert "(hidden)" in text
    assert "13911112222" not in text


@pytest.mark.django_db
def test_a_question_about_a_row_that_has_changed_is_read_again(visit: Visit, alice: User, login: Any) -> None:
    participant = visit.participant
    client = login(alice)
    path = address_of(participant, "status")
    typed = {"new": "lost_to_follow_up", "on": f"{timezone.localdate():%Y-%m-%d}", "reason": "not reached"}
    data = {**form_of(client.get(path)), **typed}
    Participant.objects.filter(pk=participant.pk).update(phone="13911112222")
    late = client.post(path, data)
    assert "nothing was saved" in html.unescape(late.content.decode())
    assert form_of(late)["reason"] == "not reached"
    assert "No longer due, lost to follow-up" in late.content.decode(), "what would change is shown with the question"
    assert client.post(path, {**form_of(late)}).status_code == 302


@pytest.mark.django_db
def test_two_people_correct_one_examination(visit: Visit, alice: User, ivan: User, login: Any) -> None:
    examination = visit.participant.examinations.filter(panel="CBC").latest("pk")
    path = address_of(examination)
    first, second = login(alice), login(ivan)
    opened = form_of(first.get(path)), form_of(second.get(path))
    mine = {"HGB-value": "101", "reason_for_change": "misread"}
    assert first.post(path, {**opened[0], "WBC-value": "7.7", "reason_for_change": "misread"}).status_code == 302
    late = second.post(path, {**opened[1], **mine})
    assert "7.7" in late.content.decode()
    data = form_of(late)
    assert (data["WBC-value"], data["HGB-value"]) == ("7.7", "101")
    assert second.post(path, data).status_code == 302
    values = {
        row.code: f"{row.value.normalize():f}" for row in examination.measurements.filter(code__in=["WBC", "HGB"])
    }
    assert values == {"WBC": "7.7", "HGB": "101"}


# --- drafts in the browser ---------------------------------------------------------------------------


def encrypted() -> list[Any]:
    columns = (column for model in apps.get_models() for column in model._meta.concrete_fields)
    # What no form shows cannot be typed.
    return [one for one in columns if isinstance(one, EncryptedTextField | EncryptedDateField) and one.editable]


@pytest.mark.parametrize("column", encrypted(), ids=str)
def test_no_draft_of_identity_is_kept_on_any_form(column: Any) -> None:
    """On the form of its own model, and on one that has no model."""
    assert column.name in never_kept(column.model._meta)
    assert column.name in never_kept(None)


def test_what_is_no_identity_is_kept_and_the_code_of_a_wristband_is_not() -> None:
    assert "name" not in never_kept(Medication._meta)
    assert "data-no-draft" in IdentityForm.base_fields["participant_code"].widget.attrs


@pytest.mark.django_db
def test_a_page_older_than_the_login_leads_back_to_itself(site: Site, alice: User) -> None:
    """The token of the form is of another login: no bare refusal, and the browser has what was typed."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    address = reverse("admin:participants_participant_add")
    answer = client.post(address, {"name": "李雷"}, follow=True)
    assert answer.redirect_chain == [(address, 302)]
    assert "older than your login" in answer.content.decode()
    assert not Participant.objects.exists()
    client.logout()
    assert client.post(address, {"name": "李雷"}).headers["Location"] == address
    assert client.post("/i18n/setlang/", {"language": "en"}).status_code == 403


# --- a first entry is no change ----------------------------------------------------------------------


@pytest.mark.parametrize("model", [model for model in apps.get_models() if getattr(model, "not_filled_in", None)])
def test_the_state_of_what_is_not_filled_in_yet_is_one_of_the_model(model: Any) -> None:
    assert all(value in dict(model._meta.get_field(name).flatchoices) for name, value in model.not_filled_in.items())


def test_every_model_that_can_be_planned_says_so() -> None:
    planned = [
        model
        for model in apps.get_models()
        if issubclass(model, Record)
        for field in model._meta.concrete_fields
        if field.name == "state" and "planned" in dict(field.flatchoices)
    ]
    assert planned
    assert all(model.not_filled_in == {"state": "planned"} for model in planned)


@pytest.mark.django_db
def test_a_planned_visit_is_filled_in_without_a_reason_and_changed_with_one(
    visit: Visit, alice: User, login: Any
) -> None:
    client, path = login(alice), address_of(visit)
    done = {"state": "done", "occurred_on": f"{visit.target_date:%Y-%m-%d}"}
    assert client.post(path, {**form_of(client.get(path)), **done}).status_code == 302
    assert client.post(path, {**form_of(client.get(path)), "note": "first words"}).status_code == 302
    change = {**form_of(client.get(path)), "note": "other words"}
    assert "needs its reason" in client.post(path, change).content.decode()
    assert client.post(path, {**change, "reason_for_change": "misread"}).status_code == 302


@pytest.mark.django_db
def test_a_planned_dose_is_given_without_a_reason(site: Site, alice: User, login: Any) -> None:
    now = timezone.now()
    participant = factories.enrolled(site=site, by=alice, now=now - 8 * DAY)
    plan_infusion(participant=participant, on=timezone.localdate(now), by=alice, now=now - 7 * DAY)
    participant.refresh_from_db()
    dose = plan_lymphodepletion(
        participant=participant, first_on=timezone.localdate(now - 6 * DAY), by=alice, now=now - 7 * DAY
    )[0][0]
    alice.is_superuser = True
    alice.save()
    client, path = login(alice), address_of(dose)
    at = timezone.localtime(now - 6 * DAY)
    factories.checked(participant, before="lymphodepletion", at=at)
    given = {"given_at_0": f"{at:%Y-%m-%d}", "given_at_1": f"{at:%H:%M}", "given_mg": f"{dose.planned_mg}"}
    answer = client.post(path, {**form_of(client.get(path)), **given, "state": "given"})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    change = {**form_of(client.get(path)), "given_mg": f"{dose.planned_mg + 1}"}
    assert "needs its reason" in client.post(path, change).content.decode()


@pytest.mark.django_db
def test_no_is_an_answer_and_its_change_has_a_reason(visit: Visit, alice: User, login: Any) -> None:
    consent = visit.participant.consents.get()
    Consent.objects.filter(pk=consent.pk).update(guardian_consented=False)
    client, path = login(alice), address_of(consent)
    change = {**form_of(client.get(path)), "guardian_consented": "true"}
    assert "needs its reason" in client.post(path, change).content.decode()


# --- at the same moment ------------------------------------------------------------------------------


def at_once(*presses: Callable[[], Any]) -> list[Any]:
    """Each in a thread and with a connection of its own, started together."""
    gate, answers = threading.Barrier(len(presses)), [None] * len(presses)

    def press(place: int) -> None:
        try:
            gate.wait()
            answers[place] = presses[place]()
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=[place]) for place in range(len(presses))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.django_db(transaction=True)
def test_two_presses_at_the_same_moment_give_one_row(site: Site, alice: User, login: Any) -> None:
    client = login(alice)
    address, data = new_participant(client)
    clients = [login(alice), login(alice)]
    answers = at_once(*(lambda one=one: one.post(address, data) for one in clients))
    assert sorted(answer.status_code for answer in answers) == [200, 302]
    participant = Participant.objects.get()
    late = next(answer for answer in answers if answer.status_code == 200)
    assert address_of(participant) in late.content.decode()


@pytest.mark.django_db(transaction=True)
def test_of_two_who_save_at_the_same_moment_one_is_shown_the_other(site: Site, alice: User, login: Any) -> None:
    participant = factories.screened(site=site, by=alice, now=timezone.now())
    path = address_of(participant)
    clients = [login(alice), login(alice)]
    sent = [{**form_of(one.get(path)), "reason_for_change": "asked anew"} for one in clients]
    phones = ["13911110001", "13911110002"]
    answers = at_once(
        *(
            lambda one=one, data=data, phone=phone: one.post(path, {**data, "phone": phone})
            for one, data, phone in zip(clients, sent, phones, strict=True)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 302]
    winner = next(place for place, answer in enumerate(answers) if answer.status_code == 302)
    participant.refresh_from_db()
    assert participant.phone == phones[winner]
    text = answers[1 - winner].content.decode()
    assert all(phone in text for phone in phones)
