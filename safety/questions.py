"""What this app says before an entry of a lower floor is void: what was seen in the belief that it was right."""

from collections.abc import Iterator

from django.utils.translation import ngettext

from dosing.models import Infusion
from safety.models import ToxicityAssessment, current
from trialsite.models import Record


def rests_on(row: Record) -> Iterator[str]:
    """CRS and ICANS were looked for because of the cells; with another infusion before, they are of that one."""
    if not isinstance(row, Infusion):
        return
    if row.participant.infusions.standing().exclude(pk=row.pk).exists():
        return
    assessed = current(ToxicityAssessment.objects.filter(participant=row.participant_id))
    count = assessed.filter(assessed_at__gte=row.infused_at).values("assessed_at").distinct().count()
    if count:
        yield ngettext(
            "CRS or ICANS was assessed once since this infusion, which stays. If that was another person, "
            "void it, too.",
            "CRS or ICANS was assessed %(count)s times since this infusion, which stay. If that was another person, "
            "void them, too.",
            count,
        ) % {"count": count}
