"""How an action says no: with the rule, the values and the way out."""

from django.core.exceptions import ValidationError


class Refused(ValidationError):
    """What was asked for cannot be true or is not allowed; nothing was written.

    Being a ValidationError, it shows on the form that asked, which keeps what was typed.
    """
