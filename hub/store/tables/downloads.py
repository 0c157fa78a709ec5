"""Downloads of firmware files by devices, and how much of each file was sent."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct

from hub.decoders import decode_json
from hub.store.rows import TableRows, as_json_text, as_text
from hub.store.tables.table import Engine, MemoryTable
from hub.wire.times import Moment

#: The oldest downloads beyond this number are removed.
MAX_DOWNLOADS = 1000
#: Limit of the separate parts of a file that are remembered.
_MAX_SPANS = 64

_TRIM = "DELETE FROM firmware_download WHERE id <= ?"

#: [(start, end), ...] in order, with gaps between them.
Spans = tuple[tuple[int, int], ...]


class Download(Struct, frozen=True):
    """One device's download of one file, in one or more requests. Times in UNIX milliseconds.

    `sent`: bytes sent, counting repeated ones again. `spans`: the parts of the file that were sent.
    """

    id: int
    did: str
    sha256: str
    size: Annotated[int, Meta(ge=1)]
    started_at: Moment
    ended_at: Moment
    sent: int = 0
    spans: Spans = ()

    @property
    def covered(self) -> int:
        """How many bytes of the file were sent at least once."""
        return sum(end - start for start, end in self.spans)

    @property
    def is_complete(self) -> bool:
        return self.covered == self.size


def joined(spans: Spans, start: int, end: int) -> Spans:
    """Return `spans` with one added: merge touching spans, then drop the shortest if too many."""
    result: list[tuple[int, int]] = []
    for one in sorted((*spans, (start, end))):
        if result and one[0] <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], one[1]))
        else:
            result.append(one)
    if len(result) > _MAX_SPANS:
        result.remove(min(result, key=lambda span: span[1] - span[0]))
    return tuple(result)


def _as_spans(value: object) -> Spans:
    return decode_json(as_text(value), Spans)


_rows = TableRows(
    "firmware_download",
    Download,
    decoders={"spans": _as_spans},
    encoders={"spans": as_json_text},
)
_PUT = f"""
INSERT OR REPLACE INTO firmware_download ({_rows.names})
SELECT {_rows.marks} WHERE EXISTS (SELECT 1 FROM device WHERE did = :did)
"""


class DownloadTable(MemoryTable[int, Download]):
    """All downloads, in memory. Only `save` writes them, so that sending a piece costs no write."""

    queries = ((_rows, f"{_rows.select} ORDER BY id"),)

    def __init__(self, engine: Engine, loaded: list[Download]) -> None:
        super().__init__(engine, loaded)
        self._last_id = max(self._rows, default=0)
        #: The newest download of each file by each device.
        self._last = {(one.did, one.sha256): one.id for one in loaded}
        self._unsaved: set[int] = set()

    def all(self) -> tuple[Download, ...]:
        """Return all downloads, newest first."""
        return tuple(reversed(self._rows.values()))

    def last_of(self, did: str, sha256: str) -> Download | None:
        """Return the device's newest download of this file."""
        return self._rows.get(self._last.get((did, sha256), 0))

    def begin(self, did: str, sha256: str, size: int, at: int) -> Download:
        """Add a download, in memory. `at` in UNIX milliseconds."""
        self._last_id += 1
        download = Download(self._last_id, did, sha256, size, at, at)
        self._rows[download.id] = download
        self._last[did, sha256] = download.id
        self.put(download)
        while len(self._rows) > MAX_DOWNLOADS:
            self._forget(next(iter(self._rows)))
        return download

    def put(self, download: Download) -> None:
        """Replace a download, in memory until `save`. Ignored if its device was removed."""
        if download.id in self._rows:
            self._rows[download.id] = download
            self._unsaved.add(download.id)

    async def save(self) -> None:
        """Make all changes durable. Raises CannotStoreNow; the next call then saves them."""
        ids, self._unsaved = self._unsaved, set()
        changed = [self._rows[id_] for id_ in sorted(ids) if id_ in self._rows]
        if not changed:
            return
        try:
            await self._writer.write(lambda connection: _save(connection, changed, self._last_id))
        except BaseException:
            self._unsaved |= ids
            raise

    def forget_camera(self, did: str) -> None:
        for download in self.all():
            if download.did == did:
                self._forget(download.id)

    def _forget(self, id: int) -> None:
        download = self._rows.pop(id)
        key = (download.did, download.sha256)
        if self._last.get(key) == id:
            del self._last[key]


def _save(connection: sqlite3.Connection, downloads: Iterable[Download], last_id: int) -> None:
    connection.executemany(_PUT, map(_rows.values, downloads))
    connection.execute(_TRIM, (last_id - MAX_DOWNLOADS,))
