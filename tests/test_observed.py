"""Nothing stands in a form that nobody observed: over all forms of all pages, so that the next one cannot have it."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.test import RequestFactory
from django.utils import timezone

from safety.models import SERIOUSNESS
from tests import factories
from tests.conftest import person
from tests.test_error_pages import addresses
from trialsite.models import Site, User
from trialsite.recordadmin import RecordAdmin
from trialsite.roles import Role

DAY = dt.timedelta(days=1)
APPS = ("trialsite", "participants", "dosing", "safety", "sponsor")
PAGES = [page for page in admin.site._registry.values() if isinstance(page, RecordAdmin)]

# What may stand there before anybody touched it, each with its reason. By form or model, and field.
ALLOWED = {
    ("Visit", "state"): "planned by the program: what happened is recorded on the row",
    ("Reconsent", "state"): "opened by the program",
    ("LymphodepletionDose", "state"): "planned by the program: what was given is recorded on the row",
    ("Infusion", "occasion"): "the plan knows one infusion; a part or a second one is asked about, with its reason",
    ("Examination", "is_study_procedure"): "the careful answer by the panel: a study procedure needs consent before it",
    ("ExaminationForm", "is_study_procedure"): "as on its page",
    ("IecHsForm", "*"): "“not recorded” stands there: it says that nobody has answered",
    ("GuidanceText", "with_crs"): "names the cell that is written, not something that was seen",
    ("ExportForm", "format"): "how the file is written, no observation",
    ("FileForm", "format"): "as there",
    ("User", "*"): "a person of the site, not an observation",
}
# A box that nobody ticked reads as "no": each says why that is no observation, or where it is asked aloud.
BOXES = {
    "is_accepted": "a confirmation by ticking",
    "is_day0_confirmed": "a confirmation by ticking",
    "is_study_procedure": ALLOWED["Examination", "is_study_procedure"],
    "may_keep_samples": "the careful answer: nothing is kept unless the participant agreed",
    "may_contact": "the careful answer: nobody is called unless the participant agreed",
    "is_ongoing": "beside the end of the medication: one of the two is told",
    "is_premedication": "what it was given for, told by ticking",
    "is_out_of_specification": "the certificate's exception, told by ticking, with its reason",
    "with_crs": ALLOWED["GuidanceText", "with_crs"],
    **dict.fromkeys(SERIOUSNESS, "“Is it serious?” asks for it aloud, and must agree"),
}


@pytest.fixture
def request_of(rf: RequestFactory, site: Site) -> Any:
    """As the principal investigator of one site, who may add nearly everything."""
    request = rf.get("/")
    request.user = person("petra", Role.PRINCIPAL_INVESTIGATOR, site)
    request.user.is_superuser = True
    return request


def preset(form: forms.BaseForm) -> Iterator[str]:
    """Fields of choice whose answer stands there before anybody gave it."""
    for bound in form:
        field: Any = bound.field
        if isinstance(field, forms.ModelChoiceField):
            continue
        if isinstance(field, forms.MultipleChoiceField | forms.BooleanField | forms.NullBooleanField):
            if bound.initial not in (None, False, "", [], "unknown"):
                yield bound.name
        elif isinstance(field, forms.ChoiceField) and _is_chosen(field, bound.initial):
            yield bound.name


def _is_chosen(field: forms.ChoiceField, initial: Any) -> bool:
    """By a first value, or because a browser takes the first line of a list that has no empty one."""
    if initial not in (None, ""):
        return True
    is_list = isinstance(field.widget, forms.Select) and not isinstance(field.widget, forms.RadioSelect)
    return is_list and bool(field.choices) and all(value not in (None, "") for value, _label in field.choices)


def allowed(owner: str, name: str) -> bool:
    return (owner, name) in ALLOWED or (owner, "*") in ALLOWED


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.model.__name__)
def test_no_page_answers_before_somebody_has(page: Any, request_of: Any) -> None:
    if not page.has_add_permission(request_of):
        return
    form = page.get_form(request_of)(initial=page.get_changeform_initial_data(request_of))
    owner = page.model.__name__
    assert [name for name in preset(form) if not allowed(owner, name)] == []


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.model.__name__)
def test_a_box_that_nobody_ticked_is_no_observation(page: Any, request_of: Any) -> None:
    if page.has_add_permission(request_of):
        fields = page.get_form(request_of)().fields.items()
        boxes = {name for name, field in fields if isinstance(field.widget, forms.CheckboxInput)}
        assert boxes - set(BOXES) == set()


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.model.__name__)
def test_every_field_is_named_as_a_head_begins(page: Any, request_of: Any) -> None:
    """In English: some columns are named with a capital and some without, as the audit trail writes them."""
    if page.has_add_permission(request_of):
        labels = [str(field.label or "") for field in page.get_form(request_of)().fields.values()]
        assert [label for label in labels if label[:3].isalpha() and label[:3].islower()] == []


def _forms(kind: Any = forms.BaseForm) -> Iterator[Any]:
    for one in kind.__subclasses__():
        if one.__module__.split(".")[0] in APPS and getattr(one, "base_fields", None):
            yield one
        yield from _forms(one)


def _own_forms() -> list[Any]:
    """Every form that is written in our apps, the pages' own and those of questions beside them."""
    found = {f"{one.__module__}.{one.__qualname__}": one for one in _forms() if "<locals>" not in one.__qualname__}
    return [found[name] for name in sorted(found)]


def test_there_are_forms_to_look_at() -> None:
    names = {one.__name__ for one in _own_forms()}
    assert {"BedsideForm", "EventForm", "CrsForm", "IcansForm", "AdverseEventForm"} <= names


@pytest.mark.parametrize("kind", _own_forms(), ids=lambda kind: kind.__qualname__)
def test_no_form_declares_an_answer(kind: Any) -> None:
    class Bare(forms.Form):
        """The declared fields alone, whatever the form asks for to be made."""

    bare = Bare()
    bare.fields = dict(kind.base_fields)
    assert [name for name in preset(bare) if not allowed(kind.__name__, name)] == []


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.model.__name__)
def test_no_model_answers_for_a_person(page: Any) -> None:
    """A default of the database would answer where a form leaves the field out."""
    names = [
        field.name
        for field in page.model._meta.concrete_fields
        if field.choices and field.has_default() and field.editable and not allowed(page.model.__name__, field.name)
    ]
    assert names == []


def test_a_preset_is_found() -> None:
    """The test must be able to fail."""

    class Bad(forms.Form):
        first_line = forms.ChoiceField(choices=[("a", "A"), ("b", "B")])
        given = forms.ChoiceField(choices=[("", "?"), ("a", "A")], initial="a")
        ticked = forms.BooleanField(initial=True)
        fine = forms.ChoiceField(choices=[("", "?"), ("a", "A")])
        buttons = forms.ChoiceField(choices=[("a", "A")], widget=forms.RadioSelect)
        box = forms.BooleanField()

    assert list(preset(Bad())) == ["first_line", "given", "ticked"]


@pytest.mark.django_db
def test_a_question_on_a_page_of_its_own_presets_nothing(site: Site, alice: User, login: Any) -> None:
    """Every page that asks about a participant, as somebody who may do everything."""
    now = timezone.now()
    participant = factories.infused(site=site, by=alice, now=now, infused_at=now - 5 * DAY)
    root = User.objects.create_superuser("root", "root@example.org", "x", language="en")
    client, asked = login(root), 0
    for address in addresses(str(participant.pk)):
        if "/participants/participant/" not in address or address.endswith(("/change/", "/add/")):
            continue
        form = (client.get(address).context or {}).get("form")
        if isinstance(form, forms.Form):
            asked += 1
            assert [name for name in preset(form) if not allowed(type(form).__name__, name)] == [], address
    assert asked > 5
