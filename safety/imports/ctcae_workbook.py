"""NCI's workbook of CTCAE 6.0: the grade texts of 6.0, and those of 5.0 out of its sheet that maps one to the other.

Source: NCI, CTCAE v6.0, Excel workbook as published with the errata of 20 Jan 2026: sheet "CTCAE v6.0 Clean Copy"
(850 terms, a row each) and sheet "CTCAE v5.0 to v6.0 Mapping" (837 terms of 5.0, a row for each text). The texts
are NCI's sentences and are not shipped: a site loads them from its own copy. What is shipped is a fingerprint of
each text, so that a copy which somebody altered is refused with the cell that differs.

Policy [P]: white space is not compared, for spreadsheet programs change it; everything else must be NCI's.
"""

import csv
import hashlib
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from safety.ctcae.catalogue import V5, V6, Term, UnknownTerm, term, terms

V6_SHEET = "CTCAE v6.0 Clean Copy"
V5_SHEET = "CTCAE v5.0 to v6.0 Mapping"
# Which texts a term has, by our names, in the order of the fingerprints' table.
PARTS = ("definition", "note", "grade_1", "grade_2", "grade_3", "grade_4", "grade_5")
V6_COLUMNS = (
    "CTCAE v6.0 MedDRA 28.0 LLT Code",
    "CTCAE v6.0 MedDRA 28.0 SOC",
    "CTCAE v6.0 MedDRA 28.0 Term",
    "Grade 1",
    "Grade 2",
    "Grade 3",
    "Grade 4",
    "Grade 5",
    "Definition",
    "Navigational Note",
)
V6_PARTS = {"D": "grade_1", "E": "grade_2", "F": "grade_3", "G": "grade_4", "H": "grade_5", "I": "definition"} | {
    "J": "note"
}
V5_COLUMNS = (
    "CTCAE v5.0 MedDRA 20.1 LLT Code",
    "CTCAE v5.0 MedDRA 20.1 SOC",
    "CTCAE v5.0 MedDRA 20.1 Term",
    "CTCAE v5.0 Grade/Definition/Navigational Note",
    "CTCAE v5.0 Description",
)
V5_PARTS = {
    "Definition": "definition",
    "Navigational Note": "note",
    **{f"Grade {grade}": f"grade_{grade}" for grade in range(1, 6)},
}
NONE = "-"
MAX_MEGABYTES, MAX_UNPACKED_MEGABYTES = 20, 200
SHIPPED = Path(__file__).parent / "ctcae_fingerprints.csv"
# 32 bits tell an accident or an edit; nobody is kept from forging here, the site alone reads what it loads.
DIGITS = 8

# (version, code) → part → fingerprint; a part that the term lacks is not there.
Fingerprints = Mapping[tuple[str, str], Mapping[str, str]]


@dataclass(frozen=True)
class Text:
    """What NCI writes about one term of one version; "" where it writes nothing, as for a grade that is not there."""

    version: str
    code: str
    term: str
    soc: str
    definition: str = ""
    note: str = ""
    grade_1: str = ""
    grade_2: str = ""
    grade_3: str = ""
    grade_4: str = ""
    grade_5: str = ""

    def part(self, name: str) -> str:
        return str(getattr(self, name))


@dataclass(frozen=True)
class Workbook:
    """All texts of both versions, and the checksum of the file they came from."""

    sha256: str
    texts: tuple[Text, ...]


@dataclass(frozen=True)
class Problem:
    """Where the workbook is not NCI's, as far as that is known, and why."""

    sheet: str
    row: int | None
    column: str
    reason: str

    def __str__(self) -> str:
        place = [
            _("sheet “%(sheet)s”") % {"sheet": self.sheet} if self.sheet else "",
            _("row %(row)s") % {"row": self.row} if self.row else "",
            _("column %(column)s") % {"column": self.column} if self.column else "",
        ]
        where = _(", ").join(part for part in place if part)
        return f"{where}: {self.reason}" if where else self.reason


class WorkbookProblem(ValueError):
    """The workbook cannot be taken; `problems` holds all that was found, and the first one stands for them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    @property
    def sheet(self) -> str:
        return self.problems[0].sheet

    @property
    def row(self) -> int | None:
        return self.problems[0].row

    @property
    def column(self) -> str:
        return self.problems[0].column

    @property
    def reason(self) -> str:
        return self.problems[0].reason

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


@dataclass(frozen=True)
class _Cell:
    """Where a text of a term stands."""

    row: int
    column: str


@dataclass(frozen=True)
class _Found:
    """A term's texts as they stand in a sheet."""

    text: Text
    sheet: str
    row: int
    cells: Mapping[str, _Cell]


# --- The door ------------------------------------------------------------------------------------


def read(path: Path, *, fingerprints: Fingerprints | None = None) -> Workbook:
    """The workbook's texts. Raises WorkbookProblem for a file that is damaged, cut off or not as NCI published it.

    `fingerprints` are those of the texts it must hold; the shipped ones unless given.
    """
    content = _content(path)
    sheets = _sheets(content)
    found = [*_v6(sheets[V6_SHEET]), *_v5(sheets[V5_SHEET])]
    expected = shipped() if fingerprints is None else fingerprints
    if problems := [*_missing_terms(found), *(one for each in found for one in _altered(each, expected))]:
        raise WorkbookProblem(problems)
    texts = (each.text for each in found)
    return Workbook(hashlib.sha256(content).hexdigest(), tuple(texts))


def fingerprint(text: str) -> str:
    """A short checksum of a text, whatever its white space; "" of none."""
    words = " ".join(text.split())
    return hashlib.sha256(words.encode()).hexdigest()[:DIGITS] if words else ""


def fingerprints_of(texts: Iterable[Text]) -> Fingerprints:
    return {
        (text.version, text.code): {part: fingerprint(text.part(part)) for part in PARTS if text.part(part)}
        for text in texts
    }


def write_fingerprints(fingerprints: Fingerprints, path: Path) -> None:
    """A table with a row for each term, by version and code."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["version", "meddra_code", *PARTS])
        for (version, code), parts in sorted(fingerprints.items()):
            writer.writerow([version, code, *(parts.get(part, "") for part in PARTS)])


def read_fingerprints(path: Path) -> Fingerprints:
    with path.open(encoding="utf-8", newline="") as file:
        return {
            (row["version"], row["meddra_code"]): {part: row[part] for part in PARTS if row[part]}
            for row in csv.DictReader(file)
        }


@cache
def shipped() -> Fingerprints:
    return read_fingerprints(SHIPPED)


# --- The file ------------------------------------------------------------------------------------


def _whole(reason: str) -> WorkbookProblem:
    return WorkbookProblem([Problem("", None, "", reason)])


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_MEGABYTES * 1_000_000:
            raise _whole(_("The file has %(size)s MB: it is not NCI's workbook.") % {"size": size // 1_000_000})
        return path.read_bytes()
    except OSError as error:
        raise _whole(_("The file cannot be read: %(error)s.") % {"error": error.strerror}) from None


def _sheets(content: bytes) -> dict[str, list[tuple[Any, ...]]]:
    """The two sheets that are read, row by row."""
    _check_archive(content)
    try:
        with warnings.catch_warnings():
            # Programs other than Excel leave out styles, which openpyxl mentions and nobody needs.
            warnings.simplefilter("ignore")
            from openpyxl import load_workbook  # for this command alone

            book = load_workbook(BytesIO(content), read_only=True, data_only=True)
            names = book.sheetnames
            rows = {name: list(_all_rows(book[name])) for name in (V6_SHEET, V5_SHEET) if name in names}
            book.close()
    except Exception as error:  # openpyxl fails in as many ways as a file can be damaged
        raise _whole(
            _("The file is damaged and cannot be read as an Excel workbook (%(error)s). Download it again.")
            % {"error": type(error).__name__}
        ) from None
    if missing := [name for name in (V6_SHEET, V5_SHEET) if name not in rows]:
        raise WorkbookProblem([_no_sheet(name, names) for name in missing])
    return rows


def _all_rows(sheet: Any) -> Iterator[tuple[Any, ...]]:
    """Every row, even where the sheet's own note of its size says less."""
    sheet.reset_dimensions()
    return iter(sheet.iter_rows(values_only=True))


def _check_archive(content: bytes) -> None:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            if sum(one.file_size for one in archive.infolist()) > MAX_UNPACKED_MEGABYTES * 1_000_000:
                raise _whole(_("The file unpacks to more than any workbook of NCI: it was not opened."))
            broken = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise _whole(
            _("The file is not an Excel workbook, or it is cut off. Download it again from NCI, as .xlsx.")
        ) from None
    if broken:
        raise _whole(_("The file is damaged inside (%(part)s). Download it again.") % {"part": broken})


def _no_sheet(name: str, names: list[str]) -> Problem:
    reason = _("This sheet is missing. The file has: %(names)s.") % {"names": _(", ").join(names)}
    return Problem(name, None, "", reason)


# --- The sheets ----------------------------------------------------------------------------------


def _plain(value: Any) -> str:
    """A cell's text in one line; a code may be a number there."""
    return " ".join(str(value).split()) if value is not None else ""


def _sentences(value: Any) -> str:
    """A cell's text with its lines, for some grades speak of adults and of children in two of them."""
    lines = (_plain(line) for line in str(value if value is not None else "").split("\n"))
    text = "\n".join(line for line in lines if line)
    return "" if text == NONE else text


def _letter(index: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[index]


def _check_columns(sheet: str, number: int, header: tuple[Any, ...], names: tuple[str, ...]) -> None:
    given = [_plain(cell) for cell in header] + [""] * len(names)
    if problems := [
        Problem(sheet, number, _letter(index), _wrong_column(given[index], name))
        for index, name in enumerate(names)
        if given[index] != name
    ]:
        raise WorkbookProblem(problems)


def _wrong_column(given: str, name: str) -> str:
    return _("The column is called “%(given)s” where NCI's is “%(name)s”.") % {"given": given[:80], "name": name}


def _body(rows: list[tuple[Any, ...]], *, after: int, width: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Rows that hold anything in our columns, with their number: a term that 6.0 added stands at the right only."""
    for number, row in enumerate(rows[after:], after + 1):
        if any(_plain(cell) for cell in row[:width]):
            yield number, (*row, *([None] * width))[:width]


def _v6(rows: list[tuple[Any, ...]]) -> list[_Found]:
    _check_columns(V6_SHEET, 1, rows[0] if rows else (), V6_COLUMNS)
    found: dict[str, _Found] = {}
    problems: list[Problem] = []
    for number, row in _body(rows, after=1, width=len(V6_COLUMNS)):
        known = _known(V6, V6_SHEET, number, row, problems)
        if known is None:
            continue
        if known.code in found:
            problems.append(Problem(V6_SHEET, number, "A", _twice(known, found[known.code].row)))
            continue
        parts = {part: _sentences(row[ord(column) - ord("A")]) for column, part in V6_PARTS.items()}
        cells = {part: _Cell(number, column) for column, part in V6_PARTS.items()}
        found[known.code] = _Found(_text(known, parts), V6_SHEET, number, cells)
    return _unless(problems, found)


def _v5(rows: list[tuple[Any, ...]]) -> list[_Found]:
    _check_columns(V5_SHEET, 2, rows[1] if len(rows) > 1 else (), V5_COLUMNS)
    found: dict[str, _Found] = {}
    problems: list[Problem] = []
    for number, row in _body(rows, after=2, width=len(V5_COLUMNS)):
        known = _known(V5, V5_SHEET, number, row, problems)
        part = V5_PARTS.get(_plain(row[3]))
        if part is None:
            problems.append(Problem(V5_SHEET, number, "D", _no_part(_plain(row[3]))))
        elif known is not None:
            before = found.get(known.code) or _Found(_text(known, {}), V5_SHEET, number, {})
            if part in before.cells:
                problems.append(Problem(V5_SHEET, number, "D", _twice(known, before.cells[part].row)))
            found[known.code] = _with(before, part, _sentences(row[4]), _Cell(number, "E"))
    return _unless(problems, found)


def _unless(problems: list[Problem], found: Mapping[str, _Found]) -> list[_Found]:
    if problems:
        raise WorkbookProblem(problems)
    return list(found.values())


def _known(version: str, sheet: str, number: int, row: tuple[Any, ...], problems: list[Problem]) -> Term | None:
    """The term that a row is about, if its code, class and name are those of the version."""
    code = _plain(row[0])
    try:
        known = term(version, code)
    except UnknownTerm:
        reason = _("“%(code)s” is no code of CTCAE %(version)s.") % {"code": code[:40], "version": version}
        problems.append(Problem(sheet, number, "A", reason))
        return None
    for column, given, expected in (("B", row[1], known.soc), ("C", row[2], known.name)):
        if _plain(given) != expected:
            problems.append(Problem(sheet, number, column, _not_this(_plain(given), expected)))
    return known


def _not_this(given: str, expected: str) -> str:
    return _("“%(given)s” stands where NCI has “%(expected)s”.") % {"given": given[:80], "expected": expected}


def _twice(known: Term, row: int) -> str:
    return _("%(term)s is there twice: row %(row)s has it already.") % {"term": known.name, "row": row}


def _no_part(given: str) -> str:
    return _("“%(given)s” is neither a grade of 1 to 5, nor Definition, nor Navigational Note.") % {"given": given[:40]}


def _text(known: Term, parts: Mapping[str, str]) -> Text:
    return Text(version=known.version, code=known.code, term=known.name, soc=known.soc, **parts)


def _with(found: _Found, part: str, sentences: str, cell: _Cell) -> _Found:
    text = replace(found.text, **{part: sentences})  # type: ignore[arg-type]  # every part is a text
    return replace(found, text=text, cells={**found.cells, part: cell})


# --- Compared with NCI's -------------------------------------------------------------------------


def _missing_terms(found: list[_Found]) -> Iterator[Problem]:
    """A sheet that was cut off has fewer terms than its version."""
    there = {(each.text.version, each.text.code) for each in found}
    for version, sheet in ((V6, V6_SHEET), (V5, V5_SHEET)):
        if missing := [one for one in terms(version) if (version, one.code) not in there]:
            last = max((_last_row(each) for each in found if each.sheet == sheet), default=None)
            yield Problem(sheet, last, "A", _cut_off(version, missing))


def _last_row(found: _Found) -> int:
    return max([found.row, *(cell.row for cell in found.cells.values())])


def _cut_off(version: str, missing: list[Term]) -> str:
    shown = _(", ").join(f"{one.name} ({one.code})" for one in missing[:3])
    values = {"count": len(missing), "version": version, "shown": shown}
    return _("This is the last row, and %(count)s terms of CTCAE %(version)s are missing: %(shown)s …") % values


def _altered(found: _Found, fingerprints: Fingerprints) -> Iterator[Problem]:
    expected = fingerprints.get((found.text.version, found.text.code), {})
    for part in PARTS:
        given = fingerprint(found.text.part(part))
        if given != expected.get(part, ""):
            cell = found.cells.get(part, _Cell(found.row, "D"))
            reason = _altered_text(found.text, part, is_given=bool(given), is_expected=part in expected)
            yield Problem(found.sheet, cell.row, cell.column, reason)


def _altered_text(text: Text, part: str, *, is_given: bool, is_expected: bool) -> str:
    values = {"part": part.replace("_", " "), "term": text.term, "version": text.version}
    if not is_given:
        return _("%(term)s, %(part)s: the text is missing.") % values
    if not is_expected:
        return _("%(term)s, %(part)s: there is a text where CTCAE %(version)s has none.") % values
    return _("%(term)s, %(part)s: the text is not the one that NCI published.") % values
