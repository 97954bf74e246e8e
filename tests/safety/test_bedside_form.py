"""The form of the bed: what it asks before it saves, what it knows already, and what it keeps while a mind changes."""

import datetime as dt
import html
import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from dosing.models import Medication
from dosing.timeline import entries_of
from participants.models import Participant
from safety import actions
from safety.actions.drugs import works_of
from safety.admin.bedside import NORMAL
from safety.admin.bedsideform import ABSENT, ANEW, CARRIED, SECTIONS, BedsideForm
from safety.models import BedsideAssessment, CrsAssessment, IcansAssessment, Scale, ToxicityAssessment
from safety.questions import in_words
from safety.rules.bedside import VITAL_SIGNS, Anticytokine, Observations, Vasopressor
from safety.rules.contradictions import QUESTION_TEXT, questions
from safety.rules.crs import OxygenDevice
from tests import factories
from tests.conftest import Once
from tests.safety.rules.test_contradictions import CASES, DAY_3
from tests.safety.test_bedside import ADD, assessed, grades, seen, typed
from trialsite.models import Site, User
from trialsite.questions import ANSWER, ASKED
from trialsite.study import get_study

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
GRADE = "admin:safety_bedside_grade"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


@pytest.fixture(scope="module")
def made(once: Once) -> Participant:
    now = timezone.now()
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - 20 * DAY)


@pytest.fixture
def here(participant: Participant) -> Participant:
    return participant


def url(here: Participant, **query: Any) -> str:
    more = "".join(f"&{name}={value}" for name, value in query.items())
    return f"{reverse(ADD)}?participant={here.pk}{more}"


def text_of(response: Any) -> str:
    return html.unescape(response.content.decode())


def given(here: Participant, kind: str, at: dt.datetime, by: User, **more: Any) -> Medication:
    values = {"name": kind, "route": "iv", "indication": "CRS", **more}
    return Medication.objects.create(participant=here, kind=kind, started_at=at, created_by=by, **values)


# --- since when --------------------------------------------------------------------------------------


class TestEstablished:
    PRESSED: dict[str, Any] = {"temperature_c": Decimal("36.9"), "anticytokine_given": True, "hypotension": True}

    def sentences(self, row: BedsideAssessment) -> list[dict[str, Any]]:
        grade = row.grades.filter(toxicity=Scale.CRS).order_by("id").last()
        assert grade is not None
        return [reason for reason in grade.reasons if reason["code"] == "established-since"]

    def test_the_sentence_tells_its_beginning_after_one_good_hour(
        self, here: Participant, alice: User, login: Any
    ) -> None:
        start = timezone.now().replace(second=0, microsecond=0) - 6 * HOUR
        assessed(here, start, seen(temperature_c=Decimal("39.5"), hypotension=True, vasopressors=()), alice)
        good = assessed(here, start + HOUR, seen(), alice)
        later = assessed(here, start + 2 * HOUR, seen(**self.PRESSED), alice)
        told = f"{timezone.localtime(start):%Y-%m-%d %H:%M}"
        assert [one["values"] for one in self.sentences(later)] == [{"since": told}]
        assert self.sentences(good), "the good hour tells it, too"
        page = text_of(login(alice).get(reverse("admin:safety_course", args=[here.pk])))
        assert f"CRS has been established since {told}." in page

    def test_it_follows_a_correction_of_what_came_before(self, here: Participant, alice: User) -> None:
        start = timezone.now().replace(second=0, microsecond=0) - 10 * HOUR
        first = assessed(here, start, seen(temperature_c=Decimal("39.5")), alice)
        assessed(here, start + 2 * HOUR, seen(temperature_c=Decimal("39.0")), alice)
        later = assessed(here, start + 4 * HOUR, seen(**self.PRESSED), alice)
        row = BedsideAssessment(
            participant=here, assessed_at=start, corrects=first, correction_reason="36.5 was misread"
        )
        actions.assess_bedside(assessment=row, seen=seen(), by=alice, now=timezone.now())
        (told,) = self.sentences(later)
        assert told["values"] == {"since": f"{timezone.localtime(start + 2 * HOUR):%Y-%m-%d %H:%M}"}

    def test_rows_that_do_not_tell_it_are_not_graded_anew_for_that(self, here: Participant, alice: User) -> None:
        start = timezone.now() - 10 * HOUR
        assessed(here, start, seen(temperature_c=Decimal("39.5")), alice)
        later = assessed(here, start + 4 * HOUR, seen(temperature_c=Decimal("39")), alice)
        old = later.grades.get(toxicity=Scale.CRS)
        findings = {name: value for name, value in old.findings.items() if name != "crs_established_since"}
        before = ToxicityAssessment(
            participant=here, toxicity=Scale.CRS, scale=old.scale, assessed_at=start + 5 * HOUR, grade=1
        )
        before.findings, before.created_by = findings, alice
        before.save()
        row = BedsideAssessment(participant=here, assessed_at=start + HOUR)
        actions.assess_bedside(assessment=row, seen=seen(temperature_c=Decimal("38.1")), by=alice, now=timezone.now())
        assert not before.corrections.exists()


# --- questions ---------------------------------------------------------------------------------------


def form_of(code: str) -> dict[str, Any]:
    """The first case of a question as it is typed into the form."""
    words = {True: "yes", False: "no"}
    case = CASES[code][0][0]
    return {
        name: words[value]
        if isinstance(value, bool)
        else [str(one) for one in value]
        if isinstance(value, tuple)
        else str(value)
        for name, value in case.items()
    }


FOLLOW: dict[str, dict[str, Any]] = {
    # What the form asks for beside, once it is a question.
    "good-pressure": {"hypotension_attributable": "no", "vasopressors": "none", "vasopressin": "no"},
    "hypotension-without-crs": {"vasopressors": "none", "vasopressin": "no"},
    "ice-beside-capd": {"capd_score": "0"},
    "capd-without-delay": {"capd_score": "0", "ice_performed": ""},
    "capd-beside-consciousness": {"ice_performed": "", "consciousness_attributable": "yes"},
}
OXYGEN = {"oxygen_reason": "procedure"}
DEEP = {"consciousness_attributable": "yes"}
# What the form itself leaves out or refuses.
NOT_ON_THE_FORM = {"capd-not-used"}


@pytest.mark.parametrize("code", [code for code in CASES if code not in NOT_ON_THE_FORM])
def test_every_contradiction_is_asked_about_on_the_form_and_saved_with_a_reason(
    here: Participant, alice: User, login: Any, code: str
) -> None:
    client = login(alice)
    more = {**OXYGEN, **DEEP, **form_of(code), **FOLLOW.get(code, {})}
    form = {**typed(here, timezone.now(), note="turned in bed"), **more}
    page = text_of(client.post(url(here), form))
    (asked,) = re.findall(rf'name="{ASKED}" value="([^"]*)"', page) or [""]
    context = replace(DAY_3, age_years=here.age_on(timezone.localdate()))
    reason = next(one for one in questions(_case(code), context) if one.code == code)
    assert in_words(reason) in page
    assert "turned in bed" in page
    assert not BedsideAssessment.objects.exists()
    unanswered = text_of(client.post(url(here), {**form, ASKED: asked}))
    assert "write why it is right" in unanswered
    assert client.post(url(here), {**form, ASKED: asked, ANSWER: "seen twice"}).status_code == 302
    assert code in BedsideAssessment.objects.get().observations["confirmed"]


def _case(code: str) -> Observations:
    return Observations(**CASES[code][0][0])


def test_another_value_is_another_question(here: Participant, alice: User, login: Any) -> None:
    client = login(alice)
    form = typed(here, timezone.now(), systolic="70", diastolic="40")
    page = text_of(client.post(url(here), form))
    assert "70/40 mmHg, but “no hypotension”" in page
    (asked,) = re.findall(rf'name="{ASKED}" value="([^"]*)"', page)
    again = {**form, "systolic": "60", ASKED: asked, ANSWER: "measured twice"}
    assert "60/40 mmHg" in text_of(client.post(url(here), again))
    assert not BedsideAssessment.objects.exists()


@pytest.mark.parametrize("code", sorted(QUESTION_TEXT))
def test_every_question_speaks_chinese(code: str) -> None:
    with translation.override("zh-hans"):
        assert translation.gettext(QUESTION_TEXT[code]) != QUESTION_TEXT[code]


def test_choices_are_quoted_by_their_names_on_the_form() -> None:
    reason = next(one for one in questions(_case("arousal-differs"), DAY_3) if one.code == "arousal-differs")
    assert in_words(reason) == "ICE “unable, cannot be aroused” beside the consciousness “alert”: which is right?"


def test_the_form_of_one_scale_asks_the_same(here: Participant, alice: User, login: Any) -> None:
    local = timezone.localtime(timezone.now())
    form = {
        "participant": here.pk,
        "assessed_at_0": f"{local:%Y-%m-%d}",
        "assessed_at_1": f"{local:%H:%M}",
        "temperature_c": "38.5",
        "fever_attributable": "yes",
        "antipyretic_or_anticytokine_given": "no",
        "hypotension": "no",
        "vasopressors": "1",
        "vasopressin": "no",
        "hypotension_attributable": "yes",
        "oxygen_device": "hfnc",
        "oxygen_reason": "crs_hypoxia",
    }
    page = text_of(login(alice).post(reverse("admin:safety_crsassessment_add"), form))
    assert "a vasopressor counts as hypotension. Is it running?" in page
    assert "“high-flow nasal cannula” without its flow" in page
    assert not CrsAssessment.objects.exists()


def test_the_form_of_icans_alone_asks_the_same(here: Participant, alice: User, login: Any) -> None:
    local = timezone.localtime(timezone.now())
    form = {
        "participant": here.pk,
        "assessed_at_0": f"{local:%Y-%m-%d}",
        "assessed_at_1": f"{local:%H:%M}",
        "ice_performed": "yes",
        "orientation": "4",
        "naming": "2",
        "commands": "1",
        "writing": "1",
        "attention": "0",
        "consciousness": "awakens_only_to_tactile",
        "consciousness_attributable": "yes",
        "capd_score": "3",
    }
    page = text_of(login(alice).post(reverse("admin:safety_icansassessment_add"), form))
    assert "ICE 8 of 10 beside “awakens to touch only”: which is right?" in page
    assert "CAPD 3 was written, but not that it is used instead of ICE" in page
    assert not IcansAssessment.objects.exists()


# --- vital signs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VITAL_SIGNS)
def test_every_vital_sign_can_be_typed_and_is_refused_where_it_cannot_be(name: str) -> None:
    field = BedsideForm().fields[name]
    assert name in {one for _title, names, _open in SECTIONS for one in names}
    for bad in (field.min_value - 1, field.max_value + 1):
        form = BedsideForm({name: str(bad)})
        form.is_valid()
        assert "must lie in" in form.errors[name][0]


def test_heart_rate_respiratory_rate_and_urine_stand_in_list_and_course(
    here: Participant, alice: User, login: Any
) -> None:
    client = login(alice)
    vital = {"heart_rate": "118", "respiratory_rate": "24", "urine_ml_h": "25.5", "systolic": "104", "diastolic": "60"}
    assert client.post(url(here), typed(here, timezone.now(), **vital)).status_code == 302
    row = BedsideAssessment.objects.get()
    assert (row.observations["heart_rate"], row.observations["urine_ml_h"]) == (118, "25.5")
    told = "36.8 °C · 104/60 mmHg · HR 118 · RR 24 · urine 25.5 mL/h"
    for page in ("admin:safety_bedsideassessment_changelist", "admin:safety_course"):
        assert told in text_of(client.get(reverse(page, args=[here.pk] if "course" in page else [])))


# --- whose form it is --------------------------------------------------------------------------------


def _box(page: str) -> str:
    return page.split('class="ts-whose"')[1].split("</p>")[0]


def test_the_box_of_grades_names_participant_and_day(here: Participant, alice: User, login: Any) -> None:
    client = login(alice)
    box = _box(text_of(client.get(url(here))))
    assert here.number in box
    assert ">D20<" in box
    shown = text_of(client.post(reverse(GRADE), typed(here, timezone.now() - 2 * DAY)))
    assert 'data-day="D18"' in shown, "the day of the assessment, not of the typing"


@pytest.mark.parametrize("kind", ["none", "bed", "initials"])
def test_the_second_identifier_is_the_study_files_choice_and_for_those_who_may_see_it(
    here: Participant, alice: User, login: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    here.bed, here.initials = "12-3", "LXM"
    here.save(update_fields=["bed", "initials"])
    policy = get_study().protocol(here.protocol_version).policy
    monkeypatch.setitem(policy.__dict__, "bedside_identifier", kind)
    box = _box(text_of(login(alice).get(url(here))))
    shown = {"none": set(), "bed": {"12-3"}, "initials": {"LXM"}}[kind]
    assert {one for one in ("12-3", "LXM") if one in box} == shown
    monkeypatch.setitem(get_study().latest.identity.__dict__, "bed", ())
    monkeypatch.setitem(get_study().latest.identity.__dict__, "initials", ())
    assert not {one for one in ("12-3", "LXM") if one in text_of(login(alice).get(url(here)))}


# --- as last time ------------------------------------------------------------------------------------

BEFORE: dict[str, Any] = {
    "temperature_c": Decimal("38.9"),
    "fever_attributable": True,
    "oxygen_device": OxygenDevice.NASAL_CANNULA,
    "oxygen_flow_l_min": Decimal(3),
    "oxygen_reason": "crs_hypoxia",
    "spo2_percent": Decimal(94),
}


class TestAsLastTime:
    @pytest.fixture
    def before(self, here: Participant, alice: User) -> BedsideAssessment:
        return assessed(here, timezone.now() - 8 * HOUR, seen(**BEFORE), alice)

    def test_every_field_is_either_typed_anew_or_carried_over(self) -> None:
        names = {name for _title, fields, _open in SECTIONS for name in fields}
        assert names == {*ANEW, *CARRIED}
        assert not set(ANEW) & set(CARRIED)
        assert not set(CARRIED) & set(VITAL_SIGNS), "what is measured is measured now"

    def test_it_fills_the_form_with_what_is_to_be_confirmed(
        self, here: Participant, before: BedsideAssessment, alice: User, login: Any
    ) -> None:
        client = login(alice)
        assert f"as_last={before.pk}" in text_of(client.get(url(here)))
        page = text_of(client.get(url(here, as_last=before.pk)))
        chosen = re.findall(r'<input[^>]*name="(\w+)"[^>]*\bchecked\b', page)
        assert "oxygen_device" in chosen
        assert 'value="38.9"' not in page
        assert 'value="94"' not in page
        confirmed = re.findall(r'name="still_so" value="(\w+)"', page)
        answered = {name for name, value in before.observations.items() if value not in (None, "", [])}
        assert set(confirmed) == set(CARRIED) & answered

    def test_nothing_of_it_counts_before_somebody_confirmed_it(
        self, here: Participant, before: BedsideAssessment, alice: User, login: Any
    ) -> None:
        client, address = login(alice), url(here, as_last=before.pk)
        oxygen = {"oxygen_device": "nasal_cannula", "oxygen_flow_l_min": "3", "oxygen_reason": "crs_hypoxia"}
        form: dict[str, Any] = {
            **typed(here, timezone.now(), temperature_c="38.6", fever_attributable="yes", **oxygen),
            "as_last": before.pk,
        }
        shown = text_of(client.post(reverse(GRADE), form))
        assert "Nobody has said yet whether oxygen is given" in shown
        page = text_of(client.post(address, form))
        assert "Look again, and confirm it or change it." in page
        assert not BedsideAssessment.objects.exclude(pk=before.pk).exists()
        confirmed = {**form, "still_so": list(CARRIED)}
        assert "low flow" in text_of(client.post(reverse(GRADE), confirmed))
        assert client.post(address, confirmed).status_code == 302
        assert grades(BedsideAssessment.objects.latest("id"))["CRS"] == 2

    @pytest.mark.parametrize("name", ["oxygen_device", "oxygen_flow_l_min", "consciousness", "seizure", "in_icu"])
    def test_one_that_nobody_confirmed_is_enough_to_ask(
        self, here: Participant, before: BedsideAssessment, alice: User, login: Any, name: str
    ) -> None:
        oxygen = {"oxygen_device": "nasal_cannula", "oxygen_flow_l_min": "3", "oxygen_reason": "crs_hypoxia"}
        form: dict[str, Any] = {
            **typed(here, timezone.now(), temperature_c="38.6", fever_attributable="yes", **oxygen),
            "still_so": [one for one in CARRIED if one != name],
        }
        page = text_of(login(alice).post(url(here, as_last=before.pk), form))
        assert page.count("Look again, and confirm it or change it.") == 1

    def test_a_vasopressor_of_last_time_does_not_vanish_with_the_hypotension(
        self, here: Participant, alice: User, login: Any
    ) -> None:
        pressed = seen(hypotension=True, vasopressors=(Vasopressor.DOPAMINE,), vasopressin=True)
        before = assessed(here, timezone.now() - 2 * HOUR, pressed, alice)
        form: dict[str, Any] = {
            **typed(here, timezone.now()),
            "vasopressors": ["dopamine"],
            "vasopressin": "yes",
            "still_so": [one for one in CARRIED if not one.startswith("vaso")],
        }
        page = text_of(login(alice).post(url(here, as_last=before.pk), form))
        assert page.count("Look again, and confirm it or change it.") == 2
        gone = {**form, "vasopressors": ["none"], "vasopressin": "no"}
        assert login(alice).post(url(here, as_last=before.pk), gone).status_code == 302

    def test_what_became_of_last_time_meanwhile_confirms_nothing(
        self, here: Participant, before: BedsideAssessment, alice: User, login: Any
    ) -> None:
        actions.void_bedside(assessment=before, reason="wrong bed", by=alice, now=timezone.now())
        page = text_of(login(alice).post(url(here, as_last=before.pk), typed(here, timezone.now())))
        assert "Look again, and confirm it or change it." in page

    def test_what_was_changed_is_an_answer(
        self, here: Participant, before: BedsideAssessment, alice: User, login: Any
    ) -> None:
        form: dict[str, Any] = {
            **typed(here, timezone.now(), oxygen_device="none"),
            "still_so": [one for one in CARRIED if not one.startswith("oxygen")],
        }
        assert login(alice).post(url(here, as_last=before.pk), form).status_code == 302

    def test_somebody_elses_or_a_void_assessment_is_no_last_time(
        self, here: Participant, before: BedsideAssessment, site: Site, alice: User, login: Any
    ) -> None:
        other = factories.infused(site=site, by=alice, now=timezone.now(), infused_at=timezone.now() - 3 * DAY)
        page = text_of(login(alice).get(url(other, as_last=before.pk)))
        assert "still_so" not in page
        actions.void_bedside(assessment=before, reason="wrong bed", by=alice, now=timezone.now())
        assert "as_last=" not in text_of(login(alice).get(url(here)))


# --- a changed mind ----------------------------------------------------------------------------------


class TestChangedMind:
    def test_ice_points_stay_in_the_form_while_ice_is_not_done_and_are_not_stored(
        self, here: Participant, alice: User, login: Any
    ) -> None:
        client = login(alice)
        form = typed(here, timezone.now(), ice_performed="not_done", counts="no")
        page = text_of(client.post(url(here), form))
        assert "Say why ICE was not done" in page
        assert re.search(r'name="counts" value="no"[^>]*checked', page), "to go back to"
        assert client.post(url(here), {**form, "ice_not_done": "asleep"}).status_code == 302
        assert BedsideAssessment.objects.get().observations["counts"] is None

    def test_what_is_no_question_is_neither_counted_nor_wrong(self, here: Participant, alice: User, login: Any) -> None:
        left: dict[str, Any] = {"oxygen_flow_l_min": "a lot", "oxygen_reason": "procedure", "capd_score": "99"}
        assert login(alice).post(url(here), typed(here, timezone.now(), **left)).status_code == 302
        observed = BedsideAssessment.objects.get().observations
        assert (observed["oxygen_flow_l_min"], observed["capd_score"]) == (None, None)

    def test_no_button_answers_whether_there_was_a_seizure_for_whoever_is_awake(self) -> None:
        assert not {"seizure", "deep_focal_weakness", "pressure_sign"} & set(NORMAL)
        assert not set(NORMAL) & set(ABSENT)


# --- drugs that keep fever away ----------------------------------------------------------------------


class TestDrugs:
    def preset(self, client: Any, here: Participant, at: dt.datetime) -> dict[str, Any]:
        shown = client.post(reverse(GRADE), typed(here, at)).content.decode()
        known: dict[str, Any] = json.loads(html.unescape(re.findall(r"data-known='([^']*)'", shown)[0]))
        return known

    def test_it_looks_back_from_the_time_of_the_assessment(self, here: Participant, alice: User, login: Any) -> None:
        now = timezone.now()
        given(here, "corticosteroid", now - 4 * HOUR, alice)
        client = login(alice)
        assert re.search(r'name="anticytokine_given" value="yes"[^>]*checked', text_of(client.get(url(here))))
        assert "anticytokine_given" in self.preset(client, here, now)
        assert "anticytokine_given" not in self.preset(client, here, now - 6 * HOUR), "not given yet then"

    @pytest.mark.parametrize(
        ("kind", "hours"),
        [("corticosteroid", 72), ("anakinra", 72), ("tocilizumab", 336), ("siltuximab", 336), ("antipyretic", 8)],
    )
    def test_a_drug_on_record_is_known_as_long_as_it_works(
        self, here: Participant, alice: User, kind: str, hours: int
    ) -> None:
        now = timezone.now()
        given(here, kind, now - hours * HOUR, alice)
        name = "antipyretic" if kind == "antipyretic" else "anticytokine"
        assert getattr(actions.given_before(here, now), name)
        assert not getattr(actions.given_before(here, now + dt.timedelta(minutes=1)), name)
        assert not getattr(actions.given_before(here, now - (hours * 60 + 1) * dt.timedelta(minutes=1)), name)

    def test_a_course_of_steroids_works_from_its_end(self, here: Participant, alice: User) -> None:
        now = timezone.now()
        row = given(here, "corticosteroid", now - 9 * DAY, alice, is_ongoing=True)
        assert actions.given_before(here, now).anticytokine
        row.is_ongoing, row.ended_at = False, now - 73 * HOUR
        row.save(update_fields=["is_ongoing", "ended_at"])
        assert not actions.given_before(here, now).anticytokine

    def test_an_answer_at_the_bed_stays_and_is_offered_as_a_record(
        self, here: Participant, alice: User, login: Any
    ) -> None:
        client, at = login(alice), timezone.now() - 2 * HOUR
        form = {**typed(here, at, anticytokine_given="yes"), "anticytokines": ["tocilizumab"]}
        after = client.post(url(here), form, follow=True)
        assert "not recorded as a drug" in text_of(after)
        assert f"medication/add/?participant={here.pk}&kind=tocilizumab" in text_of(after)
        page = text_of(client.get(url(here)))
        assert re.search(r'name="anticytokine_given" value="yes"[^>]*checked', page)
        assert "Record it as a drug" in page
        given(here, "tocilizumab", at - HOUR, alice)
        assert "Record it as a drug" not in text_of(client.get(url(here)))

    def test_a_no_takes_it_back_and_another_drug_on_record_is_not_it(self, here: Participant, alice: User) -> None:
        now = timezone.now()
        named = seen(anticytokine_given=True, anticytokines=(Anticytokine.TOCILIZUMAB,))
        assessed(here, now - 3 * HOUR, named, alice)
        given(here, "corticosteroid", now - 5 * HOUR, alice)
        assert actions.given_before(here, now).only_at_bed == {Anticytokine.TOCILIZUMAB: now - 3 * HOUR}
        assessed(here, now - HOUR, seen(anticytokine_given=False), alice)
        assert actions.given_before(here, now).only_at_bed == {}

    def test_every_drug_has_a_time_that_it_works(self, here: Participant) -> None:
        assert set(works_of(here).span) == set(Anticytokine)

    def test_what_is_on_record_is_asked_about_where_the_answer_is_no(
        self, here: Participant, alice: User, login: Any
    ) -> None:
        given(here, "tocilizumab", timezone.now() - DAY, alice, name="Actemra")
        given(here, "vasopressor", timezone.now() - DAY, alice, name="NE pump", is_ongoing=True)
        page = text_of(login(alice).post(url(here), typed(here, timezone.now())))
        assert re.search(r"“Actemra, [^”]+” is on record and still works", page)
        assert re.search(r"“NE pump, [^”]+” is on record as running", page)


# --- the timeline ------------------------------------------------------------------------------------


class TestTimeline:
    def looked(self, here: Participant, by: User, at: dt.datetime, *drugs: Vasopressor, **more: Any) -> None:
        assessed(here, at, seen(hypotension=bool(drugs), vasopressors=drugs, **more), by)

    def shown(self, here: Participant) -> list[tuple[str, dt.datetime, dt.datetime | None]]:
        return [(one.label, one.start, one.end) for one in entries_of(here) if one.kind.startswith("vaso")]

    def test_vasopressors_seen_at_the_bed_stand_in_it_from_the_first_look_to_the_last(
        self, here: Participant, alice: User, login: Any
    ) -> None:
        start = timezone.now() - 3 * DAY
        for hours, drugs in (
            (0, ["norepinephrine"]),
            (12, ["norepinephrine", "dopamine"]),
            (24, []),
            (36, ["dopamine"]),
        ):
            self.looked(here, alice, start + hours * HOUR, *(Vasopressor(one) for one in drugs))
        assert self.shown(here) == [
            ("Norepinephrine", start, start + 12 * HOUR),
            ("Dopamine", start + 12 * HOUR, None),
            ("Dopamine", start + 36 * HOUR, None),
        ]
        page = text_of(login(alice).get(reverse("admin:dosing_timeline", args=[here.pk])))
        assert "seen at the bed" in page

    @pytest.mark.parametrize("name", ["Norepinephrine 4 mg", "去甲肾上腺素"])
    def test_what_is_recorded_is_not_told_twice(self, here: Participant, alice: User, name: str) -> None:
        start = timezone.now() - 2 * DAY
        self.looked(here, alice, start, Vasopressor.NOREPINEPHRINE, Vasopressor.DOPAMINE)
        given(here, "vasopressor", start - HOUR, alice, name=name, is_ongoing=True)
        assert [label for label, *_ in self.shown(here)] == [name, "Dopamine"]

    def test_a_look_that_was_corrected_or_void_shows_nothing(self, here: Participant, alice: User) -> None:
        now = timezone.now()
        self.looked(here, alice, now - HOUR, Vasopressor.DOPAMINE, vasopressin=True)
        assert [label for label, *_ in self.shown(here)] == ["Dopamine", "Vasopressin"]
        row = BedsideAssessment.objects.get()
        actions.void_bedside(assessment=row, reason="another person", by=alice, now=now)
        assert self.shown(here) == []
