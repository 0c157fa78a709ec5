"""Where a cursor goes on: on this log, and after what another system has of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.services.forwarding.sender import Position
from hub.store.targets.target import Cursor
from hub.wire.times import format_rfc3339

if TYPE_CHECKING:
    from hub.store.db import Store


class _Shown(Struct, frozen=True):
    """Fields by which a record is recognised."""

    did: str = ""
    received_at: str = ""


async def is_ours(place: Position, store: Store) -> bool:
    """Whether the record that the other side has last is the one that the store has.

    Raises TooManyRequests, CannotStoreNow.
    """
    if place.seq > store.records.last_seq:
        return False
    record = await store.records.get(place.seq) if place.record else None
    if record is None:
        return True
    try:
        shown = msgspec.json.decode(place.record, type=_Shown)
    except msgspec.MsgspecError:
        return False
    return (shown.did, shown.received_at) == (record.did, format_rfc3339(record.received_at))


def on_this_log(cursor: Cursor, store: Store) -> Cursor:
    """Return a cursor on the log of the store: at its beginning, if it was on another."""
    if cursor.log == store.log_id:
        return replace(cursor, seq=min(cursor.seq, store.records.last_seq))
    # Erasures are numbered on: those of the other log may not be told yet.
    return Cursor(store.log_id, 0, 0, cursor.erasure_number)


def erasures_of(place: Position, cursor: Cursor) -> int:
    """Return up to which number the other side has the erasures; never more than the cursor."""
    if place.erasure_number is not None:
        return min(place.erasure_number, cursor.erasure_number)
    has_lost = place.has_lost or place.seq < cursor.seq
    return 0 if has_lost else cursor.erasure_number
