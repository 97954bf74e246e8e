"""Response and survival on the page of a participant: what was found, what followed, and whether contact is lost."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.db.models.functions import JSONObject
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from participants import bcells, courses
from participants.actions.days import site_day
from participants.models import DiseaseAssessment, MrdState, Participant, SurvivalContact, Vital
from participants.responses import ENDPOINT_NAMES, MRD_NAMES, RESPONSE_NAMES, cause_in_words, response_in_words
from participants.rules.contact import Attempt, Silence, silence
from participants.rules.endpoints import Endpoint, Subsequent, outcome
from participants.rules.response import Response
from participants.rules.status import Status, can_become
from trialsite import wayback
from trialsite.study import get_study
from trialsite.subjectpage import Asked, Owed, Section, Verb

VIEW = "participants.view_diseaseassessment"
CONTACTS = "participants.view_survivalcontact"
STATUS = "participants.change_status"


def known() -> dict[str, ArraySubquery]:
    """What is owed, and what the folded section says, are read with the participant's own row: by no query more."""
    assessed = DiseaseAssessment.objects.own_standing().filter(participant=OuterRef("pk"))
    asked = SurvivalContact.objects.own_standing().filter(participant=OuterRef("pk"))
    return {
        "newest_assessments": ArraySubquery(
            assessed.order_by("-assessed_on", "-id").values(
                told=JSONObject(on="assessed_on", stated="stated_response", mrd="mrd")
            )[:1]
        ),
        "contacts_told": ArraySubquery(
            asked.order_by("contacted_on", "id").values(
                told=JSONObject(on="contacted_on", vital="vital", alive="last_alive_on")
            )
        ),
    }


def _known(asked: Asked, name: str) -> list[dict[str, str]]:
    """As the page has read it; wherever else the section is shown, one query."""
    found: list[dict[str, str]] | None = getattr(asked.participant, name, None)
    if found is not None:
        return found
    rows = Participant.objects.filter(pk=asked.participant.pk).annotate(**known())
    told: dict[str, list[dict[str, str]]] = asked.once("response", lambda: rows.values(*known()).get())
    return told[name]


# --- What is owed --------------------------------------------------------------------------------------


def owed(asked: Asked) -> Iterator[Owed]:
    """A status that does not follow yet from what was found, and a loss by the study's definition."""
    status = Status(asked.participant.status)
    if asked.may(CONTACTS) and status is not Status.DIED:
        yield from _owed_death(asked)
        if can_become(status, Status.LOST_TO_FOLLOW_UP):
            yield from _owed_loss(asked)


def _owed_death(asked: Asked) -> Iterator[Owed]:
    if any(one["vital"] == Vital.DEAD for one in _known(asked, "contacts_told")):
        yield Owed(
            _("A contact learnt of the death: record the status “died” with its day"), _own(asked, "status"), STATUS
        )


def _owed_loss(asked: Asked) -> Iterator[Owed]:
    told = _known(asked, "contacts_told")
    tries = (Attempt(dt.date.fromisoformat(one["on"]), one["vital"] != Vital.NO_ANSWER) for one in told)
    policy = get_study().protocol(asked.participant.protocol_version).policy
    limits = {"attempts": policy.lost_after_attempts, "over_days": policy.lost_over_days}
    # Whoever was seen at a visit since is not lost: looked up for the few whose contacts make them so.
    quiet = courses.history_of(asked.participant).silence if silence(tries).is_loss(**limits) else Silence()
    if not quiet.is_loss(**limits):
        return
    text = ngettext(
        "Nobody answered on %(days)s day within %(span)s days, since %(first)s: record as lost to follow-up, or go on "
        "trying",
        "Nobody answered on %(days)s days within %(span)s days, since %(first)s: record as lost to follow-up, or go on "
        "trying",
        quiet.days,
    )
    values = {"days": quiet.days, "span": quiet.span, "first": f"{quiet.on[0]:%Y-%m-%d}"}
    yield Owed(text % values, _own(asked, "lost"), STATUS)


def _own(asked: Asked, name: str) -> str:
    back = wayback.page(asked.participant, "response")
    return wayback.link(f"participants_participant_{name}", asked.participant.pk, back=back)


# --- The section ---------------------------------------------------------------------------------------


def _summary(asked: Asked) -> Any:
    rows = _known(asked, "newest_assessments")
    if not rows:
        return _("none recorded")
    newest = rows[0]
    said = str(RESPONSE_NAMES[Response(newest["stated"])]) if newest["stated"] else ""
    mrd = _("MRD: %(state)s") % {"state": MrdState(newest["mrd"]).label}
    return " · ".join(text for text in (newest["on"], said, mrd) if text)


def _body(asked: Asked) -> dict[str, Any]:
    history = courses.history_of(asked.participant)
    return {
        "assessments": [
            {
                "row": one.row,
                "response": RESPONSE_NAMES[one.response],
                "mrd": MRD_NAMES[one.assessed.mrd],
                "is_relapse": one.response is Response.RELAPSE,
                "differs": one.differs,
                "words": response_in_words(one),
            }
            for one in reversed(history.assessments)
        ],
        "mrd_relapse": history.mrd_relapse,
        "therapies": list(reversed(history.therapies)),
        "contacts": list(reversed(history.contacts)),
        "cells": bcells.lines(asked.participant),
        "endpoints": list(_endpoints(history)),
        "today": site_day(asked.now),
    }


def _endpoints(history: courses.History) -> Iterator[tuple[Any, str]]:
    course = history.course
    for endpoint in Endpoint if course is not None else ():
        assert course is not None
        yield ENDPOINT_NAMES[endpoint], cause_in_words(outcome(course, endpoint, Subsequent.IGNORE))


SECTION = Section(
    code="response",
    title=gettext_lazy("Response and survival"),
    permission=VIEW,
    template="admin/participants/page/response.html",
    summary=_summary,
    body=_body,
    verbs=(
        Verb(
            gettext_lazy("Assess the disease"),
            "participants_diseaseassessment_add",
            "participants.add_diseaseassessment",
        ),
        Verb(
            gettext_lazy("Record a later therapy"),
            "participants_subsequenttherapy_add",
            "participants.add_subsequenttherapy",
        ),
        Verb(
            gettext_lazy("Record a survival contact"),
            "participants_survivalcontact_add",
            "participants.add_survivalcontact",
        ),
    ),
)
