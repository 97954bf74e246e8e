"""Where a browser could keep no login, a page says so; a trial without TLS is one switch."""

from typing import Any

import pytest
from django.test import Client

from tests.test_deployment import manage


@pytest.mark.parametrize(
    ("changed", "headers"),
    [
        pytest.param({}, {}, id="no-proxy-in-front"),
        pytest.param({"BEHIND_TLS_PROXY": False}, {"x-forwarded-proto": "https"}, id="a-word-that-is-not-taken"),
        pytest.param({"SECURE_SSL_REDIRECT": False}, {"x-forwarded-proto": "http"}, id="nobody-is-sent-on"),
    ],
)
def test_a_browser_that_could_keep_no_login_is_told_why(
    changed: dict[str, bool], headers: dict[str, str], settings: Any
) -> None:
    for name, value in {"BEHIND_TLS_PROXY": True, "SECURE_SSL_REDIRECT": True, **changed}.items():
        setattr(settings, name, value)
    settings.SESSION_COOKIE_SECURE = True
    answer = Client().get("/admin/login/", headers={**headers, "accept-language": "en"})
    assert answer.status_code == 403
    assert "set WITHOUT_TLS=1" in answer.content.decode()


def test_a_trial_without_tls_keeps_plain_cookies_and_says_that_it_is_one() -> None:
    told = (
        "from django.conf import settings as s; from trialsite import ready; "
        "print(s.SESSION_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.SECURE_SSL_REDIRECT, s.SECURE_HSTS_SECONDS); "
        "print(*ready._address())"
    )
    there = {"SITE_URL": "http://trial.test:8000", "ALLOWED_HOSTS": "trial.test"}
    done = manage("shell", "-v", "0", "-c", told, WITHOUT_TLS="1", **there)
    assert done.stdout.splitlines()[0].split() == ["sessionid", "False", "False", "0"], done
    assert "in clear" in done.stdout
    assert "a browser keeps our logins over TLS alone" in manage("shell", "-v", "0", "-c", told, **there).stdout
