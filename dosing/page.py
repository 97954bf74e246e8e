"""The page of a participant: treatment and medication, what they ask for now, and the way to the infusion."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dosing import actions, timeline
from dosing.models import Before, DoseState, Infusion, LymphodepletionDose, Medication
from dosing.rules.nextstep import HERE, Prepared, Step, next_step
from dosing.rules.product import State
from dosing.wording import findings_text
from participants import page as people
from participants.actions import site_day
from participants.rules.status import Status
from trialsite import wayback
from trialsite.subjectpage import Asked, Next, Owed, Section, Verb

BEFORE = (Status.ENROLLED, Status.LYMPHODEPLETED)
# So many drugs are named in the summary, and so many rows of medication shown.
NAMED, SHOWN = 3, 100


# --- What several parts ask ---------------------------------------------------------------------------


def infusions(asked: Asked) -> list[Infusion]:
    """All that stand, the first one first."""
    if people.is_before_infusion(asked):
        return []
    find = asked.participant.infusions.standing().order_by("infused_at")
    found: list[Infusion] = asked.once("infusions", lambda: list(find))
    return found


def _doses(asked: Asked) -> list[LymphodepletionDose]:
    """Of the way to this infusion, in the order of their days."""
    find = asked.participant.lymphodepletion_doses.standing().order_by("planned_on", "drug", "number")
    found: list[LymphodepletionDose] = asked.once("doses", lambda: list(find))
    return found


def _medications(asked: Asked) -> list[Medication]:
    """The newest first."""
    found: list[Medication] = asked.once("medications", lambda: list(asked.participant.medications.standing()))
    return found


def is_awaited(asked: Asked) -> bool:
    """Whether an infusion is what all wait for."""
    return Status(asked.participant.status) in BEFORE


def _link(name: str, row: Any, section: str, asked: Asked) -> str:
    """The page of a row, which leads back to this section."""
    return wayback.link(name, row.pk, back=wayback.page(asked.participant, section))


def _add(name: str, asked: Asked, section: str = "treatment", **query: Any) -> str:
    back = wayback.page(asked.participant, section)
    return wayback.link(name, participant=asked.participant.pk, back=back, **query)


def _readiness(asked: Asked) -> str:
    return wayback.link("dosing_readiness", asked.participant.pk, back=wayback.page(asked.participant, "treatment"))


def _moment(at: dt.datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"


# --- What is owed ------------------------------------------------------------------------------------


def owed(asked: Asked) -> list[Owed]:
    """Nothing of those who are no longer treated, nor for those who may not read treatment."""
    if not asked.may("dosing.view_infusion") or not people.is_coming(asked.participant):
        return []
    return [*_owed_holds(asked), *_owed_infusion(asked), *_owed_doses(asked)]


def _owed_holds(asked: Asked) -> list[Owed]:
    """As they stand; whether a lift was signed is looked at where the infusion is decided, on the readiness page."""
    return [
        Owed(
            text=_("On hold: %(reason)s") % {"reason": hold.reason[:80]},
            link=_link("dosing_dosinghold_lift", hold, "treatment", asked),
            permission="dosing.lift_dosinghold",
            late=_("nothing may be given"),
        )
        for hold in asked.participant.holds.standing().filter(lifted_at__isnull=True)
    ]


def _owed_infusion(asked: Asked) -> list[Owed]:
    planned = asked.participant.planned_infusion_on
    if not is_awaited(asked) or planned is None or planned >= site_day(asked.now):
        return []
    return [
        Owed(
            text=_("Infusion planned for %(day)s") % {"day": f"{planned:%Y-%m-%d}"},
            link=_plan(asked),
            permission="participants.change_participant",
            late=_("the planned day is past: plan anew"),
            due=planned,
        )
    ]


def _plan(asked: Asked) -> str:
    back = wayback.page(asked.participant, "treatment")
    return wayback.link("participants_participant_plan", asked.participant.pk, back=back)


def _due(asked: Asked) -> list[LymphodepletionDose]:
    today = site_day(asked.now)
    return [dose for dose in _doses(asked) if dose.state == DoseState.PLANNED and dose.planned_on <= today]


def _owed_doses(asked: Asked) -> list[Owed]:
    if not is_awaited(asked):
        return []
    today = site_day(asked.now)
    return [
        Owed(
            text=_("Lymphodepletion: %(dose)s") % {"dose": _dose_text(dose, asked)},
            link=_link("dosing_lymphodepletiondose_change", dose, "treatment", asked),
            permission="dosing.change_lymphodepletiondose",
            late=_("late") if dose.planned_on < today else "",
            due=dose.planned_on,
        )
        for dose in _due(asked)
    ]


def _dose_text(dose: LymphodepletionDose, asked: Asked) -> str:
    dose.participant = asked.participant
    return f"{dose.drug_name} {dose.planned_mg.normalize():f} mg, {dose.planned_on:%Y-%m-%d}"


# --- What comes next ---------------------------------------------------------------------------------


def following(asked: Asked) -> Next | None:
    """From the enrolment to the infusion."""
    if asked.participant.is_void or not is_awaited(asked) or not asked.may("dosing.view_infusion"):
        return None
    return NEXT[next_step(_prepared(asked))](asked)


def _product(asked: Asked) -> Any:
    return asked.once("product to give", lambda: actions.product_to_give(asked.participant))


def _prepared(asked: Asked) -> Prepared:
    product, doses = _product(asked), _doses(asked)
    is_here = product is not None and State(product.state) in HERE
    return Prepared(
        is_collected=product is not None or asked.participant.leukaphereses.standing().exists(),
        product=State(product.state) if product else None,
        is_infusion_planned=asked.participant.planned_infusion_on is not None,
        has_doses=bool(doses),
        is_dose_due=bool(_due(asked)),
        is_dose_open=any(dose.state == DoseState.PLANNED for dose in doses),
        # Asked last of all, and not before.
        is_fit_checked=is_here and _is_fit_checked(asked),
    )


def _is_fit_checked(asked: Asked) -> bool:
    newest = actions.newest_fitness(asked.participant, Before.INFUSION, at=asked.now)
    return newest is not None and asked.now - newest.checked_at <= _limits(asked).fitness_valid_for


def _limits(asked: Asked) -> Any:
    return actions.limits_of(asked.participant)


def _next_dose(asked: Asked) -> Next:
    dose = _due(asked)[0]
    text = _("Lymphodepletion is due: %(dose)s. Record what was given.") % {"dose": _dose_text(dose, asked)}
    link = _link("dosing_lymphodepletiondose_change", dose, "treatment", asked)
    return Next(text, link, "dosing.change_lymphodepletiondose")


def _next_collection(asked: Asked) -> Next:
    text = _("Enrolled: record the leukapheresis.")
    return Next(text, _add("dosing_leukapheresis_add", asked), "dosing.add_leukapheresis")


def _next_order(asked: Asked) -> Next:
    text = _("Cells are collected: record the product.")
    return Next(text, _add("dosing_cellproduct_add", asked), "dosing.add_cellproduct")


def _next_move(asked: Asked) -> Next:
    product = _product(asked)
    values = {"code": product.code, "state": product.get_state_display()}
    text = _("Product %(code)s is %(state)s: record its next step.") % values
    return Next(text, _link("dosing_cellproduct_step", product, "treatment", asked), "dosing.move_cellproduct")


def _next_plan(asked: Asked) -> Next:
    text = _("The product is released: plan the infusion.")
    return Next(text, _plan(asked), "participants.change_participant")


def _next_lymphodepletion(asked: Asked) -> Next:
    back = wayback.page(asked.participant, "treatment")
    link = wayback.link("dosing_lymphodepletiondose_plan", number=asked.participant.number, back=back)
    text = _("The infusion is planned for %(day)s: plan the lymphodepletion.") % {
        "day": f"{asked.participant.planned_infusion_on:%Y-%m-%d}"
    }
    return Next(text, link, "dosing.plan_lymphodepletion")


def _next_open_dose(asked: Asked) -> Next:
    dose = next(one for one in _doses(asked) if one.state == DoseState.PLANNED)
    text = _("Next dose of lymphodepletion: %(dose)s.") % {"dose": _dose_text(dose, asked)}
    link = _link("dosing_lymphodepletiondose_change", dose, "treatment", asked)
    return Next(text, link, "dosing.change_lymphodepletiondose")


def _next_fitness(asked: Asked) -> Next:
    values = {
        "hours": int(_limits(asked).fitness_valid_for.total_seconds() // 3600),
        "day": f"{asked.participant.planned_infusion_on:%Y-%m-%d}",
    }
    text = _("Infusion on %(day)s: check fitness in the %(hours)s hours before it.") % values
    link = _add("dosing_fitnesscheck_add", asked, before=Before.INFUSION.value)
    return Next(text, link, "dosing.add_fitnesscheck")


def _next_readiness(asked: Asked) -> Next:
    return Next(
        _("Product, lymphodepletion and fitness are on record: may we infuse?"),
        _readiness(asked),
        "dosing.add_infusion",
    )


NEXT: dict[Step, Callable[[Asked], Next]] = {
    Step.GIVE_DOSE: _next_dose,
    Step.COLLECT_CELLS: _next_collection,
    Step.ORDER_PRODUCT: _next_order,
    Step.MOVE_PRODUCT: _next_move,
    Step.PLAN_INFUSION: _next_plan,
    Step.PLAN_LYMPHODEPLETION: _next_lymphodepletion,
    Step.WAIT_FOR_DOSE: _next_open_dose,
    Step.RECEIVE_PRODUCT: _next_move,
    Step.CHECK_FITNESS: _next_fitness,
    Step.ASK_READINESS: _next_readiness,
}


# --- Treatment ---------------------------------------------------------------------------------------


def _treatment_summary(asked: Asked) -> str:
    if rows := infusions(asked):
        return _(", ").join(_infusion_text(row) for row in rows)
    planned = asked.participant.planned_infusion_on
    return _("infusion planned for %(day)s") % {"day": f"{planned:%Y-%m-%d}"} if planned else _("not infused")


def _infusion_text(row: Infusion) -> str:
    dose = f"{row.viable_car_t_cells_e8.normalize():f}"
    words = _("infused %(day)s, %(dose)s × 10⁸") % {"day": f"{row.day:%Y-%m-%d}", "dose": dose}
    return f"{words} ({row.get_dose_band_display()})" if row.is_out_of_range else words


@dataclass(frozen=True)
class Fact:
    """A step of the treatment that is on record: when, what, how it stands, and its page."""

    at: str
    what: Any
    state: Any
    link: str


def _treatment_body(asked: Asked) -> dict[str, Any]:
    shown = timeline.context_of(asked.participant, now=asked.now)
    return {"picture": shown["picture"], "day0": shown["day0"], "entries": shown["entries"], "facts": _facts(asked)}


def _facts(asked: Asked) -> list[Fact]:
    """In the order of the work: cells, bag, lymphodepletion, fitness, infusion."""
    return [*_cells(asked), *_bags(asked), *_given(asked), *_checks(asked), *_infused(asked)]


def _cells(asked: Asked) -> Iterator[Fact]:
    for row in asked.participant.leukaphereses.standing().order_by("started_at"):
        link = _link("dosing_leukapheresis_change", row, "treatment", asked)
        yield Fact(_moment(row.started_at), capfirst(row._meta.verbose_name), "", link)


def _bags(asked: Asked) -> Iterator[Fact]:
    for row in asked.participant.products.standing().order_by("pk"):
        expires = _("expires on %(day)s") % {"day": f"{row.expires_on:%Y-%m-%d}"} if row.expires_on else ""
        state = _(", ").join(one for one in (str(row.get_state_display()), expires) if one)
        yield Fact(
            row.code,
            capfirst(row._meta.verbose_name),
            state,
            _link("dosing_cellproduct_change", row, "treatment", asked),
        )


def _given(asked: Asked) -> Iterator[Fact]:
    for row in _doses(asked):
        row.participant = asked.participant
        mg = row.planned_mg if row.given_mg is None else row.given_mg
        at = _moment(row.given_at) if row.given_at else f"{row.planned_on:%Y-%m-%d}"
        link = _link("dosing_lymphodepletiondose_change", row, "treatment", asked)
        yield Fact(at, f"{row.drug_name} {mg.normalize():f} mg", row.get_state_display(), link)


def _checks(asked: Asked) -> Iterator[Fact]:
    """The newest is the one that counts; those before it are in the list."""
    row = asked.participant.fitness_checks.standing().order_by("-checked_at", "-id").first()
    if row is not None:
        row.participant = asked.participant
        against = findings_text(actions.findings_of(row)) or _("nothing speaks against it")
        link = _link("dosing_fitnesscheck_change", row, "treatment", asked)
        yield Fact(_moment(row.checked_at), capfirst(row._meta.verbose_name), against, link)


def _infused(asked: Asked) -> Iterator[Fact]:
    for row in infusions(asked):
        link = _link("dosing_infusion_change", row, "treatment", asked)
        yield Fact(_moment(row.infused_at), capfirst(row.get_occasion_display()), _infusion_text(row), link)


def _treatment_more(asked: Asked) -> list[tuple[Any, str]]:
    """What fits the state: before the infusion whether it may be, and the infusion; then the timeline."""
    found: list[tuple[Any, str]] = []
    if is_awaited(asked) and not asked.participant.is_void:
        found.append((_("May we infuse?"), _readiness(asked)))
        if asked.may("dosing.add_infusion"):
            found.append((_("Log the infusion"), _add("dosing_infusion_add", asked)))
    return [*found, (_("Treatment timeline"), reverse("admin:dosing_timeline", args=[asked.participant.pk]))]


# --- Medication --------------------------------------------------------------------------------------


def _is_current(row: Medication, now: dt.datetime) -> bool:
    return row.is_ongoing or (row.ended_at is not None and row.ended_at > now)


def _parted(asked: Asked) -> tuple[list[Medication], list[Medication]]:
    """What is given now, and what was."""
    rows = _medications(asked)
    current = [row for row in rows if _is_current(row, asked.now)]
    return current, [row for row in rows if not _is_current(row, asked.now)]


def _medication_summary(asked: Asked) -> str:
    current, ended = _parted(asked)
    if not current and not ended:
        return _("none recorded")
    names = list(dict.fromkeys(row.name.strip() for row in current))
    now = _(", ").join(names[:NAMED]) + (f" +{len(names) - NAMED}" if len(names) > NAMED else "")
    before = ngettext("%(n)s ended", "%(n)s ended", len(ended)) % {"n": len(ended)}
    said = [_("now: %(names)s") % {"names": now}] if names else [_("nothing now")]
    return " · ".join([*said, before] if ended else said)


def _medication_body(asked: Asked) -> dict[str, Any]:
    current, ended = _parted(asked)
    more = max(len(current) + len(ended) - SHOWN, 0)
    return {
        "current": _shown(current[:SHOWN], asked),
        "ended": _shown(ended[: max(SHOWN - len(current), 0)], asked),
        "current_count": len(current),
        "ended_count": len(ended),
        "more": more,
        "all": f"{reverse('admin:dosing_medication_changelist')}?q={asked.participant.number}",
    }


def _shown(rows: Iterable[Medication], asked: Asked) -> list[dict[str, Any]]:
    return [
        {
            "link": _link("dosing_medication_change", row, "medication", asked),
            "name": row.name,
            "dose": _(", ").join(one for one in (row.dose_text, str(row.get_route_display())) if one),
            "span": _span(row),
            "why": row.indication,
            "is_premedication": row.is_premedication,
            "warning": row.get_warning_display() if row.warning else "",
        }
        for row in rows
    ]


def _span(row: Medication) -> str:
    if row.is_ongoing:
        return _("since %(moment)s") % {"moment": _moment(row.started_at)}
    return _moment(row.started_at) + (f" – {_moment(row.ended_at)}" if row.ended_at else "")


SECTIONS = (
    Section(
        code="treatment",
        title=gettext_lazy("Treatment"),
        permission="dosing.view_infusion",
        template="admin/dosing/page/treatment.html",
        summary=_treatment_summary,
        body=_treatment_body,
        more=_treatment_more,
    ),
    Section(
        code="medication",
        title=gettext_lazy("Medication"),
        permission="dosing.view_medication",
        template="admin/dosing/page/medication.html",
        summary=_medication_summary,
        body=_medication_body,
        verbs=(Verb(gettext_lazy("Record a medication"), "dosing_medication_add", "dosing.add_medication"),),
    ),
)
