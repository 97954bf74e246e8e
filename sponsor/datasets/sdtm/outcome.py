"""RS, SS and DD: what became of the leukaemia and of the person.

Responses are the investigator's, else those of the study's rule; nothing is taken over several assessments (a best
response is an analysis). A death stands in five places that agree: DM, DS, AE, SS and DD.
"""

from collections.abc import Iterator

from sponsor.datasets.sdtm.course import Course
from sponsor.datasets.sdtm.events import is_coded
from sponsor.datasets.sdtm.rows import Row, Values, number, plain, supps
from sponsor.datasets.sdtm.subject import Assessment, Event, Subject

CATEGORY = "PROTOCOL DEFINED RESPONSE CRITERIA"
RESPONSES = {
    "CR": "CR",
    "CRh": "CRh",
    "CRi": "CRi",
    "no_remission": "NR",
    "relapse": "RELAPSED DISEASE",
    "not_evaluable": "NE",
}
# Not seen by an assay that could not have seen it is no answer.
MRD = {"negative": "NEGATIVE", "insufficient": "NE", "positive": "POSITIVE"}
MRD_SAID = {"insufficient": "NEGATIVE, INSUFFICIENT SENSITIVITY"}
MRD_METHODS = {"flow": "FLOW CYTOMETRY", "pcr": "PCR", "ngs": "NEXT GENERATION SEQUENCING"}
VITAL = {"alive": "ALIVE", "dead": "DEAD", "unknown": "UNKNOWN"}


def responses(subject: Subject) -> Iterator[Row]:
    for one in subject.assessments:
        said = RESPONSES[one.response]
        rule = RESPONSES[one.rule_response]
        yield Row(
            _response(subject, one, "OVRLRESP", "Overall Response", said, said),
            one.key,
            supps(("RSRULE", "Response by Rule", rule if rule != said else "", "Derived")),
        )
        if one.mrd in MRD:
            text = MRD_SAID.get(one.mrd, MRD[one.mrd])
            yield Row(
                _response(subject, one, "MRDRESP", "Minimal Residual Disease Response", text, MRD[one.mrd]),
                f"{one.key}:mrd",
                supps(
                    ("MRDMETH", "MRD Method", MRD_METHODS.get(one.mrd_method, ""), "Collected"),
                    ("MRDLVL", "MRD Level (%)", one.mrd_level, "Collected"),
                    ("MRDSENS", "MRD Sensitivity of the Assay (%)", one.mrd_sensitivity, "Collected"),
                ),
            )


def _response(subject: Subject, one: Assessment, code: str, name: str, said: str, standard: str) -> Values:
    return {
        "USUBJID": subject.usubjid,
        "RSTESTCD": code,
        "RSTEST": name,
        "RSCAT": CATEGORY,
        "RSORRES": said,
        "RSSTRESC": standard,
        "RSEVAL": "INVESTIGATOR",
        "RSDTC": one.on,
    }


def marrow(subject: Subject) -> Iterator[Row]:
    """The blasts that an assessment counted, as a result of the laboratory."""
    for one in subject.assessments:
        if one.blasts is not None:
            text = f"{one.blasts_sign}{plain(one.blasts)}"
            yield Row(
                {
                    "USUBJID": subject.usubjid,
                    "LBTESTCD": "BLASTCE",
                    "LBTEST": "Blasts/Total Cells",
                    "LBCAT": "BONE MARROW",
                    "LBSPEC": "BONE MARROW",
                    "LBORRES": text,
                    "LBORRESU": "%",
                    "LBSTRESC": text,
                    "LBSTRESN": None if one.blasts_sign else number(one.blasts),
                    "LBSTRESU": "%",
                    "LBDTC": one.on,
                },
                f"{one.key}:blasts",
            )


# --- Survival ------------------------------------------------------------------------------------------


def survival(subject: Subject, course: Course) -> Iterator[Row]:
    """Each time that somebody asked; the status of the dead is of the day of the death, whenever it was learnt."""
    is_told = False
    for one in subject.contacts:
        # What was learnt of a life after its end is a mistake that the site is asked about.
        if one.vital == "alive" and course.death and one.on > course.death:
            continue
        if one.vital == "dead":
            is_told = True
            learnt = ("SSLEARN", "Date on Which the Death Was Learnt", one.on, "Collected")
            yield Row(_status(subject, "dead", course.death), one.key, supps(learnt))
        else:
            alive = ("SSLSTALV", "Date Last Known Alive", one.alive_on, "Collected")
            yield Row(_status(subject, one.vital, one.on), one.key, supps(alive))
    if course.death and not is_told:
        yield Row(_status(subject, "dead", course.death), "death")


def _status(subject: Subject, vital: str, on: str) -> Values:
    values: Values = {
        "USUBJID": subject.usubjid,
        "SSTESTCD": "SURVSTAT",
        "SSTEST": "Survival Status",
        "SSDTC": on,
    }
    if vital not in VITAL:
        return {**values, "SSSTAT": "NOT DONE", "SSREASND": "NOBODY ANSWERED"}
    return {**values, "SSORRES": VITAL[vital], "SSSTRESC": VITAL[vital]}


def death(subject: Subject, course: Course) -> Iterator[Row]:
    """Why: in MedDRA's words where the event is coded, in those that were typed where they are released."""
    if not course.death:
        return
    fatal = next((one for one in subject.events if one.is_fatal), None)
    cause = _cause(fatal)
    yield Row(_detail(subject, "PRCDTH", "Primary Cause of Death", *cause, course.death), "cause")
    if fatal is not None and fatal.autopsy in ("done", "not_done"):
        said = "Y" if fatal.autopsy == "done" else "N"
        yield Row(_detail(subject, "AUTOPIND", "Autopsy Indicator", said, said, course.death), "autopsy")


def _cause(event: Event | None) -> tuple[str, str]:
    if event is None:
        return "UNKNOWN", "UNKNOWN"
    coded = event.pt if is_coded(event) else ""
    said = event.cause_of_death or coded or event.term
    return said, coded or said


def _detail(subject: Subject, code: str, name: str, said: str, standard: str, on: str) -> Values:
    return {
        "USUBJID": subject.usubjid,
        "DDTESTCD": code,
        "DDTEST": name,
        "DDORRES": said,
        "DDSTRESC": standard,
        "DDDTC": on,
    }
