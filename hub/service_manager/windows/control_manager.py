"""The talk with the service control manager of Windows, as a process of a service has it.

The manager starts the process, and waits until a thread of it asks for work (`dispatch`). In a
second thread the manager then runs what it takes for the service's own work, and in the first one
it asks for the service to stop. The hub itself stays in the main thread, where it is everywhere.
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

_CONNECT_SECONDS = 30.0


class Report(Struct, frozen=True):
    """What the manager is told of the service."""

    phase: Phase
    #: Until when the manager shall hear of it again, if the phase is a passing one.
    within_seconds: int = 0
    failed: bool = False


class ControlManager(Protocol):
    """The three calls of Windows, and what it calls back."""

    def dispatch(self, main: Callable[[], None]) -> None:
        """Comes back when the service has stopped. Raises OSError where no manager listens."""

    def register(self, handle: Callable[[int], int]) -> None: ...

    def report(self, report: Report) -> None: ...


class ControlledService:
    """The hub as the manager's service; `end` is called in another thread, to end the hub."""

    def __init__(self, manager: ControlManager, end: Callable[[], None]) -> None:
        self._manager = manager
        self._end = end
        self._last = Report("starting", within_seconds=300)
        self._known = threading.Event()
        self._refused: OSError | None = None
        self._over = threading.Event()
        self._dispatcher = threading.Thread(target=self._dispatch, daemon=True)

    def connect(self) -> None:
        """Raises StartFault in a process that the manager did not start."""
        self._dispatcher.start()
        if not self._known.wait(_CONNECT_SECONDS) or self._refused is not None:
            raise StartFault("this command is for Windows' service manager: sitehub service start")

    def ready(self) -> None:
        self._report(Report("running"))

    def stopping(self) -> None:
        self._report(Report("stopping", within_seconds=20))

    async def watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Windows does not ask whether a service is stuck."""
        task_status.started()
        await trio.sleep_forever()

    def stopped(self, *, failed: bool) -> None:
        """The last word. The process is to end after it."""
        self._report(Report("stopped", failed=failed))
        self._over.set()
        self._dispatcher.join(_CONNECT_SECONDS)

    def _dispatch(self) -> None:
        try:
            self._manager.dispatch(self._main)
        except OSError as error:
            self._refused = error
            self._known.set()

    def _main(self) -> None:
        """What Windows takes for the service: it lasts as long as that does."""
        self._manager.register(self._handle)
        self._report(self._last)
        self._known.set()
        self._over.wait()

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
