"""What a browser would send back of a page's forms, read from the page itself."""

import datetime as dt
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.utils import timezone

from trialsite.models import User


@dataclass
class SeenForm:
    """One form of a page: where it goes, and what it would send untouched."""

    attrs: dict[str, str]
    data: dict[str, Any] = field(default_factory=dict)
    selects: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)

    def put(self, name: str, value: str) -> None:
        """A name that stands there twice is a list, as in a choice of several."""
        known = self.data.get(name)
        self.data[name] = value if known is None else [*(known if isinstance(known, list) else [known]), value]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[SeenForm] = []
        self.form: SeenForm | None = None
        self.select: tuple[str, bool] | None = None
        self.options: list[tuple[str, bool]] = []
        self.text: str | None = None
        self.written: list[str] = []

    def handle_starttag(self, tag: str, pairs: list[tuple[str, str | None]]) -> None:
        attrs = {name: value or "" for name, value in pairs}
        if tag == "form":
            self.form = SeenForm(attrs)
            self.forms.append(self.form)
        elif self.form is None:
            return
        elif tag == "input" and attrs.get("name"):
            is_box = attrs.get("type") in {"checkbox", "radio"}
            if attrs.get("type") not in {"submit", "button", "file"} and (not is_box or "checked" in attrs):
                self.form.put(attrs["name"], attrs.get("value", "on" if is_box else ""))
        elif tag == "select" and attrs.get("name"):
            self.select, self.options = (attrs["name"], "multiple" in attrs), []
            self.form.selects.add(attrs["name"])
        elif tag == "option" and self.select:
            self.options.append((attrs.get("value", ""), "selected" in attrs))
        elif tag == "textarea" and attrs.get("name"):
            self.text, self.written = attrs["name"], []
            self.form.texts.add(attrs["name"])

    def handle_data(self, data: str) -> None:
        if self.text is not None:
            self.written.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.form = None
        elif tag == "select" and self.select and self.form:
            name, is_multiple = self.select
            chosen = [value for value, is_chosen in self.options if is_chosen]
            if not chosen and not is_multiple:
                chosen = [value for value, _is_chosen in self.options[:1]]
            for value in chosen:
                self.form.put(name, value)
            self.select = None
        elif tag == "textarea" and self.text is not None and self.form:
            # A browser leaves out the line break with which Django begins the text.
            self.form.put(self.text, "".join(self.written).removeprefix("\n").removeprefix("\r\n"))
            self.text = None


def forms_of(response: Any) -> list[SeenForm]:
    """The forms of a page that record something: those sent by POST, but for the page's own (language, log out)."""
    reader = _Reader()
    reader.feed(response.content.decode())
    return [
        one
        for one in reader.forms
        if one.attrs.get("method", "").lower() == "post"
        and not any(path in one.attrs.get("action", "") for path in ("/logout/", "/setlang/"))
    ]


def form_of(response: Any) -> dict[str, Any]:
    """What the page's only form, or the first of them, would send."""
    return dict(forms_of(response)[0].data)


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
