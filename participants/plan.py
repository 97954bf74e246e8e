"""The visits of a participant to take home: each with its best day and its window, dates and words in both languages."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.utils import formats, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from participants import workdays
from participants.calendars import day_of
from participants.models import Participant, Visit, VisitState
from participants.rules.calendar import Kind
from trialsite.identity import seen_by
from trialsite.printing import Facts, Print, Section, Table, Words
from trialsite.study import get_study

LANGUAGES = ("zh-hans", "en")
TITLE = gettext_noop("Plan of visits")
HEAD = (gettext_noop("Visit"), gettext_noop("Day"), gettext_noop("Possible from – to"), gettext_noop("Where"))
AT_SITE, BY_TELEPHONE = gettext_noop("at the site"), gettext_noop("by telephone")
WHO, NAME = gettext_noop("Participant"), gettext_noop("Name")
NONE = gettext_noop("No visit is planned.")
ASK = gettext_noop("If a day does not suit you, please call your study team: another day of the window is possible.")


def plan(participant: Participant, *, user: Any, today: dt.date) -> Print:
    """What is still to come; it names the person to those who may see it, for it is given into a hand."""
    visits = [one for one in participant.visits.standing() if _is_to_come(one, today)]
    table = Table(
        head=tuple(both(one) for one in HEAD),
        rows=tuple(_row(one) for one in visits),
        widths=(56, 52, 46, 28),
        size=9,
        empty=both(NONE),
    )
    return Print(
        title=both(TITLE),
        sections=(
            Section("who", "", (Facts(tuple(_who(participant, user))),)),
            Section("visits", "", (table,)),
            Section("notes", "", (*_unknown(visits), *(Words(line) for line in both(ASK).split("\n")))),
        ),
        site=str(participant.site),
        number=participant.number,
        identity=frozenset({"name"}) & seen_by(user),
    )


def _is_to_come(visit: Visit, today: dt.date) -> bool:
    return visit.state == VisitState.PLANNED and visit.window_closes_on >= today


def _who(participant: Participant, user: Any) -> list[tuple[str, str]]:
    names = [(both(NAME), participant.name)] if "name" in seen_by(user) else []
    return [(both(WHO), participant.number), *names]


def _row(visit: Visit) -> tuple[str, ...]:
    line = get_study().protocol(visit.protocol_version).visit(visit.code)
    where = BY_TELEPHONE if line.by_telephone else AT_SITE
    day = day_of(visit)
    return (
        f"{visit.code} · {line.name.zh}\n{line.name.en}",
        _in_both(lambda: f"{_long(day)}{_holiday(day)}"),
        f"{visit.window_opens_on:%Y-%m-%d}\n– {visit.window_closes_on:%Y-%m-%d}",
        both(where),
    )


def _holiday(day: dt.date) -> str:
    known = workdays.known()
    return f" ({known.off[day]})" if known.kind(day) is Kind.HOLIDAY else ""


def _long(day: dt.date) -> str:
    return f"{formats.date_format(day, 'DATE_FORMAT')} {formats.date_format(day, 'D')}"


def both(text: str) -> str:
    """In Chinese, and below it in English."""
    return _in_both(lambda: _(text))


def _in_both(say: Callable[[], str]) -> str:
    said = []
    for language in LANGUAGES:
        with translation.override(language):
            said.append(say())
    return "\n".join(dict.fromkeys(said))


UNKNOWN = gettext_noop("The public holidays of %(years)s are not announced yet: a day may still move.")


def _unknown(visits: list[Visit]) -> tuple[Words, ...]:
    """The plan says what it does not know; of years that are far away nobody expects it."""
    days = [day_of(one) for one in visits]
    if not days:
        return ()
    years = workdays.known().unknown_years(min(days), max(days))[:1]
    if not years:
        return ()
    text = _in_both(lambda: _(UNKNOWN) % {"years": f"{years[0]}–"})
    return tuple(Words(line) for line in text.split("\n"))
