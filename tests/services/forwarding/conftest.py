"""A hub that forwards to a web server, which a test plays."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio
from standardwebhooks import Webhook

from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.views import TargetView
from hub.store.names import DATABASE
from hub.store.records.retention import DayUse
from hub.store.targets.target import Selection
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services

URL = "https://receiver.example/in"


def day_of(first: int, last: int) -> DayUse:
    """A day of the log with these records."""
    return DayUse("2026-11-25", 0, 1 + last - first, first, last)


def change_database(data: Path, sql: str) -> None:
    """Change the database of a hub that does not run."""
    with closing(sqlite3.connect(data / DATABASE)) as connection, connection:
        connection.execute(sql)


class Received:
    """One message."""

    def __init__(self, request: httpx.Request, body: bytes) -> None:
        self.headers = dict(request.headers)
        self.url = str(request.url)
        self.text = body.decode()
        self.body: dict[str, Any] = msgspec.json.decode(body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def seq(self) -> int:
        return int(self.body["data"]["seq"])

    def is_signed_by(self, secret: str) -> bool:
        """Whether the header has the signature of a secret, whatever the time."""
        moment = datetime.fromtimestamp(int(self.headers["webhook-timestamp"]), UTC)
        signed = Webhook(secret).sign(self.id, moment, self.text)
        return signed in self.headers["webhook-signature"].split()


class Receiver(httpx.AsyncBaseTransport):
    """A web server. `answer` decides; what it answers with 2xx is in `kept`."""

    def __init__(self) -> None:
        self.asked: list[Received] = []
        self.kept: list[Received] = []
        self.answer: Callable[[Received], httpx.Response] = lambda received: httpx.Response(204)
        self.error: Exception | None = None
        self.hangs = False
        self.closed = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = b"".join([part async for part in request.stream])  # type: ignore[union-attr]
        received = Received(request, body)
        self.asked.append(received)
        if self.error is not None:
            raise self.error
        if self.hangs:
            await trio.sleep_forever()
        answer = self.answer(received)
        if answer.is_success:
            self.kept.append(received)
        return answer

    async def aclose(self) -> None:
        self.closed += 1

    @property
    def seqs(self) -> list[int]:
        return [one.seq for one in self.kept if one.body["type"] == "record"]

    async def until(self, condition: Callable[[], bool]) -> None:
        with trio.fail_after(30):
            while not condition():  # noqa: ASYNC110  what happens has no event
                await trio.sleep(0.005)


class Forwarding:
    """A hub with a receiver."""

    def __init__(self, hub: HubServices, clock: FrozenClock, receiver: Receiver) -> None:
        self.hub = hub
        self.clock = clock
        self.receiver = receiver
        self.services = hub.services
        self.targets = hub.services.forwarding.targets

    async def add(self, **fields: Any) -> tuple[TargetView, str]:
        fields = {"begin": "beginning", "selection": Selection(alarms=False), **fields}
        return await self.targets.add("webhook", fields.pop("url", URL), by=COMMAND_LINE, **fields)

    async def until_current(self, id: int) -> TargetView:
        await self.receiver.until(lambda: self.targets.get(id).state == "current")
        return self.targets.get(id)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@asynccontextmanager
async def open_forwarding_hub(
    data: Path, clock: FrozenClock, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[HubServices]:
    """A hub whose targets run. `transport`: the network of its webhooks."""
    opened = open_hub_services(data, clock, transport=transport)
    async with opened as hub, trio.open_nursery() as nursery:
        await nursery.start(hub.services.forwarding.targets.run)
        yield hub
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_forwarding(
    data: Path, clock: FrozenClock, receiver: Receiver
) -> AsyncIterator[Forwarding]:
    async with open_forwarding_hub(data, clock, receiver) as hub:
        yield Forwarding(hub, clock, receiver)


@pytest.fixture
async def forwarding(
    tmp_path: Path, clock: FrozenClock, receiver: Receiver
) -> AsyncIterator[Forwarding]:
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        yield forwarding
