"""Changes of people on cameras that are made by hand, beside those of the sync."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from hub.errors import HubError
from hub.log import limited

if TYPE_CHECKING:
    from hub.store.db import Store

log = logging.getLogger(__name__)


class KeepsInStep(Protocol):
    """Keeps the people of one camera in step with the register."""

    def disturb(self, pid: str) -> None:
        """Somebody else changes this person: what is not noted yet does not count."""

    def look_at(self, pid: str) -> None:
        """Look at this person again."""


class ByHand:
    """Notes that a person on a camera is not known any more."""

    def __init__(self, store: Store) -> None:
        self._store = store
        #: Who keeps the cameras that are online in step, by did. Whoever does so enters it here.
        self.keepers: dict[str, KeepsInStep] = {}

    async def note(self, did: str, pid: str, *, is_added: bool) -> None:
        """Note it before the command for the person is sent."""
        if (keeper := self.keepers.get(did)) is not None:
            keeper.disturb(pid)
        try:
            await self._store.holdings.disturb(did, pid, is_added=is_added)
        except HubError as error:
            limited(log, logging.WARNING, f"disturbed {did}", "cannot note a change: %s", error)
        if keeper is not None:
            keeper.look_at(pid)
