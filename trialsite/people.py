"""People and their logins: whoever has a role can log in, with a password and a second factor that are their own."""

import datetime as dt

import pghistory
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django_otp.util import random_hex

from trialsite import links, notifications, security, totp
from trialsite.fieldkeys import Unreadable
from trialsite.links import Kind
from trialsite.models import (
    Notification,
    NotificationState,
    RecoveryCode,
    SecondFactor,
    SecurityKind,
    Site,
    Urgency,
    User,
)
from trialsite.refusal import Refused
from trialsite.roles import Role

PROGRAM = Role.SPONSOR_PROGRAM.value
# How many links may be asked for without a login, for one person in an hour.
LINKS_AN_HOUR = 3


def check_roles(person: User, groups: list[Group], email: str) -> None:
    """A program is no person, and a person must be reached for a password. Raises Refused."""
    names = {group.name for group in groups}
    if PROGRAM in names and (len(names) > 1 or person.is_staff):
        raise Refused(
            _("%(person)s logs in as a person. A sponsor's program has no login: give it a name and a row of its own.")
            % {"person": person.username}
        )
    if names - {PROGRAM} and not email:
        raise Refused(_("Give the e-mail: the link for the password is sent there, and every reminder."))


def is_to_log_in(person: User) -> bool:
    """Whether the person's roles are those of people; the administrator needs none."""
    names = {group.name for group in person.groups.all()}
    return person.is_superuser or bool(names - {PROGRAM})


def shut_out() -> QuerySet[User]:
    """Whoever has a role of people and no login all the same: given by an older version, or by SQL."""
    with_role = User.objects.filter(groups__in=Group.objects.exclude(name=PROGRAM)).exclude(groups__name=PROGRAM)
    return User.objects.filter(pk__in=with_role.values("pk"), is_staff=False)


def let_in() -> int:
    """Their logins are opened; how many those were."""
    found = list(shut_out())
    for person in found:
        person.is_staff = True
        person.save(update_fields=["is_staff"])
    return len(found)


@transaction.atomic
def admit(*, person: User, by: User, now: dt.datetime, request: HttpRequest | None = None) -> bool:
    """Let in whoever has a role of people; one who never had a password is mailed the link for it. True when mailed."""
    if person.is_staff != is_to_log_in(person):
        person.is_staff = not person.is_staff
        person.save(update_fields=["is_staff"])
    is_new = person.is_staff and not person.has_usable_password()
    if not is_new or not person.is_active or last_link(person, Kind.PASSWORD) is not None:
        return False
    return send_link(person=person, kind=Kind.PASSWORD, by=by, now=now, request=request)


def what_is_missing(person: User, *, now: dt.datetime) -> list[str]:
    """Why this person cannot log in, or what they must do first, each in a sentence; empty when nothing is missing."""
    if any(group.name == PROGRAM for group in person.groups.all()):
        return [_("A sponsor's program has no login: it reads with a token.")]
    missing = []
    if not person.is_active:
        missing.append(_("The login is closed: “active” is not ticked."))
    if not is_to_log_in(person):
        missing.append(_("No role is chosen yet."))
    if not person.email:
        missing.append(_("There is no e-mail to which the link for the password could be sent."))
    if not person.has_usable_password():
        missing.append(_("No password is set yet: the person sets it with the mailed link."))
        missing += _fate_of(last_link(person, Kind.PASSWORD), now)
    elif person.password_chosen_at is None:
        missing.append(_("The password was set by somebody else: it must be changed at the next login."))
    if settings.SECOND_FACTOR and not has_factor(person):
        missing.append(_("No second factor is set up yet: the person does so with the mailed link."))
        if person.has_usable_password():
            missing += _fate_of(last_link(person, Kind.FACTOR), now)
    if not person.is_superuser and not person.sites.all():
        missing.append(_("No site is chosen: after the login there is nothing to see."))
    return missing


def _fate_of(link: Notification | None, now: dt.datetime) -> list[str]:
    """What became of the mailed link, where it opens nothing (any more)."""
    if link is None:
        return [_("No link was sent yet: press “Send the link again…”.")]
    if link.state == NotificationState.FAILED:
        return [_("The mail with the link could not be sent: look at the e-mail, and send it again.")]
    if now >= (until := link.queued_at + dt.timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)):
        moment = formats.date_format(timezone.localtime(until), "DATETIME_FORMAT")
        return [_("The link has run out at %(at)s: send it again.") % {"at": moment}]
    return []


def has_factor(person: User) -> bool:
    return SecondFactor.objects.filter(user=person, confirmed=True).exists()


# --- links ---------------------------------------------------------------------------------------


def last_link(person: User, kind: Kind) -> Notification | None:
    """The newest message with a link of this kind."""
    return Notification.objects.filter(about=links.about(person, kind)).order_by("-queued_at", "-pk").first()


def kind_for(person: User) -> Kind:
    """The link that an administrator sends: for the factor where only that is missing, else for the password."""
    lacks_factor = settings.SECOND_FACTOR and not has_factor(person)
    return Kind.FACTOR if lacks_factor and person.has_usable_password() else Kind.PASSWORD


@transaction.atomic
def send_link(
    *, person: User, kind: Kind, by: User | None, now: dt.datetime, request: HttpRequest | None = None
) -> bool:
    """Mail a one-time link; the message in the outbox holds a placeholder. `by` is None where the person asked.

    Raises Refused when it would reach nobody.
    """
    if not (person.is_active and person.email and is_to_log_in(person)):
        raise Refused(_("No link can be sent: the login is closed, there is no e-mail, or no role of people."))
    about, hours = links.about(person, kind), settings.PASSWORD_RESET_TIMEOUT // 3600
    notifications.cancel(about=about, reason="a newer link was asked for", now=now)
    sent = notifications.queue(
        key=f"{about}:{now.isoformat()}",
        about=about,
        site=person.sites.order_by("pk").first() or Site.objects.order_by("pk")[0],
        recipient=person,
        template=f"trialsite/email/link_{kind}",
        context={"person": person, "link": links.PLACEHOLDER, "hours": hours, "by": by},
        # Somebody sits there and waits for it.
        urgency=Urgency.ALERT,
        now=now,
        relevant_until=now + dt.timedelta(hours=hours),
    )
    security.note(
        SecurityKind.LINK_SENT, person=person, request=request, link=kind.value, by=by.get_username() if by else ""
    )
    return sent


def note_printed_link(*, person: User) -> None:
    """A link was printed on the server, for the first administrator or where no mail arrives."""
    security.note(SecurityKind.LINK_SENT, person=person, link=Kind.PASSWORD.value, printed=True)


def printed_words() -> str:
    hours = settings.PASSWORD_RESET_TIMEOUT // 3600
    return f"Open it in a browser: it works once, within {hours} hours. Whoever holds it becomes this person."


def ask_for_link(*, username: str, now: dt.datetime, request: HttpRequest | None = None) -> None:
    """Somebody without a login asks for a new password: whether there is such a person is told to nobody."""
    person = User.objects.filter(username__iexact=username, is_active=True, is_staff=True).exclude(email="").first()
    if person is not None:
        send_own_link(person=person, kind=Kind.PASSWORD, now=now, request=request)


def send_own_link(*, person: User, kind: Kind, now: dt.datetime, request: HttpRequest | None = None) -> bool:
    """A link that a person asked for: no more than a few in an hour, whoever presses the button."""
    lately = Notification.objects.filter(about=links.about(person, kind), queued_at__gt=now - dt.timedelta(hours=1))
    if lately.count() >= LINKS_AN_HOUR:
        return False
    return send_link(person=person, kind=kind, by=None, now=now, request=request)


# --- passwords -----------------------------------------------------------------------------------


@transaction.atomic
def choose_password(
    *, person: User, password: str, now: dt.datetime, request: HttpRequest | None = None, how: str
) -> None:
    """The person has typed a password of their own; every session that was open with another one ends."""
    person.set_password(password)
    person.password_chosen_at = now
    with pghistory.context(user=person.pk, username=person.username):
        person.save(update_fields=["password", "password_chosen_at"])
    security.note(SecurityKind.PASSWORD_SET, person=person, request=request, how=how)


# --- the second factor ---------------------------------------------------------------------------


def begun_factor(person: User) -> SecondFactor:
    """The factor that this person is setting up, with a secret that stays the same until it is confirmed."""
    found = SecondFactor.objects.get_or_create(user=person)[0]
    if isinstance(found.key, Unreadable) and not found.confirmed:
        found.key = random_hex()
        found.save(update_fields=["key"])
    return found


@transaction.atomic
def confirm_factor(*, factor: SecondFactor, now: dt.datetime, request: HttpRequest | None = None) -> list[str]:
    """The person has typed a code of it: from now on it is asked for. The recovery codes, to be shown this once."""
    factor.confirmed = True
    factor.save(update_fields=["confirmed"])
    security.note(SecurityKind.FACTOR_SET, person=factor.user, request=request)
    return new_codes(factor=factor)


@transaction.atomic
def new_codes(*, factor: SecondFactor) -> list[str]:
    """Ten new recovery codes; those of before are dead."""
    codes = totp.recovery_codes()
    factor.recovery_codes.all().delete()
    RecoveryCode.objects.bulk_create(RecoveryCode(factor=factor, digest=totp.digest_of(code)) for code in codes)
    return codes


@transaction.atomic
def take_factor_away(
    *, person: User, reason: str, by: User, now: dt.datetime, request: HttpRequest | None = None
) -> None:
    """The telephone is lost: its codes are dead, and the person is mailed the link to set up another one."""
    deleted, _models = SecondFactor.objects.filter(user=person).delete()
    if not deleted:
        raise Refused(_("%(person)s has no second factor: there is nothing to take away.") % {"person": person})
    security.note(SecurityKind.FACTOR_REMOVED, person=person, request=request, by=by.get_username(), reason=reason)
    send_link(person=person, kind=Kind.FACTOR, by=by, now=now, request=request)


def wait_of(factor: SecondFactor) -> int:
    """How many seconds after wrong codes no code is looked at."""
    _may, why = factor.verify_is_allowed()
    until = (why or {}).get("locked_until")
    return 0 if until is None else max(1, round((until - timezone.now()).total_seconds()))
