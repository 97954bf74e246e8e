"""Nobody writes on, chooses or sees what belongs to another site: over all pages, so that the next one cannot."""

import datetime as dt
from itertools import product
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from participants.models import Participant
from tests import factories
from tests.addforms import FILL, add, send
from tests.conftest import PASSWORD, person
from tests.test_error_pages import names, patterns
from trialsite import reach
from trialsite.models import Record, SecurityEvent, Session, Site, User
from trialsite.roles import Role

DAY = dt.timedelta(days=1)
PAGES = [page for page in admin.site._registry.values() if page.model._meta.app_label != "auth"]
ALONG = ("participant", "product", "infusion", "leukapheresis", "examination", "bedside", "assessment", "confirmation")


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now()


@pytest.fixture
def ours(site: Site, alice: User, now: dt.datetime) -> Participant:
    return factories.infused(site=site, by=alice, now=now, infused_at=now - 40 * DAY)


@pytest.fixture
def theirs(other_site: Site, charlie: User, now: dt.datetime) -> Participant:
    return factories.infused(site=other_site, by=charlie, now=now, infused_at=now - 40 * DAY)


@pytest.fixture
def everybody(site: Site) -> User:
    """Somebody with every role, at our site alone."""
    user = person("every", Role.COORDINATOR, site)
    user.groups.set(Group.objects.exclude(name=Role.SPONSOR_PROGRAM))
    return user


def _site_of(row: Any) -> Site | None:
    """Found by looking at the row, not by asking the code that is tested."""
    if isinstance(row, Site):
        return row
    if isinstance(getattr(row, "site", None), Site):
        return row.site
    above = [getattr(row, name, None) for name in ALONG]
    return next((_site_of(one) for one in above if one is not None), None)


def _foreign(row: Model, own: Site) -> bool:
    if isinstance(row, User):
        return not row.sites.filter(pk=own.pk).exists()
    found = _site_of(row)
    return found is not None and found != own


def _records() -> dict[str, int]:
    models = [model for model in apps.get_models() if issubclass(model, Record) and not model._meta.proxy]
    return {model._meta.label: model._default_manager.count() for model in models}


def _offered(page: Any, request: Any) -> list[tuple[str, Any]]:
    """Every row that a field of this page's form, or of a line below it, offers."""
    is_typed = page.has_add_permission(request) or page.has_change_permission(request)
    made = [page.get_form(request, None, change=False)] if is_typed else []
    made += [line.get_formset(request).form for line in page.get_inline_instances(request)]
    fields = [(name, one) for form in made for name, one in form.base_fields.items()]
    return [(name, row) for name, one in fields if isinstance(one, forms.ModelChoiceField) for row in one.queryset]


@pytest.mark.django_db
def test_no_field_offers_a_row_of_another_site(
    rf: RequestFactory, site: Site, ours: Participant, theirs: Participant, everybody: User
) -> None:
    request = rf.get("/")
    request.user = everybody
    offered = [(page.model._meta.label, name, row) for page in PAGES for name, row in _offered(page, request)]
    assert len(offered) > 20
    assert [one for one in offered if _foreign(one[2], site)] == []


@pytest.mark.django_db
def test_no_page_takes_an_id_of_another_site(
    theirs: Participant, everybody: User, charlie: User, login: Any, now: dt.datetime
) -> None:
    """What their own coordinator would send, sent by somebody of our site."""
    client = login(everybody)
    taken = []
    for label, fill in sorted(FILL.items()):
        filled = fill(theirs, now, charlie)
        before = _records()
        response = client.post(filled.address, filled.data)
        if response.status_code not in {200, 403, 404} or _records() != before:
            taken.append(label)
    assert taken == []


@pytest.mark.django_db
def test_an_address_that_names_a_row_of_another_site_shows_nothing_of_it(
    theirs: Participant, everybody: User, login: Any
) -> None:
    client: Client = login(everybody)
    names = {"participant": theirs.pk, "infusion": theirs.infusions.get().pk, "site": theirs.site_id}  # type: ignore[attr-defined]
    for label, (name, key) in product(sorted(FILL), names.items()):
        shown = client.get(add(label, f"?{name}={key}&panel=CBC"))
        assert shown.status_code in {200, 302, 403, 404}, label
        assert theirs.number not in shown.content.decode(), label
        assert theirs.site.name_en not in shown.content.decode(), label


def _about(theirs: Participant) -> dict[str, int]:
    """Every address of the admin that names a row, naming one of theirs → the status that it answers by GET."""
    newest = {
        f"{page.opts.app_label}_{page.opts.model_name}_": row.pk
        for page in admin.site._registry.values()
        if (row := page.model._default_manager.order_by("pk").last()) is not None
    }
    newest["trialsite_user_"] = theirs.created_by_id
    for model in (SecurityEvent, Session):  # the newest are the reader's own
        row = model._base_manager.filter(person=theirs.created_by).order_by("pk").last()
        newest[f"trialsite_{model._meta.model_name}_"] = row.pk if row is not None else 0
    found = {}
    for one in patterns():
        key = next((pk for start, pk in newest.items() if one.name.startswith(start)), theirs.pk)
        given = names(one, str(key))
        if given and "app_label" not in given:
            found[reverse(f"admin:{one.name}", kwargs=given)] = key
    return found


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post"])
def test_every_address_of_a_row_of_another_site_is_as_if_there_was_nothing(
    method: str, theirs: Participant, charlie: User, everybody: User, login: Any, now: dt.datetime
) -> None:
    factories.confirmed(site=theirs.site, by=charlie, now=now - DAY)
    bob = login(charlie)
    for label in sorted(set(FILL) - {"participants.ConsentWithdrawal", "dosing.Infusion"}):
        filled = FILL[label](theirs, now, charlie)
        send(bob, filled)
    before = _records()
    client = login(everybody)
    client.raise_request_exception = False
    answers = {address: getattr(client, method)(address) for address in _about(theirs)}
    assert len(answers) > 90
    wrong = {
        address: answer.status_code
        for address, answer in answers.items()
        if answer.status_code not in {302, 403, 404, 405}
    }
    assert wrong == {}
    assert [at for at, answer in answers.items() if theirs.number in answer.content.decode(errors="replace")] == []
    assert _records() == before


@pytest.mark.parametrize(
    "model", [model for model in apps.get_models() if issubclass(model, Record)], ids=lambda model: model._meta.label
)
def test_every_record_has_a_way_to_its_site(model: Any) -> None:
    assert reach.site_path(model, admin.site) is not None


@pytest.mark.django_db
def test_what_an_administrator_does_is_read_at_every_site(theirs: Participant, arthur: User, login: Any) -> None:
    """Who has no site acts at all of them: those who answer for one must see it, and can look for it."""
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD, password_chosen_at=timezone.now())
    arthur.groups.set(Group.objects.exclude(name=Role.SPONSOR_PROGRAM))
    there, here = login(root), login(arthur)
    there.post(reverse("admin:participants_visit_export"), {"format": "csv"}).getvalue()
    there.post(reverse("admin:participants_participant_find"), {"value": "nobody of that name"})
    logs = ("trialsite_securityevent", "trialsite_listexport", "participants_identityread")
    trail = reverse("admin:participants_participant_trail")
    for page in (*(reverse(f"admin:{name}_changelist") for name in logs), trail):
        assert "root" in here.get(page).content.decode(), page
    offered = here.get(trail).context["form"].fields["person"].choices
    assert str(root.pk) in dict(offered)
