"""Whether this code is as new as the database that it works on."""

import pkgutil
from importlib import import_module

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils.module_loading import module_has_submodule


class OlderCode(ImproperlyConfigured):
    """The database was brought up to date by a newer version; the message names what this one does not know."""


def refuse_older_code() -> None:
    """Raises OlderCode; a database without tables is no newer than anything."""
    if unknown := unknown_to_us({f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()}):
        raise OlderCode(
            f"This database is newer than this software: {', '.join(unknown)} was done in it, and is not known here. "
            "Start the version that prepared it; or, to go back, restore the backup that was made before the upgrade "
            "into an empty database."
        )


def unknown_to_us(done: set[str]) -> list[str]:
    """Of migrations such as `safety.0004_duties` those that this code has neither as a file nor as one replaced."""
    files = {app.label: _files(app) for app in apps.get_app_configs() if module_has_submodule(app.module, "migrations")}
    # What a library that is no longer here has done is no sign of a newer version.
    ours = [(app, name, one) for one in done for app, _dot, name in [one.partition(".")] if app in files]
    unknown = {one for app, name, one in ours if name not in files[app]}
    if unknown:  # rarely: only now is it worth reading them all
        migrations = MigrationLoader(None, ignore_no_migrations=True).disk_migrations.values()
        unknown -= {f"{app}.{name}" for one in migrations for app, name in one.replaces}
    return sorted(unknown)


def _files(app: AppConfig) -> set[str]:
    """The names of its migrations; a library may call something else so."""
    folder = getattr(import_module(f"{app.name}.migrations"), "__path__", [])
    return {one.name for one in pkgutil.iter_modules(folder)}
