"""The study file of the first study, and what is said about a file with mistakes. No database."""

import csv
import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils.translation import override

from trialsite.management.commands.study import checked, describe, table
from trialsite.study import (
    STUDIES,
    Policy,
    Protocol,
    StudyFileError,
    get_study,
    key_lines,
    load_protocol,
    load_study,
)

FOLDER = STUDIES / "nct07072494"
SCHEDULE = Path(__file__).resolve().parents[3] / "shared" / "study" / "visit_schedule.csv"

# code: target, window opens, window closes
WINDOWS = {
    **{f"D{day}": (day, day, day) for day in range(1, 15)},
    "D21": (21, 18, 24),
    "D28": (28, 25, 31),
    "M2": (60, 53, 67),
    "M3": (90, 83, 97),
    "M6": (180, 166, 194),
    "M9": (270, 256, 284),
    "M12": (365, 351, 379),
    "M18": (548, 518, 578),
    "M24": (730, 700, 760),
    "Y3": (1096, 1036, 1156),
    "Y4": (1461, 1401, 1521),
    "Y5": (1826, 1766, 1886),
    "Y6": (2192, 2132, 2252),
    "Y7": (2557, 2497, 2617),
    "Y8": (2922, 2862, 2982),
    "Y9": (3287, 3227, 3347),
    "Y10": (3652, 3592, 3712),
    "Y11": (4018, 3958, 4078),
    "Y12": (4383, 4323, 4443),
    "Y13": (4748, 4688, 4808),
    "Y14": (5114, 5054, 5174),
    "Y15": (5479, 5419, 5539),
}


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return load_study(FOLDER).protocol("1.0")


# --- The first study ---------------------------------------------------------------------------


def test_the_numbers_of_the_registry_record(protocol: Protocol) -> None:
    assert (protocol.registry_id, protocol.org_study_id) == ("NCT07072494", "2024-KY-394-01")
    assert protocol.enrolment_target == 30
    assert (protocol.window.starts_on, protocol.window.ends_on) == (
        dt.date(2025, 7, 19),
        dt.date(2027, 8, 19),
    )
    assert (protocol.window.ends_on - protocol.window.starts_on).days == 761
    assert (protocol.design.minimum_age_years, protocol.design.maximum_age_years) == (14, 80)
    assert [site.code for site in protocol.sites] == ["ZJ"]


def test_nine_inclusion_and_fifteen_exclusion_criteria(protocol: Protocol) -> None:
    codes = [criterion.code for criterion in protocol.criteria]
    assert codes == [f"INCL{n:02d}" for n in range(1, 10)] + [f"EXCL{n:02d}" for n in range(1, 16)]
    assert [c.code for c in protocol.criteria if c.overridable] == ["INCL08"]
    assert [len(protocol.criterion(code).parts) for code in ("INCL07", "EXCL04", "EXCL06", "EXCL13")] == [
        4,
        4,
        7,
        2,
    ]


def test_every_window_of_the_follow_up(protocol: Protocol) -> None:
    found = {v.code: (v.target_day, v.window_open_day, v.window_close_day) for v in protocol.follow_up_visits}
    assert found == WINDOWS
    assert list(found) == list(WINDOWS)
    assert len(found) == 36


def test_inpatient_days_have_few_reminders_and_later_visits_all(protocol: Protocol) -> None:
    stages = tuple(stage.code for stage in protocol.reminder_stages)
    for visit in protocol.follow_up_visits:
        expected = ("T-1", "day", "missed") if visit.phase == "inpatient" else stages
        assert visit.reminders == expected, visit.code


def test_the_schedule_agrees_with_the_given_table(protocol: Protocol) -> None:
    if not SCHEDULE.exists():
        pytest.skip(f"{SCHEDULE} is not on this machine")
    rows = list(csv.DictReader(SCHEDULE.read_text(encoding="utf-8").splitlines()))
    given = [(r["visit_code"], int(r["window_start_day"]), int(r["window_end_day"])) for r in rows]
    assert [(f"V-{v.code}", v.window_open_day, v.window_close_day) for v in protocol.visits] == given
    assert len(given) == 43
    for row in rows:
        if day := re.search(r"\(D(\d+)\)", row["tolerance"]):
            assert protocol.visit(row["visit_code"].removeprefix("V-")).target_day == int(day[1])


def test_what_enters_a_visit_is_found_by_what_it_asks_and_not_by_its_code(protocol: Protocol) -> None:
    assert protocol.entered_by("leukapheresis") == ("APH",)
    assert protocol.entered_by("lymphodepletion") == ("LD1", "LD2", "LD3")
    assert protocol.entered_by("infusion") == ("D0",)
    other = tuple(one.model_copy(update={"code": f"V{one.code}"}) for one in protocol.visits)
    assert protocol.model_copy(update={"visits": other}).entered_by("lymphodepletion") == ("VLD1", "VLD2", "VLD3")


def test_dose_limits_are_exact(protocol: Protocol) -> None:
    dose = protocol.dose
    assert dose.tolerance_low_e8 == Decimal("0.2")
    assert (dose.nominal_low_e8, dose.nominal_high_e8) == (Decimal("0.25"), Decimal("0.5"))
    assert dose.tolerance_high_e8 == Decimal("0.6")


def test_the_regime_in_force_has_the_clocks_of_the_regulator(protocol: Protocol) -> None:
    limits = {clock.code: (clock.limit, clock.unit) for clock in protocol.regime.clocks}
    assert protocol.regime.code == "IND"
    assert limits["site_to_sponsor"] == (24, "hours")
    assert limits["susar_fatal"] == (7, "days")
    assert limits["susar_fatal_completion"] == (8, "days")
    assert limits["susar_other"] == limits["new_information"] == (15, "days")
    assert limits["dsur"] == (2, "months")


def test_every_policy_setting_has_a_help_text_and_says_what_is_allowed(protocol: Protocol) -> None:
    settings = protocol.policy.settings()
    assert len(settings) == len(Policy.model_fields)
    for setting in settings:
        assert setting.help.endswith((".", "?")), setting.name
        assert setting.allowed, setting.name


def test_recruitment_includes_its_first_and_last_day(protocol: Protocol) -> None:
    opens, closes = protocol.recruitment.opens_on, protocol.recruitment.closes_on
    day = dt.timedelta(days=1)
    assert protocol.recruits_on(opens)
    assert protocol.recruits_on(closes)
    assert not protocol.recruits_on(opens - day)
    assert not protocol.recruits_on(closes + day)


def test_texts_follow_the_language_of_the_reader(protocol: Protocol) -> None:
    name = protocol.visit("D28").name
    with override("zh-hans"):
        assert str(name) == "第 28 天（疗效评估）"
    with override("en"):
        assert str(name) == "Day 28, response"


def test_the_file_names_no_person_and_no_telephone() -> None:
    text = (FOLDER / "v1.0.toml").read_text(encoding="utf-8")
    assert not re.search(r"\b1\d{10}\b", text)
    assert "@" not in text


def test_the_installation_reads_its_study_once() -> None:
    assert get_study().latest.registry_id == "NCT07072494"
    assert get_study() is get_study()


# --- Several versions --------------------------------------------------------------------------


def real_text() -> str:
    return (FOLDER / "v1.0.toml").read_text(encoding="utf-8")


def second_version(text: str, effective_on: str = "2026-03-01") -> str:
    text = text.replace('version = "1.0"', 'version = "1.1"', 1)
    return text.replace("effective_on = 2025-07-18", f"effective_on = {effective_on}", 1)


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name.replace('_', '.')}.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("day", "version"),
    [
        pytest.param(dt.date(2025, 1, 1), "1.0", id="before-the-first-it-is-the-first"),
        pytest.param(dt.date(2026, 2, 28), "1.0", id="day-before"),
        pytest.param(dt.date(2026, 3, 1), "1.1", id="first-day"),
    ],
)
def test_the_version_of_a_day_is_the_latest_in_force(tmp_path: Path, day: dt.date, version: str) -> None:
    study = load_study(write(tmp_path, v1_0=real_text(), v1_1=second_version(real_text())))
    assert study.current(day).version == version
    assert study.latest.version == "1.1"
    assert list(study.versions) == ["1.0", "1.1"]


def test_two_versions_cannot_take_effect_on_one_day(tmp_path: Path) -> None:
    write(tmp_path, v1_0=real_text(), v1_1=second_version(real_text(), "2025-07-18"))
    with pytest.raises(StudyFileError, match=r"v1\.1\.toml, line \d+: effective_on = 2025-07-18: v1\.0\.toml takes"):
        load_study(tmp_path)


def test_a_file_is_called_after_its_version(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match=r'version = "1\.0": the file of this version is called v1\.0\.toml'):
        load_study(write(tmp_path, v2_0=real_text()))


def test_one_folder_is_one_study(tmp_path: Path) -> None:
    other = second_version(real_text()).replace('registry_id = "NCT07072494"', 'registry_id = "NCT00000001"')
    with pytest.raises(StudyFileError, match=r'registry_id = "NCT00000001": another file .* another study'):
        load_study(write(tmp_path, v1_0=real_text(), v1_1=other))


def test_a_study_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(StudyFileError, match="does not exist; STUDY names one of: nct07072494"):
        load_study(STUDIES / "nct0707249")


def test_an_empty_folder_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match="holds no protocol version"):
        load_study(tmp_path)


# --- Mistakes ----------------------------------------------------------------------------------

Edit = Callable[[str], str]


def swap(old: str, new: str, *, after: str = "") -> Edit:
    """Replaces the first `old`, or the first that follows `after`."""

    def edit(text: str) -> str:
        start = text.index(after) if after else 0
        place = text.index(old, start)
        return text[:place] + new + text[place + len(old) :]

    return edit


D28 = 'code = "D28"'
ZH_D28 = ', zh = "第 28 天（疗效评估）"'

MISTAKES = [
    pytest.param(
        swap('phase = "PHASE1/PHASE2"', 'phase "PHASE1"'),
        "",
        'is not TOML: .* in “phase "PHASE1"”',
        id="syntax",
    ),
    pytest.param(
        swap("assess_every_hours = [12, 8, 6, 4, 2]", "assess_every_hours = [12, 8, 9, 4, 2]"),
        "monitoring",
        "must not grow with the grade",
        id="a-worse-grade-looked-at-later",
    ),
    pytest.param(
        swap("after_minutes = 60", "after_minutes = 30"),
        "monitoring",
        "each with more after_minutes than the last",
        id="two-steps-of-escalation-at-once",
    ),
    pytest.param(
        swap('phone = ["coordinator",', 'phone = ["visitor",'),
        "identity.phone[0]",
        "data manager",
        id="identity-for-no-role",
    ),
    pytest.param(
        swap('phone = ["coordinator",', 'phone = ["monitor",'),
        "identity.phone[0]",
        "data manager",
        id="identity-for-monitors",
    ),
    pytest.param(swap("phone = [", "mobile = ["), "identity.mobile", "not a known key", id="identity-of-no-field"),
    pytest.param(
        swap('name = ["coordinator", ', "name = ["),
        "identity",
        "must name 'coordinator'",
        id="screens-without-the-name",
    ),
    pytest.param(
        swap('procedures = ["VITALS", "CBC"', 'procedures = ["VITALZ", "CBC"', after="[unscheduled]"),
        "unscheduled.procedures",
        "is not a known procedure",
        id="nothing-known-is-offered-beside-the-schedule",
    ),
    pytest.param(swap('code = "D21"', 'code = "U21"'), "visits[21].code", "is kept for visits beside", id="code-kept"),
    pytest.param(
        swap('phase = "follow_up"', 'phase = "unscheduled"'), "visits[21].phase", "they stand in none", id="phase-kept"
    ),
    pytest.param(
        swap('event = "lost"', 'event = "death"'), "after_events[2].event", "stands there twice", id="event-twice"
    ),
    pytest.param(
        swap('drops = ["MARROW"', 'drops = ["MAROW"'), "after_events[4].drops", "not a known procedure", id="dropped"
    ),
    pytest.param(swap('keeps = ["long_term"]', 'keeps = ["later"]'), "after_events[1].keeps[0]", "must be", id="kept"),
    pytest.param(swap("= 2025-07-19", "= 2025-02-30"), "", "is not TOML: Invalid date", id="date-that-does-not-exist"),
    pytest.param(swap("= 2025-07-19", '= "July"'), "window.starts_on", "must be a date such as", id="date-in-quotes"),
    pytest.param(
        swap("sponsor = {", "sponser = {"),
        "sponser",
        "not a known key; perhaps you meant sponsor",
        id="unknown-key",
    ),
    pytest.param(swap("enrolment_target = 30\n", ""), "enrolment_target", "is missing", id="missing-key"),
    pytest.param(swap("= 30\n", '= "30"\n'), "enrolment_target", "must be a whole number", id="number-in-quotes"),
    pytest.param(swap("= 30\n", "= 0\n"), "enrolment_target", "greater than or equal to 1", id="no-places"),
    pytest.param(swap('"0.25"', "0.25"), "dose.nominal_low_e8", "write the number in quotes", id="dose-not-exact"),
    pytest.param(swap('"0.25"', '"a bit"'), "dose.nominal_low_e8", "is not a decimal number", id="dose-in-words"),
    pytest.param(
        swap('"0.6"', '"0.4"'),
        "dose",
        "0.25 to 0.5 must lie inside the tolerance 0.2 to 0.4",
        id="tolerance-inside",
    ),
    pytest.param(
        swap('d_e8 = "0.5"', 'd_e8 = "0.55"'),
        "dose",
        "recommended_e8 0.55 lies outside",
        id="recommended-dose",
    ),
    pytest.param(swap('"10"', '"0.5"'), "dose", "would refuse a dose in tolerance", id="implausible-too-low"),
    pytest.param(
        swap("2027-08-19", "2024-08-19", after="ends_on"),
        "window",
        "lies after ends_on 2024-08-19",
        id="window",
    ),
    pytest.param(
        swap("2027-07-22", "2027-08-20"),
        "recruitment.closes_on",
        "lies after the study ends",
        id="recruits-late",
    ),
    pytest.param(
        swap("opens_on = 2025-07-19", "opens_on = 2025-07-01"),
        "recruitment.opens_on",
        "before the study starts",
        id="recruits-early",
    ),
    pytest.param(swap("2027-07-22", "2025-07-01"), "recruitment", "lies after closes_on", id="recruitment-inverted"),
    pytest.param(swap("minimum_age_years = 14", "minimum_age_years = 90"), "design", "is above maximum", id="ages"),
    pytest.param(
        swap("[-7, -6, -5]", "[-8, -6, -5]"),
        "lymphodepletion",
        "planned day -8 lies outside",
        id="lymphodepletion-day",
    ),
    pytest.param(
        swap("last_day = -3", "last_day = -2"),
        "lymphodepletion",
        "fewer than 2 clear days",
        id="lymphodepletion-late",
    ),
    pytest.param(
        swap('planned_mg_m2 = "30"', 'planned_mg_m2 = "40"'),
        "lymphodepletion.drugs[0]",
        "outside the accepted 25 to 30",
        id="drug-dose",
    ),
    pytest.param(
        swap("planned_doses = 3", "planned_doses = 4"),
        "lymphodepletion.drugs[0]",
        "is not one of accepted_doses",
        id="drug-doses",
    ),
    pytest.param(
        swap('code = "cy"', 'code = "flu"'),
        "lymphodepletion.drugs[1].code",
        "stands there twice",
        id="drug-twice",
    ),
    pytest.param(
        swap('lowers = ["HGB", "NEUT", "PLAT"]', 'lowers = ["HGB", "PLT"]'),
        "lymphodepletion.lowers[1]",
        "is not a measure that a criterion asks for",
        id="lowers-what-nobody-asks",
    ),
    pytest.param(
        swap('later_result_against_criterion = "judge"', 'later_result_against_criterion = "ignore"'),
        "policy.later_result_against_criterion",
        "must be one of: 'judge' or 'blocks'",
        id="a-later-result-is-never-ignored",
    ),
    pytest.param(
        swap("= 25", "= 32", after=D28),
        "visits[22]",
        "D28: the window from Day 32 to Day 31 must hold",
        id="window-inverted",
    ),
    pytest.param(
        swap("target_day = 28", "target_day = 35", after=D28),
        "visits[22]",
        "must hold the target, Day 35",
        id="target-outside",
    ),
    pytest.param(
        swap("target_day = 28", "target_day = 2.5", after=D28),
        "visits[22].target_day",
        "must be a whole number",
        id="half-a-day",
    ),
    pytest.param(swap(D28, 'code = "D21"'), "visits[22].code", "stands there twice", id="visit-twice"),
    pytest.param(
        swap("target_day = 60\nwindow_open_day = 53", "target_day = 20\nwindow_open_day = 20"),
        "visits[23].target_day",
        "D28 before it is Day 28",
        id="visits-out-of-order",
    ),
    pytest.param(
        swap("true", "false", after=D28),
        "visits[22]",
        "follows_infusion is true for days after Day 0",
        id="follows-infusion",
    ),
    pytest.param(
        swap("reminders = []", 'reminders = ["day"]'),
        "visits[0]",
        "only visits planned from the infusion",
        id="reminder-before-infusion",
    ),
    pytest.param(
        swap('"T-7"', '"T-9"', after=D28),
        "visits[22].reminders",
        "is not a known reminder stage; known are: T-7",
        id="unknown-stage",
    ),
    pytest.param(
        swap('"MARROW"', '"BONE"', after=D28),
        "visits[22].procedures",
        "is not a known procedure",
        id="unknown-procedure",
    ),
    pytest.param(
        swap('"follow_up"', '"later"', after=D28),
        "visits[22].phase",
        "must be one of: 'screening'",
        id="unknown-phase",
    ),
    pytest.param(swap(ZH_D28, ""), "visits[22].name.zh", "is missing", id="no-chinese"),
    pytest.param(swap(ZH_D28, ', zh = ""'), "visits[22].name.zh", "must not be empty", id="empty-chinese"),
    pytest.param(
        swap('"target"', '"start"'),
        "reminder_stages[0].anchor",
        "must be one of: 'target' or",
        id="unknown-anchor",
    ),
    pytest.param(
        swap('code = "T-1"', 'code = "T-7"'),
        "reminder_stages[1].code",
        "stands there twice",
        id="stage-twice",
    ),
    pytest.param(
        swap("hour = 07:30:00", "hour = 06:59:00"),
        "reminding.hour",
        "lies in the quiet hours, 21:00 to 07:00",
        id="hour-before-quiet-ends",
    ),
    pytest.param(
        swap('stages = ["T-7", "T-1"]', 'stages = ["T-9"]'),
        "reminding.participants.stages",
        "is not a known reminder stage; known are: T-7",
        id="unknown-stage-of-participants",
    ),
    pytest.param(
        swap('code = "ECG"', 'code = "ECOG"'),
        "procedures[4].code",
        "stands there twice",
        id="procedure-twice",
    ),
    pytest.param(
        swap("lapses_after_days = 5", "lapses_after_days = -5"),
        "reminder_stages[0].lapses_after_days",
        "greater than or equal to 0",
        id="lapse",
    ),
    pytest.param(
        swap('code = "INCL02"', 'code = "INCL01"'),
        "criteria[1].code",
        "stands there twice",
        id="criterion-twice",
    ),
    pytest.param(
        swap('code = "EXCL15"', 'code = "EXCL16"'),
        "criteria[23].code",
        "EXCL15 is expected here",
        id="criterion-gap",
    ),
    pytest.param(
        swap('"INCL07b"', '"INCL07c"'),
        "criteria[6]",
        "its parts must be called INCL07a, INCL07b",
        id="criterion-part",
    ),
    pytest.param(
        swap('code = "TLS"', 'code = "CRS"'),
        "special_interest_events[7].code",
        "stands there twice",
        id="event-twice",
    ),
    pytest.param(
        swap('code = "ICANS"', 'code = "NEUROTOXICITY"'),
        "stopping.events",
        "is not a known event of special interest",
        id="stopping-event",
    ),
    pytest.param(
        swap("from_treated = 3", "from_treated = 31"),
        "stopping.from_treated",
        "only 30 participants are to be enrolled",
        id="stopping-never-speaks",
    ),
    pytest.param(
        swap('limit = "0.30"', 'limit = "30"'),
        "stopping.limit",
        "should be less than 1",
        id="stopping-limit-is-a-share",
    ),
    pytest.param(
        swap('mrd_negative_at = "D28"', 'mrd_negative_at = "D29"'),
        "outcome_measures[0].mrd_negative_at",
        "is not a known visit",
        id="outcome-visit",
    ),
    pytest.param(
        swap('special_interest = "ICANS"', 'special_interest = "NEUROTOXICITY"'),
        "outcome_measures[2].special_interest",
        "is not a known event of special interest",
        id="outcome-event",
    ),
    pytest.param(
        swap('mrd_negative_at = "D28"', 'mrd_negative_at = "D28"\nendpoint = "OS"'),
        "outcome_measures[0]",
        "needs one of mrd_negative_at, special_interest and endpoint",
        id="outcome-two-ways",
    ),
    pytest.param(
        swap('endpoint = "OS"\nmonths = 12', 'endpoint = "OS"'),
        "outcome_measures[4]",
        "months belongs to an endpoint",
        id="outcome-without-months",
    ),
    pytest.param(
        swap('recognised = { graded = "ICAHT" }', "recognised = { grade_from = 3 }"),
        "special_interest_events[3].recognised",
        "names nothing to recognise the event by",
        id="recognised-by-nothing",
    ),
    pytest.param(
        swap('regime = "IND"', 'regime = "FDA"'),
        "reporting.regime",
        "is not a known regime; known are: IND, IIT_NHC",
        id="unknown-regime",
    ),
    pytest.param(
        swap('recipients = ["cde"]', 'recipients = ["nobody"]'),
        "regimes[0].clocks[1].recipients",
        "is not a known recipient",
        id="unknown-recipient",
    ),
    pytest.param(
        swap('recipients = ["cde"]', "recipients = []"),
        "regimes[0].clocks[1].recipients",
        "at least 1 item",
        id="no-recipient",
    ),
    pytest.param(
        swap('code = "cde"', 'code = "sponsor"'),
        "recipients[1].code",
        "stands there twice",
        id="recipient-twice",
    ),
    pytest.param(swap('code = "IIT_NHC"', 'code = "IND"'), "regimes[1].code", "stands there twice", id="regime-twice"),
    pytest.param(
        swap('code = "susar_other"', 'code = "susar_fatal"'),
        "regimes[0].clocks[4].code",
        "stands there twice",
        id="clock-twice",
    ),
    pytest.param(
        swap("sponsor_hours = 24", "sponsor_hours = 48"),
        "regimes[0].clocks[0].limit",
        "sae_site_to_sponsor_hours says 48 hours",
        id="two-limits",
    ),
    pytest.param(
        swap('below_ml_min = 50, mg_m2 = "18"', 'below_ml_min = 50, mg_m2 = "24"'),
        "lymphodepletion.drugs[0]",
        "from the highest limit to the lowest",
        id="levels-do-not-fall",
    ),
    pytest.param(
        swap('below_ml_min = 80, mg_m2 = "24"', 'below_ml_min = 80, mg_m2 = "30"'),
        "lymphodepletion.drugs[0]",
        "all below planned_mg_m2 30",
        id="level-not-reduced",
    ),
    pytest.param(
        swap('dates = "as_is"', 'dates = "blurred"'),
        "sponsor_agreement.dates",
        "must be one of: 'as_is' or 'shifted'",
        id="agreement-dates",
    ),
    pytest.param(swap('"5.0"', '"4.03"'), "policy.ctcae_version", "must be one of: '5.0' or '6.0'", id="policy-value"),
    pytest.param(swap("ice_from_age_years = 12\n", ""), "policy.ice_from_age_years", "is missing", id="policy-missing"),
    pytest.param(
        swap("spo2_on_room_air = true", 'spo2_on_room_air = "yes"'),
        "policy.spo2_on_room_air",
        "must be true or false",
        id="policy-yes",
    ),
    pytest.param(
        swap("guardian_below_age = 18", "guardian_below_age = 12"),
        "policy.guardian_below_age",
        "greater than or equal to 14",
        id="policy-range",
    ),
]


@pytest.mark.parametrize(("edit", "key", "reason"), MISTAKES)
def test_a_mistake_names_its_file_line_key_and_reason(tmp_path: Path, edit: Edit, key: str, reason: str) -> None:
    file = write(tmp_path, v1_0=edit(real_text())) / "v1.0.toml"
    with pytest.raises(StudyFileError) as caught:
        load_protocol(file)
    texts = [str(mistake) for mistake in caught.value.mistakes]
    assert all(text.startswith(str(file)) for text in texts), texts
    assert key in [mistake.key for mistake in caught.value.mistakes], texts
    assert any(re.search(reason, text) for text in texts), texts
    for mistake in caught.value.mistakes:
        # Only what is missing outside of all tables has no line near which it could stand.
        assert mistake.line or ("is missing" in mistake.reason and "." not in mistake.key), texts


def test_the_line_is_that_of_the_key(tmp_path: Path) -> None:
    text = real_text().replace("spo2_on_room_air = true", 'spo2_on_room_air = "yes"')
    with pytest.raises(StudyFileError) as caught:
        load_protocol(write(tmp_path, v1_0=text) / "v1.0.toml")
    (mistake,) = caught.value.mistakes
    assert text.splitlines()[(mistake.line or 0) - 1] == 'spo2_on_room_air = "yes"'
    assert mistake.value == '"yes"'


def test_all_mistakes_are_told_at_once_also_those_between_sections(tmp_path: Path) -> None:
    edits = [
        swap("= 30\n", '= "30"\n'),
        swap('regime = "IND"', 'regime = "FDA"'),
        swap('"T-7"', '"T-9"', after=D28),
        swap('"0.6"', '"0.4"'),
    ]
    text = real_text()
    for edit in edits:
        text = edit(text)
    with pytest.raises(StudyFileError) as caught:
        load_study(write(tmp_path, v1_0=text, v1_1="version ="))
    keys = [mistake.key for mistake in caught.value.mistakes]
    assert keys == ["enrolment_target", "dose", "visits[22].reminders", "reporting.regime", ""]
    assert str(caught.value).startswith("The study definition has 5 mistakes:\n  ")


def test_a_schedule_must_last_as_long_as_the_long_term_follow_up(tmp_path: Path) -> None:
    text = real_text()
    text = text[: text.index('[[visits]]\ncode = "Y6"')] + text[text.index("# --- Eligibility") :]
    with pytest.raises(StudyFileError, match=r"policy\.long_term_years = 15: the schedule ends on Day 1886"):
        load_protocol(write(tmp_path, v1_0=text) / "v1.0.toml")


def test_a_consent_form_has_one_day_and_one_number(tmp_path: Path) -> None:
    again = '\n[[consent_versions]]\nversion = "1.0"\neffective_on = 2025-07-19\n'
    with pytest.raises(StudyFileError) as caught:
        load_protocol(write(tmp_path, v1_0=real_text() + again) / "v1.0.toml")
    assert [m.key for m in caught.value.mistakes] == [
        "consent_versions[1].version",
        "consent_versions[1].effective_on",
    ]


def test_a_file_that_cannot_be_read_as_text(tmp_path: Path) -> None:
    (tmp_path / "v1.0.toml").write_bytes("版本".encode("gb18030"))
    with pytest.raises(StudyFileError, match="is not UTF-8 text"):
        load_study(tmp_path)
    with pytest.raises(StudyFileError, match="cannot be read: No such file"):
        load_protocol(tmp_path / "v9.toml")


def test_key_lines_count_tables_within_tables() -> None:
    text = "[[a]]\nb = 1\n[[a.c]]\nd = 2\n[[a.c]]\nd = 3\n[[a]]\n[[a.c]]\nd = 4\n[e.f]\ng = 5\n"
    lines = key_lines(text)
    assert lines["a", 0, "c", 1, "d"] == 6
    assert lines["a", 1, "c", 0, "d"] == 9
    assert lines["e", "f", "g"] == 11


# --- The command -------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_show_prints_everything_that_is_in_force(protocol: Protocol, language: str) -> None:
    with override(language):
        text = "\n".join(describe(protocol))
        assert str(protocol.title) in text
        assert str(protocol.visit("Y15").name) in text
        assert str(protocol.criterion("EXCL15").text) in text
    for code in ("NCT07072494", "ZJ", "INCL07d", "closing-7", "susar_fatal_completion", "0.2–0.6", "365"):
        assert code in text
    for setting in protocol.policy.settings():
        assert f"{setting.name} = " in text


def test_check_says_what_it_read(tmp_path: Path) -> None:
    assert checked(FOLDER).endswith("no mistakes; NCT07072494, protocol version 1.0")
    assert checked(FOLDER / "v1.0.toml").endswith("protocol version 1.0")
    with pytest.raises(StudyFileError):
        checked(tmp_path)


def test_columns_stand_under_each_other_in_both_scripts() -> None:
    assert list(table([("筛选", "a"), ("x", "b")])) == ["筛选  a", "x     b"]
