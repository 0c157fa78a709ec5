"""Pictures whose packs were cut short or deleted, until a person takes note of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.live.feed import Change, Feed
from hub.services.access.audit import Actor, Audit
from hub.store.media.lost_parts import LostPart

if TYPE_CHECKING:
    from hub.store.db import Store


class LostPictures:
    """Says what is lost, and lets a person take note, so that the hub counts as well again."""

    def __init__(self, store: Store, audit: Audit, change_feed: Feed[Change]) -> None:
        self._store = store
        self._audit = audit
        self._change_feed = change_feed

    def unaccepted(self) -> tuple[LostPart, ...]:
        """Return what nobody has taken note of yet."""
        return self._store.lost.unaccepted

    async def accept(self, by: Actor) -> tuple[LostPart, ...]:
        """Note that a person knows what is lost; return what was new to them."""
        parts = self.unaccepted()
        if parts:
            days = ", ".join(part.day for part in parts)
            await self._audit.add(by, "pictures.accept-lost", days)
            await self._store.accept_lost()
            self._change_feed.publish([Change("health")])
        return parts
