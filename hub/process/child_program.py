"""A program that runs in the place of this one: its signals, its standard error, its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from msgspec import Struct

from hub.update import STARTED_AS, running
from hub.update.running import RESTART_STATUS
from hub.update.trial import NOT_READY

#: A program on trial that is told to stop has this long.
STOP_SECONDS = 15.0
_POLL_SECONDS = 0.1
_MAX_LINE_BYTES = 4096


class ProgramEnd(Struct, frozen=True):
    """How a program ended: its exit status, and the last line on its standard error."""

    status: int
    last_line: str = ""
    timed_out: bool = False
    stopped: bool = False

    @property
    def is_failure(self) -> bool:
        """Whether it ended by itself, and not as it should."""
        return self.status not in (0, RESTART_STATUS) and not self.stopped

    @property
    def reason(self) -> str:
        """Why it failed on trial."""
        if self.timed_out:
            return NOT_READY
        if self.last_line:
            return self.last_line
        return f"it ended with status {self.status}"


def program_environment(data_dir: Path) -> dict[str, str]:
    """Return the environment of a program, which may have another default data directory."""
    return running.child_environment(SITEHUB_DATA=str(data_dir))


@contextmanager
def forwarded_signals(data_dir: Path) -> Iterator[Signals]:
    signals = Signals(data_dir)
    before = {
        number: signal.signal(number, lambda number, frame: signals.forward(number))
        for number in _FORWARDED
    }
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Signals:
    """Runs programs, and passes on to them the signals that this process receives."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped_at: float | None = None

    def run(
        self,
        program: Path | None,
        arguments: Sequence[str],
        mark: str,
        *,
        is_on_trial: Callable[[], bool] | None = None,
        seconds: float = 0.0,
    ) -> ProgramEnd:
        """Run a program, None for this one, to its end. Kill it after `seconds` on trial."""
        if self._is_stopping():
            return ProgramEnd(0, stopped=True)
        command = running.own_command() if program is None else [str(program)]
        on_trial = is_on_trial is not None
        try:
            process = subprocess.Popen(
                [*command, *arguments],
                env={**program_environment(self._data_dir), STARTED_AS: f"{mark} {os.getpid()}"},
                stderr=subprocess.PIPE if on_trial else None,
                preexec_fn=_die_with_parent,
            )
        except OSError as error:
            return ProgramEnd(1, f"it cannot be run: {error.strerror or error}")
        last_line = _LastLine(process.stderr) if process.stderr is not None else None
        self._process = process
        if self._is_stopping():
            self._pass_on(_STOPS[-1])
        try:
            if is_on_trial is None:
                status = _exit_status(process.wait())
                return ProgramEnd(status, stopped=self._is_stopping())
            end = self._watch(process, is_on_trial, seconds)
        finally:
            process.kill()
            process.wait()
            self._process = None
        return end if last_line is None else last_line.added_to(end)

    def _watch(
        self, process: subprocess.Popen[bytes], is_on_trial: Callable[[], bool], seconds: float
    ) -> ProgramEnd:
        begin = time.monotonic()
        while process.poll() is None:
            if self._stopped_at is not None:
                if time.monotonic() > self._stopped_at + STOP_SECONDS:
                    return ProgramEnd(1, stopped=True)
            elif not is_on_trial():
                process.wait()
                break
            elif time.monotonic() > begin + seconds:
                return ProgramEnd(1, timed_out=True)
            time.sleep(_POLL_SECONDS)
        return ProgramEnd(_exit_status(process.returncode), stopped=self._stopped_at is not None)

    def _is_stopping(self) -> bool:
        return self._stopped_at is not None

    def forward(self, number: int) -> None:
        if number in _STOPS and self._stopped_at is None:
            self._stopped_at = time.monotonic()
        if self._process is not None and self._process.poll() is None:
            self._pass_on(number)

    if sys.platform == "win32":

        def _pass_on(self, number: int) -> None:
            """Do nothing: all processes of a console receive its events."""
    else:

        def _pass_on(self, number: int) -> None:
            assert self._process is not None
            self._process.send_signal(number)


class _LastLine:
    """Copies the standard error of a program to ours, and keeps its last line."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._line = b""
        self._thread = threading.Thread(target=self._copy, daemon=True)
        self._thread.start()

    def added_to(self, end: ProgramEnd) -> ProgramEnd:
        self._thread.join(1.0)
        text = self._line.decode("utf-8", "replace").strip().removeprefix("sitehub: ")
        return ProgramEnd(end.status, text[:300], end.timed_out, end.stopped)

    def _copy(self) -> None:
        while line := self._stream.readline(_MAX_LINE_BYTES):
            if line.strip():
                self._line = line
            if sys.stderr is not None:
                sys.stderr.write(line.decode("utf-8", "replace"))
                sys.stderr.flush()


def _exit_status(status: int) -> int:
    """Return the status as a shell does, for a process that a signal ended."""
    return 128 - status if status < 0 else status


if sys.platform == "win32":
    _STOPS: tuple[int, ...] = (signal.SIGINT, signal.SIGBREAK)
    _FORWARDED = _STOPS
    _die_with_parent = None
else:
    import ctypes

    _STOPS = (signal.SIGINT, signal.SIGTERM)
    _FORWARDED = (*_STOPS, signal.SIGHUP)
    _PR_SET_PDEATHSIG = 1
    _libc = ctypes.CDLL(None)

    def _die_with_parent() -> None:
        """In the new process: have the kernel end it with this one, even if that is killed."""
        if sys.platform == "linux":
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
