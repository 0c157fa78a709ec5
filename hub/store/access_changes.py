"""Tells who reads on behalf of a user or key that rights may have been taken away."""

from __future__ import annotations

import trio


class AccessChanges:
    """Announced by the tables of users, sessions and API keys when such a change commits."""

    def __init__(self) -> None:
        self._next = trio.Event()

    def next(self) -> trio.Event:
        """Return what is set by the next change. Ask for it before looking at the rights."""
        return self._next

    def announce(self) -> None:
        changed, self._next = self._next, trio.Event()
        changed.set()
