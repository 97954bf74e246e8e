"""One person under two spellings, and two people who share a name."""

import datetime as dt

import pytest

from participants.rules.identity import Identity, Match, match, plain

BORN = dt.date(1990, 5, 17)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("ab0012", "AB0012"), ("ＡＢ　００１２", "AB0012"), ("AB-00–12", "AB0012"), (" ", ""), ("李·雷", "李雷")],
)
def test_width_case_spaces_and_hyphens_make_no_difference(typed: str, meant: str) -> None:
    assert plain(typed) == meant


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Identity("赵六", dt.date(1970, 1, 1), "h１２"), Match.HOSPITAL_NUMBER),
        (Identity("王 小明", BORN, "H13"), Match.NAME_AND_BIRTH_DATE),
        (Identity("王小明", BORN + dt.timedelta(days=1), ""), None),
        (Identity("赵六", BORN, ""), None),
    ],
)
def test_by_what_two_entries_look_like_one_person(other: Identity, expected: Match | None) -> None:
    assert match(Identity("王小明", BORN, "H12"), other) == expected


def test_two_empty_numbers_are_no_match() -> None:
    assert match(Identity("王小明", BORN), Identity("赵六", BORN)) is None
