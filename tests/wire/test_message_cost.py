"""No message holds the interpreter lock for long, whatever it consists of, in the loop or a thread.

`tests/link/test_loop_time.py` measures the loop itself, with the dearest of these messages.

It takes half a minute. Measured is processor time of this thread, not the time of the clock: in
the loop all of it, in a thread the longest stretch in which no other thread can run, which is the
longest call of C.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from hub.errors import HubError
from hub.wire.json_limits import weight
from tests.support.best_of_tries import Tries, thread_seconds_of
from tests.support.hostile_messages import KB, Place, contents, message, places

pytestmark = pytest.mark.long

#: As in hub.link.dispatch and hub.services.records.ingest.
INLINE_BYTES = 256 * KB
MOST_SECONDS = 0.020
#: Shapes that are tried in each place.
SHAPES = 11
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


def seconds_of(work: Callable[[], object]) -> float:
    def refused_or_not() -> None:
        with suppress(HubError):
            work()

    return thread_seconds_of(refused_or_not)


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
    tries = Tries(MOST_SECONDS)
    while tries.go_on():
        tries.add(cost_of(place, data))
    assert tries.is_within_bound, f"{shape}: {tries}"


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
