"""The page on which a visit is entered: what it asks in the order of the work, saved section by section."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from participants import actions
from participants.admin import limits
from participants.admin.panels import HISTORICAL, ExaminationForm, Panel, lines_of, with_rest
from participants.entering import examinations, panel_section, tests_of, tick_section, with_not_done
from participants.models import Examination, Participant, Visit, VisitProcedure
from participants.progress import asked_at, owed_of
from participants.rules.schedule import trial_day
from trialsite import entering, formfields, once, wayback
from trialsite.adminsection import AdminForm
from trialsite.entering import Page, Section
from trialsite.reading import word_key
from trialsite.sentences import joined

FRAGMENT = "fragment"
# The first box of the moment in the head of the page: it was sent.
OFFERED = "at_0"
# Which of the two forms of a section was sent: the one that says that it was not done.
NOT_DONE = "_not_done"
ADD_PROCEDURE = "participants.add_visitprocedure"
# The last section: what became of the visit itself.
VISIT = "visit"
# Panels that a laboratory reports; what a device or a person says has another place of origin.
FROM_LABORATORY = frozenset({"CBC", "CHEM", "COAG", "MARROW", "CD19", "IMMUNE", "VIRUS", "HCG"})


class OfferForm(forms.Form):
    """What every section of the page offers: typed once."""

    at = formfields.MomentField(label=gettext_lazy("When"), widget=formfields.MinuteWidget)
    laboratory = formfields.LineField(
        label=gettext_lazy("laboratory"),
        required=False,
        max_length=100,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )


def visit_urls(admin: Any) -> list[URLPattern]:
    def view(request: HttpRequest, visit_id: int) -> HttpResponse:
        row = admin.get_queryset(request).select_related("participant__site").standing().filter(pk=visit_id).first()
        return _answer(admin, request, row and row.participant, row.code if row else "", row)

    return [path("<int:visit_id>/enter/", admin.admin_site.admin_view(view), name="participants_visit_enter")]


def participant_urls(admin: Any) -> list[URLPattern]:
    def view(request: HttpRequest, participant_id: int, code: str) -> HttpResponse:
        participant = admin.get_queryset(request).filter(pk=participant_id).first()
        return _answer(admin, request, participant, code, None)

    wrap = admin.admin_site.admin_view
    return [path("<int:participant_id>/enter/<slug:code>/", wrap(view), name="participants_participant_enter")]


def _answer(admin: Any, request: HttpRequest, participant: Participant | None, code: str, row: Visit | None) -> Any:
    if participant is None:
        raise Http404
    if not request.user.has_perm("participants.view_visit"):
        raise PermissionDenied
    page = Page(participant, code, row, request, timezone.now())
    if row is None and not _is_before_infusion(page):
        return HttpResponseRedirect(_row_address(page))
    if OFFERED in request.GET and (offered := OfferForm(request.GET)).is_valid():
        return HttpResponseRedirect(f"{page.address}?{urlencode(_kept(offered.cleaned_data))}")
    sections = _sections(page)
    opened = next((one for one in sections if one.code == request.GET.get(entering.OPEN)), None)
    form = _form_of(page, opened)
    if request.method == "POST" and form is None:
        raise PermissionDenied
    if request.method == "POST" and form is not None and opened is not None and _is_saved(form):
        return _after(page, sections, opened, form)
    if opened is not None and FRAGMENT in request.GET:
        return TemplateResponse(request, "admin/participants/enter_section.html", _shown(page, opened, form))
    return _whole(admin, page, sections, opened, form)


def _kept(offered: dict[str, Any]) -> dict[str, str]:
    at = {entering.AT: f"{timezone.localtime(offered['at']):%Y-%m-%dT%H:%M}"}
    return at | ({entering.LABORATORY: offered["laboratory"]} if offered["laboratory"] else {})


def _form_of(page: Page, opened: Section | None) -> entering.SectionForm | None:
    """The form of the open section; where it was said that it was not done, the one that takes the reason."""
    if opened is None:
        return None
    if NOT_DONE in page.request.POST:
        return _not_done_form(page, opened) if may_be_not_done(page, opened) else None
    return opened.form() if opened.form is not None else None


def _is_before_infusion(page: Page) -> bool:
    """Whether the schedule has this visit and an infusion does not plan it: such a visit is no row."""
    try:
        return not page.visit.follows_infusion
    except KeyError:
        raise Http404 from None


def _row_address(page: Page) -> str:
    row = page.participant.visits.standing().filter(code=page.code).first()
    if row is None:
        raise Http404
    return reverse("admin:participants_visit_enter", args=[row.pk])


# --- What the visit asks --------------------------------------------------------------------------------


def _sections(page: Page) -> list[Section]:
    """In the order of the study file; procedures that are entered together are one section."""
    asked = asked_at(page)
    found = [(one.code, section) for one in asked for section in _of_procedure(page, one, asked)]
    unique = {section.code: section for _code, section in found}
    owed = owed_of(page)
    wanted = {section.code for code, section in found if code in owed}
    said = [with_not_done(page, section) for section in unique.values()]
    said = [one if one.code in wanted else replace(one, is_optional=True) for one in said]
    return [*said, *_closing(page, said)]


def _of_procedure(page: Page, procedure: Any, asked: list[Any]) -> Iterator[Section]:
    parts = [part for one in asked for part in one.panels]
    for part in procedure.panels:
        yield _panel(page, part.panel, tests_of(parts, part.panel))
    if procedure.form:
        yield from page.once(f"form:{procedure.form}", lambda: entering.forms()[procedure.form](page))
    if not procedure.panels and not procedure.form:
        may = page.may(ADD_PROCEDURE)
        yield tick_section(page, procedure, (lambda: _tick_form(page, procedure.code)) if may else None)


def _panel(page: Page, panel: str, tests: tuple[str, ...]) -> Section:
    may = page.may("participants.add_examination")
    return panel_section(page, panel, tests, form=(lambda: PanelSection(page, panel, tests)) if may else None)


class PanelSection:
    """A new report of one panel, with the moment and the laboratory of the visit."""

    template = "admin/participants/enter_panel.html"

    def __init__(self, page: Page, panel: str, tests: tuple[str, ...]) -> None:
        self.page = page
        posted = page.request.POST if page.request.method == "POST" else None
        laboratory = _laboratory(page, panel) if panel in FROM_LABORATORY else ""
        obj = Examination(participant=page.participant, panel=panel, is_study_procedure=panel not in HISTORICAL)
        offer = limits.offer(page.request, obj, page.participant, laboratory)
        data = with_rest(offer.filled(posted), panel, tests)
        form = ExaminationForm(
            data,
            instance=obj,
            participants=Participant.objects.none(),
            panel=panel,
            first=tests,
            initial={
                "taken_at": page.offered_at,
                "laboratory": laboratory,
                "limits_compared": page.is_compared and word_key(laboratory) == word_key(page.offered_laboratory),
            },
        )
        self.panel = Panel(page.request, obj, form, lines_of(data, obj, offer), offer, tests)

    def context(self) -> dict[str, Any]:
        return {"form": self.panel.form, "panel": self.panel, "opts": Examination._meta}

    def save(self) -> bool:
        if self.panel.offer.is_asked or not self.panel.save():
            return False
        once.made(self.page.request, self.panel.form.instance)
        return True

    def carried(self) -> dict[str, str]:
        """The moment of the visit, its laboratory, and that its limits were compared."""
        data, obj = self.panel.form.cleaned_data, self.panel.form.instance
        kept = {entering.AT: f"{timezone.localtime(obj.taken_at):%Y-%m-%dT%H:%M}"}
        if obj.panel in FROM_LABORATORY and obj.laboratory:
            kept[entering.LABORATORY] = obj.laboratory
            is_same = word_key(obj.laboratory) == word_key(self.page.offered_laboratory)
            if data.get("limits_compared") or (self.page.is_compared and is_same):
                kept[entering.COMPARED] = "1"
        return kept


def _tick_form(page: Page, code: str) -> AdminForm:
    row = VisitProcedure(participant=page.participant, visit_code=page.code, code=code, state=VisitProcedure.State.DONE)
    return AdminForm(page, row, first=("done_on", "result"))


def _not_done_form(page: Page, section: Section) -> AdminForm:
    row = VisitProcedure(
        participant=page.participant, visit_code=page.code, code=section.code, state=VisitProcedure.State.NOT_DONE
    )
    return AdminForm(page, row, first=("not_done_reason",))


def may_be_not_done(page: Page, section: Section) -> bool:
    is_said = section.is_done or section.not_done
    return section.may_be_missed and not is_said and page.may(ADD_PROCEDURE)


def _laboratory(page: Page, panel: str) -> str:
    """That of the visit; before one was typed, the only one whose reports the site has."""
    known = actions.laboratories(page.participant, panel) if not page.offered_laboratory else []
    return page.offered_laboratory or (known[0] if len(known) == 1 else "")


# --- The visit itself -----------------------------------------------------------------------------------


def missing_of(sections: list[Section]) -> list[Section]:
    return [one for one in sections if not (one.is_done or one.is_optional or one.not_done)]


def _closing(page: Page, sections: list[Section]) -> list[Section]:
    """Completed with one press; whatever the visit lacks stands above it, and keeps nobody from saying the truth."""
    if page.row is None:
        return []
    missing = missing_of(sections)
    names = _(", ").join(str(one.name) for one in missing)
    may = page.may("participants.change_visit") and page.row.state == Visit.State.PLANNED
    return [
        Section(
            VISIT,
            _("Complete the visit"),
            is_done=page.row.state != Visit.State.PLANNED,
            lines=_state_lines(page.row),
            hint=_still_missing(names) if missing else "",
            form=(lambda: _visit_form(page)) if may else None,
            links=page.allowed((_("Not done, or to be corrected"), _change(page), "participants.change_visit")),
        )
    ]


def _still_missing(names: str) -> str:
    missing = _("Still missing: %(tests)s.") % {"tests": names}
    return joined((missing, _("If that stays so, record the visit as partly done, with the reason.")))


def _change(page: Page) -> str:
    return page.link("participants_visit_change", page.row.pk)


def _state_lines(row: Visit) -> tuple[entering.Line, ...]:
    if row.state == Visit.State.PLANNED:
        return ()
    said = (
        row.get_state_display(),
        row.occurred_on and f"{row.occurred_on:%Y-%m-%d}",
        row.get_contact_display(),
        row.why,
    )
    return (entering.Line(" · ".join(str(one) for one in said if one)),)


def _visit_form(page: Page) -> AdminForm:
    """The day of what was entered; without any entry, nobody knows on which day it was."""
    days = [actions.site_day(row.taken_at) for rows in examinations(page).values() for row in rows]
    return AdminForm(
        page,
        page.row,
        first=("occurred_on", "contact"),
        more=("state", "deviation_reason", "not_done_reason", "note"),
        offered={"occurred_on": max(days)} if days else {},
    )


# --- Saving, and showing --------------------------------------------------------------------------------


def _is_saved(form: entering.SectionForm) -> bool:
    return form.save()


def _after(page: Page, before: list[Section], saved: Section, form: entering.SectionForm) -> HttpResponse:
    """On to the next section that is missing, with what was typed once."""
    messages.success(page.request, _("%(name)s is saved.") % {"name": saved.name})
    if saved.code == VISIT:
        # The visit itself is recorded: what comes next stands on the page of whom it is about.
        return HttpResponseRedirect(wayback.address_of(wayback.page(page.participant, "visits")))
    codes = [one.code for one in before]
    later = before[codes.index(saved.code) + 1 :]
    following = next((one for one in later if one.form is not None and one in missing_of(later)), None)
    place = following.code if following else saved.code
    query = {**page.carried, **form.carried(), **({entering.OPEN: place} if following else {})}
    return HttpResponseRedirect(f"{page.address}?{urlencode(query)}#{place}")


def _whole(
    admin: Any, page: Page, sections: list[Section], opened: Section | None, form: entering.SectionForm | None
) -> HttpResponse:
    missing = missing_of(sections)
    context = {
        **admin.admin_site.each_context(page.request),
        "title": f"{page.participant.number} · {page.code}",
        "participant": page.participant,
        "visit": page.visit,
        "row": page.row,
        "code": page.code,
        "window": page.window,
        "day": _day(page),
        "sections": [_shown(page, one, form if one is opened else None, is_open=one is opened) for one in sections],
        "missing": missing,
        "offer_form": _offer_form(page),
        "opts": Visit._meta,
    }
    return TemplateResponse(page.request, "admin/participants/enter.html", context)


def _offer_form(page: Page) -> OfferForm:
    """With what was wrong about it, where it could not be read."""
    if OFFERED in page.request.GET:
        return OfferForm(page.request.GET)
    return OfferForm(initial={"at": page.offered_at, "laboratory": page.offered_laboratory})


def _day(page: Page) -> int | None:
    """The day of today, counted from the infusion that was, or is planned."""
    day0 = page.day0
    return None if day0 is None else trial_day(actions.site_day(page.now), day0=day0)


def _shown(
    page: Page, section: Section, form: entering.SectionForm | None = None, *, is_open: bool = False
) -> dict[str, Any]:
    query = urlencode({**page.carried, entering.OPEN: section.code})
    shown = {
        "section": section,
        "form_template": form.template if form else "",
        "post_to": f"{page.address}?{query}",
        "load": f"{page.address}?{query}&{FRAGMENT}=1",
        "is_open": is_open,
        "may_not_do": may_be_not_done(page, section),
        "is_refused_not_done": is_open and NOT_DONE in page.request.POST,
    }
    return {**shown, **(form.context() if form else {})}
