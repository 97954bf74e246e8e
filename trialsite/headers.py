"""What every answer tells the browser: what may run in the page, and that nothing of it is kept or shared."""

from collections.abc import Callable
from typing import Any

from csp.constants import UNSAFE_EVAL
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest, HttpResponse, HttpResponseBase

# No page needs a camera, a place, a payment or another of a browser's powers.
POWERS = (
    "accelerometer",
    "autoplay",
    "camera",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "publickey-credentials-get",
    "screen-wake-lock",
    "usb",
    "xr-spatial-tracking",
)
HEADERS = {
    "Permissions-Policy": ", ".join(f"{power}=()" for power in POWERS),
    "Cross-Origin-Resource-Policy": "same-origin",
    # Shared computers on a ward: the next person's "back" button shows nothing.
    "Cache-Control": "no-store",
}


def evaluates(request: Any) -> None:
    """This page carries the theme's Alpine.js, which runs the expressions of its attributes."""
    request.has_alpine = True


class PolicyMiddleware(CSPMiddleware):
    """The policy of the settings; only a page that carries Alpine may evaluate text."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if getattr(request, "has_alpine", False):
            parts.update = {**(parts.update or {}), "script-src": [UNSAFE_EVAL]}
        return parts


class HeadersMiddleware:
    """Beside those of Django's own middleware; a view that sets one of them knows better."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response
