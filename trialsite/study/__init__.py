"""The study as data: one TOML file for each protocol version, read once and checked whole.

A file with a mistake stops the start. `StudyFileError` lists every mistake at once, each with its file,
line, key, value and reason, so that one reading of the message is enough to repair the file.

`parts`, `criteria`, `reporting` and `policy` say what a file may hold, `protocol` puts them together, `checks`
compares them with each other, `mistakes` tells what is wrong, and `reading` goes from the folder to the study.
"""

from trialsite.study.checks import CHECKS
from trialsite.study.criteria import NEEDED, WITH_DEFAULT, Check, CheckRule, Criterion, CriterionPart
from trialsite.study.mistakes import PLAIN_REASONS, Found, Mistake, StudyFileError, dotted, key_lines
from trialsite.study.parts import (
    Bedside,
    Code,
    ConsentVersion,
    Design,
    Dose,
    Drug,
    EnteredBy,
    Escalation,
    Exact,
    Fitness,
    Identity,
    Location,
    Lymphodepletion,
    Monitoring,
    PanelTests,
    Part,
    Phase,
    Procedure,
    ProhibitedMedication,
    Recruitment,
    ReminderStage,
    Site,
    SpecialInterestEvent,
    Text,
    Visit,
    Window,
    Words,
)
from trialsite.study.policy import Policy, PolicySetting, mark
from trialsite.study.protocol import Protocol, Study
from trialsite.study.reading import STUDIES, get_study, load_protocol, load_study
from trialsite.study.reporting import Clock, CountedFrom, Recipient, Regime, ReportedThing, Reporting

__all__ = [
    "CHECKS",
    "NEEDED",
    "PLAIN_REASONS",
    "STUDIES",
    "WITH_DEFAULT",
    "Bedside",
    "Check",
    "CheckRule",
    "Clock",
    "Code",
    "ConsentVersion",
    "CountedFrom",
    "Criterion",
    "CriterionPart",
    "Design",
    "Dose",
    "Drug",
    "EnteredBy",
    "Escalation",
    "Exact",
    "Fitness",
    "Found",
    "Identity",
    "Location",
    "Lymphodepletion",
    "Mistake",
    "Monitoring",
    "PanelTests",
    "Part",
    "Phase",
    "Policy",
    "PolicySetting",
    "Procedure",
    "ProhibitedMedication",
    "Protocol",
    "Recipient",
    "Recruitment",
    "Regime",
    "ReminderStage",
    "ReportedThing",
    "Reporting",
    "Site",
    "SpecialInterestEvent",
    "Study",
    "StudyFileError",
    "Text",
    "Visit",
    "Window",
    "Words",
    "dotted",
    "get_study",
    "key_lines",
    "load_protocol",
    "load_study",
    "mark",
]
