"""Case reports without a database: what they lack, and the XML, read back by a reader that is not ours."""

import datetime as dt
import os
from dataclasses import replace
from decimal import Decimal
from typing import Any

import e2br3
import pytest
from lxml import etree

from sponsor.icsr.model import (
    Assessment,
    Batch,
    Change,
    Coded,
    Death,
    Dosage,
    Drug,
    Icsr,
    LabTest,
    Native,
    NullFlavor,
    Patient,
    Reaction,
    Role,
    Sender,
    Seriousness,
    Source,
    Study,
)
from sponsor.icsr.rules import Fault, findings
from sponsor.icsr.writer import write
from trialsite.partialdate import PartialDate

NOW = dt.datetime(2026, 3, 12, 9, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
REACTION = Reaction(
    key="1",
    term="细胞因子释放综合征",
    language="zho",
    translation="Cytokine release syndrome",
    meddra=Coded("20.1", "10052015"),
    seriousness=Seriousness(hospitalisation=True),
    start=PartialDate(2026, 3, 5),
    end=None,
    outcome="2",
    country="CN",
)
VIEWS = (Assessment("Investigator", "five categories", "possibly related"), Assessment("Sponsor", "five", "related"))
CELLS = Drug("car_t", "CAR-T cells", Role.SUSPECT, (Dosage("0.5 x 10^8 cells", NOW - 9 * DAY, lot="L-1"),), action="9")
DEATH = Death(PartialDate(2026, 3, 9), cause="CRS", autopsy=False)


def batch(**facts: Any) -> Batch:
    case = {
        "report_id": "CN-ZJH-ZJ-001-1",
        "worldwide_id": "CN-ZJH-ZJ-001-1",
        "created_at": NOW,
        "first_received": NOW - 3 * DAY,
        "most_recent": NOW - DAY,
        "is_expedited": True,
        "sources": (Source("Zhujiang Hospital", "CN"),),
        "sender": Sender("6", "Zhujiang Hospital", "CN"),
        "study": Study("NCT07072494", "CD19 CAR-T", "2024-KY"),
        "patient": Patient("ZJ-001", 34, "2"),
        "reactions": (REACTION,),
        "drugs": (replace(CELLS, assessments=VIEWS),),
        "narrative": "Fever <38.5> & hypotension.",
        **facts,
    }
    return Batch("B-1", "M-1", "ZJH", "CDE", NOW, Icsr(**case))


def reaction(**facts: Any) -> dict[str, Any]:
    return {"reactions": (replace(REACTION, **facts),)}


FATAL = {
    **reaction(seriousness=Seriousness(death=True), outcome="5"),
    "patient": Patient("ZJ-001", 34, "1", death=DEATH),
}
OTHERS = (
    Drug("flu", "Fludarabine", Role.SUSPECT, (Dosage("50 mg", NOW - 15 * DAY),)),
    Drug("m-1", "Paracetamol", Role.CONCOMITANT),
)
TESTS = (
    LabTest("CRP", NOW - 5 * DAY, Decimal("120.5"), "mg/L", high=Decimal(5)),
    LabTest("Neutrophils (ANC)", NOW - 4 * DAY, Decimal("0.1"), "10*9/L", "<", Decimal("1.8"), Decimal("6.3")),
    LabTest("Ferritin", NOW - 4 * DAY, Decimal(40000), "ug/L", ">"),
)
WEIGHED = Patient("ZJ-001", 34, "2", weight_kg=Decimal("61.5"), height_cm=168)
TEN = {
    "hospitalised": {},
    "fatal": FATAL,
    "life-threatening": reaction(seriousness=Seriousness(life_threatening=True, hospitalisation=True)),
    "disability": reaction(seriousness=Seriousness(disability=True), outcome="4"),
    "congenital": reaction(seriousness=Seriousness(congenital_anomaly=True), outcome="3"),
    "other, known by the month": reaction(seriousness=Seriousness(other=True), start=PartialDate(2026, 2)),
    "to the minute, and over": reaction(start=NOW - 4 * DAY, end=NOW - 2 * DAY, outcome="1"),
    "follow-up with an unknown outcome": {**reaction(outcome="0"), "most_recent": NOW},
    "nullified": {"change": Change.NULLIFICATION, "change_reason": "录入错误"},
    "several drugs": {"drugs": (CELLS, *OTHERS), "is_expedited": NullFlavor.NO_INFORMATION},
    "with tests, told twice": {"tests": TESTS, "native": (Native("发热 <38.5>", "zho"),), "patient": WEIGHED},
    "amended": {"change": Change.AMENDMENT, "change_reason": "批号录入错误"},
}


@pytest.mark.parametrize("facts", TEN.values(), ids=TEN)
def test_what_is_written_is_read_back(facts: dict[str, Any]) -> None:
    told = batch(**facts)
    assert findings(told, now=NOW) == ()
    read = e2br3.parse(write(told))
    (message,) = read.messages
    case, expected = message.icsr, told.icsr
    assert (read.sender, read.receiver, read.batch_number, message.message_id) == ("ZJH", "CDE", "B-1", "M-1")
    assert (case.safety_report_id, case.worldwide_case_id) == ("CN-ZJH-ZJ-001-1",) * 2
    assert case.report_type.code == "2"
    assert case.most_recent_date.value == expected.most_recent
    assert case.narrative == expected.narrative
    assert case.patient.name.null_flavor == "MSK"
    assert str(case.patient.age.value) == "34"
    assert [drug.product_name for drug in case.drugs] == [drug.name for drug in expected.drugs]
    assert [drug.role.code for drug in case.drugs] == [drug.role for drug in expected.drugs]
    assert (case.nullification_amendment.code if expected.change else "") == (expected.change or "")
    assert (case.nullification_reason or "") == expected.change_reason
    _reaction_is(case.reactions[0], expected.reactions[0])


def _reaction_is(read: Any, expected: Reaction) -> None:
    said = expected.seriousness
    assert (read.native_term, read.native_language) == (expected.term, "zho")
    assert (read.meddra.code, read.meddra.code_system_version) == ("10052015", "20.1")
    assert read.outcome.code == expected.outcome
    for name, value in (
        ("results_in_death", said.death),
        ("life_threatening", said.life_threatening),
        ("hospitalisation", said.hospitalisation),
        ("disabling", said.disability),
        ("congenital_anomaly", said.congenital_anomaly),
        ("other_medically_important", said.other),
    ):
        found = getattr(read, name)
        assert found is True if value else found.null_flavor == "NI", name


@pytest.mark.skipif("E2BR3_SCHEMA_DIR" not in os.environ, reason="the schema is HL7's: name its folder to ask it")
@pytest.mark.parametrize("facts", TEN.values(), ids=TEN)
def test_the_schema_agrees(facts: dict[str, Any]) -> None:
    assert e2br3.validate(write(batch(**facts))) == []


def test_tests_body_and_the_native_words_stand_in_their_places() -> None:
    """The reader that is not ours leaves these aside: they are found by the paths of the implementation guide."""
    root = etree.fromstring(write(batch(tests=TESTS, native=(Native("发热 <38.5>", "zho"),), patient=WEIGHED)))

    def found(path: str) -> list[Any]:
        return list(root.xpath(path, namespaces={"h": "urn:hl7-org:v3"}))

    tests = "//h:primaryRole/h:subjectOf2/h:organizer[h:code/@code='3']/h:component/h:observation"
    assert found(f"{tests}/h:code/h:originalText/text()") == [one.name for one in TESTS]
    assert found(f"{tests}/h:effectiveTime/@value")[0] == "202603071730+0800"
    values = [[(etree.QName(end).localname, dict(end.attrib)) for end in one] for one in found(f"{tests}/h:value")]
    assert values == [
        [("center", {"value": "120.5", "unit": "mg/L"})],
        [("low", {"nullFlavor": "NINF"}), ("high", {"inclusive": "false", "value": "0.1", "unit": "10*9/L"})],
        [("low", {"inclusive": "false", "value": "40000", "unit": "ug/L"}), ("high", {"nullFlavor": "PINF"})],
    ]
    limits = f"{tests}/h:referenceRange/h:observationRange[@moodCode='EVN.CRT']"
    assert found(f"{limits}/h:value/@value") == ["5", "1.8", "6.3"]
    assert found(f"{limits}/h:interpretationCode/@code") == ["H", "L", "H"]
    body = "//h:primaryRole/h:subjectOf2/h:observation[h:code/@code='{}']/h:value/@value"
    assert found(body.format(7)) + found(body.format(17)) == ["61.5", "168"]
    (native,) = found("//h:investigationEvent/h:component/h:observationEvent[h:code/@code='36']/h:value")
    assert (native.text, native.get("language")) == ("发热 <38.5>", "zho")


def test_both_judge_each_drug() -> None:
    (drug,) = e2br3.parse(write(batch())).messages[0].icsr.drugs
    (judged,) = drug.relatedness
    assert judged.reaction_index == 0
    assert [one.source.original_text for one in judged.assessments] == ["Investigator", "Sponsor"]
    assert [one.result for one in judged.assessments] == ["possibly related", "related"]


def test_dates_are_as_precise_as_they_are_known() -> None:
    xml = write(batch(**reaction(start=PartialDate(2026, 2), end=PartialDate(2026))))
    root = etree.fromstring(xml)
    path = "//h:observation[h:code/@code='29']/h:effectiveTime/h:{}/@value"
    spaces = {"h": "urn:hl7-org:v3"}
    assert root.xpath(path.format("low"), namespaces=spaces) == ["202602"]
    assert root.xpath(path.format("high"), namespaces=spaces) == ["2026"]
    assert (
        root.xpath("string(//h:controlActProcess/h:effectiveTime/@value)", namespaces=spaces) == "20260312173000+0800"
    )


def test_of_equal_content_the_bytes_are_equal() -> None:
    assert write(batch()) == write(batch())


WITHOUT = {
    "C.3.1": ({"sender": None}, Fault.MISSING),
    "C.2.r.5": ({"sources": ()}, Fault.NOT_ONE_PRIMARY),
    "H.1": ({"narrative": "  "}, Fault.MISSING),
    "E.i": ({"reactions": ()}, Fault.MISSING),
    "E.i.2.1b": (reaction(meddra=None), Fault.MISSING),
    "E.i.7": (reaction(outcome=None), Fault.MISSING),
    "G.k.1": ({"drugs": (OTHERS[1],)}, Fault.NO_SUSPECT),
    "G.k.2.2": ({"drugs": (replace(CELLS, name=" "),)}, Fault.MISSING),
    "D.9.1": ({**FATAL, "patient": Patient("ZJ-001", 34, "1")}, Fault.DEATH_WITHOUT_DATE),
    "E.i.3.2a": (reaction(outcome="5"), Fault.FATAL_WITHOUT_DEATH),
    "E.i.5": (reaction(end=PartialDate(2026, 3, 4)), Fault.ENDS_BEFORE_START),
    "C.1.4": ({"first_received": NOW + DAY, "most_recent": NOW + DAY}, Fault.IN_FUTURE),
    "C.1.5": ({"most_recent": NOW - 4 * DAY}, Fault.OLDER_THAN_FIRST),
    "C.1.11.2": ({"change": Change.AMENDMENT}, Fault.CHANGE_WITHOUT_REASON),
    "F.r.1": ({"tests": (replace(TESTS[0], at=NOW + DAY),)}, Fault.IN_FUTURE),
    "F.r.2.1": ({"tests": (replace(TESTS[0], name=" "),)}, Fault.MISSING),
    "H.5.r.1a": ({"native": (Native("字" * 100_001, "zho"),)}, Fault.TOO_LONG),
    "H.5.r.1b": ({"native": (Native("字", ""),)}, Fault.MISSING),
    "G.k.4.r.7": ({"drugs": (replace(CELLS, dosages=(Dosage("x", lot="9" * 36),)),)}, Fault.TOO_LONG),
}


@pytest.mark.parametrize(("element", "case"), WITHOUT.items(), ids=WITHOUT)
def test_what_is_missing_or_wrong_is_found(element: str, case: tuple[dict[str, Any], Fault]) -> None:
    facts, fault = case
    assert (element, fault) in {(one.element, one.fault) for one in findings(batch(**facts), now=NOW)}


def test_an_end_in_the_month_of_the_start_is_not_before_it() -> None:
    assert findings(batch(**reaction(end=PartialDate(2026, 3))), now=NOW) == ()


def test_a_report_is_withdrawn_without_what_it_never_knew() -> None:
    unknown = {**reaction(outcome=None, meddra=None), "tests": (replace(TESTS[0], at=NOW + DAY),)}
    assert findings(batch(**unknown), now=NOW) != ()
    assert findings(batch(**unknown, change=Change.NULLIFICATION, change_reason="no event"), now=NOW) == ()
