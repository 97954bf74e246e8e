"""Limits of normal: of the same laboratory, site, sex and age group, and marked until somebody has compared them."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from participants import actions
from participants.models import Examination, Measurement, Participant
from tests import factories
from tests.conftest import person
from trialsite.models import Site, User
from trialsite.roles import Role
from trialsite.voiding import void

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now()


@pytest.fixture
def man(site: Site, alice: User, now: dt.datetime) -> Participant:
    return factories.consented(site=site, by=alice, now=now - 30 * DAY)


@pytest.fixture
def new(site: Site, alice: User, now: dt.datetime) -> Participant:
    """Another man of the same site, about whom nothing is reported yet."""
    return factories.consented(site=site, by=alice, now=now - 30 * DAY)


def report(
    participant: Participant, by: User, at: dt.datetime, *, low: str, laboratory: str = "检验科", unit: str = "g/L"
) -> Examination:
    high = Decimal(low) + (5 if unit == "g/dL" else 50)
    examination = Examination(participant=participant, panel="CBC", taken_at=at, laboratory=laboratory)
    answer = Measurement(
        code="HGB",
        value=Decimal("12") if unit == "g/dL" else Decimal(120),
        unit=unit,
        reference_low=Decimal(low),
        reference_high=high,
    )
    actions.record_examination(
        examination=examination, answers=[answer], accepted={"HGB"}, deviation_reason="", by=by, now=timezone.now()
    )
    return examination


def low_for(participant: Participant, laboratory: str = "检验科") -> Decimal | None:
    today = timezone.localdate()
    found = actions.suggested_limits(participant=participant, laboratory=laboratory, panel="CBC", on=today).get("HGB")
    return found.limits.reference_low if found and found.limits else None


def test_the_newest_report_of_the_same_laboratory(
    man: Participant, new: Participant, alice: User, now: dt.datetime
) -> None:
    assert low_for(new) is None
    report(man, alice, now - 3 * DAY, low="130")
    report(man, alice, now - 2 * DAY, low="131")
    report(man, alice, now - DAY, low="110", laboratory="急诊检验")
    assert low_for(new) == 131
    assert low_for(new, " 检验科 ") == 131
    assert low_for(new, "急诊检验") == 110
    assert low_for(new, "外院") is None
    assert low_for(new, "") is None
    assert actions.laboratories(new, "CBC") == ["急诊检验", "检验科"]
    assert actions.laboratories(new, "CHEM") == []


def test_it_was_taken_last_not_entered_last(man: Participant, new: Participant, alice: User, now: dt.datetime) -> None:
    report(man, alice, now - DAY, low="131")
    report(man, alice, now - 9 * DAY, low="120")
    assert low_for(new) == 131


def test_of_the_same_site_only(
    man: Participant, new: Participant, other_site: Site, charlie: User, now: dt.datetime
) -> None:
    other = factories.consented(site=other_site, by=charlie, now=now - 30 * DAY)
    report(other, charlie, now - DAY, low="100")
    assert low_for(new) is None
    assert low_for(other) == 100
    assert actions.laboratories(new, "CBC") == []


def test_of_the_same_sex_only(man: Participant, site: Site, alice: User, now: dt.datetime) -> None:
    woman = factories.consented(site=site, by=alice, now=now - 30 * DAY, sex="F")
    report(man, alice, now - 2 * DAY, low="130")
    assert low_for(woman) is None
    report(woman, alice, now - DAY, low="115")
    assert (low_for(woman), low_for(man)) == (115, 130)


@pytest.mark.parametrize(
    ("born_years_ago", "is_alike"),
    [pytest.param(18, True, id="18"), pytest.param(17, False, id="17"), pytest.param(12, False, id="12")],
)
def test_of_the_same_age_group_only(
    man: Participant, site: Site, alice: User, now: dt.datetime, born_years_ago: int, is_alike: bool
) -> None:
    born = timezone.localdate() - dt.timedelta(days=born_years_ago * 366)
    young = factories.consented(site=site, by=alice, now=now - 30 * DAY, birth_date=born)
    report(man, alice, now - DAY, low="130")
    assert low_for(young) == (130 if is_alike else None)


def test_nothing_void(man: Participant, new: Participant, site: Site, alice: User, now: dt.datetime) -> None:
    third = factories.consented(site=site, by=alice, now=now - 30 * DAY)
    report(man, alice, now - 9 * DAY, low="130")
    wrong_report = report(man, alice, now - 3 * DAY, low="140")
    wrong_result = report(man, alice, now - 2 * DAY, low="150")
    report(third, alice, now - DAY, low="160")
    assert low_for(new) == 160
    void(third, reason="twice", by=alice, now=now)
    assert low_for(new) == 150
    void(wrong_result.measurements.get(), reason="misread", by=alice, now=now)
    assert low_for(new) == 140
    void(wrong_report, reason="wrong tube", by=alice, now=now)
    assert low_for(new) == 130


def test_the_unit_is_the_last_one_of_that_laboratory_and_its_limits_go_with_it(
    man: Participant, new: Participant, site: Site, alice: User, now: dt.datetime
) -> None:
    woman = factories.consented(site=site, by=alice, now=now - 30 * DAY, sex="F")
    report(man, alice, now - 2 * DAY, low="130")
    report(woman, alice, now - DAY, low="11", unit="g/dL")
    found = actions.suggested_limits(participant=new, laboratory="检验科", panel="CBC", on=timezone.localdate())
    assert (found["HGB"].unit, found["HGB"].limits) == ("g/dL", None), "130 g/L would be read as 130 g/dL"


# --- the form ----------------------------------------------------------------------------------


def typed(participant: Participant, at: dt.datetime, **more: str) -> dict[str, str]:
    local = timezone.localtime(at)
    return {
        "number": participant.number,
        "taken_at_0": f"{local:%Y-%m-%d}",
        "taken_at_1": f"{local:%H:%M}",
        "is_study_procedure": "on",
        "laboratory": "检验科",
        **{name.replace("__", "-"): value for name, value in more.items()},
    }


def form(participant: Participant | None = None) -> str:
    path = reverse("admin:participants_examination_add") + "?panel=CBC"
    return path + (f"&participant={participant.pk}" if participant else "")


def boxes(response: Any) -> dict[str, str]:
    """What stands in the boxes of haemoglobin, and which of them stand out."""
    (line,) = (one for one in response.context["lines"] if one.measure.code == "HGB")
    shown = {name: line[name].value() or "" for name in ("low", "high", "unit")}
    return {**shown, "marked": ",".join(sorted(line.marked))}


def test_a_new_form_suggests_nothing_before_the_laboratory_is_known(
    man: Participant, new: Participant, alice: User, now: dt.datetime, login: Any
) -> None:
    report(man, alice, now - DAY, low="130")
    client = login(alice)
    for page in (form(), form(new)):
        assert boxes(client.get(page)) == {"low": "", "high": "", "unit": "", "marked": ""}
    assert 'value="检验科"' in client.get(form(new)).content.decode(), "one press away"


def test_pressing_for_a_laboratory_fills_its_limits_visibly_and_saves_nothing(
    man: Participant, new: Participant, alice: User, now: dt.datetime, login: Any
) -> None:
    report(man, alice, now - DAY, low="130")
    data = typed(new, now - dt.timedelta(hours=1), HGB__value="120", WBC__value="3.1", note="冰上送检", laboratory="")
    answer = login(alice).post(form(), {**data, "HGB-unit": "g/L", "_limits_of": "检验科"})
    assert boxes(answer) == {"low": "130", "high": "180", "unit": "g/L", "marked": "high,low,unit"}
    text = answer.content.decode()
    assert "ts-suggested" in text
    assert "are from an older report (检验科," in text
    assert 'value="120"' in text
    assert "冰上送检" in text
    assert not new.examinations.exists()


def test_limits_that_nobody_compared_are_not_stored(
    man: Participant, new: Participant, alice: User, now: dt.datetime, login: Any
) -> None:
    report(man, alice, now - DAY, low="130")
    client, at = login(alice), now - dt.timedelta(hours=1)
    data = typed(new, at, HGB__value="120", HGB__unit="g/L", HGB__low="130", HGB__high="180")
    suggested = {**data, "limits_from": f"{new.pk}:检验科"}
    refused = client.post(form(), suggested)
    assert "Compare them with this report, correct what differs" in refused.content.decode()
    assert boxes(refused)["marked"] == "high,low,unit"
    assert not new.examinations.exists()
    assert client.post(form(), {**suggested, "limits_compared": "on"}).status_code == 302
    row = new.examinations.get().measurements.get()
    assert (row.reference_low, row.reference_high) == (130, 180)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"HGB-low": "115", "HGB-high": "150"}, id="corrected-from-the-report"),
        pytest.param({"HGB-low": "", "HGB-high": ""}, id="taken-out"),
        pytest.param({"HGB-value": "", "WBC-value": "3.1", "WBC-unit": "10^9/L"}, id="no-result-in-that-line"),
        pytest.param({"limits_from": ""}, id="written-by-hand"),
    ],
)
def test_what_somebody_wrote_needs_no_more_comparing(
    man: Participant, new: Participant, alice: User, now: dt.datetime, login: Any, change: dict[str, str]
) -> None:
    report(man, alice, now - DAY, low="130")
    data = typed(new, now - dt.timedelta(hours=1), HGB__value="120", HGB__unit="g/L", HGB__low="130", HGB__high="180")
    answer = login(alice).post(form(), {**data, "limits_from": f"{new.pk}:检验科", **change})
    assert answer.status_code == 302
    rows = {row.code: row for row in new.examinations.get().measurements.all()}
    if "WBC" in rows:
        assert set(rows) == {"WBC"}, "a line without a result stores no limits"


def test_limits_of_one_laboratory_do_not_stay_for_another(
    man: Participant, new: Participant, alice: User, now: dt.datetime, login: Any
) -> None:
    report(man, alice, now - 2 * DAY, low="130")
    report(man, alice, now - DAY, low="110", laboratory="急诊检验")
    client = login(alice)
    data = typed(new, now - dt.timedelta(hours=1), HGB__value="120", HGB__unit="g/L", HGB__low="130", HGB__high="180")
    moved = {**data, "limits_from": f"{new.pk}:检验科", "limits_compared": "on", "laboratory": "急诊检验"}
    assert "those of another person or laboratory" in client.post(form(), moved).content.decode()
    assert not new.examinations.exists()
    assert boxes(client.post(form(), {**moved, "_limits": "1"}))["low"] == "110"
    unknown = client.post(form(), {**moved, "_limits": "1", "laboratory": "外院"})
    assert boxes(unknown) == {"low": "", "high": "", "unit": "g/L", "marked": ""}
    assert "has no report yet" in unknown.content.decode()


def test_a_number_in_another_unit_gets_no_limits_of_the_laboratory(
    man: Participant, new: Participant, alice: User, now: dt.datetime, login: Any
) -> None:
    report(man, alice, now - DAY, low="130")
    data = typed(new, now - dt.timedelta(hours=1), HGB__value="12", HGB__unit="g/dL", _limits="1")
    assert boxes(login(alice).post(form(), data)) == {"low": "", "high": "", "unit": "g/dL", "marked": ""}


def test_asking_without_a_participant_saves_nothing_and_says_what_is_missing(alice: User, login: Any) -> None:
    answer = login(alice).post(form(), {"laboratory": "检验科", "_limits": "1"})
    assert answer.status_code == 200
    assert not Examination.objects.exists()


def test_the_next_form_of_the_same_laboratory_starts_with_its_limits_marked(
    man: Participant, new: Participant, site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    report(man, alice, now - DAY, low="130")
    page = login(alice).get(form(new) + "&laboratory=检验科")
    assert boxes(page) == {"low": "130", "high": "180", "unit": "g/L", "marked": "high,low,unit"}
    assert f'name="limits_from" value="{new.pk}:检验科"' in page.content.decode()


def test_another_site_is_told_nothing(
    man: Participant, other_site: Site, now: dt.datetime, alice: User, login: Any
) -> None:
    report(man, alice, now - DAY, low="130")
    stranger = person("stranger", Role.COORDINATOR, other_site)
    page = login(stranger).get(form(man) + "&laboratory=检验科")
    assert boxes(page)["low"] == ""
