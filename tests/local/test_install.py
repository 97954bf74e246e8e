"""Setting up from nothing: with the pip that is there, whatever was published since, from wherever pip looks."""

import os
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.install import pip_settings, uv_command, uv_environment
from tests.local.helpers import BASE_DIR

LOCKS = ("requirements.txt", "requirements-local.txt", "requirements-dev.txt")
INSTALL = BASE_DIR / "scripts" / "install.py"
# What Python 3.11.0 brought along, and what was newest when this was written.
OLDEST_PIP = "pip==22.3 --hash=sha256:1daab4b8d3b97d1d763caeb01a4640a2250a0ea899e257b1e44b9eded91e15ab"
NEWER_PIP = "pip==26.3 --hash=sha256:f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
PUBLISHED_LATER = "9999"


def pinned(lock: str) -> list[Requirement]:
    """Each requirement of a lock that this machine and Python take."""
    lines = (BASE_DIR / lock).read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line.removesuffix("\\")) for line in lines if re.match(r"[A-Za-z0-9]", line)]
    return [one for one in pins if one.marker is None or one.marker.evaluate()]


# --- the locks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", [*LOCKS, "requirements-uv.txt"])
def test_everything_is_pinned_with_hashes(lock: str) -> None:
    text = (BASE_DIR / lock).read_text(encoding="utf-8")
    pins = pinned(lock)
    assert pins
    assert all(re.fullmatch(r"==[^*,]+", str(one.specifier)) for one in pins)
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
    assert [block for block in blocks if re.match(r"[A-Za-z0-9]", block) and "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_whatever_is_asked_for_with_an_extra_is_pinned_with_it(lock: str) -> None:
    """An older pip takes `coverage[toml]` for another thing than `coverage`, looks for the newest, finds no hash."""
    pins = {canonicalize_name(one.name): one.extras for one in pinned(lock)}
    missing = [
        f"{name} asks for {wanted}"
        for name, extras in pins.items()
        for wanted in requirements_of(name, extras)
        if wanted.extras and not wanted.extras <= pins.get(canonicalize_name(wanted.name), set())
    ]
    assert missing == []


def requirements_of(name: str, extras: set[str]) -> list[Requirement]:
    found = [Requirement(text) for text in metadata.requires(name) or []]
    return [
        one
        for one in found
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in (extras or {""}) | {""})
    ]


# --- from nothing ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published_later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip and uv read as an index, with a newer release of every package of the locks."""
    folder = tmp_path_factory.mktemp("published-later")
    for name in {one.name for lock in LOCKS for one in pinned(lock)}:
        stem = f"{canonicalize_name(name).replace('-', '_')}-{PUBLISHED_LATER}"
        info = f"{stem}.dist-info"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {PUBLISHED_LATER}\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def environment(home: Path, **more: str) -> dict[str, str]:
    """This machine's own way to its index, and nothing that was kept at home."""
    drop = {"PIP_CACHE_DIR", "UV_CACHE_DIR", "VIRTUAL_ENV", "XDG_CACHE_HOME"}
    return {**{k: v for k, v in os.environ.items() if k not in drop}, "HOME": str(home), **more}


def fresh(folder: Path, pip: str, env: dict[str, str]) -> Path:
    """A virtual environment with this pip in it; returns its Python."""
    subprocess.run([sys._base_executable, "-m", "venv", folder], env=env, check=True)  # type: ignore[attr-defined]
    python = folder / "bin" / "python"
    wanted = folder / "pip.txt"
    wanted.write_text(pip)
    argv: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
        "--require-hashes",
    ]
    done = subprocess.run([*argv, "-r", wanted], env=env, capture_output=True, text=True, check=False)
    if done.returncode and "CI" not in os.environ:
        pytest.skip(f"no package index can be reached from here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return python


@pytest.mark.xdist_group("install")
@pytest.mark.parametrize(
    ("lock", "pip"),
    [
        # Each lock and each pip: pip installs uv alone, whichever lock uv takes afterwards.
        pytest.param("requirements.txt", NEWER_PIP, id="requirements.txt-newer-pip"),
        *(pytest.param(lock, OLDEST_PIP, id=f"{lock}-oldest-pip") for lock in LOCKS[1:]),
    ],
)
def test_a_lock_installs_whatever_was_published_since(
    lock: str, pip: str, published_later: Path, empty_home: Path, tmp_path: Path
) -> None:
    folders = f"{os.environ.get('PIP_FIND_LINKS', '')} {published_later}".strip()
    env = environment(empty_home, PIP_FIND_LINKS=folders)
    python = fresh(tmp_path / "venv", pip, environment(empty_home))

    done = subprocess.run([python, INSTALL, lock], cwd=BASE_DIR, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    script = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()), sep='\\n')"
    listed = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    installed = {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in listed}
    wanted = {canonicalize_name(one.name): str(one.specifier).removeprefix("==") for one in pinned(lock)}
    assert {name: installed.get(name) for name in wanted} == wanted
    assert set(installed) - set(wanted) <= {"pip", "setuptools", "wheel", "uv"}


def test_a_dead_index_is_a_plain_message(tmp_path: Path) -> None:
    env = environment(tmp_path, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0", PIP_CONFIG_FILE=os.devnull)
    subprocess.run([sys._base_executable, "-m", "venv", tmp_path / "venv"], check=True)  # type: ignore[attr-defined]
    argv = [tmp_path / "venv" / "bin" / "python", INSTALL, "requirements-local.txt"]
    done = subprocess.run(argv, cwd=BASE_DIR, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Installing failed; all of its words are in" in done.stderr
    assert "pip config set global.index-url URL" in done.stderr
    assert "Traceback" not in done.stderr


# --- where pip looks, uv looks ---------------------------------------------------------------------


def test_pip_s_settings_as_it_weighs_them_itself() -> None:
    lines = ["global.index-url='https://a/simple'", "install.index-url='https://b/simple'", "download.index-url='no'"]
    assert pip_settings(lines) == {"index-url": "https://b/simple"}
    assert pip_settings([*lines, ":env:.index-url='https://c/simple'"]) == {"index-url": "https://c/simple"}


def test_a_mirror_named_to_pip_is_asked_by_uv_too() -> None:
    pip = {"index-url": "https://mirror/simple", "find-links": "/a /b", "trusted-host": "mirror", "cert": "/c.pem"}
    env = uv_environment({"PATH": "/bin"}, pip)
    assert env == {
        "PATH": "/bin",
        "UV_DEFAULT_INDEX": "https://mirror/simple",
        "UV_FIND_LINKS": "/a,/b",
        "UV_INSECURE_HOST": "mirror",
        "SSL_CERT_FILE": "/c.pem",
    }


def test_a_person_s_own_settings_of_uv_count_only_where_they_say_where_to_look() -> None:
    environ = {"UV_DEFAULT_INDEX": "https://mine/simple", "UV_EXCLUDE_NEWER": "2020-01-01", "UV_SYSTEM_PYTHON": "1"}
    assert uv_environment(environ, {"index-url": "https://pip/simple"}) == {"UV_DEFAULT_INDEX": "https://mine/simple"}


def test_no_index_is_passed_on() -> None:
    assert "--no-index" in uv_command("requirements.txt", {"no-index": "true"})
    assert "--no-index" not in uv_command("requirements.txt", {"no-index": "false"})
