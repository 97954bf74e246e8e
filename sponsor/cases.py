"""How a table of worked frequencies maps to the rule of what a registry lists."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from sponsor.rules import registry
from trialsite.casetables import CaseTable, UnusableValue, column, decimal, integer, mark, yes_no


def _evaluate(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    affected, at_risk, threshold = inputs["num_affected"], inputs["num_at_risk"], inputs["frequency_threshold"]
    if not 0 <= affected <= at_risk or at_risk == 0:
        text = mark("%(affected)s of %(at_risk)s participants cannot be affected")
        raise UnusableValue("num_affected", text, affected=affected, at_risk=at_risk)
    if not 0 <= threshold <= registry.MOST_THRESHOLD:
        text = mark("a threshold lies between 0 and %(most)s percent")
        raise UnusableValue("frequency_threshold", text, most=registry.MOST_THRESHOLD)
    share = registry.percent(affected, at_risk)
    listed = registry.is_listed(affected, at_risk, threshold)
    return {"percent": share, "listed_in_otherEvents": listed}, f"{share} %, > {threshold} %: {listed}"


CASES = {
    "ctgov_threshold": CaseTable(
        inputs={
            "num_affected": column(_("participants with the event"), integer, "2"),
            "num_at_risk": column(_("participants at risk"), integer, "30"),
            "frequency_threshold": column(_("threshold of the record"), decimal, "5", unit="%"),
        },
        expected={
            "percent": column(_("share of those at risk"), decimal, "6.67", unit="%"),
            "listed_in_otherEvents": column(_("the table of other events lists it"), yes_no, "Y"),
        },
        evaluate=_evaluate,
        descriptive=("description", "note"),
        bare=frozenset({"percent", "listed_in_otherEvents"}),
    )
}
