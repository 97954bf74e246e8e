"""Taking back what was recorded here by mistake, with everything that followed from it."""

import datetime as dt
from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from participants.actions import long_moment
from participants.models import Participant
from safety.actions import alerts, episodes, stopping
from safety.actions.assessments import grade_anew, locked, past_of
from safety.actions.calls import unanswered
from safety.actions.days import settle_days_of
from safety.models import (
    BedsideAssessment,
    Discharge,
    Scale,
    ToxicityAssessment,
    current,
)
from safety.rules.crs import GRADED_ANEW
from trialsite.models import User
from trialsite.refusal import Refused
from trialsite.voiding import void


@transaction.atomic
def void_bedside(*, assessment: BedsideAssessment, reason: str, by: User, now: dt.datetime) -> BedsideAssessment:
    """The look at the bed with both its grades; what it had corrected counts again. Raises Refused the second time."""
    participant = locked(assessment.participant_id)
    assessment = BedsideAssessment.objects.get(pk=assessment.pk)
    void(assessment, reason=reason, by=by, now=now)
    rows = list(assessment.grades.standing())
    _take_back(participant, rows, reason=reason, by=by, now=now)
    return assessment


@transaction.atomic
def void_assessment(*, assessment: ToxicityAssessment, reason: str, by: User, now: dt.datetime) -> ToxicityAssessment:
    """One grade, with those that were computed anew from the same findings. Raises Refused the second time."""
    participant = locked(assessment.participant_id)
    assessment = ToxicityAssessment.objects.get(pk=assessment.pk)
    if belongs_to_bedside(assessment):
        raise Refused(
            _("This grade was computed from the bedside assessment of %(at)s. Void that one: both grades go with it.")
            % {"at": long_moment(assessment.assessed_at)}
        )
    void(assessment, reason=reason, by=by, now=now)
    _take_back(participant, [assessment, *_same_findings(assessment)], reason=reason, by=by, now=now)
    return assessment


def belongs_to_bedside(row: ToxicityAssessment) -> bool:
    """Whether the findings were recorded at the bedside: then they are the mistake, not the grade. An investigator's
    own grade stands for itself.
    """
    return row.bedside_id is not None and row.investigator_grade is None


def _same_findings(row: ToxicityAssessment) -> list[ToxicityAssessment]:
    """Rows before and after it that the program computed anew: nobody recorded them, so they go with it."""
    found: list[ToxicityAssessment] = []
    one: ToxicityAssessment = row
    while GRADED_ANEW in one.flags and one.corrects is not None:
        one = one.corrects
        found.append(one)
    after: ToxicityAssessment | None = row
    while after is not None:
        after = after.corrections.standing().filter(flags__contains=[GRADED_ANEW]).first()
        found += [after] if after is not None else []
    return [each for each in found if not each.is_void]


def _take_back(
    participant: Participant, rows: Sequence[ToxicityAssessment], *, reason: str, by: User, now: dt.datetime
) -> None:
    """Void these grades, and bring episodes, alerts, messages and later grades up to date with those that remain."""
    if not rows:
        return
    untold = _unanswered_of(rows)
    for row in rows:
        if not row.is_void:
            void(row, reason=reason, by=by, now=now, by_rule=True)
    revived = list(current(ToxicityAssessment.objects.filter(pk__in=[row.corrects_id for row in rows])))
    past = past_of(participant)
    scales = {Scale(row.toxicity) for row in rows}
    episodes.sync_episodes(participant, {scale: past.of(scale) for scale in scales}, by=by, now=now)
    alerts.settle_alerts(participant=participant, now=now)
    if Scale.CRS in scales:
        since = min(row.assessed_at for row in (*rows, *revived) if row.toxicity == Scale.CRS)
        grade_anew(participant, since, by=by, now=now)
    _warn_of_what_remains(participant, revived, untold, now=now)
    if stopping.matters([*rows, *revived]):
        stopping.watch(now=now, by=by)
    settle_days_of(participant, now=now)


def _unanswered_of(rows: Sequence[ToxicityAssessment]) -> dict[Scale, dt.datetime]:
    """Of which toxicities people were warned by these, with no answer yet, and since when."""
    about = [f"assessment:{row.pk}" for row in rows]
    found: dict[Scale, dt.datetime] = {}
    for alert in unanswered().filter(about__in=about).order_by("-happened_at"):
        found[Scale(alert.toxicity)] = alert.happened_at
    return found


def _warn_of_what_remains(
    participant: Participant,
    revived: Sequence[ToxicityAssessment],
    untold: dict[Scale, dt.datetime],
    *,
    now: dt.datetime,
) -> None:
    """What counts again is warned of again; and a warning that goes must not hide what later assessments found."""
    for row in revived:
        alerts.warn_after(row, now=now)
    for scale, since in untold.items():
        later = current(ToxicityAssessment.objects.filter(participant=participant, toxicity=scale))
        first = later.filter(assessed_at__gte=since).order_by("assessed_at", "id").first()
        if first is not None:
            # Only what stood before it: as new and as severe as it was found then.
            past = past_of(participant).of(scale)
            before = [seen for seen in past if (seen.at, seen.source) < (first.assessed_at, first.pk)]
            alerts.warn_after(first, others=before, is_untold=True, now=now)


@transaction.atomic
def void_discharge(*, discharge: Discharge, reason: str, by: User, now: dt.datetime) -> Discharge:
    """Assessments at the bedside are due again, and the next sweep warns of what was missed meanwhile."""
    locked(discharge.participant_id)
    discharge = Discharge.objects.get(pk=discharge.pk)
    void(discharge, reason=reason, by=by, now=now)
    alerts.settle_alerts(participant=discharge.participant, now=now)
    return discharge
