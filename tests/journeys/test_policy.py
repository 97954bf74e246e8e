"""No page asks for what the site's policy refuses, and everything that moves still moves: in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest

from scripts.browser import browser_context, choose_language, chromium, log_in
from trialsite.local.services import Stack

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("running site"),
    pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine"),
]
WATCH = """() => {
  window.refused = [];
  document.addEventListener("securitypolicyviolation", (one) =>
    window.refused.push(`${one.effectiveDirective} ${one.blockedURI} ${one.sourceFile}:${one.lineNumber} ${one.sample}`));
}"""


class Watched:
    """A browser that notes what its pages were refused, and what failed in them."""

    def __init__(self, context: Any, site_url: str) -> None:
        self.site_url = site_url
        self.page = context.new_page()
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(f"{self.page.url}: {error}"))
        self.page.on("console", self._note)

    def _note(self, message: Any) -> None:
        if message.type == "error" and "favicon" not in message.text:
            self.faults.append(f"{self.page.url}: {message.text}")

    def open(self, path: str) -> Any:
        self.page.goto(f"{self.site_url}{path}")
        self.page.wait_for_load_state("networkidle")
        return self.page

    def menu(self) -> list[str]:
        links = self.page.locator("#nav-sidebar-apps a, #nav-sidebar a").evaluate_all(
            "all => all.map(one => one.getAttribute('href'))"
        )
        return sorted({link for link in links if link and link.startswith("/admin/")})

    def first_row(self) -> str | None:
        link = self.page.locator("#result_list tbody th a").first
        return link.get_attribute("href") if link.count() else None


@pytest.fixture
def watched(running_site: Stack) -> Iterator[Watched]:
    with browser_context() as context:
        yield Watched(context, running_site.site_url)


@pytest.mark.parametrize("username", ["coordinator", "admin"])
def test_no_page_of_the_menu_asks_for_what_the_policy_refuses(username: str, watched: Watched) -> None:
    log_in(watched.page, watched.site_url, username)
    pages = watched.menu()
    assert len(pages) > 10
    for path in pages:
        watched.open(path)
        if row := watched.first_row():
            watched.open(row)
        if watched.page.locator(f'a[href="{path}add/"]').count():
            watched.open(f"{path}add/")
    assert watched.faults == []
