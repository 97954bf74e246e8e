"""The screening log, the enrolment log and the participant flow: lists that are read, downloaded and drawn.

By number only: identity stays on the participant's own page, whatever the reader may see there.
"""

import datetime as dt
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from participants import flowchart
from participants.actions.days import long_date, site_day
from participants.admin.people import STATUS_LABELS
from participants.models import STATUS_NAMES, EnrolmentLogEntry, ScreeningLogEntry
from participants.prints import log_print
from participants.rules.flow import Flow, flow
from participants.rules.status import Status
from trialsite import printing, signing
from trialsite.exports import attachment, csv_response, file_name
from trialsite.flatlists import FlatChangeList
from trialsite.listcolumns import joined
from trialsite.models import Site
from trialsite.reading import Unreadable, read_date
from trialsite.recordadmin import SiteScopedAdmin, VoidFilter
from trialsite.study import get_study

VIEW = "participants.view_participant"


# More pages than anybody reads on paper.
MOST_PRINTED = 2000


class LogChangeList(FlatChangeList):
    def url_for_result(self, result: Any) -> str:
        """A line leads to the participant's page; the log has none of its own."""
        return reverse("admin:participants_participant_page", args=[result.pk])


class LogAdmin(SiteScopedAdmin):
    """A list for reading; its file has columns of its own, and never identity."""

    site_path = "site"
    search_fields = ("screening_number", "participant_number")
    search_help_text = _("Screening or participant number.")
    list_filter = (
        ("status", admin.ChoicesFieldListFilter),
        "site",
        VoidFilter,
    )
    actions = None
    files = (*SiteScopedAdmin.files, (_("Print (PDF)"), "print", "print"))
    list_fullwidth = True
    empty_value_display = "—"

    # --- who may ------------------------------------------------------------------------------

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(VIEW)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(VIEW)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what the filters ask: `?name=…` in the address would tell whether a guess is right."""
        return lookup in {"status__exact", "site__id__exact", VoidFilter.parameter_name}

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """The page of a line would show the whole row, identity too: there is the participant's page for that."""
        if object_id is None or not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:participants_participant_page", args=[object_id]))

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:participants_participant_history", args=[object_id]))

    # --- on paper -----------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_print"
        return [path("print/", self.admin_site.admin_view(self.print_view), name=name), *super().get_urls()]

    def print_view(self, request: HttpRequest) -> HttpResponse:
        """What the filters show, with the columns of the file; by number only, like the file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.GET = self._query(request)  # type: ignore[assignment]
        try:
            found = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(self._list_url("changelist") + "?e=1")
        if found.result_count > MOST_PRINTED:
            words = _("%(count)s lines are too many for paper (at most %(most)s): choose with the filters, or export.")
            messages.error(request, words % {"count": found.result_count, "most": MOST_PRINTED})
            return HttpResponseRedirect(self._list_url("changelist"))
        header, table = self.table_of(request, joined(found.queryset))
        printed = log_print(self.opts.verbose_name_plural, header, table, sites=_sites_of(request.user))
        return printing.leave(request, printed, model=self.opts.label, content=self.export_name, now=timezone.now())

    # --- the list -----------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: Any = super().get_queryset(request)
        found: QuerySet[Any] = rows.for_log()
        return found

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[FlatChangeList]:
        return LogChangeList

    def get_list_display(self, request: HttpRequest) -> Any:
        """The mark of void entries only where they are shown."""
        columns = super().get_list_display(request)
        return columns if "void" in request.GET else [name for name in columns if name != "void_mark"]

    # --- columns of both logs -----------------------------------------------------------------

    @display(description=_("screening number"), ordering="screening_number")
    def number(self, row: ScreeningLogEntry) -> str:
        return row.screening_number

    @display(description=_("screening number"), ordering="screening_number")
    def number_unbroken(self, row: ScreeningLogEntry) -> str:
        return format_html('<span class="ts-nowrap">{}</span>', row.screening_number)

    @display(description=_("status now"), label=STATUS_LABELS, ordering="status")
    def status_label(self, row: ScreeningLogEntry) -> tuple[str, str]:
        return row.status, row.get_status_display()

    @display(description=_("status now"))
    def status_now(self, row: ScreeningLogEntry) -> str:
        return row.get_status_display()

    @display(description=_("first consent on"))
    def consented_on(self, row: ScreeningLogEntry) -> dt.date | None:
        return row.consented_on

    @display(description=_("void"))
    def void_mark(self, row: ScreeningLogEntry) -> str:
        return gettext("void") if row.is_void else ""


def _short(day: dt.date | None, then: Any = "") -> Any:
    """A day that does not break, and what belongs to it below: two facts in one column of the list."""
    if day is None:
        return None
    shown = format_html('<span class="ts-nowrap">{}</span>', f"{day:%Y-%m-%d}")
    return format_html("{}<br><small>{}</small>", shown, then) if then else shown


def _block(text: str) -> Any:
    """Words that need room, and would otherwise stand in a column as narrow as its longest word."""
    return format_html('<span class="ts-block">{}</span>', text)


@admin.register(ScreeningLogEntry)
class ScreeningLogAdmin(LogAdmin):
    """Everybody who was asked, newest first, with the outcome of the screening; and the flow of all of them."""

    export_name = "screening-log"
    actions_list: ClassVar[Any] = ["see_flow"]
    list_display = (
        "number_unbroken",
        "screened",
        "consent",
        "sex_and_age",
        "outcome_day",
        "criteria",
        "reason_block",
        "status_label",
        "void_mark",
    )
    export_columns = (
        "number",
        "screened_before",
        "screened_on",
        "consented_on",
        "consent_version",
        "sex_name",
        "age",
        "status_now",
        "outcome",
        "outcome_on",
        "criteria",
        "reason",
        "void_mark",
    )

    @display(description=_("screened before as"))
    def screened_before(self, row: ScreeningLogEntry) -> str | None:
        return row.rescreening_of.screening_number if row.rescreening_of else None

    @display(description=_("screened on"))
    def screened_on(self, row: ScreeningLogEntry) -> dt.date | None:
        return row.screened_on

    @display(description=_("screened on"), ordering="id")
    def screened(self, row: ScreeningLogEntry) -> Any:
        before = self.screened_before(row)
        return _short(row.screened_on, gettext("before as %(number)s") % {"number": before} if before else "")

    @display(description=_("first consent"))
    def consent(self, row: ScreeningLogEntry) -> Any:
        version = gettext("version %(version)s") % {"version": self.consent_version(row)}
        return _short(row.consented_on, version)

    @display(description=_("sex, age at consent"))
    def sex_and_age(self, row: ScreeningLogEntry) -> str:
        age = row.age_at_consent
        return row.get_sex_display() if age is None else f"{row.get_sex_display()}, {age}"

    @display(description=_("outcome of the screening"))
    def outcome_day(self, row: ScreeningLogEntry) -> Any:
        return _short(self.outcome_on(row), self.outcome(row))

    @display(description=_("reason"))
    def reason_block(self, row: ScreeningLogEntry) -> Any:
        return _block(self.reason(row)) if self.reason(row) else None

    # --- and what only the file has in columns of their own -----------------------------------

    @display(description=_("consent version"))
    def consent_version(self, row: ScreeningLogEntry) -> str:
        return row.first_consent.version if row.first_consent else ""

    @display(description=_("sex"))
    def sex_name(self, row: ScreeningLogEntry) -> str:
        return row.get_sex_display()

    @display(description=_("age at consent (years)"))
    def age(self, row: ScreeningLogEntry) -> int | None:
        return row.age_at_consent

    @display(description=_("outcome of the screening"))
    def outcome(self, row: ScreeningLogEntry) -> str:
        end = row.screening_end
        return str(STATUS_NAMES[Status(end.status)]) if end else ""

    @display(description=_("outcome on"))
    def outcome_on(self, row: ScreeningLogEntry) -> dt.date | None:
        return row.screening_end.effective_on if row.screening_end else None

    @display(description=_("criteria not met"))
    def criteria(self, row: ScreeningLogEntry) -> str | None:
        return ", ".join(row.screening_end.criteria) or None if row.screening_end else None

    @display(description=_("reason"))
    def reason(self, row: ScreeningLogEntry) -> str:
        return row.reason_text(row.screening_end)

    # --- the participant flow -----------------------------------------------------------------

    @action(description=_("Participant flow"), permissions=["view"])
    def see_flow(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:participants_screeninglogentry_flow"))

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "participants_screeninglogentry_flow"
        return [
            path("flow/", view(self.flow_view), name=name),
            path("flow/<slug:kind>/", view(self.flow_file), name=f"{name}_file"),
            *super().get_urls(),
        ]

    def flow_view(self, request: HttpRequest) -> HttpResponse:
        numbers, chosen, sites = self._flow(request)
        query = urlencode({"site": chosen.code if chosen else "", "as_of": numbers.as_of.isoformat()})
        file = "admin:participants_screeninglogentry_flow_file"
        context = {
            **self.admin_site.each_context(request),
            **_shown(numbers, chosen, sites),
            "title": _("Participant flow"),
            "opts": self.opts,
            "chosen": chosen,
            "sites": sites,
            "today": site_day(timezone.now()),
            "files": [
                (title, f"{reverse(file, args=[kind])}?{query}")
                for title, kind in (
                    (_("Picture (SVG)"), "svg"),
                    (_("Numbers (CSV)"), "csv"),
                    (_("Numbers (JSON)"), "json"),
                )
            ],
        }
        return TemplateResponse(request, "admin/participants/flow.html", context)

    def flow_file(self, request: HttpRequest, kind: str) -> HttpResponse:
        numbers, chosen, sites = self._flow(request)
        write = {"svg": _flow_svg, "csv": _flow_csv, "json": _flow_json}.get(kind)
        if write is None:
            raise Http404
        return write(numbers, chosen, sites)

    def _flow(self, request: HttpRequest) -> tuple[Flow, Site | None, list[Site]]:
        """The numbers on the day asked for (today if none), of the site asked for or of all the person's sites."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        sites = _sites_of(request.user)
        code = request.GET.get("site", "")
        chosen = next((site for site in sites if site.code == code), None)
        if code and chosen is None:
            raise PermissionDenied
        counted = ScreeningLogEntry.objects.with_history().standing().filter(site__in=[chosen] if chosen else sites)
        histories = (one.flow_history for one in counted)
        return flow(histories, as_of=_day_of(request)), chosen, sites


def _sites_of(user: Any) -> list[Site]:
    return list(Site.objects.all() if user.is_superuser else user.sites.all())


def _day_of(request: HttpRequest) -> dt.date:
    """The day asked for; what cannot be read, or is still to come, is today."""
    today = site_day(timezone.now())
    try:
        asked = read_date(request.GET.get("as_of", ""))
    except Unreadable:
        asked = None
    return min(asked, today) if asked else today


def _shown(numbers: Flow, chosen: Site | None, sites: list[Site]) -> dict[str, Any]:
    """What the picture and the table need."""
    boxes = flowchart.boxes(numbers)
    names = gettext(", ").join(str(site) for site in ([chosen] if chosen else sites))
    return {
        "study": get_study().latest,
        "site_names": names,
        "flow": numbers,
        "boxes": boxes,
        "picture": flowchart.picture(boxes, _caption(numbers, names)),
    }


def _caption(numbers: Flow, names: str) -> tuple[str, ...]:
    study = get_study().latest
    as_of = gettext("%(site_names)s, as of %(day)s.") % {"site_names": names, "day": long_date(numbers.as_of)}
    return f"{study.registry_id} · {study.short_title}", as_of


def _flow_name(numbers: Flow, chosen: Site | None) -> str:
    return file_name(f"participant-flow{f'-{chosen.code}' if chosen else ''}", numbers.as_of)


def _flow_svg(numbers: Flow, chosen: Site | None, sites: list[Site]) -> HttpResponse:
    context = {**_shown(numbers, chosen, sites), "is_file": True}
    text = render_to_string("admin/participants/flow.svg", context)
    return attachment(f"{_flow_name(numbers, chosen)}.svg", text.encode(), "image/svg+xml")


def _flow_csv(numbers: Flow, chosen: Site | None, sites: list[Site]) -> HttpResponse:
    header = [_("box"), _("part"), _("meaning"), _("number")]
    return csv_response(_flow_name(numbers, chosen), header, flowchart.rows(flowchart.boxes(numbers)))


def _flow_json(numbers: Flow, chosen: Site | None, sites: list[Site]) -> HttpResponse:
    data = {
        "study": get_study().latest.registry_id,
        "sites": [site.code for site in ([chosen] if chosen else sites)],
        "as_of": numbers.as_of,
        "counted": "screenings; a person who is screened again has two",
        "flow": flowchart.as_data(numbers),
    }
    response = JsonResponse(data, json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = f'attachment; filename="{_flow_name(numbers, chosen)}.json"'
    return response


@admin.register(EnrolmentLogEntry)
class EnrolmentLogAdmin(LogAdmin):
    """Everybody who holds a participant number, in the order of the numbers."""

    export_name = "enrolment-log"
    list_display = (
        "participant",
        "number_unbroken",
        "consented",
        "confirmed",
        "enrolled",
        "exception_block",
        "infusion",
        "status_label",
        "end_block",
        "void_mark",
    )
    list_display_links = ("participant",)
    export_columns = (
        "participant",
        "number",
        "consented_on",
        "confirmed_on",
        "confirmed_by",
        "enrolled_on",
        "enrolled_by",
        "exception",
        "planned",
        "infused_on",
        "status_now",
        "ended_on",
        "end",
        "end_reason",
        "void_mark",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(participant_number__isnull=False)

    def look_at(self, rows: list[Any]) -> None:
        """The signatures that the enrolments rested on, verified in one query."""
        super().look_at(rows)
        signed = [row.confirmation for row in rows if row.confirmation]
        found = signing.verify(signed)
        for one in signed:
            one.signatures = found[one.pk]

    @display(description=_("participant number"), ordering="participant_number")
    def participant(self, row: EnrolmentLogEntry) -> str:
        return row.number

    @display(description=_("first consent"))
    def consented(self, row: EnrolmentLogEntry) -> Any:
        return _short(row.consented_on)

    @display(description=_("eligibility confirmed"))
    def confirmed(self, row: EnrolmentLogEntry) -> Any:
        return _short(self.confirmed_on(row), self.confirmed_by(row))

    @display(description=_("enrolled"))
    def enrolled(self, row: EnrolmentLogEntry) -> Any:
        return _short(self.enrolled_on(row), self.enrolled_by(row))

    @display(description=_("exception"))
    def exception_block(self, row: EnrolmentLogEntry) -> Any:
        return _block(row.exception_reason) if row.exception_reason else None

    @display(description=_("infusion"))
    def infusion(self, row: EnrolmentLogEntry) -> Any:
        return _short(row.infused_on) if row.infused_on else _short(row.infusion_planned_on, _("planned"))

    @display(description=_("end"))
    def end_block(self, row: EnrolmentLogEntry) -> Any:
        if row.participation_end is None:
            return None
        words = ", ".join(text for text in (self.end(row), self.end_reason(row)) if text)
        return _short(self.ended_on(row), _block(words))

    # --- and what only the file has in columns of their own -----------------------------------

    @display(description=_("eligibility confirmed on"))
    def confirmed_on(self, row: EnrolmentLogEntry) -> dt.date | None:
        return site_day(row.confirmation.created_at) if row.confirmation else None

    @display(description=_("confirmed by"))
    def confirmed_by(self, row: EnrolmentLogEntry) -> str:
        if row.confirmation is None:
            return ""
        broken = (one.short for one in row.confirmation.signatures if not one.counts)
        return " ".join([str(row.confirmation.created_by), *broken])

    @display(description=_("enrolled on"))
    def enrolled_on(self, row: EnrolmentLogEntry) -> dt.date | None:
        return row.enrolment.effective_on if row.enrolment else None

    @display(description=_("enrolled by"))
    def enrolled_by(self, row: EnrolmentLogEntry) -> str:
        return str(row.enrolled_by or "")

    @display(description=_("exception: reason"))
    def exception(self, row: EnrolmentLogEntry) -> str:
        return row.exception_reason

    @display(description=_("infusion planned on"), ordering="planned_infusion_on")
    def planned(self, row: EnrolmentLogEntry) -> dt.date | None:
        return row.infusion_planned_on

    @display(description=_("infused on"))
    def infused_on(self, row: EnrolmentLogEntry) -> dt.date | None:
        return row.infused_on

    @display(description=_("ended on"))
    def ended_on(self, row: EnrolmentLogEntry) -> dt.date | None:
        return row.participation_end.effective_on if row.participation_end else None

    @display(description=_("end"))
    def end(self, row: EnrolmentLogEntry) -> str:
        return row.participation_end.get_status_display() if row.participation_end else ""

    @display(description=_("reason of the end"))
    def end_reason(self, row: EnrolmentLogEntry) -> str:
        return row.reason_text(row.participation_end)
