"""What scripts/try_compose.sh runs inside a container, with Python's standard library alone.

python - sink                  a mail server on port 2525 that keeps nothing, and prints the Message-ID of each mail
python - person LINK DOOR      follows a one-time link as its person does: password, telephone, first page
python - ask URL HOST SECONDS  asks ten times a second until SIGTERM; how many answers were not 200, the longest wait
"""

import base64
import hmac
import html
import http.client
import http.cookies
import re
import signal
import socketserver
import struct
import sys
import time
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

PASSWORD = "four words on paper"  # of a site that is thrown away


class Mail(socketserver.StreamRequestHandler):
    """Enough of SMTP (RFC 5321) for one sender."""

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def handle(self) -> None:
        self.say("220 sink")
        while line := self.rfile.readline():
            word = line[:4].upper().strip()
            if word == b"DATA":
                self.say("354 go on")
                self.keep()
            elif word == b"QUIT":
                self.say("221 bye")
                return
            self.say("250 ok")

    def keep(self) -> None:
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            if line.lower().startswith(b"message-id:"):
                print(line.decode().split(":", 1)[1].strip(), flush=True)


class Browser:
    """Keeps its cookies, follows where it is sent, and fills in the forms' own token."""

    def __init__(self, door: str, host: str) -> None:
        self.door, self.host = door, host
        self.cookies: dict[str, str] = {}

    def ask(self, path: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        headers = {
            "Host": self.host,
            "X-Forwarded-Proto": "https",
            "Referer": f"https://{self.host}/",
            "Accept-Language": "en",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        body = None
        if form is not None:
            body = urlencode({**form, "csrfmiddlewaretoken": self.cookies["__Host-csrftoken"]})
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(self.door, timeout=60)
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        for line in answer.headers.get_all("Set-Cookie", []):
            self.cookies |= {name: one.value for name, one in http.cookies.SimpleCookie(line).items()}
        if answer.status in {301, 302}:
            found = urlsplit(answer.headers["Location"])
            return self.ask(found.path + (f"?{found.query}" if found.query else ""))
        return answer.status, text


def code(secret: str) -> str:
    """The six digits of now (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30), "sha1")
    (number,) = struct.unpack_from(">I", digest, digest[-1] & 15)
    return f"{(number & 0x7FFFFFFF) % 10**6:06}"


def person(link: str, door: str) -> None:
    found = urlsplit(link)
    browser = Browser(door, found.netloc)
    browser.ask(f"{found.path}?{found.query}")
    _status, page = browser.ask(found.path, {"new_password1": PASSWORD, "new_password2": PASSWORD})
    secret = re.search(r"\b(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}\b", html.unescape(page))
    if secret is None:
        sys.exit("the page that connects a telephone did not come")
    browser.ask("/admin/factor/setup/", {"code": code(secret[0].replace(" ", ""))})
    status, page = browser.ask("/admin/")
    sheets = re.findall(r'href="(/static/[^"]+\.css)"', page)
    if status != 200 or "logout" not in page or not sheets or browser.ask(sheets[0])[0] != 200:
        sys.exit(f"nobody is inside: {status}, {len(sheets)} style sheets")
    print("inside")


def ask(url: str, host: str, seconds: str) -> None:
    found = urlsplit(url)
    failed: list[int | str] = []
    asked, longest = 0, 0.0
    end: list[float] = [time.monotonic() + float(seconds)]
    signal.signal(signal.SIGTERM, lambda *_: end.append(0))
    while (now := time.monotonic()) < min(end):
        asked += 1
        status: int | str
        try:
            connection = http.client.HTTPConnection(found.netloc, timeout=20)
            connection.request("GET", found.path, headers={"Host": host, "X-Forwarded-Proto": "https"})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            status = type(error).__name__
        if status != 200:
            failed.append(status)
        took = time.monotonic() - now
        longest = max(longest, took)
        time.sleep(max(0.0, 0.1 - took))
    print(f"asked {asked}, failed {len(failed)} {sorted(set(map(str, failed)))}, longest {longest:.2f} s")
    sys.exit(bool(failed))


def sink() -> None:
    socketserver.ThreadingTCPServer(("", 2525), Mail).serve_forever()


if __name__ == "__main__":
    does: dict[str, Callable[..., None]] = {"sink": sink, "person": person, "ask": ask}
    does[sys.argv[1]](*sys.argv[2:])
