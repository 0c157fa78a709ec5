"""No message holds the interpreter lock for long, whatever it consists of, in the loop or a thread.

`tests/link/test_loop_time.py` measures the loop itself, with the dearest of these messages.

Measured is processor time of this thread, not the time of the clock: in the loop all of it, in a
thread the longest stretch in which no other thread can run, which is the longest call of C. What is
measured is compared with the speed of the machine, and tried again before it counts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import msgspec
import pytest
from msgspec import Raw

from hub.errors import HubError
from hub.wire.json_limits import weight
from tests.support.hostile_messages import KB, Place, contents, message, places

#: As in hub.link.dispatch and hub.services.records.ingest.
INLINE_BYTES = 256 * KB
MOST_SECONDS = 0.020
TRIES = 12
_SPEED_TRIES = 3
#: Shapes that are tried in each place.
SHAPES = 11
#: How long skipping 4 MB of numbers takes on the machine on which the bound was set.
USUAL_SECONDS = 0.016
_SKIP = msgspec.json.Decoder(dict[str, Raw])
PLACES = places()
#: Of what takes time in proportion to its length, as long as it may be.
WHOLE = (
    "plain",
    "escaped ideographs",
    "lone surrogates",
    "rare escaped quotes",
    "no UTF-8",
    "empty objects",
    "backslashes",
    "colons",
)
LONGEST = ("frame, msg", "face, extra field")


@cache
def _numbers() -> bytes:
    return b'{"a":[' + b"1," * (2 * KB * KB) + b"1]}"


def slowness() -> float:
    """How many times slower this machine is now than usual; at least 1.

    Measured anew each time: other programs on the same processor slow it down by more than half.
    """
    found = [seconds_of(lambda: _SKIP.decode(_numbers())) for _ in range(_SPEED_TRIES)]
    return max(1.0, max(found) / USUAL_SECONDS)


def seconds_of(work: Callable[[], object]) -> float:
    began = time.thread_time()
    with suppress(HubError):
        work()
    return time.thread_time() - began


def longest_stretch(work: Callable[[], object]) -> float:
    """Seconds between two calls or returns, when the lock can be given away."""
    last = longest = 0

    def see(*_: object) -> None:
        nonlocal last, longest
        now = time.thread_time_ns()
        longest = max(longest, now - last)
        last = time.thread_time_ns()

    last = time.thread_time_ns()
    sys.setprofile(see)
    try:
        with suppress(HubError):
            work()
    finally:
        sys.setprofile(None)
    return longest / 1e9


def cost_of(place: Place, data: bytes) -> float:
    """For how many seconds this message keeps other tasks from running."""
    at_once = seconds_of(lambda: (weight(data), place.at_once(data)))
    if weight(data) > INLINE_BYTES:
        return max(at_once, longest_stretch(lambda: place.handle(data)))
    return at_once + seconds_of(lambda: place.handle(data))


def check_cost(place: Place, shape: str, size: int) -> None:
    data = message(place, contents()[shape], size)
    costs: list[float] = []
    while len(costs) < TRIES:
        costs.append(cost_of(place, data))
        if costs[-1] <= MOST_SECONDS:
            return
    assert min(costs) <= MOST_SECONDS * slowness(), shape


@pytest.mark.parametrize("name", PLACES)
def test_no_kind_of_message_blocks_the_loop(name: str) -> None:
    shapes = list(contents())
    number = list(PLACES).index(name)
    first = number * SHAPES
    # As long as the loop may handle itself, or a little longer.
    size = min(PLACES[name].largest * KB, (INLINE_BYTES - KB, INLINE_BYTES + KB)[number % 2])
    for at in range(first, first + SHAPES):
        # Seventy shapes: each is tried in several places.
        check_cost(PLACES[name], shapes[at % len(shapes)], size)


@pytest.mark.parametrize("name", LONGEST)
def test_no_message_of_the_largest_size_blocks_the_loop(name: str) -> None:
    for shape in WHOLE:
        check_cost(PLACES[name], shape, PLACES[name].largest * KB)


def test_there_are_at_least_295_kinds() -> None:
    assert len(PLACES) * SHAPES >= 295
