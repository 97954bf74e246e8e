"""What treatment asks of the site today."""

import datetime as dt
from collections.abc import Iterable
from functools import partial
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Max, OuterRef, Q, Subquery
from django.urls import reverse
from django.utils.translation import gettext as _

from dosing.actions import readiness_of
from dosing.actions.readiness import Judged
from dosing.models import (
    LINE_NAMES,
    Before,
    CellProduct,
    DoseState,
    DosingHold,
    FitnessCheck,
    IdentityCheck,
    IdentityStop,
    LymphodepletionDose,
    ReadinessRuling,
)
from dosing.rules.readiness import Code
from dosing.wording import OUTCOME_NAMES, drug_name, sentence
from participants.actions import site_day
from participants.actions.unchanged import OF_ELIGIBILITY, Kept, with_facts
from participants.models import Participant
from participants.rules.status import Status
from trialsite.firstpage import ROWS_SHOWN, Place, Row, Section, moment, site_keys
from trialsite.lines import Kind, Line, count_of_all
from trialsite.models import User
from trialsite.study import get_study

SOON = dt.timedelta(days=7)
BEFORE = (Status.ENROLLED, Status.LYMPHODEPLETED)
# What readiness is judged by, beside eligibility.
OF_READINESS: tuple[Any, ...] = (
    CellProduct,
    DosingHold,
    FitnessCheck,
    IdentityCheck,
    LymphodepletionDose,
    ReadinessRuling,
)
KEPT: Kept[tuple[Judged, ...]] = Kept()


def kinds(*, user: User, now: dt.datetime) -> list[Kind]:
    if not user.has_perm("dosing.view_infusion"):
        return []
    return [_doses(user, site_day(now)), _holds(user)]


def sections(*, user: User, now: dt.datetime) -> list[Section]:
    if not user.has_perm("dosing.view_infusion"):
        return []
    against = _against(user, now)
    return [*_near_misses(user), *_broken(against), *_infusions(against, site_day(now))]


def _near_misses(user: User) -> list[Section]:
    """Stopped identity checks, until the principal investigator has looked into each."""
    if not user.has_perm("dosing.review_identitystop"):
        return []
    rows = IdentityStop.objects.standing().filter(participant__site__in=site_keys(user), reviewed_at__isnull=True)
    known = rows.select_related("participant", "wristband_of", "bag__participant", "created_by")
    shown = list(known.annotate(of_all=count_of_all()).order_by("created_at")[:ROWS_SHOWN])
    if not shown:
        return []
    return [
        Section(
            code="stops",
            title=_("Near misses: stopped identity checks"),
            hint=_("Wristband or bag was another one, and nothing was signed or given. Look into each, and say what."),
            rows=tuple(_stop(row) for row in shown),
            count=shown[0].of_all,
            place=Place.URGENT,
            tone="alarm",
            columns=(_("Participant"), _("When"), _("Who"), _("What was wrong"), _("Wristband of"), _("Bag")),
            link=reverse("admin:dosing_identitystop_changelist") + "?reviewed_at__isempty=1",
            work="dosing.review_identitystop",
        )
    ]


def _stop(row: Any) -> Row:
    facts = (
        moment(row.created_at),
        str(row.created_by),
        str(row.get_wrong_display()),
        row.wristband_text,
        row.bag_text,
    )
    link, page = (reverse(f"admin:dosing_identitystop_{name}", args=[row.pk]) for name in ("review", "change"))
    return Row(row.participant.number, link, facts, since=row.created_at, page=page)


# --- Before the infusion ------------------------------------------------------------------------------


def _against(user: User, now: dt.datetime) -> list[tuple[Any, tuple[Judged, ...]]]:
    """Everybody before the infusion, those whose day comes first first, with what stands against it: one query, and
    the judgement only of whom something has changed."""
    fitness = FitnessCheck.objects.standing().filter(participant=OuterRef("pk"), before=Before.INFUSION)
    newest = fitness.order_by().values("participant").annotate(newest=Max("checked_at")).values("newest")
    waiting = Participant.objects.standing().filter(site__in=site_keys(user), status__in=BEFORE).select_related("site")
    compared = IdentityCheck.objects.standing().filter(participant=OuterRef("pk")).order_by().values("created_at")
    known = waiting.annotate(checked_at=Subquery(newest), compared_at=ArraySubquery(compared))
    rows = with_facts(known, (*OF_ELIGIBILITY, *OF_READINESS))
    ordered = rows.order_by("planned_infusion_on", "screening_number")
    return [(row, KEPT.of(row, _beside(row, now), partial(_judge, row, now))) for row in ordered]


def _beside(row: Any, now: dt.datetime) -> tuple[Any, ...]:
    """What time alone changes: the day, whether the newest fitness check is good still, and how many comparisons of
    wristband and bag are."""
    protocol = get_study().protocol(row.protocol_version)
    fit_for = dt.timedelta(hours=protocol.fitness.valid_hours)
    compared_for = dt.timedelta(hours=protocol.bedside.identity_valid_hours)
    is_fit = row.checked_at is not None and now - row.checked_at <= fit_for
    return site_day(now), is_fit, sum(now - at <= compared_for for at in row.compared_at)


def _judge(participant: Participant, now: dt.datetime) -> tuple[Judged, ...]:
    return readiness_of(participant, at=now, now=now).against


def _broken(against: Iterable[tuple[Any, tuple[Judged, ...]]]) -> list[Section]:
    """Confirmed, and by now a fact stands against it that nobody has judged."""
    found = [(row, one) for row, judged in against for one in judged if one.line.code is Code.ELIGIBILITY]
    if not found:
        return []
    return [
        Section(
            code="broken",
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
            place=Place.URGENT,
            tone="alarm",
            columns=(_("Participant"), _("What was found"), ""),
            work="participants.change_participant",
        )
    ]


def _infusions(against: Iterable[tuple[Any, tuple[Judged, ...]]], today: dt.date) -> list[Section]:
    """Planned for today or a day that is past, and within a week; with what still stands against them."""
    planned = [one for one in against if one[0].planned_infusion_on and one[0].planned_infusion_on <= today + SOON]
    now = [one for one in planned if one[0].planned_infusion_on <= today]
    return [
        *_section_of_infusions("infusions-today", _("Infusions today"), now, today),
        *_section_of_infusions("infusions", _("Infusions within seven days"), planned[len(now) :], today),
    ]


def _section_of_infusions(code: str, title: str, planned: list[Any], today: dt.date) -> list[Section]:
    if not planned:
        return []
    return [
        Section(
            code=code,
            title=title,
            hint=_("Open the readiness page: it says what still stands against each."),
            rows=tuple(_infusion(row, judged, today) for row, judged in planned[:ROWS_SHOWN]),
            count=len(planned),
            place=Place.TODAY if code == "infusions-today" else Place.LATER,
            columns=(_("Participant"), _("Planned"), _("Against it")),
            work="dosing.add_infusion",
        )
    ]


def _infusion(participant: Any, judged: tuple[Judged, ...], today: dt.date) -> Row:
    planned = participant.planned_infusion_on
    state = _(", ").join(str(LINE_NAMES[one.line.code]) for one in judged) or _("ready")
    late = _("the planned day is past: plan anew") if planned < today else ""
    page = reverse("admin:dosing_readiness", args=[participant.pk])
    # Once nothing stands against it and its day has come, the next step is the infusion itself.
    form = reverse("admin:dosing_infusion_add") + f"?participant={participant.pk}"
    link = form if not judged and planned == today else page
    return Row(participant.number, link, (f"{planned:%Y-%m-%d}", state), late, since=planned, page=page)


# --- Doses and holds ----------------------------------------------------------------------------------


def _doses(user: User, today: dt.date) -> Kind:
    """Lymphodepletion that is due today, or was, and nothing is recorded."""
    rows = LymphodepletionDose.objects.standing().filter(
        Q(participant__status__in=BEFORE), participant__site__in=site_keys(user), state=DoseState.PLANNED
    )

    def made(found: list[Line]) -> Section:
        return Section(
            code="doses",
            title=_("Lymphodepletion doses due"),
            hint=_("Record what was given, or why it was not."),
            rows=tuple(_dose(line, today) for line in found),
            count=found[0].of_all,
            place=Place.TODAY,
            columns=(_("Participant"), _("Drug"), _("Dose"), _("Planned")),
            work="dosing.change_lymphodepletiondose",
        )

    due = rows.filter(planned_on__lte=today).order_by("planned_on", "participant", "drug")
    return Kind("doses", due, made, what="drug", more="planned_mg", on="planned_on")


def _dose(line: Line, today: dt.date) -> Row:
    assert line.on is not None, "a plan has its day"
    return Row(
        line.number,
        reverse("admin:dosing_lymphodepletiondose_change", args=[line.pk]),
        (drug_name(line.what), f"{line.more} mg", f"{line.on:%Y-%m-%d}"),
        _("late") if line.on < today else "",
        since=line.on,
    )


def _holds(user: User) -> Kind:
    rows = DosingHold.objects.standing().filter(participant__site__in=site_keys(user), lifted_at__isnull=True)

    def made(found: list[Line]) -> Section:
        return Section(
            code="holds",
            title=_("Treatment on hold"),
            hint=_("Nothing is given to these participants until an investigator lifts the hold."),
            rows=tuple(
                Row(
                    line.number,
                    reverse("admin:dosing_dosinghold_lift", args=[line.pk]),
                    (line.what[:80],),
                    since=line.at,
                    page=reverse("admin:dosing_dosinghold_change", args=[line.pk]),
                )
                for line in found
            ),
            count=found[0].of_all,
            columns=(_("Participant"), _("Why")),
            work="dosing.lift_dosinghold",
        )

    return Kind("holds", rows.order_by("created_at", "pk"), made, what="reason", at="created_at")
