"""Measurements: typed as the laboratory prints them; impossible refused, improbable asked about."""

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from demo import results as demo_results
from participants import actions
from participants.models import Examination, Measurement, Participant
from participants.names import MEASURE_NAMES, PANEL_NAMES, answer_text
from participants.rules.eligibility import qtcb_ms, qtcf_ms, rr_of_rate
from participants.rules.measures import MEASURES, PANELS, Kind
from participants.units import UnknownUnit, convert
from tests import factories
from tests.conftest import Once
from trialsite.models import User
from trialsite.refusal import Refused

DAY = dt.timedelta(days=1)

# --- units -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "value", "unit", "expected"),
    [
        ("HGB", "8.05", "g/dL", "80.5"),
        ("PLAT", "75000", "/uL", "75"),
        ("NEUT", "1.0", "10^3/uL", "1.0"),
        ("CREAT", "1", "mg/dL", "88.4017"),
        ("BILI", "1.2", "mg/dL", "20.5247"),
        ("UREA", "10", "mg/dL", "1.6650"),
        ("GLUC", "90", "mg/dL", "4.9956"),
        ("CA", "10", "mg/dL", "2.4950"),
        ("FIBRINO", "150", "mg/dL", "1.50"),
        ("TEMP", "100.4", "degF", "38"),
        ("SYSBP", "20", "kPa", "150.0123"),
        ("HEIGHT", "1.68", "m", "168"),
        ("RR", "0.69", "s", "690"),
        ("AGENT_HALF_LIFE", "3", "d", "72"),
    ],
)
def test_units_are_converted(code: str, value: str, unit: str, expected: str) -> None:
    converted = convert(MEASURES[code], Decimal(value), unit)
    assert converted.quantize(Decimal("0.0001")) == Decimal(expected).quantize(Decimal("0.0001"))


@pytest.mark.parametrize("code", sorted(code for code, m in MEASURES.items() if m.kind == Kind.NUMBER))
def test_every_unit_of_every_measure_converts_and_orders(code: str) -> None:
    measure = MEASURES[code]
    for unit in measure.all_units:
        low, high = (convert(measure, Decimal(value), unit) for value in (1, 2))
        assert low < high


def test_a_foreign_unit_is_refused() -> None:
    with pytest.raises(UnknownUnit):
        convert(MEASURES["HGB"], Decimal(1), "mmol/L")


def test_every_measure_panel_and_answer_has_its_word() -> None:
    assert set(MEASURE_NAMES) == set(MEASURES)
    assert set(PANEL_NAMES) == set(PANELS)
    for measure in MEASURES.values():
        assert all(answer_text(measure.code, choice) for choice in measure.choices)
        if measure.kind == Kind.NUMBER:
            assert measure.possible
            assert measure.probable
            assert measure.possible[0] <= measure.probable[0] < measure.probable[1] <= measure.possible[1]


@pytest.mark.parametrize(
    ("qt", "rate", "bazett", "fridericia"),
    [("400", "60", "400.00", "400.00"), ("372", "100", "480.25", "441.05"), ("440", "72", "482.00", "467.57")],
)
def test_qt_is_corrected_by_bazett_and_by_fridericia(qt: str, rate: str, bazett: str, fridericia: str) -> None:
    rr = rr_of_rate(Decimal(rate))
    hundredth = Decimal("0.01")
    assert qtcb_ms(Decimal(qt), rr).quantize(hundredth) == Decimal(bazett)
    assert qtcf_ms(Decimal(qt), rr).quantize(hundredth) == Decimal(fridericia)


# --- recording ---------------------------------------------------------------------------------------

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


@pytest.fixture(scope="module")
def made(once: Once) -> Participant:
    return factories.consented(site=once.site, by=once.alice, now=timezone.now() - 2 * DAY)


def examination_of(participant: Participant, panel: str) -> Examination:
    return Examination(participant=participant, panel=panel, taken_at=timezone.now() - DAY)


@pytest.mark.parametrize(
    ("code", "answer", "message"),
    [
        pytest.param("HGB", {"value": "1200", "unit": "g/L"}, "cannot be", id="impossible"),
        pytest.param("HGB", {"value": "11.2", "unit": "g/L"}, "is unusual", id="unit-slip-is-asked-about"),
        pytest.param("HGB", {"value": "9.9", "unit": "g/L"}, "cannot be", id="just-below-the-possible"),
        pytest.param("HGB", {"value": "40", "unit": "g/L"}, "", id="lowest-probable"),
        pytest.param("HGB", {"value": "39.9", "unit": "g/L"}, "is unusual", id="just-below-the-probable"),
        pytest.param("HGB", {"value": "110", "unit": "mmol/L"}, "is not given in", id="foreign-unit"),
        pytest.param("PLAT", {"value": "0", "unit": "10^9/L"}, "is unusual", id="zero-is-a-number"),
        pytest.param("PB_BLASTS", {"choice": "some"}, "is not one of", id="foreign-choice"),
        pytest.param("PLAT", {"not_done_reason": "clotted"}, "", id="not-done-is-an-answer"),
        pytest.param(
            "PLAT",
            {"value": "100", "unit": "10^9/L", "reference_low": "300", "reference_high": "100"},
            "above the upper",
            id="range-the-wrong-way-round",
        ),
        pytest.param("ALT", {"value": "20", "unit": "U/L"}, "does not belong", id="another-panel"),
    ],
)
def test_impossible_is_refused_and_improbable_is_asked_about(
    participant: Participant, alice: User, code: str, answer: dict[str, str], message: str
) -> None:
    numbers = {"value", "reference_low", "reference_high"}
    row = Measurement(code=code, **{k: Decimal(v) if k in numbers else v for k, v in answer.items()})
    act: dict[str, Any] = {
        "examination": examination_of(participant, "CBC"),
        "answers": [row],
        "by": alice,
        "now": timezone.now(),
    }
    if not message:
        actions.record_examination(**act)
        return
    with pytest.raises(Refused, match=message):
        actions.record_examination(**act)
    assert not Examination.objects.exists()
    if message == "is unusual":
        actions.record_examination(**act, accepted=[code])
        assert Measurement.objects.get().value == Decimal(answer["value"])


def test_the_unit_as_entered_is_kept_beside_the_standard_value(participant: Participant, alice: User) -> None:
    row = Measurement(code="CREAT", value=Decimal("0.9"), unit="mg/dL", reference_high=Decimal("1.2"))
    examination = examination_of(participant, "CHEM")
    actions.record_examination(examination=examination, answers=[row], by=alice, now=timezone.now())
    saved = Measurement.objects.get()
    assert (saved.value, saved.unit, saved.standard_value) == (Decimal("0.9"), "mg/dL", Decimal("79.561528"))
    assert saved.text == "0.9 mg/dL"


def test_an_event_date_lies_before_the_entry(participant: Participant, alice: User) -> None:
    for day, is_fine in (("2025", True), ("2025-07", True), ("2999-01-01", False), ("soon", False)):
        examination = examination_of(participant, "HISTORY")
        act = {"examination": examination, "answers": [demo_results.answer("DVT_PE_DATE", day)]}
        if is_fine:
            actions.record_examination(**act, by=alice, now=timezone.now())
        else:
            with pytest.raises(Refused):
                actions.record_examination(**act, by=alice, now=timezone.now())


def test_the_database_takes_one_kind_of_answer_only(participant: Participant, alice: User) -> None:
    examination = examination_of(participant, "CBC")
    answers = [demo_results.answer("PLAT", "100")]
    actions.record_examination(examination=examination, answers=answers, by=alice, now=timezone.now())
    for wrong in ({"choice": "yes"}, {"value": None}, {"not_done_reason": "x"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Measurement.objects.update(**wrong)


def test_a_correction_changes_adds_and_voids(participant: Participant, alice: User) -> None:
    examination = examination_of(participant, "CBC")
    answer = demo_results.answer
    first = [answer("PLAT", "100"), answer("HGB", "90")]
    actions.record_examination(examination=examination, answers=first, by=alice, now=timezone.now())
    second = [answer("PLAT", "110"), answer("NEUT", "2.5")]
    actions.correct_examination(
        examination=examination, answers=second, reason="wrong line", by=alice, now=timezone.now()
    )
    rows = {row.code: row for row in examination.measurements.all()}
    assert rows["PLAT"].value == 110
    assert rows["HGB"].void_reason == "wrong line"
    assert rows["NEUT"].voided_at is None


# --- the form ----------------------------------------------------------------------------------------


def form_of(participant: Participant, **typed: str) -> dict[str, str]:
    day = timezone.localtime() - DAY
    return {
        "number": participant.number,
        "taken_at_0": f"{day:%Y-%m-%d}",
        "taken_at_1": f"{day:%H:%M}",
        "is_study_procedure": "on",
        **{name.replace("__", "-"): value for name, value in typed.items()},
    }


def add(panel: str) -> str:
    return reverse("admin:participants_examination_add") + f"?panel={panel}"


def test_a_blood_count_in_one_form(participant: Participant, alice: User, login: Any) -> None:
    typed = form_of(
        participant,
        PLAT__value="< 10",
        PLAT__unit="10^9/L",
        HGB__value="８.９",
        HGB__unit="g/dL",
        HGB__low="13.0",
        HGB__high="17.5",
        NEUT__not_done="clotted",
        PLAT__accepted="on",
    )
    response = login(alice).post(add("CBC"), typed)
    assert response.status_code == 302, response.content.decode()
    rows = {row.code: row for row in Measurement.objects.all()}
    assert (rows["PLAT"].comparator, rows["PLAT"].value) == ("<", 10)
    assert (rows["HGB"].value, rows["HGB"].standard_value) == (Decimal("8.9"), 89)
    assert rows["NEUT"].not_done_reason == "clotted"
    assert set(rows) == {"PLAT", "HGB", "NEUT"}


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        pytest.param({}, "Nothing is entered", id="empty"),
        pytest.param({"HGB__value": "8,9", "HGB__unit": "g/dL"}, "did you mean 8.9?", id="comma"),
        pytest.param({"HGB__value": "890", "HGB__unit": "g/L"}, "cannot be", id="impossible"),
        pytest.param({"PLAT__value": "2", "PLAT__unit": "10^9/L"}, "as printed", id="unusual-offers-the-box"),
        pytest.param({"PLAT__value": "20", "PLAT__not_done": "clotted"}, "There is a result", id="both"),
        pytest.param({"number": "ZJ-S999"}, "has this number", id="nobody"),
    ],
)
def test_a_refused_form_says_why_and_keeps_what_was_typed(
    participant: Participant, alice: User, login: Any, typed: dict[str, str], message: str
) -> None:
    kept = {"LYM__value": "1.234"} if typed else {}
    response = login(alice).post(add("CBC"), form_of(participant, **kept) | form_of(participant, **typed))
    page = response.content.decode()
    assert response.status_code == 200
    assert message in page
    assert not Examination.objects.exists()
    if typed:
        assert "1.234" in page


def test_a_bound_that_belongs_to_itself_is_kept(participant: Participant, alice: User, login: Any) -> None:
    typed = form_of(participant, PLAT__value="≥ 100", PLAT__unit="10^9/L", HGB__value="<=90", HGB__unit="g/L")
    assert login(alice).post(add("CBC"), typed).status_code == 302
    rows = {row.code: row for row in Measurement.objects.all()}
    assert (rows["PLAT"].text, rows["HGB"].text) == ("≥ 100 ×10⁹/L", "≤ 90 g/L")
    page = login(alice).get(reverse("admin:participants_examination_change", args=[rows["PLAT"].examination_id]))
    assert 'value="≥ 100"' in page.content.decode()


def test_nothing_lies_below_0(participant: Participant, alice: User, login: Any) -> None:
    typed = form_of(participant, NEUT__value="<0", NEUT__unit="10^9/L")
    assert "nothing can be &lt; 0 ×10⁹/L" in login(alice).post(add("CBC"), typed).content.decode()
    typed = form_of(participant, NEUT__value="≤0", NEUT__unit="10^9/L")
    assert login(alice).post(add("CBC"), typed).status_code == 302


PART_ABOVE = "Neutrophils (ANC): 5200 /µL is more than White blood cells: 3.1 ×10⁹/L of the same sample"
COUNTED = {"NEUT__value": "5200", "NEUT__unit": "/uL", "WBC__value": "3.1", "WBC__unit": "10^9/L"}


def answered(page: str) -> dict[str, str]:
    """What a form that was asked sends again, with a reason."""
    key = page.split('name="question_asked" value="')[1].split('"')[0]
    return {"question_asked": key, "question_answer": "printed so; the laboratory counts again"}


def test_neutrophils_above_all_white_cells_are_asked_about(participant: Participant, alice: User, login: Any) -> None:
    client = login(alice)
    page = client.post(add("CBC"), form_of(participant, **COUNTED)).content.decode()
    assert PART_ABOVE in page
    assert not Examination.objects.exists()
    typed = {**form_of(participant, **COUNTED), **answered(page)}
    assert client.post(add("CBC"), typed).status_code == 302
    address = reverse("admin:participants_examination_change", args=[Examination.objects.get().pk])
    change = {**form_of(participant, **COUNTED), "reason_for_change": "a note", "note": "haemolytic"}
    assert client.post(address, change).status_code == 302, "what was answered is not asked again"
    changed = {**change, "NEUT-value": "5300", "reason_for_change": "misread"}
    assert "5300 /µL is more than" in client.post(address, changed).content.decode()


def test_neutrophils_among_the_white_cells_are_not_asked_about(
    participant: Participant, alice: User, login: Any
) -> None:
    typed = form_of(participant, **{**COUNTED, "NEUT__value": "3100"})
    assert login(alice).post(add("CBC"), typed).status_code == 302


def test_somebody_of_another_site_is_nobody(participant: Participant, charlie: User, login: Any) -> None:
    response = login(charlie).post(add("CBC"), form_of(participant, PLAT__value="100", PLAT__unit="10^9/L"))
    assert "has this number" in response.content.decode()


def test_a_correction_over_the_page_asks_for_its_reason_and_shows_it(
    participant: Participant, alice: User, login: Any
) -> None:
    client = login(alice)
    client.post(add("CBC"), form_of(participant, PLAT__value="100", PLAT__unit="10^9/L"))
    path = reverse("admin:participants_examination_change", args=[Examination.objects.get().pk])
    assert 'value="100"' in client.get(path).content.decode()
    typed = form_of(participant, PLAT__value="101", PLAT__unit="10^9/L")
    assert "needs its reason" in client.post(path, typed).content.decode()
    assert client.post(path, {**typed, "reason_for_change": "misread"}).status_code == 302
    page = client.get(path).content.decode()
    assert "misread" in page
    assert "Platelets: value" in page


def test_a_reader_sees_results_and_no_form(participant: Participant, alice: User, mona: User, login: Any) -> None:
    login(alice).post(add("CBC"), form_of(participant, PLAT__value="100", PLAT__unit="10^9/L"))
    path = reverse("admin:participants_examination_change", args=[Examination.objects.get().pk])
    page = login(mona).get(path).content.decode()
    assert "×10⁹/L" in page
    assert "PLAT-value" not in page
    assert login(mona).get(reverse("admin:participants_examination_add")).status_code == 403


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_has_its_page(participant: Participant, alice: User, login: Any, panel: str) -> None:
    page = login(alice).get(add(panel)).content.decode()
    for measure in PANELS[panel]:
        assert f'name="{measure.code}-not_done"' in page


def test_why_a_test_was_not_done_is_folded_until_it_is_said(participant: Participant, alice: User, login: Any) -> None:
    client = login(alice)
    client.post(add("CBC"), form_of(participant, PLAT__value="20", NEUT__not_done="clotted"))
    page = client.get(reverse("admin:participants_examination_change", args=[Examination.objects.get().pk]))
    folded = re.findall(r"<details( open)?><summary>Not done….*?name=\"(\w+)-not_done\"", page.content.decode(), re.S)
    assert len(folded) == len(PANELS["CBC"])
    assert [code for is_open, code in folded if is_open] == ["NEUT"]


def test_an_ecg_shows_both_corrections(participant: Participant, alice: User, login: Any) -> None:
    client = login(alice)
    client.post(add("ECG"), form_of(participant, QT__value="372", QT__unit="ms", EGHR__value="100"))
    page = client.get(reverse("admin:participants_examination_change", args=[Examination.objects.get().pk]))
    assert "480.2 ms" in page.content.decode()
    assert "441.1 ms" in page.content.decode()
