"""What went wrong: adverse events with their course, toxicity by its scales, and who was told by when."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from safety.models import (
    AdverseEvent,
    Agent,
    Discharge,
    EventAgent,
    EventGrade,
    EventMedication,
    IcahtAssessment,
    IecHsAssessment,
    ReportingDuty,
    Submission,
    ToxicityAssessment,
    ToxicityEpisode,
)
from sponsor.api.rows import Resource, RowSerializer


class EventAgentSerializer(serializers.ModelSerializer[EventAgent]):
    class Meta:
        model = EventAgent
        fields = ("agent", "investigator", "sponsor", "action_taken")
        # All empty while nobody has judged it.
        extra_kwargs = {name: {"allow_blank": True} for name in ("investigator", "sponsor", "action_taken")}


class AdverseEventSerializer(RowSerializer):
    relatedness = serializers.SerializerMethodField(
        help_text="The investigator's view of the CAR-T cells; empty while it is open, or they were not given before."
    )
    action_taken = serializers.SerializerMethodField(help_text="With the CAR-T cells.")
    agents = serializers.SerializerMethodField()

    def get_relatedness(self, row: AdverseEvent) -> str:
        return getattr(row.relation_to(Agent.CAR_T), "investigator", "")

    def get_action_taken(self, row: AdverseEvent) -> str:
        return getattr(row.relation_to(Agent.CAR_T), "action_taken", "")

    @extend_schema_field(EventAgentSerializer(many=True))
    def get_agents(self, row: AdverseEvent) -> Any:
        standing = sorted((one for one in row.agents.all() if not one.is_void), key=lambda one: one.pk)
        return EventAgentSerializer(standing, many=True).data


class GradedSerializer(RowSerializer):
    flags = serializers.ListField(child=serializers.CharField(), required=False)


class ToxicityAssessmentSerializer(GradedSerializer):
    final_grade = serializers.IntegerField(required=False, allow_null=True)
    findings = serializers.DictField(required=False)


RESOURCES = (
    Resource(
        "adverse-events",
        "One adverse event as reported, coded, graded and judged; dates as far as they are known.",
        AdverseEvent,
        "term onset onset_time resolved resolved_time pattern grade ctcae_version ctcae_code ctcae_term ctcae_soc "
        "meddra_version meddra_llt_code meddra_llt meddra_pt_code meddra_pt meddra_soc special_interest is_serious "
        "results_in_death is_life_threatening requires_hospitalisation results_in_disability is_congenital_anomaly "
        "is_other_important results_in_death_on is_life_threatening_on requires_hospitalisation_on "
        "results_in_disability_on is_congenital_anomaly_on is_other_important_on is_expected outcome site_aware_at "
        "sponsor_aware_at",
        rows=AdverseEventSerializer,
        also=("relatedness", "action_taken", "agents"),
        reads=("agents",),
        equal="is_serious ctcae_code meddra_pt_code special_interest outcome",
        between="grade onset resolved site_aware_at",
        order="onset grade term",
    ),
    Resource(
        "event-grades",
        "The grade of an event from this day on.",
        EventGrade,
        "event grade since",
        along="event__participant",
        equal="event",
        between="grade since",
    ),
    Resource(
        "event-medications",
        "A drug that was given against an event.",
        EventMedication,
        "event medication",
        along="event__participant",
        equal="event medication",
    ),
    Resource(
        "toxicity-assessments",
        "CRS or ICANS graded from findings at one moment; `corrects` names the assessment whose place it takes.",
        ToxicityAssessment,
        "toxicity scale assessed_at grade investigator_grade determinants flags findings corrects",
        rows=ToxicityAssessmentSerializer,
        also=("final_grade",),
        equal="toxicity",
        between="grade assessed_at",
        order="assessed_at",
    ),
    Resource(
        "toxicity-episodes",
        "A course of CRS or ICANS, from its beginning to its end, with its highest grade.",
        ToxicityEpisode,
        "toxicity number onset_at highest_grade highest_at resolved_at adverse_event",
        equal="toxicity adverse_event",
        between="onset_at highest_grade",
        order="onset_at",
    ),
    Resource(
        "iec-hs-assessments",
        "IEC-HS screened for and graded at one moment.",
        IecHsAssessment,
        "assessed_at screen severity scale grade flags investigator_grade corrects",
        rows=GradedSerializer,
        equal="screen severity",
        between="grade assessed_at",
        order="assessed_at",
    ),
    Resource(
        "icaht-assessments",
        "ICAHT, early or late, as computed from the blood counts.",
        IcahtAssessment,
        "phase computed_at scale grade determinants flags investigator_grade",
        rows=GradedSerializer,
        equal="phase",
        between="grade computed_at",
        order="computed_at",
    ),
    Resource(
        "discharges",
        "The participant left the hospital, and perhaps came back.",
        Discharge,
        "discharged_at readmitted_at",
        between="discharged_at",
        order="discharged_at",
    ),
    Resource(
        "reporting-duties",
        "Somebody must be told of an event by `due_at`; `met_by` is the report that did so.",
        ReportingDuty,
        "event regime clock recipient kind trigger counted_from due_at met_by closed_at closed_because acknowledged_at",
        along="event__participant",
        equal="event recipient kind closed_because",
        between="due_at",
        order="due_at",
    ),
    Resource(
        "submissions",
        "A report about an event went to a recipient at this moment.",
        Submission,
        "event recipient submitted_at",
        along="event__participant",
        equal="event recipient",
        between="submitted_at",
        order="submitted_at",
    ),
)
