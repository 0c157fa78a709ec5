"""Opening the browser on this computer."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from collections.abc import Mapping


def has_desktop(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether windows can be opened. Otherwise a text browser would use the terminal."""
    return sys.platform == "win32" or any(
        environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


def show(address: str) -> None:
    """Open the address if there is a desktop; does not wait for the browser."""
    if has_desktop():
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
