"""Small studies that are hard to represent, and their datasets."""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.utils import timezone

from demo.build import build as build_demo
from dosing.actions import correct_infusion
from participants import actions
from participants.models import SurvivalContact
from participants.rules.status import Status
from safety.models import AdverseEvent, MeddraTerm
from sponsor.datasets.build import build
from sponsor.datasets.model import Package
from sponsor.datasets.scope import Scope
from tests import factories
from trialsite.models import Site, User

DAY = dt.timedelta(days=1)


def code(event: AdverseEvent) -> None:
    """Coded by a release of MedDRA that nobody has: CTCAE's terms stand in for its own."""
    llt, name, soc = event.ctcae_code, event.ctcae_term, event.ctcae_soc
    MeddraTerm.objects.get_or_create(
        version="0.0",
        llt_code=llt,
        defaults={
            "llt": name,
            "is_current": True,
            "pt_code": llt,
            "pt": name,
            "hlt_code": _made_up(f"HLT {soc}"),
            "hlt": f"Some of {soc}",
            "hlgt_code": _made_up(f"HLGT {soc}"),
            "hlgt": f"Many of {soc}",
            "soc_code": _made_up(soc),
            "soc": soc,
        },
    )
    AdverseEvent.objects.filter(pk=event.pk).update(
        meddra_version="0.0",
        meddra_llt_code=llt,
        meddra_llt=name,
        meddra_pt_code=llt,
        meddra_pt=name,
        meddra_soc=soc,
    )


def _made_up(name: str) -> str:
    return f"100{sum(name.encode()) % 100_000:05d}"


def _one_screen_failure(site: Site, by: User, now: dt.datetime) -> None:
    one = factories.eligible(site=site, by=by, now=now - 9 * DAY, results={"BM_BLASTS": "7.5"})
    actions.fail_screening(participant=one, reason="x", on=_day(now - 5 * DAY), by=by, now=now)


def _nobody_infused(site: Site, by: User, now: dt.datetime) -> None:
    factories.enrolled(site=site, by=by, now=now - 9 * DAY)
    factories.consented(site=site, by=by, now=now - 2 * DAY, name="李四")


def _death_before_day_0(site: Site, by: User, now: dt.datetime) -> None:
    one = factories.enrolled(site=site, by=by, now=now - 30 * DAY)
    factories.lymphodepleted(one, until=now - 2 * DAY)
    event = factories.adverse_event(
        one,
        by=by,
        now=now - 2 * DAY,
        term="脓毒症",
        ctcae_code="10040047",
        grade=5,
        results_in_death=True,
        results_in_death_on=_day(now - DAY).isoformat(),
        onset=_day(now - 3 * DAY).isoformat(),
    )
    code(event)
    actions.change_status(participant=one, new=Status.DIED, on=_day(now - DAY), reason="x", by=by, now=now)
    row = SurvivalContact(participant=one, contacted_on=_day(now), means="phone", vital="dead", answered_by="family")
    actions.record_contact(row=row, by=by, now=now)


def _corrected_day_0(site: Site, by: User, now: dt.datetime) -> None:
    one = factories.infused(site=site, by=by, now=now, infused_at=now - 40 * DAY)
    for days in (39, 35):
        code(factories.judged_event(one, by=by, now=now - days * DAY))
    infusion = one.infusions.get()
    infusion.infused_at -= DAY
    infusion.ended_at = infusion.infused_at
    correct_infusion(infusion=infusion, is_day0_confirmed=True, deviation_reason="x", by=by, now=now)


def _events_uncoded(site: Site, by: User, now: dt.datetime) -> None:
    one = factories.infused(site=site, by=by, now=now, infused_at=now - 21 * DAY)
    factories.judged_event(one, by=by, now=now - 12 * DAY)
    code(factories.judged_event(one, by=by, now=now - 10 * DAY, term="发热", ctcae_code="10016558"))


def _demo(site: Site, by: User, now: dt.datetime) -> None:
    for _participant in build_demo(now=timezone.now(), is_small=False):
        pass


def _demo_coded(site: Site, by: User, now: dt.datetime) -> None:
    _demo(site, by, now)
    for event in AdverseEvent.objects.exclude(ctcae_code=""):
        code(event)


def _day(at: dt.datetime) -> dt.date:
    return timezone.localtime(at).date()


STUDIES: dict[str, Callable[[Site, User, dt.datetime], None]] = {
    "a screen failure only": _one_screen_failure,
    "nobody infused yet": _nobody_infused,
    "a death before Day 0": _death_before_day_0,
    "a corrected Day 0": _corrected_day_0,
    "events still uncoded": _events_uncoded,
    "the demo study": _demo,
    "the demo study, coded": _demo_coded,
}


def staged(folder: Path, **scope: Any) -> Package:
    folder.mkdir(parents=True, exist_ok=True)
    return build(Scope(timezone.now() + DAY, **scope), folder)


def rows_of(package: Package, name: str) -> list[dict[str, Any]]:
    """Of a dataset, by the names of its variables; none where it did not leave."""
    found = next((one for one in package.staged if one.dataset.name == name), None)
    return [dict(zip(found.dataset.names, row, strict=True)) for row in found.rows()] if found else []


def texts_of(package: Package) -> Iterator[str]:
    for one in package.staged:
        yield one.path.read_text(encoding="utf-8")


__all__ = ["STUDIES", "code", "rows_of", "staged", "texts_of"]
