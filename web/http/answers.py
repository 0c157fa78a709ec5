"""A budget for the bytes of all answers that their peers have not read yet.

An answer in memory holds room until it is sent. One sender (an address) can have a part of the
budget. If there is no room for an answer of a sender who holds less than another one, the oldest
answer of the sender who holds most is cut off; otherwise the answer is refused at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from hub import metrics
from hub.log import limited

log = logging.getLogger(__name__)

#: The socket takes an answer of this size, or a part of one, at once: it needs no room.
FREE_BYTES = 16 * 1024
#: One sender may use 1 / SENDER_DIVISOR of the budget.
SENDER_DIVISOR = 4
#: An extension of the ASGI scope: the budget of answers.
ANSWERS = "sitehub.answers"
#: Seconds after which a refused client may try again.
RETRY_SECONDS = 2


class AnswerBudget:
    """Room for `total` bytes. A larger answer takes all of it."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._senders: dict[str, _Sender] = {}

    def resize(self, total: int) -> None:
        """Change the total. Answers keep the room that they have."""
        self._total = total

    @property
    def used(self) -> int:
        return self._used

    def take(self, size: int, sender: str, cut: Callable[[], None]) -> Room | None:
        """Take room for an answer, which `cut` ends if others need the room. None: refused."""
        size = min(size, self._total)
        own = self._senders.get(sender)
        held = own.held if own else 0
        if held and held + size > self._total // SENDER_DIVISOR:
            self._report_refusal(sender, "its share is in use")
            return None
        while self._used + size > self._total:
            largest = max(self._senders.values(), key=lambda one: one.held, default=None)
            if largest is None or largest.held <= held + size:
                self._report_refusal(sender, "the budget is in use")
                return None
            self._cut_oldest(largest)
        if own is None or not own.rooms:
            own = self._senders[sender] = _Sender(sender)
        room = Room(self, own, cut)
        own.rooms[room] = None
        self.add(room, size)
        return room

    def is_busy(self, sender: str) -> bool:
        """Whether more than half of a sender's part is in use: do not begin what may be large."""
        own = self._senders.get(sender)
        return own is not None and own.held > self._total // SENDER_DIVISOR // 2

    def add(self, room: Room, size: int) -> None:
        room.size += size
        room.sender.held += size
        self._used += size
        metrics.answers_in_flight.set(self._used)

    def give_back(self, room: Room) -> None:
        if room in room.sender.rooms:
            del room.sender.rooms[room]
            self.add(room, -room.size)
            if not room.sender.rooms:
                self._senders.pop(room.sender.name, None)

    def _cut_oldest(self, sender: _Sender) -> None:
        room = next(iter(sender.rooms))
        self.give_back(room)
        metrics.limits_reached.labels("answers").inc()
        limited(
            log,
            logging.WARNING,
            "answer cut",
            "cut off an answer to %s, which reads slowly and holds most of the %d bytes of answers",
            sender.name,
            self._total,
        )
        room.cut()

    def _report_refusal(self, sender: str, what: str) -> None:
        metrics.limits_reached.labels("answers").inc()
        limited(
            log,
            logging.WARNING,
            "answer refused",
            "refused an answer to %s (%s): answers of %d bytes wait to be read, of at most %d",
            sender,
            what,
            self._used,
            self._total,
        )


class Room:
    """The room that one answer holds."""

    __slots__ = ("_budget", "cut", "sender", "size")

    def __init__(self, budget: AnswerBudget, sender: _Sender, cut: Callable[[], None]) -> None:
        self._budget = budget
        self.sender = sender
        self.cut = cut
        self.size = 0

    def cover(self, size: int) -> None:
        """Hold room for a later and larger part: the answer has begun, so it is not refused."""
        if size > self.size and self in self.sender.rooms:
            self._budget.add(self, size - self.size)

    def give_back(self) -> None:
        """Idempotent."""
        self._budget.give_back(self)


class _Sender:
    """The answers to one address, the oldest first."""

    __slots__ = ("held", "name", "rooms")

    def __init__(self, name: str) -> None:
        self.name = name
        self.held = 0
        self.rooms: dict[Room, None] = {}
