"""The eligibility page of a participant: all criteria on one screen, decided, signed, printed."""

import datetime as dt
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanWidget,
)

from participants import actions, eligibility_pdf, wording
from participants.models import EligibilityConfirmation, EligibilityRuling, Participant, ReasonCode
from participants.rules.eligibility import MET, NOT_MET, Decision, Fact, Result, Why, is_expired
from participants.rules.measures import PANEL_OF
from participants.rules.status import Status, can_become
from trialsite import audit, formfields, paper, printing, wayback
from trialsite.fields import PLEASE_CHOOSE
from trialsite.recordadmin import RecordAdmin
from trialsite.signature import SignatureForm
from trialsite.signing import Checked
from trialsite.study import get_study
from trialsite.voiding import Consequences

TONES = {
    Result.PASS: "good",
    Result.PASS_BY_OVERRIDE: "good",
    Result.NEEDS_INVESTIGATOR: "open",
    Result.MISSING: "open",
    Result.FAIL_OVERRIDABLE: "bad",
    Result.FAIL: "bad",
}


# --- what the page shows -----------------------------------------------------------------------------


@dataclass(frozen=True)
class FactLine:
    text: str
    on: dt.date | None
    link: str
    is_expired: bool


@dataclass(frozen=True)
class CheckLine:
    """One question of a criterion in words, with the links that help on."""

    name: str
    limit: str
    state: str
    symbol: str
    tone: str
    reason: str
    facts: tuple[FactLine, ...]
    enter: str = ""
    rule: str = ""


@dataclass(frozen=True)
class CriterionBlock:
    code: str
    text: str
    parts: tuple[tuple[str, str], ...]
    state: str
    symbol: str
    tone: str
    checks: tuple[CheckLine, ...]


def blocks_of(
    evaluation: actions.Evaluation, *, can_rule: bool = False, day: dt.date | None = None
) -> list[CriterionBlock]:
    """`day` goes along with the links, where the page judges for another day than today."""
    return [_block(state, evaluation, can_rule, day) for state in evaluation.criteria]


def _block(state: Any, evaluation: actions.Evaluation, can_rule: bool, day: dt.date | None) -> CriterionBlock:
    criterion = state.criterion
    return CriterionBlock(
        code=criterion.code,
        text=str(criterion.text),
        parts=tuple((part.code[-1], str(part.text)) for part in criterion.parts),
        state=str(wording.RESULT_NAMES[state.result]),
        symbol=wording.RESULT_SYMBOLS[state.result],
        tone=TONES[state.result],
        checks=tuple(_line(decision, evaluation, can_rule, day) for decision in state.decisions),
    )


def _line(decision: Decision, evaluation: actions.Evaluation, can_rule: bool, day: dt.date | None) -> CheckLine:
    verdict = decision.verdict
    is_open = decision.result in {Result.NEEDS_INVESTIGATOR, Result.FAIL_OVERRIDABLE}
    return CheckLine(
        name=wording.name_of_check(decision.rule),
        limit=wording.limit_text(decision.rule),
        state=str(wording.RESULT_NAMES[decision.result]),
        symbol=wording.RESULT_SYMBOLS[decision.result],
        tone=TONES[decision.result],
        reason=wording.reason_text(decision),
        facts=tuple(_fact(fact, evaluation, decision.rule.measure) for fact in verdict.facts),
        enter=_enter_link(decision, evaluation.participant),
        rule=_rule_link(decision, evaluation.participant, day) if is_open and can_rule else "",
    )


def _fact(fact: Fact, evaluation: actions.Evaluation, named: str) -> FactLine:
    """In words; without its name where the check beside it has the same."""
    link = reverse("admin:participants_examination_change", args=[fact.examination]) if fact.examination else ""
    text = wording.value_text(fact) if fact.code == named else wording.fact_text(fact)
    return FactLine(text, fact.on, link, is_expired(fact, evaluation.anchors))


def _enter_link(decision: Decision, participant: Participant) -> str:
    """Where the missing thing is entered."""
    verdict = decision.verdict
    if decision.result in MET | NOT_MET:
        return ""
    if verdict.why in {Why.NO_CONSENT, Why.GUARDIAN_MISSING}:
        return _with(reverse("admin:participants_consent_add"), participant=participant.pk)
    if verdict.why == Why.NO_INFUSION_DATE:
        return reverse("admin:participants_participant_plan", args=[participant.pk])
    if verdict.wanted:
        panel = PANEL_OF[verdict.wanted]
        return _with(reverse("admin:participants_examination_add"), participant=participant.pk, panel=panel)
    return ""


def _rule_link(decision: Decision, participant: Participant, day: dt.date | None) -> str:
    query = {"check": decision.check, **({paper.AS_OF: day.isoformat()} if day else {})}
    return _with(reverse("admin:participants_participant_rule", args=[participant.pk]), **query)


def _with(url: str, **query: Any) -> str:
    return f"{url}?{urlencode(query)}"


# --- forms -------------------------------------------------------------------------------------------


class ConfirmForm(SignatureForm):
    """The meaning of the signature stands above it, in the intro of the page."""


class RulingForm(forms.Form):
    is_met = forms.TypedChoiceField(
        label=_("Your decision"),
        choices=[("yes", _("met")), ("no", _("not met"))],
        coerce=lambda value: value == "yes",
        widget=UnfoldAdminRadioSelectWidget(radio_style=admin.HORIZONTAL),
    )
    reason = forms.CharField(label=_("Reason"), widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))


class PlanForm(forms.Form):
    on = formfields.DateField(label=_("Planned infusion (Day 0)"), widget=UnfoldAdminSingleDateWidget)
    is_from_paper = forms.BooleanField(
        label=_("Taken over from paper: the day may lie in the past"), required=False, widget=UnfoldBooleanWidget
    )


class RescreenForm(forms.Form):
    on = formfields.DateField(label=_("Screened again on"), widget=UnfoldAdminSingleDateWidget)


class FailForm(forms.Form):
    on = formfields.DateField(label=_("Screening ended on"), widget=UnfoldAdminSingleDateWidget)
    reason_code = forms.ChoiceField(
        label=_("Kind of reason"),
        choices=[
            ("", PLEASE_CHOOSE),
            *(
                (code.value, code.label)
                for code in (ReasonCode.NOT_ELIGIBLE, ReasonCode.SUBJECT, ReasonCode.PHYSICIAN, ReasonCode.OTHER)
            ),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    reason = forms.CharField(label=_("Reason"), widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))


# --- views: registered by the participant's admin ------------------------------------------------------


def urls(page: Any) -> list[URLPattern]:
    """The addresses under a participant; `page` is its admin."""
    view = page.admin_site.admin_view
    named = {
        "eligibility": eligibility_view,
        "eligibility_pdf": pdf_view,
        "rule": rule_view,
        "confirm": confirm_view,
        "plan": plan_view,
        "fail": fail_view,
        "rescreen": rescreen_view,
    }
    return [
        path(
            f"<path:object_id>/{name.replace('_', '.')}/",
            view(partial(function, page)),
            name=f"participants_participant_{name}",
        )
        for name, function in named.items()
    ]


def _query(day: dt.date | None) -> str:
    return f"?{urlencode({paper.AS_OF: day.isoformat()})}" if day else ""


def _judged_for(
    request: HttpRequest, participant: Participant, confirmation: EligibilityConfirmation | None
) -> dt.date | None:
    """The day asked for; without one that of the signature, while nobody is enrolled on it yet."""
    if (day := paper.day_of(request)) or confirmation is None or participant.participant_number is not None:
        return day
    return confirmation.judged_for if confirmation.is_signed_later else None


def _participant(page: Any, request: HttpRequest, object_id: str) -> Participant:
    obj: Participant | None = page.get_object(request, object_id)
    if obj is None or not page.has_view_permission(request, obj):
        raise PermissionDenied
    return obj


def eligibility_view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    obj = _participant(page, request, object_id)
    now = timezone.now()
    confirmation = actions.newest_confirmation(obj)
    day = _judged_for(request, obj, confirmation)
    evaluation = actions.evaluate(obj, now=now, as_of=day)
    signature = actions.signature_of(confirmation)
    counts = signature is not None and signature.counts
    is_current = confirmation is not None and counts and actions.is_on(confirmation, evaluation)
    context = {
        **page.admin_site.each_context(request),
        "title": gettext("Eligibility of %(number)s") % {"number": obj.number},
        "participant": obj,
        "evaluation": evaluation,
        "overall": wording.OVERALL_NAMES[evaluation.overall],
        "overall_tone": _tone(evaluation, signature),
        "blocks": blocks_of(evaluation, can_rule=_may_rule(request), day=day),
        "can_choose_day": obj.participant_number is None,
        "as_of": evaluation.anchors.today,
        "today": actions.site_day(now),
        "counts": _counts(evaluation),
        "window_days": evaluation.anchors.expires_after_days,
        "confirmation": confirmation,
        "signature": signature,
        "broken_rulings": actions.broken_rulings(obj),
        "is_current": is_current,
        "later": _later(evaluation, now),
        "links": _links(page, request, evaluation, is_current, day),
        "opts": page.opts,
    }
    return TemplateResponse(request, "admin/participants/eligibility.html", context)


def _tone(evaluation: actions.Evaluation, signature: Checked | None) -> str:
    if signature is not None and signature.warning:
        return "bad"
    return {"ELIGIBLE": "good", "INCOMPLETE": "open"}.get(evaluation.overall, "bad")


def _may_rule(request: HttpRequest) -> bool:
    return request.user.has_perm("participants.rule_on_criteria") and not request.user.is_superuser


def _later(evaluation: actions.Evaluation, now: dt.datetime) -> list[dict[str, Any]]:
    """Results since the enrolment that would not meet a criterion: which, what was found, when, and the limit."""
    return [
        {
            "code": decision.item,
            "facts": [(wording.fact_text(fact), fact.on) for fact in decision.verdict.facts],
            "limit": wording.limit_text(decision.rule),
        }
        for decision in actions.later_results(evaluation, now=now)
    ]


def _counts(evaluation: actions.Evaluation) -> list[tuple[str, str, int]]:
    """How many criteria stand how: tone, name, number."""
    found = [state.result for state in evaluation.criteria]
    return [
        (TONES[result], str(wording.RESULT_NAMES[result]), found.count(result)) for result in Result if result in found
    ]


def _links(
    page: Any, request: HttpRequest, evaluation: actions.Evaluation, is_current: bool, day: dt.date | None
) -> list[tuple[str, Any, bool]]:
    """Steps that are possible from here: address, name, whether it is the next one."""
    obj = evaluation.participant
    has, here = request.user.has_perm, Status(obj.status)
    # No button that leads to a refusal: the administrator of the computer signs nothing.
    may_sign = has("participants.confirm_eligibility") and not request.user.is_superuser
    is_ready = evaluation.overall == "ELIGIBLE"
    before = here in {Status.SCREENING, Status.ENROLLED, Status.LYMPHODEPLETED}
    wanted = [
        (
            "confirm",
            _("Confirm eligibility…"),
            is_ready and not is_current,
            before and is_ready and not is_current and may_sign,
        ),
        (
            "enrol",
            _("Enrol…"),
            is_current,
            is_current and can_become(here, Status.ENROLLED) and has("participants.enrol_participant"),
        ),
        ("plan", _("Plan the infusion…"), False, before and has("participants.change_participant")),
        (
            "fail",
            _("Screen failure…"),
            any(state.result == Result.FAIL for state in evaluation.criteria),
            can_become(here, Status.SCREEN_FAILED) and has("participants.change_status"),
        ),
        (
            "rescreen",
            _("Screen again…"),
            False,
            here == Status.SCREEN_FAILED and has("participants.add_participant"),
        ),
    ]
    query = _query(day)
    return [(page.url(name, obj.pk) + query, title, is_next) for name, title, is_next, is_shown in wanted if is_shown]


def pdf_view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """The same, for the source file on paper."""
    obj = _participant(page, request, object_id)
    now = timezone.now()
    confirmation = actions.newest_confirmation(obj)
    evaluation = actions.evaluate(obj, now=now, as_of=_judged_for(request, obj, confirmation))
    printed = eligibility_pdf.eligibility_print(
        evaluation,
        blocks_of(evaluation),
        confirmation,
        actions.signature_of(confirmation),
        actions.is_current(confirmation, evaluation),
        now=now,
    )
    return printing.leave(request, printed, model=page.opts.label, content="eligibility", now=now)


def rule_view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    check = request.GET.get("check", "")
    obj = _participant(page, request, object_id)
    day = paper.day_of(request)
    decisions = actions.evaluate(obj, now=timezone.now(), as_of=day).decisions
    decision = next((d for d in decisions if d.check == check), None)
    intro = " · ".join(text for text in (check, *(_in_words(decision, obj) if decision else ())) if text)
    return page.ask(
        request,
        object_id,
        allowed=request.user.has_perm("participants.rule_on_criteria"),
        form_class=RulingForm,
        title=_("Decide on a criterion"),
        intro=intro,
        button=_("Record the decision"),
        act=lambda obj, data, now: actions.rule_on(
            participant=obj,
            check=check,
            is_met=data["is_met"],
            reason=data["reason"],
            as_of=day,
            by=request.user,
            now=now,
        ),
        done=_("The decision is recorded with your name and the values that it rests on."),
        is_signed=True,
        back="eligibility",
        back_query=_query(day),
    )


def _in_words(decision: Decision, participant: Participant) -> tuple[str, ...]:
    """The criterion, its limit, the facts and the reason: all that the decision is about."""
    criterion = get_study().protocol(participant.protocol_version).criterion(decision.item[:6])
    texts = {code: str(text) for code, text, _checks in criterion.items}
    facts = "; ".join(wording.fact_text(fact) for fact in decision.verdict.facts)
    return texts[decision.item], wording.limit_text(decision.rule), facts, wording.reason_text(decision)


def confirm_view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    day = paper.day_of(request)
    obj = _participant(page, request, object_id)
    return page.ask(
        request,
        object_id,
        # Who signs has read exactly these facts.
        rests_on=actions.evaluate(obj, now=timezone.now()).digest,
        allowed=request.user.has_perm("participants.confirm_eligibility"),
        form_class=partial(ConfirmForm, request=request),
        title=_("Confirm eligibility"),
        intro=_meaning(day),
        button=_("Sign"),
        act=lambda obj, data, now: actions.confirm_eligibility(participant=obj, as_of=day, by=request.user, now=now),
        done=_("Eligibility is confirmed; the facts are frozen beside your signature."),
        back="eligibility",
        back_query=_query(day),
    )


def _meaning(day: dt.date | None) -> str:
    """What is signed, and for which day where that is another than today."""
    if day is None or day == actions.site_day(timezone.now()):
        return actions.meaning_of_signature()
    return "{} {}".format(
        actions.meaning_of_signature(),
        gettext("Judged for %(day)s, taken over from paper; your signature has the time at which you sign.")
        % {"day": actions.long_date(day)},
    )


def plan_view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Once it is planned, on to what counts back from it; that page leads back here where nothing is to be moved."""
    answer: HttpResponse = page.ask(
        request,
        object_id,
        allowed=request.user.has_perm("participants.change_participant"),
        form_class=PlanForm,
        title=_("Plan the infusion"),
        intro=_("Criteria that count back from the infusion are decided again for this day."),
        button=_("Plan"),
        act=lambda obj, data, now: actions.plan_infusion(participant=obj, **data, by=request.user, now=now),
        done=_("The infusion is planned."),
        back="eligibility",
    )
    if answer.status_code != HTTPStatus.FOUND or paper.way_back(request):
        # Doses from paper are taken over as they were: there is nothing to move.
        return answer
    shift = reverse("admin:dosing_lymphodepletiondose_shift", args=[object_id])
    return HttpResponseRedirect(wayback.with_back(shift, wayback.asked(request)))


def fail_view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    return page.ask(
        request,
        object_id,
        allowed=request.user.has_perm("participants.change_status"),
        form_class=FailForm,
        title=_("End the screening without enrolment"),
        intro=_("The criteria that are not met are kept beside the reason. The person can be screened again later."),
        button=_("Record the screen failure"),
        act=lambda obj, data, now: actions.fail_screening(participant=obj, by=request.user, now=now, **data),
        done=_("The screen failure is recorded."),
        back="eligibility",
    )


def rescreen_view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    return page.ask(
        request,
        object_id,
        allowed=request.user.has_perm("participants.add_participant"),
        form_class=partial(RescreenForm, initial={"on": actions.site_day(timezone.now())}),
        title=_("Screen this person again"),
        intro=_("A new screening number, tied to this one. Consent and results start anew."),
        button=_("Give a new screening number"),
        act=lambda obj, data, now: actions.rescreen(participant=obj, on=data["on"], by=request.user, now=now),
        done=_("A new screening has begun; you are on its page."),
        back="page",
        follow=True,
    )


# --- what investigators decided, for whoever reads it later ------------------------------------------


class DecisionAdmin(RecordAdmin):
    """Written by the eligibility page only, and never changed."""

    search_fields = ("participant__screening_number", "participant__participant_number")
    list_select_related = ("participant", "created_by")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.decision_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_decision(row=obj, reason=reason, by=by, now=now)


@admin.register(EligibilityRuling)
class EligibilityRulingAdmin(DecisionAdmin):
    list_display = ("participant", "question", "kind_label", "is_met", "reason", "created_by", "created_at")
    list_filter = (("kind", admin.ChoicesFieldListFilter),)
    fieldsets = ((None, {"fields": ("participant", "question", ("kind", "is_met"), "reason")}),)
    readonly_fields = ("question",)

    @display(description=_("criterion"), ordering="check_name")
    def question(self, row: EligibilityRuling) -> str:
        return audit.text_of(EligibilityRuling._meta.get_field("check_name"), row.check_name, row)

    @display(description=_("kind"), label={"judgement": "info", "override": "warning"})
    def kind_label(self, row: EligibilityRuling) -> tuple[str, Any]:
        return row.kind, row.get_kind_display()


@admin.register(EligibilityConfirmation)
class EligibilityConfirmationAdmin(DecisionAdmin):
    list_display = ("participant", "created_by", "created_at", "content_hash")
    fieldsets = (
        (None, {"fields": ("participant", ("created_by", "created_at"), "meaning", "content_hash")}),
        (_("What was confirmed"), {"fields": ("snapshot_shown",)}),
    )
    readonly_fields = ("snapshot_shown",)

    @admin.display(description=_("what was confirmed"))
    def snapshot_shown(self, row: EligibilityConfirmation) -> str:
        return format_html('<pre class="ts-pre">{}</pre>', row.snapshot)
