"""Console events of Windows: the window is closed, a user signs off.

The C library turns both into SIGBREAK and returns; Windows then ends the process. The handlers here
run first: a hub in a window stops in an orderly way, a hub that is a service keeps running.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import _thread
    import ctypes
    import signal
    import threading
    from ctypes import wintypes

    _CLOSE, _LOGOFF, _SHUTDOWN = 2, 5, 6
    _Handler = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)

    def stop_and_wait(event: int) -> bool:
        """Stop the hub. Windows calls this in its own thread and waits five seconds for it."""
        if event not in (_CLOSE, _LOGOFF, _SHUTDOWN):
            return False
        _thread.interrupt_main(signal.SIGBREAK)
        threading.Event().wait()
        return True

    def ignore_session_end(event: int) -> bool:
        """Ignore that users sign off: only the service manager stops a service."""
        return event in (_LOGOFF, _SHUTDOWN)

    # Keep references: Windows calls them until the process ends.
    _stop_handler, _session_handler = (
        _Handler(stop_and_wait),
        _Handler(ignore_session_end),
    )

    def stop_with_window() -> None:
        """Let the hub stop when its window is closed."""
        ctypes.windll.kernel32.SetConsoleCtrlHandler(_stop_handler, True)

    def outlive_sessions() -> None:
        """Keep a service running when users sign off."""
        ctypes.windll.kernel32.SetConsoleCtrlHandler(_session_handler, True)
else:

    def stop_with_window() -> None:
        """Do nothing: elsewhere, closing a window sends a signal."""
