"""A laboratory's file comes in: whole or not at all, once, and with words for every row that is not fine."""

import csv
import datetime as dt
import io
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from participants import actions as people
from participants import imports, tasks
from participants.actions import imports as actions
from participants.imports import Fate, cells, harmless, inspected, lines, words
from participants.imports.download import TEMPLATE_ROWS
from participants.models import Consent, Examination, Measurement, MeasurementImport, Participant
from participants.models.imports import ImportState
from participants.names import MEASURE_NAMES, answer_text
from participants.rules.measures import MEASURES
from tests import factories
from tests.conftest import person
from trialsite.models import Site, SweepRun, User
from trialsite.refusal import Refused
from trialsite.roles import Role

DAY = dt.timedelta(days=1)
HEAD = "participant,measure,value,unit,taken_at"
AT = "2026-03-05 09:00"


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    """What a verb refuses, in the words of these tests."""
    with translation.override("en"):
        yield


@pytest.fixture
def bob(site: Site, alice: User, now: dt.datetime) -> Participant:
    """Consented on 1 March at 09:30 Guangzhou time."""
    return factories.consented(site=site, by=alice, now=now - 4 * DAY)


@pytest.fixture
def bring(site: Site, alice: User, now: dt.datetime) -> Callable[..., MeasurementImport]:
    """Upload a file as Alice and let a worker check it."""

    def _bring(text: str | bytes) -> MeasurementImport:
        content = text if isinstance(text, bytes) else text.encode()
        row = actions.upload(site=site, content=content, by=alice, now=now)
        assert actions.run_next(now=now) == "checked"
        row.refresh_from_db()
        return row

    return _bring


def write(row: MeasurementImport, by: User, now: dt.datetime, *, accept: bool = False) -> str:
    """Press "Import" and let a worker write it."""
    actions.import_now(row=row, accept_unusual=accept, by=by, now=now)
    outcome = actions.run_next(now=now)
    row.refresh_from_db()
    return outcome


def rows(*cells: str, head: str = HEAD) -> str:
    return "\n".join([head, *cells]) + "\n"


def only(row: MeasurementImport) -> tuple[str, str]:
    (fate,) = row.fates
    return fate["fate"], fate["message"]


def many(number: str, count: int) -> str:
    """Blood counts of three measures, from the day after consent on, a minute apart."""
    start = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
    moments = [f"{start + dt.timedelta(minutes=n // 3):%Y-%m-%d %H:%M}" for n in range(count)]
    answers = ("HGB,118,g/L", "WBC,5.2,10^9/L", "PLAT,210,10^9/L")
    return rows(*(f"{number},{answers[n % 3]},{at}" for n, at in enumerate(moments)))


# --- formats -----------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_delimiters(bring: Any, bob: Participant, encoding: str, delimiter: str, end: str) -> None:
    cells = [
        ("Taken_At", "Value", "UNIT", "measure", "Participant"),
        ("2026/3/5 9:00", "阴性", "", "HBSAG", bob.number),
        ("", "", "", "", ""),
        ("2026-03-05T09:00:30", "<0.5", "mg/L", "crp", bob.number.lower()),
    ]
    text = end.join(delimiter.join(row) for row in cells) + end
    found = bring(text.encode(encoding))
    assert found.counts == {"new": 2, "there": 0, "unusual": 0, "differs": 0, "refused": 0}
    assert [fate["line"] for fate in found.fates] == [2, 4]


@pytest.mark.django_db
def test_a_file_is_written_with_all_it_says(bring: Any, bob: Participant, alice: User, now: dt.datetime) -> None:
    head = "participant,measure,value,unit,low,high,lloq,taken_at,fasting,laboratory,study_procedure,not_done"
    row = bring(
        rows(
            f'{bob.number},HGB,11.8,g/dL,11.5,15,,{AT},是,"Lab A, hall 2",no,',
            f"{bob.number},PLAT,,,,,,{AT},yes,,,clotted",
            f"{bob.number},HBVDNA,＜20,IU/ml,,,20,{AT},,,,",
            f"{bob.number},LIVE_VACCINE_DATE,2025/7,,,,,{AT},,,,",
            f"{bob.number},WBC,5.20,×10⁹/L,,,,{AT},yes,,no,",
            f"{bob.number},TEMP,98.6,°F,,,,2026-03-05T09:00:00+09:00,,,,",
            head=head,
        )
    )
    assert row.counts["new"] == 6, row.fates
    assert write(row, alice, now) == "imported"
    found = {one.code: one for one in Measurement.objects.select_related("examination")}
    assert found["HGB"].text == "11.8 g/dL"
    assert (found["HGB"].standard_value, found["HGB"].reference_high) == (118, 15)
    assert (found["HGB"].examination.is_fasting, found["HGB"].examination.laboratory) == (True, "Lab A, hall 2")
    assert not found["HGB"].examination.is_study_procedure
    assert found["HGB"].taken_at == dt.datetime(2026, 3, 5, 1, 0, tzinfo=dt.UTC)
    assert found["PLAT"].not_done_reason == "clotted"
    assert (found["HBVDNA"].comparator, found["HBVDNA"].value, found["HBVDNA"].lloq) == ("<", 20, 20)
    assert found["LIVE_VACCINE_DATE"].day == "2025-07"
    assert not found["LIVE_VACCINE_DATE"].examination.is_study_procedure, "what is told is no procedure"
    assert found["TEMP"].taken_at == dt.datetime(2026, 3, 5, 0, 0, tzinfo=dt.UTC)
    assert found["WBC"].examination != found["HGB"].examination, "another laboratory is another examination"
    assert {one.examination.import_number for one in found.values()} == {row.pk}
    assert {one.created_by for one in found.values()} == {alice}


@pytest.mark.parametrize("code", MEASURES)
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_measure_is_found_by_its_name(code: str, language: str) -> None:
    with translation.override(language):
        name = str(MEASURE_NAMES[code])
    assert cells.find_measure(f" {name.upper()} ") == code
    assert cells.find_measure(code.lower()) == code


@pytest.mark.parametrize("code", [code for code, one in MEASURES.items() if one.choices])
def test_every_answer_is_found_by_its_word(code: str) -> None:
    for choice in MEASURES[code].choices:
        for language in ("en", "zh-hans"):
            with translation.override(language):
                assert words.choice_words(code)[words.key(answer_text(code, choice))] == choice


@pytest.mark.parametrize("code", [code for code, one in MEASURES.items() if one.units])
def test_every_unit_is_found_by_our_name_and_as_printed(code: str) -> None:
    for unit in MEASURES[code].all_units:
        assert cells.find_unit(MEASURES[code], unit) == unit
        assert cells.find_unit(MEASURES[code], answer_text("unit", unit)) == unit


@pytest.mark.parametrize(
    ("code", "given", "unit"),
    [
        ("WBC", "10*9/L", "10^9/L"),
        ("WBC", "x10^9/l", "10^9/L"),
        ("WBC", "10E9/L", "10^9/L"),
        ("PLAT", "×10³/µL", "10^3/uL"),
        ("CREAT", "μmol/L", "umol/L"),
        ("TEMP", "℃", "degC"),
        ("OXYSAT", "％", "%"),
        ("INR", "", ""),
    ],
)
def test_units_have_many_spellings(code: str, given: str, unit: str) -> None:
    assert cells.find_unit(MEASURES[code], given) == unit


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7.5", ("", "7.5")),
        ("<0.5", ("<", "0.5")),
        ("＞ 100", (">", "100")),
        ("-1", ("", "-1")),
        ("1.2E+06", ("", "1200000")),
        ("7,5", None),
        ("1,200", None),
        ("≤5", ("≤", "5")),
        (">= 5", ("≥", "5")),
        ("<>5", None),
        ("0.1234567", None),
        ("1e20", None),
        ("NaN", None),
        ("5 (H)", None),
    ],
)
def test_numbers(text: str, number: tuple[str, str] | None) -> None:
    if number is None:
        with pytest.raises(cells.Unclear):
            cells.bounded_number(text)
    else:
        bound, value = cells.bounded_number(text)
        assert (bound, value) == (number[0], Decimal(number[1]))


# --- what is no such file ----------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(rows(f"X-1,HGB,1,g/L,{AT},王小明"), ("line 2", "could hold a name"), id="nameless-cell"),
        pytest.param(rows("x", head="participant,measure"), ("“value”, “unit”, “taken_at”", "Add"), id="missing"),
        pytest.param(rows("x", head=f"{HEAD},Value"), ("“value”", "twice"), id="column-twice"),
        pytest.param(rows(), ("no rows",), id="no-rows"),
        pytest.param("", ("The file is empty",), id="empty"),
        pytest.param(rows('ZJ-S001,"HGB,1,g/L'), ("Line 2", "quotation mark"), id="open-quote"),
        pytest.param(b"PK\x03\x04rest", ("workbook cannot be read", "save it as XLSX"), id="workbook"),
        pytest.param(HEAD.encode("utf-16"), ("UTF-8 or GB18030",), id="utf-16"),
        pytest.param(rows("a\x00b"), ("UTF-8 or GB18030",), id="nul"),
        pytest.param(b"x" * 20_000_001, ("20.0 MB", "20 MB"), id="too-large"),
        pytest.param(rows(*["a,b,c,d,e"] * 100_001), ("100,001", "100,000", "Split"), id="too-many-rows"),
    ],
)
def test_a_refused_file_leaves_nothing_behind(
    content: str | bytes, words: tuple[str, ...], site: Site, alice: User, login: Any
) -> None:
    content = content if isinstance(content, bytes) else content.encode()
    file = SimpleUploadedFile("lab.csv", content, "text/csv")
    path = reverse("admin:participants_measurementimport_add")
    text = login(alice).post(path, {"site": site.pk, "file": file}).content.decode()
    for word in words:
        assert word in text
    assert not MeasurementImport.objects.exists()


# --- the fate of a row -------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("cells", "words"),
    [
        pytest.param(f"{{n}},Hemoglobine,118,g/L,{AT}", "no measure of this study", id="measure"),
        pytest.param(f"{{n}},HGB,,g/L,{AT}", "There is no value", id="no-value"),
        pytest.param(f"{{n}},HGB,high,g/L,{AT}", "“high” is not a number", id="not-a-number"),
        pytest.param(f"{{n}},HGB,118,mmol/L,{AT}", "is not given in mmol/L; use", id="unit"),
        pytest.param(f"{{n}},HGB,1180,g/L,{AT}", "cannot be (possible: 10 to 300", id="impossible"),
        pytest.param(f"{{n}},HBSAG,maybe,,{AT}", "is not one of", id="choice"),
        pytest.param(f"{{n}},HBSAG,negative,g/L,{AT}", "Empty these cells", id="unit-of-a-word"),
        pytest.param(f"{{n}},DVT_PE_DATE,spring,,{AT}", "write YYYY-MM-DD", id="date"),
        pytest.param(f"{{n}},DVT_PE_DATE,2026-04,,{AT}", "lies after the day", id="date-later"),
        pytest.param("{n},HGB,118,g/L,2026-03-05", "needs the day and the time", id="no-time"),
        pytest.param("{n},HGB,118,g/L,2026-02-30 08:00", "needs the day and the time", id="no-such-day"),
        pytest.param("{n},HGB,118,g/L,2026-03-05 09:31", "is in the future", id="future"),
        pytest.param("{n},HGB,118,g/L,1989-03-05 09:00", "before the birth", id="before-birth"),
        pytest.param("{n},HGB,118,g/L,2026-02-28 09:00", "Consent comes before", id="before-consent"),
        pytest.param(f"ZJ-S999,HGB,118,g/L,{AT}", "has the number ZJ-S999", id="unknown"),
        pytest.param(f"王小明,HGB,118,g/L,{AT}", "holds no screening or participant number", id="a-name"),
        pytest.param(f"{{other}},HGB,118,g/L,{AT}", "has the number OT-S001", id="other-site"),
        pytest.param(f"{{void}},HGB,118,g/L,{AT}", "is void", id="void"),
    ],
)
def test_a_refused_row_says_why(
    cells: str,
    words: str,
    bring: Any,
    bob: Participant,
    dana: User,
    site: Site,
    other_site: Site,
    charlie: User,
    now: dt.datetime,
) -> None:
    other = factories.screened(site=other_site, by=charlie, now=now)
    void = factories.screened(site=site, by=dana, now=now)
    void.voided_at, void.voided_by, void.void_reason = now, dana, "by mistake"
    void.save()
    row = bring(rows(cells.format(n=bob.number, other=other.number, void=void.number)))
    fate, message = only(row)
    assert fate == Fate.REFUSED
    assert words in message
    assert "王小明" not in str(row.fates)
    with pytest.raises(Refused, match="1 row is refused or differs"):
        actions.import_now(row=row, accept_unusual=True, by=dana, now=now)


@pytest.mark.django_db
def test_more_columns_more_reasons(bring: Any, bob: Participant) -> None:
    """All that is unclear about a row comes at once."""
    head = f"{HEAD},low,high,lloq,fasting,study_procedure,not_done,laboratory"
    cells = [
        f"{bob.number},HGB,118,g/L,{AT},15,11.5,,,,,",
        f"{bob.number},WBC,x,10^9/L,yesterday,<1,a,b,sober,perhaps,,{'l' * 101}",
        f"{bob.number},PLAT,1,10^9/L,{AT},,,,,,clotted,",
        f"{bob.number},NEUT,,,{AT},,,,,,{'r' * 201},",
    ]
    messages = [fate["message"] for fate in bring(rows(*cells, head=head)).fates]
    assert "the lower limit of normal lies above the upper one" in messages[0]
    for word in ("“x”", "“yesterday”", "“low”", "“high”", "“lloq”", "“sober”", "“perhaps”", "101 letters"):
        assert word in messages[1]
    assert "Empty one of the two cells" in messages[2]
    assert "201 letters" in messages[3]


@pytest.mark.django_db
def test_a_procedure_of_somebody_without_consent_is_handed_back(
    bring: Any, site: Site, dana: User, now: dt.datetime
) -> None:
    nobody = factories.screened(site=site, by=dana, now=now)
    row = bring(rows(f"{nobody.number},HGB,118,g/L,{AT}"))
    fate, message = only(row)
    assert (fate, "no consent of" in message) == (Fate.REFUSED, True)
    assert only(bring(rows(f"{nobody.number},HGB,118,g/L,{AT},no", head=f"{HEAD},study_procedure"))) == ("new", "")


@pytest.mark.django_db
def test_routine_care_before_the_consent_is_fine(bring: Any, bob: Participant) -> None:
    head = f"{HEAD},study_procedure"
    row = bring(rows(f"{bob.number},HGB,118,g/L,2026-02-28 09:00,否", head=head))
    assert only(row) == ("new", "")


@pytest.mark.django_db
def test_already_there_differs_and_twice_in_the_file(
    bring: Any, bob: Participant, alice: User, now: dt.datetime, login: Any
) -> None:
    first = rows(f"{bob.number},HGB,118,g/L,{AT}", f"{bob.number},PLAT,210,10^9/L,{AT}")
    assert write(bring(first), alice, now) == "imported"
    row = bring(
        rows(
            f"{bob.number},HGB,11.8,g/dL,{AT}",
            f"{bob.number},PLAT,220,10^9/L,{AT}",
            f"{bob.number},WBC,5,10^9/L,{AT}",
            f"{bob.number},WBC,5,10^9/L,{AT}",
        )
    )
    assert [fate["fate"] for fate in row.fates] == ["there", "differs", "new", "refused"]
    assert "210 ×10⁹/L" in row.fates[1]["message"]
    assert "220 ×10⁹/L" in row.fates[1]["message"]
    assert row.fates[1]["examination"] == Examination.objects.get().pk
    assert "line 4" in row.fates[3]["message"]
    page = reverse("admin:participants_examination_change", args=[row.fates[1]["examination"]])
    assert page in login(alice).get(url("change", row)).content.decode()


@pytest.mark.django_db
def test_what_is_void_counts_no_more(bring: Any, bob: Participant, dana: User, now: dt.datetime) -> None:
    text = rows(f"{bob.number},HGB,118,g/L,{AT}")
    write(bring(text), dana, now)
    for one in (Measurement.objects.get(), Examination.objects.get()):
        one.voided_at, one.voided_by, one.void_reason = now, dana, "other tube"
        one.save()
    assert write(bring(text), dana, now) == "imported"
    assert Examination.objects.filter(voided_at__isnull=True).count() == 1
    assert Examination.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.usefixtures("english")
@pytest.mark.parametrize("is_part_first", [True, False])
def test_a_part_above_its_whole_is_compared_first(
    bring: Any, bob: Participant, alice: User, now: dt.datetime, is_part_first: bool
) -> None:
    cells = [f"{bob.number},NEUT,5200,/uL,{AT}", f"{bob.number},WBC,3.1,10^9/L,{AT}"]
    other = f"{bob.number},LYM,1.0,10^9/L,{AT}"
    row = bring(rows(*(cells if is_part_first else cells[::-1]), other))
    assert [fate["fate"] for fate in row.fates] == ["new", "unusual", "new"]
    assert "5200 /µL is more than" in row.fates[1]["message"]
    assert write(row, alice, now, accept=True) == "imported"
    assert Measurement.objects.filter(code__in=("NEUT", "WBC", "LYM")).count() == 3


@pytest.mark.django_db
def test_bounds_of_a_file_keep_their_sign(bring: Any, bob: Participant, alice: User, now: dt.datetime) -> None:
    at = ("2026-03-05 09:00", "2026-03-05 09:01", "2026-03-05 09:02", "2026-03-05 09:03")
    given = ("≤5", "＞＝200", "≦7", "> 300")
    row = bring(rows(*(f"{bob.number},CRP,{value},mg/L,{when}" for value, when in zip(given, at, strict=True))))
    assert write(row, alice, now) == "imported"
    signs = Measurement.objects.filter(code="CRP", taken_at__gte=now - 5 * dt.timedelta(hours=1)).order_by("taken_at")
    assert [one.text for one in signs] == ["≤ 5 mg/L", "≥ 200 mg/L", "≤ 7 mg/L", "> 300 mg/L"]


@pytest.mark.django_db
def test_unusual_values_are_compared_first(bring: Any, bob: Participant, alice: User, now: dt.datetime) -> None:
    row = bring(rows(f"{bob.number},HGB,35,g/L,{AT}", f"{bob.number},PLAT,210,10^9/L,{AT}"))
    assert [fate["fate"] for fate in row.fates] == ["unusual", "new"]
    assert "usually 40 to 200 g/L" in row.fates[0]["message"]
    with pytest.raises(Refused, match="1 value is unusual"):
        actions.import_now(row=row, accept_unusual=False, by=alice, now=now)
    assert write(row, alice, now, accept=True) == "imported"
    assert row.accept_unusual
    assert Measurement.objects.count() == 2


# --- whole or not at all, and once -------------------------------------------------------------


@pytest.mark.django_db
def test_results_join_the_examination_that_is_there(
    bring: Any, bob: Participant, alice: User, now: dt.datetime
) -> None:
    at = dt.datetime(2026, 3, 5, 1, 0, tzinfo=dt.UTC)
    there = people.record_examination(
        examination=Examination(participant=bob, panel="CBC", taken_at=at, laboratory="ward"),
        answers=[Measurement(code="HGB", value=Decimal(118), unit="g/L")],
        by=alice,
        now=now,
    )
    row = bring(rows(f"{bob.number},HGB,118,g/L,{AT}", f"{bob.number},PLAT,210,10^9/L,{AT}"))
    assert write(row, alice, now) == "imported"
    assert list(there.measurements.values_list("code", flat=True)) == ["HGB", "PLAT"]
    assert Examination.objects.get().import_number is None


@pytest.mark.django_db
def test_the_same_file_twice_adds_nothing(bring: Any, bob: Participant, alice: User, now: dt.datetime) -> None:
    text = many(bob.number, 30)
    first = bring(text)
    write(first, alice, now)
    assert Examination.objects.count() == 10
    second = bring(text)
    assert actions.earlier(second) == [first]
    assert second.counts["there"] == 30
    with pytest.raises(Refused, match="recorded already"):
        actions.import_now(row=second, accept_unusual=False, by=alice, now=now)
    assert Measurement.objects.count() == 30


@pytest.mark.django_db
def test_a_change_since_the_check_stops_everything(bring: Any, bob: Participant, alice: User, now: dt.datetime) -> None:
    """Checked, then the consent was found to be later: not one row is written, and the page says why."""
    row = bring(rows(f"{bob.number},HGB,118,g/L,2026-03-02 09:00", f"{bob.number},PLAT,210,10^9/L,{AT}"))
    Consent.objects.update(consented_at=now - DAY)
    assert write(row, alice, now) == "stopped"
    assert (row.state, row.decided_by, row.lease_until) == (ImportState.CHECKED, None, None)
    assert "Nothing was imported" in row.error
    assert [fate["fate"] for fate in row.fates] == ["refused", "new"]
    assert not Examination.objects.exists()
    assert row.content


@pytest.mark.django_db
def test_what_ended_keeps_hash_counts_and_fates_only(
    bring: Any, bob: Participant, alice: User, now: dt.datetime
) -> None:
    done, dropped = (bring(rows(f"{bob.number},{code},50,U/L,{AT}")) for code in ("ALT", "AST"))
    write(done, alice, now)
    actions.discard(row=dropped, by=alice, now=now)
    dropped.refresh_from_db()
    for row, state in ((done, ImportState.IMPORTED), (dropped, ImportState.DISCARDED)):
        assert (row.state, row.content, row.decided_by) == (state, "", alice)
        assert len(row.sha256) == 64
        assert row.counts["new"] == len(row.fates) == 1
        assert row.finished_at
        for verb in (
            lambda row=row: actions.discard(row=row, by=alice, now=now),
            lambda row=row: write(row, alice, now),
        ):
            with pytest.raises(Refused):
                verb()
    assert Measurement.objects.count() == 1


@pytest.mark.django_db
def test_the_audit_trail_names_who_imported(bring: Any, bob: Participant, alice: User, now: dt.datetime) -> None:
    row = bring(rows(f"{bob.number},ALT,50,U/L,{AT}"))
    write(row, alice, now)
    context = Measurement.objects.get().events.get().pgh_context  # type: ignore[attr-defined]
    assert (context["username"], context["reason"]) == ("alice", f"Import {row.pk}")


# --- the worker --------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_task_takes_everything_that_waits(site: Site, bob: Participant, alice: User) -> None:
    for code in ("ALT", "AST"):
        text = rows(f"{bob.number},{code},50,U/L,{AT}")
        actions.upload(site=site, content=text.encode(), by=alice, now=timezone.now())
    assert tasks.run_imports() == {"checked": 2}
    assert tasks.run_imports() == {}
    assert SweepRun.objects.get(name="imports").counts == {}


@pytest.mark.django_db
def test_an_upload_wakes_the_worker_after_the_commit(
    site: Site,
    bob: Participant,
    alice: User,
    now: dt.datetime,
    monkeypatch: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:
    sent: list[str] = []
    monkeypatch.setattr("trialsite.wake.app.send_task", lambda task: sent.append(task))
    with django_capture_on_commit_callbacks(execute=True):
        text = rows(f"{bob.number},ALT,50,U/L,{AT}")
        actions.upload(site=site, content=text.encode(), by=alice, now=now)
        assert not sent
    assert sent == ["participants.tasks.run_imports"]
    assert sent[0] in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}


@pytest.mark.django_db
def test_progress_is_written_as_the_rows_are_checked(
    site: Site, bob: Participant, alice: User, now: dt.datetime, monkeypatch: Any
) -> None:
    actions.upload(site=site, content=many(bob.number, 900).encode(), by=alice, now=now)
    seen: list[tuple[int, Any]] = []
    recorded = actions._recorded

    def watch(readings: Any) -> Any:
        seen.append(MeasurementImport.objects.values_list("rows_done", "lease_until").get())
        return recorded(readings)

    monkeypatch.setattr(actions, "_recorded", watch)
    actions.run_next(now=now)
    assert [done for done, _lease in seen] == [0, 200, 400, 600, 800]
    assert sorted({lease for _done, lease in seen}) == [lease for _done, lease in seen], "the lease grows"


class Killed(BaseException):
    """As when the worker gets SIGKILL: nothing is tidied up."""


@pytest.mark.django_db
@pytest.mark.parametrize("phase", ["checking", "importing"])
def test_a_killed_workers_job_is_taken_up_again(
    phase: str, site: Site, bob: Participant, alice: User, now: dt.datetime, monkeypatch: Any
) -> None:
    text = many(bob.number, 1500).encode()
    row = actions.upload(site=site, content=text, by=alice, now=now)
    if phase == "importing":
        actions.run_next(now=now)
        actions.import_now(row=row, accept_unusual=False, by=alice, now=now)
    recorded, calls = actions._recorded, iter(range(10))

    def kill(readings: Any) -> Any:
        if next(calls) == 1:
            raise Killed
        return recorded(readings)

    with monkeypatch.context() as patch:
        patch.setattr(actions, "_recorded", kill)
        with pytest.raises(Killed):
            actions.run_next(now=now)
    row.refresh_from_db()
    assert row.state == phase
    assert not Measurement.objects.exists()
    assert actions.run_next(now=now) == "", "the lease has not run out"
    MeasurementImport.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    assert actions.run_next(now=now) == ("checked" if phase == "checking" else "imported")
    row.refresh_from_db()
    assert (row.rows_done, len(row.fates), row.counts["new"]) == (1500, 1500, 1500)
    assert Measurement.objects.count() == (0 if phase == "checking" else 1500)


@pytest.mark.django_db
def test_a_worker_that_was_overtaken_writes_nothing_more(
    site: Site, bob: Participant, alice: User, now: dt.datetime, monkeypatch: Any
) -> None:
    actions.upload(site=site, content=many(bob.number, 500).encode(), by=alice, now=now)
    recorded = actions._recorded

    def discarded_meanwhile(readings: Any) -> Any:
        row = MeasurementImport.objects.get()
        if row.state == ImportState.CHECKING:
            actions.discard(row=row, by=alice, now=now)
        return recorded(readings)

    monkeypatch.setattr(actions, "_recorded", discarded_meanwhile)
    assert actions.run_next(now=now) == "overtaken"
    row = MeasurementImport.objects.get()
    assert (row.state, row.rows_done, row.fates) == (ImportState.DISCARDED, 0, [])


@pytest.mark.django_db
def test_what_nobody_tried_goes_before_what_a_worker_was_lost_with(
    site: Site, bob: Participant, alice: User, now: dt.datetime
) -> None:
    """A long import that is begun again does not keep a short file waiting."""
    first, second = (
        actions.upload(site=site, content=many(bob.number, size).encode(), by=alice, now=now) for size in (6, 3)
    )
    lost = MeasurementImport.objects.filter(pk=first.pk)
    lost.update(state="checking", attempts=1, lease_until=timezone.now() - dt.timedelta(seconds=1))
    actions.run_next(now=now)
    second.refresh_from_db()
    assert second.state == ImportState.CHECKED
    assert lost.get().state == ImportState.CHECKING


@pytest.mark.django_db
def test_a_file_that_brings_workers_down_fails_in_the_end(
    site: Site, bob: Participant, alice: User, now: dt.datetime
) -> None:
    row = actions.upload(site=site, content=many(bob.number, 3).encode(), by=alice, now=now)
    MeasurementImport.objects.update(state="checking", attempts=3, lease_until=timezone.now() - DAY)
    assert actions.run_next(now=now) == "failed"
    row.refresh_from_db()
    assert (row.state, row.content, row.error) == (ImportState.FAILED, "", "stopped in the middle too often")


@pytest.mark.django_db
def test_an_error_of_ours_fails_without_quoting_a_cell(
    site: Site, bob: Participant, alice: User, now: dt.datetime, monkeypatch: Any, caplog: Any
) -> None:
    def broken(*args: Any, **more: Any) -> None:
        raise RuntimeError("王小明")

    row = actions.upload(site=site, content=many(bob.number, 3).encode(), by=alice, now=now)
    monkeypatch.setattr(imports, "judged", broken)
    with caplog.at_level(logging.DEBUG):
        assert actions.run_next(now=now) == "failed"
    row.refresh_from_db()
    assert row.error == "RuntimeError"
    assert "王小明" not in caplog.text
    assert f"import {row.pk}" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_two_workers_beside_each_other_do_nothing_twice(site: Site, alice: User, now: dt.datetime) -> None:
    """Two files with the same rows, asked for at once, and two workers on them: each result is there once."""
    bob = factories.consented(site=site, by=alice, now=now - 4 * DAY)
    text = many(bob.number, 300)
    uploads = [
        actions.upload(site=site, content=content.encode(), by=alice, now=now) for content in (text, text + "\n")
    ]
    assert sorted(beside_each_other(now)) == ["checked", "checked"]
    for row in uploads:
        actions.import_now(row=row, accept_unusual=False, by=alice, now=now)
    assert sorted(beside_each_other(now)) == ["imported", "stopped"]
    assert Measurement.objects.count() == 300
    assert Examination.objects.count() == 100


def beside_each_other(now: dt.datetime) -> list[str]:
    start = threading.Barrier(2)

    def work(_n: int) -> list[str]:
        start.wait()
        try:
            return list(iter(lambda: actions.run_next(now=now), ""))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        return [outcome for outcomes in pool.map(work, range(2)) for outcome in outcomes]


@pytest.mark.django_db(transaction=True)
def test_while_one_worker_writes_nobody_else_takes_or_discards(
    site: Site, alice: User, now: dt.datetime, monkeypatch: Any
) -> None:
    """Even when the lease runs out in the middle: the lock holds until the commit."""
    bob = factories.consented(site=site, by=alice, now=now - 4 * DAY)
    row = actions.upload(site=site, content=many(bob.number, 9).encode(), by=alice, now=now)
    actions.run_next(now=now)
    actions.import_now(row=row, accept_unusual=False, by=alice, now=now)
    monkeypatch.setattr(actions, "LEASE", -DAY)
    outcomes: list[str] = []
    save = actions._save

    def meanwhile(*args: Any, **more: Any) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(another).result()
        save(*args, **more)

    def another() -> None:
        try:
            outcomes.append(actions.run_next(now=now))
            # A language belongs to a thread.
            with translation.override("en"), pytest.raises(Refused, match="just now"):
                actions.discard(row=row, by=alice, now=now)
        finally:
            connections.close_all()

    monkeypatch.setattr(actions, "_save", meanwhile)
    assert actions.run_next(now=now) == "imported"
    assert outcomes == [""]


@pytest.mark.django_db(transaction=True)
def test_the_applications_login_can_do_it_and_cannot_delete(
    as_app_role: None, site: Site, alice: User, now: dt.datetime
) -> None:
    from django.db import ProgrammingError

    bob = factories.consented(site=site, by=alice, now=now - 4 * DAY)
    row = actions.upload(site=site, content=many(bob.number, 9).encode(), by=alice, now=now)
    assert actions.run_next(now=now) == "checked"
    assert write(row, alice, now) == "imported"
    with pytest.raises(ProgrammingError, match="permission denied"):
        row.delete()


# --- size --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_no_query_for_a_row(site: Site, alice: User, now: dt.datetime) -> None:
    counts = []
    for size in (1000, 2000):
        number = factories.consented(site=site, by=alice, now=now - 4 * DAY).number
        row = actions.upload(site=site, content=many(number, size).encode(), by=alice, now=now)
        with CaptureQueriesContext(connection) as checked:
            actions.run_next(now=now)
        actions.import_now(row=row, accept_unusual=False, by=alice, now=now)
        with CaptureQueriesContext(connection) as written:
            actions.run_next(now=now)
        counts.append((len(checked), len(written)))
    (checked_1, written_1), (checked_2, written_2) = counts
    assert checked_1 < 30
    assert written_1 < 30
    assert checked_2 - checked_1 <= 12
    assert written_2 - written_1 <= 10


@pytest.mark.django_db
def test_ten_thousand_rows(site: Site, bob: Participant, alice: User, now: dt.datetime) -> None:
    text = many(bob.number, 9_999)
    row = actions.upload(site=site, content=text.encode(), by=alice, now=now + 30 * DAY)
    assert actions.run_next(now=now + 30 * DAY) == "checked"
    assert write(row, alice, now + 30 * DAY) == "imported"
    assert (row.rows_done, row.counts["new"]) == (9_999, 9_999)
    assert Measurement.objects.count() == 9_999
    assert Examination.objects.count() == 3_333


# --- files that leave --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd", "'+cmd"),
        ("-cmd", "'-cmd"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("-1.5", "-1.5"),
        ("+2e6", "+2e6"),
        ("-", "'-"),
        ("<0.5", "<0.5"),
        ("", ""),
    ],
)
def test_no_cell_becomes_a_formula(cell: str, safe: str) -> None:
    assert harmless(cell) == safe


def test_the_template_is_a_file_that_we_read() -> None:
    text, count = inspected(imports.template_file())
    assert count == len(TEMPLATE_ROWS)
    assert {line.cells["participant"] for line in lines(text)} == {"EXAMPLE-1"}


# --- pages -------------------------------------------------------------------------------------


def url(page: str, row: MeasurementImport | None = None) -> str:
    return reverse(f"admin:participants_measurementimport_{page}", args=[row.pk] if row else [])


def table(content: Iterable[bytes] | bytes) -> list[dict[str, str]]:
    assert isinstance(content, bytes)
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


@pytest.mark.django_db
def test_a_file_goes_all_the_way(site: Site, alice: User, login: Any) -> None:
    """Upload, wait, read, correct, upload again, compare, import: as a coordinator does it."""
    now = timezone.now()
    bob = factories.consented(site=site, by=alice, now=now - 9 * DAY)
    at = f"{timezone.localtime(now - DAY):%Y-%m-%d %H:%M}"
    client = login(alice)
    assert client.get(url("changelist")).status_code == 200
    assert url("template") in client.get(url("add")).content.decode()
    assert client.get(url("template")).headers["Content-Type"] == "text/csv; charset=utf-8"

    wrong = rows(f"{bob.number},HGB,35,g/L,{at}", f"{bob.number},WBC,=cmd(),10^9/L,{at}")
    answer = client.post(url("add"), {"site": site.pk, "file": SimpleUploadedFile("lab.csv", wrong.encode())})
    row = MeasurementImport.objects.get()
    assert answer.headers["Location"] == url("change", row)
    waiting = client.get(url("change", row)).content.decode()
    assert "waiting to be checked" in waiting
    assert "imports.js" in waiting
    progress = client.get(url("progress", row)).json()
    assert progress == {"state": "uploaded", "rows_done": 0, "rows_total": 2, "text": "0 / 2"}

    tasks.run_imports()
    assert client.get(url("progress", row)).json()["state"] == "checked"
    checked = client.get(url("change", row)).content.decode()
    assert "“=cmd()” is not a number" in checked
    assert "1 row is refused or differs" in checked
    assert "Import 2 rows" not in checked
    assert "Import the good rows, hand back the others" in checked
    assert "usually 40 to 200" not in client.get(url("change", row) + "?fate=refused").content.decode()
    fates = table(client.get(url("rows", row)).content)
    assert [one["line"] for one in fates] == ["2", "3"]
    assert fates[1]["value"] == "'=cmd()"
    assert "refused or differs" in client.post(url("import", row), follow=True).content.decode()
    client.post(url("discard", row))
    row.refresh_from_db()
    assert row.state == ImportState.DISCARDED

    right = wrong.replace("=cmd()", "5.1")
    client.post(url("add"), {"site": site.pk, "file": SimpleUploadedFile("lab.csv", right.encode())})
    row = MeasurementImport.objects.latest("pk")
    tasks.run_imports()
    assert "Import 2 rows" in client.get(url("change", row)).content.decode()
    assert "1 value is unusual" in client.post(url("import", row), follow=True).content.decode()
    client.post(url("import", row), {"accept_unusual": "on"})
    tasks.run_imports()
    assert "imported" in client.get(url("change", row)).content.decode()
    assert sorted(one.text for one in Measurement.objects.all()) == ["35 g/L", "5.1 ×10⁹/L"]
    assert table(client.get(url("rows", row)).content)[0]["fate"] == "unusual"

    client.post(url("add"), {"site": site.pk, "file": SimpleUploadedFile("again.csv", right.encode())})
    tasks.run_imports()
    again = client.get(url("change", MeasurementImport.objects.latest("pk"))).content.decode()
    assert "uploaded before" in again
    assert "nothing to import" in again


@pytest.mark.django_db
@pytest.mark.parametrize("role", Role)
def test_who_may_import(role: Role, bring: Any, bob: Participant, site: Site, login: Any) -> None:
    may = role in {Role.COORDINATOR, Role.INVESTIGATOR, Role.PRINCIPAL_INVESTIGATOR, Role.DATA_MANAGER}
    row = bring(rows(f"{bob.number},ALT,50,U/L,{AT}"))
    client = login(person("somebody", role, site))
    for page in ("changelist", "add", "template"):
        assert client.get(url(page)).status_code == (200 if may else 403), page
    for page in ("change", "progress", "rows"):
        assert client.get(url(page, row)).status_code == (200 if may else 403), page
    for page in ("import", "discard"):
        assert client.get(url(page, row)).status_code in {403, 405}
        assert client.post(url(page, row)).status_code == (302 if may else 403), page
    row.refresh_from_db()
    assert row.state == (ImportState.IMPORTING if may else ImportState.CHECKED)


@pytest.mark.django_db
def test_another_site_has_no_part_in_it(bring: Any, bob: Participant, charlie: User, site: Site, login: Any) -> None:
    row = bring(rows(f"{bob.number},ALT,50,U/L,{AT}"))
    client = login(charlie)
    assert "lab.csv" not in client.get(url("changelist")).content.decode()
    for page in ("change", "progress", "rows"):
        assert client.get(url(page, row)).status_code == 404
    for page in ("import", "discard"):
        assert client.post(url(page, row)).status_code == 404
    file = SimpleUploadedFile("lab.csv", rows(f"{bob.number},ALT,50,U/L,{AT}").encode())
    assert client.post(url("add"), {"site": site.pk, "file": file}).status_code == 200
    row.refresh_from_db()
    assert row.state == ImportState.CHECKED
    assert MeasurementImport.objects.count() == 1


@pytest.mark.django_db
def test_the_page_shows_the_first_two_hundred(bring: Any, bob: Participant, alice: User, login: Any) -> None:
    row = bring(many("ZJ-S999", 300))
    text = login(alice).get(url("change", row)).content.decode()
    assert text.count("has the number ZJ-S999") == 200
    assert "100 more" in text


@pytest.mark.django_db
def test_the_stored_name_of_a_file_is_ours(bring: Any, bob: Participant) -> None:
    row = bring(rows(f"{bob.number},ALT,50,U/L,{AT}"))
    assert row.file_name == "NCT07072494_results_2026-03-05_0930.csv"
    assert row.file_name not in str(row)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("cells", "is_refused"),
    [
        ("not_done=王小明不在", True),
        ("not_done=138-0000-0000 no answer", True),
        ("not_done=1990-05-17", True),
        ("not_done=haemolysed", False),
        ("laboratory=王 小明", True),
        ("laboratory=检验科", False),
        ("value=王小明", True),
        ("value=1990-05-17", False),
        ("unit=13800000000", True),
    ],
)
def test_a_file_that_names_its_participant_is_not_kept(
    cells: str, is_refused: bool, site: Site, alice: User, bob: Participant, now: dt.datetime
) -> None:
    name, _equals, text = cells.partition("=")
    row = {"participant": bob.number, "measure": "ALT", "value": "", "unit": "U/L", "taken_at": AT, "laboratory": ""}
    row |= {"not_done": "", name: text}
    content = f"{','.join(row)}\n{','.join(row.values())}\n".encode()
    if not is_refused:
        assert actions.upload(site=site, content=content, by=alice, now=now).pk
        return
    with pytest.raises(Refused, match=r"Line 2: .* Write “the participant” instead") as refused:
        actions.upload(site=site, content=content, by=alice, now=now)
    assert text not in str(refused.value)
    assert not MeasurementImport.objects.exists()
