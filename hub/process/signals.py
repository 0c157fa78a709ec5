"""The signals that stop a process in an orderly way, or have it reload its settings."""

from __future__ import annotations

import logging
import math
import signal
import sys
from typing import TYPE_CHECKING

import trio

from hub.errors import HubError
from hub.process.bounded_end import AT_ONCE_SECONDS

if TYPE_CHECKING:
    from hub.process.parts import BeginEnd
    from hub.services import Services

log = logging.getLogger(__name__)

#: A one-file executable receives one Ctrl-C twice: from the terminal, and from its outer process,
#: which forwards it; likewise a SIGTERM that is sent to all processes of a service.
_REPEATED_SIGNAL_SECONDS = 0.3

if sys.platform == "win32":
    # Sending SIGTERM on Windows kills the process at once.
    STOP_SIGNALS = (signal.SIGINT, signal.SIGBREAK)
    #: There is none: `sitehub reload` does the same.
    RELOAD_SIGNALS: tuple[signal.Signals, ...] = ()
else:
    STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
    RELOAD_SIGNALS: tuple[signal.Signals, ...] = (signal.SIGHUP,)


def has_terminal() -> bool:
    """Whether the process was started in a terminal, which sends SIGHUP when it is closed."""
    return any(
        stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)
    )


async def watch_stop_signals(
    closing: trio.Event,
    hub_scope: trio.CancelScope,
    begin_end: BeginEnd,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Set `closing` at the first signal; at a second one, end the hub at once."""
    with trio.open_signal_receiver(*STOP_SIGNALS) as signals:
        task_status.started()
        first_at = -math.inf
        async for number in signals:
            name = signal.Signals(number).name
            if not closing.is_set():
                log.info("%s: stopping", name)
                first_at = trio.current_time()
                closing.set()
            elif trio.current_time() > first_at + _REPEATED_SIGNAL_SECONDS:
                log.warning("%s again: stopping at once", name)
                begin_end(AT_ONCE_SECONDS)
                hub_scope.cancel()
                return


async def reload_on_signal(
    services: Services, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Reload the settings whenever the process is told to, until cancelled."""
    from hub.services.audit import Actor

    if not RELOAD_SIGNALS or has_terminal():
        # The same signal says that the terminal is gone, and ends the process then.
        task_status.started()
        await trio.sleep_forever()
    with trio.open_signal_receiver(*RELOAD_SIGNALS) as signals:
        task_status.started()
        async for number in signals:
            name = signal.Signals(number).name
            try:
                changes = await services.core.settings.reload(by=Actor(f"signal {name}"))
            except HubError as error:
                log.error("%s: the settings stay as they are: %s", name, error.message)
            else:
                log.info("%s: settings read, %d changed", name, len(changes))
