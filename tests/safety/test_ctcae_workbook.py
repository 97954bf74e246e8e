"""Loading NCI's workbook and MedDRA's Chinese names: all or nothing, and a refusal names the place.

NCI's sentences are not here: the workbooks of these tests have made-up texts in NCI's layout, with the fingerprints
of those texts. The shipped fingerprints are of NCI's own workbook, and refuse all of them.
"""

import datetime as dt
import hashlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from safety.ctcae.catalogue import V5, V6, VERSIONS, Term, term, terms
from safety.imports import ctcae_workbook, meddra_zh
from safety.imports.ctcae_workbook import (
    PARTS,
    V5_COLUMNS,
    V5_SHEET,
    V6_COLUMNS,
    V6_SHEET,
    Fingerprints,
    Text,
    WorkbookProblem,
    fingerprint,
    fingerprints_of,
    read,
)
from safety.imports.meddra_zh import NamesProblem
from safety.models import CtcaeText, SiteTermName

pytestmark = pytest.mark.usefixtures("english")

Rows = list[list[Any]]
LABELS = {"definition": "Definition", "note": "Navigational Note"} | {
    f"grade_{grade}": f"Grade {grade}" for grade in range(1, 6)
}
V6_ORDER = ("grade_1", "grade_2", "grade_3", "grade_4", "grade_5", "definition", "note")
ANEMIA, HEADACHE = "10002272", "10019211"


# --- A workbook in NCI's layout ------------------------------------------------------------------


def texts_of(found: Term) -> dict[str, str]:
    """A made-up text for each part that the term has; "Other, specify" has no definition."""
    parts = [f"grade_{grade}" for grade in found.grades] + ([] if found.is_other else ["definition"])
    return {part: f"{part} of {found.name}\nas {found.version} has it" for part in parts}


def v6_rows() -> Rows:
    body = [
        [int(one.code), one.soc, one.name, *(texts_of(one).get(part, "-") for part in V6_ORDER), "No Change"]
        for one in terms(V6)
    ]
    return [[*(f"{name} \xa0" for name in V6_COLUMNS), "CTCAE v6.0 Change"], *body]


def v5_rows() -> Rows:
    body = [
        [int(one.code), one.soc, one.name, LABELS[part], text, "No change", int(one.code)]
        for one in terms(V5)
        for part, text in texts_of(one).items()
    ]
    added = [[None, None, None, None, None, "Addition", 10083347]]
    return [["V5", None, None, None, None, None, "V6"], [*V5_COLUMNS, "Change Type", "v6 code"], *body, *added]


def saved(path: Path, sheets: dict[str, Rows]) -> Path:
    book = Workbook(write_only=True)
    for name, rows in {"Publication Notes": [], **sheets}.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unaltered one."""
    return saved(tmp_path_factory.mktemp("ctcae") / "ctcae.xlsx", {V6_SHEET: v6_rows(), V5_SHEET: v5_rows()})


@pytest.fixture(scope="module")
def known() -> Fingerprints:
    found = (one for version in VERSIONS for one in terms(version))
    return fingerprints_of(Text(one.version, one.code, one.name, one.soc, **texts_of(one)) for one in found)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, known: Fingerprints) -> Path:
    path = tmp_path_factory.mktemp("fingerprints") / "fingerprints.csv"
    ctcae_workbook.write_fingerprints(known, path)
    return path


# --- What is shipped -----------------------------------------------------------------------------


def test_the_fingerprints_are_those_of_ncis_workbook() -> None:
    """Made from NCI's workbook of SHA-256 4d7b4fcf…2f440b; its texts were compared with both lists, cell by cell."""
    content = ctcae_workbook.SHIPPED.read_bytes()
    assert hashlib.sha256(content).hexdigest() == "12ba7bd1a0cdac879dcb71dd2164e43123bbeb8b81b72f6d53e0e6f72b16c6ce"


def test_there_is_a_fingerprint_for_each_grade_that_exists_and_for_no_other() -> None:
    shipped = ctcae_workbook.shipped()
    expected = {(version, one.code): one.grades for version in VERSIONS for one in terms(version)}
    grades = {key: tuple(n for n in range(1, 6) if f"grade_{n}" in parts) for key, parts in shipped.items()}
    assert grades == expected


def test_every_term_but_other_specify_has_a_definition() -> None:
    lacking = {key for key, parts in ctcae_workbook.shipped().items() if "definition" not in parts}
    assert lacking == {(one.version, one.code) for version in VERSIONS for one in terms(version) if one.is_other}


def test_a_table_of_fingerprints_comes_back_as_it_was_written(table: Path, known: Fingerprints) -> None:
    assert ctcae_workbook.read_fingerprints(table) == known


@given(
    st.lists(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1), min_size=1), st.sampled_from(" \n\xa0")
)
def test_white_space_does_not_change_a_fingerprint(words: list[str], space: str) -> None:
    assert fingerprint(space.join(words)) == fingerprint(f" {'  '.join(words)}\n") != ""


@given(st.text(), st.text())
def test_other_words_have_another_fingerprint(one: str, other: str) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (one.split() == other.split())


# --- Reading -------------------------------------------------------------------------------------


def test_both_versions_are_read_whole(made_up: Path, known: Fingerprints) -> None:
    workbook = read(made_up, fingerprints=known)
    assert workbook.sha256 == hashlib.sha256(made_up.read_bytes()).hexdigest()
    by_key = {(text.version, text.code): text for text in workbook.texts}
    assert len(by_key) == len(workbook.texts) == 837 + 850
    anemia = by_key[V5, ANEMIA]
    assert (anemia.term, anemia.soc) == ("Anemia", "Blood and lymphatic system disorders")
    assert anemia.grade_5 == "grade_5 of Anemia\nas 5.0 has it"
    assert by_key[V6, HEADACHE].grade_4 == ""


def test_texts_that_are_not_ncis_are_refused(made_up: Path) -> None:
    with pytest.raises(WorkbookProblem, match="not the one that NCI published"):
        read(made_up)


Change = Callable[[Rows, Rows], None]


def in_v6(row: int, column: str, value: Any) -> Change:
    def change(v6: Rows, v5: Rows) -> None:
        v6[row - 1]["ABCDEFGHIJK".index(column)] = value

    return change


def in_v5(row: int, column: str, value: Any) -> Change:
    def change(v6: Rows, v5: Rows) -> None:
        v5[row - 1]["ABCDEFG".index(column)] = value

    return change


def cut(sheet: str, length: int) -> Change:
    def change(v6: Rows, v5: Rows) -> None:
        del (v6 if sheet == V6_SHEET else v5)[length:]

    return change


def without(row: int) -> Change:
    def change(v6: Rows, v5: Rows) -> None:
        del v5[row - 1]

    return change


# Row 2 of 6.0 and rows 3 to 8 of 5.0 (grades 1 to 5, then the definition) are anemia's.
@pytest.mark.parametrize(
    ("change", "sheet", "row", "column", "reason"),
    [
        pytest.param(in_v6(2, "F", "Hgb low"), V6_SHEET, 2, "F", "Anemia, grade 3: .* not the one", id="v6-grade"),
        pytest.param(in_v6(2, "I", "A disorder"), V6_SHEET, 2, "I", "Anemia, definition", id="v6-definition"),
        pytest.param(
            in_v6(2, "J", "A note"), V6_SHEET, 2, "J", "there is a text where CTCAE 6.0 has none", id="v6-note"
        ),
        pytest.param(in_v6(2, "H", "-"), V6_SHEET, 2, "H", "Anemia, grade 5: the text is missing", id="v6-emptied"),
        pytest.param(in_v6(3, "D", "Mild"), V6_SHEET, 3, "D", "grade 1: there is a text where", id="v6-grade-too-many"),
        pytest.param(in_v6(2, "A", 10002273), V6_SHEET, 2, "A", "“10002273” is no code of CTCAE 6.0", id="v6-code"),
        pytest.param(in_v6(2, "A", None), V6_SHEET, 2, "A", "“” is no code", id="v6-no-code"),
        pytest.param(
            in_v6(2, "B", "Blood"), V6_SHEET, 2, "B", "“Blood” stands where NCI has “Blood and", id="v6-class"
        ),
        pytest.param(
            in_v6(2, "C", "Anaemia"), V6_SHEET, 2, "C", "“Anaemia” stands where NCI has “Anemia”", id="v6-term"
        ),
        pytest.param(in_v6(1, "D", "Grade 2"), V6_SHEET, 1, "D", "“Grade 2” where NCI's is “Grade 1”", id="v6-column"),
        pytest.param(cut(V6_SHEET, 841), V6_SHEET, 841, "A", "last row, and 10 terms of CTCAE 6.0", id="v6-cut-off"),
        pytest.param(cut(V6_SHEET, 1), V6_SHEET, None, "A", "850 terms of CTCAE 6.0 are missing", id="v6-empty"),
        pytest.param(cut(V6_SHEET, 0), V6_SHEET, 1, "A", "The column is called “”", id="v6-no-header"),
        pytest.param(in_v5(3, "E", "Hgb low"), V5_SHEET, 3, "E", "Anemia, grade 1: .* not the one", id="v5-grade"),
        pytest.param(in_v5(3, "D", "Grade 6"), V5_SHEET, 3, "D", "“Grade 6” is neither a grade", id="v5-grade-6"),
        pytest.param(in_v5(3, "D", "Grade 2"), V5_SHEET, 4, "D", "twice: row 3 has it already", id="v5-grade-twice"),
        pytest.param(in_v5(3, "A", 10083347), V5_SHEET, 3, "A", "no code of CTCAE 5.0", id="v5-code-of-6.0"),
        pytest.param(in_v5(3, "C", "Anaemia"), V5_SHEET, 3, "C", "stands where NCI has", id="v5-term"),
        pytest.param(in_v5(2, "E", "Text"), V5_SHEET, 2, "E", "CTCAE v5.0 Description", id="v5-column"),
        pytest.param(without(3), V5_SHEET, 3, "D", "Anemia, grade 1: the text is missing", id="v5-row-taken-out"),
        pytest.param(cut(V5_SHEET, 8), V5_SHEET, 8, "A", "836 terms of CTCAE 5.0 are missing", id="v5-cut-off"),
    ],
)
def test_an_altered_cell_is_named(
    tmp_path: Path, known: Fingerprints, change: Change, sheet: str, row: int | None, column: str, reason: str
) -> None:
    v6, v5 = v6_rows(), v5_rows()
    change(v6, v5)
    path = saved(tmp_path / "altered.xlsx", {V6_SHEET: v6, V5_SHEET: v5})
    with pytest.raises(WorkbookProblem, match=reason) as caught:
        read(path, fingerprints=known)
    assert (caught.value.sheet, caught.value.row, caught.value.column) == (sheet, row, column)
    assert sheet in str(caught.value)


def test_all_altered_cells_are_named(tmp_path: Path, known: Fingerprints) -> None:
    v6, v5 = v6_rows(), v5_rows()
    for change in (in_v6(2, "F", "Hgb low"), in_v6(9, "I", "A disorder"), in_v5(4, "E", "Hgb low")):
        change(v6, v5)
    path = saved(tmp_path / "altered.xlsx", {V6_SHEET: v6, V5_SHEET: v5})
    with pytest.raises(WorkbookProblem) as caught:
        read(path, fingerprints=known)
    places = [(one.sheet, one.row, one.column) for one in caught.value.problems]
    assert places == [(V6_SHEET, 2, "F"), (V6_SHEET, 9, "I"), (V5_SHEET, 4, "E")]


def test_a_term_that_is_there_twice_is_named(tmp_path: Path, known: Fingerprints) -> None:
    v6 = v6_rows()
    path = saved(tmp_path / "twice.xlsx", {V6_SHEET: [*v6, v6[1]], V5_SHEET: v5_rows()})
    with pytest.raises(WorkbookProblem, match="Anemia is there twice: row 2 has it already") as caught:
        read(path, fingerprints=known)
    assert (caught.value.row, caught.value.column) == (852, "A")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(in_v6(2, "F", "  grade_3  of\xa0Anemia\r\nas 6.0 has it "), id="white-space"),
        pytest.param(in_v6(2, "A", ANEMIA), id="the-code-as-text"),
        pytest.param(in_v6(2, "K", "Clarification"), id="a-column-that-is-not-read"),
        pytest.param(lambda v6, v5: v6.append([None, " "]), id="an-empty-row-below"),
        pytest.param(lambda v6, v5: v6.__setitem__(slice(1, None), v6[:0:-1]), id="other-order"),
    ],
)
def test_what_a_spreadsheet_program_changes_is_no_change(tmp_path: Path, known: Fingerprints, change: Change) -> None:
    v6, v5 = v6_rows(), v5_rows()
    change(v6, v5)
    path = saved(tmp_path / "saved-again.xlsx", {V6_SHEET: v6, V5_SHEET: v5})
    assert len(read(path, fingerprints=known).texts) == 1687


@pytest.mark.parametrize("missing", [V6_SHEET, V5_SHEET])
def test_a_missing_sheet_is_named(tmp_path: Path, known: Fingerprints, missing: str) -> None:
    sheets = {name: rows for name, rows in {V6_SHEET: v6_rows(), V5_SHEET: v5_rows()}.items() if name != missing}
    with pytest.raises(WorkbookProblem, match=r"This sheet is missing\. The file has: Publication Notes") as caught:
        read(saved(tmp_path / "less.xlsx", sheets), fingerprints=known)
    assert caught.value.sheet == missing


def _flipped(content: bytes) -> bytes:
    """One byte in the middle of the packed data is another one."""
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param(lambda content: content[: len(content) // 2], "cut off", id="first-half-only"),
        pytest.param(lambda content: content[:-30], "cut off", id="without-its-end"),
        pytest.param(_flipped, "damaged inside|not an Excel workbook|damaged and cannot", id="one-byte-differs"),
        pytest.param(lambda content: b"", "not an Excel workbook", id="empty"),
        pytest.param(lambda content: b"code,soc,term\n", "not an Excel workbook", id="csv"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, made_up: Path, spoil: Any, reason: str) -> None:
    path = tmp_path / "damaged.xlsx"
    path.write_bytes(spoil(made_up.read_bytes()))
    with pytest.raises(WorkbookProblem, match=reason):
        read(path)


def test_an_archive_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "note.txt").write_text("not a workbook")
    path = Path(shutil.make_archive(str(tmp_path / "archive"), "zip", tmp_path / "folder"))
    with pytest.raises(WorkbookProblem, match="damaged and cannot be read as an Excel workbook"):
        read(path)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(WorkbookProblem, match="cannot be read: No such file"):
        read(tmp_path / "none.xlsx")


# --- manage.py load_ctcae ------------------------------------------------------------------------


def load(*arguments: Any, command: str = "load_ctcae") -> str:
    out = io.StringIO()
    call_command(command, *map(str, arguments), stdout=out)
    return out.getvalue()


def stored() -> list[Any]:
    return list(CtcaeText.objects.values_list("version", "code", "source_sha256", *PARTS))


@pytest.mark.django_db
def test_loading_twice_gives_the_same(made_up: Path, table: Path) -> None:
    said = load(made_up, "--fingerprints", table)
    assert "CTCAE 5.0: 837 terms" in said
    assert "CTCAE 6.0: 850 terms" in said
    before, first = stored(), CtcaeText.objects.earliest("loaded_at").loaded_at
    assert load(made_up, "--fingerprints", table) == said
    assert stored() == before
    assert CtcaeText.objects.earliest("loaded_at").loaded_at > first
    anemia = CtcaeText.objects.get(version=V6, code=ANEMIA)
    assert anemia.of_grade(2) == "grade_2 of Anemia\nas 6.0 has it"
    assert anemia.source_sha256 == hashlib.sha256(made_up.read_bytes()).hexdigest()


@pytest.mark.django_db
@pytest.mark.parametrize("is_loaded", [True, False])
def test_a_refused_workbook_leaves_what_was_there(tmp_path: Path, made_up: Path, table: Path, is_loaded: bool) -> None:
    if is_loaded:
        load(made_up, "--fingerprints", table)
    before = stored()
    v6 = v6_rows()
    in_v6(2, "F", "Hgb low")(v6, [])
    altered = saved(tmp_path / "altered.xlsx", {V6_SHEET: v6, V5_SHEET: v5_rows()})
    with pytest.raises(CommandError) as caught:
        load(altered, "--fingerprints", table)
    assert f"sheet “{V6_SHEET}”, row 2, column F: Anemia, grade 3" in str(caught.value)
    assert "Nothing was loaded" in str(caught.value)
    assert stored() == before
    assert bool(before) == is_loaded


@pytest.mark.django_db
def test_a_long_refusal_fits_on_a_screen(made_up: Path) -> None:
    with pytest.raises(CommandError, match=r"and \d+ more") as caught:
        load(made_up)
    assert len(str(caught.value).splitlines()) == 22
    assert not CtcaeText.objects.exists()


@pytest.mark.django_db
def test_a_table_that_is_none_is_refused(made_up: Path, tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CommandError, match="no table of fingerprints"):
        load(made_up, "--fingerprints", tmp_path / "none.csv")


@pytest.mark.django_db(transaction=True)
def test_the_applications_own_login_may_load(as_app_role: None, made_up: Path, table: Path) -> None:
    load(made_up, "--fingerprints", table)
    load(made_up, "--fingerprints", table)
    assert CtcaeText.objects.count() == 1687


# --- manage.py load_meddra_zh --------------------------------------------------------------------


def llt(code: str, name: str) -> str:
    return f"{code}${name}$10000001$$$$$$$Y$$"


def chinese() -> list[str]:
    """Names in the layout of MedDRA, made up; the last one is of no term of CTCAE."""
    return [llt(ANEMIA, "贫血症"), llt(HEADACHE, "头部疼痛"), llt("10099999", "别的术语")]


def asc(path: Path, lines: list[str], *, encoding: str = "utf-8") -> Path:
    (path / "llt.asc").write_bytes("\r\n".join([*lines, ""]).encode(encoding))
    return path / "llt.asc"


def names() -> dict[str, str]:
    return dict(SiteTermName.objects.values_list("code", "name_zh"))


@pytest.mark.django_db
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_names_of_ctcaes_codes_are_kept_and_no_others(tmp_path: Path, encoding: str) -> None:
    said = load(asc(tmp_path, chinese(), encoding=encoding), "--release", "28.0", command="load_meddra_zh")
    assert names() == {ANEMIA: "贫血症", HEADACHE: "头部疼痛"}
    assert set(SiteTermName.objects.values_list("release", flat=True)) == {"28.0"}
    count = len({one.code for version in VERSIONS for one in terms(version)})
    assert f"2 of the {count} codes" in said
    assert "among the 3 terms" in said
    assert "Release: 28.0" in said


@pytest.mark.django_db
def test_another_release_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    load(asc(tmp_path, chinese()), command="load_meddra_zh")
    (tmp_path / "meddra_release.asc").write_text("29.1$Chinese$$$$\r\n", encoding="utf-8")
    said = load(asc(tmp_path, [llt(ANEMIA, "贫血")]), command="load_meddra_zh")
    assert names() == {ANEMIA: "贫血"}
    assert SiteTermName.objects.get().release == "29.1"
    assert "Release: 29.1" in said


@pytest.mark.django_db
def test_a_release_that_nobody_states_is_asked_for(tmp_path: Path) -> None:
    assert "--release" in load(asc(tmp_path, chinese()), command="load_meddra_zh")
    assert set(SiteTermName.objects.values_list("release", flat=True)) == {""}


@pytest.mark.parametrize(
    ("lines", "line", "reason"),
    [
        pytest.param(["10002272,贫血"], 1, "code\\$name", id="commas"),
        pytest.param(
            [*chinese(), "10099998$只有名称$"], 4, "3 fields where the lines above have 12", id="fewer-fields"
        ),
        pytest.param([*chinese(), llt("1000227", "贫血")], 4, "“1000227” is no MedDRA code", id="seven-digits"),
        pytest.param([*chinese(), llt("20002272", "贫血")], 4, "is no MedDRA code", id="not-meddras"),
        pytest.param([chinese()[0], "", llt("LLT", "贫血")], 3, "“LLT” is no MedDRA code", id="a-heading-further-down"),
        pytest.param([*chinese(), llt("10099998", " ")], 4, "has no name", id="no-name"),
        pytest.param([*chinese(), llt("10099998", "贫" * 201)], 4, "more than 200 characters", id="name-of-201"),
        pytest.param([*chinese(), llt(ANEMIA, "贫血")], 4, "10002272 is there twice", id="twice"),
        pytest.param([], None, "empty", id="empty"),
        pytest.param([llt("10099999", "别的术语")], None, "none of its 1 codes", id="no-code-of-ctcae"),
        pytest.param([llt(ANEMIA, "Anaemia"), llt(HEADACHE, "Headache")], None, "not Chinese", id="english-release"),
    ],
)
def test_what_is_no_chinese_llt_asc_is_refused(tmp_path: Path, lines: list[str], line: int | None, reason: str) -> None:
    with pytest.raises(NamesProblem, match=reason) as caught:
        meddra_zh.read(asc(tmp_path, lines))
    assert caught.value.line == line


def test_a_name_of_200_characters_is_taken(tmp_path: Path) -> None:
    assert meddra_zh.read(asc(tmp_path, [llt(ANEMIA, "贫" * 200)])).by_code == {ANEMIA: "贫" * 200}


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "llt.asc").write_bytes(b"\xff\xfe\x00\x00\xff")
    with pytest.raises(NamesProblem, match="neither in UTF-8 nor in GB18030"):
        meddra_zh.read(tmp_path / "llt.asc")


@pytest.mark.django_db
def test_refused_names_leave_what_was_there(tmp_path: Path, now: dt.datetime) -> None:
    load(asc(tmp_path, chinese()), command="load_meddra_zh")
    before = names()
    with pytest.raises(CommandError, match="line 3: 3 fields where the lines above have 12") as caught:
        load(asc(tmp_path, [*chinese()[:2], "x$y$z"]), command="load_meddra_zh")
    assert "still there" in str(caught.value)
    assert names() == before != {}
    assert term(V5, ANEMIA).name_zh == "贫血"
