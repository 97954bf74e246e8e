"""A believable study, built through the same actions that people use, from a fixed seed.

Everything is relative to today, so that there are always visits to come, open and overdue. Names are
invented. It is for trying the product out: the command refuses a database that holds anything else.
"""

import datetime as dt
from collections.abc import Iterator

from demo.events import deaths, episodes, events
from demo.followup import end, visits
from demo.people import make_people
from demo.plans import PLANS, SMALL, Plan
from demo.reports import make_reference
from demo.response import response
from demo.scene import Scene
from demo.screening import enrol, examine, fail, screen
from demo.toxicity import bedside, blood, support
from demo.treatment import give, make_ready
from participants.models import Participant


def build(*, now: dt.datetime, is_small: bool = False) -> Iterator[Participant]:
    """Make the people, then one participant after the other."""
    make_people()
    scene = Scene(now)
    make_reference(scene)
    for plan in SMALL if is_small else PLANS:
        yield follow(scene, plan)


def follow(scene: Scene, plan: Plan) -> Participant:
    """One participant's way through the study, as far as the plan takes it."""
    since = plan.infused_days_ago
    waiting = 0 if plan.fate == "ready" else scene.dice.randint(2, 20)
    screened_ago = (since if since is not None else waiting) + 24
    participant = screen(scene, screened_ago)
    examine(scene, participant, screened_ago, plan)
    if plan.fate == "screening":
        return participant
    if plan.fate == "screen_failed":
        fail(scene, participant, screened_ago)
        return participant
    participant = enrol(scene, participant, screened_ago)
    if plan.fate == "ready":
        make_ready(scene, participant, plan, 0)
    elif since is not None:
        treat(scene, participant, plan, since)
    return participant


def treat(scene: Scene, participant: Participant, plan: Plan, since: int) -> None:
    """The infusion, `since` days ago, and what came of it."""
    give(scene, participant, plan, since)
    bedside(scene, participant, plan, since)
    blood(scene, participant, plan, since)
    support(scene, participant, plan, since)
    episodes(scene, participant, plan)
    events(scene, participant, plan, since)
    visits(scene, participant, plan, since)
    response(scene, participant, plan, since)
    end(scene, participant, plan, since)
    deaths(scene, participant, plan)
