"""An ASGI application that does nothing on the hub's web server: the cost of a bare request.

Run as `python -m tests.bench.empty_app [DIRECTORY]`. With a directory (for a certificate) it serves
TLS. It prints its port once it serves.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import trio

from tests.support.certificates import server_context
from tests.support.web import services
from web.server import serve

_BODY = b'{"code":200,"msg":"OK"}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_BODY))]


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for stage in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{stage}.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY, "more_body": False})


async def main() -> None:
    parts = services(tls=server_context(Path(sys.argv[1])) if len(sys.argv) > 1 else None)
    shutdown = trio.Event()

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        await serve(lambda _parts, _bodies: app, parts, shutdown=shutdown, task_status=task_status)

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            print(parts.config.web.port, flush=True)
            await anext(signals)
            shutdown.set()


if __name__ == "__main__":
    trio.run(main)
