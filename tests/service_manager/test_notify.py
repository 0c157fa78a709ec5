"""Notifications to systemd, received on a socket like its own."""

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

from hub.service_manager.linux.notify import Systemd, extend_start, systemd_from

pytestmark = pytest.mark.jumping_clock

if sys.platform == "win32":
    pytest.skip("systemd is there on Linux alone", allow_module_level=True)


class NotifySocket:
    """The socket that systemd reads."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.socket.setblocking(False)

    def received(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture
def listen() -> Iterator[Callable[[str], NotifySocket]]:
    with ExitStack() as stack:

        def open_socket(address: str) -> NotifySocket:
            notify_socket = NotifySocket(address)
            stack.enter_context(notify_socket.socket)
            return notify_socket

        yield open_socket


@pytest.fixture
def notify_socket(listen: Callable[[str], NotifySocket], tmp_path: Path) -> NotifySocket:
    return listen(str(tmp_path / "notify"))


def test_it_notifies_ready_and_stopping(notify_socket: NotifySocket) -> None:
    systemd = systemd_from({"NOTIFY_SOCKET": notify_socket.address})
    assert systemd is not None
    systemd.ready()
    assert notify_socket.received() == ["READY=1"]
    systemd.stopping()
    assert notify_socket.received() == ["STOPPING=1"]


def test_a_start_that_takes_longer_asks_for_time(notify_socket: NotifySocket) -> None:
    extend_start({"NOTIFY_SOCKET": notify_socket.address}, 90.5)
    extend_start({}, 90.5)
    assert notify_socket.received() == ["EXTEND_TIMEOUT_USEC=90500000"]


def test_the_socket_may_be_in_the_abstract_namespace(listen: Callable[[str], NotifySocket]) -> None:
    if sys.platform != "linux":
        pytest.skip("abstract sockets are Linux's")
    notify_socket = listen(f"@sitehub-test-{secrets.token_hex(8)}")
    Systemd(notify_socket.address, None).ready()
    assert notify_socket.received() == ["READY=1"]


async def test_the_watchdog_is_notified_three_times_within_its_timeout(
    notify_socket: NotifySocket,
) -> None:
    systemd = systemd_from({"NOTIFY_SOCKET": notify_socket.address, "WATCHDOG_USEC": "60000000"})
    assert systemd is not None
    with trio.move_on_after(70):
        await systemd.watch()
    assert notify_socket.received() == ["WATCHDOG=1"] * 4  # at 0, 20, 40 and 60 seconds


async def test_without_a_watchdog_there_are_no_notifications(notify_socket: NotifySocket) -> None:
    with trio.move_on_after(1000):
        await Systemd(notify_socket.address, None).watch()
    assert notify_socket.received() == []


async def test_a_watchdog_pid_of_the_bootloader_is_ignored(notify_socket: NotifySocket) -> None:
    environment = {
        "NOTIFY_SOCKET": notify_socket.address,
        "WATCHDOG_USEC": "3000000",
        "WATCHDOG_PID": "1",
        "PATH": "/usr/bin",
    }
    systemd = systemd_from(environment)
    assert systemd is not None
    with trio.move_on_after(0.5):
        await systemd.watch()
    assert notify_socket.received() == ["WATCHDOG=1"]
    assert environment == {"PATH": "/usr/bin"}


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_systemd_nothing_is_notified(environment: dict[str, str]) -> None:
    assert systemd_from(environment) is None


def test_a_missing_socket_does_not_end_the_hub(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Systemd(str(tmp_path / "gone"), None).ready()
    assert "cannot notify systemd of READY=1" in caplog.text


def test_a_full_socket_does_not_block_the_hub(
    notify_socket: NotifySocket, caplog: pytest.LogCaptureFixture
) -> None:
    systemd = Systemd(notify_socket.address, None)
    while not caplog.records:
        systemd.ready()
    assert "cannot notify systemd of" in caplog.text
