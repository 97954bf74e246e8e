"""The study file as the facts that the trial design is made of."""

from collections.abc import Iterator

from django.utils import timezone

from sponsor.datasets.scope import Scope
from sponsor.datasets.sdtm import trial as trials
from trialsite.study import Protocol, get_study


def trial_of(scope: Scope) -> trials.Trial:
    """In English, by the newest version of the protocol; visits and criteria of older ones too."""
    latest = get_study().latest
    return trials.Trial(
        study_id=latest.registry_id,
        org_study_id=latest.org_study_id,
        title=latest.title.en,
        sponsor=latest.sponsor.en,
        indication="; ".join(one.en for one in latest.conditions),
        phase=latest.phase,
        enrolment_target=latest.enrolment_target,
        starts_on=latest.window.starts_on.isoformat(),
        ends_on=latest.window.ends_on.isoformat(),
        cut_off=timezone.localtime(scope.cut_off).date().isoformat(),
        minimum_age=latest.design.minimum_age_years,
        maximum_age=latest.design.maximum_age_years,
        sex=latest.design.sex,
        healthy=latest.design.healthy_volunteers,
        masking=latest.design.masking,
        intervention_model=latest.design.intervention_model,
        arm_code=latest.design.arm_code,
        arm=latest.design.arm.en,
        country=latest.sites[0].country,
        dose_e8=f"{(latest.dose.recommended_e8 * 100).normalize():f}",
        stopping=_stopping(latest),
        drugs={one.code: one.name.en for one in latest.lymphodepletion.drugs},
        visits=tuple(_planned_visits()),
        rules=tuple(_rules()),
    )


def _planned_visits() -> Iterator[trials.PlannedVisit]:
    """Of all versions, in the order of their days; a code has the line of the newest version that knows it."""
    lines = {visit.code: visit for protocol in get_study().versions.values() for visit in protocol.visits}
    in_order = sorted(lines.values(), key=lambda one: one.target_day)
    for number, one in enumerate(in_order, start=1):
        yield trials.PlannedVisit(
            one.code,
            number,
            one.name.en,
            one.target_day,
            one.window_open_day,
            one.window_close_day,
            one.follows_infusion,
            one.phase,
        )


def _rules() -> Iterator[trials.Rule]:
    protocol = get_study().latest
    for criterion in protocol.criteria:
        for code, text, _checks in criterion.items:
            yield trials.Rule(code, shortened(text.en), criterion.is_inclusion, protocol.version)


def shortened(text: str, most: int = 200) -> str:
    """As much of a criterion as the standard and a transport file take, in bytes; all of it stands in the protocol."""
    if len(text.encode()) <= most:
        return text
    kept = text.encode()[: most - 3].decode(errors="ignore")
    return f"{kept.rsplit(' ', 1)[0].rstrip(',;:')}..."


def _stopping(protocol: Protocol) -> str:
    rule = protocol.stopping
    if rule is None:
        return ""
    events = " or ".join(rule.events)
    return (
        f"Bayesian monitoring of {events} of grade {rule.grade_from} or more within {rule.window_days} days: stop when "
        f"the rate lies above {rule.limit} with a probability above {rule.probability}"
    )
