"""What this app puts on paper: its sections of a participant's print, the logs, and the worksheet of a visit."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from participants import actions, eligibility_pdf, page
from participants.flowchart import text_width
from participants.models import (
    STATUS_NAMES,
    Consent,
    ConsentWithdrawal,
    Measurement,
    Participant,
    ProtocolDeviation,
    Visit,
)
from participants.names import PANEL_NAMES
from participants.rules.measures import PANELS, QUESTIONS
from participants.rules.status import Status
from participants.wording import OVERALL_NAMES, RESULT_NAMES, RESULT_SYMBOLS
from trialsite import subjectpage
from trialsite.exports import cell_text
from trialsite.fieldkeys import word
from trialsite.identity import NAMES
from trialsite.models import Site
from trialsite.printing import Band, Facts, Print, Section, Table, Words, day, moment, sections_of, signatures
from trialsite.subjectpage import Asked


def participant_print(asked: Asked) -> Print:
    """The participant's page as one paper: everything that this reader may see, in the order of the page."""
    whose = asked.participant
    return Print(
        title=_("Participant %(number)s") % {"number": whose.number},
        sections=sections_of(asked),
        site=str(whose.site),
        number=whose.number,
        identity=page.shown_of(asked.user),
    )


def sections(asked: Asked) -> Iterator[Section]:
    yield _who(asked)
    yield _owed(asked)
    yield _eligibility(asked)
    for permission, make in (
        ("participants.view_consent", _consent),
        ("participants.view_measurement", _laboratory),
        ("participants.view_visit", _visits),
        ("participants.view_protocoldeviation", _deviations),
    ):
        if asked.may(permission):
            yield make(asked)
    yield _signatures(asked)


# --- who, and what is owed ---------------------------------------------------------------------------


def _who(asked: Asked) -> Section:
    whose = asked.participant
    since = next((row.effective_on for row in page.history(asked) if row.status == whose.status), None)
    status = STATUS_NAMES[Status(whose.status)]
    facts = (
        *name_and_bed(whose, asked.user),
        *_age(asked),
        (_("Sex"), str(whose.get_sex_display())),
        (_("Status"), _("%(status)s, since %(day)s") % {"status": status, "day": day(since)}),
        (_("Trial day"), _trial_day(asked)),
        (_("Screening number"), whose.screening_number),
        (_("Participant number"), whose.participant_number or ""),
        (_("Protocol version"), whose.protocol_version),
    )
    void = (Words(f"✗ {_('This participant is void.')}", 12),) if whose.is_void else ()
    return Section("who", _("Participant"), (*void, Facts(facts)))


def name_and_bed(participant: Participant, user: Any) -> Iterator[tuple[str, str]]:
    """As far as this reader is shown them."""
    shown = page.shown_of(user)
    if "name" in shown:
        yield capfirst(str(NAMES["name"])), participant.name
    if "bed" in shown:
        yield capfirst(str(NAMES["bed"])), participant.bed


def _age(asked: Asked) -> Iterator[tuple[str, str]]:
    if "birth_date" in page.shown_of(asked.user):
        age = asked.participant.age_on(actions.site_day(asked.now))
        yield _("Age"), word() if age is None else _("%(age)s years") % {"age": age}


def _trial_day(asked: Asked) -> str:
    number = page.trial_day(asked)
    if number is not None:
        return _("Day %(number)s; Day 0 was %(day)s") % {"number": number, "day": day(page.day0(asked))}
    planned = asked.participant.planned_infusion_on
    return _("Planned infusion: %(day)s") % {"day": day(planned)} if planned else _("not infused yet")


def _owed(asked: Asked) -> Section:
    following = subjectpage.following(asked)
    table = Table(
        head=(_("What is owed"), _("Due on"), _("Late"), _("Who does it")),
        rows=tuple(
            (str(one.text), _due(one.due), str(one.late) or "—", _(", ").join(one.by_whom))
            for one in subjectpage.owed(asked)
        ),
        widths=(70, 28, 34, 50),
        empty=_("Nothing is owed now."),
    )
    step = (Words(str(following.text)),) if following is not None else ()
    return Section("owed", _("What is owed now"), (*step, table))


def _due(due: dt.datetime | dt.date | None) -> str:
    return moment(due) if isinstance(due, dt.datetime) else day(due)


# --- eligibility and consent -------------------------------------------------------------------------


def _eligibility(asked: Asked) -> Section:
    evaluation = actions.evaluate(asked.participant, now=asked.now)
    confirmation = actions.newest_confirmation(asked.participant)
    signature = actions.signature_of(confirmation)
    words = eligibility_pdf.signature_text(confirmation, signature, actions.is_current(confirmation, evaluation))
    table = Table(
        head=(_("Criterion"), "", _("Result")),
        rows=tuple(
            (one.criterion.code, str(one.criterion.text), f"{RESULT_SYMBOLS[one.result]} {RESULT_NAMES[one.result]}")
            for one in evaluation.criteria
        ),
        widths=(20, 118, 44),
    )
    return Section(
        "eligibility", _("Eligibility"), (Words(str(OVERALL_NAMES[evaluation.overall])), Words(words), table)
    )


def _consent(asked: Asked) -> Section:
    whose = asked.participant
    given = Table(
        head=(_("Version"), _("Consented at"), _("Guardian signed too"), _("Participant assented")),
        rows=tuple(_consented(row) for row in whose.consents.standing()),
        widths=(40, 50, 46, 46),
        empty=_("No consent is recorded."),
    )
    taken_back = tuple(Words(_withdrawn(row)) for row in whose.withdrawals.standing())
    return Section("consent", _("Consent"), (given, *taken_back))


def _consented(row: Consent) -> tuple[str, ...]:
    return row.version, moment(row.consented_at), _said(row.guardian_consented), _said(row.participant_assented)


def _said(answer: bool | None) -> str:
    """Not asked is neither yes nor no."""
    return "—" if answer is None else _("yes") if answer else _("no")


def _withdrawn(row: ConsentWithdrawal) -> str:
    return _("Consent withdrawn at %(at)s: %(scope)s. %(reason)s") % {
        "at": moment(row.withdrawn_at),
        "scope": row.get_scope_display(),
        "reason": row.reason,
    }


# --- laboratory, visits, deviations, signatures ------------------------------------------------------


def newest_of(participant: Participant) -> dict[str, Measurement]:
    """By measure the newest answer; one query."""
    rows = Measurement.objects.standing().filter(participant=participant)
    return {row.code: row for row in rows.order_by("code", "-taken_at", "-id").distinct("code")}


def _laboratory(asked: Asked) -> Section:
    newest = newest_of(asked.participant)
    rows: list[Any] = []
    for panel in (one for one in PANELS if one not in QUESTIONS):
        known = [newest[one.code] for one in PANELS[panel] if one.code in newest]
        rows += [Band(str(PANEL_NAMES[panel])), *map(_measured, known)] if known else []
    table = Table(
        head=(_("Test"), _("Newest value"), _("Limits of normal"), _("Taken at")),
        rows=tuple(rows),
        widths=(62, 50, 38, 32),
        empty=_("No result is recorded."),
    )
    return Section("labs", _("Laboratory: newest values"), (table,))


def _measured(row: Measurement) -> tuple[str, ...]:
    return str(row.get_code_display()), f"{row.text} {_beyond(row)}".strip(), limits_text(row), moment(row.taken_at)


def limits_text(row: Measurement) -> str:
    """The limits of normal as the report had them, in its unit."""
    low, high = (None if one is None else f"{one.normalize():f}" for one in (row.reference_low, row.reference_high))
    if low is not None and high is not None:
        return f"{low}–{high}"
    return f"≥ {low}" if low is not None else f"≤ {high}" if high is not None else "—"


def _beyond(row: Measurement) -> str:
    """High or low, where the number itself says so; a bound says it of neither side for certain."""
    if row.value is None or row.comparator:
        return ""
    if row.reference_high is not None and row.value > row.reference_high:
        return pgettext("laboratory", "↑ high")
    if row.reference_low is not None and row.value < row.reference_low:
        return pgettext("laboratory", "↓ low")
    return ""


def _visits(asked: Asked) -> Section:
    table = Table(
        head=(_("Visit"), _("Target date"), _("Window"), _("State"), _("Done on")),
        rows=tuple(_visited(visit) for visit in asked.participant.visits.standing().order_by("target_date", "id")),
        widths=(62, 26, 46, 26, 22),
        empty=_("No visit is planned."),
    )
    return Section("visits", _("Visits"), (table,))


def _visited(visit: Visit) -> tuple[str, ...]:
    window = f"{day(visit.window_opens_on)} – {day(visit.window_closes_on)}"
    name = f"{visit.code} · {visit.title}"
    return name, day(visit.target_date), window, str(visit.get_state_display()), day(visit.occurred_on)


def _deviations(asked: Asked) -> Section:
    table = Table(
        head=(_("Deviation"), _("Happened on"), _("What happened"), _("Reason"), _("State")),
        rows=tuple(_deviated(row) for row in asked.participant.deviations.standing().order_by("occurred_on", "id")),
        widths=(36, 22, 56, 44, 24),
        empty=_("None is recorded."),
    )
    return Section("deviations", _("Protocol deviations"), (table,))


def _deviated(row: ProtocolDeviation) -> tuple[str, ...]:
    state = _("untrue after a correction") if row.is_untrue else _("open") if row.is_open else _("closed")
    kind = "\n".join(part for part in (str(row.get_kind_display()), str(row.get_severity_display())) if part)
    return kind, day(row.occurred_on), row.description, row.reason, state


def _signatures(asked: Asked) -> Section:
    whose = asked.participant
    wanted = (
        ("participants.view_eligibilityruling", whose.rulings),
        ("participants.view_eligibilityconfirmation", whose.confirmations),
    )
    return signatures(*(rows.standing() for permission, rows in wanted if asked.may(permission)))


# --- the logs ----------------------------------------------------------------------------------------


def log_print(title: Any, header: Iterable[Any], lines: Iterable[Sequence[Any]], *, sites: Iterable[Site]) -> Print:
    """A list across the page, with the columns of its file."""
    head = tuple(str(one) for one in header)
    rows = tuple(tuple(_cell(value) for value in line) for line in lines)
    table = Table(head=head, rows=rows, widths=_widths(head, rows), size=7, empty=_("There is no such line."))
    names = _(", ").join(str(site) for site in sites)
    return Print(capfirst(str(title)), (Section("log", "", (table,)),), site=names, is_wide=True)


def _cell(value: Any) -> str:
    """As the file has it, with a dash where there is nothing."""
    return cell_text(value) or "—"


def _widths(head: Sequence[str], rows: Iterable[Sequence[str]]) -> tuple[int, ...]:
    """As wide as what stands there, within limits: a day does not break, and a reason takes several lines."""
    columns = zip(head, *rows, strict=True)
    return tuple(min(max(12, *(_longest(text) for text in one)), 60) for one in columns)


def _longest(text: str) -> int:
    """Of the words, in mm of the small letters; a Chinese text may break anywhere."""
    return round(max((text_width(word) for word in text.split()), default=0) / 5)
