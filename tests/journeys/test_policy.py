"""No page asks for what the site's policy refuses, and everything that moves still moves: in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest

from scripts.browser import DRAWN, browser_context, choose_language, chromium, log_in
from trialsite.local.services import Stack

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("running site"),
    pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine"),
]


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
        self.page.goto(f"{self.site_url}{path}", wait_until="load")
        # The theme's scripts have run, and what they show is drawn.
        self.page.evaluate(DRAWN)
        return self.page

    def menu(self) -> list[str]:
        """The side bar, and all records behind it."""
        self.open("/admin/records/")
        links = self.page.locator("#nav-sidebar-apps a, #nav-sidebar a, .ts-records a").evaluate_all(
            "all => all.map(one => one.getAttribute('href'))"
        )
        return sorted({link for link in links if link and link.startswith("/admin/")})


@pytest.fixture
def watched(running_site: Stack) -> Iterator[Watched]:
    with browser_context() as context:
        yield Watched(context, running_site.site_url)


def test_no_page_of_the_menu_asks_for_what_the_policy_refuses(watched: Watched) -> None:
    """Of a role's own day; whatever else there is, somebody with all rights walks over elsewhere."""
    log_in(watched.page, watched.site_url, "coordinator")
    pages = watched.menu()
    assert len(pages) > 10
    for path in pages:
        watched.open(path)
    assert watched.faults == []


def test_the_policy_is_at_work(watched: Watched) -> None:
    """What the other tests would see, if a page carried it."""
    page = watched.open("/admin/login/")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\" onclick=\"x()\">x</p>')")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))"
    )
    page.wait_for_function("true")
    assert page.evaluate("window.ran") is None
    assert len([fault for fault in watched.faults if "Content Security Policy" in fault]) >= 2


def test_what_moves_on_a_page_still_moves(watched: Watched) -> None:
    page = watched.page
    log_in(page, watched.site_url, "coordinator")
    choose_language(page, watched.site_url, "en")
    _chooses_by_typing(watched)
    _chooses_a_day(watched)
    _searches(watched)
    _switches_the_theme(watched)
    _switches_the_language(watched)
    assert watched.faults == []


def _chooses_by_typing(watched: Watched) -> None:
    page = watched.open("/admin/dosing/medication/add/")
    page.locator(".select2-selection").first.click()
    page.locator(".select2-search__field").fill("ZJ")
    page.locator(".select2-results__option", has_text="ZJ-").first.click()
    assert "ZJ-" in page.locator(".select2-selection__rendered").first.inner_text()


def _chooses_a_day(watched: Watched) -> None:
    page = watched.page
    page.locator("a[id^=calendarlink]").first.click()
    page.locator(".calendarbox:visible .calendar td a").first.click()
    assert page.input_value("#id_started_at_0")


def _searches(watched: Watched) -> None:
    """By the keys alone: a page by its name, and a form for a participant by number and verb."""
    page = watched.open("/admin/")
    for key, words, then in (("/", "infusions", "/infusion/"), ("Control+k", "enter results zj-1", "?participant=")):
        page.keyboard.press(key)
        page.keyboard.type(words)
        page.locator(f"#ts-finder-list [aria-selected] a[href*='{then}']").first.wait_for()
        while then not in (page.locator("[aria-selected=true] a").get_attribute("href") or ""):
            page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{then}**")
    page = watched.open("/admin/")
    page.locator("a.ts-find").click()
    page.keyboard.type("visits")
    page.locator("#ts-finder-list li").first.wait_for()
    page.keyboard.press("Escape")
    page.locator("#ts-finder").wait_for(state="hidden")


def _switches_the_theme(watched: Watched) -> None:
    page = watched.open("/admin/")
    for theme in ("light", "dark", "light"):
        page.keyboard.press("Control+e")
        page.locator(f"html.{theme}").wait_for(state="attached")


def _switches_the_language(watched: Watched) -> None:
    """The person's menu opens, and its buttons are pressed."""
    page = watched.open("/admin/")
    for words, then in (("简体中文", "今天要做什么"), ("English", "What must be done today?")):
        page.locator("[x-on\\:click*='openUserLinks =']").last.click()
        page.get_by_role("button", name=words).click()
        page.get_by_text(then).first.wait_for()
