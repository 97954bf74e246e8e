"""CTCAE grades that laboratory values suggest, as the blood page shows them: never more than a suggestion."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from participants.models import Participant
from participants.names import MEASURE_NAMES
from safety.actions import blood
from safety.actions.blood import Course, Result, Suggested
from safety.actions.ctcae import site_names
from safety.admin.ctcae import names_in_order
from safety.bloodwords import in_signs, moment, plain, value_in_words
from safety.ctcae.catalogue import UnknownTerm, term, with_names
from safety.models import AdverseEvent
from safety.rules import lab_ctcae
from safety.rules.lab_ctcae import Suggestion, Version
from safety.wording import sentences


def suggestions_shown(request: HttpRequest, participant: Participant, course: Course) -> dict[str, Any]:
    """Values that a version grades above 0 or leaves to a person; the names of all others."""
    version = blood.version_of_study(participant)
    found = blood.suggested(course)
    above = sorted((one for one in found if _highest(one)), key=_highest, reverse=True)
    unclear = [one for one in found if not _highest(one) and _is_unclear(one)]
    events = {
        event.ctcae_code: event
        for event in AdverseEvent.objects.standing().filter(participant=participant).order_by("id")
        if event.ctcae_code
    }
    names = site_names()
    add = request.user.has_perm("safety.add_adverseevent")
    other = next(one for one in Version if one is not version)

    def shown(one: Suggested) -> dict[str, Any]:
        own, others = (_shown_of(one.by_version[each]) for each in (version, other))
        return {
            **_value_shown(course, one),
            "own": [_suggestion(participant, one, each, names, events=events, may_add=add) for each in own],
            "other": [_suggestion(participant, one, each, names) for each in others],
        }

    told = {one.result.code for one in (*above, *unclear)}
    return {
        "version": version.value,
        "other_version": other.value,
        "rows": [shown(one) for one in above],
        "unclear": [shown(one) for one in unclear],
        "rest": gettext(", ").join(str(MEASURE_NAMES[one.result.code]) for one in found if one.result.code not in told),
    }


def _value_shown(course: Course, one: Suggested) -> dict[str, Any]:
    return {
        "name": MEASURE_NAMES[one.result.code],
        "value": value_in_words(one.result),
        "limits": _limits(one.result),
        "baseline": f"{value_in_words(one.baseline)} ({moment(one.baseline.at)})" if one.baseline else "—",
        "at": moment(one.result.at),
        "day": course.day_of(one.result.at),
        "is_bound": bool(one.result.comparator),
        "differs": one.differs,
    }


def _highest(one: Suggested) -> int:
    """The worst that a value may be."""
    return max((each.highest or 0 for found in one.by_version.values() for each in found), default=0)


def _is_unclear(one: Suggested) -> bool:
    """Whether a term's grade is left to a person, or to a limit that nobody entered."""
    return any(blood.telling(found) for found in one.by_version.values())


def _shown_of(found: Sequence[Suggestion]) -> Sequence[Suggestion]:
    """What is worth reading; where nothing is, the first says that it is nothing."""
    return blood.telling(found) or found[:1]


def _limits(result: Result) -> str:
    low, high = ("" if limit is None else plain(limit) for limit in (result.lln, result.uln))
    return f"{low}–{high}" if low or high else "—"


def _suggestion(
    participant: Participant,
    one: Suggested,
    suggestion: Suggestion,
    names: Mapping[str, str],
    *,
    events: Mapping[str, AdverseEvent] | None = None,
    may_add: bool = False,
) -> dict[str, Any]:
    name, beside = _term_names(suggestion, names)
    event = (events or {}).get(suggestion.meddra_code)
    # An event that goes on at this grade or a higher one is this event; of a bound, at one that it allows.
    is_told = event is not None and not event.resolved and event.grade >= max(suggestion.lowest or 0, 1)
    is_linked = may_add and bool(suggestion.highest) and not is_told
    return {
        "term": name,
        "beside": beside,
        "grade": suggestion.highest,
        "grade_text": suggestion.grade_text.replace("-", "–"),
        "sentences": [in_signs(said) for said in sentences(suggestion.reasons, lab_ctcae.REASON_TEXT)],
        "flags": [gettext(lab_ctcae.FLAG_TEXT[flag]) for flag in suggestion.flags if flag in lab_ctcae.FLAG_TEXT],
        "event": event,
        "event_url": reverse("admin:safety_adverseevent_change", args=[event.pk]) if event else "",
        "add_url": _add_url(participant, one.result, suggestion, name) if is_linked else "",
    }


def _term_names(suggestion: Suggestion, names: Mapping[str, str]) -> tuple[str, str]:
    """In the reader's language first; the term alone where the catalogue does not know its code."""
    try:
        return names_in_order(with_names(term(suggestion.version, suggestion.meddra_code), names))
    except UnknownTerm:
        return suggestion.term, ""


def _add_url(participant: Participant, result: Result, suggestion: Suggestion, name: str) -> str:
    given = {
        "participant": participant.pk,
        "term": name,
        "ctcae_code": suggestion.meddra_code,
        # Which of several grades it is, whoever records it says.
        "grade": "" if suggestion.grade is None else suggestion.grade,
        "onset": f"{timezone.localtime(result.at):%Y-%m-%d}",
    }
    return f"{reverse('admin:safety_adverseevent_add')}?{urlencode(given)}"
