"""Which assessments count: one question, asked in one way by all that read them."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _


def current(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Those that count: standing, and not replaced by a correction that is not void itself.

    So an assessment counts again once its correction turns out to be the mistake.
    """
    newer = rows.model._meta.concrete_model.objects.standing().filter(corrects=OuterRef("pk"))
    return rows.filter(rows.model.stands(), ~Exists(newer))


def is_replaced(row: Any) -> bool:
    """Whether a correction stands in its place; without a query where `corrections` were fetched before."""
    return any(not one.is_void for one in row.corrections.all())


def corrected_once(name: str) -> models.UniqueConstraint:
    """Two corrections of one assessment cannot both hold; one that was voided leaves room for another."""
    return models.UniqueConstraint(
        fields=["corrects"],
        condition=Q(voided_at__isnull=True),
        name=f"{name}_corrected_once",
        violation_error_message=_("This assessment was corrected already, or is void. Correct the newest one."),
    )
