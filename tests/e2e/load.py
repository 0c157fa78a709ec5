"""A load of uploads: senders upload without a pause, and remember what was acknowledged."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import Any

import httpx

from tests.e2e.camera import Capture, upload_sync
from tests.e2e.hub_process import TIMEOUT_SECONDS, HubProcess

RECORDS = "/api/hub/v1/records"
_SIZES = (3_000, 6_000, 24_000)


class UploadLoad:
    """A context in which `senders` threads upload until it ends or the hub fails.

    `sent` has the uuids of all captures, `acknowledged` those that were answered 200.
    """

    def __init__(self, hub: HubProcess, token: str, *, senders: int = 8) -> None:
        self.acknowledged: dict[str, Capture] = {}
        self.sent: set[str] = set()
        self._hub = hub
        self._token = token
        self._rng = random.Random(0)
        self._changed = threading.Condition()
        self._stopped = False
        self._threads = [threading.Thread(target=self._send) for _ in range(senders)]

    def __enter__(self) -> UploadLoad:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopped = True
        for thread in self._threads:
            thread.join()

    def wait_acknowledged(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.acknowledged) >= count, TIMEOUT_SECONDS)

    def _send(self) -> None:
        with self._hub.sync_client() as client:
            while not self._stopped:
                with self._changed:
                    capture = Capture.random(self._rng, *_SIZES)
                    self.sent.add(capture.uuid)
                try:
                    code = upload_sync(client, self._token, capture.body())
                except (httpx.TransportError, ValueError):
                    return
                if code != 200:
                    return
                with self._changed:
                    self.acknowledged[capture.uuid] = capture
                    self._changed.notify_all()

    async def check_stored(self, client: httpx.AsyncClient) -> None:
        """Assert that each acknowledged capture is stored once, with intact pictures."""
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
    """Read all records, page by page."""
    records: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = (await client.get(RECORDS, params={"after": after, "limit": 100})).json()
        records += page["items"]
        after = page["next"]
    return records
