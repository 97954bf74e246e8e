"""Results for the registry, from the record to the page and the file: what counts, what is missing, who may see it."""

import datetime as dt
import hashlib
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from participants import actions
from participants.models import Participant
from participants.rules.status import Status
from safety.models import AdverseEvent
from sponsor import registryfacts, registrypage
from sponsor.registryfacts import Lack
from tests import factories
from tests.conftest import Once, person
from tests.participants.test_response import assessment
from trialsite.models import ListExport, Site, User
from trialsite.roles import Role

DAY = dt.timedelta(days=1)
PAGE, FILE = "admin:sponsor_apiread_results", "admin:sponsor_apiread_results_file"


def infused(once: Once, now: dt.datetime, days: int = 40) -> Participant:
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - days * DAY)


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> list[Participant]:
    """Three who were infused, one who was only enrolled; fever of two, one of them serious; one event without code."""
    by, people = once.alice, [infused(once, now) for _one in range(3)]
    factories.enrolled(site=once.site, by=by, now=now)
    for one, facts in ((people[0], {}), (people[0], {"requires_hospitalisation": True}), (people[1], {})):
        factories.judged_event(one, by=by, now=now, term="fever", ctcae_code="10016558", **facts)
    before = f"{now - 300 * DAY:%Y-%m-%d}"
    factories.judged_event(people[2], by=by, now=now, onset=before)
    AdverseEvent.objects.create(
        participant=people[2],
        term="odd feeling",
        onset=f"{now - 5 * DAY:%Y-%m-%d}",
        grade=1,
        ctcae_version="5.0",
        site_aware_at=now,
        created_by=by,
    )
    row = assessment(people[0], (now - 12 * DAY).date())
    actions.record_assessment(row=row, by=by, now=now)
    return people


@pytest.fixture
def told(made: list[Participant], once: Once, now: dt.datetime) -> registryfacts.Told:
    return registryfacts.told_of([once.site], now=now)


@pytest.mark.django_db
def test_the_tables_hold_what_is_on_record(told: registryfacts.Told) -> None:
    first, second = told.section["participantFlowModule"]["periods"]
    counts = [[one["achievements"][0]["numSubjects"] for one in period["milestones"]] for period in (first, second)]
    assert counts == [["4", "3", "1"], ["3", "0", "3"]]
    events = told.section["adverseEventsModule"]
    assert [(one["term"], one["stats"][0]["numAffected"]) for one in events["seriousEvents"]] == [("Fever", 1)]
    assert [(one["term"], one["stats"][0]["numAffected"]) for one in events["otherEvents"]] == [("Fever", 2)]
    assert (events["eventGroups"][0]["deathsNumAtRisk"], events["frequencyThreshold"]) == (3, "5")
    assert events["otherEvents"][0]["sourceVocabulary"] == "CTCAE 5.0"
    mrd, crs, _icans, rfs, *_others = told.section["outcomeMeasuresModule"]["outcomeMeasures"]
    assert [one["classes"][0]["categories"][0]["measurements"][0]["value"] for one in (mrd, crs)] == ["1", "0"]
    assert rfs["reportingStatus"] == "NOT_POSTED"
    assert told.section["baselineCharacteristicsModule"]["denoms"][0]["counts"][0]["value"] == "4"


@pytest.mark.django_db
@pytest.mark.usefixtures("english")
def test_what_is_missing_is_told(told: registryfacts.Told, made: list[Participant]) -> None:
    lacks = {one.lack: one for one in told.missing if one.lack is not Lack.OUTCOME}
    assert lacks[Lack.UNCODED].whose == (made[2].number,)
    assert (lacks[Lack.WAITING].count, lacks[Lack.FOLLOW_UP].count) == (1, 3)
    assert lacks[Lack.SERIOUSNESS].count == 1
    assert [one.count for one in told.missing if one.lack is Lack.OUTCOME] == [2, 3, 3, 3]
    words = registrypage.missing_in_words(told)
    assert f"1 adverse event without a coded term is in no table: code it ({made[2].number})." in words
    assert "“Overall Survival at 12 Months”: 3 participants cannot be told of yet, or were not assessed." in words
    assert "1 adverse events whose coding is still open" in told.facts.caveats


@pytest.mark.django_db
def test_medra_is_taken_where_every_event_has_it(made: list[Participant], once: Once, now: dt.datetime) -> None:
    coded = AdverseEvent.objects.exclude(ctcae_code="")
    values = {"meddra_pt": "Pyrexia", "meddra_soc": "General disorders", "meddra_version": "28.0"}
    coded.filter(pk=coded.first().pk).update(**values)
    (one,) = registryfacts.told_of([once.site], now=now).section["adverseEventsModule"]["seriousEvents"]
    assert (one["term"], one["sourceVocabulary"]) == ("Fever", "CTCAE 5.0")
    coded.update(**values)
    (one,) = registryfacts.told_of([once.site], now=now).section["adverseEventsModule"]["seriousEvents"]
    assert (one["term"], one["organSystem"], one["sourceVocabulary"]) == ("Pyrexia", "General disorders", "MedDRA 28.0")


@pytest.mark.django_db
def test_who_died_is_told_whatever_it_was_of(made: list[Participant], once: Once, now: dt.datetime) -> None:
    actions.change_status(
        participant=made[1], new=Status.DIED, on=now.date(), reason="of the disease", by=once.alice, now=now
    )
    told = registryfacts.told_of([once.site], now=now)
    assert told.section["adverseEventsModule"]["eventGroups"][0]["deathsNumAffected"] == 1
    reasons = {one["type"] for one in told.section["participantFlowModule"]["periods"][1]["dropWithdraws"]}
    assert reasons == {"Death", "Still in Follow-up"}


@pytest.mark.django_db
def test_it_takes_as_many_queries_however_many_they_are(
    made: list[Participant], once: Once, now: dt.datetime, site: Site
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            registryfacts.told_of([site], now=now)
        return len(found)

    before = queries()
    more = [infused(once, now) for _one in range(3)]
    factories.judged_event(more[0], by=once.alice, now=now)
    assert queries() == before <= 22


# --- the page and the file ------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_page_shows_all_tables_in_the_readers_words(
    language: str, made: list[Participant], login: Any, ivan: User
) -> None:
    ivan.language = language
    ivan.save()
    with translation.override(language):
        text = login(ivan).get(reverse(PAGE)).content.decode()
    assert "Still in Follow-up" in text or language == "en"
    assert ("发热" in text) == (language == "zh-hans")
    for number in range(1, 8):
        assert f'id="part-{number}"' in text


@pytest.mark.django_db
def test_the_file_is_recorded_and_names_nobody(made: list[Participant], login: Any, site: Site) -> None:
    answer = login(person("dana", Role.DATA_MANAGER, site)).get(reverse(FILE))
    whole = json.loads(answer.content)
    assert whole["protocolSection"]["identificationModule"]["nctId"] == "NCT07072494"
    assert "adverseEventsModule" in whole["resultsSection"]
    left = ListExport.objects.get()
    assert (left.kind, left.sha256) == ("json", hashlib.sha256(answer.content).hexdigest())
    assert "registry-results" in answer["Content-Disposition"]
    text = answer.content.decode()
    assert all(one.number not in text and one.name not in text for one in made)


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.PHARMACIST, Role.MONITOR, Role.AUDITOR])
def test_others_see_neither(role: Role, login: Any, site: Site) -> None:
    client: Client = login(person("somebody", role, site))
    assert [client.get(reverse(name)).status_code for name in (PAGE, FILE)] == [403, 403]


@pytest.mark.django_db
@pytest.mark.usefixtures("english")
def test_who_reaches_some_sites_is_told_so(made: list[Participant], login: Any, ivan: User) -> None:
    assert "these are not the results of the whole study" not in login(ivan).get(reverse(PAGE)).content.decode()
    Site.objects.create(code="XX", name_zh="另一家", name_en="Another")
    assert "these are not the results of the whole study" in login(ivan).get(reverse(PAGE)).content.decode()
