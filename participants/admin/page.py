"""The page of a participant: read first, with what is owed and what comes next; forms lead back here."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from participants import actions, page, responsepage
from participants.models import Participant
from participants.rules.status import Status
from trialsite import subjectpage, wayback
from trialsite.fieldkeys import word
from trialsite.identity import NAMES
from trialsite.subjectpage import Asked, Section

OPEN = "open"


def urls(admin: Any) -> list[URLPattern]:
    def page_view(request: HttpRequest, participant_id: int) -> HttpResponse:
        return _page(admin, _asked(admin, request, participant_id))

    def section_view(request: HttpRequest, participant_id: int, code: str) -> HttpResponse:
        return _section(_asked(admin, request, participant_id), code)

    view = admin.admin_site.admin_view
    return [
        path("<int:participant_id>/", view(page_view), name="participants_participant_page"),
        path("<int:participant_id>/section/<slug:code>/", view(section_view), name="participants_participant_section"),
    ]


def _asked(admin: Any, request: HttpRequest, participant_id: int) -> Asked:
    # With its site, and without what the form of the participant reads beforehand.
    rows = admin.get_queryset(request).prefetch_related(None).select_related("site").annotate(**responsepage.known())
    participant = rows.filter(pk=participant_id).first()
    if participant is None:
        raise Http404
    if not admin.has_view_permission(request, participant):
        raise PermissionDenied
    return Asked(participant, request, timezone.now())


def _page(admin: Any, asked: Asked) -> HttpResponse:
    from participants.admin.people import note
    from participants.models import ReadHow

    note(asked.request, [asked.participant], page.shown_of(asked.user), how=ReadHow.PAGE)
    next_step = subjectpage.following(asked)
    context = {
        **admin.admin_site.each_context(asked.request),
        "title": asked.participant.number,
        "participant": asked.participant,
        "who": _who(asked),
        "day0": page.day0(asked),
        "trial_day": page.trial_day(asked),
        "next": next_step,
        "may_next": next_step is not None and asked.may(next_step.permission) and bool(next_step.link),
        "owed": [(one, asked.may(one.permission)) for one in subjectpage.owed(asked)],
        "sections": [_shown(one, asked) for one in subjectpage.sections() if asked.may(one.permission)],
        "menu": _menu(admin, asked),
        "opts": admin.opts,
    }
    return TemplateResponse(asked.request, "admin/participants/page.html", context)


def _who(asked: Asked) -> list[str]:
    """Name, sex, age and bed, as far as this reader may see them; the sex is no identity."""
    seen, person = page.shown_of(asked.user), asked.participant
    years = person.age_on(actions.site_day(asked.now))
    told = f"{NAMES['birth_date']}: {word()}" if years is None else _("%(age)s years") % {"age": years}
    age = told if "birth_date" in seen else ""
    bed = _("bed %(bed)s") % {"bed": person.bed} if "bed" in seen and person.bed else ""
    return [one for one in (person.name if "name" in seen else "", person.get_sex_display(), age, bed) if one]


def _shown(one: Section, asked: Asked) -> dict[str, Any]:
    """A section folded; open, with its body, where the address asks for it: so it works without scripts, too."""
    is_open = asked.request.GET.get(OPEN) == one.code
    return {
        "code": one.code,
        "title": one.title,
        "summary": one.summary(asked),
        "actions": subjectpage.actions(asked, one),
        "template": one.template if is_open else "",
        "body": one.body(asked) if is_open else {},
        "back": wayback.page(asked.participant, one.code),
        "address": reverse("admin:participants_participant_section", args=[asked.participant.pk, one.code]),
    }


def _section(asked: Asked, code: str) -> HttpResponse:
    one = subjectpage.section(code)
    if one is None:
        raise Http404
    if not asked.may(one.permission):
        raise PermissionDenied
    context = {"participant": asked.participant, "back": wayback.page(asked.participant, code), "body": one.body(asked)}
    return TemplateResponse(asked.request, one.template, context)


def _menu(admin: Any, asked: Asked) -> list[tuple[Any, str]]:
    """What is done now and then: beside the head, folded."""
    whose, back = asked.participant, wayback.page(asked.participant)
    impossible = admin._impossible(whose, [Status(row.status) for row in page.history(asked)])
    wanted = (
        (_("Identity and study facts"), "change", "participants.view_identity", ""),
        (_("Change status…"), "status", "participants.change_status", "_change_status"),
        (_("Correct the day of a status…"), "day", "participants.change_status", "_correct_day"),
        (_("Steps from paper"), "paper", "participants.view_participant", ""),
        (_("Print (PDF)"), "print", "participants.view_participant", ""),
        (_("Audit trail"), "history", "trialsite.view_audit_trail", ""),
    )
    links = [
        (text, wayback.link(f"participants_participant_{name}", whose.pk, back=back))
        for text, name, permission, hidden in wanted
        if asked.may(permission) and hidden not in impossible
    ]
    if admin.has_void_permission(asked.request) and whose.is_standing:
        links.append((_("Void…"), admin.url("void", whose.pk)))
    return links


def page_address(participant: Participant | int) -> str:
    return reverse("admin:participants_participant_page", args=[getattr(participant, "pk", participant)])
