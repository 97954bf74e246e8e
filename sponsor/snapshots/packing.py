"""What goes around the files of a snapshot: checksums, manifest, one archive of all, and where each row lies."""

import hashlib
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils import timezone

from sponsor.datasets.model import Package
from sponsor.datasets.scope import Tick
from sponsor.snapshots import serving, store
from sponsor.snapshots.models import Snapshot

MANIFEST, SUMS = "manifest.json", "SHA256SUMS"
DATASET_JSON = "dataset-json"


@dataclass(frozen=True)
class Entry:
    """A file, as its row says it."""

    name: str
    format: str
    bytes: int
    sha256: str
    dataset: str = ""
    label: str = ""
    oid: str = ""
    rows: int = 0


@dataclass(frozen=True)
class Packed:
    files: tuple[Entry, ...]
    sha256: str
    study_oid: str


def pack(row: Snapshot, package: Package, folder: Path, written: list[tuple[str, Path]], tick: Tick) -> Packed:
    """Count and hash what was written, and lay manifest, sums and archive beside it.

    Raises ValueError where two files have one name, or one lies elsewhere.
    """
    names = [path.name for _format, path in written]
    if len(set(names)) != len(names) or any(path.parent != folder for _format, path in written):
        raise ValueError("each file has a name of its own in the folder of the snapshot")
    records = {one.dataset.name: one for one in package.staged}
    entries, study_oid = [], package.study_id
    for number, (kind, path) in enumerate(written):
        tick(path.name, number, 2 * len(written) + 2)
        served = _served(kind, path, folder)
        study_oid = served.get("studyOID", study_oid)
        entries.append(_entry(kind, path, records.get(path.stem.upper()), served))
    entries += _lists(row, package, folder, entries)
    archive = folder / f"{row.study}_snapshot_{row.label}.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for number, one in enumerate(entries):
            tick(archive.name, len(written) + number, 2 * len(written) + 2)
            file.write(folder / one.name, f"{archive.stem}/{one.name}")
    manifest = next(one for one in entries if one.name == MANIFEST)
    return Packed((*entries, _entry("zip", archive)), manifest.sha256, study_oid)


def _served(kind: str, path: Path, folder: Path) -> dict[str, Any]:
    """What the standard's door says of a dataset; its rows are found by the index that this lays down."""
    return serving.index(path, folder / store.INDEX) if kind == DATASET_JSON and path.suffix == ".json" else {}


def _entry(kind: str, path: Path, staged: Any = None, served: dict[str, Any] | None = None) -> Entry:
    return Entry(
        name=path.name,
        format=kind,
        bytes=path.stat().st_size,
        sha256=sha256_of(path),
        dataset=staged.dataset.name if staged else "",
        label=staged.dataset.label if staged else "",
        oid=(served or {}).get("itemGroupOID", ""),
        rows=staged.records if staged else 0,
    )


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lists(row: Snapshot, package: Package, folder: Path, entries: list[Entry]) -> list[Entry]:
    manifest, sums = folder / MANIFEST, folder / SUMS
    text = json.dumps(manifest_of(row, package, entries), ensure_ascii=False, indent=1)
    manifest.write_text(text + "\n", encoding="utf-8")
    about = _entry("manifest", manifest)
    lines = (f"{one.sha256}  {one.name}\n" for one in (*entries, about))
    sums.write_text("".join(lines), encoding="utf-8")
    return [about, _entry("sums", sums)]


def manifest_of(row: Snapshot, package: Package, entries: Iterable[Entry]) -> dict[str, Any]:
    assert row.cut_off is not None
    return {
        "snapshot": row.label,
        "study": {"id": package.study_id, "name": package.study_name},
        "cut_off": row.cut_off.isoformat(),
        "made_at": timezone.now().isoformat(),
        "protocol_version": package.protocol_version,
        "software": package.software,
        "terminology": package.terminology,
        "dates": "shifted" if row.shifts_dates else "as recorded",
        "free_text": "released" if row.has_free_text else "withheld",
        "notes": list(package.notes),
        "pending": [vars(one) for one in package.pending],
        "formats_left_out": row.left_out,
        "files": [
            {
                "name": one.name,
                "format": one.format,
                "dataset": one.dataset,
                "rows": one.rows,
                "bytes": one.bytes,
                "sha256": one.sha256,
            }
            for one in entries
        ],
    }
