"""The message catalogue, without gettext's programs.

python -m scripts.messages                       update the catalogue from the code and compile it
python -m scripts.messages --check               change nothing; exit 1 for anything incomplete
python -m scripts.messages --untranslated FILE   write what has no translation as JSON
python -m scripts.messages --fill FILE           fill in translations from such a JSON
"""

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polib
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
APPS = ("trialsite", "participants", "dosing", "safety", "sponsor", "demo")
CATALOGUE = Path("locale/zh_Hans/LC_MESSAGES/django.po")
# Strings of the admin theme, which brings no Chinese of its own, one a line.
THEME = Path("locale/theme.txt")
# Function → positions of context, singular, plural.
KEYWORDS: dict[str, tuple[int | None, int, int | None]] = {
    "_": (None, 0, None),
    "gettext": (None, 0, None),
    "gettext_lazy": (None, 0, None),
    "mark": (None, 0, None),
    "ngettext": (None, 0, 1),
    "ngettext_lazy": (None, 0, 1),
    "pgettext": (0, 1, None),
    "pgettext_lazy": (0, 1, None),
    "npgettext": (0, 1, 2),
}
IN_TEMPLATE = re.compile(
    r"""(?<!\w)(n?p?gettext)\(((?:u?'(?:\\.|[^'\\])*'|u?"(?:\\.|[^"\\])*"|[^()'"])*)\)""", re.DOTALL
)
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*\}")


@dataclass(frozen=True)
class Message:
    msgid: str
    plural: str = ""
    context: str | None = None


def extract(root: Path = ROOT) -> dict[Message, set[str]]:
    """Every string that is marked for translation, with the files it stands in."""
    found: dict[Message, set[str]] = {}
    for path in _sources(root):
        name = path.relative_to(root).as_posix()
        for message in _in_python(path) if path.suffix == ".py" else _in_template(path):
            found.setdefault(message, set()).add(name)
    if (root / THEME).exists():
        for line in (root / THEME).read_text(encoding="utf-8").splitlines():
            if line.strip():
                found.setdefault(Message(line), set()).add(THEME.as_posix())
    return found


def _sources(root: Path) -> Iterator[Path]:
    for app in APPS:
        for path in sorted((root / app).rglob("*")):
            is_template = "templates" in path.parts and path.suffix in {".html", ".txt", ".svg"}
            if is_template or (path.suffix == ".py" and "migrations" not in path.parts):
                yield path


def _in_python(path: Path) -> Iterator[Message]:
    yield from _calls(ast.parse(path.read_text(encoding="utf-8")))


def _in_template(path: Path) -> Iterator[Message]:
    python_like = templatize(path.read_text(encoding="utf-8"), origin=str(path))
    for call in IN_TEMPLATE.finditer(python_like):
        yield from _calls(ast.parse(call.group(0).replace("\n", "\\n")))


def _calls(tree: ast.AST) -> Iterator[Message]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := _name(node.func)) in KEYWORDS:
            context, singular, plural = (
                None if position is None else _literal(node.args, position) for position in KEYWORDS[name]
            )
            if singular:
                yield Message(singular, plural or "", context)


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _literal(args: list[ast.expr], position: int) -> str | None:
    if position < len(args) and isinstance(node := args[position], ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def merged(root: Path = ROOT) -> polib.POFile:
    """The catalogue as the code wants it: translations kept, new strings empty, gone ones gone."""
    old = {(entry.msgid, entry.msgctxt): entry for entry in _load(root) if not entry.obsolete}
    new = polib.POFile(wrapwidth=100)
    new.metadata = {
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Language": "zh_Hans",
        "MIME-Version": "1.0",
        "Plural-Forms": "nplurals=1; plural=0;",
    }
    for message, files in sorted(extract(root).items(), key=lambda pair: (sorted(pair[1]), pair[0].msgid)):
        new.append(_entry(message, files, old.get((message.msgid, message.context))))
    return new


def _entry(message: Message, files: set[str], known: polib.POEntry | None) -> polib.POEntry:
    entry = polib.POEntry(
        msgid=message.msgid,
        msgctxt=message.context,
        occurrences=[(name, "") for name in sorted(files)],
        flags=["python-format"] if "%(" in message.msgid else [],
    )
    if known is not None and known.fuzzy:
        entry.flags.append("fuzzy")
    if message.plural:
        entry.msgid_plural = message.plural
        entry.msgstr_plural = {0: known.msgstr_plural.get(0, "") if known else ""}
    else:
        entry.msgstr = known.msgstr if known else ""
    return entry


def _load(root: Path) -> polib.POFile:
    path = root / CATALOGUE
    return polib.pofile(str(path), wrapwidth=100) if path.exists() else polib.POFile()


def problems(root: Path = ROOT) -> list[str]:
    """What keeps the catalogue from being complete, one sentence each."""
    wanted, stored = merged(root), _load(root)
    found = [f"untranslated: {_label(e)}" for e in wanted if not _translation(e)]
    found += [f"fuzzy: {_label(e)}" for e in wanted if e.fuzzy]
    found += [f"placeholders differ: {_label(e)}" for e in wanted if _translation(e) and not _same_places(e)]
    if _text(wanted) != _text(stored):
        found.append("the catalogue does not match the code: run `make fix`")
    compiled = (root / CATALOGUE).with_suffix(".mo")
    if not compiled.exists() or compiled.read_bytes() != wanted.to_binary():
        found.append("the compiled catalogue is out of date: run `make fix`")
    return found


def _text(catalogue: polib.POFile) -> str:
    return str(catalogue)


def _translation(entry: polib.POEntry) -> str:
    return str(entry.msgstr_plural.get(0, "") if entry.msgid_plural else entry.msgstr)


def _same_places(entry: polib.POEntry) -> bool:
    theirs = set(PLACEHOLDER.findall(_translation(entry)))
    return theirs in (
        {*PLACEHOLDER.findall(entry.msgid)},
        {*PLACEHOLDER.findall(entry.msgid_plural or entry.msgid)},
    )


def _label(entry: polib.POEntry) -> str:
    return f"{entry.msgid!r} ({', '.join(name for name, _line in entry.occurrences)})"


def update(root: Path = ROOT) -> None:
    catalogue = merged(root)
    path = root / CATALOGUE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_text(catalogue), encoding="utf-8")
    path.with_suffix(".mo").write_bytes(catalogue.to_binary())


def _key(entry: polib.POEntry) -> str:
    return entry.msgid if entry.msgctxt is None else f"{entry.msgctxt}\u0004{entry.msgid}"


def untranslated(root: Path = ROOT) -> dict[str, str]:
    return {_key(entry): "" for entry in merged(root) if not _translation(entry)}


def fill(translations: dict[str, str], root: Path = ROOT) -> None:
    catalogue = merged(root)
    for entry in catalogue:
        text = translations.get(_key(entry), "")
        if text and entry.msgid_plural:
            entry.msgstr_plural = {0: text}
        elif text:
            entry.msgstr = text
    (root / CATALOGUE).write_text(_text(catalogue), encoding="utf-8")
    update(root)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--untranslated", type=Path, metavar="FILE")
    parser.add_argument("--fill", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.check:
        found = problems()
        print("\n".join(found) or "The catalogue is complete.")
        return 1 if found else 0
    if options.untranslated:
        text = json.dumps(untranslated(), ensure_ascii=False, indent=1)
        options.untranslated.write_text(text, encoding="utf-8")
        return 0
    if options.fill:
        fill(json.loads(options.fill.read_text(encoding="utf-8")))
        return 0
    update()
    return 0


if __name__ == "__main__":
    sys.exit(main())
