"""Tells who reads on behalf of a user or key that rights may have been taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class AccessChanges:
    """Announced by the tables of users, sessions and API keys when such a change commits."""

    def __init__(self) -> None:
        self._followers: dict[Callable[[], None], None] = {}

    @contextmanager
    def follow(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake` at each change, until the block ends. Look at the rights after it."""
        self._followers[wake] = None
        try:
            yield
        finally:
            del self._followers[wake]

    def announce(self) -> None:
        for wake in self._followers:
            wake()
