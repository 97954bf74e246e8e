"""The pages of the bedside: the form with its grades, the course of a participant, episodes."""

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import pghistory
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
)

from dosing.actions import TocilizumabHelp, day0_of, tocilizumab_help
from participants.actions import long_moment, note_reading, site_day
from participants.models import Participant, ReadHow
from safety import actions, consequences, guidance, heatmap, overview
from safety.actions import Given
from safety.actions.calls import unanswered
from safety.actions.events import Said
from safety.actions.rounds import DueRound, round_of
from safety.admin import seriousness
from safety.admin.bedsideform import (
    ABSENT,
    POINTS,
    SECTIONS,
    BedsideForm,
    Hint,
    LastTime,
    initial_of,
    last_time,
)
from safety.admin.eventform import ASSESS, action_field, view_field
from safety.choices import FINDING_NAMES, SEEN_KINDS, SEVERAL, name_of, names_of
from safety.models import (
    Agent,
    BedsideAssessment,
    Outcome,
    Scale,
    ToxicityAssessment,
    ToxicityEpisode,
    badge,
    current,
    graded,
    is_replaced,
)
from safety.rules import crs, icans
from safety.rules.bedside import ONLY_WHEN, Anticytokine
from safety.rules.contradictions import QUESTION_TEXT
from safety.rules.grading import Graded, ImpossibleFinding
from trialsite import formfields, once, questions, versions, wayback
from trialsite.constraints import as_refusals
from trialsite.fields import PLEASE_CHOOSE
from trialsite.firstpage import sites_of
from trialsite.identity import seen_by
from trialsite.middleware import client_ip
from trialsite.reading import read_key
from trialsite.recordadmin import RecordAdmin
from trialsite.refusal import Refused
from trialsite.study import get_study
from trialsite.voiding import Consequences

TEXTS = {Scale.CRS: (crs.REASON_TEXT, crs.FLAG_TEXT), Scale.ICANS: (icans.REASON_TEXT, icans.FLAG_TEXT)}
# One touch: awake, ten of ten.
NORMAL = {"ice_performed": "yes", **dict.fromkeys(POINTS, "yes"), "consciousness": "alert"}
SHOWN = 40
NEWEST: Any = object()


@dataclass(frozen=True)
class Shown:
    """A grade with its reasons and flags, in the reader's language."""

    toxicity: str
    grade: int | None
    sentences: list[str]
    flags: list[str]
    scale: str
    ice_total: int | None = None


def shown_of(scale: Scale, graded: Graded) -> Shown:
    reasons, flags = TEXTS[scale]
    return Shown(
        scale.value,
        graded.grade,
        [gettext(reasons[one.code]).format(**one.values) for one in graded.reasons],
        _once(flags, graded.flags),
        graded.scale,
        graded.ice_total,
    )


def shown_row(row: ToxicityAssessment) -> Shown:
    reasons, flags = TEXTS[Scale(row.toxicity)]
    sentences = [gettext(reasons[one["code"]]).format(**one["values"]) for one in row.reasons]
    if row.investigator_grade is not None:
        sentences.append(
            gettext("Computed: {grade}. The investigator set another grade: {reason}").format(
                grade="—" if row.grade is None else row.grade, reason=row.investigator_reason
            )
        )
    return Shown(row.toxicity, row.final_grade, sentences, _once(flags, row.flags), row.scale)


def _once(texts: Mapping[Any, str], flags: Iterable[Any]) -> list[str]:
    """Two flags may say the same to whoever stands at the bed."""
    return list(dict.fromkeys(gettext(texts[flag]) for flag in flags))


@admin.register(BedsideAssessment)
class BedsideAssessmentAdmin(RecordAdmin):
    """Added on a form of its own, read here, never changed."""

    list_display = ("participant", "assessed_at", "grades_shown", "vital_signs", "created_by", "state_shown")
    search_fields = ("participant__screening_number", "participant__participant_number")
    list_select_related = ("participant", "created_by")
    date_hierarchy = "assessed_at"
    actions_detail = ["correct", "course_of", "void_record"]
    fieldsets = (
        (_("Assessment"), {"fields": (("participant", "assessed_at"), "grades_in_words")}),
        (_("What was seen"), {"fields": ("observations_in_words", "note")}),
        (_("Correction"), {"fields": ("corrects", "correction_reason", "replaced_by")}),
    )
    readonly_fields = ("grades_in_words", "observations_in_words", "corrects", "replaced_by")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("grades", "corrections")

    # --- voiding ------------------------------------------------------------------------------

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return consequences.of_assessment(obj, actions.void_bedside, now=now)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_bedside(assessment=obj, reason=reason, by=by, now=now)

    # --- adding -------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("course/<int:participant_id>/", wrap(self.course_view), name="safety_course"),
            path("overview/", wrap(self.overview_view), name="safety_bedsideassessment_overview"),
            path("grade/", wrap(self.grade_view), name="safety_bedside_grade"),
            *super().get_urls(),
        ]

    def participant_of(self, request: HttpRequest, pk: Any) -> Participant | None:
        rows = Participant.objects.standing().filter(pk=read_key(pk)).select_related("site")
        if not request.user.is_superuser:
            rows = rows.filter(site__in=request.user.sites.all())
        return rows.first()

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        old = self._corrected(request)
        participant = old.participant if old else self.participant_of(request, request.GET.get("participant"))
        if participant is None:
            return self._choose(request)
        now = timezone.now()
        # Who corrects an assessment that somebody else has corrected meanwhile reads that first.
        rows = [old, *BedsideAssessment.objects.filter(corrects=old)] if old else []
        opened = versions.of(*rows)
        conflict = versions.conflict(request, opened, *rows)
        hints = hints_of(request, participant, now)
        last = None if old else self.last_of(participant, request.GET.get("as_last"))
        begun = {
            "assessed_at": formfields.to_the_minute(now),
            **(last.answers if last else {}),
            **{k: one.value for k, one in hints.items()},
        }
        form = BedsideForm(
            request.POST if request.method == "POST" else None,
            initial=initial_of(old.observations, old.assessed_at, old.note) if old else begun,
            is_correction=old is not None,
            last=last,
            hints={} if old else hints,
        )
        questions.prepare(form)
        is_sent = request.method == "POST" and conflict is None
        back = wayback.way_back(request) or reverse("admin:safety_course", args=[participant.pk])
        if is_sent and form.is_valid() and self._save(request, participant, form, old, now=now):
            return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Bedside assessment"),
            "participant": participant,
            "day": actions.days_since_infusion(participant, old.assessed_at if old else now),
            "identifier": self.identifier_of(request, participant),
            "last": last,
            "before": None if old or last else self.last_of(participant),
            "form": form,
            "sections": [
                (title, [form[name] for name in names], is_open or any(name in form.errors for name in names))
                for title, names, is_open in SECTIONS
            ],
            "old": old,
            "opened": opened,
            "conflict": conflict,
            "normal_json": json.dumps(NORMAL),
            "absent_json": json.dumps(ABSENT),
            "back": back,
            "back_word": wayback.asked(request),
        }
        return TemplateResponse(request, "admin/safety/bedside.html", context)

    def last_of(self, participant: Participant, pk: Any = NEWEST) -> LastTime | None:
        """The newest assessment that counts, or the one that a form was begun with: whatever became of it since."""
        rows = BedsideAssessment.objects.filter(participant=participant)
        rows = current(rows) if pk is NEWEST else rows.filter(pk=read_key(pk))
        row = rows.order_by("assessed_at", "id").last()
        return last_time(row.pk, row.assessed_at, row.observations) if row else None

    def identifier_of(self, request: HttpRequest, participant: Participant) -> str:
        """The second identifier of the ward, for those who may see whom they treat; the study file says which."""
        name = get_study().protocol(participant.protocol_version).policy.bedside_identifier
        if name == "none" or name not in seen_by(request.user):
            return ""
        note_reading([participant], fields=[name], how=ReadHow.PAGE, by=request.user, ip=client_ip(request))
        return str(getattr(participant, name))

    def _corrected(self, request: HttpRequest) -> BedsideAssessment | None:
        pk = request.GET.get("corrects", "")
        return self.get_queryset(request).filter(pk=read_key(pk)).first()

    def _choose(self, request: HttpRequest) -> HttpResponse:
        """Whom? Those who were infused lately first."""
        rows = Participant.objects.standing().filter(participant_number__isnull=False)
        if not request.user.is_superuser:
            rows = rows.filter(site__in=request.user.sites.all())
        people = rows.filter(status__in=("lymphodepleted", "infused", "in_follow_up", "relapsed"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Bedside assessment"),
            "people": people.order_by("-planned_infusion_on", "-pk")[:60],
        }
        return TemplateResponse(request, "admin/safety/choose.html", context)

    def _save(
        self,
        request: HttpRequest,
        participant: Participant,
        form: BedsideForm,
        old: BedsideAssessment | None,
        *,
        now: dt.datetime,
    ) -> bool:
        row = BedsideAssessment(
            participant=participant,
            assessed_at=form.cleaned_data["assessed_at"],
            note=form.cleaned_data["note"],
            corrects=old,
            correction_reason=form.cleaned_data.get("correction_reason", "").strip(),
        )
        try:
            row.observed = form.observations()
            if not questions.ask(form, row, by=request.user, now=now):
                return False
            seen = replace(
                form.observations(), confirmed=tuple(one.code for one in form.answered if one.code in QUESTION_TEXT)
            )
            with as_refusals(), transaction.atomic(), pghistory.context(reason=questions.reason_of(form)):
                actions.assess_bedside(assessment=row, seen=seen, by=request.user, now=now)
                questions.keep(form, by=request.user, now=now)
        except ImpossibleFinding as error:
            form.add_error(error.name if error.name in form.fields else None, str(error))
            return False
        except Refused as refusal:
            form.add_error(None, refusal)
            return False
        once.made(request, row)
        messages.success(request, _("The assessment is saved."))
        self._offer_to_record(request, row)
        return True

    def _offer_to_record(self, request: HttpRequest, row: BedsideAssessment) -> None:
        """What was answered to be given, and is on record nowhere."""
        hint = hints_of(request, row.participant, row.assessed_at).get("anticytokine_given")
        if hint is not None and hint.link:
            link = format_html('<a href="{}"><strong>{}</strong></a>', hint.link, hint.link_text)
            messages.warning(request, format_html("{} {}", hint.text, link))

    def grade_view(self, request: HttpRequest) -> HttpResponse:
        """The grades of what is typed so far, as a piece of the page; nothing is saved."""
        participant = self.participant_of(request, request.POST.get("participant"))
        if not self.has_add_permission(request) or participant is None or request.method != "POST":
            raise PermissionDenied
        last = self.last_of(participant, request.POST["as_last"]) if request.POST.get("as_last") else None
        form = BedsideForm(request.POST, last=last)
        form.is_valid()
        at = form.cleaned_data.get("assessed_at") or timezone.now()
        try:
            graded = actions.preview(participant, at, form.observations())
        except ImpossibleFinding as error:
            return TemplateResponse(request, "admin/safety/grades.html", {"impossible": str(error)})
        hints = hints_of(request, participant, at)
        context = {
            "day": actions.days_since_infusion(participant, at),
            "hints_json": json.dumps({name: {**asdict(one), "text": str(one.text)} for name, one in hints.items()}),
            "impossible": " ".join(form.misread()),
            "grades": [shown_of(scale, one) for scale, one in graded.items()],
            "unanswered": form.unanswered(),
            "unconfirmed": form.unconfirmed,
            "guidance": guidance_for(participant, {scale.value: one.grade for scale, one in graded.items()}),
        }
        return TemplateResponse(request, "admin/safety/grades.html", context)

    # --- the course ---------------------------------------------------------------------------

    def course_view(self, request: HttpRequest, participant_id: int) -> HttpResponse:
        """Where the participant stands: newest grades, what to do, what comes next, and how it went."""
        participant = self.participant_of(request, participant_id)
        if participant is None or not self.has_view_permission(request):
            raise Http404
        now = timezone.now()
        groups = moments_of(participant)
        newest = next((group for group in groups if not group.is_replaced), None)
        grades = newest.grades if newest else []
        episodes = list(participant.toxicity_episodes.standing().select_related("adverse_event", "participant"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Course of toxicity"),
            "participant": participant,
            "day0": day0_of(participant),
            "current": newest,
            "grades": [shown_row(row) for row in grades],
            "guidance": guidance_for(participant, {row.toxicity: row.final_grade for row in grades}),
            "tocilizumab": tocilizumab_shown(participant, grades, now=now),
            "episodes": [(row, _treatments(row), actions.is_in_step(row)) for row in episodes[:6]],
            "rows": groups,
            **extra_context(participant, now=now),
            **heatmap.context_of(participant, today=site_day(now)),
        }
        return TemplateResponse(request, "admin/safety/course.html", context)

    def overview_view(self, request: HttpRequest) -> HttpResponse:
        """The study at one look: everybody of the person's sites who was infused."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Toxicity of the study"),
            **overview.context_of(sites_of(request.user)),
        }
        return TemplateResponse(request, "admin/safety/overview.html", context)

    @action(description=_("Course of toxicity"))
    def course_of(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        row = self.row(request, object_id)
        return HttpResponseRedirect(reverse("admin:safety_course", args=[row.participant_id]))

    @action(description=_("Correct…"), permissions=["correct"])
    def correct(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse('admin:safety_bedsideassessment_add')}?corrects={object_id}")

    def has_correct_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.has_add_permission(request)

    # --- reading ------------------------------------------------------------------------------

    @display(description=_("grades"))
    def grades_shown(self, row: BedsideAssessment) -> str:
        return " · ".join(graded(one.toxicity, one.final_grade) for one in row.grades.all())

    @display(description=_("vital signs"))
    def vital_signs(self, row: BedsideAssessment) -> str:
        return vital_signs_of(row.observations)

    @display(description=_("state"))
    def state_shown(self, row: BedsideAssessment) -> Any:
        return _("void") if row.is_void else _("corrected") if is_replaced(row) else ""

    @admin.display(description=_("computed grades and their reasons"))
    def grades_in_words(self, row: BedsideAssessment) -> Any:
        return format_html_join(
            "",
            '<p><span class="ts-grade ts-grade-{}">{}</span> <a href="{}">{}</a></p>',
            (
                (
                    "none" if one.final_grade is None else one.final_grade,
                    badge(one.toxicity, one.final_grade),
                    reverse(f"admin:safety_{one.toxicity.lower()}assessment_change", args=[one.pk]),
                    " ".join(shown_row(one).sentences),
                )
                for one in current_grades(row)
            ),
        )

    @admin.display(description=_("observations"))
    def observations_in_words(self, row: BedsideAssessment) -> Any:
        pairs = observed_lines(row.observations)
        return format_html("<dl class='ts-findings'>{}</dl>", format_html_join("", "<dt>{}</dt><dd>{}</dd>", pairs))

    @admin.display(description=_("replaced by"))
    def replaced_by(self, row: BedsideAssessment) -> Any:
        newer = next((one for one in row.corrections.all() if not one.is_void), None)
        if newer is None:
            return "—"
        return format_html('<a href="{}">{}</a>', self.url("change", newer.pk), newer)


# In the order in which they are charted.
VITAL_TEXT = (
    ("temperature_c", "%(value)s °C"),
    ("pressure", "%(value)s mmHg"),
    ("heart_rate", _("HR %(value)s")),
    ("respiratory_rate", _("RR %(value)s")),
    ("spo2_percent", _("SpO₂ %(value)s %%")),
    ("urine_ml_h", _("urine %(value)s mL/h")),
)


def vital_signs_of(observed: Mapping[str, Any]) -> str:
    """Those that were measured, in one line."""
    found = {**observed, "pressure": _pressure(observed.get("systolic"), observed.get("diastolic"))}
    texts = [str(text) % {"value": found[name]} for name, text in VITAL_TEXT if found.get(name) is not None]
    return " · ".join(texts)


def _pressure(systolic: int | None, diastolic: int | None) -> str | None:
    if systolic is None and diastolic is None:
        return None
    return "/".join("?" if one is None else str(one) for one in (systolic, diastolic))


@dataclass(frozen=True)
class Moment:
    """What was graded at one moment: on the form of the bedside, or by one scale alone."""

    assessed_at: dt.datetime
    by: Any
    link: str
    grades: list[ToxicityAssessment]
    is_replaced: bool
    vital_signs: str = ""


def moments_of(participant: Participant) -> list[Moment]:
    """The newest first; two queries."""
    rows = (
        ToxicityAssessment.objects.standing()
        .filter(participant=participant)
        .select_related("created_by", "bedside__created_by", "corrects__created_by")
        .prefetch_related("corrections")
        .order_by("-assessed_at", "-id")[: 2 * SHOWN]
    )
    groups: dict[tuple[Any, ...], list[ToxicityAssessment]] = {}
    for row in rows:
        groups.setdefault((row.assessed_at, row.bedside_id, row.bedside_id or row.pk), []).append(row)
    return [_moment(group) for group in groups.values()]


def _moment(group: list[ToxicityAssessment]) -> Moment:
    first = group[0]
    page = "bedsideassessment" if first.bedside_id else f"{first.toxicity.lower()}assessment"
    standing = [row for row in group if not is_replaced(row)]
    shown = sorted(standing or group, key=lambda row: row.toxicity)
    link = reverse(f"admin:safety_{page}_change", args=[first.bedside_id or first.pk])
    vital_signs = vital_signs_of(first.bedside.observations if first.bedside else first.findings)
    return Moment(first.assessed_at, _observer(first), link, shown, not standing, vital_signs)


def _observer(row: ToxicityAssessment) -> Any:
    """Who looked: a grade that was computed anew has its own author, who saw nothing."""
    if row.bedside is not None:
        return row.bedside.created_by
    return row.corrects.created_by if crs.GRADED_ANEW in row.flags and row.corrects else row.created_by


def current_grades(row: BedsideAssessment | None) -> list[ToxicityAssessment]:
    """Of one assessment: the newest row of each scale, CRS first."""
    if row is None:
        return []
    newest = {one.toxicity: one for one in sorted(row.grades.all(), key=lambda one: one.pk) if not one.is_void}
    return [newest[scale] for scale in Scale.values if scale in newest]


def _treatments(row: ToxicityEpisode) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "detail": one.detail, "after": span_in_words(one.after_onset)}
        for one in actions.treatments_of(row)
    ]


def observed_lines(observed: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Label and answer, in the order of the form."""
    names = [name for _title, fields, _open in SECTIONS for name in fields if name in observed]
    # What was no question is not told as if it had been left out.
    names = [name for name in names if name not in ONLY_WHEN or observed[name] not in (None, "")]
    return ((_label(name), seen_in_words(name, observed[name])) for name in names)


def _label(name: str) -> Any:
    return FINDING_NAMES["vasopressors_named" if name == "vasopressors" else name]


def seen_in_words(name: str, value: Any) -> Any:
    """An observation as people say it; what was not recorded is not a no."""
    if name in SEVERAL and value is not None:
        return names_of(SEVERAL[name], value) or _("none running")
    if value is None or value == "":
        return _("not recorded")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return name_of(SEEN_KINDS[name], value) if name in SEEN_KINDS else value


def hints_of(request: HttpRequest, participant: Participant, at: dt.datetime) -> dict[str, Hint]:
    """What the record and the forms before know of the drugs that keep fever away, looking back from this moment."""
    given = actions.given_before(participant, at)
    found = {}
    if given.antipyretic:
        found["antipyretic_given"] = Hint("yes", gettext("On record: %(drugs)s") % {"drugs": given.antipyretic})
    if given.only_at_bed:
        found["anticytokine_given"] = _only_at_bed(request, participant, given)
    elif given.anticytokine:
        found["anticytokine_given"] = Hint("yes", gettext("On record: %(drugs)s") % {"drugs": given.anticytokine})
    return found


def _only_at_bed(request: HttpRequest, participant: Participant, given: Given) -> Hint:
    drugs = ", ".join(
        f"{name_of(Anticytokine, drug) if drug else gettext('not named')}, {long_moment(since)}"
        for drug, since in given.only_at_bed.items()
    )
    text = gettext("Answered at the bed (%(drugs)s), and not recorded as a drug.") % {"drugs": drugs}
    if not request.user.has_perm("dosing.add_medication"):
        return Hint("yes", text)
    drug = next((one for one in given.only_at_bed if one), "")
    query = urlencode({"participant": participant.pk, **({"kind": str(drug)} if drug else {})})
    return Hint("yes", text, f"{reverse('admin:dosing_medication_add')}?{query}", gettext("Record it as a drug"))


def guidance_for(participant: Participant, grades: dict[str, int | None]) -> list[dict[str, Any]]:
    """The management beside each grade above 0, with where it comes from and who approved it."""
    found = []
    for toxicity, grade in grades.items():
        with_crs = toxicity == Scale.ICANS and bool(grades.get(Scale.CRS))
        title = _("Management of ICANS grade %(grade)s together with CRS")
        text = guidance.for_grade(toxicity, grade, with_crs, get_language() or "", site=participant.site)
        if text is not None:
            found.append(
                {
                    "title": (title if with_crs else _("Management of %(toxicity)s grade %(grade)s"))
                    % {"toxicity": toxicity, "grade": grade},
                    "lines": text.lines,
                    "source": f"{text.source}, {_('version')} {text.version}",
                    "approval": _("approved by %(who)s") % {"who": text.approver}
                    if text.approver
                    else _("not approved by this site yet"),
                }
            )
    return found


def tocilizumab_shown(
    participant: Participant, grades: list[ToxicityAssessment], *, now: dt.datetime
) -> TocilizumabHelp | None:
    """Only while there is something that it is given for."""
    return tocilizumab_help(participant, now=now) if any(row.final_grade for row in grades) else None


def extra_context(participant: Participant, *, now: dt.datetime) -> dict[str, Any]:
    """What is due next, and the alerts that nobody has answered."""
    due = round_of(participant, now)
    open_alerts = unanswered().filter(participant=participant)
    return {
        "next_round": _round_shown(due, now) if due else None,
        "alerts": [
            {
                "link": reverse("admin:safety_safetyalert_change", args=[row.pk]),
                "text": f"{row.get_kind_display()}: {row}",
            }
            for row in open_alerts
        ],
    }


def _round_shown(due: DueRound, now: dt.datetime) -> dict[str, str]:
    at = due.due_at
    if at is None:
        return {"tone": "ts-late", "text": gettext("The ICE score before the infusion is not done yet: do it now.")}
    values = {"at": timezone.localtime(at).strftime("%m-%d %H:%M")}
    if at < now:
        return {"tone": "ts-late", "text": gettext("The next assessment was due at %(at)s: assess now.") % values}
    return {"tone": "", "text": gettext("The next assessment is due by %(at)s.") % values}


# --- episodes ----------------------------------------------------------------------------------------


def _open(kind: Any) -> list[tuple[str, Any]]:
    """Nothing is chosen at first: this is somebody's judgement."""
    return [("", PLEASE_CHOOSE), *kind.choices]


class EventForm(forms.Form):
    """What a person decides about the adverse event of an episode; the rest is known."""

    relatedness = view_field(Agent.CAR_T)
    outcome = forms.ChoiceField(
        label=_("outcome"), choices=_open(Outcome), required=False, widget=UnfoldAdminSelectWidget
    )
    action_taken = action_field(Agent.CAR_T)
    site_aware_at = formfields.MomentField(
        label=_("site aware at"),
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text=_("When anybody of the site's team first knew of it."),
    )
    is_serious_said = seriousness.field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.update(seriousness.criteria())

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        seriousness.compare(self, cleaned)
        return cleaned


class SeenEventForm(EventForm):
    """For those who record what was seen: the investigator's judgements stay open."""

    relatedness = None  # type: ignore[assignment]  # Django's way to take a field away
    outcome = None  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        seriousness.only_seen(self.fields[seriousness.SAID])


def _proposed(data: dict[str, Any], *, may_assess: bool) -> dict[str, Any]:
    """What the form says, as `propose_event` takes it."""
    said = Said(investigator=data.get("relatedness"), action_taken=data["action_taken"])
    judged = {"seriousness_said": seriousness.STORED[data[seriousness.SAID]]} if may_assess else {}
    return {
        "site_aware_at": data["site_aware_at"],
        "agents": {Agent.CAR_T: said},
        "outcome": data.get("outcome", ""),
        **judged,
        **seriousness.said_of_criteria(data),
    }


@admin.register(ToxicityEpisode)
class ToxicityEpisodeAdmin(RecordAdmin):
    list_display = (
        "participant",
        "toxicity",
        "number",
        "onset_at",
        "highest_label",
        "resolved_at",
        "duration_shown",
        "event_shown",
        "void_mark",
    )
    list_filter = ("toxicity", "highest_grade")
    search_fields = ("participant__screening_number", "participant__participant_number")
    list_select_related = ("participant", "adverse_event__participant")
    can_void = False
    actions_detail = ["propose", "course_of"]
    fieldsets = (
        (
            _("Episode"),
            {
                "description": _(
                    "Computed from the assessments. A mistake in it is a mistake in one of them: void or correct that "
                    "one, and the episode follows."
                ),
                "fields": (
                    ("participant", "toxicity", "number"),
                    ("onset_at", "resolved_at"),
                    ("highest_grade", "highest_at"),
                    "duration_shown",
                    "treatment_shown",
                    "adverse_event",
                ),
            },
        ),
    )
    readonly_fields = ("duration_shown", "treatment_shown")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.propose_view)
        return [path("<path:object_id>/propose/", view, name="safety_toxicityepisode_proposal"), *super().get_urls()]

    @action(description=_("Make an adverse event of it…"), permissions=["propose"])
    def propose(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("proposal", object_id))

    def has_propose_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("safety.propose_event")

    def propose_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        may_assess = request.user.has_perm(ASSESS)
        return self.ask(
            request,
            object_id,
            allowed=self.has_propose_permission(request),
            form_class=EventForm if may_assess else SeenEventForm,
            title=_("Make an adverse event of special interest of this episode"),
            intro=_("Onset, end and highest grade come from the assessments, and follow them from now on."),
            button=_("Make the adverse event"),
            act=lambda obj, data, now: actions.propose_event(
                episode=obj, by=request.user, now=now, **_proposed(data, may_assess=may_assess)
            ),
            done=_("The adverse event is made, and follows the episode."),
        )

    @action(description=_("Course of toxicity"))
    def course_of(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        row = self.row(request, object_id)
        return HttpResponseRedirect(reverse("admin:safety_course", args=[row.participant_id]))

    @display(
        description=_("highest grade"),
        ordering="highest_grade",
        label={1: "info", 2: "warning", 3: "danger", 4: "danger", 5: "danger"},
    )
    def highest_label(self, row: ToxicityEpisode) -> tuple[int, str]:
        return row.highest_grade, str(row.highest_grade)

    @display(description=_("duration"))
    def duration_shown(self, row: ToxicityEpisode) -> Any:
        return span_in_words(row.resolved_at - row.onset_at) if row.resolved_at else _("ongoing")

    @display(description=_("adverse event"))
    def event_shown(self, row: ToxicityEpisode) -> Any:
        if row.adverse_event is None:
            return _("not made yet")
        return (
            row.adverse_event
            if actions.is_in_step(row)
            else _("%(event)s: another grade") % {"event": row.adverse_event}
        )

    @admin.display(description=_("treatment in it, and how long after its onset"))
    def treatment_shown(self, row: ToxicityEpisode) -> Any:
        lines = (
            (one.name, one.detail, timezone.localtime(one.at).strftime("%m-%d %H:%M"), span_in_words(one.after_onset))
            for one in actions.treatments_of(row)
        )
        return format_html_join("", "<p>{} {} · {} · +{}</p>", lines) or "—"


def span_in_words(span: dt.timedelta) -> str:
    hours = int(span.total_seconds() // 3600)
    if hours < 48:
        return gettext("%(hours)s h") % {"hours": hours}
    return gettext("%(days)s d %(hours)s h") % {"days": hours // 24, "hours": hours % 24}
