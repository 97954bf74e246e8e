"""The pages of assessments: findings in, grade and reason out, in the site's time."""

import datetime as dt
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from safety.actions import is_established
from safety.models import AdverseEvent, CrsAssessment, IcansAssessment, Scale
from tests import factories
from trialsite import questions
from trialsite.models import Site, User

DAY = dt.timedelta(days=1)
CRS = {
    "temperature_c": "38.5",
    "fever_attributable": "yes",
    "antipyretic_or_anticytokine_given": "no",
    "hypotension": "yes",
    "vasopressors": "1",
    "vasopressin": "no",
    "hypotension_attributable": "yes",
    "oxygen_device": "none",
    "oxygen_flow_l_min": "",
    "oxygen_reason": "",
    "death": "",
}
ICANS = {
    "ice_performed": "yes",
    "orientation": "4",
    "naming": "3",
    "commands": "1",
    "writing": "0",
    "attention": "1",
    "use_capd": "no",
    "capd_score": "",
    "consciousness": "alert",
    "consciousness_attributable": "yes",
    "seizure": "none",
    "seizure_minutes": "",
    "deep_focal_weakness": "no",
    "cerebral_oedema": "none",
    "pressure_sign": "none",
    "intracranial_haemorrhage": "no",
    "attributable_to_other_cause": "no",
    "death": "none",
}


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now()


@pytest.fixture
def form(site: Site, alice: User, now: dt.datetime) -> Any:
    """Fields of a form for a participant on Day 3."""
    participant = factories.infused(site=site, by=alice, now=now, infused_at=now - 3 * DAY)

    def build(findings: dict[str, str], at: dt.datetime = now, **more: str) -> dict[str, str]:
        local = timezone.localtime(at)
        when = {"assessed_at_0": f"{local:%Y-%m-%d}", "assessed_at_1": f"{local:%H:%M:%S}"}
        return {"participant": str(participant.pk), **when, **findings, **more}

    return build


@pytest.mark.django_db
def test_a_crs_assessment_is_graded_with_its_reason(form: Any, alice: User, login: Any) -> None:
    response = login(alice).post(reverse("admin:safety_crsassessment_add"), form(CRS), follow=True)
    row = CrsAssessment.objects.get()
    assert (row.grade, row.determinants, row.scale) == (3, "hypotension", "ASTCT 2019")
    assert (row.findings["oxygen_reason"], row.findings["death"]) == (None, None), "nobody said so"
    text = response.content.decode()
    assert "One vasopressor, with or without vasopressin: grade 3." in text
    assert f"{timezone.localtime(row.assessed_at):%Y-%m-%d %H:%M}" in text


@pytest.mark.django_db
def test_an_unanswered_question_is_not_a_no(form: Any, alice: User, login: Any) -> None:
    answers = {name: value for name, value in CRS.items() if name != "hypotension"}
    response = login(alice).post(reverse("admin:safety_crsassessment_add"), form(answers))
    assert "This field is required" in response.content.decode()
    assert not CrsAssessment.objects.exists()


@pytest.mark.django_db
def test_established_crs_is_known_from_the_assessment_before(
    form: Any, alice: User, login: Any, now: dt.datetime
) -> None:
    client, add = login(alice), reverse("admin:safety_crsassessment_add")
    client.post(add, form(CRS, at=now - DAY))
    afebrile = {**CRS, "temperature_c": "36.9", "antipyretic_or_anticytokine_given": "yes", "vasopressors": "0"}
    client.post(add, form(afebrile))
    newest = CrsAssessment.objects.order_by("assessed_at").last()
    assert newest is not None
    assert newest.grade == 2
    assert is_established(newest.participant, Scale.CRS, before=timezone.now())


@pytest.mark.django_db
def test_an_icans_assessment_counts_the_ice_score(form: Any, alice: User, login: Any) -> None:
    response = login(alice).post(reverse("admin:safety_icansassessment_add"), form(ICANS), follow=True)
    assert IcansAssessment.objects.get().grade == 1
    assert "ICE score 9 of 10: grade 1." in response.content.decode()


@pytest.mark.django_db
def test_an_ice_item_left_open_is_asked_for(form: Any, alice: User, login: Any) -> None:
    response = login(alice).post(reverse("admin:safety_icansassessment_add"), form({**ICANS, "writing": ""}))
    assert "0 included" in response.content.decode()


@pytest.mark.django_db
def test_another_grade_needs_its_reason(form: Any, ivan: User, login: Any) -> None:
    client, add = login(ivan), reverse("admin:safety_crsassessment_add")
    response = client.post(add, form(CRS, investigator_grade="2"))
    assert "needs its reason" in response.content.decode()
    client.post(add, form(CRS, investigator_grade="2", investigator_reason="vasopressor for anaesthesia"))
    row = CrsAssessment.objects.get()
    assert (row.grade, row.final_grade) == (3, 2)


@pytest.mark.django_db
def test_an_assessment_is_never_changed(form: Any, alice: User, login: Any) -> None:
    client = login(alice)
    client.post(reverse("admin:safety_crsassessment_add"), form(CRS))
    row = CrsAssessment.objects.get()
    change = reverse("admin:safety_crsassessment_change", args=[row.pk])
    assert client.post(change, form({**CRS, "vasopressors": "0"})).status_code == 403


EVENT = {
    "term": "头痛",
    "ctcae_code": "10019211",
    "onset": "2026-01",
    "resolved": "",
    "grade": "2",
    "outcome": "not_recovered",
    "is_serious_said": "no",
    "note": "",
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"resolved": "2025-12"}, "before it began", id="end-before-start"),
        pytest.param({"onset": "2099"}, "in the future", id="onset-in-the-future"),
        pytest.param({"onset": "05.01.2026"}, "did you mean", id="not-a-date"),
        pytest.param({"grade": "6"}, "must lie in 1–5", id="grade-6"),
        pytest.param({"is_serious_said": ""}, "required", id="nobody-said-whether-it-is-serious"),
        pytest.param({"is_serious_said": "yes"}, "Tick what makes it serious", id="serious-for-no-reason"),
        pytest.param({"is_life_threatening": "on"}, "take the tick back", id="ticked-but-not-serious"),
        pytest.param({"grade": "5"}, "must agree", id="grade-5-without-death"),
        pytest.param({"results_in_death": "on", "is_serious_said": "yes"}, "must agree", id="death-without-grade-5"),
    ],
)
def test_an_event_that_cannot_be_is_refused(
    form: Any, alice: User, login: Any, now: dt.datetime, change: dict[str, str], words: str
) -> None:
    local = timezone.localtime(now)
    aware = {"site_aware_at_0": f"{local:%Y-%m-%d}", "site_aware_at_1": f"{local:%H:%M:%S}"}
    response = login(alice).post(reverse("admin:safety_adverseevent_add"), {**form({}), **EVENT, **aware, **change})
    assert words in response.content.decode()
    assert not AdverseEvent.objects.exists()


@pytest.mark.django_db
def test_an_event_with_a_partial_date_is_logged(form: Any, alice: User, login: Any, now: dt.datetime) -> None:
    local = timezone.localtime(now)
    aware = {"site_aware_at_0": f"{local:%Y-%m-%d}", "site_aware_at_1": f"{local:%H:%M:%S}"}
    data = {**form({}), **EVENT, **aware, "requires_hospitalisation": "on", "is_serious_said": "yes"}
    client, add = login(alice), reverse("admin:safety_adverseevent_add")
    # It began before the consent, which is asked about.
    question = client.post(add, data).context["adminform"].form.data[questions.ASKED]
    answer = {questions.ASKED: question, questions.ANSWER: "seen at screening"}
    assert client.post(add, {**data, **answer}).status_code == 302
    event = AdverseEvent.objects.get()
    assert (event.onset, event.is_serious, event.ctcae_version) == ("2026-01", True, "5.0")
