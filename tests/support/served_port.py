"""A port that is served for a test, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing

from hub.net.binding import open_listeners
from hub.net.connection import Peer
from hub.net.connection_slots import Limits
from hub.net.listener import serve_port
from tests.support.certificates import trusting_anybody

PLENTY = Limits(connections=1000, per_address=1000)


async def echo(stream: trio.abc.Stream, peer: Peer) -> None:
    while data := await stream.receive_some(4096):
        await stream.send_all(data)


class Served:
    """A served port, and clients of it."""

    def __init__(self, port: int, nursery: trio.Nursery) -> None:
        self.port = port
        self.accepting = trio.CancelScope()
        self.nursery = nursery
        self.clients: list[trio.SocketStream] = []

    async def connect(
        self, host: str = "127.0.0.1", *, port: int = 0, local_address: str | None = None
    ) -> trio.SocketStream:
        client = await trio.open_tcp_stream(host, port or self.port, local_address=local_address)
        self.clients.append(client)
        return client

    async def connect_tls(self) -> trio.SSLStream[trio.SocketStream]:
        stream = trio.SSLStream(await self.connect(), trusting_anybody())
        await stream.do_handshake()
        return stream


@asynccontextmanager
async def served(handler: Any = echo, **options: Any) -> AsyncIterator[Served]:
    listeners = options.pop("listeners", None) or await open_listeners("127.0.0.1", 0)
    options = {"limits": PLENTY, "tls": None, "handshake_seconds": 10} | options
    async with trio.open_nursery() as handlers, trio.open_nursery() as nursery:
        port = Served(listeners[0].socket.getsockname()[1], handlers)

        async def serve(task_status: trio.TaskStatus[None]) -> None:
            with port.accepting:
                await serve_port(
                    "test",
                    listeners,
                    handler,
                    handler_nursery=handlers,
                    task_status=task_status,
                    **options,
                )

        await nursery.start(serve)
        yield port
        for client in port.clients:
            client.socket.close()
        nursery.cancel_scope.cancel()
        handlers.cancel_scope.cancel()


async def answers(stream: trio.abc.Stream) -> bool:
    """Return whether `stream` is echoed; False once the hub has closed it."""
    try:
        await stream.send_all(b"x")
        return await stream.receive_some(1) == b"x"
    except trio.BrokenResourceError:
        return False


async def is_closed(stream: trio.abc.Stream) -> bool:
    """Wait until the hub closes `stream`; return False if it sends data instead."""
    try:
        return await stream.receive_some(1) == b""
    except trio.BrokenResourceError:
        return True


def counted(metric: Any, *labels: str) -> float:
    return float(metric.labels(*labels)._value.get())
