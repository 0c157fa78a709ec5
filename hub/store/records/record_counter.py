"""Counts of records for histograms and searches, read beside everything else that the hub does."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from msgspec import Struct

from hub.errors import TooManyRequests
from hub.store.records.counting import Counting
from hub.store.records.list_counting import ListCounting
from hub.store.records.record_filter import RecordFilter
from hub.store.records.term_counting import TermCounting, texts_of
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


class TextCount(Struct, frozen=True):
    """How many records have a name or plate, as the newest of them has it: `last_seq`."""

    text: str
    records: int
    last_seq: int


class TextCounts(Struct, frozen=True):
    """Those of the most records. `total`: how many there are. `is_exact`: as above."""

    found: tuple[TextCount, ...]
    total: int
    is_exact: bool


class _InSteps(Protocol):
    """A count that can stop and go on."""

    @property
    def is_done(self) -> bool: ...

    def step(self, connection: sqlite3.Connection, seconds: float) -> None: ...


class RecordCounter:
    """Counts records in buckets of time, and by name or plate."""

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
        has_category = filter.category is not None or filter.categories is not None
        is_of_lists = filter.lists is not None and not has_category
        make = ListCounting if is_of_lists else Counting
        counting = make(filter, edges, bucket_ms, time.monotonic)
        readers = self._searchers if filter.name or filter.plate else self._readers
        await self._run(counting, readers)
        return BucketCounts(tuple(counting.counts), counting.is_exact and counting.is_done)

    async def by_text(self, filter: RecordFilter, limit: int) -> TextCounts:
        """Count the records that match by name, or by plate if the filter asks for a part of one.

        Returns up to `limit`, those of the most records first. Ends and raises as `by_bucket`.
        """
        counting = TermCounting(filter, time.monotonic)
        await self._run(counting, self._searchers)
        most = counting.most(limit)
        texts = await self._searchers.read(partial(texts_of, most)) if most else {}
        return TextCounts(
            tuple(
                TextCount(text, one.records, one.last_seq)
                for one in most
                if (text := texts.get(one.term))
            ),
            counting.terms,
            counting.is_exact and counting.is_done,
        )

    async def _run(self, counting: _InSteps, readers: Readers) -> None:
        """Count to the end, or until it takes too long."""
        until = time.monotonic() + _COUNT_SECONDS
        if not counting.is_done:
            await readers.read(lambda c: counting.step(c, _QUICK_SECONDS))
        # Step by step, so that those who search at the same time take turns.
        while not counting.is_done and (left := until - time.monotonic()) > 0:
            try:
                await self._searchers.read(
                    lambda c: counting.step(c, _STEP_SECONDS), wait_seconds=left
                )
            except TooManyRequests:
                break  # what was counted so far is an answer, too
