"""Free ports for what a test starts."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from itertools import chain, cycle, islice


def free_port() -> int:
    """Return a free port, which nobody gets before it is used."""
    (port,) = free_ports(1)
    return port


def free_ports(count: int) -> list[int]:
    """Return free ports, in turns: thousands come before one is returned again."""
    return list(islice(filter(_is_free, _PORTS), count))


def _candidates() -> Iterator[int]:
    """Ports below the ephemeral range, so that no client gets one in the meantime.

    Each process of a run has a part of them. It begins at a random one, so that runs beside each
    other do not collide. Chromium refuses 10080.
    """
    first, last = 10_100, 32_000
    size = (last - first) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    first += size * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = range(first, first + size)
    start = random.randrange(size)
    return cycle(chain(ports[start:], ports[:start]))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


_PORTS = _candidates()
