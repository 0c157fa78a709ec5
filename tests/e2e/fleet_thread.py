"""Simulated cameras in a thread, so that the same ones can be busy first and quiet later."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import trio

from hub.simulator.endpoint import HubEndpoint
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.fleet import run_fleet
from hub.simulator.identity import CameraIdentity
from tests.e2e.hub_process import HubProcess


@contextmanager
def running_cameras(
    hub: HubProcess,
    cameras: Sequence[CameraIdentity],
    *,
    rate: float,
    quirks: Sequence[Quirks] = (FAULTLESS,),
) -> Iterator[None]:
    """Run `cameras` within the block. `rate`: captures per second of all of them together."""
    endpoint = HubEndpoint("127.0.0.1", ws_port=hub.device_port, http_port=hub.web_port)
    scope, started = trio.CancelScope(), threading.Event()
    token: list[trio.lowlevel.TrioToken] = []

    async def run() -> None:
        token.append(trio.lowlevel.current_trio_token())
        started.set()
        with scope:
            await run_fleet(cameras, endpoint, rate=rate, quirks=quirks)

    thread = threading.Thread(target=trio.run, args=(run,), daemon=True)
    thread.start()
    started.wait()
    try:
        yield
    finally:
        trio.from_thread.run_sync(scope.cancel, trio_token=token[0])
        thread.join()
