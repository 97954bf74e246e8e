"""What every record's admin page shares: reach by site, reasons for changes, voiding, the audit trail."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

import pghistory
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import Model, QuerySet
from django.forms.models import _get_foreign_key
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextareaWidget

from trialsite import audit, formfields, merging, once, questions, shown, signature, signing, versions, wayback
from trialsite.constraints import as_refusals, check_unique
from trialsite.fields import PLEASE_CHOOSE
from trialsite.identity import IDENTITY, hidden_of
from trialsite.listexport import ExportAdmin
from trialsite.models import Meaning, Record
from trialsite.refusal import Refused
from trialsite.roles import ROLE_NAMES, ROLE_PERMISSIONS, Role
from trialsite.voiding import Consequences, ReasonForm, entangled, form_for, void

__all__ = ["ReadOnlyRecordAdmin", "ReasonForm", "RecordAdmin", "RecordForm", "SiteScopedAdmin"]

REASON = "reason_for_change"
RECORD_FIELDS = ("created_at", "created_by", "modified_at")
VOID_FIELDS = ("voided_at", "voided_by", "void_reason")


def rewritten(form: forms.BaseForm) -> list[str]:
    """Fields in which something was said before, and something else is said now: that needs a reason.

    To fill in what was empty, or still planned, is a first entry. No and 0 are answers.
    """
    planned = getattr(getattr(form, "instance", None), "not_filled_in", {})
    return [name for name in form.changed_data if form[name].initial not in (None, "", planned.get(name))]


class RecordForm(forms.ModelForm):  # type: ignore[type-arg]
    """Asks for the reason once there is something to change, and what the action will ask."""

    by: ClassVar[Any] = None
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
        for field in self.fields.values():
            field.label = formfields.capitalised(field.label)
        questions.prepare(self)
        shown.prepare(self)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if REASON in self.fields and rewritten(self) and not cleaned.get(REASON, "").strip():
            self.add_error(REASON, _("A change after the first save needs its reason."))
        return cleaned

    def _post_clean(self) -> None:
        """Once the instance holds what was typed and its own constraints agree, ask the action's question."""
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            changed = None if self.instance.pk is None else self.changed_data
            try:
                check_unique(self.instance)
                found = questions.about(*self.rows(), changed=changed, by=self.by, now=timezone.now())
                self.check(self.instance)
                changes = self.changes(self.instance)
            except Refused as refusal:
                self.add_error(None, refusal)
            else:
                shown.ask_to_look(self, changes)
                questions.settle(self, found, *self.rows())

    def check(self, row: Any) -> None:
        """What the action will check, asked before it is called. Raises Refused."""

    def changes(self, row: Any) -> Sequence[str]:
        """In words, what saving it changes of the visits: shown first, and saved once it was seen."""
        return ()

    def rows(self) -> list[Record]:
        """What this form is about to save, as far as somebody may ask about it."""
        return [self.instance]


def _refusing(form: Any, refusal: Refused) -> Any:
    """The form, shown again with why it was not taken."""

    def clean(self: Any) -> None:
        raise refusal

    return type(form.__name__, (form,), {"clean": clean})


def _chosen_of(row: Model) -> str:
    """The choices of several, such as a person's roles and sites: no audit trail has them."""
    return ",".join(
        f"{field.name}={sorted(one.pk for one in getattr(row, field.name).all())}" for field in row._meta.many_to_many
    )


def _line(form: Any, prefix: str, row: Model) -> Any:
    return form(instance=row, prefix=prefix)


class GuardedAdmin(ExportAdmin):
    """A page that saves once, never over what somebody else has saved, and says what the database refused."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        extra = {**(extra_context or {})}
        try:
            with as_refusals(), transaction.atomic():
                extra |= self._opened(request, object_id)
                return super().changeform_view(request, object_id, form_url, extra)
        except Refused as refusal:
            # Somebody else was faster: show the refusal on the form, with all that was typed.
            request.refusal = refusal  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        refusal = getattr(request, "refusal", None)
        return form if refusal is None else _refusing(form, refusal)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        once.made(request, obj)
        return super().log_addition(request, obj, message)

    # --- two people, one record -----------------------------------------------------------------

    def rows_of(self, request: HttpRequest, obj: Any) -> list[Model]:
        """The rows that the page of this one can change: itself, and those that are typed in lines below it."""
        rows = [obj]
        for inline in self.get_inline_instances(request, obj):
            if inline.has_change_permission(request, obj) and inline.fk_name is None:
                key = _get_foreign_key(self.model, inline.model)
                rows += inline.model._default_manager.filter(**{key.name: obj}).order_by("pk")
        return rows

    def lock_path(self) -> str:
        """The row that this one belongs to, which actions lock first."""
        return ""

    def hidden_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return ()

    def _opened(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        """The state of the rows for the page; where the page that was sent shows an older one, nothing is saved."""
        obj = self.get_object(request, unquote(object_id)) if object_id is not None else None
        if obj is None or not self.has_change_permission(request, obj):
            return {}
        if request.method == "POST":
            versions.lock(obj, through=self.lock_path())
            obj = self.get_object(request, unquote(str(object_id)))
        rows = self.rows_of(request, obj)
        current = versions.of(*rows, shown=_chosen_of(obj))
        if versions.is_stale(request, current):
            return {"opened": current, "conflict": self._merge(request, rows)}
        if request.method == "POST":
            self._take_theirs(request, obj)
        return {"opened": current}

    def _merge(self, request: HttpRequest, rows: list[Model]) -> versions.Conflict:
        """Refuses to save, and brings what was typed together with what was saved meanwhile."""
        request.refusal = Refused(_("Not saved yet: see above what was changed meanwhile."))  # type: ignore[attr-defined]
        opened = request.POST[versions.FIELD]
        data = request.POST = request.POST.copy()  # type: ignore[assignment]
        found: list[merging.Difference] = []
        for make, row in self._forms(request, rows[0]):
            was = versions.as_opened(opened, row)
            found += merging.merge(make(was), make(row), data) if was is not None else ()
        entries = versions.meanwhile(opened, *rows, hidden=self.hidden_fields(request))
        return versions.Conflict(entries, found)

    def _forms(self, request: HttpRequest, obj: Any) -> Iterator[tuple[Callable[[Model], Any], Model]]:
        """How to make the form of the row, and those of the lines below it, each with the row that it changes."""
        whole = self.get_form(request, obj, change=True)
        yield lambda row: whole(instance=row), obj
        formsets, _inlines = self._create_formsets(request, obj, change=True)
        for line in (line for formset in formsets if formset.is_bound for line in formset.initial_forms):
            yield partial(_line, type(line), line.prefix), line.instance

    def _take_theirs(self, request: HttpRequest, obj: Any) -> None:
        if any(name.startswith(merging.CHOICE) for name in request.POST):
            data = request.POST = request.POST.copy()  # type: ignore[assignment]
            for make, row in self._forms(request, obj):
                merging.take_theirs(make(row), data)


class SiteScopedAdmin(GuardedAdmin):
    """Rows of the person's own sites; nothing can be deleted."""

    # How to get from the model to its site.
    site_path: str = "participant__site"
    list_per_page = 50
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

    def lock_path(self) -> str:
        first, _dots, more = self.site_path.partition("__")
        return first if more else ""

    def permission(self, verb: str) -> str:
        return f"{self.opts.app_label}.{verb}_{self.opts.model_name}"


class RecordAdmin(SiteScopedAdmin):
    """A record's page: the form in the order of the work, who recorded it, and every change below."""

    form = RecordForm
    change_form_after_template = "admin/trialsite/audit_trail_section.html"
    actions_detail = ["void_record"]
    can_void = True
    # The page on which a row is read.
    home = "change"
    formfield_overrides: ClassVar[dict[Any, Any]] = {
        **formfields.OVERRIDES,
        models.TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 3})},
    }

    def formfield_for_nullboolean_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        widget = {} if db_field.choices else {"widget": formfields.AnswerWidget()}
        return super().formfield_for_nullboolean_field(db_field, request, **{**widget, **kwargs})

    # --- saving -------------------------------------------------------------------------------

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        """Save through the action of this model; the default is a plain save."""
        if not change:
            obj.created_by, obj.created_at = request.user, now
        obj.save()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        now = timezone.now()
        pghistory.context(reason=questions.reason_of(form, form.cleaned_data.get(REASON, "")))
        self.perform(request, obj, form, change, now)
        questions.keep(form, by=request.user, now=now)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Back to where the form was opened; else to the page of whom the row is about, where the next step is."""
        on = wayback.way_back(request, obj) or wayback.home_of(obj)
        return HttpResponseRedirect(on) if on else super().response_post_save_add(request, obj)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        on = wayback.way_back(request, obj) or wayback.home_of(obj)
        return HttpResponseRedirect(on) if on else super().response_post_save_change(request, obj)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        if (late := self._void_meanwhile(request, object_id)) is not None:
            return late
        sees_trail = request.user.has_perm("trialsite.view_audit_trail")
        # No button that leads to a refusal.
        shown = {"show_history": sees_trail, **self._audit_context(request, object_id)}
        shown |= self._about(request, object_id)
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def _void_meanwhile(self, request: HttpRequest, object_id: str | None) -> HttpResponse | None:
        """Somebody has voided the entry that this person was changing: nothing can be saved, and nothing is lost."""
        if request.method != "POST" or object_id is None or versions.FIELD not in request.POST:
            return None
        obj = self.get_object(request, unquote(object_id))
        if obj is None or not obj.is_void or not super().has_change_permission(request):
            return None
        names = {one.name: one.verbose_name for one in self.opts.get_fields() if hasattr(one, "verbose_name")}
        typed = [(names.get(name, name), " ".join(values)) for name, values in request.POST.lists() if name[0] != "_"]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Void meanwhile"),
            "original": obj,
            "opts": self.opts,
            "typed": [one for one in typed if one[0] != "csrfmiddlewaretoken" and one[1]],
            "back": self.url("change", object_id),
        }
        return TemplateResponse(request, "admin/trialsite/void_meanwhile.html", context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Who is asked stands on the form, for the questions that depend on what a person may see."""
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"by": request.user})

    def _about(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        """Beside the entry: how it is taken back, and what was signed of it, verified now."""
        obj = self.get_object(request, object_id) if object_id else None
        if obj is None:
            return {}
        signatures = signing.of(obj)
        for one in signatures if request.method == "GET" else ():
            if one.warning:
                messages.error(request, one.warning)
        return {"void_note": self.void_note(request, obj), "signatures": signatures}

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Nothing is chosen at first, and the list says so in words."""
        is_open = db_field.blank or not (db_field.has_default() or "initial" in kwargs)
        choices = db_field.get_choices(include_blank=is_open, blank_choice=[("", PLEASE_CHOOSE)])
        return super().formfield_for_choice_field(db_field, request, **{"choices": choices, **kwargs})

    # --- what is shown ------------------------------------------------------------------------

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The field for an answer stands first, below the question, and only where something was asked."""
        if context.get("original") is not None:
            self.note_identity(request, context["original"])
        page = context["adminform"]
        if asked := tuple(name for name in questions.FIELDS if name in page.form.fields):
            title = _("Is it so?") if questions.ASKED in asked else _("Identity in the text")
            page.fieldsets = [(title, {"fields": asked}), *page.fieldsets]
        if shown.SEEN in page.form.fields:
            (title, options), *others = page.fieldsets
            page.fieldsets = [(title, {**options, "fields": (*options["fields"], shown.SEEN)}), *others]
        return super().render_change_form(request, context, *args, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = [*super().get_fieldsets(request, obj)]
        if hidden := self.hidden_fields(request):
            fieldsets = [_without(fieldset, hidden) for fieldset in fieldsets]
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

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Nothing new is recorded of what is void."""
        if issubclass(db_field.related_model, Record) and "queryset" not in kwargs:
            kwargs["queryset"] = db_field.related_model._default_manager.standing()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """A form's choice offers what stands; the list has its own filter."""
        match = request.resolver_match
        rows = queryset.standing() if match is not None and match.url_name == "autocomplete" else queryset
        return super().get_search_results(request, rows, search_term)

    def note_identity(self, request: HttpRequest, obj: Any) -> None:
        """Keep that this person is shown what names somebody; called for each page that shows the row's fields."""

    def hidden_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return hidden_of(self.identity_fields, request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What is void, itself or with its participant, stays as it is."""
        return super().has_change_permission(request, obj) and (obj is None or obj.is_standing)

    # --- voiding ------------------------------------------------------------------------------

    def has_void_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        # No button that leads to a refusal: the administrator of the computer signs nothing.
        return self.can_void and request.user.has_perm(self.permission("void")) and not request.user.is_superuser

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
        return entangled(obj)

    def void_instead(self, obj: Any) -> str:
        """Where a row only follows from another, in words, what to void instead; empty where it stands for itself."""
        return ""

    def void_note(self, request: HttpRequest, obj: Any) -> str:
        """How this entry is taken back, for those who have no button for it."""
        if not self.can_void or not obj.is_standing:
            return ""
        if instead := self.void_instead(obj):
            return instead
        if self.has_void_permission(request):
            return ""
        return _("Entered by mistake? It can be voided by: %(roles)s.") % {
            "roles": gettext(", ").join(str(ROLE_NAMES[role]) for role in self.roles_that_void())
        }

    def roles_that_void(self) -> list[Role]:
        return [role for role, granted in ROLE_PERMISSIONS.items() if self.permission("void") in granted]

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """No button that leads to a refusal."""
        actions = super().get_actions_detail(request, object_id)
        if not any(one.action_name.endswith("_void_record") for one in actions):
            return actions
        obj = self.get_object(request, str(object_id))
        if obj is not None and obj.is_standing and not self.void_instead(obj):
            return actions
        return [one for one in actions if not one.action_name.endswith("_void_record")]

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        """Void through the action of this model, which takes back what followed; the default is the row alone."""
        void(obj, reason=reason, by=by, now=now)

    def void_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        obj = self.get_object(request, object_id)
        if obj is not None and obj.is_standing and (instead := self.void_instead(obj)):
            messages.error(request, instead)
            return HttpResponseRedirect(self.url(self.home, object_id))
        is_possible = obj is not None and obj.is_standing
        try:
            consequences = self._all_consequences(obj) if is_possible else Consequences()
        except Refused as refusal:
            messages.error(request, " ".join(refusal.messages))
            return HttpResponseRedirect(self.url(self.home, object_id))
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
            is_signed=True,
        )

    def _all_consequences(self, obj: Any) -> Consequences:
        """Those of its kind, and what was answered about it."""
        own = self.consequences(obj, now=timezone.now())
        return own + Consequences(tuple(line for line in questions.goes_with(obj) if line not in own.follows))

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
        back: str = "",
        back_query: str = "",
        follow: bool = False,
        consequences: Consequences | None = None,
        rests_on: str = "",
        row_of: Callable[[Any, dict[str, Any]], Record] | None = None,
        is_signed: bool = False,
    ) -> HttpResponse:
        """One question about one row: a form, then the action; a refusal shows on the form.

        `back` names the page to return to, else the row's own, with `back_query`; `follow` goes to the row that the
        action returned instead. `rests_on` stands for what was read elsewhere before: if it is another now, the person
        reads it again first. `row_of` is what the action is going to write, not saved: what looks wrong about it is
        asked.
        `is_signed`: the action signs what it writes, and the form asks for the person's password.
        """
        obj = self.get_object(request, object_id)
        if obj is None or not allowed:
            raise PermissionDenied
        back = back or self.home
        if is_signed:
            form_class = partial(signature.signed(form_class), request=request)
        form = form_class(request.POST if request.method == "POST" else None)
        questions.prepare(form)
        now = timezone.now()
        # What the person reads before deciding: other words mean other facts.
        goes_with_it = (*consequences.follows, *consequences.rests) if consequences else ()
        read = "\n".join(map(str, (intro, rests_on, *goes_with_it)))
        with transaction.atomic():
            if request.method == "POST":
                versions.lock(obj, through=self.lock_path())
            opened = versions.of(obj, shown=read)
            conflict = versions.conflict(request, opened, obj, hidden=self.hidden_fields(request))
            is_sent = request.method == "POST" and conflict is None and form.is_valid()
            if is_sent and self._is_answered(request, obj, form, row_of, now):
                try:
                    with as_refusals(), transaction.atomic():
                        pghistory.context(reason=questions.reason_of(form, form.cleaned_data.get("reason", "")))
                        result = act(obj, form.cleaned_data, now)
                        questions.keep(form, by=request.user, now=now)
                except Refused as refusal:
                    form.add_error(None, refusal)
                else:
                    messages.success(request, done)
                    on = self.url(back, result.pk if follow else object_id) + back_query
                    return HttpResponseRedirect(wayback.way_back(request) or on)
        if conflict is not None:
            self.note_identity(request, obj)
        context = {
            "opened": opened,
            "conflict": conflict,
            **self.admin_site.each_context(request),
            "title": title,
            "intro": intro,
            "button": button,
            "form": form,
            "consequences": consequences,
            "original": obj,
            "opts": self.opts,
            "back": wayback.way_back(request) or self.url(back, object_id) + back_query,
        }
        return TemplateResponse(request, "admin/trialsite/ask.html", context)

    def _is_answered(
        self,
        request: HttpRequest,
        obj: Any,
        form: forms.Form,
        row_of: Callable[[Any, dict[str, Any]], Record] | None,
        now: dt.datetime,
    ) -> bool:
        rows = [row_of(obj, form.cleaned_data)] if row_of else []
        return questions.ask(form, *rows, by=request.user, now=now, about_whom=obj)

    # --- audit trail --------------------------------------------------------------------------

    def _audit_context(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        if object_id is None or not request.user.has_perm("trialsite.view_audit_trail"):
            return {}
        obj = self.get_object(request, object_id)
        if obj is None:
            return {}
        return {"audit_trail": audit.trail(obj, hidden=self.hidden_fields(request))}

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj = self.get_object(request, object_id)
        if obj is None or not request.user.has_perm("trialsite.view_audit_trail"):
            raise PermissionDenied
        self.note_identity(request, obj)
        context = {
            **self.admin_site.each_context(request),
            **self._audit_context(request, object_id),
            **(extra_context or {}),
            "title": _("Audit trail"),
            "original": obj,
            "object": obj,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/trialsite/audit_trail.html", context)

    # --- signatures ---------------------------------------------------------------------------

    def get_list_display(self, request: HttpRequest) -> Any:
        shown = super().get_list_display(request)
        return (*shown, "signature_mark") if self.model.signed_as else shown

    def look_at(self, rows: list[Any]) -> None:
        """The signatures of all rows of a page, verified in one query."""
        checked = signing.verify(rows)
        for row in rows:
            row.signatures = checked.get(row.pk, ())

    @admin.display(description=_("signature"))
    def signature_mark(self, obj: Any) -> str:
        return signing.marks(one for one in obj.signatures if one.meaning is not Meaning.VOID)

    @admin.display(description=_("void"), boolean=False)
    def void_mark(self, obj: Any) -> str:
        if obj.is_standing:
            return ""
        broken = (one for one in obj.signatures if one.meaning is Meaning.VOID and not one.counts)
        return format_html("<s>{}</s> {}", _("void"), signing.marks(broken))


class ReadOnlyRecordAdmin(RecordAdmin):
    """Rows that another page writes: here to be read, and to be taken back."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class VoidFilter(admin.SimpleListFilter):
    """Void entries are out of sight until somebody looks for them."""

    title = _("void entries")
    parameter_name = "void"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("only", _("void only")), ("all", _("with void ones"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return queryset
        rows: Any = queryset
        found: QuerySet[Any] = rows.fallen() if self.value() == "only" else rows.standing()
        return found


def _without(fieldset: Any, names: tuple[str, ...]) -> Any:
    title, options = fieldset
    rows = [
        tuple(field for field in row if field not in names) if isinstance(row, tuple | list) else row
        for row in options["fields"]
    ]
    return title, {**options, "fields": tuple(row for row in rows if row and row not in names)}
