from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse_lazy
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite


class TrialsiteAdminSite(UnfoldAdminSite):
    """The site's pages for its staff."""

    index_title = _("What must be done today?")
    site_url = None
    login_url = reverse_lazy("admin:login")

    def get_urls(self) -> list[Any]:
        from trialsite import mylogins

        # Rows by the number of their kind and their own: no page of ours links so, and some kinds have no table.
        inherited = [one for one in super().get_urls() if getattr(one, "name", None) != "view_on_site"]
        return [path("my-logins/", self.admin_view(mylogins.view), name="my_logins"), *inherited]

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Out, with a line in the log."""
        from trialsite import security
        from trialsite.models import SecurityKind

        with transaction.atomic():
            if request.method == "POST" and request.user.is_authenticated:
                security.note(SecurityKind.LOGOUT, request=request)
            return super().logout(request, extra_context)

    def admin_view(self, view: Callable[..., HttpResponse], cacheable: bool = False) -> Callable[..., HttpResponse]:
        """Every page of the site; each form that carries a token is taken once."""
        # The site is made before there are models.
        from trialsite import once

        def once_only(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            return once.answer(request, lambda: view(request, *args, **kwargs))

        return super().admin_view(update_wrapper(once_only, view), cacheable)
