"""The Windows service: the commands that install it, and parsing their output."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any, TypeVar

import pytest

from hub.errors import StartFault
from hub.service_manager.programs import ProgramResult
from hub.service_manager.status import ServiceStatus
from hub.service_manager.windows.service import (
    WindowsService,
    data_permission_commands,
    open_firewall_command,
    parse_state,
    registration_commands,
    reset_permission_commands,
    temporary_folder_command,
)

T = TypeVar("T")

_PROGRAM = PureWindowsPath(r"C:\Program Files\sitehub\sitehub.exe")

_QUERY = """
SERVICE_NAME: sitehub
        TYPE               : 10  WIN32_OWN_PROCESS
        STATE              : {number}  {word}
                                (STOPPABLE, NOT_PAUSABLE, ACCEPTS_PRESHUTDOWN)
        WIN32_EXIT_CODE    : 0  (0x0)
        SERVICE_EXIT_CODE  : 0  (0x0)
        CHECKPOINT         : 0x0
        WAIT_HINT          : 0x0
"""
_GERMAN = """
SERVICE_NAME: sitehub
        TYP                : 10  WIN32_OWN_PROCESS
        STATUS             : 1  STOPPED
        WIN32-EXITCODE     : 1066  (0x42a)
        SERVICE-EXITCODE   : 1  (0x1)
"""
_CONFIGURED = """
        TYPE               : 10  WIN32_OWN_PROCESS
        START_TYPE         : 2   AUTO_START
        ERROR_CONTROL      : 1   NORMAL
"""


class Windows:
    """A fake of the service manager with at most one service; it records the commands."""

    def __init__(self, root: Path) -> None:
        self.commands: list[str] = []
        self.state = 0  # none is installed
        self.starts_well = True
        self.delays = 0
        self.has_firewall = True
        self.environment = {"PROGRAMFILES": str(root / "P F"), "PROGRAMDATA": str(root / "Data")}
        self.owner = "S-1-5-32-544"
        self.service = WindowsService(
            self.owner_of, self.environment, self.run, lambda seconds: None
        )
        self.download = root / "Downloads" / "sitehub.exe"
        self.download.parent.mkdir()
        self.download.write_text("version 1")

    def owner_of(self, path: Path) -> str:
        path.lstat()
        return self.owner

    def run(self, words: Sequence[str]) -> ProgramResult:
        program, verb = words[:2]
        if verb not in ("query", "qc"):
            self.commands.append(" ".join(words))
        if program == "netsh.exe" and not self.has_firewall:
            return ProgramResult(1, "no firewall")
        if program != "sc.exe":
            return ProgramResult(0, "Ok.")
        return getattr(self, f"_{verb}", self._other)()

    def _query(self) -> ProgramResult:
        if self.state == 0:
            return ProgramResult(1060, "FAILED 1060: The specified service does not exist")
        if self.state in (2, 3):
            self.delays -= 1
            if self.delays < 0:
                self.state = 1 if self.state == 3 or not self.starts_well else 4
        return ProgramResult(0, _QUERY.format(number=self.state, word="WHATEVER"))

    def _qc(self) -> ProgramResult:
        return ProgramResult(0, _CONFIGURED)

    def _create(self) -> ProgramResult:
        self.state = 1
        return ProgramResult(0, "SUCCESS")

    def _delete(self) -> ProgramResult:
        self.state = 0
        return ProgramResult(0, "SUCCESS")

    def _start(self) -> ProgramResult:
        if self.state == 4:
            return ProgramResult(1056, "FAILED 1056")
        self.state, self.delays = 2, 3
        return ProgramResult(0, "START_PENDING")

    def _stop(self) -> ProgramResult:
        if self.state == 1:
            return ProgramResult(1062, "FAILED 1062")
        self.state, self.delays = 3, 3
        return ProgramResult(0, "STOP_PENDING")

    def _other(self) -> ProgramResult:
        return ProgramResult(0, "SUCCESS")


@pytest.fixture
def windows(tmp_path: Path) -> Windows:
    return Windows(tmp_path)


def test_the_registration_commands_are_as_sc_expects_them() -> None:
    create, *more = registration_commands(_PROGRAM, exists=False)  # type: ignore[arg-type]
    # One line, quoted in the way that programs of Microsoft parse it.
    assert subprocess.list2cmdline(create) == (
        r'sc.exe create sitehub binPath= "\"C:\Program Files\sitehub\sitehub.exe\" service run" '
        r'start= auto obj= "NT SERVICE\sitehub" DisplayName= sitehub'
    )
    assert [subprocess.list2cmdline(command) for command in more] == [
        'sc.exe description sitehub "The hub of this site\'s cameras"',
        "sc.exe failure sitehub reset= 86400 actions= restart/5000/restart/5000/restart/5000",
        "sc.exe failureflag sitehub 1",
        "sc.exe privs sitehub SeChangeNotifyPrivilege",
    ]


def test_the_temporary_folder_of_the_service_is_below_its_data() -> None:
    folder = PureWindowsPath(r"C:\ProgramData\sitehub\unpacked")
    assert subprocess.list2cmdline(temporary_folder_command(folder)) == (  # type: ignore[arg-type]
        r"reg.exe add HKLM\SYSTEM\CurrentControlSet\Services\sitehub /v Environment "
        r"/t REG_MULTI_SZ /s | "
        r"/d TMP=C:\ProgramData\sitehub\unpacked|TEMP=C:\ProgramData\sitehub\unpacked /f"
    )


def test_the_firewall_rule_allows_connections_to_the_program() -> None:
    assert subprocess.list2cmdline(open_firewall_command(_PROGRAM)) == (  # type: ignore[arg-type]
        "netsh.exe advfirewall firewall add rule name=sitehub dir=in action=allow protocol=TCP "
        r'profile=any "program=C:\Program Files\sitehub\sitehub.exe"'
    )


def test_only_the_service_and_administrators_have_access_to_the_data() -> None:
    data = PureWindowsPath(r"C:\ProgramData\sitehub")
    commands = data_permission_commands(data)  # type: ignore[arg-type]
    assert [subprocess.list2cmdline(command) for command in commands] == [
        r"icacls.exe C:\ProgramData\sitehub /setowner *S-1-5-32-544",
        r"icacls.exe C:\ProgramData\sitehub /inheritance:r /grant:r *S-1-5-18:(OI)(CI)F "
        r'*S-1-5-32-544:(OI)(CI)F "NT SERVICE\sitehub:(OI)(CI)M"',
    ]


def test_existing_files_get_the_permissions_of_the_data_directory() -> None:
    data = PureWindowsPath(r"C:\ProgramData\sitehub")
    commands = reset_permission_commands(data)  # type: ignore[arg-type]
    assert [subprocess.list2cmdline(command) for command in commands] == [
        r"icacls.exe C:\ProgramData\sitehub\* /setowner *S-1-5-32-544 /T /L /Q",
        r"icacls.exe C:\ProgramData\sitehub\* /reset /T /L /Q",
    ]


def test_existing_files_are_reset_after_the_directory_is_protected(windows: Windows) -> None:
    windows.service.data.mkdir(parents=True)
    (windows.service.data / "sitehub.toml").touch()
    windows.service.install(windows.download)
    data = windows.service.data
    commands = [words for words in windows.commands if words.startswith("icacls")]
    assert [words.split()[1:3] for words in commands] == [
        *([str(data), "/setowner"], [str(data), "/inheritance:r"]),
        *([str(data / "*"), "/setowner"], [str(data / "*"), "/reset"]),
    ]


def test_a_data_directory_of_another_user_is_refused_before_anything_is_changed(
    windows: Windows,
) -> None:
    windows.service.data.mkdir(parents=True)
    windows.owner = "S-1-5-21-1-2-3-1001"
    with pytest.raises(StartFault, match=r"was not made by an administrator; move it away first$"):
        windows.service.install(windows.download)
    assert windows.commands == []
    assert not windows.service.executable.exists()


@pytest.mark.parametrize(
    ("number", "state"),
    [(1, "stopped"), (2, "starting"), (3, "stopping"), (4, "running"), (7, "stopped")],
)
def test_the_state_is_parsed(number: int, state: str) -> None:
    assert parse_state(_QUERY.format(number=number, word="...")) == state


def test_the_state_is_parsed_in_other_languages_too() -> None:
    assert parse_state(_GERMAN) == "stopped"


def verbs(windows: Windows) -> list[str]:
    return [" ".join(words.split()[:2]) for words in windows.commands]


def test_a_data_directory_of_another_user_is_not_the_services(windows: Windows) -> None:
    assert not windows.service.has_data()
    windows.service.data.mkdir(parents=True)
    assert windows.service.has_data()
    windows.owner = "S-1-5-21-1-2-3-1001"
    assert not windows.service.has_data()


def test_install_copies_registers_protects_and_starts(windows: Windows) -> None:
    windows.service.install(windows.download)
    assert windows.service.executable.read_text() == "version 1"
    assert (windows.service.data / "unpacked").is_dir()
    assert verbs(windows) == [
        *("sc.exe create", "sc.exe description", "sc.exe failure", "sc.exe failureflag"),
        "sc.exe privs",
        "reg.exe add",
        *[f"icacls.exe {windows.service.data}"] * 2,
        "sc.exe start",
        *("netsh.exe advfirewall", "netsh.exe advfirewall"),
    ]
    assert windows.service.status() == ServiceStatus("running", at_boot=True)


def test_a_newer_version_replaces_the_older_once_its_file_is_released(
    windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows.service.install(windows.download)
    windows.commands.clear()
    windows.download.write_text("version 2")
    monkeypatch.setattr(Path, "replace", _failing_twice(Path.replace))
    windows.service.install(windows.download)
    assert windows.service.executable.read_text() == "version 2"
    assert verbs(windows)[:2] == ["sc.exe stop", "sc.exe config"]
    assert "sc.exe start" in verbs(windows)


def _failing_twice(change: Callable[..., T]) -> Callable[..., T]:
    """Fail twice: the bootloader runs for a moment longer than the hub."""
    tries = 0

    def fails_twice(path: Path, *arguments: Any, **options: Any) -> T:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise PermissionError(13, "in use", str(path))
        return change(path, *arguments, **options)

    return fails_twice


def test_uninstall_leaves_the_data(windows: Windows) -> None:
    windows.service.install(windows.download)
    (windows.service.data / "hub.sqlite").write_text("records")
    (windows.service.data / "unpacked" / "_MEI1").mkdir()
    windows.commands.clear()
    windows.service.uninstall()
    assert verbs(windows) == ["sc.exe stop", "sc.exe delete", "netsh.exe advfirewall"]
    assert not windows.service.executable.exists()
    assert os.listdir(windows.service.data) == ["hub.sqlite"]
    assert windows.service.status() == ServiceStatus("not installed")
    windows.commands.clear()
    windows.service.uninstall()
    assert windows.commands == []


def test_uninstall_waits_until_the_file_of_the_program_is_released(
    windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows.service.install(windows.download)
    monkeypatch.setattr(Path, "unlink", _failing_twice(Path.unlink))
    windows.service.uninstall()
    assert not windows.service.executable.parent.exists()


def test_uninstall_says_that_the_running_program_cannot_delete_itself(
    windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows.service.install(windows.download)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "in use", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(StartFault, match=r"was removed, but .*: delete .* yourself"):
        windows.service.uninstall()


def test_a_start_that_fails_says_why(windows: Windows) -> None:
    windows.starts_well = False
    windows.service.data.mkdir(parents=True)
    (windows.service.data / "last-start.txt").write_text("port 8443 is taken\n")
    with pytest.raises(StartFault, match=r"the service did not start: port 8443 is taken$"):
        windows.service.install(windows.download)


def test_the_service_runs_even_if_the_firewall_cannot_be_opened(
    windows: Windows,
) -> None:
    windows.has_firewall = False
    with pytest.raises(StartFault, match=r"but the firewall was not opened.*: no firewall$"):
        windows.service.install(windows.download)
    assert windows.service.status().state == "running"


def test_start_and_stop_are_idempotent(windows: Windows) -> None:
    windows.service.install(windows.download)
    windows.service.start()
    windows.service.stop()
    windows.service.stop()
    assert windows.service.status().state == "stopped"
