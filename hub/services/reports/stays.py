"""Pairs what cameras at entrances and exits saw: when each vehicle came, left, and how long it was.

A month has millions of sightings, so a stay is an object only while it is one of those that are
listed; of the others, only what adds up is kept. Where no plate is twice in a part, all of its
sightings are paired at once, by functions that take lists.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator
from itertools import compress, repeat
from operator import sub

from msgspec import Struct

from hub.services.reports.report import give_way
from hub.store.reports.packed_numbers import unpacked
from hub.store.reports.vehicle_parts import REPEAT_MS, VehiclesSeen

_ENTRANCE, _EXIT, _BOTH = 1, 2, 3
_HOUR_MS = 3_600_000
#: What marks the sightings of a part by one side only, by the side of each.
_ONLY = {side: bytes(other == side for other in range(256)) for side in (_ENTRANCE, _EXIT, _BOTH)}
#: In place of when a vehicle came, in milliseconds: it is not inside. No period lasts so long.
_OUTSIDE = 1 << 44
#: Terms up to this one have a place in a list: 32 MB.
_MAX_PLACES = 1 << 22
#: Tells stays of the list from times: see `Stays`.
_LISTED = 1 << 45

#: When, by which camera, the term of the plate, whether it can be of another one's passage, and the
#: side of the gate.
_Sighting = tuple[int, str, int, int, int]


class Stay(Struct, gc=False):
    """A vehicle came and left. None: that was not seen, in the period."""

    term: int
    came_at: int | None = None
    entrance: str | None = None
    left_at: int | None = None
    exit: str | None = None


class Passages(Struct, frozen=True):
    """When vehicles came and when they left, in milliseconds since the first day began."""

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
    """The stays so far. Days are added in their order.

    `since`: when the first of them begins, in UNIX milliseconds. `limit`: stays that are listed.
    """

    def __init__(
        self, entrances: Collection[str], exits: Collection[str], since: int, limit: int
    ) -> None:
        self._entrances = frozenset(entrances)
        self._exits = frozenset(exits)
        self._limit = limit
        #: Times are in milliseconds since then, except those of the listed stays.
        self._since = since
        #: By term: _OUTSIDE; of a vehicle that is inside when it came, or -n * _LISTED if that is
        #: told by the nth stay of the list. So a later time minus this number tells at once how
        #: long the vehicle stayed, that it was not inside, or which stay ends. A list, because
        #: terms ascend in a part: what is near in memory is quicker than in a dictionary.
        self._inside: list[int] | defaultdict[int, int] = []
        #: When each was last seen at an entrance, and at an exit.
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

    def add_day(self, seen: Iterable[VehiclesSeen], since: int, until: int) -> Passages:
        """Take the sightings of the next day: `since` <= time < `until`.

        A camera that is in both groups counts as an entrance while the vehicle is outside, and as
        an exit while it is inside. Raises ValueError if a part cannot be read.
        """
        begin, day = since - self._since, Passages([], [])
        if self._is_full:
            for some in seen:
                self._count(some, begin, day)
                give_way()
        else:
            for hour in self._by_hour(seen, begin):
                # The first stays are listed, so they are looked for in the order of time.
                self._follow(hour if self._is_full else sorted(hour), day)
                give_way()
        self.entered += len(day.entered)
        self.exited += len(day.exited)
        self._forget_passages_before(until - REPEAT_MS - self._since)
        return day

    def _count(self, seen: VehiclesSeen, begin: int, day: Passages) -> None:
        """Take a part, none of whose stays is listed."""
        self._make_room(seen)
        inside, sides = self._inside, self._sides(seen)
        if seen.near or _BOTH in sides:
            self._follow(_sightings(seen, sides, begin), day)
            return
        if _ENTRANCE in sides:
            terms, times = _of_side(_ENTRANCE, sides, seen, begin)
            _do(map(inside.__setitem__, terms, times))
            day.entered.extend(times)
        if _EXIT in sides:
            terms, times = _of_side(_EXIT, sides, seen, begin)
            lengths = list(map(sub, times, map(inside.__getitem__, terms)))
            _do(map(inside.__setitem__, terms, repeat(_OUTSIDE)))
            if max(lengths) >= _LISTED:
                cameras = list(compress(seen.camera, sides.translate(_ONLY[_EXIT])))
                for place, length in enumerate(lengths):
                    if length >= _LISTED:
                        did = seen.dids[cameras[place]]
                        lengths[place] = self._end(length, times[place], did)
            self.lengths.add([length for length in lengths if length >= 0])
            day.exited.extend(times)

    def _follow(self, seen: Iterable[_Sighting], day: Passages) -> None:
        """Take sightings one by one, those of each plate in the order of time."""
        inside, found, lengths = self._inside, self.found, list[int]()
        for at, did, term, near, side in seen:
            if not side or (near and self._is_repeat(term, at, side)):
                continue
            if side == _ENTRANCE or (side == _BOTH and inside[term] == _OUTSIDE):
                day.entered.append(at)
                inside[term] = at
                if len(found) < self._limit:
                    found.append(Stay(term, came_at=self._since + at, entrance=did))
                    inside[term] = -len(found) * _LISTED
                continue
            day.exited.append(at)
            length = at - inside[term]
            inside[term] = _OUTSIDE
            if length >= _LISTED:
                length = self._end(length, at, did)
            if length >= 0:
                lengths.append(length)
            elif len(found) < self._limit:
                found.append(Stay(term, left_at=self._since + at, exit=did))
        self.lengths.add(lengths)

    def _by_hour(self, seen: Iterable[VehiclesSeen], begin: int) -> Iterator[list[_Sighting]]:
        """Yield the sightings at the gates, hour by hour: a short sort holds nobody up."""
        hours: dict[int, list[_Sighting]] = {}
        for some in seen:
            self._make_room(some)
            for one in _sightings(some, self._sides(some), begin):
                if one[4]:
                    hours.setdefault(one[0] // _HOUR_MS, []).append(one)
            give_way()
        for hour in sorted(hours):
            yield hours[hour]

    def _make_room(self, seen: VehiclesSeen) -> None:
        """Let there be a place in `_inside` for all terms of a part."""
        inside, last = self._inside, unpacked(seen.term)[-1]
        if not isinstance(inside, list):
            return
        if last < _MAX_PLACES:
            inside.extend(repeat(_OUTSIDE, last + 1 - len(inside)))
        else:
            known = ((term, came) for term, came in enumerate(inside) if came != _OUTSIDE)
            self._inside = defaultdict(lambda: _OUTSIDE, known)

    def _end(self, length: int, at: int, did: str) -> int:
        """End the listed stay that a difference of times tells. Return how long it was."""
        stay = self.found[length // _LISTED - 1]
        stay.left_at, stay.exit = self._since + at, did
        return stay.left_at - (stay.came_at or 0)

    def _is_repeat(self, term: int, at: int, side: int) -> bool:
        is_repeat = False
        if side & _ENTRANCE:
            is_repeat = at - self._last_in.get(term, -REPEAT_MS) < REPEAT_MS
            self._last_in[term] = at
        if side & _EXIT:
            is_repeat |= at - self._last_out.get(term, -REPEAT_MS) < REPEAT_MS
            self._last_out[term] = at
        return is_repeat

    def _forget_passages_before(self, at: int) -> None:
        """Forget what cannot make a sighting of the next day a repeat."""
        self._last_in = {term: last for term, last in self._last_in.items() if last > at}
        self._last_out = {term: last for term, last in self._last_out.items() if last > at}

    def _sides(self, seen: VehiclesSeen) -> bytes:
        """Return the side of each sighting of a part, 0 for that of no gate."""
        return seen.camera.translate(bytes(map(self._side, seen.dids)).ljust(256, b"\0"))

    def _side(self, did: str) -> int:
        return _ENTRANCE * (did in self._entrances) | _EXIT * (did in self._exits)

    @property
    def _is_full(self) -> bool:
        return len(self.found) >= self._limit


#: Does what an iterator does.
_do = deque[None](maxlen=0).extend


def _of_side(
    side: int, sides: bytes, seen: VehiclesSeen, begin: int
) -> tuple[list[int], list[int]]:
    """Return terms and times of the sightings of a part by one side."""
    chosen = sides.translate(_ONLY[side])
    times = [begin + at for at in compress(unpacked(seen.at), chosen)]
    return list(compress(unpacked(seen.term), chosen)), times


def _sightings(seen: VehiclesSeen, sides: bytes, begin: int) -> Iterator[_Sighting]:
    return zip(
        [begin + at for at in unpacked(seen.at)],
        map(seen.dids.__getitem__, seen.camera),
        unpacked(seen.term),
        seen.near or bytes(len(seen.camera)),
        sides,
        strict=True,
    )
