"""Running the program of an update instead of this one, and watching it while it is on trial.

The installed program starts as always, and looks into the folder `programs` of its data directory.
If there is a newer program, it starts that one, passes signals on, and ends with it. So whatever an
update does, what the service manager or a person starts is never changed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Literal, NoReturn

from msgspec import Struct

from hub import __version__
from hub.errors import StartFault
from hub.process import data_directory, executable
from hub.update import running
from hub.update.programs import Programs
from hub.update.running import CURRENT, RESTART_STATUS, STARTED_AS, TRIAL
from hub.update.trial import NOT_READY, Choice, Trial

StartedAs = Literal["trial", "current", ""]

#: A program on trial must be healthy after this time ...
TRIAL_SECONDS = 60.0
#: ... and one more second for so many bytes of the database, which it may have to migrate, ...
_MIGRATED_BYTES = 10_000_000
#: ... at most after this one.
MAX_TRIAL_SECONDS = 1800.0
#: A program on trial that is told to stop has this long.
_STOP_SECONDS = 15.0
#: For the start of the version before, if that is needed.
_START_SECONDS = 300.0
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


def take_mark(environment: MutableMapping[str, str] = os.environ) -> StartedAs:
    """Return what a launcher started this process as; "" if none did. Processes below ignore it."""
    mark, _, launcher = environment.pop(STARTED_AS, "").partition(" ")
    environment.pop("PYINSTALLER_RESET_ENVIRONMENT", None)
    if launcher not in ("", "0") and sys.platform == "win32":
        executable.exit_with_parent(int(launcher))
    return "trial" if mark == TRIAL else "current" if mark == CURRENT else ""


def confirm_trial(data_dir: Path) -> None:
    """Make this program, which is on trial, the current one of its data directory."""
    _trial(data_dir).confirm()


def launch(data_dir: Path, arguments: Sequence[str], *, is_managed: bool) -> int | None:
    """Run the program of an update to its end, and return its exit status.

    Returns None if this program is the one to run. `is_managed`: a service manager starts this
    process again when it ends with RESTART_STATUS. Raises DirectoryInUse.
    """
    if running.is_packaged() or not _has_programs(data_dir):
        return None
    with _forwarded_signals(data_dir) as signals:
        while True:
            _extend_start(data_dir)
            choice = _choose(data_dir)
            if choice.is_on_trial:
                end = _run_on_trial(data_dir, choice, arguments, signals)
            elif choice.program is not None:
                end = signals.run(choice.program, arguments, CURRENT)
            else:
                return None
            if end is None:
                continue
            if end.is_failure:
                _note_failure(data_dir)
            if end.status != RESTART_STATUS or is_managed:
                return end.status


def prepare_trial(data_dir: Path) -> None:
    """Copy the database for the trial that the next start begins.

    The service manager of Windows gives a start 30 s only, which a large database takes longer.
    """
    with suppress(OSError, StartFault), data_directory.held(data_dir, "hub"):
        _trial(data_dir).prepare()


def hand_over(data_dir: Path) -> None:
    """Let the program of an update carry out this command; returns if there is none.

    Only as the account of the hub, which owns that program: a process of root becomes it first. If
    a hub runs, the command can as well ask that one, and stays root to read its files.
    """
    if running.is_packaged() or take_mark() or not _has_programs(data_dir):
        return
    if data_directory.is_root_for(data_dir):
        from hub.process.control import channel

        if channel.is_open(data_dir):
            return
        data_directory.act_for_owner(data_dir)
    program = _trial(data_dir).current().program
    if program is not None:
        become(program, sys.argv[1:], {**_environment(data_dir), STARTED_AS: f"{CURRENT} 0"})


def _has_programs(data_dir: Path) -> bool:
    try:
        return Programs(data_dir).exist()
    except OSError:
        return False


def _choose(data_dir: Path) -> Choice:
    """Choose the program, with the data directory locked, since its database may be copied."""
    with data_directory.held_as_hub(data_dir):
        try:
            return _trial(data_dir).choose()
        except OSError as error:
            _warn(f"the update is not tried: {error}")
            return _trial(data_dir).current()


def _run_on_trial(
    data_dir: Path, choice: Choice, arguments: Sequence[str], signals: _Signals
) -> ProgramEnd | None:
    """Run a program on trial. Returns how it ended, or None to choose again."""
    _warn(f"trying version {choice.version}")
    programs = Programs(data_dir)

    def is_on_trial() -> bool:
        # Once it is confirmed, a later version may be staged.
        candidate = programs.load().candidate
        if candidate is None:
            return False
        return (candidate.version, candidate.phase) == (choice.version, "trying")

    end = signals.run(
        choice.program,
        arguments,
        TRIAL,
        is_on_trial=is_on_trial,
        seconds=trial_seconds(data_dir),
    )
    # Only now: it may have confirmed itself at the last moment.
    if not is_on_trial():
        return None if end.timed_out else end
    with _held_after(data_dir):
        try:
            if end.stopped:
                _trial(data_dir).postpone()
                return end
            _warn(f"version {choice.version} failed, and is undone: {end.reason}")
            _trial(data_dir).undo(end.reason)
        except OSError as error:
            _warn(f"the end of the update is not recorded: {error}")
            return end
    return None


def _note_failure(data_dir: Path) -> None:
    """Note that a new program failed, unless another hub has the directory by now."""
    with suppress(OSError, StartFault), _held_after(data_dir):
        _trial(data_dir).note_failure()


def _extend_start(data_dir: Path) -> None:
    """Ask systemd for more time if an update is due: its database is copied, and it is tried."""
    if "NOTIFY_SOCKET" not in os.environ or Programs(data_dir).load().candidate is None:
        return
    from hub.service_manager.linux.notify import extend_start

    extend_start(os.environ, 2 * trial_seconds(data_dir) + _START_SECONDS)


@contextmanager
def _held_after(data_dir: Path) -> Iterator[None]:
    """Hold the data directory, once the processes of a program that was killed are gone."""
    deadline = time.monotonic() + _STOP_SECONDS
    while True:
        try:
            lock = data_directory.held(data_dir, "hub")
            lock.__enter__()
            break
        except data_directory.DirectoryInUse:
            if time.monotonic() > deadline:
                raise
        time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def trial_seconds(data_dir: Path) -> float:
    """Return how long a program may take to become healthy."""
    from hub.store.names import DATABASE

    try:
        size = (data_dir / DATABASE).stat().st_size
    except OSError:
        size = 0
    return min(TRIAL_SECONDS + size / _MIGRATED_BYTES, MAX_TRIAL_SECONDS)


def _environment(data_dir: Path) -> dict[str, str]:
    """Return the environment of a program, which may have another default data directory."""
    return running.child_environment(SITEHUB_DATA=str(data_dir))


def _trial(data_dir: Path) -> Trial:
    # Not needed by starts without an update.
    from hub.store.names import DATABASE
    from hub.store.offline.database_copy import DatabaseFile

    return Trial(Programs(data_dir), DatabaseFile(data_dir / DATABASE), __version__)


def _warn(text: str) -> None:
    if sys.stderr is not None:
        print(f"sitehub: {text}", file=sys.stderr, flush=True)


class _Signals:
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
                env={**_environment(self._data_dir), STARTED_AS: f"{mark} {os.getpid()}"},
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
                if time.monotonic() > self._stopped_at + _STOP_SECONDS:
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
    import signal

    _STOPS: tuple[int, ...] = (signal.SIGINT, signal.SIGBREAK)
    _FORWARDED = _STOPS
    _die_with_parent = None

    def restart(arguments: Sequence[str], data_dir: Path) -> int:
        """Run the program that is due, and return its exit status.

        The data directory and all ports must be free.
        """
        status = launch(data_dir, arguments, is_managed=False)
        return RESTART_STATUS if status is None else status

    def become(program: Path, arguments: Sequence[str], environment: dict[str, str]) -> NoReturn:
        """Run a program in place of this one."""
        sys.exit(subprocess.run([str(program), *arguments], env=environment).returncode)
else:
    import ctypes
    import signal

    _STOPS = (signal.SIGINT, signal.SIGTERM)
    _FORWARDED = (*_STOPS, signal.SIGHUP)
    _PR_SET_PDEATHSIG = 1
    _libc = ctypes.CDLL(None)

    def _die_with_parent() -> None:
        """In the new process: have the kernel end it with this one, even if that is killed."""
        if sys.platform == "linux":
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def restart(arguments: Sequence[str], data_dir: Path) -> int:
        """Start this process from its beginning; does not return.

        The data directory and all ports must be free.
        """
        command = [*running.own_command(), *arguments]
        os.execve(command[0], command, _environment(data_dir))

    def become(program: Path, arguments: Sequence[str], environment: dict[str, str]) -> NoReturn:
        """Run a program in place of this one."""
        os.execve(program, [str(program), *arguments], environment)


@contextmanager
def _forwarded_signals(data_dir: Path) -> Iterator[_Signals]:
    signals = _Signals(data_dir)
    before = {
        number: signal.signal(number, lambda number, frame: signals.forward(number))
        for number in _FORWARDED
    }
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
