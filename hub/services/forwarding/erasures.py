"""What targets are told of records that were erased."""

from __future__ import annotations

from collections.abc import Iterable

from hub.services.forwarding.sender import ErasureItem
from hub.store.targets.erased import ErasedPage

#: Records that one message names at most.
MAX_RECORDS = 400


def erasure_items(page: ErasedPage) -> list[ErasureItem]:
    """Return what tells of some erased records: an item for each log that they are of."""
    seqs: dict[str, set[int]] = {}
    for one in page.items:
        seqs.setdefault(one.log, set()).add(one.seq)
    return [ErasureItem(log, _ranges(some), page.last) for log, some in seqs.items()]


def _ranges(seqs: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Return numbers as (first, last) of those that follow each other."""
    found: list[tuple[int, int]] = []
    for seq in sorted(seqs):
        if found and seq == found[-1][1] + 1:
            found[-1] = (found[-1][0], seq)
        else:
            found.append((seq, seq))
    return tuple(found)
