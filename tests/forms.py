"""What a browser would send back of a form."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.utils import timezone

from trialsite.models import User


def values_of(form: forms.BaseForm) -> dict[str, str]:
    """The form as it stands, sent back unchanged."""
    data: dict[str, str] = {}
    for bound in form:
        value = bound.value()
        if isinstance(value, dt.datetime):
            local = timezone.localtime(value)
            data[f"{bound.html_name}_0"], data[f"{bound.html_name}_1"] = f"{local:%Y-%m-%d}", f"{local:%H:%M:%S}"
        elif value is not None and value is not False:
            data[bound.html_name] = str(value)
    return data


def as_posted(row: Model, user: User, rf: Any) -> dict[str, str]:
    """What somebody types who records this row once more on its page for adding."""
    request = rf.get("/")
    request.user = user
    page: Any = admin.site._registry[type(row)]
    return values_of(page.get_form(request)(instance=row))
