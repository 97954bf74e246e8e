"""The choices that no source makes for us, each with its allowed values and its help."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args, get_origin

from pydantic import Field

from trialsite.study.parts import Part


def mark(text: str) -> str:
    """Leaves the text as it is; the message extractor collects it, whoever shows it calls gettext."""
    return text


@dataclass(frozen=True)
class PolicySetting:
    name: str
    value: object
    allowed: str
    help: str


class Policy(Part):
    """Choices where the sources are silent or disagree. The file must make every one of them."""

    ctcae_version: Literal["5.0", "6.0"] = Field(
        description=mark("Version of CTCAE that grades every adverse event. Stored with each event, never mixed.")
    )
    ef_drop_reading: Literal["percentage_points", "relative_percent"] = Field(
        description=mark(
            "How “10–19 % drop from baseline” of the ejection fraction is read: 60 to 50 is 10 percentage "
            "points, and a relative drop of 17 percent."
        )
    )
    vasopressin_alone_grade: Literal[2, 3] = Field(
        description=mark(
            "CRS grade of hypotension that needs vasopressin and no other vasopressor. The table does not name "
            "this case; the assessment is always flagged for review."
        )
    )
    crs_afebrile_without_therapy: Literal["keep_graded", "grade_0"] = Field(
        description=mark(
            "Established CRS, no fever now, no antipyretic or anticytokine therapy, still hypotensive or hypoxic: "
            "go on grading by the two axes, or grade 0. Flagged for review either way."
        )
    )
    crs_fever_masked: Literal["grade_0", "grade_axes"] = Field(
        description=mark(
            "Never febrile, but on steroids, with hypotension or hypoxia: grade 0, or grade by the axes. Flagged "
            "“fever may be masked” either way."
        )
    )
    crs_usual_onset_days: Annotated[int, Field(ge=7, le=30)] = Field(
        description=mark("CRS that begins later than this many days after the infusion is flagged: another cause?")
    )
    episode_joins_within_hours: Annotated[int, Field(ge=0, le=168)] = Field(
        description=mark("CRS or ICANS that comes back within this many hours of grade 0 belongs to the same episode.")
    )
    neutrophil_count_within_days: Annotated[int, Field(ge=1, le=7)] = Field(
        description=mark(
            "From Day 0 to 30 a neutrophil count falls due this many days after the last one. Early ICAHT is graded "
            "across gaps of at most 7 days without a count."
        )
    )
    neutrophil_count_told_days_before: Annotated[int, Field(ge=0, le=6)] = Field(
        description=mark(
            "The site is told this many days before a neutrophil count falls due, and again when it is late."
        )
    )
    tocilizumab_works_hours: Annotated[int, Field(ge=24, le=1008)] = Field(
        description=mark(
            "So long after tocilizumab or siltuximab a missing fever is put down to it: the answer at the bed stays "
            "until then."
        )
    )
    corticosteroid_works_hours: Annotated[int, Field(ge=6, le=336)] = Field(
        description=mark(
            "So long after a corticosteroid or anakinra a missing fever is put down to it: the answer at the bed "
            "stays until then."
        )
    )
    antipyretic_works_hours: Annotated[int, Field(ge=4, le=24)] = Field(
        description=mark("So long after an antipyretic on record the bedside form takes it as given.")
    )
    bedside_identifier: Literal["none", "bed", "initials"] = Field(
        description=mark(
            "What stands beside the number and the day in the box of grades at the bed: nothing, the bed, or the "
            "initials."
        )
    )
    ice_from_age_years: Literal[12, 13] = Field(
        description=mark("From this age the ICE score is used, below it the CAPD. Sources differ at exactly 12.")
    )
    capd_zero: Literal["grade_0", "grade_1"] = Field(
        description=mark("CAPD 0: no ICANS (grade 1 is 1 to 8), or grade 1 (everything below 9).")
    )
    car_t_cells_reading: Literal["viable_car_positive", "viable_total"] = Field(
        description=mark(
            "What “CAR-T live cells” counts: viable CAR-positive T cells (volume × concentration × viability × CAR "
            "share), or all viable cells."
        )
    )
    second_infusion_day0: Literal["first_infusion", "last_infusion"] = Field(
        description=mark(
            "The record knows one infusion. If there is a second one it is reviewed, and Day 0 of the visits stays "
            "the first infusion or becomes the last."
        )
    )
    fc_outside_accepted_range: Literal["warn", "deviation"] = Field(
        description=mark(
            "A lymphodepletion dose outside the accepted range: only a warning, since the record names no doses, "
            "or a protocol deviation."
        )
    )
    bsa_formula: Literal["mosteller", "du_bois"] = Field(
        description=mark("Formula of the body surface area; they differ by up to 2.5 %. Stored with each result.")
    )
    tocilizumab_max_total: Annotated[int, Field(ge=2, le=4)] = Field(
        description=mark("Most doses of tocilizumab in one episode of CRS before a warning; texts say 2 to 4.")
    )
    tocilizumab_max_per_24h: Annotated[int, Field(ge=1, le=3)] = Field(
        description=mark("Most doses of tocilizumab within 24 hours before a warning.")
    )
    tocilizumab_min_interval_hours: Annotated[int, Field(ge=8, le=24)] = Field(
        description=mark("Fewest hours between two doses of tocilizumab before a warning.")
    )
    guardian_below_age: Annotated[int, Field(ge=14, le=21)] = Field(
        description=mark("Below this age in completed years at consent a guardian signs too.")
    )
    screening_window_days: Annotated[int, Field(ge=7, le=90)] = Field(
        description=mark("Results of the screening are used for this many days; what is older is measured again.")
    )
    later_result_against_criterion: Literal["judge", "blocks"] = Field(
        description=mark(
            "A result taken after the enrolment that a criterion of the screening would not meet: before the infusion "
            "an investigator judges it, or it blocks."
        )
    )
    signature_no_longer_current: Literal["judge", "blocks"] = Field(
        description=mark(
            "The facts differ from those on which eligibility was confirmed, and all criteria are still met: before "
            "the infusion an investigator judges it, or it blocks until eligibility is confirmed again."
        )
    )
    reconsent_within_days: Annotated[int, Field(ge=0, le=90)] = Field(
        description=mark("Days to consent again once a new version of the consent form is in force.")
    )
    leap_day_birthday: Literal["mar_1", "feb_28"] = Field(
        description=mark("Somebody born on 29 February is a year older, in other years, on this day.")
    )
    spo2_on_room_air: bool = Field(
        description=mark("INCL07 asks for an oxygen saturation measured without added oxygen.")
    )
    live_vaccine_excluded_days: Literal[41, 42] = Field(
        description=mark(
            "EXCL11: a live vaccine this many days before screening, or fewer, excludes. 42 reads “within six "
            "weeks” with its last day, 41 without."
        )
    )
    relapse_blasts_percent: Annotated[int, Field(ge=5, le=25)] = Field(
        description=mark("Share of marrow blasts, in percent, that makes a haematological relapse after remission.")
    )
    relapse_includes_threshold: bool = Field(
        description=mark("Exactly this share of blasts is a relapse already (≥ rather than >).")
    )
    mrd_relapse_needs_confirmation: bool = Field(
        description=mark("MRD that turns positive is a relapse of MRD only once a second sample confirms it.")
    )
    cr_counts_include_threshold: bool = Field(
        description=mark("ANC 1.0 and platelets 100 exactly count as recovered (≥ rather than >).")
    )
    cr_untransfused_days: Annotated[int, Field(ge=0, le=28)] = Field(
        description=mark("Blood counts show a complete remission only without transfusion for this many days.")
    )
    response_counts_within_days: Annotated[int, Field(ge=0, le=28)] = Field(
        description=mark(
            "A disease assessment without its own blood count takes the nearest one on record, at most this many days "
            "away."
        )
    )
    b_cell_aplasia_below_percent: Annotated[int, Field(ge=1, le=5)] = Field(
        description=mark(
            "B-cell aplasia: CD19-positive B cells are less than this share of the lymphocytes, in percent."
        )
    )
    lost_after_attempts: Annotated[int, Field(ge=2, le=10)] = Field(
        description=mark("Lost to follow-up: at least this many attempts on different days that nobody answered.")
    )
    lost_over_days: Annotated[int, Field(ge=14, le=365)] = Field(
        description=mark(
            "Lost to follow-up: at least so many days from the first to the last attempt that nobody answered."
        )
    )
    rfs_subsequent_therapy: Literal["both", "censor", "ignore"] = Field(
        description=mark(
            "Relapse-free survival and a later therapy or transplant: censor there, ignore it, or report both."
        )
    )
    visit_windows: Literal["proposed", "protocol"] = Field(
        description=mark("Whether the visit windows are a proposal or were copied from the approved protocol.")
    )
    visits_after_study_end: Literal["long_term", "drop"] = Field(
        description=mark("Visits whose target lies after the end of the study go on as long-term follow-up, or not.")
    )
    long_term_years: Literal[5, 15] = Field(
        description=mark("Years of long-term follow-up after the infusion: 15 for integrating vectors.")
    )
    sae_site_to_sponsor_hours: Annotated[int, Field(ge=1, le=72)] = Field(
        description=mark("“Immediately”, from the investigator to the sponsor, in hours from awareness.")
    )
    overdose_notice_hours: Annotated[int, Field(ge=1, le=72)] = Field(
        description=mark("An overdose without symptoms is told to the sponsor within this many hours.")
    )
    day0_awareness: Literal["earliest_of_any_staff", "sponsor"] = Field(
        description=mark(
            "Sponsor and site are one hospital. The clock of a report starts when anybody on the delegation list "
            "first knows, or only when the sponsor's office knows."
        )
    )
    completion_reading: Literal["from_initial_report", "from_day_0"] = Field(
        description=mark(
            "“Within the following 8 days” alarms 8 days after the first report was really sent, or on Day 15. "
            "Both days are shown."
        )
    )
    upgrade_restarts_clock: bool = Field(
        description=mark("A report that becomes fatal or life-threatening starts a 7-day clock on that day.")
    )
    planned_admission_is_adverse_event: bool = Field(
        description=mark("A planned admission, or one that the protocol asks for, counts as an adverse event.")
    )
    all_events_from: Literal["consent", "lymphodepletion", "infusion"] = Field(
        description=mark(
            "From here all adverse events are recorded; from consent on, those of study procedures and serious ones."
        )
    )
    all_events_until_day: Annotated[int, Field(ge=28, le=730)] = Field(
        description=mark(
            "To this day all adverse events are recorded; afterwards serious ones, those of special interest, new "
            "therapies and second malignancies."
        )
    )
    access_review_every_days: Annotated[int, Field(ge=30, le=366)] = Field(
        description=mark(
            "So many days after the last review of who may do what at a site, its principal investigator reviews it "
            "again. A site that was never reviewed is due at once."
        )
    )
    results_frequency_threshold_percent: Annotated[int, Field(ge=0, le=5)] = Field(
        description=mark("Results list other adverse events that affect more than this percentage.")
    )

    def settings(self) -> tuple[PolicySetting, ...]:
        """Every choice with its value, what is allowed, and its help text (still to be translated)."""
        return tuple(
            PolicySetting(name, getattr(self, name), _allowed(name), field.description or "")
            for name, field in type(self).model_fields.items()
        )


def _allowed(name: str) -> str:
    field = Policy.model_fields[name]
    if get_origin(field.annotation) is Literal:
        return " | ".join(str(choice) for choice in get_args(field.annotation))
    if field.annotation is bool:
        return "true | false"
    bounds = {side: getattr(rule, side) for rule in field.metadata for side in ("ge", "le") if hasattr(rule, side)}
    return f"{bounds['ge']}–{bounds['le']}"
