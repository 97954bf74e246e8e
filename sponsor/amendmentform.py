"""What is asked before a case report that was sent is amended."""

from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from trialsite import formfields
from trialsite.fields import PLEASE_CHOOSE


class AmendmentForm(forms.Form):
    """Who was told, how, and why it was wrong."""

    recipient = forms.ChoiceField(label=_("To be told"), widget=UnfoldAdminSelectWidget)
    reason = forms.CharField(
        label=_("Why it is amended"),
        max_length=2000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("The recipient reads it, in the message itself. Name nobody."),
    )
    reference = formfields.LineField(
        label=_("Reference"),
        max_length=80,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("The recipient's number, or how it was told, such as by e-mail."),
    )

    def __init__(self, *args: Any, recipients: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("forms.ChoiceField", self.fields["recipient"]).choices = [("", PLEASE_CHOOSE), *recipients]
