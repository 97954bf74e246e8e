"""What taking something back would change, in sentences: it is done, looked at, and undone again.

So the preview cannot disagree with the act: both are the same code.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from participants.actions import long_moment
from participants.models import Participant
from safety.models import (
    AdverseEvent,
    BedsideAssessment,
    Discharge,
    IcahtAssessment,
    IecHsAssessment,
    SafetyAlert,
    ToxicityAssessment,
    ToxicityEpisode,
    current,
    graded,
    is_replaced,
)
from trialsite.models import Notification, NotificationState
from trialsite.voiding import Consequences


@dataclass(frozen=True)
class Snapshot:
    """What counts of a participant at this moment, by the number of each row."""

    grades: dict[int, ToxicityAssessment]
    episodes: dict[int, ToxicityEpisode]
    alerts: dict[int, SafetyAlert]
    waiting: int


def _snapshot(participant: Participant) -> Snapshot:
    grades = current(ToxicityAssessment.objects.filter(participant=participant)).order_by("assessed_at", "id")
    episodes = ToxicityEpisode.objects.standing().filter(participant=participant)
    alerts = SafetyAlert.objects.standing().filter(
        participant=participant, settled_at__isnull=True, acknowledged_at__isnull=True, superseded_by__isnull=True
    )
    about = [row.about for row in SafetyAlert.objects.filter(participant=participant).only("about")]
    return Snapshot(
        {row.pk: row for row in grades},
        {
            row.pk: row
            for row in episodes.select_related("adverse_event__participant", "participant").order_by("number")
        },
        {row.pk: row for row in alerts.order_by("id")},
        Notification.objects.filter(about__in=about, state=NotificationState.QUEUED).count(),
    )


def of_void(participant: Participant, act: Callable[[], Any]) -> Consequences:
    """Do it, compare what counts before and after, and roll it back."""
    before = _snapshot(participant)
    with transaction.atomic():
        act()
        after = _snapshot(participant)
        transaction.set_rollback(True)
    follows = (
        *_grades(before, after),
        *_episodes(before, after),
        *_alerts(before, after),
    )
    return Consequences(follows, tuple(_orphans(before, after)))


def _grades(before: Snapshot, after: Snapshot) -> Iterator[str]:
    new = {pk: row for pk, row in after.grades.items() if pk not in before.grades}
    anew = {row.corrects_id: row for row in new.values() if row.corrects_id in before.grades}
    for pk, row in before.grades.items():
        if pk not in after.grades and pk not in anew:
            yield _("%(grade)s of %(at)s no longer counts.") % _named(row)
    for old, row in anew.items():
        values = {**_named(row), "old": _grade(before.grades[old])}
        if values["old"] == values["grade"]:
            continue  # another reason for the same grade
        yield _("The grade of %(at)s is computed anew: %(old)s becomes %(grade)s.") % values
    for row in new.values():
        if row not in anew.values():
            yield _("%(grade)s of %(at)s counts again, since its correction is void.") % _named(row)


def _named(row: ToxicityAssessment) -> dict[str, str]:
    return {"grade": _grade(row), "at": long_moment(row.assessed_at)}


def _grade(row: ToxicityAssessment) -> str:
    return graded(row.toxicity, row.final_grade)


def _episodes(before: Snapshot, after: Snapshot) -> Iterator[str]:
    for pk, old in before.episodes.items():
        new = after.episodes.get(pk)
        if new is None:
            yield _("The episode “%(episode)s” is void, since no assessment supports it any more.") % {"episode": old}
        elif _span(old) != _span(new):
            yield _("The episode “%(episode)s” becomes: %(span)s (now: %(old)s).") % {
                "episode": old,
                "span": _span(new),
                "old": _span(old),
            }
            if new.adverse_event is not None and not new.adverse_event.is_void:
                yield _("Its adverse event “%(event)s” follows in grade, onset and end.") % {"event": new.adverse_event}
    for pk, new in after.episodes.items():
        if pk not in before.episodes:
            yield _("An episode begins: “%(episode)s”, %(span)s.") % {"episode": new, "span": _span(new)}


def _span(row: ToxicityEpisode) -> str:
    values = {
        "grade": row.highest_grade,
        "start": long_moment(row.onset_at),
        "end": long_moment(row.resolved_at) if row.resolved_at else _("ongoing"),
    }
    return _("grade %(grade)s, from %(start)s, end: %(end)s") % values


def _alerts(before: Snapshot, after: Snapshot) -> Iterator[str]:
    for pk, alert in before.alerts.items():
        if pk not in after.alerts:
            yield _("The open alert “%(alert)s” is settled, with the reason beside it.") % {"alert": _alert(alert)}
    for pk, alert in after.alerts.items():
        if pk not in before.alerts:
            yield _("The alert “%(alert)s” is open: somebody has to answer it.") % {"alert": _alert(alert)}
    if after.waiting < before.waiting:
        yield _("Messages that were not sent yet are withdrawn: %(n)s.") % {"n": before.waiting - after.waiting}


def _alert(alert: SafetyAlert) -> str:
    return f"{alert.what}: {alert.get_kind_display()}" if alert.grade else alert.what


def _orphans(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Adverse events that people made of an episode which is no more."""
    for pk, old in before.episodes.items():
        if pk not in after.episodes and old.adverse_event is not None and not old.adverse_event.is_void:
            yield format_html(
                _(
                    "The adverse event “{event}” was made of the episode that becomes void. It stays: open it and "
                    "void it, too, if it did not happen."
                ),
                event=format_html(
                    '<a href="{}">{}</a>',
                    reverse("admin:safety_adverseevent_change", args=[old.adverse_event.pk]),
                    old.adverse_event,
                ),
            )


def of_assessment(row: BedsideAssessment | ToxicityAssessment, verb: Any, *, now: dt.datetime) -> Consequences:
    """Of a look at the bed, or of one grade: `verb` voids it."""

    def act() -> None:
        verb(assessment=row, reason="preview", by=row.created_by, now=now)

    found = of_void(row.participant, act)
    return Consequences((*replaced_or_corrected(row), *found.follows), found.rests)


# --- What is told besides, of each kind --------------------------------------------------------------


def replaced_or_corrected(row: BedsideAssessment | ToxicityAssessment | IecHsAssessment) -> Iterator[str]:
    """What becomes of the assessment that it corrected, or of the correction that stands in its place."""
    if is_replaced(row):
        yield _("It was corrected already and does not count: the correction stays. Void that one, too, if needed.")
    elif row.corrects is not None and not row.corrects.is_void:
        yield _("It corrects an earlier assessment, which counts again. If that one is wrong, too, void it next.")


def of_icaht(row: IcahtAssessment) -> Consequences:
    older = row.participant.icaht_assessments.standing().filter(phase=row.phase).exclude(pk=row.pk).first()
    if older is None:
        return Consequences((_("Nobody has then confirmed this grade: the page of the blood asks for it again."),))
    values = {"at": long_moment(older.computed_at), "grade": older.final_grade}
    return Consequences((_("The grade confirmed at %(at)s stands again: %(grade)s.") % values,))


def of_event(row: AdverseEvent) -> Consequences:
    found = []
    episode = ToxicityEpisode.objects.standing().filter(adverse_event=row).first()
    if episode is not None:
        found.append(
            _("The episode “%(episode)s” has no adverse event then: the first page asks for it again.")
            % {"episode": episode}
        )
    if row.infusion is not None and not row.infusion.is_void:
        found.append(_("The reaction to the infusion has no adverse event then: the first page asks for it again."))
    return Consequences(tuple(found))


def of_discharge(row: Discharge) -> Consequences:
    text = _("Assessments at the bedside count as due from the infusion on, also for %(from)s to %(until)s.")
    until = long_moment(row.readmitted_at) if row.readmitted_at else _("now")
    return Consequences((text % {"from": long_moment(row.discharged_at), "until": until},))


def of_shift(row: Any, *, now: dt.datetime) -> Consequences:
    if row.ends_at <= now:
        return Consequences()
    text = _("%(who)s is not called between %(from)s and %(until)s; where nobody is on call, all investigators are.")
    return Consequences(
        (text % {"who": row.person, "from": long_moment(row.starts_at), "until": long_moment(row.ends_at)},)
    )


def of_guidance(row: Any) -> Consequences:
    if row.approved_at is None:
        return Consequences()
    return Consequences(
        (_("Beside this grade stands again what stood there before: the older text, or the shipped one."),)
    )
