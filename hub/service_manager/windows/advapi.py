"""The service functions of Windows (advapi32), called by ctypes."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import ctypes
    from collections.abc import Callable
    from ctypes import wintypes

    from hub.service_manager import NAME
    from hub.service_manager.windows.control_manager import Phase, Report

    _OWN_PROCESS = 0x10
    _ACCEPTS_STOP, _ACCEPTS_PRESHUTDOWN = 0x1, 0x100
    _SPECIFIC_ERROR = 1066
    _PHASES: dict[Phase, int] = {"stopped": 1, "starting": 2, "stopping": 3, "running": 4}

    _MainFunction = ctypes.WINFUNCTYPE(None, wintypes.DWORD, ctypes.POINTER(ctypes.c_wchar_p))
    _HandlerFunction = ctypes.WINFUNCTYPE(
        wintypes.DWORD, wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p, ctypes.c_void_p
    )

    class _Entry(ctypes.Structure):
        """SERVICE_TABLE_ENTRYW"""

        _fields_ = (("name", ctypes.c_wchar_p), ("main", _MainFunction))

    class _Status(ctypes.Structure):
        """SERVICE_STATUS"""

        _fields_ = (
            ("service_type", wintypes.DWORD),
            ("current_state", wintypes.DWORD),
            ("controls_accepted", wintypes.DWORD),
            ("win32_exit_code", wintypes.DWORD),
            ("service_specific_exit_code", wintypes.DWORD),
            ("check_point", wintypes.DWORD),
            ("wait_hint", wintypes.DWORD),
        )

    class Advapi:
        """The ControlManager of Windows."""

        def __init__(self) -> None:
            library = ctypes.WinDLL("advapi32", use_last_error=True)
            self._start_dispatcher = library.StartServiceCtrlDispatcherW
            self._start_dispatcher.argtypes = (ctypes.POINTER(_Entry),)
            self._start_dispatcher.restype = wintypes.BOOL
            self._register = library.RegisterServiceCtrlHandlerExW
            self._register.argtypes = (ctypes.c_wchar_p, _HandlerFunction, ctypes.c_void_p)
            self._register.restype = ctypes.c_void_p
            self._set_status = library.SetServiceStatus
            self._set_status.argtypes = (ctypes.c_void_p, ctypes.POINTER(_Status))
            self._set_status.restype = wintypes.BOOL
            self._service: int | None = None
            self._check_point = 0

        def dispatch(self, main: Callable[[], None]) -> None:
            called = _MainFunction(lambda count, words: main())
            # An empty entry ends the table.
            table = (_Entry * 2)(_Entry(NAME, called), _Entry(None, _MainFunction()))
            if not self._start_dispatcher(table):
                raise ctypes.WinError(ctypes.get_last_error())

        def register(self, handle: Callable[[int], int]) -> None:
            # Keep a reference: Windows calls it until the process ends.
            self._handler = _HandlerFunction(lambda control, kind, data, context: handle(control))
            self._service = self._register(NAME, self._handler, None)
            if not self._service:
                raise ctypes.WinError(ctypes.get_last_error())

        def report(self, report: Report) -> None:
            is_pending = report.within_seconds > 0
            self._check_point = self._check_point + 1 if is_pending else 0
            accepts = _ACCEPTS_STOP | _ACCEPTS_PRESHUTDOWN if report.phase == "running" else 0
            status = _Status(
                _OWN_PROCESS,
                _PHASES[report.phase],
                accepts,
                _SPECIFIC_ERROR if report.failed else 0,
                1 if report.failed else 0,
                self._check_point,
                report.within_seconds * 1000,
            )
            # A failure cannot be reported; the manager notices when the process ends.
            self._set_status(self._service, ctypes.byref(status))
