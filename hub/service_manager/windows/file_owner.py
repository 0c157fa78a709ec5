"""The owner of a file on Windows, by ctypes."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes
    from pathlib import Path

    _READ_CONTROL = 0x20000
    _SHARE_ALL, _OPEN_EXISTING = 0x7, 3
    #: Open a directory, and a link itself instead of its target.
    _BACKUP_SEMANTICS, _OPEN_REPARSE_POINT = 0x02000000, 0x00200000
    _SE_FILE_OBJECT, _OWNER_INFORMATION = 1, 1
    _NO_HANDLE = ctypes.c_void_p(-1).value

    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    _advapi = ctypes.WinDLL("advapi32", use_last_error=True)
    _kernel.CreateFileW.restype = ctypes.c_void_p
    _kernel.CreateFileW.argtypes = (
        *(wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p),
        *(wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p),
    )
    _kernel.CloseHandle.argtypes = (ctypes.c_void_p,)
    _kernel.LocalFree.argtypes = (ctypes.c_void_p,)
    _advapi.GetSecurityInfo.argtypes = (
        *(ctypes.c_void_p, ctypes.c_int, wintypes.DWORD),
        *([ctypes.POINTER(ctypes.c_void_p)] * 5),
    )
    _advapi.ConvertSidToStringSidW.argtypes = (ctypes.c_void_p, ctypes.POINTER(ctypes.c_wchar_p))

    def owner_of(path: Path) -> str:
        """Return the SID of the owner as text, such as S-1-5-18. Raises OSError."""
        handle = _kernel.CreateFileW(
            *(str(path), _READ_CONTROL, _SHARE_ALL, None),
            *(_OPEN_EXISTING, _BACKUP_SEMANTICS | _OPEN_REPARSE_POINT, None),
        )
        if handle == _NO_HANDLE:
            raise ctypes.WinError(ctypes.get_last_error())
        owner, descriptor = ctypes.c_void_p(), ctypes.c_void_p()
        try:
            status = _advapi.GetSecurityInfo(
                *(handle, _SE_FILE_OBJECT, _OWNER_INFORMATION),
                *(ctypes.byref(owner), None, None, None, ctypes.byref(descriptor)),
            )
            if status:
                raise ctypes.WinError(status)
            return _sid_text(owner)
        finally:
            _kernel.LocalFree(descriptor)
            _kernel.CloseHandle(handle)

    def _sid_text(owner: ctypes.c_void_p) -> str:
        text = ctypes.c_wchar_p()
        if not _advapi.ConvertSidToStringSidW(owner, ctypes.byref(text)):
            raise ctypes.WinError(ctypes.get_last_error())
        try:
            return text.value or ""
        finally:
            _kernel.LocalFree(text)
