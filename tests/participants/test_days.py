"""A step has the day on which it happened, which is not the day of typing; a status follows its fact."""

import datetime as dt

import pytest
from django.utils import timezone

from dosing.actions import correct_infusion
from participants import actions
from participants.models import Consent, Participant, ParticipantStatus, Visit, VisitState
from participants.rules.status import Status, Step, around, choices_within, fits
from tests import factories
from trialsite.models import Site, User
from trialsite.refusal import Refused

DAY = dt.timedelta(days=1)
BEGINS = dt.date(2025, 7, 19)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


def history(participant: Participant) -> list[tuple[str, dt.date]]:
    return [(row.status, row.effective_on) for row in actions.history_of(participant)]


def screened(site: Site, by: User, now: dt.datetime, on: dt.date, **facts: object) -> Participant:
    values = {"name": "王小明", "birth_date": dt.date(1990, 5, 17), "sex": "M", **facts}
    return actions.screen(participant=Participant(site=site, **values), on=on, by=by, now=now)


# --- the day of a step ---------------------------------------------------------------------------------


def test_screening_has_its_day_and_the_version_of_that_day(site: Site, alice: User, now: dt.datetime) -> None:
    participant = screened(site, alice, now, BEGINS)
    assert history(participant) == [("screening", BEGINS)]
    assert participant.protocol_version == "1.0"
    assert actions.evaluate(participant, now=now).anchors.screened_on == BEGINS


def test_a_day_of_screening_that_cannot_be_is_refused(site: Site, alice: User, now: dt.datetime) -> None:
    today = actions.site_day(now)
    screened(site, alice, now, today)
    with pytest.raises(Refused, match="in the future"):
        screened(site, alice, now, today + DAY)
    with pytest.raises(Refused, match="The study began on 19 Jul 2025"):
        screened(site, alice, now, BEGINS - DAY)
    screened(site, alice, now, BEGINS, birth_date=BEGINS)
    with pytest.raises(Refused, match="before the birth date"):
        screened(site, alice, now, BEGINS, birth_date=BEGINS + DAY)
    assert Participant.objects.count() == 2


def eligible_last_autumn(site: Site, by: User, now: dt.datetime) -> tuple[Participant, dt.datetime]:
    """Screened on paper in October 2025, typed in March 2026."""
    from demo import results

    then = dt.datetime(2025, 10, 8, 1, 0, tzinfo=dt.UTC)
    participant = screened(site, by, now, then.date())
    actions.record_consent(consent=Consent(participant=participant, version="1.0", consented_at=then), by=by, now=now)
    results.record(participant=participant, at=then, by=by, now=now)
    return participant, then


def test_eligibility_is_judged_for_the_day_of_the_enrolment(
    site: Site, alice: User, ivan: User, now: dt.datetime
) -> None:
    """Results of October have expired by March, but not on the day for which they were taken."""
    participant, then = eligible_last_autumn(site, alice, now)
    on = (then + 3 * DAY).date()
    with pytest.raises(Refused, match="Not all criteria are met"):
        actions.confirm_eligibility(participant=participant, by=ivan, now=now)
    with pytest.raises(Refused, match="in the future"):
        actions.confirm_eligibility(participant=participant, as_of=now.date() + DAY, by=ivan, now=now)
    signed = actions.confirm_eligibility(participant=participant, as_of=on, by=ivan, now=now)
    assert (signed.created_at, signed.judged_for, signed.is_signed_later) == (now, on, True)
    with pytest.raises(Refused, match="Not all criteria are met"):
        actions.enrol(participant=participant, by=ivan, now=now)
    enrolled = actions.enrol(participant=participant, on=on, by=ivan, now=now)
    assert history(enrolled) == [("screening", then.date()), ("enrolled", on)]
    assert actions.is_current(signed, actions.evaluate(enrolled, now=now + 100 * DAY))


def test_the_recruitment_window_is_that_of_the_day_of_the_enrolment(
    site: Site, alice: User, ivan: User, now: dt.datetime
) -> None:
    after_the_last = dt.datetime(2027, 8, 20, 1, 0, tzinfo=dt.UTC)
    participant, then = eligible_last_autumn(site, alice, now)
    actions.confirm_eligibility(participant=participant, as_of=then.date(), by=ivan, now=after_the_last)
    actions.enrol(participant=participant, on=then.date(), by=ivan, now=after_the_last)
    assert not participant.deviations.exists()


def test_an_enrolment_before_the_screening_is_refused_with_both_days(
    site: Site, alice: User, ivan: User, now: dt.datetime
) -> None:
    participant = factories.confirmed(site=site, by=ivan, now=now)
    with pytest.raises(Refused, match=r"(?s)Enrolled.*4 Mar 2026.*In screening.*5 Mar 2026"):
        actions.enrol(participant=participant, on=now.date() - DAY, by=ivan, now=now)


def test_an_enrolment_is_not_before_the_consent(site: Site, alice: User, ivan: User, now: dt.datetime) -> None:
    participant, then = eligible_last_autumn(site, alice, now)
    consent = participant.consents.get()
    actions.confirm_eligibility(participant=participant, as_of=then.date() + DAY, by=ivan, now=now)
    row = actions.history_of(participant)[0]
    actions.correct_day(row=row, on=then.date() - 5 * DAY, reason="x", by=ivan, now=now)
    with pytest.raises(Refused, match=r"Consent was given on 8 Oct 2025; nobody is enrolled before, on 7 Oct 2025"):
        actions.enrol(participant=participant, on=consent.consented_at.date() - DAY, by=ivan, now=now)
    actions.enrol(participant=participant, on=consent.consented_at.date(), by=ivan, now=now)


def test_an_infusion_of_the_past_is_planned_only_from_paper(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.enrolled(site=site, by=ivan, now=now - 60 * DAY)
    past = now.date() - 30 * DAY
    actions.change_status(participant=participant, new=Status.DIED, on=now.date(), reason="x", by=ivan, now=now)
    with pytest.raises(Refused, match="is “Died”"):
        actions.plan_infusion(participant=participant, on=past, by=ivan, now=now)
    actions.plan_infusion(participant=participant, on=past, is_from_paper=True, by=ivan, now=now)
    with pytest.raises(Refused, match="is “Died”"):
        actions.plan_infusion(participant=participant, on=now.date(), is_from_paper=True, by=ivan, now=now)
    other = factories.enrolled(site=site, by=ivan, now=now - 60 * DAY)
    with pytest.raises(Refused, match="taken over from paper"):
        actions.plan_infusion(participant=other, on=past, by=ivan, now=now)


def test_a_step_typed_late_takes_its_place_and_changes_nothing_of_today(
    site: Site, ivan: User, now: dt.datetime
) -> None:
    participant = factories.infused(site=site, by=ivan, now=now, infused_at=now - 60 * DAY)
    today = now.date()
    for new, on in ((Status.IN_FOLLOW_UP, today - 30 * DAY), (Status.COMPLETED, today - DAY)):
        actions.change_status(participant=participant, new=new, on=on, reason="x", by=ivan, now=now)
    actions.change_status(
        participant=participant, new=Status.RELAPSED, on=today - 10 * DAY, reason="blasts", by=ivan, now=now
    )
    participant.refresh_from_db()
    assert participant.status == Status.COMPLETED
    assert [status for status, _on in history(participant)][-3:] == ["in_follow_up", "relapsed", "completed"]
    with pytest.raises(Refused, match=r"(?s)was “Relapsed”.*“Completed” follows since 4 Mar 2026"):
        actions.change_status(
            participant=participant, new=Status.WITHDRAWN, on=today - 5 * DAY, reason="x", by=ivan, now=now
        )


def test_a_wrong_day_is_corrected_by_a_row_in_its_place(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.enrolled(site=site, by=ivan, now=now - 10 * DAY)
    screening, enrolled = actions.history_of(participant)
    actions.correct_day(row=screening, on=screening.effective_on - 3 * DAY, reason="misread", by=ivan, now=now)
    assert history(participant) == [
        ("screening", screening.effective_on - 3 * DAY),
        ("enrolled", enrolled.effective_on),
    ]
    screening.refresh_from_db()
    assert (screening.voided_by, screening.void_reason) == (ivan, "misread")
    # Back onto the day of the enrolment: it keeps its place before it.
    moved = actions.history_of(participant)[0]
    actions.correct_day(row=moved, on=enrolled.effective_on, reason="right at first", by=ivan, now=now)
    assert [status for status, _on in history(participant)] == ["screening", "enrolled"]
    assert participant.statuses.order_by("-id").first().status == "screening"
    participant.refresh_from_db()
    assert participant.status == Status.ENROLLED
    with pytest.raises(Refused, match="change places"):
        actions.correct_day(
            row=actions.history_of(participant)[0],
            on=enrolled.effective_on + DAY,
            reason="x",
            by=ivan,
            now=now,
        )


def test_every_reader_of_the_history_sees_its_order(site: Site, ivan: User, now: dt.datetime) -> None:
    """Nobody orders statuses by the order of typing."""
    participant = factories.enrolled(site=site, by=ivan, now=now)
    row = actions.history_of(participant)[0]
    actions.correct_day(row=row, on=row.effective_on - DAY, reason="x", by=ivan, now=now)
    standing = ParticipantStatus.objects.filter(participant=participant, voided_at__isnull=True)
    assert [one.status for one in standing] == ["screening", "enrolled"]


# --- a status follows its fact ---------------------------------------------------------------------------


def test_a_corrected_infusion_corrects_the_day_of_the_status(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.infused(site=site, by=ivan, now=now)
    before = participant.statuses.get(status=Status.INFUSED)
    modified = participant.modified_at
    infusion = participant.infusions.get()
    infusion.infused_at, infusion.ended_at = now - DAY, now - DAY
    correct_infusion(infusion=infusion, is_day0_confirmed=True, deviation_reason="typed wrong", by=ivan, now=now + DAY)
    assert history(participant)[-1] == ("infused", actions.site_day(now - DAY))
    before.refresh_from_db()
    assert "corrected to 4 Mar 2026" in str(before.void_reason)
    assert participant.statuses.filter(voided_at__isnull=True, status=Status.INFUSED).get().corrects == before
    participant.refresh_from_db()
    assert participant.status == Status.INFUSED
    assert participant.modified_at > modified


def test_an_infusion_cannot_be_moved_before_the_enrolment(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.infused(site=site, by=ivan, now=now)
    infusion = participant.infusions.get()
    infusion.infused_at = infusion.ended_at = now - 20 * DAY
    correct_infusion(infusion=infusion, is_day0_confirmed=True, deviation_reason="x", by=ivan, now=now)
    infusion.infused_at = infusion.ended_at = now - 21 * DAY
    with pytest.raises(Refused, match=r"“Infused” would begin on 12 Feb 2026, but “Enrolled” holds since 13 Feb 2026"):
        correct_infusion(infusion=infusion, is_day0_confirmed=True, deviation_reason="x", by=ivan, now=now)


def done(participant: Participant, code: str, on: dt.date | None, by: User, now: dt.datetime) -> Visit:
    visit = participant.visits.get(code=code)
    visit.state, visit.occurred_on = (VisitState.DONE, on) if on else (VisitState.PLANNED, None)
    return actions.record_visit(visit=visit, deviation_reason="late" if on else "", by=by, now=now)


def test_follow_up_begins_with_the_first_visit_whenever_it_is_typed(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.infused(site=site, by=ivan, now=now, infused_at=now - 100 * DAY)
    day0 = actions.site_day(now - 100 * DAY)
    done(participant, "M3", day0 + 91 * DAY, ivan, now)
    assert history(participant)[-1] == ("in_follow_up", day0 + 91 * DAY)
    done(participant, "D28", day0 + 28 * DAY, ivan, now)
    assert history(participant)[-1] == ("in_follow_up", day0 + 28 * DAY)
    done(participant, "D28", None, ivan, now)
    done(participant, "M3", None, ivan, now)
    assert history(participant)[-1] == ("infused", day0)
    participant.refresh_from_db()
    assert participant.status == Status.INFUSED


def test_an_infusion_typed_after_the_death_owes_no_visits(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.enrolled(site=site, by=ivan, now=now - 60 * DAY)
    infusion = factories.infusion_of(participant, at=now - 40 * DAY)
    died = timezone.localtime(now).date() - 30 * DAY
    actions.change_status(participant=participant, new=Status.DIED, on=died, reason="sepsis", by=ivan, now=now)
    from dosing.actions import infuse

    infuse(infusion=infusion, by=ivan, now=now)
    participant.refresh_from_db()
    assert participant.status == Status.DIED
    assert [status for status, _on in history(participant)][-2:] == ["infused", "died"]
    later = participant.visits.filter(window_closes_on__gte=died)
    assert set(later.values_list("state", flat=True)) == {VisitState.CANCELLED}


# --- the rule ----------------------------------------------------------------------------------------------


def test_around_puts_a_further_step_of_the_day_last() -> None:
    one, two = Step(Status.SCREENING, BEGINS), Step(Status.ENROLLED, BEGINS + 5 * DAY)
    assert around([one, two], BEGINS - DAY) == (None, one)
    assert around([one, two], BEGINS) == (one, two)
    assert around([one, two], BEGINS + 5 * DAY) == (two, None)
    assert around([], BEGINS) == (None, None)


def test_a_step_fits_between_its_neighbours() -> None:
    enrolled, infused = Step(Status.ENROLLED, BEGINS), Step(Status.INFUSED, BEGINS + DAY)
    assert fits(enrolled, Status.LYMPHODEPLETED, infused)
    assert not fits(infused, Status.LYMPHODEPLETED, None)
    assert not fits(None, Status.DIED, enrolled)
    assert choices_within([Status.SCREENING]) == (Status.WITHDRAWN, Status.DIED)
    assert Status.LYMPHODEPLETED in choices_within([Status.SCREENING, Status.ENROLLED, Status.DIED])
