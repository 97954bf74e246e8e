"""The Chinese names of CTCAE's terms out of the MedDRA release that a site holds: its file llt.asc.

Source: MedDRA Distribution File Format Document [M]: text without a heading, a term in each line, fields separated
by "$": the code of the lowest level term, its name, and more that is not needed. The newer releases are in UTF-8;
GB18030 is what a Chinese computer may have made of it. MedDRA is licensed: only names of codes that CTCAE uses are
kept, and only for the site that holds the licence.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation import gettext as _

from safety.ctcae.catalogue import HAN, VERSIONS, terms

# A file of MedDRA's terms has some ten megabytes.
MAX_MEGABYTES = 100
LONGEST_NAME = 200
CODE = re.compile(r"1\d{7}")
RELEASE_FILE = "meddra_release.asc"


class NamesProblem(ValueError):
    """The file is no llt.asc of a Chinese release; `line` is where that shows, if it is one line."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        self.reason, self.line = reason, line
        super().__init__(reason, line)

    def __str__(self) -> str:
        return _("line %(line)s: %(reason)s") % {"line": self.line, "reason": self.reason} if self.line else self.reason


@dataclass(frozen=True)
class Names:
    """Chinese names by MedDRA code, of those codes only that CTCAE uses; `lines` is how many terms the file has."""

    by_code: Mapping[str, str]
    lines: int


def ctcae_codes() -> frozenset[str]:
    return frozenset(one.code for version in VERSIONS for one in terms(version))


def read(path: Path) -> Names:
    """The file's names. Raises NamesProblem, with the line, for anything that is not MedDRA's shape."""
    wanted = ctcae_codes()
    found: dict[str, str] = {}
    seen: set[str] = set()
    for number, code, name in _terms(_text(path)):
        if code in seen:
            raise NamesProblem(_("code %(code)s is there twice") % {"code": code}, number)
        seen.add(code)
        if code in wanted:
            found[code] = name
    _check_content(found, seen)
    return Names(found, len(seen))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_MEGABYTES * 1_000_000:
            raise NamesProblem(_("the file is larger than any list of MedDRA's terms"))
        content = path.read_bytes()
    except OSError as error:
        raise NamesProblem(_("the file cannot be read: %(error)s") % {"error": error.strerror}) from None
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise NamesProblem(_("the file is text neither in UTF-8 nor in GB18030"))


def _terms(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, code and name of each term; every line has as many fields as the first one."""
    width = 0
    # Not splitlines: it would take rare signs inside a name for the end of a line.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        fields = [field.strip() for field in line.split("$")]
        width = width or len(fields)
        if problem := _wrong(fields, width):
            raise NamesProblem(problem, number)
        yield number, fields[0], fields[1]


def _wrong(fields: list[str], width: int) -> str:
    if len(fields) < 3:
        return _("MedDRA's llt.asc has “code$name$…” in each line, and this one has not")
    if len(fields) != width:
        return _("%(given)s fields where the lines above have %(width)s") % {"given": len(fields), "width": width}
    if not CODE.fullmatch(fields[0]):
        return _("“%(code)s” is no MedDRA code of eight digits") % {"code": fields[0][:40]}
    if not fields[1] or len(fields[1]) > LONGEST_NAME:
        return _("code %(code)s has no name, or one of more than %(limit)s characters") % {
            "code": fields[0],
            "limit": LONGEST_NAME,
        }
    return ""


def _check_content(found: Mapping[str, str], seen: set[str]) -> None:
    if not seen:
        raise NamesProblem(_("the file is empty"))
    if not found:
        raise NamesProblem(_("none of its %(count)s codes is one that CTCAE uses") % {"count": len(seen)})
    chinese = sum(bool(HAN.search(name)) for name in found.values())
    if chinese * 2 < len(found):
        raise NamesProblem(_("its names are not Chinese: take llt.asc of the Chinese release"))


def release_beside(path: Path) -> str:
    """The release's number as the file beside llt.asc states it, "" where there is none."""
    beside = path.parent / RELEASE_FILE
    if not beside.is_file():
        return ""
    release = beside.read_bytes()[:40].decode("utf-8-sig", "replace").partition("$")[0].strip()
    return release if re.fullmatch(r"\d{1,2}\.\d", release) else ""
