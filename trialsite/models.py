"""The ground floor's rows: sites, people, messages, sweeps and counters; and what every record shares."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from functools import reduce
from typing import Any, ClassVar, Self, TypeVar

import pghistory
import pghistory.models
import pgtrigger
from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import AbstractUser, Group
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Lower, Now
from django.utils import timezone
from django.utils.translation import get_language, gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django_otp.models import Device, ThrottlingMixin
from django_otp.util import random_hex
from knox.models import AuthToken

from trialsite import freetext, totp
from trialsite.fieldkeys import Unreadable
from trialsite.fields import EncryptedTextField
from trialsite.roles import Role


class SessionUser(Func):
    """PostgreSQL's name of the login that wrote a row."""

    template = "SESSION_USER"
    output_field = models.TextField()


class ClockTimestamp(Func):
    """The database's clock at this very moment, not at the start of the transaction."""

    template = "CLOCK_TIMESTAMP()"
    output_field = models.DateTimeField()


class Event(pghistory.models.Event):
    """One change of one row, written by a database trigger; nobody can change or delete it."""

    pgh_db_user = models.TextField(db_default=SessionUser(), editable=False)

    class Meta:
        abstract = True


def all_or_none(name: str, *fields: str) -> models.CheckConstraint:
    """Facts that belong together (when, who, why) are all there or all missing."""
    none = Q(**{f"{field}__isnull": True for field in fields})
    every = Q(**{f"{field}__isnull": False for field in fields})
    return models.CheckConstraint(
        condition=none | every,
        name=name,
        violation_error_message=_("Give the time, the person and the reason together, or none of them."),
    )


# Whoever writes a record says so, until the commit, by a lock that nobody waits for: its number is the second, counted
# from 2000, in which the transaction began. See `changes`, which reads these.
WRITERS = 7249404
ANNOUNCE = f"""
PERFORM pg_advisory_xact_lock_shared({WRITERS}, floor(extract(epoch FROM now() - '2000-01-01Z'::TIMESTAMPTZ))::INT);
IF TG_OP = 'INSERT' THEN
    NEW.modified_at = clock_timestamp();
END IF;
RETURN NEW;
"""


def record_triggers(*generated: str) -> list[pgtrigger.Trigger]:
    """What the database does for every record; columns that it generates itself are named, to be left out."""
    changed = pgtrigger.AnyChange(exclude=list(generated)) if generated else pgtrigger.AnyChange()
    return [
        # Triggers fire in the order of their names: this one before "touch", so that the lock is there, for readers of
        # changes to see, before the clock is read.
        pgtrigger.Trigger(
            name="announce",
            when=pgtrigger.Before,
            operation=pgtrigger.Insert | pgtrigger.Update,
            func=ANNOUNCE,
        ),
        pgtrigger.Trigger(
            name="touch",
            when=pgtrigger.Before,
            operation=pgtrigger.Update,
            condition=changed,
            # The database's clock, so that changes by raw SQL are seen by readers of changes too.
            func="NEW.modified_at = clock_timestamp(); RETURN NEW;",
        ),
        pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
    ]


class Meaning(models.TextChoices):
    """What somebody says with a signature."""

    ELIGIBILITY = "eligibility", pgettext_lazy("signature", "confirms that all criteria are met")
    CRITERION = "criterion", pgettext_lazy("signature", "rules on a criterion")
    READINESS = "readiness", pgettext_lazy("signature", "judges that it does not stand against the infusion")
    IDENTITY = "identity", pgettext_lazy("signature", "has compared wristband and bag")
    NEAR_MISS = "near miss", pgettext_lazy("signature", "has reviewed a stopped identity check")
    GRADE = "grade", pgettext_lazy("signature", "sets another grade than the computed one")
    LIFT = "lift", pgettext_lazy("signature", "lifts a hold of treatment")
    ACCESS = "access", pgettext_lazy("signature", "has reviewed who may do what")
    EVENT = "event", pgettext_lazy("signature", "stands for what an adverse event tells")
    RELEASE = "release", pgettext_lazy("signature", "releases free text to the sponsor")
    VOID = "void", pgettext_lazy("signature", "voids an entry made by mistake")


R = TypeVar("R", bound="Record")


OWN_STANDS = Q(("voided_at__isnull", True))


class RecordQuerySet(models.QuerySet[R]):
    """Rows of records, and which of them count; free text that names a person is refused by whatever way it comes."""

    def bulk_create(self, objs: Iterable[R], *args: Any, **kwargs: Any) -> list[R]:
        rows = list(objs)
        for row in rows:
            freetext.refuse_identity(row)
        return super().bulk_create(rows, *args, **kwargs)

    def bulk_update(self, objs: Iterable[R], fields: Iterable[str], *args: Any, **kwargs: Any) -> int:
        rows, names = list(objs), list(fields)
        for row in rows:
            freetext.refuse_identity(row, names)
        return super().bulk_update(rows, names, *args, **kwargs)

    def _batched_insert(self, objs: list[R], fields: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        """Leaves out what the database fills in by itself: an expression among the values keeps Django from sending
        each column as one array, which takes a third of the time of naming every value."""
        typed = [
            one for one in fields if not all(isinstance(one.value_from_object(row), DatabaseDefault) for row in objs)
        ]
        return super()._batched_insert(objs, typed, *args, **kwargs)  # type: ignore[misc]

    def update(self, **values: Any) -> int:
        freetext.refuse_identity_for(self, values)
        return super().update(**values)

    def standing(self) -> Self:
        """Rows that count: not void themselves, nor part of somebody or something that is."""
        return self.filter(self.model.stands())

    def own_standing(self) -> Self:
        """Not void themselves, whatever became of what they are part of: for what has to be taken back with that."""
        return self.filter(OWN_STANDS)

    def fallen(self) -> Self:
        """The others: void themselves, or with what they are part of."""
        return self.filter(~self.model.stands())


class Record(models.Model):
    """A fact that somebody recorded: attributed, never deleted, voided with a reason when it was wrong."""

    # Rows that this one is part of: when one of them is void, so is this, without a word of its own.
    part_of: ClassVar[tuple[str, ...]] = ("participant",)

    created_at = models.DateTimeField(_("recorded at"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        "trialsite.User", models.PROTECT, verbose_name=_("recorded by"), related_name="+", editable=False
    )
    modified_at = models.DateTimeField(_("last changed at"), db_default=Now(), editable=False, db_index=True)
    voided_at = models.DateTimeField(_("voided at"), null=True, blank=True, editable=False)
    voided_by = models.ForeignKey(
        "trialsite.User",
        models.PROTECT,
        verbose_name=_("voided by"),
        related_name="+",
        null=True,
        blank=True,
        editable=False,
    )
    void_reason = models.TextField(_("reason for voiding"), null=True, blank=True, editable=False)

    objects = RecordQuerySet.as_manager()
    # The state of a row that was planned and not filled in yet, by the name of its field.
    not_filled_in: ClassVar[dict[str, str]] = {}
    # What somebody signs with such a row, by the field that holds something once it is signed. Every void is signed.
    signed_as: ClassVar[dict[Meaning, str]] = {}
    # What a page that shows several rows has found out about their signatures, for all of them at once.
    signatures: Any

    class Meta:
        abstract = True
        constraints = [all_or_none("%(app_label)s_%(class)s_void_complete", "voided_at", "voided_by", "void_reason")]
        triggers = record_triggers()

    def save(self, *args: Any, **kwargs: Any) -> None:
        freetext.refuse_identity(self, kwargs.get("update_fields"))
        super().save(*args, **kwargs)

    @property
    def is_void(self) -> bool:
        return self.voided_at is not None

    @property
    def is_standing(self) -> bool:
        """Whether this row counts: the question of `standing()` about one row."""
        return not self.is_void and not any(_at(self, path).is_void for path in self.part_of)

    @classmethod
    def stands(cls, along: str = "") -> Q:
        """That a row counts, as a condition; `along` is the way to it from another model."""
        paths = [along, *(f"{along}__{path}" if along else path for path in cls.part_of)]
        return Q(**{f"{path}__voided_at__isnull".removeprefix("__"): True for path in paths})


def _at(row: models.Model, path: str) -> Record:
    """The row at the end of a way such as `product__participant`."""
    return reduce(getattr, path.split("__"), row)  # type: ignore[arg-type, return-value]


VOIDING_FIELDS = ("voided_at", "voided_by", "void_reason", "modified_at")


def immutable(*also: str) -> list[pgtrigger.Trigger]:
    """Triggers of a record whose facts never change: only voiding may touch it, and the named fields."""
    return [
        *record_triggers(),
        pgtrigger.ReadOnly(name="immutable", exclude=[*VOIDING_FIELDS, *also]),
    ]


@pghistory.track()
class Site(models.Model):
    """A hospital that takes part; staff see the participants of their own sites only."""

    code = models.SlugField(_("code"), max_length=10, unique=True)
    name_zh = models.CharField(_("name (Chinese)"), max_length=200)
    name_en = models.CharField(_("name (English)"), max_length=200)

    class Meta:
        verbose_name = _("site")
        verbose_name_plural = _("sites")
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name_zh if (get_language() or "").startswith("zh") else self.name_en


class Language(models.TextChoices):
    ZH = "zh-hans", "简体中文"
    EN = "en", "English"


# Whoever writes a password, by whatever way: the database notes when, and takes nobody's word for it. With a leading
# "!" Django marks that there is none.
PASSWORD_SET = """
    IF TG_OP = 'UPDATE' AND NEW.password IS NOT DISTINCT FROM OLD.password THEN
        NEW.password_set_at = OLD.password_set_at;
    ELSIF left(NEW.password, 1) = '!' THEN
        NEW.password_set_at = NULL;
    ELSE
        NEW.password_set_at = clock_timestamp();
    END IF;
    RETURN NEW;
"""


@pghistory.track(exclude=["password", "last_login"])
class User(AbstractUser):
    """A person at a site, or a sponsor's program; roles are groups, reach is the list of sites.

    What stands under a name in the trail must mean one person for ever: names are never changed, and nobody is deleted.
    """

    language = models.CharField(_("language"), max_length=10, choices=Language, default=Language.ZH)
    sites = models.ManyToManyField(Site, verbose_name=_("sites"), blank=True, related_name="people")
    # Empty: the password, if there is one, was set by somebody else, who may still know it.
    password_chosen_at = models.DateTimeField(_("own password since"), null=True, blank=True, editable=False)
    # Written by the database alone: the trail has the fact, and never the password's hash.
    password_set_at = models.DateTimeField(_("password set at"), null=True, editable=False)

    class Meta(AbstractUser.Meta):
        verbose_name = _("person")  # type: ignore[assignment]  # the base class says str, and means lazy too
        verbose_name_plural = _("people")  # type: ignore[assignment]
        constraints = [
            models.UniqueConstraint(
                Lower("username"),
                name="user_name_unique",
                violation_error_message=_(
                    "Somebody has or had this user name, in these letters or in other capitals. A name is never given "
                    "twice: choose another one."
                ),
            )
        ]
        triggers = [
            pgtrigger.ReadOnly(name="keep_name", fields=["username"]),
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
            pgtrigger.Trigger(
                name="end_sessions",
                when=pgtrigger.After,
                operation=pgtrigger.UpdateOf("password", "is_active"),
                condition=pgtrigger.Q(new__is_active=False)
                | pgtrigger.Q(old__password__df=pgtrigger.F("new__password")),
                # Whichever page or program did it: nobody goes on with a login that is no longer right.
                func="DELETE FROM trialsite_session WHERE person_id = NEW.id; RETURN NULL;",
            ),
            pgtrigger.Trigger(
                name="password_set",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update,
                func=PASSWORD_SET,
            ),
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    def check_password(self, raw_password: str | None) -> bool:
        """As Django does it; where it hashes the same password anew on the way, the trail says so."""

        def hash_anew(same: str) -> None:
            self.set_password(same)
            self._password = None
            with pghistory.context(reason=gettext("the same password, hashed anew")):
                self.save(update_fields=["password"])

        return check_password(raw_password, self.password, hash_anew)

    def get_full_name(self) -> str:
        """Family name first where it is written in Chinese."""
        if any("\u4e00" <= letter <= "\u9fff" for letter in self.last_name + self.first_name):
            return f"{self.last_name}{self.first_name}"
        return super().get_full_name()


class SecondFactor(ThrottlingMixin, Device):  # type: ignore[misc]
    """The program on a person's telephone that shows a new code every half minute; its secret is encrypted at rest.

    Not confirmed: the person has seen the secret, and has not typed a code of it yet.
    """

    user = models.OneToOneField(User, models.CASCADE, related_name="factor")
    key = EncryptedTextField(max_length=80, label="trialsite.secondfactor.key", default=random_hex, editable=False)
    # The half minute of the code that was taken last: it and earlier ones are not taken again.
    last_step = models.BigIntegerField(default=-1)
    confirmed = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("second factor")
        verbose_name_plural = _("second factors")

    def get_throttle_factor(self) -> int:
        """Seconds to wait after the first wrong code; after each further one twice as long."""
        return 1

    def throttle_increment(self, commit: bool = True) -> None:
        """Waits grow to a quarter of an hour: guessing is hopeless, and the person is not kept out for days."""
        self.throttling_failure_count = min(self.throttling_failure_count, 10)  # type: ignore[has-type]
        super().throttle_increment(commit=commit)

    def verify_token(self, token: str) -> bool:
        """Whether this is the code of now, or a recovery code not used yet. Wrong ones make the person wait."""
        if not self.verify_is_allowed()[0]:
            return False
        is_lost = isinstance(self.key, Unreadable)
        step = None if is_lost else totp.step_of(token, key=self.key, after=self.last_step)
        if step is None and not RecoveryCode.use(self, token):
            self.throttle_increment()
            return False
        self.last_step = self.last_step if step is None else step
        self.throttle_reset(commit=False)
        self.save()
        return True


class RecoveryCode(models.Model):
    """One of ten codes for the day on which the telephone is not there; only its digest is kept."""

    factor = models.ForeignKey(SecondFactor, models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("recovery code")
        verbose_name_plural = _("recovery codes")
        constraints = [models.UniqueConstraint(fields=["factor", "digest"], name="recovery_code_unique")]

    def __str__(self) -> str:
        return f"{self.factor_id}:{self.pk}"

    @staticmethod
    def use(factor: SecondFactor, typed: str) -> bool:
        """Whether it was one that was not used yet; from now on it is."""
        fresh = RecoveryCode.objects.filter(factor=factor, digest=totp.digest_of(typed), used_at=None)
        return bool(fresh.update(used_at=timezone.now()))


# --- Rights: tables of libraries, under a name of ours so that they have a trail ------------------------------------
#
# An event holds the row's own number and both its ends: rows of such tables come and go, so no key points at them.


@pghistory.track(obj_field=None)
class RoleGiven(User.groups.through):  # type: ignore[name-defined, misc]  # Django makes this class
    """That somebody has a role."""

    class Meta:
        proxy = True
        default_permissions = ()


@pghistory.track(obj_field=None)
class SiteGiven(User.sites.through):  # type: ignore[name-defined, misc]
    """That somebody reaches a site."""

    class Meta:
        proxy = True
        default_permissions = ()


@pghistory.track(obj_field=None)
class PermissionGiven(User.user_permissions.through):  # type: ignore[name-defined, misc]
    """That somebody has a permission beside their roles."""

    class Meta:
        proxy = True
        default_permissions = ()


@pghistory.track(obj_field=None)
class RoleHolder(Group):
    """A role, as a group of Django's."""

    class Meta:
        proxy = True
        default_permissions = ()


@pghistory.track(obj_field=None)
class RoleAllows(Group.permissions.through):  # type: ignore[name-defined, misc]
    """That a role allows something."""

    class Meta:
        proxy = True
        default_permissions = ()


@pghistory.track(obj_field=None, exclude=["digest"])
class TokenGiven(AuthToken):
    """A program's key to the API: that there is one, and until when; never what it is."""

    class Meta:
        proxy = True
        default_permissions = ()


def people_in(role: Role, site: Site) -> models.QuerySet[User]:
    """Active people of a site with this role who can be reached by e-mail."""
    return User.objects.filter(is_active=True, sites=site, groups__name=role.value).exclude(email="").distinct()


class NotificationState(models.TextChoices):
    QUEUED = "queued", pgettext_lazy("message", "waiting")
    SENDING = "sending", pgettext_lazy("message", "being sent")
    SENT = "sent", pgettext_lazy("message", "sent")
    FAILED = "failed", pgettext_lazy("message", "failed")
    CANCELLED = "cancelled", pgettext_lazy("message", "cancelled")


class Urgency(models.TextChoices):
    """In the order of delivery: whatever waits, alerts go first."""

    ALERT = "alert", pgettext_lazy("message", "alert")
    REMINDER = "reminder", pgettext_lazy("message", "reminder")


class ChannelName(models.TextChoices):
    """By which way a message leaves. The second one is the hospital's own, for what nobody may miss."""

    MAIL = "mail", pgettext_lazy("message", "e-mail")
    SECOND = "second", pgettext_lazy("message", "second channel")


@pghistory.track(exclude=["body_text", "body_html", "lease_until", "not_before"])
class Notification(models.Model):
    """A message to one person: a record before it is an e-mail. Identifiers only, never identity."""

    State = NotificationState

    dedupe_key = models.CharField(_("key"), max_length=200, unique=True)
    # What it is about (`visit:17`), so that it can be cancelled once that is done.
    about = models.CharField(_("about"), max_length=80, db_index=True)
    site = models.ForeignKey(Site, models.PROTECT, verbose_name=_("site"), related_name="+")
    recipient = models.ForeignKey(User, models.PROTECT, verbose_name=_("recipient"), related_name="+")
    subject = models.CharField(_("subject"), max_length=250)
    body_text = models.TextField(_("text"))
    body_html = models.TextField(_("text as HTML"))
    state = models.CharField(_("state"), max_length=10, choices=NotificationState, default=NotificationState.QUEUED)
    urgency = models.CharField(
        _("urgency"), max_length=8, choices=Urgency, default=Urgency.REMINDER, db_default=Urgency.REMINDER
    )
    channel = models.CharField(
        _("way"), max_length=6, choices=ChannelName, default=ChannelName.MAIL, db_default=ChannelName.MAIL
    )
    queued_at = models.DateTimeField(_("queued at"))
    # From when on it is to be there: the wait counts from then. Empty in what was queued before it was kept.
    due_at = models.DateTimeField(_("to be sent from"), null=True, blank=True)
    relevant_until = models.DateTimeField(_("worth sending until"), null=True, blank=True)
    not_before = models.DateTimeField(_("next attempt not before"))
    lease_until = models.DateTimeField(_("being sent until at the latest"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    # How often nobody can say whether it arrived: the sender died, or the server did not answer any more.
    unknown_fates = models.PositiveSmallIntegerField(
        _("sent, and not known whether it arrived"), default=0, db_default=0
    )
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    sent_to = models.EmailField(_("sent to"), blank=True)
    message_id = models.CharField("Message-ID", max_length=250)
    error = models.TextField(_("last error"), blank=True)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        permissions = [
            ("requeue_notification", "Can queue a failed notification again"),
            ("view_audit_trail", "Can see the audit trail"),
        ]
        ordering = ["-queued_at", "-id"]
        indexes = [
            # Delivery asks for these every minute.
            models.Index(
                fields=["channel", "urgency", "not_before", "id"],
                name="notification_next",
                condition=Q(state__in=["queued", "sending"]),
            ),
            # Few rows of many: what every first page and every look at the mail's health asks for.
            models.Index(fields=["finished_at"], name="notification_failed", condition=Q(state="failed")),
        ]
        constraints = [
            models.CheckConstraint(
                name="notification_lease_while_sending",
                condition=Q(state="sending", lease_until__isnull=False)
                | (~Q(state="sending") & Q(lease_until__isnull=True)),
            ),
            models.CheckConstraint(
                name="notification_finished_when_ended",
                condition=Q(state__in=["sent", "failed", "cancelled"], finished_at__isnull=False)
                | Q(state__in=["queued", "sending"], finished_at__isnull=True),
            ),
        ]
        triggers = [
            # What somebody was told stays as it was written; its events hold what became of it.
            pgtrigger.ReadOnly(
                name="as_written",
                fields=["dedupe_key", "about", "site", "recipient", "subject", "body_text", "body_html", "queued_at"],
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject} → {self.recipient}"


class SweepRun(models.Model):
    """When each sweep last ran to its end: how we notice that the scheduler is silent."""

    name = models.CharField(_("sweep"), max_length=80, primary_key=True)
    finished_at = models.DateTimeField(_("last finished at"))
    counts = models.JSONField(_("found"), default=dict)

    class Meta:
        verbose_name = _("sweep")
        verbose_name_plural = _("sweeps")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def is_silent(self, now: dt.datetime, limit: dt.timedelta) -> bool:
        return now - self.finished_at > limit


class ChannelState(models.Model):
    """Whether the server behind a way of sending answers: one row for each way."""

    name = models.CharField(_("way"), max_length=6, choices=ChannelName, primary_key=True)
    last_sent_at = models.DateTimeField(_("last delivery"), null=True)
    down_since = models.DateTimeField(_("does not answer since"), null=True)
    next_try_at = models.DateTimeField(_("next attempt not before"), null=True)
    failures = models.PositiveIntegerField(_("attempts"), default=0)
    error = models.TextField(_("last error"), blank=True)

    class Meta:
        verbose_name = _("way of sending")
        verbose_name_plural = _("ways of sending")
        ordering = ["name"]

    def __str__(self) -> str:
        return str(self.get_name_display())


class ListExport(models.Model):
    """A list or a print that left as a file: who took it, which rows they asked for, and a checksum of what it held."""

    KINDS = (
        ("csv", "CSV"),
        ("xlsx", "XLSX"),
        ("pdf", "PDF"),
        ("xml", "XML"),
        ("json", "JSON"),
        ("xpt", "XPT"),
        ("zip", "ZIP"),
        ("txt", "TXT"),
    )

    at = models.DateTimeField(_("at"))
    by = models.ForeignKey(User, models.PROTECT, verbose_name=_("exported by"), related_name="+")
    model = models.CharField(_("list"), max_length=80)
    # As in the address of the list; what somebody searched for stands here only if it is a number of the study.
    filters = models.CharField(_("filters"), max_length=1000, blank=True)
    kind = models.CharField(_("format"), max_length=4, choices=KINDS)
    rows = models.PositiveIntegerField(_("rows"))
    has_identity = models.BooleanField(_("with identity"))
    sha256 = models.CharField(_("SHA-256 of the file"), max_length=64)

    class Meta:
        verbose_name = _("export of a list")
        verbose_name_plural = _("exports of lists")
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{timezone.localtime(self.at):%Y-%m-%d %H:%M} {self.model}"


class SecurityKind(models.TextChoices):
    """What happens at the door; each kind is written in one place of the code."""

    LOGIN = "login", pgettext_lazy("security log", "logged in")
    LOGOUT = "logout", pgettext_lazy("security log", "logged out")
    LOGIN_FAILED = "login failed", pgettext_lazy("security log", "login failed")
    SIGNATURE_FAILED = "signature failed", pgettext_lazy("security log", "wrong password for a signature")
    LOCKED = "locked", pgettext_lazy("security log", "locked after wrong passwords")
    UNLOCKED = "unlocked", pgettext_lazy("security log", "unlocked")
    SESSION_ENDED = "session ended", pgettext_lazy("security log", "session ended")
    LINK_SENT = "link sent", pgettext_lazy("security log", "link for a password sent")
    PASSWORD_SET = "password set", pgettext_lazy("security log", "password set")
    FACTOR_SET = "factor set", pgettext_lazy("security log", "second factor set up")
    FACTOR_REMOVED = "factor removed", pgettext_lazy("security log", "second factor taken away")
    FACTOR_FAILED = "factor failed", pgettext_lazy("security log", "wrong code of the second factor")
    RECOVERY_USED = "recovery used", pgettext_lazy("security log", "recovery code used")
    RECOVERY_MADE = "recovery made", pgettext_lazy("security log", "new recovery codes made")
    LINK_DEAD = "link dead", pgettext_lazy("security log", "link used that is no longer good")
    REFUSED = "refused", pgettext_lazy("security log", "permission refused")
    EXPORT = "export", pgettext_lazy("security log", "list taken as a file")
    TOKEN_ISSUED = "token issued", pgettext_lazy("security log", "token issued")
    TOKEN_REVOKED = "token revoked", pgettext_lazy("security log", "token revoked")
    TOKEN_REFUSED = "token refused", pgettext_lazy("security log", "token refused")


class SecurityEvent(models.Model):
    """One line of the log of the door: added by `security.note`, never changed, never deleted."""

    Kind = SecurityKind

    at = models.DateTimeField(_("at"), db_default=ClockTimestamp(), editable=False, db_index=True)
    kind = models.CharField(_("event"), max_length=20, choices=SecurityKind)
    person = models.ForeignKey(User, models.PROTECT, verbose_name=_("person"), related_name="+", null=True)
    ip = models.CharField(_("from"), max_length=45, blank=True)
    # Without its query: that may hold what somebody searched for.
    path = models.CharField(_("address"), max_length=200, blank=True)
    detail = models.JSONField(_("details"), default=dict)

    class Meta:
        verbose_name = _("security event")
        verbose_name_plural = _("security log")
        ordering = ["-at", "-id"]
        # From where was this person logged in before?
        indexes = [models.Index(fields=["person", "kind", "ip"], name="security_known_address")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{timezone.localtime(self.at):%Y-%m-%d %H:%M} {self.get_kind_display()}"


class LockKind(models.TextChoices):
    """Whose wrong passwords are counted together; each has its rule in `trialsite.rules.delays`."""

    AT_ADDRESS = "at address", pgettext_lazy("lock", "one login, from one address")
    FROM_ELSEWHERE = "from elsewhere", pgettext_lazy("lock", "one login, from addresses not seen before")
    BY_ADDRESS = "by address", pgettext_lazy("lock", "many logins, from one address")
    SIGNATURE = "signature", pgettext_lazy("lock", "signature")


class Lock(models.Model):
    """Wrong passwords of one guesser that are not forgotten yet, and until when this guesser must wait."""

    Kind = LockKind

    # Who guesses at what; a user name that nobody has stands here as a digest, for it may be a password.
    key = models.CharField(_("key"), max_length=120, unique=True, editable=False)
    kind = models.CharField(_("what waits"), max_length=20, choices=LockKind)
    person = models.ForeignKey(User, models.PROTECT, verbose_name=_("person"), related_name="+", null=True, blank=True)
    ip = models.CharField(_("from"), max_length=45, blank=True)
    typed_by = models.ForeignKey(
        User, models.PROTECT, verbose_name=_("typed within the login of"), related_name="+", null=True, blank=True
    )
    wrong = models.PositiveIntegerField(_("wrong passwords"), default=0)
    as_of = models.DateTimeField(_("counted since"), null=True, blank=True)
    closed_until = models.DateTimeField(_("closed until"), null=True, blank=True, db_index=True)
    # When it closed first: what comes after belongs to the same attack, and is told once.
    closed_at = models.DateTimeField(pgettext_lazy("lock", "closed at"), null=True, blank=True)
    told_at = models.DateTimeField(_("told at"), null=True, blank=True)

    class Meta:
        verbose_name = _("lock after wrong passwords")
        verbose_name_plural = _("locks after wrong passwords")
        ordering = ["-closed_until", "-id"]
        default_permissions = ("view",)
        permissions = [("unlock", "Can unlock what closed after wrong passwords")]

    def __str__(self) -> str:
        return str(self.get_kind_display())


class Session(AbstractBaseSession):
    """A login on one device. The row holds a digest of its key: whoever reads the table can use none of it."""

    id = models.BigAutoField(primary_key=True)
    session_key = models.CharField(_("digest of the key"), max_length=64, unique=True)
    # None: somebody who is not logged in (yet).
    person = models.ForeignKey(User, models.CASCADE, verbose_name=_("person"), related_name="+", null=True)
    ip = models.CharField(_("from"), max_length=45, blank=True)
    device = models.CharField(_("device"), max_length=80, blank=True)
    begun_at = models.DateTimeField(_("begun"))
    last_seen_at = models.DateTimeField(_("last seen"))

    class Meta(AbstractBaseSession.Meta):
        abstract = False
        verbose_name = _("login on a device")  # type: ignore[assignment]
        verbose_name_plural = _("logins on devices")  # type: ignore[assignment]
        ordering = ["-last_seen_at", "-id"]
        default_permissions = ("view",)
        permissions = [("end_session", "Can end the logins of others")]

    def __str__(self) -> str:
        return str(self.device)

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        from trialsite.sessions import SessionStore

        return SessionStore


class Signature(models.Model):
    """What somebody signed: who, in which role, when, with which meaning, and the content, bound by a keyed hash.

    Made by `signing.sign` alone, never changed, never deleted; whether it is valid is `signing.verify`'s to say.
    """

    # The row that was signed, by its table: no lookup of a content type for each of them.
    row_table = models.CharField(_("table"), max_length=63)
    row_id = models.BigIntegerField(_("row"))
    meaning = models.CharField(_("meaning"), max_length=12, choices=Meaning)
    person = models.ForeignKey(User, models.PROTECT, verbose_name=_("signed by"), related_name="+")
    # As they were then.
    name = models.CharField(_("name"), max_length=310)
    roles = models.CharField(_("roles"), max_length=200, blank=True)
    signed_at = models.DateTimeField(_("signed at"))
    # False where it follows, by rule, from what the same person signed in the same transaction.
    is_own = models.BooleanField(_("signed by hand"), default=True)
    transaction = models.BigIntegerField(_("transaction"))
    # The signed columns as the database wrote them, JSON text with its keys in order. Identity is not among them.
    content = models.TextField(_("what was signed"))
    sha256 = models.CharField("SHA-256", max_length=64)
    # Which key made `mac`, by the beginning of a digest of the key: after a change of the site's secret.
    key = models.CharField(_("key"), max_length=16)
    mac = models.CharField(_("keyed hash"), max_length=64)

    class Meta:
        verbose_name = _("signature")
        verbose_name_plural = _("signatures")
        ordering = ["-id"]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]
        constraints = [
            models.UniqueConstraint(fields=["row_table", "row_id", "meaning"], name="signature_once_for_each_meaning")
        ]

    def __str__(self) -> str:
        return f"{self.name} · {self.get_meaning_display()} · {timezone.localtime(self.signed_at):%Y-%m-%d %H:%M}"


class AuditSeal(models.Model):
    """A seal on the audit trail: digests of the events since the seal before, chained to it.

    Made by the database alone (`guard.seal()`). Whoever changes, removes or slips in an event later no longer finds
    its digest here, and cannot make it fit where a copy of a later seal has left the house.
    """

    made_at = models.DateTimeField(_("made at"))
    # table → {columns, after, upto, rows, sha256} of the events that this seal covers, by their numbers.
    covers = models.JSONField(_("covers"))
    previous = models.CharField(_("seal before"), max_length=64)
    sha256 = models.CharField(_("seal"), max_length=64)

    class Meta:
        verbose_name = _("seal of the audit trail")
        verbose_name_plural = _("seals of the audit trail")
        ordering = ["-id"]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.pk}:{self.sha256}"


@pghistory.track()
class AccessReview(models.Model):
    """A signature under who may do what at a site: what the person saw of each, and what they decided."""

    site = models.ForeignKey(Site, models.PROTECT, verbose_name=_("site"), related_name="+")
    reviewed_at = models.DateTimeField(_("reviewed at"))
    reviewed_by = models.ForeignKey(User, models.PROTECT, verbose_name=_("reviewed by"), related_name="+")
    # One entry a person: what they were allowed, when they were last there, the decision and its reason.
    seen = models.JSONField(_("what was seen and decided"))

    signed_as: ClassVar[dict[Meaning, str]] = {Meaning.ACCESS: "reviewed_at"}

    class Meta:
        verbose_name = _("access review")
        verbose_name_plural = _("access reviews")
        ordering = ["-reviewed_at", "-id"]
        # Nobody adds or changes one but by signing.
        default_permissions = ("view",)
        permissions = [("review_access", "Can review who may do what, and take it away")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.site.code} {timezone.localtime(self.reviewed_at):%Y-%m-%d}"


class Counter(models.Model):
    """The last number given out under a name; taking the next one locks the row until the commit."""

    name = models.CharField(max_length=80, primary_key=True)
    value = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"

    @staticmethod
    def take(name: str) -> int:
        """The next number. Call it inside the transaction that uses the number: a rollback gives it back."""
        Counter.objects.bulk_create([Counter(name=name)], ignore_conflicts=True)
        counter = Counter.objects.select_for_update().get(name=name)
        Counter.objects.filter(name=name).update(value=F("value") + 1)
        return counter.value + 1


class FormToken(models.Model):
    """A form that somebody has sent, by the digest of its token; written with what it made, so that it is made once."""

    digest = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_index=True)
    # Where what it made is to be seen.
    path = models.CharField(max_length=500, blank=True)

    def __str__(self) -> str:
        return self.path
