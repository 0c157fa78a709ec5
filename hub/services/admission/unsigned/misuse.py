"""Copied tokens: of whose devices a token came from another address, for the alarm (D12)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import trio

from hub.net.rate_limits import TABLE_SIZE

#: How long it is reported after the last time.
REPORTED_SECONDS = 3600.0


class Misuse:
    """The devices, bounded. `now`: seconds of a monotonic clock, by default trio's."""

    def __init__(self, now: Callable[[], float] = trio.current_time) -> None:
        self._now = now
        #: did -> when it was last; the latest is last.
        self._seen: OrderedDict[str, float] = OrderedDict()

    def note(self, did: str) -> None:
        self._seen[did] = self._now()
        self._seen.move_to_end(did)
        if len(self._seen) > TABLE_SIZE:
            self._seen.popitem(last=False)

    def devices(self) -> list[str]:
        """Return the dids of the last hour."""
        since = self._now() - REPORTED_SECONDS
        while self._seen and next(iter(self._seen.values())) <= since:
            self._seen.popitem(last=False)
        return list(self._seen)
