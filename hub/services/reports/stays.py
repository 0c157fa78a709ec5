"""Pairs what cameras at entrances and exits saw: when each vehicle came, left, and how long it was.

A month has millions of sightings, so a stay is an object only while it is one of those that are
listed; of the others, only what adds up is kept.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct

from hub.services.reports.report import yield_processor
from hub.store.reports.sightings import PlateSeen

#: Sightings of a plate by the same side of a gate are one passage if no more lies between them: a
#: camera sends a vehicle several times.
REPEAT_MS = 120_000
_HOUR_MS = 3_600_000


class Stay(Struct, gc=False):
    """A vehicle came and left. None: that was not seen, in the period."""

    term: int
    came_at: int | None = None
    entrance: str | None = None
    left_at: int | None = None
    exit: str | None = None


class Passages(Struct, frozen=True):
    """When vehicles came and when they left, in UNIX milliseconds."""

    entered: list[int]
    exited: list[int]


class Lengths:
    """How long stays were, in milliseconds. What is added at a time is sorted by itself."""

    def __init__(self) -> None:
        self._parts: list[array[int]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, lengths: list[int]) -> None:
        """Add some, in any order."""
        if lengths:
            self._parts.append(array("q", sorted(lengths)))
            self._count += len(lengths)

    @property
    def longest(self) -> int | None:
        """None if there is none."""
        return max((part[-1] for part in self._parts), default=None)

    @property
    def median(self) -> int | None:
        """The upper one, if their number is even. None if there is none."""
        if (longest := self.longest) is None:
            return None
        return bisect_right(range(longest), self._count // 2, key=self._up_to)

    def _up_to(self, length: int) -> int:
        """Return how many are not longer."""
        return sum(bisect_right(part, length) for part in self._parts)


class Stays:
    """The stays so far. Days are added in their order. `limit`: stays that are listed."""

    def __init__(self, entrances: Collection[str], exits: Collection[str], limit: int) -> None:
        self._entrances = frozenset(entrances)
        self._exits = frozenset(exits)
        self._limit = limit
        #: By term: when the vehicles that are inside came, and their stays that are listed.
        self._inside: dict[int, int] = {}
        self._listed: dict[int, Stay] = {}
        #: By term: when each was last seen at an entrance, and at an exit.
        self._last_in: dict[int, int] = {}
        self._last_out: dict[int, int] = {}
        #: The first stays, and how long all were that ended.
        self.found: list[Stay] = []
        self.lengths = Lengths()
        #: How many vehicles came, and how many left.
        self.entered = 0
        self.exited = 0

    @property
    def left_out(self) -> int:
        """How many stays there were beyond those that are listed."""
        return self.entered + self.exited - len(self.lengths) - len(self.found)

    @property
    def no_exit(self) -> int:
        """How many came, and were not seen to leave."""
        return self.entered - len(self.lengths)

    def add_day(self, seen: Iterable[PlateSeen]) -> Passages:
        """Take the sightings of the next day, in any order.

        A camera that is in both groups counts as an entrance while the vehicle is outside, and as
        an exit while it is inside.
        """
        day = Passages([], [])
        hours: defaultdict[int, list[PlateSeen]] = defaultdict(list)
        for one in seen:
            hours[one[0] // _HOUR_MS].append(one)
        for hour, of_hour in sorted(hours.items()):
            yield_processor()  # a sort of a whole day would hold everybody up
            self._follow(sorted(of_hour), day)
            self._forget_passages_before((hour + 1) * _HOUR_MS - REPEAT_MS)
        self.entered += len(day.entered)
        self.exited += len(day.exited)
        return day

    def _follow(self, seen: Sequence[PlateSeen], day: Passages) -> None:
        """Take sightings in the order of time."""
        entrances, exits, inside, lengths = self._entrances, self._exits, self._inside, list[int]()
        for at, did, term in seen:
            is_entrance, is_exit = did in entrances, did in exits
            if self._is_repeat(at, term, is_entrance, is_exit):
                continue
            if is_entrance and not (is_exit and term in inside):
                inside[term] = at
                day.entered.append(at)
                self._listed.pop(term, None)  # it was not seen to leave
                if len(self.found) < self._limit:
                    self._listed[term] = stay = Stay(term, came_at=at, entrance=did)
                    self.found.append(stay)
            elif is_exit:
                day.exited.append(at)
                if (came_at := inside.pop(term, None)) is not None:
                    lengths.append(at - came_at)
                    if (listed := self._listed.pop(term, None)) is not None:
                        listed.left_at, listed.exit = at, did
                elif len(self.found) < self._limit:
                    self.found.append(Stay(term, left_at=at, exit=did))
        self.lengths.add(lengths)

    def _is_repeat(self, at: int, term: int, is_entrance: bool, is_exit: bool) -> bool:
        is_repeat = False
        if is_entrance:
            is_repeat = at - self._last_in.get(term, -REPEAT_MS) < REPEAT_MS
            self._last_in[term] = at
        if is_exit:
            is_repeat |= at - self._last_out.get(term, -REPEAT_MS) < REPEAT_MS
            self._last_out[term] = at
        return is_repeat

    def _forget_passages_before(self, at: int) -> None:
        """Forget what cannot make a sighting of the next hour a repeat."""
        self._last_in = {term: last for term, last in self._last_in.items() if last > at}
        self._last_out = {term: last for term, last in self._last_out.items() if last > at}
