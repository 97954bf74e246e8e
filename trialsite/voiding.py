"""Taking an entry out of the count: what goes with it, what rests on it, and the act itself."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanWidget

from trialsite import questions, signing
from trialsite.models import Meaning, Record
from trialsite.refusal import Refused


@dataclass(frozen=True)
class Consequences:
    """What a void would do, in sentences for the person who is about to do it.

    `follows`: what changes with it. `rests`: what others did in the belief that it was right; to void it all the same
    is asked about, and what that means for the protocol is recorded.
    """

    follows: tuple[str, ...] = ()
    rests: tuple[str, ...] = ()

    def __add__(self, other: "Consequences") -> "Consequences":
        return Consequences(self.follows + other.follows, self.rests + other.rests)


def entangled(record: Record) -> Consequences:
    """Every record that points at this one: what is part of it falls with it, all others stay and rest on it."""
    follows, rests = [], []
    for field in pointing_at(type(record)):
        count = field.model._default_manager.standing().filter(**{field.name: record}).count()
        values = {"kind": field.model._meta.verbose_name_plural, "count": count}
        if count and field.name in field.model.part_of:
            follows.append(_("%(kind)s: %(count)s go with it.") % values)
        elif count:
            rests.append(_("%(kind)s: %(count)s point at it, and stay.") % values)
    return Consequences(tuple(follows), (*rests, *questions.rests_on(record)))


def pointing_at(model: type[Record]) -> list[Any]:
    """The fields of all records, of every app, that point at rows of this model."""
    links = model._meta.concrete_model._meta.get_fields(include_hidden=True)  # type: ignore[union-attr]
    backwards = [link.field for link in links if link.auto_created and not link.concrete]  # type: ignore[union-attr]
    return [field for field in backwards if issubclass(field.model, Record)]


class ReasonForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("Reason"), widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))


class AskingVoidForm(ReasonForm):
    is_confirmed = forms.BooleanField(
        label=gettext_lazy("I have read what rests on this entry, and void it all the same"),
        widget=UnfoldBooleanWidget,
    )


def form_for(consequences: Consequences) -> type[ReasonForm]:
    return AskingVoidForm if consequences.rests else ReasonForm


def void_parts(record: Record, *, reason: str, by: Any, now: dt.datetime) -> None:
    """Void the rows that are part of this one, which fall with it anyway: so that what was theirs alone, such as a
    product's lot, is free for the right entry."""
    for field in pointing_at(type(record)):
        if field.name in field.model.part_of:
            rows = list(field.model._default_manager.standing().filter(**{field.name: record}))
            void_rows(rows, reason=reason, by=by, now=now)


def void_rows(rows: list[Any], *, reason: str, by: Any, now: dt.datetime) -> None:
    """Rows of one model that go with another entry, all at once."""
    if rows:
        found = type(rows[0])._default_manager.filter(pk__in=[row.pk for row in rows])
        found.update(voided_at=now, voided_by=by, void_reason=reason)
        signing.sign(*rows, meaning=Meaning.VOID, by=by, is_own=False)


@transaction.atomic
def void(record: Record, *, reason: str, by: Any, now: dt.datetime, by_rule: bool = False) -> None:
    """Take this one row out of the count, for good and with its reason. Raises Refused when it is void already.

    What was answered when it was saved goes with it, whatever kind of row it is. It is signed by the person;
    `by_rule`: it follows from something else that the person did, and was not asked for by itself.
    """
    # Somebody else may have voided it since it was read.
    stored = type(record)._default_manager.select_for_update(of=("self",)).get(pk=record.pk)
    if stored.is_void:
        raise Refused(_("This entry is void already; nothing was changed."))
    record.voided_at, record.voided_by, record.void_reason = now, by, reason
    record.save(update_fields=["voided_at", "voided_by", "void_reason"])
    signing.sign(record, meaning=Meaning.VOID, by=by, is_own=not by_rule)
    questions.take_back(record, reason=reason, by=by, now=now)
