"""An electronic signature: the person's own password at the moment of signing, beside what it means."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import UnfoldAdminPasswordWidget

from trialsite import locks
from trialsite.models import User


class SignatureForm(forms.Form):
    """Asks for the password of who is logged in. Wrong ones slow down signing, and never lock the login."""

    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
        help_text=_("It stands for your signature; it is checked, and not kept."),
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_password(self) -> str:
        typed: str = self.cleaned_data["password"]
        user = self.request.user
        found = checked(self.request, username=user.get_username(), password=typed)
        if found is None or found.pk != user.pk:
            raise forms.ValidationError(_("This is not your password; nothing was signed. Type it again."))
        return ""


def checked(request: HttpRequest, *, username: str, password: str) -> User | None:
    """Who signs with this password, None when it is wrong. Says how long to wait after too many wrong ones."""
    try:
        return locks.signer(request, username=username, password=password)
    except locks.Closed as closed:
        raise forms.ValidationError(
            ngettext(
                "Too many wrong passwords for this signature; nothing was signed. Try again in %(n)s minute; your "
                "login goes on.",
                "Too many wrong passwords for this signature; nothing was signed. Try again in %(n)s minutes; your "
                "login goes on.",
                minutes := closed.minutes(now=timezone.now()),
            )
            % {"n": minutes}
        ) from None
