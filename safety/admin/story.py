"""The page of an event, read as a story: what it is and who must do what, then what happened, and what was said of it.

A section is a `subjectpage.Section`. Besides our own, apps above add theirs by `safety.eventpage`.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from dosing.models import Medication
from participants.actions import long_moment
from safety import actions, eventpage
from safety.actions.collection import collected
from safety.actions.course import course_of
from safety.admin import duties
from safety.admin import eventasks as asks
from safety.deaths import is_death, owed_beside_reports
from safety.models import (
    SERIOUSNESS,
    AdverseEvent,
    EventQuery,
    FollowUp,
    ReportingDuty,
    ReviewKind,
    ToxicityEpisode,
)
from trialsite import audit, signing
from trialsite.models import Meaning
from trialsite.study import get_study
from trialsite.subjectpage import Asked, Owed, Section

ASSESS = "safety.assess_adverseevent"
REVIEW = "safety.review_eventreview"
CHANGE = "safety.change_adverseevent"
ANSWER = "safety.answer_eventquery"
ASK = "safety.add_eventquery"
JUDGE = "safety.judge_adverseevent"


def urls(page: Any) -> list[URLPattern]:
    """The story, and the questions that are asked from it."""

    def door(address: str, view: Any, name: str) -> URLPattern:
        asked = page.admin_site.admin_view(partial(view, page))
        return path(f"<str:object_id>/{address}/", asked, name=f"safety_adverseevent_{name}")

    return [
        door("story", story_view, "story"),
        door("assess", assess_view, "assess"),
        door("review", review_view, "review"),
        door("grade", grade_view, "grade"),
        door("followup", followup_view, "followup"),
        door("drugs", drugs_view, "drugs"),
        door("sponsor", sponsor_view, "sponsor"),
        door("question", question_view, "question"),
        *eventpage.urls(page),
    ]


def address(event: AdverseEvent | int, name: str = "story") -> str:
    return reverse(f"admin:safety_adverseevent_{name}", args=[getattr(event, "pk", event)])


# --- The page ----------------------------------------------------------------------------------------


def story_view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    event = page.get_queryset(request).select_related("participant__site", "infusion").filter(pk=object_id).first()
    if event is None:
        raise Http404
    if not page.has_view_permission(request, event):
        raise PermissionDenied
    asked = Asked(event.participant, request, timezone.now())
    reports = list(duties.duties_of(event)) if asked.may(duties.VIEW) else []
    context = {
        **page.admin_site.each_context(request),
        "title": _("Adverse event"),
        "event": event,
        "original": event,
        "opts": page.opts,
        "criteria": criteria(event),
        "interest": interest_name(event),
        "clock": duties.clock(reports, now=asked.now),
        "owed": [(one, asked.may(one.permission)) for one in (*duties.owed(reports, now=asked.now), *owed(event))],
        "sections": [_shown(one, asked) for one in _sections(event, asked, reports)],
        "menu": [(text, link) for text, link, permission in _menu(event) if asked.may(permission)],
        "trail": audit.trail(event, hidden=()) if request.user.has_perm("trialsite.view_audit_trail") else None,
        "person": reverse("admin:participants_participant_page", args=[event.participant_id]),
    }
    return TemplateResponse(request, "admin/safety/story.html", context)


def _sections(event: AdverseEvent, asked: Asked, reports: list[ReportingDuty]) -> Iterator[Section]:
    for make in (_happened, _course, _treatment, _causality):
        yield make(event)
    if reports:
        yield duties.section(reports)
    yield from eventpage.sections(event, user=asked.user, now=asked.now)
    for make in (_followups, _signatures, _questions):
        yield make(event)


def _shown(one: Section, asked: Asked) -> dict[str, Any]:
    return {
        "code": one.code,
        "title": one.title,
        "summary": one.summary(asked),
        "template": one.template,
        "body": one.body(asked),
        "actions": one.more(asked) if asked.participant.is_standing else [],
    }


def _menu(event: AdverseEvent) -> list[tuple[Any, str, str]]:
    if not event.is_standing:
        return []
    change = reverse("admin:safety_adverseevent_change", args=[event.pk])
    return [
        (_("Change what was recorded"), change, CHANGE),
        (_("Another grade in its course…"), address(event, "grade"), CHANGE),
        (_("What became known later…"), address(event, "followup"), CHANGE),
        (_("Ask about this event…"), address(event, "question"), ASK),
        (_("Judge for the sponsor…"), address(event, "sponsor"), JUDGE),
    ]


# --- Who must do what --------------------------------------------------------------------------------


def owed(event: AdverseEvent) -> Iterator[Owed]:
    """What is open on this event, each with who does it."""
    if not event.is_standing:
        return
    if is_death(event):
        for one in owed_beside_reports(event):
            if not one.is_done:
                yield Owed(one.text, one.link, CHANGE)
    signed = {row.kind for row in signing.counting(event.reviews.standing())}
    if ReviewKind.ASSESSMENT not in signed:
        yield Owed(_assessment_words(event), address(event, "assess"), ASSESS, is_urgent=event.is_serious)
    elif event.is_serious and ReviewKind.REVIEW not in signed:
        yield Owed(_("Review this serious event, and sign it."), address(event, "review"), REVIEW)
    for query in event.queries.standing().filter(answered_at__isnull=True):
        link = reverse("admin:safety_eventquery_answer", args=[query.pk])
        yield Owed(_("Answer: %(question)s") % {"question": query.question}, link, ANSWER)


def _assessment_words(event: AdverseEvent) -> str:
    missing = actions.open_of(event)
    if not missing:
        return _("Sign the assessment.")
    return _("Assess and sign: %(what)s.") % {"what": _(", ").join(missing)}


# --- What is told ------------------------------------------------------------------------------------


def criteria(event: AdverseEvent) -> list[str]:
    """What makes it serious, each with its date where it is known."""
    found = []
    for name in SERIOUSNESS:
        if getattr(event, name):
            day = getattr(event, f"{name}_on")
            label = str(AdverseEvent._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
            found.append(f"{label} ({day})" if day else label)
    return found


def interest_name(event: AdverseEvent) -> str:
    protocol = get_study().protocol(event.participant.protocol_version)
    names = {one.code: str(one.name) for one in protocol.special_interest_events}
    return names.get(event.special_interest, event.special_interest)


def _lines(code: str, title: Any, lines: list[tuple[Any, Any]], more: Callable[[Asked], Any] | None = None) -> Section:
    """A section of labels and what is said of each; what nobody said is left out."""
    said = [(label, value) for label, value in lines if value not in ("", None)]
    return Section(
        code=code,
        title=title,
        permission="safety.view_adverseevent",
        template="admin/safety/story_lines.html",
        body=lambda asked: {"lines": said},
        more=more or (lambda asked: []),
    )


def _may(asked: Asked, text: Any, link: str, permission: str) -> list[tuple[Any, str]]:
    return [(text, link)] if asked.may(permission) else []


def _day(day: str, time: dt.time | None) -> str:
    return f"{day} {time:%H:%M}" if time else day


def _said(event: AdverseEvent, name: str) -> str:
    """A column in the reader's language, as the trail says it."""
    return audit.text_of(AdverseEvent._meta.get_field(name), getattr(event, name), event)  # type: ignore[arg-type]


def _happened(event: AdverseEvent) -> Section:
    collection = collected(event)
    lines = [
        (_("Onset"), _day(event.onset, event.onset_time)),
        (_("Resolved"), _day(event.resolved, event.resolved_time) or _("ongoing")),
        (_("pattern"), event.get_pattern_display()),
        (
            _("CTCAE term"),
            f"{_said(event, 'ctcae_term')} · {event.ctcae_code} · {event.ctcae_version}" if event.ctcae_code else "",
        ),
        (_("system organ class"), _said(event, "ctcae_soc") if event.ctcae_soc else ""),
        (_("MedDRA term (LLT)"), _meddra(event)),
        (_("site aware at"), long_moment(event.site_aware_at)),
        (_("sponsor aware at"), long_moment(event.sponsor_aware_at) if event.sponsor_aware_at else ""),
        (_("cause of death"), event.cause_of_death),
        (_("autopsy"), event.get_autopsy_display()),
        (_("Collection"), collection),
        (_("course"), event.note),
    ]
    change = reverse("admin:safety_adverseevent_change", args=[event.pk])
    return _lines("happened", _("What happened"), lines, lambda asked: _may(asked, _("Change…"), change, CHANGE))


def _meddra(event: AdverseEvent) -> str:
    if not event.meddra_llt_code:
        return ""
    return (
        f"{event.meddra_llt} ({event.meddra_llt_code}) → {event.meddra_pt} → {event.meddra_soc}, {event.meddra_version}"
    )


def _course(event: AdverseEvent) -> Section:
    lines = [
        (_("since %(day)s") % {"day": row.since}, _("grade %(grade)s") % {"grade": row.grade})
        for row in course_of(event)
    ]
    add = address(event, "grade")
    return _lines("course", _("Course of grades"), lines, lambda asked: _may(asked, _("Another grade…"), add, CHANGE))


def _treatment(event: AdverseEvent) -> Section:
    """What was written, the drugs that were given for it while it lasted, and the episode it belongs to."""
    lines: list[tuple[Any, Any]] = [(_("treatment given"), event.treatment_given)]
    for drug in event.medications.standing().select_related("medication"):
        lines.append((_("medication"), _drug(drug.medication)))
    for episode in ToxicityEpisode.objects.standing().filter(adverse_event=event).select_related("participant"):
        lines.append((_("episode"), str(episode)))
    if event.infusion is not None:
        lines.append((_("reaction to the infusion"), long_moment(event.infusion.infused_at)))
    add = address(event, "drugs")
    return _lines(
        "treatment", _("Treatment"), lines, lambda asked: _may(asked, _("Drugs given against it…"), add, CHANGE)
    )


def _drug(row: Medication) -> str:
    return f"{row.name} {row.dose_text} · {long_moment(row.started_at)}"


def _causality(event: AdverseEvent) -> Section:
    rows = [
        {
            "agent": row.get_agent_display() + (f" ({row.named})" if row.named else ""),
            "investigator": row.get_investigator_display(),
            "sponsor": row.get_sponsor_display(),
            "action": row.get_action_taken_display(),
        }
        for row in event.agents.standing().order_by("id")
    ]
    body = {
        "rows": rows,
        "outcome": event.get_outcome_display(),
        "seriousness": event.get_seriousness_said_display(),
        "expected": event.is_expected,
        "reference": event.reference_safety,
    }

    def more(asked: Asked) -> list[tuple[Any, str]]:
        return [
            *_may(asked, _("Assess and sign…"), address(event, "assess"), ASSESS),
            *_may(asked, _("Judge for the sponsor…"), address(event, "sponsor"), JUDGE),
        ]

    return Section(
        code="causality",
        title=_("Causality by agent"),
        permission="safety.view_adverseevent",
        template="admin/safety/story_causality.html",
        body=lambda asked: body,
        more=more,
    )


def _followups(event: AdverseEvent) -> Section:
    rows = event.followups.standing().select_related("created_by")
    lines = [
        (f"{long_moment(row.learned_at)} · {row.get_kind_display()}", f"{row.what} ({row.created_by})") for row in rows
    ]
    add = address(event, "followup")
    return _lines("followups", _("What became known later"), lines, lambda asked: _may(asked, _("Add…"), add, CHANGE))


def _signatures(event: AdverseEvent) -> Section:
    """Those that stand, verified now, and those that a change has ended, with what was changed."""
    rows = list(event.reviews.select_related("created_by"))
    checked = signing.verify(rows)
    shown = [
        {
            "kind": row.get_kind_display(),
            "by": row.created_by,
            "at": long_moment(row.created_at),
            "why": row.void_reason or "",
            "is_void": row.is_void,
            "sha256": row.sha256[:16],
            "mark": signing.marks(one for one in checked.get(row.pk, ()) if one.meaning is Meaning.EVENT),
        }
        for row in rows
    ]
    return Section(
        code="signatures",
        title=_("Signatures"),
        permission="safety.view_adverseevent",
        template="admin/safety/story_signatures.html",
        body=lambda asked: {"rows": shown},
    )


def _questions(event: AdverseEvent) -> Section:
    rows = [
        {
            "question": row.question,
            "asked": f"{row.created_by}, {long_moment(row.created_at)}",
            "answer": row.answer,
            "answered": f"{row.answered_by}, {long_moment(row.answered_at)}" if row.answered_at else "",
            "link": reverse("admin:safety_eventquery_answer", args=[row.pk]),
        }
        for row in event.queries.standing().select_related("created_by", "answered_by")
    ]
    return Section(
        code="questions",
        title=_("Questions"),
        permission="safety.view_adverseevent",
        template="admin/safety/story_questions.html",
        body=lambda asked: {"rows": rows, "may": asked.may(ANSWER)},
        more=lambda asked: _may(asked, _("Ask about this event…"), address(event, "question"), ASK),
    )


# --- The questions on pages of their own -------------------------------------------------------------


def _ask(page: Any, request: HttpRequest, object_id: str, permission: str, **said: Any) -> HttpResponse:
    event = page.get_object(request, object_id)
    if event is None:
        raise Http404
    may = request.user.has_perm(permission) and event.is_standing
    result: HttpResponse = page.ask(request, object_id, allowed=may, back="story", **said)
    return result


def _event_of(page: Any, request: HttpRequest, object_id: str) -> AdverseEvent:
    event: AdverseEvent | None = page.get_object(request, object_id)
    if event is None:
        raise Http404
    return event


def assess_view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    event = _event_of(page, request, object_id)

    def act(row: AdverseEvent, data: dict[str, Any], now: dt.datetime) -> Any:
        return actions.assess_event(event=row, by=request.user, now=now, **asks.assessed(data))

    return _ask(
        page,
        request,
        object_id,
        ASSESS,
        form_class=asks.assessment_form(event),
        title=_("Assess this event"),
        intro=_("Your view of each agent, the outcome and the seriousness; you sign them with your password."),
        button=_("Sign the assessment"),
        act=act,
        done=_("The assessment is signed."),
        row_of=_as_assessed,
        is_signed=True,
    )


def _as_assessed(event: AdverseEvent, data: dict[str, Any]) -> AdverseEvent:
    """The row as the assessment would leave it, for what looks wrong about it."""
    said = asks.assessed(data)
    for name in ("outcome", "seriousness_said", *SERIOUSNESS):
        setattr(event, name, said[name])
    return event


def review_view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    def act(row: AdverseEvent, data: dict[str, Any], now: dt.datetime) -> Any:
        return actions.sign_event(event=row, kind=ReviewKind.REVIEW, by=request.user, now=now)

    return _ask(
        page,
        request,
        object_id,
        REVIEW,
        form_class=asks.SignForm,
        title=_("Review this serious event"),
        intro=_("You have read the event with its course, its treatment and the investigator's assessment."),
        button=_("Sign the review"),
        act=act,
        done=_("The review is signed."),
        is_signed=True,
    )


def grade_view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    def act(row: AdverseEvent, data: dict[str, Any], now: dt.datetime) -> Any:
        return actions.record_grade(event=row, grade=int(data["grade"]), since=data["since"], by=request.user, now=now)

    return _ask(
        page,
        request,
        object_id,
        CHANGE,
        form_class=asks.GradeForm,
        title=_("Another grade in its course"),
        intro=_("The event keeps all its grades with their days; the highest stands on it. Death is told on its form."),
        button=_("Add the grade"),
        act=act,
        done=_("The grade is added."),
    )


def followup_view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    def act(row: AdverseEvent, data: dict[str, Any], now: dt.datetime) -> Any:
        return actions.add_followup(followup=FollowUp(event=row, **data), by=request.user, now=now)

    return _ask(
        page,
        request,
        object_id,
        CHANGE,
        form_class=asks.FollowUpForm,
        title=_("What became known later"),
        intro=_("It is added to the event; what was known before stays as it was."),
        button=_("Add"),
        act=act,
        done=_("It is added to the event."),
        row_of=lambda row, data: FollowUp(event=row, **data),
    )


def drugs_view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    event = _event_of(page, request, object_id)

    def act(row: AdverseEvent, data: dict[str, Any], now: dt.datetime) -> Any:
        return actions.link_medications(event=row, by=request.user, now=now, **data)

    return _ask(
        page,
        request,
        object_id,
        CHANGE,
        form_class=asks.drugs_form(event),
        title=_("Drugs given against it"),
        intro=_("Out of the record of medication. What is not there is recorded there first."),
        button=_("Add"),
        act=act,
        done=_("They stand with the event."),
    )


def sponsor_view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    event = _event_of(page, request, object_id)

    def act(row: AdverseEvent, data: dict[str, Any], now: dt.datetime) -> Any:
        return actions.judge_for_sponsor(event=row, by=request.user, now=now, **asks.judged(data))

    return _ask(
        page,
        request,
        object_id,
        JUDGE,
        form_class=asks.sponsor_form(event),
        title=_("Judge for the sponsor"),
        intro=_("Apart from the investigator's view. If either cannot exclude a relation, it is reported."),
        button=_("Save"),
        act=act,
        done=_("The sponsor's view is saved."),
    )


def question_view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    def act(row: AdverseEvent, data: dict[str, Any], now: dt.datetime) -> Any:
        return actions.ask_about(event=row, question=data["question"], by=request.user, now=now)

    return _ask(
        page,
        request,
        object_id,
        ASK,
        form_class=asks.QuestionForm,
        title=_("Ask about this event"),
        intro=_("The site answers here; question and answer stay with the event."),
        button=_("Ask"),
        act=act,
        done=_("The question is asked."),
        row_of=lambda row, data: EventQuery(event=row, **data),
    )
