"""Delays after wrong passwords grow with each, and a try during a delay changes nothing."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialsite.rules import delays
from trialsite.rules.delays import AT_ADDRESS, BY_ADDRESS, FROM_ELSEWHERE, HOUR, MINUTE, SIGNATURE, Count, Policy

NOW = dt.datetime(2026, 3, 5, 1, 30, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
POLICIES = (AT_ADDRESS, FROM_ELSEWHERE, BY_ADDRESS, SIGNATURE)


def after(*times: dt.datetime, policy: Policy = AT_ADDRESS) -> Count:
    count = Count()
    for at in times:
        count = delays.tried(count, policy, now=at)
    return count


@pytest.mark.parametrize(
    ("policy", "wrong", "minutes"),
    [
        *((AT_ADDRESS, wrong, 0) for wrong in (0, 1, 4)),
        (AT_ADDRESS, 5, 1),
        (AT_ADDRESS, 6, 5),
        (AT_ADDRESS, 7, 15),
        *((AT_ADDRESS, wrong, 60) for wrong in (8, 9, 1000)),
        (SIGNATURE, 4, 0),
        (SIGNATURE, 5, 1),
        (FROM_ELSEWHERE, 19, 0),
        (FROM_ELSEWHERE, 20, 1),
        (BY_ADDRESS, 29, 0),
        (BY_ADDRESS, 30, 1),
        (BY_ADDRESS, 33, 60),
    ],
)
def test_what_a_wrong_password_costs(policy: Policy, wrong: int, minutes: int) -> None:
    assert policy.delay(wrong) == minutes * MINUTE


def test_the_fifth_closes_for_a_minute_and_not_a_second_longer() -> None:
    four = after(*[NOW] * 4)
    assert not delays.is_closed(four, now=NOW)
    five = delays.tried(four, AT_ADDRESS, now=NOW)
    assert delays.is_closed(five, now=NOW + MINUTE - SECOND)
    assert not delays.is_closed(five, now=NOW + MINUTE)


def test_a_try_during_the_delay_does_not_prolong_it() -> None:
    five = after(*[NOW] * 5)
    assert delays.tried(five, AT_ADDRESS, now=NOW + MINUTE - SECOND) == five
    six = delays.tried(five, AT_ADDRESS, now=NOW + MINUTE)
    assert six.closed_until == NOW + 6 * MINUTE


@pytest.mark.parametrize(
    ("passed", "left"),
    [
        (3 * HOUR - SECOND, 4),
        (3 * HOUR, 3),
        (6 * HOUR - SECOND, 3),
        (6 * HOUR, 2),
        (12 * HOUR - SECOND, 1),
        (12 * HOUR, 0),
    ],
)
def test_one_wrong_password_is_forgotten_after_the_other(passed: dt.timedelta, left: int) -> None:
    assert delays.remembered(after(*[NOW] * 4), AT_ADDRESS, now=NOW + passed).wrong == left


def test_the_rest_of_an_interval_is_not_lost() -> None:
    """Two at once, one two hours later: after three hours the first is forgotten, after six the second."""
    count = after(NOW, NOW, NOW + 2 * HOUR)
    assert delays.remembered(count, AT_ADDRESS, now=NOW + 3 * HOUR).wrong == 2
    later = delays.tried(count, AT_ADDRESS, now=NOW + 5 * HOUR)
    assert later.wrong == 3
    assert delays.remembered(later, AT_ADDRESS, now=NOW + 6 * HOUR).wrong == 2


def test_what_turned_out_right_is_taken_back_and_opens_what_it_had_closed() -> None:
    five = after(*[NOW] * 5)
    assert delays.taken_back(five, opens=True) == after(*[NOW] * 4)
    assert delays.taken_back(five, opens=False).closed_until == five.closed_until
    assert delays.taken_back(after(NOW), opens=True) == Count()


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:51234", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unknown", "unknown"),
        ("x" * 100, "x" * 45),
    ],
)
def test_what_counts_as_one_address(address: str, counts_as: str) -> None:
    assert delays.network(address) == counts_as


# --- laws ---------------------------------------------------------------------------------------

pauses = st.lists(st.integers(0, 4 * 3600), max_size=200)


@given(pauses, st.sampled_from(POLICIES))
def test_whoever_guesses_all_day_gets_few_guesses(seconds: list[int], policy: Policy) -> None:
    """In any 24 hours: the limit, one for each delay, one an hour, and what was forgotten meanwhile."""
    at, count, taken = NOW, Count(), 0
    for pause in seconds:
        at += pause * SECOND
        if at > NOW + 24 * HOUR:
            break
        taken += not delays.is_closed(count, now=at)
        count = delays.tried(count, policy, now=at)
    assert taken <= policy.limit + len(policy.delays) + 24 + int(24 * HOUR / policy.forgets_one_in)


@given(pauses, st.integers(0, 24 * 3600), st.sampled_from(POLICIES))
def test_a_count_only_falls_with_time_and_a_pause_forgets_all(seconds: list[int], more: int, policy: Policy) -> None:
    at, times = NOW, []
    for pause in seconds:
        at += pause * SECOND
        times.append(at)
    count = after(*times, policy=policy)
    assert 0 <= delays.remembered(count, policy, now=at + more * SECOND).wrong <= count.wrong
    all_over = delays.remembered(count, policy, now=at + (count.wrong + 1) * policy.forgets_one_in)
    assert all_over.wrong == 0


@given(st.integers(1, 100), st.sampled_from(POLICIES))
def test_no_delay_is_shorter_than_the_one_before(wrong: int, policy: Policy) -> None:
    assert policy.delay(wrong) <= policy.delay(wrong + 1)


@given(pauses, st.sampled_from(POLICIES))
def test_a_delay_is_never_moved_by_a_try_within_it(seconds: list[int], policy: Policy) -> None:
    at, count = NOW, Count()
    for pause in seconds:
        at += pause * SECOND
        was = count
        count = delays.tried(count, policy, now=at)
        if delays.is_closed(was, now=at):
            assert count == was
        else:
            assert count.closed_until is None or count.closed_until > at
