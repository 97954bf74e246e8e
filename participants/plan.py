"""The visits of a participant to take home: each with its best day and its window, in both languages."""

import datetime as dt
from collections.abc import Callable

from django.utils import formats, translation
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from participants import workdays
from participants.calendars import day_of
from participants.models import Participant, Visit, VisitContact, VisitState
from participants.rules.calendar import Kind
from trialsite.printing import Facts, Print, Section, Table, Words
from trialsite.study import get_study

LANGUAGES = ("zh-hans", "en")


def plan(participant: Participant, *, today: dt.date) -> Print:
    """What is still to come, by number only: it is carried about, and may be lost."""
    visits = [one for one in participant.visits.standing() if _is_to_come(one, today)]
    table = Table(
        head=(
            both(lambda: pgettext("plan", "Visit")),
            both(lambda: pgettext("plan", "Day")),
            both(lambda: pgettext("plan", "Possible from – to")),
            both(lambda: pgettext("plan", "How")),
        ),
        rows=tuple(_row(one, today) for one in visits),
        widths=(56, 52, 46, 28),
        size=9,
        empty=both(lambda: _("No visit is planned.")),
    )
    return Print(
        title=both(lambda: _("Plan of visits"), " · "),
        sections=(
            Section("who", "", (Facts(((both(lambda: _("Participant")), participant.number),)),)),
            Section("visits", "", (table,)),
            Section("notes", "", (*_unknown(visits), *_words(_ask))),
        ),
        site=str(participant.site),
        number=participant.number,
    )


def _is_to_come(visit: Visit, today: dt.date) -> bool:
    return visit.state == VisitState.PLANNED and visit.window_closes_on >= today


def _row(visit: Visit, today: dt.date) -> tuple[str, ...]:
    line = get_study().protocol(visit.protocol_version).visit(visit.code)
    contact = VisitContact.TELEPHONE if line.by_telephone else VisitContact.SITE
    day = day_of(visit, today=today)
    return (
        f"{visit.code} · {line.name.zh}\n{line.name.en}",
        both(lambda: f"{_long(day)}{_holiday(day)}"),
        f"{visit.window_opens_on:%Y-%m-%d}\n– {visit.window_closes_on:%Y-%m-%d}",
        both(lambda: str(contact.label)),
    )


def _holiday(day: dt.date) -> str:
    known = workdays.known()
    return f" ({known.off[day]})" if known.kind(day) is Kind.HOLIDAY else ""


def _long(day: dt.date) -> str:
    return f"{formats.date_format(day, 'DATE_FORMAT')} {formats.date_format(day, 'D')}"


def both(say: Callable[[], str], between: str = "\n") -> str:
    """In Chinese, and below it in English."""
    said = []
    for language in LANGUAGES:
        with translation.override(language):
            said.append(say())
    return between.join(dict.fromkeys(said))


def _words(say: Callable[[], str]) -> tuple[Words, ...]:
    return tuple(Words(line) for line in both(say).split("\n"))


def _ask() -> str:
    return _("If a day does not suit you, please call your study team: another day of the window is possible.")


def _unknown(visits: list[Visit]) -> tuple[Words, ...]:
    """The plan says from when on it does not know the holidays."""
    days = [day_of(one) for one in visits]
    years = workdays.known().unknown_years(min(days), max(days)) if days else ()
    if not years:
        return ()
    return _words(
        lambda: (
            _("The public holidays from %(year)s on are not announced yet: a day may still move.") % {"year": years[0]}
        )
    )
