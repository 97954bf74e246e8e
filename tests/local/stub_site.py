"""Stands in for the site: `run` is the real one, the programs it starts are small.

    python -m tests.local.stub_site run

STUB_FAIL names the one that ends at once with an error, STUB_DEAF the one that does not end when asked.
"""

import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer


def run() -> int:
    # Imported here only: the small programs should start fast.
    from trialsite.local.run import main
    from trialsite.local.services import Programs

    me = (sys.executable, "-m", "tests.local.stub_site")
    programs = Programs(manage=(*me, "manage"), web=(*me, "web", "{port}"), worker=(*me, "worker"), beat=(*me, "beat"))
    return main(["run"], programs)


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()


def idle() -> None:
    while True:
        time.sleep(60)


def serve(port: int) -> None:
    HTTPServer(("127.0.0.1", port), Healthy).serve_forever()


def work() -> None:
    """Like a pool: a child of its own, which may be deaf while its parent is not."""
    if os.fork() == 0 and os.environ.get("STUB_DEAF") == "pool":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    idle()


def manage(words: list[str]) -> None:
    if words == ["demo", "--if-empty", "--logins"]:
        print("built\n\ncoordinator  demo-coordinator  a-password")
    elif words == ["prepare_database"]:
        assert "trialsite_owner" in os.environ["DATABASE_URL"]
    else:
        assert "trialsite_app" in os.environ["DATABASE_URL"]


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    if verb == "run":
        sys.exit(run())
    if os.environ.get("STUB_FAIL") == verb:
        sys.exit("the stub was told to fail: No space left on device")
    if os.environ.get("STUB_DEAF") == verb:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if verb == "manage":
        manage(rest)
    elif verb == "web":
        serve(int(rest[0]))
    elif verb == "worker":
        work()
    else:
        idle()
