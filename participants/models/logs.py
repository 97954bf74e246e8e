"""The site's two logs, read from what is recorded anyway: who was screened, and who was enrolled."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from participants.models.eligibility import EligibilityConfirmation
from participants.models.people import HISTORY, Consent, Participant, ParticipantStatus, ReasonCode
from participants.models.visits import DeviationKind, ProtocolDeviation
from participants.rules import flow
from participants.rules.status import Status
from trialsite.fieldkeys import Unreadable
from trialsite.models import RecordQuerySet, User


class LogQuerySet(RecordQuerySet["ScreeningLogEntry"]):
    def with_history(self) -> LogQuerySet:
        statuses = ParticipantStatus.objects.standing().order_by(*HISTORY)
        return self.select_related("rescreening_of").prefetch_related(
            Prefetch("statuses", statuses.select_related("created_by"))
        )

    def for_log(self) -> LogQuerySet:
        """With all that a line of the logs shows, in a number of queries that does not grow with the lines."""
        consents: QuerySet[Any] = Consent.objects.standing().order_by("consented_at", "id")
        signed: QuerySet[Any] = EligibilityConfirmation.objects.standing().order_by("id")
        exceptions: QuerySet[Any] = ProtocolDeviation.objects.standing().filter(
            kind=DeviationKind.OVERRIDE, about__startswith="enrolment:"
        )
        return (
            self.with_history()
            .select_related("site", "rescreening_of")
            .prefetch_related(
                Prefetch("consents", consents),
                Prefetch("confirmations", signed.select_related("created_by")),
                Prefetch("deviations", exceptions),
            )
        )


class ScreeningLogEntry(Participant):
    """A line of the screening log: one screening, whatever became of it. Ask for it through `for_log`."""

    objects = LogQuerySet.as_manager()  # type: ignore[misc]  # a proxy may have its own

    class Meta:
        proxy = True
        # Who may view participants may view the logs.
        default_permissions = ()
        ordering = ["-id"]
        verbose_name = gettext_lazy("screening log entry")
        verbose_name_plural = gettext_lazy("screening log entries")

    @property
    def history(self) -> list[ParticipantStatus]:
        return list(self.statuses.all())

    @property
    def flow_history(self) -> flow.History:
        """As the counting rules take it."""
        steps = tuple(
            flow.Step(Status(row.status), row.effective_on, row.reason_code, tuple(row.criteria))
            for row in self.history
        )
        before = self.rescreening_of
        return flow.History(steps, is_rescreening=before is not None and not before.is_void)

    @property
    def screening_end(self) -> ParticipantStatus | None:
        """The row that ended the screening: enrolled, screen failure, withdrawn, died."""
        return self._row(flow.screening_end(self.flow_history.statuses))

    @property
    def participation_end(self) -> ParticipantStatus | None:
        return self._row(flow.participation_end(self.flow_history.statuses))

    @property
    def screened_on(self) -> dt.date | None:
        return self._since(Status.SCREENING)

    @property
    def age_at_consent(self) -> int | None:
        """Completed years; the birth date itself stays out of the log."""
        return self.age_on(self.consented_on) if self.consented_on else None

    @property
    def infused_on(self) -> dt.date | None:
        """Day 0, which a second infusion may move beyond the day of the status."""
        since = self._since(Status.INFUSED)
        return (self.planned_infusion_on or since) if since else None

    @property
    def infusion_planned_on(self) -> dt.date | None:
        """Only while it is still to come."""
        return None if self.infused_on else self.planned_infusion_on

    def _row(self, index: int | None) -> ParticipantStatus | None:
        return None if index is None else self.history[index]

    def _since(self, status: Status) -> dt.date | None:
        """The first day in this status."""
        return next((row.effective_on for row in self.history if row.status == status), None)

    @property
    def first_consent(self) -> Consent | None:
        return next(iter(self.consents.all()), None)

    @property
    def consented_on(self) -> dt.date | None:
        consent = self.first_consent
        return timezone.localtime(consent.consented_at).date() if consent else None

    def reason_text(self, row: ParticipantStatus | None) -> str:
        """The kind of reason and the words for it, without the person's identity should somebody have typed it."""
        if row is None:
            return ""
        kind = str(ReasonCode(row.reason_code).label) if row.reason_code else ""
        words = self._without_identity(row.reason.strip())
        return _("%(kind)s: %(words)s") % {"kind": kind, "words": words} if kind and words else kind or words

    def _without_identity(self, text: str) -> str:
        for secret in (self.name, self.phone, self.hospital_number):
            # A single letter is no name, and hiding it would make the text unreadable.
            if len(secret) > 1 and not isinstance(secret, Unreadable):
                text = text.replace(secret, "•••")
        return text


class EnrolmentLogEntry(ScreeningLogEntry):
    """A line of the enrolment log: one participant with a participant number, and the way to it."""

    class Meta:
        proxy = True
        default_permissions = ()
        ordering = ["participant_number"]
        verbose_name = gettext_lazy("enrolment log entry")
        verbose_name_plural = gettext_lazy("enrolment log entries")

    @property
    def enrolment(self) -> ParticipantStatus | None:
        return next((row for row in self.history if row.status == Status.ENROLLED), None)

    @property
    def confirmation(self) -> EligibilityConfirmation | None:
        """The signature that the enrolment rested on: the last one before it."""
        enrolment = self.enrolment
        signed = [one for one in self.confirmations.all() if not enrolment or one.created_at <= enrolment.created_at]
        return signed[-1] if signed else None

    @property
    def exception_reason(self) -> str:
        """Why the principal investigator enrolled beyond the target or outside the recruitment window."""
        return self._without_identity("; ".join(one.reason for one in self.deviations.all()))

    @property
    def enrolled_by(self) -> User | None:
        return self.enrolment.created_by if self.enrolment else None
