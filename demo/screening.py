"""The screening: who comes, what is found, and how it ends."""

import datetime as dt

from django.utils import timezone

from demo import results
from demo.people import FAMILY, GIVEN
from demo.plans import Plan
from demo.scene import Scene
from participants import actions
from participants.models import Consent, Participant
from trialsite.study import get_study


def screen(scene: Scene, days_ago: int) -> Participant:
    dice = scene.dice
    now = scene.at(days_ago, 10)
    participant = Participant(
        site=scene.site,
        name=dice.choice(FAMILY) + dice.choice(GIVEN),
        birth_date=now.date() - dt.timedelta(days=dice.randint(19 * 365, 70 * 365)),
        sex=dice.choice("FM"),
        phone=f"1{dice.randint(3_000_000_000, 9_999_999_999)}",
        hospital_number=f"H{dice.randint(100_000, 999_999)}",
    )
    actions.screen(participant=participant, by=scene.coordinator, now=now)
    consent = Consent(
        participant=participant,
        version=get_study().latest.consent_versions[0].version,
        consented_at=now + dt.timedelta(minutes=20),
        # Two of three want to be reminded.
        may_be_reminded=int(participant.screening_number[-3:]) % 3 > 0,
    )
    actions.record_consent(consent=consent, by=scene.coordinator, now=now + dt.timedelta(minutes=40))
    return participant


def examine(scene: Scene, participant: Participant, screened_ago: int, plan: Plan) -> None:
    """Results within what people have, a few days after the consent; what a plan wants otherwise in `results`."""
    dice = scene.dice
    varied = {
        "ECOG": str(dice.randint(0, 2)),
        "HGB": str(dice.randint(84, 142)),
        "PLAT": str(dice.randint(80, 260)),
        "NEUT": f"{dice.uniform(1.1, 5):.2f}",
        "CREAT": (str(dice.randint(45, 110)), "104"),
        "ALT": (str(dice.randint(12, 96)), "50"),
        "LVEF": str(dice.randint(55, 69)),
        "QT": str(dice.randint(360, 405)),
        "BM_BLASTS": f"{dice.uniform(0, 3.5):.1f}",
    }
    at = scene.at(screened_ago - 3, 9)
    by = scene.coordinator
    results.record(participant=participant, at=at, by=by, now=at, **{**varied, **plan.results})


def fail(scene: Scene, participant: Participant, screened_ago: int) -> None:
    at = scene.at(screened_ago - 6, 11)
    actions.fail_screening(
        participant=participant,
        reason="筛选检查不符合标准",
        on=timezone.localtime(at).date(),
        by=scene.investigator,
        now=at,
    )


def enrol(scene: Scene, participant: Participant, screened_ago: int) -> Participant:
    signed_at = scene.at(screened_ago - 8, 15)
    actions.confirm_eligibility(participant=participant, by=scene.investigator, now=signed_at)
    return actions.enrol(participant=participant, by=scene.investigator, now=signed_at)
