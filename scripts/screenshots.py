"""The README's pictures, in both languages: python -m scripts.screenshots (needs Chromium)."""

import re
import sys
from pathlib import Path

from playwright.sync_api import Page

from scripts.browser import browser_context, choose_language, chromium, log_in
from trialsite.local.services import Stack

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
PAGES = {
    "today": "/admin/",
    "participant": "/admin/participants/participant/{participant}/",
    "eligibility": "/admin/participants/participant/{screening}/eligibility/",
    "chemistry": "/admin/participants/examination/add/?participant={screening}&panel=CHEM",
    "flow": "/admin/participants/screeninglogentry/flow/",
    "visits": "/admin/participants/visit/?participant={participant}",
    "readiness": "/admin/dosing/infusion/readiness/{ready}/",
    "infusion": "/admin/dosing/infusion/add/?participant={ready}",
    "timeline": "/admin/dosing/infusion/timeline/{participant}/",
    "bedside": "/admin/safety/bedsideassessment/add/?participant={participant}",
    "course": "/admin/safety/bedsideassessment/course/{participant}/",
    "paper": "/admin/participants/participant/{participant}/paper/",
    "notifications": "/admin/trialsite/notification/",
}
# Their picture is further down.
LONG = {"course", "paper"}


def main() -> int:
    if chromium() is None:
        print("There is no Chromium on this machine: install the package chromium.")
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with Stack(throwaway=True) as stack:
        stack.manage("prepare_database", as_owner=True)
        stack.manage("demo")
        stack.start_mailsink()
        stack.start_worker()
        stack.start_beat()
        stack.wait_for_web(stack.start_web())
        for language, suffix, locale in (("zh-hans", "zh", "zh-CN"), ("en", "en", "en-GB")):
            _photograph(stack.site_url, language, suffix, locale)
    return 0


def _photograph(site_url: str, language: str, suffix: str, locale: str) -> None:
    """Every page in one language; the locale is the browser's own, for its boxes of dates."""
    with browser_context(height=860, locale=locale) as context:
        page = context.new_page()
        log_in(page, site_url, "coordinator")
        choose_language(page, site_url, language)
        ids = _ids(page, site_url)
        for name, path in PAGES.items():
            page.goto(site_url + path.format(**ids))
            _save(page, f"{name}-{suffix}")
        _conflict(page, site_url, language)
        _save(page, f"conflict-{suffix}")
        context.clear_cookies()
        log_in(page, site_url, "datamanager")
        choose_language(page, site_url, language)
        page.goto(f"{site_url}/admin/dosing/infusion/")
        newest = str(page.locator("#result_list tbody th a").first.get_attribute("href"))
        page.goto(site_url + newest.replace("/change/", "/void/"))
        _save(page, f"void-{suffix}")


def _save(page: Page, name: str) -> None:
    page.wait_for_timeout(500)  # the theme's own animation
    page.screenshot(path=str(FOLDER / f"{name}.png"), full_page=name.partition("-")[0] in LONG)


def _conflict(page: Page, site_url: str, language: str) -> None:
    """Two people note something about one visit, another one for each language; this one comes second."""
    page.goto(f"{site_url}/admin/participants/visit/?state__exact=planned&o=-4")
    page.locator("#result_list tbody th a").nth({"zh-hans": 0, "en": 1}[language]).click()
    page.wait_for_url("**/change/**")
    browser = page.context.browser
    assert browser is not None
    with browser.new_context() as context:
        other = context.new_page()
        log_in(other, site_url, "investigator")
        other.goto(page.url)
        _note(other, "14:00")
    _note(page, "16:30")
    page.locator(".ts-conflict").wait_for()


def _note(page: Page, note: str) -> None:
    page.fill("#id_note", note)
    page.locator("button[name=_save]").click()
    page.wait_for_load_state()


def _ids(page: Page, site_url: str) -> dict[str, str]:
    """Somebody with a severe course, who was assessed lately; somebody in screening; somebody ready for the cells."""
    people = f"{site_url}/admin/participants/participant/"
    page.goto(f"{site_url}/admin/safety/toxicityepisode/?highest_grade=3&o=-4")
    page.locator("#result_list tbody th a").first.click()
    page.wait_for_url("**/change/**")
    participant = _linked(page, 0)
    page.goto(f"{people}?status__exact=screening&o=1")
    screening = _linked(page, -1)
    page.goto(f"{people}?status__exact=lymphodepleted")
    return {"participant": participant, "screening": screening, "ready": _linked(page, 0)}


def _linked(page: Page, nth: int) -> str:
    """The key of a participant to whom this page links."""
    links = [str(link.get_attribute("href")) for link in page.locator("#main a[href]").all()]
    found = [match[1] for link in links if (match := re.search(r"/participants/participant/([0-9]+)/", link))]
    return found[nth]


if __name__ == "__main__":
    sys.exit(main())
