"""On a phone, in the middle of an assessment, the session ends: nothing that was typed is lost."""

import json
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
PHONE = {"width": 390, "height": 844}
END_SESSION = "from trialsite.sessions import SessionStore; SessionStore().delete('{}')"
NOTICE = ".ts-draft"


@pytest.fixture
def page(running_site: Stack) -> Iterator[Any]:
    with browser_context(**PHONE) as context:
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        log_in(page, running_site.site_url, "coordinator")
        choose_language(page, running_site.site_url, "en")
        yield page
        assert not faults, "no page may raise a script error"


def end_session(site: Stack, page: Any) -> None:
    session = next(one["value"] for one in page.context.cookies() if one["name"] == "sessionid")
    site.manage("shell", "-c", END_SESSION.format(session))


def drafts(page: Any) -> list[Any]:
    kept = page.evaluate("Object.entries(localStorage).filter(([key]) => key.startsWith('ts-draft:'))")
    return [json.loads(text) for _key, text in kept]


def log_in_again(page: Any) -> None:
    page.fill("#id_username", "coordinator")
    page.fill("#id_password", "demo-coordinator")
    page.press("#id_password", "Enter")


def open_bedside(site: Stack, page: Any) -> None:
    page.goto(f"{site.site_url}/admin/participants/participant/?status__exact=infused")
    page.locator("#result_list tbody th a").first.click()
    page.wait_for_url(re.compile(r"/participant/\d+/"))
    participant = page.url.split("/participant/")[1].split("/")[0]
    page.goto(f"{site.site_url}/admin/safety/bedsideassessment/add/?participant={participant}")


def test_a_session_that_runs_out_at_the_bed_loses_nothing(running_site: Stack, page: Any) -> None:
    open_bedside(running_site, page)
    for button in page.locator("[data-fill]").all():
        button.click()
    page.fill("#id_temperature_c", "38.7")
    for name in ("antipyretic_given", "hypotension"):
        page.locator(f'[name="{name}"][value="no"]').check()
    # Tocilizumab is on record.
    page.locator('[name="anticytokine_given"][value="yes"]').check()
    page.locator('[name="fever_attributable"][value="yes"]').check()
    page.locator('[name="oxygen_device"][value="none"]').check()
    page.locator("#ts-grades .ts-grade", has_text="CRS 1").wait_for()
    end_session(running_site, page)
    page.fill("#id_note", "seen with the night nurse")
    page.locator("#ts-grades", has_text="You are logged out").wait_for()
    assert not page.locator("#ts-grades form").count(), "no login page within the form"

    page.locator("form[data-grade-url] button[type=submit]").click()
    page.wait_for_url("**/login/**")
    log_in_again(page)
    page.locator(NOTICE, has_text="Restored").wait_for()
    assert page.input_value("#id_temperature_c") == "38.7"
    assert page.input_value("#id_note") == "seen with the night nurse"
    for name, value in (("hypotension", "no"), ("seizure", "none"), ("in_icu", "no")):
        assert page.locator(f'[name="{name}"][value="{value}"]').is_checked()
    page.locator("#ts-grades .ts-grade", has_text="CRS 1").wait_for()
    page.locator("form[data-grade-url] button[type=submit]").click()
    page.wait_for_url("**/course/**")
    assert drafts(page) == []


def test_whoever_logs_in_again_in_another_tab_saves_in_the_first(running_site: Stack, page: Any) -> None:
    open_bedside(running_site, page)
    page.fill("#id_note", "typed before")
    end_session(running_site, page)
    other = page.context.new_page()
    log_in(other, running_site.site_url, "coordinator")
    other.close()
    page.locator("form[data-grade-url] button[type=submit]").click()
    page.get_by_text("Not saved yet").first.wait_for()
    assert page.input_value("#id_note") == "typed before"


def test_a_closed_page_gives_back_what_was_typed_and_can_be_told_to_forget(running_site: Stack, page: Any) -> None:
    page.goto(f"{running_site.site_url}/admin/participants/visit/?state__exact=planned")
    page.locator("#result_list tbody th a").first.click()
    page.wait_for_url("**/change/**")
    address = page.url
    page.fill("#id_note", "the bus was late")
    page.close()
    again = page.context.new_page()
    again.goto(address)
    again.locator(NOTICE, has_text="Restored").wait_for()
    assert again.input_value("#id_note") == "the bus was late"
    again.locator(f"{NOTICE} button").click()
    again.locator(NOTICE).wait_for(state="detached")
    again.wait_for_load_state()
    assert again.input_value("#id_note") == ""
    assert drafts(again) == []


def test_identity_is_never_kept_and_a_log_out_clears_the_rest(running_site: Stack, page: Any) -> None:
    page.goto(f"{running_site.site_url}/admin/participants/participant/add/")
    page.fill("#id_name", "韩梅梅")
    page.fill("#id_phone", "13700000000")
    page.fill("#id_birth_date", "1991-02-03")
    page.fill("#id_hospital_number", "H778899")
    page.locator("#id_sex").select_option("F")
    page.wait_for_function("Object.keys(localStorage).some((key) => key.startsWith('ts-draft:'))")
    kept = json.dumps(drafts(page), ensure_ascii=False)
    assert '"sex"' in kept
    assert not [secret for secret in ("韩梅梅", "13700000000", "1991", "H778899") if secret in kept]
    page.evaluate("document.getElementById('logout-form').requestSubmit()")
    page.wait_for_url(lambda url: "/add/" not in url)
    assert drafts(page) == []


def test_rows_added_below_a_form_come_back(running_site: Stack, page: Any) -> None:
    address = f"{running_site.site_url}/admin/dosing/infusion/add/"
    page.goto(address)
    page.wait_for_load_state("load")
    for number, reason in enumerate(("fever", "chills")):
        page.locator("#interruptions-group .add-row").click()
        page.fill(f'[name="interruptions-{number}-reason"]', reason)
    page.close()
    again = page.context.new_page()
    again.goto(address)
    again.locator(NOTICE, has_text="Restored").wait_for()
    for number, reason in enumerate(("fever", "chills")):
        row = f"document.querySelector('[name=interruptions-{number}-reason]')"
        again.wait_for_function(f"{row}?.value === '{reason}'")
    assert again.input_value('[name="interruptions-TOTAL_FORMS"]') == "2"
    again.close()


def test_back_and_save_again_is_told_apart_from_a_new_entry(running_site: Stack, page: Any) -> None:
    address = f"{running_site.site_url}/admin/participants/participant/add/"
    page.goto(address)

    def type_it() -> None:
        page.fill("#id_name", "李雷")
        page.fill("#id_birth_date", "1988-02-03")
        page.locator("#id_sex").select_option("M")
        page.locator("button[name=_save]").click()

    type_it()
    page.wait_for_url(re.compile(r"/participant/\d+/"))
    page.go_back()
    page.wait_for_url("**/add/")
    type_it()
    page.get_by_text("Nothing was recorded twice").wait_for()
    page.get_by_role("link", name="See it").click()
    page.wait_for_url("**/change/**")
