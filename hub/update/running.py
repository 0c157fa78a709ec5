"""Starting another program of sitehub from this one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal

from hub.errors import UpdateRefused
from hub.update import STARTED_AS

#: Why a hub cannot be updated at all: it runs from source, or a package installed it.
Obstacle = Literal["", "source", "package"]

#: The values of STARTED_AS.
TRIAL, CURRENT = "trial", "current"
#: The exit status of a hub that is to be started again, because an update is due.
RESTART_STATUS = 86

#: Generous, since the machine may be slow and the executable unpacks itself; together less than a
#: change on a page may take (hub.services.shielding).
_VERSION_SECONDS = 30.0
_SELF_TEST_SECONDS = 60.0
_MAX_OUTPUT_BYTES = 64 * 1024
_PREFIX = "sitehub "
#: What the bootloader of PyInstaller leaves for the processes that it starts.
_BOOTLOADER_PREFIXES = ("_PYI_", "_MEIPASS")


def child_environment(environment: Mapping[str, str] = os.environ, **more: str) -> dict[str, str]:
    """Return the environment for another program, without what belongs to this one."""
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith(_BOOTLOADER_PREFIXES) and name != STARTED_AS
    }
    # A program with the same bootloader would otherwise use our unpacked folder.
    return {**kept, "PYINSTALLER_RESET_ENVIRONMENT": "1", **more}


def is_executable() -> bool:
    """Return whether this process is the executable, not Python with the source."""
    return bool(getattr(sys, "frozen", False))


def is_packaged() -> bool:
    """Return whether this is the executable in a directory, which only packages install."""
    unpacked = Path(getattr(sys, "_MEIPASS", ""))
    return is_executable() and not unpacked.name.startswith("_MEI")


def find_obstacle() -> Obstacle:
    """Return what prevents updates of this process."""
    if not is_executable():
        return "source"
    return "package" if is_packaged() else ""


def own_command() -> list[str]:
    """Return the command that starts this program again, without arguments."""
    return [sys.executable] if is_executable() else [sys.executable, "-m", "hub"]


def version_of(program: Path) -> str:
    """Return the version that a program says it is. Raises UpdateRefused."""
    text = _output_of([str(program), "version"], _VERSION_SECONDS).strip()
    if not text.startswith(_PREFIX) or "\n" in text:
        raise UpdateRefused("not-sitehub", "the file is not an executable of sitehub")
    return text.removeprefix(_PREFIX)


def self_test(program: Path, make_sample: Callable[[Path], None], parent: Path) -> None:
    """Have a program open the sample of a data directory. Raises UpdateRefused if it fails.

    `make_sample` fills an empty directory, which is made below `parent`.
    """
    with tempfile.TemporaryDirectory(prefix="incoming-", dir=parent) as folder:
        make_sample(Path(folder))
        _output_of([str(program), "selftest", "--data", folder], _SELF_TEST_SECONDS)


def _output_of(command: Sequence[str], seconds: float) -> str:
    # Files, not pipes: what the program started may outlive it, and keep a pipe open.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=child_environment(),
                **_SEPARATE,
            )
        except OSError as error:
            raise _failed(error.strerror or str(error)) from None
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise _failed(f"it did not end within {seconds:.0f} s") from None
        finally:
            kill(process)
        if status:
            lines = _text_of(err).strip().splitlines()
            raise _failed(lines[-1][:300] if lines else f"it ended with status {status}")
        return _text_of(out)


def _text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(_MAX_OUTPUT_BYTES).decode("utf-8", "replace")


def _failed(reason: str) -> UpdateRefused:
    return UpdateRefused("does-not-work", f"the new version does not work: {reason}", why=reason)


if sys.platform == "win32":
    _SEPARATE: dict[str, Any] = {"creationflags": subprocess.CREATE_NO_WINDOW}

    def kill(process: subprocess.Popen[bytes]) -> None:
        """End a process; the inner process of an executable ends with it."""
        process.kill()
        process.wait()
else:
    import signal

    _SEPARATE: dict[str, Any] = {"start_new_session": True}

    def kill(process: subprocess.Popen[bytes]) -> None:
        """End a process and everything that it started in its own session."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
