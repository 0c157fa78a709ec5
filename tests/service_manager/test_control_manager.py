"""The process of a Windows service, with a fake of the control manager."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from hub.errors import StartFault
from hub.service_manager.windows.control_manager import (
    INTERROGATE,
    NO_ERROR,
    NOT_IMPLEMENTED,
    PRESHUTDOWN,
    STOP,
    ControlledService,
    Report,
)
from tests.support.control_manager import FakeControlManager

_PAUSE = 0x2


@pytest.fixture
def manager() -> FakeControlManager:
    return FakeControlManager()


@pytest.fixture
def ended() -> threading.Event:
    return threading.Event()


@pytest.fixture
def service(manager: FakeControlManager, ended: threading.Event) -> Iterator[ControlledService]:
    service = ControlledService(manager, ended.set)
    service.connect()
    yield service
    service.stopped(failed=False)


def test_a_service_starts_runs_and_stops(manager: FakeControlManager) -> None:
    service = ControlledService(manager, lambda: None)
    service.connect()
    assert manager.phases == ["starting"]
    service.ready()
    service.stopping()
    service.stopped(failed=False)
    assert manager.phases == ["starting", "running", "stopping", "stopped"]
    assert not manager.reports[-1].failed


def test_a_failure_is_reported_so_that_the_manager_restarts_the_service(
    manager: FakeControlManager,
) -> None:
    service = ControlledService(manager, lambda: None)
    service.connect()
    service.stopped(failed=True)
    assert manager.reports[-1] == Report("stopped", failed=True)


@pytest.mark.parametrize("control", [STOP, PRESHUTDOWN])
def test_the_hub_stops_on_request_and_before_a_shutdown(
    service: ControlledService, manager: FakeControlManager, ended: threading.Event, control: int
) -> None:
    service.ready()
    assert not ended.is_set()
    assert manager.control(control) == NO_ERROR
    assert ended.is_set()
    assert manager.reports[-1] == Report("stopping", within_seconds=20)


def test_interrogate_repeats_the_last_report(
    service: ControlledService, manager: FakeControlManager
) -> None:
    service.ready()
    assert manager.control(INTERROGATE) == NO_ERROR
    assert manager.reports[-2:] == [Report("running"), Report("running")]


def test_other_controls_are_not_implemented(
    service: ControlledService, manager: FakeControlManager, ended: threading.Event
) -> None:
    assert manager.control(_PAUSE) == NOT_IMPLEMENTED
    assert not ended.is_set()


def test_without_the_manager_the_command_names_service_start() -> None:
    service = ControlledService(FakeControlManager(refuses=True), lambda: None)
    with pytest.raises(StartFault, match="sitehub service start"):
        service.connect()


async def test_windows_has_no_watchdog(
    service: ControlledService,
    manager: FakeControlManager,
    autojump_clock: trio.testing.MockClock,
) -> None:
    told = list(manager.reports)
    with trio.move_on_after(1000):
        await service.watch()
    assert manager.reports == told


def test_an_exit_by_force_is_a_failure_unless_the_manager_asked_for_the_end(
    manager: FakeControlManager, service: ControlledService
) -> None:
    service.ready()
    service.exiting_by_force()
    assert manager.reports[-1] == Report("stopped", failed=True)
    service.ready()
    manager.control(STOP)
    service.exiting_by_force()
    assert manager.reports[-1] == Report("stopped", failed=False)
