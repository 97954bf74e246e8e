"""The verb of the fitness check: record it, and look again at what it was missing for."""

import datetime as dt

from django.db import transaction

from dosing.actions.infusion import look_again
from dosing.actions.readiness import check_fitness
from dosing.models import FitnessCheck
from trialsite.models import User


@transaction.atomic
def record_fitness(*, check: FitnessCheck, by: User, now: dt.datetime) -> FitnessCheck:
    """Typed after the infusion that it belongs to, it settles the deviation for which it was missing."""
    check_fitness(check, now=now)
    check.created_by, check.created_at = by, now
    check.save()
    look_again(check.participant, by=by, now=now)
    return check
