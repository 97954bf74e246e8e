"""A form of the admin as a section of a visit's page: the same fields, questions, refusals and action, few of them."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from django.contrib import admin
from django.db import models, transaction
from django.http import HttpRequest
from django.utils import timezone

from trialsite import formfields, once, questions, versions
from trialsite.constraints import as_refusals
from trialsite.entering import Page
from trialsite.models import Record
from trialsite.refusal import Refused


class AdminForm:
    """The form of a new row, or of one that is there, without what the page knows already.

    `first` stand in sight, `more` is folded unless it holds something. `offered` are the values that stand there
    untouched; `known` is what the page says of a new row: whose it is, and what the section stands for.
    """

    template = "admin/trialsite/section_form.html"

    def __init__(
        self,
        page: Page,
        row: Record,
        *,
        first: Sequence[str],
        more: Sequence[str] = (),
        offered: dict[str, Any] | None = None,
    ) -> None:
        self.page, self.row, self.more_names = page, row, tuple(more)
        self.admin: Any = admin.site._registry[type(row)]
        self.opened = versions.of(row) if row.pk else ""
        self.conflict: versions.Conflict | None = None
        make = self.admin.get_form(page.request, row if row.pk else None, change=bool(row.pk), fields=[*first, *more])
        posted = page.request.POST if page.request.method == "POST" else None
        self.form = make(posted, instance=row, initial=offered or {})
        self.form.fields.pop("reason_for_change", None)
        _in_minutes(self.form)

    def context(self) -> dict[str, Any]:
        return {
            "form": self.form,
            **_parted(self.form, self.more_names, getattr(self.row, "not_filled_in", {})),
            "opened": self.opened,
            "conflict": self.conflict,
            "opts": self.admin.opts,
        }

    def save(self) -> bool:
        request = self.page.request
        self.conflict = versions.conflict(request, self.opened, self.row) if self.row.pk else None
        if self.conflict is not None or not self.form.is_valid():
            return False
        try:
            with as_refusals(), transaction.atomic():
                is_change = bool(self.row.pk)
                self.admin.save_model(request, self.form.save(commit=False), self.form, is_change)
        except Refused as refusal:
            self.form.add_error(None, refusal)
            return False
        once.made(request, self.form.instance)
        return True

    def carried(self) -> dict[str, str]:
        return {}


class ActionForm:
    """A plain form with the action that takes what was typed."""

    template = "admin/trialsite/section_form.html"

    def __init__(
        self,
        page: Page,
        form: Any,
        *,
        act: Callable[[dict[str, Any]], Any],
        row_of: Callable[[dict[str, Any]], Record] | None = None,
        opened: Sequence[models.Model] = (),
        more: Sequence[str] = (),
        keeps_refusals: bool = False,
    ) -> None:
        self.page, self.form, self.act, self.row_of, self.more_names = page, form, act, row_of, tuple(more)
        # An action that keeps what it refuses, such as a near miss, is not taken back with the refusal.
        self.around: Callable[[], Any] = nullcontext if keeps_refusals else transaction.atomic
        self.rows = opened
        self.opened = versions.of(*opened)
        self.conflict: versions.Conflict | None = None
        questions.prepare(form)
        _in_minutes(form)

    def context(self) -> dict[str, Any]:
        return {"form": self.form, **_parted(self.form, self.more_names), **self._state()}

    def _state(self) -> dict[str, Any]:
        return {"opened": self.opened, "conflict": self.conflict}

    def save(self) -> bool:
        request, now = self.page.request, timezone.now()
        self.conflict = versions.conflict(request, self.opened, *self.rows)
        if self.conflict is not None or not self.form.is_valid():
            return False
        data = self.form.cleaned_data
        rows = [self.row_of(data)] if self.row_of else []
        if not questions.ask(self.form, *rows, by=request.user, now=now, about_whom=self.page.participant):
            return False
        try:
            with as_refusals(), self.around():
                once.made(request, self.act(self.form.cleaned_data))
                questions.keep(self.form, by=request.user, now=now)
        except Refused as refusal:
            self.form.add_error(None, refusal)
            return False
        return True

    def carried(self) -> dict[str, str]:
        return {}


def _parted(form: Any, more_names: Sequence[str], planned: dict[str, Any] | None = None) -> dict[str, Any]:
    """What stands in sight, and what is folded; open where it says something that nobody had said before."""
    own = [bound for bound in form if bound.name not in questions.FIELDS]
    more = [bound for bound in own if bound.name in more_names]
    silent = (None, "", False)
    is_open = any(bound.errors or bound.value() not in (*silent, (planned or {}).get(bound.name)) for bound in more)
    return {"fields": [bound for bound in own if bound not in more], "more": more, "is_more_open": is_open}


def posted(request: HttpRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _in_minutes(form: Any) -> None:
    """Times are shown as they are typed, without seconds."""
    for field in form.fields.values():
        if isinstance(field, formfields.MomentField):
            field.widget = formfields.MinuteWidget()
