"""Accepting on a port: limits, shortages, and what ends it."""

from __future__ import annotations

import errno
import os
import ssl

import pytest
import trio
import trio.testing

from hub import metrics
from hub.net.binding import open_listeners
from hub.net.connection_slots import Limits
from hub.net.loop_scheduler import LoopScheduler
from hub.net.networks import Networks
from tests.support.certificates import server_context, trusting_anybody
from tests.support.served_port import answers, counted, is_closed, served


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return server_context(tmp_path_factory.mktemp("tls"))


async def test_a_connection_beyond_the_limit_is_closed_at_once() -> None:
    refused = counted(metrics.connections_refused, "test", "connections")
    async with served(limits=Limits(connections=2, per_address=9)) as port:
        first, second, third = [await port.connect() for _ in range(3)]
        assert await answers(first)
        assert await answers(second)
        assert not await answers(third)
        assert counted(metrics.connections_refused, "test", "connections") == refused + 1


async def test_one_address_cannot_take_all_connections() -> None:
    async with served(limits=Limits(connections=9, per_address=1)) as port:
        first, second = await port.connect(), await port.connect()
        assert await answers(first)
        assert not await answers(second)
        assert await answers(await port.connect(local_address="127.0.0.2"))


async def test_trusted_proxies_have_a_limit_of_their_own() -> None:
    refused = counted(metrics.connections_refused, "test", "proxies")
    limits = Limits(connections=4, per_address=1, proxies=Networks("127.0.0.2"))
    async with served(limits=limits) as port:
        first, second, third = [await port.connect(local_address="127.0.0.2") for _ in range(3)]
        assert await answers(first)
        assert await answers(second)
        assert not await answers(third)
        assert counted(metrics.connections_refused, "test", "proxies") == refused + 1
        assert await answers(await port.connect())


async def test_a_closed_connection_makes_room_for_another(context: ssl.SSLContext) -> None:
    async with served(limits=Limits(connections=1, per_address=1)) as port:
        for _ in range(3):
            async with await port.connect() as client:
                assert await answers(client)
                await client.send_eof()
                assert await client.receive_some(1) == b""
            await trio.testing.wait_all_tasks_blocked()
        assert counted(metrics.connections, "test") == 0


async def test_faults_are_counted_from_zero_so_that_an_alert_sees_the_first() -> None:
    metrics.connection_faults.clear()
    async with served():
        of_port = {"port": "test"}
        name = "sitehub_connection_faults_total"
        assert metrics.REGISTRY.get_sample_value(name, of_port) == 0


async def test_connections_go_on_when_accepting_stops() -> None:
    async with served() as port, await port.connect() as client:
        assert await answers(client)
        port.accepting.cancel()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(OSError, match="all attempts to connect"):
            await port.connect()
        assert await answers(client)


async def test_the_listeners_of_one_port_share_its_limits() -> None:
    listeners = [*await open_listeners("127.0.0.1", 0), *await open_listeners("127.0.0.1", 0)]
    async with served(listeners=listeners, limits=Limits(1, 1)) as port:
        first = await port.connect()
        assert await answers(first)
        other = listeners[1].socket.getsockname()[1]
        assert not await answers(await port.connect(port=other))


async def test_150_connections_at_the_same_moment_are_all_served(context: ssl.SSLContext) -> None:
    async with served(tls=lambda: context) as port:
        answered: list[bool] = []

        async def come() -> None:
            answered.append(await answers(await port.connect_tls()))

        async with trio.open_nursery() as nursery:
            for _ in range(150):
                nursery.start_soon(come)
        assert answered == [True] * 150


class Exhausted(trio.abc.Listener[trio.SocketStream]):
    """A listener on a host that runs out of files for the first few connections."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self.listener = listener
        self.socket = listener.socket
        self.times = 3

    async def accept(self) -> trio.SocketStream:
        if self.times:
            self.times -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return await self.listener.accept()

    async def aclose(self) -> None:
        await self.listener.aclose()


@pytest.mark.expects_error("cannot accept on the test port for now: Too many open files")
async def test_accepting_goes_on_after_the_host_ran_out_of_files(
    autojump_clock: trio.testing.MockClock,
) -> None:
    (listener,) = await open_listeners("127.0.0.1", 0)
    async with served(listeners=[Exhausted(listener)]) as port:
        assert await answers(await port.connect())


async def test_a_connection_from_elsewhere_takes_a_place_of_the_largest_source(
    context: ssl.SSLContext,
) -> None:
    cut = counted(metrics.connections_refused, "test", "cut")
    limits = Limits(connections=4, per_address=9)
    async with served(limits=limits, tls=lambda: context) as port:
        old, *_, young = [await port.connect() for _ in range(4)]
        other = await port.connect(local_address="127.0.0.2")
        assert await is_closed(young)
        for stream in (old, other):
            secured = trio.SSLStream(stream, trusting_anybody())
            await secured.do_handshake()
            assert await answers(secured)
        assert counted(metrics.connections_refused, "test", "cut") == cut + 1
        assert counted(metrics.connections, "test") == 4


async def test_a_connection_in_use_that_is_cut_off_is_no_fault() -> None:
    faults = counted(metrics.connection_faults, "test")
    async with served(limits=Limits(connections=2, per_address=9)) as port:
        first, second = await port.connect(), await port.connect()
        assert await answers(first)
        assert await answers(second)
        assert await answers(await port.connect(local_address="127.0.0.2"))
        assert await is_closed(second)
        assert counted(metrics.connection_faults, "test") == faults


async def test_handshakes_are_begun_in_turns_by_those_who_have_spoken(
    context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[str] = []
    has_spoken, may_begin = trio.Event(), trio.Event()

    async def turn(turns: LoopScheduler, address: str) -> None:
        waiting.append(address)
        has_spoken.set()
        await may_begin.wait()

    monkeypatch.setattr(LoopScheduler, "turn", turn)
    async with served(tls=lambda: context) as port, trio.open_nursery() as nursery:
        await port.connect()
        nursery.start_soon(port.connect_tls)
        await has_spoken.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert waiting == ["127.0.0.1"]
        may_begin.set()
