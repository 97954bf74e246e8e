"""Screen, fail, screen again, enrol: over the pages that people use."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from fpdf import FPDF
from fpdf.enums import XPos

from demo import results as demo_results
from participants import actions, eligibility_pdf
from participants.models import EligibilityConfirmation, Examination, Participant
from participants.rules.measures import MEASURES, PANEL_OF, QUESTIONS, Kind
from participants.rules.status import Status
from tests import factories
from tests.conftest import PASSWORD
from trialsite.models import Site, User

DAY = dt.timedelta(days=1)
pytestmark = pytest.mark.django_db


def page_of(participant: Participant, page: str) -> str:
    return reverse(f"admin:participants_participant_{page}", args=[participant.pk])


def moment(ago: dt.timedelta = dt.timedelta()) -> tuple[str, str]:
    at = timezone.localtime(timezone.now() - ago)
    return f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}"


def add_participant(client: Client, site: Site) -> Participant:
    identity = {"name": "林小雨", "birth_date": "1996-04-02", "sex": "F", "phone": "13900000000"}
    data = {**identity, "site": site.pk, "screened_on": moment()[0]}
    response = client.post(reverse("admin:participants_participant_add"), data)
    assert response.status_code == 302, response.content.decode()
    return Participant.objects.latest("pk")


def consent(client: Client, participant: Participant) -> None:
    day, time = moment(dt.timedelta(minutes=30))
    data = {"participant": participant.pk, "version": "1.0", "consented_at_0": day, "consented_at_1": time}
    response = client.post(reverse("admin:participants_consent_add"), data)
    assert response.status_code == 302, response.content.decode()


def type_results(client: Client, participant: Participant, **changed: Any) -> None:
    """Panel after panel, as a coordinator types them from the reports."""
    forms: dict[str, dict[str, str]] = {}
    for code, given in {**demo_results.ELIGIBLE, **changed}.items():
        forms.setdefault(PANEL_OF[code], {}).update(typed(code, given))
    for panel, answers in forms.items():
        day, time = moment(dt.timedelta(minutes=5))
        data = {"number": participant.number, "taken_at_0": day, "taken_at_1": time, **answers}
        if panel not in QUESTIONS:
            data["is_study_procedure"] = "on"
        response = client.post(reverse("admin:participants_examination_add") + f"?panel={panel}", data)
        assert response.status_code == 302, response.content.decode()


def typed(code: str, given: Any) -> dict[str, str]:
    measure = MEASURES[code]
    if measure.kind == Kind.CHOICE:
        return {f"{code}-choice": given}
    if measure.kind == Kind.DATE:
        return {f"{code}-day": given}
    number, high, lloq = (*given, None, None)[:3] if isinstance(given, tuple) else (given, None, None)
    return {
        f"{code}-value": number,
        f"{code}-unit": measure.unit,
        f"{code}-high": high or "",
        f"{code}-lloq": lloq or "",
    }


def test_screen_fail_screen_again_enrol(site: Site, alice: User, ivan: User, login: Any) -> None:
    coordinator, investigator = login(alice), login(ivan)

    first = add_participant(coordinator, site)
    consent(coordinator, first)
    type_results(coordinator, first, HBVDNA=("1800", None, "20"))
    page = coordinator.get(page_of(first, "eligibility")).content.decode()
    assert "Not eligible" in page
    refused = investigator.post(page_of(first, "confirm"), {"password": PASSWORD})
    assert "EXCL04" in refused.content.decode()
    day, _time = moment()
    failed = {"on": day, "reason_code": "not_eligible", "reason": "HBV DNA above the limit"}
    assert investigator.post(page_of(first, "fail"), failed).status_code == 302
    first.refresh_from_db()
    assert first.status == Status.SCREEN_FAILED

    response = coordinator.post(page_of(first, "rescreen"), {"on": day})
    second = Participant.objects.get(rescreening_of=first)
    assert response["Location"] == page_of(second, "page")
    consent(coordinator, second)
    type_results(coordinator, second, PLAT="66")
    page = investigator.get(page_of(second, "eligibility")).content.decode()
    assert "not met (may be set aside)" in page
    rule = page_of(second, "rule") + "?check=INCL08c:PLAT"
    assert "Platelets" in investigator.get(rule).content.decode()
    assert login(alice).post(rule, {"is_met": "yes", "reason": "fine"}).status_code == 403
    assert investigator.post(rule, {"is_met": "yes", "reason": "stable for weeks"}).status_code == 302

    wrong = investigator.post(page_of(second, "confirm"), {"password": "not mine"})
    assert "not your password" in wrong.content.decode()
    assert not EligibilityConfirmation.objects.exists()
    assert investigator.post(page_of(second, "confirm"), {"password": PASSWORD}).status_code == 302
    assert investigator.post(page_of(second, "enrol"), {"on": day}).status_code == 302
    second.refresh_from_db()
    assert (second.status, second.participant_number) == (Status.ENROLLED, "ZJ-001")
    signed = EligibilityConfirmation.objects.get()
    assert "stable for weeks" in signed.snapshot
    page = investigator.get(reverse("admin:participants_eligibilityconfirmation_change", args=[signed.pk]))
    assert signed.content_hash in page.content.decode()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_print_shows_every_criterion_with_every_glyph(
    site: Site, alice: User, login: Any, now: dt.datetime, language: str
) -> None:
    at = timezone.now()
    participant = factories.eligible(site=site, by=alice, now=at - DAY, results={"CD19": "partial", "LVEF": None})
    alice.language = language
    alice.save()
    response = login(alice).get(page_of(participant, "eligibility_pdf"))
    assert response["Content-Type"] == "application/pdf"
    assert response.content.startswith(b"%PDF-")
    assert participant.name not in response["Content-Disposition"]


def test_a_glyph_that_the_font_lacks_is_an_error_not_a_gap() -> None:
    page = eligibility_pdf._Page("x")
    page.add_page()
    page.line_of("0.5 × 10")
    eligibility_pdf._check_glyphs(page)
    page.set_font(eligibility_pdf.FONT, size=9)
    FPDF.cell(page, 0, 5, "☑", new_x=XPos.LMARGIN)
    page.output()
    with pytest.raises(eligibility_pdf.MissingGlyph):
        eligibility_pdf._check_glyphs(page)


def test_a_reader_of_another_site_sees_no_criteria(site: Site, alice: User, charlie: User, login: Any) -> None:
    participant = factories.eligible(site=site, by=alice, now=timezone.now())
    for page in ("eligibility", "eligibility_pdf", "confirm", "enrol", "plan", "fail", "rescreen", "rule"):
        assert login(charlie).get(page_of(participant, page)).status_code == 404


def test_what_is_missing_is_one_click_away(site: Site, alice: User, login: Any) -> None:
    at = timezone.now() - DAY
    participant = factories.eligible(site=site, by=alice, now=at, results={"LVEF": None, "EFFUSION": None})
    page = login(alice).get(page_of(participant, "eligibility")).content.decode()
    link = reverse("admin:participants_examination_add") + f"?participant={participant.pk}&amp;panel=ECHO"
    assert link in page
    day, time = moment()
    data = {"number": participant.number, "taken_at_0": day, "taken_at_1": time, "is_study_procedure": "on"}
    data |= {"LVEF-value": "61", "EFFUSION-choice": "none", "_eligibility": ""}
    response = login(alice).post(link.replace("&amp;", "&"), data)
    assert response["Location"] == page_of(participant, "eligibility")
    assert Examination.objects.filter(panel="ECHO").count() == 1
    assert actions.evaluate(participant, now=timezone.now()).overall == "ELIGIBLE"


def test_the_plan_page_says_from_when_an_infusion_is_possible(site: Site, alice: User, login: Any) -> None:
    ten_days_ago = (timezone.localtime() - 10 * DAY).date().isoformat()
    results = {"CARDIAC_EVENT": "yes", "CARDIAC_EVENT_DATE": ten_days_ago}
    participant = factories.eligible(site=site, by=alice, now=timezone.now(), results=results)
    soon = (timezone.localtime() + 5 * DAY).date().isoformat()
    page = login(alice).post(page_of(participant, "plan"), {"on": soon}).content.decode()
    assert "EXCL06e" in page
    assert "The first possible day is" in page
