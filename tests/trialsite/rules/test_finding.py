"""What somebody means who types into the search: numbers in any spelling, words in either language."""

import pytest

from trialsite.rules.finding import Asked, fit, read


@pytest.mark.parametrize(
    ("text", "numbers", "words"),
    [
        ("ZJ-003", ("ZJ003",), ()),
        ("zj003", ("ZJ003",), ()),
        ("ｚｊ－００３", ("ZJ003",), ()),
        ("s029", ("S029",), ()),
        ("3", ("3",), ()),
        ("record consent for ZJ-003", ("ZJ003",), ("record", "consent")),
        ("给ZJ003登记知情同意", ("ZJ003",), ("登记知情同意",)),
        ("CRS", (), ("crs",)),
        ("王小明", (), ("王小明",)),
        ("  ", (), ()),
        ("the of", (), ()),
        ("zj-1 zj-1 zj-2", ("ZJ1", "ZJ2"), ()),
    ],
)
def test_what_was_typed(text: str, numbers: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert read(text) == Asked(numbers, words)


@pytest.mark.parametrize(
    ("words", "is_found"),
    [
        (("consent",), True),
        (("cons",), True),
        (("onsent",), False),
        (("record", "consent"), True),
        (("record", "infusion"), False),
        (("知情",), True),
        (("登记知情同意",), True),
        (("登记同意",), True),
        (("王小明",), False),
    ],
)
def test_all_words_must_fit(words: tuple[str, ...], is_found: bool) -> None:
    assert bool(fit(words, "Record consent 登记知情同意 icf")) == is_found
