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
        f"{RECORD_EXPORTED} participant consented_at version",
        internal="created_at created_by",
        site_only="voided_by void_reason guardian_consented participant_assented long_term_agreed may_be_reminded",
    ),
    "participants.ConsentWithdrawal": _classified(
        f"{RECORD_EXPORTED} participant withdrawn_at scope",
        internal="created_at created_by",
        site_only="voided_by void_reason may_keep_samples may_contact reason",
    ),
    "participants.Reconsent": _classified(
        f"{RECORD_EXPORTED} participant cause version opens_on due_on state",
        internal="created_at created_by settled_by",
        site_only="voided_by void_reason",
    ),
    "participants.ParticipantStatus": _classified(
        f"{RECORD_EXPORTED} status participant effective_on reason_code criteria corrects",
        internal="created_at created_by",
        site_only="reason voided_by void_reason",
    ),
    "participants.Examination": _classified(
        f"{RECORD_EXPORTED} participant panel taken_at is_fasting is_study_procedure is_time_assumed",
        released="laboratory",
        internal="created_at created_by import_number",
        site_only="voided_by void_reason note",
    ),
    "participants.Measurement": _classified(
        f"{RECORD_EXPORTED} participant taken_at examination code value comparator unit standard_value "
        "reference_low reference_high lloq choice day",
        released="not_done_reason",
        internal="created_at created_by import_number",
        site_only="voided_by void_reason",
    ),
    "participants.EligibilityRuling": _classified(
        f"{RECORD_EXPORTED} participant created_at check_name kind is_met",
        internal="created_by basis",
        site_only="voided_by void_reason reason",
    ),
    "participants.EligibilityConfirmation": _classified(
        f"{RECORD_EXPORTED} participant created_at overall judged_for",
        internal="created_by facts_digest content_hash",
        site_only="voided_by void_reason meaning snapshot",
    ),
    "participants.Visit": _classified(
        f"{RECORD_EXPORTED} protocol_version participant state code target_day target_date "
        "window_opens_on window_closes_on is_long_term_follow_up occurred_on contact released_because "
        "released_on",
        released="not_done_reason",
        internal="created_at created_by told_by",
        site_only="voided_by void_reason note",
    ),
    "participants.VisitProcedure": _classified(
        f"{RECORD_EXPORTED} participant visit_code code state done_on",
        internal="created_at created_by",
        site_only="voided_by void_reason result not_done_reason",
    ),
    "participants.ProtocolDeviation": _classified(
        f"{RECORD_EXPORTED} participant kind occurred_on severity classified_at closed_at is_untrue "
        "reported_to_sponsor_at reported_to_ethics_at",
        internal="created_at created_by about",
        site_only="voided_by void_reason description reason classified_by closed_by close_note "
        "reported_to_sponsor_by reported_to_ethics_by",
    ),
    "participants.DiseaseAssessment": _classified(
        f"{RECORD_EXPORTED} participant assessed_on marrow marrow_bound marrow_blasts blood_blasts "
        "extramedullary anc platelets transfusion mrd mrd_method mrd_sensitivity mrd_bound mrd_level "
        "stated_response",
        internal="created_at created_by",
        site_only="voided_by void_reason note extramedullary_sites",
    ),
    "participants.SubsequentTherapy": _classified(
        f"{RECORD_EXPORTED} reason name participant kind started_on ended_on is_ongoing",
        internal="created_at created_by",
        site_only="voided_by void_reason note",
    ),
    "participants.SurvivalContact": _classified(
        f"{RECORD_EXPORTED} participant contacted_on means vital answered_by last_alive_on died_on",
        internal="created_at created_by",
        site_only="voided_by void_reason note",
    ),
    "dosing.Infusion": _classified(
        f"{RECORD_EXPORTED} participant infused_at product_lot viable_car_t_cells_e8 dose_band product "
        "occasion ended_at volume_given_ml remainder has_reaction",
        released="note",
        internal="created_at created_by",
        site_only="voided_by void_reason occasion_reason",
    ),
    "dosing.InfusionInterruption": _classified(
        f"{RECORD_EXPORTED} infusion stopped_at resumed_at",
        internal="created_at created_by",
        site_only="voided_by void_reason reason",
    ),
    "dosing.Leukapheresis": _classified(
        f"{RECORD_EXPORTED} participant ended_at started_at processed_ml collected_ml nucleated_cells_e8 t_cells_e8",
        internal="created_at created_by",
        site_only="voided_by void_reason note venous_access complications",
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
        f"{RECORD_EXPORTED} participant lot state volume_ml cells_per_ml viability car_positive vector_copies "
        "released_on expires_on is_out_of_specification",
        internal="created_at created_by leukapheresis",
        site_only="voided_by void_reason chain_of_identity certificate storage note",
    ),
    "dosing.ProductStep": _classified(
        f"{RECORD_EXPORTED} product state at lowest_c highest_c",
        internal="created_at created_by",
        site_only="voided_by void_reason reason",
    ),
    "dosing.LymphodepletionDose": _classified(
        f"{RECORD_EXPORTED} participant state drug course number planned_on infusion_on mg_m2 height_cm "
        "weight_kg bsa_m2 bsa_formula planned_mg clearance_ml_min creatinine_on given_at given_mg",
        released="change_reason",
        internal="created_at created_by",
        site_only="voided_by void_reason course_reason level_reason",
    ),
    "dosing.Medication": _classified(
        f"{RECORD_EXPORTED} name participant kind is_ongoing ended_at started_at dose dose_unit route is_premedication",
        released="note indication",
        internal="created_at created_by",
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
        f"{RECORD_EXPORTED} participant discharged_at readmitted_at",
        internal="created_at created_by",
        site_only="voided_by void_reason",
    ),
    "safety.GuidanceText": _classified(
        "",
        internal="id created_at created_by modified_at voided_at site approved_by",
        site_only="voided_by void_reason toxicity grade with_crs text_zh text_en source version approved_at",
    ),
    "safety.AdverseEvent": _classified(
        f"{RECORD_EXPORTED} participant grade term onset resolved ctcae_version ctcae_code ctcae_term "
        "ctcae_soc results_in_death is_life_threatening requires_hospitalisation results_in_disability "
        "is_congenital_anomaly is_other_important is_serious outcome site_aware_at onset_time "
        "resolved_time pattern special_interest meddra_version meddra_llt_code meddra_llt meddra_pt_code "
        "meddra_pt meddra_soc results_in_death_on is_life_threatening_on requires_hospitalisation_on "
        "results_in_disability_on is_congenital_anomaly_on is_other_important_on sponsor_aware_at "
        "is_expected",
        datasets="autopsy",
        released="note cause_of_death",
        internal="created_at created_by infusion",
        site_only="voided_by void_reason seriousness_said reference_safety treatment_given",
    ),
    "safety.EventAgent": _classified(
        "agent investigator sponsor action_taken",
        internal="id created_at created_by modified_at voided_at event",
        site_only="voided_by void_reason named",
    ),
    "safety.EventGrade": _classified(
        f"{RECORD_EXPORTED} grade event since",
        internal="created_at created_by",
        site_only="voided_by void_reason",
    ),
    "safety.EventMedication": _classified(
        f"{RECORD_EXPORTED} event medication",
        internal="created_at created_by",
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
        f"{RECORD_EXPORTED} event regime clock recipient kind trigger counted_from due_at met_by closed_at "
        "closed_because acknowledged_at",
        internal="created_at created_by acknowledged_by",
        site_only="voided_by void_reason why is_alarming",
    ),
    "safety.Submission": _classified(
        f"{RECORD_EXPORTED} event recipient submitted_at",
        internal="created_at created_by",
        site_only="voided_by void_reason submitted_by reference late_reason amendment_reason",
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
        internal="id modified_at voided_at created_at created_by participant corrects",
        site_only="voided_by void_reason note correction_reason",
    ),
    "safety.IecHsAssessment": _classified(
        f"{RECORD_EXPORTED} participant corrects severity grade scale assessed_at flags investigator_grade screen",
        internal="created_at created_by laboratory reasons",
        site_only="voided_by void_reason note findings investigator_reason correction_reason",
    ),
    "safety.IcahtAssessment": _classified(
        f"{RECORD_EXPORTED} participant grade scale determinants flags investigator_grade phase computed_at",
        internal="created_at created_by reasons",
        site_only="voided_by void_reason investigator_reason summary",
    ),
    "safety.ToxicityEpisode": _classified(
        f"{RECORD_EXPORTED} participant toxicity number onset_at highest_grade highest_at resolved_at adverse_event",
        internal="created_at created_by",
        site_only="voided_by void_reason",
    ),
    # What was handed out, as the sponsor reads of it; how the work went is the site's.
    "sponsor.Snapshot": _classified(
        "label study study_oid cut_off shifts_dates has_free_text protocol_version software terminology finished_at "
        "rows pending left_out sha256 expires_at",
        internal="id attempts started_at lease_until step steps doing done total error error_detail",
        site_only="state asked_by asked_at cancel_asked_by cancel_asked_at",
    ),
    "sponsor.SnapshotFile": _classified(
        "name format dataset label oid rows bytes sha256",
        internal="id snapshot",
    ),
    "sponsor.ShiftSecret": _classified("", internal="id secret"),
    "sponsor.FreeTextRelease": _classified(
        "",
        internal="id snapshot",
        site_only="released_at released_by",
    ),
}
