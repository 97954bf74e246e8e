"""Logins on devices: how long they last, what of them is kept, and how they end.

A row holds a digest of the key and data that only this key's row can hold; the key itself is in the browser's cookie
alone. A login that is somebody's is written together with its line in the security log: without the line, no login.
"""

import datetime as dt
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.middleware import SessionMiddleware as DjangoMiddleware
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from trialsite import security
from trialsite.middleware import client_ip
from trialsite.models import SecurityKind, Session, User

# In this order: one names itself as the others, too.
BROWSERS = {
    "MicroMessenger": "WeChat",
    "Edg": "Edge",
    "OPR": "Opera",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "Chrome": "Chrome",
    "Safari": "Safari",
}
SYSTEMS = {
    "HarmonyOS": "HarmonyOS",
    "OpenHarmony": "HarmonyOS",
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}


class SessionStore(DatabaseStore):
    """Django's store in the database, over rows that hold digests."""

    request: HttpRequest | None = None
    # Whose this is by the row that was read or written last, and since when.
    _person: int | None = None
    _begun_at: dt.datetime | None = None

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    @property
    def key_salt(self) -> str:
        """Data that somebody has moved to another row by SQL is unreadable there."""
        return f"trialsite.sessions:{digest_of(self.session_key or '')}"

    @property
    def digest(self) -> str:
        return digest_of(self.session_key or "")

    def load(self) -> dict[str, Any]:
        now = timezone.now()
        row = Session.objects.filter(session_key=self.digest, expire_date__gt=now).first()
        if row is None or now >= row.begun_at + settings.SESSION_LASTS:
            self._session_key = None
            return {}
        self._person, self._begun_at = row.person_id, row.begun_at
        return self.decode(row.session_data)  # type: ignore[no-any-return]

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(session_key=digest_of(session_key)).exists()

    def save(self, must_create: bool = False) -> None:
        if self.session_key is None:
            self.create()
            return
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]  # the stubs leave it out
        if self.session_key is None:  # it has ended meanwhile
            raise UpdateError
        with transaction.atomic():
            if must_create:
                self._insert(data)
            else:
                self._update(data)

    def _insert(self, data: dict[str, Any]) -> None:
        now = timezone.now()
        self._person, self._begun_at = None, now
        try:
            with transaction.atomic():
                Session.objects.create(session_key=self.digest, begun_at=now, **self._columns(data, now))
        except IntegrityError:
            raise CreateError from None

    def _update(self, data: dict[str, Any]) -> None:
        now, person = timezone.now(), _person_in(data)
        newcomer = User.objects.get(pk=person) if person is not None and person != self._person else None
        if newcomer is not None:
            self._person, self._begun_at = newcomer.pk, now
        values = {"person_id": self._person, "begun_at": self._begun_at, **self._columns(data, now)}
        if not Session.objects.filter(session_key=self.digest).update(**values):
            raise UpdateError
        if newcomer is not None:
            security.note(SecurityKind.LOGIN, person=newcomer, request=self.request, device=values["device"])

    def _columns(self, data: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
        begun = self._begun_at or now
        return {
            "session_data": self.encode(data),
            "expire_date": min(now + dt.timedelta(seconds=self.get_expiry_age()), begun + settings.SESSION_LASTS),
            "last_seen_at": now,
            "ip": client_ip(self.request)[:45] if self.request else "",
            "device": device_of(self.request.headers.get("user-agent", "")) if self.request else "",
        }

    def cycle_key(self) -> None:
        """A new key, for the same login where it is one: it began when it began."""
        data = self._session  # type: ignore[attr-defined]
        person, begun = self._person, self._begun_at
        super().cycle_key()
        if person is not None and person == _person_in(data):
            self._person, self._begun_at = person, begun

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            Session.objects.filter(session_key=digest_of(key)).delete()

    def flush(self) -> None:
        super().flush()
        self._person = self._begun_at = None

    @classmethod
    def clear_expired(cls) -> None:
        forget_old(now=timezone.now())


class SessionMiddleware(DjangoMiddleware):
    """Django's, with the request at hand: a login is noted with where it came from."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.session.request = request  # type: ignore[attr-defined]


def digest_of(key: str) -> str:
    """What of a key is kept; made with the site's secret, so that SQL alone makes no login of its own."""
    return salted_hmac("trialsite.sessions", key, algorithm="sha256").hexdigest()


def device_of(agent: str) -> str:
    """`Chrome · Windows`: enough to know one's own device, too little to follow anybody."""
    browser = next((name for sign, name in BROWSERS.items() if f"{sign}/" in agent), "")
    system = next((name for sign, name in SYSTEMS.items() if sign in agent), "")
    return " · ".join(word for word in (browser, system) if word)


def _person_in(data: dict[str, Any]) -> int | None:
    value = data.get(SESSION_KEY)
    return int(value) if value is not None else None


def alive(*, now: dt.datetime) -> QuerySet[Session]:
    """Logins that would still be taken."""
    rows = Session.objects.exclude(person=None).filter(expire_date__gt=now)
    return rows.filter(begun_at__gt=now - settings.SESSION_LASTS)


@transaction.atomic
def end(sessions: QuerySet[Session], *, by: User, request: HttpRequest) -> int:
    """End these logins at once, each with its line in the log."""
    rows = list(sessions.select_for_update(of=("self",)).select_related("person"))
    for row in rows:
        facts = {"device": row.device, "from": row.ip, "by": by.get_username()}
        security.note(SecurityKind.SESSION_ENDED, person=row.person, request=request, **facts)
    Session.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def forget_old(*, now: dt.datetime) -> int:
    """Rows of logins that have run out."""
    count, _by_model = Session.objects.filter(expire_date__lte=now).delete()
    return count
