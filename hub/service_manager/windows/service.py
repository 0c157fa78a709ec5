"""The hub as a Windows service: the commands that install and control it."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from hub.errors import StartFault
from hub.service_manager import NAME, UNPACKED, programs
from hub.service_manager.files import copy_if_different
from hub.service_manager.status import ServiceState, ServiceStatus

#: A virtual account, which exists for this service alone and has no password.
ACCOUNT = rf"NT SERVICE\{NAME}"
#: The file with the output of the last start: the hub's addresses, or why it ended.
LAST_START = "last-start.txt"

#: The names of these groups depend on the language of Windows; their SIDs do not.
_SYSTEM, _ADMINISTRATORS = "S-1-5-18", "S-1-5-32-544"
_TRUSTED = (_SYSTEM, _ADMINISTRATORS)
_SET_OWNER = ["/setowner", f"*{_ADMINISTRATORS}"]
_NO_SUCH_SERVICE = 1060
_ALREADY_RUNNING, _NOT_RUNNING = 1056, 1062

#: The states of SERVICE_STATUS by number; their names depend on the language of Windows.
_STATES: dict[int, ServiceState] = {
    1: "stopped",
    2: "starting",
    3: "stopping",
    4: "running",
    5: "running",
    6: "running",
    7: "stopped",
}
_STATE_LINE = re.compile(r"^ *\S+ *: ([1-7]) +\S", re.MULTILINE)
_AUTOMATIC_LINE = re.compile(r": 2 +AUTO_START\b")

_KEY = rf"HKLM\SYSTEM\CurrentControlSet\Services\{NAME}"

_TIMEOUT_SECONDS = 120.0
_POLL_SECONDS = 0.5
#: How long the file of a program may be in use after it has stopped.
_RELEASE_SECONDS = 15.0


class WindowsService:
    """Copies the executable to Program Files, and calls sc, reg, icacls and netsh for the rest."""

    def __init__(
        self,
        owner_of: Callable[[Path], str],
        environment: Mapping[str, str] = os.environ,
        run: programs.RunProgram = programs.run,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._owner_of = owner_of
        self._run = run
        self._sleep = sleep
        drive = environment.get("SYSTEMDRIVE", "C:")
        programs_dir = environment.get("PROGRAMFILES", rf"{drive}\Program Files")
        data_dir = environment.get("PROGRAMDATA", rf"{drive}\ProgramData")
        self.executable = Path(programs_dir) / NAME / f"{NAME}.exe"
        self.data = Path(data_dir) / NAME
        self._unpacked = self.data / UNPACKED

    def install(self, source: Path) -> None:
        self._refuse_a_foreign_data_directory()
        is_there = self.status().state != "not installed"
        if is_there:
            self.stop()
        self._copy_executable(source)
        for command in registration_commands(self.executable, exists=is_there):
            programs.run_checked(self._run, command)
        programs.run_checked(self._run, temporary_folder_command(self._unpacked))
        self._protect_data()
        self.start()
        self._open_firewall()

    def uninstall(self) -> None:
        if self.status().state == "not installed":
            return
        self.stop()
        programs.run_checked(self._run, ["sc.exe", "delete", NAME])
        self._run(close_firewall_command())
        is_gone = self._remove_executable()
        shutil.rmtree(self._unpacked, ignore_errors=True)
        if not is_gone:
            raise StartFault(
                f"the service was removed, but its program is still in use: delete "
                f"{self.executable.parent} yourself. The data is still in {self.data}"
            )

    def start(self) -> None:
        answer = self._run(["sc.exe", "start", NAME])
        if answer.status not in (0, _ALREADY_RUNNING):
            raise StartFault(f"the service cannot be started: {answer.last_line}")
        if not self._wait_for_state("running", unless="stopped"):
            raise StartFault(f"the service did not start: {self._last_line()}")

    def stop(self) -> None:
        answer = self._run(["sc.exe", "stop", NAME])
        if answer.status not in (0, _NOT_RUNNING):
            raise StartFault(f"the service cannot be stopped: {answer.last_line}")
        if not self._wait_for_state("stopped"):
            raise StartFault("the service did not stop in time")

    def status(self) -> ServiceStatus:
        answer = self._run(["sc.exe", "query", NAME])
        if answer.status == _NO_SUCH_SERVICE:
            return ServiceStatus("not installed")
        configured = self._run(["sc.exe", "qc", NAME])
        return ServiceStatus(
            parse_state(answer.text), bool(_AUTOMATIC_LINE.search(configured.text))
        )

    def runs_services_now(self) -> bool:
        return True

    def has_data(self) -> bool:
        try:
            return self._owner_of(self.data) in _TRUSTED
        except OSError:
            return False

    def _refuse_a_foreign_data_directory(self) -> None:
        """Refuse a directory that another user made: users can create folders in ProgramData."""
        try:
            owner = self._owner_of(self.data)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StartFault(f"cannot read the owner of {self.data}: {error.strerror}") from None
        if owner not in _TRUSTED:
            raise StartFault(
                f"the service was not installed: {self.data} was not made by an administrator; "
                "move it away first"
            )

    def _copy_executable(self, source: Path) -> None:
        """Copy the executable, waiting while a service that has just stopped still uses it."""
        for _ in self._poll():
            try:
                copy_if_different(source, self.executable, mode=0o755)
                return
            except PermissionError:
                continue
            except OSError as error:
                raise StartFault(
                    f"the service was not installed: {error.filename}: {error.strerror}"
                ) from None
        raise StartFault(f"the service was not installed: {self.executable} is in use")

    def _remove_executable(self) -> bool:
        """Remove the executable; return False if it is in use, by this process for example."""
        for _ in self._poll(_RELEASE_SECONDS):
            with suppress(OSError):
                self.executable.unlink(missing_ok=True)
                with suppress(OSError):  # The folder contains other files.
                    self.executable.parent.rmdir()
                return True
        return False

    def _protect_data(self) -> None:
        try:
            self.data.mkdir(parents=True, exist_ok=True)
            for command in data_permission_commands(self.data):
                programs.run_checked(self._run, command)
            # From here on, no other user can put files into it.
            if any(self.data.iterdir()):
                for command in reset_permission_commands(self.data):
                    programs.run_checked(self._run, command)
            self._unpacked.mkdir(exist_ok=True)
        except OSError as error:
            raise StartFault(f"cannot create {self.data}: {error.strerror}") from None

    def _open_firewall(self) -> None:
        """Open the firewall. Call this last: if the firewall is off, it fails without harm."""
        self._run(close_firewall_command())
        answer = self._run(open_firewall_command(self.executable))
        if answer.status:
            raise StartFault(
                "the service is installed and running, but the firewall was not opened for it: "
                f"{answer.last_line}"
            )

    def _wait_for_state(self, wanted: ServiceState, *, unless: ServiceState | None = None) -> bool:
        for _ in self._poll():
            state = self.status().state
            if state in (wanted, unless):
                return state == wanted
        return False

    def _poll(self, seconds: float = _TIMEOUT_SECONDS) -> Iterator[None]:
        for _ in range(round(seconds / _POLL_SECONDS)):
            yield
            self._sleep(_POLL_SECONDS)

    def _last_line(self) -> str:
        try:
            lines = (self.data / LAST_START).read_text("utf-8").splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else f"see {self.data / 'logs'}"


def registration_commands(executable: Path, *, exists: bool) -> Iterator[list[str]]:
    """Return the commands that define the service and its restart 5 s after a failure."""
    yield [
        *("sc.exe", "config" if exists else "create", NAME),
        *("binPath=", f'"{executable}" service run'),
        *("start=", "auto"),
        *("obj=", ACCOUNT),
        *("DisplayName=", "sitehub"),
    ]
    yield ["sc.exe", "description", NAME, "The hub of this site's cameras"]
    again = "/".join(["restart/5000"] * 3)
    yield ["sc.exe", "failure", NAME, "reset=", "86400", "actions=", again]
    # Restart it as well if it stops by itself and reports a failure.
    yield ["sc.exe", "failureflag", NAME, "1"]
    # Drop all privileges except the one to traverse parent folders.
    yield ["sc.exe", "privs", NAME, "SeChangeNotifyPrivilege"]


def temporary_folder_command(folder: Path) -> list[str]:
    """Return the command that sets the service's TMP, where its executable unpacks."""
    variables = "|".join(f"{name}={folder}" for name in ("TMP", "TEMP"))
    value = ("/v", "Environment", "/t", "REG_MULTI_SZ", "/s", "|", "/d", variables)
    return ["reg.exe", "add", _KEY, *value, "/f"]


def data_permission_commands(data: Path) -> Iterator[list[str]]:
    """Return the commands that restrict the data directory to the service and administrators."""
    full, change = "(OI)(CI)F", "(OI)(CI)M"
    grants = (f"*{_SYSTEM}:{full}", f"*{_ADMINISTRATORS}:{full}", f"{ACCOUNT}:{change}")
    yield ["icacls.exe", str(data), *_SET_OWNER]
    yield ["icacls.exe", str(data), "/inheritance:r", "/grant:r", *grants]


def reset_permission_commands(data: Path) -> Iterator[list[str]]:
    """Return the commands that give existing files the owner and permissions of the folder."""
    # /L: change links themselves, not their targets.
    for change in (_SET_OWNER, ["/reset"]):
        yield ["icacls.exe", str(data / "*"), *change, "/T", "/L", "/Q"]


def open_firewall_command(executable: Path) -> list[str]:
    """Return the command that allows connections to the program on any port."""
    return [
        *("netsh.exe", "advfirewall", "firewall", "add", "rule", f"name={NAME}"),
        *("dir=in", "action=allow", "protocol=TCP", "profile=any", f"program={executable}"),
    ]


def close_firewall_command() -> list[str]:
    """Return the command that removes the firewall rule."""
    return ["netsh.exe", "advfirewall", "firewall", "delete", "rule", f"name={NAME}"]


def parse_state(text: str) -> ServiceState:
    """Return the state in the output of `sc query`, whose format is the same in all languages."""
    found = _STATE_LINE.search(text)
    return _STATES[int(found[1])] if found else "stopped"
