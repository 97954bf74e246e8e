"""A text that names the person is found, in every spelling; a text that does not is left alone."""

import datetime as dt
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from participants.rules.identifying import Finding, Kind, find, is_card_number, masked
from participants.rules.identity import Identity

BORN = dt.date(2010, 3, 5)
MING = Identity("王小明", BORN, "ZY-1002345", "13812345678")
SOUNDS = (("wang",), ("xiao",), ("ming", "meng"))
LI = Identity("张力", dt.date(1985, 11, 24), "20417", "020-87654321")
LI_SOUNDS = (("zhang",), ("li",))
LATIN = Identity("Aisha Karim", dt.date(1999, 1, 31), "H12", "+86 139 1111 2222")
# Valid by their last place; nobody's.
CARD, OLD_CARD = "11010519491231002X", "110105100305123"


def seen(text: str, identity: Identity = MING) -> str:
    """Kinds found, those that are asked about with a question mark."""
    sounds = {MING.name: SOUNDS, LI.name: LI_SOUNDS}.get(identity.name, ())
    found = find(text, identity, sounds)
    return " ".join(sorted({f"{one.kind}{'' if one.is_certain else '?'}" for one in found}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("王小明", "name"),
        ("今日王小明发热", "name"),
        ("王　小明", "name"),
        ("王 小 明", "name"),
        ("王·小明", "name"),
        ("王\u200b小明", "name"),
        ("王小红", ""),
        ("小明", ""),
        ("王明小", ""),
        ("王先生诉头痛", "surname?"),
        ("患者王女士", "surname?"),
        ("国王先生", ""),
        ("Wang Xiaoming", "name"),
        ("WANGXIAOMING", "name"),
        ("xiao-ming, WANG", "name"),
        ("Ｗａｎｇ Ｘｉａｏｍｉｎｇ", "name"),
        ("Wáng Xiǎomíng", "name"),
        ("wang xiaomeng", "name"),
        ("mr. wang", "surname?"),
        ("wangxiaomingjie", ""),
        ("Huang Xiaoming", ""),
        ("xiaoming", ""),
    ],
)
def test_name(text: str, expected: str) -> None:
    assert seen(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("张力性气胸", "name?"),
        ("肌张力高", "name?"),
        ("张力", "name"),
        ("张 力", "name"),
        ("姓名：张力", "name"),
        ("患者张力性气胸", "name?"),
        ("张力先生", "name"),
        ("zhang li", "name?"),
        ("zhangli", "name?"),
        ("Li, Zhang", "name?"),
        ("zhanglin", ""),
    ],
)
def test_a_name_of_two_letters_is_asked_about_where_it_may_be_a_word(text: str, expected: str) -> None:
    assert seen(text, LI) == expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("Aisha Karim", "aisha  KARIM", "name"),
        ("Aisha Karim", "Karim, Aisha", "name"),
        ("Aisha Karim", "Ms Karim", "surname?"),
        ("Aisha Karim", "karim", ""),
        ("Aisha Karim", "Aisha Karimov", ""),
        ("Rose", "rose spots", "name?"),
        ("Rose", "prose", ""),
        ("Bo", "bo", ""),
        ("Bo Li", "bo li", "name?"),
        ("王", "王", ""),
        ("", "fever", ""),
        ("欧阳小明", "欧阳先生", "surname?"),
        ("欧阳小明", "欧先生", ""),
        ("阿迪力·买买提", "阿迪力 买买提", "name"),
    ],
)
def test_other_names(name: str, text: str, expected: str) -> None:
    assert seen(text, Identity(name, BORN)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("13812345678", "phone"),
        ("电话138-1234-5678转", "phone"),
        ("138 1234 5678", "phone"),
        ("+86 13812345678", "phone"),
        ("008613812345678", "phone"),
        ("１３８１２３４５６７８", "phone"),
        ("1 3 8 1 2 3 4 5 6 7 8", "phone"),
        ("call 1381234567", ""),
        ("138123456789", ""),
        ("0.13812345678", ""),
        ("母亲 13900001111", "other_phone?"),
        ("139-0000-1111", "other_phone?"),
        ("12900001111", ""),
    ],
)
def test_phone(text: str, expected: str) -> None:
    assert seen(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("020-87654321", "phone"),
        ("(020) 8765 4321", "phone"),
        ("87654321", "phone"),
        ("0755-8765432", ""),
    ],
)
def test_phone_with_an_area_code(text: str, expected: str) -> None:
    assert seen(text, LI) == expected


def test_each_of_two_phones() -> None:
    two = Identity("王小明", BORN, phone="13812345678/02087654321")
    assert [seen(text, two) for text in ("138 12345678", "8765-4321", "1381234")] == ["phone", "phone", ""]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ZY-1002345", "hospital_number"),
        ("住院号zy1002345。", "hospital_number"),
        ("ZY 100 2345", "hospital_number"),
        ("ＺＹ１００２３４５", "hospital_number"),
        ("ZY10023456", ""),
        ("1002345", ""),
    ],
)
def test_hospital_number(text: str, expected: str) -> None:
    assert seen(text) == expected


@pytest.mark.parametrize(
    ("number", "text", "expected"),
    [
        ("20417", "ferritin 20417", "hospital_number?"),
        ("20417", "20 417", ""),
        ("20417", "0.20417", ""),
        ("20417", "120417", ""),
        ("H12", "bed H-12", "hospital_number?"),
        ("12", "12", ""),
        ("H1", "H1N1", ""),
        ("1234567", "123 4567", "hospital_number"),
    ],
)
def test_a_short_hospital_number_is_asked_about(number: str, text: str, expected: str) -> None:
    assert seen(text, Identity("王小明", dt.date(1985, 1, 1), number)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2010-03-05", "2010/3/5", "2010.3.5", "2010年3月5日", "2010 年 3 月 5 日", "20100305", "２０１０－０３－０５",
        "生于2010-3-5。", "05/03/2010", "03/05/2010", "5.3.2010", "5 March 2010", "Mar 5, 2010", "5-Mar-2010",
        "March 5th 2010", "2010 Mar 05", "二〇一〇年三月五日", "二零一零年三月五号", "2010–03–05",
    ],
)  # fmt: skip
def test_birth_date(text: str) -> None:
    assert seen(text) == "birth_date"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100305", "birth_date?"),
        ("10-3-5", "birth_date?"),
        ("10年3月5日", "birth_date?"),
        ("出生日期: 3月5日", "birth_date?"),
        ("3月5日出生", "birth_date?"),
        ("born 3/5", "birth_date?"),
        ("3月5日生化检查", ""),
        ("3月5日发热", ""),
        ("2010-03-06", ""),
        ("2010-03-051", ""),
        ("12010-03-05", ""),
        ("2010-3-15", ""),
        ("2010-13-05", ""),
        ("二〇一〇年三月五十", ""),
        ("1003051", ""),
        ("summary 5, 2010", ""),
    ],
)
def test_what_may_be_the_birth_date_is_asked_about(text: str, expected: str) -> None:
    assert seen(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CARD, "id_number"),
        ("身份证110105 19491231 002x", "id_number"),
        ("110105194912310021", ""),
        (f"1{CARD}", ""),
        ("110105201003050017", "id_number"),
        (OLD_CARD, "id_number"),
        ("110105110305123", ""),
    ],
)
def test_identity_card(text: str, expected: str) -> None:
    assert seen(text) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("11010519491231002X", True),
        ("11010519491231002x", True),
        ("440524188001010014", True),
        ("110105194912310020", False),
        ("110105194913310029", False),
        ("010105194912310021", False),
        ("1101051949123100", False),
    ],
)
def test_the_last_place_of_an_identity_card(number: str, expected: bool) -> None:
    assert is_card_number(number) is expected


def test_where_it_stands() -> None:
    text = "体温 38，王　小明 (138-1234-5678)"
    assert [text[one.start : one.end] for one in find(text, MING)] == ["王　小明", "138-1234-5678"]


WORDS = {kind.value: f"[{kind.value}]" for kind in Kind}


def test_a_word_stands_in_place_of_each() -> None:
    text = "王 小明 of 2010-03-05, 138 1234 5678"
    assert masked(text, find(text, MING), WORDS) == "[name] of [birth_date], [phone]"
    both = [Finding(Kind.NAME, 0, 4, True), Finding(Kind.SURNAME, 1, 6, False)]
    assert masked("abcdefgh", both, WORDS) == "[name]gh"


BLANKS = st.text(" \t\n\u3000\u200b\u2009·-", max_size=3)
CHINESE = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=2, max_size=4)


@given(CHINESE, st.text(max_size=20), st.text(max_size=20), st.data())
def test_a_name_with_blanks_in_it_is_found_whatever_stands_around_it(
    name: str, before: str, after: str, data: st.DataObject
) -> None:
    written = "".join(letter + data.draw(BLANKS) for letter in name[:-1]) + name[-1]
    found = find(f"{before}{written}{after}", Identity(name, BORN))
    assert any(one.kind == Kind.NAME for one in found)


@given(CHINESE, st.text(max_size=40))
def test_no_name_is_found_where_none_of_its_letters_stands(name: str, text: str) -> None:
    assume(not set(name) & set(unicodedata.normalize("NFKD", text)))
    found = {one.kind for one in find(text, Identity(name, BORN))}
    assert not found & {Kind.NAME, Kind.SURNAME}


@given(st.text(max_size=60), st.dates(dt.date(1900, 1, 1), dt.date(2030, 1, 1)))
def test_what_is_masked_names_nobody_any_more(text: str, born: dt.date) -> None:
    known = Identity("王小明", born, "ZY1002345", "13812345678")
    found = find(f"{text} 王小明 {born} 13812345678", known)
    assert {one.kind for one in found} >= {Kind.NAME, Kind.BIRTH_DATE}
    left = masked(f"{text} 王小明 {born} 13812345678", found, WORDS)
    assert not any(one.is_certain for one in find(left, known))
