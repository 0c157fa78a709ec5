"""Which parts of the log can hold a time, told by the spans of its blocks.

Times are not indexed row by row: a *span* holds the earliest and latest `occurred_at` of a block of
1,024 consecutive seqs. *Stray* rows, whose device's clock is off by more than 10 minutes, do not
widen the spans and have a small index of their own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from hub.store.commit.record_rows import STRAY_MS
from hub.store.sqlite.sql import clamp

#: Blocks that can match with so few others between them are one range.
_MAX_GAP = 4

# SQLite uses the index record_stray only if its condition is repeated word for word.
_BLOCKS = f"""
SELECT block FROM span
WHERE block BETWEEN :first AND :last AND latest >= :since AND earliest < :until
UNION
SELECT seq >> 10 FROM record
WHERE abs(occurred_at - received_at) > {STRAY_MS}
    AND occurred_at >= :since AND occurred_at < :until
ORDER BY 1
"""

#: First and last seq, both included.
SeqRange = tuple[int, int]


def ranges_of(
    connection: sqlite3.Connection, since: int | None, until: int | None, seqs: SeqRange
) -> list[SeqRange]:
    """Return the parts of `seqs` that can hold `since` <= occurred_at < `until`, ascending.

    None means no limit. A span that is damaged may add or hide its own block only.
    """
    if since is None and until is None:
        return [seqs] if seqs[0] <= seqs[1] else []
    times = {
        "since": clamp(-(2**63) if since is None else since),
        "until": clamp(2**63 - 1 if until is None else until),
        "first": seqs[0] >> 10,
        "last": seqs[1] >> 10,
    }
    blocks = (block for (block,) in connection.execute(_BLOCKS, times))
    ranges = (
        (max(first << 10, seqs[0]), min((last << 10) + 1023, seqs[1]))
        for first, last in _runs(blocks)
    )
    return [(first, last) for first, last in ranges if first <= last]


def _runs(blocks: Iterable[int]) -> Iterator[SeqRange]:
    """Yield runs of nearly consecutive numbers, as (first, last), from ascending numbers."""
    first = last = None
    for block in blocks:
        if first is None or last is None:
            first = last = block
        elif block <= last + _MAX_GAP:
            last = block
        else:
            yield first, last
            first = last = block
    if first is not None and last is not None:
        yield first, last
