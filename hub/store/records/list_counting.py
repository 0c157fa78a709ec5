"""Counts the records of people on lists, as the cameras or the register have them.

Those whom the cameras put on the lists are counted per hour, as categories. Only the others have to
be looked for in the log, of which a sample tells enough if it is long.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from hub.store.records.counting import Counting
from hub.store.records.record_filter import RecordFilter


class ListCounting:
    """Counts as `Counting` does, for a filter by `lists` and no category."""

    def __init__(
        self,
        filter: RecordFilter,
        edges: Sequence[int],
        bucket_ms: int,
        clock: Callable[[], float],
    ) -> None:
        lists = filter.lists or ()
        by_camera = replace(filter, lists=None, categories=lists)
        self._clock = clock
        self._parts = (
            Counting(by_camera, edges, bucket_ms, clock),
            Counting(filter, edges, bucket_ms, clock, besides=lists),
        )

    @property
    def counts(self) -> list[int]:
        """The number of records in each bucket, as far as they are counted."""
        return [sum(each) for each in zip(*(one.counts for one in self._parts), strict=True)]

    @property
    def is_done(self) -> bool:
        return all(one.is_done for one in self._parts)

    @property
    def is_exact(self) -> bool:
        """Whether the counts are those of the records, once `is_done`."""
        return all(one.is_exact for one in self._parts)

    def step(self, connection: sqlite3.Connection, seconds: float) -> None:
        """Count on, for about so many seconds."""
        until = self._clock() + seconds
        for one in self._parts:
            if not one.is_done and (left := until - self._clock()) > 0:
                one.step(connection, left)
