"""Findings about a report in plain words, with where the thing is put right."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sponsor.icsr.rules import Fault, Finding

NAMES = {
    "N.1.2": gettext_lazy("number of the batch"),
    "N.1.3": gettext_lazy("sender of the batch (in the study file)"),
    "N.1.4": gettext_lazy("receiver of the batch (in the study file)"),
    "N.1.5": gettext_lazy("date of transmission"),
    "N.2.r.1": gettext_lazy("number of the message"),
    "C.1.1": gettext_lazy("number of the report"),
    "C.1.2": gettext_lazy("date of creation"),
    "C.1.3": gettext_lazy("type of report"),
    "C.1.4": gettext_lazy("date first received"),
    "C.1.5": gettext_lazy("date of the most recent information"),
    "C.1.8.1": gettext_lazy("worldwide number of the case"),
    "C.1.8.2": gettext_lazy("first sender of the case"),
    "C.1.11.2": gettext_lazy("reason of the nullification or amendment"),
    "C.2.r.2.1": gettext_lazy("organisation of the reporter"),
    "C.2.r.4": gettext_lazy("qualification of the reporter"),
    "C.2.r.5": gettext_lazy("primary source"),
    "C.3.1": gettext_lazy("kind of sender (in the study file)"),
    "C.3.2": gettext_lazy("organisation of the sender (in the study file)"),
    "C.5.2": gettext_lazy("name of the study"),
    "C.5.4": gettext_lazy("type of study"),
    "D.1": gettext_lazy("participant"),
    "D.7.2": gettext_lazy("medical history"),
    "D.9.1": gettext_lazy("date of death"),
    "D.9.2.r.2": gettext_lazy("cause of death"),
    "E.i": gettext_lazy("adverse event"),
    "E.i.1.1a": gettext_lazy("reported term"),
    "E.i.2.1a": gettext_lazy("version of MedDRA (choose the CTCAE or MedDRA term of the event)"),
    "E.i.2.1b": gettext_lazy("MedDRA code (choose the CTCAE or MedDRA term of the event)"),
    "E.i.3.2a": gettext_lazy("seriousness: results in death"),
    "E.i.5": gettext_lazy("end of the event"),
    "E.i.7": gettext_lazy("outcome of the event (the investigator assesses it)"),
    "F.r.1": gettext_lazy("date of a test"),
    "F.r.2.1": gettext_lazy("name of a test"),
    "G.k.1": gettext_lazy("role of a drug"),
    "G.k.2.2": gettext_lazy("name of a drug"),
    "G.k.4.r.7": gettext_lazy("lot"),
    "G.k.4.r.8": gettext_lazy("dose in words"),
    "G.k.9.i.2.r.3": gettext_lazy("result of an assessment"),
    "H.1": gettext_lazy("narrative (the course of the event)"),
    "H.4": gettext_lazy("comments of the sender"),
    "H.5.r.1a": gettext_lazy("narrative in the language of the site"),
    "H.5.r.1b": gettext_lazy("language of the narrative"),
}

SENTENCES = {
    Fault.MISSING: gettext_lazy("%(name)s is missing"),
    Fault.TOO_LONG: gettext_lazy("%(name)s is longer than a report can hold: shorten it"),
    Fault.IN_FUTURE: gettext_lazy("%(name)s lies in the future"),
    Fault.WITHOUT_ZONE: gettext_lazy("%(name)s does not tell its time zone"),
    Fault.NO_SUSPECT: gettext_lazy(
        "no drug is suspected; a report needs one. Record what was given, and relate the event to it"
    ),
    Fault.NOT_ONE_PRIMARY: gettext_lazy("%(name)s: exactly one is needed"),
    Fault.OLDER_THAN_FIRST: gettext_lazy("%(name)s lies before the date first received"),
    Fault.ENDS_BEFORE_START: gettext_lazy("%(name)s lies before its start: correct one of the two"),
    Fault.DEATH_WITHOUT_FATAL: gettext_lazy(
        "it results in death, but the outcome is not fatal: correct one of the two"
    ),
    Fault.FATAL_WITHOUT_DEATH: gettext_lazy("the outcome is fatal, but it does not result in death: correct one"),
    Fault.DEATH_WITHOUT_DATE: gettext_lazy("it results in death: say on which day"),
    Fault.CHANGE_WITHOUT_REASON: gettext_lazy("%(name)s is missing: say why the report is withdrawn or changed"),
}


def sentence(finding: Finding) -> str:
    """Such as: E.i.7: outcome of the event (the investigator assesses it) is missing (头痛)."""
    words = SENTENCES[finding.fault] % {"name": NAMES[finding.element]}
    text = _("%(element)s: %(words)s") % {"element": finding.element, "words": words}
    return f"{text} ({finding.about})" if finding.about else text
