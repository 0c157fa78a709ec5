"""Runs the parts of a hub: none may fail or end before the hub ends."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import trio

from hub.errors import PartFailed, StartFault, hub_error_in, os_error_in, os_error_text
from hub.process.bounded_end import END_SECONDS
from hub.services.changes import be_patient

log = logging.getLogger(__name__)

#: Runs until it is cancelled or asked to stop, and reports through task_status when it is ready.
Part = Callable[..., Awaitable[None]]
#: Called with the seconds after which the process ends by force, when its end begins.
BeginEnd = Callable[[float], None]


class ServiceManager(Protocol):
    """Reports the hub's state to the service manager that started it."""

    def ready(self) -> None:
        """Report that every port is open."""

    def stopping(self) -> None:
        """Report that the ports are about to close."""

    async def watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send signs of life until cancelled: without them, a hung hub is restarted."""


async def start_part(
    nursery: trio.Nursery,
    closing: trio.Event,
    name: str,
    part: Part,
    *,
    has_patience: bool = False,
) -> Any:
    """Start a part; return what it has to say when it is ready. Raises StartFault if it cannot.

    `has_patience`: its writes wait as long as the disk does not respond.
    """
    return await nursery.start(_run_part, name, part, closing, has_patience)


async def _run_part(
    name: str,
    part: Part,
    closing: trio.Event,
    has_patience: bool,
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    """Run a part. If it fails, or ends before `closing` is set, raise PartFailed."""
    if has_patience:
        be_patient()
    try:
        await part(task_status=task_status)
    except Exception as error:
        if isinstance(fault := hub_error_in(error), StartFault):
            raise fault from None
        if (refusal := os_error_in(error)) is not None:
            raise PartFailed(f"{name} failed: {os_error_text(refusal)}") from None
        log.critical("%s failed", name, exc_info=error)
        raise PartFailed(f"{name} failed ({type(error).__name__}: {error}); see the log") from error
    if not closing.is_set():
        raise PartFailed(f"{name} ended unexpectedly; see the log")


async def watch_for_end(
    closing: trio.Event,
    begin_end: BeginEnd,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Begin the end when `closing` is set, or when a sibling of this task fails.

    The nursery then waits for its other tasks, one of which may wait for a thread that hangs.
    """
    task_status.started()
    try:
        await closing.wait()
    finally:
        begin_end(END_SECONDS)
