"""What every answer tells the browser: nothing runs or is styled in a page without the nonce of its answer."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from trialsite.models import Site, User

# Where a line of our own, or of the theme, may carry what runs or is styled.
SCRIPT = re.compile(r"<script\b(?![^>]*\bsrc=)([^>]*)>", re.I)
STYLE = re.compile(r"<style\b([^>]*)>", re.I)
ATTRIBUTE = re.compile(r"<[a-z][^>]*?\s(style|on[a-z]+)=[\"']", re.I)
DATA = re.compile(r"type=[\"'](application/json|text/template)", re.I)
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
OPEN = ("/admin/login/", "/nowhere/", "/api/docs/", "/api/docs/?script=", "/api/schema/", "/api/v1/visits/", "/healthz")


def directives(policy: str) -> dict[str, list[str]]:
    return {words[0]: words[1:] for part in policy.split(";") if (words := part.split())}


def wrong(headers: Any, text: str) -> Iterator[str]:
    """What is amiss with an answer, in words; nothing where all is well."""
    policy = directives(headers.get("Content-Security-Policy", ""))
    yield from (f"{name}: {headers.get(name)}" for name, value in ALWAYS.items() if headers.get(name) != value)
    if "no-store" not in headers.get("Cache-Control", ""):
        yield "may be kept"
    if "camera=()" not in headers.get("Permissions-Policy", ""):
        yield "has powers"
    if "'unsafe-inline'" in str(policy) or policy.get("default-src") != ["'self'"]:
        yield f"policy: {policy}"
    if ("'unsafe-eval'" in str(policy)) != ("alpine.js" in text):
        yield "may evaluate, or needs to and may not"
    if headers.get("Content-Type", "").startswith("text/html"):
        yield from _in_the_page(policy, text)


def _in_the_page(policy: dict[str, list[str]], text: str) -> Iterator[str]:
    for directive, pattern in (("script-src", SCRIPT), ("style-src", STYLE)):
        for attributes in pattern.findall(text):
            nonce = re.search(r'nonce="([^"]+)"', attributes)
            is_known = nonce is not None and f"'nonce-{nonce[1]}'" in policy.get(directive, [])
            if not is_known and not DATA.search(attributes):
                yield f"without a nonce of {directive}: {attributes}"
    yield from (f"attribute {found}" for found in ATTRIBUTE.findall(text))


@pytest.mark.django_db
@pytest.mark.parametrize("path", OPEN)
def test_what_everybody_can_open_evaluates_nothing(path: str, client: Client, site: Site) -> None:
    response = client.get(path)
    assert list(wrong(response.headers, response.content.decode())) == []
    assert "'unsafe-eval'" not in response.headers["Content-Security-Policy"]


@pytest.mark.django_db
def test_no_page_of_the_administrator_carries_what_the_policy_refuses(site: Site, alice: User, login: Any) -> None:
    client = login(User.objects.create_superuser("root", "root@example.org", "correct horse battery"))
    pages = [reverse("admin:index"), reverse("admin:password_change")]
    for page in admin.site._registry.values():
        start = f"admin:{page.opts.app_label}_{page.opts.model_name}"
        pages += [reverse(f"{start}_changelist"), reverse(f"{start}_add")]
    pages += [reverse("admin:trialsite_user_change", args=[alice.pk])]
    answers = {path: client.get(path) for path in pages}
    assert len([one for one in answers.values() if one.status_code == 200]) > 60
    found = {path: list(wrong(one.headers, one.content.decode())) for path, one in answers.items()}
    assert {path: words for path, words in found.items() if words} == {}


@pytest.mark.django_db
def test_a_page_that_somebody_may_not_open_evaluates_nothing(mona: User, login: Any) -> None:
    response = login(mona).get(reverse("admin:dosing_infusion_add"))
    assert response.status_code == 403
    assert list(wrong(response.headers, response.content.decode())) == []


@pytest.mark.django_db
def test_every_answer_has_a_nonce_of_its_own(client: Client) -> None:
    policies = {client.get("/admin/login/").headers["Content-Security-Policy"] for _time in range(3)}
    assert len(policies) == 3


def test_nothing_is_reported_to_anybody() -> None:
    named = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    assert not {"report-uri", "report-to"} & set(named)


@pytest.mark.django_db
def test_nothing_moves_the_base_of_a_pages_addresses(client: Client) -> None:
    policy = client.get("/admin/login/").headers["Content-Security-Policy"]
    assert {"base-uri 'none'", "object-src 'none'", "frame-ancestors 'none'"} <= {
        one.strip() for one in policy.split(";")
    }
