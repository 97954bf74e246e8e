"""How response and survival are said in the reader's language, and with which limits of the study they are judged."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from participants.rules.endpoints import Cause, Endpoint, Outcome, Subsequent
from participants.rules.response import Amount, Findings, Limits, Mrd, Part, Response
from trialsite.sentences import joined

RESPONSE_NAMES: dict[Response, Any] = {
    Response.CR: _("CR, complete remission"),
    Response.CRH: _("CRh, partial recovery of the blood"),
    Response.CRI: _("CRi, incomplete recovery of the blood"),
    Response.NO_REMISSION: _("not in remission"),
    Response.RELAPSE: _("relapse"),
    Response.NOT_EVALUABLE: _("not evaluable"),
}
MRD_NAMES: dict[Mrd, Any] = {
    Mrd.NEGATIVE: _("MRD negative (below 0.01 %)"),
    Mrd.INSUFFICIENT: _("MRD negative, insufficient sensitivity"),
    Mrd.POSITIVE: _("MRD positive"),
    Mrd.NOT_EVALUABLE: _("MRD not evaluable"),
}
PART_NAMES: dict[Part, Any] = {
    Part.MARROW: _("marrow"),
    Part.BLOOD: _("blood"),
    Part.EXTRAMEDULLARY: _("outside the marrow"),
    Part.ANC: _("neutrophils (ANC)"),
    Part.PLATELETS: _("platelets"),
    Part.TRANSFUSION: _("whether blood was transfused"),
}
ENDPOINT_NAMES: dict[Endpoint, Any] = {
    Endpoint.OS: _("Overall survival (OS)"),
    Endpoint.RFS: _("Relapse-free survival (RFS)"),
    Endpoint.EFS: _("Event-free survival (EFS)"),
}
SUBSEQUENT_NAMES: dict[Subsequent, Any] = {
    Subsequent.CENSOR: _("censored at later therapy or transplantation"),
    Subsequent.IGNORE: _("not censored at later therapy or transplantation"),
    Subsequent.EVENT: _("later therapy or transplantation counts as an event"),
}
CAUSE_NAMES: dict[Cause, Any] = {
    Cause.RELAPSE: _("relapse"),
    Cause.DEATH: pgettext_lazy("reason", "death"),
    Cause.FAILURE: _("no remission"),
    Cause.THERAPY: _("later therapy"),
    Cause.ASSESSED: _("last assessment of the disease"),
    Cause.ALIVE: _("last known alive"),
    Cause.LOST: _("lost to follow-up"),
}


def limits_of(protocol: Any) -> Limits:
    """What the study file chooses where sources of the response disagree."""
    policy = protocol.policy
    return Limits(
        relapse_blasts=Decimal(policy.relapse_blasts_percent),
        relapse_includes=policy.relapse_includes_threshold,
        counts_include=policy.cr_counts_include_threshold,
    )


def conventions(protocol: Any) -> tuple[Subsequent, ...]:
    """How the study reads later therapy in its relapse-free survival: one way, or both."""
    chosen = protocol.policy.rfs_subsequent_therapy
    return (Subsequent.CENSOR, Subsequent.IGNORE) if chosen == "both" else (Subsequent(chosen),)


def response_in_words(judged: Any) -> str:
    """What an assessment found, where a relapse shows, and what is missing for a response."""
    assessed = judged.assessed
    parts = []
    if assessed.sites:
        parts.append(_("Relapse in: %(where)s.") % {"where": _names(assessed.sites)})
    if assessed.missing:
        parts.append(_("Missing, or not on one side of a limit: %(what)s.") % {"what": _names(assessed.missing)})
    days = sorted(set(judged.counted_on.values()))
    if days:
        counted = gettext(", ").join(f"{day:%Y-%m-%d}" for day in days)
        parts.append(_("Blood count of %(days)s.") % {"days": counted})
    if judged.differs:
        parts.append(_("By the rule: %(name)s.") % {"name": RESPONSE_NAMES[assessed.response]})
    return joined((_findings(judged.found), *parts))


def _names(parts: Iterable[Part]) -> str:
    return gettext(", ").join(str(PART_NAMES[one]) for one in parts)


def _findings(found: Findings) -> str:
    """The numbers, as far as there are any."""
    units = (
        (found.marrow_blasts, _("marrow blasts %(value)s %%")),
        (found.anc, _("ANC %(value)s × 10⁹/L")),
        (found.platelets, _("platelets %(value)s × 10⁹/L")),
    )
    told = [str(text % {"value": _amount(one)}) for one, text in units if one is not None]
    if found.mrd is not None and found.mrd.level is not None:
        told.append(gettext("MRD %(value)s %%") % {"value": _amount(found.mrd.level)})
    elif found.mrd is not None and found.mrd.sensitivity is not None:
        least = f"{found.mrd.sensitivity.normalize():f}"
        told.append(gettext("MRD not detected, seen down to %(value)s %%") % {"value": least})
    text = gettext(", ").join(told)
    return gettext("%(findings)s.") % {"findings": text[:1].upper() + text[1:]} if text else ""


def _amount(one: Amount) -> str:
    return f"{one.sign} {one.value.normalize():f}".strip()


def cause_in_words(found: Outcome) -> str:
    """How a time of this participant ended: the day, the days since Day 0, and why."""
    values = {"day": f"{found.on:%Y-%m-%d}", "days": found.days, "cause": CAUSE_NAMES[found.cause]}
    if found.is_event:
        return gettext("event on %(day)s, after %(days)s days: %(cause)s") % values
    return gettext("no event until %(day)s, for %(days)s days (%(cause)s)") % values
