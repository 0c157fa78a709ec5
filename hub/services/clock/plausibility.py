"""What speaks against a time: it is before any hub was built, or the devices show another one."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median

from msgspec import Struct

from hub.store.records.record_samples import RecordTimes

log = logging.getLogger(__name__)

#: A clock that shows an earlier time was never set, or lost its battery. UNIX seconds.
EARLIEST_PLAUSIBLE = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
#: Devices whose time zone is wrong are off by hours: only a larger difference counts.
_TOLERANCE_MS = 86_400_000


def warn_if_never_set(seconds: float) -> None:
    """Log a warning if this computer's clock shows a time before any hub was built."""
    if seconds < EARLIEST_PLAUSIBLE:
        log.warning(
            "this computer's clock shows %s: set it, or cameras are refused and records get wrong "
            "dates",
            time.strftime("%Y-%m-%d", time.gmtime(seconds)),
        )


class Agreement(Struct, frozen=True):
    """What the devices' own clocks say: of `devices` with recent records, `off` contradict.

    `hours`: by how much the hub's clock is ahead of theirs (median of those that contradict).
    """

    devices: int = 0
    off: int = 0
    hours: float = 0.0

    @property
    def contradicts(self) -> bool:
        """Whether most devices say that the hub's clock is wrong by more than a day."""
        return 2 * self.off > self.devices


def agreement_of(times: Sequence[RecordTimes], now_ms: int) -> Agreement:
    """Return what the records received in the last day say about the hub's clock.

    Devices that show a date before 2025 have no time, and say nothing.
    """
    differences: dict[str, list[int]] = defaultdict(list)
    for one in times:
        is_recent = now_ms - 86_400_000 <= one.received_at <= now_ms
        if is_recent and one.occurred_at >= EARLIEST_PLAUSIBLE * 1000:
            differences[one.did].append(one.received_at - one.occurred_at)
    typical = [median(found) for found in differences.values()]
    off = [one for one in typical if abs(one) > _TOLERANCE_MS]
    return Agreement(len(typical), len(off), median(off) / 3_600_000 if off else 0.0)
