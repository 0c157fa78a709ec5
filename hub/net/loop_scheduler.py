"""Turns at beginning work in the event loop, so that a crowd leaves time for all others.

Each pass of the loop runs every task that can run. What a hundred connections begin in one pass,
everybody else waits for at each of their steps. So whoever begins something (a TLS handshake, a
request) takes a turn first: a known address has turns of its own, all others have them together,
their sources (hub.net.networks) one after the other. There is a turn in every other pass. While
passes are short, as they usually are, nobody notices.
"""

from __future__ import annotations

import trio

from hub.net.connection_slots import KnownAddresses
from hub.net.fair_queue import FairQueue
from hub.net.networks import network_of

#: The name of the group of all addresses that are not known.
_STRANGERS = ""


class LoopScheduler:
    """Hands out turns. `known` has the addresses with turns of their own."""

    def __init__(self, known: KnownAddresses | None = None) -> None:
        self._known = known or KnownAddresses()
        #: The groups of whom somebody has the turn.
        self._groups: dict[str, FairQueue] = {}

    async def turn(self, address: str) -> None:
        """Wait for a turn of this address. A checkpoint, also if it is free.

        The callers bound how many wait, and for how long.
        """
        name = address if address in self._known else _STRANGERS
        group = self._groups.setdefault(name, FairQueue())
        try:
            async with group.turn(network_of(address)):
                await trio.lowlevel.checkpoint()
        finally:
            if group.is_idle:
                del self._groups[name]

    @property
    def is_idle(self) -> bool:
        """Whether nobody has a turn or waits for one."""
        return not self._groups
