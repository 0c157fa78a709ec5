"""The copies of the packs in a backup folder, which its generations share.

What a pack has grown by is appended to its copy; a pack whose bytes have changed is copied under
another name. A copy is read back after it was written, and once a week.

What the disk of the hub cannot read is taken from the copy if that has it. Otherwise the copy has
zeros there, and its pack says so.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from hub.errors import BackupFault
from hub.store.backup.archive import StoredPack
from hub.store.backup.files import FlushedFile, read_steps
from hub.store.backup.pace import Pace
from hub.store.backup.snapshot import PackPart
from hub.store.backup.unread import UnreadParts, blanked
from hub.wire.times import format_rfc3339

#: A pack that has not changed is read back again after this time.
_READ_BACK = timedelta(days=7)


class Digest(Protocol):
    """A SHA-256 in progress."""

    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class PackCopies:
    """Brings the copies of the packs up to date.

    `known`: each pack as the newest restorable generation names it. `named`: the files that any
    generation names. `now`: UNIX seconds. `can_link`: the folder is on the disk of the data. All
    methods block.
    """

    def __init__(
        self,
        data_dir: Path,
        folder: Path,
        known: Mapping[str, StoredPack],
        named: Collection[str],
        now: float,
        pace: Pace,
        *,
        can_link: bool,
    ) -> None:
        self._data_dir = data_dir
        self._folder = folder
        self._known = known
        self._named = named
        self._now = now
        self._pace = pace
        self._links = can_link

    def growth(self, packs: Iterable[PackPart]) -> int:
        """Return how many bytes the copies will grow by."""
        if self._links:
            return 0
        known = self._known
        return sum(
            pack.bytes - (known[pack.name].bytes if pack.name in known else 0) for pack in packs
        )

    def keep(self, pack: PackPart) -> StoredPack | None:
        """Keep a pack as the snapshot knows it; None if it was dropped since.

        Raises BackupFault, OSError or CopyingStopped.
        """
        source, known = self._data_dir / pack.name, self._known.get(pack.name)
        try:
            found = source.stat()
        except FileNotFoundError:
            return None
        version = f"{found.st_ino}-{found.st_mtime_ns}"
        if known is not None and self._is_current(known, pack, version):
            self._pace.spend(0)
            return known
        try:
            return self._keep_anew(source, pack, known, version)
        except FileNotFoundError:
            if source.exists():
                raise
            return None

    def _is_current(self, known: StoredPack, pack: PackPart, version: str) -> bool:
        """Whether a copy needs neither more bytes nor to be read back today."""
        read_back = datetime.fromisoformat(known.verified_at).timestamp()
        path = self._folder / known.file
        return (
            not known.unread
            and known.bytes == pack.bytes
            and known.version == version
            and 0 <= self._now - read_back < _READ_BACK.total_seconds()
            and path.exists()
            and path.stat().st_size >= known.bytes
        )

    def _keep_anew(
        self, source: Path, pack: PackPart, known: StoredPack | None, version: str
    ) -> StoredPack:
        target = self._folder / (known.file if known is not None else source.name)
        unread = UnreadParts()
        if self._links and self._link(source, target):
            digest = self._digest(target, pack.bytes, unread)
        else:
            target, digest = self._copy(source, target, pack, known, unread)
        return StoredPack(
            name=pack.name,
            file=target.name,
            bytes=pack.bytes,
            sha256=digest,
            version=version,
            verified_at=format_rfc3339(int(self._now * 1000)),
            unread=unread.parts,
        )

    def _link(self, source: Path, target: Path) -> bool:
        """Make `target` another name of `source`. False if that is not possible."""
        if target.exists():
            return target.samefile(source)
        try:
            os.link(source, target)
        except FileNotFoundError:
            raise
        except OSError:
            return False
        return True

    def _copy(
        self,
        source: Path,
        target: Path,
        pack: PackPart,
        known: StoredPack | None,
        unread: UnreadParts,
    ) -> tuple[Path, str]:
        """Copy what the folder lacks, and read it back; return the file and its SHA-256."""
        begin = 0
        if known is not None and target.exists() and target.stat().st_size >= known.bytes:
            begin = known.bytes
        prefix = self._prefix(source, target, pack, known, begin)
        if prefix is None:
            # Older generations need the bytes that are there.
            target, begin, prefix = self._free_name(source), 0, hashlib.sha256()
        if known is not None and begin:
            unread.replace(known.unread)
        digest = self._write(source, target, pack, begin, prefix, unread)
        if self._digest(target, pack.bytes) != digest:
            # The folder has lost what it had: write all of it again, for older generations too.
            unread.replace(())
            digest = self._write(source, target, pack, 0, hashlib.sha256(), unread)
            if self._digest(target, pack.bytes) != digest:
                raise BackupFault(f"{target} does not hold what was written to it")
        return target, digest

    def _prefix(
        self, source: Path, target: Path, pack: PackPart, known: StoredPack | None, begin: int
    ) -> Digest | None:
        """Return the digest of the source up to `begin`; None if `target` must not be written."""
        if known is None:
            return None if target.exists() and self._is_named(target) else hashlib.sha256()
        if pack.bytes < known.bytes or (target.exists() and target.stat().st_nlink > 1):
            return None
        digest, unread = hashlib.sha256(), UnreadParts()
        for data in read_steps(source, 0, known.bytes, self._pace, unread):
            digest.update(data)
        if digest.hexdigest() == known.sha256:
            return digest if begin else hashlib.sha256()
        if begin and unread.parts:
            return self._whole_prefix(target, known, unread, digest.hexdigest())
        return None

    def _whole_prefix(
        self, target: Path, known: StoredPack, unread: UnreadParts, source_digest: str
    ) -> Digest | None:
        """Return the digest of the copy if it is whole, and as the source where that was read.

        `source_digest` is that of the source, with zeros in `unread`.
        """
        digest, comparable, at = hashlib.sha256(), hashlib.sha256(), 0
        for data in read_steps(target, 0, known.bytes, self._pace):
            digest.update(data)
            comparable.update(blanked(data, at, unread.parts))
            at += len(data)
        is_whole = digest.hexdigest() == known.sha256
        return digest if is_whole and comparable.hexdigest() == source_digest else None

    def _is_named(self, target: Path) -> bool:
        """Whether a generation names a file that is in the folder."""
        return target.name in self._named

    def _write(
        self,
        source: Path,
        target: Path,
        pack: PackPart,
        begin: int,
        digest: Digest,
        unread: UnreadParts,
    ) -> str:
        """Write the source from `begin` on. `digest` is that of what is before; it is changed."""
        with FlushedFile(target, is_new=False) as file:
            file.cut(begin)
            for data in read_steps(source, begin, pack.bytes - begin, self._pace, unread):
                digest.update(data)
                file.write(data)
        return digest.hexdigest()

    def _digest(self, path: Path, size: int, unread: UnreadParts | None = None) -> str:
        """Read bytes back from the disk; return their SHA-256."""
        digest = hashlib.sha256()
        for data in read_steps(path, 0, size, self._pace, unread):
            digest.update(data)
        return digest.hexdigest()

    def _free_name(self, source: Path) -> Path:
        number = 2
        while (path := self._folder / f"{source.stem}.{number}{source.suffix}").exists():
            number += 1
        return path
