"""A worker with a wrong clock does nothing, and says so."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from trialsite import clock, tasks
from trialsite.models import SweepRun

pytestmark = pytest.mark.django_db
SECOND = dt.timedelta(seconds=1)


@pytest.mark.parametrize("sign", [1, -1], ids=["ahead", "behind"])
def test_by_a_wrong_clock_a_worker_does_nothing(time_machine: Any, sign: int) -> None:
    right = timezone.now()
    time_machine.move_to(right + sign * (clock.MOST - 3 * SECOND))
    assert tasks.sweep_doors.apply(throw=True).state == "SUCCESS"
    SweepRun.objects.all().delete()
    time_machine.move_to(right + sign * (clock.MOST + 3 * SECOND))
    with pytest.raises(clock.WrongClock, match=r"is \+1\d s off" if sign > 0 else r"is -1\d s off"):
        tasks.sweep_doors.apply(throw=True)
    assert not SweepRun.objects.exists()


def test_whoever_calls_a_task_as_a_function_has_a_clock_of_their_own(time_machine: Any) -> None:
    time_machine.move_to(timezone.now() + 3600 * SECOND)
    tasks.sweep_doors()
    assert SweepRun.objects.filter(name="doors").exists()
