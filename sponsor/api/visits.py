"""What happened with the participant: visits, results, the course of the disease, what came after, deviations."""

from rest_framework import serializers

from participants.models import (
    DiseaseAssessment,
    Examination,
    Measurement,
    ProtocolDeviation,
    SubsequentTherapy,
    SurvivalContact,
    Visit,
    VisitProcedure,
)
from sponsor.api.rows import Resource, RowSerializer


class VisitSerializer(RowSerializer):
    visit = serializers.CharField(source="code", required=False)


class MeasurementSerializer(RowSerializer):
    is_done = serializers.SerializerMethodField(help_text="Without an answer: whether it was done at all.")

    def get_is_done(self, row: Measurement) -> bool:
        return not row.not_done_reason


RESOURCES = (
    Resource(
        "visits",
        "A visit of the schedule with the window it was planned with, and what became of it; dates are the site's.",
        Visit,
        "visit protocol_version target_day target_date window_opens_on window_closes_on is_long_term_follow_up state "
        "occurred_on contact released_because released_on",
        rows=VisitSerializer,
        equal="visit:code state is_long_term_follow_up",
        between="target_date occurred_on",
        order="target_date window_opens_on",
    ),
    Resource(
        "visit-procedures",
        "A procedure of a visit that no other row holds, done on a day; or any that was not done.",
        VisitProcedure,
        "visit_code code state done_on",
        equal="visit_code code state",
        between="done_on",
    ),
    Resource(
        "examinations",
        "What was examined at one moment: a blood count, an ECG, a talk about the medical history (`HISTORY`).",
        Examination,
        "panel taken_at is_fasting is_study_procedure is_time_assumed",
        equal="panel is_study_procedure",
        between="taken_at",
        order="taken_at",
    ),
    Resource(
        "measurements",
        "One answer of an examination: a number as printed (`comparator` says that it is a bound) and in the standard "
        "unit, a choice, or a date known as far as `day` says. Medical history is among them.",
        Measurement,
        "examination taken_at code value comparator unit standard_value reference_low reference_high lloq choice day",
        rows=MeasurementSerializer,
        also=("is_done",),
        equal="code examination",
        between="taken_at",
    ),
    Resource(
        "disease-assessments",
        "Marrow, blood, other places and MRD on one day, and the response that the investigator stated.",
        DiseaseAssessment,
        "assessed_on marrow marrow_bound marrow_blasts blood_blasts extramedullary anc platelets transfusion mrd "
        "mrd_method mrd_sensitivity mrd_bound mrd_level stated_response",
        equal="mrd stated_response",
        between="assessed_on",
        order="assessed_on",
    ),
    Resource(
        "subsequent-therapies",
        "Treatment of the disease after the cells.",
        SubsequentTherapy,
        "kind name started_on ended_on is_ongoing reason",
        equal="kind reason is_ongoing",
        between="started_on",
        order="started_on",
    ),
    Resource(
        "survival-contacts",
        "What was learned on this day about whether the participant lives.",
        SurvivalContact,
        "contacted_on means vital answered_by last_alive_on died_on",
        equal="vital means",
        between="contacted_on died_on",
        order="contacted_on",
    ),
    Resource(
        "deviations",
        "Reality differed from the protocol: its kind, how much it weighs, and when whom was told.",
        ProtocolDeviation,
        "kind occurred_on severity classified_at closed_at is_untrue reported_to_sponsor_at reported_to_ethics_at",
        equal="kind severity is_untrue",
        between="occurred_on",
        order="kind",
    ),
)
