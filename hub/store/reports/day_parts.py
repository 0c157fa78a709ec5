"""What a summary of a day says, and its bytes in the database.

A part is a checksum of eight bytes and MessagePack. The checksum also covers which day and which
records the summary is of, so that a damaged row of either table is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
import xxhash
from msgspec import Struct

from hub.store.damage import Moment, Size
from hub.store.reports.sightings import PersonSeen, PlateSeen

#: Kind, camera (or "*") and number of a part.
PartName = tuple[str, str, int]

#: People and sightings of one part: some hundred KB.
_PEOPLE, _VEHICLES = 4_096, 16_384
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
    """Records with a plate, in the order of time and seq: one list for each of their values.

    `at`: UNIX milliseconds; in the database, since the day began. `camera`: a place in `dids`.
    `near`: 1 if it can be of the same passage as another sighting of the plate, by any camera or on
    another day.
    """

    dids: list[str]
    at: list[int]
    camera: list[int]
    term: list[int]
    seq: list[int]
    near: list[int]


_decode_people = msgspec.msgpack.Decoder(list[PersonSeen]).decode
_decode_vehicles = msgspec.msgpack.Decoder(VehiclesSeen).decode


def as_vehicles(seen: Iterable[PlateSeen], since: int, until: int) -> VehiclesSeen:
    """Return the sightings of a day in the order of time and seq."""
    ordered = sorted(seen, key=lambda one: (one.at, one.seq))
    dids = sorted({one.did for one in ordered})
    places = {did: place for place, did in enumerate(dids)}
    return VehiclesSeen(
        dids,
        [one.at for one in ordered],
        [places[one.did] for one in ordered],
        [one.term for one in ordered],
        [one.seq for one in ordered],
        _near(ordered, since, until),
    )


def _near(ordered: Sequence[PlateSeen], since: int, until: int) -> list[int]:
    near = [int(one.at < since + REPEAT_MS or one.at >= until - REPEAT_MS) for one in ordered]
    last: dict[int, int] = {}
    for place, one in enumerate(ordered):
        before = last.get(one.term)
        if before is not None and one.at - ordered[before].at < REPEAT_MS:
            near[place] = near[before] = 1
        last[one.term] = place
    return near


def as_sightings(seen: VehiclesSeen) -> Iterator[PlateSeen]:
    """Yield the sightings that a table of them holds."""
    for at, camera, term, seq in zip(seen.at, seen.camera, seen.term, seen.seq, strict=True):
        yield PlateSeen(at, seen.dids[camera], term, seq)


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
                seen.seq[part],
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
