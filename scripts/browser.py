"""The machine's own Chromium, driven by Playwright: for the browser test and for the README's pictures."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import BrowserContext, Page, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# As root (in a container) Chromium has no sandbox of its own; the other flags keep it from asking the network.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# When what was shown is drawn; a page that draws no more frames, which happens, is waited for a second, not for ever.
DRAWN = """() => new Promise((then) => {
  setTimeout(then, 1000);
  requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(then)));
})"""


def chromium() -> str | None:
    """The path of a Chromium on this machine, or None."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


@contextmanager
def browser_context(*, width: int = 1360, height: int = 900, locale: str = "en-US") -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        viewport = {"width": width, "height": height}
        yield browser.new_context(viewport=viewport, locale=locale, timezone_id="Asia/Shanghai")  # type: ignore[arg-type]
        browser.close()


def log_in(page: Page, site_url: str, username: str) -> None:
    """As one of the demo people, and on to the first page."""
    page.goto(f"{site_url}/admin/login/")
    page.fill("#id_username", username)
    page.fill("#id_password", f"demo-{username}")
    page.press("#id_password", "Enter")
    page.wait_for_url("**/admin/")


def choose_language(page: Page, site_url: str, language: str) -> None:
    token = next(c["value"] for c in page.context.cookies() if c["name"] == "csrftoken")
    page.context.request.post(
        f"{site_url}/i18n/setlang/",
        form={"language": language, "csrfmiddlewaretoken": token},
        headers={"Referer": f"{site_url}/admin/"},
    )
