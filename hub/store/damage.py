"""Rows that cannot be read: how they are recognised, and which are known.

SQLite checks pages, not values: a row can be damaged although the database is sound. A reader never
fails because of one. It takes what can be read of it, says that it is damaged, and goes on.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, Generic, TypeVar, get_type_hints

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import fields

from hub import metrics
from hub.log import limited, visible

log = logging.getLogger(__name__)

T = TypeVar("T", bound=Struct)

#: UNIX milliseconds up to the year 9999, which every reader can show.
Moment = Annotated[int, Meta(ge=0, lt=253_402_300_800_000)]
#: A count, or a number of bytes.
Size = Annotated[int, Meta(ge=0)]

#: Of one table, so many damaged rows are told apart.
_MAX_KEYS = 1_000
_MAX_KEY_LENGTH = 64


class Unreadable(str):
    """Text of a column whose bytes are no UTF-8, with marks in place of the wrong bytes."""

    __slots__ = ()


def read_text(data: bytes) -> str:
    """The `text_factory` of all connections: sqlite3's own one would fail for a whole query."""
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        return Unreadable(data, "utf-8", "replace")


class DamagedRows:
    """The damaged rows that were met, by table. May be told of them from any thread.

    `is_told`: whether the log and the metrics tell of them.
    """

    def __init__(self, *, is_told: bool = True) -> None:
        self._is_told = is_told
        self._keys: dict[str, dict[str, tuple[str, ...]]] = {}

    def note(self, table: str, key: object, columns: Sequence[str]) -> None:
        """Note a row by its key, and which of its columns cannot be read."""
        known = self._keys.setdefault(table, {})
        text = _key_text(key)
        if self._is_told and text not in known:
            limited(
                log,
                logging.WARNING,
                f"damaged {table}",
                "a row of the table %s is damaged: %s (%s)",
                table,
                text,
                ", ".join(columns),
            )
        if len(known) < _MAX_KEYS:
            known[text] = tuple(columns)
        self._count(table)

    def forget(self, table: str, key: object) -> None:
        """Note that a row is gone, or was written again."""
        known = self._keys.get(table)
        if known and known.pop(_key_text(key), None) is not None:
            self._count(table)

    def forget_table(self, table: str) -> None:
        """Note that all rows of a table were written again."""
        if self._keys.pop(table, None) is not None:
            self._count(table)

    def forget_range(self, table: str, first: int, last: int) -> None:
        """Note that the rows with these numbers are gone."""
        for key in self.of(table):
            if key.isdecimal() and first <= int(key) <= last:
                self.forget(table, key)

    def knows(self, table: str, key: object = None) -> bool:
        """Return whether this row of the table, or any of them, is known to be damaged."""
        known = self._keys.get(table)
        return bool(known) if key is None or known is None else _key_text(key) in known

    def of(self, table: str) -> dict[str, tuple[str, ...]]:
        """Return the damaged columns of a table's rows, by key."""
        return dict(self._keys.get(table, {}))

    def counts(self) -> dict[str, int]:
        """Return how many rows of each table are damaged; tables without any are left out."""
        return {table: len(keys) for table, keys in sorted(self._keys.copy().items()) if keys}

    def _count(self, table: str) -> None:
        if self._is_told:
            metrics.damaged_rows.labels(table).set(len(self._keys.get(table, ())))


def _key_text(key: object) -> str:
    text = key.hex() if isinstance(key, bytes) else str(key)
    return visible(text)[:_MAX_KEY_LENGTH]


class RowReader(Generic[T]):
    """Makes structs of the rows of a table, whatever stands in them.

    `columns`: the fields of `shape` in the order of the rows. `key`: the columns that name a row.
    `decoders` turn a value into that of the field; what they raise means that it is damaged.
    `fallbacks`: what a damaged value is replaced by; text that is partly readable needs none. A
    row without a fallback for a damaged column is left out. A field `damaged` tells the reader.
    """

    def __init__(
        self,
        table: str,
        shape: type[T],
        columns: Sequence[str],
        *,
        key: Sequence[str],
        fallbacks: Mapping[str, object] = {},
        decoders: Mapping[str, Callable[[Any], object]] = {},
    ) -> None:
        self._table = table
        self._shape = shape
        self._columns = tuple(columns)
        self._key = tuple(self._columns.index(name) for name in key)
        self._fallbacks = fallbacks
        self._decoders = decoders
        hints = get_type_hints(shape, include_extras=True)
        self._types = {name: hints[name] for name in self._columns}
        self._tells = "damaged" in {field.name for field in fields(shape)}

    def read(self, row: Sequence[object], damaged: DamagedRows) -> T | None:
        """Return what a row says; None if it cannot be used at all. Notes damage."""
        values = dict(zip(self._columns, row, strict=True))
        # msgspec takes a subclass of str for a str.
        if not self._decoders and Unreadable not in map(type, row):
            try:
                return msgspec.convert(values, self._shape, builtin_types=(bytes,))
            except msgspec.ValidationError:
                pass  # the slow way tells which column it is
        wrong: list[str] = []
        is_usable = True
        for name, value in values.items():
            try:
                values[name] = self._value(name, value)
            except Exception:  # whatever a decoder makes of nonsense
                wrong.append(name)
                is_usable &= self._replace(values, name, value)
        if wrong:
            damaged.note(self._table, self._name(row), wrong)
            if not is_usable:
                return None
            if self._tells:
                values["damaged"] = True
        return self._shape(**values)

    def read_all(self, rows: sqlite3.Cursor | Sequence[Any], damaged: DamagedRows) -> list[T]:
        """Return the rows that can be used."""
        return [item for row in rows if (item := self.read(row, damaged)) is not None]

    def _value(self, name: str, value: object) -> object:
        if (decode := self._decoders.get(name)) is not None:
            return decode(value)
        if isinstance(value, Unreadable):
            raise TypeError("text")
        return msgspec.convert(value, self._types[name], builtin_types=(bytes,))

    def _replace(self, values: dict[str, object], name: str, value: object) -> bool:
        """Put a fallback in place of a damaged value; return whether there is one."""
        is_text = self._types[name] in (str, str | None) and name not in self._decoders
        if isinstance(value, Unreadable) and is_text:
            values[name] = plain(value)
        elif name in self._fallbacks:
            values[name] = self._fallbacks[name]
        else:
            return False
        return True

    def _name(self, row: Sequence[object]) -> str:
        return " ".join(_key_text(row[place]) for place in self._key)


def write_again(connection: sqlite3.Connection, table: str, rows: Sequence[Struct]) -> None:
    """Replace the rows of a table, in one transaction, by these: what could be read of it.

    A row that refers to nothing is left out.
    """
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"DELETE FROM {table}")
    for row in rows:
        names = row.__struct_fields__
        sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        with suppress(sqlite3.IntegrityError):
            connection.execute(sql, [getattr(row, name) for name in names])
    connection.execute("COMMIT")
    log.warning("the table %s was written again without what cannot be read", table)


def plain(text: str) -> str:
    """Return text of a row as a plain string, which JSON encoders accept."""
    return str.__str__(text) if type(text) is not str else text


def is_moment(value: object) -> bool:
    """Return whether a value is a time that can be shown."""
    try:
        as_moment(value)
    except msgspec.ValidationError:
        return False
    return True


def as_moment(value: object) -> int:
    """Return a time as it is. Raises ValidationError if it is none."""
    return msgspec.convert(value, Moment)


def as_text(value: object) -> str:
    """Return text as it is. Raises TypeError if it is none, or has wrong bytes."""
    if type(value) is not str:
        raise TypeError("text")
    return value


def as_flag(value: object) -> bool:
    """Decode a column of 0 or 1. Raises ValueError."""
    if type(value) is int and value in (0, 1):
        return bool(value)
    raise ValueError("0 or 1 is expected")


def as_number(value: object) -> int:
    """Return a number; 0 for what is none."""
    return value if isinstance(value, int) else 0
