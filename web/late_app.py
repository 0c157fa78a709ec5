"""The application of browsers and programs, made when the first of them asks.

Quart, the pages and the API take 15 MB of memory, and half a second of the start. Cameras, and
whoever asks for the health of the hub, do without.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as LifespanConfig
from hypercorn.trio.lifespan import Lifespan
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope
from hypercorn.utils import LifespanTimeoutError

log = logging.getLogger(__name__)

#: For the shutdown of the application.
_LIFESPAN_SECONDS = 3.0


class LateApp:
    """Passes requests to an application that `make` makes in a thread. Used within available().

    What `make` raises is that of the request; the next one tries again.
    """

    def __init__(self, make: Callable[[], ASGIFramework]) -> None:
        self._make = make
        self._app: ASGIFramework | None = None
        self._making = trio.Lock()
        self._closing = trio.Event()

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        app = self._app or await self.made()
        await app(scope, receive, send)

    @asynccontextmanager
    async def available(self) -> AsyncIterator[None]:
        """Let the application be made; on exit, shut it down if it was."""
        async with trio.open_nursery() as self._nursery:
            yield
            self._closing.set()

    async def made(self) -> ASGIFramework:
        """Make the application, unless it is there, and return it once it has started up."""
        async with self._making:
            if self._app is None:
                # A hub that ends does not wait for it.
                app = await trio.to_thread.run_sync(self._make, abandon_on_cancel=True)
                await self._nursery.start(self._run, app)
                self._app = app
            return self._app

    async def _run(self, app: ASGIFramework, *, task_status: trio.TaskStatus[None]) -> None:
        """Start `app` up, and shut it down at the end, with the lifespan events of ASGI."""
        config = LifespanConfig()
        config.errorlog = log
        config.shutdown_timeout = _LIFESPAN_SECONDS
        lifespan = Lifespan(ASGIWrapper(app), config, {})
        async with trio.open_nursery() as nursery:
            await nursery.start(lifespan.handle_lifespan)
            await lifespan.wait_for_startup()
            task_status.started()
            await self._closing.wait()
            try:
                await lifespan.wait_for_shutdown()
            except LifespanTimeoutError:
                log.warning("the web application did not end in time")
            nursery.cancel_scope.cancel()
