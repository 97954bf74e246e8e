"""The pages of an import: upload a file, watch it being checked, read what becomes of each row, decide."""

from typing import Any

import pghistory
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
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from participants import imports
from participants.actions import imports as actions
from participants.admin.importquestions import ROLES, QuestionsForm
from participants.imports import BLOCKING, FATE_NAMES, FINE, Fate
from participants.models import LaboratoryLayout, MeasurementImport
from participants.models.imports import ImportState
from participants.names import MEASURE_NAMES, answer_text
from participants.rules.measures import MEASURES, Kind, Measure
from trialsite import signing
from trialsite.exports import csv_response, timed_name, xlsx_response
from trialsite.models import Site, User
from trialsite.recordadmin import SiteScopedAdmin
from trialsite.refusal import Refused
from trialsite.signature import signed
from trialsite.voiding import form_for

SHOWN = 200
PAGES = ("progress", "rows", "import", "discard", "match", "void")
STATE_LABELS = {
    ImportState.ASKED: "warning",
    ImportState.UPLOADED: "info",
    ImportState.CHECKING: "info",
    ImportState.CHECKED: "warning",
    ImportState.IMPORTING: "info",
    ImportState.IMPORTED: "success",
    ImportState.DISCARDED: "default",
    ImportState.FAILED: "danger",
    ImportState.VOIDED: "default",
}


class UploadForm(forms.Form):
    site = forms.ModelChoiceField(Site.objects.none(), label=_("Site"), widget=UnfoldAdminSelectWidget)
    laboratory = forms.CharField(
        label=_("Laboratory"),
        required=False,
        max_length=100,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "laboratories", "autocomplete": "off"}),
        help_text=_("Whose file it is. What its columns and tests are called is asked once and kept for it."),
    )
    file = forms.FileField(
        label=_("File (Excel or CSV)"),
        allow_empty_file=True,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".xlsx,.csv,.txt,.tsv,text/csv"}),
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
    list_display = (
        "number",
        "state_label",
        "uploaded_at",
        "uploaded_by",
        "laboratory",
        "file_name",
        "rows_total",
        "site",
    )
    list_filter = (("state", admin.ChoicesFieldListFilter),)
    list_select_related = ("uploaded_by", "site")
    actions_detail = ("void_all",)
    actions_list = ("import_results",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # A file and its fates have megabytes; only the page of one import reads its fates.
        return super().get_queryset(request).defer(*actions.LARGE).select_related("site", "uploaded_by")

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
            page("<int:number>/match/", self.match_view, "match"),
            page("<int:number>/back.<slug:kind>", self.back_view, "back"),
            page("<int:number>/void/", self.void_view, "void"),
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
            return HttpResponseRedirect(self._url("match" if row.state == ImportState.ASKED else "change", row.pk))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Import results"),
            "form": form,
            "opts": self.opts,
            "back": reverse("admin:participants_measurementimport_changelist"),
            "template_url": reverse("admin:participants_measurementimport_template"),
            "laboratories": _laboratories(sites),
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
                laboratory=form.cleaned_data["laboratory"],
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
            "good": row.count(Fate.NEW),
            "back": sum(row.count(fate) for fate in (*BLOCKING, Fate.UNUSUAL)),
            "may_decide": self.has_add_permission(request),
            "can_match": MeasurementImport.objects.filter(pk=row.pk).exclude(raw="").exists(),
            "handed_back": sum(1 for one in row.fates if one.get("is_back")),
            "can_void": row.state == ImportState.IMPORTED and self.has_void_permission(request),
            "back_urls": [(kind.upper(), self._url("back", row.pk, kind)) for kind in ("csv", "xlsx")],
            "signatures": signing.of(row),
            **{f"{name}_url": self._url(name, row.pk) for name in PAGES},
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

    def back_view(self, request: HttpRequest, number: int, kind: str) -> HttpResponse:
        """The rows that were not taken, as a file to mend and to bring in again."""
        row = self._row(request, number)
        if not row.handed_back or kind not in ("csv", "xlsx"):
            raise Http404
        header, table = imports.handed_back(row.fates, row.handed_back)
        respond = csv_response if kind == "csv" else xlsx_response
        return respond(timed_name(f"import-{row.pk}-to-mend", timezone.now()), header, table)

    def match_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """What the file's columns and tests are, and what only a person knows about it."""
        row = self._row(request, number)
        if not self.has_add_permission(request):
            raise PermissionDenied
        asked = request.POST.get("sheet") or request.GET.get("sheet") or "0"
        sheet = int(asked) if asked.isdecimal() else 0
        try:
            names, table = actions.table_of(row, sheet)
        except Refused as refusal:
            messages.error(request, " ".join(refusal.messages))
            return HttpResponseRedirect(self._url("change", row.pk))
        form = QuestionsForm(request.POST if request.method == "POST" else None, table=table)
        if request.method == "POST" and form.is_valid() and self._matched(request, row, sheet, form):
            return HttpResponseRedirect(self._url("change", row.pk))
        context = {
            **self.admin_site.each_context(request),
            "title": _("How is this file read?"),
            "original": row,
            "opts": self.opts,
            "form": form,
            "missing": [ROLES[name] for name in form.questions.missing],
            "sheet": sheet,
            "sheets": names if len(names) > 1 else [],
            "discard_url": self._url("discard", row.pk),
            "back": reverse("admin:participants_measurementimport_changelist"),
        }
        return TemplateResponse(request, "admin/participants/import_match.html", context)

    def _matched(self, request: HttpRequest, row: MeasurementImport, sheet: int, form: QuestionsForm) -> bool:
        said = {"layout": form.layout(), "answers": form.answers()}
        try:
            actions.match(row=row, sheet=sheet, **said, by=_person(request), now=timezone.now())
        except Refused as refusal:
            form.add_error(None, refusal)
            return False
        return True

    # --- voiding ------------------------------------------------------------------------------

    def has_void_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm(self.permission("void"))

    @action(description=_("Void…"), permissions=["void"])
    def void_all(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self._url("void", self._row(request, object_id).pk))

    def void_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """All that the import brought, out of the count in one act; what goes with it is shown before."""
        row = self._row(request, number)
        if not self.has_void_permission(request):
            raise PermissionDenied
        found = actions.consequences(row)
        form = signed(form_for(found))(request.POST if request.method == "POST" else None, request=request)
        if request.method == "POST" and form.is_valid() and self._voided(request, row, form):
            messages.success(request, _("The import is void, with all that it brought."))
            return HttpResponseRedirect(self._url("change", row.pk))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Void a whole import"),
            "intro": _("Its results stay readable with their history, but no longer count. This cannot be undone."),
            "button": _("Void the whole import"),
            "form": form,
            "consequences": found,
            "original": row,
            "opts": self.opts,
            "back": self._url("change", row.pk),
        }
        return TemplateResponse(request, "admin/trialsite/ask.html", context)

    def _voided(self, request: HttpRequest, row: MeasurementImport, form: Any) -> bool:
        reason = form.cleaned_data["reason"]
        try:
            with pghistory.context(reason=reason):
                actions.void_import(row=row, reason=reason, by=_person(request), now=timezone.now())
        except Refused as refusal:
            form.add_error(None, refusal)
            return False
        return True

    def template_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return _download(imports.template_file(), "results-template.csv")

    def import_view(self, request: HttpRequest, number: int) -> HttpResponse:
        said = {name: request.POST.get(name) == "on" for name in ("accept_unusual", "is_partial")}
        return self._decide(request, number, lambda row, **who: actions.import_now(row=row, **said, **who))

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

    def _url(self, page: str, number: int, *more: Any) -> str:
        return reverse(f"admin:participants_measurementimport_{page}", args=[number, *more])


def _laboratories(sites: QuerySet[Site]) -> list[str]:
    """Whose files were read here before."""
    known = LaboratoryLayout.objects.filter(site__in=sites).exclude(laboratory="")
    return sorted(set(known.values_list("laboratory", flat=True)))


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
    entry = {"place": entry["line"], **entry}
    return {**entry, "fate_name": FATE_NAMES[entry["fate"]], "measure_name": name}


def _download(content: bytes, name: str) -> HttpResponse:
    disposition = f'attachment; filename="{name}"'
    return HttpResponse(content, "text/csv; charset=utf-8", headers={"Content-Disposition": disposition})
