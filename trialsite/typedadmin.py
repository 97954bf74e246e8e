"""What every page of the admin shares where people type: fields that read it, and a search box that does."""

from typing import Any, ClassVar

from django.contrib.admin import AdminSite
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from trialsite import formfields, reach, reading


class TypedAdmin(ModelAdmin):
    formfield_overrides: ClassVar[dict[Any, Any]] = formfields.OVERRIDES

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

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if getattr(field, "empty_label", None) is not None:
            field.empty_label = formfields.UNCHOSEN[1]
        return _within_reach(field, request, self.admin_site)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What the address fills in; what should name a row and cannot is left out."""
        given = super().get_changeform_initial_data(request)
        rows = {field.name for field in self.opts.get_fields() if field.many_to_one or field.many_to_many}
        return {name: value for name, value in given.items() if name not in rows or _names_rows(value)}

    def row(self, request: HttpRequest, object_id: Any) -> Any:
        """The row of an address, within the person's reach. Raises Http404 where there is none."""
        found = self.get_object(request, str(object_id))
        if found is None:
            raise Http404
        return found

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """What was typed into the search box as it stands, and as another keyboard would have written it."""
        found, has_twins = super().get_search_results(request, queryset, search_term)
        if (plain := reading.read_code(search_term)) == search_term:
            return found, has_twins
        also, also_twins = super().get_search_results(request, queryset, plain)
        return found | also, has_twins or also_twins


def _within_reach(field: Any, request: HttpRequest, admin_site: AdminSite) -> Any:
    """Whatever a field offers, and takes, is of the person's sites: an id of another site is no choice."""
    if field is not None:
        field.queryset = reach.within(field.queryset, request, admin_site)
    return field


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
