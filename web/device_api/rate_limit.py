"""How often each device may ask: who asks more often is slowed, and then refused."""

from __future__ import annotations

import logging
import math

import trio

from hub import metrics
from hub.errors import CannotStoreNow
from hub.log import limited

log = logging.getLogger(__name__)

#: What was not used of the last second may come at once.
BURST_SECONDS = 1.0
#: Who would have to wait longer is refused.
MOST_SECONDS = 2.0


class Pace:
    """`rate` requests a second for each sender, by trio's clock."""

    def __init__(self, rate: float) -> None:
        self._interval = 1 / rate
        #: When the last request of each sender was due; in the past while it is not in a hurry.
        self._due: dict[str, float] = {}

    async def keep(self, sender: str) -> None:
        """Wait until the sender's next request is due. Raises CannotStoreNow where that is far."""
        now = trio.current_time()
        due = max(self._due.get(sender, -math.inf), now - BURST_SECONDS) + self._interval
        if due <= now:
            self._due[sender] = due
            return
        metrics.limits_reached.labels("requests").inc()
        limited(log, logging.WARNING, f"pace {sender}", "device %s uploads too often", sender)
        if due - now > MOST_SECONDS:
            raise CannotStoreNow("too many requests at once", retry_after=1)
        self._due[sender] = due
        await trio.sleep_until(due)
