"""The health of the store: whether it can store now, and which parts are damaged."""

from __future__ import annotations

import errno
import logging
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from hub.reasons import Reason

log = logging.getLogger(__name__)


class StoreHealth(Struct, frozen=True):
    """What is wrong with the store.

    `reason`: why nothing can be stored, None if it can. `damaged`: the damaged parts. `lost`:
    packs whose pictures are missing or damaged, while everything else works. "" if nothing is.
    """

    can_store: bool = True
    reason: Reason | None = None
    damaged: str = ""
    lost: str = ""


class HealthMonitor:
    """Keeps the store's health. Writers, readers and checks report to it, from any thread."""

    def __init__(self) -> None:
        self.health = StoreHealth()
        self._damage: list[str] = []
        self._losses: list[str] = []

    def refused(self, reason: Reason) -> None:
        """Report that a write failed because of the disk or the database."""
        if self.health.reason != reason:
            log.error("nothing can be stored now: %s", reason)
        self.health = replace(self.health, can_store=False, reason=reason)

    def stored(self) -> None:
        """Report that a write became durable."""
        if not self.health.can_store:
            log.info("storing works again")
            self.health = replace(self.health, can_store=True, reason=None)

    def damaged(self, text: str) -> None:
        """Report damage. Use the same text for all damage of a file, so that texts stay few."""
        if text not in self._damage:
            log.error("the store is damaged: %s", text)
            self._damage.append(text)
            self.health = replace(self.health, damaged="; ".join(self._damage))

    def lost(self, text: str) -> None:
        """Report lost pictures. Use the same text for all of a pack, so that texts stay few."""
        if text not in self._losses:
            log.error("pictures are lost: %s", text)
            self._losses.append(text)
            self._show_losses()

    def settled(self, text: str) -> None:
        """Note that a person knows of this loss, and nothing more can be done."""
        if text in self._losses:
            self._losses.remove(text)
            self._show_losses()

    def _show_losses(self) -> None:
        self.health = replace(self.health, lost="; ".join(self._losses))


#: Why nothing can be written, for people.
DISK_FULL = Reason("the disk is full")
NOT_RESPONDING = Reason("the disk is not responding")

#: SQLite's primary result codes that are caused by the disk or the file, not by the statement.
_SQLITE_REASONS = {
    sqlite3.SQLITE_FULL: DISK_FULL,
    sqlite3.SQLITE_IOERR: Reason("the disk reports an input/output error"),
    sqlite3.SQLITE_READONLY: Reason("the database is read-only"),
    sqlite3.SQLITE_CANTOPEN: Reason("the database cannot be opened"),
    sqlite3.SQLITE_CORRUPT: Reason("the database is damaged"),
    sqlite3.SQLITE_NOTADB: Reason("the database is damaged"),
    sqlite3.SQLITE_NOMEM: Reason("out of memory"),
    sqlite3.SQLITE_BUSY: Reason("another program has locked the database"),
    sqlite3.SQLITE_LOCKED: Reason("another program has locked the database"),
    sqlite3.SQLITE_PERM: Reason("no permission to write to the database"),
}
#: With less than this free, a write that failed found no room.
_FULL_BYTES = 1024 * 1024
DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def primary_code(error: BaseException) -> int:
    """Return SQLite's primary result code, 0 if the error has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_full(folder: Path) -> bool:
    with suppress(OSError):
        return shutil.disk_usage(folder).free < _FULL_BYTES
    return False


def is_storage_error(error: BaseException) -> bool:
    """Whether the disk or the file caused an error, so that no write can succeed."""
    return isinstance(error, OSError) or primary_code(error) in _SQLITE_REASONS


def is_damaged_row(error: BaseException) -> bool:
    """Whether a job failed because of a value that no sound row has.

    Jobs handle the constraints that they may violate. What is left is a row that cannot be changed
    because another value in it is damaged, that refers to nothing, or that cannot be added up.
    """
    if isinstance(error, sqlite3.IntegrityError):
        return True
    return isinstance(error, sqlite3.OperationalError) and "overflow" in str(error)


def is_damage(error: BaseException) -> bool:
    """Whether an error says that the database is damaged."""
    return primary_code(error) in DAMAGE


def describe(error: BaseException, folder: Path | None = None) -> Reason:
    """Return the reason for an error, for people.

    `folder`: what failed was written there. SQLite calls a flush that found no room an input/output
    error, so its disk is looked at.
    """
    if primary_code(error) == sqlite3.SQLITE_IOERR and folder is not None and _is_full(folder):
        return _SQLITE_REASONS[sqlite3.SQLITE_FULL]
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return DISK_FULL
        if error.errno == errno.EIO:
            return _SQLITE_REASONS[sqlite3.SQLITE_IOERR]
        why = Reason(error.strerror or str(error))
        return Reason("the disk cannot be written: %(why)s", {"why": why})
    unexpected = Reason("an unexpected error: %(why)s", {"why": str(error)})
    return _SQLITE_REASONS.get(primary_code(error), unexpected)
