"""Whether what another system has is what this hub sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from hub.services.forwarding.sender import Position
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
