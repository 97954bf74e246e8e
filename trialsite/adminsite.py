from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite


class TrialsiteAdminSite(UnfoldAdminSite):
    """The site's pages for its staff."""

    index_title = _("What must be done today?")
    site_url = None
    login_url = reverse_lazy("admin:login")

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """The theme would write its colours into a style without a nonce: our template writes them with one."""
        context = super().each_context(request)
        return {**context, "colors": None, "theme_colours": context["colors"]}

    def get_urls(self) -> list[Any]:
        # Rows by the number of their kind and their own: no page of ours links so, and some kinds have no table.
        return [one for one in super().get_urls() if getattr(one, "name", None) != "view_on_site"]

    def admin_view(self, view: Callable[..., HttpResponse], cacheable: bool = False) -> Callable[..., HttpResponse]:
        """Every page of the site; each form that carries a token is taken once."""
        # The site is made before there are models.
        from trialsite import once

        def once_only(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            return once.answer(request, lambda: view(request, *args, **kwargs))

        return super().admin_view(update_wrapper(once_only, view), cacheable)
