"""What must be true before treatment: fitness, holds, what an investigator judged, who checked identity."""

from __future__ import annotations

import pghistory
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from dosing.models.product import CellProduct
from dosing.rules.fitness import Examined
from dosing.rules.readiness import Code
from participants.models import Participant
from participants.rules.contradictions import Kind
from trialsite.models import Meaning, Record, immutable
from trialsite.search import list_indexes
from trialsite.twins import Twin

LINE_NAMES = {
    Code.ELIGIBILITY: _("Eligibility"),
    Code.CONSENT: _("Consent"),
    Code.LYMPHODEPLETION: _("Lymphodepletion"),
    Code.PRODUCT: _("Product"),
    Code.FITNESS: _("Fitness, infection and oxygen"),
    Code.TOCILIZUMAB: _("Tocilizumab on hand"),
    Code.HOLDS: _("Holds"),
    Code.IDENTITY: _("Identity check by two people"),
}


class Before(models.TextChoices):
    LYMPHODEPLETION = "lymphodepletion", pgettext_lazy("before", "lymphodepletion")
    INFUSION = "infusion", pgettext_lazy("before", "the infusion")


PERCENT = (MinValueValidator(0), MaxValueValidator(100))


@pghistory.track()
class FitnessCheck(Record):
    """Somebody looked whether the participant is fit for the next treatment; never changed, but looked at again."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="fitness_checks"
    )
    before = models.CharField(_("before"), max_length=20, choices=Before)
    checked_at = models.DateTimeField(_("checked at"))
    max_temperature_48h_c = models.DecimalField(
        _("highest temperature of the last 48 hours (°C)"),
        max_digits=4,
        decimal_places=1,
        null=True,
        blank=True,
        validators=[MinValueValidator(25), MaxValueValidator(45)],
    )
    spo2_percent = models.DecimalField(
        _("oxygen saturation (%)"), max_digits=4, decimal_places=1, null=True, blank=True, validators=PERCENT
    )
    is_on_oxygen = models.BooleanField(_("needs oxygen"), choices=[(True, _("yes")), (False, _("no"))])
    lvef_percent = models.DecimalField(
        _("ejection fraction, LVEF (%)"), max_digits=4, decimal_places=1, null=True, blank=True, validators=PERCENT
    )
    ecog = models.PositiveSmallIntegerField("ECOG", null=True, blank=True, validators=[MaxValueValidator(5)])
    has_uncontrolled_infection = models.BooleanField(
        _("uncontrolled infection"), choices=[(True, _("yes")), (False, _("no"))]
    )
    needs_vasopressors = models.BooleanField(_("needs vasopressors"), choices=[(True, _("yes")), (False, _("no"))])
    tocilizumab_doses = models.PositiveSmallIntegerField(
        _("doses of tocilizumab on the ward"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(50)],
        help_text=_("Counted for this participant; needed before the infusion."),
    )
    note = models.TextField(_("note"), blank=True)

    twin = Twin(same=("participant", "before"), at="checked_at")
    dated = {"checked_at": Kind.TREATMENT}

    class Meta(Record.Meta):
        verbose_name = _("fitness check")
        verbose_name_plural = _("fitness checks")
        ordering = ["-checked_at", "-id"]
        indexes = [*list_indexes("fitness", "checked_at")]
        triggers = immutable()
        permissions = [("void_fitnesscheck", "Can void a fitness check entered by mistake")]
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(
                name="fitness_counts_tocilizumab",
                condition=Q(before="lymphodepletion") | Q(tocilizumab_doses__isnull=False),
                violation_error_message=_("Count the doses of tocilizumab on the ward: 0 is an answer too."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {timezone.localtime(self.checked_at):%Y-%m-%d %H:%M}"

    @property
    def examined(self) -> Examined:
        return Examined(
            self.max_temperature_48h_c,
            self.spo2_percent,
            self.is_on_oxygen,
            self.lvef_percent,
            self.ecog,
            self.has_uncontrolled_infection,
            self.needs_vasopressors,
        )


@pghistory.track()
class DosingHold(Record):
    """Nothing is given to this participant until somebody lifts the hold."""

    participant = models.ForeignKey(Participant, models.PROTECT, verbose_name=_("participant"), related_name="holds")
    reason = models.TextField(_("why"))
    lifted_at = models.DateTimeField(_("lifted at"), null=True, blank=True, editable=False)
    lifted_by = models.ForeignKey(
        "trialsite.User",
        models.PROTECT,
        verbose_name=_("lifted by"),
        related_name="+",
        null=True,
        blank=True,
        editable=False,
    )
    lift_reason = models.TextField(_("why it was lifted"), blank=True, editable=False)

    twin = Twin(same=("participant", "reason"))
    dated = {"lifted_at": Kind.KNOWLEDGE}
    signed_as = {Meaning.LIFT: "lifted_at"}

    class Meta(Record.Meta):
        verbose_name = _("hold of treatment")
        verbose_name_plural = _("holds of treatment")
        ordering = ["-id"]
        permissions = [
            ("void_dosinghold", "Can void a hold entered by mistake"),
            ("lift_dosinghold", "Can lift a hold of treatment"),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(
                name="hold_says_why",
                condition=Q(reason__regex=r"\S"),
                violation_error_message=_("Say why nothing may be given."),
            ),
            models.CheckConstraint(
                name="hold_lifted_completely",
                condition=Q(lifted_at__isnull=True, lifted_by__isnull=True, lift_reason="")
                | Q(lifted_at__isnull=False, lifted_by__isnull=False, lift_reason__regex=r"\S"),
                violation_error_message=_("A hold that is lifted has its time, its person and its reason."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.reason[:60]}"

    @property
    def is_active(self) -> bool:
        return self.lifted_at is None and not self.is_void


@pghistory.track()
class ReadinessRuling(Record):
    """An investigator judged that a line of the readiness page does not stand against the infusion."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="readiness_rulings"
    )
    line = models.CharField(_("line"), max_length=20, choices=[(code.value, LINE_NAMES[code]) for code in Code])
    # What was judged: with other facts, or on another day, the judgement no longer holds.
    basis = models.CharField(max_length=64, editable=False)
    reason = models.TextField(_("reason"))

    signed_as = {Meaning.READINESS: "created_at"}

    class Meta(Record.Meta):
        verbose_name = _("judgement of readiness")
        verbose_name_plural = _("judgements of readiness")
        ordering = ["-id"]
        triggers = immutable()
        permissions = [
            ("void_readinessruling", "Can void a judgement entered by mistake"),
            ("judge_readiness", "Can judge what the readiness page leaves to the investigator"),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(
                name="readiness_ruling_has_reason",
                condition=Q(reason__regex=r"\S"),
                violation_error_message=_("A judgement needs its reason."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.get_line_display()}"


@pghistory.track()
class IdentityCheck(Record):
    """One person compared wristband and bag, and signed with their own password."""

    part_of = ("participant", "product")

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="identity_checks"
    )
    product = models.ForeignKey(
        CellProduct, models.PROTECT, verbose_name=_("cell product"), related_name="identity_checks"
    )
    # Who was logged in where it was signed: often the other one of the two.
    entered_by = models.ForeignKey(
        "trialsite.User", models.PROTECT, verbose_name=_("entered on the login of"), related_name="+", editable=False
    )

    signed_as = {Meaning.IDENTITY: "created_at"}

    class Meta(Record.Meta):
        verbose_name = _("identity check")
        verbose_name_plural = _("identity checks")
        ordering = ["-id"]
        triggers = immutable()
        permissions = [
            ("void_identitycheck", "Can void an identity check entered by mistake"),
            ("sign_identitycheck", "Can sign that participant and product belong together"),
        ]

    def __str__(self) -> str:
        return f"{self.product} · {self.created_by}"


class StopPlace(models.TextChoices):
    IDENTITY = "identity", _("identity check at the bedside")
    INFUSION = "infusion", _("logging of the infusion")


class StopWrong(models.TextChoices):
    WRISTBAND = "wristband", _("the wristband")
    BAG = "bag", _("the bag")
    BOTH = "both", _("the wristband and the bag")


@pghistory.track()
class IdentityStop(Record):
    """Wristband and bag did not belong to this participant: a near miss, kept although nothing was signed or given.

    A code is kept as what it leads to; as it was read only where it is built like a number of the study.
    """

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="identity_stops"
    )
    place = models.CharField(_("where"), max_length=10, choices=StopPlace)
    wrong = models.CharField(_("what was wrong"), max_length=10, choices=StopWrong)
    wristband_of = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("wristband of"), related_name="+", null=True, blank=True
    )
    wristband_code = models.CharField(_("number on the wristband"), max_length=30, blank=True)
    bag = models.ForeignKey(
        CellProduct, models.PROTECT, verbose_name=_("bag"), related_name="identity_stops", null=True, blank=True
    )
    # Who was logged in where it was stopped: often the other one of the two.
    entered_by = models.ForeignKey(
        "trialsite.User", models.PROTECT, verbose_name=_("entered on the login of"), related_name="+", editable=False
    )
    reviewed_at = models.DateTimeField(_("reviewed at"), null=True, blank=True, editable=False)
    reviewed_by = models.ForeignKey(
        "trialsite.User",
        models.PROTECT,
        verbose_name=_("reviewed by"),
        related_name="+",
        null=True,
        blank=True,
        editable=False,
    )
    review = models.TextField(_("what was found and done"), blank=True, editable=False)

    dated = {"reviewed_at": Kind.KNOWLEDGE}
    signed_as = {Meaning.NEAR_MISS: "reviewed_at"}

    class Meta(Record.Meta):
        verbose_name = _("stopped identity check")
        verbose_name_plural = _("stopped identity checks")
        ordering = ["-id"]
        triggers = immutable("reviewed_at", "reviewed_by", "review")
        permissions = [
            ("void_identitystop", "Can void a stopped identity check entered by mistake"),
            ("review_identitystop", "Can say what was found and done about a stopped identity check"),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(
                name="identity_stop_reviewed_completely",
                condition=Q(reviewed_at__isnull=True, reviewed_by__isnull=True, review="")
                | Q(reviewed_at__isnull=False, reviewed_by__isnull=False, review__regex=r"\S"),
                violation_error_message=_("A near miss that is reviewed has its time, its person and what was found."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {timezone.localtime(self.created_at):%Y-%m-%d %H:%M}"

    @property
    def wristband_text(self) -> str:
        """Whose wristband it was, as far as it may be told."""
        if self.wristband_of is not None:
            return self.wristband_of.number
        return self.wristband_code or gettext("unknown code")

    @property
    def bag_text(self) -> str:
        if self.bag is None:
            return gettext("unknown code")
        return f"{self.bag.participant.number_beside(self.participant)} · {self.bag.code}"
