"""What every page of the admin shares where people type: fields that read it, and a search box that does."""

from collections.abc import Callable
from functools import reduce, update_wrapper
from operator import or_
from typing import Any, ClassVar

from django.contrib.admin import AdminSite, BooleanFieldListFilter, RelatedFieldListFilter
from django.contrib.admin.utils import get_fields_from_path, unquote
from django.db.models import BooleanField, DateField, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.urls.resolvers import RoutePattern
from unfold.admin import ModelAdmin, TabularInline

from trialsite import formfields, reach, reading
from trialsite.flatlists import KnownValuesFilter
from trialsite.search import holding


class WithinReachFilter(RelatedFieldListFilter):
    """Beside a list: only the person's own sites, and who and what belongs to them."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        rows = reach.within(field.remote_field.model._default_manager.all(), request, model_admin.admin_site)
        ordering = self.field_admin_ordering(field, request, model_admin)
        return field.get_choices(
            include_blank=False, ordering=ordering, limit_choices_to={"pk__in": rows.order_by().values("pk")}
        )

    def has_output(self) -> bool:
        """With a single choice there is none to make; what an address asks for is still looked at, not passed over."""
        return bool(super().has_output() or self.used_parameters)


class TypedAdmin(ModelAdmin):
    # What a column that a filter stands for may hold, where the field itself does not say.
    known_values: ClassVar[dict[str, Any]] = {}
    # What such a value is called, where it is a code.
    words_of_values: ClassVar[dict[str, Any]] = {}
    formfield_overrides: ClassVar[dict[Any, Any]] = formfields.OVERRIDES

    @property
    def urls(self) -> list[URLPattern]:
        """All addresses; each that names a row asks first whether it is there for this person."""
        return [self._of_a_row(one) if _names_a_row(one) else one for one in self.get_urls()]

    def _of_a_row(self, one: URLPattern) -> URLPattern:
        view = one.callback

        def found(request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
            # Who is not logged in is sent there, and learns nothing on the way.
            if self.admin_site.has_permission(request):
                self.row(request, unquote(object_id))
            return view(request, *args, object_id=object_id, **kwargs)

        guarded: Callable[..., HttpResponse] = update_wrapper(found, view)
        return URLPattern(one.pattern, guarded, one.default_args, one.name)

    def get_list_filter(self, request: HttpRequest) -> Any:
        """A filter by what other rows say offers those within reach; no filter looks for the values that occur."""
        return [_filter_of(self.model, one) for one in super().get_list_filter(request)]

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> Any:
        """Nothing is ever deleted here: an address that names no row is wrong, and says so on a page of its own."""
        raise Http404

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        return formfields.with_range(field, db_field.validators)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """What has no preset by the model starts unchosen: the first of a list is nobody's answer."""
        if db_field.name not in self.radio_fields and "choices" not in kwargs:
            starts_empty = db_field.blank or not db_field.has_default()
            kwargs["choices"] = db_field.get_choices(include_blank=starts_empty, blank_choice=[formfields.UNCHOSEN])
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def formfield_for_nullboolean_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The theme makes a list of it that begins with dashes: with words of its own it is a choice like others."""
        if db_field.choices:
            return self.formfield_for_choice_field(db_field, request, **kwargs)
        return super().formfield_for_nullboolean_field(db_field, request, **kwargs)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if getattr(field, "empty_label", None) is not None:
            field.empty_label = formfields.UNCHOSEN[1]
        return _within_reach(field, request, self.admin_site)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What the address fills in; what should name a row and cannot is left out."""
        given = super().get_changeform_initial_data(request)
        rows = {
            field.name: field.related_model
            for field in self.opts.get_fields()
            if field.many_to_one or field.many_to_many
        }
        return {
            name: value
            for name, value in given.items()
            if name not in rows or (_names_rows(value) and self._reaches(request, rows[name], value))
        }

    def _reaches(self, request: HttpRequest, model: Any, value: Any) -> bool:
        """An address that names a row of another site fills in nothing, and tells nothing."""
        keys = {getattr(one, "pk", one) for one in (value if isinstance(value, list) else [value])}
        rows = reach.within(model._default_manager.filter(pk__in=keys), request, self.admin_site)
        return rows.values("pk").distinct().count() == len(keys)

    def row(self, request: HttpRequest, object_id: Any) -> Any:
        """The row of an address, within the person's reach. Raises Http404 where there is none."""
        found = self.get_object(request, str(object_id))
        if found is None:
            raise Http404
        return found

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """What was typed into the search box as it stands, and as another keyboard would have written it."""
        fields = self.get_search_fields(request)
        if not fields or not search_term.strip():
            return queryset, False
        written = {search_term, reading.read_code(search_term)}
        return queryset.filter(reduce(or_, (holding(self.model, fields, text) for text in sorted(written)))), False


def _within_reach(field: Any, request: HttpRequest, admin_site: AdminSite) -> Any:
    """Whatever a field offers, and takes, is of the person's sites: an id of another site is no choice."""
    if field is not None:
        field.queryset = reach.within(field.queryset, request, admin_site)
    return field


def _names_a_row(one: URLPattern) -> bool:
    return isinstance(one.pattern, RoutePattern) and "object_id" in one.pattern.converters


def _filter_of(model: type[Model], listed: Any) -> Any:
    """What a page names beside its list, with the filter that suits the field where none is said."""
    if not isinstance(listed, str):
        return listed
    field: Any = get_fields_from_path(model, listed)[-1]
    if field.remote_field:
        return listed, WithinReachFilter
    if isinstance(getattr(field, "output_field", field), BooleanField):
        return listed, BooleanFieldListFilter
    return (listed, KnownValuesFilter) if _is_open(field) else listed


def _is_open(field: Any) -> bool:
    """Whether the field says neither by its kind nor by its choices what it may hold."""
    return not field.choices and not isinstance(field, DateField)


def _names_rows(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(reading.read_key(getattr(one, "pk", one)) is not None for one in values)


class TypedInline(TabularInline):
    """Rows that are typed below the page of another row."""

    formfield_overrides: ClassVar[dict[Any, Any]] = formfields.OVERRIDES

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        return formfields.with_range(field, db_field.validators)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        return _within_reach(field, request, self.admin_site)
