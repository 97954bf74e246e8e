"""Verbs of a person's own reminders: how they come, and who reads them while the person is away."""

import datetime as dt

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from participants.actions.days import long_date, site_day
from participants.actions.reminders import STAFF
from participants.models import Absence, ReminderPreference
from trialsite.models import User
from trialsite.refusal import Refused


@transaction.atomic
def choose_reminders(
    *, person: User, is_single: bool, quiet_from: dt.time | None, quiet_until: dt.time | None
) -> ReminderPreference:
    """How this person is reminded from now on. Raises Refused for one hour without the other."""
    if (quiet_from is None) != (quiet_until is None):
        raise Refused(_("Give both hours, or neither: then those of the study hold."))
    row, _new = ReminderPreference.objects.get_or_create(person=person)
    row.is_single, row.quiet_from, row.quiet_until = is_single, quiet_from, quiet_until
    row.save()
    return row


def possible_deputies(person: User) -> QuerySet[User]:
    """Who may read this person's reminders: people who work with the visits at each of the person's sites."""
    sites = list(person.sites.all())
    if not sites:
        return User.objects.none()
    people = User.objects.filter(is_active=True, groups__name__in=[role.value for role in STAFF])
    for site in sites:
        people = people.filter(sites=site)
    return people.exclude(email="").exclude(pk=person.pk).order_by("username").distinct()


@transaction.atomic
def plan_absence(
    *, person: User, first_on: dt.date, last_on: dt.date, deputy: User | None, now: dt.datetime
) -> Absence:
    """Days on which somebody else reads this person's reminders; both days included.

    Raises Refused for days that are over or in the wrong order, that another absence has, or a deputy who may not
    read them.
    """
    today = site_day(now)
    if last_on < first_on:
        raise Refused(
            _("The last day, %(last)s, is before the first, %(first)s. Correct one of them.")
            % {"last": long_date(last_on), "first": long_date(first_on)}
        )
    if last_on < today:
        raise Refused(
            _("These days are over: today is %(today)s. Only days to come can be handed on.")
            % {"today": long_date(today)}
        )
    _check_others(person, first_on, last_on)
    if deputy is not None and not possible_deputies(person).filter(pk=deputy.pk).exists():
        raise Refused(
            _("%(deputy)s cannot stand in: choose somebody with an e-mail who works with the visits of your sites.")
            % {"deputy": deputy}
        )
    return Absence.objects.create(person=person, first_on=first_on, last_on=last_on, deputy=deputy)


def _check_others(person: User, first_on: dt.date, last_on: dt.date) -> None:
    # One after the other: two absences typed at once would both find nothing.
    User.objects.select_for_update().get(pk=person.pk)
    other = person.absences.filter(taken_back_at=None, first_on__lte=last_on, last_on__gte=first_on).first()
    if other is not None:
        raise Refused(
            _("You are away from %(first)s to %(last)s already: take that back first, or choose other days.")
            % {"first": long_date(other.first_on), "last": long_date(other.last_on)}
        )


@transaction.atomic
def take_absence_back(*, absence: Absence, now: dt.datetime) -> bool:
    """The person reads their own reminders again; False where it was taken back already."""
    return bool(Absence.objects.filter(pk=absence.pk, taken_back_at=None).update(taken_back_at=now))
