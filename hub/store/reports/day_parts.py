"""The summary of a day, and the bytes of its parts in the database.

A part is a checksum of eight bytes and MessagePack. The checksum also covers which day and which
records the summary is of, so that a damaged row of either table is found. What a part says is known
to the module of its kind: `people_parts`, `vehicle_parts`, `unsorted_faces`.
"""

from __future__ import annotations

import xxhash
from msgspec import Struct

from hub.store.damage import Moment, Size

#: What summaries consist of now. One of another form is as good as none, and is made again.
FORM = 2
#: In place of a did: all cameras together.
ALL_CAMERAS = "*"
#: Kind, camera (or "*") and number of a part.
PartName = tuple[str, str, int]
#: The name of a part, and its data.
Part = tuple[PartName, bytes]

#: Cameras that one part tells of: a byte tells which.
MAX_CAMERAS = 255
_CHECKSUM = 8


class DaySummary(Struct, frozen=True):
    """The summary of a day of the site: records with `since` <= occurred_at < `until`.

    `through`: the last seq that it covers. `parts`: how many it has, None while it is being made.
    """

    since: int
    until: int
    through: Size
    made_at: Moment
    parts: Size | None
    form: Size = FORM


def part_of(summary: DaySummary, kind: str, number: int, content: bytes) -> Part:
    """Return a part of all cameras with its data in the database."""
    name = (kind, ALL_CAMERAS, number)
    return name, _checksum(summary, name, content) + content


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
