import json
from decimal import Decimal
from typing import Any

from django import template
from django.conf import settings
from django.db.models import Model
from django.template.defaultfilters import linebreaksbr
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from trialsite import flatlists, formfields, headers, identity, once, reading, versions, wayback

register = template.Library()

# As the theme and Python say that there is nothing to say.
NOTHING = ("", "-", "None")


@register.simple_tag
def admin_link(row: Model) -> str:
    """The full address of a row's page in the admin, for e-mails."""
    return settings.SITE_URL + admin_path(row)


@register.simple_tag
def subject_of(letter: Any) -> str:
    """The subject that a message of its own would have: `template` with its `context`, in the reader's language."""
    return " ".join(render_to_string(f"{letter.template}-subject.txt", dict(letter.context)).split())


@register.filter
def admin_path(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


@register.filter
def with_back(address: str, back: str) -> str:
    """The address of a form that leads back to where it is shown."""
    return wayback.with_back(address, back)


@register.filter
def listed(words: Any) -> str:
    """Words one after the other, as the reader's language lists them."""
    return _(", ").join(words)


@register.filter
def capitalised(label: Any) -> Any:
    return formfields.capitalised(label)


@register.filter
def as_read(field: Any) -> Any:
    """A field that is only read: the words of a label without the key of its colour, a number without noughts that
    nobody measured, a text in its lines, and one dash for what is not there."""
    column, _name, value = field.resolved_field or (None, None, None)
    if isinstance(value, tuple):
        return value[1]
    if column is not None and isinstance(value, Decimal):
        return reading.plain_number(value)
    if column is not None and isinstance(value, str) and "\n" in value:
        return linebreaksbr(value)
    said = field.contents()
    return "—" if said in NOTHING else said


@register.simple_tag
def other_language() -> str:
    """For `lang`, beside a text in the reader's language: the one that the same thing is said in, too."""
    return "en" if (get_language() or "").startswith("zh") else "zh-Hans"


@register.simple_tag(takes_context=True)
def evaluates(context: Any) -> str:
    """On the pages that carry the theme's Alpine.js."""
    headers.evaluates(context["request"])
    return ""


def _restored(opts: Any) -> str:
    text = _("Restored: what you typed at {time}, which was not saved yet.")
    if identity.asks_who(opts):
        text += " " + _("Names, birth dates, phones and hospital numbers are never kept in a browser: type them again.")
    return text


@register.simple_tag(takes_context=True)
def form_guard(context: Any) -> SafeString:
    """Within every form that records something: its token, and the state of the rows that it was opened with."""
    request = context["request"]
    fields = format_html(
        '<input type="hidden" name="{}" value="{}" data-person="{}" data-never="{}" data-restored="{}" '
        'data-discard="{}">',
        once.FIELD,
        once.token_for(request),
        request.user.pk,
        json.dumps(sorted(identity.never_kept(context.get("opts")))),
        _restored(context.get("opts")),
        _("Discard it"),
    )
    if opened := context.get("opened"):
        fields += format_html('<input type="hidden" name="{}" value="{}">', versions.FIELD, opened)
    return fields


@register.inclusion_tag("admin/trialsite/day_choices.html")
def day_choices(changes: Any) -> dict[str, Any]:
    """The days that a list can be narrowed to."""
    return flatlists.day_choices(changes)
