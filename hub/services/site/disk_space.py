"""The room that the disk keeps: for records the oldest day goes, all else is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable

from msgspec import Struct

from hub.log import limited

log = logging.getLogger(__name__)

GB = 1_000_000_000
#: Less than this is a full disk, whatever `store.min_free_gb` allows.
_FULL_BYTES = 4_000_000


class Shortage(Struct, frozen=True):
    """There is less room than there should be."""

    free_bytes: int
    wanted_bytes: int


class DiskSpace:
    """`min_free_gb`: what should be free on the disk at any time."""

    def __init__(self, min_free_gb: float, free_bytes: Callable[[], int]) -> None:
        self._wanted = max(int(min_free_gb * GB), _FULL_BYTES)
        self._free_bytes = free_bytes

    def shortage(self, more: int = 0) -> Shortage | None:
        """What it comes to with so many bytes more; None where there is room, or none can tell."""
        try:
            free = self._free_bytes() - more
        except OSError as error:
            limited(log, logging.WARNING, "disk", "the room on the disk is not known: %s", error)
            return None
        return Shortage(free, self._wanted) if free < self._wanted else None
