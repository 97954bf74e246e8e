"""The pages before and around an infusion: readiness, judgement, identity, what happened at the bedside."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pghistory
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from dosing import actions, timeline
from dosing.models import BAND_NAMES, LINE_NAMES, CellProduct, IdentityCheck, Infusion, Medication, ReadinessRuling
from dosing.rules import vitals
from dosing.rules.dose import DoseBand
from dosing.rules.readiness import Code, Outcome
from dosing.wording import OUTCOME_NAMES, sentence
from participants.models import Examination, Participant
from trialsite import formfields, questions, signing, versions
from trialsite.clinical import check_clinical
from trialsite.constraints import as_refusals
from trialsite.reading import read_key
from trialsite.recordadmin import ReasonForm
from trialsite.refusal import Refused
from trialsite.signature import checked, signed
from trialsite.study import get_study

TONES = {Outcome.FINE: "good", Outcome.JUDGE: "open", Outcome.BLOCKS: "bad"}
SYMBOLS = {Outcome.FINE: "✓", Outcome.JUDGE: "?", Outcome.BLOCKS: "✗"}
PHASE_NAMES = {
    vitals.Phase.BEFORE: _("%(minutes)s minutes before"),
    vitals.Phase.DURING: _("during the infusion"),
    vitals.Phase.AFTER: _("%(minutes)s minutes after the end"),
}
HOURS_AFTER = _("%(hours)s hours after the end")
# Medication that was given shortly before is shown, whether or not it was ticked as premedication.
PREMEDICATION = dt.timedelta(hours=2)

# While vital signs are still being taken, their table stands open.
RECENT = dt.timedelta(hours=12)


def participant_of(request: HttpRequest, pk: Any) -> Participant | None:
    """Within the person's own sites."""
    rows = Participant.objects.standing().filter(pk=read_key(pk))
    if not request.user.is_superuser:
        rows = rows.filter(site__in=request.user.sites.all())
    return rows.first()


def required(request: HttpRequest, pk: int, permission: str) -> Participant:
    if not request.user.has_perm(permission):
        raise PermissionDenied
    participant = participant_of(request, pk)
    if participant is None:
        raise Http404
    return participant


def _page(request: HttpRequest, **context: Any) -> dict[str, Any]:
    return {**admin.site.each_context(request), "opts": Infusion._meta, **context}


def answer_to(found: actions.Readiness) -> str:
    """May we infuse? With how many conditions are not met, where it is not for an investigator alone."""
    if found.overall is Outcome.FINE:
        return gettext("Yes: nothing stands against the infusion")
    if found.overall is Outcome.JUDGE:
        return gettext("Not yet: an investigator must judge")
    count = sum(judged.outcome is Outcome.BLOCKS for judged in found.against)
    text = ngettext("Not yet: %(count)s condition is not met", "Not yet: %(count)s conditions are not met", count)
    return text % {"count": count}


# --- readiness ---------------------------------------------------------------------------------------


def readiness_view(request: HttpRequest, participant_id: int) -> HttpResponse:
    participant = required(request, participant_id, "dosing.view_infusion")
    now = timezone.now()
    found = actions.readiness_of(participant, at=now, now=now)
    context = _page(
        request,
        title=_("May we infuse?"),
        participant=participant,
        readiness=found,
        broken=warnings(found.broken),
        answer=answer_to(found),
        tone=TONES[found.overall],
        lines=[_line(request, participant, judged) for judged in found.lines],
        holds=actions.holds_at(participant, now),
        infusions=participant.infusions.standing(),
        now=now,
    )
    return TemplateResponse(request, "admin/dosing/readiness.html", context)


def _line(request: HttpRequest, participant: Participant, judged: actions.Judged) -> dict[str, Any]:
    line = judged.line
    return {
        "code": line.code.value,
        "name": LINE_NAMES[line.code],
        "tone": TONES[judged.outcome],
        "symbol": SYMBOLS[judged.outcome],
        "outcome": OUTCOME_NAMES[judged.outcome],
        "sentence": sentence(line),
        "ruling": judged.ruling,
        "links": [link for link in _links(request, participant, judged) if link],
    }


def warnings(rows: Sequence[ReadinessRuling]) -> list[str]:
    """Which judgements do not count, and why."""
    found = signing.verify(rows)
    return [
        f"{row.get_line_display()} · {row.created_by}: {row.reason} · {one.warning}"
        for row in rows
        for one in found[row.pk]
        if one.warning
    ]


def _links(request: HttpRequest, participant: Participant, judged: actions.Judged) -> list[Any]:
    """Where each line is settled, for those who may."""
    code, pk = judged.line.code, participant.pk
    own = {
        Code.ELIGIBILITY: _link(request, "participants_participant_eligibility", _("Eligibility page"), path=[pk]),
        Code.CONSENT: _link(request, "participants_consent_changelist", _("Consents"), q=participant.number),
        Code.LYMPHODEPLETION: _link(request, "dosing_lymphodepletiondose_changelist", _("Doses"), q=participant.number),
        Code.PRODUCT: _link(request, "dosing_cellproduct_changelist", _("Products"), q=participant.number),
        Code.FITNESS: _link(
            request,
            "dosing_fitnesscheck_add",
            _("Check fitness"),
            needs="dosing.add_fitnesscheck",
            participant=pk,
            before="infusion",
        ),
        Code.HOLDS: _link(request, "dosing_dosinghold_changelist", _("Holds"), q=participant.number),
        Code.IDENTITY: _link(
            request,
            "dosing_identity",
            _("Check identity"),
            path=[pk],
            needs="dosing.sign_identitycheck",
        ),
    }
    own[Code.TOCILIZUMAB] = own[Code.FITNESS]
    found = [own[code] if judged.outcome is not Outcome.FINE or code is Code.ELIGIBILITY else None]
    if judged.outcome is Outcome.JUDGE:
        path = [pk, code.value]
        # No button that leads to a refusal.
        if not request.user.is_superuser:
            found.append(_link(request, "dosing_judge", _("Judge…"), path=path, needs="dosing.judge_readiness"))
    return found


def _link(
    request: HttpRequest, name: str, label: Any, *, path: Any = (), needs: str = "", **query: Any
) -> tuple[str, Any] | None:
    if needs and not request.user.has_perm(needs):
        return None
    text = "&".join(f"{key}={value}" for key, value in query.items())
    return reverse(f"admin:{name}", args=path) + (f"?{text}" if text else ""), label


def judge_view(request: HttpRequest, participant_id: int, code: str) -> HttpResponse:
    """An investigator settles one line, with the reason."""
    participant = required(request, participant_id, "dosing.judge_readiness")
    now = timezone.now()
    try:
        line = next(j.line for j in actions.readiness_of(participant, at=now, now=now).lines if j.line.code == code)
    except StopIteration:
        raise Http404 from None
    back = reverse("admin:dosing_readiness", args=[participant.pk])
    form = signed(ReasonForm)(request.POST if request.method == "POST" else None, request=request)
    # Other findings than those that were read are judged after they were read.
    opened = versions.of(shown=repr(line))
    conflict = versions.conflict(request, opened)
    questions.prepare(form)
    is_sent = request.method == "POST" and conflict is None and form.is_valid()
    if is_sent and questions.ask(form, about_whom=participant, by=request.user, now=now):
        try:
            with as_refusals(), pghistory.context(reason=questions.reason_of(form)):
                actions.judge_readiness(
                    participant=participant,
                    code=Code(code),
                    reason=form.cleaned_data["reason"],
                    by=request.user,
                    now=now,
                )
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, _("The judgement is recorded. It holds for exactly these facts."))
            return HttpResponseRedirect(back)
    context = _page(
        request,
        title=_("Judge: %(line)s") % {"line": LINE_NAMES[line.code]},
        intro=_("%(finding)s Does it stand against the infusion? If not, say why.") % {"finding": sentence(line)},
        button=_("It does not stand against the infusion"),
        form=form,
        opened=opened,
        conflict=conflict,
        original=participant,
        back=back,
    )
    return TemplateResponse(request, "admin/trialsite/ask.html", context)


# --- identity ----------------------------------------------------------------------------------------


class IdentityForm(forms.Form):
    """One person's check: both codes read or scanned anew, and that person's own password."""

    participant_code = formfields.CodeField(
        label=_("Code on the wristband"),
        # It may be the hospital number: no draft of it is kept.
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "autofocus": True, "data-no-draft": ""}),
        help_text=_(
            "Scan or type: participant number, screening number or hospital number. It is compared, not kept; of a "
            "wrong one it is kept whose it is."
        ),
    )
    product_code = formfields.CodeField(
        label=_("Code on the bag"),
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=_("Scan or type: lot or chain-of-identity code."),
    )
    username = formfields.LineField(
        label=_("Who checks"),
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=_("The second person signs here too, without a new login."),
    )
    password = forms.CharField(
        label=_("This person's password"),
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text=_("It stands for the signature; it is checked, and not kept."),
    )

    def __init__(self, *args: Any, request: HttpRequest, participant: Participant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request, self.participant = request, participant

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        signer = checked(self.request, username=cleaned["username"].strip(), password=cleaned["password"])
        if signer is None:
            raise forms.ValidationError(_("Name and password do not belong together; nothing was signed. Try again."))
        check_clinical(signer, self.participant.site, permission="dosing.sign_identitycheck")
        cleaned["signer"] = signer
        return cleaned


def identity_view(request: HttpRequest, participant_id: int) -> HttpResponse:
    participant = required(request, participant_id, "dosing.sign_identitycheck")
    now = timezone.now()
    form = IdentityForm(
        request.POST if request.method == "POST" else None,
        request=request,
        participant=participant,
        initial={"username": request.user.get_username()},
    )
    product = actions.product_to_give(participant)
    rows = [product] if product else []
    opened = versions.of(*rows, shown=participant.number)
    conflict = versions.conflict(request, opened, *rows)
    is_sent = request.method == "POST" and conflict is None
    if is_sent and form.is_valid() and _sign(request, participant, form, now=now):
        return HttpResponseRedirect(reverse("admin:dosing_identity", args=[participant.pk]))
    context = _page(
        request,
        title=_("Identity check"),
        participant=participant,
        form=form,
        opened=opened,
        conflict=conflict,
        product=product,
        **_signed(participant, product, now=now),
        needed=actions.limits_of(participant).identity_checkers,
        back=reverse("admin:dosing_readiness", args=[participant.pk]),
    )
    return TemplateResponse(request, "admin/dosing/identity.html", context)


def _sign(request: HttpRequest, participant: Participant, form: IdentityForm, *, now: dt.datetime) -> bool:
    try:
        with as_refusals():
            actions.sign_identity(
                participant=participant,
                participant_code=form.cleaned_data["participant_code"],
                product_code=form.cleaned_data["product_code"],
                by=form.cleaned_data["signer"],
                entered_by=request.user,
                now=now,
            )
    except Refused as refusal:
        form.add_error(None, refusal)
        return False
    messages.success(
        request, _("%(name)s has signed: wristband and bag agree.") % {"name": form.cleaned_data["signer"]}
    )
    return True


def _signed(participant: Participant, product: CellProduct | None, *, now: dt.datetime) -> dict[str, Any]:
    """Who has signed, and the signatures that do not count, each verified now."""
    rows = actions.identity_checks(participant, product, at=now) if product is not None else []
    found = signing.verify(rows)
    broken = {row.created_by: one.warning for row in rows for one in found[row.pk] if one.warning}
    people = {row.created_by for row in rows if row.created_by not in broken}
    return {"signed": sorted(people, key=lambda person: person.pk), "broken": broken.items()}


# --- around the infusion -----------------------------------------------------------------------------


def before(participant: Participant, *, now: dt.datetime) -> dict[str, Any]:
    """Above the form of a new infusion: may we?"""
    found = actions.readiness_of(participant, at=now, now=now)
    return {
        "participant": participant,
        "answer": answer_to(found),
        "tone": TONES[found.overall],
        "against": [
            (LINE_NAMES[judged.line.code], sentence(judged.line), SYMBOLS[judged.outcome]) for judged in found.against
        ],
        "product": found.product,
        "bag_dose": _bag_dose(found.product),
    }


def _bag_dose(product: CellProduct | None) -> str:
    dose = actions.dose_of_product(product) if product else None
    return f"{dose.normalize():f}" if dose is not None else ""


def around(infusion: Infusion, *, now: dt.datetime) -> dict[str, Any]:
    """Above the form of a recorded infusion: who checked, what was given before, the vital signs."""
    readings = _readings(infusion)
    return {
        "participant": infusion.participant,
        "infusion": infusion,
        "checks": _checks_of(infusion),
        "premedication": _premedication(infusion),
        "vitals": [_reading(one, now) for one in readings],
        "vitals_taken": sum(one.taken_at is not None for one in readings),
        "is_recent": now - infusion.infused_at < RECENT,
        "vital_signs_link": vital_signs_link(infusion.participant),
        "dose": dose_in_words(infusion),
    }


def _checks_of(infusion: Infusion) -> list[tuple[IdentityCheck, str]]:
    """Each with what is wrong about its signature now."""
    if infusion.product is None:
        return []
    rows = list(infusion.product.identity_checks.standing().select_related("created_by"))
    found = signing.verify(rows)
    return [(row, " ".join(one.warning for one in found[row.pk] if one.warning)) for row in rows]


def _premedication(infusion: Infusion) -> list[Medication]:
    rows = infusion.participant.medications.standing().filter(started_at__lte=infusion.infused_at)
    since = infusion.infused_at - PREMEDICATION
    ticked = rows.filter(is_premedication=True, started_at__gte=infusion.infused_at - dt.timedelta(days=1))
    return list((ticked | rows.filter(started_at__gte=since)).order_by("started_at"))


def _readings(infusion: Infusion) -> tuple[vitals.Due, ...]:
    near = dt.timedelta(hours=7)
    last = infusion.ended_at or infusion.infused_at
    taken = Examination.objects.standing().filter(
        participant=infusion.participant, panel="VITALS", taken_at__range=(infusion.infused_at - near, last + near)
    )
    return vitals.due(infusion.infused_at, infusion.ended_at, list(taken.values_list("taken_at", flat=True)))


def readings_taken(infusion: Infusion) -> tuple[int, int]:
    """How many of the readings around an infusion are there, and how many there should be."""
    readings = _readings(infusion)
    return sum(one.taken_at is not None for one in readings), len(readings)


def _reading(due: vitals.Due, now: dt.datetime) -> dict[str, Any]:
    if due.taken_at is not None:
        state, tone = "✓", "good"
    elif due.is_missed(now):
        state, tone = gettext("not recorded"), "bad"
    else:
        state, tone = (gettext("due now"), "open") if due.is_open(now) else (gettext("to come"), "")
    return {
        "name": _due_name(due),
        "taken_at": due.taken_at,
        "opens_at": due.opens_at,
        "closes_at": due.closes_at,
        "state": state,
        "tone": tone,
    }


def _due_name(due: vitals.Due) -> str:
    if due.minutes > 60:
        return str(HOURS_AFTER % {"hours": due.minutes // 60})
    return str(PHASE_NAMES[due.phase] % {"minutes": due.minutes})


def vital_signs_link(participant: Participant) -> str:
    return f"{reverse('admin:participants_examination_add')}?panel=VITALS&participant={participant.pk}"


def dose_in_words(infusion: Infusion) -> str:
    """The computation, so that anybody can repeat it, and the band of the whole dose."""
    dose = f"{infusion.viable_car_t_cells_e8.normalize():f} × 10⁸"
    band = BAND_NAMES[DoseBand(infusion.dose_band)]
    product = infusion.product
    if product is None or product.fill is None or infusion.volume_given_ml is None:
        return f"{dose} · {band}"
    policy = get_study().protocol(infusion.participant.protocol_version).policy
    factors = [infusion.volume_given_ml, product.fill.cells_per_ml, product.fill.viability]
    if policy.car_t_cells_reading == "viable_car_positive":
        factors.append(product.fill.car_positive)
    text = f"{_plain(factors[0])} mL × {_plain(factors[1])}/mL × " + " × ".join(_plain(f) for f in factors[2:])
    total = actions.total_dose(infusion)
    whole = "" if total == infusion.viable_car_t_cells_e8 else f" ({gettext('in all')} {_plain(total)} × 10⁸)"
    return f"{text} = {dose}{whole} · {band}"


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def timeline_view(request: HttpRequest, participant_id: int) -> HttpResponse:
    participant = required(request, participant_id, "dosing.view_infusion")
    context = _page(
        request,
        title=_("Treatment timeline"),
        **timeline.context_of(participant, now=timezone.now()),
    )
    return TemplateResponse(request, "admin/dosing/timeline.html", context)


class HoldReasonForm(ReasonForm):
    reason = forms.CharField(label=_("Why it is lifted"), widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))
