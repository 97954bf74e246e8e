"""Wrong passwords slow down whoever guesses, and nobody else.

Each try is counted before the password is looked at, under locks on its counts, and taken back when the password was
right: of guesses that come at once each counts. Counted are one person's tries from one address; those from all
addresses where this person was never logged in; those from one address at all persons. An address from which a person
was logged in before waits only for what was typed there for this person. A login that exists is never touched.

A name that nobody has is counted, answered and timed as one that somebody has, and kept as a digest alone.
"""

import datetime as dt
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import hashers
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission
from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from trialsite import errors, notifications, security, sweeps
from trialsite.middleware import GetResponse, client_ip
from trialsite.models import Lock, LockKind, SecurityEvent, SecurityKind, Site, User
from trialsite.roles import Role
from trialsite.rules import delays
from trialsite.rules.delays import Count, Policy
from trialsite.wake import wake

POLICIES = {
    LockKind.AT_ADDRESS: delays.AT_ADDRESS,
    LockKind.FROM_ELSEWHERE: delays.FROM_ELSEWHERE,
    LockKind.BY_ADDRESS: delays.BY_ADDRESS,
    LockKind.SIGNATURE: delays.SIGNATURE,
}
SWEEP_TASK = "trialsite.tasks.sweep_doors"
# An address counts as known for so long after the last login from there.
KNOWN_FOR = dt.timedelta(days=90)


class Closed(Exception):
    """Too many wrong passwords: nobody looked at this one. `until` is when the next may be tried."""

    def __init__(self, until: dt.datetime) -> None:
        self.until = until

    def seconds(self, *, now: dt.datetime) -> int:
        return max(1, math.ceil((self.until - now).total_seconds()))

    def minutes(self, *, now: dt.datetime) -> int:
        return math.ceil(self.seconds(now=now) / 60)


@dataclass(frozen=True)
class Tries:
    """One count that a try belongs to; `stops`: the try waits when it is closed."""

    kind: LockKind
    key: str
    stops: bool = True
    person: User | None = None
    ip: str = ""
    typed_by: User | None = None

    @property
    def policy(self) -> Policy:
        return POLICIES[self.kind]


class PasswordBackend(ModelBackend):
    """Django's backend of user names and passwords behind the counts of wrong ones."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        *,
        at_login: bool = False,
        **kwargs: Any,
    ) -> User | None:
        """Whose password this is; `at_login` takes one that somebody else has set, on the way to one's own."""
        if username is None or password is None:
            return None
        person = _named(username)
        found = _try(
            _at_the_door(request, username, person),
            # Hashes a password for a name that nobody has, too.
            lambda: _as_theirs(super(PasswordBackend, self).authenticate(request, username, password), at_login),
            lambda: security.note(SecurityKind.LOGIN_FAILED, person=person, request=request, **_unnamed(person)),
            request,
        )
        if found is None:
            # No other backend gets a second look at the same password.
            raise PermissionDenied
        return found

    def get_user(self, user_id: int) -> User | None:
        """Whose session it is, with the names of their roles: asked with the person, for every page needs both."""
        roles = Group.objects.filter(user=OuterRef("pk")).values("name")
        person = User.objects.annotate(role_names=ArraySubquery(roles)).filter(pk=user_id).first()
        return person if person is not None and self.user_can_authenticate(person) else None

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Those of their own and those of their roles, in one question, kept as Django keeps them."""
        if not user_obj.is_active or user_obj.is_anonymous or user_obj.is_superuser or obj is not None:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):
            rows = Permission.objects.filter(Q(user=user_obj) | Q(group__user=user_obj)).order_by()
            found = rows.values_list("content_type__app_label", "codename")
            user_obj._perm_cache = {f"{label}.{codename}" for label, codename in found}
        return set(user_obj._perm_cache)


class LockMiddleware:
    """Whoever must wait reads how long, on whatever page the password was typed."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, Closed):
            return None
        now = timezone.now()
        # The page says minutes: none that is not over yet.
        shown = exception.until + dt.timedelta(seconds=59)
        response = errors.locked_out(request, minutes=exception.minutes(now=now), until=shown)
        response.headers["Retry-After"] = str(exception.seconds(now=now))
        return response


def signer(request: HttpRequest, *, username: str, password: str) -> User | None:
    """Who signs with this password, None when it is wrong. Raises Closed.

    Wrong ones slow down signing as this person within the login that types them, never the person's own login.
    """
    person = _named(username)
    typed_by = request.user
    assert isinstance(typed_by, User), "nobody signs without a login"
    of = person.pk if person else f"?{_digest(username)}"
    tries = Tries(LockKind.SIGNATURE, f"signature:{of}:{typed_by.pk}", True, person, _address(request), typed_by)
    return _try(
        [tries],
        lambda: _with_password(person, password),
        lambda: security.note(SecurityKind.SIGNATURE_FAILED, request=request, **_of_signer(person)),
        request,
    )


def _with_password(person: User | None, password: str) -> User | None:
    """The person, if active and this is the password. Unlike a login it writes no newer hash: that ends sessions."""
    if person is None:
        hashers.make_password(password)
        return None
    is_right = hashers.check_password(password, person.password) and person.is_active
    return _as_theirs(person, at_login=False) if is_right else None


def _as_theirs(person: Any, at_login: bool) -> User | None:
    """The person, unless the password may be known to somebody else, who set it: that signs nothing. A sponsor's
    program has none at all."""
    if person is None or person.groups.filter(name=Role.SPONSOR_PROGRAM).exists():
        return None
    return person if at_login or person.password_chosen_at is not None else None


# --- one try -----------------------------------------------------------------------------------------


def _try(
    tries: list[Tries], look: Callable[[], Any], note_failure: Callable[[], Any], request: HttpRequest | None
) -> User | None:
    now = timezone.now()
    counted = _count(tries, now=now)
    found: User | None = look()
    if found is not None:
        _take_back(tries, counted)
        return found
    closed = [lock for lock in counted.values() if _is_closed(lock, now=now)]
    with transaction.atomic():
        note_failure()
        _note_closed(closed, request, now=now)
    stopping = {one.key for one in tries if one.stops}
    _stop([lock for lock in closed if lock.key in stopping])
    return None


def _stop(locks: list[Lock]) -> None:
    if waits := [lock.closed_until for lock in locks if lock.closed_until is not None]:
        raise Closed(max(waits))


def _note_closed(locks: list[Lock], request: HttpRequest | None, *, now: dt.datetime) -> None:
    for lock in locks:
        facts = {"lock": lock.kind, "wrong": lock.wrong, "until": _iso(lock.closed_until)}
        security.note(SecurityKind.LOCKED, person=lock.person, request=request, **facts)
    if locks:
        Lock.objects.filter(pk__in=[lock.pk for lock in locks], closed_at=None).update(closed_at=now)
        # For somebody and for nobody alike: the same work behind the same answer.
        wake(SWEEP_TASK)


@transaction.atomic
def _count(tries: list[Tries], *, now: dt.datetime) -> dict[str, Lock]:
    """Count this try as wrong; the counts that it went into, by their keys. Raises Closed and counts nothing."""
    locks = _locked(tries)
    _stop([locks[one.key] for one in tries if one.stops and _is_closed(locks[one.key], now=now)])
    return {one.key: locks[one.key] for one in tries if _add(locks[one.key], one.policy, now=now)}


def _locked(tries: list[Tries]) -> dict[str, Lock]:
    """The counts of a try, locked in one order for everybody; new ones where there are none."""
    made = [Lock(key=one.key, kind=one.kind, person=one.person, ip=one.ip, typed_by=one.typed_by) for one in tries]
    made.sort(key=lambda lock: lock.key)
    # An insert that finds the row there locks it, so that nothing comes between.
    Lock.objects.bulk_create(made, update_conflicts=True, unique_fields=["key"], update_fields=["kind"])
    return {row.key: row for row in Lock.objects.filter(key__in=[one.key for one in tries]).select_related("person")}


def _add(lock: Lock, policy: Policy, *, now: dt.datetime) -> bool:
    """One more wrong password; whether it counts: what is closed for others already stays as it is."""
    if _is_closed(lock, now=now):
        return False
    after = delays.tried(_count_of(lock), policy, now=now)
    if _left(lock, now=now) == 0:
        # All was forgotten: what comes now is another attack, and is told anew.
        lock.closed_at = lock.told_at = None
    _keep(lock, after)
    return True


@transaction.atomic
def _take_back(tries: list[Tries], counted: dict[str, Lock]) -> None:
    """The password was right: nothing was wrong from here; for all others the counts stay as they were before."""
    for lock in _locked(tries).values():
        if lock.kind in {LockKind.AT_ADDRESS, LockKind.SIGNATURE}:
            _open(lock)
        elif lock.key in counted:
            opens = counted[lock.key].closed_until == lock.closed_until
            _keep(lock, delays.taken_back(_count_of(lock), opens=opens))


def _at_the_door(request: HttpRequest | None, username: str, person: User | None) -> list[Tries]:
    ip = _address(request)
    is_known = is_known_address(person, ip, now=timezone.now())
    of = str(person.pk) if person else f"?{_digest(username)}"
    tries = [
        Tries(LockKind.AT_ADDRESS, f"person:{of}@{ip}", True, person, ip),
        Tries(LockKind.BY_ADDRESS, f"address:{ip}", not is_known, None, ip),
    ]
    if not is_known:
        tries.append(Tries(LockKind.FROM_ELSEWHERE, f"person:{of}", True, person))
    return tries


def is_known_address(person: User | None, ip: str, *, now: dt.datetime) -> bool:
    """Whether this person was logged in from there of late; for nobody the same question is asked."""
    number = person.pk if person else 0
    logins = SecurityEvent.objects.filter(person=number, kind=SecurityKind.LOGIN, at__gt=now - KNOWN_FOR)
    return ip in {delays.network(address) for address in logins.values_list("ip", flat=True).distinct()}


def _named(username: str) -> User | None:
    return User.objects.filter(username=username).first()


def _address(request: HttpRequest | None) -> str:
    return delays.network(client_ip(request)) if request is not None else ""


def _unnamed(person: User | None) -> dict[str, Any]:
    """What was typed in the place of a name that nobody has is not kept: it may be a password."""
    return {} if person is not None else {"name": "unknown"}


def _of_signer(person: User | None) -> dict[str, Any]:
    return {"signer": person.get_username()} if person is not None else {"name": "unknown"}


def _digest(username: str) -> str:
    return salted_hmac("trialsite.locks", username, algorithm="sha256").hexdigest()[:40]


def _iso(moment: dt.datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _count_of(lock: Lock) -> Count:
    return Count(lock.wrong, lock.as_of, lock.closed_until)


def _is_closed(lock: Lock, *, now: dt.datetime) -> bool:
    return delays.is_closed(_count_of(lock), now=now)


def _keep(lock: Lock, count: Count) -> None:
    lock.wrong, lock.as_of, lock.closed_until = count.wrong, count.as_of, count.closed_until
    lock.save(update_fields=["wrong", "as_of", "closed_until", "closed_at", "told_at"])


def _open(lock: Lock) -> None:
    lock.closed_at = lock.told_at = None
    _keep(lock, Count())


# --- what is closed, and opening it ------------------------------------------------------------------


def closed(*, now: dt.datetime) -> QuerySet[Lock]:
    return Lock.objects.filter(closed_until__gt=now)


def of_login(person: User) -> QuerySet[Lock]:
    """What stands before this person's login; what this person typed under signatures is for others to open."""
    return Lock.objects.filter(person=person, kind__in=[LockKind.AT_ADDRESS, LockKind.FROM_ELSEWHERE])


@transaction.atomic
def unlock(locks: QuerySet[Lock], *, by: User, request: HttpRequest) -> int:
    """Forget these wrong passwords, with a line in the log for each that was closed."""
    rows = list(locks.select_for_update(of=("self",)).select_related("person").order_by("key"))
    for lock in rows:
        if lock.closed_until is not None:
            facts = {"lock": lock.kind, "from": lock.ip, "wrong": lock.wrong, "by": by.get_username()}
            security.note(SecurityKind.UNLOCKED, person=lock.person, request=request, **facts)
        _open(lock)
    return len(rows)


# --- telling, and forgetting -------------------------------------------------------------------------


@transaction.atomic
def tell(*, now: dt.datetime) -> int:
    """Mail of what has closed and was not told: to the person, and to the administrators. How many locks."""
    untold = Lock.objects.filter(closed_at__isnull=False, told_at=None)
    rows = list(untold.select_for_update(skip_locked=True, of=("self",)).select_related("person").order_by("key"))
    told = 0
    for lock in rows:
        with sweeps.guarded(f"lock:{lock.pk}"):
            for recipient in _recipients(lock):
                _mail(lock, recipient, now=now)
            lock.told_at = now
            lock.save(update_fields=["told_at"])
            told += 1
    return told


def _recipients(lock: Lock) -> Iterable[User]:
    """Of a name that nobody has, nobody is told; the address is, once it has tried more of them."""
    if lock.person is None and lock.kind != LockKind.BY_ADDRESS:
        return []
    people = Q(is_superuser=True)
    if lock.person is not None:
        people |= Q(pk=lock.person.pk)
    return User.objects.filter(people, is_active=True).exclude(email="").order_by("pk")


def _mail(lock: Lock, recipient: User, *, now: dt.datetime) -> None:
    site = (lock.person or recipient).sites.order_by("pk").first() or Site.objects.order_by("pk").first()
    assert lock.closed_at is not None
    if site is None:
        return
    notifications.queue(
        key=f"lock:{lock.pk}:{int(lock.closed_at.timestamp())}",
        about=f"lock:{lock.pk}",
        site=site,
        recipient=recipient,
        template="trialsite/email/lock",
        context=_told(lock, recipient),
        now=now,
    )


def _told(lock: Lock, recipient: User) -> dict[str, Any]:
    is_own = lock.person_id == recipient.pk
    page = "admin:my_logins" if is_own else "admin:trialsite_lock_changelist"
    return {
        "lock": lock,
        "at": lock.closed_at,
        "is_own": is_own,
        "link": settings.SITE_URL + reverse(page),
        "is_signature": lock.kind == LockKind.SIGNATURE,
    }


@transaction.atomic
def forget_old(*, now: dt.datetime) -> int:
    """Counts that are forgotten by their rule: rows that a guesser has left behind."""
    open_ones = Lock.objects.filter(Q(closed_until=None) | Q(closed_until__lte=now))
    rows = open_ones.select_for_update(skip_locked=True, of=("self",))
    gone = [lock.pk for lock in rows if _left(lock, now=now) == 0]
    count, _by_model = Lock.objects.filter(pk__in=gone).delete()
    return count


def _left(lock: Lock, *, now: dt.datetime) -> int:
    return delays.remembered(_count_of(lock), POLICIES[LockKind(lock.kind)], now=now).wrong
