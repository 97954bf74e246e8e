"""A mail as bytes: a text and the same as HTML.

The library's mails can be taken apart and put together, and cost as much as a third of a whole delivery. Ours all have
one form.
"""

import base64
import re
import secrets
from email.header import Header
from email.utils import formatdate

OF_A_MACHINE = {"Auto-Submitted": "auto-generated"}
# RFC 5322, 2.1.1, without the line's end.
LONGEST_LINE = 998
LINE_END = re.compile(r"\r\n|\r|\n")


def written(*, subject: str, sender: str, to: str, text: str, html: str, message_id: str) -> bytes:
    """`sender` and `to` as they may stand in a header. ValueError: one of these cannot."""
    boundary = f"=_{secrets.token_hex(16)}"
    headers = {
        "From": sender,
        "To": to,
        "Subject": _subject(subject),
        "Date": formatdate(),
        "Message-ID": message_id,
        **OF_A_MACHINE,
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/alternative; boundary="{boundary}"',
    }
    dashes = f"--{boundary}".encode()
    parts = (b"", dashes, _part("plain", text), dashes, _part("html", html), dashes + b"--", b"")
    return _block(headers) + b"\r\n".join(parts)


def _subject(words: str) -> str:
    if LINE_END.search(words):
        raise ValueError("a subject in two lines")
    return Header(words, "us-ascii" if words.isascii() else "utf-8", header_name="Subject").encode(linesep="\r\n")


def _block(headers: dict[str, str]) -> bytes:
    """ASCII, as everything in it is by now."""
    for name, value in headers.items():
        if LINE_END.search(value.replace("\r\n ", "")):
            raise ValueError(f"{name} in two lines")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("ascii")


def _part(kind: str, content: str) -> bytes:
    """Readable as it is where it is plain enough for every server, else as base64 (RFC 2045, 6)."""
    lines = LINE_END.split(content.rstrip("\r\n"))
    plain = "\r\n".join([*lines, ""]).encode()
    is_readable = content.isascii() and all(len(line) <= LONGEST_LINE for line in lines)
    headers = {
        "Content-Type": f'text/{kind}; charset="utf-8"',
        "Content-Transfer-Encoding": "7bit" if is_readable else "base64",
    }
    return _block(headers) + b"\r\n" + (plain if is_readable else base64.encodebytes(plain).replace(b"\n", b"\r\n"))
