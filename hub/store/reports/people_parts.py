"""Whom cameras saw on a day, as a summary says it: all cameras together, and each by itself.

All together, people are a list. By camera, a person has one *entry* for each camera that saw them,
twice: in the order in which the cameras saw the person first, and in the order in which they saw
them last, the latest first. So whoever chose some cameras takes the first entry of each order that
one of these made, and makes no object of the others: forty cameras have millions in a month.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from copy import copy
from itertools import compress

import msgspec
from msgspec import Struct

from hub.store.reports.day_parts import MAX_CAMERAS
from hub.store.reports.packed_numbers import packed, unpacked
from hub.store.reports.sightings import PersonKey, PersonSeen, join

#: People, and entries, of one part: what is done with one takes a millisecond or two.
_PEOPLE, _ENTRIES = 4_096, 16_384


class PeopleByCamera(Struct, array_like=True, gc=False):
    """Entries, person by person. Of each of `people`, as many entries as `sizes` says.

    `first_camera` and `last_camera`: places in `dids`. Numbers are packed: `first_at` and `last_at`
    since the day began, in ms; `count` and `seq` (see PersonSeen) in the order of `first_camera`.
    """

    dids: list[str]
    people: list[PersonKey]
    sizes: bytes
    first_camera: bytes
    first_at: bytes
    last_camera: bytes
    last_at: bytes
    count: bytes
    seq: bytes


decode_people = msgspec.msgpack.Decoder(list[PersonSeen]).decode
decode_people_by_camera = msgspec.msgpack.Decoder(PeopleByCamera).decode


def encode_people(seen: Iterable[list[PersonSeen]]) -> Iterator[bytes]:
    """Yield the content of parts that tell of all cameras together.

    `seen`: of each person, what each camera saw.
    """
    together: list[PersonSeen] = []
    for of_person in seen:
        one = copy(of_person[0])
        for other in of_person[1:]:
            join(one, other)
        together.append(one)
        if len(together) >= _PEOPLE:
            yield msgspec.msgpack.encode(together)
            together = []
    if together:
        yield msgspec.msgpack.encode(together)


def encode_people_by_camera(seen: Iterable[list[PersonSeen]], since: int) -> Iterator[bytes]:
    """Yield the content of parts that tell of each camera.

    `seen`: as for `encode_people`, of the day that began at `since`.
    """
    part = _Part(since)
    for of_person in seen:
        for start in range(0, len(of_person), MAX_CAMERAS):
            some = of_person[start : start + MAX_CAMERAS]
            if part.is_full(some):
                yield part.encoded()
                part = _Part(since)
            part.add(some)
    if part.people:
        yield part.encoded()


def people_of(seen: PeopleByCamera, since: int, dids: Collection[str]) -> Iterator[PersonSeen]:
    """Yield whom these cameras saw on the day that began at `since`. Raises ValueError."""
    chosen = bytes(did in dids for did in seen.dids).ljust(256, b"\0")
    first, last = seen.first_camera.translate(chosen), seen.last_camera.translate(chosen)
    first_at, last_at = unpacked(seen.first_at), unpacked(seen.last_at)
    counts, seqs = unpacked(seen.count), unpacked(seen.seq)
    names, end = seen.dids, 0
    for (uuid, term), size in zip(seen.people, seen.sizes, strict=True):
        begin, end = end, end + size
        place = first.find(1, begin, end)
        if place < 0:
            continue
        latest = last.find(1, begin, end)
        are_chosen = first[begin:end]
        yield PersonSeen(
            uuid,
            term,
            since + first_at[place],
            names[seen.first_camera[place]],
            since + last_at[latest],
            names[seen.last_camera[latest]],
            sum(compress(counts[begin:end], are_chosen)),
            max(compress(seqs[begin:end], are_chosen)),
        )


class _Part:
    """A part that is being made."""

    def __init__(self, since: int) -> None:
        self.people: list[PersonKey] = []
        self._since = since
        self._places: dict[str, int] = {}
        self._sizes = bytearray()
        self._first: list[PersonSeen] = []
        self._last: list[PersonSeen] = []

    def is_full(self, some: list[PersonSeen]) -> bool:
        """Return whether there is no room for more of a person."""
        added = sum(one.first_did not in self._places for one in some)
        return bool(self.people) and (
            len(self._places) + added > MAX_CAMERAS or len(self._first) + len(some) > _ENTRIES
        )

    def add(self, some: list[PersonSeen]) -> None:
        """Add what some cameras saw of a person."""
        self.people.append(some[0].key)
        self._sizes.append(len(some))
        for one in some:
            self._places.setdefault(one.first_did, len(self._places))
        self._first += sorted(some, key=lambda one: (one.first_at, one.first_did))
        self._last += sorted(some, key=lambda one: (one.last_at, one.last_did), reverse=True)

    def encoded(self) -> bytes:
        places, since = self._places, self._since
        return msgspec.msgpack.encode(
            PeopleByCamera(
                list(places),
                self.people,
                bytes(self._sizes),
                bytes(places[one.first_did] for one in self._first),
                packed([one.first_at - since for one in self._first]),
                bytes(places[one.last_did] for one in self._last),
                packed([one.last_at - since for one in self._last]),
                packed([one.count for one in self._first]),
                packed([one.seq for one in self._first]),
            )
        )
