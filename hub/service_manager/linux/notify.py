"""Notifying systemd that the hub is ready, alive and stopping (sd_notify(3))."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Mapping, MutableMapping

import trio

log = logging.getLogger(__name__)


class Systemd:
    """Notifies systemd. A notification that fails is logged, and never ends the hub."""

    def __init__(self, address: str, watchdog_seconds: float | None) -> None:
        # An address with @ is in Linux's abstract namespace, where it begins with a NUL.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._watchdog_seconds = watchdog_seconds

    def ready(self) -> None:
        self._notify("READY=1")

    def stopping(self) -> None:
        self._notify("STOPPING=1")

    def extend_start(self, seconds: float) -> None:
        self._notify(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    async def watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Notify the watchdog until cancelled, so that systemd restarts a hub whose loop is stuck.

        The interval is a third of systemd's timeout: a single delay does no harm.
        """
        task_status.started()
        while self._watchdog_seconds is not None:
            self._notify("WATCHDOG=1")
            await trio.sleep(self._watchdog_seconds / 3)
        await trio.sleep_forever()

    if sys.platform != "win32":

        def _notify(self, state: str) -> None:
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                    # On an overloaded machine, systemd reads slowly.
                    channel.setblocking(False)
                    channel.sendto(state.encode("ascii"), self._address)
            except OSError as error:
                log.warning("cannot notify systemd of %s: %s", state, error)
    else:

        def _notify(self, state: str) -> None:
            """Do nothing: there is no systemd on Windows."""


def systemd_from(environment: MutableMapping[str, str]) -> Systemd | None:
    """Return systemd if it started this process, according to the environment; otherwise None.

    WATCHDOG_PID is ignored: it names the bootloader of a one-file executable, not the hub. The
    variables are removed from the environment, so that processes started from here ignore them.
    """
    address = environment.pop("NOTIFY_SOCKET", "")
    microseconds = environment.pop("WATCHDOG_USEC", "")
    environment.pop("WATCHDOG_PID", None)
    if not address.startswith(("/", "@")):
        return None
    return Systemd(address, int(microseconds) / 1e6 if microseconds.isdecimal() else None)


def extend_start(environment: Mapping[str, str], seconds: float) -> None:
    """Ask systemd, if it started this process, to wait for its start for `seconds` from now."""
    address = environment.get("NOTIFY_SOCKET", "")
    if address.startswith(("/", "@")):
        Systemd(address, None).extend_start(seconds)
