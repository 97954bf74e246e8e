"""An electronic signature: the person's own password at the moment of signing, beside what it means."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from trialsite import formfields, locks
from trialsite.models import User


class SignatureForm(forms.Form):
    """Asks for the password of who is logged in. Wrong ones slow down signing, and never lock the login."""

    password = formfields.own_password(help_text=_("It stands for your signature; it is checked, and not kept."))

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_password(self) -> str:
        check_password(self.request, self.cleaned_data["password"])
        return ""

    def clean(self) -> dict[str, Any]:
        """It is no part of what is signed."""
        cleaned = super().clean() or self.cleaned_data
        cleaned.pop("password", None)
        return cleaned


def check_password(request: HttpRequest, typed: str) -> None:
    """Raises ValidationError unless it is the password of who is logged in."""
    user = request.user
    found = checked(request, username=user.get_username(), password=typed)
    if found is None or found.pk != user.pk:
        raise forms.ValidationError(_("This is not your password; nothing was signed. Type it again."))


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


def signed(form_class: Any) -> Any:
    """The same form, which asks for the password below all else; it wants the `request`."""
    return type(f"Signed{form_class.__name__}", (SignatureForm, form_class), {})


def password_for_own_grade(**attrs: Any) -> forms.CharField:
    """Beside a grade that may differ from the computed one: only a grade of one's own is signed."""
    text = _("Only for another grade than the computed one: it stands for your signature, and is not kept.")
    return formfields.own_password(help_text=text, required=False, **attrs)


def check_own_grade(form: Any, request: HttpRequest) -> None:
    """Adds an error to a form with a grade of one's own and no right password."""
    typed = form.cleaned_data.pop("password", "")
    if form.errors or form.cleaned_data.get("investigator_grade") is None:
        return
    if not typed:
        form.add_error("password", _("Another grade than the computed one is signed: type your password."))
        return
    try:
        check_password(request, typed)
    except forms.ValidationError as error:
        form.add_error("password", error)
