"""What was measured, observed or asked, and when: laboratory results, vital signs, ECG, history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pghistory
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from participants.models.people import Participant
from participants.names import COMPARATORS, MEASURE_NAMES, PANEL_NAMES, answer_text
from participants.rules.contradictions import Kind
from trialsite.fields import PartialDateField
from trialsite.models import Record
from trialsite.search import list_indexes, search_index
from trialsite.twins import Twin


@pghistory.track()
class Examination(Record):
    """What was examined at one moment: a blood count, an ECG, a talk about the history."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="examinations"
    )
    panel = models.CharField(_("examination"), max_length=12, choices=list(PANEL_NAMES.items()))
    taken_at = models.DateTimeField(
        _("taken at"), help_text=_("When the blood was drawn or the finding made, not when it was reported.")
    )
    is_fasting = models.BooleanField(_("fasting"), null=True, blank=True)
    is_study_procedure = models.BooleanField(
        _("done for this study"),
        default=True,
        help_text=_("Consent comes before every study procedure. Switch off what routine care did anyway."),
    )
    laboratory = models.CharField(_("laboratory or device"), max_length=100, blank=True)
    note = models.TextField(_("note"), blank=True)
    # The file that it was read from, by the number of its import; a later row would make a circle of the models.
    import_number = models.PositiveIntegerField(_("import"), null=True, blank=True, editable=False)
    # The file gave the day alone; whoever imported it said which time to put.
    is_time_assumed = models.BooleanField(_("time assumed, only the day is known"), default=False, editable=False)

    twin = Twin(same=("participant", "panel", "laboratory"), at="taken_at")
    dated = {"taken_at": Kind.RESULT}
    # What a form is about to save with it, so that the questions see the values beside each other.
    answers: Sequence[Measurement] = ()

    class Meta(Record.Meta):
        verbose_name = _("examination")
        verbose_name_plural = _("examinations")
        ordering = ["-taken_at", "-id"]
        permissions = [("void_examination", "Can void an examination entered by mistake")]
        indexes = [
            *list_indexes("examination", "taken_at", "panel", "panel taken_at"),
            search_index("examination_search", "laboratory"),
            models.Index(fields=["participant", "taken_at"], name="examination_of_participant"),
        ]

    def __str__(self) -> str:
        taken = timezone.localtime(self.taken_at)
        return f"{self.participant} · {self.get_panel_display()} · {taken:%Y-%m-%d %H:%M}"


@pghistory.track()
class Measurement(Record):
    """One answer: a number with its unit and reference range as printed, a choice, a date; or why there is none."""

    part_of = ("participant", "examination")

    examination = models.ForeignKey(
        Examination, models.PROTECT, verbose_name=_("examination"), related_name="measurements"
    )
    # The participant and the moment of the examination, so that the newest answer is found by one index.
    participant = models.ForeignKey(Participant, models.PROTECT, verbose_name=_("participant"), related_name="+")
    taken_at = models.DateTimeField(_("taken at"))
    code = models.CharField(_("measurement"), max_length=30, choices=list(MEASURE_NAMES.items()))
    value = models.DecimalField(_("value"), max_digits=20, decimal_places=6, null=True, blank=True)
    comparator = models.CharField(_("bound"), max_length=1, choices=list(COMPARATORS.items()), blank=True)
    unit = models.CharField(_("unit"), max_length=12, blank=True)
    # The value in the measure's own unit, rounded to the column: for lists and pictures. Rules convert anew.
    standard_value = models.DecimalField(
        _("value in the standard unit"), max_digits=20, decimal_places=6, null=True, blank=True, editable=False
    )
    reference_low = models.DecimalField(
        _("lower limit of normal"), max_digits=20, decimal_places=6, null=True, blank=True
    )
    reference_high = models.DecimalField(
        _("upper limit of normal"), max_digits=20, decimal_places=6, null=True, blank=True
    )
    lloq = models.DecimalField(
        _("lower limit of quantification"), max_digits=20, decimal_places=6, null=True, blank=True
    )
    choice = models.CharField(_("answer"), max_length=30, blank=True)
    day = PartialDateField(_("date"), blank=True)
    not_done_reason = models.CharField(_("why it was not done"), max_length=200, blank=True)
    # The import that brought it; it may have joined an examination that was there before.
    import_number = models.PositiveIntegerField(_("import"), null=True, blank=True, editable=False, db_index=True)

    dated = {"taken_at": Kind.RESULT, "day": Kind.BACKGROUND}

    class Meta(Record.Meta):
        verbose_name = _("measurement")
        verbose_name_plural = _("measurements")
        ordering = ["id"]
        permissions = [("void_measurement", "Can void a measurement entered by mistake")]
        indexes = [
            # The newest answer to each question of a participant.
            models.Index(
                fields=["participant", "code", "-taken_at"],
                name="measurement_newest",
                condition=Q(voided_at__isnull=True),
            )
        ]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["examination", "code"],
                condition=Q(voided_at__isnull=True),
                name="measurement_once",
                violation_error_message=_(
                    "This examination has a result for this already: open it anew, and correct that one."
                ),
            ),
            models.CheckConstraint(
                name="measurement_says_one_thing",
                condition=Q(value__isnull=False, choice="", day="", not_done_reason="")
                | (Q(value__isnull=True, choice="", day="") & ~Q(not_done_reason=""))
                | (Q(value__isnull=True, day="", not_done_reason="") & ~Q(choice=""))
                | (Q(value__isnull=True, choice="", not_done_reason="") & ~Q(day="")),
                violation_error_message=_("A result is a number, a choice or a date; or it was not done, and why."),
            ),
            models.CheckConstraint(
                name="measurement_range_in_order",
                condition=Q(reference_low__isnull=True)
                | Q(reference_high__isnull=True)
                | Q(reference_low__lte=models.F("reference_high")),
                violation_error_message=_("The lower limit of normal lies above the upper one."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_code_display()}: {self.text}"

    @property
    def text(self) -> str:
        """The answer in words: "< 0.5 mg/dL", "positive", "2025-07", "not done: …"."""
        return "".join(self._words())

    def _words(self) -> Iterator[str]:
        if self.value is not None:
            yield f"{self.comparator} " if self.comparator else ""
            yield f"{self.value.normalize():f}"
            yield f" {answer_text('unit', self.unit)}" if self.unit else ""
        elif self.not_done_reason:
            yield str(_("not done: %(reason)s") % {"reason": self.not_done_reason})
        else:
            yield self.day or answer_text(self.code, self.choice)
