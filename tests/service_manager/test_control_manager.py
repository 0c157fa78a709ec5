"""The talk with Windows' service manager, with one that is not Windows'."""

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


def test_a_failure_is_told_so_that_the_recovery_begins(manager: FakeControlManager) -> None:
    service = ControlledService(manager, lambda: None)
    service.connect()
    service.stopped(failed=True)
    assert manager.reports[-1] == Report("stopped", failed=True)


@pytest.mark.parametrize("control", [STOP, PRESHUTDOWN])
def test_the_hub_ends_when_it_is_to_stop_or_the_system_goes_down(
    service: ControlledService, manager: FakeControlManager, ended: threading.Event, control: int
) -> None:
    service.ready()
    assert not ended.is_set()
    assert manager.control(control) == NO_ERROR
    assert ended.is_set()
    assert manager.reports[-1] == Report("stopping", within_seconds=20)


def test_who_asks_is_told_again(service: ControlledService, manager: FakeControlManager) -> None:
    service.ready()
    assert manager.control(INTERROGATE) == NO_ERROR
    assert manager.reports[-2:] == [Report("running"), Report("running")]


def test_what_the_hub_cannot_do_is_said(
    service: ControlledService, manager: FakeControlManager, ended: threading.Event
) -> None:
    assert manager.control(_PAUSE) == NOT_IMPLEMENTED
    assert not ended.is_set()


def test_a_person_is_told_what_starts_the_service() -> None:
    service = ControlledService(FakeControlManager(refuses=True), lambda: None)
    with pytest.raises(StartFault, match="sitehub service start"):
        service.connect()


async def test_nothing_is_told_of_a_loop_that_turns(
    service: ControlledService,
    manager: FakeControlManager,
    autojump_clock: trio.testing.MockClock,
) -> None:
    told = list(manager.reports)
    with trio.move_on_after(1000):
        await service.watch()
    assert manager.reports == told
