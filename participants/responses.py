"""How response and survival are said in the reader's language, and with which limits of the study they are judged."""

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from participants.rules.endpoints import Cause, Endpoint, Subsequent
from participants.rules.response import Limits, Mrd, Part, Response

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
