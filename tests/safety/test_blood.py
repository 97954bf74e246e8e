"""The blood of a participant: what counts and the laboratory say, and what only a person makes of it."""

import datetime as dt
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import Error, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from participants.actions import change_status, record_examination
from participants.models import Examination, Measurement, Participant
from participants.rules.status import Status
from safety.actions import blood
from safety.curve import curve_of
from safety.models import AdverseEvent, IcahtAssessment, IcahtPhase, IecHsAssessment
from safety.rules.icaht import Anc, Observed, Run
from safety.rules.iec_hs import IecHsFindings, Severity
from safety.rules.lab_ctcae import Version
from tests import factories
from tests.conftest import PASSWORD, Once
from trialsite.bounds import SIGNS
from trialsite.models import Site, User
from trialsite.recordadmin import void
from trialsite.refusal import Refused

SECOND, HOUR, DAY = dt.timedelta(seconds=1), dt.timedelta(hours=1), dt.timedelta(days=1)
PANELS = {"NEUT": "CBC", "PLAT": "CBC", "HGB": "CBC", "FIBRINO": "COAG"}
UNITS = {"NEUT": "10^9/L", "PLAT": "10^9/L", "HGB": "g/L", "FIBRINO": "g/L", "FERRITIN": "ug/L", "ALT": "U/L"}
UNITS |= {"AST": "U/L", "CA": "mmol/L", "ALB": "g/L", "K": "mmol/L"}


@pytest.fixture(scope="module")
def now() -> dt.datetime:
    """Eight in the morning at the site, so that hours before are the same day."""
    return timezone.localtime().replace(hour=8, minute=0, second=0, microsecond=0) - DAY


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    """Infused twenty days ago."""
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - 20 * DAY)


def measured(participant: Participant, at: dt.datetime, **values: Any) -> Examination:
    """Results of one panel at one moment: a number, or (number, lower limit, upper limit); "<0.1" is a bound."""
    by = participant.created_by
    answers = []
    for code, given in values.items():
        text, low, high = given if isinstance(given, tuple) else (given, None, None)
        bound = text[0] if text[0] in SIGNS else ""
        answers.append(
            Measurement(
                code=code,
                value=Decimal(text.removeprefix(bound)),
                comparator=bound,
                unit=UNITS[code],
                reference_low=low and Decimal(low),
                reference_high=high and Decimal(high),
            )
        )
    panel = PANELS.get(next(iter(values)), "CHEM")
    examination = Examination(participant=participant, panel=panel, taken_at=at)
    return record_examination(
        examination=examination, answers=answers, accepted=list(values), by=by, now=at + dt.timedelta(minutes=1)
    )


def counted(participant: Participant, now: dt.datetime, counts: str) -> None:
    """Neutrophils in 10^9/L of the last days, the newest today; - is a day without one."""
    texts = counts.split()
    for days_ago, text in zip(range(len(texts) - 1, -1, -1), texts, strict=True):
        if text != "-":
            measured(participant, now - days_ago * DAY - HOUR, NEUT=text)


def course(participant: Participant, now: dt.datetime) -> blood.Course:
    return blood.course_of(participant, now=now)


def counts(participant: Participant, now: dt.datetime) -> list[Anc]:
    """From Day 0 on; the screening counted, too."""
    return [one for one in blood.counts_of(course(participant, now)) if one.day >= 0]


def page_of(participant: Participant) -> str:
    return reverse("admin:safety_blood", args=[participant.pk])


# --- what the record says ----------------------------------------------------------------------------

WEEK_OF_400 = "2.0 " * 7 + "0.4 " * 7 + "1.8 " * 7


@pytest.mark.django_db
class TestIcaht:
    def test_counts_are_of_trial_days_per_microlitre(self, participant: Participant, now: dt.datetime) -> None:
        counted(participant, now, "0.4 - <0.1")
        assert counts(participant, now) == [Anc(18, Decimal(400)), Anc(20, Decimal(100), comparator="<")]

    def test_another_unit_is_converted(self, participant: Participant, now: dt.datetime) -> None:
        row = Measurement(code="NEUT", value=Decimal(430), unit="/uL")
        examination = Examination(participant=participant, panel="CBC", taken_at=now - HOUR)
        record_examination(examination=examination, answers=[row], by=participant.created_by, now=now)
        assert [one.per_ul for one in counts(participant, now)] == [430]

    def test_what_is_void_and_what_comes_later_does_not_count(self, participant: Participant, now: dt.datetime) -> None:
        wrong = measured(participant, now - 2 * DAY, NEUT="0.1")
        void(wrong, reason="another participant", by=participant.created_by, now=now)
        measured(participant, now - DAY, NEUT="2.1")
        assert [one.per_ul for one in counts(participant, now - 2 * HOUR)] == [2100]
        assert counts(participant, now - 2 * DAY) == []

    def test_the_grade_so_far(self, participant: Participant, now: dt.datetime) -> None:
        counted(participant, now, WEEK_OF_400)
        found = blood.icaht_early(course(participant, now))
        assert (found.graded.grade, found.graded.flags) == (2, ("SO_FAR",))
        assert found.longest_500 == Run(7, 13)
        assert blood.icaht_late(course(participant, now)).graded.grade is None

    def test_death_ends_both_times(self, participant: Participant, ivan: User, now: dt.datetime) -> None:
        counted(participant, now, "0.3 " * 21)
        change_status(participant=participant, new=Status.DIED, on=timezone.localdate(now), reason="", by=ivan, now=now)
        found = course(participant, now + 20 * DAY)
        assert (found.early, found.late) == (Observed(20, is_over=True), Observed(20, is_over=True))
        assert blood.icaht_early(found).graded.determinants == ("never_recovered",)

    def test_relapse_ends_the_late_time_only(self, site: Site, alice: User, ivan: User, now: dt.datetime) -> None:
        participant = factories.infused(site=site, by=alice, now=now, infused_at=now - 60 * DAY)
        on = timezone.localdate(now - 15 * DAY)
        change_status(participant=participant, new=Status.RELAPSED, on=on, reason="", by=ivan, now=now)
        found = course(participant, now)
        assert (found.early, found.late) == (Observed(60), Observed(45, is_over=True))

    def test_without_an_infusion_there_is_nothing_to_count(self, site: Site, alice: User, now: dt.datetime) -> None:
        participant = factories.consented(site=site, by=alice, now=now - DAY)
        measured(participant, now - HOUR, NEUT="0.4")
        assert blood.counts_of(course(participant, now)) == []
        row = IcahtAssessment(participant=participant, phase=IcahtPhase.EARLY)
        with translation.override("en"), pytest.raises(Refused, match="no infusion yet"):
            blood.record_icaht(assessment=row, seen="", by=alice, now=now)


def confirmed(participant: Participant, by: User, now: dt.datetime, **own: Any) -> IcahtAssessment:
    graded, summary = blood.icaht_of(course(participant, now), IcahtPhase.EARLY)
    row = IcahtAssessment(participant=participant, phase=IcahtPhase.EARLY, **own)
    return blood.record_icaht(assessment=row, seen=blood.fingerprint(graded, summary), by=by, now=now)


@pytest.mark.django_db
@pytest.mark.usefixtures("english")
class TestConfirming:
    def test_the_computed_grade_is_kept_with_its_runs(
        self, participant: Participant, alice: User, now: dt.datetime
    ) -> None:
        counted(participant, now, WEEK_OF_400)
        row = IcahtAssessment.objects.get(pk=confirmed(participant, alice, now).pk)
        assert (row.grade, row.final_grade, row.determinants, row.scale) == (2, 2, "anc_500", "EHA/EBMT 2023")
        assert (row.created_by, row.computed_at) == (alice, now)
        assert row.summary["longest_500"] == {"first_day": 7, "last_day": 13, "days": 7, "interpolated_days": []}
        assert row.summary["days"][0] == {"day": 0, "per_ul": "2000", "is_interpolated": False}

    def test_nobody_confirms_what_they_have_not_seen(
        self, participant: Participant, alice: User, now: dt.datetime
    ) -> None:
        counted(participant, now, WEEK_OF_400)
        seen = blood.fingerprint(*blood.icaht_of(course(participant, now), IcahtPhase.EARLY))
        measured(participant, now - 30 * dt.timedelta(minutes=1), NEUT="0.2")
        row = IcahtAssessment(participant=participant, phase=IcahtPhase.EARLY)
        with pytest.raises(Refused, match="New counts have come in"):
            blood.record_icaht(assessment=row, seen=seen, by=alice, now=now)
        assert not IcahtAssessment.objects.exists()

    def test_a_second_press_of_the_button_is_no_second_fact(
        self, participant: Participant, alice: User, now: dt.datetime
    ) -> None:
        counted(participant, now, WEEK_OF_400)
        confirmed(participant, alice, now)
        with pytest.raises(Refused, match="nothing has changed since"):
            confirmed(participant, alice, now + HOUR)

    def test_another_grade_is_an_investigators_with_a_reason(
        self, participant: Participant, alice: User, ivan: User, now: dt.datetime
    ) -> None:
        counted(participant, now, WEEK_OF_400)
        with pytest.raises(Refused, match="Only an investigator"):
            confirmed(participant, alice, now, investigator_grade=1, investigator_reason="leukaemia")
        with pytest.raises(Refused, match="needs its reason"):
            confirmed(participant, ivan, now, investigator_grade=1, investigator_reason=" ")
        row = confirmed(participant, ivan, now, investigator_grade=1, investigator_reason="before lymphodepletion")
        assert (row.grade, row.final_grade) == (2, 1)

    @pytest.mark.parametrize(
        "change", [{"grade": 4}, {"summary": {}}, {"investigator_grade": 1, "investigator_reason": "x"}]
    )
    def test_nothing_of_it_is_ever_changed(
        self, participant: Participant, alice: User, now: dt.datetime, change: dict[str, Any]
    ) -> None:
        counted(participant, now, WEEK_OF_400)
        row = confirmed(participant, alice, now)
        with pytest.raises(Error, match=r"[Cc]annot update|read"), transaction.atomic():
            IcahtAssessment.objects.filter(pk=row.pk).update(**change)
        with pytest.raises(Error), transaction.atomic():
            row.delete()
        void(row, reason="wrong participant", by=alice, now=now)
        assert IcahtAssessment.objects.get().is_void


# --- IEC-HS ------------------------------------------------------------------------------------------

HIGH_FERRITIN = ("9000", None, "400")


@pytest.mark.django_db
class TestPrefilling:
    def test_current_values_answer_and_say_why(self, participant: Participant, now: dt.datetime) -> None:
        measured(participant, now - 50 * HOUR, FERRITIN=("900", None, "400"))
        measured(participant, now - HOUR, FERRITIN=HIGH_FERRITIN, ALT=("190", None, "50"), AST=("210", None, "40"))
        measured(participant, now - HOUR, FIBRINO=("1.8", "2.0", "4.0"))
        known = blood.prefilled(course(participant, now), now)
        assert {name: one.finding for name, one in known.items()} == {
            "ferritin_high": True,
            "ferritin_rising": True,
            "transaminases_high": True,
            "fibrinogen_low": True,
        }
        assert known["ferritin_rising"].derived.reasons[0].values["times"] == "10"

    def test_the_baseline_is_the_newest_value_before_the_infusion(
        self, participant: Participant, now: dt.datetime
    ) -> None:
        measured(participant, now - 21 * DAY, FERRITIN=("700", None, "400"))
        measured(participant, now - HOUR, FERRITIN=("790", None, "400"))
        known = blood.prefilled(course(participant, now), now)["ferritin_high"]
        assert known.finding is False
        assert known.derived.reasons[1].values["limit"] == "700"

    def test_an_old_value_is_shown_and_answers_nothing(self, participant: Participant, now: dt.datetime) -> None:
        measured(participant, now - 73 * HOUR, FERRITIN=HIGH_FERRITIN)
        known = blood.prefilled(course(participant, now), now)["ferritin_high"]
        assert (known.derived.finding, known.finding) == (True, None)

    def test_what_was_not_measured_is_not_recorded(self, participant: Participant, now: dt.datetime) -> None:
        known = blood.prefilled(course(participant, now), now)
        assert known["fibrinogen_low"].finding is None
        assert known["ferritin_high"].taken_at is not None, "the screening's"


POSITIVE = IecHsFindings(ferritin_high=True, cytopenia=True, severity=Severity.SEVERE)


def judged(participant: Participant, by: User, now: dt.datetime, findings: IecHsFindings, **facts: Any) -> Any:
    row = IecHsAssessment(participant=participant, assessed_at=now, **facts)
    return blood.assess_iec_hs(assessment=row, findings=findings, others=("fever", "renal"), by=by, now=now)


@pytest.mark.django_db
@pytest.mark.usefixtures("english")
class TestJudging:
    def test_findings_screen_and_grade_are_kept(self, participant: Participant, ivan: User, now: dt.datetime) -> None:
        measured(participant, now - HOUR, FERRITIN=HIGH_FERRITIN)
        row = IecHsAssessment.objects.get(pk=judged(participant, ivan, now, POSITIVE).pk)
        assert (row.screen, row.severity, row.grade) == ("positive", "severe", 3)
        assert row.findings["cytopenia"] is True
        assert row.findings["fibrinogen_low"] is None, "not recorded stays not recorded"
        assert row.findings["others"] == ["fever", "renal"]
        assert row.laboratory["ferritin_high"]["reasons"][0]["values"]["value"] == "9000"
        assert row.scale == "ASTCT 2023 (IEC-HS)"

    def test_unknown_findings_do_not_clear(self, participant: Participant, alice: User, now: dt.datetime) -> None:
        row = judged(participant, alice, now, IecHsFindings(ferritin_high=True))
        assert (row.screen, row.grade, row.flags) == ("open", None, ["CANNOT_EXCLUDE"])

    @pytest.mark.parametrize(
        ("findings", "facts", "words"),
        [
            pytest.param(POSITIVE, {}, "investigator's choice", id="severity"),
            pytest.param(
                IecHsFindings(), {"investigator_grade": 2, "investigator_reason": "x"}, "Only an inv", id="own-grade"
            ),
        ],
    )
    def test_a_coordinator_records_findings_only(
        self,
        participant: Participant,
        alice: User,
        now: dt.datetime,
        findings: IecHsFindings,
        facts: dict[str, Any],
        words: str,
    ) -> None:
        with pytest.raises(Refused, match=words):
            judged(participant, alice, now, findings, **facts)
        assert not IecHsAssessment.objects.exists()

    def test_an_investigator_may_grade_against_the_screen(
        self, participant: Participant, ivan: User, now: dt.datetime
    ) -> None:
        with pytest.raises(Refused, match="needs its reason"):
            judged(participant, ivan, now, IecHsFindings(), investigator_grade=2)
        row = judged(participant, ivan, now, IecHsFindings(), investigator_grade=2, investigator_reason="biopsy")
        assert (row.grade, row.final_grade) == (None, 2)

    def test_the_moment_must_be_possible(self, participant: Participant, ivan: User, now: dt.datetime) -> None:
        row = IecHsAssessment(participant=participant, assessed_at=now + dt.timedelta(minutes=5))
        with pytest.raises(Refused, match="is after now"):
            blood.assess_iec_hs(assessment=row, findings=POSITIVE, by=ivan, now=now)

    def test_a_correction_replaces_once_and_says_why(
        self, participant: Participant, ivan: User, site: Site, alice: User, now: dt.datetime
    ) -> None:
        old = judged(participant, ivan, now - HOUR, POSITIVE)
        with pytest.raises(Refused, match="says why"):
            judged(participant, ivan, now, POSITIVE, corrects=old)
        somebody = factories.infused(site=site, by=alice, now=now, infused_at=now - 5 * DAY)
        with pytest.raises(Refused, match="same participant"):
            judged(somebody, ivan, now, POSITIVE, corrects=old, correction_reason="mistyped")
        new = judged(participant, ivan, now, IecHsFindings(), corrects=old, correction_reason="mistyped")
        assert (old.corrections.get(), new.grade) == (new, None)
        with pytest.raises(Refused, match="corrected already"):
            judged(participant, ivan, now, POSITIVE, corrects=old, correction_reason="again")

    @pytest.mark.parametrize("change", [{"grade": 1}, {"findings": {}}, {"severity": "death"}, {"note": "later"}])
    def test_nothing_of_it_is_ever_changed(
        self, participant: Participant, ivan: User, now: dt.datetime, change: dict[str, Any]
    ) -> None:
        row = judged(participant, ivan, now, POSITIVE)
        with pytest.raises(Error), transaction.atomic():
            IecHsAssessment.objects.filter(pk=row.pk).update(**change)
        assert IecHsAssessment.objects.get() == row


# --- suggested grades --------------------------------------------------------------------------------


def suggestion(participant: Participant, now: dt.datetime, code: str) -> blood.Suggested:
    return next(one for one in blood.suggested(course(participant, now)) if one.result.code == code)


@pytest.mark.django_db
class TestSuggesting:
    def test_the_newest_value_of_each_measurement(self, participant: Participant, now: dt.datetime) -> None:
        measured(participant, now - 2 * DAY, NEUT=("0.3", "1.8", "6.3"))
        measured(participant, now - HOUR, NEUT=("0.6", "1.8", "6.3"))
        found = suggestion(participant, now, "NEUT")
        grades = {version: [one.grade for one in each] for version, each in found.by_version.items()}
        assert grades == {Version.V5: [3], Version.V6: [2, 0]}
        assert found.differs
        assert not AdverseEvent.objects.exists(), "only a person records it"

    def test_the_baseline_is_of_before_the_preparation(self, participant: Participant, now: dt.datetime) -> None:
        """Lymphodepletion begins seven days before the infusion: what follows it is no baseline."""
        measured(participant, now - 24 * DAY, ALT=("400", None, "50"))
        measured(participant, now - HOUR, ALT=("160", None, "50"))
        found = suggestion(participant, now, "ALT")
        assert found.baseline is not None
        assert found.baseline.value == 24, "the screening's"
        assert [one.grade for one in found.by_version[Version.V5]] == [2]

    def test_a_value_from_before_treatment_is_the_baseline_and_suggests_nothing(
        self, site: Site, alice: User, now: dt.datetime
    ) -> None:
        participant = factories.infused(site=site, by=alice, now=now, infused_at=now - DAY)
        assert blood.suggested(course(participant, now)) == []
        measured(participant, now - HOUR, ALT=("160", None, "50"))
        assert [one.result.code for one in blood.suggested(course(participant, now))] == ["ALT"]

    def test_before_any_treatment_there_is_no_baseline(self, site: Site, alice: User, now: dt.datetime) -> None:
        participant = factories.eligible(site=site, by=alice, now=now - DAY)
        assert suggestion(participant, now, "ALT").baseline is None

    def test_calcium_is_corrected_with_albumin_of_the_same_sample(
        self, participant: Participant, now: dt.datetime
    ) -> None:
        measured(participant, now - 29 * DAY, CA=("2.3", "2.1", "2.6"), ALB="40")
        measured(participant, now - HOUR, CA=("1.9", "2.1", "2.6"), ALB="20")
        found = suggestion(participant, now, "CA")
        terms = {one.term: one.grade for one in found.by_version[Version.V5]}
        assert terms["Hypocalcemia"] == 0, "1.9 + 0.02 × (40 − 20) = 2.3"
        measured(participant, now - HOUR / 2, CA=("1.9", "2.1", "2.6"))
        alone = suggestion(participant, now, "CA")
        assert {one.grade for one in alone.by_version[Version.V5]} == {None}

    def test_a_bound_suggests_the_grades_that_it_allows(self, participant: Participant, now: dt.datetime) -> None:
        measured(participant, now - HOUR, K=("<2.5", "3.5", "5.3"))
        measured(participant, now - HOUR, NEUT=("<0.5", "1.8", "6.3"))
        potassium = {one.term: one.grade_text for one in suggestion(participant, now, "K").by_version[Version.V5]}
        assert potassium == {"Hypokalemia": "4", "Hyperkalemia": "0"}
        found = suggestion(participant, now, "NEUT")
        texts = {version: [one.grade_text for one in each] for version, each in found.by_version.items()}
        assert (texts[Version.V5][0], texts[Version.V6][0]) == ("4", "3-4")
        assert found.differs

    def test_a_baseline_and_albumin_stay_bounds(self, participant: Participant, now: dt.datetime) -> None:
        measured(participant, now - 24 * DAY, CA=("<2.3", "2.1", "2.6"), ALB="<40")
        measured(participant, now - HOUR, CA=("1.9", "2.1", "2.6"), ALB="<20")
        found = suggestion(participant, now, "CA")
        terms = {one.term: one.grade_text for one in found.by_version[Version.V5]}
        assert terms["Hypocalcemia"] == "0", "more than 2.3, but for rounding"
        assert terms["Hypercalcemia"].startswith("0-")

    def test_what_was_once_taken_as_below_0_is_0(self, participant: Participant, now: dt.datetime) -> None:
        measured(participant, now - HOUR, NEUT=("≤0", "1.8", "6.3"))
        Measurement.objects.filter(code="NEUT", comparator="≤").update(comparator="<")
        found = suggestion(participant, now, "NEUT")
        assert [one.grade for one in found.by_version[Version.V5]] == [4]
        assert found.result.comparator == "≤"


# --- the page ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live_once(once: Once) -> Participant:
    """Infused twenty days before this moment, with a week of neutropenia and a blood count of today."""
    at = timezone.now()
    participant = factories.infused(site=once.site, by=once.alice, now=at, infused_at=at - 20 * DAY)
    # A second ago, so that it is today's in the first hour of a day, too.
    counted(participant, at + HOUR - SECOND, WEEK_OF_400)
    measured(participant, at - SECOND, PLAT=("18", "125", "350"))
    return participant


@pytest.fixture(scope="module")
def outpatient_once(once: Once) -> Participant:
    """Infused 33 days ago: a week of neutropenia in hospital, then counts of Day 14, 18 and 31 alone."""
    at = timezone.now()
    participant = factories.infused(site=once.site, by=once.alice, now=at, infused_at=at - 33 * DAY)
    counted(
        participant,
        at + HOUR - SECOND,
        "2.0 " * 3 + "0.4 " * 7 + "1.2 " + "- " * 3 + "1.4 - - - 1.6 " + "- " * 12 + "1.7 - -",
    )
    return participant


@pytest.fixture
def live(live_once: Participant, db: None) -> Participant:
    return Participant.objects.get(pk=live_once.pk)


@pytest.fixture
def outpatient(outpatient_once: Participant, db: None) -> Participant:
    return Participant.objects.get(pk=outpatient_once.pk)


def read(client: Client, participant: Participant) -> str:
    response = client.get(page_of(participant))
    assert response.status_code == 200
    return response.content.decode()


def iec_hs_form(**change: str) -> dict[str, str]:
    local = timezone.localtime()
    answers = dict.fromkeys(
        (
            "ferritin_high",
            "ferritin_rising",
            "onset_with_resolving_crs",
            "transaminases_high",
            "fibrinogen_low",
            "cytopenia",
            "haemophagocytosis",
        ),
        "unknown",
    )
    when = {"assessed_at_0": f"{local:%Y-%m-%d}", "assessed_at_1": f"{local:%H:%M}"}
    return {"what": "iec_hs", **when, **answers, "severity": "", "investigator_grade": "", **change}


@pytest.mark.django_db
@pytest.mark.usefixtures("english")
class TestPage:
    def test_the_grade_its_run_and_the_curve(self, live: Participant, alice: User, login: Any) -> None:
        text = read(login(alice), live)
        assert "Neutrophils at most 500/µL for 7 days without recovery in between: grade 2." in text
        assert "D7 to D13, 7 days" in text
        assert "Nobody has recorded this grade yet." in text
        assert text.count("<circle") == 21

    def test_the_button_records_the_grade_that_was_shown(self, live: Participant, alice: User, login: Any) -> None:
        client = login(alice)
        seen = read(client, live).split('name="icaht-early-seen" value="')[1].split('"')[0]
        data = {"what": "early", "icaht-early-seen": seen}
        response = client.post(page_of(live), data, follow=True)
        row = IcahtAssessment.objects.get()
        assert (row.phase, row.grade, row.created_by) == ("early", 2, alice)
        assert "The grade is recorded." in response.content.decode()
        assert "nothing has changed since" in client.post(page_of(live), data).content.decode()
        measured(live, timezone.now() - HOUR / 8, NEUT="0.1")
        assert "The counts say something else since" not in read(client, live), "1 day changes no grade"

    def test_another_grade_on_the_page(self, live: Participant, ivan: User, login: Any) -> None:
        client = login(ivan)
        seen = read(client, live).split('name="icaht-early-seen" value="')[1].split('"')[0]
        data = {"what": "early", "icaht-early-seen": seen, "icaht-early-investigator_grade": "3"}
        assert "type your password" in client.post(page_of(live), data).content.decode()
        data["icaht-early-password"] = PASSWORD
        assert "needs its reason" in client.post(page_of(live), data).content.decode()
        client.post(page_of(live), {**data, "icaht-early-investigator_reason": "transfused granulocytes"})
        assert IcahtAssessment.objects.get().final_grade == 3

    def test_an_assessment_of_iec_hs_answers_at_once(self, live: Participant, ivan: User, login: Any) -> None:
        client = login(ivan)
        answers = iec_hs_form(ferritin_high="yes", cytopenia="yes", severity="intervention", others="fever")
        text = client.post(page_of(live), answers, follow=True).content.decode()
        row = IecHsAssessment.objects.get()
        assert (row.grade, row.findings["others"], row.findings["fibrinogen_low"]) == (2, ["fever"], None)
        assert "IEC-HS: positive, grade 2." in text
        assert "Intervention is needed: grade 2." in text

    def test_a_severity_that_a_coordinator_sends_is_not_taken(self, live: Participant, alice: User, login: Any) -> None:
        client = login(alice)
        assert "An investigator chooses the severity" in read(client, live)
        client.post(page_of(live), iec_hs_form(ferritin_high="yes", cytopenia="yes", severity="death"))
        row = IecHsAssessment.objects.get()
        assert (row.severity, row.grade, row.screen) == ("", None, "positive")

    def test_laboratory_values_stand_beside_and_fill_in(self, live: Participant, alice: User, login: Any) -> None:
        measured(live, timezone.now() - HOUR, FERRITIN=HIGH_FERRITIN)
        text = read(login(alice), live)
        assert "Ferritin 9000 µg/L: 22.5 × the upper limit 400." in text
        checked = text.split('name="ferritin_high" value="yes"')[1][:120]
        assert "checked" in checked
        unknown = text.split('name="haemophagocytosis" value="unknown"')[1][:120]
        assert "checked" in unknown

    def test_what_is_wrong_is_shown_with_all_that_was_typed(self, live: Participant, ivan: User, login: Any) -> None:
        answers = iec_hs_form(cytopenia="yes", assessed_at_0="2099-01-01", note="kept")
        text = login(ivan).post(page_of(live), answers).content.decode()
        assert "is in the future" in text
        assert "kept" in text
        assert "Not saved yet" in login(ivan).post(page_of(live), iec_hs_form(cytopenia="")).content.decode()
        assert not IecHsAssessment.objects.exists()

    def test_a_correction_starts_from_the_old_answers(self, live: Participant, ivan: User, login: Any) -> None:
        client = login(ivan)
        client.post(page_of(live), iec_hs_form(ferritin_high="yes", cytopenia="yes", severity="severe"))
        old = IecHsAssessment.objects.get()
        correct = client.get(reverse("admin:safety_iechsassessment_change", args=[old.pk]))
        assert correct.status_code == 200
        address = f"{page_of(live)}?corrects={old.pk}"
        text = client.get(address).content.decode()
        assert "checked" in text.split('name="severity" value="severe"')[1][:120]
        answers = iec_hs_form(ferritin_high="no", ferritin_rising="no", corrects=str(old.pk))
        assert "says why" in client.post(address, {**answers, "correction_reason": " "}).content.decode()
        client.post(address, {**answers, "correction_reason": "another participant's ferritin"})
        new = IecHsAssessment.objects.get(corrects=old)
        assert (new.grade, new.screen) == (0, "negative")
        assert "<del>" in read(client, live)

    def test_suggested_grades_link_to_an_event_that_a_person_records(
        self, live: Participant, alice: User, login: Any
    ) -> None:
        client = login(alice)
        text = read(client, live)
        assert "18 ×10⁹/L &lt; 25 ×10⁹/L: grade 4." in text
        links = [part.split('"')[0].replace("&amp;", "&") for part in text.split('href="')[1:]]
        link = next(one for one in links if "adverseevent/add" in one and "Platelet" in one)
        asked = parse_qs(urlsplit(link).query)
        assert asked["participant"] == [str(live.pk)]
        assert (asked["grade"], asked["term"]) == (["4"], ["Platelet count decreased"])
        assert asked["onset"] == [f"{timezone.localtime(timezone.now() - HOUR / 4):%Y-%m-%d}"]
        form = client.get(link).content.decode()
        assert 'value="Platelet count decreased"' in form
        assert asked["ctcae_code"][0] in form
        assert not AdverseEvent.objects.exists()

    def test_the_versions_differ_visibly(self, live: Participant, alice: User, login: Any) -> None:
        row = read(login(alice), live).split("Platelet count decreased")[1].split("</tr>")[0]
        assert "Thrombocytopenia" in row
        assert "differs" in row

    def test_a_bound_shows_its_grades_and_presets_none(self, live: Participant, alice: User, login: Any) -> None:
        measured(live, timezone.now() - SECOND, K=("<2.9", "3.5", "5.3"), ALT=(">200", None, "40"))
        text = read(login(alice), live)
        assert '<span class="ts-grade ts-grade-4">3–4</span> <strong>Hypokalemia</strong>' in text
        assert "&lt; 2.9 mmol/L: the report gives only a bound, and the grade lies between 3 and 4." in text
        assert "ask the laboratory for the value, or decide" in text
        links = [part.split('"')[0].replace("&amp;", "&") for part in text.split('href="')[1:]]
        link = next(one for one in links if "adverseevent/add" in one and "Hypokalemia" in one)
        assert "grade" not in parse_qs(urlsplit(link).query), "which of them it is, whoever records it says"
        assert login(alice).get(link).status_code == 200

    def test_a_bound_answers_iec_hs_only_where_it_must(self, live: Participant, alice: User, login: Any) -> None:
        enzymes = {"ALT": (">200", None, "40"), "AST": ("30", None, "40")}
        measured(live, timezone.now() - SECOND, FERRITIN=("<1000", None, "400"), **enzymes)
        known = blood.prefilled(course(live, timezone.now()), timezone.now())
        assert (known["ferritin_high"].finding, known["transaminases_high"].finding) == (None, True)
        text = read(login(alice), live)
        assert "Ferritin &lt; 1000 µg/L: &lt; 2.5 × the upper limit 400." in text
        assert "The report gives only a bound, which leaves it open." in text

    def test_a_term_that_is_recorded_already_is_named(self, live: Participant, alice: User, login: Any) -> None:
        event = AdverseEvent(
            participant=live,
            term="platelets",
            ctcae_version="5.0",
            ctcae_code="10035528",
            ctcae_term="Platelet count decreased",
            ctcae_soc="Investigations",
            onset="2026-01-01",
            grade=3,
            outcome="not_recovered",
            site_aware_at=timezone.now(),
            created_by=alice,
        )
        event.save()
        text = read(login(alice), live)
        assert "Recorded already: grade 3 since 2026-01-01" in text
        assert "grade=4" in text, "it is worse now"
        AdverseEvent.objects.update(grade=4)
        assert "grade=4" not in read(login(alice), live), "it is the same event"

    def test_in_chinese(self, live: Participant, alice: User, login: Any) -> None:
        alice.language = "zh-hans"
        alice.save()
        text = read(login(alice), live)
        assert "血小板计数降低" in text or "血小板" in text

    def test_a_value_that_needs_a_person_stands_apart(self, live: Participant, alice: User, login: Any) -> None:
        """Here: counts of which nobody entered the lower limit."""
        measured(live, timezone.now() - HOUR, FERRITIN=HIGH_FERRITIN)
        text = read(login(alice), live)
        assert "1 value that gives no grade by itself" in text
        assert "without the lower limit of normal no grade can be suggested" in text
        assert "Nothing to grade by their newest values: Ferritin" in text

    def test_days_without_a_count_are_named_on_the_page_and_in_the_row(
        self, site: Site, alice: User, ivan: User, login: Any
    ) -> None:
        # At noon: an hour after an infusion late in the evening would be the next day.
        at = timezone.localtime().replace(hour=12, minute=0, second=0, microsecond=0)
        participant = factories.infused(site=site, by=alice, now=timezone.now(), infused_at=at - 50 * DAY)
        measured(participant, at - 50 * DAY + HOUR, NEUT="0.4")
        measured(participant, at - 12 * DAY, NEUT="1.2")
        text = read(login(ivan), participant)
        assert "Days without a count: D1–D30" in text
        assert "Lowest from Day 31 on: D38: 1200/µL" in text
        client = login(ivan)
        seen = text.split('name="icaht-early-seen" value="')[1].split('"')[0]
        client.post(page_of(participant), {"what": "early", "icaht-early-seen": seen})
        row = IcahtAssessment.objects.get()
        assert row.grade is None
        change = client.get(reverse("admin:safety_icahtassessment_change", args=[row.pk])).content.decode()
        assert "No count from Day 1 to Day 30." in change
        late = text.split('name="icaht-late-seen" value="')[1].split('"')[0]
        client.post(page_of(participant), {"what": "late", "icaht-late-seen": late})
        newest = IcahtAssessment.objects.get(phase="late")
        assert newest.grade == 1
        assert (
            "1200/µL" in client.get(reverse("admin:safety_icahtassessment_change", args=[newest.pk])).content.decode()
        )

    def test_outpatient_counts_of_the_visits_alone_are_graded_by_both_and_decided_by_an_investigator(
        self, outpatient: Participant, alice: User, ivan: User, login: Any
    ) -> None:
        """Daily to Day 10, then on the visits of Day 14, 18 and 31: twelve days without a count."""
        text = read(login(alice), outpatient)
        assert "ICAHT 2–3</span> <strong>The grade lies between the two.</strong>" in text
        assert "For comparison: published method, linear interpolation between counts" in text
        assert "ICAHT 2</span>" in text
        assert "Days in gaps of more than 7 days were left out, as if nothing had been low." in text
        assert "an investigator decides, with a reason" in text
        client = login(ivan)
        text = read(client, outpatient)
        assert "decide by “Another grade”" in text
        assert "<details open><summary>Another grade…" in text
        seen = text.split('name="icaht-early-seen" value="')[1].split('"')[0]
        own = {"icaht-early-investigator_grade": "2", "icaht-early-investigator_reason": "counts elsewhere: above 1.0"}
        own["icaht-early-password"] = PASSWORD
        client.post(page_of(outpatient), {"what": "early", "icaht-early-seen": seen, **own})
        row = IcahtAssessment.objects.get()
        assert (row.grade, row.final_grade, row.summary["at_least"], row.summary["at_most"]) == (None, 2, 2, 3)
        assert row.summary["published"]["at_least"] == row.summary["published"]["at_most"] == 2
        change = client.get(reverse("admin:safety_icahtassessment_change", args=[row.pk])).content.decode()
        assert "Computed: 2–3. The investigator set another grade: counts elsewhere: above 1.0" in change
        assert "Published method, linear interpolation between counts: grade 2" in change
        assert "<details><summary>Another grade…" in read(client, outpatient), "it is decided"

    def test_an_open_grade_is_recorded_as_what_it_lies_between(
        self, outpatient: Participant, alice: User, login: Any
    ) -> None:
        client = login(alice)
        seen = read(client, outpatient).split('name="icaht-early-seen" value="')[1].split('"')[0]
        client.post(page_of(outpatient), {"what": "early", "icaht-early-seen": seen})
        listed = client.get(reverse("admin:safety_icahtassessment_changelist")).content.decode()
        assert "2–3" in listed
        text = read(client, outpatient)
        assert "The counts say something else since" not in text
        measured(outpatient, timezone.now() - 8 * DAY, NEUT="2.0")
        assert "The counts say something else since" in read(client, outpatient)

    def test_a_bound_keeps_its_sign_in_grade_curve_table_and_row(
        self, site: Site, alice: User, ivan: User, login: Any
    ) -> None:
        at = timezone.now()
        participant = factories.infused(site=site, by=alice, now=at, infused_at=at - 35 * DAY)
        counted(participant, at + HOUR - SECOND, "2.0 " * 8 + "<0.5 " * 7 + ">1.5 " * 21)
        client = login(ivan)
        text = read(client, participant)
        assert "Counts that are only a bound leave it open: grade 2 to 3." in text
        assert "Some counts are only a bound: they were read at both their ends." in text
        assert "<td>&lt;500</td>" in text
        assert "D8: &lt;500/µL" in text
        assert (text.count("v 15 m"), text.count("v -15 m")) == (7, 21)
        assert "(up to 7 days possible)" in text, "at most 100"
        assert "Lowest from Day 31 on: D31: &gt;1500/µL" in text
        seen = text.split('name="icaht-early-seen" value="')[1].split('"')[0]
        client.post(page_of(participant), {"what": "early", "icaht-early-seen": seen})
        row = IcahtAssessment.objects.get()
        assert row.summary["days"][8] == {"day": 8, "per_ul": "500", "is_interpolated": False, "comparator": "<"}
        change = client.get(reverse("admin:safety_icahtassessment_change", args=[row.pk])).content.decode()
        assert "D8: &lt;500/µL" in change

    def test_a_late_record_without_counts_says_so(self, site: Site, alice: User, ivan: User, login: Any) -> None:
        at = timezone.now()
        participant = factories.infused(site=site, by=alice, now=at, infused_at=at - 50 * DAY)
        client = login(ivan)
        late = read(client, participant).split('name="icaht-late-seen" value="')[1].split('"')[0]
        client.post(page_of(participant), {"what": "late", "icaht-late-seen": late})
        row = IcahtAssessment.objects.get()
        change = client.get(reverse("admin:safety_icahtassessment_change", args=[row.pk])).content.decode()
        assert "Followed until Day 50." in change

    def test_without_what_was_seen_nothing_is_recorded(self, live: Participant, ivan: User, login: Any) -> None:
        assert login(ivan).post(page_of(live), {"what": "early"}).status_code == 200
        assert not IcahtAssessment.objects.exists()

    def test_rows_lead_back_to_the_page(self, live: Participant, ivan: User, login: Any) -> None:
        client = login(ivan)
        client.post(page_of(live), iec_hs_form(ferritin_high="yes", cytopenia="yes"))
        old = IecHsAssessment.objects.get()
        address = f"/admin/safety/iechsassessment/{old.pk}"
        assert client.get(f"{address}/blood_of/")["Location"] == page_of(live)
        assert client.get(f"{address}/correct/")["Location"] == f"{page_of(live)}?corrects={old.pk}#iec-hs"
        client.post(page_of(live), iec_hs_form(corrects=str(old.pk), correction_reason="mistyped"))
        new = IecHsAssessment.objects.get(corrects=old)
        text = client.get(reverse("admin:safety_iechsassessment_change", args=[old.pk])).content.decode()
        assert reverse("admin:safety_iechsassessment_change", args=[new.pk]) in text
        changelist = client.get(reverse("admin:safety_iechsassessment_changelist")).content.decode()
        assert "corrected" in changelist

    def test_before_the_infusion(self, site: Site, alice: User, login: Any, now: dt.datetime) -> None:
        participant = factories.consented(site=site, by=alice, now=now)
        text = read(login(alice), participant)
        assert "There was no infusion yet" in text
        assert "No neutrophil count from Day 0 on is recorded." in text

    def test_lists_and_rows_can_be_read(self, live: Participant, ivan: User, mona: User, login: Any) -> None:
        client = login(ivan)
        client.post(page_of(live), iec_hs_form(ferritin_high="yes", cytopenia="yes", severity="severe"))
        confirmed(live, ivan, timezone.now(), investigator_grade=1, investigator_reason="known before")
        for name, row in (
            ("iechsassessment", IecHsAssessment.objects.get()),
            ("icahtassessment", IcahtAssessment.objects.get()),
        ):
            reader = login(mona)
            assert reader.get(reverse(f"admin:safety_{name}_changelist")).status_code == 200
            change = reverse(f"admin:safety_{name}_change", args=[row.pk])
            assert reader.get(change).status_code == 200
            assert client.post(change, {"note": "changed"}).status_code == 403
            add = client.get(reverse(f"admin:safety_{name}_add"), {"participant": live.pk})
            assert add["Location"] == page_of(live)
            assert client.get(reverse(f"admin:safety_{name}_add"))["Location"] == reverse(
                "admin:safety_iechsassessment_blood"
            )
            assert reader.get(reverse(f"admin:safety_{name}_add")).status_code == 403
        text = client.get(reverse("admin:safety_icahtassessment_change", args=[row.pk])).content.decode()
        assert "≤500/µL: D7 to D13, 7 days (interpolated: —)" in text
        assert "The investigator set another grade: known before" in text
        assert live.number in client.get(reverse("admin:safety_iechsassessment_blood")).content.decode()


@pytest.mark.django_db
class TestWhoMayWhat:
    def test_a_monitor_reads_and_records_nothing(self, live: Participant, mona: User, login: Any) -> None:
        client = login(mona)
        with translation.override("en"):
            text = read(client, live)
        assert "Record this grade" not in text
        assert "Save the assessment" not in text
        assert "adverseevent/add" not in text
        for what in ("iec_hs", "early"):
            assert client.post(page_of(live), {**iec_hs_form(), "what": what}).status_code == 403

    def test_another_site_sees_nothing(self, live: Participant, charlie: User, login: Any) -> None:
        assert login(charlie).get(page_of(live)).status_code == 404
        text = login(charlie).get(reverse("admin:safety_iechsassessment_blood")).content.decode()
        assert live.number not in text

    def test_an_unknown_question_is_refused(self, live: Participant, alice: User, login: Any) -> None:
        assert login(alice).post(page_of(live), {"what": "something"}).status_code == 403

    def test_who_may_not_see_grades_sees_no_page(self, live: Participant, site: Site, login: Any) -> None:
        program = User.objects.create_user("reader", "r@example.org", "x", is_staff=True)
        program.sites.set([site])
        assert login(program).get(page_of(live)).status_code == 404
        assert login(program).get(reverse("admin:safety_iechsassessment_blood")).status_code == 403


@pytest.mark.django_db
def test_the_page_asks_the_same_number_of_questions_for_any_number_of_results(
    site: Site, alice: User, login: Any
) -> None:
    at = timezone.now()
    participant = factories.infused(site=site, by=alice, now=at, infused_at=at - 90 * DAY)
    client = login(alice)
    asked = []
    for number in (20, 1980):
        _many(participant, at, number)
        read(client, participant)
        with CaptureQueriesContext(connection) as captured:
            read(client, participant)
        asked.append(len(captured))
    assert Measurement.objects.filter(participant=participant, code__in=("NEUT", "PLAT")).count() > 2000
    assert asked[0] == asked[1], asked
    assert asked[0] < 30


def _many(participant: Participant, at: dt.datetime, number: int) -> None:
    """Written directly, for thousands of them are needed."""
    by = participant.created_by
    first = Examination.objects.count()
    examinations = Examination.objects.bulk_create(
        Examination(participant=participant, panel="CBC", taken_at=at - (first + n) * HOUR, created_by=by)
        for n in range(number // 2)
    )
    Measurement.objects.bulk_create(
        Measurement(
            examination=one,
            participant=participant,
            taken_at=one.taken_at,
            code=code,
            value=Decimal(value),
            unit="10^9/L",
            created_by=by,
        )
        for one in examinations
        for code, value in (("NEUT", "0.4"), ("PLAT", "40"))
    )


# --- the picture -------------------------------------------------------------------------------------


def test_the_curve_breaks_where_days_have_no_value_and_bars_show_runs() -> None:
    days = [Anc(0, Decimal(600)), Anc(1, Decimal(0)), Anc(20, Decimal(30_000)), Anc(21, Decimal(400), True)]
    curve = curve_of(days, [("≤500/µL", Run(1, 1)), ("≤100/µL", Run(20, 29)), ("none", None)])
    assert curve is not None
    assert len(curve.segments) == 2
    assert [dot.is_interpolated for dot in curve.dots] == [False, False, False, True]
    heights = [float(dot.y) for dot in curve.dots]
    assert heights[2] < heights[0] < heights[3] < heights[1], "outside the scale: at its edge"
    assert [bar.is_left for bar in curve.bars] == [False, True]
    assert curve.ticks[-1].label == "D30"


def test_a_bound_points_to_where_the_count_may_lie() -> None:
    days = [Anc(day, Decimal(500), comparator=sign) for day, sign in enumerate(["", "<", "<=", ">", ">=", "~"])]
    curve = curve_of(days, [])
    assert curve is not None
    assert [len(dot.arrows) for dot in curve.dots] == [0, 1, 1, 1, 1, 2]
    assert [dot.arrows[0].startswith("v -") for dot in curve.dots[1:5]] == [False, False, True, True]
    assert [dot.title for dot in curve.dots][1:3] == ["D1: <500/µL", "D2: ≤500/µL"]


@pytest.mark.parametrize(("last", "tick"), [(30, "D30"), (31, "D30"), (95, "D90"), (140, "D40")])
def test_the_axis_reaches_day_100_at_most(last: int, tick: str) -> None:
    curve = curve_of([Anc(40, Decimal(500)), Anc(last, Decimal(500))], [])
    assert curve is not None
    assert curve.ticks[-1].label == tick


def test_without_counts_there_is_no_curve() -> None:
    assert curve_of([Anc(-3, Decimal(500))], []) is None
