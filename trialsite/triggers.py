"""Triggers in migrations without rendering every model again.

A trigger changes no field, but its operation reloads the model and all that are tied to it: with hundreds of triggers
that is most of the time of a first start. What is done to the database is read from the operation itself, so the state
alone is brought up to date; a test compares the triggers of a migrated database with those that the models declare.
"""

from typing import Any

from pgtrigger import migrations


def _add(self: migrations.AddTrigger, app_label: str, state: Any) -> None:
    options = state.models[app_label, self.model_name].options
    options["triggers"] = [*options.get("triggers", []), self.trigger]


def _remove(self: migrations.RemoveTrigger, app_label: str, state: Any) -> None:
    options = state.models[app_label, self.model_name].options
    options["triggers"] = [one for one in options.get("triggers", []) if one.name != self.name]


def keep_rendered() -> None:
    """Both operations of the library, without the reload; what they do to the database stays theirs."""
    migrations.AddTrigger.state_forwards = _add  # type: ignore[method-assign]
    migrations.RemoveTrigger.state_forwards = _remove  # type: ignore[method-assign]
