"""The relation of an event to its agents, as pages and prints say it."""

from typing import Any

from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.utils.translation import gettext as _

from safety.models import AdverseEvent, Agent, EventAgent, Relatedness


def with_agents(rows: QuerySet[AdverseEvent]) -> QuerySet[AdverseEvent]:
    """One query for the agents of all of them."""
    return rows.prefetch_related(_agents())


def read_agents(events: list[AdverseEvent]) -> None:
    """The same, of events that were read already."""
    prefetch_related_objects(events, _agents())


def _agents() -> Any:
    return Prefetch("agents", EventAgent.objects.standing().order_by("id"))


def relation_words(event: AdverseEvent) -> str:
    """The investigator's view of the cells; where they are not among the agents, of all others."""
    cells = event.relation_to(Agent.CAR_T)
    rows = [cells] if cells else [row for row in event.agents.all() if not row.is_void]
    if not rows:
        return _("open")
    return _(", ").join(view_words(row) for row in rows)


def view_words(row: EventAgent) -> str:
    said: Any = Relatedness(row.investigator).label if row.investigator else _("open")
    return str(said) if row.agent == Agent.CAR_T else f"{row.get_agent_display()}: {said}"
