"""The pages of response and survival: assessments, later therapies, contacts, and what the study shows of them all."""

import datetime as dt
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from participants import actions, courses, efficacy, survivalpicture
from participants.efficacyprint import efficacy_print
from participants.models import DiseaseAssessment, SubsequentTherapy, SurvivalContact
from participants.responses import MRD_NAMES, RESPONSE_NAMES, response_in_words
from participants.rules.response import Mrd, Response
from trialsite import listexport, printing
from trialsite.exports import attachment, file_name
from trialsite.firstpage import sites_of
from trialsite.recordadmin import RecordAdmin, RecordForm
from trialsite.voiding import Consequences

VIEW = "participants.view_diseaseassessment"
NUMBERS = ("participant__screening_number", "participant__participant_number")
# Words beside a tone, as the house marks a state; the theme's own labels would make CRH of CRh.
TONES: dict[str, str] = {
    Response.CR: "good",
    Response.CRH: "good",
    Response.CRI: "good",
    Response.NO_REMISSION: "bad",
    Response.RELAPSE: "bad",
    Response.NOT_EVALUABLE: "open",
    Mrd.NEGATIVE: "good",
    Mrd.INSUFFICIENT: "open",
    Mrd.POSITIVE: "bad",
    Mrd.NOT_EVALUABLE: "open",
}


def _state(tone: str, words: Any) -> str:
    return format_html('<span class="ts-state ts-tone-{}">{}</span>', tone, words)


class ResponseForm(RecordForm):
    """What a relapse, a later therapy or a death changes of the visits is shown first."""

    def changes(self, row: Any) -> list[str]:
        return actions.preview_response(row, by=self.by, now=timezone.now())


class ResponseRecordAdmin(RecordAdmin):
    """What the three have in common: found by the participant's number, taken back through one verb."""

    form = ResponseForm
    search_fields = NUMBERS
    autocomplete_fields = ("participant",)
    list_select_related = ("participant", "created_by")

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.response_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_response(row=obj, reason=reason, by=by, now=now)


@admin.register(DiseaseAssessment)
class DiseaseAssessmentAdmin(ResponseRecordAdmin):
    list_display = ("participant", "assessed_on", "response_label", "mrd_label", "findings", "void_mark")
    sortable_by = ("participant", "assessed_on")
    list_filter = (("mrd", admin.ChoicesFieldListFilter),)
    fieldsets = (
        (None, {"fields": (("participant", "assessed_on"),)}),
        (
            _("Leukaemia"),
            {
                "fields": (
                    ("marrow", "marrow_bound", "marrow_blasts"),
                    ("blood_blasts", "extramedullary"),
                    "extramedullary_sites",
                )
            },
        ),
        (
            _("Recovery of the blood"),
            {
                "fields": (("anc", "platelets"), "transfusion"),
                "description": _("Left open, the nearest blood count on record is taken."),
            },
        ),
        (_("MRD"), {"fields": (("mrd", "mrd_method"), "mrd_sensitivity", ("mrd_bound", "mrd_level"))}),
        (_("Response"), {"fields": ("by_rule", "stated_response", "note")}),
    )
    readonly_fields = ("by_rule",)

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "participants_diseaseassessment_efficacy"
        return [
            path("efficacy/", view(partial(_efficacy, self)), name=name),
            path("efficacy/print/", view(_efficacy_print), name=f"{name}_print"),
            path("efficacy/<slug:kind>/", view(_efficacy_file), name=f"{name}_file"),
            *super().get_urls(),
        ]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """What the rule says stands beside it once there is something to judge."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is not None:
            return fieldsets
        return [
            (title, {**options, "fields": tuple(one for one in options["fields"] if one != "by_rule")})
            for title, options in fieldsets
        ]

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        actions.record_assessment(row=obj, by=request.user, now=now)

    def look_at(self, rows: list[Any]) -> None:
        """The blood counts beside all assessments of the page, in one query."""
        super().look_at(rows)
        counts = courses.counts_of([row.participant for row in rows])
        for row in rows:
            row.judged = courses.judge(row, counts.get(row.participant_id, []))

    @display(description=_("response"))
    def response_label(self, row: Any) -> str:
        name = str(RESPONSE_NAMES[row.judged.response])
        words = gettext("%(name)s (investigator)") % {"name": name} if row.judged.differs else name
        return _state(TONES[row.judged.response], words)

    @display(description=_("MRD by rule"))
    def mrd_label(self, row: Any) -> str:
        mrd = row.judged.assessed.mrd
        return _state(TONES[mrd], MRD_NAMES[mrd])

    @display(description=_("findings"))
    def findings(self, row: Any) -> str:
        return response_in_words(row.judged)

    @display(description=_("response by the rule"))
    def by_rule(self, row: DiseaseAssessment) -> str:
        judged = courses.judge(row)
        names = (RESPONSE_NAMES[judged.assessed.response], MRD_NAMES[judged.assessed.mrd])
        return gettext("%(names)s. %(why)s") % {
            "names": gettext(", ").join(map(str, names)),
            "why": response_in_words(judged),
        }


class TherapyForm(ResponseForm):
    def check(self, row: SubsequentTherapy) -> None:
        actions.check_therapy(row)


@admin.register(SubsequentTherapy)
class SubsequentTherapyAdmin(ResponseRecordAdmin):
    form = TherapyForm
    list_display = ("participant", "kind_name", "name", "started_on", "end", "reason_name", "void_mark")
    sortable_by = ("participant", "started_on")
    list_filter = (("kind", admin.ChoicesFieldListFilter),)
    search_fields = ("name", *NUMBERS)
    fieldsets = (
        (None, {"fields": ("participant", ("kind", "name"), "reason")}),
        (_("When"), {"fields": ("started_on", ("ended_on", "is_ongoing"))}),
        (_("Note"), {"fields": ("note",)}),
    )

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        actions.record_therapy(row=obj, by=request.user, now=now)

    @display(description=_("kind of therapy"))
    def kind_name(self, row: SubsequentTherapy) -> str:
        return row.get_kind_display()

    @display(description=_("given because of"))
    def reason_name(self, row: SubsequentTherapy) -> str:
        return row.get_reason_display()

    @display(description=_("ended"))
    def end(self, row: SubsequentTherapy) -> Any:
        return _("ongoing") if row.is_ongoing else row.ended_on or "—"


class ContactForm(ResponseForm):
    def check(self, row: SurvivalContact) -> None:
        actions.check_contact(row)


@admin.register(SurvivalContact)
class SurvivalContactAdmin(ResponseRecordAdmin):
    form = ContactForm
    list_display = ("participant", "contacted_on", "means_name", "vital_label", "who", "day", "void_mark")
    sortable_by = ("participant", "contacted_on")
    list_filter = (("vital", admin.ChoicesFieldListFilter),)
    date_hierarchy = "contacted_on"
    fieldsets = (
        (None, {"fields": ("participant", ("contacted_on", "means"))}),
        (_("What was learnt"), {"fields": (("vital", "answered_by"), ("last_alive_on", "died_on"), "note")}),
    )
    vital_labels: ClassVar[dict[str, str]] = {
        "alive": "success",
        "dead": "danger",
        "unknown": "warning",
        "no_answer": "warning",
    }

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        actions.record_contact(row=obj, by=request.user, now=now)

    @display(description=_("by what means"))
    def means_name(self, row: SurvivalContact) -> str:
        return row.get_means_display()

    @display(description=_("what was learnt"), label=vital_labels)
    def vital_label(self, row: SurvivalContact) -> tuple[str, str]:
        return row.vital, row.get_vital_display()

    @display(description=_("who answered"))
    def who(self, row: SurvivalContact) -> str:
        return row.get_answered_by_display() or "—"

    @display(description=_("last alive, or died"))
    def day(self, row: SurvivalContact) -> str:
        return row.died_on or row.last_alive_on or "—"


# --- Efficacy ----------------------------------------------------------------------------------------


def _asked(request: HttpRequest) -> tuple[efficacy.Efficacy, Any, list[Any]]:
    """What is asked for: one site, or all of the person's own."""
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    sites = list(sites_of(request.user))  # type: ignore[arg-type]  # nobody gets here without a login
    code = request.GET.get("site", "")
    chosen = next((site for site in sites if site.code == code), None)
    if code and chosen is None:
        raise Http404
    return efficacy.of_sites([chosen] if chosen else sites), chosen, sites


def _efficacy(page: DiseaseAssessmentAdmin, request: HttpRequest) -> HttpResponse:
    found, chosen, sites = _asked(request)
    address = "admin:participants_diseaseassessment_efficacy_file"
    query = f"?site={chosen.code}" if chosen else ""
    context = {
        **page.admin_site.each_context(request),
        "title": _("Efficacy"),
        "opts": page.opts,
        "found": found,
        "plots": [
            (plot, survivalpicture.picture(plot), reverse(address, args=[plot.code]) + query) for plot in found.plots
        ],
        "lines": [(plot, line, list(efficacy.readings_of(line))) for plot in found.plots for line in plot.lines],
        "visits": efficacy.visits_table(found),
        "as_of": actions.site_day(timezone.now()),
        "sites": sites,
        "chosen": chosen,
        "print": reverse("admin:participants_diseaseassessment_efficacy_print") + query,
        "files": [
            (title, reverse(address, args=[kind]) + query)
            for title, kind in (
                (_("Times of each participant (CSV)"), "times"),
                (_("Curves (CSV)"), "curves"),
                (_("Response by visit (CSV)"), "visits"),
            )
        ],
    }
    return TemplateResponse(request, "admin/participants/efficacy.html", context)


def _efficacy_print(request: HttpRequest) -> HttpResponse:
    found, chosen, sites = _asked(request)
    now, names = timezone.now(), gettext(", ").join(map(str, [chosen] if chosen else sites))
    printed = efficacy_print(found, site=names, as_of=actions.site_day(now))
    return printing.leave(request, printed, model=DiseaseAssessment._meta.label, content="efficacy", now=now)


def _efficacy_file(request: HttpRequest, kind: str) -> HttpResponseBase:
    """A table as CSV, recorded like every list that leaves; or one of the pictures."""
    found, _chosen, _sites = _asked(request)
    plot = next((one for one in found.plots if one.code == kind), None)
    if plot is not None:
        context = {"picture": survivalpicture.picture(plot), "code": plot.code, "is_file": True}
        text = render_to_string("admin/participants/survival.svg", context)
        name = file_name(f"efficacy-{kind}", actions.site_day(timezone.now()))
        return attachment(f"{name}.svg", text.encode(), "image/svg+xml")
    if kind not in efficacy.FILES:
        raise Http404
    header, table = efficacy.FILES[kind](found)
    return listexport.leave(
        request,
        kind="csv",
        header=header,
        table=table,
        sheet=_("Efficacy"),
        model="participants.DiseaseAssessment",
        content=f"efficacy-{kind}",
    )
