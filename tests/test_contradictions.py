"""Dates that contradict the record: refused or asked on every page, and no dated field without a kind."""

import datetime as dt
import re
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import models
from django.urls import reverse
from django.utils import timezone

from participants import actions
from participants.models import ConsentWithdrawal, Participant, ProtocolDeviation
from participants.rules.contradictions import Code
from participants.rules.status import Status
from tests import factories
from tests.addforms import FILL, Filled, send, when
from tests.conftest import Once, person
from tests.test_twins import answer, asked
from trialsite import audit
from trialsite.fields import PartialDateField
from trialsite.models import Record, Site, User
from trialsite.roles import Role

DAY = dt.timedelta(days=1)
SHARED = {field.name for field in Record._meta.get_fields()} | {"created_at", "modified_at", "voided_at"}
# Dates without a kind, and why none is needed.
WITHOUT_KIND = {
    "participants.Participant.birth_date": "what everything else is compared with",
    "participants.Participant.planned_infusion_on": "planned, on a page with rules of its own",
    "participants.Participant.relapsed_on": "said by the record that finds it, which has rules of its own",
    "participants.Participant.new_therapy_on": "said by the record that finds it, which has rules of its own",
    "participants.Reconsent.opens_on": "computed",
    "participants.Reconsent.due_on": "computed",
    "participants.EligibilityConfirmation.judged_for": "the day shown, with rules of its own",
    "participants.ProtocolDeviation.classified_at": "the moment of the click",
    "participants.ProtocolDeviation.closed_at": "the moment of the click",
    "participants.ProtocolDeviation.reported_to_sponsor_at": "about the site; one in the future is refused there",
    "participants.ProtocolDeviation.reported_to_ethics_at": "about the site; one in the future is refused there",
    "participants.Visit.target_date": "computed",
    "participants.Visit.window_opens_on": "computed",
    "participants.Visit.window_closes_on": "computed",
    "participants.Visit.released_on": "computed",
    "dosing.LymphodepletionDose.planned_on": "planned, with rules of its own",
    "dosing.LymphodepletionDose.infusion_on": "planned, on the participant",
    "dosing.LymphodepletionDose.creatinine_on": "computed: the day of the result that the dose rests on",
    "safety.GuidanceText.approved_at": "about nobody; the moment of the click",
    "safety.ReferenceSafety.effective_on": "about no participant",
    "safety.EventQuery.answered_at": "the moment of the click",
    "safety.SafetyAlert.happened_at": "computed",
    "safety.SafetyAlert.raised_at": "computed",
    "safety.SafetyAlert.escalated_at": "computed",
    "safety.SafetyAlert.settled_at": "computed",
    "safety.SafetyAlert.acknowledged_at": "the moment of the click",
    "safety.DataFinding.found_at": "when the checks found it",
    "safety.DataFinding.closed_at": "the moment of the click, or when the checks found it gone",
    "safety.DataFinding.gone_at": "when the checks found it gone",
    "safety.OnCallShift.starts_at": "about no participant",
    "safety.OnCallShift.ends_at": "about no participant",
    "safety.ToxicityEpisode.onset_at": "computed from assessments",
    "safety.ToxicityEpisode.highest_at": "computed from assessments",
    "safety.ToxicityEpisode.resolved_at": "computed from assessments",
    "safety.ReportingDuty.counted_from": "computed",
    "safety.ReportingDuty.due_at": "computed",
    "safety.ReportingDuty.closed_at": "computed",
    "safety.ReportingDuty.acknowledged_at": "the moment of the click",
    "safety.Submission.submitted_at": "about the site; one in the future is refused there",
    "safety.IcahtAssessment.computed_at": "the moment of the click",
}
# Without a date, or about no participant.
UNDATED = {
    "participants.Participant",
    "dosing.DosingHold",
    "safety.OnCallShift",
    "safety.GuidanceText",
    "safety.ReferenceSafety",
}
DATED = sorted(set(FILL) - UNDATED)
# Where another rule makes it impossible, or where nothing is wrong with it.
NEVER_ASKED = {
    Code.BEFORE_CONSENT: {
        "participants.Consent",
        "participants.ConsentWithdrawal",
        # Its own rule asks, by whether it was done for the study.
        "participants.Examination",
        # Something done before the consent is one itself.
        "participants.ProtocolDeviation",
        # Concomitant medication is older than the study as often as not.
        "dosing.Medication",
        # After the first infusion, and so after enrolment and consent.
        "dosing.Infusion",
        "safety.Discharge",
        "participants.SubsequentTherapy",
        # The leukaemia was looked at before anybody asked for consent; asking whether somebody lives is no procedure.
        "participants.DiseaseAssessment",
        "participants.SurvivalContact",
    },
    # Who has died is infused no more: the status stands against it. A death is reported late after it, and learnt of
    # after it: that somebody was alive after it is asked about.
    Code.AFTER_DEATH: {"dosing.Infusion", "participants.ProtocolDeviation", "participants.SurvivalContact"},
    Code.AFTER_NO_MORE_DATA: {"participants.ConsentWithdrawal", "dosing.Infusion"},
}


@pytest.fixture(scope="module")
def now() -> dt.datetime:
    return timezone.now()


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    """Consented 60 days ago, infused 40 days ago."""
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - 40 * DAY)


@pytest.fixture
def root(site: Site) -> User:
    user = User.objects.create_superuser("root", "root@example.org", "x", language="en")
    user.sites.set([site])
    return user


@pytest.fixture
def everybody(site: Site) -> User:
    """All roles of the site in one person: whoever voids signs, which no administrator does."""
    user = person("everybody", Role.PRINCIPAL_INVESTIGATOR, site)
    user.groups.set(Group.objects.exclude(name=Role.SPONSOR_PROGRAM))
    return user


def records() -> list[type[Record]]:
    return [one for one in apps.get_models() if issubclass(one, Record) and not one._meta.proxy]


def dates_of(model: type[Record]) -> set[str]:
    fields = (field for field in model._meta.concrete_fields if field.name not in SHARED)
    return {field.name for field in fields if isinstance(field, models.DateField | PartialDateField)}


def test_every_date_of_every_record_has_its_kind_or_a_reason_for_none() -> None:
    known = {f"{one._meta.label}.{name}" for one in records() for name in getattr(one, "dated", {})}
    found = {f"{one._meta.label}.{name}" for one in records() for name in dates_of(one)}
    assert found == known | set(WITHOUT_KIND)
    assert not known & set(WITHOUT_KIND)


def test_every_page_with_a_date_is_gone_over() -> None:
    undated = {label for label in UNDATED if not getattr(apps.get_model(label), "dated", {}).keys() - {"lifted_at"}}
    assert undated == UNDATED
    assert set(DATED) | UNDATED == set(FILL)


@pytest.mark.django_db
@pytest.mark.parametrize("label", DATED)
@pytest.mark.parametrize(("day", "words"), [("1985-05-16", "before the birth"), ("2099-01-01", "future")])
def test_before_birth_and_in_the_future_is_refused(
    label: str, day: str, words: str, participant: Participant, root: User, login: Any, now: dt.datetime
) -> None:
    model = apps.get_model(label)
    before = model.objects.count()
    moment = dt.datetime.fromisoformat(f"{day}T09:00+08:00")
    filled = FILL[label](participant, now, root).on(moment)
    before = model.objects.count()
    response = send(login(root), filled)
    # A random token may hold any four letters, those of the birth year too.
    text = re.sub(r'(name="(csrfmiddlewaretoken|_once)" value=")[^"]*', r"\1", response.content.decode())
    assert response.status_code == 200
    assert words in text
    assert str(moment.year) in text
    assert "1990" not in text
    assert model.objects.count() == before


def saved_with_a_reason(client: Any, filled: Filled, label: str) -> Record:
    """Sent twice: asked the first time, saved with the answer the second."""
    model = apps.get_model(label)
    before = set(model.objects.values_list("pk", flat=True))
    form = asked(send(client, filled), filled)
    assert set(model.objects.values_list("pk", flat=True)) == before
    response = send(client, filled, **answer(form, "the clock was wrong"))
    assert response.status_code == 302, response.context[filled.form].errors
    row = model.objects.exclude(pk__in=before).order_by("pk").last()
    assert "the clock was wrong" in audit.trail(row)[-1].reason
    return row


@pytest.mark.django_db
@pytest.mark.parametrize("label", sorted(set(DATED) - NEVER_ASKED[Code.BEFORE_CONSENT]))
def test_before_the_consent_is_asked_and_saved(
    label: str, participant: Participant, root: User, login: Any, now: dt.datetime
) -> None:
    filled = FILL[label](participant, now, root).on(now - 70 * DAY)
    row = saved_with_a_reason(login(root), filled, label)
    found = ProtocolDeviation.objects.filter(kind="consent")
    assert [one.reason for one in found] == ([] if label == "safety.AdverseEvent" else ["the clock was wrong"])
    assert all(one.about == f"{row._meta.concrete_model._meta.model_name}:{row.pk}" for one in found)


@pytest.mark.django_db
@pytest.mark.parametrize("label", sorted(set(DATED) - NEVER_ASKED[Code.AFTER_DEATH]))
def test_after_the_death_is_asked_and_saved(
    label: str, participant: Participant, root: User, login: Any, now: dt.datetime
) -> None:
    filled = FILL[label](participant, now, root)
    died = actions.site_day(now - 2 * DAY)
    actions.change_status(participant=participant, new=Status.DIED, on=died, reason="sepsis", by=root, now=now)
    client = login(root)
    assert "principal investigator" in send(client, filled).content.decode()
    saved_with_a_reason(client, filled, label)


@pytest.mark.django_db
@pytest.mark.parametrize("label", sorted(set(DATED) - NEVER_ASKED[Code.AFTER_NO_MORE_DATA]))
def test_after_no_more_data_is_asked_and_saved(
    label: str, participant: Participant, root: User, login: Any, now: dt.datetime
) -> None:
    filled = FILL[label](participant, now, root)
    withdrawal = ConsentWithdrawal(
        participant=participant,
        withdrawn_at=now - 2 * DAY,
        scope="everything",
        may_keep_samples=False,
        may_contact=False,
    )
    actions.withdraw_consent(withdrawal=withdrawal, by=root, now=now)
    client = login(root)
    assert "data manager" in send(client, filled).content.decode()
    saved_with_a_reason(client, filled, label)


@pytest.mark.django_db
def test_a_change_of_something_else_asks_nothing(
    participant: Participant, root: User, login: Any, now: dt.datetime
) -> None:
    client, filled = login(root), FILL["safety.AdverseEvent"](participant, now, root)
    row = saved_with_a_reason(client, filled.on(now - 70 * DAY), "safety.AdverseEvent")
    path = reverse("admin:safety_adverseevent_change", args=[row.pk])
    data = {**filled.on(now - 70 * DAY).data, "grade": "2", "reason_for_change": "misread"}
    assert client.post(path, data).status_code == 302
    data |= {"onset": f"{now - 80 * DAY:%Y-%m-%d}", "reason_for_change": "earlier"}
    assert "before the consent" in client.post(path, data).content.decode()


@pytest.mark.django_db
def test_another_date_is_another_question(participant: Participant, root: User, login: Any, now: dt.datetime) -> None:
    client, filled = login(root), FILL["dosing.FitnessCheck"](participant, now, root)
    known = answer(asked(send(client, filled.on(now - 70 * DAY)), filled))
    assert send(client, filled.on(now - 71 * DAY), **known).status_code == 200
    assert send(client, filled.on(now - 70 * DAY), **known).status_code == 302


@pytest.mark.django_db
def test_a_status_and_a_step_are_asked_about_on_their_pages(
    participant: Participant, root: User, login: Any, now: dt.datetime
) -> None:
    withdrawal = ConsentWithdrawal(
        participant=participant,
        withdrawn_at=now - 2 * DAY,
        scope="everything",
        may_keep_samples=False,
        may_contact=False,
    )
    actions.withdraw_consent(withdrawal=withdrawal, by=root, now=now)
    client = login(root)
    path = reverse("admin:participants_participant_status", args=[participant.pk])
    typed = {"new": "died", "on": f"{actions.site_day(now):%Y-%m-%d}", "reason": "sepsis"}
    page = client.post(path, typed)
    assert "no further data" in page.content.decode()
    assert client.post(path, {**typed, **answer(page.context["form"])}).status_code == 302
    participant.refresh_from_db()
    assert participant.status == Status.DIED


@pytest.mark.django_db
def test_the_facts_take_one_query(participant: Participant, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        facts = actions.facts_about(participant)
    assert facts.died_at is None
    assert facts.consented_at is not None


# --- what an answer left follows the row ------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("label", sorted(set(DATED) - NEVER_ASKED[Code.BEFORE_CONSENT] - {"safety.AdverseEvent"}))
def test_the_deviation_of_a_date_goes_with_its_row(
    label: str, participant: Participant, everybody: User, login: Any, now: dt.datetime
) -> None:
    client = login(everybody)
    row: Any = saved_with_a_reason(client, FILL[label](participant, now, everybody).on(now - 70 * DAY), label)
    deviation = ProtocolDeviation.objects.get(kind="consent")
    path = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_void", args=[row.pk])
    assert "1 protocol deviation about it becomes void too" in client.get(path).content.decode()
    assert client.post(path, {"reason": "another person", "is_confirmed": "on"}).status_code == 302
    deviation.refresh_from_db()
    assert (deviation.is_void, deviation.void_reason) == (True, "another person")


@pytest.mark.django_db
def test_a_corrected_date_closes_its_deviation(
    participant: Participant, root: User, login: Any, now: dt.datetime
) -> None:
    client, filled = login(root), FILL["dosing.Leukapheresis"](participant, now, root)
    row: Any = saved_with_a_reason(client, filled.on(now - 70 * DAY), "dosing.Leukapheresis")
    path = reverse("admin:dosing_leukapheresis_change", args=[row.pk])
    deviation = ProtocolDeviation.objects.get(kind="consent")
    elsewhere = {**filled.on(now - 70 * DAY).data, "venous_access": "central", "reason_for_change": "asked"}
    assert client.post(path, elsewhere).status_code == 302
    deviation.refresh_from_db()
    assert deviation.is_open
    assert client.post(path, {**filled.on(now - 50 * DAY).data, "reason_for_change": "the month"}).status_code == 302
    deviation.refresh_from_db()
    assert (deviation.is_open, deviation.is_untrue) == (False, True)


@pytest.mark.django_db
def test_a_corrected_consent_closes_what_lies_under_it_now(
    participant: Participant, root: User, login: Any, now: dt.datetime
) -> None:
    client, filled = login(root), FILL["dosing.Leukapheresis"](participant, now, root)
    saved_with_a_reason(client, filled.on(now - 70 * DAY), "dosing.Leukapheresis")
    saved_with_a_reason(client, filled.on(now - 80 * DAY), "dosing.Leukapheresis")
    late, early = ProtocolDeviation.objects.filter(kind="consent", about__startswith="leuk").order_by("pk")
    consent = participant.consents.get()
    path = reverse("admin:participants_consent_change", args=[consent.pk])
    data = {
        "participant": participant.pk,
        "version": consent.version,
        **when("consented_at", now - 75 * DAY),
        "reason_for_change": "misread",
    }
    page = client.post(path, data)
    assert page.status_code == 302, page.context["adminform"].form.errors
    for deviation, is_open in ((late, False), (early, True)):
        deviation.refresh_from_db()
        assert deviation.is_open is is_open
