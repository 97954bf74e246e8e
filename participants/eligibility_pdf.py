"""The eligibility page on paper, for the source file: A4, with the font in the file and every glyph there."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from fpdf import FPDF
from fpdf.enums import TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace
from pylopdf_fonts_zh_cn import sans_path

from participants.actions.days import long_date, long_moment
from participants.actions.eligibility import Evaluation
from participants.models import EligibilityConfirmation
from participants.wording import OVERALL_NAMES
from trialsite.signing import Checked

# The font lacks these; without it a dose of × 10⁸ would print as × 10.
PLAIN = str.maketrans(
    {"⁰": "^0", "³": "^3", "⁵": "^5", "⁶": "^6", "⁷": "^7", "⁸": "^8", "⁹": "^9", "₂": "2", "✓": "√", "✗": "×"}
)
FONT = "NotoSansSC"


class MissingGlyph(Exception):
    """A character that the font cannot draw; a print without it would say something else."""


class _Page(FPDF):
    def __init__(self, running_title: str) -> None:
        super().__init__(format="A4")
        self.running_title = running_title
        self.add_font(FONT, fname=sans_path())
        self.set_auto_page_break(True, margin=18)
        self.set_margins(14, 14)

    def footer(self) -> None:
        self.set_y(-13)
        self.set_font(FONT, size=7.5)
        numbers = _("page %(page)s of %(pages)s") % {"page": self.page_no(), "pages": "{nb}"}
        self.cell(0, 5, plain(f"{self.running_title} · {numbers}"), align="C")

    def line_of(self, text: str, size: float = 9.5) -> None:
        self.set_font(FONT, size=size)
        self.multi_cell(0, size * 0.5, plain(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")


def plain(text: str) -> str:
    return text.translate(PLAIN)


def render(
    evaluation: Evaluation,
    blocks: Sequence[Any],
    confirmation: EligibilityConfirmation | None,
    signature: Checked | None,
    is_current: bool,
    *,
    now: dt.datetime,
) -> bytes:
    """The PDF's bytes. `blocks` are the page's criteria in words. Raises MissingGlyph."""
    protocol, participant = evaluation.protocol, evaluation.participant
    title = _("Eligibility of %(number)s") % {"number": participant.number}
    page = _Page(f"{protocol.registry_id} · {title} · {long_moment(now)}")
    page.set_title(title)
    page.add_page()
    page.line_of(title, 15)
    page.ln(1)
    page.line_of(f"{protocol.registry_id} · {protocol.title}")
    page.line_of(
        _("Protocol version %(version)s; decided %(at)s") % {"version": protocol.version, "at": long_moment(now)}
    )
    page.line_of(_("Planned infusion: %(day)s") % {"day": _day(evaluation.anchors.infusion_on)})
    page.ln(1)
    page.line_of(str(OVERALL_NAMES[evaluation.overall]), 12)
    page.line_of(_signature(confirmation, signature, is_current))
    page.ln(2)
    _table(page, blocks)
    page.ln(6)
    page.line_of(_("Signature on paper, if the site asks for one: ______________________   Date: ______________"))
    content = bytes(page.output())
    _check_glyphs(page)
    return content


def _day(day: dt.date | None) -> str:
    return long_date(day) if day else _("not yet planned")


def _signature(confirmation: EligibilityConfirmation | None, signature: Checked | None, is_current: bool) -> str:
    if confirmation is None:
        return _("Not confirmed by an investigator yet.")
    if signature is not None and signature.warning:
        return f"✗ {signature.warning}"
    values = {
        "who": confirmation.created_by,
        "day": long_moment(confirmation.created_at),
        "hash": confirmation.content_hash,
        "roles": signature.roles_in_words if signature else "",
    }
    if is_current and signature is not None and signature.is_valid:
        return (
            _(
                "Confirmed electronically by %(who)s (%(roles)s), %(day)s; signature verified. SHA-256 of what was "
                "signed: %(hash)s"
            )
            % values
        )
    if is_current:
        return _("Confirmed electronically by %(who)s, %(day)s. SHA-256 of what was signed: %(hash)s") % values
    return _("Confirmed by %(who)s, %(day)s; something changed since then, so it must be confirmed again.") % values


def _table(page: _Page, blocks: Sequence[Any]) -> None:
    page.set_font(FONT, size=8)
    shaded = FontFace(fill_color=(235, 235, 235))
    with page.table(
        col_widths=(46, 96, 38),
        line_height=4.2,
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        text_align="LEFT",
        headings_style=FontFace(fill_color=(215, 215, 215)),
        padding=1,
    ) as table:
        table.row([plain(name) for name in (_("Criterion"), _("Facts and their limit"), _("Result"))])
        for block in blocks:
            row = table.row(style=shaded)
            parts = " ".join(f"({letter}) {text}" for letter, text in block.parts)
            row.cell(plain(f"{block.code} {block.text} {parts}"), colspan=2)
            row.cell(plain(f"{block.symbol} {block.state}"))
            for check in block.checks:
                table.row([plain(text) for text in (_named(check), _facts(check), f"{check.symbol} {check.state}")])


def _named(check: Any) -> str:
    return f"{check.name}\n{check.limit}" if check.limit else check.name


def _facts(check: Any) -> str:
    lines = [f"{fact.text}{f' · {fact.on:%Y-%m-%d}' if fact.on else ''}" for fact in check.facts]
    return "\n".join([*lines, *([check.reason] if check.reason else [])]) or "–"


def _check_glyphs(page: _Page) -> None:
    for font in page.fonts.values():
        if missing := getattr(font, "missing_glyphs", None):
            raise MissingGlyph(", ".join(f"U+{code:04X}" for code in sorted(missing)))
