"""The bedside: one form for both scales, rows that are never changed, episodes, and their adverse events."""

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import pytest
from django.db import Error, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dosing.models import Medication
from participants.models import Examination, Measurement, Participant
from participants.rules.measures import MEASURES
from safety import actions
from safety.models import AdverseEvent, BedsideAssessment, SafetyAlert, Scale, ToxicityAssessment, ToxicityEpisode
from safety.rules import bedside
from safety.rules.bedside import ICE_POINTS, Context, Death, Observations, Vasopressor
from safety.rules.crs import CrsDeath, OxygenDevice, OxygenReason
from safety.rules.icans import Consciousness, IcansDeath, IcePerformed, PressureSign, Seizure
from tests import factories
from tests.conftest import Once
from trialsite.models import User
from trialsite.refusal import Refused

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
ALL_RIGHT = {name: True for names in ICE_POINTS.values() for name in names}
# Looked at, and absent.
ABSENT: dict[str, Any] = {
    "antipyretic_given": False,
    "anticytokine_given": False,
    "hypotension": False,
    "vasopressors": (),
    "vasopressin": False,
    "oxygen_device": OxygenDevice.NONE,
    "in_icu": False,
    "consciousness": Consciousness.ALERT,
    "seizure": Seizure.NONE,
    "deep_focal_weakness": False,
    "pressure_sign": PressureSign.NONE,
    "death": Death.NONE,
}
WELL = Observations(temperature_c=Decimal("36.8"), ice_performed=IcePerformed.YES, **ALL_RIGHT, **ABSENT)


def seen(**change: Any) -> Observations:
    from dataclasses import replace

    return replace(WELL, **change)


# --- what each scale takes ---------------------------------------------------------------------------

CONTEXT = Context(days_since_infusion=3, age_years=30, crs_established=False)


def test_each_vasopressor_counts_and_vasopressin_stands_apart() -> None:
    two = seen(vasopressors=(Vasopressor.NOREPINEPHRINE, Vasopressor.DOPAMINE), vasopressin=True)
    findings = bedside.crs_findings(two, CONTEXT)
    assert (findings.vasopressors, findings.vasopressin) == (2, True)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, False, id="neither"),
        pytest.param({"antipyretic_given": True}, True, id="antipyretic"),
        pytest.param({"anticytokine_given": True}, True, id="anticytokine"),
    ],
)
def test_either_drug_explains_a_missing_fever(change: dict[str, bool], expected: bool) -> None:
    assert bedside.crs_findings(seen(**change), CONTEXT).antipyretic_or_anticytokine_given is expected


@pytest.mark.parametrize(
    ("death", "crs_death", "icans_death"),
    [
        (Death.NONE, CrsDeath.NONE, IcansDeath.NONE),
        (Death.CRS, CrsDeath.CRS, IcansDeath.OTHER),
        (Death.ICANS, CrsDeath.OTHER, IcansDeath.ICANS),
        (Death.OTHER, CrsDeath.OTHER, IcansDeath.OTHER),
    ],
)
def test_a_death_is_due_to_one_cause(death: Death, crs_death: CrsDeath, icans_death: IcansDeath) -> None:
    died = seen(death=death)
    assert bedside.crs_findings(died, CONTEXT).death is crs_death
    assert bedside.icans_findings(died, CONTEXT).death is icans_death


@pytest.mark.parametrize("item", sorted(ICE_POINTS))
def test_ice_points_add_up_item_by_item(item: str) -> None:
    names = ICE_POINTS[item]
    assert bedside.points(WELL, item) == len(names)
    assert bedside.points(seen(**{names[0]: False}), item) == len(names) - 1
    assert bedside.points(seen(**dict.fromkeys(names, False)), item) == 0, "0 is an answer"
    assert bedside.points(seen(**{names[0]: None}), item) is None, "not asked is not wrong"


def test_there_are_ten_points() -> None:
    assert len(ALL_RIGHT) == 10


# --- saving ------------------------------------------------------------------------------------------

pages = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - 3 * DAY)


def assessed(
    participant: Participant, at: dt.datetime, what: Observations, by: User, *, corrects: Any = None, why: str = ""
) -> BedsideAssessment:
    row = BedsideAssessment(participant=participant, assessed_at=at, corrects=corrects, correction_reason=why)
    return actions.assess_bedside(assessment=row, seen=what, by=by, now=at)


def grades(row: BedsideAssessment) -> dict[str, int | None]:
    return {one.toxicity: one.final_grade for one in row.grades.all()}


@pytest.mark.django_db
@pytest.mark.usefixtures("english")
class TestSaving:
    def test_both_grades_come_from_one_look(self, participant: Participant, alice: User, now: dt.datetime) -> None:
        row = assessed(participant, now, seen(temperature_c=Decimal("38.4"), writes=False), alice)
        assert grades(row) == {"CRS": 1, "ICANS": 1}
        assert row.observations["writes"] is False
        assert row.observations["systolic"] is None, "not recorded stays not recorded"

    def test_an_ordinary_assessment_takes_fewer_than_ten_queries(
        self, participant: Participant, alice: User, now: dt.datetime
    ) -> None:
        assessed(participant, now - HOUR, WELL, alice)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assessed(participant, now, WELL, alice)
        asked = [one["sql"] for one in captured if "SAVEPOINT" not in one["sql"]]
        assert len(asked) < 10, "\n".join(asked)

    def test_an_assessment_of_a_course_takes_fewer_than_ten_queries(
        self, participant: Participant, alice: User, now: dt.datetime
    ) -> None:
        febrile = seen(temperature_c=Decimal("38.4"))
        assessed(participant, now - HOUR, febrile, alice)
        with CaptureQueriesContext(connection) as captured:
            assessed(participant, now, febrile, alice)
        asked = [one["sql"] for one in captured if "SAVEPOINT" not in one["sql"]]
        assert len(asked) < 10, "\n".join(asked)

    @pytest.mark.parametrize(
        ("change", "names"),
        [
            pytest.param({"fever_attributable": True}, ["fever_attributable"], id="no-fever-has-no-cause"),
            pytest.param(
                {"hypotension_attributable": True, "fluids_given": False},
                ["hypotension_attributable", "fluids_given", "vasopressin"],
                id="no-hypotension-has-no-cause",
            ),
            pytest.param(
                {"oxygen_reason": OxygenReason.CRS_HYPOXIA, "oxygen_flow_l_min": Decimal(2)},
                ["oxygen_reason", "oxygen_flow_l_min"],
                id="room-air-has-no-reason",
            ),
            pytest.param({"consciousness_attributable": True}, ["consciousness_attributable"], id="awake"),
            pytest.param({"seizure_minutes": Decimal(0)}, ["seizure_minutes"], id="no-seizure-has-no-length"),
        ],
    )
    def test_what_does_not_apply_is_not_stored(
        self, participant: Participant, alice: User, now: dt.datetime, change: dict[str, Any], names: list[str]
    ) -> None:
        row = assessed(participant, now, seen(**change), alice)
        assert {row.observations[name] for name in names} == {None}
        findings = {name: value for one in row.grades.all() for name, value in one.findings.items()}
        assert {findings[name] for name in names if name in findings} == {None}
        assert grades(row) == {"CRS": 0, "ICANS": 0}

    def test_a_vasopressor_counts_even_where_the_box_says_no(
        self, participant: Participant, alice: User, now: dt.datetime
    ) -> None:
        pressed = seen(temperature_c=Decimal("38.0"), hypotension=False, vasopressors=(Vasopressor.DOPAMINE,))
        assert grades(assessed(participant, now, pressed, alice))["CRS"] == 3

    def test_nothing_of_it_is_ever_changed(self, participant: Participant, alice: User, now: dt.datetime) -> None:
        row = assessed(participant, now, WELL, alice)
        for rows in (BedsideAssessment.objects.filter(pk=row.pk),):
            with pytest.raises(Error), transaction.atomic():
                rows.update(observations={})
        with pytest.raises(Error), transaction.atomic():
            ToxicityAssessment.objects.filter(bedside=row).update(grade=4)

    def test_a_correction_points_to_what_it_replaces(
        self, participant: Participant, alice: User, now: dt.datetime
    ) -> None:
        old = assessed(participant, now - HOUR, seen(temperature_c=Decimal("39.4")), alice)
        with pytest.raises(Error), transaction.atomic():
            assessed(participant, now, WELL, alice, corrects=old)
        new = assessed(participant, now, WELL, alice, corrects=old, why="typed 39.4 for 36.4")
        assert {one.corrects.bedside_id for one in new.grades.all()} == {old.pk}  # type: ignore[union-attr]
        assert not ToxicityEpisode.objects.filter(voided_at__isnull=True).exists(), "no fever, no episode"
        with pytest.raises(Refused, match="corrected already"):
            assessed(participant, now, WELL, alice, corrects=old, why="again")

    def test_the_future_is_refused_and_the_time_before_consent_can_be_recorded(
        self, participant: Participant, alice: User, now: dt.datetime
    ) -> None:
        row = BedsideAssessment(participant=participant, assessed_at=now + HOUR)
        with pytest.raises(Refused, match="is after now"):
            actions.assess_bedside(assessment=row, seen=WELL, by=alice, now=now)
        row.assessed_at = now - 40 * DAY
        assert actions.assess_bedside(assessment=row, seen=WELL, by=alice, now=now).pk

    def test_an_investigator_sets_another_grade_with_a_reason(
        self, participant: Participant, alice: User, ivan: User, now: dt.datetime
    ) -> None:
        row = assessed(participant, now, seen(temperature_c=Decimal("38.4")), alice)
        old = row.grades.get(toxicity="CRS")
        with pytest.raises(Refused, match="needs its reason"):
            actions.regrade(assessment=old, investigator_grade=2, reason=" ", by=ivan, now=now)
        new = actions.regrade(assessment=old, investigator_grade=2, reason="fluids were given", by=ivan, now=now)
        assert (new.grade, new.final_grade, new.findings) == (1, 2, old.findings)
        assert ToxicityEpisode.objects.get().highest_grade == 2
        with pytest.raises(Refused, match="corrected already"):
            actions.regrade(assessment=old, investigator_grade=0, reason="x", by=ivan, now=now)

    def test_death_due_to_the_toxicity_is_grade_5(
        self, participant: Participant, alice: User, now: dt.datetime
    ) -> None:
        assert grades(assessed(participant, now, seen(death=Death.CRS), alice)) == {"CRS": 5, "ICANS": 0}

    def test_organ_toxicity_changes_neither_grade(
        self, participant: Participant, alice: User, now: dt.datetime
    ) -> None:
        """ASCO and Lee 2019: organ toxicities are graded by CTCAE; no field of the bedside feeds them in."""
        takes = {*bedside.crs_findings(WELL, CONTEXT).__dict__, *bedside.icans_findings(WELL, CONTEXT).__dict__}
        assert not {name for name in takes if any(organ in name for organ in ("liver", "alt", "creat", "organ"))}
        plain = assessed(participant, now - HOUR, WELL, alice)
        AdverseEvent.objects.create(
            participant=participant,
            term="ALT increased",
            onset="2026-03-05",
            grade=4,
            ctcae_version="5.0",
            outcome="recovering",
            site_aware_at=now,
            created_by=alice,
        )
        assert grades(assessed(participant, now, WELL, alice)) == grades(plain)


@pytest.mark.django_db
@pytest.mark.usefixtures("english")
class TestEpisodes:
    def course(self, participant: Participant, start: dt.datetime, by: User, *temperatures: str) -> None:
        for number, temperature in enumerate(temperatures):
            assessed(participant, start + number * 12 * HOUR, seen(temperature_c=Decimal(temperature)), by)

    def test_a_course_is_one_episode(self, participant: Participant, alice: User, now: dt.datetime) -> None:
        start = now - 2 * DAY
        self.course(participant, start, alice, "36.9", "38.2", "39.0", "36.8")
        episode = ToxicityEpisode.objects.get()
        assert (episode.toxicity, episode.highest_grade) == ("CRS", 1)
        assert (episode.onset_at, episode.resolved_at) == (start + 12 * HOUR, start + 36 * HOUR)

    def test_its_adverse_event_follows_it(
        self, participant: Participant, alice: User, ivan: User, now: dt.datetime
    ) -> None:
        start = now - 2 * DAY
        self.course(participant, start, alice, "38.2")
        episode = ToxicityEpisode.objects.get()
        answers: dict[str, Any] = {
            "outcome": "recovering",
            "site_aware_at": start,
        }
        event = actions.propose_event(episode=episode, **answers, by=ivan, now=now)
        assert (event.grade, event.resolved) == (1, "")
        with pytest.raises(Refused, match="already"):
            actions.propose_event(episode=episode, **answers, by=ivan, now=now)
        assessed(participant, start + HOUR, seen(temperature_c=Decimal("39"), hypotension=True), alice)
        event.refresh_from_db()
        assert event.grade == 2
        assessed(participant, start + DAY, WELL, alice)
        event.refresh_from_db()
        assert event.resolved == timezone.localtime(start + DAY).date().isoformat()
        assert actions.is_in_step(ToxicityEpisode.objects.get())

    def test_a_death_waits_for_a_person(
        self, participant: Participant, alice: User, ivan: User, now: dt.datetime
    ) -> None:
        self.course(participant, now - DAY, alice, "38.2")
        episode = ToxicityEpisode.objects.get()
        actions.propose_event(
            episode=episode,
            outcome="not_recovered",
            site_aware_at=now - DAY,
            by=ivan,
            now=now,
        )
        assessed(participant, now, seen(death=Death.CRS), alice)
        episode = ToxicityEpisode.objects.select_related("adverse_event").get()
        assert (episode.highest_grade, episode.adverse_event.grade) == (5, 1)  # type: ignore[union-attr]
        assert not actions.is_in_step(episode)

    def test_treatment_is_told_from_the_onset(self, participant: Participant, alice: User, now: dt.datetime) -> None:
        self.course(participant, now - DAY, alice, "38.2")
        for hours, kind in ((-30, "tocilizumab"), (-20, "tocilizumab"), (-19, "antiinfective")):
            Medication.objects.create(
                participant=participant,
                kind=kind,
                name=kind,
                route="iv",
                started_at=now + hours * HOUR,
                indication="CRS",
                created_by=alice,
            )
        assessed(participant, now - 10 * HOUR, seen(temperature_c=Decimal("39"), in_icu=True), alice)
        found = actions.treatments_of(ToxicityEpisode.objects.get())
        assert [(one.name, one.after_onset / HOUR) for one in found] == [("tocilizumab", 4), ("intensive care", 14)]

    def test_what_rested_on_a_corrected_finding_is_graded_anew(
        self, participant: Participant, alice: User, now: dt.datetime
    ) -> None:
        """36.8 °C was 38.6 °C: the pressure that fell an hour later is CRS of grade 3, and somebody is told."""
        first = assessed(participant, now - 2 * HOUR, seen(temperature_c=Decimal("36.8")), alice)
        pressed = seen(
            temperature_c=Decimal("36.9"),
            anticytokine_given=True,
            hypotension=True,
            vasopressors=(Vasopressor.NOREPINEPHRINE,),
        )
        later = assessed(participant, now - HOUR, pressed, alice)
        assert later.grades.get(toxicity=Scale.CRS).grade == 0
        row = BedsideAssessment(
            participant=participant, assessed_at=first.assessed_at, corrects=first, correction_reason="typing error"
        )
        actions.assess_bedside(assessment=row, seen=seen(temperature_c=Decimal("38.6")), by=alice, now=now)
        anew = later.grades.get(toxicity=Scale.CRS, corrections=None)
        assert (anew.grade, anew.flags, anew.corrects.grade) == (3, ["GRADED_ANEW"], 0)
        episode = ToxicityEpisode.objects.get()
        assert (episode.onset_at, episode.highest_grade, episode.resolved_at) == (first.assessed_at, 3, None)
        assert SafetyAlert.objects.filter(participant=participant, toxicity=Scale.CRS, grade=3).exists()

    def test_an_earlier_assessment_that_is_entered_late_counts_too(
        self, participant: Participant, alice: User, now: dt.datetime
    ) -> None:
        pressed = seen(temperature_c=Decimal("36.9"), anticytokine_given=True, hypotension=True)
        later = assessed(participant, now - HOUR, pressed, alice)
        row = BedsideAssessment(participant=participant, assessed_at=now - 2 * HOUR)
        actions.assess_bedside(assessment=row, seen=seen(temperature_c=Decimal("38.6")), by=alice, now=now)
        assert later.grades.get(toxicity=Scale.CRS, corrections=None).grade == 2

    def test_a_vasopressor_is_told_once(self, participant: Participant, alice: User, now: dt.datetime) -> None:
        self.course(participant, now - DAY, alice, "38.2")
        pressed = seen(temperature_c=Decimal("39"), hypotension=True, vasopressors=(Vasopressor.NOREPINEPHRINE,))
        assessed(participant, now - 10 * HOUR, pressed, alice)
        assessed(participant, now - 5 * HOUR, pressed, alice)
        episode = ToxicityEpisode.objects.get()
        told = [(one.name, one.after_onset / HOUR) for one in actions.treatments_of(episode)]
        assert told == [("vasopressor", 14)], "the first time it was seen at the bed"
        Medication.objects.create(
            participant=participant,
            kind="vasopressor",
            name="norepinephrine",
            route="iv",
            started_at=now - 11 * HOUR,
            indication="CRS",
            created_by=alice,
        )
        told = [(one.name, one.after_onset / HOUR) for one in actions.treatments_of(episode)]
        assert told == [("norepinephrine", 13)], "as it is recorded"


# --- pages -------------------------------------------------------------------------------------------


def typed(participant: Participant, at: dt.datetime, **more: str) -> dict[str, str]:
    local = timezone.localtime(at)
    return {
        "participant": str(participant.pk),
        "assessed_at_0": f"{local:%Y-%m-%d}",
        "assessed_at_1": f"{local:%H:%M}",
        "temperature_c": "36.8",
        "antipyretic_given": "no",
        "anticytokine_given": "no",
        "hypotension": "no",
        "oxygen_device": "none",
        "ice_performed": "yes",
        **dict.fromkeys(ALL_RIGHT, "yes"),
        "consciousness": "alert",
        "in_icu": "no",
        "seizure": "none",
        "deep_focal_weakness": "no",
        "pressure_sign": "none",
        "cerebral_oedema": "none",
        "intracranial_haemorrhage": "no",
        **more,
    }


ADD = "admin:safety_bedsideassessment_add"


@pytest.fixture(scope="module")
def here_once(once: Once) -> Participant:
    now = timezone.now()
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - 3 * DAY)


@pytest.mark.django_db
@pytest.mark.usefixtures("english")
class TestPages:
    @pytest.fixture
    def here(self, here_once: Participant, db: None) -> Participant:
        return Participant.objects.get(pk=here_once.pk)

    def url(self, here: Participant) -> str:
        return f"{reverse(ADD)}?participant={here.pk}"

    def test_a_look_at_the_bed_is_saved_and_leads_to_the_course(
        self, here: Participant, alice: User, login: Any
    ) -> None:
        client = login(alice)
        assert "10 of 10, awake" in client.get(self.url(here)).content.decode()
        oxygen = {"oxygen_device": "nasal_cannula", "oxygen_flow_l_min": "3", "oxygen_reason": "crs_hypoxia"}
        form = typed(here, timezone.now(), temperature_c="38.6", fever_attributable="yes", **oxygen)
        response = client.post(self.url(here), form)
        assert response.status_code == 302
        page = client.get(response["Location"]).content.decode()
        assert "Nasal cannula at 3 L/min is low flow" in page
        assert "ICE score 10 of 10" in page

    @pytest.mark.parametrize(
        "text", ["\uff13\uff18\u3002\uff15", "\uff13\uff18\uff0e\uff15"], ids=["full-stop", "wide-point"]
    )
    def test_wide_digits_of_a_chinese_keyboard_are_read(
        self, here: Participant, alice: User, login: Any, text: str
    ) -> None:
        form = typed(here, timezone.now(), temperature_c=text, fever_attributable="yes", systolic="\uff11\uff12\uff10")
        assert login(alice).post(self.url(here), form).status_code == 302
        observed = BedsideAssessment.objects.get().observations
        assert (observed["temperature_c"], observed["systolic"]) == ("38.5", 120)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            pytest.param({"temperature_c": ""}, "why it was not measured", id="no-temperature"),
            pytest.param({"hypotension": ""}, "required", id="nothing-chosen-is-not-a-no"),
            pytest.param({"temperature_c": "38.0"}, "grade hangs on it", id="fever-without-its-cause"),
            pytest.param({"hypotension": "yes"}, "grade hangs on it", id="hypotension-without-its-treatment"),
            pytest.param(
                {"hypotension": "yes", "vasopressors": ["none", "dopamine"]}, "take one of them back", id="none-and-one"
            ),
            pytest.param({"oxygen_device": "hfnc"}, "grade hangs on it", id="oxygen-without-its-reason"),
            pytest.param({"consciousness": "unarousable_or_vigorous"}, "grade hangs on it", id="coma-without-a-cause"),
            pytest.param({"ice_performed": ""}, "Was ICE performed?", id="ice-not-asked"),
            pytest.param({"counts": ""}, "Right (1) or wrong (0)?", id="one-ice-point-not-asked"),
            pytest.param({"ice_performed": "not_done"}, "Say why ICE was not done", id="ice-not-done-without-a-reason"),
            pytest.param({"oxygen_device": "nasal_cannula"}, "Low and high flow", id="cannula-without-flow"),
            pytest.param({"use_capd": "yes"}, "Give the CAPD score", id="capd-without-score"),
            pytest.param({"temperature_c": "386"}, "must lie in 25–45", id="impossible-temperature"),
            pytest.param(
                {"systolic": "80", "diastolic": "120"}, "120, is above the systolic, 80", id="pressures-swapped"
            ),
            pytest.param({"assessed_at_0": "2099-01-01"}, "is in the future", id="in-the-future"),
        ],
    )
    def test_what_is_missing_is_asked_for_and_nothing_is_lost(
        self, here: Participant, alice: User, login: Any, change: dict[str, str], words: str
    ) -> None:
        form = {**typed(here, timezone.now(), note="turned in bed"), **change}
        page = login(alice).post(self.url(here), form).content.decode()
        assert words in page
        assert "turned in bed" in page
        assert not BedsideAssessment.objects.exists()

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({"temperature_c": "", "temperature_not_done": "refused"}, id="temperature-not-done"),
            pytest.param({"ice_performed": "not_done", "ice_not_done": "asleep after sedation"}, id="ice-not-done"),
            pytest.param(
                {
                    "ice_performed": "unable_arousable",
                    "temperature_c": "",
                    "temperature_not_done": "the thermometer is broken",
                },
                id="two-at-once",
            ),
        ],
    )
    def test_not_done_with_its_reason_is_an_answer(
        self, here: Participant, alice: User, login: Any, change: dict[str, str]
    ) -> None:
        assert login(alice).post(self.url(here), {**typed(here, timezone.now()), **change}).status_code == 302

    def test_the_grades_appear_while_typing(self, here: Participant, alice: User, mona: User, login: Any) -> None:
        url, client = reverse("admin:safety_bedside_grade"), login(alice)
        shown = client.post(url, {"participant": here.pk, "temperature_c": "38.0"}).content.decode()
        assert "Fever of 38.0 °C" in shown
        assert "still missing" in shown
        assert not BedsideAssessment.objects.exists(), "nothing is saved"
        misread = client.post(url, {**typed(here, timezone.now()), "temperature_c": "55"}).content.decode()
        assert "Temperature must lie in 25–45 °C; 55 was written" in misread
        assert login(mona).post(url, {"participant": here.pk}).status_code == 403

    def test_nothing_is_chosen_before_somebody_chose_it(self, here: Participant, alice: User, login: Any) -> None:
        """Only “not looked at” stands there: it says that nobody has."""
        page = login(alice).get(self.url(here)).content.decode()
        chosen = re.findall(r"<input[^>]*\bchecked\b[^>]*>", page)
        assert {re.search(r'value="([^"]*)"', one)[1] for one in chosen} == {""}  # type: ignore[index]

    def test_what_nobody_looked_at_is_stored_as_that_and_gives_no_icans_grade(
        self, here: Participant, alice: User, login: Any
    ) -> None:
        open_ones = ("in_icu", "seizure", "deep_focal_weakness", "pressure_sign", "cerebral_oedema")
        form = {**typed(here, timezone.now()), **dict.fromkeys((*open_ones, "intracranial_haemorrhage"), "")}
        login(alice).post(self.url(here), form)
        row = BedsideAssessment.objects.get()
        assert {row.observations[name] for name in (*open_ones, "intracranial_haemorrhage")} == {None}
        assert grades(row) == {"CRS": 0, "ICANS": None}
        assert row.grades.get(toxicity="ICANS").flags == ["NOT_LOOKED_AT"]

    def test_absent_is_stored_as_absent(self, here: Participant, alice: User, login: Any) -> None:
        login(alice).post(self.url(here), typed(here, timezone.now()))
        row = BedsideAssessment.objects.get()
        assert (row.observations["seizure"], row.observations["in_icu"]) == ("none", False)
        assert grades(row) == {"CRS": 0, "ICANS": 0}

    def test_a_vasopressor_is_running_or_none_is_or_nobody_has_said(
        self, here: Participant, alice: User, login: Any
    ) -> None:
        low = {"hypotension": "yes", "hypotension_attributable": "yes", "vasopressin": "no", "fluids_given": "yes"}
        form = typed(here, timezone.now(), temperature_c="38.6", fever_attributable="yes", **low)
        shown = login(alice).post(reverse("admin:safety_bedside_grade"), form).content.decode()
        assert "nobody has said whether a vasopressor is running" in shown
        login(alice).post(self.url(here), {**form, "vasopressors": "none"})
        row = BedsideAssessment.objects.get()
        assert (row.observations["vasopressors"], grades(row)["CRS"]) == ([], 2)

    def test_a_monitor_reads_and_does_not_write(self, here: Participant, mona: User, login: Any) -> None:
        client = login(mona)
        assert client.get(self.url(here)).status_code == 403
        assert client.get(reverse("admin:safety_course", args=[here.pk])).status_code == 200

    def test_another_site_sees_nothing(self, here: Participant, charlie: User, login: Any) -> None:
        assert login(charlie).get(reverse("admin:safety_course", args=[here.pk])).status_code == 404

    def test_a_correction_starts_from_what_was_typed(self, here: Participant, alice: User, login: Any) -> None:
        row = assessed(here, timezone.now() - HOUR, seen(temperature_c=Decimal("39.4"), city=False), alice)
        client, url = login(alice), f"{reverse(ADD)}?corrects={row.pk}"
        page = client.get(url).content.decode()
        assert 'value="39.4"' in page
        form = typed(here, timezone.now() - HOUR, correction_reason="")
        assert "A correction says why" in client.post(url, form).content.decode()
        assert client.post(url, {**form, "correction_reason": "typing error"}).status_code == 302
        shown = client.get(reverse("admin:safety_bedsideassessment_change", args=[row.pk])).content.decode()
        assert "replaced by" in shown.lower()

    def test_the_course_opens_with_as_many_queries_for_200_assessments_and_2000_results(
        self, here: Participant, alice: User, ivan: User, login: Any
    ) -> None:
        client, url = login(ivan), reverse("admin:safety_course", args=[here.pk])
        person = reverse("admin:participants_participant_page", args=[here.pk])
        now = timezone.now()
        for hours in (3, 2):
            assessed(here, now - hours * HOUR, seen(temperature_c=Decimal("38.5"), writes=False), alice)
        client.get(url), client.get(person)
        few = self.count(client, url), self.count(client, person)
        bedside_rows = BedsideAssessment.objects.bulk_create(
            BedsideAssessment(
                participant=here, assessed_at=now - n * dt.timedelta(minutes=7), observations={}, created_by=alice
            )
            for n in range(100)
        )
        template = ToxicityAssessment.objects.filter(participant=here).first()
        assert template is not None
        ToxicityAssessment.objects.bulk_create(
            ToxicityAssessment(
                participant=here,
                bedside=row,
                toxicity=scale,
                scale=template.scale,
                assessed_at=row.assessed_at,
                findings=template.findings,
                grade=1,
                reasons=[],
                created_by=alice,
            )
            for row in bedside_rows
            for scale in Scale.values[:2]
        )
        examinations = Examination.objects.bulk_create(
            Examination(
                participant=here,
                panel="CBC",
                taken_at=now - n * dt.timedelta(minutes=3),
                is_study_procedure=False,
                created_by=alice,
            )
            for n in range(500)
        )
        Measurement.objects.bulk_create(
            Measurement(
                participant=here,
                examination=row,
                code=code,
                value=2,
                unit=MEASURES[code].unit,
                standard_value=2,
                taken_at=row.taken_at,
                created_by=alice,
            )
            for row in examinations
            for code in ("NEUT", "PLAT", "HGB", "WBC")
        )
        assert (self.count(client, url), self.count(client, person)) == few

    def count(self, client: Any, url: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url).status_code == 200
        return len(captured)
