"""Records with a plate of a day, as a summary says them: made to be paired quickly.

Most plates are seen a few times on a day, and minutes apart. Their sightings are in parts in which
every plate is there once: first all first sightings, then all second ones, and so on. So whoever
reads the parts in their order sees each plate's sightings in the order of time, and can do the same
with all sightings of a part at once. The other plates come at the end, plate by plate.

A camera sends a vehicle several times while it passes. If no other camera saw it then, all but the
first are the same passage whatever is asked for: they are kept apart, as *repeats*, because only a
record that comes late can make a difference of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, pairwise

import msgspec
from msgspec import Struct

from hub.store.reports.day_parts import MAX_CAMERAS
from hub.store.reports.packed_numbers import packed, unpacked
from hub.store.reports.sightings import PlateSeen

#: Sightings of one part: what is done with one takes a millisecond or two.
_SIGHTINGS = 8_192
#: A plate that is seen more often on a day is one of the others.
_MAX_ROUNDS = 12
#: Sorted at a time are plates with so many different terms (as a power of two): a long sort would
#: keep the interpreter from all others.
_TERM_BITS = 12
#: Sightings of a plate by the same side of a gate are one passage if no more lies between them: a
#: camera sends a vehicle several times. Summaries in the database were made with this number.
REPEAT_MS = 120_000


class VehiclesSeen(Struct, array_like=True, gc=False):
    """Sightings of plates on a day: one value of each in each field. Terms ascend.

    `camera`: a place in `dids`. Packed: `at`, in ms since the day began; `term`. `near`: 1 if it
    can be of the same passage as another sighting of the plate, by any camera or on another day;
    the order is by term, then time, then camera. Empty: none can, and every plate is there once. Of
    repeats it is empty, and says nothing.
    """

    dids: list[str]
    camera: bytes
    at: bytes
    term: bytes
    near: bytes


encode_vehicles = msgspec.msgpack.Encoder().encode
decode_vehicles = msgspec.msgpack.Decoder(VehiclesSeen).decode


def as_vehicles(
    seen: Iterable[PlateSeen], since: int, until: int, give_way: Callable[[], None]
) -> tuple[list[VehiclesSeen], list[VehiclesSeen]]:
    """Return all sightings of a day in parts: those that are to be paired, and the repeats.

    `give_way` is called again and again, after some milliseconds of work.
    """
    rounds: list[list[PlateSeen]] = [[] for _ in range(_MAX_ROUNDS)]
    others, repeats = list[PlateSeen](), list[PlateSeen]()
    near = bytearray()
    for of_plate in _by_plate(seen, give_way):
        found = _passages(of_plate, since, until)
        if found is None or len(found[0]) > _MAX_ROUNDS:
            others += of_plate
            near += _near(of_plate, since, until)
            continue
        for some, one in zip(rounds, found[0], strict=False):
            some.append(one)
        repeats += found[1]
    parts = [part for some in rounds for part in _parts(some, since, give_way)]
    parts += _parts(others, since, give_way, near)
    return parts, list(_parts(repeats, since, give_way))


def as_sightings(seen: VehiclesSeen, since: int) -> Iterator[PlateSeen]:
    """Yield the sightings of a part of the day that began at `since`. Raises ValueError."""
    for camera, at, term in zip(seen.camera, unpacked(seen.at), unpacked(seen.term), strict=True):
        yield PlateSeen(since + at, seen.dids[camera], term)


def _by_plate(seen: Iterable[PlateSeen], give_way: Callable[[], None]) -> Iterator[list[PlateSeen]]:
    """Yield the sightings of each plate, by time, then camera."""
    buckets: dict[int, list[PlateSeen]] = {}
    for one in seen:
        buckets.setdefault(one.term >> _TERM_BITS, []).append(one)
    for _, bucket in sorted(buckets.items()):
        give_way()
        bucket.sort(key=lambda one: (one.term, one.at, one.did))
        for _, of_plate in groupby(bucket, key=lambda one: one.term):
            yield list(of_plate)


def _passages(
    of_plate: Sequence[PlateSeen], since: int, until: int
) -> tuple[list[PlateSeen], list[PlateSeen]] | None:
    """Return the first sighting of each passage of a plate, and the repeats.

    None if cameras make a difference: two of them saw it within REPEAT_MS, or a day beside it may
    have the passage too.
    """
    if of_plate[0].at - since < REPEAT_MS or until - of_plate[-1].at <= REPEAT_MS:
        return None
    before = of_plate[0]
    firsts, repeats = [before], list[PlateSeen]()
    for one in of_plate[1:]:
        if one.at - before.at >= REPEAT_MS:
            firsts.append(one)
        elif one.did == before.did:
            repeats.append(one)
        else:
            return None
        before = one
    return firsts, repeats


def _near(of_plate: Sequence[PlateSeen], since: int, until: int) -> bytes:
    """Return 1 for each sighting of a plate that can be of the passage of another one."""
    times = (since, *(one.at for one in of_plate), until - 1)
    close = [after - before < REPEAT_MS for before, after in pairwise(times)]
    return bytes(before or after for before, after in pairwise(close))


def _parts(
    seen: Sequence[PlateSeen],
    since: int,
    give_way: Callable[[], None],
    near: bytes | bytearray = b"",
) -> Iterator[VehiclesSeen]:
    """Yield sightings in parts: not too many in each, nor of too many cameras."""
    edges, dids = [0], set[str]()
    for place, one in enumerate(seen):
        dids.add(one.did)
        if place - edges[-1] >= _SIGHTINGS or len(dids) > MAX_CAMERAS:
            edges.append(place)
            dids = {one.did}
    for start, end in pairwise((*edges, len(seen))):
        if start < end:
            give_way()
            yield _part(seen[start:end], since, bytes(near[start:end]))


def _part(some: Sequence[PlateSeen], since: int, near: bytes) -> VehiclesSeen:
    dids = sorted({one.did for one in some})
    places = {did: place for place, did in enumerate(dids)}
    return VehiclesSeen(
        dids,
        bytes(places[one.did] for one in some),
        packed([one.at - since for one in some]),
        packed([one.term for one in some]),
        near,
    )
