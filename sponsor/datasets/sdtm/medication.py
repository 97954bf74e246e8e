"""CM and PR: what else was given or done. Names of drugs leave as they were typed; what for leaves where released."""

from collections.abc import Iterator
from decimal import Decimal

from sponsor.datasets.sdtm.rows import Row, Values, number, plain, supps
from sponsor.datasets.sdtm.subject import Drug, Result, Subject, Therapy

ROUTES = {
    "iv": "INTRAVENOUS",
    "po": "ORAL",
    "sc": "SUBCUTANEOUS",
    "im": "INTRAMUSCULAR",
    "inhaled": "RESPIRATORY (INHALATION)",
    "it": "INTRATHECAL",
    "topical": "TOPICAL",
}
# Units that people type, in the words of the terminology; what is no unit of it stays as it was typed.
UNITS = {
    "µg": "ug",
    "µg/kg/min": "ug/kg/min",
    "ug": "ug",
    "units": "U",
    "unit": "U",
    "U": "U",
    "ml": "mL",
    "l/min": "L/min",
}
# What the program knows by kind, and how it is called.
KNOWN = frozenset({"tocilizumab", "anakinra", "siltuximab", "vasopressin", "oxygen"})
THERAPIES = {
    "allo_hsct": "ALLOGENEIC HEMATOPOIETIC STEM CELL TRANSPLANTATION",
    "auto_hsct": "AUTOLOGOUS HEMATOPOIETIC STEM CELL TRANSPLANTATION",
    "radiotherapy": "RADIOTHERAPY",
    "chemotherapy": "CHEMOTHERAPY",
    "targeted": "TARGETED THERAPY",
    "antibody": "ANTIBODY THERAPY",
    "car_t": "CAR-T CELL THERAPY",
    "dli": "DONOR LYMPHOCYTE INFUSION",
    "other": "OTHER ANTI-LEUKEMIC THERAPY",
}
PROCEDURES = frozenset({"allo_hsct", "auto_hsct", "radiotherapy"})
SUBSEQUENT = "SUBSEQUENT ANTI-LEUKEMIC THERAPY"


def medications(subject: Subject) -> Iterator[Row]:
    for one in subject.drugs:
        yield Row(_medication(subject, one), one.key)
    for therapy in subject.therapies:
        if therapy.kind not in PROCEDURES:
            yield Row(_therapy(subject, therapy), therapy.key)


def _medication(subject: Subject, one: Drug) -> Values:
    kind = one.kind.upper().replace("_", " ")
    return {
        "USUBJID": subject.usubjid,
        "CMTRT": one.name,
        "CMDECOD": kind if one.kind in KNOWN else "",
        "CMCAT": "PREMEDICATION" if one.is_premedication else "CONCOMITANT MEDICATION",
        "CMCLAS": kind,
        "CMINDC": one.indication,
        "CMDOSE": number(one.dose),
        "CMDOSU": "" if one.dose is None else UNITS.get(one.unit, one.unit),
        "CMROUTE": ROUTES.get(one.route, ""),
        "CMSTDTC": one.start,
        # Left open for what was given once.
        "CMENDTC": one.end or ("" if one.is_ongoing else one.start),
        **_ongoing(subject, one.is_ongoing, "CM"),
    }


def _therapy(subject: Subject, one: Therapy) -> Values:
    return {
        "USUBJID": subject.usubjid,
        "CMTRT": one.name or THERAPIES[one.kind],
        "CMDECOD": "",
        "CMCAT": SUBSEQUENT,
        "CMCLAS": THERAPIES[one.kind],
        "CMINDC": one.reason.upper().replace("_", " "),
        "CMSTDTC": one.start,
        "CMENDTC": one.end,
        **_ongoing(subject, one.is_ongoing, "CM"),
    }


def _ongoing(subject: Subject, is_ongoing: bool, of: str) -> dict[str, str]:
    return {f"{of}ENRTPT": "ONGOING", f"{of}ENTPT": subject.cut_off} if is_ongoing else {}


def procedures(subject: Subject) -> Iterator[Row]:
    for one in subject.collections:
        values = {"PRTRT": "LEUKAPHERESIS", "PRDECOD": "LEUKAPHERESIS", "PRCAT": "CELL COLLECTION"}
        amounts = supps(
            ("PRBLDML", "Blood Processed (mL)", _text(one.processed_ml), "Collected"),
            ("PRCOLML", "Volume Collected (mL)", _text(one.collected_ml), "Collected"),
            ("PRTCELL", "CD3-Positive Cells (10^8)", _text(one.t_cells_e8), "Collected"),
        )
        days = {"PRSTDTC": one.start, "PRENDTC": one.end}
        yield Row({"USUBJID": subject.usubjid, **values, **days}, one.key, amounts)
    for therapy in subject.therapies:
        if therapy.kind in PROCEDURES:
            values = {"PRTRT": therapy.name or THERAPIES[therapy.kind], "PRDECOD": THERAPIES[therapy.kind]}
            days = {"PRSTDTC": therapy.start, "PRENDTC": therapy.end}
            yield Row({"USUBJID": subject.usubjid, **values, "PRCAT": SUBSEQUENT, **days}, therapy.key)
    for result in subject.results:
        if result.code == "ON_OXYGEN" and result.choice:
            yield Row(_oxygen(subject, result), result.key)


def _text(amount: Decimal | None) -> str:
    return "" if amount is None else plain(amount)


def _oxygen(subject: Subject, one: Result) -> Values:
    return {
        "USUBJID": subject.usubjid,
        "PRTRT": "SUPPLEMENTAL OXYGEN",
        "PRCAT": "RESPIRATORY SUPPORT",
        "PRPRESP": "Y",
        "PROCCUR": "Y" if one.choice == "yes" else "N",
        "PRSTDTC": one.at,
    }
