"""The time for cameras, as SNTP clients ask for it."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from hub.config import Config, DevicesConfig, TimeConfig, WebConfig
from hub.errors import StartFault
from hub.net.binding import check_ports, open_listeners, open_udp_sockets
from hub.net.sntp import answer_of, is_request, serve_sntp
from tests.support.clock import FrozenClock

EPOCH = 2_208_988_800
#: Version 4, client; the transmit timestamp is what the answer repeats.
REQUEST = bytes([0x23]) + bytes(39) + b"8 bytes!"
SILENCE_SECONDS = 0.2


class Client:
    """A socket of a camera, and what a test changes at the hub."""

    def __init__(self, sock: trio.socket.SocketType, port: int, clock: FrozenClock) -> None:
        self._sock = sock
        self._port = port
        self.clock = clock
        self.is_doubted = False

    async def send(self, datagram: bytes) -> None:
        await self._sock.sendto(datagram, ("127.0.0.1", self._port))

    async def ask(self, datagram: bytes = REQUEST) -> bytes:
        """Send a datagram and return the answer."""
        await self.send(datagram)
        with trio.fail_after(10):
            answer, _ = await self._sock.recvfrom(4096)
        return answer

    async def count_answers(self) -> int:
        """Count what comes until nothing comes any more."""
        count = 0
        while True:
            with trio.move_on_after(SILENCE_SECONDS):
                await self._sock.recvfrom(4096)
                count += 1
                continue
            return count


@pytest.fixture
async def client(clock: FrozenClock) -> AsyncIterator[Client]:
    async with connected(clock) as client:
        yield client


@asynccontextmanager
async def connected(clock: FrozenClock) -> AsyncIterator[Client]:
    (listening,) = await open_udp_sockets("127.0.0.1", 0)
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        client = Client(sock, listening.getsockname()[1], clock)
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_sntp, [listening], clock, lambda: not client.is_doubted)
            yield client
            nursery.cancel_scope.cancel()


def seconds_of(answer: bytes, offset: int) -> float:
    (stamp,) = struct.unpack_from("!Q", answer, offset)
    return stamp / 2**32 - EPOCH


async def test_a_client_gets_the_time(client: Client) -> None:
    answer = await client.ask()
    assert len(answer) == 48
    flags, stratum, poll, precision = struct.unpack_from("!BBbb", answer)
    assert (flags >> 6, flags >> 3 & 7, flags & 7) == (0, 4, 4)
    assert 1 < stratum < 16
    assert (poll, precision) == (0, -20)
    assert answer[24:32] == REQUEST[40:48]
    for offset in (16, 32, 40):
        assert seconds_of(answer, offset) == pytest.approx(client.clock(), abs=1e-3)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
async def test_a_client_gets_its_own_version(client: Client, version: int) -> None:
    answer = await client.ask(bytes([version << 3 | 3]) + REQUEST[1:])
    assert answer[0] == version << 3 | 4


async def test_no_time_is_told_while_the_clock_is_doubted(client: Client) -> None:
    client.is_doubted = True
    await client.send(REQUEST)
    assert await client.count_answers() == 0
    client.is_doubted = False
    assert len(await client.ask()) == 48


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        REQUEST[:47],
        REQUEST + b"x",
        REQUEST * 20,
        bytes([0x24]) + REQUEST[1:],  # an answer: two servers must not talk to each other
        bytes([0x21]) + REQUEST[1:],
        bytes([0x26]) + REQUEST[1:],  # a control message
        bytes([0x27]) + REQUEST[1:],
        bytes([0x03]) + REQUEST[1:],  # version 0
        bytes([0x3B]) + REQUEST[1:],  # version 7
    ],
)
async def test_what_is_no_request_is_ignored(client: Client, datagram: bytes) -> None:
    await client.send(datagram)
    assert await client.count_answers() == 0
    assert len(await client.ask()) == 48


async def test_an_address_that_floods_gets_few_answers(client: Client) -> None:
    for _ in range(300):
        await client.send(REQUEST)
    assert 40 <= await client.count_answers() <= 60


async def test_a_request_from_port_0_keeps_nobody_waiting(clock: FrozenClock) -> None:
    sock = ReceivingSocket(("10.0.0.1", 0), ("10.0.0.2", 123))
    with trio.move_on_after(SILENCE_SECONDS):
        await serve_sntp([cast("trio.socket.SocketType", sock)], clock, lambda: True)
    assert sock.answered == [("10.0.0.2", 123)]


class ReceivingSocket:
    """Receives a request from each of these addresses, and notes to whom an answer is sent."""

    def __init__(self, *addresses: tuple[str, int]) -> None:
        self._addresses = list(addresses)
        self.answered: list[tuple[str, int]] = []

    async def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int]]:
        if not self._addresses:
            await trio.sleep_forever()
        return REQUEST, self._addresses.pop(0)

    async def sendto(self, answer: bytes, address: tuple[str, int]) -> None:
        self.answered.append(address)

    def close(self) -> None:
        pass


async def test_the_port_is_closed_in_the_end(clock: FrozenClock) -> None:
    (sock,) = await open_udp_sockets("127.0.0.1", 0)
    port = sock.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_sntp, [sock], clock, lambda: True)
        nursery.cancel_scope.cancel()
    for again in await open_udp_sockets("127.0.0.1", port):
        again.close()


async def test_a_port_in_use_stops_the_start_with_a_sentence() -> None:
    (sock,) = await open_udp_sockets("127.0.0.1", 0)
    port = sock.getsockname()[1]
    with sock, pytest.raises(StartFault) as fault:
        await open_udp_sockets("127.0.0.1", port, setting="time.sntp_port")
    assert f"port {port} is already in use" in fault.value.message
    assert f"(process {os.getpid()})" in fault.value.message
    assert "set another time.sntp_port" in fault.value.message


async def test_the_port_is_checked_before_the_start() -> None:
    (sock,) = await open_udp_sockets("127.0.0.1", 0)
    web, devices = await open_listeners("127.0.0.1", 0) + await open_listeners("127.0.0.1", 0)
    ports = [one.socket.getsockname()[1] for one in (web, devices)]
    await web.aclose()
    await devices.aclose()
    config = Config(
        web=WebConfig(bind="127.0.0.1", port=ports[0]),
        devices=DevicesConfig(bind="127.0.0.1", port=ports[1]),
        time=TimeConfig(sntp_port=sock.getsockname()[1]),
    )
    with sock, pytest.raises(StartFault, match=r"time\.sntp_port"):
        await check_ports(config)


async def test_an_address_of_another_host_is_named_with_its_setting() -> None:
    with pytest.raises(StartFault) as fault:
        await open_udp_sockets("192.0.2.1", 0, setting="time.sntp_port")
    assert fault.value.message.startswith("bad setting devices.bind = 192.0.2.1")


@given(st.binary(max_size=100))
def test_no_datagram_is_answered_by_more_than_it_is(datagram: bytes) -> None:
    if is_request(datagram):
        assert len(answer_of(datagram, 0.0, 0.0)) == len(datagram)


@given(st.floats(-1e12, 1e12))
def test_any_time_can_be_told(moment: float) -> None:
    assert len(answer_of(REQUEST, moment, moment)) == 48


def test_the_time_goes_on_after_2036() -> None:
    moment = 2**32 - EPOCH + 5.0
    assert struct.unpack_from("!I", answer_of(REQUEST, moment, moment), 40) == (5,)
