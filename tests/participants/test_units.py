"""Units are read once and kept on disk; what is kept never stands between a value and its conversion."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from participants import units
from participants.rules.measures import MEASURES


@pytest.fixture
def kept(tmp_path: Path, settings: Any) -> Iterator[Path]:
    settings.UNITS_CACHE = tmp_path / "units"
    forget()
    yield tmp_path / "units"
    forget()


def forget() -> None:
    units._registry.cache_clear()
    units._factor.cache_clear()


def haemoglobin() -> Decimal:
    return units.convert(MEASURES["HGB"], Decimal("8.05"), "g/dL").normalize()


def test_what_was_kept_gives_the_same_value(kept: Path) -> None:
    assert haemoglobin() == Decimal("80.5")
    assert list(kept.glob("*.pickle"))
    forget()
    assert haemoglobin() == Decimal("80.5")


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"\x80\x04\x8f(\x8f\x90\x90."], ids=["empty", "torn", "set-in-set"]
)
def test_what_was_kept_and_cannot_be_read_costs_no_result(kept: Path, content: bytes) -> None:
    haemoglobin()
    for file in kept.glob("*.pickle"):
        file.write_bytes(content)
    forget()
    assert haemoglobin() == Decimal("80.5")


def test_a_folder_that_nobody_may_write_to_costs_no_result(kept: Path) -> None:
    kept.write_text("a file in its place")
    assert haemoglobin() == Decimal("80.5")
