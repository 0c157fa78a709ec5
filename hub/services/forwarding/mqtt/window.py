"""What is on its way to a broker: no more than it takes at a time."""

from __future__ import annotations

import trio

from hub.reasons import Reason
from hub.services.forwarding.sender import Undelivered

#: Messages that are not acknowledged yet, and their bytes (one may be larger).
MAX_MESSAGES, _MAX_BYTES = 20, 1024 * 1024


class NotTaken(Undelivered):
    """The broker refuses a message, and would again."""


class Ticket:
    """What is on its way. `done` is set once the broker has answered, or cannot any more.

    `refusal`: why it does not take it; None if it does.
    """

    def __init__(self, size: int = 0) -> None:
        self.size = size
        self.done = trio.Event()
        self.is_answered = False
        self.refusal: Reason | None = None

    def answer(self, refusal: Reason | None = None) -> None:
        self.is_answered, self.refusal = True, refusal
        self.done.set()


class Window:
    """Messages that the broker has not acknowledged, by their id in the connection."""

    def __init__(self) -> None:
        self._waiting: dict[int, Ticket] = {}
        self._bytes = 0
        self._max_messages = MAX_MESSAGES
        self._max_packet: int | None = None
        self._freed = trio.Event()
        self._is_over = False

    def limit(self, messages: int, packet: int | None) -> None:
        """Take over what the broker says: messages at a time, and bytes of one (None: any)."""
        self._max_messages = max(1, min(MAX_MESSAGES, messages))
        self._max_packet = packet

    async def wait_for_room(self, size: int) -> None:
        """Return once a message of so many bytes may be sent, or none can be any more.

        Raises NotTaken if it is larger than the broker takes.
        """
        if self._max_packet is not None and size > self._max_packet:
            raise NotTaken(
                "%(size)s bytes are more than the broker takes (%(limit)s)",
                size=size,
                limit=self._max_packet,
            )
        while not self._is_over and not self._has_room(size):
            # Others may wait for it too.
            if self._freed.is_set():
                self._freed = trio.Event()
            await self._freed.wait()

    def _has_room(self, size: int) -> bool:
        is_below = len(self._waiting) < self._max_messages
        return not self._waiting or (is_below and self._bytes + size <= _MAX_BYTES)

    def add(self, id: int, ticket: Ticket) -> None:
        """Note what is on its way now."""
        self._waiting[id] = ticket
        self._bytes += ticket.size

    def answer(self, id: int, refusal: Reason | None) -> None:
        """Note what the broker says to a message."""
        if (ticket := self._waiting.pop(id, None)) is not None:
            self._bytes -= ticket.size
            ticket.answer(refusal)
        self._freed.set()

    def end(self) -> None:
        """Wake up all that wait: there will be no answer."""
        self._is_over = True
        self._freed.set()
        for ticket in self._waiting.values():
            ticket.done.set()
