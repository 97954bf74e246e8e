"""The calendar of a site's visits, and the link under which a person's own calendar reads it."""

import datetime as dt
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from participants import actions, calendars, feed, progress, workdays
from participants.calendars import Span, View
from participants.models import Visit
from trialsite.models import Site
from trialsite.reading import Unreadable, read_date

PERMISSION = "participants.view_visit"


def urls(page: Any) -> list[URLPattern]:
    def calendar(request: HttpRequest) -> HttpResponse:
        return _calendar(page, request)

    def link(request: HttpRequest) -> HttpResponse:
        return _link(page, request)

    wrap = page.admin_site.admin_view
    return [
        path("calendar/", wrap(calendar), name="participants_visit_calendar"),
        path("calendar/link/", wrap(link), name="participants_visit_calendar_link"),
    ]


def _calendar(page: Any, request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    now = timezone.now()
    today = actions.site_day(now)
    sites, chosen = _sites(request)
    shown = calendars.span(_view(request), _day(request, today))
    visits = calendars.visits_between([chosen] if chosen else sites, *_days_of(shown))
    seen = visits[: calendars.MOST]
    missing = progress.words_of(seen, now=now)
    found = calendars.entries(seen, today=today, link=_entered(request), missing=missing)
    context = {
        **page.admin_site.each_context(request),
        "title": _("Calendar of visits"),
        "opts": page.opts,
        "shown": shown,
        "today": today,
        "sites": sites,
        "chosen": chosen,
        "is_cut": len(visits) > calendars.MOST,
        "most": calendars.MOST,
        "weeks": calendars.weeks(shown, found, today=today) if shown.view is not View.LIST else (),
        "scale": calendars.scale(shown),
        "bars": calendars.bars(shown, found, today=today) if shown.view is View.LIST else (),
        "unknown": workdays.known().unknown_years(*_days_of(shown)),
        **_ways(shown, chosen, today),
    }
    return TemplateResponse(request, "admin/participants/calendar.html", context)


def _days_of(shown: Span) -> tuple[dt.date, dt.date]:
    return shown.first, shown.last


def _sites(request: HttpRequest) -> tuple[list[Site], Site | None]:
    """The person's sites, and the one of them that is asked for."""
    user: Any = request.user
    sites = list(Site.objects.all() if user.is_superuser else user.sites.all())
    code = request.GET.get("site", "")
    chosen = next((site for site in sites if site.code == code), None)
    if code and chosen is None:
        raise PermissionDenied
    return sites, chosen


def _view(request: HttpRequest) -> View:
    asked = request.GET.get("view", "")
    return View(asked) if asked in set(View) else View.MONTH


def _day(request: HttpRequest, today: dt.date) -> dt.date:
    """The day asked for; what cannot be read, or lies beyond every calendar, is today."""
    try:
        asked = read_date(request.GET.get("on", ""))
    except Unreadable:
        return today
    return asked if asked is not None and 2000 <= asked.year <= 2100 else today


def _entered(request: HttpRequest) -> calendars.Link:
    """Where it is entered; for those who may only read, where it is read."""
    may = request.user.has_perm("participants.change_visit")
    name = "admin:participants_visit_enter" if may else "admin:participants_visit_change"

    def link(visit: Visit) -> str:
        return reverse(name, args=[visit.pk])

    return link


def _ways(shown: Span, chosen: Site | None, today: dt.date) -> dict[str, Any]:
    """The addresses of what lies before and after, and of the same days in another view."""

    def to(view: View, on: dt.date) -> str:
        return "?" + urlencode(
            {"view": view.value, "on": f"{on:%Y-%m-%d}", **({"site": chosen.code} if chosen else {})}
        )

    names = {View.MONTH: _("Month"), View.WEEK: _("Week"), View.LIST: _("List")}
    return {
        "before": to(shown.view, shown.before),
        "after": to(shown.view, shown.after),
        "now": to(shown.view, today),
        "views": [(name, to(view, shown.on), view is shown.view) for view, name in names.items()],
    }


# --- The link of a person's own calendar ----------------------------------------------------------------


def _link(page: Any, request: HttpRequest) -> HttpResponse:
    """Made, shown once, and revoked by whom it belongs to."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    user: Any = request.user
    now, address = timezone.now(), ""
    if "make" in request.POST:
        address = feed.address_of(feed.make(by=user, now=now))
    elif "revoke" in request.POST:
        feed.revoke(by=user, now=now)
    context = {
        **page.admin_site.each_context(request),
        "title": _("Visits in your own calendar"),
        "opts": page.opts,
        "live": feed.live_of(user),
        "address": address,
        "webcal": feed.as_webcal(address),
        "ahead": feed.AHEAD.days,
    }
    return TemplateResponse(request, "admin/participants/calendar_link.html", context)
