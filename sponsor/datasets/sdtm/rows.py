"""How rows are made: values by the names of their variables, and what a row carries beside them.

A row does not know its number yet: rows of a dataset are sorted and numbered once all of a participant's are there,
and what points at them (supplemental qualifiers, comments, relations) is made after that.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from sponsor.datasets.model import Value

Values = dict[str, Value]


@dataclass(frozen=True)
class Supp:
    """A supplemental qualifier of a row: what no variable of its dataset can hold."""

    name: str
    label: str
    value: str
    origin: str = "Collected"


@dataclass
class Row:
    """`key` says which fact it was made of, so that other rows can point at it; `remark` leaves as a comment."""

    values: Values
    key: str = ""
    supp: tuple[Supp, ...] = ()
    remark: str = ""


Rows = dict[str, list[Row]]


@dataclass(frozen=True)
class Link:
    """Two rows that belong together, each by dataset and key."""

    one: tuple[str, str]
    other: tuple[str, str]


@dataclass
class Made:
    """All rows of a participant, by dataset, and what is pending."""

    rows: Rows = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    pending: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, dataset: str, rows: Iterable[Row]) -> None:
        self.rows.setdefault(dataset, []).extend(rows)


def supps(*pairs: tuple[str, str, object, str]) -> tuple[Supp, ...]:
    """Those of (name, label, value, origin) that have a value."""
    return tuple(
        Supp(name, label, str(value), origin) for name, label, value, origin in pairs if value not in (None, "")
    )


def plain(value: Decimal) -> str:
    """A number as SDTM writes it: no zeros at its end, one before the point.

    >>> plain(Decimal("0.500")), plain(Decimal("1E+2")), plain(Decimal("-0"))
    ('0.5', '100', '0')
    """
    return f"{value.normalize():f}" if value else "0"


def number(value: Decimal | None) -> int | float | None:
    """Whole numbers stay whole."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def yes(is_so: bool) -> str:
    return "Y" if is_so else "N"


# --- Order and numbers ---------------------------------------------------------------------------------


def ordered(rows: Iterable[Row], keys: tuple[str, ...]) -> list[Row]:
    """By the keys of the dataset, as far as they are there already; the fact breaks a tie."""
    return sorted(rows, key=lambda row: (*(_rank(row.values.get(name)) for name in keys), row.key))


def _rank(value: Value) -> tuple[int, float, str]:
    """Numbers before texts, nothing last."""
    if value is None or value == "":
        return 2, 0.0, ""
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, value)


def numbered(rows: Iterable[Row], dataset: str) -> None:
    for count, row in enumerate(rows, start=1):
        row.values[f"{dataset}SEQ"] = count


# --- What points at rows -------------------------------------------------------------------------------


def qualifiers(dataset: str, rows: Iterable[Row]) -> Iterator[Row]:
    """SUPP--: of DM by participant, of all others by number."""
    for row in rows:
        for one in row.supp:
            by_number = {} if dataset == "DM" else {"IDVAR": f"{dataset}SEQ", "IDVARVAL": _seq(row, dataset)}
            yield Row(
                {
                    "RDOMAIN": dataset,
                    "USUBJID": row.values["USUBJID"],
                    **by_number,
                    "QNAM": one.name,
                    "QLABEL": one.label,
                    "QVAL": one.value,
                    "QORIG": one.origin,
                }
            )


def comments(rows: Rows) -> Iterator[Row]:
    """CO: remarks, each about one row."""
    for dataset, those in rows.items():
        for row in those:
            if row.remark:
                yield Row(
                    {
                        "RDOMAIN": dataset,
                        "USUBJID": row.values["USUBJID"],
                        "IDVAR": f"{dataset}SEQ",
                        "IDVARVAL": _seq(row, dataset),
                        "COVAL": row.remark,
                        "COEVAL": "INVESTIGATOR",
                    }
                )


def relations(rows: Rows, links: Iterable[Link]) -> Iterator[Row]:
    """RELREC: two records for each pair whose rows both are there."""
    known = {(dataset, row.key): row for dataset, those in rows.items() for row in those if row.key}
    count = 0
    for link in links:
        pair = [(dataset, known.get((dataset, key))) for dataset, key in (link.one, link.other)]
        if any(row is None for _dataset, row in pair):
            continue
        count += 1
        for dataset, row in pair:
            assert row is not None
            yield Row(
                {
                    "RDOMAIN": dataset,
                    "USUBJID": row.values["USUBJID"],
                    "IDVAR": f"{dataset}SEQ",
                    "IDVARVAL": _seq(row, dataset),
                    "RELID": f"R{count}",
                }
            )


def _seq(row: Row, dataset: str) -> str:
    return str(row.values[f"{dataset}SEQ"])


def last_before(rows: Iterable[Row], dataset: str, moment: str, same: Callable[[Row], object]) -> None:
    """--LOBXFL: of the rows that are the same test, the last one with a result before the first treatment.

    A day without a time counts as before only where it is an earlier day.
    """
    if not moment:
        return
    last: dict[object, Row] = {}
    for row in rows:
        at = str(row.values.get(f"{dataset}DTC") or "")
        if row.values.get(f"{dataset}ORRES") and len(at) >= 10 and _is_before(at, moment):
            last[same(row)] = max(last.get(same(row), row), row, key=lambda one: str(one.values[f"{dataset}DTC"]))
    for row in last.values():
        row.values[f"{dataset}LOBXFL"] = "Y"


def _is_before(at: str, moment: str) -> bool:
    width = min(len(at), len(moment))
    return at[:width] < moment[:width]
