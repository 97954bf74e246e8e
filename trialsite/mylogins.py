"""Everybody's own page: where one is logged in, and what wrong passwords have closed; ended and unlocked there."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from trialsite import formfields, locks, sessions
from trialsite.models import User
from trialsite.reading import read_key
from trialsite.signature import checked

OTHERS = "others"


class UnlockForm(forms.Form):
    """Whoever finds a browser open must not open the way for more guesses."""

    password = formfields.own_password()

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_password(self) -> str:
        typed: str = self.cleaned_data["password"]
        if checked(self.request, username=self.request.user.get_username(), password=typed) is None:
            raise forms.ValidationError(_("This is not your password; nothing was unlocked. Type it again."))
        return ""


def view(request: HttpRequest) -> HttpResponse:
    form = UnlockForm(request.POST if "unlock" in request.POST else None, request=request)
    if "end" in request.POST:
        _end(request)
        return HttpResponseRedirect(reverse("admin:my_logins"))
    if form.is_valid():
        _unlock(request)
        return HttpResponseRedirect(reverse("admin:my_logins"))
    return TemplateResponse(request, "admin/trialsite/my_logins.html", _context(request, form))


def _context(request: HttpRequest, form: UnlockForm) -> dict[str, Any]:
    now = timezone.now()
    mine = sessions.alive(now=now).filter(person=_me(request))
    here = request.session.digest  # type: ignore[attr-defined]
    return {
        **admin.site.each_context(request),
        "title": gettext("My logins"),
        "logins": [{"row": row, "is_here": row.session_key == here} for row in mine],
        "locks": locks.of_login(_me(request)).filter(closed_until__gt=now),
        "form": form,
    }


def _me(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "the admin lets nobody in without a login"
    return request.user


def _end(request: HttpRequest) -> None:
    here = request.session.digest  # type: ignore[attr-defined]
    others = sessions.alive(now=timezone.now()).filter(person=_me(request)).exclude(session_key=here)
    asked = request.POST["end"]
    number = read_key(asked)
    wanted = others if asked == OTHERS else others.filter(pk__in=[] if number is None else [number])
    count = sessions.end(wanted, by=_me(request), request=request)
    text = ngettext("%(n)s login was ended.", "%(n)s logins were ended.", count)
    messages.success(request, text % {"n": count})


def _unlock(request: HttpRequest) -> None:
    locks.unlock(locks.of_login(_me(request)), by=_me(request), request=request)
    messages.success(request, _("Unlocked: you can log in from everywhere again. If it was not you, tell your site."))
