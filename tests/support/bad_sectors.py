"""A disk that cannot read some parts of some files."""

from __future__ import annotations

import errno
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import pytest

from hub.store.backup import files


class BadSectors:
    """Lets the reads of backups fail with EIO, while `parts` of a file are bad.

    `parts`: by the path of the file, the first byte and the end of each. `seconds`: how long a read
    tries by `monotonic` before it fails.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parts: dict[Path, list[tuple[int, int]]] = {}
        self.failed = 0
        self.seconds = 0.0
        self._read: Callable[[FileIO, int, int], bytes] = files._read
        monkeypatch.setattr(files, "_read", self.read)

    def read(self, file: FileIO, at: int, size: int) -> bytes:
        parts = self.parts.get(Path(str(file.name)), ())
        if any(first < at + size and at < end for first, end in parts):
            self.failed += 1
            raise OSError(errno.EIO, "Input/output error")
        return self._read(file, at, size)

    def monotonic(self) -> float:
        """Return the time that failed reads have taken."""
        return self.failed * self.seconds
