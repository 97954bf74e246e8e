"""Two days of a grade 3 course, typed on a phone at the bed."""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

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


class Round(NamedTuple):
    """What is seen at the bed so many hours ago, and the grades that must stand there before it is saved."""

    hours_ago: int
    grades: tuple[str, ...]
    typed: dict[str, str]
    chosen: dict[str, str]


NOTHING = {"antipyretic_given": "no", "anticytokine_given": "no", "hypotension": "no", "oxygen_device": "none"}
# Asked once there is fever, or a low pressure.
FEBRILE = {"fever_attributable": "yes"}
PRESSED = {"hypotension_attributable": "yes", "vasopressin": "no"}
WITHOUT_VASOPRESSOR = {**FEBRILE, **PRESSED, "vasopressors": "none"}
COURSE = (
    Round(46, ("CRS 1", "ICANS 0"), {"temperature_c": "38.6"}, FEBRILE),
    Round(
        36,
        ("CRS 2", "ICANS 0"),
        {"temperature_c": "39.4", "systolic": "84"},
        {
            "hypotension": "yes",
            "fluids_given": "yes",
            "antipyretic_given": "yes",
            **FEBRILE,
            **PRESSED,
            "vasopressors": "none",
        },
    ),
    Round(
        22,
        ("CRS 3", "ICANS 1"),
        {"temperature_c": "37.2", "systolic": "92", "spo2_percent": "93", "oxygen_flow_l_min": "30"},
        {
            "hypotension": "yes",
            "vasopressors": "norepinephrine",
            "anticytokine_given": "yes",
            **PRESSED,
            "oxygen_device": "hfnc",
            "oxygen_reason": "crs_hypoxia",
            "counts": "no",
            "writes": "no",
        },
    ),
    Round(1, ("CRS 0", "ICANS 0"), {"temperature_c": "36.9", "spo2_percent": "98"}, {"anticytokine_given": "yes"}),
)


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


def record(page: Any, address: str, seen: Round) -> None:
    page.goto(address)
    at = dt.datetime.now(SHANGHAI) - dt.timedelta(hours=seen.hours_ago)
    page.fill("#id_assessed_at_0", f"{at:%Y-%m-%d}")
    page.fill("#id_assessed_at_1", f"{at:%H:%M}")
    for button in page.locator("[data-fill]").all():
        button.click()
    # First what makes others a question.
    page.fill("#id_temperature_c", seen.typed["temperature_c"])
    for name, value in {**NOTHING, **seen.chosen}.items():
        page.locator(f'[name="{name}"][value="{value}"]').check()
    for name, value in seen.typed.items():
        page.fill(f"#id_{name}", value)
    for grade in seen.grades:
        page.locator("#ts-grades .ts-grade", has_text=grade).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], "nothing hangs over the edge"
    page.locator("form[data-grade-url] button[type=submit]").click()
    page.wait_for_url("**/course/**")


def test_two_days_of_a_grade_3_course(running_site: Stack, page: Any) -> None:
    page.goto(f"{running_site.site_url}/admin/participants/participant/?status__exact=infused")
    page.locator("#result_list tbody th a").last.click()
    page.wait_for_url(re.compile(r"/participant/\d+/"))
    participant = page.url.split("/participant/")[1].split("/")[0]
    address = f"{running_site.site_url}/admin/safety/bedsideassessment/add/?participant={participant}"
    for seen in COURSE:
        record(page, address, seen)
    page.get_by_text("CRS 3").first.wait_for()
