"""How the store is: whether it can store now, and what of it is damaged."""

from __future__ import annotations

import errno
import logging
import sqlite3

from msgspec import Struct
from msgspec.structs import replace

log = logging.getLogger(__name__)


class StoreHealth(Struct, frozen=True):
    """`reason` says why nothing can be stored, "" when well; `damaged` what is no longer whole."""

    storable: bool = True
    reason: str = ""
    damaged: str = ""


class Condition:
    """The one place that knows how the store is, told by those who write and check."""

    def __init__(self) -> None:
        self.health = StoreHealth()

    def refused(self, reason: str) -> None:
        """A write failed because of the disk or the database."""
        if self.health.reason != reason:
            log.error("nothing can be stored now: %s", reason)
        self.health = replace(self.health, storable=False, reason=reason)

    def stored(self) -> None:
        """A write became durable."""
        if not self.health.storable:
            log.info("storing works again")
            self.health = replace(self.health, storable=True, reason="")

    def damaged(self, text: str) -> None:
        """Something is no longer whole: one text a file, so that they stay few."""
        known = self.health.damaged
        if text not in known:
            log.error("the store is damaged: %s", text)
            self.health = replace(self.health, damaged=f"{known}; {text}" if known else text)


#: Primary result codes of SQLite that tell of the disk or the file, not of the statement.
SQLITE_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk reports an input/output error",
    sqlite3.SQLITE_READONLY: "the database is read-only",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened",
    sqlite3.SQLITE_CORRUPT: "the database is damaged",
    sqlite3.SQLITE_NOTADB: "the database is damaged",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
    sqlite3.SQLITE_BUSY: "another program holds the database",
    sqlite3.SQLITE_LOCKED: "another program holds the database",
    sqlite3.SQLITE_PERM: "the database may not be written",
}
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def primary_code(error: BaseException) -> int:
    """SQLite's primary result code, 0 where the error has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_worldly(error: BaseException) -> bool:
    """Whether an error is the disk's or the file's fault, so that nobody's write can succeed."""
    return isinstance(error, OSError) or primary_code(error) in SQLITE_REASONS


def is_damage(error: BaseException) -> bool:
    return primary_code(error) in _DAMAGE


def in_words(error: BaseException) -> str:
    """The reason as a person is told it."""
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return "the disk is full"
        if error.errno == errno.EIO:
            return SQLITE_REASONS[sqlite3.SQLITE_IOERR]
        return f"the disk cannot be written: {error.strerror or error}"
    return SQLITE_REASONS.get(primary_code(error), f"an unexpected fault: {error}")
