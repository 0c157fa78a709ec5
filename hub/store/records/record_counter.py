"""Counts of records for histograms, read beside everything else that the hub does."""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec import Struct

from hub.errors import TooManyRequests
from hub.store.records.counting import Counting
from hub.store.records.record_filter import RecordFilter
from hub.store.sqlite.readers import Readers

#: A count that takes longer ends with what was counted so far.
_COUNT_SECONDS = 2.0
#: One that takes longer than this goes on where only searches wait, in steps of so many seconds.
_QUICK_SECONDS, _STEP_SECONDS = 0.05, 0.05


class BucketCounts(Struct, frozen=True):
    """How many records are in each bucket. `is_exact`: whether these are neither nearly nor partly
    counted.
    """

    counts: tuple[int, ...]
    is_exact: bool


class RecordCounter:
    """Counts records in buckets of time."""

    def __init__(self, readers: Readers, searchers: Readers) -> None:
        self._readers = readers
        self._searchers = searchers

    async def by_bucket(
        self, filter: RecordFilter, edges: Sequence[int], bucket_ms: int
    ) -> BucketCounts:
        """Count the records that match, whatever the filter's times, between the edges of buckets.

        See `Counting` for `edges`. Ends after 2 s with what was counted until then, the newest
        first. Raises TooManyRequests if no reader becomes free in time, CannotStoreNow if the
        database cannot be read.
        """
        counting = Counting(filter, edges, bucket_ms, time.monotonic)
        until = time.monotonic() + _COUNT_SECONDS
        if not counting.is_done:
            readers = self._searchers if filter.name or filter.plate else self._readers
            await readers.read(lambda c: counting.step(c, _QUICK_SECONDS))
        # Step by step, so that those who search at the same time take turns.
        while not counting.is_done and (left := until - time.monotonic()) > 0:
            try:
                await self._searchers.read(
                    lambda c: counting.step(c, _STEP_SECONDS), wait_seconds=left
                )
            except TooManyRequests:
                break  # what was counted so far is an answer, too
        return BucketCounts(tuple(counting.counts), counting.is_exact and counting.is_done)
