"""MH and IE: the leukaemia and what else the participant had, as asked at screening; and criteria that were not met.

Questions that decide a criterion and are no diseases (willing, venous access, contraception) leave as the criterion.
"""

from collections.abc import Iterator

from sponsor.datasets.sdtm.course import Course
from sponsor.datasets.sdtm.rows import Row, Values, yes
from sponsor.datasets.sdtm.subject import Result, Subject
from sponsor.datasets.sdtm.trial import Trial

PRIMARY, OTHER = "PRIMARY DIAGNOSIS", "GENERAL MEDICAL HISTORY"
DIAGNOSES = {
    "b_all": "B-CELL ACUTE LYMPHOBLASTIC LEUKEMIA",
    "burkitt": "BURKITT LEUKEMIA",
    "cml_blast": "CHRONIC MYELOID LEUKEMIA IN LYMPHOID BLAST CRISIS",
    "t_all": "T-CELL ACUTE LYMPHOBLASTIC LEUKEMIA",
    "other": "OTHER LEUKEMIA",
}
# What was asked, each with the answer that tells since when, where there is one.
ASKED = {
    "EXTRAMEDULLARY": "EXTRAMEDULLARY LEUKEMIA",
    "MPAL": "MIXED PHENOTYPE ACUTE LEUKEMIA",
    "PRIOR_CART": "PRIOR CAR-T CELL THERAPY",
    "MARROW_FAILURE": "BONE MARROW FAILURE",
    "HYPERSENSITIVITY": "HYPERSENSITIVITY",
    "INFECTION": "ACTIVE INFECTION",
    "ARRHYTHMIA": "ARRHYTHMIA",
    "PULM_HTN": "PULMONARY HYPERTENSION",
    "UNSTABLE_ANGINA": "UNSTABLE ANGINA",
    "CARDIAC_EVENT": "MYOCARDIAL INFARCTION, BYPASS OR STENT",
    "VALVE_DISEASE": "HEART VALVE DISEASE",
    "OTHER_CARDIAC": "OTHER CARDIAC DISEASE",
    "EPILEPSY": "EPILEPSY",
    "STROKE": "STROKE",
    "CEREBELLAR": "CEREBELLAR DISEASE",
    "OTHER_CNS": "OTHER DISEASE OF THE CENTRAL NERVOUS SYSTEM",
    "CNS_LEUKAEMIA": "CENTRAL NERVOUS SYSTEM LEUKEMIA",
    "DVT_PE": "DEEP VEIN THROMBOSIS OR PULMONARY EMBOLISM",
    "OTHER_MALIGNANCY": "OTHER MALIGNANCY",
}
SINCE = {"CARDIAC_EVENT": "CARDIAC_EVENT_DATE", "DVT_PE": "DVT_PE_DATE"}


def rows(subject: Subject, course: Course) -> Iterator[Row]:
    """The newest answer to each question from before the cells."""
    newest: dict[str, Result] = {}
    for one in subject.results:
        if not one.is_not_done and one.at[:10] <= (course.infusion[:10] or "9999"):
            newest[one.code] = one
    if (said := newest.get("DIAGNOSIS")) is not None and said.choice in DIAGNOSES:
        yield Row(_values(subject, said, DIAGNOSES[said.choice], PRIMARY), said.key)
    for code, term in ASKED.items():
        answer = newest.get(code)
        if answer is not None and answer.choice:
            since = newest.get(SINCE.get(code, ""))
            is_so = answer.choice == "yes"
            asked: Values = {"MHPRESP": "Y", "MHOCCUR": yes(is_so)}
            asked["MHSTDTC"] = since.day if since is not None and is_so else ""
            yield Row({**_values(subject, answer, term, OTHER), **asked}, answer.key)


def _values(subject: Subject, one: Result, term: str, category: str) -> Values:
    return {"USUBJID": subject.usubjid, "MHTERM": term, "MHCAT": category, "MHDTC": one.at}


def criteria(subject: Subject, trial: Trial) -> Iterator[Row]:
    """Criteria that were not met, of whoever failed the screening."""
    for status in subject.statuses:
        for code in status.criteria if status.status == "screen_failed" else ():
            rule = trial.rule(code)
            if rule is not None:
                answer = "N" if rule.is_inclusion else "Y"
                yield Row(
                    {
                        "USUBJID": subject.usubjid,
                        "IETESTCD": rule.code.upper(),
                        "IETEST": rule.text,
                        "IECAT": "INCLUSION" if rule.is_inclusion else "EXCLUSION",
                        "IEORRES": answer,
                        "IESTRESC": answer,
                        "IEDTC": status.on,
                    },
                    key=f"criterion:{code}",
                )
