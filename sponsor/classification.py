"""What may leave: every field of every model is named here as exported or withheld, with the reason.

A test fails on a field that nobody has decided on, and on a serializer that shows a withheld one. What the API shows
leaves with the datasets too. Beside that, the datasets tell more (`datasets`), and texts that people typed once a data
manager has released them (`released`).
"""

from dataclasses import dataclass

IDENTITY = "identity"  # names a person outside the study
SITE_ONLY = "stays with the site"  # free text, staff, internal handling
INTERNAL = "internal"  # keys and bookkeeping


@dataclass(frozen=True)
class Classified:
    exported: frozenset[str]
    withheld: dict[str, str]
    # With the datasets, and not over the API.
    datasets: frozenset[str] = frozenset()
    # With the datasets, where texts are released.
    released: frozenset[str] = frozenset()


def _classified(exported: str, *, datasets: str = "", released: str = "", **withheld: str) -> Classified:
    by_reason = {"identity": IDENTITY, "site_only": SITE_ONLY, "internal": INTERNAL}
    names = {name: by_reason[reason] for reason, fields in withheld.items() for name in fields.split()}
    leaves = (frozenset(words.split()) for words in (datasets, released))
    return Classified(frozenset(exported.split()), names, *leaves)


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
        datasets="reason_code criteria",
        internal="id created_at created_by modified_at voided_at participant corrects",
        site_only="voided_by void_reason reason",
    ),
    "participants.Examination": _classified(
        "",
        datasets="is_fasting",
        released="laboratory",
        internal="id created_at created_by modified_at voided_at participant import_number is_time_assumed",
        site_only="voided_by void_reason panel taken_at is_study_procedure note",
    ),
    "participants.Measurement": _classified(
        "",
        datasets="taken_at code value comparator unit reference_low reference_high choice day",
        released="not_done_reason",
        internal="id created_at created_by modified_at voided_at participant examination import_number",
        site_only="voided_by void_reason standard_value lloq",
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
        datasets="contact",
        released="not_done_reason",
        internal="created_at created_by told_by",
        site_only="voided_by void_reason note released_because released_on",
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
        datasets="assessed_on marrow_bound marrow_blasts mrd mrd_method mrd_sensitivity mrd_bound "
        "mrd_level stated_response",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason marrow blood_blasts extramedullary extramedullary_sites anc "
        "platelets transfusion note",
    ),
    "participants.SubsequentTherapy": _classified(
        "",
        datasets="kind name started_on ended_on is_ongoing reason",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason note",
    ),
    "participants.SurvivalContact": _classified(
        "",
        datasets="contacted_on means vital last_alive_on died_on",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason answered_by note",
    ),
    "dosing.Infusion": _classified(
        f"{RECORD_EXPORTED} participant infused_at product_lot viable_car_t_cells_e8 dose_band",
        datasets="occasion ended_at volume_given_ml",
        released="note",
        internal="created_at created_by product",
        site_only="voided_by void_reason occasion_reason remainder has_reaction",
    ),
    "dosing.InfusionInterruption": _classified(
        "",
        internal="id created_at created_by modified_at voided_at infusion",
        site_only="voided_by void_reason stopped_at resumed_at reason",
    ),
    "dosing.Leukapheresis": _classified(
        "",
        datasets="started_at ended_at processed_ml collected_ml t_cells_e8",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason venous_access nucleated_cells_e8 complications note",
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
        datasets="drug planned_on mg_m2 bsa_m2 planned_mg state given_at given_mg",
        released="change_reason",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason course course_reason number infusion_on height_cm weight_kg "
        "bsa_formula clearance_ml_min creatinine_on level_reason",
    ),
    "dosing.Medication": _classified(
        "",
        datasets="kind name dose dose_unit route started_at ended_at is_ongoing is_premedication",
        released="indication note",
        internal="id created_at created_by modified_at voided_at participant",
        site_only="voided_by void_reason warning",
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
        datasets="onset_time resolved_time pattern special_interest meddra_version meddra_llt_code "
        "meddra_llt meddra_pt_code meddra_pt meddra_soc results_in_death_on autopsy",
        released="cause_of_death note",
        internal="created_at created_by infusion",
        site_only="voided_by void_reason seriousness_said is_life_threatening_on "
        "requires_hospitalisation_on results_in_disability_on is_congenital_anomaly_on "
        "is_other_important_on sponsor_aware_at is_expected reference_safety treatment_given",
    ),
    "safety.EventAgent": _classified(
        "agent investigator sponsor action_taken",
        internal="id created_at created_by modified_at voided_at event",
        site_only="voided_by void_reason named",
    ),
    "safety.EventGrade": _classified(
        "",
        datasets="grade since",
        internal="id created_at created_by modified_at voided_at event",
        site_only="voided_by void_reason",
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
    # The grades leave; what they were computed from leaves with them. Of the rest of the bedside only numbers and the
    # answers of the ICE score leave.
    "safety.BedsideAssessment": _classified(
        "",
        datasets="assessed_at observations",
        internal="id created_at created_by modified_at voided_at participant corrects",
        site_only="voided_by void_reason correction_reason note",
    ),
    "safety.IecHsAssessment": _classified(
        "",
        datasets="assessed_at scale grade investigator_grade",
        internal="id created_at created_by modified_at voided_at participant corrects reasons laboratory",
        site_only="voided_by void_reason findings screen severity flags investigator_reason correction_reason note",
    ),
    "safety.IcahtAssessment": _classified(
        "",
        datasets="phase computed_at scale grade investigator_grade",
        internal="id created_at created_by modified_at voided_at participant reasons",
        site_only="voided_by void_reason summary determinants flags investigator_reason",
    ),
    "safety.ToxicityEpisode": _classified(
        "",
        internal="id created_at created_by modified_at voided_at participant adverse_event",
        site_only="voided_by void_reason toxicity number onset_at highest_grade highest_at resolved_at",
    ),
}
