"""An adverse event logged, beside the same row inserted plainly."""

import datetime as dt
from collections.abc import Iterable

from bench.measure import Line, Size, Work, in_turns


def lines(size: Size) -> Iterable[Line]:
    return []
