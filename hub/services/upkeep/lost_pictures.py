"""Pictures and changes that are lost, until a person takes note of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.live.feed import Change
from hub.services.audit import Actor
from hub.services.doctor.findings import moment_text
from hub.services.problems import PROBLEMS
from hub.store.media.lost_parts import LostPart

if TYPE_CHECKING:
    from hub.services.core import Core


class LostPictures:
    """Says what is lost, and lets a person take note, so that the hub counts as well again."""

    def __init__(self, core: Core) -> None:
        self._store = core.store
        self._audit = core.audit
        self._change_feed = core.changes

    def unaccepted(self) -> tuple[LostPart, ...]:
        """Return what nobody has taken note of yet."""
        return self._store.lost.unaccepted

    @property
    def has_changes(self) -> bool:
        """Whether changes are lost, and nobody has taken note of it yet."""
        return self._store.changes_lost_since is not None

    async def accept(self, by: Actor) -> list[str]:
        """Note that a person knows what is lost; return what was new to them, in English."""
        parts, since = self.unaccepted(), self._store.changes_lost_since
        texts = [part.text for part in parts]
        if parts:
            days = ", ".join(part.day for part in parts)
            await self._audit.add(by, "pictures.accept-lost", days)
        if since is not None:
            moment = moment_text(since / 1000)
            await self._audit.add(by, "retention.accept-lost", moment)
            texts.append(PROBLEMS["changes-lost"].sentence % {"since": moment})
        if texts:
            await self._store.accept_lost()
            self._change_feed.publish([Change("health")])
        return texts
