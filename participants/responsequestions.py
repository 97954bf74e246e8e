"""What is asked before response and survival are saved: where a view differs from the rule, and what follows."""

import datetime as dt
from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

from django.utils.translation import gettext as _

from participants import courses
from participants.actions.contradictions import facts_about
from participants.actions.days import long_date, site_day
from participants.actions.response import CHANGES_STATUS, death_to_note, note_death, note_relapse, relapse_to_note
from participants.models import DiseaseAssessment, SurvivalContact, Vital
from participants.responses import RESPONSE_NAMES, response_in_words
from participants.rules.contradictions import Code, Told, about_death
from participants.rules.response import Response
from trialsite.models import Record
from trialsite.questions import Question


def about_response(row: Record, changed: Collection[str] | None, *, by: Any, now: dt.datetime) -> list[Question]:
    """Not again where nothing of it is changed."""
    if changed is not None and not set(changed) - {"note"}:
        return []
    if isinstance(row, DiseaseAssessment):
        return [*_differing(row), *_relapse(row, by=by, now=now)]
    if isinstance(row, SurvivalContact):
        return [*_death(row, by=by, now=now)]
    return []


def _differing(row: DiseaseAssessment) -> Iterator[Question]:
    """The investigator's view goes before the rule; where they differ, the reason stands in the trail."""
    judged = courses.judge(row)
    if not judged.differs:
        return
    text = _(
        "The rule says “%(rule)s”, and the investigator “%(stated)s”. %(why)s Correct what is wrong, or say why the "
        "view differs."
    )
    values = {
        "rule": RESPONSE_NAMES[judged.assessed.response],
        "stated": RESPONSE_NAMES[Response(row.stated_response)],
        "why": response_in_words(judged),
    }
    yield Question("response_differs", text % values)


def _relapse(row: DiseaseAssessment, *, by: Any, now: dt.datetime) -> Iterator[Question]:
    """The status follows, with the reason; for those who may not change it, the page of the participant tells."""
    on = relapse_to_note(row, now=now) if by is not None and by.has_perm(CHANGES_STATUS) else None
    if on is None:
        return
    text = _(
        "This assessment shows a relapse, and the status of %(number)s is “%(status)s”. It becomes “relapsed” since "
        "%(day)s. Correct what is wrong, or say who has judged it."
    )
    values = {"number": row.participant, "status": row.participant.get_status_display(), "day": long_date(on)}
    yield Question("relapse", text % values, keep=partial(note_relapse, row))


def _death(row: SurvivalContact, *, by: Any, now: dt.datetime) -> Iterator[Question]:
    """Contacts and the status tell one death."""
    died_at = facts_about(row.participant).died_at
    told = Told(row.vital == Vital.DEAD, courses.span_of(row.died_on))
    found = about_death(told, None if died_at is None else site_day(died_at))
    number, status = row.participant, row.participant.get_status_display()
    if found is Code.DEATH_ON_ANOTHER_DAY:
        assert died_at is not None
        text = _(
            "By this contact %(number)s died on %(told)s, by the status on %(day)s. Correct what is wrong, or say why "
            "both stand."
        )
        yield Question(found, text % {"number": number, "told": row.died_on, "day": long_date(site_day(died_at))})
    elif found is Code.DEATH_NOT_IN_STATUS:
        on = death_to_note(row, now=now) if by is not None and by.has_perm(CHANGES_STATUS) else None
        if on is None:
            text = _(
                "By this contact %(number)s has died; the status is “%(status)s”. Record “died” once the day is known; "
                "say here who told of it."
            )
            yield Question(found, text % {"number": number, "status": status})
            return
        text = _(
            "By this contact %(number)s died on %(day)s; the status is “%(status)s”. It becomes “died” since that day. "
            "Correct what is wrong, or say how it is known."
        )
        values = {"number": number, "status": status, "day": long_date(on)}
        yield Question(found, text % values, keep=partial(note_death, row))
