"""A whole hub as a Windows service, with a fake of the control manager."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import pytest

import hub.log
from hub.cli.run.windows_service import run_controlled
from hub.errors import StartFault
from hub.process import launcher
from hub.service_manager.windows.control_manager import STOP
from hub.services.updates.updates import Updates
from tests.support.control_manager import FakeControlManager
from tests.support.ports import free_ports

_ENDING = signal.SIGBREAK if sys.platform == "win32" else signal.SIGTERM


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    web, devices = free_ports(2)
    settings = {
        **{"WEB_PORT": web, "DEVICES_PORT": devices, "STORE_MIN_FREE_GB": 0},
        **{"WEB_BIND": "127.0.0.1", "DEVICES_BIND": "127.0.0.1"},
        **{"WEB_TLS": "false", "DEVICES_TLS": "false"},
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"SITEHUB_{name}", str(value))
    return tmp_path


def run_until_it_is_stopped(manager: FakeControlManager, data_dir: Path) -> int:
    def stop_it_when_it_runs() -> None:
        manager.wait_for("running")
        manager.control(STOP)

    somebody = threading.Thread(target=stop_it_when_it_runs)
    somebody.start()
    status = run_controlled(manager, data_dir, _ENDING)
    somebody.join()
    return status


def test_the_hub_runs_until_the_manager_stops_it(data_dir: Path) -> None:
    manager = FakeControlManager()
    run_until_it_is_stopped(manager, data_dir)
    assert manager.phases == ["starting", "running", "stopping", "stopped"]
    assert not manager.reports[-1].failed
    assert "/setup/" in (data_dir / "last-start.txt").read_text("utf-8")


def test_the_log_goes_to_files_even_if_the_process_has_a_console(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.log, "_is_terminal", lambda stream: stream is sys.__stderr__)
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    run_until_it_is_stopped(FakeControlManager(), data_dir)
    assert "the hub has stopped" in (data_dir / "logs" / "sitehub.log").read_text("utf-8")


def test_a_failed_start_is_reported_to_the_manager_and_explained_in_a_file(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITEHUB_WEB_PORT", "many")
    manager = FakeControlManager()
    with pytest.raises(StartFault):
        run_controlled(manager, data_dir, _ENDING)
    assert manager.phases == ["starting", "stopped"]
    assert manager.reports[-1].failed
    assert "web.port" in (data_dir / "last-start.txt").read_text("utf-8")


def test_the_program_of_an_update_connects_to_the_manager_itself(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[bool] = []

    def launch(data_dir: Path, arguments: object, *, is_managed: bool) -> int:
        launched.append(is_managed)
        return 86

    monkeypatch.setattr(launcher, "launch", launch)
    manager = FakeControlManager()
    assert run_controlled(manager, data_dir, _ENDING) == 86
    assert launched == [True]
    assert manager.phases == []


def test_a_hub_that_is_to_be_started_again_reports_a_failure_for_the_manager_to_do_so(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Updates, "restart_is_due", True, raising=False)
    monkeypatch.setattr(Updates, "__setattr__", _without_restart, raising=False)
    manager = FakeControlManager()
    assert run_until_it_is_stopped(manager, data_dir) == 86
    assert manager.reports[-1].failed


def _without_restart(updates: Updates, name: str, value: object) -> None:
    if name != "restart_is_due":
        object.__setattr__(updates, name, value)
