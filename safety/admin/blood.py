"""The pages of the blood: ICAHT as computed, IEC-HS as judged, and the grades that CTCAE suggests."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

import pghistory
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
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
from participants.names import MEASURE_NAMES
from safety import consequences
from safety.actions import blood
from safety.actions.blood import Course, Prefilled
from safety.admin.bloodforms import (
    AS_WORD,
    OTHER_NAMES,
    UNKNOWN,
    IcahtForm,
    IecHsForm,
    answers_of,
    first_answers,
)
from safety.admin.suggested import suggestions_shown
from safety.bloodwords import (
    day_in_words,
    days_in_words,
    moment,
    open_range,
    range_text,
    run_in_words,
    stored_sentences,
    value_in_words,
)
from safety.choices import IEC_HS_NAMES, determinants_in_words
from safety.curve import curve_of
from safety.models import IcahtAssessment, IcahtPhase, IecHsAssessment, IecHsScreen, is_replaced
from safety.rules import icaht, icaht_published, iec_hs
from safety.rules.grading import Graded, Reason
from safety.rules.icaht import Anc, Run
from safety.wording import sentences
from trialsite import once, questions, versions, wayback
from trialsite.constraints import as_refusals
from trialsite.reading import read_key
from trialsite.recordadmin import RecordAdmin
from trialsite.refusal import Refused
from trialsite.voiding import Consequences

SHOWN = 20
PUBLISHED_METHOD = _("Published method, linear interpolation between counts")
# Shown beside a finding that no value decides alone.
BESIDE = {"cytopenia": ("NEUT", "PLAT", "HGB")}


# --- What the page shows -----------------------------------------------------------------------------


@dataclass(frozen=True)
class ShownGrade:
    grade: int | None
    sentences: list[str]
    flags: list[str]
    scale: str
    # The two grades between which it lies: "2–3".
    between: str = ""

    @property
    def is_open(self) -> bool:
        return self.grade is None and bool(self.between)

    @property
    def label(self) -> str:
        return (self.between or "?") if self.grade is None else str(self.grade)


def shown_icaht(graded: Graded, between: str) -> ShownGrade:
    # The published method has the flags of our rule, and two of its own.
    flags = [gettext(icaht_published.FLAG_TEXT[flag]) for flag in graded.flags]
    return ShownGrade(graded.grade, sentences(graded.reasons, icaht.REASON_TEXT), flags, graded.scale, between)


def shown_published(course: Course) -> ShownGrade:
    found = blood.icaht_published(course)
    return shown_icaht(found.graded, range_text(found.at_least, found.at_most))


def shown_row(row: IecHsAssessment | IcahtAssessment) -> ShownGrade:
    rule: Any = iec_hs if isinstance(row, IecHsAssessment) else icaht
    flags = [gettext(rule.FLAG_TEXT[flag]) for flag in row.flags]
    between = "" if isinstance(row, IecHsAssessment) else open_range(row.summary)
    return ShownGrade(row.final_grade, stored_sentences(row, rule.REASON_TEXT), flags, row.scale, between)


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
        "shown": shown_icaht(graded, open_range(summary)),
        "published": shown_published(course) if phase is IcahtPhase.EARLY else None,
        "newest": newest,
        "newest_shown": shown_row(newest) if newest else None,
        "is_in_step": newest is not None and _is_in_step(newest, graded, summary),
        "form": form or IcahtForm(prefix=prefix, initial=first),
        "is_refused": form is not None,
        "is_undecided": _is_undecided(newest, graded, summary),
        # Before its time there is nothing to record.
        "has_begun": all(one.code != "not-begun" for one in graded.reasons),
    }


def _is_in_step(newest: IcahtAssessment, graded: Graded, summary: Mapping[str, Any]) -> bool:
    """Whether the counts still say what somebody recorded; of an open grade, between the same two."""
    said = (newest.grade, newest.flags, open_range(newest.summary))
    return said == (graded.grade, list(graded.flags), open_range(summary))


def _is_undecided(newest: IcahtAssessment | None, graded: Graded, summary: Mapping[str, Any]) -> bool:
    """Whether the time is over, its counts leave the grade open, and no investigator has decided it."""
    is_open = bool(open_range(summary)) and "SO_FAR" not in graded.flags
    return is_open and (newest is None or newest.final_grade is None)


def counts_shown(course: Course) -> dict[str, Any]:
    """The picture, the longest runs and the table of the neutrophils."""
    early, late = blood.icaht_early(course), blood.icaht_late(course)
    runs = [("≤500/µL", early.longest_500), ("≤100/µL", early.longest_100)]
    most = (early.most_500, early.most_100)
    days = [day for day in icaht.filled(blood.counts_of(course)) if 0 <= day.day <= icaht.LATE_DAYS[-1]]
    return {
        "curve": curve_of(days, runs),
        "runs": [
            {
                "label": label,
                "words": run_in_words(run) if run else gettext("no day"),
                "interpolated": days_in_words(run.interpolated_days) if run else "—",
                # As long as gaps and bounds allow, where that is longer.
                "most": days if days > (run.days if run else 0) else None,
            }
            for (label, run), days in zip(runs, most, strict=True)
        ],
        "lowest": [day_in_words(day) for day in (late.lowest, late.second) if day],
        "table": [(f"D{day.day}", icaht.count_text(day), day.is_interpolated) for day in days],
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
        for name in IEC_HS_NAMES
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
        chosen = read_key(request.GET.get("participant"))
        where = ("safety_blood", [chosen]) if chosen is not None else ("safety_iechsassessment_blood", [])
        return HttpResponseRedirect(reverse(f"admin:{where[0]}", args=where[1]))

    @action(description=_("Blood of this participant"))
    def blood_of(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        row = self.row(request, object_id)
        return HttpResponseRedirect(reverse("admin:safety_blood", args=[row.participant_id]))

    @display(
        description=_("grade"),
        ordering="grade",
        label={None: "warning", 0: "success", 1: "info", 2: "warning", 3: "danger", 4: "danger", 5: "danger"},
    )
    def grade_label(self, row: Any) -> tuple[int | None, Any]:
        return row.final_grade, str(row.final_grade) if row.final_grade is not None else _open_label(row)

    @admin.display(description=_("grade and its reason"))
    def grade_with_reason(self, row: Any) -> Any:
        shown = shown_row(row)
        return format_html(
            '<span class="ts-grade ts-grade-{}">{}</span><ul>{}</ul><small>{}</small>',
            "none" if shown.grade is None else shown.grade,
            _open_label(row) if shown.grade is None else shown.grade,
            format_html_join("", "<li>{}</li>", ((said,) for said in (*shown.sentences, *shown.flags))),
            shown.scale,
        )


def _open_label(row: IecHsAssessment | IcahtAssessment) -> Any:
    return shown_row(row).between or _("not gradable")


@admin.register(IecHsAssessment)
class IecHsAssessmentAdmin(BloodAdmin):
    list_display = ("participant", "assessed_at", "screen", "grade_label", "created_by", "state_shown", "void_mark")
    list_filter = ("screen", "grade")
    known_values: ClassVar[dict[str, Any]] = {"grade": (*range(6), None)}
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
        return super().get_queryset(request).prefetch_related("corrections")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("blood/", wrap(self.choose_view), name="safety_iechsassessment_blood"),
            path("blood/<int:participant_id>/", wrap(self.blood_view), name="safety_blood"),
            *super().get_urls(),
        ]

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return Consequences(tuple(consequences.replaced_or_corrected(obj)))

    # --- the page of a participant ------------------------------------------------------------

    def participants_of(self, request: HttpRequest) -> QuerySet[Participant]:
        rows = Participant.objects.standing().select_related("site")
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
        questions.prepare(form)
        rows = _corrections(old)
        if versions.conflict(request, versions.of(*rows), *rows) is not None or not form.is_valid():
            return None
        kept = ("assessed_at", "investigator_grade", "investigator_reason", "note", "correction_reason")
        given = {name: form.cleaned_data[name] for name in kept if name in form.cleaned_data}
        row = IecHsAssessment(participant=participant, corrects=old, **given)
        if not questions.ask(form, row, by=request.user, now=now):
            return None
        seen = {"findings": form.findings(), "others": form.cleaned_data["others"]}
        try:
            with as_refusals(), transaction.atomic(), pghistory.context(reason=questions.reason_of(form)):
                blood.assess_iec_hs(assessment=row, **seen, by=request.user, now=now)
                questions.keep(form, by=request.user, now=now)
        except Refused as refusal:
            form.add_error(None, refusal)
            return None
        once.made(request, row)
        messages.success(request, gettext("Saved. %(result)s") % {"result": iec_hs_result(row)})
        return HttpResponseRedirect(wayback.way_back(request) or _links(participant, "")["page"])

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
        form = IcahtForm(request.POST, prefix=f"icaht-{phase}", request=request)
        questions.prepare(form)
        if form.is_valid() and questions.ask(form, about_whom=participant, by=request.user, now=now):
            given = {name: form.cleaned_data[name] for name in ("investigator_grade", "investigator_reason")}
            row = IcahtAssessment(participant=participant, phase=phase, **given)
            try:
                with as_refusals(), pghistory.context(reason=questions.reason_of(form)):
                    blood.record_icaht(assessment=row, seen=form.cleaned_data["seen"], by=request.user, now=now)
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                once.made(request, row)
                messages.success(request, _("The grade is recorded."))
                return HttpResponseRedirect(
                    wayback.way_back(request) or reverse("admin:safety_blood", args=[participant.pk])
                )
        bound[phase] = form
        return None

    def _corrected(self, request: HttpRequest, participant: Participant) -> IecHsAssessment | None:
        pk = request.POST.get("corrects") or request.GET.get("corrects", "")
        return self.get_queryset(request).filter(pk=read_key(pk), participant=participant).first()

    def _iec_hs_form(self, request: HttpRequest, *, old: IecHsAssessment | None, **kwargs: Any) -> IecHsForm:
        may_judge = request.user.has_perm(blood.JUDGE)
        return IecHsForm(request=request, may_judge=may_judge, is_correction=old is not None, **kwargs)

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
            IecHsAssessment.objects.filter(participant=participant)
            .select_related("created_by")
            .prefetch_related("corrections")[:SHOWN]
        )
        for rows in (confirmed, judged):
            self.look_at(rows)
        newest = next((row for row in judged if not row.is_void and not is_replaced(row)), None)
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Blood: ICAHT, IEC-HS, laboratory grades"),
            "participant": participant,
            "links": _links(participant, wayback.asked(request)),
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
            "opened": versions.of(*_corrections(old)),
            "conflict": versions.conflict(request, versions.of(*_corrections(old)), *_corrections(old)),
            "form": form,
            "is_form_open": form.is_bound or old is not None,
            "criteria": criteria_shown(form, known, course),
            "suggested": suggestions_shown(request, participant, course),
            "history": history_shown(judged, confirmed),
        }

    # --- reading ------------------------------------------------------------------------------

    @action(description=_("Correct…"), permissions=["correct"])
    def correct(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        row = self.row(request, object_id)
        address = reverse("admin:safety_blood", args=[row.participant_id])
        return HttpResponseRedirect(f"{address}?corrects={row.pk}#iec-hs")

    def has_correct_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.has_add_permission(request)

    @display(description=_("state"))
    def state_shown(self, row: IecHsAssessment) -> Any:
        return _("corrected") if is_replaced(row) else ""

    @admin.display(description=_("findings"))
    def findings_in_words(self, row: IecHsAssessment) -> Any:
        pairs = finding_lines(row.findings)
        return format_html("<dl class='ts-findings'>{}</dl>", format_html_join("", "<dt>{}</dt><dd>{}</dd>", pairs))

    @admin.display(description=_("laboratory values at that moment"))
    def laboratory_in_words(self, row: IecHsAssessment) -> Any:
        said = laboratory_lines(row.laboratory)
        return format_html_join("", "<p>{}<br><small>{}: {}</small></p>", said) or "—"

    @admin.display(description=_("replaced by"))
    def replaced_by(self, row: IecHsAssessment) -> Any:
        newer = next((one for one in row.corrections.all() if not one.is_void), None)
        if newer is None:
            return "—"
        return format_html('<a href="{}">{}</a>', self.url("change", newer.pk), newer)


@admin.register(IcahtAssessment)
class IcahtAssessmentAdmin(BloodAdmin):
    list_display = ("participant", "phase", "computed_at", "grade_label", "determined_by", "created_by", "void_mark")
    list_filter = ("phase", "grade")
    known_values: ClassVar[dict[str, Any]] = {"grade": (*range(6), None)}
    date_hierarchy = "computed_at"
    fieldsets = (
        (_("Grade"), {"fields": ("grade_with_reason",)}),
        (_("What it was computed from"), {"fields": (("participant", "phase", "computed_at"), "summary_in_words")}),
    )
    readonly_fields = ("grade_with_reason", "computed_at", "summary_in_words")

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return consequences.of_icaht(obj)

    @admin.display(description=_("determined by"), ordering="determinants")
    def determined_by(self, row: IcahtAssessment) -> str:
        return determinants_in_words(row.determinants) or "—"

    @admin.display(description=_("counts and runs"))
    def summary_in_words(self, row: IcahtAssessment) -> Any:
        return format_html_join("", "<p>{}</p>", ((line,) for line in summary_lines(row.summary)))


def _corrections(old: IecHsAssessment | None) -> list[Any]:
    """An assessment that is to be corrected, and what somebody else may have made of it meanwhile."""
    return [old, *IecHsAssessment.objects.filter(corrects=old)] if old else []


def iec_hs_result(row: IecHsAssessment) -> str:
    """The screen and the grade in one sentence, for the message after saving."""
    grade = gettext("no grade yet") if row.final_grade is None else f"{gettext('grade')} {row.final_grade}"
    return f"IEC-HS: {IecHsScreen(row.screen).label}, {grade}."


def _stored(reasons: Iterable[Mapping[str, Any]]) -> list[str]:
    return sentences((Reason(one["code"], one["values"]) for one in reasons), iec_hs.REASON_TEXT)


def finding_lines(findings: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Criterion and answer, then what was seen besides."""
    words = {"yes": _("yes"), "no": _("no"), UNKNOWN: _("not recorded")}
    pairs = [(label, words[AS_WORD[findings[name]]]) for name, label in IEC_HS_NAMES.items()]
    return pairs + [(OTHER_NAMES[name], _("yes")) for name in findings["others"]]


def laboratory_lines(laboratory: Mapping[str, Any]) -> Iterator[tuple[Any, str, str]]:
    """Finding, the day of the value, and what it said."""
    for name, stored in laboratory.items():
        yield IEC_HS_NAMES[name], stored["taken_at"][:10], " ".join(_stored(stored["reasons"]))


def summary_lines(summary: Mapping[str, Any]) -> Iterable[str]:
    """What a recorded ICAHT grade was computed from, a line each."""
    yield gettext("Followed until Day %(day)s.") % {"day": summary["observed_until_day"]}
    for label, key in (("≤500/µL", "longest_500"), ("≤100/µL", "longest_100")):
        if stored := summary.get(key):
            run = Run(stored["first_day"], stored["last_day"], tuple(stored["interpolated_days"]))
            guessed = gettext("interpolated: %(days)s") % {"days": days_in_words(run.interpolated_days)}
            yield f"{label}: {run_in_words(run)} ({guessed})"
    if published := summary.get("published"):
        yield f"{PUBLISHED_METHOD}: {_published_label(published)}"
    for first, last in summary.get("gaps", ()):
        yield gettext("No count from Day %(first)s to Day %(last)s.") % {"first": first, "last": last}
    days = (
        Anc(one["day"], Decimal(one["per_ul"]), one["is_interpolated"], one.get("comparator", ""))
        for one in (*summary.get("days", ()), *summary.get("lowest", ()))
    )
    if words := gettext("; ").join(day_in_words(day) for day in days):
        yield words


def _published_label(published: Mapping[str, Any]) -> str:
    """The grade of the published method as it was when somebody recorded ours."""
    if published["at_least"] is None:
        return gettext("not gradable")
    grade = open_range(published) or published["at_least"]
    return gettext("grade %(grade)s") % {"grade": grade}


def history_shown(judged: Sequence[IecHsAssessment], confirmed: Sequence[IcahtAssessment]) -> list[dict[str, Any]]:
    """All that people recorded, the newest first; void and replaced rows stay readable."""
    rows = [_history_row(row, row.assessed_at, "IEC-HS", IecHsScreen(row.screen).label) for row in judged]
    rows += [_history_row(row, row.computed_at, "ICAHT", IcahtPhase(row.phase).label) for row in confirmed]
    return sorted(rows, key=lambda row: row["at"], reverse=True)


def _history_row(row: Any, at: dt.datetime, what: str, detail: Any) -> dict[str, Any]:
    shown, replaced = shown_row(row), isinstance(row, IecHsAssessment) and is_replaced(row)
    return {
        "at": at,
        "what": what,
        "detail": detail,
        "grade": row.final_grade,
        "label": shown.label,
        "sentences": shown.sentences,
        "by": row.created_by,
        "state": gettext("void") if row.is_void else gettext("corrected") if replaced else "",
        "link": reverse(f"admin:safety_{row._meta.model_name}_change", args=[row.pk]),
    }


def _links(participant: Participant, back: str) -> dict[str, str]:
    return {
        "participant": reverse("admin:participants_participant_page", args=[participant.pk]),
        "course": reverse("admin:safety_course", args=[participant.pk]),
        # The forms are sent to it: they lead to where the page was opened.
        "page": wayback.with_back(reverse("admin:safety_blood", args=[participant.pk]), back),
    }
