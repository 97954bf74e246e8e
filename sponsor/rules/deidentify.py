"""What is done to days and ages before they leave, so that nobody is known by them.

Sources: HIPAA Privacy Rule, 45 CFR 164.514(b)(2)(i)(C) for ages (all over 89 are one group); shifting all dates of a
person by one offset, which keeps every interval, as in PhUSE, De-Identification Standard for SDTM 3.2 (2015) [M].
"""

import datetime as dt
import hashlib
import hmac

from trialsite.partialdate import PartialDate

# A date moves by at most half a year either way, and never stays [P].
LARGEST_OFFSET = 182
OLDEST_AGE = 89
GROUP_OF_THE_OLDEST = f">{OLDEST_AGE}"


def offset_days(key: bytes, usubjid: str) -> int:
    """By how many days all dates of a participant move: the same for the same key, not 0. Raises ValueError for no key.

    >>> -LARGEST_OFFSET <= offset_days(b"secret", "NCT1-ZJ-001") <= LARGEST_OFFSET
    True
    """
    if not key:
        raise ValueError("dates are shifted by a key, and there is none")
    digest = hmac.new(key, usubjid.encode(), hashlib.sha256).digest()
    drawn = int.from_bytes(digest[:8]) % (2 * LARGEST_OFFSET)
    return drawn - LARGEST_OFFSET if drawn < LARGEST_OFFSET else drawn - LARGEST_OFFSET + 1


def shifted(text: str, days: int) -> str:
    """A date known in full or in part, moved. Of a part as much is left as holds for every day that it can mean.

    A month that moves comes to lie in two months, so its year is left; where it lies in two years, nothing is. No
    date becomes more exact than it was, and none says what may be wrong.

    >>> shifted("2026-03-05", 10), shifted("2026-03", 10), shifted("2026-12", 10), shifted("2026-03", 0)
    ('2026-03-15', '2026', '', '2026-03')
    """
    if not text or not days:
        return text
    known, by = PartialDate.parse(text), dt.timedelta(days=days)
    first, last = known.earliest + by, known.latest + by
    if known.day is not None:
        return first.isoformat()
    if known.month is not None and first.year == last.year and first.month == last.month:
        return f"{first:%Y-%m}"
    return f"{first:%Y}" if first.year == last.year else ""


def grouped_age(years: int | None) -> tuple[int | None, str]:
    """The age that may leave, or the group that stands in its place.

    >>> grouped_age(89), grouped_age(90), grouped_age(None)
    ((89, ''), (None, '>89'), (None, ''))
    """
    return (None, GROUP_OF_THE_OLDEST) if years is not None and years > OLDEST_AGE else (years, "")


def study_day(day: str, reference: str) -> int | None:
    """--DY: the day of reference is 1 and the day before it -1, there is no day 0; None of a date known in part.

    Source: SDTMIG 3.4, section 4.4.4.

    >>> study_day("2026-03-05T09:30", "2026-03-05"), study_day("2026-03-04", "2026-03-05"), study_day("2026-03", "")
    (1, -1, None)
    """
    if len(day) < 10 or len(reference) < 10:
        return None
    away = (dt.date.fromisoformat(day[:10]) - dt.date.fromisoformat(reference[:10])).days
    return away + 1 if away >= 0 else away
