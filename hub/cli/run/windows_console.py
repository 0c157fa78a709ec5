"""What Windows tells a process of its console: its window is closed, or somebody signs off.

The C library makes SIGBREAK of both and returns, and Windows ends a process that returned. What is
registered here is asked before: the hub of a window ends in order, that of a service stays.
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

    def end_in_order(event: int) -> bool:
        """In a thread of Windows' own, which gives a process that does not return five seconds."""
        if event not in (_CLOSE, _LOGOFF, _SHUTDOWN):
            return False
        _thread.interrupt_main(signal.SIGBREAK)
        threading.Event().wait()
        return True

    def stay(event: int) -> bool:
        """Whoever signs off, a service is told of it; and to stop, by its manager alone."""
        return event in (_LOGOFF, _SHUTDOWN)

    # Kept, for Windows calls them until the process ends.
    _end_in_order, _stay = _Handler(end_in_order), _Handler(stay)

    def end_with_window() -> None:
        ctypes.windll.kernel32.SetConsoleCtrlHandler(_end_in_order, True)

    def outlive_sessions() -> None:
        ctypes.windll.kernel32.SetConsoleCtrlHandler(_stay, True)
else:

    def end_with_window() -> None:
        """Elsewhere a window that is closed is a signal like any other."""
