"""Rows of the SDTM datasets from facts of one participant."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from sponsor.datasets.sdtm import about_subject, about_trial
from sponsor.datasets.sdtm.catalogue import TESTS
from sponsor.datasets.sdtm.describe import DATASETS, supplemental
from sponsor.datasets.sdtm.subject import (
    Assessment,
    Cells,
    Contact,
    Dose,
    Event,
    Graded,
    Ice,
    Relation,
    Result,
    Seen,
    Standing,
    Subject,
)
from sponsor.datasets.sdtm.trial import PlannedVisit, Rule, Trial

D = Decimal
TRIAL = Trial(
    study_id="NCT1",
    org_study_id="1",
    title="T",
    sponsor="S",
    indication="I",
    phase="PHASE1",
    enrolment_target=30,
    starts_on="2025-07-19",
    ends_on="2027-08-19",
    cut_off="2026-06-01",
    minimum_age=14,
    maximum_age=80,
    sex="ALL",
    healthy=False,
    masking="NONE",
    intervention_model="SINGLE_GROUP",
    arm_code="CART",
    arm="Cells",
    country="CHN",
    dose_e8="50",
    stopping="",
    drugs={"flu": "Fludarabine"},
    visits=(
        PlannedVisit("SCR", 1, "Screening", -28, -35, -8, False, "screening"),
        PlannedVisit("LD1", 2, "Lymphodepletion day 1", -7, -7, -5, False, "treatment"),
        PlannedVisit("D0", 3, "Infusion", 0, 0, 0, False, "treatment"),
        PlannedVisit("D1", 4, "Day 1", 1, 1, 1, True, "inpatient"),
        PlannedVisit("D28", 5, "Day 28", 28, 25, 31, True, "follow_up"),
    ),
    rules=(Rule("INCL07a", "Kidney", True, "1.0"), Rule("EXCL01", "Allergy", False, "1.0")),
)
SUBJECT = Subject(
    key=1,
    usubjid="NCT1-S1",
    number="S1",
    participant_number="ZJ-001",
    site="ZJ",
    country="CHN",
    sex="F",
    age=41,
    age_group="",
    protocol_version="1.0",
    cut_off="2026-06-01",
    consents=("2026-02-01T09:00",),
    statuses=(Standing("screening", "2026-02-01"), Standing("enrolled", "2026-02-20")),
)
DOSE = Dose("dose:1", "flu", "2026-02-26T10:00", "2026-02-26", True, D("52.6"), D("52.6"), D(30), D("1.7521"), "")
CELLS = Cells("infusion:1", "2026-03-05T10:00", "2026-03-05T10:20", "LOT-1", D("0.5"), D(10), "nominal", "first", 0)
INFUSED = replace(
    SUBJECT, doses=(DOSE,), infusions=(CELLS,), statuses=(*SUBJECT.statuses, Standing("infused", "2026-03-05"))
)
EVENT = Event(
    key="event:1",
    number="1",
    term="发热",
    start="2026-03-07",
    end="2026-03-12",
    grade=2,
    ctcae_version="5.0",
    ctcae_code="10052015",
    ctcae_term="Cytokine release syndrome",
    meddra_version="28.0",
    llt_code="10052015",
    llt="Cytokine release syndrome",
    pt_code="10052015",
    pt="Cytokine release syndrome",
    hlt_code="90000020",
    hlt="Made-up high level term",
    hlgt_code="",
    hlgt="A group whose code is not known",
    soc_code="10021428",
    soc="Immune system disorders",
    special_interest="CRS",
    criteria=frozenset(),
    outcome="recovered",
    died_on="",
    cause_of_death="",
    autopsy="",
    pattern="",
    is_treated=False,
    relations=(Relation("car_t", "definite", "", "not_applicable"), Relation("disease", "unlikely", "", "")),
    grades=((1, "2026-03-07"), (2, "2026-03-08")),
    drugs=(),
    note="",
)
RESULT = Result(
    key="measurement:1",
    code="CREAT",
    panel="CHEM",
    at="2026-02-10T08:00",
    value=D("0.500"),
    sign="",
    unit="mg/dL",
    standard=D("44.2"),
    low=D("0.5"),
    high=D("1.2"),
    standard_low=D("44.2"),
    standard_high=D("106.08"),
    choice="",
    day="",
    is_not_done=False,
    reason="",
    laboratory="",
    is_fasting=None,
)

Tables = dict[str, list[dict[str, Any]]]


def tables(subject: Subject) -> Tables:
    """By dataset, each row by the names of its variables that have a value."""
    found: Tables = {}
    for line in about_subject(subject, TRIAL)[0]:
        pairs = zip(line.dataset.names, line.values, strict=True)
        found.setdefault(line.dataset.name, []).append({name: value for name, value in pairs if value is not None})
    return found


def the(rows: list[dict[str, Any]], **values: Any) -> dict[str, Any]:
    [one] = [row for row in rows if values.items() <= row.items()]
    return one


# --- what datasets are ---------------------------------------------------------------------------------


def test_labels_and_names_are_as_short_as_the_standard_wants() -> None:
    for dataset in (*DATASETS, *(supplemental(one.name) for one in DATASETS)):
        assert len(dataset.label) <= 40 or dataset.name.startswith("SUPP")
        assert set(dataset.keys) <= set(dataset.names)
        for one in dataset.variables:
            assert len(one.name) <= 8, one
            assert len(one.label) <= 40, one


def test_tests_have_one_name_for_one_code() -> None:
    names = {(one.domain, one.code): one.name for one in TESTS.values()}
    assert all(names[one.domain, one.code] == one.name for one in TESTS.values())
    assert all(len(one.name) <= 40 and len(one.code) <= 8 for one in TESTS.values())


def test_the_trial_is_told_without_a_participant() -> None:
    names = [line.dataset.name for line in about_trial(TRIAL)]
    assert set(names) == {"TA", "TE", "TI", "TS", "TV"}


# --- who, and where in the study ------------------------------------------------------------------------


def test_a_screen_failure_has_no_arm_and_says_why() -> None:
    failed = replace(
        SUBJECT, statuses=(Standing("screen_failed", "2026-02-10", "not_eligible", ("INCL07a", "EXCL01")),)
    )
    found = tables(failed)
    [dm] = found["DM"]
    assert dm["ARMNRS"] == "SCREEN FAILURE"
    assert not {"ARMCD", "ACTARMCD", "RFSTDTC", "RFENDTC", "RFXSTDTC"} & dm.keys()
    assert dm["RFPENDTC"] == "2026-02-10"
    assert [(row["IETESTCD"], row["IEORRES"]) for row in found["IE"]] == [("EXCL01", "Y"), ("INCL07A", "N")]
    assert the(found["DS"], DSCAT="DISPOSITION EVENT")["DSDECOD"] == "SCREEN FAILURE"
    assert "EX" not in found


@pytest.mark.parametrize(
    ("subject", "arm", "reference"),
    [(SUBJECT, None, None), (replace(SUBJECT, doses=(DOSE,)), "CART", None), (INFUSED, "CART", "2026-03-05T10:00")],
    ids=["waits for treatment", "lymphodepleted", "infused"],
)
def test_the_arm_begins_with_treatment_and_the_study_days_with_the_cells(
    subject: Subject, arm: str | None, reference: str | None
) -> None:
    found = tables(subject)
    [dm] = found["DM"]
    assert (dm.get("ARMCD"), dm.get("RFSTDTC")) == (arm, reference)
    assert ("ARMNRS" in dm) == (arm is None)
    assert dm.get("RFENDTC") == ("2026-06-01" if arm else None)
    assert all(("EXSTDY" in row) == (reference is not None) for row in found.get("EX", []))


def test_doses_leave_in_units_of_the_protocol_and_as_they_were_collected() -> None:
    left_out = replace(DOSE, key="dose:2", at="", is_given=False, given_mg=None, planned_on="2026-02-27")
    found = tables(replace(INFUSED, doses=(DOSE, left_out)))
    assert [(row["EXDOSE"], row["EXDOSU"], row["EXSTDY"]) for row in found["EX"]] == [
        (30.02, "mg/m2", -7),
        (50, "10^6 Therapeutic Cells", 1),
    ]
    assert [(row["ECOCCUR"], row.get("ECDOSE"), row.get("ECDOSU")) for row in found["EC"]] == [
        ("Y", 52.6, "mg"),
        ("N", None, None),
        ("Y", 10, "mL"),
    ]


def test_elements_follow_each_other_and_findings_lie_in_one() -> None:
    found = tables(replace(INFUSED, results=(RESULT, replace(RESULT, key="measurement:2", at="2026-04-02T08:00"))))
    assert [(row["ETCD"], row["SESTDTC"], row.get("SEENDTC")) for row in found["SE"]] == [
        ("SCRN", "2026-02-01", "2026-02-26"),
        ("LD", "2026-02-26", "2026-03-05"),
        ("CART", "2026-03-05", "2026-04-02"),
        ("FU", "2026-04-02", None),
    ]
    assert [row["EPOCH"] for row in found["LB"]] == ["SCREENING", "FOLLOW-UP"]


def test_visits_are_planned_missed_or_beside_the_schedule() -> None:
    visits = (
        Seen("D1", "not_done", "", "", ""),
        Seen("D28", "done", "2026-04-02", "telephone", ""),
        Seen("U01", "done", "2026-04-20", "site", ""),
    )
    rows = {row["VISIT"]: row for row in tables(replace(INFUSED, visits=visits))["SV"]}
    assert (rows["Day 1"]["SVOCCUR"], "SVSTDTC" in rows["Day 1"]) == ("N", False)
    assert (rows["Day 28"]["SVCNTMOD"], rows["Day 28"]["VISITDY"]) == ("TELEPHONE CALL", 29)
    assert not {"SVPRESP", "SVOCCUR", "VISITDY"} & rows["Unscheduled 1"].keys()
    assert rows["Infusion"]["VISITDY"] == 1


# --- findings -------------------------------------------------------------------------------------------


def test_a_number_leaves_as_reported_and_in_the_standard_unit() -> None:
    [row] = tables(replace(INFUSED, results=(RESULT,)))["LB"]
    assert (row["LBORRES"], row["LBORRESU"], row["LBORNRLO"]) == ("0.5", "mg/dL", "0.5")
    assert (row["LBSTRESC"], row["LBSTRESN"], row["LBSTRESU"]) == ("44.2", 44.2, "umol/L")
    assert (row["LBSTNRHI"], row["LBNRIND"], row["LBLOBXFL"], row["VISIT"]) == (106.08, "NORMAL", "Y", "Screening")


def test_a_bound_stays_a_bound() -> None:
    found = tables(replace(INFUSED, results=(replace(RESULT, sign="<"),)))
    [row] = found["LB"]
    assert (row["LBORRES"], row["LBSTRESC"]) == ("<0.5", "<44.2")
    assert not {"LBSTRESN", "LBORNRLO", "LBORNRHI", "LBSTNRLO", "LBSTNRHI", "LBNRIND"} & row.keys()
    assert {one["QVAL"] for one in found["SUPPLB"]} == {"0.5 mg/dL", "1.2 mg/dL"}


def test_what_was_not_done_says_so_and_is_no_baseline() -> None:
    not_done = replace(
        RESULT, key="m:2", at="2026-02-25T08:00", value=None, standard=None, is_not_done=True, reason="r"
    )
    rows = tables(replace(INFUSED, results=(RESULT, not_done)))["LB"]
    assert [(row.get("LBSTAT"), row.get("LBREASND"), row.get("LBLOBXFL")) for row in rows] == [
        (None, None, "Y"),
        ("NOT DONE", "r", None),
    ]
    assert "LBORRES" not in rows[1]


def test_a_day_without_a_time_is_before_the_treatment_only_if_it_is_an_earlier_one() -> None:
    same = replace(RESULT, key="m:2", at="2026-02-26")
    rows = tables(replace(INFUSED, results=(RESULT, same)))["LB"]
    assert [row.get("LBLOBXFL") for row in rows] == ["Y", None]


@pytest.mark.parametrize(
    ("performed", "answers", "total", "expected"),
    [
        ("yes", True, 10, {"QSORRES": "10", "QSSTRESN": 10}),
        ("unable_unarousable", None, 0, {"QSORRES": "0", "QSSTRESN": 0}),
        ("not_done", None, None, {"QSSTAT": "NOT DONE"}),
    ],
)
def test_ice_is_a_questionnaire_with_its_items(
    performed: str, answers: bool | None, total: int | None, expected: dict[str, Any]
) -> None:
    names = ("year", "month", "city", "hospital", "object_1", "object_2", "object_3", "command", "writes", "counts")
    ice = Ice("bedside:1", "2026-03-06T08:00", tuple((name, answers) for name in names), total, performed, "")
    rows = tables(replace(INFUSED, ice=(ice,)))["QS"]
    assert expected.items() <= the(rows, QSTESTCD="ICETOT").items()
    assert len(rows) == (11 if answers else 1)
    assert all("QSEVAL" not in row for row in rows)


def test_a_response_by_the_investigator_has_that_of_the_rule_beside_it() -> None:
    one = Assessment("a:1", "2026-04-02", "CR", "CRi", "insufficient", "flow", "", "0.1", D("0.8"), "<")
    found = tables(replace(INFUSED, assessments=(one,)))
    assert the(found["RS"], RSTESTCD="OVRLRESP")["RSSTRESC"] == "CR"
    assert the(found["RS"], RSTESTCD="MRDRESP")["RSSTRESC"] == "NE"
    assert the(found["SUPPRS"], QNAM="RSRULE")["QVAL"] == "CRi"
    assert the(found["LB"], LBTESTCD="BLASTCE")["LBSTRESC"] == "<0.8"


# --- events ---------------------------------------------------------------------------------------------


def test_an_event_whose_coding_is_open_waits_outside() -> None:
    open_, coded = replace(EVENT, key="event:2", pt_code="", pt=""), EVENT
    lines, pending = about_subject(replace(INFUSED, events=(coded, open_)), TRIAL)
    assert [line.values[line.dataset.names.index("AESPID")] for line in lines if line.dataset.name == "AE"] == ["1"]
    assert [(number, row) for number, row, _why in pending] == [("S1", "event:2")]


def test_crs_is_an_event_with_the_highest_grade_and_findings_about_it() -> None:
    grades = tuple(
        Graded(f"toxicity:{count}", "CRS", "ASTCT 2019", at, grade, computed, event)
        for count, (at, grade, computed, event) in enumerate(
            [
                ("2026-03-06T08:00", 0, 0, ""),
                ("2026-03-07T08:00", 1, 1, "event:1"),
                ("2026-03-08T08:00", 3, 2, "event:1"),
            ]
        )
    )
    found = tables(replace(INFUSED, events=(EVENT,), grades=grades))
    [event] = found["AE"]
    assert (event["AETOXGR"], event["AESTDY"], event["AEACN"], event["AESER"]) == ("3", 3, "NOT APPLICABLE", "N")
    # A name of MedDRA's leaves with its code alone.
    assert [event.get(f"AE{name}") for name in ("HLT", "HLTCD", "HLGT", "HLGTCD", "BDSYCD")] == [
        "Made-up high level term",
        90000020,
        None,
        None,
        10021428,
    ]
    assert [(row["FAORRES"], row["FAOBJ"]) for row in found["FA"]] == [(grade, event["AEDECOD"]) for grade in "013"]
    assert the(found["SUPPAE"], QNAM="AEGRSCAL")["QVAL"] == "ASTCT 2019"
    assert the(found["SUPPAE"], QNAM="AERELDIS")["QVAL"] == "UNLIKELY"
    assert the(found["SUPPFA"], QNAM="FARULEGR")["QVAL"] == "2"
    about = [row for row in found["RELREC"] if row["RDOMAIN"] in ("AE", "FA")]
    pairs = {(row["RELID"], row["RDOMAIN"], row["IDVARVAL"]) for row in about}
    assert pairs == {("R1", "AE", "1"), ("R1", "FA", "2"), ("R2", "AE", "1"), ("R2", "FA", "3")}


def test_the_course_of_another_event_is_told_by_its_days() -> None:
    found = tables(replace(INFUSED, events=(EVENT,)))
    assert [(row["FAORRES"], row["FADTC"], row["FACAT"]) for row in found["FA"]] == [
        ("1", "2026-03-07", "CTCAE V5.0"),
        ("2", "2026-03-08", "CTCAE V5.0"),
    ]


def test_an_event_that_goes_on_has_no_end_and_the_day_of_the_cut_off() -> None:
    [row] = tables(replace(INFUSED, events=(replace(EVENT, end="", start="2026-03"),)))["AE"]
    assert (row["AESTDTC"], row["AEENRTPT"], row["AEENTPT"]) == ("2026-03", "ONGOING", "2026-06-01")
    assert not {"AEENDTC", "AESTDY"} & row.keys()


# --- death ----------------------------------------------------------------------------------------------

FATAL = replace(
    EVENT, grade=5, criteria=frozenset({"results_in_death"}), outcome="", end="", died_on="2026-03", autopsy="done"
)
DIED = Standing("died", "2026-03-20")
TOLD = Contact("contact:1", "2026-04-01", "phone", "dead", "", "2026-03-20")


@pytest.mark.parametrize(
    "subject",
    [
        replace(INFUSED, statuses=(*INFUSED.statuses, DIED), events=(FATAL,), contacts=(TOLD,)),
        replace(INFUSED, statuses=(*INFUSED.statuses, DIED), events=(FATAL,)),
        replace(INFUSED, events=(replace(FATAL, died_on="2026-03-20"),)),
        replace(INFUSED, contacts=(TOLD,), events=(FATAL,)),
        replace(INFUSED, doses=(), infusions=(), statuses=(*SUBJECT.statuses, DIED), events=(FATAL,)),
    ],
    ids=["all told", "no contact", "the event alone", "a contact and the event", "before Day 0"],
)
def test_five_places_of_a_death_agree(subject: Subject) -> None:
    found, day = tables(subject), "2026-03-20"
    [dm], [event] = found["DM"], found["AE"]
    assert (dm["DTHFL"], dm["DTHDTC"], dm["RFPENDTC"]) == ("Y", day, day)
    assert the(found["DS"], DSDECOD="DEATH")["DSSTDTC"] == day
    assert (event["AESDTH"], event["AESER"], event["AEOUT"], event["AETOXGR"]) == ("Y", "Y", "FATAL", "5")
    assert event["AEENDTC"] == day
    assert the(found["SS"], SSSTRESC="DEAD")["SSDTC"] == day
    assert the(found["DD"], DDTESTCD="PRCDTH")["DDSTRESC"] == "Cytokine release syndrome"
    assert the(found["DD"], DDTESTCD="AUTOPIND")["DDORRES"] == "Y"


def test_the_last_record_is_the_last_day_of_whatever_kind() -> None:
    assert SUBJECT.last_record() == "2026-02-20"
    later = replace(INFUSED, events=(replace(EVENT, end="2026-04"),), results=(replace(RESULT, at="2026-03-11T08:00"),))
    assert later.last_record() == "2026-03-11"
    assert replace(later, cut_off="2026-03-10").last_record() == "2026-03-08"
