"""Consent, withdrawal and enrolment: nothing of the study comes before the one, or after the other."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import F, Min, Q
from django.utils.translation import gettext_lazy as _

from dosing.models import Infusion, Leukapheresis, LymphodepletionDose
from participants.actions.contradictions import dates_of, first_moment
from participants.models import (
    Consent,
    ConsentWithdrawal,
    DeviationKind,
    Examination,
    Participant,
    ParticipantStatus,
    ProtocolDeviation,
    Visit,
    WithdrawalScope,
)
from participants.rules.contradictions import Code, Facts, findings
from participants.rules.status import NO_MORE_VISITS, Status
from safety.checks import sql
from safety.checks.registry import Found, Scope, add, check, found
from safety.models import AdverseEvent, BedsideAssessment, current
from trialsite.fieldkeys import Unreadable
from trialsite.models import Record

CONSENT = (Participant, Consent)
NO_MORE = [one.value for one in NO_MORE_VISITS]


def _before_consent(model: type[Record], moment: str) -> Any:
    def find(scope: Scope) -> Iterable[Found]:
        known = sql.deviation(DeviationKind.CONSENT, model._meta.model_name or "")
        rows = scope.of(model).annotate(consented_at=sql.consented_at()).exclude(known)
        early = Q(**{f"{moment}__lt": F("consented_at")}) | Q(consented_at=None)
        return found(rows.filter(early, **{f"{moment}__isnull": False}), moment, "consented_at")

    return find


for _code, _model, _moment, _title in (
    ("infusion_before_consent", Infusion, "infused_at", _("Infusion before the consent")),
    ("dose_before_consent", LymphodepletionDose, "given_at", _("Lymphodepletion before the consent")),
    ("leukapheresis_before_consent", Leukapheresis, "started_at", _("Leukapheresis before the consent")),
):
    add(
        _code,
        _before_consent(_model, _moment),
        title=_title,
        why=_("Study treatment was given before the first consent, or without any, and no deviation tells of it."),
        way_out=_("Correct the day, record the consent that is missing, or record the protocol deviation."),
        looks_at=(*CONSENT, ProtocolDeviation, _model),
    )


@check(
    title=_("Study procedure before the consent"),
    why=_("An examination marked as done for the study lies before the first consent, and no deviation tells of it."),
    way_out=_("Correct its day, mark it as routine care, or record the protocol deviation."),
    looks_at=(*CONSENT, ProtocolDeviation, Examination),
)
def procedure_before_consent(scope: Scope) -> Iterable[Found]:
    rows = scope.of(Examination).filter(is_study_procedure=True).annotate(consented_at=sql.consented_at())
    # One deviation tells of all that a participant had before the consent.
    rows = rows.exclude(sql.deviation(DeviationKind.CONSENT))
    return found(rows.filter(taken_at__lt=F("consented_at")), "taken_at", "consented_at", examination="panel")


@check(
    title=_("Visit before the consent"),
    why=_("A visit took place on a day before the first consent."),
    way_out=_("Correct the day of the visit, or that of the consent."),
    looks_at=(*CONSENT, ProtocolDeviation, Visit),
)
def visit_before_consent(scope: Scope) -> Iterable[Found]:
    rows = scope.of(Visit).filter(occurred_on__isnull=False).annotate(consented_at=sql.consented_at())
    rows = rows.exclude(sql.deviation(DeviationKind.CONSENT, "visit"))
    early = rows.filter(occurred_on__lt=sql.day_of("consented_at"))
    return found(early, "occurred_on", "consented_at", visit="code")


@check(
    title=_("Event before the consent"),
    why=_("The onset of an adverse event lies certainly before the first consent: it is history, not an event."),
    way_out=_("Correct the onset; or void the event and record it as history."),
    looks_at=(*CONSENT, AdverseEvent),
)
def event_before_consent(scope: Scope) -> Iterable[Found]:
    rows = scope.of(AdverseEvent).annotate(consented_at=sql.consented_at())
    rows = rows.annotate(consent_text=sql.text_of(sql.day_of("consented_at")))
    return found(rows.filter(sql.certainly_before(F("onset"), F("consent_text"))), "onset", "consented_at")


@check(
    title=_("Enrolled before the consent"),
    why=_("The day of the enrolment lies before the first consent, or there is no consent."),
    way_out=_("Correct the day of the enrolment, or record the consent that is missing."),
    looks_at=(*CONSENT, ParticipantStatus),
)
def enrolled_before_consent(scope: Scope) -> Iterable[Found]:
    rows = scope.of(ParticipantStatus).filter(status=Status.ENROLLED).annotate(consented_at=sql.consented_at())
    early = rows.filter(Q(effective_on__lt=sql.day_of("consented_at")) | Q(consented_at=None))
    return found(early, "consented_at", enrolled_on="effective_on")


@check(
    title=_("Wants no more visits, but is still in the study"),
    why=_("The participant has taken back the consent to visits; the status is one of those who still come."),
    way_out=_("Record the status “withdrawn” with the day of the withdrawal, or correct the withdrawal."),
    looks_at=(Participant, ParticipantStatus, ConsentWithdrawal),
)
def withdrawal_without_status(scope: Scope) -> Iterable[Found]:
    rows = scope.of(ConsentWithdrawal).exclude(scope=WithdrawalScope.TREATMENT)
    still = rows.exclude(participant__status__in=NO_MORE)
    return found(still, "withdrawn_at", how_far="scope", status="participant__status")


@check(
    title=_("Visit done after leaving the study"),
    why=_(
        "A visit took place after the day on which the participant left: withdrawn, lost, completed or not eligible."
    ),
    way_out=_("Correct the day of the visit or the status; or write why the participant came all the same."),
    looks_at=(Participant, ParticipantStatus, Visit),
)
def visit_after_leaving(scope: Scope) -> Iterable[Found]:
    gone = [one for one in NO_MORE if one != Status.DIED]
    rows = (
        scope.of(Visit).filter(occurred_on__isnull=False, participant__status__in=gone).annotate(left_on=sql.left_on())
    )
    late = rows.filter(occurred_on__gt=F("left_on"))
    return found(late, "occurred_on", "left_on", visit="code", status="participant__status")


# What says something about the participant at a moment.
DATA = ((Examination, "taken_at"), (BedsideAssessment, "assessed_at"))


@check(
    title=_("Data after “no further data”"),
    why=_("Something was examined after the participant had wished that no further data be kept."),
    way_out=_("Void it if the participant's wish stands, correct its day, or correct the withdrawal."),
    looks_at=(ConsentWithdrawal, *(model for model, _moment in DATA)),
)
def data_after_withdrawal(scope: Scope) -> Iterator[Found]:
    for model, moment in DATA:
        rows = scope.of(model).annotate(withdrawn_at=sql.no_more_data_from())
        rows = current(rows) if model is BedsideAssessment else rows
        yield from found(rows.filter(**{f"{moment}__gt": F("withdrawn_at")}), "withdrawn_at", at=moment)


@check(
    title=_("Something from before the birth"),
    why=_("The first examination or event of a participant lies before the day of birth."),
    way_out=_("Correct its day; or the participant's day of birth, if that is wrong."),
    looks_at=(Participant, Examination, AdverseEvent),
)
def before_birth(scope: Scope) -> Iterator[Found]:
    """The day of birth is encrypted, and never part of a finding: the first row of each is compared here."""
    born = dict(scope.people.order_by().values_list("pk", "birth_date"))
    for model, name in ((Examination, "taken_at"), (AdverseEvent, "onset")):
        firsts = scope.of(model).order_by().values("participant").annotate(first=Min(name)).values("first")
        rows = scope.of(model).filter(**{f"{name}__in": firsts})
        for one in found(rows, name):
            row = model(**{name: _read(model, name, one.facts[name])})
            dated = next(dated for _name, dated in dates_of(row))
            birth = born[one.participant]
            about = Facts(born_at=None if isinstance(birth, Unreadable) else first_moment(birth))
            if Code.BEFORE_BIRTH in {each.code for each in findings(dated, about, now=scope.now)}:
                yield one


def _read(model: type[Record], name: str, text: str) -> Any:
    return model._meta.get_field(name).to_python(text)  # type: ignore[union-attr]  # a column
