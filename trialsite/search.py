"""What lists sort, filter and search by in the database: the indexes of all three.

PostgreSQL's trigrams are made of letters and digits, and which those are depends on the locale of the database: in
some, Chinese has none. The function `searchable` spells what is not ASCII in digits (its bytes, in octal), so that one
index serves every locale, down to a single Chinese character.
"""

from collections.abc import Iterable
from functools import reduce
from operator import and_, or_
from typing import Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db.models import CharField, F, Func, Index, Lookup, Model, Q, TextField
from django.utils.text import smart_split, unescape_string_literal

# More rows of another table than these are not named one by one.
FEW = 500

# Only functions of PostgreSQL's own: an index is built without a path to look others up.
FUNCTION = """
CREATE OR REPLACE FUNCTION searchable(text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN encode(convert_to(upper($1), 'UTF8'), 'escape')
"""


class Searchable(Func):
    function = "searchable"
    output_field = TextField()


class Holds(Lookup):  # type: ignore[type-arg]
    """`term__holds="fever"`: as Django's `icontains`, by the index of `search_index`."""

    lookup_name = "holds"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        text, own = self.process_lhs(compiler, connection)
        # What is typed is spelled like the column, then freed of what LIKE reads as a wildcard; the planner folds it.
        plain = "replace(replace(replace(searchable(%s), '\\', '\\\\'), '%%', '\\%%'), '_', '\\_')"
        return f"searchable({text}::text) LIKE '%%' || {plain} || '%%'", (*own, self.rhs)


CharField.register_lookup(Holds)
TextField.register_lookup(Holds)


def search_index(name: str, *fields: str) -> GinIndex:
    """An index for a list that is searched in these columns of its own."""
    return GinIndex(*(OpClass(Searchable(F(field)), name="gin_trgm_ops") for field in fields), name=name)


def list_indexes(prefix: str, *columns: str) -> list[Index]:
    """One for each column that a list sorts by, with the key of the row behind it: that is its order.

    "state target_date" is for a filter by the one in a list that is ordered by the other.
    """
    return [_index(prefix, names.split()) for names in columns]


def _index(prefix: str, fields: list[str]) -> Index:
    return Index(fields=[*fields, "id"], name=f"{prefix}_by_{'_'.join(fields)}"[:30])


def holding(model: type[Model], paths: Iterable[str], text: str) -> Q:
    """That a row holds each word of the text in one of these fields, a word in quotes being several."""
    words = (unescape_string_literal(one) if _is_quoted(one) else one for one in smart_split(text))
    return reduce(and_, (_in_one_of(model, paths, word) for word in words), Q())


def _is_quoted(word: str) -> bool:
    return len(word) > 1 and word[0] in "\"'" and word[0] == word[-1]


def _in_one_of(model: type[Model], paths: Iterable[str], word: str) -> Q:
    found, elsewhere = Q(pk__in=[]), dict[str, list[str]]()
    for path in paths:
        first, _dots, more = path.partition("__")
        if more:
            elsewhere.setdefault(first, []).append(more)
        else:
            found |= Q(**{f"{path}__holds": word})
    return reduce(or_, (_pointing_at(model, key, among, word) for key, among in elsewhere.items()), found)


def _pointing_at(model: type[Model], key: str, paths: list[str], word: str) -> Q:
    """By the keys of the few rows that are meant, which an index takes; words of two tables at once, none takes.

    What many hold is found soon by looking.
    """
    other: Any = model._meta.get_field(key).related_model
    rows = other._default_manager.filter(_any_holds(paths, word)).order_by()
    keys = list(rows.values_list("pk", flat=True)[: FEW + 1])
    return Q(**{f"{key}__in": keys}) if len(keys) <= FEW else _any_holds([f"{key}__{path}" for path in paths], word)


def _any_holds(paths: Iterable[str], word: str) -> Q:
    return reduce(or_, (Q(**{f"{path}__holds": word}) for path in paths))
