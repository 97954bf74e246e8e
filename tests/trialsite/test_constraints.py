"""What the database refuses is said in words, on the form, and is never an HTTP 500: for every constraint there is."""

import datetime as dt
import html
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import IntegrityError, models, transaction
from django.db.models import BaseConstraint, UniqueConstraint
from django.urls import reverse
from django.utils import timezone, translation

from participants.models import Consent, ConsentWithdrawal, ParticipantStatus
from safety.models import Discharge
from tests import factories
from tests.forms import as_posted
from trialsite.constraints import as_refusals, sentence_of
from trialsite.models import Site, User
from trialsite.refusal import Refused

APPS = {"trialsite", "participants", "dosing", "safety", "sponsor"}
DAY = dt.timedelta(days=1)


# What nobody types: the program makes such rows, and only a mistake of it could violate these.
OUT_OF_REACH = {"recovery_code_unique", "signature_once_for_each_meaning"}


def unique_constraints() -> list[tuple[type[models.Model], UniqueConstraint]]:
    return [
        (model, one)
        for model in apps.get_models()
        if not model._meta.proxy and model._meta.app_label in APPS
        for one in model._meta.constraints
        if isinstance(one, UniqueConstraint) and one.name not in OUT_OF_REACH
    ]


def can_be_added(model: type[models.Model], rf: Any) -> bool:
    page = admin.site._registry.get(model)
    request = rf.get("/")
    request.user = User(is_superuser=True, is_active=True)
    return page is not None and page.has_add_permission(request)


@pytest.mark.parametrize(("model", "constraint"), unique_constraints(), ids=lambda one: getattr(one, "name", ""))
def test_every_unique_constraint_has_its_sentence_in_both_languages(
    model: type[models.Model], constraint: UniqueConstraint
) -> None:
    assert constraint.violation_error_message != BaseConstraint.default_violation_error_message
    with translation.override("en"):
        english = str(constraint.get_violation_error_message())
    with translation.override("zh-hans"):
        assert str(constraint.get_violation_error_message()) != english


# --- the same, typed twice ---------------------------------------------------------------------------

Made = tuple[models.Model, dict[str, str]]
NOW = timezone.now().replace(microsecond=0)


def _consent(site: Site, by: User) -> Made:
    return factories.consented(site=site, by=by, now=NOW - DAY).consents.get(), {}


def _withdrawal(site: Site, by: User) -> Made:
    participant = factories.consented(site=site, by=by, now=NOW - DAY)
    row = ConsentWithdrawal.objects.create(
        participant=participant,
        withdrawn_at=NOW,
        scope="treatment",
        may_keep_samples=True,
        may_contact=True,
        created_by=by,
        created_at=NOW,
    )
    return row, {}


def _product(site: Site, by: User) -> Made:
    return factories.thawed(factories.enrolled(site=site, by=by, now=NOW - DAY), at=NOW - DAY), {}


def _other_chain(site: Site, by: User) -> Made:
    row, _none = _product(site, by)
    return row, {"chain_of_identity": "COI-OTHER"}


def _other_lot(site: Site, by: User) -> Made:
    row, _none = _product(site, by)
    return row, {"lot": "LOT-OTHER"}


def _infusion(site: Site, by: User) -> Made:
    row = factories.infused(site=site, by=by, now=NOW, infused_at=NOW - DAY).infusions.get()
    return row, {"interruptions-TOTAL_FORMS": "0", "interruptions-INITIAL_FORMS": "0"}


def _infusion_of_another(site: Site, by: User) -> Made:
    row, more = _infusion(site, by)
    other = factories.enrolled(site=site, by=by, now=NOW - DAY)
    return row, {**more, "participant": str(other.pk)}


def _discharge(site: Site, by: User) -> Made:
    participant = factories.infused(site=site, by=by, now=NOW, infused_at=NOW - 20 * DAY)
    values = {"participant": participant, "discharged_at": NOW - DAY, "created_by": by, "created_at": NOW}
    return Discharge.objects.create(**values), {}


TWICE: dict[str, Callable[[Site, User], Made]] = {
    "consent_once": _consent,
    "consent_withdrawn_once": _withdrawal,
    "product_lot_once": _other_chain,
    "product_chain_once": _other_lot,
    "infusion_first_once": _infusion,
    "infusion_lot_once": _infusion_of_another,
    "discharge_once": _discharge,
}


# Their columns stand in no form: whoever was faster is found by the action, and the database says the rest.
BY_NO_FORM = {
    "deviation_once": "what was typed by hand is about itself alone",
    "bedside_corrected_once": "the address names what is corrected",
    "iec_hs_corrected_once": "the address names what is corrected",
    "participant_rescreened_once": "screened again by a step of its own",
    "user_name_unique": "tried with the people, who are added without a password",
}


def test_every_constraint_that_a_form_can_violate_is_tried_below(rf: Any) -> None:
    found = {one.name for model, one in unique_constraints() if can_be_added(model, rf)}
    assert found - set(BY_NO_FORM) == set(TWICE)


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("name", TWICE)
def test_the_same_typed_twice_says_so_on_the_form(
    name: str, language: str, site: Site, alice: User, login: Any, rf: Any
) -> None:
    row, changes = TWICE[name](site, alice)
    alice.is_superuser, alice.language = True, language
    alice.save()
    count = type(row)._default_manager.count()
    constraint = next(one for _model, one in unique_constraints() if one.name == name)
    data = {**as_posted(row, alice, rf), **changes}
    response = login(alice).post(reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_add"), data)
    assert response.status_code == 200
    with translation.override(language):
        assert str(constraint.get_violation_error_message()) in html.unescape(response.content.decode())
    assert type(row)._default_manager.count() == count


@pytest.mark.django_db
@pytest.mark.parametrize("name", TWICE)
def test_what_only_the_database_saw_is_refused_with_the_same_sentence(name: str, site: Site, alice: User) -> None:
    """As when somebody else was faster than the form's own check."""
    row, _changes = TWICE[name](site, alice)
    constraint = next(one for _model, one in unique_constraints() if one.name == name)
    facts = {one.attname: getattr(row, one.attname) for one in row._meta.concrete_fields if not one.primary_key}
    other = factories.screened(site=site, by=alice, now=NOW)
    apart: dict[str, dict[str, Any]] = {
        "product_lot_once": {"chain_of_identity": "COI-OTHER"},
        "product_chain_once": {"lot": "LOT-OTHER"},
        "infusion_lot_once": {"participant_id": other.pk},
        "infusion_first_once": {"product_lot": "LOT-OTHER"},
    }
    with pytest.raises(Refused) as refused, as_refusals(), transaction.atomic():
        type(row)(**{**facts, **apart.get(name, {})}).save()
    assert refused.value.messages == [str(constraint.get_violation_error_message())]


@pytest.mark.django_db
def test_a_unique_column_has_a_sentence_too_and_a_fault_of_ours_stays_one(site: Site, english: None) -> None:
    with pytest.raises(Refused, match="recorded already"), as_refusals(), transaction.atomic():
        Site.objects.create(code=site.code, name_zh="同", name_en="Same")
    with pytest.raises(IntegrityError), as_refusals(), transaction.atomic():
        Consent.objects.create(participant=None)
    assert sentence_of(IntegrityError("of no cause")) is None


# --- a withdrawal that goes further ------------------------------------------------------------------


@pytest.mark.django_db
def test_a_withdrawal_goes_from_the_treatment_to_everything_and_not_back(
    site: Site, alice: User, login: Any, rf: Any
) -> None:
    row, _none = _withdrawal(site, alice)
    path = reverse("admin:participants_consentwithdrawal_add")
    wider = {**as_posted(row, alice, rf), "scope": "everything"}
    assert login(alice).post(path, wider).status_code == 302
    assert ParticipantStatus.objects.latest("id").status == "withdrawn"
    narrower = login(alice).post(path, {**wider, "scope": "visits"})
    assert "no further contact and no further data" in narrower.content.decode()
    assert ConsentWithdrawal.objects.count() == 2
