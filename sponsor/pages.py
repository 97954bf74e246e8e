"""Pages in the order of the rows' keys, complete up to a moment that each answer names.

The first page fixes the moment before which all changes are committed, and the cursor carries it: nothing that is
committed later can slip in before the place where a reader is. Rows that change meanwhile come with the next look.
The order of change would need all rows to be sorted for each page: what a row shows of others changes it too.
"""

import datetime as dt
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.core import signing
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from trialsite import changes

CURSOR, PAGE_SIZE = "cursor", "page_size"
USUAL, MOST = 100, 1000


class Place(NamedTuple):
    """Where a reader is: up to when this look goes, and the last row that was handed out."""

    until: dt.datetime
    id: int


class Pages(BasePagination):
    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """`queryset` has `changed_at`: when the row, or what it shows of others, last changed."""
        size = _page_size(request)
        # Signed for this address and these filters: with others, it would be another row's place.
        self.salt = f"by key: {request.path}?{urlencode(_filters(request))}"
        place = self._place(request)
        self.until = place.until if place else changes.horizon()
        rows = queryset.filter(changed_at__lt=self.until, pk__gt=place.id if place else 0).order_by("pk")
        found = list(rows[: size + 1])
        self.next = self._link(request, found[size - 1]) if len(found) > size else None
        return found[:size]

    def _place(self, request: Request) -> Place | None:
        if (cursor := request.query_params.get(CURSOR)) is None:
            return None
        try:
            until, row = signing.loads(cursor, salt=self.salt)
        except signing.BadSignature:
            text = _(
                "Not a cursor of ours for this address and these parameters. Take the whole link in “next” as it is, "
                "or begin again without a cursor."
            )
            raise ValidationError({CURSOR: [text]}) from None
        return Place(dt.datetime.fromisoformat(until), row)

    def _link(self, request: Request, last: Any) -> str:
        place = signing.dumps([self.until.isoformat(), last.pk], salt=self.salt)
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
                    "come again.",
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
        ]


def _filters(request: Request) -> list[tuple[str, str]]:
    return sorted((name, str(value)) for name, value in request.query_params.items() if name not in {CURSOR, PAGE_SIZE})


def _page_size(request: Request) -> int:
    text = request.query_params.get(PAGE_SIZE)
    if text is None:
        return USUAL
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MOST):
        raise ValidationError({PAGE_SIZE: [_("A whole number from 1 to %(most)s.") % {"most": MOST}]})
    return int(text)
