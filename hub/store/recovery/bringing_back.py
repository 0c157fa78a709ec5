"""Makes records again from the packs in media/set-aside, while no hub uses the data directory.

Their places in the packs may be taken by now. So each group is appended to the pack of its day
anew, with a number of its own; its records keep their seqs, which no other record was given. Each
group is a transaction, so that an interrupted call can be repeated. The files stay.
"""

from __future__ import annotations

import io
import re
import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from hub.store.commit.record_rows import insert_records, insert_spans
from hub.store.disk import Buffer, Disk
from hub.store.media.day_index import DayIndex, load_days, save_day
from hub.store.media.pack_format import (
    GROUP_SIZE,
    RECORD_SIZE,
    Group,
    GroupTail,
    LoggedRecord,
    RecordEntry,
    walk_file,
)
from hub.store.media.packs import SUFFIX, packs_in
from hub.store.media.tails import groups_in
from hub.store.names import DATABASE, MEDIA, SET_ASIDE
from hub.store.recovery.held import as_new
from hub.store.recovery.rebuild import (
    Progress,
    RebuildReport,
    connect_rebuilder,
    grown,
    rebuild,
)
from hub.store.recovery.taken_over import TakenOver, forget_taken_over, load_taken_over
from hub.store.rows import as_number
from hub.store.sealing import Random
from hub.store.sqlite.log_state import load_log_state, new_log_id, raise_last_group
from hub.store.sqlite.sql import one as value_of

#: As `quarantine_tail` names a pack, or the part of one.
_NAME = re.compile(r"(\d{4}-\d\d-\d\d)(?:\.from-(\d+))?(?:-\d+)?\.pack")
#: Above every seq.
_NO_SEQ = 2**63 - 1
_KNOWN = "SELECT did, received_at FROM record WHERE seq = ?"
_COUNT = "SELECT count(*) FROM record WHERE seq BETWEEN ? AND ?"
# Each log is counted on above what was set aside: later erasures have a higher number.
_ERASED = """
SELECT id, created_at FROM erasure WHERE manner = 'person' AND last_seq >= ? ORDER BY id DESC
"""


class _Part(Struct, frozen=True):
    """A pack that was put aside, from the byte `start` on."""

    path: Path
    day: str
    start: int

    def open(self) -> _PartFile:
        return _PartFile(self)

    @property
    def end(self) -> int:
        return self.start + self.path.stat().st_size


class _PartFile(io.BufferedReader):
    """A part that is read by the places of the whole pack."""

    def __init__(self, part: _Part) -> None:
        super().__init__(io.FileIO(part.path))
        self._start = part.start

    def seek(self, target: int, whence: int = 0, /) -> int:
        return super().seek(max(0, target - self._start), whence)


def bring_back(
    data_dir: Path,
    disk: Disk,
    random: Random,
    on_progress: Progress = lambda part: None,
    *,
    with_erased: bool = False,
) -> RebuildReport:
    """Rebuild, and then insert the records that are in media/set-aside as well. Blocks for long.

    Inserts none of these if people were erased since: nobody knows any more which are theirs. The
    report names the erasures. `with_erased`: insert them all the same.

    The log gets a new id, because they appear below seqs that its readers have passed. The caller
    holds the data directory, and no hub runs. Raises StartFault, OSError, sqlite3.Error; then call
    it again.
    """
    before = rebuild(data_dir, disk, random, more_follows=True)
    media = data_dir / MEDIA
    parts = [part for path in sorted((media / SET_ASIDE).glob("*")) if (part := _part(path))]
    found = [(group, part) for part in parts for group in _groups(part)]
    refused = _refused(media, [group for group, _ in found])
    wanted = [one for one in found if (one[0].log_id, one[0].number) not in refused]
    with closing(connect_rebuilder(data_dir / DATABASE)) as connection:
        erased = _erased_since(connection, [group for group, _ in wanted])
        if erased and not with_erased:
            forget_taken_over(connection)
            return replace(before, erased=erased)
        # They hold that nothing comes back below the seqs that they cover.
        taken = load_taken_over(connection)
        held = before.records - taken.records
        returned = _Return(connection, media, disk, random, taken)
        for done, (group, part) in enumerate(sorted(wanted, key=_first_seq), 1):
            returned.take(group, part)
            on_progress(done / len(wanted))
        forget_taken_over(connection)
    return replace(
        before,
        records=held + taken.records,
        unreadable=before.unreadable + returned.unreadable,
        refused=sum(group.records for group, _ in found if (group.log_id, group.number) in refused),
        days=tuple(sorted(taken.days)),
        log_id_changed=before.log_id_changed or returned.has_new_id,
        received=taken.received,
        replaced=returned.replaced,
    )


def _first_seq(one: tuple[Group, _Part]) -> int:
    return one[0].first_seq


def _part(path: Path) -> _Part | None:
    found = _NAME.fullmatch(path.name)
    return _Part(path, found[1], int(found[2] or 0)) if found and path.is_file() else None


def _groups(part: _Part) -> Iterator[Group]:
    with part.open() as file:
        yield from groups_in(file, part.start, part.end)


def _refused(media: Path, candidates: Sequence[Group]) -> set[tuple[str, int]]:
    """Return which groups were never committed: a later one of their log names an earlier one."""
    numbers: dict[str, list[int]] = {}
    for group in sorted(candidates, key=lambda group: group.number):
        numbers.setdefault(group.log_id, []).append(group.number)
    refused: set[tuple[str, int]] = set()
    whole = [_Part(path, path.stem, 0) for path in packs_in(media)]
    for group in chain(candidates, *map(_groups, whole)):
        known = numbers.get(group.log_id, [])
        between = slice(bisect_right(known, group.previous), bisect_left(known, group.number))
        refused |= {(group.log_id, number) for number in known[between]}
    return refused


def _erased_since(
    connection: sqlite3.Connection, groups: Sequence[Group]
) -> tuple[tuple[int, int], ...]:
    """Return which erasures of people may be about records that the log does not have."""
    missing = [
        group.first_seq
        for group in groups
        if value_of(connection, _COUNT, (group.first_seq, group.last_seq)) != group.records
    ]
    lowest = min(missing, default=_NO_SEQ)
    return tuple((id, as_number(at)) for id, at in connection.execute(_ERASED, (lowest,)))


class _Return:
    """Appends groups to their packs, each with its records in a transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        media: Path,
        disk: Disk,
        random: Random,
        taken: TakenOver,
    ) -> None:
        self._connection = connection
        self._media = media
        self._disk = disk
        self._random = random
        self._days = DayIndex(load_days(connection))
        self._taken = taken
        self.has_new_id = False
        self.unreadable = 0
        self.replaced = 0

    def take(self, group: Group, part: _Part) -> None:
        """Insert the records of a group that the log does not have."""
        with part.open() as file:
            pictures, logged, lost = _read(file, group)
        self.unreadable += lost
        new = [record for record in logged if self._is_new(record)]
        if not new:
            return
        if not self.has_new_id:
            new_log_id(self._connection, self._random)
            self.has_new_id = True
        state = load_log_state(self._connection)
        tail = GroupTail(self._days.end(part.day))
        tail.add_entries(pictures)
        moved = [_moved(record, tail.start - group.start) for record in new]
        for record in moved:
            tail.add_record(record)
        seqs, number = (new[0].seq, new[-1].seq), state.last_group + 1
        buffers = tail.buffers(state.log_id, number, state.last_group, seqs, group.at)
        self._append(part.day, tail.start, buffers)
        size = tail.end - tail.start
        written = Group(state.log_id, number, 0, tail.start, size, *seqs, len(new), group.at)
        day = grown(self._days.get(part.day), part.day, written, len(new))
        records = [as_new(record) for record in moved]
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            insert_records(self._connection, records)
            insert_spans(self._connection, [one.record for one in records])
            save_day(self._connection, day)
            raise_last_group(self._connection, number)
            self._taken.add(part.day, (one.received_at for one in new))
            self._taken.save(self._connection)
        self._days.put(day)

    def _is_new(self, record: LoggedRecord) -> bool:
        known = self._connection.execute(_KNOWN, (record.seq,)).fetchone()
        self.replaced += known not in (None, (record.did, record.received_at))
        return known is None

    def _append(self, day: str, start: int, buffers: Sequence[Buffer]) -> None:
        file = self._disk.open(self._media / f"{day}{SUFFIX}")
        try:
            self._disk.write(file, buffers, start)
            self._disk.flush(file)
        finally:
            self._disk.close(file)
        self._disk.flush_directory(self._media)


def _read(file: BinaryIO, group: Group) -> tuple[bytes, list[LoggedRecord], int]:
    """Return the entries of a group's pictures, its records, and how many of these are unreadable.

    Erased ones do not count.
    """
    entries = list(walk_file(file, group.start, group.end, read_pictures=False))
    found = [entry for entry in entries if isinstance(entry, RecordEntry)]
    records = [record for entry in found if (record := entry.decode())]
    erased = sum(entry.is_erased for entry in found)
    begin = group.start + GROUP_SIZE
    file.seek(begin)
    pictures = file.read(found[0].offset - RECORD_SIZE - begin) if found else b""
    return pictures, records, max(0, group.records - len(records) - erased)


def _moved(record: LoggedRecord, by: int) -> LoggedRecord:
    """Return a record whose pictures lie elsewhere in the pack."""
    images = tuple(replace(image, offset=image.offset + by) for image in record.images)
    return replace(record, images=images)
