"""Who may read the API: a sponsor's program with a token, and nobody else.

The only module that touches the token library. Tokens are stored as a digest, have an end, and a program
may hold two at a time so that one can be changed without a gap.
"""

import datetime as dt
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication as KnoxAuthentication
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from trialsite.models import SecurityKind, User
from trialsite.security import note


class TokenAuthentication(KnoxAuthentication):
    """`Authorization: Token …`"""

    def authenticate(self, request: Request) -> Any:
        try:
            return super().authenticate(request)
        except UnicodeError:
            # A header that is no Latin-1: only what talks to us without a web server between can send it.
            raise AuthenticationFailed(_("Invalid token.")) from None

    def authenticate_credentials(self, token: bytes) -> Any:
        """Ours are letters and digits, and nothing else is looked up."""
        if not token.isalnum():
            raise AuthenticationFailed(_("Invalid token."))
        return super().authenticate_credentials(token)


class TokenScheme(OpenApiAuthenticationExtension):
    """How the schema describes the token."""

    target_class = "sponsor.auth.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Token …"}


class IsSponsor(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user and request.user.is_authenticated and request.user.has_perm("sponsor.read_api"))


def issue_token(program: User, *, days: int) -> tuple[str, dt.datetime]:
    """A new token and its end. The token itself is shown once and stored nowhere."""
    with transaction.atomic():
        row, token = AuthToken.objects.create(user=program, expiry=dt.timedelta(days=days))
        note(SecurityKind.TOKEN_ISSUED, person=program, token=row.token_key, until=row.expiry.isoformat())
    return token, row.expiry


def revoke_tokens(program: User, *, begins_with: str = "") -> int:
    now = timezone.now()
    tokens = AuthToken.objects.filter(user=program, token_key__startswith=begins_with, expiry__gt=now)
    with transaction.atomic():
        for token in tokens.select_for_update():
            note(SecurityKind.TOKEN_REVOKED, person=program, token=token.token_key)
        return tokens.update(expiry=now)
