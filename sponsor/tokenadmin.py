"""The tokens of the sponsor's programs: issued, changed for another, and revoked by an administrator.

A token is shown once, in the answer to the form that asked for it, and kept nowhere: neither in a message, a cookie,
nor a log.
"""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
)

from sponsor import auth
from sponsor.models import SCOPE_NAMES, ApiToken
from sponsor.readadmin import ProgramFilter
from trialsite import formfields, once
from trialsite.dooradmin import MomentFilter
from trialsite.listexport import LogAdmin, person_of
from trialsite.models import User
from trialsite.refusal import Refused
from trialsite.signature import checked

USUAL_DAYS = 90
# Whose name of a program stands in logs and addresses.
PROGRAM_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{1,49}"


class PasswordForm(forms.Form):
    """Whoever finds a browser open must not take a key along."""

    password = formfields.own_password()

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        # Below all else.
        self.order_fields([name for name in self.fields if name != "password"])

    def clean_password(self) -> str:
        typed: str = self.cleaned_data["password"]
        if checked(self.request, username=self.request.user.get_username(), password=typed) is None:
            raise forms.ValidationError(_("This is not your password; nothing was done. Type it again."))
        return ""


def _days() -> forms.Field:
    return formfields.IntegerField(
        label=_("Good for (days)"),
        min_value=1,
        max_value=auth.MOST_DAYS,
        initial=USUAL_DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
    )


class RotateForm(PasswordForm):
    days = _days()


class IssueForm(PasswordForm):
    program = forms.RegexField(
        PROGRAM_NAME,
        label=_("Program"),
        help_text=_("A name such as sponsor-edc: letters, digits, hyphens. A new name is a new program."),
        error_messages={"invalid": _("2 to 50 letters, digits, dots and hyphens, such as sponsor-edc.")},
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "translate": "no"}),
    )
    scopes = forms.MultipleChoiceField(
        label=_("Good for"),
        choices=list(SCOPE_NAMES.items()),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("Give each program what it needs, and no more. It cannot be changed later."),
    )
    days = _days()


class ApiTokenAdmin(LogAdmin):
    list_display = ("token_key", "program", "scopes", "state", "expires_at", "last_used_at", "issued_at", "issued_by")
    list_filter = (("program", ProgramFilter), ("expires_at", MomentFilter))
    list_filter_submit = True
    list_select_related = ("program", "issued_by", "revoked_by")
    list_per_page = 50
    sortable_by = ("issued_at", "expires_at")
    fields = (
        "token_key",
        "program",
        "scopes",
        "state_words",
        "expires_at",
        "last_used_at",
        ("issued_at", "issued_by"),
        ("revoked_at", "revoked_by"),
    )
    readonly_fields = ("scopes", "state_words")
    export_columns = (
        "token_key",
        "program",
        "scopes",
        "state_words",
        "expires_at",
        "last_used_at",
        "issued_at",
        "issued_by",
        "revoked_at",
        "revoked_by",
    )
    actions_detail = ["rotate", "revoke"]

    @display(description=_("good for"))
    def scopes(self, row: ApiToken) -> str:
        return gettext("; ").join(str(SCOPE_NAMES[scope]) for scope in row.scopes)

    @display(description=_("state"), label={"good": "success", "expired": "warning", "revoked": "danger"})
    def state(self, row: ApiToken) -> tuple[str, str]:
        return _state(row)

    @display(description=_("state"))
    def state_words(self, row: ApiToken) -> str:
        return _state(row)[1]

    # --- what an administrator does -----------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("issue/", wrap(self.issue_view), name="sponsor_apitoken_issue"),
            path("<path:object_id>/rotate/", wrap(self.rotate_view), name="sponsor_apitoken_rotate"),
            path("<path:object_id>/revoke/", wrap(self.revoke_view), name="sponsor_apitoken_revoke"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data is not None and _may_manage(request):
            address = reverse("admin:sponsor_apitoken_issue")
            button = {"title": gettext("Issue a token…"), "icon": "add", "attrs": {}, "path": address}
            response.context_data["actions_list"] = [button, *response.context_data.get("actions_list", [])]
        return response

    def has_manage_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return _may_manage(request)

    @action(description=_("Change for a new one…"), permissions=["manage"])
    def rotate(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:sponsor_apitoken_rotate", args=[object_id]))

    @action(description=_("Revoke…"), permissions=["manage"])
    def revoke(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:sponsor_apitoken_revoke", args=[object_id]))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """No button that leads to a refusal."""
        row = self.get_object(request, str(object_id))
        return super().get_actions_detail(request, object_id) if row and row.is_good(timezone.now()) else []

    def issue_view(self, request: HttpRequest) -> HttpResponseBase:
        def act(data: dict[str, Any]) -> HttpResponse:
            by = person_of(request)
            program = auth.program_named(data["program"])
            token, _end = auth.issue_token(
                program, days=data["days"], scopes=tuple(data["scopes"]), by=by, request=request
            )
            return self._shown(request, token)

        return self._ask(
            request,
            IssueForm,
            act,
            title=_("Issue a token"),
            intro=_(
                "Whoever holds the token reads the de-identified rows of all sites, until its end. It is shown once, "
                "on the next page: pass it on by a way that nobody else reads, and not by e-mail."
            ),
            button=_("Issue"),
        )

    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        row = self._row(request, object_id)

        def act(data: dict[str, Any]) -> HttpResponse:
            by, now = person_of(request), timezone.now()
            token, _end = auth.rotate_token(row, days=data["days"], by=by, now=now, request=request)
            return self._shown(request, token)

        return self._ask(
            request,
            RotateForm,
            act,
            row=row,
            title=_("Change a token for a new one"),
            intro=_(
                "The new token is good for the same. This one goes on for a day, unless its end comes sooner, so that "
                "the program can be changed over. Was it seen by somebody else? Revoke it instead."
            ),
            button=_("Issue the new one"),
        )

    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        row = self._row(request, object_id)

        def act(data: dict[str, Any]) -> HttpResponse:
            if not auth.revoke_token(row, by=person_of(request), now=timezone.now(), request=request):
                raise Refused(_("This token has ended already."))
            messages.success(request, _("The token is revoked: the next request with it is refused."))
            return HttpResponseRedirect(_page(row))

        return self._ask(
            request,
            PasswordForm,
            act,
            row=row,
            title=_("Revoke a token"),
            intro=_("It ends at once, and cannot be taken back: the program needs another token."),
            button=_("Revoke"),
        )

    def _row(self, request: HttpRequest, object_id: str) -> ApiToken:
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        return row

    def _ask(
        self,
        request: HttpRequest,
        form_class: Callable[..., forms.Form],
        act: Callable[[dict[str, Any]], HttpResponse],
        *,
        row: ApiToken | None = None,
        **words: Any,
    ) -> HttpResponseBase:
        """The page with its form; what was done, once the form is right."""
        if not _may_manage(request):
            raise PermissionDenied
        form = form_class(request.POST if request.method == "POST" else None, request=request)
        if form.is_valid():
            try:
                return act(form.cleaned_data)
            except Refused as refusal:
                form.add_error(None, refusal)
        back = _page(row) if row else reverse("admin:sponsor_apitoken_changelist")
        original = row or self.opts.verbose_name_plural
        context = {**self.admin_site.each_context(request), "form": form, "opts": self.opts, "back": back, **words}
        return TemplateResponse(request, "admin/trialsite/ask.html", {**context, "original": original})

    def _shown(self, request: HttpRequest, token: str) -> HttpResponse:
        """The only page on which it ever stands."""
        row = ApiToken.objects.select_related("program").get(token_key=auth.key_of(token))
        once.shown(request, row)
        context = {
            **self.admin_site.each_context(request),
            "title": _("The new token"),
            "opts": self.opts,
            "token": token,
            "row": row,
            "scopes": self.scopes(row),
            "back": _page(row),
        }
        return TemplateResponse(request, "admin/sponsor/token.html", context)


def _may_manage(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.has_perm("sponsor.manage_apitoken")


def _page(row: ApiToken) -> str:
    return reverse("admin:sponsor_apitoken_change", args=[row.pk])


def _state(row: ApiToken) -> tuple[str, str]:
    if row.revoked_at is not None:
        return "revoked", pgettext("token", "revoked")
    if not row.is_good(timezone.now()):
        return "expired", pgettext("token", "ended")
    return "good", pgettext("token", "good")
