"""Reporting duties in words: to whom, why, and how much time is left."""

import datetime as dt
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from safety.models import DutyState, ReportingDuty
from safety.rules.reporting import Why
from trialsite.study import Clock, Protocol

WHY: dict[str, Any] = {
    Why.SERIOUS: gettext_lazy("the event is serious"),
    Why.RELATED: gettext_lazy("investigator or sponsor cannot exclude that it is related"),
    Why.RELATEDNESS_OPEN: gettext_lazy("whether it is related is not judged by both yet, so it counts as related"),
    Why.UNEXPECTED: gettext_lazy("it is unexpected"),
    Why.EXPECTEDNESS_OPEN: gettext_lazy("whether it is expected is not judged yet, so it counts as unexpected"),
    Why.THREATENING: gettext_lazy("it is fatal or life-threatening"),
    Why.WORSE: gettext_lazy("it became known later that it is fatal or life-threatening"),
    Why.DEATH: gettext_lazy("the death became known later"),
    Why.NEWS: gettext_lazy("something became known later"),
}


def recipient_name(protocol: Protocol, code: str) -> str:
    return protocol.recipient_name(code)


def clock_of(protocol: Protocol, duty: ReportingDuty) -> Clock | None:
    """The clock of the regime by which the duty was made."""
    clocks = [one for regime in protocol.regimes if regime.code == duty.regime for one in regime.clocks]
    return next((one for one in clocks if one.code == duty.clock), None)


def why_in_words(duty: ReportingDuty) -> str:
    return _("; ").join(str(WHY.get(one, one)) for one in duty.why)


def moment(at: dt.datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"


def countdown(due_at: dt.datetime, *, now: dt.datetime) -> str:
    """How much time is left, or by how much it is overdue; the last day in hours."""
    left = abs(due_at - now)
    days, hours = left.days, int(left.total_seconds() // 3600)
    if due_at < now:
        if hours >= 24:
            return ngettext("overdue by %(n)s day", "overdue by %(n)s days", days) % {"n": days}
        return ngettext("overdue by %(n)s hour", "overdue by %(n)s hours", hours) % {"n": hours}
    if hours >= 48:
        return ngettext("%(n)s day left", "%(n)s days left", days) % {"n": days}
    return ngettext("%(n)s hour left", "%(n)s hours left", hours) % {"n": hours}


def state_in_words(duty: ReportingDuty, *, now: dt.datetime) -> str:
    """The countdown of what is open; for all else what became of it."""
    state = duty.state
    if state is DutyState.OPEN:
        return countdown(duty.due_at, now=now)
    if state is DutyState.CLOSED:
        return f"{state.label}: {duty.get_closed_because_display()}"
    assert duty.met_by is not None
    return f"{state.label} · {moment(duty.met_by.submitted_at)}"
