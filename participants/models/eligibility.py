"""What investigators decided about eligibility: rulings on single criteria, and the signed confirmation."""

from __future__ import annotations

import pghistory
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from participants.models.people import Participant
from trialsite.models import Meaning, Record, immutable


class RulingKind(models.TextChoices):
    JUDGEMENT = "judgement", _("judgement")
    OVERRIDE = "override", _("set aside")


@pghistory.track()
class EligibilityRuling(Record):
    """An investigator decided what a rule left open, or set aside a limit that may be; on these very values."""

    participant = models.ForeignKey(Participant, models.PROTECT, verbose_name=_("participant"), related_name="rulings")
    check_name = models.CharField(_("question"), max_length=60)
    kind = models.CharField(_("kind"), max_length=10, choices=RulingKind)
    is_met = models.BooleanField(_("criterion met"))
    reason = models.TextField(_("reason"))
    # Digest of the values that were judged: with other values the ruling no longer holds.
    basis = models.CharField(max_length=64, editable=False)

    signed_as = {Meaning.CRITERION: "created_at"}

    class Meta(Record.Meta):
        verbose_name = _("investigator's decision on a criterion")
        verbose_name_plural = _("investigator's decisions on criteria")
        ordering = ["-id"]
        triggers = immutable()
        permissions = [
            ("void_eligibilityruling", "Can void a decision entered by mistake"),
            ("rule_on_criteria", "Can decide what the criteria leave to the investigator"),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(
                name="ruling_has_reason",
                condition=Q(reason__regex=r"\S"),
                violation_error_message=_("A decision needs its reason."),
            ),
            models.CheckConstraint(
                name="ruling_override_meets", condition=Q(kind="judgement") | Q(kind="override", is_met=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.check_name}"


@pghistory.track()
class EligibilityConfirmation(Record):
    """An investigator signed that this participant meets all criteria, on exactly the facts of this snapshot."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="confirmations"
    )
    overall = models.CharField(_("result"), max_length=12, editable=False)
    # Another day than that of the signature where an enrolment is taken over from paper.
    judged_for = models.DateField(_("judged for the day"), null=True, blank=True, editable=False)
    meaning = models.TextField(_("meaning of the signature"), editable=False)
    # JSON text, with its keys in order: what was signed, letter by letter.
    snapshot = models.TextField(_("what was confirmed"), editable=False)
    content_hash = models.CharField("SHA-256", max_length=64, editable=False)
    # Digest of the facts and their results: differs as soon as one of them does.
    facts_digest = models.CharField(max_length=64, editable=False)

    signed_as = {Meaning.ELIGIBILITY: "created_at"}

    class Meta(Record.Meta):
        verbose_name = _("confirmation of eligibility")
        verbose_name_plural = _("confirmations of eligibility")
        ordering = ["-id"]
        triggers = immutable()
        permissions = [
            ("void_eligibilityconfirmation", "Can void a confirmation entered by mistake"),
            ("confirm_eligibility", "Can sign that a participant meets the criteria"),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(name="confirmation_only_of_eligible", condition=Q(overall="ELIGIBLE")),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.content_hash[:12]}"

    @property
    def is_signed_later(self) -> bool:
        return self.judged_for is not None and self.judged_for < timezone.localtime(self.created_at).date()
