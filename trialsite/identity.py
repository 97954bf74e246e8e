"""Which names name a person outside the study, wherever they stand, and who is shown them."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from trialsite.fields import EncryptedDateField, EncryptedTextField
from trialsite.study import get_study

NAMES: dict[str, Any] = {
    "name": pgettext_lazy("person", "name"),
    "birth_date": _("birth date"),
    "phone": _("phone"),
    "hospital_number": _("hospital number"),
    "bed": _("bed"),
    "initials": _("initials"),
}
IDENTITY = frozenset(NAMES)
PERMISSION = "participants.view_identity"


def seen_by(user: Any) -> frozenset[str]:
    """The fields that this person is shown: those that the study file in force today gives to one of their roles.

    Asked once for each request, like a permission; the administrator sees all.
    """
    if user.is_superuser:
        return IDENTITY
    if not user.has_perm(PERMISSION):
        return frozenset()
    if not hasattr(user, "_sees_of_identity"):
        # Whoever came with a session has the names of their roles at hand.
        roles = getattr(user, "role_names", None)
        user._sees_of_identity = _given_to(user.groups.values_list("name", flat=True) if roles is None else roles)
    return user._sees_of_identity  # type: ignore[no-any-return]


def _given_to(roles: Iterable[str]) -> frozenset[str]:
    own, rules = set(roles), get_study().current(timezone.localdate()).identity
    return frozenset(name for name in IDENTITY if own & set(getattr(rules, name)))


def hidden_of(names: Iterable[str], user: Any) -> tuple[str, ...]:
    """Those of a page's identity fields that this person is not shown.

    What is no field of identity but may hold one, such as the name of a file, goes with the name.
    """
    seen = seen_by(user)
    return tuple(name for name in names if (name if name in IDENTITY else "name") not in seen)


def never_kept(opts: Any) -> frozenset[str]:
    """Fields that a browser may keep no draft of: all that may name a person, unless the model says otherwise.

    The name of a drug is no identity: its column is not encrypted.
    """
    return frozenset(name for name in IDENTITY if not _is_plain(opts, name))


def asks_who(opts: Any) -> bool:
    """Whether a form of this model asks for what names a person."""
    return any(isinstance(one, EncryptedTextField | EncryptedDateField) for one in getattr(opts, "fields", ()))


def _is_plain(opts: Any, name: str) -> bool:
    try:
        is_encrypted = isinstance(opts and opts.get_field(name), EncryptedTextField | EncryptedDateField)
    except FieldDoesNotExist:
        return False
    return opts is not None and not is_encrypted
