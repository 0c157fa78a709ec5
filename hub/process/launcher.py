"""Running the program of an update instead of this one, and watching it while it is on trial.

The installed program starts as always, and looks into the folder `programs` of its data directory.
If there is a newer program, it starts that one, passes signals on, and ends with it. So whatever an
update does, what the service manager or a person starts is never changed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, NoReturn

from hub import __version__
from hub.errors import StartFault
from hub.process import data_directory, executable
from hub.process.child_program import (
    STOP_SECONDS,
    ProgramEnd,
    Signals,
    forwarded_signals,
    program_environment,
)
from hub.update import STARTED_AS, running
from hub.update.programs import Programs
from hub.update.running import CURRENT, RESTART_STATUS, TRIAL
from hub.update.trial import Choice, Trial

StartedAs = Literal["trial", "current", ""]

#: A program on trial must be healthy after this time ...
TRIAL_SECONDS = 60.0
#: ... and one more second for so many bytes of the database, which it may have to migrate, ...
_MIGRATED_BYTES = 10_000_000
#: ... at most after this one.
MAX_TRIAL_SECONDS = 1800.0
#: For the start of the version before, if that is needed.
_START_SECONDS = 300.0
_POLL_SECONDS = 0.1


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
    with forwarded_signals(data_dir) as signals:
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
        from hub.process.control import client

        if client.is_open(data_dir):
            return
        data_directory.act_for_owner(data_dir)
    program = _trial(data_dir).current().program
    if program is not None:
        become(program, sys.argv[1:], {**program_environment(data_dir), STARTED_AS: f"{CURRENT} 0"})


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
    data_dir: Path, choice: Choice, arguments: Sequence[str], signals: Signals
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
    deadline = time.monotonic() + STOP_SECONDS
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


def _trial(data_dir: Path) -> Trial:
    # Not needed by starts without an update.
    from hub.store.names import DATABASE
    from hub.store.offline.database_copy import DatabaseFile

    return Trial(Programs(data_dir), DatabaseFile(data_dir / DATABASE), __version__)


def _warn(text: str) -> None:
    if sys.stderr is not None:
        print(f"sitehub: {text}", file=sys.stderr, flush=True)


if sys.platform == "win32":

    def restart(arguments: Sequence[str], data_dir: Path) -> int:
        """Run the program that is due, and return its exit status.

        The data directory and all ports must be free.
        """
        while (status := launch(data_dir, arguments, is_managed=False)) is None:
            # There is no other one: a restored backup is what it starts again for.
            with forwarded_signals(data_dir) as signals:
                end = signals.run(None, arguments, CURRENT)
            if end.status != RESTART_STATUS:
                return end.status
        return status

    def become(program: Path, arguments: Sequence[str], environment: dict[str, str]) -> NoReturn:
        """Run a program in place of this one."""
        sys.exit(subprocess.run([str(program), *arguments], env=environment).returncode)
else:

    def restart(arguments: Sequence[str], data_dir: Path) -> int:
        """Start this process from its beginning; does not return.

        The data directory and all ports must be free.
        """
        command = [*running.own_command(), *arguments]
        os.execve(command[0], command, program_environment(data_dir))

    def become(program: Path, arguments: Sequence[str], environment: dict[str, str]) -> NoReturn:
        """Run a program in place of this one."""
        os.execve(program, [str(program), *arguments], environment)
