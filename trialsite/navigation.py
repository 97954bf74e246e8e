"""The side bar: what a role does every day, and one entry to everything else; only what the person may see."""

from itertools import zip_longest
from typing import Any

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from trialsite.roles import ROLE_PERMISSIONS, Role
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
            (_("Calendar of visits"), "participants.visit:calendar", "calendar_month"),
            (_("Reminders of the next 30 days"), "participants.visit:reminders", "notifications"),
            (_("Procedures of visits"), "participants.visitprocedure", "task_alt"),
            (_("Disease assessments"), "participants.diseaseassessment", "biotech"),
            (_("Later therapies"), "participants.subsequenttherapy", "medical_services"),
            (_("Survival contacts"), "participants.survivalcontact", "contact_phone"),
            (_("Efficacy"), "participants.diseaseassessment:efficacy", "show_chart"),
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
            (_("Serious events: line listing"), "safety.safetyalert:serious", "format_list_bulleted"),
            (_("Events by class, term and grade"), "safety.safetyalert:classes", "table_chart"),
            (_("Events of special interest"), "safety.safetyalert:interest", "star"),
            (_("Watch on the stopping rule"), "safety.safetyalert:stopping", "front_hand"),
            (_("Contradictions in the record"), "safety.datafinding", "difference"),
            (_("Reporting duties"), "safety.reportingduty", "timer"),
            (_("Reports sent"), "safety.submission", "outgoing_mail"),
            (_("Questions about events"), "safety.eventquery", "contact_support"),
            (_("Reference safety information"), "safety.referencesafety", "library_books"),
            (_("CTCAE 5.0 ↔ 6.0"), "safety.adverseevent:ctcae_versions", "compare_arrows"),
        ),
    ),
    (
        _("Messages and access"),
        (
            (_("Notifications"), "trialsite.notification", "mail"),
            (_("Watching"), "trialsite.sweeprun:watching", "monitor_heart"),
            (_("Snapshots for the sponsor"), "sponsor.snapshot", "photo_camera"),
            (_("API reads"), "sponsor.apiread", "api"),
            (_("API reads by program"), "sponsor.apiread:totals", "leaderboard"),
            (_("API tokens"), "sponsor.apitoken", "vpn_key"),
            (_("Results for the registry"), "sponsor.apiread:results", "public"),
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


# What stands behind the entries above, row by row; few look here, and then they look for it.
BEHIND: tuple[tuple[Any, str, str], ...] = (
    (_("Measured items"), "participants.measurement", "straighten"),
    (_("Status history"), "participants.participantstatus", "history_toggle_off"),
    (_("Rulings on criteria"), "participants.eligibilityruling", "gavel"),
    (_("Confirmations of eligibility"), "participants.eligibilityconfirmation", "verified"),
    (_("Interruptions of infusions"), "dosing.infusioninterruption", "pause_circle"),
    (_("Steps of cell products"), "dosing.productstep", "conversion_path"),
    (_("Identity checks"), "dosing.identitycheck", "badge"),
    (_("Judgements of readiness"), "dosing.readinessruling", "balance"),
    (_("Texts of guidance"), "safety.guidancetext", "article"),
    (_("Relations to agents"), "safety.eventagent", "hub"),
    (_("Grades in the course of events"), "safety.eventgrade", "stacked_line_chart"),
    (_("Drugs against events"), "safety.eventmedication", "pill"),
    (_("Follow-ups of events"), "safety.followup", "forward"),
    (_("Signatures under events"), "safety.eventreview", "draw"),
    (_("Releases of free text"), "sponsor.freetextrelease", "outbox"),
)

# What each role does every day, the most frequent first: with "Today" and "All records" at most ten entries.
MOST = 8
EVERY_DAY: dict[Role, tuple[str, ...]] = {
    Role.COORDINATOR: (
        "participants.participant",
        "participants.visit",
        "participants.examination",
        "safety.bedsideassessment",
        "safety.adverseevent",
        "dosing.medication",
        "participants.consent",
        "safety.safetyalert",
    ),
    Role.INVESTIGATOR: (
        "participants.participant",
        "safety.safetyalert",
        "safety.bedsideassessment",
        "safety.adverseevent",
        "participants.visit",
        "dosing.infusion",
        "participants.examination",
        "safety.toxicityepisode",
    ),
    Role.PRINCIPAL_INVESTIGATOR: (
        "participants.participant",
        "safety.safetyalert",
        "safety.adverseevent",
        "safety.bedsideassessment:overview",
        "participants.protocoldeviation",
        "dosing.infusion",
        "dosing.identitystop",
        "trialsite.accessreview:rights",
    ),
    Role.PHARMACIST: (
        "participants.participant",
        "dosing.cellproduct",
        "dosing.lymphodepletiondose",
        "dosing.infusion",
        "dosing.medication",
        "dosing.fitnesscheck",
        "dosing.dosinghold",
        "dosing.identitystop",
    ),
    Role.DATA_MANAGER: (
        "participants.participant",
        "participants.examination",
        "participants.measurementimport",
        "participants.visit",
        "participants.protocoldeviation",
        "safety.datafinding",
        "safety.adverseevent",
        "trialsite.notification",
    ),
    Role.MONITOR: (
        "participants.participant",
        "participants.screeninglogentry",
        "participants.enrolmentlogentry",
        "participants.visit",
        "participants.protocoldeviation",
        "safety.adverseevent",
        "safety.bedsideassessment:overview",
        "dosing.infusion",
    ),
    Role.MEDICAL_MONITOR: (
        "safety.adverseevent",
        "safety.eventquery",
        "safety.reportingduty",
        "safety.safetyalert:serious",
        "safety.safetyalert:interest",
        "safety.safetyalert:classes",
        "safety.safetyalert:stopping",
        "participants.participant",
    ),
    Role.AUDITOR: (
        "participants.participant:trail",
        "participants.participant",
        "participants.protocoldeviation",
        "participants.identityread",
        "trialsite.accessreview:rights",
        "trialsite.listexport",
        "sponsor.apiread",
        "trialsite.securityevent",
    ),
}
# The administrator of the computer looks after people, logins and messages.
ADMINISTERS = (
    "trialsite.user",
    "trialsite.sweeprun:watching",
    "trialsite.accessreview:rights",
    "trialsite.session",
    "trialsite.lock",
    "trialsite.securityevent",
    "sponsor.apitoken",
    "trialsite.notification",
    "participants.participant",
)

# A page beside a list that other people read than those who read the list.
SAFETY_TABLES = "safety.view_safety_tables"
OWN_PERMISSION = {
    "participants.participant:trail": "trialsite.view_audit_trail",
    "safety.safetyalert:serious": SAFETY_TABLES,
    "safety.safetyalert:classes": SAFETY_TABLES,
    "safety.safetyalert:interest": SAFETY_TABLES,
    "safety.safetyalert:stopping": SAFETY_TABLES,
    "sponsor.apiread:results": "sponsor.view_registry_results",
}


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


def finder(request: HttpRequest) -> str:
    return static("trialsite/finder.js")


def favicon(request: HttpRequest) -> str:
    return static("trialsite/favicon.svg")


def account(request: HttpRequest) -> list[dict[str, Any]]:
    """What everybody does for their own login, under their name."""
    entries = [
        (gettext("My reminders"), "participants_visit_my_reminders"),
        (gettext("My logins"), "my_logins"),
        (gettext("Change password"), "password_change"),
    ]
    if settings.SECOND_FACTOR:
        entries.append((gettext("Recovery codes"), "recovery_codes"))
    return [{"title": title, "link": reverse(f"admin:{name}")} for title, name in entries]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """No query beyond those for the permissions."""
    known = {target: (title, icon) for title, target, icon in entries()}
    daily = [
        {"title": known[target][0], "icon": known[target][1], "link": link_of(target)}
        for target in everyday(request.user)
    ]
    everything = {"title": _("All records"), "icon": "apps", "link": reverse("admin:all_records")}
    _mark_active(request, daily, everything)
    today = {"title": _("Today"), "icon": "today", "link": reverse("admin:index")}
    return [{"items": [today]}, {"separator": True, "items": daily}, {"separator": True, "items": [everything]}]


def entries() -> list[tuple[Any, str, str]]:
    """Every list and page, in the order of the work."""
    return [*(entry for _title, found in GROUPS for entry in found), *BEHIND]


def groups_of(user: Any) -> list[tuple[Any, list[tuple[Any, str]]]]:
    """Every list and page that this person may open, in groups, with their addresses."""
    groups = ((title, found) for title, found in (*GROUPS, (_("Row by row"), BEHIND)))
    allowed = (
        (title, [(name, link_of(target)) for name, target, _icon in found if may_open(user, target)])
        for title, found in groups
    )
    return [(title, found) for title, found in allowed if found]


def everyday(user: Any) -> list[str]:
    """What this person does every day; of several roles the most frequent of each, in turn."""
    lists = [ADMINISTERS] if user.is_superuser else [EVERY_DAY[role] for role in roles_of(user)]
    in_turn = [target for turn in zip_longest(*lists) for target in turn if target is not None]
    return [target for target in dict.fromkeys(in_turn) if may_open(user, target)][:MOST]


def roles_of(user: Any) -> list[Role]:
    """The roles that the person's permissions make up, without those that are part of another of them.

    The names of the groups would be a query of their own on every page.
    """
    held = user.get_all_permissions()
    whole = {role: set(ROLE_PERMISSIONS[role]) for role in EVERY_DAY if held.issuperset(ROLE_PERMISSIONS[role])}
    return [role for role, granted in whole.items() if not any(granted < other for other in whole.values())]


def _mark_active(request: HttpRequest, daily: list[dict[str, Any]], everything: dict[str, Any]) -> None:
    """Only the closest entry: a page beside a list, or below it, has an address that begins with the list's. What has
    no entry of its own is found among all records."""
    pages = [link_of(target) for _title, target, _icon in entries()]
    near = max((page for page in pages if request.path.startswith(page)), key=len, default="")
    for item in daily:
        item["active"] = item["link"] == near
    is_listed = bool(near) or request.path == everything["link"]
    everything["active"] = is_listed and not any(item["active"] for item in daily)


def link_of(target: str) -> str:
    """The list of a model, `participants.visit`, or a page of its own beside the list, `app.model:page`."""
    label, _colon, page = target.partition(":")
    return reverse(f"admin:{label.replace('.', '_')}_{page or 'changelist'}")


def may_open(user: Any, target: str) -> bool:
    return bool(user.has_perm(_permission(target)))


def _permission(target: str) -> str:
    """To view the rows; a log has no permission of its own: it lists the rows of the model that it is made from."""
    if target in OWN_PERMISSION:
        return OWN_PERMISSION[target]
    model = apps.get_model(target.partition(":")[0])
    if "view" not in model._meta.default_permissions:
        model = model._meta.concrete_model or model
    return f"{model._meta.app_label}.view_{model._meta.model_name}"
