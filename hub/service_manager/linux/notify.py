"""What systemd hears from the hub: that it is ready, that it lives, that it ends (sd_notify(3))."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import MutableMapping

import trio

log = logging.getLogger(__name__)


class Systemd:
    """Tells systemd how the hub goes. What cannot be told is logged, and never ends the hub."""

    def __init__(self, address: str, watchdog_seconds: float | None) -> None:
        # One that begins with @ is in Linux's abstract namespace: no file, and a NUL before it.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._watchdog_seconds = watchdog_seconds

    def ready(self) -> None:
        self._tell("READY=1")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    async def watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Tell again and again that the loop turns; of one that is stuck, systemd hears no more.

        A third of the time that systemd waits: one turn that is late does no harm.
        """
        task_status.started()
        while self._watchdog_seconds is not None:
            self._tell("WATCHDOG=1")
            await trio.sleep(self._watchdog_seconds / 3)
        await trio.sleep_forever()

    if sys.platform != "win32":

        def _tell(self, state: str) -> None:
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                    # Where the machine is about to give in, systemd reads slowly.
                    channel.setblocking(False)
                    channel.sendto(state.encode("ascii"), self._address)
            except OSError as error:
                log.warning("systemd was not told %s: %s", state, error)
    else:

        def _tell(self, state: str) -> None:
            """There is no systemd here."""


def systemd_of(environment: MutableMapping[str, str]) -> Systemd | None:
    """The systemd that started this process, as its environment says; None where none did.

    WATCHDOG_PID is not looked at: it names the outer one of the two processes of a one-file
    executable, and the hub is the inner one. So the variables are taken out of the environment,
    that no process which is started from here believes that it is meant.
    """
    address = environment.pop("NOTIFY_SOCKET", "")
    microseconds = environment.pop("WATCHDOG_USEC", "")
    environment.pop("WATCHDOG_PID", None)
    if not address.startswith(("/", "@")):
        return None
    return Systemd(address, int(microseconds) / 1e6 if microseconds.isdecimal() else None)
