"""Rows of tables as structs. A row that does not decode is skipped, counted and named.

SQLite checks pages, not values: a bit that a disk flipped can leave a value that no reader takes
although the database is sound. No start, page, list or task fails because of such a row.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from hub import metrics
from hub.decoders import convert, decode_json
from hub.folding import visible
from hub.log import limited
from hub.wire.times import Moment

log = logging.getLogger(__name__)

T = TypeVar("T", bound=Struct)

#: A count, or a number of bytes.
Size = Annotated[int, Meta(ge=0)]

#: Of one table, at most so many damaged rows are counted.
_MAX_KEYS = 1_000
_MAX_KEY_LENGTH = 64
#: So many of them are named.
_MAX_NAMED = 5
#: Stands for each wrong byte of a text.
_WRONG_BYTE = "\ufffd"


def read_text(data: bytes) -> str:
    """The `text_factory` of all connections: sqlite3's own one would fail for a whole query."""
    return str(data, "utf-8", "replace")


class DamagedRows:
    """The rows that did not decode since the start, by table. Any thread may note one.

    `is_told`: whether the log and the metrics tell of them.
    """

    def __init__(self, *, is_told: bool = True) -> None:
        self._is_told = is_told
        self._keys: dict[str, dict[str, None]] = {}

    def note(self, table: str, key: object) -> None:
        """Note a row by its key."""
        known = self._keys.setdefault(table, {})
        text = _key_text(key)
        if text in known or len(known) >= _MAX_KEYS:
            return
        known[text] = None
        if self._is_told:
            what = "a row of the table %s is damaged, and skipped: %s"
            limited(log, logging.WARNING, f"damaged {table}", what, table, text)
            metrics.damaged_rows.labels(table).set(len(known))

    def has(self, table: str) -> bool:
        """Return whether any row of the table is damaged."""
        return table in self._keys

    def count(self) -> int:
        """Return how many rows are damaged."""
        return sum(map(len, self._keys.copy().values()))

    def tables(self) -> tuple[str, ...]:
        """Return each table with damaged rows, and how many they are."""
        return tuple(f"{table} ({len(keys)})" for table, keys in sorted(self._keys.copy().items()))

    def names(self) -> tuple[str, ...]:
        """Return each table with damaged rows, how many they are, and the first few keys."""
        return tuple(
            f"{table} ({len(keys)}: {', '.join(islice(keys.copy(), _MAX_NAMED))}"
            f"{', …' if len(keys) > _MAX_NAMED else ''})"
            for table, keys in sorted(self._keys.copy().items())
        )


def _key_text(key: object) -> str:
    text = key.hex() if isinstance(key, bytes) else str(key)
    return visible(text)[:_MAX_KEY_LENGTH]


class TableRows(Generic[T]):
    """The rows of a table as structs: the fields of `shape` are its columns, but for `without`.

    `key`: the columns that name a row. `decoders` turn a value into that of the field; whatever
    they raise means that it is damaged. `encoders` turn it back.
    """

    def __init__(
        self,
        table: str,
        shape: type[T],
        *,
        key: Sequence[str] = ("id",),
        without: Sequence[str] = (),
        decoders: Mapping[str, Callable[[Any], object]] = {},
        encoders: Mapping[str, Callable[[Any], object]] = {},
    ) -> None:
        self._table = table
        self._shape = shape
        self._columns = tuple(name for name in shape.__struct_fields__ if name not in without)
        self._key = tuple(self._columns.index(name) for name in key)
        self._decoders = decoders
        self._encoders = encoders
        #: For statements: the columns, their values by name, and the query of all rows.
        self.names = ", ".join(self._columns)
        self.marks = _marks(self._columns)
        self.select = f"SELECT {self.names} FROM {table}"

    def values(self, item: Struct) -> dict[str, object]:
        """Return what is stored of an item, by column; of one to be added, what it has."""
        return {
            name: self._encoders.get(name, _same)(getattr(item, name))
            for name in self._columns
            if name in item.__struct_fields__
        }

    def insert(
        self, connection: sqlite3.Connection, item: Struct, *, replacing: bool = False
    ) -> int:
        """Insert an item, or one to be added, without its id; return its rowid."""
        values = self.values(item)
        how = "INSERT OR REPLACE" if replacing else "INSERT"
        sql = f"{how} INTO {self._table} ({', '.join(values)}) VALUES ({_marks(values)})"
        return connection.execute(sql, values).lastrowid or 0

    def read(
        self,
        row: Sequence[object],
        damaged: DamagedRows,
        is_whole: Callable[[T], bool] = lambda _: True,
    ) -> T | None:
        """Return what a row says; None, and note it, if it does not decode.

        `is_whole`: whether what belongs to it, such as a sealed secret, can be read.
        """
        values = dict(zip(self._columns, row, strict=True))
        try:
            for name, decode in self._decoders.items():
                values[name] = decode(values[name])
            item = convert(values, self._shape, builtin_types=(bytes,))
            # No statement would find the row by a key that was changed.
            if not any(_WRONG_BYTE in str(row[at]) for at in self._key) and is_whole(item):
                return item
        except Exception:  # whatever a decoder makes of nonsense
            pass
        damaged.note(self._table, " ".join(_key_text(row[at]) for at in self._key))
        return None

    def read_all(self, rows: Iterable[Sequence[Any]], damaged: DamagedRows) -> list[T]:
        """Return the rows that decode."""
        return [item for row in rows if (item := self.read(row, damaged)) is not None]

    def take(self, rows: sqlite3.Cursor, limit: int, damaged: DamagedRows) -> list[T]:
        """Return the first rows that decode, at most `limit`, of a query without a limit.

        Closes the cursor, because an open one keeps checkpoints from finishing.
        """
        with closing(rows):
            items = (item for row in rows if (item := self.read(row, damaged)) is not None)
            return list(islice(items, limit))


def _marks(columns: Iterable[str]) -> str:
    return ", ".join(f":{name}" for name in columns)


def _same(value: object) -> object:
    return value


def is_moment(value: object) -> bool:
    """Return whether a value is a time that can be shown."""
    try:
        as_moment(value)
    except msgspec.ValidationError:
        return False
    return True


def as_moment(value: object) -> int:
    """Return a time as it is. Raises ValidationError if it is none."""
    return convert(value, Moment)


def as_text(value: object) -> str:
    """Return text as it is. Raises TypeError if it is none."""
    if not isinstance(value, str):
        raise TypeError("text is expected")
    return value


def as_json(value: object) -> str:
    """Return the text of an object in JSON as it is. Raises an exception if it is none."""
    text = as_text(value)
    decode_json(text, dict[str, object])
    return text


def as_json_text(value: object) -> str:
    """Encode a value for a column of JSON."""
    return msgspec.json.encode(value).decode()


def as_flag(value: object) -> bool:
    """Decode a column of 0 or 1. Raises ValueError."""
    if type(value) is int and value in (0, 1):
        return bool(value)
    raise ValueError("0 or 1 is expected")


def as_number(value: object) -> int:
    """Return a number; 0 for what is none."""
    return value if isinstance(value, int) else 0
