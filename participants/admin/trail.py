"""The page over the audit trails of all records: filters, entries in words, and the same as a file."""

import datetime as dt
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import unquote_plus

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from participants import actions, trails
from participants.models import Participant, ReadHow, numbered
from participants.trails import Line, Mark, Sought
from trialsite import formfields, reach
from trialsite.fields import PLEASE_CHOOSE
from trialsite.listexport import AUDIT_TRAIL, FORMATS, HIDDEN, leave
from trialsite.middleware import client_ip
from trialsite.models import User

PERMISSION = "trialsite.view_audit_trail"
PER_PAGE, BATCH = 50, 2000
PLACE = "after"
CHANGES = {
    trails.MADE: pgettext_lazy("trail", "made"),
    trails.CHANGED: pgettext_lazy("trail", "changed"),
    trails.VOIDED: pgettext_lazy("trail", "voided"),
    trails.DELETED: pgettext_lazy("trail", "deleted"),
}
COLUMNS = (
    _("When"),
    _("Who"),
    _("From"),
    _("Kind of record"),
    _("Record"),
    _("Participant"),
    _("Change"),
    _("Field"),
    pgettext_lazy("trail", "Old"),
    pgettext_lazy("trail", "New"),
    _("Reason"),
)


class FileForm(forms.Form):
    format = forms.ChoiceField(
        label=_("Format"), choices=FORMATS.items(), initial="csv", widget=UnfoldAdminRadioSelectWidget
    )


class TrailForm(forms.Form):
    """What is looked for; nothing is required."""

    person = forms.ChoiceField(label=_("Person"), required=False, widget=UnfoldAdminSelectWidget)
    participant = formfields.LineField(
        label=_("Participant (number)"), required=False, widget=UnfoldAdminTextInputWidget
    )
    record = forms.ChoiceField(label=_("Kind of record"), required=False, widget=UnfoldAdminSelectWidget)
    change = forms.ChoiceField(
        label=_("Kind of change"),
        required=False,
        choices=[("", PLEASE_CHOOSE), *CHANGES.items()],
        widget=UnfoldAdminSelectWidget,
    )
    since = formfields.DateField(label=_("From day"), required=False, widget=UnfoldAdminTextInputWidget)
    until = formfields.DateField(label=_("Up to day"), required=False, widget=UnfoldAdminTextInputWidget)
    reason = formfields.LineField(label=_("Words of the reason"), required=False, widget=UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.fields["person"].choices = [("", PLEASE_CHOOSE), *_people(request)]
        self.fields["record"].choices = [("", PLEASE_CHOOSE), *_records(request)]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            self.add_error("until", _("The last day lies before the first one. Change one of the two."))
        return cleaned

    def sought(self) -> Sought:
        """Days are those of the site, both included."""
        asked = self.cleaned_data
        whose = None
        if asked["participant"]:
            own = _participants(self.request).filter(numbered(asked["participant"]))
            whose = list(own.values_list("pk", flat=True))
        return Sought(
            person=asked["person"],
            participants=whose,
            record=asked["record"],
            change=asked["change"],
            since=_midnight(asked["since"]),
            before=_midnight(asked["until"] and asked["until"] + dt.timedelta(days=1)),
            reason=asked["reason"],
        )


def _midnight(day: dt.date | None) -> dt.datetime | None:
    return timezone.make_aware(dt.datetime.combine(day, dt.time())) if day else None


def _participants(request: HttpRequest) -> Any:
    own = Participant.objects.all()
    return own if request.user.is_superuser else own.filter(site__in=request.user.sites.all())


def _people(request: HttpRequest) -> Iterator[tuple[str, Any]]:
    """Who acts at the person's sites, with the names that they had before; then whoever wrote past the site."""
    people = list(reach.near(cast(User, request.user)).order_by("username"))
    events: Any = User.events.rel.related_model  # type: ignore[attr-defined]
    names: dict[int, dict[str, None]] = {one.pk: {str(one): None} for one in people}
    for event in events.objects.filter(pgh_obj_id__in=names).order_by("-pgh_id"):
        then = User(first_name=event.first_name, last_name=event.last_name, username=event.username)
        names[event.pgh_obj_id][str(then)] = None
    for one in people:
        yield str(one.pk), f"{' / '.join(names[one.pk])} ({one.username})"
    yield trails.PAST_THE_SITE, _("nobody: a program, or past the site")


def _records(request: HttpRequest) -> list[tuple[str, str]]:
    found = [(one._meta.label, capfirst(str(one._meta.verbose_name))) for one in trails.readable(request)]
    return sorted(found, key=lambda one: one[1])


# --- The page ------------------------------------------------------------------------------------------


def trail_view(page: Any, request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    form = TrailForm(request.GET, request=request)
    lines: list[Line] = []
    if form.is_valid():
        after = Mark.read(request.GET.get(PLACE, ""))
        found = trails.marks(request, form.sought(), after=after, most=PER_PAGE + 1)
        lines = trails.lines_of(found[:PER_PAGE], request)
        _note(request, lines)
    query = _filters(request.GET)
    has_more = bool(lines) and len(found) > PER_PAGE
    context = {
        **page.admin_site.each_context(request),
        "title": _("Audit trail"),
        "form": form,
        "lines": [(line, _link(request, line), _participant_link(line)) for line in lines],
        "older": _with(query, **{PLACE: str(lines[-1].mark)}) if has_more else "",
        "newest": f"?{query.urlencode()}" if request.GET.get(PLACE) else "",
        "all": reverse("admin:participants_participant_trail"),
        "export": f"{reverse('admin:participants_participant_trail_export')}?{query.urlencode()}",
        "is_filtered": bool(query),
        "opts": page.opts,
    }
    return TemplateResponse(request, "admin/participants/trail.html", context)


def _note(request: HttpRequest, lines: list[Line]) -> None:
    """Whose identity stands on this page, and what of it."""
    shown: dict[Participant, set[str]] = {}
    for line in lines:
        if line.identity and line.participant is not None:
            shown.setdefault(line.participant, set()).update(line.identity)
    actions.note_readings(shown, how=ReadHow.LIST, by=request.user, ip=client_ip(request))


def _filters(query: QueryDict) -> QueryDict:
    """What is asked, without what is empty and where the page begins."""
    kept = QueryDict(mutable=True)
    for name in TrailForm.base_fields:
        if value := query.get(name, "").strip():
            kept[name] = value
    return kept


def _with(query: QueryDict, **more: str) -> str:
    found = query.copy()
    for name, value in more.items():
        found[name] = value
    return f"?{found.urlencode()}"


def _link(request: HttpRequest, line: Line) -> str:
    """The page of the record; empty where it has none, or this person may not see it."""
    if line.page is None or line.row is None or not line.page.has_view_permission(request):
        return ""
    try:
        return reverse(f"admin:{line.page.opts.app_label}_{line.page.opts.model_name}_change", args=[line.row.pk])
    except NoReverseMatch:
        return ""


def _participant_link(line: Line) -> str:
    whose = line.participant
    return reverse("admin:participants_participant_page", args=[whose.pk]) if whose is not None else ""


# --- The file ------------------------------------------------------------------------------------------


def export_view(page: Any, request: HttpRequest) -> HttpResponseBase:
    """All entries that the filters find, without identity, whoever takes them."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    filters = TrailForm(request.GET, request=request)
    form = FileForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and filters.is_valid():
        return leave(
            request,
            kind=form.cleaned_data["format"],
            header=COLUMNS,
            table=_table(request, filters.sought()),
            sheet=_("Audit trail"),
            model=AUDIT_TRAIL,
            filters=_kept(_filters(request.GET)),
            content="audit-trail",
        )
    query = _filters(request.GET).urlencode()
    context = {
        **page.admin_site.each_context(request),
        "title": _("Export the audit trail"),
        "form": form,
        "mistakes": [] if filters.is_valid() else [str(one) for errors in filters.errors.values() for one in errors],
        "filters": _in_words(filters),
        "back": f"{reverse('admin:participants_participant_trail')}?{query}",
        "opts": page.opts,
    }
    return TemplateResponse(request, "admin/participants/trail_export.html", context)


def _kept(query: QueryDict) -> str:
    """The filters for the record of the export; what was typed freely may name somebody, and is left out."""
    kept = query.copy()
    for name in ("participant", "reason"):
        if name in kept:
            kept[name] = HIDDEN
    return unquote_plus(kept.urlencode())[:1000]


def _in_words(form: TrailForm) -> list[tuple[Any, Any]]:
    chosen = []
    for bound in form:
        if value := bound.value():
            chosen.append((bound.label, dict(getattr(bound.field, "choices", ())).get(value, value)))
    return chosen


def _table(request: HttpRequest, sought: Sought) -> Iterator[list[Any]]:
    after = None
    while found := trails.marks(request, sought, after=after, most=BATCH):
        for line in trails.lines_of(found, request, with_identity=False):
            yield from _rows(line)
        after = found[-1]


def _rows(line: Line) -> Iterator[list[Any]]:
    """A row for each field; one with none for an entry that shows none."""
    entry, whose = line.entry, line.participant.number if line.participant is not None else ""
    what = (line.record, str(line.row or ""), whose, entry.kind)
    for change in entry.changes or (None,):
        told = (change.field, "" if entry.is_first else change.old, change.new) if change else ("", "", "")
        yield [f"{timezone.localtime(entry.at):%Y-%m-%d %H:%M:%S}", entry.who, entry.ip, *what, *told, entry.reason]
