"""The page of a participant: toxicity and adverse events, and what safety asks for now."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from django.db.models import Count, Min
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dosing.admin.infusion import event_link
from dosing.page import infusions, is_awaited
from participants import labs
from participants import page as people
from participants.actions import site_day
from safety import heatmap
from safety.actions import blood, is_in_step, owed_count_of, unanswered
from safety.actions.counts import REACH
from safety.actions.rounds import DueRound, baseline_of, round_of
from safety.bloodwords import range_text
from safety.models import (
    AdverseEvent,
    DataFinding,
    IcahtAssessment,
    IcahtPhase,
    IecHsAssessment,
    Scale,
    ToxicityAssessment,
    ToxicityEpisode,
    badge,
    current,
    graded,
)
from safety.relation import read_agents, relation_words
from safety.rules.rounds import State
from safety.wording import ago
from trialsite import wayback
from trialsite.subjectpage import Asked, Next, Owed, Section, Verb

# Who sees to what the consistency checks find.
CLOSE_FINDING = "safety.close_datafinding"
# So many events are shown, and so many named in the summary.
SHOWN, NAMED = 100, 2


def _moment(at: dt.datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"


def _link(name: str, pk: int, section: str, asked: Asked) -> str:
    """The page of a row, which leads back to this section."""
    return wayback.link(name, pk, back=wayback.page(asked.participant, section))


def _add(name: str, asked: Asked, section: str, **query: Any) -> str:
    back = wayback.page(asked.participant, section)
    return wayback.link(name, participant=asked.participant.pk, back=back, **query)


def _grade(grade: int) -> str:
    return _("grade %(grade)s") % {"grade": grade}


# --- What several parts ask ---------------------------------------------------------------------------


def _events(asked: Asked) -> list[AdverseEvent]:
    """All that stand: death first, then what goes on, the worst first, then what is over."""
    find = asked.participant.adverse_events.standing()
    found: list[AdverseEvent] = asked.once("events", lambda: sorted(find, key=_urgency))
    return found


def _urgency(event: AdverseEvent) -> tuple[Any, ...]:
    return not event.results_in_death, not _is_open(event), not event.is_serious, -event.grade, -event.pk


def _is_open(event: AdverseEvent) -> bool:
    """Nobody has said when it ended; death ends it."""
    return not event.resolved and not event.results_in_death


def _round(asked: Asked) -> DueRound | None:
    """The next bedside assessment, or the ICE score before the infusion; None where none is owed any more."""
    return asked.once("round", lambda: _find_round(asked))  # type: ignore[no-any-return]


def _find_round(asked: Asked) -> DueRound | None:
    if not asked.may("safety.view_crsassessment") or not people.is_coming(asked.participant):
        return None
    if is_awaited(asked):
        return baseline_of(asked.participant, asked.now)
    return round_of(asked.participant, asked.now) if people.day0(asked) else None


# --- What is owed ------------------------------------------------------------------------------------


def owed(asked: Asked) -> list[Owed]:
    found = [*_owed_alerts(asked), *_owed_round(asked), *_owed_count(asked)]
    if asked.may("safety.view_adverseevent"):
        found += [*_owed_reactions(asked), *_owed_ends(asked)]
    return [*found, *_owed_episodes(asked), *_owed_agreement(asked)]


def _owed_agreement(asked: Asked) -> Iterator[Owed]:
    """What the consistency checks found of this participant, in one line, for those who see to it."""
    if not asked.may(CLOSE_FINDING):
        return
    rows = DataFinding.objects.open().filter(participant=asked.participant)
    found = rows.aggregate(count=Count("pk"), oldest=Min("found_at"))
    if not found["count"]:
        return
    text = ngettext("%(count)s contradiction in the record", "%(count)s contradictions in the record", found["count"])
    page = reverse("admin:safety_datafinding_changelist")
    yield Owed(
        text=text % {"count": found["count"]},
        link=f"{page}?state=open&participant__id__exact={asked.participant.pk}",
        permission=CLOSE_FINDING,
        late=_("the oldest found %(day)s") % {"day": f"{site_day(found['oldest']):%Y-%m-%d}"},
        due=found["oldest"],
    )


def _owed_alerts(asked: Asked) -> Iterator[Owed]:
    if not asked.may("safety.view_safetyalert"):
        return
    for alert in unanswered().filter(participant=asked.participant):
        yield Owed(
            text=_("Alert that nobody has acknowledged: %(what)s (%(kind)s)")
            % {"what": alert.what, "kind": alert.get_kind_display()},
            link=_link("safety_safetyalert_acknowledge", alert.pk, "toxicity", asked),
            permission="safety.acknowledge_safetyalert",
            late=_("waiting for %(time)s") % {"time": ago(asked.now - alert.raised_at)},
            due=alert.raised_at,
            is_urgent=True,
        )


def _owed_round(asked: Asked) -> Iterator[Owed]:
    due = _round(asked)
    if due is None or due.state is State.WAITING:
        return
    if due.due_at is None:
        text, late = _("ICE score before the infusion"), _("the infusion is planned for today, or was")
    else:
        listed = _(", ").join(due.toxicities)
        text = _("Bedside assessment (%(scales)s), due %(at)s") % {"scales": listed, "at": _moment(due.due_at)}
        late = _("overdue by %(time)s") % {"time": ago(asked.now - due.due_at)}
    yield Owed(
        text=text,
        link=_add("safety_bedsideassessment_add", asked, "toxicity"),
        permission="safety.add_bedsideassessment",
        late=late if due.state is State.OVERDUE else "",
        due=due.due_at,
    )


def _owed_count(asked: Asked) -> Iterator[Owed]:
    begun = people.day0(asked)
    if begun is None or not asked.may("safety.view_icahtassessment") or not people.is_coming(asked.participant):
        return
    if site_day(asked.now) - begun > REACH:
        return
    one = owed_count_of(asked.participant, begun, asked.now, newest=labs.newest_count(asked))
    if one is None:
        return
    by = (site_day(asked.now) - one.due_on).days
    late = ngettext("overdue by %(days)s day", "overdue by %(days)s days", by) % {"days": by}
    yield Owed(
        text=_("Neutrophil count by %(day)s (Day %(number)s)")
        % {"day": f"{one.due_on:%Y-%m-%d}", "number": one.due.due_day},
        link=_add("participants_examination_add", asked, "labs", panel="CBC"),
        permission="participants.add_examination",
        late=late if one.is_overdue else "",
        due=one.due_on,
    )


def _owed_reactions(asked: Asked) -> Iterator[Owed]:
    recorded = {event.infusion_id for event in _events(asked)}
    for row in infusions(asked):
        if row.has_reaction and row.pk not in recorded:
            yield Owed(
                text=_("Reaction to the infusion of %(day)s: not yet an adverse event")
                % {"day": f"{row.day:%Y-%m-%d}"},
                link=wayback.with_back(event_link(row), wayback.page(asked.participant, "events")),
                permission="safety.add_adverseevent",
            )


def _owed_ends(asked: Asked) -> Iterator[Owed]:
    for event in _events(asked):
        if event.is_serious and _is_open(event):
            yield Owed(
                text=_("Serious adverse event without an end: %(term)s, %(grade)s, since %(onset)s")
                % {"term": event.term, "grade": _grade(event.grade), "onset": event.onset},
                link=_link("safety_adverseevent_change", event.pk, "events", asked),
                permission="safety.change_adverseevent",
            )


def _owed_episodes(asked: Asked) -> Iterator[Owed]:
    if people.is_before_infusion(asked) or not asked.may("safety.view_toxicityepisode"):
        return
    for row in asked.participant.toxicity_episodes.standing().select_related("adverse_event").order_by("onset_at"):
        if not is_in_step(row):
            yield _owed_episode(row, asked)


def _owed_episode(row: ToxicityEpisode, asked: Asked) -> Owed:
    """The event is made of it; where there is one that tells another grade, that one is looked at."""
    values = {"toxicity": row.toxicity, "grade": _grade(row.highest_grade), "at": _moment(row.onset_at)}
    event = row.adverse_event
    if event is None or event.is_void:
        return Owed(
            text=_("%(toxicity)s, %(grade)s, since %(at)s: not yet an adverse event") % values,
            link=_link("safety_toxicityepisode_proposal", row.pk, "events", asked),
            permission="safety.propose_event",
        )
    return Owed(
        text=_("%(toxicity)s, %(grade)s, since %(at)s: its adverse event has another grade") % values,
        link=_link("safety_adverseevent_change", event.pk, "events", asked),
        permission="safety.change_adverseevent",
    )


# --- What comes next ---------------------------------------------------------------------------------


def following(asked: Asked) -> Next | None:
    """Where treatment and visits ask for nothing: the next look at the bedside."""
    due = None if asked.participant.is_void else _round(asked)
    if due is None or due.due_at is None:
        return None
    text = _("Next bedside assessment by %(at)s.") % {"at": _moment(due.due_at)}
    return Next(text, _add("safety_bedsideassessment_add", asked, "toxicity"), "safety.add_bedsideassessment")


# --- Toxicity ----------------------------------------------------------------------------------------


def _assessments(asked: Asked) -> Any:
    """Those that count, the newest first, with the grade that holds."""
    rows = current(ToxicityAssessment.objects.filter(participant=asked.participant))
    return rows.annotate(final=Coalesce("investigator_grade", "grade"))


def _toxicity_summary(asked: Asked) -> Any:
    """The newest grade of each scale in its coloured box; one query."""
    rows = _assessments(asked).order_by("toxicity", "-assessed_at", "-id").distinct("toxicity")
    newest = list(rows.values_list("toxicity", "final", "assessed_at"))
    if not newest:
        return _("not assessed yet")
    return format_html_join(" ", "{} {}", ((_box(one, grade), _moment(at)) for one, grade, at in newest))


def _box(toxicity: str, grade: int | None) -> Any:
    level = "none" if grade is None else grade
    return format_html('<span class="ts-grade ts-grade-{}">{}</span>', level, badge(toxicity, grade))


@dataclass(frozen=True)
class Standing:
    """One toxicity as it stands: its box, its grade in words with since when, and the row that says so."""

    box: Any
    words: str
    link: str = ""


def _unseen(toxicity: str) -> Standing:
    """Nobody has looked: that is not a grade that could not be given."""
    return Standing(format_html('<span class="ts-grade ts-grade-none">{} –</span>', toxicity), _("not assessed yet"))


def _toxicity_body(asked: Asked) -> dict[str, Any]:
    due = _round(asked)
    return {
        "standing": [*_bedside(asked), *_of_blood(asked)],
        "next_at": due.due_at if due else None,
        "is_overdue": due is not None and due.state is State.OVERDUE,
        "episodes": [_episode(row, asked) for row in asked.participant.toxicity_episodes.standing()],
        **heatmap.context_of(asked.participant, today=site_day(asked.now)),
    }


def _bedside(asked: Asked) -> Iterator[Standing]:
    """CRS and ICANS: the newest grade, and since when it has been that."""
    rows = _assessments(asked).order_by("-assessed_at", "-id").values_list("toxicity", "final", "assessed_at", "pk")
    listed = list(rows)
    for scale in Scale:
        of_scale = [row for row in listed if row[0] == scale]
        if not of_scale:
            yield _unseen(scale)
            continue
        _scale, grade, at, pk = of_scale[0]
        since = list(takewhile(lambda row, held=grade: row[1] == held, of_scale))[-1][2]  # type: ignore[misc]
        name = "safety_crsassessment_change" if scale == Scale.CRS else "safety_icansassessment_change"
        words = _("%(grade)s since %(since)s, last assessed %(at)s") % {
            "grade": graded(scale, grade),
            "since": _moment(since),
            "at": _moment(at),
        }
        yield Standing(_box(scale, grade), words, _link(name, pk, "toxicity", asked))


def _of_blood(asked: Asked) -> Iterator[Standing]:
    if asked.may("safety.view_icahtassessment") and people.day0(asked):
        yield from _icaht(asked)
    if asked.may("safety.view_iechsassessment"):
        yield _iec_hs(asked)


def _icaht(asked: Asked) -> Iterator[Standing]:
    """As the counts say now, and whether somebody has recorded that."""
    course = blood.course_of(asked.participant, now=asked.now)
    rows = IcahtAssessment.objects.standing().filter(participant=asked.participant).order_by("phase", "-computed_at")
    recorded = {row.phase: row for row in rows.distinct("phase")}
    is_late = (people.trial_day(asked) or 0) > 30
    for phase in IcahtPhase if is_late else (IcahtPhase.EARLY,):
        found, summary = blood.icaht_of(course, phase)
        row = recorded.get(phase)
        grade = row.investigator_grade if row and row.investigator_grade is not None else found.grade
        range_of_it = "" if grade is not None else range_text(summary.get("at_least"), summary.get("at_most"))
        yield _icaht_standing(phase, grade, range_of_it, row, asked)


def _icaht_standing(
    phase: IcahtPhase, grade: int | None, range_of_it: str, row: IcahtAssessment | None, asked: Asked
) -> Standing:
    said = graded("ICAHT", grade) if not range_of_it else _("ICAHT grade %(grades)s") % {"grades": range_of_it}
    if row is None:
        words = _("%(grade)s, %(phase)s, as the counts say; not recorded by anybody yet")
        return Standing(_box("ICAHT", grade), words % {"grade": said, "phase": phase.label})
    words = _("%(grade)s, %(phase)s, recorded %(at)s")
    values = {"grade": said, "phase": phase.label, "at": _moment(row.computed_at)}
    return Standing(
        _box("ICAHT", grade), words % values, _link("safety_icahtassessment_change", row.pk, "toxicity", asked)
    )


def _iec_hs(asked: Asked) -> Standing:
    row = current(IecHsAssessment.objects.filter(participant=asked.participant)).order_by("-assessed_at", "-id").first()
    if row is None:
        return _unseen("IEC-HS")
    words = _("screen %(screen)s, assessed %(at)s") % {
        "screen": row.get_screen_display(),
        "at": _moment(row.assessed_at),
    }
    grade = "" if row.final_grade is None else f"{graded('IEC-HS', row.final_grade)}, "
    return Standing(
        _box("IEC-HS", row.final_grade),
        f"{grade}{words}",
        _link("safety_iechsassessment_change", row.pk, "toxicity", asked),
    )


def _episode(row: ToxicityEpisode, asked: Asked) -> dict[str, Any]:
    until = _moment(row.resolved_at) if row.resolved_at else _("ongoing")
    return {
        "name": f"{row.toxicity} #{row.number}",
        "link": _link("safety_toxicityepisode_change", row.pk, "toxicity", asked),
        "box": _box(row.toxicity, row.highest_grade),
        "span": f"{_moment(row.onset_at)} – {until}",
    }


def _toxicity_more(asked: Asked) -> list[tuple[Any, str]]:
    """The pages that show more of it."""
    pk, found = asked.participant.pk, []
    if asked.may("safety.view_bedsideassessment"):
        found.append((_("Course of toxicity"), reverse("admin:safety_course", args=[pk])))
    if asked.may("safety.view_iechsassessment"):
        back = wayback.page(pk, "toxicity")
        found.append((_("Blood: ICAHT, IEC-HS"), wayback.link("safety_blood", pk, back=back)))
    return found


# --- Adverse events ----------------------------------------------------------------------------------


def _events_summary(asked: Asked) -> Any:
    rows = _events(asked)
    if not rows:
        return _("none recorded")
    going_on = [event for event in rows if _is_open(event)]
    serious = sum(event.is_serious for event in going_on)
    values = {"all": len(rows), "open": len(going_on), "serious": serious}
    said = _("%(all)s recorded, %(open)s ongoing (%(serious)s serious)") % values
    worst = [event for event in rows if event.grade == 5] or going_on
    named = _(", ").join(f"{event.term} ({_grade(event.grade)})" for event in worst[:NAMED])
    return f"{said}: {named}" if named else said


def _events_body(asked: Asked) -> dict[str, Any]:
    rows = _events(asked)
    read_agents(rows[:SHOWN])
    return {
        "events": [_event(event, asked) for event in rows[:SHOWN]],
        "more": max(len(rows) - SHOWN, 0),
        "all": f"{reverse('admin:safety_adverseevent_changelist')}?q={asked.participant.number}",
    }


def _event(event: AdverseEvent, asked: Asked) -> dict[str, Any]:
    until = event.resolved or ("" if event.results_in_death else _("ongoing"))
    return {
        "term": event.term,
        "link": reverse("admin:safety_adverseevent_story", args=[event.pk]),
        "grade": event.grade,
        "grade_words": _grade(event.grade),
        "is_serious": event.is_serious,
        "is_open": _is_open(event),
        "relation": relation_words(event),
        "outcome": event.get_outcome_display() or _("open"),
        "span": _span([event.onset, until]),
    }


def _span(ends: Iterable[str]) -> str:
    return " – ".join(one for one in ends if one)


SECTIONS = (
    Section(
        code="toxicity",
        title=gettext_lazy("Toxicity"),
        permission="safety.view_crsassessment",
        template="admin/safety/page/toxicity.html",
        summary=_toxicity_summary,
        body=_toxicity_body,
        more=_toxicity_more,
        verbs=(
            Verb(gettext_lazy("Bedside assessment"), "safety_bedsideassessment_add", "safety.add_bedsideassessment"),
        ),
    ),
    Section(
        code="events",
        title=gettext_lazy("Adverse events"),
        permission="safety.view_adverseevent",
        template="admin/safety/page/events.html",
        summary=_events_summary,
        body=_events_body,
        verbs=(Verb(gettext_lazy("Log an adverse event"), "safety_adverseevent_add", "safety.add_adverseevent"),),
    ),
)
