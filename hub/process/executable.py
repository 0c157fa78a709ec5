"""The one-file executable: its two processes, and the folder that it is unpacked into.

PyInstaller's bootloader is the outer process: it unpacks into a folder `_MEI...` below TMPDIR (or
/tmp; on Windows below TMP), starts the inner process, which is the hub, passes signals on to it,
and removes the folder when the hub has ended. A bootloader that is killed (kill -9) does none of
this, so the hub exits with it, and the next hub removes the folder.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from hub.service_manager import NAME, UNPACKED

#: The bootloader's name for the folder: this, its own process id in 8 hexadecimal digits, and
#: random characters.
_PREFIX = "_MEI"
_PID_DIGITS = 8
#: On Linux the running executable, even after another file has replaced it.
_RUNNING_EXECUTABLE = "/proc/self/exe"
#: PyInstaller's own module; it has no public interface for the change that is made in it.
_IMPORTER = "pyimod02_importers"
#: The package tzdata, which zoneinfo imports if the system has no time zones of its own.
TIME_ZONES = "tzdata.zip"
#: Identifies our unpacked folders among those of other programs in a shared temporary directory.
_OWN_METADATA = f"{NAME}-*.dist-info"
#: Only we unpack into the service's own directory: a folder without metadata is also ours.
_SERVICE_DIRECTORY = (NAME, UNPACKED)
#: The files of a younger folder may still be unpacking, and it is not locked yet.
_MAX_UNPACKING_SECONDS = 60.0
#: Cleaners of temporary files remove files that have not been touched for days.
_TOUCH_INTERVAL_SECONDS = 12 * 3600.0


def unpacked_folder() -> Path | None:
    """Return the folder of this one-file executable; None if the program is not one."""
    folder = Path(getattr(sys, "_MEIPASS", ""))
    return folder if folder.name.startswith(_PREFIX) else None


def prepare_process() -> None:
    """Adapt a frozen process to how it was started; call this before anything else."""
    if getattr(sys, "frozen", False):
        _restore_library_path()
        # An archive, since unpacking six hundred small files would take 50% longer.
        sys.path.append(os.path.join(sys._MEIPASS, TIME_ZONES))  # type: ignore[attr-defined]
        _import_from_running_executable()
    folder = unpacked_folder()
    if folder is not None:
        exit_with_parent(_bootloader_pid(folder))
        lock(folder)


def maintain_unpacked_folder() -> None:
    """Remove the folders of killed runs, and protect that of this running hub from cleaners."""
    folder = unpacked_folder()
    if folder is not None:
        remove_left_overs(folder, time.time())
        threading.Thread(target=_touch_regularly, args=(folder,), daemon=True).start()


def remove_left_overs(own: Path, now: float) -> None:
    """Remove folders of killed runs from the directory of `own`; those in use stay.

    `now` is the wall clock in seconds. In a shared temporary directory, folders without our
    metadata (of other programs, or of a run that was killed while it unpacked) stay as well.
    """
    for folder in own.parent.glob(f"{_PREFIX}*"):
        # A run that ends at this moment removes its own folder.
        with suppress(OSError):
            if _is_of_another_run(folder, own) and _age(folder, now) > _MAX_UNPACKING_SECONDS:
                _remove_unless_locked(folder)


def touch(folder: Path) -> None:
    """Set the times of the folder and of everything in it to now."""
    for path in (folder, *folder.rglob("*")):
        with suppress(OSError):
            os.utime(path)


def _is_of_another_run(folder: Path, own: Path) -> bool:
    # Every user can write to /tmp: a link there may lead anywhere.
    if folder == own or folder.is_symlink() or folder.lstat().st_uid != own.lstat().st_uid:
        return False
    return folder.parts[-3:-1] == _SERVICE_DIRECTORY or any(folder.glob(_OWN_METADATA))


def _age(folder: Path, now: float) -> float:
    return now - folder.lstat().st_mtime


def make_readable_for_other_users() -> None:
    """Call this as root before the process becomes another user.

    Modules are imported later, from a folder and an executable that only root may be able to read.
    """
    folder = unpacked_folder()
    if folder is None:
        return
    if not os.stat(_RUNNING_EXECUTABLE).st_mode & stat.S_IROTH:
        import shutil

        copy = folder / "modules"
        shutil.copyfile(_RUNNING_EXECUTABLE, copy)
        _import_from(copy)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)


def _bootloader_pid(folder: Path) -> int:
    return int(folder.name.removeprefix(_PREFIX)[:_PID_DIGITS], 16)


def _restore_library_path() -> None:
    """Let programs that we start (a browser, systemctl) load their own libraries, not ours."""
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if before is not None:
        os.environ["LD_LIBRARY_PATH"] = before
    else:
        os.environ.pop("LD_LIBRARY_PATH", None)


def _import_from_running_executable() -> None:
    """Import modules from the file that was started, not from the one at its path.

    An upgrade replaces the file at that path before the hub is restarted.
    """
    # Only Linux has this path; on Windows it would name a file that anyone could create.
    if sys.platform == "linux":
        _import_from(_RUNNING_EXECUTABLE)


def _import_from(file: str | Path) -> None:
    sys.modules[_IMPORTER].pyz_archive._filename = str(file)


def _touch_regularly(folder: Path) -> None:
    while True:
        time.sleep(_TOUCH_INTERVAL_SECONDS)
        touch(folder)


if sys.platform == "win32":
    _SYNCHRONIZE = 0x00100000
    _INFINITE = 0xFFFFFFFF

    def exit_with_parent(pid: int) -> None:
        """Exit at once when the process `pid`, which started this one, ends."""
        import ctypes

        kernel = ctypes.WinDLL("kernel32")
        kernel.OpenProcess.restype = ctypes.c_void_p
        kernel.WaitForSingleObject.argtypes = (ctypes.c_void_p, ctypes.c_ulong)
        handle = kernel.OpenProcess(_SYNCHRONIZE, False, pid)

        def watch() -> None:
            if handle:
                kernel.WaitForSingleObject(handle, _INFINITE)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()

    def lock(folder: Path) -> None:
        """Do nothing: Windows does not remove a folder whose libraries are loaded."""

    def _remove_unless_locked(folder: Path) -> None:
        import shutil

        # A directory with open files in it cannot be renamed.
        unused = folder.with_name(f"{folder.name.removesuffix('~')}~")
        folder.rename(unused)
        shutil.rmtree(unused, ignore_errors=True)
else:
    import fcntl
    import signal

    _PR_SET_PDEATHSIG = 1

    def exit_with_parent(pid: int) -> None:
        """Exit at once when the process `pid`, which started this one, ends."""
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != pid:
            # It ended before prctl was called.
            os._exit(1)

    def lock(folder: Path) -> None:
        """Hold a shared lock until this process ends; systemd-tmpfiles respects it, too."""
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH)

    def _remove_unless_locked(folder: Path) -> None:
        import shutil

        handle = os.open(folder, os.O_RDONLY)
        try:
            with suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)
