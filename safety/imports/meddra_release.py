"""A MedDRA release as its files are: `llt.asc`, `pt.asc`, `mdhier.asc`, fields between `$`, one row a line.

Source: MedDRA Distribution File Format Document (MSSO): LLT fields 1 code, 2 name, 3 code of the PT, 10 current (Y/N);
PT fields 1 code, 2 name; MDHIER fields 1 to 4 the codes of PT, HLT, HLGT and SOC, 5 to 8 their names, 12 whether it is
the primary way (Y/N). The document was not at hand when this was written: the places are from memory, and a file that
does not fit is refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CODE = re.compile(r"\d{8}")


class NotARelease(ValueError):
    """What is wrong with the folder, with the file and the line."""


@dataclass(frozen=True)
class Above:
    """What stands above a preferred term, on its primary way."""

    hlt_code: str
    hlt: str
    hlgt_code: str
    hlgt: str
    soc_code: str
    soc: str


@dataclass(frozen=True)
class ReleaseTerm:
    code: str
    name: str
    is_current: bool
    pt_code: str
    pt: str
    above: Above


@dataclass(frozen=True)
class Release:
    terms: tuple[ReleaseTerm, ...]


def read_release(folder: Path) -> Release:
    """Raises NotARelease for a missing file, a short line, or a term whose preferred term or class is missing."""
    preferred = {row[0]: row[1] for row in _rows(folder / "pt.asc", 2)}
    above = {row[0]: _above(row) for row in _rows(folder / "mdhier.asc", 12) if row[11] == "Y"}
    terms = tuple(_term(row, preferred, above) for row in _rows(folder / "llt.asc", 10))
    if not terms:
        raise NotARelease("llt.asc: no term in it")
    return Release(terms)


def _above(row: list[str]) -> Above:
    return Above(row[1], row[5], row[2], row[6], row[3], row[7])


def _term(row: list[str], preferred: Mapping[str, str], above: Mapping[str, Above]) -> ReleaseTerm:
    code, name, pt_code = row[0], row[1], row[2]
    if pt_code not in preferred or pt_code not in above:
        raise NotARelease(f"llt.asc: {code} belongs to {pt_code}, which pt.asc or mdhier.asc does not have")
    return ReleaseTerm(code, name, row[9] == "Y", pt_code, preferred[pt_code], above[pt_code])


def _rows(path: Path, least: int) -> Iterator[list[str]]:
    if not path.is_file():
        raise NotARelease(f"{path.name}: not in the folder")
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        row = line.split("$")
        if len(row) < least or not CODE.fullmatch(row[0]):
            raise NotARelease(f"{path.name}, line {number}: not a code of eight digits and {least} fields between $")
        yield row
