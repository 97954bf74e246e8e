"""Entering a visit: what this app knows of it."""

from dataclasses import replace
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from participants.models import Consent, Examination, Measurement, VisitProcedure
from participants.names import MEASURE_NAMES, PANEL_NAMES
from participants.rules.measures import PANELS
from trialsite.entering import Line, Page, Section
from trialsite.study import Protocol

# So many results stand in the line of a section.
SHOWN = 8


def asked_of(protocol: Protocol, panel: str) -> tuple[str, ...]:
    """The tests of a panel that the study asks at any visit; empty where it asks for none by name."""
    return tests_of([one for procedure in protocol.procedures for one in procedure.panels], panel)


def tests_of(parts: Any, panel: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(test for part in parts if part.panel == panel for test in part.tests))


def unknown_tests(protocol: Protocol) -> list[str]:
    """What the procedures of a study file name and nobody can record, each with its procedure, in words."""
    wrong = []
    for procedure in protocol.procedures:
        for part in procedure.panels:
            known = {measure.code for measure in PANELS.get(part.panel, ())}
            if not known:
                wrong.append(f"{procedure.code}: {part.panel} is no panel; panels are {', '.join(PANELS)}")
            wrong += [f"{procedure.code}: {part.panel} has no test {test}" for test in part.tests if test not in known]
    return wrong


# --- What is recorded of a visit ----------------------------------------------------------------------


def examinations(page: Page) -> dict[str, list[Examination]]:
    """By panel, of the visit's days, the newest first; two queries for all panels."""
    found: dict[str, list[Examination]] = page.once("examinations", lambda: _examinations(page))
    return found


def _examinations(page: Page) -> dict[str, list[Examination]]:
    first, last = page.span
    rows = page.participant.examinations.standing().filter(taken_at__date__lte=last)
    if first is not None:
        rows = rows.filter(taken_at__date__gte=first)
    by_panel: dict[str, list[Examination]] = {}
    for row in rows.prefetch_related("measurements"):
        by_panel.setdefault(row.panel, []).append(row)
    return by_panel


def results(rows: list[Examination]) -> dict[str, Measurement]:
    """The newest answer to each test; a result goes before a later "not done"."""
    found: dict[str, Measurement] = {}
    for row in rows:
        for one in row.measurements.all():
            known = found.get(one.code)
            if not one.is_void and (known is None or (known.not_done_reason and not one.not_done_reason)):
                found[one.code] = one
    return found


def panel_section(page: Page, panel: str, tests: tuple[str, ...], **more: Any) -> Section:
    """One panel: done once each test of the study has its answer, or the reason why it has none."""
    rows = examinations(page).get(panel, [])
    answered = results(rows)
    missing = [test for test in tests if test not in answered]
    return Section(
        code=panel,
        name=PANEL_NAMES[panel],
        is_done=bool(rows) and not missing,
        lines=tuple(_line(page, row) for row in rows),
        hint=_still_missing(missing) if rows else "",
        may_be_missed=True,
        **more,
    )


def _still_missing(tests: list[str]) -> str:
    return (
        _("Still missing: %(tests)s.") % {"tests": _(", ").join(str(MEASURE_NAMES[t]) for t in tests)} if tests else ""
    )


def _line(page: Page, row: Examination) -> Line:
    shown = [f"{MEASURE_NAMES[one.code]} {one.text}" for one in row.measurements.all() if not one.is_void]
    values = " · ".join(shown[:SHOWN]) + (" …" if len(shown) > SHOWN else "")
    text = f"{timezone.localtime(row.taken_at):%Y-%m-%d %H:%M} · {values}"
    may = page.user.has_perm("participants.view_examination")
    return Line(text, page.link("participants_examination_change", row.pk) if may else "")


# --- Ticked, or not done --------------------------------------------------------------------------------


def ticked(page: Page) -> dict[str, VisitProcedure]:
    """What was said of procedures of this visit, by code; one query for all."""
    rows = page.participant.procedures.standing()
    found: dict[str, VisitProcedure] = page.once(
        "ticked", lambda: {row.code: row for row in rows.filter(visit_code=page.code)}
    )
    return found


def tick_section(page: Page, procedure: Any, form: Any) -> Section:
    """A procedure that no other record holds: done on a day, with what came of it in a line."""
    row = ticked(page).get(procedure.code)
    is_done = row is not None and row.state == VisitProcedure.State.DONE
    text = f"{row.done_on:%Y-%m-%d} {row.result}".strip() if row is not None and is_done else ""
    link = page.link("participants_visitprocedure_change", row.pk) if row is not None else ""
    return Section(
        code=procedure.code,
        name=procedure.name,
        is_done=is_done,
        lines=(Line(text, link),) if is_done else (),
        form=form if row is None else None,
        may_be_missed=True,
    )


def with_not_done(page: Page, section: Section) -> Section:
    """What somebody has said was not done is no longer missing."""
    row = ticked(page).get(section.code)
    if row is None or row.state != VisitProcedure.State.NOT_DONE or section.is_done:
        return section
    line = Line(row.not_done_reason, page.link("participants_visitprocedure_change", row.pk))
    return replace(section, not_done=row.not_done_reason, lines=(*section.lines, line))


# --- Forms ----------------------------------------------------------------------------------------------


def _identity(page: Page) -> list[Section]:
    """Asked when somebody is screened: there is nothing to enter any more."""
    who = page.participant
    line = Line(f"{who.number} · {who.get_sex_display()}", page.link("participants_participant_change", who.pk))
    return [Section("identity", _("Identity and study facts"), is_done=True, lines=(line,))]


def _consent(page: Page) -> list[Section]:
    from trialsite.adminsection import AdminForm

    rows = list(page.participant.consents.standing())

    def form() -> AdminForm:
        return AdminForm(
            page,
            Consent(participant=page.participant),
            first=("version", "consented_at"),
            more=(
                "long_term_agreed",
                "guardian_consented",
                "participant_assented",
                "may_be_reminded",
                "deviation_reason",
            ),
            offered={"consented_at": page.offered_day},
        )

    return [
        Section(
            "consent",
            _("Consent"),
            is_done=bool(rows),
            lines=tuple(
                Line(
                    f"{row.version} · {timezone.localtime(row.consented_at):%Y-%m-%d %H:%M}",
                    page.link("participants_consent_change", row.pk),
                )
                for row in rows
            ),
            form=form if page.may("participants.add_consent") and not rows else None,
        )
    ]


FORMS = {"identity": _identity, "consent": _consent}
