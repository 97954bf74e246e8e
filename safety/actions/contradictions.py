"""Verbs of the consistency checks: find what disagrees, keep the findings in step with the data, close one by hand."""

import datetime as dt
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping

from django.db import connection, transaction
from django.db.models import CharField, F, QuerySet, Value
from django.utils import timezone
from django.utils.translation import gettext as _

from participants.actions import long_moment
from participants.models import Participant
from safety.checks import CHECKS, Check, Found, Scope, label_of, looking_at
from safety.models import ClosedHow, DataFinding
from trialsite import changes, sweeps
from trialsite.models import Record, SweepRun, User
from trialsite.refusal import Refused

TASK = "safety.tasks.sweep_findings"
SWEEP, NIGHTLY = "data-findings", "data-findings-nightly"
# The whole record is looked at once a day, after this hour of the site's time.
NIGHT_HOUR = 2
SEEN_UNTIL = "seen until"
LOCK = 7249405
CLOSED = ("closed_at", "closed_how", "closed_by", "close_reason")


# --- When ---------------------------------------------------------------------------------------------


def sweep_findings(*, now: dt.datetime) -> dict[str, int]:
    """The whole record once a night, else whoever has changed since the last time; counts by outcome.

    What was changed is read from the rows themselves, so that no way of saving is missed, and nothing is lost with
    the broker. Running it twice or beside itself is harmless.
    """
    until = changes.horizon()
    if _is_night_due(now):
        counts = find_contradictions(now=now)
        sweeps.record_run(NIGHTLY, counts=counts, now=now)
    else:
        counts = look_again(since=_seen_until() - changes.OVERLAP, now=now)
    return {**counts, SEEN_UNTIL: int(until.timestamp())}


def _is_night_due(now: dt.datetime) -> bool:
    """Whether nobody has looked at everything since the last night began; after days of silence it is due at once."""
    night = timezone.localtime(now).replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    night -= dt.timedelta(days=1) if night > now else dt.timedelta()
    runs = {run.name: run for run in SweepRun.objects.filter(name__in=[SWEEP, NIGHTLY])}
    return NIGHTLY not in runs or SWEEP not in runs or runs[NIGHTLY].finished_at < night


def _seen_until() -> dt.datetime:
    return dt.datetime.fromtimestamp(SweepRun.objects.get(name=SWEEP).counts.get(SEEN_UNTIL, 0), dt.UTC)


def look_again(*, since: dt.datetime, now: dt.datetime) -> dict[str, int]:
    """Each check, over those participants of whom a row at which it looks was changed since then."""
    changed = _changed(since)
    counts = Counter[str]()
    for one in looking_at(changed):
        whose = set[int]().union(*(changed.get(label_of(model), ()) for model in one.looks_at))
        counts += _keep_in_step(one, Participant.objects.standing().filter(pk__in=whose), now=now)
    return _counted(counts)


def _changed(since: dt.datetime) -> dict[str, set[int]]:
    """By the label of a model, the participants of whom a row was written, voided ones included."""
    models = {label_of(model): model for one in CHECKS.values() for model in one.looks_at}
    first, *others = (_written(label, model, since) for label, model in sorted(models.items()))
    found: dict[str, set[int]] = {}
    for label, participant in first.union(*others, all=True):
        found.setdefault(label, set()).add(participant)
    return found


def _written(label: str, model: type[Record], since: dt.datetime) -> QuerySet[Record, tuple[str, int]]:
    rows = model._default_manager.filter(modified_at__gte=since).order_by()
    path = max(model.part_of, key=len, default="pk")
    return rows.values_list(Value(label, output_field=CharField()), F(path)).distinct()  # type: ignore[misc]


# --- What ---------------------------------------------------------------------------------------------


def find_contradictions(*, codes: Iterable[str] = (), now: dt.datetime) -> dict[str, int]:
    """Every check, or those that are named, over all participants; counts by outcome."""
    counts = Counter[str]()
    for one in [CHECKS[code] for code in codes] or CHECKS.values():
        counts += _keep_in_step(one, Participant.objects.standing(), now=now)
    return _counted(counts)


def _counted(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: counts.get(name, 0) for name in ("opened", "closed", "failed")}


def _keep_in_step(check: Check, people: QuerySet[Participant], *, now: dt.datetime) -> Counter[str]:
    """The findings of one check as the data show them; a check that fails changes nothing, and others go on."""
    try:
        with transaction.atomic():
            return _in_step(check, people, now=now)
    except Exception as error:  # whatever it is: the other checks go on, and this is counted
        sweeps.note_broken(f"consistency check {check.code}", error)
        return Counter(failed=1)


def _in_step(check: Check, people: QuerySet[Participant], *, now: dt.datetime) -> Counter[str]:
    _one_after_the_other(check)
    seen, failed = _run(check, people, now)
    rows = DataFinding.objects.present().filter(code=check.code, participant__in=people)
    known = {row.key: row for row in rows.exclude(participant__in=failed)}
    gone = [row for key, row in known.items() if key not in seen or _was_closed_of_other_facts(row, seen[key])]
    stays = {row.key for row in known.values()} - {row.key for row in gone}
    opened = _open(check, [one for key, one in seen.items() if key not in stays], gone=gone, now=now)
    _bring_up_to_date([(known[key], seen[key]) for key in stays])
    return Counter(opened=opened, closed=sum(row.closed_at is None for row in gone), failed=len(failed))


def _one_after_the_other(check: Check) -> None:
    """What another run read before must not undo what this one reads now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, zlib.crc32(check.code.encode()) - 2**31])


def _run(
    check: Check, people: QuerySet[Participant], now: dt.datetime
) -> tuple[dict[tuple[str, str, int], Found], set[int]]:
    """What it finds by key, and of whom it cannot say: where it fails, each participant is looked at alone."""
    try:
        with transaction.atomic():
            return _by_key(check, check.find(Scope(people, now))), set()
    except Exception:  # told below, of each participant at whom it fails
        return _run_alone(check, people, now)


def _run_alone(
    check: Check, people: QuerySet[Participant], now: dt.datetime
) -> tuple[dict[tuple[str, str, int], Found], set[int]]:
    seen, failed = {}, set[int]()
    for pk in people.order_by("pk").values_list("pk", flat=True):
        try:
            with transaction.atomic():
                seen.update(_by_key(check, check.find(Scope(people.filter(pk=pk), now))))
        except Exception as error:  # its text may hold what was recorded; its kind does not
            sweeps.note_broken(f"consistency check {check.code} of participant:{pk}", error)
            failed.add(pk)
    return seen, failed


def _by_key(check: Check, found: Iterable[Found]) -> dict[tuple[str, str, int], Found]:
    return {(check.code, one.row_model, one.row_id): one for one in found}


def _was_closed_of_other_facts(row: DataFinding, found: Found) -> bool:
    """A person said why it is right as it was; it is another thing now."""
    return row.closed_at is not None and row.facts != found.facts


def _open(check: Check, found: list[Found], *, gone: list[DataFinding], now: dt.datetime) -> int:
    """First what is gone leaves its place, then what is new takes one."""
    still_open = [row.pk for row in gone if row.closed_at is None]
    DataFinding.objects.filter(pk__in=still_open).update(closed_at=now, closed_how=ClosedHow.DATA, gone_at=now)
    DataFinding.objects.filter(pk__in={row.pk for row in gone} - set(still_open)).update(gone_at=now)
    owners = {one.participant for one in found}
    by = dict(Participant.objects.filter(pk__in=owners).order_by().values_list("pk", "created_by")) if owners else {}
    rows = [
        DataFinding(
            participant_id=one.participant,
            code=check.code,
            row_model=one.row_model,
            row_id=one.row_id,
            facts=one.facts,
            found_at=now,
            # Nobody recorded it: as with alerts, the row names who recorded the participant.
            created_by_id=by[one.participant],
            created_at=now,
        )
        for one in found
    ]
    DataFinding.objects.bulk_create(rows)
    return len(rows)


def _bring_up_to_date(pairs: Iterable[tuple[DataFinding, Found]]) -> None:
    """An open finding tells what disagrees now."""
    changed = []
    for row, found in pairs:
        if row.facts != found.facts:
            row.facts = found.facts
            changed.append(row)
    DataFinding.objects.bulk_update(changed, ["facts"])


# --- By hand ------------------------------------------------------------------------------------------


def _locked(finding: DataFinding) -> DataFinding:
    return DataFinding.objects.select_for_update(of=("self",)).select_related("participant").get(pk=finding.pk)


@transaction.atomic
def close_finding(*, finding: DataFinding, reason: str, by: User, now: dt.datetime) -> DataFinding:
    """It is right as it stands, and why. Raises Refused without a reason, or for one that is closed."""
    finding = _locked(finding)
    if finding.closed_at is not None:
        raise Refused(
            _("It was closed on %(at)s already; nothing was changed.") % {"at": long_moment(finding.closed_at)}
        )
    if not reason.strip():
        raise Refused(_("Say why it is right as it stands; or correct what disagrees, and it closes by itself."))
    finding.closed_at, finding.closed_how, finding.closed_by = now, ClosedHow.PERSON, by
    finding.close_reason = reason.strip()
    finding.save(update_fields=CLOSED)
    return finding


@transaction.atomic
def reopen_finding(*, finding: DataFinding, by: User, now: dt.datetime) -> DataFinding:
    """It was closed by mistake. Raises Refused for one that is open, or that the data do not show any more."""
    finding = _locked(finding)
    if finding.closed_at is None or finding.gone_at is not None:
        raise Refused(_("Only what a person has closed, and the data still show, is opened again."))
    finding.closed_at, finding.closed_how, finding.closed_by, finding.close_reason = None, "", None, ""
    finding.save(update_fields=CLOSED)
    return finding
