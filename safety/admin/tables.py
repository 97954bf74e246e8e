"""The pages of the tables of safety: what a page shows, the paper and the file hold too."""

from dataclasses import dataclass, replace
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

from safety.tablepages import BY_POPULATION, STOPPING, TITLES, Report, on_paper, report_of
from safety.tables import POPULATION_NAMES, Population
from trialsite import listexport, printing
from trialsite.firstpage import sites_of
from trialsite.models import Site

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


@dataclass(frozen=True)
class Asked:
    """What the reader wants to see: of which of their sites, and for some tables of which population."""

    code: str
    population: Population
    # Of all that the reader reaches; `site` is the code of the one that was chosen, if it was.
    reached: list[Site]
    site: str

    @property
    def sites(self) -> list[Site]:
        """The stopping rule watches the study as a whole, whatever was chosen for the other tables."""
        if self.code == STOPPING:
            return self.reached
        return [one for one in self.reached if self.site in ("", one.code)]

    @property
    def report(self) -> Report:
        return report_of(self.code, self.sites, self.population, now=timezone.now())

    @property
    def query(self) -> str:
        """Of the address of a page or a file that shows the same."""
        said = {"population": self.population if self.code in BY_POPULATION else "", "site": self.site}
        found = urlencode({name: value for name, value in said.items() if value})
        return f"?{found}" if found else ""


def show(page: Any, code: str, request: HttpRequest) -> TemplateResponse:
    asked = _asked(request, code)
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": TITLES[code],
        "report": asked.report,
        "pages": [
            (title, _address(one) + replace(asked, code=one).query, one == code) for one, title in TITLES.items()
        ],
        "populations": list(POPULATION_NAMES.items()) if code in BY_POPULATION else [],
        "population": asked.population,
        "sites": asked.reached if len(asked.reached) > 1 and code != STOPPING else [],
        "site": asked.site,
        "files": [
            (name, reverse(f"admin:safety_safetyalert_{code}_file", args=[kind]) + asked.query)
            for name, kind in ((_("Print (PDF)"), PDF), (_("Export (XLSX)"), XLSX), (_("Export (CSV)"), CSV))
        ],
    }
    return TemplateResponse(request, "admin/safety/tables.html", context)


def leave(page: Any, code: str, request: HttpRequest, kind: str) -> HttpResponseBase:
    if kind not in (CSV, XLSX, PDF):
        raise Http404
    asked = _asked(request, code)
    report, content = asked.report, f"safety-{code}"
    if kind == PDF:
        printed = on_paper(report, asked.sites)
        return printing.leave(request, printed, model=MODEL, content=content, now=timezone.now())
    return listexport.leave(
        request, kind=kind, header=report.header, table=report.data, sheet=report.title, model=MODEL, content=content
    )


def _asked(request: HttpRequest, code: str) -> Asked:
    """Of a population that there is not, the usual one; of a site that the reader does not reach, all that they do."""
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    population, site = request.GET.get("population", ""), request.GET.get("site", "")
    reached = list(sites_of(request.user))  # type: ignore[arg-type]  # nobody gets here without a login
    return Asked(
        code,
        Population(population) if population in list(Population) else Population.SINCE_INFUSION,
        reached,
        site if site in {one.code for one in reached} else "",
    )


def _address(code: str) -> str:
    return reverse(f"admin:safety_safetyalert_{code}")
