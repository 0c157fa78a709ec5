"""How the writes of a task wait for a disk that does not respond, or refuses them.

Without patience a write is given up after 30 s: that is for requests of devices and for requests
that only read, whose answer is all that follows the write. Background tasks and changes
(hub.services.changes) have patience: what stands behind a write in their code must happen once it
is committed, so it is waited for as long as that takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Patience:
    """Writes wait for the disk as long as it takes.

    `insists`: a write that the disk refuses is tried again until it is stored, because other writes
    that belong to it are. `on_slow` is called with the reason whenever the disk has kept a write
    waiting for 30 s, or has refused one that is tried again.
    """

    def __init__(
        self, on_slow: Callable[[str], object] = lambda reason: None, *, insists: bool = False
    ) -> None:
        self.insists = insists
        self.on_slow = on_slow

    def queued(self) -> None:
        """Note that a write of the task is in the queue."""

    def committed(self) -> None:
        """Note that a write of the task is committed."""


#: That of the running task, which tasks that it starts inherit; None is no patience.
patience: ContextVar[Patience | None] = ContextVar("patience", default=None)


@contextmanager
def waits_with(new: Patience | None) -> Iterator[None]:
    """Let writes of the running task wait like this, in the block."""
    token = patience.set(new)
    try:
        yield
    finally:
        patience.reset(token)
