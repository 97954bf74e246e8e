"""How gunicorn serves the site: `python -m gunicorn --config python:trialsite.serving`.

The environment decides what differs between machines: LISTEN (address and port), WEB_CONCURRENCY (processes),
WEB_THREADS (in each), LOG_LEVEL. Nothing here needs Django's settings: they are read when the application is loaded.
"""

import os
from typing import Any

from gunicorn.glogging import Logger

from trialsite import callers, counting, logs

wsgi_app = "trialsite.wsgi"
bind = os.environ.get("LISTEN") or "127.0.0.1:8000"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
threads = int(os.environ.get("WEB_THREADS") or 4)
# Read once, before the processes are made: each begins at once, and all count into one memory.
preload_app = True
# A request may take as long as the biggest print; who stops the site waits no longer than that for what is under way.
timeout = graceful_timeout = 30
# It would write into the home of a user that has none.
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # memory: a slow disk stops no heart
logconfig_dict = logs.config(os.environ.get("LOG_LEVEL") or "INFO")
# Without the query: what people search for, and the secret of a calendar link, belong in no log.
access_log_format = "%(m)s %(U)s %(s)s"


class AccessLogger(Logger):  # type: ignore[misc]
    """gunicorn's own, with the facts of the request beside the words."""

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> None:
        status = int(str(resp.status).split(maxsplit=1)[0])
        counting.count(status, request_time.total_seconds())
        facts = {
            "method": environ.get("REQUEST_METHOD", ""),
            "path": environ.get("PATH_INFO", ""),
            "status": status,
            "bytes": getattr(resp, "sent", None) or 0,
            "ms": round(request_time.total_seconds() * 1000),
            "from": callers.address(
                environ.get("REMOTE_ADDR", ""),
                environ.get("HTTP_X_FORWARDED_FOR", ""),
                proxies=int(os.environ.get("NUM_PROXIES") or 0),
            ),
        }
        words = "%(method)s %(path)s %(status)s"
        self.access_log.info(words, facts, extra={"facts": facts})


logger_class = AccessLogger


def post_fork(server: Any, worker: Any) -> None:
    """Each process counts in a place of its own."""
    counting.take_place(worker.age)
