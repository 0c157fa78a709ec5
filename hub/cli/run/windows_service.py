"""Running the hub in the process of a Windows service."""

from __future__ import annotations

import _thread
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hub.errors import StartFault, hub_error_in

if TYPE_CHECKING:
    import signal

    from hub.service_manager.windows.control_manager import ControlManager


def run_controlled(manager: ControlManager, data_dir: Path, stop: signal.Signals) -> int:
    """Run the hub until the manager stops it, by raising the signal `stop`, or until it fails.

    Returns the exit status. A hub that is to be started again reports a failure, because the
    manager then starts it.
    """
    from hub.cli.run.command import RunOptions, run_for
    from hub.process import launcher
    from hub.service_manager.windows.control_manager import ControlledService
    from hub.service_manager.windows.service import LAST_START
    from hub.update.running import RESTART_STATUS

    started_as = launcher.take_mark()
    if not started_as:
        status = launcher.launch(data_dir, sys.argv[1:], is_managed=True)
        if status is not None:
            return status
    service = ControlledService(manager, partial(_thread.interrupt_main, stop))
    service.connect()
    failed = True
    try:
        with _without_stderr(), _stdout_to(data_dir / LAST_START):
            options = RunOptions(data_dir, started_as=started_as)
            failed = run_for(service, options, service.exiting_by_force)
            if failed:
                launcher.prepare_trial(data_dir)
    finally:
        service.stopped(failed=failed)
    return RESTART_STATUS if failed else 0


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Discard stderr, which no one would see: the log goes to its files."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        yield


@contextmanager
def _stdout_to(path: Path) -> Iterator[None]:
    """Write stdout to a file, with the reason if the hub fails: a service has no console."""
    try:
        output = path.open("w", encoding="utf-8")
    except OSError as error:
        raise StartFault(f"cannot write to {path}: {error.strerror}") from None
    with output, redirect_stdout(output):
        try:
            yield
        except Exception as error:
            fault = hub_error_in(error)
            output.write(f"{fault.message if fault else repr(error)}\n")
            raise
