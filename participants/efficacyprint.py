"""The page of efficacy on paper: each picture with its legend, the numbers under it, and the response by visit."""

import datetime as dt
from collections.abc import Iterator

from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from participants import efficacy, survivalpicture
from participants.efficacy import Efficacy, Plot
from trialsite.printing import Band, Picture, Print, Section, Table, Words, day

# Shares of the width: a visit's name, then a number for each response.
FIRST, OTHERS = 40, 20


def efficacy_print(found: Efficacy, *, site: str, as_of: dt.date) -> Print:
    """What the page shows, of one site or of several; no participant is told from another."""
    return Print(_("Efficacy"), tuple(_sections(found, as_of)), site=site)


def _sections(found: Efficacy, as_of: dt.date) -> Iterator[Section]:
    text = ngettext(
        "%(n)s participant was infused; as of %(day)s.",
        "%(n)s participants were infused; as of %(day)s.",
        found.infused,
    )
    said = Words(text % {"n": found.infused, "day": day(as_of)})
    how = _(
        "Time counts from Day 0. Survival by Kaplan–Meier, with limits of 95 %% on the log-log scale; relapse against "
        "death by Aalen–Johansen. Who is alive is censored when last known to be; without relapse, at the last "
        "assessment of the disease that tells. A date known in part counts from its earliest day."
    )
    yield Section("how", _("Efficacy"), (said, Words(how % {}, 8)))
    if found.infused:
        for plot in found.plots:
            yield _plot(plot)
        yield _by_visit(found)


def _plot(plot: Plot) -> Section:
    drawn = survivalpicture.picture(plot)
    svg = render_to_string("admin/participants/survival.svg", {"picture": drawn, "code": plot.code, "is_file": True})
    legend = "\n".join(
        f"({one.number}) {_('dashed') if one.is_dashed else _('solid')} · {one.legend}" for one in drawn.curves
    )
    hint = _("Percent over months. Stroke: censored. Grey: limits of the solid line.")
    return Section(plot.code, plot.title, (Words(legend), Words(hint, 8), Picture(svg), _numbers(plot)))


def _numbers(plot: Plot) -> Table:
    rows: list[tuple[str, ...] | Band] = []
    for line in plot.lines:
        rows.append(Band(line.name))
        read = [(str(month), str(at_risk), estimate) for month, at_risk, estimate in efficacy.readings_of(line)]
        rows += read or [Band(_("Nobody was followed for three months yet."))]
    return Table((_("Months"), _("At risk"), _("Percent (95 %%)") % {}), tuple(rows), (30, 30, 60))


def _by_visit(found: Efficacy) -> Section:
    head, rows = efficacy.visits_table(found)
    table = Table(
        tuple(map(str, head)),
        tuple(tuple(map(str, row)) for row in rows),
        (FIRST, *[OTHERS] * (len(head) - 1)),
        empty=_("Nothing is recorded yet."),
    )
    hint = _("The last assessment of each participant at the visit; the investigator's view goes before the rule.")
    return Section("visits", _("Response by visit"), (Words(hint, 8), table), is_wide=True)
