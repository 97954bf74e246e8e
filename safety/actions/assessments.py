"""Verbs of graded assessments: what was seen at the bedside becomes grades, episodes and warnings."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from dosing.actions import day0_of
from participants.actions import long_moment, site_day
from participants.models import Participant
from safety.actions import alerts, drugs, episodes, stopping
from safety.actions.days import TASK
from safety.actions.findings import from_json
from safety.models import BedsideAssessment, Scale, ToxicityAssessment, current, is_replaced
from safety.rules import bedside, contradictions, crs, icans
from safety.rules import episodes as episode_rules
from safety.rules.bedside import Context, Observations
from safety.rules.episodes import Seen
from safety.rules.grading import Graded, Reason
from trialsite import signing
from trialsite.clinical import check_clinical
from trialsite.models import Meaning, User
from trialsite.refusal import Refused
from trialsite.study import Policy, get_study
from trialsite.wake import wake

FINDINGS: dict[Scale, Any] = {Scale.CRS: crs.CrsFindings, Scale.ICANS: icans.IcansFindings}


# --- Grading -----------------------------------------------------------------------------------------


def grade(scale: Scale, findings: Any, policy: Policy) -> Graded:
    """The grade by the scale's rule, with what the study chose where the scale is silent."""
    if scale is Scale.CRS:
        return crs.grade(findings, crs_policy(policy))
    return icans.grade(findings, icans_policy(policy))


def crs_policy(policy: Policy) -> crs.CrsPolicy:
    return crs.CrsPolicy(
        vasopressin_alone_grade=policy.vasopressin_alone_grade,
        keeps_afebrile_without_therapy=policy.crs_afebrile_without_therapy == "keep_graded",
        grades_masked_fever=policy.crs_fever_masked == "grade_axes",
        usual_onset_days=policy.crs_usual_onset_days,
    )


def icans_policy(policy: Policy) -> icans.IcansPolicy:
    return icans.IcansPolicy(
        ice_from_age_years=policy.ice_from_age_years,
        capd_zero_grade=0 if policy.capd_zero == "grade_0" else 1,
    )


def _policy(participant: Participant) -> Policy:
    return get_study().protocol(participant.protocol_version).policy


# --- What was graded before --------------------------------------------------------------------------


@dataclass(frozen=True)
class Past:
    """The assessments that count, of both scales, in the order of time: one query, however many there are."""

    rows: tuple[tuple[str, Seen], ...]
    # The same that joins two bouts to one episode.
    joins_within: dt.timedelta

    def of(self, scale: str) -> tuple[Seen, ...]:
        return tuple(seen for toxicity, seen in self.rows if toxicity == scale)

    def is_established(self, scale: str, *, before: dt.datetime) -> bool:
        """Whether the toxicity was found before this moment, and has not been gone for long enough to be over."""
        return self.established_since(scale, before=before) is not None

    def established_since(self, scale: str, *, before: dt.datetime) -> dt.datetime | None:
        """By the clock of the site."""
        since = episode_rules.established_since(self.of(scale), before=before, joins_within=self.joins_within)
        return None if since is None else timezone.localtime(since)

    def with_(self, new: Iterable[ToxicityAssessment]) -> "Past":
        added = tuple((row.toxicity, seen_of(row)) for row in new)
        rows = sorted((*self.rows, *added), key=lambda row: (row[1].at, row[1].source))
        return replace(self, rows=tuple(rows))


def seen_of(row: ToxicityAssessment) -> Seen:
    return Seen(row.assessed_at, row.final_grade, row.pk)


def past_of(participant: Participant, *, but: Sequence[int] = ()) -> Past:
    """Without void rows, without those that a later row corrects, and without `but`."""
    rows = (
        current(ToxicityAssessment.objects.filter(participant=participant))
        .exclude(pk__in=but)
        .order_by("assessed_at", "id")
        .values_list("toxicity", "assessed_at", "grade", "investigator_grade", "id")
    )
    seen = ((scale, Seen(at, own if own is not None else grade, pk)) for scale, at, grade, own, pk in rows)
    return Past(tuple(seen), episodes.joins_within(participant))


def days_since_infusion(participant: Participant, at: dt.datetime) -> int:
    """Whole days from Day 0 to that moment; before any infusion the day counts as −1."""
    return _days_since(day0_of(participant), at)


def _days_since(day0: dt.date | None, at: dt.datetime) -> int:
    return -1 if day0 is None else (site_day(at) - day0).days


def is_established(participant: Participant, scale: Scale, *, before: dt.datetime) -> bool:
    return past_of(participant).is_established(scale, before=before)


def established_since(participant: Participant, scale: Scale, *, before: dt.datetime) -> dt.datetime | None:
    return past_of(participant).established_since(scale, before=before)


def context_of(participant: Participant, at: dt.datetime, past: Past) -> Context:
    since = past.established_since(Scale.CRS, before=at)
    return Context(
        days_since_infusion=days_since_infusion(participant, at),
        age_years=participant.age_on(site_day(at)),
        crs_established=since is not None,
        crs_established_since=since,
    )


# --- Assessing ---------------------------------------------------------------------------------------


def check_assessment(assessment: ToxicityAssessment | BedsideAssessment, *, now: dt.datetime) -> None:
    """Raises Refused for a moment in the future; one before the consent is asked about where it is typed."""
    if assessment.assessed_at > now:
        raise Refused(
            _("%(at)s is after now, %(now)s. Correct the date and time of the assessment.")
            % {"at": long_moment(assessment.assessed_at), "now": long_moment(now)}
        )


def findings_of(seen: Observations, context: Context) -> dict[Scale, Any]:
    """What each scale takes. Raises ImpossibleFinding for a number that cannot be true."""
    return {Scale.CRS: bedside.crs_findings(seen, context), Scale.ICANS: bedside.icans_findings(seen, context)}


def preview(participant: Participant, at: dt.datetime, seen: Observations) -> dict[Scale, Graded]:
    """The grades that these observations would give, nothing saved: for the form while it is typed."""
    context = context_of(participant, at, past_of(participant))
    policy = _policy(participant)
    found = findings_of(bedside.applicable(seen), context)
    return {scale: grade(scale, findings, policy) for scale, findings in found.items()}


def questions_about(participant: Participant, at: dt.datetime, seen: Observations) -> tuple[Reason, ...]:
    """What does not go together in these observations, or with the record, to be asked about before they are saved."""
    given = drugs.given_before(participant, at)
    context = replace(
        context_of(participant, at, past_of(participant)),
        ice_from_age_years=_policy(participant).ice_from_age_years,
        antipyretic_on_record=given.antipyretic,
        anticytokine_on_record=given.anticytokine,
        vasopressor_on_record=given.vasopressor,
    )
    return contradictions.questions(bedside.applicable(seen), context)


@transaction.atomic
def assess_bedside(
    *, assessment: BedsideAssessment, seen: Observations, by: User, now: dt.datetime
) -> BedsideAssessment:
    """Keep what was seen and both grades of it; nothing of it is ever changed.

    A correction points to the assessment that it replaces, and its grades to that one's grades.
    """
    participant = locked(assessment.participant_id)
    seen = bedside.applicable(seen)
    assessment.participant = participant
    check_assessment(assessment, now=now)
    replaced = _replaced(assessment)
    past = past_of(participant, but=[row.pk for row in replaced.values()])
    context = context_of(participant, assessment.assessed_at, past)
    assessment.observations = as_json(seen)
    assessment.created_by, assessment.created_at = by, now
    assessment.save()
    rows = [
        _graded(
            ToxicityAssessment(bedside=assessment, corrects=replaced.get(scale)),
            scale,
            findings,
            participant=participant,
            at=assessment.assessed_at,
            by=by,
            now=now,
        )
        for scale, findings in findings_of(seen, context).items()
    ]
    ToxicityAssessment.objects.bulk_create(rows)
    _follow(participant, past, rows, by=by, now=now)
    return assessment


def locked(pk: int) -> Participant:
    return Participant.objects.select_for_update(of=("self",)).select_related("site").get(pk=pk)


def _replaced(assessment: BedsideAssessment) -> dict[str, ToxicityAssessment]:
    """The grades that a correction replaces, by scale. Raises Refused for one that is replaced or void already."""
    old = assessment.corrects
    if old is None:
        return {}
    _check_replaces(assessment, old)
    return {row.toxicity: row for row in current(old.grades.all())}


def _check_replaces(assessment: Any, old: Any) -> None:
    """Raises Refused for what is replaced or void already, and for somebody else's."""
    if old.is_void or is_replaced(old):
        raise Refused(_("This assessment was corrected already, or is void. Correct the newest one."))
    if old.participant_id != assessment.participant_id:
        raise Refused(_("A correction is about the same participant as the assessment that it corrects."))


def _graded(
    row: ToxicityAssessment,
    scale: Scale,
    findings: Any,
    *,
    participant: Participant,
    at: dt.datetime,
    by: User,
    now: dt.datetime,
) -> ToxicityAssessment:
    """The row with its findings and the grade that the scale gives for them."""
    graded = grade(scale, findings, _policy(participant))
    row.participant, row.assessed_at = participant, at
    row.toxicity, row.scale = scale, graded.scale
    row.findings = as_json(findings)
    row.grade = graded.grade
    row.determinants = "+".join(graded.determinants)
    row.flags = list(graded.flags)
    row.reasons = [{"code": reason.code, "values": dict(reason.values)} for reason in graded.reasons]
    row.created_by, row.created_at = by, now
    return row


@transaction.atomic
def assess(
    *, assessment: ToxicityAssessment, scale: Scale, findings: Any, by: User, now: dt.datetime
) -> ToxicityAssessment:
    """One scale alone: grade the findings and keep both; the row is never changed afterwards."""
    participant = locked(assessment.participant_id)
    check_assessment(assessment, now=now)
    if assessment.corrects is not None:
        _check_replaces(assessment, assessment.corrects)
    past = past_of(participant, but=[assessment.corrects_id] if assessment.corrects_id else [])
    _graded(assessment, scale, findings, participant=participant, at=assessment.assessed_at, by=by, now=now)
    assessment.save()
    if assessment.investigator_grade is not None:
        check_may_judge(participant, by)
        signing.sign(assessment, meaning=Meaning.GRADE, by=by)
    _follow(participant, past, [assessment], by=by, now=now)
    return assessment


def grade_by_infusion(participant: Participant, *, by: User, now: dt.datetime) -> None:
    """Grades that rested on another day of the infusion, or on one that is none: a new row for each that differs.

    An investigator's own grade stands: it was not computed.
    """
    rows = current(ToxicityAssessment.objects.filter(participant=participant, investigator_grade=None))
    day0 = day0_of(participant)

    def known_now(old: ToxicityAssessment, begun: dt.datetime | None) -> Any:
        days = _days_since(day0, old.assessed_at)
        if old.findings.get("days_since_infusion") in (None, days):
            return None
        findings = replace(from_json(FINDINGS[Scale(old.toxicity)], old.findings), days_since_infusion=days)
        return _as_established(findings, begun) if old.toxicity == Scale.CRS else findings

    changed = _grade_as_known(participant, rows, known_now, by=by, now=now)
    if changed:
        grade_anew(participant, changed[0].assessed_at, by=by, now=now)


def _as_established(findings: crs.CrsFindings, begun: dt.datetime | None) -> crs.CrsFindings:
    return replace(findings, crs_established=begun is not None, crs_established_since=begun)


def _grade_as_known(
    participant: Participant,
    rows: QuerySet[ToxicityAssessment],
    known_now: Callable[[ToxicityAssessment, dt.datetime | None], Any],
    *,
    past: Past | None = None,
    by: User,
    now: dt.datetime,
) -> list[ToxicityAssessment]:
    """Put a row in the place of each old one of which other findings are known now: one statement for all of them.

    `known_now` gives them for a row and the beginning of the CRS before it; None where they are as they were.
    """
    past, changed = past or past_of(participant), []
    walk = episode_rules.Walk(past.of(Scale.CRS), joins_within=past.joins_within)
    # What the old grade rested on in words is large, and not looked at.
    for old in rows.defer("reasons", "flags", "determinants").order_by("assessed_at", "id"):
        begun = walk.established_since(old.assessed_at)
        findings = known_now(old, None if begun is None else timezone.localtime(begun))
        if findings is not None:
            changed.append(_anew(old, findings, participant=participant, by=by, now=now))
            if old.toxicity == Scale.CRS:
                walk.regrade(old.pk, changed[-1].final_grade)
    if changed:
        ToxicityAssessment.objects.bulk_create(changed)
        _settle_anew(participant, past, changed, by=by, now=now)
    return changed


def _settle_anew(
    participant: Participant, past: Past, rows: Sequence[ToxicityAssessment], *, by: User, now: dt.datetime
) -> None:
    """As `_settle`, of rows that stand in the place of others. In the order of time: one that is as bad as a later one
    is news as long as that one was not found to be."""
    replaced = {row.corrects_id for row in rows}
    rest = tuple(one for one in past.rows if one[1].source not in replaced)
    _keep_episodes(participant, replace(past, rows=rest).with_(rows), rows, by=by, now=now)
    counting = {seen.source: (toxicity, seen) for toxicity, seen in past.rows}
    for row in rows:
        counting.pop(row.corrects_id or 0)
        others = (seen for toxicity, seen in counting.values() if toxicity == row.toxicity)
        alerts.warn_after(row, others=others, now=now)
        counting[row.pk] = row.toxicity, seen_of(row)
    if stopping.matters(rows):
        stopping.watch(now=now, by=by)


def _anew(
    old: ToxicityAssessment, findings: Any, *, participant: Participant, by: User, now: dt.datetime
) -> ToxicityAssessment:
    """A row in the place of an old one, of what was seen then and is known now."""
    row = ToxicityAssessment(bedside_id=old.bedside_id, corrects=old, note=old.note)
    _graded(row, Scale(old.toxicity), findings, participant=participant, at=old.assessed_at, by=by, now=now)
    row.flags = [*row.flags, crs.GRADED_ANEW]
    return row


# What another grade on the same findings leaves as it was.
KEPT = ("bedside", "toxicity", "scale", "assessed_at", "findings", "grade", "determinants", "flags", "reasons", "note")


@transaction.atomic
def regrade(
    *, assessment: ToxicityAssessment, investigator_grade: int, reason: str, by: User, now: dt.datetime
) -> ToxicityAssessment:
    """An investigator sets another grade on the same findings: a new row that points to the old."""
    participant = locked(assessment.participant_id)
    check_may_judge(participant, by)
    old = ToxicityAssessment.objects.get(pk=assessment.pk)
    if old.is_void or is_replaced(old):
        raise Refused(_("This assessment was corrected already, or is void. Correct the newest one."))
    if not reason.strip():
        raise Refused(_("A grade other than the computed one needs its reason."))
    row = ToxicityAssessment(
        participant=participant,
        corrects=old,
        investigator_grade=investigator_grade,
        investigator_reason=reason,
        created_by=by,
        created_at=now,
        **{name: getattr(old, name) for name in KEPT},
    )
    past = past_of(participant, but=[old.pk])
    row.save()
    signing.sign(row, meaning=Meaning.GRADE, by=by)
    _follow(participant, past, [row], by=by, now=now)
    return row


JUDGE = "safety.regrade_assessment"


def check_may_judge(participant: Participant, by: User) -> None:
    """Raises Refused for a grade of one's own by anybody but an investigator of the site."""
    check_clinical(by, participant.site, permission=JUDGE)
    if not by.has_perm(JUDGE):
        raise Refused(_("Only an investigator sets another grade than the computed one. Ask one to do it."))


def _follow(
    participant: Participant, past: Past, rows: Sequence[ToxicityAssessment], *, by: User, now: dt.datetime
) -> None:
    """Bring the episodes up to date, warn of what is new, and grade anew what rested on it."""
    _settle(participant, past, rows, by=by, now=now)
    since = next((row.assessed_at for row in rows if row.toxicity == Scale.CRS), None)
    if since is not None and any(seen.at > since for seen in past.of(Scale.CRS)):
        grade_anew(participant, since, past=past.with_(rows), by=by, now=now)


def grade_anew(
    participant: Participant, since: dt.datetime, *, past: Past | None = None, by: User, now: dt.datetime
) -> None:
    """CRS grades from this moment on that rested on whether there was CRS before: a new row for each that differs.

    An investigator's own grade stands: it was not computed. A `past` that was read already is not read again.
    """
    later = current(ToxicityAssessment.objects.filter(participant=participant, toxicity=Scale.CRS))
    _grade_as_known(participant, later.filter(assessed_at__gte=since), _crs_before, past=past, by=by, now=now)


def _crs_before(old: ToxicityAssessment, begun: dt.datetime | None) -> crs.CrsFindings | None:
    """None where the row says the same of the CRS before; one that does not tell its beginning tells that it was there.

    None, too, where an investigator has set the grade.
    """
    told = {"crs_established": begun is not None, "crs_established_since": _as_text(begun)}
    is_alike = all(told[name] == old.findings[name] for name in told if name in old.findings)
    if is_alike or old.investigator_grade is not None:
        return None
    return _as_established(from_json(crs.CrsFindings, old.findings), begun)


def _settle(
    participant: Participant, past: Past, rows: Sequence[ToxicityAssessment], *, by: User, now: dt.datetime
) -> None:
    _keep_episodes(participant, past.with_(rows), rows, by=by, now=now)
    # It may be the last thing that its day has asked for.
    wake(TASK)
    for row in rows:
        alerts.warn_after(row, others=past.of(row.toxicity), now=now)
    if stopping.matters(rows):
        stopping.watch(now=now, by=by)


def _keep_episodes(
    participant: Participant, whole: Past, rows: Sequence[ToxicityAssessment], *, by: User, now: dt.datetime
) -> None:
    """Of the scales of these rows; and what they answer is settled, once for both scales, before they are warned of."""
    seen = {Scale(toxicity): whole.of(toxicity) for toxicity in dict.fromkeys(row.toxicity for row in rows)}
    episodes.sync_episodes(participant, seen, by=by, now=now)
    alerts.settle_alerts(participant=participant, now=now)


def as_json(findings: Any) -> dict[str, Any]:
    """Findings as JSON, decimals and moments as text; None stays None: not recorded."""
    return {one.name: _as_text(getattr(findings, one.name)) for one in fields(findings)}


def _as_text(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
