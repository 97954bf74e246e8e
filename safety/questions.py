"""What this app says before an entry of a lower floor is void: what was seen in the belief that it was right."""

from collections.abc import Sequence

from django.db.models import Model
from django.utils.translation import ngettext

from dosing.models import Infusion
from participants.actions.imports import brought
from participants.models import MeasurementImport
from safety.actions.blood import grades_on
from safety.models import ToxicityAssessment, current


def rests_on(row: Model) -> Sequence[str]:
    """In sentences, the grades that hang on an infusion or on the results of an import."""
    if isinstance(row, Infusion):
        return _assessed_since(row)
    if isinstance(row, MeasurementImport):
        return grades_on(brought(row).values_list("pk", flat=True))
    return ()


def _assessed_since(infusion: Infusion) -> Sequence[str]:
    """CRS and ICANS were looked for because of the cells; with another infusion before, they are of that one."""
    if infusion.participant.infusions.standing().exclude(pk=infusion.pk).exists():
        return ()
    assessed = current(ToxicityAssessment.objects.filter(participant=infusion.participant_id))
    count = assessed.filter(assessed_at__gte=infusion.infused_at).values("assessed_at").distinct().count()
    if not count:
        return ()
    text = ngettext(
        "CRS or ICANS was assessed once since this infusion, which stays. If that was another person, void it, too.",
        "CRS or ICANS was assessed %(count)s times since this infusion, which stay. If that was another person, "
        "void them, too.",
        count,
    )
    return (text % {"count": count},)
