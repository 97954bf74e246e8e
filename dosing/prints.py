"""What this app puts on paper: readiness, the timeline, and its sections of a participant's print."""

import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dosing import actions, timeline
from dosing.admin import bedside
from dosing.models import BAND_NAMES, DoseState, Infusion, LymphodepletionDose, Medication
from dosing.rules.dose import DoseBand
from dosing.wording import OUTCOME_NAMES, sentence
from participants.actions import long_date, long_moment
from participants.models import Participant
from trialsite.printing import Block, Facts, Picture, Print, Section, Table, Words, day, moment, signatures
from trialsite.subjectpage import Asked

E8 = 10**8


def cells(e8: Decimal) -> str:
    """A dose, so that no reader loses an exponent: `0.5 x 10^8 (50,000,000 cells)`.

    >>> cells(Decimal("0.50"))
    '0.5 x 10^8 (50,000,000 cells)'
    """
    count = int(e8 * E8)
    words = ngettext("%(count)s cell", "%(count)s cells", count) % {"count": f"{count:,}"}
    return f"{e8.normalize():f} x 10^8 ({words})"


# --- readiness ---------------------------------------------------------------------------------------


def readiness(participant: Participant, *, now: dt.datetime) -> Print:
    """May we infuse? As the page says it at this moment."""
    found = actions.readiness_of(participant, at=now, now=now)
    blocks: tuple[Block, ...] = (
        Words(bedside.answer_to(found), 13),
        Words(_as_of(participant, found, now)),
        *(Words(f"✗ {one}") for one in bedside.warnings(found.broken)),
        Table(
            head=(_("Condition"), _("State"), _("What was found")),
            rows=tuple(_condition(judged) for judged in found.lines),
            widths=(44, 36, 102),
        ),
        Words(
            _(
                "Identity is checked last, at the bedside, by two people. What is infused although a line stands "
                "against it can be recorded; it becomes a protocol deviation with its reason."
            ),
            8.5,
        ),
    )
    section = Section("readiness", "", blocks)
    return Print(_("May we infuse?"), (section,), site=str(participant.site), number=participant.number)


def _as_of(participant: Participant, found: actions.Readiness, now: dt.datetime) -> str:
    words = _("For an infusion on %(day)s, as things stand at %(at)s.") % {
        "day": long_date(found.infusion_on),
        "at": long_moment(now),
    }
    return words if participant.planned_infusion_on else f"{words} {_('No infusion is planned: today is assumed.')}"


def _condition(judged: actions.Judged) -> tuple[str, ...]:
    words = sentence(judged.line)
    if (ruling := judged.ruling) is not None:
        words += "\n" + _("Judged by %(who)s, %(at)s: %(reason)s") % {
            "who": ruling.created_by,
            "at": long_moment(ruling.created_at),
            "reason": ruling.reason,
        }
    state = f"{bedside.SYMBOLS[judged.outcome]} {OUTCOME_NAMES[judged.outcome]}"
    return str(bedside.LINE_NAMES[judged.line.code]), state, words


# --- the timeline ------------------------------------------------------------------------------------


def timeline_print(participant: Participant, *, now: dt.datetime) -> Print:
    """The picture across the page, and the same as a table."""
    section = Section("timeline", "", tuple(_drawn(participant, now)))
    return Print(
        _("Treatment timeline"), (section,), site=str(participant.site), number=participant.number, is_wide=True
    )


def _drawn(participant: Participant, now: dt.datetime) -> Iterator[Any]:
    context = timeline.context_of(participant, now=now)
    yield _picture(context)
    yield Words(_day0_in_words(participant, context["day0"]))
    if context["entries"]:
        yield Table(
            head=(_("Day"), _("Time"), _("What"), _("Dose"), _("Until")),
            rows=tuple(_given(row) for row in context["entries"]),
            widths=(34, 18, 60, 100, 40),
        )


def _picture(context: dict[str, Any]) -> Picture | Words:
    if context["picture"] is None:
        return Words(_("Nothing is recorded yet."))
    return Picture(render_to_string("admin/dosing/timeline.svg", {**context, "is_file": True}))


def _day0_in_words(participant: Participant, day0: dt.date | None) -> str:
    if day0 is not None:
        return _("Day 0, the day of the infusion, is %(day)s.") % {"day": long_date(day0)}
    if participant.planned_infusion_on is not None:
        planned = {"day": long_date(participant.planned_infusion_on)}
        return _("Not infused yet; the infusion is planned for %(day)s.") % planned
    return _("Not infused yet; no infusion is planned.")


def _given(row: timeline.Row) -> tuple[str, ...]:
    what = f"{row.what} ({row.state})" if row.state else row.what
    on = f"{row.day}\n{row.date}" if row.date else row.day
    return on, row.time or "—", f"{what}\n{row.kind}" if row.kind else what, _written(row.dose) or "—", row.until or "—"


def _written(dose: str) -> str:
    """The text of a dose, with the number of cells beside the power of ten."""
    return re.sub(r"([\d.]+) × 10⁸", lambda found: cells(Decimal(found[1])), dose)


# --- sections of a participant's print ---------------------------------------------------------------


def sections(asked: Asked) -> Iterator[Section]:
    if asked.may("dosing.view_infusion"):
        yield _treatment(asked.participant, asked.now)
    if asked.may("dosing.view_medication"):
        yield _medication(asked.participant)
    yield from _signatures(asked)


def _treatment(participant: Participant, now: dt.datetime) -> Section:
    picture, *_more = _drawn(participant, now)
    infusions = (_infusion(row) for row in participant.infusions.standing())
    blocks = (picture, *infusions, _lymphodepletion(participant))
    return Section("treatment", _("Treatment"), blocks, is_wide=True)


def _infusion(row: Infusion) -> Facts:
    return Facts(
        (
            (str(row.get_occasion_display()), f"{moment(row.infused_at)} – {moment(row.ended_at)}"),
            (_("Dose"), f"{cells(row.viable_car_t_cells_e8)} · {BAND_NAMES[DoseBand(row.dose_band)]}"),
            (_("Lot"), row.product_lot),
        )
    )


def _lymphodepletion(participant: Participant) -> Table:
    return Table(
        head=(_("Lymphodepletion"), _("Planned on"), _("Given at"), _("Dose"), _("State")),
        rows=tuple(_depleting(row) for row in participant.lymphodepletion_doses.standing()),
        widths=(60, 36, 44, 40, 72),
        empty=_("No lymphodepletion is recorded."),
    )


def _depleting(row: LymphodepletionDose) -> tuple[str, ...]:
    mg = row.planned_mg if row.given_mg is None else row.given_mg
    state = str(DoseState(row.state).label)
    words = f"{state}: {row.change_reason}" if row.change_reason else state
    return row.drug_name, day(row.planned_on), moment(row.given_at), f"{mg.normalize():f} mg", words


def _medication(participant: Participant) -> Section:
    table = Table(
        head=(_("Medication"), _("Dose"), _("Begun at"), _("Until"), _("Given for")),
        rows=tuple(_taken(row) for row in participant.medications.standing().order_by("-started_at", "-id")),
        widths=(48, 34, 30, 30, 40),
        empty=_("None is recorded."),
    )
    return Section("medication", _("Medication"), (table,))


def _taken(row: Medication) -> tuple[str, ...]:
    dose = " · ".join(part for part in (row.dose_text, str(row.get_route_display())) if part)
    until = _("ongoing") if row.is_ongoing else moment(row.ended_at)
    what = "\n".join(dict.fromkeys((row.name, str(row.get_kind_display()))))
    return what, dose, moment(row.started_at), until, row.indication


def _signatures(asked: Asked) -> Iterator[Section]:
    whose = asked.participant
    wanted = (
        ("dosing.view_identitycheck", whose.identity_checks),
        ("dosing.view_readinessruling", whose.readiness_rulings),
        ("dosing.view_dosinghold", whose.holds),
    )
    yield signatures(*(rows.standing() for permission, rows in wanted if asked.may(permission)))
