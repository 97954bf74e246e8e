"""What a format cannot hold is said with where, the rule, and the way out."""

import pytest

from sponsor.datasets.files import WRITERS, Problem, Unwritable
from sponsor.datasets.wording import FORMS, SENTENCES, sentence


def test_every_problem_has_its_sentence(english: None) -> None:
    assert set(SENTENCES) == set(Problem)
    assert set(FORMS) == set(WRITERS) - {"define"}
    said = sentence(Unwritable("xpt", Problem.LONG_TEXT, "AE", "AETERM", 12, 200))
    assert said.startswith(
        "SAS transport file (XPT), AE.AETERM, row 12: The text is longer than a value of this format may be (200)"
    )


@pytest.mark.parametrize("problem", Problem)
def test_a_dataset_alone_is_named_without_a_row(problem: Problem, english: None) -> None:
    assert sentence(Unwritable("xpt", problem, "AE")).startswith("SAS transport file (XPT), AE: ")
