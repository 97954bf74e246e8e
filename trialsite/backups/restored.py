"""Bringing a backup back into an empty database, and holding every table against what the backup told."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connection, transaction

from trialsite import codeage, fieldkeys, keyseals
from trialsite.backups import made, sealed, sums, tools
from trialsite.backups.problem import Problem


def restore(path: Path, *, private_key: Path | None) -> dict[str, Any]:
    """The manifest of what was brought back. Raises Problem; before the first row is written, or all is taken back."""
    beside = path.parent if os.access(path.parent, os.W_OK) else None
    with path.open("rb") as file, tempfile.TemporaryFile(dir=beside) as dump:
        with made.opened(_source(file, private_key)) as (manifest, extract):
            for reason in _against(manifest):
                raise Problem(reason)
            extract(dump)
        program = tools.program("pg_restore", tools.server_major())
        # One transaction: a restore that is killed leaves the database as empty as it was.
        fixed = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", "--no-comments"]
        tools.run([program, *fixed, f"--dbname={connection.settings_dict['NAME']}"], out_of=dump)
    told = {name: sums.Sum(**one) for name, one in manifest["tables"].items()}
    with transaction.atomic():
        found = sums.of_database()
    if wrong := sums.differing(told, found):
        raise Problem(f"The database does not hold what the backup held: {'; '.join(wrong)}. Do not use it.")
    return manifest


def _source(file: IO[bytes], private_key: Path | None) -> Any:
    is_sealed = file.read(len(sealed.MAGIC)) == sealed.MAGIC
    file.seek(0)
    if not is_sealed:
        return file
    if private_key is None:
        raise Problem("This backup is sealed: give --private-key FILE, which belongs to the BACKUP_PUBLIC_KEY of then.")
    return sealed.Reader(file, own=sealed.private_key(private_key))


def _against(manifest: dict[str, Any]) -> Iterator[str]:
    """What stands against bringing it back here, the first first."""
    if manifest.get("format") != made.FORMAT:
        yield f"The backup has format {manifest.get('format')}, this software reads {made.FORMAT}: use a newer version."
    if unknown := codeage.unknown_to_us(set(manifest["migrations"])):
        yield (
            f"The backup is of a newer version ({manifest['software']}, this is {settings.SOFTWARE_VERSION}): "
            f"{', '.join(unknown)} is not known here. Restore with that version."
        )
    if manifest["study"] != settings.STUDY:
        yield f"The backup is of the study {manifest['study']}, and STUDY is {settings.STUDY}. Set STUDY."
    if manifest["server_major"] > tools.server_major():
        yield (
            f"The backup is of PostgreSQL {manifest['server_major']}, this server is {tools.server_major()}: "
            "restore into that version or a newer one."
        )
    if any(fieldkeys.opened(token, keyseals.LABEL) is None for token in manifest["field_keys"]):
        yield (
            f"FIELD_KEYS does not belong to this backup: none of its {len(fieldkeys.ciphers())} opens the value that "
            "is sealed in it, and the names would stay unreadable. Put back the FIELD_KEYS of then, from your copy."
        )
    if count := _tables():
        yield (
            f"The database {connection.settings_dict['NAME']} is not empty: it has {count} tables. A backup is brought "
            "back into an empty one: createdb --owner OWNER NAME, then DATABASE_URL with that name."
        )


def _tables() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({sums.TABLES}) t")
        return int(cursor.fetchone()[0])
