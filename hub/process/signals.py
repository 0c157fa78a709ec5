"""What ends a process of ours in order: Ctrl-C, and what other programs send."""

from __future__ import annotations

import signal
import sys

if sys.platform == "win32":
    # SIGTERM is there in name alone: who sends it ends the process at once.
    ENDING = (signal.SIGINT, signal.SIGBREAK)
else:
    ENDING = (signal.SIGINT, signal.SIGTERM)
