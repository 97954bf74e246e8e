"""TA, TE, TI, TS and TV: the trial itself, from the study file."""

from collections.abc import Iterator

from sponsor.datasets.sdtm.course import ELEMENTS
from sponsor.datasets.sdtm.rows import Row
from sponsor.datasets.sdtm.trial import Trial
from sponsor.datasets.terms import RELEASE

# What a value of the summary is in which terminology: NCI codes of the terms that this kind of study can have.
PHASES = {
    "PHASE1": ("PHASE I TRIAL", "C15600"),
    "PHASE1/PHASE2": ("PHASE I/II TRIAL", "C15693"),
    "PHASE2": ("PHASE II TRIAL", "C15601"),
    "PHASE3": ("PHASE III TRIAL", "C15602"),
}
SEXES = {"ALL": ("BOTH", "C49636"), "FEMALE": ("F", "C16576"), "MALE": ("M", "C20197")}
MASKING = {"NONE": ("OPEN LABEL", "C49659")}
MODELS = {"SINGLE_GROUP": ("SINGLE GROUP", "C82640"), "PARALLEL": ("PARALLEL", "C82639")}
YES, NO = ("Y", "C49488"), ("N", "C49487")
CDISC = "CDISC CT"


def arms(trial: Trial) -> Iterator[Row]:
    for place, one in enumerate(ELEMENTS, start=1):
        yield Row(
            {
                "ARMCD": trial.arm_code,
                "ARM": trial.arm,
                "TAETORD": place,
                "ETCD": one.code,
                "ELEMENT": one.name,
                "EPOCH": one.epoch,
            }
        )


def elements() -> Iterator[Row]:
    for one in ELEMENTS:
        yield Row(
            {
                "ETCD": one.code,
                "ELEMENT": one.name,
                "TESTRL": one.begins,
                "TEENRL": one.ends,
                "TEDUR": one.duration,
            }
        )


def criteria(trial: Trial) -> Iterator[Row]:
    for one in trial.rules:
        yield Row(
            {
                "IETESTCD": one.code.upper(),
                "IETEST": one.text,
                "IECAT": "INCLUSION" if one.is_inclusion else "EXCLUSION",
                "TIVERS": one.version,
            }
        )


def visits(trial: Trial) -> Iterator[Row]:
    for one in trial.visits:
        yield Row(
            {
                "VISITNUM": one.number,
                "VISIT": one.name,
                "VISITDY": one.day + (one.day >= 0),
                "ARMCD": trial.arm_code,
                "ARM": trial.arm,
                "TVSTRL": f"Protocol Day {one.day}, from Day {one.opens} to Day {one.closes} (infusion on Day 0)",
            }
        )


def summary(trial: Trial) -> Iterator[Row]:
    """Each parameter with its value, and the terminology that the value is of."""
    counts: dict[str, int] = {}
    for code, name, value, term in _parameters(trial):
        counts[code] = counts.get(code, 0) + 1
        yield Row({"TSSEQ": counts[code], "TSPARMCD": code, "TSPARM": name, **_valued(value, term)})


def _valued(value: str, term: tuple[str, ...]) -> dict[str, str | int | float | None]:
    """`term` is a code of CDISC's, or (code, terminology, version); a value that is not known has its null flavour."""
    if not value:
        return {"TSVALNF": term[0] if term else "UNK"}
    if not term:
        return {"TSVAL": value}
    code, reference, version = term if len(term) == 3 else (term[0], CDISC, RELEASE)
    return {"TSVAL": value, "TSVALCD": code, "TSVCDREF": reference, "TSVCDVER": version}


def _parameters(trial: Trial) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    registry, duration, country = ("ClinicalTrials.gov", ""), ("ISO 8601", ""), ("ISO 3166", "")
    days = (trial.ends_on, trial.starts_on)
    yield "ADAPT", "Adaptive Design", *_term(NO)
    yield "ADDON", "Added on to Existing Treatments", *_term(NO)
    yield "AGEMAX", "Planned Maximum Age of Subjects", f"P{trial.maximum_age}Y", ("", *duration)
    yield "AGEMIN", "Planned Minimum Age of Subjects", f"P{trial.minimum_age}Y", ("", *duration)
    yield "DCUTDESC", "Data Cutoff Description", "SNAPSHOT", ()
    yield "DCUTDTC", "Data Cutoff Date", trial.cut_off, ("", *duration)
    yield "DOSE", "Dose per Administration", str(trial.dose_e8), ()
    yield "DOSFRM", "Dose Form", "INJECTION, SUSPENSION", ("C42995",)
    yield "DOSFRQ", "Dosing Frequency", "ONCE", ("C64576",)
    yield "DOSU", "Dose Units", "10^6 Therapeutic Cells", ("C187973",)
    yield "EXTTIND", "Extension Trial Indicator", *_term(NO)
    yield "FCNTRY", "Planned Country of Investigational Sites", trial.country, ("", *country)
    yield "HLTSUBJI", "Healthy Subject Indicator", *_term(YES if trial.healthy else NO)
    yield "INDIC", "Trial Disease/Condition Indication", trial.indication, ()
    yield "INTMODEL", "Intervention Model", *_term(MODELS[trial.intervention_model])
    yield "INTTYPE", "Intervention Type", "BIOLOGIC", ("C307",)
    yield "LENGTH", "Trial Length", f"P{_months(*days)}M", ("", *duration)
    yield "NARMS", "Planned Number of Arms", "1", ()
    yield "OBJPRIM", "Trial Primary Objective", "", ()
    yield "OUTMSPRI", "Primary Outcome Measure", "", ()
    yield "PCLAS", "Pharmacologic Class", "", ()
    yield "PDSTIND", "Pediatric Study Indicator", *_term(NO)
    yield "PLANSUB", "Planned Number of Subjects", str(trial.enrolment_target), ()
    yield "RANDOM", "Trial is Randomized", *_term(NO)
    yield "REGID", "Registry Identifier", trial.study_id, (trial.study_id, *registry)
    yield "ROUTE", "Route of Administration", "INTRAVENOUS", ("C38276",)
    yield "SDTIGVER", "SDTM IG Version", "3.4", ()
    yield "SDTMVER", "SDTM Version", "2.0", ()
    yield "SEXPOP", "Sex of Participants", *_term(SEXES[trial.sex])
    yield "SPONSOR", "Clinical Study Sponsor", trial.sponsor, ()
    yield "SPREFID", "Sponsor's Study Reference ID", trial.org_study_id, ()
    yield "SSTDTC", "Study Start Date", trial.starts_on, ("", *duration)
    yield "STOPRULE", "Study Stop Rules", trial.stopping, () if trial.stopping else ("NA",)
    yield "STYPE", "Study Type", "INTERVENTIONAL", ("C98388",)
    yield "TBLIND", "Trial Blinding Schema", *_term(MASKING[trial.masking])
    yield "TCNTRL", "Control Type", "NONE", ("C41132",)
    yield "THERAREA", "Therapeutic Area", "Oncology", ()
    yield "TINDTP", "Trial Intent Type", "TREATMENT", ("C49656",)
    yield "TITLE", "Trial Title", trial.title, ()
    yield "TPHASE", "Trial Phase Classification", *_term(PHASES[trial.phase])
    yield "TRT", "Investigational Therapy or Treatment", "AUTOLOGOUS CD19 CAR-T CELLS", ()
    yield "TTYPE", "Trial Type", "EFFICACY", ("C49666",)
    yield "TTYPE", "Trial Type", "SAFETY", ("C49667",)


def _term(pair: tuple[str, str]) -> tuple[str, tuple[str, ...]]:
    return pair[0], (pair[1],)


def _months(end: str, start: str) -> int:
    """Completed months between two days."""
    first, last = (tuple(map(int, day.split("-"))) for day in (start, end))
    return (last[0] - first[0]) * 12 + last[1] - first[1] - (last[2] < first[2])
