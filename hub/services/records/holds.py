"""Holds: records that are held beyond their day, with a reason, and by whom.

Users with the role guard make holds. The one who made a hold and administrators can change and
release it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio
from msgspec import Struct

from hub.errors import BadParameter, HubError
from hub.live.feed import Change
from hub.log import limited
from hub.services.access.rights import includes
from hub.services.audit import Actor
from hub.store.records.held_evidence import HeldUse
from hub.store.records.record_filter import RecordFilter
from hub.store.records.record_log import MAX_PAGE_BYTES, RecordPage
from hub.store.tables.holds import MAX_RECORDS_PER_HOLD, Added, Hold, NewHold
from hub.store.tables.users import User
from hub.wire.uploads.records import Record, RecordKind

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

MAX_REASON_LENGTH = 500
#: The beginning of the year 9000, in UNIX milliseconds: every zone can express what is before.
LATEST_UNTIL = 221_845_392_000_000
#: Records read at a time.
_PAGE = 1_000
_TIDY_SECONDS = 3600


class HoldSelection(Struct, frozen=True, kw_only=True):
    """Records to hold: those with these seqs, or those of a camera, a time and some kinds.

    `since` <= occurred_at < `until`, in UNIX milliseconds. No `did` means every camera, no `kinds`
    every kind.
    """

    seqs: tuple[int, ...] = ()
    did: str | None = None
    since: int | None = None
    until: int | None = None
    kinds: tuple[RecordKind, ...] = ()


class Selected(Struct, frozen=True):
    """The seqs of a selection, and how many pictures its records have.

    `is_too_many`: there are more than a hold can have; only the first are in it.
    """

    seqs: tuple[int, ...]
    pictures: int
    is_too_many: bool


class Holds:
    """Makes, changes and ends holds. run() removes what is not held any more."""

    def __init__(self, core: Core) -> None:
        self._store = core.store
        self._holds = core.store.holds
        self._audit = core.audit
        self._clock = core.clock
        self._change_feed = core.changes
        self._now = core.now
        self._has_ended = trio.Event()

    # -- reading

    async def newest(self, before: int | None = None, limit: int = 100) -> tuple[Hold, ...]:
        """Return at most `limit` holds with ids below `before`, newest first."""
        return await self._holds.newest(before, limit)

    async def get(self, id: int) -> Hold:
        """Return a hold. Raises NoSuchResource."""
        return await self._holds.get(id)

    async def of_record(self, seq: int) -> tuple[Hold, ...]:
        """Return the holds in force that a record is in."""
        return await self._holds.of_record(seq)

    async def records(
        self, id: int, *, after: int = 0, limit: int = 100, max_bytes: int = MAX_PAGE_BYTES
    ) -> RecordPage:
        """Return records of a hold with seqs above `after`, as `RecordLog.page` does."""
        return await self._store.records.page_of_hold(
            id, after=after, limit=limit, max_bytes=max_bytes
        )

    async def only_here(self, id: int) -> int:
        """Return how many records go when a hold ends: nobody else holds them, nor does a day."""
        return await self._holds.count_only_here(id)

    def use(self) -> HeldUse:
        """Return how much evidence has outlived its day."""
        return self._store.evidence.use()

    async def select(self, selection: HoldSelection) -> Selected:
        """Find the records of a selection."""
        if selection.seqs:
            found = [await self._store.records.get(seq) for seq in selection.seqs[:_PAGE]]
            records = [record for record in found if record is not None]
            return _selected(records)
        filter = RecordFilter(
            did=selection.did,
            since=selection.since,
            until=selection.until,
            kind=selection.kinds[0] if len(selection.kinds) == 1 else None,
        )
        records, after = [], 0
        while len(records) <= MAX_RECORDS_PER_HOLD:
            page = await self._store.records.page(filter, after=after, limit=_PAGE)
            kinds = selection.kinds
            records += [one for one in page.items if not kinds or one.kind in kinds]
            if page.next is None:
                break
            after = page.next
        return _selected(records)

    # -- changing

    async def create(
        self, seqs: Sequence[int], reason: str, until: int | None, *, by: Actor
    ) -> Added:
        """Hold records. `until`: UNIX milliseconds, None until it is released.

        Raises BadParameter, TooManyRequests if there are too many holds.
        """
        new = NewHold(
            reason=_checked_reason(reason),
            until=self._checked_until(until),
            created_by=by.who,
            created_at=int(self._now() * 1000),
        )
        added = await self._holds.create(new, seqs)
        await self._audit.add(by, "hold.add", f"{added.hold.id} {added.added}")
        self._publish(added.hold.id)
        return added

    async def add(self, id: int, seqs: Sequence[int], *, by: Actor) -> Added:
        """Hold more records. Raises NoSuchResource, BadParameter."""
        added = await self._holds.add(id, seqs)
        await self._audit.add(by, "hold.extend", f"{id} {added.added}")
        self._publish(id)
        return added

    async def change(self, id: int, reason: str, until: int | None, *, by: Actor) -> Hold:
        """Change why and until when. Raises NoSuchResource, BadParameter."""
        hold = await self._holds.change(id, _checked_reason(reason), self._checked_until(until))
        await self._audit.add(by, "hold.change", str(id))
        self._publish(id)
        return hold

    async def release(self, id: int, *, by: Actor) -> Hold:
        """End a hold. What nobody else holds goes with its day, or soon if that is gone."""
        if not (await self._holds.get(id)).is_in_force:
            raise BadParameter("this hold has ended", field="id")
        hold = await self._holds.end(id, by.who, int(self._now() * 1000))
        await self._audit.add(by, "hold.release", f"{id} {hold.records}")
        self._publish(id)
        self._has_ended.set()
        return hold

    def _checked_until(self, until: int | None) -> int | None:
        if until is not None and until <= self._clock.likely_time() * 1000:
            raise BadParameter("must be in the future", field="until")
        if until is not None and until > LATEST_UNTIL:
            raise BadParameter("must be before the year 9000", field="until")
        return until

    def _publish(self, id: int) -> None:
        self._change_feed.publish([Change("hold", str(id))])

    # -- in the background

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """End the holds whose time has come and remove what nobody holds, until cancelled."""
        task_status.started()
        while True:
            try:
                await self.tidy()
            except HubError as error:
                limited(log, logging.WARNING, "holds", "held evidence is removed later: %s", error)
            self._has_ended = trio.Event()
            with trio.move_on_after(_TIDY_SECONDS):
                await self._has_ended.wait()

    async def tidy(self) -> None:
        """Do the work of run() once. Raises CannotStoreNow."""
        # A clock that is wrong must not end a hold.
        if self._clock.is_trusted:
            for id in await self._holds.end_due(int(self._now() * 1000)):
                log.info("hold %d has ended", id)
                self._publish(id)
        await self._holds.finish_ends()
        await self._store.evidence.remove_released()


def _selected(records: Sequence[Record]) -> Selected:
    kept = records[:MAX_RECORDS_PER_HOLD]
    return Selected(
        tuple(record.seq for record in kept),
        sum(len(record.images) for record in kept),
        len(records) > len(kept),
    )


def may_change(user: User, hold: Hold) -> bool:
    """Whether a user may change or release a hold."""
    made_it = hold.created_by == f"user {user.name}"
    return includes(user.role, "admin") or (made_it and includes(user.role, "guard"))


def _checked_reason(reason: str) -> str:
    reason = " ".join(reason.split())
    if not 0 < len(reason) <= MAX_REASON_LENGTH:
        raise BadParameter(f"1 to {MAX_REASON_LENGTH} characters are expected", field="reason")
    return reason
