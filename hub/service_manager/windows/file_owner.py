"""Who made what lies under a name on a disk of Windows, by ctypes."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes
    from pathlib import Path

    _READ_CONTROL = 0x20000
    _SHARE_ALL, _OPEN_EXISTING = 0x7, 3
    #: A directory, and what it is itself where it leads elsewhere.
    _DIRECTORY, _ITSELF = 0x02000000, 0x00200000
    _A_FILE, _ITS_OWNER = 1, 1
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
        """The number of its owner, such as S-1-5-18, in words. Raises OSError."""
        handle = _kernel.CreateFileW(
            *(str(path), _READ_CONTROL, _SHARE_ALL, None),
            *(_OPEN_EXISTING, _DIRECTORY | _ITSELF, None),
        )
        if handle == _NO_HANDLE:
            raise ctypes.WinError(ctypes.get_last_error())
        owner, described = ctypes.c_void_p(), ctypes.c_void_p()
        try:
            status = _advapi.GetSecurityInfo(
                *(handle, _A_FILE, _ITS_OWNER),
                *(ctypes.byref(owner), None, None, None, ctypes.byref(described)),
            )
            if status:
                raise ctypes.WinError(status)
            return _in_words(owner)
        finally:
            _kernel.LocalFree(described)
            _kernel.CloseHandle(handle)

    def _in_words(owner: ctypes.c_void_p) -> str:
        words = ctypes.c_wchar_p()
        if not _advapi.ConvertSidToStringSidW(owner, ctypes.byref(words)):
            raise ctypes.WinError(ctypes.get_last_error())
        try:
            return words.value or ""
        finally:
            _kernel.LocalFree(words)
