"""Who may do what: each role is a group with an explicit list of permissions, made from this table.

"add", "change" and "view" are Django's; what touches several rows or needs a role of its own has a
permission of its own. Nobody has "delete": records are voided with a reason.
"""

from enum import StrEnum

from django.utils.translation import gettext_lazy as _


class Role(StrEnum):
    COORDINATOR = "coordinator"
    INVESTIGATOR = "investigator"
    PRINCIPAL_INVESTIGATOR = "principal investigator"
    PHARMACIST = "pharmacist"
    DATA_MANAGER = "data manager"
    MONITOR = "monitor"
    MEDICAL_MONITOR = "medical monitor"
    AUDITOR = "auditor"
    SPONSOR_PROGRAM = "sponsor program"


ROLE_NAMES = {
    Role.COORDINATOR: _("Coordinator"),
    Role.INVESTIGATOR: _("Investigator"),
    Role.PRINCIPAL_INVESTIGATOR: _("Principal investigator"),
    Role.PHARMACIST: _("Pharmacist"),
    Role.DATA_MANAGER: _("Data manager"),
    Role.MONITOR: _("Monitor (reads, and asks about events)"),
    Role.MEDICAL_MONITOR: _("Medical monitor (of the sponsor; reads events, and asks about them)"),
    Role.AUDITOR: _("Auditor (reads, with audit trail)"),
    Role.SPONSOR_PROGRAM: _("Sponsor's program (API only)"),
}

# Whose eyes count at the bedside, and whose signature under a judgement.
CLINICAL_ROLES = (Role.COORDINATOR, Role.INVESTIGATOR, Role.PRINCIPAL_INVESTIGATOR, Role.PHARMACIST)

CLINICAL = (
    "participants.participant",
    "participants.consent",
    "participants.participantstatus",
    "participants.visit",
    "participants.visitprocedure",
    "participants.protocoldeviation",
    "participants.examination",
    "participants.measurement",
    "participants.consentwithdrawal",
    "participants.reconsent",
    "participants.eligibilityruling",
    "participants.eligibilityconfirmation",
    "participants.diseaseassessment",
    "participants.subsequenttherapy",
    "participants.survivalcontact",
    "dosing.infusion",
    "dosing.infusioninterruption",
    "dosing.leukapheresis",
    "dosing.fitnesscheck",
    "dosing.dosinghold",
    "dosing.readinessruling",
    "dosing.identitycheck",
    "dosing.identitystop",
    "dosing.medication",
    "dosing.cellproduct",
    "dosing.productstep",
    "dosing.lymphodepletiondose",
    "safety.safetyalert",
    "safety.datafinding",
    "safety.oncallshift",
    "safety.discharge",
    "safety.guidancetext",
    "safety.adverseevent",
    "safety.reportingduty",
    "safety.submission",
    "safety.eventagent",
    "safety.eventgrade",
    "safety.eventmedication",
    "safety.followup",
    "safety.eventreview",
    "safety.eventquery",
    "safety.referencesafety",
    "safety.crsassessment",
    "safety.icansassessment",
    "safety.bedsideassessment",
    "safety.toxicityepisode",
    "safety.iechsassessment",
    "safety.icahtassessment",
)


def _permissions(verb: str, *models: str) -> tuple[str, ...]:
    return tuple(f"{app}.{verb}_{model}" for app, model in (name.split(".") for name in models))


VIEW_CLINICAL = _permissions("view", *CLINICAL)
# What an event is told by, for somebody who judges events and nothing else.
VIEW_EVENTS = _permissions(
    "view",
    "participants.participant",
    "safety.adverseevent",
    "safety.eventagent",
    "safety.eventgrade",
    "safety.eventmedication",
    "safety.followup",
    "safety.eventreview",
    "safety.eventquery",
    "safety.referencesafety",
    "safety.reportingduty",
    "safety.submission",
)
IDENTITY = ("participants.view_identity",)
NOTIFICATIONS = ("trialsite.view_notification",)
RESPONSE = ("participants.diseaseassessment", "participants.subsequenttherapy", "participants.survivalcontact")
MEASURE = (*_permissions("add", "participants.examination"), *_permissions("change", "participants.examination"))
IMPORT = (
    *_permissions("add", "participants.measurementimport"),
    *_permissions("view", "participants.measurementimport"),
)
SCREEN = (
    *_permissions("add", "participants.participant", "participants.consent", "participants.consentwithdrawal"),
    *_permissions("change", "participants.participant", "participants.consent", "participants.visit"),
    *_permissions("add", "participants.visitprocedure"),
    *MEASURE,
    *IMPORT,
    *_permissions("add", *RESPONSE),
    *_permissions("change", *RESPONSE),
)
GRADE = (
    *_permissions("add", "safety.crsassessment", "safety.icansassessment", "safety.bedsideassessment"),
    *_permissions("add", "safety.iechsassessment", "safety.icahtassessment"),
    "safety.propose_event",
)
VOID_GRADE = _permissions(
    "void",
    "safety.bedsideassessment",
    "safety.crsassessment",
    "safety.icansassessment",
    "safety.iechsassessment",
    "safety.icahtassessment",
)
WATCH = (
    "safety.acknowledge_safetyalert",
    *_permissions("add", "safety.oncallshift", "safety.discharge"),
    *_permissions("change", "safety.oncallshift", "safety.discharge"),
    *_permissions("void", "safety.oncallshift", "safety.discharge"),
)
GUIDANCE = _permissions("add", "safety.guidancetext")
APPROVE_GUIDANCE = ("safety.approve_guidancetext", *_permissions("void", "safety.guidancetext"))
EVENTS = (
    *_permissions("add", "safety.adverseevent"),
    *_permissions("change", "safety.adverseevent"),
    *_permissions("void", "safety.adverseevent", "safety.eventagent", "safety.eventgrade", "safety.eventmedication"),
    *_permissions("void", "safety.followup"),
    "safety.answer_eventquery",
)
# Whoever sends reports of events.
REPORT = (
    "safety.acknowledge_reportingduty",
    *_permissions("add", "safety.submission"),
    *_permissions("void", "safety.submission"),
)
# Judging an event and signing it; reviewing it, and saying what the sponsor says, is the principal's.
ASSESS_EVENTS = ("safety.assess_adverseevent",)
REVIEW_EVENTS = ("safety.review_eventreview", "safety.judge_adverseevent")
ASK_EVENTS = (*_permissions("add", "safety.eventquery"), *_permissions("void", "safety.eventquery"))
REFERENCE = (*_permissions("add", "safety.referencesafety"), *_permissions("void", "safety.referencesafety"))
INFUSE = (
    *_permissions("add", "dosing.infusion", "dosing.cellproduct", "dosing.leukapheresis"),
    *_permissions("change", "dosing.infusion", "dosing.cellproduct", "dosing.leukapheresis"),
    *_permissions("add", "dosing.fitnesscheck", "dosing.dosinghold"),
    *_permissions("change", "dosing.lymphodepletiondose"),
    "dosing.move_cellproduct",
    "dosing.plan_lymphodepletion",
    "dosing.sign_identitycheck",
)
REGRADE = ("safety.regrade_assessment",)
JUDGE = ("dosing.judge_readiness", "dosing.lift_dosinghold")
MEDICATE = (*_permissions("add", "dosing.medication"), *_permissions("change", "dosing.medication"))
# What an investigator judged, and what was given: taken back by investigators too.
VOID_JUDGEMENTS = _permissions(
    "void",
    "participants.eligibilityruling",
    "participants.eligibilityconfirmation",
    "participants.participantstatus",
    "participants.consentwithdrawal",
    *RESPONSE,
    "dosing.infusion",
    "dosing.infusioninterruption",
    "dosing.lymphodepletiondose",
    "dosing.productstep",
    "dosing.readinessruling",
    "dosing.identitycheck",
    "dosing.fitnesscheck",
    "dosing.dosinghold",
    "dosing.medication",
    "safety.oncallshift",
    "safety.discharge",
    "safety.guidancetext",
    "safety.eventreview",
)
VOID_ENTRIES = (
    *VOID_JUDGEMENTS,
    *_permissions(
        "void",
        "participants.participant",
        "participants.consent",
        "participants.reconsent",
        "participants.visit",
        "participants.visitprocedure",
        "participants.protocoldeviation",
        "participants.examination",
        "participants.measurement",
        "participants.measurementimport",
        "dosing.cellproduct",
        "dosing.leukapheresis",
        "dosing.identitystop",
    ),
)
DEVIATE = (
    *_permissions("add", "participants.protocoldeviation"),
    *_permissions("change", "participants.protocoldeviation"),
)
ASSESS_DEVIATIONS = ("participants.assess_protocoldeviation",)
# What the study shows of harm as a whole: for those who judge it, and those who answer for its data.
SAFETY_TABLES = ("safety.view_safety_tables",)
# The same as it is published.
REGISTRY_RESULTS = ("sponsor.view_registry_results",)
# Who read what, who took what along, and who may do what: for those who must answer for it.
ACCESS_TRAIL = (
    "sponsor.view_apiread",
    "sponsor.view_apitoken",
    "trialsite.view_listexport",
    "trialsite.view_accessreview",
)
# What leaves as one whole: who makes it, and who reads that it was made.
VIEW_SNAPSHOTS = _permissions("view", "sponsor.snapshot", "sponsor.freetextrelease")
MAKE_SNAPSHOTS = (
    *VIEW_SNAPSHOTS,
    "sponsor.add_snapshot",
    "sponsor.download_snapshot",
    "sponsor.release_free_text",
)

CLOSE_FINDINGS = ("safety.close_datafinding",)
AUDIT_TRAIL = ("trialsite.view_audit_trail", "participants.view_identityread")

_SITE = (*VIEW_CLINICAL, *IDENTITY, *NOTIFICATIONS, *AUDIT_TRAIL)
_INVESTIGATOR = (
    *_SITE,
    *SCREEN,
    *INFUSE,
    *MEDICATE,
    *EVENTS,
    *REPORT,
    *ASSESS_EVENTS,
    *GRADE,
    *VOID_GRADE,
    *VOID_JUDGEMENTS,
    *JUDGE,
    *REGRADE,
    *WATCH,
    *GUIDANCE,
    *DEVIATE,
    *ASSESS_DEVIATIONS,
    *SAFETY_TABLES,
    *REGISTRY_RESULTS,
    "participants.enrol_participant",
    "participants.rule_on_criteria",
    "participants.confirm_eligibility",
    "participants.change_status",
)

ROLE_PERMISSIONS: dict[Role, tuple[str, ...]] = {
    Role.COORDINATOR: (
        *_SITE,
        *SCREEN,
        *INFUSE,
        *MEDICATE,
        *EVENTS,
        *REPORT,
        *GRADE,
        *WATCH,
        *DEVIATE,
        "participants.change_status",
    ),
    Role.INVESTIGATOR: _INVESTIGATOR,
    Role.PRINCIPAL_INVESTIGATOR: (
        *_INVESTIGATOR,
        *REVIEW_EVENTS,
        *REFERENCE,
        *ASK_EVENTS,
        *APPROVE_GUIDANCE,
        *VOID_ENTRIES,
        *ACCESS_TRAIL,
        *VIEW_SNAPSHOTS,
        *CLOSE_FINDINGS,
        "dosing.review_identitystop",
        "participants.override_enrolment",
        "trialsite.review_access",
    ),
    Role.PHARMACIST: (*VIEW_CLINICAL, *IDENTITY, *NOTIFICATIONS, *INFUSE, *MEDICATE),
    Role.DATA_MANAGER: (
        *_SITE,
        *_permissions("change", "participants.participant", "participants.consent", "participants.visit"),
        *MEASURE,
        *IMPORT,
        *MEDICATE,
        *EVENTS,
        *REPORT,
        *ASK_EVENTS,
        *REFERENCE,
        *VOID_GRADE,
        *VOID_ENTRIES,
        *DEVIATE,
        *ASSESS_DEVIATIONS,
        *SAFETY_TABLES,
        *REGISTRY_RESULTS,
        *ACCESS_TRAIL,
        *CLOSE_FINDINGS,
        *MAKE_SNAPSHOTS,
        "trialsite.requeue_notification",
    ),
    Role.MONITOR: (
        *VIEW_CLINICAL,
        *NOTIFICATIONS,
        *SAFETY_TABLES,
        *_permissions("add", "safety.eventquery"),
    ),
    Role.MEDICAL_MONITOR: (*VIEW_EVENTS, *SAFETY_TABLES, *_permissions("add", "safety.eventquery")),
    Role.AUDITOR: (
        *VIEW_CLINICAL,
        *NOTIFICATIONS,
        *SAFETY_TABLES,
        *ACCESS_TRAIL,
        *AUDIT_TRAIL,
        *VIEW_SNAPSHOTS,
        "trialsite.view_securityevent",
        "trialsite.view_user",
        "trialsite.view_site",
    ),
    Role.SPONSOR_PROGRAM: ("sponsor.read_api",),
}
