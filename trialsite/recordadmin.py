"""What every record's admin page shares: reach by site, reasons for changes, voiding, the audit trail."""

import datetime as dt
from collections.abc import Callable
from typing import Any, ClassVar

import pghistory
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextareaWidget

from trialsite import audit, formfields
from trialsite.refusal import Refused
from trialsite.typedadmin import TypedAdmin
from trialsite.voiding import Consequences, ReasonForm, form_for, void

__all__ = ["ReasonForm", "RecordAdmin", "RecordForm", "SiteScopedAdmin"]

REASON = "reason_for_change"
RECORD_FIELDS = ("created_at", "created_by", "modified_at")
# Names of fields that name a person outside the study, wherever they stand.
IDENTITY = frozenset({"name", "birth_date", "phone", "hospital_number"})
VOID_FIELDS = ("voided_at", "voided_by", "void_reason")


class RecordForm(forms.ModelForm):  # type: ignore[type-arg]
    """Asks for the reason once there is something to change, and shows what an action refused."""

    refusal: ClassVar[Refused | None] = None
    reason_for_change = forms.CharField(
        label=_("Reason for the change"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Goes into the audit trail beside the old and the new values."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.fields.pop(REASON, None)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.refusal is not None:
            raise self.refusal
        changed = [name for name in self.changed_data if name != REASON]
        if REASON in self.fields and changed and not cleaned.get(REASON, "").strip():
            self.add_error(REASON, _("A change after the first save needs its reason."))
        return cleaned

    def _post_clean(self) -> None:
        """Once the instance holds what was typed and its own constraints agree, ask the action's question."""
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            try:
                self.check(self.instance)
            except Refused as refusal:
                self.add_error(None, refusal)

    def check(self, row: Any) -> None:
        """What the action will check, asked before it is called. Raises Refused."""


class SiteScopedAdmin(TypedAdmin):
    """Rows of the person's own sites; nothing can be deleted."""

    # How to get from the model to its site.
    site_path: str = "participant__site"
    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = False
    warn_unsaved_form = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(**{f"{self.site_path}__in": request.user.sites.all()})

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """An address such as ?name=… would tell whether a guess is right, and stand in every log."""
        return not IDENTITY & set(lookup.split("__")) and super().lookup_allowed(lookup, value, request)

    def permission(self, verb: str) -> str:
        return f"{self.opts.app_label}.{verb}_{self.opts.model_name}"


class RecordAdmin(SiteScopedAdmin):
    """A record's page: the form in the order of the work, who recorded it, and every change below."""

    form = RecordForm
    change_form_after_template = "admin/trialsite/audit_trail_section.html"
    actions_detail = ["void_record"]
    can_void = True
    formfield_overrides: ClassVar[dict[Any, Any]] = {
        **formfields.OVERRIDES,
        models.TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 3})},
    }
    # Shown to those who may see identity only, here and in the audit trail.
    identity_fields: tuple[str, ...] = ()

    # --- saving -------------------------------------------------------------------------------

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        """Save through the action of this model; the default is a plain save."""
        if not change:
            obj.created_by, obj.created_at = request.user, now
        obj.save()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        pghistory.context(reason=form.cleaned_data.get(REASON, ""))
        self.perform(request, obj, form, change, timezone.now())

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        sees_trail = request.user.has_perm("trialsite.view_audit_trail")
        # No button that leads to a refusal.
        shown = {"show_history": sees_trail, **self._audit_context(request, object_id)}
        extra = {**(extra_context or {}), **shown}
        try:
            return super().changeform_view(request, object_id, form_url, extra)
        except Refused as refusal:
            # Somebody else was faster: show the refusal on the form, with all that was typed.
            request.refusal = refusal  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"refusal": getattr(request, "refusal", None), "by": request.user})

    # --- what is shown ------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = [*super().get_fieldsets(request, obj)]
        if not self.sees_identity(request):
            fieldsets = [_without(fieldset, self.identity_fields) for fieldset in fieldsets]
            fieldsets = [fieldset for fieldset in fieldsets if fieldset[1]["fields"]]
        if obj is None:
            return fieldsets
        if self.has_change_permission(request, obj):
            fieldsets.append((_("Why this change"), {"fields": (REASON,)}))
        if obj.is_void:
            fieldsets.insert(0, (_("Void"), {"fields": VOID_FIELDS}))
        return [*fieldsets, (_("Record"), {"fields": RECORD_FIELDS, "classes": ("collapse",)})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*super().get_readonly_fields(request, obj), *RECORD_FIELDS, *VOID_FIELDS)

    def get_list_filter(self, request: HttpRequest) -> Any:
        return (*super().get_list_filter(request), VoidFilter)

    def sees_identity(self, request: HttpRequest) -> bool:
        return request.user.has_perm("participants.view_identity")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What is void stays as it is."""
        return super().has_change_permission(request, obj) and not (obj is not None and obj.is_void)

    # --- voiding ------------------------------------------------------------------------------

    def has_void_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.can_void and request.user.has_perm(self.permission("void"))

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_void"
        return [
            path("<path:object_id>/void/", self.admin_site.admin_view(self.void_view), name=name),
            *super().get_urls(),
        ]

    @action(description=_("Void…"), permissions=["void"])
    def void_record(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("void", object_id))

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        """What a void of this row would change, and what rests on it: shown before it is done."""
        return Consequences()

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        """Void through the action of this model, which takes back what followed; the default is the row alone."""
        void(obj, reason=reason, by=by, now=now)

    def void_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        obj = self.get_object(request, object_id)
        is_possible = obj is not None and not obj.is_void
        consequences = self.consequences(obj, now=timezone.now()) if is_possible else Consequences()
        return self.ask(
            request,
            object_id,
            allowed=self.has_void_permission(request, object_id),
            form_class=form_for(consequences),
            consequences=consequences,
            title=_("Void an entry made by mistake"),
            intro=_("The entry stays readable with its history, but no longer counts. This cannot be undone."),
            button=_("Void this entry"),
            act=lambda obj, data, now: self.perform_void(obj, reason=data["reason"], by=request.user, now=now),
            done=_("The entry is void."),
        )

    # --- questions on a page of their own -----------------------------------------------------

    def url(self, page: str, object_id: Any) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}", args=[object_id])

    def ask(
        self,
        request: HttpRequest,
        object_id: str,
        *,
        allowed: bool,
        form_class: Callable[..., forms.Form],
        title: Any,
        intro: Any,
        button: Any,
        act: Callable[[Any, dict[str, Any], dt.datetime], Any],
        done: Any,
        back: str = "change",
        follow: bool = False,
        consequences: Consequences | None = None,
    ) -> HttpResponse:
        """One question about one row: a form, then the action; a refusal shows on the form.

        `back` names the page to return to; `follow` goes to the row that the action returned instead.
        """
        obj = self.get_object(request, object_id)
        if obj is None or not allowed:
            raise PermissionDenied
        form = form_class(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                with transaction.atomic():
                    pghistory.context(reason=form.cleaned_data.get("reason", ""))
                    result = act(obj, form.cleaned_data, timezone.now())
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                messages.success(request, done)
                return HttpResponseRedirect(self.url(back, result.pk if follow else object_id))
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "intro": intro,
            "button": button,
            "form": form,
            "consequences": consequences,
            "original": obj,
            "opts": self.opts,
            "back": self.url(back, object_id),
        }
        return TemplateResponse(request, "admin/trialsite/ask.html", context)

    # --- audit trail --------------------------------------------------------------------------

    def _audit_context(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        if object_id is None or not request.user.has_perm("trialsite.view_audit_trail"):
            return {}
        obj = self.get_object(request, object_id)
        if obj is None:
            return {}
        hidden = () if self.sees_identity(request) else self.identity_fields
        return {"audit_trail": audit.trail(obj, hidden=hidden)}

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj = self.get_object(request, object_id)
        if obj is None or not request.user.has_perm("trialsite.view_audit_trail"):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            **self._audit_context(request, object_id),
            "title": _("Audit trail"),
            "original": obj,
            "object": obj,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/trialsite/audit_trail.html", context)

    @admin.display(description=_("void"), boolean=False)
    def void_mark(self, obj: Any) -> str:
        return format_html("<s>{}</s>", _("void")) if obj.is_void else ""


class VoidFilter(admin.SimpleListFilter):
    """Void entries are out of sight until somebody looks for them."""

    title = _("void entries")
    parameter_name = "void"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("only", _("void only")), ("all", _("with void ones"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return queryset
        return queryset.filter(voided_at__isnull=self.value() != "only")


def _without(fieldset: Any, names: tuple[str, ...]) -> Any:
    title, options = fieldset
    rows = [
        tuple(field for field in row if field not in names) if isinstance(row, tuple | list) else row
        for row in options["fields"]
    ]
    return title, {**options, "fields": tuple(row for row in rows if row and row not in names)}
