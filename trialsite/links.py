"""One-time links: how a person sets a password that nobody else has known, or a second factor.

A link is a secret, so it is written down nowhere: a queued message holds a placeholder, and the link is made at the
moment at which the mail leaves. It is derived from what the person's row holds then (Django's own token): once the
password, the factor or the last login is another one, the link is dead, so it works once. In the address it stands
behind the question mark, which no log of ours keeps.
"""

from enum import StrEnum
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.urls import reverse

from trialsite.models import SecondFactor, User
from trialsite.reading import read_key

# What stands in a message of the outbox, and in its place what the mail holds.
PLACEHOLDER = "[one-time-link]"
ABOUT = "link"


class Kind(StrEnum):
    """PASSWORD: set a password, then the factor where there is none. FACTOR: with one's password, set the factor."""

    PASSWORD = "password"
    FACTOR = "factor"


class _Tokens(PasswordResetTokenGenerator):
    """Django's token, dead also once a factor was set or taken away; one of the other kind is no use."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.key_salt = f"trialsite.links.{kind}"

    def _make_hash_value(self, user: User, timestamp: int) -> str:  # type: ignore[override]
        factor = SecondFactor.objects.filter(user=user, confirmed=True).values_list("pk", flat=True).first()
        return f"{super()._make_hash_value(user, timestamp)}{factor}"


def address(person: User, kind: Kind) -> str:
    """The whole link. Whoever holds it can act as this person: put it into a mail to them, and nowhere else."""
    query = urlencode({"k": kind, "p": person.pk, "t": _Tokens(kind).make_token(person)})
    return f"{settings.SITE_URL}{reverse('admin:link')}?{query}"


def holder(kind: str, pk: str, token: str) -> User | None:
    """The person whose link this is, while it is good."""
    person = User.objects.filter(pk=read_key(pk) or 0, is_active=True).first()
    if kind not in list(Kind):
        return None
    return person if person is not None and _Tokens(Kind(kind)).check_token(person, token) else None


def about(person: User, kind: Kind) -> str:
    return f"{ABOUT}:{kind}:{person.pk}"


def filled(text: str, *, about: str, person: User) -> str:
    """The text of a message as it is mailed: with the link, where the message is about one."""
    subject, _colon, rest = about.partition(":")
    if subject != ABOUT or PLACEHOLDER not in text:
        return text
    return text.replace(PLACEHOLDER, address(person, Kind(rest.partition(":")[0])))
