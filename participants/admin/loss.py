"""The page on which somebody who does not answer is recorded as lost, by the study's definition, in one step."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from participants import actions
from trialsite.voiding import Consequences


class LossForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=gettext_lazy("Stands beside the status, as every reason does: add what else was tried."),
    )


def lost_view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """The attempts that make the loss, and what it changes of the visits; nothing where it is none (any more)."""
    obj = page.get_object(request, object_id)
    if obj is None or not page.has_status_permission(request):
        raise PermissionDenied
    loss = actions.loss_to_note(obj, now=timezone.now())
    if loss is None:
        messages.info(request, _("By the study's definition this participant is not lost to follow-up."))
        return HttpResponseRedirect(page.url(page.home, object_id))
    values = {"number": obj, "attempts": loss.attempts, "days": loss.over_days, "day": actions.long_date(loss.on)}
    answer: HttpResponse = page.ask(
        request,
        object_id,
        allowed=True,
        form_class=partial(LossForm, initial={"reason": "\n".join(loss.lines)}),
        consequences=Consequences(tuple(loss.changes)),
        rests_on="\n".join(loss.lines),
        title=_("Record the loss to follow-up"),
        intro=_(
            "The study calls somebody lost after %(attempts)s attempts on different days, over at least %(days)s days, "
            "that nobody answered. %(number)s is lost since %(day)s. Whoever is found again is recorded as such."
        )
        % values,
        button=_("Record as lost to follow-up"),
        act=lambda obj, data, now: actions.note_loss(obj, reason=data["reason"], by=request.user, now=now),
        done=_("The loss to follow-up is recorded."),
    )
    return answer
