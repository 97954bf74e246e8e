"""What guidelines say about the management of a grade: beside the grade, to be read, never an order.

Source: ASCO 2021 (Santomasso, J Clin Oncol 2021), in `asco_2021.toml`, in this project's own words. Steps that were
recalled and not read in a source [M] say so. A site's own text takes a cell's place once its principal investigator
has approved it.
"""

import datetime as dt
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext_lazy as _

from safety.models import GuidanceText, Scale
from trialsite.models import Site, User

SHIPPED = Path(__file__).parent / "asco_2021.toml"
GRADES = (1, 2, 3, 4)
NEVER_AN_ORDER = _("Support for a decision, never an order: the physician in charge decides.")
UNVERIFIED = MappingProxyType({"zh": "（未核实）", "en": " (unverified)"})


@dataclass(frozen=True)
class Cell:
    """One place of the table: a grade of CRS, of ICANS alone, or of ICANS together with CRS."""

    toxicity: str
    grade: int
    with_crs: bool = False


CELLS = (
    *(Cell(Scale.CRS, grade) for grade in GRADES),
    *(Cell(Scale.ICANS, grade) for grade in GRADES),
    *(Cell(Scale.ICANS, grade, with_crs=True) for grade in GRADES),
)


@dataclass(frozen=True)
class Guidance:
    """The steps of one cell in one language, where they come from, and who at the site approved them, if anybody."""

    lines: tuple[str, ...]
    source: str
    version: str
    approver: User | None = None
    approved_at: dt.datetime | None = None


def for_grade(
    toxicity: str, grade: int | None, with_crs: bool, language: str, *, site: Site | None = None
) -> Guidance | None:
    """The newest approved text of the site, else the shipped one; None where there is nothing to manage (0, 5, None).

    Without a site the texts of all sites count: pass the participant's where there is more than one.
    """
    cell = cell_of(toxicity, grade, with_crs)
    if cell is None:
        return None
    own = approved(cell, site=site)
    return shipped(cell, language) if own is None else of_text(own, language)


def cell_of(toxicity: str, grade: int | None, with_crs: bool) -> Cell | None:
    """Whether there is CRS, too, matters for ICANS only."""
    if grade not in GRADES:
        return None
    return Cell(toxicity, grade, with_crs=with_crs and toxicity == Scale.ICANS)


def approved(cell: Cell, *, site: Site | None = None) -> GuidanceText | None:
    texts = (
        GuidanceText.objects.standing()
        .filter(toxicity=cell.toxicity, grade=cell.grade, with_crs=cell.with_crs, approved_at__isnull=False)
        .select_related("approved_by")
    )
    if site is not None:
        texts = texts.filter(site=site)
    return texts.order_by("-approved_at", "-id").first()


def of_text(text: GuidanceText, language: str) -> Guidance:
    words = text.text_zh if _is_chinese(language) else text.text_en
    lines = tuple(line.strip() for line in words.splitlines() if line.strip())
    return Guidance(lines, text.source, text.version, text.approved_by, text.approved_at)


def shipped(cell: Cell, language: str) -> Guidance:
    code = "zh" if _is_chinese(language) else "en"
    file = _file()
    return Guidance(tuple(_line(step, code) for step in _steps()[cell]), file["source"], file["version"])


def _line(step: dict[str, Any], code: str) -> str:
    return step[code] + (UNVERIFIED[code] if step.get("unverified") else "")


def _is_chinese(language: str) -> bool:
    return language.lower().startswith("zh")


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads(SHIPPED.read_text(encoding="utf-8"))


@cache
def _steps() -> dict[Cell, list[dict[str, Any]]]:
    return {Cell(c["toxicity"], c["grade"], c.get("with_crs", False)): c["steps"] for c in _file()["cells"]}
