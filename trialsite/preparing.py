"""What `prepare_database` is about to do: said before anything is done, and all that `--plan` does."""

from collections.abc import Iterator

from django.contrib.auth.models import Group
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.functional import cached_property

from trialsite import fieldkeys, grants, keyseals, people
from trialsite.models import Site, User
from trialsite.roles import ROLE_PERMISSIONS
from trialsite.study import get_study

# So many tables are named one by one; all of them stand in `grants`.
MANY = 20


class Plan:
    """Of this database as it stands now: a line for each thing that is to be done."""

    def __init__(self, role: str, *, has_password: bool) -> None:
        self.role, self.has_password = role, has_password

    @cached_property
    def migrations(self) -> list[str]:
        executor = MigrationExecutor(connection)
        return [
            f"{one.app_label}.{one.name}" for one, _back in executor.migration_plan(executor.loader.graph.leaf_nodes())
        ]

    @property
    def is_new(self) -> bool:
        """Without the tables there is nothing to compare with: everything is to be made."""
        return connection.introspection.table_names() == []

    def lines(self) -> Iterator[str]:
        yield from (f"migration   {name}" for name in self.migrations)
        yield from (f"login       {text}" for text in self._login())
        if self.is_new:
            yield f"roles       {len(ROLE_PERMISSIONS)} groups with their permissions"
            yield f"sites       {', '.join(site.code for site in get_study().latest.sites)}"
            yield f"rights      of {self.role} on every table"
            yield "keys        the first key of FIELD_KEYS is sealed into the database"
            return
        if "trialsite_user" in connection.introspection.table_names():
            yield from (f"roles       {text}" for text in self._roles())
            yield from (f"sites       {text}" for text in self._sites())
            yield from (f"people      {text}" for text in self._people())
        yield from (f"rights      {text}" for text in self._rights())
        yield from (f"keys        {text}" for text in self._keys())

    def _login(self) -> Iterator[str]:
        if not grants.role_exists(self.role):
            yield (
                f"CREATE ROLE {self.role}, with APP_DATABASE_PASSWORD"
                if self.has_password
                else f"{self.role} is missing"
            )
        elif self.has_password:
            yield f"{self.role} gets the password of APP_DATABASE_PASSWORD"

    def _roles(self) -> Iterator[str]:
        """Permissions of a model that a migration above is about to make are counted as new."""
        held = {group.name: _permissions(group) for group in Group.objects.all()}
        for role, names in ROLE_PERMISSIONS.items():
            new, old = set(names) - held.get(role.value, set()), held.get(role.value, set()) - set(names)
            if new or old or role.value not in held:
                yield f"{role.value}: {_few('+', new)}{' ' if new and old else ''}{_few('-', old)}"

    def _sites(self) -> Iterator[str]:
        known = {site.code: (site.name_zh, site.name_en) for site in Site.objects.all()}
        for site in get_study().latest.sites:
            if known.get(site.code) != (site.name.zh, site.name.en):
                yield f"{site.code} is {'named anew' if site.code in known else 'made'}"

    def _people(self) -> Iterator[str]:
        names = people.shut_out().values_list("username", flat=True) if _is_readable(User) else ()
        yield from (f"{name} has a role and can log in from now on" for name in names)

    def _rights(self) -> Iterator[str]:
        """What the application's login has otherwise than it should; tables that are still to be made are not named."""
        if not grants.role_exists(self.role):
            return
        held, models = grants.held(self.role), grants.models()
        wanted = {one: set(grants.rights(one, models.get(one))) for one in connection.introspection.table_names()}
        other = sorted(table for table, rights in wanted.items() if held.get(table, set()) != rights)
        if len(other) > MANY:
            yield f"of {self.role} on {len(other)} tables"
            return
        yield from (f"{table}: {', '.join(sorted(wanted[table]))} for {self.role}" for table in other)

    def _keys(self) -> Iterator[str]:
        if fieldkeys.encrypt(keyseals.TEXT, keyseals.LABEL) not in [token for token, _since in keyseals.standing()]:
            yield "the first key of FIELD_KEYS is sealed into the database"


def _permissions(group: Group) -> set[str]:
    pairs = group.permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{name}" for app, name in pairs}


def _few(sign: str, names: set[str]) -> str:
    """All of a few, and how many more of many."""
    shown = sorted(names)[:5]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return f"{sign}{f' {sign}'.join(shown)}{more}" if names else ""


def _is_readable(model: type[User]) -> bool:
    """Whether the table has every column that this code asks for: a migration above may be about to add one."""
    with connection.cursor() as cursor:
        there = {one.name for one in connection.introspection.get_table_description(cursor, model._meta.db_table)}
    return {field.column for field in model._meta.concrete_fields} <= there


def owner() -> str:
    """As whom this is done, and where."""
    given = connection.settings_dict
    major = connection.pg_version // 10000  # type: ignore[attr-defined]  # only PostgreSQL's connection is ours
    return f"PostgreSQL {major}, database {given['NAME']}, as {given['USER']}"
