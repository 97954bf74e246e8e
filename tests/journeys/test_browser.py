"""A coordinator at a keyboard: logs in, logs an infusion, sees the visits."""

import datetime as dt
import re
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


@pytest.fixture(scope="module")
def page(running_site: Stack) -> Iterator[Any]:
    with browser_context() as context:
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        log_in(page, running_site.site_url, "coordinator")
        yield page
        assert not faults, "no page may raise a script error"


def test_the_first_page_speaks_chinese_first(running_site: Stack) -> None:
    """To somebody who never chose a language: no other test logs in as this person."""
    with browser_context() as context:
        page = context.new_page()
        log_in(page, running_site.site_url, "datamanager")
        page.get_by_text("今天要做什么").first.wait_for()


def test_a_coordinator_logs_an_infusion_and_sees_the_visits(running_site: Stack, page: Any) -> None:
    choose_language(page, running_site.site_url, "en")
    page.goto(f"{running_site.site_url}/admin/participants/participant/?status__exact=lymphodepleted")
    link = page.locator("#result_list tbody th a").first
    number = link.inner_text().split()[0]
    link.click()
    page.get_by_role("link", name="May we infuse?").first.click()
    lot = page.get_by_text("is “thawed”").first.inner_text().split()[1]
    page.get_by_role("link", name="Check identity").first.click()
    for person in ("coordinator", "investigator"):
        page.fill("#id_participant_code", number)
        page.fill("#id_product_code", lot)
        page.fill("#id_username", person)
        page.fill("#id_password", f"demo-{person}")
        page.get_by_role("button", name="Sign").click()
    page.get_by_text("2 of 2 people have signed").first.wait_for()
    page.get_by_role("link", name="Log an infusion").first.click()
    now = dt.datetime.now(dt.timezone(dt.timedelta(hours=8)))
    page.fill("#id_product_lot", lot)
    for name in ("infused_at", "ended_at"):
        page.fill(f"#id_{name}_0", f"{now:%Y-%m-%d}")
        page.fill(f"#id_{name}_1", f"{now:%H:%M}")
    page.fill("#id_volume_given_ml", "27")
    page.locator("button[name=_save]").click()
    page.get_by_text("more than was left").first.wait_for()
    assert page.input_value("#id_product_lot") == lot, "a refusal keeps what was typed"
    page.fill("#id_volume_given_ml", "20")
    page.locator("button[name=_save]").click()
    page.get_by_text("follow-up visits were planned").first.wait_for()
    page.goto(f"{running_site.site_url}/admin/participants/visit/?q={number}")
    # The name stands between them.
    page.locator("#result_list a", has_text=re.compile(rf"{number}\b.*· D1$")).first.wait_for()


def test_a_crs_assessment_shows_its_grade_and_reason(running_site: Stack, page: Any) -> None:
    page.goto(f"{running_site.site_url}/admin/safety/crsassessment/")
    page.locator("#result_list tbody th a").first.click()
    page.get_by_text("ASTCT 2019").first.wait_for()
    page.locator(".ts-grade").first.wait_for()


IN_VIEW = """frame => {
  const place = (part) => part.getBoundingClientRect();
  const names = place(frame.querySelector(".ts-names"));
  const newest = place(frame.querySelector("[data-picture]")).left + Number(frame.dataset.newest);
  return {
    page: document.documentElement.scrollWidth,
    scrolls: frame.scrollWidth > frame.clientWidth,
    names: Math.round(names.left - place(frame).left),
    newest: newest > names.right && newest <= place(frame).right,
  };
}"""


def test_pictures_on_a_phone_scroll_in_their_own_frame_and_show_the_newest_day(running_site: Stack, page: Any) -> None:
    wide = page.viewport_size
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{running_site.site_url}/admin/participants/participant/?status__exact=infused")
    participant = str(page.locator("#result_list tbody th a").first.get_attribute("href")).split("/")[-2]
    for path in ("dosing/infusion/timeline", "safety/bedsideassessment/course"):
        page.goto(f"{running_site.site_url}/admin/{path}/{participant}/")
        seen = page.locator("[data-newest]").evaluate(IN_VIEW)
        assert seen["page"] == 390, "the page itself does not scroll sideways"
        assert seen["scrolls"], "the picture does, in its frame"
        assert seen["names"] in (0, 1), "the names of the lines stay in view"
        assert seen["newest"], "the newest day is in view"
    page.set_viewport_size(wide)
