"""A password is long, is nobody else's first guess, and may be made of any letters."""

import string

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from trialsite.passwordwords import REST, house_words, without_house_words


@pytest.mark.parametrize(
    "password",
    [
        "Zhujiang-2026!",
        "trialsite12345",
        "NCT07072494-x1",
        "ｚｈｕｊｉａｎｇ２０２６",
        "hospitalhospital",
        "zhuzhujiangjiang7",
        "CART-cd19-2027",
    ],
)
def test_words_of_the_house_are_no_password(password: str, english: None) -> None:
    with pytest.raises(ValidationError, match="beside words that anybody here would try first"):
        validate_password(password)


@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "珠江边的第三棵老榕树下", "zhujiang tulip 40", "x" * 40 + "7k", "🐢🐇🐢🐇 nach Hause"],
)
def test_any_letters_and_any_length_are_welcome(password: str) -> None:
    validate_password(password)


def test_the_boundary_is_what_remains() -> None:
    word = "zhujiang"
    assert word in house_words()
    validate_password(word + "xq7 vm2k"[:REST])
    with pytest.raises(ValidationError):
        validate_password(word + "xq7 vm2k"[: REST - 1])


@given(st.text(string.ascii_letters + string.digits, max_size=30))
def test_taking_words_out_adds_nothing(password: str) -> None:
    assert len(without_house_words(password, ["zhujiang", "cart"])) <= len(password)
