"""A stopped identity check is a record: what was compared and did not belong together, although nothing was signed."""

import datetime as dt
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import transaction
from django.utils.translation import gettext as _

from dosing.actions.amounts import people_to_tell
from dosing.models import CellProduct, IdentityStop, StopPlace, StopWrong
from participants.models import Participant
from trialsite import notifications, signing
from trialsite.clinical import check_clinical
from trialsite.models import Meaning, Urgency, User
from trialsite.reading import is_same_code, read_code
from trialsite.refusal import Refused

P = ParamSpec("P")
T = TypeVar("T")


class Stopped(Refused):
    """Person and bag do not belong together. `row` is what is kept of it, once the refusal has undone all else."""

    def __init__(self, message: Any, row: IdentityStop) -> None:
        super().__init__(message)
        self.row = row


@transaction.atomic
def keep_stop(stop: Stopped, *, by: User, entered_by: User | None = None, now: dt.datetime) -> IdentityStop:
    """Write who was stopped, and tell the principal investigator.

    Call it after the refusal has left the transaction of what was refused.
    """
    row = stop.row
    row.pk = None
    row.created_by, row.entered_by, row.created_at = by, entered_by or by, now
    row.save()
    _tell(row, now=now)
    return row


def _tell(row: IdentityStop, *, now: dt.datetime) -> None:
    """The principal investigator, at once; where there is none to be reached, the investigators."""
    site = row.participant.site
    for person in people_to_tell(site):
        notifications.queue(
            key=f"identity-stop:{row.pk}",
            about=f"identity-stop:{row.pk}",
            site=site,
            recipient=person,
            template="dosing/email/identity_stopped",
            context={"stop": row, "participant": row.participant},
            urgency=Urgency.ALERT,
            now=now,
        )


def keeping_stops(verb: Callable[P, T]) -> Callable[P, T]:
    """Stands around the transaction of a verb: a refusal with a stop leaves that record behind, and nothing else."""

    @wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return verb(*args, **kwargs)
        except Stopped as stop:
            given: dict[str, Any] = dict(kwargs)
            keep_stop(stop, by=given["by"], entered_by=given.get("entered_by"), now=given["now"])
            raise

    return run


# --- What is kept of the codes -----------------------------------------------------------------------


def stopped_check(
    participant: Participant, *, wristband: str, bag: CellProduct | None, is_wristband_wrong: bool, is_bag_wrong: bool
) -> Stopped:
    """The refusal of an identity check, with what is kept of it: never a code that may be a hospital number."""
    texts = {
        _("STOP: the wristband is not that of %(number)s. Check person and bag again; nothing was signed."): (
            is_wristband_wrong
        ),
        _("STOP: the bag does not belong to %(number)s. Check person and bag again; nothing was signed."): is_bag_wrong,
    }
    whose = wearer(participant, wristband) if is_wristband_wrong else participant
    row = IdentityStop(
        participant=participant,
        place=StopPlace.IDENTITY,
        wrong=_wrong(is_wristband_wrong, is_bag_wrong),
        wristband_of=whose,
        wristband_code=study_code(participant, wristband) if whose is None else "",
        bag=bag,
    )
    message = " ".join(text for text, is_wrong in texts.items() if is_wrong)
    return Stopped(message % {"number": participant.number}, row)


def _wrong(is_wristband_wrong: bool, is_bag_wrong: bool) -> StopWrong:
    if is_wristband_wrong and is_bag_wrong:
        return StopWrong.BOTH
    return StopWrong.WRISTBAND if is_wristband_wrong else StopWrong.BAG


def codes_of(participant: Participant) -> set[str]:
    codes = (participant.screening_number, participant.participant_number, participant.hospital_number)
    return {code for code in codes if code}


def wearer(participant: Participant, code: str) -> Participant | None:
    """Whose wristband this is, among the participants of the same site; None where it is nobody's."""
    others = Participant.objects.standing().filter(site=participant.site_id)
    return next((one for one in others if any(is_same_code(code, known) for known in codes_of(one))), None)


def study_code(participant: Participant, code: str) -> str:
    """The code as it was read if it is built like a number of the study; else nothing, for it may name somebody."""
    read = read_code(code).upper()
    return read if re.fullmatch(rf"{re.escape(participant.site.code)}-?S?\d{{1,5}}", read) else ""


def stopped_infusion(participant: Participant, bag: CellProduct, message: str) -> Stopped:
    """The refusal to log another person's bag."""
    row = IdentityStop(
        participant=participant,
        place=StopPlace.INFUSION,
        wrong=StopWrong.BAG,
        wristband_of=participant,
        bag=bag,
    )
    return Stopped(message, row)


# --- The principal investigator takes note -----------------------------------------------------------


@transaction.atomic
def review_stop(*, stop: IdentityStop, review: str, by: User, now: dt.datetime) -> IdentityStop:
    """What was found and done about a near miss; then it leaves the first page. Raises Refused the second time."""
    stop = IdentityStop.objects.select_for_update(of=("self",)).select_related("reviewed_by").get(pk=stop.pk)
    if stop.is_void or stop.reviewed_at is not None:
        raise Refused(_("This near miss is reviewed or void already; nothing was changed."))
    check_clinical(by, stop.participant.site, permission="dosing.review_identitystop")
    if not review.strip():
        raise Refused(_("Say what was found and done."))
    stop.reviewed_at, stop.reviewed_by, stop.review = now, by, review.strip()
    stop.save(update_fields=["reviewed_at", "reviewed_by", "review"])
    signing.sign(stop, meaning=Meaning.NEAR_MISS, by=by)
    return stop
