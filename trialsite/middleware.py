"""What every request carries: the person's language, and who acts from where for the audit trail."""

from collections.abc import Callable

import pghistory
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header

from trialsite import callers, problems

GetResponse = Callable[[HttpRequest], HttpResponse]


def is_api(request: HttpRequest) -> bool:
    """Whether a program asks, which reads JSON."""
    return f"{request.path}/".startswith("/api/")


def programs_language(request: HttpRequest) -> str:
    """English, unless the program asks for another language that we speak."""
    for code, _quality in parse_accept_lang_header(request.META.get("HTTP_ACCEPT_LANGUAGE", "")):
        try:
            return translation.get_supported_language_variant(code)
        except LookupError:
            continue
    return "en"


def _language(request: HttpRequest) -> str:
    """The person's own choice, else the cookie of the login page, else what the browser asks for."""
    if is_api(request):
        return programs_language(request)
    if request.user.is_authenticated:
        return request.user.language
    return translation.get_language_from_request(request)


class WatchedMiddleware:
    """Who asks how the site does is nobody: a cookie makes no answer depend on a session, nor on the database."""

    PATHS = ("/healthz", "/readyz", "/metrics")

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path in self.PATHS:
            request.META.pop("HTTP_COOKIE", None)
        return self.get_response(request)


class NeedsTlsMiddleware:
    """Who asks without TLS is told why that leads nowhere, where sending on to https would not help.

    A program that speaks to the API is refused: one that was sent on would hand out its token in clear for ever. A
    browser is sent on where a proxy says that it was asked without TLS; without such a word there is no proxy in front,
    or one that does not say, and the browser would be sent round in a circle or keep no login.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.is_secure() or request.path in WatchedMiddleware.PATHS:
            return self.get_response(request)
        if settings.SECURE_SSL_REDIRECT and is_api(request):
            with translation.override(programs_language(request)):
                return problems.response("tls-required", request=request)
        if settings.SESSION_COOKIE_SECURE and not is_api(request) and not self._is_sent_on(request):
            from trialsite import errors  # it needs what stands here

            return errors.without_tls(request)
        return self.get_response(request)

    def _is_sent_on(self, request: HttpRequest) -> bool:
        told = settings.BEHIND_TLS_PROXY and "HTTP_X_FORWARDED_PROTO" in request.META
        return bool(settings.SECURE_SSL_REDIRECT and told)


class UserLanguageMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with translation.override(_language(request)):
            request.LANGUAGE_CODE = translation.get_language()
            response = self.get_response(request)
            response.headers.setdefault("Content-Language", request.LANGUAGE_CODE)
        return response


class AuditContextMiddleware:
    """Writes who and from where into every audit row that this request causes."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in {"GET", "HEAD", "OPTIONS"}:
            return self.get_response(request)
        user = request.user.get_username() if request.user.is_authenticated else None
        with pghistory.context(user=request.user.pk, username=user, ip=client_ip(request), path=request.path):
            return self.get_response(request)


def client_ip(request: HttpRequest) -> str:
    """The address that asks, as far as the trusted proxies say."""
    peer, forwarded = request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", "")
    return callers.address(peer, forwarded, proxies=settings.NUM_PROXIES)
