"""Cards that were rendered for one page, for the other pages that get the same record."""

from __future__ import annotations

from collections.abc import Hashable

from msgspec import Struct
from quart import current_app

from hub.services.feeds import record_weight
from hub.wire.uploads.records import Record

_EXTENSION = "sitehub.shared_cards"
#: What all readers of the feed get within a moment; the rest is rendered again.
_MAX_CARDS = 64
_MAX_RECORD_BYTES = 16 * 1024


class RenderedCard(Struct, frozen=True):
    """What a page is told of a record. `picture`: its path, or ""."""

    picture: str
    listed: bool
    html: str


class SharedCards:
    """The last cards, by what they depend on.

    The feed gives all its readers the same Record. One that was read from the store is another: it
    may have been erased in part since.
    """

    def __init__(self) -> None:
        self._cards: dict[Hashable, tuple[Record, RenderedCard]] = {}

    def get(self, record: Record, look: Hashable) -> RenderedCard | None:
        """The card of a record. `look`: all that it depends on besides, such as the language."""
        known, card = self._cards.get((record.seq, look), (None, None))
        return card if known is record else None

    def keep(self, record: Record, look: Hashable, card: RenderedCard) -> None:
        if record_weight(record) > _MAX_RECORD_BYTES:
            return
        self._cards[record.seq, look] = (record, card)
        if len(self._cards) > _MAX_CARDS:
            del self._cards[next(iter(self._cards))]


def shared_cards() -> SharedCards:
    """Those of this hub."""
    shared: SharedCards = current_app.extensions.setdefault(_EXTENSION, SharedCards())
    return shared
