"""The layout of prints: head and foot on every page, nothing lost, nothing that the font cannot draw."""

import datetime as dt
import logging
import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polib
import pytest
from django.conf import settings
from django.utils import translation

from dosing import prints
from tests.pdftext import pages_of, words_of
from trialsite import pdf
from trialsite.models import User
from trialsite.pdf import CHINESE
from trialsite.printing import Band, Block, Facts, Picture, Print, Section, Table, Words

AT = dt.datetime(2026, 3, 5, 1, 30, tzinfo=dt.UTC)
RARE = "𠮷田\ufe0f😀\x0b {nb} \u200bａ"
WRITTEN = "[U+20BB7]田[U+1F600] { nb } ａ"


def printed(*blocks: Block, **facts: Any) -> Print:
    return Print(**{"title": "A print", "sections": (Section("one", "One", blocks),), "site": "ZJ", **facts})


def rendered(one: Print, *, at: dt.datetime = AT, language: str = "en") -> bytes:
    with translation.override(language):
        return pdf.render(one, by=User(username="alice", first_name="Alice"), at=at)


def table(count: int, **facts: Any) -> Table:
    rows = tuple((f"row {number}", "value") for number in range(count))
    return Table(head=("First head", "Second head"), rows=rows, widths=(60, 120), **facts)


@pytest.mark.parametrize(
    ("language", "number", "by", "counts"),
    [
        ("en", "page {} of {}", "Printed by Alice, 5 Mar 2026, 09:30 (site time)", "The electronic record counts"),
        ("zh-hans", "第 {} 页，共 {} 页", "打印人：Alice，2026年3月5日 09:30（中心时间）", "以电子记录为准"),
    ],
)
def test_every_page_says_of_whom_it_is_by_whom_and_which_one(language: str, number: str, by: str, counts: str) -> None:
    pages = pages_of(rendered(printed(table(150), number="ZJ-022"), language=language))
    assert len(pages) > 3
    for page, text in enumerate(pages, start=1):
        joined = text.replace("\n", "")
        assert number.format(page, len(pages)) in joined
        for words in ("NCT07072494", "ZJ · ZJ-022", by, counts, f"Trialsite {settings.SOFTWARE_VERSION}"):
            assert words in text
        # The heads of a table are repeated.
        assert text.count("First head") == 1
    assert [f"row {one}\n" in "".join(pages) for one in range(150)] == [True] * 150


def test_a_sheet_to_write_on_is_no_copy_of_the_record() -> None:
    assert "The electronic record counts" not in pages_of(rendered(printed(Words("x"), is_record=False)))[0]


def test_a_paper_that_names_a_person_says_so_on_every_page() -> None:
    named = printed(table(150), identity=frozenset({"name"}))
    assert all("This paper names a person" in text for text in pages_of(rendered(named)))
    assert "This paper names a person" not in pages_of(rendered(printed(Words("x"))))[0]


def test_many_sites_leave_room_for_the_study_at_the_head() -> None:
    text = pages_of(rendered(printed(Words("x"), site="A hospital, " * 40, title="Of {nb}")))[0].split("\n")
    assert text[0] == "NCT07072494 · CD19 CAR-T · B-ALL"
    assert text[1].startswith("A hospital, A hospital, ")
    assert text[1].endswith("…")
    assert text.count("Of { nb }") == 2


def test_equal_content_gives_equal_bytes() -> None:
    one = printed(table(3), Facts((("name", "value"),)), number="ZJ-022")
    assert rendered(one) == rendered(one)
    assert rendered(one) != rendered(one, at=AT + dt.timedelta(minutes=1))


def test_a_cell_that_is_higher_than_a_page_goes_on_below() -> None:
    words = [f"word{number}" for number in range(4000)]
    text = words_of(rendered(printed(Table(head=("A", "B"), rows=((" ".join(words), "other"),), widths=(90, 90)))))
    assert [one for one in words if one not in text] == []
    lines = "\n".join(words[:300])
    assert words[299] in words_of(rendered(printed(Table(head=("A",), rows=((lines,),), widths=(180,)))))


@pytest.mark.parametrize("text", ["字" * 399, "ab " * 133, "x" * 399, "a\n" * 199])
def test_nor_is_anything_lost_where_a_column_is_narrow(text: str) -> None:
    one = printed(Table(head=("A", "B"), rows=((text, "other"),), widths=(7, 90), size=9.5), is_wide=True)
    assert words_of(rendered(one)).count(text[0]) >= text.count(text[0])


def test_a_chinese_text_is_broken_where_the_line_is_full_and_no_line_begins_with_a_stop() -> None:
    text = "诊断为初诊或难治/复发的急性 B 淋巴细胞白血病（B-ALL），包括伯基特淋巴瘤白血病，经化疗达到完全缓解。" * 6
    for block in (Words(text), Table(("A",), ((text,),), (180,)), Table(("A",), (Band(text),), (180,))):
        lines = [one for one in pages_of(rendered(printed(block)))[0].split("\n") if CHINESE.search(one)]
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert [one for one in lines if one[0] in "，。）"] == []
        assert min(map(len, lines[:-1])) > 25


def test_an_empty_table_says_what_is_not_there() -> None:
    text = pages_of(rendered(printed(Table(head=("A",), rows=(), widths=(1,), empty="None is there."))))[0]
    assert "None is there." in text
    assert "A\n" not in text


def test_what_the_font_cannot_draw_is_seen_all_the_same() -> None:
    # As whoever draws QR codes does.
    ElementTree.register_namespace("svg", "http://www.w3.org/2000/svg")
    blocks = (
        Words(RARE),
        Facts(((RARE, RARE),)),
        Table(head=(RARE,), rows=((RARE,), Band(RARE, "")), widths=(180,)),
        Picture(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 40"><text x="5" y="20">{RARE}</text></svg>'),
    )
    one = Print(title=RARE, sections=(Section("one", RARE, blocks),), site=RARE, number=RARE)
    text = pages_of(rendered(one))[0]
    # Site and number at the head, the title above and at the foot, where it has the number; the heading; each block.
    assert text.count("[U+20BB7]田[U+1F600]") == 2 + 1 + 1 + 1 + 1 + 2 + 3 + 1
    assert "𠮷" not in text


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("0.5 × 10⁸", "0.5 × 10^8"),
        ("✓ 10⁹/L ✗", "√ 10^9/L ×"),
        ("e\u0301", "é"),
        ("\u202aZJ-022\u202c\ufeff", "ZJ-022"),
        ("\U0001d7cf\U0002f800", "1丽"),
        ("a\nb\tc\x00", "a\nb c"),
        ("\ud800\ue000", "[U+D800][U+E000]"),
    ],
)
def test_another_writing_stands_for_what_the_font_lacks(typed: str, shown: str) -> None:
    assert pdf.plain(typed) == shown


def test_all_our_own_words_can_be_drawn() -> None:
    catalogue = polib.pofile(str(settings.BASE_DIR / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"))
    ours = [text for one in catalogue for text in (one.msgid, one.msgstr, *one.msgstr_plural.values())]
    ours += [path.read_text() for path in Path(settings.BASE_DIR, "trialsite", "studies").rglob("*.toml")]
    assert len(ours) > 4000
    lost = {text for text in ours for one in text if re.match(r"\[U\+|^$", pdf.plain(one)) and one.isprintable()}
    assert {text for text in lost if not re.search("[\ufe0e\ufe0f]", text)} == set()


def test_the_letters_of_a_print_are_in_no_log(caplog: Any) -> None:
    """The library tells which letters it keeps of the font, and so who stands on the paper."""
    rendered(printed(Words("王小明")))
    assert [one.name for one in caplog.records] == []
    assert not logging.getLogger("fontTools.subset").isEnabledFor(logging.INFO)


@pytest.mark.parametrize(
    ("e8", "words"),
    [("0.50", "0.5 x 10^8 (50,000,000 cells)"), ("1.2345", "1.2345 x 10^8 (123,450,000 cells)")],
)
def test_no_reader_of_a_dose_loses_its_exponent(e8: str, words: str) -> None:
    with translation.override("en"):
        assert prints.cells(Decimal(e8)) == words
