"""The seals of the audit trail: made by the database, verified here."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg.types.json import Jsonb

from trialsite import notifications, sweeps
from trialsite.models import AuditSeal, Site, SweepRun, people_in
from trialsite.roles import Role

FIRST = "0" * 64
# Before every number that an event can have.
START = -(2**63)
VERIFIED = "audit-verified"
VERIFIED_EVERY = dt.timedelta(hours=24)


@dataclass(frozen=True)
class Verified:
    """What a look at the whole trail has found: each fault in a sentence, none when all is as it was sealed."""

    seals: int
    events: int
    newest: str
    faults: tuple[str, ...]


def make() -> AuditSeal | None:
    """Seal what was written before the last call and is committed; None where there was nothing.

    An event is sealed by the second call after it at the latest: the first marks how far the next seal goes.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT guard.seal()")
        (number,) = cursor.fetchone()
    return None if number is None else AuditSeal.objects.get(pk=number)


def newest() -> str:
    """The newest seal as it is copied elsewhere, `number:sha256`; empty before the first."""
    seal = AuditSeal.objects.first()
    return str(seal) if seal else ""


def verify(*, copy: str = "") -> Verified:
    """Compare every event with the seal that covers it, and each seal with the one before.

    `copy` is a seal that was kept outside (`number:sha256`): with it a trail is found out, too, that somebody has
    sealed anew from the first row on.
    """
    seals = list(AuditSeal.objects.order_by("pk"))
    faults = [*_copy_differs(copy, seals)] if copy else []
    previous, ends, events = FIRST, dict[str, int](), 0
    for seal in seals:
        faults += _broken_chain(seal, previous)
        for table, part in sorted(seal.covers.items()):
            faults += _differs(seal, table, part, ends.get(table, START))
            ends[table] = part["upto"]
            events += part["rows"]
        previous = seal.sha256
    return Verified(len(seals), events, str(seals[-1]) if seals else "", tuple(faults))


def look_daily(*, now: dt.datetime) -> Verified | None:
    """Once a day: verify the whole trail, keep the outcome, and mail it with the newest seal to who looks after data.

    A copy of the seal outside is what a trail that was sealed anew cannot match.
    """
    last = SweepRun.objects.filter(name=VERIFIED).first()
    if last is not None and now - last.finished_at < VERIFIED_EVERY:
        return None
    found = verify()
    with transaction.atomic():
        counts = {"events": found.events, "seals": found.seals, "faults": len(found.faults)}
        sweeps.record_run(VERIFIED, counts=counts, now=now)
        _tell(found, now=now)
    return found


def _tell(found: Verified, *, now: dt.datetime) -> None:
    roles = (Role.DATA_MANAGER, Role.PRINCIPAL_INVESTIGATOR) if found.faults else (Role.DATA_MANAGER,)
    day = timezone.localdate(now)
    for site in Site.objects.all():
        for person in {person for role in roles for person in people_in(role, site)}:
            # Whom it cannot be told must not keep the others from knowing.
            with sweeps.guarded(f"audit-seal:{day}:{person.pk}"):
                notifications.queue(
                    key=f"audit-seal:{day}:{len(found.faults)}",
                    about="audit-seal",
                    site=site,
                    recipient=person,
                    template="trialsite/email/audit_seal",
                    context={"found": found, "faults": found.faults[:20], "day": day},
                    now=now,
                )


def _copy_differs(copy: str, seals: list[AuditSeal]) -> Iterator[str]:
    if copy not in map(str, seals):
        yield _("The copy %(copy)s is none of the seals here: the trail was sealed anew, or cut off.") % {"copy": copy}


def _broken_chain(seal: AuditSeal, previous: str) -> Iterator[str]:
    computed = _ask("SELECT guard.chain(%s, %s, %s)", [seal.previous, seal.made_at, Jsonb(seal.covers)])[0]
    if seal.previous != previous:
        yield _("Seal %(number)s does not follow the one before it: a seal is missing.") % {"number": seal.pk}
    if seal.sha256 != computed:
        yield _("Seal %(number)s was changed.") % {"number": seal.pk}


def _differs(seal: AuditSeal, table: str, part: dict[str, Any], sealed: int) -> Iterator[str]:
    named = {"number": seal.pk, "table": table, "upto": part["upto"]}
    if part["after"] != sealed:
        yield _("Seal %(number)s leaves out events of %(table)s.") % named
    rows, sha256 = _ask(
        "SELECT rows, sha256 FROM guard.digest(%s, %s, %s, %s)",
        [table, part["columns"], part["after"], part["upto"]],
    )
    if rows < part["rows"]:
        text = _("%(table)s, events up to %(upto)s (seal %(number)s): %(rows)s of %(sealed)s are left.")
        yield text % {**named, "rows": rows, "sealed": part["rows"]}
    elif rows > part["rows"]:
        text = _("%(table)s, events up to %(upto)s (seal %(number)s): %(rows)s instead of %(sealed)s.")
        yield text % {**named, "rows": rows, "sealed": part["rows"]}
    elif sha256 != part["sha256"]:
        yield _("%(table)s, events up to %(upto)s (seal %(number)s): one was changed.") % named


def _ask(statement: str, values: list[Any]) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return tuple(cursor.fetchone())
