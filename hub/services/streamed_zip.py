"""Writes a ZIP to a stream that cannot seek, part by part, with the SHA-256 of each file."""

from __future__ import annotations

import hashlib
from datetime import datetime
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

SUMS = "SHA256SUMS"
#: The times that ZIP can express.
_FIRST_YEAR, _LAST_YEAR = 1980, 2107
_MODE = 0o644


class _Sink:
    """What `ZipFile` writes to. It has no `tell`, which tells `ZipFile` that it cannot seek."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: parts are taken when a file is complete."""

    def take(self) -> bytes:
        data, self._parts = b"".join(self._parts), []
        return data


class StreamedZip:
    """A ZIP that is made while it is sent. Each method returns or yields what can be sent now.

    `folder`: all files are in this folder of the archive.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._sink = _Sink()
        self._zip = ZipFile(self._sink, "w", ZIP_STORED)  # type: ignore[call-overload]
        self._sums: list[str] = []

    def add(self, name: str, data: bytes, at: datetime) -> bytes:
        """Add a small file as it is."""
        self._zip.writestr(self._info(name, at, ZIP_STORED), data)
        self._note(name, hashlib.sha256(data).hexdigest())
        return self._sink.take()

    def open(self, name: str, at: datetime, *, is_picture: bool = False) -> ArchiveFile:
        """Open a file to be written part by part. Close it before the next one.

        It is compressed, except for pictures, which do not become smaller.
        """
        return ArchiveFile(self, self._info(name, at, ZIP_STORED if is_picture else ZIP_DEFLATED))

    def end(self, at: datetime) -> bytes:
        """Add the checksums of all files, and end the archive."""
        text = "".join(f"{line}\n" for line in self._sums)
        self._zip.writestr(self._info(SUMS, at, ZIP_DEFLATED), text)
        self._zip.close()
        return self._sink.take()

    def _info(self, name: str, at: datetime, method: int) -> ZipInfo:
        moment = at.replace(year=min(max(at.year, _FIRST_YEAR), _LAST_YEAR))
        info = ZipInfo(f"{self._folder}/{name}", moment.timetuple()[:6])
        info.compress_type = method
        info.external_attr = _MODE << 16
        return info

    def _note(self, name: str, digest: str) -> None:
        self._sums.append(f"{digest}  {name}")


class ArchiveFile:
    """A file of an archive while it is written. `rest`: what is to be sent once it is closed."""

    def __init__(self, archive: StreamedZip, info: ZipInfo) -> None:
        self._archive = archive
        self._name = info.filename.partition("/")[2]
        self._digest = hashlib.sha256()
        # The size of a text is not known before: room for more than 4 GB.
        is_text = info.compress_type == ZIP_DEFLATED
        self._file = archive._zip.open(info, "w", force_zip64=is_text)
        self.rest = b""

    def __enter__(self) -> ArchiveFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._archive._note(self._name, self._digest.hexdigest())
        self.rest = self._archive._sink.take()

    def write(self, part: bytes) -> bytes:
        """Write a part; return what can be sent."""
        self._digest.update(part)
        self._file.write(part)
        return self._archive._sink.take()
