from typing import Any

from django import template
from django.conf import settings
from django.db.models import Model
from django.urls import reverse

register = template.Library()


@register.simple_tag
def admin_link(row: Model) -> str:
    """The full address of a row's page in the admin, for e-mails."""
    return settings.SITE_URL + admin_path(row)


@register.filter
def admin_path(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
