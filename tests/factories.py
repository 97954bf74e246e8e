"""Rows at a state, made through the actions that people use."""

import datetime as dt
from decimal import Decimal
from itertools import count
from typing import Any

from dosing.actions import infuse
from dosing.models import Infusion
from participants import actions
from participants.models import Consent, Participant
from sponsor import demo_results
from trialsite.models import Site, User

_numbers = count(1)
DAY = dt.timedelta(days=1)


def screened(*, site: Site, by: User, now: dt.datetime, **facts: Any) -> Participant:
    values = {
        "name": "王小明",
        "birth_date": dt.date(1990, 5, 17),
        "sex": "M",
        "phone": "13800000000",
        **facts,
    }
    return actions.screen(participant=Participant(site=site, **values), by=by, now=now)


def consented(*, site: Site, by: User, now: dt.datetime, **facts: Any) -> Participant:
    participant = screened(site=site, by=by, now=now, **facts)
    signs = {"guardian_consented": True, "participant_assented": True} if participant.age_on(now.date()) < 18 else {}
    consent = Consent(participant=participant, version="1.0", consented_at=now, **signs)
    actions.record_consent(consent=consent, by=by, now=now)
    return participant


def eligible(
    *, site: Site, by: User, now: dt.datetime, results: dict[str, Any] | None = None, **facts: Any
) -> Participant:
    """Consented, with a result for every criterion; `results` replaces some of them (None leaves one out)."""
    participant = consented(site=site, by=by, now=now, **facts)
    demo_results.record(participant=participant, at=now, by=by, now=now, **(results or {}))
    return participant


def confirmed(*, site: Site, by: User, now: dt.datetime, **facts: Any) -> Participant:
    participant = eligible(site=site, by=by, now=now, **facts)
    actions.confirm_eligibility(participant=participant, by=by, now=now)
    return participant


def enrolled(*, site: Site, by: User, now: dt.datetime, **facts: Any) -> Participant:
    participant = confirmed(site=site, by=by, now=now, **facts)
    return actions.enrol(participant=participant, by=by, now=now)


def infused(
    *, site: Site, by: User, now: dt.datetime, infused_at: dt.datetime | None = None, **facts: Any
) -> Participant:
    """Enrolled twenty days before the infusion, infused at `infused_at` (default: now)."""
    at = infused_at or now
    participant = enrolled(site=site, by=by, now=at - 20 * DAY, **facts)
    infuse(infusion=infusion_of(participant, at=at), by=by, now=now)
    participant.refresh_from_db()
    return participant


def infusion_of(participant: Participant, *, at: dt.datetime, cells: str = "0.5") -> Infusion:
    return Infusion(
        participant=participant,
        infused_at=at,
        product_lot=f"LOT-{next(_numbers):04d}",
        viable_car_t_cells_e8=Decimal(cells),
    )
