"""Eligibility of a participant: decided from rows, ruled on, signed, kept true until the enrolment."""

import datetime as dt
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import Error, connection, connections, transaction
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo import results as demo_results
from participants import actions
from participants.actions.eligibility import evaluate, for_infusion_on
from participants.actions.known import Known
from participants.models import (
    EligibilityConfirmation,
    EligibilityRuling,
    Examination,
    Measurement,
    Participant,
    ProtocolDeviation,
)
from participants.rules.eligibility import Overall, Result
from participants.rules.status import Status
from tests import factories
from tests.conftest import PASSWORD, person
from trialsite.models import Counter, Site, User
from trialsite.refusal import Refused
from trialsite.roles import Role

DAY = dt.timedelta(days=1)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


def result_of(participant: Participant, check: str, now: dt.datetime) -> Result:
    return next(d.result for d in actions.evaluate(participant, now=now).decisions if d.check == check)


def examine(participant: Participant, by: User, at: dt.datetime, now: dt.datetime, **answers: Any) -> Examination:
    """One examination with these answers, all of one panel."""
    from participants.rules.measures import PANEL_OF

    rows = [demo_results.answer(code, given) for code, given in answers.items()]
    examination = Examination(participant=participant, panel=PANEL_OF[rows[0].code], taken_at=at)
    return actions.record_examination(examination=examination, answers=rows, by=by, now=now)


# --- deciding ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sex", ["F", "M"])
def test_a_complete_screening_is_eligible(site: Site, alice: User, now: dt.datetime, sex: str) -> None:
    participant = factories.eligible(site=site, by=alice, now=now, sex=sex)
    evaluation = actions.evaluate(participant, now=now)
    assert evaluation.overall == Overall.ELIGIBLE
    assert len(evaluation.criteria) == 24
    assert evaluation.open_codes == ()


def test_nothing_recorded_is_never_eligible(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.consented(site=site, by=alice, now=now)
    evaluation = actions.evaluate(participant, now=now)
    assert evaluation.overall == Overall.INCOMPLETE
    assert [s.criterion.code for s in evaluation.criteria if s.result == Result.PASS] == ["INCL03"]


def test_results_expire_after_the_screening_window(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.eligible(site=site, by=alice, now=now)
    assert actions.evaluate(participant, now=now + 35 * DAY).overall == Overall.ELIGIBLE
    late = actions.evaluate(participant, now=now + 36 * DAY)
    assert late.overall == Overall.INCOMPLETE
    assert "INCL05" not in late.open_codes, "CD19 at diagnosis does not expire"


def test_the_newest_result_decides_and_not_done_does_not_hide_it(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.eligible(site=site, by=alice, now=now - 3 * DAY, results={"PLAT": "60"})
    assert result_of(participant, "INCL08c:PLAT", now) == Result.FAIL_OVERRIDABLE
    examine(participant, alice, now - 2 * DAY, now, PLAT="80")
    assert result_of(participant, "INCL08c:PLAT", now) == Result.PASS
    examine(participant, alice, now - DAY, now, PLAT=Measurement(code="PLAT", not_done_reason="clotted"))
    assert result_of(participant, "INCL08c:PLAT", now) == Result.PASS


def test_a_ratio_is_compared_in_the_unit_of_the_report(site: Site, alice: User, now: dt.datetime) -> None:
    """2.6 mg/dL of 1.3 mg/dL is exactly 2 × ULN, whatever the conversion would round."""
    row = Measurement(code="CREAT", value=Decimal("2.6"), unit="mg/dL", reference_high=Decimal("1.3"))
    participant = factories.eligible(site=site, by=alice, now=now, results={"CREAT": row})
    assert result_of(participant, "INCL07a:CREAT", now) == Result.PASS


def test_haemoglobin_in_g_per_dl_meets_the_limit_in_g_per_l(site: Site, alice: User, now: dt.datetime) -> None:
    for value, expected in (("8.0", Result.PASS), ("7.9", Result.FAIL_OVERRIDABLE)):
        row = Measurement(code="HGB", value=Decimal(value), unit="g/dL")
        participant = factories.eligible(site=site, by=alice, now=now, results={"HGB": row})
        assert result_of(participant, "INCL08a:HGB", now) == expected


def test_the_heart_rate_of_another_ecg_does_not_correct_this_qt(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.eligible(site=site, by=alice, now=now - DAY, results={"QT": None, "RR": None})
    examine(participant, alice, now - DAY, now, EGHR="75")
    examine(participant, alice, now, now, QT="400")
    assert result_of(participant, "EXCL06b:qtcb", now) == Result.MISSING


@pytest.mark.parametrize("count", [1, 40])
def test_the_number_of_queries_does_not_grow_with_the_results(
    site: Site, alice: User, ivan: User, now: dt.datetime, login: Any, django_assert_num_queries: Any, count: int
) -> None:
    moment = timezone.now()
    participant = factories.eligible(site=site, by=alice, now=moment - 2 * DAY)
    for number in range(count):
        examine(participant, alice, moment - number * DAY / 50, moment, PLAT="90", HGB="100", NEUT="2")
    client, path = login(ivan), reverse("admin:participants_participant_eligibility", args=[participant.pk])
    client.get(path)
    with django_assert_num_queries(PAGE_QUERIES):
        assert client.get(path).status_code == 200


# One of them reads the rulings once more, to tell those that do not count: changed after they were signed. One asks
# whether the row is within reach, and one finds the name beside the number.
PAGE_QUERIES = 18


# --- rulings -------------------------------------------------------------------------------------


def test_a_judgement_holds_for_the_values_that_were_judged(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.eligible(site=site, by=ivan, now=now - DAY, results={"CD19": "partial"})
    check = "INCL05:cd19"
    assert result_of(participant, check, now) == Result.NEEDS_INVESTIGATOR
    actions.rule_on(participant=participant, check=check, is_met=True, reason="80 % of blasts", by=ivan, now=now)
    assert result_of(participant, check, now) == Result.PASS
    examine(participant, ivan, now, now, CD19="partial", CD19_METHOD="flow", CD19_SAMPLE="relapse")
    assert result_of(participant, check, now) == Result.NEEDS_INVESTIGATOR, "another sample, another judgement"


def test_a_judgement_can_go_against_the_participant(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.eligible(site=site, by=ivan, now=now, results={"DIAGNOSIS": "cml_blast"})
    actions.rule_on(participant=participant, check="INCL02:DIAGNOSIS", is_met=False, reason="myeloid", by=ivan, now=now)
    assert actions.evaluate(participant, now=now).overall == Overall.NOT_ELIGIBLE


def test_only_incl08_can_be_set_aside_and_only_with_a_reason(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.eligible(site=site, by=ivan, now=now, results={"PLAT": "60", "LVEF": "45"})
    with pytest.raises(Refused, match="reason"):
        actions.rule_on(participant=participant, check="INCL08c:PLAT", is_met=True, reason=" ", by=ivan, now=now)
    with pytest.raises(Refused, match="not open"):
        actions.rule_on(participant=participant, check="INCL07b:LVEF", is_met=True, reason="fine", by=ivan, now=now)
    actions.rule_on(participant=participant, check="INCL08c:PLAT", is_met=True, reason="stable", by=ivan, now=now)
    assert result_of(participant, "INCL08c:PLAT", now) == Result.PASS_BY_OVERRIDE
    assert actions.evaluate(participant, now=now).open_codes == ("INCL07",)


# --- the signature ---------------------------------------------------------------------------------


def test_the_signature_freezes_what_was_signed(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.eligible(site=site, by=ivan, now=now)
    signed = actions.confirm_eligibility(participant=participant, by=ivan, now=now)
    assert hashlib.sha256(signed.snapshot.encode()).hexdigest() == signed.content_hash
    frozen = json.loads(signed.snapshot)
    assert [criterion["code"] for criterion in frozen["criteria"]][:2] == ["INCL01", "INCL02"]
    assert {criterion["result"] for criterion in frozen["criteria"]} == {"PASS"}
    for secret in (participant.name, participant.phone, participant.birth_date.isoformat()):
        assert secret not in signed.snapshot
    with pytest.raises(Error), transaction.atomic():
        EligibilityConfirmation.objects.filter(pk=signed.pk).update(snapshot="{}")


def _correct(participant: Participant, by: User, now: dt.datetime) -> None:
    examination = participant.examinations.get(panel="CBC")
    rows = [demo_results.answer(m.code, m.choice or str(m.value)) for m in examination.measurements.all()]
    next(row for row in rows if row.code == "PLAT").value = Decimal(100)
    actions.correct_examination(examination=examination, answers=rows, reason="typo", by=by, now=now)


def _void(participant: Participant, by: User, now: dt.datetime) -> None:
    from trialsite.recordadmin import void

    void(participant.examinations.get(panel="ECHO"), reason="other person", by=by, now=now)


def _born(participant: Participant, by: User, now: dt.datetime) -> None:
    participant.birth_date = dt.date(1991, 1, 1)
    participant.save()


def _by_sql(participant: Participant, by: User, now: dt.datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE participants_measurement SET value = 51 WHERE participant_id = %s AND code = 'LVEF'",
            [participant.pk],
        )


CHANGES = {
    "new-result": lambda p, by, now: examine(p, by, now, now, LVEF="61", EFFUSION="none"),
    "corrected-result": _correct,
    "void-examination": _void,
    "birth-date": _born,
    "raw-sql": _by_sql,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_any_used_fact_asks_for_the_signature_again(
    site: Site, ivan: User, now: dt.datetime, change: str
) -> None:
    participant = factories.confirmed(site=site, by=ivan, now=now - DAY)
    assert actions.is_current(actions.newest_confirmation(participant), actions.evaluate(participant, now=now))
    CHANGES[change](participant, ivan, now)
    participant.refresh_from_db()
    assert not actions.is_current(actions.newest_confirmation(participant), actions.evaluate(participant, now=now))
    with pytest.raises(Refused):
        actions.enrol(participant=participant, by=ivan, now=now)


def test_a_result_that_no_criterion_uses_changes_nothing(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.confirmed(site=site, by=ivan, now=now - DAY)
    examine(participant, ivan, now, now, GLUC="5.1")
    assert actions.enrol(participant=participant, by=ivan, now=now).status == Status.ENROLLED


def test_after_enrolment_new_results_do_not_undo_it_but_late_entries_show(
    site: Site, ivan: User, now: dt.datetime
) -> None:
    participant = factories.enrolled(site=site, by=ivan, now=now - 5 * DAY)
    examine(participant, ivan, now, now, PLAT="12", HGB="70", NEUT="0")
    evaluation = actions.evaluate(participant, now=now)
    assert actions.is_current(actions.newest_confirmation(participant), evaluation)
    # Taken before the enrolment, entered after it: it was a fact then.
    _by_sql(participant, ivan, now)
    evaluation = actions.evaluate(participant, now=now)
    assert not actions.is_current(actions.newest_confirmation(participant), evaluation)


# --- no way around -----------------------------------------------------------------------------------

RECENT = (timezone.localtime() - 10 * DAY).date().isoformat()
# Each leaves one criterion not met, for an investigator, or missing.
SPOILERS: dict[str, dict[str, Any]] = {
    **{f"{code}-missing": {code: None} for code in demo_results.ELIGIBLE if code not in {"TEMP", "HR", "RESP", "WBC"}},
    "no-cr": {"BM_BLASTS": "5.0"},
    "ecog": {"ECOG": "3"},
    "creatinine": {"CREAT": ("209", "104")},
    "no-uln": {"ALT": "20"},
    "lvef": {"LVEF": "49"},
    "spo2": {"OXYSAT": "92"},
    "platelets": {"PLAT": "74.9"},
    "cd19": {"CD19": "partial"},
    "cd19-ihc": {"CD19_METHOD": "ihc"},
    "qtc": {"QT": "450", "RR": "860"},
    "hbv": {"HBVDNA": ("21", None, "20")},
    "hiv": {"HIVAB": "indeterminate"},
    "stroke": {"STROKE": "yes"},
    "cns": {"CNS_LEUKAEMIA": "yes"},
    "infarction": {"CARDIAC_EVENT": "yes", "CARDIAC_EVENT_DATE": RECENT},
    "vaccine": {"LIVE_VACCINE": "yes", "LIVE_VACCINE_DATE": RECENT},
    "unwilling": {"WILLING_ABLE": "no"},
}
UNUSED = {
    *("LYM", "LDH", "CRP", "FERRITIN", "INR", "APTT", "FIBRINO", "MRD", "HBSAG", "WEIGHT", "HEIGHT", "REPRODUCTIVE"),
    # Asked for at the screening as the baseline of the first look at the bed.
    *("CD19_SAMPLE", "STERILISED", "HCG_SERUM", "ICE"),
    # One reason against a transplant is enough.
    *("NO_DONOR", "DECLINES_HSCT"),
}
SPOILERS = {name: spoiled for name, spoiled in SPOILERS.items() if name.removesuffix("-missing") not in UNUSED}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.sets(st.sampled_from(sorted(SPOILERS)), min_size=1, max_size=4))
def test_no_facts_with_an_open_criterion_are_enrolled_by_any_path(
    site: Site, ivan: User, now: dt.datetime, login: Any, names: set[str]
) -> None:
    results = {code: given for name in sorted(names) for code, given in SPOILERS[name].items()}
    at = timezone.now()
    with transaction.atomic():
        participant = factories.eligible(site=site, by=ivan, now=at, results=results)
        assert actions.evaluate(participant, now=at).overall != Overall.ELIGIBLE
        with pytest.raises(Refused):
            actions.confirm_eligibility(participant=participant, by=ivan, now=at)
        with pytest.raises(Refused):
            actions.enrol(participant=participant, by=ivan, now=at)
        client = login(ivan)
        for page, data in (("confirm", {"password": PASSWORD}), ("enrol", {"exception_reason": "please"})):
            path = reverse(f"admin:participants_participant_{page}", args=[participant.pk])
            assert client.post(path, data).status_code == 200
        for cheat in (_set_number, _set_status, _forge):
            with pytest.raises(Error), transaction.atomic():
                cheat(participant)
        participant.refresh_from_db()
        assert (participant.status, participant.participant_number) == (Status.SCREENING, None)
        transaction.set_rollback(True)


def _set_number(participant: Participant) -> None:
    Participant.objects.filter(pk=participant.pk).update(participant_number="ZJ-999", status=Status.ENROLLED)


def _set_status(participant: Participant) -> None:
    participant.status = Status.ENROLLED
    participant.save()


def _forge(participant: Participant) -> None:
    EligibilityConfirmation.objects.create(
        participant=participant, overall=Overall.INCOMPLETE, created_by=participant.created_by
    )


def test_a_forged_signature_does_not_enrol_either(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.eligible(site=site, by=ivan, now=now, results={"LVEF": "30"})
    EligibilityConfirmation.objects.create(
        participant=participant,
        overall=Overall.ELIGIBLE,
        facts_digest=actions.evaluate(participant, now=now).digest,
        created_by=ivan,
    )
    with pytest.raises(Refused, match="INCL07"):
        actions.enrol(participant=participant, by=ivan, now=now)


# --- places ------------------------------------------------------------------------------------------


@pytest.fixture
def paula(site: Site) -> User:
    """Principal investigator of the first site."""
    return person("paula", Role.PRINCIPAL_INVESTIGATOR, site)


def test_the_31st_place_is_the_principal_investigators_with_a_reason(
    site: Site, ivan: User, paula: User, now: dt.datetime
) -> None:
    Counter.objects.create(name=actions.ENROLMENT_COUNTER, value=30)
    participant = factories.confirmed(site=site, by=ivan, now=now)
    with pytest.raises(Refused, match="Only the principal investigator"):
        actions.enrol(participant=participant, exception_reason="compassion", by=ivan, now=now)
    with pytest.raises(Refused, match="give the reason"):
        actions.enrol(participant=participant, by=paula, now=now)
    actions.enrol(participant=participant, exception_reason="approved by the ethics committee", by=paula, now=now)
    deviation = ProtocolDeviation.objects.get(participant=participant)
    assert (deviation.kind, deviation.reason) == ("override", "approved by the ethics committee")


@pytest.mark.django_db(transaction=True)
def test_with_the_target_lifted_all_of_many_at_once_get_their_own_number(
    site: Site, paula: User, now: dt.datetime
) -> None:
    Counter.objects.create(name=actions.ENROLMENT_COUNTER, value=30)
    waiting = [factories.confirmed(site=site, by=paula, now=now) for _n in range(24)]

    def enrol(participant: Participant) -> str:
        try:
            enrolled = actions.enrol(participant=participant, exception_reason="target lifted", by=paula, now=now)
            return enrolled.participant_number or ""
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        numbers = list(pool.map(enrol, waiting))
    assert sorted(numbers) == [f"ZJ-{n:03d}" for n in range(31, 55)]


# --- screen failure and screening again ------------------------------------------------------------


def test_a_screen_failure_keeps_its_criteria_and_is_screened_again(site: Site, ivan: User, now: dt.datetime) -> None:
    first = factories.eligible(site=site, by=ivan, now=now - 9 * DAY, results={"HBVDNA": ("900", None, "20")})
    row = actions.fail_screening(participant=first, reason="HBV", on=actions.site_day(now), by=ivan, now=now)
    assert (row.reason_code, row.criteria) == ("not_eligible", ["EXCL04"])
    second = actions.rescreen(participant=first, by=ivan, now=now)
    assert second.rescreening_of == first
    assert second.screening_number != first.screening_number
    assert (second.name, second.birth_date) == (first.name, first.birth_date)
    assert actions.evaluate(second, now=now).overall == Overall.INCOMPLETE, "consent and results start anew"
    with pytest.raises(Refused, match=second.screening_number):
        actions.rescreen(participant=first, by=ivan, now=now)


def test_only_a_screen_failure_is_screened_again(site: Site, ivan: User, now: dt.datetime) -> None:
    with pytest.raises(Refused, match="only a screen failure"):
        actions.rescreen(participant=factories.enrolled(site=site, by=ivan, now=now), by=ivan, now=now)


# --- infusion ------------------------------------------------------------------------------------------


def test_planning_an_infusion_decides_again_and_names_the_first_possible_day(
    site: Site, ivan: User, now: dt.datetime
) -> None:
    results = {"CARDIAC_EVENT": "yes", "CARDIAC_EVENT_DATE": "2025-09-20"}
    participant = factories.eligible(site=site, by=ivan, now=now, results=results)
    check = "EXCL06e:CARDIAC_EVENT_DATE"
    assert result_of(participant, check, now) == Result.MISSING, "it counts back from a day that is not planned"
    with pytest.raises(Refused, match=r"EXCL06e.*21 Mar"):
        actions.plan_infusion(participant=participant, on=dt.date(2026, 3, 20), by=ivan, now=now)
    planned = actions.plan_infusion(participant=participant, on=dt.date(2026, 3, 21), by=ivan, now=now)
    assert result_of(planned, check, now) == Result.PASS
    actions.confirm_eligibility(participant=planned, by=ivan, now=now)
    enrolled = actions.enrol(participant=planned, by=ivan, now=now)
    with pytest.raises(Refused, match="EXCL06e"):
        actions.plan_infusion(participant=enrolled, on=dt.date(2026, 3, 19), by=ivan, now=now)
    later = actions.plan_infusion(participant=enrolled, on=dt.date(2026, 4, 2), by=ivan, now=now)
    assert actions.is_current(actions.newest_confirmation(later), actions.evaluate(later, now=now)), "still met"


@pytest.mark.parametrize("day", [dt.date(2026, 3, 20), dt.date(2026, 3, 21), dt.date(2026, 6, 1)])
@pytest.mark.parametrize("is_enrolled", [False, True], ids=["screened", "enrolled"])
def test_asked_for_another_day_says_what_asked_anew_says(
    site: Site, ivan: User, now: dt.datetime, is_enrolled: bool, day: dt.date
) -> None:
    """Only what counts back from the infusion is decided again: the rest must not depend on its day."""
    results = {"CARDIAC_EVENT": "yes", "CARDIAC_EVENT_DATE": "2025-09-20"}
    participant = factories.eligible(site=site, by=ivan, now=now, results=results)
    if is_enrolled:
        actions.plan_infusion(participant=participant, on=dt.date(2026, 3, 21), by=ivan, now=now)
        actions.confirm_eligibility(participant=participant, by=ivan, now=now)
        participant = actions.enrol(participant=participant, by=ivan, now=now)
    known = Known(participant)
    asked = evaluate(participant, now=now, infusion_on=dt.date(2026, 5, 4), known=known)
    found, anew = for_infusion_on(asked, day, known=known, now=now), evaluate(participant, now=now, infusion_on=day)
    assert (found, found.digest) == (anew, anew.digest)
    assert found.decisions != asked.decisions or day >= dt.date(2026, 3, 21), "the day before is one too early"


def test_an_infusion_although_a_criterion_is_not_met_is_recorded_as_a_deviation(
    site: Site, ivan: User, now: dt.datetime
) -> None:
    from dosing.actions import infuse

    participant = factories.enrolled(site=site, by=ivan, now=now - 20 * DAY)
    examine(participant, ivan, now - 2 * DAY, now, CARDIAC_EVENT="yes", CARDIAC_EVENT_DATE="2026-03-01")
    infusion = factories.infusion_of(participant, at=now)
    with pytest.raises(Refused, match="EXCL06e"):
        infuse(infusion=infusion, by=ivan, now=now)
    infuse(infusion=infusion, deviation_reason="decided by the board", by=ivan, now=now)
    assert ProtocolDeviation.objects.filter(kind="eligibility", reason="decided by the board").exists()


def test_a_ruling_cannot_be_changed(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = factories.eligible(site=site, by=ivan, now=now, results={"CD19": "partial"})
    ruling = actions.rule_on(participant=participant, check="INCL05:cd19", is_met=True, reason="x", by=ivan, now=now)
    with pytest.raises(Error), transaction.atomic():
        EligibilityRuling.objects.filter(pk=ruling.pk).update(is_met=False)
