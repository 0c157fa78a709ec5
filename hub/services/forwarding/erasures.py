"""What targets are told of records that were erased."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hub.services.forwarding.sender import ErasureItem
from hub.store.tables.erasures import ErasedPerson
from hub.store.targets.erased import ErasedPage

#: Records that one message names at most.
MAX_RECORDS = 400


def erasure_items(page: ErasedPage) -> list[ErasureItem]:
    """Return what tells of some erased records: an item for each log that they are of."""
    seqs: dict[str, set[int]] = {}
    for one in page.items:
        if one.seq:  # else it stands for a person
            seqs.setdefault(one.log, set()).add(one.seq)
    return [ErasureItem(log, ranges_of(some), page.last) for log, some in seqs.items()]


def person_items(page: ErasedPage, people: Mapping[int, ErasedPerson]) -> list[ErasureItem]:
    """Return what tells of the people that some entries stand for, to whom finds them itself."""
    return [
        ErasureItem(one.log, (), one.number, person.uuids, person.last_seq, ranges_of(person.kept))
        for one in page.items
        if not one.seq and (person := people.get(one.number)) is not None
    ]


def ranges_of(seqs: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Return numbers as (first, last) of those that follow each other."""
    found: list[tuple[int, int]] = []
    for seq in sorted(seqs):
        if found and seq == found[-1][1] + 1:
            found[-1] = (found[-1][0], seq)
        else:
            found.append((seq, seq))
    return tuple(found)
