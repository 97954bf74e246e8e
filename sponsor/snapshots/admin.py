"""The pages of snapshots: ask for one, watch it being made, take its files along, see what changed since another."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminRadioSelectWidget

from sponsor.datasets.wording import sentences
from sponsor.snapshots import actions, difference, leaving, store
from sponsor.snapshots.api import written
from sponsor.snapshots.models import FreeTextRelease, Snapshot, SnapshotFile, SnapshotState
from sponsor.snapshots.packing import MANIFEST
from trialsite import formfields, listexport, once, signing
from trialsite.exports import timed_name
from trialsite.listexport import LogAdmin, person_of
from trialsite.refusal import Refused
from trialsite.signature import check_password
from trialsite.study import get_study

SHOWN = 200
TONES = {
    SnapshotState.WAITING: "info",
    SnapshotState.RUNNING: "info",
    SnapshotState.COMPLETE: "success",
    SnapshotState.FAILED: "danger",
    SnapshotState.CANCELLED: "default",
    SnapshotState.EXPIRED: "default",
}
AS_RECORDED, SHIFTED = "as recorded", "shifted"
WITHHELD, RELEASED = "withheld", "released"
STEPS = {
    "datasets": _("Reading the database"),
    "odm": _("Writing ODM with the audit trail"),
    "dataset-json": _("Writing Dataset-JSON"),
    "ndjson": _("Writing Dataset-JSON in lines"),
    "xpt": _("Writing XPT"),
    "define": _("Writing Define-XML"),
    "csv": _("Writing CSV"),
    "xlsx": _("Writing Excel"),
    "files": _("Checksums, manifest and archive"),
}
# What a record of exports calls the endings of files; all others are text.
KINDS = ("csv", "xlsx", "xml", "json", "xpt", "zip")


class AskForm(forms.Form):
    dates = forms.ChoiceField(
        label=_("Dates"),
        choices=[
            (AS_RECORDED, _("as they are")),
            (SHIFTED, _("shifted for each participant by a secret number of days; the time between two dates stays")),
        ],
        widget=UnfoldAdminRadioSelectWidget,
        help_text=_("As it was agreed with the sponsor."),
    )
    free_text = forms.ChoiceField(
        label=_("Free text"),
        choices=[
            (WITHHELD, _("withheld")),
            (RELEASED, _("leaves: I have made sure that it names nobody, and sign for it")),
        ],
        widget=UnfoldAdminRadioSelectWidget,
    )
    password = formfields.own_password(
        help_text=_("Only where free text leaves: it stands for your signature, and is not kept."), required=False
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        agreement = get_study().latest.sponsor_agreement
        self.initial.update(dates=SHIFTED if agreement.dates == "shifted" else AS_RECORDED, free_text=WITHHELD)
        if agreement.free_text != "on_release" or not request.user.has_perm("sponsor.release_free_text"):
            del self.fields["free_text"], self.fields["password"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        typed = cleaned.pop("password", "")
        if cleaned.get("free_text") == RELEASED and not typed:
            self.add_error("password", _("Free text leaves only with your signature: type your password."))
        elif cleaned.get("free_text") == RELEASED:
            try:
                check_password(self.request, typed)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return cleaned


@admin.register(Snapshot)
class SnapshotAdmin(LogAdmin):
    list_display = ("label", "state_label", "cut_off", "asked_by", "rows", "pending", "expires_at")
    list_filter = (("state", admin.ChoicesFieldListFilter),)
    list_select_related = ("asked_by",)
    actions_list = ("make",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """All of the study or nothing: a snapshot cannot be seen in part."""
        rows = super().get_queryset(request).select_related("asked_by", "cancel_asked_by")
        return rows if actions.reaches_all(person_of(request)) else rows.none()

    @display(description=_("state"), ordering="state", label=TONES)
    def state_label(self, row: Snapshot) -> tuple[str, str]:
        return row.state, row.get_state_display()

    # --- pages --------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        def page(address: str, view: Any, name: str) -> URLPattern:
            return path(f"<str:object_id>/{address}", self.admin_site.admin_view(view), name=f"sponsor_snapshot_{name}")

        make = self.admin_site.admin_view(self.make_view)
        return [
            path("add/", make, name="sponsor_snapshot_add"),
            page("progress/", self.progress_view, "progress"),
            page("cancel/", require_POST(self.cancel_view), "cancel"),
            page("files/<str:name>/", self.file_view, "file"),
            page("difference/", self.difference_view, "difference"),
            *super().get_urls(),
        ]

    def _url(self, name: str, *words: Any) -> str:
        return reverse(f"admin:sponsor_snapshot_{name}", args=words)

    @action(description=_("Make a snapshot…"), permissions=["make"])
    def make(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(self._url("add"))

    def has_make_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm("sponsor.add_snapshot"))

    def make_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_make_permission(request):
            raise PermissionDenied
        form = AskForm(request.POST if request.method == "POST" else None, request=request)
        if request.method == "POST" and form.is_valid():
            return self._asked(request, form)
        return self._make_page(request, form)

    def _make_page(self, request: HttpRequest, form: AskForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Make a snapshot"),
            "form": form,
            "opts": self.opts,
            "back": self._url("changelist"),
            "steps": STEPS.values(),
        }
        return TemplateResponse(request, "admin/sponsor/snapshot_make.html", context)

    def _asked(self, request: HttpRequest, form: AskForm) -> HttpResponse:
        said = form.cleaned_data
        try:
            row = actions.ask(
                by=person_of(request),
                now=timezone.now(),
                shifts_dates=said["dates"] == SHIFTED,
                with_free_text=said.get("free_text") == RELEASED,
            )
        except Refused as refusal:
            form.add_error(None, refusal)
            return self._make_page(request, form)
        once.made(request, row)
        return HttpResponseRedirect(self._url("change", row.pk))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self._row(request, object_id)
        # The archive of all goes first: whoever wants everything does not look for it below.
        files = sorted(row.files.all(), key=lambda one: one.format != "zip")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Snapshot %(label)s") % {"label": row.label},
            "original": row,
            "opts": self.opts,
            "progress": progress_of(row),
            "files": [(one, self._url("file", row.pk, one.name)) for one in files],
            "manifest": manifest_of(row),
            "left_out": sentences(row.left_out),
            "signatures": signing.of(row.release) if row.has_free_text and hasattr(row, "release") else (),
            "others": self._others(request, row),
            "may_cancel": row.is_at_work and self.has_make_permission(request),
            "may_download": row.state == SnapshotState.COMPLETE and may_download(request),
            "cancel_url": self._url("cancel", row.pk),
            "progress_url": self._url("progress", row.pk),
            "difference_url": self._url("difference", row.pk),
        }
        return TemplateResponse(request, "admin/sponsor/snapshot_page.html", context)

    def progress_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """How far the worker is; a few bytes, asked for every second."""
        row = self._row(request, object_id)
        answer = {"state": row.state, "percent": row.percent, "text": progress_of(row)}
        return JsonResponse(answer, headers={"Cache-Control": "no-store"})

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self._row(request, object_id)
        if not self.has_make_permission(request):
            raise PermissionDenied
        try:
            row = actions.cancel(row=row, by=person_of(request), now=timezone.now())
        except Refused as refusal:
            messages.error(request, " ".join(refusal.messages))
        else:
            is_over = row.state == SnapshotState.CANCELLED
            messages.success(request, _("Cancelled.") if is_over else _("The worker stops at its next step."))
        return HttpResponseRedirect(self._url("change", row.pk))

    def file_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponseBase:
        """A file, whole or in parts, recorded like every file that a person takes along."""
        row = self._row(request, object_id)
        if not may_download(request):
            raise PermissionDenied
        one = next((each for each in row.files.all() if each.name == name), None)
        if one is None or row.state != SnapshotState.COMPLETE:
            raise Http404
        assert row.finished_at is not None
        path = store.folder_of(row.label) / one.name
        try:
            response = leaving.stored(request, path, name=one.name, sha256=one.sha256, modified=row.finished_at)
        except FileNotFoundError:
            raise Http404 from None
        _recorded(request, row, one, rows=one.rows if leaving.begins(response) else 0)
        return response

    def difference_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """What this snapshot says otherwise than another: counted, the first rows, and all of it as a file."""
        row = self._row(request, object_id)
        if not may_download(request):
            raise PermissionDenied
        others = self._others(request, row)
        other = next((one for one in others if str(one.pk) == request.GET.get("other", "")), None)
        if other is None or row.state != SnapshotState.COMPLETE:
            raise Http404
        before, after = sorted((row, other), key=lambda one: (one.cut_off, one.pk))
        if (kind := request.GET.get("format", "")) in ("csv", "json"):
            return _difference_file(request, before, after, kind)
        tally = difference.Tally()
        kept = [one for number, one in enumerate(tally.over(difference.between(before, after))) if number < SHOWN]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Difference between two snapshots"),
            "original": row,
            "opts": self.opts,
            "before": before,
            "after": after,
            "other": other,
            "counts": tally.counts.items(),
            "changes": [_shown(one) for one in kept],
            "hidden": sum(sum(of_it.values()) for of_it in tally.counts.values()) - len(kept),
            "back": self._url("change", row.pk),
        }
        return TemplateResponse(request, "admin/sponsor/snapshot_difference.html", context)

    def _row(self, request: HttpRequest, object_id: str) -> Snapshot:
        row: Snapshot | None = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row

    def _others(self, request: HttpRequest, row: Snapshot) -> list[Snapshot]:
        return list(self.get_queryset(request).filter(state=SnapshotState.COMPLETE).exclude(pk=row.pk)[:50])


def may_download(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("sponsor.download_snapshot"))


def progress_of(row: Snapshot) -> str:
    if row.state != SnapshotState.RUNNING:
        return str(row.get_state_display())
    if row.cancel_asked_at is not None:
        return str(_("cancelled; the worker stops at its next step"))
    step, _space, what = row.doing.partition(" ")
    part = f" {what} {row.done}/{row.total}" if row.total else ""
    return f"{row.percent} % · {STEPS.get(step, step)}{part}" if step else f"{row.percent} %"


def manifest_of(row: Snapshot) -> dict[str, Any]:
    """As it lies beside the files; empty where they are gone."""
    if row.state != SnapshotState.COMPLETE:
        return {}
    try:
        found: dict[str, Any] = json.loads((store.folder_of(row.label) / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def _shown(one: difference.Change) -> dict[str, Any]:
    names = {
        difference.ADDED: ("＋", _("added")),
        difference.REMOVED: ("－", _("removed")),
        difference.CHANGED: ("≠", _("changed")),
    }
    sign, word = names[one.change]
    # Of a row that is new or gone its keys say enough.
    pairs = one.variables.items() if one.change == difference.CHANGED else ()
    key = " · ".join(str(value) for name, value in one.key.items() if name != "STUDYID" and value not in (None, ""))
    return {"dataset": one.dataset, "sign": sign, "word": word, "key": key, "pairs": pairs}


def _recorded(request: HttpRequest, row: Snapshot, one: SnapshotFile, *, rows: int) -> None:
    ending = one.name.rpartition(".")[2]
    with transaction.atomic():
        listexport.record(
            request,
            at=timezone.now(),
            kind=ending if ending in KINDS else "txt",
            model=row._meta.label,
            filters=f"{row.label} · {one.name}",
            rows=rows,
            has_identity=False,
            sha256=one.sha256,
        )


def _difference_file(request: HttpRequest, before: Snapshot, after: Snapshot, kind: str) -> HttpResponseBase:
    response = written(before, after, "", kind)
    now = timezone.now()
    rows, sha256 = response.leaves  # type: ignore[attr-defined]
    with transaction.atomic():
        listexport.record(
            request,
            at=now,
            kind=kind,
            model=before._meta.label,
            filters=f"{before.label} → {after.label}",
            rows=rows,
            has_identity=False,
            sha256=sha256,
        )
    name = timed_name(f"difference-{before.label}-to-{after.label}", now)
    response["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    return response


@admin.register(FreeTextRelease)
class FreeTextReleaseAdmin(LogAdmin):
    """Signed releases, to be read."""

    list_display = ("released_at", "snapshot", "released_by", "signature")
    list_select_related = ("snapshot", "released_by")
    fields = (("snapshot", "released_at", "released_by"), "signature")
    readonly_fields = ("signature",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows if actions.reaches_all(person_of(request)) else rows.none()

    def look_at(self, rows: list[Any]) -> None:
        found = signing.verify(rows)
        for row in rows:
            row.signatures = found.get(row.pk, ())

    @display(description=_("signature"))
    def signature(self, row: FreeTextRelease) -> str | SafeString:
        """In a list what was looked up for all; on a page of its own in full."""
        if hasattr(row, "signatures"):
            return signing.marks(row.signatures)
        return render_to_string("admin/trialsite/signatures.html", {"signatures": signing.of(row)})
