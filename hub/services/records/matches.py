"""Which names or plates have the part that a filter asks for, and how many records each has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from hub.store.records.record_filter import RecordFilter, is_quoted
from hub.wire.plates import reduce_plate

if TYPE_CHECKING:
    from hub.store.db import Store

#: So many are told.
MAX_MATCHES = 12
#: So many are looked at, because several ways to write a plate are one.
_MAX_TEXTS = 40


class TextMatch(Struct, frozen=True):
    """A name or plate, as the newest record has it: `last_seq`."""

    text: str
    records: int
    last_seq: int


class Matches(Struct, frozen=True):
    """Those of the most records first. `more`: how many others there are.

    `is_exact`: False if the numbers are nearly right, or there was no time to count all records;
    the newest are then counted.
    """

    field: Literal["name", "plate"]
    found: tuple[TextMatch, ...]
    more: int
    is_exact: bool


class PartMatching:
    """Finds the names or plates that have a part."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, filter: RecordFilter) -> Matches | None:
        """Return what has the part of a name or plate; None if the filter asks for no part.

        Plates that differ in blanks, dots and hyphens only are one. Answers within about 2 s.
        Raises TooManyRequests, CannotStoreNow.
        """
        part = filter.name or filter.plate
        if not part or is_quoted(part):
            return None
        counted = await self._store.counter.by_text(filter, _MAX_TEXTS)
        texts = [TextMatch(one.text, one.records, one.last_seq) for one in counted.found]
        matches = texts if filter.name else _one_per_plate(texts)
        # Those that were not looked at may be ways to write a plate, too: nearly all are not.
        others = counted.total - len(counted.found) + len(matches[MAX_MATCHES:])
        return Matches(
            "name" if filter.name else "plate",
            tuple(matches[:MAX_MATCHES]),
            others,
            counted.is_exact,
        )


def _one_per_plate(texts: list[TextMatch]) -> list[TextMatch]:
    """Join the ways to write a plate, under the longest one."""
    plates: dict[str, TextMatch] = {}
    for one in texts:
        reduced = reduce_plate(one.text)
        known = plates.get(reduced)
        if known is None:
            plates[reduced] = one
            continue
        plates[reduced] = TextMatch(
            max(known.text, one.text, key=len),
            known.records + one.records,
            max(known.last_seq, one.last_seq),
        )
    return sorted(plates.values(), key=lambda one: (one.records, one.last_seq), reverse=True)
