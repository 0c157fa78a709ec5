"""The room of a device's message: long messages share one budget, and must go on arriving.

A message takes room as its bytes arrive, whatever length its frames announce, and keeps it until it
is handled. One that stops arriving is given up long before the link's deadline.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from hub import metrics
from hub.link.ending import POLICY_VIOLATION, TRY_AGAIN_LATER, Ending
from hub.net.byte_budget import ByteBudget, Share
from hub.net.deadlines import Deadlines

#: A shorter message needs no room: heartbeats, reports and most answers.
FREE_BYTES = 16 * 1024
#: Of a message that holds room, at least PACE_BYTES must arrive ...
PACE_BYTES = 20 * 1024
#: ... within this time: 1 KB/s. GPRS, the slowest modem that a site may have, sends 2.5 KB/s.
PACE_SECONDS = 20.0

_NO_ROOM = Ending(TRY_AGAIN_LATER, "there is no room for its long message", limit="message_budget")
_CUT = Ending(
    TRY_AGAIN_LATER, "its long message made room for other devices", limit="message_budget"
)
_TOO_SLOW = Ending(
    POLICY_VIOLATION,
    f"less than {PACE_BYTES} bytes of its message came within {PACE_SECONDS:g} s",
    limit="message_pace",
)


class MessageBudget(ByteBudget):
    """Room for the long messages of all devices."""

    def on_used(self, used: int) -> None:
        metrics.messages_in_flight.set(used)


class MessageReservation:
    """The room of one connection's message. `deadline`: when more of it must have arrived."""

    __slots__ = (
        "_budget",
        "_deadlines",
        "_give_up",
        "_paced_bytes",
        "_sender",
        "_share",
        "deadline",
    )

    def __init__(
        self,
        budget: MessageBudget,
        deadlines: Deadlines,
        *,
        sender: Callable[[], str],
        give_up: Callable[[Ending], None],
    ) -> None:
        """`sender` tells whose message it is; `give_up` ends the connection that sends it."""
        self._budget = budget
        self._deadlines = deadlines
        self._sender = sender
        self._give_up = give_up
        self._share: Share | None = None
        self._paced_bytes = 0
        self.deadline = math.inf

    def cover(self, size: int) -> Ending | None:
        """Take room for the `size` bytes of a message that is still arriving.

        Returns how the connection ends if there is none.
        """
        if size <= FREE_BYTES:
            return None
        if self._share is None:
            self._share = self._budget.take(size, self._sender(), self._cut)
            if self._share is None:
                return _NO_ROOM
            self._deadlines.add(self)
            self._note_pace(size)
        elif not self._share.grow(size):
            return _NO_ROOM
        elif size - self._paced_bytes >= PACE_BYTES:
            self._note_pace(size)
        return None

    def complete(self) -> None:
        """The message is complete. It keeps its room until it is handled."""
        self._deadlines.discard(self)

    def give_back(self) -> None:
        """The message is handled, or given up. Idempotent."""
        self.complete()
        if self._share is not None:
            self._share.give_back()
            self._share = None

    def expire(self) -> None:
        """Called when the message has not gone on arriving."""
        self._give_up(_TOO_SLOW)

    def _cut(self) -> None:
        self._give_up(_CUT)

    def _note_pace(self, size: int) -> None:
        self._paced_bytes = size
        self.deadline = trio.current_time() + PACE_SECONDS
