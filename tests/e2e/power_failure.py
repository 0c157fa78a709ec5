"""A model of power failures: what a disk may hold if the power fails at a moment of a real run.

A hub runs with the library `faulty_disk`, which records every change of its files. From the record,
and the files before the run, `RecordedDisk` makes a directory as it may be found after a failure of
the power at any point:

- What was flushed before is there. Of all other writes each may be there or not, whole or in part
  (per sector), whatever their order.
- What a failed flush was to write may be there or not for ever, whatever is flushed later: the
  kernel marks such pages clean.
- New names, renamings and deletions are there in their order, up to some point behind the last
  flush of the directory.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

_ENTRY = struct.Struct("=IIQQQ")
_WROTE, _CUT, _SYNCED, _SYNC_FAILED, _NAMED, _UNNAMED, _RENAMED, _SYNCED_DIRECTORY = range(1, 9)
_SECTOR = 512
#: Files that are no part of the data, or that SQLite makes anew.
_NOT_KEPT = ("logs", "hub.sqlite-shm", "hub.lock", "control.json")


@dataclass
class Entry:
    """One change, and the thread that made it. `end` is the size of the record with it."""

    kind: int
    thread: int
    inode: int
    offset: int
    data: bytes
    end: int

    @property
    def is_failed_flush(self) -> bool:
        return self.kind == _SYNC_FAILED


@dataclass
class _Change:
    """A write, or with `data` None a cut to the size `offset`."""

    offset: int
    data: bytes | None
    is_durable: bool = False
    #: Its flush failed: no later one makes it durable.
    is_lost: bool = False


@dataclass
class _File:
    content: bytearray = field(default_factory=bytearray)
    changes: list[_Change] = field(default_factory=list)

    def flush(self) -> None:
        for change in self.changes:
            change.is_durable = change.is_durable or not change.is_lost
        while self.changes and self.changes[0].is_durable:
            _apply(self.content, self.changes.pop(0))

    def fail_flush(self) -> None:
        for change in self.changes:
            change.is_lost = change.is_lost or not change.is_durable

    def after_failure(self, rng: Random, kept: float) -> bytes:
        """The content, with each unflushed sector kept by this probability."""
        content = bytearray(self.content)
        for change in self.changes:
            if change.is_durable:
                _apply(content, change)
            elif change.data is None:
                if rng.random() < kept:
                    _apply(content, change)
            else:
                for start in range(0, len(change.data), _SECTOR):
                    if rng.random() < kept:
                        part = change.data[start : start + _SECTOR]
                        _apply(content, _Change(change.offset + start, part))
        return bytes(content)


def _apply(content: bytearray, change: _Change) -> None:
    if change.data is None:
        del content[change.offset :]
        content.extend(bytes(change.offset - len(content)))
        return
    content.extend(bytes(max(0, change.offset - len(content))))
    content[change.offset : change.offset + len(change.data)] = change.data


def read_record(path: Path) -> list[Entry]:
    """Read what the library recorded, up to an incomplete last entry."""
    data = memoryview(path.read_bytes())
    entries: list[Entry] = []
    at = 0
    while at + _ENTRY.size <= len(data):
        kind, size, thread, inode, offset = _ENTRY.unpack_from(data, at)
        at += _ENTRY.size
        if at + size > len(data):
            break
        entries.append(Entry(kind, thread, inode, offset, bytes(data[at : at + size]), at + size))
        at += size
    return entries


class RecordedDisk:
    """A directory before a run, and the changes of the run.

    Make it before the run starts; the directory is read, and must be durable as it is.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}
        #: Changes of names since the last flush of their directory.
        self._name_changes: list[Entry] = []
        for path in _files_below(root):
            inode = path.stat().st_ino
            self._files[inode] = _File(bytearray(path.read_bytes()))
            self._names[str(path.relative_to(root))] = inode

    def change(self, entry: Entry) -> None:
        """Make the next change of the record."""
        file = self._files.setdefault(entry.inode, _File())
        match entry.kind:
            case n if n == _WROTE:
                file.changes.append(_Change(entry.offset, entry.data))
            case n if n == _CUT:
                file.changes.append(_Change(entry.offset, None))
            case n if n == _SYNCED:
                file.flush()
            case n if n == _SYNC_FAILED:
                file.fail_flush()
            case n if n == _SYNCED_DIRECTORY:
                self._flush_names(entry.data.decode())
            case _:
                if entry.kind == _NAMED:
                    # The number of a deleted file may be given again.
                    self._files[entry.inode] = _File()
                self._name_changes.append(entry)

    def write_after_failure(self, target: Path, rng: Random) -> None:
        """Write the directory as it may be found if the power fails now."""
        # All, nothing, most or half of what was not flushed.
        kept = rng.choice((0.0, 1.0, 0.5, 0.9, rng.random()))
        names = dict(self._names)
        for entry in self._name_changes[: rng.randint(0, len(self._name_changes))]:
            self._rename(names, entry)
        for name, inode in names.items():
            path = target / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(self._files[inode].after_failure(rng, kept))
            path.chmod(0o600)

    def _flush_names(self, directory: str) -> None:
        """Flush the changes of names up to the last one in the directory."""
        last = 0
        for number, entry in enumerate(self._name_changes, 1):
            if os.path.dirname(entry.data.decode().split("\n")[0]) == directory:
                last = number
        for entry in self._name_changes[:last]:
            self._rename(self._names, entry)
        del self._name_changes[:last]

    def _rename(self, names: dict[str, int], entry: Entry) -> None:
        old, _, new = entry.data.decode().partition("\n")
        old, new = os.path.relpath(old, self._root), os.path.relpath(new or old, self._root)
        if entry.kind == _NAMED:
            names[old] = entry.inode
        elif old in names:
            inode = names.pop(old)
            if entry.kind == _RENAMED:
                names[new] = inode


def failures(
    disk: RecordedDisk, entries: Sequence[Entry], points: Sequence[int]
) -> Iterator[Entry]:
    """Go through the record; stop behind each of these entries, given by ascending numbers.

    At each stop the disk is as it was then, and the entry is the last one that was made.
    """
    done = 0
    for point in points:
        for entry in entries[done : point + 1]:
            disk.change(entry)
        done = point + 1
        yield entries[point]


def _files_below(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.relative_to(root).parts[0] not in _NOT_KEPT:
            yield path
