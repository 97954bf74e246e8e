"""DM: who the participants are. The day of reference is that of the CAR-T cells, sponsor-defined.

In a study with one arm, a participant is taken as assigned to it when study treatment begins: nobody else ever could
get another. Before that the arm is empty with its reason.
"""

from sponsor.datasets.sdtm.course import Course
from sponsor.datasets.sdtm.rows import Row, supps
from sponsor.datasets.sdtm.subject import Subject
from sponsor.datasets.sdtm.trial import Trial


def row(subject: Subject, trial: Trial, course: Course, last_day: str) -> Row:
    """`last_day` is the last on which something is recorded of the participant."""
    is_treated = bool(course.first_treatment)
    is_over = bool(course.end)
    end = max(course.end[:10], last_day) if is_over and not course.death else course.end
    arm = (trial.arm_code, trial.arm) if is_treated else ("", "")
    return Row(
        {
            "USUBJID": subject.usubjid,
            "SUBJID": subject.number,
            "RFSTDTC": course.infusion if is_treated else "",
            "RFENDTC": (end or subject.cut_off) if is_treated else "",
            "RFXSTDTC": course.first_treatment,
            "RFXENDTC": course.last_treatment,
            "RFICDTC": course.consent,
            "RFPENDTC": end,
            "DTHDTC": course.death,
            "DTHFL": "Y" if course.death or course.ended_by == "died" else "",
            "SITEID": subject.site,
            "AGE": subject.age,
            "AGEU": "" if subject.age is None else "YEARS",
            "SEX": subject.sex,
            "ARMCD": arm[0],
            "ARM": arm[1],
            "ACTARMCD": arm[0],
            "ACTARM": arm[1],
            "ARMNRS": "" if is_treated else _why_no_arm(course),
            "COUNTRY": subject.country,
        },
        supp=supps(
            ("PARTNUM", "Participant Number", subject.participant_number, "Assigned"),
            ("PROTVER", "Protocol Version", subject.protocol_version, "Assigned"),
            ("AGEGRP", "Age Group", subject.age_group, "Derived"),
        ),
    )


def _why_no_arm(course: Course) -> str:
    if course.ended_by == "screen_failed":
        return "SCREEN FAILURE"
    return "NOT ASSIGNED"
