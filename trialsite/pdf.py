"""A print as a PDF: A4, the font in the file, every glyph there, the same head and foot on every page.

All text goes through one door, `plain`: what the font cannot draw is replaced by something that can be seen, never left
out, for a print without a character would say something else (× 10⁸ without ⁸ is × 10). Of equal content the bytes are
equal.
"""

import datetime as dt
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any
from xml.etree import ElementTree

from django.conf import settings
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from fpdf import FPDF
from fpdf.enums import MethodReturnValue, TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace
from pylopdf_fonts_zh_cn import sans_path

from trialsite.models import User
from trialsite.printing import Band, Block, Facts, Picture, Print, Section, Table, Words
from trialsite.study import get_study

FONT = "NotoSansSC"
# Margins and the room of head and foot, in mm.
SIDE, TOP, BOTTOM, HEAD_AT, FOOT_AT = 14, 24, 22, 8, -17
# From points to the height of a line in mm, of a paragraph and in a table.
LINE, TABLE_LINE = 0.5, 0.53
HEAD_SHADE, BAND_SHADE = (215, 215, 215), (235, 235, 235)
COUNT = "{nb}"
CHINESE = re.compile(r"[\u2e80-\uffff]")
# What stays together on a line: a Chinese character with its brackets and stops, or a word.
TOKEN = re.compile(r"[（《“‘]*(?:[^\s\u2e80-\uffff]+|[\u2e80-\uffff])[，。；：、）》”’！？…]*|\s+")
# Of a picture's unit, in mm.
LARGEST = 0.32

# What the font lacks and a reader knows by another writing.
WRITTEN = {"⁰": "^0", "³": "^3", "⁵": "^5", "⁶": "^6", "⁷": "^7", "⁸": "^8", "⁹": "^9", "₀": "0", "₁": "1", "₂": "2"}
WRITTEN |= {"✓": "√", "✗": "×", "☐": "□", "☑": "√", "\u2009": " ", "\u202f": " ", "\t": " "}
# Of direction, of joining, of control: they have no shape of their own.
MARKS = frozenset({"Cc", "Cf"})


@cache
def _drawn() -> frozenset[str]:
    """The characters of the font, and the end of a line."""
    page: Any = FPDF()
    page.add_font(FONT, fname=sans_path())
    font = page.fonts[FONT.lower()]
    # A page that is put out closes its font; this one never is.
    font.close()
    return frozenset(map(chr, font.cmap)) | {"\n"}


def plain(text: str) -> str:
    """The text in characters that can be drawn: 𠮷 is `[U+20BB7]`, and can be looked up."""
    text = unicodedata.normalize("NFC", text)
    return text if _drawn().issuperset(text) and WRITTEN.keys().isdisjoint(text) else "".join(map(_letter, text))


def _letter(letter: str) -> str:
    """As it is drawn; else by another writing, by its usual form, or by its code. What is only a mark is left out."""
    if letter in WRITTEN or letter in _drawn():
        return WRITTEN.get(letter, letter)
    if unicodedata.category(letter) in MARKS or letter in "\ufe0e\ufe0f":
        return ""
    usual = unicodedata.normalize("NFKC", letter)
    return usual if _drawn().issuperset(usual) else f"[U+{ord(letter):04X}]"


def render(printed: Print, *, by: User, at: dt.datetime) -> bytes:
    """The file's bytes; `by` and `at` stand at the foot of each page."""
    page = _Page(printed, by=by, at=at)
    page.set_title(printed.title)
    page.set_creation_date(at)
    page.add_page()
    page.put(Words(printed.title, 15))
    page.ln(1)
    for section in printed.sections:
        page.section(section)
    return bytes(page.output())


class _Page(FPDF):
    def __init__(self, printed: Print, *, by: User, at: dt.datetime) -> None:
        super().__init__(orientation="landscape" if printed.is_wide else "portrait", format="A4")
        self.printed, self.by, self.at = printed, by, at
        self.study = get_study().latest
        self.is_counting = False
        self.add_font(FONT, fname=sans_path())
        self.set_auto_page_break(True, margin=BOTTOM)
        self.set_margins(SIDE, TOP)
        self.set_line_width(0.15)
        self.set_draw_color(110)

    def normalize_text(self, text: str) -> str:
        """The one door of all text. Only the foot asks for the number of pages, whatever somebody typed."""
        text = plain(text)
        return text if self.is_counting else text.replace(COUNT, "{ nb }")

    # --- head and foot ------------------------------------------------------------------------

    def header(self) -> None:
        self.set_y(HEAD_AT)
        self._at_both_ends(f"{self.study.registry_id} · {self.study.short_title}", self._whose(), size=8.5)
        if self.printed.has_identity:
            self.set_font(FONT, size=8)
            words = _("This paper names a person: keep it at the site, and destroy it after use.")
            self.cell(0, 4.6, words, border=1, align="C", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.line(self.l_margin, TOP - 3, self.w - self.r_margin, TOP - 3)
        self.set_y(TOP)

    def _whose(self) -> str:
        return " · ".join(part for part in (self.printed.site, self.printed.number) if part)

    def footer(self) -> None:
        self.set_y(FOOT_AT)
        self.line(self.l_margin, self.get_y() - 1, self.w - self.r_margin, self.get_y() - 1)
        which = self.normalize_text(self._which())
        self.is_counting = True
        numbers = _("page %(page)s of %(pages)s") % {"page": self.page_no(), "pages": COUNT}
        self._at_both_ends(which, numbers, size=7.5)
        self.is_counting = False
        self._at_both_ends(self._by_whom(), f"Trialsite {settings.SOFTWARE_VERSION}", size=7.5)
        if self.printed.is_record:
            self.cell(0, 4, _("The electronic record counts, not this paper."), new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _which(self) -> str:
        title, number = self.printed.title, self.printed.number
        return title if number in title else f"{title} · {number}"

    def _by_whom(self) -> str:
        when = formats.date_format(timezone.localtime(self.at), "DATETIME_FORMAT")
        return _("Printed by %(who)s, %(at)s (site time)") % {"who": self.by, "at": when}

    def _at_both_ends(self, left: str, right: str, *, size: float) -> None:
        self.set_font(FONT, size=size)
        right = self._cut(right, self.epw * 0.6)
        width = self.get_string_width(right) + 3
        self.cell(self.epw - width, 4, self._cut(left, self.epw - width - 2))
        self.cell(width, 4, right, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _cut(self, text: str, width: float) -> str:
        """As much of it as there is room for on one line."""
        text = self.normalize_text(text)
        if self.get_string_width(text) <= width:
            return text
        while text and self.get_string_width(f"{text}…") > width:
            text = text[:-1]
        return f"{text}…"

    # --- pieces -------------------------------------------------------------------------------

    def section(self, section: Section) -> None:
        is_across = section.is_wide or self.printed.is_wide
        if is_across != (self.w > self.h):
            self.add_page(orientation="landscape" if is_across else "portrait")
        elif self.get_y() > TOP + 20 and self.will_page_break(self._room(section)):
            self.add_page(same=True)
        if section.title:
            self._heading(section.title)
        for block in section.blocks:
            self.put(block)
        self.ln(3)

    def _room(self, section: Section) -> float:
        """What its beginning takes: no heading stands alone at the foot of a page."""
        first = section.blocks[0]
        return 30 if not isinstance(first, Picture) else 10 + self._size_of(*_for_paper(first.svg)[1:])[1]

    def _heading(self, words: str) -> None:
        self.set_font(FONT, size=11)
        self.start_section(self.normalize_text(words))
        with self.local_context(fill_color=BAND_SHADE):
            self.cell(0, 7, words, fill=True, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(1)

    def put(self, block: Block) -> None:
        if isinstance(block, Words):
            self.set_font(FONT, size=block.size)
            words = self._broken(block.text, self.epw - 3)
            self.multi_cell(0, block.size * LINE, words, new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")
        elif isinstance(block, Facts):
            self._facts(block)
        elif isinstance(block, Table):
            self._table(block)
        else:
            self._picture(block)

    def _facts(self, facts: Facts) -> None:
        rows = tuple((name, value or "—") for name, value in facts.pairs)
        self._table(Table(head=(), rows=rows, widths=(46, 136), size=9))

    def _table(self, wanted: Table) -> None:
        if not wanted.rows and wanted.empty:
            return self.put(Words(wanted.empty))
        self.set_font(FONT, size=wanted.size)
        with self.table(
            col_widths=wanted.widths,
            line_height=wanted.size * TABLE_LINE,
            borders_layout=TableBordersLayout.ALL if wanted.row_height else TableBordersLayout.HORIZONTAL_LINES,
            text_align="LEFT",
            headings_style=FontFace(fill_color=HEAD_SHADE),
            first_row_as_headings=bool(wanted.head),
            padding=1,
        ) as table:
            if wanted.head:
                table.row(wanted.head)
            for row in wanted.rows:
                self._row(table, row, wanted)
        self.ln(1)
        return None

    def _row(self, table: Any, row: Sequence[str] | Band, wanted: Table) -> None:
        columns = len(wanted.widths)
        if isinstance(row, Band):
            line = table.row(style=FontFace(fill_color=BAND_SHADE))
            over = wanted.widths[: columns - bool(row.last)]
            line.cell(self._broken(row.text, self._inside(sum(over), wanted)), colspan=len(over))
            if row.last:
                line.cell(row.last)
            return
        for part in self._parts(row, wanted):
            table.row(part, min_height=wanted.row_height or None)

    def _inside(self, width: int, table: Table) -> float:
        """The room for words in a column, in mm: without its padding, and a little less."""
        return width * self.epw / sum(table.widths) - 4.5

    def _parts(self, row: Sequence[str], table: Table) -> Iterator[Sequence[str]]:
        """The row itself, or as many as it takes for cells that are higher than a page."""
        most = int(self.eph * 0.8 / (table.size * TABLE_LINE))
        room = (self._inside(width, table) for width in table.widths)
        cells = [self._pieces(self._broken(text, width), width, most) for text, width in zip(row, room, strict=True)]
        for number in range(max(map(len, cells))):
            yield [pieces[number] if number < len(pieces) else "" for pieces in cells]

    def _pieces(self, text: str, width: float, most: int) -> list[str]:
        """A text in parts of so many lines."""
        if len(text) < most:
            return [text]
        width += 2 * self.c_margin + 0.4
        lines: Any = self.multi_cell(width, text=text, dry_run=True, output=MethodReturnValue.LINES)
        return ["\n".join(lines[start : start + most]) for start in range(0, len(lines), most)] or [""]

    def _broken(self, text: str, width: float) -> str:
        """A Chinese text in lines that fit: the library would break it at its few spaces alone."""
        text = self.normalize_text(text)
        if not CHINESE.search(text):
            return text
        return "\n".join(line for part in text.split("\n") for line in self._lines(part, width))

    def _lines(self, text: str, width: float) -> Iterator[str]:
        line, taken = "", 0.0
        for token in TOKEN.findall(text):
            more = self.get_string_width(token)
            if line and taken + more > width:
                yield line.rstrip()
                line, taken = "", 0.0
                token = token.lstrip()
            line, taken = line + token, taken + more
        yield line

    def _picture(self, picture: Picture) -> None:
        content, width, height = _for_paper(picture.svg)
        width, height = self._size_of(width, height)
        if self.will_page_break(height):
            self.add_page(same=True)
        y = self.get_y()
        self.image(io.BytesIO(content), x=self.l_margin, y=y, w=width, h=height)
        self.set_y(y + height + 2)

    def _size_of(self, width: float, height: float) -> tuple[float, float]:
        """In mm: as wide as the page, no higher than it, and no larger than its letters need."""
        scale = min(self.epw / width, (self.eph - 14) / height, LARGEST)
        return width * scale, height * scale


# --- our pictures ------------------------------------------------------------------------------------

SVG = "http://www.w3.org/2000/svg"
NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def _for_paper(svg: str) -> tuple[bytes, float, float]:
    """The picture in black, in our font, its words in characters that can be drawn; and its width and height."""
    # Our own templates wrote it; what somebody typed may hold what XML has no place for.
    root = ElementTree.fromstring(NO_XML.sub("", svg).strip())
    _without_words_beside(root)
    for one in root.iter():
        _blacken(one.attrib)
        one.text = plain(one.text) if one.text else one.text
    root.set("font-family", FONT)
    _x, _y, width, height = (float(part) for part in root.attrib["viewBox"].split())
    root.set("width", str(width))
    root.set("height", str(height))
    # Written again as it was read. Each time: the register of prefixes is everybody's, and the QR codes' library names
    # this one, after which nobody knows the picture.
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root), width, height


def _without_words_beside(parent: ElementTree.Element) -> None:
    """What is only there to be heard, or to be pointed at."""
    for one in list(parent):
        if one.tag in {f"{{{SVG}}}title", f"{{{SVG}}}desc"}:
            parent.remove(one)
        else:
            _without_words_beside(one)


def _blacken(attributes: dict[str, str]) -> None:
    for name, value in attributes.items():
        if value == "currentColor":
            attributes[name] = "black"
    # There is one font, of one weight.
    attributes.pop("font-family", None)
    attributes.pop("font-weight", None)
