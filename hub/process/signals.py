"""The signals that stop a process in an orderly way."""

from __future__ import annotations

import signal
import sys

if sys.platform == "win32":
    # Sending SIGTERM on Windows kills the process at once.
    STOP_SIGNALS = (signal.SIGINT, signal.SIGBREAK)
else:
    STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
