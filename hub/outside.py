"""What the hub takes from the world outside its process, and what a test replaces."""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import ifaddr
from msgspec import Struct

from hub.store.backup.disks import disks
from hub.store.disk import Disk
from hub.update.running import Obstacle, find_obstacle
from hub.update.update_file import built_in_key

if TYPE_CHECKING:
    import httpx
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if sys.platform == "linux":

    def steady_seconds() -> float:
        """Return seconds that pass evenly, also while the computer sleeps, and cannot be set."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
else:

    def steady_seconds() -> float:
        """Return seconds that pass evenly and cannot be set."""
        return time.monotonic()


def free_bytes(folder: Path) -> int:
    """Return the free space of a folder's disk. Raises OSError."""
    return shutil.disk_usage(folder).free


class Cost(Struct, frozen=True):
    """The cost of checking a password: by default 0.25 s on one core of an old PC."""

    memory_kib: int = 64 * 1024
    iterations: int = 3
    lanes: int = 1


@dataclass(frozen=True, kw_only=True)
class Outside:
    """The real world by default."""

    #: The wall clock, in UNIX seconds. It may be wrong, and set.
    now: Callable[[], float] = time.time
    steady_now: Callable[[], float] = steady_seconds
    #: Returns a number from 0 to 1.
    random: Callable[[], float] = random.random
    disk: Disk = field(default_factory=Disk)
    free_bytes: Callable[[Path], int] = free_bytes
    #: Bytes per second at which a backup is copied, so that a capture gets the disk too; 0: at
    #: full speed.
    copy_speed: float = 40e6
    #: Where the disks are that may hold a backup.
    backup_disks: Callable[[], Sequence[Path]] = disks
    adapters: Callable[[], Iterable[ifaddr.Adapter]] = ifaddr.get_adapters
    #: What webhooks are sent through; None: the network.
    transport: httpx.AsyncBaseTransport | None = None
    password_cost: Cost = field(default_factory=Cost)
    #: Checks the signatures of updates.
    update_key: Ed25519PublicKey | None = field(default_factory=built_in_key)
    #: What prevents updates of this process.
    update_obstacle: Obstacle = field(default_factory=find_obstacle)
