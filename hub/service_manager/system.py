"""The interface to the service on every system, and the rights that it needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from hub.service_manager import NAME
from hub.service_manager.status import ServiceStatus


def user_data(name: str = NAME) -> Path:
    """Return the directory of this system for the data of the current user."""
    import platformdirs

    return Path(platformdirs.user_data_dir(name, appauthor=False))


class SystemService(Protocol):
    """The hub as a service of one kind of system. Methods raise StartFault."""

    @property
    def data(self) -> Path:
        """The data directory of the service."""

    @property
    def executable(self) -> Path:
        """The executable that the service runs."""

    def install(self, source: Path) -> None:
        """Install the executable `source` as a service, and start it now and at every boot.

        A different executable replaces an installed one; otherwise nothing changes.
        """

    def uninstall(self) -> None:
        """Stop and remove the service; its data stays."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def status(self) -> ServiceStatus: ...

    def runs_services_now(self) -> bool:
        """Return whether services can run now: not while a system image is being built."""

    def has_data(self) -> bool:
        """Return whether there is a data directory that only an administrator can have made."""


if sys.platform == "win32":
    import ctypes

    from hub.service_manager.windows.file_owner import owner_of
    from hub.service_manager.windows.service import WindowsService

    def system_service() -> SystemService:
        return WindowsService(owner_of)

    def is_administrator() -> bool:
        return bool(ctypes.windll.shell32.IsUserAnAdmin())

    def elevated_command(words: Sequence[str]) -> str:
        return elevated_command_on_windows(words)
else:
    import shlex

    def system_service() -> SystemService:
        from hub.service_manager.linux.systemd import SystemdService

        return SystemdService()

    def is_administrator() -> bool:
        return os.geteuid() == 0

    def elevated_command(words: Sequence[str]) -> str:
        """Return the command line that runs `words` as administrator."""
        return f"sudo {shlex.join(words)}"


def elevated_command_on_windows(words: Sequence[str]) -> str:
    """Return the same for PowerShell; Windows asks for consent and opens another window."""
    quoted = ["'" + word.replace("'", "''") + "'" for word in words]
    return f"Start-Process -Verb RunAs -FilePath {quoted[0]} -ArgumentList {','.join(quoted[1:])}"
