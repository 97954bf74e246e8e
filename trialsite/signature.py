"""An electronic signature: the person's own password at the moment of signing, beside what it means."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget


class SignatureForm(forms.Form):
    """Asks for the password of who is logged in. Wrong ones count towards the lock of the login."""

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
        found = authenticate(self.request, username=user.get_username(), password=typed)
        if found is None or found.pk != user.pk:
            raise forms.ValidationError(_("This is not your password; nothing was signed. Type it again."))
        return ""
