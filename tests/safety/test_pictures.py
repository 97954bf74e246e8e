"""The pictures of safety: the right cell on the right day, the worst of it, and a table that tells the same."""

import datetime as dt
import xml.etree.ElementTree as ET
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from dosing.models import Medication
from participants.actions import record_examination
from participants.flowchart import text_width
from participants.models import Examination, Measurement, Participant
from safety import actions, heatmap, overview
from safety.heatmap import ROWS, short
from safety.models import BedsideAssessment
from safety.rules.bedside import ICE_POINTS, Observations, Vasopressor
from safety.rules.crs import OxygenDevice
from safety.rules.icans import IcePerformed
from tests import factories
from tests.conftest import Once
from tests.safety.test_bedside import ABSENT
from trialsite.models import Site, User

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
RIGHT: dict[str, Any] = {name: True for names in ICE_POINTS.values() for name in names}
D = Decimal


@pytest.fixture(scope="module")
def day0(now: dt.datetime) -> dt.datetime:
    """Ten in the morning at the site."""
    return now - 10 * DAY + 30 * dt.timedelta(minutes=1)


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime, day0: dt.datetime) -> Participant:
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=day0)


def assessed(participant: Participant, at: dt.datetime, by: User, temperature: str | None, **more: Any) -> Any:
    seen = Observations(
        temperature_c=None if temperature is None else D(temperature),
        temperature_not_done="" if temperature else "refused",
        ice_performed=IcePerformed.YES,
        **{**RIGHT, **ABSENT, **more},
    )
    row = BedsideAssessment(participant=participant, assessed_at=at)
    return actions.assess_bedside(assessment=row, seen=seen, by=by, now=at)


def cells(participant: Participant, day0: dt.datetime, today: int = 28) -> dict[str, dict[int, str]]:
    with translation.override("en"):
        lines = heatmap.lines_of(participant, day0.date(), today=day0.date() + today * DAY)
    return {line.name: {cell.day: cell.text for cell in line.cells if cell.text} for line in lines}


@pytest.mark.django_db
def test_the_worst_of_each_site_day(participant: Participant, alice: User, day0: dt.datetime) -> None:
    midnight = (day0 + 3 * DAY).replace(hour=16, minute=0)  # 00:00 of D4 at the site
    assessed(participant, midnight - 30 * dt.timedelta(minutes=1), alice, "38.4")
    assessed(participant, midnight + 30 * dt.timedelta(minutes=1), alice, "39.6", hypotension=True)
    assessed(participant, midnight + 5 * HOUR, alice, "38.1")
    found = cells(participant, day0)
    assert found["CRS"] == {3: "1", 4: "2"}
    assert found["ICANS"] == {3: "0", 4: "0"}, "0 is written, an empty cell is not 0"
    assert found["Temperature (°C)"] == {3: "38.4", 4: "39.6"}


@pytest.mark.django_db
def test_not_gradable_is_a_question_mark_and_corrected_rows_do_not_count(
    participant: Participant, alice: User, day0: dt.datetime
) -> None:
    assessed(participant, day0 + DAY, alice, None)
    old = assessed(participant, day0 + 2 * DAY, alice, "39.9")
    row = BedsideAssessment(
        participant=participant, assessed_at=day0 + 2 * DAY, corrects=old, correction_reason="typing error"
    )
    seen = Observations(temperature_c=D("36.9"), ice_performed=IcePerformed.YES, **RIGHT, **ABSENT)
    actions.assess_bedside(assessment=row, seen=seen, by=alice, now=day0 + 3 * DAY)
    found = cells(participant, day0)
    assert found["CRS"] == {1: "?", 2: "0"}
    assert found["Temperature (°C)"] == {2: "36.9"}


@pytest.mark.django_db
def test_laboratory_values_and_treatments(participant: Participant, alice: User, day0: dt.datetime) -> None:
    for hours, code, value in ((72, "NEUT", "0.4"), (80, "NEUT", "0.08"), (72, "FERRITIN", "12400")):
        examination = Examination.objects.create(
            participant=participant,
            panel="CBC",
            taken_at=day0 + hours * HOUR,
            is_study_procedure=False,
            created_by=alice,
        )
        Measurement.objects.create(
            participant=participant,
            examination=examination,
            code=code,
            value=D(value),
            unit="",
            standard_value=D(value),
            taken_at=examination.taken_at,
            created_by=alice,
        )
    drug = {"participant": participant, "route": "iv", "indication": "CRS", "created_by": alice}
    Medication.objects.create(kind="tocilizumab", name="T", started_at=day0 + 3 * DAY, **drug)
    Medication.objects.create(
        kind="corticosteroid", name="D", started_at=day0 + 3 * DAY, ended_at=day0 + 5 * DAY, **drug
    )
    Medication.objects.create(kind="oxygen", name="O", started_at=day0 + 27 * DAY, is_ongoing=True, **drug)
    found = cells(participant, day0)
    assert found["ANC (10⁹/L)"][3] == "0.08", "the lowest of the day"
    assert found["Ferritin (µg/L)"][3] == "12k"
    assert list(found["Tocilizumab"]) == [3]
    assert list(found["Corticosteroid"]) == [3, 4, 5]
    assert list(found["Oxygen"]) == [27, 28]
    assert list(cells(participant, day0, today=27)["Oxygen"]) == [27], "nobody knows about tomorrow"


@pytest.mark.django_db
def test_support_that_an_assessment_found_is_drawn(participant: Participant, alice: User, day0: dt.datetime) -> None:
    assessed(participant, day0 + 2 * DAY, alice, "39.1", oxygen_device=OxygenDevice.HFNC)
    pressed = (Vasopressor.NOREPINEPHRINE,)
    assessed(participant, day0 + 4 * DAY, alice, "39.1", hypotension=True, vasopressors=pressed)
    assessed(participant, day0 + 6 * DAY, alice, "39.1", hypotension=True, vasopressin=True)
    found = cells(participant, day0)
    assert found["Oxygen"] == {2: "○"}
    assert found["Vasopressor"] == {4: "▲", 6: "▲"}


@pytest.mark.parametrize(
    ("code", "value", "level"),
    [
        pytest.param("CRS", "0", 0, id="grade-0"),
        pytest.param("CRS", "5", 4, id="grade-5-as-dark-as-4"),
        pytest.param("TEMP", "37.9", 0, id="37.9"),
        pytest.param("TEMP", "38", 1, id="38.0"),
        pytest.param("NEUT", "0.5", 2, id="anc-0.5-is-not-below-0.5"),
        pytest.param("NEUT", "0.49", 3, id="anc-0.49"),
        pytest.param("NEUT", "0", 4, id="anc-0"),
    ],
)
def test_shading(code: str, value: str, level: int) -> None:
    row = next(row for row in ROWS if row.code == code)
    assert row.level(D(value)) == level


@pytest.mark.parametrize(
    ("code", "sign", "value", "level"),
    [
        pytest.param("NEUT", "<", "0.5", 3, id="anc-<0.5-is-below-0.5"),
        pytest.param("NEUT", "≤", "0.5", 2, id="anc-≤0.5-may-be-0.5"),
        pytest.param("NEUT", ">", "0.2", 0, id="anc->0.2-may-be-normal"),
        pytest.param("CRP", ">", "200", 4, id="crp->200"),
        pytest.param("CRP", "<", "200", 0, id="crp-<200-may-be-normal"),
    ],
)
def test_a_bound_is_shaded_as_far_as_it_goes_for_certain(code: str, sign: str, value: str, level: int) -> None:
    row = next(row for row in ROWS if row.code == code)
    assert row.level(D(value), sign) == level


@pytest.mark.parametrize(
    ("code", "first", "second", "worst"),
    [
        pytest.param("NEUT", "<0.5", "0.5", "<0.5", id="anc-below-is-worse"),
        pytest.param("NEUT", ">0.5", "0.5", "0.5", id="anc-above-is-better"),
        pytest.param("NEUT", "<0.5", "0.3", "0.3", id="anc-lower-number"),
        pytest.param("FERRITIN", ">2000", "2000", ">2.0k", id="ferritin-above-is-worse"),
        pytest.param("FERRITIN", "<2000", "2000", "2.0k", id="ferritin-below-is-better"),
    ],
)
def test_the_worst_of_a_day_with_bounds(code: str, first: str, second: str, worst: str) -> None:
    row = next(row for row in ROWS if row.code == code)
    seen = [heatmap.Seen(D(text.lstrip("<>")), text[0] if text[0] in "<>" else "") for text in (first, second)]
    for values in (seen, seen[::-1]):
        cell = heatmap._cell(row, 1, values)
        assert (cell.text, cell.is_bound) == (worst, worst[0] in "<>")


@pytest.mark.django_db
def test_a_bound_is_drawn_as_one(participant: Participant, alice: User, day0: dt.datetime) -> None:
    row = Measurement(code="NEUT", value=D("0.01"), comparator="<", unit="10^9/L")
    examination = Examination(participant=participant, panel="CBC", taken_at=day0 + 3 * DAY)
    record_examination(examination=examination, answers=[row], by=alice, now=day0 + 4 * DAY)
    assert cells(participant, day0)["ANC (10⁹/L)"] == {3: "<0.01"}
    with translation.override("en"):
        context = {**heatmap.context_of(participant, today=day0.date() + 4 * DAY), "participant": participant}
        page = render_to_string("admin/safety/heatmap.html", context)
    svg = ET.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    space = "{http://www.w3.org/2000/svg}"
    assert [one.text for one in svg.iter(f"{space}text") if "0.01" in (one.text or "")] == ["<0.01"]
    assert len([one for one in svg.iter(f"{space}rect") if one.get("stroke-dasharray")]) == 1
    assert "ANC (10⁹/L): D-20, D3 <0.01" in (svg.findtext(f"{space}desc") or "")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"),
        ("0.08", "0.08"),
        ("38.60", "38.6"),
        ("100", "100"),
        ("1234", "1.2k"),
        ("12400", "12k"),
        ("0.004", "0.004"),
    ],
)
def test_numbers_fit_their_cell(value: str, text: str) -> None:
    assert short(D(value)) == text


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_picture_and_its_table_tell_the_same(
    participant: Participant, alice: User, day0: dt.datetime, language: str
) -> None:
    assessed(participant, day0 + 2 * DAY, alice, "39.1", writes=False)
    with translation.override(language):
        context = {**heatmap.context_of(participant, today=day0.date() + 2 * DAY), "participant": participant}
        page = render_to_string("admin/safety/heatmap.html", context)
    svg = ET.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    space = "{http://www.w3.org/2000/svg}"
    drawn = [one.text for one in svg.iter(f"{space}text") if one.get("text-anchor") == "middle"][30:]
    table = ET.fromstring(page[page.index("<table") : page.index("</table>") + 8])
    told = [cell.text for cell in table.iter("td") if cell.text != "—" and not cell.get("class")]
    assert drawn == told
    far = [one.text for one in svg.iter(f"{space}text") if one.get("class") == "heatmap-far"][1:]
    assert far == [cell.text for cell in table.iter("td") if cell.get("class") and cell.text != "—"]
    assert far, "the values of screening"
    assert "CRS: D2 1" in (svg.find(f"{space}desc").text or "")  # type: ignore[union-attr]


EMPTY = tuple(heatmap.Cell(day) for day in heatmap.DAYS)


def drawing(**edges: str) -> heatmap.Picture:
    """Of two lines, one of them with a value on Day 3."""
    cells = tuple(heatmap.Cell(day, "2" if day == 3 else "", 2 if day == 3 else 0) for day in heatmap.DAYS)
    with translation.override("en"):
        return heatmap.picture((heatmap.Line("CRS", cells, **edges), heatmap.Line("ICANS", EMPTY)), today=9)


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        pytest.param({}, [], id="nothing-far-away"),
        pytest.param({"later": "D300"}, ["later", "D300"], id="follow-up-of-day-300"),
        pytest.param({"earlier": "D-372"}, ["earlier", "D-372"], id="typed-a-year-early"),
        pytest.param(
            {"earlier": "D-372", "later": "D29 – D300"}, ["earlier", "D-372", "later", "D29 – D300"], id="both"
        ),
    ],
)
def test_a_moment_far_away_leaves_the_scale_of_the_heat_map(edges: dict[str, str], words: list[str]) -> None:
    usual, wide = drawing(), drawing(**edges)
    moved = wide.days[0][0] - usual.days[0][0]
    assert (moved > 0) == ("earlier" in edges)
    assert [(x - moved, label) for x, label in wide.days] == list(usual.days)
    assert [cell.x - moved for cell in wide.cells] == [cell.x for cell in usual.cells]
    assert wide.newest_x - moved == usual.newest_x == heatmap.LABEL + 11 * heatmap.WIDTH
    assert [text for _x, _y, text in wide.far] == words
    assert len(wide.breaks) == len(edges)
    assert (wide.has_earlier, wide.has_later) == ("earlier" in edges, "later" in edges)
    for x, _y, text in wide.far:
        inside = wide.days[0][0] - heatmap.WIDTH // 2, wide.days[-1][0] + heatmap.WIDTH // 2
        assert x + text_width(text) * heatmap.SMALL <= inside[0] or inside[1] <= x
        assert x + text_width(text) * heatmap.SMALL <= wide.width


@pytest.mark.parametrize(
    ("today", "last", "newest"),
    [
        pytest.param(-5, 3, -1, id="before-the-picture"),
        pytest.param(0, 3, 0, id="today"),
        pytest.param(28, 3, 28, id="its-last-day"),
        pytest.param(29, 3, 3, id="after-it-the-last-with-a-value"),
        pytest.param(29, None, 28, id="after-it-without-a-value"),
    ],
)
def test_the_newest_day_of_the_heat_map_is_looked_at_first(today: int, last: int | None, newest: int) -> None:
    cells = tuple(heatmap.Cell(day, "1" if day in (0, last) and last else "") for day in heatmap.DAYS)
    picture = heatmap.picture((heatmap.Line("CRS", cells), heatmap.Line("ICANS", EMPTY, later="D40")), today=today)
    assert picture.newest_x == heatmap.LABEL + (newest + 2) * heatmap.WIDTH


@pytest.mark.django_db
def test_what_lies_outside_the_28_days_stands_at_the_edge(
    participant: Participant, alice: User, now: dt.datetime, day0: dt.datetime
) -> None:
    assessed(participant, day0 + 8 * DAY, alice, "39.1")
    drug = {"participant": participant, "route": "iv", "indication": "CRS", "created_by": alice}
    Medication.objects.create(kind="tocilizumab", name="T", started_at=day0 + 29 * DAY, **drug)
    Medication.objects.create(kind="tocilizumab", name="T", started_at=day0 + 300 * DAY, **drug)
    Medication.objects.create(kind="oxygen", name="O", started_at=day0 + 28 * DAY, **drug)
    Medication.objects.create(
        kind="corticosteroid", name="D", started_at=day0 - 30 * DAY, ended_at=day0 + 2 * DAY, **drug
    )
    with translation.override("en"):
        lines = {line.name: line for line in heatmap.lines_of(participant, day0.date(), today=now.date())}
    assert (lines["CRS"].earlier, lines["CRS"].later) == ("", "")
    assert (lines["Tocilizumab"].earlier, lines["Tocilizumab"].later) == ("", "D29 – D300")
    assert (lines["Oxygen"].earlier, lines["Oxygen"].later) == ("", "")
    assert (lines["Corticosteroid"].earlier, lines["Corticosteroid"].later) == ("D-30", "")
    assert [cell.day for cell in lines["Corticosteroid"].cells if cell.text] == [-1, 0, 1, 2]
    with translation.override("en"):
        said = heatmap.description(tuple(lines.values()))
    assert "Tocilizumab: D29 – D300" in said
    assert "Corticosteroid: D-30, D-1 ■" in said


@pytest.mark.django_db
def test_the_study_at_one_look(
    participant: Participant,
    site: Site,
    alice: User,
    ivan: User,
    mona: User,
    now: dt.datetime,
    day0: dt.datetime,
    login: Any,
) -> None:
    assessed(participant, day0 + 2 * DAY, alice, "39.1")
    assessed(participant, day0 + 4 * DAY, alice, "36.8")
    never = factories.infused(site=site, by=alice, now=now, infused_at=now - 2 * DAY)
    people = overview.people_of([site])
    assert [person.number for person in people] == [participant.number, never.number]
    crs = people[0].courses["CRS"]
    assert (crs.highest, crs.onset_day, crs.days, crs.goes_on) == (1, 2, D(2), False)
    assert people[1].courses["CRS"].highest is None, "never assessed is not grade 0"
    one, other = overview.summaries(people)
    assert (one.assessed, one.any_grade, one.severe, one.onset, one.duration) == (1, 1, 0, "2 (2–2)", "2 (2–2)")
    assert (other.assessed, other.any_grade, other.onset) == (1, 0, "—")
    page = login(mona).get(reverse("admin:safety_bedsideassessment_overview")).content.decode()
    assert "never assessed" in page
    assert participant.name not in page
    with CaptureQueriesContext(connection) as few:
        overview.people_of([site])
    for hours in range(1, 6):
        factories.infused(site=site, by=alice, now=now, infused_at=now - hours * HOUR)
    with CaptureQueriesContext(connection) as many:
        assert len(overview.people_of([site])) == 7
    assert len(many) == len(few)


@pytest.mark.parametrize(
    ("values", "text"),
    [([], "—"), (["3"], "3 (3–3)"), (["1", "4"], "2.5 (1–4)"), (["5", "1", "2"], "2 (1–5)")],
)
def test_the_median_and_its_range(values: list[str], text: str) -> None:
    assert overview.middle([D(value) for value in values]) == text
