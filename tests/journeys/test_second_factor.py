"""A nurse's first day: the mailed link, a password of her own, the phone, and in; and the day without the phone."""

import re
import time
from base64 import b32decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django_otp.oath import TOTP

from scripts.browser import browser_context, chromium
from tests.conftest import demo_stack
from tests.journeys.test_processes import mails, wait_for
from trialsite.local.services import Stack

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("second factor"),
    pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine"),
]
PASSWORD = "three boats on the pearl river"


@pytest.fixture(scope="module")
def stack(filled_demo: Path) -> Iterator[Stack]:
    """The demo study, asking for a second factor as every site does that is no demo."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SECOND_FACTOR", "1")
        with demo_stack(filled_demo) as stack:
            stack.start_mailsink()
            stack.start_worker()
            stack.wait_for_web(stack.start_web())
            yield stack


@pytest.fixture
def browser(stack: Stack) -> Iterator[Any]:
    with browser_context() as context:
        yield context


class Phone:
    """An app for one-time codes, with the key that was typed into it."""

    def __init__(self, key: str) -> None:
        self.clock = TOTP(b32decode(key.replace(" ", "")))
        self.last = -1

    def code(self) -> str:
        """The newest code that was not typed yet: half a minute ahead of the clock is near enough."""
        now = time.time()
        while True:
            self.clock.time = now
            if self.clock.t() > self.last:
                self.last = self.clock.t()
                return f"{self.clock.token():06}"
            now += 30


def link_for(stack: Stack, address: str, *, after: int) -> str:
    """The link in the newest mail to this address, once there is more of them than `after`."""

    def arrived() -> list[Any]:
        to = [one for one in mails(stack.mail_folder) if one["To"] == address]
        return to if len(to) > after else []

    body = wait_for(arrived, f"the link for {address}")[-1].get_body(("plain",)).get_content()
    return re.findall(r"http://\S+/admin/link/\S+", body)[0]


def password_of(page: Any, stack: Stack, name: str, password: str) -> None:
    page.goto(f"{stack.site_url}/admin/login/")
    page.fill("#id_username", name)
    page.fill("#id_password", password)
    page.press("#id_password", "Enter")


def send(page: Any, **typed: str) -> None:
    for name, text in typed.items():
        page.fill(f"#id_{name}", text)
    page.locator(".ts-door form button[type=submit]").click()


def connect(page: Any) -> tuple[Phone, list[str]]:
    """Scans the picture, or types the key below it, and keeps the recovery codes."""
    page.locator(".ts-qr svg").wait_for()
    page.locator("details summary").click()
    phone = Phone(page.locator(".ts-secret").inner_text())
    send(page, code=phone.code())
    page.locator(".ts-codes li").first.wait_for()
    codes = page.locator(".ts-codes li").all_inner_texts()
    page.locator(".ts-door a").last.click()
    page.wait_for_url("**/admin/")
    return phone, codes


def administrator_connects(page: Any, stack: Stack) -> Phone:
    """The demo's administrator has a password and no phone: the link for it is mailed."""
    password_of(page, stack, "admin", "demo-admin")
    page.wait_for_url("**/factor/missing/")
    send(page)
    page.goto(link_for(stack, "admin@demo.invalid", after=0))
    send(page, password="demo-admin")
    return connect(page)[0]


def administrator_adds(page: Any, stack: Stack) -> None:
    page.goto(f"{stack.site_url}/admin/trialsite/user/add/")
    assert page.locator("input[type=password]").count() == 0
    page.fill("#id_username", "nina")
    page.fill("#id_email", "nina@demo.invalid")
    page.locator("#id_groups label", has_text=re.compile("Coordinator|协调员")).first.click()
    page.locator("#id_sites label").first.click()
    page.locator("button[name=_save]").click()
    page.wait_for_url("**/change/")


def log_out(page: Any, stack: Stack) -> None:
    page.goto(f"{stack.site_url}/admin/")
    page.evaluate("document.getElementById('logout-form').submit()")
    page.wait_for_url(re.compile("logout|login"))


def test_a_nurse_gets_a_login_that_is_hers_alone(stack: Stack, browser: Any) -> None:
    chief = browser.new_page()
    administrator_connects(chief, stack)
    administrator_adds(chief, stack)
    link = link_for(stack, "nina@demo.invalid", after=0)
    page = browser.browser.new_context().new_page()
    page.goto(link)
    assert "t=" not in page.url
    send(page, new_password1=PASSWORD, new_password2=PASSWORD)
    phone, codes = connect(page)
    assert len(codes) == 10
    log_out(page, stack)

    password_of(page, stack, "nina", PASSWORD)
    page.wait_for_url("**/factor/")
    send(page, code=phone.code())
    page.wait_for_url("**/admin/")
    log_out(page, stack)

    password_of(page, stack, "nina", PASSWORD)
    send(page, code="000000")
    page.locator(".errors").wait_for()
    page.goto(f"{stack.site_url}/admin/participants/participant/")
    page.wait_for_url("**/admin/login/**")

    password_of(page, stack, "nina", PASSWORD)
    while page.url.endswith("/factor/"):  # after a wrong code one waits a second
        send(page, code=codes[0])
    assert page.url.endswith("/admin/")
    log_out(page, stack)

    password_of(page, stack, "nina", PASSWORD)
    send(page, code=codes[0])
    page.locator(".errors").wait_for()
    page.goto(link)
    assert page.locator("input[type=password]").count() == 0, "the link of the first day is used up"
