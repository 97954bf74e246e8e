"""The pages of an import: upload a file, watch it being checked, read what becomes of each row, decide."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from participants import imports
from participants.actions import imports as actions
from participants.imports import FATE_NAMES, FINE, Fate
from participants.models import MeasurementImport
from participants.models.imports import ImportState
from participants.names import MEASURE_NAMES, answer_text
from participants.rules.measures import MEASURES, Kind, Measure
from trialsite.models import Site, User
from trialsite.recordadmin import SiteScopedAdmin
from trialsite.refusal import Refused

SHOWN = 200
STATE_LABELS = {
    ImportState.UPLOADED: "info",
    ImportState.CHECKING: "info",
    ImportState.CHECKED: "warning",
    ImportState.IMPORTING: "info",
    ImportState.IMPORTED: "success",
    ImportState.DISCARDED: "default",
    ImportState.FAILED: "danger",
}


class UploadForm(forms.Form):
    site = forms.ModelChoiceField(Site.objects.none(), label=_("Site"), widget=UnfoldAdminSelectWidget)
    file = forms.FileField(
        label=_("CSV file"),
        allow_empty_file=True,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,.tsv,text/csv"}),
    )

    def __init__(self, *args: Any, sites: QuerySet[Site], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["site"]
        field.queryset, field.initial = sites, sites.first() if sites.count() == 1 else None
        if field.initial:
            field.widget = forms.HiddenInput()


@admin.register(MeasurementImport)
class MeasurementImportAdmin(SiteScopedAdmin):
    site_path = "site"
    list_display = ("number", "state_label", "uploaded_at", "uploaded_by", "file_name", "rows_total", "site")
    list_filter = (("state", admin.ChoicesFieldListFilter),)
    list_select_related = ("uploaded_by", "site")
    actions_list = ("import_results",)
    # A file's name is somebody's own: it may name a person.
    identity_fields = ("file_name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # A file and its fates have megabytes; only the page of one import reads its fates.
        return super().get_queryset(request).defer("content", "fates").select_related("site", "uploaded_by")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=_("import"), ordering="id")
    def number(self, row: MeasurementImport) -> str:
        return str(row)

    @display(description=_("state"), ordering="state", label=STATE_LABELS)
    def state_label(self, row: MeasurementImport) -> tuple[str, str]:
        return row.state, row.get_state_display()

    # --- pages --------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        def page(address: str, view: Any, name: str) -> URLPattern:
            return path(address, self.admin_site.admin_view(view), name=f"participants_measurementimport_{name}")

        return [
            page("template.csv", self.template_view, "template"),
            page("<int:number>/progress/", self.progress_view, "progress"),
            page("<int:number>/rows.csv", self.rows_view, "rows"),
            page("<int:number>/import/", require_POST(self.import_view), "import"),
            page("<int:number>/discard/", require_POST(self.discard_view), "discard"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        # The button with words is enough; the round one with a cross would lead to the same page.
        return super().changelist_view(request, {**(extra_context or {}), "has_add_permission": False})

    @action(description=_("Import results…"), permissions=["upload"])
    def import_results(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:participants_measurementimport_add"))

    def has_upload_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.has_add_permission(request)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        person = _person(request)
        sites = Site.objects.all() if person.is_superuser else person.sites.all()
        posted = request.method == "POST"
        form = UploadForm(request.POST if posted else None, request.FILES if posted else None, sites=sites)
        if posted and form.is_valid() and (row := self._upload(request, form)):
            return HttpResponseRedirect(self._url("change", row.pk))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Import results"),
            "form": form,
            "opts": self.opts,
            "back": reverse("admin:participants_measurementimport_changelist"),
            "template_url": reverse("admin:participants_measurementimport_template"),
            "megabytes": imports.MAX_MEGABYTES,
            "rows": f"{imports.MAX_ROWS:,}",
            "columns": [(name, text, name in imports.REQUIRED) for name, text in imports.COLUMNS.items()],
            "measures": [(code, MEASURE_NAMES[code], _answers(one)) for code, one in MEASURES.items()],
        }
        return TemplateResponse(request, "admin/participants/import_upload.html", context)

    def _upload(self, request: HttpRequest, form: UploadForm) -> MeasurementImport | None:
        file = form.cleaned_data["file"]
        try:
            imports.check_size(file.size)
            return actions.upload(
                site=form.cleaned_data["site"],
                file_name=file.name,
                content=file.read(),
                by=_person(request),
                now=timezone.now(),
            )
        except Refused as refusal:
            form.add_error("file", refusal)
            return None

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self._row(request, object_id)
        chosen = request.GET.get("fate", "")
        chosen = chosen if chosen in FATE_NAMES else ""
        found = [one for one in row.fates if (one["fate"] == chosen if chosen else one["fate"] not in FINE)]
        context = {
            **self.admin_site.each_context(request),
            "title": str(row).capitalize(),
            "original": row,
            "opts": self.opts,
            "earlier": actions.earlier(row),
            "progress": _progress(row),
            "fates": [(fate.value, FATE_NAMES[fate], row.count(fate)) for fate in Fate] if row.fates else [],
            "chosen": chosen,
            "rows": [_shown(one) for one in found[:SHOWN]],
            "hidden": max(len(found) - SHOWN, 0),
            "obstacle": imports.why_not(row.counts, accept_unusual=True),
            "unusual": row.count(Fate.UNUSUAL),
            "importable": row.count(Fate.NEW) + row.count(Fate.UNUSUAL),
            "may_decide": self.has_add_permission(request),
            **{f"{name}_url": self._url(name, row.pk) for name in ("progress", "rows", "import", "discard")},
        }
        return TemplateResponse(request, "admin/participants/import_preview.html", context)

    def progress_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """How far the worker is; a few bytes, asked for every second."""
        row = self._row(request, number)
        answer = {
            "state": row.state,
            "rows_done": row.rows_done,
            "rows_total": row.rows_total,
            "text": _progress(row),
        }
        return JsonResponse(answer, headers={"Cache-Control": "no-store"})

    def rows_view(self, request: HttpRequest, number: int) -> HttpResponse:
        row = self._row(request, number)
        return _download(imports.fates_file(row.fates, row.content), f"import-{row.pk}.csv")

    def template_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return _download(imports.template_file(), "results-template.csv")

    def import_view(self, request: HttpRequest, number: int) -> HttpResponse:
        accept = request.POST.get("accept_unusual") == "on"
        return self._decide(
            request, number, lambda row, **who: actions.import_now(row=row, accept_unusual=accept, **who)
        )

    def discard_view(self, request: HttpRequest, number: int) -> HttpResponse:
        return self._decide(request, number, lambda row, **who: actions.discard(row=row, **who))

    def _decide(self, request: HttpRequest, number: int, decide: Any) -> HttpResponse:
        row = self._row(request, number)
        if not self.has_add_permission(request):
            raise PermissionDenied
        try:
            decide(row, by=_person(request), now=timezone.now())
        except Refused as refusal:
            messages.error(request, " ".join(refusal.messages))
        return HttpResponseRedirect(self._url("change", row.pk))

    def _row(self, request: HttpRequest, number: Any) -> MeasurementImport:
        """The import, if it is one of the person's sites."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_object(request, str(number))
        if row is None:
            raise Http404
        return row

    def _url(self, page: str, number: int) -> str:
        return reverse(f"admin:participants_measurementimport_{page}", args=[number])


def _person(request: HttpRequest) -> User:
    """Who asks; the admin lets nobody else in."""
    assert isinstance(request.user, User)
    return request.user


def _answers(measure: Measure) -> str:
    """The units of a number, the words of a choice, or how a date is written."""
    if measure.kind == Kind.NUMBER:
        return " · ".join(answer_text("unit", unit) or "—" for unit in measure.all_units)
    if measure.kind == Kind.DATE:
        return "2026-03-05 · 2026-03 · 2026"
    return " · ".join(answer_text(measure.code, choice) for choice in measure.choices)


def _progress(row: MeasurementImport) -> str:
    total = f"{row.rows_total:,}"
    return total if row.state == ImportState.IMPORTING else f"{row.rows_done:,} / {total}"


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    name = MEASURE_NAMES.get(entry["measure"], entry["measure"])
    return {**entry, "fate_name": FATE_NAMES[entry["fate"]], "measure_name": name}


def _download(content: bytes, name: str) -> HttpResponse:
    disposition = f'attachment; filename="{name}"'
    return HttpResponse(content, "text/csv; charset=utf-8", headers={"Content-Disposition": disposition})
