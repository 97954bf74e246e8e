"""What must fit between the parts of a protocol version.

The names of a check's arguments are the sections it compares: it runs when each of them could be read.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from trialsite.study.criteria import Check, Criterion
from trialsite.study.mistakes import Found
from trialsite.study.parts import (
    UNSCHEDULED,
    AfterEvent,
    ConsentVersion,
    Design,
    Location,
    Lymphodepletion,
    OutcomeMeasure,
    Procedure,
    Recruitment,
    ReminderStage,
    Reminding,
    Site,
    SpecialInterestEvent,
    Stopping,
    UnscheduledVisit,
    Visit,
    Window,
)
from trialsite.study.policy import Policy
from trialsite.study.reporting import Recipient, Regime, Reporting


def _twice(section: str, keys: Iterable[object], field: str = "code") -> Found:
    seen: set[object] = set()
    for index, key in enumerate(keys):
        if key in seen:
            yield (section, index, field), key, "stands there twice; every one must be different"
        seen.add(key)


def _unknown(place: Location, names: Iterable[str], known: Iterable[Any], kind: str) -> Found:
    codes = [part.code for part in known]
    for name in names:
        if name not in codes:
            yield place, name, f"is not a known {kind}; known are: {', '.join(codes)}"


def _check_sites(sites: tuple[Site, ...]) -> Found:
    yield from _twice("sites", (site.code for site in sites))


def _check_procedures(procedures: tuple[Procedure, ...]) -> Found:
    yield from _twice("procedures", (procedure.code for procedure in procedures))


def _check_stages(reminder_stages: tuple[ReminderStage, ...]) -> Found:
    yield from _twice("reminder_stages", (stage.code for stage in reminder_stages))


def _check_reminding(reminding: Reminding, reminder_stages: tuple[ReminderStage, ...]) -> Found:
    yield from _unknown(
        ("reminding", "participants", "stages"), reminding.participants.stages, reminder_stages, "reminder stage"
    )
    since, until = reminding.quiet_from, reminding.quiet_until
    quiet = since <= reminding.hour < until if since <= until else reminding.hour >= since or reminding.hour < until
    if quiet:
        reason = f"lies in the quiet hours, {since:%H:%M} to {until:%H:%M}: nothing would leave then"
        yield ("reminding", "hour"), f"{reminding.hour:%H:%M}", reason


def _check_visits(visits: tuple[Visit, ...]) -> Found:
    yield from _twice("visits", (visit.code for visit in visits))
    for index in range(1, len(visits)):
        before, visit = visits[index - 1], visits[index]
        if visit.target_day < before.target_day:
            reason = (
                f"visits stand in the order of their target days; {before.code} before it is Day {before.target_day}"
            )
            yield ("visits", index, "target_day"), visit.target_day, reason


def _check_visit_procedures(visits: tuple[Visit, ...], procedures: tuple[Procedure, ...]) -> Found:
    for index, visit in enumerate(visits):
        yield from _unknown(("visits", index, "procedures"), visit.procedures, procedures, "procedure")


def _check_visit_reminders(visits: tuple[Visit, ...], reminder_stages: tuple[ReminderStage, ...]) -> Found:
    for index, visit in enumerate(visits):
        yield from _unknown(("visits", index, "reminders"), visit.reminders, reminder_stages, "reminder stage")


def _check_unscheduled(unscheduled: UnscheduledVisit | None, procedures: tuple[Procedure, ...]) -> Found:
    if unscheduled is not None:
        yield from _unknown(("unscheduled", "procedures"), unscheduled.procedures, procedures, "procedure")


def _check_unscheduled_codes(visits: tuple[Visit, ...], unscheduled: UnscheduledVisit | None) -> Found:
    """The numbers of visits beside the schedule are nobody else's."""
    for index, visit in enumerate(visits):
        if unscheduled is not None and UNSCHEDULED.fullmatch(visit.code):
            yield ("visits", index, "code"), visit.code, "is kept for visits beside the schedule (U and digits)"
        if visit.phase == "unscheduled":
            yield ("visits", index, "phase"), visit.phase, "is that of visits beside the schedule; they stand in none"


def _check_after_events(after_events: tuple[AfterEvent, ...], procedures: tuple[Procedure, ...]) -> Found:
    yield from _twice("after_events", (one.event for one in after_events), "event")
    for index, one in enumerate(after_events):
        yield from _unknown(("after_events", index, "drops"), one.drops, procedures, "procedure")


def _check_long_term(visits: tuple[Visit, ...], policy: Policy) -> Found:
    last = max(visit.window_close_day for visit in visits)
    if last < policy.long_term_years * 365:
        reason = f"the schedule ends on Day {last}, before so many years have passed"
        yield ("policy", "long_term_years"), policy.long_term_years, reason


def _check_lymphodepletion(lymphodepletion: Lymphodepletion) -> Found:
    for index, drug in enumerate(lymphodepletion.drugs):
        if drug.code in [other.code for other in lymphodepletion.drugs[:index]]:
            yield ("lymphodepletion", "drugs", index, "code"), drug.code, "stands there twice"


def _check_lowered(lymphodepletion: Lymphodepletion, criteria: tuple[Criterion, ...]) -> Found:
    """A slip would let a low count pass unasked: only what a criterion asks for can be named."""
    asked = {check.measure for one in criteria for _code, _text, checks in one.items for check in checks}
    for index, code in enumerate(lymphodepletion.lowers):
        if code not in asked:
            yield ("lymphodepletion", "lowers", index), code, "is not a measure that a criterion asks for"


def _check_criteria(criteria: tuple[Criterion, ...]) -> Found:
    yield from _twice("criteria", (criterion.code for criterion in criteria))
    counts = {"INCL": 0, "EXCL": 0}
    for index, criterion in enumerate(criteria):
        kind = criterion.code[:4]
        counts[kind] += 1
        if criterion.code != f"{kind}{counts[kind]:02d}":
            reason = f"numbers follow each other: {kind}{counts[kind]:02d} is expected here"
            yield ("criteria", index, "code"), criterion.code, reason
            return


def _check_oxygen(criteria: tuple[Criterion, ...], policy: Policy) -> Found:
    """A reading that stands twice, as a policy and in the check of its criterion, must be the same."""
    for place, check in _checks(criteria):
        if check.rule == "oxygen" and check.on_room_air != policy.spo2_on_room_air:
            reason = f"policy.spo2_on_room_air says {str(policy.spo2_on_room_air).lower()}"
            yield (*place, "on_room_air"), check.on_room_air, reason


def _check_vaccine(criteria: tuple[Criterion, ...], policy: Policy) -> Found:
    for place, check in _checks(criteria):
        if check.event == "LIVE_VACCINE" and check.days != policy.live_vaccine_excluded_days:
            reason = f"policy.live_vaccine_excluded_days says {policy.live_vaccine_excluded_days}"
            yield (*place, "days"), check.days, reason


def _checks(criteria: tuple[Criterion, ...]) -> Iterator[tuple[Location, Check]]:
    for index, criterion in enumerate(criteria):
        for number, check in enumerate(criterion.checks):
            yield ("criteria", index, "checks", number), check
        for letter, part in enumerate(criterion.parts):
            for number, check in enumerate(part.checks):
                yield ("criteria", index, "parts", letter, "checks", number), check


def _check_ages(criteria: tuple[Criterion, ...], design: Design) -> Found:
    for place, check in _checks(criteria):
        limits = (design.minimum_age_years, design.maximum_age_years)
        if check.rule == "age" and (check.at_least, check.at_most) != limits:
            yield (*place, "at_least"), check.at_least, f"the design says {limits[0]} to {limits[1]} years"


def _check_events(special_interest_events: tuple[SpecialInterestEvent, ...]) -> Found:
    yield from _twice("special_interest_events", (event.code for event in special_interest_events))


def _check_stopping(
    stopping: Stopping | None, special_interest_events: tuple[SpecialInterestEvent, ...], enrolment_target: int
) -> Found:
    """What the rule counts must be recognisable, and it must speak before everybody is treated."""
    if stopping is None:
        return
    yield from _unknown(("stopping", "events"), stopping.events, special_interest_events, "event of special interest")
    if stopping.from_treated > enrolment_target:
        reason = f"only {enrolment_target} participants are to be enrolled: the rule would never speak"
        yield ("stopping", "from_treated"), stopping.from_treated, reason


def _check_outcomes(
    outcome_measures: tuple[OutcomeMeasure, ...],
    visits: tuple[Visit, ...],
    special_interest_events: tuple[SpecialInterestEvent, ...],
) -> Found:
    """What is to be told must have been looked for."""
    for index, one in enumerate(outcome_measures):
        place = ("outcome_measures", index)
        named = [one.mrd_negative_at] if one.mrd_negative_at else []
        yield from _unknown((*place, "mrd_negative_at"), named, visits, "visit")
        event = [one.special_interest] if one.special_interest else []
        yield from _unknown((*place, "special_interest"), event, special_interest_events, "event of special interest")


def _check_consents(consent_versions: tuple[ConsentVersion, ...]) -> Found:
    yield from _twice("consent_versions", (consent.version for consent in consent_versions), "version")
    days = (consent.effective_on for consent in consent_versions)
    yield from _twice("consent_versions", days, "effective_on")


def _check_recruitment(recruitment: Recruitment, window: Window) -> Found:
    if not window.starts_on <= recruitment.opens_on:
        yield (
            ("recruitment", "opens_on"),
            recruitment.opens_on,
            f"lies before the study starts, {window.starts_on}",
        )
    if not recruitment.closes_on <= window.ends_on:
        yield (
            ("recruitment", "closes_on"),
            recruitment.closes_on,
            f"lies after the study ends, {window.ends_on}",
        )


def _check_regimes(regimes: tuple[Regime, ...]) -> Found:
    yield from _twice("regimes", (regime.code for regime in regimes))
    for index, regime in enumerate(regimes):
        for place, value, reason in _twice("clocks", (clock.code for clock in regime.clocks)):
            yield ("regimes", index, *place), value, reason


def _check_regime_in_force(regimes: tuple[Regime, ...], reporting: Reporting) -> Found:
    yield from _unknown(("reporting", "regime"), [reporting.regime], regimes, "regime")


def _check_recipients(regimes: tuple[Regime, ...], recipients: tuple[Recipient, ...]) -> Found:
    yield from _twice("recipients", (recipient.code for recipient in recipients))
    for index, regime in enumerate(regimes):
        for number, clock in enumerate(regime.clocks):
            place = ("regimes", index, "clocks", number, "recipients")
            yield from _unknown(place, clock.recipients, recipients, "recipient")


def _check_site_clock(regimes: tuple[Regime, ...], policy: Policy) -> Found:
    """The one limit that stands twice, as a policy and in the clocks, must be the same."""
    for index, regime in enumerate(regimes):
        for number, clock in enumerate(regime.clocks):
            hours = (policy.sae_site_to_sponsor_hours, "hours")
            if clock.code == "site_to_sponsor" and (clock.limit, clock.unit) != hours:
                reason = f"policy.sae_site_to_sponsor_hours says {policy.sae_site_to_sponsor_hours} hours"
                yield ("regimes", index, "clocks", number, "limit"), f"{clock.limit} {clock.unit}", reason


CHECKS: tuple[Callable[..., Found], ...] = (
    _check_sites,
    _check_procedures,
    _check_stages,
    _check_visits,
    _check_visit_procedures,
    _check_visit_reminders,
    _check_reminding,
    _check_unscheduled,
    _check_unscheduled_codes,
    _check_after_events,
    _check_long_term,
    _check_lymphodepletion,
    _check_lowered,
    _check_criteria,
    _check_oxygen,
    _check_vaccine,
    _check_ages,
    _check_events,
    _check_stopping,
    _check_outcomes,
    _check_consents,
    _check_recruitment,
    _check_regimes,
    _check_regime_in_force,
    _check_recipients,
    _check_site_clock,
)


def compare(sections: Mapping[str, Any]) -> Found:
    """What every check finds whose sections are there; those with a mistake of their own are left out."""
    for check in CHECKS:
        names = inspect.signature(check).parameters
        if all(name in sections for name in names):
            yield from check(**{name: sections[name] for name in names})
