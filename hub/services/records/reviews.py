"""Where each user last looked at the wall, and which records the user has reviewed.

A user has looked at a record when it was on the wall without a filter, in a window that could be
seen and was used in the last minutes. A *visit* ends when the user has not looked for 10 minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from hub.store.tables.reviews import MAX_MARKS, Review

if TYPE_CHECKING:
    from hub.services.core import Core

VISIT_GAP_MS = 600_000


class LastVisit(Struct, frozen=True):
    """The visit before this one: its last record, and when it ended (UNIX milliseconds)."""

    seq: int
    ended_at: int


class Reviews:
    """`now`: UNIX seconds."""

    def __init__(self, core: Core) -> None:
        self._store = core.store
        self._now = core.now

    def get(self, user: str) -> Review:
        return self._store.reviews.get(user)

    def last_visit(self, user: str) -> LastVisit:
        """Return the visit before this one; all 0 if this is the first."""
        known = self.get(user)
        if self._is_new_visit(known):
            return LastVisit(known.seen, known.seen_at)
        return LastVisit(known.line, known.left_at)

    def is_reviewed(self, review: Review, seq: int) -> bool:
        return seq <= review.reviewed or seq in review.marks

    async def note_seen(self, user: str, seq: int) -> None:
        """Note that the user looks at the wall, on which `seq` is the newest record."""
        known = self.get(user)
        last = self.last_visit(user)
        review = replace(
            known,
            line=last.seq,
            left_at=last.ended_at,
            seen=max(known.seen, self._known(seq)),
            seen_at=self._ms(),
        )
        await self._store.reviews.put(review)

    async def mark(self, user: str, seq: int) -> None:
        """Mark a record as reviewed. The oldest of too many marks are dropped."""
        known, seq = self.get(user), self._known(seq)
        if seq and not self.is_reviewed(known, seq):
            marks = tuple(sorted((*known.marks, seq))[-MAX_MARKS:])
            await self._store.reviews.put(replace(known, marks=marks))

    async def mark_all(self, user: str, upto: int) -> None:
        """Mark all records up to a seq as reviewed."""
        known = self.get(user)
        reviewed = max(known.reviewed, self._known(upto))
        marks = tuple(seq for seq in known.marks if seq > reviewed)
        await self._store.reviews.put(replace(known, reviewed=reviewed, marks=marks))

    def _known(self, seq: int) -> int:
        return min(seq, self._store.records.last_seq)

    def _is_new_visit(self, known: Review) -> bool:
        # A clock that was set back counts as a new visit.
        return not 0 <= self._ms() - known.seen_at < VISIT_GAP_MS

    def _ms(self) -> int:
        return int(self._now() * 1000)
