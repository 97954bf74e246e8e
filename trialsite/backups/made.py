"""Making a backup: manifest and dump are of one snapshot, and the file is read back before it has its name.

The file is a tar of two: `manifest.json`, and `database.dump` as pg_dump writes it in its custom format; closed as
`sealed` says where a public key is configured.
"""

import datetime as dt
import hashlib
import hmac
import io
import json
import os
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from trialsite import guards, keyseals
from trialsite.backups import sealed, sums, tools
from trialsite.backups.problem import Problem

FORMAT = 1
MANIFEST, DUMP = "manifest.json", "database.dump"
NAME = re.compile(r"trialsite-(\d{8}T\d{6})Z\.backup(\.sealed)?")
STAMP = "%Y%m%dT%H%M%S"
UNFINISHED = ".writing-"


def make(folder: Path, *, to: X25519PublicKey | None, now: dt.datetime) -> Path:
    """A new backup in this folder, checked. Raises Problem, and then leaves no file that looks like one."""
    name = f"trialsite-{now.astimezone(dt.UTC):{STAMP}}Z.backup{'.sealed' if to else ''}"
    with tempfile.TemporaryFile(dir=folder) as dump:
        manifest = _dumped(dump, now=now)
        descriptor, unfinished = tempfile.mkstemp(dir=folder, prefix=UNFINISHED)  # only we may read it
        try:
            with os.fdopen(descriptor, "w+b") as file:
                key = _write(file, manifest, dump, to)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                check(sealed.Reader(file, key=key) if key else file, beside=folder)
            os.replace(unfinished, folder / name)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise
    _sync(folder)
    return folder / name


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@transaction.atomic
def _dumped(dump: IO[bytes], *, now: dt.datetime) -> dict[str, Any]:
    """Write the dump, and say what must be in it: both see the same moment."""
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        (snapshot,) = cursor.fetchone()
    major = tools.server_major()
    program = tools.program("pg_dump", major)
    tools.run([program, "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}"], into=dump)
    done = MigrationRecorder(connection).applied_migrations()
    return {
        "format": FORMAT,
        "made_at": now.astimezone(dt.UTC).isoformat(timespec="seconds"),
        "software": settings.SOFTWARE_VERSION,
        "study": settings.STUDY,
        "server_major": major,
        "migrations": sorted(f"{app}.{name}" for app, name in done),
        "field_keys": [token for token, _since in keyseals.standing()],
        "secret_key": fingerprint(),
        "tables": {name: one.data() for name, one in sums.of_database().items()},
        "dump": digest(dump),
    }


def fingerprint() -> str:
    """Of SECRET_KEY: tells another one, and nothing of it."""
    return hmac.new(guards.key(), b"backup", hashlib.sha256).hexdigest()[:32]


def digest(file: IO[bytes]) -> dict[str, Any]:
    file.seek(0)
    found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it can do what is asked
    return {"bytes": file.tell(), "sha256": found}


def _write(file: IO[bytes], manifest: dict[str, Any], dump: IO[bytes], to: X25519PublicKey | None) -> bytes:
    """Both parts into one file; what opens it once more, while we are at it, or nothing where it is open."""
    out: Any = sealed.Writer(file, to) if to else file
    with tarfile.open(fileobj=out, mode="w|") as tar:
        text = json.dumps(manifest, indent=1).encode()
        for name, content, size in ((MANIFEST, io.BytesIO(text), len(text)), (DUMP, dump, manifest["dump"]["bytes"])):
            content.seek(0)
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = size, 0o600
            tar.addfile(entry, content)  # type: ignore[arg-type]  # whatever can be read
    if to:
        out.close()
        return bytes(out.key)
    return b""


# --- Reading one ---------------------------------------------------------------------------------------


@contextmanager
def opened(source: Any) -> Iterator[tuple[dict[str, Any], Callable[[IO[bytes]], None]]]:
    """The manifest, and what writes the dump into a file once it is wanted. Raises Problem for a damaged file."""
    try:
        with tarfile.open(fileobj=source, mode="r|") as tar:
            manifest = json.loads(_member(tar, MANIFEST).read())
            yield manifest, lambda file: _extract(tar, manifest, file)
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise Problem(f"This is no backup of Trialsite, or it was cut off or changed ({error}).") from None


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    found = tar.next()
    content = tar.extractfile(found) if found is not None and found.name == name else None
    if content is None:
        raise Problem(f"This is no backup of Trialsite, or it was cut off: {name} is missing.")
    return content


def _extract(tar: tarfile.TarFile, manifest: dict[str, Any], file: IO[bytes]) -> None:
    content = _member(tar, DUMP)
    while data := content.read(1 << 20):
        file.write(data)
    if digest(file) != manifest["dump"]:
        raise Problem("The backup was cut off or changed: its dump is not the one that was written.")
    file.seek(0)


def check(source: Any, *, beside: Path) -> None:
    """Whether what was written holds every row that it tells of; raises Problem. Unpacked where there is room."""
    with tempfile.TemporaryFile(dir=beside) as dump:
        with opened(source) as (manifest, extract):
            extract(dump)
        told = {name: sums.Sum(**one) for name, one in manifest["tables"].items()}
        if wrong := sums.differing(told, _in_dump(dump)):
            raise Problem(f"The backup does not hold what the database held: {'; '.join(wrong)}. It was not kept.")


def _in_dump(dump: IO[bytes]) -> dict[str, sums.Sum]:
    program = tools.program("pg_restore", tools.server_major())
    argv = [program, "--data-only", "--file=-"]
    with subprocess.Popen(argv, stdin=dump, stdout=subprocess.PIPE, env=tools.environment()) as running:
        assert running.stdout is not None
        found = sums.of_dump(running.stdout)
    if running.returncode:
        raise Problem("pg_restore cannot read the dump that was just written. It was not kept.")
    return found


# --- Keeping them --------------------------------------------------------------------------------------


def tidy(folder: Path, *, keep: dt.timedelta, now: dt.datetime) -> list[Path]:
    """Remove backups that are older, but never the newest; those that were removed."""
    known = sorted((at, path) for path in folder.iterdir() if (at := _made_at(path)) is not None)
    old = [path for at, path in known[:-1] if now - at > keep]
    killed = [one for one in folder.glob(f"{UNFINISHED}*") if now.timestamp() - one.stat().st_mtime > 86_400]
    for path in (*old, *killed):
        path.unlink(missing_ok=True)
    return old


def _made_at(path: Path) -> dt.datetime | None:
    found = NAME.fullmatch(path.name)
    return dt.datetime.strptime(found[1], STAMP).replace(tzinfo=dt.UTC) if found else None
