"""The way back from a form: words of our own only, and every save leads to the page it was opened from."""

from typing import Any

import pytest
from django.urls import reverse

from trialsite import wayback


@pytest.mark.parametrize(
    ("word", "name", "args", "more"),
    [
        ("today", "index", [], ""),
        ("page-12", "participants_participant_page", [12], ""),
        ("page-12-labs", "participants_participant_page", [12], "?open=labs#labs"),
    ],
)
def test_a_word_stands_for_a_page(word: str, name: str, args: list[int], more: str) -> None:
    assert wayback.address_of(word) == reverse(f"admin:{name}", args=args) + more


@pytest.mark.parametrize(
    "word",
    [
        "",
        "/admin/",
        "//evil.example",
        "https://evil.example/",
        "page-",
        "page-12-labs-more",
        "page-12-LABS",
        "page-12-labs\n",
        "page-12/../",
        "page--12",
        "page-१२",
        "page-" + "9" * 19,
        "elsewhere-12",
        "today-12",
    ],
)
def test_nothing_else_is_a_way(word: str, rf: Any) -> None:
    assert wayback.address_of(word) == ""
    request = rf.get("/", {"back": word})
    assert wayback.way_back(request) == wayback.asked(request) == ""


def test_the_steps_from_paper_come_first(rf: Any) -> None:
    request = rf.get("/", {"back": "page-12", "paper": "7"})
    assert wayback.way_back(request) == reverse("admin:participants_participant_paper", args=[7])


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("", ""),
        ("/a/", "/a/?back=page-3"),
        ("/a/?b=1", "/a/?b=1&back=page-3"),
        ("/a/#c", "/a/?back=page-3#c"),
        ("/a/?paper=1", "/a/?paper=1"),
        ("/a/?back=today", "/a/?back=today"),
    ],
)
def test_an_address_made_elsewhere_gets_the_way(address: str, expected: str) -> None:
    assert wayback.with_back(address, wayback.page(3)) == expected
