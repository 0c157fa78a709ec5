"""Programs of the system, run for what they do and answer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hub.errors import StartFault

#: A service that starts may bring its database to a new form first.
_PATIENCE_SECONDS = 600


class Answer(NamedTuple):
    """How a program ended, and what it wrote."""

    status: int
    text: str

    @property
    def last_line(self) -> str:
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return lines[-1] if lines else f"status {self.status}"


Run = Callable[[Sequence[str]], Answer]


def run(words: Sequence[str]) -> Answer:
    """Raises StartFault where the program is not there, or does not come to its end."""
    try:
        done = subprocess.run(
            [_found(words[0]), *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE_SECONDS,
        )
    except FileNotFoundError:
        raise StartFault(f"the program {words[0]} is not there") from None
    except (OSError, subprocess.SubprocessError) as error:
        raise StartFault(f"{words[0]} could not be run: {error}") from None
    # Windows' own programs write in whatever the console speaks; what is parsed is ASCII.
    return Answer(done.returncode, done.stdout.decode("utf-8", "replace"))


def need(run: Run, words: Sequence[str]) -> Answer:
    """Raises StartFault where the program fails, with its last words."""
    answer = run(words)
    if answer.status:
        raise StartFault(f"{' '.join(words[:3])} failed: {answer.last_line}")
    return answer


if sys.platform == "win32":
    import ctypes

    _PATH_LENGTH = 260

    def _found(program: str) -> str:
        """Windows would look beside our executable first: among downloads, where anything lies."""
        directory = ctypes.create_unicode_buffer(_PATH_LENGTH)
        ctypes.windll.kernel32.GetSystemDirectoryW(directory, _PATH_LENGTH)
        return os.path.join(directory.value, program)
else:

    def _found(program: str) -> str:
        return program
