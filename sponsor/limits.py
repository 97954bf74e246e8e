"""How often a program may ask, and how often an address without a token; the counts lie in the database's cache."""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from django.core.cache import cache
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from trialsite.middleware import client_ip


def caller(request: Request) -> str:
    """Who is counted: the program, or else the address; of an IPv6 address its network, which is one subscriber's."""
    if request.user and request.user.is_authenticated:
        return f"program-{request.user.pk}"
    try:
        address = ip_address(client_ip(request._request))
    except ValueError:
        return "nowhere"
    return str(ip_network((address, 64), strict=False) if isinstance(address, IPv6Address) else address)


class Limit(SimpleRateThrottle):
    duration: int  # seconds, read from the rate

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return f"api-{self.scope}-{caller(request)}"

    def wait(self) -> float | None:
        """Never None: whoever is sent away is told when to come again."""
        return super().wait() or self.duration


class PerProgram(Limit):
    scope = "program"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return super().get_cache_key(request, view) if request.user.is_authenticated else None


class PerAddress(Limit):
    """Without a good token, right or wrong."""

    scope = "address"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return None if request.user.is_authenticated else super().get_cache_key(request, view)


def is_told_already(request: Request) -> bool:
    """Whether this caller was sent away within the last minute, too: a flood leaves one row, not one for each."""
    return not cache.add(f"api-sent-away-{caller(request)}", True, 60)


class Negotiation(DefaultContentNegotiation):
    """A format that we do not write is refused as such, rather than as an address that is not there."""

    def filter_renderers(self, renderers: Any, format: str) -> Any:
        known = [renderer for renderer in renderers if renderer.format == format]
        if not known:
            raise NotAcceptable(available_renderers=renderers)
        return known
