"""The sheet for the bedside: what the study file asks at a visit, with room to write."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.utils.translation import gettext as _

from participants import actions
from participants.models import Measurement, Visit
from participants.names import MEASURE_NAMES, PANEL_NAMES, answer_text
from participants.page import shown_of
from participants.prints import limits_text, name_and_bed, newest_of
from participants.rules.measures import PANELS, Kind, Measure
from trialsite.printing import Band, Facts, Print, Section, Table, Words, day
from trialsite.study import get_study

# Room to write in, in mm.
ROOM, LINES_FOR_NOTES = 9, 4
BOX = "□"


def worksheet(visit: Visit, *, user: Any) -> Print:
    """Of this visit; it names the person to those who may see it, for nobody at a bed knows people by number."""
    whose = visit.participant
    day = visit.occurred_on or visit.target_date
    asked = actions.asked_of(visit, on=day, happened=actions.events_of(whose))
    return Print(
        title=_("Worksheet: %(visit)s") % {"visit": f"{visit.code} · {visit.title}"},
        sections=(_head(visit, user), _procedures(visit, asked), *_tests(visit, asked), _foot()),
        site=str(whose.site),
        number=whose.number,
        identity=shown_of(user) & {"name", "bed"},
        is_record=False,
    )


def _head(visit: Visit, user: Any) -> Section:
    window = f"{day(visit.window_opens_on)} – {day(visit.window_closes_on)}"
    facts = (
        (_("Participant"), visit.participant.number),
        *name_and_bed(visit.participant, user),
        (_("Target date"), day(visit.target_date)),
        (_("Window"), window),
        (_("Done on"), "______ - ____ - ____"),
    )
    return Section("head", "", (Facts(facts),))


def _procedures(visit: Visit, asked: Iterable[str]) -> Section:
    study = get_study().protocol(visit.protocol_version)
    table = Table(
        head=(_("Done"), _("Procedure"), _("Time"), _("Initials"), _("Note; if not done: why")),
        rows=tuple((BOX, str(study.procedure(code).name), "", "", "") for code in asked),
        widths=(13, 62, 22, 22, 63),
        row_height=ROOM,
        size=9.5,
    )
    return Section("procedures", _("What this visit asks"), (table,))


def _tests(visit: Visit, asked: Iterable[str]) -> Iterator[Section]:
    newest = newest_of(visit.participant)
    rows: list[Any] = []
    for name, measures in _groups(visit, asked):
        rows += [Band(name), *(_line(one, newest.get(one.code)) for one in measures)]
    if not rows:
        return
    table = Table(
        head=(_("Test"), _("Result"), _("Unit"), _("Limits of normal")),
        rows=tuple(rows),
        widths=(62, 58, 28, 34),
        row_height=ROOM,
        size=9.5,
    )
    hint = _("Unit and limits are those of the newest report: correct them where today's report has others.")
    yield Section("tests", _("Results"), (Words(hint, 8.5), table))


def _groups(visit: Visit, asked: Iterable[str]) -> Iterator[tuple[str, list[Measure]]]:
    """The study's tests, each once, under its panel, in the order of the work."""
    study, sex = get_study().protocol(visit.protocol_version), visit.participant.sex
    procedures = (study.procedure(code) for code in asked)
    wanted = {test for one in procedures if one.sex in (None, sex) for panel in one.panels for test in panel.tests}
    for panel, measures in PANELS.items():
        if found := [one for one in measures if one.code in wanted]:
            yield str(PANEL_NAMES[panel]), found


def _line(measure: Measure, newest: Measurement | None) -> tuple[str, ...]:
    name = str(MEASURE_NAMES[measure.code])
    if measure.kind is Kind.CHOICE:
        return name, "   ".join(f"{BOX} {answer_text(measure.code, one)}" for one in measure.choices), "", ""
    if measure.kind is Kind.DATE:
        return name, "______ - ____ - ____", "", ""
    unit = newest.unit if newest is not None and newest.unit else measure.unit
    known = limits_text(newest) if newest is not None else "—"
    return name, "", answer_text("unit", unit), "" if known == "—" else known


def _foot() -> Section:
    notes = Table(head=(), rows=(("",),) * LINES_FOR_NOTES, widths=(182,), row_height=ROOM)
    signed = Words(_("Filled in by: ______________________   Date, time: ______________________"), 10)
    return Section("notes", _("Notes"), (notes, Words(" ", 6), signed))
