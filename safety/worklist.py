"""What safety asks of the site today."""

import datetime as dt

from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from dosing.models import Infusion
from safety import alertlist
from safety.actions import is_in_step
from safety.models import AdverseEvent, Scale, ToxicityAssessment, ToxicityEpisode, current, graded
from trialsite.firstpage import ROWS_SHOWN, Row, Section, sites_of
from trialsite.models import User

LATELY = dt.timedelta(hours=24)


def sections(*, user: User, now: dt.datetime) -> list[Section]:
    found = alertlist.sections(user=user, now=now)
    if user.has_perm("safety.view_crsassessment"):
        found += _severe(user, now)
        found += _episodes(user)
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
