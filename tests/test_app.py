"""The whole hub in the test's process, with a web server made by the test."""

from __future__ import annotations

import json
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from msgspec.structs import replace

from hub.app import open_hub, run_hub
from hub.config import Config, DevicesConfig, LogConfig, StoreConfig, WebConfig
from hub.config_sources import Loaded, Sources
from hub.errors import PartFailed, StartFault, hub_error_in
from hub.live.feed import Change
from hub.outside import Outside
from hub.process import data_directory, signals
from hub.process.control.client import FILE_NAME, ask_running_hub
from hub.process.control.request import ApiCall, ControlRequest
from hub.process.parts import ServiceManager
from hub.process.signals import STOP_SIGNALS
from hub.services import Services
from hub.services.audit import Actor
from hub.services.urls import device_urls
from tests.support.ports import free_port
from web.api.owner import answer_owner
from web.app import create_app

CONFIG = Config(
    web=WebConfig(bind="127.0.0.1", port=free_port(), tls=False),
    devices=DevicesConfig(bind="127.0.0.1", port=free_port(), tls=False),
    store=StoreConfig(min_free_gb=0),
)
STARTED = Loaded(CONFIG, Sources(Path("is not read")))

NEW = {"sn": "SN-A", "code": "1"}
R = TypeVar("R")
WebServer = Callable[..., Awaitable[None]]


async def quiet_web(
    services: Services,
    *,
    shutdown: trio.Event,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """A web server without connections, until `shutdown`."""
    task_status.started(partial(answer_owner, create_app(services)))
    await shutdown.wait()


def call(method: str, path: str, body: object = None) -> ApiCall:
    return ApiCall(method, path, "" if body is None else json.dumps(body))


async def ask(data_dir: Path, request: ControlRequest[R]) -> R:
    return await trio.to_thread.run_sync(ask_running_hub, data_dir, request)


async def nothing(services: Services) -> None:
    pass


@asynccontextmanager
async def running(
    data_dir: Path, serve_web: WebServer = quiet_web, manager: ServiceManager | None = None
) -> AsyncIterator[Services]:
    """Run a hub from its announcement; after the block it is stopped by a signal."""
    announced: list[Services] = []
    there = trio.Event()

    async def announce(services: Services) -> None:
        announced.append(services)
        there.set()

    async def run() -> None:
        await run_hub(
            STARTED,
            data_dir,
            serve_web=serve_web,
            announce=announce,
            manager=manager,
        )

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await there.wait()
            yield announced[0]
            signal.raise_signal(STOP_SIGNALS[-1])


async def test_a_hub_announces_itself_when_every_port_is_open_and_ends_on_a_signal(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as services:
        assert services.upkeep.health.faults() == []
        assert (tmp_path / FILE_NAME).exists()
        assert not services.core.closing.is_set()
    assert services.core.closing.is_set()
    assert not (tmp_path / FILE_NAME).exists()


class RecordingManager:
    """A service manager that records what it is told, and whether the device port was open."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bool]] = []

    def ready(self) -> None:
        self.calls.append(("ready", self._is_open()))

    def stopping(self) -> None:
        self.calls.append(("stopping", self._is_open()))
        self.calls.append(("watching", self.is_watching))

    async def watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self.is_watching = True
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            self.is_watching = False

    @staticmethod
    def _is_open() -> bool:
        with socket.socket() as peer:
            return peer.connect_ex(("127.0.0.1", CONFIG.devices.port)) == 0


async def test_the_service_manager_is_told_when_the_ports_are_open_and_before_they_close(
    tmp_path: Path,
) -> None:
    manager = RecordingManager()
    async with running(tmp_path, manager=manager):
        pass
    assert manager.calls == [("ready", True), ("stopping", True), ("watching", True)]
    assert not manager.is_watching


async def test_streams_are_told_to_end_before_the_web_server_waits_for_them(
    tmp_path: Path,
) -> None:
    has_ended = trio.Event()

    async def web_with_a_stream(
        services: Services, *, shutdown: trio.Event, task_status: trio.TaskStatus[None]
    ) -> None:
        task_status.started()
        await shutdown.wait()
        # The stream ends while the web server shuts down; the hub would hang otherwise.
        await services.core.closing.wait()
        has_ended.set()

    async with running(tmp_path, web_with_a_stream) as services:
        assert not services.core.closing.is_set()
    assert has_ended.is_set()


@pytest.mark.expects_error("the web port failed")
async def test_a_failed_part_ends_the_hub_with_one_line(tmp_path: Path) -> None:
    async def broken_web(
        services: Services, *, shutdown: trio.Event, task_status: trio.TaskStatus[None]
    ) -> None:
        task_status.started()
        await trio.lowlevel.checkpoint()
        raise RuntimeError("out of ideas")

    with pytest.raises(ExceptionGroup) as group:
        await run_hub(STARTED, tmp_path, serve_web=broken_web, announce=nothing)
    fault = hub_error_in(group.value)
    assert isinstance(fault, PartFailed)
    assert fault.message == "the web port failed (RuntimeError: out of ideas); see the log"


async def test_a_part_that_ends_unexpectedly_ends_the_hub(tmp_path: Path) -> None:
    async def short_web(
        services: Services, *, shutdown: trio.Event, task_status: trio.TaskStatus[None]
    ) -> None:
        task_status.started()

    with pytest.raises(ExceptionGroup) as group:
        await run_hub(STARTED, tmp_path, serve_web=short_web, announce=nothing)
    fault = hub_error_in(group.value)
    assert isinstance(fault, PartFailed)
    assert fault.message == "the web port ended unexpectedly; see the log"


async def test_a_part_that_cannot_start_says_why(tmp_path: Path) -> None:
    async def taken_port(
        services: Services, *, shutdown: trio.Event, task_status: trio.TaskStatus[None]
    ) -> None:
        raise StartFault("port 8443 is in use")

    with pytest.raises(ExceptionGroup) as group:
        await run_hub(STARTED, tmp_path, serve_web=taken_port, announce=nothing)
    fault = hub_error_in(group.value)
    assert fault is not None
    assert fault.message == "port 8443 is in use"


async def test_a_second_signal_ends_the_hub_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_REPEATED_SIGNAL_SECONDS", 0)
    hanging = trio.Event()

    async def stubborn_web(
        services: Services, *, shutdown: trio.Event, task_status: trio.TaskStatus[None]
    ) -> None:
        task_status.started()
        await shutdown.wait()
        hanging.set()
        await trio.sleep_forever()

    async def signal_once(services: Services) -> None:
        signal.raise_signal(STOP_SIGNALS[-1])

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:

            async def signal_again() -> None:
                await hanging.wait()
                signal.raise_signal(STOP_SIGNALS[-1])

            nursery.start_soon(signal_again)
            await run_hub(
                STARTED,
                tmp_path,
                serve_web=stubborn_web,
                announce=signal_once,
            )
    assert hanging.is_set(), "the hub did not wait for the web server after the first signal"


async def test_a_signal_that_arrives_twice_within_a_moment_counts_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def signal_twice(services: Services) -> None:
        signal.raise_signal(STOP_SIGNALS[-1])
        await services.core.closing.wait()
        signal.raise_signal(STOP_SIGNALS[-1])

    await run_hub(STARTED, tmp_path, serve_web=quiet_web, announce=signal_twice)
    assert "at once" not in caplog.text


async def test_a_clock_that_was_never_set_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def end(services: Services) -> None:
        services.core.closing.set()

    await run_hub(
        STARTED,
        tmp_path,
        serve_web=quiet_web,
        announce=end,
        outside=Outside(now=lambda: 1000.0),
    )
    assert "this computer's clock shows 1970-01-01" in caplog.text


async def test_a_running_hub_executes_control_requests(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as services:
        with services.core.changes.subscribe() as changes:
            added = await ask(tmp_path, call("POST", "devices", NEW))
            did = added["did"]
            # The hub's health and clock may change as well.
            with trio.fail_after(30):
                while did not in [change.key for change in await changes.next()]:
                    pass
        [listed] = (await ask(tmp_path, call("GET", "devices")))["items"]
        assert (listed["did"], listed["sn"], listed["state"]) == (did, "SN-A", "offline")
        [entry] = (await ask(tmp_path, call("GET", "audit")))["items"]
        assert (entry["who"], entry["action"], entry["target"]) == (
            "command line",
            "device.add",
            f"{did} SN-A",
        )
        with pytest.raises(StartFault, match=r"^sn: "):
            await ask(tmp_path, call("POST", "devices", NEW))
    with pytest.raises(StartFault, match="starting or stopping"):
        await ask(tmp_path, call("GET", "devices"))


#: Prints what a command imported after its own output.
PROGRAM = """
import atexit, sys
atexit.register(lambda: print(*sys.modules))
from hub.__main__ import main
main()
"""
#: Each takes tens of milliseconds, or megabytes, and is not needed to ask a running hub.
TOO_SLOW = {
    *("trio", "asyncio", "quart", "hypercorn", "web", "sqlite3", "cryptography", "httpx", "PIL"),
    *("importlib.metadata", "hashlib", "subprocess", "ctypes", "tempfile", "logging.handlers"),
    *("hub.app", "hub.config", "hub.services", "hub.store.db", "hub.wire", "hub.net", "hub.log"),
}


@pytest.mark.parametrize(
    ("words", "shown"), [("status", "State       ok"), ("device list", "DID"), ("version", "")]
)
async def test_a_command_that_only_asks_a_running_hub_imports_no_part_of_it(
    tmp_path: Path, words: str, shown: str
) -> None:
    command = [sys.executable, "-c", PROGRAM, *words.split(), "--data", str(tmp_path)]
    async with running(tmp_path):
        with data_directory.held_as_hub(tmp_path):
            done = await trio.run_process(command, capture_stdout=True)
    *lines, modules = done.stdout.decode().splitlines()
    assert any(line.strip().startswith(shown) for line in lines)
    assert not TOO_SLOW & set(modules.split())
    assert len(modules.split()) < 220


async def test_a_control_request_in_progress_is_completed_when_the_hub_ends(
    tmp_path: Path,
) -> None:
    begun, audited = trio.Event(), []

    async def remove(did: str) -> None:
        begun.set()
        await services.core.closing.wait()
        await trio.lowlevel.checkpoint()

    async def audit(by: Actor, action: str, target: str) -> None:
        await trio.lowlevel.checkpoint()
        audited.append((action, target))

    async with trio.open_nursery() as nursery, running(tmp_path) as services:
        await ask(tmp_path, call("POST", "devices", NEW | {"did": "12"}))
        services.cameras.devices.remove, services.core.audit.add = remove, audit
        nursery.start_soon(ask, tmp_path, call("DELETE", "devices/12"))
        await begun.wait()
    assert audited == [("device.remove", "12 SN-A")]


async def test_a_changed_log_level_applies_at_once(tmp_path: Path) -> None:
    before = logging.getLogger().level
    try:
        async with running(tmp_path) as services:
            settings = services.core.settings
            settings.current = replace(settings.current, log=LogConfig(level="error"))
            services.core.changes.publish([Change("settings")])
            while logging.getLogger().level != logging.ERROR:  # noqa: ASYNC110
                await trio.sleep(0.001)
    finally:
        logging.getLogger().setLevel(before)


async def test_what_the_command_line_changes_is_in_the_audit_log(tmp_path: Path) -> None:
    async with open_hub(STARTED, tmp_path, closing=trio.Event()) as services:
        await answer_owner(create_app(services), "POST", "devices", json.dumps(NEW).encode())
        (entry,) = await services.core.audit.newest()
        assert (entry.who, entry.address, entry.action) == ("command line", "", "device.add")


async def test_a_control_request_is_printed_without_its_secrets() -> None:
    assert "SECRET" not in repr(call("POST", "devices", {"sn": "SN", "code": "SECRET"}))


@pytest.mark.parametrize(
    ("bind", "expected"),
    [
        ("192.168.1.5", ["ws://192.168.1.5:8444/"]),
        ("0.0.0.0", ["ws://10.0.0.7:8444/"]),
        ("::", ["ws://10.0.0.7:8444/", "ws://[fd00::7]:8444/"]),
        ("fd00::7", ["ws://[fd00::7]:8444/"]),
    ],
)
async def test_the_device_urls_are_those_that_the_hub_listens_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bind: str, expected: list[str]
) -> None:
    config = Config(devices=DevicesConfig(bind=bind, tls=False))
    async with open_hub(
        Loaded(config, Sources(tmp_path)), tmp_path, closing=trio.Event()
    ) as services:
        monkeypatch.setattr(services.core.site, "addresses", lambda: ["10.0.0.7", "fd00::7"])
        assert device_urls(services) == expected
