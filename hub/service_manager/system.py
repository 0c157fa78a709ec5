"""What a service can be asked for on every system, and whose business that is."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from hub.service_manager.linux.systemd import SystemdService
from hub.service_manager.status import Status
from hub.service_manager.windows.service import WindowsService


class SystemService(Protocol):
    """The hub as a service of one kind of system. Everything raises StartFault for a person."""

    @property
    def data(self) -> Path:
        """The data directory of the service."""

    @property
    def executable(self) -> Path:
        """What the service runs."""

    def install(self, source: Path) -> None:
        """Copy the executable to where it stays, and start it with the system, and now.

        What is so already is left as it is; a new executable replaces the old one.
        """

    def uninstall(self) -> None:
        """Stop the service and take it away; its data stays."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def status(self) -> Status: ...

    def runs_services_now(self) -> bool:
        """Not so in a system that is being put together and has not been booted."""

    def has_data(self) -> bool:
        """Whether there is a data directory that only an administrator can have made."""


if sys.platform == "win32":
    import ctypes

    from hub.service_manager.windows.file_owner import owner_of

    def this_system() -> SystemService:
        return WindowsService(owner_of)

    def has_rights() -> bool:
        return bool(ctypes.windll.shell32.IsUserAnAdmin())

    def with_rights(words: Sequence[str]) -> str:
        return with_rights_on_windows(words)
else:
    import shlex

    def this_system() -> SystemService:
        return SystemdService()

    def has_rights() -> bool:
        return os.geteuid() == 0

    def with_rights(words: Sequence[str]) -> str:
        """The one command that does it, as it is typed."""
        return f"sudo {shlex.join(words)}"


def with_rights_on_windows(words: Sequence[str]) -> str:
    """For PowerShell; Windows asks for the consent, and a window of its own shows the outcome."""
    quoted = ["'" + word.replace("'", "''") + "'" for word in words]
    return f"Start-Process -Verb RunAs -FilePath {quoted[0]} -ArgumentList {','.join(quoted[1:])}"
