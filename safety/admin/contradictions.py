"""The page of contradictions in the record: what disagrees, since when, what to do, and why one was closed."""

import datetime as dt
from typing import Any, ClassVar

from django import forms
from django.apps import apps
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from safety.actions import contradictions as actions
from safety.checks import CHECKS, title_of
from safety.checks.words import lines, sentence
from safety.models import ClosedHow, DataFinding
from trialsite.flatlists import OccurringFilter
from trialsite.recordadmin import ReadOnlyRecordAdmin, ReasonForm

CLOSE = "safety.close_datafinding"
# Days; a finding belongs to the first age that it has not passed.
AGES = {"week": (0, 7), "month": (7, 30), "older": (30, None)}


class StateFilter(admin.SimpleListFilter):
    """What is still to be looked at, and what became of the others."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("open", pgettext_lazy("finding", "open")),
            ("person", ClosedHow.PERSON.label),
            ("data", ClosedHow.DATA.label),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "open":
            return queryset.filter(closed_at__isnull=True)
        return queryset.filter(closed_how=self.value()) if self.value() in ClosedHow.values else queryset


class CheckFilter(admin.SimpleListFilter):
    title = pgettext_lazy("finding", "check")
    parameter_name = "check"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(code, one.title) for code, one in CHECKS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(code=self.value()) if self.value() else queryset


class AgeFilter(admin.SimpleListFilter):
    """Since when it has been known."""

    title = _("age")
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("week", _("less than 7 days")),
            ("month", _("7 to 30 days")),
            ("older", _("more than 30 days")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in AGES:
            return queryset
        least, most = AGES[str(self.value())]
        now = timezone.now()
        of_age = Q(found_at__lte=now - dt.timedelta(days=least))
        return queryset.filter(of_age & (Q(found_at__gt=now - dt.timedelta(days=most)) if most else Q()))


class CloseForm(forms.Form):
    reason = forms.CharField(
        label=_("Why it is right as it stands"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_(
            "Where an entry is wrong, correct that one instead: the contradiction closes by itself. A reason holds for "
            "what disagrees now; if that changes, it is found anew."
        ),
    )


@admin.register(DataFinding)
class DataFindingAdmin(ReadOnlyRecordAdmin):
    """Found by the checks, read here, and closed by a person only where the data are right as they stand."""

    can_void = False
    actions_detail = ["close", "reopen"]
    list_display = ("participant", "title", "entry", "what", "found_at", "days", "state_label")
    list_display_links = ("participant", "title")
    list_filter = (StateFilter, CheckFilter, ("participant", OccurringFilter), AgeFilter)
    search_fields = ("participant__screening_number", "participant__participant_number")
    search_help_text = _("Screening or participant number.")
    list_select_related = ("participant", "closed_by")
    fieldsets = (
        (
            _("What disagrees"),
            {
                "fields": (("participant", "title"), "why", "facts_shown", "entry", "other_entry", "way_out"),
                "description": _(
                    "It is computed from what is recorded. If an entry is a mistake, correct or void that one: this "
                    "closes by itself."
                ),
            },
        ),
        (
            _("What became of it"),
            {
                "fields": (
                    ("found_at", "days"),
                    ("state_shown", "closed_at", "closed_by"),
                    "close_reason",
                    "gone_at",
                    "before",
                )
            },
        ),
    )
    readonly_fields: ClassVar[Any] = (
        "title",
        "why",
        "facts_shown",
        "entry",
        "other_entry",
        "way_out",
        "found_at",
        "days",
        "state_shown",
        "closed_at",
        "closed_by",
        "close_reason",
        "gone_at",
        "before",
    )

    # --- closing ------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        views = {"close": self.close_view, "reopen": self.reopen_view}
        return [
            *(
                path(f"<path:object_id>/{page}/", self.admin_site.admin_view(view), name=f"safety_datafinding_{page}")
                for page, view in views.items()
            ),
            *super().get_urls(),
        ]

    @action(description=_("Close with a reason…"), permissions=["close"])
    def close(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("close", object_id))

    @action(description=_("Open again…"), permissions=["reopen"])
    def reopen(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("reopen", object_id))

    def has_close_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        row = self.get_object(request, str(object_id)) if object_id else None
        return request.user.has_perm(CLOSE) and (row is None or row.is_open)

    def has_reopen_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        row = self.get_object(request, str(object_id)) if object_id else None
        return request.user.has_perm(CLOSE) and (row is None or (row.closed_at is not None and row.gone_at is None))

    def close_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.ask(
            request,
            object_id,
            allowed=request.user.has_perm(CLOSE),
            form_class=CloseForm,
            title=_("Close a contradiction"),
            intro=self._intro(request, object_id),
            button=_("Close it"),
            act=lambda obj, data, now: actions.close_finding(
                finding=obj, reason=data["reason"], by=request.user, now=now
            ),
            done=_("The contradiction is closed."),
        )

    def reopen_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.ask(
            request,
            object_id,
            allowed=request.user.has_perm(CLOSE),
            form_class=ReasonForm,
            title=_("Open a contradiction again"),
            intro=self._intro(request, object_id),
            button=_("Open it again"),
            act=lambda obj, data, now: actions.reopen_finding(finding=obj, by=request.user, now=now),
            done=_("The contradiction is open again."),
        )

    def _intro(self, request: HttpRequest, object_id: str) -> str:
        row = self.get_object(request, object_id)
        if row is None:
            raise PermissionDenied
        return gettext("%(title)s. %(what)s") % {"title": title_of(row.code), "what": sentence(row.facts)}

    # --- what is shown ------------------------------------------------------------------------

    @admin.display(description=pgettext_lazy("finding", "check"), ordering="code")
    def title(self, row: DataFinding) -> str:
        return title_of(row.code)

    @admin.display(description=_("why this is asked"))
    def why(self, row: DataFinding) -> str:
        return str(CHECKS[row.code].why) if row.code in CHECKS else "—"

    @admin.display(description=_("what to do"))
    def way_out(self, row: DataFinding) -> str:
        return str(CHECKS[row.code].way_out) if row.code in CHECKS else "—"

    @admin.display(description=_("what disagrees"))
    def what(self, row: DataFinding) -> str:
        return sentence(row.facts)

    @admin.display(description=_("what disagrees"))
    def facts_shown(self, row: DataFinding) -> Any:
        return format_html_join("", "<p>{}: {}</p>", lines(row.facts))

    @admin.display(description=_("entry"))
    def entry(self, row: DataFinding) -> Any:
        return link_of(row.row_model, row.row_id)

    @admin.display(description=_("the other entry"))
    def other_entry(self, row: DataFinding) -> Any:
        other = row.facts.get("other_row")
        return "—" if other is None else link_of(other_model(row), int(other))

    @admin.display(description=_("days open"), ordering="found_at")
    def days(self, row: DataFinding) -> str:
        days = row.days_open(timezone.now())
        return ngettext("%(days)s day", "%(days)s days", days) % {"days": days}

    @display(description=_("state"), label={"": "warning", "data": "success", "person": "info"})
    def state_label(self, row: DataFinding) -> tuple[str, Any]:
        return row.closed_how, row.get_closed_how_display() or pgettext_lazy("finding", "open")

    @admin.display(description=_("state"))
    def state_shown(self, row: DataFinding) -> Any:
        return self.state_label(row)[1]

    @admin.display(description=_("found before"))
    def before(self, row: DataFinding) -> Any:
        """Earlier findings of the same entry: what comes back keeps its history."""
        earlier = DataFinding.objects.filter(code=row.code, row_model=row.row_model, row_id=row.row_id, pk__lt=row.pk)
        found = [
            (self.url("change", one.pk), f"{timezone.localtime(one.found_at):%Y-%m-%d %H:%M}", self.state_label(one)[1])
            for one in earlier.order_by("-pk")[:20]
        ]
        return format_html_join("", '<p><a href="{}" class="underline">{}</a> {}</p>', found) or "—"


def other_model(row: DataFinding) -> str:
    """Of which kind the other row is: an event where a medication was given for it, else the same."""
    return "safety.adverseevent" if row.code == "drug_before_event" else row.row_model


def link_of(label: str, pk: int) -> Any:
    """The kind of an entry, leading to its page, where what is wrong is corrected."""
    address, name = address_of(label, pk), name_of(label)
    # Whose it is stands beside it already.
    name = name if label == "participants.participant" else f"{name} #{pk}"
    return format_html('<a href="{}" class="underline">{}</a>', address, name) if address else name


def name_of(label: str) -> str:
    return str(apps.get_model(label)._meta.verbose_name)


def address_of(label: str, pk: int) -> str:
    page = "page" if label == "participants.participant" else "change"
    try:
        return reverse(f"admin:{label.replace('.', '_')}_{page}", args=[pk])
    except NoReverseMatch:
        return ""
