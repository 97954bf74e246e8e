"""One form, one entry: two presses of a button, two tabs, back and save again give one row.

Every form carries a token. The view that takes the form runs in one transaction with the row of its token, so that
of two that come at once the second waits for the first, and is then answered with where the entry is.
"""

import datetime as dt
import hashlib
import secrets
from collections.abc import Callable

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from trialsite import errors
from trialsite.models import FormToken

# No field of a model has such a name.
FIELD = "_once"
# The cookie with the token of the form that was saved last.
SAVED = "ts_saved"
# A page that stood open for longer is not sent by accident.
KEPT = dt.timedelta(days=30)


def token_for(request: HttpRequest) -> str:
    """A new one for each page; a page shown again with what was typed keeps the one that it was sent with."""
    return request.POST.get(FIELD) or f"{request.user.pk}.{secrets.token_urlsafe(16)}"


def made(request: HttpRequest, row: Model) -> None:
    """Notes what the form has made, so that whoever sends it again is shown the way there."""
    request.made = row  # type: ignore[attr-defined]


def shown(request: HttpRequest, row: Model) -> None:
    """As `made`, where the answer itself shows what can be shown only now: sent again, the form makes no other."""
    made(request, row)
    request.is_shown = True  # type: ignore[attr-defined]


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A page that is older than the login leads back to itself, where what was typed is restored."""
    if not request.path.startswith(reverse("admin:index")) or request.path == reverse("admin:login"):
        return errors.csrf_failure(request, reason)
    messages.warning(request, _("The page was older than your login; nothing was saved yet. Look, and save again."))
    return HttpResponseRedirect(request.get_full_path())


def answer(request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
    """The view's answer; for a token that has made something already, the way to that."""
    token = request.POST.get(FIELD, "") if request.method == "POST" else ""
    if not token:
        return view()
    if token.partition(".")[0] != str(request.user.pk):
        return _of_somebody_else(request)
    with transaction.atomic():
        facts = {"user": request.user, "created_at": timezone.now()}
        row, is_new = FormToken.objects.get_or_create(digest=_digest(token), defaults=facts)
        if not is_new:
            return _saved(_already(request, row), token)
        response = view()
        if _has_recorded(request, response):
            row.path = _path(request, response)
            row.save(update_fields=["path"])
            return _saved(response, token)
        # Nothing was recorded: the same page may be sent again, mended.
        row.delete()
        return response


def forget_old(*, now: dt.datetime) -> int:
    """Tokens of pages that nobody has open any more."""
    count, _by_model = FormToken.objects.filter(created_at__lt=now - KEPT).delete()
    return count


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _saved(response: HttpResponse, token: str) -> HttpResponse:
    """Tells the browser that its draft of this form is no longer needed."""
    response.set_cookie(SAVED, token, max_age=3600, secure=settings.CSRF_COOKIE_SECURE, samesite="Lax")
    return response


def _of_somebody_else(request: HttpRequest) -> HttpResponse:
    """The page was opened by one person, and another has logged in since: nobody signs for what others typed."""
    messages.error(
        request,
        _(
            "Somebody else had opened this page; nothing was saved. What was typed is kept in this browser for "
            "that person: it is there after logging in again."
        ),
    )
    return HttpResponseRedirect(request.get_full_path())


def _has_recorded(request: HttpRequest, response: HttpResponse) -> bool:
    """A form that was taken leads on to another page; one that was not is shown again."""
    is_popup = IS_POPUP_VAR in request.POST and hasattr(request, "made")
    return 300 <= response.status_code < 400 or is_popup or hasattr(request, "is_shown")


def _path(request: HttpRequest, response: HttpResponse) -> str:
    row: Model | None = getattr(request, "made", None)
    if row is not None:
        try:
            return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
        except NoReverseMatch:
            pass
    return response.headers.get("Location", "")


def _already(request: HttpRequest, row: FormToken) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": _("Already recorded"), "path": row.path}
    return TemplateResponse(request, "admin/trialsite/already.html", context)
