"""AE and FA: what went wrong, and the grades of CRS and ICANS over time, as findings about it.

An event whose MedDRA coding is open has no AEDECOD, which the standard requires: it waits outside. The event carries
the highest grade of its course. A grade 0 in FA says that it was looked for and not, or no longer, there
(sponsor-defined).
"""

from collections.abc import Iterator

from safety.rules.grading import mark
from sponsor.datasets.sdtm.course import Course
from sponsor.datasets.sdtm.rows import Link, Row, Supp, Values, supps, yes
from sponsor.datasets.sdtm.subject import Event, Graded, Subject

OUTCOMES = {
    "recovered": "RECOVERED/RESOLVED",
    "recovering": "RECOVERING/RESOLVING",
    "not_recovered": "NOT RECOVERED/NOT RESOLVED",
    "sequelae": "RECOVERED/RESOLVED WITH SEQUELAE",
    "fatal": "FATAL",
    "unknown": "UNKNOWN",
}
ACTIONS = {
    "none": "DOSE NOT CHANGED",
    "reduced": "DOSE REDUCED",
    "interrupted": "DRUG INTERRUPTED",
    "stopped": "DRUG WITHDRAWN",
    "not_applicable": "NOT APPLICABLE",
}
SERIOUS = {
    "AESDTH": "results_in_death",
    "AESLIFE": "is_life_threatening",
    "AESHOSP": "requires_hospitalisation",
    "AESDISAB": "results_in_disability",
    "AESCONG": "is_congenital_anomaly",
    "AESMIE": "is_other_important",
}
# Relations to agents other than the cells have no variable of their own.
AGENTS = {
    "fludarabine": ("AERELFLU", "Causality, Fludarabine"),
    "cyclophosphamide": ("AERELCY", "Causality, Cyclophosphamide"),
    "leukapheresis": ("AERELLKA", "Causality, Leukapheresis"),
    "procedure": ("AERELPRC", "Causality, Other Study Procedure"),
    "disease": ("AERELDIS", "Causality, Disease under Study"),
    "other": ("AERELOTH", "Causality, Other"),
}
UNCODED = mark("The MedDRA coding is open: AEDECOD is required.")
# What each scale grades, where no event of the database says it in MedDRA's words.
GRADED = {
    "CRS": ("Cytokine release syndrome", "ASTCT CONSENSUS GRADING 2019"),
    "ICANS": ("Immune effector cell-associated neurotoxicity syndrome", "ASTCT CONSENSUS GRADING 2019"),
    "IEC-HS": ("Immune effector cell-associated HLH-like syndrome", "ASTCT IEC-HS GRADING 2023"),
    "ICAHT-early": ("Immune effector cell-associated hematotoxicity, early", "EHA/EBMT ICAHT GRADING 2023"),
    "ICAHT-late": ("Immune effector cell-associated hematotoxicity, late", "EHA/EBMT ICAHT GRADING 2023"),
}


def is_coded(event: Event) -> bool:
    return bool(event.pt_code and event.pt)


def rows(subject: Subject, course: Course) -> Iterator[Row]:
    graded = {one.event: one.scale for one in subject.grades if one.event}
    for event in subject.events:
        if is_coded(event):
            yield Row(
                _values(subject, event, course, _highest(event, subject)), event.key, _supp(event, course, graded)
            )


def pending(subject: Subject) -> Iterator[tuple[str, str, str]]:
    """Number of the participant, row, and why it is left out."""
    for event in subject.events:
        if not is_coded(event):
            yield subject.number, event.key, UNCODED


def _highest(event: Event, subject: Subject) -> int:
    """Of the event and of the assessments of its episode."""
    return max([event.grade, *(one.grade or 0 for one in subject.grades if one.event == event.key)])


def _values(subject: Subject, event: Event, course: Course, grade: int) -> Values:
    cells = next((one for one in event.relations if one.agent == "car_t"), None)
    criteria = {name: yes(said in event.criteria) for name, said in SERIOUS.items()}
    end = _end(event, course)
    soc = _named(event.soc, event.soc_code)
    hlt, hlgt = _named(event.hlt, event.hlt_code), _named(event.hlgt, event.hlgt_code)
    return {
        "USUBJID": subject.usubjid,
        "AESPID": event.number,
        "AETERM": event.term,
        "AELLT": event.llt,
        "AELLTCD": int(event.llt_code) if event.llt_code else None,
        "AEDECOD": event.pt,
        "AEPTCD": int(event.pt_code),
        "AEHLT": hlt[0],
        "AEHLTCD": hlt[1],
        "AEHLGT": hlgt[0],
        "AEHLGTCD": hlgt[1],
        "AEBODSYS": soc[0],
        "AEBDSYCD": soc[1],
        "AESOC": soc[0],
        "AESOCCD": soc[1],
        "AESER": yes("Y" in criteria.values()),
        **criteria,
        "AEACN": ACTIONS.get(cells.action, "") if cells else "",
        "AEREL": cells.investigator.upper() if cells else "",
        "AEPATT": event.pattern.upper(),
        "AEOUT": "FATAL" if event.is_fatal else OUTCOMES.get(event.outcome, ""),
        "AECONTRT": "Y" if event.is_treated else "",
        "AETOXGR": str(grade),
        "AESTDTC": event.start,
        "AEENDTC": end,
        **({} if end else {"AEENRTPT": "ONGOING", "AEENTPT": subject.cut_off}),
    }


def _named(name: str, code: str) -> tuple[str, int | None]:
    """A name of MedDRA's with its code; without the code, which MedDRA's files give, the name is left out as well."""
    return (name, int(code)) if name and code else ("", None)


def _end(event: Event, course: Course) -> str:
    """A fatal event ends with the participant."""
    return course.death or event.died_on or event.end if event.is_fatal else event.end


def _supp(event: Event, course: Course, graded: dict[str, str]) -> tuple[Supp, ...]:
    scale = graded.get(event.key) or (f"CTCAE v{event.ctcae_version.removeprefix('v')}" if event.ctcae_version else "")
    cells = next((one for one in event.relations if one.agent == "car_t"), None)
    is_later = len(event.start) >= 10 and bool(course.first_treatment)
    emergent = yes(event.start[:10] >= course.first_treatment[:10]) if is_later else ""
    relations = [
        (*AGENTS[one.agent], one.investigator.upper(), "Collected") for one in event.relations if one.agent in AGENTS
    ]
    return supps(
        ("AEGRSCAL", "Grading Scale", scale, "Assigned"),
        ("AETRTEM", "Treatment Emergent Flag", emergent, "Derived"),
        ("AESI", "Adverse Event of Special Interest", event.special_interest, "Assigned"),
        ("AERELSP", "Causality, CAR-T Cells, Sponsor", cells.sponsor.upper() if cells else "", "Collected"),
        ("MEDDRAV", "MedDRA Version", event.meddra_version, "Assigned"),
        *relations,
    )


# --- Grades over time ----------------------------------------------------------------------------------


def grades(subject: Subject) -> Iterator[Row]:
    names = {one.key: one.pt for one in subject.events if is_coded(one)}
    for one in subject.grades:
        if one.grade is not None and one.toxicity in GRADED:
            known, category = GRADED[one.toxicity]
            values = _grade(subject, one.grade, one.at)
            yield Row({**values, "FAOBJ": names.get(one.event, known), "FACAT": category}, one.key, _by_rule(one))


def steps(subject: Subject) -> Iterator[Row]:
    """The course of every other event that had one: each grade with the day since when it had it."""
    assessed = {one.event for one in subject.grades}
    for event in subject.events:
        if is_coded(event) and event.key not in assessed and len(event.grades) > 1:
            for count, (grade, since) in enumerate(event.grades, start=1):
                if since:
                    yield Row(
                        {
                            **_grade(subject, grade, since),
                            "FAOBJ": event.pt,
                            "FACAT": f"CTCAE V{event.ctcae_version.removeprefix('v')}",
                        },
                        f"{event.key}:{count}",
                    )


def _grade(subject: Subject, grade: int, at: str) -> Values:
    return {
        "USUBJID": subject.usubjid,
        "FATESTCD": "TOXGR",
        "FATEST": "Toxicity Grade",
        "FAORRES": str(grade),
        "FASTRESC": str(grade),
        "FASTRESN": grade,
        "FAEVAL": "INVESTIGATOR",
        "FADTC": at,
    }


def _by_rule(one: Graded) -> tuple[Supp, ...]:
    """What the rule computed, where an investigator set another grade."""
    differs = one.computed is not None and one.computed != one.grade
    return supps(("FARULEGR", "Grade Computed by Rule", one.computed if differs else "", "Derived"))


def links(subject: Subject) -> Iterator[Link]:
    """Events with their grades, and with what was given against them."""
    for one in subject.grades:
        if one.event:
            yield Link(("AE", one.event), ("FA", one.key))
    for row in steps(subject):
        yield Link(("AE", row.key.rpartition(":")[0]), ("FA", row.key))
    for event in subject.events:
        for drug in event.drugs:
            yield Link(("AE", event.key), ("CM", drug))
