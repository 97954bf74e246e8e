"""SAS XPORT Version 5 (SAS TS-140), the transport file that agencies take.

Numbers are IBM's: base 16, 56 bits of fraction, so every number of 53 bits fits. A text has at most 200 bytes, and is
written in UTF-8; the format has no place that says so, Define-XML says it. A text is never cut: `Unwritable` names the
row. Blanks at the end of a text are padding by the definition of the format, and so is a row of nothing but blanks.
"""

import datetime as dt
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sponsor.datasets.model import Package, Staged, Value, Variable
from sponsor.datasets.scope import Tick
from sponsor.datasets.writers import common
from sponsor.datasets.writers.common import Problem, Unwritable

FORM = "xpt"
NAME, LABEL, TEXT = 8, 40, 200
CARD = 80
# Some readers take blanks in the last card of a narrow dataset for padding and lose its last row: with records longer
# than a card no reader can.
NARROWEST = CARD + 1
MISSING = b".".ljust(8, b"\0")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
SYSTEM = f"{'9.4':8}{'LINUX':8}"
# Type, hash, length, number, name, label, format (name, length, digits, side), filler, informat, position, rest.
NAMESTR = struct.Struct(">hhhh8s40s8shhh2s8shhl52s")
LARGEST = 63


def write(package: Package, folder: Path, tick: Tick) -> list[Path]:
    return [_write(package, staged, folder, tick) for staged in common.written(package)]


def ibm(value: float) -> bytes:
    """A number as eight bytes. Raises OverflowError beyond 10^75, below 10^-78, and for a whole one of over 53 bits."""
    if value == 0:
        return bytes(8)
    if value != (number := float(value)):
        raise OverflowError
    fraction, exponent = math.frexp(abs(number))
    power = -(-exponent // 4)
    if not -LARGEST - 1 <= power <= LARGEST:
        raise OverflowError
    # 56 bits; a fraction of 53 leaves room for the three that aligning to base 16 may take.
    bits = int(fraction * 2**53) << 3 >> (4 * power - exponent)
    sign = 0x80 if number < 0 else 0
    return bytes([sign | (power + 64)]) + bits.to_bytes(7, "big")


def _write(package: Package, staged: Staged, folder: Path, tick: Tick) -> Path:
    variables = common.shown(staged)
    _check(staged, variables)
    widths = _widths(staged, variables)
    path = folder / f"{staged.dataset.name.lower()}.xpt"
    with path.open("wb") as file:
        for part in _heads(package, staged, variables, widths):
            file.write(part)
        size = 0
        for record in _records(staged, variables, widths, tick, path.name):
            size += file.write(record)
        _fill_card(file, size)
    return path


def _fill_card(file: IO[bytes], size: int) -> None:
    file.write(b" " * (-size % CARD))


# --- What does not fit --------------------------------------------------------------------------------


def _check(staged: Staged, variables: list[Variable]) -> None:
    dataset = staged.dataset
    _check_names(dataset.name, "", dataset.name, dataset.label)
    for variable in variables:
        _check_names(dataset.name, variable.name, variable.name, variable.label)
        if not variable.kind.is_number and common.length_of(staged, variable) > TEXT:
            raise Unwritable(FORM, Problem.LONG_TEXT, dataset.name, variable.name, _row_of(staged, variable), TEXT)


def _check_names(dataset: str, variable: str, name: str, label: str) -> None:
    if not (name.isascii() and name.isalnum() and name.isupper() and len(name) <= NAME):
        raise Unwritable(FORM, Problem.NAME, dataset, variable, limit=NAME)
    if not (label.isascii() and label.isprintable() and len(label) <= LABEL):
        raise Unwritable(FORM, Problem.LABEL, dataset, variable, limit=LABEL)


def _row_of(staged: Staged, variable: Variable) -> int:
    """The first row whose text is too long."""
    place = staged.dataset.variables.index(variable)
    return next(
        number for number, row in enumerate(staged.rows(), start=1) if len(str(row[place] or "").encode()) > TEXT
    )


def _widths(staged: Staged, variables: list[Variable]) -> list[int]:
    """Bytes of each column: as wide as its longest text; the first text of a narrow dataset gets the rest."""
    widths = [8 if one.kind.is_number else common.length_of(staged, one) for one in variables]
    for place, variable in enumerate(variables):
        if not variable.kind.is_number:
            widths[place] = min(TEXT, widths[place] + max(0, NARROWEST - sum(widths)))
            break
    return widths


# --- Heads --------------------------------------------------------------------------------------------


def _heads(package: Package, staged: Staged, variables: list[Variable], widths: list[int]) -> Iterator[bytes]:
    made = _moment(package.cut_off)
    yield _head("LIBRARY ")
    yield _card(f"{'SAS':8}{'SAS':8}{'SASLIB':8}{SYSTEM}{'':24}{made}")
    yield _card(made)
    yield _head("MEMBER  ", "000000000000000001600000000140")
    yield _head("DSCRPTR ")
    yield _card(f"{'SAS':8}{staged.dataset.name:8}{'SASDATA':8}{SYSTEM}{'':24}{made}")
    yield _card(f"{made}{'':16}{staged.dataset.label:40}{'':8}")
    yield _head("NAMESTR ", f"000000{len(variables):04}00000000000000000000")
    namestrs = b"".join(_namestrs(variables, widths))
    yield namestrs + b" " * (-len(namestrs) % CARD)
    yield _head("OBS     ")


def _head(kind: str, numbers: str = "0" * 30) -> bytes:
    return _card(f"HEADER RECORD*******{kind}HEADER RECORD!!!!!!!{numbers}")


def _card(text: str) -> bytes:
    return text.encode("ascii").ljust(CARD)


def _moment(at: dt.datetime) -> str:
    """Such as 05MAR26:09:30:00, in UTC, whatever the language of the machine."""
    at = at.astimezone(dt.UTC)
    return f"{at:%d}{MONTHS[at.month - 1]}{at:%y:%H:%M:%S}"


def _namestrs(variables: list[Variable], widths: list[int]) -> Iterator[bytes]:
    position = 0
    for number, (variable, width) in enumerate(zip(variables, widths, strict=True), start=1):
        name, label = variable.name.encode().ljust(NAME), variable.label.encode().ljust(LABEL)
        kind = 1 if variable.kind.is_number else 2
        blank = b" " * 8
        yield NAMESTR.pack(
            kind, 0, width, number, name, label, blank, 0, 0, 0, b"\0\0", blank, 0, 0, position, bytes(52)
        )
        position += width


# --- Rows ---------------------------------------------------------------------------------------------


def _records(staged: Staged, variables: list[Variable], widths: list[int], tick: Tick, what: str) -> Iterator[bytes]:
    name, texts = staged.dataset.name, [not one.kind.is_number for one in variables]
    for number, row in enumerate(common.rows_of(staged, FORM, tick, what), start=1):
        try:
            record = b"".join(map(_field, row, texts, widths))
        except OverflowError:
            raise Unwritable(FORM, Problem.NUMBER, name, _beyond(row, variables), number) from None
        if record.isspace():
            raise Unwritable(FORM, Problem.BLANK_ROW, name, row=number)
        yield record


def _field(value: Value, is_text: bool, width: int) -> bytes:
    if is_text:
        return str(value).encode().ljust(width)
    return MISSING if value is None else ibm(value)  # type: ignore[arg-type]  # `rows_of` has seen to it


def _beyond(row: list[Value], variables: list[Variable]) -> str:
    for value, variable in zip(row, variables, strict=True):
        try:
            _field(value, not variable.kind.is_number, 1)
        except OverflowError:
            return variable.name
    return ""
