"""The ZIP of an import: photos by name, and perhaps the CSV file. Nothing is unpacked to disk.

Whoever made it may not mean well: the directory and each file are bounded before they are read.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from hub.errors import BadParameter
from hub.folding import normalise

if TYPE_CHECKING:
    from zipfile import ZipInfo

MAX_ZIP_BYTES = 2 * 1024**3
#: The most files in it.
MAX_FILES = 8_000
#: Its directory, which is read as a whole.
_MAX_DIRECTORY_BYTES = 2 * 1024 * 1024
#: All files together; photos hardly shrink when they are packed.
_MAX_RATIO = 20
_MAX_UNPACKED_BYTES = 256 * 1024 * 1024

_CHUNK_BYTES = 256 * 1024

_PHOTO_TYPES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
#: What systems put into archives by themselves.
_LEFT_OUT = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")

#: A file that every workbook of Excel (.xlsx) has, which is a ZIP too.
_WORKBOOK = "xl/workbook.xml"
#: What zipfile raises beside BadZipFile for a damaged archive.
_FAULTS = (ValueError, EOFError, NotImplementedError, RuntimeError, OverflowError, struct.error)
#: The header in front of a file's data, without its name.
_HEADER_BYTES = 30

ArchiveFault = Literal[
    "no zip", "size", "files", "bomb", "path", "name", "encrypted", "several csv", "workbook"
]
EntryFault = Literal["large", "damaged"]


class BadArchive(BadParameter):
    """A ZIP is refused as a whole; `fault` says why, `value` names the file."""

    def __init__(self, fault: ArchiveFault, message: str, value: str = "") -> None:
        super().__init__(message, field="zip", fault=fault)
        self.value = value


class BadEntry(Exception):
    """One file of a ZIP cannot be read; `fault` says why."""

    def __init__(self, fault: EntryFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class PhotoArchive:
    """An open ZIP. All methods block, and may be called from several threads.

    `photos`: the names of the photos in the ZIP, by their file name without folder and ending, in
    one form (`photo_key`). `csv_name`: the CSV file in it, "" if there is none.
    """

    def __init__(self, path: Path) -> None:
        """Open a ZIP and check its directory. Raises BadArchive, OSError."""
        # Imported here: most hubs never see one.
        from zipfile import BadZipFile, ZipFile

        if path.stat().st_size > MAX_ZIP_BYTES:
            raise BadArchive("size", f"at most {MAX_ZIP_BYTES >> 30} GB are allowed")
        self._file = _BoundedReads(path)
        try:
            self._zip = ZipFile(self._file)
            everything = self._zip.infolist()
            entries = [entry for entry in everything if not _is_folder(entry)]
            self._entries = {_name_of(entry): entry for entry in entries}
            _check_entries(self._entries, len(entries), path.stat().st_size)
            _check_places(everything, self._zip.start_dir)
            if _WORKBOOK in self._entries:
                raise BadArchive("workbook", "this is an Excel workbook: save it as CSV (UTF-8)")
            names = [name for name in self._entries if not _is_left_out(name)]
            self.photos: Mapping[str, Sequence[str]] = _by_key(names)
            self.csv_name = _csv_name(names)
        except BaseException as error:
            self._file.close()
            if isinstance(error, (BadZipFile, *_FAULTS)):
                raise BadArchive("no zip", f"this is not a ZIP file: {error}") from None
            raise

    def __enter__(self) -> PhotoArchive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()
        self._file.close()

    def read(self, name: str, most: int) -> bytes:
        """Unpack one file of at most `most` bytes in memory. Raises BadEntry, OSError."""
        out = io.BytesIO()
        self.unpack(name, out, most)
        return out.getvalue()

    def unpack(self, name: str, target: io.BufferedIOBase, most: int) -> None:
        """Unpack one file of at most `most` bytes. Raises BadEntry, OSError."""
        import zlib
        from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile

        entry = self._entries[name]
        if entry.file_size > most:
            raise BadEntry("large", f"it has more than {most >> 20} MB")
        # zipfile unpacks what is packed in other ways without a limit.
        if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise BadEntry("damaged", "it is packed in a way that is not read here")
        try:
            # Reads no more than the directory says.
            with self._zip.open(entry) as file:
                while chunk := file.read(_CHUNK_BYTES):
                    target.write(chunk)
        except (BadZipFile, zlib.error, *_FAULTS) as error:
            raise BadEntry("damaged", f"it cannot be unpacked: {error}") from None


def photo_key(name: str) -> str:
    """Return the form in which a photo's name is compared with a number or a person's name."""
    path = PurePosixPath(normalise("NFKC", name).casefold().strip())
    stem = path.stem if path.suffix in _PHOTO_TYPES else path.name
    return stem.strip()


class _BoundedReads(io.FileIO):
    """Refuses to read more at once than a sound directory has: zipfile reads it as a whole."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_DIRECTORY_BYTES:
            raise BadArchive("files", f"at most {MAX_FILES} files are allowed in it")
        return super().read(size) or b""


def _check_entries(entries: Mapping[str, ZipInfo], count: int, packed: int) -> None:
    if count > MAX_FILES:
        raise BadArchive("files", f"at most {MAX_FILES} files are allowed in it")
    for name, entry in entries.items():
        if _leaves_folder(name):
            raise BadArchive("path", f"a file in it names another folder: {name}", name)
        if _is_impossible(entry, name):
            raise BadArchive("name", f"a file in it has an impossible name: {name!r}", name)
        if entry.flag_bits & 0x1:
            raise BadArchive("encrypted", "it is encrypted; pack the photos without a password")
    unpacked = sum(entry.file_size for entry in entries.values())
    if unpacked > max(_MAX_UNPACKED_BYTES, packed * _MAX_RATIO):
        message = f"its files would have {unpacked >> 20} MB, which photos of this size cannot have"
        raise BadArchive("bomb", message)


def _check_places(entries: Sequence[ZipInfo], end: int) -> None:
    """Refuse files that share their data, which unpack to any number of bytes."""
    places = sorted((entry.header_offset, entry.compress_size) for entry in entries)
    if places and places[0][0] < 0:
        raise BadArchive("no zip", "this is not a ZIP file: a file begins before it")
    for (start, size), (next_start, _) in zip(places, [*places[1:], (end, 0)], strict=True):
        if start + _HEADER_BYTES + size > next_start:
            raise BadArchive("bomb", "files in it share their data")


def _is_folder(entry: ZipInfo) -> bool:
    return entry.filename.endswith("/")


def _is_impossible(entry: ZipInfo, name: str) -> bool:
    """Whether no file that somebody named has this name. zipfile cuts names at a NUL."""
    is_cut = "\0" in entry.orig_filename
    return not name or is_cut or any(ord(character) < 0x20 for character in name)


def _name_of(entry: ZipInfo) -> str:
    """Return a file's name. Without a mark, Windows means the code page of its country."""
    name = entry.filename
    if not entry.flag_bits & 0x800:
        raw = name.encode("cp437", "surrogateescape")
        for encoding in ("utf-8", "gb18030"):
            try:
                return raw.decode(encoding).replace("\\", "/")
            except UnicodeDecodeError:
                continue
    return name.replace("\\", "/")


def _leaves_folder(name: str) -> bool:
    parts = name.split("/")
    return name.startswith("/") or ".." in parts or ":" in parts[0]


def _is_left_out(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part in _LEFT_OUT or part.startswith("._") for part in parts)


def _by_key(names: Sequence[str]) -> dict[str, list[str]]:
    photos: dict[str, list[str]] = {}
    for name in names:
        if PurePosixPath(name.casefold()).suffix in _PHOTO_TYPES:
            photos.setdefault(photo_key(PurePosixPath(name).name), []).append(name)
    return photos


def _csv_name(names: Sequence[str]) -> str:
    found = [name for name in names if name.casefold().endswith((".csv", ".tsv"))]
    if len(found) > 1:
        raise BadArchive(
            "several csv", f"there are several CSV files in it: {found[0]}, {found[1]}"
        )
    return found[0] if found else ""
