"""The production shape: secrets from outside, checks of health, rights no wider than needed."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
LONG_RUNNING = {name: service for name, service in COMPOSE["services"].items() if name not in {"migrate", "backup"}}
PRODUCTION = {
    "LOCAL": "0",
    "SECRET_KEY": "o8Zk3-x7Qw_1mN5vB9cR2tY6uI0pL4aS8dF1gH3jK5lM7nB9vC2xZ",
    "SITE_URL": "https://trialsite.example.org",
    "ALLOWED_HOSTS": "trialsite.example.org",
    "CSRF_TRUSTED_ORIGINS": "https://trialsite.example.org",
}


def manage(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        env={**os.environ, **PRODUCTION, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_check_deploy_is_clean() -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [["demo"], ["demo", "--if-empty"], ["demo", "--logins"]])
def test_demo_data_and_logins_need_a_local_site(words: list[str]) -> None:
    done = manage(*words)
    assert done.returncode == 1
    assert "LOCAL is off" in done.stderr


@pytest.mark.parametrize("name", ["SECRET_KEY", "FIELD_KEYS", "DATABASE_URL", "REDIS_URL", "EMAIL_URL"])
def test_a_missing_secret_stops_the_start_and_says_how_to_go_on(name: str) -> None:
    done = manage("check", **{name: ""})
    assert done.returncode == 1
    assert f"{name} is not set" in done.stderr
    assert ".env.example" in done.stderr


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_every_service_has_a_health_check(name: str) -> None:
    assert LONG_RUNNING[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_no_password_is_written_down(name: str) -> None:
    for key, value in COMPOSE["services"][name].get("environment", {}).items():
        if re.search("PASSWORD|SECRET|KEYS", key) and not key.startswith("FORMER_") and value is not None:
            assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), f"{key} must come from outside, without a default"
        if key.endswith("_URL") and "$" not in value:
            assert not re.search("://[^/@]*:[^/@]*@", value), f"{key} holds a password"


def read_by_settings() -> set[str]:
    text = (ROOT / "trialsite" / "settings.py").read_text(encoding="utf-8")
    return set(re.findall(r'env\.\w+\(\s*"(\w+)"', text))


def test_every_variable_is_explained() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{(\w+)", text)) | read_by_settings()
    assert not {name for name in asked if f"{name}=" not in EXAMPLE}


@pytest.mark.parametrize("name", ["migrate", "web", "worker", "beat"])
def test_every_setting_reaches_the_containers(name: str) -> None:
    assert read_by_settings() <= set(COMPOSE["services"][name]["environment"])


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_no_process_gains_rights(name: str) -> None:
    assert "no-new-privileges:true" in COMPOSE["services"][name]["security_opt"]


@pytest.mark.parametrize("name", ["migrate", "web", "worker", "beat"])
def test_the_code_cannot_be_changed_where_it_runs(name: str) -> None:
    assert COMPOSE["services"][name]["read_only"] is True


def test_the_image_runs_as_an_ordinary_user() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1] not in {"root", "0"}
    assert LONG_RUNNING["redis"]["user"] == "redis"


def test_the_application_logs_in_with_its_own_role() -> None:
    for name in ("web", "worker", "beat", "watch"):
        assert "//trialsite_app@" in LONG_RUNNING[name]["environment"]["DATABASE_URL"]
        assert "OWNER" not in str(LONG_RUNNING[name])
    assert "//trialsite_owner@" in COMPOSE["services"]["migrate"]["environment"]["DATABASE_URL"]


def test_one_service_builds_the_image_of_this_version_for_all() -> None:
    ours = {name: one for name, one in COMPOSE["services"].items() if one["image"].startswith("trialsite:")}
    assert [name for name, one in ours.items() if "build" in one] == ["migrate"]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert {one["image"] for one in ours.values()} == {f"trialsite:${{TRIALSITE_VERSION:-{version}}}"}


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_no_container_takes_the_whole_machine_or_fills_its_disk(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}


@pytest.mark.parametrize("name", ["worker", "beat", "watch"])
def test_a_check_starts_no_python(name: str) -> None:
    assert not re.search("python|celery|manage", str(LONG_RUNNING[name]["healthcheck"]["test"]))


# --- What goes into the image ----------------------------------------------------------------------------


def _goes_in(path: str) -> bool:
    """As docker reads .dockerignore: the last pattern that matches the path, or a folder above it, decides."""
    inside = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if pattern := line.partition("#")[0].strip():
            words = re.escape(pattern.removeprefix("!").rstrip("/")).replace(r"\*\*/", "(?:.*/)?")
            words = words.replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
            if re.fullmatch(f"{words}(?:/.*)?", path):
                inside = pattern.startswith("!")
    return inside


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        *(
            pytest.param(path, False, id=path)
            for path in (".env", ".env.old", "key.pem", "backups/a.backup", "notes.txt")
        ),
        *(pytest.param(path, False, id=path) for path in ("tests/conftest.py", ".git/config", "var/secrets.env")),
        *(pytest.param(path, False, id=path) for path in ("trialsite/.env.old", "sponsor/a/key.pem", "demo/a.key")),
        *(pytest.param(path, False, id=path) for path in ("trialsite/__pycache__/env.pyc", "safety/a.backup.sealed")),
        *(pytest.param(path, True, id=path) for path in ("manage.py", "requirements.txt", "pyproject.toml")),
        *(pytest.param(path, True, id=path) for path in ("trialsite/env.py", "locale/zh_Hans/LC_MESSAGES/django.mo")),
    ],
)
def test_the_image_holds_what_is_named_and_no_secret(path: str, inside: bool) -> None:
    assert _goes_in(path) is inside


def test_every_app_is_in_the_image() -> None:
    apps = {path.parent.name for path in ROOT.glob("*/apps.py")}
    assert apps
    assert all(_goes_in(f"{app}/apps.py") for app in apps)


def test_the_image_needs_nothing_from_elsewhere_but_two_that_are_arguments() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "syntax=" not in text
    assert "--mount" not in text, "the engine's older builder does not know it"
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    assert "ARG PIP_INDEX_URL=" in text


def test_cookies_are_this_hosts_alone() -> None:
    told = (
        "from django.conf import settings as s; "
        "print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.LANGUAGE_COOKIE_NAME, "
        "s.SESSION_COOKIE_SECURE and s.CSRF_COOKIE_SECURE and s.LANGUAGE_COOKIE_SECURE, "
        "s.SESSION_COOKIE_PATH + s.CSRF_COOKIE_PATH + s.LANGUAGE_COOKIE_PATH, "
        "s.SESSION_COOKIE_DOMAIN or s.CSRF_COOKIE_DOMAIN or s.LANGUAGE_COOKIE_DOMAIN)"
    )
    done = manage("shell", "-v", "0", "-c", told)
    assert done.stdout.split() == ["__Host-session", "__Host-csrftoken", "__Host-language", "True", "///", "None"], done


def test_a_program_without_tls_is_refused_where_a_person_is_sent_on(db: None, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    # The page's own middleware reads its settings when it is made.
    client = Client()
    refused = client.get("/api/v1/participants/")
    assert (refused.status_code, refused.json()["type"]) == (403, "/api/problems/tls-required/")
    settings.BEHIND_TLS_PROXY = True
    assert client.get("/admin/login/", headers={"x-forwarded-proto": "http"}).status_code == 301
    assert client.get("/api/v1/participants/", secure=True).status_code == 401
