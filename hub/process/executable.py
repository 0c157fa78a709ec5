"""The executable: how its process lives with the one that unpacked it, and where that was.

A one-file executable is two processes. The outer one unpacks into a directory `_MEI...`, starts the
inner one, which is the hub, waits for it, passes signals on, and removes the directory at the end.
One that is killed (kill -9) does none of this: so the inner one ends with it, and the next start
removes what it left.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

#: The outer process names its directory so, with its own id after it in hexadecimal digits.
_PREFIX = "_MEI"
_PID_DIGITS = 8
#: On Linux this is that file, whatever its name stands for by now.
_STARTED_FILE = "/proc/self/exe"
#: PyInstaller's own module, which has no public way to say so.
_IMPORTER = "pyimod02_importers"
#: The package tzdata, which zoneinfo asks where the system has no time zones of its own.
TIME_ZONES = "tzdata.zip"
#: Marks such a directory as one of ours, where others unpack theirs too.
_MARK = "sitehub-*.dist-info"
#: Here nobody else does (packaging/bootloader/entry.c): what has no mark yet is ours as well.
_OURS = ("sitehub", "unpacked")
#: Nobody unpacks longer; until it has, no inner process is there to hold the directory.
_UNPACKING_SECONDS = 60.0
#: Cleaners of temporary files take what was not touched for days.
_TOUCH_SECONDS = 12 * 3600.0


def unpacked_to() -> Path | None:
    """The directory of this one-file executable; None where the program runs in another way."""
    folder = Path(getattr(sys, "_MEIPASS", ""))
    return folder if folder.name.startswith(_PREFIX) else None


def settle() -> None:
    """Come to terms with the outer process, before anything else is done."""
    if getattr(sys, "frozen", False):
        _restore_library_path()
        # Six hundred small files would be a third of the time that unpacking takes.
        sys.path.append(os.path.join(sys._MEIPASS, TIME_ZONES))  # type: ignore[attr-defined]
        _read_from_what_runs()
    folder = unpacked_to()
    if folder is not None:
        end_with(_outer_pid(folder))
        hold(folder)
        if _lies_in_ours(folder):
            remove_left_overs(folder, time.time())


def keep_house() -> None:
    """What a hub does for its directory: remove others that nobody holds, keep its own young."""
    folder = unpacked_to()
    if folder is not None:
        remove_left_overs(folder, time.time())
        threading.Thread(target=_keep_young, args=(folder,), daemon=True).start()


def remove_left_overs(mine: Path, now: float) -> None:
    """Remove what killed runs left beside `mine`; what is in use stays."""
    for folder in mine.parent.glob(f"{_PREFIX}*"):
        # Whoever ends just now removes its own.
        with suppress(OSError):
            if _is_another_of_ours(folder, mine) and _age(folder, now) > _UNPACKING_SECONDS:
                _remove_unless_held(folder)


def touch(folder: Path) -> None:
    """Make all of it look new."""
    for path in (folder, *folder.rglob("*")):
        with suppress(OSError):
            os.utime(path)


def _is_another_of_ours(folder: Path, mine: Path) -> bool:
    # Everybody may write to /tmp: a link there may lead anywhere.
    if folder == mine or folder.is_symlink() or folder.lstat().st_uid != mine.lstat().st_uid:
        return False
    return _lies_in_ours(folder) or any(folder.glob(_MARK))


def _lies_in_ours(folder: Path) -> bool:
    return folder.parts[-3:-1] == _OURS


def _age(folder: Path, now: float) -> float:
    return now - folder.lstat().st_mtime


def let_others_read() -> None:
    """Before this process becomes another user, for it has not read all of itself yet.

    It was unpacked for root alone, and root may be the only one who can read the executable.
    """
    folder = unpacked_to()
    if folder is None:
        return
    if not os.stat(_STARTED_FILE).st_mode & stat.S_IROTH:
        copy = folder / "modules"
        shutil.copyfile(_STARTED_FILE, copy)
        _read_modules_from(copy)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)


def _outer_pid(folder: Path) -> int:
    return int(folder.name.removeprefix(_PREFIX)[:_PID_DIGITS], 16)


def _restore_library_path() -> None:
    """Programs that we start (a browser, systemctl) are to find their own libraries, not ours."""
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if before is not None:
        os.environ["LD_LIBRARY_PATH"] = before
    else:
        os.environ.pop("LD_LIBRARY_PATH", None)


def _read_from_what_runs() -> None:
    """Have modules, which are read as they are needed, read from the file that was started.

    Whoever upgrades puts another one in its place before the hub is restarted.
    """
    # On Windows such a path is on the disk, where others may make it.
    if sys.platform == "linux":
        _read_modules_from(_STARTED_FILE)


def _read_modules_from(file: str | Path) -> None:
    sys.modules[_IMPORTER].pyz_archive._filename = str(file)


def _keep_young(folder: Path) -> None:
    while True:
        time.sleep(_TOUCH_SECONDS)
        touch(folder)


if sys.platform == "win32":
    _SYNCHRONIZE = 0x00100000
    _FOR_EVER = 0xFFFFFFFF

    def end_with(pid: int) -> None:
        """End this process at once when that one, which started it, ends."""
        import ctypes

        kernel = ctypes.WinDLL("kernel32")
        kernel.OpenProcess.restype = ctypes.c_void_p
        kernel.WaitForSingleObject.argtypes = (ctypes.c_void_p, ctypes.c_ulong)
        handle = kernel.OpenProcess(_SYNCHRONIZE, False, pid)

        def watch() -> None:
            if handle:
                kernel.WaitForSingleObject(handle, _FOR_EVER)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()

    def hold(folder: Path) -> None:
        """The libraries in use hold it."""

    def _remove_unless_held(folder: Path) -> None:
        # Nobody can rename a directory that has open files in it.
        unused = folder.with_name(f"{folder.name.removesuffix('~')}~")
        folder.rename(unused)
        shutil.rmtree(unused, ignore_errors=True)
else:
    import fcntl
    import signal

    _PR_SET_PDEATHSIG = 1

    def end_with(pid: int) -> None:
        """End this process at once when that one, which started it, ends."""
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != pid:
            # It had ended before we asked to be told.
            os._exit(1)

    def hold(folder: Path) -> None:
        """Until this process ends. What is locked is also left alone by systemd-tmpfiles."""
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH)

    def _remove_unless_held(folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY)
        try:
            with suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)
