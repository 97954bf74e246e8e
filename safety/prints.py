"""What this app puts on paper: toxicity and adverse events of a participant's print."""

from collections.abc import Iterator
from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from participants.actions import site_day
from participants.models import Participant
from safety import heatmap
from safety.models import AdverseEvent, ToxicityAssessment, ToxicityEpisode, current
from safety.relation import relation_words, with_agents
from trialsite.printing import Picture, Section, Table, Words, moment, signatures
from trialsite.subjectpage import Asked


def sections(asked: Asked) -> Iterator[Section]:
    if asked.may("safety.view_bedsideassessment"):
        yield _toxicity(asked)
    if asked.may("safety.view_adverseevent"):
        yield _events(asked.participant)
    yield _signatures(asked)


def _toxicity(asked: Asked) -> Section:
    """Episodes, and the worst of each of the first 28 days as a picture."""
    table = Table(
        head=(_("Toxicity"), _("Episode"), _("Onset"), _("Highest grade"), _("Highest grade at"), _("Resolved")),
        rows=tuple(_episode(row) for row in asked.participant.toxicity_episodes.standing().order_by("onset_at", "id")),
        widths=(40, 30, 50, 40, 50, 50),
        empty=_("No episode of CRS or ICANS is recorded."),
    )
    return Section("toxicity", _("Toxicity: the first 28 days"), (*_picture(asked), table), is_wide=True)


def _episode(row: ToxicityEpisode) -> tuple[str, ...]:
    grade = _("grade %(grade)s") % {"grade": row.highest_grade}
    return row.toxicity, str(row.number), moment(row.onset_at), grade, moment(row.highest_at), moment(row.resolved_at)


def _picture(asked: Asked) -> Iterator[Any]:
    found = heatmap.context_of(asked.participant, today=site_day(asked.now))
    if found["heatmap"] is None:
        yield Words(_("Not infused yet: there are no first 28 days."))
        return
    yield Picture(render_to_string("admin/safety/heatmap.svg", {**found, "participant": asked.participant}))
    yield Words(
        _(
            "The worst of each day; darker and thicker is worse. “?”: assessed, but not gradable. Vasopressor and "
            "oxygen: as recorded, or as seen at the bedside. Empty: nothing recorded."
        ),
        8,
    )


def _events(participant: Participant) -> Section:
    table = Table(
        head=(_("Adverse event"), _("Onset"), _("Resolved"), _("Grade"), _("Serious"), _("Relatedness"), _("Outcome")),
        rows=tuple(_event(row) for row in with_agents(participant.adverse_events.standing().order_by("onset", "id"))),
        widths=(54, 22, 22, 14, 14, 28, 28),
        empty=_("None is recorded."),
    )
    return Section("events", _("Adverse events"), (table,))


def _event(row: AdverseEvent) -> tuple[str, ...]:
    return (
        row.term,
        row.onset,
        row.resolved or "—",
        str(row.grade),
        _("yes") if row.is_serious else _("no"),
        relation_words(row),
        str(row.get_outcome_display() or _("open")),
    )


def _signatures(asked: Asked) -> Section:
    whose = asked.participant
    regraded = current(ToxicityAssessment.objects.filter(participant=whose, investigator_grade__isnull=False))
    wanted = (
        ("safety.view_crsassessment", regraded),
        ("safety.view_iechsassessment", whose.iec_hs_assessments.standing()),
        ("safety.view_icahtassessment", whose.icaht_assessments.standing()),
    )
    return signatures(*(rows for permission, rows in wanted if asked.may(permission)))
