"""What ties the database to its packs: the id of the record log, and the last committed group."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import StartFault
from hub.store.rows import as_number
from hub.store.sealing import Random
from hub.store.sqlite.sql import clamp, one

_LOG = "SELECT log_id, last_group FROM record_log"
_SET_LAST_GROUP = "UPDATE record_log SET last_group = ?"
_SET_GROUPS = "UPDATE record_log SET last_group = ?, checkpointed = ?"
_RAISE_LAST_GROUP = "UPDATE record_log SET last_group = max(last_group, ?)"
_WRITES = "SELECT writes FROM record_log"
_SET_WRITES = "UPDATE record_log SET writes = ?"
_SET_CHECKPOINTED = "UPDATE record_log SET checkpointed = last_group"
_SET_LOG_ID = "UPDATE record_log SET log_id = ?"
_FORGET_LAST = "DELETE FROM sqlite_sequence WHERE name = ?"
_SET_LAST = "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)"
_NEWEST = "SELECT max(seq) FROM record"
_LAST = "SELECT seq FROM sqlite_sequence WHERE name = ?"

#: No hub ever commits so many groups.
_TOO_MANY = 2**60
#: `writes` holds two numbers: the lower bits count the transactions since the log began.
_SINCE_BITS = 24
_MOST_SINCE = 0xFFFFFF
_NUMBERS_PER_GROUP = 2**20


class Writes(Struct, frozen=True):
    """How many transactions the database has seen, and how many its write-ahead log began after.

    A log is applied to any database that it lies beside. It belongs there only if the main file has
    seen at least `began`, and at most `total`, of the database as it is with the log.
    """

    total: int
    began: int

    def follow(self, main: Writes) -> bool:
        return self.began <= main.total <= self.total

    def encode(self) -> int:
        since = max(0, min(self.total - self.began, _MOST_SINCE))
        return self.total << _SINCE_BITS | since

    def following(self) -> tuple[bytes, ...]:
        """Return what the next transaction writes, also if it begins a log, as in the file."""
        numbers = (Writes(self.total + 1, began).encode() for began in (self.began, self.total))
        return tuple(number.to_bytes(8, "big").lstrip(b"\0") for number in numbers)


def decode_writes(value: object) -> Writes | None:
    """Decode `record_log.writes`; None if it is damaged."""
    if not isinstance(value, int) or not 0 <= value < _TOO_MANY:
        return None
    total = value >> _SINCE_BITS
    return Writes(total, total - (value & _MOST_SINCE))


class LogState(Struct, frozen=True):
    """`log_id`: 32 hexadecimal digits. `last_seq`, `last_group`: the last that were committed.

    `last_number`: the highest number that a group ever had, as far as it is known.
    """

    log_id: str
    last_seq: int
    last_group: int
    last_number: int

    def after(self, number: int) -> LogState:
        """Return the state with a higher `last_number`, if `number` is higher."""
        return replace(self, last_number=max(self.last_number, number))


def load_log_state(connection: sqlite3.Connection) -> LogState:
    log_id, last_group = read_log_row(connection.execute(_LOG).fetchone())
    # The sequence can be damaged, and the newest records gone: neither alone tells the last seq.
    last_seq = max(_last(connection, "record"), as_number(one(connection, _NEWEST)))
    return LogState(log_id, last_seq, last_group, last_group)


def read_log_row(row: Sequence[Any] | None) -> tuple[Any, ...]:
    """Return the row of the record log. Raises StartFault if it is damaged.

    Without it nothing tells which groups of the packs were committed.
    """
    match row:
        case [str(log_id), *numbers] if type(log_id) is str and all(
            type(number) is int and 0 <= number < _TOO_MANY for number in numbers
        ):
            return log_id, *numbers
    raise StartFault(
        "the table record_log of the database is damaged, which ties it to the packs: put the "
        'database of a backup in its place, and run "sitehub doctor --rebuild", which takes over '
        "what came after it; nothing was changed"
    )


def save_last_group(connection: sqlite3.Connection, number: int, checkpointed: int | None) -> None:
    """Save the number of the group that is being committed.

    `checkpointed`: the last group that was in the main file when the write-ahead log began, which
    ties the log to the file; None if that did not change.
    """
    if checkpointed is None:
        connection.execute(_SET_LAST_GROUP, (number,))
    else:
        connection.execute(_SET_GROUPS, (number, checkpointed))


def raise_last_group(connection: sqlite3.Connection, number: int) -> None:
    """Let the next group have a higher number than this one."""
    connection.execute(_RAISE_LAST_GROUP, (number,))


def begin_wal(connection: sqlite3.Connection) -> None:
    """Write to an empty write-ahead log, so that one which is empty later is known to be cut."""
    connection.execute(_SET_CHECKPOINTED)
    count_write(connection, read_writes(connection).total)


def read_writes(connection: sqlite3.Connection) -> Writes:
    """Return how many transactions there were; a damaged number begins anew."""
    return decode_writes(one(connection, _WRITES)) or Writes(0, 0)


def count_write(connection: sqlite3.Connection, began: int | None) -> None:
    """Count this transaction, which so writes at least one page to the write-ahead log.

    `began`: the total that was in the main file when the log began; None if that did not change.
    """
    now = read_writes(connection)
    total = now.total + 1
    connection.execute(
        _SET_WRITES, (Writes(total, now.began if began is None else began).encode(),)
    )


def raise_last_seq(connection: sqlite3.Connection, last_seq: int) -> None:
    """Let the next record have a higher seq than this one."""
    if load_log_state(connection).last_seq < last_seq:
        _set_last(connection, "record", last_seq)


def skip_told_numbers(connection: sqlite3.Connection, last_group: int) -> None:
    """Give changes of alarms and erasures no number again that targets know from a later database.

    `last_group`: the last that it committed, which tells how far it was. A million changes for each
    are more than enough, and JavaScript can count so far.
    """
    for table in ("alarm_change", "erased_record"):
        reached = max(_last(connection, table), last_group * _NUMBERS_PER_GROUP)
        _set_last(connection, table, clamp(reached + _NUMBERS_PER_GROUP))


def set_log_id(connection: sqlite3.Connection, log_id: str) -> None:
    connection.execute(_SET_LOG_ID, (log_id,))


def new_log_id(connection: sqlite3.Connection, random: Random) -> str:
    """Give the record log a new id, because numbers may be given again; return it.

    Readers that see a new id start the log from its beginning.
    """
    log_id = random(16).hex()
    set_log_id(connection, log_id)
    return log_id


def _last(connection: sqlite3.Connection, table: str) -> int:
    return as_number(one(connection, _LAST, (table,)))


def _set_last(connection: sqlite3.Connection, table: str, number: int) -> None:
    connection.execute(_FORGET_LAST, (table,))
    connection.execute(_SET_LAST, (table, number))
