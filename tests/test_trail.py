"""The trail of every record is written for people: words in the reader's language, no structures of the program."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone, translation

from demo.build import build
from trialsite import audit
from trialsite.models import Event

TRACKED = [one.pgh_tracked_model for one in apps.get_models() if issubclass(one, Event)]
# A structure of Python, a value of its own, a code such as `visit:17`, a name out of the program.
NOT_FOR_PEOPLE = re.compile(
    r"\{['\"]|\[['\"\d{]|datetime\.|Decimal\(|\b(None|True|False|null|true|false)\b|\b[a-z_]+:\d+\b|\b[a-z]+_[a-z_]+\b"
)
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# The same in every language.
SIGNS = {"SHA-256"}
# What the small demo study has no row of; there must not be more of it.
NOT_IN_THE_DEMO: set[str] = set()
MOST = 60


def _changes(model: Any) -> Iterator[audit.Change]:
    """Everything that the trails of some rows of this kind say: those with the longest history, and the newest."""
    events: Any = model.events.rel.related_model
    rows = events.objects.order_by("-pgh_id").values_list("pgh_obj_id", flat=True)
    keys = list(dict.fromkeys([*rows.filter(pgh_label="update")[:MOST], *rows[:MOST]]))
    for row in model._base_manager.in_bulk(keys).values():
        for entry in audit.trail(row):
            yield from entry.changes


def _faults(model: Any, language: str) -> Iterator[str]:
    with translation.override(language):
        for change in _changes(model):
            place = f"{model._meta.label} {language} {change.field}"
            if language != "en" and not CHINESE.search(change.field) and change.field not in SIGNS:
                yield f"{place}: not translated"
            found = [NOT_FOR_PEOPLE.search(text) for text in (change.old, change.new)]
            yield from (f"{place}: {one.group()} in {one.string[:80]}" for one in found if one)


@pytest.mark.django_db
def test_every_trail_is_written_in_words() -> None:
    with translation.override("zh-hans"):
        for _participant in build(now=timezone.now(), is_small=True):
            pass
    faults = {one for model in TRACKED for language in ("en", "zh-hans") for one in _faults(model, language)}
    empty = {model._meta.label for model in TRACKED if not model._base_manager.exists()}
    print(empty)
    assert sorted(faults) == []
    assert empty <= NOT_IN_THE_DEMO
