"""Guidance beside a grade: the shipped table is whole, unverified steps say so, an approved text takes its place."""

import datetime as dt
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.urls import reverse

from safety import actions, guidance
from safety.guidance import CELLS, NEVER_AN_ORDER, Cell, for_grade, shipped
from safety.models import GuidanceText, Scale
from tests.conftest import person
from trialsite.models import Site, User
from trialsite.recordadmin import void
from trialsite.refusal import Refused
from trialsite.roles import Role


def name(cell: Cell) -> str:
    return f"{cell.toxicity}-{cell.grade}{'-with-crs' if cell.with_crs else ''}"


# --- what is shipped -------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS, ids=name)
def test_each_cell_stands_in_both_languages(cell: Cell) -> None:
    zh, en = shipped(cell, "zh-hans"), shipped(cell, "en")
    assert len(zh.lines) == len(en.lines) >= 1
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in line) for line in zh.lines)
    assert not any("\u4e00" <= letter <= "\u9fff" for line in en.lines for letter in line)
    assert (en.source, en.version, en.approver) == ("ASCO 2021 (Santomasso, J Clin Oncol 2021)", "1.0", None)


def test_there_is_no_cell_beside_the_table() -> None:
    assert set(guidance._steps()) == set(CELLS)
    assert len(CELLS) == 12


@pytest.mark.parametrize(
    ("cell", "facts"),
    [
        pytest.param(Cell("CRS", 1), ["3 days", "G-CSF", "no GM-CSF"], id="crs-1"),
        pytest.param(
            Cell("CRS", 2), ["8 mg/kg", "1 hour", "800 mg", "every 8 hours", "3 doses", "4 in all"], id="crs-2"
        ),
        pytest.param(Cell("CRS", 3), ["Intensive care", "10 mg intravenously every 6 hours"], id="crs-3"),
        pytest.param(Cell("CRS", 4), ["500 mg", "250 mg", "125 mg", "60 mg", "siltuximab"], id="crs-4"),
        pytest.param(Cell("ICANS", 1), ["aspiration"], id="icans-1"),
        pytest.param(Cell("ICANS", 2), ["two doses", "6 to 12 hours", "MRI", "EEG"], id="icans-2"),
        pytest.param(Cell("ICANS", 3), ["6 to 12 hours", "1 mg/kg every 12 hours", "puncture"], id="icans-3"),
        pytest.param(Cell("ICANS", 4), ["1 g once or twice", "oedema", "epilepticus"], id="icans-4"),
        pytest.param(Cell("ICANS", 1, True), ["Tocilizumab"], id="icans-1-with-crs"),
        pytest.param(Cell("ICANS", 2, True), ["after the first dose", "CRS of grade 2"], id="icans-2-with-crs"),
        pytest.param(Cell("ICANS", 3, True), ["Tocilizumab as well", "1 mg/kg"], id="icans-3-with-crs"),
        pytest.param(Cell("ICANS", 4, True), ["Tocilizumab as well", "1 g once or twice"], id="icans-4-with-crs"),
    ],
)
def test_the_facts_of_the_table(cell: Cell, facts: list[str]) -> None:
    text = " ".join(shipped(cell, "en").lines)
    assert not [fact for fact in facts if fact not in text]


def test_what_was_recalled_says_so_in_both_languages() -> None:
    unverified = {cell for cell in CELLS if any(line.endswith("(unverified)") for line in shipped(cell, "en").lines)}
    assert unverified == {Cell("CRS", 2), Cell("ICANS", 4), Cell("ICANS", 4, True)}
    assert {cell for cell in CELLS if any("未核实" in line for line in shipped(cell, "zh-hans").lines)} == unverified


def test_it_is_never_an_order(english: None) -> None:
    assert "never an order" in str(NEVER_AN_ORDER)


# --- the site's own --------------------------------------------------------------------------------


@pytest.fixture
def paula(site: Site) -> User:
    return person("paula", Role.PRINCIPAL_INVESTIGATOR, site)


def own(site: Site, by: User, now: dt.datetime, *, version: str = "SOP-7", **cell: Any) -> GuidanceText:
    place = {"toxicity": Scale.CRS, "grade": 2, "with_crs": False, **cell}
    text = GuidanceText(
        site=site, text_zh="第一步\n\n第二步", text_en="First\n Second ", source="SOP", version=version, **place
    )
    return actions.propose_guidance(text=text, by=by, now=now)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("toxicity", "grade", "with_crs", "expected"),
    [
        pytest.param("CRS", 2, False, Cell("CRS", 2), id="crs"),
        pytest.param("CRS", 2, True, Cell("CRS", 2), id="crs-is-with-crs-anyway"),
        pytest.param("ICANS", 2, False, Cell("ICANS", 2), id="icans"),
        pytest.param("ICANS", 2, True, Cell("ICANS", 2, True), id="icans-with-crs"),
        pytest.param("CRS", 0, False, None, id="grade-0"),
        pytest.param("CRS", 5, False, None, id="death"),
        pytest.param("ICANS", None, True, None, id="not-gradable"),
    ],
)
def test_which_cell_stands_beside_a_grade(
    toxicity: str, grade: int | None, with_crs: bool, expected: Cell | None
) -> None:
    assert for_grade(toxicity, grade, with_crs, "en") == (expected and shipped(expected, "en"))


@pytest.mark.django_db
def test_an_own_text_counts_once_it_is_approved(site: Site, ivan: User, paula: User, now: dt.datetime) -> None:
    text = own(site, ivan, now)
    assert for_grade("CRS", 2, False, "en") == shipped(Cell("CRS", 2), "en")
    actions.approve_guidance(text=text, by=paula, now=now)
    found = for_grade("CRS", 2, False, "en", site=site)
    assert found is not None
    assert (found.lines, found.source, found.version) == (("First", "Second"), "SOP", "SOP-7")
    assert (found.approver, found.approved_at) == (paula, now)
    chinese = for_grade("CRS", 2, False, "zh-hans", site=site)
    assert chinese is not None
    assert chinese.lines == ("第一步", "第二步")
    assert for_grade("CRS", 3, False, "en", site=site) == shipped(Cell("CRS", 3), "en")


@pytest.mark.django_db
def test_the_newest_approved_text_counts_and_a_void_one_does_not(
    site: Site, other_site: Site, paula: User, now: dt.datetime
) -> None:
    first, second = own(site, paula, now, version="1"), own(site, paula, now, version="2")
    for text, minute in ((second, 0), (first, 1)):
        actions.approve_guidance(text=text, by=paula, now=now + dt.timedelta(minutes=minute))
    versions = []
    for text in (first, second):
        found = for_grade("CRS", 2, False, "en", site=site)
        assert found is not None
        versions.append(found.version)
        text.refresh_from_db()
        void(text, reason="a mistake in it", by=paula, now=now)
    assert versions == ["1", "2"]
    assert for_grade("CRS", 2, False, "en", site=site) == shipped(Cell("CRS", 2), "en")


@pytest.mark.django_db
def test_another_sites_text_does_not_count(site: Site, other_site: Site, now: dt.datetime) -> None:
    theirs = person("pedro", Role.PRINCIPAL_INVESTIGATOR, other_site)
    actions.approve_guidance(text=own(other_site, theirs, now), by=theirs, now=now)
    assert for_grade("CRS", 2, False, "en", site=site) == shipped(Cell("CRS", 2), "en")


@pytest.mark.django_db
def test_only_clinical_staff_of_the_site_approve(site: Site, other_site: Site, now: dt.datetime, english: None) -> None:
    text = own(site, person("pedro", Role.PRINCIPAL_INVESTIGATOR, other_site), now)
    for nobody in (text.created_by, User.objects.create_superuser("root")):
        with pytest.raises(Refused, match="may not sign here; nothing was signed"):
            actions.approve_guidance(text=text, by=nobody, now=now)


@pytest.mark.django_db
def test_a_text_is_approved_once_and_never_when_void(site: Site, paula: User, now: dt.datetime, english: None) -> None:
    text = own(site, paula, now)
    approved = actions.approve_guidance(text=text, by=paula, now=now)
    with pytest.raises(Refused, match="Paula approved this text at"):
        actions.approve_guidance(text=text, by=paula, now=now)
    void(approved, reason="a mistake in it", by=paula, now=now)
    with pytest.raises(Refused, match="is void"):
        actions.approve_guidance(text=text, by=paula, now=now)


@pytest.mark.django_db
def test_the_database_keeps_the_wording(site: Site, paula: User, now: dt.datetime) -> None:
    text = own(site, paula, now)
    with pytest.raises(DatabaseError), transaction.atomic():
        GuidanceText.objects.filter(pk=text.pk).update(text_en="Something else")
    with pytest.raises(IntegrityError), transaction.atomic():
        GuidanceText.objects.filter(pk=text.pk).update(approved_at=now)
    for wrong in ({"grade": 5}, {"with_crs": True}):
        with pytest.raises(IntegrityError), transaction.atomic():
            own(site, paula, now, **wrong)


# --- the pages -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_table_shows_every_cell_and_leads_to_a_text_of_ones_own(
    site: Site, ivan: User, mona: User, login: Any
) -> None:
    table = reverse("admin:safety_guidancetext_cells")
    text = login(ivan).get(table).content.decode()
    assert text.count("Write another text") == 12
    assert "(unverified)" in text
    assert "not reviewed by this site" in text
    assert "Write another text" not in login(mona).get(table).content.decode()
    form = login(ivan).get(reverse("admin:safety_guidancetext_add") + "?toxicity=ICANS&grade=3&with_crs=True")
    assert "Tocilizumab as well" in form.content.decode()


@pytest.mark.django_db
def test_an_investigator_writes_and_the_principal_investigator_approves(
    site: Site, ivan: User, paula: User, login: Any
) -> None:
    answers = {"site": site.pk, "toxicity": "CRS", "grade": 1, "text_zh": "退热", "text_en": "Cool", "source": "SOP"}
    response = login(ivan).post(reverse("admin:safety_guidancetext_add"), {**answers, "version": "3"}, follow=True)
    text = GuidanceText.objects.get()
    assert "Approve…" not in response.content.decode()
    approve = reverse("admin:safety_guidancetext_approve", args=[text.pk])
    assert login(ivan).post(approve, {}).status_code == 403
    assert "Approve…" in login(paula).get(reverse("admin:safety_guidancetext_change", args=[text.pk])).content.decode()
    assert "approved" in login(paula).post(approve, {"ok": "1"}, follow=True).content.decode()
    found = for_grade("CRS", 1, False, "en", site=site)
    assert found is not None
    assert (found.lines, found.approver) == (("Cool",), paula)
    assert "approved by Paula" in login(ivan).get(reverse("admin:safety_guidancetext_cells")).content.decode()
