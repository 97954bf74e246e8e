"""How a table of worked cases of OS, RFS and EFS maps to its rule.

The columns tell a story in short phrases with a comma between them, each with its day: "allo-HSCT in CR 2025-12-15,
relapse 2026-05-01". Whether a later therapy censors may stand beside the endpoint: "RFS (not censored)".
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from participants.cases.parsers import day
from participants.rules.endpoints import Course, Endpoint, Subsequent, outcome
from trialsite.casetables import DESCRIPTIVE, CaseTable, Column, Kind, UnusableValue, Word, Wrong, choice, mark

DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
ENDPOINT = re.compile(r"(OS|RFS|EFS)\b", re.IGNORECASE)
IGNORES = re.compile(r"not censor|without censor|no censor|uncensored|ignor|sensitivity|treatment.policy|不删失", re.I)
COUNTS = re.compile(r"new (anti\S* )?(treatment|therapy) (counts|is an event)|CNCT19", re.I)
# What a phrase tells, by its words; the first that fits.
PHRASES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("failed", re.compile(r"no cr|no remission|treatment failure|not in (cr|remission)|refractory", re.I)),
    (
        "therapies_on",
        re.compile(r"hsct|transplant|new (anti|treat|ther)|subsequent|chemo|second car|reinfus|dli", re.I),
    ),
    ("relapsed_on", re.compile(r"relapse|recurrence", re.I)),
    ("died_on", re.compile(r"death|died|dead", re.I)),
    ("lost_on", re.compile(r"lost", re.I)),
    ("assessed_on", re.compile(r"marrow|assessment|evaluation|\bMRD\b", re.I)),
    ("last_alive_on", re.compile(r"contact|alive|seen|follow|cut.?off|withdr", re.I)),
)
SEVERAL = ("therapies_on", "assessed_on")


def endpoint(text: str) -> tuple[Endpoint, Subsequent | None]:
    """The endpoint, and what stands beside it of later therapy."""
    found = ENDPOINT.match(text)
    if found is None:
        raise Wrong(mark("begin with OS, RFS or EFS"))
    rest = text[found.end() :]
    told = Subsequent.IGNORE if IGNORES.search(rest) else Subsequent.EVENT if COUNTS.search(rest) else None
    return Endpoint(found[1].upper()), told


def story(text: str) -> dict[str, Any]:
    """What is told, by the names of the rule; several days where there may be several."""
    told: dict[str, Any] = {}
    for phrase in filter(None, (one.strip() for one in re.split(r"[,;]", text))):
        name = next((name for name, words in PHRASES if words.search(phrase)), None)
        if name is None:
            raise Wrong(mark("%(phrase)s is not understood; write such as: relapse 2026-03-01"), phrase=repr(phrase))
        on = day(found[0]) if (found := DATE.search(phrase)) else None
        if name == "failed":
            told["has_failed"] = True
        elif name in SEVERAL:
            told[name] = (*told.get(name, ()), *([on] if on else []))
        elif on is not None:
            told[name] = on
    return told


def first_day(text: str) -> dt.date:
    """The first date of a text: that before "or last assessment before", as a table writes it that knows of none."""
    found = DATE.search(text)
    if found is None:
        raise Wrong(mark("write a date: YYYY-MM-DD"))
    return day(found[0])


def evaluate(case: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    (which, subsequent), happened, stands = case["endpoint"], case["event"] or {}, case["status"] or {}
    if twice := sorted(set(happened) & set(stands) - set(SEVERAL)):
        raise UnusableValue("status", mark("%(names)s: the event says this already"), names=", ".join(twice))
    told = {name: (*happened.get(name, ()), *stands.get(name, ())) for name in SEVERAL}
    course = Course(origin=case["origin"], **{**happened, **stands, **told})
    if subsequent is None:
        # Named as the event, a new treatment is what the endpoint counts.
        subsequent = Subsequent.EVENT if happened.get("therapies_on") else Subsequent.CENSOR
    found = outcome(course, which, subsequent)
    return {"status": found.is_event, "date": found.on}, found.cause


CASES = {
    "time_to_event": CaseTable(
        inputs={
            "endpoint": Column(_("Endpoint"), endpoint, Kind.ENDPOINT, "RFS"),
            "origin": Column(_("Day from which the time counts"), first_day, Kind.DAY_IN_TEXT, "2025-09-01"),
            "event": Column(_("What happened"), story, Kind.STORY, "relapse 2026-03-01", may_be_empty=True),
            "status": Column(_("How the participant stands"), story, Kind.STORY, may_be_empty=True),
        },
        expected={
            "status": choice(
                _("Event or censored"),
                (Word("event", True, _("event")), Word("censored", False, _("censored"))),
            ),
            "date": Column(_("Day"), first_day, Kind.DAY_IN_TEXT, "2026-03-01"),
        },
        evaluate=evaluate,
        descriptive=(*DESCRIPTIVE, "note"),
    )
}
