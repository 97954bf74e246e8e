"""`study show` prints what is in force; `study check` reads study files before anybody depends on them."""

import sys
import unicodedata
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from trialsite.identity import NAMES as IDENTITY_NAMES
from trialsite.roles import ROLE_NAMES, Role
from trialsite.study import (
    Clock,
    Criterion,
    Drug,
    Protocol,
    Recognised,
    Reminding,
    StudyFileError,
    get_study,
    load_protocol,
    load_study,
)


class Command(BaseCommand):
    help = "Shows the study that is in force, or checks study files."
    # It needs no database, so it also works where there is none yet.
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        show = actions.add_parser("show", help="print a protocol version")
        show.add_argument("--protocol", help="version, such as 1.0; without it, the latest")
        show.add_argument("--lang", choices=[code for code, _name in settings.LANGUAGES])
        checked = actions.add_parser("check", help="validate a study's folder, or one file")
        checked.add_argument("path", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "check":
            self._check(options["path"])
            return
        with translation.override(options["lang"] or settings.LANGUAGE_CODE):
            self.stdout.write("\n".join(describe(chosen(options["protocol"]))))

    def _check(self, path: Path) -> None:
        try:
            self.stdout.write(checked(path))
        except StudyFileError as error:
            self.stderr.write(str(error))
            sys.exit(1)


def chosen(version: str | None) -> Protocol:
    study = get_study()
    if version is None:
        return study.latest
    if version not in study.versions:
        raise CommandError(f"There is no protocol version {version}; there are: {', '.join(study.versions)}.")
    return study.protocol(version)


def checked(path: Path) -> str:
    """What a folder or file holds, in a line. Raises StudyFileError with its mistakes."""
    protocols = list(load_study(path).versions.values()) if path.is_dir() else [load_protocol(path)]
    versions = ", ".join(protocol.version for protocol in protocols)
    return f"{path}: no mistakes; {protocols[0].registry_id}, protocol version {versions}"


# --- Sections ----------------------------------------------------------------------------------


def describe(protocol: Protocol) -> Iterator[str]:
    """A protocol version as lines of text, in the active language."""
    for title, lines in (
        (str(protocol.title), _identifiers(protocol)),
        (_("Study and recruitment"), _dates(protocol)),
        (_("Dose"), _dose(protocol)),
        (_("Lymphodepletion"), _lymphodepletion(protocol)),
        (_("At the bedside"), _monitoring(protocol)),
        (_("Who sees identity"), _identity(protocol)),
        (_("Visits"), _visits(protocol)),
        (_("Reminders"), _reminders(protocol)),
        (_("Criteria"), _criteria(protocol)),
        (_("Events of special interest"), _events(protocol)),
        (_("Stopping rule"), _stopping(protocol)),
        (_("Outcome measures"), _outcomes(protocol)),
        (_("Reporting regime"), _regimes(protocol)),
        (_("Policy"), _policy(protocol)),
    ):
        yield from (title, "=" * _width(title), *lines, "")


def _identifiers(protocol: Protocol) -> Iterator[str]:
    yield from _pairs(
        (_("Registry number"), protocol.registry_id),
        (_("Number at the hospital"), protocol.org_study_id),
        (_("Protocol version"), f"{protocol.version} ({protocol.effective_on})"),
        (_("Source"), protocol.source),
        (_("Conditions"), _("; ").join(str(condition) for condition in protocol.conditions)),
        (_("Phase"), protocol.phase),
        (_("Sponsor"), protocol.sponsor),
        *((_("Site"), f"{site.code}: {site.name} ({site.city}, {site.country})") for site in protocol.sites),
        *((_("Consent form"), f"{one.version} ({one.effective_on})") for one in protocol.consent_versions),
    )


def _dates(protocol: Protocol) -> Iterator[str]:
    window, recruitment = protocol.window, protocol.recruitment
    yield from _pairs(
        (_("Study"), f"{window.starts_on} – {window.ends_on}"),
        (_("Recruitment"), f"{recruitment.opens_on} – {recruitment.closes_on}"),
        (_("Participants"), protocol.enrolment_target),
    )


def _dose(protocol: Protocol) -> Iterator[str]:
    dose = protocol.dose
    unit = _("× 10⁸ viable CAR-T cells")
    yield from _pairs(
        (_("Recommended"), f"{dose.recommended_e8} {unit}"),
        (_("Range"), f"{dose.nominal_low_e8}–{dose.nominal_high_e8} {unit}"),
        (_("Tolerance"), f"{dose.tolerance_low_e8}–{dose.tolerance_high_e8} {unit}"),
        (_("Refused above"), f"{dose.implausible_above_e8} {unit}"),
        (_("Route"), _(", ").join((str(dose.route), str(dose.cell_source)))),
    )


def _lymphodepletion(protocol: Protocol) -> Iterator[str]:
    plan = protocol.lymphodepletion
    yield from _pairs(
        *((drug.name, _drug(drug)) for drug in plan.drugs),
        *((drug.name, _reduced(drug)) for drug in plan.drugs if drug.reduced),
        (_("Planned days"), ", ".join(str(day) for day in plan.planned_days)),
        (_("Possible days"), _span(plan.earliest_day, plan.last_day)),
        (_("Clear days before the infusion"), plan.clear_days_before_infusion),
    )


def _monitoring(protocol: Protocol) -> Iterator[str]:
    monitoring = protocol.monitoring
    yield from _pairs(
        *(
            (_("Next assessment after grade %(grade)s") % {"grade": grade}, _("%(hours)s h") % {"hours": hours})
            for grade, hours in enumerate(monitoring.assess_every_hours)
        ),
        (_("To the end of day"), monitoring.last_day),
        (
            _("Masked fever is told again after"),
            _("%(hours)s h") % {"hours": monitoring.masked_fever_again_after_hours},
        ),
        *(
            (
                _("Without an answer after %(minutes)s min") % {"minutes": step.after_minutes},
                _(", ").join(str(ROLE_NAMES[Role(role)]) for role in step.roles),
            )
            for step in monitoring.escalation
        ),
    )


def _identity(protocol: Protocol) -> Iterator[str]:
    """Each field that names a participant, with the roles that see it."""
    yield from _pairs(
        *(
            (name, _(", ").join(str(ROLE_NAMES[Role(role)]) for role in getattr(protocol.identity, field)) or "—")
            for field, name in IDENTITY_NAMES.items()
        )
    )


def _drug(drug: Drug) -> str:
    doses = "/".join(str(count) for count in drug.accepted_doses)
    accepted = f"{drug.accepted_low_mg_m2}–{drug.accepted_high_mg_m2} × {doses}"
    return _("%(planned)s mg/m² × %(doses)s (accepted: %(accepted)s)") % {
        "planned": drug.planned_mg_m2,
        "doses": drug.planned_doses,
        "accepted": accepted,
    }


def _reduced(drug: Drug) -> str:
    """Which clearance asks for less."""
    levels = (
        _("below %(limit)s mL/min: %(level)s mg/m²") % {"limit": level.below_ml_min, "level": level.mg_m2}
        for level in drug.reduced
    )
    return _(", ").join(levels)


def _visits(protocol: Protocol) -> Iterator[str]:
    head = (_("Visit"), _("Name"), _("Phase"), _("Target day"), _("Window"), _("Procedures"))
    rows = (
        (
            visit.code,
            visit.name,
            visit.phase,
            visit.target_day,
            _span(visit.window_open_day, visit.window_close_day),
            " ".join(visit.procedures),
        )
        for visit in protocol.visits
    )
    yield from table([head, *rows])
    yield ""
    yield from table((procedure.code, procedure.name) for procedure in protocol.procedures)


def _reminders(protocol: Protocol) -> Iterator[str]:
    head = (_("Stage"), _("Name"), _("Counted from"), _("Days"), _("Lapses after"), _("Shortest window"))
    rows = (
        (
            stage.code,
            stage.name,
            stage.anchor,
            stage.offset_days,
            stage.lapses_after_days,
            stage.min_window_days or "",
        )
        for stage in protocol.reminder_stages
    )
    yield from table([head, *rows])
    yield ""
    groups: dict[tuple[str, ...], list[str]] = {}
    for visit in protocol.follow_up_visits:
        groups.setdefault(visit.reminders, []).append(visit.code)
    for stages, codes in groups.items():
        yield f"{' '.join(codes)}: {', '.join(stages) or _('none')}"
    yield ""
    yield from table(_hours(protocol.reminding))


def _hours(reminding: Reminding) -> Iterator[tuple[object, ...]]:
    quiet = f"{reminding.quiet_from:%H:%M} – {reminding.quiet_until:%H:%M}"
    escalation = ", ".join(str(ROLE_NAMES[Role(role)]) for role in reminding.escalation.roles)
    yield _("Hour"), f"{reminding.hour:%H:%M}"
    yield _("Quiet hours"), quiet
    yield _("Recipients"), ", ".join(str(ROLE_NAMES[Role(role)]) for role in reminding.recipients)
    yield _("Escalation"), f"{-reminding.escalation.days_before_close}: {escalation}"
    yield _("Participants who agreed"), ", ".join(reminding.participants.stages)


def _criteria(protocol: Protocol) -> Iterator[str]:
    for criterion in protocol.criteria:
        marks = _marks(criterion)
        yield f"{criterion.code}  {criterion.text}" + (f" [{marks}]" if marks else "")
        yield from (f"    {part.code}  {part.text}" for part in criterion.parts)


def _marks(criterion: Criterion) -> str:
    marks = {_("judgement"): criterion.judgement, _("can be set aside"): criterion.overridable}
    return ", ".join(word for word, holds in marks.items() if holds)


def _events(protocol: Protocol) -> Iterator[str]:
    events = protocol.special_interest_events
    yield from table((event.code, event.name, _recognised(event.recognised)) for event in events)

    yield ""
    yield from table((_("collected"), window.name) for window in protocol.collection_windows)


def _outcomes(protocol: Protocol) -> Iterator[str]:
    kinds = {"primary": _("primary"), "secondary": _("secondary")}
    yield from table((kinds[one.kind], one.title, one.time_frame) for one in protocol.outcome_measures)


def _recognised(how: Recognised | None) -> str:
    """By what an event is known, besides the code that somebody sets on it."""
    if how is None:
        return _("by its code alone")
    known = [how.graded, *how.ctcae, how.soc, _("reaction to an infusion") if how.infusion else None]
    words = _(", ").join(str(one) for one in known if one)
    if how.grade_from == 1:
        return words
    return _("%(what)s, from grade %(grade)s on") % {"what": words, "grade": how.grade_from}


def _stopping(protocol: Protocol) -> Iterator[str]:
    said = protocol.stopping
    if said is None:
        yield _("none")
        return
    yield str(said.reason)
    yield from _pairs(
        (_("Counted"), f"{_(', ').join(said.events)} ≥ {said.grade_from}"),
        (_("Prior"), f"Beta({said.prior_events}, {said.prior_without})"),
        (_("Limit of the rate"), said.limit),
        (_("Stops above the probability"), said.probability),
        (_("From so many participants on"), said.from_treated),
        (_("Days of the window"), said.window_days),
    )


def _regimes(protocol: Protocol) -> Iterator[str]:
    yield str(protocol.reporting.note)
    head = (_("Clock"), _("Name"), _("Limit"), _("Counted from"), _("Recipients"), _("Source"))
    for regime in protocol.regimes:
        state = _("in force") if regime == protocol.regime else _("not in force")
        yield from ("", f"{regime.code}: {regime.name} [{state}]", str(regime.source))
        yield from table([head, *(_clock(protocol, clock) for clock in regime.clocks)])


def _clock(protocol: Protocol, clock: Clock) -> tuple[object, ...]:
    told = _(", ").join(str(protocol.recipient(code).name) for code in clock.recipients)
    return clock.code, clock.name, _limit(clock), clock.counted_from, told, clock.source


def _limit(clock: Clock) -> str:
    words = {
        "hours": ngettext("%(count)s hour", "%(count)s hours", clock.limit),
        "days": ngettext("%(count)s day", "%(count)s days", clock.limit),
        "months": ngettext("%(count)s month", "%(count)s months", clock.limit),
    }
    return words[clock.unit] % {"count": clock.limit}


def _policy(protocol: Protocol) -> Iterator[str]:
    for setting in protocol.policy.settings():
        value = str(setting.value).lower() if isinstance(setting.value, bool) else setting.value
        yield f"{setting.name} = {value}    ({setting.allowed})"
        yield f"    {_(setting.help)}"


# --- Layout ------------------------------------------------------------------------------------


def _span(first: int, last: int) -> str:
    return f"{first}…{last}" if first != last else str(first)


def _pairs(*pairs: tuple[object, object]) -> Iterator[str]:
    yield from table((f"{name}:", value) for name, value in pairs)


def table(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Columns under each other, also where Chinese and Latin letters mix."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(_width(cell) for cell in column) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _width(text: str) -> int:
    """Columns in a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
