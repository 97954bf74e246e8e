"""Taking over paper records: the steps that this app knows."""

import datetime as dt
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from participants import actions
from participants.models import STATUS_NAMES, Participant, VisitState
from participants.names import PANEL_NAMES
from participants.rules.measures import PANELS
from participants.rules.status import Status
from trialsite.paper import Entry, Step, add, allowed, link


def steps(participant: Participant, *, user: Any, as_of: dt.date | None, now: dt.datetime) -> list[Step]:
    history = actions.history_of(participant)
    since = {Status(row.status): row.effective_on for row in reversed(history)}
    return [
        Step("screened", _("Screened"), _day(since.get(Status.SCREENING)), is_done=Status.SCREENING in since),
        _consent(participant, user),
        _examinations(participant, user),
        _eligibility(participant, user),
        _enrolled(participant, user, since.get(Status.ENROLLED)),
        _plan(participant, user),
        _visits(participant, user),
        _status(participant, user, history),
    ]


def _day(day: dt.date | None) -> tuple[Entry, ...]:
    return (Entry(f"{day:%Y-%m-%d}"),) if day else ()


def _moment(at: dt.datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"


def _consent(participant: Participant, user: Any) -> Step:
    rows = participant.consents.standing()
    page = "participants_consent_change"
    entries = tuple(
        Entry(f"{row.version} · {_moment(row.consented_at)}", link(page, participant, row.pk)) for row in rows
    )
    links = allowed(user, [(_("Record consent"), add("participants_consent", participant), "participants.add_consent")])
    return Step("consent", _("Consent"), entries, links, is_done=bool(entries))


def _examinations(participant: Participant, user: Any) -> Step:
    """Each panel is entered by itself; those without one stand first among the links."""
    rows = list(participant.examinations.standing().order_by("taken_at"))
    page = "participants_examination_change"
    entries = tuple(
        Entry(f"{PANEL_NAMES[row.panel]} · {_moment(row.taken_at)}", link(page, participant, row.pk)) for row in rows
    )
    known = {row.panel for row in rows}
    links = [
        (PANEL_NAMES[panel], add("participants_examination", participant, panel=panel), "participants.add_examination")
        for panel in sorted(PANELS, key=lambda panel: panel in known)
    ]
    return Step(
        "examinations",
        _("Examinations"),
        entries,
        allowed(user, links),
        hint=_("Type the day on which each was made. The eligibility page shows which are missing."),
        is_done=bool(rows),
    )


def _eligibility(participant: Participant, user: Any) -> Step:
    signed = actions.newest_confirmation(participant)
    text, signature = "", actions.signature_of(signed)
    if signature is not None and signature.warning:
        text = f"✗ {signature.warning}"
    elif signed is not None:
        text = _("%(who)s, %(at)s") % {"who": signed.created_by, "at": _moment(signed.created_at)}
        if signed.is_signed_later:
            text = f"{text} · {_('judged for %(day)s, signed later') % {'day': signed.judged_for}}"
    page = "participants_participant_eligibility"
    wanted = [(_("Eligibility"), link(page, participant, participant.pk), "participants.view_participant")]
    if signed is None:
        confirm = link("participants_participant_confirm", participant, participant.pk)
        wanted.append((_("Confirm eligibility…"), confirm, "participants.confirm_eligibility"))
    return Step(
        "eligibility",
        _("Eligibility confirmed"),
        (Entry(text),) if text else (),
        allowed(user, wanted),
        hint=_("An investigator confirms it for the day of the enrolment; the signature has the time of today."),
        is_done=signature is not None and signature.counts,
    )


def _enrolled(participant: Participant, user: Any, since: dt.date | None) -> Step:
    address = link("participants_participant_enrol", participant, participant.pk)
    links = [] if since else [(_("Enrol…"), address, "participants.enrol_participant")]
    return Step("enrolled", _("Enrolled"), _day(since), allowed(user, links), is_done=since is not None)


def _plan(participant: Participant, user: Any) -> Step:
    address = link("participants_participant_plan", participant, participant.pk)
    return Step(
        "plan",
        _("Infusion planned for"),
        _day(participant.planned_infusion_on),
        allowed(user, [(_("Plan the infusion…"), address, "participants.change_participant")]),
        hint=_("The days of lymphodepletion count from it. Tick that the plan is taken over from paper."),
        is_done=participant.planned_infusion_on is not None,
    )


def _visits(participant: Participant, user: Any) -> Step:
    """Those whose window has opened; later ones are recorded when they take place."""
    today = actions.site_day(timezone.now())
    rows = participant.visits.standing().filter(window_opens_on__lte=today)
    may = user.has_perm("participants.change_visit")
    entries = tuple(
        Entry(
            f"{row.code} · {row.window_opens_on:%Y-%m-%d} – {row.window_closes_on:%Y-%m-%d} · "
            f"{row.get_state_display()} {row.occurred_on or ''}".strip(),
            link("participants_visit_change", participant, row.pk) if may else "",
        )
        for row in rows
    )
    is_done = bool(entries) and not any(row.state == VisitState.PLANNED for row in rows)
    return Step(
        "visits", _("Visits"), entries, hint=_("They appear with the infusion, with their windows."), is_done=is_done
    )


def _status(participant: Participant, user: Any, history: list[Any]) -> Step:
    entries = tuple(Entry(f"{STATUS_NAMES[Status(row.status)]} · {row.effective_on:%Y-%m-%d}") for row in history)
    page = "participants_participant"
    links = [
        (_("Change status…"), link(f"{page}_status", participant, participant.pk), "participants.change_status"),
        (
            _("Correct the day of a status…"),
            link(f"{page}_day", participant, participant.pk),
            "participants.change_status",
        ),
    ]
    return Step("status", _("Status history"), entries, allowed(user, links), is_optional=True)
