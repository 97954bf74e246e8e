"""The ground floor's rows: sites, people, messages, sweeps and counters; and what every record shares."""

from __future__ import annotations

import datetime as dt
from functools import reduce
from typing import ClassVar, Self, TypeVar

import pghistory
import pghistory.models
import pgtrigger
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Lower, Now
from django.utils import timezone
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django_otp.models import Device, ThrottlingMixin
from django_otp.util import random_hex

from trialsite import totp
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


def record_triggers(*generated: str) -> list[pgtrigger.Trigger]:
    """What the database does for every record; columns that it generates itself are named, to be left out."""
    changed = pgtrigger.AnyChange(exclude=list(generated)) if generated else pgtrigger.AnyChange()
    return [
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


R = TypeVar("R", bound="Record")


class RecordQuerySet(models.QuerySet[R]):
    """Rows of records, and which of them count."""

    def standing(self) -> Self:
        """Rows that count: not void themselves, nor part of somebody or something that is."""
        return self.filter(self.model.stands())

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

    class Meta:
        abstract = True
        constraints = [all_or_none("%(app_label)s_%(class)s_void_complete", "voided_at", "voided_by", "void_reason")]
        triggers = record_triggers()

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


@pghistory.track(exclude=["password", "last_login"])
class User(AbstractUser):
    """A person at a site, or a sponsor's program; roles are groups, reach is the list of sites.

    What stands under a name in the trail must mean one person for ever: names are never changed, and nobody is deleted.
    """

    language = models.CharField(_("language"), max_length=10, choices=Language, default=Language.ZH)
    sites = models.ManyToManyField(Site, verbose_name=_("sites"), blank=True, related_name="people")
    # Empty: the password, if there is one, was set by somebody else, who may still know it.
    password_chosen_at = models.DateTimeField(_("own password since"), null=True, blank=True, editable=False)

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
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username

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
        step = totp.step_of(token, key=self.key, after=self.last_step)
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


def people_in(role: Role, site: Site) -> models.QuerySet[User]:
    """Active people of a site with this role who can be reached by e-mail."""
    return User.objects.filter(is_active=True, sites=site, groups__name=role.value).exclude(email="").distinct()


class NotificationState(models.TextChoices):
    QUEUED = "queued", pgettext_lazy("message", "waiting")
    SENDING = "sending", pgettext_lazy("message", "being sent")
    SENT = "sent", pgettext_lazy("message", "sent")
    FAILED = "failed", pgettext_lazy("message", "failed")
    CANCELLED = "cancelled", pgettext_lazy("message", "cancelled")


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
    queued_at = models.DateTimeField(_("queued at"))
    relevant_until = models.DateTimeField(_("worth sending until"), null=True, blank=True)
    not_before = models.DateTimeField(_("next attempt not before"))
    lease_until = models.DateTimeField(_("being sent until at the latest"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
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
                fields=["not_before", "id"],
                name="notification_due",
                condition=Q(state__in=["queued", "sending"]),
            )
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


class ListExport(models.Model):
    """A list that left as a file: who took it, which rows they asked for, and a checksum of what it held."""

    at = models.DateTimeField(_("at"))
    by = models.ForeignKey(User, models.PROTECT, verbose_name=_("exported by"), related_name="+")
    model = models.CharField(_("list"), max_length=80)
    # As in the address of the list; what somebody searched for stands here only if it is a number of the study.
    filters = models.CharField(_("filters"), max_length=1000, blank=True)
    kind = models.CharField(_("format"), max_length=4, choices=[("csv", "CSV"), ("xlsx", "XLSX")])
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
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{timezone.localtime(self.at):%Y-%m-%d %H:%M} {self.get_kind_display()}"


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
