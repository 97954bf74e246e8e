"""A hospital's own files come in as its system writes them: no result is lost, and no name gets in."""

import csv
import datetime as dt
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone, translation
from openpyxl import Workbook, load_workbook

from participants import actions as participants
from participants import tasks
from participants.actions import imports as actions
from participants.imports import Answers, Layout, cells, questions_of, read_sheets, table_of
from participants.imports.clean import DECIMAL, REFUSE, THOUSANDS, clean_moment, clean_number, limits_of
from participants.imports.headings import HEADINGS, heading_key, role_of, split_heading
from participants.imports.synonyms import SYNONYMS, UNIT_SYNONYMS
from participants.imports.words import key, measure_words
from participants.models import Examination, IdentityRead, LaboratoryLayout, Measurement, MeasurementImport, Participant
from participants.models.imports import ImportState
from participants.rules.measures import MEASURES, PANELS, QUESTIONS
from safety.models.blood import IecHsAssessment, IecHsScreen
from tests import factories
from tests.conftest import person
from trialsite.models import Site, User
from trialsite.refusal import Refused
from trialsite.roles import Role

DAY = dt.timedelta(days=1)
NO_GRADE: dict[str, Any] = {"findings": {}, "screen": IecHsScreen.values[0], "scale": "x"}


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    with translation.override("en"):
        yield


@pytest.fixture
def bob(site: Site, alice: User, now: dt.datetime) -> Participant:
    return factories.consented(site=site, by=alice, now=now - 4 * DAY, hospital_number="H778899")


@pytest.fixture
def upload(site: Site, alice: User, now: dt.datetime) -> Callable[..., MeasurementImport]:
    def _upload(content: str | bytes, by: User = alice) -> MeasurementImport:
        data = content if isinstance(content, bytes) else content.encode()
        return actions.upload(site=site, content=data, laboratory="检验科", by=by, now=now)

    return _upload


def check(row: MeasurementImport, now: dt.datetime) -> MeasurementImport:
    assert actions.run_next(now=now) == "checked"
    row.refresh_from_db()
    return row


def say(row: MeasurementImport, by: User, now: dt.datetime, sheet: int = 0, **said: Any) -> MeasurementImport:
    """Answer the questions of a file as on its page."""
    answers = Answers(said.pop("comma", REFUSE), said.pop("time", ""))
    actions.match(row=row, sheet=sheet, layout=Layout(**said), answers=answers, by=by, now=now)
    return check(row, now)


def take(row: MeasurementImport, by: User, now: dt.datetime, **how: Any) -> MeasurementImport:
    actions.import_now(row=row, **{"accept_unusual": False, **how}, by=by, now=now)
    assert actions.run_next(now=now) == "imported"
    row.refresh_from_db()
    return row


def workbook(*sheets: tuple[str, list[list[Any]]]) -> bytes:
    book = Workbook()
    assert book.active is not None
    book.remove(book.active)
    for name, rows in sheets:
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def local(day: int, hour: int, minute: int = 0) -> dt.datetime:
    """A moment of March 2026 as a workbook has it: without a time zone."""
    return dt.datetime(2026, 3, day, hour, minute)  # noqa: DTZ001


def table(*rows: str) -> str:
    return "\n".join(rows) + "\n"


# --- words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("panel", [panel for panel in PANELS if panel not in QUESTIONS])
def test_every_measure_of_a_laboratory_has_the_names_of_its_reports(panel: str) -> None:
    for measure in PANELS[panel]:
        assert any("\u4e00" <= letter <= "\u9fff" for word in SYNONYMS[measure.code] for letter in word), measure.code


@pytest.mark.parametrize("code", SYNONYMS)
def test_a_synonym_means_one_measure_only(code: str) -> None:
    assert code in MEASURES
    for word in SYNONYMS[code]:
        assert measure_words()[key(word)] == code, word
        assert cells.find_measure(word) == code


@pytest.mark.parametrize("name", ["中性粒细胞百分比", "NEUT%", "中性粒细胞%", "尿素氮", "BUN", "离子钙", "血沉"])
def test_what_is_another_measure_is_not_taken_for_ours(name: str) -> None:
    assert key(name) not in measure_words()
    assert not role_of(name)


@pytest.mark.parametrize(
    ("code", "printed", "unit"),
    [
        *[("WBC", one, "10^9/L") for one in ("×10⁹/L", "10^9/L", "10*9/L", "G/L", "x10E9/L", "10^9个/L")],
        ("PLAT", "K/µL", "10^3/uL"),
        ("HGB", "g/L", "g/L"),
        ("CREAT", "μmol/L", "umol/L"),
        ("CREAT", "umol/l", "umol/L"),
        ("ALT", "IU/L", "U/L"),
        ("PT", "秒", "s"),
        ("HR", "次/分", "/min"),
        ("INR", "-", ""),
        ("EBVDNA", "拷贝/mL", "copies/mL"),
    ],
)
def test_units_as_laboratories_print_them(code: str, printed: str, unit: str) -> None:
    assert cells.find_unit(MEASURES[code], printed) == unit


def test_every_spelling_of_a_unit_is_of_a_unit_that_we_know() -> None:
    assert set(UNIT_SYNONYMS) <= {unit for one in MEASURES.values() for unit in one.all_units}


def test_a_heading_means_one_column_only() -> None:
    words = [heading_key(word) for role in HEADINGS for word in {heading_key(one) for one in HEADINGS[role]}]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("heading", "role"),
    [
        ("采样时间", "taken_at"),
        ("采 样 时 间：", "taken_at"),
        ("Result", "value"),
        ("白细胞(10^9/L)", "measure:WBC"),
        ("ALT（U/L）", "measure:ALT"),
        ("谷丙转氨酶", "measure:ALT"),
        ("Hb g/L", "measure:HGB"),
        ("姓名", "ignore"),
        ("住院号", "hospital_number"),
        ("What is wrong, and how to mend it", "ignore"),
        ("问题及更正方法", "ignore"),
        ("血沉(mm/h)", ""),
    ],
)
def test_headings(heading: str, role: str) -> None:
    assert role_of(heading) == role


@pytest.mark.parametrize(
    ("heading", "parts"),
    [
        ("白细胞(10^9/L)", ("白细胞", "10^9/L")),
        ("ALT（U/L）", ("ALT", "U/L")),
        ("Hb g/L", ("Hb", "g/L")),
        ("D-二聚体", ("D-二聚体", "")),
        ("C反应蛋白", ("C反应蛋白", "")),
    ],
)
def test_the_unit_of_a_heading(heading: str, parts: tuple[str, str]) -> None:
    assert split_heading(heading) == parts


# --- cells ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "comma", "plain"),
    [
        ("12.5↑", REFUSE, "12.5"),
        ("↓3.2", REFUSE, "3.2"),
        ("3.2 L", REFUSE, "3.2"),
        ("12.5(H)", REFUSE, "12.5"),
        ("12.5 HH", REFUSE, "12.5"),
        ("*2.1", REFUSE, "2.1"),
        ("１２．５", REFUSE, "12.5"),
        ("<0.5", REFUSE, "<0.5"),
        ("＜０．５↓", REFUSE, "<0.5"),
        (">1000 H", REFUSE, ">1000"),
        ("1.2×10^5", REFUSE, "1.2e5"),
        ("1.2×10⁵", REFUSE, "1.2e5"),
        ("7,5", REFUSE, "7,5"),
        ("7,5", DECIMAL, "7.5"),
        ("<0,5 L", DECIMAL, "<0.5"),
        ("1,200", THOUSANDS, "1200"),
        ("1,200.5", THOUSANDS, "1200.5"),
        ("7,5", THOUSANDS, "7,5"),
        ("1,200.5", DECIMAL, "1,200.5"),
        ("0", REFUSE, "0"),
        ("阴性", REFUSE, "阴性"),
        ("溶血", REFUSE, "溶血"),
        ("", REFUSE, ""),
    ],
)
def test_a_number_without_its_dress(printed: str, comma: str, plain: str) -> None:
    assert clean_number(printed, comma) == plain


@pytest.mark.parametrize(
    ("printed", "limits"),
    [
        ("3.5-9.5", ("3.5", "9.5")),
        ("3.5～9.5", ("3.5", "9.5")),
        ("3.5--9.5", ("3.5", "9.5")),
        ("(3.5 - 9.5)", ("3.5", "9.5")),
        ("<40", ("", "40")),
        ("≥60", ("60", "")),
        ("9.5-3.5", ("", "")),
        ("阴性", ("", "")),
    ],
)
def test_the_range_as_printed(printed: str, limits: tuple[str, str]) -> None:
    assert limits_of(printed, REFUSE) == limits


@pytest.mark.parametrize(
    ("printed", "moment"),
    [
        ("2026-03-05 08:10", "2026-03-05 08:10"),
        ("2026-03-05T08:10:30", "2026-03-05 08:10"),
        ("2026/3/5 8:10", "2026-03-05 08:10"),
        ("2026.3.5 8:10:05", "2026-03-05 08:10"),
        ("2026年3月5日 8时10分", "2026-03-05 08:10"),
        ("2026年3月5日 下午3:10", "2026-03-05 15:10"),
        ("2026-03-05 00:00", "2026-03-05 00:00"),
        ("20260305 08:10", "2026-03-05 08:10"),
        ("２０２６／３／５ ８：１０", "2026-03-05 08:10"),
    ],
)
def test_a_moment_in_many_spellings(printed: str, moment: str) -> None:
    assert clean_moment(printed, "12:00") == (moment, False)


@pytest.mark.parametrize("printed", ["2026-03-05", "2026/3/5", "2026年3月5日", "20260305"])
def test_a_day_gets_a_time_only_from_a_person(printed: str) -> None:
    assert clean_moment(printed, "") == ("2026-03-05", False)
    assert clean_moment(printed, "12:00") == ("2026-03-05 12:00", True)


@pytest.mark.parametrize("printed", ["2026-02-30 08:00", "昨天", "5/3/2026", ""])
def test_what_is_no_day_stays_as_it_came(printed: str) -> None:
    assert clean_moment(printed, "12:00") == (printed, False)


# --- sheets -----------------------------------------------------------------------------------------


def test_workbooks_cost_a_start_nothing() -> None:
    code = "import sys, django; django.setup(); import trialsite.urls; sys.exit('openpyxl' in sys.modules)"
    assert subprocess.call([sys.executable, "-c", code]) == 0


def test_cells_of_a_workbook_become_what_a_person_reads() -> None:
    content = workbook(
        (
            "一",
            [
                ["a", local(5, 8, 10), dt.date(2026, 3, 5), 7.1, 0.1 + 0.2, 118, True, None],
                [],
                ["b", dt.time(8, 10)],
            ],
        )
    )
    (sheet,) = read_sheets(content)
    assert sheet.rows == [
        ["a", "2026-03-05 08:10", "2026-03-05", "7.1", "0.3", "118", "yes"],
        [],
        ["b", "08:10"],
    ]


def test_what_we_quoted_against_formulas_comes_back_as_it_was() -> None:
    (sheet,) = read_sheets(b"a,b\n'-,'+\n'tis,1\n")
    assert sheet.rows == [["a", "b"], ["-", "+"], ["'tis", "1"]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04rest", "cannot be read"),
        (b"\xd0\xcf\x11\xe0rest", "save it as XLSX"),
        (b"", "empty"),
        (b"\n\n,,\n", "empty"),
        (workbook(("x", [])), "empty"),
    ],
    # A workbook holds the time at which it was made: two processes would name the test differently.
    ids=["a torn workbook", "an old workbook", "nothing", "only separators", "an empty workbook"],
)
def test_what_is_no_table_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(Refused, match=words):
        read_sheets(content)


def test_a_title_above_and_units_below_the_headings() -> None:
    text = table(
        "珠江医院检验科,,", ",,", "筛选号,采样时间,白细胞,血红蛋白", ",,10^9/L,g/L", "ZJ-S001,2026-03-05 08:10,5.1,118"
    )
    found = table_of(read_sheets(text.encode())[0], Layout())
    assert [(one.role, one.unit) for one in found.headings] == [
        ("participant", ""),
        ("taken_at", ""),
        ("measure:WBC", "10^9/L"),
        ("measure:HGB", "g/L"),
    ]
    assert [number for number, _cells in found.rows()] == [5]
    assert not questions_of(found).are_open


# --- the file of a laboratory -----------------------------------------------------------------------

TESTS = (
    ("白细胞计数", "×10⁹/L", "3.5-9.5", ("5.2", "12.5↑", "２．１ ↓", "4.0 H")),
    ("HGB", "g/L", "115～150", ("118", "95 L", "130", "101(L)")),
    ("血小板", "10*9/L", "125-350", ("210", "88↓", "150", "<5")),
    ("谷丙转氨酶", "U/L", "<40", ("35", "52↑", "17", "40")),
    ("GPT", "IU/L", "<40", ("36", "53", "18", "41")),
    ("天门冬氨酸氨基转移酶", "U/L", "15-40", ("30", "61 H", "25", "39")),
    ("肌酐", "μmol/L", "41-81", ("60", "101↑", "55", "7,5")),
    ("C反应蛋白", "mg/L", "<10", ("<0.5", "12.1", "0.8", "＜０．５")),
    ("乙型肝炎表面抗原", "", "阴性", ("阴性", "阴性(-)", "negative", "阴性")),
    ("INR", "-", "0.8-1.2", ("1.01", "1.10", "0.95", "1.3H")),
)


def laboratory_file(numbers: list[str], hospital: str) -> list[list[Any]]:
    """200 results as a laboratory's system exports them: all forms at once, and some rows that need mending."""
    start = local(2, 8)
    rows: list[list[Any]] = [
        ["XX医院检验科 结果导出"],
        ["序号", "姓名", "住院号", "受试者编号", "检验项目", "结果", "单位", "参考范围", "采样时间"],
    ]
    for index in range(200):
        name, unit, limits, values = TESTS[index % 10]
        moment = start + dt.timedelta(minutes=index)
        when = (moment, f"{moment:%Y/%m/%d %H:%M}", f"{moment:%Y年%m月%d日 %H:%M}", f"{moment:%Y%m%d %H:%M}")[index % 4]
        value, number, admission = values[index // 10 % 4], numbers[index % len(numbers)], ""
        if index % 23 == 7:
            value = "溶血"  # no number
        elif index % 29 == 3:
            number = "ZJ-S999"  # nobody
        elif index % 31 == 5:
            unit = "furlong"  # no unit
        elif index % 37 == 4:
            number, admission = "", hospital  # the hospital number instead
        elif index % 41 == 6:
            when = moment.date()  # no time
        elif index % 47 == 8:
            number, admission = "", "H000000"  # a hospital number of nobody
        rows.append([index + 1, "王小明", admission, number, name, value, unit, limits, when])
    return rows


@pytest.mark.django_db
@pytest.mark.parametrize("form", ["xlsx", "utf-8", "utf-8-sig", "gb18030"])
def test_of_two_hundred_rows_none_is_lost(
    form: str, upload: Any, site: Site, bob: Participant, alice: User, now: dt.datetime, login: Any
) -> None:
    """Taken, already there and handed back are 200; mended, all 200 are in; again, all are there already."""
    anna = factories.consented(site=site, by=alice, now=now - 4 * DAY, name="安娜", hospital_number="H112233")
    given = laboratory_file([bob.number, anna.number], "H112233")
    content = workbook(("结果", given)) if form == "xlsx" else csv_of(given).encode(form)

    asked = upload(content)
    assert asked.state == ImportState.ASKED, "commas and bare days are asked about"
    checked = say(asked, alice, now, comma=REFUSE, time="")
    assert checked.rows_total == 200
    assert "王小明" not in checked.content + str(checked.fates)
    assert "H112233" not in checked.content + str(checked.fates)
    assert "H000000" not in checked.content + str(checked.fates)
    with pytest.raises(Refused, match="handed back to mend"):
        actions.import_now(row=checked, accept_unusual=True, by=alice, now=now)

    first = take(checked, alice, now, is_partial=True)
    back = back_of(login(alice), first)
    assert 20 < len(back) < 60
    assert Measurement.objects.count() + first.counts["there"] + len(back) == 200
    assert all(row["What is wrong, and how to mend it"] for row in back)
    assert "王小明" not in str(back)
    assert "H000000" not in str(back)
    assert (first.content, first.raw) == ("", "")

    mended = [mend(row, bob.number) for row in back]
    again = upload(csv_of([list(mended[0]), *[list(row.values()) for row in mended]]))
    assert again.state == ImportState.UPLOADED, "what was handed back needs no questions"
    check(again, now)
    assert not [entry for entry in again.fates if entry["fate"] in {"refused", "differs"}]
    second = take(again, alice, now, accept_unusual=True)
    assert second.counts["new"] + second.counts["unusual"] == len(back)
    assert Measurement.objects.count() == 200
    assert second.counts["refused"] + second.counts["differs"] == 0

    late = upload(csv_of([list(mended[0]), *[list(row.values()) for row in mended]]))
    assert check(late, now).counts["there"] == len(back)
    assert Measurement.objects.count() == 200


def csv_of(rows: list[list[Any]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(
        [f"{cell:%Y-%m-%d %H:%M}" if isinstance(cell, dt.datetime) else cell for cell in row] for row in rows
    )
    return out.getvalue()


def back_of(client: Any, row: MeasurementImport) -> list[dict[str, str]]:
    response = client.get(reverse("admin:participants_measurementimport_back", args=[row.pk, "csv"]))
    assert response.status_code == 200
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


def mend(row: dict[str, str], number: str) -> dict[str, str]:
    """As somebody does who has the report beside them."""
    mended = dict(row)
    if mended["value"] == "溶血":
        mended |= {"value": "", "unit": "", "low": "", "high": "", "not_done": "溶血"}
    if mended["unit"] == "furlong":
        mended["unit"] = MEASURES[mended["measure"]].unit
    if mended["participant"] in {"ZJ-S999", ""}:
        mended["participant"] = number
    if "," in mended["value"]:
        mended["value"] = mended["value"].replace(",", ".")
    if len(mended["taken_at"]) == len("2026-03-05"):
        mended["taken_at"] += f" 07:{int(mended['source']) % 60:02}"
    return mended


@pytest.mark.django_db
def test_a_wide_table_with_units_in_its_headings(upload: Any, bob: Participant, alice: User, now: dt.datetime) -> None:
    rows = [
        ["姓名", "筛选号", "采样日期", "时间", "白细胞(10^9/L)", "ALT（U/L）", "Hb g/L", "乙肝表面抗原"],
        ["王小明", bob.number, dt.date(2026, 3, 2), dt.time(8, 10), 5.1, "52↑", 118, "阴性"],
        ["王小明", bob.number, dt.date(2026, 3, 3), dt.time(8, 20), "4.9", None, "<10", ""],
    ]
    row = take(check(upload(workbook(("宽表", rows))), now), alice, now, accept_unusual=True)
    assert row.rows_total == 6
    found = {(one.code, timezone.localtime(one.taken_at).day): one.text for one in Measurement.objects.all()}
    assert found == {
        ("WBC", 2): "5.1 ×10⁹/L",
        ("ALT", 2): "52 U/L",
        ("HGB", 2): "118 g/L",
        ("HBSAG", 2): "negative",
        ("WBC", 3): "4.9 ×10⁹/L",
        ("HGB", 3): "< 10 g/L",
    }
    assert [entry["place"] for entry in row.fates] == ["E2", "F2", "G2", "H2", "E3", "G3"]
    assert {one.laboratory for one in Examination.objects.all()} == {"检验科"}


@pytest.mark.django_db
def test_columns_and_tests_are_matched_once_for_a_laboratory(
    upload: Any, bob: Participant, site: Site, alice: User, now: dt.datetime
) -> None:
    text = table(
        "编码X,什么,多少,采样时间,神秘",
        f"{bob.number},肝酶甲,35,2026-03-02 08:10,王小明",
        f"{bob.number},血沉,12,2026-03-02 08:10,王小明",
    )
    asked = upload(text)
    _names, found = actions.table_of(asked)
    questions = questions_of(found)
    assert [one.text for one in questions.headings] == ["编码X", "什么", "多少", "神秘"]
    assert questions.missing == ["participant", "measure", "value"]
    assert asked.content == ""
    roles = {heading_key("编码X"): "participant", heading_key("什么"): "measure", heading_key("多少"): "value"}
    with pytest.raises(Refused, match="matched to"):
        actions.match(row=asked, sheet=0, layout=Layout(roles={}), answers=Answers(), by=alice, now=now)
    roles[heading_key("神秘")] = "ignore"
    tests = {key("肝酶甲"): "ALT", key("血沉"): "-"}
    row = say(asked, alice, now, roles=roles, tests=tests)
    assert (row.rows_total, row.left_out) == (1, 1)
    assert row.fates[0]["measure"] == "ALT"
    assert "王小明" not in row.content
    assert LaboratoryLayout.objects.get().saved_by == alice
    again = upload(text.replace("08:10", "09:10"))
    assert again.state == ImportState.UPLOADED, "known by now"
    other = actions.upload(site=site, content=text.encode(), laboratory="别处", by=alice, now=now)
    assert other.state == ImportState.ASKED, "another laboratory has words of its own"


@pytest.mark.django_db
def test_a_day_without_time_is_refused_or_assumed_in_sight(
    upload: Any, bob: Participant, alice: User, now: dt.datetime
) -> None:
    text = table("筛选号,项目,结果,单位,采样日期", f"{bob.number},ALT,35,U/L,2026-03-02")
    refused = say(upload(text), alice, now)
    assert "needs the day and the time" in refused.fates[0]["message"]
    row = take(say(upload(text), alice, now, time="12:00"), alice, now)
    examination = Examination.objects.get()
    assert examination.is_time_assumed
    assert f"{timezone.localtime(examination.taken_at):%Y-%m-%d %H:%M}" == "2026-03-02 12:00"
    assert row.state == ImportState.IMPORTED


@pytest.mark.django_db
def test_the_comma_is_asked_about_for_each_file(upload: Any, bob: Participant, alice: User, now: dt.datetime) -> None:
    text = table("筛选号;项目;结果;单位;采样时间", f"{bob.number};ALT;35,5;U/L;2026-03-02 08:00")
    row = upload(text)
    assert questions_of(actions.table_of(row)[1]).comma == "35,5"
    assert say(row, alice, now, comma=THOUSANDS).counts["refused"] == 1
    assert say(row, alice, now, comma=DECIMAL).counts["new"] == 1
    assert upload(text.replace("08:00", "09:00")).state == ImportState.ASKED


@pytest.mark.django_db
def test_sheets_are_chosen(upload: Any, bob: Participant, alice: User, now: dt.datetime) -> None:
    head = ["筛选号", "项目", "结果", "单位", "采样时间"]
    rows = [head, [bob.number, "ALT", 35, "U/L", local(2, 8)]]
    row = upload(workbook(("说明", [["说明"]]), ("结果", rows)))
    assert row.state == ImportState.ASKED
    assert actions.table_of(row)[0] == ["说明", "结果"]
    assert say(row, alice, now, sheet=1).counts["new"] == 1


@pytest.mark.django_db
def test_hospital_numbers_are_read_for_those_who_see_identity(
    upload: Any, bob: Participant, alice: User, site: Site, now: dt.datetime
) -> None:
    text = table("住院号,项目,结果,单位,采样时间", "ｈ 778899,ALT,35,U/L,2026-03-02 08:00")
    assert check(upload(text), now).fates[0]["participant"] == bob.screening_number
    # It tells whose number it is: that is kept like every reading of identity.
    (read,) = IdentityRead.objects.all()
    assert (read.participant, read.by, read.fields) == (bob, alice, ["hospital_number"])
    blind = User.objects.create_user("blind", language="en")
    entry = check(upload(text, by=blind), now).fates[0]
    assert "who may see identity only" in entry["message"]
    factories.consented(site=site, by=alice, now=now, hospital_number="H 778899")
    assert "several participants" in check(upload(text), now).fates[0]["message"]


# --- pages ------------------------------------------------------------------------------------------


def url(page: str, *args: Any) -> str:
    return reverse(f"admin:participants_measurementimport_{page}", args=args)


@pytest.mark.django_db
def test_from_the_upload_over_the_questions_to_the_rows_handed_back(site: Site, alice: User, login: Any) -> None:
    now = timezone.now()
    bob = factories.consented(site=site, by=alice, now=now - 30 * DAY)
    day = timezone.localtime(now - 10 * DAY).date()
    rows = [
        ["姓名", "筛选号", "神秘", "项目", "结果", "单位", "采样日期"],
        ["王小明", bob.number, "x", "谷丙转氨酶", "35,5", "U/L", day],
        ["王小明", bob.number, "x", "血沉", "12", "mm/h", day],
        ["王小明", bob.number, "x", "肌酐", "溶血", "umol/L", day],
    ]
    client = login(alice)
    file = SimpleUploadedFile("lab.xlsx", workbook(("结果", rows)))
    answer = client.post(url("add"), {"site": site.pk, "laboratory": "检验科", "file": file})
    row = MeasurementImport.objects.get()
    assert answer.headers["Location"] == url("match", row.pk)
    assert url("match", row.pk) in client.get(url("change", row.pk)).content.decode()
    page = client.get(url("match", row.pk)).content.decode()
    for word in ("神秘", "血沉", "35,5", "comma", "time"):
        assert word in page, word
    assert "王小明" not in page
    unanswered = client.post(url("match", row.pk), {"sheet": "0"})
    assert unanswered.status_code == 200, "every question wants an answer"
    said = {"sheet": "0", "comma": "decimal", "time": "12:00", "role-2": "ignore", "test-0": "-"}
    assert client.post(url("match", row.pk), said).headers["Location"] == url("change", row.pk)
    tasks.run_imports()
    checked = client.get(url("change", row.pk)).content.decode()
    assert "hand back" in checked
    assert "left out" in checked
    client.post(url("import", row.pk), {"is_partial": "on"})
    tasks.run_imports()
    done = client.get(url("change", row.pk)).content.decode()
    for kind in ("csv", "xlsx"):
        assert url("back", row.pk, kind) in done
    book = load_workbook(io.BytesIO(client.get(url("back", row.pk, "xlsx")).content))
    cells = list(book.worksheets[0].iter_rows(values_only=True))
    assert len(cells) == 2
    assert "溶血" in cells[1]
    assert Measurement.objects.get().text == "35.5 U/L"
    assert (
        "time assumed"
        in client.get(reverse("admin:participants_examination_change", args=[Examination.objects.get().pk]))
        .content.decode()
        .lower()
    )


@pytest.mark.django_db
@pytest.mark.parametrize("role", Role)
def test_who_may_match_and_fetch(role: Role, upload: Any, bob: Participant, site: Site, login: Any) -> None:
    row = upload(table("筛选号,神秘,结果,采样时间", f"{bob.number},1,2,2026-03-02 08:00"))
    may = role in {Role.COORDINATOR, Role.INVESTIGATOR, Role.PRINCIPAL_INVESTIGATOR, Role.DATA_MANAGER}
    client = login(person("somebody", role, site))
    assert client.get(url("match", row.pk)).status_code == (200 if may else 403)
    assert client.get(url("back", row.pk, "csv")).status_code == (404 if may else 403)


# --- undone as a whole ------------------------------------------------------------------------------


def long_file(number: str, *values: str) -> str:
    tests = ("ALT", "AST", "LDH")
    rows = [f"{number},{test},{value},U/L,<250,2026-03-02 08:00" for test, value in zip(tests, values, strict=False)]
    return table("筛选号,项目,结果,单位,参考范围,采样时间", *rows)


@pytest.mark.django_db
def test_an_import_is_voided_in_one_act_and_the_corrected_file_comes_in(
    upload: Any, bob: Participant, dana: User, alice: User, now: dt.datetime
) -> None:
    row = take(check(upload(long_file(bob.number, "35", "30")), now), alice, now)
    assert "2 results and 1 examinations" in actions.consequences(row).follows[0]
    actions.void_import(row=row, reason="wrong file", by=dana, now=now)
    row.refresh_from_db()
    assert (row.state, row.voided_by, row.void_reason) == (ImportState.VOIDED, dana, "wrong file")
    for one in (*Measurement.objects.all(), *Examination.objects.all()):
        assert (one.voided_at, one.voided_by, one.void_reason) == (now, dana, "wrong file")
    with pytest.raises(Refused, match="voided"):
        actions.void_import(row=row, reason="again", by=dana, now=now)
    again = take(check(upload(long_file(bob.number, "36", "31")), now), alice, now)
    assert again.counts["new"] == 2
    assert sorted(one.text for one in Measurement.objects.filter(voided_at=None)) == ["31 U/L", "36 U/L"]


@pytest.mark.django_db
def test_what_others_entered_beside_an_import_stays(
    upload: Any, bob: Participant, dana: User, alice: User, now: dt.datetime
) -> None:
    """Results that joined an older examination go; those that somebody added to the import's own stay."""
    first = take(check(upload(long_file(bob.number, "35")), now), alice, now)
    second = take(check(upload(long_file(bob.number, "35", "30")), now), alice, now)
    (examination,) = Examination.objects.all()
    actions.void_import(row=second, reason="x", by=dana, now=now)
    assert [one.code for one in Measurement.objects.filter(voided_at=None)] == ["ALT"]
    examination.refresh_from_db()
    assert not examination.is_void
    by_hand = Measurement(code="LDH", value=200, unit="U/L", examination=examination, participant=bob)
    by_hand.taken_at, by_hand.created_by, by_hand.standard_value = examination.taken_at, alice, 200
    by_hand.save()
    actions.void_import(row=first, reason="x", by=dana, now=now)
    assert [one.code for one in Measurement.objects.filter(voided_at=None)] == ["LDH"]
    examination.refresh_from_db()
    assert not examination.is_void


@pytest.mark.django_db
def test_who_rests_on_an_import_is_asked_about(
    site: Site, alice: User, ivan: User, dana: User, now: dt.datetime, upload: Any, login: Any
) -> None:
    bob = factories.eligible(site=site, by=alice, now=now - 4 * DAY)
    row = take(check(upload(long_file(bob.number, "35")), now), alice, now)
    assert not actions.consequences(row).rests
    participants.confirm_eligibility(participant=bob, by=ivan, now=now)
    (sentence,) = actions.consequences(row).rests
    assert bob.number in sentence
    client = login(dana)
    assert url("void", row.pk) in client.get(url("change", row.pk)).content.decode()
    page = client.get(url("void", row.pk)).content.decode()
    assert "was confirmed on" in page
    assert "1 results and 1 examinations" in page
    assert client.post(url("void", row.pk), {"reason": "x"}).status_code == 200
    assert client.post(url("void", row.pk), {"reason": "x", "is_confirmed": "on"}).status_code == 302
    row.refresh_from_db()
    assert row.state == ImportState.VOIDED
    shown = client.get(url("change", row.pk)).content.decode()
    assert url("void", row.pk) not in shown
    assert "signature verified" in shown


@pytest.mark.django_db
def test_grades_of_the_blood_rest_on_an_import(
    upload: Any, bob: Participant, ivan: User, alice: User, now: dt.datetime
) -> None:
    def graded(at: dt.datetime) -> None:
        IecHsAssessment.objects.create(participant=bob, assessed_at=at, created_by=ivan, created_at=at, **NO_GRADE)

    graded(now - DAY)
    row = take(check(upload(long_file(bob.number, "35")), now), alice, now)
    assert not actions.consequences(row).rests, "what was graded before does not rest on it"
    graded(now)
    assert actions.consequences(row).rests == (
        f"1 grade of the blood (ICAHT, IEC-HS) of {bob.number} was computed with results of this import.",
    )


@pytest.mark.django_db
@pytest.mark.parametrize("role", Role)
def test_who_may_void_an_import(
    role: Role, upload: Any, bob: Participant, site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    row = take(check(upload(long_file(bob.number, "35")), now), alice, now)
    may = role in {Role.PRINCIPAL_INVESTIGATOR, Role.DATA_MANAGER}
    client = login(person("somebody", role, site))
    assert client.get(url("void", row.pk)).status_code == (200 if may else 403)
    assert client.post(url("void", row.pk), {"reason": "x"}).status_code == (302 if may else 403)
    row.refresh_from_db()
    assert (row.state == ImportState.VOIDED) == may
