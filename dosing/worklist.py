"""What treatment asks of the site today."""

import datetime as dt

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from dosing.actions import eligibility_line, readiness_of
from dosing.models import LINE_NAMES, DoseState, DosingHold, IdentityStop, LymphodepletionDose
from dosing.rules.readiness import Outcome
from dosing.wording import OUTCOME_NAMES, sentence
from participants.actions import site_day
from participants.models import Participant
from participants.rules.status import Status
from trialsite.firstpage import ROWS_SHOWN, Row, Section, sites_of
from trialsite.models import User

SOON = dt.timedelta(days=7)
BEFORE = (Status.ENROLLED, Status.LYMPHODEPLETED)


def sections(*, user: User, now: dt.datetime) -> list[Section]:
    if not user.has_perm("dosing.view_infusion"):
        return []
    return [
        *_near_misses(user),
        *_broken(user, now),
        *_infusions(user, now),
        *_doses(user, now),
        *_holds(user),
    ]


def _near_misses(user: User) -> list[Section]:
    """Stopped identity checks, until the principal investigator has looked into each."""
    if not user.has_perm("dosing.review_identitystop"):
        return []
    rows = IdentityStop.objects.standing().filter(participant__site__in=sites_of(user), reviewed_at__isnull=True)
    count = rows.count()
    if not count:
        return []
    shown = rows.select_related("participant", "wristband_of", "bag__participant", "created_by")[:ROWS_SHOWN]
    return [
        Section(
            title=_("Near misses: stopped identity checks"),
            hint=_("Wristband or bag was another one, and nothing was signed or given. Look into each, and say what."),
            rows=tuple(
                Row(
                    row.participant.number,
                    reverse("admin:dosing_identitystop_change", args=[row.pk]),
                    (
                        f"{timezone.localtime(row.created_at):%Y-%m-%d %H:%M}",
                        str(row.created_by),
                        str(row.get_wrong_display()),
                        row.wristband_text,
                        row.bag_text,
                    ),
                )
                for row in shown
            ),
            count=count,
            tone="alarm",
            columns=(_("Participant"), _("When"), _("Who"), _("What was wrong"), _("Wristband of"), _("Bag")),
            link=reverse("admin:dosing_identitystop_changelist") + "?reviewed_at__isempty=1",
        )
    ]


def _broken(user: User, now: dt.datetime) -> list[Section]:
    """Confirmed, and by now a fact stands against it that nobody has judged."""
    waiting = Participant.objects.standing().filter(site__in=sites_of(user), status__in=BEFORE).select_related("site")
    lines = ((row, eligibility_line(row, now=now)) for row in waiting.order_by("screening_number"))
    found = [(row, judged) for row, judged in lines if judged.outcome is not Outcome.FINE]
    if not found:
        return []
    return [
        Section(
            title=_("Confirmed eligibility that no longer holds"),
            hint=_("A fact was recorded or corrected since: correct it, confirm again, or judge before the infusion."),
            rows=tuple(
                Row(
                    row.number,
                    reverse("admin:dosing_readiness", args=[row.pk]),
                    (sentence(judged.line),),
                    str(OUTCOME_NAMES[judged.outcome]),
                )
                for row, judged in found[:ROWS_SHOWN]
            ),
            count=len(found),
            tone="alarm",
            columns=(_("Participant"), _("What was found"), ""),
        )
    ]


def _infusions(user: User, now: dt.datetime) -> list[Section]:
    """Planned within a week, or past their day; with what still stands against them."""
    today = site_day(now)
    rows = (
        Participant.objects.standing()
        .filter(site__in=sites_of(user), status__in=BEFORE, planned_infusion_on__lte=today + SOON)
        .order_by("planned_infusion_on")
    )
    planned = list(rows)
    if not planned:
        return []
    return [
        Section(
            title=_("Infusions within seven days"),
            hint=_("Open the readiness page: it says what still stands against each."),
            rows=tuple(_infusion(row, today, now) for row in planned[:ROWS_SHOWN]),
            count=len(planned),
            columns=(_("Participant"), _("Planned"), _("Against it")),
        )
    ]


def _infusion(participant: Participant, today: dt.date, now: dt.datetime) -> Row:
    found = readiness_of(participant, at=now, now=now)
    against = [str(LINE_NAMES[judged.line.code]) for judged in found.against]
    planned = participant.planned_infusion_on
    assert planned is not None
    state = _("ready") if found.overall is Outcome.FINE else _(", ").join(against)
    late = _("the planned day is past: plan anew") if planned < today else ""
    link = reverse("admin:dosing_readiness", args=[participant.pk])
    return Row(participant.number, link, (f"{planned:%Y-%m-%d}", state), late)


def _doses(user: User, now: dt.datetime) -> list[Section]:
    """Lymphodepletion that is due today, or was, and nothing is recorded."""
    today = site_day(now)
    rows = (
        LymphodepletionDose.objects.standing()
        .filter(
            participant__site__in=sites_of(user),
            participant__status__in=BEFORE,
            state=DoseState.PLANNED,
            planned_on__lte=today,
        )
        .select_related("participant")
    )
    due = list(rows.order_by("planned_on", "participant", "drug"))
    if not due:
        return []
    return [
        Section(
            title=_("Lymphodepletion doses due"),
            hint=_("Record what was given, or why it was not."),
            rows=tuple(
                Row(
                    row.participant.number,
                    reverse("admin:dosing_lymphodepletiondose_change", args=[row.pk]),
                    (row.drug_name, f"{row.planned_mg} mg", f"{row.planned_on:%Y-%m-%d}"),
                    _("late") if row.planned_on < today else "",
                )
                for row in due[:ROWS_SHOWN]
            ),
            count=len(due),
            columns=(_("Participant"), _("Drug"), _("Dose"), _("Planned")),
        )
    ]


def _holds(user: User) -> list[Section]:
    rows = (
        DosingHold.objects.standing()
        .filter(participant__site__in=sites_of(user), lifted_at__isnull=True)
        .select_related("participant")
    )
    held = list(rows)
    if not held:
        return []
    return [
        Section(
            title=_("Treatment on hold"),
            hint=_("Nothing is given to these participants until an investigator lifts the hold."),
            rows=tuple(
                Row(
                    row.participant.number,
                    reverse("admin:dosing_dosinghold_change", args=[row.pk]),
                    (row.reason[:80], f"{timezone.localtime(row.created_at):%Y-%m-%d}"),
                )
                for row in held[:ROWS_SHOWN]
            ),
            count=len(held),
            columns=(_("Participant"), _("Why"), _("Since")),
        )
    ]
