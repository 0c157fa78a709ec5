"""A hub that forwards to a real NATS server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.views import TargetView
from hub.store.targets.target import Selection
from tests.services.forwarding.conftest import open_forwarding_hub
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices
from tests.support.nats_server import NatsServer, Stored, running_nats

HUB, STREAM = "site-1", "SITEHUB_3"


class NatsForwarding:
    """A hub with a server."""

    def __init__(self, hub: HubServices, server: NatsServer) -> None:
        self.hub = hub
        self.server = server
        self.targets = hub.services.forwarding.targets

    async def add(self, **fields: Any) -> TargetView:
        defaults = {
            "begin": "beginning",
            "selection": Selection(alarms=False),
            "hub": HUB,
            "partition": 3,
        }
        fields = {**defaults, **fields}
        url = fields.pop("url", self.server.url)
        view, secret = await self.targets.add("nats", url, by=COMMAND_LINE, **fields)
        assert secret == ""
        return view

    async def until_current(self, id: int) -> TargetView:
        return await self.until(id, lambda view: view.state == "current")

    async def until(self, id: int, condition: Callable[[TargetView], bool]) -> TargetView:
        with trio.fail_after(30):
            while not condition(view := self.targets.get(id)):  # noqa: ASYNC110  what happens has no event
                await trio.sleep(0.01)
        return view

    async def stored(self, **login: str) -> list[Stored]:
        """What the stream has, but for what says which log the hub has."""
        return [one for one in await self.all_stored(**login) if one.kind != "log"]

    async def all_stored(self, **login: str) -> list[Stored]:
        return await trio.to_thread.run_sync(lambda: self.server.read(STREAM, **login))

    async def stored_seqs(self, **login: str) -> list[int]:
        """The numbers of the records in the stream, in its order."""
        return [one.record_seq for one in await self.stored(**login) if one.kind == "rec"]

    async def ask(self, subject: str, body: object = None) -> dict[str, Any]:
        return await trio.to_thread.run_sync(self.server.ask, f"$JS.API.{subject}", body)


@asynccontextmanager
async def open_nats_forwarding(
    data: Path, clock: FrozenClock, server: NatsServer
) -> AsyncIterator[NatsForwarding]:
    async with open_forwarding_hub(data, clock) as hub:
        yield NatsForwarding(hub, server)


@pytest.fixture(params=["new", "old"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NatsServer]:
    """A server with batches, and one that has none."""
    with running_nats(tmp_path / "nats", old=request.param == "old") as server:
        yield server


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[NatsServer]:
    with running_nats(tmp_path / "nats") as server:
        yield server


@pytest.fixture
async def forwarding(
    tmp_path: Path, clock: FrozenClock, server: NatsServer
) -> AsyncIterator[NatsForwarding]:
    async with open_nats_forwarding(tmp_path / "hub", clock, server) as forwarding:
        yield forwarding


@pytest.fixture
async def new_forwarding(
    tmp_path: Path, clock: FrozenClock, new_server: NatsServer
) -> AsyncIterator[NatsForwarding]:
    async with open_nats_forwarding(tmp_path / "hub", clock, new_server) as forwarding:
        yield forwarding
