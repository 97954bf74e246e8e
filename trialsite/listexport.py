"""Every list as a file: what its filters show, recorded before it leaves.

The file is written to a temporary place, one row in memory at a time, counted and hashed; its record is committed;
then it is sent. So there is no file without its record.
"""

import datetime as dt
import hashlib
import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from typing import IO, Any
from urllib.parse import unquote_plus

from django import forms
from django.contrib.admin import ShowFacets
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldBooleanWidget

from trialsite import freetext, security
from trialsite.exports import CSV_TYPE, XLSX_TYPE, timed_name, write_csv, write_xlsx
from trialsite.flatlists import FlatChangeList, FlatPaginator
from trialsite.identity import hidden_of
from trialsite.listcolumns import Column, columns_of, identity_of, joined
from trialsite.models import ListExport, SecurityKind, Site, User
from trialsite.typedadmin import TypedAdmin

CHUNK = 1000
FORMATS = {"csv": _("CSV (text, for statistics programs)"), "xlsx": _("Excel (XLSX)")}
TYPES = {"csv": CSV_TYPE, "xlsx": XLSX_TYPE}
# Which page of the list was looked at, and how it told of a mistake: neither says which rows were meant.
NOT_FILTERS = ("p", "e", "all")
HIDDEN = "•••"
# The trail of all records is no list of one model.
AUDIT_TRAIL = "audit trail"


class ExportForm(forms.Form):
    format = forms.ChoiceField(
        label=_("Format"), choices=FORMATS.items(), initial="csv", widget=UnfoldAdminRadioSelectWidget
    )
    with_identity = forms.BooleanField(label=_("With identity"), required=False, widget=UnfoldBooleanWidget)

    def __init__(self, *args: Any, identity: Iterable[Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [str(field.verbose_name) for field in identity]
        if not names:
            self.fields.pop("with_identity")
            return
        text = _("Adds %(names)s. Such a file names people: keep it at the site, and delete it after use.")
        self.fields["with_identity"].help_text = text % {"names": str(_(", ")).join(names)}


class ExportAdmin(TypedAdmin):
    """A list with its export; what a person may view, they may export."""

    # Exactly these columns instead of those of the list and the model.
    export_columns: tuple[str, ...] = ()
    # Fields that say nothing outside the program.
    export_exclude: tuple[str, ...] = ()
    # What the file is called; the model's name if nothing is said.
    export_name = ""
    # Fields that name a person outside the study: each for those to whom the study file gives it.
    identity_fields: tuple[str, ...] = ()
    paginator = FlatPaginator
    # To count what each filter would leave is to look through the table for each.
    show_facets = ShowFacets.NEVER
    show_full_result_count = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[FlatChangeList]:
        return FlatChangeList

    # The ways in which the list leaves: words, icon, and the name of the page.
    files: tuple[tuple[Any, str, str], ...] = ((_("Export…"), "download", "export"),)

    def look_at(self, rows: list[Any]) -> None:
        """What columns of the page have to find out about these rows, for all of them at once."""

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        found.result_list = list(found.result_list)
        self.look_at(found.result_list)
        return found

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("export/", self.admin_site.admin_view(self.export_view), name=name), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The buttons take along what is filtered, searched and sorted."""
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            buttons = [self._button(request, *one) for one in self.files]
            response.context_data["actions_list"] = [*response.context_data.get("actions_list", []), *buttons]
        return response

    def _button(self, request: HttpRequest, title: Any, icon: str, page: str) -> dict[str, Any]:
        query, address = self._query(request).urlencode(), self._list_url(page)
        return {"title": title, "icon": icon, "attrs": {}, "path": f"{address}?{query}" if query else address}

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.GET = self._query(request)  # type: ignore[assignment]
        try:
            found = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(self._list_url("changelist") + "?e=1")
        identity = self._identity(request)
        form = ExportForm(request.POST if request.method == "POST" else None, identity=identity)
        if request.method == "POST" and form.is_valid():
            return self._export(request, joined(found.queryset), form.cleaned_data)
        return self._export_page(request, found, form)

    def _identity(self, request: HttpRequest) -> list[Any]:
        """The fields that name somebody, as far as this person is shown them."""
        fields = identity_of(self)
        hidden = hidden_of([field.name for field in fields], request.user)
        return [field for field in fields if field.name not in hidden]

    def identity_left(self, request: HttpRequest, rows: QuerySet[Any], fields: list[Any]) -> None:
        """What a page keeps of it when these rows leave with what names them; called before the file is sent."""

    def _export_page(self, request: HttpRequest, found: Any, form: ExportForm) -> HttpResponse:
        query = request.GET.urlencode()
        back = self._list_url("changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Export a list"),
            "form": form,
            "opts": self.opts,
            "rows": found.paginator.exact_count,
            "filters": _filters_in_words(found),
            "search": request.GET.get("q", ""),
            "back": f"{back}?{query}" if query else back,
        }
        return TemplateResponse(request, "admin/trialsite/export.html", context)

    def _export(self, request: HttpRequest, rows: QuerySet[Any], asked: dict[str, Any]) -> FileResponse:
        identity = self._identity(request) if asked.get("with_identity") else []
        header, table = self.table_of(request, rows, identity={field.name for field in identity})
        content = self.export_name or self.opts.model_name.replace("_", "-")
        return leave(
            request,
            kind=asked["format"],
            header=header,
            table=table,
            sheet=self.opts.verbose_name_plural,
            model=self.opts.label,
            # So that nobody passes on the one for the other.
            content=f"{content}-with-identity" if asked.get("with_identity") else content,
            has_identity=bool(asked.get("with_identity")),
            also=partial(self.identity_left, request, rows, identity) if identity else None,
        )

    def table_of(
        self, request: HttpRequest, rows: QuerySet[Any], *, identity: Collection[str] = ()
    ) -> tuple[list[Any], Iterator[list[Any]]]:
        """The heads of the columns with which these rows leave, and their cells."""
        columns = columns_of(self, request, rows, identity=set(identity))
        cells = (_cells(columns, row) for row in _looked_at(rows, self.look_at))
        return [column.title for column in columns], cells

    def _query(self, request: HttpRequest) -> QueryDict:
        query = request.GET.copy()
        for name in NOT_FILTERS:
            query.pop(name, None)
        return query

    def _list_url(self, page: str) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}")


class LogAdmin(ExportAdmin):
    """Rows that the program writes, to be read: nobody adds, edits or deletes one."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def person_of(request: HttpRequest) -> User:
    """Who asks; the admin lets nobody else in."""
    assert isinstance(request.user, User)
    return request.user


def leave(
    request: HttpRequest,
    *,
    kind: str,
    header: Sequence[Any],
    table: Iterable[Sequence[Any]],
    sheet: Any,
    model: str,
    content: str,
    filters: str | None = None,
    has_identity: bool = False,
    also: Callable[[], None] | None = None,
) -> FileResponse:
    """The file of a table, once it is written, counted, hashed and recorded; `also` is kept with its record.

    `filters` are those of the address unless they are given.
    """
    now = timezone.now()
    with ExitStack() as failed, transaction.atomic():
        file = failed.enter_context(tempfile.TemporaryFile())
        count = write_csv(file, header, table) if kind == "csv" else write_xlsx(file, header, table, sheet=sheet)
        record(
            request,
            at=now,
            kind=kind,
            model=model,
            filters=recorded(request.GET) if filters is None else filters,
            rows=count,
            has_identity=has_identity,
            sha256=_hash(file),
        )
        if also is not None:
            also()
        failed.pop_all()  # from here on the response closes the file, once it is sent
    name = timed_name(content, now)
    return FileResponse(file, as_attachment=True, filename=f"{name}.{kind}", content_type=TYPES[kind])


def record(
    request: HttpRequest,
    *,
    at: dt.datetime,
    kind: str,
    model: str,
    filters: str,
    rows: int,
    has_identity: bool,
    sha256: str,
) -> None:
    """Keep that a file leaves, in the list of exports and in the log of the door, before it does."""
    ListExport.objects.create(
        at=at,
        by=person_of(request),
        kind=kind,
        model=model,
        filters=filters,
        rows=rows,
        has_identity=has_identity,
        sha256=sha256,
    )
    facts: dict[str, Any] = {"list": model, "rows": rows, "format": kind, "with_identity": has_identity}
    security.note(SecurityKind.EXPORT, request=request, **facts)


def _cells(columns: list[Column], row: Any) -> list[Any]:
    """What is void leaves without its free text."""
    cells = [column.value(row) for column in columns]
    return cells if getattr(row, "is_standing", True) else freetext.without_prose(row, cells)


def _looked_at(rows: QuerySet[Any], look_at: Callable[[list[Any]], None]) -> Iterator[Any]:
    found = rows.iterator(chunk_size=CHUNK)
    while chunk := list(islice(found, CHUNK)):
        look_at(chunk)
        yield from chunk


def _hash(file: IO[bytes]) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while part := file.read(1 << 20):
        digest.update(part)
    file.seek(0)
    return digest.hexdigest()


def _filters_in_words(found: Any) -> list[tuple[Any, Any]]:
    """What is chosen beside the list, as it stands there."""
    chosen = []
    for spec in found.filter_specs:
        words = [one.get("display") for one in spec.choices(found) if one.get("selected")]
        if spec.used_parameters and words:
            chosen.append((spec.title, words[0]))
    return chosen


def recorded(query: QueryDict) -> str:
    """The filters of the address; what was searched for only if it is a number of the study, for it may be a name."""
    kept = query.copy()
    if "q" in kept and not _is_study_number(query.get("q", "")):
        kept["q"] = HIDDEN
    return unquote_plus(kept.urlencode())[:1000]


def _is_study_number(text: str) -> bool:
    codes = "|".join(re.escape(code) for code in Site.objects.values_list("code", flat=True))
    return re.fullmatch(rf"({codes})-S?\d{{1,6}}", text.strip(), re.ASCII | re.IGNORECASE) is not None
