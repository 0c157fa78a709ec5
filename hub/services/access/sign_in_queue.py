"""Who may wait for the check of a password, and how much work strangers may cause.

One check takes a quarter of a second of one core, so somebody who sends many could keep everybody
else out. There are two kinds of sources: *known* ones have signed in before, *strangers* have not.
Each kind has its own places to wait in, each source a few of them. Known sources come first, and
sources of a kind one after the other. What strangers cause is bounded by two rates: of one network,
whose addresses have turns, and of all, whose networks have turns.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio
from msgspec import Struct

from hub import metrics
from hub.errors import TooManyRequests
from hub.net.fair_queue import FairQueue
from hub.net.networks import network_of
from hub.net.shared_limits import SharedLimits

#: Checks that may wait: of each kind, of strangers of one network, and of one source.
MAX_WAITING = 16
MAX_WAITING_PER_NETWORK = 8
MAX_WAITING_PER_SOURCE = 4
#: Checks for strangers: of one network, and of all. Rates are per second.
NETWORK_RATE, NETWORK_BURST = 0.5, 32
STRANGER_RATE, STRANGER_BURST = 2.0, 64
_RETRY_SECONDS = 5
#: The ranks in the queue, by whether the source is known.
_RANKS = {True: 0, False: 1}
#: What all networks try together.
_ALL = "all"


class Source(Struct, frozen=True):
    """Who causes a check. `network`: of a stranger; "" of a source that has signed in before.

    `name` is compared only; its first word tells what the others mean.
    """

    name: tuple[str, ...]
    network: str = ""

    @property
    def is_known(self) -> bool:
        return not self.network


def stranger(address: str) -> Source:
    """An address from which nobody has signed in."""
    network = network_of(address, ipv4_bits=24)
    return Source(("address", network_of(address)), network or "unknown")


#: A person who was let in already: an administrator, the command line, the holder of a link.
INSIDER = Source(("insider",))


class Turns:
    """One turn at a time. `turn` waits for it."""

    def __init__(self) -> None:
        self._queue = FairQueue(len(_RANKS))
        self._taken: Counter[Source] = Counter()
        self._networks = SharedLimits(NETWORK_RATE, NETWORK_BURST, trio.current_time)
        self._strangers = SharedLimits(STRANGER_RATE, STRANGER_BURST, trio.current_time)

    @asynccontextmanager
    async def turn(
        self, source: Source, on_admitted: Callable[[], None] | None = None
    ) -> AsyncIterator[None]:
        """Wait for a turn, and hold it. Raises TooManyRequests if there is no place to wait.

        Otherwise `on_admitted` is called before the wait.
        """
        self._check(source)
        if on_admitted is not None:
            on_admitted()
        self._taken[source] += 1
        try:
            async with self._queue.turn(source, _RANKS[source.is_known]):
                yield
        finally:
            self._taken[source] -= 1
            if not self._taken[source]:
                del self._taken[source]

    def _check(self, source: Source) -> None:
        if (
            self._queue.waiting(_RANKS[source.is_known]) >= MAX_WAITING
            or self._taken[source] >= MAX_WAITING_PER_SOURCE
            or self._taken_by_network(source.network) >= MAX_WAITING_PER_NETWORK
        ):
            raise _refused(_RETRY_SECONDS)
        if source.is_known:
            return
        # The network comes first: what it may not cause counts for nobody else.
        address = source.name[-1]
        wait = self._networks.ask(source.network, address)
        wait = wait or self._strangers.ask(_ALL, source.network)
        if wait > 0:
            raise _refused(math.ceil(wait))
        self._networks.take(source.network, address)
        self._strangers.take(_ALL, source.network)

    def _taken_by_network(self, network: str) -> int:
        if not network:
            return 0
        return sum(count for one, count in self._taken.items() if one.network == network)


def _refused(retry_after: int) -> TooManyRequests:
    metrics.limits_reached.labels("password checks").inc()
    return TooManyRequests(
        f"too many sign-ins at once: try again in {retry_after} s", retry_after=retry_after
    )
