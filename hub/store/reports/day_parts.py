"""What a summary of a day says, and its bytes in the database.

A part is a checksum of eight bytes and MessagePack. The checksum also covers which day and which
records the summary is of, so that a damaged row of either table is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec
import xxhash
from msgspec import Struct

from hub.store.damage import Moment, Size
from hub.store.reports.sightings import PersonSeen, PlateSeen

#: Kind, camera (or "*") and number of a part.
PartName = tuple[str, str, int]

#: People and sightings of one part: what is done with one takes a millisecond or two.
_PEOPLE, _VEHICLES = 4_096, 4_096
#: Sorted at a time are plates with so many different terms (as a power of two): a long sort would
#: keep the interpreter from all others.
_TERM_BITS = 12
_CHECKSUM = 8
#: Sightings of a plate by the same side of a gate are one passage if no more lies between them: a
#: camera sends a vehicle several times. Summaries in the database were made with this number.
REPEAT_MS = 120_000


class DaySummary(Struct, frozen=True):
    """The summary of a day of the site: records with `since` <= occurred_at < `until`.

    `through`: the last seq that it covers. `parts`: how many it has, None while it is being made.
    """

    since: int
    until: int
    through: Size
    made_at: Moment
    parts: Size | None


class VehiclesSeen(Struct, array_like=True, gc=False):
    """Records with a plate, one list for each of their values: by term, then time, then camera.

    By plate, because whoever looks up a million of them finds what is near in memory. `at`: UNIX
    milliseconds; in the database, since the day began. `camera`: a place in `dids`. `near`: 1 if it
    can be of the same passage as another sighting of the plate, by any camera or on another day.
    """

    dids: list[str]
    at: list[int]
    camera: list[int]
    term: list[int]
    near: bytes


_decode_people = msgspec.msgpack.Decoder(list[PersonSeen]).decode
_decode_vehicles = msgspec.msgpack.Decoder(VehiclesSeen).decode


def as_vehicles(seen: Iterable[PlateSeen], since: int, until: int) -> VehiclesSeen:
    """Return the sightings of a day in their order."""
    buckets: dict[int, list[PlateSeen]] = {}
    for one in seen:
        buckets.setdefault(one.term >> _TERM_BITS, []).append(one)
    ordered: list[PlateSeen] = []
    for bucket in sorted(buckets):
        ordered += sorted(buckets[bucket], key=lambda one: (one.term, one.at, one.did))
    dids = sorted({one.did for one in ordered})
    places = {did: place for place, did in enumerate(dids)}
    return VehiclesSeen(
        dids,
        [one.at for one in ordered],
        [places[one.did] for one in ordered],
        [one.term for one in ordered],
        _near(ordered, since, until),
    )


def as_sightings(seen: VehiclesSeen) -> Iterator[PlateSeen]:
    """Yield the sightings in their order."""
    for at, camera, term in zip(seen.at, seen.camera, seen.term, strict=True):
        yield PlateSeen(at, seen.dids[camera], term)


def _near(ordered: Sequence[PlateSeen], since: int, until: int) -> bytes:
    near = bytearray(one.at < since + REPEAT_MS or one.at >= until - REPEAT_MS for one in ordered)
    for place, (before, one) in enumerate(pairwise(ordered)):
        if before.term == one.term and one.at - before.at < REPEAT_MS:
            near[place] = near[place + 1] = 1
    return bytes(near)


def encode_people(people: Iterable[PersonSeen]) -> Iterator[bytes]:
    """Yield the content of the parts."""
    # In an order of their own: which record came first is nobody's business here.
    ordered = sorted(people, key=lambda one: (one.uuid or "", one.term or 0))
    for start in range(0, len(ordered), _PEOPLE):
        yield msgspec.msgpack.encode(ordered[start : start + _PEOPLE])


def encode_vehicles(summary: DaySummary, seen: VehiclesSeen) -> Iterator[bytes]:
    """Yield the content of the parts."""
    for start in range(0, len(seen.at), _VEHICLES):
        part = slice(start, start + _VEHICLES)
        yield msgspec.msgpack.encode(
            VehiclesSeen(
                seen.dids,
                [at - summary.since for at in seen.at[part]],
                seen.camera[part],
                seen.term[part],
                seen.near[part],
            )
        )


def decode_people(summary: DaySummary, content: memoryview) -> list[PersonSeen]:
    """Return what a part says. Raises ValueError."""
    return _decode_people(content)


def decode_vehicles(summary: DaySummary, content: memoryview) -> VehiclesSeen:
    """Return what a part says. Raises ValueError."""
    seen = _decode_vehicles(content)
    since = summary.since
    seen.at = [at + since for at in seen.at]
    return seen


def with_checksum(summary: DaySummary, name: PartName, content: bytes) -> bytes:
    """Return the data of a part in the database."""
    return _checksum(summary, name, content) + content


def checked(summary: DaySummary, name: PartName, data: bytes) -> memoryview:
    """Return the content of a part. Raises ValueError if it, or what it belongs to, is damaged."""
    view = memoryview(data)
    if view[:_CHECKSUM] != _checksum(summary, name, view[_CHECKSUM:]):
        raise ValueError("checksum")
    return view[_CHECKSUM:]


def _checksum(summary: DaySummary, name: PartName, content: bytes | memoryview) -> bytes:
    found = xxhash.xxh3_64(content)
    found.update(repr((summary.since, summary.until, summary.through, name)).encode())
    return found.digest()
