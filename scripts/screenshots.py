"""The README's pictures, in both languages: python -m scripts.screenshots (needs Chromium)."""

import sys
from pathlib import Path

from playwright.sync_api import Page

from scripts.browser import browser_context, choose_language, chromium, log_in
from trialsite.local.services import Stack

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
PAGES = {
    "today": "/admin/",
    "participant": "/admin/participants/participant/{participant}/change/",
    "eligibility": "/admin/participants/participant/{screening}/eligibility/",
    "chemistry": "/admin/participants/examination/add/?participant={screening}&panel=CHEM",
    "flow": "/admin/participants/screeninglogentry/flow/",
    "visits": "/admin/participants/visit/?participant={participant}",
    "readiness": "/admin/dosing/infusion/readiness/{ready}/",
    "infusion": "/admin/dosing/infusion/add/?participant={ready}",
    "timeline": "/admin/dosing/infusion/timeline/{participant}/",
    "bedside": "/admin/safety/bedsideassessment/add/?participant={participant}",
    "course": "/admin/safety/bedsideassessment/course/{participant}/",
    "notifications": "/admin/trialsite/notification/",
}


def main() -> int:
    if chromium() is None:
        print("There is no Chromium on this machine: install the package chromium.")
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with Stack(throwaway=True) as stack, browser_context(height=860) as context:
        stack.manage("prepare_database", as_owner=True)
        stack.manage("demo")
        stack.start_mailsink()
        stack.start_worker()
        stack.start_beat()
        stack.wait_for_web(stack.start_web())
        page = context.new_page()
        log_in(page, stack.site_url, "coordinator")
        ids = _ids(page, stack.site_url)
        for language, suffix in (("zh-hans", "zh"), ("en", "en")):
            choose_language(page, stack.site_url, language)
            for name, path in PAGES.items():
                page.goto(stack.site_url + path.format(**ids))
                page.wait_for_timeout(500)  # the theme's own animation
                page.screenshot(path=str(FOLDER / f"{name}-{suffix}.png"))
    return 0


def _ids(page: Page, site_url: str) -> dict[str, str]:
    """Somebody with a severe course, who was assessed lately; somebody in screening; somebody ready for the cells."""
    page.goto(f"{site_url}/admin/safety/toxicityepisode/?highest_grade=3&o=-4")
    page.locator("#result_list tbody th a").first.click()
    person = page.locator("a[href*='/participants/participant/'][href*='/change/']").first
    page.goto(f"{site_url}/admin/participants/participant/?status__exact=screening&o=1")
    waiting = page.locator("a[href*='/participants/participant/'][href*='/change/']").last
    screening = str(waiting.get_attribute("href")).split("/")[-3]
    page.goto(f"{site_url}/admin/participants/participant/?status__exact=lymphodepleted")
    ready = page.locator("a[href*='/participants/participant/'][href*='/change/']").first
    return {
        "participant": str(person.get_attribute("href")).split("/")[-3],
        "screening": screening,
        "ready": str(ready.get_attribute("href")).split("/")[-3],
    }


if __name__ == "__main__":
    sys.exit(main())
