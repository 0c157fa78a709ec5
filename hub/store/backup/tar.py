"""A tar of regular files with short names, written and read as a stream.

Any tar program unpacks it. Only the headers come from tarfile: its reader would follow links and
extended headers of any size, which a backup does not have.
"""

from __future__ import annotations

import re
import tarfile

from msgspec import Struct

from hub.errors import DamagedBackup
from hub.store.backup.pace import STEP_BYTES
from hub.store.backup.sealed_file import Sink, Source

_BLOCK = tarfile.BLOCKSIZE
_END = bytes(2 * _BLOCK)
#: At most three parts, none of which begins with a dot: nothing leads out of the folder.
_NAME = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,90}/){0,2}[A-Za-z0-9_-][A-Za-z0-9._-]{0,90}")
MAX_NAME_LENGTH = 100


class Member(Struct, frozen=True):
    name: str
    size: int


def is_safe_name(name: str) -> bool:
    """Whether a member may have this name."""
    return (
        len(name) <= MAX_NAME_LENGTH
        and _NAME.fullmatch(name) is not None
        # Windows drops a dot at the end of a name.
        and not any(part.endswith(".") for part in name.split("/"))
    )


class TarWriter:
    """Writes members one after the other: `begin`, then exactly its bytes, then the next."""

    def __init__(self, sink: Sink, mtime: int) -> None:
        self._sink = sink
        self._mtime = mtime
        self._missing = 0
        self._padding = b""

    def begin(self, name: str, size: int) -> None:
        self._end_member()
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, self._mtime
        self._sink.write(info.tobuf(tarfile.GNU_FORMAT))
        self._missing = size
        self._padding = bytes(-size % _BLOCK)

    def write(self, data: bytes) -> None:
        self._missing -= len(data)
        self._sink.write(data)

    def finish(self) -> None:
        """Write the end of the tar. Leaves the sink open."""
        self._end_member()
        self._sink.write(_END)

    def _end_member(self) -> None:
        if self._missing:
            raise ValueError(f"{self._missing} bytes of the member are missing")
        self._sink.write(self._padding)
        self._padding = b""


class TarReader:
    """Reads the members in their order. Raises BackupFault for anything but regular files."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._left = 0
        self._padding = 0

    def next(self) -> Member | None:
        """Skip the rest of the member; return the next one, None at the end of the tar."""
        while self._left:
            self.read(STEP_BYTES)
        self._exactly(self._padding)
        self._padding = 0
        block = self._exactly(_BLOCK)
        if not any(block):
            if any(self._exactly(_BLOCK)):
                raise DamagedBackup("the backup is damaged: its end is not where it should be")
            return None
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, ValueError):
            raise DamagedBackup("the backup is damaged: it is not a tar of sitehub") from None
        if info.type != tarfile.REGTYPE or info.size < 0 or not is_safe_name(info.name):
            raise DamagedBackup(f"the backup is damaged: {info.name!r} does not belong there")
        self._left, self._padding = info.size, -info.size % _BLOCK
        return Member(info.name, info.size)

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes of the member, b"" at its end."""
        data = self._exactly(min(size, self._left))
        self._left -= len(data)
        return data

    def _exactly(self, size: int) -> bytes:
        data = self._source.read(size) if size else b""
        if len(data) < size:
            raise DamagedBackup("the backup is cut off: its end is missing")
        return data
