"""What visits, consents and screening ask of the site today."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from participants import responseworklist
from participants.actions import Evaluation, evaluate, is_current, newest_confirmation, site_day
from participants.actions.unchanged import Kept, with_facts
from participants.models import Participant, ParticipantStatus, Reconsent, ReconsentState, Visit
from participants.models.people import ReconsentCause
from participants.rules.eligibility import Overall
from participants.rules.status import Status
from participants.wording import OVERALL_NAMES
from trialsite import wayback
from trialsite.firstpage import ROWS_SHOWN, Place, Places, Row, Section, site_keys
from trialsite.lines import Kind, Line, count_of_all
from trialsite.models import User
from trialsite.study import get_study

SOON = dt.timedelta(days=7)
# From here on a window that is still open is shown in red.
URGENT = dt.timedelta(days=2)
RECORD_VISITS = "participants.change_visit"


def kinds(*, user: User, now: dt.datetime) -> list[Kind]:
    if not user.has_perm("participants.view_visit"):
        return []
    today = site_day(now)
    return [_places(), *_visits(user, today), *responseworklist.kinds(user), _reconsents(user, today)]


def sections(*, user: User, now: dt.datetime) -> list[Section]:
    return _screening(user, now) if user.has_perm("participants.view_visit") else []


def _places() -> Kind:
    """Each enrolment that stands takes one place of the study, at whichever site."""
    enrolled = ParticipantStatus.objects.standing().filter(status=Status.ENROLLED).order_by("pk")

    def made(found: list[Line]) -> Places:
        return Places(get_study().latest.enrolment_target, found[0].of_all if found else 0)

    return Kind("places", enrolled, made, is_always=True)


# --- Visits -------------------------------------------------------------------------------------------


def _visits(user: User, today: dt.date) -> list[Kind]:
    visits = Visit.objects.filter(participant__site__in=site_keys(user))
    open_now = visits.open_on(today)
    later = visits.owed().filter(window_opens_on__gt=today, window_opens_on__lte=today + SOON)
    found = {
        "overdue": visits.overdue_on(today).order_by("window_closes_on", "pk"),
        "closing": open_now.filter(window_closes_on=today).order_by("target_date", "pk"),
        "open": open_now.filter(window_closes_on__gt=today).order_by("window_closes_on", "pk"),
        "soon": later.order_by("window_opens_on", "pk"),
    }
    return [_kind_of_visits(code, rows, today) for code, rows in found.items()]


def _kind_of_visits(code: str, rows: Any, today: dt.date) -> Kind:
    def made(found: list[Line]) -> Section:
        return _section(code, found, today)

    return Kind(code, rows, made, what="code", more="protocol_version", on="window_opens_on", until="window_closes_on")


def _section(code: str, found: list[Line], today: dt.date) -> Section:
    title, hint, query = {
        "overdue": (
            _("Overdue visits"),
            _("The window has closed and nothing is recorded: record the day, or why it was not done."),
            "overdue",
        ),
        "closing": (
            _("Visits whose window closes today"),
            _("Record them today, or why they were not done."),
            "open",
        ),
        "open": (
            _("Visits due now"),
            _("Their window is open today; those that close first come first."),
            "open",
        ),
        "soon": (_("Coming up in seven days"), _("Windows that open within a week."), "soon"),
    }[code]
    return Section(
        code=code,
        title=title,
        hint=hint,
        rows=tuple(_row(line, code, today) for line in found),
        count=found[0].of_all,
        place=Place.TODAY if code == "closing" else Place.LATER,
        tone="fine" if code == "soon" else "attention",
        link=reverse("admin:participants_visit_changelist") + f"?due={query}",
        columns=(_("Participant and visit"), _("Visit"), _("Window"), ""),
        work=RECORD_VISITS,
    )


def _row(line: Line, code: str, today: dt.date) -> Row:
    assert line.on is not None, "every visit has a window"
    assert line.until is not None, "every visit has a window"
    title = str(get_study().protocol(line.more).visit(line.what).name)
    within = line.until - today
    remark = _closes(within) if code in {"closing", "open"} else ""
    is_urgent = within <= URGENT
    page = reverse("admin:participants_visit_change", args=[line.pk])
    return Row(
        label=f"{line.number} · {line.what}",
        # Where a visit is entered as one, once there is such a page.
        link=wayback.address_of(wayback.visit(line.pk)) or page,
        facts=(title, f"{line.on:%Y-%m-%d} – {line.until:%Y-%m-%d}", *([] if is_urgent or not remark else [remark])),
        late=remark if is_urgent else "",
        # On the last day of the window nobody was late yet.
        since=line.until if code == "overdue" else None,
        page=page,
    )


def _closes(within: dt.timedelta) -> str:
    if within.days == 0:
        return _("closes today")
    return ngettext("closes in %(days)s day", "closes in %(days)s days", within.days) % {"days": within.days}


# --- Consents -----------------------------------------------------------------------------------------


def _reconsents(user: User, today: dt.date) -> Kind:
    duties = Reconsent.objects.standing().filter(participant__site__in=site_keys(user), state=ReconsentState.OPEN)

    def made(found: list[Line]) -> Section:
        is_late = any(line.on is not None and line.on <= today for line in found)
        return Section(
            code="reconsents",
            title=_("Consent to be given again"),
            hint=_("A new version of the form, or a participant who came of age: record the new consent."),
            rows=tuple(_duty_row(line, today) for line in found),
            count=found[0].of_all,
            place=Place.TODAY if is_late else Place.LATER,
            tone="attention" if is_late else "fine",
            link=reverse("admin:participants_reconsent_changelist") + "?state__exact=open",
            columns=(_("Participant"), _("Why"), _("Due on"), ""),
            work="participants.add_consent",
        )

    return Kind("reconsents", duties.order_by("due_on", "pk"), made, what="cause", on="due_on")


def _duty_row(line: Line, today: dt.date) -> Row:
    assert line.on is not None, "every duty has its day"
    return Row(
        label=line.number,
        link=reverse("admin:participants_consent_add") + f"?participant={line.participant}",
        facts=(str(ReconsentCause(line.what).label), f"{line.on:%Y-%m-%d}"),
        late=_("overdue") if line.on < today else "",
        since=line.on,
        page=reverse("admin:participants_reconsent_change", args=[line.pk]),
    )


# --- Screening ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """How far a screening is, as far as it follows from the rows and the day."""

    is_confirmed: bool
    overall: Overall
    open_codes: tuple[str, ...]
    window_days: int


KEPT: Kept[Standing] = Kept()


def _screening(user: User, now: dt.datetime) -> list[Section]:
    waiting = Participant.objects.standing().filter(site__in=site_keys(user), status=Status.SCREENING)
    rows = list(with_facts(waiting.annotate(of_all=count_of_all())).order_by("screening_number")[:ROWS_SHOWN])
    if not rows:
        return []
    return [
        Section(
            code="screening",
            title=_("In screening"),
            hint=_("Waiting for results, or for an investigator to confirm eligibility and enrol."),
            rows=tuple(_screening_row(participant, now) for participant in rows),
            count=rows[0].of_all,
            tone="fine",
            columns=(_("Participant"), _("Eligibility"), ""),
            link=reverse("admin:participants_participant_changelist") + "?status__exact=screening",
            work="participants.add_examination",
        )
    ]


def _screening_row(participant: Any, now: dt.datetime) -> Row:
    today = site_day(now)
    found = KEPT.of(participant, today, lambda: _standing(participant, now))
    begun = site_day(participant.created_at)
    return Row(
        label=participant.number,
        link=reverse("admin:participants_participant_eligibility", args=[participant.pk]),
        facts=(_("confirmed, not enrolled yet") if found.is_confirmed else _state_text(found),),
        late=_("screening window has passed") if (today - begun).days > found.window_days else "",
        since=begun,
    )


def _standing(participant: Participant, now: dt.datetime) -> Standing:
    evaluation: Evaluation = evaluate(participant, now=now)
    return Standing(
        is_confirmed=is_current(newest_confirmation(participant), evaluation),
        overall=evaluation.overall,
        open_codes=evaluation.open_codes,
        window_days=evaluation.anchors.expires_after_days or 0,
    )


def _state_text(found: Standing) -> str:
    open_now = len(found.open_codes)
    text = str(OVERALL_NAMES[found.overall])
    if not open_now:
        return text
    return f"{text} ({_(', ').join(found.open_codes)})" if open_now <= 4 else f"{text} ({open_now})"
