"""The pages of reminders: what will go out, how I want mine, and that I know of a visit."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDateWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldAdminTimeWidget,
)

from participants import reminderplan
from participants.actions import acknowledge_visit, passing, preferences, site_day
from participants.actions.reminders import acknowledgement_of, may_acknowledge
from participants.models import Absence, Outcome, ReminderPreference, Visit
from trialsite import formfields
from trialsite.constraints import as_refusals
from trialsite.models import Site, User
from trialsite.reading import read_key
from trialsite.refusal import Refused
from trialsite.study import get_study

MINE = "participants_visit_my_reminders"
RECORD = "participants.change_visit"
DAY, TIME = {"placeholder": "YYYY-MM-DD"}, {"placeholder": "HH:MM"}


def visit_urls(page: Any) -> list[URLPattern]:
    """The addresses below the visits' own."""

    def preview(request: HttpRequest) -> HttpResponse:
        if not page.has_view_permission(request):
            raise PermissionDenied
        return _preview(page, request)

    def acknowledge(request: HttpRequest, object_id: str) -> HttpResponse:
        return _acknowledge(page, request, object_id)

    def passed_on(request: HttpRequest, visit_id: int) -> HttpResponse:
        return _passed_on(page, request, visit_id)

    wrap = page.admin_site.admin_view
    return [
        path("reminders/", wrap(preview), name="participants_visit_reminders"),
        path("reminders/mine/", wrap(mine), name=MINE),
        path("<int:visit_id>/passed-on/", wrap(passed_on), name="participants_visit_passed_on"),
        path("<path:object_id>/acknowledge/", wrap(acknowledge), name="participants_visit_acknowledge"),
    ]


# --- What will go out --------------------------------------------------------------------------------


def _preview(page: Any, request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    user: Any = request.user
    sites = list(Site.objects.all() if user.is_superuser else user.sites.all())
    context = {
        **admin.site.each_context(request),
        "title": _("Reminders of the next 30 days"),
        "opts": page.opts,
        "plan": reminderplan.plan(sites, now=now),
        "to_tell": passing.to_tell(sites, now=now),
        "may_tell": request.user.has_perm(RECORD),
        "today": site_day(now),
        "reminding": get_study().latest.reminding,
        "mine": reverse(f"admin:{MINE}"),
    }
    return TemplateResponse(request, "admin/participants/reminders.html", context)


# --- Passed on to the participant ---------------------------------------------------------------------


def _passed_on(page: Any, request: HttpRequest, visit_id: int) -> HttpResponse:
    """One press on the list of those to be told."""
    visit = page.get_object(request, str(visit_id))
    if visit is None:
        raise Http404
    if not request.user.has_perm(RECORD):
        raise PermissionDenied
    back = HttpResponseRedirect(reverse("admin:participants_visit_reminders") + "#to-tell")
    outcome = request.POST.get("outcome", "")
    if request.method != "POST" or outcome not in Outcome.values:
        return back
    try:
        with as_refusals():
            passing.pass_on(visit=visit, outcome=Outcome(outcome), by=request.user, now=timezone.now())  # type: ignore[arg-type]
    except Refused as refusal:
        messages.error(request, " ".join(refusal.messages))
    else:
        messages.success(request, _("It is recorded."))
    return back


# --- How I want mine ---------------------------------------------------------------------------------


class PreferenceForm(forms.Form):
    """Empty hours: those of the study."""

    is_single = forms.TypedChoiceField(
        label=_("Reminders of visits come"),
        choices=[("", _("once a day, all together")), ("1", _("each as a mail of its own"))],
        coerce=bool,
        empty_value=False,
        required=False,
        widget=UnfoldAdminRadioSelectWidget,
    )
    quiet_from = formfields.TimeField(label=_("quiet from"), required=False, widget=UnfoldAdminTimeWidget(attrs=TIME))
    quiet_until = formfields.TimeField(label=_("quiet until"), required=False, widget=UnfoldAdminTimeWidget(attrs=TIME))


class AbsenceForm(forms.Form):
    first_on = formfields.DateField(label=_("first day away"), widget=UnfoldAdminDateWidget(attrs=DAY))
    last_on = formfields.DateField(label=_("last day away"), widget=UnfoldAdminDateWidget(attrs=DAY))
    deputy = forms.ModelChoiceField(
        label=_("deputy"),
        queryset=User.objects.none(),
        required=False,
        empty_label=_("nobody; the others are told"),
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["deputy"]
        field.queryset = preferences.possible_deputies(person)


def mine(request: HttpRequest) -> HttpResponse:
    """A person's own page: nobody sets it for another."""
    person: Any = request.user
    wish = ReminderPreference.objects.filter(person=person).first()
    posted = request.POST if request.method == "POST" else {}
    choose = PreferenceForm(posted if "choose" in posted else None, initial=_shown(wish))
    away = AbsenceForm(posted if "away" in posted else None, person=person)
    if "back" in posted:
        return _take_back(request, person)
    if (choose.is_bound and _choose(choose, person)) or (away.is_bound and _go_away(away, person)):
        messages.success(request, _("It holds from now on."))
        return HttpResponseRedirect(reverse(f"admin:{MINE}"))
    today = site_day(timezone.now())
    context = {
        **admin.site.each_context(request),
        "title": _("My reminders"),
        "choose": choose,
        "away": away,
        "absences": person.absences.filter(taken_back_at=None, last_on__gte=today).select_related("deputy"),
        "reminding": get_study().latest.reminding,
    }
    return TemplateResponse(request, "admin/participants/my_reminders.html", context)


def _shown(wish: ReminderPreference | None) -> dict[str, Any]:
    if wish is None:
        return {"is_single": ""}
    hours = {"quiet_from": wish.quiet_from, "quiet_until": wish.quiet_until}
    return {"is_single": "1" if wish.is_single else "", **hours}


def _choose(form: PreferenceForm, person: User) -> bool:
    if not form.is_valid():
        return False
    try:
        preferences.choose_reminders(person=person, **form.cleaned_data)
    except Refused as refusal:
        form.add_error(None, refusal)
    return not form.errors


def _go_away(form: AbsenceForm, person: User) -> bool:
    if not form.is_valid():
        return False
    try:
        preferences.plan_absence(person=person, **form.cleaned_data, now=timezone.now())
    except Refused as refusal:
        form.add_error(None, refusal)
    return not form.errors


def _take_back(request: HttpRequest, person: User) -> HttpResponse:
    row = Absence.objects.filter(person=person, pk=read_key(request.POST["back"]) or 0).first()
    if row is not None and preferences.take_absence_back(absence=row, now=timezone.now()):
        messages.success(request, _("Taken back: you read your reminders yourself."))
    return HttpResponseRedirect(reverse(f"admin:{MINE}"))


# --- I know of it ------------------------------------------------------------------------------------


class AcknowledgeForm(forms.Form):
    note = formfields.LineField(
        label=_("what is planned"),
        required=False,
        max_length=300,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )


def without_vain(actions: list[Any], visit: Visit | None) -> list[Any]:
    """No button that leads to a refusal: of a visit that is owed, and that nobody sees to yet."""
    if visit is not None and may_acknowledge(visit):
        return actions
    return [one for one in actions if not one.action_name.endswith("_acknowledge")]


def acknowledged(visit: Visit) -> str:
    """Who sees to it, since when, and what is planned; empty while nobody does."""
    row = acknowledgement_of(visit)
    if row is None:
        return ""
    said = f"{row.by}, {timezone.localtime(row.at):%Y-%m-%d %H:%M}"
    return f"{said}: {row.note}" if row.note else said


def _acknowledge(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    response: HttpResponse = page.ask(
        request,
        object_id,
        allowed=page.has_acknowledge_permission(request),
        form_class=AcknowledgeForm,
        title=_("Acknowledge the reminder"),
        intro=_("You know of this visit and see to it. Nobody else is told that its window is about to close."),
        button=_("I see to it"),
        act=lambda obj, data, now: acknowledge_visit(visit=obj, note=data["note"], by=request.user, now=now),
        done=_("Acknowledged."),
    )
    return response
