"""Pages in the order of the rows' keys, or of an indexed column, complete up to a moment that each answer names.

The first page fixes the moment before which all changes are committed, and the cursor carries it: nothing that is
committed later can slip in before the place where a reader is. Rows that change meanwhile come with the next look.
So a column's value cannot change under a reader, either, and its order is as stable as that of the keys. The order
of change would need all rows to be sorted for each page: what a row shows of others changes it too.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.core import signing
from django.db.models import BooleanField, F, Func, Value
from django.db.models.lookups import GreaterThan, LessThan
from django.utils.translation import gettext as _
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from sponsor.changed import unchanged_since
from trialsite import changes

CURSOR, PAGE_SIZE, ORDERING = "cursor", "page_size", "ordering"
USUAL, MOST = 100, 1000


class Place(NamedTuple):
    """Where a reader is: up to when this look goes, the last row that was handed out, and what that is sorted by."""

    until: dt.datetime
    id: int
    value: Any = None


class Pair(Func):
    """Two values that are compared as one, so that an index on both finds the place."""

    template = "(%(expressions)s)"
    output_field = BooleanField()


class Pages(BasePagination):
    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        size, order = _page_size(request), _order(request, view.orders)
        # Signed for this address and these filters: with others, it would be another row's place.
        self.salt = f"by key: {request.path}?{urlencode(_filters(request))}"
        self.column = order.removeprefix("-")
        place = self._place(request, queryset.model)
        self.until = place.until if place else changes.horizon()
        rows = _behind(unchanged_since(queryset, self.until), order, place)
        found = list(rows[: size + 1])
        self.next = self._link(request, found[size - 1]) if len(found) > size else None
        return found[:size]

    def _place(self, request: Request, model: Any) -> Place | None:
        if (cursor := request.query_params.get(CURSOR)) is None:
            return None
        try:
            until, row, *value = signing.loads(cursor, salt=self.salt)
        except signing.BadSignature:
            text = _(
                "Not a cursor of ours for this address and these parameters. Take the whole link in “next” as it is, "
                "or begin again without a cursor."
            )
            raise ValidationError({CURSOR: [ErrorDetail(text, "invalid-cursor")]}) from None
        of_column = [model._meta.get_field(self.column).to_python(one) for one in value]
        return Place(dt.datetime.fromisoformat(until), row, *of_column)

    def _link(self, request: Request, last: Any) -> str:
        value = [] if self.column == "id" else [_plain(getattr(last, self.column))]
        place = signing.dumps([self.until.isoformat(), last.pk, *value], salt=self.salt)
        return replace_query_param(request.build_absolute_uri(), CURSOR, place)

    def get_paginated_response(self, data: Any) -> Response:
        # In UTC with a Z, which stands in an address as it is.
        complete = (self.until - changes.OVERLAP).astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z"
        return Response({"next": self.next, "complete_until": complete, "results": data})

    def get_paginated_response_schema(self, schema: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["next", "complete_until", "results"],
            "properties": {
                "next": {
                    "type": "string",
                    "nullable": True,
                    "format": "uri",
                    "description": "The next page; null on the last one.",
                },
                "complete_until": {
                    "type": "string",
                    "format": "date-time",
                    "description": "All pages together hold every change before this moment. Keep it, and send it "
                    "as `modified_since` the next time: nothing is missed, and what changed in the last minute may "
                    "come again. Nothing is ever deleted: a row that was wrong comes again as void.",
                },
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": CURSOR,
                "in": "query",
                "required": False,
                "description": "As it stands in `next`, with the same other parameters. It does not grow old.",
                "schema": {"type": "string"},
            },
            {
                "name": PAGE_SIZE,
                "in": "query",
                "required": False,
                "description": "Rows on a page.",
                "schema": {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
            },
            {
                "name": ORDERING,
                "in": "query",
                "required": False,
                "description": "The order of the rows, with `-` the other way round; by `id` unless another is given.",
                "schema": {"type": "string", "enum": list(view.orders), "default": view.orders[0]},
            },
        ]


def _filters(request: Request) -> list[tuple[str, str]]:
    return sorted((name, str(value)) for name, value in request.query_params.items() if name not in {CURSOR, PAGE_SIZE})


def _page_size(request: Request) -> int:
    text = request.query_params.get(PAGE_SIZE)
    if text is None:
        return USUAL
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MOST):
        text = _("A whole number from 1 to %(most)s.") % {"most": MOST}
        raise ValidationError({PAGE_SIZE: [ErrorDetail(text, "invalid-page-size")]})
    return int(text)


def _order(request: Request, known: Sequence[str]) -> str:
    order = request.query_params.get(ORDERING, known[0])
    if order not in known:
        text = _("Rows come by one of these: %(known)s. In any other order, sort them when you have them all.")
        raise ValidationError({ORDERING: [ErrorDetail(text % {"known": ", ".join(known)}, "invalid-parameter")]})
    return order


def _behind(rows: Any, order: str, place: Place | None) -> Any:
    """The rows behind that place, in their order: by a column, and among equals by their key."""
    sign, column = order[: -len(order.lstrip("-"))], order.lstrip("-")
    by = [f"{sign}pk"] if column == "id" else [f"{sign}{column}", f"{sign}pk"]
    if place is None:
        return rows.order_by(*by)
    if column == "id":
        return rows.filter(**{f"pk__{'lt' if sign else 'gt'}": place.id}).order_by(*by)
    field = rows.model._meta.get_field(column)
    last = Pair(Value(place.value, output_field=field), Value(place.id))
    is_behind = (LessThan if sign else GreaterThan)(Pair(F(column), F("pk")), last)
    return rows.filter(is_behind).order_by(*by)


def _plain(value: Any) -> Any:
    """As JSON has it, and the field reads it."""
    return value.isoformat() if isinstance(value, dt.date) else value
