from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse, reverse_lazy
from django.utils.functional import SimpleLazyObject
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

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Asked for by every page and shown by few: made when a template looks at it."""
        return SimpleLazyObject(lambda: super(TrialsiteAdminSite, self).get_app_list(request, app_label))

    def get_urls(self) -> list[Any]:
        from trialsite import finding, mylogins, watching

        # Rows by the number of their kind and their own: no page of ours links so, and some kinds have no table.
        ours = [
            path("my-logins/", self.admin_view(mylogins.view), name="my_logins"),
            path("records/", self.admin_view(finding.all_records), name="all_records"),
            path("watching/", self.admin_view(watching.view), name="trialsite_sweeprun_watching"),
            path("find/", self.admin_view(finding.view), name="find"),
            *self._door(),
        ]
        return [*ours, *(one for one in super().get_urls() if getattr(one, "name", None) != "view_on_site")]

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        """What a field that looks up its choices offers."""
        from trialsite.choices import ChoicesView

        view: Callable[..., Any] = ChoicesView.as_view(admin_site=self)
        answer: HttpResponse = view(request)
        return answer

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Out, with a line in the log."""
        from trialsite import security
        from trialsite.models import SecurityKind

        with transaction.atomic():
            if request.method == "POST" and request.user.is_authenticated:
                security.note(SecurityKind.LOGOUT, request=request)
            return super().logout(request, extra_context)

    def _door(self) -> list[Any]:
        """The pages of passwords, links and the second factor; all but the last stand before the login."""
        from trialsite import login

        return [
            path("link/", login.open_link, name="link"),
            # The theme's login page shows the way to an address of this name.
            path("link/ask/", login.ask_for_link, name="admin_password_reset"),
            path("first-password/", login.first_password, name="first_password"),
            path("factor/", login.factor, name="factor"),
            path("factor/setup/", login.factor_setup, name="factor_setup"),
            path("factor/missing/", login.factor_missing, name="factor_missing"),
            path("factor/codes/", self.admin_view(login.recovery_codes), name="recovery_codes"),
        ]

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """User name and password; what comes after them, until somebody is inside: see `trialsite.login`."""
        if request.method == "GET" and self.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index"))
        from trialsite import login

        context = {
            **self.each_context(request),
            "title": _("Log in"),
            "app_path": request.get_full_path(),
            "username": request.user.get_username(),
            **(extra_context or {}),
        }
        page: Callable[..., Any] = login.LoginPage.as_view(
            authentication_form=login.LoginForm, template_name="admin/login.html", extra_context=context
        )
        return page(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from django.contrib.auth.views import PasswordChangeView

        from trialsite import login

        page: Callable[..., Any] = PasswordChangeView.as_view(
            form_class=login.OwnPasswordForm,
            success_url=reverse("admin:password_change_done"),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return page(request)

    def admin_view(self, view: Callable[..., HttpResponse], cacheable: bool = False) -> Callable[..., HttpResponse]:
        """Every page of the site; each form that carries a token is taken once."""
        # The site is made before there are models.
        from trialsite import once

        def once_only(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            return once.answer(request, lambda: view(request, *args, **kwargs))

        return super().admin_view(update_wrapper(once_only, view), cacheable)
