"""How long somebody waits after wrong passwords: pure rules over counts.

NIST SP 800-63B-4, 3.2.2: an online guess is slowed down with delays that grow from try to try, so that guessing stays
without a chance, and so that the account itself is not closed to its owner. The numbers are ours: the first delay is
short enough for a person, the last one leaves a guesser a score of guesses a day.
"""

import datetime as dt
import ipaddress
from dataclasses import dataclass, replace

MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
DELAYS = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR)


@dataclass(frozen=True)
class Policy:
    """How many wrong passwords cost nothing but the last of them, and how fast they are forgotten."""

    limit: int
    forgets_one_in: dt.timedelta
    delays: tuple[dt.timedelta, ...] = DELAYS

    def delay(self, wrong: int) -> dt.timedelta:
        """What the wrong password of this number costs: the limit's costs the first delay, each after it the next."""
        if wrong < self.limit:
            return dt.timedelta(0)
        return self.delays[min(wrong - self.limit, len(self.delays) - 1)]


# One person's password from one address.
AT_ADDRESS = Policy(limit=5, forgets_one_in=3 * HOUR)
# One person's password from addresses where this person was never logged in, all together.
FROM_ELSEWHERE = Policy(limit=20, forgets_one_in=30 * MINUTE)
# All persons' passwords from one address; a whole hospital may have one.
BY_ADDRESS = Policy(limit=30, forgets_one_in=10 * MINUTE)
# One person's signature, typed within one login.
SIGNATURE = Policy(limit=5, forgets_one_in=3 * HOUR)


@dataclass(frozen=True)
class Count:
    """Wrong passwords that are not forgotten yet, reckoned at `as_of`, and until when nobody may try."""

    wrong: int = 0
    as_of: dt.datetime | None = None
    closed_until: dt.datetime | None = None


def is_closed(count: Count, *, now: dt.datetime) -> bool:
    return count.closed_until is not None and now < count.closed_until


def remembered(count: Count, policy: Policy, *, now: dt.datetime) -> Count:
    """The count with what is forgotten by now; what is left of an interval counts on."""
    if count.as_of is None or now < count.as_of:
        return count
    forgotten = int((now - count.as_of) / policy.forgets_one_in)
    if forgotten >= count.wrong:
        return replace(count, wrong=0, as_of=None)
    return replace(count, wrong=count.wrong - forgotten, as_of=count.as_of + forgotten * policy.forgets_one_in)


def tried(count: Count, policy: Policy, *, now: dt.datetime) -> Count:
    """The count after one more wrong password; a try while it is closed changes nothing."""
    if is_closed(count, now=now):
        return count
    left = remembered(count, policy, now=now)
    wrong = left.wrong + 1
    delay = policy.delay(wrong)
    return Count(wrong, left.as_of or now, now + delay if delay else None)


def taken_back(count: Count, *, opens: bool) -> Count:
    """The count without a try that turned out to be right; `opens` where that try had closed it."""
    wrong = max(0, count.wrong - 1)
    return Count(wrong, count.as_of if wrong else None, None if opens else count.closed_until)


def network(address: str) -> str:
    """What counts as one address: an IPv4 address without a port, the /64 that one IPv6 customer has; else the text."""
    text = address.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return address.strip()[:45]
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
