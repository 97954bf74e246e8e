"""CDISC Dataset-JSON 1.1: a document a dataset, and the variant with one JSON value a line.

A missing text is "" and a missing number null, as in CDISC's own examples: null among texts stops programs that read
them. The order of the attributes is that of the specification, for readers that stream.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sponsor.datasets.model import Kind, Package, Staged, Value, Variable
from sponsor.datasets.scope import Tick
from sponsor.datasets.writers import common

VERSION = "1.1.0"
# Dates may be known in part, which is no date of JSON's: they are strings.
TYPES = {Kind.INTEGER: "integer", Kind.FLOAT: "float"}


def write(package: Package, folder: Path, tick: Tick) -> list[Path]:
    return [_write(package, staged, folder, tick) for staged in common.written(package)]


def write_lines(package: Package, folder: Path, tick: Tick) -> list[Path]:
    return [_write_lines(package, staged, folder, tick) for staged in common.written(package)]


def head(package: Package, staged: Staged) -> dict[str, Any]:
    """Everything but the rows."""
    dataset = staged.dataset
    name, version = common.source(package)
    return {
        "datasetJSONCreationDateTime": common.moment(package),
        "datasetJSONVersion": VERSION,
        "fileOID": f"{package.study_id}.{dataset.name}.{common.stamp(package)}",
        "dbLastModifiedDateTime": common.moment(package),
        "originator": name,
        "sourceSystem": {"name": name, "version": version},
        "studyOID": common.study_oid(package),
        "metaDataVersionOID": common.version_oid(package),
        "metaDataRef": "define.xml",
        "itemGroupOID": common.group_oid(dataset.name),
        "records": staged.records,
        "name": dataset.name,
        "label": dataset.label,
        "columns": columns(staged),
    }


def columns(staged: Staged) -> list[dict[str, Any]]:
    keys = common.key_places(staged)
    return [_column(staged, one, keys.get(one.name)) for one in common.shown(staged)]


def _column(staged: Staged, variable: Variable, key: int | None) -> dict[str, Any]:
    column: dict[str, Any] = {
        "itemOID": common.item_oid(staged.dataset.name, variable.name),
        "name": variable.name,
        "label": variable.label,
        "dataType": TYPES.get(variable.kind, "string"),
    }
    if not variable.kind.is_number:
        column["length"] = common.length_of(staged, variable)
    if key is not None:
        column["keySequence"] = key
    return column


def _write(package: Package, staged: Staged, folder: Path, tick: Tick) -> Path:
    path = folder / f"{staged.dataset.name.lower()}.json"
    before = _text(head(package, staged)).removesuffix("}")
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f'{before},"rows":[')
        between = "\n"
        for line in _lines(staged, "dataset-json", tick, path.name):
            file.write(between + line)
            between = ",\n"
        file.write("\n]}\n")
    return path


def _write_lines(package: Package, staged: Staged, folder: Path, tick: Tick) -> Path:
    path = folder / f"{staged.dataset.name.lower()}.ndjson"
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(_text(head(package, staged)) + "\n")
        file.writelines(f"{line}\n" for line in _lines(staged, "ndjson", tick, path.name))
    return path


def _lines(staged: Staged, form: str, tick: Tick, what: str) -> Iterator[str]:
    return map(_text, common.rows_of(staged, form, tick, what))


def _text(value: dict[str, Any] | list[Value]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
