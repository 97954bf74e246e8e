"""CRS and ICANS of everybody who was infused: highest grades, time to onset, duration.

Medians are the middle value, or the mean of the two in the middle. Somebody who was never assessed has no grade.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import Any

from django.db.models import Max, Min
from django.db.models.functions import Coalesce

from dosing.models import Infusion
from participants.actions import site_day
from participants.models import Participant
from safety.models import Scale, ToxicityAssessment, ToxicityEpisode, current
from trialsite.models import Site

SCALES = (Scale.CRS, Scale.ICANS)


@dataclass(frozen=True)
class Course:
    """One scale of one participant: None where nothing was assessed, or nothing was found."""

    highest: int | None = None
    onset_day: int | None = None
    days: Decimal | None = None
    goes_on: bool = False


@dataclass(frozen=True)
class Person:
    number: str
    pk: int
    day0: dt.date
    courses: dict[str, Course] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    scale: str
    assessed: int
    any_grade: int
    severe: int
    onset: str
    duration: str


def people_of(sites: Iterable[Site]) -> list[Person]:
    """In the order of their infusion; four queries, however many they are."""
    first = dict(
        Infusion.objects.standing()
        .filter(participant__site__in=sites)
        .values("participant")
        .annotate(first=Min("infused_at"))
        .values_list("participant", "first")
    )
    rows = Participant.objects.standing().filter(pk__in=first)
    highest = _highest(first)
    episodes = _first_episodes(first)
    found = []
    for person in rows:
        day0 = site_day(first[person.pk])
        courses = {
            scale.value: _course(highest.get((person.pk, scale.value)), episodes.get((person.pk, scale.value)), day0)
            for scale in SCALES
        }
        found.append(Person(person.number, person.pk, day0, courses))
    return sorted(found, key=lambda person: (person.day0, person.number))


def _highest(people: Iterable[int]) -> dict[tuple[int, str], int | None]:
    rows = (
        current(ToxicityAssessment.objects.filter(participant__in=people))
        .order_by()
        .values("participant", "toxicity")
        .annotate(highest=Max(Coalesce("investigator_grade", "grade")))
    )
    return {(row["participant"], row["toxicity"]): row["highest"] for row in rows}


def _first_episodes(people: Iterable[int]) -> dict[tuple[int, str], ToxicityEpisode]:
    rows = ToxicityEpisode.objects.standing().filter(participant__in=people, number=1)
    return {(row.participant_id, row.toxicity): row for row in rows}


def _course(highest: int | None, episode: ToxicityEpisode | None, day0: dt.date) -> Course:
    if episode is None:
        return Course(highest)
    span = episode.resolved_at - episode.onset_at if episode.resolved_at else None
    days = None if span is None else Decimal(span // dt.timedelta(hours=1)) / 24
    return Course(highest, (site_day(episode.onset_at) - day0).days, days, span is None)


def summaries(people: Sequence[Person]) -> list[Summary]:
    return [_summary(scale.value, [person.courses[scale.value] for person in people]) for scale in SCALES]


def _summary(scale: str, courses: Sequence[Course]) -> Summary:
    assessed = [course for course in courses if course.highest is not None]
    return Summary(
        scale,
        len(assessed),
        sum((course.highest or 0) >= 1 for course in assessed),
        sum((course.highest or 0) >= 3 for course in assessed),
        middle([Decimal(course.onset_day) for course in courses if course.onset_day is not None]),
        middle([course.days for course in courses if course.days is not None]),
    )


def middle(values: Sequence[Decimal]) -> str:
    """Median with its range, in days; a dash where there is none."""
    if not values:
        return "—"
    return f"{_plain(median(values))} ({_plain(min(values))}–{_plain(max(values))})"


def _plain(value: Decimal) -> str:
    return f"{value.quantize(Decimal('0.1')).normalize():f}"


# --- drawing -----------------------------------------------------------------------------------------

LABEL, STEP, HEIGHT, TOP, GAP = 90, 44, 22, 28, 40
PATTERN = {1: 0.12, 2: 0.25, 3: 0.4, 4: 0.6, 5: 0.8}


@dataclass(frozen=True)
class Bar:
    x: int
    y: int
    width: int
    text: str
    opacity: float


@dataclass(frozen=True)
class Picture:
    width: int
    height: int
    names: tuple[tuple[int, str], ...]
    heads: tuple[tuple[int, str], ...]
    bars: tuple[Bar, ...]
    description: str


def picture(people: Sequence[Person]) -> Picture:
    """A bar for each scale, as long as its highest grade; “–” where nobody assessed."""
    bars = []
    for number, person in enumerate(people):
        for column, scale in enumerate(SCALES):
            bars.append(_bar(person.courses[scale.value], LABEL + column * (5 * STEP + GAP), TOP + number * HEIGHT))
    said = (
        f"{person.number}: " + ", ".join(f"{scale} {_said(person.courses[scale.value])}" for scale in SCALES)
        for person in people
    )
    return Picture(
        width=LABEL + 2 * (5 * STEP + GAP),
        height=TOP + len(people) * HEIGHT + 8,
        names=tuple((TOP + number * HEIGHT + 15, person.number) for number, person in enumerate(people)),
        heads=tuple((LABEL + column * (5 * STEP + GAP), scale.value) for column, scale in enumerate(SCALES)),
        bars=tuple(bars),
        description="; ".join(said),
    )


def _bar(course: Course, x: int, y: int) -> Bar:
    grade = course.highest or 0
    return Bar(x, y + 3, grade * STEP, _said(course), PATTERN.get(grade, 0))


def _said(course: Course) -> str:
    return "–" if course.highest is None else str(course.highest)


def context_of(sites: Iterable[Site]) -> dict[str, Any]:
    people = people_of(sites)
    return {
        "people": [(person, [person.courses[scale.value] for scale in SCALES]) for person in people],
        "summaries": summaries(people),
        "picture": picture(people) if people else None,
        "infused": len(people),
    }
