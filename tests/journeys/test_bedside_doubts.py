"""Two days of a course on a phone, with every pair of answers typed that does not go together."""

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
PHONE = {"width": 390, "height": 844}
SHANGHAI = dt.timezone(dt.timedelta(hours=8))
# Given before: a “no” would be asked about, too.
TREATED = {"antipyretic_given": "no", "anticytokine_given": "yes"}
WELL = {**TREATED, "hypotension": "no", "oxygen_device": "none"}
LOW = {
    "hypotension": "yes",
    "hypotension_attributable": "yes",
    "fluids_given": "yes",
    "vasopressors": "none",
    "vasopressin": "no",
}


@pytest.fixture(scope="module")
def page(running_site: Stack) -> Iterator[Any]:
    with browser_context(**PHONE) as context:
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        log_in(page, running_site.site_url, "coordinator")
        choose_language(page, running_site.site_url, "en")
        yield page
        assert not faults, "no page may raise a script error"


@pytest.fixture(scope="module")
def address(running_site: Stack, page: Any) -> str:
    page.goto(f"{running_site.site_url}/admin/participants/participant/?status__exact=infused")
    page.locator("#result_list tbody th a").first.click()
    page.wait_for_url(re.compile(r"/participant/\d+/"))
    participant = page.url.split("/participant/")[1].split("/")[0]
    return f"{running_site.site_url}/admin/safety/bedsideassessment/add/?participant={participant}"


def look(page: Any, address: str, hours_ago: int, **typed: str) -> None:
    """A fresh form, of so many hours ago, where nothing but this was seen."""
    page.goto(address)
    at = dt.datetime.now(SHANGHAI) - dt.timedelta(hours=hours_ago)
    page.fill("#id_assessed_at_0", f"{at:%Y-%m-%d}")
    page.fill("#id_assessed_at_1", f"{at:%H:%M}")
    for button in page.locator("[data-fill]").all():
        button.click()
    type_(page, **typed)


def type_(page: Any, **typed: str) -> None:
    for name, value in typed.items():
        page.fill(f"#id_{name}", value)


def touch(page: Any, **chosen: str) -> None:
    for name, value in chosen.items():
        page.locator(f'[name="{name}"][value="{value}"]').check()


def send(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], "nothing hangs over the edge"
    page.locator("form[data-grade-url] button[type=submit]").click()


def doubted(page: Any, *sentences: str) -> None:
    """It is not saved, and the page asks about what was typed."""
    send(page)
    page.get_by_text("Not saved yet").wait_for()
    for sentence in sentences:
        page.get_by_text(sentence).first.wait_for()


def saved(page: Any, *grades: str) -> None:
    for grade in grades:
        page.locator("#ts-grades .ts-grade", has_text=grade).wait_for()
    send(page)
    page.wait_for_url("**/course/**")


def test_the_first_evening_the_pressures_are_doubted(page: Any, address: str) -> None:
    look(page, address, 46, temperature_c="38.6", systolic="12", diastolic="7")
    touch(page, **WELL, fever_attributable="yes")
    doubted(page, "12/7 mmHg is hardly a blood pressure", "12/7 mmHg, but “no hypotension”")
    type_(page, systolic="120", diastolic="70")
    saved(page, "CRS 1", "ICANS 0")

    look(page, address, 36, temperature_c="39.4", systolic="40", diastolic="70")
    touch(page, **WELL, fever_attributable="yes")
    doubted(page, "The diastolic pressure, 70, is above the systolic, 40")
    type_(page, systolic="70", diastolic="40")
    doubted(page, "70/40 mmHg, but “no hypotension”: is that so?")
    touch(page, **LOW)
    saved(page, "CRS 2", "ICANS 0")


def test_in_the_morning_oxygen_and_vasopressors_are_doubted(page: Any, address: str) -> None:
    look(page, address, 24, temperature_c="39.0", systolic="84", diastolic="50", spo2_percent="80")
    touch(page, **{**WELL, **LOW}, fever_attributable="yes")
    page.locator('[name="anticytokines"][value="tocilizumab"]').check()
    page.locator('[name="vasopressors"][value="none"]').uncheck()
    touch(page, vasopressors="norepinephrine")
    # The mind is changed: what was named stays in sight, and is asked about.
    touch(page, hypotension="no")
    assert page.locator('[name="vasopressors"][value="norepinephrine"]').is_visible()
    assert not page.locator('[name="fluids_given"]').first.is_visible()
    doubted(page, "norepinephrine is running, but “no hypotension”", "SpO₂ 80 % on room air")
    touch(page, hypotension="yes", oxygen_device="hfnc", oxygen_reason="crs_hypoxia")
    assert page.locator('[name="fluids_given"][value="yes"]').is_checked(), "a changed mind loses nothing"
    doubted(page, "“high-flow nasal cannula” without its flow: how many L/min?")
    type_(page, oxygen_flow_l_min="40")
    saved(page, "CRS 3", "ICANS 0")


def test_what_was_given_is_known_at_the_time_of_the_assessment_and_not_before(page: Any, address: str) -> None:
    page.goto(address)
    given = page.locator('[name="anticytokine_given"][value="yes"]')
    page.locator('[name="anticytokine_given"][value="yes"]:checked').wait_for()
    at = dt.datetime.now(SHANGHAI) - dt.timedelta(days=60)
    page.fill("#id_assessed_at_0", f"{at:%Y-%m-%d}")
    page.fill("#id_assessed_at_1", f"{at:%H:%M}")
    page.locator('[data-hint="anticytokine_given"]').wait_for(state="hidden")
    assert not given.is_checked()


def test_at_night_consciousness_is_doubted_and_a_changed_mind_loses_nothing(page: Any, address: str) -> None:
    look(page, address, 12, temperature_c="38.2")
    touch(page, **WELL, fever_attributable="yes", consciousness="unarousable_or_vigorous")
    touch(page, consciousness_attributable="yes", counts="no", seizure="clinical_resolves_rapidly")
    page.locator("[data-fill]").first.click()
    assert page.locator('[name="seizure"][value="clinical_resolves_rapidly"]').is_checked()
    assert page.locator('[name="consciousness"][value="unarousable_or_vigorous"]').is_checked()
    page.locator(".ts-left", has_text="left as it is").first.wait_for()
    touch(page, ice_performed="not_done")
    assert not page.locator('[name="counts"]').first.is_visible()
    touch(page, ice_performed="yes")
    assert page.locator('[name="counts"][value="no"]').is_checked()
    touch(page, counts="yes")
    doubted(page, "ICE 10 of 10 beside “unarousable, or by vigorous touch only; stupor, coma”")
    touch(page, ice_performed="unable_unarousable", consciousness="alert")
    doubted(page, "ICE “unable, cannot be aroused” beside the consciousness “alert”")
    touch(page, consciousness="unarousable_or_vigorous", consciousness_attributable="yes")
    saved(page, "CRS 1", "ICANS 4")


def test_the_last_look_begins_as_last_time_and_capd_is_doubted(page: Any, address: str) -> None:
    page.goto(address)
    page.get_by_role("link", name="As last time").click()
    page.wait_for_url("**as_last=**")
    page.locator("#ts-grades", has_text="of last time are not confirmed yet").wait_for()
    at = dt.datetime.now(SHANGHAI) - dt.timedelta(hours=1)
    page.fill("#id_assessed_at_0", f"{at:%Y-%m-%d}")
    page.fill("#id_assessed_at_1", f"{at:%H:%M}")
    assert page.input_value("#id_temperature_c") == "", "what is measured is measured now"
    type_(page, temperature_c="36.9")
    touch(page, **TREATED)
    touch(page, ice_performed="yes", consciousness="alert", seizure="none")
    for button in page.locator("[data-fill]").all():
        button.click()
    doubted(page, "Look again, and confirm it or change it.")
    page.get_by_text("CAPD instead of ICE", exact=True).click()
    touch(page, use_capd="yes")
    type_(page, capd_score="0")
    for box in page.locator('[name="still_so"]:visible').all():
        box.check()
    doubted(page, "ICE 10 of 10 and CAPD 0: only CAPD is graded then", "years: from 12 years on ICE is used")
    assert page.locator(".ts-whose").is_visible(), "whose form it is"
    page.fill('[name="question_answer"]', "development is delayed since birth; the neurologist used both")
    saved(page, "CRS 0", "ICANS 0")
    page.get_by_text("CRS 3").first.wait_for()
