"""The process of a Windows service and the service control manager.

The manager starts the process and waits until one of its threads connects (`dispatch`). It runs
the service's main function in a second thread, and delivers controls, such as stop, in the first
one. The hub itself runs in the main thread, as on every system.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal, Protocol

import trio
from msgspec import Struct

from hub.errors import StartFault

Phase = Literal["starting", "running", "stopping", "stopped"]

STOP, INTERROGATE, PRESHUTDOWN = 0x1, 0x4, 0xF
NO_ERROR, NOT_IMPLEMENTED = 0, 120

_CONNECT_TIMEOUT_SECONDS = 30.0


class Report(Struct, frozen=True):
    """The status that is reported to the manager."""

    phase: Phase
    #: How long the manager waits for the next report, in a pending phase.
    within_seconds: int = 0
    failed: bool = False


class ControlManager(Protocol):
    """The three functions of Windows that a service needs."""

    def dispatch(self, main: Callable[[], None]) -> None:
        """Run `main` as the service until it has stopped. Raises OSError without a manager."""

    def register(self, handle: Callable[[int], int]) -> None:
        """Have `handle(control)` called for each control; it returns an error code."""

    def report(self, report: Report) -> None:
        """Report the service's status."""


class ControlledService:
    """The hub as a Windows service; `end` is called in another thread to stop the hub."""

    def __init__(self, manager: ControlManager, end: Callable[[], None]) -> None:
        self._manager = manager
        self._end = end
        self._last = Report("starting", within_seconds=300)
        self._connected = threading.Event()
        self._refused: OSError | None = None
        self._stopped = threading.Event()
        self._dispatcher = threading.Thread(target=self._dispatch, daemon=True)

    def connect(self) -> None:
        """Connect to the manager. Raises StartFault if it did not start this process."""
        self._dispatcher.start()
        if not self._connected.wait(_CONNECT_TIMEOUT_SECONDS) or self._refused is not None:
            raise StartFault(
                "only Windows' service manager can run this command; use: sitehub service start"
            )

    def ready(self) -> None:
        self._report(Report("running"))

    def stopping(self) -> None:
        self._report(Report("stopping", within_seconds=20))

    async def watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do nothing: Windows has no watchdog for services."""
        task_status.started()
        await trio.sleep_forever()

    def stopped(self, *, failed: bool) -> None:
        """Report that the service has stopped; the process must exit after this."""
        self._report(Report("stopped", failed=failed))
        self._stopped.set()
        self._dispatcher.join(_CONNECT_TIMEOUT_SECONDS)

    def exiting_by_force(self) -> None:
        """Report that the process exits without a complete end.

        That is no failure if the manager asked for the end: it would start the service again.
        """
        self._report(Report("stopped", failed=self._last.phase != "stopping"))

    def _dispatch(self) -> None:
        try:
            self._manager.dispatch(self._main)
        except OSError as error:
            self._refused = error
            self._connected.set()

    def _main(self) -> None:
        """The service's main function: it returns when the hub has stopped."""
        self._manager.register(self._handle)
        self._report(self._last)
        self._connected.set()
        self._stopped.wait()

    def _handle(self, control: int) -> int:
        if control in (STOP, PRESHUTDOWN):
            self.stopping()
            self._end()
        elif control == INTERROGATE:
            self._report(self._last)
        else:
            return NOT_IMPLEMENTED
        return NO_ERROR

    def _report(self, report: Report) -> None:
        self._last = report
        self._manager.report(report)
