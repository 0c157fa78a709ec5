"""How much disk space must stay free.

When space runs short, the oldest day of records is dropped, and firmware files are refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from msgspec import Struct

from hub.log import limited

log = logging.getLogger(__name__)

GB = 1_000_000_000
#: The disk counts as full below this, whatever `store.min_free_gb` says.
_FULL_BYTES = 4_000_000


class Shortage(Struct, frozen=True):
    """Less disk space is free than must stay free."""

    free_bytes: int
    wanted_bytes: int


class DiskSpace:
    """Compares the free disk space with `min_free_gb`, which must stay free.

    `free_bytes` returns the free space of the disk, or raises OSError.
    """

    def __init__(self, min_free_gb: float, free_bytes: Callable[[], int]) -> None:
        self.configure(min_free_gb)
        self._free_bytes = free_bytes

    def configure(self, min_free_gb: float) -> None:
        """Take over a new limit."""
        self._wanted = max(int(min_free_gb * GB), _FULL_BYTES)

    def shortage(self, more: int = 0) -> Shortage | None:
        """Return the shortage after writing `more` bytes; None if there is none, or on errors."""
        try:
            free = self._free_bytes() - more
        except OSError as error:
            limited(log, logging.WARNING, "disk", "cannot read the free disk space: %s", error)
            return None
        return Shortage(free, self._wanted) if free < self._wanted else None
