"""Running programs of the system."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hub.errors import StartFault

#: A service that starts may have to migrate its database first.
_TIMEOUT_SECONDS = 600


class ProgramResult(NamedTuple):
    """A program's exit status, and its standard output and error as text."""

    status: int
    text: str

    @property
    def last_line(self) -> str:
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return lines[-1] if lines else f"status {self.status}"


RunProgram = Callable[[Sequence[str]], ProgramResult]


def run(words: Sequence[str]) -> ProgramResult:
    """Run a program to its end. Raises StartFault if it is missing or takes too long."""
    try:
        done = subprocess.run(
            [_full_path(words[0]), *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        # Not by the error: after a folder of PATH that cannot be read it is another one.
        if shutil.which(words[0]) is None:
            raise StartFault(f"the program {words[0]} is missing") from None
        raise StartFault(f"{words[0]} could not be run: {error}") from None
    # Windows programs use the console's encoding; the parts that are parsed are ASCII.
    return ProgramResult(done.returncode, done.stdout.decode("utf-8", "replace"))


def run_checked(run: RunProgram, words: Sequence[str]) -> ProgramResult:
    """Run a program; raises StartFault with its last line of output if it fails."""
    result = run(words)
    if result.status:
        raise StartFault(f"{' '.join(words[:3])} failed: {result.last_line}")
    return result


if sys.platform == "win32":
    import ctypes

    _MAX_PATH_LENGTH = 260

    def _full_path(program: str) -> str:
        """Return the path of a system program, never of a download beside our executable."""
        directory = ctypes.create_unicode_buffer(_MAX_PATH_LENGTH)
        ctypes.windll.kernel32.GetSystemDirectoryW(directory, _MAX_PATH_LENGTH)
        return os.path.join(directory.value, program)
else:

    def _full_path(program: str) -> str:
        return program
