"""What safety asks of the site today."""

import datetime as dt

from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dosing.models import Infusion
from participants.actions import site_day
from safety import alertlist
from safety.actions import is_in_step, owed_counts
from safety.actions.counts import OwedCount
from safety.models import AdverseEvent, Scale, ToxicityAssessment, ToxicityEpisode, current, graded
from trialsite.firstpage import ROWS_SHOWN, Row, Section, sites_of
from trialsite.models import User

LATELY = dt.timedelta(hours=24)


def sections(*, user: User, now: dt.datetime) -> list[Section]:
    found = alertlist.sections(user=user, now=now)
    if user.has_perm("safety.view_crsassessment"):
        found += _severe(user, now)
        found += _episodes(user)
    if user.has_perm("safety.view_icahtassessment"):
        found += _counts(user, now)
    if user.has_perm("safety.view_adverseevent"):
        found += _serious(user)
        found += _reactions(user)
    return found


def _episodes(user: User) -> list[Section]:
    """CRS and ICANS that are no adverse event yet, or whose event tells another grade."""
    rows = ToxicityEpisode.objects.standing().filter(participant__site__in=sites_of(user))
    waiting = [
        row for row in rows.select_related("participant", "adverse_event").order_by("onset_at") if not is_in_step(row)
    ]
    if not waiting:
        return []
    return [
        Section(
            title=_("CRS and ICANS without their adverse event"),
            hint=_("Open the episode and make its adverse event of special interest; it follows the assessments then."),
            rows=tuple(
                Row(
                    row.participant.number,
                    reverse("admin:safety_toxicityepisode_change", args=[row.pk]),
                    (
                        f"{row.toxicity} #{row.number}",
                        _("grade %(grade)s") % {"grade": row.highest_grade},
                        f"{timezone.localtime(row.onset_at):%Y-%m-%d %H:%M}",
                        _("another grade") if row.adverse_event else "",
                    ),
                )
                for row in waiting[:ROWS_SHOWN]
            ),
            count=len(waiting),
            link=reverse("admin:safety_toxicityepisode_changelist"),
            columns=(_("Participant"), _("Episode"), _("Highest grade"), _("Onset"), _("Event")),
        )
    ]


def _counts(user: User, now: dt.datetime) -> list[Section]:
    """Neutrophil counts without which early ICAHT could not be graded."""
    owed = owed_counts(sites_of(user), now)
    if not owed:
        return []
    return [
        Section(
            title=_("Neutrophil counts due"),
            hint=_("Day 0 to 30: no gap of more than 7 days, or early ICAHT cannot be graded. Enter the blood count."),
            rows=tuple(_count_row(one, site_day(now)) for one in owed[:ROWS_SHOWN]),
            count=len(owed),
            columns=(_("Participant"), _("Last count"), _("Next count by"), ""),
        )
    ]


def _count_row(one: OwedCount, today: dt.date) -> Row:
    last_on = f"{one.last_on:%Y-%m-%d}" if one.last_on else _("none yet")
    facts = (last_on, _("%(date)s (Day %(day)s)") % {"date": f"{one.due_on:%Y-%m-%d}", "day": one.due.due_day})
    remark = _late(today - one.due_on) if one.is_overdue else _due(one.due_on - today)
    is_urgent = today >= one.due_on
    return Row(
        label=one.participant.number,
        link=reverse("admin:participants_examination_add") + f"?panel=CBC&participant={one.participant.pk}",
        facts=facts if is_urgent else (*facts, remark),
        late=remark if is_urgent else "",
    )


def _late(by: dt.timedelta) -> str:
    return ngettext("overdue by %(days)s day", "overdue by %(days)s days", by.days) % {"days": by.days}


def _due(within: dt.timedelta) -> str:
    if within.days == 0:
        return _("today")
    return ngettext("in %(days)s day", "in %(days)s days", within.days) % {"days": within.days}


def _reactions(user: User) -> list[Section]:
    """Reactions that were ticked at the infusion, and are no adverse event yet."""
    rows = (
        Infusion.objects.standing()
        .filter(participant__site__in=sites_of(user), has_reaction=True)
        .exclude(Exists(AdverseEvent.objects.standing().filter(infusion=OuterRef("pk"))))
    )
    waiting = list(rows.select_related("participant").order_by("infused_at"))
    if not waiting:
        return []
    return [
        Section(
            title=_("Infusion reactions that are no adverse event yet"),
            hint=_("Open the infusion and record its reaction as an adverse event."),
            rows=tuple(
                Row(
                    row.participant.number,
                    reverse("admin:dosing_infusion_change", args=[row.pk]),
                    (f"{timezone.localtime(row.infused_at):%Y-%m-%d %H:%M}",),
                )
                for row in waiting[:ROWS_SHOWN]
            ),
            count=len(waiting),
            columns=(_("Participant"), _("Infusion")),
        )
    ]


def _severe(user: User, now: dt.datetime) -> list[Section]:
    """CRS or ICANS of grade 3 or more in the last day, whoever graded it."""
    rows = [
        row
        for row in current(ToxicityAssessment.objects.filter(participant__site__in=sites_of(user)))
        .filter(assessed_at__gte=now - LATELY)
        .select_related("participant")
        if (row.final_grade or 0) >= 3
    ]
    if not rows:
        return []
    return [
        Section(
            title=_("CRS or ICANS grade 3 or higher in the last 24 hours"),
            hint=_("Newest first. Open the assessment for the findings and the reason of the grade."),
            rows=tuple(_assessment(row) for row in rows[:ROWS_SHOWN]),
            count=len(rows),
            columns=(_("Participant"), _("Grade"), _("Assessed at")),
        )
    ]


def _assessment(row: ToxicityAssessment) -> Row:
    page = "crsassessment" if row.toxicity == Scale.CRS else "icansassessment"
    return Row(
        label=row.participant.number,
        link=reverse(f"admin:safety_{page}_change", args=[row.pk]),
        facts=(graded(row.toxicity, row.final_grade), f"{timezone.localtime(row.assessed_at):%Y-%m-%d %H:%M}"),
    )


def _serious(user: User) -> list[Section]:
    open_ones = (
        AdverseEvent.objects.standing()
        .filter(participant__site__in=sites_of(user), is_serious=True, resolved="", results_in_death=False)
        .select_related("participant")
    )
    count = open_ones.count()
    if not count:
        return []
    return [
        Section(
            title=_("Serious adverse events without an end"),
            hint=_("Follow them until they have resolved or their outcome is known."),
            rows=tuple(
                Row(
                    event.participant.number,
                    reverse("admin:safety_adverseevent_change", args=[event.pk]),
                    (event.term, _("grade %(grade)s") % {"grade": event.grade}, event.onset),
                )
                for event in open_ones[:ROWS_SHOWN]
            ),
            count=count,
            link=reverse("admin:safety_adverseevent_changelist") + "?is_serious__exact=1",
            columns=(_("Participant"), _("Event"), _("Grade"), _("Onset")),
        )
    ]
