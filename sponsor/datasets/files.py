"""A stand-in: Dataset-JSON and a word of Define-XML."""

import json
from collections.abc import Callable
from pathlib import Path

from sponsor.datasets.model import Package
from sponsor.datasets.scope import Tick


def write_dataset_json(package: Package, folder: Path, tick: Tick) -> list[Path]:
    paths = []
    for number, staged in enumerate(package.staged):
        one = staged.dataset
        about = {
            "datasetJSONCreationDateTime": package.cut_off.isoformat(timespec="seconds"),
            "datasetJSONVersion": "1.1.0",
            "studyOID": package.study_id,
            "itemGroupOID": f"IG.{one.name}",
            "records": staged.records,
            "name": one.name,
            "label": one.label,
            "columns": [
                {
                    "itemOID": f"IT.{one.name}.{each.name}",
                    "name": each.name,
                    "label": each.label,
                    "dataType": "integer" if each.kind == "integer" else "string",
                }
                | ({"keySequence": one.keys.index(each.name) + 1} if each.name in one.keys else {})
                for each in one.variables
            ],
        }
        path = folder / f"{one.name.lower()}.json"
        with path.open("w", encoding="utf-8") as file:
            file.write(json.dumps(about, ensure_ascii=False)[:-1] + ', "rows": [')
            for place, row in enumerate(staged.rows()):
                file.write(("," if place else "") + "\n" + json.dumps(row, ensure_ascii=False))
            file.write("\n]}\n")
        paths.append(path)
        tick(one.name, number + 1, len(package.staged))
    return paths


def write_define(package: Package, folder: Path, tick: Tick) -> list[Path]:
    path = folder / "define.xml"
    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<ODM FileOID="{package.study_id}"/>\n', encoding="utf-8")
    tick("define.xml", 1, 1)
    return [path]


WRITERS: dict[str, Callable[[Package, Path, Tick], list[Path]]] = {
    "dataset-json": write_dataset_json,
    "define": write_define,
}
