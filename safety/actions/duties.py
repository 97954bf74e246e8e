"""Verbs of reporting duties: renew what is owed, record what was sent, acknowledge, remind."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePath

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext as _

from participants.actions import long_moment
from safety.actions.calls import TOLD, people_of
from safety.actions.clocks import clocks_of
from safety.actions.reportfacts import facts_of
from safety.dutywords import countdown, recipient_name, why_in_words
from safety.models import AdverseEvent, ClosedBecause, ReportingDuty, Submission, SubmissionFile
from safety.rules import reporting
from safety.rules.reporting import Duty, Stage
from trialsite import notifications, sweeps
from trialsite.models import Notification, Site, Urgency, User
from trialsite.refusal import Refused
from trialsite.roles import Role
from trialsite.study import Protocol, get_study
from trialsite.voiding import void


def protocol_of(event: AdverseEvent) -> Protocol:
    return get_study().protocol(event.participant.protocol_version)


def open_duties() -> QuerySet[ReportingDuty]:
    """Neither met nor pointless; the first that is due comes first."""
    rows = ReportingDuty.objects.standing().filter(met_by__isnull=True, closed_at__isnull=True)
    return rows.select_related("event__participant__site").order_by("due_at", "id")


def next_due() -> Subquery:
    """As a column of a query for events: by when the next report is due about which somebody is called."""
    rows = open_duties().filter(event=OuterRef("pk"), is_alarming=True)
    return Subquery(rows.values("due_at")[:1])


# --- What is owed ------------------------------------------------------------------------------------


# Inside the transaction of what changed: a failure here takes the change back, too.
@transaction.atomic(savepoint=False)
def renew(event: AdverseEvent, *, by: User, now: dt.datetime) -> list[ReportingDuty]:
    """Let the event's duties say what is owed by what is known now; the new ones. A second time it changes nothing.

    What is owed no longer is closed with its reason; what was sent stays as it is.
    """
    stored = AdverseEvent.objects.select_for_update(of=("self",)).select_related("participant").get(pk=event.pk)
    protocol, facts = protocol_of(stored), facts_of(stored)
    wanted = reporting.duties(facts, clocks_of(protocol))
    rows = list(ReportingDuty.objects.standing().filter(event=stored).select_related("met_by"))
    kept = {one.name: row for one in wanted if (row := _standing_for(one, rows)) is not None}
    for one in wanted:
        if one.name in kept:
            _refresh(kept[one.name], one)
    for row in rows:
        if row.is_open and row.pk not in {one.pk for one in kept.values()}:
            _close(row, ClosedBecause(_cause(row, wanted, facts)), now=now)
    return [_owe(stored, one, protocol.regime.code, by=by, now=now) for one in wanted if one.name not in kept]


def _standing_for(duty: Duty, rows: Iterable[ReportingDuty]) -> ReportingDuty | None:
    """The row of this duty: what was sent counts also where the clock would start elsewhere by now."""
    same = [row for row in rows if row.name == duty.name]
    met = [row for row in same if row.met_by_id is not None]
    exact = [row for row in same if row.counted_from == duty.counted_from and row.due_at == duty.due_at]
    return next(iter([*met, *exact]), None)


def _cause(row: ReportingDuty, wanted: Iterable[Duty], facts: reporting.Facts) -> str:
    is_replaced = any(one.name == row.name for one in wanted)
    return reporting.WhyNot.REPLACED if is_replaced else reporting.why_not(facts)


def _refresh(row: ReportingDuty, duty: Duty) -> None:
    """Its reasons as they are now; what was not needed for a while is needed again."""
    why = [one.value for one in duty.why]
    if row.why != why or row.closed_at is not None:
        row.why, row.closed_at, row.closed_because = why, None, ""
        row.save(update_fields=["why", "closed_at", "closed_because"])


def _close(row: ReportingDuty, because: ClosedBecause, *, now: dt.datetime) -> None:
    row.closed_at, row.closed_because = now, because
    row.save(update_fields=["closed_at", "closed_because"])
    _withdraw(row, now=now)


def _owe(event: AdverseEvent, duty: Duty, regime: str, *, by: User, now: dt.datetime) -> ReportingDuty:
    return ReportingDuty.objects.create(
        event=event,
        regime=regime,
        clock=duty.clock,
        recipient=duty.recipient,
        kind=duty.kind.value,
        trigger=duty.trigger,
        why=[one.value for one in duty.why],
        counted_from=duty.counted_from,
        due_at=duty.due_at,
        is_alarming=duty.alarms,
        created_by=by,
        created_at=now,
    )


# --- What was sent -----------------------------------------------------------------------------------

MAX_BYTES = 20 * 1024 * 1024
# What a report is made as, by the end of its name.
FORMATS = {
    ".pdf": "application/pdf",
    ".xml": "application/xml",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".eml": "message/rfc822",
    ".zip": "application/zip",
}


@dataclass(frozen=True)
class Report:
    """A file as it was sent; of its name only the end is kept. `code` is what it is, where it was made here."""

    name: str
    content: bytes
    code: str = ""

    @property
    def suffix(self) -> str:
        return PurePath(self.name).suffix.lower()


@transaction.atomic
def submit_report(
    *,
    duties: Sequence[ReportingDuty],
    submitted_at: dt.datetime,
    by: User,
    now: dt.datetime,
    reference: str,
    submitted_by: User | None = None,
    late_reason: str = "",
    report: Report | None = None,
    made: Sequence[Report] = (),
) -> Submission:
    """A report went out and meets these duties, which are all of one event and one recipient.

    `report` is a file as it was sent, `made` are those that were made for it at this moment. Raises Refused for a
    moment that cannot be, for a late one without its reason, and for a file that is no report.
    """
    rows = list(
        ReportingDuty.objects.select_for_update(of=("self",))
        .filter(pk__in=[row.pk for row in duties])
        .select_related("event__participant")
    )
    check_submission(rows, submitted_at=submitted_at, late_reason=late_reason, report=report, now=now)
    _check_made(made, submitted_at, now=now)
    sent = Submission.objects.create(
        event=rows[0].event,
        recipient=rows[0].recipient,
        submitted_at=submitted_at,
        submitted_by=submitted_by or by,
        reference=reference,
        late_reason=late_reason.strip(),
        created_by=by,
        created_at=now,
    )
    for one in (*made, *([report] if report is not None else [])):
        _keep(one, sent)
    for row in rows:
        row.met_by = sent
        row.save(update_fields=["met_by"])
        _withdraw(row, now=now)
    renew(sent.event, by=by, now=now)
    return sent


@transaction.atomic
def submit_amendment(
    *, event: AdverseEvent, recipient: str, made: Report, reason: str, reference: str, by: User, now: dt.datetime
) -> Submission:
    """What this recipient was sent before is corrected, with nothing new to tell; `made` is the report made anew now.

    Raises Refused where it was sent nothing, and without a reason.
    """
    event = AdverseEvent.objects.select_for_update(of=("self",)).select_related("participant").get(pk=event.pk)
    if recipient not in told_recipients(event):
        raise Refused(_("This recipient was sent no report yet: there is nothing to amend. Send the first report."))
    if not reason.strip():
        raise Refused(_("Say why the report is amended: the recipient reads it."))
    _check_file(made)
    sent = Submission.objects.create(
        event=event,
        recipient=recipient,
        submitted_at=now,
        submitted_by=by,
        reference=reference,
        amendment_reason=reason.strip(),
        created_by=by,
        created_at=now,
    )
    _keep(made, sent)
    return sent


def told_recipients(event: AdverseEvent) -> list[str]:
    """Who was sent a report of this event, the first first."""
    sent = Submission.objects.standing().filter(event=event).order_by("submitted_at", "id")
    return list(dict.fromkeys(sent.values_list("recipient", flat=True)))


def check_submission(
    rows: Sequence[ReportingDuty],
    *,
    submitted_at: dt.datetime,
    late_reason: str,
    report: Report | None,
    now: dt.datetime,
) -> None:
    """Raises Refused for what cannot have been sent so."""
    if len({(row.event_id, row.recipient) for row in rows}) != 1:
        raise Refused(_("A report meets duties of one event to one recipient. Choose at least one, and no others."))
    if any(not row.is_open for row in rows):
        raise Refused(_("One of these duties is met, or not needed any more, by now. Look at the list again."))
    if submitted_at > now:
        raise Refused(_("%(at)s is in the future. Correct the date and time.") % {"at": long_moment(submitted_at)})
    event = rows[0].event
    if submitted_at < event.first_aware_at:
        raise Refused(
            _("Nobody knew of the event before %(first)s: no report can have been sent at %(at)s. Correct the time.")
            % {"first": long_moment(event.first_aware_at), "at": long_moment(submitted_at)}
        )
    _check_late(rows, submitted_at, late_reason)
    _check_file(report)


def _check_late(rows: Sequence[ReportingDuty], submitted_at: dt.datetime, late_reason: str) -> None:
    due = min(row.due_at for row in rows)
    if submitted_at > due and not late_reason.strip():
        raise Refused(
            _("The report was due by %(due)s and was sent at %(at)s. Say why it is late, or correct the time.")
            % {"due": long_moment(due), "at": long_moment(submitted_at)}
        )


def _check_made(made: Sequence[Report], submitted_at: dt.datetime, *, now: dt.datetime) -> None:
    """What is made now holds what is known now: it is not what somebody sent before."""
    if made and submitted_at != now:
        raise Refused(
            _(
                "Files that are made here are made now, and cannot have been sent at %(at)s. Leave the time empty and "
                "send them now, or make none and attach the file that was sent."
            )
            % {"at": long_moment(submitted_at)}
        )
    for one in made:
        _check_file(one)


def _check_file(report: Report | None) -> None:
    if report is None:
        return
    if report.suffix not in FORMATS:
        raise Refused(
            _("A file “%(end)s” cannot be kept as a report. Known ones: %(known)s.")
            % {"end": report.suffix, "known": ", ".join(FORMATS)}
        )
    if not 0 < len(report.content) <= MAX_BYTES:
        raise Refused(
            _("The file has %(size)s bytes: more than 0, and at most %(most)s MB, can be kept.")
            % {"size": len(report.content), "most": MAX_BYTES // 1024 // 1024}
        )


def _keep(report: Report, sent: Submission) -> None:
    parts = (sent.event.participant.number, f"AE{sent.event_id}", sent.recipient, str(sent.pk), report.code)
    SubmissionFile.objects.create(
        submission=sent,
        name=f"{'-'.join(filter(None, parts))}{report.suffix}",
        content_type=FORMATS[report.suffix],
        size=len(report.content),
        sha256=hashlib.sha256(report.content).hexdigest(),
        content=report.content,
    )


@transaction.atomic
def void_submission(*, submission: Submission, reason: str, by: User, now: dt.datetime) -> None:
    """It was not sent so: what it met is owed again."""
    for row in ReportingDuty.objects.select_for_update(of=("self",)).filter(met_by=submission):
        row.met_by = None
        row.save(update_fields=["met_by"])
    void(submission, reason=reason, by=by, now=now)
    renew(submission.event, by=by, now=now)


# --- Reminding ---------------------------------------------------------------------------------------

TELLS = {
    Stage.AHEAD: (Role.COORDINATOR, Role.INVESTIGATOR),
    Stage.NEAR: (Role.INVESTIGATOR, Role.PRINCIPAL_INVESTIGATOR),
    Stage.OVERDUE: (Role.INVESTIGATOR, Role.PRINCIPAL_INVESTIGATOR),
}


@transaction.atomic
def acknowledge_duty(*, duty: ReportingDuty, by: User, now: dt.datetime) -> ReportingDuty:
    """Somebody knows, and sees to it: nobody is called any more, unless it becomes overdue after that."""
    row = ReportingDuty.objects.select_for_update(of=("self",)).get(pk=duty.pk)
    if not row.is_open:
        raise Refused(_("This duty is met, or not needed any more. There is nothing to acknowledge."))
    row.acknowledged_at, row.acknowledged_by = now, by
    row.save(update_fields=["acknowledged_at", "acknowledged_by"])
    _withdraw(row, now=now)
    return row


def _about(duty: ReportingDuty) -> str:
    """Duties of one event that are due together are told together."""
    return f"event:{duty.event_id}:due-{duty.due_at.astimezone(dt.UTC):%Y%m%dT%H%M}"


def _withdraw(duty: ReportingDuty, *, now: dt.datetime) -> None:
    """Messages that wait, once nothing is left of what they tell."""
    if not any(_about(row) == _about(duty) and _calls(row) for row in open_duties().filter(event=duty.event_id)):
        notifications.cancel(about=_about(duty), reason="met, acknowledged or not needed any more", now=now)


def _calls(duty: ReportingDuty, stage: Stage | None = None) -> bool:
    """An answer holds until the duty is overdue, and one given after that for good."""
    if not duty.is_alarming:
        return False
    if duty.acknowledged_at is None:
        return True
    return stage is Stage.OVERDUE and duty.acknowledged_at <= duty.due_at


def remind_of_duties(*, now: dt.datetime) -> dict[str, int]:
    """Tell of duties whose end comes nearer, and each day of those that are overdue, until somebody knows.

    One event that cannot be told of does not keep the others from being told.
    """
    _owe_what_nobody_owed(now=now)
    told = 0
    for event, rows in groupby(open_duties().order_by("event_id", "due_at", "id"), key=lambda row: row.event):
        with sweeps.guarded(f"duties of event:{event.pk}"):
            told += _remind(event, list(rows), now=now)
    return {"told": told}


def _owe_what_nobody_owed(*, now: dt.datetime) -> None:
    """The duties of serious events from before duties were rows."""
    for event in AdverseEvent.objects.standing().filter(is_serious=True, duties__isnull=True).order_by("pk"):
        with sweeps.guarded(f"duties of event:{event.pk}"):
            renew(event, by=event.created_by, now=now)


def _remind(event: AdverseEvent, rows: Sequence[ReportingDuty], *, now: dt.datetime) -> int:
    count = 0
    for _about_them, together in groupby(rows, key=_about):
        group = list(together)
        stage = reporting.stage(max(row.counted_from for row in group), group[0].due_at, now)
        calling = [row for row in group if stage is not None and _calls(row, stage)]
        if stage is not None and calling:
            count += _tell(event, calling, stage, now=now)
    return count


@dataclass(frozen=True)
class Told:
    """What a message says, each in the language of whoever reads it."""

    event: AdverseEvent
    duties: Sequence[ReportingDuty]
    stage: Stage
    now: dt.datetime

    @property
    def is_overdue(self) -> bool:
        return self.stage is Stage.OVERDUE

    @property
    def due_at(self) -> dt.datetime:
        return self.duties[0].due_at

    @property
    def time_left(self) -> str:
        return countdown(self.due_at, now=self.now)

    @property
    def recipients(self) -> str:
        protocol = protocol_of(self.event)
        return _(", ").join(dict.fromkeys(recipient_name(protocol, row.recipient) for row in self.duties))

    @property
    def kinds(self) -> str:
        return _(", ").join(dict.fromkeys(str(row.get_kind_display()) for row in self.duties))

    @property
    def why(self) -> str:
        return _("; ").join(dict.fromkeys(why_in_words(row) for row in self.duties))


def serious_key(event: AdverseEvent) -> str:
    """Of the message that tells the principal investigators of a serious event."""
    return f"event:{event.pk}:serious"


def owed_reports(event: AdverseEvent, *, now: dt.datetime) -> list[Told]:
    """What that message says of the reports that are owed: those that are due together, together."""
    rows = open_duties().filter(event=event, is_alarming=True)
    # How near the end is, is said in words; the stage has no part in them.
    return [Told(event, list(group), Stage.AHEAD, now) for _about_them, group in groupby(rows, key=_about)]


def untold(people: Iterable[User], rows: Sequence[ReportingDuty], stage: Stage, *, now: dt.datetime) -> list[User]:
    """Those whom the message about the serious event itself did not tell the same: an event that is entered late has
    duties that are near their end, or overdue, when they begin.
    """
    event, due = rows[0].event, rows[0].due_at
    said = Notification.objects.filter(dedupe_key__startswith=f"{serious_key(event)}:", state__in=TOLD)
    since = max(row.counted_from for row in rows)
    same = {
        person
        for person, at in said.values_list("recipient", "queued_at")
        if reporting.stage(since, due, at) is stage and (now - due).days == (at - due).days
    }
    return [person for person in people if person.pk not in same]


def _tell(event: AdverseEvent, rows: Sequence[ReportingDuty], stage: Stage, *, now: dt.datetime) -> int:
    people, about = untold(_people(event.participant.site, stage), rows, stage, now=now), _about(rows[0])
    turn = f"-{(now - rows[0].due_at).days}" if stage is Stage.OVERDUE else ""
    letter = notifications.Letter(
        key=f"{about}:{stage}{turn}",
        about=about,
        site=event.participant.site,
        recipients=people,
        template="safety/email/duty",
        context={"told": Told(event, rows, stage, now)},
        urgency=Urgency.REMINDER if stage is Stage.AHEAD else Urgency.ALERT,
    )
    return sum(notifications.queue_all([letter], now=now).values())


def _people(site: Site, stage: Stage) -> list[User]:
    """Whom the stage tells; where there is nobody of them, any who are reminded."""
    everybody = (Role.COORDINATOR, Role.INVESTIGATOR, Role.PRINCIPAL_INVESTIGATOR)
    return people_of(site, TELLS[stage]) or people_of(site, everybody)
