"""What cannot wait, for the first page: alerts that nobody has answered, bedside assessments that are due."""

import datetime as dt
from collections.abc import Sequence

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from safety.actions.calls import newest_about, pending, threads
from safety.actions.rounds import DueRound, due_rounds
from safety.models import AlertKind, OnCallShift, SafetyAlert
from safety.rules.rounds import State
from trialsite.firstpage import ROWS_SHOWN, Place, Row, Section, moment, site_keys
from trialsite.models import User

# The page where both toxicities are assessed at once; without it the pages of each.
BEDSIDE = ("safety_bedside_add", "safety_bedsideassessment_add", "safety_crsassessment_add")

ASSESS = "safety.add_crsassessment"


def sections(*, user: User, now: dt.datetime) -> list[Section]:
    found: list[Section] = []
    if user.has_perm("safety.view_safetyalert"):
        found += _alerts(user, now)
    if user.has_perm("safety.view_crsassessment"):
        found += _rounds(user, now)
    return found


def _alerts(user: User, now: dt.datetime) -> list[Section]:
    things = threads(pending().filter(participant__site__in=site_keys(user)))
    if not things:
        return []
    return [
        Section(
            code="alerts",
            title=_("Safety alerts that nobody has acknowledged"),
            hint=" ".join(
                (
                    _("Go to the bedside. Open the alert, say that you know: then nobody else is called."),
                    _on_call(user, now),
                )
            ),
            rows=tuple(_alert(alerts) for alerts in things[:ROWS_SHOWN]),
            count=len(things),
            place=Place.URGENT,
            tone="alarm",
            link=reverse("admin:safety_safetyalert_changelist") + "?state=open",
            columns=(_("Participant"), _("What"), _("Warning"), _("At")),
            work="safety.acknowledge_safetyalert",
        )
    ]


def _on_call(user: User, now: dt.datetime) -> str:
    """Who is on call now; the alert itself says who is told next."""
    shifts = OnCallShift.objects.standing().filter(site__in=site_keys(user), starts_at__lte=now, ends_at__gt=now)
    people = [str(shift.person) for shift in shifts.select_related("person").order_by("starts_at", "id")]
    if not people:
        return _("Nobody is on call: all investigators were told.")
    return _("On call now: %(people)s.") % {"people": _(", ").join(dict.fromkeys(people))}


def _alert(thread: Sequence[SafetyAlert]) -> Row:
    """The newest alert stands for the older ones; they wait together, since the first of them."""
    newest = newest_about(thread)
    first = newest[0]
    return Row(
        first.participant.number,
        reverse("admin:safety_safetyalert_change", args=[first.pk]),
        (
            first.toxicity or "CRS, ICANS" if first.kind == AlertKind.OVERDUE else first.what,
            _(", ").join(str(alert.get_kind_display()) for alert in newest),
            moment(first.happened_at),
        ),
        since=waits_since(thread[0]),
    )


def waits_since(alert: SafetyAlert) -> dt.datetime:
    """A missed assessment has waited since it was due, and not since a sweep has found that."""
    return alert.happened_at if alert.kind == AlertKind.OVERDUE else alert.raised_at


# --- Assessments --------------------------------------------------------------------------------------


def _rounds(user: User, now: dt.datetime) -> list[Section]:
    due = due_rounds(site_keys(user), now)
    late = [one for one in due if one.state is State.OVERDUE]
    hint = _(
        "CRS and ICANS: twice a day, sooner after a higher grade, to Day 14 and until both are over. The ICE score: "
        "once before the infusion."
    )
    return [
        *_section("rounds-overdue", _("Bedside assessments overdue"), hint, late, user, now),
        *_section("rounds", _("Bedside assessments due"), hint, due[len(late) :], user, now),
    ]


def _section(code: str, title: str, hint: str, due: list[DueRound], user: User, now: dt.datetime) -> list[Section]:
    if not due:
        return []
    return [
        Section(
            code=code,
            title=title,
            hint=hint,
            rows=tuple(_round(one, user) for one in due[:ROWS_SHOWN]),
            count=len(due),
            place=Place.URGENT if code == "rounds-overdue" else Place.TODAY,
            columns=(_("Participant"), _("What"), _("Due")),
            work=ASSESS,
        )
    ]


def _round(due: DueRound, user: User) -> Row:
    what = _("ICE score before the infusion") if due.is_baseline else _(", ").join(due.toxicities)
    when = moment(due.due_at) if due.due_at is not None else _("before the infusion")
    is_late = due.state is State.OVERDUE
    return Row(
        due.participant.number,
        link_to_assess(due, user),
        (what, when),
        _("the infusion is planned for today, or was") if is_late and due.due_at is None else "",
        since=due.due_at if is_late else None,
        page="",
    )


def link_to_assess(due: DueRound, user: User) -> str:
    """Where this participant is assessed; empty for those who may only read."""
    if not user.has_perm(ASSESS):
        return ""
    for name in BEDSIDE:
        try:
            return f"{reverse(f'admin:{name}')}?participant={due.participant.pk}"
        except NoReverseMatch:
            continue
    return ""
