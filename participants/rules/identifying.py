"""Whether a free text names the person whom it is about, and where.

Sources: the study's own rule [P] for what counts as a hit; GB 11643-1999 for the number of an identity card (eighteen
places, the birth date in places 7 to 14, the last by ISO 7064 MOD 11-2); GB/T 28039-2011 for names in pinyin (family
name first; other papers put it last). Letters are compared without width, case, accents and blanks (Unicode Standard
Annex 15, NFKD).

A hit is certain, or it is a question where the same letters are often something else: the name 张力 is in 张力性气胸,
a year of two digits is a number, and Li Na is half of "lithium, sodium".
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from participants.rules.identity import Identity
from participants.rules.identity import plain as plain_code


class Kind(StrEnum):
    NAME = "name"
    SURNAME = "surname"
    PHONE = "phone"
    HOSPITAL_NUMBER = "hospital_number"
    BIRTH_DATE = "birth_date"
    ID_NUMBER = "id_number"
    OTHER_PHONE = "other_phone"


@dataclass(frozen=True)
class Finding:
    """What was found at these letters of the text; where it may be something else, it is asked about."""

    kind: Kind
    start: int
    end: int
    is_certain: bool


@dataclass(frozen=True)
class _Pattern:
    kind: Kind
    regex: re.Pattern[str]
    is_certain: bool


Sounds = tuple[tuple[str, ...], ...]


def find(text: str, identity: Identity, sounds: Sounds = ()) -> list[Finding]:
    """In the order of the text. `sounds`: the readings of each letter of a Chinese name, as pinyin without tones.

    >>> [one.kind.value for one in find("王 小 明 138-0000-0000", Identity("王小明", dt.date(1990, 5, 17), phone="13800000000"))]
    ['name', 'phone']
    """  # noqa: E501  # one example
    folded, places = _folded(text)
    hits = [*_hits(folded, _patterns(identity, sounds)), *_id_numbers(folded, identity.birth_date)]
    hits += [one for one in _other_phones(folded) if not any(_touch(one, other) for other in hits)]
    found = [Finding(kind, places[start], places[end - 1] + 1, sure) for kind, start, end, sure in hits]
    return sorted(set(_strongest(found)), key=lambda one: (one.start, one.end, one.kind))


def masked(text: str, findings: Iterable[Finding], words: Mapping[str, Any]) -> str:
    """The text with a word in place of each finding.

    >>> masked("王小明 well", [Finding(Kind.NAME, 0, 3, True)], {"name": "[name]"})
    '[name] well'
    """
    made, upto = "", 0
    for one in sorted(findings, key=lambda one: (one.start, -one.end)):
        if one.start >= upto:
            made, upto = f"{made}{text[upto : one.start]}{words[one.kind]}", one.end
        upto = max(upto, one.end)
    return made + text[upto:]


# --- The text -----------------------------------------------------------------------------------------

_DASHES = frozenset("‐‑‒–—―−")
_MIDDLE_DOTS = frozenset("·•‧∙・")


@lru_cache(maxsize=4096)
def _letters(letter: str) -> str:
    if letter in _DASHES:
        return "-"
    if letter in _MIDDLE_DOTS:
        return "·"
    plain = unicodedata.normalize("NFKD", letter).casefold()
    return "".join(one for one in plain if unicodedata.category(one) not in {"Mn", "Cf", "Cc"} or one.isspace())


def _folded(text: str) -> tuple[str, list[int]]:
    """The text in one width and case, without accents and invisible marks; and where each letter of it stood."""
    pairs = [(one, place) for place, letter in enumerate(text) for one in _letters(letter)]
    return "".join(one for one, _place in pairs), [place for _one, place in pairs]


_Hit = tuple[Kind, int, int, bool]


def _hits(folded: str, patterns: Iterable[_Pattern]) -> Iterator[_Hit]:
    for pattern in patterns:
        for found in pattern.regex.finditer(folded):
            yield pattern.kind, found.start(), found.end(), pattern.is_certain


def _touch(one: _Hit, other: _Hit) -> bool:
    return one[1] < other[2] and other[1] < one[2]


def _strongest(found: list[Finding]) -> Iterator[Finding]:
    """A question about what is certain already is none."""
    certain = [one for one in found if one.is_certain]
    for one in found:
        if one.is_certain or not any(one.start < sure.end and sure.start < one.end for sure in certain):
            yield one


# --- What is looked for -------------------------------------------------------------------------------

_GAP = r"[\s·.\-_]*"
_NO_DIGIT_BEFORE, _NO_DIGIT_AFTER = r"(?<!\d)(?<!\d\.)", r"(?!\d)"


@lru_cache(maxsize=256)
def _patterns(identity: Identity, sounds: Sounds) -> tuple[_Pattern, ...]:
    return (
        *_of_name(identity.name, sounds),
        *_of_phone(identity.phone),
        *_of_hospital_number(identity.hospital_number),
        *_of_birth_date(identity.birth_date),
    )


def _spaced(letters: Iterable[str], gap: str = _GAP) -> str:
    return gap.join(re.escape(letter) for letter in letters)


# --- The name -----------------------------------------------------------------------------------------

_HAN = r"[\u3400-\u9fff\U00020000-\U0003ffff]"
# Family names of two letters that are in use.
_TWO_LETTERS = frozenset(
    re.findall("..", "欧阳司马上官诸葛皇甫尉迟公孙慕容令狐宇文长孙司徒司空夏侯东方独孤南宫端木申屠澹台闻人赫连呼延轩辕")
)
_CALLED = r"(?:患者|病人|病友|受试者|参与者|姓名|名字|名叫|叫做|患儿)[:\s]*"
_TITLED = r"(?:先生|女士|小姐|同志|阿姨|叔叔|大爷|大妈|小朋友|家属|本人)"
_TITLE_ALONE = r"(?:先生|女士|小姐|阿姨|叔叔|大爷|大妈|某某|某)"


def _of_name(name: str, sounds: Sounds) -> Iterator[_Pattern]:
    letters = [letter for letter in _folded(name)[0] if letter.isalnum()]
    if letters and all(re.fullmatch(r"[a-z]", letter) for letter in letters):
        yield from _of_latin_name(re.findall(r"[a-z]+", _folded(name)[0]))
    elif len(letters) > 1:
        yield from _of_chinese_name(letters)
        yield from _of_pinyin(letters, sounds)


def _of_chinese_name(letters: list[str]) -> Iterator[_Pattern]:
    whole = _spaced(letters)
    yield _Pattern(Kind.NAME, re.compile(whole), is_certain=len(letters) > 2)
    if len(letters) == 2:
        sure = rf"(?<!{_HAN}){whole}(?={_GAP}{_TITLED})|^\s*{whole}\s*$|{_CALLED}{whole}(?!{_HAN})"
        yield _Pattern(Kind.NAME, re.compile(sure), is_certain=True)
    surname = _spaced(letters[: _surname(letters)])
    yield _Pattern(Kind.SURNAME, re.compile(rf"(?<!{_HAN}){surname}{_GAP}{_TITLE_ALONE}"), is_certain=False)
    yield _Pattern(Kind.SURNAME, re.compile(rf"{_CALLED}{surname}{_TITLE_ALONE}"), is_certain=False)


def _surname(letters: list[str]) -> int:
    return 2 if len(letters) > 2 and "".join(letters[:2]) in _TWO_LETTERS else 1


def _of_latin_name(words: list[str]) -> Iterator[_Pattern]:
    """As it is written, and with the last word first, or the first one last."""
    if len(words) == 1:
        if len(words[0]) > 2:
            yield _Pattern(Kind.NAME, _word(re.escape(words[0])), is_certain=False)
        return
    orders = {tuple(words), (*words[1:], words[0]), (words[-1], *words[:-1])}
    sure = sum(map(len, words)) > 4
    for order in sorted(orders):
        yield _Pattern(Kind.NAME, _word(_GAP_OF_WORDS.join(map(re.escape, order))), is_certain=sure)
    for word in {words[0], words[-1]}:
        titled = rf"(?:mr|mrs|ms|miss)\.?\s*{re.escape(word)}"
        yield _Pattern(Kind.SURNAME, _word(titled), is_certain=False)


# "Wang, Xiaoming" and "xiao'ming" too.
_GAP_OF_WORDS = r"[\s·.,\-_'’]*"


def _word(inner: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{inner})(?![a-z])")


def _of_pinyin(letters: list[str], sounds: Sounds) -> Iterator[_Pattern]:
    """Of a name of two letters alone it is a question: wangli is one, and so is mali, the country."""
    if not 1 < len(letters) < 5 or len(sounds) != len(letters) or not all(sounds):
        return
    said = [_syllable(one) for one in sounds]
    cut = _surname(letters)
    for order in ((*said[:cut], *said[cut:]), (*said[cut:], *said[:cut])):
        yield _Pattern(Kind.NAME, _word(_GAP_OF_WORDS.join(order)), is_certain=len(letters) > 2)
    titled = rf"(?:mr|mrs|ms|miss)\.?\s*{_GAP_OF_WORDS.join(said[:cut])}"
    yield _Pattern(Kind.SURNAME, _word(titled), is_certain=False)


def _syllable(readings: tuple[str, ...]) -> str:
    """Every reading of a letter; a v stands for ü, which is also written u, and yu on passports."""
    return f"(?:{'|'.join(re.escape(_folded(one)[0]).replace('v', '(?:v|yu|u)') for one in readings)})"


# --- Numbers ------------------------------------------------------------------------------------------

_GAP_OF_DIGITS = r"[\s\-().·]*"
_CHINA = r"(?:(?:\+|00)?86[\s\-()]*)?"
_MOBILE = re.compile(rf"{_NO_DIGIT_BEFORE}{_CHINA}1[3-9]\d[\s\-]?\d{{4}}[\s\-]?\d{{4}}{_NO_DIGIT_AFTER}")


def _of_phone(phone: str) -> Iterator[_Pattern]:
    for digits in _phones(phone):
        number = rf"{_NO_DIGIT_BEFORE}{_CHINA}{_spaced(digits, _GAP_OF_DIGITS)}{_NO_DIGIT_AFTER}"
        yield _Pattern(Kind.PHONE, re.compile(number), is_certain=len(digits) > 7)


def _phones(phone: str) -> Iterator[str]:
    """Each number of the field without the country's; one with an area code also without that."""
    for part in re.split(r"[/,;、，；或]", _folded(phone)[0]):
        digits = re.sub(r"\D", "", part)
        digits = re.sub(r"^(?:00)?86(?=1\d{10}$|[2-9]\d{8,10}$)", "", digits)
        if len(digits) > 6:
            yield digits
        if len(digits) > 9 and digits.startswith("0"):
            yield digits[3:] if digits[1] in "12" else digits[4:]


def _of_hospital_number(number: str) -> Iterator[_Pattern]:
    """A short number without a letter may be any value: it is asked about, where it stands in one piece."""
    key = _folded(plain_code(number))[0].replace("/", "")
    is_digits = key.isdigit()
    if len(key) < 3 and (is_digits or not any(one.isdigit() for one in key)):
        return
    gap = "" if is_digits and len(key) < 7 else r"[\s\-./]*"
    inner = rf"(?<![a-z0-9])(?<!\d\.){_spaced(key, gap)}(?![a-z0-9])"
    yield _Pattern(Kind.HOSPITAL_NUMBER, re.compile(inner), is_certain=len(key) > (6 if is_digits else 4))


def _other_phones(folded: str) -> Iterator[_Hit]:
    for found in _MOBILE.finditer(folded):
        yield Kind.OTHER_PHONE, found.start(), found.end(), False


# --- The birth date -----------------------------------------------------------------------------------

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DIGITS = ("[〇零o]", *"一二三四五六七八九")
_BORN = r"(?:出生日期|出生|生日|生于|born(?:\s+on)?|birthday|birth\s*date|dob|date of birth)"


def _of_birth_date(day: dt.date | None) -> Iterator[_Pattern]:
    if day is None:
        return
    y, m, d, yy = f"{day:%Y}", f"0?{day.month}", f"0?{day.day}", f"{day:%y}"
    month = rf"{_MONTHS[day.month - 1]}[a-z]*"
    sure = (
        rf"{y}\s*[\-/.年\s]\s*{m}\s*[\-/.月\s]\s*{d}",
        rf"{day:%Y%m%d}",
        rf"{d}\s*[\-/.\s]\s*{m}\s*[\-/.\s]\s*{y}",
        rf"{m}\s*[\-/.\s]\s*{d}\s*[\-/.\s]\s*{y}",
        rf"{d}(?:st|nd|rd|th)?[\s\-./,]*{month}[\s\-./,]*{y}",
        rf"{y}[\s\-./,]*{month}[\s\-./,]*{d}(?:st|nd|rd|th)?",
    )
    worded = rf"(?<![a-z]){month}[\s\-./]*{d}(?:st|nd|rd|th)?[\s\-./,]*{y}"
    asked = (
        rf"{yy}\s*[\-/.年]\s*{m}\s*[\-/.月]\s*{d}",
        rf"{day:%y%m%d}",
        rf"{m}月{d}[日号]?(?=\s*(?:出生|生日|生\b|生[,;。]))",
    )
    for inner in sure:
        yield _Pattern(Kind.BIRTH_DATE, re.compile(rf"{_NO_DIGIT_BEFORE}(?:{inner}){_NO_DIGIT_AFTER}"), True)
    yield _Pattern(Kind.BIRTH_DATE, re.compile(rf"{worded}{_NO_DIGIT_AFTER}"), is_certain=True)
    yield _Pattern(Kind.BIRTH_DATE, re.compile(_in_chinese_digits(day)), is_certain=True)
    for inner in asked:
        yield _Pattern(Kind.BIRTH_DATE, re.compile(rf"{_NO_DIGIT_BEFORE}(?:{inner}){_NO_DIGIT_AFTER}"), False)
    beside = rf"{_BORN}[^\d]{{0,6}}{m}\s*[\-/.月]\s*{d}{_NO_DIGIT_AFTER}"
    yield _Pattern(Kind.BIRTH_DATE, re.compile(beside), is_certain=False)


def _in_chinese_digits(day: dt.date) -> str:
    """二〇一〇年三月五日.

    >>> bool(re.fullmatch(_in_chinese_digits(dt.date(2010, 3, 25)), "二零一〇年三月二十五日"))
    True
    """
    year = r"\s*".join(_DIGITS[int(one)] for one in f"{day:%Y}")
    return rf"{year}\s*年\s*{_counted(day.month)}\s*月\s*{_counted(day.day)}(?![一二三四五六七八九十])"


def _counted(number: int) -> str:
    tens, ones = divmod(number, 10)
    ten = "" if not tens else "十" if tens == 1 else f"{_DIGITS[tens]}十"
    return ten + (_DIGITS[ones] if ones else "")


# --- The identity card ---------------------------------------------------------------------------------

_CARD = re.compile(r"(?<!\d)(?:\d[\s\-]?){17}[\dx](?![\da-z])")
_OLD_CARD = re.compile(r"(?<!\d)(?:\d[\s\-]?){14}\d(?![\da-z])")
_WEIGHTS = tuple(pow(2, 17 - place, 11) for place in range(17))


def is_card_number(number: str) -> bool:
    """Whether these eighteen places are the number of an identity card: a day that exists, and the right last place.

    >>> is_card_number("11010519491231002X"), is_card_number("110105194912310021")
    (True, False)
    """
    if not re.fullmatch(r"[1-9]\d{16}[\dXx]", number, re.ASCII):
        return False
    try:
        dt.date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], _WEIGHTS, strict=True))
    return "10X98765432"[total % 11] == number[17].upper()


def _id_numbers(folded: str, birth_date: dt.date | None) -> Iterator[_Hit]:
    """Anybody's number of an identity card; and what is built like one and holds this birth date, misread or old."""
    for found in _CARD.finditer(folded):
        number = re.sub(r"[\s\-]", "", found[0])
        if is_card_number(number) or (birth_date and number[6:14] == f"{birth_date:%Y%m%d}"):
            yield Kind.ID_NUMBER, found.start(), found.end(), True
    for found in _OLD_CARD.finditer(folded):
        if birth_date and re.sub(r"[\s\-]", "", found[0])[6:12] == f"{birth_date:%y%m%d}":
            yield Kind.ID_NUMBER, found.start(), found.end(), True
