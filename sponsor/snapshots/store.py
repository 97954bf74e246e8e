"""The folder of the snapshots' files: one folder each, which has its name only when it is whole.

While a worker makes one, it writes into a folder of that attempt alone; at the end the folder is renamed. Names hold
the label and numbers of ours, and only the program's own user reads them.
"""

import errno
import os
import re
import shutil
from pathlib import Path

from django.conf import settings

# Beside the files that are handed out: where each row of a dataset lies.
INDEX = ".index"
ROWS = ".rows"
_WORK = re.compile(r"work-(\d+)-(\d+)")
_LABEL = re.compile(r"\d{4}-\d{2}-\d{2}-\d+")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def root() -> Path:
    folder: Path = settings.SNAPSHOT_DIR
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def folder_of(label: str) -> Path:
    """Raises ValueError for what is no label of ours."""
    if not _LABEL.fullmatch(label):
        raise ValueError("no label of a snapshot")
    return Path(settings.SNAPSHOT_DIR) / label


def new_work(pk: int, attempt: int) -> Path:
    """An empty folder for this attempt, with one for the rows and one for their places within."""
    folder = root() / work_name(pk, attempt)
    remove(folder)
    for each in (folder, folder / ROWS, folder / INDEX):
        each.mkdir(mode=0o700)
    return folder


def keep(work: Path, label: str) -> None:
    """Give a whole snapshot its name; what an attempt that was lost at this very step has left makes way."""
    remove(work / ROWS)
    target = folder_of(label)
    remove(target)
    for path in (*work.rglob("*"), work):
        _write_through(path)
    work.rename(target)


def _write_through(path: Path) -> None:
    """To the disk itself: what is called whole is whole after a power cut, too."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def found() -> list[str]:
    """The names of the folders of ours that are there; what we do not know is nobody's to remove."""
    return [one.name for one in root().iterdir() if _WORK.fullmatch(one.name) or _LABEL.fullmatch(one.name)]


def work_name(pk: int, attempt: int) -> str:
    return f"work-{pk}-{attempt}"
