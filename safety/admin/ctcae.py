"""CTCAE on the pages of adverse events: the field that finds a term, its card, and version 5.0 beside 6.0."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from safety.actions import ctcae
from safety.ctcae.catalogue import (
    MEDDRA_VERSION,
    V5,
    V6,
    VERSIONS,
    Change,
    ChangeKind,
    Term,
    UnknownTerm,
    changed_terms,
    side_by_side,
    term,
    terms,
    with_names,
)
from safety.imports.ctcae_workbook import PARTS
from safety.models import CtcaeText, SiteTermName
from trialsite.study import get_study

SHOWN = 20
PER_PAGE = 100
# More rows than that are a list of links: in 6.0, “Other, specify” stands for all that was removed from its class.
COMPARED = 4
GRADES = (1, 2, 3, 4, 5)
KIND_NAMES: dict[ChangeKind, Any] = {
    ChangeKind.SAME: _("in both versions"),
    ChangeKind.MOVED: _("in another system organ class"),
    ChangeKind.RENAMED: _("another term"),
    ChangeKind.MERGED: _("several terms became one"),
    ChangeKind.REMOVED: _("removed: “Other, specify” of its class"),
    ChangeKind.SPLIT: _("some grades became another term"),
    ChangeKind.ADDED: _("new in 6.0"),
}
OTHER_GRADES, OTHER_WORDING = _("other grades"), _("other wording")


def urls(page: Any) -> list[URLPattern]:
    """The addresses below the adverse events' own, for those who may see or log events."""

    def door(address: str, view: Any, name: str) -> URLPattern:
        def asked(request: HttpRequest, **values: Any) -> HttpResponse:
            if not (page.has_view_permission(request) or page.has_add_permission(request)):
                raise PermissionDenied
            return view(page, request, **values)

        return path(address, page.admin_site.admin_view(asked), name=f"safety_adverseevent_{name}")

    return [
        door("ctcae/", search_view, "ctcae"),
        door("ctcae/versions/", versions_view, "ctcae_versions"),
        door("ctcae/versions/<str:code>/", compared_view, "ctcae_compared"),
        door("ctcae/<str:code>/", card_view, "ctcae_card"),
    ]


# --- Words ---------------------------------------------------------------------------------------


def is_chinese() -> bool:
    return (get_language() or "").startswith("zh")


def names_in_order(found: Term) -> tuple[str, str]:
    """The name in the reader's language first."""
    return (found.name_zh, found.name) if is_chinese() else (found.name, found.name_zh)


def soc_name(found: Term) -> str:
    return found.soc_zh if is_chinese() else found.soc


def grades_text(found: Term) -> str:
    return gettext("grades %(grades)s") % {"grades": ctcae.grades_text(found.grades)}


# --- The field -----------------------------------------------------------------------------------


class CtcaeWidget(UnfoldAdminTextInputWidget):
    """A line for a name or a code; with JavaScript it searches while one types. Below it the term's card."""

    template_name = "admin/safety/ctcae_widget.html"
    version = V5

    class Media:
        css = {"all": ("safety/ctcae.css",)}
        js = (forms.Script("safety/ctcae.js", defer=True),)

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        found = ctcae.resolve(self.version, str(value or ""))
        return {
            **context,
            "version": self.version,
            "search_url": reverse("admin:safety_adverseevent_ctcae"),
            "card": card_of(found) if found else None,
            "code": found.code if found else "",
        }


class CtcaeField(forms.CharField):
    """A CTCAE term: typed as its code or its name, shown as both names and the code, kept as the code."""

    widget = CtcaeWidget
    default_error_messages = {
        "required": _(
            "Choose the CTCAE term. When no term fits, take “Other, specify” of its system organ class: every class "
            "has one."
        )
    }
    version = V5

    def of_version(self, version: str) -> None:
        """Ask for terms of this version."""
        self.version = self.widget.version = version  # type: ignore[attr-defined]
        address = reverse("admin:safety_adverseevent_ctcae_versions") + f"?version={version}"
        link = gettext("list of terms")
        self.help_text = gettext(
            "CTCAE %(version)s. Write Chinese or English, initials of pinyin (zxlx), a system organ class or the "
            "MedDRA code; or look in the %(list)s. No term fits? “Other, specify” of the class."
        ) % {"version": version, "list": f'<a class="ctcae-link" href="{address}" target="_blank">{link}</a>'}

    def to_python(self, value: Any) -> str:
        text = super().to_python(value).strip()
        if not text:
            return ""
        found = ctcae.resolve(self.version, text)
        if found is None:
            raise ctcae.no_such_term(self.version, text)
        return found.code

    def prepare_value(self, value: Any) -> Any:
        """The label of a code; what somebody wrote stays as it was written."""
        found = ctcae.resolve(self.version, str(value or ""))
        return ctcae.label(found) if found else value


# --- What the field asks -------------------------------------------------------------------------


def _version(request: HttpRequest) -> str:
    """The version of the address, or the study's. Raises Http404 for one that is not here."""
    version = request.GET.get("version") or get_study().latest.policy.ctcae_version
    if version not in VERSIONS:
        raise Http404
    return version


def _term(version: str, code: str) -> Term:
    try:
        return with_names(term(version, code), ctcae.site_names())
    except UnknownTerm:
        raise Http404 from None


def search_view(page: Any, request: HttpRequest) -> HttpResponse:
    """Terms that answer `q`, the best first; `exact` is the code when `q` names one term wholly."""
    version, query = _version(request), request.GET.get("q", "")
    found = ctcae.find(version, query, limit=SHOWN + 1)
    exact = ctcae.resolve(version, query)
    answer = {
        "version": version,
        "exact": exact.code if exact else None,
        "has_more": len(found) > SHOWN,
        "terms": [_answer(one) for one in found[:SHOWN]],
    }
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})


def _answer(found: Term) -> dict[str, Any]:
    return {
        "code": found.code,
        "name": found.name,
        "name_zh": found.name_zh,
        "soc": found.soc,
        "soc_zh": found.soc_zh,
        "grades": found.grades,
        "label": ctcae.both_names(found),
        "value": ctcae.label(found),
        "detail": ctcae.SEPARATOR.join((soc_name(found), found.code, grades_text(found))),
    }


def card_view(page: Any, request: HttpRequest, code: str) -> HttpResponse:
    """The card of one term, as a part of a page."""
    context = {"card": card_of(_term(_version(request), code))}
    return TemplateResponse(request, "admin/safety/ctcae_card.html", context, headers={"Cache-Control": "no-store"})


def card_of(found: Term, *, grade: int | None = None) -> dict[str, Any]:
    """All that is known of a term, for its card; `grade` is the one to stand out."""
    text = CtcaeText.objects.filter(version=found.version, code=found.code).first()
    first, second = names_in_order(found)
    return {
        "term": found,
        "first": first,
        "second": second,
        "soc": soc_name(found),
        "meddra": MEDDRA_VERSION[found.version],
        "source": source_of_name(found.code),
        "has_text": text is not None,
        "definition": text.definition if text else "",
        "note": text.note if text else "",
        "grades": [_grade(found, number, text, chosen=grade == number) for number in GRADES],
        "grades_text": ctcae.grades_text(found.grades),
        "compared_url": _compared_url(found),
    }


def _grade(found: Term, number: int, text: CtcaeText | None, *, chosen: bool) -> dict[str, Any]:
    return {
        "number": number,
        "exists": number in found.grades,
        "text": text.of_grade(number) if text else "",
        "is_chosen": chosen,
    }


def source_of_name(code: str) -> str | Promise:
    """Whose Chinese name is shown: the site's release of MedDRA, or our own translation."""
    name = SiteTermName.objects.filter(code=code).first()
    if name is None:
        return _("Chinese name: translated by this system, not MedDRA's")
    if not name.release:
        return _("Chinese name: MedDRA, the site's release")
    return _("Chinese name: MedDRA %(release)s, the site's release") % {"release": name.release}


# --- 5.0 beside 6.0 ------------------------------------------------------------------------------


@cache
def _changes_by_term() -> Mapping[tuple[str, str], tuple[Change, ...]]:
    """What is not the same, by version and code of either side."""
    found: dict[tuple[str, str], tuple[Change, ...]] = {}
    for change in changed_terms():
        for side in (change.v5, change.v6):
            if side is not None:
                key = (side.version, side.code)
                found[key] = (*found.get(key, ()), change)
    return found


def _other_side(change: Change, version: str) -> Term | None:
    return change.v6 if version == V5 else change.v5


def _twin(found: Term) -> Term | None:
    """The same term in the other version, where it is there under its own code."""
    try:
        return term(V6 if found.version == V5 else V5, found.code)
    except UnknownTerm:
        return None


class Comparison:
    """All terms of a version with what is different in the other one; texts are read once."""

    def __init__(self, version: str, *, names: Mapping[str, str], texts: Mapping[tuple[str, str], CtcaeText]) -> None:
        self.version, self.names, self.texts = version, names, texts

    def row(self, found: Term) -> dict[str, Any]:
        first, second = names_in_order(found)
        return {
            "term": found,
            "first": first,
            "second": second,
            "soc": soc_name(found),
            "grades": ctcae.grades_text(found.grades),
            "differences": list(self.differences(found)),
            "url": _compared_url(found),
        }

    def differences(self, found: Term) -> Iterator[dict[str, Any]]:
        """What is different, and the terms of the other version that it is about."""
        by_kind: dict[ChangeKind, list[Term]] = {}
        for change in _changes_by_term().get((found.version, found.code), ()):
            other = _other_side(change, found.version)
            by_kind.setdefault(change.kind, []).extend([other] if other else [])
        for kind, others in by_kind.items():
            yield {"what": KIND_NAMES[kind], "terms": [self._link(one) for one in others[:COMPARED]]} | {
                "more": max(len(others) - COMPARED, 0)
            }
        twin = _twin(found)
        if twin is not None and twin.grades != found.grades:
            yield {"what": OTHER_GRADES, "terms": [], "grades": ctcae.grades_text(twin.grades)}
        if twin is not None and self._has_other_words(found):
            yield {"what": OTHER_WORDING, "terms": []}

    def _link(self, found: Term) -> dict[str, Any]:
        named = with_names(found, self.names)
        return {"name": names_in_order(named)[0], "url": _compared_url(named)}

    def _has_other_words(self, found: Term) -> bool:
        both = [self.texts.get((version, found.code)) for version in VERSIONS]
        return all(both) and any(_words(both[0], part) != _words(both[1], part) for part in PARTS)


def _words(text: CtcaeText | None, part: str) -> list[str]:
    return str(getattr(text, part)).split() if text else []


def _compared_url(found: Term) -> str:
    return reverse("admin:safety_adverseevent_ctcae_compared", args=[found.code]) + f"?version={found.version}"


def versions_view(page: Any, request: HttpRequest) -> HttpResponse:
    """All terms of a version, searched and filtered, with what is different in the other one."""
    version = _version(request)
    names, texts = ctcae.site_names(), {(text.version, text.code): text for text in CtcaeText.objects.all()}
    comparison = Comparison(version, names=names, texts=texts)
    query, soc, differs = (request.GET.get(name, "").strip() for name in ("q", "soc", "differs"))
    chosen = _chosen(version, query, soc, names)
    rows = [row for row in map(comparison.row, chosen) if row["differences"] or not differs]
    shown = Paginator(rows, PER_PAGE).get_page(request.GET.get("p"))
    context = {
        **admin.site.each_context(request),
        "title": _("CTCAE 5.0 ↔ 6.0"),
        "opts": page.opts,
        "version": version,
        "versions": [
            {"name": one, "is_shown": one == version, "url": _again(request, version=one)} for one in VERSIONS
        ],
        "study_version": get_study().latest.policy.ctcae_version,
        "query": query,
        "soc": soc,
        "socs": sorted({(one.soc, soc_name(one)) for one in terms(version)}, key=lambda pair: pair[1]),
        "differs": differs,
        "page": shown,
        "previous_url": _again(request, p=str(shown.number - 1)) if shown.has_previous() else "",
        "next_url": _again(request, p=str(shown.number + 1)) if shown.has_next() else "",
        "are_texts_loaded": bool(texts),
        "source": _source_of_names(),
    }
    return TemplateResponse(request, "admin/safety/ctcae_versions.html", context)


def _chosen(version: str, query: str, soc: str, names: Mapping[str, str]) -> Iterable[Term]:
    everything = terms(version)
    found = (
        ctcae.find(version, query, limit=len(everything))
        if query
        else tuple(with_names(one, names) for one in everything)
    )
    return [one for one in found if soc in ("", one.soc)]


def _again(request: HttpRequest, **values: str) -> str:
    """The same list with something else chosen; another version or filter begins at its first page."""
    kept = {name: value for name in ("version", "q", "soc", "differs") if (value := request.GET.get(name))}
    return f"?{urlencode({**kept, **values})}"


def _source_of_names() -> str | Promise:
    releases = sorted(set(SiteTermName.objects.values_list("release", flat=True)))
    if not releases:
        return _("Chinese names: translated by this system, not MedDRA's")
    values = {"release": ", ".join(one for one in releases if one), "count": SiteTermName.objects.count()}
    return _("Chinese names: %(count)s of MedDRA %(release)s, the site's release; the others by this system") % values


def compared_view(page: Any, request: HttpRequest, code: str) -> HttpResponse:
    """One term, side by side with what stands for it in the other version."""
    found = _term(_version(request), code)
    changes = side_by_side(found)
    first, second = names_in_order(found)
    context = {
        **admin.site.each_context(request),
        "title": first,
        "second": second,
        "opts": page.opts,
        "term": found,
        "tables": [_table(change) for change in changes] if len(changes) <= COMPARED else [],
        "links": [_change_link(change, found.version) for change in changes] if len(changes) > COMPARED else [],
        "are_texts_loaded": CtcaeText.objects.exists(),
        "source": source_of_name(found.code),
        "back": reverse("admin:safety_adverseevent_ctcae_versions") + f"?version={found.version}",
    }
    return TemplateResponse(request, "admin/safety/ctcae_compared.html", context)


def _change_link(change: Change, version: str) -> dict[str, Any]:
    other = _other_side(change, version)
    named = with_names(other, ctcae.site_names()) if other else None
    return {
        "kind": KIND_NAMES[change.kind],
        "name": ctcae.both_names(named) if named else "",
        "url": _compared_url(named) if named else "",
    }


def _table(change: Change) -> dict[str, Any]:
    names = ctcae.site_names()
    v5 = with_names(change.v5, names) if change.v5 else None
    v6 = with_names(change.v6, names)
    return {
        "kind": KIND_NAMES[change.kind],
        "split": ctcae.grades_text(change.v5_grades),
        "lines": [line for line in (*_facts(v5, v6), *_texts(v5, v6)) if line["v5"] or line["v6"]],
    }


def _line(name: Any, v5: str, v6: str) -> dict[str, Any]:
    return {"name": name, "v5": v5, "v6": v6, "differs": v5.split() != v6.split()}


def _facts(v5: Term | None, v6: Term) -> Iterator[dict[str, Any]]:
    first, second = zip(names_in_order(v5) if v5 else ("", ""), names_in_order(v6), strict=True)
    yield _line(_("term"), *first)
    yield _line("", *second)
    yield _line(_("MedDRA code"), v5.code if v5 else "", v6.code)
    yield _line(_("system organ class"), soc_name(v5) if v5 else "", soc_name(v6))
    yield _line(_("grades"), ctcae.grades_text(v5.grades) if v5 else "", ctcae.grades_text(v6.grades))


def _texts(v5: Term | None, v6: Term) -> Iterator[dict[str, Any]]:
    keys = [(one.version, one.code) if one else ("", "") for one in (v5, v6)]
    texts = [CtcaeText.objects.filter(version=version, code=code).first() for version, code in keys]
    for part in PARTS:
        given = [str(getattr(text, part)) if text else "" for text in texts]
        yield _line(CtcaeText._meta.get_field(part).verbose_name, given[0], given[1])  # type: ignore[union-attr]
