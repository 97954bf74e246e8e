"""The pages of people, sites and messages."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import UsernameField
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from trialsite import dooradmin, notifications, people, reach, rights
from trialsite.accessadmin import AccessReviewAdmin
from trialsite.flatlists import OccurringFilter
from trialsite.listexport import AUDIT_TRAIL
from trialsite.models import AccessReview, ListExport, Notification, NotificationState, Site, User
from trialsite.recordadmin import GuardedAdmin, ReasonForm, SiteScopedAdmin
from trialsite.refusal import Refused
from trialsite.roles import ROLE_NAMES, Role
from trialsite.typedadmin import WithinReachFilter

__all__ = ["dooradmin"]

# Roles are made from code: a group edited by hand would say something else than the reviewed table.
admin.site.unregister(Group)
admin.site.register(AccessReview, AccessReviewAdmin)


class PersonForm(forms.ModelForm):  # type: ignore[type-arg]
    """A person without their password, which is nobody else's."""

    class Meta:
        model = User
        fields: ClassVar[list[str]] = []
        field_classes: ClassVar[dict[str, Any]] = {"username": UsernameField}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        try:
            people.check_roles(self.instance, [*cleaned.get("groups", ())], cleaned.get("email", ""))
        except Refused as refusal:
            self.add_error("email" if "email" in self.fields and not cleaned.get("email") else None, refusal)
        return cleaned


class RoleFilter(WithinReachFilter):
    """Roles by the names that people know them by."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        found = super().field_choices(field, request, model_admin)
        return [(key, ROLE_NAMES[Role(name)] if name in set(Role) else name) for key, name in found]


@admin.register(User)
class PersonAdmin(UserAdmin, GuardedAdmin):
    """Who a person is, what they may do and where; passwords and second factors are set by themselves."""

    form = add_form = PersonForm
    add_form_template = None
    actions_detail = ["send_link", "take_factor_away"]
    list_display = ("username", "full_name", "email", "roles", "is_active")
    list_filter = ("is_active", ("groups", RoleFilter), "sites")
    add_fieldsets = (
        (None, {"fields": ("username",)}),
        (_("Person"), {"fields": (("last_name", "first_name"), "email", "language")}),
        (_("Roles and reach"), {"fields": ("groups", "sites")}),
    )
    fieldsets = (
        (None, {"fields": ("username", "login_state")}),
        add_fieldsets[1],
        (_("Roles and reach"), {"fields": ("groups", "sites", "is_active")}),
    )
    readonly_fields = ("last_login", "date_joined", "login_state")
    export_exclude = ("password",)
    change_form_after_template = "admin/trialsite/rights_trail.html"

    @display(description=pgettext_lazy("person", "name"), ordering="last_name")
    def full_name(self, person: User) -> str:
        return person.get_full_name()

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Roles and sites are few: each has its box."""
        field: Any = super().formfield_for_manytomany(
            db_field, request, widget=UnfoldAdminCheckboxSelectMultipleWidget, **kwargs
        )
        field.help_text = ""
        if db_field.name == "groups":
            field.label = _("Roles")
            field.label_from_instance = lambda group: str(ROLE_NAMES[Role(group.name)])
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A name means one person for ever: the trail shows it."""
        return (*super().get_readonly_fields(request, obj), *(("username",) if obj is not None else ()))

    def get_urls(self) -> list[Any]:
        """Without the page on which an administrator would set somebody's password."""
        info = f"{self.opts.app_label}_{self.opts.model_name}"
        own = [
            path("<path:object_id>/link/", self.admin_site.admin_view(self.link_view), name=f"{info}_link"),
            path("<path:object_id>/factor/", self.admin_site.admin_view(self.factor_view), name=f"{info}_factor"),
        ]
        return [*own, *(one for one in super().get_urls() if one.name != "auth_user_password_change")]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.set_unusable_password()
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if people.admit(person=form.instance, by=request.user, now=timezone.now(), request=request):
            messages.info(request, _("A link to set the password goes to %(email)s.") % {"email": form.instance.email})

    @display(description=_("login"))
    def login_state(self, person: User) -> str:
        missing = people.what_is_missing(person, now=timezone.now()) if person.pk else []
        if not missing:
            return str(_("Can log in."))
        lines = format_html_join("", "<li>{}</li>", ((line,) for line in missing))
        return format_html("{}<ul>{}</ul>", _("Still missing for this login:"), lines)

    # --- links and the second factor ------------------------------------------------------------

    def has_change_login_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.has_change_permission(request)

    @action(description=_("Send the link again…"), permissions=["change_login"])
    def send_link(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:trialsite_user_link", args=[object_id]))

    @action(description=_("Phone lost…"), permissions=["change_login"])
    def take_factor_away(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:trialsite_user_factor", args=[object_id]))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """No button that leads to a refusal."""
        actions = super().get_actions_detail(request, object_id)
        person = self.get_object(request, str(object_id))
        if person is not None and people.has_factor(person):
            return actions
        return [one for one in actions if not one.action_name.endswith("take_factor_away")]

    def link_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask(
            request,
            object_id,
            form_class=forms.Form,
            title=_("Send the link again"),
            intro=_(
                "A one-time link goes to the person's e-mail, with which they set their password, or connect their "
                "phone where only that is missing. The link is shown to nobody else."
            ),
            button=_("Send the link"),
            act=lambda person, data: people.send_link(
                person=person, kind=people.kind_for(person), by=request.user, now=timezone.now(), request=request
            ),
            done=_("The link is on its way."),
        )

    def factor_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask(
            request,
            object_id,
            form_class=ReasonForm,
            title=_("Take a lost phone away"),
            intro=_(
                "Its codes and the recovery codes open nothing any more, and every session of the person ends. A link "
                "to connect another phone goes to their e-mail. Make sure first that it is the person who asks: call "
                "them back, or see them."
            ),
            button=_("Take the phone away"),
            act=lambda person, data: people.take_factor_away(
                person=person, reason=data["reason"], by=request.user, now=timezone.now(), request=request
            ),
            done=_("The phone is taken away; the link is on its way."),
        )

    def _ask(
        self,
        request: HttpRequest,
        object_id: str,
        *,
        form_class: Callable[..., forms.Form],
        title: Any,
        intro: Any,
        button: Any,
        act: Callable[[User, dict[str, Any]], Any],
        done: Any,
    ) -> HttpResponse:
        person = self.get_object(request, object_id)
        if person is None:
            raise Http404
        if not self.has_change_permission(request, person):
            raise PermissionDenied
        form, back = form_class(request.POST if request.method == "POST" else None), self._change_url(person)
        if form.is_valid():
            try:
                act(person, form.cleaned_data)
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                messages.success(request, done)
                return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "intro": intro,
            "button": button,
            "form": form,
            "original": person,
            "opts": self.opts,
            "back": back,
        }
        return TemplateResponse(request, "admin/trialsite/ask.html", context)

    def _change_url(self, person: User) -> str:
        return reverse("admin:trialsite_user_change", args=[person.pk])

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A person who left becomes inactive; what they recorded stays theirs."""
        return False

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """With the trail of what the person was given, for those who answer for it."""
        shown = {**(extra_context or {})}
        if object_id is not None and request.user.has_perm("trialsite.view_accessreview"):
            shown["rights_trail"] = partial(self._rights_trail, request, object_id)
        return super().changeform_view(request, object_id, form_url, shown)

    def _rights_trail(self, request: HttpRequest, object_id: str) -> list[rights.Line]:
        person = self.get_object(request, object_id)
        assert isinstance(request.user, User)
        return rights.trail(person, reader=request.user) if person is not None else []

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        people = super().get_queryset(request).prefetch_related("groups")
        return reach.within(people, request, self.admin_site)

    @display(description=_("roles"))
    def roles(self, user: User) -> str:
        return ", ".join(str(ROLE_NAMES[Role(group.name)]) for group in user.groups.all())


@admin.register(Site)
class SiteAdmin(GuardedAdmin):
    list_display = ("code", "name_zh", "name_en")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return reach.within(super().get_queryset(request), request, self.admin_site)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Notification)
class NotificationAdmin(SiteScopedAdmin):
    """Every message with its fate; a data manager can queue a failed one again."""

    site_path = "site"
    list_display = ("subject", "recipient", "state_label", "queued_at", "finished_at", "attempts", "error")
    list_filter = (
        ("state", admin.ChoicesFieldListFilter),
        ("urgency", admin.ChoicesFieldListFilter),
        ("channel", admin.ChoicesFieldListFilter),
        "recipient",
    )
    search_fields = ("subject", "about")
    list_select_related = ("recipient",)
    date_hierarchy = "queued_at"
    actions = ("requeue",)
    export_exclude = ("body_html",)
    fieldsets = (
        (_("Message"), {"fields": ("subject", "recipient", "body_text")}),
        (
            _("Delivery"),
            {
                "fields": (
                    ("state", "attempts"),
                    ("urgency", "channel"),
                    ("queued_at", "finished_at"),
                    ("sent_to", "unknown_fates"),
                    "error",
                )
            },
        ),
        (
            _("Technical"),
            {
                "fields": ("message_id", "dedupe_key", "due_at", "relevant_until", "not_before"),
                "classes": ("collapse",),
            },
        ),
    )

    def hidden_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Keys of the program, and the same text once more, say nothing in a trail."""
        return ("about", "dedupe_key", "message_id", "body_html")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_requeue_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("trialsite.requeue_notification")

    @admin.action(description=_("Queue again (failed ones)"), permissions=["requeue"])
    def requeue(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        now = timezone.now()
        done = sum(notifications.requeue(row, now=now) for row in queryset)
        left = queryset.count() - done
        if done:
            text = ngettext("%(n)s message is queued again.", "%(n)s messages are queued again.", done)
            messages.success(request, text % {"n": done})
        if left:
            text = ngettext(
                "%(n)s message was left alone: only a failed one can be queued again.",
                "%(n)s messages were left alone: only failed ones can be queued again.",
                left,
            )
            messages.warning(request, text % {"n": left})

    @display(
        description=_("state"),
        ordering="state",
        label={
            NotificationState.QUEUED: "info",
            NotificationState.SENDING: "info",
            NotificationState.SENT: "success",
            NotificationState.FAILED: "danger",
            NotificationState.CANCELLED: "warning",
        },
    )
    def state_label(self, row: Notification) -> tuple[str, str]:
        return row.state, row.get_state_display()


@admin.register(ListExport)
class ListExportAdmin(SiteScopedAdmin):
    """Which lists left as files, for whoever must answer for it; nobody edits it."""

    list_display = ("at", "by", "list_name", "filters", "kind", "rows", "has_identity", "sha256")
    list_filter = (("by", OccurringFilter), "has_identity", ("kind", admin.ChoicesFieldListFilter))
    date_hierarchy = "at"
    list_select_related = ("by",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Those of people who act where the reader works."""
        rows: QuerySet[Any] = GuardedAdmin.get_queryset(self, request)
        return rows.filter(by__in=reach.near(request.user))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=_("list"), ordering="model")
    def list_name(self, row: ListExport) -> str:
        if row.model == AUDIT_TRAIL:
            return str(_("Audit trail"))
        return str(apps.get_model(row.model)._meta.verbose_name_plural)
