"""The data directory: where it is, that we may write there, and that one process at a time does."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal

import platformdirs
from msgspec import Struct

from hub import service_manager
from hub.errors import StartFault
from hub.process import executable
from hub.service_manager.system import has_rights, this_system

LOCK = "hub.lock"
LOGS = "logs"

Role = Literal["hub", "command"]

POLL_SECONDS = 0.05
#: No command takes longer, but for one that meets a disk that does not answer.
_COMMAND_SECONDS = 10.0
_HOLDER_BYTES = 32
#: Windows locks bytes, and what is locked cannot be read: this one is far behind the text.
_LOCKED_BYTE = 1 << 30


class Holder(Struct, frozen=True):
    """Who holds the data directory, as it said itself."""

    role: Role
    pid: int


def default_path(name: str = "sitehub") -> Path:
    """The platform's place for the data of this user's program.

    Whoever may look after the service means the service's, where there is one.
    """
    if name == service_manager.NAME and has_rights() and (system := this_system()).has_data():
        return system.data
    return Path(platformdirs.user_data_dir(name, appauthor=False))


def prepare(path: Path) -> None:
    """Make the directory, for its owner alone. Raises StartFault where we may not write there."""
    probe = path / LOCK
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with probe.open("a"):
            pass
    except OSError as error:
        raise StartFault(
            f"cannot write to the data directory {path}: {error.strerror}. "
            "Choose another with --data, or give it to this user"
        ) from None


class Taken(StartFault):
    """Another process holds the directory; by its own words, as far as they could be read."""

    def __init__(self, path: Path, holder: Holder | None) -> None:
        self.by_a_hub = holder is not None and holder.role == "hub"
        who = f"process {holder.pid}" if holder is not None else "another process"
        what = "a hub is already running on" if self.by_a_hub else "in use just now is"
        super().__init__(f"{what} {path} ({who}): stop it first, or choose another with --data")


@contextmanager
def held(path: Path, role: Role) -> Iterator[None]:
    """Hold the directory; the system frees it when this process ends, however. Raises Taken."""
    handle = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _try_lock(handle):
            raise Taken(path, _read_holder(handle))
        _write_holder(handle, f"{role} {os.getpid()}")
        yield
        _write_holder(handle, "")
    finally:
        os.close(handle)


@contextmanager
def held_as_hub(path: Path) -> Iterator[None]:
    """Hold the directory for a hub: a command that has it is waited for. Raises Taken."""
    with ExitStack() as stack:
        deadline = time.monotonic() + _COMMAND_SECONDS
        while True:
            try:
                stack.enter_context(held(path, "hub"))
                break
            except Taken as taken:
                if taken.by_a_hub or time.monotonic() > deadline:
                    raise
            time.sleep(POLL_SECONDS)
        yield


def _write_holder(handle: int, text: str) -> None:
    """Always as long, and over what is there: a full disk has no room for more."""
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

    def act_for_owner(path: Path) -> None:
        """What an administrator makes in there is the service's too: it inherits the rights."""

    @contextmanager
    def acting_for_owner(path: Path) -> Iterator[None]:
        """The same for a while."""
        yield

    def _try_lock(handle: int) -> bool:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def act_for_owner(path: Path) -> None:
        """Give up root's rights for those of the directory's owner, for this process's life.

        What root makes in there, a service that is another user could not open.
        """
        if (owner := _other_owner(path)) is not None:
            executable.make_readable_for_other_users()
            with _ending_with_the_outer_process():
                os.setgroups([])
                os.setgid(owner.st_gid)
                os.setuid(owner.st_uid)

    @contextmanager
    def acting_for_owner(path: Path) -> Iterator[None]:
        """The same for a while, where root goes on with what is root's."""
        owner = _other_owner(path)
        if owner is None:
            yield
            return
        group, groups = os.getegid(), os.getgroups()
        executable.make_readable_for_other_users()
        with _ending_with_the_outer_process():
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
        """Of a directory that is not root's, where this is root."""
        if os.geteuid() == 0 and path.is_dir() and (owner := path.stat()).st_uid != 0:
            return owner
        return None

    @contextmanager
    def _ending_with_the_outer_process() -> Iterator[None]:
        """Where a process becomes another user, the kernel forgets with which one it is to end."""
        outer = os.getppid()
        try:
            yield
        finally:
            if executable.unpacked_folder() is not None:
                executable.exit_with_parent(outer)

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
