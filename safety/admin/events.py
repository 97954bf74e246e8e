"""The page of adverse events."""

import datetime as dt
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import URLPattern
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from participants.models import Participant
from safety import actions, consequences
from safety.actions.ctcae import resolve
from safety.admin import ctcae, seriousness
from safety.admin.alerts import owed_list
from safety.ctcae.catalogue import UnknownTerm, term
from safety.deaths import is_death, owed_after_event
from safety.models import AdverseEvent, SiteTermName
from trialsite.recordadmin import RecordAdmin, RecordForm
from trialsite.voiding import Consequences


class AdverseEventForm(RecordForm):
    ctcae_code = ctcae.CtcaeField(label=_("CTCAE term"))
    is_serious_said = seriousness.field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            # It was answered when the event was recorded; the boxes tell the rest.
            self.fields.pop(seriousness.SAID, None)
        if "ctcae_code" in self.fields:
            field: Any = self.fields["ctcae_code"]
            field.of_version(self.instance.ctcae_version or actions.ctcae_version(self._participant()))
            # An event from before the term was asked for may stay without one.
            field.required = self.instance.pk is None or bool(self.instance.ctcae_code)

    def _participant(self) -> Participant | None:
        """Who was chosen already, for the version of their protocol."""
        value = self.data.get(self.add_prefix("participant")) if self.is_bound else self.initial.get("participant")
        try:
            return self.fields["participant"].clean(value)
        except ValidationError:
            return None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        seriousness.compare(self, cleaned)
        return cleaned

    def check(self, row: AdverseEvent) -> None:
        actions.check_adverse_event(row, now=timezone.now())


@admin.register(AdverseEvent)
class AdverseEventAdmin(RecordAdmin):
    form = AdverseEventForm
    list_display = (
        "participant",
        "term",
        "ctcae_name",
        "grade_label",
        "serious_label",
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
    fieldsets = (
        (
            _("What happened"),
            {"fields": ("participant", "term", ("onset", "resolved"), "ctcae_code", "grade", "infusion")},
        ),
        (
            _("Seriousness (any of these makes it serious; a high grade alone does not)"),
            {
                "fields": (
                    seriousness.SAID,
                    ("results_in_death", "is_life_threatening"),
                    ("requires_hospitalisation", "results_in_disability"),
                    ("is_congenital_anomaly", "is_other_important"),
                )
            },
        ),
        (_("Assessment"), {"fields": ("outcome",)}),
        (_("Awareness"), {"fields": ("site_aware_at", "note")}),
    )

    class Media:
        # For those who only read, too: they see the card without the field.
        css = {"all": ("safety/ctcae.css",)}

    def get_urls(self) -> list[URLPattern]:
        return [*ctcae.urls(self), *super().get_urls()]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*super().get_readonly_fields(request, obj), "ctcae_shown", "owed_shown")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return fieldsets
        fieldsets = [_left_out(one, seriousness.SAID) for one in fieldsets]
        if is_death(obj):
            fieldsets = [(_("What must follow a death"), {"fields": ("owed_shown",)}), *fieldsets]
        if self.has_change_permission(request, obj):
            return fieldsets
        return [_exchanged(one, "ctcae_code", "ctcae_shown") for one in fieldsets]

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        if change:
            actions.correct_adverse_event(event=obj, by=request.user, now=now)
        else:
            actions.log_adverse_event(event=obj, by=request.user, now=now)

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return consequences.of_event(obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AdverseEvent]:
        of_the_site = SiteTermName.objects.filter(code=OuterRef("ctcae_code")).values("name_zh")
        found: QuerySet[AdverseEvent] = super().get_queryset(request).annotate(site_name_zh=Subquery(of_the_site[:1]))
        return found

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

    @display(description=_("resolved"), ordering="resolved")
    def end(self, event: AdverseEvent) -> Any:
        return event.resolved or _("ongoing")


def _left_out(fieldset: Any, name: str) -> Any:
    title, options = fieldset
    return title, {**options, "fields": tuple(field for field in options["fields"] if field != name)}


def _exchanged(fieldset: Any, name: str, other: str) -> Any:
    title, options = fieldset
    return title, {**options, "fields": tuple(other if field == name else field for field in options["fields"])}
