"""What leaves as paper: the pieces of a print, the apps that are asked for them, and the record of each print.

A print is data before it is a file: `trialsite.pdf` lays it out, and knows nothing of what it says. File names carry
study numbers only; what names a person stands on the paper for those alone who are shown it, and then the paper says
so on each of its pages.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from trialsite import listexport, signing, subjectpage
from trialsite.exports import FILE_NAME, timed_name

PDF_TYPE = "application/pdf"
# Before the sections of the participant's page, and after them; what apps say under one code is one section.
ORDER = ("who", "owed", *subjectpage.ORDER, "signatures")


# --- the pieces --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Words:
    """A paragraph; `size` in points."""

    text: str
    size: float = 9.5


@dataclass(frozen=True)
class Facts:
    """Names with what is known under each; an empty answer is printed as a dash."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Band:
    """A shaded line across a table, with the last column of its own."""

    text: str
    last: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under heads that are repeated on each page. `row_height` in mm is room to write in by hand."""

    head: tuple[str, ...]
    rows: tuple[Sequence[str] | Band, ...]
    widths: tuple[int, ...]
    row_height: float = 0
    size: float = 8
    # What stands there where there are no rows.
    empty: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture of ours, as SVG: as wide as the page."""

    svg: str


Block = Words | Facts | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it; a wide one has a page across to itself."""

    code: str
    title: str
    blocks: tuple[Block, ...]
    is_wide: bool = False


@dataclass(frozen=True)
class Print:
    """A paper: `site` and `number` stand at the head of each page, `number` empty for a list of several people."""

    title: str
    sections: tuple[Section, ...]
    site: str
    number: str = ""
    # The fields that name the person, as far as they stand on the paper.
    identity: frozenset[str] = frozenset()
    is_wide: bool = False
    # A sheet to write on is no copy of a record.
    is_record: bool = True

    @property
    def has_identity(self) -> bool:
        return bool(self.identity)

    @property
    def rows(self) -> int:
        """How many lines of a table there are."""
        tables = (one for section in self.sections for one in section.blocks if isinstance(one, Table))
        return sum(not isinstance(row, Band) for table in tables for row in table.rows)


# --- what the apps say of a participant --------------------------------------------------------------


def sections_of(asked: subjectpage.Asked) -> tuple[Section, ...]:
    """All sections that this reader may see, in the order of the page.

    An app that knows something of a participant has `prints.sections(asked)`.
    """
    said = (one for app in subjectpage.APPS if find_spec(f"{app}.prints") for one in _said(app, asked))
    return tuple(_joined(sorted(said, key=_place)))


def _said(app: str, asked: subjectpage.Asked) -> Iterable[Section]:
    found: Iterable[Section] = import_module(f"{app}.prints").sections(asked)
    return found


def _place(section: Section) -> int:
    return ORDER.index(section.code) if section.code in ORDER else len(ORDER)


def _joined(sections: Iterable[Section]) -> Iterator[Section]:
    """One section a code: tables of the same head go on in one."""
    found: dict[str, Section] = {}
    for one in sections:
        before = found.get(one.code)
        blocks = one.blocks if before is None else _one_after_the_other(before.blocks, one.blocks)
        found[one.code] = replace(before or one, blocks=blocks)
    yield from found.values()


def _one_after_the_other(before: tuple[Block, ...], after: tuple[Block, ...]) -> tuple[Block, ...]:
    last, first = before[-1], after[0]
    if isinstance(last, Table) and isinstance(first, Table) and last.head == first.head:
        return (*before[:-1], replace(last, rows=(*last.rows, *first.rows)), *after[1:])
    return (*before, *after)


def signatures(*models: Iterable[Any]) -> Section:
    """What was signed of these rows, those of one model in one iterable, each signature verified now."""
    table = Table(
        head=(_("Signed at"), _("What"), _("Signed by"), _("State")),
        rows=tuple(sorted(chain.from_iterable(_signed(list(rows)) for rows in models))),
        widths=(30, 60, 52, 40),
        empty=_("Nothing is signed."),
    )
    return Section("signatures", _("Signatures"), (table,))


def _signed(rows: list[Any]) -> Iterator[tuple[str, ...]]:
    found = signing.verify(rows)
    for row in rows:
        for one in found.get(row.pk, ()):
            what = _list(str(row._meta.verbose_name), str(one.meaning.label))
            yield moment(one.signed_at), what, _list(one.name, one.roles_in_words), one.warning or one.short


def _list(*parts: str) -> str:
    return _(", ").join(part for part in parts if part)


# --- words that every print needs --------------------------------------------------------------------


def moment(at: dt.datetime | None) -> str:
    """A day and a time at the site; a dash for none."""
    return formats.date_format(timezone.localtime(at), "SHORT_DATETIME_FORMAT") if at else "—"


def day(on: dt.date | None) -> str:
    return formats.date_format(on, "SHORT_DATE_FORMAT") if on else "—"


# --- leaving -----------------------------------------------------------------------------------------


def leave(
    request: HttpRequest,
    printed: Print,
    *,
    model: str,
    content: str,
    now: dt.datetime,
    also: Callable[[], None] | None = None,
) -> HttpResponse:
    """The paper of this, once it is recorded like every file that leaves; `also` is kept with its record.

    `content` says what it is, in plain letters: with the participant's number it names the file.
    """
    from trialsite import pdf  # only who prints waits for the fonts

    by = listexport.person_of(request)
    body = pdf.render(printed, by=by, at=now)
    name = timed_name("-".join(part for part in (content, printed.number) if part), now)
    if not FILE_NAME.fullmatch(name):
        raise ValueError("a file name holds study, content and day in plain letters")
    with transaction.atomic():
        listexport.record(
            request,
            at=now,
            kind="pdf",
            model=model,
            # Of a list its filters, of a person's paper what it is.
            filters=f"{content} · {printed.number}" if printed.number else listexport.recorded(request.GET),
            rows=printed.rows,
            has_identity=printed.has_identity,
            sha256=hashlib.sha256(body).hexdigest(),
        )
        if also is not None:
            also()
    response = HttpResponse(body, content_type=PDF_TYPE)
    response["Content-Disposition"] = f'inline; filename="{name}.pdf"'
    return response
