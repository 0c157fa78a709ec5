"""Turns at beginning work in the event loop, so that a crowd leaves time for all others.

Each pass of the loop runs every task that can run. What a hundred connections begin in one pass,
everybody else waits for at each of their steps. So whoever begins something (a TLS handshake, a
request) takes a turn first: a known address has turns of its own, all others have them together,
their sources (hub.net.networks) one after the other. There is a turn in every other pass. While
passes are short, as they usually are, nobody notices.
"""

from __future__ import annotations

from collections import OrderedDict, deque

import trio

from hub.net.networks import network_of
from hub.net.places import KnownAddresses

#: The name of the group of all addresses that are not known.
_STRANGERS = ""


class LoopTurns:
    """Hands out turns. `known` has the addresses with turns of their own."""

    def __init__(self, known: KnownAddresses | None = None) -> None:
        self._known = known or KnownAddresses()
        #: The groups of whom somebody has the turn.
        self._groups: dict[str, _Group] = {}

    async def turn(self, address: str) -> None:
        """Wait for a turn of this address. A checkpoint, also if it is free.

        The callers bound how many wait, and for how long.
        """
        name = address if address in self._known else _STRANGERS
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group()
        else:
            await self._wait(name, group, network_of(address))
        try:
            await trio.lowlevel.checkpoint()
        finally:
            self._pass_on(name, group)

    @property
    def is_idle(self) -> bool:
        """Whether nobody has a turn or waits for one."""
        return not self._groups

    async def _wait(self, name: str, group: _Group, source: str) -> None:
        turn = group.enqueue(source)
        try:
            await turn.wait()
        except trio.Cancelled:
            if turn.is_set():
                self._pass_on(name, group)
            else:
                group.remove(source, turn)
            raise

    def _pass_on(self, name: str, group: _Group) -> None:
        if not group.begin_next():
            del self._groups[name]


class _Group:
    """Those who wait for each other, by source. The source that had a turn goes to the end."""

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[trio.Event]] = OrderedDict()

    def enqueue(self, source: str) -> trio.Event:
        turn = trio.Event()
        self._queues.setdefault(source, deque()).append(turn)
        return turn

    def remove(self, source: str, turn: trio.Event) -> None:
        queue = self._queues[source]
        queue.remove(turn)
        if not queue:
            del self._queues[source]

    def begin_next(self) -> bool:
        """Give the turn to the next one; False: nobody waits."""
        if not self._queues:
            return False
        source, queue = self._queues.popitem(last=False)
        queue.popleft().set()
        if queue:
            self._queues[source] = queue
        return True
