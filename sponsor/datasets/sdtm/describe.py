"""What each dataset is: variables with their labels, where their values come from, and how they are made.

Labels, core and roles stand in `variables.csv`, as SDTMIG 3.4 prints them; origins and methods are said here, by the
last part of the name where they are the same in all datasets.
"""

import csv
from dataclasses import replace
from functools import cache
from pathlib import Path

from sponsor.datasets.model import Codelist, Dataset, Kind, Origin, Variable
from sponsor.datasets.sdtm.catalogue import TESTS
from sponsor.datasets.terms import codelists, joined

FILE = Path(__file__).with_name("variables.csv")
NY = "C66742"

ASSIGNED = ("STUDYID", "DOMAIN", "CAT", "SCAT", "TESTCD", "TEST", "DECOD", "CLAS", "SPID", "LNKID", "PRESP", "EVAL")
PROTOCOL = frozenset({"VISITNUM", "VISIT", "VISITDY", "ETCD", "ELEMENT", "TAETORD", "ARMCD", "ARM"})
# By the end of the name: how it is derived.
DERIVED = {
    "SEQ": "Number of the record within the participant, in the order of the keys.",
    "STDY": "Date minus DM.RFSTDTC, plus 1 where it is not before it; there is no day 0. Empty for a date in part.",
    "ENDY": "Date minus DM.RFSTDTC, plus 1 where it is not before it; there is no day 0. Empty for a date in part.",
    "DY": "Date minus DM.RFSTDTC, plus 1 where it is not before it; there is no day 0. Empty for a date in part.",
    "EPOCH": "Epoch of the element (SE) in which the date lies; elements begin at midnight.",
    "LOBXFL": "Y for the last result of a test before DM.RFXSTDTC; without a time only an earlier day is before.",
    "STRESC": "Result in the standard unit of the study; a bound such as <0.5 stays a bound.",
    "STRESN": "Number of --STRESC; empty for a bound.",
    "STRESU": "Standard unit of the study for the test.",
    "STNRLO": "--ORNRLO in the standard unit.",
    "STNRHI": "--ORNRHI in the standard unit.",
    "NRIND": "By comparison of --STRESN with the limits that are there; empty for a bound.",
}
OWN: dict[str, str] = {
    "RFSTDTC": "Start of the first infusion of CAR-T cells (sponsor-defined); empty for whoever had none.",
    "RFENDTC": "End of participation; the day of the cut-off for whoever goes on; empty without study treatment.",
    "RFXSTDTC": "Earliest EX.EXSTDTC, lymphodepletion included.",
    "RFXENDTC": "Latest EX.EXENDTC.",
    "RFPENDTC": "Day of the death; else the later of the day that ended the participation and the last with a record.",
    "DTHDTC": "Day of the death by the status, else by the contact or the event that told it.",
    "DTHFL": "Y where the participant has died.",
    "AGE": "Completed years on the day of the first consent; ages over 89 are a group in SUPPDM (AGEGRP).",
    "ARMNRS": "Assignment to the one arm of the study is taken as the begin of study treatment.",
    "AETOXGR": "Highest grade of the event and of the assessments of its episode.",
    "SESTDTC": "See SE: consent, first lymphodepletion, infusion, 28 days after it, completion of the main study.",
    "SEENDTC": "Start of the next element, or end of participation.",
}
COMMENTS: dict[str, str] = {
    "AETERM": "As reported, looked through for what names the participant when it was saved and again here.",
    "AEDECOD": "MedDRA. Events whose coding is open are not in this dataset; the snapshot lists them.",
    "AEHLT": "On the primary way of the MedDRA release that the event was coded with; empty where it is not loaded.",
    "CMTRT": "As on the order sheet, looked through for what names the participant.",
    "CMDECOD": "Only what the program knows by kind; no drug dictionary is used.",
    "FAOBJ": "AE.AEDECOD of the event of the episode; the same term without an event for an assessment outside one.",
    "FAORRES": "Grade 0 says that it was looked for and not, or no longer, there (sponsor-defined).",
    "RACE": "Not collected.",
    "AEREL": "Relation to the CAR-T cells by the investigator, five categories (CDE 2024 No. 31).",
    "QSCAT": "ICE score of ASTCT 2019 (sponsor-defined): no terminology and no supplement exists.",
}


@cache
def _table() -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    with FILE.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(line for line in lines if not line.startswith("#")):
            found.setdefault(row["dataset"], []).append(row)
    return found


def variables(name: str, prefix: str = "") -> tuple[Variable, ...]:
    """Of a dataset of the table; `prefix` is what its own variables begin with."""
    return tuple(_variable(row, prefix or name) for row in _table()[name])


def _variable(row: dict[str, str], prefix: str) -> Variable:
    name = row["variable"]
    end = name.removeprefix(prefix)
    method = OWN.get(name) or DERIVED.get(end) or DERIVED.get(name, "")
    return Variable(
        name=name,
        label=row["label"],
        kind=Kind(row["kind"]),
        core=row["core"],
        role=row["role"],
        origin=_origin(name, end, method),
        codelist=_codelist(name, tuple(row["codelists"].split())),
        method=method,
        comment=COMMENTS.get(name, ""),
    )


def _origin(name: str, end: str, method: str) -> Origin:
    if method:
        return Origin.DERIVED
    if name in PROTOCOL:
        return Origin.PROTOCOL
    return Origin.ASSIGNED if end in ASSIGNED or name in ASSIGNED else Origin.COLLECTED


# Lists of tests of QRS instruments belong to the variables too.
ALSO = {"RSTESTCD": ("C101815",), "RSTEST": ("C101816",)}


def _codelist(name: str, codes: tuple[str, ...]) -> Codelist | None:
    if name in ("QSTESTCD", "QSTEST"):
        return None
    return joined(name, (*codes, *ALSO.get(name, ())))


def dataset(
    name: str, label: str, structure: str, kind: str, keys: str, *, is_reference: bool = False, comment: str = ""
) -> Dataset:
    found = variables(name)
    if is_reference:
        # What the protocol plans, and no participant did.
        found = tuple(replace(one, origin=Origin.PROTOCOL) if one.origin is Origin.COLLECTED else one for one in found)
    return Dataset(name, label, structure, kind, tuple(keys.split()), found, is_reference, comment)


DESIGN, SPECIAL = "TRIAL DESIGN", "SPECIAL PURPOSE"
INTERVENTIONS, EVENTS, FINDINGS = "INTERVENTIONS", "EVENTS", "FINDINGS"
_TEST = "One record per test per time point per subject"

DATASETS: tuple[Dataset, ...] = (
    dataset(
        "TA", "Trial Arms", "One record per planned Element per Arm", DESIGN, "STUDYID ARMCD TAETORD", is_reference=True
    ),
    dataset("TE", "Trial Elements", "One record per planned Element", DESIGN, "STUDYID ETCD", is_reference=True),
    dataset(
        "TI",
        "Trial Inclusion/Exclusion Criteria",
        "One record per I/E criterion",
        DESIGN,
        "STUDYID IETESTCD",
        is_reference=True,
    ),
    dataset(
        "TS",
        "Trial Summary Information",
        "One record per trial summary parameter value",
        DESIGN,
        "STUDYID TSPARMCD TSSEQ",
        is_reference=True,
    ),
    dataset(
        "TV",
        "Trial Visits",
        "One record per planned Visit per Arm",
        DESIGN,
        "STUDYID VISITNUM ARMCD",
        is_reference=True,
    ),
    dataset("DM", "Demographics", "One record per subject", SPECIAL, "STUDYID USUBJID"),
    dataset(
        "CO", "Comments", "One record per comment per subject", SPECIAL, "STUDYID USUBJID RDOMAIN IDVAR IDVARVAL COSEQ"
    ),
    dataset(
        "SE", "Subject Elements", "One record per actual Element per subject", SPECIAL, "STUDYID USUBJID SESTDTC ETCD"
    ),
    dataset(
        "SV",
        "Subject Visits",
        "One record per actual or planned visit per subject",
        SPECIAL,
        "STUDYID USUBJID VISITNUM",
    ),
    dataset(
        "CM",
        "Concomitant/Prior Medications",
        "One record per recorded intervention per subject",
        INTERVENTIONS,
        "STUDYID USUBJID CMSTDTC CMTRT CMSEQ",
    ),
    dataset(
        "EC",
        "Exposure as Collected",
        "One record per collected administration per subject",
        INTERVENTIONS,
        "STUDYID USUBJID ECSTDTC ECTRT ECSEQ",
    ),
    dataset(
        "EX",
        "Exposure",
        "One record per constant-dose administration per subject",
        INTERVENTIONS,
        "STUDYID USUBJID EXSTDTC EXTRT EXSEQ",
    ),
    dataset(
        "PR", "Procedures", "One record per procedure per subject", INTERVENTIONS, "STUDYID USUBJID PRSTDTC PRTRT PRSEQ"
    ),
    dataset(
        "AE",
        "Adverse Events",
        "One record per adverse event per subject",
        EVENTS,
        "STUDYID USUBJID AESTDTC AEDECOD AESEQ",
    ),
    dataset(
        "DS",
        "Disposition",
        "One record per disposition status or protocol milestone per subject",
        EVENTS,
        "STUDYID USUBJID DSSTDTC DSDECOD DSSCAT",
    ),
    dataset(
        "MH",
        "Medical History",
        "One record per medical history event per subject",
        EVENTS,
        "STUDYID USUBJID MHCAT MHTERM",
    ),
    dataset("CP", "Cell Phenotype Findings", _TEST, FINDINGS, "STUDYID USUBJID CPTESTCD CPDTC CPSEQ"),
    dataset("CV", "Cardiovascular System Findings", _TEST, FINDINGS, "STUDYID USUBJID CVTESTCD CVDTC CVSEQ"),
    dataset("DD", "Death Details", "One record per finding per subject", FINDINGS, "STUDYID USUBJID DDTESTCD"),
    dataset("EG", "ECG Test Results", _TEST, FINDINGS, "STUDYID USUBJID EGTESTCD EGDTC EGSEQ"),
    dataset(
        "IE",
        "Inclusion/Exclusion Criteria Not Met",
        "One record per criterion not met per subject",
        FINDINGS,
        "STUDYID USUBJID IETESTCD",
    ),
    dataset(
        "IS", "Immunogenicity Specimen Assessments", _TEST, FINDINGS, "STUDYID USUBJID ISTESTCD ISBDAGNT ISDTC ISSEQ"
    ),
    dataset("LB", "Laboratory Test Results", _TEST, FINDINGS, "STUDYID USUBJID LBTESTCD LBSPEC LBDTC LBSEQ"),
    dataset("MB", "Microbiology Specimen", _TEST, FINDINGS, "STUDYID USUBJID MBTESTCD MBDTC MBSEQ"),
    dataset("QS", "Questionnaires", _TEST, FINDINGS, "STUDYID USUBJID QSCAT QSTESTCD QSDTC QSSEQ"),
    dataset(
        "RS",
        "Disease Response and Clin Classification",
        "One record per response assessment or clinical classification per subject",
        FINDINGS,
        "STUDYID USUBJID RSCAT RSTESTCD RSDTC RSSEQ",
    ),
    dataset(
        "SS",
        "Subject Status",
        "One record per status per contact per subject",
        FINDINGS,
        "STUDYID USUBJID SSTESTCD SSDTC SSSEQ",
    ),
    dataset("VS", "Vital Signs", _TEST, FINDINGS, "STUDYID USUBJID VSTESTCD VSDTC VSSEQ"),
    dataset(
        "FA",
        "Findings About Events or Interventions",
        "One record per finding per object per time point per subject",
        "FINDINGS ABOUT",
        "STUDYID USUBJID FAOBJ FATESTCD FADTC FASEQ",
    ),
    dataset(
        "RELREC",
        "Related Records",
        "One record per related record",
        "RELATIONSHIP",
        "STUDYID USUBJID RELID RDOMAIN IDVAR IDVARVAL",
    ),
)
BY_NAME = {one.name: one for one in DATASETS}


@cache
def supplemental(name: str) -> Dataset:
    """SUPPAE of AE."""
    return Dataset(
        f"SUPP{name}",
        f"Supplemental Qualifiers for {name}",
        "One record per supplemental qualifier per related parent domain record",
        "RELATIONSHIP",
        ("STUDYID", "RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL", "QNAM"),
        variables("SUPPQUAL", "SUPP"),
    )


__all__ = ["BY_NAME", "DATASETS", "TESTS", "codelists", "dataset", "supplemental", "variables"]
