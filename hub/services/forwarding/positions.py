"""Where a cursor goes on: on this log, and after what another system has of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.decoders import decode_json
from hub.services.forwarding.sender import Position
from hub.store.records.record_filter import RecordFilter
from hub.store.targets.target import Cursor
from hub.wire.times import format_rfc3339

if TYPE_CHECKING:
    from hub.store.db import Store


class _Shown(Struct, frozen=True):
    """Fields by which a record is recognised."""

    did: str = ""
    received_at: str = ""


async def is_ours(position: Position, store: Store) -> bool:
    """Whether the record that the other side has last is the one that the store has.

    Raises TooManyRequests, CannotStoreNow.
    """
    if position.seq > store.records.last_seq:
        return False
    record = await store.records.get(position.seq) if position.record else None
    if record is None:
        return True
    try:
        shown = decode_json(position.record, _Shown)
    except msgspec.MsgspecError:
        return False
    return (shown.did, shown.received_at) == (record.did, format_rfc3339(record.received_at))


async def without_expired(position: Position, cursor: Cursor, store: Store) -> Position:
    """Return a position behind what is too old to be there, if the other side expires it.

    What arrived here later cannot be too old there: it was lost. Raises TooManyRequests,
    CannotStoreNow.
    """
    if position.expired_before is None:
        return position
    older = await _last_before(position.expired_before, cursor.seq, store)
    return replace(position, seq=max(position.seq, older))


async def _last_before(moment: int, end: int, store: Store) -> int:
    """Return the last seq up to `end` before the records that arrived at `moment` (ms) or later."""
    low, high = 0, end
    while low < high:
        middle = (low + high) // 2
        page = await store.records.page(RecordFilter(), after=middle, limit=1)
        if page.items and page.items[0].received_at < moment:
            low = page.items[0].seq
        else:
            high = middle
    return min(low, end)


def on_this_log(cursor: Cursor, store: Store) -> Cursor:
    """Return a cursor on the log of the store: at its beginning, if it was on another."""
    if cursor.log == store.log_id:
        return replace(cursor, seq=min(cursor.seq, store.records.last_seq))
    # Erasures are numbered on: those of the other log may not be told yet.
    return Cursor(store.log_id, 0, 0, cursor.erasure_number)


def erasures_of(position: Position, cursor: Cursor) -> int:
    """Return up to which number the other side has the erasures; never more than the cursor."""
    if position.erasure_number is not None:
        return min(position.erasure_number, cursor.erasure_number)
    has_lost = position.has_lost or position.seq < cursor.seq
    return 0 if has_lost else cursor.erasure_number
