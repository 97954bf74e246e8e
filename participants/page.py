"""The page of a participant: the parts that this app knows."""

import datetime as dt
from functools import partial
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from participants import actions, calendars, labs, progress, responsepage, trails, visitbars, workdays
from participants.models import Participant, Reconsent, ReconsentState, Visit
from participants.rules.eligibility import Overall, Result
from participants.rules.status import NO_MORE_VISITS, Status, is_followed
from participants.wording import OVERALL_NAMES, RESULT_NAMES, RESULT_SYMBOLS
from trialsite import wayback
from trialsite.identity import seen_by
from trialsite.sentences import joined
from trialsite.subjectpage import Asked, Next, Owed, Section, Verb

TRAIL_SHOWN = 12
# What the head of the page and its prints show of the identity, to those who may see it.
SHOWN = frozenset({"name", "birth_date", "bed"})


def shown_of(user: Any) -> frozenset[str]:
    return SHOWN & seen_by(user)


NEVER_INFUSED = (Status.SCREENING, Status.SCREEN_FAILED, Status.ENROLLED, Status.LYMPHODEPLETED)


# --- What several parts ask ---------------------------------------------------------------------------


def history(asked: Asked) -> list[Any]:
    """The status history, the newest first."""
    found: list[Any] = asked.once("history", lambda: list(reversed(actions.history_of(asked.participant))))
    return found


def day0(asked: Asked) -> dt.date | None:
    """The day of the infusion, once there was one."""
    return next((row.effective_on for row in history(asked) if row.status == Status.INFUSED), None)


def trial_day(asked: Asked) -> int | None:
    infused_on = day0(asked)
    return None if infused_on is None else (actions.site_day(asked.now) - infused_on).days


def _evaluation(asked: Asked) -> actions.Evaluation:
    found: actions.Evaluation = asked.once("evaluation", lambda: actions.evaluate(asked.participant, now=asked.now))
    return found


def _confirmation(asked: Asked) -> Any:
    return asked.once("confirmation", lambda: actions.newest_confirmation(asked.participant))


def is_before_infusion(asked: Asked) -> bool:
    """Whether there was none yet, as the status says: what follows an infusion need not be looked for."""
    return Status(asked.participant.status) in NEVER_INFUSED


def _visits(asked: Asked) -> list[Visit]:
    """All that stand, in the order of their days; an infusion plans them."""
    if is_before_infusion(asked):
        return []
    found: list[Visit] = asked.once("visits", lambda: list(asked.participant.visits.standing()))
    return found


def _consents(asked: Asked) -> list[Any]:
    found: list[Any] = asked.once("consents", lambda: list(asked.participant.consents.standing()))
    return found


def _moment(at: dt.datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"


def is_coming(participant: Participant) -> bool:
    """Whether this participant still has visits."""
    return Status(participant.status) not in NO_MORE_VISITS


# --- What is owed, and what comes next --------------------------------------------------------------


def owed(asked: Asked) -> list[Owed]:
    return [*_owed_visits(asked), *_owed_consents(asked), *responsepage.owed(asked)]


def _owed_visits(asked: Asked) -> list[Owed]:
    today = actions.site_day(asked.now)
    if not asked.may("participants.view_visit"):
        return []
    waiting = [visit for visit in _planned(asked) if visit.window_opens_on <= today]
    return [_owed_visit(visit, asked, today) for visit in sorted(waiting, key=lambda one: one.window_closes_on)]


def _planned(asked: Asked) -> list[Visit]:
    """Those that somebody waits for."""
    status = Status(asked.participant.status)
    planned = (visit for visit in _visits(asked) if visit.state == Visit.State.PLANNED)
    return [one for one in planned if is_followed(status, is_long_term=one.is_long_term_follow_up)]


def _owed_visit(visit: Visit, asked: Asked, today: dt.date) -> Owed:
    late = (today - visit.window_closes_on).days
    return Owed(
        text=_("Visit %(code)s, window until %(day)s")
        % {"code": visit.code, "day": f"{visit.window_closes_on:%Y-%m-%d}"},
        link=enter_link(visit, asked),
        permission="participants.change_visit",
        late=ngettext("closed %(days)s day ago", "closed %(days)s days ago", late) % {"days": late} if late > 0 else "",
        due=visit.window_closes_on,
    )


def enter_link(visit: Visit, asked: Asked) -> str:
    """Where the visit is entered, back to this page."""
    return wayback.link("participants_visit_enter", visit.pk, back=wayback.page(asked.participant, "visits"))


def _owed_consents(asked: Asked) -> list[Owed]:
    today = actions.site_day(asked.now)
    rows = Reconsent.objects.standing().filter(participant=asked.participant, state=ReconsentState.OPEN)
    return [
        Owed(
            text=_("Consent to be given again: %(cause)s") % {"cause": row.get_cause_display()},
            link=_form("participants_consent_add", asked, "consent"),
            permission="participants.add_consent",
            late=_("overdue") if row.due_on < today else "",
            due=row.due_on,
        )
        for row in rows.order_by("due_on")
    ]


def _form(name: str, asked: Asked, section: str, **query: Any) -> str:
    """The form that adds a row about this participant, and leads back here."""
    back = wayback.page(asked.participant, section)
    return wayback.link(name, participant=asked.participant.pk, back=back, **query)


def _own(name: str, asked: Asked, section: str) -> str:
    """A question about this participant, which leads back here."""
    back = wayback.page(asked.participant, section)
    return wayback.link(f"participants_participant_{name}", asked.participant.pk, back=back)


def following(asked: Asked) -> Next | None:
    """From the screening to the enrolment, and from visit to visit once infused."""
    if asked.participant.is_void:
        return None
    state = Status(asked.participant.status)
    if state is Status.SCREENING:
        return _next_of_screening(asked)
    return _next_visit(asked) if asked.may("participants.view_visit") else None


def _next_of_screening(asked: Asked) -> Next:
    evaluation = _evaluation(asked)
    if evaluation.anchors.consented_on is None:
        link = _form("participants_consent_add", asked, "consent")
        return Next(_("Not consented yet: record the consent."), link, "participants.add_consent")
    if evaluation.overall is Overall.NOT_ELIGIBLE:
        return Next(
            _("Not met: %(codes)s. Correct what is wrong, or end the screening.")
            % {"codes": _(", ").join(evaluation.failed_codes)},
            _own("eligibility", asked, "eligibility"),
            "participants.view_participant",
        )
    if evaluation.overall is Overall.INCOMPLETE:
        return _next_result(asked, evaluation)
    if actions.is_current(_confirmation(asked), evaluation):
        link = _own("enrol", asked, "eligibility")
        return Next(_("Eligibility is confirmed: enrol."), link, "participants.enrol_participant")
    link = _own("confirm", asked, "eligibility")
    return Next(_("Results are complete: decide eligibility."), link, "participants.confirm_eligibility")


def _next_result(asked: Asked, evaluation: actions.Evaluation) -> Next:
    """What is missing is entered as the screening visit; the rest waits for an investigator."""
    missing = sum(one.result is Result.MISSING for one in evaluation.criteria)
    if not missing:
        count = len(evaluation.open_codes)
        text = ngettext(
            "%(n)s criterion waits for an investigator's judgement.",
            "%(n)s criteria wait for an investigator's judgement.",
            count,
        )
        return Next(text % {"n": count}, _own("eligibility", asked, "eligibility"), "participants.confirm_eligibility")
    text = ngettext(
        "Results are missing for %(n)s criterion: enter the screening visit.",
        "Results are missing for %(n)s criteria: enter the screening visit.",
        missing,
    )
    return Next(text % {"n": missing}, _screening_link(asked, evaluation), "participants.add_examination")


def _screening_link(asked: Asked, evaluation: actions.Evaluation) -> str:
    visits = (one.code for one in evaluation.protocol.visits if one.phase == "screening")
    code = next(visits, "")
    if not code:
        return _form("participants_examination_add", asked, "eligibility")
    return reverse("admin:participants_participant_enter", args=[asked.participant.pk, code])


def _next_visit(asked: Asked) -> Next | None:
    """The first whose window is still open or to come: those that have closed are among what is owed."""
    today = actions.site_day(asked.now)
    visit = next((one for one in _planned(asked) if one.window_closes_on >= today), None)
    if visit is None:
        return None
    values = {
        "code": visit.code,
        "day": f"{visit.target_date:%Y-%m-%d}",
        "opens": f"{visit.window_opens_on:%Y-%m-%d}",
        "closes": f"{visit.window_closes_on:%Y-%m-%d}",
    }
    text = _("Next visit: %(code)s on %(day)s (window %(opens)s – %(closes)s).") % values
    best = calendars.day_of(visit, today=today)
    if best != visit.target_date and workdays.known().is_worked(best):
        text = joined((text, _("Best booked for %(day)s, a working day.") % {"day": f"{best:%Y-%m-%d}"}))
    return Next(text, enter_link(visit, asked), "participants.change_visit")


# --- Eligibility --------------------------------------------------------------------------------------


def _eligibility_summary(asked: Asked) -> Any:
    if asked.participant.status == Status.SCREENING:
        evaluation = _evaluation(asked)
        count = len(evaluation.open_codes)
        return f"{OVERALL_NAMES[evaluation.overall]} ({count})" if count else OVERALL_NAMES[evaluation.overall]
    signed = _confirmation(asked)
    if signed is None:
        return _("not confirmed")
    return _("confirmed by %(who)s, %(at)s") % {"who": signed.created_by, "at": _moment(signed.created_at)}


def _eligibility_body(asked: Asked) -> dict[str, Any]:
    evaluation, signature = _evaluation(asked), actions.signature_of(_confirmation(asked))
    return {
        "overall": OVERALL_NAMES[evaluation.overall],
        "criteria": [
            {
                "code": one.criterion.code,
                "symbol": RESULT_SYMBOLS[one.result],
                "state": str(RESULT_NAMES[one.result]),
                "text": str(one.criterion.text),
                "is_open": one.criterion.code in evaluation.open_codes,
            }
            for one in evaluation.criteria
        ],
        "signatures": [signature] if signature else [],
    }


def _eligibility_more(asked: Asked) -> list[tuple[Any, str]]:
    return [(_("All criteria"), reverse("admin:participants_participant_eligibility", args=[asked.participant.pk]))]


# --- Consent ------------------------------------------------------------------------------------------


def _consent_summary(asked: Asked) -> Any:
    rows = _consents(asked)
    if not rows:
        return _("none recorded")
    return f"{rows[-1].version} · {_moment(rows[-1].consented_at)}"


def _consent_body(asked: Asked) -> dict[str, Any]:
    return {"consents": _consents(asked), "withdrawals": list(asked.participant.withdrawals.standing())}


# --- Laboratory and visits --------------------------------------------------------------------------


def _labs_body(asked: Asked) -> dict[str, Any]:
    return labs.body(asked, day0=day0(asked), back=wayback.page(asked.participant, "labs"))


def _visits_summary(asked: Asked) -> str:
    return visitbars.summary(_visits(asked), today=actions.site_day(asked.now))


def _visits_body(asked: Asked) -> dict[str, Any]:
    visits, today = _visits(asked), actions.site_day(asked.now)
    for visit in visits:
        # Known already, and asked of each.
        visit.participant = asked.participant
    missing = progress.words_of(visits, now=asked.now)
    link = partial(_visit_link, asked=asked)
    return {"stretches": visitbars.stretches(visits, today=today, link=link, missing=missing)}


def _visits_more(asked: Asked) -> list[tuple[Any, str]]:
    plan = reverse("admin:participants_participant_plan_print", args=[asked.participant.pk])
    calendar = reverse("admin:participants_visit_calendar")
    found = [(_("Plan to take home (PDF)"), plan), (_("Calendar of visits"), calendar)]
    may = asked.may("participants.change_visit") and not asked.participant.is_void and not is_before_infusion(asked)
    return [(_("Unscheduled visit…"), _own("unscheduled", asked, "visits")), *found] if may else found


def _visit_link(visit: Visit, asked: Asked) -> str:
    """Where it is entered; for those who may only read, where it is read."""
    if asked.may("participants.change_visit"):
        return enter_link(visit, asked)
    return wayback.link("participants_visit_change", visit.pk, back=wayback.page(asked.participant, "visits"))


# --- Deviations ---------------------------------------------------------------------------------------


def _deviations(asked: Asked) -> list[Any]:
    find = asked.participant.deviations.standing().select_related("created_by")
    found: list[Any] = asked.once("deviations", lambda: list(find))
    return found


def _deviations_summary(asked: Asked) -> Any:
    rows = _deviations(asked)
    if not rows:
        return _("none")
    still = sum(row.is_open for row in rows)
    return _("%(all)s, of which %(open)s open") % {"all": len(rows), "open": still}


# --- Trail --------------------------------------------------------------------------------------------


def _trail_body(asked: Asked) -> dict[str, Any]:
    sought = trails.Sought(participants=[asked.participant.pk])
    found = trails.marks(asked.request, sought, after=None, most=TRAIL_SHOWN)
    return {"lines": trails.lines_of(found, asked.request, with_identity=False), "history": history(asked)}


def _trail_more(asked: Asked) -> list[tuple[Any, str]]:
    address = reverse("admin:participants_participant_trail")
    return [(_("The whole trail"), f"{address}?participant={asked.participant.number}")]


SECTIONS = (
    Section(
        code="eligibility",
        title=gettext_lazy("Eligibility"),
        permission="participants.view_participant",
        template="admin/participants/page/eligibility.html",
        summary=_eligibility_summary,
        body=_eligibility_body,
        more=_eligibility_more,
        verbs=(Verb(gettext_lazy("Enter results…"), "participants_examination_add", "participants.add_examination"),),
    ),
    Section(
        code="consent",
        title=gettext_lazy("Consent"),
        permission="participants.view_consent",
        template="admin/participants/page/consent.html",
        summary=_consent_summary,
        body=_consent_body,
        verbs=(
            Verb(gettext_lazy("Record consent"), "participants_consent_add", "participants.add_consent"),
            Verb(
                gettext_lazy("Withdraw consent…"),
                "participants_consentwithdrawal_add",
                "participants.add_consentwithdrawal",
            ),
        ),
    ),
    Section(
        code="labs",
        title=gettext_lazy("Laboratory"),
        permission="participants.view_examination",
        template="admin/participants/page/labs.html",
        summary=labs.summary,
        body=_labs_body,
        verbs=(Verb(gettext_lazy("Enter results…"), "participants_examination_add", "participants.add_examination"),),
    ),
    responsepage.SECTION,
    Section(
        code="visits",
        title=gettext_lazy("Visits"),
        permission="participants.view_visit",
        template="admin/participants/page/visits.html",
        summary=_visits_summary,
        body=_visits_body,
        more=_visits_more,
    ),
    Section(
        code="deviations",
        title=gettext_lazy("Protocol deviations"),
        permission="participants.view_protocoldeviation",
        template="admin/participants/page/deviations.html",
        summary=_deviations_summary,
        body=lambda asked: {"deviations": _deviations(asked)},
        verbs=(
            Verb(
                gettext_lazy("Record a deviation"),
                "participants_protocoldeviation_add",
                "participants.add_protocoldeviation",
            ),
        ),
    ),
    Section(
        code="trail",
        title=gettext_lazy("Audit trail"),
        permission="trialsite.view_audit_trail",
        template="admin/participants/page/trail.html",
        body=_trail_body,
        more=_trail_more,
    ),
)
