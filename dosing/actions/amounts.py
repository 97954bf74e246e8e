"""Amounts far beyond the usual: refused where they cannot be, else a deviation of which people are told at once."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.utils.functional import lazy
from django.utils.translation import gettext as _

from dosing.models import LymphodepletionDose, Medication
from dosing.rules import regimen
from dosing.rules.amounts import IMPOSSIBLE_FROM, Amount, Judged, judge, judge_lymphodepletion
from participants import actions as participants
from participants.models import DeviationKind
from trialsite import notifications
from trialsite.models import Site, User, people_in
from trialsite.refusal import Refused
from trialsite.roles import Role
from trialsite.study import Drug, get_study

TENTH = Decimal("0.1")


def people_to_tell(site: Site) -> list[User]:
    """The principal investigator; where there is none to be reached, the investigators."""
    return list(people_in(Role.PRINCIPAL_INVESTIGATOR, site)) or list(people_in(Role.INVESTIGATOR, site))


def number(value: Decimal) -> str:
    return f"{value.normalize():f}"


# --- Medication --------------------------------------------------------------------------------------


def judged_medication(medication: Medication) -> Judged | None:
    if medication.dose is None:
        return None
    return judge(medication.kind, medication.dose, medication.dose_unit)


def check_amount(medication: Medication) -> None:
    """Raises Refused for an amount that cannot be."""
    found = judged_medication(medication)
    if found is not None and found.amount is Amount.IMPOSSIBLE:
        raise Refused(
            _("%(name)s: %(given)s %(unit)s cannot be (possible: 0 to below %(limit)s %(unit)s). Check the unit.")
            % {**_values(medication), "limit": number(found.impossible)}
        )


def unusual_medication(medication: Medication) -> str:
    """In words, that this is far more than usual; empty where it is not."""
    found = judged_medication(medication)
    if found is None or found.amount is not Amount.UNUSUAL:
        return ""
    return _("%(name)s: %(given)s %(unit)s is more than usual (up to %(limit)s %(unit)s).") % {
        **_values(medication),
        "limit": number(found.usual),
    }


def _values(medication: Medication) -> dict[str, Any]:
    """By its kind: what was typed as its name may say more than an e-mail should."""
    assert medication.dose is not None
    return {
        "name": medication.get_kind_display(),
        "given": number(medication.dose),
        "unit": medication.dose_unit,
    }


# --- Lymphodepletion ---------------------------------------------------------------------------------


def _drug(dose: LymphodepletionDose) -> Drug | None:
    drugs = get_study().protocol(dose.participant.protocol_version).lymphodepletion.drugs
    return next((drug for drug in drugs if drug.code == dose.drug), None)


def judged_dose(dose: LymphodepletionDose) -> Amount:
    drug = _drug(dose)
    if drug is None or dose.given_mg is None:
        return Amount.USUAL
    # The planned mg are rounded to a tenth: so is the way back.
    mg_m2 = (dose.given_mg / dose.bsa_m2).quantize(TENTH)
    return judge_lymphodepletion(mg_m2, lowest=drug.accepted_low_mg_m2, highest=drug.accepted_high_mg_m2)


def check_lymphodepletion_amount(dose: LymphodepletionDose) -> None:
    """Raises Refused for an amount that cannot be."""
    drug = _drug(dose)
    if drug is not None and dose.given_mg is not None and judged_dose(dose) is Amount.IMPOSSIBLE:
        limit = drug.accepted_high_mg_m2 * IMPOSSIBLE_FROM
        raise Refused(
            _("%(drug)s: %(given)s mg cannot be (possible: 0 to below %(limit)s mg). Check the unit and the point.")
            % {
                "drug": dose.drug_name,
                "given": number(dose.given_mg),
                "limit": number((limit * dose.bsa_m2).quantize(TENTH)),
            }
        )


def is_unusual_dose(dose: LymphodepletionDose) -> bool:
    """Outside the accepted range, and not what was planned: a dose lowered in the plan has its reason there."""
    if dose.given_mg is None or not regimen.needs_reason(dose.planned_mg, dose.given_mg):
        return False
    return judged_dose(dose) is Amount.UNUSUAL


# --- Verbs -------------------------------------------------------------------------------------------


def report_amount(
    row: Medication | LymphodepletionDose,
    *,
    about: str,
    describe: Callable[[], str],
    given: Decimal,
    reason: str,
    by: User,
    now: dt.datetime,
) -> None:
    """A protocol deviation at once, and a message to the principal investigator, in their own language."""
    participants.report_deviation(
        participant=row.participant,
        kind=DeviationKind.DOSE,
        about=f"{about}:{row.pk}",
        description=describe(),
        reason=reason,
        by=by,
        now=now,
    )
    for person in people_to_tell(row.participant.site):
        notifications.queue(
            key=f"{about}:{row.pk}:amount:{number(given)}",
            about=f"{about}:{row.pk}",
            site=row.participant.site,
            recipient=person,
            template="dosing/email/amount_unusual",
            context={"row": row, "participant": row.participant, "what": lazy(describe, str)()},
            now=now,
        )
