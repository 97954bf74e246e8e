"""Verbs of imports: upload a file, check it, import it whole or not at all, discard it.

Due work is a row: a worker claims the next import under a lease, which it renews with each step of progress and
which guards every write. A worker that is killed leaves a lease that runs out; one that is overtaken finds that
its lease is no longer there, and stops.
"""

import datetime as dt
import hashlib
import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import pghistory
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Min, Q
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from participants import imports
from participants.actions.measurements import prepared
from participants.imports import BLOCKING, Fate, Judged, Known, Reading, Row
from participants.models import Consent, Examination, Measurement, MeasurementImport, Participant
from participants.models.imports import AT_WORK, WITH_CONTENT, ImportState
from trialsite.models import Site, User
from trialsite.refusal import Refused
from trialsite.wake import wake

log = logging.getLogger(__name__)

TASK = "participants.tasks.run_imports"
LEASE = dt.timedelta(minutes=2)
# A file that takes its worker down with it must not do so for ever.
MAX_ATTEMPTS = 3
STEP = 200
BATCH = 1000


class Overtaken(Exception):
    """The lease went to another worker, or the import was discarded: nothing more may be written."""


# --- What people do ----------------------------------------------------------------------------------


@transaction.atomic
def upload(*, site: Site, file_name: str, content: bytes, by: User, now: dt.datetime) -> MeasurementImport:
    """Take a file in to be checked. Raises Refused, and stores nothing, for what is no file of results."""
    text, rows = imports.inspected(content)
    row = MeasurementImport.objects.create(
        site=site,
        uploaded_by=by,
        uploaded_at=now,
        file_name=file_name[-80:],
        sha256=hashlib.sha256(content).hexdigest(),
        content=text,
        rows_total=rows,
    )
    wake(TASK)
    return row


@transaction.atomic
def import_now(*, row: MeasurementImport, accept_unusual: bool, by: User, now: dt.datetime) -> None:
    """Ask for a checked file to be written. Raises Refused while anything speaks against it."""
    row = _locked(row)
    if row.state != ImportState.CHECKED:
        raise Refused(_("This import is %(state)s. Only a checked one can be imported.") % _state(row))
    if reason := imports.why_not(row.counts, accept_unusual=accept_unusual):
        raise Refused(reason)
    row.state, row.accept_unusual, row.decided_by, row.decided_at = ImportState.IMPORTING, accept_unusual, by, now
    row.attempts, row.rows_done, row.error = 0, 0, ""
    row.save()
    wake(TASK)


@transaction.atomic
def discard(*, row: MeasurementImport, by: User, now: dt.datetime) -> None:
    """End an import without writing anything; its content goes, its hash, counts and fates stay. Raises Refused."""
    row = _locked(row)
    if row.state not in WITH_CONTENT or row.state == ImportState.IMPORTING:
        raise Refused(_("This import is %(state)s: there is nothing to discard.") % _state(row))
    row.decided_by, row.decided_at = by, now
    _end(row, ImportState.DISCARDED, now=now)


def _locked(row: MeasurementImport) -> MeasurementImport:
    """The row as it is now, for us alone; while a worker writes it, nobody waits for that."""
    rows = MeasurementImport.objects.select_for_update(skip_locked=True).defer("content", "fates")
    found = rows.filter(pk=row.pk).first()
    if found is None:
        raise Refused(_("A worker is writing this import just now. Wait a moment and look again."))
    return found


def _state(row: MeasurementImport) -> dict[str, str]:
    return {"state": row.get_state_display()}


def _end(row: MeasurementImport, state: ImportState, *, now: dt.datetime, error: str = "") -> None:
    row.state, row.error, row.finished_at, row.lease_until, row.content = state, error, now, None, ""
    row.save()


def earlier(row: MeasurementImport) -> list[MeasurementImport]:
    """Imports of the very same file at this site, newest first."""
    same = MeasurementImport.objects.filter(site=row.site, sha256=row.sha256).exclude(pk=row.pk)
    return list(same.defer("content", "fates").select_related("uploaded_by"))


# --- What a worker does ------------------------------------------------------------------------------


def run_next(*, now: dt.datetime) -> str:
    """Take the next import one step on: checked, imported, stopped, failed or overtaken; "" when none is due."""
    row = _claim()
    if row is None:
        return ""
    if row.attempts > MAX_ATTEMPTS:
        return _fail(row, "stopped in the middle too often")
    with translation.override((row.decided_by or row.uploaded_by).language):
        try:
            return _check(row, now=now) if row.state == ImportState.CHECKING else _import(row, now=now)
        except Overtaken:
            return "overtaken"
        except (OperationalError, InterfaceError):
            raise  # the database is away, which is not the file's fault: the lease runs out, and it is tried again
        except Exception as error:
            # The text of the error could quote a cell.
            return _fail(row, type(error).__name__)


def _claim() -> MeasurementImport | None:
    """Take the next due import under a lease, committed before anything is read."""
    now = timezone.now()
    left = Q(state__in=AT_WORK) & (Q(lease_until__isnull=True) | Q(lease_until__lt=now))
    with transaction.atomic():
        due = MeasurementImport.objects.select_for_update(skip_locked=True, of=("self",))
        due = due.defer("fates").select_related("site", "uploaded_by", "decided_by")
        # What nobody has tried yet goes before what a worker was lost with.
        due = due.order_by(F("lease_until").asc(nulls_first=True), "id")
        row = due.filter(Q(state=ImportState.UPLOADED) | left).first()
        if row is not None:
            row.state = ImportState.CHECKING if row.state == ImportState.UPLOADED else row.state
            row.lease_until, row.attempts = now + LEASE, row.attempts + 1
            row.save(update_fields=["state", "lease_until", "attempts"])
    return row


def _write(row: MeasurementImport, **values: Any) -> None:
    """Write to our import, as long as it is ours. Raises Overtaken."""
    ours = MeasurementImport.objects.filter(pk=row.pk, state=row.state, lease_until=row.lease_until)
    if not ours.update(**values):
        raise Overtaken
    for name, value in values.items():
        setattr(row, name, value)


def _fail(row: MeasurementImport, error: str) -> str:
    log.error("import %s: %s", row.pk, error)
    ended = {"state": ImportState.FAILED, "content": "", "lease_until": None, "finished_at": timezone.now()}
    try:
        _write(row, **ended, error=error)
    except Overtaken:
        return "overtaken"
    return "failed"


def _check(row: MeasurementImport, *, now: dt.datetime) -> str:
    """Decide each row's fate and keep them; progress is written, and the lease renewed, with every step."""
    entries: list[dict[str, Any]] = []
    for judged in _judged(row, STEP, now=now):
        entries += [one.entry() for one in judged]
        _write(row, rows_done=len(entries), lease_until=timezone.now() + LEASE)
    _put(row, entries)
    log.info("import %s: checked, %s rows", row.pk, len(entries))
    return "checked"


def _put(row: MeasurementImport, entries: list[dict[str, Any]], **more: Any) -> None:
    """Checked: a person decides what comes next."""
    _write(
        row,
        state=ImportState.CHECKED,
        lease_until=None,
        attempts=0,
        rows_done=len(entries),
        fates=entries,
        counts=imports.counted(entries),
        **more,
    )


class _Stopped(Exception):
    """Something speaks against a row by now: the fates of all rows, to be shown."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self.entries = entries


def _import(row: MeasurementImport, *, now: dt.datetime) -> str:
    """Write every new row in one transaction, or none."""
    assert row.decided_by is not None
    reason = _("Import %(number)s") % {"number": row.pk}
    try:
        with (
            pghistory.context(user=row.decided_by.pk, username=row.decided_by.username, reason=reason),
            transaction.atomic(),
        ):
            return _import_all(row, row.decided_by, now=now)
    except _Stopped as stopped:
        text = _("Nothing was imported: since the check, something changed. Look at the rows below again.")
        _put(row, stopped.entries, error=text, accept_unusual=False, decided_by=None, decided_at=None)
        return "stopped"


def _import_all(row: MeasurementImport, by: User, *, now: dt.datetime) -> str:
    # As long as this lock lasts, no other worker takes the import up, even when its lease runs out.
    ours = MeasurementImport.objects.select_for_update().filter(
        pk=row.pk, state=ImportState.IMPORTING, lease_until=row.lease_until
    )
    if not list(ours.values_list("pk")):
        raise Overtaken
    entries: list[dict[str, Any]] = []
    examinations: dict[tuple[Any, ...], Examination] = {}
    is_stopped = False
    for judged in _judged(row, BATCH, now=now, for_update=True):
        entries += [one.entry() for one in judged]
        is_stopped = is_stopped or any(one.fate in BLOCKING for one in judged)
        if not is_stopped:
            _save(row, judged, examinations, by=by, now=now)
    if is_stopped or imports.why_not(imports.counted(entries), accept_unusual=row.accept_unusual):
        raise _Stopped(entries)
    row.rows_done, row.fates, row.counts = len(entries), entries, imports.counted(entries)
    _end(row, ImportState.IMPORTED, now=timezone.now())
    log.info("import %s: imported, %s rows", row.pk, len(entries))
    return "imported"


# --- Judging rows, some hundred at a time ------------------------------------------------------------


def _judged(
    row: MeasurementImport, size: int, *, now: dt.datetime, for_update: bool = False
) -> Iterator[Sequence[Judged]]:
    """The rows of the file with their fates, in steps; three queries at the start and one a step."""
    known = _known(row, for_update=for_update)
    first_lines: dict[Any, int] = {}
    found = imports.lines(row.content)
    while step := list(islice(found, size)):
        rows = [Row(line, *imports.understood(line.cells, known)) for line in step]
        known.recorded = _recorded([one.reading for one in rows if one.reading])
        yield [imports.judged(one, known, first_lines, now=now) for one in rows]


def _known(row: MeasurementImport, *, for_update: bool) -> Known:
    """The file's participants by each of their numbers, and when they first consented."""
    given = {imports.study_number(line.cells["participant"]) for line in imports.lines(row.content)}
    people = Participant.objects.filter(site=row.site).order_by("pk")
    people = people.only("screening_number", "participant_number", "birth_date", "voided_at", "site_id")
    named = [one.pk for one in people if given & imports.numbers_of(one)]
    people = people.filter(pk__in=named)
    if for_update:
        # This comes before, or after, an enrolment or a single entry that reads or writes the same facts.
        people = people.select_for_update()
    consents = Consent.objects.standing().filter(participant__in=named)
    by_number = {number: one for one in people for number in imports.numbers_of(one)}
    first = consents.order_by().values_list("participant").annotate(first=Min("consented_at"))
    return Known(by_number, dict(first), row.site)


def _recorded(readings: Sequence[Reading]) -> dict[tuple[int, str, dt.datetime], list[Measurement]]:
    """What counts already for these participants, measures and moments."""
    found: dict[tuple[int, str, dt.datetime], list[Measurement]] = {}
    rows = Measurement.objects.standing().filter(
        participant__in={one.participant.pk for one in readings},
        code__in={one.code for one in readings},
        taken_at__in={one.taken_at for one in readings},
    )
    for one in rows.order_by("pk"):
        found.setdefault((one.participant_id, one.code, one.taken_at), []).append(one)
    return found


# --- Writing them ------------------------------------------------------------------------------------


def _save(
    row: MeasurementImport,
    judged: Sequence[Judged],
    examinations: dict[tuple[Any, ...], Examination],
    *,
    by: User,
    now: dt.datetime,
) -> None:
    """Write the rows that are not there yet; `examinations` gathers those of the whole file, found or made."""
    new = [one.reading for one in judged if one.reading and one.fate in (Fate.NEW, Fate.UNUSUAL)]
    _find_or_make(row, [one for one in new if one.group not in examinations], examinations, by=by, now=now)
    answers: list[Measurement] = []
    for one in new:
        answers += prepared(examinations[one.group], [one.answer], by=by, now=now)
    Measurement.objects.bulk_create(answers, batch_size=BATCH)


def _find_or_make(
    row: MeasurementImport,
    readings: Sequence[Reading],
    examinations: dict[tuple[Any, ...], Examination],
    *,
    by: User,
    now: dt.datetime,
) -> None:
    there = _there(row, readings)
    made: dict[tuple[Any, ...], Examination] = {}
    for one in readings:
        if one.group in examinations or one.group in made:
            continue
        if twins := there.get(one.group[:3]):
            # The one that says the same beside its answers, else the oldest: results join it, and it has no twin.
            examination = next((twin for twin in twins if _beside(twin) == one.group[3:]), twins[0])
            examination.participant = one.participant
            examinations[one.group] = examination
        else:
            made[one.group] = _examination(row, one, by=by, now=now)
    Examination.objects.bulk_create(made.values(), batch_size=BATCH)
    examinations |= made


def _there(row: MeasurementImport, readings: Sequence[Reading]) -> dict[tuple[Any, ...], list[Examination]]:
    """Examinations of these participants, panels and moments that were there before this import."""
    found: dict[tuple[Any, ...], list[Examination]] = {}
    rows = (
        Examination.objects.standing()
        .filter(
            participant__in={one.participant.pk for one in readings},
            panel__in={one.panel for one in readings},
            taken_at__in={one.taken_at for one in readings},
        )
        .exclude(import_number=row.pk)
    )
    for one in rows.order_by("pk"):
        found.setdefault((one.participant_id, one.panel, one.taken_at), []).append(one)
    return found


def _beside(examination: Examination) -> tuple[Any, ...]:
    return examination.is_fasting, examination.laboratory, examination.is_study_procedure


def _examination(row: MeasurementImport, one: Reading, *, by: User, now: dt.datetime) -> Examination:
    return Examination(
        participant=one.participant,
        panel=one.panel,
        taken_at=one.taken_at,
        is_fasting=one.is_fasting,
        laboratory=one.laboratory,
        is_study_procedure=one.is_study_procedure,
        import_number=row.pk,
        created_by=by,
        created_at=now,
    )
