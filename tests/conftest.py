"""Real PostgreSQL, real rows; the clock is an argument, the people have names (Alice, Bob, Charlie)."""

import datetime as dt
import fcntl
import gc
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client, TransactionTestCase
from django.test.utils import override_settings
from django.utils import timezone, translation

from participants.models import Participant
from tests.emptying import empty_after
from tests.template import Template
from trialsite import env, grants, guards, keyseals
from trialsite.local.services import Stack
from trialsite.management.commands.prepare_database import sync_roles, sync_sites
from trialsite.models import Language, Site, User
from trialsite.roles import Role

APP_ROLE_IN_TESTS = "trialsite_app"
PASSWORD = "correct horse battery"
# Nothing here is worth a slow digest; a program that a test starts has those of the settings.
django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Long ones first, so that no core waits at the end for the last of them.
LONG = (
    "all pages in Chinese",
    "crawl",
    "running site",
    "crawl from elsewhere",
    "all pages in English",
    "servers",
    "tests/test_error_pages.py",
    "install",
    "tests/test_freetext.py",
    "tests/trialsite/test_listexport.py",
    "tests/journeys/test_every_void.py",
    "second factor",
)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """A file's tests stay in one process, which makes what they share once; those with real commits come by themselves,
    for pytest-django lets them run after all others."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            file = item.nodeid.partition("::")[0]
            item.add_marker(pytest.mark.xdist_group(f"{file} with commits" if _commits(item) else file))
    yield
    ranks = {name: rank for rank, name in enumerate(LONG)}
    items.sort(key=lambda item: ranks.get(_group(item), len(LONG)))


def pytest_collection_finish() -> None:
    """What was loaded by now stays: half a million things that need not be looked through again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _group(item: pytest.Item) -> str:
    found = item.get_closest_marker("xdist_group")
    return str(found.args[0]) if found else ""


def _commits(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("django_db")
    return bool(mark and mark.kwargs.get("transaction")) or "transactional_db" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of this run, one for all of its processes."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def template(shared: Path) -> Template:
    return Template(shared)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None, template: Template, worker_id: str) -> None:
    if worker_id != "master":
        template.take()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any, template: Template) -> Iterator[None]:
    """After the migrations, what `prepare_database` does: groups, sites, and the application role's rights."""
    with django_db_blocker.unblock():
        template.give()
        call_command("createcachetable", verbosity=0)
        sync_roles()
        sync_sites()
        grants.grant(APP_ROLE_IN_TESTS)
        guards.fasten(APP_ROLE_IN_TESTS)
        keyseals.seal()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TransactionTestCase, "_fixture_teardown", empty_after)
        yield


@pytest.fixture(scope="session")
def now() -> dt.datetime:
    """A quiet Thursday morning in Guangzhou, inside the study's window."""
    return dt.datetime(2026, 3, 5, 1, 30, tzinfo=dt.UTC)


@pytest.fixture
def unsealed(transactional_db: None) -> None:
    """As after the installation: the tables were emptied for the test, and with them the seals."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM guard.mark")


@pytest.fixture
def other_keys(transactional_db: None, settings: Any) -> Iterator[None]:
    """For a test that commits other keys of the identity fields: afterwards the database knows its own alone."""
    own = settings.FIELD_KEYS
    yield
    with override_settings(FIELD_KEYS=own), connection.cursor() as cursor:
        cursor.execute("DELETE FROM guard.field_key")
        keyseals.seal()


@pytest.fixture
def unlogged() -> Iterator[None]:
    """For walks over hundreds of pages that may be refused: nobody reads a line for each, with all that led there."""
    log = logging.getLogger("django.request")
    log.setLevel(logging.ERROR)
    yield
    log.setLevel(logging.NOTSET)


@pytest.fixture
def english() -> Iterator[None]:
    """Messages in English, so that a test can look for their words."""
    with translation.override("en"):
        yield


def first_site() -> Site:
    """The study's site; made again where a test with real commits has emptied the tables."""
    if not Site.objects.exists():
        sync_roles()
        sync_sites()
    return Site.objects.get(code="ZJ")


@pytest.fixture
def site(db: None) -> Site:
    return first_site()


@pytest.fixture
def other_site(db: None) -> Site:
    return Site.objects.create(code="OT", name_zh="别的医院", name_en="Another hospital")


def person(username: str, role: Role, *sites: Site, language: str = Language.EN) -> User:
    from django.contrib.auth.models import Group

    user = User.objects.create_user(
        username,
        f"{username}@example.org",
        PASSWORD,
        is_staff=True,
        first_name=username.title(),
        language=language,
        password_chosen_at=timezone.now(),
    )
    group, _new = Group.objects.get_or_create(name=role.value)
    user.groups.add(group)
    user.sites.set(sites)
    return user


@pytest.fixture
def alice(site: Site) -> User:
    """Coordinator of the first site."""
    return known("alice") or person("alice", Role.COORDINATOR, site)


@pytest.fixture
def ivan(site: Site) -> User:
    """Investigator of the first site."""
    return known("ivan") or person("ivan", Role.INVESTIGATOR, site)


@pytest.fixture
def dana(site: Site) -> User:
    """Data manager of the first site."""
    return person("dana", Role.DATA_MANAGER, site)


@pytest.fixture
def mona(site: Site) -> User:
    """Monitor: reads only."""
    return person("mona", Role.MONITOR, site)


@pytest.fixture
def arthur(site: Site) -> User:
    """Auditor: reads, with audit trail."""
    return person("arthur", Role.AUDITOR, site)


@pytest.fixture
def charlie(other_site: Site) -> User:
    """Coordinator of another site: must see nothing of ours."""
    return person("charlie", Role.COORDINATOR, other_site)


def known(username: str) -> User | None:
    """Who was made once for the module, if they were."""
    return User.objects.filter(username=username).first()


class Once:
    """The people with whom a module's rows are made; nobody is there who was not asked for."""

    @cached_property
    def site(self) -> Site:
        return first_site()

    @cached_property
    def alice(self) -> User:
        return person("alice", Role.COORDINATOR, self.site)

    @cached_property
    def ivan(self) -> User:
        return person("ivan", Role.INVESTIGATOR, self.site)


@pytest.fixture(scope="module")
def once(django_db_setup: None, django_db_blocker: Any) -> Iterator[Once]:
    """For what all tests of a module begin with: made once, and what a test does with it is taken back after the test.

    Not for tests with real commits: all of it lies in one transaction.
    """
    with django_db_blocker.unblock(), transaction.atomic():
        yield Once()
        transaction.set_rollback(True)


@pytest.fixture
def participant(made: Participant, db: None) -> Participant:
    """Whom the module's `made` has made once, as the database has them."""
    return Participant.objects.get(pk=made.pk)


class Signer(Client):
    """Gives the person's password wherever a form may ask for it, unless the test says what is typed there."""

    def post(self, path: str, data: Any = None, *args: Any, **kwargs: Any) -> Any:
        return super().post(path, {"password": PASSWORD, **(data or {})} if _is_form(data) else data, *args, **kwargs)


def _is_form(data: Any) -> bool:
    return data is None or isinstance(data, dict)


@pytest.fixture
def login() -> Any:
    def _login(user: User) -> Client:
        client = Signer()
        client.force_login(user)
        return client

    return _login


@pytest.fixture
def as_app_role(transactional_db: None, site: Site) -> Any:
    """A connection with the application's login, as web and worker have it."""
    login = env.database(env.text("APP_DATABASE_URL"))
    owner = {name: connection.settings_dict[name] for name in ("USER", "PASSWORD")}
    connection.close()
    connection.settings_dict.update({name: login[name] for name in owner})
    yield
    connection.close()
    connection.settings_dict.update(owner)


@pytest.fixture(scope="session")
def filled_demo(shared: Path) -> Path:
    """The folder of a stack that was closed with the demo study in it: filled once for all processes of the tests."""
    folder, done = shared / "demo", shared / "demo.done"
    with (shared / "demo.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            with Stack(folder, throwaway=True) as stack:
                stack.manage("prepare_database", as_owner=True)
                stack.manage("demo", "--small")
                # All of it lies in its files: who begins with a copy has nothing to recover.
                with stack.postgres.connect() as connection:
                    connection.execute("CHECKPOINT")
            done.touch()
    return folder


@contextmanager
def demo_stack(filled: Path) -> Iterator[Stack]:
    """Servers of one's own with the demo study."""
    with tempfile.TemporaryDirectory(prefix="trialsite-demo-") as name:
        var = Path(name) / "var"
        shutil.copytree(filled, var, ignore=shutil.ignore_patterns("lock", "log", "run.json"))
        with Stack(var, throwaway=True) as stack:
            yield stack


@pytest.fixture(scope="session")
def running_site(filled_demo: Path) -> Iterator[Stack]:
    """The demo study behind a real web server; only for few groups, for each process that runs one starts its own."""
    with demo_stack(filled_demo) as stack:
        stack.wait_for_web(stack.start_web())
        yield stack


# What a test found out that whoever ran the tests should read at the end, by the name of its table.
TOLD: pytest.StashKey[dict[str, str]] = pytest.StashKey()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process is done: what it had to tell comes here."""
    output = getattr(node, "workeroutput", {})
    for title in {"crawl", "faults"} & set(output):
        told = node.config.stash.setdefault(TOLD, {})
        told[title] = told.get(title, "") + output[title]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for title, text in config.stash.get(TOLD, {}).items():
        terminalreporter.section(title)
        terminalreporter.write_line(text)
