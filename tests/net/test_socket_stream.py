"""SocketStream keeps the contract of trio's stream, and adds send_nowait()."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from operator import index

import pytest
import trio
import trio.testing

from hub.net.socket_stream import SocketStream, from_trio_stream

Pair = tuple[SocketStream, SocketStream]


async def made() -> Pair:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        client = await trio.testing.open_stream_to_socket_listener(listener)
        return from_trio_stream(await listener.accept()), from_trio_stream(client)


class Yielding(SocketStream):
    """Adds the checkpoint that the contract asks for after each send, and SocketStream omits."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await super().send_all(data)
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        # trio's checks pass values that the annotations exclude.
        return await super().receive_some(max_bytes if max_bytes is None else index(max_bytes))


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    ours, theirs = await made()
    yield ours, theirs
    ours.close()
    theirs.close()


async def test_data_arrives_complete_and_in_order(pair: Pair) -> None:
    ours, theirs = pair
    body = os.urandom(3_000_000)
    got = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.send_all, body)
        while len(got) < len(body):
            got += await theirs.receive_some(100_000)
    assert got == body


async def test_it_passes_trios_checks_of_a_half_closeable_stream() -> None:
    pairs: list[Pair] = []

    async def yielding() -> Pair:
        ours, theirs = await made()
        pairs.append((Yielding(ours.socket), Yielding(theirs.socket)))
        return pairs[-1]

    await trio.testing.check_half_closeable_stream(yielding, None)
    assert pairs
    assert all(stream.socket.fileno() < 0 for pair in pairs for stream in pair)


async def test_a_receive_is_a_checkpoint_even_when_data_is_there(pair: Pair) -> None:
    ours, theirs = pair
    await ours.send_all(b"there")
    with trio.testing.assert_checkpoints():
        assert await theirs.receive_some() == b"there"


async def test_a_cancelled_receive_loses_nothing(pair: Pair) -> None:
    ours, theirs = pair
    await ours.send_all(b"there")
    with trio.CancelScope() as scope:
        scope.cancel()
        await theirs.receive_some()
    assert await theirs.receive_some() == b"there"


async def test_waiting_for_the_first_byte_does_not_consume_it(pair: Pair) -> None:
    ours, theirs = pair
    await ours.send_all(b"first")
    assert await theirs.wait_first_byte() == b"f"
    assert await theirs.receive_some() == b"first"
    await ours.aclose()
    assert await theirs.wait_first_byte() == b""


async def test_closing_wakes_waiting_tasks(pair: Pair) -> None:
    ours, _ = pair
    async with trio.open_nursery() as nursery:

        async def receive() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await ours.receive_some()

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        ours.close()
        ours.close()
    with pytest.raises(trio.ClosedResourceError):
        await ours.send_all(b"late")


async def test_a_reset_by_the_peer_breaks_the_stream(pair: Pair) -> None:
    ours, theirs = pair
    theirs.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    theirs.close()  # a reset
    with pytest.raises(trio.BrokenResourceError):
        await ours.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await ours.send_all(b"x")


@pytest.mark.parametrize("last", [b"", b"the last"])
async def test_the_rest_of_send_nowait_is_sent_before_anything_else(
    pair: Pair, last: bytes
) -> None:
    ours, theirs = pair
    said = b"first" * 1000
    while ours.send_nowait(b"first" * 1000):
        said += b"first" * 1000
    assert not ours.send_nowait(b"second")
    said += b"second" + last
    got = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.send_all, last)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            ours.send_nowait(b"in between")
        while len(got) < len(said):
            got += await theirs.receive_some()
    assert got == said
    assert ours.send_nowait(b"third")


async def test_two_tasks_cannot_send_at_the_same_time(pair: Pair) -> None:
    ours, _ = pair
    # Windows accepts any size in one send while nothing is pending.
    while ours.send_nowait(bytes(100_000)):
        pass
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.send_all, bytes(30_000_000))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await ours.send_all(b"x")
        nursery.cancel_scope.cancel()


async def test_a_small_send_is_no_checkpoint(pair: Pair) -> None:
    ours, theirs = pair
    with trio.testing.assert_no_checkpoints():
        assert ours.send_nowait(b"hello")
    assert await theirs.receive_some(100) == b"hello"
    await ours.send_eof()
    with pytest.raises(trio.ClosedResourceError):
        ours.send_nowait(b"more")
