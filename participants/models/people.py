"""Who is in the study: participants, their consent, and their standing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pghistory
import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from participants.rules.age import LeapDay, completed_years
from participants.rules.contradictions import Kind
from participants.rules.identifying import Finding, masked
from participants.rules.status import Status
from participants.sameperson import SAME_PERSON, identity_in
from trialsite.fieldkeys import Unreadable
from trialsite.fields import EncryptedCodeField, EncryptedDateField, EncryptedPhoneField, EncryptedTextField
from trialsite.models import Record, Site, immutable, record_triggers
from trialsite.reading import code_key
from trialsite.search import list_indexes, search_index
from trialsite.study import get_study
from trialsite.twins import Twin

STATUS_NAMES = {
    Status.SCREENING: _("In screening"),
    Status.SCREEN_FAILED: _("Screen failure"),
    Status.ENROLLED: _("Enrolled"),
    Status.LYMPHODEPLETED: _("Lymphodepleted"),
    Status.INFUSED: _("Infused"),
    Status.IN_FOLLOW_UP: _("In follow-up"),
    Status.RELAPSED: _("Relapsed"),
    Status.COMPLETED: _("Completed"),
    Status.WITHDRAWN: _("Withdrawn"),
    Status.LOST_TO_FOLLOW_UP: _("Lost to follow-up"),
    Status.DIED: _("Died"),
}


def enrolled_by_confirmation() -> pgtrigger.Trigger:
    """Nobody gets a participant number, by whatever path, without a signed confirmation of eligibility."""
    return pgtrigger.Trigger(
        name="enrolled_by_confirmation",
        when=pgtrigger.Before,
        operation=pgtrigger.Insert | pgtrigger.Update,
        condition=pgtrigger.Q(new__participant_number__isnull=False),
        func="""
            IF TG_OP = 'UPDATE' THEN
                IF OLD.participant_number IS NOT NULL THEN RETURN NEW; END IF;
            END IF;
            IF NOT EXISTS (
                SELECT 1 FROM participants_eligibilityconfirmation
                WHERE participant_id = NEW.id AND voided_at IS NULL
            ) THEN
                RAISE EXCEPTION 'a participant number needs a confirmation of eligibility by an investigator';
            END IF;
            RETURN NEW;
        """,
    )


class Sex(models.TextChoices):
    FEMALE = "F", _("female")
    MALE = "M", _("male")


def numbered(text: str) -> models.Q:
    """Whoever has this screening or participant number, in whatever spelling it was typed."""
    number = code_key(text)
    return models.Q(screening_number__iexact=number) | models.Q(participant_number__iexact=number)


@pghistory.track()
class Participant(Record):
    """A person who gave, or was asked for, consent to this study; known outside the site by number only."""

    part_of = ()

    site = models.ForeignKey(Site, models.PROTECT, verbose_name=_("site"), related_name="participants")
    screening_number = models.CharField(_("screening number"), max_length=20, unique=True, editable=False)
    participant_number = models.CharField(
        _("participant number"), max_length=20, unique=True, null=True, blank=True, editable=False
    )
    protocol_version = models.CharField(_("protocol version"), max_length=20, editable=False)
    # The newest status row's status, written with it, so that lists can filter by an index.
    status = models.CharField(
        _("status"),
        max_length=20,
        choices=[(s.value, STATUS_NAMES[s]) for s in Status],
        editable=False,
        db_index=True,
    )
    name = EncryptedTextField(pgettext_lazy("person", "name"), max_length=100, label="participant.name")
    birth_date = EncryptedDateField(_("birth date"), label="participant.birth_date")
    sex = models.CharField(_("sex"), max_length=1, choices=Sex)
    phone = EncryptedPhoneField(_("phone"), max_length=40, blank=True, label="participant.phone")
    hospital_number = EncryptedCodeField(
        _("hospital number"), max_length=40, blank=True, label="participant.hospital_number"
    )
    # How the ward tells people apart beside the number; which of them is shown at the bed, the study file says.
    bed = EncryptedTextField(_("bed"), max_length=20, blank=True, label="participant.bed")
    initials = EncryptedTextField(_("initials"), max_length=10, blank=True, label="participant.initials")
    rescreening_of = models.ForeignKey(
        "self",
        models.PROTECT,
        verbose_name=_("screened before as"),
        related_name="+",
        null=True,
        blank=True,
        editable=False,
    )
    planned_infusion_on = models.DateField(_("planned infusion"), null=True, blank=True, editable=False)
    # What has changed which visits are owed, as those say who record it; the status history may say it too.
    relapsed_on = models.DateField(_("relapse"), null=True, blank=True, editable=False)
    new_therapy_on = models.DateField(_("new anti-cancer therapy"), null=True, blank=True, editable=False)

    twin = SAME_PERSON

    class Meta(Record.Meta):
        verbose_name = _("participant")
        verbose_name_plural = _("participants")
        ordering = ["-screening_number"]
        triggers = [*record_triggers(), enrolled_by_confirmation()]
        indexes = [search_index("participant_search", "screening_number", "participant_number")]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["rescreening_of"],
                condition=Q(voided_at__isnull=True),
                name="participant_rescreened_once",
                violation_error_message=_("This participant was screened again already. Go on there."),
            ),
            models.CheckConstraint(
                name="participant_enrolled_has_number",
                condition=Q(participant_number__isnull=False)
                | Q(status__in=["screening", "screen_failed", "withdrawn", "lost_to_follow_up", "died"]),
            ),
        ]
        permissions = [
            ("view_identity", "Can see names, birth dates, phones and hospital numbers"),
            ("enrol_participant", "Can confirm eligibility and enrol"),
            ("override_enrolment", "Can enrol beyond the target or outside the recruitment window, with a reason"),
            ("change_status", "Can record a change of status"),
            ("void_participant", "Can void a participant entered by mistake"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """The number that people use: the participant number once there is one."""
        return self.participant_number or self.screening_number

    def identity_in(self, text: str) -> list[Finding]:
        """Where a text names this person: the question that every free text of theirs is asked before it is saved."""
        return identity_in(self, text)

    def masked(self, text: str, words: Mapping[str, Any]) -> str:
        """The text with a word in place of whatever names this person."""
        return masked(text, self.identity_in(text), words)

    def number_beside(self, other: Participant) -> str:
        """The number, for those who work with the other one: a number of another site is not theirs to know."""
        return self.number if self.site_id == other.site_id else gettext("a participant of another site")

    @property
    def born_on(self) -> dt.date | None:
        """The birth date as rules take it: None where no key opens it, and nothing follows from it then."""
        return None if isinstance(self.birth_date, Unreadable) else self.birth_date

    def age_on(self, day: dt.date) -> int | None:
        """Completed years; what holds for 29 February is the study file's choice. None where nobody can tell."""
        if self.born_on is None:
            return None
        policy = get_study().protocol(self.protocol_version or get_study().latest.version).policy
        return completed_years(self.born_on, day, LeapDay(policy.leap_day_birthday))


@pghistory.track()
class Consent(Record):
    """The participant (or guardian) agreed to a version of the consent form at this moment."""

    participant = models.ForeignKey(Participant, models.PROTECT, verbose_name=_("participant"), related_name="consents")
    version = models.CharField(_("version of the consent form"), max_length=20)
    consented_at = models.DateTimeField(_("consented at"))
    guardian_consented = models.BooleanField(
        _("guardian signed too"),
        null=True,
        blank=True,
        help_text=_("Required under 18 years; leave open for adults."),
    )
    participant_assented = models.BooleanField(
        _("participant assented"),
        null=True,
        blank=True,
        help_text=_("A minor's own agreement, beside the guardian's signature; leave open for adults."),
    )
    may_be_reminded = models.BooleanField(
        _("wants to be reminded of visits"),
        null=True,
        blank=True,
        help_text=_(
            "By telephone or text message, in words that name neither study nor disease; leave open where it was not "
            "asked."
        ),
    )

    long_term_agreed = models.BooleanField(
        _("agreed to long-term follow-up"),
        null=True,
        blank=True,
        help_text=_("To year 15 after the infusion. Leave open where the form does not ask for it by itself."),
    )

    twin = Twin(same=("participant", "version"), at="consented_at")
    dated = {"consented_at": Kind.CONSENT}

    class Meta(Record.Meta):
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        ordering = ["consented_at"]
        indexes = [*list_indexes("consent", "consented_at")]
        permissions = [("void_consent", "Can void a consent entered by mistake")]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                # The same version may be signed again: by the participant who has come of age, for one.
                fields=["participant", "version", "consented_at"],
                condition=Q(voided_at__isnull=True),
                name="consent_once",
                violation_error_message=_("This consent is recorded already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.version}"


class WithdrawalScope(models.TextChoices):
    TREATMENT = "treatment", _("no more study treatment; visits go on")
    VISITS = "visits", _("no more treatment and visits; the file may be read on")
    EVERYTHING = "everything", _("no further contact and no further data")

    def goes_beyond(self, other: WithdrawalScope) -> bool:
        """Whether more is taken back than with the other: they stand in this order."""
        return list(WithdrawalScope).index(self) > list(WithdrawalScope).index(other)


@pghistory.track()
class ConsentWithdrawal(Record):
    """The participant took the consent back at this moment: how far, and what may still be kept."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="withdrawals"
    )
    withdrawn_at = models.DateTimeField(_("withdrawn at"))
    scope = models.CharField(_("how far"), max_length=12, choices=WithdrawalScope)
    may_keep_samples = models.BooleanField(
        _("samples may be kept"), help_text=_("If not, the laboratory is asked to destroy what is left of them.")
    )
    may_contact = models.BooleanField(
        _("may be contacted about late effects"),
        help_text=_("Integrating vectors: the long-term safety follow-up asks only with permission."),
    )
    reason = models.TextField(_("reason"), blank=True, help_text=_("Nobody has to give one."))
    dated = {"withdrawn_at": Kind.WITHDRAWAL}

    class Meta(Record.Meta):
        verbose_name = _("withdrawal of consent")
        verbose_name_plural = _("withdrawals of consent")
        ordering = ["withdrawn_at"]
        indexes = [*list_indexes("withdrawal", "withdrawn_at")]
        permissions = [("void_consentwithdrawal", "Can void a withdrawal entered by mistake")]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                # It may go further later: from the treatment to everything.
                fields=["participant", "scope"],
                condition=Q(voided_at__isnull=True),
                name="consent_withdrawn_once",
                violation_error_message=_("The withdrawal is recorded already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.get_scope_display()}"

    @property
    def allows_contact(self) -> bool:
        """Who takes back everything wants no call, whatever else is ticked."""
        return self.may_contact and self.scope != WithdrawalScope.EVERYTHING


class ReconsentCause(models.TextChoices):
    NEW_VERSION = "new_version", _("new version of the consent form")
    MAJORITY = "majority", _("came of age")


class ReconsentState(models.TextChoices):
    OPEN = "open", _("open")
    DONE = "done", pgettext_lazy("task", "done")
    CANCELLED = "cancelled", _("no longer due")


@pghistory.track()
class Reconsent(Record):
    """A participant must be asked for consent again by this day, and why."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="reconsents"
    )
    cause = models.CharField(_("cause"), max_length=12, choices=ReconsentCause)
    version = models.CharField(_("version of the consent form"), max_length=20)
    opens_on = models.DateField(_("possible from"))
    due_on = models.DateField(_("due on"))
    state = models.CharField(_("state"), max_length=10, choices=ReconsentState, default=ReconsentState.OPEN)
    settled_by = models.ForeignKey(
        Consent, models.PROTECT, verbose_name=_("settled by"), related_name="+", null=True, blank=True
    )

    class Meta(Record.Meta):
        verbose_name = _("consent to be renewed")
        verbose_name_plural = _("consents to be renewed")
        ordering = ["due_on", "id"]
        permissions = [("void_reconsent", "Can void a consent to be renewed entered by mistake")]
        indexes = [
            *list_indexes("reconsent", "due_on"),
            models.Index(fields=["due_on"], name="reconsent_open", condition=Q(state="open")),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["participant", "cause", "version"],
                condition=Q(voided_at__isnull=True),
                name="reconsent_once",
                violation_error_message=_("This consent is on the list of those to be renewed already."),
            ),
            models.CheckConstraint(
                name="reconsent_done_has_consent",
                condition=Q(state="done", settled_by__isnull=False) | (~Q(state="done") & Q(settled_by__isnull=True)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.get_cause_display()}"


class ReasonCode(models.TextChoices):
    """Why somebody left: the words of the results report (ClinicalTrials.gov, dropWithdraws)."""

    NOT_ELIGIBLE = "not_eligible", _("not eligible")
    ADVERSE_EVENT = "adverse_event", _("adverse event")
    DEATH = "death", pgettext_lazy("reason", "death")
    RELAPSE = "lack_of_efficacy", _("relapse or lack of efficacy")
    LOST = "lost_to_follow_up", _("lost to follow-up")
    PHYSICIAN = "physician_decision", _("physician's decision")
    PREGNANCY = "pregnancy", _("pregnancy")
    VIOLATION = "protocol_violation", _("protocol violation")
    SUBJECT = "withdrawal_by_subject", _("withdrawal by the participant")
    MANUFACTURING = "manufacturing", _("no product could be made")
    OTHER = "other", pgettext_lazy("reason", "other")


# The order of a history: by day, and within a day as recorded; a row that corrects another stands in its place.
HISTORY = ("effective_on", Coalesce("corrects", "id"), "id")


@pghistory.track()
class ParticipantStatus(Record):
    """From this day the participant stood here in the study; a row is never changed, a new one follows."""

    participant = models.ForeignKey(Participant, models.PROTECT, verbose_name=_("participant"), related_name="statuses")
    status = models.CharField(_("status"), max_length=20, choices=[(s.value, STATUS_NAMES[s]) for s in Status])
    effective_on = models.DateField(_("since"))
    reason = models.TextField(_("reason"), blank=True)
    reason_code = models.CharField(_("kind of reason"), max_length=25, choices=ReasonCode, blank=True)
    # The criteria that a screen failure did not meet, by their codes.
    criteria = models.JSONField(_("criteria not met"), default=list, blank=True)
    # The first of the rows whose place this one takes, each void since the next: among several of one day it tells
    # which came first.
    corrects = models.ForeignKey(
        "self", models.PROTECT, verbose_name=_("corrects"), related_name="+", null=True, blank=True, editable=False
    )
    dated = {"effective_on": Kind.STATUS}

    class Meta(Record.Meta):
        verbose_name = _("status")
        verbose_name_plural = _("status history")
        ordering = HISTORY
        indexes = [*list_indexes("status", "effective_on")]
        permissions = [("void_participantstatus", "Can void a status entered by mistake")]
        triggers = immutable()

    def __str__(self) -> str:
        return f"{self.participant} · {self.get_status_display()}"
