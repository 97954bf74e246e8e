"""`make run` and `make test` from outside: what people see, and that nothing survives them."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.local.helpers import Command, family, is_alive, wait_for, wait_until_gone
from trialsite.local.processes import free_port
from trialsite.local.run import SIGNALS, _catch_signals
from trialsite.local.services import Stack, remove_abandoned

RUN = ("-m", "tests.local.stub_site", "run")
LOCAL = ("-m", "trialsite.local")


class Site:
    """Starts commands on one folder and ends them all."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.var = folder / "var"
        self.port = free_port()
        self.commands: list[Command] = []

    def start(self, *words: str, **env: str) -> Command:
        out = self.folder / f"out-{len(self.commands)}"
        command = Command(*words, var=self.var, out=out, **{"PORT": str(self.port), **env})
        self.commands.append(command)
        return command

    def run(self, **env: str) -> Command:
        """`run`, up to its screen."""
        command = self.start(*RUN, **env)
        command.wait_for_words("a-password")
        return command


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    for command in site.commands:
        command.end()


def test_run_from_screen_to_ctrl_c(site: Site) -> None:
    run = site.run()
    screen = run.said()
    assert "[2/7] Starting PostgreSQL" in screen
    assert f"http://127.0.0.1:{site.port}/" in screen
    assert "coordinator  demo-coordinator  a-password" in screen

    second = site.start(*RUN)
    assert second.wait() == 1
    assert f"already running at http://127.0.0.1:{site.port}/" in second.said() or (
        f"Port {site.port} is used" in second.said()
    )
    third = site.start(*RUN, PORT=str(free_port()))
    assert third.wait() == 1
    assert f"already running at http://127.0.0.1:{site.port}/ (process {run.pid})" in third.said()

    processes = family(run.pid)
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 0
    assert "Stopped. The data is kept" in run.said()
    assert not [each for each in processes if is_alive(each)]

    manage = site.start(*LOCAL, "manage", "check")
    assert manage.wait() == 1
    assert "not running. Start it with `make run`" in manage.said()


def test_a_second_ctrl_c_does_not_wait(site: Site) -> None:
    run = site.run(STUB_DEAF="beat")
    processes = family(run.pid)
    started = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    run.wait_for_words("Stopping")
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 0
    assert time.monotonic() - started < 8, "the patience for one program is 10 s"
    wait_until_gone(processes)


def test_kill_9_leaves_no_process(site: Site) -> None:
    run = site.run(STUB_DEAF="pool")
    processes = family(run.pid)
    assert {"postgres", "valkey-server"} <= {each.name() for each in processes}
    run.process.kill()
    wait_until_gone(processes)


def test_the_next_start_cleans_up_when_even_the_reaper_was_killed(site: Site) -> None:
    run = site.run()
    processes = family(run.pid)
    [reaper] = [each for each in processes if any("reaper.py" in word for word in each.cmdline())]
    reaper.kill()
    run.process.kill()
    run.wait()
    assert [each for each in processes if is_alive(each)]
    again = site.run(PORT=str(free_port()))
    assert "that an earlier run had left behind" in again.said()
    wait_until_gone(processes)


def test_the_death_of_make_ends_the_run(site: Site) -> None:
    make = site.start("-c", f"import subprocess, sys; subprocess.call([sys.executable, *{RUN!r}])", MAKELEVEL="1")
    make.wait_for_words("a-password")
    processes = family(make.pid)
    make.process.kill()
    wait_until_gone(processes)


def test_a_taken_port_is_a_plain_message(site: Site) -> None:
    with socket.create_server(("127.0.0.1", site.port)):
        run = site.start(*RUN)
        assert run.wait() == 1
    assert f"Port {site.port} is used by" in run.said()
    assert "PORT=" in run.said()
    assert "Traceback" not in run.said()

    run = site.start(*RUN, PORT="80a")
    assert run.wait() == 1
    assert "PORT=80a cannot be used" in run.said()


@pytest.mark.parametrize(("failing", "name"), [("web", "web server"), ("manage", "manage prepare_database")])
def test_a_child_that_dies_is_named_with_its_last_words(site: Site, failing: str, name: str) -> None:
    run = site.start(*RUN, STUB_FAIL=failing)
    assert run.wait() == 1
    assert f"The {name} ended with exit code 1." in run.said()
    assert "the stub was told to fail" in run.said()
    assert "The disk is full" in run.said()
    assert "Traceback" not in run.said()


def test_a_child_killed_later_stops_the_run(site: Site) -> None:
    run = site.run()
    processes = family(run.pid)
    [server] = [each for each in processes if each.name() == "valkey-server"]
    server.kill()
    assert run.wait() == 1
    assert "The valkey was killed by signal 9" in run.said()
    wait_until_gone(processes)


# --- exec ------------------------------------------------------------------------------------------

SLEEP = "import os, time; print(os.environ['DATABASE_URL'], flush=True); time.sleep(600)"


def test_exec_returns_the_exit_code_and_removes_everything(site: Site) -> None:
    code = (
        "import os, psycopg, sys\n"
        "print(psycopg.connect(os.environ['DATABASE_URL']).execute('SELECT current_user').fetchone())\n"
        "print(psycopg.connect(os.environ['APP_DATABASE_URL']).execute('SELECT current_user').fetchone())\n"
        "sys.exit(7)"
    )
    command = site.start(*LOCAL, "exec", "--throwaway", "--", sys.executable, "-c", code, TMPDIR=str(site.folder))
    assert command.wait() == 7
    assert "trialsite_owner" in command.said()
    assert "trialsite_app" in command.said()
    assert not list(site.folder.glob("trialsite-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_exec_leaves_nothing_when_it_is_stopped(site: Site, number: signal.Signals) -> None:
    arguments = ("exec", "--throwaway", "--", sys.executable, "-c", SLEEP)
    command = site.start(*LOCAL, *arguments, TMPDIR=str(site.folder))
    command.wait_for_words("postgres://")
    processes: list[psutil.Process] = family(command.pid)
    command.process.send_signal(number)
    command.wait()
    wait_until_gone(processes)
    wait_for(lambda: not list(site.folder.glob("trialsite-*")), what="removal of the temporary folder")


def test_a_throwaway_that_nobody_ended_is_removed_by_the_next(site: Site) -> None:
    arguments = ("exec", "--throwaway", "--", sys.executable, "-c", SLEEP)
    command = site.start(*LOCAL, *arguments, TMPDIR=str(site.folder))
    command.wait_for_words("postgres://")
    processes = family(command.pid)
    [reaper] = [each for each in processes if any("reaper.py" in word for word in each.cmdline())]
    reaper.kill()
    command.process.kill()
    command.wait()
    [folder] = site.folder.glob("trialsite-*")
    remove_abandoned(site.folder)
    assert folder.exists(), "a young one may be just about to take its lock"
    os.utime(folder, (0, 0))
    remove_abandoned(site.folder)
    assert not folder.exists()
    wait_until_gone(processes)


def test_a_signal_in_the_last_step_of_closing_is_no_traceback(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "var", throwaway=False)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        stack.open()
        _catch_signals(stack)
        stack.close()
        signal.raise_signal(signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
