"""Cameras that upload as fast as they are answered, and remember what was acknowledged."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import trio

from tests.e2e.camera import Capture, upload

RECORDS = "/api/hub/v1/records"
_SIZES = (3_000, 6_000, 24_000)


@dataclass
class Load:
    """`acknowledged`: every capture that was answered 200, by its uuid."""

    client: httpx.AsyncClient
    token: str
    acknowledged: dict[str, Capture] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    _noise: random.Random = field(default_factory=lambda: random.Random(0))
    _progress: trio.Event = field(default_factory=trio.Event)

    async def run(self, senders: int) -> None:
        """Until the hub is away, or this is cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(senders):
                nursery.start_soon(self._send)

    async def wait_acknowledged(self, count: int) -> None:
        while len(self.acknowledged) < count:
            await self._progress.wait()

    async def _send(self) -> None:
        while True:
            capture = Capture.draw(self._noise, *_SIZES)
            self.sent.add(capture.uuid)
            try:
                code = await upload(self.client, self.token, capture.body())
            except (httpx.TransportError, ValueError):
                return
            if code != 200:
                return
            self.acknowledged[capture.uuid] = capture
            self._progress.set()
            self._progress = trio.Event()

    async def check_stored(self, client: httpx.AsyncClient) -> None:
        """Every acknowledged capture is there once, and every picture that is there is whole."""
        records = await read_all(client)
        counts = Counter(record["uuid"] for record in records)
        assert set(self.acknowledged) <= set(counts) <= self.sent
        assert set(counts.values()) <= {1}
        seqs = [record["seq"] for record in records]
        assert seqs == sorted(set(seqs))
        for record in records:
            if record["uuid"] in self.acknowledged:
                await self._check_pictures(client, record)

    async def _check_pictures(self, client: httpx.AsyncClient, record: dict[str, Any]) -> None:
        sent = self.acknowledged[record["uuid"]].pictures
        assert set(record["images"]) == set(sent)
        for name, path in record["images"].items():
            assert (await client.get(path)).content == sent[name]


async def read_all(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """The whole log, page by page."""
    records: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = (await client.get(RECORDS, params={"after": after, "limit": 100})).json()
        records += page["items"]
        after = page["next"]
    return records
