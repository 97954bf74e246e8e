"""Rows at a state, made through the actions that people use."""

import datetime as dt
from decimal import Decimal
from itertools import count
from typing import Any

from django.utils import timezone

from demo import results as demo_results
from dosing.actions import infuse
from dosing.models import CellProduct, FitnessCheck, IdentityCheck, Infusion, LymphodepletionDose, ProductStep
from dosing.rules.product import State
from participants import actions
from participants.actions.measurements import prepared
from participants.models import Consent, Examination, Measurement, Participant
from safety.actions import Said, log_adverse_event
from safety.models import SERIOUSNESS, AdverseEvent, Agent, ReferenceSafety
from trialsite import signing
from trialsite.models import Meaning, Site, User

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
    is_minor = (participant.age_on(now.date()) or 0) < 18
    signs = {"guardian_consented": True, "participant_assented": True} if is_minor else {}
    consent = Consent(participant=participant, version="1.0", consented_at=now, **signs)
    actions.record_consent(consent=consent, by=by, now=now)
    return participant


def eligible(
    *, site: Site, by: User, now: dt.datetime, results: dict[str, Any] | None = None, **facts: Any
) -> Participant:
    """Consented, with a result for every criterion; `results` replaces some of them (None leaves one out).

    The results are written directly, for a thousand tests need them.
    """
    participant = consented(site=site, by=by, now=now, **facts)
    made = demo_results.screening_of(participant, now, **(results or {}))
    for examination, _answers in made:
        examination.created_by, examination.created_at = by, now
    Examination.objects.bulk_create(examination for examination, _answers in made)
    rows = [row for examination, answers in made for row in prepared(examination, answers, by=by, now=now)]
    Measurement.objects.bulk_create(rows)
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


def infusion_of(
    participant: Participant, *, at: dt.datetime, cells: str = "0.5", product: CellProduct | None = None
) -> Infusion:
    """An infusion at this moment, not yet logged; without a product, all is made ready with a bag of so many cells."""
    product = product or ready(participant, at=at, cells=cells)
    return Infusion(
        participant=participant,
        infused_at=at,
        ended_at=at,
        product_lot=product.lot,
        volume_given_ml=product.volume_ml,
    )


def ready(participant: Participant, *, at: dt.datetime, cells: str = "0.5") -> CellProduct:
    """All that stands before an infusion at this moment; the thawed bag of so many × 10⁸ cells."""
    product = thawed(participant, at=at, cells=cells)
    make_ready(participant, product, at=at)
    return product


def make_ready(participant: Participant, product: CellProduct, *, at: dt.datetime) -> None:
    """Lymphodepletion, fitness and two signatures, for this bag at this moment."""
    lymphodepleted(participant, until=at)
    checked(participant, before="infusion", at=at)
    for person in people(participant.site, 2):
        signed_by(person, participant, product, at=at)


def lymphodepleted(participant: Participant, *, until: dt.datetime) -> None:
    """Three days of both drugs, a week before; written directly, for hundreds of tests need it. The status stays."""
    by = participant.created_by
    LymphodepletionDose.objects.bulk_create(
        LymphodepletionDose(
            participant=participant,
            drug=drug,
            number=number,
            planned_on=timezone.localtime(until - (8 - number) * DAY).date(),
            mg_m2=mg_m2,
            height_cm=170,
            weight_kg=65,
            bsa_m2="1.7521",
            bsa_formula="mosteller",
            planned_mg=mg,
            state="given",
            given_at=until - (8 - number) * DAY,
            given_mg=mg,
            created_by=by,
            created_at=until - 9 * DAY,
        )
        for drug, mg_m2, mg in (("flu", 30, "52.6"), ("cy", 300, "525.6"))
        for number in (1, 2, 3)
    )


def checked(participant: Participant, *, before: str, at: dt.datetime, **found: Any) -> FitnessCheck:
    """Fit, with two doses of tocilizumab on the ward."""
    values = {
        "max_temperature_48h_c": Decimal("36.9"),
        "spo2_percent": 98,
        "is_on_oxygen": False,
        "lvef_percent": 62,
        "ecog": 1,
        "has_uncontrolled_infection": False,
        "needs_vasopressors": False,
        "tocilizumab_doses": 2,
        **found,
    }
    by = participant.created_by
    check = FitnessCheck(participant=participant, before=before, checked_at=at, **values)
    check.created_by, check.created_at = by, at
    check.save()
    return check


def thawed(participant: Participant, *, at: dt.datetime, cells: str = "0.5", lot: str = "") -> CellProduct:
    """A bag of 10 mL with so many × 10⁸ viable CAR-T cells, thawed by this moment."""
    lot = lot or f"LOT-{next(_numbers):04d}"
    by = participant.created_by
    product = CellProduct(
        participant=participant,
        lot=lot,
        chain_of_identity=f"COI-{lot}",
        volume_ml=10,
        cells_per_ml=Decimal(cells) * 10_000_000,
        viability=1,
        car_positive=1,
        certificate=f"COA-{lot}",
        released_on=timezone.localtime(at - 2 * DAY).date(),
        expires_on=timezone.localtime(at + 30 * DAY).date(),
        state=State.THAWED,
        created_by=by,
        created_at=at,
    )
    product.save()
    ProductStep.objects.create(product=product, state=State.THAWED, at=at, created_by=by, created_at=at)
    return product


def people(site: Site, count: int) -> list[User]:
    """Nurses of the site who check identity."""
    return [
        User.objects.get_or_create(username=f"nurse{number}-{site.code}", defaults={"first_name": f"Nurse {number}"})[0]
        for number in range(count)
    ]


def signed_by(person: User, participant: Participant, product: CellProduct, *, at: dt.datetime) -> IdentityCheck:
    check = IdentityCheck.objects.create(
        participant=participant, product=product, entered_by=person, created_by=person, created_at=at
    )
    signing.sign(check, meaning=Meaning.IDENTITY, by=person)
    return check


def adverse_event(participant: Participant, *, by: User, now: dt.datetime, **facts: Any) -> AdverseEvent:
    """A headache of grade 2 as it was seen today: what an investigator judges is open. Pass what differs."""
    agents = facts.pop("agents", {})
    values = {
        "term": "头痛",
        "ctcae_code": "10019211",
        "grade": 2,
        "onset": f"{timezone.localtime(now):%Y-%m-%d}",
        **facts,
    }
    event = AdverseEvent(participant=participant, **{"site_aware_at": now, **values})
    return log_adverse_event(event=event, by=by, now=now, agents=agents)


def judged_event(participant: Participant, *, by: User, now: dt.datetime, **facts: Any) -> AdverseEvent:
    """The same with all judged: possibly due to the cells, recovering; serious where a criterion is given."""
    is_serious = any(facts.get(name) for name in SERIOUSNESS)
    said = {"seriousness_said": "serious" if is_serious else "not_serious", "outcome": "recovering", **facts}
    agents = {Agent.CAR_T: Said(investigator="possible"), **said.pop("agents", {})}
    event = adverse_event(participant, by=by, now=now, agents=agents, **said)
    for row in event.agents.filter(investigator=""):
        row.investigator = "unrelated"
        row.save(update_fields=["investigator"])
    return event


def reference_safety(site: Site, *, by: User, now: dt.datetime) -> ReferenceSafety:
    return ReferenceSafety.objects.create(
        site=site,
        version=f"{next(_numbers)}.0",
        effective_on=now.date(),
        source="brochure",
        expected="CRS 1-3",
        created_by=by,
        created_at=now,
    )
