"""The browser of whoever sits at this computer."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from collections.abc import Mapping


def has_desktop(environment: Mapping[str, str] = os.environ) -> bool:
    """Can a window be opened? Without one, a browser for the terminal would take it over."""
    return sys.platform == "win32" or any(
        environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


def show(address: str) -> None:
    """Open the address where there is a desktop; nobody waits for the browser."""
    if has_desktop():
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
