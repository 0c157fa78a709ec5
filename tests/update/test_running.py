"""What this process is, and what another program gets from it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hub.process import launcher
from hub.process.child_program import ProgramEnd
from hub.process.launcher import take_mark
from hub.update import STARTED_AS
from hub.update.programs import Programs, UpdateState
from hub.update.running import (
    child_environment,
    find_obstacle,
    is_packaged,
    own_command,
)
from hub.update.trial import NOT_READY


@pytest.mark.parametrize(
    ("unpacked", "obstacle"),
    [
        ("/tmp/_MEI0000abcdXyz", ""),
        ("/usr/lib/sitehub/_internal", "package"),
        ("/opt/sitehub/_internal", "package"),
    ],
)
def test_an_executable_in_a_directory_belongs_to_a_package(
    unpacked: str, obstacle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "_MEIPASS", unpacked, raising=False)
    assert find_obstacle() == obstacle
    assert own_command() == [sys.executable]


def test_the_source_is_neither_an_executable_nor_a_package() -> None:
    assert not is_packaged()
    assert find_obstacle() == "source"
    assert own_command() == [sys.executable, "-m", "hub"]


def test_a_package_runs_no_program_of_an_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Programs(tmp_path).save(UpdateState(current="9.0.0"))
    monkeypatch.setattr(launcher.running, "is_packaged", lambda: True)
    assert launcher.launch(tmp_path, ["run"], is_managed=False) is None


def test_a_program_gets_the_environment_without_what_belongs_to_this_one() -> None:
    mine = {
        "PATH": "/bin",
        "_PYI_ARCHIVE_FILE": "/usr/local/bin/sitehub",
        "_PYI_APPLICATION_HOME_DIR": "/tmp/_MEI1",
        "_MEIPASS2": "/tmp/_MEI1",
        STARTED_AS: "current 1",
    }
    assert child_environment(mine, SITEHUB_DATA="/data") == {
        "PATH": "/bin",
        "PYINSTALLER_RESET_ENVIRONMENT": "1",
        "SITEHUB_DATA": "/data",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="it would watch the process 1")
def test_the_mark_of_the_launcher_is_for_one_process_only() -> None:
    environment = {STARTED_AS: "trial 1", "PYINSTALLER_RESET_ENVIRONMENT": "1", "PATH": "/bin"}
    assert take_mark(environment) == "trial"
    assert environment == {"PATH": "/bin"}
    assert take_mark(environment) == ""
    assert take_mark({STARTED_AS: "something 1"}) == ""


@pytest.mark.parametrize(
    ("end", "reason", "is_failure"),
    [
        (ProgramEnd(3, "no such library"), "no such library", True),
        (ProgramEnd(3), "it ended with status 3", True),
        (ProgramEnd(137, timed_out=True), NOT_READY, True),
        (ProgramEnd(0), "it ended with status 0", False),
        (ProgramEnd(86), "it ended with status 86", False),
        (ProgramEnd(143, stopped=True), "it ended with status 143", False),
    ],
)
def test_the_end_of_a_program_says_why(end: ProgramEnd, reason: str, is_failure: bool) -> None:
    assert end.reason == reason
    assert end.is_failure is is_failure
