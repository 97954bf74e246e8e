"""The form of a serious adverse event, Chinese and English side by side, as ethics committees in China ask for it.

Of the person stand the number in the study, the age and the sex alone. What is not known yet is a dash: a first
report is due before everything is known.
"""

import datetime as dt
from collections.abc import Callable, Iterator

from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as mark

from safety.models import SERIOUSNESS, AdverseEvent, FollowUpKind
from sponsor.icsr.facts import Told, age_at_onset, batch_of, most_recent, report_id, told_of, version_of
from trialsite.printing import Facts, Print, Section, Table

Pairs = Iterator[tuple[str, str]]


def both(say: Callable[[], object]) -> str:
    """The same in Chinese and in English; once where they are equal.

    `say` is asked under each of the languages.
    """
    with translation.override("zh-hans"):
        chinese = str(say())
    with translation.override("en"):
        english = str(say())
    return chinese if chinese == english else f"{chinese} {english}"


def _label(text: str) -> str:
    return both(lambda: _(text))


def saeform(event: AdverseEvent) -> Print:
    """The paper as it stands now."""
    told = told_of(event)
    sections = (
        Section("report", _label(mark("The report")), (Facts(tuple(_report(told))),)),
        Section("person", _label(mark("The participant")), (Facts(tuple(_person(told))),)),
        Section("event", _label(mark("The event")), (Facts(tuple(_event(told))),)),
        Section("serious", _label(mark("Why it is serious")), (_criteria(told),)),
        Section("treatment", _label(mark("Study treatment and relation to it")), (_agents(told), _given(told))),
        Section("course", _label(mark("Course and treatment")), (Facts(tuple(_course(told))),)),
        Section("followups", _label(mark("What became known later")), (_followups(told),)),
        Section("signature", _label(mark("Reported by")), (_signature(),)),
    )
    title = _label(mark("Serious adverse event report"))
    return Print(title, sections, site=both(lambda: told.participant.site), number=told.participant.number)


def _moment(at: dt.datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}" if at else ""


def _yes_no(value: bool | None) -> str:
    return "" if value is None else _label(mark("yes") if value else mark("no"))


def _report(told: Told) -> Pairs:
    version = version_of(told)
    kind = mark("first report")
    if any(one.kind == FollowUpKind.NULLIFICATION for one in told.followups) or told.event.is_void:
        kind = mark("the report is withdrawn")
    elif version:
        kind = mark("follow-up report")
    protocol = told.protocol
    yield _label(mark("Number of the report")), report_id(told)
    yield _label(mark("Kind of report")), f"{_label(kind)}{f' {version}' if version else ''}"
    yield _label(mark("Study")), f"{protocol.registry_id} · {both(lambda: protocol.title)}"
    yield _label(mark("Sponsor")), both(lambda: protocol.sponsor)
    yield _label(mark("Site aware at")), _moment(told.event.site_aware_at)
    yield _label(mark("Sponsor aware at")), _moment(told.event.first_aware_at)
    yield _label(mark("Newest information of")), _moment(most_recent(told))


def _person(told: Told) -> Pairs:
    age = age_at_onset(told)
    yield _label(mark("Participant")), told.participant.number
    yield _label(mark("Sex")), both(told.participant.get_sex_display)
    yield _label(mark("Age at onset (years)")), "" if age is None else str(age)
    yield _label(mark("Diagnosis")), "; ".join(both(one.__str__) for one in told.protocol.conditions)


def _event(told: Told) -> Pairs:
    event = told.event
    yield _label(mark("Reported term")), told.plain(event.term)
    yield "CTCAE", f"{event.ctcae_term} ({event.ctcae_code}, {event.ctcae_version})" if event.ctcae_code else ""
    yield (
        "MedDRA",
        f"{event.meddra_llt} ({event.meddra_llt_code}, {event.meddra_version})" if event.meddra_llt_code else "",
    )
    yield _label(mark("Onset")), _day(event.onset, event.onset_time)
    yield _label(mark("Resolved")), _day(event.resolved, event.resolved_time)
    yield _label(mark("Highest grade (CTCAE)")), str(event.grade)
    yield _label(mark("Outcome")), both(event.get_outcome_display)
    yield _label(mark("Expected")), _yes_no(event.is_expected)
    yield _label(mark("Reference safety information")), str(event.reference_safety or "")
    if event.results_in_death:
        yield _label(mark("Cause of death")), told.plain(event.cause_of_death)
        yield _label(mark("Autopsy")), both(event.get_autopsy_display)


def _day(day: str, time: dt.time | None) -> str:
    return f"{day} {time:%H:%M}" if time else day


def _criteria(told: Told) -> Table:
    """All six, so that it is seen which were denied; the date where it is known."""

    def row(name: str) -> tuple[str, str, str]:
        field = AdverseEvent._meta.get_field(name)
        is_so = getattr(told.event, name)
        return both(lambda: field.verbose_name), "√" if is_so else "", getattr(told.event, f"{name}_on")  # type: ignore[union-attr]

    head = (_label(mark("Criterion")), "", _label(mark("Since")))
    return Table(head=head, rows=tuple(row(name) for name in SERIOUSNESS), widths=(120, 16, 46))


def _agents(told: Told) -> Table:
    rows = tuple(
        (
            both(one.get_agent_display) + (f" ({told.plain(one.named)})" if one.named else ""),
            both(one.get_investigator_display) or "—",
            both(one.get_sponsor_display) or "—",
            both(one.get_action_taken_display) or "—",
        )
        for one in told.agents
    )
    head = (mark("Agent"), mark("Investigator"), mark("Sponsor"), mark("Action taken"))
    empty = _label(mark("Nothing is assessed yet."))
    return Table(head=tuple(map(_label, head)), rows=rows, widths=(50, 44, 44, 44), empty=empty)


def _given(told: Told) -> Table:
    drugs = batch_of(told.event, now=timezone.now()).icsr.drugs
    rows = tuple(
        (drug.name, one.text, _written(one.start), _written(one.end), one.lot) for drug in drugs for one in drug.dosages
    )
    head = (
        mark("Drug"),
        mark("Dose"),
        mark("Given from"),
        mark("Given until"),
        mark("Lot"),
    )
    empty = _label(mark("Nothing was given yet."))
    return Table(head=tuple(map(_label, head)), rows=rows, widths=(46, 50, 30, 30, 26), empty=empty)


def _written(when: object) -> str:
    return _moment(when) if isinstance(when, dt.datetime) else str(when or "—")


def _course(told: Told) -> Pairs:
    grades = told.event.grades.own_standing().order_by("since", "id")
    drugs = told.event.medications.own_standing().select_related("medication").order_by("id")
    given = (f"{told.plain(one.medication.name)} {one.medication.dose_text}".strip() for one in drugs)
    yield _label(mark("Course of grades")), "; ".join(f"{one.since}: {one.grade}" for one in grades)
    yield _label(mark("Course")), told.plain(told.event.note)
    yield _label(mark("Treatment given")), told.plain(told.event.treatment_given)
    yield _label(mark("Drugs given against it")), "; ".join(given)


def _followups(told: Told) -> Table:
    rows = tuple((_moment(one.learned_at), both(one.get_kind_display), told.plain(one.what)) for one in told.followups)
    head = (mark("Learned at"), mark("Kind"), mark("What"))
    return Table(head=tuple(map(_label, head)), rows=rows, widths=(34, 50, 98), empty=_label(mark("Nothing.")))


def _signature() -> Table:
    head = (mark("Name and role"), mark("Signature"), mark("Date"))
    return Table(head=tuple(map(_label, head)), rows=(("", "", ""),), widths=(62, 70, 50), row_height=14)
