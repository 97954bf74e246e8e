"""Taking an entry out of the count: what goes with it, what rests on it, and the act itself."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanWidget

from trialsite.models import Record
from trialsite.refusal import Refused


@dataclass(frozen=True)
class Consequences:
    """What a void would do, in sentences for the person who is about to do it.

    `follows`: what changes with it. `rests`: what others did in the belief that it was right; to void it all the same
    is asked about, and what that means for the protocol is recorded.
    """

    follows: tuple[str, ...] = ()
    rests: tuple[str, ...] = ()


class ReasonForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("Reason"), widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))


class AskingVoidForm(ReasonForm):
    is_confirmed = forms.BooleanField(
        label=gettext_lazy("I have read what rests on this entry, and void it all the same"),
        widget=UnfoldBooleanWidget,
    )


def form_for(consequences: Consequences) -> type[ReasonForm]:
    return AskingVoidForm if consequences.rests else ReasonForm


def void(record: Record, *, reason: str, by: Any, now: dt.datetime) -> None:
    """Take this one row out of the count, for good and with its reason. Raises Refused when it is void already."""
    if record.is_void:
        raise Refused(_("This entry is void already; nothing was changed."))
    record.voided_at, record.voided_by, record.void_reason = now, by, reason
    record.save(update_fields=["voided_at", "voided_by", "void_reason"])
