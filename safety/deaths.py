"""What must follow a death by a toxicity: its event, the status, the reports; each with where it is done."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from participants.actions import long_moment
from participants.models import Participant
from participants.rules.status import Status
from safety.dutywords import recipient_name
from safety.models import AdverseEvent, Outcome, ReportingDuty, ToxicityEpisode
from trialsite.partialdate import PartialDate
from trialsite.study import Protocol, get_study

# Reports that a death may ask for; whether it is a SUSAR is a person's judgement.
OF_A_DEATH = ("sae", "susar_fatal_or_life_threatening")


@dataclass(frozen=True)
class Owed:
    """One thing that must follow; `link` is the page where it is done, a path."""

    text: str
    link: str
    is_done: bool = False


def owed_after_death(participant: Participant, toxicity: str) -> tuple[Owed, ...]:
    """All of it, what is done included, in the reader's language."""
    episode = newest_episode(participant, toxicity)
    event = episode.adverse_event if episode is not None else None
    if event is not None and event.is_void:
        event = None
    return (*_events(episode, event), _status(participant), *_reports(participant, event))


def is_death(event: AdverseEvent) -> bool:
    """Whether anything of the event says so."""
    return event.grade == 5 or event.results_in_death or event.outcome == Outcome.FATAL


def owed_after_event(event: AdverseEvent) -> tuple[Owed, ...]:
    """The same from the event's form."""
    return (*owed_beside_reports(event), *_reports(event.participant, event))


def owed_beside_reports(event: AdverseEvent) -> tuple[Owed, ...]:
    """What else must follow, where the reports are told by the event's duties."""
    return (_told_as_death(event), *_cause(event), _status(event.participant), *_disagreeing(event))


def newest_episode(participant: Participant, toxicity: str) -> ToxicityEpisode | None:
    rows = ToxicityEpisode.objects.standing().filter(participant=participant, toxicity=toxicity)
    return rows.select_related("adverse_event").order_by("-number").first()


def _events(episode: ToxicityEpisode | None, event: AdverseEvent | None) -> tuple[Owed, ...]:
    if event is not None:
        return (_told_as_death(event),)
    text = _("Make the adverse event, with grade 5, death, and the fatal outcome.")
    if episode is None:
        return (Owed(text, reverse("admin:safety_adverseevent_add")),)
    return (Owed(text, reverse("admin:safety_toxicityepisode_change", args=[episode.pk])),)


def _told_as_death(event: AdverseEvent) -> Owed:
    is_told = event.grade == 5 and event.results_in_death and event.outcome == Outcome.FATAL
    text = _("Write grade 5, “results in death” and the fatal outcome in the adverse event.")
    return Owed(text, reverse("admin:safety_adverseevent_change", args=[event.pk]), is_told)


def _cause(event: AdverseEvent) -> tuple[Owed, ...]:
    """Only of the event that it was: a death by another one is told there."""
    if not event.results_in_death:
        return ()
    change = reverse("admin:safety_adverseevent_change", args=[event.pk])
    return (
        Owed(
            _("Write the day and the cause of the death."),
            change,
            bool(event.results_in_death_on and event.cause_of_death),
        ),
        Owed(_("Say whether there is an autopsy."), change, bool(event.autopsy)),
    )


def _disagreeing(event: AdverseEvent) -> Iterator[Owed]:
    """A death on two days: in the event and in the status."""
    if not event.results_in_death_on:
        return
    told = PartialDate.parse(event.results_in_death_on)
    died = event.participant.statuses.standing().filter(status=Status.DIED).order_by("-effective_on").first()
    if died is not None and not told.earliest <= died.effective_on <= told.latest:
        values = {"event": event.results_in_death_on, "status": f"{died.effective_on:%Y-%m-%d}"}
        text = _("The event tells the death of %(event)s, the status that of %(status)s: correct the wrong day.")
        yield Owed(text % values, reverse("admin:safety_adverseevent_change", args=[event.pk]))


def _status(participant: Participant) -> Owed:
    return Owed(
        _("Record the status “died” with its day: visits and reminders end."),
        reverse("admin:participants_participant_status", args=[participant.pk]),
        participant.status == Status.DIED,
    )


def _reports(participant: Participant, event: AdverseEvent | None) -> tuple[Owed, ...]:
    """The event's duties once it tells the death; before that, the clocks that a death may start."""
    protocol = get_study().protocol(participant.protocol_version)
    if event is not None and event.results_in_death:
        rows = ReportingDuty.objects.standing().filter(event=event, is_alarming=True, closed_at__isnull=True)
        return tuple(_duty(row, protocol) for row in rows.order_by("due_at", "id"))
    link = reverse("admin:safety_adverseevent_change", args=[event.pk]) if event is not None else ""
    text = _("Report: %(report)s. The clock runs from the first knowledge of the death.")
    clocks = [clock for clock in protocol.regime.clocks if clock.applies_to in OF_A_DEATH]
    return tuple(Owed(text % {"report": clock.name}, link) for clock in clocks)


def _duty(row: ReportingDuty, protocol: Protocol) -> Owed:
    values = {
        "report": f"{recipient_name(protocol, row.recipient)} · {row.get_kind_display()}",
        "at": long_moment(row.due_at),
    }
    text = _("Report: %(report)s, by %(at)s.") % values
    return Owed(text, reverse("admin:safety_reportingduty_change", args=[row.pk]), not row.is_open)
