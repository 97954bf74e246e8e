"""What may leave: every field of every model is named here as exported or withheld, with the reason.

A test fails on a field that nobody has decided on, and on a serializer that shows a withheld one.
"""

from dataclasses import dataclass

IDENTITY = "identity"  # names a person outside the study
SITE_ONLY = "stays with the site"  # free text, staff, internal handling
INTERNAL = "internal"  # keys and bookkeeping


@dataclass(frozen=True)
class Classified:
    exported: frozenset[str]
    withheld: dict[str, str]


def _classified(exported: str, **withheld: str) -> Classified:
    by_reason = {"identity": IDENTITY, "site_only": SITE_ONLY, "internal": INTERNAL}
    names = {name: by_reason[reason] for reason, fields in withheld.items() for name in fields.split()}
    return Classified(frozenset(exported.split()), names)


RECORD_EXPORTED = "id modified_at voided_at"

MODELS: dict[str, Classified] = {
    "participants.Participant": _classified(
        f"{RECORD_EXPORTED} site screening_number participant_number protocol_version status sex",
        identity="name birth_date phone hospital_number bed initials",
        internal="created_at created_by rescreening_of",
        site_only="voided_by void_reason planned_infusion_on relapsed_on new_therapy_on",
    ),
    "participants.Consent": _classified(
        # The first consent's moment is part of the participant's row.
        "consented_at",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason version guardian_consented participant_assented long_term_agreed"
        " may_be_reminded",
    ),
    "participants.ConsentWithdrawal": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason withdrawn_at scope may_keep_samples may_contact reason",
    ),
    "participants.Reconsent": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant settled_by",
        site_only="voided_by void_reason cause version opens_on due_on state",
    ),
    "participants.ParticipantStatus": _classified(
        "status effective_on",
        internal="id created_at created_by modified_at voided_at participant corrects",
        site_only="voided_by void_reason reason reason_code criteria",
    ),
    # Measurements leave with the datasets, not with this version of the API.
    "participants.Examination": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant import_number is_time_assumed",
        site_only="voided_by void_reason panel taken_at is_fasting is_study_procedure laboratory note",
    ),
    "participants.Measurement": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant examination taken_at import_number",
        site_only="voided_by void_reason code value comparator unit standard_value reference_low reference_high lloq "
        "choice day not_done_reason",
    ),
    "participants.EligibilityRuling": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant basis",
        site_only="voided_by void_reason check_name kind is_met reason",
    ),
    "participants.EligibilityConfirmation": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant facts_digest content_hash",
        site_only="voided_by void_reason overall judged_for meaning snapshot",
    ),
    "participants.Visit": _classified(
        f"{RECORD_EXPORTED} participant code protocol_version target_day target_date window_opens_on "
        "window_closes_on is_long_term_follow_up state occurred_on",
        internal="created_at created_by told_by",
        site_only="voided_by void_reason not_done_reason note contact released_because released_on",
    ),
    "participants.VisitProcedure": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason visit_code code state done_on result not_done_reason",
    ),
    "participants.ProtocolDeviation": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant about",
        site_only="voided_by void_reason kind description reason occurred_on severity classified_at classified_by "
        "closed_at closed_by close_note is_untrue reported_to_sponsor_at reported_to_sponsor_by reported_to_ethics_at "
        "reported_to_ethics_by",
    ),
    "participants.DiseaseAssessment": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason assessed_on marrow marrow_bound marrow_blasts blood_blasts extramedullary "
        "extramedullary_sites anc platelets transfusion mrd mrd_method mrd_sensitivity mrd_bound mrd_level "
        "stated_response note",
    ),
    "participants.SubsequentTherapy": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason kind name started_on ended_on is_ongoing reason note",
    ),
    "participants.SurvivalContact": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason contacted_on means vital answered_by last_alive_on died_on note",
    ),
    "dosing.Infusion": _classified(
        f"{RECORD_EXPORTED} participant infused_at product_lot viable_car_t_cells_e8 dose_band",
        internal="created_at created_by product",
        site_only="voided_by void_reason note occasion occasion_reason ended_at volume_given_ml remainder has_reaction",
    ),
    "dosing.InfusionInterruption": _classified(
        "",
        internal="id created_at created_by modified_at voided_at infusion",
        site_only="voided_by void_reason stopped_at resumed_at reason",
    ),
    "dosing.Leukapheresis": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason started_at ended_at venous_access processed_ml collected_ml "
        "nucleated_cells_e8 t_cells_e8 complications note",
    ),
    "dosing.FitnessCheck": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason before checked_at max_temperature_48h_c spo2_percent is_on_oxygen "
        "lvef_percent ecog has_uncontrolled_infection needs_vasopressors tocilizumab_doses note",
    ),
    "dosing.DosingHold": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant lifted_by",
        site_only="voided_by void_reason reason lifted_at lift_reason",
    ),
    "dosing.ReadinessRuling": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant basis",
        site_only="voided_by void_reason line reason",
    ),
    "dosing.IdentityCheck": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant product entered_by",
        site_only="voided_by void_reason",
    ),
    "dosing.IdentityStop": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant entered_by wristband_of bag reviewed_by",
        site_only="voided_by void_reason place wrong wristband_code reviewed_at review",
    ),
    "dosing.CellProduct": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant leukapheresis",
        site_only="voided_by void_reason lot chain_of_identity state volume_ml cells_per_ml viability car_positive "
        "vector_copies certificate released_on expires_on is_out_of_specification storage note",
    ),
    "dosing.ProductStep": _classified(
        "",
        internal="id created_at created_by modified_at voided_at product",
        site_only="voided_by void_reason state at reason lowest_c highest_c",
    ),
    "dosing.LymphodepletionDose": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason drug course course_reason number planned_on infusion_on mg_m2 height_cm "
        "weight_kg bsa_m2 bsa_formula planned_mg clearance_ml_min creatinine_on level_reason state "
        "given_at given_mg change_reason",
    ),
    "dosing.Medication": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason kind name dose dose_unit route started_at ended_at is_ongoing indication "
        "is_premedication warning note",
    ),
    "safety.SafetyAlert": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant about key acknowledged_by superseded_by",
        site_only="voided_by void_reason kind toxicity grade happened_at raised_at escalated_at "
        "escalated_steps settled_at settled_because acknowledged_at acknowledge_note",
    ),
    "safety.DataFinding": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant code row_model row_id",
        site_only="voided_by void_reason facts found_at closed_at closed_how closed_by close_reason gone_at",
    ),
    "safety.OnCallShift": _classified(
        "",
        internal="id created_at created_by modified_at voided_at site",
        site_only="voided_by void_reason person starts_at ends_at",
    ),
    "safety.Discharge": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason discharged_at readmitted_at",
    ),
    "safety.GuidanceText": _classified(
        "",
        internal="id created_at created_by modified_at voided_at site approved_by",
        site_only="voided_by void_reason toxicity grade with_crs text_zh text_en source version approved_at",
    ),
    "safety.AdverseEvent": _classified(
        f"{RECORD_EXPORTED} participant term onset resolved grade ctcae_version ctcae_code ctcae_term ctcae_soc "
        "results_in_death is_life_threatening requires_hospitalisation results_in_disability is_congenital_anomaly "
        "is_other_important is_serious outcome site_aware_at",
        internal="created_at created_by infusion",
        # These leave with the datasets and the reports, not with this version of the API.
        site_only="voided_by void_reason note onset_time resolved_time pattern special_interest seriousness_said "
        "meddra_version meddra_llt_code meddra_llt meddra_pt_code meddra_pt meddra_soc results_in_death_on "
        "is_life_threatening_on requires_hospitalisation_on results_in_disability_on is_congenital_anomaly_on "
        "is_other_important_on cause_of_death autopsy sponsor_aware_at is_expected reference_safety treatment_given",
    ),
    "safety.EventAgent": _classified(
        "agent investigator sponsor action_taken",
        internal="id created_at created_by modified_at voided_at event",
        site_only="voided_by void_reason named",
    ),
    "safety.EventGrade": _classified(
        "",
        internal="id created_at created_by modified_at voided_at event",
        site_only="voided_by void_reason grade since",
    ),
    "safety.EventMedication": _classified(
        "",
        internal="id created_at created_by modified_at voided_at event medication",
        site_only="voided_by void_reason",
    ),
    "safety.FollowUp": _classified(
        "",
        internal="id created_at created_by modified_at voided_at event",
        site_only="voided_by void_reason learned_at kind what",
    ),
    "safety.EventReview": _classified(
        "",
        internal="id created_at created_by modified_at voided_at event content sha256",
        site_only="voided_by void_reason kind",
    ),
    "safety.EventQuery": _classified(
        "",
        internal="id created_at created_by modified_at voided_at event",
        site_only="voided_by void_reason question answer answered_at answered_by",
    ),
    "safety.ReportingDuty": _classified(
        "",
        internal="id created_at created_by modified_at voided_at event acknowledged_by met_by",
        site_only="voided_by void_reason regime clock recipient kind trigger why counted_from due_at is_alarming "
        "closed_at closed_because acknowledged_at",
    ),
    "safety.Submission": _classified(
        "",
        internal="id created_at created_by modified_at voided_at event",
        site_only="voided_by void_reason recipient submitted_at submitted_by reference late_reason amendment_reason",
    ),
    "safety.SubmissionFile": _classified(
        "", internal="id submission", site_only="name content_type size sha256 content"
    ),
    "safety.ReferenceSafety": _classified(
        "",
        internal="id created_at created_by modified_at voided_at site",
        site_only="voided_by void_reason version effective_on source expected",
    ),
    "safety.ToxicityAssessment": _classified(
        f"{RECORD_EXPORTED} participant toxicity scale assessed_at findings grade determinants flags "
        "investigator_grade corrects",
        internal="created_at created_by reasons bedside",
        site_only="voided_by void_reason note investigator_reason",
    ),
    # The grades leave; what they were computed from leaves with them. The rest of the bedside stays.
    "safety.BedsideAssessment": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant corrects",
        site_only="voided_by void_reason assessed_at observations correction_reason note",
    ),
    # Grades of the blood leave with the datasets, not with this version of the API.
    "safety.IecHsAssessment": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant corrects reasons laboratory",
        site_only="voided_by void_reason assessed_at findings screen severity scale grade flags investigator_grade "
        "investigator_reason correction_reason note",
    ),
    "safety.IcahtAssessment": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant reasons",
        site_only="voided_by void_reason phase computed_at summary scale grade determinants flags investigator_grade "
        "investigator_reason",
    ),
    "safety.ToxicityEpisode": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant adverse_event",
        site_only="voided_by void_reason toxicity number onset_at highest_grade highest_at resolved_at",
    ),
    # What was handed out, as the sponsor reads of it; how the work went is the site's.
    "sponsor.Snapshot": _classified(
        "label study study_oid cut_off shifts_dates has_free_text protocol_version software terminology finished_at "
        "rows pending sha256 expires_at",
        internal="id attempts started_at lease_until step steps doing done total error error_detail",
        site_only="state asked_by asked_at cancel_asked_by cancel_asked_at",
    ),
    "sponsor.SnapshotFile": _classified(
        "name format dataset label oid rows bytes sha256",
        internal="id snapshot",
    ),
    "sponsor.FreeTextRelease": _classified(
        "",
        internal="id snapshot",
        site_only="released_at released_by",
    ),
}
