"""How many requests were answered, how, and how fast: counted in a memory that all processes of the web server share.

Made before they are forked, and written by each in a place of its own, so that none waits for another and one that
was killed leaves its counts behind. Reading adds all places up. Counts begin anew with the web server.
"""

import mmap
import threading
from array import array
from dataclasses import dataclass

CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
# Seconds; the last class has no end.
LIMITS = (0.1, 0.3, 1.0, 3.0, 10.0)
# Of one class of answers: one count for each limit, one for what is slower, and the seconds of all.
_WIDTH = len(LIMITS) + 2
_PLACE = len(CLASSES) * _WIDTH
# More than ever live at once: the next process takes the place of one that ended long ago, and counts on.
_PLACES = 64
_memory = memoryview(mmap.mmap(-1, _PLACES * _PLACE * array("d").itemsize)).cast("d")
_lock = threading.Lock()
_begin = 0


@dataclass(frozen=True)
class Answers:
    """Of one class: how many took no longer than each limit, how many there were, and their seconds together."""

    status: str
    within: tuple[tuple[float, int], ...]
    count: int
    seconds: float


def take_place(number: int) -> None:
    """For a process that was just forked; `number` is never that of another one that lives."""
    global _begin  # one for each process
    _begin = number % _PLACES * _PLACE


def count(status: int, seconds: float) -> None:
    """One answer more."""
    kind = min(max(status // 100, 1), len(CLASSES)) - 1
    at = _begin + kind * _WIDTH
    slow = sum(seconds > limit for limit in LIMITS)
    with _lock:
        _memory[at + slow] += 1
        _memory[at + _WIDTH - 1] += seconds


def answers() -> list[Answers]:
    """Of all processes together."""
    sums = [sum(_memory[at::_PLACE]) for at in range(_PLACE)]
    return [_of(name, sums[at * _WIDTH : (at + 1) * _WIDTH]) for at, name in enumerate(CLASSES)]


def _of(name: str, sums: list[float]) -> Answers:
    within, so_far = [], 0
    for limit, some in zip(LIMITS, sums, strict=False):
        so_far += int(some)
        within.append((limit, so_far))
    return Answers(name, tuple(within), so_far + int(sums[len(LIMITS)]), sums[-1])
