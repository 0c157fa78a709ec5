"""Pairs what cameras at entrances and exits saw: when each vehicle came, left, and how long it was.

A month has millions of sightings, so a stay is an object only while it is one of those that are
listed; of the others, only what adds up is kept.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection

from msgspec import Struct

from hub.store.reports.day_parts import REPEAT_MS, VehiclesSeen

_ENTRANCE, _EXIT = 1, 2


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


class Stays:
    """The stays so far. Sightings are added in the order of time and seq.

    `limit`: how many are listed.
    """

    def __init__(self, entrances: Collection[str], exits: Collection[str], limit: int) -> None:
        self._entrances = frozenset(entrances)
        self._exits = frozenset(exits)
        self._limit = limit
        self._is_full = limit <= 0
        #: Of the vehicles that are inside, by term: when they came, and the stay if it is listed.
        self._came_at: dict[int, int] = {}
        self._inside: dict[int, Stay] = {}
        #: When each was last seen at an entrance, and at an exit.
        self._last_in: dict[int, int] = {}
        self._last_out: dict[int, int] = {}
        #: The first stays, and how long all were that ended, in milliseconds.
        self.found: list[Stay] = []
        self.lengths = array("q")
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

    def add(self, seen: VehiclesSeen) -> Passages:
        """Take the next sightings. A camera that is in both groups counts as an entrance while the
        vehicle is outside, and as an exit while it is inside."""
        # One loop without calls, and nothing but what adds up for most: a month has millions.
        sides = [self._side(did) for did in seen.dids]
        entered: list[int] = []
        exited: list[int] = []
        came_at, inside, lengths = self._came_at, self._inside, self.lengths
        columns = (seen.at, seen.camera, seen.term, seen.near)
        for at, camera, term, near in zip(*columns, strict=True):
            side = sides[camera]
            if not side or (near and self._is_repeat(term, at, side)):
                continue
            if side == _ENTRANCE or (side != _EXIT and term not in came_at):
                came_at[term] = at
                entered.append(at)
                if not self._is_full:
                    self._list_entry(Stay(term, came_at=at, entrance=seen.dids[camera]))
                elif inside:
                    inside.pop(term, None)  # it was not seen to leave
            else:
                exited.append(at)
                came = came_at.pop(term, None)
                if came is not None:
                    lengths.append(at - came)
                if inside or not self._is_full:
                    self._list_exit(term, at, seen.dids[camera], is_alone=came is None)
        self.entered += len(entered)
        self.exited += len(exited)
        return Passages(entered, exited)

    def end_day(self, until: int) -> None:
        """Forget what cannot make a sighting after `until` a repeat."""
        since = until - REPEAT_MS
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

    def _list_entry(self, stay: Stay) -> None:
        self._list(stay)
        self._inside[stay.term] = stay

    def _list_exit(self, term: int, at: int, did: str, *, is_alone: bool) -> None:
        stay = self._inside.pop(term, None)
        if stay is not None:
            stay.left_at, stay.exit = at, did
        elif is_alone and not self._is_full:
            self._list(Stay(term, left_at=at, exit=did))

    def _list(self, stay: Stay) -> None:
        self.found.append(stay)
        self._is_full = len(self.found) >= self._limit
