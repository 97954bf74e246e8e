"""Verbs of snapshots: ask for one, cancel it, let its files expire."""

import datetime as dt
from collections import Counter as Counts

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from sponsor.snapshots import store
from sponsor.snapshots.models import AT_WORK, FreeTextRelease, Snapshot, SnapshotState
from trialsite import signing
from trialsite.models import Counter, Meaning, Site, User
from trialsite.refusal import Refused
from trialsite.study import get_study
from trialsite.study.protocol import SponsorAgreement
from trialsite.sweeps import guarded
from trialsite.wake import wake

TASK = "sponsor.tasks.make_snapshots"


def reaches_all(user: User) -> bool:
    """A snapshot holds all sites of the study: whoever works at some of them only does not reach it."""
    return bool(user.is_superuser or not Site.objects.exclude(pk__in=user.sites.all()).exists())


@transaction.atomic
def ask(
    *,
    by: User,
    now: dt.datetime,
    shifts_dates: bool = False,
    with_free_text: bool = False,
    cut_off: dt.datetime | None = None,
    wakes: bool = True,
) -> Snapshot:
    """Ask for a snapshot of what is committed when a worker begins with it.

    `with_free_text`: this person signs that it may leave; the password is asked for by the page. Raises Refused.
    """
    _check_cut_off(cut_off, now)
    _check_may_ask(by, with_free_text=with_free_text)
    _check_agreement(shifts_dates=shifts_dates, with_free_text=with_free_text)
    study, day = get_study().latest.registry_id, timezone.localtime(now).date()
    # Whoever asks at this moment, too, waits here.
    number = Counter.take(f"snapshot {day}")
    if Snapshot.objects.filter(study=study, state__in=AT_WORK).exists():
        raise Refused(
            _("A snapshot is being made already. Wait until it is complete, or cancel it; then ask for another.")
        )
    row = Snapshot.objects.create(
        label=f"{day}-{number}",
        study=study,
        asked_by=by,
        asked_at=now,
        shifts_dates=shifts_dates,
        has_free_text=with_free_text,
    )
    if with_free_text:
        release = FreeTextRelease.objects.create(snapshot=row, released_at=now, released_by=by)
        signing.sign(release, meaning=Meaning.RELEASE, by=by)
    if wakes:
        wake(TASK)
    return row


def _check_agreement(*, shifts_dates: bool, with_free_text: bool) -> None:
    agreement = get_study().latest.sponsor_agreement
    if agreement.dates == "shifted" and not shifts_dates:
        raise Refused(_("The agreement with the sponsor in the study file says that dates leave shifted: choose that."))
    if agreement.free_text == "withheld" and with_free_text:
        raise Refused(_("The agreement with the sponsor in the study file says that no free text leaves."))


def _check_cut_off(cut_off: dt.datetime | None, now: dt.datetime) -> None:
    if cut_off is None:
        return
    asked = {"asked": f"{timezone.localtime(cut_off):%Y-%m-%d %H:%M}"}
    if cut_off > now:
        raise Refused(
            _(
                "The cut-off %(asked)s lies in the future: what will be recorded until then is not known. Leave it "
                "out: a snapshot holds everything up to the moment at which it is made."
            )
            % asked
        )
    raise Refused(
        _(
            "The cut-off %(asked)s lies in the past: a snapshot is made of the data as they are now. Leave it out, or "
            "take the snapshot that was made at that time; the audit trail has what changed since."
        )
        % asked
    )


def _check_may_ask(by: User, *, with_free_text: bool) -> None:
    if not (by.is_superuser or by.has_perm("sponsor.add_snapshot")):
        raise Refused(_("%(name)s may not make snapshots; a data manager does.") % {"name": by})
    if not reaches_all(by):
        raise Refused(
            _(
                "A snapshot holds all sites of the study, and %(name)s works at some of them only. Somebody who works "
                "at all of them makes it."
            )
            % {"name": by}
        )
    if with_free_text and not by.has_perm("sponsor.release_free_text"):
        raise Refused(_("%(name)s may not release free text; a data manager does, and signs.") % {"name": by})


@transaction.atomic
def cancel(*, row: Snapshot, by: User, now: dt.datetime) -> Snapshot:
    """What waits is cancelled at once; what runs, at the worker's next step. Raises Refused for what has ended."""
    found = Snapshot.objects.select_for_update().get(pk=row.pk)
    if not found.is_at_work:
        raise Refused(_("It is %(state)s: there is nothing to cancel.") % {"state": found.get_state_display()})
    if found.cancel_asked_at is None:
        found.cancel_asked_by, found.cancel_asked_at = by, now
    if found.state == SnapshotState.WAITING:
        found.state, found.finished_at = SnapshotState.CANCELLED, now
    found.save()
    return found


def due(now: dt.datetime) -> QuerySet[Snapshot]:
    """Those that wait, and those whose worker has given no sign of life for the length of its lease."""
    lost = Q(state=SnapshotState.RUNNING, lease_until__lt=now)
    return Snapshot.objects.filter(Q(state=SnapshotState.WAITING) | lost)


def complete() -> QuerySet[Snapshot]:
    """Those whose files are there, newest first."""
    return Snapshot.objects.filter(state=SnapshotState.COMPLETE).order_by("-cut_off", "-id")


def for_sponsor() -> QuerySet[Snapshot]:
    """Those of this study that hold no more than the agreement lets leave, as it is now."""
    study = get_study().latest
    return complete().filter(study=study.registry_id).exclude(_beyond(study.sponsor_agreement))


def _beyond(agreement: SponsorAgreement) -> Q:
    """What was made before it was agreed on otherwise."""
    beyond = Q(pk__in=[])
    if agreement.dates == "shifted":
        beyond |= Q(shifts_dates=False)
    if agreement.free_text == "withheld":
        beyond |= Q(has_free_text=True)
    return beyond


def sweep(*, now: dt.datetime) -> dict[str, int]:
    """Wake a worker for what is due, let old files expire, remove what belongs to nothing."""
    counts = Counts(expired=_expire(now), removed=_tidy(), due=due(now).count())
    if counts["due"]:
        with transaction.atomic():
            wake(TASK)
    return dict(counts)


def _expire(now: dt.datetime) -> int:
    gone = 0
    for pk in complete().filter(expires_at__lte=now).values_list("pk", flat=True):
        with guarded(f"snapshot:{pk}"):
            row = Snapshot.objects.select_for_update(skip_locked=True).filter(pk=pk, state="complete").first()
            if row is not None:
                row.state = SnapshotState.EXPIRED
                row.save(update_fields=["state"])
                gone += 1
    return gone


def _tidy() -> int:
    """Remove folders that belong to nothing. The folders are listed before the rows are read: one that is made after
    that is not looked at, and none of a row that is at work is taken for a left one."""
    there = store.found()
    running = Snapshot.objects.filter(state=SnapshotState.RUNNING).values_list("pk", "attempts")
    # A worker that is at its last step has given the folder its name, and has not committed yet.
    labels = Snapshot.objects.filter(state__in=[SnapshotState.COMPLETE, SnapshotState.RUNNING])
    kept = {*(store.work_name(*one) for one in running), *labels.values_list("label", flat=True)}
    left = [name for name in there if name not in kept]
    for name in left:
        store.remove(store.root() / name)
    return len(left)


def expires_at(now: dt.datetime) -> dt.datetime:
    return now + dt.timedelta(days=settings.SNAPSHOT_DAYS)
