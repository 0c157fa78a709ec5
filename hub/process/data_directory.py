"""The data directory: its location, its owner, and the lock that one process at a time holds."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Literal

from msgspec import Struct

from hub import service_manager
from hub.errors import StartFault
from hub.process import executable
from hub.service_manager.system import is_administrator, system_service, user_data
from hub.store.disk import Disk
from hub.store.file_system import network_type
from hub.store.names import DATABASE, KEY_FILE, MEDIA, RESTORING

LOCK = "hub.lock"
LOGS = "logs"

HolderRole = Literal["hub", "command"]

POLL_SECONDS = 0.05
#: How long a hub waits for a command to release the directory.
_MAX_COMMAND_SECONDS = 10.0
_HOLDER_BYTES = 32
#: Windows locks bytes and prevents reading them: this byte is far behind the text.
_LOCKED_BYTE = 1 << 30


class Holder(Struct, frozen=True):
    """The process that holds the data directory, as recorded in the lock file."""

    role: HolderRole
    pid: int


def default_path(name: str = "sitehub") -> Path:
    """Return the platform's directory for the data of the current user.

    For an administrator it is the data directory of the service, if there is one.
    """
    if name == service_manager.NAME and is_administrator():
        service = system_service()
        if service.has_data():
            return service.data
    return user_data(name)


def refuse_without_hub(path: Path) -> None:
    """Raise StartFault if no hub was ever started in a directory, and none was restored to it.

    Also if this account may not look into it.
    """
    repeat = (
        f"repeat the command as administrator{'' if sys.platform == 'win32' else ', with sudo'}"
    )
    for name in (DATABASE, MEDIA, KEY_FILE, RESTORING):
        try:
            (path / name).lstat()
            return
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise StartFault(f"cannot look into {path}: {error.strerror}; {repeat}") from None
    service = system_service()
    if not is_administrator() and path == default_path() and service.has_data():
        what_to_do = f"the data of the service is in {service.data}: {repeat}"
    else:
        run = "sitehub run" if path == default_path() else f"sitehub run --data {path}"
        what_to_do = f'name the data directory of your hub with --data, or start one with "{run}"'
    raise StartFault(f"there is no hub in {path}; {what_to_do}")


def prepare(path: Path) -> None:
    """Create the directory, private to its owner. Raises StartFault if it is not writable."""
    probe = path / LOCK
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with probe.open("a"):
            pass
    except OSError as error:
        raise StartFault(
            f"cannot write to the data directory {path}: {error.strerror}. "
            "Choose another with --data, or change its owner"
        ) from None


@contextmanager
def unchanged_if_refused(path: Path) -> Iterator[None]:
    """If the block raises, remove the directory and its lock again, as far as it made them."""
    existed = path.exists()
    was_empty = not existed or not any(path.iterdir())
    try:
        yield
    except BaseException:
        if was_empty:
            with suppress(OSError):  # something else is in it by now
                if {entry.name for entry in path.iterdir()} <= {LOCK}:
                    (path / LOCK).unlink(missing_ok=True)
                    if not existed:
                        path.rmdir()
        raise


def refuse_network(path: Path) -> None:
    """Raise StartFault if the directory is on a network file system, where records are not safe."""
    if kind := network_type(path):
        raise StartFault(
            f"the data directory {path} is on a network file system ({kind}), where locks and "
            "flushes are not reliable: move it to a disk of this computer, or choose another with "
            "--data"
        )


class DirectoryInUse(StartFault):
    """Another process holds the directory; `holder` is None if the lock file is unreadable."""

    def __init__(self, path: Path, holder: Holder | None) -> None:
        self.is_held_by_hub = holder is not None and holder.role == "hub"
        who = f"process {holder.pid}" if holder is not None else "another process"
        what = "a hub is already running on" if self.is_held_by_hub else "another command is using"
        super().__init__(f"{what} {path} ({who}): stop it first, or choose another with --data")


@contextmanager
def held(path: Path, role: HolderRole) -> Iterator[None]:
    """Hold the directory within the block, or until the process ends. Raises DirectoryInUse."""
    handle = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # A lock of a file that was removed meanwhile keeps nobody out.
        if not _try_lock(handle) or not Disk().is_at(handle, path / LOCK):
            raise DirectoryInUse(path, _read_holder(handle))
        _write_holder(handle, f"{role} {os.getpid()}")
        yield
        _write_holder(handle, "")
    finally:
        os.close(handle)


@contextmanager
def held_after_commands(path: Path, role: HolderRole) -> Iterator[None]:
    """Hold the directory; first wait for a running command. Raises DirectoryInUse."""
    with ExitStack() as stack:
        deadline = time.monotonic() + _MAX_COMMAND_SECONDS
        while True:
            try:
                stack.enter_context(held(path, role))
                break
            except DirectoryInUse as error:
                if error.is_held_by_hub or time.monotonic() > deadline:
                    raise
            time.sleep(POLL_SECONDS)
        yield


held_as_hub = partial(held_after_commands, role="hub")


def holder_of(path: Path) -> Holder | None:
    """Return the process that holds the directory, None if none does. Changes nothing."""
    try:
        handle = os.open(path / LOCK, os.O_RDWR)
    except OSError:
        return None
    try:
        recorded = _read_holder(handle)
        # Try the lock only if it must be: a hub that starts at this moment could not have it.
        if recorded is None or not _may_run(recorded.pid) or _try_lock(handle):
            return None
        return recorded
    finally:
        os.close(handle)


def _write_holder(handle: int, text: str) -> None:
    """Overwrite the text with one of the same length: a full disk has no room for more."""
    os.lseek(handle, 0, os.SEEK_SET)
    with suppress(OSError):
        os.write(handle, text.encode("ascii").ljust(_HOLDER_BYTES))


def _read_holder(handle: int) -> Holder | None:
    os.lseek(handle, 0, os.SEEK_SET)
    role, _, pid = os.read(handle, _HOLDER_BYTES).decode("ascii", "replace").strip().partition(" ")
    if not pid.isdecimal():
        return None
    return Holder("hub" if role == "hub" else "command", int(pid))


if sys.platform == "win32":
    import msvcrt

    def is_root_for(path: Path) -> bool:
        """Return False: on Windows no process changes its account."""
        return False

    def act_for_owner(path: Path) -> None:
        """Do nothing: on Windows new files inherit the permissions of the directory."""

    @contextmanager
    def acting_for_owner(path: Path) -> Iterator[None]:
        """Do nothing, like act_for_owner()."""
        yield

    def _try_lock(handle: int) -> bool:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _may_run(pid: int) -> bool:
        """Return True: on Windows only the lock tells."""
        return True
else:
    import fcntl

    def is_root_for(path: Path) -> bool:
        """Return whether this process is root, and another user owns the directory."""
        return _other_owner(path) is not None

    def act_for_owner(path: Path) -> None:
        """As root, become the directory's owner for the rest of this process.

        A service that runs as another user could not open files of root in it.
        """
        if (owner := _other_owner(path)) is not None:
            executable.make_readable_for_other_users()
            with _still_exiting_with_parent():
                os.setgroups([])
                os.setgid(owner.st_gid)
                os.setuid(owner.st_uid)

    @contextmanager
    def acting_for_owner(path: Path) -> Iterator[None]:
        """Become the directory's owner within the block, and root again after it."""
        owner = _other_owner(path)
        if owner is None:
            yield
            return
        group, groups = os.getegid(), os.getgroups()
        executable.make_readable_for_other_users()
        with _still_exiting_with_parent():
            os.setgroups([])
            os.setegid(owner.st_gid)
            os.seteuid(owner.st_uid)
            try:
                yield
            finally:
                os.seteuid(0)
                os.setegid(group)
                os.setgroups(groups)

    def _other_owner(path: Path) -> os.stat_result | None:
        """Return the owner, if this process is root and the owner is not."""
        if os.geteuid() == 0 and path.is_dir() and (owner := path.stat()).st_uid != 0:
            return owner
        return None

    @contextmanager
    def _still_exiting_with_parent() -> Iterator[None]:
        """Repeat exit_with_parent(): changing the user makes the kernel forget it."""
        bootloader = os.getppid()
        try:
            yield
        finally:
            if executable.unpacked_folder() is not None:
                executable.exit_with_parent(bootloader)

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _may_run(pid: int) -> bool:
        """Return False if there is no such process."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except OSError:  # a process of another user
            pass
        return True
