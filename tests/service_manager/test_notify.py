"""What systemd hears, on a socket as it opens one."""

from __future__ import annotations

import secrets
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio
import trio.testing

from hub.service_manager.linux.notify import Systemd, systemd_of

if sys.platform == "win32":
    pytest.skip("systemd is there on Linux alone", allow_module_level=True)


class Ear:
    """The end of the socket that systemd reads."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        told = []
        while True:
            try:
                told.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return told


@pytest.fixture
def listen() -> Iterator[Callable[[str], Ear]]:
    with ExitStack() as stack:

        def open_ear(address: str) -> Ear:
            ear = Ear(address)
            stack.enter_context(ear.socket)
            return ear

        yield open_ear


@pytest.fixture
def ear(listen: Callable[[str], Ear], tmp_path: Path) -> Ear:
    return listen(str(tmp_path / "notify"))


def test_readiness_and_the_end_are_told(ear: Ear) -> None:
    systemd = systemd_of({"NOTIFY_SOCKET": ear.address})
    assert systemd is not None
    systemd.ready()
    assert ear.heard() == ["READY=1"]
    systemd.stopping()
    assert ear.heard() == ["STOPPING=1"]


def test_a_socket_without_a_file_is_found_too(listen: Callable[[str], Ear]) -> None:
    if sys.platform != "linux":
        pytest.skip("abstract sockets are Linux's")
    ear = listen(f"@sitehub-test-{secrets.token_hex(8)}")
    Systemd(ear.address, None).ready()
    assert ear.heard() == ["READY=1"]


async def test_the_watchdog_hears_thrice_in_its_time(
    ear: Ear, autojump_clock: trio.testing.MockClock
) -> None:
    systemd = systemd_of({"NOTIFY_SOCKET": ear.address, "WATCHDOG_USEC": "60000000"})
    assert systemd is not None
    with trio.move_on_after(70):
        await systemd.watch()
    assert ear.heard() == ["WATCHDOG=1"] * 4  # at 0, 20, 40 and 60 seconds


async def test_no_watchdog_hears_nothing(ear: Ear, autojump_clock: trio.testing.MockClock) -> None:
    with trio.move_on_after(1000):
        await Systemd(ear.address, None).watch()
    assert ear.heard() == []


async def test_the_inner_process_tells_what_the_outer_one_was_asked_for(
    ear: Ear, autojump_clock: trio.testing.MockClock
) -> None:
    environment = {
        "NOTIFY_SOCKET": ear.address,
        "WATCHDOG_USEC": "3000000",
        "WATCHDOG_PID": "1",
        "PATH": "/usr/bin",
    }
    systemd = systemd_of(environment)
    assert systemd is not None
    with trio.move_on_after(0.5):
        await systemd.watch()
    assert ear.heard() == ["WATCHDOG=1"]
    assert environment == {"PATH": "/usr/bin"}


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_systemd_there_is_nobody_to_tell(environment: dict[str, str]) -> None:
    assert systemd_of(environment) is None


def test_a_systemd_that_went_away_does_not_end_the_hub(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Systemd(str(tmp_path / "gone"), None).ready()
    assert "systemd was not told READY=1" in caplog.text


def test_a_systemd_that_does_not_read_does_not_hold_the_hub(
    ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    systemd = Systemd(ear.address, None)
    while not caplog.records:
        systemd.ready()
    assert "systemd was not told" in caplog.text
