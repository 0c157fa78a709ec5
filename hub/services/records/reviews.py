"""Where each user last looked at the wall, and which records the user has reviewed.

A user has looked at a record when it was on the wall without a filter, in a window that could be
seen and was used in the last minutes. A *visit* ends when the user has not looked for 10 minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from hub.store.tables.reviews import MAX_MARKS, Review

if TYPE_CHECKING:
    from hub.services.core import Core

VISIT_GAP_MS = 600_000


class Reviews:
    """`now`: UNIX seconds."""

    def __init__(self, core: Core) -> None:
        self._store = core.store
        self._now = core.now

    def get(self, user: str) -> Review:
        return self._store.reviews.get(user)

    def line(self, user: str) -> int:
        """The last seq that the user saw on the visit before this one; 0 before the first."""
        known = self.get(user)
        return known.seen if self._is_new_visit(known) else known.line

    def is_reviewed(self, review: Review, seq: int) -> bool:
        return seq <= review.reviewed or seq in review.marks

    async def note_seen(self, user: str, seq: int) -> None:
        """Note that the user looks at the wall, on which `seq` is the newest record."""
        known = self.get(user)
        line = known.seen if self._is_new_visit(known) else known.line
        seen = max(known.seen, self._known(seq))
        await self._store.reviews.put(replace(known, line=line, seen=seen, seen_at=self._ms()))

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
