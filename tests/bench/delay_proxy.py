"""A TCP proxy that holds what it passes on for some time, each way.

    python -m tests.bench.delay_proxy PORT MILLISECONDS

PORT is the one of the server. Prints the port that it listens to, and runs until it is ended.
"""

from __future__ import annotations

import sys
from collections import deque

import trio

_READ_BYTES = 256 * 1024


async def main(port: int, seconds: float) -> None:
    async def handle(client: trio.SocketStream) -> None:
        server = await trio.open_tcp_stream("127.0.0.1", port)
        async with client, server, trio.open_nursery() as nursery:
            for source, target in ((client, server), (server, client)):
                nursery.start_soon(_pass_on, source, target, seconds, nursery.cancel_scope)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print(listener.socket.getsockname()[1], flush=True)
    await trio.serve_listeners(handle, [listener])


async def _pass_on(
    source: trio.SocketStream, target: trio.SocketStream, seconds: float, scope: trio.CancelScope
) -> None:
    """Pass on what comes, in order, without waiting for what was passed on before."""
    held: deque[tuple[float, bytes]] = deque()
    arrived = trio.Event()

    async def send() -> None:
        nonlocal arrived
        while True:
            while held:
                due, data = held.popleft()
                await trio.sleep_until(due)
                await target.send_all(data)
            arrived = trio.Event()
            await arrived.wait()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            async for data in source:
                held.append((trio.current_time() + seconds, data))
                arrived.set()
            nursery.cancel_scope.cancel()
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    scope.cancel()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), float(sys.argv[2]) / 1000)
