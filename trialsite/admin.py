"""The pages of people, sites and messages."""

from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from trialsite import notifications, reach
from trialsite.listexport import AUDIT_TRAIL
from trialsite.models import ListExport, Notification, NotificationState, Site, User
from trialsite.recordadmin import GuardedAdmin, SiteScopedAdmin
from trialsite.roles import ROLE_NAMES, Role

# Roles are made from code: a group edited by hand would say something else than the reviewed table.
admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(UserAdmin, GuardedAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "get_full_name", "email", "roles", "is_active")
    list_filter = ("is_active", "groups", "sites")
    filter_horizontal = ("groups", "sites")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": (("last_name", "first_name"), "email", "language")}),
        (_("Roles and reach"), {"fields": ("groups", "sites", ("is_active", "is_staff"))}),
    )
    readonly_fields = ("last_login", "date_joined")
    export_exclude = ("password",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A person who left becomes inactive; what they recorded stays theirs."""
        return False

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
    list_filter = (("state", admin.ChoicesFieldListFilter), "recipient")
    search_fields = ("subject", "about")
    list_select_related = ("recipient",)
    date_hierarchy = "queued_at"
    actions = ("requeue",)
    export_exclude = ("body_html",)
    fieldsets = (
        (_("Message"), {"fields": ("subject", "recipient", "body_text")}),
        (
            _("Delivery"),
            {"fields": (("state", "attempts"), ("queued_at", "finished_at"), "sent_to", "error")},
        ),
        (
            _("Technical"),
            {
                "fields": ("message_id", "dedupe_key", "relevant_until", "not_before"),
                "classes": ("collapse",),
            },
        ),
    )

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
    list_filter = (("by", admin.RelatedOnlyFieldListFilter), "has_identity", ("kind", admin.ChoicesFieldListFilter))
    date_hierarchy = "at"
    list_select_related = ("by",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Those of people who share a site with the reader."""
        rows: QuerySet[Any] = GuardedAdmin.get_queryset(self, request)
        if request.user.is_superuser:
            return rows
        return rows.filter(by__in=User.objects.filter(sites__in=request.user.sites.all()))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=_("list"), ordering="model")
    def list_name(self, row: ListExport) -> str:
        if row.model == AUDIT_TRAIL:
            return str(_("Audit trail"))
        return str(apps.get_model(row.model)._meta.verbose_name_plural)
