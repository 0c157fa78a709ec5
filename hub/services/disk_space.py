"""How much disk space must stay free.

When space runs short, the oldest day of records is dropped, and firmware files are refused.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from hub.log import limited

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

GB = 1_000_000_000
#: The disk counts as full below this, whatever `store.min_free_gb` says.
_FULL_BYTES = 4_000_000


class Shortage(Struct, frozen=True):
    """Less disk space is free than must stay free."""

    free_bytes: int
    wanted_bytes: int


class DiskSpace:
    """Compares the free disk space with `store.min_free_gb`, which must stay free."""

    def __init__(self, core: Core) -> None:
        self._settings = core.settings
        self._free_bytes = partial(core.outside.free_bytes, core.data_dir)

    def shortage(self, more: int = 0) -> Shortage | None:
        """Return the shortage after writing `more` bytes; None if there is none, or on errors."""
        try:
            free = self._free_bytes() - more
        except OSError as error:
            limited(log, logging.WARNING, "disk", "cannot read the free disk space: %s", error)
            return None
        return shortage_of(free, self._settings.current.store.min_free_gb)


def shortage_of(free: int, min_free_gb: float) -> Shortage | None:
    """Return the shortage if `free` bytes are free; None if there is none."""
    wanted = max(int(min_free_gb * GB), _FULL_BYTES)
    return Shortage(free, wanted) if free < wanted else None
