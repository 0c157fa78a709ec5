"""The signals that stop a process in an orderly way, or have it reload its settings."""

from __future__ import annotations

import signal
import sys

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
