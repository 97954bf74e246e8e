"""System checks of Trialsite's own settings, each with the way out."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from trialsite.fieldkeys import decrypt, encrypt


@checks.register
def field_keys(**kwargs: Any) -> list[checks.CheckMessage]:
    try:
        decrypt(encrypt("a", "check"), "check")
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="trialsite.E001")]
    return []


@checks.register(checks.Tags.security, deploy=True)
def site_url(**kwargs: Any) -> list[checks.CheckMessage]:
    if settings.SITE_URL.startswith("https://"):
        return []
    return [
        checks.Warning(
            f"SITE_URL is {settings.SITE_URL}: links in e-mails would not use TLS.",
            hint="Set SITE_URL to the https:// address that people use.",
            id="trialsite.W001",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def second_factor(**kwargs: Any) -> list[checks.CheckMessage]:
    if settings.SECOND_FACTOR:
        return []
    return [
        checks.Warning(
            "SECOND_FACTOR is off: whoever learns a password can log in and sign.",
            hint="Leave SECOND_FACTOR out, or set it to 1.",
            id="trialsite.W002",
        )
    ]
