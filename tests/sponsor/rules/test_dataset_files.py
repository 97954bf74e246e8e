"""The files of a package, read back by readers that are not ours: the same rows in all of them."""

import csv
import datetime as dt
import json
import math
import re
import tempfile
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pyreadstat
import pytest
from defineutils.validate.validate import DefineSchemaValidator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft201909Validator
from lxml import etree
from odmlib import define_loader, loader

from sponsor.datasets.files import WRITERS, Problem, Unwritable, shown
from sponsor.datasets.model import (
    MOST_WORDS,
    Codelist,
    Dataset,
    Kind,
    Origin,
    Package,
    Pending,
    Row,
    Staging,
    Term,
    Variable,
)
from sponsor.datasets.scope import no_tick
from sponsor.datasets.writers import xpt
from trialsite.cells import FORMULA_STARTS, PLAIN_NUMBER

SCHEMA = Path(__file__).resolve().parents[4] / "shared" / "standards" / "dataset-json" / "dataset.schema.json"
CUT_OFF = dt.datetime(2026, 3, 5, 1, 30, tzinfo=dt.UTC)
ODM = {"o": "http://www.cdisc.org/ns/odm/v1.3", "def": "http://www.cdisc.org/ns/def/v2.1"}
NY = Codelist("NY", "No Yes Response", (Term("N", "No", "C49487"), Term("Y", "Yes", "C49488")), "C66742", False)
UNITS = Codelist("UNIT", "Unit", (Term("mg", "mg", "C28253"), Term("mL", "mL", "C28254")), "C71620")


def adverse_events(*more: Variable) -> Dataset:
    variables = (
        Variable("STUDYID", "Study Identifier", core="Req", role="Identifier", origin=Origin.PROTOCOL),
        Variable("USUBJID", "Unique Subject Identifier", core="Req", role="Identifier", origin=Origin.ASSIGNED),
        Variable("AESEQ", "Sequence Number", Kind.INTEGER, "Req", origin=Origin.DERIVED, method="Counted by onset."),
        Variable("AETERM", "Reported Term", core="Req", comment="As the site wrote it."),
        Variable("AESER", "Serious Event", core="Exp", codelist=NY),
        Variable("AEDOSE", "A Number", Kind.FLOAT, "Exp"),
        Variable("AESTDTC", "Start", Kind.DATE, "Exp"),
        Variable("VISITNUM", "Visit Number", Kind.FLOAT, "Exp"),
        Variable("AEUNIT", "Unit", codelist=UNITS),
        *more,
    )
    return Dataset("AE", "Adverse Events", "One record per event", "EVENTS", ("USUBJID", "AESEQ"), variables)


def package(folder: Path, dataset: Dataset, rows: list[Row], *others: Dataset, **more: Any) -> Package:
    staged = []
    for one in (dataset, *others):
        with Staging(one, folder) as staging:
            for row in rows if one is dataset else ():
                staging.add(row)
        staged.append(staging.staged)
    return Package(
        study_id="NCT07072494",
        study_name="CD19 CAR-T 巩固治疗",
        protocol_version="1.0",
        cut_off=CUT_OFF,
        software="Trialsite 1.2",
        terminology="2025-03-28",
        staged=tuple(staged),
        **more,
    )


def row(number: int = 1, term: str = "发热", *, dose: float | None = 36.55, unit: str = "mg") -> list[Any]:
    return ["NCT07072494", "NCT07072494-ZJ-001", number, term, "Y", dose, "2026-03", None, unit]


@contextmanager
def made(dataset: Dataset, rows: list[Row], *forms: str, zone: dt.tzinfo = dt.UTC) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = replace(package(folder, dataset, rows), cut_off=CUT_OFF.astimezone(zone))
        for form in forms:
            WRITERS[form](whole, folder, no_tick)
        yield folder


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


# --- The same rows in every file ----------------------------------------------------------------------

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
    st.sampled_from(
        ['=cmd|"x"', "细胞因子释放综合征", 'a "b", c', "one\ntwo", "  led by blanks", "＝1", "-1.5", "'=x"]
    ),
)
numbers = st.none() | st.floats(-1e70, 1e70).filter(lambda one: one == 0 or abs(one) > 1e-70)
table_rows = st.lists(
    st.builds(
        lambda term, dose, flag, date: ["NCT07072494", "ZJ-001", 1, term, flag, dose, date, None, None],
        texts | st.none(),
        numbers,
        st.sampled_from(["Y", "N", None]),
        st.sampled_from(["2026", "2026-03-05T09:30", "", None]),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=table_rows)
def test_every_reader_finds_the_same_rows(rows: list[list[Any]]) -> None:
    for number, one in enumerate(rows, start=1):
        one[2] = number
    said = [["" if cell is None and place != 5 else cell for place, cell in enumerate(one[:7])] for one in rows]
    with made(adverse_events(), rows, "dataset-json", "ndjson", "xpt", "csv", "xlsx") as folder:
        assert json.loads((folder / "ae.json").read_text("utf-8"))["rows"] == said
        lines = (folder / "ae.ndjson").read_text("utf-8").split("\n")
        assert [json.loads(line) for line in lines[1:-1]] == said
        assert _transported(folder / "ae.xpt") == [[_unpadded(cell) for cell in one] for one in said]
        for cells, one in zip(table(folder / "ae.csv")[1:], said, strict=True):
            assert all(_is_plain(cell, text) or cell == repr(text) for cell, text in zip(cells, one, strict=True))
        assert _sheet(folder / "NCT07072494.xlsx") == [[_digits(cell) for cell in one] for one in said]


def _transported(path: Path) -> list[list[Any]]:
    columns, meta = pyreadstat.read_xport(path, output_format="dict", encoding="UTF-8")
    assert (meta.table_name, meta.file_label) == ("AE", "Adverse Events")
    rows = [list(one) for one in zip(*columns.values(), strict=True)]
    return [[None if isinstance(cell, float) and math.isnan(cell) else cell for cell in one] for one in rows]


def _unpadded(cell: Any) -> Any:
    return cell.rstrip(" ") if isinstance(cell, str) else cell


def _is_plain(cell: str, text: Any) -> bool:
    """The text, or with an apostrophe before what a spreadsheet would calculate."""
    text = "" if text is None else str(text)
    return cell == (f"'{text}" if text.startswith(FORMULA_STARTS) and not PLAIN_NUMBER.fullmatch(text) else text)


def _digits(cell: Any) -> Any:
    """Excel's own: an empty cell is nothing, and a number has 16 digits."""
    return float(f"{cell:.16G}") if isinstance(cell, float) else None if cell == "" else cell


def _sheet(path: Path) -> list[list[Any]]:
    book = openpyxl.load_workbook(path, read_only=True)
    assert all(cell.data_type != "f" for one in book["AE"].iter_rows() for cell in one)
    rows = [list(one) for one in book["AE"].iter_rows(min_row=2, values_only=True)]
    book.close()
    return [[_unescaped(cell) for cell in (one + [None] * 7)[:7]] for one in rows]


def _unescaped(cell: Any) -> Any:
    """Letters that XML has not are written as Excel writes them."""
    if not isinstance(cell, str):
        return cell
    return re.sub("_x([0-9A-F]{4})_", lambda code: chr(int(code[1], 16)), cell)


# --- What is written ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("date", "core", "stays"),
    [("2026-03", "Perm", True), ("", "Exp", True), ("", "Perm", False)],
    ids=["beside its date", "beside a date that is expected and nobody has", "without one"],
)
def test_a_day_of_study_that_nobody_has_stays_beside_its_date(
    tmp_path: Path, date: str, core: str, stays: bool
) -> None:
    day = Variable("AEENDY", "Study Day of End", Kind.INTEGER)
    dated = adverse_events(Variable("AEENDTC", "End", Kind.DATE, core), day)
    (staged,) = package(tmp_path, dated, [[*row(), date, None]]).staged
    assert (day in shown(staged)) is stays


def test_what_nothing_fills_is_written_only_where_it_is_expected(tmp_path: Path) -> None:
    empty = Dataset("CM", "Medication", "One record per drug", "INTERVENTIONS", (), adverse_events().variables)
    whole = package(tmp_path, adverse_events(), [row(dose=None, unit="")], empty)
    names = [one.name for one in shown(whole.staged[0])]
    # AEDOSE is expected; an empty VISITNUM would keep a checker from joining, an empty AEUNIT nobody asks for.
    assert names == ["STUDYID", "USUBJID", "AESEQ", "AETERM", "AESER", "AEDOSE", "AESTDTC"]
    written = [path.name for form in WRITERS for path in WRITERS[form](whole, tmp_path, no_tick)]
    assert written == ["ae.json", "ae.ndjson", "ae.xpt", "define.xml", "ae.csv", "codebook.csv", "NCT07072494.xlsx"]


@pytest.mark.parametrize("form", WRITERS)
def test_equal_rows_give_equal_bytes(form: str) -> None:
    """Whatever clock the moment was read from."""
    zone = ZoneInfo("Asia/Shanghai")
    with made(adverse_events(), [row()], form) as first, made(adverse_events(), [row()], form, zone=zone) as second:
        files = [path for path in first.iterdir() if path.suffix != ".rows"]
        assert files
        assert all(path.read_bytes() == (second / path.name).read_bytes() for path in files)


@pytest.mark.parametrize("form", WRITERS)
def test_memory_does_not_grow_with_the_rows(form: str, tmp_path: Path) -> None:
    peaks = []
    for count in (1_000, 8_000):
        whole = package(tmp_path, adverse_events(), [row(number) for number in range(count)])
        tracemalloc.start()
        WRITERS[form](whole, tmp_path, no_tick)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.2 + 100_000


def test_progress_is_told_by_file_and_rows(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    whole = package(tmp_path, adverse_events(), [row(number) for number in range(4_500)])
    WRITERS["csv"](whole, tmp_path, lambda *one: told.append(one))
    assert told == [("ae.csv", 2_000, 4_500), ("ae.csv", 4_000, 4_500), ("ae.csv", 4_500, 4_500)]


@pytest.mark.parametrize("value", ["twelve", math.nan, math.inf, 1.5, True], ids=str)
@pytest.mark.parametrize("form", ["dataset-json", "ndjson", "xpt", "csv", "xlsx"])
def test_what_is_no_whole_number_is_refused(form: str, value: Any) -> None:
    with pytest.raises(Unwritable) as refused, made(adverse_events(), [row(), row(value)], form):
        pass
    found = refused.value
    assert (found.form, found.problem, found.variable, found.row) == (form, Problem.NUMBER, "AESEQ", 2)


# --- Dataset-JSON -------------------------------------------------------------------------------------


def test_dataset_json_is_what_others_read() -> None:
    with made(adverse_events(), [row(), row(2)], "dataset-json", "define") as folder:
        text = (folder / "ae.json").read_text("utf-8")
        document = json.loads(text)
        assert list(document) == [
            "datasetJSONCreationDateTime", "datasetJSONVersion", "fileOID", "dbLastModifiedDateTime", "originator",
            "sourceSystem", "studyOID", "metaDataVersionOID", "metaDataRef", "itemGroupOID", "records", "name", "label",
            "columns", "rows",
        ]  # fmt: skip
        assert document["records"] == len(document["rows"]) == 2
        assert document["sourceSystem"] == {"name": "Trialsite", "version": "1.2"}
        assert [one.get("keySequence") for one in document["columns"]][:4] == [None, 1, 2, None]
        define = etree.parse(folder / "define.xml")
        assert [one["itemOID"] for one in document["columns"]] == define.xpath("//o:ItemRef/@ItemOID", namespaces=ODM)
        assert [document["studyOID"], document["metaDataVersionOID"], document["itemGroupOID"]] == define.xpath(
            "//o:Study/@OID | //o:MetaDataVersion/@OID | //o:ItemGroupDef/@OID", namespaces=ODM
        )


@pytest.mark.skipif(not SCHEMA.exists(), reason="the published schema is not beside the project")
def test_dataset_json_follows_the_published_schema() -> None:
    with made(adverse_events(), [row(), row(2, dose=None)], "dataset-json") as folder:
        document = json.loads((folder / "ae.json").read_text("utf-8"))
        Draft201909Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(document)


# --- XPT ----------------------------------------------------------------------------------------------


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_a_number_of_ibm_is_the_number(value: float) -> None:
    if value and not 16.0**-65 <= abs(value) < 16.0**63:
        with pytest.raises(OverflowError):
            xpt.ibm(value)
        return
    first, *rest = xpt.ibm(value)
    fraction = int.from_bytes(bytes(rest), "big")
    assert math.ldexp(fraction, 4 * ((first & 0x7F) - 64) - 56) * (-1 if first & 0x80 else 1) == value
    assert value == 0 or rest[0] >= 0x10


@pytest.mark.parametrize(
    ("value", "stored"),
    [(0, "0000000000000000"), (1, "4110000000000000"), (-118.625, "c276a00000000000"), (0.1, "401999999999999a")],
    ids=str,
)
def test_numbers_of_ibm_as_they_are_published(value: float, stored: str) -> None:
    assert xpt.ibm(value).hex() == stored


def test_xpt_refuses_a_whole_number_that_would_be_rounded() -> None:
    with made(adverse_events(), [row(2**53)], "xpt") as folder:
        assert pyreadstat.read_xport(folder / "ae.xpt", output_format="dict")[0]["AESEQ"][0] == 2**53
    with pytest.raises(Unwritable) as refused, made(adverse_events(), [row(2**53 + 1)], "xpt"):
        pass
    assert (refused.value.problem, refused.value.variable) == (Problem.NUMBER, "AESEQ")


@pytest.mark.parametrize(
    ("term", "fits"),
    [("x" * 200, True), ("热" * 66, True), ("热" * 67, False)],
    ids=["200 Latin", "198 in Chinese", "201 in Chinese"],
)
def test_xpt_takes_200_bytes_and_names_the_row_with_more(term: str, fits: bool) -> None:
    if fits:
        with made(adverse_events(), [row(), row(2, term)], "xpt") as folder:
            assert pyreadstat.read_xport(folder / "ae.xpt", output_format="dict")[0]["AETERM"][1] == term
        return
    with pytest.raises(Unwritable) as refused, made(adverse_events(), [row(), row(2, term)], "xpt"):
        pass
    found = refused.value
    assert (found.problem, found.dataset, found.variable, found.row) == (Problem.LONG_TEXT, "AE", "AETERM", 2)


@pytest.mark.parametrize(
    ("variable", "problem"),
    [
        (Variable("AETOOLONG", "Label", core="Exp"), Problem.NAME),
        (Variable("AEFINE", "L" * 41, core="Exp"), Problem.LABEL),
        (Variable("AEFINE", "标签", core="Exp"), Problem.LABEL),
    ],
    ids=["name of nine letters", "label of 41", "label in Chinese"],
)
def test_xpt_refuses_names_that_it_cannot_hold(variable: Variable, problem: Problem) -> None:
    with pytest.raises(Unwritable) as refused, made(adverse_events(variable), [[*row(), "x"]], "xpt"):
        pass
    assert (refused.value.problem, refused.value.variable) == (problem, variable.name)


def test_no_reader_loses_the_last_row_of_a_narrow_dataset() -> None:
    """Some take blanks in the last 80 bytes of records that are no longer for padding; all take a row of blanks so."""
    variables = (Variable("ETCD", "Element", core="Req"), Variable("TESTRL", "Start", core="Req"))
    narrow = Dataset("TE", "Trial Elements", "One record per element", "TRIAL DESIGN", ("ETCD",), variables)
    for count in range(1, 12):
        rows: list[Row] = [["x" * 20, "y" * 20]] + [["S", ""]] * count
        with made(narrow, rows, "xpt") as folder:
            read, meta = pyreadstat.read_xport(folder / "te.xpt", output_format="dict")
            assert len(read["ETCD"]) == len(rows)
            assert sum(meta.variable_storage_width.values()) == 81
    with pytest.raises(Unwritable) as refused, made(narrow, [["S", "E"], ["", " "]], "xpt"):
        pass
    assert (refused.value.problem, refused.value.row) == (Problem.BLANK_ROW, 2)


# --- Define-XML ---------------------------------------------------------------------------------------


def test_define_follows_the_schema_and_tells_what_is_in_the_files(tmp_path: Path) -> None:
    waiting = Pending("AE", "ZJ-002", "17", "not coded")
    rows: list[Row] = [row(), row(2, unit="袋")]
    whole = package(tmp_path, adverse_events(), rows, pending=(waiting,), notes=("Day \x01 0 is day 1.",))
    (path,) = WRITERS["define"](whole, tmp_path, no_tick)
    DefineSchemaValidator(path).validate_define_file()
    root = etree.parse(path)

    def ask(query: str) -> list[str]:
        return [str(one) for one in root.xpath(query, namespaces=ODM)]

    # Of a list that may be extended, what occurs; of one that may not, all of it.
    assert ask("//o:CodeList[@OID='CL.UNIT']/*/@CodedValue") == ["mg", "袋"]
    assert ask("//o:CodeList[@OID='CL.UNIT']/*[@def:ExtendedValue='Yes']/@CodedValue") == ["袋"]
    assert ask("//o:CodeList[@OID='CL.NY']/*/o:Decode/o:TranslatedText/text()") == ["No", "Yes"]
    assert ask("//o:ItemRef[@MethodOID]/@ItemOID") == ["IT.AE.AESEQ"]
    assert ask("//o:MethodDef//o:TranslatedText/text()") == ["Counted by onset."]
    assert ask("//o:ItemDef[@Name='AETERM']/@def:CommentOID") == ["COM.AE.AETERM"]
    assert ask("//o:ItemDef[@Name='AEDOSE']/@*[name()='Length' or name()='SignificantDigits']") == ["5", "2"]
    (said,) = ask("//def:CommentDef[@OID='COM.STUDY']//o:TranslatedText/text()")
    assert "Day \N{REPLACEMENT CHARACTER} 0 is day 1." in said
    assert "AE of ZJ-002, 17: not coded" in said
    read = loader.ODMLoader(define_loader.XMLDefineLoader(model_package="define_2_1"))
    read.open_odm_document(str(path))
    assert [one.Name for one in read.MetaDataVersion().ItemGroupDef] == ["AE"]


def test_define_tells_of_each_test_its_unit_and_what_its_result_is(tmp_path: Path) -> None:
    """What the test decides: a number, a number with bounds among it, a few words, or more than a list holds."""
    names = ("USUBJID", "LBTESTCD", "LBTEST", "LBORRES", "LBORRESU")
    variables = tuple(Variable(name, name.title(), codelist=UNITS if name == "LBORRESU" else None) for name in names)
    laboratory = Dataset("LB", "Laboratory", "One record per test", "FINDINGS", ("USUBJID", "LBTESTCD"), variables)
    result = {"GLUC": "5.25", "WBC": "4", "CRP": "<0.5", "HBSAG": "POSITIVE"}
    rows: list[Row] = [
        ["1", test, test.lower(), value, "mg" if test == "CRP" else None] for test, value in result.items()
    ]
    rows += [
        ["2", "GLUC", "gluc", "6", "袋"],
        ["2", "CRP", "crp", "12.3", "mL"],
        ["2", "HBSAG", "hbsag", "NEGATIVE", None],
    ]
    rows += [["3", "NOTE", "note", f"word {number}", None] for number in range(MOST_WORDS + 1)]
    supp = Dataset(
        "SUPPLB",
        "Qualifiers",
        "One",
        "RELATIONSHIP",
        ("QNAM",),
        tuple(map(Variable, ("QNAM", "QLABEL", "QVAL", "QORIG"), "abcd")),
    )
    whole = package(tmp_path, laboratory, rows)
    with Staging(supp, tmp_path) as staging:
        staging.add(["LBNOTE", "A Remark", "7", "Derived"])
    whole = replace(whole, staged=(*whole.staged, staging.staged))
    (path,) = WRITERS["define"](whole, tmp_path, no_tick)
    DefineSchemaValidator(path).validate_define_file()
    root = etree.parse(path)

    def ask(query: str) -> list[str]:
        return [str(one) for one in root.xpath(query, namespaces=ODM)]

    assert ask("//o:ItemDef[def:ValueListRef]/@Name") == ["LBORRES", "LBORRESU", "QVAL"]
    items = ask("//def:ValueListDef[@OID='VL.LB.LBORRES']/o:ItemRef/@ItemOID")
    assert [one.rpartition(".")[2] for one in items] == ["CRP", "GLUC", "HBSAG", "NOTE", "WBC"]
    assert ask("//o:ItemDef[starts-with(@OID,'IT.LB.LBORRES.')]/@DataType") == [
        "text",
        "float",
        "text",
        "text",
        "integer",
    ]
    assert ask("//o:ItemDef[@OID='IT.LB.LBORRES.GLUC']/@SignificantDigits") == ["2"]
    assert ask("//o:CodeList[@OID='CL.LB.LBORRES.HBSAG']/*/@CodedValue") == ["NEGATIVE", "POSITIVE"]
    assert ask("//o:CodeList[@OID='CL.LB.LBORRESU.CRP']/*/@CodedValue") == ["mL", "mg"]
    assert ask("//o:CodeList[@OID='CL.LB.LBORRESU.CRP']/*/o:Alias/@Name") == ["C28254", "C28253"]
    assert ask("//o:CodeList[@OID='CL.LB.LBORRESU.GLUC']/*/@def:ExtendedValue") == ["Yes"]
    assert not ask("//o:CodeList[contains(@OID,'LBORRES.CRP') or contains(@OID,'LBORRES.NOTE')]/@OID")
    assert ask("//def:WhereClauseDef[@OID='WC.LB.CRP']/o:RangeCheck/@def:ItemOID") == ["IT.LB.LBTESTCD"]
    assert ask("//def:WhereClauseDef[@OID='WC.LB.CRP']//o:CheckValue/text()") == ["CRP"]
    assert ask("//o:ItemDef[@OID='IT.SUPPLB.QVAL.LBNOTE']/def:Origin/@Type") == ["Derived"]
    # Whatever is pointed at is there, once.
    oids = ask("//*[not(self::def:Standard)]/@OID")
    assert len(oids) == len(set(oids))
    assert {*ask("//@ItemOID"), *ask("//@def:ItemOID"), *ask("//@WhereClauseOID"), *ask("//@CodeListOID")} <= set(oids)


# --- The codebook -------------------------------------------------------------------------------------


def test_the_codebook_explains_every_column(tmp_path: Path) -> None:
    whole = package(tmp_path, adverse_events(), [row()], pending=(Pending("AE", "ZJ-002", "17", "not coded"),))
    paths = [*WRITERS["csv"](whole, tmp_path, no_tick), *WRITERS["xlsx"](whole, tmp_path, no_tick)]
    assert [path.name for path in paths] == ["ae.csv", "codebook.csv", "pending.csv", "NCT07072494.xlsx"]
    book = table(tmp_path / "codebook.csv")
    assert [one[1] for one in book[1:]] == table(tmp_path / "ae.csv")[0]
    assert ["AE", "AESER", "Serious Event", "text", "NY", "N = No; Y = Yes", "Collected", "", ""] in book
    sheets = openpyxl.load_workbook(paths[-1])
    assert sheets.sheetnames == ["AE", "CODEBOOK", "PENDING", "ABOUT"]
    assert [[cell or "" for cell in one] for one in sheets["CODEBOOK"].values] == book


def test_a_text_longer_than_a_cell_is_refused() -> None:
    with made(adverse_events(), [row(1, "x" * 32_767)], "xlsx"):
        pass
    with pytest.raises(Unwritable) as refused, made(adverse_events(), [row(1, "x" * 32_768)], "xlsx"):
        pass
    assert (refused.value.problem, refused.value.variable, refused.value.row) == (Problem.LONG_TEXT, "AETERM", 1)


def test_a_dataset_that_no_sheet_holds_goes_on_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sponsor.datasets.writers.tables.SHEET_ROWS", 4)
    with made(adverse_events(), [row(number) for number in range(7)], "xlsx") as folder:
        book = openpyxl.load_workbook(folder / "NCT07072494.xlsx")
        assert book.sheetnames[:3] == ["AE", "AE 2", "AE 3"]
        numbers = [[one[2] for one in book[name].values][1:] for name in book.sheetnames[:3]]
        assert numbers == [[0, 1, 2], [3, 4, 5], [6]]
