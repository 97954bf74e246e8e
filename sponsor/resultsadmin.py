"""The page of the results for the registry, and the file of them; both hold what `registryfacts` reads, and no more."""

import hashlib
import json
from functools import partial
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from sponsor import registryfacts, registrypage
from trialsite import listexport
from trialsite.exports import attachment, timed_name
from trialsite.firstpage import sites_of
from trialsite.models import Site
from trialsite.study import get_study

VIEW = "sponsor.view_registry_results"
NAME = "sponsor_apiread_results"


def urls(page: Any) -> list[URLPattern]:
    wrap = page.admin_site.admin_view
    return [
        path("results/", wrap(partial(_show, page)), name=NAME),
        path("results/json/", wrap(_leave), name=f"{NAME}_file"),
    ]


def _show(page: Any, request: HttpRequest) -> TemplateResponse:
    sites = _sites(request)
    told = registryfacts.told_of(sites, now=timezone.now())
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": _("Results for the registry"),
        "as_of": told.as_of,
        "parts": registrypage.parts(told),
        "missing": registrypage.missing_in_words(told),
        "small": registrypage.small_in_words(told),
        "caveats": told.facts.caveats,
        "time_frame": told.facts.safety.time_frame,
        "is_part": Site.objects.count() > len(sites),
        "file": reverse(f"admin:{NAME}_file"),
    }
    return TemplateResponse(request, "admin/sponsor/results.html", context)


def _leave(request: HttpRequest) -> HttpResponse:
    """The file for the registry, recorded before it leaves."""
    sites, now = _sites(request), timezone.now()
    told = registryfacts.told_of(sites, now=now)
    number = {"identificationModule": {"nctId": get_study().latest.registry_id}}
    whole = {"protocolSection": number, "resultsSection": told.section}
    content = json.dumps(whole, ensure_ascii=False, indent=2).encode()
    listexport.record(
        request,
        at=now,
        kind="json",
        model="sponsor.ApiRead",
        filters=f"results site={','.join(site.code for site in sites)}",
        rows=len(told.facts.people),
        has_identity=False,
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return attachment(f"{timed_name('registry-results', now)}.json", content, "application/json")


def _sites(request: HttpRequest) -> list[Site]:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    return list(sites_of(request.user))  # type: ignore[arg-type]  # nobody gets here without a login
