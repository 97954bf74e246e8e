"""Who may read the API: a sponsor's program with a token, and nobody else.

The only module that touches the token library, which keeps a digest of each token and its end. What a token is good
for stands in a row of ours beside it (`ApiToken`). A program may hold several, so that one can be changed without a
gap.
"""

import datetime as dt
from hmac import compare_digest
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication as KnoxAuthentication
from knox.crypto import hash_token
from knox.models import AuthToken
from knox.settings import CONSTANTS
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from sponsor.models import ApiToken, Scope
from trialsite.models import SecurityKind, User
from trialsite.refusal import Refused
from trialsite.roles import Role
from trialsite.security import note
from trialsite.study import get_study

# How long a token that was changed for another one goes on, unless its end comes sooner.
GRACE = dt.timedelta(days=1)
# Whether a token is in use is written down no more often than that.
COARSE = dt.timedelta(minutes=1)
MOST_DAYS = 366


class TokenAuthentication(KnoxAuthentication):
    """`Authorization: Token …`; the request's `auth` is the row of ours."""

    def authenticate(self, request: Request) -> Any:
        try:
            return super().authenticate(request)
        except UnicodeError:
            # A header that is no Latin-1: only what talks to us without a web server between can send it.
            raise _no_token() from None

    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiToken]:
        """Ours are letters and digits, and nothing else is looked up.

        That a token has ended is told to whoever holds all of it, and to no guesser.
        """
        if not token.isalnum():
            raise _no_token()
        text = token.decode("ascii")
        for kept in AuthToken.objects.filter(token_key=key_of(text)):
            if compare_digest(hash_token(text), kept.digest):
                return self._judged(kept)
        raise _no_token()

    def _judged(self, kept: Any) -> tuple[User, ApiToken]:
        now = timezone.now()
        row = ApiToken.objects.select_related("program").filter(token_key=kept.token_key).first()
        if row is None:
            raise _no_token()
        if row.revoked_at is not None or not row.program.is_active:
            raise AuthenticationFailed(_("This token was revoked."), code="token-revoked")
        if kept.expiry is None or kept.expiry <= now:
            raise AuthenticationFailed(_("This token was good until a moment that is over."), code="token-expired")
        _note_use(row, now)
        return row.program, row


def _no_token() -> AuthenticationFailed:
    """The same words whatever was wrong."""
    return AuthenticationFailed(_("Invalid token."), code="token-invalid")


def _note_use(row: ApiToken, now: dt.datetime) -> None:
    if row.last_used_at is None or row.last_used_at <= now - COARSE:
        is_stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - COARSE)
        ApiToken.objects.filter(is_stale, pk=row.pk).update(last_used_at=now)


class TokenScheme(OpenApiAuthenticationExtension):
    """How the schema describes the token."""

    target_class = "sponsor.auth.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Token …"}


def has_scope(request: Request, scope: str) -> bool:
    """Whether the request's token is good for this: "read", "export"."""
    return isinstance(request.auth, ApiToken) and scope in request.auth.scopes


class IsSponsor(BasePermission):
    """A program of the sponsor, with a token for what the view does: "read" unless its `scope` says otherwise."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not (request.user and request.user.is_authenticated and request.user.has_perm("sponsor.read_api")):
            return False
        scope = getattr(view, "scope", Scope.READ)
        if not has_scope(request, scope):
            text = _("This needs a token with the scope “%(scope)s”.") % {"scope": str(scope)}
            raise PermissionDenied(text, code="scope-missing")
        return True


class DatesLeaveAsTheyAre(BasePermission):
    """Rows one by one are read by nobody while the agreement with the sponsor says that dates leave shifted.

    Whoever reads day by day sees which rows are new, in the order in which they were written: that tells the days of
    all of them, however their dates are moved. So they leave together, in a snapshot.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if get_study().latest.sponsor_agreement.dates == "shifted":
            text = _(
                "The agreement with the sponsor says that dates leave shifted. Rows that are read one by one, or as "
                "they are written, would tell by how much: take a snapshot, at %(address)s."
            )
            raise PermissionDenied(text % {"address": "/api/v1/snapshots/"}, code="dates-leave-shifted")
        return True


# --- Issued, changed, revoked -----------------------------------------------------------------------


@transaction.atomic
def program_named(name: str) -> User:
    """The sponsor's program of this name, made where there is none. Raises Refused for the name of a person."""
    program, is_new = User.objects.get_or_create(username=name, defaults={"is_staff": False})
    groups = set(program.groups.values_list("name", flat=True))
    if program.is_staff or program.is_superuser or groups - {Role.SPONSOR_PROGRAM.value}:
        raise Refused(_("%(name)s is a person of the site: give the program a name of its own.") % {"name": name})
    if is_new:
        program.set_unusable_password()
        program.save()
    program.groups.set([Group.objects.get(name=Role.SPONSOR_PROGRAM)])
    return program


@transaction.atomic
def issue_token(
    program: User,
    *,
    days: int,
    scopes: tuple[str, ...] = (Scope.READ,),
    by: User | None = None,
    request: HttpRequest | None = None,
) -> tuple[str, dt.datetime]:
    """A new token and its end. The token itself is shown once and stored nowhere."""
    kept, token = AuthToken.objects.create(user=program, expiry=dt.timedelta(days=days))
    ApiToken.objects.create(
        program=program,
        token_key=kept.token_key,
        can_read=Scope.READ in scopes,
        can_export=Scope.EXPORT in scopes,
        issued_by=by,
        expires_at=kept.expiry,
    )
    facts = {"token": kept.token_key, "until": kept.expiry.isoformat(), "scopes": ", ".join(map(str, scopes))}
    note(SecurityKind.TOKEN_ISSUED, person=program, request=request, **facts, **_who(by))
    return token, kept.expiry


@transaction.atomic
def rotate_token(
    row: ApiToken, *, days: int, by: User | None, now: dt.datetime, request: HttpRequest | None = None
) -> tuple[str, dt.datetime]:
    """Another token for the same; this one goes on for a day, so that the program has the time to change over.

    Raises Refused for one that has ended.
    """
    row = ApiToken.objects.select_for_update(of=("self",)).select_related("program").get(pk=row.pk)
    if not row.is_good(now):
        raise Refused(_("This token has ended already: issue a new one."))
    _end([row], at=min(row.expires_at, now + GRACE))
    return issue_token(row.program, days=days, scopes=row.scopes, by=by, request=request)


@transaction.atomic
def revoke_token(row: ApiToken, *, by: User | None, now: dt.datetime, request: HttpRequest | None = None) -> bool:
    """Ends it at once; False where it had ended before."""
    row = ApiToken.objects.select_for_update(of=("self",)).select_related("program").get(pk=row.pk)
    if not row.is_good(now):
        return False
    row.revoked_at, row.revoked_by = now, by
    row.save(update_fields=["revoked_at", "revoked_by"])
    _end([row], at=now)
    note(SecurityKind.TOKEN_REVOKED, person=row.program, request=request, token=row.token_key, **_who(by))
    return True


def revoke_tokens(program: User, *, begins_with: str = "") -> int:
    """Of a program all that begin so, or all; how many were good until now."""
    now = timezone.now()
    rows = ApiToken.objects.filter(program=program, token_key__startswith=begins_with, expires_at__gt=now)
    return sum(revoke_token(row, by=None, now=now) for row in rows)


def key_of(token: str) -> str:
    """How a token begins: as much of it as may be shown."""
    return token[: CONSTANTS.TOKEN_KEY_LENGTH]


def _end(rows: list[ApiToken], *, at: dt.datetime) -> None:
    """In the library's row, which decides, and in ours, which lists."""
    keys = [row.token_key for row in rows]
    AuthToken.objects.filter(token_key__in=keys).update(expiry=at)
    ApiToken.objects.filter(token_key__in=keys).update(expires_at=at)


def _who(by: User | None) -> dict[str, str]:
    return {"by": by.get_username()} if by is not None else {}
