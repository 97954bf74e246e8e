"""Lists that open as fast over a million rows as over a thousand.

Nothing is counted that is dear to count, and what is only estimated is called "about"; the last pages are read from
the end, not past all rows before them; filters offer what is known without looking through the table; and what a list
sorts by has an index (see `search.list_indexes`).
"""

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.admin import AllValuesFieldListFilter, RelatedFieldListFilter
from django.core.exceptions import ImproperlyConfigured
from django.core.paginator import Page, Paginator
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import formats, timezone
from django.utils.dates import MONTHS
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from unfold.views import ChangeList

# What PostgreSQL expects a count to cost, in its own unit (a page read from the disk is 1), for it to be made: some ten
# thousand rows. Of more there is an estimate.
CHEAP = 5_000
# From this row on, the keys of a page are looked up first, and only then the rows.
FAR = 1_000
MOST_YEARS = 20


class FlatPaginator(Paginator):  # type: ignore[type-arg]
    template_name = "admin/trialsite/pagination.html"
    object_list: Any
    is_estimate = False

    @cached_property
    def count(self) -> int:
        keys = self.object_list.order_by().values("pk")
        if not (explained := keys.explain(format="json")):
            return 0  # Django knows that there is none, and asks nothing.
        plan = json.loads(explained)[0]["Plan"]
        if plan["Total Cost"] <= CHEAP:
            return int(keys.count())
        self.is_estimate = True
        # Never so few that the list would be taken for one page, and read whole.
        return max(int(plan["Plan Rows"]), self.per_page + 1)

    def settle(self, count: int) -> None:
        """It turned out how many there are."""
        self.__dict__["count"], self.is_estimate = count, False

    @property
    def shown_count(self) -> str:
        """As it is, or to two digits where more would be a pretence: 990,000 of 987,654."""
        shown = round(self.count, 2 - len(str(self.count))) if self.is_estimate else self.count
        return formats.number_format(shown, force_grouping=True)

    @property
    def exact_count(self) -> int:
        return int(self.object_list.count()) if self.is_estimate else self.count

    def page(self, number: Any) -> Any:
        number = self.validate_number(number)
        return Page(self._rows(number), number, self)

    def _rows(self, number: int) -> list[Any]:
        """Of a long list, the nearer end is where pages are counted from; the last one is full then."""
        before = (number - 1) * self.per_page
        if self.is_estimate and number > 1 and number > self.num_pages / 2:
            after = (self.num_pages - number) * self.per_page
            return self._from(self.object_list.reverse(), after)[::-1]
        return self._from(self.object_list, before)

    def _from(self, rows: QuerySet[Any], skipped: int) -> list[Any]:
        upto = skipped + self.per_page
        if skipped < FAR or rows.query.distinct:
            return list(rows[skipped:upto])
        return list(rows.filter(pk__in=rows.values("pk")[skipped:upto]))


class FlatChangeList(ChangeList):
    date_hierarchy: Any
    result_list: Any

    def get_results(self, request: Any) -> None:
        super().get_results(request)
        self._settle()
        # The theme's own would look through the whole table for days that occur.
        self.days_by, self.date_hierarchy = self.date_hierarchy, None

    def _settle(self) -> None:
        """A first page that is not full holds all there is, whatever was expected."""
        if self.paginator.is_estimate and self.page_num == 1:
            self.result_list = list(self.result_list)
            if len(self.result_list) < self.list_per_page:
                self.paginator.settle(len(self.result_list))
                self.result_count, self.multi_page = self.paginator.count, False

    def _get_deterministic_ordering(self, ordering: Iterable[Any]) -> list[Any]:
        """Rows that are alike follow in the direction of what they are sorted by, so that one index serves both."""
        found = super()._get_deterministic_ordering(ordering)  # type: ignore[misc]
        if found[-1:] == ["-pk"] and len(found) > 1 and not _is_descending(found[-2]):
            found[-1] = "pk"
        return list(found)


def _is_descending(part: Any) -> bool:
    return part.startswith("-") if isinstance(part, str) else bool(getattr(part, "descending", False))


# --- what a filter offers ----------------------------------------------------------------------------


class KnownValuesFilter(AllValuesFieldListFilter):
    """Values that the page or the field names, not those that occur: nobody looks through the table for them."""

    def __init__(self, field: Any, request: Any, params: Any, model: Any, model_admin: Any, field_path: str) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        self.lookup_choices: Any = known_values(model_admin, field, field_path)
        self.words = model_admin.words_of_values.get(field_path, dict)()

    def choices(self, changelist: Any) -> Any:
        """A code is offered by its name."""
        for one in super().choices(changelist):
            yield {**one, "display": self.words.get(one["display"], one["display"])}


def known_values(page: Any, field: Any, path: str) -> list[Any]:
    """What the page says; else the whole numbers between the limits of the field."""
    if path in page.known_values:
        said = page.known_values[path]
        return list(said() if callable(said) else said)
    limits = {type(one): one.limit_value for one in field.validators}
    if MinValueValidator not in limits or MaxValueValidator not in limits:
        raise ImproperlyConfigured(f"{type(page).__name__}.known_values must name what {path} may be.")
    return list(range(int(limits[MinValueValidator]), int(limits[MaxValueValidator]) + 1))


class OccurringFilter(RelatedFieldListFilter):
    """Those rows that the list points at: each is looked up by the index of the key, however long the list is."""

    def field_choices(self, field: Any, request: Any, model_admin: Any) -> Any:
        pointing = model_admin.get_queryset(request).order_by().filter(**{field.name: OuterRef("pk")})
        rows = field.remote_field.model._default_manager.filter(Exists(pointing))
        ordering = self.field_admin_ordering(field, request, model_admin)
        return field.get_choices(include_blank=False, ordering=ordering, limit_choices_to={"pk__in": rows.values("pk")})


# --- days --------------------------------------------------------------------------------------------


def day_choices(changes: Any) -> dict[str, Any]:
    """Years, the months of one, the days of one: those of the calendar, between the first row and the last."""
    name = changes.days_by
    year, month, day = (_number(changes.params.get(f"{name}__{part}")) for part in ("year", "month", "day"))

    def link(**parts: int) -> str:
        return str(changes.get_query_string({f"{name}__{part}": n for part, n in parts.items()}, [f"{name}__"]))

    if year and month and day:
        return {"back": (f"{year}-{month:02}", link(year=year, month=month)), "choices": [(f"{day:02}", "")]}
    if year and month:
        days = [(f"{one.day:02}", link(year=year, month=month, day=one.day)) for one in _days(year, month)]
        return {"back": (str(year), link(year=year)), "choices": days}
    if year:
        months = [(str(MONTHS[n]), link(year=year, month=n)) for n in MONTHS]
        return {"back": (_("All dates"), link()), "choices": months}
    return {"back": None, "choices": [(str(one), link(year=one)) for one in _years(changes.root_queryset, name)]}


def _number(text: Any) -> int:
    return int(text) if str(text).isdecimal() else 0


def _days(year: int, month: int) -> Iterator[dt.date]:
    day = dt.date(year, month, 1)
    while day.month == month:
        yield day
        day += dt.timedelta(days=1)


def _years(rows: QuerySet[Any], name: str) -> range:
    """From the first row to the last: two looks at an index, in one query."""
    ends = [rows.filter(**{f"{name}__isnull": False}).order_by(end).values_list(name)[:1] for end in (name, f"-{name}")]
    found = sorted(_day(value) for (value,) in ends[0].union(ends[1], all=True))
    return range(max(found[0].year, found[-1].year - MOST_YEARS), found[-1].year + 1) if found else range(0)


def _day(value: Any) -> dt.date:
    return timezone.localtime(value).date() if isinstance(value, dt.datetime) else value
