"""Entering a visit: what this app knows of it."""

import datetime as dt
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from dosing import actions
from dosing.models import Before, CellProduct, DoseState, FitnessCheck, Leukapheresis, LymphodepletionDose, ProductStep
from dosing.rules.product import State
from participants.models import Participant
from trialsite import signing
from trialsite.adminsection import ActionForm, AdminForm, posted
from trialsite.entering import Line, Page, Section
from trialsite.study import get_study

GONE = frozenset({State.INFUSED, State.FAILED, State.DISCARDED})
AT_THE_BED = frozenset({State.THAWED, State.INFUSED})


def days(participant: Participant) -> dict[str, dt.date]:
    """Collection, doses and infusion as they were, or are planned; doses of one day are one visit."""
    asked = get_study().protocol(participant.protocol_version).entered_by
    collected = participant.leukaphereses.standing().order_by("-started_at").first()
    day0 = actions.day0_of(participant) or participant.planned_infusion_on
    known = (
        (asked("leukapheresis"), [timezone.localdate(collected.started_at)] if collected else []),
        (asked("lymphodepletion"), sorted({_day_of(dose) for dose in _doses(participant)})),
        (asked("infusion"), [day0] if day0 else []),
    )
    return {code: day for codes, days in known for code, day in zip(codes, days, strict=False)}


def _doses(participant: Participant) -> list[LymphodepletionDose]:
    """Of the newest course."""
    rows = list(participant.lymphodepletion_doses.standing().order_by("planned_on", "drug", "number"))
    newest = max((dose.course for dose in rows), default=0)
    return [dose for dose in rows if dose.course == newest]


def _day_of(dose: LymphodepletionDose) -> dt.date:
    return dose.planned_on


def _moment(at: dt.datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"


def _of_visit(page: Page, rows: Any, name: str) -> list[Any]:
    """Those of the days of the visit."""
    first, last = page.span
    found = rows.standing().filter(**{f"{name}__date__lte": last})
    return list(found.filter(**{f"{name}__date__gte": first}) if first else found)


# --- Collection and product ---------------------------------------------------------------------------


def _leukapheresis(page: Page) -> list[Section]:
    rows = list(page.participant.leukaphereses.standing())

    def form() -> AdminForm:
        return AdminForm(
            page,
            Leukapheresis(participant=page.participant),
            first=("started_at", "ended_at", "venous_access"),
            more=("processed_ml", "collected_ml", "nucleated_cells_e8", "t_cells_e8", "complications", "note"),
            offered={"started_at": page.offered_day, "ended_at": page.offered_day},
        )

    return [
        Section(
            "leukapheresis",
            _("Leukapheresis"),
            is_done=bool(rows),
            lines=tuple(
                Line(_moment(row.started_at), page.link("dosing_leukapheresis_change", row.pk)) for row in rows
            ),
            form=form if page.may("dosing.add_leukapheresis") and not rows else None,
        )
    ]


def _product(page: Page) -> list[Section]:
    """The order once it is collected; then the certificate, and each step on the way to the bed."""
    rows = list(page.participant.products.standing())
    bags = [row for row in rows if State(row.state) not in GONE]
    lines = tuple(
        Line(f"{row} · {row.get_state_display()}", page.link("dosing_cellproduct_change", row.pk)) for row in rows
    )
    is_early = page.visit.phase == "screening"
    is_done = bool(rows) if is_early else any(State(row.state) in AT_THE_BED for row in rows)
    order = page.may("dosing.add_cellproduct") and not rows
    found = [
        Section(
            "product",
            _("Cell product"),
            is_done=is_done,
            lines=lines,
            form=(lambda: _order_form(page)) if order else None,
        )
    ]
    for bag in bags:
        if not bag.certificate and page.may("dosing.change_cellproduct"):
            found.append(_certificate(page, bag))
        if page.may("dosing.move_cellproduct"):
            found.append(_step(page, bag))
    return found


def _order_form(page: Page) -> AdminForm:
    collections = list(page.participant.leukaphereses.standing())
    only = {"leukapheresis": collections[0].pk} if len(collections) == 1 else {}
    return AdminForm(
        page,
        CellProduct(participant=page.participant),
        first=("chain_of_identity", "lot", "ordered_at"),
        more=("leukapheresis", "note"),
        offered={"ordered_at": page.offered_at, **only},
    )


CERTIFICATE = ("certificate", "released_on", "expires_on", "volume_ml", "cells_per_ml", "viability", "car_positive")


def _certificate(page: Page, bag: CellProduct) -> Section:
    return Section(
        f"certificate-{bag.pk}",
        _("Release certificate of %(product)s") % {"product": bag},
        is_optional=True,
        hint=_("Needed before the product is released."),
        form=lambda: AdminForm(
            page, bag, first=CERTIFICATE, more=("is_out_of_specification", "vector_copies", "storage", "note")
        ),
    )


def _step(page: Page, bag: CellProduct) -> Section:
    from dosing.admin.product import step_form

    def form() -> ActionForm:
        asked = step_form(bag)(posted(page.request), initial={"at": page.offered_at})
        return ActionForm(
            page,
            asked,
            act=lambda data: actions.move_product(
                product=bag, by=page.user, now=timezone.now(), **{**data, "new": State(data["new"])}
            ),
            row_of=lambda data: ProductStep(product=bag, state=data["new"], at=data["at"]),
            opened=[bag],
            more=("lowest_c", "highest_c", "reason"),
        )

    return Section(
        f"step-{bag.pk}",
        _("Next step of %(product)s") % {"product": bag},
        is_optional=True,
        lines=tuple(
            Line(f"{step.get_state_display()} · {_moment(step.at)}") for step in bag.steps.standing().order_by("id")
        ),
        form=form,
    )


# --- Before treatment, and the treatment ----------------------------------------------------------------


def _fitness(page: Page) -> list[Section]:
    before = Before.LYMPHODEPLETION if page.code in page.protocol.entered_by("lymphodepletion") else Before.INFUSION
    rows = _of_visit(page, page.participant.fitness_checks.filter(before=before), "checked_at")
    at_hand = ("tocilizumab_doses",) if before == Before.INFUSION else ()

    def form() -> AdminForm:
        return AdminForm(
            page,
            FitnessCheck(participant=page.participant, before=before),
            first=(
                "checked_at",
                "max_temperature_48h_c",
                "has_uncontrolled_infection",
                "spo2_percent",
                "is_on_oxygen",
                "needs_vasopressors",
                "lvef_percent",
                "ecog",
                *at_hand,
            ),
            more=("note",),
            offered={"checked_at": page.offered_at},
        )

    return [
        Section(
            "fitness",
            _("Fitness for treatment"),
            is_done=bool(rows),
            lines=tuple(Line(_moment(row.checked_at), page.link("dosing_fitnesscheck_change", row.pk)) for row in rows),
            form=form if page.may("dosing.add_fitnesscheck") else None,
        )
    ]


def _lymphodepletion(page: Page) -> list[Section]:
    """Each dose of the day by itself; where none is planned, the page that plans them."""
    first = page.window[0] if page.window else None
    first_on = {"first_on": f"{first:%Y-%m-%d}"} if first else {}
    plan = page.link("dosing_lymphodepletiondose_plan", number=page.participant.number, **first_on)
    day = page.days.get(page.code)
    doses = [dose for dose in _doses(page.participant) if _day_of(dose) == day]
    if not doses:
        links = page.allowed((_("Plan lymphodepletion…"), plan, "dosing.plan_lymphodepletion"))
        return [Section("lymphodepletion", _("Lymphodepletion"), links=links)]
    return [_dose(page, dose) for dose in doses]


def _dose(page: Page, dose: LymphodepletionDose) -> Section:
    is_settled = dose.state != DoseState.PLANNED
    given = f" · {_moment(dose.given_at)} · {dose.given_mg} mg" if dose.given_at else ""
    line = Line(f"{dose.get_state_display()}{given}", page.link("dosing_lymphodepletiondose_change", dose.pk))

    def form() -> AdminForm:
        return AdminForm(
            page,
            dose,
            first=("given_at", "given_mg"),
            more=("state", "change_reason", "deviation_reason"),
            offered={"given_at": page.offered_at},
        )

    return Section(
        f"dose-{dose.pk}",
        _("%(drug)s: %(mg)s mg planned") % {"drug": dose.drug_name, "mg": dose.planned_mg},
        is_done=is_settled,
        lines=(line,) if is_settled else (),
        form=form if page.may("dosing.change_lymphodepletiondose") and not is_settled else None,
    )


def _identity(page: Page) -> list[Section]:
    """Each of the people who check signs by themselves, with their own password."""
    from dosing.admin.bedside import IdentityForm

    participant = page.participant
    product = actions.product_to_give(participant)
    rows = actions.identity_checks(participant, product, at=page.now) if product is not None else []
    signed = {row.created_by: row for row in signing.counting(rows)}
    needed = actions.limits_of(participant).identity_checkers

    def form() -> ActionForm:
        asked = IdentityForm(
            posted(page.request),
            request=page.request,
            participant=participant,
            initial={"username": page.user.get_username() if page.user not in signed else ""},
        )
        return ActionForm(
            page,
            asked,
            act=lambda data: actions.sign_identity(
                participant=participant,
                participant_code=data["participant_code"],
                product_code=data["product_code"],
                by=data["signer"],
                entered_by=page.user,
                now=timezone.now(),
            ),
            opened=[product] if product else [],
            keeps_refusals=True,
        )

    return [
        Section(
            "bedside_identity",
            _("Identity check: %(count)s of %(needed)s people") % {"count": len(signed), "needed": needed},
            is_done=len(signed) >= needed or _is_infused(page),
            lines=tuple(Line(f"{who} · {_moment(row.created_at)}") for who, row in signed.items()),
            form=form if page.may("dosing.sign_identitycheck") and not _is_infused(page) else None,
        )
    ]


def _infusions(page: Page) -> list[Any]:
    found: list[Any] = page.once("infusions", lambda: list(page.participant.infusions.standing()))
    return found


def _is_infused(page: Page) -> bool:
    return bool(_infusions(page))


def _infusion(page: Page) -> list[Section]:
    rows = _infusions(page)
    readiness = page.link("dosing_readiness", page.participant.pk)
    return [
        Section(
            "infusion",
            _("Infusion"),
            is_done=bool(rows),
            lines=tuple(
                Line(f"{row.product_lot} · {_moment(row.infused_at)}", page.link("dosing_infusion_change", row.pk))
                for row in rows
            ),
            links=page.allowed(
                (_("May we infuse?"), readiness, "dosing.view_infusion"),
                (_("Log an infusion"), page.add("dosing_infusion"), "dosing.add_infusion"),
            )
            if not rows
            else (),
        )
    ]


def _infusion_vitals(page: Page) -> list[Section]:
    from dosing.admin.bedside import readings_taken

    rows = _infusions(page)
    taken, due = readings_taken(rows[0]) if rows else (0, 0)
    address = page.add("participants_examination", panel="VITALS")
    return [
        Section(
            "infusion_vitals",
            _("Vital signs around the infusion"),
            is_done=bool(rows) and taken >= due,
            may_be_missed=True,
            lines=(Line(_("%(taken)s of %(due)s taken") % {"taken": taken, "due": due}),) if rows else (),
            links=page.allowed((_("Enter vital signs"), address, "participants.add_examination")),
        )
    ]


def _medication(page: Page) -> list[Section]:
    rows = _of_visit(page, page.participant.medications, "started_at")
    return [
        Section(
            "medication",
            _("Medication"),
            is_optional=True,
            lines=tuple(
                Line(f"{row.name} · {_moment(row.started_at)}", page.link("dosing_medication_change", row.pk))
                for row in rows
            ),
            links=page.allowed((_("Record medication"), page.add("dosing_medication"), "dosing.add_medication")),
        )
    ]


FORMS = {
    "leukapheresis": _leukapheresis,
    "product": _product,
    "fitness": _fitness,
    "lymphodepletion": _lymphodepletion,
    "bedside_identity": _identity,
    "infusion": _infusion,
    "infusion_vitals": _infusion_vitals,
    "medication": _medication,
}
