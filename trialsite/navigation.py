"""The side bar: in the order of the work, and only what the person may see."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from trialsite.study import get_study

GROUPS: tuple[tuple[Any, tuple[tuple[Any, str, str], ...]], ...] = (
    (
        _("Participants"),
        (
            (_("Participants"), "participants.participant", "group"),
            (_("Consent"), "participants.consent", "signature"),
            (_("Consents to be renewed"), "participants.reconsent", "edit_document"),
            (_("Withdrawals of consent"), "participants.consentwithdrawal", "block"),
            (_("Examinations"), "participants.examination", "labs"),
            (_("Imports of results"), "participants.measurementimport", "upload_file"),
            (_("Screening log"), "participants.screeninglogentry", "list_alt"),
            (_("Enrolment log"), "participants.enrolmentlogentry", "how_to_reg"),
            (_("Participant flow"), "participants.screeninglogentry:flow", "account_tree"),
            (_("Visits"), "participants.visit", "event"),
            (_("Protocol deviations"), "participants.protocoldeviation", "rule"),
        ),
    ),
    (
        _("Treatment"),
        (
            (_("Leukaphereses"), "dosing.leukapheresis", "bloodtype"),
            (_("Cell products"), "dosing.cellproduct", "science"),
            (_("Lymphodepletion"), "dosing.lymphodepletiondose", "colorize"),
            (_("Fitness checks"), "dosing.fitnesscheck", "monitor_heart"),
            (_("Holds of treatment"), "dosing.dosinghold", "pan_tool"),
            (_("Stopped identity checks"), "dosing.identitystop", "front_hand"),
            (_("Infusions"), "dosing.infusion", "vaccines"),
            (_("Medication"), "dosing.medication", "medication"),
        ),
    ),
    (
        _("Safety"),
        (
            (_("Bedside assessments"), "safety.bedsideassessment", "stethoscope"),
            (_("Toxicity of the study"), "safety.bedsideassessment:overview", "bar_chart"),
            (_("Toxicity episodes"), "safety.toxicityepisode", "timeline"),
            (_("Safety alerts"), "safety.safetyalert", "notification_important"),
            (_("On call"), "safety.oncallshift", "call"),
            (_("Discharges"), "safety.discharge", "logout"),
            (_("CRS assessments"), "safety.crsassessment", "thermostat"),
            (_("ICANS assessments"), "safety.icansassessment", "neurology"),
            (_("Blood: ICAHT, IEC-HS"), "safety.iechsassessment:blood", "water_drop"),
            (_("IEC-HS assessments"), "safety.iechsassessment", "coronavirus"),
            (_("ICAHT grades"), "safety.icahtassessment", "show_chart"),
            (_("Guidance by grade"), "safety.guidancetext:cells", "menu_book"),
            (_("Adverse events"), "safety.adverseevent", "emergency"),
            (_("CTCAE 5.0 ↔ 6.0"), "safety.adverseevent:ctcae_versions", "compare_arrows"),
        ),
    ),
    (
        _("Messages and access"),
        (
            (_("Notifications"), "trialsite.notification", "mail"),
            (_("API reads"), "sponsor.apiread", "api"),
            (_("Audit trail"), "participants.participant:trail", "history"),
            (_("Readings of identity"), "participants.identityread", "visibility"),
            (_("Exports of lists"), "trialsite.listexport", "download"),
            (_("Security log"), "trialsite.securityevent", "security"),
            (_("Locks after wrong passwords"), "trialsite.lock", "lock_clock"),
            (_("Logins on devices"), "trialsite.session", "devices"),
            (_("People"), "trialsite.user", "badge"),
            (_("Who may do what"), "trialsite.accessreview:rights", "key"),
            (_("Access reviews"), "trialsite.accessreview", "fact_check"),
            (_("Sites"), "trialsite.site", "local_hospital"),
        ),
    ),
)


# A page beside a list that other people read than those who read the list.
OWN_PERMISSION = {"participants.participant:trail": "trialsite.view_audit_trail"}


def study_header(request: HttpRequest) -> str:
    return get_study().latest.short_title


def study_subheader(request: HttpRequest) -> str:
    return get_study().latest.registry_id


def stylesheet(request: HttpRequest) -> str:
    return static("trialsite/trialsite.css")


def drafts(request: HttpRequest) -> str:
    return static("trialsite/drafts.js")


def frames(request: HttpRequest) -> str:
    return static("trialsite/frames.js")


def access(request: HttpRequest) -> str:
    return static("trialsite/access.js")


def favicon(request: HttpRequest) -> str:
    return static("trialsite/favicon.svg")


def account(request: HttpRequest) -> list[dict[str, Any]]:
    """What everybody does for their own login, under their name."""
    entries = [(gettext("My logins"), "my_logins"), (gettext("Change password"), "password_change")]
    if settings.SECOND_FACTOR:
        entries.append((gettext("Recovery codes"), "recovery_codes"))
    return [{"title": title, "link": reverse(f"admin:{name}")} for title, name in entries]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    today = {"title": _("Today"), "icon": "today", "link": reverse("admin:index")}
    groups = [{"title": title, "separator": True, "items": _items(request, entries)} for title, entries in GROUPS]
    _mark_active(request, [item for group in groups for item in group["items"]])
    return [{"items": [today]}, *(group for group in groups if group["items"])]


def _items(request: HttpRequest, entries: tuple[tuple[Any, str, str], ...]) -> list[dict[str, Any]]:
    return [
        {"title": title, "icon": icon, "link": _link(target)}
        for title, target, icon in entries
        if request.user.has_perm(_permission(target))
    ]


def _mark_active(request: HttpRequest, items: list[dict[str, Any]]) -> None:
    """Only the closest entry: a page beside a list has an address that begins with the list's."""
    near = [item["link"] for item in items if request.path.startswith(item["link"])]
    for item in items:
        item["active"] = item["link"] == max(near, key=len, default="")


def _link(target: str) -> str:
    """The list of a model, `participants.visit`, or a page of its own beside the list, `app.model:page`."""
    label, _colon, page = target.partition(":")
    return reverse(f"admin:{label.replace('.', '_')}_{page or 'changelist'}")


def _permission(target: str) -> str:
    """To view the rows; a log has no permission of its own: it lists the rows of the model that it is made from."""
    if target in OWN_PERMISSION:
        return OWN_PERMISSION[target]
    model = apps.get_model(target.partition(":")[0])
    if "view" not in model._meta.default_permissions:
        model = model._meta.concrete_model or model
    return f"{model._meta.app_label}.view_{model._meta.model_name}"
