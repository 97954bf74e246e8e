"""The pages of what stands beside a grade: every cell of the table, and the site's own texts for them."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import translation
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from safety import actions, consequences, guidance
from safety.guidance import Cell
from safety.models import GuidanceText, graded
from trialsite.reading import read_key
from trialsite.recordadmin import RecordAdmin
from trialsite.voiding import Consequences


@admin.register(GuidanceText)
class GuidanceTextAdmin(RecordAdmin):
    """Written anew, never changed; one with the permission approves it, and from then on it is read at the bedside."""

    site_path = "site"
    actions_detail = ["approve", "void_record"]
    list_display = ("cell_shown", "site", "version", "source", "created_by", "state_label", "approved_at", "void_mark")
    list_display_links = ("cell_shown",)
    list_filter = (
        ("toxicity", admin.ChoicesFieldListFilter),
        "grade",
        "with_crs",
        ("approved_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("site", "created_by", "approved_by")
    fieldsets = (
        (_("Beside which grade"), {"fields": ("site", ("toxicity", "grade", "with_crs"))}),
        (_("Text"), {"fields": ("text_zh", "text_en")}),
        (_("Where it comes from"), {"fields": (("source", "version"),)}),
        (_("Approval"), {"fields": (("approved_by", "approved_at"),)}),
    )
    readonly_fields = ("approved_by", "approved_at")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return [one for one in fieldsets if obj is not None or one[0] != _("Approval")]

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        actions.propose_guidance(text=obj, by=request.user, now=now)

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return consequences.of_guidance(obj)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "site" and not request.user.is_superuser:
            kwargs["queryset"] = request.user.sites.all()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What stands there now, to be rewritten."""
        asked = super().get_changeform_initial_data(request)
        sites = list(request.user.sites.all()[:2])
        given = {"site": sites[0].pk, **asked} if len(sites) == 1 else asked
        grade = str(given.get("grade", ""))
        with_crs = given.get("with_crs") in {"True", "1", "on", True}
        cell = guidance.cell_of(given.get("toxicity", ""), read_key(grade), with_crs)
        return {**_texts(cell), **given, "with_crs": with_crs} if cell in guidance.CELLS else given

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """To the page from which it can be approved."""
        return HttpResponseRedirect(self.url("change", obj.pk))

    # --- the table ----------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("cells/", wrap(self.cells_view), name="safety_guidancetext_cells"),
            path("<path:object_id>/approve/", wrap(self.approve_view), name="safety_guidancetext_approve"),
            *super().get_urls(),
        ]

    def cells_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        waiting = self.get_queryset(request).standing().filter(approved_at__isnull=True)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Guidance by grade"),
            "rows": [self._row(request, cell, waiting) for cell in guidance.CELLS],
            "never_an_order": guidance.NEVER_AN_ORDER,
            "may_write": self.has_add_permission(request),
            "texts": reverse("admin:safety_guidancetext_changelist"),
        }
        return TemplateResponse(request, "admin/safety/guidance_cells.html", context)

    def _row(self, request: HttpRequest, cell: Cell, waiting: QuerySet[GuidanceText]) -> dict[str, Any]:
        site = request.user.sites.first()
        names = {"toxicity": cell.toxicity, "grade": cell.grade, "with_crs": cell.with_crs}
        return {
            "name": name_of(cell),
            "text": guidance.for_grade(
                cell.toxicity, cell.grade, cell.with_crs, translation.get_language() or "", site=site
            ),
            "waiting": list(waiting.filter(**names)),
            "replace": reverse("admin:safety_guidancetext_add") + "?" + urlencode(names),
        }

    # --- approval -----------------------------------------------------------------------------

    @action(description=_("Approve…"), permissions=["approve"])
    def approve(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("approve", object_id))

    def has_approve_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        if not request.user.has_perm("safety.approve_guidancetext"):
            return False
        row = self.get_object(request, object_id) if object_id else None
        return row is None or (row.approved_at is None and not row.is_void)

    def approve_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.ask(
            request,
            object_id,
            allowed=request.user.has_perm("safety.approve_guidancetext"),
            form_class=forms.Form,
            title=_("Approve a guidance text"),
            intro=_("From now on it stands beside the grade, with your name, in the place of the text before."),
            button=_("Approve"),
            act=lambda obj, data, now: actions.approve_guidance(text=obj, by=request.user, now=now),
            done=_("The text is approved."),
        )

    @admin.display(description=_("grade"), ordering="grade")
    def cell_shown(self, row: GuidanceText) -> str:
        return name_of(Cell(row.toxicity, row.grade, row.with_crs))

    @display(description=_("state"), label={True: "success", False: "warning"})
    def state_label(self, row: GuidanceText) -> tuple[bool, Any]:
        is_approved = row.approved_at is not None
        return is_approved, _("approved") if is_approved else _("not approved yet")


def name_of(cell: Cell) -> str:
    with_crs = " + CRS" if cell.with_crs else ""
    return f"{graded(cell.toxicity, cell.grade)}{with_crs}"


def _texts(cell: Cell | None) -> dict[str, str]:
    """The text of today in both languages, one step a line."""
    if cell is None:
        return {}
    zh, en = (guidance.for_grade(cell.toxicity, cell.grade, cell.with_crs, code) for code in ("zh", "en"))
    if zh is None or en is None:
        return {}
    return {"text_zh": "\n".join(zh.lines), "text_en": "\n".join(en.lines), "source": en.source}
