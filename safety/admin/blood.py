"""The pages of the blood: ICAHT as computed, IEC-HS as judged, and the grades that CTCAE suggests."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import log10
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from participants.models import Participant
from participants.names import MEASURE_NAMES, UNIT_NAMES, answer_text
from participants.rules.measures import MEASURES
from safety.actions import blood
from safety.actions.blood import Course, Prefilled, Result, Suggested
from safety.actions.ctcae import site_names
from safety.admin.ctcae import names_in_order
from safety.ctcae.catalogue import UnknownTerm, term, with_names
from safety.models import AdverseEvent, IcahtAssessment, IcahtPhase, IecHsAssessment, IecHsScreen, IecHsSeverity
from safety.rules import icaht, iec_hs, lab_ctcae
from safety.rules.grading import Graded, Reason
from safety.rules.icaht import Anc, Run
from safety.rules.iec_hs import IecHsFindings, Severity
from safety.rules.lab_ctcae import Suggestion, Version
from trialsite.recordadmin import RecordAdmin
from trialsite.refusal import Refused

SHOWN = 20
UNKNOWN = "unknown"
FINDING_NAMES: dict[str, Any] = {
    "ferritin_high": _("ferritin above 2 × the upper limit, or above 2 × the baseline"),
    "ferritin_rising": _("ferritin rapidly rising"),
    "onset_with_resolving_crs": _("onset with resolving CRS, or worsening after initial improvement"),
    "transaminases_high": _("ALT or AST above 5 × the upper limit (5 × the baseline if that was abnormal)"),
    "fibrinogen_low": _("fibrinogen below 1.5 g/L or below the lower limit"),
    "cytopenia": _("new, worsening or refractory cytopenia"),
    "haemophagocytosis": _("haemophagocytosis in the bone marrow or another tissue"),
}
OTHER_NAMES: dict[str, Any] = {
    "ldh_high": _("LDH raised"),
    "coagulation_prolonged": _("PT or APTT prolonged"),
    "direct_bilirubin_high": _("direct bilirubin raised"),
    "splenomegaly": _("new splenomegaly"),
    "fever": _("fever, new or persistent"),
    "neurotoxicity": _("neurotoxicity"),
    "pulmonary": _("lungs affected"),
    "renal": _("kidneys affected"),
    "triglycerides_high": _("triglycerides above 265 mg/dL (3.0 mmol/L)"),
}
# Shown beside a finding that no value decides alone.
BESIDE = {"cytopenia": ("NEUT", "PLAT", "HGB")}
ANSWERS = [("yes", _("yes")), ("no", _("no")), (UNKNOWN, _("not recorded"))]
AS_WORD = {True: "yes", False: "no", None: UNKNOWN}
AS_ANSWER = {"yes": True, "no": False, UNKNOWN: None}
GRADES = [("", "—"), *((str(grade), str(grade)) for grade in range(6))]


# --- Words -------------------------------------------------------------------------------------------


def sentences(reasons: Iterable[Reason], texts: Mapping[str, str]) -> list[str]:
    return [gettext(texts[one.code]).format(**one.values) for one in reasons]


def stored_sentences(row: Any, texts: Mapping[str, str]) -> list[str]:
    """The reasons of a row, and the investigator's where there is one."""
    said = sentences((Reason(one["code"], one["values"]) for one in row.reasons), texts)
    if row.investigator_grade is None:
        return said
    computed = gettext("Computed: {grade}. The investigator set another grade: {reason}")
    grade = "—" if row.grade is None else row.grade
    return [*said, computed.format(grade=grade, reason=row.investigator_reason)]


def plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def value_in_words(result: Result) -> str:
    """The number with its bound and its unit: "< 0.1 ×10⁹/L"."""
    unit = MEASURES[result.code].unit
    parts = (result.comparator, plain(result.value), answer_text("unit", unit) if unit else "")
    return " ".join(str(part) for part in parts if part)


def in_signs(text: str) -> str:
    """Units as people write them: the rules' sentences have the codes, such as 10^9/L."""
    for code in ("10^9/L", "umol/L", "ug/L", "degC"):
        text = text.replace(f" {code}", f" {UNIT_NAMES[code]}")
    return text


def moment(at: dt.datetime) -> str:
    return timezone.localtime(at).strftime("%m-%d %H:%M")


# --- The form of IEC-HS ------------------------------------------------------------------------------


class IecHsForm(forms.Form):
    """Each criterion is yes, no or not recorded; the severity and another grade are the investigator's."""

    assessed_at = forms.SplitDateTimeField(
        label=_("assessed at"),
        widget=forms.SplitDateTimeWidget(
            date_attrs={"type": "date", "class": "ts-input"},
            time_attrs={"type": "time", "class": "ts-input"},
            date_format="%Y-%m-%d",
            time_format="%H:%M",
        ),
    )
    others = forms.MultipleChoiceField(
        label=_("seen besides (no part of the screen)"),
        choices=[(name, OTHER_NAMES[name]) for name in iec_hs.OTHER],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    severity = forms.ChoiceField(
        label=_("severity, if it is IEC-HS"),
        choices=[("", _("not chosen")), *IecHsSeverity.choices],
        required=False,
        widget=forms.RadioSelect,
    )
    investigator_grade = forms.TypedChoiceField(
        label=_("investigator's grade, if different"),
        choices=GRADES,
        coerce=int,
        empty_value=None,
        required=False,
        widget=forms.Select(attrs={"class": "ts-input"}),
    )
    investigator_reason = forms.CharField(
        label=_("reason for the different grade"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "class": "ts-input"}),
    )
    note = forms.CharField(
        label=_("note"), required=False, widget=forms.Textarea(attrs={"rows": 2, "class": "ts-input"})
    )
    correction_reason = forms.CharField(
        label=_("why it is corrected"), required=False, widget=forms.Textarea(attrs={"rows": 2, "class": "ts-input"})
    )

    def __init__(self, *args: Any, may_judge: bool, is_correction: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in FINDING_NAMES.items():
            self.fields[name] = forms.ChoiceField(
                label=label, choices=ANSWERS, initial=UNKNOWN, widget=forms.RadioSelect
            )
        away = () if may_judge else ("severity", "investigator_grade", "investigator_reason")
        for name in (*away, *(() if is_correction else ("correction_reason",))):
            self.fields.pop(name)

    def findings(self) -> IecHsFindings:
        chosen = self.cleaned_data.get("severity")
        answers = {name: AS_ANSWER[self.cleaned_data[name]] for name in FINDING_NAMES}
        return IecHsFindings(**answers, severity=Severity(chosen) if chosen else None)


def first_answers(known: Mapping[str, Prefilled], now: dt.datetime) -> dict[str, Any]:
    """What current laboratory values say; everything else waits for an answer."""
    return {"assessed_at": now, **{name: AS_WORD[one.finding] for name, one in known.items()}}


def answers_of(row: IecHsAssessment) -> dict[str, Any]:
    """A stored assessment as the form's first values, for its correction."""
    kept = ("assessed_at", "severity", "investigator_grade", "investigator_reason", "note")
    answers = {name: AS_WORD[row.findings[name]] for name in FINDING_NAMES}
    return {**answers, "others": row.findings["others"], **{name: getattr(row, name) for name in kept}}


class IcahtForm(forms.Form):
    """Confirm the computed grade, or set another with its reason."""

    investigator_grade = forms.TypedChoiceField(
        label=_("investigator's grade, if different"),
        choices=GRADES[:-1],
        coerce=int,
        empty_value=None,
        required=False,
        widget=forms.Select(attrs={"class": "ts-input"}),
    )
    investigator_reason = forms.CharField(
        label=_("reason for the different grade"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "class": "ts-input"}),
    )
    seen = forms.CharField(widget=forms.HiddenInput)


# --- The curve of the neutrophils --------------------------------------------------------------------


@dataclass(frozen=True)
class Dot:
    x: str
    y: str
    title: str
    is_interpolated: bool


@dataclass(frozen=True)
class Line:
    """A straight line of the picture with its label; `kind` is a class of the picture's own style."""

    x1: str
    y1: str
    x2: str
    y2: str
    label: str
    kind: str = ""
    # Where the words begin, or end: beside a bar.
    text_x: str = ""
    is_left: bool = False


@dataclass(frozen=True)
class Curve:
    """A picture of counts over days: logarithmic, since 100 and 500 matter as much as 5000."""

    width: int
    height: int
    label_x: int
    description: str
    grid: list[Line]
    ticks: list[Line]
    segments: list[str]
    dots: list[Dot]
    bars: list[Line]


WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 290, 56, 12, 12, 74
LOWEST, HIGHEST = 10, 20_000
GRID = ((10, "faint"), (100, "limit"), (500, "limit"), (1000, "faint"), (10_000, "faint"))


def curve_of(days: Sequence[Anc], runs: Sequence[tuple[str, Run | None]]) -> Curve | None:
    """Days from 0 on, at most to Day 100; None without any. Runs are drawn as bars below, with their words."""
    shown = [day for day in days if 0 <= day.day <= icaht.LATE_DAYS[-1]]
    if not shown:
        return None
    last = icaht.EARLY_DAYS[-1] if shown[-1].day <= icaht.EARLY_DAYS[-1] else shown[-1].day

    def x(day: float) -> str:
        return f"{LEFT + (WIDTH - LEFT - RIGHT) * day / last:.1f}"

    return Curve(
        WIDTH,
        HEIGHT,
        LEFT - 6,
        gettext("Neutrophils per microlitre by trial day, Day %(first)s to Day %(last)s; the table has the numbers.")
        % {"first": shown[0].day, "last": shown[-1].day},
        [Line(x(0), _y(value), x(last), _y(value), str(value), kind) for value, kind in GRID],
        [Line(x(day), str(HEIGHT - BOTTOM), x(day), str(HEIGHT - BOTTOM + 5), f"D{day}") for day in _ticks(last)],
        _segments(shown, x),
        [Dot(x(day.day), _y(day.per_ul), _day_in_words(day), day.is_interpolated) for day in shown],
        [_bar(label, run, x, number, last) for number, (label, run) in enumerate(runs) if run],
    )


def _y(value: Decimal | int) -> str:
    inside = min(max(float(value), LOWEST), HIGHEST)
    share = log10(inside / LOWEST) / log10(HIGHEST / LOWEST)
    return f"{HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share:.1f}"


def _ticks(last: int) -> range:
    return range(0, last + 1, 5 if last <= icaht.EARLY_DAYS[-1] else 10)


def _segments(days: Sequence[Anc], x: Any) -> list[str]:
    """Where days have no value the line is broken."""
    parts: list[list[Anc]] = [[days[0]]]
    for one, other in pairwise(days):
        if other.day - one.day > 1:
            parts.append([])
        parts[-1].append(other)
    return [" ".join(f"{x(day.day)},{_y(day.per_ul)}" for day in part) for part in parts]


def _bar(label: str, run: Run, x: Any, number: int, last: int) -> Line:
    """Half a day to both sides, so that a single day can be seen; the words stand where there is room."""
    y = str(HEIGHT - BOTTOM + 34 + number * 22)
    first, end = max(run.first_day - 0.5, 0), min(run.last_day + 0.5, last)
    words = f"{label}: {run_in_words(run)}"
    is_left = first > last - end
    text_x = f"{float(x(first)) - 6:.1f}" if is_left else f"{float(x(end)) + 6:.1f}"
    return Line(x(first), y, x(end), y, words, label, text_x, is_left)


def _day_in_words(day: Anc) -> str:
    return f"D{day.day}: {plain(day.per_ul)}/µL" + (f" ({gettext('interpolated')})" if day.is_interpolated else "")


def run_in_words(run: Run) -> str:
    return gettext("D%(first)s to D%(last)s, %(days)s days") % {
        "first": run.first_day,
        "last": run.last_day,
        "days": run.days,
    }


def days_in_words(days: Sequence[int]) -> str:
    return gettext(", ").join(f"D{day}" for day in days) or "—"


# --- What the page shows -----------------------------------------------------------------------------


@dataclass(frozen=True)
class ShownGrade:
    grade: int | None
    sentences: list[str]
    flags: list[str]
    scale: str


def shown_icaht(graded: Graded) -> ShownGrade:
    flags = [gettext(icaht.FLAG_TEXT[flag]) for flag in graded.flags]
    return ShownGrade(graded.grade, sentences(graded.reasons, icaht.REASON_TEXT), flags, graded.scale)


def shown_row(row: IecHsAssessment | IcahtAssessment) -> ShownGrade:
    rule: Any = iec_hs if isinstance(row, IecHsAssessment) else icaht
    flags = [gettext(rule.FLAG_TEXT[flag]) for flag in row.flags]
    return ShownGrade(row.final_grade, stored_sentences(row, rule.REASON_TEXT), flags, row.scale)


def phases_of(course: Course, rows: Sequence[IcahtAssessment], bound: Mapping[str, IcahtForm]) -> list[dict[str, Any]]:
    """Both times with their grade, whether somebody confirmed it, and the form to do so."""
    return [_phase(course, phase, rows, bound.get(phase)) for phase in IcahtPhase]


def _phase(
    course: Course, phase: IcahtPhase, rows: Sequence[IcahtAssessment], form: IcahtForm | None
) -> dict[str, Any]:
    graded, summary = blood.icaht_of(course, phase)
    newest = next((row for row in rows if row.phase == phase and not row.is_void), None)
    prefix = f"icaht-{phase}"
    first = {"seen": blood.fingerprint(graded, summary)}
    return {
        "phase": phase,
        "shown": shown_icaht(graded),
        "newest": newest,
        "newest_shown": shown_row(newest) if newest else None,
        "is_in_step": newest is not None and (newest.grade, newest.flags) == (graded.grade, list(graded.flags)),
        "form": form or IcahtForm(prefix=prefix, initial=first),
        "is_refused": form is not None,
        # Before its time there is nothing to record.
        "has_begun": all(one.code != "not-begun" for one in graded.reasons),
    }


def counts_shown(course: Course) -> dict[str, Any]:
    """The picture, the longest runs and the table of the neutrophils."""
    early, late = blood.icaht_early(course), blood.icaht_late(course)
    runs = [("≤500/µL", early.longest_500), ("≤100/µL", early.longest_100)]
    days = [day for day in icaht.filled(blood.counts_of(course)) if 0 <= day.day <= icaht.LATE_DAYS[-1]]
    return {
        "curve": curve_of(days, runs),
        "runs": [
            {
                "label": label,
                "words": run_in_words(run) if run else gettext("no day"),
                "interpolated": days_in_words(run.interpolated_days) if run else "—",
            }
            for label, run in runs
        ],
        "lowest": [_day_in_words(day) for day in (late.lowest, late.second) if day],
        "table": [(f"D{day.day}", plain(day.per_ul), day.is_interpolated) for day in days],
        "gaps": [f"D{gap.first_day}–D{gap.last_day}" for gap in early.gaps],
    }


def criteria_shown(form: IecHsForm, known: Mapping[str, Prefilled], course: Course) -> list[dict[str, Any]]:
    """Each criterion with the laboratory's values beside it."""
    return [
        {
            "field": form[name],
            "is_required": name in iec_hs.REQUIRED,
            "beside": [*_said_by_laboratory(known.get(name)), *_newest(course, BESIDE.get(name, ()))],
        }
        for name in FINDING_NAMES
    ]


def _said_by_laboratory(known: Prefilled | None) -> list[str]:
    if known is None:
        return []
    said = " ".join(sentences(known.derived.reasons, iec_hs.REASON_TEXT))
    if known.taken_at is None:
        return [said]
    taken = f"{moment(known.taken_at)}: {said}"
    return [taken if known.is_current else f"{taken} {gettext('Older than 72 hours: answer yourself.')}"]


def _newest(course: Course, codes: Iterable[str]) -> list[str]:
    newest = (course.newest(code) for code in codes)
    return [f"{moment(one.at)}: {MEASURE_NAMES[one.code]} {value_in_words(one)}" for one in newest if one]


# --- Suggested grades --------------------------------------------------------------------------------


def suggestions_shown(request: HttpRequest, participant: Participant, course: Course) -> dict[str, Any]:
    """Values that a version grades above 0 or leaves to a person; the names of all others."""
    version = blood.version_of_study(participant)
    found = blood.suggested(course)
    above = sorted((one for one in found if _highest(one)), key=_highest, reverse=True)
    unclear = [one for one in found if not _highest(one) and _is_unclear(one)]
    events = {
        event.ctcae_code: event
        for event in AdverseEvent.objects.filter(participant=participant, voided_at__isnull=True).order_by("id")
        if event.ctcae_code
    }
    names = site_names()
    add = request.user.has_perm("safety.add_adverseevent")
    other = next(one for one in Version if one is not version)

    def shown(one: Suggested) -> dict[str, Any]:
        own, others = (_shown_of(one.by_version[each]) for each in (version, other))
        return {
            **_value_shown(course, one),
            "own": [_suggestion(participant, one, each, names, events=events, may_add=add) for each in own],
            "other": [_suggestion(participant, one, each, names) for each in others],
        }

    told = {one.result.code for one in (*above, *unclear)}
    return {
        "version": version.value,
        "other_version": other.value,
        "rows": [shown(one) for one in above],
        "unclear": [shown(one) for one in unclear],
        "rest": gettext(", ").join(str(MEASURE_NAMES[one.result.code]) for one in found if one.result.code not in told),
    }


def _value_shown(course: Course, one: Suggested) -> dict[str, Any]:
    return {
        "name": MEASURE_NAMES[one.result.code],
        "value": value_in_words(one.result),
        "limits": _limits(one.result),
        "baseline": f"{value_in_words(one.baseline)} ({moment(one.baseline.at)})" if one.baseline else "—",
        "at": moment(one.result.at),
        "day": course.day_of(one.result.at),
        "is_bound": bool(one.result.comparator),
        "differs": one.differs,
    }


def _highest(one: Suggested) -> int:
    return max((each.grade or 0 for found in one.by_version.values() for each in found), default=0)


def _is_unclear(one: Suggested) -> bool:
    """Whether a term's grade is left to a person, or to a limit that nobody entered."""
    return any(blood.telling(found) for found in one.by_version.values())


def _shown_of(found: Sequence[Suggestion]) -> Sequence[Suggestion]:
    """What is worth reading; where nothing is, the first says that it is nothing."""
    return blood.telling(found) or found[:1]


def _limits(result: Result) -> str:
    low, high = ("" if limit is None else plain(limit) for limit in (result.lln, result.uln))
    return f"{low}–{high}" if low or high else "—"


def _suggestion(
    participant: Participant,
    one: Suggested,
    suggestion: Suggestion,
    names: Mapping[str, str],
    *,
    events: Mapping[str, AdverseEvent] | None = None,
    may_add: bool = False,
) -> dict[str, Any]:
    name, beside = _term_names(suggestion, names)
    event = (events or {}).get(suggestion.meddra_code)
    # An event that goes on at this grade or a higher one is this event.
    is_told = event is not None and not event.resolved and event.grade >= (suggestion.grade or 0)
    is_linked = may_add and bool(suggestion.grade) and not is_told
    return {
        "term": name,
        "beside": beside,
        "grade": suggestion.grade,
        "sentences": [in_signs(said) for said in sentences(suggestion.reasons, lab_ctcae.REASON_TEXT)],
        "flags": [gettext(lab_ctcae.FLAG_TEXT[flag]) for flag in suggestion.flags if flag in lab_ctcae.FLAG_TEXT],
        "event": event,
        "event_url": reverse("admin:safety_adverseevent_change", args=[event.pk]) if event else "",
        "add_url": _add_url(participant, one.result, suggestion, name) if is_linked else "",
    }


def _term_names(suggestion: Suggestion, names: Mapping[str, str]) -> tuple[str, str]:
    """In the reader's language first; the term alone where the catalogue does not know its code."""
    try:
        return names_in_order(with_names(term(suggestion.version, suggestion.meddra_code), names))
    except UnknownTerm:
        return suggestion.term, ""


def _add_url(participant: Participant, result: Result, suggestion: Suggestion, name: str) -> str:
    given = {
        "participant": participant.pk,
        "term": name,
        "ctcae_code": suggestion.meddra_code,
        "grade": suggestion.grade,
        "onset": f"{timezone.localtime(result.at):%Y-%m-%d}",
    }
    return f"{reverse('admin:safety_adverseevent_add')}?{urlencode(given)}"


# --- The pages ---------------------------------------------------------------------------------------


class BloodAdmin(RecordAdmin):
    """What both kinds of rows share: added on the participant's page, read here, never changed."""

    search_fields = ("participant__screening_number", "participant__participant_number")
    list_select_related = ("participant", "created_by")
    actions_detail: ClassVar[list[str]] = ["blood_of", "void_record"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        chosen = request.GET.get("participant", "")
        where = ("safety_blood", [chosen]) if chosen.isdigit() else ("safety_iechsassessment_blood", [])
        return HttpResponseRedirect(reverse(f"admin:{where[0]}", args=where[1]))

    @action(description=_("Blood of this participant"))
    def blood_of(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        row = self.get_object(request, object_id)
        return HttpResponseRedirect(reverse("admin:safety_blood", args=[row.participant_id]))

    @display(
        description=_("grade"),
        ordering="grade",
        label={None: "warning", 0: "success", 1: "info", 2: "warning", 3: "danger", 4: "danger", 5: "danger"},
    )
    def grade_label(self, row: Any) -> tuple[int | None, Any]:
        return row.final_grade, _("not gradable") if row.final_grade is None else str(row.final_grade)

    @admin.display(description=_("grade and its reason"))
    def grade_with_reason(self, row: Any) -> Any:
        shown = shown_row(row)
        return format_html(
            '<span class="ts-grade ts-grade-{}">{}</span><ul>{}</ul><small>{}</small>',
            "none" if shown.grade is None else shown.grade,
            _("not gradable") if shown.grade is None else shown.grade,
            format_html_join("", "<li>{}</li>", ((said,) for said in (*shown.sentences, *shown.flags))),
            shown.scale,
        )


@admin.register(IecHsAssessment)
class IecHsAssessmentAdmin(BloodAdmin):
    list_display = ("participant", "assessed_at", "screen", "grade_label", "created_by", "state_shown", "void_mark")
    list_filter = ("screen", "grade")
    date_hierarchy = "assessed_at"
    actions_detail: ClassVar[list[str]] = ["blood_of", "correct", "void_record"]
    fieldsets = (
        (_("Grade"), {"fields": ("grade_with_reason", "screen")}),
        (_("Assessment"), {"fields": (("participant", "assessed_at"), "findings_in_words", "laboratory_in_words")}),
        (_("Correction"), {"fields": ("corrects", "correction_reason", "replaced_by")}),
        (_("Note"), {"fields": ("note",)}),
    )
    readonly_fields = (
        "grade_with_reason",
        "screen",
        "findings_in_words",
        "laboratory_in_words",
        "corrects",
        "replaced_by",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("corrected_by")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("blood/", wrap(self.choose_view), name="safety_iechsassessment_blood"),
            path("blood/<int:participant_id>/", wrap(self.blood_view), name="safety_blood"),
            *super().get_urls(),
        ]

    # --- the page of a participant ------------------------------------------------------------

    def participants_of(self, request: HttpRequest) -> QuerySet[Participant]:
        rows = Participant.objects.filter(voided_at__isnull=True).select_related("site")
        return rows if request.user.is_superuser else rows.filter(site__in=request.user.sites.all())

    def choose_view(self, request: HttpRequest) -> HttpResponse:
        """Whose blood? The newest infusion comes first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        people = self.participants_of(request).filter(participant_number__isnull=False)
        rows = people.order_by("-planned_infusion_on", "-pk")[:60]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Blood: ICAHT, IEC-HS, laboratory grades"),
            "people": [(one, reverse("admin:safety_blood", args=[one.pk])) for one in rows],
        }
        return TemplateResponse(request, "admin/safety/blood_choose.html", context)

    def blood_view(self, request: HttpRequest, participant_id: int) -> HttpResponse:
        """What the counts and the laboratory say, what a person made of it, and the forms to do so."""
        participant = self.participants_of(request).filter(pk=participant_id).first()
        if participant is None or not self.has_view_permission(request):
            raise Http404
        now = timezone.now()
        bound: dict[str, Any] = {}
        if request.method == "POST":
            answer = self._answer(request, participant, bound, now=now)
            if answer is not None:
                return answer
        return TemplateResponse(request, "admin/safety/blood.html", self._context(request, participant, bound, now=now))

    def _answer(
        self, request: HttpRequest, participant: Participant, bound: dict[str, Any], *, now: dt.datetime
    ) -> HttpResponse | None:
        """Saves what was sent; None where the page has to show what is wrong with it."""
        what = request.POST.get("what", "")
        if what == "iec_hs":
            return self._save_iec_hs(request, participant, bound, now=now)
        if what in IcahtPhase.values:
            return self._save_icaht(request, participant, IcahtPhase(what), bound, now=now)
        raise PermissionDenied

    def _save_iec_hs(
        self, request: HttpRequest, participant: Participant, bound: dict[str, Any], *, now: dt.datetime
    ) -> HttpResponse | None:
        if not request.user.has_perm("safety.add_iechsassessment"):
            raise PermissionDenied
        old = self._corrected(request, participant)
        form = bound["iec_hs"] = self._iec_hs_form(request, data=request.POST, old=old)
        if not form.is_valid():
            return None
        kept = ("assessed_at", "investigator_grade", "investigator_reason", "note", "correction_reason")
        given = {name: form.cleaned_data[name] for name in kept if name in form.cleaned_data}
        row = IecHsAssessment(participant=participant, corrects=old, **given)
        try:
            blood.assess_iec_hs(
                assessment=row, findings=form.findings(), others=form.cleaned_data["others"], by=request.user, now=now
            )
        except Refused as refusal:
            form.add_error(None, refusal)
            return None
        messages.success(request, gettext("Saved. %(result)s") % {"result": iec_hs_result(row)})
        return HttpResponseRedirect(reverse("admin:safety_blood", args=[participant.pk]))

    def _save_icaht(
        self,
        request: HttpRequest,
        participant: Participant,
        phase: IcahtPhase,
        bound: dict[str, Any],
        *,
        now: dt.datetime,
    ) -> HttpResponse | None:
        if not request.user.has_perm("safety.add_icahtassessment"):
            raise PermissionDenied
        form = IcahtForm(request.POST, prefix=f"icaht-{phase}")
        if form.is_valid():
            given = {name: form.cleaned_data[name] for name in ("investigator_grade", "investigator_reason")}
            row = IcahtAssessment(participant=participant, phase=phase, **given)
            try:
                blood.record_icaht(assessment=row, seen=form.cleaned_data["seen"], by=request.user, now=now)
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                messages.success(request, _("The grade is recorded."))
                return HttpResponseRedirect(reverse("admin:safety_blood", args=[participant.pk]))
        bound[phase] = form
        return None

    def _corrected(self, request: HttpRequest, participant: Participant) -> IecHsAssessment | None:
        pk = request.POST.get("corrects") or request.GET.get("corrects", "")
        return self.get_queryset(request).filter(pk=pk, participant=participant).first() if pk.isdigit() else None

    def _iec_hs_form(self, request: HttpRequest, *, old: IecHsAssessment | None, **kwargs: Any) -> IecHsForm:
        may_judge = request.user.has_perm(blood.JUDGE)
        return IecHsForm(may_judge=may_judge, is_correction=old is not None, **kwargs)

    def _context(
        self, request: HttpRequest, participant: Participant, bound: Mapping[str, Any], *, now: dt.datetime
    ) -> dict[str, Any]:
        course = blood.course_of(participant, now=now)
        old = self._corrected(request, participant)
        known = blood.prefilled(course, now)
        first = answers_of(old) if old else first_answers(known, now)
        form = bound.get("iec_hs") or self._iec_hs_form(request, old=old, initial=first)
        confirmed = list(IcahtAssessment.objects.filter(participant=participant).select_related("created_by")[:SHOWN])
        judged = list(
            IecHsAssessment.objects.filter(participant=participant).select_related("created_by", "corrected_by")[:SHOWN]
        )
        newest = next((row for row in judged if not row.is_void and not is_replaced(row)), None)
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Blood: ICAHT, IEC-HS, laboratory grades"),
            "participant": participant,
            "links": _links(participant),
            "day0": course.day0,
            "day": course.day_of(now),
            "phases": phases_of(course, confirmed, bound),
            "may_confirm": request.user.has_perm("safety.add_icahtassessment"),
            "may_assess": request.user.has_perm("safety.add_iechsassessment"),
            "may_judge": request.user.has_perm(blood.JUDGE),
            "counts": counts_shown(course),
            "newest": newest,
            "newest_shown": shown_row(newest) if newest else None,
            "old": old,
            "form": form,
            "is_form_open": form.is_bound or old is not None,
            "criteria": criteria_shown(form, known, course),
            "suggested": suggestions_shown(request, participant, course),
            "history": history_shown(judged, confirmed),
        }

    # --- reading ------------------------------------------------------------------------------

    @action(description=_("Correct…"), permissions=["correct"])
    def correct(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        row = self.get_object(request, object_id)
        address = reverse("admin:safety_blood", args=[row.participant_id])
        return HttpResponseRedirect(f"{address}?corrects={row.pk}#iec-hs")

    def has_correct_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.has_add_permission(request)

    @display(description=_("state"))
    def state_shown(self, row: IecHsAssessment) -> Any:
        return _("corrected") if is_replaced(row) else ""

    @admin.display(description=_("findings"))
    def findings_in_words(self, row: IecHsAssessment) -> Any:
        words = {"yes": _("yes"), "no": _("no"), UNKNOWN: _("not recorded")}
        pairs = [(label, words[AS_WORD[row.findings[name]]]) for name, label in FINDING_NAMES.items()]
        pairs += [(OTHER_NAMES[name], _("yes")) for name in row.findings["others"]]
        return format_html("<dl class='ts-findings'>{}</dl>", format_html_join("", "<dt>{}</dt><dd>{}</dd>", pairs))

    @admin.display(description=_("laboratory values at that moment"))
    def laboratory_in_words(self, row: IecHsAssessment) -> Any:
        said = (
            (FINDING_NAMES[name], stored["taken_at"][:10], " ".join(_stored(stored["reasons"])))
            for name, stored in row.laboratory.items()
        )
        return format_html_join("", "<p>{}<br><small>{}: {}</small></p>", said) or "—"

    @admin.display(description=_("replaced by"))
    def replaced_by(self, row: IecHsAssessment) -> Any:
        if not is_replaced(row):
            return "—"
        newer = row.corrected_by
        return format_html('<a href="{}">{}</a>', self.url("change", newer.pk), newer)


@admin.register(IcahtAssessment)
class IcahtAssessmentAdmin(BloodAdmin):
    list_display = ("participant", "phase", "computed_at", "grade_label", "determinants", "created_by", "void_mark")
    list_filter = ("phase", "grade")
    date_hierarchy = "computed_at"
    fieldsets = (
        (_("Grade"), {"fields": ("grade_with_reason",)}),
        (_("What it was computed from"), {"fields": (("participant", "phase", "computed_at"), "summary_in_words")}),
    )
    readonly_fields = ("grade_with_reason", "computed_at", "summary_in_words")

    @admin.display(description=_("counts and runs"))
    def summary_in_words(self, row: IcahtAssessment) -> Any:
        return format_html_join("", "<p>{}</p>", ((line,) for line in summary_lines(row.summary)))


def is_replaced(row: IecHsAssessment) -> bool:
    return hasattr(row, "corrected_by")


def iec_hs_result(row: IecHsAssessment) -> str:
    """The screen and the grade in one sentence, for the message after saving."""
    grade = gettext("no grade yet") if row.final_grade is None else f"{gettext('grade')} {row.final_grade}"
    return f"IEC-HS: {IecHsScreen(row.screen).label}, {grade}."


def _stored(reasons: Iterable[Mapping[str, Any]]) -> list[str]:
    return sentences((Reason(one["code"], one["values"]) for one in reasons), iec_hs.REASON_TEXT)


def summary_lines(summary: Mapping[str, Any]) -> Iterable[str]:
    """What a recorded ICAHT grade was computed from, a line each."""
    yield gettext("Followed until Day %(day)s.") % {"day": summary["observed_until_day"]}
    for label, key in (("≤500/µL", "longest_500"), ("≤100/µL", "longest_100")):
        if stored := summary.get(key):
            run = Run(stored["first_day"], stored["last_day"], tuple(stored["interpolated_days"]))
            guessed = gettext("interpolated: %(days)s") % {"days": days_in_words(run.interpolated_days)}
            yield f"{label}: {run_in_words(run)} ({guessed})"
    for first, last in summary.get("gaps", ()):
        yield gettext("No count from Day %(first)s to Day %(last)s.") % {"first": first, "last": last}
    days = (
        Anc(one["day"], Decimal(one["per_ul"]), one["is_interpolated"])
        for one in (*summary.get("days", ()), *summary.get("lowest", ()))
    )
    if words := gettext("; ").join(_day_in_words(day) for day in days):
        yield words


def history_shown(judged: Sequence[IecHsAssessment], confirmed: Sequence[IcahtAssessment]) -> list[dict[str, Any]]:
    """All that people recorded, the newest first; void and replaced rows stay readable."""
    rows = [_history_row(row, row.assessed_at, "IEC-HS", IecHsScreen(row.screen).label) for row in judged]
    rows += [_history_row(row, row.computed_at, "ICAHT", IcahtPhase(row.phase).label) for row in confirmed]
    return sorted(rows, key=lambda row: row["at"], reverse=True)


def _history_row(row: Any, at: dt.datetime, what: str, detail: Any) -> dict[str, Any]:
    replaced = isinstance(row, IecHsAssessment) and is_replaced(row)
    return {
        "at": at,
        "what": what,
        "detail": detail,
        "grade": row.final_grade,
        "sentences": shown_row(row).sentences,
        "by": row.created_by,
        "state": gettext("void") if row.is_void else gettext("corrected") if replaced else "",
        "link": reverse(f"admin:safety_{row._meta.model_name}_change", args=[row.pk]),
    }


def _links(participant: Participant) -> dict[str, str]:
    return {
        "participant": reverse("admin:participants_participant_change", args=[participant.pk]),
        "course": reverse("admin:safety_course", args=[participant.pk]),
        "page": reverse("admin:safety_blood", args=[participant.pk]),
    }
