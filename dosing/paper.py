"""Taking over paper records: the steps that this app knows."""

import datetime as dt
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dosing.models import DoseState
from participants.models import Participant
from trialsite import signing
from trialsite.paper import Entry, Step, add, allowed, link


def steps(participant: Participant, *, user: Any, as_of: dt.date | None, now: dt.datetime) -> list[Step]:
    return [
        _leukapheresis(participant, user),
        _product(participant, user),
        _lymphodepletion(participant, user),
        _fitness(participant, user),
        _identity(participant),
        _infusion(participant, user),
        _medication(participant, user),
    ]


def _moment(at: dt.datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"


def _leukapheresis(participant: Participant, user: Any) -> Step:
    rows = participant.leukaphereses.standing()
    entries = tuple(
        Entry(_moment(row.started_at), link("dosing_leukapheresis_change", participant, row.pk)) for row in rows
    )
    links = [(_("Record the collection"), add("dosing_leukapheresis", participant), "dosing.add_leukapheresis")]
    return Step("leukapheresis", _("Leukapheresis"), entries, allowed(user, links), is_done=bool(entries))


def _product(participant: Participant, user: Any) -> Step:
    """The order is entered with its own moment; each further step of the bag on its page."""
    rows = list(participant.products.standing())
    entries = tuple(
        Entry(f"{row} · {row.get_state_display()}", link("dosing_cellproduct_change", participant, row.pk))
        for row in rows
    )
    wanted = [
        (
            gettext("Next step of %(product)s…") % {"product": row},
            link("dosing_cellproduct_step", participant, row.pk),
            "dosing.move_cellproduct",
        )
        for row in rows
        if row.state not in {"infused", "failed", "discarded"}
    ]
    wanted.append((str(_("Record a product")), add("dosing_cellproduct", participant), "dosing.add_cellproduct"))
    return Step(
        "product",
        _("Cell product"),
        entries,
        allowed(user, wanted),
        hint=_("From the order to the thawed bag, each step with the moment at which it happened."),
        is_done=any(row.state in {"thawed", "infused"} for row in rows),
    )


def _lymphodepletion(participant: Participant, user: Any) -> Step:
    rows = list(participant.lymphodepletion_doses.standing())
    may = user.has_perm("dosing.change_lymphodepletiondose")
    entries = tuple(
        Entry(
            f"{row.drug_name} {row.number} · {row.planned_on:%Y-%m-%d} · {row.get_state_display()}",
            link("dosing_lymphodepletiondose_change", participant, row.pk) if may else "",
        )
        for row in rows
    )
    address = link("dosing_lymphodepletiondose_plan", participant, number=participant.number)
    return Step(
        "lymphodepletion",
        _("Lymphodepletion"),
        entries,
        allowed(user, [(_("Plan lymphodepletion…"), address, "dosing.plan_lymphodepletion")]),
        hint=_("Plan it from its first day, then record what became of each dose."),
        is_done=bool(rows) and not any(row.state == DoseState.PLANNED for row in rows),
    )


def _fitness(participant: Participant, user: Any) -> Step:
    rows = participant.fitness_checks.standing().order_by("checked_at")
    entries = tuple(Entry(f"{row.get_before_display()} · {_moment(row.checked_at)}") for row in rows)
    links = [(_("Record a fitness check"), add("dosing_fitnesscheck", participant), "dosing.add_fitnesscheck")]
    return Step("fitness", _("Fitness before treatment"), entries, allowed(user, links), is_optional=True)


def _identity(participant: Participant) -> Step:
    rows = list(participant.identity_checks.standing().select_related("created_by"))
    signed = signing.counting(rows)
    broken = _("signature broken")
    return Step(
        "identity",
        _("Identity checked at the bedside"),
        tuple(
            Entry(f"{row.created_by} · {_moment(row.created_at)}{'' if row in signed else f' · ✗ {broken}'}")
            for row in rows
        ),
        hint=_(
            "Nobody signs today for what was checked then. The signatures stay on paper: give “taken over from paper” "
            "as the reason when the infusion asks, and it is kept as a deviation."
        ),
        is_optional=True,
    )


def _infusion(participant: Participant, user: Any) -> Step:
    rows = participant.infusions.standing()
    entries = tuple(
        Entry(f"{row.product_lot} · {_moment(row.infused_at)}", link("dosing_infusion_change", participant, row.pk))
        for row in rows
    )
    links = [(_("Log an infusion"), add("dosing_infusion", participant), "dosing.add_infusion")]
    return Step("infusion", _("Infusion"), entries, allowed(user, links), is_done=bool(entries))


def _medication(participant: Participant, user: Any) -> Step:
    rows = participant.medications.standing().order_by("started_at")
    entries = tuple(
        Entry(f"{row.name} · {_moment(row.started_at)}", link("dosing_medication_change", participant, row.pk))
        for row in rows
    )
    links = [(_("Record medication"), add("dosing_medication", participant), "dosing.add_medication")]
    return Step("medication", _("Medication"), entries, allowed(user, links), is_optional=True)
