"""From the folder of a study to its protocol versions. Files with mistakes give all of them at once."""

import datetime as dt
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from pydantic import ValidationError

from trialsite.study.checks import compare
from trialsite.study.mistakes import (
    Mistake,
    StudyFileError,
    dotted,
    key_lines,
    nearest_line,
    plain,
    shown,
    syntax_mistake,
)
from trialsite.study.parts import Location
from trialsite.study.protocol import Protocol, Study

STUDIES = Path(__file__).resolve().parent.parent / "studies"


def load_protocol(file: Path) -> Protocol:
    """One protocol version. Raises StudyFileError with all mistakes of the file."""
    protocol, mistakes = _read(file)
    if protocol is None or mistakes:
        raise StudyFileError(mistakes)
    return protocol


def _read(file: Path) -> tuple[Protocol | None, list[Mistake]]:
    try:
        text = file.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except OSError as error:
        return None, [Mistake(file, f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        return None, [Mistake(file, f"is not UTF-8 text: byte {error.start} does not fit")]
    except tomllib.TOMLDecodeError as error:
        return None, [syntax_mistake(file, text, error)]
    return _validate(file, text, raw)


def _validate(file: Path, text: str, raw: dict[str, Any]) -> tuple[Protocol | None, list[Mistake]]:
    sections: dict[str, Any] = {}
    found: list[tuple[Location, object, str]] = []
    protocol = None
    try:
        protocol = Protocol.model_validate(_with_tuples(raw), context=sections)
    except ValidationError as error:
        found += [plain(one) for one in error.errors()]
    found += compare(sections)
    lines = key_lines(text)
    return protocol, [
        Mistake(file, reason, dotted(place), nearest_line(lines, place), shown(value)) for place, value, reason in found
    ]


def _with_tuples(value: Any) -> Any:
    """Strict models take tuples only, so that nothing that was read can change later."""
    if isinstance(value, list):
        return tuple(_with_tuples(one) for one in value)
    if isinstance(value, dict):
        return {key: _with_tuples(one) for key, one in value.items()}
    return value


def load_study(folder: Path) -> Study:
    """All `*.toml` of the folder, oldest version first. Raises StudyFileError with the mistakes of all files."""
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise StudyFileError([Mistake(folder, _no_files(folder))])
    mistakes: list[Mistake] = []
    read: list[tuple[Path, Protocol]] = []
    for file in files:
        protocol, found = _read(file)
        mistakes += found
        if protocol is not None:
            read.append((file, protocol))
    mistakes += _check_versions(read)
    if mistakes:
        raise StudyFileError(mistakes)
    return Study({protocol.version: protocol for _, protocol in sorted(read, key=lambda one: one[1].effective_on)})


def _no_files(folder: Path) -> str:
    if folder.is_dir():
        return "holds no protocol version: a study is one v<version>.toml for each"
    others = sorted(one.name for one in folder.parent.glob("*") if one.is_dir())
    return f"does not exist; STUDY names one of: {', '.join(others) or 'none yet'}"


def _check_versions(read: Iterable[tuple[Path, Protocol]]) -> Iterator[Mistake]:
    """Across the files: each has the name of its version, its own day to take effect, and the same study."""
    days: dict[dt.date, Path] = {}
    studies: set[str] = set()
    for file, protocol in read:
        lines = key_lines(file.read_text(encoding="utf-8"))
        if file.name != f"v{protocol.version}.toml":
            reason = f"the file of this version is called v{protocol.version}.toml"
            yield Mistake(file, reason, "version", lines.get(("version",)), shown(protocol.version))
        if protocol.effective_on in days:
            reason = f"{days[protocol.effective_on].name} takes effect on the same day; nobody could tell which holds"
            yield Mistake(file, reason, "effective_on", lines.get(("effective_on",)), str(protocol.effective_on))
        if studies and protocol.registry_id not in studies:
            reason = "another file of this folder belongs to another study"
            yield Mistake(file, reason, "registry_id", lines.get(("registry_id",)), shown(protocol.registry_id))
        days.setdefault(protocol.effective_on, file)
        studies.add(protocol.registry_id)


@cache
def _cached(name: str) -> Study:
    return load_study(STUDIES / name)


def get_study() -> Study:
    """The study of this installation, read once."""
    return _cached(settings.STUDY)
