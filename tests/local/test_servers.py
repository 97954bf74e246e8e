"""PostgreSQL and Valkey under a folder: private, kept between starts, and started again after any death."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from tests.local.helpers import family, wait_until_gone
from trialsite.local import postgres
from trialsite.local.postgres import APP, OWNER
from trialsite.local.problem import Problem
from trialsite.local.processes import Supervisor
from trialsite.local.services import Stack


def query(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_both_servers_are_private_and_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The traps of a user's shell: a locale this machine lacks, and variables that lead elsewhere.
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    monkeypatch.setenv("PGOPTIONS", "--nonsense=1")
    monkeypatch.setenv("SECRET_KEY_FILE", "/nowhere")
    var = tmp_path / "a folder with 'quotes' and spaces"
    others = set(family(os.getpid()))
    with Stack(var) as stack:
        assert not {"PGOPTIONS", "SECRET_KEY_FILE"} & stack.env.keys()
        monkeypatch.delenv("PGOPTIONS")
        app, owner = stack.postgres.url(APP), stack.postgres.url(OWNER)
        assert query(app, "SELECT current_user") == APP
        locale = "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = current_database()"
        assert query(app, locale) == "bC.UTF-8"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            query(app, "CREATE TABLE public.mine (n int)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            query(app, "CREATE DATABASE mine")
        query(owner, "CREATE DATABASE test_trialsite")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(app.replace(stack.postgres.passwords[APP], "wrong"))
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=stack.valkey.port).ping()
        assert mode(var) == 0o700
        for name in ("secrets.env", "run.json", "postgres/passwords.json", "valkey/valkey.conf"):
            assert mode(var / name) == 0o600, name
        ours = set(family(os.getpid())) - others
        processes = [each for each in ours if each.name() in {"postgres", "valkey-server"}]
        assert len(processes) > 2
        assert not [word for each in processes for word in each.cmdline() if stack.valkey.password in word]
    wait_until_gone(processes)
    assert not (var / "run.json").exists()


def test_data_and_keys_are_kept_between_starts_and_after_kill_9(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        keys = stack.env["SECRET_KEY"], stack.env["FIELD_KEYS"]
        query(stack.postgres.url(OWNER), "CREATE TABLE kept AS SELECT 42 AS n")
        redis.Redis.from_url(stack.valkey.url).rpush("queue", "id-1")
        for service in (stack.postgres.service, stack.valkey.service):
            assert service is not None
            if service is stack.valkey.service:
                # Written to its file at most a second later; we ask it not to wait.
                assert redis.Redis.from_url(stack.valkey.url).waitaof(1, 0, 5000)
            service.kill()
    assert (tmp_path / "postgres/server/data/postmaster.pid").exists()
    with Stack(tmp_path) as stack:
        assert (stack.env["SECRET_KEY"], stack.env["FIELD_KEYS"]) == keys
        assert query(stack.postgres.url(OWNER), "SELECT n FROM kept") == 42
        assert redis.Redis.from_url(stack.valkey.url).lrange("queue", 0, -1) == [b"id-1"]


def test_a_stale_pid_file_does_not_stop_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Stack(tmp_path, throwaway=True):
        pass
    pid_file = tmp_path / "postgres/server/data/postmaster.pid"
    monkeypatch.setattr(postgres, "ZOMBIE_PATIENCE", 0.2)
    zombie = subprocess.Popen(["true"])
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        for other in (zombie, stranger):
            pid_file.write_text(f"{other.pid}\n{pid_file.parent}\n")
            with Stack(tmp_path, throwaway=True) as stack:
                assert query(stack.postgres.url(APP), "SELECT 1") == 1
        assert stranger.poll() is None, "a stranger with that PID must not be killed"
    finally:
        stranger.kill()
        stranger.wait()
        zombie.wait()


def test_lost_keys_or_passwords_are_a_plain_message(tmp_path: Path) -> None:
    with Stack(tmp_path, throwaway=True):
        pass
    (tmp_path / "postgres/passwords.json").unlink()
    with pytest.raises(Problem, match=r"passwords\.json is missing"), Stack(tmp_path):
        pass
    (tmp_path / "secrets.env").unlink()
    with pytest.raises(Problem, match=r"secrets\.env is missing"), Stack(tmp_path):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must become someone else")
@pytest.mark.parametrize("disguise", ["_mapped", "_nobody_with_access", "_nobody_with_copy"])
def test_root_becomes_someone_else(disguise: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("root")
    if disguise == "_nobody_with_copy":  # this one needs a path that every user may enter
        for each in [folder, *folder.parents[:3]]:
            if each != Path("/tmp"):
                each.chmod(0o711)
    names = {"_mapped", "_nobody_with_access", "_nobody_with_copy"} - {disguise}
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(postgres, name, lambda scratch: None)
        supervisor = Supervisor(str(folder), folder)
        server = postgres.Postgres(folder, supervisor, throwaway=True)
        try:
            server.start()
        except Problem as problem:
            assert "refuses to run as root" in str(problem)
            pytest.skip(f"this machine does not allow {disguise}")
        else:
            assert query(server.url(APP), "SELECT current_user") == APP
        finally:
            supervisor.stop_all()
            server.clean()


class Usage:
    free = 12_345_678


def test_a_full_disk_is_a_plain_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    with pytest.raises(Problem, match="Only 12 MB are free"), Stack(tmp_path):
        pass
