"""The hub in a process that the service manager of Windows started."""

from __future__ import annotations

import _thread
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hub.errors import StartFault, hub_error_in

if TYPE_CHECKING:
    import signal

    from hub.service_manager.windows.control_manager import ControlManager


def run_controlled(manager: ControlManager, data_dir: Path, ending: signal.Signals) -> None:
    """Run the hub until the manager has it end, as by the signal `ending`, or until it fails."""
    from hub.cli.run.command import run_for
    from hub.service_manager.windows.control_manager import ControlledService
    from hub.service_manager.windows.service import LAST_START

    service = ControlledService(manager, partial(_thread.interrupt_main, ending))
    service.connect()
    failed = True
    try:
        with _without_screen(), _told_in(data_dir / LAST_START):
            run_for(service, data_dir)
        failed = False
    finally:
        service.stopped(failed=failed)


@contextmanager
def _without_screen() -> Iterator[None]:
    """A console that came with the process is nobody's: the log goes to its files."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        yield


@contextmanager
def _told_in(path: Path) -> Iterator[None]:
    """A service has no screen: where it is, and why it ended, is in a file of the last start."""
    try:
        told = path.open("w", encoding="utf-8")
    except OSError as error:
        raise StartFault(f"cannot write to {path}: {error.strerror}") from None
    with told, redirect_stdout(told):
        try:
            yield
        except Exception as error:
            fault = hub_error_in(error)
            told.write(f"{fault.message if fault else repr(error)}\n")
            raise
