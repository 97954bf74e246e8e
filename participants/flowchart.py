"""The participant flow in words and as a picture: one list of boxes, drawn, tabled and exported alike."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

from participants.models import STATUS_NAMES, ReasonCode
from participants.rules.flow import Flow, Leaving, Tally, total
from participants.rules.status import Status
from trialsite.study import get_study

# --- the boxes ---------------------------------------------------------------------------------------


class Side(StrEnum):
    """Where a box stands: on the way down, beside it for those who leave the way, or at its end."""

    WAY = "way"
    BESIDE = "beside"
    END = "end"


@dataclass(frozen=True)
class Line:
    """A part of a box; what stands under another line, such as a criterion, is `deeper`."""

    code: str
    label: str
    count: int
    deeper: bool = False
    meaning: str = ""


@dataclass(frozen=True)
class Box:
    code: str
    title: str
    count: int
    lines: tuple[Line, ...] = ()
    side: Side = Side.WAY
    note: str = ""

    @property
    def heading(self) -> str:
        return f"{self.title} (n = {self.count})"


def boxes(flow: Flow) -> tuple[Box, ...]:
    """From top to bottom; the boxes beside the way follow the one that they leave from."""
    return (
        Box("screened", _("Screened"), flow.screenings, _screened(flow)),
        Box("screen_failed", _("Screen failure"), flow.failed, _failed(flow), Side.BESIDE, _note(flow)),
        _left("left_before_enrolment", _("Left before enrolment"), flow.left_before_enrolment),
        Box("in_screening", _("Still in screening"), flow.in_screening, (), Side.BESIDE),
        Box("enrolled", _("Enrolled"), flow.enrolled),
        _left("left_before_lymphodepletion", _("Will not be lymphodepleted"), flow.left_before_lymphodepletion),
        Box(
            "waiting_for_lymphodepletion",
            _("Waiting for lymphodepletion"),
            flow.waiting_for_lymphodepletion,
            (),
            Side.BESIDE,
        ),
        *_past(flow),
        Box("lymphodepleted", _("Lymphodepleted"), flow.lymphodepleted),
        _left("left_before_infusion", _("Will not be infused"), flow.left_before_infusion),
        Box("waiting_for_infusion", _("Waiting for the infusion"), flow.waiting_for_infusion, (), Side.BESIDE),
        Box("infused", _("Infused"), flow.infused, _infused(flow)),
        _left("discontinued", _("Discontinued after the infusion"), flow.discontinued),
        Box("in_follow_up", _("In follow-up"), flow.in_follow_up, (), Side.END),
        Box("relapsed", _("Relapsed, still followed"), flow.relapsed, (), Side.END),
        Box("completed", _("Completed"), flow.completed, (), Side.END),
    )


def _past(flow: Flow) -> tuple[Box, ...]:
    """Those who go past the lymphodepletion; a box only where there is somebody."""
    count = flow.infused_without_lymphodepletion
    title = _("Infused without lymphodepletion")
    return (Box("infused_without_lymphodepletion", title, count, (), Side.BESIDE),) if count else ()


def _infused(flow: Flow) -> tuple[Line, ...]:
    if not flow.infused_without_lymphodepletion:
        return ()
    without = flow.infused_without_lymphodepletion
    return (
        Line("after_lymphodepletion", _("After lymphodepletion"), flow.infused - without),
        Line("without_lymphodepletion", _("Without lymphodepletion"), without),
    )


def _screened(flow: Flow) -> tuple[Line, ...]:
    return (
        Line("persons", _("Persons"), flow.persons),
        Line("rescreenings", _("Screened again after a screen failure"), flow.rescreenings),
    )


def _failed(flow: Flow) -> tuple[Line, ...]:
    not_eligible = Line("not_eligible", _("Not eligible"), flow.not_eligible)
    criteria = tuple(Line(one.code, one.code, one.count, True, criterion_text(one.code)) for one in flow.criteria)
    others = tuple(Line(one.code or "unknown", _reason(one), one.count) for one in flow.failed_otherwise)
    return (not_eligible, *criteria, *others) if flow.not_eligible else others


def _note(flow: Flow) -> str:
    if total(flow.criteria) <= flow.not_eligible:
        return ""
    return _("One person can fail several criteria, so they add up to more than the persons.")


def _reason(tally: Tally) -> str:
    if tally.code == ReasonCode.NOT_ELIGIBLE:
        return _("Not eligible, criterion not recorded")
    return _capital(str(ReasonCode(tally.code).label)) if tally.code else _("Reason not recorded")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _left(code: str, title: str, leavings: Iterable[Leaving]) -> Box:
    lines = tuple(Line(_leaving_code(one), _leaving(one), one.count) for one in leavings)
    return Box(code, title, sum(line.count for line in lines), lines, Side.BESIDE)


def _leaving_code(one: Leaving) -> str:
    return f"{one.status}:{one.reason_code}" if one.reason_code else str(one.status)


# Reasons that say no more than the status itself.
SAME = {
    (Status.DIED, ReasonCode.DEATH),
    (Status.LOST_TO_FOLLOW_UP, ReasonCode.LOST),
    (Status.RELAPSED, ReasonCode.RELAPSE),
}


def _leaving(one: Leaving) -> str:
    status = str(STATUS_NAMES[one.status])
    if (one.status, one.reason_code) in SAME:
        return status
    reason = str(ReasonCode(one.reason_code).label) if one.reason_code else _("reason not recorded")
    return _("%(status)s: %(reason)s") % {"status": status, "reason": reason}


def criterion_text(code: str) -> str:
    """From the newest protocol version that has this criterion; empty where none has."""
    for protocol in reversed(list(get_study().versions.values())):
        for criterion in protocol.criteria:
            if criterion.code == code:
                return str(criterion.text)
    return ""


def rows(all_boxes: Iterable[Box]) -> Iterator[tuple[str, str, str, int]]:
    """The boxes as lines of a table: code of the box, code of the part, words, number."""
    for box in all_boxes:
        yield box.code, "", box.title, box.count
        for line in box.lines:
            words = f"{line.label} {line.meaning}".strip()
            yield box.code, line.code, words, line.count


def as_data(flow: Flow) -> dict[str, Any]:
    """The numbers under the codes of the study's own words, for programs."""
    return {
        "persons": flow.persons,
        "infused_without_lymphodepletion": {"count": flow.infused_without_lymphodepletion, "parts": []},
        **{
            box.code: {
                "count": box.count,
                "parts": [{"code": line.code, "count": line.count} for line in box.lines],
            }
            for box in boxes(flow)
        },
    }


# --- the picture -------------------------------------------------------------------------------------

MARGIN, GAP = 8, 22
WAY_WIDTH, BESIDE_WIDTH, BETWEEN = 236, 400, 44
WIDTH = MARGIN + WAY_WIDTH + BETWEEN + BESIDE_WIDTH + MARGIN
END_GAP = 20
PADDING, LINE_HEIGHT, FONT = 12, 20, 14
INDENT = 16
# Of the font's size: a Chinese character, a Latin letter on average with a little room, and in bold.
WIDE, NARROW, BOLD = 1.0, 0.54, 1.06
MEANING_LENGTH = 56
LOOSE_ENDS = " ,;:.，；：、。"


@dataclass(frozen=True)
class Text:
    x: int
    y: int
    words: str
    is_bold: bool = False


@dataclass(frozen=True)
class Frame:
    """A drawn box: its place in pixels from the top left, and its lines of text."""

    box: Box
    x: int
    y: int
    width: int
    height: int
    texts: tuple[Text, ...]

    @property
    def middle(self) -> int:
        return self.x + self.width // 2

    @property
    def bottom(self) -> int:
        return self.y + self.height


@dataclass(frozen=True)
class Picture:
    width: int
    height: int
    caption: tuple[Text, ...]
    frames: tuple[Frame, ...]
    # Paths of lines that end in an arrow.
    arrows: tuple[str, ...]
    description: str


def picture(all_boxes: tuple[Box, ...], caption: tuple[str, ...]) -> Picture:
    """Boxes on the way stand below each other on the left; who leaves, beside the arrow to the next."""
    lines = [part for words in caption for part in wrap(words, WIDTH - 2 * MARGIN)]
    texts = tuple(Text(MARGIN, MARGIN + FONT + LINE_HEIGHT * row, words) for row, words in enumerate(lines))
    frames, arrows = _laid_out(all_boxes, MARGIN + LINE_HEIGHT * len(lines) + PADDING)
    height = max(frame.bottom for frame in frames) + MARGIN
    return Picture(WIDTH, height, texts, tuple(frames), tuple(arrows), description(all_boxes))


def _laid_out(all_boxes: tuple[Box, ...], y: int) -> tuple[list[Frame], list[str]]:
    """From this height down, with the arrows between them."""
    frames: list[Frame] = []
    arrows: list[str] = []
    stem: Frame | None = None
    for box in all_boxes:
        if box.side == Side.END:
            continue
        if box.side == Side.BESIDE:
            assert stem is not None, "the first box stands on the way"
            frame = _frame(box, MARGIN + WAY_WIDTH + BETWEEN, y, BESIDE_WIDTH)
            across = frame.y + min(frame.height // 2, PADDING + LINE_HEIGHT // 2)
            arrows.append(f"M{stem.middle} {across}H{frame.x}")
        else:
            frame = _frame(box, MARGIN, y, WAY_WIDTH)
            if stem is not None:
                arrows.append(f"M{stem.middle} {stem.bottom}V{frame.y}")
            stem = frame
        frames.append(frame)
        y = frame.bottom + GAP
    assert stem is not None
    ends = _ends([box for box in all_boxes if box.side == Side.END], y + GAP)
    arrows += [f"M{stem.middle} {stem.bottom}V{y}H{end.middle}V{end.y}" for end in ends]
    return [*frames, *ends], arrows


def _ends(last: list[Box], y: int) -> list[Frame]:
    """The boxes at the end stand side by side, all as tall as the tallest."""
    width = (WIDTH - 2 * MARGIN - END_GAP * (len(last) - 1)) // len(last)
    drawn = [_frame(box, MARGIN + index * (width + END_GAP), y, width) for index, box in enumerate(last)]
    height = max(frame.height for frame in drawn)
    return [Frame(one.box, one.x, one.y, one.width, height, one.texts) for one in drawn]


def _frame(box: Box, x: int, y: int, width: int) -> Frame:
    texts: list[Text] = []
    for words, indent, is_bold in _paragraphs(box):
        for part in wrap(words, width - 2 * PADDING - indent, is_bold=is_bold):
            top = y + PADDING + len(texts) * LINE_HEIGHT
            texts.append(Text(x + PADDING + indent, top + FONT, part, is_bold))
    return Frame(box, x, y, width, 2 * PADDING + len(texts) * LINE_HEIGHT - (LINE_HEIGHT - FONT) + 2, tuple(texts))


def _paragraphs(box: Box) -> Iterator[tuple[str, int, bool]]:
    yield box.heading, 0, True
    for line in box.lines:
        label = f"{line.label} {_short(line.meaning)}".strip()
        yield f"{label} (n = {line.count})", INDENT * 2 if line.deeper else INDENT, False
    if box.note:
        yield box.note, INDENT, False


def _short(text: str) -> str:
    """The beginning of a criterion; the table beside the picture has the whole of it."""
    if text_width(text) <= MEANING_LENGTH * NARROW * FONT:
        return text.rstrip(LOOSE_ENDS)
    cut = ""
    for token in _tokens(text):
        if text_width(f"{cut}{token}") > MEANING_LENGTH * NARROW * FONT:
            break
        cut += token
    return f"{cut.rstrip(LOOSE_ENDS)}…"


def text_width(text: str, *, is_bold: bool = False) -> float:
    """Nearly, in pixels: the server has no fonts to measure with."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return (wide * WIDE + (len(text) - wide) * NARROW) * FONT * (BOLD if is_bold else 1)


def _tokens(text: str) -> list[str]:
    """Where a line may break: between words, and after a Chinese character with its comma. `(n = 3)` stays whole."""
    return re.findall(r"\(n = \d+\)|[\u2e80-\uffff][，。；：、）…]*|\s+|[^\s\u2e80-\uffff]+", text)


def wrap(text: str, width: float, *, is_bold: bool = False) -> list[str]:
    """Lines that fit the width; a single word that does not stays whole."""
    found = [""]
    for token in _tokens(text):
        if found[-1].strip() and text_width(f"{found[-1]}{token}".rstrip(), is_bold=is_bold) > width:
            found.append("")
        found[-1] += token if found[-1] else token.lstrip()
    return [line.rstrip() for line in found]


def description(all_boxes: Iterable[Box]) -> str:
    """The picture in one sentence, for those who hear it."""
    return "; ".join(f"{box.title}: {box.count}" for box in all_boxes)
