"""The audit trail of this app in words: what was seen, found and graded, as its own pages say it."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.apps import apps
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from safety.admin.assessments import finding_in_words
from safety.admin.bedside import observed_lines
from safety.admin.blood import finding_lines, laboratory_lines, summary_lines
from safety.checks import title_of
from safety.checks.words import lines as fact_lines
from safety.choices import FINDING_NAMES, determinants_in_words
from safety.ctcae import catalogue
from safety.dutywords import WHY, clock_of, recipient_name
from safety.models import (
    AdverseEvent,
    BedsideAssessment,
    DataFinding,
    EventReview,
    IcahtAssessment,
    IecHsAssessment,
    ReportingDuty,
    SafetyAlert,
    Scale,
    Submission,
    ToxicityAssessment,
)
from safety.rules import crs, icaht, icans, iec_hs
from safety.rules.grading import Reason
from safety.wording import sentences
from trialsite import audit
from trialsite.study import get_study

# By which the program finds an alert again; what it is about stands beside it.
audit.unseen(SafetyAlert, "key")
audit.code_of_a_row(SafetyAlert, "about")
# The entry is shown as a link on the page of the finding.
audit.unseen(DataFinding, "row_id")
audit.kind("assessment", gettext_lazy("toxicity assessment"), ToxicityAssessment)
audit.kind("iec_hs", gettext_lazy("IEC-HS assessment"), IecHsAssessment)
audit.kind("rounds", gettext_lazy("bedside assessment that is due"))

# Codes of the study's file, by which the program finds a duty again; the page says them in words.
audit.unseen(ReportingDuty, "trigger")

RULES: dict[str, Any] = {Scale.CRS.value: crs, Scale.ICANS.value: icans}


def _rule(row: Any) -> Any:
    """The rule that graded the row of this event."""
    tracked = row.pgh_tracked_model
    return {IecHsAssessment: iec_hs, IcahtAssessment: icaht}.get(tracked) or RULES[row.toxicity]


@audit.in_words(EventReview, "content")
def _signed(content: Mapping[str, Any], row: Any) -> str:
    """Its parts stand in their own trails; here, of which event they were."""
    return str(content.get("event", {}).get("term", ""))


@audit.in_words(BedsideAssessment, "observations")
def _observations(seen: Mapping[str, Any], row: Any) -> str:
    return audit.lines(observed_lines(seen))


@audit.in_words(ToxicityAssessment, "findings")
def _findings(found: Mapping[str, Any], row: Any) -> str:
    return audit.lines(
        (FINDING_NAMES[name], finding_in_words(row, name, found[name])) for name in FINDING_NAMES if name in found
    )


@audit.in_words(IecHsAssessment, "findings")
def _iec_hs_findings(found: Mapping[str, Any], row: Any) -> str:
    return audit.lines(finding_lines(found))


@audit.in_words(IecHsAssessment, "laboratory")
def _laboratory(known: Mapping[str, Any], row: Any) -> str:
    return "\n".join(f"{name} ({day}): {text}" for name, day, text in laboratory_lines(known))


@audit.in_words(IcahtAssessment, "summary")
def _summary(counted: Mapping[str, Any], row: Any) -> str:
    return "\n".join(summary_lines(counted))


@audit.in_words(ToxicityAssessment, "flags")
@audit.in_words(IecHsAssessment, "flags")
@audit.in_words(IcahtAssessment, "flags")
def _flags(flags: Iterable[str], row: Any) -> str:
    return "\n".join(dict.fromkeys(_(_rule(row).FLAG_TEXT[flag]) for flag in flags))


@audit.in_words(ToxicityAssessment, "reasons")
@audit.in_words(IecHsAssessment, "reasons")
@audit.in_words(IcahtAssessment, "reasons")
def _reasons(reasons: Iterable[Mapping[str, Any]], row: Any) -> str:
    return "\n".join(sentences((Reason(one["code"], one["values"]) for one in reasons), _rule(row).REASON_TEXT))


@audit.in_words(ToxicityAssessment, "determinants")
@audit.in_words(IcahtAssessment, "determinants")
def _determinants(names: str, row: Any) -> str:
    return determinants_in_words(names)


def _term(event: Any) -> catalogue.Term | None:
    """The term of the catalogue; None where its version or code is not there."""
    try:
        return catalogue.term(event.ctcae_version, event.ctcae_code)
    except catalogue.UnknownTerm:
        return None


@audit.in_words(AdverseEvent, "ctcae_term")
def _ctcae_term(name: str, row: Any) -> str:
    found = _term(row) if _is_chinese() else None
    return f"{found.name_zh} ({name})" if found is not None else name


@audit.in_words(AdverseEvent, "ctcae_soc")
def _ctcae_soc(name: str, row: Any) -> str:
    found = _term(row) if _is_chinese() else None
    return f"{found.soc_zh} ({name})" if found is not None else name


@audit.in_words(ReportingDuty, "recipient")
@audit.in_words(Submission, "recipient")
def _recipient(code: str, row: Any) -> str:
    return recipient_name(get_study().latest, code)


@audit.in_words(ReportingDuty, "regime")
def _regime(code: str, row: Any) -> str:
    return next((str(one.name) for one in get_study().latest.regimes if one.code == code), code)


@audit.in_words(ReportingDuty, "clock")
def _clock(code: str, row: Any) -> str:
    found = clock_of(get_study().latest, row)
    return code if found is None else str(found.name)


@audit.in_words(ReportingDuty, "why")
def _why(codes: Iterable[str], row: Any) -> str:
    return "\n".join(str(WHY.get(code, code)) for code in codes)


def _is_chinese() -> bool:
    return (get_language() or "").startswith("zh")


@audit.in_words(DataFinding, "code")
def _check(code: str, row: Any) -> str:
    return title_of(code)


@audit.in_words(DataFinding, "row_model")
def _row_model(label: str, row: Any) -> str:
    return str(apps.get_model(label)._meta.verbose_name)


@audit.in_words(DataFinding, "facts")
def _facts(facts: Mapping[str, Any], row: Any) -> str:
    return audit.lines(fact_lines(facts))
