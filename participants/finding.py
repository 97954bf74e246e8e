"""What the search of the site knows of participants: their numbers, and what can be done for them."""

import re
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import F, Q, Value
from django.db.models.functions import Replace
from django.utils.translation import gettext_lazy as _

from participants.models import Participant
from trialsite.finding import Verb
from trialsite.firstpage import site_keys

ZEROS = re.compile(r"([A-Z])0*(?=[0-9])")

VERBS = (
    Verb(_("Record consent"), "participants_consent_add", "participants.add_consent", "icf informed sign 同意书 签署"),
    Verb(
        _("Enter results"),
        "participants_examination_add",
        "participants.add_examination",
        "laboratory lab blood cbc chemistry 化验 血常规 检验",
    ),
    Verb(
        _("Decide eligibility"),
        "participants_participant_eligibility",
        "participants.view_participant",
        "criteria inclusion exclusion enrol confirm 入选 排除 标准 入组",
        is_of_participant=True,
    ),
    Verb(
        _("Record a protocol deviation"),
        "participants_protocoldeviation_add",
        "participants.add_protocoldeviation",
        "pd violation 违背",
    ),
    Verb(
        _("Withdrawal of consent"),
        "participants_consentwithdrawal_add",
        "participants.add_consentwithdrawal",
        "leave stop 退出",
    ),
)


def participants(user: Any, numbers: tuple[str, ...]) -> Any:
    """Row, number and status of those whose screening or participant number has one of these parts; the nearest first.

    The parts are in capitals and without dashes; a whole number goes before a part of one.
    """
    if not user.has_perm("participants.view_participant"):
        return []
    known = Participant.objects.standing().filter(site__in=site_keys(user))
    bare = known.annotate(
        screening=Replace("screening_number", Value("-"), Value("")),
        numbered=Replace(F("participant_number"), Value("-"), Value("")),
    )
    patterns = [_pattern(one) for one in numbers]
    part = reduce(or_, (Q(screening__regex=one) | Q(numbered__regex=one) for one in patterns))
    rows = bare.filter(part).order_by("participant_number", "screening_number")
    found = rows.only("screening_number", "participant_number", "status")[:200]
    whole = [(_is_whole(row, numbers), row) for row in found]
    nearest = [row for is_whole, row in whole if is_whole] or [row for _is_whole_one, row in whole]
    return [(row.pk, _both(row), str(row.get_status_display())) for row in nearest]


def _pattern(typed: str) -> str:
    """Zeros before the digits may be left out: ZJ3 is ZJ003. Letters and digits mean themselves in a pattern."""
    return ZEROS.sub(r"\1[0]*", typed)


def _is_whole(row: Any, numbers: tuple[str, ...]) -> bool:
    """The number itself, or its digits alone, with or without the zeros before them."""
    known = [number for number in (row.screening, row.numbered) if number]
    return any(re.fullmatch(f"(?:[A-Z]+0*)?{_pattern(one).lstrip('0')}", number) for one in numbers for number in known)


def _both(row: Participant) -> str:
    if row.participant_number is None:
        return row.screening_number
    return f"{row.participant_number} ({row.screening_number})"
