"""How much a straightforward participant takes from the screening to Day 0, over the pages that people use.

A page is counted when it saves something; the sections of a visit are one page together. A field is counted when
what is sent differs from what the page offered.
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from demo import results as demo_results
from dosing.models import CellProduct, Infusion, LymphodepletionDose
from participants import actions
from participants.admin.enter import FROM_LABORATORY
from participants.models import Examination, Participant
from participants.rules.measures import PANELS, Kind
from participants.rules.status import Status
from tests import factories
from tests.conftest import PASSWORD
from tests.forms import SeenForm, forms_of
from trialsite.models import Site, User

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
LABORATORY = "检验科"
MOST_PAGES, MOST_FIELDS = 15, 130
HIDDEN = ("_", "csrfmiddlewaretoken", "limits_from")
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


@dataclass
class Work:
    """Somebody at the pages, with what it took so far."""

    login: Any
    clock: Any
    pages: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    client: Any = None
    at: str = ""

    def come(self, user: User, moment: dt.datetime) -> None:
        """Another day, and perhaps another person."""
        self.clock.move_to(moment, tick=False)
        self.client = self.login(user)

    def send(self, address: str, typed: dict[str, str], *, form: int = 0) -> Any:
        """Fill in a form of a page and save it."""
        page = self.client.get(address)
        assert page.status_code == 200, address
        seen = forms_of(page)[form]
        response = self.client.post(_target(seen, address), {**seen.data, **typed})
        assert response.status_code == 302, _refusals(response)
        self._count(address, seen, typed)
        self.at = response["Location"]
        return response

    def _count(self, address: str, seen: SeenForm, typed: dict[str, str]) -> None:
        path = urlsplit(address).path
        if path not in self.pages:
            self.pages.append(path)
        changed = [name for name, value in typed.items() if seen.data.get(name, "") != value]
        assert not [name for name in typed if name.startswith(HIDDEN)]
        self.fields += [f"{path} {name}" for name in changed]

    def open(self, page: str, code: str) -> str:
        """A section of a visit, with what the page has carried on from the one before."""
        query = urlsplit(self.at).query if urlsplit(self.at).path == page else ""
        kept = [part for part in query.split("&") if part and not part.startswith("open=")]
        return f"{page}?{'&'.join([*kept, f'open={code}'])}&fragment=1"

    def section(self, page: str, code: str, typed: dict[str, str]) -> None:
        self.send(self.open(page, code), typed)

    def report(self, page: str, code: str) -> None:
        """What stands on a report, in the tests that are asked; its laboratory and limits once for the visit."""
        panel = self.panel(page, code)
        typed = typed_results(code, [line.measure.code for line in panel.shown])
        if "rest_is_no" in panel.form.fields:
            typed = {name: value for name, value in typed.items() if value != "no"} | {"rest_is_no": "on"}
        if code in FROM_LABORATORY and not panel.form["laboratory"].value():
            typed["laboratory"] = LABORATORY
        if any(line.marked for line in panel.lines) and not panel.form["limits_compared"].value():
            typed["limits_compared"] = "on"
        self.section(page, code, typed)

    def sections(self, page: str) -> dict[str, Any]:
        return {one["section"].code: one["section"] for one in self.client.get(page).context["sections"]}

    def panel(self, page: str, code: str) -> Any:
        """The report as it is offered: its lines in sight, and the limits that are marked."""
        return self.client.get(self.open(page, code)).context["panel"]

    def missing(self, page: str) -> list[str]:
        return [one.code for one in self.client.get(page).context["missing"]]


def _target(seen: SeenForm, address: str) -> str:
    return seen.attrs.get("action", "").partition("#")[0] or address


def _refusals(response: Any) -> str:
    """What the page says against it, in its words."""
    context = response.context or {}
    form = context.get("adminform") or context.get("form")
    shown = [one for one in context.get("sections", ()) if one.get("is_open")] if "sections" in context else []
    found = [getattr(form, "errors", "")] + [one["form"].errors for one in shown if "form" in one]
    lines = [line.errors for one in shown if "panel" in one for line in one["panel"].lines if line.errors]
    return f"{response.status_code} {found} {lines}" if any(found) or lines else response.content.decode()


def enter(participant: Participant, code: str) -> str:
    return reverse("admin:participants_participant_enter", args=[participant.pk, code])


def own(name: str, participant: Participant) -> str:
    return reverse(f"admin:participants_participant_{name}", args=[participant.pk])


def typed_results(panel: str, tests: Any) -> dict[str, str]:
    """What stands on the report; the limits are those that the laboratory printed for the one before."""
    data = {}
    for measure in PANELS[panel]:
        given = demo_results.ELIGIBLE.get(measure.code)
        if measure.code not in tests or given is None or measure.code in demo_results.WOMEN_ONLY:
            continue
        value = given[0] if isinstance(given, tuple) else given
        data[f"{measure.code}-{'choice' if measure.kind == Kind.CHOICE else 'value'}"] = value
    return data


def reported_before(site: Site, by: User, now: dt.datetime) -> None:
    """The laboratory has reported about another man of his age."""
    other = factories.consented(site=site, by=by, now=now - 30 * DAY)
    for panel in ("CBC", "CHEM", "VIRUS", "MARROW"):
        examination = Examination(participant=other, panel=panel, taken_at=now - 2 * DAY, laboratory=LABORATORY)
        codes = [one.code for one in PANELS[panel] if one.code in demo_results.ELIGIBLE]
        answers = [demo_results.answer(code, demo_results.ELIGIBLE[code]) for code in codes]
        actions.record_examination(examination=examination, answers=answers, by=by, now=now)


def screen(work: Work, site: Site) -> Participant:
    who = {"name": "林大勇", "birth_date": "1996-04-02", "sex": "M", "phone": "13900000000", "hospital_number": "H77"}
    work.send(reverse("admin:participants_participant_add"), who)
    return Participant.objects.latest("pk")


def screening_visit(work: Work, participant: Participant) -> None:
    page = enter(participant, "SCR")
    now = timezone.localtime()
    consent = {"version": "1.0", "consented_at_0": f"{now:%Y-%m-%d}", "consented_at_1": f"{now - HOUR:%H:%M}"}
    work.section(page, "consent", consent)
    asked = work.sections(page)
    order = [code for code in asked if code in PANELS]
    assert "HCG" not in asked, "a man is not asked for a pregnancy test"
    for panel in order:
        work.report(page, panel)
    assert work.missing(page) == []


def enrol(work: Work, participant: Participant) -> None:
    work.send(own("confirm", participant), {"password": PASSWORD})
    work.send(own("enrol", participant), {})


def collection(work: Work, participant: Participant) -> None:
    page = enter(participant, "APH")
    for panel in ("CBC", "PERSON", "VITALS"):
        work.report(page, panel)
    now = timezone.localtime()
    started = {"started_at_1": f"{now - 3 * HOUR:%H:%M}"}
    ended = {"ended_at_0": f"{now:%Y-%m-%d}", "ended_at_1": f"{now:%H:%M}"}
    work.section(page, "leukapheresis", {**started, **ended, "venous_access": "peripheral"})
    work.section(page, "product", {"chain_of_identity": "COI-7", "lot": "LOT-7"})
    step(work, page, "collected")
    step(work, page, "in_manufacture")
    assert work.missing(page) == []


def step(work: Work, page: str, state: str) -> None:
    bag = CellProduct.objects.get(lot="LOT-7")
    work.section(page, f"step-{bag.pk}", {"new": state})


def plan(work: Work, participant: Participant, day0: dt.date) -> None:
    work.send(own("plan", participant), {"on": day0.isoformat()})


def dosed(work: Work, page: str) -> None:
    for code in [code for code in work.sections(page) if code.startswith("dose-")]:
        dose = LymphodepletionDose.objects.get(pk=code.removeprefix("dose-"))
        work.section(page, code, {"given_mg": str(dose.planned_mg)})
    assert work.missing(page) == []


def fitness(work: Work, page: str, **more: str) -> None:
    work.section(
        page,
        "fitness",
        {
            "max_temperature_48h_c": "36.8",
            "has_uncontrolled_infection": "False",
            "spo2_percent": "98",
            "is_on_oxygen": "False",
            "needs_vasopressors": "False",
            "lvef_percent": "62",
            "ecog": "1",
            **more,
        },
    )


def lymphodepletion(work: Work, participant: Participant, by: User, start: dt.datetime) -> None:
    work.come(by, start)
    page = enter(participant, "LD1")
    fitness(work, page)
    for panel in ("CBC", "CHEM", "BODY"):
        work.report(page, panel)
    address = dict(work.sections(page)["lymphodepletion"].links)["Plan lymphodepletion…"]
    work.send(address, {"first_on": f"{timezone.localtime():%Y-%m-%d}"})
    assert work.at == page, "the plan comes back to the visit"
    for number in (1, 2, 3):
        work.come(by, start + (number - 1) * DAY)
        dosed(work, enter(participant, f"LD{number}"))


CERTIFICATE = {
    "certificate": "COA-7",
    "volume_ml": "20",
    "cells_per_ml": "5000000",
    "viability": "0.9",
    "car_positive": "0.5",
}


def day_before(work: Work, participant: Participant) -> None:
    page = enter(participant, "D-1")
    fitness(work, page, tocilizumab_doses="2")
    work.report(page, "ICE")
    assert work.missing(page) == []


def day0(work: Work, participant: Participant, second: User) -> None:
    page = enter(participant, "D0")
    bag = CellProduct.objects.get(lot="LOT-7")
    today = timezone.localdate()
    dates = {"released_on": f"{today - 2 * DAY}", "expires_on": f"{today + 300 * DAY}"}
    work.section(page, f"certificate-{bag.pk}", {**CERTIFICATE, **dates})
    for state in ("released", "received", "thawed"):
        step(work, page, state)
    codes = {"participant_code": participant.number, "product_code": "LOT-7", "password": PASSWORD}
    work.section(page, "bedside_identity", codes)
    work.section(page, "bedside_identity", {**codes, "username": second.username})
    address = dict(work.sections(page)["infusion"].links)["Log an infusion"]
    now = timezone.localtime()
    given = {
        "product_lot": "LOT-7",
        "infused_at_0": f"{now:%Y-%m-%d}",
        "infused_at_1": f"{now:%H:%M}",
        "ended_at_0": f"{now:%Y-%m-%d}",
        "ended_at_1": f"{now:%H:%M}",
        "volume_given_ml": "20",
        "has_reaction": "False",
    }
    work.send(address, given)


def test_a_straightforward_participant_takes_few_pages_and_few_fields(
    site: Site, alice: User, ivan: User, login: Any, time_machine: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    work = Work(login, time_machine)
    start = dt.datetime(2026, 3, 5, 2, 0, tzinfo=dt.UTC)
    time_machine.move_to(start, tick=False)
    reported_before(site, alice, start)
    infusion_at = start + 24 * DAY

    work.come(alice, start)
    participant = screen(work, site)
    screening_visit(work, participant)
    work.come(ivan, start + DAY)
    enrol(work, participant)
    participant.refresh_from_db()
    work.come(alice, start + 3 * DAY)
    collection(work, participant)
    work.come(ivan, start + 15 * DAY)
    plan(work, participant, timezone.localdate(infusion_at))
    lymphodepletion(work, participant, alice, infusion_at - 7 * DAY)
    work.come(alice, infusion_at - 20 * HOUR)
    day_before(work, participant)
    work.come(ivan, infusion_at)
    day0(work, participant, alice)

    participant.refresh_from_db()
    assert participant.status == Status.INFUSED
    assert Infusion.objects.filter(participant=participant).count() == 1
    assert not participant.deviations.exists(), list(participant.deviations.values_list("kind", "description"))
    with capsys.disabled():
        print(f"\nfrom screening to Day 0: {len(work.pages)} pages, {len(work.fields)} typed fields")
    assert len(work.pages) <= MOST_PAGES, "\n".join(work.pages)
    assert len(work.fields) <= MOST_FIELDS, "\n".join(work.fields)
