"""What safety asks of the site today."""

import datetime as dt

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dosing.models import Infusion
from participants.actions import site_day
from safety import alertlist
from safety.actions import open_duties, owed_counts, unsigned
from safety.actions.counts import OwedCount
from safety.checks import title_of
from safety.dutywords import countdown, recipient_name
from safety.models import (
    AdverseEvent,
    DataFinding,
    DutyKind,
    EventQuery,
    ReviewKind,
    Scale,
    ToxicityAssessment,
    ToxicityEpisode,
    current,
    graded,
)
from trialsite.firstpage import ROWS_SHOWN, Place, Row, Section, moment, site_keys
from trialsite.lines import Kind, Line
from trialsite.models import User
from trialsite.study import get_study

LATELY = dt.timedelta(hours=24)
CLOSE_FINDING = "safety.close_datafinding"


def kinds(*, user: User, now: dt.datetime) -> list[Kind]:
    found: list[Kind] = []
    if user.has_perm("safety.view_crsassessment"):
        found += [_severe(user, now), _episodes(user)]
    if user.has_perm("safety.view_adverseevent"):
        found += [_unassessed(user), _unreviewed(user), _asked(user), _serious(user), _reactions(user)]
    if user.has_perm("safety.view_reportingduty"):
        found += [_duties(user, now, is_near=True), _duties(user, now, is_near=False)]
    if user.has_perm(CLOSE_FINDING):
        found.append(_contradictions(user))
    return found


def sections(*, user: User, now: dt.datetime) -> list[Section]:
    found = alertlist.sections(user=user, now=now)
    if user.has_perm("safety.view_icahtassessment"):
        found += _counts(user, now)
    return found


def _episodes(user: User) -> Kind:
    """CRS and ICANS that are no adverse event yet, or whose event tells another grade: see `episodes.is_in_step`."""
    in_step = Q(adverse_event__in=AdverseEvent.objects.standing(), adverse_event__grade=F("highest_grade"))
    rows = ToxicityEpisode.objects.standing().filter(participant__site__in=site_keys(user)).exclude(in_step)

    def made(found: list[Line]) -> Section:
        return Section(
            code="episodes",
            title=_("CRS and ICANS without their adverse event"),
            hint=_("Open the episode and make its adverse event of special interest; it follows the assessments then."),
            rows=tuple(_episode(line) for line in found),
            count=found[0].of_all,
            link=reverse("admin:safety_toxicityepisode_changelist"),
            columns=(_("Participant"), _("Episode"), _("Onset")),
            work="safety.propose_event",
        )

    return Kind("episodes", rows.order_by("onset_at", "pk"), made, what="toxicity", more="highest_grade", at="onset_at")


def _episode(line: Line) -> Row:
    page = reverse("admin:safety_toxicityepisode_change", args=[line.pk])
    facts = (graded(line.what, int(line.more)), moment(line.at))
    return Row(line.number, page, facts, since=line.at)


# --- Reports ------------------------------------------------------------------------------------------

NEAR = dt.timedelta(hours=24)


def _duties(user: User, now: dt.datetime, *, is_near: bool) -> Kind:
    """Reports that are owed: overdue or due within a day, and all others."""
    rows = open_duties().filter(event__participant__site__in=site_keys(user), is_alarming=True)
    rows = rows.filter(due_at__lte=now + NEAR) if is_near else rows.filter(due_at__gt=now + NEAR)

    def made(found: list[Line]) -> Section:
        return Section(
            code="duties-near" if is_near else "duties",
            title=_("Reports due within a day, or overdue") if is_near else _("Reports due"),
            hint=_("Send the report, then record that it was sent."),
            rows=tuple(_duty(line, now) for line in found),
            count=found[0].of_all,
            place=Place.URGENT if is_near else Place.LATER,
            tone="alarm" if is_near else "attention",
            link=reverse("admin:safety_reportingduty_changelist") + "?state=open",
            columns=(_("Participant"), _("To be told"), _("Report"), _("Due"), _("Time left")),
            work="safety.add_submission",
        )

    return Kind(
        "duties-near" if is_near else "duties",
        rows.select_related(None),
        made,
        what="recipient",
        more="kind",
        at="due_at",
        participant="event__participant",
        key="event_id",
    )


def _duty(line: Line, now: dt.datetime) -> Row:
    """Leads to the event, where the files of the report are made and it is recorded as sent."""
    assert line.at is not None
    page = reverse("admin:safety_adverseevent_story", args=[line.pk]) + "#duties"
    left, is_late = countdown(line.at, now=now), line.at < now
    facts = (recipient_name(get_study().latest, line.what), str(DutyKind(line.more).label), moment(line.at))
    return Row(line.number, page, facts if is_late else (*facts, left), late=left if is_late else "")


# --- Neutrophil counts --------------------------------------------------------------------------------


def _counts(user: User, now: dt.datetime) -> list[Section]:
    """Neutrophil counts without which early ICAHT could not be graded."""
    owed, today = owed_counts(site_keys(user), now), site_day(now)
    if not owed:
        return []
    return [
        Section(
            code="counts",
            title=_("Neutrophil counts due"),
            hint=_("Day 0 to 30: no gap of more than 7 days, or early ICAHT cannot be graded. Enter the blood count."),
            rows=tuple(_count_row(one, today) for one in owed[:ROWS_SHOWN]),
            count=len(owed),
            place=Place.TODAY if owed[0].due_on <= today else Place.LATER,
            columns=(_("Participant"), _("Last count"), _("Next count by"), ""),
            work="participants.add_examination",
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
        page="",
    )


def _late(by: dt.timedelta) -> str:
    return ngettext("overdue by %(days)s day", "overdue by %(days)s days", by.days) % {"days": by.days}


def _due(within: dt.timedelta) -> str:
    if within.days == 0:
        return _("today")
    return ngettext("in %(days)s day", "in %(days)s days", within.days) % {"days": within.days}


# --- What was found -----------------------------------------------------------------------------------


def _reactions(user: User) -> Kind:
    """Reactions that were ticked at the infusion, and are no adverse event yet."""
    told = AdverseEvent.objects.standing().filter(infusion=OuterRef("pk"))
    rows = Infusion.objects.standing().filter(participant__site__in=site_keys(user), has_reaction=True)

    def made(found: list[Line]) -> Section:
        return Section(
            code="reactions",
            title=_("Infusion reactions that are no adverse event yet"),
            hint=_("Record the reaction as an adverse event."),
            rows=tuple(_reaction(line) for line in found),
            count=found[0].of_all,
            columns=(_("Participant"), _("Infusion")),
            work="safety.add_adverseevent",
        )

    return Kind("reactions", rows.exclude(Exists(told)).order_by("infused_at", "pk"), made, at="infused_at")


def _reaction(line: Line) -> Row:
    form = reverse("admin:safety_adverseevent_add") + f"?participant={line.participant}&infusion={line.pk}"
    page = reverse("admin:dosing_infusion_change", args=[line.pk])
    return Row(line.number, form, (moment(line.at),), since=line.at, page=page)


def _severe(user: User, now: dt.datetime) -> Kind:
    """CRS or ICANS of grade 3 or more in the last day, whoever graded it."""
    rows = current(ToxicityAssessment.objects.filter(participant__site__in=site_keys(user)))
    lately = rows.annotate(final=Coalesce("investigator_grade", "grade")).filter(
        assessed_at__gte=now - LATELY, final__gte=3
    )

    def made(found: list[Line]) -> Section:
        return Section(
            code="severe",
            title=_("CRS or ICANS grade 3 or higher in the last 24 hours"),
            hint=_("Newest first. Open the assessment for the findings and the reason of the grade."),
            rows=tuple(_assessment(line) for line in found),
            count=found[0].of_all,
            place=Place.URGENT,
            columns=(_("Participant"), _("Grade"), _("Assessed at")),
            work=alertlist.ASSESS,
        )

    return Kind("severe", lately.order_by("-assessed_at", "-pk"), made, what="toxicity", more="final", at="assessed_at")


def _assessment(line: Line) -> Row:
    page = "crsassessment" if line.what == Scale.CRS else "icansassessment"
    return Row(
        label=line.number,
        link=reverse(f"admin:safety_{page}_change", args=[line.pk]),
        facts=(graded(line.what, int(line.more)), moment(line.at)),
    )


def _standing(user: User) -> QuerySet[AdverseEvent]:
    return AdverseEvent.objects.standing().filter(participant__site__in=site_keys(user))


def _unassessed(user: User) -> Kind:
    """What no investigator has judged and signed as it stands; serious ones first."""

    def made(found: list[Line]) -> Section:
        return Section(
            code="assessments",
            title=_("Adverse events to be assessed"),
            hint=_("Judge relatedness, outcome and seriousness, and sign; serious events come first."),
            rows=tuple(_event(line, "assess") for line in found),
            count=found[0].of_all,
            link=reverse("admin:safety_adverseevent_changelist"),
            columns=(_("Participant"), _("Event"), _("Grade"), ""),
            work="safety.assess_adverseevent",
        )

    rows = unsigned(_standing(user), ReviewKind.ASSESSMENT).order_by("-is_serious", "site_aware_at", "pk")
    return Kind("assessments", rows, made, what="term", more="grade", at="site_aware_at")


def _unreviewed(user: User) -> Kind:
    def made(found: list[Line]) -> Section:
        return Section(
            code="reviews",
            title=_("Serious events to be reviewed"),
            hint=_("An investigator has signed the assessment: read the event, and sign the review."),
            rows=tuple(_event(line, "story") for line in found),
            count=found[0].of_all,
            columns=(_("Participant"), _("Event"), _("Grade"), ""),
            work="safety.review_eventreview",
        )

    rows = unsigned(_standing(user), ReviewKind.REVIEW).order_by("site_aware_at", "pk")
    return Kind("reviews", rows, made, what="term", more="grade", at="site_aware_at")


def _asked(user: User) -> Kind:
    rows = EventQuery.objects.standing().filter(event__participant__site__in=site_keys(user), answered_at__isnull=True)

    def made(found: list[Line]) -> Section:
        return Section(
            code="queries",
            title=_("Questions about events"),
            hint=_("Answer them; question and answer stay with the event."),
            rows=tuple(_query(line) for line in found),
            count=found[0].of_all,
            link=reverse("admin:safety_eventquery_changelist"),
            columns=(_("Participant"), _("Event")),
            work="safety.answer_eventquery",
        )

    ordered = rows.order_by("created_at", "pk")
    return Kind(
        "queries", ordered, made, what="event__term", more="event_id", at="created_at", participant="event__participant"
    )


def _query(line: Line) -> Row:
    answer = reverse("admin:safety_eventquery_answer", args=[line.pk])
    page = reverse("admin:safety_adverseevent_story", args=[int(line.more)])
    return Row(line.number, answer, (line.what,), since=line.at, page=page)


def _serious(user: User) -> Kind:
    rows = AdverseEvent.objects.standing().filter(
        participant__site__in=site_keys(user), is_serious=True, resolved="", results_in_death=False
    )

    def made(found: list[Line]) -> Section:
        return Section(
            code="serious",
            title=_("Serious adverse events without an end"),
            hint=_("Follow them until they have resolved or their outcome is known."),
            rows=tuple(_event(line) for line in found),
            count=found[0].of_all,
            link=reverse("admin:safety_adverseevent_changelist") + "?is_serious__exact=1",
            columns=(_("Participant"), _("Event"), _("Grade"), ""),
            work="safety.change_adverseevent",
        )

    ordered = rows.order_by("site_aware_at", "pk")
    return Kind("serious", ordered, made, what="term", more="grade", at="site_aware_at")


def _event(line: Line, page: str = "change") -> Row:
    return Row(
        line.number,
        reverse(f"admin:safety_adverseevent_{page}", args=[line.pk]),
        (line.what, _("grade %(grade)s") % {"grade": line.more}),
        since=line.at,
        page=reverse("admin:safety_adverseevent_story", args=[line.pk]),
    )


def _contradictions(user: User) -> Kind:
    """What the consistency checks found, the oldest first; only those who close them are asked."""
    rows = DataFinding.objects.open().filter(participant__site__in=site_keys(user)).order_by("found_at", "pk")

    def made(found: list[Line]) -> Section:
        return Section(
            code="contradictions",
            title=_("Contradictions in the record"),
            hint=_("The oldest first. Correct the entry that is wrong, or close with a reason."),
            rows=tuple(_contradiction(line) for line in found),
            count=found[0].of_all,
            link=reverse("admin:safety_datafinding_changelist") + "?state=open",
            columns=(_("Participant"), _("What disagrees")),
            work=CLOSE_FINDING,
        )

    return Kind("contradictions", rows, made, what="code", at="found_at")


def _contradiction(line: Line) -> Row:
    page = reverse("admin:safety_datafinding_change", args=[line.pk])
    return Row(line.number, page, (title_of(line.what),), since=line.at)
