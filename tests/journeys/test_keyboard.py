"""The work of a day without a mouse: Tab, Enter, Space, arrows and Escape, the focus always in sight, no trap."""

from collections.abc import Iterator
from typing import Any

import pytest

from scripts.browser import browser_context, choose_language, chromium, log_in
from tests.journeys.test_everywhere import AXE, PHONE, WCAG
from trialsite.local.services import Stack

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("running site"),
    pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine"),
]

# More stops than any page has: who needs more of them is caught in something.
TRAP = 400
CHOICE = ".select2-results__option[aria-selected], .select2-results__option--selectable"
# Where the keyboard is: nothing on the way out of the page; else the element, and what is wrong with seeing it.
STOP = """(wanted) => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const style = getComputedStyle(one), place = one.getBoundingClientRect();
  const top = Math.max(place.top, 0), bottom = Math.min(place.bottom, innerHeight);
  const at = document.elementFromPoint(place.left + Math.min(place.width / 2, 40), (top + bottom) / 2);
  const isSeen = place.width > 1 && (one.contains(at) || at?.contains(one) || at?.closest("label")?.control === one);
  const isMarked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const words = (one.getAttribute("aria-label") || one.labels?.[0]?.textContent || one.title || one.textContent ||
    one.querySelector("[title]")?.title || one.value || "").trim();
  return {
    name: `${one.tagName.toLowerCase()}${one.id ? "#" + one.id : ""} “${words.slice(0, 40)}”`,
    amiss: [isSeen ? "" : "is covered", isMarked ? "" : "is not marked", words ? "" : "has no name"].filter(Boolean),
    isWanted: Boolean(wanted) && one.matches(wanted),
  };
}"""


class Keyboard:
    """Somebody who has no mouse; what they could not see is kept."""

    def __init__(self, page: Any, site_url: str) -> None:
        self.page, self.site_url = page, site_url
        self.amiss: dict[str, list[str]] = {}

    def open(self, path: str) -> None:
        self.page.goto(self.site_url + path)

    def stop(self, wanted: str = "") -> Any:
        self.press("Tab")
        at = self.page.evaluate(STOP, wanted)
        if at and at["amiss"]:
            self.amiss[f"{self.page.url.removeprefix(self.site_url)} {at['name']}"] = at["amiss"]
        return at

    def tab_to(self, wanted: str) -> None:
        for _stop in range(TRAP):
            at = self.stop(wanted)
            if at and at["isWanted"]:
                return
        raise AssertionError(f"the keyboard does not get to {wanted} on {self.page.url}")

    def tab_through(self) -> int:
        """From the top of the page until it is left."""
        for count in range(TRAP):
            if self.stop() is None and count:
                return count
        raise AssertionError(f"the keyboard is caught on {self.page.url}")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def is_at(self, selector: str) -> None:
        self.page.wait_for_function("(wanted) => document.activeElement.matches(wanted)", arg=selector)

    def look(self) -> list[str]:
        """What opened just now, to axe."""
        self.page.evaluate(AXE)
        found: list[str] = self.page.evaluate("(tags) => amiss(document, tags)", WCAG)
        return found


def at_the_keyboard(page: Any, site_url: str, username: str) -> Keyboard:
    page.emulate_media(reduced_motion="reduce")
    log_in(page, site_url, username)
    choose_language(page, site_url, "en")
    return Keyboard(page, site_url)


@pytest.fixture(scope="module")
def keys(running_site: Stack) -> Iterator[Keyboard]:
    with browser_context(**PHONE) as context:
        yield at_the_keyboard(context.new_page(), running_site.site_url, "coordinator")


@pytest.fixture
def somebody(keys: Keyboard) -> str:
    """A participant who was infused: the number of the row."""
    keys.open("/admin/participants/participant/?status__exact=infused")
    link = str(keys.page.locator("#result_list tbody th a").first.get_attribute("href"))
    return link.partition("participant/")[2].partition("/")[0]


def test_every_stop_is_in_sight_and_no_page_keeps_the_keyboard(keys: Keyboard, somebody: str) -> None:
    keys.amiss.clear()
    for path in (
        "/admin/",
        "/admin/participants/visit/",
        f"/admin/participants/participant/{somebody}/",
        f"/admin/dosing/infusion/timeline/{somebody}/",
        f"/admin/safety/bedsideassessment/course/{somebody}/",
        f"/admin/safety/bedsideassessment/add/?participant={somebody}",
        "/admin/safety/adverseevent/add/",
    ):
        keys.open(path)
        assert keys.tab_through() > 2, path
    assert keys.amiss == {}


def test_the_first_stop_leads_past_the_menu(keys: Keyboard) -> None:
    keys.open("/admin/")
    keys.tab_to("#ts-words")
    keys.press("Enter", "Tab")
    assert keys.page.evaluate("document.activeElement.closest('#content') !== null")


def test_the_menu_opens_closes_and_leads_on(keys: Keyboard) -> None:
    keys.open("/admin/")
    keys.tab_to("[role=button][aria-label=Menu]")
    keys.press("Enter")
    keys.is_at("#nav-sidebar *")
    assert keys.look() == []
    keys.press("Escape")
    keys.is_at("[role=button][aria-label=Menu][aria-expanded=false]")
    assert not keys.page.locator("#nav-sidebar").is_visible()
    keys.press(" ")
    keys.is_at("#nav-sidebar *")
    keys.tab_to("#nav-sidebar a[href='/admin/participants/visit/']")
    keys.press("Enter")
    keys.page.wait_for_url("**/admin/participants/visit/")


def test_a_list_is_filtered(keys: Keyboard) -> None:
    keys.open("/admin/participants/visit/")
    keys.tab_to("[role=button][aria-expanded]:not([aria-label])")
    keys.press("Enter")
    keys.is_at("#changelist-filter *")
    assert keys.look() == []
    keys.press("Escape")
    keys.page.locator("#changelist-filter").wait_for(state="hidden")
    keys.press("Enter")
    keys.is_at("#changelist-filter *")
    keys.tab_to("#changelist-filter a[href*='=']")
    keys.press("Enter")
    keys.page.wait_for_url("**/participants/visit/?*")


def test_an_adverse_event_gets_its_participant_and_its_term(keys: Keyboard) -> None:
    keys.open("/admin/safety/adverseevent/add/")
    keys.tab_to(".select2-selection")
    keys.press("Enter")
    keys.page.locator(CHOICE).first.wait_for()
    assert keys.look() == []
    with keys.page.expect_request("**/autocomplete/**") as asked:
        keys.page.keyboard.type("王小明")
    assert (asked.value.method, "term" in asked.value.url) == ("POST", False), "a name never stands in an address"
    with keys.page.expect_response("**/autocomplete/**"):
        keys.press(*["Backspace"] * 3)
    keys.page.locator(CHOICE).first.wait_for()
    keys.press("ArrowDown", "Enter")
    keys.page.wait_for_function("document.querySelector('#id_participant').value !== ''")
    keys.tab_to("#id_ctcae_code")
    keys.page.keyboard.type("fever")
    keys.page.locator(".ctcae-list li").first.wait_for()
    assert keys.look() == []
    keys.press("ArrowDown", "Enter")
    keys.page.locator(".ctcae-card").wait_for()
    keys.page.keyboard.type("x")
    keys.press("Escape")
    assert keys.page.locator(".ctcae-list").is_hidden()
    keys.tab_to("button[name=_save], input[name=_save]")


def test_a_bedside_assessment_is_answered(keys: Keyboard, somebody: str) -> None:
    keys.open(f"/admin/safety/bedsideassessment/add/?participant={somebody}")
    keys.tab_to("[name=antipyretic_given]")
    keys.press(" ", "ArrowDown")
    assert keys.page.locator("[name=antipyretic_given]:checked").count() == 1
    keys.tab_to("main summary, #main summary")
    was = keys.page.evaluate("document.activeElement.parentElement.open")
    keys.press("Enter")
    assert keys.page.evaluate("document.activeElement.parentElement.open") is not was
    keys.tab_to(".ts-savebar button[type=submit]")


PEOPLE = "/admin/participants/participant/"
SIGNATURE = ("#id_participant_code", "#id_product_code", "#id_username", "#id_password")


@pytest.mark.parametrize(
    ("who", "listed", "dialog", "boxes"),
    [
        pytest.param(
            "datamanager", "/admin/safety/adverseevent/", "{row}void/", ("#id_reason", "#id_password"), id="void"
        ),
        pytest.param(
            "investigator", f"{PEOPLE}?status__exact=screening", "{row}confirm/", ("#id_password",), id="confirm"
        ),
        pytest.param(
            "coordinator",
            f"{PEOPLE}?status__exact=infused",
            "/admin/dosing/infusion/identity/{key}/",
            SIGNATURE,
            id="sign",
        ),
    ],
)
def test_a_dialog_is_filled_in_sent_and_left(
    keys: Keyboard, who: str, listed: str, dialog: str, boxes: tuple[str, ...]
) -> None:
    somebody_else = keys.page.context.browser.new_page(viewport=PHONE)
    keys = at_the_keyboard(somebody_else, keys.site_url, who)
    keys.open(listed)
    link = str(keys.page.locator("#result_list tbody th a").first.get_attribute("href"))
    row = link.partition("?")[0].replace("/change/", "/")
    address = dialog.format(row=row, key=row.rstrip("/").rpartition("/")[2])
    keys.open(address)
    assert keys.look() == []
    assert keys.tab_through() > 2
    keys.open(address)
    for box in boxes:
        keys.tab_to(box)
        keys.page.keyboard.type("not so")
    keys.tab_to("#content button[type=submit]")
    with keys.page.expect_navigation():
        keys.press("Enter")
    # The password was wrong: the dialog says so, and the way out of it is as near.
    assert keys.page.url == keys.site_url + address
    assert keys.page.locator(".ts-error, .errorlist, [class*=bg-red-]").count()
    assert keys.look() == []
    keys.tab_to("#content .ts-buttons a")
    with keys.page.expect_navigation():
        keys.press("Enter")
    assert keys.page.url != keys.site_url + address
    assert keys.amiss == {}
    somebody_else.close()
