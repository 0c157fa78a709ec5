"""What was made of a record for one reader, for the others that get the same."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from hub.services.feeds import record_weight
from hub.wire.uploads.records import Record

T = TypeVar("T")

#: What all readers of the feed get within a moment; the rest is made again.
_MAX_KEPT = 64
_MAX_RECORD_BYTES = 16 * 1024


class SharedRecords(Generic[T]):
    """What was made of the last records, by what it depends on.

    The feed gives all its readers the same Record. One that was read from the store is another: it
    may have been erased in part since.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[Record, T]] = {}

    def get(self, record: Record, look: Hashable) -> T | None:
        """`look`: all that it depends on besides, such as the language."""
        known, made = self._kept.get((record.seq, look), (None, None))
        return made if known is record else None

    def keep(self, record: Record, look: Hashable, made: T) -> None:
        if record_weight(record) > _MAX_RECORD_BYTES:
            return
        self._kept[record.seq, look] = (record, made)
        if len(self._kept) > _MAX_KEPT:
            del self._kept[next(iter(self._kept))]
