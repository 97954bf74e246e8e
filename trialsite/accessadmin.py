"""The pages of access: who may do what on a day, the review that a principal investigator signs, and past reviews."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from trialsite import actions, firstpage, formfields, listexport, reviews, rights, signing
from trialsite.constraints import as_refusals
from trialsite.models import AccessReview, Site, User
from trialsite.recordadmin import SiteScopedAdmin
from trialsite.refusal import Refused
from trialsite.signature import SignatureForm

KEEP, TAKE = "keep", "take"


class AccessReviewAdmin(SiteScopedAdmin):
    """Signed reviews, to be read; beside them the pages that they are made from."""

    site_path = "site"
    list_display = ("reviewed_at", "site", "reviewed_by", "looked_at", "taken", "signature")
    list_select_related = ("site", "reviewed_by")
    date_hierarchy = "reviewed_at"
    fieldsets = (
        (None, {"fields": (("site", "reviewed_at", "reviewed_by"), "signature")}),
        (_("What was seen and decided"), {"fields": ("decisions",)}),
    )
    readonly_fields = ("signature", "decisions")

    def hidden_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """What was seen and decided stands on the review's own page, in words."""
        return ("seen",)

    def look_at(self, rows: list[Any]) -> None:
        found = signing.verify(rows)
        for row in rows:
            row.signatures = found.get(row.pk, ())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=_("people"))
    def looked_at(self, row: AccessReview) -> int:
        return len(row.seen["people"])

    @display(description=_("taken away from"))
    def taken(self, row: AccessReview) -> int:
        return sum(bool(one["taken"]) for one in row.seen["people"])

    @display(description=_("signature"))
    def signature(self, row: AccessReview) -> str:
        """In a list what was looked up for all; on a page of its own in full."""
        if hasattr(row, "signatures"):
            return signing.marks(row.signatures)
        return render_to_string("admin/trialsite/signatures.html", {"signatures": signing.of(row)})

    @display(description=_("what was seen and decided"))
    def decisions(self, row: AccessReview) -> SafeString:
        people = [{**one, "taken_in_words": [in_words(name) for name in one["taken"]]} for one in row.seen["people"]]
        return render_to_string("admin/trialsite/access_decisions.html", {"people": _shown(people)})

    # --- pages beside the list ----------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("rights/", wrap(self.rights_view), name="trialsite_accessreview_rights"),
            path("sign/<int:site_id>/", wrap(self.sign_view), name="trialsite_accessreview_sign"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """A button for each site that the reader may sign for."""
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            buttons = [
                {
                    "title": gettext("Review %(site)s…") % {"site": site},
                    "icon": "fact_check",
                    "attrs": {},
                    "path": reviews.address(site),
                }
                for site in _may_sign_for(_reader(request))
            ]
            response.context_data["actions_list"] = [*response.context_data.get("actions_list", []), *buttons]
        return response

    def rights_view(self, request: HttpRequest) -> HttpResponseBase:
        """Everybody's rights on one day, on the page or as a file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        reader, today = _reader(request), timezone.localdate()
        day, mistake = _day(request, today)
        found = rights.on_day(day, reader=reader)
        people = [one for one in found.people if _is_asked_for(one, request)]
        kind = request.POST.get("format", "")
        if request.method == "POST" and kind in listexport.FORMATS:
            return _as_file(request, kind, people)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Who may do what"),
            "opts": self.opts,
            "found": found,
            "people": people,
            "choices": found.people,
            "sites": firstpage.sites_of(reader),
            "person": request.GET.get("person", ""),
            "site": request.GET.get("site", ""),
            "today": today,
            "is_today": day == today,
            "mistake": mistake,
            # Of one person the whole story.
            "rights_trail": rights.trail(people[0].person, reader=reader) if _is_one(request, people) else [],
        }
        return TemplateResponse(request, "admin/trialsite/rights.html", context)

    def sign_view(self, request: HttpRequest, site_id: int) -> HttpResponse:
        """The review of one site: each person, what to do with their rights, and the signature below."""
        reader = _reader(request)
        site = get_object_or_404(firstpage.sites_of(reader), pk=site_id)
        if not reviews.may_review(reader, site):
            raise PermissionDenied
        entries = reviews.entries(site, by=reader)
        form = ReviewForm(request.POST if request.method == "POST" else None, request=request, entries=entries)
        if request.method == "POST" and form.is_valid():
            try:
                with as_refusals():
                    review = actions.review_access(
                        site=site,
                        decisions=form.decisions(),
                        shown=form.cleaned_data["shown"],
                        by=reader,
                        now=timezone.now(),
                    )
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                took = any(one["taken"] for one in review.seen["people"])
                said = (
                    _("Signed. What you took away is taken away.")
                    if took
                    else _("Signed. Everybody keeps their rights.")
                )
                self.message_user(request, said)
                return HttpResponseRedirect(self._page(review))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Review of access: %(site)s") % {"site": site},
            "opts": self.opts,
            "form": form,
            "lines": form.lines(),
            "shown": reviews.state_of(entries),
            "back": self._list_url("changelist"),
        }
        return TemplateResponse(request, "admin/trialsite/access_review.html", context)

    def _page(self, review: AccessReview) -> str:
        return self._list_url("changelist") + f"{review.pk}/change/"


def _reader(request: HttpRequest) -> User:
    """Who asks; the admin lets nobody else in."""
    assert isinstance(request.user, User)
    return request.user


def _may_sign_for(reader: User) -> list[Site]:
    if reader.is_superuser or not reader.has_perm(reviews.PERMISSION):
        return []
    return list(reader.sites.all())


# --- who may do what ------------------------------------------------------------------------------


def _day(request: HttpRequest, today: dt.date) -> tuple[dt.date, str]:
    """The day that was asked for, and what is wrong with it; then it is today's."""
    try:
        day = formfields.DateField(required=False).clean(request.GET.get("day", "")) or today
    except ValidationError as mistake:
        return today, " ".join(mistake.messages)
    if day > today:
        return today, gettext("%(day)s lies ahead: nobody knows yet who may do what then. Shown is today.") % {
            "day": f"{day:%Y-%m-%d}"
        }
    return day, ""


def _is_asked_for(one: rights.PersonOnDay, request: HttpRequest) -> bool:
    person, site = request.GET.get("person", ""), request.GET.get("site", "")
    return (not person or str(one.person.pk) == person) and (not site or site in one.site_numbers)


def _is_one(request: HttpRequest, people: list[rights.PersonOnDay]) -> bool:
    return bool(request.GET.get("person")) and len(people) == 1


def _as_file(request: HttpRequest, kind: str, people: list[rights.PersonOnDay]) -> HttpResponseBase:
    header = [
        _("person"),
        _("username"),
        _("active"),
        _("administrator"),
        _("roles"),
        _("sites"),
        _("permissions beside the roles"),
        _("tokens"),
        _("password set at"),
    ]
    return listexport.leave(
        request,
        kind=kind,
        header=header,
        table=map(_cells, people),
        model=User._meta.label,
        sheet=_("Who may do what"),
        content="rights",
    )


def _cells(one: rights.PersonOnDay) -> list[Any]:
    held = (one.active, one.superuser, one.roles, one.sites, one.permissions, one.tokens)
    comma = gettext(", ")
    return [
        str(one.person),
        one.person.username,
        *(comma.join(map(str, rows)) or gettext("no") for rows in held[:2]),
        *(comma.join(map(str, rows)) for rows in held[2:]),
        one.password_set_at,
    ]


# --- the review -----------------------------------------------------------------------------------


class ReviewForm(SignatureForm):
    """For each person a decision that somebody has to make, and a signature under all of them."""

    shown = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, entries: list[reviews.Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entries = entries
        for entry in entries:
            self.fields.update({f"{name}_{entry.person.pk}": field for name, field in _fields_of(entry)})

    def clean(self) -> dict[str, Any]:
        """What is taken away, and why, belongs to a decision to take away."""
        cleaned = super().clean() or self.cleaned_data
        for entry in self.entries:
            choice, take, reason = self._said(entry)
            if choice == TAKE and not take:
                self.add_error(f"take_{entry.person.pk}", _("Say what is taken away."))
            if choice == TAKE and not reason:
                self.add_error(f"reason_{entry.person.pk}", _("Give a reason for taking it away."))
            if choice == KEEP and take:
                self.add_error(f"take_{entry.person.pk}", _("Kept, or taken away? Untick this, or choose “take away”."))
        return cleaned

    def _said(self, entry: reviews.Entry) -> tuple[str, list[str], str]:
        given = self.cleaned_data
        number = entry.person.pk
        return given.get(f"choice_{number}", ""), given.get(f"take_{number}", []), given.get(f"reason_{number}", "")

    def decisions(self) -> dict[int, actions.Decision]:
        found = {}
        for entry in self.entries:
            _choice, take, reason = self._said(entry)
            found[entry.person.pk] = actions.Decision(frozenset(take), reason)
        return found

    def lines(self) -> list[dict[str, Any]]:
        """Each person with the three fields of their decision."""
        return [
            {"entry": entry, **{name: self[f"{name}_{entry.person.pk}"] for name, _field in _fields_of(entry)}}
            for entry in self.entries
        ]


def _fields_of(entry: reviews.Entry) -> Iterator[tuple[str, forms.Field]]:
    choices = [(KEEP, _("keep")), *([(TAKE, _("take away"))] if entry.may_take else [])]
    yield "choice", forms.ChoiceField(label=_("Decision"), choices=choices, widget=forms.RadioSelect)
    if entry.may_take:
        yield (
            "take",
            forms.MultipleChoiceField(
                label=_("Take away"), choices=entry.may_take, required=False, widget=forms.CheckboxSelectMultiple
            ),
        )
        yield (
            "reason",
            forms.CharField(
                label=_("Reason"), required=False, max_length=500, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2})
            ),
        )


# --- a past review --------------------------------------------------------------------------------


def in_words(name: str) -> str:
    """`role:investigator`, `site:ZJ`, `active`, as a review keeps it."""
    kind, _colon, what = name.partition(":")
    if kind == "role":
        return gettext("the role %(role)s") % {"role": reviews.role_name(what)}
    if kind == "site":
        return gettext("the site %(site)s") % {"site": what}
    return gettext("all: the person becomes inactive")


def _shown(people: list[dict[str, Any]]) -> list[dict[str, Any]]:
    moments = ("last_login", "last_reviewed", "password_set_at")
    return [
        {
            **one,
            "role_names": [reviews.role_name(name) for name in one["roles"]],
            **{name: one[name] and dt.datetime.fromisoformat(one[name]) for name in moments},
        }
        for one in people
    ]
