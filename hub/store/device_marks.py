"""Which devices' people have changed: noted by each commit that changes them, whoever asked for it.

A copy of what was read is kept together with the version from before the reading. Then a change
that commits meanwhile makes it old, however late the reading ends.
"""

from __future__ import annotations

from collections import Counter

import trio


class DeviceMarks:
    """The versions of what is stored of each device's people, read by one follower."""

    def __init__(self) -> None:
        self._of_all = 0
        self._of_one: Counter[str] = Counter()
        #: Who changed since the last `next`; None: anybody.
        self._changed: set[str] | None = set()
        self._wakeup = trio.Event()

    def note(self, did: str | None = None) -> None:
        """Note a change of a device's people; None: of what all devices should hold."""
        if did is None:
            self._of_all += 1
            self._changed = None
        else:
            self._of_one[did] += 1
            if self._changed is not None:
                self._changed.add(did)
        self._wakeup.set()

    def version(self, did: str) -> tuple[int, int]:
        """Return what is another value after each change."""
        return self._of_all, self._of_one[did]

    async def next(self) -> set[str] | None:
        """Wait for a change; return the devices that have changed, None for all."""
        await self._wakeup.wait()
        changed, self._changed, self._wakeup = self._changed, set(), trio.Event()
        return changed
