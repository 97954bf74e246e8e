"""What stands in a PDF of ours, page by page: read from the file itself, by the map that lets a reader copy text."""

import re
import zlib

OBJECT = re.compile(rb"(?:^|\n)(\d+) 0 obj\n")
SHOWN = re.compile(rb"(?:/(F\d+) [\d.]+ Tf)|\(((?:\\.|[^\\)])*)\) ?Tj|\[((?:\((?:\\.|[^\\)])*\)|[^\]()])*)\] ?TJ", re.S)
STRING = re.compile(rb"\(((?:\\.|[^\\)])*)\)", re.S)
ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def pages_of(pdf: bytes) -> list[str]:
    """The text of each page, one piece a line, in the order in which it was written."""
    objects = _objects(pdf)
    fonts = {name: _letters(objects, pk) for name, pk in re.findall(rb"/(F\d+) (\d+) 0 R", pdf)}
    contents = [
        re.search(rb"/Contents (\d+) 0 R", one) for one in objects.values() if re.search(rb"/Type /Page\b", one)
    ]
    return [_text(_stream(objects[found[1]]), fonts) for found in contents if found]


def words_of(pdf: bytes) -> str:
    """All of it without spaces and ends of lines: however a line was broken."""
    return "".join("".join(pages_of(pdf)).split())


def _objects(pdf: bytes) -> dict[bytes, bytes]:
    starts = list(OBJECT.finditer(pdf))
    ends = [one.start() for one in starts[1:]] + [len(pdf)]
    return {one[1]: pdf[one.end() : end] for one, end in zip(starts, ends, strict=True)}


def _stream(one: bytes) -> bytes:
    head, _stream, body = one.partition(b"stream\n")
    found = re.search(rb"/Length (\d+)", head)
    assert found is not None
    body = body[: int(found[1])]
    return zlib.decompress(body) if b"/FlateDecode" in head else body


def _letters(objects: dict[bytes, bytes], font: bytes) -> dict[bytes, str]:
    found = re.search(rb"/ToUnicode (\d+) 0 R", objects[font])
    assert found is not None, "a text that cannot be copied"
    pairs = re.findall(rb"<([0-9A-F]{4})> <([0-9A-F]{4,8})>", _stream(objects[found[1]]))
    return {bytes.fromhex(code.decode()): bytes.fromhex(letter.decode()).decode("utf-16-be") for code, letter in pairs}


def _text(content: bytes, fonts: dict[bytes, dict[bytes, str]]) -> str:
    pieces, letters = [], next(iter(fonts.values()))
    for font, one, several in SHOWN.findall(content):
        if font:
            letters = fonts[font]
            continue
        raw = b"".join(map(_unescaped, STRING.findall(several) if several else [one]))
        pieces.append("".join(letters[raw[at : at + 2]] for at in range(0, len(raw), 2)))
    return "\n".join(pieces)


def _unescaped(raw: bytes) -> bytes:
    return re.sub(rb"\\(.)", lambda found: ESCAPED.get(found[1], found[1]), raw, flags=re.S)
