"""Steps of a participant: what is possible, what is refused and with which words."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from dosing.actions import correct_infusion, infuse
from participants import actions
from participants.models import Consent, Participant, ParticipantStatus, ProtocolDeviation, Visit, VisitState
from participants.rules.status import TRANSITIONS, Status, can_become, choices_from
from tests import factories
from trialsite.models import Counter, Site, User
from trialsite.refusal import Refused

DAY = dt.timedelta(days=1)


# --- status ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", Status)
def test_every_status_has_its_transitions(status: Status) -> None:
    assert status in TRANSITIONS


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.DIED])
def test_death_can_follow_any_status(status: Status) -> None:
    assert can_become(status, Status.DIED)


def test_nothing_follows_death() -> None:
    assert choices_from(Status.DIED) == ()


@pytest.mark.django_db
def test_a_step_that_the_table_lacks_names_both_ends(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.screened(site=site, by=alice, now=now)
    with pytest.raises(Refused) as refusal:
        actions.change_status(
            participant=participant, new=Status.COMPLETED, on=now.date(), reason="", by=alice, now=now
        )
    assert participant.number in refusal.value.messages[0]


@pytest.mark.django_db
def test_the_newest_row_and_the_participant_agree(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.infused(site=site, by=alice, now=now)
    rows = ParticipantStatus.objects.filter(participant=participant)
    assert [row.status for row in rows] == ["screening", "enrolled", "infused"]
    assert rows.last().status == participant.status  # type: ignore[union-attr]


@pytest.mark.django_db
def test_a_status_in_the_future_is_refused(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.screened(site=site, by=alice, now=now)
    with pytest.raises(Refused):
        actions.change_status(
            participant=participant, new=Status.DIED, on=now.date() + DAY, reason="x", by=alice, now=now
        )


@pytest.mark.django_db
def test_after_death_no_visit_is_owed(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.infused(site=site, by=alice, now=now, infused_at=now - 10 * DAY)
    actions.change_status(participant=participant, new=Status.DIED, on=now.date(), reason="sepsis", by=alice, now=now)
    assert not Visit.objects.owed().exists()
    missed = participant.visits.filter(state=VisitState.PLANNED)
    assert {v.code for v in missed} == {f"D{n}" for n in range(1, 10)}, "what was missed stays missed"


# --- consent and enrolment ---------------------------------------------------------------------


@pytest.mark.django_db
def test_consent_in_the_future_is_refused(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.screened(site=site, by=alice, now=now)
    with pytest.raises(Refused):
        actions.check_consent(Consent(participant=participant, version="1.0", consented_at=now + DAY), now=now)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("born", "guardian", "is_refused"),
    [
        pytest.param("2008-03-06", None, True, id="17-years-364-days-without-guardian"),
        pytest.param("2008-03-06", False, True, id="17-years-guardian-said-no"),
        pytest.param("2008-03-06", True, False, id="17-years-with-guardian"),
        pytest.param("2008-03-05", None, False, id="18th-birthday"),
    ],
)
def test_under_18_the_guardian_signs_too(
    site: Site, alice: User, now: dt.datetime, born: str, guardian: bool | None, is_refused: bool
) -> None:
    participant = factories.screened(site=site, by=alice, now=now, birth_date=dt.date.fromisoformat(born))
    consent = Consent(
        participant=participant,
        version="1.0",
        consented_at=now,
        guardian_consented=guardian,
        participant_assented=guardian,
    )
    if is_refused:
        with pytest.raises(Refused):
            actions.check_consent(consent, now=now)
    else:
        actions.check_consent(consent, now=now)


@pytest.mark.django_db
def test_a_29_february_birthday_counts_on_1_march(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.screened(site=site, by=alice, now=now, birth_date=dt.date(2008, 2, 29))
    assert participant.age_on(dt.date(2026, 2, 28)) == 17
    assert participant.age_on(dt.date(2026, 3, 1)) == 18


@pytest.mark.django_db
def test_enrolment_needs_consent(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.screened(site=site, by=ivan, now=now)
    with pytest.raises(Refused):
        actions.enrol(participant=participant, by=ivan, now=now)
    assert not Counter.objects.filter(name=actions.ENROLMENT_COUNTER, value__gt=0).exists()


@pytest.mark.django_db
def test_the_31st_is_refused_and_changes_nothing(site: Site, ivan: User, now: dt.datetime) -> None:
    Counter.objects.create(name=actions.ENROLMENT_COUNTER, value=29)
    assert factories.enrolled(site=site, by=ivan, now=now).participant_number == "ZJ-030"
    late = factories.confirmed(site=site, by=ivan, now=now)
    with pytest.raises(Refused, match="30"):
        actions.enrol(participant=late, by=ivan, now=now)
    late.refresh_from_db()
    assert (late.status, late.participant_number) == ("screening", None)
    assert Counter.objects.get(name=actions.ENROLMENT_COUNTER).value == 30


@pytest.mark.django_db(transaction=True)
def test_two_at_once_for_the_last_place_get_one_place(site: Site, ivan: User, now: dt.datetime) -> None:
    Counter.objects.create(name=actions.ENROLMENT_COUNTER, value=29)
    waiting = [factories.confirmed(site=site, by=ivan, now=now) for _n in range(2)]

    def enrol(participant: Participant) -> str:
        try:
            actions.enrol(participant=participant, by=ivan, now=now)
        except Refused:
            return "refused"
        finally:
            connections.close_all()
        return "enrolled"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(enrol, waiting)) == ["enrolled", "refused"]


@pytest.mark.django_db
@pytest.mark.usefixtures("english")
@pytest.mark.parametrize(("day", "is_refused"), [("2025-07-19", False), ("2027-07-22", False), ("2027-07-23", True)])
def test_enrolment_only_inside_the_recruitment_window(site: Site, ivan: User, day: str, is_refused: bool) -> None:
    now = dt.datetime.fromisoformat(f"{day}T10:00:00+08:00")
    participant = factories.confirmed(site=site, by=ivan, now=now)
    if is_refused:
        with pytest.raises(Refused, match="principal investigator"):
            actions.enrol(participant=participant, by=ivan, now=now)
    else:
        assert actions.enrol(participant=participant, by=ivan, now=now).status == Status.ENROLLED


# --- infusion and visits -----------------------------------------------------------------------


@pytest.mark.django_db
def test_an_infusion_plans_the_visits_from_its_day_at_the_site(site: Site, alice: User, now: dt.datetime) -> None:
    """23:30 UTC on 4 March is 5 March in Guangzhou: that is Day 0."""
    at = dt.datetime(2026, 3, 4, 23, 30, tzinfo=dt.UTC)
    participant = factories.infused(site=site, by=alice, now=now, infused_at=at)
    d28 = participant.visits.get(code="D28")
    dates = (d28.target_date, d28.window_opens_on, d28.window_closes_on)
    assert dates == (dt.date(2026, 4, 2), dt.date(2026, 3, 30), dt.date(2026, 4, 5))


@pytest.mark.django_db
def test_visits_after_the_study_end_are_long_term(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.infused(site=site, by=alice, now=now)
    long_term = {v.code for v in participant.visits.filter(is_long_term_follow_up=True)}
    assert "M12" not in long_term
    assert {"M18", "M24", "Y3", "Y15"} <= long_term


@pytest.mark.django_db
def test_a_refused_infusion_leaves_nothing(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.consented(site=site, by=alice, now=now)
    with pytest.raises(Refused):
        infuse(infusion=factories.infusion_of(participant, at=now), by=alice, now=now)
    assert not participant.visits.exists()
    assert not participant.infusions.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("cells", "is_out"),
    [("0.19999", True), ("0.2", False), ("0.5", False), ("0.6", False), ("0.60001", True)],
)
def test_a_dose_out_of_range_is_recorded_as_a_deviation_with_a_reason(
    site: Site, alice: User, now: dt.datetime, cells: str, is_out: bool
) -> None:
    participant = factories.enrolled(site=site, by=alice, now=now)
    infusion = factories.infusion_of(participant, at=now, cells=cells)
    if is_out:
        with pytest.raises(Refused, match=cells):
            infuse(infusion=infusion, by=alice, now=now)
    infuse(infusion=infusion, deviation_reason="the only bag", by=alice, now=now)
    assert ProtocolDeviation.objects.filter(kind="dose", reason="the only bag").exists() == is_out


@pytest.mark.django_db
@pytest.mark.usefixtures("english")
def test_a_corrected_day_moves_only_what_has_not_happened(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.infused(site=site, by=alice, now=now, infused_at=now - 3 * DAY)
    done = participant.visits.get(code="D1")
    done.state, done.occurred_on = VisitState.DONE, done.target_date
    actions.record_visit(visit=done, by=alice, now=now)
    infusion = participant.infusions.get()
    infusion.infused_at -= DAY
    infusion.ended_at = infusion.infused_at
    with pytest.raises(Refused, match="Day 0 would move"):
        correct_infusion(infusion=infusion, by=alice, now=now)
    reason = "the source says so"
    result = correct_infusion(infusion=infusion, is_day0_confirmed=True, deviation_reason=reason, by=alice, now=now)
    assert "D1" not in {v.code for v in result.moved_visits}
    assert result.new_visits == []
    assert participant.visits.get(code="D28").target_date == (now - 4 * DAY).date() + 28 * DAY


@pytest.mark.django_db
def test_one_lot_is_not_infused_twice(site: Site, alice: User, now: dt.datetime) -> None:
    from django.core.exceptions import ValidationError

    first = factories.infused(site=site, by=alice, now=now).infusions.get()
    second = factories.infusion_of(factories.enrolled(site=site, by=alice, now=now), at=now)
    second.product_lot, second.created_by = first.product_lot, alice
    second.dose_band, second.viable_car_t_cells_e8 = "NOMINAL", first.viable_car_t_cells_e8
    with pytest.raises(ValidationError):
        second.validate_constraints()


@pytest.mark.django_db
class TestRecordingAVisit:
    @pytest.fixture
    def visit(self, site: Site, alice: User, now: dt.datetime) -> Visit:
        participant = factories.infused(site=site, by=alice, now=now, infused_at=now - 40 * DAY)
        visit: Visit = participant.visits.get(code="D28")
        return visit

    def record(self, visit: Visit, day: dt.date, by: User, now: dt.datetime, reason: str = "") -> Visit:
        visit.state, visit.occurred_on = VisitState.DONE, day
        return actions.record_visit(visit=visit, deviation_reason=reason, by=by, now=now)

    def test_inside_the_window_it_needs_no_reason(self, visit: Visit, alice: User, now: dt.datetime) -> None:
        self.record(visit, visit.window_closes_on, alice, now)
        assert not ProtocolDeviation.objects.exists()
        visit.participant.refresh_from_db()
        assert visit.participant.status == Status.IN_FOLLOW_UP

    def test_outside_it_asks_for_one_and_says_by_how_much(self, visit: Visit, alice: User, now: dt.datetime) -> None:
        late = visit.window_closes_on + 3 * DAY
        with pytest.raises(Refused, match="3"):
            self.record(visit, late, alice, now)
        visit.refresh_from_db()
        assert visit.state == VisitState.PLANNED
        self.record(visit, late, alice, now, reason="typhoon")
        assert ProtocolDeviation.objects.get().reason == "typhoon"

    def test_in_the_future_it_is_refused(self, visit: Visit, alice: User, now: dt.datetime) -> None:
        with pytest.raises(Refused):
            self.record(visit, now.date() + 2 * DAY, alice, now, reason="x")

    def test_saving_twice_reports_one_deviation(self, visit: Visit, alice: User, now: dt.datetime) -> None:
        late = visit.window_closes_on + DAY
        self.record(visit, late, alice, now, reason="typhoon")
        self.record(visit, late, alice, now, reason="typhoon, roads closed")
        assert ProtocolDeviation.objects.get().reason == "typhoon, roads closed"
