"""The same thing recorded twice: what makes two rows of a model look like one, and the sentence that asks."""

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.urls import NoReverseMatch, reverse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from trialsite.models import Record


@dataclass(frozen=True)
class Twin:
    """Two rows look like one where the fields in `same` agree, and `at` lies within so many minutes.

    A model declares it as `twin`. Text agrees without regard to case. `but` names the row that this one replaces.
    """

    same: tuple[str, ...]
    at: str = ""
    minutes: int = 10
    but: str = ""

    @property
    def fields(self) -> frozenset[str]:
        return frozenset((*self.same, self.at)) - {""}

    def find(self, row: Record) -> Record | None:
        """The newest row that is not void and looks like this one; one query."""
        moment = getattr(row, self.at) if self.at else None
        if self.at and moment is None:
            return None
        rows = type(row)._default_manager.standing().filter(**self._same(row)).exclude(pk=row.pk)
        if moment is not None:
            around = dt.timedelta(minutes=self.minutes)
            rows = rows.filter(**{f"{self.at}__range": (moment - around, moment + around)})
        if self.but and (replaced := getattr(row, f"{self.but}_id")):
            # What a correction replaces looks like it by intent, and so does what that one replaced before.
            rows = rows.exclude(pk=replaced).exclude(pk__in=self._replaced(row))
        found: Record | None = rows.select_related("created_by").order_by("-pk").first()
        return found

    def _same(self, row: Record) -> dict[str, Any]:
        found = {}
        for name in self.same:
            field = row._meta.get_field(name)
            is_text = isinstance(field, models.CharField | models.TextField) and not field.choices  # type: ignore[union-attr]
            value = getattr(row, field.attname)  # type: ignore[union-attr]
            found[f"{name}__iexact" if is_text else name] = value.strip() if is_text else value
        return found

    def _replaced(self, row: Record) -> models.QuerySet[Any]:
        return type(row)._default_manager.filter(**{f"{self.but}__isnull": False}).values(f"{self.but}_id")

    def ask(self, row: Record, found: Record, by: Any) -> Any:
        """The question, with a link to the row that was found."""
        text = _("%(row)s was recorded on %(at)s by %(who)s. Is this the same? If not, say why it is another one.")
        at = formats.date_format(timezone.localtime(found.created_at), "DATETIME_FORMAT")
        return format_html(braces(text), row=link(found, by), at=at, who=found.created_by)


def sentences(row: Record, *, changed: Collection[str] | None, by: Any) -> Iterator[Any]:
    """What to ask about a row that is not saved yet; a change that touches none of its fields asks nothing."""
    twin = getattr(type(row), "twin", None)
    if twin is None or (changed is not None and not twin.fields & set(changed)):
        return
    if (found := twin.find(row)) is not None:
        yield twin.ask(row, found, by)


def link(row: Record, by: Any) -> Any:
    """The row's name, leading to its page for those who may see it."""
    opts = row._meta
    if by is None or not by.has_perm(f"{opts.app_label}.view_{opts.model_name}"):
        return str(row)
    try:
        address = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return str(row)
    return format_html('<a href="{}" class="underline">{}</a>', address, row)


def braces(text: str) -> str:
    """A message's %(name)s as format_html reads it."""
    return text.replace("%(", "{").replace(")s", "}")
