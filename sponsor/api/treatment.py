"""What the participant was given: the way of the cells, lymphodepletion, infusion, and other medication."""

from dosing.models import (
    CellProduct,
    Infusion,
    InfusionInterruption,
    Leukapheresis,
    LymphodepletionDose,
    Medication,
    ProductStep,
)
from sponsor.api.rows import Resource

RESOURCES = (
    Resource(
        "leukaphereses",
        "Cells were collected for the product.",
        Leukapheresis,
        "started_at ended_at processed_ml collected_ml nucleated_cells_e8 t_cells_e8",
        between="started_at",
        order="started_at",
    ),
    Resource(
        "product-lots",
        "A lot of the participant's cells: where it stands, and what the certificate says.",
        CellProduct,
        "lot state volume_ml cells_per_ml viability car_positive vector_copies released_on expires_on "
        "is_out_of_specification",
        equal="lot state is_out_of_specification",
        between="released_on expires_on",
    ),
    Resource(
        "product-steps",
        "A lot came to this state at this moment.",
        ProductStep,
        "product state at lowest_c highest_c",
        along="product__participant",
        equal="product state",
        between="at",
    ),
    Resource(
        "lymphodepletion-doses",
        "One dose of one drug before the cells: planned from which body, and given.",
        LymphodepletionDose,
        "drug course number planned_on infusion_on mg_m2 height_cm weight_kg bsa_m2 bsa_formula planned_mg "
        "clearance_ml_min creatinine_on state given_at given_mg",
        equal="drug state",
        between="planned_on given_at",
    ),
    Resource(
        "infusions",
        "CAR-T cells went into the participant from this moment; the day of the first is Day 0.",
        Infusion,
        "occasion product product_lot infused_at ended_at volume_given_ml viable_car_t_cells_e8 dose_band remainder "
        "has_reaction",
        equal="occasion product_lot dose_band",
        between="infused_at",
        order="infused_at",
    ),
    Resource(
        "infusion-interruptions",
        "An infusion was stopped for a while, or for good.",
        InfusionInterruption,
        "infusion stopped_at resumed_at",
        along="infusion__participant",
        equal="infusion",
        between="stopped_at",
        order="stopped_at",
    ),
    Resource(
        "medications",
        "What else the participant received.",
        Medication,
        "kind name dose dose_unit route started_at ended_at is_ongoing is_premedication",
        equal="kind name route is_ongoing is_premedication",
        between="started_at ended_at",
        order="started_at name",
    ),
)
