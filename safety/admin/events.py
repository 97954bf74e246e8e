"""The page of adverse events."""

import datetime as dt
from typing import Any

from django.contrib import admin
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from safety import actions, consequences
from safety.actions.ctcae import resolve
from safety.actions.meddra import has_meddra
from safety.admin import ctcae, seriousness, story
from safety.admin.alerts import owed_list
from safety.admin.duties import COLOURS, countdown_label
from safety.admin.eventform import (
    ACTIONS,
    ASSESS,
    VIEWS,
    AdverseEventForm,
    action_name,
    said_of_agents,
    view_name,
)
from safety.ctcae.catalogue import UnknownTerm, term
from safety.deaths import is_death, owed_after_event
from safety.models import SERIOUSNESS, TREATMENTS, AdverseEvent, Agent, SiteTermName
from trialsite.recordadmin import RecordAdmin
from trialsite.voiding import Consequences

GRADE_SINCE = "grade_since"
VIEW_ROWS = (*(view_name(one) for one in Agent if one is not Agent.OTHER), (view_name(Agent.OTHER), "other_named"))
ACTION_ROWS = tuple(action_name(one) for one in TREATMENTS)


@admin.register(AdverseEvent)
class AdverseEventAdmin(RecordAdmin):
    """What is typed of an event; it is read on its story, where each step of the judgement has its button."""

    form = AdverseEventForm
    list_display = (
        "participant",
        "term",
        "ctcae_name",
        "grade_label",
        "serious_label",
        "report_left",
        "onset",
        "end",
        "outcome",
        "void_mark",
    )
    list_display_links = ("participant", "term")
    list_filter = (
        "is_serious",
        "grade",
        ("outcome", admin.ChoicesFieldListFilter),
    )
    search_fields = (
        "term",
        "ctcae_term",
        "ctcae_code",
        "participant__screening_number",
        "participant__participant_number",
    )
    autocomplete_fields = ("participant", "infusion")
    list_select_related = ("participant",)
    actions_detail = ["story", "assess", "void_record"]
    fieldsets = (
        (
            _("What happened"),
            {
                "fields": (
                    "participant",
                    "term",
                    ("onset", "onset_time"),
                    ("resolved", "resolved_time"),
                    "ctcae_code",
                    "meddra_llt_code",
                    ("grade", GRADE_SINCE),
                    ("pattern", "special_interest"),
                    "infusion",
                )
            },
        ),
        (
            _("Seriousness (any of these makes it serious; a high grade alone does not)"),
            {"fields": (seriousness.SAID, *((name, f"{name}_on") for name in SERIOUSNESS))},
        ),
        (_("Of a death"), {"fields": (("cause_of_death", "autopsy"),)}),
        (_("What was done"), {"fields": (*ACTION_ROWS, "treatment_given", "note")}),
        (
            _("The investigator's assessment (leave open what nobody has judged)"),
            {"fields": (*VIEW_ROWS, "outcome")},
        ),
        (_("Awareness"), {"fields": ("site_aware_at", "sponsor_aware_at")}),
    )

    class Media:
        # For those who only read, too: they see the card without the field.
        css = {"all": ("safety/ctcae.css",)}

    def get_urls(self) -> list[URLPattern]:
        return [*ctcae.urls(self), *story.urls(self), *super().get_urls()]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*super().get_readonly_fields(request, obj), "ctcae_shown", "owed_shown")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = [_without(one, self._left_out(request, obj)) for one in super().get_fieldsets(request, obj)]
        fieldsets = [one for one in fieldsets if one[1]["fields"]]
        if obj is not None and is_death(obj):
            fieldsets = [(_("What must follow a death"), {"fields": ("owed_shown",)}), *fieldsets]
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [_exchanged(one, "ctcae_code", "ctcae_shown") for one in fieldsets]

    def _left_out(self, request: HttpRequest, obj: Any) -> set[str]:
        """What this person does not say here: a judgement that is not theirs, or what is not asked yet or any more."""
        may_assess, is_read = request.user.has_perm(ASSESS), obj and not self.has_change_permission(request, obj)
        found = set() if may_assess else {*VIEWS, "other_named", "outcome"}
        if obj is None or is_read:
            found.add(GRADE_SINCE)
        if obj is not None and not may_assess:
            found.add(seriousness.SAID)
        if is_read:
            # Read with the agents on the story.
            found |= {*VIEWS, *ACTIONS, "other_named", seriousness.SAID}
            found.discard("outcome")
        if not has_meddra():
            found.add("meddra_llt_code")
        return found

    def rows_of(self, request: HttpRequest, obj: Any) -> list[Model]:
        """Its agents are changed on the same page."""
        return [*super().rows_of(request, obj), *obj.agents.order_by("pk")]

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        said = {"by": request.user, "now": now, "agents": said_of_agents(form.cleaned_data)}
        if change:
            since = form.cleaned_data.get(GRADE_SINCE) or ""
            actions.correct_adverse_event(event=obj, grade_since=since, **said)
        else:
            actions.log_adverse_event(event=obj, **said)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_event(event=obj, reason=reason, by=by, now=now)

    @action(description=_("Story of the event"))
    def story(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("story", object_id))

    @action(description=_("Assess and sign…"), permissions=["assess"])
    def assess(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("assess", object_id))

    def has_assess_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm(ASSESS) and not request.user.is_superuser

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return consequences.of_event(obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AdverseEvent]:
        of_the_site = SiteTermName.objects.filter(code=OuterRef("ctcae_code")).values("name_zh")
        found: QuerySet[AdverseEvent] = super().get_queryset(request)
        return found.annotate(site_name_zh=Subquery(of_the_site[:1]), next_due=actions.next_due())

    @display(description=_("CTCAE term"), ordering="ctcae_term")
    def ctcae_name(self, event: Any) -> str:
        """In the reader's language, the site's own Chinese name before ours; as stored where the code is unknown."""
        if not event.ctcae_code or not ctcae.is_chinese():
            return event.ctcae_term or "—"
        try:
            ours = term(event.ctcae_version, event.ctcae_code).name_zh
        except UnknownTerm:
            ours = event.ctcae_term
        return event.site_name_zh or ours

    @admin.display(description=_("to be done"))
    def owed_shown(self, event: AdverseEvent) -> str:
        return owed_list(owed_after_event(event))

    @admin.display(description=_("CTCAE term"))
    def ctcae_shown(self, event: AdverseEvent) -> str | SafeString:
        found = resolve(event.ctcae_version, event.ctcae_code) if event.ctcae_code else None
        if found is None:
            return event.ctcae_term or "—"
        return render_to_string("admin/safety/ctcae_card.html", {"card": ctcae.card_of(found, grade=event.grade)})

    @display(
        description=_("grade"),
        ordering="grade",
        label={1: "info", 2: "info", 3: "warning", 4: "danger", 5: "danger"},
    )
    def grade_label(self, event: AdverseEvent) -> tuple[int, str]:
        return event.grade, str(event.grade)

    @display(description=_("serious"), ordering="is_serious", label={True: "danger", False: "info"})
    def serious_label(self, event: AdverseEvent) -> tuple[bool, Any]:
        return event.is_serious, _("serious") if event.is_serious else _("not serious")

    @display(description=_("next report"), label=COLOURS)
    def report_left(self, event: Any) -> tuple[str, str] | None:
        return countdown_label(event.next_due, now=timezone.now())

    @display(description=_("resolved"), ordering="resolved")
    def end(self, event: AdverseEvent) -> Any:
        return event.resolved or _("ongoing")


def _without(fieldset: Any, names: set[str]) -> Any:
    title, options = fieldset
    rows = [
        tuple(name for name in row if name not in names) if isinstance(row, tuple) else row for row in options["fields"]
    ]
    return title, {**options, "fields": tuple(row for row in rows if row and row not in names)}


def _exchanged(fieldset: Any, name: str, other: str) -> Any:
    title, options = fieldset
    return title, {**options, "fields": tuple(other if field == name else field for field in options["fields"])}
