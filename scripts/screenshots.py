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
    "crs": "/admin/safety/crsassessment/{crs}/change/",
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
    """A participant with a severe course, and their assessment of grade 3, from the first page."""
    page.goto(f"{site_url}/admin/")
    link = page.locator("a[href*='/safety/crsassessment/'][href*='/change/']").first
    crs = str(link.get_attribute("href")).split("/")[-3]
    page.goto(f"{site_url}/admin/safety/crsassessment/{crs}/change/")
    person = page.locator("a[href*='/participants/participant/'][href*='/change/']").first
    page.goto(f"{site_url}/admin/participants/participant/?status__exact=screening&o=1")
    waiting = page.locator("a[href*='/participants/participant/'][href*='/change/']").last
    screening = str(waiting.get_attribute("href")).split("/")[-3]
    page.goto(f"{site_url}/admin/participants/participant/?status__exact=lymphodepleted")
    ready = page.locator("a[href*='/participants/participant/'][href*='/change/']").first
    return {
        "crs": crs,
        "participant": str(person.get_attribute("href")).split("/")[-3],
        "screening": screening,
        "ready": str(ready.get_attribute("href")).split("/")[-3],
    }


if __name__ == "__main__":
    sys.exit(main())
