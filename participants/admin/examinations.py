"""The pages of examinations: one form for a blood count or a chemistry, as the laboratory prints it."""

import datetime as dt
from dataclasses import replace
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from participants import actions
from participants.admin import limits
from participants.admin.panels import (
    HISTORICAL,
    ExaminationForm,
    Panel,
    answer_form,
    initial_of,
    lines_of,
    rows_of,
    with_rest,
)
from participants.entering import asked_of
from participants.models import Examination, Measurement, Participant
from participants.names import MEASURE_NAMES, PANEL_NAMES
from participants.rules.eligibility import qtcb_ms, qtcf_ms, rr_of_rate
from participants.rules.measures import PANELS
from participants.wording import rounded
from trialsite import audit, merging, once, signing, versions, wayback
from trialsite.reading import read_key
from trialsite.recordadmin import ReadOnlyRecordAdmin, RecordAdmin
from trialsite.study import Protocol, get_study
from trialsite.voiding import Consequences


@admin.register(Examination)
class ExaminationAdmin(RecordAdmin):
    list_display = ("participant", "panel", "taken_at", "results", "study_mark", "created_by", "void_mark")
    list_display_links = ("participant", "panel")
    list_filter = (("panel", admin.ChoicesFieldListFilter),)
    search_fields = ("participant__screening_number", "participant__participant_number", "laboratory")
    list_select_related = ("participant", "created_by")
    date_hierarchy = "taken_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("measurements")

    @display(description=_("results"))
    def results(self, obj: Examination) -> str:
        shown = [f"{MEASURE_NAMES[m.code]} {m.text}" for m in obj.measurements.all() if not m.is_void]
        return " · ".join(shown[:4]) + (" …" if len(shown) > 4 else "")

    @display(description=_("done for"), label={True: "info", False: "default"})
    def study_mark(self, obj: Examination) -> tuple[bool, Any]:
        return obj.is_study_procedure, _("study") if obj.is_study_procedure else _("routine care")

    # --- one page for new and old ---------------------------------------------------------------

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        if object_id is None:
            return self._new(request)
        with transaction.atomic():
            obj = self.get_object(request, object_id)
            if obj is not None and request.method == "POST":
                versions.lock(obj, through="participant")
                obj = self.get_object(request, object_id)
            if obj is None:
                raise Http404
            if not self.has_view_permission(request, obj):
                raise PermissionDenied
            late = self._void_meanwhile(request, object_id)
            return late or self._page(request, obj, is_editable=self.has_change_permission(request, obj))

    def _new(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        panel = request.GET.get("panel", "")
        if panel not in PANELS:
            return self._choose_panel(request)
        examination = Examination(panel=panel, is_study_procedure=panel not in HISTORICAL)
        return self._page(request, examination, is_editable=True)

    def _choose_panel(self, request: HttpRequest) -> HttpResponse:
        asked = request.GET.copy()
        tiles = []
        for code, name in PANEL_NAMES.items():
            asked["panel"] = code
            contents = gettext(", ").join(str(MEASURE_NAMES[m.code]) for m in PANELS[code])
            tiles.append((f"?{asked.urlencode()}", name, contents))
        context = {
            **self.admin_site.each_context(request),
            "title": _("What was examined?"),
            "tiles": tiles,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/participants/choose_panel.html", context)

    def _page(self, request: HttpRequest, obj: Examination, *, is_editable: bool) -> HttpResponse:
        posted = request.POST.copy() if request.method == "POST" and is_editable else None
        opened = versions.of(*rows_of(obj)) if obj.pk else ""
        conflict = None
        if posted is not None and obj.pk:
            conflict = self._brought_together(request, posted, obj, opened)
        is_new = is_editable and obj.pk is None
        offer = self._offer(request, obj) if is_new else limits.NOTHING
        asked = asked_of(self._protocol(obj), obj.panel)
        data = with_rest(offer.filled(posted), obj.panel, asked) if is_new else posted
        form, lines = self._form(request, data, obj), lines_of(data, obj, offer)
        panel = Panel(request, obj, form, lines, offer, asked)
        may_save = posted is not None and conflict is None and not offer.is_asked
        if may_save and panel.save():
            return self._after(request, form.instance)
        context = {
            "opened": opened,
            "conflict": conflict,
            **self.admin_site.each_context(request),
            "title": PANEL_NAMES[obj.panel],
            "form": form,
            "panel": panel,
            "original": obj if obj.pk else None,
            "is_editable": is_editable,
            "can_void": bool(obj.pk) and obj.is_standing and self.has_void_permission(request),
            "void_note": self.void_note(request, obj) if obj.pk else "",
            "signatures": signing.of(obj) if obj.pk else (),
            "void_url": self.url("void", obj.pk) if obj.pk else "",
            "results": [m for m in obj.measurements.all() if not m.is_void] if obj.pk else [],
            "computed": computed_of(obj) if obj.pk else [],
            "opts": self.opts,
            "audit_trail": self._trail(request, obj),
            "back": reverse("admin:participants_examination_changelist"),
        }
        return TemplateResponse(request, "admin/participants/examination.html", context)

    def _offer(self, request: HttpRequest, obj: Examination) -> limits.Offer:
        return limits.offer(request, obj, limits.participant_of(request, self._participants(request)))

    def _protocol(self, obj: Examination) -> Protocol:
        """The version that says which tests this participant's study asks for; of nobody yet, the newest."""
        study = get_study()
        return study.protocol(obj.participant.protocol_version) if obj.participant_id else study.latest

    def _form(self, request: HttpRequest, posted: Any, obj: Examination) -> ExaminationForm:
        return ExaminationForm(
            posted,
            instance=obj,
            participants=self._participants(request),
            panel=obj.panel,
            first=asked_of(self._protocol(obj), obj.panel),
            initial=self._initial(request, obj),
        )

    def _brought_together(
        self, request: HttpRequest, posted: QueryDict, obj: Examination, opened: str
    ) -> versions.Conflict | None:
        """What somebody else changed meanwhile, in `posted` wherever this person touched nothing; None: nothing."""
        conflict = versions.conflict(request, opened, *rows_of(obj))
        sent = posted.get(versions.FIELD, "")
        newer = [self._form(request, None, obj), *lines_of(None, obj, limits.NOTHING)]
        if conflict is None:
            for form in newer:
                merging.take_theirs(form, posted)
            return None
        older = [versions.as_opened(sent, row) for row in rows_of(obj)]
        was: Any = older[0] or obj
        saved = {row.code: initial_of(row) for row in older[1:] if isinstance(row, Measurement) and not row.is_void}
        before = [self._form(request, None, was), *(answer_form(one, saved) for one in PANELS[obj.panel])]
        labels = ["", *(MEASURE_NAMES[one.code] for one in PANELS[obj.panel])]
        found = [
            merging.merge(old, new, posted, label=label) for old, new, label in zip(before, newer, labels, strict=True)
        ]
        return replace(conflict, differences=[one for some in found for one in some])

    def _participants(self, request: HttpRequest) -> QuerySet[Participant]:
        rows = Participant.objects.standing()
        return rows if request.user.is_superuser else rows.filter(site__in=request.user.sites.all())

    def _initial(self, request: HttpRequest, obj: Examination) -> dict[str, Any]:
        if obj.pk:
            return {}
        participant = self._participants(request).filter(pk=read_key(request.GET.get("participant"))).first()
        laboratory = request.GET.get("laboratory", "")
        return {
            "number": participant.number if participant else "",
            "laboratory": laboratory,
            "taken_at": actions.minute(timezone.now()),
        }

    def _after(self, request: HttpRequest, obj: Examination) -> HttpResponse:
        once.made(request, obj)
        messages.success(request, gettext("%(name)s is saved.") % {"name": obj})
        if "_eligibility" in request.POST:
            return HttpResponseRedirect(
                reverse("admin:participants_participant_eligibility", args=[obj.participant_id])
            )
        if "_another" in request.POST:
            path = reverse("admin:participants_examination_add")
            asked = urlencode({"participant": obj.participant_id, "laboratory": obj.laboratory})
            return HttpResponseRedirect(f"{path}?{asked}")
        return HttpResponseRedirect(wayback.way_back(request) or self.url("change", obj.pk))

    # --- audit trail ----------------------------------------------------------------------------

    def _trail(self, request: HttpRequest, obj: Examination) -> list[audit.Entry]:
        if obj.pk is None or not request.user.has_perm("trialsite.view_audit_trail"):
            return []
        return trail_with_results(obj)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(self.url("change", object_id))

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.examination_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_examination(examination=obj, reason=reason, by=by, now=now)


@admin.register(Measurement)
class MeasurementAdmin(ReadOnlyRecordAdmin):
    """One result of an examination, for whoever takes it back; it is corrected on the examination's page."""

    list_display = ("participant", "code", "text", "taken_at", "created_by", "void_mark")
    list_filter = (("code", admin.ChoicesFieldListFilter),)
    search_fields = ("participant__screening_number", "participant__participant_number")
    list_select_related = ("participant", "created_by", "examination")
    date_hierarchy = "taken_at"
    fieldsets = ((None, {"fields": (("participant", "examination"), ("code", "text"), "taken_at")}),)
    readonly_fields = ("text",)

    @admin.display(description=_("answer"))
    def text(self, row: Measurement) -> str:
        return row.text

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.measurement_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_measurement(row=obj, reason=reason, by=by, now=now)


def computed_of(obj: Examination) -> list[tuple[str, str]]:
    """What follows from the values of this examination alone: QTc by both formulas, for reading rounded."""
    facts = {m.code: actions.fact_of(m) for m in obj.measurements.all() if not m.is_void and m.value is not None}
    qt, rr, rate = (facts.get(code) for code in ("QT", "RR", "EGHR"))
    if qt is None or (rr is None and (rate is None or not rate.number)):
        return []
    interval = rr.number if rr is not None else rr_of_rate(rate.number)
    return [
        ("QTcB (Bazett)", f"{rounded(qtcb_ms(qt.number, interval), '0.1')} ms"),
        ("QTcF (Fridericia)", f"{rounded(qtcf_ms(qt.number, interval), '0.1')} ms"),
    ]


def trail_with_results(obj: Examination) -> list[audit.Entry]:
    """The history of an examination and of each of its results in one, newest first."""
    entries = audit.trail(obj)
    for row in obj.measurements.all():
        entries += audit.trail(row, label=str(MEASURE_NAMES[row.code]), without=("examination", "participant", "code"))
    return sorted(entries, key=lambda entry: entry.at, reverse=True)
