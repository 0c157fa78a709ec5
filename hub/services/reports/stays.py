"""Pairs what cameras at entrances and exits saw: when each vehicle came, left, and how long it was.

A month has millions of sightings, so a stay is an object only while it is one of those that are
listed; of the others, only what adds up is kept.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from hub.services.reports.report import give_way
from hub.store.reports.day_parts import REPEAT_MS, VehiclesSeen

_ENTRANCE, _EXIT = 1, 2
_HOUR_MS = 3_600_000

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
    """When vehicles came and when they left, in UNIX milliseconds."""

    entered: list[int]
    exited: list[int]


class Lengths:
    """How long stays were, in milliseconds: those of each day are sorted by themselves."""

    def __init__(self) -> None:
        self._days: list[array[int]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, lengths: list[int]) -> None:
        """Add those of a day, in any order."""
        if lengths:
            self._days.append(array("q", sorted(lengths)))
            self._count += len(lengths)

    @property
    def longest(self) -> int | None:
        """None if there is none."""
        return max((day[-1] for day in self._days), default=None)

    @property
    def median(self) -> int | None:
        """The upper one, if their number is even. None if there is none."""
        if (longest := self.longest) is None:
            return None
        return bisect_right(range(longest), self._count // 2, key=self._up_to)

    def _up_to(self, length: int) -> int:
        """Return how many are not longer."""
        return sum(bisect_right(day, length) for day in self._days)


class Stays:
    """The stays so far. Days are added in their order.

    `limit`: how many are listed.
    """

    def __init__(self, entrances: Collection[str], exits: Collection[str], limit: int) -> None:
        self._entrances = frozenset(entrances)
        self._exits = frozenset(exits)
        self._limit = limit
        #: Of the vehicles that are inside, by term: when they came, and the stay if it is listed.
        self._came_at: dict[int, int] = {}
        self._inside: dict[int, Stay] = {}
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

    def add_day(self, seen: Sequence[VehiclesSeen], until: int) -> Passages:
        """Take the sightings of the next day, which ends with `until`.

        A camera that is in both groups counts as an entrance while the vehicle is outside, and as
        an exit while it is inside.
        """
        passages, lengths = Passages([], []), list[int]()
        if self._is_full:
            for some in seen:
                self._count(some, passages, lengths)
                give_way()
        else:
            for hour in self._by_hour(seen):
                self._list(hour, passages, lengths)
                give_way()
        self.lengths.add(lengths)
        self.entered += len(passages.entered)
        self.exited += len(passages.exited)
        self._forget_passages_before(until - REPEAT_MS)
        return passages

    def _list(self, seen: list[_Sighting], passages: Passages, lengths: list[int]) -> None:
        """Take sightings in the order of time, because the first stays are listed."""
        for at, did, term, near, side in sorted(seen):
            if near and self._is_repeat(term, at, side):
                continue
            if side == _ENTRANCE or (side != _EXIT and term not in self._came_at):
                passages.entered.append(at)
                self._enter(term, at, did)
            else:
                passages.exited.append(at)
                self._leave(term, at, did, lengths)

    def _count(self, seen: VehiclesSeen, passages: Passages, lengths: list[int]) -> None:
        """Take sightings plate by plate, as none of their stays is listed.

        The same as `_list` in one loop without calls: a month has millions.
        """
        sides = [self._side(did) for did in seen.dids]
        came_at, inside = self._came_at, self._inside
        enter, leave, note = passages.entered.append, passages.exited.append, lengths.append
        pop, is_repeat = came_at.pop, self._is_repeat
        for at, camera, term, near in zip(seen.at, seen.camera, seen.term, seen.near, strict=True):
            side = sides[camera]
            if not side or (near and is_repeat(term, at, side)):
                continue
            if side == _ENTRANCE or (side != _EXIT and term not in came_at):
                came_at[term] = at
                enter(at)
                if inside:
                    inside.pop(term, None)  # it was not seen to leave
            else:
                leave(at)
                came = pop(term, None)
                if came is not None:
                    note(at - came)
                    if inside and (stay := inside.pop(term, None)) is not None:
                        stay.left_at, stay.exit = at, seen.dids[camera]

    def _by_hour(self, seen: Sequence[VehiclesSeen]) -> Iterator[list[_Sighting]]:
        """Yield the sightings at the gates, hour by hour: a short sort holds nobody up."""
        hours: dict[int, list[_Sighting]] = {}
        for some in seen:
            sides = [self._side(did) for did in some.dids]
            for at, camera, term, near in zip(
                some.at, some.camera, some.term, some.near, strict=True
            ):
                if side := sides[camera]:
                    one = at, some.dids[camera], term, near, side
                    hours.setdefault(at // _HOUR_MS, []).append(one)
        for hour in sorted(hours):
            yield hours[hour]

    def _forget_passages_before(self, since: int) -> None:
        """Forget what cannot make a sighting of the next day a repeat."""
        self._last_in = {term: at for term, at in self._last_in.items() if at > since}
        self._last_out = {term: at for term, at in self._last_out.items() if at > since}

    def _side(self, did: str) -> int:
        return _ENTRANCE * (did in self._entrances) | _EXIT * (did in self._exits)

    def _is_repeat(self, term: int, at: int, side: int) -> bool:
        is_repeat = False
        if side & _ENTRANCE:
            is_repeat = at - self._last_in.get(term, -REPEAT_MS) < REPEAT_MS
            self._last_in[term] = at
        if side & _EXIT:
            is_repeat |= at - self._last_out.get(term, -REPEAT_MS) < REPEAT_MS
            self._last_out[term] = at
        return is_repeat

    def _enter(self, term: int, at: int, did: str) -> None:
        self._came_at[term] = at
        if (stay := self._listed(Stay(term, came_at=at, entrance=did))) is not None:
            self._inside[term] = stay
        else:
            self._inside.pop(term, None)

    def _leave(self, term: int, at: int, did: str, lengths: list[int]) -> None:
        came = self._came_at.pop(term, None)
        if came is None:
            self._listed(Stay(term, left_at=at, exit=did))
            return
        lengths.append(at - came)
        if (stay := self._inside.pop(term, None)) is not None:
            stay.left_at, stay.exit = at, did

    def _listed(self, stay: Stay) -> Stay | None:
        """Return the stay if there is room for it in the list."""
        if self._is_full:
            return None
        self.found.append(stay)
        return stay

    @property
    def _is_full(self) -> bool:
        return len(self.found) >= self._limit
