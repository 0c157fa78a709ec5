"""Waits for servers that tests start."""

from __future__ import annotations

import socket
import time


def wait_for_port(port: int, seconds: float) -> None:
    """Return once a server listens at a port of this computer. Raises OSError after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
