"""Reading the log of a data directory: the rotated files in order, and what is added to them.

Files are opened for each read and closed again: on Windows the hub cannot rotate a file that
another program has open.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from hub.decoders import decode_json

Level = Literal["debug", "info", "warning", "error"]

NAME = "sitehub.log"
_SEVERITIES = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
#: A line of the text format: date, time, level.
_TEXT_LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (DEBUG|INFO|WARNING|ERROR|CRITICAL)\b"
)
_MAX_FILES = 16
#: A line longer than this is given in parts, so that a damaged file fits into memory.
_MAX_LINE_BYTES = 1024 * 1024
_READ_BYTES = 256 * 1024

_FileId = tuple[int, int]


class _JsonLine(Struct):
    level: str = ""


class LevelFilter:
    """Chooses the lines of a level and above. Lines that follow one, as tracebacks do, go with it.

    Lines of either format may be mixed: the format is a setting that can change.
    """

    def __init__(self, level: Level) -> None:
        self._least = _SEVERITIES[level]
        self._shows = level == "debug"

    def shows(self, line: str) -> bool:
        """Return whether to show the next line."""
        severity = _severity(line)
        if severity is not None:
            self._shows = severity >= self._least
        return self._shows


def _severity(line: str) -> int | None:
    """Return the severity of a line; None if it is no beginning of an entry, or is torn."""
    if line.startswith("{"):
        try:
            return _SEVERITIES.get(decode_json(line, _JsonLine).level)
        except (msgspec.MsgspecError, UnicodeError):
            return None
    found = _TEXT_LINE.match(line)
    return _SEVERITIES[found[1].lower()] if found else None


class LogFileReader:
    """Reads all lines of the log once, in order, across rotations."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: The file that was read last, and up to where.
        self._file: _FileId | None = None
        self._offset = 0
        self._rest = b""

    def has_files(self) -> bool:
        return bool(self._files())

    def read(self) -> Iterator[str]:
        """Yield the lines that were added since the last call, the first time all of them.

        A line that is not complete yet is kept for the next call.
        """
        for path in self._unread():
            yield from self._read_file(path)

    def last(self, count: int, filter: LevelFilter) -> list[str]:
        """Return the last lines that the filter shows."""
        return list(deque((line for line in self.read() if filter.shows(line)), maxlen=count))

    def _files(self) -> list[Path]:
        """Return the files, oldest first."""
        names = [f"{NAME}.{number}" for number in range(_MAX_FILES, 0, -1)] + [NAME]
        return [path for name in names if (path := self._folder / name).is_file()]

    def _unread(self) -> list[Path]:
        files = self._files()
        if self._file is None:
            return files
        for index, path in enumerate(files):
            if _id_of(path) == self._file:
                return files[index:]
        # The file that was read last is gone: so are lines that were not read in time.
        self._offset = 0
        return files

    def _read_file(self, path: Path) -> Iterator[str]:
        with suppress(OSError), path.open("rb") as file:
            found = os.fstat(file.fileno())
            identity = (found.st_dev, found.st_ino)
            if identity != self._file:
                yield from self._finish()
                self._file, self._offset = identity, 0
            elif found.st_size < self._offset:  # it was emptied
                self._offset, self._rest = 0, b""
            file.seek(self._offset)
            while data := file.read(_READ_BYTES):
                self._offset += len(data)
                yield from self._split(data)

    def _split(self, data: bytes) -> Iterator[str]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        yield from map(_decode, lines)
        if len(self._rest) > _MAX_LINE_BYTES:
            yield from self._finish()

    def _finish(self) -> Iterator[str]:
        """Yield the end of a file that has no line feed: the process was killed there."""
        rest, self._rest = self._rest, b""
        if rest:
            yield _decode(rest)


def show_lines(lines: Iterable[str], filter: LevelFilter) -> Iterator[str]:
    """Return the lines that the filter shows."""
    return (line for line in lines if filter.shows(line))


def _decode(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")


def _id_of(path: Path) -> _FileId | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino)
