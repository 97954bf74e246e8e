"""What people type, understood: numbers, dates, times and codes, as a Chinese or an English keyboard writes them.

Pure: no Django, no clock. What has one meaning is read; what may have two (37,5; 11/24/2026) is a question, never a
guess. Only the width of letters is folded, since full NFKC would make 107 of 10⁷ and 12 of 1².
"""

import datetime as dt
import re
import unicodedata
from decimal import Decimal
from enum import StrEnum

from trialsite.partialdate import PartialDate


def plain_number(value: Decimal) -> str:
    """As somebody would write it, without the noughts that a column adds.

    >>> plain_number(Decimal("10.0000")), plain_number(Decimal("0.625")), plain_number(Decimal("5000000.0"))
    ('10', '0.625', '5000000')
    """
    return f"{value.normalize():f}"


class Doubt(StrEnum):
    """Why a text cannot be taken as it stands."""

    NUMBER = "number"
    DECIMAL_COMMA = "decimal comma"
    THOUSANDS = "thousands"
    SPACED = "spaced"
    UNIT = "unit"
    WHOLE = "whole"
    DATE = "date"
    YEAR_LAST = "year last"
    SHORT_YEAR = "short year"
    NO_YEAR = "no year"
    NO_SUCH_DAY = "no such day"
    TIME = "time"
    NO_SUCH_TIME = "no such time"
    BARE_HOUR = "bare hour"
    MOMENT = "moment"


class Unreadable(ValueError):
    """A text that asks for an answer: the doubt, and what may have been meant, in our spelling."""

    def __init__(self, doubt: Doubt, typed: str, *meant: str) -> None:
        super().__init__(f"{doubt.value}: {typed!r}")
        self.doubt, self.typed, self.meant = doubt, typed, meant


# --- The text -----------------------------------------------------------------------------------------

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹣"), "-")


def _folded(letter: str) -> str:
    kind = unicodedata.decomposition(letter).partition(" ")[0]
    return unicodedata.normalize("NFKC", letter) if kind in {"<wide>", "<narrow>"} else letter


def _is_invisible(letter: str) -> bool:
    """Marks of direction and zero-width spaces, which come along when a text is copied."""
    return unicodedata.category(letter) == "Cf"


def plain(text: str) -> str:
    """The text without the differences that a keyboard makes: full width, spaces, invisible marks.

    >>> plain("　ＺＪ－０２２ ")
    'ZJ-022'
    """
    return " ".join("".join(_folded(letter) for letter in text if not _is_invisible(letter)).split())


def word_key(text: str) -> str:
    """For looking a word up in a dictionary: one width, small letters, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


# --- Codes --------------------------------------------------------------------------------------------


def read_code(text: str) -> str:
    """A number of a person, a lot, a certificate: one width, plain hyphens, no stray spaces.

    >>> read_code(" cd19 – ０２７")
    'cd19-027'
    """
    return re.sub(r"\s*([-/])\s*", r"\1", plain(text).translate(_DASHES))


def code_key(text: str) -> str:
    """What two spellings of the same code have in common: compared, and kept where only the whole value can be found.

    >>> code_key("zj－ 022") == code_key("ZJ-022")
    True
    """
    return read_code(text).replace(" ", "").upper()


def is_same_code(one: str, other: str) -> bool:
    """Whether both name the same; an empty code names nothing."""
    return bool(code_key(one)) and code_key(one) == code_key(other)


def read_key(value: object) -> int | None:
    """The number of a row as an address names it; None for whatever names none.

    >>> read_key("17"), read_key("abc"), read_key("²"), read_key(None)
    (17, None, None, None)
    """
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


# --- Numbers ------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,2})?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_COMMA = re.compile(r"[+-]?\d+(?:\.\d{3})*,\d+", re.ASCII)
_GROUPED = re.compile(r"[+-]?\d{1,3}(?: \d{3})+(?:\.\d+)?", re.ASCII)
_WITH_UNIT = re.compile(r"([+-]?\d+(?:\.\d+)?) ?[A-Za-z%℃°‰µμ/\u4e00-\u9fff][^\d,]*", re.ASCII)


def read_decimal(text: str) -> Decimal:
    """A number with a point. Raises Unreadable, for a comma with what may have been meant.

    >>> read_decimal(" ３９．１ "), read_decimal("39。1")
    (Decimal('39.1'), Decimal('39.1'))
    """
    written = plain(text).translate(_DASHES).replace("。", ".").replace("、", ",")
    written = re.sub(r"(?<=\d) (?=[.,])|(?<=[.,]) (?=\d)|(?<=[+-]) (?=[\d.])", "", written)
    if _NUMBER.fullmatch(written):
        return Decimal(written)
    raise _doubt_of_number(text, written)


def _doubt_of_number(text: str, written: str) -> Unreadable:
    if _THOUSANDS.fullmatch(written):
        joined = written.replace(",", "")
        # 12,000 is twelve thousand to one reader and twelve to another.
        also = (written.replace(",", "."),) if written.count(",") == 1 and "." not in written else ()
        return Unreadable(Doubt.THOUSANDS, text, joined, *also)
    if _COMMA.fullmatch(written):
        return Unreadable(Doubt.DECIMAL_COMMA, text, written.replace(".", "").replace(",", "."))
    if _GROUPED.fullmatch(written):
        return Unreadable(Doubt.SPACED, text, written.replace(" ", ""))
    if found := _WITH_UNIT.fullmatch(written):
        return Unreadable(Doubt.UNIT, text, found[1])
    return Unreadable(Doubt.NUMBER, text)


# How reports and keyboards write a bound, the longer spelling first.
_SIGNS = {"<=": "≤", "=<": "≤", ">=": "≥", "=>": "≥", "≦": "≤", "⩽": "≤", "≧": "≥", "⩾": "≥"}
_SIGNS |= {sign: sign for sign in ("<", ">", "≤", "≥")}


def split_bound(text: str) -> tuple[str, str]:
    """The bound in our spelling, and what stands behind it; no bound is an empty one.

    >>> split_bound("＞＝1000"), split_bound("7.5")
    (('≥', '1000'), ('', '7.5'))
    """
    written = plain(text)
    spelt = next((one for one in _SIGNS if written.startswith(one)), "")
    return _SIGNS.get(spelt, ""), written[len(spelt) :].strip()


def read_bound(text: str) -> tuple[str, Decimal]:
    """A laboratory's number and the bound before it: "<0.5" is ("<", 0.5). The arrow behind it says no more than the
    limits do. Raises Unreadable.

    >>> read_bound("＜０．５"), read_bound("<=5"), read_bound("12.5 ↑")
    (('<', Decimal('0.5')), ('≤', Decimal('5')), ('', Decimal('12.5')))
    """
    bound, number = split_bound(plain(text).rstrip("↑↓ "))
    try:
        return bound, read_decimal(number)
    except Unreadable as asked:
        raise Unreadable(asked.doubt, text, *(f"{bound}{meant}" for meant in asked.meant)) from None


def read_whole(text: str) -> int:
    """A number without a fraction; 5.0 is one. Raises Unreadable."""
    number = read_decimal(text)
    if number != number.to_integral_value():
        raise Unreadable(Doubt.WHOLE, text)
    return int(number)


# --- Dates --------------------------------------------------------------------------------------------

_DATE = re.compile(
    r"(\d{4})(?:([-/.])(\d{1,2})\2(\d{1,2})|年(\d{1,2})月(\d{1,2})[日号]?| (\d{1,2}) (\d{1,2}))", re.ASCII
)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_MONTH = re.compile(r"(\d{4})(?:[-/.](\d{1,2})|年(\d{1,2})月)", re.ASCII)
_YEAR = re.compile(r"(\d{4})年?", re.ASCII)
_YEAR_LAST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})", re.ASCII)
_SHORT_YEAR = re.compile(r"(\d{2})[-/.年](\d{1,2})[-/.月](\d{1,2})[日号]?", re.ASCII)
_NO_YEAR = re.compile(r"\d{1,2}(?:[-/.]\d{1,2}|月\d{1,2}[日号]?)", re.ASCII)
_MIDNIGHT = re.compile(r"[ T]0{1,2}:00(?::00)?(?:\.0+)?$")


def _dated(text: str) -> str:
    """The text with plain hyphens and points, and no spaces around what separates."""
    written = plain(text).translate(_DASHES).replace("。", ".")
    return re.sub(r" ?([-/.年月]) ?| (?=[日号])", r"\1", written)


def read_date(text: str) -> dt.date:
    """A whole date, the year first. Raises Unreadable.

    >>> {read_date(text).isoformat() for text in ("2026-11-24", "2026/11/24", "2026 年11月24日", "20261124")}
    {'2026-11-24'}
    """
    # A spreadsheet writes midnight behind a date.
    written = _MIDNIGHT.sub("", _dated(text))
    found = _DATE.fullmatch(written) or _COMPACT.fullmatch(written)
    if found is None:
        raise _doubt_of_date(text, written)
    year, month, day = (int(part) for part in found.groups() if part and part.isdigit())
    return _day(text, year, month, day)


def _day(text: str, year: int, month: int, day: int) -> dt.date:
    try:
        return dt.date(year, month, day)
    except ValueError:
        raise Unreadable(Doubt.NO_SUCH_DAY, text) from None


def _exists(year: int, month: int, day: int) -> list[str]:
    try:
        return [dt.date(year, month, day).isoformat()]
    except ValueError:
        return []


def _doubt_of_date(text: str, written: str) -> Unreadable:
    if found := _YEAR_LAST.fullmatch(written):
        first, second, year = (int(part) for part in found.groups())
        both = dict.fromkeys((*_exists(year, first, second), *_exists(year, second, first)))
        return Unreadable(Doubt.YEAR_LAST, text, *both)
    if found := _SHORT_YEAR.fullmatch(written):
        year, month, day = (int(part) for part in found.groups())
        return Unreadable(Doubt.SHORT_YEAR, text, *_exists(2000 + year, month, day))
    if _NO_YEAR.fullmatch(written):
        return Unreadable(Doubt.NO_YEAR, text)
    return Unreadable(Doubt.DATE, text)


def read_partial_date(text: str) -> PartialDate:
    """A date as far as it is known: 2026, 2026年3月, 2026/3/5. Raises Unreadable."""
    written = _dated(text)
    if found := _YEAR.fullmatch(written):
        return PartialDate(int(found[1]))
    if found := _MONTH.fullmatch(written):
        first = _day(text, int(found[1]), int(found[2] or found[3]), 1)
        return PartialDate(first.year, first.month)
    day = read_date(text)
    return PartialDate(day.year, day.month, day.day)


# --- Times --------------------------------------------------------------------------------------------

_TIME = re.compile(
    r"(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.\d+)?)?|[时点](\d{1,2})(?:分(?:(\d{1,2})秒)?)?|\.(\d{2}))", re.ASCII
)
_SHORT_TIME = re.compile(r"(\d{1,2})[时点](整|半)?", re.ASCII)
_FOUR_DIGITS = re.compile(r"(\d{2})(\d{2})", re.ASCII)
_HALF = re.compile(r"^(凌晨|早上|上午|中午|下午|晚上|[ap]m )|( ?[ap]m)$", re.IGNORECASE)
_LATER = frozenset({"下午", "晚上", "pm"})


def read_time(text: str) -> dt.time:
    """A time of the day in 24 hours, or with 上午/下午, am/pm. Raises Unreadable.

    >>> [read_time(text).isoformat("minutes") for text in ("8：05", "8时5分", "0805", "下午3点半")]
    ['08:05', '08:05', '08:05', '15:30']
    """
    written = re.sub(r" ?([:.时点分秒]) ?", r"\1", plain(text).replace("。", ".").replace("點", "点"))
    half = _HALF.search(written)
    written = _HALF.sub("", written).strip()
    hour, minute, second = _clock(text, written)
    if half and half[0].strip().lower() in _LATER and hour < 12:
        hour += 12
    try:
        return dt.time(hour, minute, second)
    except ValueError:
        raise Unreadable(Doubt.NO_SUCH_TIME, text) from None


def _clock(text: str, written: str) -> tuple[int, int, int]:
    if found := _SHORT_TIME.fullmatch(written):
        return int(found[1]), 30 if found[2] == "半" else 0, 0
    if found := _FOUR_DIGITS.fullmatch(written):
        return int(found[1]), int(found[2]), 0
    if found := _TIME.fullmatch(written):
        hour, minute, second, minute_zh, second_zh, minute_point = found.groups()
        return int(hour), int(minute or minute_zh or minute_point), int(second or second_zh or 0)
    if written.isascii() and written.isdigit() and int(written) < 24:
        raise Unreadable(Doubt.BARE_HOUR, text, f"{int(written):02d}:00")
    raise Unreadable(Doubt.TIME, text)


_MOMENT = re.compile(
    r"(\d{4} ?[-/.年] ?\d{1,2} ?[-/.月] ?\d{1,2} ?[日号]?|\d{8})(?:[T ] ?|(?<=[日号]))(\S.*)", re.ASCII
)


def read_moment(text: str) -> dt.datetime:
    """A day and a time of it, without a zone: it is the site's. Raises Unreadable.

    >>> read_moment("2026年11月24日8时5分").isoformat(" ")
    '2026-11-24 08:05:00'
    """
    found = _MOMENT.fullmatch(plain(text).translate(_DASHES))
    if found is None:
        raise Unreadable(Doubt.MOMENT, text)
    return dt.datetime.combine(read_date(found[1]), read_time(found[2]))
