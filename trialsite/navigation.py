"""The side bar: in the order of the work, and only what the person may see."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from trialsite.study import get_study

GROUPS: tuple[tuple[Any, tuple[tuple[Any, str, str], ...]], ...] = (
    (
        _("Participants"),
        (
            (_("Participants"), "participants.participant", "group"),
            (_("Consent"), "participants.consent", "signature"),
            (_("Visits"), "participants.visit", "event"),
            (_("Protocol deviations"), "participants.protocoldeviation", "rule"),
        ),
    ),
    (_("Treatment"), ((_("Infusions"), "dosing.infusion", "vaccines"),)),
    (
        _("Safety"),
        (
            (_("CRS assessments"), "safety.crsassessment", "thermostat"),
            (_("ICANS assessments"), "safety.icansassessment", "neurology"),
            (_("Adverse events"), "safety.adverseevent", "emergency"),
        ),
    ),
    (
        _("Messages and access"),
        (
            (_("Notifications"), "trialsite.notification", "mail"),
            (_("API reads"), "sponsor.apiread", "api"),
            (_("People"), "trialsite.user", "badge"),
            (_("Sites"), "trialsite.site", "local_hospital"),
        ),
    ),
)


def study_header(request: HttpRequest) -> str:
    return get_study().latest.short_title


def study_subheader(request: HttpRequest) -> str:
    return get_study().latest.registry_id


def stylesheet(request: HttpRequest) -> str:
    return static("trialsite/trialsite.css")


def favicon(request: HttpRequest) -> str:
    return static("trialsite/favicon.svg")


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    today = {"title": _("Today"), "icon": "today", "link": reverse("admin:index")}
    groups = [{"title": title, "separator": True, "items": _items(request, models)} for title, models in GROUPS]
    return [{"items": [today]}, *(group for group in groups if group["items"])]


def _items(request: HttpRequest, models: tuple[tuple[Any, str, str], ...]) -> list[dict[str, Any]]:
    return [
        {"title": title, "icon": icon, "link": reverse(f"admin:{label.replace('.', '_')}_changelist")}
        for title, label, icon in models
        if request.user.has_perm("{}.view_{}".format(*label.split(".")))
    ]
