"""The pages of CRS and ICANS assessments."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import fields as dataclass_fields
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
)

from safety import actions, consequences
from safety.actions.voids import belongs_to_bedside
from safety.choices import FINDING_NAMES, KINDS, choices, determinants_in_words, name_of
from safety.models import CrsAssessment, IcansAssessment, Scale, ToxicityAssessment, badge, current
from safety.rules import crs, icans
from safety.rules.bedside import ICE_POINTS, Death, Observations, Vasopressor
from trialsite import formfields
from trialsite.fields import PLEASE_CHOOSE
from trialsite.models import Record
from trialsite.recordadmin import ReasonForm, RecordAdmin, RecordForm
from trialsite.signature import check_own_grade, password_for_own_grade
from trialsite.voiding import Consequences

NOT_LOOKED_AT = _("not looked at")


def choice(name: str, kind: Any, *, required: bool = True) -> forms.TypedChoiceField:
    """A choice of the rule's own words, named in the reader's language; nothing is chosen at first."""
    answers = [("", PLEASE_CHOOSE), *choices(kind)]
    return forms.TypedChoiceField(
        label=FINDING_NAMES[name],
        choices=answers,
        coerce=kind,
        empty_value=None,
        required=required,
        widget=UnfoldAdminSelectWidget(choices=answers),
    )


def buttons(name: str, answers: Any, coerce: Any, *, required: bool = True) -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        label=FINDING_NAMES[name],
        choices=answers,
        coerce=coerce,
        empty_value=None,
        required=required,
        widget=UnfoldAdminRadioSelectWidget(radio_style=admin.HORIZONTAL),
    )


def yes_no(name: str, *, required: bool = True) -> forms.TypedChoiceField:
    """Yes or no as two buttons: nothing chosen is not a no. Where no answer is required, a third says “not looked
    at”.
    """
    answers = [("yes", _("yes")), ("no", _("no")), *(() if required else (("", NOT_LOOKED_AT),))]
    return buttons(name, answers, lambda value: value == "yes", required=required)


def points(name: str, top: int) -> formfields.IntegerField:
    return formfields.IntegerField(
        label=format_lazy("{} (0–{})", FINDING_NAMES[name], top),
        min_value=0,
        max_value=top,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
    )


def measured(name: str, low: int, high: int, help_text: Any = "") -> formfields.DecimalField:
    return formfields.DecimalField(
        label=FINDING_NAMES[name],
        min_value=low,
        max_value=high,
        required=False,
        help_text=help_text,
        widget=UnfoldAdminDecimalFieldWidget,
    )


class AssessmentForm(RecordForm):
    """Findings in, grade out: nobody types a grade that the scale computes."""

    scale: ClassVar[Scale]
    # Whose password stands under another grade than the computed one.
    request: ClassVar[Any] = None
    password = password_for_own_grade()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        check_own_grade(self, self.request)
        return cleaned

    def findings(self) -> Any:
        """The rule's findings, from what was typed and what the record says. Raises ValueError."""
        raise NotImplementedError

    def check(self, row: ToxicityAssessment) -> None:
        actions.check_assessment(row, now=timezone.now())

    def keep_if(self, is_question: bool, *names: str, asks: bool = True) -> None:
        """Forget the answers to what is no question; where it is one and `asks`, nobody else answers it."""
        for name in names:
            if not is_question:
                self.cleaned_data[name] = None
            elif asks and self.cleaned_data.get(name) is None and name not in self.errors:
                self.add_error(name, _("Look, and answer this, too: the grade hangs on it."))

    def observed(self) -> Observations:
        """The same as on the form of the bed, for the questions about what does not go together."""
        raise NotImplementedError

    def rows(self) -> list[Record]:
        self.instance.toxicity = self.scale
        self.instance.observed = self.observed()
        return super().rows()

    def given(self, kind: Any) -> dict[str, Any]:
        """The typed values that the findings have fields for."""
        return {f.name: self.cleaned_data[f.name] for f in dataclass_fields(kind) if f.name in self.cleaned_data}


class CrsForm(AssessmentForm):
    scale = Scale.CRS
    temperature_c = measured("temperature_c", 25, 45, _("Leave empty if it was not measured."))
    fever_attributable = yes_no("fever_attributable", required=False)
    antipyretic_or_anticytokine_given = yes_no("antipyretic_or_anticytokine_given")
    hypotension = yes_no("hypotension")
    vasopressors = buttons(
        "vasopressors", [("0", "0"), ("1", "1"), ("2", _("2 or more")), ("", NOT_LOOKED_AT)], int, required=False
    )
    vasopressin = yes_no("vasopressin", required=False)
    hypotension_attributable = yes_no("hypotension_attributable", required=False)
    oxygen_device = choice("oxygen_device", crs.OxygenDevice)
    oxygen_flow_l_min = measured("oxygen_flow_l_min", 0, 100, _("Needed with a nasal cannula."))
    oxygen_reason = choice("oxygen_reason", crs.OxygenReason, required=False)
    death = choice("death", crs.CrsDeath, required=False)

    def clean(self) -> dict[str, Any]:
        """Asked once another answer makes it a question; what is none is not kept."""
        cleaned = super().clean()
        is_pressed = bool(cleaned.get("hypotension") or cleaned.get("vasopressors") or cleaned.get("vasopressin"))
        temperature, device = cleaned.get("temperature_c"), cleaned.get("oxygen_device")
        is_febrile = temperature is not None and temperature >= crs.FEVER_C
        is_on_oxygen = device not in (None, crs.OxygenDevice.NONE)
        self.keep_if(is_febrile or temperature is None, "fever_attributable", asks=is_febrile)
        self.keep_if(is_pressed, "hypotension_attributable", "vasopressors", "vasopressin")
        self.keep_if(is_on_oxygen, "oxygen_reason")
        self.keep_if(is_on_oxygen, "oxygen_flow_l_min", asks=False)
        return cleaned

    def findings(self) -> crs.CrsFindings:
        row = self.instance
        since = actions.established_since(row.participant, Scale.CRS, before=row.assessed_at)
        return crs.CrsFindings(
            days_since_infusion=actions.days_since_infusion(row.participant, row.assessed_at),
            crs_established=since is not None,
            crs_established_since=since,
            **self.given(crs.CrsFindings),
        )

    def observed(self) -> Observations:
        """The vasopressors are only counted here."""
        given = self.given(Observations)
        count, death = given.pop("vasopressors", None), given.pop("death", None)
        running = None if count is None else (Vasopressor.OTHER,) * count
        return Observations(**given, vasopressors=running, death=Death(death) if death else None)


class IcansForm(AssessmentForm):
    scale = Scale.ICANS
    ice_performed = choice("ice_performed", icans.IcePerformed, required=False)
    orientation = points("orientation", 4)
    naming = points("naming", 3)
    commands = points("commands", 1)
    writing = points("writing", 1)
    attention = points("attention", 1)
    use_capd = yes_no("use_capd", required=False)
    capd_score = points("capd_score", 32)
    consciousness = choice("consciousness", icans.Consciousness)
    consciousness_attributable = yes_no("consciousness_attributable", required=False)
    seizure = choice("seizure", icans.Seizure, required=False)
    seizure_minutes = measured("seizure_minutes", 0, 10_000)
    deep_focal_weakness = yes_no("deep_focal_weakness", required=False)
    cerebral_oedema = choice("cerebral_oedema", icans.Oedema, required=False)
    pressure_sign = choice("pressure_sign", icans.PressureSign, required=False)
    intracranial_haemorrhage = yes_no("intracranial_haemorrhage", required=False)
    attributable_to_other_cause = yes_no("attributable_to_other_cause", required=False)
    death = choice("death", icans.IcansDeath, required=False)

    def findings(self) -> icans.IcansFindings:
        row = self.instance
        age = row.participant.age_on(timezone.localtime(row.assessed_at).date())
        days = actions.days_since_infusion(row.participant, row.assessed_at)
        return icans.IcansFindings(age_years=age, days_since_infusion=days, **self.given(icans.IcansFindings))

    def observed(self) -> Observations:
        given = self.given(Observations)
        death = given.pop("death", None)
        ice = {name: value for item in icans.ICE_ITEMS for name, value in _points(item, self.cleaned_data[item])}
        return Observations(**given, **ice, death=Death(death) if death else None)

    def clean(self) -> dict[str, Any]:
        """An ICE that was performed has all of its five items."""
        cleaned = super().clean()
        is_awake = cleaned.get("consciousness") in (None, icans.Consciousness.ALERT)
        self.keep_if(not is_awake, "consciousness_attributable")
        if cleaned.get("use_capd"):
            return cleaned
        if cleaned.get("ice_performed") is None and "ice_performed" not in self.errors:
            self.add_error("ice_performed", _("Was ICE performed? If CAPD was used instead, say so below."))
        if cleaned.get("ice_performed") != icans.IcePerformed.YES:
            return cleaned
        for name in icans.ICE_ITEMS:
            if name not in self.errors and cleaned.get(name) is None:
                self.add_error(name, _("Give the points, 0 included; or say above that ICE was not done."))
        return cleaned


def _points(item: str, total: int | None) -> Iterator[tuple[str, bool | None]]:
    """The points of an item one by one: which of them were right is not told."""
    for number, name in enumerate(ICE_POINTS[item]):
        yield name, None if total is None else number < total


class RegradeForm(ReasonForm):
    """An investigator's own grade, before its reason."""

    investigator_grade = forms.TypedChoiceField(
        label=_("investigator's grade, if different"),
        choices=[("", PLEASE_CHOOSE), *((str(grade), str(grade)) for grade in range(6))],
        coerce=int,
        widget=UnfoldAdminSelectWidget,
    )
    field_order = ("investigator_grade", "reason")


class AssessmentAdmin(RecordAdmin):
    """Assessments are added and read, never changed: a correction is a new one that points to the old."""

    scale: ClassVar[Scale]
    reason_texts: ClassVar[dict[str, str]]
    flag_texts: ClassVar[dict[str, str]]
    list_display = (
        "participant",
        "assessed_at",
        "grade_label",
        "determined_by",
        "flags_said",
        "created_by",
        "void_mark",
    )
    list_filter = ("grade",)
    known_values: ClassVar[dict[str, Any]] = {"grade": (*range(6), None)}
    search_fields = ("participant__screening_number", "participant__participant_number")
    autocomplete_fields = ("participant",)
    list_select_related = ("participant", "created_by")
    date_hierarchy = "assessed_at"
    last_fieldsets: tuple[Any, ...] = (
        (
            _("A different grade, or a correction"),
            {"fields": ("investigator_grade", "investigator_reason", "password", "corrects")},
        ),
        (_("Note"), {"fields": ("note",)}),
    )
    result_fieldsets: tuple[Any, ...] = (
        (_("Grade"), {"fields": ("grade_with_reason", "flags_in_words")}),
        (_("Assessment"), {"fields": (("participant", "assessed_at"), "findings_in_words")}),
        (
            _("A different grade, or a correction"),
            {"fields": ("investigator_grade", "investigator_reason", "corrects")},
        ),
        (_("Note"), {"fields": ("note",)}),
    )
    readonly_fields = ("grade_with_reason", "flags_in_words", "findings_in_words")
    actions_detail = ["other_grade", "course_of", "void_record"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"request": request})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(toxicity=self.scale)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return (*self.fieldsets, *self.last_fieldsets)
        return [*self.result_fieldsets, *super().get_fieldsets(request, obj)[len(self.fieldsets) :]]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "corrects":
            kwargs["queryset"] = current(self.get_queryset(request))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    # --- voiding ------------------------------------------------------------------------------

    def void_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What was computed from a look at the bed is taken back with it."""
        obj = self.get_object(request, object_id)
        if obj is None or obj.is_void or not belongs_to_bedside(obj):
            return super().void_view(request, object_id)
        messages.info(request, _("This grade was computed at the bedside: here both grades are voided with it."))
        return HttpResponseRedirect(reverse("admin:safety_bedsideassessment_void", args=[obj.bedside_id]))

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return consequences.of_assessment(obj, actions.void_assessment, now=now)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_assessment(assessment=obj, reason=reason, by=by, now=now)

    # --- another grade ------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        name = f"safety_{self.opts.model_name}_regrade"
        view = self.admin_site.admin_view(self.regrade_view)
        return [path("<path:object_id>/regrade/", view, name=name), *super().get_urls()]

    @action(description=_("Set another grade…"), permissions=["regrade"])
    def other_grade(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("regrade", object_id))

    def has_regrade_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("safety.regrade_assessment")

    def regrade_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.ask(
            request,
            object_id,
            allowed=self.has_regrade_permission(request),
            form_class=RegradeForm,
            title=_("Set another grade"),
            intro=_("The findings and the computed grade stay; your grade counts from now on, with its reason."),
            button=_("Set this grade"),
            act=lambda obj, data, now: actions.regrade(
                assessment=obj,
                investigator_grade=data["investigator_grade"],
                reason=data["reason"],
                by=request.user,
                now=now,
            ),
            done=_("Your grade counts from now on."),
            follow=True,
            is_signed=True,
        )

    @action(description=_("Course of toxicity"))
    def course_of(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        row = self.row(request, object_id)
        return HttpResponseRedirect(reverse("admin:safety_course", args=[row.participant_id]))

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        actions.assess(assessment=obj, scale=self.scale, findings=form.findings(), by=request.user, now=now)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Most assessments are of this moment."""
        return {"assessed_at": timezone.now(), **super().get_changeform_initial_data(request)}

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """After an assessment its grade is what everybody wants to see."""
        if "_addanother" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        return HttpResponseRedirect(self.url("change", obj.pk))

    @display(
        description=_("grade"),
        ordering="grade",
        label={None: "warning", 0: "success", 1: "info", 2: "warning", 3: "danger", 4: "danger", 5: "danger"},
    )
    def grade_label(self, row: ToxicityAssessment) -> tuple[int | None, Any]:
        return row.final_grade, grade_in_words(row)

    @display(description=_("flags"))
    def flags_said(self, row: ToxicityAssessment) -> str:
        return "; ".join(dict.fromkeys(gettext(self.flag_texts[flag]) for flag in row.flags))

    @display(description=_("determined by"), ordering="determinants")
    def determined_by(self, row: ToxicityAssessment) -> str:
        return determinants_in_words(row.determinants) or "—"

    @admin.display(description=_("computed grade and its reason"))
    def grade_with_reason(self, row: ToxicityAssessment) -> str:
        sentences = [gettext(self.reason_texts[r["code"]]).format(**r["values"]) for r in row.reasons]
        return format_html(
            '<span class="ts-grade ts-grade-{}">{}</span><ul>{}</ul><small>{}</small>',
            "none" if row.grade is None else row.grade,
            badge(row.toxicity, row.grade),
            format_html_join("", "<li>{}</li>", ((sentence,) for sentence in sentences)),
            row.scale,
        )

    @admin.display(description=_("to be reviewed"))
    def flags_in_words(self, row: ToxicityAssessment) -> str:
        return (
            format_html_join(mark_safe("<br>"), "{}", ((gettext(self.flag_texts[flag]),) for flag in row.flags)) or "—"
        )

    @admin.display(description=_("findings"))
    def findings_in_words(self, row: ToxicityAssessment) -> str:
        # In the order of the form: the database keeps no order of its own.
        names = [name for name in FINDING_NAMES if name in row.findings]
        pairs = ((FINDING_NAMES[name], finding_in_words(row, name, row.findings[name])) for name in names)
        return format_html("<dl class='ts-findings'>{}</dl>", format_html_join("", "<dt>{}</dt><dd>{}</dd>", pairs))


def grade_in_words(row: ToxicityAssessment) -> Any:
    if row.final_grade is None:
        return _("not gradable")
    return f"{row.final_grade} ≠ {row.grade}" if row.investigator_grade is not None else str(row.final_grade)


def finding_in_words(row: ToxicityAssessment, name: str, value: Any) -> Any:
    """A finding as people say it; what was not recorded is not a no."""
    if value is None:
        return _("not recorded")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if name == "crs_established_since":
        return f"{dt.datetime.fromisoformat(value):%Y-%m-%d %H:%M}"
    kind = KINDS.get((row.toxicity, name))
    return name_of(kind, value) if kind else value


@admin.register(CrsAssessment)
class CrsAssessmentAdmin(AssessmentAdmin):
    form = CrsForm
    scale = Scale.CRS
    reason_texts, flag_texts = crs.REASON_TEXT, crs.FLAG_TEXT
    fieldsets = (
        (_("Who and when"), {"fields": ("participant", "assessed_at")}),
        (
            _("Fever"),
            {"fields": ("temperature_c", ("fever_attributable", "antipyretic_or_anticytokine_given"))},
        ),
        (
            _("Hypotension"),
            {"fields": (("hypotension", "hypotension_attributable"), ("vasopressors", "vasopressin"))},
        ),
        (_("Hypoxia"), {"fields": (("oxygen_device", "oxygen_flow_l_min"), "oxygen_reason")}),
        (_("Death"), {"fields": ("death",)}),
    )


@admin.register(IcansAssessment)
class IcansAssessmentAdmin(AssessmentAdmin):
    form = IcansForm
    scale = Scale.ICANS
    reason_texts, flag_texts = icans.REASON_TEXT, icans.FLAG_TEXT
    fieldsets = (
        (_("Who and when"), {"fields": ("participant", "assessed_at")}),
        (
            _("ICE score"),
            {
                "fields": (
                    "ice_performed",
                    ("orientation", "naming"),
                    ("commands", "writing", "attention"),
                    ("use_capd", "capd_score"),
                )
            },
        ),
        (_("Consciousness"), {"fields": (("consciousness", "consciousness_attributable"),)}),
        (_("Seizure and weakness"), {"fields": (("seizure", "seizure_minutes"), "deep_focal_weakness")}),
        (
            _("Pressure, bleeding and other causes"),
            {
                "fields": (
                    ("cerebral_oedema", "pressure_sign"),
                    ("intracranial_haemorrhage", "attributable_to_other_cause"),
                )
            },
        ),
        (_("Death"), {"fields": ("death",)}),
    )
