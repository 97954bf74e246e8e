"""Plain files of whole tables, CSV and NDJSON, made by PostgreSQL itself and passed on as they come.

`COPY (query) TO STDOUT` writes each row in the server; here portions are counted, hashed and handed over, so that the
memory of the process does not grow with the rows. One statement sees one moment: the file is consistent, and holds
every change from before `changes.horizon()`, asked just before it.

The columns are those of the API's serializers: one list says what leaves, for both. Participants are not among them: an
age is computed from a birth date that the database holds encrypted, and there are few of them. Moments are in UTC. In
CSV an empty text is `""` and a missing value nothing at all. A cell that a spreadsheet would calculate stays as it is,
as everywhere where programs read: another value would no longer agree with the database. Who wants a sheet takes the
list's own export.
"""

import datetime as dt
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.contrib.postgres.aggregates import JSONBAgg
from django.db import connection, models
from django.db.models import Case, F, OuterRef, Subquery, Value, When
from django.db.models.functions import Coalesce, JSONObject

from safety.models import Agent, EventAgent
from sponsor.api import RESOURCES
from sponsor.api.rows import Resource
from trialsite import changes, freetext
from trialsite.models import Record

# Of what is handed over at once: enough that hashing and writing cost little for each row.
PORTION = 1 << 18


class Kind(StrEnum):
    CSV = "csv"
    NDJSON = "ndjson"


TYPES = {Kind.CSV: "text/csv; charset=utf-8", Kind.NDJSON: "application/x-ndjson"}
# A line of JSON holds neither of these letters as such: so nothing is quoted, and COPY leaves the line as it is.
AS_IT_IS = r"(FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')"
COPY = {
    Kind.CSV: "COPY ({rows}) TO STDOUT (FORMAT csv, HEADER)",
    Kind.NDJSON: f"COPY (SELECT row_to_json(line) FROM ({{rows}}) AS line) TO STDOUT {AS_IT_IS}",
}
# How a column is written, by its type; all others as PostgreSQL has them.
MOMENT = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
WRITTEN: dict[Kind, dict[Any, str]] = {
    Kind.CSV: {models.DateTimeField: MOMENT, models.BooleanField: "{}::text", models.DecimalField: "trim_scale({})"},
    # As the API has them: a decimal is a text there, so that no program rounds it.
    Kind.NDJSON: {models.DateTimeField: MOMENT, models.DecimalField: "trim_scale({})::text"},
}


# --- What leaves ----------------------------------------------------------------------------------------


def _of_cells(name: str) -> Any:
    """What is said of the CAR-T cells; empty while nobody has judged it."""
    rows = EventAgent.objects.own_standing().filter(event=OuterRef("pk"), agent=Agent.CAR_T)
    return Coalesce(Subquery(rows.values(name)[:1]), Value(""))


def _agents() -> Any:
    names = ("agent", "investigator", "sponsor", "action_taken")
    rows = EventAgent.objects.own_standing().filter(event=OuterRef("pk")).order_by().values("event")
    told = rows.annotate(told=JSONBAgg(JSONObject(**{name: F(name) for name in names}), order_by="pk")).values("told")
    return Coalesce(Subquery(told), Value([], models.JSONField()))


# What each kind of rows shows beside the fields of its model; what all show stands in `columns_of`.
MADE: dict[str, dict[str, Any]] = {
    "visits": {"visit": F("code")},
    "adverse-events": {
        "relatedness": _of_cells("investigator"),
        "action_taken": _of_cells("action_taken"),
        "agents": _agents(),
    },
    "toxicity-assessments": {"final_grade": Coalesce("investigator_grade", "grade")},
}


def _is_made(one: Resource) -> bool:
    """Whether the database can write every column."""
    return bool(one.along) and set(one.also) <= set(MADE.get(one.name, {}))


RESOURCE: dict[str, Resource] = {one.name: one for one in RESOURCES if _is_made(one)}


def columns_of(name: str) -> dict[str, Any]:
    """The columns that the API's serializer names, each with what it is made from."""
    meta = _meta(name)
    model: type[Record] = meta.model
    made = {
        "participant": F(f"{RESOURCE[name].along}__screening_number"),
        "is_void": Case(When(model.stands(), then=Value(False)), default=Value(True)),
        **MADE.get(name, {}),
    }
    return {one: made[one] if one in made else _shown(model, one) for one in meta.fields}


def _shown(model: type[Record], name: str) -> Any:
    """A field; of a void row without its words, as the API's rows: the column stays, empty."""
    if name not in {field.name for field in freetext.prose_of(model)}:
        return F(name)
    field: Any = model._meta.get_field(name)
    empty = Value({}, field) if isinstance(field, models.JSONField) else Value("")
    return Case(When(model.stands(), then=F(name)), default=empty)


def rows_of(name: str) -> Any:
    return _meta(name).model._default_manager.all()


def _meta(name: str) -> Any:
    serializer: Any = RESOURCE[name].view.serializer_class
    return serializer.Meta


def statement(name: str, kind: Kind, rows: Any = None) -> str:
    """The whole COPY, ready to be sent; `rows` are those of the model that are asked for, all by default."""
    columns = columns_of(name)
    asked = (rows_of(name) if rows is None else rows).order_by().values_list(*columns.values())
    compiler = asked.query.get_compiler(connection=connection)
    inner, params = compiler.as_sql()
    types = [column[0].output_field for column in compiler.select]
    cells = (f'{_written(kind, type_, column)} AS "{column}"' for column, type_ in zip(columns, types, strict=True))
    names = ", ".join(f'"{column}"' for column in columns)
    text = f'SELECT {", ".join(cells)} FROM ({inner}) AS found ({names}) ORDER BY found."id"'
    with connection.cursor() as cursor:
        made: str = cursor.mogrify(COPY[kind].format(rows=text), params)
    return made


def _written(kind: Kind, type_: Any, column: str) -> str:
    for one, how in WRITTEN[kind].items():
        if isinstance(type_, one):
            return how.format(f'found."{column}"')
    return f'found."{column}"'


# --- As it leaves ---------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What has left so far: `rows` is known once all has. The hash is of the content, before it is compressed."""

    rows: int = 0
    bytes: int = 0
    sha256: str = ""
    is_whole: bool = False


def cut_off() -> dt.datetime:
    """Every change before this moment is in an export that begins after it; ask outside a transaction."""
    return changes.horizon() - changes.OVERLAP


def copied(made: str, tally: Tally) -> Iterator[bytes]:
    """The file in portions; whoever stops before its end cancels the statement, and the tally says so."""
    digest = hashlib.sha256()
    try:
        with connection.cursor() as cursor:
            with cursor.copy(made) as rows:
                for portion in _portions(rows):
                    digest.update(portion)
                    tally.bytes += len(portion)
                    yield portion
            tally.rows, tally.is_whole = cursor.rowcount, True
    finally:
        tally.sha256 = digest.hexdigest()


def _portions(rows: Any) -> Iterator[bytes]:
    held: list[Any] = []
    size = 0
    for row in rows:
        held.append(row)
        size += len(row)
        if size >= PORTION:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def gzipped(portions: Iterator[bytes]) -> Iterator[bytes]:
    """For slow lines: quick rather than small."""
    packer = zlib.compressobj(level=1, wbits=31)
    for portion in portions:
        if packed := packer.compress(portion):
            yield packed
    yield packer.flush()


def to_file(made: str, file: Any) -> Tally:
    """Into a binary file; what has been written."""
    tally = Tally()
    for portion in copied(made, tally):
        file.write(portion)
    return tally
