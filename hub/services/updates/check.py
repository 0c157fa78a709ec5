"""Receiving and checking an update, before anything is changed.

The same checks run in the hub, for the page, and in the process of `sitehub update`.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct

from hub.errors import UpdateRefused
from hub.store.names import DATABASE, KEY_FILE
from hub.store.offline.database_copy import copy_sample
from hub.update import running
from hub.update.programs import Programs, version_key
from hub.update.update_file import (
    MAX_BYTES,
    UpdateHeader,
    copy_executable,
    is_update_file,
    read_header,
    this_platform,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_SETTINGS = "sitehub.toml"
_MB = 1024 * 1024
#: Room for the copies of an update's executable, and for the log while it is tried.
_SPARE_BYTES = 64 * _MB


class Offer(Struct, frozen=True):
    """An update that was received and checked. `incoming` is its name among the programs."""

    incoming: str
    version: str
    size: int
    sha256: str
    #: Signed with the key that this sitehub was built with.
    is_signed: bool


class UpdateCheck(Struct, frozen=True):
    """The checks of a data directory's hub. All methods block; they raise UpdateRefused."""

    data_dir: Path
    #: The version that runs, which an update must be newer than.
    version: str
    key: Ed25519PublicKey | None

    def check(self, file: BinaryIO, *, allow_unsigned: bool) -> Offer:
        """Receive the executable of an update file, or a plain executable, and try it out.

        Without a key to check a signature with, a file is as good as unsigned.
        """
        programs = Programs(self.data_dir)
        header = self._read_header(file, allow_unsigned)
        self.check_room(header.size if header is not None else _remaining(file))
        incoming = programs.incoming()
        try:
            sha256 = _receive(file, incoming, header)
            version = running.version_of(incoming)
            self._check_version(version, header)
            running.self_test(incoming, self._make_sample, programs.folder)
        except BaseException:
            incoming.unlink(missing_ok=True)
            raise
        size = incoming.stat().st_size
        return Offer(
            incoming.name, version, size, sha256, header is not None and self.key is not None
        )

    def check_room(self, size: int) -> None:
        """Check the room for an executable, twice, and for a copy of the database."""
        if size > MAX_BYTES:
            most = str(MAX_BYTES // _MB)
            raise UpdateRefused("size", f"the file is larger than {most} MB", most=most)
        wanted = 2 * size + _size_of(self.data_dir / DATABASE) + _SPARE_BYTES
        free = shutil.disk_usage(self.data_dir).free
        if free < wanted:
            needed, left = str(wanted // _MB), str(free // _MB)
            raise UpdateRefused(
                "room",
                f"the update needs {needed} MB of free disk space, and {left} MB are free",
                needed=needed,
                free=left,
            )

    def _read_header(self, file: BinaryIO, allow_unsigned: bool) -> UpdateHeader | None:
        if not is_update_file(file):
            if not allow_unsigned:
                raise UpdateRefused("unsigned", "the file is not a signed update of sitehub")
            return None
        if self.key is None and not allow_unsigned:
            raise UpdateRefused("no-key", "this sitehub has no key to check signatures with")
        header = read_header(file, self.key)
        if header.platform != this_platform():
            raise UpdateRefused(
                "platform",
                f"the update is for {header.platform}, and this is {this_platform()}",
                theirs=header.platform,
                ours=this_platform(),
            )
        self._check_newer(header.version)
        return header

    def _check_version(self, version: str, header: UpdateHeader | None) -> None:
        if header is not None and version != header.version:
            raise UpdateRefused("damaged", f"the update says {header.version}, and is {version}")
        self._check_newer(version)

    def _check_newer(self, version: str) -> None:
        if version_key(version) <= version_key(self.version):
            raise UpdateRefused(
                "not-newer",
                f"{version} is not newer than {self.version}, which is installed",
                theirs=version,
                ours=self.version,
            )

    def _make_sample(self, folder: Path) -> None:
        if (self.data_dir / DATABASE).exists():
            copy_sample(self.data_dir / DATABASE, folder / DATABASE)
        for name in (KEY_FILE, _SETTINGS):
            with suppress(FileNotFoundError):
                shutil.copyfile(self.data_dir / name, folder / name)


def _receive(file: BinaryIO, target: Path, header: UpdateHeader | None) -> str:
    """Write the executable, durably, and return its SHA-256."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(target, flags, 0o700), "wb") as writing:
            sha256 = copy_executable(file, writing.write, header)
            writing.flush()
            os.fsync(writing.fileno())
    except OSError as error:
        raise cannot_write(error) from None
    return sha256


def cannot_write(error: OSError) -> UpdateRefused:
    """Return the refusal of an update that the disk does not take."""
    why = error.strerror or str(error)
    return UpdateRefused(
        "cannot-write", f"the update cannot be written to the disk: {why}", why=why
    )


def _remaining(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size - file.tell()


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
