"""The pages of the door for administrators and auditors: the security log, locks, and logins on devices."""

import datetime as dt
from collections.abc import Callable
from typing import Any, cast

from django.apps import apps
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext, ngettext, pgettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import FieldTextFilter, RangeDateTimeFilter
from unfold.decorators import display

from trialsite import locks, reach, sessions
from trialsite.listexport import LogAdmin
from trialsite.models import Lock, LockKind, SecurityEvent, SecurityKind, Session, User


class DoorAdmin(LogAdmin):
    """Rows that the door writes: here to be read, of people who share a site with the reader."""

    list_per_page = 50
    list_select_related: tuple[str, ...] = ("person",)
    list_filter_submit = True
    site_path = "person__sites"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        # Tries at a name that nobody has are the administrator's to read.
        return rows if request.user.is_superuser else rows.filter(person__in=reach.near(cast(User, request.user)))


class PersonFilter(admin.RelatedOnlyFieldListFilter):
    """The people of the log, within the reader's reach."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[Any]:
        seen = model_admin.get_queryset(request).order_by().values("person")
        return [(person.pk, str(person)) for person in User.objects.filter(pk__in=seen).order_by("username")]


class MomentFilter(RangeDateTimeFilter):
    """From and to, as the reader's clock shows it; what is no time filters nothing."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        for name, lookup in (("from", "gte"), ("to", "lte")):
            typed = [str(self.used_parameters.get(f"{self.parameter_name}_{name}_{part}") or "") for part in (0, 1)]
            if (moment := _moment_of(*typed)) is not None:
                queryset = queryset.filter(**{f"{self.parameter_name}__{lookup}": moment})
        return queryset


def _moment_of(day: str, time: str) -> dt.datetime | None:
    try:
        moment = parse_datetime(f"{day} {time or '00:00'}")
    except ValueError:
        return None
    return timezone.make_aware(moment) if moment is not None and timezone.is_naive(moment) else moment


# --- the security log --------------------------------------------------------------------------------

BAD = {
    SecurityKind.LOGIN_FAILED: "warning",
    SecurityKind.SIGNATURE_FAILED: "warning",
    SecurityKind.FACTOR_FAILED: "warning",
    SecurityKind.REFUSED: "warning",
    SecurityKind.TOKEN_REFUSED: "warning",
    SecurityKind.LOCKED: "danger",
    SecurityKind.FACTOR_REMOVED: "danger",
}
# In the order in which they are read.
DETAIL_NAMES = {
    "name": _("user name"),
    "signer": _("for the signature of"),
    "lock": _("what waits"),
    "wrong": _("wrong passwords"),
    "list": _("list"),
    "rows": _("rows"),
    "format": _("format"),
    "with_identity": _("with identity"),
    "method": _("asked with"),
    "device": _("device"),
    "from": _("from"),
    "token": _("token"),
    "scopes": _("good for"),
    "until": _("until"),
    "by": _("by"),
    "link": pgettext_lazy("security log", "link for"),
    "how": pgettext_lazy("security log", "how"),
    "left": _("recovery codes left"),
    "printed": _("printed on the server"),
    "reason": _("reason"),
}


@admin.register(SecurityEvent)
class SecurityEventAdmin(DoorAdmin):
    """What happened at the door, line by line; nobody edits it, and the database refuses to."""

    list_display = ("moment", "kind_label", "person", "ip", "path", "details")
    list_filter = (
        ("kind", admin.ChoicesFieldListFilter),
        ("person", PersonFilter),
        ("ip", FieldTextFilter),
        ("at", MomentFilter),
    )
    fields = ("moment", "kind_label", "person", "ip", "path", "details")
    export_columns = ("moment", "kind_label", "person", "ip", "path", "details")

    @display(description=_("at"), ordering="at")
    def moment(self, row: SecurityEvent) -> str:
        """To the second: what happens at the door happens within one minute."""
        return f"{timezone.localtime(row.at):%Y-%m-%d %H:%M:%S}"

    @display(description=_("event"), ordering="kind", label=dict.fromkeys(SecurityKind, "info") | BAD)
    def kind_label(self, row: SecurityEvent) -> tuple[str, str]:
        return row.kind, row.get_kind_display()

    @display(description=_("details"))
    def details(self, row: SecurityEvent) -> str:
        return gettext("; ").join(_in_words(row.detail))


def _in_words(detail: dict[str, Any]) -> list[str]:
    """Each fact with its name; what no name is known for stands as it was written."""
    return [
        gettext("%(name)s: %(value)s") % {"name": DETAIL_NAMES.get(name, name), "value": _value(name, value)}
        for name, value in sorted(detail.items(), key=_place)
        if value not in (None, "")
    ]


def _place(fact: tuple[str, Any]) -> tuple[int, str]:
    names = list(DETAIL_NAMES)
    return names.index(fact[0]) if fact[0] in names else len(names), fact[0]


def _value(name: str, value: Any) -> str:
    if name in VALUES:
        return VALUES[name](value)
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    return str(value)


def _moment(value: str) -> str:
    moment = parse_datetime(value)
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}" if moment else value


def _list(label: str) -> str:
    try:
        return str(apps.get_model(label)._meta.verbose_name_plural)
    except (LookupError, ValueError):
        return label


LINKS = {
    "password": pgettext_lazy("security log", "the password"),
    "factor": pgettext_lazy("security log", "the second factor"),
}
HOW = {
    "link": pgettext_lazy("security log", "by a mailed link"),
    "changed": pgettext_lazy("security log", "changed by the person"),
    "first use": pgettext_lazy("security log", "in place of one that somebody else had set"),
}
VALUES: dict[str, Callable[[Any], str]] = {
    "until": _moment,
    "link": lambda value: str(LINKS.get(value, value)),
    "how": lambda value: str(HOW.get(value, value)),
    "list": _list,
    "lock": lambda value: str(dict(LockKind.choices).get(value, value)),
    "name": lambda value: gettext("nobody has it") if value == "unknown" else str(value),
}


# --- locks -------------------------------------------------------------------------------------------


@admin.register(Lock)
class LockAdmin(DoorAdmin):
    """Who guesses, and must wait; whoever looks after the logins opens it again."""

    list_display = ("what", "person", "ip", "typed_by", "wrong", "state", "closed_until", "closed_at")
    list_filter = (("kind", admin.ChoicesFieldListFilter), ("ip", FieldTextFilter))
    list_select_related = ("person", "typed_by")
    fields = ("what", "person", "ip", "typed_by", "wrong", "state", "closed_until", "closed_at")
    export_columns = fields
    actions = ("unlock",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """What has closed, of late or before; mere mistypings are nobody's business."""
        return super().get_queryset(request).exclude(closed_at=None)

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("trialsite.unlock")

    @admin.action(description=_("Unlock"), permissions=["unlock"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[Lock]) -> None:
        count = locks.unlock(
            Lock.objects.filter(pk__in=[row.pk for row in queryset]), by=_who(request), request=request
        )
        text = ngettext("%(n)s lock was opened.", "%(n)s locks were opened.", count)
        messages.success(request, text % {"n": count})

    @display(description=_("what waits"), ordering="kind")
    def what(self, row: Lock) -> str:
        return str(row.get_kind_display())

    @display(description=_("state"), label={"closed": "danger", "open": "success"})
    def state(self, row: Lock) -> tuple[str, str]:
        if row.closed_until is not None and row.closed_until > timezone.now():
            return "closed", pgettext("lock", "closed")
        return "open", pgettext("lock", "open again")


# --- logins on devices -------------------------------------------------------------------------------


@admin.register(Session)
class SessionAdmin(DoorAdmin):
    """Who is logged in where; ended here for somebody who lost a device."""

    list_display = ("person", "device", "ip", "begun_at", "last_seen_at")
    list_filter = (("person", PersonFilter), ("ip", FieldTextFilter))
    fields = ("person", "device", "ip", "begun_at", "last_seen_at")
    export_columns = fields
    actions = ("end",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(pk__in=sessions.alive(now=timezone.now()).values("pk"))

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("trialsite.end_session")

    @admin.action(description=_("End these logins"), permissions=["end"])
    def end(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        rows = Session.objects.filter(pk__in=[row.pk for row in queryset])
        count = sessions.end(rows, by=_who(request), request=request)
        text = ngettext("%(n)s login was ended.", "%(n)s logins were ended.", count)
        messages.success(request, text % {"n": count})


def _who(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "the admin lets nobody in without a login"
    return request.user
