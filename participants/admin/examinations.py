"""The pages of examinations: one form for a blood count or a chemistry, as the laboratory prints it."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pghistory
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
    UnfoldBooleanWidget,
)

from participants import actions
from participants.admin import limits
from participants.models import Examination, Measurement, Participant, numbered
from participants.names import MEASURE_NAMES, PANEL_NAMES, answer_text
from participants.rules.eligibility import qtcb_ms, qtcf_ms, rr_of_rate
from participants.rules.measures import PANELS, QUESTIONS, Kind, Measure, outside
from participants.units import UnknownUnit, convert
from participants.wording import rounded
from trialsite import audit, formfields, merging, once, questions, signing, versions, wayback
from trialsite.constraints import as_refusals
from trialsite.reading import read_key
from trialsite.recordadmin import ReadOnlyRecordAdmin, RecordAdmin, rewritten
from trialsite.refusal import Refused
from trialsite.voiding import Consequences

FASTING_PANELS = frozenset({"CHEM"})
# Taken long before the study as a rule.
HISTORICAL = frozenset({*QUESTIONS, "CD19"})


class ExaminationForm(forms.ModelForm):  # type: ignore[type-arg]
    """When, where and for what; the answers stand in forms of their own below."""

    number = formfields.CodeField(
        label=_("participant"), widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    )
    deviation_reason = forms.CharField(
        label=_("Reason for the protocol deviation"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Only when it was done for this study before the consent."),
    )
    limits_compared = forms.BooleanField(
        label=_("I have compared the marked limits with this report"), required=False, widget=UnfoldBooleanWidget
    )
    reason_for_change = forms.CharField(
        label=_("Reason for the change"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Goes into the audit trail beside the old and the new values."),
    )

    class Meta:
        model = Examination
        fields = ("taken_at", "is_fasting", "laboratory", "is_study_procedure", "note")
        field_classes = {"taken_at": formfields.MomentField}
        widgets = {
            "taken_at": UnfoldAdminSplitDateTimeWidget,
            "laboratory": UnfoldAdminTextInputWidget,
            "is_study_procedure": UnfoldBooleanSwitchWidget,
            "note": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
            "is_fasting": UnfoldAdminSelectWidget(
                choices=[formfields.UNCHOSEN, ("true", _("yes")), ("false", _("no"))]
            ),
        }

    def __init__(self, *args: Any, participants: QuerySet[Participant], panel: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.participants = participants
        if panel not in FASTING_PANELS:
            self.fields.pop("is_fasting")
        if self.instance.pk is None:
            self.fields.pop("reason_for_change")
        else:
            self.fields.pop("number")
            self.fields.pop("limits_compared")
        questions.prepare(self)

    @cached_property
    def whose(self) -> Participant | None:
        """Whom the number means that was typed or that the address has chosen: shown with the name beside it."""
        number = self["number"].value() if "number" in self.fields else ""
        return self.participants.filter(numbered(number)).first() if number else None

    def clean_number(self) -> str:
        number: str = self.cleaned_data["number"]
        participant = self.whose
        if participant is None:
            raise forms.ValidationError(_("No participant of your sites has this number. Check it."))
        self.instance.participant = participant
        return number


class AnswerForm(forms.Form):
    """One line of the laboratory's report, or one question. Nothing typed is no answer."""

    not_done = forms.CharField(required=False, max_length=200, widget=UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, measure: Measure, **kwargs: Any) -> None:
        super().__init__(*args, prefix=measure.code, use_required_attribute=False, **kwargs)
        self.measure = measure
        self.marked: set[str] = set()
        getattr(self, f"_add_{measure.kind.value}")()

    @property
    def name(self) -> Any:
        return MEASURE_NAMES[self.measure.code]

    @property
    def unit_text(self) -> str:
        return answer_text("unit", self.measure.unit)

    def mark(self, suggested: dict[str, str]) -> None:
        """The boxes that hold what an older report said stand out until somebody has looked."""
        self.marked = {
            name for name, text in suggested.items() if name in self.fields and text and self[name].value() == text
        }
        for name in self.marked:
            attrs = self.fields[name].widget.attrs
            attrs["class"] = f"{attrs.get('class', '')} ts-suggested"
            attrs["title"] = gettext("From an older report of this laboratory: compare it.")

    @property
    def holds_marked(self) -> bool:
        """Whether limits would be stored that only an older report has said."""
        return bool(self.marked & {"low", "high", "lloq"})

    def _add_number(self) -> None:
        self.fields["value"] = formfields.BoundField(required=False, max_length=40, widget=_line())
        if len(self.measure.all_units) > 1:
            units = [(unit, answer_text("unit", unit)) for unit in self.measure.all_units]
            self.fields["unit"] = forms.ChoiceField(choices=units, required=False, widget=UnfoldAdminSelectWidget)
        if self.measure.has_range:
            self.fields["low"], self.fields["high"] = _limit_field(), _limit_field()
        if self.measure.has_lloq:
            self.fields["lloq"] = _limit_field()
        self.fields["accepted"] = forms.BooleanField(required=False, label=_("as printed"))

    def _add_choice(self) -> None:
        choices = [(choice, answer_text(self.measure.code, choice)) for choice in self.measure.choices]
        if len(choices) <= 3:
            # Nothing chosen is not a no: the buttons start empty.
            self.fields["choice"] = forms.ChoiceField(choices=choices, required=False, widget=forms.RadioSelect)
        else:
            self.fields["choice"] = forms.ChoiceField(
                choices=[formfields.UNCHOSEN, *choices], required=False, widget=UnfoldAdminSelectWidget
            )

    def _add_date(self) -> None:
        widget = _line(placeholder="YYYY-MM-DD / YYYY-MM / YYYY")
        self.fields["day"] = formfields.PartialDateField(required=False, max_length=40, widget=widget)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("value"):
            cleaned["comparator"], cleaned["value"] = cleaned["value"]
        if cleaned.get("not_done") and any(cleaned.get(name) not in (None, "") for name in ("value", "choice", "day")):
            self.add_error("not_done", _("There is a result: leave this empty, or take the result out."))
        return cleaned

    def answer(self) -> Measurement | None:
        """What was typed as a measurement that is not saved yet; None where nothing was."""
        data = self.cleaned_data
        if data.get("not_done"):
            return Measurement(code=self.measure.code, not_done_reason=data["not_done"])
        if data.get("choice") or data.get("day"):
            return Measurement(code=self.measure.code, choice=data.get("choice", ""), day=data.get("day", ""))
        if data.get("value") is None:
            return None
        return Measurement(
            code=self.measure.code,
            value=data["value"],
            comparator=data.get("comparator", ""),
            unit=data.get("unit") or self.measure.unit,
            reference_low=data.get("low"),
            reference_high=data.get("high"),
            lloq=data.get("lloq"),
        )

    @property
    def is_unusual(self) -> bool:
        """Whether the typed value may be but rarely is: then the box "as printed" is offered."""
        if not self.is_bound or self.measure.kind != Kind.NUMBER or not hasattr(self, "cleaned_data"):
            return False
        value = self.cleaned_data.get("value")
        if not isinstance(value, Decimal):
            return False
        try:
            converted = convert(self.measure, value, self.cleaned_data.get("unit") or self.measure.unit)
        except UnknownUnit:
            return False
        return outside(self.measure, converted, self.measure.probable) and not outside(
            self.measure, converted, self.measure.possible
        )


def _line(placeholder: str = "") -> UnfoldAdminTextInputWidget:
    return UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "placeholder": placeholder})


def _limit_field() -> formfields.DecimalField:
    return formfields.DecimalField(required=False, max_digits=20, decimal_places=6, widget=_line())


def initial_of(row: Measurement) -> dict[str, Any]:
    """A saved answer as the form shows it."""
    value = f"{row.comparator} {limits.plain(row.value)}".strip()
    return {
        "unit": row.unit,
        **limits.of_row(row),
        "value": value,
        "choice": row.choice,
        "day": row.day,
        "not_done": row.not_done_reason,
    }


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
        opened = versions.of(*_rows_of(obj)) if obj.pk else ""
        conflict = None
        if posted is not None and obj.pk:
            conflict = self._brought_together(request, posted, obj, opened)
        is_new = is_editable and obj.pk is None
        offer = limits.offer(request, obj, self._participants(request)) if is_new else limits.NOTHING
        form = self._form(request, offer.filled(posted), obj)
        lines = self._lines(offer.filled(posted), obj, offer)
        may_save = posted is not None and conflict is None and not offer.is_asked
        if may_save and self._save(request, form, lines, offer):
            return self._after(request, form.instance)
        context = {
            "opened": opened,
            "conflict": conflict,
            **self.admin_site.each_context(request),
            "title": PANEL_NAMES[obj.panel],
            "form": form,
            "lines": lines,
            "offer": offer,
            "is_question": all(line.measure.kind != Kind.NUMBER for line in lines),
            "has_range": any(line.measure.has_range for line in lines),
            "has_lloq": any(line.measure.has_lloq for line in lines),
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

    def _form(self, request: HttpRequest, posted: Any, obj: Examination) -> ExaminationForm:
        participants, initial = self._participants(request), self._initial(request, obj)
        return ExaminationForm(posted, instance=obj, participants=participants, panel=obj.panel, initial=initial)

    def _brought_together(
        self, request: HttpRequest, posted: QueryDict, obj: Examination, opened: str
    ) -> versions.Conflict | None:
        """What somebody else changed meanwhile, in `posted` wherever this person touched nothing; None: nothing."""
        conflict = versions.conflict(request, opened, *_rows_of(obj))
        sent = posted.get(versions.FIELD, "")
        newer = [self._form(request, None, obj), *self._lines(None, obj, limits.NOTHING)]
        if conflict is None:
            for form in newer:
                merging.take_theirs(form, posted)
            return None
        older = [versions.as_opened(sent, row) for row in _rows_of(obj)]
        was: Any = older[0] or obj
        saved = {row.code: initial_of(row) for row in older[1:] if isinstance(row, Measurement) and not row.is_void}
        before = [self._form(request, None, was), *(_answer_form(one, saved) for one in PANELS[obj.panel])]
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
            "taken_at": timezone.now(),
        }

    def _lines(self, posted: Any, obj: Examination, offer: limits.Offer) -> list[AnswerForm]:
        """One form for each measure; a new one with the limits that its laboratory printed last, marked as such."""
        measures = PANELS[obj.panel]
        if obj.pk:
            first = {m.code: initial_of(m) for m in obj.measurements.all() if not m.is_void}
        else:
            first = {m.code: offer.values(m.code) for m in measures}
        lines = [_answer_form(m, first, posted) for m in measures]
        for line in lines:
            line.mark(offer.values(line.measure.code))
        return lines

    # --- saving ---------------------------------------------------------------------------------

    def _save(self, request: HttpRequest, form: ExaminationForm, lines: list[AnswerForm], offer: limits.Offer) -> bool:
        """Save, or put every reason where it belongs and keep what was typed."""
        is_complete = form.is_valid()
        for line in lines:
            is_complete &= line.is_valid()
        if not is_complete:
            return False
        answers = {line.measure.code: answer for line in lines if (answer := line.answer()) is not None}
        accepted = {line.measure.code for line in lines if line.cleaned_data.get("accepted")}
        for line in lines:
            self._judge(line, answers.get(line.measure.code), accepted, form.instance)
        if any(line.errors for line in lines) or not self._are_limits_compared(form, lines, offer):
            return False
        is_rewritten = any(rewritten(one) for one in (form, *lines))
        if form.instance.pk and is_rewritten and not form.cleaned_data["reason_for_change"].strip():
            form.add_error("reason_for_change", _("A change after the first save needs its reason."))
            return False
        if not self._is_answered_for(request, form, list(answers.values())):
            return False
        try:
            with as_refusals(), transaction.atomic():
                self._act(request, form, list(answers.values()), accepted)
                questions.keep(form, by=request.user, now=timezone.now())
        except Refused as refusal:
            form.add_error(None, refusal)
            return False
        return True

    def _is_answered_for(self, request: HttpRequest, form: ExaminationForm, answers: list[Measurement]) -> bool:
        """What looks wrong is asked, once everything else is right."""
        row, now = form.instance, timezone.now()
        for one in answers:
            one.participant = row.participant
        row.answers = answers
        changed = None if row.pk is None else form.changed_data
        return questions.ask(form, row, *answers, changed=changed, by=request.user, now=now)

    def _are_limits_compared(self, form: ExaminationForm, lines: list[AnswerForm], offer: limits.Offer) -> bool:
        """Nobody's limits are stored because an older report had them: somebody has looked at this one."""
        if offer.is_of_another:
            form.add_error("laboratory", limits.other_text(offer))
        elif any(line.holds_marked and line.answer() for line in lines) and not form.cleaned_data["limits_compared"]:
            form.add_error("limits_compared", limits.compare_text(offer))
        return not form.errors

    def _judge(self, line: AnswerForm, answer: Measurement | None, accepted: set[str], obj: Examination) -> None:
        if answer is None:
            return
        code = line.measure.code
        day = actions.site_day(obj.taken_at)
        for reason in actions.wrong_answer(answer, is_accepted=code in accepted, now_day=day):
            line.add_error(None, reason)

    def _act(self, request: HttpRequest, form: ExaminationForm, answers: list[Measurement], accepted: set[str]) -> None:
        common = {
            "examination": form.instance,
            "answers": answers,
            "accepted": accepted,
            "deviation_reason": form.cleaned_data["deviation_reason"],
            "by": request.user,
            "now": timezone.now(),
        }
        if form.instance.pk is None:
            with pghistory.context(reason=questions.reason_of(form)):
                actions.record_examination(**common)
            return
        reason = questions.reason_of(form, form.cleaned_data["reason_for_change"])
        with pghistory.context(reason=reason):
            actions.correct_examination(**common, reason=reason)

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


def _answer_form(measure: Measure, saved: dict[str, Any], posted: Any = None) -> AnswerForm:
    return AnswerForm(posted, measure=measure, initial=saved.get(measure.code, {}))


def _rows_of(obj: Examination) -> list[Any]:
    return [obj, *obj.measurements.all()]


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
