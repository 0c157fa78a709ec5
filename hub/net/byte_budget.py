"""A budget for bytes that many peers make the hub hold, shared out by sender.

What holds bytes has a share. One sender can have a part of the budget. If there is no room for a
sender who holds less than another one, the oldest share of the sender who holds most is cut off;
otherwise the share is refused at once. Nobody waits.
"""

from __future__ import annotations

from collections.abc import Callable

#: One sender may use 1 / SENDER_DIVISOR of a budget.
SENDER_DIVISOR = 4


class ByteBudget:
    """Room for `total` bytes. A larger share takes all of it.

    A subclass counts and logs what `on_used`, `on_cut` and `on_refused` are told.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0
        self._senders: dict[str, _Sender] = {}

    def resize(self, total: int) -> None:
        """Change the total. Shares keep the room that they have."""
        self.total = total

    def take(self, size: int, sender: str, cut: Callable[[], None]) -> Share | None:
        """Take room for `size` bytes; `cut` is called if others need it. None: refused."""
        own = self._senders.get(sender) or _Sender(sender)
        share = Share(self, own, cut)
        own.shares[share] = None
        self._senders[sender] = own
        if share.grow(size):
            return share
        share.give_back()
        return None

    def has_room(self, size: int, sender: str) -> bool:
        """Whether the sender's part has room for another share. If not, it counts as refused.

        Ask it before making at some expense what would be refused.
        """
        own = self._senders.get(sender)
        if own is None or not self._exceeds_part(own, 0, size):
            return True
        self.on_refused(sender, "its share is in use")
        return False

    def grow(self, share: Share, size: int) -> bool:
        """Give a share room for `size` bytes in all; False: refused, it has what it had."""
        more = min(size, self.total) - share.size
        if more <= 0:
            return True
        sender = share.sender
        if self._exceeds_part(sender, share.size, more):
            self.on_refused(sender.name, "its share is in use")
            return False
        while self.used + more > self.total:
            largest = max(self._senders.values(), key=lambda one: one.held)
            if largest.held <= sender.held + more:
                self.on_refused(sender.name, "the budget is in use")
                return False
            self._cut_oldest(largest)
        self.add(share, more)
        return True

    def add(self, share: Share, more: int) -> None:
        """Change the size of a share without a check."""
        share.size += more
        share.sender.held += more
        self.used += more
        self.on_used(self.used)

    def give_back(self, share: Share) -> None:
        sender = share.sender
        if share in sender.shares:
            del sender.shares[share]
            self.add(share, -share.size)
            if not sender.shares:
                del self._senders[sender.name]

    def _exceeds_part(self, sender: _Sender, held: int, more: int) -> bool:
        """Whether a share that has `held` must not get more. A single one may have any size."""
        return sender.held > held and sender.held + more > self.total // SENDER_DIVISOR

    def _cut_oldest(self, sender: _Sender) -> None:
        share = next(iter(sender.shares))
        self.give_back(share)
        self.on_cut(sender.name)
        share.cut()

    def on_used(self, used: int) -> None:
        """`used` bytes are in use now."""

    def on_cut(self, sender: str) -> None:
        """A share of this sender, who held most, was cut off."""

    def on_refused(self, sender: str, reason: str) -> None:
        """This sender was refused."""


class Share:
    """The room of one answer or message."""

    __slots__ = ("_budget", "cut", "sender", "size")

    def __init__(self, budget: ByteBudget, sender: _Sender, cut: Callable[[], None]) -> None:
        self._budget = budget
        self.sender = sender
        self.cut = cut
        self.size = 0

    def grow(self, size: int) -> bool:
        """Take room for `size` bytes in all. False: refused, or cut off before."""
        return self in self.sender.shares and self._budget.grow(self, size)

    def cover(self, size: int) -> None:
        """Hold room for `size` bytes, even beyond the budget: what has begun must go on."""
        if size > self.size and self in self.sender.shares:
            self._budget.add(self, size - self.size)

    def give_back(self) -> None:
        """Idempotent."""
        self._budget.give_back(self)


class _Sender:
    """The shares of one sender, the oldest first."""

    __slots__ = ("held", "name", "shares")

    def __init__(self, name: str) -> None:
        self.name = name
        self.held = 0
        self.shares: dict[Share, None] = {}
