"""A cell as a laboratory prints it, in our spelling: flags gone, the comma as somebody said, the day in ISO order.

What is not understood stays as it came, so that the check of the row can say what is wrong with it.
"""

import datetime as dt
import re
from decimal import Decimal

from trialsite.reading import plain

REFUSE, DECIMAL, THOUSANDS = "refuse", "decimal", "thousands"

# ↑ ↓ H L behind (or before) a value say that it lies outside the range printed beside it; * that it is critical.
_FLAG = r"(?:[↑↓▲▼⇑⇓]+|HH?|LL?|\*+)"
_FLAGGED = re.compile(rf"(?:\*|[↑↓▲▼])? *(?P<value>[<>≤≥]?=? *[+-]?\d.*?) *[(\[]? *{_FLAG}? *[)\]]?", re.IGNORECASE)
_RAISED = re.compile(r"10([⁺⁻]?[⁰¹²³⁴-⁹]+)")
_LOWERED = str.maketrans("⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "+-0123456789")
_POWER = re.compile(r"(\d[\d.,]*) ?[x×*] ?10 ?[\^*]? ?([+-]?\d{1,2})", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"([<>]? ?[+-]?\d+),(\d+)((?:e[+-]?\d+)?)", re.IGNORECASE)
_THOUSANDS = re.compile(r"[<>]? ?[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")


def clean_number(text: str, comma: str) -> str:
    """ "１２.５↑" is 12.5, "<0,5 L" with a decimal comma <0.5, "1.2×10⁵" 1.2e5; words stay words.

    >>> clean_number("12.5 (H)", REFUSE), clean_number("7,5", DECIMAL), clean_number("阴性", REFUSE)
    ('12.5', '7.5', '阴性')
    """
    written = plain(_RAISED.sub(lambda power: f"10^{power[1].translate(_LOWERED)}", text))
    if found := _FLAGGED.fullmatch(written):
        written = found["value"]
    written = _POWER.sub(r"\1e\2", written)
    if comma == DECIMAL and (found := _DECIMAL_COMMA.fullmatch(written)):
        return f"{found[1]}.{found[2]}{found[3]}"
    if comma == THOUSANDS and _THOUSANDS.fullmatch(written):
        return written.replace(",", "")
    return written


_RANGE = re.compile(r"([+-]?\d[\d.,]*) *(?:-+|~+|–|—|至|to) *([+-]?\d[\d.,]*)")
_UP_TO = re.compile(r"(<|≤|<=|>|≥|>=) *(\d[\d.,]*)")


def limits_of(text: str, comma: str) -> tuple[str, str]:
    """ "3.5-9.5" and "3.5～9.5" are both limits, "<40" the upper and ">60" the lower one; else there are none."""
    written = plain(text).replace("--", "-").strip("()[] ")
    if found := _RANGE.fullmatch(written):
        low, high = clean_number(found[1], comma), clean_number(found[2], comma)
        return (low, high) if _in_order(low, high) else ("", "")
    if found := _UP_TO.fullmatch(written):
        limit = clean_number(found[2], comma)
        return ("", limit) if found[1] in "<≤<=" else (limit, "")
    return "", ""


def _in_order(low: str, high: str) -> bool:
    try:
        return Decimal(low) <= Decimal(high)
    except ArithmeticError:
        return False


_DAY = r"(?P<y>\d{4})(?:[-/.年] ?(?P<m>\d{1,2}) ?[-/.月] ?(?P<d>\d{1,2}) ?日?|(?P<cm>\d{2})(?P<cd>\d{2}))"
_SECONDS = r"(?:[:分] ?\d{1,2} ?秒?|分)?(?:\.\d+)?"
_TIME = rf"(?P<half>上午|下午|am|pm)? ?(?P<h>\d{{1,2}}) ?[:时点] ?(?P<min>\d{{1,2}})? ?{_SECONDS} ?(?P<half2>am|pm)?"
_MOMENT = re.compile(rf"{_DAY}(?:[ T]*{_TIME})?", re.IGNORECASE)


def clean_moment(text: str, assumed: str) -> tuple[str, bool]:
    """The moment in our spelling, and whether its time was assumed: only where the file gives the day alone.

    >>> clean_moment("2026年3月5日 8:10", ""), clean_moment("20260305", "08:00")
    (('2026-03-05 08:10', False), ('2026-03-05 08:00', True))
    """
    found = _MOMENT.fullmatch(plain(text))
    day = _day(found) if found else None
    if found is None or day is None:
        return text, False
    if found["h"] is not None:
        return f"{day:%Y-%m-%d} {_hour(found):02}:{int(found['min'] or 0):02}", False
    return (f"{day:%Y-%m-%d} {assumed}", True) if assumed else (f"{day:%Y-%m-%d}", False)


def _day(found: re.Match[str]) -> dt.date | None:
    try:
        return dt.date(int(found["y"]), int(found["m"] or found["cm"]), int(found["d"] or found["cd"]))
    except ValueError:
        return None


def _hour(found: re.Match[str]) -> int:
    hour, half = int(found["h"]), (found["half"] or found["half2"] or "").casefold()
    if half in {"下午", "pm"} and hour < 12:
        return hour + 12
    return 0 if half == "am" and hour == 12 else hour
