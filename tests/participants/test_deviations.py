"""Protocol deviations: in step with what they are about, and worked on by those who do that work."""

import ast
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from dosing.actions import correct_infusion, infuse
from participants import actions
from participants.models import (
    Consent,
    DeviationKind,
    Participant,
    ProtocolDeviation,
    Severity,
    VisitState,
)
from tests import factories
from tests.conftest import Once, person
from trialsite.models import Site, User
from trialsite.refusal import Refused
from trialsite.roles import Role

DAY = dt.timedelta(days=1)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    return factories.screened(site=once.site, by=once.alice, now=now)


def report(participant: Participant, by: User, now: dt.datetime, description: str, reason: str = "x") -> Any:
    return actions.report_deviation(
        participant=participant,
        kind=DeviationKind.DOSE,
        about="infusion:1",
        description=description,
        reason=reason,
        by=by,
        now=now,
    )


# --- in step with the fact -----------------------------------------------------------------------------


def test_what_a_correction_made_untrue_is_closed_with_a_note_and_opens_again(
    participant: Participant, alice: User, ivan: User, now: dt.datetime
) -> None:
    assert report(participant, alice, now, "") is None
    first = report(participant, alice, now, "0.7 is outside")
    report(participant, ivan, now + DAY, "")
    first.refresh_from_db()
    assert (first.is_untrue, first.closed_by, first.closed_at) == (True, ivan, now + DAY)
    assert "correction of 6 Mar 2026" in first.close_note
    assert not ProtocolDeviation.objects.true().exists()
    report(participant, ivan, now + 2 * DAY, "")
    first.refresh_from_db()
    assert first.closed_at == now + DAY, "closed once"
    report(participant, ivan, now + 2 * DAY, "0.7 is outside", reason="")
    first.refresh_from_db()
    assert (first.is_open, first.close_note, first.reason) == (True, "", "x")
    assert ProtocolDeviation.objects.count() == 1


def test_what_a_person_closed_stays_closed_while_the_facts_do(
    participant: Participant, alice: User, ivan: User, now: dt.datetime
) -> None:
    row = report(participant, alice, now, "0.7 is outside")
    actions.classify_deviation(deviation=row, severity=Severity.MINOR, by=ivan, now=now)
    actions.close_deviation(deviation=row, note="ward told", by=ivan, now=now)
    report(participant, alice, now, "0.7 is outside")
    row.refresh_from_db()
    assert not row.is_open
    report(participant, alice, now, "0.8 is outside")
    row.refresh_from_db()
    assert row.is_open
    assert row.severity == Severity.MINOR


def test_every_action_hands_over_its_deviations_unasked() -> None:
    """Nobody writes a deviation beside the one place, or only where there is one: what no longer holds must close."""
    guarded, beside = [], []
    for file in _sources():
        tree = ast.parse(file.read_text())
        guarded += [
            f"{file.name}:{call.lineno}"
            for branch in ast.walk(tree)
            if isinstance(branch, ast.If)
            for line in branch.body
            for call in ast.walk(line)
            if _name(call).endswith("report_deviation")
        ]
        beside += [file.name for call in ast.walk(tree) if _name(call) in WRITERS]
    assert guarded == []
    assert beside == ["deviations.py"]


WRITERS = {f"ProtocolDeviation.objects.{verb}" for verb in ("create", "get_or_create", "update_or_create")}


def _name(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def _sources() -> list[Path]:
    root = Path(__file__).parents[2]
    return [file for app in ("participants", "dosing", "safety") for file in sorted((root / app).rglob("*.py"))]


def test_a_visit_now_inside_its_window_deviates_no_more(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.infused(site=site, by=ivan, now=now, infused_at=now - 60 * DAY)
    visit = participant.visits.get(code="D28")
    visit.state, visit.occurred_on = VisitState.DONE, visit.window_closes_on + DAY
    actions.record_visit(visit=visit, deviation_reason="snow", by=ivan, now=now)
    deviation = participant.deviations.get(kind=DeviationKind.VISIT_WINDOW)
    visit.occurred_on = visit.window_closes_on
    actions.record_visit(visit=visit, by=ivan, now=now)
    deviation.refresh_from_db()
    assert deviation.is_untrue
    visit.state, visit.occurred_on, visit.not_done_reason = VisitState.NOT_DONE, None, "flooded"
    actions.record_visit(visit=visit, by=ivan, now=now)
    assert [row.kind for row in ProtocolDeviation.objects.open()] == [DeviationKind.VISIT_NOT_DONE]


def test_a_dose_back_in_range_deviates_no_more(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.enrolled(site=site, by=ivan, now=now - 20 * DAY)
    infusion = factories.infusion_of(participant, at=now, cells="0.7")
    infuse(infusion=infusion, deviation_reason="weighed again", by=ivan, now=now)
    deviation = participant.deviations.get(kind=DeviationKind.DOSE)
    infusion.volume_given_ml, infusion.remainder = 7, "discarded"
    correct_infusion(infusion=infusion, by=ivan, now=now)
    deviation.refresh_from_db()
    assert deviation.is_untrue


def test_a_check_of_fitness_typed_late_settles_what_it_was_missing_for(
    site: Site, ivan: User, now: dt.datetime
) -> None:
    from dosing.actions import record_fitness

    participant = factories.enrolled(site=site, by=ivan, now=now - 20 * DAY)
    product = factories.thawed(participant, at=now)
    factories.lymphodepleted(participant, until=now)
    for one in factories.people(site, 2):
        factories.signed_by(one, participant, product, at=now)
    infuse(
        infusion=factories.infusion_of(participant, at=now, product=product),
        deviation_reason="not looked up",
        by=ivan,
        now=now,
    )
    deviation = participant.deviations.get(kind=DeviationKind.READINESS)
    other = factories.screened(site=site, by=ivan, now=now)
    check = factories.checked(other, before="infusion", at=now)
    check.pk, check.participant = None, participant
    record_fitness(check=check, by=ivan, now=now + DAY)
    deviation.refresh_from_db()
    assert deviation.is_untrue


def test_a_consent_now_before_the_procedure_deviates_no_more(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    from demo import results

    for examination, answers in results.screening_of(participant, now - DAY):
        given = {"examination": examination, "answers": answers, "deviation_reason": "typed first"}
        actions.record_examination(**given, by=alice, now=now)
    consent = Consent(participant=participant, version="1.0", consented_at=now)
    actions.record_consent(consent=consent, deviation_reason="found later", by=alice, now=now)
    deviation = participant.deviations.get(kind=DeviationKind.CONSENT)
    consent.consented_at = now - DAY
    actions.record_consent(consent=consent, by=alice, now=now)
    deviation.refresh_from_db()
    assert deviation.is_untrue


# --- the work on them ----------------------------------------------------------------------------------


def page(row: ProtocolDeviation, name: str = "change") -> str:
    return reverse(f"admin:participants_protocoldeviation_{name}", args=[row.pk])


def test_a_coordinator_adds_and_a_data_manager_classifies_closes_and_reports(
    participant: Participant, alice: User, dana: User, login: Any
) -> None:
    coordinator, manager = login(alice), login(dana)
    typed = {
        "participant": participant.pk,
        "kind": "sample",
        "occurred_on": "2026-02-01",
        "description": "The blood for persistence was not taken.",
        "reason": "The laboratory was closed.",
    }
    add = reverse("admin:participants_protocoldeviation_add")
    assert "is required" in coordinator.post(add, {**typed, "occurred_on": ""}).content.decode()
    assert coordinator.post(add, typed).status_code == 302
    row = ProtocolDeviation.objects.get()
    assert (row.created_by, actions.is_by_hand(row)) == (alice, True)

    weight = {"severity": "important", "reason": "the endpoint"}
    assert coordinator.post(page(row, "classify"), weight).status_code == 403
    too_early = manager.post(page(row, "close"), {"note": "taken a week later"}).content.decode()
    assert "closed once it is classified" in too_early
    assert manager.post(page(row, "classify"), weight).status_code == 302
    assert list(ProtocolDeviation.objects.unreported()) == [row]
    told = {"to": "sponsor", "at_0": "2026-02-03", "at_1": "10:00", "reason": "by e-mail"}
    assert (
        "cannot have been reported"
        in manager.post(page(row, "reported"), {**told, "at_0": "2026-01-31"}).content.decode()
    )
    assert manager.post(page(row, "reported"), told).status_code == 302
    assert list(ProtocolDeviation.objects.unreported()) == [row], "the ethics committee does not know yet"
    assert manager.post(page(row, "reported"), {**told, "to": "ethics"}).status_code == 302
    assert manager.post(page(row, "close"), {"note": "taken a week later"}).status_code == 302
    row.refresh_from_db()
    assert (row.classified_by, row.closed_by, row.reported_to_ethics_by) == (dana, dana, dana)
    assert not ProtocolDeviation.objects.unreported().exists()
    assert not ProtocolDeviation.objects.open().exists()
    shown = manager.get(page(row)).content.decode()
    assert "taken a week later" in shown
    assert "(&#x27;" not in shown, "words, not how the program holds them"
    assert manager.post(page(row, "reopen"), {"reason": "once more"}).status_code == 302
    row.refresh_from_db()
    assert row.is_open


@pytest.mark.parametrize("role", [Role.INVESTIGATOR, Role.PRINCIPAL_INVESTIGATOR, Role.DATA_MANAGER])
def test_who_assesses_may_open_every_page(site: Site, participant: Participant, role: Role, login: Any) -> None:
    somebody = person("somebody", role, site)
    row = report(participant, somebody, participant.created_at, "0.7 is outside")
    for name in ("classify", "close", "reopen", "reported"):
        assert login(somebody).get(page(row, name)).status_code == 200


def test_a_reader_and_another_site_change_nothing(
    participant: Participant, alice: User, mona: User, charlie: User, login: Any
) -> None:
    row = report(participant, alice, participant.created_at, "0.7 is outside")
    for name in ("classify", "close", "reopen", "reported", "void"):
        assert login(mona).get(page(row, name)).status_code == 403
        assert login(charlie).get(page(row, name)).status_code == 404
    assert login(mona).get(reverse("admin:participants_protocoldeviation_add")).status_code == 403


def test_what_follows_from_a_record_is_corrected_and_voided_there(
    participant: Participant, alice: User, dana: User, login: Any
) -> None:
    row = report(participant, alice, participant.created_at, "0.7 is outside")
    client = login(dana)
    assert client.get(page(row, "void")).status_code == 403
    changed = {"description": "nothing", "reason": "weighed twice", "occurred_on": "", "reason_for_change": "clearer"}
    assert client.post(page(row), changed).status_code == 302
    row.refresh_from_db()
    assert (row.description, row.reason) == ("0.7 is outside", "weighed twice")
    refused = client.post(page(row), {**changed, "reason": "again", "reason_for_change": ""}).content.decode()
    assert "needs its reason" in refused


@pytest.mark.parametrize(("standing", "seen"), [("open", 2), ("unclassified", 1), ("unreported", 1), ("untrue", 1)])
def test_the_list_shows_what_is_still_to_be_done(
    participant: Participant, alice: User, ivan: User, now: dt.datetime, login: Any, standing: str, seen: int
) -> None:
    important, _open = report(participant, alice, now, "0.7 is outside"), hand(participant, alice, now)
    actions.classify_deviation(deviation=important, severity=Severity.IMPORTANT, by=ivan, now=now)
    gone: Any = {"participant": participant, "kind": DeviationKind.PRODUCT, "about": "product:1", "reason": "x"}
    actions.report_deviation(description="warm", **gone, by=alice, now=now)
    actions.report_deviation(description="", **gone, by=alice, now=now)
    address = reverse("admin:participants_protocoldeviation_changelist") + f"?standing={standing}"
    assert login(ivan).get(address).context["cl"].result_count == seen


def hand(participant: Participant, by: User, now: dt.datetime, **more: Any) -> ProtocolDeviation:
    row = ProtocolDeviation(participant=participant, kind=DeviationKind.OTHER, description="x", reason="y", **more)
    return actions.add_deviation(deviation=row, by=by, now=now)


def test_nothing_is_marked_that_has_not_happened_yet(
    participant: Participant, alice: User, ivan: User, now: dt.datetime
) -> None:
    hand(participant, alice, now, occurred_on=now.date())
    with pytest.raises(Refused, match="in the future"):
        hand(participant, alice, now, occurred_on=now.date() + DAY)
    row = hand(participant, alice, now)
    actions.mark_reported(deviation=row, to="sponsor", at=now, by=ivan, now=now)
    with pytest.raises(Refused, match="in the future"):
        actions.mark_reported(deviation=row, to="ethics", at=now + dt.timedelta(seconds=1), by=ivan, now=now)
    with pytest.raises(Refused, match="Only a deviation that a person has closed"):
        actions.reopen_deviation(deviation=row, by=ivan, now=now)


@pytest.mark.parametrize(
    "half",
    [
        {"classified_at": "now"},
        {"severity": "minor"},
        {"closed_at": "now", "close_note": "x"},
        {"close_note": "x"},
        {"reported_to_sponsor_at": "now"},
        {"reported_to_ethics_at": "now"},
        {"is_untrue": True},
    ],
)
def test_half_a_step_is_refused_by_the_database(
    participant: Participant, alice: User, now: dt.datetime, half: dict[str, Any]
) -> None:
    row = hand(participant, alice, now)
    values = {name: now if value == "now" else value for name, value in half.items()}
    with pytest.raises(IntegrityError), transaction.atomic():
        ProtocolDeviation.objects.filter(pk=row.pk).update(**values)
