"""The pages of the tables of safety: what a page shows, the paper and the file hold too."""

from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from safety.tablepages import BY_POPULATION, TITLES, Report, on_paper, report_of
from safety.tables import POPULATION_NAMES, Population
from trialsite import listexport, printing
from trialsite.firstpage import sites_of

VIEW = "safety.view_safety_tables"
MODEL = "safety.AdverseEvent"
CSV, XLSX, PDF = "csv", "xlsx", "pdf"


def urls(page: Any) -> list[URLPattern]:
    wrap = page.admin_site.admin_view
    found = []
    for code in TITLES:
        name = f"safety_safetyalert_{code}"
        found += [
            path(f"{code}/", wrap(partial(show, page, code)), name=name),
            path(f"{code}/<slug:kind>/", wrap(partial(leave, page, code)), name=f"{name}_file"),
        ]
    return found


def show(page: Any, code: str, request: HttpRequest) -> TemplateResponse:
    report, population = _asked(request, code)
    query = f"?{urlencode({'population': population})}" if code in BY_POPULATION else ""
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": report.title,
        "report": report,
        "pages": [(title, _address(one) + query, one == code) for one, title in TITLES.items()],
        "populations": list(POPULATION_NAMES.items()) if code in BY_POPULATION else [],
        "population": population,
        "files": [
            (name, reverse(f"admin:safety_safetyalert_{code}_file", args=[kind]) + query)
            for name, kind in ((_("Print (PDF)"), PDF), (_("Export (XLSX)"), XLSX), (_("Export (CSV)"), CSV))
        ],
    }
    return TemplateResponse(request, "admin/safety/tables.html", context)


def leave(page: Any, code: str, request: HttpRequest, kind: str) -> HttpResponseBase:
    if kind not in (CSV, XLSX, PDF):
        raise Http404
    report, _population = _asked(request, code)
    content = f"safety-{code}"
    if kind == PDF:
        printed = on_paper(report, sites_of(request.user))  # type: ignore[arg-type]  # nobody gets here without a login
        return printing.leave(request, printed, model=MODEL, content=content, now=timezone.now())
    return listexport.leave(
        request, kind=kind, header=report.header, table=report.data, sheet=report.title, model=MODEL, content=content
    )


def _asked(request: HttpRequest, code: str) -> tuple[Report, Population]:
    """What is asked for; of a population that there is not, the usual one."""
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    asked = request.GET.get("population", "")
    population = Population(asked) if asked in list(Population) else Population.SINCE_INFUSION
    sites = list(sites_of(request.user))  # type: ignore[arg-type]  # nobody gets here without a login
    return report_of(code, sites, population, now=timezone.now()), population


def _address(code: str) -> str:
    return reverse(f"admin:safety_safetyalert_{code}")
