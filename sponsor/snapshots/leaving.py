"""A stored file on its way out: whole or in parts, so that a download that broke off goes on where it stopped.

RFC 9110: one range of bytes, `If-Range` and `If-None-Match` by the file's checksum. What is asked for in several
ranges, or in words that are no range, is answered with the whole.
"""

import datetime as dt
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import http_date, parse_http_date_safe

CHUNK = 1 << 16
TYPES = {
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".xml": "application/xml; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".zip": "application/zip",
    ".xpt": "application/octet-stream",
}
OTHER_TYPE = "text/plain; charset=utf-8"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


@dataclass(frozen=True)
class Range:
    """Bytes from `start` up to `end`, which is not in it, of a file of `size`."""

    start: int
    end: int
    size: int

    @property
    def is_whole(self) -> bool:
        return self.start == 0 and self.end == self.size


class Unsatisfiable(Exception):
    """It begins behind the end of the file."""


def asked(request: HttpRequest, *, size: int, etag: str, modified: dt.datetime) -> Range:
    """Which part is asked for. Raises Unsatisfiable."""
    whole = Range(0, size, size)
    found = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if found is None or found[0] == "bytes=-" or not _is_still(request, etag, modified):
        return whole
    first, last = found[1], found[2]
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    if first and last and int(last) < int(first):
        return whole
    if start >= size or (not first and int(last) == 0):
        raise Unsatisfiable
    return Range(start, end, size)


def _is_still(request: HttpRequest, etag: str, modified: dt.datetime) -> bool:
    """Whether the file of which a part was fetched before is this one."""
    said = request.headers.get("If-Range")
    return said is None or said == etag or parse_http_date_safe(said) == int(modified.timestamp())


class Part:
    """Bytes of a file, chunk by chunk; closed with the answer, also where nobody read it to the end."""

    def __init__(self, file: IO[bytes], start: int, length: int) -> None:
        self._file, self._left = file, length
        file.seek(start)

    def __iter__(self) -> Iterator[bytes]:
        while self._left and (chunk := self._file.read(min(CHUNK, self._left))):
            self._left -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._file.close()


def stored(
    request: HttpRequest, path: Path, *, name: str, sha256: str, modified: dt.datetime, as_attachment: bool = True
) -> HttpResponseBase:
    """The answer with a stored file or the part of it that is asked for. Raises FileNotFoundError."""
    size, etag = path.stat().st_size, f'"{sha256}"'
    try:
        part = asked(request, size=size, etag=etag, modified=modified)
    except Unsatisfiable:
        response: HttpResponseBase = HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
        return _marked(response, etag, modified)
    if etag in [one.strip() for one in request.headers.get("If-None-Match", "").split(",")]:
        return _marked(HttpResponse(status=304), etag, modified)
    response = StreamingHttpResponse(
        Part(path.open("rb"), part.start, part.end - part.start),
        status=200 if part.is_whole else 206,
        content_type=TYPES.get(path.suffix, OTHER_TYPE),
    )
    response["Content-Length"] = str(part.end - part.start)
    if not part.is_whole:
        response["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{size}"
    if as_attachment:
        response["Content-Disposition"] = f'attachment; filename="{name}"'
    return _marked(response, etag, modified)


def _marked(response: HttpResponseBase, etag: str, modified: dt.datetime) -> HttpResponseBase:
    response["ETag"], response["Accept-Ranges"] = etag, "bytes"
    response["Last-Modified"] = http_date(modified.timestamp())
    return response


def begins(response: HttpResponseBase) -> bool:
    """Whether it hands out the beginning: so a download in parts counts its rows once."""
    return response.status_code == 200 or response.get("Content-Range", "").startswith("bytes 0-")


class Zipped:
    """The same as gzip, chunk by chunk."""

    def __init__(self, chunks: Any) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        press = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        for chunk in self._chunks:
            if pressed := press.compress(chunk):
                yield pressed
        yield press.flush()

    def close(self) -> None:
        self._chunks.close()
