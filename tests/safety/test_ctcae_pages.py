"""CTCAE on the page of adverse events: the search, the term that stays with the event, and 5.0 beside 6.0."""

import datetime as dt
import os
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone, translation

from participants.models import Participant
from safety.actions import correct_adverse_event, log_adverse_event
from safety.actions.ctcae import find, label, near, resolve
from safety.ctcae.catalogue import V5, V6, term
from safety.models import AdverseEvent, CtcaeText, SiteTermName
from scripts.browser import browser_context, choose_language, chromium, log_in
from tests import factories
from tests.conftest import person
from trialsite.local.services import Stack
from trialsite.models import Site, User
from trialsite.refusal import Refused
from trialsite.roles import Role

pytestmark = pytest.mark.usefixtures("english")

HEADACHE, NEUTROPHILS, ALOPECIA, ANEMIA, CRS = "10019211", "10029366", "10001760", "10002272", "10052015"
# In 6.0 only: one that stands for "Platelet count decreased" of 5.0, and one that is new.
THROMBOCYTOPENIA, PLATELETS, ICANS = "10043554", "10035528", "10083347"
ADD = "admin:safety_adverseevent_add"
DAY = dt.timedelta(days=1)


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now()


@pytest.fixture
def participant(site: Site, alice: User, now: dt.datetime) -> Participant:
    return factories.consented(site=site, by=alice, now=now - 60 * DAY)


@pytest.fixture
def form(participant: Participant, now: dt.datetime) -> Any:
    """What a person sends for a headache of grade 2, with some of it changed."""
    local = timezone.localtime(now)

    def build(**change: str) -> dict[str, str]:
        return {
            "participant": str(participant.pk),
            "term": "头很痛",
            "onset": f"{now - 3 * DAY:%Y-%m-%d}",
            "resolved": "",
            "ctcae_code": HEADACHE,
            "grade": "2",
            "outcome": "not_recovered",
            "is_serious_said": "no",
            "site_aware_at_0": f"{local:%Y-%m-%d}",
            "site_aware_at_1": f"{local:%H:%M:%S}",
            "note": "",
            **change,
        }

    return build


@pytest.fixture
def event(participant: Participant, alice: User, now: dt.datetime) -> AdverseEvent:
    """A headache of grade 2, logged with its code."""
    return log_adverse_event(event=an_event(participant, now, ctcae_code=HEADACHE), by=alice, now=now)


def an_event(participant: Participant, now: dt.datetime, **facts: Any) -> AdverseEvent:
    known = {
        "term": "头痛",
        "onset": "2026",
        "grade": 2,
        "outcome": "not_recovered",
        "site_aware_at": now,
        **facts,
    }
    return AdverseEvent(participant=participant, **known)


def a_text(version: str, code: str, now: dt.datetime, **parts: str) -> CtcaeText:
    return CtcaeText.objects.create(version=version, code=code, loaded_at=now, source_sha256="0" * 64, **parts)


def change_page(event: AdverseEvent) -> str:
    return reverse("admin:safety_adverseevent_change", args=[event.pk])


def asked(client: Any, page: str = "ctcae", *, code: str = "", **query: str) -> Any:
    return client.get(reverse(f"admin:safety_adverseevent_{page}", args=[code] if code else []), query)


# --- The search ----------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "code"),
    [
        pytest.param("头痛", HEADACHE, id="chinese"),
        pytest.param("粒细胞计数", NEUTROPHILS, id="part-of-the-chinese-name"),
        pytest.param("zxlx", NEUTROPHILS, id="initials-of-pinyin"),
        pytest.param("toutong", HEADACHE, id="pinyin"),
        pytest.param("headache", HEADACHE, id="english"),
        pytest.param("neut decr", NEUTROPHILS, id="beginnings-of-words"),
        pytest.param("10019211", HEADACHE, id="code"),
        pytest.param("１００１９２１１", HEADACHE, id="code-in-wide-digits"),
        pytest.param("免疫系统疾病 释放", CRS, id="class-and-a-part-of-the-name"),
        pytest.param("CRS", CRS, id="abbreviation"),
    ],
)
def test_the_search_finds(alice: User, login: Any, query: str, code: str) -> None:
    answer = asked(login(alice), q=query, version=V5).json()
    assert answer["terms"][0]["code"] == code


@pytest.mark.django_db
def test_an_answer_says_what_the_field_shows_and_takes(alice: User, login: Any) -> None:
    answer = asked(login(alice), q="脱发", version=V5).json()
    assert answer["version"] == V5
    assert answer["exact"] == ALOPECIA
    assert answer["has_more"] is False
    assert answer["terms"] == [
        {
            "code": ALOPECIA,
            "name": "Alopecia",
            "name_zh": "脱发",
            "soc": "Skin and subcutaneous tissue disorders",
            "soc_zh": "皮肤和皮下组织疾病",
            "grades": [1, 2],
            "label": "Alopecia · 脱发",
            "value": "Alopecia · 脱发 · 10001760",
            "detail": "Skin and subcutaneous tissue disorders · 10001760 · grades 1, 2",
        }
    ]


@pytest.mark.django_db
def test_each_version_has_its_own_terms(alice: User, login: Any) -> None:
    client = login(alice)
    assert asked(client, q=ICANS, version=V5).json()["terms"] == []
    assert [one["code"] for one in asked(client, q=ICANS, version=V6).json()["terms"]] == [ICANS]
    assert asked(client, q="headache").json()["version"] == V5, "without a version, the study's"


@pytest.mark.django_db
@pytest.mark.parametrize(("query", "count", "has_more"), [("", 0, False), ("zzzz", 0, False), ("infection", 20, True)])
def test_the_list_has_an_end(alice: User, login: Any, query: str, count: int, has_more: bool) -> None:
    answer = asked(login(alice), q=query, version=V5).json()
    assert (len(answer["terms"]), answer["has_more"]) == (count, has_more)


@pytest.mark.django_db
def test_the_sites_own_names_are_found_and_shown(alice: User, login: Any, now: dt.datetime) -> None:
    SiteTermName.objects.create(code=HEADACHE, name_zh="头部疼痛", release="28.0", loaded_at=now)
    client = login(alice)
    for query in ("头部疼痛", "toubuteng"):
        assert asked(client, q=query, version=V5).json()["terms"][0]["name_zh"] == "头部疼痛"
    assert "Chinese name: MedDRA 28.0" in asked(client, "ctcae_card", code=HEADACHE).content.decode()
    assert "translated by this system" in asked(client, "ctcae_card", code=ANEMIA).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("page", "code"),
    [("ctcae", ""), ("ctcae_card", HEADACHE), ("ctcae_versions", ""), ("ctcae_compared", HEADACHE)],
)
def test_who_may_ask(site: Site, login: Any, page: str, code: str) -> None:
    for role in Role:
        status = asked(login(person(f"a-{role.name}", role, site)), page, code=code, q="x").status_code
        assert status == (403 if role is Role.SPONSOR_PROGRAM else 200), role


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("page", "code"),
    [("ctcae", ""), ("ctcae_card", HEADACHE), ("ctcae_versions", ""), ("ctcae_compared", HEADACHE)],
)
def test_nobody_asks_without_a_login(client: Any, site: Site, page: str, code: str) -> None:
    response = asked(client, page, code=code)
    assert response.status_code == 302
    assert "/admin/login/" in response["Location"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("page", "code", "query"),
    [
        ("ctcae", "", {"version": "4.03"}),
        ("ctcae_card", HEADACHE, {"version": "4.03"}),
        ("ctcae_card", ICANS, {"version": V5}),
        ("ctcae_card", "headache", {}),
        ("ctcae_compared", "10000000", {}),
        ("ctcae_versions", "", {"version": "7"}),
    ],
)
def test_what_is_not_there_is_not_found(alice: User, login: Any, page: str, code: str, query: dict[str, str]) -> None:
    assert asked(login(alice), page, code=code, **query).status_code == 404


@pytest.mark.django_db
def test_a_search_asks_the_database_little(alice: User, login: Any, django_assert_max_num_queries: Any) -> None:
    client = login(alice)
    with django_assert_max_num_queries(10):
        asked(client, q="infection", version=V5)


# --- What a person writes ------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text",
    [
        "10019211",
        " １００１９２１１ ",
        "Headache",
        "headache ",
        "头痛",
        "Headache · 头痛 · 10019211",
        "头痛 · Headache · 10019211",
    ],
)
def test_a_whole_name_or_code_names_its_term(text: str) -> None:
    assert resolve(V5, text) == term(V5, HEADACHE)


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["", "  ", "head", "1001921", "Headache · 头痛 · 10002272", "头", "10019211 x"])
def test_less_than_that_names_none(text: str) -> None:
    assert resolve(V5, text) is None


@pytest.mark.django_db
def test_the_label_is_in_the_readers_order() -> None:
    found = term(V5, HEADACHE)
    assert label(found) == "Headache · 头痛 · 10019211"
    with translation.override("zh-hans"):
        assert label(found) == "头痛 · Headache · 10019211"


@pytest.mark.django_db
def test_a_name_that_two_terms_share_names_none(now: dt.datetime) -> None:
    SiteTermName.objects.create(code=ANEMIA, name_zh="头痛", release="", loaded_at=now)
    assert resolve(V5, "头痛") is None
    assert {one.code for one in find(V5, "头痛", limit=2)} == {ANEMIA, HEADACHE}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "code"),
    [("头疼", HEADACHE), ("hedache", HEADACHE), ("head ac", HEADACHE), ("anaemia", ANEMIA)],
)
def test_near_matches(text: str, code: str) -> None:
    assert code in [one.code for one in near(V5, text)]


# --- The form ------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("text", [HEADACHE, "头痛", "headache", "Headache · 头痛 · 10019211"])
def test_an_event_keeps_its_term_as_it_stood(form: Any, alice: User, login: Any, text: str) -> None:
    assert login(alice).post(reverse(ADD), form(ctcae_code=text)).status_code == 302
    event = AdverseEvent.objects.get()
    assert (event.ctcae_version, event.ctcae_code) == (V5, HEADACHE)
    assert (event.ctcae_term, event.ctcae_soc) == ("Headache", "Nervous system disorders")
    assert event.term == "头很痛"


@pytest.mark.django_db
def test_a_new_event_needs_a_term(form: Any, alice: User, login: Any) -> None:
    text = login(alice).post(reverse(ADD), form(ctcae_code="")).content.decode()
    assert "Choose the CTCAE term." in text
    assert "Other, specify" in text
    assert not AdverseEvent.objects.exists()


@pytest.mark.django_db
def test_what_is_no_term_is_refused_with_what_is_near(form: Any, alice: User, login: Any) -> None:
    text = login(alice).post(reverse(ADD), form(ctcae_code="头疼")).content.decode()
    assert "has no term “头疼”. Near it:" in text
    assert "Headache · 头痛 · 10019211" in text
    assert 'value="头疼"' in text, "what was typed stays"
    assert not AdverseEvent.objects.exists()


@pytest.mark.django_db
def test_what_is_near_nothing_is_refused_with_the_way_out(form: Any, alice: User, login: Any) -> None:
    text = login(alice).post(reverse(ADD), form(ctcae_code="<script>&%(near)s")).content.decode()
    assert "and none near it" in text
    assert "<script>&amp;%" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(THROMBOCYTOPENIA, "which has Platelet count decreased", id="another-stands-for-it"),
        pytest.param("Thrombocytopenia", "which has Platelet count decreased", id="by-its-name"),
        pytest.param(ICANS, "which has none for it", id="nothing-stands-for-it"),
    ],
)
def test_a_term_of_another_version_is_refused_with_what_stands_for_it(
    form: Any, alice: User, login: Any, text: str, words: str
) -> None:
    answer = login(alice).post(reverse(ADD), form(ctcae_code=text)).content.decode()
    assert "is a term of CTCAE 6.0; this event is graded by 5.0" in answer
    assert words in answer


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("code", "grade", "more", "words"),
    [
        pytest.param(ALOPECIA, "3", {}, "no grade 3 in CTCAE 5.0. Its grades: 1, 2. Correct", id="alopecia-3"),
        pytest.param(HEADACHE, "4", {}, "no grade 4 in CTCAE 5.0. Its grades: 1, 2, 3. Correct", id="headache-4"),
        pytest.param(
            HEADACHE,
            "5",
            {"results_in_death": "on", "outcome": "fatal", "is_serious_said": "yes"},
            "choose the term for what the participant died of",
            id="headache-5",
        ),
        pytest.param("10016288", "2", {}, "no grade 2 in CTCAE 5.0. Its grades: 3, 4, 5.", id="febrile-neutropenia-2"),
    ],
)
def test_a_grade_that_the_term_lacks_is_refused(
    form: Any, alice: User, login: Any, code: str, grade: str, more: dict[str, str], words: str
) -> None:
    text = login(alice).post(reverse(ADD), form(ctcae_code=code, grade=grade, **more)).content.decode()
    assert words in text
    assert not AdverseEvent.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(("code", "grade"), [(ALOPECIA, "2"), (HEADACHE, "3"), ("10016288", "3")])
def test_the_grades_beside_those_are_taken(form: Any, alice: User, login: Any, code: str, grade: str) -> None:
    assert login(alice).post(reverse(ADD), form(ctcae_code=code, grade=grade)).status_code == 302


@pytest.mark.django_db
def test_the_form_opens_with_what_is_known(participant: Participant, alice: User, login: Any) -> None:
    query = {"participant": participant.pk, "term": "reaction", "onset": "2026-03-05", "ctcae_code": HEADACHE}
    text = login(alice).get(reverse(ADD), query).content.decode()
    assert 'value="Headache · 头痛 · 10019211"' in text
    assert 'data-version="5.0"' in text
    assert "ctcae-card" in text


@pytest.mark.django_db
@pytest.mark.parametrize("participant_id", ["", "0"])
def test_the_form_opens_without_a_participant(alice: User, login: Any, participant_id: str) -> None:
    response = login(alice).get(reverse(ADD), {"participant": participant_id})
    assert response.status_code == 200
    assert "ctcae-card" not in response.content.decode()


@pytest.mark.django_db
def test_the_page_needs_no_script_of_its_own_inside(alice: User, login: Any) -> None:
    """The field works as a plain one; what makes it search comes as a file."""
    text = login(alice).get(reverse(ADD)).content.decode()
    field = text[text.index('class="ctcae"') : text.index("ctcae-place")]
    assert "<script" not in field
    assert "onclick" not in field
    assert '<input type="text" name="ctcae_code"' in field
    assert 'src="/static/safety/ctcae' in text
    assert 'href="/static/safety/ctcae' in text


# --- Old events and other versions ---------------------------------------------------------------


@pytest.mark.django_db
def test_programs_may_log_without_a_code(participant: Participant, alice: User, now: dt.datetime) -> None:
    event = log_adverse_event(event=an_event(participant, now), by=alice, now=now)
    assert (event.ctcae_version, event.ctcae_code, event.ctcae_term, event.ctcae_soc) == (V5, "", "", "")


@pytest.mark.django_db
def test_an_old_event_may_stay_without_a_term_and_a_new_one_may_not_lose_it(
    form: Any, participant: Participant, event: AdverseEvent, alice: User, login: Any, now: dt.datetime
) -> None:
    client, changed = login(alice), form(ctcae_code="", grade="1", reason_for_change="misread")
    assert "Choose the CTCAE term." in client.post(change_page(event), changed).content.decode()
    old = log_adverse_event(event=an_event(participant, now), by=alice, now=now)
    assert client.post(change_page(old), changed).status_code == 302
    old.refresh_from_db()
    assert (old.grade, old.ctcae_code) == (1, "")


@pytest.mark.django_db
def test_an_event_keeps_the_version_it_was_logged_with(
    form: Any, event: AdverseEvent, alice: User, login: Any, now: dt.datetime
) -> None:
    """The study grades by 5.0 now; this event is from a time when it graded by 6.0."""
    AdverseEvent.objects.update(ctcae_version=V6, ctcae_code=PLATELETS, ctcae_term="x", ctcae_soc="x")
    client = login(alice)
    assert 'data-version="6.0"' in client.get(change_page(event)).content.decode()
    changed = form(ctcae_code=PLATELETS, reason_for_change="recoded")
    text = client.post(change_page(event), changed).content.decode()
    assert "is a term of CTCAE 5.0; this event is graded by 6.0, which has Thrombocytopenia" in text
    assert client.post(change_page(event), {**changed, "ctcae_code": THROMBOCYTOPENIA}).status_code == 302
    event.refresh_from_db()
    assert (event.ctcae_version, event.ctcae_code, event.ctcae_term) == (V6, THROMBOCYTOPENIA, "Thrombocytopenia")
    assert event.ctcae_soc == "Blood and lymphatic system disorders"


@pytest.mark.django_db
def test_a_new_event_cannot_bring_a_version_of_its_own(participant: Participant, alice: User, now: dt.datetime) -> None:
    new = an_event(participant, now, ctcae_version=V6, ctcae_code=ICANS)
    with pytest.raises(Refused, match=r"graded by 5\.0"):
        log_adverse_event(event=new, by=alice, now=now)


@pytest.mark.django_db
def test_a_program_is_told_of_a_code_that_is_none(participant: Participant, alice: User, now: dt.datetime) -> None:
    for code in ("12345678", "Headache", "x"):
        with pytest.raises(Refused, match=rf"CTCAE 5\.0 has no term “{code}”|Headache"):
            log_adverse_event(event=an_event(participant, now, ctcae_code=code), by=alice, now=now)
    assert not AdverseEvent.objects.exists()


@pytest.mark.django_db
def test_a_correction_checks_the_grade_too(event: AdverseEvent, alice: User, now: dt.datetime) -> None:
    event.grade = 4
    with pytest.raises(Refused, match="Its grades: 1, 2, 3"):
        correct_adverse_event(event=event, by=alice, now=now)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "facts",
    [
        {"ctcae_code": "10019211", "ctcae_term": "", "ctcae_soc": ""},
        {"ctcae_code": "", "ctcae_term": "Headache", "ctcae_soc": ""},
        {"ctcae_code": "1001921", "ctcae_term": "Headache", "ctcae_soc": "Nervous system disorders"},
        {"ctcae_code": "1001921x", "ctcae_term": "Headache", "ctcae_soc": "Nervous system disorders"},
    ],
)
def test_the_database_takes_a_term_whole_or_not_at_all(event: AdverseEvent, facts: dict[str, str]) -> None:
    with pytest.raises(IntegrityError, match="ctcae_term_complete"), transaction.atomic():
        AdverseEvent.objects.update(**facts)


@pytest.mark.django_db
def test_the_trail_shows_both_terms_and_the_reason(form: Any, event: AdverseEvent, alice: User, login: Any) -> None:
    client = login(alice)
    changed = form(ctcae_code=ANEMIA, reason_for_change="it was another participant's sheet")
    assert client.post(change_page(event), changed).status_code == 302
    trail = client.get(reverse("admin:safety_adverseevent_history", args=[event.pk])).content.decode()
    for words in (HEADACHE, ANEMIA, "Headache", "Anemia", "Nervous system disorders", "another participant&#x27;s"):
        assert words in trail


@pytest.mark.django_db
def test_a_form_sent_unchanged_asks_for_no_reason(form: Any, event: AdverseEvent, alice: User, login: Any) -> None:
    client = login(alice)
    page = client.get(change_page(event))
    fields = page.context["adminform"].form
    assert fields["ctcae_code"].value() == "Headache · 头痛 · 10019211"
    field, typed = fields.fields["ctcae_code"], fields["ctcae_code"].value()
    assert not field.has_changed(event.ctcae_code, typed)
    assert field.has_changed(event.ctcae_code, ANEMIA)


# --- What readers see ----------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_reader_sees_the_card_with_the_grade(event: AdverseEvent, mona: User, login: Any, now: dt.datetime) -> None:
    client = login(mona)
    text = client.get(change_page(event)).content.decode()
    assert "load_ctcae FILE.xlsx" in text
    a_text(V5, HEADACHE, now, grade_2="A made-up text of grade 2", definition="A made-up <definition>")
    text = client.get(change_page(event)).content.decode()
    assert "load_ctcae" not in text
    assert "A made-up &lt;definition&gt;" in text
    chosen = text[text.index("ctcae-chosen") :]
    assert chosen.index("A made-up text of grade 2") < chosen.index("</li>")
    assert 'name="ctcae_code"' not in text


@pytest.mark.django_db
def test_a_reader_of_an_old_event_sees_that_it_has_no_term(
    participant: Participant, alice: User, mona: User, login: Any, now: dt.datetime
) -> None:
    old = log_adverse_event(event=an_event(participant, now), by=alice, now=now)
    text = login(mona).get(change_page(old)).content.decode()
    assert "ctcae-card" not in text


@pytest.mark.django_db
def test_the_card_says_which_grades_exist(alice: User, login: Any) -> None:
    text = asked(login(alice), "ctcae_card", code=ALOPECIA, version=V5).content.decode()
    assert text.count("does not exist for this term") == 3
    assert 'data-grades="1, 2"' in text
    assert "MedDRA 20.1" in text
    assert "<html" not in text


@pytest.mark.django_db
def test_other_specify_asks_for_words_of_ones_own(alice: User, login: Any) -> None:
    text = asked(login(alice), "ctcae_card", code="10005329", version=V5).content.decode()
    assert "Say in “reported term” what it is" in text


@pytest.mark.django_db
def test_the_list_of_events_shows_and_finds_the_term(event: AdverseEvent, alice: User, login: Any) -> None:
    client, address = login(alice), reverse("admin:safety_adverseevent_changelist")
    for query in ("Headache", HEADACHE):
        assert event.participant.number in client.get(address, {"q": query}).content.decode()
    assert "Headache" in client.get(address).content.decode()
    assert event.participant.number not in client.get(address, {"q": "Alopecia"}).content.decode()


@pytest.mark.django_db
def test_the_list_speaks_chinese_to_those_who_read_it(
    participant: Participant, site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    chen = person("chen", Role.COORDINATOR, site, language="zh-hans")
    log_adverse_event(event=an_event(participant, now, term="as told", ctcae_code=HEADACHE), by=alice, now=now)
    shown = login(chen).get(reverse("admin:safety_adverseevent_changelist")).content.decode()
    assert term(V5, HEADACHE).name_zh in shown
    assert "Headache" not in shown
    SiteTermName.objects.create(code=HEADACHE, name_zh="头部疼痛", release="28.0", loaded_at=now)
    assert "头部疼痛" in login(chen).get(reverse("admin:safety_adverseevent_changelist")).content.decode()


# --- 5.0 beside 6.0 ------------------------------------------------------------------------------


def codes_on(response: Any) -> list[str]:
    return [row["term"].code for row in response.context["page"]]


@pytest.mark.django_db
def test_the_list_has_all_terms_of_the_studys_version(alice: User, login: Any) -> None:
    client = login(alice)
    first = asked(client, "ctcae_versions")
    assert first.context["version"] == V5
    assert first.context["page"].paginator.count == 837
    assert "the study's version" in first.content.decode()
    assert "load_ctcae FILE.xlsx" in first.content.decode()
    seen = [code for number in range(1, 10) for code in codes_on(asked(client, "ctcae_versions", p=str(number)))]
    assert len(set(seen)) == len(seen) == 837
    assert asked(client, "ctcae_versions", version=V6).context["page"].paginator.count == 850


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "codes"),
    [
        pytest.param({"q": "头痛"}, [HEADACHE], id="chinese"),
        pytest.param({"q": "platelet"}, [PLATELETS], id="english"),
        pytest.param({"soc": "Social circumstances"}, ["10041244"], id="class"),
        pytest.param({"q": "alopecia", "differs": "1"}, [], id="the-same-in-both"),
        pytest.param({"q": "zzzz"}, [], id="nothing"),
    ],
)
def test_the_list_is_searched(alice: User, login: Any, query: dict[str, str], codes: list[str]) -> None:
    response = asked(login(alice), "ctcae_versions", **query)
    assert codes_on(response) == codes
    assert bool(codes) != ("No term found." in response.content.decode())


@pytest.mark.django_db
def test_the_list_says_what_differs(alice: User, login: Any, now: dt.datetime) -> None:
    client = login(alice)
    text = asked(client, "ctcae_versions", q=PLATELETS).content.decode()
    assert "another term" in text
    assert f"{THROMBOCYTOPENIA}/?version=6.0" in text
    text = asked(client, "ctcae_versions", q="hypertension", differs="1").content.decode()
    assert "other grades: 2, 3, 4, 5" in text
    assert "the same" in asked(client, "ctcae_versions", q=ANEMIA).content.decode()
    a_text(V5, ANEMIA, now, grade_1="one  text")
    a_text(V6, ANEMIA, now, grade_1="one\ntext")
    assert "the same" in asked(client, "ctcae_versions", q=ANEMIA).content.decode()
    CtcaeText.objects.filter(version=V6).update(grade_1="another text")
    assert "other wording" in asked(client, "ctcae_versions", q=ANEMIA).content.decode()


@pytest.mark.django_db
def test_the_list_needs_a_bounded_number_of_queries(
    alice: User, login: Any, now: dt.datetime, django_assert_max_num_queries: Any
) -> None:
    a_text(V5, ANEMIA, now)
    client = login(alice)
    with django_assert_max_num_queries(20):
        asked(client, "ctcae_versions", differs="1")


@pytest.mark.django_db
def test_a_term_stands_beside_what_stands_for_it(alice: User, login: Any, now: dt.datetime) -> None:
    client = login(alice)
    without = asked(client, "ctcae_compared", code=PLATELETS, version=V5).content.decode()
    for words in ("Platelet count decreased", "Thrombocytopenia", "Investigations", "1, 2, 3, 4, 5", "load_ctcae"):
        assert words in without
    a_text(V5, PLATELETS, now, grade_1="made-up of 5.0")
    a_text(V6, THROMBOCYTOPENIA, now, grade_1="made-up of 6.0")
    response = asked(client, "ctcae_compared", code=THROMBOCYTOPENIA, version=V6)
    line = next(line for line in response.context["tables"][0]["lines"] if line["v5"] == "made-up of 5.0")
    assert (line["v6"], line["differs"]) == ("made-up of 6.0", True)
    assert "load_ctcae" not in response.content.decode()


@pytest.mark.django_db
def test_an_added_term_stands_alone(alice: User, login: Any) -> None:
    response = asked(login(alice), "ctcae_compared", code=ICANS, version=V6)
    assert "new in 6.0" in response.content.decode()
    assert [line["v5"] for line in response.context["tables"][0]["lines"]] == ["", "", "", "", ""]


@pytest.mark.django_db
@pytest.mark.parametrize("version", [V5, V6])
def test_every_term_has_its_page(alice: User, version: str) -> None:
    """Not by 1687 requests: the tables are built for each."""
    from safety.admin import ctcae
    from safety.ctcae.catalogue import side_by_side, terms

    comparison = ctcae.Comparison(version, names={}, texts={})
    for found in terms(version):
        row = comparison.row(found)
        changes = side_by_side(found)
        is_other_everywhere = all(change.kind == "same" for change in changes)
        grades_differ = any(change.v5 and change.v5.grades != change.v6.grades for change in changes)
        assert bool(row["differences"]) == (not is_other_everywhere or grades_differ), found


@pytest.mark.django_db
def test_many_terms_that_became_one_are_a_list_of_links(alice: User, login: Any) -> None:
    from safety.ctcae.catalogue import side_by_side, terms

    found = max(terms(V6), key=lambda one: len(side_by_side(one)))
    response = asked(login(alice), "ctcae_compared", code=found.code, version=V6)
    assert response.context["tables"] == []
    assert len(response.context["links"]) == len(side_by_side(found)) > 4


@pytest.mark.django_db
def test_all_records_lead_there(alice: User, login: Any) -> None:
    address = reverse("admin:safety_adverseevent_ctcae_versions")
    assert f'href="{address}"' in login(alice).get(reverse("admin:all_records")).content.decode()


# --- At a keyboard -------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.processes
@pytest.mark.xdist_group("running site")
@pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine")
def test_a_term_is_found_and_graded_at_a_keyboard(running_site: Stack) -> None:
    assert "DJANGO_ALLOW_ASYNC_UNSAFE" not in os.environ
    with browser_context() as context:
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        log_in(page, running_site.site_url, "coordinator")
        choose_language(page, running_site.site_url, "en")
        page.goto(f"{running_site.site_url}/admin/safety/adverseevent/add/")
        box = page.get_by_role("combobox", name="CTCAE term")
        listed = page.get_by_role("listbox", name="CTCAE terms")
        box.press_sequentially("zxlx")
        listed.get_by_role("option").first.wait_for()
        first = box.get_attribute("aria-activedescendant")
        assert page.locator(f"#{first}").inner_text().startswith("Neutrophil count decreased")
        page.keyboard.press("ArrowDown")
        assert box.get_attribute("aria-activedescendant") != first
        assert page.locator("[role=option][aria-selected=true]").count() == 1
        page.keyboard.press("Escape")
        assert box.get_attribute("aria-expanded") == "false"
        assert box.input_value() == "zxlx", "Escape closes the list and keeps what was typed"
        page.keyboard.press("ArrowDown")
        listed.get_by_role("option").first.wait_for()
        page.keyboard.press("Enter")
        page.locator(".ctcae-card").wait_for()
        assert box.input_value() == "Neutrophil count decreased · 中性粒细胞计数降低 · 10029366"
        page.fill("#id_grade", "3")
        assert page.locator("li.ctcae-chosen").get_attribute("data-grade") == "3"
        page.fill("#id_grade", "5")
        page.get_by_text("has no grade 5 in CTCAE 5.0. It has: 1, 2, 3, 4.").wait_for()
        page.locator("li[data-grade='4']").click()
        assert page.input_value("#id_grade") == "4"
        box.fill("headach")
        page.keyboard.press("Tab")
        page.get_by_text("not the whole name of one").wait_for()
        box.fill(HEADACHE)
        page.keyboard.press("Tab")
        page.locator(f".ctcae-card[data-code='{HEADACHE}']").wait_for()
        assert not faults, "no page may raise a script error"


@pytest.mark.django_db
def test_the_name_in_the_other_language_says_which_it_is(alice: User, login: Any) -> None:
    for language, said, name in (("zh-hans", "en", "Headache"), ("en", "zh-Hans", "头痛")):
        User.objects.filter(pk=alice.pk).update(language=language)
        page = login(alice).get(reverse("admin:safety_adverseevent_ctcae_versions"), {"q": "10019211"})
        assert f'<small lang="{said}">{name}</small>' in page.content.decode()
