"""The side bar holds what a role does every day; everything else is among all records, and nothing is lost."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.conftest import person
from trialsite import navigation
from trialsite.models import Site, User
from trialsite.roles import Role

pytestmark = pytest.mark.django_db
STAFF = [role for role in Role if role is not Role.SPONSOR_PROGRAM]


def bar(user: User, path: str = "/admin/") -> list[dict[str, Any]]:
    request = RequestFactory().get(path)
    request.user = user
    return [item for group in navigation.sidebar(request) for item in group["items"]]


def active(user: User, path: str) -> list[str]:
    return [str(item["link"]) for item in bar(user, path) if item.get("active")]


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root")


@pytest.mark.parametrize("role", STAFF)
def test_a_role_has_its_day_and_nothing_that_it_may_not_open(role: Role, site: Site, login: Any) -> None:
    user = person("somebody", role, site)
    assert navigation.roles_of(user) == [role]
    items = bar(user)
    assert len(items) == len(navigation.EVERY_DAY[role]) + 2 <= 10, "all of its day, and at most ten"
    client = login(user)
    assert {client.get(item["link"]).status_code for item in items} == {200}


@pytest.mark.parametrize(
    "roles", [(Role.COORDINATOR, Role.DATA_MANAGER), tuple(STAFF), (Role.MONITOR, Role.PHARMACIST)]
)
def test_several_roles_share_ten_entries(roles: tuple[Role, ...], site: Site) -> None:
    user = person("somebody", roles[0], site)
    user.groups.set(Group.objects.filter(name__in=[role.value for role in roles]))
    links = [item["link"] for item in bar(user)]
    assert len(links) == len(set(links)) == 10


def test_an_administrator_looks_after_people(root: User) -> None:
    links = [item["link"] for item in bar(root)]
    assert reverse("admin:trialsite_user_changelist") in links
    assert len(links) == 10


def test_it_costs_no_query_beyond_the_permissions(alice: User) -> None:
    alice = User.objects.get(pk=alice.pk)
    alice.has_perm("trialsite.view_user")
    with CaptureQueriesContext(connection) as captured:
        bar(alice)
    assert not captured.captured_queries


def test_the_closest_entry_is_active_also_below_its_list(alice: User) -> None:
    people, everything = reverse("admin:participants_participant_changelist"), reverse("admin:all_records")
    assert active(alice, people) == [people]
    assert active(alice, reverse("admin:participants_participant_page", args=[1])) == [people]
    assert active(alice, reverse("admin:participants_participant_eligibility", args=[1])) == [people]
    assert active(alice, reverse("admin:participants_participant_trail")) == [everything], "a page of its own"
    assert active(alice, reverse("admin:dosing_cellproduct_add")) == [everything], "none of the coordinator's day"
    assert active(alice, everything) == [everything]
    assert active(alice, reverse("admin:index")) == []


def test_every_list_of_the_site_is_among_all_records(root: User, login: Any) -> None:
    text = login(root).get(reverse("admin:all_records")).content.decode()
    ours = [model for model in admin.site._registry if model._meta.app_label not in {"knox", "pghistory", "auth"}]
    lists = [reverse(f"admin:{one._meta.app_label}_{one._meta.model_name}_changelist") for one in ours]
    assert [address for address in lists if f'href="{address}"' not in text] == []


@pytest.mark.parametrize("role", [Role.MONITOR, Role.PHARMACIST, Role.AUDITOR])
def test_all_records_lead_nobody_to_a_refusal(role: Role, site: Site, login: Any) -> None:
    user = person("somebody", role, site)
    client = login(user)
    groups = client.get(reverse("admin:all_records")).context["groups"]
    assert groups
    refused = [name for _title, pages in groups for name, link in pages if client.get(link).status_code != 200]
    assert refused == []
