"""Every page of the site on a phone, in both languages and both themes: nothing beyond the edge, axe finds nothing,
and no page asks for what the site's policy refuses.

The addresses come from the code, so that a new page is among them by itself.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse
from playwright.sync_api import Error

from scripts.browser import DRAWN, browser_context, choose_language, chromium, log_in
from tests.test_error_pages import names, patterns
from trialsite.local.services import Stack

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine"),
]

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1366, "height": 768}
# axe, and how its findings are said: the rule, the element, and what to do.
AXE = (
    files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    + """;window.amiss = async (where, rules) => {
  const found = await axe.run(where, { runOnly: rules, resultTypes: ["violations"], preload: false });
  return found.violations.flatMap((rule) => rule.nodes.map((node) =>
    `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary.split("\\n").slice(1).join("; ")}`));
}; undefined;"""
)
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# What one theme may break and the other not.
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
ROW = re.compile(r"/admin/([a-z]+)/([a-z]+)/(\d+)/")
# Who logs out sees no more; a file is no page.
NO_PAGE = {"logout", "jsi18n", "autocomplete", "template", "flow_file"}
# What each model has of its own; all else is one page, of whichever model it is asked. The lists are the menu: they are
# walked in both languages; the forms are made of the same fields in both.
# The menu is given all rules in both languages; of what else is walked in both, each walk gives them to every other
# page, and to the rest those of the colours.
MENU = 40
LISTS, FORMS = {"changelist"}, {"add", "change"}

# What is amiss with the page as it stands: too wide, found by axe, a state that colour alone tells, and seconds where
# nobody measured any.
LOOK = """async (rules) => {
  document.querySelectorAll("#main details").forEach((one) => { one.open = true; });
  // A table that has no room becomes cards once it is seen.
  await new Promise((then) => setTimeout(then, 100));
  const edge = window.innerWidth, all = document.documentElement;
  const name = (one) => one.tagName.toLowerCase() + (one.id ? "#" + one.id : "") +
    [...one.classList].slice(0, 3).map((word) => "." + word).join("");
  const isFramed = (one) => one && one !== document.body &&
    (getComputedStyle(one).overflowX !== "visible" || isFramed(one.parentElement));
  const wide = all.scrollWidth <= edge ? [] : [`the page is ${all.scrollWidth} px wide`,
    ...[...document.body.querySelectorAll("*")]
      .filter((one) => one.getBoundingClientRect().right > edge && !isFramed(one.parentElement))
      .map((one) => `${name(one)} ends at ${Math.round(one.getBoundingClientRect().right)} px`).slice(0, 5)];
  // Only a picture scrolls in its frame, and a table of so many columns that it is one.
  const sideways = [...document.querySelectorAll("#main .ts-scroll")]
    .filter((one) => one.scrollWidth > one.clientWidth + 1 && !one.querySelector("svg, thead th:nth-child(17)"))
    .map((one) => `${name(one)} scrolls: ${one.textContent.trim().slice(0, 40)}`);
  const seconds = !location.pathname.endsWith("/add/") ? [] : [...document.querySelectorAll("#main input")]
    .filter((one) => /^\\d\\d:\\d\\d:\\d\\d/.test(one.value)).map((one) => `${name(one)} says seconds: ${one.value}`);
  const states = ".ts-state, .ts-grade, .ts-count, .ts-late, .ts-broken, .ts-error, [class*=ts-tone-], .ts-alarm, " +
    ".ts-attention, .ts-suggested-note, .ctcae-chosen, [class*=bg-green-], [class*=bg-red-], [class*=bg-orange-]";
  const wordless = [...document.querySelectorAll("#main :is(" + states + "):not(input)")]
    .filter((one) => !one.textContent.trim() && !one.ariaLabel)
    .map((one) => `${name(one)} tells its state by colour alone`);
  const unsaid = document.documentElement.lang.startsWith("zh") ? [] : [...document.querySelectorAll("#main *")]
    .filter((one) => !one.children.length && !one.closest("[lang|=zh], script, style"))
    .filter((one) => /\\p{Script=Han}/u.test(one.textContent) && !/[a-z]/i.test(one.textContent))
    .map((one) => `${name(one)} is Chinese and does not say so: ${one.textContent.trim().slice(0, 20)}`).slice(0, 5);
  // The menu is the same on every page: it is looked at where it is opened. A dozen rows are like all others.
  document.querySelectorAll("#main tbody > tr:nth-child(n+13), #result_list > tbody:nth-of-type(n+7)")
    .forEach((one) => one.remove());
  return [...wide, ...sideways, ...seconds, ...wordless, ...unsaid,
    ...await amiss({ exclude: ["#nav-sidebar"] }, rules)];
}"""
# At a desk: the name of what is open stands in the head, whole; the fields beside each other, and tables, have room.
HEAD = """() => {
  const wide = document.documentElement.scrollWidth;
  return [...document.querySelectorAll("#header-inner h1, #header-inner h1 .truncate")]
    .filter((one) => one.scrollWidth > one.clientWidth + 1)
    .map((one) => `the head cuts “${one.textContent.trim()}”`)
    .concat(wide > innerWidth ? [`the page is ${wide} px wide at a desk`] : [])
    .concat([...document.querySelectorAll("#main .ts-scroll")]
      .filter((one) => one.scrollWidth > one.clientWidth + 1 && !one.querySelector("svg, thead th:nth-child(17)"))
      .map((one) => `at a desk this scrolls: ${one.textContent.trim().slice(0, 40)}`));
}"""


@dataclass
class Walk:
    """An open page, the rows that were met on the way, and what was amiss at each address."""

    page: Any
    site_url: str
    of_each_model: set[str]
    turn: int
    keys: dict[str, str] = field(default_factory=dict)
    amiss: dict[str, list[str]] = field(default_factory=dict)
    menu: set[str] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.refused.append(str(error)))
        self.page.on("console", self._note)

    def _note(self, said: Any) -> None:
        """All errors but that an address of the walk is no page, which it is asked anyway; that is told late."""
        is_of_the_walk = "Failed to load resource" in said.text and "/static/" not in said.location["url"]
        if said.type == "error" and not is_of_the_walk:
            self.refused.append(said.text)

    def look(self, address: str, *, is_whole: bool = True) -> None:
        if not self._is_page(address):
            return
        self.page.evaluate(AXE)
        if found := [*self.page.evaluate(LOOK, WCAG if is_whole else COLOURS), *self._at_a_desk(), *self.refused]:
            self.amiss[address] = found
        for app, model, key in ROW.findall(self.page.content()):
            self.keys.setdefault(f"{app}_{model}_", key)

    def _is_page(self, address: str) -> bool:
        """A page of the site: no part of one, no file, no refusal, and none that was seen under its own address."""
        self.refused.clear()
        try:
            response = self.page.goto(self.site_url + address)
        except Error:
            return False
        is_new = self.page.url not in self.seen
        self.seen.append(self.page.url)
        return is_new and response.ok and bool(self.page.title())

    def _at_a_desk(self) -> list[str]:
        if not self.page.locator("#header-inner ul.container li, #main .field-row, #main .ts-scroll").count():
            return []
        self.page.set_viewport_size(DESK)
        self.page.evaluate(DRAWN)
        found: list[str] = self.page.evaluate(HEAD)
        self.page.set_viewport_size(PHONE)
        return found

    def addresses(self) -> Iterator[tuple[str, bool]]:
        """The lists first: they say which rows there are; then all pages of those rows, of each kind one. And whether
        it is this walk's turn to look at all of the page."""
        # Somebody of whom there is something to show.
        yield f"{reverse('admin:participants_participant_changelist')}?status__exact=infused", True
        for page in admin.site._registry.values():
            yield reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist"), True
        kinds: set[str] = set()
        for number, one in enumerate(patterns()):
            start, kind = _parts(one.name)
            known = f"{start}{kind}" if kind in self.of_each_model else kind
            key = self.keys.get(start) or self.keys["participants_participant_"]
            if known not in kinds and kind not in NO_PAGE and (kind != "change" or start in self.keys):
                kinds.add(known)
                address = reverse(f"admin:{one.name}", kwargs=names(one, key))
                yield address, address in self.menu or kind in FORMS or number % 2 == self.turn


def _parts(name: str) -> tuple[str, str]:
    """`participants_visit_change` is ("participants_visit_", "change"); a page of no model has no start."""
    for page in admin.site._registry.values():
        start = f"{page.opts.app_label}_{page.opts.model_name}_"
        if name.startswith(start):
            return start, name.removeprefix(start)
    return "", name


@pytest.mark.parametrize(
    ("language", "theme", "of_each_model", "turn", "most"),
    [
        pytest.param("zh-hans", "light", LISTS | FORMS, 0, 150, marks=pytest.mark.xdist_group("all pages in Chinese")),
        pytest.param("en", "dark", LISTS, 1, 90, marks=pytest.mark.xdist_group("all pages in English")),
    ],
    ids=["zh-hans-light", "en-dark"],
)
def test_no_page_is_wider_than_a_phone_and_axe_finds_nothing(
    running_site: Stack, language: str, theme: Any, of_each_model: set[str], turn: int, most: int
) -> None:
    with browser_context(**PHONE) as context:
        walk = Walk(context.new_page(), running_site.site_url, of_each_model, turn)
        walk.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        walk.look("/admin/login/")
        log_in(walk.page, running_site.site_url, "admin")
        choose_language(walk.page, running_site.site_url, language)
        walk.page.goto(f"{running_site.site_url}{reverse('admin:all_records')}")
        walk.menu |= set(walk.page.eval_on_selector_all("#main a", "all => all.map((one) => one.pathname)"))
        assert len(walk.menu) > MENU
        for address, is_whole in walk.addresses():
            walk.look(address, is_whole=is_whole)
    assert len(walk.seen) > most
    assert walk.amiss == {}
