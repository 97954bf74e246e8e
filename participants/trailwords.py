"""The audit trail of this app in words."""

import json
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from participants import wording
from participants.criteria import items
from participants.models import (
    EligibilityConfirmation,
    EligibilityRuling,
    Measurement,
    Participant,
    ParticipantStatus,
    ProtocolDeviation,
    VisitProcedure,
    procedure_title,
)
from participants.names import answer_text
from participants.rules.eligibility import Overall, Result, name_of
from trialsite import audit
from trialsite.study import get_study

# Digests by which the program finds out that facts have changed.
audit.unseen(EligibilityRuling, "basis")
audit.unseen(EligibilityConfirmation, "facts_digest")
audit.code_of_a_row(ProtocolDeviation, "about")
audit.kind("hand", gettext_lazy("entered by hand"))
# A consent that is missing stands with its participant's number, one that came late with its own.
audit.kind("consent", gettext_lazy("consent"))
audit.kind("enrolment", gettext_lazy("enrolment"), Participant)
audit.kind("procedure", gettext_lazy("procedure of a visit"), VisitProcedure)
audit.kind("eligibility", gettext_lazy("eligibility"), Participant)


@audit.in_words(ParticipantStatus, "criteria")
def _criteria(codes: Any, row: Any) -> str:
    return "\n".join(wording.criterion_in_words(code) for code in codes)


@audit.in_words(EligibilityRuling, "check_name")
def _check(name: Any, row: Any) -> str:
    """The item of the criterion, and what the question looks at."""
    found = ((item.code, check) for item in items(get_study().latest) for check in item.checks)
    code, check = next(((code, one) for code, one in found if name_of(code, one) == name), (name, None))
    return f"{code} · {wording.name_of_check(check)}" if check is not None else str(name)


@audit.in_words(EligibilityConfirmation, "overall")
def _overall(value: Any, row: Any) -> str:
    return str(wording.OVERALL_NAMES[Overall(value)])


@audit.in_words(EligibilityConfirmation, "snapshot")
def _snapshot(text: Any, row: Any) -> str:
    """Each criterion with its result; the page of the confirmation has every value."""
    results = ((one["code"], wording.RESULT_NAMES[Result(one["result"])]) for one in json.loads(text)["criteria"])
    return audit.lines(results)


@audit.in_words(VisitProcedure, "code")
def _procedure(code: Any, row: Any) -> str:
    return procedure_title(code)


@audit.in_words(Measurement, "choice")
def _choice(value: Any, row: Any) -> str:
    return answer_text(row.code if row is not None else "", value)


@audit.in_words(Measurement, "unit")
def _unit(value: Any, row: Any) -> str:
    return answer_text("unit", value)


@audit.in_words(EligibilityConfirmation, "meaning")
def _meaning(text: Any, row: Any) -> str:
    return _("“%(text)s”") % {"text": text}
