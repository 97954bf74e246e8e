"""Verbs of imports: upload a file, check it, import it whole or not at all, discard it.

Due work is a row: a worker claims the next import under a lease, which it renews with each step of progress and
which guards every write. A worker that is killed leaves a lease that runs out; one that is overtaken finds that
its lease is no longer there, and stops.
"""

import datetime as dt
import hashlib
import logging
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any

import pghistory
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Min, Q, QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from participants import imports
from participants.actions.days import long_date, site_day
from participants.actions.measurements import prepared
from participants.actions.reads import note_reading
from participants.imports import BLOCKING, Answers, Fate, Judged, Known, Layout, Reading, Row, Sheet, Table
from participants.imports.file import Line, quoted
from participants.models import (
    Consent,
    EligibilityConfirmation,
    Examination,
    LaboratoryLayout,
    Measurement,
    MeasurementImport,
    Participant,
    ReadHow,
)
from participants.models.imports import AT_WORK, WITH_CONTENT, ImportState
from trialsite import freetext, questions, signing
from trialsite.exports import timed_name
from trialsite.fieldkeys import Unreadable
from trialsite.identity import seen_by
from trialsite.models import Meaning, Site, User
from trialsite.reading import code_key
from trialsite.refusal import Refused
from trialsite.voiding import Consequences, void_rows
from trialsite.wake import wake

log = logging.getLogger(__name__)

TASK = "participants.tasks.run_imports"
LEASE = dt.timedelta(minutes=2)
# A file that takes its worker down with it must not do so for ever.
MAX_ATTEMPTS = 3
# Megabytes of a row that only its own page or worker reads.
LARGE = ("content", "raw", "fates", "handed_back")
STEP = 200
BATCH = 1000


class Overtaken(Exception):
    """The lease went to another worker, or the import was discarded: nothing more may be written."""


# --- What people do ----------------------------------------------------------------------------------


@transaction.atomic
def upload(*, site: Site, content: bytes, laboratory: str = "", by: User, now: dt.datetime) -> MeasurementImport:
    """Take a file in: to be checked, or to be asked about. Raises Refused, and stores nothing, for what is no table.

    What the person's computer calls it is not taken: it may name somebody.
    """
    imports.check_size(len(content))
    row = MeasurementImport(
        site=site,
        uploaded_by=by,
        uploaded_at=now,
        file_name=f"{timed_name('results', now)}{imports.ending(content)}",
        laboratory=laboratory.strip()[:100],
        sha256=hashlib.sha256(content).hexdigest(),
    )
    if imports.is_ours(content):
        row.content, row.rows_total = imports.inspected(content)
    else:
        _understand(row, imports.read_sheets(content), by=by)
    _refuse_identity(row)
    row.save()
    wake(TASK)
    return row


def _refuse_identity(row: MeasurementImport) -> None:
    """No cell of the table that is kept names its participant. Raises Refused, naming the lines and not the cells."""
    people = {number: one for one in _named(row) for number in imports.numbers_of(one)} if row.content else {}
    found: dict[str, list[str]] = {}

    @cache
    def kinds_in(number: str, text: str) -> frozenset[str]:
        return frozenset(one.kind for one in people[number].identity_in(text) if one.is_certain)

    for line in imports.lines(row.content) if people else ():
        if (number := imports.study_number(line.cells["participant"])) in people:
            for name, text in imports.sayings(line):
                if kinds := kinds_in(number, text) - (set() if name in imports.FREE else {"birth_date"}):
                    found.setdefault(line.place, []).extend(kinds)
    if found:
        raise Refused(_in_lines(found))


def _in_lines(found: dict[str, list[str]]) -> str:
    text = _(
        "Line %(lines)s: %(kinds)s stands there. Nothing of the file was kept. Write “the participant” instead, or "
        "empty the cell, and upload the file again."
    )
    kinds = [kind for kinds in found.values() for kind in kinds]
    return text % {"lines": _(", ").join([*found][:20]), "kinds": freetext.in_words(kinds)}


def _named(row: MeasurementImport) -> list[Participant]:
    """The people of the site whose numbers the file has."""
    given = {imports.study_number(line.cells["participant"]) for line in imports.lines(row.content)}
    people = Participant.objects.filter(site=row.site).order_by("pk")
    return [one for one in people if given & imports.numbers_of(one)]


def _understand(row: MeasurementImport, sheets: list[Sheet], *, by: User) -> None:
    """Put the laboratory's own table into our columns, or keep it for the questions that it leaves open."""
    row.raw, row.rows_total = imports.as_json(sheets), 0
    row.state = ImportState.ASKED
    table = imports.table_of(sheets[0], layout_of(row))
    if len(sheets) == 1 and not imports.questions_of(table).are_open:
        _put_in_our_columns(row, table, Answers(), by=by)


def _put_in_our_columns(row: MeasurementImport, table: Table, answers: Answers, *, by: User) -> None:
    given, matched = Answers(answers.comma, answers.time, row.laboratory), set[Participant]()
    found = imports.written(table, given, _finder(row.site, by, matched))
    note_reading(matched, fields=["hospital_number"], how=ReadHow.LIST, by=by)
    if not found.rows:
        raise Refused(_("There is no result in this table. Choose another sheet, or match its columns another way."))
    if found.rows > imports.MAX_ROWS:
        raise Refused(
            _("The file has %(rows)s results; %(limit)s is the most. Split it into several files.")
            % {"rows": f"{found.rows:,}", "limit": f"{imports.MAX_ROWS:,}"}
        )
    row.content, row.rows_total, row.left_out = found.text, found.rows, found.left_out
    row.state, row.rows_done, row.counts, row.fates, row.error = ImportState.UPLOADED, 0, {}, [], ""


def layout_of(row: MeasurementImport) -> Layout:
    """How files of this laboratory are read at this site, as far as somebody has said so."""
    kept = LaboratoryLayout.objects.filter(site=row.site, laboratory=row.laboratory).first()
    return Layout(**kept.layout) if kept else Layout()


def table_of(row: MeasurementImport, sheet: int = 0) -> tuple[list[str], Table]:
    """The names of the sheets, and the chosen one as it is understood by now. Raises Refused once the table is gone."""
    if not row.raw:
        raise Refused(_("The file's own table is no longer kept. Upload the file again."))
    if isinstance(row.raw, Unreadable):
        raise Refused(_("The file's own table cannot be read any more. Upload the file again."))
    sheets = imports.from_json(row.raw)
    chosen = sheets[min(max(sheet, 0), len(sheets) - 1)]
    return [one.name for one in sheets], imports.table_of(chosen, layout_of(row))


@transaction.atomic
def match(*, row: MeasurementImport, sheet: int, layout: Layout, answers: Answers, by: User, now: dt.datetime) -> None:
    """Say what the columns and tests of a file are, and have it checked; kept for this laboratory. Raises Refused."""
    row = _locked(row)
    if row.state not in (ImportState.ASKED, ImportState.CHECKED):
        raise Refused(_("This import is %(state)s: how it is read can no longer be changed.") % _state(row))
    known = layout_of(row)
    merged = Layout(known.roles | layout.roles, known.tests | layout.tests, known.units | layout.units)
    LaboratoryLayout.objects.update_or_create(
        site=row.site,
        laboratory=row.laboratory,
        defaults={"layout": merged.data(), "saved_by": by, "saved_at": now},
    )
    _names, table = table_of(row, sheet)
    if missing := imports.questions_of(table).missing:
        raise Refused(_("No column is matched to %(missing)s. Match one.") % {"missing": quoted(missing)})
    _put_in_our_columns(row, table, answers, by=by)
    _refuse_identity(row)
    row.save()
    wake(TASK)


def _finder(site: Site, by: User, matched: set[Participant]) -> Callable[[str, str], tuple[str, str]]:
    """From the cells of a row to the participant's number; by hospital number for those who are shown it only.

    Whom a hospital number was matched to is added to `matched`: it tells whose it is.
    """
    sees_identity = "hospital_number" in seen_by(by)
    by_hospital: dict[str, list[Participant]] = {}
    people = Participant.objects.standing().filter(site=site) if sees_identity else []
    for one in people:
        if one.hospital_number and not isinstance(one.hospital_number, Unreadable):
            by_hospital.setdefault(code_key(one.hospital_number), []).append(one)

    def find(number: str, hospital: str) -> tuple[str, str]:
        if study := imports.study_number(number):
            return study, ""
        if not hospital:
            return "", ""
        found = by_hospital.get(code_key(hospital), [])
        matched.update(found)
        return (found[0].screening_number, "") if len(found) == 1 else ("", _why_nobody(len(found), sees_identity))

    return find


def _why_nobody(count: int, sees_identity: bool) -> str:
    """What is wrong with a hospital number, which is never repeated."""
    if not sees_identity:
        return _("Hospital numbers are read for those who may see identity only. Write the participant's number.")
    if count:
        return _("The hospital number of this row belongs to several participants. Write the number of the one meant.")
    return _("The hospital number of this row belongs to no participant of this site. Write the participant's number.")


@transaction.atomic
def import_now(
    *, row: MeasurementImport, accept_unusual: bool, is_partial: bool = False, by: User, now: dt.datetime
) -> None:
    """Ask for a checked file to be written: whole, or the good rows of it. Raises Refused while anything objects."""
    row = _locked(row)
    if row.state != ImportState.CHECKED:
        raise Refused(_("This import is %(state)s. Only a checked one can be imported.") % _state(row))
    if reason := imports.why_not(row.counts, accept_unusual=accept_unusual, is_partial=is_partial):
        raise Refused(reason)
    row.is_partial = is_partial
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


def consequences(row: MeasurementImport) -> Consequences:
    """What a void of the whole import takes out of the count, and who rests on it."""
    if row.state != ImportState.IMPORTED:
        return Consequences()
    results, examinations = brought(row), _emptied(row)
    numbers = sorted({one.participant.number for one in results.select_related("participant")})
    values = {"results": results.count(), "examinations": examinations.count(), "people": _(", ").join(numbers)}
    follows = [
        _("%(results)s results and %(examinations)s examinations of %(people)s no longer count.") % values,
        _("The file may be corrected and imported again."),
    ]
    if changed := results.filter(modified_at__gt=row.finished_at).count():
        follows.append(
            _("%(count)s of these results were corrected by hand since; the corrections go too.") % {"count": changed}
        )
    confirmed = _confirmations_on(set(results.values_list("pk", flat=True)))
    return Consequences(tuple(follows), (*confirmed, *questions.rests_on(row)))


@transaction.atomic
def void_import(*, row: MeasurementImport, reason: str, by: User, now: dt.datetime) -> None:
    """Take all that an import brought out of the count, in one act and with one reason. Raises Refused."""
    row = _locked(row)
    if row.state != ImportState.IMPORTED:
        raise Refused(_("This import is %(state)s: it brought nothing that could be voided.") % _state(row))
    results = brought(row)
    # This comes before, or after, an enrolment that reads the same facts.
    people = set(results.values_list("participant", flat=True))
    list(Participant.objects.filter(pk__in=people).order_by("pk").select_for_update().values_list("pk"))
    emptied = list(_emptied(row))
    for rows in (list(results), emptied):
        void_rows(rows, reason=reason, by=by, now=now)
    row.state, row.voided_at, row.voided_by, row.void_reason = ImportState.VOIDED, now, by, reason
    row.save()
    signing.sign(row, meaning=Meaning.VOID, by=by)
    log.info("import %s: voided", row.pk)


def brought(row: MeasurementImport) -> QuerySet[Measurement]:
    """The results that an import brought and that still count; those that joined an older examination too."""
    with_it = Q(examination__import_number=row.pk, import_number__isnull=True, created_at=F("examination__created_at"))
    found = Measurement.objects.standing()
    return found.filter(Q(import_number=row.pk) | with_it)


def _emptied(row: MeasurementImport) -> QuerySet[Examination]:
    """The import's own examinations in which nothing of others is left: what somebody added by hand stays."""
    of_others = (
        Measurement.objects.standing()
        .filter(examination__import_number=row.pk)
        .exclude(pk__in=brought(row).values("pk"))
    )
    mine = Examination.objects.standing().filter(import_number=row.pk)
    return mine.exclude(pk__in=of_others.values("examination"))


def _confirmations_on(results: Collection[int]) -> Sequence[str]:
    people = Measurement.objects.filter(pk__in=results).values("participant")
    rows = EligibilityConfirmation.objects.standing().filter(participant__in=people)
    text = _("The eligibility of %(number)s was confirmed on %(day)s on results of this import.")
    return [
        text % {"number": one.participant.number, "day": long_date(site_day(one.created_at))}
        for one in rows.select_related("participant").order_by("pk")
        if not _facts_of(one).isdisjoint(results)
    ]


def _facts_of(confirmation: EligibilityConfirmation) -> set[int]:
    """The results that a signed snapshot names."""
    return {int(found) for found in re.findall(r'"measurement": ?(\d+)', confirmation.snapshot)}


def _locked(row: MeasurementImport) -> MeasurementImport:
    """The row as it is now, for us alone; while a worker writes it, nobody waits for that."""
    rows = MeasurementImport.objects.select_for_update(skip_locked=True).defer(*LARGE)
    found = rows.filter(pk=row.pk).first()
    if found is None:
        raise Refused(_("A worker is writing this import just now. Wait a moment and look again."))
    return found


def _state(row: MeasurementImport) -> dict[str, str]:
    return {"state": row.get_state_display()}


def _end(row: MeasurementImport, state: ImportState, *, now: dt.datetime, error: str = "") -> None:
    row.state, row.error, row.finished_at, row.lease_until = state, error, now, None
    row.content, row.raw = "", ""
    row.save()


def earlier(row: MeasurementImport) -> list[MeasurementImport]:
    """Imports of the very same file at this site, newest first."""
    same = MeasurementImport.objects.filter(site=row.site, sha256=row.sha256).exclude(pk=row.pk)
    return list(same.defer(*LARGE).select_related("uploaded_by"))


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
        due = due.defer("fates", "raw", "handed_back").select_related("site", "uploaded_by", "decided_by")
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
    ended = {"state": ImportState.FAILED, "content": "", "raw": "", "lease_until": None, "finished_at": timezone.now()}
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
        is_stopped = is_stopped or (not row.is_partial and any(one.fate in BLOCKING for one in judged))
        if not is_stopped:
            _save(row, judged, examinations, by=by, now=now)
    counts = imports.counted(entries)
    if is_stopped or imports.why_not(counts, accept_unusual=row.accept_unusual, is_partial=row.is_partial):
        raise _Stopped(entries)
    _hand_back(row, entries)
    row.rows_done, row.fates, row.counts = len(entries), entries, counts
    _end(row, ImportState.IMPORTED, now=timezone.now())
    log.info("import %s: imported, %s rows", row.pk, len(entries))
    return "imported"


def _hand_back(row: MeasurementImport, entries: list[dict[str, Any]]) -> None:
    """Keep the rows that were not taken, and mark them; there are some only in a partial import."""
    fine = {Fate.THERE, *imports.taken(row.accept_unusual)}
    back = [entry for entry in entries if entry["fate"] not in fine]
    for entry in back:
        entry["is_back"] = True
    row.handed_back = imports.kept_rows(row.content, {entry["line"] for entry in back}) if back else ""


# --- Judging rows, some hundred at a time ------------------------------------------------------------


def _judged(
    row: MeasurementImport, size: int, *, now: dt.datetime, for_update: bool = False
) -> Iterator[Sequence[Judged]]:
    """The rows of the file with their fates, in steps; three queries at the start and one a step."""
    known = _known(row, for_update=for_update)
    first_lines: dict[Any, Line] = {}
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
    fates = imports.taken(row.accept_unusual)
    new = [one.reading for one in judged if one.reading and one.fate in fates]
    _find_or_make(row, [one for one in new if one.group not in examinations], examinations, by=by, now=now)
    answers: list[Measurement] = []
    for one in new:
        one.answer.import_number = row.pk
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
    beside = examination.is_fasting, examination.laboratory, examination.is_study_procedure
    return *beside, examination.is_time_assumed


def _examination(row: MeasurementImport, one: Reading, *, by: User, now: dt.datetime) -> Examination:
    return Examination(
        participant=one.participant,
        panel=one.panel,
        taken_at=one.taken_at,
        is_fasting=one.is_fasting,
        laboratory=one.laboratory,
        is_study_procedure=one.is_study_procedure,
        is_time_assumed=one.is_time_assumed,
        import_number=row.pk,
        created_by=by,
        created_at=now,
    )
