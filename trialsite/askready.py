"""For the health check of the web server's container: what /readyz says of database, broker and keys.

python -I -S trialsite/askready.py      exit 1 with what is wrong; needs nothing but Python itself, and 20 ms

Sweeps and mail are not the web server's: their silence shows at the container of `watch`.
"""

import json
import os
import socket
import sys

OURS = ("database", "broker", "keys")
SECONDS = 8


def ask(port: int) -> dict[str, object]:
    """The parts of /readyz; asked by a name of the site's own, whichever those are."""
    name = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".")
    host = name if name and name != "*" else "127.0.0.1"
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        connection.sendall(f"GET /readyz HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            _head, _empty, body = answer.read().partition(b"\r\n\r\n")
    found: dict[str, object] = json.loads(body)
    return found


def wrong(parts: dict[str, object]) -> dict[str, object]:
    return {name: one for name in OURS if not (isinstance(one := parts.get(name), dict) and one.get("ok"))}


if __name__ == "__main__":
    try:
        faults = wrong(ask(int(os.environ.get("PORT") or 8000)))
    except (OSError, ValueError) as error:
        sys.exit(f"/readyz does not answer: {error}")
    if faults:
        sys.exit(json.dumps(faults))
