"""A kind of rows that the sponsor reads: declared once, in `Resource`; view, filters and columns are made of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import models
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers, viewsets

from sponsor.access import RecordedView
from sponsor.api.describe import ERRORS, UNCHANGED
from sponsor.api.parameters import FIELDS, RowFilter, StrictFilterBackend, columns_asked_for, filters_of
from sponsor.auth import DatesLeaveAsTheyAre, IsSponsor
from sponsor.changed import with_changes
from sponsor.pages import Pages
from trialsite import freetext
from trialsite.models import Record


class ColumnsSerializer(serializers.ModelSerializer[Any]):
    def get_fields(self) -> dict[str, Any]:
        """Those that were asked for: what is not shown is not computed."""
        known, asked = super().get_fields(), self.context.get(FIELDS)
        return known if asked is None else {name: known[name] for name in asked}


class RowSerializer(ColumnsSerializer):
    """What every row carries: its id, the participant's number, when it last changed, and whether it is void."""

    participant = serializers.CharField(source="participant.screening_number", required=False)
    is_void = serializers.SerializerMethodField(help_text="Void itself, or with what it is part of.")

    def get_is_void(self, row: Record) -> bool:
        return not row.is_standing

    def to_representation(self, instance: Record) -> dict[str, Any]:
        """What is void leaves without its free text: columns of words are empty then, and stay columns."""
        shown = super().to_representation(instance)
        if not instance.is_standing:
            prose = {field.name for field in freetext.prose_of(type(instance))}
            shown |= {name: type(value)() for name, value in shown.items() if name in prose and value is not None}
        return shown


ROW = ("id", "participant", "modified_at", "is_void")


@dataclass(frozen=True)
class Resource:
    """`shows`, `equal`, `between` and `order` are names of columns with blanks between them.

    `along` is the way from a row to its participant. A row can be asked for by one value of what stands in `equal`, and
    between two of what stands in `between`; it comes in the order of its key, or of a column in `order`, each of which
    has an index. `rows` adds columns that are no fields.
    """

    name: str
    title: str  # what a row is
    model: Any
    shows: str = ""
    along: str = "participant"
    equal: str = ""
    between: str = ""
    order: str = ""
    rows: type[serializers.ModelSerializer[Any]] = RowSerializer
    also: tuple[str, ...] = ()  # columns of `rows`
    reads: tuple[str, ...] = ()  # rows of others, of which it shows something

    @property
    def orders(self) -> tuple[str, ...]:
        return tuple(f"{sign}{name}" for name in ("id", *self.order.split()) for sign in ("", "-"))

    @property
    def view(self) -> type["ReadView"]:
        """The API's view; the description takes its words from here."""
        rows = self._serializer()
        made: type[ReadView] = type(
            f"{self.model.__name__}View",
            (ReadView,),
            {
                "__doc__": self.title,
                "serializer_class": rows,
                "filterset_class": filters_of(self.model, along=self.along, equal=self.equal, between=self.between),
                "queryset": self.model.objects.select_related(*self._beside()).prefetch_related(*self.reads),
                "orders": self.orders,
            },
        )
        return extend_schema_view(
            list=self._described(f"List {self.name}", rows(many=True), rows.Meta.fields),
            retrieve=self._described(f"One of {self.name}", rows, rows.Meta.fields),
        )(made)

    def _described(self, summary: str, answer: Any, columns: Iterable[str]) -> Any:
        return extend_schema(
            summary=summary,
            description=self.title,
            tags=[self.name],
            parameters=[_fields_parameter(columns), NEW],
            responses={200: answer, 304: UNCHANGED, **ERRORS},
        )

    def _beside(self) -> tuple[str, ...]:
        return self.model.part_of or ("site",)

    def _serializer(self) -> Any:
        if not self.shows:
            return self.rows
        names = tuple(self.shows.split())
        meta = type("Meta", (), {"model": self.model, "fields": (*ROW, *names, *self.also), "extra_kwargs": {}})
        for name in ("id", "modified_at", *names):
            if name not in self.rows._declared_fields:
                meta.extra_kwargs[name] = _written(self.model._meta.get_field(name))  # type: ignore[attr-defined]
        number = serializers.CharField(source=".".join([*self.along.split("__"), "screening_number"]), required=False)
        return type(
            f"{self.model.__name__}Serializer",
            (self.rows,),
            {"__doc__": self.title, "Meta": meta, "participant": number},
        )


def _written(field: Any) -> dict[str, Any]:
    """How a column is written: any may be left out; a number without the zeros of the column."""
    how: dict[str, Any] = {"required": False}
    if field.null:
        how["allow_null"] = True
    if field.is_relation:
        how["read_only"] = True
    elif isinstance(field, models.DecimalField):
        how["normalize_output"] = True
    elif isinstance(field, models.CharField):
        # Not everything is judged, or known, when it is entered.
        how["allow_blank"] = True
    return how


def _fields_parameter(names: Iterable[str]) -> OpenApiParameter:
    schema = {"type": "array", "items": {"type": "string", "enum": list(names)}, "minItems": 1, "uniqueItems": True}
    text = "Only these columns, in this order, with commas between them."
    return OpenApiParameter(FIELDS, schema, description=text, style="form", explode=False)


# The copy that a program has already.
NEW = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of an earlier answer to this address: 304, without a body, while its rows are the same.",
)


class ReadView(RecordedView, viewsets.ReadOnlyModelViewSet[Any]):
    """One kind of rows. No token, no data."""

    permission_classes = [IsSponsor, DatesLeaveAsTheyAre]
    pagination_class = Pages
    filter_backends = [StrictFilterBackend]
    filterset_class: type[RowFilter] = RowFilter
    orders: tuple[str, ...] = ("id",)
    # Ids are small numbers: an address with anything else is not found, rather than an error inside.
    lookup_value_regex = "[0-9]{1,18}"
    http_method_names = ["get", "head", "options"]

    def get_queryset(self) -> Any:
        return with_changes(super().get_queryset())

    def get_serializer_context(self) -> dict[str, Any]:
        serializer: Any = self.serializer_class
        if self.request is None:
            # The description is being made.
            return super().get_serializer_context()
        return {**super().get_serializer_context(), FIELDS: columns_asked_for(self.request, serializer.Meta.fields)}
