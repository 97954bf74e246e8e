"""Who read what over the API: every read in a list, and the sums of each program between two days."""

import datetime as dt
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, Q, QuerySet, Sum
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from sponsor import resultsadmin
from sponsor.models import ApiRead
from trialsite.dooradmin import MomentFilter
from trialsite.listexport import LogAdmin
from trialsite.models import User
from trialsite.roles import Role

# What the page of sums shows unless other days are asked for; a longer time is read in parts.
USUAL_DAYS, MOST_DAYS = 30, 366


class ProgramFilter(admin.RelatedFieldListFilter):
    """The sponsor's programs."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[Any]:
        programs = User.objects.filter(groups__name=Role.SPONSOR_PROGRAM.value)
        return [(program.pk, program.username) for program in programs.order_by("username")]


class ApiReadAdmin(LogAdmin):
    """Who read what, for whoever must answer for it; nobody edits it."""

    list_display = ("at", "user", "path", "query", "status", "rows", "cut_off", "how", "ip", "token_key", "checksum")
    list_filter = (
        ("user", ProgramFilter),
        "status",
        ("at", MomentFilter),
        ("stage", admin.ChoicesFieldListFilter),
    )
    list_filter_submit = True
    # As the API answers; the mistakes of programs are among them.
    known_values: ClassVar[dict[str, Any]] = {"status": (200, 304, 400, 401, 403, 404, 405, 406, 429, 500)}
    list_select_related = ("user",)
    list_per_page = 50
    sortable_by = ("at",)
    fields = ("at", "user", "token_key", "ip", "path", "query", "status", "rows", "bytes", "cut_off", "how", "sha256")
    export_columns = fields
    readonly_fields = ("cut_off", "how")

    @display(description=_("complete until"))
    def cut_off(self, row: ApiRead) -> str:
        """To the second: what the program sends the next time."""
        return f"{timezone.localtime(row.complete_until):%Y-%m-%d %H:%M:%S}" if row.complete_until else ""

    @display(description=_("how it was sent"))
    def how(self, row: ApiRead) -> str:
        return row.get_stage_display()

    @display(description=_("checksum"))
    def checksum(self, row: ApiRead) -> str:
        """As much as tells two answers apart; the whole stands on the row's page and in the export."""
        return row.sha256[:12]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.totals_view)
        return [
            path("totals/", view, name="sponsor_apiread_totals"),
            *resultsadmin.urls(self),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            button = {
                "title": gettext("By program"),
                "icon": "leaderboard",
                "attrs": {},
                "path": reverse("admin:sponsor_apiread_totals"),
            }
            response.context_data["actions_list"] = [*response.context_data.get("actions_list", []), button]
        return response

    def totals_view(self, request: HttpRequest) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        first, last, mistake = _days(request, timezone.localdate())
        context = {
            **self.admin_site.each_context(request),
            "title": _("API reads by program"),
            "opts": self.opts,
            "totals": list(totals(first, last)),
            "first": first,
            "last": last,
            "today": timezone.localdate(),
            "mistake": mistake,
        }
        return TemplateResponse(request, "admin/sponsor/totals.html", context)


def totals(first: dt.date, last: dt.date) -> QuerySet[Any]:
    """Of each program, and of nobody whom we know: how often it asked on these days, and what it got."""
    zone = timezone.get_current_timezone()
    begin = dt.datetime.combine(first, dt.time.min, zone)
    end = dt.datetime.combine(last + dt.timedelta(days=1), dt.time.min, zone)
    reads = ApiRead.objects.filter(at__gte=begin, at__lt=end).order_by()
    return (
        reads.values("user", "user__username")
        .annotate(
            asked=Count("pk"),
            given=Count("pk", filter=Q(status=200)),
            unchanged=Count("pk", filter=Q(status=304)),
            refused=Count("pk", filter=Q(status__gte=400)),
            all_rows=Sum("rows"),
            newest=Max("at"),
        )
        .order_by("user__username")
    )


def _days(request: HttpRequest, today: dt.date) -> tuple[dt.date, dt.date, str]:
    """The days that were asked for; those of the last month where they cannot be read, and what is wrong with them."""
    usual = today - dt.timedelta(days=USUAL_DAYS - 1), today
    try:
        first, last = (
            dt.date.fromisoformat(text) if (text := request.GET.get(name)) else day
            for name, day in zip(("from", "to"), usual, strict=True)
        )
    except ValueError:
        return *usual, gettext("This is no date: choose the days in the calendar.")
    if not 0 <= (last - first).days < MOST_DAYS:
        return *usual, gettext("From a day to the same or a later one, and no more than %(n)s days.") % {"n": MOST_DAYS}
    return first, last, ""
